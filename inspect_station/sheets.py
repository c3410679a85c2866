"""Codes on paper to scan from: bars as vectors, and A4 pages of cards that no scanner takes for their neighbours."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import groupby
from typing import TYPE_CHECKING

from inspect_station.core.gs1 import check_holds

if TYPE_CHECKING:
    from reportlab.pdfgen.canvas import Canvas

MM = 72 / 25.4
"""Points in a millimetre."""
WIDTH, HEIGHT = 210 * MM, 297 * MM
MARGIN = 12 * MM
EAN_DIGITS = 13

COLUMN, CARD = 96 * MM, 35 * MM
"""Width and height of a card. Between the bars of two cards there are 18 mm of paper or more, beside and below."""
BAR_HEIGHT = 11 * MM
MODULE = 0.33 * MM
"""Width of the narrowest bar (13 mil): read by every hand scanner at arm's length."""
WIDEST = 78 * MM
"""Bars that would be wider have narrower modules."""
HEADING = 12 * MM
APART = 40 * MM
"""Free paper around what must not be scanned by accident."""


@dataclass(frozen=True)
class Card:
    """One code with what it does."""

    code: str
    title: str = ""
    note: str = ""


@dataclass(frozen=True)
class Group:
    """Cards under one heading; ``apart`` in a frame of its own, far from all others."""

    heading: str
    cards: Sequence[Card]
    apart: bool = False


def modules(code: str) -> str:
    """The bars of a code, 1 = black: an EAN-13 where it is one, otherwise Code 128."""
    import barcode

    # The library corrects a wrong check digit without a word.
    ean = len(code) == EAN_DIGITS and code.isdecimal() and check_holds(code)
    bits: str = (barcode.EAN13 if ean else barcode.Code128)(code).build()[0]
    return bits


def draw(canvas: "Canvas", code: str, left: float, bottom: float, height: float, module: float) -> None:
    """Draw the bars of a code. All measures are in points; ten modules beside it must stay white."""
    for black, run in groupby(modules(code)):
        width = module * len(list(run))
        if black == "1":
            canvas.rect(left, bottom, width, height, stroke=0, fill=1)
        left += width


def cards(title: str, intro: Sequence[str], groups: Iterable[Group]) -> bytes:
    """A PDF of A4 pages: the groups of cards in two columns, every page with its number."""
    from reportlab.pdfgen.canvas import Canvas

    out = BytesIO()
    canvas = Canvas(out, pagesize=(WIDTH, HEIGHT), invariant=1)
    canvas.setTitle(title)
    pages = _Pages(canvas, title)
    pages.intro(intro)
    for group in groups:
        pages.group(group)
    pages.end()
    return out.getvalue()


class _Pages:
    """Lays cards out from top to bottom and turns the page."""

    def __init__(self, canvas: "Canvas", title: str) -> None:
        self._canvas = canvas
        self._title = title
        self._y = HEIGHT - MARGIN

    def intro(self, lines: Sequence[str]) -> None:
        self._heading(self._title, 15)
        self._canvas.setFont("Helvetica", 9.5)
        for line in lines:
            self._y -= 13
            self._canvas.drawString(MARGIN, self._y, line)

    def group(self, group: Group) -> None:
        rows = [group.cards[first : first + 2] for first in range(0, len(group.cards), 2)]
        lead = HEADING if group.heading else 0.0
        if group.apart:
            height = lead + CARD * len(rows)
            self._room(APART + height)
            self._y = MARGIN + height + 4 * MM
            self._canvas.setLineWidth(3)
            self._canvas.roundRect(MARGIN - 4 * MM, MARGIN, WIDTH - 2 * MARGIN + 8 * MM, height + 2 * MM, 3 * MM)
            self._canvas.setLineWidth(1)
        else:
            self._room(lead + CARD)
        if group.heading:
            self._heading(group.heading, 12)
        for row in rows:
            self._room(CARD)
            for n, card in enumerate(row):
                self._card(card, MARGIN + n * COLUMN)
            self._y -= CARD

    def end(self) -> None:
        self._foot()
        self._canvas.save()

    def _room(self, height: float) -> None:
        if self._y - height < MARGIN:
            self._foot()
            self._canvas.showPage()
            self._y = HEIGHT - MARGIN

    def _foot(self) -> None:
        self._canvas.setFont("Helvetica", 7.5)
        self._canvas.drawRightString(WIDTH - MARGIN, 6 * MM, f"{self._title} · {self._canvas.getPageNumber()}")

    def _heading(self, text: str, points: float) -> None:
        self._y -= HEADING - 4 * MM
        self._canvas.setFont("Helvetica-Bold", points)
        self._canvas.drawString(MARGIN, self._y, text)
        self._y -= 4 * MM

    def _card(self, card: Card, left: float) -> None:
        from reportlab.lib.utils import simpleSplit

        canvas, y = self._canvas, self._y
        canvas.setFont("Helvetica-Bold", 11)
        canvas.drawString(
            left, y - 4 * MM, simpleSplit(card.title, "Helvetica-Bold", 11, WIDEST)[0] if card.title else ""
        )
        module = min(MODULE, WIDEST / len(modules(card.code)))
        draw(canvas, card.code, left, y - 6 * MM - BAR_HEIGHT, BAR_HEIGHT, module)
        canvas.setFont("Courier", 7.5)
        canvas.drawString(left, y - 20 * MM, card.code)
        canvas.setFont("Helvetica", 8)
        for n, line in enumerate(simpleSplit(card.note, "Helvetica", 8, COLUMN - 8 * MM)[:2]):
            canvas.drawString(left, y - 23.5 * MM - n * 9, line)
