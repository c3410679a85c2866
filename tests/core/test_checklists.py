"""Checklists: kinds of rows, who may skip them, the gates they close, the record of a wipe, grading again."""

import random
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from inspect_station.core import decide, grading
from inspect_station.core import inspection as life
from inspect_station.core.bench import Bench, accessories, judge, path
from inspect_station.core.gates import gates, unproven, wipe_record
from inspect_station.core.photos import due_slots
from inspect_station.core.records import (
    Accessory,
    Disposition,
    Finding,
    Grade,
    Inspection,
    Kind,
    Mark,
    Outcome,
    Role,
    upgrade,
)
from inspect_station.core.rules import CLOSED_TO_OTHERS, Checklist, Rules, Step
from inspect_station.core.view import View, view

IMEI = "356938035643809"
PICTURE = "ab" * 32
IN_TIME, LONG_AGO = date(2026, 11, 18), date(2026, 9, 1)
"""A postmark, and a delivery, of what was received on 22 November."""
PHONE = {"device_class": "phone", "category": "electronics"}
RESALE = {Disposition.RESTOCK, Disposition.CLEARANCE, Disposition.DONATE}

GAUGE = {
    "device_class": "gauge",
    "label": "gauge",
    "data_bearing": True,
    "medium": "card",
    "wipe_tool": "its own",
    "wipe_standard": "NIST SP 800-88",
    "test": [
        {"id": "power", "label": "power", "ends": True},
        {"id": "zero", "label": "zero", "kind": "pass_fail", "finding": "works_in_part"},
        {"id": "firmware", "label": "firmware", "kind": "text", "pattern": r"\d+\.\d+", "skip": "operator"},
        {"id": "seal", "label": "seal number", "kind": "scan", "pattern": r"S-\d{4}"},
        {"id": "volts", "label": "volts", "kind": "measure", "unit": "V", "low": 0, "high": 20, "skip": "operator"},
        {"id": "face", "label": "face", "kind": "photo", "slot": "label", "floor": "used"},
        {"id": "battery", "label": "battery", "gate": "swollen_battery", "finding": "battery_swollen"},
    ],
    "lock": [
        {"id": "pin", "label": "no PIN", "kind": "pass_fail", "gate": "account_lock", "skip": "operator"},
        {"id": "cloud", "label": "no account", "gate": "account_lock", "skip": "supervisor"},
    ],
    "wipe": [
        {"id": "card", "label": "card out", "gate": "card_left", "skip": "operator"},
        {
            "id": "reset",
            "label": "reset",
            "kind": "photo",
            "slot": "box",
            "gate": "wipe_unverified",
            "skip": "operator",
        },
    ],
    "sterilise_required": True,
    "sterilise": [{"id": "probe", "label": "probe", "gate": "sterilisation_missing", "skip": "operator"}],
}
"""A device class that uses every kind of row and lets nearly all of them be skipped."""
LOCKED = {
    "device_class": "locked",
    "label": "lock and nothing else",
    "lock": [{"id": "one", "label": "one", "gate": "account_lock", "skip": "operator"}],
}


@pytest.fixture(scope="session")
def tried(rules: Rules) -> Rules:
    """The shipped rules with two classes more."""
    more = tuple(Checklist.model_validate(each) for each in (GAUGE, LOCKED))
    return Rules.model_validate(rules.model_dump() | {"checklists": (*rules.checklists, *more)})


def play(bench: Bench, unit: Inspection, *inputs: life.Input, by: str = "op1") -> life.Step:
    """All inputs, a second apart; the last step is the answer."""
    step = life.Step(unit)
    begun = unit.shown_at or unit.started_at
    for n, given_input in enumerate(inputs, 1):
        step = life.step(bench, step.inspection, given_input, by=by, at=begun + timedelta(seconds=n))
    return step


def marks(unit: Inspection) -> dict[str, str]:
    return {answer.id: answer.mark for answer in unit.answers}


def skipped(row: str, role: Role = Role.OPERATOR, reason: str = "no tool here") -> life.Skipped:
    return life.Skipped(row, reason, role)


