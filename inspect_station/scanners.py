"""Scanners that do not type into the terminal: a serial line, or a keyboard of their own taken over by evdev.

Both give whole codes, from a thread, and come back by themselves when they are plugged in again. A scanner that types
into the terminal needs nothing of this: `core.wedge` tells its keys from a hand's. pyserial and evdev are loaded when
a device is opened.
"""

import errno
import logging
import os
import re
import time
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from select import select
from threading import Event, Thread
from typing import TYPE_CHECKING, Literal, Protocol

from inspect_station.core.barcode import LOST, MOST
from inspect_station.devices import ScannerPort
from inspect_station.errors import DeviceError
from inspect_station.message import Message, msg

if TYPE_CHECKING:
    from evdev import InputDevice
    from serial import Serial

SILENCE_S = 0.1
"""Seconds after which a code is complete, where the scanner puts nothing behind its codes."""
STALL_S = 0.5
"""Seconds after which a code is given up, where it does put something behind them."""
LOOK_S = 0.2
"""Seconds between two looks at whether to stop."""
AGAIN_S = (0.25, 0.5, 1.0, 2.0)
"""Seconds before each new try to open a device; the last one from then on."""
HELD_S = 1.0
"""Seconds that a key of the scanner may be down before it is taken over all the same."""
KEPT = 8 * MOST
"""Bytes kept of one code: too many for `barcode.read` to take, whatever their encoding."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class State:
    """How a scanner is just now."""

    name: Literal["opening", "ready", "gone", "held", "denied", "unusable"]
    """``held``: by another program; ``unusable``: something on this machine is missing."""
    trouble: tuple[Message, Message] | None = None
    """Why it gives no codes, and what to do."""


# ── From a device to codes ───────────────────────────────────────────────────────────────────────────────────────────


class Port(Protocol):
    """A device that gives bytes."""

    def open(self) -> None:
        """Open it, for this program alone. Raises OSError, DeviceError."""

    def fileno(self) -> int:
        """Its file descriptor."""

    def read(self) -> bytes:
        """What has come, when there is something to read; a key that is let go gives nothing.

        Raises OSError when it is unplugged.
        """

    def close(self) -> None:
        """Let go of it, if it is open."""


class Scanner:
    """Listens to one device in a thread of its own, and opens it again whenever it has gone."""

    def __init__(self, settings: ScannerPort, port: Port) -> None:
        self._settings = settings
        self._port = port
        self._framing = Framing(settings.prefix, settings.suffix)
        self._state = State("opening")
        self._tries = 0
        self._stopping = Event()
        self._thread: Thread | None = None

    @property
    def state(self) -> State:
        """How it is just now; any thread may ask."""
        return self._state

    def start(self, got: Callable[[str], None], changed: Callable[[], None]) -> None:
        """Begin to listen: ``got`` takes every code, ``changed`` is called when `state` is another. Both are called
        from the scanner's thread and must be quick."""
        self._thread = Thread(target=self._run, args=(got, changed), name="scanner", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Let go of the device; a code that is not complete is none."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self, got: Callable[[str], None], changed: Callable[[], None]) -> None:
        while not self._stopping.is_set():
            try:
                self._port.open()
                self._listen(got, changed)
            except Exception as error:
                # Whatever it was, a scanner that is dead until the next start would be worse.
                if not isinstance(error, OSError | DeviceError):
                    _log.exception("scanner %s", self._settings.device)
                self._become(_trouble(self._settings, error), changed)
            finally:
                self._port.close()
            self._stopping.wait(AGAIN_S[min(self._tries, len(AGAIN_S) - 1)])
            self._tries += 1

    def _listen(self, got: Callable[[str], None], changed: Callable[[], None]) -> None:
        self._framing.forget()
        # What comes at once may be the rest of a code that began before: a code comes after a silence.
        while self._read(SILENCE_S) is not None:
            if self._stopping.is_set():
                return
        self._tries = 0
        self._become(State("ready"), changed)
        while not self._stopping.is_set():
            data = self._read(self._framing.patience or LOOK_S)
            for code in self._framing.silence() if data is None else self._framing.feed(data):
                got(code)

    def _read(self, patience: float) -> bytes | None:
        """What has come within so many seconds; None = silence."""
        ready, _, _ = select([self._port], [], [], patience)
        return self._port.read() if ready else None

    def _become(self, state: State, changed: Callable[[], None]) -> None:
        if state != self._state:
            self._state = state
            changed()


class Framing:
    """Cuts what a scanner sends into codes.

    A code ends with the configured suffix; without one with CR, LF or Tab, of which several are one. A scanner that has
    never sent an end is one that sends none: then silence ends its codes. From any other, a code without its end is
    half a code, what follows it within half a second is the other half, and one without the configured prefix may be
    half: such a code holds U+FFFD, so that `barcode.read` rejects it. All else is kept, GS and other control characters
    too; `barcode.read` judges.
    """

    def __init__(self, prefix: str = "", suffix: str = "") -> None:
        self._prefix = prefix
        self._end = re.compile(re.escape(suffix.encode()) if suffix else rb"[\r\n\t]")
        self._ends = bool(suffix)
        """Whether this scanner ends its codes."""
        self._open = b""
        """The code that has begun."""
        self._half = False
        """The last code was half one, just now."""

    @property
    def patience(self) -> float | None:
        """Seconds of silence after which `silence` must be called; None while nothing waits for it."""
        if self._open:
            return STALL_S if self._ends else SILENCE_S
        return STALL_S if self._half else None

    def feed(self, data: bytes) -> list[str]:
        """The codes that these bytes complete."""
        *whole, rest = self._end.split(self._open + data)
        # Of what never ends, only so much is kept.
        self._open = rest[-KEPT:]
        self._ends = self._ends or bool(whole)
        return [code for each in whole if (code := self._whole(each))]

    def silence(self) -> list[str]:
        """The code that has begun, as nothing more comes."""
        code = self._text(self._open)
        self.forget()
        self._half = bool(code) and self._ends
        return [code + LOST if self._ends else code] if code else []

    def forget(self) -> None:
        """Drop the code that has begun."""
        self._open, self._half = b"", False

    def _whole(self, raw: bytes) -> str:
        """A code up to its end; not where its beginning was given up."""
        code = self._text(raw)
        rest = self._half and not (self._prefix and raw.startswith(self._prefix.encode()))
        if code:
            self._half = False
        return LOST + code if code and rest and not code.startswith(LOST) else code

    def _text(self, raw: bytes) -> str:
        raw = raw.lstrip(b"\r\n\t")
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            text = raw.decode("latin-1")
        if text and not text.startswith(self._prefix):
            return LOST + text
        # A "]" at its end opens the AIM identifier (]C1, ]d2…), which tells `barcode.read` what the code is.
        return text.removeprefix(self._prefix.removesuffix("]"))


# ── Serial ───────────────────────────────────────────────────────────────────────────────────────────────────────────


class SerialPort:
    """A serial line: USB-CDC, RS-232, Bluetooth SPP."""

    def __init__(self, device: str, baud: int) -> None:
        self._device = device
        self._baud = baud
        self._serial: Serial | None = None

    def open(self) -> None:
        """See `Port.open`: locked against those who ask (flock), and closed to the others (TIOCEXCL)."""
        import fcntl
        import termios

        from serial import Serial

        try:
            self._serial = Serial(self._device, self._baud, timeout=0, exclusive=True)
            fcntl.ioctl(self._serial.fileno(), termios.TIOCEXCL)
        except termios.error as error:
            raise OSError(*error.args) from error

    def fileno(self) -> int:
        """See `Port.fileno`."""
        return self._opened.fileno()

    def read(self) -> bytes:
        """See `Port.read`."""
        try:
            return self._opened.read(4096)
        except OSError as error:
            # pyserial's own words speak of readiness to read; what happened is this.
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV)) from error

    def close(self) -> None:
        """See `Port.close`."""
        import fcntl
        import termios

        if self._serial is not None:
            # Where something else keeps the line open, it would stay shut for us, too.
            with suppress(OSError):
                fcntl.ioctl(self._serial.fileno(), termios.TIOCNXCL)
            self._serial.close()
            self._serial = None

    @property
    def _opened(self) -> "Serial":
        assert self._serial is not None
        return self._serial


