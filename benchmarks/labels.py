"""Labels per second as PDF and ZPL, and the time from finishing a unit to the first byte at the printer's socket.

Beside them, in the same run: the same label drawn straight onto a reportlab canvas, and the same ZPL as one f-string.
Run it with ``uv run python benchmarks/labels.py``; quote the ratios, machines are noisy.
"""

import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

from inspect_station import config
from inspect_station.core import inspection as life
from inspect_station.demo.build import prepare
from inspect_station.label import render, templates
from inspect_station.outcomes import Arrived, Finished, Opened
from inspect_station.resources import resource
from inspect_station.station import open_station

FIELDS = {
    "title": "Galaxy A55 128 GB black",
    "grade": "USED · tested · reset",
    "price": "299,25 €",
    "new_price": "new price 399,00 €",
    "why": "light traces of use on the frame; tested, reset, cleaned; all accessories",
    "barcode": "L7F3K00486K/1",
    "lpn": "L7F3K00486K",
    "place": "Clearance trolley C2",
    "seller": "Maison Lumo",
    "date": "22 November 2026",
    "copy": "",
}
ROUNDS, LABELS, UNITS = 5, 60, 30

STATUS = b"\x02014,0,0,0312,000,0,0,0,000,0,0,0\x03\r\n\x02001,0,0,0,1,2,4,0,00000000,1,000\x03\r\n\x021234,0\x03\r\n"
"""A printer that lacks nothing and has nothing left to print, in answer to ~HS."""


def plain_pdf() -> bytes:
    """The texts and the barcode, where they belong, and nothing else: no shrinking, no wrapping, no checks."""
    from reportlab.graphics.barcode.code128 import Code128
    from reportlab.lib.units import mm
    from reportlab.pdfgen.canvas import Canvas

    file = BytesIO()
    canvas = Canvas(file, pagesize=(62 * mm, 40 * mm))
    for n, name in enumerate(("title", "grade", "price", "new_price", "why", "lpn", "place", "seller", "date")):
        canvas.setFont("Helvetica", 7)
        canvas.drawString(2 * mm, (37 - 2.6 * n) * mm, FIELDS[name])
    Code128(FIELDS["barcode"], barHeight=7 * mm, barWidth=0.25 * mm).drawOn(canvas, 0, 2 * mm)
    canvas.save()
    return file.getvalue()


def plain_zpl() -> bytes:
    """One f-string: the built-in font, no shrinking, nothing escaped."""
    f = FIELDS
    return (
        f"^XA^CI28^PW496^LL320^FO16,10^A0N,24,24^FD{f['title']}^FS^FO16,70^A0N,21,21^FD{f['grade']}^FS"
        f"^FO16,97^A0N,50,50^FD{f['price']}^FS^FO296,126^A0N,18,18^FD{f['new_price']}^FS"
        f"^FO16,158^A0N,18,18^FD{f['why']}^FS^FO40,205^BY2^BCN,56,N,N,N^FD{f['barcode']}^FS"
        f"^FO16,262^A0N,28,28^FD{f['lpn']}^FS^FO260,266^A0N,21,21^FD{f['place']}^FS"
        f"^FO16,296^A0N,16,16^FD{f['seller']}^FS^FO200,296^A0N,16,16^FD{f['date']}^FS^XZ"
    ).encode()


def rate(make: Callable[[], bytes]) -> float:
    """Labels per second."""
    began = time.perf_counter()
    for _ in range(LABELS):
        make()
    return LABELS / (time.perf_counter() - began)


def rates() -> None:
    """All four in turn, so that a busy moment hits each of them."""
    template = templates(resource("labels"))["clearance"]
    kinds: dict[str, Callable[[], bytes]] = {
        "PDF": lambda: render(template, FIELDS, locale="en", format="pdf", dpi=203),
        "plain reportlab": plain_pdf,
        "ZPL": lambda: render(template, FIELDS, locale="en", format="zpl", dpi=203),
        "plain f-string": plain_zpl,
    }
    for make in kinds.values():
        make()
    seen: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(ROUNDS):
        for name, make in kinds.items():
            seen[name].append(rate(make))
    found = {name: statistics.median(each) for name, each in seen.items()}
    for ours, plain in (("PDF", "plain reportlab"), ("ZPL", "plain f-string")):
        ratio = found[plain] / found[ours]
        print(f"{ours}: {found[ours]:8.0f} labels/s   {plain}: {found[plain]:8.0f} labels/s   × {ratio:.1f}")


class Printer:
    """A socket that notes when the first byte of each label came; it answers ~HS, or keeps silent."""

    def __init__(self, *, answers: bool) -> None:
        self.answers = answers
        self.first: list[float] = []
        self.came = threading.Semaphore(0)
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.server.accept()
            except OSError:
                return
            with connection:
                told = False
                while heard := connection.recv(65536):
                    if b"^XA" in heard and not told:
                        told = True
                        self.first.append(time.perf_counter())
                        self.came.release()
                    for _ in range(heard.count(b"~HS") if self.answers else 0):
                        connection.sendall(STATUS)


@contextmanager
def printing(*, answers: bool) -> Iterator[Printer]:
    made = Printer(answers=answers)
    try:
        yield made
    finally:
        made.server.close()


def finish_to_first_byte(*, answers: bool) -> list[float]:
    """Milliseconds from the call that finishes a unit to the first byte of its label at the printer."""
    spent: list[float] = []
    with tempfile.TemporaryDirectory() as folder, printing(answers=answers) as printer:
        made = prepare(Path(folder) / "demo")
        loaded = config.load(Path(made.config))
        raw = {"kind": "raw", "host": "127.0.0.1", "port": printer.port, "format": "zpl", "folder": None}
        settings = loaded.model_copy(update={"printers": (loaded.printers[0].model_copy(update=raw),)})
        lamp = "3760311300165"
        head = "rma,seller,channel,gtin,quantity,reason,delivered_on,postmarked_on"
        on = datetime.now(UTC).date().isoformat()
        rows = [f"BENCH-{n},lumo,amazon,{lamp},1,CHANGED_MIND,{on},{on}" for n in range(UNITS)]
        with open_station(settings, running=True) as station:
            station.scan(made.badge)
            station.import_rmas("\n".join((head, *rows)).encode())
            station.outbox.start()
            for n in range(UNITS):
                arrived = station.scan(f"BENCH-{n}")
                assert isinstance(arrived, Arrived), arrived
                unit = station.scan(lamp, None, arrived.parcel)
                assert isinstance(unit, Opened), unit
                step = station.step(unit.bench, unit.inspection, life.Digit(1))
                began = time.perf_counter()
                done = station.finish(unit.bench, step.inspection)
                assert isinstance(done, Finished), done
                assert printer.came.acquire(timeout=10)
                spent.append((printer.first[-1] - began) * 1000)
                while station.outbox.states().printer.waiting:
                    time.sleep(0.005)
    return spent


if __name__ == "__main__":
    rates()
    for answers, name in ((True, "one that answers ~HS"), (False, "one that keeps silent")):
        spent = sorted(finish_to_first_byte(answers=answers))
        median, most = statistics.median(spent), spent[-1]
        high = spent[int(0.9 * UNITS)]
        print(f"finish to first byte, {name}: median {median:.0f} ms, 90 % {high:.0f} ms, most {most:.0f} ms")
