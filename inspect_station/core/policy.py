"""Whether a return is eligible: windows, exclusions and stated reasons as data, and the verdict they give.

The rows stand in station.toml under ``[policy]``, each with its source: the sentence it was taken from, or
``ours``. The order in which they decide is that of domain.md §2; nothing here knows a number of days. Hazards
are another matter: they send a unit to quarantine whatever the verdict.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import IntEnum
from fnmatch import fnmatchcase
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from inspect_station.core.records import (
    Line,
    Outcome,
    Product,
    Reason,
    ReasonGroup,
    Rma,
    Seller,
    Verdict,
    Words,
)
from inspect_station.core.rows import Match, Rule, Values, common_to, kinds_of, ties, winner
from inspect_station.message import Message, msg

SHORTEST_BASELINE = 14
"""Days; "un délai de 14 à 30 jours après réception de la commande est assez standard" (seed 001)."""


REPORTED = (ReasonGroup.DEFECT, ReasonGroup.DAMAGE)
"""Reasons that have to be reported in time (seed 000: "un dommage ou un défaut")."""


class StatedReason(Rule):
    """One reason that a customer may state (domain.md §3.1)."""

    code: str
    label: Words
    group: ReasonGroup
    possible_defect: bool = False
    """The product may be defective: it is never refused without a person."""
    at_fault: Literal["seller", "carrier", "site", "buyer", "neutral", "review"]
    amazon: str = ""
    """The code Amazon is told."""
    shopify: str = ""
    """The code Shopify is told."""
    also: tuple[str, ...] = ()
    """Further codes read as this reason; ``*`` stands for any ending."""

    @model_validator(mode="after")
    def _a_defect_is_a_possible_defect(self) -> Self:
        if self.group in REPORTED and not self.possible_defect:
            raise ValueError(f"reason {self.code}: group '{self.group}' needs possible_defect = true")
        return self


class Window(Rule):
    """So many days from one date to another; day N passes when N ≤ ``days``."""

    days: int = Field(gt=0)
    since: Literal["delivered", "latest_estimated"] = "delivered"
    """The latest estimate stands in for an unknown delivery, never the other way round."""
    until: Literal["sent", "defect_reported"] = "sent"
    """``sent`` is the postmark, else the request, else the receipt. ``defect_reported`` binds only those
    whose reason is a defect or damage: a change of mind has nothing to report."""


class Policy(Match):
    """The windows of the returns it matches; of several rows the one with most fields applies."""

    id: str
    source: str = Field(min_length=1)
    """The sentence it was taken from, or ``ours``."""
    windows: tuple[Window, ...] = Field(min_length=1)
    """In the order in which they are said."""
    statutory: bool = False
    """Law rather than a marketplace's promise: a last day that nobody works moves to the next working day."""

    @model_validator(mode="after")
    def _a_baseline_is_long_enough(self) -> Self:
        if self.fields <= {"channel"} and any(window.days < SHORTEST_BASELINE for window in self.windows):
            raise ValueError(f"policy {self.id}: a channel's baseline is at least {SHORTEST_BASELINE} days")
        return self


class Exclusion(Match):
    """Goods that are not returnable, or that the seller may refuse; every row that matches counts."""

    matched: ClassVar[tuple[str, ...]] = (*Match.matched, "hazard", "country")

    id: str
    source: str = Field(min_length=1)
    label: Words
    """What is excluded, as the verdict names it."""
    hazard: Values = ()
    country: Values = ()
    """Where the return comes from."""
    effect: Literal["hard", "may_refuse"]
    needs: tuple[str, ...] = ()
    """Findings, any of which makes it apply; ``opened`` also when the seal is known to be gone."""
    after_days: int | None = Field(default=None, gt=0)
    """Applies only to what is sent more than so many days after delivery; nothing lengthens it."""
    unless_defect: bool = False
    """Does not apply to a possible defect."""
    accepted_by: Values = ()
    """Sellers who accept these goods all the same."""

    @model_validator(mode="after")
    def _only_what_may_be_refused_is_accepted(self) -> Self:
        if self.seller and self.after_days is not None:
            raise ValueError(f"exclusion {self.id}: a seller's rule may only lengthen, so it has no after_days")
        if self.seller and self.fields <= {"seller"} and not self.needs:
            raise ValueError(f"exclusion {self.id}: a seller's row names the goods it is about")
        if self.effect == "hard" and self.accepted_by:
            raise ValueError(f"exclusion {self.id}: a seller cannot accept what is not returnable")
        return self


