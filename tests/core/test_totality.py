"""What holds for every return, however odd: tried on the bench, as the table of decisions is.

The inputs are arbitrary: dates missing or thousands of years away, reasons and findings that nobody knows, any
class and seller.
"""

import tomllib
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inspect_station.core.cases import Case, Trial, run
from inspect_station.core.decide import RESALE, decide
from inspect_station.core.grading import grade
from inspect_station.core.records import Disposition, Finding, Grade, Kind, Outcome, Seller
from inspect_station.core.rules import CLOSED_TO_OTHERS, Rules

SHIPPED = tomllib.loads((Path(__file__).parents[2] / "station.toml").read_text("utf-8"))
RULES = Rules.model_validate({key: value for key, value in SHIPPED.items() if key in Rules.model_fields})
LUMO = Seller(code="lumo", name="Maison Lumo")

POSSIBLE_DEFECTS = {
    "DEFECTIVE", "DEFECT_FIRST_USE", "QUALITY", "DAMAGED_TRANSIT", "DAMAGED_BEFORE_SHIP", "MISSING_PARTS",
    "NOT_AS_DESCRIBED", "WRONG_ITEM_SENT", "COULD_NOT_SET_UP",
}  # fmt: skip
"""domain.md §2, the order of a verdict, (2)."""

PAGES = ("test", "lock", "wipe", "sterilise")
ROWS = {
    checklist.device_class: [
        f"{page}.{row.id}" for page in PAGES for row in checklist.steps(page) if row.kind == "tick"
    ]
    for checklist in RULES.checklists
}

BETTER = [Outcome.INELIGIBLE, Outcome.CONSULT, Outcome.ELIGIBLE].index

tried = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

# ── Any return ───────────────────────────────────────────────────────────────────────────────────────────────────────

near = st.dates(date(2026, 1, 1), date(2026, 6, 30))
days = st.none() | near | st.dates()
cents = st.none() | st.integers(0, 10**6)
announced = st.fixed_dictionaries(
    {
        "channel": st.sampled_from(["amazon", "shop", "", "zeta"]),
        "fulfilment": st.sampled_from(["seller", "fba"]),
        "country": st.sampled_from(["", "FR", "CH"]),
        "reason": st.sampled_from(
            [*(each.code for each in RULES.policy.reasons), "", "FELL_OFF_A_CAMEL", "CR-SWITCHEROO"]
        ),
        "sold_as": st.sampled_from(["new", "used"]),
        "quantity": st.integers(1, 7),
        "requested_on": days,
        "delivered_on": days,
        "latest_estimated_on": days,
        "defect_reported_on": days,
        "postmarked_on": days,
        "received_on": days,
        "paid": cents,
        "shipping_paid": cents,
        "category": st.sampled_from(
            [
                "media",
                "software",
                "electronics",
                "perishable",
                "intimate",
                "apparel",
                "made_to_measure",
                "general",
                "toys",
            ]
        ),
        "device_class": st.sampled_from(["", *ROWS]),
        "hazard": st.sampled_from(["", "flammable", "gas", "lithium"]),
        "hygiene": st.booleans(),
        "seller": st.fixed_dictionaries(
            {},
            optional={
                "windows": st.dictionaries(
                    st.sampled_from([row.id for row in RULES.policy.rows]), st.integers(-5, 10**9)
                ),
                "not_met": st.sampled_from(["ask", "tell"]),
                "discount_by": st.sampled_from(["warehouse", "seller"]),
                "defective": st.sampled_from(["return_to_seller", "recycle", "destroy"]),
                "destroy_ground": st.sampled_from(["", "recalled"]),
                "packaging_damaged": st.sampled_from(["clearance", "restock"]),
                "discounts": st.dictionaries(st.sampled_from(list(Grade)), st.integers(0, 100)),
            },
        ),
        "accepted": st.booleans(),
    }
)
priced = st.tuples(cents, cents).map(
    lambda two: {"price": two[0], "min_price": None if None in two else min(two[0] or 0, two[1] or 0)}
)
kits = st.sampled_from([{}, {"components": ["base", "shade", "bulb"], "shares": {"base": 60, "shade": 30}}])


