"""Thousands of scans typed at the running app in a real terminal, mixed with a human's keys: does a scan ever misfire?

``uv run python benchmarks/wedge.py --scans 10000 --stations 4`` is the whole campaign (about half an hour); the suite
runs a short one. Each station is the real app on a demo store in a pseudo-terminal of its own. A typist writes codes
of all kinds with a scanner's gaps, and keys as a hand does, and notes when it really wrote them. Every press, take-back
and scan of the app is logged, and compared with what was typed:

- a *hotkey* is a character of a scan, or the Enter behind it, that stayed pressed: must be 0;
- *doubled* is a code that came out twice and was sent once, *wrong* one that was never sent: must be 0;
- *unrestored* is a scan whose taken-back keys left a trace on the screen: must be 0;
- *lost* is a hand's key that did nothing;
- *joined* is a hand's key less than 150 ms before a scan, by the typist's clock or the app's, that became its first
  character: such a code is shown, and known to nobody;
- *missed* is a scan that did not come out, or was rejected: allowed, and said;
- *excluded* is a scan that the machine itself tore apart: the typist was late, or the terminal had nothing to read for
  longer than the wedge promises (a key's time is what the reading thread has seen, not when it was woken).
"""

import argparse
import fcntl
import json
import os
import pty
import random
import signal
import struct
import sys
import tempfile
import termios
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from itertools import pairwise
from pathlib import Path
from typing import Any, TextIO

from inspect_station.demo.build import Demo, prepare

GS = "\x1d"
TORN = 0.088
"""Seconds; in a text field a scan is promised with gaps under 90 ms."""

Token = tuple[str, str]
"""What came out, or should: (``press`` | ``scan`` | ``double``, key or text)."""


# ── The station's side ───────────────────────────────────────────────────────────────────────────────────────────────


def station(config: str, log: str) -> None:
    """The app as it is, with a log of what its hands are given. Runs in the pseudo-terminal."""
    from textual import events

    from inspect_station import config as configuration
    from inspect_station.core.wedge import Doubled, Press, Retract, Scanned
    from inspect_station.station import open_station
    from inspect_station.tui import app as screens
    from inspect_station.tui.app import StationApp

    with Path(log).open("a", encoding="utf-8", buffering=1) as file:

        class Watched(StationApp):
            """Logs what the wedge lets through, and the numbers of the scenes between."""

            CSS_PATH = Path(screens.__file__).with_name("station.tcss")

            async def on_event(self, event: Any) -> None:
                if isinstance(event, events.Key):
                    note("key", str(event.time), self)
                await super().on_event(event)

            async def _act(self, outs: Sequence[Any]) -> None:
                for out in outs:
                    match out:
                        case Press(key):
                            note("press", key, self)
                        case Scanned(text):
                            note("scan", text, self)
                        case Doubled(text):
                            note("double", text, self)
                        case Retract(count):
                            note("retract", str(count), self)
                await super()._act(outs)

            def _take_back(self, count: int) -> None:
                super()._take_back(count)
                note("restored", "", self)

        scenes: list[tuple[object, object]] = []

        def number(app: StationApp) -> int:
            """The same number for the same page and overlay."""
            now = (app.scene.place, app.scene.over)
            for n, seen in enumerate(reversed(scenes[-300:])):
                if seen[0] is now[0] and seen[1] is now[1]:
                    return len(scenes) - 1 - n
            scenes.append(now)
            return len(scenes) - 1

        def note(what: str, text: str, app: StationApp) -> None:
            place = type(app.scene.over or app.scene.place).__name__
            file.write(json.dumps([what, text, number(app), app.scene.writes, place]) + "\n")

        with open_station(configuration.load(Path(config)), running=True) as opened:
            app = Watched(opened)
            opened.start(app.notify_changed)
            app.run(mouse=False)


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

    def type(self, text: str, gaps: Sequence[float]) -> list[float]:
        """Write each character its gap after the one before (a first gap of any length included); the real times."""
        if len(text) > 1 and not any(gaps[1:]):
            time.sleep(gaps[0])
            os.write(self.fd, text.encode())
            return [time.monotonic()] * len(text)
        real: list[float] = []
        at = time.monotonic()
        for sign, gap in zip(text, gaps, strict=True):
            at += gap
            time.sleep(max(0.0, at - time.monotonic()))
            os.write(self.fd, sign.encode())
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
    typed: str
    gaps: tuple[float, ...]
    """Before each character."""


KEYS = {
    "enter": "\r", "escape": "\x1b", "backspace": "\x7f", "tab": "\t", "up": "\x1b[A", "down": "\x1b[B",
    "f2": "\x1bOQ", "f3": "\x1bOR", "f4": "\x1bOS",
} | {sign: sign for sign in "0123456789 pfnhbgvmwxotje?/&é"}  # fmt: skip
WEIGHTS = {"escape": 40, "enter": 10, "0": 0.5, "n": 6, "t": 3, "/": 4, "f": 3, "v": 2}

