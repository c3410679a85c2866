"""The law of returns as tables of cases; each row names the sentence it comes from, or ``ours``.

Days are counted by hand: from 2 October 2026, day 14 is 16 October, day 30 is 1 November.
"""

import tomllib
from datetime import date, timedelta
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
from inspect_station.core.records import Line, Outcome, Product, Rma, Seller, Verdict
from inspect_station.core.rows import ties

SHIPPED = tomllib.loads((Path(__file__).parents[2] / "station.toml").read_text("utf-8"))["policy"]
RULES = PolicyRules.model_validate(SHIPPED)

ELIGIBLE, INELIGIBLE, CONSULT = Outcome.ELIGIBLE, Outcome.INELIGIBLE, Outcome.CONSULT

# The sentences, shortened.
DEFAULT = "000: retourner les produits dans les 30 jours suivant leur réception"
BASELINE = "001: un délai de 14 à 30 jours après réception de la commande est assez standard"
LONGER = "000: vous pouvez offrir une période de retour plus longue"
MEDIA_NEW = "000: BMVD neufs dans leur état d'origine, cachet de la poste dans les 30 jours"
MEDIA_USED = (
    "000: BMVD d'occasion, les défauts doivent être signalés dans les 14 jours suivant la réception et "
    "cachet de la poste dans les 30 jours à compter de la dernière date estimée d'arrivée"
)
SOFTWARE_NEW = "000: refusé si vendu à l'état neuf et ouvert par l'acheteur, tant qu'il n'y avait pas de défaut"
SOFTWARE_USED = "000: peuvent refuser un article d'occasion/ouvert qui n'est pas défectueux"
ELECTRONICS = "000: électroniques, cachet de la poste dans les 30 jours suivant la livraison"
REPORT = "000: signaler un dommage ou un défaut, dans les 14 jours suivant la réception"
COMPUTERS = "000: ni les ordinateurs portables ou de bureau plus de 30 jours après la livraison"
DANGEROUS = "000: pas autorisés à retourner des articles contenant des liquides inflammables ou au gaz"
FBA = "000: pas éligibles aux retours FBA: articles dangereux, périssables, intimes"
FBA_WINDOW = "000: FBA, une période de retour de 30 jours à partir de la date de réception"
ABROAD = "000: international, dans les 30 jours suivant leur réception, sous réserve de certaines conditions"
CUSTOMS = "000: certains produits pas éligibles aux retours internationaux, restrictions douanières"
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


def with_rows(*rows: dict[str, Any], **more: Any) -> PolicyRules:
    """The shipped rules with further rows, and other parts replaced."""
    return PolicyRules.model_validate(SHIPPED | {"rows": [*SHIPPED["rows"], *rows]} | more)


def with_exclusion(**exclusion: Any) -> PolicyRules:
    """The shipped rules with one exclusion replaced or added."""
    others = [row for row in SHIPPED["exclusions"] if row["id"] != exclusion["id"]]
    return PolicyRules.model_validate(SHIPPED | {"exclusions": [*others, exclusion]})


def case(name: str, source: str, outcome: Outcome, decided_by: str, **facts: Any) -> Any:
    return pytest.param(source, outcome, decided_by, facts, id=name)


MEDIA = {"category": "media", "sold_as": "new"}
USED_MEDIA = {"category": "media", "sold_as": "used", "latest_estimated_on": "2026-10-06"}
DEFECTIVE_MEDIA = USED_MEDIA | {"reason": "DEFECTIVE", "defect_reported_on": "2026-10-10"}
SOFTWARE = {"category": "software", "sold_as": "new", "postmarked_on": "2026-10-12"}
PHONE = {"category": "electronics", "device_class": "phone"}
LAPTOP = {"category": "electronics", "device_class": "laptop"}
IN_TIME = {"postmarked_on": "2026-10-12"}
DAY_30 = {"postmarked_on": "2026-11-01"}
DAY_31 = {"postmarked_on": "2026-11-02"}


