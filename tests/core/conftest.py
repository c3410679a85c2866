"""The shipped rules, and a bench to judge one unit on; read as plain data, without the rest of the program."""

import tomllib
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from inspect_station.core.bench import Bench, judge
from inspect_station.core.records import Inspection, Line, Money, Product, Rma, Seller
from inspect_station.core.rules import Rules

TODAY = date(2026, 11, 22)
NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)

OnBench = Callable[..., tuple[Bench, Inspection]]


@pytest.fixture(scope="session")
def rules() -> Rules:
    """The rules as they are shipped."""
    shipped = tomllib.loads((Path(__file__).parents[2] / "station.toml").read_text(encoding="utf-8"))
    return Rules.model_validate({key: value for key, value in shipped.items() if key in Rules.model_fields})


@pytest.fixture
def on_bench(rules: Rules) -> OnBench:
    """Make a unit on the bench: delivered 20 days ago, sent back 4 days ago, 399,00 €, by the rules as they are shipped
    unless told otherwise."""

    def make(
        *,
        device_class: str = "",
        category: str = "general",
        hygiene: bool = False,
        hazard: str = "",
        seller: dict[str, Any] | None = None,
        open_units: int = 1,
        price: int | None = 39900,
        under: Rules | None = None,
        **line: Any,
    ) -> tuple[Bench, Inspection]:
        product = Product(
            seller="s",
            gtin="03760311200010",
            title="Article",
            category=category,
            device_class=device_class,
            hygiene=hygiene,
            hazard=hazard,
            price=None if price is None else Money(minor=price),
        )
        about = {
            "reason": "CHANGED_MIND",
            "delivered_on": TODAY - timedelta(20),
            "requested_on": TODAY - timedelta(6),
            "postmarked_on": TODAY - timedelta(4),
        } | line
        one = Line(no=1, gtin=product.gtin, **about)
        rma = Rma(seller="s", number="R-1", channel="amazon", lines=(one,))
        merchant = Seller(**({"code": "s", "name": "Seller"} | (seller or {})))
        bench = Bench(rules=under or rules, seller=merchant, received_on=TODAY, rma=rma, open_units=open_units)
        unit = Inspection(
            id="0190",
            lpn="LTEST00001X",
            station="DOCK-1",
            parcel="p",
            seller="s",
            rma="R-1",
            line=one,
            product=product,
            started_at=NOW,
            shown_at=NOW,
        )
        return bench, unit.but(verdict=judge(bench, unit))

    return make