# ── The data ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ({"kind": "measure"}, "needs its unit"),
        ({"kind": "measure", "unit": "%", "low": 9, "high": 1}, "'low' must be below 'high'"),
        ({"kind": "tick", "unit": "%"}, "'unit' means nothing"),
        ({"kind": "photo"}, "needs its slot"),
        ({"kind": "tick", "slot": "state"}, "'slot' means nothing"),
        ({"kind": "serial", "pattern": "x"}, "'pattern' means nothing"),
        ({"kind": "text", "pattern": "("}, "missing"),
        ({"kind": "text", "pattern": r"(?=x)"}, "invalid"),
        ({"skip": "anyone"}, "skip"),
    ],
    ids=[
        "a measure without its unit", "limits the wrong way round", "a tick with a unit", "a photo without its slot",
        "a tick with a slot", "a serial with a pattern", "a pattern that is none", "a pattern that needs going back",
        "skipped by anyone",
    ],
)  # fmt: skip
def test_a_row_that_cannot_work_is_refused_when_it_is_read(step: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Step.model_validate({"id": "row", "label": "row"} | step)


def _of_gauge(**changes: Any) -> dict[str, Any]:
    return GAUGE | changes


@pytest.mark.parametrize(
    ("checklist", "said"),
    [
        (_of_gauge(lock=[{"id": "pin", "label": "pin"}]), "lock.pin needs the gate"),
        (_of_gauge(wipe=[{"id": "card", "label": "card"}]), "wipe.card needs the gate"),
        (_of_gauge(sterilise=[{"id": "probe", "label": "probe"}]), "sterilise.probe needs the gate"),
        (_of_gauge(sterilise=[]), "'sterilise' has no rows"),
        (_of_gauge(wipe=[]), "'wipe' must be given"),
        (_of_gauge(wipe_standard=""), "'wipe_standard' must be given"),
        (_of_gauge(test=[{"id": "a", "label": "a"}, {"id": "a", "label": "b"}]), "test.a stands there twice"),
    ],
    ids=[
        "a lock without its gate", "a wipe without its gate", "required sterilisation without its gate",
        "required sterilisation without rows", "data and no wipe", "a wipe by no standard", "two rows of one name",
    ],
)  # fmt: skip
def test_a_checklist_that_would_leave_a_gate_open_is_refused(checklist: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Checklist.model_validate(checklist)


def test_the_slot_of_a_photo_row_must_be_known(rules: Rules) -> None:
    test = [{"id": "face", "label": "face", "kind": "photo", "slot": "nowhere"}]
    strange = Checklist.model_validate({"device_class": "strange", "label": "strange", "test": test})
    with pytest.raises(ValidationError, match=r"strange\.test\.face\.slot: no slot 'nowhere'"):
        Rules.model_validate(rules.model_dump() | {"checklists": (*rules.checklists, strange)})


# ── Kinds of rows ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def gauge(tried: Rules, on_bench: Any) -> tuple[Bench, Inspection]:
    """A gauge at its tests."""
    bench, unit = on_bench(under=tried, device_class="gauge", category="electronics")
    return bench, play(bench, unit, life.Digit(3)).inspection


TESTED = (
    life.AllPass(),
    life.Typed("1.4"),
    life.Typed("S-1234"),
    life.Typed("12"),
    life.Digit(2),
    life.Taken("label", PICTURE),
)
"""What answers every test of a gauge well."""


def test_space_passes_ticks_alone(gauge: tuple[Bench, Inspection]) -> None:
    bench, unit = gauge
    after = play(bench, unit, life.AllPass()).inspection
    assert after.page == "test"
    assert marks(after) == {"test.power": "pass", "test.battery": "pass"}


def test_a_pass_or_fail_row_goes_from_open_to_pass_to_fail_and_back(gauge: tuple[Bench, Inspection]) -> None:
    bench, unit = gauge
    seen = []
    for _ in range(4):
        unit = play(bench, unit, life.Digit(2)).inspection
        seen.append((marks(unit)["test.zero"], unit.found("works_in_part")))
    assert seen == [("pass", False), ("fail", True), ("", False), ("pass", False)]


def test_a_page_is_left_when_every_row_is_answered_by_what_it_is(gauge: tuple[Bench, Inspection]) -> None:
    bench, unit = gauge
    for n in range(1, len(TESTED)):
        assert play(bench, unit, *TESTED[:n], life.Accept()).inspection.page == "test", TESTED[n]
    assert play(bench, unit, *TESTED, life.Accept()).inspection.page == "lock"


@pytest.mark.parametrize(
    ("before", "typed", "row"),
    [
        ((life.AllPass(),), "one point four", "test.firmware"),
        ((life.AllPass(),), "", "test.firmware"),
        ((life.AllPass(), life.Typed("1.4")), "T-1234", "test.seal"),
        ((life.AllPass(), life.Typed("1.4"), life.Typed("S-1234")), "nan", "test.volts"),
        ((life.AllPass(), life.Typed("1.4"), life.Typed("S-1234")), "inf", "test.volts"),
        ((life.AllPass(), life.Typed("1.4"), life.Typed("S-1234")), "21", "test.volts"),
    ],
    ids=["text", "nothing", "code", "no number", "endless", "above its limit"],
)
def test_what_does_not_look_as_the_row_wants_is_not_taken(
    gauge: tuple[Bench, Inspection], before: tuple[life.Input, ...], typed: str, row: str
) -> None:
    bench, unit = gauge
    waiting = play(bench, unit, *before).inspection
    assert (field := view(bench, waiting).field) is not None and field.id == row
    step = play(bench, waiting, life.Typed(typed))
    assert step.said is not None
    assert row not in marks(step.inspection)


def test_a_scanned_code_finds_its_row_before_the_others_are_answered(gauge: tuple[Bench, Inspection]) -> None:
    bench, unit = gauge
    after = play(bench, unit, life.Scanned("S-1234")).inspection
    answer = after.answer("test.seal")
    assert answer is not None and (answer.mark, answer.value, answer.by) == (Mark.PASS, "S-1234", "op1")
    assert play(bench, after, life.Scanned("S-9999")).said is not None, "no row waits for another one"


def test_a_photo_row_passes_by_the_picture_in_its_own_slot_and_by_nothing_else(
    gauge: tuple[Bench, Inspection],
) -> None:
    bench, unit = gauge
    rows = {row.id: row.mark for row in view(bench, play(bench, unit, life.AllPass()).inspection).rows}
    assert rows["test.face"] is Mark.OPEN
    assert view(bench, unit).due[0] == "label", "p fills it first"
    other = play(bench, unit, life.Taken("article", PICTURE)).inspection
    assert {row.id: row.mark for row in view(bench, other).rows}["test.face"] is Mark.OPEN
    taken = play(bench, unit, life.Taken("label", PICTURE)).inspection
    assert {row.id: row.mark for row in view(bench, taken).rows}["test.face"] is Mark.PASS
    failed = play(bench, taken, life.Digit(6)).inspection
    assert grading.grade(bench.rules, failed)[0] is Grade.USED, "its floor"


def test_a_photo_that_is_owed_lets_the_dock_go_on_and_holds_the_unit(gauge: tuple[Bench, Inspection]) -> None:
    bench, unit = gauge
    unit = play(bench, unit, *TESTED[:-1], life.Taken("label", ""), life.Accept()).inspection
    assert unit.page == "lock"
    decision = decide.decide(bench.rules, bench.seller, unit)
    assert decision.disposition is Disposition.HOLD


# ── Skipping ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("row", "role", "reason", "taken"),
    [
        ("test.firmware", Role.OPERATOR, "no cable", True),
        ("test.firmware", Role.OPERATOR, "  ", False),
        ("test.power", Role.OPERATOR, "no cable", False),
        ("test.power", Role.SUPERVISOR, "no cable", False),
        ("lock.cloud", Role.SUPERVISOR, "no network", False),
        ("test.nothing", Role.SUPERVISOR, "no cable", False),
    ],
    ids=[
        "who may", "without a reason", "nobody may", "nobody, not even a supervisor", "a row of another page",
        "no such row",
    ],
)  # fmt: skip
def test_who_may_skip_a_row(gauge: tuple[Bench, Inspection], row: str, role: Role, reason: str, taken: bool) -> None:
    bench, unit = gauge
    step = play(bench, unit, skipped(row, role, reason))
    assert (step.said is None) is taken
    assert (step.inspection != unit) is taken
    if taken:
        answer = step.inspection.answer(row)
        assert answer is not None and (answer.mark, answer.value, answer.by) == (Mark.SKIPPED, reason, "op1")


@pytest.mark.parametrize(("role", "taken"), [(Role.OPERATOR, False), (Role.SUPERVISOR, True)])
def test_a_row_for_supervisors_is_skipped_by_them_alone(
    gauge: tuple[Bench, Inspection], role: Role, taken: bool
) -> None:
    bench, unit = gauge
    at_locks = play(bench, unit, *TESTED, life.Accept()).inspection
    after = play(bench, at_locks, skipped("lock.cloud", role)).inspection
    assert (marks(after).get("lock.cloud") == "skipped") is taken


def test_a_skipped_measure_keeps_its_reason_and_counts_as_no_value(gauge: tuple[Bench, Inspection]) -> None:
    bench, unit = gauge
    after = play(bench, unit, skipped("test.volts", reason="12")).inspection
    answer = after.answer("test.volts")
    assert answer is not None and answer.value == "12"
    assert grading.grade(bench.rules, after)[0] is Grade.USED, "the digit's, no worse"


def test_what_was_skipped_is_not_said_to_be_tested(gauge: tuple[Bench, Inspection]) -> None:
    bench, unit = gauge
    for inputs, tested in ((TESTED, True), ((skipped("test.firmware"), *TESTED[:1], *TESTED[2:]), False)):
        after = play(bench, unit, *inputs, life.Accept()).inspection
        assert after.page == "lock"
        said = decide.why(bench.rules, after, decide.decide(bench.rules, bench.seller, after))
        assert ("tested" in {str(part) for part in said}) is tested


# ── Gates ────────────────────────────────────────────────────────────────────────────────────────────────────────────

UNLOCKED = (life.Digit(1), life.AllPass())
WIPED = (life.AllPass(), life.Taken("box", PICTURE), life.Accept())
STERILE = (life.AllPass(),)
END = (life.Taken("setup_screen", PICTURE), life.Taken("state", PICTURE))


def test_a_gauge_with_everything_done_is_sold(gauge: tuple[Bench, Inspection]) -> None:
    bench, unit = gauge
    step = play(bench, unit, *TESTED, life.Accept(), *UNLOCKED, *WIPED, *STERILE, *END, life.Accept())
    assert step.done, step.said
    assert decide.decide(bench.rules, bench.seller, step.inspection).disposition is Disposition.CLEARANCE


@pytest.mark.parametrize(
    ("inputs", "closed"),
    [
        ((skipped("lock.pin"), life.AllPass()), "account_lock"),
        ((life.Digit(1), skipped("lock.cloud", Role.SUPERVISOR)), "account_lock"),
        ((*UNLOCKED, skipped("wipe.card"), life.Taken("box", PICTURE), life.Accept(), *STERILE), "card_left"),
        ((*UNLOCKED, life.AllPass(), skipped("wipe.reset"), *STERILE), "wipe_unverified"),
        ((*UNLOCKED, life.AllPass(), life.Taken("box", ""), life.Accept(), *STERILE), "wipe_unverified"),
        ((*UNLOCKED, *WIPED, skipped("sterilise.probe")), "sterilisation_missing"),
        ((*UNLOCKED, *WIPED, *STERILE, life.Taken("setup_screen", "")), "wipe_unverified"),
    ],
    ids=[
        "a lock row skipped", "a lock row skipped by a supervisor", "the card skipped", "the reset skipped",
        "the picture of the reset owed", "sterilising skipped", "the set-up screen owed",
    ],
)  # fmt: skip
def test_what_is_left_out_closes_its_gate(
    gauge: tuple[Bench, Inspection], inputs: tuple[life.Input, ...], closed: str
) -> None:
    bench, unit = gauge
    step = play(bench, unit, *TESTED, life.Accept(), *inputs)
    assert step.inspection.page == "finish", step.inspection.page
    decision = decide.decide(bench.rules, bench.seller, step.inspection)
    assert closed in decision.gates
    assert decision.disposition not in RESALE
    shot = [life.Taken(slot, PICTURE) for slot in due_slots(bench.rules, step.inspection, decision)]
    assert play(bench, step.inspection, *shot, life.Accept()).done, "it is held, not stuck"


def test_a_lock_that_was_skipped_is_not_wiped(gauge: tuple[Bench, Inspection]) -> None:
    bench, unit = gauge
    after = play(bench, unit, *TESTED, life.Accept(), skipped("lock.pin"), life.AllPass()).inspection
    assert "wipe" not in path(bench, after)


def test_a_return_that_becomes_ours_at_the_end_is_unlocked_and_wiped_after_all(on_bench: Any) -> None:
    bench, unit = on_bench(**PHONE)
    inputs = (life.Serial(IMEI), life.AllPass(), life.Typed("87"), life.Found("hygiene_seal_broken"), life.Digit(3))
    at_end = play(bench, unit, *inputs).inspection
    assert (at_end.page, at_end.verdict.outcome) == ("finish", Outcome.CONSULT)
    ours = play(bench, at_end, life.Unfound("hygiene_seal_broken")).inspection
    assert ours.verdict.ours
    assert "account_lock" in gates(bench.rules, ours)
    step = play(bench, ours, life.Accept())
    assert not step.done and step.said is not None
    assert step.inspection.page == "lock"


def test_the_digit_for_sealed_sells_no_phone_on_which_traces_were_found(on_bench: Any) -> None:
    bench, unit = on_bench(**PHONE)
    step = play(bench, unit, life.Found("light_traces"), life.Digit(1), life.Taken("state", PICTURE), life.Accept())
    assert not step.done
    assert step.inspection.page == "test"


def test_a_sealed_phone_that_is_called_used_at_the_end_is_tested_and_wiped_first(on_bench: Any) -> None:
    bench, unit = on_bench(**PHONE, delivered_on=None, reason="NO_REASON")
    sealed = play(bench, unit, life.Found("packaging_damaged"), life.Digit(1))
    lowered = life.Overridden(Grade.USED, "crushed", Role.OPERATOR)
    after = play(bench, sealed.inspection.but(page="finish"), lowered, life.Accept())
    assert not after.done
    assert after.inspection.page == "test"


def test_a_swollen_battery_found_by_hand_stops_the_work_at_once(on_bench: Any) -> None:
    bench, unit = on_bench(**PHONE)
    at_tests = play(bench, unit, life.Serial(IMEI)).inspection
    step = play(bench, at_tests, life.Found("battery_swollen"), life.Accept(), life.Accept())
    assert step.done, step.said
    assert decide.decide(bench.rules, bench.seller, step.inspection).disposition is Disposition.QUARANTINE


@pytest.mark.parametrize(
    ("about", "last"),
    [({}, life.Held("ask Ana")), ({"delivered_on": LONG_AGO}, life.Accept())],
    ids=["held by hand", "still the customer's"],
)
def test_what_is_held_or_still_the_customers_is_not_said_to_be_locked(
    on_bench: Any, about: dict[str, Any], last: life.Input
) -> None:
    bench, unit = on_bench(**PHONE, **about)
    unit = play(bench, unit, life.Serial(IMEI), life.AllPass(), life.Typed("87"), life.Digit(3), last).inspection
    assert unit.page == "finish", unit.verdict
    assert unit.held or not unit.verdict.ours
    assert "account_lock" not in gates(bench.rules, unit)


def test_a_defective_phone_leaves_unlocked_by_nobody_but_its_gates_are_known(on_bench: Any) -> None:
    bench, unit = on_bench(**PHONE)
    dead = play(bench, unit, life.Serial(IMEI), life.Digit(1), life.Accept()).inspection
    assert dead.page == "finish"
    assert gates(bench.rules, dead) == ()
    assert {"account_lock", "wipe_unverified"} <= set(unproven(bench.rules, dead))


def test_raised_by_a_supervisor_a_defective_phone_is_tested_first(on_bench: Any) -> None:
    bench, unit = on_bench(**PHONE)
    given_up = play(bench, unit, life.Digit(6), life.Found("crack")).inspection
    raised = play(bench, given_up, life.Overridden(Grade.USED, "it starts", Role.SUPERVISOR), life.Accept())
    assert not raised.done
    assert raised.inspection.page == "test"


@pytest.mark.parametrize(
    "inputs",
    [(life.Digit(3), life.Held("ask Ana")), (life.Digit(6), life.Found("does_not_work"))],
    ids=["held by hand", "defective"],
)
def test_no_order_sells_or_gives_away_what_nobody_has_unlocked(
    on_bench: Any, tried: Rules, inputs: tuple[life.Input, ...]
) -> None:
    bench, unit = on_bench(under=tried, device_class="locked", category="electronics")
    done = finished(bench, play(bench, unit, *inputs).inspection)
    assert "account_lock" in unproven(bench.rules, done)
    assert not RESALE & set(decide.possible_dispositions(bench.rules, bench.seller, done))


@pytest.mark.parametrize("digit", [2, 3])
def test_a_broken_hygiene_seal_is_a_gate(on_bench: Any, digit: int) -> None:
    bench, unit = on_bench(category="beauty", hygiene=True, seller={"code": "s"})
    broken = play(bench, unit, life.Digit(digit), life.Digit(2)).inspection
    assert "hygiene_seal" in gates(bench.rules, broken)
    assert decide.decide(bench.rules, bench.seller, broken).disposition not in RESALE
    accepted = broken.but(verdict=broken.verdict.but(seller_accepted=True))
    decision = decide.decide(bench.rules, bench.seller, accepted)
    assert decision.disposition is Disposition.RETURN_TO_SELLER, "domain 3.2: not resellable"
    assert "gate" in due_slots(bench.rules, accepted, decision)


# ── No sequence whatever ─────────────────────────────────────────────────────────────────────────────────────────────


def why_not(rules: Rules, record: Inspection) -> str:
    """Why a finished record must not be sold, from its answers and the checklist alone; empty = it may be."""
    found = {finding.code for finding in record.findings}
    if found & {"hazard", "battery_swollen", "hygiene_seal_broken", "tampered", "counterfeit_suspect"}:
        return "something was found"
    if any(not photo.sha256 for photo in record.photos):
        return "a photo is owed"
    if record.kind is not Kind.UNIT or record.grade is None:
        return "not one unit with a grade"
    last = {answer.id: answer.mark for answer in record.answers}
    pictures = {photo.slot for photo in record.photos}
    device_class = record.product.device_class if record.product else ""
    checklist = next((each for each in rules.checklists if each.device_class == device_class), None)
    if checklist is None:
        return ""

    def good(page: str, row: Step) -> bool:
        if row.kind == "photo":
            return row.slot in pictures and last.get(f"{page}.{row.id}") != "fail"
        return last.get(f"{page}.{row.id}") == "pass"

    if any(row.gate == "swollen_battery" and last.get(f"test.{row.id}") == "fail" for row in checklist.test):
        return "the battery"
    seen = any(rule.floor for rule in rules.findings if rule.code in found)
    if record.chosen is Grade.NEW and record.grade is Grade.NEW and not seen:
        return ""  # never opened
    if not all(good("lock", row) for row in checklist.lock):
        return "a lock"
    if not all(good("wipe", row) for row in checklist.wipe):
        return "the wipe"
    if checklist.data_bearing and "setup_screen" not in pictures:
        return "the evidence of the wipe"
    if checklist.sterilise_required and not all(good("sterilise", row) for row in checklist.sterilise):
        return "sterilising"
    return ""


def at_random(rng: random.Random, bench: Bench, unit: Inspection, seen: View) -> life.Input:
    """Any input at all."""
    codes = [rule.code for rule in bench.rules.findings]
    rows = [row.id for row in seen.rows] or ["test.power"]
    slots = ["setup_screen", "state", "box", "label", "gate", "damage", "whole"]
    inputs: tuple[life.Input, ...] = (
        life.Digit(rng.randrange(1, 10), rng.choice((0, 0, 9))),
        life.Digit(rng.randrange(1, 10)),
        life.Accept(),
        life.AllPass(),
        life.Typed(rng.choice(("87", "12", "1.4", "S-1234", "x", "", IMEI, "nan"))),
        life.Scanned(rng.choice(("S-1234", "zzz"))),
        life.Serial(rng.choice((IMEI, "490154203237518")), opens=rng.random() < 0.8),
        life.Found(rng.choice(codes)),
        life.Unfound(rng.choice([finding.code for finding in unit.findings] or codes)),
        life.Taken(rng.choice(slots), rng.choice((PICTURE, PICTURE, ""))),
        life.Skipped(rng.choice(rows), "why", rng.choice(tuple(Role))),
        life.Overridden(rng.choice(tuple(Grade)), "why", rng.choice(tuple(Role))),
        life.Postmarked(bench.received_on - timedelta(rng.randrange(60))),
        life.Back(),
        life.Back(),
        life.Held("waits"),
        life.Became(rng.choice((Kind.WRONG_ITEM, Kind.EMPTY_BOX, Kind.UNIT))),
        life.Counted(rng.choice((1, 2))),
    )
    return rng.choice(inputs)


def in_good_faith(rng: random.Random, bench: Bench, unit: Inspection, seen: View) -> life.Input:
    """What an operator who wants to get done would press."""
    if seen.field is not None:
        return life.Typed({"test.firmware": "1.4", "test.seal": "S-1234"}.get(seen.field.id, "12"))
    if seen.field is None and seen.due and rng.random() < 0.6:
        return life.Taken(seen.due[0], PICTURE)
    if unit.page in ("condition", "grade"):
        begun: tuple[life.Input, ...] = (life.Digit(rng.choice((1, 2, 3, 3, 6))), life.Serial(IMEI), life.Accept())
        return rng.choice(begun)
    if unit.page.startswith("question."):
        return life.Digit(rng.randrange(1, 6))
    if unit.page == "finish":
        return life.Accept()
    single = [n for n, row in enumerate(seen.rows, 1) if row.kind == "pass_fail" and row.mark is Mark.OPEN]
    left_out = [row.id for row in seen.rows if row.mark is Mark.OPEN and row.skip == "operator"]
    checked: tuple[life.Input, ...] = (life.AllPass(), life.Accept(), *(life.Digit(n) for n in single[:1] * 3))
    return rng.choice((*checked, *(life.Skipped(row, "no time", Role.OPERATOR) for row in left_out[:1])))


CLASSES = ("", "phone", "tablet", "laptop", "desktop", "console", "camera", "router", "headphones", "appliance")


@pytest.mark.parametrize("device_class", [*CLASSES, "gauge", "locked"])
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_no_sequence_whatever_leads_past_a_gate_to_resale(
    on_bench: Any, tried: Rules, device_class: str, seed: int
) -> None:
    rng = random.Random(seed)
    wild = rng.choice((0.05, 0.15, 0.4))
    bench, unit = on_bench(
        under=tried,
        device_class=device_class,
        category=rng.choice(("electronics", "general", "software")),
        hygiene=rng.random() < 0.2,
        reason=rng.choice(("CHANGED_MIND", "DEFECTIVE")),
        postmarked_on=None if rng.random() < 0.2 else IN_TIME,
    )
    at = unit.started_at
    for _ in range(45):
        assert upgrade(unit.model_dump(mode="json")) == unit, "a draft is read back as it was"
        at += timedelta(seconds=1)
        given_input = (at_random if rng.random() < wild else in_good_faith)(rng, bench, unit, view(bench, unit))
        before, _ = grading.grade(bench.rules, unit)
        step = life.step(bench, unit, given_input, by="op1", at=at)
        if isinstance(given_input, life.Found) and before is not None:
            after, _ = grading.grade(bench.rules, step.inspection)
            assert after is not None and after.rank >= before.rank, "adding a finding never raises the grade"
        unit = step.inspection
        if unit.verdict.possible_defect:
            assert unit.verdict.outcome is not Outcome.INELIGIBLE
        if not step.done:
            continue
        done = decide.finished(bench.rules, bench.seller, unit, by="op1", at=at, rules_hash="")
        reason = why_not(bench.rules, done)
        if reason:
            assert done.disposition not in RESALE, reason
        if done.kind is Kind.UNIT and not done.verdict.ours:
            assert done.disposition in CLOSED_TO_OTHERS, "the ownership gate"
            assert done.price is None
        unit = (life.refurbished if done.disposition is Disposition.REFURBISH else life.reopened)(done, by="op1")


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.data(),
    chosen=st.sampled_from([None, *Grade]),
    device_class=st.sampled_from(CLASSES),
    lowered=st.sampled_from([None, *Grade]),
)
def test_a_finding_more_never_raises_the_grade_and_never_refuses_a_possible_defect(
    on_bench: Any, data: st.DataObject, chosen: Grade | None, device_class: str, lowered: Grade | None
) -> None:
    bench, unit = on_bench(device_class=device_class, category="electronics")
    codes = data.draw(st.lists(st.sampled_from([rule.code for rule in bench.rules.findings]), max_size=4))
    unit = unit.but(chosen=chosen, findings=tuple(Finding(code=code) for code in codes))
    if lowered is not None:
        unit = play(bench, unit, life.Overridden(lowered, "why", Role.SUPERVISOR)).inspection
    more = unit.but(findings=(*unit.findings, Finding(code=data.draw(st.sampled_from(bench.rules.findings)).code)))
    before, after = grading.grade(bench.rules, unit)[0], grading.grade(bench.rules, more)[0]
    assert before is None or (after is not None and after.rank >= before.rank)
    verdict = judge(bench, more)
    assert not (verdict.possible_defect and verdict.outcome is Outcome.INELIGIBLE)


