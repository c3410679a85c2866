"""The machinery of eligibility: what is said and in which order, codes of reasons, rows against each other.

What must come of a return stands in tests/data/decisions.toml, what holds for every return in test_totality.py. Days
are counted by hand: from 2 October 2026, day 14 is 16 October, day 30 is 1 November.
"""

import tomllib
from datetime import date
from itertools import combinations, product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from inspect_station.core.policy import (
    Calendar,
    Policy,
    PolicyRules,
    Window,
    eligibility,
    possible_defect,
    shortened,
)
from inspect_station.core.records import Line, Product, Rma, Seller, Verdict
from inspect_station.core.rows import ties

SHIPPED = tomllib.loads((Path(__file__).parents[2] / "station.toml").read_text("utf-8"))["policy"]
RULES = PolicyRules.model_validate(SHIPPED)

OURS = "ours"


def judged(rules: PolicyRules = RULES, /, **facts: Any) -> Verdict:
    """The verdict on a general product sold new on Amazon, delivered on 2 October, no longer wanted."""

    def taken(model: type[Any], **known: Any) -> Any:
        return model.model_validate(known | {name: facts.pop(name) for name in model.model_fields if name in facts})

    windows = facts.pop("windows", {})
    seller = Seller(code="lumo", name="Maison Lumo", windows=windows)
    line = taken(Line, no=1, gtin="08806095467443", reason="CHANGED_MIND", delivered_on="2026-10-02")
    item = taken(Product, seller="lumo", gtin="08806095467443", title="An article")
    rma = taken(Rma, seller="lumo", number="4711", channel="amazon", lines=(line,))
    received_on = date.fromisoformat(facts.pop("received_on", "2027-06-30"))
    return eligibility(rules, seller=seller, rma=rma, line=line, product=item, received_on=received_on, **facts)


USED_MEDIA = {"category": "media", "sold_as": "used", "latest_estimated_on": "2026-10-06"}
DEFECTIVE_MEDIA = USED_MEDIA | {"reason": "DEFECTIVE", "defect_reported_on": "2026-10-10"}
SOFTWARE = {"category": "software", "sold_as": "new", "postmarked_on": "2026-10-12"}
PHONE = {"category": "electronics", "device_class": "phone"}
LAPTOP = {"category": "electronics", "device_class": "laptop"}
IN_TIME = {"postmarked_on": "2026-10-12"}
DAY_30 = {"postmarked_on": "2026-11-01"}
DAY_31 = {"postmarked_on": "2026-11-02"}


