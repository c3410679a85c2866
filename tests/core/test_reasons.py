"""Why something came back, in the codes of the site and the marketplaces, and the one sentence of a verdict."""

import string
from datetime import date
from typing import Any

import pytest

from inspect_station import config
from inspect_station.core.policy import FOR_A_PERSON, IN_A_SENTENCE, eligibility
from inspect_station.core.records import Line, Outcome, Product, Rma, Seller, Verdict
from inspect_station.words import Voice

RULES = config.load().rules
POLICY = RULES.policy

# ── Codes ────────────────────────────────────────────────────────────────────────────────────────────────────────────

# domain.md §3.1: ours, what Amazon is told, what Shopify is told
TOLD = [
    ("DEFECTIVE", "CR-DEFECTIVE", "DEFECTIVE"),
    ("DEFECT_FIRST_USE", "CR-DEFECTIVE", "DEFECTIVE"),
    ("QUALITY", "CR-QUALITY_UNACCEPTABLE", "DEFECTIVE"),
    ("DAMAGED_TRANSIT", "CR-DAMAGED_BY_CARRIER", "DEFECTIVE"),
    ("DAMAGED_BEFORE_SHIP", "CR-DAMAGED_BY_FC", "DEFECTIVE"),
    ("WRONG_ITEM_SENT", "CR-SWITCHEROO", "WRONG_ITEM"),
    ("EXTRA_ITEM", "CR-EXTRA_ITEM", "OTHER"),
    ("MISSING_PARTS", "CR-MISSING_PARTS", "OTHER"),
    ("NOT_AS_DESCRIBED", "NOT_AS_DESCRIBED", "NOT_AS_DESCRIBED"),
    ("NOT_COMPATIBLE", "CR-NOT_COMPATIBLE", "UNWANTED"),
    ("COULD_NOT_SET_UP", "CR-NOT_COMPATIBLE", "UNWANTED"),
    ("SIZE_LARGE", "POOR_FIT", "SIZE_TOO_LARGE"),
    ("SIZE_SMALL", "POOR_FIT", "SIZE_TOO_SMALL"),
    ("CHANGED_MIND", "CR-UNWANTED_ITEM", "UNWANTED"),
    ("ORDERED_WRONG", "CR-ORDERED_WRONG_ITEM", "UNWANTED"),
    ("BETTER_PRICE", "CR-FOUND_BETTER_PRICE", "UNWANTED"),
    ("LATE", "CR-MISSED_ESTIMATED_DELIVERY", "OTHER"),
    ("UNAUTHORISED", "CR-UNAUTHORIZED_PURCHASE", "OTHER"),
    ("UNDELIVERED", "", ""),
    ("NO_REASON", "CR-NO_REASON_GIVEN", "UNKNOWN"),
]


@pytest.mark.parametrize(("ours", "amazon", "shopify"), TOLD, ids=[row[0] for row in TOLD])
def test_a_marketplace_is_told_its_own_code(ours: str, amazon: str, shopify: str) -> None:
    assert (POLICY.told(ours, "amazon"), POLICY.told(ours, "shopify")) == (amazon, shopify)


def test_every_reason_of_the_site_stands_in_the_table() -> None:
    assert {reason.code for reason in POLICY.reasons} == {ours for ours, *_ in TOLD}


def test_nothing_is_told_of_a_reason_that_nobody_knows() -> None:
    assert POLICY.told("FELL_OFF_A_CAMEL", "amazon") == POLICY.told("FELL_OFF_A_CAMEL", "shopify") == ""


