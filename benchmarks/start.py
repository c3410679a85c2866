"""How long from start to scan-ready, and from scan to verdict painted, in a real terminal.

Beside it, in the same run: a bare Textual app with one input, which is what any Textual program costs here. Run it with
``uv run python benchmarks/start.py``; quote the ratios, machines are noisy.
"""

import fcntl
import os
import pty
import select
import signal
import statistics
import struct
import sys
import tempfile
import termios
import time
from pathlib import Path

from inspect_station.demo.build import prepare

BARE = """
from textual.app import App
from textual.widgets import Input
class Bare(App):
    def compose(self):
        yield Input(placeholder="READY-NOW")
Bare().run()
"""


class Terminal:
    """A program in a pseudo-terminal of 80×24."""

    def __init__(self, *command: str) -> None:
        self.started = time.perf_counter()
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM="xterm-256color", COLORTERM="truecolor")
            os.execv(command[0], command)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))

    def until(self, text: str, seconds: float = 20.0) -> float:
        """Seconds since `started` until the text is painted."""
        wanted, seen = text.encode(), b""
        while time.perf_counter() - self.started < seconds:
            if select.select([self.fd], [], [], 0.05)[0]:
                seen += os.read(self.fd, 65536)
                if wanted in seen:
                    return time.perf_counter() - self.started
        raise TimeoutError(f"{text!r} was not painted")

    def send(self, text: str) -> None:
        """Type it at once, as a scanner does; the clock starts with the last byte."""
        os.write(self.fd, text.encode())
        self.started = time.perf_counter()

    def close(self) -> None:
        """End the program at once."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.fd)


def main(runs: int = 7) -> None:
    """Run both in turn and print medians and ratios."""
    with tempfile.TemporaryDirectory() as folder:
        demo = prepare(Path(folder) / "demo")
        rmas = [parcel.scans[0] for parcel in demo.parcels if parcel.kind == "sealed"]
        ready: list[float] = []
        bare: list[float] = []
        verdict: list[float] = []
        for n in range(runs + 1):
            terminal = Terminal(sys.executable, "-c", BARE)
            bare.append(terminal.until("READY-NOW"))
            terminal.close()
            command = ("-m", "inspect_station.cli", "run", "--config", demo.config)
            terminal = Terminal(sys.executable, *command)
            ready.append(terminal.until("Scan your badge"))
            time.sleep(0.3)
            terminal.send(f"{demo.badge}\r")
            terminal.until("Scan RMA")
            time.sleep(0.5)
            terminal.send(f"{rmas[n % len(rmas)]}\r")
            verdict.append(terminal.until("ACCEPTED"))
            terminal.close()
        # The first of each warms the disk's cache.
        ready, bare, verdict = ready[1:], bare[1:], verdict[1:]
    print(f"start → scan-ready     {statistics.median(ready):.2f} s  (min {min(ready):.2f}, max {max(ready):.2f})")
    print(f"a bare Textual app     {statistics.median(bare):.2f} s  (min {min(bare):.2f}, max {max(bare):.2f})")
    ratios = sorted(ours / theirs for ours, theirs in zip(ready, bare, strict=True))
    print(f"ratio                  {statistics.median(ratios):.2f}")
    print(f"scan → verdict painted {statistics.median(verdict) * 1000:.0f} ms  (max {max(verdict) * 1000:.0f} ms)")


if __name__ == "__main__":
    main()