class Extension(Match):
    """What was delivered between two dates may be sent back until a later day (end-of-year presents)."""

    id: str
    source: str = Field(min_length=1)
    delivered_from: date
    delivered_to: date
    last_on: date

    @model_validator(mode="after")
    def _runs_forwards(self) -> Self:
        if not self.delivered_from <= self.delivered_to <= self.last_on:
            raise ValueError(f"extension {self.id}: delivered_from, delivered_to and last_on must follow each other")
        return self


class Calendar(Rule):
    """Days on which nobody works; they move a statutory last day."""

    weekend: tuple[Annotated[int, Field(ge=1, le=7)], ...] = Field(default=(6, 7), max_length=6)
    """ISO weekdays, 1 = Monday."""
    yearly: tuple[Annotated[str, Field(pattern=r"^\d\d-\d\d$")], ...] = ()
    """Public holidays on a fixed day, ``MM-DD``."""
    dates: tuple[date, ...] = ()
    """Public holidays that move with Easter or are set each year."""

    def is_rest(self, day: date) -> bool:
        """Whether nobody works on this day."""
        return day.isoweekday() in self.weekend or f"{day:%m-%d}" in self.yearly or day in self.dates

    def working(self, day: date) -> date:
        """This day, or the next working day after it."""
        while self.is_rest(day) and day < date.max:
            day += timedelta(days=1)
        return day


class PolicyRules(Rule):
    """All that decides whether a return is eligible, cross-checked."""

    reasons: tuple[StatedReason, ...]
    """As screens list them; a marketplace's code is read as the first reason that has it."""
    rows: tuple[Policy, ...]
    exclusions: tuple[Exclusion, ...] = ()
    extensions: tuple[Extension, ...] = ()
    calendar: Calendar = Calendar()

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        problems = tuple(self._problems())
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _problems(self) -> Iterator[str]:
        named = {
            "rows": [row.id for row in self.rows],
            "exclusions": [exclusion.id for exclusion in self.exclusions],
            "extensions": [extension.id for extension in self.extensions],
            "reasons": [reason.code for reason in self.reasons],
        }
        for table, ids in named.items():
            for twice in sorted({id for id in ids if ids.count(id) > 1}):
                yield f"{table}: '{twice}' stands there twice"
        if not any(not row.fields for row in self.rows):
            yield "rows: one row without any condition must take the returns that no other matches"
        for one, other in ties(self.rows):
            yield f"rows: '{one.id}' and '{other.id}' match one return equally well; add a row for both"
        for own in self.exclusions:
            if own.seller and own.effect == "hard" and not any(_allows(own, site) for site in self.exclusions):
                yield f"exclusions: '{own.id}' refuses what the policy takes back; a seller's rule may only lengthen"
        for row, general in shortened(self.rows):
            yield f"rows: '{row.id}' is stricter than '{general.id}'; a seller's rule may only lengthen"

    def row(self, traits: Mapping[str, str]) -> Policy:
        """The row that applies: of those that match, the one with most fields."""
        return _counts(self.rows, traits)

    def stated(self, code: str) -> StatedReason:
        """The reason meant by a code of ours, Amazon's or Shopify's; an unknown one counts as none given."""
        given = _bare(code)
        for reason in self.reasons:
            if any(fnmatchcase(given, _bare(name)) for name in (reason.code, *reason.also)):
                return reason
        for reason in self.reasons:
            if given and given in (_bare(reason.amazon), _bare(reason.shopify)):
                return reason
        return StatedReason(code=code, label={"en": code}, group=ReasonGroup.NONE, at_fault="review")

    def told(self, code: str, marketplace: Literal["amazon", "shopify"]) -> str:
        """The marketplace's code for a reason of ours; empty where it has none, or nobody knows the reason."""
        reason = self.stated(code)
        return reason.amazon if marketplace == "amazon" else reason.shopify


