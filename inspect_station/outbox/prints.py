"""The labels that wait, in the order of finishing, and the printers that they come out of.

The queue is in the store. Repeating is not safe here: a label of which nobody knows whether it came out is parked and
shown, and one that is late asks before it prints.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import inf
from typing import Literal

from inspect_station.config import LabelPrinter
from inspect_station.errors import DeviceError, PrintUnknown, StationError
from inspect_station.label import Template, render
from inspect_station.message import Message, msg, msgn
from inspect_station.printing import Printer, printer
from inspect_station.store import LabelJob, Reader, Store

OUT_S = 3.0
"""A label that is not out by then is late: its box may have left the bench (design.md §7)."""
NEVER = datetime.min.replace(tzinfo=UTC)
LONGEST_STALL_S = 30.0
"""Seconds, at most, until a printer that did not answer is tried again."""

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
    stalled: bool = False
    """A label was late, or may be out, since one came out of it: boxes and labels may be out of step."""
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
        """It did not print, surely; its next label waits."""
        self.problem = problem
        self.again_at = time.monotonic() + min(LONGEST_STALL_S, 2.0**self._failures)
        self._failures += 1


class Prints:
    """Prints what waits. Any thread may call it; one label is printed at a time.

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
        self._store = store
        self._presses = presses
        self._templates = templates
        self._clock = clock
        self._locale = locale
        self._scan_back = scan_back
        self._tell = tell
        self._held = False
        self._resumed_at = NEVER
        self._printing = threading.RLock()

    def rest(self) -> float:
        """Nothing has its turn: ask silent printers how they are; the seconds until something is due by itself."""
        pause = inf
        for press in self._presses:
            if press.problem is not None and press.again_at <= time.monotonic():
                # Nothing waits for it: ask it how it is.
                state = press.printer.state()
                press.went_well() if state.ok else press.failed(state.message)
            if press.problem is not None:
                pause = min(pause, max(0.05, press.again_at - time.monotonic()))
        if not self._held:
            with self._store.read() as reader:
                queued = reader.labels("queued")
            # A label that gets late is told in time.
            waited = (self._waited(job) for job in queued if self._press(job.kind) is not None)
            pause = min([pause, *(max(0.05, OUT_S - seconds) for seconds in waited)])
        return pause

    def park_halfway(self) -> None:
        """Labels that were being printed when the station stopped, or could not say so: they may be out."""
        with self._printing:
            with self._store.read() as reader:
                halfway = reader.labels("printing")
            for job in halfway:
                self._park(job, msg("The station stopped while {lpn} was being printed.", lpn=job.lpn))

    def state(self, waiting: int, parked: int, stumbled: Message | None) -> PrinterState:
        """The lamp, with so many labels waiting and parked; ``stumbled`` keeps the thread from its work."""
        with self._store.read() as reader:
            moving = reader.labels("queued", "printing", "parked")
        # While the queue is held by hand, everybody knows why nothing comes out.
        not_out = None if self._held else self._not_out(moving)
        problem = next(filter(None, (stumbled, *(press.problem for press in self._presses))), None)
        return PrinterState(
            bool(self._presses) and not self._held and not any(press.problem for press in self._presses),
            self._held,
            waiting,
            parked,
            self._said(waiting, parked, not_out, problem),
            problem,
            not_out.lpn if not_out else "",
        )

    def _said(self, waiting: int, parked: int, not_out: LabelJob | None, problem: Message | None) -> Message:
        if not self._presses:
            return msg("no printer: labels wait")
        if self._held:
            return msgn(
                "printing is held, {n} label waits: F6 goes on",
                "printing is held, {n} labels wait: F6 goes on",
                n=waiting,
            )
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
        self._held = True
        self._tell()

    def resume(self) -> None:
        """Go on printing what waits, with printers that did not answer before, too: a person has asked for it.

        Late labels, too, in the order of finishing: their boxes were set aside, so each is to be scanned on its box.
        """
        with self._printing, self._store.write() as writer:
            for job in self._late_in(writer):
                writer.move_label(job.id, "queued", scan_back=self._scan_back != "never")
        self._held, self._resumed_at = False, self._clock()
        for press in self._presses:
            press.again_at = 0.0
        self._tell()

    def to_come(self) -> int:
        """Labels that `resume` lets come out: those in the queue, and the late ones."""
        with self._store.read() as reader:
            return len(reader.labels("queued")) + len(self._late_in(reader))

    @staticmethod
    def _late_in(reader: Reader) -> list[LabelJob]:
        return [job for job in reader.labels("parked") if job.reason == _late(job.lpn)]

    def print_once(self) -> bool:
        """Print the label whose turn it is, or park it where it is late; False where none has its turn now.

        Labels come out of each printer in the order of finishing. After a stall none comes out by itself: its box is
        not on the bench any more, and it would be stuck to the next one.
        """
        with self._printing:
            turn = self._turn()
            if turn is None:
                return False
            job, press = turn
            if self._waited(job) > OUT_S:
                self._park(job, _late(job.lpn))
            else:
                self._print_label(job, press)
            self._tell()
            return True

    def _turn(self) -> tuple[LabelJob, Press] | None:
        if self._held:
            return None
        with self._store.read() as reader:
            queued = reader.labels("queued")
        now = time.monotonic()
        for job in queued:
            press = self._press(job.kind)
            if press is not None and (press.again_at <= now or self._waited(job) > OUT_S):
                return job, press
        return None

    def _press(self, kind: str) -> Press | None:
        """The printer of a kind of labels: the first that takes it."""
        return next((press for press in self._presses if press.takes(kind)), None)

    def _waited(self, job: LabelJob) -> float:
        """Seconds for which nothing has moved for a label: a queue that its printer works off is no stall."""
        now, press = self._clock(), self._press(job.kind)
        moved = (job.created_at, self._resumed_at, press.printed_at if press else job.created_at)
        # What lies in the future was before somebody set the clock back.
        return min((now - at).total_seconds() if at <= now else inf for at in moved)

    def _not_out(self, moving: Sequence[LabelJob]) -> LabelJob | None:
        """The newest label that is late, whether it is told already or not."""

        def late(job: LabelJob) -> bool:
            if job.state == "parked":
                return job.reason == _late(job.lpn)
            return self._press(job.kind) is not None and self._waited(job) > OUT_S

        return next(filter(late, reversed(moving)), None)

    def _print_label(self, job: LabelJob, press: Press) -> None:
        name = f"{job.lpn or job.id}-{job.kind}-{job.print_no}"
        if job.kind not in self._templates:
            self._park(job, msg("There is no label template {kind}.", kind=job.kind))
            return
        try:
            data = render(
                self._templates[job.kind],
                job.fields,
                locale=self._locale,
                format=press.printer.format,
                dpi=press.dpi,
            )
        except StationError as error:
            self._park(job, error.title)
            return
        # Known on the disk before a byte leaves: after a crash, nobody prints it a second time by mistake.
        with self._store.write() as writer:
            if not writer.move_label(job.id, "printing", printer=press.printer.name):
                return
        self._tell()
        began = self._clock()
        overdue = threading.Timer(max(0.0, OUT_S - self._waited(job)), self._tell)
        overdue.daemon = True
        overdue.start()
        try:
            confirmed = press.printer.send(data, job=name)
        except PrintUnknown as error:
            self._park(job, error.title)
        except DeviceError as error:
            press.failed(error.title)
            self._put_back(job)
        except Exception as error:
            _log.exception("printing %s failed", name)
            problem = type(error).__name__
            self._park(job, msg("It is not known whether {job} was printed ({problem}).", job=name, problem=problem))
        else:
            press.went_well()
            now = self._clock()
            if now - began <= timedelta(seconds=OUT_S):
                press.printed_at = now
            back = self._scan_back == "always" or (self._scan_back == "after_stall" and press.stalled)
            with self._store.write() as writer:
                writer.move_label(job.id, "printed", confirmed=confirmed, scan_back=back and bool(job.lpn))
            press.stalled = False
        finally:
            overdue.cancel()

    def _park(self, job: LabelJob, reason: Message) -> None:
        """Set a label aside with the reason."""
        press = self._press(job.kind)
        if press is not None:
            press.stalled = True
        with self._store.write() as writer:
            writer.move_label(job.id, "parked", reason=reason)

    def _put_back(self, job: LabelJob) -> None:
        """A label that surely did not come out keeps its turn, unless its unit was undone meanwhile."""
        with self._store.write() as writer:
            writer.move_label(job.id, "queued")


def _late(lpn: str) -> Message:
    return msg("label of {lpn} was too late and was not printed: set the box aside; F4 prints it", lpn=lpn)