# ── What is said ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("facts", "sentences"),
    [
        pytest.param(
            {
                **PHONE,
                "reason": "DEFECTIVE",
                "postmarked_on": "2026-10-29",
                "defect_reported_on": "2026-10-09",
            },
            [
                "+ delivered 2026-10-02, postmarked 2026-10-29: day 27 of 30",
                "+ defect reported 2026-10-09: day 7 of 14",
            ],
            id="both rules met",
        ),
        pytest.param(
            {
                **PHONE,
                "reason": "DEFECTIVE",
                "postmarked_on": "2026-10-29",
                "defect_reported_on": "2026-10-21",
            },
            [
                "- defect reported 2026-10-21: day 19 of 14",
                "+ it may be defective: a person decides",
                "+ delivered 2026-10-02, postmarked 2026-10-29: day 27 of 30",
            ],
            id="what failed comes first",
        ),
        pytest.param(
            {"requested_on": "2026-10-20"},
            ["+ delivered 2026-10-02, requested 2026-10-20: day 18 of 30"],
            id="by the request",
        ),
        pytest.param(
            {"received_on": "2026-10-20"},
            ["+ delivered 2026-10-02, received 2026-10-20: day 18 of 30"],
            id="by the receipt",
        ),
        pytest.param(
            {"delivered_on": None, "latest_estimated_on": "2026-10-06", "postmarked_on": "2026-10-20"},
            ["+ expected by 2026-10-06, postmarked 2026-10-20: day 14 of 30"],
            id="from the estimate, by the postmark",
        ),
        pytest.param(
            {"delivered_on": None, "latest_estimated_on": "2026-10-06", "requested_on": "2026-10-20"},
            ["+ expected by 2026-10-06, requested 2026-10-20: day 14 of 30"],
            id="from the estimate, by the request",
        ),
        pytest.param(
            {"delivered_on": None, "latest_estimated_on": "2026-10-06", "received_on": "2026-10-20"},
            ["+ expected by 2026-10-06, received 2026-10-20: day 14 of 30"],
            id="from the estimate, by the receipt",
        ),
        pytest.param(
            {**DEFECTIVE_MEDIA, "latest_estimated_on": "2026-10-02", "postmarked_on": "2026-10-20"},
            [
                "+ expected by 2026-10-02, postmarked 2026-10-20: day 18 of 30",
                "+ defect reported 2026-10-10: day 8 of 14",
            ],
            id="a rule on the estimate names the estimate",
        ),
        pytest.param(
            {"postmarked_on": "2026-09-30"},
            ["+ delivered 2026-10-02, postmarked 2026-09-30: day 0 of 30"],
            id="before the first day",
        ),
        pytest.param(
            {"postmarked_on": "2026-11-11", "windows": {"amazon": 60}},
            ["+ delivered 2026-10-02, postmarked 2026-11-11: day 40 of 60"],
            id="the seller's days",
        ),
        pytest.param(
            {**PHONE, "reason": "DEFECTIVE", "postmarked_on": "2026-10-29", "requested_on": "2026-10-12"},
            [
                "+ delivered 2026-10-02, postmarked 2026-10-29: day 27 of 30",
                "+ defect reported by 2026-10-12 at the latest: day 10 of 14",
            ],
            id="a report known by the request",
        ),
        pytest.param(
            {**PHONE, "reason": "DEFECTIVE", "postmarked_on": "2026-10-29"},
            [
                "- it is not known when the defect was reported: due by 2026-10-16",
                "+ delivered 2026-10-02, postmarked 2026-10-29: day 27 of 30",
            ],
            id="a report nobody knows of",
        ),
        pytest.param(
            {**DEFECTIVE_MEDIA, "latest_estimated_on": None, "postmarked_on": "2026-10-29"},
            [
                "- the latest estimated arrival is not known, and the days count from it",
                "+ defect reported 2026-10-10: day 8 of 14",
            ],
            id="no estimate",
        ),
        pytest.param(
            {**LAPTOP, "postmarked_on": "2026-11-11", "windows": {"amazon-electronics": 60}},
            [
                "- not returnable: exclusion.computers",
                "+ delivered 2026-10-02, postmarked 2026-11-11: day 40 of 60",
            ],
            id="a limit that the seller cannot lengthen",
        ),
        pytest.param(
            {**LAPTOP, "postmarked_on": "2026-10-29"},
            [
                "+ delivered 2026-10-02, postmarked 2026-10-29: day 27 of 30",
                "+ does not apply: exclusion.computers",
            ],
            id="a laptop in time",
        ),
        pytest.param(
            {**SOFTWARE, "opened": True},
            [
                "- the seller may refuse it: exclusion.software-opened",
                "+ delivered 2026-10-02, postmarked 2026-10-12: day 10 of 30",
            ],
            id="opened software",
        ),
        pytest.param(
            {**SOFTWARE, "opened": False},
            ["+ delivered 2026-10-02, postmarked 2026-10-12: day 10 of 30"],
            id="sealed software",
        ),
        pytest.param(
            {**SOFTWARE, "opened": True, "reason": "DEFECTIVE"},
            [
                "+ delivered 2026-10-02, postmarked 2026-10-12: day 10 of 30",
                "+ does not apply to a possible defect: exclusion.software-opened",
            ],
            id="opened defective software",
        ),
        pytest.param(
            {"reason": "NO_REASON", "postmarked_on": "2026-11-11"},
            [
                "- delivered 2026-10-02, postmarked 2026-11-11: day 40 of 30",
                "+ no reason is known, it may be defective: ask for it",
            ],
            id="no reason, too late",
        ),
        pytest.param(
            {**PHONE, "reason": "DEFECTIVE", "delivered_on": None},
            ["+ the delivery date is not known: the return was authorised, so it counts"],
            id="no date to start from is said once",
        ),
    ],
)
def test_the_verdict_says_in_sentences_with_dates_what_was_met_and_failed(
    facts: dict[str, Any], sentences: list[str]
) -> None:
    reasons = judged(**facts).reasons

    assert [f"{'+' if reason.met else '-'} {reason.message}" for reason in reasons] == sentences


