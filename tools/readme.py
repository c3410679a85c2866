"""Write what the README takes from the code: `uv run python tools/readme.py`, after a key or its words have changed."""

import sys
from pathlib import Path

from inspect_station.tui import keymap
from inspect_station.words import Voice

README = Path(__file__).resolve().parents[1] / "README.md"
BEGIN = "<!-- keys: written by tools/readme.py from the bindings -->\n"
END = "<!-- /keys -->"


def written(text: str) -> str:
    """The README with its table of keys brought up to date."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{keymap.table(Voice('en'))}{END}{after}"


def main() -> int:
    """Write the README; 1 where it has changed."""
    old = README.read_text(encoding="utf-8")
    new = written(old)
    README.write_text(new, encoding="utf-8")
    return int(old != new)


if __name__ == "__main__":
    sys.exit(main())