# ── The record of a wipe ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_wipe_leaves_all_that_a_certificate_of_sanitization_asks_for(on_bench: Any) -> None:
    bench, unit = on_bench(**PHONE)
    unit = unit.but(product=unit.product.but(maker="Fjord", model="P5"))
    wiped = play(
        bench, unit, life.Serial(IMEI), life.AllPass(), life.Typed("87"), life.Digit(3), life.AllPass(), life.AllPass()
    ).inspection
    assert wiped.page == "finish"
    assert wipe_record(bench.rules, wiped) is None, "not before its evidence"
    seen = life.step(
        bench, wiped, life.Taken("setup_screen", PICTURE), by="op2", at=unit.started_at + timedelta(seconds=30)
    )
    record = wipe_record(bench.rules, seen.inspection, site="LYS1")
    assert record is not None
    checklist = bench.rules.checklist(unit.product)
    assert checklist is not None
    assert (record.maker, record.model, record.serial, record.property_number) == ("Fjord", "P5", IMEI, unit.lpn)
    assert (record.medium, record.method) == (checklist.medium, "clear")
    assert record.technique and record.tool and record.tool_version and record.verification
    assert (record.standard, record.revision) == ("NIST SP 800-88", "Rev. 2")
    assert (record.wiped_by, record.wiped_at) == ("op1", unit.started_at + timedelta(seconds=6))
    assert (record.by, record.at) == ("op2", unit.started_at + timedelta(seconds=30))
    assert (record.verified, record.station, record.site) == (PICTURE, "DOCK-1", "LYS1")


