"""The table of decisions over the real command line: `import`, then `show RMA --on D --json` must say the same.

Every row that is a verdict on paper and assumes no rules but the shipped ones is imported. A few of each kind are
shown: the command takes its time, and the rest of the rows would go the same way.
"""

import csv
import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from stdnum import ean
from typer.testing import CliRunner

from inspect_station import cli
from inspect_station.core.cases import Case
from inspect_station.core.records import Kind

ROWS = tomllib.loads((Path(__file__).parent / "data" / "decisions.toml").read_text("utf-8"))["cases"]
FROM_A_LIST = (
    "channel", "fulfilment", "country", "reason", "sold_as", "quantity", "requested_on", "delivered_on",
    "latest_estimated_on", "defect_reported_on", "postmarked_on",
)  # fmt: skip
OF_THE_ARTICLE = ("category", "device_class", "hazard")
UNKNOWN_REASON = "FELL_OFF_A_CAMEL"
"""An import refuses it, as a reason that nobody knows cannot be reported to anybody."""


def on_paper(row: dict[str, Any]) -> bool:
    """Whether a list can announce it: nothing was seen yet, and no rules are assumed that a list cannot carry."""
    case = Case.model_validate({key: value for key, value in row.items() if key != "book"})
    unseen = case.digit is None and case.kind is Kind.UNIT and not case.findings
    return unseen and "book" not in row and not case.seller and not case.accepted and case.reason != UNKNOWN_REASON


PAPER = {f"C-{number:04}": Case.model_validate(row) for number, row in enumerate(ROWS) if on_paper(row)}
SHOWN = (
    "day 30 of 30, the last",
    "day 31 of 30, a day too late",
    "used book, defect reported on day 15",
    "used software, no defect",
    "delivered 2 October, postmarked 29 October = day 27 of 30; defect reported on day 19 of 14: ask the seller",
    "laptop, day 31",
    "FBA, gas, sold on another channel",
    "no postmark: the request, day 30",
    "no date at all",
    "never delivered laptop, day 31",
    "no reason given, day 31: ask before anything is refused",
    "delivered on 29 February 2028, day 30",
)

INSTANTS = {
    "posted at 23:59 in Paris on day 30": ("2026-10-02", "2026-11-01T22:59:00Z", "eligible", "day 30 of 30"),
    "posted at midnight in Paris, still day 30 in London": (
        "2026-10-02",
        "2026-11-01T23:00:00Z",
        "ineligible",
        "day 31 of 30",
    ),
    "the evening the clocks went back: 23:30, not 0:30": (
        "2026-09-25",
        "2026-10-25T22:30:00Z",
        "eligible",
        "day 30 of 30",
    ),
    "the evening the clocks went forward: 0:30, not 23:30": (
        "2026-02-27",
        "2026-03-29T22:30:00Z",
        "ineligible",
        "day 31 of 30",
    ),
}
"""Delivered, posted, verdict, day: days are civil days in the site's zone, which is Paris as shipped."""


def gtin(number: int) -> str:
    """The n-th article's number, with its check digit."""
    body = f"20{number:010}"
    return body + ean.calc_check_digit(body)


@pytest.fixture(scope="module")
def show(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., dict[str, Any]]:
    """Import all rows, and show one of them as JSON."""
    folder = tmp_path_factory.mktemp("decisions")
    (folder / "station.toml").write_text("[station]\ndata = 'data'\n")

    def inspect_station(*words: str) -> str:
        done = CliRunner().invoke(cli.app, [*words, "--config", str(folder / "station.toml")])
        assert done.exit_code == 0, done.output
        return done.stdout

    with (
        (folder / "products.csv").open("w", newline="") as products,
        (folder / "rmas.csv").open("w", newline="") as rmas,
    ):
        articles = csv.writer(products)
        announced = csv.writer(rmas)
        articles.writerow(["gtin", "seller", "title", *OF_THE_ARTICLE, "hygiene"])
        announced.writerow(["rma", "seller", "gtin", *FROM_A_LIST])
        for number, (rma, case) in enumerate(PAPER.items()):
            facts = [getattr(case, name) for name in OF_THE_ARTICLE]
            articles.writerow([gtin(number), "lumo", case.name, *facts, int(case.hygiene)])
            announced.writerow([rma, "lumo", gtin(number), *(getattr(case, name) or "" for name in FROM_A_LIST)])
        for number, (delivered, posted, _, _) in enumerate(INSTANTS.values()):
            told = {"channel": "amazon", "reason": "CHANGED_MIND", "delivered_on": delivered, "postmarked_on": posted}
            announced.writerow([f"I-{number:04}", "lumo", gtin(0), *(told.get(name, "") for name in FROM_A_LIST)])
    inspect_station("import", "products", str(folder / "products.csv"))
    inspect_station("import", "rmas", str(folder / "rmas.csv"))

    def shown(rma: str, on: str) -> dict[str, Any]:
        (line,) = json.loads(inspect_station("show", rma, "--on", on, "--json"))["lines"]
        return dict(line)

    return shown


@pytest.mark.parametrize("name", SHOWN)
def test_the_command_line_decides_as_the_table_says(show: Callable[..., dict[str, Any]], name: str) -> None:
    ((rma, case),) = [(rma, case) for rma, case in PAPER.items() if case.name == name]
    line = show(rma, case.arrived_on.isoformat())
    reasons = line["verdict"]["reasons"]
    decided = {
        "outcome": line["verdict"]["outcome"],
        "by": reasons[0]["code"],
        "failed": tuple(sorted(each["code"] for each in reasons if not each["met"])),
        "met": tuple(sorted(each["code"] for each in reasons if each["met"])),
        "ask": tuple(sorted(line["ask"])),
    }
    expected = {key: getattr(case.expect, key) for key in case.expect.model_fields_set & decided.keys()}

    assert line["title"] == name
    assert {key: decided[key] for key in expected} == expected
    assert all(each["text"] for each in reasons)


@pytest.mark.parametrize("name", INSTANTS)
def test_an_instant_counts_as_its_day_at_the_site(show: Callable[..., dict[str, Any]], name: str) -> None:
    _, _, outcome, day = INSTANTS[name]
    verdict = show(f"I-{list(INSTANTS).index(name):04}", "2026-12-31")["verdict"]

    assert verdict["outcome"] == outcome
    assert day in verdict["reasons"][0]["text"]


def test_most_of_the_table_can_come_out_of_a_list() -> None:
    assert len(PAPER) >= 150


def test_asked_about_as_if_received_on_a_day_a_recorded_postmark_stays(show: Callable[..., dict[str, Any]]) -> None:
    """`--on` is a question; a parcel that is in hand is another matter: nothing is posted after it has arrived."""
    posted = next(rma for rma, case in PAPER.items() if case.name == "day 31 of 30, a day too late")
    assert show(posted, "2026-10-20")["verdict"]["outcome"] == "ineligible"