def _bare(code: str) -> str:
    """A reason code without the prefix by which Amazon marks returns to sellers."""
    return code.strip().upper().removeprefix("CR-")


def shortened(policies: Sequence[Policy]) -> list[tuple[Policy, Policy]]:
    """Rows of a seller that are stricter than the row which would apply without it, with that row.

    Stricter: it has a window that the other lacks, or fewer days for the same one (seed 000: a seller may
    "offrir une période de retour plus longue").
    """
    general = [row for row in policies if not row.seller]
    found = []
    for own in (row for row in policies if row.seller):
        for row in general:
            if _no_stricter(own, row):
                continue
            rivals = [rival for rival in policies if common_to(own, row, rival) is not None]
            if any(
                _counts(policies, traits) is own and _counts(general, traits) is row
                for traits in kinds_of(own, row, among=rivals)
            ):
                found.append((own, row))
    return found


def _counts(policies: Sequence[Policy], traits: Mapping[str, str]) -> Policy:
    row = winner(policies, traits)
    assert row is not None, "PolicyRules has a row without any condition"
    return row


def _allows(own: Exclusion, site: Exclusion) -> bool:
    """Whether a seller may refuse by ``own`` what the site's row lets it refuse: the same goods, or fewer of them."""
    fewer = all(getattr(own, field) and set(getattr(own, field)) <= set(getattr(site, field)) for field in site.fields)
    needs = not site.needs or (bool(own.needs) and set(own.needs) <= set(site.needs))
    always = not site.seller and site.after_days is None
    return always and fewer and needs and (own.unless_defect or not site.unless_defect)


def _no_stricter(own: Policy, row: Policy) -> bool:
    return all(
        any(
            (window.since, window.until) == (other.since, other.until)
            and window.days >= other.days
            and (own.statutory or not row.statutory)
            for other in row.windows
        )
        for window in own.windows
    )


# ── The verdict ─────────────────────────────────────────────────────────────────────────────────────────────


class _Says(IntEnum):
    """What one rule says about the return."""

    YES = 0
    ASK = 1
    """A person decides."""
    NO = 2


@dataclass(frozen=True, slots=True)
class _Ruling:
    """One rule applied to one return."""

    says: _Says
    reason: Reason
    last_on: date | None = None
    """The last day on which it could have been sent, where the day of sending counts."""


@dataclass(frozen=True, slots=True)
class _Return:
    """One return as the rules see it."""

    rules: PolicyRules
    seller: Seller
    line: Line
    received_on: date
    traits: Mapping[str, str]
    stated: StatedReason
    defect: bool
    facts: frozenset[str]

    def arrived(self) -> date | None:
        """The delivery, else the latest day on which it was expected; None = neither is known."""
        return self.line.delivered_on or self.line.latest_estimated_on

    def last_on(self, policy: Policy, window: Window, start: date) -> date:
        """The last day of a policy's window: lengthened by the seller, extended, moved off a holiday."""
        if window.until == "defect_reported":
            last = _add(start, window.days)
        else:
            last = _add(start, max(window.days, self.seller.windows.get(policy.id, 0)))
            # A season is about the delivery, from whatever day the window counts.
            arrived = self.arrived() or start
            for extension in self.rules.extensions:
                if extension.matches(self.traits) and extension.delivered_from <= arrived <= extension.delivered_to:
                    last = max(last, extension.last_on)
        return self.rules.calendar.working(last) if policy.statutory else last

    def sent(self) -> tuple[str, date]:
        """How the day of sending is known, and that day."""
        return sent_on(self.line, self.received_on)