@st.composite
def seen(draw: st.DrawFn, device_class: str) -> dict[str, Any]:
    """What lies on the bench: any kind, any grade pressed, any findings, any rows failed."""
    told: dict[str, Any] = {
        "kind": draw(st.sampled_from([Kind.UNIT] * 8 + [*Kind])),
        "findings": draw(
            st.lists(st.sampled_from([*(each.code for each in RULES.findings), "zzz"]), max_size=3, unique=True)
        ),
        "missing": draw(st.lists(st.sampled_from(["base", "shade", "bulb", "charger"]), max_size=3, unique=True)),
        "pressed": draw(st.none() | st.sampled_from(list(Grade))),
        "owed": draw(st.lists(st.sampled_from(list(RULES.photos.slots)), max_size=2, unique=True)),
    }
    if told["pressed"] not in (None, Grade.NEW) and device_class:
        told["failed"] = draw(st.lists(st.sampled_from(ROWS[device_class]), max_size=2, unique=True))
        told["measured"] = draw(st.sampled_from([{}, {"test.battery": 79}, {"test.battery": 80}]))
    return told


@st.composite
def returns(draw: st.DrawFn, /, **fixed: Any) -> Case:
    facts = draw(announced) | draw(priced) | draw(kits) | fixed
    facts |= draw(seen(str(facts["device_class"]))) | fixed
    return Case.model_validate({"name": "any", "source": "ours", "expect": {}, **facts})


def come(case: Case, **changes: Any) -> Trial:
    """What comes of it, with some of it told otherwise."""
    told = {name: getattr(case, name) for name in case.model_fields_set}
    return run(Case.model_validate(told | changes), RULES, LUMO)


# ── The verdict ──────────────────────────────────────────────────────────────────────────────────────────────────────


@tried
@given(returns())
def test_every_return_has_a_verdict_with_a_reason_that_bears_it_out(case: Case) -> None:
    trial = come(case)
    reasons = trial.record.verdict.reasons

    assert reasons
    assert all(str(reason.message) for reason in reasons)
    assert (trial.decided.outcome is Outcome.ELIGIBLE) == all(reason.met for reason in reasons)
    assert reasons[0].met == (trial.decided.outcome is Outcome.ELIGIBLE)
    assert trial.record.reasons, "what becomes of it has a reason, too"
    assert trial.record.refund_reasons


@tried
@given(returns(), st.sampled_from(sorted(POSSIBLE_DEFECTS)))
def test_a_stated_possible_defect_is_never_refused(case: Case, reason: str) -> None:
    decided = come(case, reason=reason).decided

    assert decided.outcome is not Outcome.INELIGIBLE
    assert decided.refund != "refuse" or case.accepted
    assert decided.disposition is not Disposition.RETURN_TO_CUSTOMER


@tried
@given(returns(kind=Kind.UNIT), st.sampled_from([each.code for each in RULES.findings if each.possible_defect]))
def test_a_possible_defect_found_at_the_dock_is_never_refused(case: Case, found: str) -> None:
    assert come(case, findings=[found]).decided.outcome is not Outcome.INELIGIBLE


@tried
@given(returns(channel="shop"), near, near, st.integers(0, 200), st.integers(0, 200))
def test_more_days_from_the_seller_never_make_a_verdict_worse(
    case: Case, delivered: date, posted: date, given: int, more: int
) -> None:
    less, longer = (
        come(case, delivered_on=delivered, postmarked_on=posted, seller={**case.seller, "windows": {"shop": days}})
        for days in (given, given + more)
    )

    assert BETTER(longer.decided.outcome) >= BETTER(less.decided.outcome)


@tried
@given(returns(), near, near, st.integers(0, 60))
def test_posting_earlier_never_makes_a_verdict_worse(case: Case, delivered: date, posted: date, earlier: int) -> None:
    before = date.fromordinal(posted.toordinal() - earlier)
    late, early = (come(case, delivered_on=delivered, postmarked_on=day) for day in (posted, before))

    assert BETTER(early.decided.outcome) >= BETTER(late.decided.outcome)


