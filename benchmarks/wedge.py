"""Thousands of scans typed at the running app in a real terminal, mixed with a human's keys: does a scan ever misfire?

``uv run python benchmarks/wedge.py --scans 10000 --stations 4`` is the whole campaign (about an hour); the suite runs
a short one. Each station is the real app on a demo store in a pseudo-terminal of its own. A typist walks through its
places, writes codes of all kinds with a scanner's gaps and ends, and keys as a hand does, and notes when it really
wrote them. One station in four has a prefix; one a terminal that reports Shift as a key of its own to programs that ask
for it (kitty's keyboard protocol). What the app's
hands are given, what they do and what they take back is logged, and compared with what was typed:

- a *hotkey* is a character of a scan, or the Enter behind it, that stayed pressed, or was done though taken back: 0;
- *doubled* is a code that came out or was done twice and was sent once, *wrong* one that was never sent: 0;
- *unrestored* is a scan whose taken-back keys left a trace on the screen: 0;
- *lost* is a hand's key that did nothing: 0;
- *missed* is a scan that did not come out, or was rejected: at most 2 %.

What we do not promise, and therefore allow:

- *joined*: a hand's key closer to a scan than 90 ms, or than twice the scan's largest gap, became its first character.
  Such a code is shown, and known to nobody. The typist's clock counts. From 90 ms on it is *wrong*;
- *late*: the same where only the app's reader, which was late, saw the key so close: later than the key was written,
  but not later than the scan began. At most 2 %;
- *stayed*: without Enter or Tab behind it, a code stays in a text field; and the first such code behind codes with an
  end is taken for half a code, and rejected;
- *excluded*: a scan that was torn apart before the app could see it. Only two witnesses count: the typist, who wrote a
  character later than we promise for that place, and a process of the highest priority on each core that does nothing
  but notice when it is not woken. The app's own times excuse nothing here; they are shown. At most 2 %.
"""

import argparse
import fcntl
import json
import os
import pty
import random
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, fields, replace
from difflib import SequenceMatcher
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, TextIO, cast

from inspect_station.core.barcode import COMMAND, GS, LOST
from inspect_station.demo.build import Demo, prepare

PROMISED = {"keys": 0.150, "text": 0.088, "prefix": 0.500}
"""Seconds; a scan whose gaps are shorter comes out whole: where keys are commands, where they are text, and behind a
prefix. (In a text field the wedge promises 90 ms, for two gaps in a row.)"""
HAND = 0.090
"""Seconds; a hand's key so long before a scan stays a press."""
ALLOWED = 0.02
"""Share of the scans that may be missed; that may be excluded; and that may have met a late reader."""
STALL = 0.040
"""Seconds; when the witness is woken so much too late, the machine stood still."""
ACK = "\x06"

Token = tuple[str, str]
"""What came out, or should: (``press`` | ``scan`` | ``double``, key or text)."""


# ── The station's side ───────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Line:
    """One line of a station's log."""

    what: Literal["read", "press", "scan", "double", "effect", "back"]
    """The terminal's reader gave a key; the hands were given a key or a code; what a press or scan began was done; a
    press was taken back."""
    text: str = ""
    """The key or the code."""
    n: int = 0
    """Number of the press or scan, which *effect* and *back* name again."""
    at: float = 0.0
    """Seconds, monotonic: of a *read* the time that the reader gave it, else when it was done."""
    writes: bool = False
    """Printable keys were text there."""
    place: str = ""
    whole: bool = True
    """Of a *back*: the screen is what it was before the press."""

    @property
    def token(self) -> Token:
        """As it is compared with what was typed."""
        return self.what, self.text