# whose code it is, the code, ours; of two that are told alike the plainer one, which domain.md names first
STATED = [
    # Amazon's returns to sellers: domain.md §3.1
    ("amazon", "CR-DEFECTIVE", "DEFECTIVE"),
    ("amazon", "CR-QUALITY_UNACCEPTABLE", "QUALITY"),
    ("amazon", "CR-DAMAGED_BY_CARRIER", "DAMAGED_TRANSIT"),
    ("amazon", "CR-DAMAGED_BY_FC", "DAMAGED_BEFORE_SHIP"),
    ("amazon", "CR-SWITCHEROO", "WRONG_ITEM_SENT"),
    ("amazon", "CR-EXTRA_ITEM", "EXTRA_ITEM"),
    ("amazon", "CR-MISSING_PARTS", "MISSING_PARTS"),
    ("amazon", "NOT_AS_DESCRIBED", "NOT_AS_DESCRIBED"),
    ("amazon", "CR-NOT_COMPATIBLE", "NOT_COMPATIBLE"),
    ("amazon", "POOR_FIT", "SIZE_LARGE"),
    ("amazon", "CR-UNWANTED_ITEM", "CHANGED_MIND"),
    ("amazon", "CR-ORDERED_WRONG_ITEM", "ORDERED_WRONG"),
    ("amazon", "CR-FOUND_BETTER_PRICE", "BETTER_PRICE"),
    ("amazon", "CR-MISSED_ESTIMATED_DELIVERY", "LATE"),
    ("amazon", "CR-UNAUTHORIZED_PURCHASE", "UNAUTHORISED"),
    ("amazon", "CR-NO_REASON_GIVEN", "NO_REASON"),
    ("amazon", "AMZ-PG-BAD-DESC", "NOT_AS_DESCRIBED"),
    ("amazon", "AMZ-PG-APP-TOO-LARGE", "SIZE_LARGE"),
    ("amazon", "AMZ-PG-APP-TOO-SMALL", "SIZE_SMALL"),
    ("amazon", "AMZ-PG-APP-STYLE", "CHANGED_MIND"),
    # Amazon's report of FBA returns: the same without CR-, and some of its own
    ("fba", "DEFECTIVE", "DEFECTIVE"),
    ("fba", "QUALITY_UNACCEPTABLE", "QUALITY"),
    ("fba", "DAMAGED_BY_CARRIER", "DAMAGED_TRANSIT"),
    ("fba", "DAMAGED_BY_FC", "DAMAGED_BEFORE_SHIP"),
    ("fba", "SWITCHEROO", "WRONG_ITEM_SENT"),
    ("fba", "EXTRA_ITEM", "EXTRA_ITEM"),
    ("fba", "MISSING_PARTS", "MISSING_PARTS"),
    ("fba", "NOT_COMPATIBLE", "NOT_COMPATIBLE"),
    ("fba", "PART_NOT_COMPATIBLE", "NOT_COMPATIBLE"),
    ("fba", "EXCESSIVE_INSTALLATION", "COULD_NOT_SET_UP"),
    ("fba", "APPAREL_TOO_LARGE", "SIZE_LARGE"),
    ("fba", "APPAREL_TOO_SMALL", "SIZE_SMALL"),
    ("fba", "APPAREL_STYLE", "CHANGED_MIND"),
    ("fba", "DID_NOT_LIKE_COLOR", "CHANGED_MIND"),
    ("fba", "DID_NOT_LIKE_FABRIC", "CHANGED_MIND"),
    ("fba", "JEWELRY_TOO_LARGE", "SIZE_LARGE"),
    ("fba", "JEWELRY_TOO_SMALL", "SIZE_SMALL"),
    ("fba", "JEWELRY_BATTERY", "DEFECTIVE"),
    ("fba", "JEWELRY_BAD_CLASP", "DEFECTIVE"),
    ("fba", "JEWELRY_LOOSE_STONE", "DEFECTIVE"),
    ("fba", "JEWELRY_NO_DOCS", "MISSING_PARTS"),
    ("fba", "JEWELRY_NO_CERT", "MISSING_PARTS"),
    ("fba", "WARRANTY", "DEFECTIVE"),
    ("fba", "UNWANTED_ITEM", "CHANGED_MIND"),
    ("fba", "ORDERED_WRONG_ITEM", "ORDERED_WRONG"),
    ("fba", "MISORDERED", "ORDERED_WRONG"),
    ("fba", "FOUND_BETTER_PRICE", "BETTER_PRICE"),
    ("fba", "MISSED_ESTIMATED_DELIVERY", "LATE"),
    ("fba", "UNAUTHORIZED_PURCHASE", "UNAUTHORISED"),
    ("fba", "NEVER_ARRIVED", "UNDELIVERED"),
    ("fba", "UNDELIVERABLE_CARRIER_MISS_SORTED", "UNDELIVERED"),
    ("fba", "UNDELIVERABLE_FAILED_DELIVERY_ATTEMPTS", "UNDELIVERED"),
    ("fba", "UNDELIVERABLE_INSUFFICIENT_ADDRESS", "UNDELIVERED"),
    ("fba", "UNDELIVERABLE_MISSING_LABEL", "UNDELIVERED"),
    ("fba", "UNDELIVERABLE_REFUSED", "UNDELIVERED"),
    ("fba", "UNDELIVERABLE_UNCLAIMED", "UNDELIVERED"),
    ("fba", "UNDELIVERABLE_UNKNOWN", "UNDELIVERED"),
    ("fba", "NO_REASON_GIVEN", "NO_REASON"),
    ("fba", "UNKNOWN_OTHER_REASON", "NO_REASON"),
    # Shopify's ReturnReason, all of it
    ("shopify", "COLOR", "CHANGED_MIND"),
    ("shopify", "DEFECTIVE", "DEFECTIVE"),
    ("shopify", "NOT_AS_DESCRIBED", "NOT_AS_DESCRIBED"),
    ("shopify", "OTHER", "NO_REASON"),
    ("shopify", "SIZE_TOO_LARGE", "SIZE_LARGE"),
    ("shopify", "SIZE_TOO_SMALL", "SIZE_SMALL"),
    ("shopify", "STYLE", "CHANGED_MIND"),
    ("shopify", "UNKNOWN", "NO_REASON"),
    ("shopify", "UNWANTED", "CHANGED_MIND"),
    ("shopify", "WRONG_ITEM", "WRONG_ITEM_SENT"),
]