# A table is read by the row.
# fmt: off
CASES = [
    # The default window.
    case("on the day of delivery", DEFAULT, ELIGIBLE, "amazon.sent", postmarked_on="2026-10-02"),
    case("day 27", DEFAULT, ELIGIBLE, "amazon.sent", postmarked_on="2026-10-29"),
    case("day 30", DEFAULT, ELIGIBLE, "amazon.sent", **DAY_30),
    case("day 31", DEFAULT, INELIGIBLE, "amazon.sent", **DAY_31),
    case("posted before it was delivered", DEFAULT, ELIGIBLE, "amazon.sent", postmarked_on="2026-09-30"),
    case("unknown category, day 31", DEFAULT, INELIGIBLE, "amazon.sent", category="toys", **DAY_31),
    # Baselines of other channels.
    case("own shop, day 30", BASELINE, ELIGIBLE, "shop.sent", channel="shop", **DAY_30),
    case("own shop, day 31", BASELINE, INELIGIBLE, "shop.sent", channel="shop", **DAY_31),
    case("channel nobody configured, day 30", BASELINE, ELIGIBLE, "baseline.sent", channel="zeta", **DAY_30),
    case("channel nobody configured, day 31", BASELINE, INELIGIBLE, "baseline.sent",
         channel="zeta", **DAY_31),
    case("no channel at all, day 31", BASELINE, INELIGIBLE, "baseline.sent", channel="", **DAY_31),
    # Media sold new.
    case("new book, day 30", MEDIA_NEW, ELIGIBLE, "amazon-media-new.sent", **MEDIA, **DAY_30),
    case("new book, day 31", MEDIA_NEW, INELIGIBLE, "amazon-media-new.sent", **MEDIA, **DAY_31),
    case("new book still sealed", MEDIA_NEW, ELIGIBLE, "amazon-media-new.sent",
         **MEDIA, **IN_TIME, opened=False),
    case("new book opened", MEDIA_NEW, CONSULT, "media-opened", **MEDIA, **IN_TIME, opened=True),
    case("new disc, film torn", MEDIA_NEW, CONSULT, "media-opened",
         **MEDIA, **IN_TIME, findings=["seal_broken"]),
    case("new book opened, too late", MEDIA_NEW, INELIGIBLE, "amazon-media-new.sent",
         **MEDIA, **DAY_31, opened=True),
    case("new disc opened because defective", OURS, ELIGIBLE, "amazon-media-new.sent",
         **MEDIA, **IN_TIME, opened=True, reason="DEFECTIVE"),
    case("new disc opened, own shop", OURS, CONSULT, "media-opened",
         **MEDIA, **IN_TIME, opened=True, channel="shop"),
    # Media sold used, a defect: two clocks.
    case("used book, defect, posted day 30 after the estimate, reported day 14", MEDIA_USED, ELIGIBLE,
         "amazon-media-used-defect.sent", **DEFECTIVE_MEDIA | {"defect_reported_on": "2026-10-16",
         "postmarked_on": "2026-11-05"}),
    case("used book, defect, posted day 31 after the estimate", MEDIA_USED, CONSULT,
         "amazon-media-used-defect.sent", **DEFECTIVE_MEDIA, postmarked_on="2026-11-06"),
    case("used book, defect, reported on day 15", MEDIA_USED, CONSULT,
         "amazon-media-used-defect.defect_reported", **DEFECTIVE_MEDIA | {"defect_reported_on": "2026-10-17",
         "postmarked_on": "2026-10-20"}),
    case("used book, first use failed: a defect too", MEDIA_USED, CONSULT,
         "amazon-media-used-defect.defect_reported", **DEFECTIVE_MEDIA | {"reason": "DEFECT_FIRST_USE",
         "defect_reported_on": "2026-10-17", "postmarked_on": "2026-10-20"}),
    case("used book, defect, no estimate known", OURS, CONSULT, "amazon-media-used-defect.sent",
         **DEFECTIVE_MEDIA | {"latest_estimated_on": None} | IN_TIME),
    case("used book, defect, delivery unknown: reported within 14 days of the estimate", OURS, ELIGIBLE,
         "amazon-media-used-defect.sent", **DEFECTIVE_MEDIA | {"delivered_on": None,
         "defect_reported_on": "2026-10-20"} | DAY_30),
    case("used book, changed mind, day 30 after delivery", OURS, ELIGIBLE, "amazon.sent",
         **USED_MEDIA, **DAY_30),
    case("used book, changed mind, day 31 after delivery", OURS, INELIGIBLE, "amazon.sent",
         **USED_MEDIA, **DAY_31),
    case("used book, damaged in transit: no defect to report", OURS, ELIGIBLE, "amazon.sent",
         **USED_MEDIA | {"reason": "DAMAGED_TRANSIT", "defect_reported_on": "2026-10-30"} | DAY_30),
    case("used book has no seal", OURS, ELIGIBLE, "amazon.sent", **USED_MEDIA, **IN_TIME, opened=True),
    # Software.
    case("new software, nobody has looked yet", SOFTWARE_NEW, ELIGIBLE, "amazon.sent", **SOFTWARE),
    case("new software, sealed", SOFTWARE_NEW, ELIGIBLE, "amazon.sent", **SOFTWARE, opened=False),
    case("new software, opened, no defect", SOFTWARE_NEW, CONSULT, "software-opened",
         **SOFTWARE, opened=True),
    case("new software, opened, defective", SOFTWARE_NEW, ELIGIBLE, "amazon.sent",
         **SOFTWARE, opened=True, reason="DEFECTIVE"),
    case("new software, opened, a defect found at the dock", SOFTWARE_NEW, ELIGIBLE, "amazon.sent",
         **SOFTWARE, opened=True, defect_found=True),
    case("software by day 30", OURS, ELIGIBLE, "amazon.sent", **SOFTWARE | DAY_30),
    case("software by day 31", OURS, INELIGIBLE, "amazon.sent", **SOFTWARE | DAY_31),
    case("used software, no defect", SOFTWARE_USED, CONSULT, "software-used",
         **SOFTWARE | {"sold_as": "used"}),
    case("used software, defective", SOFTWARE_USED, ELIGIBLE, "amazon.sent",
         **SOFTWARE | {"sold_as": "used", "reason": "DEFECTIVE"}),
    case("new software opened, own shop", OURS, CONSULT, "software-opened",
         **SOFTWARE, opened=True, channel="shop"),
    case("used software, own shop", OURS, ELIGIBLE, "shop.sent",
         **SOFTWARE | {"sold_as": "used", "channel": "shop"}),
    # Electronics.
    case("phone, day 30", ELECTRONICS, ELIGIBLE, "amazon-electronics.sent", **PHONE, **DAY_30),
    case("phone, day 31", ELECTRONICS, INELIGIBLE, "amazon-electronics.sent", **PHONE, **DAY_31),
    case("phone, a change of mind has nothing to report", REPORT, ELIGIBLE, "amazon-electronics.sent",
         **PHONE, **DAY_30, defect_reported_on="2026-10-30"),
    case("phone, defect reported day 14", REPORT, ELIGIBLE, "amazon-electronics.sent",
         **PHONE, **DAY_30, reason="DEFECTIVE", defect_reported_on="2026-10-16"),
    case("phone, defect reported day 15", REPORT, CONSULT, "amazon-electronics.defect_reported",
         **PHONE, **DAY_30, reason="DEFECTIVE", defect_reported_on="2026-10-17"),
    case("used phone, damage reported day 15", REPORT, CONSULT, "amazon-electronics.defect_reported",
         **PHONE, **DAY_30, sold_as="used", reason="DAMAGED_TRANSIT", defect_reported_on="2026-10-17"),
    case("phone, defect reported in time, posted day 31", REPORT, CONSULT, "amazon-electronics.sent",
         **PHONE, **DAY_31, reason="DEFECTIVE", defect_reported_on="2026-10-09"),
    case("phone, wrong item sent: no defect to report", REPORT, ELIGIBLE, "amazon-electronics.sent",
         **PHONE, **DAY_30, reason="WRONG_ITEM_SENT"),
    case("defective kettle: only electronics are reported", REPORT, ELIGIBLE, "amazon.sent",
         category="appliance", reason="DEFECTIVE", defect_reported_on="2026-10-30", **DAY_30),
    case("phone, report date unknown, told with the request on day 14", OURS, ELIGIBLE,
         "amazon-electronics.sent", **PHONE, **DAY_30, reason="DEFECTIVE", requested_on="2026-10-16"),
    case("phone, report date unknown, requested on day 15", OURS, CONSULT,
         "amazon-electronics.defect_reported", **PHONE, **DAY_30, reason="DEFECTIVE",
         requested_on="2026-10-17"),
    case("phone, report date unknown, received on day 14", OURS, ELIGIBLE, "amazon-electronics.sent",
         **PHONE, reason="DEFECTIVE", received_on="2026-10-16"),
    case("phone, report date unknown, posted on day 14", OURS, ELIGIBLE, "amazon-electronics.sent",
         **PHONE, reason="DEFECTIVE", postmarked_on="2026-10-16"),
    case("phone, report date unknown, nothing before day 27", OURS, CONSULT,
         "amazon-electronics.defect_reported", **PHONE, reason="DEFECTIVE", postmarked_on="2026-10-29"),
    case("phone, too late and reported too late: never refused without a person", OURS, CONSULT,
         "amazon-electronics.sent", **PHONE, **DAY_31, reason="DEFECTIVE", defect_reported_on="2026-10-17"),
    # Laptops and desktops.
    case("laptop, day 30", COMPUTERS, ELIGIBLE, "amazon-electronics.sent", **LAPTOP, **DAY_30),
    case("laptop, day 31", COMPUTERS, INELIGIBLE, "amazon-electronics.sent", **LAPTOP, **DAY_31),
    case("laptop, day 31, the seller gives 60 days", COMPUTERS, INELIGIBLE, "computers",
         **LAPTOP, **DAY_31, windows={"amazon-electronics": 60}),
    case("desktop, day 31, the seller gives 60 days", COMPUTERS, INELIGIBLE, "computers",
         category="general", device_class="desktop", windows={"amazon": 60}, **DAY_31),
    case("desktop, day 30, the seller gives 60 days", COMPUTERS, ELIGIBLE, "amazon.sent",
         category="general", device_class="desktop", windows={"amazon": 60}, **DAY_30),
    case("defective laptop, day 31, the seller gives 60 days", OURS, CONSULT, "computers",
         **LAPTOP, **DAY_31, reason="DEFECTIVE", defect_reported_on="2026-10-09",
         windows={"amazon-electronics": 60}),
    case("laptop, own shop with 60 days, day 31", OURS, ELIGIBLE, "shop.sent",
         **LAPTOP, **DAY_31, channel="shop", windows={"shop": 60}),
    case("laptop, delivery unknown", OURS, ELIGIBLE, "no_delivery_date",
         **LAPTOP, **DAY_31, delivered_on=None),
    # Dangerous goods.
    case("flammable", DANGEROUS, INELIGIBLE, "flammable", hazard="flammable", **IN_TIME),
    case("gas", DANGEROUS, INELIGIBLE, "gas", hazard="gas", **IN_TIME),
    case("lithium is no ground to refuse", DANGEROUS, ELIGIBLE, "amazon.sent", hazard="lithium", **IN_TIME),
    case("flammable, own shop", OURS, ELIGIBLE, "shop.sent", hazard="flammable", channel="shop", **IN_TIME),
    case("flammable and defective", OURS, CONSULT, "flammable",
         hazard="flammable", reason="QUALITY", **IN_TIME),
    # FBA.
    case("FBA, day 30", FBA_WINDOW, ELIGIBLE, "amazon.sent", fulfilment="fba", **DAY_30),
    case("FBA, day 31", FBA_WINDOW, INELIGIBLE, "amazon.sent", fulfilment="fba", **DAY_31),
    case("FBA, perishable", FBA, INELIGIBLE, "fba-perishable",
         fulfilment="fba", category="perishable", **IN_TIME),
    case("FBA, intimate", FBA, INELIGIBLE, "fba-intimate", fulfilment="fba", category="intimate", **IN_TIME),
    case("FBA, dangerous, sold elsewhere", FBA, INELIGIBLE, "fba-dangerous",
         fulfilment="fba", channel="shop", hazard="gas", **IN_TIME),
    case("FBA, lithium", FBA, ELIGIBLE, "amazon.sent", fulfilment="fba", hazard="lithium", **IN_TIME),
    case("perishable, not FBA", OURS, CONSULT, "perishable", category="perishable", **IN_TIME),
    case("perishable, not FBA, too late", OURS, INELIGIBLE, "amazon.sent", category="perishable", **DAY_31),
    case("intimate, not FBA", FBA, ELIGIBLE, "amazon.sent", category="intimate", **IN_TIME),
    # Abroad.
    case("from abroad, day 30", ABROAD, ELIGIBLE, "amazon.sent", country="CH", **DAY_30),
    case("from abroad, day 31", ABROAD, INELIGIBLE, "amazon.sent", country="CH", **DAY_31),
    # Hygiene, made to measure.
    case("hygiene seal intact", OURS, ELIGIBLE, "amazon.sent", hygiene=True, opened=True, **IN_TIME),
    case("hygiene seal broken", OURS, CONSULT, "hygiene",
         hygiene=True, opened=True, findings=["hygiene_seal_broken"], **IN_TIME),
    case("made to measure", OURS, CONSULT, "made-to-measure", category="made_to_measure", **IN_TIME),
    # Which date is compared.
    case("the postmark, not the later receipt", OURS, ELIGIBLE, "amazon.sent",
         **DAY_30, received_on="2026-11-09"),
    case("the postmark, not the earlier request", OURS, INELIGIBLE, "amazon.sent",
         **DAY_31, requested_on="2026-10-20"),
    case("no postmark: the request, day 30", OURS, ELIGIBLE, "amazon.sent", requested_on="2026-11-01"),
    case("no postmark: the request, day 31", OURS, INELIGIBLE, "amazon.sent", requested_on="2026-11-02"),
    case("neither: the receipt, day 30", OURS, ELIGIBLE, "amazon.sent", received_on="2026-11-01"),
    case("neither: the receipt, day 31", OURS, INELIGIBLE, "amazon.sent", received_on="2026-11-02"),
    case("requested after it had arrived in time", OURS, ELIGIBLE, "amazon.sent",
         requested_on="2026-11-05", received_on="2026-10-30"),
    case("asked what if it came on day 20, but the postmark is known", OURS, INELIGIBLE, "amazon.sent",
         **DAY_31, received_on="2026-10-22"),
    # Dates that are missing.
    case("no delivery date: 30 days from the estimate", OURS, ELIGIBLE, "amazon.sent",
         delivered_on=None, latest_estimated_on="2026-10-02", **DAY_30),
    case("no delivery date: 31 days from the estimate", OURS, INELIGIBLE, "amazon.sent",
         delivered_on=None, latest_estimated_on="2026-10-02", **DAY_31),
    case("neither delivery nor estimate", OURS, ELIGIBLE, "no_delivery_date", delivered_on=None, **DAY_31),
    case("the estimate does not replace a known delivery", OURS, INELIGIBLE, "amazon.sent",
         latest_estimated_on="2026-10-10", **DAY_31),
    # Reasons that change the way.
    case("never delivered: no window", OURS, ELIGIBLE, "undelivered", reason="UNDELIVERED", **DAY_31),
    case("never delivered laptop", OURS, ELIGIBLE, "undelivered", reason="UNDELIVERED", **LAPTOP, **DAY_31),
    case("never delivered, but flammable", OURS, INELIGIBLE, "flammable",
         reason="UNDELIVERED", hazard="flammable", **DAY_31),
    case("no reason, in time", OURS, ELIGIBLE, "amazon.sent", reason="NO_REASON", **DAY_30),
    case("no reason, too late: ask first", OURS, CONSULT, "amazon.sent", reason="NO_REASON", **DAY_31),
    case("a reason nobody knows, too late", OURS, CONSULT, "amazon.sent", reason="ZZZ", **DAY_31),
    case("changed mind, too late, a defect found at the dock", OURS, CONSULT, "amazon.sent",
         defect_found=True, **DAY_31),
    # The calendar: civil dates, so neither clocks nor month lengths matter.
    case("across the end of a leap February, day 30", DEFAULT, ELIGIBLE, "amazon.sent",
         delivered_on="2028-01-31", postmarked_on="2028-03-01"),
    case("across the end of a leap February, day 31", DEFAULT, INELIGIBLE, "amazon.sent",
         delivered_on="2028-01-31", postmarked_on="2028-03-02"),
    case("across the end of a common February, day 30", DEFAULT, ELIGIBLE, "amazon.sent",
         delivered_on="2027-01-31", postmarked_on="2027-03-02"),
    case("across the end of a common February, day 31", DEFAULT, INELIGIBLE, "amazon.sent",
         delivered_on="2027-01-31", postmarked_on="2027-03-03"),
    case("delivered on 29 February, day 30", DEFAULT, ELIGIBLE, "amazon.sent",
         delivered_on="2028-02-29", postmarked_on="2028-03-30"),
    case("delivered on 29 February, day 31", DEFAULT, INELIGIBLE, "amazon.sent",
         delivered_on="2028-02-29", postmarked_on="2028-03-31"),
    case("across new year, day 30", DEFAULT, ELIGIBLE, "amazon.sent",
         delivered_on="2026-12-15", postmarked_on="2027-01-14"),
    case("across new year, day 31", DEFAULT, INELIGIBLE, "amazon.sent",
         delivered_on="2026-12-15", postmarked_on="2027-01-15"),
    case("across the night the clocks go forward, day 30", DEFAULT, ELIGIBLE, "amazon.sent",
         delivered_on="2027-03-15", postmarked_on="2027-04-14"),
    case("across the night the clocks go forward, day 31", DEFAULT, INELIGIBLE, "amazon.sent",
         delivered_on="2027-03-15", postmarked_on="2027-04-15"),
    case("no law, so Sunday 1 November moves nothing", DEFAULT, INELIGIBLE, "amazon.sent", **DAY_31),
    # A seller's own number of days.
    case("60 days, day 60", LONGER, ELIGIBLE, "amazon.sent",
         windows={"amazon": 60}, postmarked_on="2026-12-01"),
    case("60 days, day 61", LONGER, INELIGIBLE, "amazon.sent",
         windows={"amazon": 60}, postmarked_on="2026-12-02"),
    case("7 days count for nothing", LONGER, ELIGIBLE, "amazon.sent", windows={"amazon": 7}, **DAY_30),
    case("another row's 60 days", LONGER, INELIGIBLE, "amazon.sent", windows={"shop": 60}, **DAY_31),
    case("60 days to send leave 14 to report", OURS, CONSULT, "amazon-electronics.defect_reported",
         **PHONE, reason="DEFECTIVE", defect_reported_on="2026-10-17", postmarked_on="2026-12-01",
         windows={"amazon-electronics": 60}),
]
# fmt: on


