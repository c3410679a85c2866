"""Label printers: a folder (simulated), raw TCP 9100, CUPS/IPP.

Every printer says how sure it is. `send` returns when the label is out or in the printer's own hands; it raises
DeviceError when surely nothing was printed, so that trying again is safe, and PrintUnknown when bytes went out and
nobody knows, or the printer has the label and cannot print it: then a person must look (design.md §3), and it is not
sent a second time. All calls block; they belong in the worker lane.
"""

import errno
import os
import re
import socket
import time
from collections.abc import Collection, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from inspect_station.devices import PrinterSettings
from inspect_station.errors import DeviceError, PrintUnknown, unreached
from inspect_station.message import Message, msg

if TYPE_CHECKING:
    from pyipp import IPP

Format = Literal["pdf", "zpl"]

PROBE_S = 2.0
"""Seconds that asking a printer how it is may take, and connecting to it."""
ASK_S = 0.5
"""Seconds within which a raw printer that answers `~HS` at all has answered."""
MUTE_S = 60.0
"""Seconds for which a raw printer that did not answer is not asked again: each question would cost `ASK_S`."""
CONFIRM_S = 2.0
"""Seconds within which a raw printer that answers says that it has nothing left to print."""
SLOW_S = 5.0
"""Seconds that a slow printer takes: longer than the 3 s after which the screen says so (design.md §7)."""
SEND_S = 10.0
"""Seconds that a raw printer may take nothing, or an IPP printer may keep silent, before the outcome is unknown."""
CLOSE_S = 2.0
"""Seconds to wait for a raw printer to close the connection; many never do."""
DONE_S = 20.0
"""Seconds within which an IPP job must be completed."""
POLL_S = 0.2
"""Seconds between two looks at a job."""
STUCK_S = 3.0
"""Seconds for which an IPP job may stand still before it counts as held up at the printer."""


class Trouble(StrEnum):
    """Why a printer does not print, where it says so itself."""

    NO_LABELS = "no_labels"
    JAMMED = "jammed"
    OPEN = "open"
    NO_RIBBON = "no_ribbon"
    FULL = "full"
    PAUSED = "paused"
    OFFLINE = "offline"
    OFF = "off"
    UNREACHED = "unreached"
    SILENT = "silent"


TROUBLES: Mapping[Trouble, Message] = {
    Trouble.NO_LABELS: msg("no labels left: put in a new roll"),
    Trouble.JAMMED: msg("labels are jammed: open it and free them"),
    Trouble.OPEN: msg("its cover is open: close it"),
    Trouble.NO_RIBBON: msg("its ribbon is used up: put in a new one"),
    Trouble.FULL: msg("its memory is full: wait, or switch it off and on"),
    Trouble.PAUSED: msg("it is paused: press its button"),
    Trouble.OFFLINE: msg("it is offline"),
    Trouble.OFF: msg("it is switched off"),
    Trouble.UNREACHED: msg("its queue cannot reach it"),
    Trouble.SILENT: msg("it does not say how it is any more: look for labels, ribbon and cover"),
}
"""What is wrong and what to do, in a person's words."""


@dataclass(frozen=True, slots=True)
class State:
    """What a printer says of itself just now."""

    ok: bool
    message: Message
    media: str = ""
    """The roll in it, in the printer's own word; empty where it cannot say."""
    trouble: Trouble | None = None
    """What is wrong, by name; None also where the printer does not say."""


_SIZE = re.compile(r"(?:^|[ _])(\d+(?:\.\d+)?)x(\d+(?:\.\d+)?)(mm|in)?(?=,|$)")
"""At the end of a medium's name (PWG 5101.1): ``om_small_57x32mm``, ``na_index-4x6_4x6in``."""


def sizes_of(media: str) -> tuple[str, ...]:
    """The sizes of the rolls in `State.media`, as a profile names them: ``62x40``, whole mm; none if it has none."""
    found = (
        [round(float(side) * (25.4 if unit == "in" else 1)) for side in sides] for *sides, unit in _SIZE.findall(media)
    )
    return tuple(f"{width}x{height}" for width, height in found)


