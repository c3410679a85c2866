"""The labels that wait, in the order of finishing, and the printers that they come out of.

The queue is in the store, and so is what must outlive a restart: that printing is held, and that boxes and labels may
be out of step. Repeating is not safe here: a label of which nobody knows whether it came out is parked and shown, and
one that is late asks before it prints.
"""

import json
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from math import inf
from typing import Literal

from inspect_station.config import LabelPrinter
from inspect_station.errors import DeviceError, NotFound, PrintUnknown, StationError
from inspect_station.label import Template, render
from inspect_station.message import Message, msg, msgn
from inspect_station.printing import Printer, printer
from inspect_station.store import LabelJob, Reader, Store, Writer

OUT_S = 3.0
"""A label that is not out by then is late: its box may have left the bench (design.md §7)."""
NEVER = datetime.min.replace(tzinfo=UTC)
LONGEST_STALL_S = 30.0
"""Seconds, at most, until a printer that did not answer is tried again."""
TEST_S = 8.0
"""Seconds after which a test label that has not come out is told about; nobody waits for it meanwhile."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PrinterState:
    """The lamp of the printers."""

    ready: bool
    held: bool
    """Held by hand, for a change of the roll."""
    waiting: int
    parked: int
    """Labels that a person has to look at: late ones, and those of which nobody knows whether they came out."""
    said: Message
    """A label that is not out goes before the reason for it."""
    problem: Message | None = None
    """Why a printer does not print just now."""
    not_out: str = ""
    """The plate whose label is late, the newest of several; empty while printing is held."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of printing after a restart, too."""

    held: bool = False
    """Nothing is printed: the roll is changed."""
    tested: str = ""
    """The printer that a test label was sent to since printing is held."""
    found: str = ""
    """The roll that it found then, in its own words; empty where it cannot say."""
    resumed_at: str = ""
    """When a person last let printing go on."""
    stalled: tuple[str, ...] = ()
    """Printers of which a label was late, or may be out: boxes and labels may be out of step until the next label of a
    finished unit is out."""

    @classmethod
    def of(cls, reader: Reader) -> "Facts":
        """As they stand in the store."""
        kept = json.loads(reader.meta("printing") or "{}")
        return cls(**{**kept, "stalled": tuple(kept.get("stalled", ()))})

    def keep(self, writer: Writer) -> None:
        """From now on it is so."""
        writer.set_meta("printing", json.dumps(asdict(self)))

    def in_step(self, name: str, *, well: bool) -> "Facts":
        """What they are once boxes and the labels of this printer are surely in step, or may be out of it."""
        others = tuple(each for each in self.stalled if each != name)
        return replace(self, stalled=others if well else (*others, name))


@dataclass(slots=True)
class Press:
    """A printer and what it prints."""

    printer: Printer
    kinds: tuple[str, ...] = ()
    """Kinds of labels that it takes; empty = all."""
    dpi: int = 203
    problem: Message | None = None
    """Why it does not print just now."""
    again_at: float = 0.0
    """By the monotonic clock."""
    printed_at: datetime = NEVER
    """When a label last came out of it in time."""
    using: threading.Lock = field(default_factory=threading.Lock)
    """Held while a label is sent to it, so that two never mix."""
    _failures: int = 0

    @classmethod
    def of(cls, settings: LabelPrinter) -> "Press":
        """The printer that a site has set up."""
        return cls(printer(settings), settings.labels, settings.dpi)

    def takes(self, kind: str) -> bool:
        """Whether labels of this kind come out of it."""
        return not self.kinds or kind in self.kinds

    def went_well(self) -> None:
        """It printed."""
        self.problem, self.again_at, self._failures = None, 0.0, 0

    def failed(self, problem: Message) -> None:
        """It did not print, or nobody knows; its next label waits."""
        self.problem = problem
        self.again_at = time.monotonic() + min(LONGEST_STALL_S, 2.0**self._failures)
        self._failures += 1


