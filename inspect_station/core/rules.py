"""The rules of the house as data: parsed and cross-checked once, then trusted.

Every number and word of domain.md §3 stands in station.toml, none here. A `Rules` value is complete in itself: the
same value gives the same decisions on the station, on the hub and in a table of cases.
"""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator
from stdnum import ean

from inspect_station.core.policy import PolicyRules
from inspect_station.core.records import Disposition, Grade, Outcome, Product, Words
from inspect_station.core.rows import Match, Rule, Values, several, ties

CLOSED_TO_OTHERS = frozenset(
    {Disposition.HOLD, Disposition.RETURN_TO_CUSTOMER, Disposition.FORWARD, Disposition.QUARANTINE}
)
"""All that is possible while the article is still the customer's (the ownership gate)."""


def _gtins(values: Any) -> Any:
    values = several(values)
    if not isinstance(values, list | tuple):
        return values
    for value in values:
        if not (isinstance(value, str) and value.isdecimal() and ean.is_valid(value)):
            raise ValueError(f"'{value}' is no article's number: its check digit is wrong")
    return tuple(value.zfill(14) for value in values)


Gtins = Annotated[tuple[str, ...], BeforeValidator(_gtins)]
"""Articles, by any spelling of their number: one or a list; kept as fourteen digits."""


def _none(value: Any) -> Any:
    return None if value == "none" else value


class GradeRule(Rule):
    """What one grade means and where it leads (domain.md §3.3)."""

    label: Words
    hint: Words
    text: Words
    """Said on the clearance label."""
    discount: int = Field(ge=0, le=100)
    """Per cent off the list price, where no row of ``discounts`` says another."""
    needs_finding: bool = False
    """The grade must be explained by a finding."""
    default_finding: str = ""
    ebay: int | None = None
    ebay_media: int | None = None
    amazon: str = ""


class FindingRule(Rule):
    """Something that can be observed, and the best grade that it leaves (its floor)."""

    code: str
    label: Words
    floor: Grade | None = None
    classes: tuple[str, ...] = ()
    """Device classes it is offered for; empty = all."""
    categories: tuple[str, ...] = ()
    carton: bool = False
    """Observed on the carton before it is opened."""
    dock: str = ""
    """The code of domain.md §3.1 "found at the dock" under which it is reported."""
    possible_defect: bool = False
    gate: str = ""
    points: int = Field(default=0, ge=0)
    """Percentage points added to the discount."""
    offered: bool = True
    """Whether `f` lists it; others are made by questions and checklists."""


class Option(Rule):
    """One answer of a question."""

    label: Words
    finding: str = ""
    grade: Grade | None = None
    """The best grade this answer leaves, where no finding says so."""


class Question(Rule):
    """A question that leads to the grade (domain.md §3.2); asked in the order of the file."""

    id: str
    text: Words
    when: Literal["always", "sealed_unknown", "hygiene", "apparel", "untested", "opened"] = "always"
    options: tuple[Option, ...] = Field(min_length=2, max_length=9)
    proposed: int = 0
    """The option that Enter takes, from 1; 0 = none is proposed."""
    only_untested: tuple[int, ...] = ()
    """Options left out when the class's tests have been done."""


class Floor(Rule):
    """A measured value below ``below`` leaves at best ``grade``."""

    below: float
    grade: Grade
    finding: str = ""


class Step(Rule):
    """One row of a checklist."""

    id: str
    label: Words
    kind: Literal["tick", "pass_fail", "measure", "text", "scan", "serial", "photo"] = "tick"
    """``tick``: Space passes it. ``pass_fail``: answered by itself. ``measure``, ``text``: typed. ``scan``: a code,
    scanned or typed. ``serial``: the article's own number. ``photo``: passes by the picture in its ``slot`` alone."""
    skip: Literal["nobody", "operator", "supervisor"] = "nobody"
    """Who may leave it out, with a reason. A row left out is never passed: its gate stays closed."""
    floor: Annotated[Grade | None, BeforeValidator(_none)] = Grade.DEFECTIVE
    """The grade when the row fails; ``"none"`` = failing costs nothing (TOML has no null)."""
    finding: str = ""
    gate: str = ""
    """The gate that closes when the row fails, is left out or never answered."""
    ends: bool = False
    """When this fails the rest cannot be tested."""
    unit: str = ""
    low: float | None = None
    high: float | None = None
    """Values outside are typing errors."""
    floors: tuple[Floor, ...] = ()
    pattern: str = ""
    """What a text or a scanned code must look like as a whole: a regular expression in RE2's syntax."""
    slot: str = ""
    """The photo that a ``photo`` row is passed by."""

    @model_validator(mode="after")
    def _has_what_its_kind_needs(self) -> Self:
        for field, kinds in _ONLY_FOR.items():
            if getattr(self, field) not in (None, "", ()) and self.kind not in kinds:
                raise ValueError(f"step {self.id}: '{field}' means nothing where kind = '{self.kind}'")
        if self.kind == "measure" and not self.unit:
            raise ValueError(f"step {self.id}: a measure needs its unit")
        if self.kind == "photo" and not self.slot:
            raise ValueError(f"step {self.id}: a photo needs its slot")
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError(f"step {self.id}: 'low' must be below 'high'")
        self.takes("")  # a pattern that is none is found now, not at the bench
        return self

    def takes(self, text: str) -> bool:
        """Whether a typed text or a scanned code looks as this row wants it."""
        from inspect_station.core.barcode import expression

        return not self.pattern or expression(self.pattern).fullmatch(text) is not None


