"""Keys and their times into presses and scans: what a hand typed, and what a scanner that types did.

Nothing here has a clock: every key comes with the time at which the terminal gave it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from typing import Literal

from inspect_station.core.barcode import LOST


@dataclass(frozen=True, slots=True)
class Press:
    """A key acts now. Keep the value before it: a `Retract` may follow."""

    key: str


@dataclass(frozen=True, slots=True)
class Retract:
    """The last ``count`` presses began a scan: restore the value before them."""

    count: int


@dataclass(frozen=True, slots=True)
class Scanned:
    """A whole code, for `read`."""

    text: str


@dataclass(frozen=True, slots=True)
class Doubled:
    """The same code again at once: dropped, to be shown with a sign."""

    text: str


Out = Press | Retract | Scanned | Doubled

Mode = Literal["keys", "text"]
"""What printable keys are where the focus is: commands, or text."""

_ENDS = ("enter", "tab")
_GAP = 0.150
"""Seconds; keys closer than this may be one scan; an Enter or Tab this soon after a scan is part of it."""
_SLOWEST = 0.090
"""Seconds; scanners type with gaps of 1 to 80 ms."""
_CERTAIN = 0.500
"""Seconds that a burst opened by its prefix waits for the next character: its rest must never act as keys."""
_LEAST: Mapping[Mode, int] = {"keys": 4, "text": 6}
"""Characters of the shortest scan told by timing; see `Wedge`."""

_Run = list[tuple[float, str]]


class Wedge:
    """Tells a scanner that types from a hand: a scan is never a hotkey, a slow hand never a scan.

    Feed it every key with the time at which the terminal gave it, act on what comes out, and call `tick` at
    `due`. What a press does beyond the screen's own value (saving, printing) waits until `due` is None: until
    then a `Retract` can take it back.

    **With a prefix** set on the scanner it is certain: a scan is what stands between prefix and suffix
    (without a suffix: Enter, Tab or silence), and all other keys act at once. A burst whose configured suffix
    never came ends in U+FFFD, which `read` rejects: half a code is no code.

    **Without one** the time between keys decides. In mode ``keys`` (keys are commands) a lone first key is
    held for ``hold_ms``, then acts; keys that follow within 150 ms wait until it is clear what they are. Four
    or more with such gaps, ended by Enter or Tab, are a scan; without an end only at a scanner's pace (90 ms
    on average). Four, not three: ``8`` ``7`` ``Enter`` or ``1`` ``0`` ``0`` ``Enter`` from a quick hand must
    reach the measure field, while no code at the dock has three characters. The price is that a hand's fourth
    key under 150 ms, followed by Enter as quickly, is taken for a scan. In mode ``text`` (all printable keys
    are text) keys act at once, and only six or more with gaps under 90 ms, *and* an Enter or Tab as close,
    are pulled back as a scan: quick typists reach single gaps like that, not seven in a row; a scan into a
    text field without its Enter stays there.

    A hand's key shortly before a scan stays a press if its gap shows it: at least 90 ms, and twice the
    largest gap of the scan. Closer than that it becomes part of the code, which is then unknown: seen, and
    scanned again. A scanner that stalls so long behind its first character, or 150 ms anywhere, is misread:
    that is what the prefix is for. A key held down repeats like a scanner; in mode ``keys`` the repeats are
    one unknown code, not many presses.
    """

    def __init__(self, *, prefix: str = "", suffix: str = "", hold_ms: int = 40, double_ms: int = 600) -> None:
        self.mode: Mode = "keys"
        """May change at any time, as the focus moves."""
        self._prefix = prefix
        self._suffix = suffix
        self._hold = hold_ms / 1000
        self._double = double_ms / 1000
        self._run: _Run = []
        """Keys, with their times, that may still turn out to be (part of) a scan."""
        self._acted = 0
        """How many of them have been pressed already."""
        self._last = ""
        self._ended = -inf
        """Text and end of the last scan, a dropped one included: a scanner that repeats stays dropped."""

    @property
    def due(self) -> float | None:
        """When `tick` must be called if no key comes before; None when nothing is open."""
        if not self._run:
            return None
        return self._run[-1][0] + (self._hold if self._holds_first else self._patience)

    def feed(self, at: float, key: str) -> tuple[Out, ...]:
        """One key and its time in seconds; the times never run backwards.

        ``key`` is one character, or the name of a key: ``enter`` (CR or LF), ``tab``, or any other.
        Characters include control characters, the GS1 separator among them: they belong to the scan, and
        `read` judges. Other named keys pass at once and in order; inside a burst they are a lost character,
        for a hostile code can hold escape sequences.

        From a Textual 8 ``Key`` event: ``at`` is ``event.time`` (monotonic, taken where the terminal is read,
        so a busy screen does not stretch it). CR is named ``enter``, Tab ``tab``; LF is ``ctrl+j``: feed
        ``enter``. 0x1D is ``ctrl+right_square_bracket``, without a ``character`` under the Kitty protocol:
        feed it by that name. Other ``ctrl+`` keys that have a character, and printable keys:
        ``event.character``. All others (Esc and Backspace have a character too): ``event.key``.
        """
        outs = [*self.tick(at)]
        if key in _ENDS:
            if self._run:
                closed = self._settle(at, ended=True)
                outs += closed
                belongs = any(isinstance(out, Scanned | Doubled) for out in closed)
            else:
                belongs = at - self._ended < _GAP
            if not belongs:
                outs.append(Press(key))
        elif self._prefix:
            outs += self._frame(at, key)
        elif len(key) > 1 and len(self._run) < _LEAST[self.mode]:
            outs += [*self._settle(at, ended=False), Press(key)]
        else:
            self._run.append((at, key))
            if self.mode == "text":
                outs += _presses(self._run[self._acted :])
                self._acted = len(self._run)
        return tuple(outs)

    def tick(self, at: float) -> tuple[Out, ...]:
        """What has become clear because no key came until ``at``.

        ``at`` is the `due` for which the timer was set, not the clock at the call: on a busy screen the scan's next
        keys already wait in the queue, with earlier times, and a later ``at`` would cut them off.
        """
        if self.due is None or at < self.due:
            return ()
        if self._holds_first and at < self._run[0][0] + self._patience:
            self._acted = 1
            return tuple(_presses(self._run))
        return tuple(self._settle(self._run[-1][0], ended=False))

    def whole(self, at: float, text: str) -> tuple[Out, ...]:
        """A code that came in one piece, from a scanner that does not type or from the camera.

        What a hand has pressed is settled first; the same code again at once is a double read, whichever way it came.
        """
        outs = [*self.tick(at), *self._settle(at, ended=False)]
        return (*outs, self._once(text, at, at))

    @property
    def _holds_first(self) -> bool:
        return len(self._run) == 1 and self._acted == 0 and not self._prefix

    @property
    def _patience(self) -> float:
        """How long the next key may take and still belong to the run."""
        if self._prefix:
            return _CERTAIN if _text(self._run).startswith(self._prefix) else _GAP
        return _GAP if self.mode == "keys" else _SLOWEST

    def _frame(self, at: float, key: str) -> list[Out]:
        """One key where a prefix is configured: what cannot be part of a prefixed burst acts at once."""
        outs: list[Out] = []
        self._run.append((at, key))
        while self._run and not _agree(_text(self._run), self._prefix):
            outs += _presses([self._run.pop(0)])
        body = _text(self._run)[len(self._prefix) :]
        if self._suffix and body.endswith(self._suffix):
            outs += self._settle(at, ended=True)
        return outs

    def _settle(self, at: float, *, ended: bool) -> list[Out]:
        """Close the run: what was a hand's is pressed, what was a scan comes out as one."""
        run, acted = self._run, self._acted
        self._run, self._acted = [], 0
        start, text = self._framed(run) if self._prefix else self._timed(run, ended)
        outs = _presses(run[acted:start])
        if not text:
            return outs
        if acted > start:
            outs.append(Retract(acted - start))
        return [*outs, self._once(text, run[start][0], at)]

    def _once(self, text: str, began: float, ended: float) -> Scanned | Doubled:
        """The code, unless it is the last one again, within the window."""
        doubled = text == self._last and began - self._ended < self._double
        self._last, self._ended = text, ended
        return Doubled(text) if doubled else Scanned(text)

    def _framed(self, run: _Run) -> tuple[int, str]:
        """Where the scan begins in a run, and its text; the run's length and no text if there is none."""
        text = _text(run)
        body = text.removeprefix(self._prefix)
        if body == text or body in ("", self._suffix):
            return len(run), ""
        if self._suffix:
            body = body.removesuffix(self._suffix) if body.endswith(self._suffix) else body + LOST
        return 0, body

    def _timed(self, run: _Run, ended: bool) -> tuple[int, str]:
        """The same, told by the gaps."""
        least = _LEAST[self.mode]
        gaps = [later - earlier for (earlier, _), (later, _) in pairwise(run)]
        start = next((n for n, gap in enumerate(gaps) if gap < _SLOWEST), len(gaps))
        if start and (len(run) - start < least or min(gaps[:start]) < 2 * max(gaps[start:])):
            start = 0
        burst = gaps[start:]
        pace_tells = self.mode == "keys" and sum(burst) < _SLOWEST * len(burst)
        if len(run) - start < least or not (ended or pace_tells):
            return len(run), ""
        return start, _text(run[start:])


def _presses(run: Iterable[tuple[float, str]]) -> list[Out]:
    return [Press(key) for _, key in run]


def _text(run: Sequence[tuple[float, str]]) -> str:
    """The characters of a run; a named key among them is one that got lost."""
    return "".join(key if len(key) == 1 else LOST for _, key in run)


def _agree(text: str, prefix: str) -> bool:
    return text.startswith(prefix) or prefix.startswith(text)
