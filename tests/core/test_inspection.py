"""The way of a unit through its pages: the key sequences of domain.md §4, as pure steps."""

from datetime import datetime, timedelta

import pytest

from inspect_station.core import decide, grading
from inspect_station.core import inspection as life
from inspect_station.core.bench import Bench, offers, path
from inspect_station.core.records import Disposition, Grade, Inspection, Kind, Mark, Role
from inspect_station.core.view import view

PHONE = {"device_class": "phone", "category": "electronics"}
IMEI = "356938035643809"


def press(bench: Bench, unit: Inspection, word: str, at: datetime) -> life.Step:
    """One word of a sequence, as the screens turn it into an input."""
    match word:
        case "Enter":
            given: life.Input = life.Accept()
        case "Space":
            given = life.AllPass()
        case "f":
            given = life.Found(offers(bench, unit)[0].code)
        case "p":
            due = view(bench, unit).due
            given = life.Taken(due[0] if due else "extra1", "ab" * 32)
        case "w":
            given = life.Became(Kind.WRONG_ITEM)
        case "x":
            given = life.Became(Kind.EMPTY_BOX)
        case "b":
            given = life.Back()
        case _ if word.startswith("imei"):
            given = life.Serial(word.partition("=")[2] or IMEI)
        case _ if word.startswith("type="):
            given = life.Typed(word.removeprefix("type="))
        case _:
            given = life.Digit(int(word))
    return life.step(bench, unit, given, by="op1", at=at)


def play(bench: Bench, unit: Inspection, words: str) -> life.Step:
    """All words, a second apart; the last step is the answer."""
    at = unit.started_at
    step = life.Step(unit)
    for word in words.split():
        at += timedelta(seconds=1)
        assert not step.done, f"committed before {word}"
        step = press(bench, step.inspection, word, at)
    return step


