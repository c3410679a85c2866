"""Real bursts typed at the real app in a pseudo-terminal, among a human's keys: no scan misfires.

``INSPECT_STATION_SCANS=1000`` types more; the whole campaign is ``uv run python benchmarks/wedge.py``.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from pathlib import Path

import pytest

from benchmarks import wedge
from benchmarks.wedge import Act, Judge, Line, Stall, Terminal, Typed, campaign
from inspect_station.core.barcode import GS, LOST, Patterns, read
from inspect_station.demo.build import prepare

SCANS = int(os.environ.get("INSPECT_STATION_SCANS", "40"))


def test_no_scan_presses_a_key_comes_out_twice_or_wrong_or_leaves_a_trace(tmp_path: Path) -> None:
    figures = campaign(SCANS, tmp_path, stations=4)
    assert not figures.misfires, "\n".join(figures.examples)
    assert figures.scans >= SCANS
    assert figures.missed <= 0.02 * SCANS + 1, "\n".join(figures.examples)
    assert figures.excluded <= 0.2 * SCANS, "this machine stalls too often to tell"
    assert len(figures.places) >= 5, "the operator was in several places"


# ── The judge itself ─────────────────────────────────────────────────────────────────────────────────────────────────

CODE = "123456789012"


def hand(key: str, after: float = 0.3) -> tuple[Act, list[float]]:
    """A hand's key, so many seconds behind what was before."""
    return Act(("press", key), (key,), (after,), sign=key), [after]


def scan(
    code: str = CODE, after: float = 0.3, gap: float = 0.005, *, end: str = "\r", **about: float | str
) -> tuple[Act, list[float]]:
    """A scan with even gaps; ``torn`` is the real gap before its fourth character, ``what`` may be ``double``."""
    real = [after, *[gap] * (len(code + end) - 1)]
    real[3] = float(about.get("torn", gap))
    return Act((str(about.get("what", "scan")), code), (*code, *end), tuple(real), ends=bool(end)), real


def typed(*done: tuple[Act, list[float]]) -> list[Typed]:
    """The typist's clock: all from second 10 on."""
    at, out = 10.0, []
    for act, gaps in done:
        times = [*accumulate(gaps, initial=at)][1:]
        out.append(Typed(act, tuple(times)))
        at = times[-1]
    return out


def came(*outs: Line | tuple[str, str], reads: Sequence[float] = ()) -> list[Line]:
    """The app's log: presses and scans numbered from 1, where keys are commands; its reader's times before them."""
    log = [Line("read", at=at) for at in reads]
    for n, out in enumerate(outs, start=1):
        log.append(out if isinstance(out, Line) else Line(out[0], out[1], n, place="unit"))  # type: ignore[arg-type]
    return log


def pressed(text: str, *, first: int = 100, writes: bool = False, place: str = "unit") -> list[Line]:
    """A code that was pressed key by key, with numbers of its own."""
    return [Line("press", sign, n, writes=writes, place=place) for n, sign in enumerate(text, start=first)]


PIECES = (("scan", "123" + LOST), ("scan", LOST + "456789012"))
ENTER = ("press", "enter")