# ── evdev ────────────────────────────────────────────────────────────────────────────────────────────────────────────

_ROWS = (
    (2, "1234567890-=", "!@#$%^&*()_+"),
    (16, "qwertyuiop[]", "QWERTYUIOP{}"),
    (30, "asdfghjkl;'`", 'ASDFGHJKL:"~'),
    (43, "\\zxcvbnm,./", "|ZXCVBNM<>?"),
)
"""Key code of the first key in each row (Linux, input-event-codes.h), and what its keys give on a US keyboard, plain
and with Shift."""
_KEYPAD = {
    code: sign
    for first, signs in ((71, "789-456+1230."), (55, "*"), (98, "/"))
    for code, sign in enumerate(signs, first)
}
_SAME = {1: "\x1b", 14: "\b", 15: "\t", 28: "\r", 57: " ", 96: "\r"}
"""Esc, Backspace, Tab, Enter, Space, and the keypad's Enter."""
_PLAIN = {code: sign for first, signs, _ in _ROWS for code, sign in enumerate(signs, first)} | _KEYPAD | _SAME
_SHIFTED = {code: sign for first, _, signs in _ROWS for code, sign in enumerate(signs, first)} | _KEYPAD | _SAME

_SHIFT, _CTRL, _ALT, _OTHER = {42, 54}, {29, 97}, {56, 100}, {125, 126}
_CAPS_LOCK, _NUM_LOCK, _SCROLL_LOCK = 58, 69, 70
_MODIFIERS = _SHIFT | _CTRL | _ALT | _OTHER
_CONTROL = (
    {" ": 0, "2": 0, "6": 30, "-": 31} | {chr(64 + n): n for n in range(32)} | {chr(96 + n): n for n in range(1, 27)}
)
"""What Ctrl makes of a character; Ctrl+] is GS."""
_LONGEST = 4
"""Digits of a number typed with Alt."""