@pytest.mark.parametrize(("source", "outcome", "decided_by", "facts"), CASES)
def test_verdict(source: str, outcome: Outcome, decided_by: str, facts: dict[str, Any]) -> None:
    verdict = judged(**facts)

    assert (verdict.outcome, verdict.reasons[0].code) == (outcome, decided_by), source
    assert verdict.reasons[0].met == (outcome is ELIGIBLE)


def test_every_window_and_exclusion_decides_some_case() -> None:
    tried = {decided_by for _, _, decided_by, _ in (case.values for case in CASES)}
    rows = {f"{row.id}.{window.until}" for row in RULES.rows for window in row.windows}

    assert rows | {exclusion.id for exclusion in RULES.exclusions} <= tried


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


@pytest.mark.parametrize(
    ("facts", "ask"),
    [
        pytest.param({"received_on": "2026-11-01"}, (), id="received on the last day"),
        pytest.param({"received_on": "2026-11-02"}, ("postmarked_on",), id="received a day later"),
        pytest.param(
            {"received_on": "2026-11-02", "requested_on": "2026-10-20"},
            ("postmarked_on",),
            id="accepted by the request, received later",
        ),
        pytest.param({"received_on": "2026-11-09", **DAY_30}, (), id="the postmark is known"),
        pytest.param(
            {"received_on": "2026-11-20", "windows": {"amazon": 60}},
            (),
            id="received within the seller's days",
        ),
        pytest.param(
            {"received_on": "2026-11-20", "windows": {"amazon-electronics": 60}, **LAPTOP},
            ("postmarked_on",),
            id="received after the limit for laptops",
        ),
        pytest.param({"delivered_on": None}, (), id="no window can be counted"),
        pytest.param({"reason": "UNDELIVERED"}, (), id="no window runs"),
        pytest.param({"reason": "NO_REASON", **DAY_30}, ("reason",), id="no reason"),
        pytest.param({"reason": "NO_REASON"}, ("postmarked_on", "reason"), id="both"),
    ],
)
def test_what_the_screen_may_ask_for(facts: dict[str, Any], ask: tuple[str, ...]) -> None:
    assert judged(**facts).ask == ask


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
    # Day 31 of 30: a possible defect or an unknown reason goes to a person; UNDELIVERED has no window.
    late = CONSULT if defect or code == "NO_REASON" else ELIGIBLE if code == "UNDELIVERED" else INELIGIBLE
    assert judged(reason=code, **DAY_31).outcome is late


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