class Printer(Protocol):
    """Something that labels come out of."""

    @property
    def name(self) -> str:
        """The site's name for it."""

    @property
    def format(self) -> Format:
        """What it wants to be sent."""

    def state(self) -> State:
        """Ask it how it is, within 2 s (looking its name up aside: give an address); never raises."""

    def send(self, data: bytes, *, job: str) -> bool:
        """Print one label; ``job`` names it, in the spool and in messages. False: sent, not confirmed.

        Raises DeviceError if surely nothing was printed, PrintUnknown if that cannot be told.
        """

    def cancel(self, jobs: Collection[str]) -> None:
        """Take back what was sent under these names and is not out yet, where the printer can do so; never raises.

        No promise: what nobody took back may come out.
        """


def printer(settings: PrinterSettings) -> Printer:
    """The printer that a site has set up; nothing is contacted yet."""
    if settings.kind == "file":
        return FilePrinter(settings)
    return RawPrinter(settings) if settings.kind == "raw" else IppPrinter(settings)


_READY = msg("ready")
_REACHED = msg("reached; it does not tell whether labels come out")
_LOOK_AT_IT = msg("Look at the printer: say whether the label is there. It is not printed twice by itself.")
_WAITS = msg("The label is printed when the printer is ready again.")


def _gone(name: str, why: str) -> DeviceError:
    return DeviceError(
        msg("The printer {printer} does not answer ({why:word}); the label waits.", printer=name, why=why),
        msg("Switch it on, check its cable and address; the label is printed when it answers."),
    )


def _lacks(name: str, trouble: Trouble) -> Message:
    """What is wrong, and with which of several printers."""
    return msg("printer {printer}: {trouble:word}", printer=name, trouble=TROUBLES[trouble].text)


def _unknown(name: str, job: str, why: str) -> PrintUnknown:
    return PrintUnknown(
        msg(
            "The printer {printer} took label {job}, but nobody knows if it came out ({why:word}).",
            **_of(name, job, why),
        ),
        _LOOK_AT_IT,
    )


def _stuck(name: str, job: str, trouble: Message) -> PrintUnknown:
    """The printer has the label and will print it once it can: sent again, it would come out twice."""
    return PrintUnknown(
        msg(
            "Label {job} is at the printer {printer}, which cannot print it: {trouble:word}",
            **_of(name, job, ""),
            trouble=trouble.text,
        ),
        msg("Mend that; it may come out by itself then. Then say whether the label is there."),
    )


def _refused(name: str, job: str, why: str) -> DeviceError:
    return DeviceError(
        msg("The printer {printer} refused label {job} ({why:word}); nothing was printed.", **_of(name, job, why)),
        msg("Run `inspect-station doctor`, and check this printer's settings in station.toml."),
    )


def _of(name: str, job: str, why: str) -> Mapping[str, str]:
    return {"printer": name, "job": job, "why": why}


def _why(error: BaseException) -> str:
    """In our words, as a msgid for ``{x:word}``, else in those of the system, where it has any."""
    if ours := unreached(error):
        return ours
    cause = error.__cause__ or error
    return getattr(cause, "strerror", None) or str(next(iter(cause.args), "")) or type(cause).__name__


# ── A folder ─────────────────────────────────────────────────────────────────────────────────────────────────────────


class FilePrinter:
    """Writes each label to a file named after its job; can be told to fail, as a real one would.

    A label is there whole or not at all, also after a power cut.
    """

    def __init__(self, settings: PrinterSettings) -> None:
        self.name = settings.name
        self.format: Format = settings.format
        self._folder = settings.folder or Path()
        self._fault = settings.fault

    def state(self) -> State:
        """See `Printer.state`."""
        if self._fault == "gone":
            return State(False, _gone(self.name, "simulated").title)
        folder = next(path for path in (self._folder, *self._folder.parents) if os.access(path, os.F_OK))
        if not folder.is_dir() or not os.access(folder, os.W_OK):
            return State(False, msg("the folder {folder} cannot be written to", folder=str(self._folder)))
        return State(True, _READY)

    def send(self, data: bytes, *, job: str) -> bool:
        """See `Printer.send`."""
        if self._fault == "gone":
            raise _gone(self.name, "simulated")
        if self._fault == "slow":
            time.sleep(SLOW_S)
        # The job's name comes from outside: it stays one name in this folder.
        target = self._folder / f"{re.sub(r'[^A-Za-z0-9_-]', '-', job)}.{self.format}"
        part = target.with_name(f".{target.name}.part")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            part.replace(target)
        except OSError as error:
            with suppress(OSError):
                part.unlink()
            raise _refused(self.name, job, _why(error)) from error
        try:
            _sync_folder(self._folder)
        except OSError as error:
            raise _unknown(self.name, job, _why(error)) from error
        if self._fault == "unknown":
            raise _unknown(self.name, job, "simulated")
        return True

    def cancel(self, jobs: Collection[str]) -> None:
        """See `Printer.cancel`: what is in the folder is out."""


