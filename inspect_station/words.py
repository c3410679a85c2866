"""Words for people: messages and site data written in a language. The only place where text is translated."""

import gettext
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from inspect_station.core.barcode import clean
from inspect_station.core.policy import FOR_A_PERSON, IN_A_SENTENCE
from inspect_station.core.records import Disposition, Grade, Money, Outcome, Reason, Verdict, Words
from inspect_station.core.rules import Rules
from inspect_station.message import Message, Writer, msg

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
        self._write = _Writer(self, self.day)

    def say(self, what: Message | Words | str) -> str:
        """The text in this language; a plain string is somebody's data and is returned as it is."""
        match what:
            case str():
                return what
            case Message():
                return self._message(what, self._write)
            case _:
                return what.get(self.locale) or what.get("en") or next(iter(what.values()), "")

    def _message(self, message: Message, writer: "_Writer") -> str:
        if not message.text:
            return ""
        text = message.text
        if message.plural:
            n = str(message.params.get("n", ""))
            text = self._catalogue.ngettext(text, message.plural, int(n) if n.isdecimal() else 1)
        else:
            text = self._catalogue.gettext(text)
        return writer.write(message, text)

    def join(self, parts: Sequence[Message | Words], separator: str = ", ") -> str:
        """Several texts in a row, without repeating one."""
        return separator.join(dict.fromkeys(text for part in parts if (text := self.say(part))))

    def day(self, on: date) -> str:
        """A civil date, short: ``2 Oct``."""
        from babel.dates import format_date

        return format_date(on, "d MMM", locale=_habits(self.locale))

    def full_day(self, on: date) -> str:
        """A civil date with its year: ``2 Oct 2026``."""
        from babel.dates import format_date

        return format_date(on, "d MMM y", locale=_habits(self.locale))

    def long_day(self, on: date) -> str:
        """A civil date with its weekday and year."""
        from babel.dates import format_date

        return format_date(on, "EEE d MMM y", locale=_habits(self.locale))

    def time(self, at: datetime) -> str:
        """The time of day at the site."""
        return at.astimezone(self.zone).strftime("%H:%M")

    def moment(self, at: datetime) -> str:
        """A time of these days at the site: ``Tue 10:42``."""
        from babel.dates import format_date

        return f"{format_date(at.astimezone(self.zone).date(), 'EEE', locale=_habits(self.locale))} {self.time(at)}"

    def span(self, seconds: int) -> str:
        """How long something lasts, in its two largest units: ``2 d 3 h``."""
        minutes = seconds // 60
        if minutes >= 24 * 60:
            return self.say(msg("{days} d {hours} h", days=minutes // (24 * 60), hours=minutes // 60 % 24))
        if minutes >= 60:
            return self.say(msg("{hours} h {minutes} min", hours=minutes // 60, minutes=minutes % 60))
        return self.say(msg("{minutes} min", minutes=minutes))

    def money(self, money: Money) -> str:
        """An amount as it is written on labels: ``299,25 €`` in French, ``€299.25`` in English."""
        from babel.numbers import format_currency

        amount = Decimal(money.minor).scaleb(-minor_digits(money.currency))
        return format_currency(amount, money.currency, locale=_habits(self.locale))

    def verdict(self, verdict: Verdict, received_on: date | None = None) -> str:
        """The whole verdict in one sentence with dates: the rules met, the rules failed, and what each lead to.

        ``delivered 2 Oct, postmarked 29 Oct = day 27 of 30: accepted; defect reported 21 Oct = day 19 of 14: ask the
        seller``. A year is said where a date lies in another one than the receipt or more than `NEAR_DAYS` from it,
        and everywhere where the receipt is not known.
        """

        def day(on: date) -> str:
            near = received_on and on.year == received_on.year and abs((on - received_on).days) <= NEAR_DAYS
            return self.day(on) if near else self.full_day(on)

        def listed(reasons: Sequence[Reason]) -> str:
            said = ""
            for reason in reasons:
                form = IN_A_SENTENCE.get(reason.message.text)
                part = self._message(Message(form.text, reason.message.params) if form else reason.message, writer)
                said = self.say(msg("{one} and {other}", one=said, other=part)) if said else part
            return said

        writer = _Writer(self, day)
        reasons = [each for each in verdict.reasons if each.code not in FOR_A_PERSON]
        met = listed([each for each in reasons if each.met])
        failed = listed([each for each in reasons if not each.met])
        why = listed([each for each in verdict.reasons if each.code in FOR_A_PERSON])
        outcome = _LEADS_TO[verdict.outcome]
        if verdict.seller_accepted:
            outcome, why = _SELLER_ACCEPTED, ""
        parts = []
        if met:
            parts.append(msg("{reasons}: {outcome:word}", reasons=met, outcome=_LEADS_TO[Outcome.ELIGIBLE].text))
        if failed and why:
            parts.append(msg("{reasons}: {outcome:word}, as {why}", reasons=failed, outcome=outcome.text, why=why))
        elif failed:
            parts.append(msg("{reasons}: {outcome:word}", reasons=failed, outcome=outcome.text))
        elif not met or verdict.outcome is not Outcome.ELIGIBLE:
            parts.append(outcome)
        return self._one_after_the_other(self.say(part) for part in parts)

    def several(self, reasons: Sequence[Reason]) -> str:
        """Reasons one after the other."""
        return self._one_after_the_other(self.say(each.message) for each in reasons)

    def _one_after_the_other(self, texts: Iterable[str]) -> str:
        first, *more = [*texts] or [""]
        for text in more:
            first = self.say(msg("{one}; {other}", one=first, other=text))
        return first

    def data(self, path: str) -> str:
        """The label that stands at a path of the rules; the path itself where there is none (any more)."""
        words = _label(self.rules, path) if self.rules else None
        return self.say(words) if words else path.rsplit(".", 1)[-1]


NEAR_DAYS = 300
"""So near to the receipt, a day and its month are understood without the year."""

_LEADS_TO = {
    Outcome.ELIGIBLE: msg("accepted"),
    Outcome.CONSULT: msg("ask the seller"),
    Outcome.INELIGIBLE: msg("not eligible"),
}

_SELLER_ACCEPTED = msg("the seller has accepted")


class _Writer(Writer):
    """Writes the values of a template as its formats name them."""

    def __init__(self, voice: Voice, day: Callable[[date], str]) -> None:
        self._voice = voice
        self._day = day

    def format_field(self, value: Any, format_spec: str) -> str:
        try:
            return self._written(value, format_spec) if value != "" else ""
        except (ValueError, ArithmeticError):
            return str(value)

    def _written(self, value: Any, format_spec: str) -> str:
        voice = self._voice
        match format_spec:
            case "date":
                return self._day(date.fromisoformat(str(value)))
            case "moment":
                return voice.moment(datetime.fromisoformat(str(value)))
            case "span":
                return voice.span(int(value))
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
                # The name of a file, say, or what a device answers: data, on its way to a terminal.
                return text if (text := str(value)).isprintable() else clean(text)


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