class UsKeyboard:
    """Key events of a scanner, which types as on a US keyboard unless told otherwise, into text.

    The host's own layout has no part in it. Ctrl gives control characters; Alt and digits of the keypad give the
    character of that number, which is how some scanners send what no key has. A key that stands for no character is
    U+FFFD: something of the code got lost.
    """

    def __init__(self, held: Iterable[int] = ()) -> None:
        """``held`` = codes of the keys that are down already."""
        self._held = set(held) & _MODIFIERS
        self._caps = False
        self._number = ""
        """Typed on the keypad while Alt is down."""

    def feed(self, code: int, value: int) -> str:
        """One key event: its code, and 1 for down, 0 for up, 2 for still down; answers the text that it gives."""
        if code in _MODIFIERS:
            return self._modify(code, down=value != 0)
        if value != 1 or code in (_NUM_LOCK, _SCROLL_LOCK):
            return ""
        if code == _CAPS_LOCK:
            self._caps = not self._caps
            return ""
        return self._sign(code)

    def _modify(self, code: int, *, down: bool) -> str:
        if down:
            self._held.add(code)
            return ""
        self._held.discard(code)
        number, self._number = (self._number, "") if code in _ALT else ("", self._number)
        # Above ASCII the number means one character here and another there.
        certain = number and len(number) <= _LONGEST and int(number) < 128
        return chr(int(number)) if certain else LOST if number else ""

    def _sign(self, code: int) -> str:
        if self._held & _ALT:
            digit = _KEYPAD.get(code, "")
            self._number = (self._number + digit)[: _LONGEST + 1] if digit.isdecimal() else self._number
            return "" if digit.isdecimal() else LOST
        if self._held & _OTHER:
            return LOST
        plain = _PLAIN.get(code, LOST)
        shift = bool(self._held & _SHIFT) != (self._caps and plain.isalpha())
        sign = _SHIFTED.get(code, LOST) if shift else plain
        if self._held & _CTRL:
            control = _CONTROL.get(sign)
            return LOST if control is None else chr(control)
        return sign