_ONLY_FOR: Mapping[str, tuple[str, ...]] = {
    "unit": ("measure",),
    "low": ("measure",),
    "high": ("measure",),
    "floors": ("measure",),
    "pattern": ("text", "scan"),
    "slot": ("photo",),
}
"""Settings of a step that belong to some kinds alone."""


class Checklist(Rule):
    """What is tested, unlocked, wiped, cleaned and sterilised for a device class (domain.md §3.4)."""

    device_class: str
    label: Words
    serial: Literal["", "imei", "serial"] = ""
    data_bearing: bool = False
    test: tuple[Step, ...] = ()
    lock: tuple[Step, ...] = ()
    wipe: tuple[Step, ...] = ()
    clean: tuple[Step, ...] = ()
    sterilise: tuple[Step, ...] = ()
    sterilise_required: bool = False
    """A page of its own; when False sterilising is a row of the finish page."""
    accessories: tuple[str, ...] = ()
    """Usual accessories, where the product names none."""
    # For the record of a wipe (NIST SP 800-88, certificate of sanitization):
    medium: str = ""
    wipe_method: Literal["clear", "purge", "destroy"] = "clear"
    wipe_technique: str = ""
    """How: a reset, an overwrite, a cryptographic erase."""
    wipe_tool: str = ""
    wipe_tool_version: str = ""
    wipe_verification: str = ""
    """How it is seen to be done."""
    wipe_standard: str = ""
    wipe_revision: str = ""

    @model_validator(mode="after")
    def _closes_its_gates(self) -> Self:
        """Gates, not tick-boxes (domain.md §3.4): no row of these pages may be left open without holding the unit."""
        name = self.device_class
        gated = {"lock": self.lock, "wipe": self.wipe, "sterilise": self.sterilise if self.sterilise_required else ()}
        for page, rows in gated.items():
            for row in rows:
                if not row.gate:
                    raise ValueError(f"checklist {name}: {page}.{row.id} needs the gate that closes when it fails")
        if self.sterilise_required and not self.sterilise:
            raise ValueError(f"checklist {name}: sterilising is required, but 'sterilise' has no rows")
        for page in ("test", "lock", "wipe", "clean", "sterilise"):
            ids = [row.id for row in self.steps(page)]
            for twice in sorted({id for id in ids if ids.count(id) > 1}):
                raise ValueError(f"checklist {name}: {page}.{twice} stands there twice")
        if self.data_bearing:
            for field in ("wipe", "medium", "wipe_tool", "wipe_standard"):
                if not getattr(self, field):
                    raise ValueError(f"checklist {name}: it holds data, so '{field}' must be given")
        return self

    def steps(self, page: str) -> tuple[Step, ...]:
        """The rows of a page; empty for a page the class does not have."""
        match page:
            case "test" | "lock" | "wipe" | "clean" | "sterilise":
                rows: tuple[Step, ...] = getattr(self, page)
                return rows
            case _:
                return ()


class Gate(Rule):
    """A condition that closes every route to resale (domain.md §3.4)."""

    code: str
    label: Words
    route: Disposition
    case: bool = False
    """Whether the seller is asked."""


class Slot(Rule):
    """A named photo."""

    label: Words
    serves: tuple[str, ...] = ()
    """Other slots for which this picture is enough (the picture of the set-up screen shows the whole unit)."""


class Photos(Rule):
    """Which slots are due in which situation (domain.md §3.4)."""

    slots: Mapping[str, Slot]
    grade: Mapping[Grade, tuple[str, ...]] = {}
    situation: Mapping[
        Literal["wrong_item", "empty_box", "unknown", "not_ours", "gate", "carton", "wiped"], tuple[str, ...]
    ] = {}


