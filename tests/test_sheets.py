"""Codes on paper, read back by second programs."""

import hashlib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from inspect_station import badges, sheets
from inspect_station.cli import app
from inspect_station.core import barcode
from inspect_station.core.barcode import ScanKind


def read_back(pdf: bytes) -> list[str]:
    """What zxing and zbar read from the pages at 300 dots per inch, as an office printer prints them."""
    import pypdfium2
    import zxingcpp

    document = pypdfium2.PdfDocument(pdf)
    images = [page.render(scale=300 / 72, grayscale=True).to_pil() for page in document]
    read = sorted(code.text for image in images for code in zxingcpp.read_barcodes(image))
    pyzbar = pytest.importorskip("pyzbar.pyzbar", reason="libzbar0 is not installed", exc_type=ImportError)
    # zbar finds some bars twice on a page.
    assert set(read) == {each.data.decode() for image in images for each in pyzbar.decode(image)}
    return read


def pages(pdf: bytes) -> int:
    import pypdfium2

    return len(pypdfium2.PdfDocument(pdf))


@pytest.mark.parametrize(
    "code",
    ["4006381333931", "4006381333932", "CMD-LINE-MISSING", "BDG-0123456789ABCDEF", "L7F3K00481S/1", "0", "a" * 24],
    ids=["EAN-13", "13 digits that are none are not corrected", "command", "badge", "plate", "shortest", "long"],
)
def test_a_code_is_read_as_it_was_written(code: str) -> None:
    pdf = sheets.cards("t", (), [sheets.Group("", [sheets.Card(code)])])
    assert read_back(pdf) == [code]


def test_cards_go_on_over_pages_and_none_is_lost() -> None:
    codes = sorted(f"CODE-{n:03}" for n in range(40))
    cards = [sheets.Card(code, "title", "note " * 60) for code in codes]
    groups = [sheets.Group(f"group {n}", cards[n::3]) for n in range(3)]
    pdf = sheets.cards("t", ("first line", "second line"), groups)
    assert read_back(pdf) == codes
    assert pages(pdf) == 4


def test_what_is_apart_turns_the_page_when_there_is_no_room_for_its_distance() -> None:
    full = sheets.Group("", [sheets.Card(f"CODE-{n}") for n in range(12)])
    assert pages(sheets.cards("t", (), [full, sheets.Group("apart", [sheets.Card("X")], apart=True)])) == 2
    half = sheets.Group("", [sheets.Card(f"CODE-{n}") for n in range(6)])
    assert pages(sheets.cards("t", (), [half, sheets.Group("apart", [sheets.Card("X")], apart=True)])) == 1


def test_the_same_codes_always_give_the_same_bytes() -> None:
    made = [sheets.cards("t", ("line",), [sheets.Group("g", [sheets.Card("CODE", "title")])]) for _ in range(2)]
    assert made[0] == made[1]


def test_badges_are_on_paper_and_their_hashes_apart() -> None:
    issued = badges.issue(17)
    codes = read_back(issued.pdf)
    assert sorted(issued.hashes) == sorted(hashlib.sha256(code.encode()).hexdigest() for code in codes)
    assert len(set(codes)) == 17
    assert {barcode.read(code, barcode.Patterns()).kind for code in codes} == {ScanKind.BADGE}


@pytest.mark.parametrize(("words", "said"), [([], "Grades"), (["--locale", "fr"], "neuf")], ids=["English", "French"])
def test_the_command_sheet_from_the_command_line(words: list[str], said: str, tmp_path: Path) -> None:
    import pypdfium2

    file = tmp_path / "commands.pdf"
    done = CliRunner().invoke(app, ["sheet", "commands", "-o", str(file), *words])
    assert done.exit_code == 0, done.output
    assert {"CMD-1", "CMD-0", "CMD-ENTER", "CMD-PHOTO"} <= set(read_back(file.read_bytes()))
    assert said in pypdfium2.PdfDocument(file)[0].get_textpage().get_text_range()


def test_a_language_that_nobody_speaks_here_is_refused(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["sheet", "commands", "--locale", "xx", "-o", str(tmp_path / "c.pdf")])
    assert done.exit_code == 2
    assert not (tmp_path / "c.pdf").exists()