@pytest.mark.parametrize(
    "device_class", ["", "headphones", "phone"], ids=["no class", "no data", "a phone that is dead"]
)
def test_what_was_not_wiped_has_no_record(on_bench: Any, device_class: str) -> None:
    bench, unit = on_bench(device_class=device_class, category="electronics")
    after = play(bench, unit, life.Digit(3), life.Digit(1), life.Accept(), life.Taken("setup_screen", PICTURE))
    assert wipe_record(bench.rules, after.inspection) is None


# ── After refurbishing ───────────────────────────────────────────────────────────────────────────────────────────────


def finished(bench: Bench, unit: Inspection) -> Inspection:
    at = unit.started_at + timedelta(minutes=1)
    return decide.finished(bench.rules, bench.seller, unit, by="op1", at=at, rules_hash="")


def test_a_lamp_that_was_cleaned_is_graded_again_in_two_keys(on_bench: Any) -> None:
    bench, unit = on_bench()
    dirty = play(bench, unit, life.Digit(3), life.Found("residue"), life.Taken("state", PICTURE), life.Digit(1))
    first = finished(bench, play(bench, dirty.inspection, life.Accept()).inspection)
    assert (first.grade, first.disposition) == (Grade.USED, Disposition.REFURBISH)
    back = life.refurbished(first, by="op2")
    assert (back.page, back.chosen, back.lpn, back.revision) == ("grade", None, first.lpn, first.revision + 1)
    assert path(bench, back) == ("grade", "finish")
    cleaned = play(bench, back, life.Unfound("residue"), life.Digit(2), life.Accept())
    assert cleaned.done, cleaned.said
    again = finished(bench, cleaned.inspection)
    assert (again.grade, again.disposition) == (Grade.OPENED, Disposition.CLEARANCE)
    assert again.earlier_grades == (Grade.USED,)