def test_a_message_survives_being_stored() -> None:
    verdict = judged(**PHONE, reason="DEFECTIVE", defect_reported_on="2026-10-09", postmarked_on="2026-10-29")

    assert Verdict.model_validate_json(verdict.model_dump_json()) == verdict


# ── Possible defects and stated reasons ─────────────────────────────────────────────────────────────────────

# domain.md §3.1 and the list of possible defects of §2: code, Amazon, Shopify, at fault, possible defect.
REASONS = [
    ("DEFECTIVE", "CR-DEFECTIVE", "DEFECTIVE", "seller", True),
    ("DEFECT_FIRST_USE", "CR-DEFECTIVE", "DEFECTIVE", "seller", True),
    ("QUALITY", "CR-QUALITY_UNACCEPTABLE", "DEFECTIVE", "seller", True),
    ("DAMAGED_TRANSIT", "CR-DAMAGED_BY_CARRIER", "DEFECTIVE", "carrier", True),
    ("DAMAGED_BEFORE_SHIP", "CR-DAMAGED_BY_FC", "DEFECTIVE", "site", True),
    ("WRONG_ITEM_SENT", "CR-SWITCHEROO", "WRONG_ITEM", "site", True),
    ("EXTRA_ITEM", "CR-EXTRA_ITEM", "OTHER", "site", False),
    ("MISSING_PARTS", "CR-MISSING_PARTS", "OTHER", "seller", True),
    ("NOT_AS_DESCRIBED", "NOT_AS_DESCRIBED", "NOT_AS_DESCRIBED", "seller", True),
    ("NOT_COMPATIBLE", "CR-NOT_COMPATIBLE", "UNWANTED", "buyer", False),
    ("COULD_NOT_SET_UP", "CR-NOT_COMPATIBLE", "UNWANTED", "buyer", True),
    ("SIZE_LARGE", "POOR_FIT", "SIZE_TOO_LARGE", "neutral", False),
    ("SIZE_SMALL", "POOR_FIT", "SIZE_TOO_SMALL", "neutral", False),
    ("CHANGED_MIND", "CR-UNWANTED_ITEM", "UNWANTED", "buyer", False),
    ("ORDERED_WRONG", "CR-ORDERED_WRONG_ITEM", "UNWANTED", "buyer", False),
    ("BETTER_PRICE", "CR-FOUND_BETTER_PRICE", "UNWANTED", "buyer", False),
    ("LATE", "CR-MISSED_ESTIMATED_DELIVERY", "OTHER", "carrier", False),
    ("UNAUTHORISED", "CR-UNAUTHORIZED_PURCHASE", "OTHER", "review", False),
    ("UNDELIVERED", "", "", "carrier", False),
    ("NO_REASON", "CR-NO_REASON_GIVEN", "UNKNOWN", "buyer", False),
]


@pytest.mark.parametrize(("code", "amazon", "shopify", "at_fault", "defect"), REASONS, ids=[row[0] for row in REASONS])
def test_reason(code: str, amazon: str, shopify: str, at_fault: str, defect: bool) -> None:
    reason = RULES.stated(code)

    assert (reason.code, reason.amazon, reason.shopify, reason.at_fault) == (code, amazon, shopify, at_fault)
    assert reason.possible_defect is defect
    assert set(reason.label) == {"en", "fr"}
    assert possible_defect(RULES, Line(no=1, gtin="0", reason=code)) is defect


def test_no_other_reason_is_listed() -> None:
    assert sorted(reason.code for reason in RULES.reasons) == sorted(row[0] for row in REASONS)


@pytest.mark.parametrize(
    ("given_code", "code"),
    [
        ("CR-DEFECTIVE", "DEFECTIVE"),
        ("QUALITY_UNACCEPTABLE", "QUALITY"),
        ("cr-damaged_by_fc", "DAMAGED_BEFORE_SHIP"),
        ("CR-SWITCHEROO", "WRONG_ITEM_SENT"),
        ("CR-UNWANTED_ITEM", "CHANGED_MIND"),
        ("CR-NOT_COMPATIBLE", "NOT_COMPATIBLE"),
        ("CR-NO_REASON_GIVEN", "NO_REASON"),
        ("UNDELIVERABLE_REFUSED", "UNDELIVERED"),
        ("WRONG_ITEM", "WRONG_ITEM_SENT"),
        ("UNWANTED", "CHANGED_MIND"),
        ("SIZE_TOO_SMALL", "SIZE_SMALL"),
        ("UNKNOWN", "NO_REASON"),
        pytest.param("OTHER", "NO_REASON", id="Shopify's OTHER may be anything: asked for, not guessed"),
    ],
)
def test_a_marketplaces_code_is_read(given_code: str, code: str) -> None:
    assert RULES.stated(given_code).code == code