def sent_on(line: Line, received_on: date) -> tuple[str, date]:
    """How the day of sending is known, and that day. What has arrived was sent: no request is later."""
    if line.postmarked_on:
        return "postmarked", line.postmarked_on
    if line.requested_on and line.requested_on <= received_on:
        return "requested", line.requested_on
    return "received", received_on


def believed(line: Line, received_on: date) -> Line:
    """The line without what cannot be: nothing is posted, and no defect is told, after the parcel has arrived."""
    late = {
        name: None
        for name in ("postmarked_on", "defect_reported_on")
        if (on := getattr(line, name)) is not None and on > received_on
    }
    return line.but(**late) if late else line


def held_days(line: Line, received_on: date) -> int | None:
    """For how many days the customer has had it; None where its delivery is not known."""
    delivered = line.delivered_on or line.latest_estimated_on
    return max((sent_on(line, received_on)[1] - delivered).days, 0) if delivered else None


def eligibility(
    rules: PolicyRules,
    *,
    seller: Seller,
    rma: Rma,
    line: Line,
    product: Product,
    received_on: date,
    findings: Collection[str] = (),
    opened: bool | None = None,
    defect_found: bool = False,
) -> Verdict:
    """The verdict on one line received on this day, with every rule met and failed (domain.md §2).

    Dates are civil dates of the site. ``opened`` is None while nobody has looked; ``defect_found`` says
    that something seen at the dock may be a defect, whatever the customer stated. Never raises.
    """
    stated = rules.stated(line.reason)
    known = _Return(
        rules=rules,
        seller=seller,
        line=line,
        received_on=received_on,
        traits={
            "seller": seller.code,
            "channel": rma.channel,
            "category": product.category,
            "device_class": product.device_class,
            "sold_as": line.sold_as,
            "fulfilment": rma.fulfilment,
            "reason_group": stated.group,
            "hazard": product.hazard,
            "country": rma.country,
        },
        stated=stated,
        defect=possible_defect(rules, line, defect_found=defect_found),
        facts=frozenset(findings) | ({"opened"} if opened else set()),
    )
    policy = rules.row(known.traits)
    rulings = [*_windows(known, policy), *_exclusions(known)]
    unclear = stated.group is ReasonGroup.NONE
    outcome = Outcome.ELIGIBLE
    match max((ruling.says for ruling in rulings), default=_Says.YES):
        case _Says.NO if known.defect or unclear:
            outcome = Outcome.CONSULT
            rulings.append(_Ruling(_Says.ASK, _DEFECT if known.defect else _UNCLEAR))
        case _Says.NO:
            outcome = Outcome.INELIGIBLE
        case _Says.ASK:
            outcome = Outcome.CONSULT
    ask = []
    if line.postmarked_on is None and any(
        ruling.last_on is not None and received_on > ruling.last_on for ruling in rulings
    ):
        ask.append("postmarked_on")
    if unclear:
        ask.append("reason")
    return Verdict(
        outcome=outcome,
        reasons=tuple(ruling.reason for ruling in sorted(rulings, key=lambda ruling: -ruling.says)),
        policy=policy.id,
        possible_defect=known.defect,
        ask=tuple(ask),
    )


def possible_defect(rules: PolicyRules, line: Line, *, defect_found: bool = False) -> bool:
    """Whether the product may be defective, by the stated reason or by what was found at the dock."""
    return defect_found or rules.stated(line.reason).possible_defect


def _windows(known: _Return, policy: Policy) -> Iterator[_Ruling]:
    if known.stated.group is ReasonGroup.UNDELIVERED:
        yield _Ruling(_Says.YES, _UNDELIVERED)
        return
    if known.arrived() is None:
        yield _Ruling(_Says.YES, _NO_DELIVERY_DATE)
    for window in policy.windows:
        if window.until == "defect_reported" and known.stated.group not in REPORTED:
            continue
        code = f"{policy.id}.{window.until}"
        start = known.arrived() if window.since == "delivered" else known.line.latest_estimated_on
        if start is None:
            if window.since == "latest_estimated":
                yield _unknown(known, Reason(code=code, message=_NO_ESTIMATE, met=False))
            continue
        last = known.last_on(policy, window, start)
        if window.until == "defect_reported":
            yield _reported(known, code, start, last)
        elif window.since == "delivered" and known.line.delivered_on:
            yield _sent(known, code, "delivered", start, last)
        else:
            yield _sent(known, code, "estimated", start, last)