def _sync_folder(folder: Path) -> None:
    """Make the name of a new file last, too."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


# ── Raw TCP ──────────────────────────────────────────────────────────────────────────────────────────────────────────


_ASK = b"~HS\r\n"
"""ZPL's question after the host status. A printer that cannot print answers with the reason or, newer ones, with
nothing (ZPL programming guide, ~HS): silence of one that has answered before is trouble, too."""
_AFRESH = b"~JX\r\n"
"""Goes before each label: half of one that the printer has since a connection was lost is dropped, or the next would be
drawn over it; whole ones, and what it prints just now, are not touched (ZPL programming guide, ~JX)."""
_STRINGS = re.compile(rb"\x02([0-9,]+)\x03")
"""An answer is three of them, of 12, 11 and 2 fields."""
_LONGEST_ANSWER = 4096


@dataclass(frozen=True, slots=True)
class _HostStatus:
    """What a printer said of itself."""

    trouble: Trouble | None
    idle: bool
    """Nothing is left to print."""


def _host_status(answer: bytes) -> _HostStatus | None:
    """The last answer to `~HS` (ZPL II Programming Guide) in what came; None where there is none, or none yet whole.

    What came may begin with the third string of the answer before.
    """
    strings = [each.split(b",") for each in _STRINGS.findall(answer)]
    pairs = [pair for pair in pairwise(strings) if [len(each) for each in pair] == [12, 11] and all(map(all, pair))]
    if not pairs:
        return None
    first, second = pairs[-1]
    flags = {
        Trouble.OPEN: second[2],
        Trouble.NO_LABELS: first[1],
        Trouble.NO_RIBBON: second[3],
        Trouble.FULL: first[5],
        Trouble.PAUSED: first[2],  # the others set it, too: they go first
    }
    trouble = next((each for each, flag in flags.items() if int(flag)), None)
    formats, half_a_format, labels = first[4], first[7], second[8]
    return _HostStatus(trouble, not any(map(int, (formats, half_a_format, labels))))


class RawPrinter:
    """Sends to TCP port 9100. One that speaks ZPL is asked how it is, before and after; many keep silent."""

    def __init__(self, settings: PrinterSettings) -> None:
        self.name = settings.name
        self.format: Format = settings.format
        self._address = (settings.host, settings.port)
        self._mute_until = 0.0
        self._tells = False
        """It has answered once."""

    def state(self) -> State:
        """See `Printer.state`; that it can be reached is all that a silent printer tells."""
        try:
            with self._connect(PROBE_S - ASK_S) as connection:
                status = self._status(connection)
        except DeviceError as error:
            return State(False, error.title)
        if status is None:
            return State(True, _REACHED)
        if status.trouble is not None:
            return State(False, _lacks(self.name, status.trouble), trouble=status.trouble)
        return State(True, _READY)

    def send(self, data: bytes, *, job: str) -> bool:
        """See `Printer.send`."""
        if self.format == "zpl":
            data = _AFRESH + data
        with ExitStack() as stack:
            connection = stack.enter_context(self._connect(PROBE_S))
            asks = self._asks()
            status = self._status(connection)
            if status is not None and status.trouble is not None:
                raise DeviceError(_lacks(self.name, status.trouble), _WAITS)
            if status is None and asks:
                # An answer that comes when we have hung up resets the connection, and what the printer has not read of
                # it is lost: the label does not go where one may still come.
                connection.close()
                connection = stack.enter_context(self._connect(PROBE_S))
            connection.settimeout(SEND_S)
            sent = 0
            try:
                while sent < len(data):
                    sent += connection.send(data[sent:])
                confirmed = status is not None and self._comes_out(connection, job)
                connection.shutdown(socket.SHUT_WR)
            except OSError as error:
                if sent == 0:
                    raise _gone(self.name, _why(error)) from error
                raise _unknown(self.name, job, _why(error)) from error
            if not confirmed:
                self._wait_until_taken(connection, job)
            return confirmed

    def _connect(self, patience: float) -> socket.socket:
        try:
            return socket.create_connection(self._address, patience)
        except OSError as error:
            raise _gone(self.name, _why(error)) from error

    def cancel(self, jobs: Collection[str]) -> None:
        """See `Printer.cancel`: what would clear this printer clears the labels of others, too."""

    def _asks(self) -> bool:
        """Whether it is asked how it is, or has shown that it does not tell."""
        return self.format == "zpl" and time.monotonic() >= self._mute_until

    def _status(self, connection: socket.socket) -> _HostStatus | None:
        """How it is, before a byte of a label was sent; None where it does not tell."""
        if not self._asks():
            return None
        try:
            status = _ask_status(connection, ASK_S)
        except OSError as error:
            if not self._tells:
                # The question itself may be what it does not bear: the next try goes without.
                self._mute_until = time.monotonic() + MUTE_S
            raise _gone(self.name, _why(error)) from error
        if status is None and self._tells:
            return _HostStatus(Trouble.SILENT, False)
        if status is None:
            self._mute_until = time.monotonic() + MUTE_S
        self._tells = status is not None
        return status

    def _comes_out(self, connection: socket.socket, job: str) -> bool:
        """Whether the printer, which answered before, says that nothing is left to print; False while it is at it.
        Raises OSError, PrintUnknown."""
        deadline = time.monotonic() + CONFIRM_S
        while (left := deadline - time.monotonic()) > 0:
            status = _ask_status(connection, max(left, ASK_S)) or _HostStatus(Trouble.SILENT, False)
            if status.trouble is not None:
                raise _stuck(self.name, job, TROUBLES[status.trouble])
            if status.idle:
                return True
            time.sleep(POLL_S)
        return False

    def _wait_until_taken(self, connection: socket.socket, job: str) -> None:
        """Until the printer closes, or has acknowledged every byte: not all of them close."""
        deadline = time.monotonic() + CLOSE_S
        said = b""
        try:
            while (left := deadline - time.monotonic()) > 0:
                connection.settimeout(left)
                heard = connection.recv(4096)
                said = (said + heard)[-_LONGEST_ANSWER:]
                late = _host_status(said)
                if late is not None and late.trouble is not None:
                    raise _stuck(self.name, job, TROUBLES[late.trouble])
                if not heard:
                    return
        except TimeoutError:
            pass
        except OSError as error:
            raise _unknown(self.name, job, _why(error)) from error
        if unacknowledged := _in_flight(connection):
            raise _unknown(self.name, job, f"{unacknowledged} bytes were not acknowledged")


def _ask_status(connection: socket.socket, patience: float) -> _HostStatus | None:
    """Ask `~HS`; None where no answer comes in time, or none that can be read. Raises OSError where it hangs up."""
    deadline = time.monotonic() + patience
    answer = b""
    try:
        connection.settimeout(patience)
        connection.sendall(_ASK)
        while (left := deadline - time.monotonic()) > 0 and len(answer) < _LONGEST_ANSWER:
            connection.settimeout(left)
            heard = connection.recv(4096)
            if not heard:
                raise ConnectionAbortedError(errno.ECONNABORTED, os.strerror(errno.ECONNABORTED))
            answer += heard
            if (status := _host_status(answer)) is not None:
                return status
    except TimeoutError:
        pass
    return None


def _in_flight(connection: socket.socket) -> int:
    """Bytes that the other side's TCP has not acknowledged (SIOCOUTQ, Linux); the end of stream counts as one."""
    import fcntl
    import struct
    import termios

    answer: bytes = fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(4))
    count: int = struct.unpack("i", answer)[0]
    return count


