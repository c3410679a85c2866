"""A seller's rules: what a playbook may say, and that it touches nobody else's returns."""

from typing import Any

import pytest
from pydantic import ValidationError
from stdnum import ean

from inspect_station.core.cases import Case, run
from inspect_station.core.playbook import Playbook, under, version
from inspect_station.core.records import Seller
from inspect_station.core.rules import Discount, Rules

LUMO: dict[str, Any] = {"code": "lumo", "name": "Maison Lumo"}
NORD = Seller(code="nord", name="Nordlys")
RETURN: dict[str, Any] = {
    "source": "ours",
    "channel": "amazon",
    "reason": "CHANGED_MIND",
    "delivered_on": "2026-10-01",
    "postmarked_on": "2026-10-15",
    "price": 100_00,
    "paid": 100_00,
}


def playbook(**tables: Any) -> Playbook:
    return Playbook.model_validate({"seller": LUMO} | tables)


def row(id: str, **row: Any) -> dict[str, Any]:
    return {"id": id, "source": "ours"} | row


def decided(rules: Rules, seller: Seller, **facts: Any) -> Any:
    case = Case.model_validate({"name": "a case", "expect": {"outcome": "eligible"}} | RETURN | facts)
    return run(case, rules, seller).decided


GIVEN_AWAY = row("away", grade="used", to="donate")


def test_a_row_is_the_sellers_without_saying_so(rules):
    both = under(rules, [playbook(routes=[GIVEN_AWAY])])
    lumo = Seller.model_validate(LUMO)
    assert decided(both, lumo, pressed="used").route == "lumo:away"
    assert decided(both, lumo, pressed="used").disposition == "donate"
    assert decided(both, NORD, pressed="used").route == "sold-apart"
    assert decided(rules, lumo, pressed="used").route == "sold-apart"


def test_two_sellers_may_name_their_rows_alike(rules):
    nord = Playbook.model_validate(
        {"seller": {"code": "nord", "name": "Nordlys"}, "routes": [row("away", grade="used", to="recycle")]}
    )
    both = under(rules, [playbook(routes=[GIVEN_AWAY]), nord])
    assert decided(both, Seller.model_validate(LUMO), pressed="used").disposition == "donate"
    assert decided(both, NORD, pressed="used").disposition == "recycle"


MISTAKES = {
    "a row for another seller": (
        {"routes": [GIVEN_AWAY | {"seller": "nord"}]},
        "routes.away: seller is 'nord' in the playbook of 'lumo'",
    ),
    "what is not ours cannot be sold": (
        {"routes": [row("sell", outcome="consult", to="clearance")]},
        "what is still the customer's cannot go to 'clearance'",
    ),
    "quarantine is no choice": ({"routes": [row("q", grade="used", to="quarantine")]}, "'quarantine' is no choice"),
    "destroying without a ground": (
        {"routes": [row("d", grade="defective", to="destroy")]},
        "destroying needs a ground",
    ),
    "destroying by a setting, without a ground": (
        {"seller": LUMO | {"defective": "destroy"}},
        "defective = 'destroy' needs destroy_ground",
    ),
    "a setting that nobody knows": ({"seller": LUMO | {"colour": "red"}}, "colour"),
    "a table that nobody knows": ({"rows": []}, "rows"),
    "a number that is no article's": ({"routes": [row("r", gtin="3760311300177", to="hold")]}, "check digit"),
}


MISTAKES |= {
    "broken goods back to stock": (
        {"routes": [row("r", grade=["new", "defective"], to="restock")]},
        "only the grade 'new' goes back to stock",
    ),
    "any grade sold apart, the defective too": (
        {"routes": [row("r", category="toys", to="clearance")]},
        "needs a grade",
    ),
    "a possible defect sent back without asking": (
        {"routes": [row("r", outcome="consult", to="return_to_customer")]},
        "where a person decides it is held",
    ),
    "held, and nobody is asked": ({"routes": [row("r", outcome="ineligible", to="hold")]}, "needs a case"),
    "a shorter window by an exclusion": (
        {"exclusions": [row("x", label="late", effect="hard", after_days=7)]},
        "so it has no after_days",
    ),
    "an accepted return sent back": (
        {"routes": [row("r", grade="used", to="return_to_customer")]},
        "does not go back to the customer",
    ),
    "sent back and asked about": (
        {"routes": [row("r", outcome="ineligible", to="return_to_customer", case="eligibility")]},
        "not both",
    ),
    "less than all for what came back as it was": ({"refunds": [row("f", percent=0)]}, "needs a grade below new"),
    "every return asked about": ({"exclusions": [row("x", label="all", effect="may_refuse")]}, "names the goods"),
    "a discount that says nothing": ({"discounts": [row("d", grade="used")]}, "needs percent or round_to"),
}