@pytest.mark.parametrize(
    ("done", "log", "stalls", "found"),
    [
        pytest.param([hand("3"), scan()], came(("press", "3"), ("scan", CODE)), [], {}, id="all as typed"),
        # Misfires: each must be found.
        pytest.param([scan()], came(("press", "1"), ("scan", CODE)), [], {"hotkeys": 1}, id="first key stayed"),
        pytest.param([scan()], came(("scan", CODE), ENTER), [], {"hotkeys": 1}, id="Enter pressed behind the scan"),
        pytest.param([scan()], came(*pressed(CODE), ENTER), [], {"hotkeys": 13, "missed": 1}, id="pressed as keys"),
        pytest.param(
            [scan()], came(*pressed(CODE, writes=True)), [], {"hotkeys": 12, "missed": 1}, id="left in a text field"
        ),
        pytest.param(
            [scan()],
            came(*pressed(CODE), reads=[10.3, 10.305, 10.6, *[10.6] * 10]),
            [],
            {"hotkeys": 12, "missed": 1},
            id="the app stamped a gap that nobody typed",
        ),
        pytest.param(
            [scan()],
            came(("press", "1"), Line("effect", n=1), Line("back", n=1), ("scan", CODE)),
            [],
            {"hotkeys": 1},
            id="taken back, but done",
        ),
        pytest.param(
            [scan()],
            came(("press", "1"), Line("back", n=1), Line("effect", n=1), ("scan", CODE)),
            [],
            {"hotkeys": 1},
            id="done after it was taken back",
        ),
        pytest.param(
            [scan()],
            came(("press", "1"), Line("back", n=1, whole=False), ("scan", CODE)),
            [],
            {"unrestored": 1},
            id="taken back, the screen is another",
        ),
        pytest.param([scan()], came(("scan", CODE), ("scan", CODE)), [], {"doubled": 1}, id="came out twice"),
        pytest.param(
            [scan()],
            came(("scan", CODE), Line("effect", n=1), Line("effect", n=1)),
            [],
            {"doubled": 1},
            id="done twice",
        ),
        pytest.param(
            [scan(), scan(what="double")],
            came(("scan", CODE), ("scan", CODE)),
            [],
            {"doubled": 1, "missed": 1},
            id="a double read was done",
        ),
        pytest.param([scan()], came(("scan", CODE[1:])), [], {"wrong": 1, "missed": 1}, id="without its first"),
        pytest.param([hand("3"), scan()], came(("scan", CODE)), [], {"lost": 1}, id="a hand's key is gone"),
        pytest.param(
            [hand("3"), scan(), hand("4")],
            came(("press", "3"), *pressed(CODE), ("press", "4")),
            [],
            {"hotkeys": 12, "missed": 1},
            id="pressed as keys, between a hand's keys that are among them",
        ),
        # A hand's key that became a part of the code.
        pytest.param(
            [hand("3"), scan(after=0.45)],
            came(("scan", "3" + CODE)),
            [],
            {"wrong": 1, "missed": 1, "lost": 1},
            id="joined after 450 ms",
        ),
        pytest.param(
            [hand("3"), scan(after=0.095)],
            came(("scan", "3" + CODE)),
            [],
            {"wrong": 1, "missed": 1, "lost": 1},
            id="joined after 95 ms",
        ),
        pytest.param([hand("3"), scan(after=0.08)], came(("scan", "3" + CODE)), [], {"joined": 1}, id="after 80 ms"),
        pytest.param(
            [hand("3"), scan(after=0.11, gap=0.06)],
            came(("scan", "3" + CODE)),
            [],
            {"joined": 1},
            id="joined after 110 ms to a scan of 60 ms",
        ),
        pytest.param(
            [hand("3"), scan(after=0.12)],
            came(("scan", "3" + CODE), reads=[10.36, *[10.42 + n * 0.005 for n in range(13)]]),
            [],
            {"late": 1},
            id="joined after 120 ms, the key read 60 ms late",
        ),
        pytest.param(
            [hand("3"), scan(after=0.12)],
            came(("scan", "3" + CODE), reads=[10.5, *[10.5 + n * 0.005 for n in range(13)]]),
            [],
            {"wrong": 1, "missed": 1, "lost": 1},
            id="joined after 120 ms, the key read later than the scan was typed",
        ),
        # Torn scans, and who may say so.
        pytest.param([scan(torn=0.2)], came(*PIECES), [], {"excluded": 1}, id="the typist was late"),
        pytest.param([scan()], came(*PIECES), [(10.31, 10.5)], {"excluded": 1}, id="the machine stood still"),
        pytest.param([scan()], came(*PIECES), [(11.0, 11.2)], {"missed": 1}, id="the machine stood still later"),
        pytest.param([scan()], came(*PIECES), [(10.31, 10.36)], {"missed": 1}, id="a stall too short to tear it"),
        pytest.param(
            [scan(torn=0.1)], came(*pressed(CODE)), [], {"hotkeys": 12, "missed": 1}, id="100 ms late among commands"
        ),
        pytest.param(
            [scan(torn=0.1)], came(*pressed(CODE, writes=True)), [], {"excluded": 1}, id="100 ms late in a text field"
        ),
        pytest.param(
            [hand("x"), scan(torn=0.2), hand("y"), hand("z")],
            came(*PIECES, ("press", "y"), ("press", "q"), ("press", "z")),
            [],
            {"excluded": 1, "lost": 1, "hotkeys": 1},
            id="beside a torn scan a key is lost and another pressed",
        ),
        pytest.param(
            [scan(torn=0.2), scan("ABCDEFGH")],
            came(*PIECES, ("scan", "ABXXEFGH")),
            [],
            {"excluded": 1, "wrong": 1, "missed": 1},
            id="a wrong code beside a torn scan",
        ),
        # Codes without an end.
        pytest.param(
            [scan(end="")], came(*pressed(CODE, writes=True)), [], {"stayed": 1}, id="no end: stays in a text field"
        ),
        pytest.param([scan(end="")], came(*pressed(CODE)), [], {"hotkeys": 12, "missed": 1}, id="no end: pressed"),
        pytest.param(
            [scan(end="")],
            came(*pressed(CODE[:6], writes=True), *pressed(CODE[6:], first=106, writes=True, place="list")),
            [],
            {"hotkeys": 12, "missed": 1},
            id="no end: its characters opened something",
        ),
        pytest.param(
            [scan("ABCDEFGH"), scan(end="")],
            came(("scan", "ABCDEFGH"), ("scan", CODE + LOST)),
            [],
            {"stayed": 1},
            id="no end: the first one is half a code",
        ),
        pytest.param([scan()], came(("scan", CODE + LOST)), [], {"missed": 1}, id="an end, and rejected"),
        # What may happen must be rare.
        pytest.param([scan()], came(), [], {"missed": 1}, id="nothing came out"),
    ],
)
def test_the_judge_finds_each_misfire_and_forgives_only_what_is_not_promised(
    done: list[tuple[Act, list[float]]], log: list[Line], stalls: list[Stall], found: dict[str, int]
) -> None:
    figures = Judge(typed(*done), log, stalls).figures()
    counts = {name: getattr(figures, name) for name in wedge.COUNTED if name not in ("scans", "keys", "commands")}
    assert {name: count for name, count in counts.items() if count} == found, figures.examples
    rare = {"joined", "stayed"}
    assert figures.clean == (set(found) <= rare)