def test_a_code_that_nobody_knows_is_kept_and_asked_for() -> None:
    assert RULES.stated("FELL_OFF_A_CAMEL").code == "FELL_OFF_A_CAMEL"
    assert judged(reason="FELL_OFF_A_CAMEL", **IN_TIME).ask == ("reason",)
    assert judged(reason="", **IN_TIME).ask == ("reason",)


# ── Settings of the site ────────────────────────────────────────────────────────────────────────────────────

PRESENTS = {
    "id": "presents",
    "source": "ours",
    "channel": "amazon",
    "delivered_from": "2026-11-01",
    "delivered_to": "2026-12-25",
    "last_on": "2027-01-31",
}


def test_a_week_has_a_working_day() -> None:
    with pytest.raises(ValidationError, match="at most 6"):
        Calendar(weekend=(1, 2, 3, 4, 5, 6, 7))


def test_the_calendar_ends_one_day() -> None:
    assert Calendar(dates=(date.max,)).working(date.max) == date.max


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        pytest.param({"rows": SHIPPED["rows"][1:]}, "one row without any condition", id="no row for the rest"),
        pytest.param({"rows": SHIPPED["rows"] + SHIPPED["rows"][1:2]}, "'shop' stands there twice", id="an id twice"),
        pytest.param(
            {
                "rows": [
                    *SHIPPED["rows"],
                    {
                        "id": "fba",
                        "source": "ours",
                        "channel": "amazon",
                        "fulfilment": "fba",
                        "windows": [{"days": 30}],
                    },
                ]
            },
            "'amazon-electronics' and 'fba' match one return equally well",
            id="two rows for one return",
        ),
        pytest.param(
            {
                "rows": [
                    *SHIPPED["rows"],
                    {
                        "id": "own",
                        "source": "ours",
                        "channel": "shop",
                        "seller": "lumo",
                        "windows": [{"days": 20}],
                    },
                ]
            },
            "'own' is stricter than 'shop'",
            id="a seller shortens",
        ),
        pytest.param(
            {"rows": [{"id": "all", "source": "ours", "windows": [{"days": 13}]}]},
            "at least 14 days",
            id="a baseline of 13 days",
        ),
        pytest.param(
            {
                "rows": [
                    *SHIPPED["rows"],
                    {"id": "z", "source": "ours", "channel": "z", "windows": [{"days": 13}]},
                ]
            },
            "at least 14 days",
            id="a channel's baseline of 13 days",
        ),
        pytest.param(
            {"rows": [{"id": "all", "source": "", "windows": [{"days": 30}]}]},
            "source",
            id="a row without its source",
        ),
        pytest.param(
            {"rows": [{"id": "all", "source": "ours", "windows": [{"days": 30}], "chanel": "shop"}]},
            "chanel",
            id="a key that nobody knows",
        ),
        pytest.param(
            {"exclusions": [{"id": "x", "source": "ours", "label": "x", "effect": "hard", "accepted_by": "lumo"}]},
            "cannot accept what is not returnable",
            id="a seller accepts what is barred",
        ),
        pytest.param(
            {"extensions": [PRESENTS | {"last_on": "2026-12-01"}]},
            "must follow each other",
            id="a season backwards",
        ),
        pytest.param(
            {"reasons": [{"code": "BROKEN", "label": "broken", "group": "defect", "at_fault": "seller"}]},
            "needs possible_defect",
            id="a defect that is no possible defect",
        ),
    ],
)
def test_rules_that_cannot_be_used_are_refused(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        PolicyRules.model_validate(SHIPPED | wrong)


# ── Rows against each other ─────────────────────────────────────────────────────────────────────────────────


def row(id: str, days: int = 30, /, **match: Any) -> Policy:
    return Policy(id=id, source="ours", windows=(Window(days=days),), **match)


@pytest.mark.parametrize(
    ("rows", "tied"),
    [
        pytest.param([row("a", channel="x"), row("b", channel="x")], [("a", "b")], id="the same conditions"),
        pytest.param([row("a", channel="x"), row("b", channel="y")], [], id="different channels"),
        pytest.param([row("a", channel=["x", "y"]), row("b", channel=["y", "z"])], [("a", "b")], id="lists overlap"),
        pytest.param([row("a", channel="x"), row("b", category="k")], [("a", "b")], id="different fields, one each"),
        pytest.param([row("a", channel="x"), row("b", channel="x", category="k")], [], id="more fields win"),
        pytest.param(
            [row("a", channel="x"), row("b", category="k"), row("c", channel="x", category="k")],
            [],
            id="a third row settles it",
        ),
        pytest.param(
            [
                row("a", channel="x"),
                row("b", category="k"),
                row("c", channel="x", category="k", sold_as="new"),
            ],
            [("a", "b")],
            id="a third row settles it for new ones only",
        ),
        pytest.param(
            [
                row("a", channel=["x", "y"]),
                row("b", category="k"),
                row("c", channel="x", category="k"),
                row("d", channel="y", category="k"),
            ],
            [],
            id="two rows settle it together",
        ),
        pytest.param([row("a"), row("b")], [("a", "b")], id="two rows for the rest"),
    ],
)
def test_ties(rows: list[Policy], tied: list[tuple[str, str]]) -> None:
    assert [(one.id, other.id) for one, other in ties(rows)] == tied


FEW = ("channel", "category", "sold_as")
some_match = st.fixed_dictionaries({}, optional={field: st.sets(st.sampled_from("xy"), min_size=1) for field in FEW})


@given(st.lists(some_match, max_size=5))
def test_ties_are_exactly_the_returns_that_two_rows_win(matches: list[dict[str, set[str]]]) -> None:
    rows = [
        row(str(index), **{field: tuple(values) for field, values in match.items()})
        for index, match in enumerate(matches)
    ]
    tied = set()
    for values in product("xyz", repeat=len(FEW)):
        fits = [
            index
            for index, match in enumerate(matches)
            if all(value in match.get(field, {value}) for field, value in zip(FEW, values, strict=True))
        ]
        most = max((len(matches[index]) for index in fits), default=0)
        tied |= set(combinations([str(index) for index in fits if len(matches[index]) == most], 2))

    assert {(one.id, other.id) for one, other in ties(rows)} == tied


@pytest.mark.parametrize(
    ("own", "stricter_than"),
    [
        pytest.param(
            row("own", 30, seller="s"),
            ["rest"],
            id="stricter than the 45 days of the rest, if channel is unknown",
        ),
        pytest.param(row("own", 45, seller="s"), [], id="as long as the rest"),
        pytest.param(row("own", 20, seller="s", channel="x"), ["x"], id="shorter than its channel"),
        pytest.param(
            row("own", 30, seller="s", channel="x", sold_as="new"), ["x-media"], id="shorter for one category"
        ),
        pytest.param(row("own", 60, seller="s", channel="x"), [], id="longer for all"),
        pytest.param(row("own", 30, seller="s", channel="x", category="toys"), [], id="as long as what it replaces"),
        pytest.param(
            Policy(
                id="own",
                source="ours",
                seller="s",
                channel="x",
                category="toys",
                windows=(Window(days=90), Window(days=90, until="defect_reported")),
            ),
            ["x"],
            id="a condition that was not there",
        ),
    ],
)
def test_a_sellers_row_may_only_lengthen(own: Policy, stricter_than: list[str]) -> None:
    general = [row("rest", 45), row("x", 30, channel="x"), row("x-media", 40, channel="x", category="media")]

    assert [(each.id, other.id) for each, other in shortened([*general, own])] == [("own", id) for id in stricter_than]


def test_the_shipped_rows_name_their_sources() -> None:
    sources = {row.id: row.source for row in RULES.rows}
    sources |= {exclusion.id: exclusion.source for exclusion in RULES.exclusions}

    assert {id for id, source in sources.items() if source == OURS} == {
        "perishable",
        "hygiene",
        "made-to-measure",
    }
    assert all(source == OURS or source[:5] in ("000: ", "001: ") for source in sources.values())