@pytest.mark.parametrize(("code", "ours"), [row[1:] for row in STATED], ids=[f"{row[0]} {row[1]}" for row in STATED])
def test_a_marketplaces_code_is_read_as_ours(code: str, ours: str) -> None:
    assert POLICY.stated(code).code == ours
    assert POLICY.stated(f" {code.lower()} ").code == ours, "as people type it"


def test_every_code_that_is_told_is_also_read() -> None:
    read = {code for _, code, _ in STATED}
    assert {code for _, *codes in TOLD for code in codes if code} <= read


@pytest.mark.parametrize("ours", [row[0] for row in TOLD])
def test_a_code_of_the_site_is_itself(ours: str) -> None:
    assert POLICY.stated(ours).code == ours


# ── The one sentence ─────────────────────────────────────────────────────────────────────────────────────────────────

LATE = {"postmarked_on": "2026-11-11"}
IN_TIME = {"postmarked_on": "2026-10-29"}
PHONE = {"category": "electronics", "device_class": "phone", "reason": "DEFECTIVE"}


def judged(received_on: date, /, **facts: Any) -> Verdict:
    """The verdict on a general product sold new on Amazon, delivered on 2 October 2026, no longer wanted."""

    def taken(model: type[Any], **known: Any) -> Any:
        return model.model_validate(known | {name: facts.pop(name) for name in model.model_fields if name in facts})

    line = taken(Line, no=1, gtin="08806095467443", reason="CHANGED_MIND", delivered_on="2026-10-02")
    item = taken(Product, seller="lumo", gtin="08806095467443", title="An article")
    rma = taken(Rma, seller="lumo", number="4711", channel="amazon", lines=(line,))
    seller = Seller(code="lumo", name="Maison Lumo")
    return eligibility(POLICY, seller=seller, rma=rma, line=line, product=item, received_on=received_on, **facts)