def test_a_key_and_a_scan_in_the_wrong_order_are_a_misfire() -> None:
    log = came(("scan", CODE), ("press", "3"), ("press", "4"), ("press", "5"))
    assert Judge(typed(hand("3"), scan(), hand("4"), hand("5")), log).figures().misfires


def test_behind_a_prefix_no_key_joins_and_a_pause_of_half_a_second_is_promised() -> None:
    joined = Judge(typed(hand("3"), scan(after=0.05)), came(("scan", "3" + CODE)), prefix=True).figures()
    assert (joined.joined, joined.wrong) == (0, 1)
    torn = Judge(typed(scan(torn=0.3)), came(*PIECES), prefix=True).figures()
    assert (torn.excluded, torn.missed) == (0, 1)


@pytest.mark.parametrize(("missed", "clean"), [(2, True), (3, False)])
def test_two_in_a_hundred_may_be_missed(missed: int, clean: bool) -> None:
    codes = [f"CODE-{n:04d}" for n in range(100)]
    log = came(*(("scan", code) for code in codes[missed:]))
    assert Judge(typed(*(scan(code) for code in codes)), log).figures().clean is clean


# ── The app ──────────────────────────────────────────────────────────────────────────────────────────────────────────

Log = Callable[[], list[tuple[str, str]]]


