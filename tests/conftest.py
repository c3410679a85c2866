"""What takes long and is not what tests are about: waiting for a disk, and making the tables of a new store anew."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

MEMORY = Path("/dev/shm")
ROOM = 2 << 30
"""Bytes to be free there: several times what the suite takes, most of it for PostgreSQL."""

LONGEST = (
    "test_simulator.py",
    "tui/test_scans_in_a_terminal.py",
    "test_station.py",
    "test_main_job.py",
    "test_cli.py",
    "faults/test_on_the_wire.py",
    "test_outbox.py",
    "hub/test_serve.py",
    "store/test_crash.py",
    "test_decode.py",
    "store/test_bad_disk.py",
    "store/test_cost.py",
    "store/test_migrations.py",
    "hub/test_killed.py",
    "hub/test_disputes.py",
    "hub/test_postgres.py",
    "tui/test_screens.py",
    "tui/test_parcels.py",
    "tui/test_hands.py",
    "store/test_powercut.py",
    "test_queue.py",
    "test_scannability.py",
    "hub/test_openapi.py",
    "test_label.py",
)
"""Files that take longest, to be begun first: two workers then end at about the same time."""

# Every commit waits for the disk several times. Kills leave what was written standing in memory, too, and power cuts
# are simulated (tests/store/test_powercut.py): no test learns anything from the waiting.
if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


@pytest.fixture(scope="session", autouse=True)
def _tables_are_made_once() -> Iterator[None]:
    """The file of a new store, before anything is in it, is the same each time: after the first it is copied.

    In this process alone: stores of processes that tests start are made as everywhere.
    """
    from inspect_station.store import Store, schema

    migrate = Store._migrate
    made: dict[str, bytes] = {}

    def migrated(store: Store) -> None:
        is_new = not store.file.exists() or not store.file.stat().st_size
        if is_new and schema.newest() in made:
            store.file.write_bytes(made[schema.newest()])
            return
        migrate(store)
        if is_new:
            made[schema.newest()] = store.file.read_bytes()

    with patch.object(Store, "_migrate", migrated):
        yield


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    begun = {Path(__file__).parent / name: place for place, name in enumerate(LONGEST)}
    if gone := [str(path) for path in begun if not path.is_file()]:
        raise pytest.UsageError(f"tests/conftest.py names files that are gone: {', '.join(gone)}")
    items.sort(key=lambda item: begun.get(item.path, len(begun)))
