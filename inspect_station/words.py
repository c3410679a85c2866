"""Words for people: messages and site data written in a language. The only place where text is translated."""

import gettext
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from inspect_station.core.records import Disposition, Grade, Money
from inspect_station.core.rows import Words
from inspect_station.core.rules import Rules
from inspect_station.message import Message, Writer

if TYPE_CHECKING:
    from babel import Locale

DOMAIN = "inspect_station"
LOCALES = ("en", "fr")


@cache
def _catalogue(locale: str) -> gettext.NullTranslations:
    return gettext.translation(DOMAIN, Path(__file__).parent / "locale", languages=[locale], fallback=True)


@cache
def _habits(locale: str) -> "Locale":
    """How the language writes dates and amounts (CLDR)."""
    from babel import Locale, UnknownLocaleError

    try:
        return Locale.parse(locale)
    except (ValueError, UnknownLocaleError):
        return Locale("en")


def minor_digits(currency: str) -> int:
    """How many decimals the currency's minor unit has (CLDR): 2 for EUR, 0 for JPY."""
    from babel.numbers import get_currency_precision

    return get_currency_precision(currency)


class Voice:
    """Speaks one language, with the labels of one set of rules, in one time zone.

    Unknown languages fall back to English; a label that a site has not translated is said in English.
    """

    def __init__(self, locale: str = "en", rules: Rules | None = None, zone: str = "UTC") -> None:
        self.locale = locale
        self.rules = rules
        self.zone = ZoneInfo(zone)
        self._catalogue = _catalogue(locale)
        self._write = _Writer(self)

    def say(self, what: Message | Words | str) -> str:
        """The text in this language; a plain string is somebody's data and is returned as it is."""
        match what:
            case str():
                return what
            case Message():
                return self._message(what)
            case _:
                return what.get(self.locale) or what.get("en") or next(iter(what.values()), "")

    def _message(self, message: Message) -> str:
        if not message.text:
            return ""
        text = message.text
        if message.plural:
            n = str(message.params.get("n", ""))
            text = self._catalogue.ngettext(text, message.plural, int(n) if n.isdecimal() else 1)
        else:
            text = self._catalogue.gettext(text)
        return self._write.write(message, text)

    def join(self, parts: Sequence[Message | Words], separator: str = ", ") -> str:
        """Several texts in a row, without repeating one."""
        return separator.join(dict.fromkeys(text for part in parts if (text := self.say(part))))

    def day(self, on: date) -> str:
        """A civil date, short: ``2 Oct``."""
        from babel.dates import format_date

        return format_date(on, "d MMM", locale=_habits(self.locale))

    def long_day(self, on: date) -> str:
        """A civil date with its weekday and year."""
        from babel.dates import format_date

        return format_date(on, "EEE d MMM y", locale=_habits(self.locale))

    def time(self, at: datetime) -> str:
        """The time of day at the site."""
        return at.astimezone(self.zone).strftime("%H:%M")

    def money(self, money: Money) -> str:
        """An amount as it is written on labels: ``299,25 €`` in French, ``€299.25`` in English."""
        from babel.numbers import format_currency

        amount = Decimal(money.minor).scaleb(-minor_digits(money.currency))
        return format_currency(amount, money.currency, locale=_habits(self.locale))

    def data(self, path: str) -> str:
        """The label that stands at a path of the rules; the path itself where there is none (any more)."""
        words = _label(self.rules, path) if self.rules else None
        return self.say(words) if words else path.rsplit(".", 1)[-1]


class _Writer(Writer):
    """Writes the values of a template as its formats name them."""

    def __init__(self, voice: Voice) -> None:
        self._voice = voice

    def format_field(self, value: Any, format_spec: str) -> str:
        try:
            return self._written(value, format_spec) if value != "" else ""
        except (ValueError, ArithmeticError):
            return str(value)

    def _written(self, value: Any, format_spec: str) -> str:
        voice = self._voice
        match format_spec:
            case "date":
                return voice.day(date.fromisoformat(str(value)))
            case "time":
                return voice.time(datetime.fromisoformat(str(value)))
            case "money":
                minor, currency = str(value).split()
                return voice.money(Money(minor=int(minor), currency=currency))
            case "word":
                return voice.say(Message(str(value)))
            case "data":
                return voice.data(str(value))
            case _:
                return str(value)


def _label(rules: Rules, path: str) -> Words | None:
    kind, _, rest = path.partition(".")
    match kind:
        case "grade":
            return rules.grades[Grade(rest)].label if rest in set(Grade) else None
        case "finding":
            return rules.finding(rest).label
        case "gate":
            return rules.gate(rest).label
        case "slot":
            slot = rules.photos.slots.get(rest)
            return slot.label if slot else None
        case "place":
            return rules.places[Disposition(rest)] if rest in set(Disposition) else None
        case "reason":
            return next((reason.label for reason in rules.policy.reasons if reason.code == rest), None)
        case "exclusion":
            return next((row.label for row in rules.policy.exclusions if row.id == rest), None)
        case "question":
            id, _, option = rest.rpartition(".")
            options = next((question.options for question in rules.questions if question.id == id), ())
            return options[int(option) - 1].label if option.isdecimal() and int(option) <= len(options) else None
        case "step":
            device_class, page, id = [*rest.split(".", 2), "", ""][:3]
            steps = next((each.steps(page) for each in rules.checklists if each.device_class == device_class), ())
            return next((step.label for step in steps if step.id == id), None)
        case _:
            return None
