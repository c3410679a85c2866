"""The scan sheet: every barcode of the demo, grouped by parcel kind, with what must come of it."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inspect_station import sheets

if TYPE_CHECKING:
    from inspect_station.demo.build import Parcel

MARGIN = 36.0
BAR_HEIGHT = 24.0
ROW = 62.0
COLUMNS = (MARGIN, 190.0, 350.0)
"""Left edges of up to three barcodes, in points."""


def write(path: Path, parcels: Sequence["Parcel"], badges: Mapping[str, str], pin: str) -> None:
    """Write the sheet as A4 pages."""
    from reportlab.lib.pagesizes import A4
    from reportlab.pdfgen.canvas import Canvas

    canvas = Canvas(str(path), pagesize=A4, invariant=1)
    canvas.setTitle("inspect-station: scan sheet of the demo")
    pen = _Pen(canvas, A4[1])
    pen.heading("Scan sheet of the demo station")
    pen.text("Scan or type the codes of a row from left to right, Enter after a typed code, then press the keys.")
    pen.text("Expected: grade → where the unit goes. The same rows are printed by `demo --no-tui --json`.")
    pen.heading("Sign in")
    pen.row([badges["operator"]], "operator, English", "")
    pen.row([badges["operateur"]], "opérateur, français", "")
    pen.row([badges["supervisor"]], f"supervisor, then PIN {pin} and Enter", "")
    for kind, rows in groupby(parcels, key=lambda parcel: parcel.kind):
        pen.heading(kind.capitalize())
        for parcel in rows:
            keys = " ".join(parcel.keys)
            to = f"{parcel.expect['grade'] or 'no grade'} → {parcel.expect['disposition']}"
            note = " · ".join(text for text in (parcel.title, parcel.note) if text)
            pen.row(list(parcel.scans), f"keys: {keys}", f"{to}    {note}")
    canvas.save()


class _Pen:
    """Writes from top to bottom and turns the page."""

    def __init__(self, canvas: Any, height: float) -> None:
        self._canvas = canvas
        self._top = height - MARGIN
        self._y = self._top

    def _room(self, height: float) -> None:
        if self._y - height < MARGIN:
            self._canvas.showPage()
            self._y = self._top

    def heading(self, text: str) -> None:
        self._room(ROW + 40)
        self._y -= 26
        self._canvas.setFont("Helvetica-Bold", 13)
        self._canvas.drawString(MARGIN, self._y, text)
        self._y -= 8

    def text(self, text: str) -> None:
        self._room(16)
        self._y -= 14
        self._canvas.setFont("Helvetica", 9.5)
        self._canvas.drawString(MARGIN, self._y, text)

    def row(self, codes: Sequence[str], keys: str, expected: str) -> None:
        from reportlab.pdfbase.pdfmetrics import stringWidth

        self._room(ROW)
        base = self._y - BAR_HEIGHT - 4
        for left, code in zip(COLUMNS, codes, strict=False):
            # One module = 0.72 pt = 0.254 mm: every hand scanner reads it from paper.
            width = 0.72 if len(code) <= 18 or len(codes) == 1 else 0.6
            width = 0.9 if len(code) == sheets.EAN_DIGITS else width
            sheets.draw(self._canvas, code, left, base, BAR_HEIGHT, width)
            self._canvas.setFont("Courier", 8)
            self._canvas.drawString(left, base - 9, code)
        self._canvas.setFont("Helvetica-Bold", 9)
        self._canvas.drawString(MARGIN, base - 21, keys)
        # What is expected stands below the second barcode, or right behind long keys.
        left = max(COLUMNS[1], MARGIN + stringWidth(keys, "Helvetica-Bold", 9) + 14)
        self._canvas.setFont("Helvetica", 9)
        self._canvas.drawString(left, base - 21, expected)
        self._y = base - 27