def test_a_phone_that_was_cleaned_keeps_its_tests_locks_and_wipe(on_bench: Any) -> None:
    bench, unit = on_bench(**PHONE)
    treated = play(
        bench, unit, life.Serial(IMEI), life.AllPass(), life.Typed("87"), life.Digit(3), life.AllPass(), life.AllPass(),
        life.Taken("setup_screen", PICTURE), life.Taken("state", PICTURE), life.Digit(1), life.Accept(),
    )  # fmt: skip
    first = finished(bench, treated.inspection)
    assert first.disposition is Disposition.REFURBISH
    again = play(bench, life.refurbished(first, by="op2"), life.Digit(2), life.Accept())
    assert again.done, again.said
    second = finished(bench, again.inspection)
    assert (second.grade, second.disposition, second.wipe) == (Grade.OPENED, Disposition.CLEARANCE, first.wipe)


def test_a_phone_that_was_repaired_is_tested_where_it_failed(on_bench: Any) -> None:
    bench, unit = on_bench(**PHONE)
    broken = play(bench, unit, life.Serial(IMEI), life.Digit(2), life.Accept(), life.Typed("87")).inspection
    first = finished(bench, broken).but(disposition=Disposition.REFURBISH)
    assert first.grade is Grade.DEFECTIVE
    back = life.refurbished(first, by="op2")
    assert back.page == "test"
    mended = play(bench, back, life.Digit(2), life.AllPass()).inspection
    assert mended.page == "grade"
    graded = play(bench, mended, life.Digit(3)).inspection
    assert graded.page == "lock", "what was never unlocked is unlocked and wiped now"