def _sent(known: _Return, code: str, arrived: str, start: date, last: date) -> _Ruling:
    how, sent = known.sent()
    values = {arrived: start.isoformat(), "sent": sent.isoformat(), **_day(start, sent, last)}
    reason = Reason(code=code, message=Message(_SENT[arrived, how].text, values), met=sent <= last)
    return _Ruling(_Says.YES if reason.met else _Says.NO, reason, last)


def _reported(known: _Return, code: str, start: date, last: date) -> _Ruling:
    reported = known.line.defect_reported_on
    if reported is not None:
        message = Message(_REPORTED.text, {"reported": reported.isoformat(), **_day(start, reported, last)})
        met = reported <= last
        return _Ruling(_Says.YES if met else _Says.NO, Reason(code=code, message=message, met=met))
    # The defect is the reason of this return, so it was told with the request or the parcel at the latest.
    # That can show that the report was in time, never that it was late.
    told = min(known.sent()[1], known.received_on, known.line.requested_on or date.max)
    if told <= last:
        message = Message(_REPORTED_BY.text, {"reported": told.isoformat(), **_day(start, told, last)})
        return _Ruling(_Says.YES, Reason(code=code, message=message))
    message = Message(_REPORT_UNKNOWN.text, {"last": last.isoformat()})
    return _unknown(known, Reason(code=code, message=message, met=False))


def _unknown(known: _Return, reason: Reason) -> _Ruling:
    """A date that matters is not known: the seller is asked, unless it has said that such returns are taken."""
    if known.seller.missing_date == "accept":
        return _Ruling(_Says.YES, reason.but(met=True))
    return _Ruling(_Says.ASK, reason)


def _exclusions(known: _Return) -> Iterator[_Ruling]:
    for exclusion in known.rules.exclusions:
        if not exclusion.matches(known.traits):
            continue
        if exclusion.needs and known.facts.isdisjoint(exclusion.needs):
            continue
        last = None
        says, message = _excluded(known, exclusion)
        if exclusion.after_days is not None:
            start = known.arrived()
            if start is None or known.stated.group is ReasonGroup.UNDELIVERED:
                continue
            last = _add(start, exclusion.after_days)
            if known.sent()[1] <= last:
                says, message = _Says.YES, _SPARED
        reason = Reason(
            code=exclusion.id,
            message=Message(message.text, {"rule": f"exclusion.{exclusion.id}"}),
            met=says is _Says.YES,
        )
        yield _Ruling(says, reason, last)


def _excluded(known: _Return, exclusion: Exclusion) -> tuple[_Says, Message]:
    if exclusion.unless_defect and known.defect:
        return _Says.YES, _SPARED_DEFECT
    if known.seller.code in exclusion.accepted_by:
        return _Says.YES, _SPARED_BY_SELLER
    if exclusion.effect == "hard":
        return _Says.NO, _NOT_RETURNABLE
    return _Says.ASK, _MAY_REFUSE


def _add(start: date, days: int) -> date:
    """``days`` after ``start``; a window that outlives the calendar ends with it."""
    return date.fromordinal(min(start.toordinal() + days, date.max.toordinal()))


def _day(start: date, end: date, last: date) -> dict[str, str | int]:
    """Which day of how many; before the first one it is day 0."""
    return {"day": max((end - start).days, 0), "days": (last - start).days}


