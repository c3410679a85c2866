"""Marks for a supervisor (seed 001; domain.md §2, "Fraud"): when a unit bears one, and that nothing follows from it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inspect_station.core.bench import Bench, judge
from inspect_station.core.decide import decide
from inspect_station.core.records import Answer, Finding, Grade, Inspection, Kind, Mark, Reason, Seller
from inspect_station.core.rules import Rules
from inspect_station.core.signals import norm, signals

OnBench = Callable[..., tuple[Bench, Inspection]]

NORM = {7: 3, 30: 6, 90: 12}


def codes(bench: Bench, unit: Inspection) -> list[str]:
    return [each.code for each in signals(bench, unit)]


def numbers(reason: Reason) -> dict[str, str | int]:
    return dict(reason.message.params)


# ── How often ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("before", "count", "told"),
    [
        pytest.param({7: 0, 30: 0, 90: 0}, 1, None, id="the first return"),
        pytest.param({7: 2, 30: 5, 90: 11}, 1, None, id="exactly the norm of every span"),
        pytest.param({7: 3, 30: 3, 90: 3}, 1, (4, 7, 3), id="one too many in a week"),
        pytest.param({7: 0, 30: 6, 90: 6}, 1, (7, 30, 6), id="one too many in a month"),
        pytest.param({7: 0, 30: 0, 90: 12}, 1, (13, 90, 12), id="one too many in a quarter"),
        pytest.param({7: 3, 30: 17, 90: 17}, 1, (18, 30, 6), id="of several spans the one exceeded most"),
        pytest.param({7: 0, 30: 0, 90: 0}, 12, None, id="twelve units of one return are one return"),
        pytest.param({}, 1, None, id="no customer is known"),
    ],
)
def test_more_returns_of_a_customer_than_the_norm(on_bench: OnBench, before, count, told):
    bench, unit = on_bench(seller={"returns_norm": NORM})
    found = signals(replace(bench, history=before), unit.but(count=count))
    assert [each.code for each in found] == (["signal.returns"] if told else [])
    if told:
        assert numbers(found[0]) == dict(zip(("n", "days", "norm"), told, strict=True))


def test_a_seller_may_have_its_own_norm_as_a_whole(rules: Rules):
    assert norm(rules, Seller(code="s", name="S")) == rules.signals.returns_norm
    assert norm(rules, Seller(code="s", name="S", returns_norm={30: 2})) == {30: 2}


def test_the_sites_norm_covers_a_week_a_month_a_quarter_and_half_a_year(rules: Rules):
    most = rules.signals.returns_norm
    assert sorted(most) == [7, 30, 90, 180]
    assert list(most.values()) == sorted(most.values()), "a longer span never allows less"


@pytest.mark.parametrize("kind", [Kind.EMPTY_BOX, Kind.WRONG_ITEM])
def test_an_empty_box_of_such_a_customer_is_marked_too(on_bench: OnBench, kind: Kind):
    bench, unit = on_bench(seller={"returns_norm": NORM})
    assert codes(replace(bench, history={7: 9}), unit.but(kind=kind)) == ["signal.returns"]


# ── The serial number ────────────────────────────────────────────────────────────────────────────────────────────────


def test_another_serial_number_is_marked_with_what_was_read(on_bench: OnBench):
    bench, unit = on_bench(device_class="phone")
    (mark,) = signals(bench, unit.but(findings=(Finding(code="serial_mismatch", note="A ≠ B"),)))
    assert (mark.code, mark.message.params["note"]) == ("signal.serial", "A ≠ B")


# ── What was said and what was found ─────────────────────────────────────────────────────────────────────────────────


def all_passed(bench: Bench, unit: Inspection) -> tuple[Answer, ...]:
    checklist = bench.rules.checklist(unit.product)
    assert checklist is not None
    values = {"battery": "95"}
    return tuple(Answer(id=f"test.{row.id}", mark=Mark.PASS, value=values.get(row.id, "")) for row in checklist.test)


COMPLETE = Answer(id="finish.complete", mark=Mark.PASS)


@pytest.mark.parametrize(
    ("reason", "article", "found", "said"),
    [
        pytest.param("DEFECTIVE", {}, {"chosen": Grade.NEW}, True, id="defective, but never opened"),
        pytest.param("DEFECTIVE", {}, {"chosen": Grade.DEFECTIVE}, False, id="defective, and it is"),
        pytest.param("DEFECTIVE", {}, {"chosen": Grade.OPENED}, False, id="defective, and nobody tested it"),
        pytest.param("DEFECTIVE", {"device_class": "phone"}, {"chosen": Grade.OPENED, "tested": True}, True,
                     id="defective, but all tests passed"),
        pytest.param("DEFECTIVE", {"device_class": "phone"},
                     {"chosen": Grade.USED, "tested": True, "findings": ("does_not_work",)}, False,
                     id="defective, all tests passed, and something was found all the same"),
        pytest.param("QUALITY", {"device_class": "phone"}, {"chosen": Grade.OPENED, "tested": True}, False,
                     id="poor quality: tests do not speak of it"),
        pytest.param("MISSING_PARTS", {}, {"chosen": Grade.NEW}, True, id="parts missing, but never opened"),
        pytest.param("MISSING_PARTS", {}, {"chosen": Grade.OPENED, "answers": (COMPLETE,)}, True,
                     id="parts missing, but complete"),
        pytest.param("MISSING_PARTS", {}, {"chosen": Grade.OPENED}, False, id="parts missing, nobody looked yet"),
        pytest.param("MISSING_PARTS", {}, {"chosen": Grade.LIGHT, "findings": ("accessory_missing",)}, False,
                     id="parts missing, and one is"),
        pytest.param("CHANGED_MIND", {}, {}, False, id="changed their mind, nobody looked yet"),
        pytest.param("CHANGED_MIND", {}, {"chosen": Grade.NEW}, False, id="changed their mind, sealed"),
        pytest.param("CHANGED_MIND", {}, {"chosen": Grade.OPENED}, False, id="changed their mind and had a look"),
        pytest.param("CHANGED_MIND", {}, {"chosen": Grade.USED}, False, id="changed their mind, and had tried it"),
        pytest.param("CHANGED_MIND", {}, {"chosen": Grade.DEFECTIVE}, False, id="changed their mind, and it is broken"),
        pytest.param("CHANGED_MIND", {"sold_as": "used"}, {"chosen": Grade.USED}, False, id="it was sold used"),
        pytest.param("CHANGED_MIND", {}, {"chosen": Grade.LIGHT, "findings": ("accessory_missing",)}, False,
                     id="changed their mind, something is only missing"),
        pytest.param("CHANGED_MIND", {}, {"chosen": Grade.LIGHT, "findings": ("accessory_missing", "scratch")}, False,
                     id="changed their mind, something is missing and it is scratched"),
        pytest.param("CHANGED_MIND", {}, {"chosen": Grade.HEAVY, "findings": ("carton_crushed",)}, False,
                     id="changed their mind, and the carrier crushed it"),
        pytest.param("UNDELIVERED", {}, {"chosen": Grade.USED}, True, id="never delivered, but used"),
        pytest.param("UNDELIVERED", {}, {"chosen": Grade.NEW}, False, id="never delivered, sealed"),
        pytest.param("SIZE_SMALL", {"category": "apparel"}, {"chosen": Grade.USED}, False, id="too small, tried on"),
        pytest.param("WRONG_ITEM_SENT", {}, {}, True, id="another product was sent, but it is the one of the order"),
        pytest.param("DAMAGED_TRANSIT", {}, {"chosen": Grade.NEW}, True, id="damaged in transit, but sealed and whole"),
        pytest.param("DAMAGED_TRANSIT", {}, {"chosen": Grade.NEW, "findings": ("packaging_damaged",)}, False,
                     id="damaged in transit, and the packaging is"),
        pytest.param("DAMAGED_TRANSIT", {}, {"chosen": Grade.HEAVY, "findings": ("crack",)}, False,
                     id="damaged in transit, and it is cracked"),
        pytest.param("NO_REASON", {}, {"chosen": Grade.USED}, False, id="nothing was said"),
        pytest.param("GONE_FROM_THE_TABLE", {}, {"chosen": Grade.USED}, False, id="a reason that nobody knows"),
    ],
)  # fmt: skip
def test_what_the_customer_said_and_what_was_found(
    on_bench: OnBench, reason: str, article: dict[str, Any], found: dict[str, Any], said: bool
):
    bench, unit = on_bench(reason=reason, **article)
    findings = tuple(Finding(code=code) for code in found.get("findings", ()))
    answers = found.get("answers", ()) + (all_passed(bench, unit) if found.get("tested") else ())
    seen = unit.but(chosen=found.get("chosen"), findings=findings, answers=answers)
    assert codes(bench, seen) == (["signal.contradiction"] if said else [])


def test_a_wrong_item_contradicts_nobody(on_bench: OnBench):
    bench, unit = on_bench(reason="WRONG_ITEM_SENT")
    assert unit.product is not None
    other = unit.but(product=unit.product.but(gtin="03700471002479"))
    assert codes(bench, other) == []
    assert codes(bench, unit.but(kind=Kind.WRONG_ITEM)) == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # it only makes values
@given(
    reason=st.sampled_from(["DEFECTIVE", "CHANGED_MIND", "WRONG_ITEM_SENT", "UNDELIVERED", "NO_REASON"]),
    chosen=st.sampled_from([None, *Grade]),
    found=st.sets(st.sampled_from(["scratch", "accessory_missing", "serial_mismatch", "carton_wet", "hazard"])),
    history=st.dictionaries(st.sampled_from([7, 30, 90, 180]), st.integers(0, 99)),
)
def test_a_signal_decides_nothing(on_bench: OnBench, reason, chosen, found, history):
    bench, unit = on_bench(reason=reason)
    seen = unit.but(chosen=chosen, findings=tuple(Finding(code=code) for code in sorted(found)))
    known = replace(bench, history=history)
    marks = signals(known, seen)
    assert judge(known, seen.but(signals=marks)) == judge(bench, seen)
    assert all(mark.message.text and not mark.met for mark in marks)
    assert decide(bench.rules, bench.seller, seen.but(signals=marks)) == decide(bench.rules, bench.seller, seen)
