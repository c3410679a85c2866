"""Real bursts typed at the real app in a pseudo-terminal, among a human's keys: no scan misfires.

``INSPECT_STATION_SCANS=1000`` types more; the whole campaign is ``uv run python benchmarks/wedge.py``.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks import wedge
from benchmarks.wedge import Terminal, campaign
from inspect_station.core.barcode import GS, Patterns, read
from inspect_station.demo.build import prepare

SCANS = int(os.environ.get("INSPECT_STATION_SCANS", "60"))


def test_no_scan_presses_a_key_comes_out_twice_or_wrong_or_leaves_a_trace(tmp_path: Path) -> None:
    figures = campaign(SCANS, tmp_path)
    assert figures.clean, "\n".join(figures.examples)
    assert figures.scans >= SCANS
    assert figures.missed <= 0.02 * SCANS + 1, "\n".join(figures.examples)
    assert figures.excluded <= 0.2 * SCANS, "this machine stalls too often to tell"
    assert len(figures.places) >= 3, "the operator was in several places"


Log = Callable[[], list[tuple[str, str]]]


@pytest.fixture
def app(tmp_path: Path) -> Iterator[tuple[Terminal, Log]]:
    """The app, signed in, and what its wedge has let through since."""
    demo = prepare(tmp_path / "demo")
    path = tmp_path / "keys.ndjson"
    terminal = Terminal(sys.executable, str(wedge.__file__), "--station", demo.config, "--log", str(path))

    def log() -> list[tuple[str, str]]:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        start = next(n for n, line in enumerate(lines) if line[0] == "scan") + 1
        return [(line[0], line[1]) for line in lines[start:]]

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
    for code in codes:
        # At one write, and as a scanner types.
        for gap in (0.0, 0.008):
            terminal.type(code + "\r", [0.8, *[gap] * len(code)])
    assert scans(log, 2 * len(codes))[::2] == codes
    assert scans(log, 2 * len(codes))[1::2] == codes
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