# ── Counting days ────────────────────────────────────────────────────────────────────────────────────────────────────

LENGTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def days_before(day: date) -> int:
    """Days from the first of January 2000 to this day, counted as on a calendar of paper."""

    def leap(year: int) -> bool:
        return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)

    years = sum(366 if leap(year) else 365 for year in range(2000, day.year))
    months = sum(LENGTHS[: day.month - 1]) + (1 if leap(day.year) and day.month > 2 else 0)
    return years + months + day.day - 1


def test_the_calendar_of_paper_knows_leap_years() -> None:
    counted = [
        days_before(date(*day)) for day in ((2000, 1, 1), (2000, 3, 1), (2001, 1, 1), (2100, 3, 1), (2101, 1, 1))
    ]

    # 2000 was a leap year, 2100 is none: a hundred years have 25 leap days.
    assert counted == [0, 60, 366, 36525 + 59, 36525 + 365]


@cache
def in_season(last: int) -> Rules:
    """The shipped rules with a season: delivered in November and December 2026, until the ``last`` of January 2027."""
    season = {
        "id": "season", "source": "ours", "channel": "amazon",
        "delivered_from": date(2026, 11, 1), "delivered_to": date(2026, 12, 31), "last_on": date(2027, 1, last),
    }  # fmt: skip
    policy = {**SHIPPED["policy"], "extensions": [season]}
    return Rules.model_validate(
        {key: value for key, value in SHIPPED.items() if key in Rules.model_fields} | {"policy": policy}
    )


@pytest.mark.parametrize(
    ("first", "last"),
    [
        pytest.param(date(2000, 1, 1), date(2100, 12, 31), id="any year"),
        pytest.param(date(2028, 1, 15), date(2028, 3, 10), id="about a leap day"),
        pytest.param(date(2026, 2, 20), date(2026, 4, 5), id="about the night the clocks go forward"),
        pytest.param(date(2026, 9, 20), date(2026, 11, 1), id="about the night the clocks go back"),
        pytest.param(date(2026, 10, 25), date(2027, 1, 5), id="about a longer season"),
    ],
)
def test_day_n_passes_when_it_is_within_the_window(first: date, last: date) -> None:
    @settings(max_examples=60, deadline=None)
    @given(
        st.dates(first, last),
        st.integers(0, 120) | st.sampled_from([29, 30, 31, 59, 60, 61]),
        st.sampled_from([0, 30, 45, 60]),
        st.sampled_from([1, 15, 31]),
    )
    def counted(delivered: date, n: int, given_by_seller: int, season: int) -> None:
        posted = next(
            day
            for ordinal in (delivered.toordinal() + n,)
            if days_before(day := date.fromordinal(ordinal)) - days_before(delivered) == n
        )
        case = Case.model_validate(
            {
                "name": "counted", "source": "ours", "expect": {}, "channel": "amazon", "reason": "CHANGED_MIND",
                "delivered_on": delivered, "postmarked_on": posted, "seller": {"windows": {"amazon": given_by_seller}},
            }
        )  # fmt: skip
        extended = (delivered.year, delivered.month) in ((2026, 11), (2026, 12)) and days_before(posted) <= days_before(
            date(2027, 1, season)
        )

        trial = run(case, in_season(season), LUMO)

        assert (trial.decided.outcome is Outcome.ELIGIBLE) == (n <= max(30, given_by_seller) or extended)
        assert f"day {n} of " in trial.decided.says[0]

    counted()


# ── Grade, place, price, refund ──────────────────────────────────────────────────────────────────────────────────────


@tried
@given(returns(kind=Kind.UNIT), st.sampled_from([each.code for each in RULES.findings]))
def test_one_more_finding_never_raises_the_grade(case: Case, code: str) -> None:
    record = come(case).record
    before, _ = grade(RULES, record)
    after, _ = grade(RULES, record.but(findings=(*record.findings, Finding(code=code))))

    assert before is None or (after is not None and after.rank >= before.rank)


