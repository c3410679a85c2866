"""Photo files, each under the SHA-256 of its bytes; a file that has its name is whole."""

import errno
import hashlib
import os
import re
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from inspect_station.errors import DiskFull, NotFound, StoreError
from inspect_station.message import msg

_SHA256 = re.compile(r"[0-9a-f]{64}")


class Blobs:
    """Files below one folder, as ``ab/ab12…``; written once, however often they are put."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, sha256: str) -> Path:
        """Where the file with this hash is, or would be. Raises ValueError for anything but a SHA-256."""
        if not _SHA256.fullmatch(sha256):
            raise ValueError(f"not a SHA-256: {sha256!r}")
        return self.folder / sha256[:2] / sha256

    def put(self, data: bytes) -> str:
        """Keep these bytes through a power cut from now on; answer their hash.

        Raises DiskFull, StoreError.
        """
        sha256 = hashlib.sha256(data).hexdigest()
        path = self.path(sha256)
        partial = path.with_name(f"{sha256}.{secrets.token_hex(4)}.tmp")
        try:
            if path.exists():
                # Young again: a sweep must not take it before the commit that will show it.
                path.touch()
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                settle(self.folder)
                with partial.open("xb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                partial.rename(path)
            # Also where the file was there: whoever wrote it may have died before this.
            settle(path.parent)
        except OSError as error:
            with suppress(OSError):
                partial.unlink()
            raise _said(error, path) from error
        return sha256

    def get(self, sha256: str) -> bytes:
        """The bytes with this hash.

        Raises NotFound where the file is gone, StoreError where it holds other bytes.
        """
        path = self.path(sha256)
        try:
            data = path.read_bytes()
        except FileNotFoundError as error:
            raise NotFound(
                msg("The photo {sha256} is not on this station any more.", sha256=sha256),
                msg(
                    "The inspection stands. Look for the photo at the hub, or in a copy of {folder}.",
                    folder=str(path),
                ),
            ) from error
        except OSError as error:
            raise _said(error, path) from error
        if hashlib.sha256(data).hexdigest() != sha256:
            raise StoreError(
                msg(
                    "The photo file {path} is damaged: its bytes are not those that were saved.",
                    path=str(path),
                ),
                msg("Put the file back from a copy; check the disk with your administrator."),
            )
        return data

    def erase(self, sha256: str) -> bool:
        """Delete the file with this hash, and what may be left of writing it, through a power cut; whether it was here.

        Raises StoreError; ValueError for anything but a SHA-256.
        """
        path = self.path(sha256)
        try:
            found = [*path.parent.glob(f"{sha256}*")]
            for each in found:
                each.unlink(missing_ok=True)
            if found:
                settle(path.parent)
        except OSError as error:
            raise _said(error, path) from error
        return path in found

    def erase_all(self, sha256s: Iterable[str]) -> None:
        """Delete what is here of these. Raises StoreError."""
        for sha256 in sha256s:
            if self.path(sha256).exists():
                self.erase(sha256)

    def names(self) -> Iterator[str]:
        """The hashes of all whole files, in no order."""
        for path in self.folder.glob("??/*"):
            if _SHA256.fullmatch(path.name):
                yield path.name

    def sweep(self, needed: Callable[[str], bool], before: datetime) -> int:
        """Delete files older than `before` that nothing needs, and unfinished ones; answer how many."""
        swept = 0
        for path in self.folder.glob("??/*"):
            whole = _SHA256.fullmatch(path.name) is not None
            if path.stat().st_mtime < before.timestamp() and not (whole and needed(path.name)):
                path.unlink()
                swept += 1
        return swept


def settle(folder: Path) -> None:
    """Have the folder's names on the disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _said(error: OSError, path: Path) -> StoreError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(
            msg("The disk is full: the photo was not saved in {folder}.", folder=str(path.parent)),
            msg("Free space on that disk, then take the photo again. What was confirmed before is safe."),
        )
    return StoreError(
        msg(
            "The photo file {path} cannot be used: {problem}.",
            path=str(path),
            problem=error.strerror or str(error),
        ),
        msg("See that the folder can be written by whoever runs the station, then take the photo again."),
    )
