"""Text from outside that would like to be more than text: whatever holds it, no terminal obeys it (I15).

The real screens in a pseudo-terminal, with a hub in a process of its own that announces such text, lists that hold it,
and an operator who scans and pastes it. All bytes that the terminal was sent are looked at.
"""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import httpx
import pytest
import zxingcpp
from PIL import Image

from benchmarks.wedge import Terminal
from inspect_station import config
from inspect_station.core.records import Line, Product, Rma
from inspect_station.hub import Hub, add_station, load
from inspect_station.station import open_station
from tests.tui.conftest import BADGES

ESCAPES = "\x1b]0;TITLE\x07\x1b]52;c;T1dO\x07\x1b[6666m\x9b7777m\x9d0;T\x9c\x00\x08\x0e\x7f\x85\u202e\u200b"
MARKUP = "[b][/b][@click=app.quit]x[/][red"


def ean(twelve: str) -> str:
    """With its check digit."""
    return twelve + str(-sum(int(digit) * (1, 3)[n % 2] for n, digit in enumerate(twelve)) % 10)


HUB_ARTICLE, LIST_ARTICLE = ean("376031130095"), ean("376031130096")

UNDERSTOOD = re.compile(
    rb"\x1b\[[<=>?]?[0-9;:]*[$ ]?[A-Za-z]"  # colours, places, modes
    rb"|\x1b_G[^\x1b]*\x1b\\|\x1bP[^\x1b]*\x1b\\"  # asking how the terminal draws
    rb"|\x1b[78=>]|\x1b\([0B]|\x1b\]22;default\x07"  # the last: the pointer's shape
)
"""Sequences of a program that paints; none sets a title or fills a clipboard."""


def obeyed(painted: bytes) -> set[str]:
    """What a terminal would obey of these bytes beyond painting; what the hostile text asked for, too."""
    rest = UNDERSTOOD.sub(b"", painted).decode(errors="replace")
    strange = {
        f"U+{ord(sign):04X}" for sign in rest if (ord(sign) < 0x20 and sign not in "\r\n") or 0x7F <= ord(sign) < 0xA0
    }
    asked = re.findall(rb"\x1b\[(?:6666|7777)m", painted)
    return (
        strange | {each.decode() for each in asked} | {f"U+{ord(sign):04X}" for sign in rest if sign in "\u202e\u200b"}
    )


