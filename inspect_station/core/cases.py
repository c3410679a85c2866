"""Cases: returns told in plain words, with what must come of them.

A case is what a person would write to settle a dispute: what was sold, the dates, what was seen, and the expected
verdict, grade, place, price and refund. It is tried by the same steps that keys make, so it proves what the bench does.
The same form serves the site's own table, a seller's rules and `config check`.

What a case leaves out is unknown, as in an imported list; what its ``expect`` leaves out is not compared. Amounts are
whole minor units: TOML lets 399,00 € be written ``399_00``.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from inspect_station.core import decide
from inspect_station.core.bench import CHECK_PAGES, Bench, accessories, attests, check_rows, judge, question_of
from inspect_station.core.grading import mark
from inspect_station.core.inspection import (
    Accept,
    AllPass,
    Became,
    Digit,
    Found,
    Input,
    Serial,
    Taken,
    Typed,
    step,
)
from inspect_station.core.photos import due_slots
from inspect_station.core.policy import Exclusion
from inspect_station.core.records import (
    Accessory,
    Disposition,
    Grade,
    Inspection,
    Kind,
    Line,
    Mark,
    Money,
    Outcome,
    Product,
    Rma,
    Seller,
)
from inspect_station.core.rows import Rule, Values, several
from inspect_station.core.rules import Rules, Step
from inspect_station.message import Message, msg

IMEI = "356938035643809"
"""Read where a case does not say which serial number was; its check digit is right."""

BEGUN_AT = datetime(2000, 1, 1, 12, tzinfo=UTC)
"""No rule asks for the time of day; the dates are the case's own."""

PICTURE = "0" * 64
"""Stands for the hash of a picture."""


def _sorted(value: Any) -> Any:
    value = several(value)
    return tuple(sorted(value)) if isinstance(value, (list, tuple)) else value


def _none(value: Any) -> Any:
    return None if value == "none" else value


Codes = Annotated[tuple[str, ...], BeforeValidator(_sorted)]
"""All codes of a kind, in any order; an empty list = none."""

Amount = Annotated[int | None, BeforeValidator(_none)]
"""Minor units of the case's currency; ``"none"`` = no amount."""


class Decided(Rule):
    """What comes of a return; in a case only what is named is compared."""

    outcome: Outcome = Outcome.ELIGIBLE
    by: str = ""
    """The rule that is said first: it decided."""
    failed: Codes = ()
    """Every rule that was not met."""
    met: Codes = ()
    """Every rule that was met."""
    ask: Codes = ()
    """What the operator is asked for: ``postmarked_on``, ``reason``."""
    says: Values = ()
    """Parts of the English sentences of the verdict, the decision or the refund."""
    grade: Annotated[Grade | None, BeforeValidator(_none)] = None
    disposition: Disposition = Disposition.HOLD
    route: str = ""
    """The row that sent it there; empty = no row: a gate, a hazard, a hand."""
    case: str = ""
    """The question put to the seller; empty = none."""
    discount: Amount = None
    """Per cent."""
    price: Amount = None
    refund: str = ""
    """``full``, ``partial``, ``refuse`` or ``ask``."""
    refund_amount: Amount = None
    means: str = ""
    gates: Codes = ()
    photos: Codes = ()
    """Slots of all the photos that the unit needs."""
    dock: Codes = ()
    """What was found at the dock, in the codes of the reports."""