# ── IPP ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

_MIME: Mapping[Format, str] = {"pdf": "application/pdf", "zpl": "application/vnd.zebra-zpl"}

_JOB_HELD, _CANCELED, _ABORTED, _COMPLETED = 4, 7, 8, 9
"""States of a job that waits for somebody, or has ended (RFC 8011 §5.3.7)."""
_STOPPED = 5
"""State of a printer that does nothing (RFC 8011 §5.4.11)."""
_BUSY = {0x0502, 0x0507, 0x050B}
"""service-unavailable, busy, too-many-jobs: no job was made, and asking again may help."""
_FAILED = {0x0500, 0x0504, 0x0505, 0x0508}
"""internal-error, device-error, temporary-error (its memory was full while it took the label in), job-canceled:
something broke in, or stopped, a job that the printer had."""
_NO_SUCH_JOB = 0x0406

REASONS: Mapping[str, Trouble] = {
    "media-empty": Trouble.NO_LABELS,
    "media-needed": Trouble.NO_LABELS,
    "media-jam": Trouble.JAMMED,
    "cover-open": Trouble.OPEN,
    "door-open": Trouble.OPEN,
    "interlock-open": Trouble.OPEN,
    "marker-supply-empty": Trouble.NO_RIBBON,
    "spool-area-full": Trouble.FULL,
    "paused": Trouble.PAUSED,
    "offline": Trouble.OFFLINE,
    "shutdown": Trouble.OFF,
    "timed-out": Trouble.UNREACHED,
}
"""The printer-state-reasons (RFC 8011 §5.4.12, without -error and the like) that stop labels."""

