"""What the dock was told is saved is there, whenever the process dies; and processes do not undo one another.

``uv run python tools/crash.py --kills 1000`` kills more often; with ``--screens`` the screens in a terminal.
"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from inspect_station.store import Store
from tools.crash import campaign

COUNTER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from inspect_station.store import Store

with Store.open(Path(sys.argv[1]), clock=lambda: datetime.now(UTC), station="DOCK-3") as store:
    print("open", flush=True)
    sys.stdin.readline()
    for _ in range(200):
        with store.write() as writer:
            writer.set_meta("count", str(int(writer.meta("count") or 0) + 1))
"""


def test_whenever_the_station_is_killed_every_saved_unit_is_there_and_none_by_half(tmp_path: Path):
    """Fault 5, on the real station with its printing: each start finds what was confirmed, and goes on."""
    toll = campaign(20, tmp_path)
    assert not toll.wrong, "\n".join(toll.wrong)
    assert toll.kills == 20
    assert toll.confirmed >= 10, "the station was too slow to confirm anything"


def test_whenever_the_screens_are_killed_every_saved_unit_is_there(tmp_path: Path):
    """The same with the real screens in a terminal: what they were given to show is in the store."""
    toll = campaign(2, tmp_path, screens=True)
    assert not toll.wrong, "\n".join(toll.wrong)
    assert toll.confirmed >= 2


def test_two_processes_that_count_lose_nothing(folder: Path, opened: Callable[..., Store]):
    counters = [
        subprocess.Popen(
            [sys.executable, "-c", COUNTER, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    for counter in counters:
        assert counter.stdout is not None
        assert counter.stdout.readline() == "open\n"
    for counter in counters:
        assert counter.stdin is not None
        counter.stdin.write("go\n")
        counter.stdin.flush()
    for counter in counters:
        counter.communicate(timeout=60)
        assert counter.returncode == 0
    with opened().read() as reader:
        assert reader.meta("count") == "400"