@tried
@given(returns(kind=Kind.UNIT))
def test_a_digit_never_beats_what_was_found(case: Case) -> None:
    record = come(case).record
    floors = [rule.floor for each in record.findings if (rule := RULES.finding(each.code)).floor is not None]

    assert record.grade is None or all(record.grade.rank >= floor.rank for floor in floors if floor)


@tried
@given(returns(price=39900, owed=[]))
def test_what_is_not_ours_stays_within_the_ownership_gate(case: Case) -> None:
    trial = come(case)

    if trial.decided.outcome is not Outcome.ELIGIBLE and not case.accepted:
        assert trial.decided.disposition in CLOSED_TO_OTHERS
        assert trial.decided.price is None
        worked_on = [
            answer.id for answer in trial.record.answers if answer.id.startswith(("lock.", "wipe.", "sterilise."))
        ]
        assert worked_on == []


OURS = {"kind": Kind.UNIT, "accepted": True, "price": 39900, "owed": [], "pressed": Grade.USED, "findings": []}
GATED = [
    (checklist.device_class, f"{page}.{row.id}", row.gate)
    for checklist in RULES.checklists
    for page in PAGES
    for row in checklist.steps(page)
    if row.gate
]


@tried
@given(returns(**OURS), st.sampled_from(GATED))
def test_a_row_that_closes_a_gate_leads_to_no_resale(case: Case, gated: tuple[str, str, str]) -> None:
    device_class, row, gate = gated
    decided = come(case, device_class=device_class, failed=[row], measured={}).decided

    assert gate in decided.gates
    assert decided.disposition not in RESALE
    assert decided.price is None


@tried
@given(returns(**OURS), st.sampled_from([(each.code, each.gate) for each in RULES.findings if each.gate]))
def test_a_finding_that_closes_a_gate_leads_to_no_resale(case: Case, gated: tuple[str, str]) -> None:
    decided = come(case, findings=[gated[0]]).decided

    assert gated[1] in decided.gates
    assert decided.disposition not in RESALE
    assert decided.price is None


@tried
@given(returns(kind=Kind.UNIT, accepted=True, pressed=Grade.USED, device_class="phone", price=39900))
def test_resale_of_a_phone_needs_every_lock_off_and_a_wipe_with_its_evidence(case: Case) -> None:
    record = come(case).record

    if record.disposition in RESALE:
        assert all(
            (answer := record.answer(row)) is not None and answer.mark == "pass"
            for row in ROWS["phone"]
            if row.startswith(("lock.", "wipe."))
        )
        assert any(photo.slot == "setup_screen" and photo.sha256 for photo in record.photos)


@tried
@given(returns(kind=Kind.UNIT, accepted=True))
def test_a_price_lies_between_the_minimum_and_the_list_price(case: Case) -> None:
    price = come(case).decided.price

    if price is not None:
        assert case.price is not None
        assert (case.min_price or 0) <= price <= case.price


@tried
@given(returns(kind=Kind.UNIT, accepted=True))
def test_nobody_is_paid_back_more_than_was_paid_for_what_came_back(case: Case) -> None:
    decided = come(case).decided

    if decided.refund_amount is not None:
        assert case.paid is not None
        shipping = 0 if case.fulfilment == "fba" else case.shipping_paid or 0
        assert 0 <= decided.refund_amount * case.quantity <= case.paid + shipping
        back = 100 - sum(case.shares.get(part, 0) for part in case.missing)
        assert (decided.refund_amount * case.quantity - shipping) * 100 <= case.paid * back + 50 * case.quantity
    if decided.refund in ("ask", "refuse"):
        assert not decided.refund_amount


@tried
@given(returns())
def test_the_same_unit_is_always_decided_the_same(case: Case) -> None:
    first, again = come(case), come(case)

    assert first.decided == again.decided
    assert decide(RULES, first.bench.seller, first.record) == decide(RULES, first.bench.seller, again.record)
