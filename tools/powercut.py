"""Cut the power at any moment of saving: what was confirmed must be there, and nothing by half (sync.md §3, I1, I5).

``uv run python tools/powercut.py --images 100000`` saves units through the real doors of the store, on an SQLite whose
file system notes every write, sync, truncation, creation and deletion, and on photo files whose steps are noted too.
Then it builds what a disk may hold after a cut at a random moment, as often as asked, opens it and looks. The suite
does the same with some thousands (``tests/store/test_powercut.py``).

What such a disk keeps: all that was synced. Of what was written since, any part, in sectors of 512 bytes, whatever was
written before or after it. Names (files made, renamed, removed) in their order up to some moment, at least up to the
last sync: of anything, as with ext4's ordered journal, or, on every second image, of that very folder only.

``--synchronous`` breaks the store on purpose, to see that the harness finds it: NORMAL loses confirmed units in WAL
mode, FULL the last one with a rollback journal.
"""

import argparse
import hashlib
import os
import random
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal
from unittest import mock

import apsw

from inspect_station.core.records import Disposition, Grade, Inspection, Line, Money, Photo, Product
from inspect_station.store import EventSpec, LabelSpec, Store, doors
from inspect_station.store.connection import Sqlite

SECTOR = 512
ANSWERS = 8
Journal = Literal["delete", "wal"]


# ── What happened to the disk, in order ──────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class Op:
    """One thing that was asked of the disk, or one confirmation that an operator saw."""

    what: Literal["write", "truncate", "sync", "create", "rename", "delete", "sync folder", "shown"]
    file: int = 0
    """Number of the file itself, whatever its name is."""
    path: str = ""
    at: int = 0
    data: bytes = b""
    to: str = ""
    shown: "Shown | None" = None


@dataclass(frozen=True, slots=True)
class Shown:
    """What was said to be saved: a draft with so many answers, or the finished unit."""

    id: str
    lpn: str
    answers: int
    finished: bool
    body: str

    @classmethod
    def of(cls, unit: Inspection) -> "Shown":
        """As the unit is when it is shown."""
        return cls(unit.id, unit.lpn, len(unit.notes), unit.finished_at is not None, unit.model_dump_json())


@dataclass
class Disk:
    """All that was asked of the files below one folder."""

    folder: Path
    ops: list[Op] = field(default_factory=list)
    begun_with: dict[str, int] = field(default_factory=dict)
    """Names of the files that were there before."""
    contents: dict[int, bytes] = field(default_factory=dict)
    """Of those."""
    names: dict[str, int] = field(default_factory=dict)
    """As they are now."""

    def __post_init__(self) -> None:
        for number, path in enumerate(sorted(each for each in self.folder.rglob("*") if each.is_file())):
            self.begun_with[str(path)] = number
            self.contents[number] = path.read_bytes()
        self.names = dict(self.begun_with)

    def file(self, path: str) -> int:
        """The file of this name, made now where there is none."""
        if path not in self.names:
            number = len(self.contents)
            self.contents[number] = b""
            self.names[path] = number
            self.ops.append(Op("create", number, path))
        return self.names[path]

    def rename(self, path: str, to: str) -> None:
        """Another name for the same file."""
        self.names[to] = self.names.pop(path)
        self.ops.append(Op("rename", self.names[to], path, to=to))

    def delete(self, path: str) -> None:
        """No name any more."""
        self.ops.append(Op("delete", self.names.pop(path, 0), path))


