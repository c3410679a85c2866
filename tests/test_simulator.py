"""Two hundred worlds, each made from its number, in which nothing that was promised is broken; and planted bugs are
found in them, for a checker that cannot fail proves nothing.

``python tools/simulate.py --seeds 10000`` makes as many as anybody wants. What a world brought to light has a test of
its own in test_outbox.py.
"""

import importlib.util
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

SEEDS, AT_ONCE = 200, 25
SHOWS_IN = {
    "the station takes any 200 for a receipt": 0,
    "the hub forgets what it has": 0,
    "a receipt counts for whatever stands in its place": 14,
    "the station drops what is answered by 400": 14,
    "the cursor is written before its page": 39,
    "a photo is deleted when it was sent": 17,
    "a store that was put back counts on": 177,
    "what the hub puts off counts as accepted": 0,
    "the hub answers before its commit": 4,
    "one event that breaks the hub holds up all": 2,
    "units that contradict each other all count": 0,
    "a save counts what waits for the hub": 0,
    "a save waits until it was sent": 0,
    "the hub is asked in the middle of a write": 0,
    "what the hub announces is kept as it came": 0,
    "what stations send is kept as it came": 0,
    "sentences hold what they were given as it is": 2,
    "saved is shown before it is": 4,
}
"""Where each was found last (`--bugs` tells): there it is looked for first."""
BACKLOG = 2000


@pytest.fixture(scope="module")
def simulate() -> Iterator[ModuleType]:
    path = Path(__file__).parents[1] / "tools" / "simulate.py"
    spec = importlib.util.spec_from_file_location("simulate", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["simulate"] = module
    spec.loader.exec_module(module)
    logging.disable(logging.CRITICAL)
    yield module
    logging.disable(logging.NOTSET)


@pytest.fixture(scope="module")
def made(simulate: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    prepared: Path = simulate.prepare(tmp_path_factory.mktemp("world"))
    return prepared


@pytest.mark.parametrize("first", range(0, SEEDS, AT_ONCE))
def test_whatever_happens_what_was_promised_is_so(simulate: ModuleType, made: Path, first: int) -> None:
    for seed in range(first, first + AT_ONCE):
        try:
            simulate.run(seed, made)
        except simulate.Violation as violation:
            pytest.fail(f"world {seed}: {violation} (python tools/simulate.py --from {seed} --seeds 1 --tell)")


def test_the_same_number_makes_the_same_world(simulate: ModuleType, made: Path) -> None:
    told: list[list[str]] = [[], []]
    for each in told:
        simulate.run(3, made, each.append)
    assert told[0] == told[1]
    assert len(told[0]) > 60


@pytest.mark.parametrize("bug", SHOWS_IN)
def test_a_planted_bug_is_found_by_these_worlds(simulate: ModuleType, made: Path, bug: str) -> None:
    assert simulate.BUGS.keys() == SHOWS_IN.keys()
    found = simulate.found(bug, made, (SHOWS_IN[bug], *range(SEEDS)))
    assert found is not None, "the worlds are too peaceful, or the checker is too weak"


def test_saving_is_as_much_work_with_thousands_waiting_however_it_stands_with_the_hub(
    simulate: ModuleType, made: Path
) -> None:
    told: list[str] = []
    simulate.backlog(made, BACKLOG, told.append)
    assert sum("saving a unit" in each for each in told) == 3, "with none, one and two photos"


def test_saving_that_counts_what_waits_is_found_out(simulate: ModuleType, made: Path) -> None:
    with (
        simulate.BUGS["a save counts what waits for the hub"](),
        pytest.raises(simulate.Violation, match=r"I14.*steps"),
    ):
        simulate.backlog(made, BACKLOG)
