"""Reads the terminal: keys, and the silence between them, in one thread and one order.

Textual's own reader gives each key the time at which it got round to it, and leaves silence to a timer elsewhere. On a
busy machine such a timer says "nothing came" while the next character of a scan waits to be read: the first one would
act as a hotkey. Here silence is what the reading thread has seen, by asking the terminal until that moment.

Scanned data may hold bytes that terminals use for themselves. A key's sequence comes in one read and with nothing but
others of its kind; whatever else holds an Esc is data, character by character. Such a code is then rejected with its
code points instead of being read without them, and none can switch the terminal's paste mode on for good. Bytes that
are no text come out as U+FFFD.
"""

import os
import re
import select
import sys
from codecs import getincrementaldecoder
from collections.abc import Iterable
from math import nextafter
from time import monotonic
from typing import ClassVar, Self

from textual import constants, events
from textual._keyboard_protocol import MODIFIER_FUNCTIONAL_KEYS
from textual._xterm_parser import BRACKETED_PASTE_END, BRACKETED_PASTE_START, XTermParser
from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message

from inspect_station.core.barcode import LOST

ESC = "\x1b"
_SEQUENCES = re.compile(r"(?:\x1b\[[0-?]*[ -/]*[@-~]|\x1bO[ -~])+")
"""Keys and reports, as a terminal writes them."""
_ALT = re.compile(r"\x1b([^\x1b])")
_POLL = 0.1
"""Seconds between two looks at whether the program ends."""
_PASTE = 65_536
"""Characters kept of a paste."""


class Silence(events.Event, bubble=False):
    """Nothing came from the terminal until ``until`` (seconds, monotonic)."""

    def __init__(self, until: float) -> None:
        super().__init__()
        self.until = until


class Terminal(LinuxDriver):
    """Textual's driver with a reader of ours."""

    waits: ClassVar[tuple[float, ...]] = (0.0,)

    def start_application_mode(self) -> None:
        """Without kitty's keyboard protocol, which sends every key as a sequence, and Shift as a key of its own."""
        constants.DISABLE_KITTY_KEY = True  # type: ignore[misc]
        super().start_application_mode()  # type: ignore[no-untyped-call]

    @classmethod
    def telling(cls, waits: tuple[float, ...]) -> type[Self]:
        """A driver that tells of silence so many seconds after the last input, ascending."""
        return type(cls.__name__, (cls,), {"waits": waits})

    def run_input_thread(self) -> None:
        """Read until the program ends."""
        # This thread takes the time of each key: it must not wait 5 ms for its turn while a page is painted.
        sys.setswitchinterval(0.0005)
        reader = Reader()
        last = heard = monotonic()
        while not self.exit_event.is_set():
            mark = next((last + wait for wait in self.waits if last + wait > heard), None)
            patience = _POLL if mark is None else max(0.0, mark - monotonic())
            if select.select([self.fileno], [], [], patience)[0]:
                # No silence was seen until the mark, so it came before, however late this thread was woken.
                at = monotonic() if mark is None else min(monotonic(), nextafter(mark, last))
                data = os.read(self.fileno, 4096)
                if not data:
                    return
                self._tell(reader.read(data), at)
                last = heard = at
            elif mark is not None:
                if mark == last + self.waits[-1]:
                    self._tell(reader.ended(), last)
                self._tell((Silence(mark),), mark)
                heard = mark

    def _tell(self, told: Iterable[Message], at: float) -> None:
        for event in told:
            event.time = at
            self.process_message(event)


_MODIFIERS = MODIFIER_FUNCTIONAL_KEYS | {"caps_lock", "num_lock", "scroll_lock"}


def _is_modifier(event: Message) -> bool:
    return isinstance(event, events.Key) and event.key.rpartition("+")[2] in _MODIFIERS


def _keys(sequences: str) -> Iterable[Message]:
    """The keys and reports that these sequences stand for; those that no terminal sends are data.

    By a parser of their own: one that does not know a sequence waits for its end for ever, or falls over it.
    """
    try:
        return list(XTermParser().feed(sequences))
    except Exception:
        return [events.Key("escape" if sign == ESC else "unknown", sign) for sign in sequences]


class Reader:
    """What a terminal sent, as events: keys, pastes and the terminal's own reports."""

    def __init__(self) -> None:
        self._parser = XTermParser()
        self._decode = getincrementaldecoder("utf-8")("replace").decode
        self._pasted: str | None = None
        """What came of a paste that has not ended."""

    def read(self, data: bytes) -> Iterable[Message]:
        """The events of what one read brought; bytes that are no text become U+FFFD. Shift and its like, which some
        terminals report, are no keys here: a capital letter would tear a code."""
        return (event for event in self._events(data) if not _is_modifier(event))

    def _events(self, data: bytes) -> Iterable[Message]:
        text = self._decode(data)
        if self._pasted is None and text.startswith(BRACKETED_PASTE_START):
            self._pasted, text = "", text.removeprefix(BRACKETED_PASTE_START)
        if self._pasted is not None:
            pasted, end, text = (self._pasted + text).partition(BRACKETED_PASTE_END)
            self._pasted = pasted[:_PASTE]
            if end:
                yield from self.ended()
        if _SEQUENCES.fullmatch(text):
            yield from _keys(text)
        elif alt := _ALT.fullmatch(text):
            # Alt and a key; or an Esc that tmux held back until the first character of a scan came.
            yield events.Key("unknown", LOST)
            yield from self._parser.feed(alt[1])
        else:
            for sign in text:
                yield from (events.Key("escape", ESC),) if sign == ESC else self._parser.feed(sign)

    def ended(self) -> Iterable[Message]:
        """The paste is over: its end came, or nothing for so long that it never will."""
        if self._pasted is not None:
            yield events.Paste(self._pasted.replace("\0", ""))
            self._pasted = None