class Route(Match):
    """Where a unit goes (domain.md §3.3); the row with most conditions counts, and the record says which."""

    matched: ClassVar[tuple[str, ...]] = (*Match.matched, "gtin", "grade", "finding")

    id: str
    source: str = Field(min_length=1)
    """The sentence it was taken from, or ``ours``."""
    gtin: Gtins = ()
    grade: Annotated[tuple[Grade, ...], BeforeValidator(several)] = ()
    finding: Values = ()
    """Applies where any of these was found. Of two rows about different findings the first in the file counts."""
    outcome: Annotated[tuple[Outcome, ...], BeforeValidator(several)] = (Outcome.ELIGIBLE,)
    """The verdict it is for; no condition like the others: a row is for what is ours unless it says otherwise."""
    to: Disposition
    case: str = ""
    """The question put to the seller; the unit waits for the answer where it goes."""
    as_grade: Grade | None = None
    """Priced like this grade (new goods in a damaged packaging)."""
    ground: str = ""
    """Why it may be destroyed (seed 003; domain.md §2)."""

    @model_validator(mode="after")
    def _goes_where_it_may(self) -> Self:
        others = set(self.outcome) - {Outcome.ELIGIBLE}
        if others and self.to not in CLOSED_TO_OTHERS:
            raise ValueError(f"route {self.id}: what is still the customer's cannot go to '{self.to}'")
        if self.to in (Disposition.QUARANTINE, Disposition.FORWARD):
            raise ValueError(f"route {self.id}: '{self.to}' is no choice: hazards and other sites' returns go there")
        if self.to is Disposition.DESTROY and not self.ground:
            raise ValueError(f"route {self.id}: destroying needs a ground")
        if others and self.to is Disposition.HOLD and not self.case:
            raise ValueError(f"route {self.id}: what is held and not ours needs a case: the seller is asked")
        if Outcome.ELIGIBLE in self.outcome and self.to is Disposition.RETURN_TO_CUSTOMER:
            raise ValueError(f"route {self.id}: what is accepted does not go back to the customer")
        if self.to is Disposition.RETURN_TO_CUSTOMER and self.case:
            raise ValueError(f"route {self.id}: it is sent back or asked about, not both")
        if Outcome.CONSULT in others and self.to is not Disposition.HOLD:
            raise ValueError(f"route {self.id}: where a person decides it is held: to = 'hold'")
        self._sells_what_may_be_sold()
        return self

    def _sells_what_may_be_sold(self) -> None:
        """Used goods never go back to stock, and defective ones are sold only where their seller wants it."""
        if self.to is Disposition.RESTOCK and self.grade != (Grade.NEW,):
            raise ValueError(f"route {self.id}: only the grade 'new' goes back to stock")
        if self.to in (Disposition.CLEARANCE, Disposition.DONATE):
            if not self.grade:
                raise ValueError(f"route {self.id}: to = '{self.to}' needs a grade")
            if Grade.DEFECTIVE in self.grade and not self.seller:
                raise ValueError(f"route {self.id}: only a seller may let defective goods go to '{self.to}'")


