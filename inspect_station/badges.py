"""Operators' badges: random codes on paper; the configuration knows only their hashes."""

import hashlib
import io
import secrets
from dataclasses import dataclass

PREFIX = "BDG-"
SIGNS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base32: no sign is mistaken for another."""


@dataclass(frozen=True)
class Issued:
    """New badges: the sheet, and for each the hash that goes into station.toml."""

    pdf: bytes
    hashes: tuple[str, ...]


def new_badge(prefix: str = PREFIX) -> str:
    """A badge's text: the prefix and 80 random bits."""
    number = secrets.randbits(80)
    return prefix + "".join(SIGNS[number >> shift & 31] for shift in range(75, -1, -5))


def fingerprint(badge: str) -> str:
    """What station.toml keeps of a badge; 80 random bits need no slow hash."""
    return hashlib.sha256(badge.encode()).hexdigest()


def issue(count: int, prefix: str = PREFIX) -> Issued:
    """Draw new badges, four to a row of an A4 page; their texts stand nowhere but on the sheet."""
    from reportlab.graphics import renderPDF
    from reportlab.graphics.barcode import createBarcodeDrawing
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.units import mm
    from reportlab.pdfgen.canvas import Canvas

    badges = [new_badge(prefix) for _ in range(count)]
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=A4)
    per_row, per_page = 2, 16
    for n, text in enumerate(badges):
        if n and n % per_page == 0:
            canvas.showPage()
        row, column = divmod(n % per_page, per_row)
        left, bottom = (12 + column * 96) * mm, A4[1] - (42 + row * 34) * mm
        canvas.roundRect(left, bottom, 90 * mm, 30 * mm, 3 * mm)
        bars = createBarcodeDrawing("Code128", value=text, barHeight=12 * mm, barWidth=0.3 * mm, quiet=False)
        renderPDF.draw(bars, canvas, left + 5 * mm, bottom + 9 * mm)
        canvas.setFont("Courier", 8)
        canvas.drawString(left + 5 * mm, bottom + 4 * mm, f"{n + 1}   {text}")
    canvas.save()
    return Issued(out.getvalue(), tuple(fingerprint(text) for text in badges))