GAPS = ((0.0, 24), (0.005, 30), (0.015, 18), (0.040, 10), (0.080, 6), (-1.0, 12))
"""A scanner's gap and how often; -1: mixed."""


def plan(scans: int, seed: int, known: Sequence[str]) -> Iterator[Act]:
    """Scans and keys in a random, repeatable order. ``known`` are codes that open something."""
    dice = random.Random(seed)
    done = 0
    before = ""
    while done < scans:
        if dice.random() < 0.4:
            yield from _hand(dice, dice.uniform(0.16, 0.45))
            continue
        gap = dice.choices([gap for gap, _ in GAPS], [often for _, often in GAPS])[0]
        pause = dice.uniform(0.2, 0.5)
        if 0 <= gap <= 0.015 and dice.random() < 0.12:
            # A hand's key just before: the promise holds from 90 ms, and twice the scan's own gap.
            yield from _hand(dice, 0.3, printable=True)
            pause = dice.uniform(0.1, 0.149)
        code = _code(dice, known)
        if code == before:
            continue
        before = code
        yield _scan(dice, "scan", code, gap, pause)
        done += 1
        if dice.random() < 0.05 and 0 <= gap <= 0.015:
            yield _scan(dice, "double", code, gap, dice.uniform(0.16, 0.3))


def _hand(dice: random.Random, pause: float, *, printable: bool = False) -> Iterator[Act]:
    names = [name for name in KEYS if not printable or len(name) == 1]
    key = dice.choices(names, [WEIGHTS.get(name, 1) for name in names])[0]
    typed = KEYS[key]
    named = len(typed) > 1 or key in ("enter", "tab")
    yield Act(("press", key if named else typed), typed, (pause, *[0.0] * (len(typed) - 1)))


def _scan(dice: random.Random, what: str, code: str, gap: float, pause: float) -> Act:
    gaps = [dice.choice((0.001, 0.005, 0.008, 0.016, 0.03, 0.06)) if gap < 0 else gap for _ in code]
    return Act((what, code), code + "\r", (pause, *gaps))


def _code(dice: random.Random, known: Sequence[str]) -> str:
    def digits(n: int) -> str:
        return "".join(dice.choices("0123456789", k=n))

    def ean(stem: str) -> str:
        total = sum(int(digit) * (3 if n % 2 == 0 else 1) for n, digit in enumerate(reversed(stem)))
        return stem + str(-total % 10)

    match dice.randrange(9):
        case 0 | 1 | 2:
            return dice.choice(known)
        case 3:
            return ean(digits(12))
        case 4:
            return dice.choice(("ML", "NT", "AP")) + "-" + digits(4)
        case 5:
            return f"]d201{ean(digits(13))}10{digits(5)}{GS}21{digits(8)}"
        case 6:
            return "L" + "".join(dice.choices("0123456789BCDEFGHJKLNPRSTVXY", k=4)) + digits(5) + "X/1"
        case 7:
            return f"{digits(3)}-{digits(7)}-{digits(7)}"
        case _:
            return "".join(dice.choices("0123456789pfnhbgABCXYZ-/ ", k=dice.randrange(6, 21))).strip() + "7"


# ── What came of it ──────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Figures:
    """Counted over one campaign; see the module."""

    scans: int = 0
    keys: int = 0
    hotkeys: int = 0
    doubled: int = 0
    wrong: int = 0
    unrestored: int = 0
    lost: int = 0
    joined: int = 0
    missed: int = 0
    excluded: int = 0
    places: Counter[str] = field(default_factory=Counter)
    """Where the scans met the operator."""
    examples: list[str] = field(default_factory=list)

    def add(self, other: "Figures") -> None:
        """Another station's."""
        for name in (
            "scans",
            "keys",
            "hotkeys",
            "doubled",
            "wrong",
            "unrestored",
            "lost",
            "joined",
            "missed",
            "excluded",
        ):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.places += other.places
        self.examples += other.examples

    @property
    def clean(self) -> bool:
        """Whether nothing happened that must not."""
        return not (self.hotkeys or self.doubled or self.wrong or self.unrestored or self.lost)


def typed(scans: int, seed: int, demo: Demo) -> tuple[list[tuple[Act, float]], list[list[Any]]]:
    """Run one station; its acts with the longest real gap of each, and its log."""
    known = [scan for parcel in demo.parcels for scan in parcel.scans]
    log = Path(demo.dir) / "keys.ndjson"
    terminal = Terminal(sys.executable, __file__, "--station", demo.config, "--log", str(log))
    acts: list[tuple[Act, float]] = []
    try:
        terminal.until("Scan your badge")
        time.sleep(0.5)
        terminal.type(demo.badge + "\r", [0.5] + [0.005] * len(demo.badge))
        terminal.until("Scan RMA")
        time.sleep(0.5)
        for act in plan(scans, seed, known):
            real = terminal.type(act.typed, act.gaps)
            acts.append((act, max((b - a for a, b in pairwise(real)), default=0.0)))
        time.sleep(2.0)
    finally:
        terminal.close()
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    return acts, lines[next(n for n, line in enumerate(lines) if line[0] == "scan") + 1 :]  # behind the badge