@pytest.mark.parametrize(
    ("facts", "outcome"),
    [
        pytest.param({"delivered_on": "2026-11-01", "postmarked_on": "2027-01-31"}, ELIGIBLE, id="first day, last day"),
        pytest.param({"delivered_on": "2026-11-01", "postmarked_on": "2027-02-01"}, INELIGIBLE, id="a day too late"),
        pytest.param({"delivered_on": "2026-10-31", "postmarked_on": "2026-12-01"}, INELIGIBLE, id="delivered before"),
        pytest.param({"delivered_on": "2026-12-25", "postmarked_on": "2027-01-31"}, ELIGIBLE, id="delivered last"),
        pytest.param({"delivered_on": "2026-12-26", "postmarked_on": "2027-01-26"}, INELIGIBLE, id="delivered after"),
        pytest.param(
            {"delivered_on": "2026-11-01", "postmarked_on": "2027-01-31", "channel": "shop"},
            INELIGIBLE,
            id="another channel",
        ),
        pytest.param(
            {"delivered_on": "2026-12-20", "postmarked_on": "2027-02-18", "windows": {"amazon": 60}},
            ELIGIBLE,
            id="a seller's longer window stays",
        ),
        pytest.param(
            {"delivered_on": "2026-11-01", "postmarked_on": "2026-12-02", **LAPTOP},
            INELIGIBLE,
            id="laptops stay at 30 days",
        ),
        pytest.param(
            {
                "delivered_on": "2026-11-01",
                "postmarked_on": "2027-01-31",
                "defect_reported_on": "2026-11-16",
                "reason": "DEFECTIVE",
                **PHONE,
            },
            CONSULT,
            id="a report is due as ever",
        ),
    ],
)
def test_a_longer_return_season(facts: dict[str, Any], outcome: Outcome) -> None:
    assert judged(with_rows(extensions=[PRESENTS]), **facts).outcome is outcome


