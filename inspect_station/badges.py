"""Operators' badges: random codes on paper; the configuration knows only their hashes."""

import hashlib
import secrets
from dataclasses import dataclass

from inspect_station import sheets

PREFIX = "BDG-"
DIGITS = 24
"""Some 80 bits. Digits stand in pairs in a Code 128, so that the bars have room on a label."""


@dataclass(frozen=True)
class Issued:
    """New badges: the sheet, and for each the hash that goes into station.toml."""

    pdf: bytes
    hashes: tuple[str, ...]


def new_badge(prefix: str = PREFIX) -> str:
    """A badge's text: the prefix and a random number."""
    return f"{prefix}{secrets.randbelow(10**DIGITS):0{DIGITS}}"


def fingerprint(badge: str) -> str:
    """What station.toml keeps of a badge; a random number so long needs no slow hash."""
    return hashlib.sha256(badge.encode()).hexdigest()


def issue(count: int, prefix: str = PREFIX) -> Issued:
    """Draw new badges on A4 pages; their texts stand nowhere but there."""
    badges = [new_badge(prefix) for _ in range(count)]
    group = sheets.Group("", [sheets.Card(text, str(n)) for n, text in enumerate(badges, start=1)])
    return Issued(sheets.cards("inspect-station", (), [group]), tuple(fingerprint(text) for text in badges))