class Prints:
    """Prints what waits. Any thread may call it; each printer is at one label at a time, and none waits for another.

    ``tell`` is called whenever the lamp may have changed.
    """

    def __init__(
        self,
        store: Store,
        *,
        presses: Sequence[Press],
        templates: Mapping[str, Template],
        clock: Callable[[], datetime],
        locale: str,
        scan_back: Literal["never", "after_stall", "always"],
        tell: Callable[[], None],
    ) -> None:
        # One that names what it prints goes before one that takes all (`Config.printer_of`).
        self.presses = tuple(sorted(presses, key=lambda press: not press.kinds))
        self._store = store
        self._templates = templates
        self._clock = clock
        self._locale = locale
        self._scan_back = scan_back
        self._tell = tell

    def start(self) -> None:
        """The station starts: labels of its last run are not printed by themselves, their boxes may be anywhere.

        Where printing is held, they wait for the question that ends the hold.
        """
        with self._store.write() as writer:
            self._park_halfway(writer, writer.labels("printing"))
            queued = () if Facts.of(writer).held else writer.labels("queued")
            for job in queued:
                if self._press(job.kind) is not None:
                    self._park(writer, job, _late(job))

    def rest(self, press: Press) -> float:
        """Nothing has its turn at this printer: where it is silent, ask it how it is; the seconds until something is
        due by itself."""
        if press.problem is not None and press.again_at <= time.monotonic() and press.using.acquire(blocking=False):
            try:
                state = press.printer.state()
            finally:
                press.using.release()
            press.went_well() if state.ok else press.failed(state.message)
        pause = inf if press.problem is None else max(0.05, press.again_at - time.monotonic())
        with self._store.read() as reader:
            facts, queued = Facts.of(reader), reader.labels("queued")
        if not facts.held:
            # A label that gets late is told in time.
            waited = (self._waited(job, facts) for job in queued if self._press(job.kind) is press)
            pause = min([pause, *(max(0.05, OUT_S - seconds) for seconds in waited)])
        return pause

    def newest(self) -> int:
        """Id of the last label in the queue; 0 where it is empty."""
        with self._store.read() as reader:
            return max((job.id for job in reader.labels("queued")), default=0)

    def until_late(self) -> float:
        """Seconds until the next label is late, which is to be told whatever its printer is at; none: infinite."""
        with self._store.read() as reader:
            facts, moving = Facts.of(reader), reader.labels("queued", "printing")
        if facts.held:
            return inf
        left = (OUT_S - self._waited(job, facts) for job in moving if self._press(job.kind) is not None)
        return min((max(0.05, seconds) for seconds in left if seconds >= 0), default=inf)

    def park_halfway(self, press: Press) -> None:
        """Labels that this printer, which is at none, was printing when nobody could say so: they may be out."""
        with self._store.read() as reader:
            halfway = [job for job in reader.labels("printing") if job.printer == press.printer.name]
        if halfway:
            with self._store.write() as writer:
                self._park_halfway(writer, halfway)

    def _park_halfway(self, writer: Writer, halfway: Iterable[LabelJob]) -> None:
        for job in halfway:
            self._park(writer, job, msg("The station stopped while {lpn} was being printed.", lpn=job.lpn))

    def state(self, waiting: int, parked: int, stumbled: Message | None) -> PrinterState:
        """The lamp, with so many labels waiting and parked; ``stumbled`` keeps the thread from its work."""
        with self._store.read() as reader:
            facts, moving = Facts.of(reader), reader.labels("queued", "printing", "parked")
        # While the queue is held by hand, everybody knows why nothing comes out.
        not_out = None if facts.held else self._not_out(moving, facts)
        problem = next(
            filter(None, (stumbled, *(press.problem for press in self.presses), *self._homeless(moving))), None
        )
        return PrinterState(
            bool(self.presses) and not facts.held and problem is None,
            facts.held,
            waiting,
            parked,
            self._said(waiting, parked, facts.held, not_out, problem),
            problem,
            not_out.lpn if not_out else "",
        )

    def _homeless(self, moving: Iterable[LabelJob]) -> Iterator[Message]:
        """Labels that no printer takes: they would wait for ever, and nobody would know why."""
        for job in moving if self.presses else ():
            if job.state == "queued" and self._press(job.kind) is None:
                yield msg(
                    "no printer takes “{kind}”, label of {lpn}: add it to one's labels in station.toml",
                    kind=job.kind,
                    lpn=job.lpn,
                )

    def _said(
        self, waiting: int, parked: int, held: bool, not_out: LabelJob | None, problem: Message | None
    ) -> Message:
        if not self.presses:
            return msg("no printer: labels wait")
        if held:
            return msgn(
                "printing is held, {n} label waits: F6 goes on",
                "printing is held, {n} labels wait: F6 goes on",
                n=waiting,
            )
        if not_out is not None and not_out.slip:
            return msg("a slip of {lpn} not out: look at the printer", lpn=not_out.lpn)
        if not_out is not None:
            return msg("label of {lpn} not out: set the box aside", lpn=not_out.lpn)
        if problem is not None:
            return problem
        if parked:
            return msgn("{n} label needs attention", "{n} labels need attention", n=parked)
        if waiting:
            return msgn("{n} label waits", "{n} labels wait", n=waiting)
        return msg("printer ready")

    def hold(self) -> None:
        """Print nothing from now on (the roll is changed); the label that is being printed comes out."""
        with self._store.write() as writer:
            replace(Facts.of(writer), held=True, tested="", found="").keep(writer)
        self._tell()

    def resume(self) -> None:
        """Go on printing what waits, with printers that did not answer before, too: a person has asked for it.

        Late labels, too, in the order of finishing: their boxes were set aside, so each is to be scanned on its box.
        """
        with self._store.write() as writer:
            for job in self._late_in(writer):
                writer.move_label(job.id, "queued", scan_back=self._scan_back != "never")
            facts = replace(Facts.of(writer), held=False, tested="", found="", resumed_at=self._clock().isoformat())
            facts.keep(writer)
        for press in self.presses:
            press.again_at = 0.0
        self._tell()

    def facts(self) -> Facts:
        """How a change of the roll stands."""
        with self._store.read() as reader:
            return Facts.of(reader)

    def to_come(self) -> int:
        """Labels that `resume` lets come out: those in the queue, and the late ones."""
        with self._store.read() as reader:
            return len(reader.labels("queued")) + len(self._late_in(reader))

    @staticmethod
    def _late_in(reader: Reader) -> list[LabelJob]:
        return [job for job in reader.labels("parked") if job.reason == _late(job)]

    def test(self, name: str, draw: Callable[[Press], bytes]) -> str:
        """Print a test label, also while printing is held; the roll that the printer finds, empty where it cannot say.

        Never between the bytes of another label. Raises NotFound, and DeviceError also where it has not come out within
        `TEST_S`; it may come later.
        """
        press = next((press for press in self.presses if press.printer.name == name), None)
        if press is None:
            raise NotFound(msg("there is no printer {name}", name=name), msg("see [[printers]] in station.toml"))
        done: Future[str] = Future()
        threading.Thread(target=self._test, args=(press, draw, done), name="test label", daemon=True).start()
        try:
            return done.result(TEST_S)
        except TimeoutError as error:
            raise DeviceError(
                msg("no word of the test label from {printer} after {n} seconds", printer=name, n=round(TEST_S)),
                msg("look at the printer; it may still come out. F6 goes on when it is there"),
            ) from error

    def _test(self, press: Press, draw: Callable[[Press], bytes], done: "Future[str]") -> None:
        try:
            found = self._tested(press, draw(press))
            self._tell()
        except Exception as error:
            done.set_exception(error)
        else:
            done.set_result(found)

    def _tested(self, press: Press, data: bytes) -> str:
        name, found, sent = press.printer.name, "", True
        # Half the time: whoever gave up waiting must not get a test label later on, nor two.
        if not press.using.acquire(timeout=TEST_S / 2):
            raise DeviceError(
                msg("the printer {printer} is at another label: no test label was sent", printer=name),
                msg("look at the printer; try again when that label is out"),
            )
        try:
            press.printer.send(data, job=f"test-{name}")
            found = press.printer.state().media
        except PrintUnknown:
            raise  # it may be there: whoever looks can tell
        except Exception:
            sent = False
            raise
        finally:
            press.using.release()
            if sent:
                with self._store.write() as writer:
                    facts = Facts.of(writer)
                    if facts.held:
                        replace(facts, tested=name, found=found).keep(writer)
        return found

    def print_once(self, only: Press | None = None) -> bool:
        """Print the label whose turn it is, at ``only`` this printer or at any, or park it where it is late.

        False where none has its turn now.

        Labels come out of each printer in the order of finishing. After a stall none comes out by itself: its box is
        not on the bench any more, and it would be stuck to the next one.
        """
        turn = self._turn(only)
        if turn is None:
            return False
        job, press = turn
        if not press.using.acquire(blocking=False):
            return False  # a test label went first
        try:
            data = self._begin(job, press)
            if data is not None:
                self._tell()
                self._send(job, press, data)
        finally:
            press.using.release()
        self._tell()
        return True

    def _turn(self, only: Press | None) -> tuple[LabelJob, Press] | None:
        with self._store.read() as reader:
            facts, queued = Facts.of(reader), reader.labels("queued")
        now = time.monotonic()
        for job in () if facts.held else queued:
            press = self._press(job.kind)
            if press is None or press.using.locked() or (only is not None and press is not only):
                continue
            if press.again_at <= now or self._waited(job, facts) > OUT_S:
                return job, press
        return None

    def _begin(self, job: LabelJob, press: Press) -> bytes | None:
        """The label, where it is to be sent now; None where it is parked, or has lost its turn.

        Decided in one transaction with what a person said meanwhile, and known on the disk before a byte leaves: after
        a crash, nobody prints it a second time by mistake.
        """
        drawn = self._drawn(job, press)
        with self._store.write() as writer:
            facts = Facts.of(writer)
            if facts.held:
                return None
            if self._waited(job, facts) > OUT_S:
                self._park(writer, job, _late(job))
            elif isinstance(drawn, Message):
                self._park(writer, job, drawn)
            elif writer.move_label(job.id, "printing", printer=press.printer.name):
                return drawn
        return None

    def _drawn(self, job: LabelJob, press: Press) -> bytes | Message:
        """The label as the printer wants it, or why there is none."""
        if job.kind not in self._templates:
            return msg("There is no label template {kind}.", kind=job.kind)
        template = self._templates[job.kind]
        try:
            return render(template, job.fields, locale=self._locale, format=press.printer.format, dpi=press.dpi)
        except StationError as error:
            return error.title

    def _press(self, kind: str) -> Press | None:
        """The printer of a kind of labels; of those that take it the first, as they are sorted."""
        return next((press for press in self.presses if press.takes(kind)), None)

    def _waited(self, job: LabelJob, facts: Facts) -> float:
        """Seconds for which nothing has moved for a label: a queue that its printer works off is no stall."""
        now, press = self._clock(), self._press(job.kind)
        resumed_at = datetime.fromisoformat(facts.resumed_at) if facts.resumed_at else NEVER
        moved = (job.created_at, resumed_at, press.printed_at if press else job.created_at)
        # What lies in the future was before somebody set the clock back.
        return min((now - at).total_seconds() if at <= now else inf for at in moved)

    def _not_out(self, moving: Sequence[LabelJob], facts: Facts) -> LabelJob | None:
        """The newest label that is late, whether it is told already or not."""

        def late(job: LabelJob) -> bool:
            if job.state == "parked":
                return job.reason == _late(job)
            return self._press(job.kind) is not None and self._waited(job, facts) > OUT_S

        return next(filter(late, reversed(moving)), None)

    def _send(self, job: LabelJob, press: Press, data: bytes) -> None:
        """Bring a label out, and keep what became of it."""
        name = _name(job)
        began = self._clock()
        with self._store.read() as reader:
            before = reader.labels_of(job.lpn)
        try:
            self._call_back(before)
            confirmed = press.printer.send(data, job=name)
        except PrintUnknown as error:
            press.failed(error.title)
            self._in_doubt(job, error.title)
        except DeviceError as error:
            press.failed(error.title)
            with self._store.write() as writer:
                writer.not_printed(job.id)
        except Exception as error:
            _log.exception("printing %s failed", name)
            problem = type(error).__name__
            said = msg("It is not known whether {job} was printed ({problem}).", job=name, problem=problem)
            press.failed(said)
            self._in_doubt(job, said)
        else:
            press.went_well()
            self._came_out(job, press, confirmed)
            now = self._clock()
            if now - began <= timedelta(seconds=OUT_S):
                press.printed_at = now

    def _call_back(self, before: Sequence[LabelJob]) -> None:
        """Earlier labels of the plate that somebody gave up may still wait at a printer: they need not come out."""
        for press in self.presses:
            names = [_name(job) for job in before if job.state == "cancelled" and job.printer == press.printer.name]
            if names:
                press.printer.cancel(names)

    def _came_out(self, job: LabelJob, press: Press, confirmed: bool) -> None:
        """A finished unit's first label after a stall is to be scanned on its box, and so is one that came late."""
        name = press.printer.name
        with self._store.write() as writer:
            facts = Facts.of(writer)
            late = self._waited(job, facts) > OUT_S
            own = writer.is_of_finished(job.id)
            doubt = late or name in facts.stalled
            back = own and (self._scan_back == "always" or (self._scan_back == "after_stall" and doubt))
            writer.move_label(job.id, "printed", confirmed=confirmed, scan_back=back)
            if late or own:
                facts.in_step(name, well=not late).keep(writer)

    def _in_doubt(self, job: LabelJob, reason: Message) -> None:
        with self._store.write() as writer:
            self._park(writer, job, reason)

    def _park(self, writer: Writer, job: LabelJob, reason: Message) -> None:
        """Set a label aside with the reason."""
        writer.move_label(job.id, "parked", reason=reason)
        press = self._press(job.kind)
        if press is not None:
            Facts.of(writer).in_step(press.printer.name, well=False).keep(writer)


def _name(job: LabelJob) -> str:
    """What the label is called at the printer; no other has the name."""
    return f"{job.lpn or job.id}-{job.kind}-{job.print_no}"


def _late(job: LabelJob) -> Message:
    if job.slip:
        return msg("a slip of {lpn} was too late and was not printed: F4 prints it", lpn=job.lpn)
    return msg("label of {lpn} was too late and was not printed: set the box aside; F4 prints it", lpn=job.lpn)