def lines(path: Path) -> list[Line]:
    """A station's log behind the badge."""
    log = [Line(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
    return log[next(n for n, line in enumerate(log) if line.what == "scan") + 1 :]


class Watch:
    """Has the methods of the app's `Hands` that are given keys and codes, and notes each call."""

    def __init__(self, hands: Any, note: Callable[[Line], None]) -> None:
        self._hands = hands
        self._note = note
        self._count = 0
        self._pressed: deque[tuple[int, Any]] = deque(maxlen=500)
        """Numbers of the last presses, and the scenes before them."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._hands, name)

    def press(self, scene: Any, key: str) -> Any:
        """One key."""
        turn = self._done("press", scene, key)
        self._pressed.append((self._count, scene))
        return turn

    def scanned(self, scene: Any, text: str) -> Any:
        """One code."""
        return self._done("scan", scene, text)

    def doubled(self, scene: Any, text: str) -> Any:
        """The same code again."""
        return self._done("double", scene, text)

    def took_back(self, gone: Sequence[Any], now: Any) -> None:
        """The presses before which these scenes stood were taken back; ``now`` is the scene after that."""
        if not gone:
            return
        kept = {name: getattr(now, name) for name in ("desk", "states", "scanner", "unsaved")}  # news of other threads
        whole = now == gone[0].but(**kept)
        for n, before in self._pressed:
            if any(before is scene for scene in gone):
                self._note(Line("back", n=n, at=time.monotonic(), whole=whole))

    def _done(self, what: Literal["press", "scan", "double"], scene: Any, text: str) -> Any:
        self._count += 1
        n = self._count
        self._note(Line(what, text, n, time.monotonic(), scene.writes, place(scene)))
        verb = {"press": "press", "scan": "scanned", "double": "doubled"}[what]
        turn = getattr(self._hands, verb)(scene, text)
        if turn.effect is None:
            return turn
        work = turn.effect.work

        def noted() -> Any:
            self._note(Line("effect", n=n, at=time.monotonic()))
            return work()

        return replace(turn, effect=replace(turn.effect, work=noted))


def place(scene: Any) -> str:
    """Where the operator is, in a word or two."""
    over = {
        "Type": "text field", "Choose": "list", "Ask": "dialog", "Photos": "photo viewer", "Help": "help",
        "Looking": "camera", "Writing": "text in its place",
    }  # fmt: skip
    if scene.over is not None:
        return over[type(scene.over).__name__]
    if scene.unit is not None:
        page = scene.unit.view.page.partition(".")[0]
        return "measure field" if scene.writes else f"unit: {page}"
    return {"SignIn": "sign-in", "AtDesk": "desk box", "OnParcel": "parcel"}[type(scene.place).__name__]


def station(config: str, log: str) -> None:
    """The app as it is, with a log. Runs in the pseudo-terminal."""
    from textual import events

    from inspect_station import config as configuration
    from inspect_station.station import open_station
    from inspect_station.tui import app as screens
    from inspect_station.tui.app import StationApp
    from inspect_station.tui.hands import Hands

    with Path(log).open("a", encoding="utf-8", buffering=1) as file:
        lock = threading.Lock()

        def note(line: Line) -> None:
            with lock:
                file.write(json.dumps(asdict(line)) + "\n")

        class Watched(StationApp):
            """Its hands are watched."""

            CSS_PATH = str(Path(screens.__file__).with_name("station.tcss"))

            def __init__(self, station: Any) -> None:
                super().__init__(station)
                self.watched = Watch(self.hands, note)
                self.hands = cast(Hands, self.watched)

            async def on_event(self, event: Any) -> None:
                if isinstance(event, events.Key):
                    note(Line("read", event.key, at=event.time))
                await super().on_event(event)

            def _take_back(self, count: int) -> None:
                before = [*self._before]
                super()._take_back(count)
                self.watched.took_back(before[len(self._before) :], self.scene)

        with open_station(configuration.load(Path(config)), running=True) as opened:
            app = Watched(opened)
            opened.start(app.notify_changed)
            app.run(mouse=False)


# ── The witness ──────────────────────────────────────────────────────────────────────────────────────────────────────


def witness(log: str, core: int) -> None:
    """Sleep 5 ms again and again on one core, and note when that took far longer; until the campaign ends."""
    os.sched_setaffinity(0, {core})
    rank = "no priority"
    with suppress(OSError):
        os.nice(-20)
        rank = "priority -20"
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50))
        rank = "real time"
    parent = os.getppid()
    with Path(log).open("a", encoding="utf-8", buffering=1) as file:
        file.write(json.dumps(rank) + "\n")
        while os.getppid() == parent:
            wanted = time.monotonic() + 0.005
            time.sleep(0.005)
            woken = time.monotonic()
            if woken - wanted > STALL:
                file.write(json.dumps([wanted, woken]) + "\n")


Stall = tuple[float, float]
"""From when until when the machine stood still; seconds, monotonic."""


class Witnesses:
    """A witness on every core."""

    def __init__(self, folder: Path) -> None:
        self._logs = {core: folder / f"witness-{core}.ndjson" for core in sorted(os.sched_getaffinity(0))}

    @contextmanager
    def watching(self) -> Iterator[None]:
        """They watch while this is open."""
        running = [
            subprocess.Popen([sys.executable, __file__, "--witness", str(core), "--log", str(log)])
            for core, log in self._logs.items()
        ]
        try:
            yield
        finally:
            for each in running:
                each.terminate()
                each.wait()

    @property
    def rank(self) -> str:
        """What priority they got."""
        return ", ".join(json.loads(log.read_text(encoding="utf-8").partition("\n")[0]) for log in self._logs.values())

    @property
    def stalls(self) -> list[Stall]:
        """What they saw."""
        texts = [log.read_text(encoding="utf-8").splitlines()[1:] for log in self._logs.values()]
        return sorted((start, end) for text in texts for start, end in map(json.loads, text))


# ── The typist's side ────────────────────────────────────────────────────────────────────────────────────────────────


class Terminal:
    """A program in a pseudo-terminal of 80×24 whose screen is read and forgotten."""

    def __init__(self, *command: str) -> None:
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM="xterm-256color", COLORTERM="truecolor")
            os.execvp(command[0], command)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.seen = b""
        """The last of what was painted."""
        threading.Thread(target=self._drain, daemon=True).start()

    def _drain(self) -> None:
        while True:
            try:
                data = os.read(self.fd, 65536)
            except OSError:
                return
            self.seen = (self.seen + data)[-200_000:]

    def until(self, text: str, seconds: float = 60.0) -> None:
        """Wait until the text is painted."""
        end = time.monotonic() + seconds
        while text.encode() not in self.seen:
            if time.monotonic() > end:
                raise TimeoutError(f"{text!r} was not painted")
            time.sleep(0.02)

    def type(self, strokes: Sequence[str], gaps: Sequence[float]) -> list[float]:
        """Write each stroke (of a text: each character) its gap after the one before, a first gap of any length
        included; the real times."""
        if len(strokes) > 1 and not any(gaps[1:]):
            time.sleep(gaps[0])
            os.write(self.fd, "".join(strokes).encode())
            return [time.monotonic()] * len(strokes)
        real: list[float] = []
        at = time.monotonic()
        for stroke, gap in zip(strokes, gaps, strict=True):
            at += gap
            time.sleep(max(0.0, at - time.monotonic()))
            os.write(self.fd, stroke.encode())
            real.append(time.monotonic())
        return real

    def close(self) -> None:
        """End the program at once."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.fd)


@dataclass(frozen=True)
class Act:
    """One thing that the typist does."""

    token: Token
    strokes: tuple[str, ...]
    """What the terminal sends for each key."""
    gaps: tuple[float, ...]
    """Seconds before each."""
    sign: str = ""
    """The character that a hand's key would be in a scan."""
    ends: bool = True
    """An Enter or Tab is behind the code."""

    @property
    def scans(self) -> bool:
        """Whether a scanner types it."""
        return self.token[0] != "press"

    @property
    def code(self) -> str:
        """The text of a scan."""
        return self.token[1]


KEYS = {
    "enter": "\r", "escape": "\x1b", "backspace": "\x7f", "tab": "\t", "up": "\x1b[A", "down": "\x1b[B",
    "f2": "\x1bOQ", "f3": "\x1bOR", "f4": "\x1bOS",
} | {sign: sign for sign in "0123456789 pfnhbgvmwxotje?/&é"}  # fmt: skip
"""A hand's keys, and what a terminal sends for them."""
OFTEN = {"enter": 5, "escape": 3, "0": 0.3, "n": 3, "/": 2, "f": 2, "v": 2}

ENDS = (("\r", 50), ("\r\n", 20), ("\t", 15), ("", 15))
"""What a scanner sends behind a code, and how often one is set so."""
GAPS = ((0.0, 24), (0.005, 30), (0.015, 18), (0.040, 10), (0.080, 6), (-1.0, 12))
"""A scanner's gap and how often; -1: mixed."""

WALKS: tuple[tuple[tuple[str, ...], int], ...] = (
    ((), 3),
    (("/",), 2),
    (("f4",), 2),
    (("?",), 2),
    (("rma",), 3),
    (("rma", "enter"), 2),
    (("rma", "f"), 1),
    (("rma", "article"), 4),
    (("rma", "article", "n"), 3),
    (("rma", "article", "f"), 2),
    (("rma", "article", "g"), 1),
    (("rma", "article", "?"), 1),
    (("rma", "article", "p", "v"), 4),
    (("phone", "article", "serial", " "), 5),
    (("rma", "article", "other"), 1),
)
"""Ways from the desk to a place, scans and keys, and how often: desk box, search field, list, help; parcel, field for
a code, list; unit, note field, list, page, help, photo viewer; measure field; the dialog for another parcel."""

ASKS_ALL = b"\x1b[>25u"
"""What a program writes to be told of all keys, Shift among them."""
SHIFT, CTRL = "\x1b[57441;2u", "\x1b[57442;5u"
"""A key of their own, where a terminal reports all keys (kitty's keyboard protocol)."""


def kitty(stroke: str) -> tuple[str, ...]:
    """The same key from such a terminal, with the Shift or Ctrl that is held down for it."""
    match stroke:
        case "\r" | "\t" | "\x1b" | "\x7f":
            return (f"\x1b[{ord(stroke)}u",)
        case _ if len(stroke) > 1:
            return (stroke,)
        case _ if stroke < " ":
            return CTRL, f"\x1b[{ord(stroke) + (64 if stroke == GS else 96)};5u"
        case _ if stroke.isupper():
            return SHIFT, f"\x1b[{ord(stroke.lower())};2;{ord(stroke)}u"
    return (f"\x1b[{ord(stroke)};;{ord(stroke)}u",)


class Plan:
    """Scans and keys in a random, repeatable order."""

    def __init__(
        self, seed: int, parcels: Sequence[Sequence[str]], *, prefix: str = "", all_keys: bool = False
    ) -> None:
        """``parcels`` are codes that open something, RMA first; ``all_keys``: the terminal reports Shift."""
        self._dice = random.Random(seed)
        self._parcels = [scans for scans in parcels if len(scans) > 1]
        self._phones = [scans for scans in parcels if len(scans) > 2 and scans[0].startswith("NT-")][:5]
        self._prefix = prefix
        self._all_keys = all_keys
        self._end = "\r"
        self._before = ""
        self._rest = 0.0
        """Seconds that the next thing must be away: silence ends a code without an end."""

    def acts(self, scans: int) -> Iterator[Act]:
        """So many scans and a few more, with the keys between them."""
        done = shift = 0
        while done < scans:
            if done >= shift:
                self._end = self._pick(ENDS)
                shift = done + self._dice.randrange(10, 30)
            for act in self._walk():
                done += act.token[0] == "scan"
                yield act

    def _walk(self) -> Iterator[Act]:
        """From wherever the operator is to the desk, to a place, and a few scans there."""
        for _ in range(3):
            yield self._hand("escape")
        steps = self._pick(WALKS)
        codes = self._dice.choice(self._phones if "phone" in steps else self._parcels)
        named = {"rma": codes[0], "phone": codes[0], "article": codes[1], "serial": codes[-1]}
        named["other"] = self._dice.choice(self._parcels)[0]
        for step in steps:
            if step in named:
                yield from self._scan(named[step])
            else:
                yield self._hand(step)
        for _ in range(self._dice.randrange(1, 4)):
            if self._dice.random() < 0.25:
                yield self._hand(self._pick([(key, OFTEN.get(key, 1)) for key in KEYS]))
            yield from self._scan(self._code())

    def _pick(self, among: Sequence[tuple[Any, float]]) -> Any:
        return self._dice.choices([each for each, _ in among], [often for _, often in among])[0]

    def _hand(self, key: str) -> Act:
        pause = self._rest + self._dice.uniform(0.18, 0.45)
        self._rest = 0.0
        sign = KEYS[key] if len(KEYS[key]) == 1 and key not in ("enter", "tab") else ""
        return self._act(("press", key), [KEYS[key]], [pause], sign=sign)

    def _scan(self, code: str) -> Iterator[Act]:
        """A code as the scanner is set, perhaps with a hand's key just before, perhaps twice."""
        dice = self._dice
        if code == self._before:
            return  # too soon, it would be a double read
        self._before = code
        gap = self._pick(GAPS)
        quick = 0 <= gap <= 0.015
        pause = dice.uniform(0.2, 0.5)
        if quick and dice.random() < 0.12:
            # The promise holds from 90 ms on.
            yield self._hand(dice.choice([key for key in KEYS if len(key) == 1]))
            pause = dice.uniform(0.1, 0.149)
        yield self._burst("scan", code, gap, pause)
        if quick and self._end and dice.random() < 0.05:
            yield self._burst("double", code, gap, dice.uniform(0.2, 0.3))

    def _burst(self, what: str, code: str, gap: float, pause: float) -> Act:
        dice = self._dice
        end = self._end
        text = self._prefix + code + end
        gaps = [dice.choice((0.001, 0.005, 0.008, 0.016, 0.03, 0.06)) if gap < 0 else gap for _ in text]
        gaps[0] = pause + self._rest
        if end and dice.random() < 0.1:
            gaps[-len(end)] = dice.uniform(0.03, 0.14)  # as from a scanner that waits before its Enter
        if end and dice.random() < 0.05:
            text += "\r"
            gaps.append(dice.uniform(0.02, 0.14))  # or sends another one
        self._rest = 0.0 if end else 0.4
        return self._act((what, code), text, gaps, ends=bool(end))

    def _act(self, token: Token, text: Sequence[str], gaps: Sequence[float], **about: Any) -> Act:
        keys = [kitty(stroke) if self._all_keys else (stroke,) for stroke in text]
        # A held key comes with the one it is held for; at a pace without gaps, all come at once.
        held = 0.001 if any(gaps[1:]) else 0.0
        spread = tuple(each for key, gap in zip(keys, gaps, strict=True) for each in (gap, *[held] * (len(key) - 1)))
        return Act(token, tuple(stroke for key in keys for stroke in key), spread, **about)

    def _code(self) -> str:
        dice = self._dice

        def digits(n: int) -> str:
            return "".join(dice.choices("0123456789", k=n))

        def ean(stem: str) -> str:
            total = sum(int(digit) * (3 if n % 2 == 0 else 1) for n, digit in enumerate(reversed(stem)))
            return stem + str(-total % 10)

        match dice.randrange(12):
            case 0 | 1:
                return dice.choice(dice.choice(self._parcels))
            case 2:
                return ean(digits(12))
            case 3:
                return "]E0" + ean(digits(12))
            case 4:
                return dice.choice(("ML", "NT", "AP")) + "-" + digits(4)
            case 5:
                return f"]d201{ean(digits(13))}10{digits(5)}{GS}21{digits(8)}"
            case 6:
                return f"]{dice.choice(('C1', 'Q3'))}01{ean(digits(13))}21{digits(8)}"
            case 7:
                return "L" + "".join(dice.choices("0123456789BCDEFGHJKLNPRSTVXY", k=4)) + digits(5) + "X/1"
            case 8:
                return f"{digits(3)}-{digits(7)}-{digits(7)}"
            case 9 if dice.random() < 0.5:
                return COMMAND + dice.choice(("ESC", "ENTER", "SPACE", "TAB", "DOWN", "NOTE", "FINDING", "HELP", "2"))
        # Without an end nothing takes back what a first "/" or "?" opens at the desk.
        first = "0123456789pfnhbgABCXYZ" + ("-/ " if self._end else "")
        rest = "".join(dice.choices("0123456789pfnhbgABCXYZ-/ ", k=dice.randrange(6, 21)))
        return (dice.choice(first) + rest).strip() + "7"


# ── What came of it ──────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Typed:
    """What the typist did, and when it really wrote it."""

    act: Act
    times: tuple[float, ...]
    """Seconds, monotonic, of each stroke."""

    @property
    def widest(self) -> float:
        """The longest gap in it."""
        return max((later - earlier for earlier, later in pairwise(self.times)), default=0.0)


@dataclass
class Figures:
    """Counted over one campaign; see the module."""

    scans: int = 0
    commands: int = 0
    """Scans that press a key on purpose; among the scans."""
    keys: int = 0
    hotkeys: int = 0
    doubled: int = 0
    wrong: int = 0
    unrestored: int = 0
    lost: int = 0
    missed: int = 0
    excluded: int = 0
    late: int = 0
    joined: int = 0
    stayed: int = 0
    places: Counter[str] = field(default_factory=Counter)
    """Where the scans met the operator."""
    examples: list[str] = field(default_factory=list)
    lateness: float = 0.0
    """Seconds; the most that the app's reader was off the typist's time. For information: it excuses only *late*."""

    def add(self, other: "Figures") -> None:
        """Another station's."""
        for name in COUNTED:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.places += other.places
        self.examples += other.examples
        self.lateness = max(self.lateness, other.lateness)

    @property
    def misfires(self) -> int:
        """What must not happen once."""
        return self.hotkeys + self.doubled + self.wrong + self.unrestored + self.lost

    @property
    def clean(self) -> bool:
        """Whether nothing happened that must not, and what may happen was rare."""
        return not self.misfires and max(self.missed, self.excluded, self.late) <= ALLOWED * self.scans


COUNTED = [each.name for each in fields(Figures) if each.type in (int, "int")]


def settled(log: Sequence[Line], figures: Figures) -> list[Line]:
    """The presses and scans that stayed when each take-back is done.

    Counted on the way: a screen that a take-back did not restore, a press that was done and taken back, and a scan or
    press that was done twice.
    """
    left: dict[int, Line] = {}
    done: set[int] = set()
    back: set[int] = set()
    for line in log:
        match line.what:
            case "press" | "scan" | "double":
                left[line.n] = line
            case "effect":
                figures.doubled += line.n in done
                figures.hotkeys += line.n in back
                done.add(line.n)
            case "back" if line.n in left:
                gone = left.pop(line.n)
                back.add(line.n)
                figures.hotkeys += line.n in done
                figures.unrestored += not line.whole
                if line.n in done or not line.whole:
                    figures.examples.append(f"{gone.text!r} on {gone.place}: taken back, and left a trace")
    return list(left.values())


SAME = 2
"""So many things in a row that came out as they were typed end a difference."""


def differences(wanted: Sequence[Token], got: Sequence[Token]) -> Iterator[tuple[int, int, int, int]]:
    """Where the two differ: from a to b of the first stands what came out as from c to d of the second.

    The nearest place where both go on alike is taken, so that a scan which fell apart into keys cannot borrow the same
    keys from the hand that goes on behind it.
    """
    a = c = 0
    while a < len(wanted) or c < len(got):
        if wanted[a : a + 1] == got[c : c + 1]:
            a, c = a + 1, c + 1
            continue
        ways = ((i, total - i) for total in range(400) for i in range(min(total, 40) + 1))
        b, d = next(
            (
                (a + i, c + j)
                for i, j in ways
                if a + i <= len(wanted) and c + j <= len(got)
                if wanted[a + i : a + i + SAME] == got[c + j : c + j + SAME]
            ),
            (len(wanted), len(got)),
        )
        yield a, b, c, d
        a, c = b, d


@dataclass
class Judge:
    """Compares what one station's typist did with what its app did."""

    typed: Sequence[Typed]
    log: Sequence[Line]
    stalls: Sequence[Stall] = ()
    prefix: bool = False
    """The scanner sends a prefix, and the station knows it."""

    def figures(self) -> Figures:
        """The verdict."""
        self._figures = figures = Figures()
        self._behind = self._lateness()
        acts = [each.act for each in self.typed]
        figures.scans = sum(act.scans for act in acts)
        figures.commands = sum(act.scans and act.code.startswith(COMMAND) for act in acts)
        figures.keys = len(acts) - figures.scans
        figures.lateness = max((late for each in self._behind for late in each), default=0.0)
        left = settled(self.log, figures)
        figures.places.update(line.place for line in left if line.what != "press")
        for a, b, c, d in differences([act.token for act in acts], [line.token for line in left]):
            self._judge(range(a, b), left[c:d], left[max(0, c - 1) : d + 1])
        return figures

    def _judge(self, acts: range, extra: list[Line], near: Sequence[Line]) -> None:
        """One difference: these acts came out as these lines, near those."""
        figures = self._figures
        counted = [getattr(figures, name) for name in ("missed", "excluded", "late", *MISFIRES)]
        missing = [*acts]
        about = f"typed {[self._told(n) for n in acts]}, came out {[(*line.token, line.place) for line in extra]}"
        self._allow_joined(missing, extra)
        self._allow_stayed(missing, extra)
        self._exclude(acts, missing, extra, near)
        # What is left may hold things that came out right between two that did not.
        same = SequenceMatcher(
            None, [self.typed[n].act.token for n in missing], [line.token for line in extra], autojunk=False
        ).get_matching_blocks()
        for a, b, size in reversed(same):
            del missing[a : a + size], extra[b : b + size]
        for n in missing:
            figures.missed += self.typed[n].act.scans
            figures.lost += not self.typed[n].act.scans
        sent = {each.act.code for each in self.typed if each.act.scans}
        for line in extra:
            if line.what == "press":
                figures.hotkeys += 1
            elif line.text in sent:
                figures.doubled += line.what == "scan"
            elif LOST not in line.text:  # a rejected scan does nothing
                figures.wrong += 1
        if counted != [getattr(figures, name) for name in ("missed", "excluded", "late", *MISFIRES)]:
            figures.examples.append(about if len(about) < LONGEST else about[:LONGEST] + "…")

    def _told(self, n: int) -> str:
        """An act with what the clocks say: the typist's widest gap and pause before, the app's reader."""
        each = self.typed[n]
        pause = each.times[0] - self.typed[n - 1].times[-1] if n else 0.0
        late = max(self._behind[n], default=0.0)
        return f"{each.act.token} after {pause:.3f}, gaps to {each.widest:.3f}, reader {late:.3f} off"

    # What we do not promise

    def _allow_joined(self, missing: list[int], extra: list[Line]) -> None:
        """A hand's key that became the first character of a code, where it was close enough for that."""
        for key, scan in [*pairwise(missing)]:
            hand, code = self.typed[key], self.typed[scan]
            if scan != key + 1 or hand.act.scans or not code.act.scans or not hand.act.sign:
                continue
            joined = next((line for line in extra if line.token == ("scan", hand.act.sign + code.act.code)), None)
            if joined is None:
                continue
            gap = code.times[0] - hand.times[-1]
            late = max((*self._behind[key], *self._behind[scan]), default=0.0)
            if self._near(gap, code.widest):
                self._figures.joined += 1
            elif self._near(gap, code.widest, self._stalled(hand.times[-1], code.times[-1])):
                self._figures.excluded += 1
            elif late <= gap and self._near(gap, code.widest, late):
                self._figures.late += 1
            else:
                continue
            missing.remove(key)
            missing.remove(scan)
            extra.remove(joined)

    def _near(self, gap: float, widest: float, slack: float = 0.0) -> bool:
        """Whether a key so long before a scan may be taken for its first character."""
        return not self.prefix and gap - slack < max(HAND, 2 * (widest + slack))

    def _allow_stayed(self, missing: list[int], extra: list[Line]) -> None:
        """A code without an end that stayed in a text field as it is, or was taken for half of one with an end."""
        for n in [*missing]:
            act = self.typed[n].act
            if not act.scans or act.ends:
                continue
            before = next((each.act for each in reversed(self.typed[:n]) if each.act.scans), None)
            half = [line for line in extra if line.token == ("scan", act.code + LOST)]
            if half and (before is None or before.ends):
                extra.remove(half[0])
            elif (start := self._stands(act.code, extra)) is not None:
                del extra[start : start + len(act.code)]
            else:
                continue
            missing.remove(n)
            self._figures.stayed += 1

    def _stands(self, code: str, extra: Sequence[Line]) -> int | None:
        """Where the code stands whole among the presses, all of them text in the same field."""
        if self.prefix:
            return None
        for start in range(len(extra) - len(code) + 1):
            signs = extra[start : start + len(code)]
            text = all(line.what == "press" and line.writes and line.place == signs[0].place for line in signs)
            if text and [line.text for line in signs] == [*code]:
                return start
        return None

    def _exclude(self, acts: range, missing: list[int], extra: list[Line], near: Sequence[Line]) -> None:
        """Scans that were torn apart before the app saw them, and what can be their pieces; nothing else."""
        close = range(max(0, acts.start - 1), min(len(self.typed), acts.stop + 1))
        excluded: set[int] = set()
        for n in close:
            if not self.typed[n].act.scans:
                continue
            pieces = [line for line in extra if self._is_piece(line, n) and self._is_torn(n, [line])]
            if pieces or (n in missing and self._is_torn(n, near)):
                excluded.add(n)
                extra[:] = [line for line in extra if line not in pieces]
                missing[:] = [each for each in missing if each != n]
        self._figures.excluded += len(excluded)

    def _is_piece(self, line: Line, n: int) -> bool:
        code = self.typed[n].act.code
        if line.what == "press":
            return line.text in code or line.text in ("enter", "tab")
        piece = line.text.strip(LOST)
        return piece != code and piece in code

    def _is_torn(self, n: int, where: Sequence[Line]) -> bool:
        """Whether a gap of the scan was longer than we promise there; among several places, for keys."""
        writes = bool(where) and all(line.writes for line in where)
        promised = PROMISED["prefix" if self.prefix else "text" if writes else "keys"]
        times = self.typed[n].times
        return self.typed[n].widest + self._stalled(times[0], times[-1]) > promised

    def _stalled(self, start: float, end: float) -> float:
        """Seconds that the machine stood still while something was typed, or was about to be read."""
        return sum(until - since for since, until in self.stalls if since < end + STALL and until > start)

    def _lateness(self) -> list[tuple[float, ...]]:
        """How far off the app's reader was at each stroke; nothing where it did not give one key for each. One that is
        woken late may also give a time that is too early."""
        reads = [line.at for line in self.log if line.what == "read"]
        strokes = [[at for at, stroke in zip(each.times, each.act.strokes, strict=True) if stroke not in (SHIFT, CTRL)]
                   for each in self.typed]  # fmt: skip
        if sum(map(len, strokes)) != len(reads):
            return [() for _ in self.typed]
        given = iter(reads)
        return [tuple(abs(next(given) - at) for at in times) for times in strokes]


LONGEST = 900
"""Characters of an example."""
MISFIRES = ("hotkeys", "doubled", "wrong", "unrestored", "lost")


def typed(
    scans: int, seed: int, demo: Demo, *, prefix: str = "", all_keys: bool = False
) -> tuple[list[Typed], list[Line]]:
    """Run one station; what was typed, and its log."""
    log = Path(demo.dir) / "keys.ndjson"
    config = Path(demo.config)
    config.write_text(f"{config.read_text('utf-8')}\n[scanner]\nprefix = {json.dumps(prefix)}\n", encoding="utf-8")
    terminal = Terminal(sys.executable, __file__, "--station", demo.config, "--log", str(log))
    done: list[Typed] = []
    try:
        terminal.until("Scan your badge")
        time.sleep(0.5)
        badge = prefix + demo.badge + "\r"
        terminal.type(badge, [0.005] * len(badge))
        terminal.until("Scan RMA")
        time.sleep(0.5)
        asked = all_keys and ASKS_ALL in terminal.seen
        plan = Plan(seed, [parcel.scans for parcel in demo.parcels], prefix=prefix, all_keys=asked)
        for act in plan.acts(scans):
            done.append(Typed(act, tuple(terminal.type(act.strokes, act.gaps))))
        time.sleep(2.0)
    finally:
        terminal.close()
    return done, lines(log)


def campaign(scans: int, folder: Path, *, stations: int = 1, seed: int = 1) -> Figures:
    """Run it, on several stations at once."""
    demos = [prepare(folder / f"station-{n}") for n in range(stations)]
    witnesses = Witnesses(folder)

    def run(n: int) -> tuple[list[Typed], list[Line]]:
        return typed(scans // stations, seed + n, demos[n], prefix=_prefix(n), all_keys=n % 4 == 2)

    with witnesses.watching(), ThreadPoolExecutor(stations) as pool:
        runs = [*pool.map(run, range(stations))]
    total = Figures()
    for n, (done, log) in enumerate(runs):
        total.add(Judge(done, log, witnesses.stalls, prefix=bool(_prefix(n))).figures())
    total.examples.append(f"witness: {witnesses.rank}; {len(witnesses.stalls)} stalls")
    return total


def _prefix(n: int) -> str:
    return ACK if n % 4 == 3 else ""


def show(figures: Figures, out: TextIO = sys.stdout) -> None:
    """Print the figures."""
    for name in COUNTED:
        share = f"  {getattr(figures, name) / max(1, figures.scans):6.2%}" if name in ALLOWANCES else ""
        print(f"{name:11}{getattr(figures, name):7}{share}", file=out)
    print(f"{'reader':11}{figures.lateness * 1000:7.0f} ms off at most", file=out)
    for where, count in figures.places.most_common():
        print(f"  {where:22}{count:7}  {count / max(1, figures.scans):6.2%}", file=out)
    for example in figures.examples[-41:]:
        print("  ", example, file=out)
    print("clean" if figures.clean else "NOT CLEAN", file=out)


ALLOWANCES = ("missed", "excluded", "late", "joined", "stayed")


def main() -> int:
    """The whole campaign, or (``--station``, ``--witness``) one of its programs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scans", type=int, default=10_000)
    parser.add_argument("--stations", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--station", default="", help=argparse.SUPPRESS)
    parser.add_argument("--witness", type=int, default=-1, help=argparse.SUPPRESS)
    parser.add_argument("--log", default="", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.station:
        station(given.station, given.log)
        return 0
    if given.witness >= 0:
        witness(given.log, given.witness)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        figures = campaign(given.scans, Path(folder), stations=given.stations, seed=given.seed)
    show(figures)
    return 0 if figures.clean else 1


if __name__ == "__main__":
    raise SystemExit(main())