def test_what_was_refurbished_is_never_new_by_a_digit(on_bench: Any) -> None:
    bench, unit = on_bench()
    first = finished(bench, play(bench, unit, life.Digit(2), life.Digit(1), life.Accept()).inspection)
    back = life.refurbished(first, by="op2")
    step = play(bench, back, life.Digit(1))
    assert step.inspection.chosen is None and step.said is not None


def test_an_order_or_a_grade_by_hand_does_not_outlive_refurbishing(on_bench: Any) -> None:
    bench, unit = on_bench()
    used = play(bench, unit, life.Digit(2), life.Overridden(Grade.USED, "dusty", Role.OPERATOR), life.Digit(1))
    back = life.refurbished(finished(bench, used.inspection), by="op2")
    assert (back.overrides, back.rerouted) == ((), ())
    again = play(bench, back, life.Digit(2)).inspection
    assert grading.grade(bench.rules, again)[0] is Grade.OPENED


# ── Accessories ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("about", "device_class", "listed"),
    [
        (
            {"accessories": (Accessory(name="cable"), Accessory(name="wipes", essential=False))},
            "phone",
            [("accessory_missing", "cable"), ("consumable_missing", "wipes")],
        ),
        ({"components": ("bowl", "lid")}, "", [("accessory_missing", "bowl"), ("accessory_missing", "lid")]),
        (
            {"accessories": (Accessory(name="bag"),), "components": ("bowl",)},
            "",
            [("accessory_missing", "bag"), ("accessory_missing", "bowl")],
        ),
        ({}, "laptop", [("accessory_missing", "charger")]),
        ({}, "", [("accessory_missing", "")]),
    ],
    ids=["the article's own", "parts of a kit", "both", "of the class, where the article names none", "nothing known"],
)
def test_what_can_be_missing(
    on_bench: Any, about: dict[str, Any], device_class: str, listed: list[tuple[str, str]]
) -> None:
    bench, unit = on_bench(device_class=device_class)
    assert list(accessories(bench, unit.but(product=unit.product.but(**about)))) == listed