class Case(Rule):
    """One return: what was announced, what was seen, what must come of it."""

    name: str = Field(min_length=1)
    source: str = Field(min_length=1)
    """The sentence it follows from, or ``ours``."""
    expect: Decided

    # As announced (the columns of an imported list).
    channel: str = ""
    fulfilment: Literal["seller", "fba"] = "seller"
    country: str = ""
    reason: str = "NO_REASON"
    sold_as: Literal["new", "used"] = "new"
    quantity: int = Field(default=1, gt=0)
    serial: str = ""
    """The serial number that was sold."""
    requested_on: date | None = None
    delivered_on: date | None = None
    latest_estimated_on: date | None = None
    defect_reported_on: date | None = None
    postmarked_on: date | None = None
    received_on: date | None = None
    """When the parcel arrived; absent = on the latest date that the case names."""
    paid: int | None = Field(default=None, ge=0)
    """For the whole line, without shipping; minor units."""
    shipping_paid: int | None = Field(default=None, ge=0)
    currency: str = "EUR"
    """Of every amount."""

    # The article.
    gtin: Annotated[str, AfterValidator(lambda number: number.zfill(14))] = "08806095467443"
    category: str = "general"
    device_class: str = ""
    hazard: Literal["", "flammable", "gas", "lithium"] = ""
    hygiene: bool = False
    price: int | None = Field(default=None, ge=0)
    """Of a new one, in the catalogue; minor units."""
    min_price: int | None = Field(default=None, ge=0)
    accessories: Values = ()
    """A trailing ``*`` marks a consumable."""
    components: Values = ()
    shares: Mapping[str, int] = {}

    # What the case assumes of the seller.
    seller: Mapping[str, Any] = {}
    """Settings of the seller, in place of its own."""
    accepted: bool = False
    """The seller has accepted this return although the policy alone would not."""

    # What was seen.
    kind: Kind = Kind.UNIT
    opened: bool | None = None
    """Absent = nobody has looked inside: a verdict on paper."""
    pressed: Grade | None = None
    """The grade of the digit that was pressed; absent = the best that ``opened`` leaves."""
    findings: Values = ()
    missing: Values = ()
    """Names of accessories or parts of a kit that are not in the box."""
    serial_read: str = ""
    """The serial number on the unit; absent = the one that was sold."""
    failed: Values = ()
    """Rows of checklists and of the finish page that failed: ``lock.google``. All others passed, with evidence."""
    measured: Mapping[str, float] = {}
    """Measured values by row; absent = the best possible."""
    owed: Values = ()
    """Slots of the photos that could not be taken: the camera was down."""

    @field_validator("seller")
    @classmethod
    def _only_settings(cls, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        for unknown in sorted(set(settings) - (set(Seller.model_fields) - {"code", "name"})):
            raise ValueError(f"a seller has no setting '{unknown}'")
        Seller.model_validate({"code": "-", "name": "-", **settings})
        return settings

    @model_validator(mode="after")
    def _was_seen_or_not(self) -> Self:
        graded = self.digit
        if self.opened is not None and self.pressed is not None and self.opened == (self.pressed is Grade.NEW):
            raise ValueError(f"opened = {str(self.opened).lower()} contradicts pressed = '{self.pressed}'")
        if (self.failed or self.measured) and graded in (None, Grade.NEW):
            raise ValueError("rows fail and values are measured only on what was opened")
        return self

    @property
    def digit(self) -> Grade | None:
        """The grade that is pressed; None where nobody has looked inside."""
        if self.pressed is None and self.opened is not None:
            return Grade.OPENED if self.opened else Grade.NEW
        return self.pressed

    @property
    def arrived_on(self) -> date:
        """The civil date of receipt."""
        known = (
            self.requested_on,
            self.delivered_on,
            self.latest_estimated_on,
            self.defect_reported_on,
            self.postmarked_on,
        )
        return self.received_on or max((day for day in known if day), default=date(2000, 1, 1))

    def money(self, minor: int | None) -> Money | None:
        """An amount in the case's currency."""
        return None if minor is None else Money(minor=minor, currency=self.currency)


@dataclass(frozen=True)
class Trial:
    """What came of a case."""

    case: Case
    bench: Bench
    record: Inspection
    """The unit as it would be stored and sent."""
    decided: Decided
    differences: tuple[Message, ...]
    """What came otherwise than expected; empty = as expected."""

    @cached_property
    def hit(self) -> frozenset[tuple[str, bool]]:
        """Each rule that had a say, and whether it was met: ``policy.amazon.sent``, ``exclusion.gas``, ``route.new``"""
        return frozenset(_hit(self.bench, self.record))


def run(case: Case, rules: Rules, seller: Seller) -> Trial:
    """Try a case under these rules, for this seller. Never raises."""
    seller = Seller.model_validate(seller.model_dump() | dict(case.seller))
    bench, unit = _on_bench(case, rules, seller)
    hand = _Hand(case, bench, unit)
    hand.works()
    photos = hand.photographs()
    record = decide.finished(rules, seller, hand.unit, by="case", at=hand.at, rules_hash="")
    decided = _decided(record, photos)
    differences = (*_differences(case.expect, decided), *hand.not_done())
    return Trial(case, bench, record, decided, differences)


# ── On the bench ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _on_bench(case: Case, rules: Rules, seller: Seller) -> tuple[Bench, Inspection]:
    """The unit as it lies there, before anybody touches it."""
    product = Product(
        seller=seller.code,
        gtin=case.gtin,
        title=case.name,
        category=case.category,
        device_class=case.device_class,
        price=case.money(case.price),
        min_price=case.money(case.min_price),
        accessories=tuple(
            Accessory(name=name.removesuffix("*"), essential=not name.endswith("*")) for name in case.accessories
        ),
        hygiene=case.hygiene,
        hazard=case.hazard,
        components=case.components,
        shares=dict(case.shares),
    )
    line = Line(
        no=1,
        gtin=case.gtin,
        quantity=case.quantity,
        reason=case.reason,
        sold_as=case.sold_as,
        serial=case.serial,
        requested_on=case.requested_on,
        delivered_on=case.delivered_on,
        latest_estimated_on=case.latest_estimated_on,
        defect_reported_on=case.defect_reported_on,
        postmarked_on=case.postmarked_on,
        paid=case.money(case.paid),
        shipping_paid=case.money(case.shipping_paid),
    )
    rma = Rma(
        seller=seller.code,
        number="CASE",
        channel=case.channel,
        country=case.country,
        fulfilment=case.fulfilment,
        lines=(line,),
    )
    bench = Bench(rules=rules, seller=seller, received_on=case.arrived_on, rma=rma)
    unit = Inspection(
        id="case",
        lpn="case",
        station="case",
        parcel="case",
        seller=seller.code,
        started_at=BEGUN_AT,
        received_on=case.arrived_on,
    )
    if case.kind is Kind.UNKNOWN:
        bench, unit = replace(bench, rma=None), unit.but(kind=case.kind, page="claim")
    else:
        unit = unit.but(rma=rma.number, line=line, product=product, channel=rma.channel, fulfilment=rma.fulfilment)
    if case.kind is Kind.FORWARD:
        unit = unit.but(kind=case.kind, page="finish")
    return bench, unit.but(verdict=judge(bench, unit).but(seller_accepted=case.accepted))


@dataclass
class _Hand:
    """Does at the bench what the case tells: what it names fails, all else passes."""

    case: Case
    bench: Bench
    unit: Inspection
    at: datetime = field(init=False)

    def __post_init__(self) -> None:
        self.at = self.unit.started_at

    def gives(self, given: Input) -> None:
        """One key, a second after the last."""
        self.at += timedelta(seconds=1)
        self.unit = step(self.bench, self.unit, given, by="case", at=self.at).inspection

    def works(self) -> None:
        """From the first page to the last that the unit goes through."""
        for code in self.case.findings:
            self.gives(Found(code))
        named = {name: code for code, name in accessories(self.bench, self.unit)}
        for name in self.case.missing:
            if name in named:
                self.gives(Found(named[name], name))
        if self.case.kind in (Kind.WRONG_ITEM, Kind.EMPTY_BOX, Kind.DANGER):
            self.gives(Became(self.case.kind))
        while self.unit.kind is Kind.UNIT and self.unit.page != "finish":
            before = self.unit.page
            self._page(before)
            if self.unit.page == before:
                return
        self._fails(tuple((row, 1) for row in attests(self.bench, self.unit)))

    def _page(self, page: str) -> None:
        digit = self.case.digit
        if page in ("condition", "grade") and digit is not None:
            if page == "condition" and self._is_scanned(digit):
                self.gives(Serial(self.case.serial_read or self.case.serial or IMEI))
            else:
                self.gives(Digit(digit.rank + 1))
        elif page.startswith("question."):
            options = list(enumerate(question_of(self.bench, page).options, 1))
            seen = [n for n, option in options if option.finding in self.case.findings]
            harmless = [n for n, option in options if not option.finding]
            self.gives(Digit((*seen, *harmless, 1)[0]))
        elif page in CHECK_PAGES:
            self._checks(page)

    def _is_scanned(self, digit: Grade) -> bool:
        """Whether the tests open by the serial number: not where the box stays shut, or it is dead at first sight."""
        checklist = self.bench.rules.checklist(self.unit.product)
        opens = digit not in (Grade.NEW, Grade.DEFECTIVE)
        return checklist is not None and bool(checklist.serial and checklist.test) and opens

    def _checks(self, page: str) -> None:
        """A page of a checklist: what fails, then all that Space passes, then the rows that want more than that."""
        rows = check_rows(self.bench, self.unit)
        failed = self._fails(tuple((id, 2 if row.kind == "pass_fail" else 1) for id, row in rows))
        self.gives(Accept() if failed else AllPass())
        for n, (id, row) in enumerate(rows, 1):
            if self.unit.page != page:
                return
            if mark(self.unit, page, row) is Mark.OPEN:
                self.gives(self._passing(n, id, row))
        if self.unit.page == page:
            self.gives(Accept())

    def _passing(self, n: int, id: str, row: Step) -> Input:
        """What passes the ``n``-th row of a page."""
        match row.kind:
            case "pass_fail":
                return Digit(n)
            case "photo":
                return self._picture(row.slot)
            case "measure":
                return Typed(f"{self.case.measured.get(id, 100 if row.high is None else row.high):g}")
        return Typed(IMEI)

    def _fails(self, rows: tuple[tuple[str, int], ...]) -> bool:
        """Fail the rows that the case names; each is given with how often its digit is pressed for that."""
        failed = [(n, times) for n, (id, times) in enumerate(rows, 1) if id in self.case.failed]
        for n, times in failed:
            for _ in range(times):
                self.gives(Digit(n))
        return bool(failed)

    def _picture(self, slot: str) -> Taken:
        return Taken(slot, "" if slot in self.case.owed else PICTURE)

    def photographs(self) -> tuple[str, ...]:
        """Take every photo that is due, but those owed; returns the slots."""
        rules = self.bench.rules
        due = due_slots(rules, self.unit, decide.decide(rules, self.bench.seller, self.unit))
        for slot in due:
            self.gives(self._picture(slot))
        return due

    def not_done(self) -> Iterator[Message]:
        """What the case tells but the bench never came to: then it proves nothing."""
        case, rules = self.case, self.bench.rules
        told = [case.device_class, *case.findings, *case.missing, *case.failed, *case.measured, *case.owed]
        if case.digit is not None and self.unit.kind is Kind.UNIT and self.unit.page != "finish":
            told.append("finish")
        done = {name for finding in self.unit.findings for name in (finding.code, finding.note)}
        done -= set(case.findings) - {finding.code for finding in rules.findings}
        done |= {answer.id for answer in self.unit.answers if answer.mark is Mark.FAIL or answer.value}
        done |= {photo.slot for photo in self.unit.photos}
        done |= {checklist.device_class for checklist in rules.checklists}
        for name in told:
            if name and name not in done:
                yield msg("{what} is told, but the bench never comes to it", what=name)


# ── Expected and decided ─────────────────────────────────────────────────────────────────────────────────────────────


def _decided(record: Inspection, photos: tuple[str, ...]) -> Decided:
    verdict = record.verdict
    said = (*verdict.reasons, *record.reasons, *record.refund_reasons)
    return Decided(
        outcome=verdict.outcome,
        by=verdict.reasons[0].code if verdict.reasons else "",
        failed=tuple(reason.code for reason in verdict.reasons if not reason.met),
        met=tuple(reason.code for reason in verdict.reasons if reason.met),
        ask=verdict.ask,
        says=tuple(str(reason.message) for reason in said),
        grade=record.grade,
        disposition=record.disposition or Disposition.HOLD,
        route=record.route,
        case=record.case.question if record.case else "",
        discount=record.discount,
        price=record.price.minor if record.price else None,
        refund=record.refund,
        refund_amount=record.refund_amount.minor if record.refund_amount else None,
        means=record.refund_means,
        gates=record.gates,
        photos=photos,
        dock=record.dock,
    )


def _differences(expect: Decided, decided: Decided) -> Iterator[Message]:
    for name in sorted(expect.model_fields_set - {"says"}):
        wanted, got = getattr(expect, name), getattr(decided, name)
        if wanted != got:
            yield msg(
                "{what}: {expected} expected, {decided} decided", what=name, expected=_told(wanted), decided=_told(got)
            )
    for part in expect.says:
        if not any(part in sentence for sentence in decided.says):
            yield msg("“{part}” expected, but it says: {sentences}", part=part, sentences="; ".join(decided.says))


def _told(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(value) or "none"
    return "none" if value in (None, "") else str(value)


# ── Which rules the cases try ────────────────────────────────────────────────────────────────────────────────────────


def uncovered(rules: Rules, trials: Iterable[Trial]) -> tuple[Message, ...]:
    """The rules that these cases do not try, or on one side of their boundary only.

    A window and an exclusion can be met or not; an exclusion that differs from a case in one condition only counts as
    met. A row of routes, discounts or refunds has been tried when it decided, a gate when it was closed and, where a
    row of a checklist can open it, when that row passed.
    """
    hit = {one for trial in trials for one in trial.hit}
    return tuple(
        msg("{rule}: no case meets it", rule=rule) if met else msg("{rule}: no case fails it", rule=rule)
        for rule, met in _sides(rules)
        if (rule, met) not in hit
    )


def _sides(rules: Rules) -> Iterator[tuple[str, bool]]:
    policy = rules.policy
    both = [f"policy.{row.id}.{window.until}" for row in policy.rows for window in row.windows]
    both += [f"exclusion.{row.id}" for row in policy.exclusions] + [f"extension.{row.id}" for row in policy.extensions]
    for rule in both:
        yield from ((rule, True), (rule, False))
    yield from ((f"route.{row.id}", True) for row in rules.routes)
    yield from ((f"discount.{row.id}", True) for row in rules.discounts)
    yield from ((f"refund.{row.id}", True) for row in rules.refunds)
    opened = {row.gate for checklist in rules.checklists for page in CHECK_PAGES for row in checklist.steps(page)}
    for gate in rules.gates:
        yield f"gate.{gate.code}", False
        if gate.code in opened:
            yield f"gate.{gate.code}", True


def _hit(bench: Bench, record: Inspection) -> Iterator[tuple[str, bool]]:
    if record.kind is Kind.UNIT:
        yield from _policy_hit(bench, record)
    if record.route:
        yield f"route.{record.route}", True
    yield from ((f"gate.{code}", False) for code in record.gates)
    checklist = bench.rules.checklist(record.product)
    rows = [(page, row) for page in CHECK_PAGES for row in (checklist.steps(page) if checklist else ())]
    yield from ((f"gate.{row.gate}", True) for page, row in rows if row.gate and mark(record, page, row) is Mark.PASS)
    refunds = {f"refund.{row.id}" for row in bench.rules.refunds}
    yield from ((reason.code, True) for reason in record.refund_reasons if reason.code in refunds)
    if record.price is None:
        return
    for discount in bench.rules.discounts:
        # A row has had a say when without it the price would be another.
        others = tuple(other for other in bench.rules.discounts if other is not discount)
        without = decide.decide(bench.rules.model_copy(update={"discounts": others}), bench.seller, record)
        if (without.discount, without.price) != (record.discount, record.price):
            yield f"discount.{discount.id}", True


def _policy_hit(bench: Bench, unit: Inspection) -> Iterator[tuple[str, bool]]:
    policy = bench.rules.policy
    verdict = judge(bench, unit)
    said = {reason.code: reason.met for reason in verdict.reasons}
    for row in policy.rows:
        for window in row.windows:
            if (code := f"{row.id}.{window.until}") in said:
                yield f"policy.{code}", said[code]
    for exclusion in policy.exclusions:
        if exclusion.id in said:
            yield f"exclusion.{exclusion.id}", said[exclusion.id]
        elif any(
            reason.code == wider.id and not reason.met
            for wider in _wider(exclusion)
            for reason in judge(_under(bench, exclusions=(wider,)), unit).reasons
        ):
            yield f"exclusion.{exclusion.id}", True
    for extension in policy.extensions:
        others = tuple(other for other in policy.extensions if other is not extension)
        if judge(_under(bench, extensions=others), unit).reasons != verdict.reasons:
            yield f"extension.{extension.id}", said.get(f"{verdict.policy}.sent", True)


def _wider(exclusion: Exclusion) -> Iterator[Exclusion]:
    """The exclusion with one condition less, for each that it has."""
    for condition in (*sorted(exclusion.fields), "needs"):
        if getattr(exclusion, condition):
            yield exclusion.model_copy(update={condition: ()})


def _under(bench: Bench, **tables: object) -> Bench:
    """The bench with some tables of the policy replaced."""
    policy = bench.rules.policy.model_copy(update=tables)
    return replace(bench, rules=bench.rules.model_copy(update={"policy": policy}))
