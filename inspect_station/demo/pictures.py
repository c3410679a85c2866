"""What the simulated camera sees: one drawn picture for each photo slot."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import ImageDraw

SIZE = (1280, 960)
TABLE = (214, 205, 190)
BOX = (176, 132, 84)
INK = (38, 38, 44)
RED = (190, 44, 40)
SCREEN = (32, 62, 110)
MODULE = 4
"""Pixels of a barcode's thinnest bar."""


def draw(folder: Path) -> None:
    """Draw all pictures into ``folder``, named by the slot they belong to."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(size=54)
    for name, (caption, paint) in PICTURES.items():
        image = Image.new("RGB", SIZE, TABLE)
        pen = ImageDraw.Draw(image)
        # A ruled table gives every picture edges to focus on.
        for x in range(0, SIZE[0], 64):
            pen.line([(x, 0), (x, SIZE[1])], fill=(206, 196, 180), width=2)
        paint(pen)
        pen.rectangle([0, 880, SIZE[0], SIZE[1]], fill=INK)
        pen.text((40, 888), caption, font=font, fill="white")
        image.save(folder / f"{name}.jpg", quality=88)


def draw_label(folder: Path, code: str) -> None:
    """Draw what the camera sees when a parcel's label is held in front of it: ``code`` as Code 128."""
    from barcode import Code128
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("RGB", SIZE, TABLE)
    pen = ImageDraw.Draw(image)
    _carton(pen)
    bits = Code128(code).build()[0]
    left, module = (SIZE[0] - len(bits) * MODULE) // 2, MODULE
    pen.rectangle([left - 60, 400, left + len(bits) * module + 60, 720], fill="white")
    for n, bit in enumerate(bits):
        if bit == "1":
            pen.rectangle([left + n * module, 430, left + (n + 1) * module - 1, 640], fill=INK)
    pen.text((left, 652), code, font=ImageFont.load_default(size=40), fill=INK)
    image.rotate(3, fillcolor=TABLE).save(folder / "scan.jpg", quality=88)


def _device(pen: "ImageDraw.ImageDraw", screen: tuple[int, int, int] = SCREEN) -> None:
    pen.rounded_rectangle([440, 90, 840, 830], radius=50, fill=INK)
    pen.rounded_rectangle([462, 140, 818, 780], radius=12, fill=screen)


def _carton(pen: "ImageDraw.ImageDraw") -> None:
    pen.polygon([(260, 260), (1020, 260), (1100, 820), (180, 820)], fill=BOX, outline=INK, width=6)
    pen.line([(640, 260), (640, 820)], fill=(226, 205, 160), width=40)


def _state(pen: "ImageDraw.ImageDraw") -> None:
    _device(pen)
    for n in range(6):
        pen.line([(470 + n * 40, 160 + n * 30), (500 + n * 40, 150 + n * 30)], fill=(150, 170, 200), width=3)


def _damage(pen: "ImageDraw.ImageDraw") -> None:
    _device(pen)
    pen.line([(470, 200), (640, 420), (600, 520), (810, 760)], fill="white", width=7, joint="curve")
    pen.ellipse([540, 360, 720, 560], outline=RED, width=9)


def _setup(pen: "ImageDraw.ImageDraw") -> None:
    _device(pen, (236, 240, 246))
    pen.ellipse([590, 300, 690, 400], fill=SCREEN)
    for n in range(3):
        pen.rounded_rectangle([510, 480 + n * 70, 770, 520 + n * 70], radius=12, fill=(196, 206, 222))


def _gate(pen: "ImageDraw.ImageDraw") -> None:
    _device(pen, (24, 24, 30))
    pen.rounded_rectangle([570, 400, 710, 520], radius=14, fill="white")
    pen.arc([590, 320, 690, 470], 180, 360, fill="white", width=18)


def _defect(pen: "ImageDraw.ImageDraw") -> None:
    _device(pen, (8, 8, 10))
    pen.line([(520, 260), (760, 660)], fill=RED, width=14)
    pen.line([(760, 260), (520, 660)], fill=RED, width=14)


def _empty(pen: "ImageDraw.ImageDraw") -> None:
    pen.polygon([(260, 260), (1020, 260), (1100, 820), (180, 820)], fill=(120, 88, 54), outline=INK, width=6)
    pen.polygon([(330, 320), (950, 320), (1000, 760), (280, 760)], fill=(88, 62, 38))


def _crushed(pen: "ImageDraw.ImageDraw") -> None:
    pen.polygon(
        [(260, 260), (520, 330), (700, 240), (1020, 300), (1100, 820), (560, 740), (180, 820)],
        fill=BOX,
        outline=INK,
        width=6,
    )


def _label(pen: "ImageDraw.ImageDraw") -> None:
    _carton(pen)
    pen.rectangle([380, 380, 900, 720], fill="white", outline=INK, width=4)
    for n, width in enumerate((6, 3, 9, 4, 7, 3, 5, 8, 3, 6, 9, 4, 5, 7, 3, 8, 4, 6)):
        pen.rectangle([420 + n * 24, 520, 420 + n * 24 + width, 680], fill=INK)


PICTURES: dict[str, tuple[str, Callable[["ImageDraw.ImageDraw"], None]]] = {
    "state": ("state", _state),
    "damage": ("damage, close", _damage),
    "whole": ("the whole article", _device),
    "setup_screen": ("set-up screen after the wipe", _setup),
    "gate": ("account lock", _gate),
    "defect": ("does not switch on", _defect),
    "article": ("article as found", _carton),
    "box": ("empty box", _empty),
    "carton": ("carton as it arrived", _crushed),
    "label": ("parcel label", _label),
}