def test_an_extended_window_says_its_days() -> None:
    verdict = judged(with_rows(extensions=[PRESENTS]), delivered_on="2026-11-01", postmarked_on="2027-01-20")

    assert str(verdict.reasons[0].message) == "delivered 2026-11-01, postmarked 2027-01-20: day 80 of 91"


LEGAL = {
    "id": "withdrawal",
    "source": "ours",
    "channel": "law",
    "statutory": True,
    "windows": [{"days": 14, "since": "delivered", "until": "sent"}],
}


@pytest.mark.parametrize(
    ("delivered_on", "last_day"),
    [
        pytest.param("2026-11-02", "2026-11-16", id="a Monday stays"),
        pytest.param("2026-10-31", "2026-11-16", id="Saturday 14 November to Monday"),
        pytest.param("2026-11-01", "2026-11-16", id="Sunday 15 November to Monday"),
        pytest.param("2026-10-28", "2026-11-12", id="11 November to the 12th"),
        pytest.param("2026-12-11", "2026-12-28", id="Friday 25 December over the weekend"),
        pytest.param("2026-12-18", "2027-01-04", id="Friday 1 January over the weekend"),
        pytest.param("2026-03-23", "2026-04-07", id="Easter Monday to Tuesday"),
        pytest.param("2027-04-22", "2027-05-07", id="Ascension to Friday"),
    ],
)
def test_a_statutory_last_day_moves_to_the_next_working_day(delivered_on: str, last_day: str) -> None:
    rules = with_rows(LEGAL)
    day_after = date.fromisoformat(last_day) + timedelta(days=1)

    in_time = judged(rules, channel="law", delivered_on=delivered_on, postmarked_on=last_day)
    too_late = judged(rules, channel="law", delivered_on=delivered_on, postmarked_on=day_after.isoformat())

    assert (in_time.outcome, too_late.outcome) == (ELIGIBLE, INELIGIBLE)


