"""The rules of the house as data: parsed and cross-checked once, then trusted.

Every number and word of domain.md §3 stands in station.toml, none here. A `Rules` value is complete in itself: the
same value gives the same decisions on the station, on the hub and in a table of cases.
"""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from inspect_station.core.policy import PolicyRules
from inspect_station.core.records import Disposition, Grade, Product
from inspect_station.core.rows import Rule, Words


def _none(value: Any) -> Any:
    return None if value == "none" else value


class GradeRule(Rule):
    """What one grade means and where it leads (domain.md §3.3)."""

    label: Words
    hint: Words
    text: Words
    """Said on the clearance label."""
    route: Disposition
    discount: int = Field(ge=0, le=100)
    """Per cent off the list price."""
    case: str = ""
    """The question put to the seller, if this grade waits for an answer."""
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
    kind: Literal["tick", "measure", "serial"] = "tick"
    floor: Annotated[Grade | None, BeforeValidator(_none)] = Grade.DEFECTIVE
    """The grade when the row fails; ``"none"`` = failing costs nothing (TOML has no null)."""
    finding: str = ""
    gate: str = ""
    """The gate that closes when the row fails."""
    ends: bool = False
    """When this fails the rest cannot be tested."""
    unit: str = ""
    low: float | None = None
    high: float | None = None
    """Values outside are typing errors."""
    floors: tuple[Floor, ...] = ()


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
    medium: str = ""
    wipe_method: Literal["clear", "purge", "destroy"] = "clear"
    wipe_tool: str = ""
    wipe_standard: str = ""

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


class Pricing(Rule):
    """How the discount is bounded (domain.md §3.5)."""

    cap: int = Field(ge=0, le=100)


class Rules(Rule):
    """All rules together."""

    grades: Mapping[Grade, GradeRule]
    findings: tuple[FindingRule, ...]
    questions: tuple[Question, ...]
    checklists: tuple[Checklist, ...]
    gates: tuple[Gate, ...]
    photos: Photos
    pricing: Pricing
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
        for exclusion in self.policy.exclusions:
            for unknown in set(exclusion.needs) - findings - {"opened"}:
                yield f"policy.exclusions.{exclusion.id}.needs: no finding '{unknown}'"
        slots = set(self.photos.slots)
        asked = {f"grade.{grade}": names for grade, names in self.photos.grade.items()}
        asked |= {f"situation.{name}": names for name, names in self.photos.situation.items()}
        asked |= {f"slots.{name}.serves": slot.serves for name, slot in self.photos.slots.items()}
        for place, names in asked.items():
            for unknown in set(names) - slots:
                yield f"photos.{place}: no slot '{unknown}'"

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