@pytest.mark.parametrize(("tables", "said"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_named(tables, said):
    with pytest.raises(ValidationError) as refused:
        playbook(**tables)
    assert said in str(refused.value)


CONTRADICTIONS = {
    "an exclusion of what the policy takes back": (
        {"exclusions": [row("x", label="toys", category="toys", effect="hard")]},
        "refuses what the policy takes back",
    ),
    "an exclusion that the site has only for later": (
        {"exclusions": [row("x", label="laptops", channel="amazon", device_class="laptop", effect="hard")]},
        "refuses what the policy takes back",
    ),
    "a longer time that covers a tie only later": (
        {
            "refunds": [
                row("a", grade="used", percent=80),
                row("b", grade="used", reason_group="dissatisfied", held_over=20, percent=70),
                row("c", reason_group="dissatisfied", grade=["used", "lightly_damaged"], percent=50),
                row("d", grade="used", channel="amazon", percent=60),
            ]
        },
        "match one return equally well",
    ),
    "two times for different goods that meet": (
        {"refunds": [row("a", grade="used", percent=90), row("b", held_over=10, percent=50)]},
        "match one return equally well",
    ),
    "a shorter window by a setting": (
        {"seller": LUMO | {"windows": {"amazon": 20}}},
        "shorter than the policy's 30 days",
    ),
    "a window for a row that is not there": ({"seller": LUMO | {"windows": {"ebay": 40}}}, "no row of"),
    "a shorter window by a row": (
        {"policies": [row("short", channel="amazon", windows=[{"days": 29}])]},
        "a seller's rule may only lengthen",
    ),
    "two rows between which nothing decides": (
        {"routes": [GIVEN_AWAY, row("kettles", category="appliance", to="hold")]},
        "match one unit equally well",
    ),
    "a finding that is not observed here": (
        {"routes": [row("odd", finding="haunted", to="hold")]},
        "no finding 'haunted'",
    ),
}


@pytest.mark.parametrize(("tables", "said"), CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_a_contradiction_with_the_sites_rules_is_named(rules, tables, said):
    book = playbook(**tables)
    with pytest.raises((ValidationError, ValueError)) as refused:  # the sentence is looked at below
        under(rules, [book])
    assert said in str(refused.value)


def test_less_than_all_is_paid_back_only_by_a_sellers_row(rules):
    with pytest.raises(ValidationError, match="only a seller may set less"):
        Rules.model_validate(rules.model_dump() | {"refunds": [row("all", percent=90)]})
    both = under(rules, [playbook(refunds=[row("worn", grade="used", percent=85, means="credit")])])
    worn = decided(both, Seller.model_validate(LUMO), pressed="used")
    assert (worn.refund, worn.refund_amount, worn.means) == ("partial", 85_00, "credit")


def test_a_percentage_is_never_taken_from_a_possible_defect_without_asking(rules):
    both = under(rules, [playbook(refunds=[row("worn", grade="used", percent=85)])])
    assert decided(both, Seller.model_validate(LUMO), pressed="used", reason="DEFECTIVE").refund == "ask"


def test_of_two_times_the_longer_counts(rules):
    rows = [row("late", held_over=7, percent=90), row("later", held_over=14, percent=70)]
    both = under(rules, [playbook(refunds=rows)])
    lumo = Seller.model_validate(LUMO)
    amounts = {
        day: decided(both, lumo, pressed="used", postmarked_on=f"2026-10-{1 + day:02d}").refund_amount
        for day in (7, 8, 14, 15)
    }
    assert amounts == {7: 100_00, 8: 90_00, 14: 90_00, 15: 70_00}


def test_a_row_goes_before_a_setting_that_says_as_much(rules):
    seller = LUMO | {"discount_by": "seller"}
    both = under(rules, [playbook(seller=seller, routes=[GIVEN_AWAY])])
    lumo = Seller.model_validate(seller)
    assert decided(both, lumo, pressed="used").disposition == "donate"
    assert decided(both, lumo, pressed="opened_packaging").case == "price"


def test_a_version_is_the_hash_of_the_text():
    assert version("a") == "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"


def test_a_seller_may_always_refuse_what_it_may_refuse(rules):
    strict = row("opened-software", label="opened", category="software", sold_as="new", needs=["opened", "seal_broken"],
                 unless_defect=True, effect="hard")  # fmt: skip
    both = under(rules, [playbook(exclusions=[strict])])
    seen = {"category": "software", "opened": True}
    assert decided(both, Seller.model_validate(LUMO), **seen).outcome == "ineligible"
    assert decided(both, NORD, **seen).outcome == "consult"


def test_rounding_and_percentage_come_from_the_rows_that_set_them(rules):
    site = rules.model_copy(update={"discounts": (Discount(id="ch", source="ours", channel=("amazon",), round_to=5),)})
    lumo = Seller.model_validate(LUMO | {"discounts": {"used": 30}})
    assert decided(site, lumo, pressed="used", price=99_95).price == 69_95


def test_less_than_all_is_asked_for_whatever_may_be_a_defect(rules):
    rows = [row("worn", grade="lightly_damaged", reason_group="dissatisfied", percent=80)]
    both = under(rules, [playbook(refunds=rows)])
    lumo = Seller.model_validate(LUMO)
    worn = {"pressed": "lightly_damaged", "findings": ["scratch"]}
    assert decided(both, lumo, **worn).refund == "partial"
    assert decided(both, lumo, **worn, reason="COULD_NOT_SET_UP").refund == "ask"


def test_long_lists_in_rows_cost_no_time(rules):
    many = {
        "category": [f"c{n}" for n in range(40)],
        "device_class": [f"d{n}" for n in range(40)],
        "gtin": [f"{n:013d}" + ean.calc_check_digit(f"{n:013d}") for n in range(200)],
    }
    rows = [row("a", **many, to="hold"), row("b", **many | {"gtin": many["gtin"][:1]}, sold_as="new", to="hold")]
    rows += [row(f"r{n}", category=f"c{n}", channel="shop", grade="used", fulfilment="fba", sold_as="new",
                 reason_group="defect", to="hold") for n in range(6)]  # fmt: skip
    assert under(rules, [playbook(routes=rows)]).routes


LESS = row("worn", grade="lightly_damaged", percent=60)
WORN = {"pressed": "lightly_damaged", "findings": ["scratch"]}
FULL_OR_ASK = {
    "a photo is owed where the seller is asked": (
        {"pressed": "heavily_damaged", "findings": ["crack"], "owed": ["damage"]},
        "ask",
    ),
    "not cleaned yet, and the seller is asked": (
        {"pressed": "heavily_damaged", "findings": ["crack"], "failed": ["finish.clean"]},
        "ask",
    ),
    "never delivered, and scratched": (WORN | {"reason": "UNDELIVERED"}, "ask"),
    "scratched by who did not want it": (WORN, "partial"),
}


@pytest.mark.parametrize(("seen", "advice"), FULL_OR_ASK.values(), ids=FULL_OR_ASK)
def test_the_place_hides_no_question_and_nobody_pays_for_what_was_never_theirs(rules, seen, advice):
    both = under(rules, [playbook(refunds=[LESS])])
    assert decided(both, Seller.model_validate(LUMO), **seen).refund == advice


def test_shipping_is_not_kept_from_a_possible_defect_without_asking(rules):
    both = under(rules, [playbook(refunds=[row("f", channel="amazon", shipping=False)])])
    lumo = Seller.model_validate(LUMO)
    paid = {"shipping_paid": 5_90, "opened": True}
    assert decided(both, lumo, **paid).refund_amount == 100_00
    assert decided(both, lumo, **paid, reason="DEFECTIVE").refund == "ask"


def test_a_share_and_a_percentage_are_rounded_once(rules):
    kit = {"components": ["Body", "Lens"], "shares": {"Body": 85, "Lens": 15}, "missing": ["Lens"]}
    both = under(rules, [playbook(refunds=[row("worn", grade="lightly_damaged", percent=85)])])
    done = decided(both, Seller.model_validate(LUMO), **kit, pressed="lightly_damaged", paid=10_000_00)
    assert done.refund_amount == 7_225_00


def test_coarse_rounding_gives_nothing_away_and_no_waste_rule_no_recycling(rules):
    coarse = rules.model_copy(
        update={"discounts": (Discount(id="c", source="ours", channel=("amazon",), round_to=1000),)}
    )
    lumo = Seller.model_validate(LUMO)
    assert decided(coarse, lumo, pressed="used", price=4_90).price == 4_90
    bare = rules.model_copy(update={"weee": ()})
    recycling = Seller.model_validate(LUMO | {"defective": "recycle"})
    broken = {"pressed": "defective", "findings": ["does_not_work"], "category": "electronics"}
    assert decided(bare, recycling, **broken).disposition == "return_to_seller"
    assert decided(rules, recycling, **broken).disposition == "recycle"