def test_a_marketplaces_last_day_does_not_move() -> None:
    promise = LEGAL | {"statutory": False}
    facts = {"channel": "law", "delivered_on": "2026-10-28", "postmarked_on": "2026-11-12"}

    assert judged(with_rows(promise), **facts).outcome is INELIGIBLE
    assert judged(with_rows(LEGAL), **facts).outcome is ELIGIBLE


def test_a_week_has_a_working_day() -> None:
    with pytest.raises(ValidationError, match="at most 6"):
        Calendar(weekend=(1, 2, 3, 4, 5, 6, 7))


def test_the_calendar_ends_one_day() -> None:
    assert Calendar(dates=(date.max,)).working(date.max) == date.max


def test_customs_bar_goods_of_a_country() -> None:
    rules = with_exclusion(id="customs", source=CUSTOMS, label="seeds", country="CH", category="plants", effect="hard")

    assert judged(rules, country="CH", category="plants", **IN_TIME).outcome is INELIGIBLE
    assert judged(rules, country="FR", category="plants", **IN_TIME).outcome is ELIGIBLE
    assert judged(rules, country="CH", category="toys", **IN_TIME).outcome is ELIGIBLE


def opened_software(**change: Any) -> PolicyRules:
    shipped = next(row for row in SHIPPED["exclusions"] if row["id"] == "software-opened")
    return with_exclusion(**shipped | change)


