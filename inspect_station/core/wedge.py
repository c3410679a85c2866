"""Keys and their times into presses and scans: what a hand typed, and what a scanner that types did.

Nothing here has a clock: every key comes with the time at which the terminal gave it.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from typing import Literal

from inspect_station.core.barcode import LOST, MOST


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
_FINGERS = 0.012
"""Seconds; two gaps in a row under this are no hand's."""
_PACKET = 0.0005
"""Seconds; characters closer than this came in one piece, through a network or a program."""
_STALL = 0.500
"""Seconds that a scanner, or the line to it, may pause inside a code. With a prefix the rest is waited for; without
one it is known by coming so soon behind half a code."""
_LEAST: Mapping[Mode, int] = {"keys": 4, "text": 5}
"""Characters of the shortest scan that a hand could have typed; see `Wedge`."""
_AIM = re.compile(r"\](?:[A-Za-z](?:[0-9A-Za-z].*)?)?", re.DOTALL)
"""What may become a code behind its AIM identifier (ISO/IEC 15424)."""
_AIM_SIGNS = 3

_Run = list[tuple[float, str]]


class Wedge:
    """Tells a scanner that types from a hand: a scan is never a hotkey, a slow hand never a scan.

    Feed it every key with the time at which the terminal gave it, act on what comes out, and call `tick` when
    the terminal was silent. What a press does beyond the screen's own value (saving, printing) waits until
    `due` is None: until then a `Retract` can take it back.

    **With a prefix** set on the scanner it is certain: a scan is what stands between prefix and suffix
    (without a suffix: Enter, Tab or silence), and all other keys act as soon as nothing follows at a machine's pace
    (12 ms). Three and more at that pace are a scanner that does not send the prefix: they come out as one code
    behind U+FFFD. A burst whose configured suffix
    never came ends in U+FFFD, which `read` rejects: half a code is no code. A prefix that ends in ``]`` is the
    AIM identifier that the scanner sends (``]C1``, ``]d2``, ``]E0``, ``]Q3``…): it stays in the text, for `read`.

    **Without one** the time between keys decides. In mode ``keys`` (keys are commands) a lone first key is
    held for ``hold_ms``, then acts; keys that follow within 150 ms wait until it is clear what they are. Four
    or more with such gaps, ended by Enter or Tab, are a scan; without an end only at a scanner's pace (90 ms
    on average). Four, not three: ``8`` ``7`` ``Enter`` or ``1`` ``0`` ``0`` ``Enter`` from a quick hand must
    reach the measure field, while no code at the dock has three characters. The price is that a hand's fourth
    key under 150 ms, followed by Enter as quickly, is taken for a scan. In mode ``text`` (all printable keys
    are text) keys act at once, and only five or more at that pace,
    *and* an Enter or Tab as close, are pulled back as a scan: quick typists reach single gaps like that, not the
    mean of six; a scan into a text field without its Enter stays there. In both, fewer characters are a scan too
    where no gap is a hand's (12 ms): three, or one and its Enter. A key that opens a text field began in
    mode ``keys``: what follows it is told by the same rule as it.

    A hand's key shortly before a scan stays a press if its gap shows it: at least 90 ms, and twice the
    largest gap of the scan. Closer than that it becomes part of the code, which is then unknown: seen, and
    scanned again. A key held down repeats like a scanner; in mode ``keys`` the repeats are one unknown code,
    not many presses.

    **A code torn apart** by a pause of 150 ms and more must not be taken for two. Once a scanner has ended a
    code with Enter or Tab, a burst without it is half a code, and what follows within half a second is its
    other half; both come out with U+FFFD where they were torn. A second whole burst without an end shows a scanner
    that sends none, and counts. Over a network (``remote``) a lone first character may be followed by
    the rest in one packet: within half a second of a hand's key, what came in one piece is such a rest. A lone
    first character that acted more than 150 ms before the rest cannot be taken back any more, nor two or three
    from a slow scanner: that is what the prefix is for.
    """

    def __init__(
        self, *, prefix: str = "", suffix: str = "", hold_ms: int = 40, double_ms: int = 600, remote: bool = False
    ) -> None:
        self.mode: Mode = "keys"
        """May change at any time, as the focus moves."""
        self._prefix = prefix
        self._suffix = suffix
        self._hold = hold_ms / 1000
        self._double = double_ms / 1000
        self._remote = remote
        self._most = len(prefix) + MOST + len(suffix) + 1
        """Keys kept of an endless burst: enough for `read` to reject it as too long."""
        self._run: _Run = []
        """Keys, with their times, that may still turn out to be (part of) a scan."""
        self._acted = 0
        """How many of them have been pressed already."""
        self._began: Mode = "keys"
        """What printable keys were when the first of them came: it may itself have opened a text field."""
        self._strays: _Run = []
        """With a prefix: keys outside of it, until it is clear that a hand pressed them."""
        self._last = ""
        self._ended = -inf
        """Text and end of the last scan, a dropped one included: a scanner that repeats stays dropped."""
        self._ends = False
        """The scanner ends its codes with Enter or Tab."""
        self._half = False
        """The last scan was half a code."""
        self._pressed = -inf
        """When a hand last pressed a character."""

    @property
    def waits(self) -> tuple[float, ...]:
        """Seconds of silence that mean something, ascending: what `tick` should be told of, and what a key must not
        seem to have taken unless so much silence was seen."""
        return tuple(sorted({_FINGERS, self._hold, _SLOWEST, _GAP, _STALL}))

    @property
    def due(self) -> float | None:
        """When `tick` must be called if no key comes before; None when nothing is open."""
        if self._strays:
            return self._strays[-1][0] + (_GAP if _machine(_gaps(self._strays)) else _FINGERS)
        if not self._run:
            return None
        return self._run[-1][0] + (self._hold if self._holds_first else self._patience)

    def feed(self, at: float, key: str) -> tuple[Out, ...]:
        """One key and its time in seconds; the times never run backwards.

        ``key`` is one character, or the name of a key: ``enter`` (CR or LF), ``tab``, or any other.
        Characters include control characters, the GS1 separator, Esc and Backspace among them: they may belong to
        a scan, and `read` judges. Other named keys pass at once and in order; inside a burst they are a lost
        character.
        """
        outs = [*self.tick(at)]
        if key in _ENDS:
            if self._run or self._strays:
                closed = [*self._astray(at, ended=True), *self._settle(at, ended=True)]
                outs += closed
                belongs = any(isinstance(out, Scanned | Doubled) for out in closed)
            else:
                belongs = at - self._ended < (_STALL if self._half else _GAP)
                self._half = self._half and not belongs
            if not belongs:
                outs.append(Press(key))
        elif self._prefix:
            outs += self._frame(at, key)
        elif len(key) > 1 and len(self._run) < _LEAST[self.mode]:
            outs += [*self._settle(at, ended=False), Press(key)]
        else:
            self._append(at, key)
            if self.mode == "text":
                outs += _presses(self._run[self._acted :])
                self._acted = len(self._run)
        return tuple(outs)

    def tick(self, at: float) -> tuple[Out, ...]:
        """What has become clear because no key came until ``at``.

        ``at`` is a time until which the terminal is known to have been silent, not the clock at the call: on a busy
        machine the scan's next keys may already wait to be read, and a later ``at`` would cut them off.
        """
        if self.due is None or at < self.due:
            return ()
        if self._strays:
            return tuple(self._astray(self._strays[-1][0], ended=False))
        if self._holds_first and at < self._run[0][0] + self._patience:
            self._acted = 1
            return tuple(_presses(self._run))
        return tuple(self._settle(self._run[-1][0], ended=False))

    def whole(self, at: float, text: str) -> tuple[Out, ...]:
        """A code that came in one piece, from a scanner that does not type; not while `due` is set.

        What a hand has pressed is settled first; the same code again at once is a double read, whichever way it came.
        """
        outs = [*self.tick(at), *self._astray(at, ended=False), *self._settle(at, ended=False)]
        self._half = False
        return (*outs, self._once(text, at, at))

    @property
    def _holds_first(self) -> bool:
        return len(self._run) == 1 and self._acted == 0 and not self._prefix

    @property
    def _patience(self) -> float:
        """How long the next key may take and still belong to the run."""
        if self._prefix:
            return _STALL if _text(self._run).startswith(self._prefix) else _GAP
        return _GAP

    def _append(self, at: float, key: str) -> None:
        """Another key of the run. Of an endless one the last but one is forgotten, and the gap before it."""
        if len(self._run) == self._most:
            gap = self._run[-1][0] - self._run[-2][0]
            self._run = [(when + gap, each) for when, each in self._run[:-1]]
        if not self._run:
            self._began = self.mode
        self._run.append((at, key))

    def _frame(self, at: float, key: str) -> list[Out]:
        """One key where a prefix is configured: what cannot be part of a prefixed burst is astray."""
        outs: list[Out] = []
        self._append(at, key)
        while self._run and not self._may_open(_text(self._run)):
            stray = self._run.pop(0)
            if len(stray[1]) > 1 and not _machine(_gaps(self._strays)):
                outs += [*self._astray(at, ended=False), *_presses([stray])]
            elif len(self._strays) < self._most:
                self._strays.append(stray)
            else:
                self._strays[-1] = stray
        if self._run:
            outs += self._astray(self._run[0][0], ended=False)
        body = _text(self._run)[len(self._prefix) :]
        if self._suffix and body.endswith(self._suffix):
            outs += self._settle(at, ended=True)
        return outs

    def _astray(self, at: float, *, ended: bool) -> list[Out]:
        """What came without the prefix: a hand's keys, or the code of a scanner that does not send it."""
        run, self._strays = self._strays, []
        gaps = _gaps(run) + ([at - run[-1][0]] if run and ended else [])
        if not _machine(gaps, least=1 if ended else 2):
            return _presses(run)
        return [self._once(LOST + _text(run), run[0][0], at)]

    def _may_open(self, text: str) -> bool:
        """Whether a prefixed burst can begin so."""
        if not text.startswith(self._prefix):
            return self._prefix.startswith(text)
        return not self._aim or _AIM.fullmatch(text[len(self._prefix) - 1 :]) is not None

    @property
    def _aim(self) -> bool:
        return self._prefix.endswith("]")

    def _settle(self, at: float, *, ended: bool) -> list[Out]:
        """Close the run: what was a hand's is pressed, what was a scan comes out as one."""
        run, acted = self._run, self._acted
        self._run, self._acted = [], 0
        start, text = self._framed(run) if self._prefix else self._timed(run, at if ended else None)
        outs = _presses(run[acted:start])
        self._pressed = max([self._pressed, *(when for when, key in run[:start] if len(key) == 1)])
        if not text:
            return outs
        if acted > start:
            outs.append(Retract(acted - start))
        return [*outs, self._once(self._torn(run[start:], text, ended), run[start][0], at)]

    def _once(self, text: str, began: float, ended: float) -> Scanned | Doubled:
        """The code, unless it is the last one again, within the window."""
        doubled = text == self._last and began - self._ended < self._double
        self._last, self._ended = text, ended
        return Doubled(text) if doubled else Scanned(text)

    def _torn(self, run: _Run, text: str, ended: bool) -> str:
        """The text, with U+FFFD at the ends where a part of it must be missing."""
        began, another = run[0][0], self._half
        packet = sum(gap < _PACKET for gap in _gaps(run)) >= 3
        if self._is_rest(began) or (self._remote and packet and began - self._pressed < _STALL):
            text = LOST + text
            another = False
        self._half = self._ends and not ended and not another
        self._ends = ended or self._half
        return text + LOST if self._half else text

    def _is_rest(self, began: float) -> bool:
        return self._half and began - self._ended < _STALL

    def _framed(self, run: _Run) -> tuple[int, str]:
        """Where the scan begins in a run, and its text; the run's length and no text if there is none."""
        text = _text(run)
        if not text.startswith(self._prefix):
            return len(run), ""
        body = text[len(self._prefix) - self._aim :]
        if self._suffix:
            body = body.removesuffix(self._suffix) if body.endswith(self._suffix) else body + LOST
        return (0, body) if len(body.rstrip(LOST)) > _AIM_SIGNS * self._aim else (len(run), "")

    def _timed(self, run: _Run, ended: float | None) -> tuple[int, str]:
        """The same, told by the gaps; ``ended`` is the time of the Enter or Tab behind it."""
        if not run:
            return 0, ""
        gaps = _gaps(run)
        start = next((n for n, gap in enumerate(gaps) if gap < _SLOWEST), len(gaps))
        if start and (len(run) - start < _LEAST[self._began] or min(gaps[:start]) < 2 * max(gaps[start:])):
            start = 0
        burst = gaps[start:] if ended is None else [*gaps[start:], ended - run[-1][0]]
        told = self._told(len(run) - start, burst, ended=ended is not None)
        if told or (ended is not None and self._is_rest(run[start][0])):
            return start, _text(run[start:])
        return len(run), ""

    def _told(self, count: int, gaps: Sequence[float], *, ended: bool) -> bool:
        """Whether so many characters are a scan by the gaps behind them, that to the end among them."""
        sure = _machine(gaps, least=1 if ended else 2)
        enough = count >= _LEAST[self._began]
        # A machine that stalls makes one gap longer and another shorter: they are looked at together.
        quick = sum(gaps) < _SLOWEST * len(gaps)
        if self._began == "keys":
            return sure or (enough and (ended or quick))
        return (ended and (sure or (enough and quick))) or (sure and self._ends)


def _presses(run: Iterable[tuple[float, str]]) -> list[Out]:
    return [Press(key) for _, key in run]


def _gaps(run: Sequence[tuple[float, str]]) -> list[float]:
    return [later - earlier for (earlier, _), (later, _) in pairwise(run)]


def _machine(gaps: Sequence[float], least: int = 2) -> bool:
    """Whether so many gaps and more are all shorter than any hand's."""
    return len(gaps) >= least and max(gaps) < _FINGERS


def _text(run: Sequence[tuple[float, str]]) -> str:
    """The characters of a run; a named key among them is one that got lost."""
    return "".join(key if len(key) == 1 else LOST for _, key in run)
