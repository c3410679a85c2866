"""What SQLite and the disk say, said to people."""

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from inspect_station.errors import DiskFull, StoreError, StoreLocked
from inspect_station.message import Message, msg
from inspect_station.store.space import MB

PATIENCE = 5.0
"""Seconds to wait for another writer."""


@contextmanager
def told(file: Path) -> Iterator[None]:
    """Errors of SQLite inside, about this file, come out for people; mistakes of this program as they are."""
    try:
        yield
    except sqlite3.Error as error:
        said = as_told(error, file)
        if said is None:
            raise
        raise said from error


def as_told(error: sqlite3.Error, file: Path) -> StoreError | None:
    """The error for people; None for a mistake in this program: a constraint, a wrong statement."""
    match getattr(error, "sqlite_errorcode", 0) & 0xFF:
        case sqlite3.SQLITE_FULL:
            return full(file)
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return busy(file)
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return damaged(file, str(error))
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM | sqlite3.SQLITE_IOERR:
            return unusable(file, str(error))
    return None


def after_commit(error: sqlite3.Error, file: Path, kept: bool | None) -> StoreError:
    """What is true after a commit that failed: whether its step was ``kept``, None where nobody can tell."""
    said = as_told(error, file)
    if isinstance(said, DiskFull | StoreLocked):
        return said
    about = {"file": str(file), "problem": str(error)}
    if kept is None:
        return StoreError(
            msg("Perhaps the last step was not saved in {file}: {problem}.", **about),
            msg("Scan the unit again to see what was kept before you repeat the step; have the disk checked."),
        )
    if kept:
        return StoreError(
            msg("The disk of {file} failed while saving ({problem}), but the last step stands there.", **about),
            msg("Have the disk checked now. Doing the step again does no harm: nothing is finished twice."),
        )
    return StoreError(
        msg("The disk of {file} failed while saving ({problem}): the last step was not saved.", **about),
        msg("Do it again. If this comes back, have the disk checked; what was confirmed before is safe."),
    )


def refused(error: OSError, file: Path) -> StoreError:
    """What the operating system would not do with a file or its folder."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return full(file)
    return unusable(file, error.strerror or str(error))


def full(file: Path) -> DiskFull:
    """No room is left."""
    return DiskFull(
        msg("The disk is full: the last step was not saved in {file}.", file=str(file)),
        msg("Free space on that disk, then do the step again. What was confirmed before is safe."),
    )


def reserve_freed(size: int) -> Message:
    """After the ballast was dropped."""
    return msg(
        "{mb} MB kept in reserve are free now: do the step again, finish what is open, then free space on that disk. "
        "What was confirmed before is safe.",
        mb=size // MB,
    )


def busy(file: Path) -> StoreLocked:
    """Another process or thread had it too long."""
    return StoreLocked(
        msg("{file} was in use for {n} s: the last step was not saved.", file=str(file), n=int(PATIENCE)),
        msg("Wait until the import or upgrade that is running has ended, then do the step again."),
    )


class Damaged(StoreError):
    """The file is not what SQLite, or the store, wrote."""


def damaged(file: Path, found: str) -> Damaged:
    """The file is not what was written, and a station works on it."""
    return Damaged(
        msg("The store {file} is damaged: {found}. It was left as it is.", file=str(file), found=found),
        msg(
            "`inspect-station db restore COPY`, of a hub `hub restore COPY`, sets this file aside and puts a copy in "
            "its place; keep the damaged one, it may still hold units that no copy has."
        ),
    )


def unusable(file: Path, problem: str) -> StoreError:
    """The disk is gone, read-only, or another user's."""
    return StoreError(
        msg("The store cannot use {file}: {problem}.", file=str(file), problem=problem),
        msg("See that the disk is there and that this user may write to it, then start again."),
    )