def test_a_seller_may_take_back_what_could_be_refused() -> None:
    accepting = opened_software(accepted_by="lumo")
    verdict = judged(accepting, **SOFTWARE, opened=True)

    assert verdict.outcome is ELIGIBLE
    assert str(verdict.reasons[1].message) == "the seller accepts it: exclusion.software-opened"
    assert judged(opened_software(accepted_by="other"), **SOFTWARE, opened=True).outcome is CONSULT


def test_a_seller_may_always_refuse_what_could_be_refused() -> None:
    refusing = opened_software(id="lumo-software", seller="lumo", effect="hard")

    assert judged(refusing, **SOFTWARE, opened=True).outcome is INELIGIBLE
    assert judged(refusing, **SOFTWARE, opened=True, defect_found=True).outcome is ELIGIBLE


def test_a_seller_with_its_own_row() -> None:
    own = {"id": "lumo", "source": "ours", "seller": "lumo", "category": "toys", "windows": [{"days": 90}]}
    verdict = judged(with_rows(own), category="toys", postmarked_on="2026-12-31")

    assert (verdict.outcome, verdict.policy) == (ELIGIBLE, "lumo")


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


def test_a_baseline_of_14_days_is_allowed() -> None:
    rules = PolicyRules.model_validate(
        SHIPPED | {"rows": [{"id": "all", "source": BASELINE, "windows": [{"days": 14}]}]}
    )

    assert judged(rules, postmarked_on="2026-10-16").outcome is ELIGIBLE
    assert judged(rules, postmarked_on="2026-10-17").outcome is INELIGIBLE


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


