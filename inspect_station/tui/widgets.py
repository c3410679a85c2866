"""The few widgets: blocks of text that change in place, and pictures."""

import asyncio
import os
from collections.abc import Sequence
from functools import cache
from io import BytesIO
from itertools import zip_longest
from pathlib import Path
from threading import Lock
from typing import Any

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from inspect_station.tui.paper import Part


class Block(Static):
    """One part of a page; painted again only when it has changed."""

    def __init__(self, *, id: str | None = None, classes: str = "") -> None:
        super().__init__("", id=id, classes=classes, markup=False)
        self._own = classes
        self.shown: Part | None = None
        """What is painted now."""

    def show(self, part: Part | None) -> None:
        """Paint this part, or vanish."""
        if part == self.shown:
            return
        before, self.shown = self.shown, part
        if part is None:
            self.remove_class("-shown")
            self.display = False
            return
        if before is None:
            self.display = True
        self.set_classes(f"{self._own} {part.kind} -shown")
        self.border_title = Content(part.title) if part.title else None
        if before is None or not before.text.is_same(part.text):
            self.update(part.text)


class Sheet(Vertical):
    """A page: its parts from top to bottom. Blocks are kept and painted again, never mounted while somebody looks."""

    BLOCKS = 12

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._blocks = tuple(Block(classes="part") for _ in range(self.BLOCKS))

    def compose(self) -> ComposeResult:
        """All blocks at once."""
        yield from self._blocks

    def show(self, parts: Sequence[Part]) -> None:
        """Paint the page."""
        for block, part in zip_longest(self._blocks, parts[: self.BLOCKS]):
            block.show(part)


class Picture(Static):
    """A photo drawn in cells; it appears when it has been read, without holding up a key."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__("", id=id, markup=False)
        self._wanted: tuple[Path | bytes | str, int, int] | None = None
        self.display = False

    def show(self, source: Path | bytes | str | None, columns: int, rows: int) -> None:
        """Draw the picture, or that in the file, as large as fits, or what is said instead of a picture, or vanish."""
        wanted = (source, columns, rows) if source is not None and columns > 0 and rows > 0 else None
        if wanted == self._wanted:
            return
        self._wanted = wanted
        self.display = wanted is not None
        self.update(Content(source) if isinstance(source, str) else "")
        if isinstance(source, Path | bytes) and wanted is not None:
            self.run_worker(self._draw((source, columns, rows)), exit_on_error=False)

    async def _draw(self, wanted: tuple[Path | bytes, int, int]) -> None:
        try:
            drawn = await asyncio.to_thread(_drawn, *wanted)
        except OSError:
            drawn = Content("▨")
        if wanted == self._wanted:
            self.update(drawn)


def _drawn(source: Path | bytes, columns: int, rows: int) -> Any:
    """A renderable of the picture within so many cells; a cell is about twice as high as wide."""
    from PIL import Image

    file = BytesIO(source) if isinstance(source, bytes) else source
    with Image.open(file, formats=("JPEG", "PNG", "WEBP")) as opened:
        opened.draft("RGB", (columns * 8, rows * 16))
        image: Image.Image = opened.convert("RGB")
    scale = min(columns / image.width, rows * 2 / image.height)
    width, height = max(1, round(image.width * scale)), max(1, round(image.height * scale / 2))
    with _ASKING:
        kind = _renderable()
    return kind(image, width, height)


_ASKING = Lock()
"""Two pictures may be drawn at once, each in a thread of its own."""


@cache
def _renderable() -> Any:
    """What draws pictures on this terminal: kitty's own graphics, else half blocks.

    textual-image asks the terminal what it can do while it is imported, and reads the answer from the keyboard: with
    the screens running that would swallow an operator's key. So it finds no terminal to ask.
    """
    import sys

    from textual_image import _terminal

    _terminal.get_cell_size._result = _terminal.CellSize(10, 20)  # type: ignore[attr-defined]
    stdout = sys.__stdout__
    sys.__stdout__ = None  # type: ignore[misc]
    try:
        from textual_image.renderable import HalfcellImage, TGPImage
    finally:
        sys.__stdout__ = stdout  # type: ignore[misc]
    return TGPImage if os.environ.get("TERM") == "xterm-kitty" else HalfcellImage
