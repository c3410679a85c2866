"""What is typed: the text after a key, and what may come of it."""

from dataclasses import replace
from datetime import date

from inspect_station.tui.scene import OnUnit, Writing

LONGEST = 128
"""Characters in a field; longer codes are not read either."""


def edited(text: str, key: str) -> str | None:
    """The text after an editing key; None where the key edits nothing."""
    if key == "backspace":
        return text[:-1]
    if len(key) == 1 and key.isprintable() and len(text) < LONGEST:
        return text + key
    return None


def written(writing: Writing, key: str) -> Writing:
    """The text and its cursor after a key."""
    text, at = writing.text, writing.at
    match key:
        case "left":
            return replace(writing, at=max(0, at - 1))
        case "right":
            return replace(writing, at=min(len(text), at + 1))
        case "home":
            return replace(writing, at=0)
        case "end":
            return replace(writing, at=len(text))
        case "backspace" if at:
            return replace(writing, text=text[: at - 1] + text[at:], at=at - 1)
        case "delete":
            return replace(writing, text=text[:at] + text[at + 1 :])
    if len(key) == 1 and key.isprintable() and len(text) < LONGEST:
        return replace(writing, text=text[:at] + key + text[at:], at=at + 1)
    return writing


def day(text: str, latest: date) -> date | None:
    """A date as typed: ``2/10``, ``02.10.2026`` or ISO; without a year the last such day up to ``latest``."""
    parts = [part for part in text.replace(".", "/").replace("-", "/").split("/") if part]
    if not all(part.isdecimal() for part in parts) or len(parts) not in (2, 3):
        return None
    numbers = [int(part) for part in parts]
    if len(parts[0]) == 4:
        numbers.reverse()
    day, month, *years = numbers
    candidates = [year + 2000 if year < 100 else year for year in years] or [latest.year, latest.year - 1]
    for year in candidates:
        try:
            on = date(year, month, day)
        except ValueError:
            continue
        if years or on <= latest:
            return on
    return None


def fits(unit: OnUnit, sign: str) -> bool:
    """Whether the page's field takes this sign, or key."""
    field = unit.view.field
    return field is not None and (field.text or sign in "0123456789.," or sign == "backspace")