class RecordedFile(apsw.VFSFile):
    """A file of SQLite that notes what is asked of it."""

    def __init__(self, disk: Disk, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        super().__init__("", name, flags)
        self._disk = disk
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        self._path = path or ""
        self._unsynced_name = bool(path) and path not in disk.names
        self._number = disk.file(path) if path else -1

    def xWrite(self, data: bytes, offset: int) -> None:
        super().xWrite(data, offset)
        if self._path:
            self._disk.ops.append(Op("write", self._number, at=offset, data=bytes(data)))

    def xTruncate(self, newsize: int) -> None:
        super().xTruncate(newsize)
        if self._path:
            self._disk.ops.append(Op("truncate", self._number, self._path, at=newsize))

    def xSync(self, flags: int) -> None:
        super().xSync(flags)
        if self._path:
            self._disk.ops.append(Op("sync", self._number))
            if self._unsynced_name and self._path.endswith(("-journal", "-wal")):
                # SQLite's own layer for Unix syncs the folder with the first sync of a new journal or WAL.
                self._disk.ops.append(Op("sync folder", path=str(Path(self._path).parent)))
                self._unsynced_name = False


class RecordingFiles(apsw.VFS):
    """The file system of SQLite, noting."""

    def __init__(self, name: str, disk: Disk) -> None:
        super().__init__(name, "")
        self._disk = disk

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> RecordedFile:
        return RecordedFile(self._disk, name, flags)

    def xDelete(self, name: str, syncdir: bool) -> None:
        super().xDelete(name, syncdir)
        self._disk.delete(name)
        if syncdir:
            self._disk.ops.append(Op("sync folder", path=str(Path(name).parent)))


# ── The real store on it ─────────────────────────────────────────────────────────────────────────────────────────────


class Row(tuple[Any, ...]):
    """A row as `sqlite3.Row` is: by name and by place."""

    names: Sequence[str]

    def keys(self) -> Sequence[str]:
        """The columns."""
        return self.names

    def __getitem__(self, key: Any) -> Any:
        return super().__getitem__(self.names.index(key) if isinstance(key, str) else key)


class Answer:
    """What a statement gave, as a cursor of `sqlite3` is asked."""

    def __init__(self, rows: Iterable[Row], rowcount: int) -> None:
        self._rows = iter(rows)
        self.rowcount = rowcount

    def fetchall(self) -> list[Row]:
        """All that is left."""
        return list(self._rows)

    def fetchone(self) -> Row | None:
        """The next one."""
        return next(self._rows, None)

    def __iter__(self) -> Iterator[Row]:
        return self._rows


class Connection:
    """A connection of apsw that is spoken to as one of `sqlite3`: so the store itself runs on it, unchanged."""

    row_factory: Any = None

    def __init__(self, file: Path, vfs: str, *before: str) -> None:
        self._connection = apsw.Connection(str(file), vfs=vfs)
        for pragma in before:
            self._connection.execute(f"PRAGMA {pragma}")

    def execute(self, sql: str, values: Sequence[Any] = ()) -> Answer:
        """One statement."""
        cursor = self._connection.cursor()
        cursor.row_trace = self._row
        rows = list(cursor.execute(sql, tuple(values)))
        return Answer(rows, self._connection.changes())

    def executemany(self, sql: str, many: Iterable[Sequence[Any]]) -> None:
        """One statement with many values."""
        self._connection.executemany(sql, [tuple(each) for each in many])

    @staticmethod
    def _row(cursor: Any, values: tuple[Any, ...]) -> Row:
        row = Row(values)
        row.names = [column[0] for column in cursor.get_description()]
        return row

    @property
    def in_transaction(self) -> bool:
        """Whether one is open."""
        return self._connection.in_transaction

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()


class RecordedStore(Store):
    """The station's store; only what it opens is noted."""

    vfs: str
    pragmas: tuple[str, ...] = ()
    spoilt = ""
    """``synchronous`` as it should not be, to see that it is found."""

    def _connect(self) -> Sqlite:
        return Connection(self.file, self.vfs, *self.pragmas)  # type: ignore[return-value]

    def _connect_to_write(self) -> Sqlite:
        connection = super()._connect_to_write()
        if self.spoilt:
            connection.execute(f"PRAGMA synchronous = {self.spoilt}")
        return connection


@contextmanager
def noting_photos(disk: Disk) -> Iterator[None]:
    """Note what Python itself does with files below the folder: sync, rename."""
    fsync, rename = os.fsync, Path.rename

    def noted_fsync(handle: int) -> None:
        fsync(handle)
        path = Path(f"/proc/self/fd/{handle}").readlink()
        if path.is_dir():
            disk.ops.append(Op("sync folder", path=str(path)))
        else:
            number = disk.file(str(path))
            disk.ops.append(Op("write", number, data=path.read_bytes()))
            disk.ops.append(Op("sync", number))

    def noted_rename(self: Path, target: Path) -> Path:
        renamed = rename(self, target)
        disk.rename(str(self), str(target))
        return renamed

    with mock.patch.object(os, "fsync", noted_fsync), mock.patch.object(Path, "rename", noted_rename):
        yield


def record(folder: Path, journal: Journal, units: int, *, seed: int = 1, synchronous: str = "") -> Disk:
    """Save so many units in a new store below ``folder``: photos, an answer at a time, finish. Note everything."""
    moment = datetime(2026, 11, 22, 9, tzinfo=UTC)
    chance = random.Random(seed)
    with mock.patch.object(doors, "journal_mode", lambda _: journal):
        Store.open(folder, clock=lambda: moment, station="DOCK-3").close()
        with closing(sqlite3.connect(folder / "store.db", isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = DELETE")
        disk = Disk(folder)
        name = f"powercut-{time.monotonic_ns()}"
        vfs = RecordingFiles(name, disk)
        store = RecordedStore(folder, lambda: moment, "Europe/Paris")
        store.vfs = name
        # The shared memory of WAL lies outside of this file system: one connection does without it.
        store.pragmas = ("locking_mode = EXCLUSIVE", "wal_autocheckpoint = 60") if journal == "wal" else ()
        store.spoilt = synchronous
        with noting_photos(disk):
            for n in range(units):
                save(store, disk, chance, moment, n)
        store.close()
        vfs.unregister()
    return disk


def save(store: Store, disk: Disk, chance: random.Random, moment: datetime, n: int) -> None:
    """One unit from its first photo to its label, with every confirmation."""
    photos = tuple(
        Photo(slot=slot, sha256=store.blobs.put(chance.randbytes(700 + n)), by="ana", at=moment)
        for slot in ("damage", "parts")
    )
    with store.write() as writer:
        unit = Inspection(
            id=writer.new_id(),
            lpn=writer.take_lpns(1)[0],
            station="DOCK-3",
            parcel="p",
            seller="lumo",
            rma=f"4711-{n:04}",
            line=Line(no=1, gtin="03700471002479"),
            product=Product(seller="lumo", gtin="03700471002479", title="Kettle 1.7 l"),
            operator="ana",
            started_at=moment,
        )
        writer.save_draft(unit)
    for answers in (3, ANSWERS):
        unit = unit.but(photos=photos[: 1 + (answers == ANSWERS)], notes=tuple(f"{a} " * 9 for a in range(answers)))
        with store.write() as writer:
            writer.save_draft(unit)
        disk.ops.append(Op("shown", shown=Shown.of(unit)))
    done = unit.but(
        grade=Grade.USED,
        disposition=Disposition.CLEARANCE,
        price=Money(minor=29925),
        list_price=Money(minor=39900),
        discount=25,
        finished_at=moment,
        finished_by="ana",
    )
    with store.write() as writer:
        event = EventSpec("inspection.finished", done.model_dump(mode="json"), "ana", moment)
        label = LabelSpec(done.lpn, done.id, "clearance", 1, {"barcode": f"{done.lpn}/1"})
        writer.finish(done, event, label)
    disk.ops.append(Op("shown", shown=Shown.of(done)))


# ── What is left after a cut ─────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Image:
    """A disk after a cut: its files, and what had been shown before."""

    files: Mapping[str, bytes | bytearray]
    shown: Sequence[Shown]


class Names:
    """Names on the disk: those that are there for sure, and changes that may be, in their order."""

    def __init__(self, begun_with: Mapping[str, int]) -> None:
        self._sure = dict(begun_with)
        self._later: list[Op] = []

    def note(self, op: Op) -> None:
        """A change, or the cut of a file, which is one, too."""
        self._later.append(op)

    def synced(self, folder: str | None = None) -> None:
        """All changes so far are there for sure, or all in this folder."""
        left = []
        for op in self._later:
            if folder is None or str(Path(op.path).parent) == folder:
                self._apply(self._sure, op)
            else:
                left.append(op)
        self._later = left

    def after(self, chance: random.Random, *, by_folder: bool) -> tuple[dict[str, int], list[Op]]:
        """The names after a cut, and the changes that did not come to the disk."""
        folders = {str(Path(op.path).parent) if by_folder else "" for op in self._later}
        names, lost = dict(self._sure), []
        for folder in sorted(folders):
            mine = [op for op in self._later if not by_folder or str(Path(op.path).parent) == folder]
            count = chance.randint(0, len(mine))
            for op in mine[:count]:
                self._apply(names, op)
            lost += mine[count:]
        return names, lost

    @staticmethod
    def _apply(names: dict[str, int], op: Op) -> None:
        match op.what:
            case "create":
                names[op.path] = op.file
            case "rename":
                names.pop(op.path, None)
                names[op.to] = op.file
            case "delete":
                names.pop(op.path, None)


class Cuts:
    """Goes through what happened, and makes images of any moment on the way."""

    def __init__(self, disk: Disk) -> None:
        self._ops = disk.ops
        self._done = 0
        self._sure = {number: bytearray(data) for number, data in disk.contents.items()}
        self._later: dict[int, list[Op]] = {}
        """What was written into each file since its last sync."""
        self._ordered, self._by_folder = Names(disk.begun_with), Names(disk.begun_with)
        self._shown: list[Shown] = []

    def go_to(self, moment: int) -> None:
        """Let the first so many operations have happened; never back."""
        for op in self._ops[self._done : moment]:
            match op.what:
                case "write":
                    self._later.setdefault(op.file, []).append(op)
                case "sync":
                    for written in self._later.pop(op.file, ()):
                        _apply(self._sure[op.file], written)
                    self._ordered.synced()
                case "sync folder":
                    self._ordered.synced()
                    self._by_folder.synced(op.path)
                case "shown":
                    assert op.shown is not None
                    self._shown.append(op.shown)
                case _:
                    if op.what == "truncate":
                        self._later.setdefault(op.file, []).append(op)
                    self._ordered.note(op)
                    self._by_folder.note(op)
        self._done = moment

    def image(self, chance: random.Random) -> Image:
        """What the disk may hold when the power fails now."""
        by_folder = chance.random() < 0.5
        names, lost = (self._by_folder if by_folder else self._ordered).after(chance, by_folder=by_folder)
        likely, torn = chance.choice((0.0, 0.5, 0.9, 1.0)), chance.random() < 0.5
        files: dict[str, bytes | bytearray] = {}
        for path, number in names.items():
            later = self._later.get(number)
            if later is None:
                files[path] = self._sure[number]
                continue
            content = bytearray(self._sure[number])
            for op in later:
                step = SECTOR if torn and op.data else max(1, len(op.data))
                for start in range(0, max(1, len(op.data)), step):
                    if (op not in lost) if op.what == "truncate" else chance.random() < likely:
                        _apply(content, op, start, step)
            files[path] = content
        return Image(files, tuple(self._shown))


def _apply(content: bytearray, op: Op, start: int = 0, length: int | None = None) -> None:
    if op.what == "truncate":
        del content[op.at :]
        return
    at, data = op.at + start, op.data[start:] if length is None else op.data[start : start + length]
    if len(content) < at:
        content.extend(bytes(at - len(content)))
    content[at : at + len(data)] = data


# ── Whether that is what was promised ────────────────────────────────────────────────────────────────────────────────


def wrong_with(left: Image, folder: Path, disk: Disk) -> Iterator[str]:
    """Everything in an image that is not as it was promised; nothing where all is well."""
    database = str(disk.folder / "store.db")
    for end in ("", "-journal", "-wal", "-shm"):
        file = folder / f"store.db{end}"
        file.unlink(missing_ok=True)
        if f"{database}{end}" in left.files:
            file.write_bytes(left.files[f"{database}{end}"])
    photos = {Path(path).name: data for path, data in left.files.items() if "/blobs/" in path}
    with closing(sqlite3.connect(folder / "store.db", isolation_level=None)) as connection:
        try:
            # There is nothing to win from a sync here.
            connection.execute("PRAGMA synchronous = OFF")
            if (found := connection.execute("PRAGMA integrity_check").fetchone()[0]) != "ok":
                yield f"corrupt: {found}"
                return
            yield from _wrong_units(connection, left, photos)
        except sqlite3.DatabaseError as error:
            yield f"corrupt: {error}"


def _wrong_units(connection: sqlite3.Connection, left: Image, photos: Mapping[str, bytes | bytearray]) -> Iterator[str]:
    def by(sql: str) -> dict[Any, tuple[Any, ...]]:
        return {row[0]: row[1:] for row in connection.execute(sql)}

    units = by("SELECT id, body, event_id FROM inspection")
    drafts = by("SELECT id, body FROM draft")
    events = by("SELECT id, seq, line, sha256 FROM event")
    labels = by("SELECT inspection, print_no FROM label")
    refs: dict[str, set[str]] = {}
    for owner, sha256 in connection.execute("SELECT inspection, sha256 FROM photo"):
        refs.setdefault(owner, set()).add(sha256)
    if sorted(seq for seq, _, _ in events.values()) != [*range(1, len(events) + 1)]:
        yield "half: a number of the events is missing or stands twice"
    if len(events) != len(units):
        yield f"half: {len(units)} units, {len(events)} events"
    for id, (body, event_id) in units.items():
        answers, slots = _said(body)
        _, line, sha256 = events.get(event_id, (0, "", ""))
        if hashlib.sha256(line.encode()).hexdigest() != sha256 or id not in labels or id in drafts:
            yield f"half: {id} without its event or label, or with its draft"
        if answers != ANSWERS or len(slots) != 2 or refs.get(id, set()) != slots:
            yield f"half: {id} without its answers or its two photos"
    for owner, shown in refs.items():
        for sha256 in shown:
            if hashlib.sha256(photos.get(sha256, b"")).hexdigest() != sha256:
                yield f"photo: one of {owner} is not whole on the disk"
    for each in left.shown:
        if each.finished:
            body, _ = units.get(each.id, ("", ""))
            if body != each.body:
                yield f"lost: {each.lpn} was shown as saved"
        elif each.id not in units:
            (body,) = drafts.get(each.id, ("",))
            if not body or _said(body)[0] < each.answers:
                yield f"lost: {each.lpn} with {each.answers} answers was saved"


@lru_cache(maxsize=10_000)
def _said(body: str) -> tuple[int, set[str]]:
    """How many answers a unit has, and its photos."""
    unit = Inspection.model_validate_json(body)
    return len(unit.notes), {photo.sha256 for photo in unit.photos}


def campaign(disk: Disk, images: int, room: Path, *, seed: int = 1) -> Counter[str]:
    """Look at so many images; how many were ``fine``, and what was wrong with the others.

    Of every moment at least one, as far as that goes; the others at random.
    """
    room.mkdir(parents=True, exist_ok=True)
    chance = random.Random(seed)
    moments = len(disk.ops) + 1
    spread = [n * moments // images for n in range(images // 2)] if images < 2 * moments else [*range(moments)]
    cuts = Cuts(disk)
    found: Counter[str] = Counter()
    for moment in sorted([*spread, *(chance.randrange(moments) for _ in range(images - len(spread)))]):
        cuts.go_to(moment)
        problem = next(wrong_with(cuts.image(chance), room, disk), "fine")
        found[problem.partition(":")[0]] += 1
        if problem != "fine" and len(found) < 4:
            print(f"after {moment} operations: {problem}", file=sys.stderr)
    return found


def main() -> int:
    """Look at images of both journals; 1 where anything was wrong."""
    options = argparse.ArgumentParser(description="Cut the power while units are saved.")
    options.add_argument("--images", type=int, default=20_000)
    options.add_argument("--units", type=int, default=40)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--synchronous", default="", help="break the store: OFF, NORMAL or FULL")
    asked = options.parse_args()
    wrong = 0
    for journal in ("delete", "wal"):
        with tempfile.TemporaryDirectory() as place:
            started = time.perf_counter()
            disk = record(Path(place) / "station", journal, asked.units, seed=asked.seed, synchronous=asked.synchronous)
            found = campaign(disk, asked.images // 2, Path(place) / "image", seed=asked.seed)
            took = time.perf_counter() - started
        kinds = Counter(op.what for op in disk.ops)
        print(f"{journal}: {asked.units} units, {dict(kinds)}")
        print(f"{journal}: {dict(found)}, {asked.images // 2 / took:.0f} images/s")
        wrong += found.total() - found["fine"]
    print(f"{asked.images // 2 * 2} images, {wrong} not as promised")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