# name, article, words, grade, disposition, price in cents, source
SEQUENCES = [
    ("sealed", {}, "1", "new", "restock", 39900, "003: non ouverts … considérés comme neufs; domain 3.3"),
    ("sealed, by questions", {}, "Enter Enter 1", "new", "restock", 39900, "003, domain 3.2: question 3"),
    ("opened", {}, "2 Enter", "opened_packaging", "clearance", 35910, "domain 3.3: 10 %"),
    ("opened, by questions", {}, "Enter Enter 2 5 Enter", "opened_packaging", "clearance", 35910, "domain 3.2: 9"),
    ("used", {}, "3 f p Enter", "used", "clearance", 29925, "domain 3.3: 25 %; 299,25 in domain 3.5's example"),
    ("used, by questions", {}, "Enter Enter 2 4 p Enter", "used", "clearance", 29925, "domain 3.2: 8"),
    ("lightly damaged", {}, "4 f p p Enter", "lightly_damaged", "clearance", 23940, "domain 3.3: 40 %"),
    ("by questions", {}, "Enter Enter 2 3 f p p Enter", "lightly_damaged", "clearance", 23940, "domain 3.2: 7"),
    ("heavily damaged", {}, "5 f p p Enter", "heavily_damaged", "hold", 15960, "domain 3.3: hold + case, 60 %"),
    ("defective", {}, "6 f p Enter", "defective", "return_to_seller", None, "003: vous sont renvoyés"),
    ("defective, by questions", {}, "Enter Enter 2 1 p Enter", "defective", "return_to_seller", None, "domain 3.2: 5"),
    ("phone", PHONE, "imei Space type=87 3 p Space Space p Enter", "used", "clearance", 29925, "domain 4"),
    ("phone, photos at the end", PHONE, "imei Space type=87 3 Space Space p p Enter", "used", "clearance", 29925,
     "domain 4: and p p"),
    ("phone, by questions", PHONE, "imei Space type=87 Enter 4 p Space Space p Enter", "used", "clearance", 29925,
     "domain 4"),
    ("phone, damaged", PHONE, "imei Space type=87 4 f p Space Space p Enter", "lightly_damaged", "clearance", 23940,
     "domain 4"),
    ("phone, account locked", PHONE, "imei Space type=87 3 1 Enter p Enter", "used", "hold", None,
     "domain 3.4: an account lock → hold"),
    ("phone, dead", PHONE, "imei 1 Enter p Enter", "defective", "return_to_seller", None,
     "domain 3.4: leaves with a written data not erased"),
    ("phone, battery at 60 %", PHONE, "imei Space type=60 2 p Space Space p Enter", "used", "clearance", 29925,
     "domain 3.2: 11, battery < 80 % → at best used"),
    ("phone, battery at 80 %", PHONE, "imei Space type=80 2 Space Space p Enter", "opened_packaging", "clearance",
     35910, "domain 3.2: 11, 80 % is not below 80 %"),
    ("phone, SIM left in", PHONE, "imei Space type=87 3 Space 1 Enter p Enter", "used", "hold", None,
     "domain 3.4: a SIM or card left in → hold"),
    ("headphones", {"device_class": "headphones", "category": "electronics"}, "3 Space Space Space Space p Enter",
     "used", "clearance", 29925, "domain 4: a class with S required has its own page"),
    ("tips not replaced", {"device_class": "headphones", "category": "electronics"},
     "3 Space Space Space 1 Enter p Enter", "used", "hold", None, "domain 3.4: missing required sterilisation → hold"),
    ("wrong item", {}, "w p Enter", None, "hold", None, "domain 3.2: wrong item has no grade"),
    ("empty box", {}, "x p Enter", None, "hold", None, "domain 3.2: empty box has no grade"),
    ("danger", {}, "0", None, "quarantine", None, "domain 3.2: 1, quarantine, stop"),
    ("danger in the middle", PHONE, "imei Space 0", None, "quarantine", None, "domain 4: quarantine at once"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("article", "words", "grade", "disposition", "price", "source"),
    [row[1:] for row in SEQUENCES],
    ids=[row[0] for row in SEQUENCES],
)
def test_a_sequence_ends_where_the_domain_says(on_bench, article, words, grade, disposition, price, source):
    bench, unit = on_bench(**article)
    step = play(bench, unit, words)
    assert step.done, step.said
    done = decide.finished(bench.rules, bench.seller, step.inspection, by="op1", at=unit.started_at, rules_hash="")
    assert (done.grade, done.disposition) == (grade, disposition), source
    assert (done.price.minor if done.price else None) == price, source


@pytest.mark.parametrize(
    ("name", "dates", "outcome"),
    [
        ("consult", {"reason": "DEFECTIVE", "postmarked_on": None, "requested_on": None,
                     "delivered_on": datetime(2026, 9, 1).date()}, "consult"),
        ("ineligible", {"delivered_on": datetime(2026, 9, 1).date()}, "ineligible"),
    ],
)  # fmt: skip
def test_a_sealed_article_that_is_still_the_customers_takes_a_photo_and_waits(on_bench, name, dates, outcome):
    bench, unit = on_bench(**dates)
    assert unit.verdict.outcome == outcome
    step = play(bench, unit, "1 p Enter")
    assert step.done
    done = decide.finished(bench.rules, bench.seller, step.inspection, by="op1", at=unit.started_at, rules_hash="")
    assert done.disposition is Disposition.HOLD
    assert done.case is not None
    assert done.price is None


def test_enter_without_the_due_photo_says_which_and_commits_nothing(on_bench):
    bench, unit = on_bench()
    step = play(bench, unit, "3 Enter")
    assert not step.done
    assert step.said is not None
    assert step.said.params == {"slot": "slot.state"}


def test_grades_four_to_six_need_a_finding(on_bench):
    bench, unit = on_bench()
    for digit in ("4", "5", "6"):
        step = play(bench, unit, f"{digit} p p Enter")
        assert not step.done, digit
        assert step.said is not None


def test_space_is_ignored_in_the_first_300_ms_of_a_page(on_bench):
    bench, unit = on_bench(**PHONE)
    opened = press(bench, unit, "imei", unit.started_at + timedelta(seconds=5))
    shown = opened.inspection.shown_at
    assert shown is not None
    early = press(bench, opened.inspection, "Space", shown + timedelta(milliseconds=299))
    assert early.inspection == opened.inspection
    assert early.said is not None
    later = press(bench, opened.inspection, "Space", shown + timedelta(milliseconds=300))
    touch = later.inspection.answer("test.touch")
    assert touch is not None and touch.mark is Mark.PASS


def test_space_never_ticks_a_measure_or_a_serial(on_bench):
    bench, unit = on_bench(**PHONE)
    step = play(bench, unit, "3 Space")
    assert step.inspection.page == "test"
    assert view(bench, step.inspection).field is not None
    assert step.inspection.answer("test.battery") is None
    assert step.inspection.answer("test.imei") is None


@pytest.mark.parametrize("typed", ["abc", "101", "-1", ""])
def test_a_measure_out_of_range_is_not_taken(on_bench, typed):
    bench, unit = on_bench(**PHONE)
    at_battery = play(bench, unit, "imei Space").inspection
    step = life.step(bench, at_battery, life.Typed(typed), by="op1", at=at_battery.started_at + timedelta(seconds=9))
    assert step.inspection == at_battery
    assert step.said is not None


def test_a_serial_that_was_never_sold_to_this_customer_asks_the_seller(on_bench):
    bench, unit = on_bench(**PHONE, serial="490154203237518")
    step = play(bench, unit, "imei Space type=87 3 p Enter")
    assert step.done
    done = decide.finished(bench.rules, bench.seller, step.inspection, by="op1", at=unit.started_at, rules_hash="")
    assert done.found("serial_mismatch")
    assert done.disposition is Disposition.HOLD
    assert done.verdict.outcome == "consult"


def test_scanning_the_right_serial_after_a_wrong_one_takes_the_finding_back(on_bench):
    bench, unit = on_bench(**PHONE, serial=IMEI)
    step = play(bench, unit, f"imei=490154203237518 imei={IMEI}")
    assert not step.inspection.found("serial_mismatch")
    assert step.inspection.verdict.outcome == "eligible"


def test_while_it_is_the_customers_nothing_is_wiped_or_cleaned(on_bench):
    bench, unit = on_bench(**PHONE, delivered_on=datetime(2026, 9, 1).date())
    pages = path(bench, play(bench, unit, "imei Space type=87 3").inspection)
    assert not {"lock", "wipe", "sterilise"} & set(pages)


def test_opened_software_changes_the_verdict_while_grading(on_bench):
    bench, unit = on_bench(category="software")
    assert unit.verdict.outcome == "eligible"
    assert play(bench, unit, "2").inspection.verdict.outcome == "consult", "000: un retour peut être refusé si ouvert"


def test_a_count_takes_no_more_than_the_line_has_open(on_bench):
    bench, unit = on_bench(open_units=12)
    at = unit.started_at
    assert life.step(bench, unit, life.Counted(13), by="", at=at).inspection.count == 1
    twelve = life.step(bench, unit, life.Counted(12), by="", at=at).inspection
    assert twelve.count == 12
    assert press(bench, twelve, "1", at).done
    assert not press(bench, twelve, "2", at).done, "only sealed units are counted"


@pytest.mark.parametrize(
    ("role", "grade", "allowed", "source"),
    [
        (Role.OPERATOR, Grade.LIGHT, True, "domain 3.2: the operator may lower"),
        (Role.OPERATOR, Grade.OPENED, False, "domain 3.2: only a supervisor may raise it"),
        (Role.SUPERVISOR, Grade.OPENED, True, "domain 3.2: only a supervisor may raise it"),
    ],
)
def test_the_suggestion_is_lowered_by_anyone_and_raised_by_a_supervisor(on_bench, role, grade, allowed, source):
    bench, unit = on_bench()
    used = play(bench, unit, "3").inspection
    step = life.step(bench, used, life.Overridden(grade, "seller's sample", role), by="x", at=used.started_at)
    assert (grading.grade(bench.rules, step.inspection)[0] is grade) is allowed, source
    assert (step.said is None) is allowed


def test_something_worse_found_after_an_override_counts_all_the_same(on_bench):
    bench, unit = on_bench()
    opened = play(bench, unit, "2").inspection
    at = opened.started_at
    used = life.step(bench, opened, life.Overridden(Grade.USED, "dusty", Role.OPERATOR), by="x", at=at).inspection
    assert grading.grade(bench.rules, used)[0] is Grade.USED
    broken = life.step(bench, used, life.Found("does_not_work"), by="x", at=at).inspection
    assert grading.grade(bench.rules, broken)[0] is Grade.DEFECTIVE, "domain 3.2: a digit never beats a floor"


def test_no_override_sells_a_phone_that_was_never_wiped(on_bench):
    bench, unit = on_bench(**PHONE)
    dead = play(bench, unit, "imei 1 Enter p").inspection
    raised = life.Overridden(Grade.USED, "it starts now", Role.SUPERVISOR)
    step = life.step(bench, dead, raised, by="sup", at=dead.started_at)
    decision = decide.decide(bench.rules, bench.seller, step.inspection)
    assert decision.disposition is Disposition.HOLD
    assert "wipe_unverified" in decision.gates, "domain 3.4: every route to resale"


def test_what_an_answer_or_the_serial_proves_is_not_taken_back_by_hand(on_bench):
    bench, unit = on_bench(**PHONE, serial="490154203237518")
    wrong = play(bench, unit, "imei").inspection
    kept = life.step(bench, wrong, life.Unfound("serial_mismatch"), by="x", at=wrong.started_at)
    assert kept.inspection == wrong and kept.said is not None
    bench, cream = on_bench(category="beauty", hygiene=True)
    broken = play(bench, cream, "2 2").inspection
    assert broken.found("hygiene_seal_broken")
    kept = life.step(bench, broken, life.Unfound("hygiene_seal_broken"), by="x", at=broken.started_at)
    assert kept.inspection.found("hygiene_seal_broken")


def test_hygiene_goods_are_asked_about_their_seal_also_by_digit(on_bench):
    bench, unit = on_bench(category="beauty", hygiene=True)
    asked = play(bench, unit, "2").inspection
    assert asked.page == "question.hygiene", "domain 3.2: question 4"
    done = play(bench, unit, "2 1 Enter")
    assert done.done and grading.grade(bench.rules, done.inspection)[0] is Grade.OPENED


def test_tested_hygiene_goods_are_asked_about_their_seal_after_the_grade(on_bench):
    bench, unit = on_bench(**PHONE, hygiene=True)
    assert play(bench, unit, "imei Space type=87 3").inspection.page == "question.hygiene"


def test_the_serial_row_is_scanned_never_ticked(on_bench):
    bench, unit = on_bench(**PHONE, serial="490154203237518")
    wrong = play(bench, unit, "imei").inspection
    rows = [row.id for row in view(bench, wrong).rows]
    n = rows.index("test.imei")
    step = life.step(bench, wrong, life.Digit(n % 9 + 1, n // 9 * 9), by="x", at=wrong.started_at)
    assert step.inspection == wrong and step.said is not None
    assert wrong.found("serial_mismatch")


def test_a_postmark_before_the_delivery_is_a_typing_error(on_bench):
    bench, unit = on_bench(postmarked_on=None)
    early = life.Postmarked(datetime(2026, 10, 1).date())
    step = life.step(bench, unit, early, by="x", at=unit.started_at)
    assert step.inspection == unit and step.said is not None


def test_back_returns_to_the_page_before_and_keeps_the_answers(on_bench):
    bench, unit = on_bench(**PHONE)
    at_grade = play(bench, unit, "imei Space type=87").inspection
    back = press(bench, at_grade, "b", at_grade.started_at + timedelta(seconds=9)).inspection
    assert back.page == "test"
    assert back.answers == at_grade.answers
    first = press(bench, back, "b", at_grade.started_at + timedelta(seconds=10)).inspection
    assert first.page == "condition"
    assert press(bench, first, "b", first.started_at).said is not None


def test_dwell_on_each_page_is_kept(on_bench):
    bench, unit = on_bench(**PHONE)
    assert play(bench, unit, "imei Space type=87 3").inspection.dwell_ms == {
        "condition": 1000,
        "test": 2000,
        "grade": 1000,
    }
