"""Label printers: a folder (simulated), raw TCP 9100, CUPS/IPP.

Every printer says how sure it is. `send` returns when the label is out or in the printer's own hands; it raises
DeviceError when surely nothing was printed, so that trying again is safe, and PrintUnknown when bytes went out and
nobody knows: then a person must look (design.md §3). All calls block; they belong in the worker lane.
"""

import os
import re
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from inspect_station.devices import PrinterSettings
from inspect_station.errors import DeviceError, PrintUnknown
from inspect_station.message import Message, msg

if TYPE_CHECKING:
    from pyipp import IPP

Format = Literal["pdf", "zpl"]

PROBE_S = 2.0
"""Seconds that asking a printer how it is may take, and connecting to it."""
SLOW_S = 5.0
"""Seconds that a slow printer takes: longer than the 3 s after which the screen says so (design.md §7)."""
SEND_S = 10.0
"""Seconds that a raw printer may take nothing, or an IPP printer may keep silent, before the outcome is unknown."""
CLOSE_S = 2.0
"""Seconds to wait for a raw printer to close the connection; many never do."""
DONE_S = 20.0
"""Seconds within which an IPP job must be completed."""
BUSY_PAUSES = (0.25, 0.5, 1.0, 2.0, 2.0)
"""Seconds between tries while an IPP printer is busy with another job."""
POLL_S = 0.2
"""Seconds between two looks at an IPP job."""


@dataclass(frozen=True, slots=True)
class State:
    """What a printer says of itself just now."""

    ok: bool
    message: Message
    media: str = ""
    """The roll in it, ``62x40`` in mm or the printer's own word; as configured where it cannot say."""


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

    def send(self, data: bytes, *, job: str) -> None:
        """Print one label; ``job`` names it, in the spool and in messages.

        Raises DeviceError if surely nothing was printed, PrintUnknown if that cannot be told.
        """


def printer(settings: PrinterSettings) -> Printer:
    """The printer that a site has set up; nothing is contacted yet."""
    if settings.kind == "file":
        return FilePrinter(settings)
    return RawPrinter(settings) if settings.kind == "raw" else IppPrinter(settings)


_READY = msg("ready")


_WAITS = msg("The label is printed when the printer is ready again.")


def _gone(name: str, why: str) -> DeviceError:
    return DeviceError(
        msg("The printer {printer} does not answer ({why}); the label waits.", printer=name, why=why),
        msg("Switch it on, check its cable and address; the label is printed when it answers."),
    )


def _unknown(name: str, job: str, why: str) -> PrintUnknown:
    return PrintUnknown(
        msg("The printer {printer} took label {job}, but nobody knows if it came out ({why}).", **_of(name, job, why)),
        msg("Look at the printer: say whether the label is there. It is not printed twice by itself."),
    )


def _refused(name: str, job: str, why: str) -> DeviceError:
    return DeviceError(
        msg("The printer {printer} refused label {job} ({why}); nothing was printed.", **_of(name, job, why)),
        msg("Run `inspect-station doctor`, and check this printer's settings in station.toml."),
    )


def _of(name: str, job: str, why: str) -> Mapping[str, str]:
    return {"printer": name, "job": job, "why": why}


def _why(error: BaseException) -> str:
    """In the words of the system, where it has any."""
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
        self._media = settings.media
        self._fault = settings.fault

    def state(self) -> State:
        """See `Printer.state`."""
        if self._fault == "gone":
            return State(False, _gone(self.name, "simulated").title)
        folder = next(path for path in (self._folder, *self._folder.parents) if os.access(path, os.F_OK))
        if not folder.is_dir() or not os.access(folder, os.W_OK):
            return State(False, msg("the folder {folder} cannot be written to", folder=str(self._folder)))
        return State(True, _READY, self._media)

    def send(self, data: bytes, *, job: str) -> None:
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


