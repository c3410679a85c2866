"""A sentence for people, kept apart from its language until somebody reads it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Message:
    """An English template (the gettext msgid) and its values.

    Values are plain JSON scalars, so that a message can be stored and read back years later. How a value is
    written is named in the template by its format: ``{delivered:date}`` (ISO date), ``{price:money}``
    (``"29925 EUR"``), ``{what:word}`` (itself a msgid, translated), ``{at:time}`` (ISO instant), ``{what:data}`` (a
    path
    into the rules, whose label is written: ``grade.used``, ``finding.scratch``, ``gate.account_lock``,
    ``slot.damage``, ``place.hold``, ``reason.DEFECTIVE``, ``question.state.2``, ``step.phone.test.power``).
    `words.Voice` writes it in a language.
    """

    text: str
    params: Mapping[str, str | int] = field(default_factory=dict)
    plural: str = ""
    """Template for the plural; the number that decides is the value named ``n``."""

    def __str__(self) -> str:
        """The English text, for logs and tracebacks; people get `words.say`."""
        text = self.plural if self.plural and self.params.get("n") != 1 else self.text
        try:
            return text.format_map(_Plain(self.params))
        except (KeyError, ValueError, IndexError):
            return f"{text} {dict(self.params)}"


class _Plain(dict[str, Any]):
    """Values that ignore the format named in the template."""

    def __getitem__(self, key: str) -> "_Value":
        return _Value(super().__getitem__(key))


class _Value(str):
    __slots__ = ()

    def __format__(self, spec: str) -> str:
        return str(self)


def msg(text: str, /, **params: str | int) -> Message:
    """Make a message; babel extracts the text for translation."""
    return Message(text, params)


def msgn(text: str, plural: str, /, *, n: int, **params: str | int) -> Message:
    """Make a message about ``n`` things; babel extracts both forms."""
    return Message(text, {"n": n, **params}, plural)
