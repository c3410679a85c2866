"""The machine's font files, and which letters each has.

They are looked for where systems keep them; nothing but the files is needed, no fontconfig. Only their tables of
letters are read (OpenType `cmap`), and only when a text has a letter that no nearer font has.
"""

import os
import struct
import sys
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

NAMES = ("*.ttf", "*.otf", "*.ttc")
PLAIN = ("dejavusans.", "dejavusans-bold.", "notosans-", "notosans")
"""How file names of the plain faces begin, the best first."""
FANCY = (
    "italic",
    "oblique",
    "mono",
    "condensed",
    "narrow",
    "light",
    "thin",
    "black",
    "medium",
    "semi",
    "extra",
    "serif",
)
STRIKE = 109
"""Dots of the one size in which a font of coloured pictures has them."""


@dataclass(frozen=True, slots=True)
class Font:
    """One font file."""

    path: Path
    coloured: bool
    """Pictures in colours and in one size only, such as emoji: drawn small."""
    cmap: bytes
    table: int
    """Where in ``cmap`` the table of letters begins that is looked into."""

    def has(self, sign: str) -> bool:
        """Whether it can draw this sign by itself."""
        code = ord(sign)
        if struct.unpack_from(">H", self.cmap, self.table)[0] == 12:
            return _in_groups(self.cmap, self.table, code)
        return code <= 0xFFFF and _in_segments(self.cmap, self.table, code)


def fonts(bold: bool) -> tuple[Font, ...]:
    """All that can be used, the most suitable first: upright sans serif of the weight asked for."""
    return _fonts(bold, folders())


@cache
def _fonts(bold: bool, places: tuple[Path, ...]) -> tuple[Font, ...]:
    files = {file for place in places for name in NAMES for file in place.rglob(name)}
    opened = filter(
        None, map(_opened, sorted(files, key=lambda file: (_strangeness(file, bold), file.name, str(file))))
    )
    return tuple(sorted(opened, key=lambda font: font.coloured))


def folders() -> tuple[Path, ...]:
    """Where this system and this user keep fonts."""
    home = Path.home()
    if sys.platform == "win32":
        return (
            Path(os.environ.get("WINDIR", r"C:\Windows")) / "Fonts",
            home / r"AppData\Local\Microsoft\Windows\Fonts",
        )
    if sys.platform == "darwin":
        return (Path("/System/Library/Fonts"), Path("/Library/Fonts"), home / "Library/Fonts")
    data = os.environ.get("XDG_DATA_HOME") or str(home / ".local/share")
    shared = os.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
    return (*(Path(each) / "fonts" for each in (data, *shared.split(":"))), home / ".fonts")


def _strangeness(file: Path, bold: bool) -> tuple[int, int]:
    """How far a face is from what labels are set in, by what its file is called."""
    name = file.name.lower()
    plain = next((n for n, begins in enumerate(PLAIN) if name.startswith(begins)), len(PLAIN))
    odd = 2 * sum(word in name for word in FANCY) + (("bold" in name) != bold) + 2 * ("sans" not in name)
    return odd, plain


@cache
def _opened(file: Path) -> Font | None:
    """None where it is no font, or one that nothing here can draw."""
    with suppress(OSError, struct.error, ValueError), file.open("rb") as stream:
        start = 0
        if stream.read(4) == b"ttcf":
            stream.seek(12)
            (start,) = struct.unpack(">L", stream.read(4))
        stream.seek(start + 4)
        (count,) = struct.unpack(">H", stream.read(2))
        stream.seek(start + 12)
        entries = struct.iter_unpack(">4sLLL", stream.read(16 * count))
        tables = {tag: (offset, length) for tag, _, offset, length in entries}
        outlined = not tables.keys().isdisjoint({b"glyf", b"CFF ", b"CFF2"})
        if b"COLR" in tables and outlined:
            stream.seek(tables[b"COLR"][0])
            if struct.unpack(">H", stream.read(2))[0] > 0:
                return None  # its outlines are empty, and FreeType draws no gradients
        coloured = b"CBDT" in tables and not outlined
        if b"cmap" not in tables or not (outlined or coloured):
            return None
        offset, length = tables[b"cmap"]
        stream.seek(offset)
        cmap = stream.read(length)
        table = _best_table(cmap)
        return None if table is None else Font(file, coloured, cmap, table)
    return None


def _best_table(cmap: bytes) -> int | None:
    """All of Unicode before its first plane; other kinds are of no use here."""
    (count,) = struct.unpack_from(">H", cmap, 2)
    tables = [struct.unpack_from(">HHL", cmap, 4 + 8 * n) for n in range(count)]
    unicode = [offset for platform, kind, offset in tables if platform == 0 or (platform == 3 and kind in (1, 10))]
    formats = {struct.unpack_from(">H", cmap, offset)[0]: offset for offset in unicode}
    return formats.get(12, formats.get(4))


def _in_groups(cmap: bytes, table: int, code: int) -> bool:
    """Format 12: sorted groups of first and last code and first glyph."""
    (count,) = struct.unpack_from(">L", cmap, table + 12)
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        first, last, glyph = struct.unpack_from(">LLL", cmap, table + 16 + 12 * middle)
        if code > last:
            low = middle + 1
        elif code < first:
            high = middle
        else:
            return bool(glyph + code - first)
    return False


def _in_segments(cmap: bytes, table: int, code: int) -> bool:
    """Format 4: arrays of last codes, first codes, deltas and offsets of as many segments."""
    (twice,) = struct.unpack_from(">H", cmap, table + 6)
    ends, starts, deltas, offsets = (table + 14, *(table + 16 + n * twice for n in (1, 2, 3)))
    low, high = 0, twice // 2
    while low < high:
        middle = (low + high) // 2
        if code > struct.unpack_from(">H", cmap, ends + 2 * middle)[0]:
            low = middle + 1
        else:
            high = middle
    if low == twice // 2:
        return False
    first, delta, offset = (struct.unpack_from(">H", cmap, place + 2 * low)[0] for place in (starts, deltas, offsets))
    if code < first:
        return False
    if offset == 0:
        return bool((code + delta) & 0xFFFF)
    return bool(struct.unpack_from(">H", cmap, offsets + 2 * low + offset + 2 * (code - first))[0])