class Discount(Match):
    """What is taken off the list price; the row with most conditions counts, else the grade's own (domain.md §3.5)."""

    matched: ClassVar[tuple[str, ...]] = (*Match.matched, "gtin", "grade")

    id: str
    source: str = Field(min_length=1)
    gtin: Gtins = ()
    grade: Annotated[tuple[Grade, ...], BeforeValidator(several)] = ()
    percent: int | None = Field(default=None, ge=0, le=100)
    """None = the grade's own."""
    round_to: int | None = Field(default=None, gt=0)
    """The price is a multiple of so many minor units, rounded half up: 5 for Swiss francs. None = as other rows say."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.percent is None and self.round_to is None:
            raise ValueError(f"discount {self.id}: needs percent or round_to")
        return self


class RefundRule(Match):
    """What is advised to pay back; the row with most conditions counts (domain.md §2, "State")."""

    matched: ClassVar[tuple[str, ...]] = (*Match.matched, "grade", "finding", "at_fault")

    id: str
    source: str = Field(min_length=1)
    grade: Annotated[tuple[Grade, ...], BeforeValidator(several)] = ()
    finding: Values = ()
    """Applies where any of these was found."""
    at_fault: Values = ()
    held_over: int = Field(default=0, ge=0)
    """Applies to what the customer has had for more than so many days; of two such rows the longer counts."""
    percent: int = Field(default=100, ge=0, le=100)
    """Of what was paid for what came back; less than all only where a seller has set it."""
    shipping: bool = True
    """Whether the shipping that was paid is paid back, too; under FBA it never is (seed 000)."""
    means: Literal["original", "credit", "exchange", "repair"] = "original"

    @model_validator(mode="after")
    def _only_a_seller_pays_less(self) -> Self:
        if self.percent < 100 and not self.seller:
            raise ValueError(f"refund {self.id}: only a seller may set less than 100 per cent")
        worse = (self.grade and Grade.NEW not in self.grade) or self.finding or self.held_over
        if self.percent < 100 and not worse:
            raise ValueError(f"refund {self.id}: less than all needs a grade below new, a finding, or held_over")
        if not self.shipping and not self.seller and self.fulfilment != ("fba",):
            raise ValueError(f"refund {self.id}: without shipping only under FBA, or as a seller has set it")
        return self

    @property
    def conditions(self) -> int:
        """How many conditions it has; how long it was held is one."""
        return len(self.fields) + (self.held_over > 0)


class Pricing(Rule):
    """How the discount is bounded (domain.md §3.5)."""

    cap: int = Field(ge=0, le=100)


Fact = Literal["sealed", "fault_free", "used", "complete", "as_announced", "undamaged"]
"""What the bench can show against a stated reason."""


class Signals(Rule):
    """What a supervisor is told of; nothing is decided by it (seed 001; domain.md §2, "Fraud")."""

    returns_norm: Mapping[Annotated[int, Field(gt=0)], Annotated[int, Field(gt=0)]]
    """Days → most units that one customer sends back to one seller within them; a seller may have another norm."""
    contradicts: Mapping[Fact, Values] = {}
    """What the bench has shown → the stated reasons that it contradicts."""


class Rules(Rule):
    """All rules together."""

    grades: Mapping[Grade, GradeRule]
    findings: tuple[FindingRule, ...]
    questions: tuple[Question, ...]
    checklists: tuple[Checklist, ...]
    gates: tuple[Gate, ...]
    photos: Photos
    routes: tuple[Route, ...]
    discounts: tuple[Discount, ...] = ()
    refunds: tuple[RefundRule, ...]
    pricing: Pricing
    signals: Signals
    weee: Values = ()
    """Categories whose defective goods can be recycled as electrical waste."""
    places: Mapping[Disposition, Words]
    """Where a unit is put, by disposition."""
    policy: PolicyRules
    case_hours: int = Field(gt=0)
    """Hours the seller has to answer a case."""
    grade_hours: int = Field(gt=0)
    """Hours from receipt to grade."""
    space_guard_ms: int = Field(ge=0)
    """`Space` is ignored for so long after a page is shown: nobody has read it yet (domain.md §3.4)."""

    @model_validator(mode="after")
    def _refers_to_what_exists(self) -> "Rules":
        problems = tuple(self._dangling())
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _dangling(self) -> Iterator[str]:
        findings = {finding.code for finding in self.findings}
        gates = {gate.code for gate in self.gates}
        classes = {checklist.device_class for checklist in self.checklists}
        for missing in set(Grade) - set(self.grades):
            yield f"grades: '{missing}' is missing"
        for nowhere in set(Disposition) - set(self.places):
            yield f"places: '{nowhere}' is missing"
        for finding in self.findings:
            if finding.gate and finding.gate not in gates:
                yield f"findings.{finding.code}.gate: no gate '{finding.gate}'"
            for unknown in set(finding.classes) - classes:
                yield f"findings.{finding.code}.classes: no checklist '{unknown}'"
        for grade, rule in self.grades.items():
            if rule.default_finding and rule.default_finding not in findings:
                yield f"grades.{grade}.default_finding: no finding '{rule.default_finding}'"
        for unasked in {"hazard", "sealed"} - {question.id for question in self.questions}:
            yield f"questions: '{unasked}' is missing"
        for question in self.questions:
            if max((question.proposed, *question.only_untested)) > len(question.options):
                yield f"questions.{question.id}: it has only {len(question.options)} options"
            for option in question.options:
                if option.finding and option.finding not in findings:
                    yield f"questions.{question.id}: no finding '{option.finding}'"
        for checklist in self.checklists:
            for page in ("test", "lock", "wipe", "clean", "sterilise"):
                for step in checklist.steps(page):
                    where = f"checklists.{checklist.device_class}.{page}.{step.id}"
                    if step.finding and step.finding not in findings:
                        yield f"{where}.finding: no finding '{step.finding}'"
                    if step.gate and step.gate not in gates:
                        yield f"{where}.gate: no gate '{step.gate}'"
                    for floor in step.floors:
                        if floor.finding and floor.finding not in findings:
                            yield f"{where}.floors: no finding '{floor.finding}'"
                    if step.slot and step.slot not in self.photos.slots:
                        yield f"{where}.slot: no slot '{step.slot}'"
        for exclusion in self.policy.exclusions:
            for unknown in set(exclusion.needs) - findings - {"opened"}:
                yield f"policy.exclusions.{exclusion.id}.needs: no finding '{unknown}'"
        reasons = {reason.code for reason in self.policy.reasons}
        for fact, codes in self.signals.contradicts.items():
            for unknown in set(codes) - reasons:
                yield f"signals.contradicts.{fact}: no reason '{unknown}'"
        yield from self._unclear_rows()
        slots = set(self.photos.slots)
        asked = {f"grade.{grade}": names for grade, names in self.photos.grade.items()}
        asked |= {f"situation.{name}": names for name, names in self.photos.situation.items()}
        asked |= {f"slots.{name}.serves": slot.serves for name, slot in self.photos.slots.items()}
        for place, names in asked.items():
            for unknown in set(names) - slots:
                yield f"photos.{place}: no slot '{unknown}'"

    def _unclear_rows(self) -> Iterator[str]:
        """What is wrong with the rows of routes, discounts and refunds among themselves."""
        for table in ("routes", "discounts", "refunds"):
            rows: tuple[Route, ...] | tuple[Discount, ...] | tuple[RefundRule, ...] = getattr(self, table)
            ids = [row.id for row in rows]
            for twice in sorted({id for id in ids if ids.count(id) > 1}):
                yield f"{table}: '{twice}' stands there twice"
        findings = {finding.code for finding in self.findings}
        for table, rows_ in (("routes", self.routes), ("refunds", self.refunds)):
            for row in rows_:
                for unknown in set(row.finding) - findings:
                    yield f"{table}.{row.id}.finding: no finding '{unknown}'"
        for outcome in Outcome:
            of_outcome = [route for route in self.routes if outcome in route.outcome]
            for one, other in ties(of_outcome):
                yield f"routes: '{one.id}' and '{other.id}' match one unit equally well; add a row for both"
            if outcome is not Outcome.ELIGIBLE:
                if all(route.fields for route in of_outcome):
                    yield f"routes: no row without conditions says where '{outcome}' goes"
                continue
            plain = [route.grade or tuple(Grade) for route in of_outcome if route.fields <= {"grade"}]
            for missing in [grade for grade in Grade if not any(grade in grades for grades in plain)]:
                yield f"routes: no row says where '{missing}' goes"
        for what in ("percent", "round_to"):
            for one_, other_ in ties([row for row in self.discounts if getattr(row, what) is not None]):
                yield f"discounts: '{one_.id}' and '{other_.id}' match one unit equally well; add a row for both"
        told = set()
        for days in sorted({0, *(row.held_over for row in self.refunds)}):
            for refund, rival in ties([row for row in self.refunds if row.held_over <= days]):
                alike = all(getattr(refund, field) == getattr(rival, field) for field in refund.matched)
                if alike and refund.held_over != rival.held_over:
                    continue  # of two times the longer counts
                told.add(f"refunds: '{refund.id}' and '{rival.id}' match one return equally well; add a row for both")
        yield from sorted(told)
        if all(row.conditions for row in self.refunds):
            yield "refunds: one row without any condition must take the returns that no other matches"

    def finding(self, code: str) -> FindingRule:
        """The rule of a finding; a code no longer configured counts as a fact without a floor."""
        known = next((finding for finding in self.findings if finding.code == code), None)
        return known or FindingRule(code=code, label={"en": code})

    def gate(self, code: str) -> Gate:
        """The rule of a gate; a gate no longer configured still holds the unit."""
        known = next((gate for gate in self.gates if gate.code == code), None)
        return known or Gate(code=code, label={"en": code}, route=Disposition.HOLD)

    def checklist(self, product: Product | None) -> Checklist | None:
        """The checklist of the product's device class, if it has one."""
        wanted = product.device_class if product else ""
        return next((known for known in self.checklists if wanted and known.device_class == wanted), None)

    def findings_for(self, product: Product | None, *, carton: bool = False) -> tuple[FindingRule, ...]:
        """What `f` may offer for this product, in the order of the file."""
        return tuple(
            finding
            for finding in self.findings
            if finding.offered
            and finding.carton == carton
            and (not finding.classes or (product is not None and product.device_class in finding.classes))
            and (not finding.categories or (product is not None and product.category in finding.categories))
        )

    @property
    def sha256(self) -> str:
        """The fingerprint kept on every inspection: which rules decided it."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()
