"""The daily report: what is counted, what is recovered, and three forms that say the same."""

import csv
import io
import json
from dataclasses import dataclass
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspect_station.reports import write
from inspect_station.reports.daily import Daily, Line, daily, recovered
from inspect_station.words import Voice

DAY = date(2026, 11, 22)


@dataclass(frozen=True)
class Unit:
    """Graded units of the day, one unless it is said how many."""

    seller: str = "lumo"
    grade: str | None = "used"
    disposition: str | None = "clearance"
    operator: str = "op1"
    units: int = 1
    photos: int = 1
    list_minor: int = 39900
    price_minor: int = 29925
    currency: str = "EUR"
    waiting: int = 0
    clock_suspect: int = 0


# what, unit, minor units; source: domain 3.5 "restock at list + clearance at price + 0 for the rest"
RECOVERED = [
    ("restock counts at list", Unit(grade="new", disposition="restock", price_minor=39900), 39900),
    ("clearance counts at its price", Unit(), 29925),
    ("hold counts nothing", Unit(disposition="hold"), 0),
    ("return to seller counts nothing", Unit(disposition="return_to_seller", price_minor=0), 0),
    ("clearance without a price", Unit(price_minor=0), 0),
]


@pytest.mark.parametrize(("unit", "minor"), [row[1:] for row in RECOVERED], ids=[row[0] for row in RECOVERED])
def test_value_recovered(unit, minor):
    assert recovered(unit) == minor


def test_units_are_grouped_by_seller_grade_disposition_operator_and_currency():
    units = [Unit(), Unit(photos=2), Unit(operator="op2", units=3, photos=4), Unit(currency="CHF"),
             Unit(grade=None, disposition="hold", waiting=1)]  # fmt: skip
    report = daily("DOCK-3", DAY, DAY, units)
    assert [(line.grade, line.operator, line.currency, line.units, line.photos) for line in report.lines] == [
        ("", "op1", "EUR", 1, 1),
        ("used", "op1", "CHF", 1, 1),
        ("used", "op1", "EUR", 2, 3),
        ("used", "op2", "EUR", 3, 4),
    ]
    assert (report.units, report.photos, report.waiting) == (7, 9, 1)
    assert [(money.currency, money.minor) for money in report.recovered] == [("CHF", 29925), ("EUR", 3 * 29925)]


def test_the_three_forms_say_the_same():
    report = daily("DOCK-3", DAY, DAY, [Unit(), Unit(grade="new", disposition="restock")])
    rows = list(csv.DictReader(io.StringIO(write.as_csv(report))))
    body = json.loads(write.as_json(report))
    text = write.as_text(report, Voice("en"))
    assert [row["recovered"] for row in rows] == ["399.00", "299.25"]
    assert [line["recovered"]["minor"] for line in body["lines"]] == [39900, 29925]
    assert body["schema"] == 1
    assert "€399.00" in text and "€299.25" in text and "€698.25" in text


@pytest.mark.parametrize(
    ("doubted", "said"),
    [
        pytest.param(0, "", id="none"),
        pytest.param(1, "▲ 1 unit was finished while its station's clock was not to be believed", id="one"),
        pytest.param(2, "▲ 2 units were finished while their stations' clocks were not to be believed", id="two"),
    ],
)
def test_units_of_a_clock_that_is_not_to_be_believed_are_told_in_all_forms(doubted, said):
    report = daily("DOCK-3", DAY, DAY, [Unit(clock_suspect=int(n < doubted)) for n in range(3)])
    (row,) = csv.DictReader(io.StringIO(write.as_csv(report)))
    body = json.loads(write.as_json(report))
    assert (row["units"], row["clock_suspect"]) == ("3", str(doubted))
    assert (body["clock_suspect"], body["lines"][0]["clock_suspect"]) == (doubted, doubted)
    text = write.as_text(report, Voice("en"))
    assert said in text if said else "clock" not in text


def test_an_empty_day_says_so():
    report = daily("DOCK-3", DAY, DAY, [])
    assert "no unit" in write.as_text(report, Voice("en"))
    assert len(write.as_csv(report).splitlines()) == 1
    assert json.loads(write.as_json(report))["lines"] == []


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_no_cell_of_the_csv_is_a_formula(start):
    hostile = f"{start}cmd|' /C calc'!A0"
    (row,) = csv.DictReader(io.StringIO(write.as_csv(Daily("D", DAY, DAY, (Line(hostile, "", "hold", "op", "EUR"),)))))
    assert row["seller"] == f"'{hostile}"


@given(st.text(st.sampled_from("=+-@\t\r\n'\",;a"), min_size=1, max_size=12))
def test_every_cell_is_quoted_and_comes_back_whole_in_its_place(text):
    written = write.as_csv(
        Daily("D", DAY, DAY, (Line(text, "", "hold", "op", "EUR"), Line("b", "", "hold", "op", "EUR")))
    )
    rows = list(csv.DictReader(io.StringIO(written, newline=""), strict=True))
    assert [row["operator"] for row in rows] == ["op", "op"]
    assert rows[0]["seller"] == (f"'{text}" if text[0] in "=+-@\t\r\n" else text)
    assert written.startswith('"station"') and written.endswith('"\r\n')


@given(st.lists(st.builds(Unit, seller=st.sampled_from("ab"), units=st.integers(1, 9), photos=st.integers(0, 9))))
def test_no_unit_is_lost_or_counted_twice(units):
    report = daily("D", DAY, DAY, units)
    assert report.units == sum(each.units for each in units)
    assert report.photos == sum(unit.photos for unit in units)
