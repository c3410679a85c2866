"""What takes long and is not what tests are about: waiting for a disk, and making the tables of a new store anew."""

import os
import shutil
from pathlib import Path

import pytest

MEMORY = Path("/dev/shm")
ROOM = 4 << 30
"""Bytes that are free there on any machine on which the suite should not wait for a disk."""

# Every commit waits for the disk several times. Kills leave what was written standing in memory, too, and power cuts are
# simulated (tests/store/test_powercut.py): no test learns anything from the waiting.
if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


@pytest.fixture(scope="session", autouse=True)
def _tables_are_made_once() -> None:
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

    Store._migrate = migrated  # type: ignore[method-assign]