_SENT = {
    ("delivered", "postmarked"): msg("delivered {delivered:date}, postmarked {sent:date}: day {day} of {days}"),
    ("delivered", "requested"): msg("delivered {delivered:date}, requested {sent:date}: day {day} of {days}"),
    ("delivered", "received"): msg("delivered {delivered:date}, received {sent:date}: day {day} of {days}"),
    ("estimated", "postmarked"): msg("expected by {estimated:date}, postmarked {sent:date}: day {day} of {days}"),
    ("estimated", "requested"): msg("expected by {estimated:date}, requested {sent:date}: day {day} of {days}"),
    ("estimated", "received"): msg("expected by {estimated:date}, received {sent:date}: day {day} of {days}"),
}


_REPORTED = msg("defect reported {reported:date}: day {day} of {days}")


_REPORTED_BY = msg("defect reported by {reported:date} at the latest: day {day} of {days}")


_REPORT_UNKNOWN = msg("it is not known when the defect was reported: due by {last:date}")


_NOT_RETURNABLE = msg("not returnable: {rule:data}")


_MAY_REFUSE = msg("the seller may refuse it: {rule:data}")


_SPARED = msg("does not apply: {rule:data}")


_SPARED_DEFECT = msg("does not apply to a possible defect: {rule:data}")


_SPARED_BY_SELLER = msg("the seller accepts it: {rule:data}")


_UNDELIVERED = Reason(code="undelivered", message=msg("never delivered: no window runs"))


_NO_DELIVERY_DATE = Reason(
    code="no_delivery_date",
    message=msg("the delivery date is not known: the return was authorised, so it counts"),
)


_NO_ESTIMATE = msg("the latest estimated arrival is not known, and the days count from it")


_DEFECT = Reason(code="possible_defect", message=msg("it may be defective: a person decides"))


_UNCLEAR = Reason(code="no_reason", message=msg("no reason is known, it may be defective: ask for it"))


FOR_A_PERSON = frozenset({_DEFECT.code, _UNCLEAR.code})
"""Codes of reasons that are no rules of their own: why a person decides although a rule failed."""


IN_A_SENTENCE: Mapping[str, Message] = {
    _SENT["delivered", "postmarked"].text: msg(
        "delivered {delivered:date}, postmarked {sent:date} = day {day} of {days}"
    ),
    _SENT["delivered", "requested"].text: msg(
        "delivered {delivered:date}, requested {sent:date} = day {day} of {days}"
    ),
    _SENT["delivered", "received"].text: msg("delivered {delivered:date}, received {sent:date} = day {day} of {days}"),
    _SENT["estimated", "postmarked"].text: msg(
        "expected by {estimated:date}, postmarked {sent:date} = day {day} of {days}"
    ),
    _SENT["estimated", "requested"].text: msg(
        "expected by {estimated:date}, requested {sent:date} = day {day} of {days}"
    ),
    _SENT["estimated", "received"].text: msg(
        "expected by {estimated:date}, received {sent:date} = day {day} of {days}"
    ),
    _REPORTED.text: msg("defect reported {reported:date} = day {day} of {days}"),
    _REPORTED_BY.text: msg("defect reported by {reported:date} at the latest = day {day} of {days}"),
    _REPORT_UNKNOWN.text: msg("it is not known when the defect was reported (due by {last:date})"),
    _NOT_RETURNABLE.text: msg("not returnable ({rule:data})"),
    _MAY_REFUSE.text: msg("the seller may refuse it ({rule:data})"),
    _SPARED.text: msg("does not apply ({rule:data})"),
    _SPARED_DEFECT.text: msg("does not apply to a possible defect ({rule:data})"),
    _SPARED_BY_SELLER.text: msg("the seller accepts it ({rule:data})"),
    _UNDELIVERED.message.text: msg("never delivered, no window runs"),
    _NO_DELIVERY_DATE.message.text: msg("the delivery date is not known, the return was authorised"),
    _DEFECT.message.text: msg("it may be defective"),
    _UNCLEAR.message.text: msg("no reason is known"),
}
"""Each reason's text as a part of the one sentence, whose only colons stand before what the parts lead to."""