@pytest.mark.parametrize(
    ("digit", "code", "grade", "dock", "price"),
    [
        (2, "accessory_missing", Grade.LIGHT, "INCOMPLETE", 23940),
        (2, "consumable_missing", Grade.OPENED, "", 33915),
        (3, "consumable_missing", Grade.USED, "", 27930),
    ],
    ids=[
        "an essential one: at best lightly damaged, 40 %", "a consumable: opened, 10 + 5 %",
        "a consumable: used, 25 + 5 %",
    ],
)  # fmt: skip
def test_what_something_missing_costs(
    on_bench: Any, digit: int, code: str, grade: Grade, dock: str, price: int
) -> None:
    bench, unit = on_bench()
    inputs = (life.Digit(digit), life.Digit(2), life.Found(code, "part"), life.Taken("state", PICTURE))
    unit = play(bench, unit, *inputs, life.Taken("damage", PICTURE), life.Taken("whole", PICTURE)).inspection
    done = finished(bench, play(bench, unit, life.Accept()).inspection)
    assert (done.grade, done.price.minor if done.price else None) == (grade, price)
    assert ("INCOMPLETE" in done.dock) is bool(dock)


def test_what_is_missing_must_be_named(on_bench: Any) -> None:
    bench, unit = on_bench()
    step = play(bench, unit, life.Digit(2), life.Digit(2))
    assert step.ask == "accessory"
    assert not play(bench, step.inspection, life.Accept()).done
    taken_back = play(bench, step.inspection, life.Found("accessory_missing", "cord"), life.Digit(2)).inspection
    assert not taken_back.found("accessory_missing")
