"""The table of decisions: each row of tests/data/decisions.toml tried under the rules as they are shipped."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from inspect_station import config
from inspect_station.core.cases import Case, run, uncovered
from inspect_station.core.records import Seller
from inspect_station.playbooks import case_table

DECISIONS = Path(__file__).parents[1] / "data" / "decisions.toml"
LUMO = Seller(code="lumo", name="Maison Lumo")
OF_ANOTHER_SELLER = {"policy.other-games.sent: no case meets it", "policy.other-games.sent: no case fails it"}
"""A row that stands in a book to show that it is not this seller's: no case can reach it."""

SHIPPED = config.load().rules
TABLE = case_table(DECISIONS, SHIPPED)
TRIED = {trial.case.name: trial for trial in TABLE.trials}


@pytest.mark.parametrize("name", TRIED, ids=list(TRIED))
def test_decision(name: str) -> None:
    trial = TRIED[name]
    assert [str(difference) for difference in trial.differences] == [], trial.case.source


def test_every_row_has_its_own_name_and_there_are_enough() -> None:
    assert len(TRIED) == len(TABLE.trials) >= 150


def test_every_row_names_a_sentence_or_says_that_it_is_ours() -> None:
    sources = {trial.case.source for trial in TABLE.trials}

    assert {source for source in sources if not source.startswith(("000: ", "001: ", "003: ", "ours"))} == set()


def test_every_rule_is_tried_on_both_sides_of_its_boundary() -> None:
    assert [str(each) for each in uncovered(SHIPPED, TABLE.trials)] == []
    assert {str(each) for each in TABLE.untried} == OF_ANOTHER_SELLER


# ── The runner can fail ──────────────────────────────────────────────────────────────────────────────────────────────

LATE = {
    "name": "day 31",
    "source": "ours",
    "channel": "amazon",
    "reason": "CHANGED_MIND",
    "delivered_on": "2026-10-02",
    "postmarked_on": "2026-11-02",
    "opened": True,
    "price": 39900,
}
SAYS = "delivered 2026-10-02, postmarked 2026-11-02: day 31 of 30"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        pytest.param({"outcome": "eligible"}, "outcome: eligible expected, ineligible decided", id="the verdict"),
        pytest.param({"by": "shop.sent"}, "by: shop.sent expected, amazon.sent decided", id="the rule"),
        pytest.param({"failed": []}, "failed: none expected, amazon.sent decided", id="a rule that was not met"),
        pytest.param({"met": ["amazon.sent"]}, "met: amazon.sent expected, none decided", id="a rule that was met"),
        pytest.param({"grade": "none"}, "grade: none expected, opened_packaging decided", id="a grade where none is"),
        pytest.param({"disposition": "clearance"}, "disposition: clearance expected, hold decided", id="the place"),
        pytest.param({"price": 35910}, "price: 35910 expected, none decided", id="a price"),
        pytest.param({"refund": "full"}, "refund: full expected, ask decided", id="the refund"),
        pytest.param({"photos": []}, "photos: none expected, article decided", id="the photos"),
        pytest.param({"case": ""}, "case: none expected, eligibility decided", id="the question to the seller"),
    ],
)
def test_a_wrong_expectation_is_told(wrong: dict[str, Any], said: str) -> None:
    trial = run(Case.model_validate(LATE | {"expect": wrong}), SHIPPED, LUMO)

    assert [str(each) for each in trial.differences] == [said]


def test_a_sentence_that_is_not_said_is_told_with_what_is_said() -> None:
    trial = run(Case.model_validate(LATE | {"expect": {"says": ["day 31 of 30", "day 31 of 31"]}}), SHIPPED, LUMO)

    (difference,) = map(str, trial.differences)
    assert difference.startswith(f"“day 31 of 31” expected, but it says: {SAYS}")


@pytest.mark.parametrize(
    ("told", "what"),
    [
        pytest.param({"findings": ["scrach"]}, "scrach", id="a finding that there is not"),
        pytest.param({"missing": ["charger"]}, "charger", id="an accessory that it never had"),
        pytest.param({"failed": ["lock.google"]}, "lock.google", id="a row of another class"),
        pytest.param({"measured": {"test.battery": 79}}, "test.battery", id="a value that is not measured"),
        pytest.param({"owed": ["damage"]}, "damage", id="a photo that is not needed"),
        pytest.param({"device_class": "phones"}, "phones", id="a device class without a checklist"),
        pytest.param({"device_class": "phone", "serial": "SN-1"}, "finish", id="a serial number that no phone has"),
    ],
)
def test_what_never_comes_about_proves_nothing_and_is_told(told: dict[str, Any], what: str) -> None:
    trial = run(Case.model_validate(LATE | {"expect": {}} | told), SHIPPED, LUMO)

    assert [str(each) for each in trial.differences] == [f"{what} is told, but the bench never comes to it"]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        pytest.param({"delivered": "2026-10-02"}, "delivered", id="a key that there is not"),
        pytest.param({"expect": {"verdict": "eligible"}}, "verdict", id="an expectation that there is not"),
        pytest.param({"seller": {"window": {}}}, "no setting 'window'", id="a seller's setting that there is not"),
        pytest.param({"sold_as": "neu"}, "sold_as", id="a word that an import would not know"),
        pytest.param({"pressed": "new"}, "contradicts", id="opened and new"),
        pytest.param({"opened": False, "failed": ["test.touch"]}, "only on what was opened", id="tested while sealed"),
    ],
)
def test_a_case_that_makes_no_sense_is_refused(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Case.model_validate(LATE | {"expect": {}} | wrong)


def test_a_rule_without_a_case_is_told_with_its_side() -> None:
    eligible = run(Case.model_validate(LATE | {"postmarked_on": "2026-11-01", "expect": {}}), SHIPPED, LUMO)

    told = {str(each) for each in uncovered(SHIPPED, [eligible])}

    assert "policy.amazon.sent: no case fails it" in told
    assert "policy.amazon.sent: no case meets it" not in told
    assert {"policy.shop.sent: no case meets it", "policy.shop.sent: no case fails it"} <= told
    assert "route.defective: no case meets it" in told
