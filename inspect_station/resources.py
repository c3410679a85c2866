"""Finds what travels with the program: label templates, migrations and the sample configuration."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def resource(name: str) -> Path:
    """Return the path of `labels`, `migrations` or `station.toml`, or of something inside the first two.

    An installed wheel carries them inside the package; in a checkout they stand at the top, where people look
    for them. Raises FileNotFoundError where the installation is incomplete.
    """
    carried = _PACKAGE / "_data"
    path = (carried if carried.is_dir() else _PACKAGE.parent) / name
    if not path.exists():
        raise FileNotFoundError(f"inspect-station is not completely installed: {path} is missing; install it again")
    return path
