"""A sentence for people, kept apart from its language until somebody reads it."""

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Message:
    """An English template (the gettext msgid) and its values.

    Values are plain JSON scalars, so that a message can be stored and read back years later. How a value is written is
    named in the template by its format: ``{delivered:date}`` (ISO date), ``{price:money}`` (``"29925 EUR"``),
    ``{what:word}`` (itself a msgid, translated), ``{at:time}`` (ISO instant), ``{what:data}`` (a path into the rules,
    whose label is written: ``grade.used``, ``finding.scratch``, ``gate.account_lock``, ``slot.damage``, ``place.hold``,
    ``reason.DEFECTIVE``, ``exclusion.gas``, ``question.state.2``, ``step.phone.test.power``).
    `words.Voice` writes it in a language.
    """

    text: str
    params: Mapping[str, str | int] = field(default_factory=dict)
    plural: str = ""
    """Template for the plural; the number that decides is the value named ``n``."""

    def __str__(self) -> str:
        """The English text with its values as they are, for logs and tracebacks; people get `words.Voice`."""
        return Writer().write(self, self.plural if self.plural and self.params.get("n") != 1 else self.text)


class Writer(string.Formatter):
    """Puts a message's values into a template: what is missing is left out, and a stored template reaches nothing but
    the values."""

    def write(self, message: Message, template: str) -> str:
        """The template filled in; as it stands where it is no template at all (it came from a file or off the wire)."""
        try:
            return self.vformat(template, (), message.params)
        except ValueError:
            return template

    def get_field(self, field_name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Any, str]:
        """The value of this name: `{n.__class__}` must not reach what n is made of."""
        return kwargs.get(field_name, ""), field_name

    def format_field(self, value: Any, format_spec: str) -> str:
        """The plain value; `words` writes it as the format says."""
        return str(value)


def msg(text: str, /, **params: str | int) -> Message:
    """Make a message; babel extracts the text for translation."""
    return Message(text, params)


def msgn(text: str, plural: str, /, *, n: int, **params: str | int) -> Message:
    """Make a message about ``n`` things; babel extracts both forms."""
    return Message(text, {"n": n, **params}, plural)