# ── What holds for every return ─────────────────────────────────────────────────────────────────────────────

dates = st.none() | st.dates(date(2026, 1, 1), date(2026, 6, 30)) | st.dates()
facts = st.fixed_dictionaries(
    {
        "channel": st.sampled_from(["amazon", "shop", ""]),
        "fulfilment": st.sampled_from(["seller", "fba"]),
        "country": st.sampled_from(["", "FR", "CH"]),
        "category": st.sampled_from(
            ["media", "software", "electronics", "perishable", "intimate", "made_to_measure", "general"]
        ),
        "device_class": st.sampled_from(["", "phone", "laptop", "desktop"]),
        "hazard": st.sampled_from(["", "flammable", "gas", "lithium"]),
        "sold_as": st.sampled_from(["new", "used"]),
        "reason": st.sampled_from([row[0] for row in REASONS] + ["", "ZZZ"]),
        "requested_on": dates,
        "delivered_on": dates,
        "latest_estimated_on": dates,
        "defect_reported_on": dates,
        "postmarked_on": dates,
        "received_on": st.dates(date(2026, 1, 1), date(2026, 6, 30)).map(date.isoformat),
        "findings": st.sets(st.sampled_from(["opened", "seal_broken", "hygiene_seal_broken", "worn"])),
        "opened": st.sampled_from([None, True, False]),
        "defect_found": st.booleans(),
        "windows": st.dictionaries(st.sampled_from([row.id for row in RULES.rows]), st.integers(-5, 10**9)),
    }
)
POSSIBLE_DEFECTS = [code for code, *_, defect in REASONS if defect]


@given(facts, st.sampled_from([*POSSIBLE_DEFECTS, None]))
def test_a_possible_defect_is_never_refused(known: dict[str, Any], reason: str | None) -> None:
    known |= {"reason": reason} if reason else {"defect_found": True}

    verdict = judged(**known)

    assert verdict.possible_defect
    assert verdict.outcome is not INELIGIBLE


@given(facts)
def test_every_return_has_a_verdict_that_its_reasons_bear_out(known: dict[str, Any]) -> None:
    verdict = judged(**known)

    assert verdict.reasons
    assert (verdict.outcome is ELIGIBLE) == all(reason.met for reason in verdict.reasons)
    assert verdict.reasons[0].met == (verdict.outcome is ELIGIBLE)
    assert ("reason" in verdict.ask) == (known["reason"] in ("", "ZZZ", "NO_REASON"))


@given(facts, st.sampled_from([row.id for row in RULES.rows]), st.integers(0, 400))
def test_more_days_from_the_seller_never_cost_an_acceptance(known: dict[str, Any], row: str, more: int) -> None:
    before = judged(**known)
    longer = known["windows"] | {row: known["windows"].get(row, 0) + more}

    after = judged(**known | {"windows": longer})

    assert before.outcome is not ELIGIBLE or after.outcome is ELIGIBLE


@given(facts, st.dates(date(2026, 1, 1), date(2026, 6, 30)), st.integers(0, 60))
def test_posting_earlier_never_costs_an_acceptance(known: dict[str, Any], postmarked: date, days: int) -> None:
    later = judged(**known | {"postmarked_on": postmarked})
    earlier = judged(**known | {"postmarked_on": postmarked - timedelta(days=days)})

    assert later.outcome is not ELIGIBLE or earlier.outcome is ELIGIBLE


@given(st.dates(date(2000, 1, 1), date(2100, 1, 1)))
def test_day_30_passes_and_day_31_does_not_wherever_the_month_ends(delivered: date) -> None:
    outcomes = [
        judged(delivered_on=delivered, postmarked_on=delivered + timedelta(days=day)).outcome for day in (30, 31)
    ]

    assert outcomes == [ELIGIBLE, INELIGIBLE]


def test_the_shipped_rows_name_their_sources() -> None:
    sources = {row.id: row.source for row in RULES.rows}
    sources |= {exclusion.id: exclusion.source for exclusion in RULES.exclusions}

    assert {id for id, source in sources.items() if source == OURS} == {
        "perishable",
        "hygiene",
        "made-to-measure",
    }
    assert all(source == OURS or source[:5] in ("000: ", "001: ") for source in sources.values())