class EvdevPort:
    """A scanner that types, taken over: no other program and no terminal gets its keys."""

    def __init__(self, device: str) -> None:
        self._path = device
        self._device: InputDevice[str] | None = None
        self._keyboard = UsKeyboard()

    def open(self) -> None:
        """See `Port.open`. The keys must be up: nobody else would hear of their release."""
        try:
            from evdev import InputDevice
        except ImportError as error:
            raise DeviceError(
                msg("The scanner {device} needs the package evdev, which is not installed.", device=self._path),
                msg("Install it: `.venv/bin/uv pip install evdev` (docs/setup.md), or set another kind in [scanner]."),
            ) from error
        self._device = InputDevice(self._path)
        patience = time.monotonic() + HELD_S
        while self._device.active_keys() and time.monotonic() < patience:
            time.sleep(0.01)
        self._device.grab()
        self._keyboard = UsKeyboard(self._device.active_keys())

    def fileno(self) -> int:
        """See `Port.fileno`."""
        return int(self._opened.fileno())

    def read(self) -> bytes:
        """See `Port.read`; the text of the keys, as UTF-8."""
        from evdev import ecodes

        text = ""
        for event in self._opened.read():
            if event.type == ecodes.EV_KEY:
                text += self._keyboard.feed(event.code, event.value)
            elif event.type == ecodes.EV_SYN and event.code == ecodes.SYN_DROPPED:
                # The kernel's buffer was full: keys are missing here, and which are down must be asked anew.
                text += LOST
                self._keyboard = UsKeyboard(self._opened.active_keys())
        return text.encode()

    def close(self) -> None:
        """See `Port.close`; that lets go of the grab, too."""
        if self._device is not None:
            self._device.close()
            self._device = None

    @property
    def _opened(self) -> "InputDevice[str]":
        assert self._device is not None
        return self._device


# ── Which one, and what is wrong with it ─────────────────────────────────────────────────────────────────────────────


def scanner(settings: ScannerPort) -> Scanner | None:
    """The scanner that a site has set up, not opened yet; None for one that types into the terminal."""
    return None if settings.kind == "keyboard" else Scanner(settings, _port(settings))


def probe(settings: ScannerPort) -> State:
    """Open the device of a scanner that does not type, close it again, and say how it is."""
    port = _port(settings)
    try:
        port.open()
    except (OSError, DeviceError) as error:
        return _trouble(settings, error)
    finally:
        port.close()
    return State("ready")


def present(kind: str) -> list[str]:
    """The serial lines or the keyboards of this machine that may be opened, by the path that stays the same where there
    is one."""
    paths: list[str] = []
    if kind == "serial":
        from serial.tools.list_ports import comports

        paths = [port.device for port in comports()]
    else:
        from evdev import InputDevice, ecodes, list_devices

        for path in list_devices():
            with suppress(OSError), closing(InputDevice(path)) as device:
                if ecodes.KEY_ENTER in device.capabilities().get(ecodes.EV_KEY, ()):
                    paths.append(path)
    links = Path("/dev/serial/by-id" if kind == "serial" else "/dev/input/by-id")
    lasting = {str(link.resolve()): str(link) for link in (links.iterdir() if links.is_dir() else ())}
    return sorted(lasting.get(path, path) for path in paths)


def _port(settings: ScannerPort) -> Port:
    if settings.kind == "serial":
        return SerialPort(settings.device, settings.baud)
    return EvdevPort(settings.device)


def _trouble(settings: ScannerPort, error: Exception) -> State:
    device, number = settings.device, getattr(error, "errno", None)
    if isinstance(error, DeviceError):
        return State("unusable", (error.title, error.hint))
    if number in (errno.EACCES, errno.EPERM):
        said = msg("The scanner {device} may not be opened: this user has no right to it.", device=device)
        group = "dialout" if settings.kind == "serial" else "input"
        hint = msg("`sudo usermod -aG {group} $USER`, then sign out of the computer and in again.", group=group)
        return State("denied", (said, hint))
    if number in (errno.EAGAIN, errno.EBUSY):
        said = msg("The scanner {device} is in use by another program.", device=device)
        hint = msg("Close that program (a second station, or ModemManager): this one tries again by itself.")
        return State("held", (said, hint))
    why = os.strerror(number) if number else str(error) or type(error).__name__
    said = msg("The scanner {device} does not answer ({why}); the keyboard works.", device=device, why=why)
    hint = msg("Plug it in: it is found by itself. `inspect-station doctor` lists what is there.")
    return State("gone", (said, hint))
