"""What is open on the bench and elsewhere: a hint that is told once, waits for nobody and runs out."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from inspect_station.core import wire
from inspect_station.message import msg
from inspect_station.outbox.opened import REST_S, TOO_OLD_S, Elsewhere, Opened
from inspect_station.upstream import Later, Moved, Refusal, Refused

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ONE, OTHER = ("lumo", "R-1"), ("lumo", "R-2")


def at(station: str, rma: str = "R-1", operator: str = "Ana", age_s: int = 0) -> wire.OpenAt:
    return wire.OpenAt(seller="lumo", rma=rma, station=station, operator=operator, age_s=age_s)


def says(*docks: wire.OpenAt) -> wire.OpenElsewhere:
    return wire.OpenElsewhere(hub_time=NOON, hub_epoch="e", docks=docks)


class Hub:
    """Answers what it is told to; in the place of `Upstream`."""

    def __init__(self) -> None:
        self.asked: list[tuple[list[tuple[str, str]], str]] = []
        self.answer: Any = says()
        self.meanwhile: Callable[[], object] = lambda: None

    def opened(self, rmas: Sequence[tuple[str, str]], operator: str) -> Any:
        self.asked.append((list(rmas), operator))
        self.meanwhile()
        return self.answer


class Bench:
    """One bench, and time that passes when it is told to."""

    def __init__(self) -> None:
        self.s = 0.0
        self.hub = Hub()
        self.opened = Opened(lambda: NOON + timedelta(seconds=self.s), lambda: self.s)

    def turn(self) -> None:
        """The thread that speaks to the hub has its turn."""
        self.opened.tell(self.hub)  # type: ignore[arg-type]

    def has(self, *rmas: tuple[str, str], unit: str = "", by: str = "Luc") -> None:
        self.opened.show(rmas, unit, by)
        self.turn()

    def shown(self) -> list[str]:
        return [each.station for each in self.opened.elsewhere]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_what_the_hub_says_of_the_return_is_shown_with_the_time_by_our_clock(bench: Bench) -> None:
    bench.hub.answer = says(at("DOCK-3", age_s=90))
    assert bench.shown() == []
    bench.has(ONE)
    assert bench.hub.asked == [([ONE], "Luc")]
    assert bench.opened.elsewhere == (Elsewhere("lumo", "R-1", "DOCK-3", "Ana", NOON - timedelta(seconds=90)),)


def test_nothing_is_told_while_nothing_changes(bench: Bench) -> None:
    for _ in range(3):
        bench.turn()
        bench.has()
    assert bench.hub.asked == []
    for _ in range(3):
        bench.has(ONE)
    assert len(bench.hub.asked) == 1


def test_the_next_unit_another_operator_and_leaving_are_told(bench: Bench) -> None:
    bench.has(ONE)
    bench.has(ONE, unit="L1")
    bench.has(ONE, unit="L1", by="Ana")
    bench.has()
    assert bench.hub.asked == [([ONE], "Luc"), ([ONE], "Luc"), ([ONE], "Ana"), ([], "")]
    assert [bench.opened.show(*what) for what in (([], "", "Ana"), ([ONE], "", "Ana"))] == [False, True]


def test_of_a_full_carton_no_more_is_told_than_a_hub_takes(bench: Bench) -> None:
    bench.has(*(("lumo", f"R-{n}") for n in range(20)))
    assert len(bench.hub.asked[0][0]) == wire.MAX_OPENED


def test_it_runs_out_a_quarter_of_an_hour_after_it_was_opened_there(bench: Bench) -> None:
    bench.hub.answer = says(at("DOCK-3", age_s=60), at("DOCK-4", age_s=0))
    bench.has(ONE)
    bench.s = 14 * 60 - 1
    assert bench.shown() == ["DOCK-3", "DOCK-4"]
    bench.s = 14 * 60
    assert bench.shown() == ["DOCK-4"]
    bench.s = 15 * 60
    assert bench.shown() == []


def test_only_what_is_open_here_is_shown(bench: Bench) -> None:
    bench.hub.answer = says(at("DOCK-3"), at("DOCK-4", rma="R-2"), at("DOCK-5", rma="R-9"))
    bench.has(ONE, OTHER)
    assert bench.shown() == ["DOCK-3", "DOCK-4"]
    bench.opened.show([ONE], "L1", "Luc")
    assert bench.shown() == ["DOCK-3"], "at once, and it stays while the hub is asked again"
    bench.opened.show([("nord", "R-1")], "", "Luc")
    assert bench.shown() == []


def test_an_answer_that_comes_when_the_bench_is_clear_is_shown_to_nobody(bench: Bench) -> None:
    bench.hub.answer = says(at("DOCK-3"))
    bench.hub.meanwhile = lambda: bench.opened.show([], "", "Luc")
    bench.has(ONE)
    assert bench.shown() == []


def test_what_was_left_and_is_opened_again_is_asked_for_anew(bench: Bench) -> None:
    bench.hub.answer = says(at("DOCK-3"))
    bench.has(ONE)
    bench.has()
    bench.opened.show([ONE], "", "Luc")
    assert bench.shown() == []
    bench.turn()
    assert bench.shown() == ["DOCK-3"]


AWAY = msg("nobody there")


@pytest.mark.parametrize(
    ("answer", "rest_s"),
    [
        pytest.param(Later(AWAY), REST_S, id="away"),
        pytest.param(Later(AWAY, after_s=3.0), REST_S, id="busy for a moment"),
        pytest.param(Later(AWAY, after_s=600.0), 600.0, id="busy for long"),
        pytest.param(Refused(Refusal.NOT_KNOWN, AWAY), REST_S, id="a token that is void"),
        pytest.param(Moved("another"), REST_S, id="another hub"),
        pytest.param(None, TOO_OLD_S, id="too old"),
    ],
)
def test_what_is_not_answered_is_lost_and_the_hub_is_left_alone(bench: Bench, answer: Any, rest_s: float) -> None:
    bench.hub.answer = answer
    bench.has(ONE)
    for n in range(5):
        bench.s = rest_s * n / 5
        bench.has(("lumo", f"R-{n}"))
        assert bench.shown() == []
    assert len(bench.hub.asked) == 1, "not at every parcel"
    bench.s, bench.hub.answer = rest_s, says(at("DOCK-3"))
    bench.has(ONE)
    assert len(bench.hub.asked) == 1, "that one was tried"
    bench.has(ONE, unit="L1")
    assert (len(bench.hub.asked), bench.shown()) == (2, ["DOCK-3"])


@pytest.mark.parametrize("age_s", [-(10**30), 10**30, 900], ids=["of the future", "of the stone age", "just over"])
def test_an_age_that_cannot_be_runs_out_in_time(bench: Bench, age_s: int) -> None:
    bench.hub.answer = says(at("DOCK-3", age_s=age_s))
    bench.has(ONE)
    bench.s = wire.OPENED_S
    assert bench.shown() == []


def test_hostile_text_is_cleaned_and_of_endless_docks_few_are_kept(bench: Bench) -> None:
    bench.hub.answer = says(*[at("\x1b]0;DOCK\u202e-3", operator="A\x07na" + "x" * 9999)] * 5000)
    bench.has(ONE)
    assert len(bench.opened.elsewhere) == wire.MAX_DOCKS
    (one,) = set(bench.opened.elsewhere)
    assert (one.station, one.operator) == ("]0;DOCK-3", f"Ana{'x' * 37}")
