"""The printed command codes: two decoders read each, alone, and it gives its key; a parcel is done with them only."""

from collections import Counter
from datetime import date
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from inspect_station import config
from inspect_station.core.records import Grade
from inspect_station.demo import build
from inspect_station.station import open_station
from inspect_station.tui.app import StationApp
from inspect_station.tui.commands import sheet
from inspect_station.tui.keymap import Keymap
from inspect_station.words import Voice
from tests.tui.conftest import NAMES, Clock, Operator

DPI = 150
MM = DPI / 25.4


def pages(pdf: bytes) -> list[Image.Image]:
    """Each page as a scanner's camera may see it: 150 dots per inch."""
    import pypdfium2

    return [page.render(scale=DPI / 72, grayscale=True).to_pil() for page in pypdfium2.PdfDocument(pdf)]


def text_of(pdf: bytes) -> str:
    import pypdfium2

    return "\n".join(page.get_textpage().get_text_range() for page in pypdfium2.PdfDocument(pdf))


def printed(locale: str = "en", changed: dict[str, str] | None = None) -> tuple[Keymap, bytes, Voice]:
    loaded = config.load(None)
    keymap, voice = Keymap(changed), Voice(locale, loaded.rules)
    return keymap, sheet(keymap, loaded.rules.grades, voice), voice


def by_zxing(page: Image.Image) -> list[Any]:
    import zxingcpp

    return list(zxingcpp.read_barcodes(page))


@pytest.mark.parametrize("locale", ["en", "fr"])
def test_both_decoders_read_every_code_once_and_it_gives_its_key(locale: str) -> None:
    pyzbar = pytest.importorskip("pyzbar.pyzbar", reason="libzbar0 is not installed", exc_type=ImportError)
    keymap, pdf, _ = printed(locale)
    wanted = Counter({command.code: 1 for command in keymap.commands()})
    assert Counter(code.text for page in pages(pdf) for code in by_zxing(page)) == wanted
    assert Counter(code.data.decode() for page in pages(pdf) for code in pyzbar.decode(page)) == wanted
    assert {keymap.command(code) for code in wanted} == {command.key for command in keymap.commands()}


def test_no_code_is_near_another_and_danger_is_far_from_all() -> None:
    _, pdf, _ = printed()
    for page in pages(pdf):
        boxes = {}
        for code in by_zxing(page):
            corners = (code.position.top_left, code.position.bottom_right)
            boxes[code.text] = (*((corner.x / MM) for corner in corners), *((corner.y / MM) for corner in corners))
        for (one, a), (other, b) in combinations(boxes.items(), 2):
            beside, below = max(a[0], b[0]) - min(a[1], b[1]), max(a[2], b[2]) - min(a[3], b[3])
            assert max(beside, below) >= (38 if "CMD-0" in (one, other) else 17), (one, other)


def test_the_sheet_says_what_each_code_does_in_the_station_s_language() -> None:
    rules = config.load(None).rules
    keymap, pdf, voice = printed("fr", {"photo": "y"})
    text = " ".join(text_of(pdf).split())
    for grade in Grade:
        assert voice.say(rules.grades[grade].label) in text
    for id in ("undo", "photo", "hold", "danger", "line_missing"):
        assert voice.say(keymap[id].word) in text, id
    assert f"y · {voice.say(keymap['photo'].word)}" in text
    assert f"p · {voice.say(keymap['carton_photo'].word)}" in text
    assert voice.say(keymap["hold"].tip) in text


@pytest.mark.parametrize("kind", ["phone", "unknown code", "twelve sealed of one line"])
async def test_a_parcel_of_the_demo_is_done_with_a_scanner_alone(kind: str, tmp_path: Path) -> None:
    clock = Clock()
    made = build.prepare(tmp_path / "demo", today=date(2026, 11, 22))
    parcel = next(parcel for parcel in made.parcels if parcel.kind == kind)
    loaded = config.load(Path(made.config))
    codes = {command.key: command.code for command in Keymap(loaded.keys).commands()}
    with open_station(loaded, clock=clock.now, running=True) as station:
        app = StationApp(station, now=clock.mono)
        async with app.run_test(size=(80, 24)) as pilot:
            operator = Operator(app, pilot, clock)
            await operator.scan(made.badge)
            for code in parcel.scans:
                await operator.scan(code)
            for key in parcel.keys:
                name = NAMES.get(key, key.lower())
                await operator.scan(codes[name])
            assert operator.at_desk, app.scene.banner
        with station.store.read() as reader:
            unit = reader.last_finished()
    assert unit is not None
    assert (unit.grade, unit.disposition) == (parcel.expect["grade"], parcel.expect["disposition"])