def _sync_folder(folder: Path) -> None:
    """Make the name of a new file last, too."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


# ── Raw TCP ──────────────────────────────────────────────────────────────────────────────────────────────────────────


class RawPrinter:
    """Sends to TCP port 9100, where a printer takes everything and says nothing."""

    def __init__(self, settings: PrinterSettings) -> None:
        self.name = settings.name
        self.format: Format = settings.format
        self._address = (settings.host, settings.port)
        self._media = settings.media

    def state(self) -> State:
        """See `Printer.state`; that it can be reached is all that such a printer tells."""
        try:
            self._connect().close()
        except DeviceError as error:
            return State(False, error.title)
        return State(True, _READY, self._media)

    def send(self, data: bytes, *, job: str) -> None:
        """See `Printer.send`."""
        with self._connect() as connection:
            connection.settimeout(SEND_S)
            sent = 0
            try:
                while sent < len(data):
                    sent += connection.send(data[sent:])
                connection.shutdown(socket.SHUT_WR)
            except OSError as error:
                if sent == 0:
                    raise _gone(self.name, _why(error)) from error
                raise _unknown(self.name, job, _why(error)) from error
            self._wait_until_taken(connection, job)

    def _connect(self) -> socket.socket:
        try:
            return socket.create_connection(self._address, PROBE_S)
        except OSError as error:
            raise _gone(self.name, _why(error)) from error

    def _wait_until_taken(self, connection: socket.socket, job: str) -> None:
        """Until the printer closes, or has acknowledged every byte: not all of them close."""
        deadline = time.monotonic() + CLOSE_S
        try:
            while (left := deadline - time.monotonic()) > 0:
                connection.settimeout(left)
                if not connection.recv(4096):
                    return
        except TimeoutError:
            pass
        except OSError as error:
            raise _unknown(self.name, job, _why(error)) from error
        if unacknowledged := _in_flight(connection):
            raise _unknown(self.name, job, f"{unacknowledged} bytes were not acknowledged")


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

_CANCELED, _ABORTED, _COMPLETED = 7, 8, 9
"""States of a job that has ended (RFC 8011 §5.3.7)."""
_STOPPED = 5
"""State of a printer that does nothing (RFC 8011 §5.4.11)."""
_BUSY = {0x0502, 0x0505, 0x0507, 0x050B}
"""service-unavailable, temporary-error, busy, too-many-jobs: no job was made, and asking again may help."""
_FAILED = {0x0500, 0x0504}
"""internal-error, device-error: something broke while the printer had the job."""
_NO_SUCH_JOB = 0x0406

REASONS: Mapping[str, Message] = {
    "media-empty": msg("no labels left: put in a new roll"),
    "media-needed": msg("no labels left: put in a new roll"),
    "media-jam": msg("labels are jammed: open it and free them"),
    "cover-open": msg("its cover is open: close it"),
    "door-open": msg("its cover is open: close it"),
    "interlock-open": msg("its cover is open: close it"),
    "marker-supply-empty": msg("its ribbon is used up: put in a new one"),
    "paused": msg("it is paused: press its button"),
    "offline": msg("it is offline"),
    "shutdown": msg("it is switched off"),
    "timed-out": msg("its queue cannot reach it"),
}
"""The printer-state-reasons (RFC 8011 §5.4.12, without -error and the like) that stop labels, in a person's words."""


class IppPrinter:
    """A CUPS queue or a network printer: it is asked first how it is, and the job is followed until it has ended.

    A job that was aborted or cancelled may have come out half: its outcome is unknown, too.
    """

    def __init__(self, settings: PrinterSettings) -> None:
        self.name = settings.name
        self.format: Format = settings.format
        self._uri = settings.uri
        self._media = settings.media

    def state(self) -> State:
        """See `Printer.state`."""
        import asyncio

        async def ask() -> State:
            async with self._client(PROBE_S) as ipp:
                return await self._state(ipp)

        return asyncio.run(ask())

    def send(self, data: bytes, *, job: str) -> None:
        """See `Printer.send`."""
        import asyncio

        async def follow() -> None:
            async with self._client(SEND_S) as ipp:
                state = await self._state(ipp)
                if not state.ok:
                    raise DeviceError(state.message, _WAITS)
                await self._follow(ipp, await self._hand_over(ipp, data, job), job)

        asyncio.run(follow())

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
        media = ", ".join(_several(said.get("media-ready"))) or self._media
        reasons = [re.sub("-(error|warning|report)$", "", each) for each in _several(said.get("printer-state-reasons"))]
        known = next((REASONS[reason] for reason in reasons if reason in REASONS), None)
        if known is None and (said.get("printer-state") == _STOPPED or not said.get("printer-is-accepting-jobs", True)):
            known = msg("it takes no labels ({why})", why=", ".join(reasons))
        return State(False, known, media) if known else State(True, _READY, media)

    async def _hand_over(self, ipp: "IPP", data: bytes, job: str) -> int:
        """Print-Job, again while the printer is busy; answers the job's number."""
        import asyncio

        from pyipp import IPPError

        pauses = iter(BUSY_PAUSES)
        while True:
            try:
                about = {"job-name": job, "document-name": job, "document-format": _MIME[self.format]}
                answer = await _ask(ipp, "PRINT_JOB", about, data)
                return int(answer["jobs"][0]["job-id"])
            except IPPError as error:
                outcome, why = _outcome(error)
                if outcome == "busy" and (pause := next(pauses, None)):
                    await asyncio.sleep(pause)
                elif outcome == "unknown":
                    raise _unknown(self.name, job, why) from error
                else:
                    raise _refused(self.name, job, why) from error
            except LookupError as error:
                raise _unknown(self.name, job, "its answer names no job") from error

    async def _follow(self, ipp: "IPP", number: int, job: str) -> None:
        """Wait until the job has ended."""
        import asyncio

        try:
            async with asyncio.timeout(DONE_S):
                completed, why = await _end_of(ipp, number)
        except TimeoutError:
            completed, why = False, f"not completed within {DONE_S:g} s"
        if not completed:
            raise _unknown(self.name, job, why)


async def _end_of(ipp: "IPP", number: int) -> tuple[bool, str]:
    """Whether the job was completed, and why not, once it has ended; lost answers are asked for again."""
    import asyncio

    from pyipp import IPPError

    wanted = {"job-id": number, "requested-attributes": ("job-state", "job-state-reasons")}
    while True:
        try:
            said = (await _ask(ipp, "GET_JOB_ATTRIBUTES", wanted))["jobs"][0]
            if said["job-state"] in (_CANCELED, _ABORTED, _COMPLETED):
                return said["job-state"] == _COMPLETED, ", ".join(_several(said.get("job-state-reasons")))
        except IPPError as error:
            if _status(error) == _NO_SUCH_JOB:
                return False, "it has forgotten the job"
        except LookupError:
            return False, "its answer names no job"
        await asyncio.sleep(POLL_S)


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