_HELD = msg("the job is held: release it at the printer or its queue")


class IppPrinter:
    """A CUPS queue or a network printer: it is asked first how it is, and the job is followed until it has ended.

    A job that was aborted or cancelled may have come out half: its outcome is unknown, too. One that the printer has
    and cannot print stays there.
    """

    def __init__(self, settings: PrinterSettings) -> None:
        self.name = settings.name
        self.format: Format = settings.format
        self._uri = settings.uri

    def state(self) -> State:
        """See `Printer.state`."""
        import asyncio

        async def ask() -> State:
            async with self._client(PROBE_S) as ipp:
                return await self._state(ipp)

        return asyncio.run(ask())

    def send(self, data: bytes, *, job: str) -> bool:
        """See `Printer.send`."""
        import asyncio

        async def follow() -> None:
            async with self._client(SEND_S) as ipp:
                state = await self._state(ipp)
                if not state.ok:
                    raise DeviceError(state.message, _WAITS)
                await self._follow(ipp, await self._hand_over(ipp, data, job), job)

        asyncio.run(follow())
        return True

    def _client(self, patience: float) -> "IPP":
        from pyipp import IPP

        return IPP(self._uri, request_timeout=round(patience))

    async def _state(self, ipp: "IPP") -> State:
        import asyncio

        from pyipp import IPPError

        wanted = ("printer-state", "printer-state-reasons", "printer-is-accepting-jobs", "media-ready")
        try:
            async with asyncio.timeout(PROBE_S):
                answer = await _ask(ipp, "GET_PRINTER_ATTRIBUTES", {"requested-attributes": wanted})
                said = answer["printers"][0]
        except (IPPError, TimeoutError, LookupError) as error:
            return State(False, _gone(self.name, _why(error)).title)
        media = ", ".join(_several(said.get("media-ready"))) or ""
        reasons = [re.sub("-(error|warning|report)$", "", each) for each in _several(said.get("printer-state-reasons"))]
        trouble = next((REASONS[reason] for reason in reasons if reason in REASONS), None)
        if trouble is not None:
            return State(False, _lacks(self.name, trouble), media, trouble)
        if said.get("printer-state") == _STOPPED or not said.get("printer-is-accepting-jobs", True):
            why = ", ".join(reasons)
            return State(False, msg("printer {printer} takes no labels ({why})", printer=self.name, why=why), media)
        return State(True, _READY, media)

    async def _hand_over(self, ipp: "IPP", data: bytes, job: str) -> int:
        """Print-Job, once; answers the job's number."""
        from pyipp import IPPError

        try:
            about = {"job-name": job, "document-name": job, "document-format": _MIME[self.format]}
            answer = await _ask(ipp, "PRINT_JOB", about, data)
            return int(answer["jobs"][0]["job-id"])
        except IPPError as error:
            outcome, why = _outcome(error)
            if outcome == "busy":
                raise DeviceError(
                    msg("printer {printer} is busy with another job ({why})", printer=self.name, why=why), _WAITS
                ) from error
            if outcome == "unknown":
                raise _unknown(self.name, job, why) from error
            raise _refused(self.name, job, why) from error
        except LookupError as error:
            raise _unknown(self.name, job, "its answer names no job") from error

    def cancel(self, jobs: Collection[str]) -> None:
        """See `Printer.cancel`."""
        import asyncio

        from pyipp import IPPError

        async def call_back() -> None:
            async with self._client(PROBE_S) as ipp, asyncio.timeout(PROBE_S):
                wanted = {"my-jobs": True, "requested-attributes": ("job-id", "job-name")}
                for each in (await _ask(ipp, "GET_JOBS", wanted))["jobs"]:
                    if each.get("job-name") in jobs:
                        await _ask(ipp, "CANCEL_JOB", {"job-id": int(each["job-id"])})

        with suppress(IPPError, TimeoutError, LookupError):
            asyncio.run(call_back())

    async def _follow(self, ipp: "IPP", number: int, job: str) -> None:
        """Wait until the job is completed; raises PrintUnknown where it ends otherwise, or stands still."""
        import asyncio

        def about(look: _Look) -> Mapping[str, str]:
            return _of(self.name, job, look.why)

        began = time.monotonic()
        try:
            async with asyncio.timeout(DONE_S):
                while (look := await _look(ipp, number)).state != _COMPLETED:
                    if look.state == _ABORTED:
                        raise _over(msg("The printer {printer} gave up on label {job} ({why}).", **about(look)))
                    if look.state == _CANCELED:
                        raise _over(msg("Label {job} was cancelled at {printer} ({why}).", **about(look)))
                    if look.lost:
                        raise _unknown(self.name, job, look.why)
                    if time.monotonic() - began > STUCK_S:
                        if look.state == _JOB_HELD:
                            raise _stuck(self.name, job, _HELD)
                        state = await self._state(ipp)
                        if state.trouble is not None:
                            raise _stuck(self.name, job, TROUBLES[state.trouble])
                    await asyncio.sleep(POLL_S)
        except TimeoutError as error:
            raise _unknown(self.name, job, f"not completed within {DONE_S:g} s") from error