@pytest.fixture
def app(tmp_path: Path) -> Iterator[tuple[Terminal, Log]]:
    """The app, signed in, and what its hands were given since."""
    demo = prepare(tmp_path / "demo")
    path = tmp_path / "keys.ndjson"
    terminal = Terminal(sys.executable, str(wedge.__file__), "--station", demo.config, "--log", str(path))

    def log() -> list[tuple[str, str]]:
        return [line.token for line in wedge.lines(path)]

    try:
        terminal.until("Scan your badge")
        time.sleep(0.5)
        terminal.type(demo.badge + "\r", [0.0] * (len(demo.badge) + 1))
        terminal.until("Scan RMA")
        time.sleep(0.5)
        yield terminal, log
    finally:
        terminal.close()


def scans(log: Log, count: int, seconds: float = 10.0) -> list[str]:
    """The codes that came out, once there are so many."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        texts = [text for what, text in log() if what == "scan"]
        if len(texts) >= count:
            return texts
        time.sleep(0.05)
    raise TimeoutError(f"{log()!r}")


def test_what_a_code_holds_reaches_the_scan_and_no_terminal(app: tuple[Terminal, Log]) -> None:
    terminal, log = app
    gs1 = f"]d2010376031120014410LOT7{GS}21S123"
    hostile = ["AB\x11CD", "AB\x10CD", "AB\x03CD", "\x1a1234", "AB\x1b[31mCD", "\x1b[ABCD", "A\x1b[200~BCD", "AB\x7fCD"]
    hostile += ["AB\x9bCD", "AB\x00CD", "AB\x1b]0;title\x07CD", "AB\x1bOPCD"]
    codes = [gs1, *hostile, "ML-40019"]
    # At one write, and as a scanner types.
    for gap in (0.0, 0.008):
        for code in codes:
            terminal.type(code + "\r", [0.3, *[gap] * len(code)])
    assert scans(log, 2 * len(codes)) == [*codes, *codes]
    assert read(gs1, Patterns()).elements == {"01": "03760311200144", "10": "LOT7", "21": "S123"}
    terminal.until("U+001B", 1)


def test_a_paste_goes_to_the_box_and_one_inside_a_code_spoils_it(app: tuple[Terminal, Log]) -> None:
    terminal, log = app
    terminal.type("\x1b[200~PASTED-1\x1b[201~", [0.0] * 20)
    terminal.until("PASTED-1")
    time.sleep(0.3)
    os.write(terminal.fd, b"\x1b")
    time.sleep(0.3)
    for part in (b"ABCD", b"\x1b[200~XY\x1b[201~", b"EFGH\r"):
        os.write(terminal.fd, part)
        time.sleep(0.02)
    (code,) = scans(log, 1)
    assert "\ufffd" in code or "\x1b" in code, "rejected, not read as ABCDEFGH"


@pytest.mark.parametrize(
    ("code", "found"),
    [
        pytest.param("X" * 10_000, "128", id="10 kB"),
        pytest.param("\u202e40001-LM", "40001-LM", id="written from right to left"),
        pytest.param("ML-4\u200b0018", "ML-40018", id="with a sign that nobody sees"),
    ],
)
def test_a_code_that_is_none_is_shown_for_what_it_is_and_the_next_is_read(
    app: tuple[Terminal, Log], code: str, found: str
) -> None:
    terminal, log = app
    terminal.type("   \r", [0.8, 0.0, 0.0, 0.0])
    terminal.type("\r", [0.8])
    terminal.type(code + "\r", [0.8, *[0.0] * len(code)])
    terminal.until(found, 20.0)
    terminal.type("\uff2d\uff2c-\uff14\uff10\uff10\uff11\uff19\r", [0.8, *[0.0] * 8])
    terminal.until("ML-40019", 20.0)
    assert scans(log, 2)[-1] == "\uff2d\uff2c-\uff14\uff10\uff10\uff11\uff19"
