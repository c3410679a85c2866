"""What the screen says of the hub: of each unit whether it is there, and how it stands while the hub is not reached."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from inspect_station.core.records import Disposition, Grade, Review, Reviewed, Standing, instant
from inspect_station.store import Receipt
from inspect_station.store.values import EventState
from tests.tui.conftest import BADGES, PIN, Dock, Operator
from tests.tui.test_screens import ScreenText, cut

Look = Callable[[str], Awaitable[None]]


@pytest.fixture
def at_a_hub(folder: Path) -> None:
    """The station has a hub, at an address where nobody answers."""
    toml = folder / "station.toml"
    told = '[upstream]\nenabled = true\nurl = "http://127.0.0.1:9"\n'
    toml.write_text(toml.read_text(encoding="utf-8") + told, encoding="utf-8")


def mark(operator: Operator, state: EventState, code: str = "") -> None:
    """The hub says so of all that waits."""
    with operator.station.store.write() as writer:
        for event in writer.pending_events():
            unit = event.type.startswith("inspection.")
            writer.mark_events([Receipt(event.id, state, code) if unit else Receipt(event.id, "accepted")])


async def seal(operator: Operator, rma: str) -> None:
    await operator.start(rma, "lamp")
    await operator.press("1")


async def units(operator: Operator, look: Look) -> None:
    await seal(operator, "ML-4001")
    await look("saved here")
    mark(operator, "accepted")
    operator.app.notify_changed()
    await operator.rest()
    await look("received by the hub")
    await seal(operator, "ML-4101")
    mark(operator, "conflict", "line_conflict")
    await seal(operator, "ML-4102")
    await look("one needs attention")
    await operator.press("F4")
    await look("why")
    await operator.press("Esc")


async def alone(operator: Operator, look: Look) -> None:
    sync = operator.station.outbox.sync
    with operator.station.store.write() as writer:
        writer.set_meta("hub_seen_at", instant(operator.clock.now() - timedelta(days=2, hours=3)))
    await seal(operator, "ML-4001")
    sync._offline_since = operator.clock.now()
    operator.app.notify_changed()
    await operator.rest()
    await look("offline")


async def dispute(operator: Operator, look: Look) -> None:
    await seal(operator, "ML-4001")
    (unit,) = operator.station.desk().last
    here = Reviewed(
        station="DOCK-3",
        lpn=unit.lpn,
        grade=Grade.NEW,
        disposition=Disposition.RESTOCK,
        inspection=unit.id,
        standing=Standing.CONTESTED,
    )
    there = Reviewed(
        station="DOCK-1",
        lpn="L2FT100001T",
        grade=Grade.USED,
        disposition=Disposition.CLEARANCE,
        event="01",
        inspection="02",
    )
    mark(operator, "conflict", "line_conflict")
    with operator.station.store.write() as writer:
        told = here.but(event=writer.event_of(unit.id))
        review = Review(seller="lumo", rma="ML-4001", line=1, units=(there, told))
        writer.put_review(review, 1)
    operator.app.notify_changed()
    await operator.rest()
    await operator.press("F4")
    await look("two docks, one parcel")
    await operator.press("1")
    await look("what can be done")
    await operator.press("1")
    await look("only by a supervisor")
    await operator.scan(BADGES["supervisor"])
    await operator.write(PIN)
    await operator.press("Enter")
    await look("decided")
    await operator.press("F4")
    await look("until the hub has confirmed it")
    await operator.press("Esc")
    with operator.station.store.write() as writer:
        lost = told.but(standing=Standing.SUPERSEDED)
        writer.put_review(review.but(units=(there, lost), open=False), 2)
    operator.app.notify_changed()
    await operator.rest()
    await operator.press("F4")
    await look("the other dock counts")
    await operator.press("1")
    await look("its label")
    await operator.press("Enter")
    await look("nothing to do any more")


async def again(operator: Operator, look: Look) -> None:
    """Another look that a supervisor has ordered at another dock."""
    await seal(operator, "ML-4001")
    (unit,) = operator.station.desk().last
    with operator.station.store.write() as writer:
        here = Reviewed(station="DOCK-3", lpn=unit.lpn, inspection=unit.id, event=writer.event_of(unit.id))
        there = here.but(station="DOCK-1", lpn="L2FT100001T", inspection="02", event="01")
        writer.put_review(Review(seller="lumo", rma="ML-4001", line=1, units=(there, here), again=here), 1)
    mark(operator, "conflict", "line_conflict")
    operator.app.notify_changed()
    await operator.rest()
    await operator.press("F4")
    await look("a supervisor wants another look")
    await operator.press("1")
    await look("on the bench")


async def three(operator: Operator, look: Look) -> None:
    """Three docks: all of them are named, and every answer can be read."""
    await seal(operator, "ML-4001")
    (unit,) = operator.station.desk().last
    mark(operator, "conflict", "line_conflict")
    known = Reviewed(station="DOCK-1", lpn="L2FT100001T", grade=Grade.NEW, disposition=Disposition.RESTOCK)
    first = known.but(event="01", inspection="02")
    other = known.but(station="DOCK-2", lpn="L9KX400012D", event="03", inspection="04", standing=Standing.CONTESTED)
    other = other.but(grade=Grade.LIGHT, disposition=Disposition.REFURBISH)
    with operator.station.store.write() as writer:
        here = other.but(station="DOCK-3", lpn=unit.lpn, inspection=unit.id, event=writer.event_of(unit.id))
        writer.put_review(Review(seller="lumo", rma="ML-4001", line=1, units=(first, other, here)), 1)
    operator.app.notify_changed()
    await operator.rest()
    await operator.press("F4")
    await look("three docks, one parcel")
    await operator.press("1")
    await look("which counts")


@pytest.mark.parametrize("walk", [units, alone, dispute, again, three])
async def test_what_the_screen_says_of_the_hub(
    dock: Dock,
    at_a_hub: None,
    monkeypatch: pytest.MonkeyPatch,
    snapshot: SnapshotAssertion,
    walk: Callable[..., Awaitable[None]],
) -> None:
    monkeypatch.setattr("inspect_station.outbox.disk_days", lambda *_: 19)
    film: list[str] = []
    async with dock() as operator:

        async def look(name: str) -> None:
            film.append(f"══ {name} {'═' * (76 - len(name))}\n{await operator.screen()}")
            assert "sync" not in film[-1].lower()

        await walk(operator, look)
    assert "\n".join(film) == snapshot.use_extension(ScreenText)


@pytest.mark.parametrize("walk", [units, alone, dispute, again, three])
async def test_in_french_nothing_of_it_is_cut_at_80_columns(
    dock: Dock, at_a_hub: None, monkeypatch: pytest.MonkeyPatch, walk: Callable[..., Awaitable[None]]
) -> None:
    monkeypatch.setattr("inspect_station.outbox.disk_days", lambda *_: 19)
    async with dock(locale="fr", who="french") as operator:

        async def look(name: str) -> None:
            await operator.painted()
            # What the desk lists of a reason may end in "…": F4 has the whole of it.
            assert [each for each in cut(operator) if "cut:    ▲ L" not in each] == [], name

        await walk(operator, look)


async def test_in_french_every_answer_of_a_dispute_of_three_docks_can_be_read(dock: Dock, at_a_hub: None) -> None:
    async with dock(locale="fr", who="french") as operator:
        film: list[str] = []

        async def look(name: str) -> None:
            film.append(await operator.screen())

        await three(operator, look)
        for name in ("DOCK-1", "DOCK-2", "DOCK-3"):
            assert f"le résultat de {name} compte " in film[-1]