def settled(log: Sequence[Sequence[Any]], figures: Figures) -> list[Token]:
    """What stayed when each take-back is done; a scene that is not restored is counted."""
    left: list[tuple[Token, int]] = []
    """Each with the scene before it."""
    wanted = -1
    for what, text, scene, _, place in log:
        match what:
            case "press":
                left.append(((what, text), scene))
            case "retract":
                wanted = left[-int(text)][1]
                del left[-int(text) :]
            case "restored" if wanted not in (scene, -1):  # -1: the badge's
                figures.unrestored += 1
                figures.examples.append(f"unrestored on {place}, before {left[-3:]}")
            case "scan" | "double":
                figures.places[place] += 1
                left.append(((what, text), scene))
    return [token for token, _ in left]


def _delivered(acts: Sequence[tuple[Act, float]], log: Sequence[Sequence[Any]]) -> Iterator[float]:
    """The longest gap inside each act as the app's reader saw it: every key typed is one read."""
    times = [float(text) for what, text, *_ in log if what == "key"]
    for act, _ in acts:
        count = len(act.typed) if act.token[0] != "press" else 1
        own, times = times[:count], times[count:]
        yield max((b - a for a, b in pairwise(own)), default=0.0)


def compared(acts: Sequence[tuple[Act, float]], log: Sequence[Sequence[Any]]) -> Figures:
    """The plan beside the log."""
    figures = Figures()
    wanted = [act.token for act, _ in acts]
    gaps = [max(pair) for pair in zip((gap for _, gap in acts), _delivered(acts, log), strict=True)]
    torn = {n for n, (act, _) in enumerate(acts) if act.token[0] != "press" and gaps[n] > TORN}
    figures.scans = sum(what != "press" for what, _ in wanted)
    figures.keys = len(wanted) - figures.scans
    figures.excluded = len(torn)
    got = settled(log, figures)
    sent = {text for what, text in wanted if what != "press"}
    for op, a, b, c, d in SequenceMatcher(None, wanted, got, autojunk=False).get_opcodes():
        if op == "equal":
            continue
        missing, extra = wanted[a:b], got[c:d]
        if torn & set(range(a - 1, b + 1)):
            continue
        match missing, extra:
            case [("press", key), ("scan" | "double", code)], [("scan", text)] if text == key + code:
                figures.joined += 1
                continue
        figures.missed += sum(what != "press" for what, _ in missing)
        figures.lost += sum(what == "press" for what, _ in missing)
        figures.hotkeys += sum(what == "press" for what, _ in extra)
        for what, text in extra:
            if what == "press" or "\ufffd" in text:
                continue  # a rejected scan does nothing
            if text in sent:
                figures.doubled += what == "scan"
            else:
                figures.wrong += 1
        about = [(wanted[n], round(max(acts[n][0].gaps[1:], default=0), 3), round(gaps[n], 3)) for n in range(a, b)]
        figures.examples.append(f"typed {about!r}, came out {extra!r}")
    return figures


def campaign(scans: int, folder: Path, *, stations: int = 1, seed: int = 1) -> Figures:
    """Run it, on several stations at once."""
    demos = [prepare(folder / f"station-{n}") for n in range(stations)]
    total = Figures()
    with ThreadPoolExecutor(stations) as pool:
        for figures in pool.map(lambda n: compared(*typed(scans // stations, seed + n, demos[n])), range(stations)):
            total.add(figures)
    return total


def show(figures: Figures, out: TextIO = sys.stdout) -> None:
    """Print the figures."""
    for name in ("scans", "keys", "hotkeys", "doubled", "wrong", "unrestored", "lost", "joined", "missed", "excluded"):
        print(f"{name:11}{getattr(figures, name):7}", file=out)
    print("scanned at ", dict(figures.places), file=out)
    for example in figures.examples[:40]:
        print("  ", example, file=out)


def main() -> int:
    """The whole campaign, or (``--station``) the app in its terminal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scans", type=int, default=10_000)
    parser.add_argument("--stations", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--station", default="", help=argparse.SUPPRESS)
    parser.add_argument("--log", default="", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.station:
        station(given.station, given.log)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        figures = campaign(given.scans, Path(folder), stations=given.stations, seed=given.seed)
    show(figures)
    return 0 if figures.clean else 1


if __name__ == "__main__":
    raise SystemExit(main())
