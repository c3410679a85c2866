"""Operators' badges: random codes on paper; the configuration knows only their hashes."""

import hashlib
import secrets
from dataclasses import dataclass

from inspect_station import sheets

PREFIX = "BDG-"
SIGNS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base32: no sign is mistaken for another."""


@dataclass(frozen=True)
class Issued:
    """New badges: the sheet, and for each the hash that goes into station.toml."""

    pdf: bytes
    hashes: tuple[str, ...]


def new_badge(prefix: str = PREFIX) -> str:
    """A badge's text: the prefix and 80 random bits."""
    number = secrets.randbits(80)
    return prefix + "".join(SIGNS[number >> shift & 31] for shift in range(75, -1, -5))


def fingerprint(badge: str) -> str:
    """What station.toml keeps of a badge; 80 random bits need no slow hash."""
    return hashlib.sha256(badge.encode()).hexdigest()


def issue(count: int, prefix: str = PREFIX) -> Issued:
    """Draw new badges on A4 pages; their texts stand nowhere but there."""
    badges = [new_badge(prefix) for _ in range(count)]
    group = sheets.Group("", [sheets.Card(text, str(n)) for n, text in enumerate(badges, start=1)])
    return Issued(sheets.cards("inspect-station", (), [group]), tuple(fingerprint(text) for text in badges))