# what, received, facts, the sentence; days by hand: 2 October + 27 = 29 October, + 19 = 21 October
SENTENCES = [
    (
        "in time, the defect reported late",
        date(2026, 11, 20),
        {**PHONE, **IN_TIME, "defect_reported_on": "2026-10-21"},
        "delivered 2 Oct, postmarked 29 Oct = day 27 of 30: accepted; "
        "defect reported 21 Oct = day 19 of 14: ask the seller, as it may be defective",
    ),
    (
        "both in time",
        date(2026, 11, 20),
        {**PHONE, **IN_TIME, "defect_reported_on": "2026-10-09"},
        "delivered 2 Oct, postmarked 29 Oct = day 27 of 30 and defect reported 9 Oct = day 7 of 14: accepted",
    ),
    (
        "posted late",
        date(2026, 11, 20),
        LATE,
        "delivered 2 Oct, postmarked 11 Nov = day 40 of 30: not eligible",
    ),
    (
        "requested in time",
        date(2026, 11, 20),
        {"requested_on": "2026-10-29"},
        "delivered 2 Oct, requested 29 Oct = day 27 of 30: accepted",
    ),
    (
        "expected, and received late",
        date(2026, 11, 11),
        {"delivered_on": None, "latest_estimated_on": "2026-10-02"},
        "expected by 2 Oct, received 11 Nov = day 40 of 30: not eligible",
    ),
    (
        "posted late without a reason",
        date(2026, 11, 20),
        {**LATE, "reason": "NO_REASON"},
        "delivered 2 Oct, postmarked 11 Nov = day 40 of 30: ask the seller, as no reason is known",
    ),
    (
        "not returnable",
        date(2026, 11, 20),
        {**IN_TIME, "hazard": "gas"},
        "delivered 2 Oct, postmarked 29 Oct = day 27 of 30: accepted; not returnable (runs on gas): not eligible",
    ),
    (
        "software opened",
        date(2026, 11, 20),
        {**IN_TIME, "category": "software", "opened": True},
        "delivered 2 Oct, postmarked 29 Oct = day 27 of 30: accepted; "
        "the seller may refuse it (software sold new and opened): ask the seller",
    ),
    (
        "defective software opened",
        date(2026, 11, 20),
        {**IN_TIME, "category": "software", "opened": True, "reason": "DEFECTIVE"},
        "delivered 2 Oct, postmarked 29 Oct = day 27 of 30 and "
        "does not apply to a possible defect (software sold new and opened): accepted",
    ),
    (
        "nobody knows when the defect was reported",
        date(2026, 11, 20),
        {**PHONE, **IN_TIME},
        "delivered 2 Oct, postmarked 29 Oct = day 27 of 30: accepted; "
        "it is not known when the defect was reported (due by 16 Oct): ask the seller",
    ),
    ("never delivered", date(2026, 11, 20), {"reason": "UNDELIVERED"}, "never delivered, no window runs: accepted"),
    (
        "no date at all",
        date(2026, 11, 20),
        {"delivered_on": None},
        "the delivery date is not known, the return was authorised: accepted",
    ),
    (
        "over the end of the year",
        date(2027, 1, 8),
        {"delivered_on": "2026-12-20", "postmarked_on": "2027-01-05"},
        "delivered 20 Dec 2026, postmarked 5 Jan = day 16 of 30: accepted",
    ),
    (
        "300 days away in one year",
        date(2026, 12, 31),
        {"delivered_on": "2026-03-06"},
        "delivered 6 Mar, received 31 Dec = day 300 of 30: not eligible",
    ),
    (
        "301 days away in one year",
        date(2026, 12, 31),
        {"delivered_on": "2026-03-05"},
        "delivered 5 Mar 2026, received 31 Dec = day 301 of 30: not eligible",
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("received_on", "facts", "sentence"), [row[1:] for row in SENTENCES], ids=[row[0] for row in SENTENCES]
)
def test_a_verdict_is_one_sentence_with_dates(received_on: date, facts: dict[str, Any], sentence: str) -> None:
    verdict = judged(received_on, **facts)
    assert Voice("en", RULES, "Europe/Paris").verdict(verdict, received_on) == sentence


def test_where_the_receipt_is_not_known_every_date_has_its_year() -> None:
    verdict = judged(date(2026, 11, 20), **IN_TIME)
    said = Voice("en", RULES).verdict(verdict)
    assert said == "delivered 2 Oct 2026, postmarked 29 Oct 2026 = day 27 of 30: accepted"


def test_the_sellers_consent_is_said_and_the_doubt_is_not() -> None:
    verdict = judged(date(2026, 11, 20), **LATE, reason="DEFECTIVE").but(seller_accepted=True)
    said = Voice("en", RULES).verdict(verdict, date(2026, 11, 20))
    assert said == "delivered 2 Oct, postmarked 11 Nov = day 40 of 30: the seller has accepted"


@pytest.mark.parametrize(
    ("outcome", "said"),
    [(Outcome.ELIGIBLE, "accepted"), (Outcome.CONSULT, "ask the seller"), (Outcome.INELIGIBLE, "not eligible")],
)
def test_a_verdict_without_reasons_is_its_outcome(outcome: Outcome, said: str) -> None:
    assert Voice("en", RULES).verdict(Verdict(outcome=outcome)) == said


def test_a_part_of_the_sentence_says_what_its_reason_says() -> None:
    """The same values in the same formats, and no colon: that one leads to the outcome."""

    def fields(text: str) -> set[tuple[str | None, str | None]]:
        return {(name, format) for _, name, format, _ in string.Formatter().parse(text) if name}

    for own, form in IN_A_SENTENCE.items():
        assert fields(own) == fields(form.text), own
        assert not any(":" in text for text, *_ in string.Formatter().parse(form.text)), form.text


@pytest.mark.parametrize("facts", [row[2] for row in SENTENCES], ids=[row[0] for row in SENTENCES])
def test_every_reason_of_the_policy_has_its_part_of_the_sentence(facts: dict[str, Any]) -> None:
    verdict = judged(date(2026, 11, 20), **facts)
    assert {reason.message.text for reason in verdict.reasons} <= set(IN_A_SENTENCE)
    assert {reason.code for reason in verdict.reasons if "may be defective" in reason.message.text} <= FOR_A_PERSON