class Kept(Terminal):
    """A terminal that forgets nothing."""

    def _drain(self) -> None:
        while True:
            try:
                self.seen += os.read(self.fd, 65536)
            except OSError:
                return

    def scan(self, code: str, then: str) -> None:
        """A code at one write, and what is painted of it."""
        time.sleep(0.6)
        self.type(code + "\r", [0.0] * (len(code) + 1))
        self.until(then, 20.0)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[str]:
    """The address of a hub that announces hostile text, and a code to enrol with."""
    data = tmp_path / "hub"
    article = Product(seller="lumo", gtin=f"0{HUB_ARTICLE}", title=f"HUBTITLE{ESCAPES}{MARKUP}", sku=f"SKU{ESCAPES}")
    line = Line(no=1, gtin=article.gtin, quantity=1, reason="CHANGED_MIND")
    order = f"HUBORDER{ESCAPES}{MARKUP}"
    rma = Rma(seller="lumo", number="ML-7001", order=order, channel=f"C{ESCAPES}", lines=(line,))
    with Hub.open(data) as made:
        load(made, [article, rma])
    code = add_station(data, "DOCK-3")
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    words = ["-m", "inspect_station.cli", "hub", "serve", "--port", url.rpartition(":")[2], "--data", str(data)]
    with subprocess.Popen([sys.executable, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as serving:
        for _ in range(600):
            with suppress(httpx.HTTPError):
                if httpx.get(f"{url}/livez").status_code == 200:
                    break
            time.sleep(0.05)
        yield f"{url} {code}"
        serving.terminate()


def lists() -> tuple[bytes, bytes]:
    """An article and a return as files from outside, with text that is no better."""
    title = f"LISTTITLE{ESCAPES}{MARKUP}".replace("\x00", "")
    products = f'gtin,seller,sku,title\n{LIST_ARTICLE},lumo,"S{ESCAPES[:9]}","{title}"\n'
    rmas = f'rma,seller,order,gtin,quantity,reason\nML-7002,lumo,"LISTORDER{ESCAPES}",{LIST_ARTICLE},1,CHANGED_MIND\n'
    return products.encode(), rmas.encode()


@pytest.mark.parametrize(
    "sign", ["\x1b]0;T\x07", "\x1b]52;c;T1dO\x07", "\x1b[6666m", "\x9b7777m", "\x08", "\x7f", "\u202e"]
)
def test_what_would_be_obeyed_is_found(sign: str) -> None:
    assert obeyed(f"\x1b[1mtext{sign}text\x1b[0m".encode())
    assert not obeyed(b"\x1b[1mtext\x1b[0m\x1b]22;default\x07")


def test_whatever_text_comes_from_outside_no_terminal_obeys_it(folder: Path, hub: str) -> None:
    url, code = hub.split()
    path = folder / "station.toml"
    told = f'[upstream]\nenabled = true\nurl = "{url}"\n'
    path.write_text(path.read_text(encoding="utf-8").replace("LOCALE", "en") + told, encoding="utf-8")
    products, rmas = lists()
    with open_station(config.load(path)) as station:
        station.enrol(code)
        assert station.sync().fetched == 2
        assert not station.import_products(products).bad
        assert not station.import_rmas(rmas).bad
    terminal = Kept(sys.executable, "-m", "inspect_station.cli", "run", "--config", str(path))
    try:
        terminal.until("Scan your badge")
        terminal.scan(BADGES["operator"], "Scan RMA")
        os.write(terminal.fd, b"\x1b[200~PASTED" + ESCAPES.replace("\x1b", "").encode() + b"\x1b[201~")
        terminal.until("PASTED", 20.0)
        time.sleep(0.3)
        os.write(terminal.fd, b"\x1b")
        terminal.scan("ML-7001", "HUBORDER")
        terminal.until("HUBTITLE", 20.0)
        terminal.scan("ML-7002", "LISTTITLE")
        terminal.scan(LIST_ARTICLE, "1 unit")
        terminal.scan(f"X{ESCAPES[:9]}", "U+001B")
        time.sleep(0.5)
        painted = terminal.seen
    finally:
        terminal.close()
    assert obeyed(painted) == set()
    # It was shown, as what it is: text.
    assert b"HUBTITLE]0;TITLE]52;c;T1dO[6666m" in painted
    assert b"[@click=app.quit]" in painted


def test_what_a_file_is_called_or_a_picture_says_is_only_printed(folder: Path, tmp_path: Path) -> None:
    path = folder / "station.toml"
    path.write_text(path.read_text(encoding="utf-8").replace("LOCALE", "en"), encoding="utf-8")
    file = tmp_path / "list\x1b]0;TITLE\x07\x9b7777m\udcff.csv"
    file.write_bytes(b"gtin,seller,title\n12,lumo,Bro\x1b]0;T\x07ken\n")
    code = tmp_path / "code\x9b7777m.png"
    symbol = zxingcpp.create_barcode("list\x1b]0;T\x07\x9b7777m", zxingcpp.BarcodeFormat.QRCode)
    Image.fromarray(zxingcpp.write_barcode_to_image(symbol, scale=6)).save(code)
    for words in (["import", "products", file], ["decode", file, code], ["decode", "--json", code]):
        command = [sys.executable, "-m", "inspect_station.cli", *map(str, words)]
        command += ["--config", str(path)] if "import" in words else []
        ran = subprocess.run(command, check=False, capture_output=True, timeout=60)
        assert ran.returncode == (0 if "--json" in words else 1), ran
        assert b"list" in ran.stdout + ran.stderr
        assert b"Traceback" not in ran.stderr
        assert obeyed(ran.stdout + ran.stderr) == set()