def _over(said: Message) -> PrintUnknown:
    """The job has ended, and the label is out, half out or not at all."""
    return PrintUnknown(said, _LOOK_AT_IT)


@dataclass(frozen=True, slots=True)
class _Look:
    """A job as the printer tells it; without a state where no answer came."""

    state: int = 0
    why: str = ""
    lost: bool = False
    """The printer does not know the job: nothing more will be heard of it."""


async def _look(ipp: "IPP", number: int) -> _Look:
    from pyipp import IPPError

    wanted = {"job-id": number, "requested-attributes": ("job-state", "job-state-reasons")}
    try:
        said = (await _ask(ipp, "GET_JOB_ATTRIBUTES", wanted))["jobs"][0]
        return _Look(int(said["job-state"]), ", ".join(_several(said.get("job-state-reasons"))))
    except IPPError as error:
        forgotten = _status(error) == _NO_SUCH_JOB
        return _Look(why="it has forgotten the job", lost=True) if forgotten else _Look()
    except LookupError:
        return _Look(why="its answer names no job", lost=True)


async def _ask(ipp: "IPP", operation: str, attributes: Mapping[str, Any], data: bytes = b"") -> dict[str, Any]:
    """One request and its answer. Raises IPPError, also where half an answer came or nothing more."""
    import asyncio

    from pyipp import IPPConnectionError, IPPError
    from pyipp.enums import IppOperation

    wanted = {"requesting-user-name": "inspect-station", **attributes}
    try:
        # pyipp's own timeout ends with the first byte of the answer.
        async with asyncio.timeout(ipp.request_timeout + 1):
            return await ipp.execute(IppOperation[operation], {"operation-attributes-tag": wanted, "data": data})
    except IPPError:
        raise
    except Exception as error:
        # What the connection's own library raises where pyipp no longer looks.
        raise IPPConnectionError(str(error)) from error


def _several(value: Any) -> list[str]:
    """An IPP value as a list of words: one alone comes bare, none comes as ``none``."""
    values = value if isinstance(value, list) else [value]
    return [str(each) for each in values if each not in (None, "none")]


def _status(error: Exception) -> int | None:
    """The status code that pyipp found in an answer, HTTP or IPP."""
    about = error.args[1] if len(error.args) > 1 and isinstance(error.args[1], dict) else {}
    return about.get("status-code")


def _outcome(error: Exception) -> tuple[Literal["busy", "refused", "unknown"], str]:
    """What an error that followed on Print-Job says about the label, and why."""
    from pyipp import IPPResponseError

    status = _status(error)
    if status is None:
        # No answer, or none that can be read: the label may be out.
        return "unknown", _why(error)
    if isinstance(error, IPPResponseError):
        return ("refused" if status < 500 else "unknown"), f"HTTP {status}"
    why = f"IPP {status:#06x}"
    return ("busy" if status in _BUSY else "unknown" if status in _FAILED else "refused"), why
