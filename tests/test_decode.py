"""Barcodes in pictures: what is believed, what is found, and that nothing is made up."""

import csv
import json
import sys
from collections import defaultdict
from io import BytesIO
from pathlib import Path

import cv2
import numpy
import pytest
from cv2.typing import MatLike
from PIL import Image
from stdnum import ean
from typer.testing import CliRunner
from zxingcpp import BarcodeFormat, create_barcode

from inspect_station.cli import app
from inspect_station.core.barcode import next_lpn
from inspect_station.decode import LADDER, Code, Place, Reading, climb, decode, libzbar_present, measured, trusted
from inspect_station.label import render, templates
from inspect_station.resources import resource

needs_zbar = pytest.mark.skipif(not libzbar_present(), reason="libzbar0 is not installed")
FIELDS = dict.fromkeys(("copy", "title", "why", "place", "seller", "deadline", "date"), "")
LPN, _ = next_lpn("7F3K", 481)
PLATE = Code(f"{LPN}/1", "Code128")


@pytest.fixture
def no_zbar(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyzbar.pyzbar", None)
    libzbar_present.cache_clear()
    yield
    libzbar_present.cache_clear()


def png(image: Image.Image) -> bytes:
    out = BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


# ── What is believed ─────────────────────────────────────────────────────────────────────────────────────────────────

HERE, ABOVE = Place(100, 200, 300, 200), Place(100, 150, 300, 150)
FAR = Place(100, 600, 300, 600)


def reading(words: str) -> Reading:
    """``reader/look format text`` with an optional ``above`` or ``far``."""
    who, format, text, *where = words.split(" ")
    reader, look = who.split("/")
    return Reading(Code(text, format), {"": HERE, "above": ABOVE, "far": FAR}["".join(where)], reader, look)


A, B = "4006381333931", "9780141439518"


@pytest.mark.parametrize(
    ("readings", "believed"),
    [
        pytest.param([], [], id="nothing read"),
        pytest.param(["zxing/plain QRCode A"], ["A"], id="a code with error correction counts by itself"),
        pytest.param([f"zxing/plain EAN-13 {A}"], [], id="an article's code does not, although it has a check digit"),
        pytest.param([f"zxing/plain EAN-13 {A}", f"zbar/plain EAN-13 {A}"], [A], id="both engines"),
        pytest.param([f"zxing/plain EAN-13 {A}", f"ruler/plain EAN-13 {A}"], [A], id="an engine and the ruler"),
        pytest.param(["zxing/plain Code128 A1", "zxing/even Code128 A1"], ["A1"], id="one engine, two looks"),
        pytest.param(
            [f"zxing/{look} EAN-13 {A}" for look in ("plain", "even", "sharp")],
            [],
            id="an article's code, one engine only",
        ),
        pytest.param(["zxing/plain Code128 A1"] * 3, [], id="one engine, one look in three sizes"),
        pytest.param(["zxing/plain ITF 12345678"], [], id="no check digit, one engine"),
        pytest.param(["zxing/plain ITF 12345678", "zbar/plain ITF 12345678"], ["12345678"], id="no check digit, both"),
        pytest.param(["zxing/plain ITF 123456", "zbar/plain ITF 123456"], [], id="a piece of a carton's code, both"),
        pytest.param(
            [f"zxing/plain EAN-13 {A}", f"zbar/plain EAN-13 {B}"], [], id="two readings of one place are none"
        ),
        pytest.param(
            [f"zxing/plain EAN-13 {A}", f"zbar/plain EAN-13 {A}", f"ruler/plain EAN-13 {B}"],
            [],
            id="the ruler against both engines",
        ),
        pytest.param(
            [f"zxing/plain EAN-13 {A}", f"zbar/plain EAN-13 {A}", f"ruler/plain EAN-13 {B}", f"zbar/even EAN-13 {A}"],
            [A],
            id="three against one",
        ),
        pytest.param(
            [f"zxing/plain EAN-13 {A}", f"zbar/plain EAN-13 {A}", f"zbar/plain EAN-13 {B} above"],
            [],
            id="two readings of one tall code, on two lines",
        ),
        pytest.param(
            [f"zxing/plain EAN-13 {A}", f"zbar/plain EAN-13 {A}", f"zbar/plain EAN-13 {B} far"],
            [A],
            id="a doubtful code elsewhere harms none",
        ),
        pytest.param(
            [f"{who}/plain Code128 {text}" for who in ("zxing", "zbar") for text in ("L7F3K00481C/1", "1Z999 above")],
            ["L7F3K00481C/1", "1Z999"],
            id="two low codes above each other",
        ),
        pytest.param(
            ["zxing/plain Code128 óabó", "zbar/plain Code128 sabs"], ["óabó"], id="letters that zbar does not know"
        ),
        pytest.param(["zxing/plain QRCode A", "zxing/plain Codabar A12B"], ["A"], id="chance stripes in a QR code"),
    ],
)
def test_who_is_believed(readings, believed):
    assert [code.text for code in trusted(reading(words) for words in readings)] == believed


def test_a_witness_more_never_brings_a_rival_to_trust():
    """Whatever is added to readings in doubt at one place, at most one of two texts is believed there."""
    said = [f"{who}/{look} EAN-13 {text}" for text in (A, B) for who in ("zxing", "zbar") for look in ("plain", "even")]
    for chosen in range(2 ** len(said)):
        readings = [reading(words) for n, words in enumerate(said) if chosen >> n & 1]
        assert len(trusted(readings)) <= 1


# ── The ruler ────────────────────────────────────────────────────────────────────────────────────────────────────────


def bars(text: str, format: BarcodeFormat, module: int = 4) -> MatLike:
    """A linear code of 40 modules' height in a white margin."""
    line = numpy.asarray(create_barcode(text, format).to_image(scale=1, add_quiet_zones=False))[1]
    return numpy.pad(
        numpy.kron(line[None], numpy.ones((40 * module, module), numpy.uint8)), 12 * module, constant_values=255
    )


@pytest.mark.parametrize("format", [BarcodeFormat.EAN13, BarcodeFormat.EAN8], ids=str)
@pytest.mark.parametrize("fat", [-0.5, -0.25, 0, 0.25, 0.5], ids=["thin", "lean", "true", "bold", "fat"])
def test_the_ruler_reads_thin_and_fat_print(format, fat):
    digits = 13 if format is BarcodeFormat.EAN13 else 8
    for number in range(12):
        stem = str(712_838_127_164 + 171_717_171_713 * number)[-(digits - 1) :].zfill(digits - 1)
        text = stem + ean.calc_check_digit(stem)
        grey = bars(text, format)
        grown = numpy.ones((1, 1 + round(abs(fat) * 4)), numpy.uint8)
        grey = cv2.erode(grey, grown) if fat > 0 else cv2.dilate(grey, grown)
        middle = grey.shape[0] / 2
        assert measured(grey, Place(48, middle, grey.shape[1] - 48, middle), digits) == text


@pytest.mark.parametrize("what", ["stripes", "half a code", "another code", "nothing"])
def test_the_ruler_does_not_guess(what):
    grey = {
        "stripes": numpy.tile(numpy.repeat(numpy.array([0, 255], numpy.uint8), 4), (100, 60)),
        "half a code": bars(A, BarcodeFormat.EAN13)[:, :240],
        "another code": bars("ABC-12345", BarcodeFormat.Code128),
        "nothing": numpy.full((100, 480), 255, numpy.uint8),
    }[what]
    assert measured(grey, Place(48, 50, grey.shape[1] - 48, 50), 13) == ""


# ── Pictures that we make ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def label() -> bytes:
    fields = FIELDS | {"lpn": LPN, "barcode": PLATE.text}
    return render(templates(resource("labels"))["hold"], fields, format="png", dpi=300)


def test_our_own_label_is_read(label, tmp_path):
    (tmp_path / "label.png").write_bytes(label)
    assert decode(label) == decode(tmp_path / "label.png") == (PLATE,)


def test_our_own_label_is_read_without_libzbar(label, no_zbar):
    assert not libzbar_present()
    assert decode(label) == (PLATE,)


def test_a_code_that_stands_twice_is_told_once(label):
    once = Image.open(BytesIO(label)).convert("L")
    twice = Image.new("L", (once.width, once.height * 2))
    twice.paste(once, (0, 0))
    twice.paste(once, (0, once.height))
    assert decode(png(twice)) == (PLATE,)


def worn(seed: int, *, hard: bool) -> tuple[str, MatLike]:
    """A code as a camera sees it: turned, aslant, in uneven and low light, with glare, noise, blur and JPEG."""
    random = numpy.random.default_rng(seed)
    format = [BarcodeFormat.EAN13, BarcodeFormat.Code128, BarcodeFormat.ITF, BarcodeFormat.EAN8][seed % 4]
    size = {BarcodeFormat.EAN13: 12, BarcodeFormat.EAN8: 7, BarcodeFormat.ITF: 13}.get(format, 9)
    stem = "".join(str(digit) for digit in random.integers(0, 10, size))
    text = f"X{stem}" if format is BarcodeFormat.Code128 else stem + ean.calc_check_digit(stem)
    code = bars(text, format, module=2 if hard else 3).astype(numpy.float32)
    side = int(code.shape[1] * 1.3)
    turn = cv2.getRotationMatrix2D((code.shape[1] / 2, code.shape[0] / 2), random.uniform(-12, 12), 1)
    turn[:, 2] += [(side - code.shape[1]) / 2, (side - code.shape[0]) / 2]
    slant = numpy.eye(3)
    slant[2, :2] = random.uniform(-0.15, 0.15, 2) / side
    view = cv2.warpPerspective(code, slant @ numpy.vstack([turn, [0, 0, 1]]), (side, side), borderValue=150.0)
    y, x = numpy.mgrid[:side, :side] / side
    view = 20 + view * 0.7 * (1 - random.uniform(0, 0.6) * (x if seed % 3 else y))
    if hard:
        middle = random.uniform(0.3, 0.7, 2)
        view += 90 * numpy.exp(-((x - middle[0]) ** 2 + (y - middle[1]) ** 2) / 0.03)
        view = cv2.GaussianBlur(view, (0, 0), random.uniform(0.5, 1.1))
    view = numpy.clip(view + random.normal(0, 8 if hard else 3, view.shape), 0, 255).astype(numpy.uint8)
    out = BytesIO()
    Image.fromarray(view).save(out, "JPEG", quality=60)
    return text, numpy.asarray(Image.open(out))


@pytest.mark.parametrize(
    "zbar", [pytest.param(True, marks=needs_zbar, id="with zbar"), pytest.param(False, id="without")]
)
@pytest.mark.parametrize(("hard", "share"), [(False, 0.9), (True, 0.6)], ids=["easy", "hard"])
def test_worn_codes_are_read_and_never_wrongly(zbar, hard, share, request):
    if not zbar:
        request.getfixturevalue("no_zbar")
    right = 0
    for seed in range(24):
        text, view = worn(seed, hard=hard)
        found = {code.text for code in climb(view)}
        assert found <= {text}, f"seed {seed}"
        right += bool(found)
    assert right >= share * 24


def texture(kind: str, seed: int) -> MatLike:
    """Something that might be taken for a code."""
    random = numpy.random.default_rng(seed)
    y, x = numpy.mgrid[:200, :260].astype(numpy.float32)
    widths = random.integers(2, 14, 260)
    kinds: dict[str, MatLike] = {
        "noise": random.normal(128, 60, (200, 260)),
        "stripes": numpy.tile(numpy.repeat(random.choice([20, 230], 260), widths // 3 + 1)[:260], (200, 1)),
        "weave": 128 + 60 * numpy.sin(x * random.uniform(0.3, 2)) * numpy.sin(y * random.uniform(0.3, 2)),
        "books": numpy.tile(numpy.repeat(random.uniform(0, 255, 260), widths)[:260], (200, 1)),
        "half a code": bars(A, BarcodeFormat.EAN13, 3)[:, : int(random.uniform(120, 280))],
        "half a label": bars("L7F3K00481C", BarcodeFormat.Code128, 2)[:, : int(random.uniform(120, 300))],
    }
    view = kinds[kind]
    noisy: MatLike = numpy.clip(view + random.normal(0, 5, view.shape), 0, 255).astype(numpy.uint8)
    return noisy


@pytest.mark.parametrize("kind", ["noise", "stripes", "weave", "books", "half a code", "half a label"])
def test_nothing_is_made_up(kind):
    for seed in range(8):
        assert climb(texture(kind, seed)) == (), f"seed {seed}"


@pytest.mark.parametrize("shape", [(1, 1), (1, 50_000), (40_000, 30), (3, 3)], ids=str)
def test_pictures_of_odd_shapes_are_looked_at(shape):
    assert climb(numpy.full(shape, 255, numpy.uint8)) == ()


def test_no_view_is_larger_than_a_frame():
    # What bounds the time: an engine's time grows with the pixels.
    assert max(rung.pixels for rung in LADDER) <= 1920 * 1080
    assert sum(rung.pixels * len(rung.readers) for rung in LADDER) <= 8 * 1920 * 1080


@needs_zbar
def test_readers_write_nothing_on_the_screen(capfd, label):
    decode(label)
    decode(png(Image.fromarray(texture("noise", 1))))
    assert capfd.readouterr() == ("", "")


# ── The verb ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def three(tmp_path, label):
    """A label, a file that is none, and a picture without a code."""
    (tmp_path / "label.png").write_bytes(label)
    (tmp_path / "list.jpg").write_text("GTIN,title\n")
    (tmp_path / "wall.png").write_bytes(png(Image.new("L", (80, 60), 200)))
    return [str(tmp_path / name) for name in ("label.png", "list.jpg", "wall.png")]


def test_the_verb_goes_on_after_a_bad_file_and_says_so(three):
    ran = CliRunner().invoke(app, ["decode", *three])
    assert ran.exit_code == 1
    assert ran.stdout.splitlines() == [f"{three[0]}: {LPN}/1  Code128  lpn", f"{three[2]}: no barcode found"]
    assert "list.jpg" in ran.stderr


def test_the_verb_has_one_json_line_for_every_file(three):
    ran = CliRunner().invoke(app, ["decode", *three, "--json"])
    assert ran.exit_code == 1
    read, failed, empty = (json.loads(line) for line in ran.stdout.splitlines())
    assert read["codes"] == [{"text": PLATE.text, "format": "Code128", "kind": "lpn"}]
    assert (failed["codes"], empty["codes"]) == ([], [])
    assert "no JPEG, PNG or WebP" in failed["error"]
    assert "no JPEG, PNG or WebP" in ran.stderr
    assert "error" not in read | empty
    assert [line["file"] for line in (read, failed, empty)] == three
    assert all(line["ms"] >= 0 for line in (read, failed, empty))


# ── Real pictures ────────────────────────────────────────────────────────────────────────────────────────────────────

SHARED = Path(__file__).parents[2] / "shared" / "barcodes"
real = pytest.mark.skipif(not SHARED.is_dir(), reason="the pictures are in ../shared/barcodes, beside some checkouts")
GROUPS = {"ean8": 1.0, "ean13": 0.9, "upca": 0.95, "code128": 1.0, "itf": 1.0, "qrcode": 0.9, "datamatrix": 0.9}
"""Beginning of the folders' names → share that must be read; of all linear codes that is 94 %."""
OTHERWISE = {"ean13-2/23.webp": {"9784872348880"}}
"""Where the list says what the picture, to anybody's eye, does not."""
ALSO = {"qrcode-2/16.webp": {"[外側QRコード]\n\n*ﾀﾞﾌﾞﾙQR*\nhttp://d-qr.net/ex/"}}
"""A second code that the list does not name: one QR code stands in another."""


def trimmed(text: str) -> str:
    """Without spaces at the ends of lines."""
    return "\n".join(line.strip() for line in text.strip().splitlines())


def expected(group: str) -> dict[str, set[str]]:
    """By picture: the texts in it."""
    texts: defaultdict[str, set[str]] = defaultdict(set)
    with (SHARED / "expected.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["path"].startswith(f"{group}-"):
                texts[row["path"]] |= {trimmed(row["text"])} - {""}
    return dict(texts) | {path: text for path, text in OTHERWISE.items() if path in texts}


@real
@needs_zbar
@pytest.mark.parametrize(("group", "share"), [*GROUPS.items(), ("falsepositives", 0)])
def test_real_codes_are_read_and_none_wrongly(group, share):
    texts = expected(group)
    read = {path: {trimmed(code.text) for code in decode(SHARED / path)} for path in texts}
    assert {path: found for path in texts if (found := read[path] - texts[path] - ALSO.get(path, set()))} == {}
    whole = [path for path in texts if texts[path] and texts[path] <= read[path]]
    assert len(whole) >= share * len(texts)


@real
@pytest.mark.parametrize("group", ["ean13", "upca", "itf", "falsepositives"])
def test_without_libzbar_none_is_read_wrongly_either(group, no_zbar):
    texts = expected(group)
    read = {path: {trimmed(code.text) for code in decode(SHARED / path)} for path in texts}
    assert {path: found for path in texts if (found := read[path] - texts[path])} == {}
