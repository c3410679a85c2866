"""What keys come to, without a screen: the hands on a real station, effects done at once."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inspect_station import config
from inspect_station.core.records import Grade, Inspection, Kind, Mark
from inspect_station.station import Station, open_station
from inspect_station.tui import desk, overlay, parcel, unit
from inspect_station.tui.hands import Hands
from inspect_station.tui.keymap import Keymap
from inspect_station.tui.paper import Paper
from inspect_station.tui.scene import AtDesk, Choose, Help, OnParcel, OnUnit, Scene, SignIn, Turn, Type, possible
from tests.tui.conftest import BADGES, CODES, IMEI, IMEIS, NAMES, PIN, Clock


class Rig:
    """Hands whose effects happen at once."""

    def __init__(self, station: Station, clock: Clock) -> None:
        self.station = station
        self.clock = clock
        self.hands = Hands(station, Keymap())
        self.scene = Scene()
        self.ended = False

    def _do(self, turn: Turn) -> None:
        while turn.effect is not None:
            turn = turn.effect.then(turn.scene, turn.effect.work())
        self.scene = turn.scene
        self.ended = self.ended or turn.quit
        if self.scene.unit is not None:
            self.station.keep(self.scene.unit.inspection)
        self.scene = self.scene.but(desk=self.station.desk(), states=self.station.outbox.states())

    def press(self, keys: str) -> None:
        for key in keys.split():
            self.clock.s += 1
            function = key[0] == "F" and key[1:].isdecimal()
            self._do(self.hands.press(self.scene, key.lower() if function else NAMES.get(key, key)))

    def write(self, text: str) -> None:
        for sign in text:
            self._do(self.hands.press(self.scene, sign))

    def scan(self, *codes: str) -> None:
        for code in codes:
            self.clock.s += 1
            self._do(self.hands.scanned(self.scene, code))

    def paint(self) -> None:
        """Every page can be painted, whatever was pressed."""
        paper = Paper(self.station.voice(), self.station.rules, 78)
        match self.scene.place:
            case OnUnit() as place:
                unit.parts(paper, place, "", 22)
                unit.history(paper, place)
            case OnParcel(arrived):
                parcel.parts(paper, arrived, {}, 22)
            case _:
                desk.parts(paper, self.scene, self.station, 22)
        overlay.part(paper, self.scene, self.hands.keymap)
        overlay.keys(paper, self.hands.keymap, self.scene)
        desk.lamps(paper, self.scene)

    @property
    def inspection(self) -> Inspection:
        """The unit on the bench."""
        assert self.scene.unit is not None
        return self.scene.unit.inspection


@contextmanager
def rigged(folder: Path) -> Iterator[Rig]:
    clock = Clock()
    path = folder / "station.toml"
    path.write_text(path.read_text(encoding="utf-8").replace("LOCALE", "en"), encoding="utf-8")
    with open_station(config.load(path), clock=clock.now, running=True) as station:
        rig = Rig(station, clock)
        rig.scan(BADGES["operator"])
        yield rig


@pytest.fixture
def rig(folder: Path) -> Iterator[Rig]:
    """Signed in, at the desk."""
    with rigged(folder) as made:
        yield made


# ── On a unit ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_tab_lets_the_digits_mean_the_next_nine_rows(rig: Rig) -> None:
    rig.scan("NT-4001", CODES["phone"], IMEI)
    rig.press("Tab 2")
    assert rig.inspection.answer("test.gps") is not None
    rig.press("Tab 2")
    assert rig.inspection.answer("test.touch") is not None


def test_arrows_walk_and_right_marks(rig: Rig) -> None:
    rig.scan("NT-4001", CODES["phone"], IMEI)
    rig.press("Down Down Right")
    answer = rig.inspection.answer("test.touch")
    assert answer is not None
    assert answer.mark is Mark.FAIL
    rig.press("Right")
    answer = rig.inspection.answer("test.touch")
    assert answer is not None
    assert answer.mark is Mark.OPEN


def test_a_measure_takes_the_top_row_of_an_azerty_keyboard(rig: Rig) -> None:
    rig.scan("NT-4001", CODES["phone"], IMEI)
    rig.press("Space _ è Enter")
    answer = rig.inspection.answer("test.battery")
    assert answer is not None
    assert answer.value == "87"


def test_enter_without_the_measure_says_what_is_missing(rig: Rig) -> None:
    rig.scan("NT-4001", CODES["phone"], IMEI)
    rig.press("Space Enter")
    assert rig.inspection.page == "test"
    assert rig.scene.banner is not None


def test_a_mistyped_measure_is_mended_with_backspace(rig: Rig) -> None:
    rig.scan("NT-4001", CODES["phone"], IMEI)
    rig.press("Space 9 9 backspace backspace 8 7 Enter")
    answer = rig.inspection.answer("test.battery")
    assert answer is not None
    assert answer.value == "87"


def test_a_serial_number_that_cannot_be_scanned_is_typed_with_its_letters(rig: Rig) -> None:
    # f and p are keys elsewhere, 0 is danger.
    rig.scan("NT-4001", CODES["phone"])
    rig.press("3 Space 8 7 Enter")
    rig.write("fp0")
    assert rig.scene.unit is not None
    assert rig.scene.unit.typed == "fp0"
    rig.press("Enter")
    assert rig.inspection.serial == "", "no IMEI: its check digit is wrong"
    rig.press("Backspace Backspace Backspace")
    rig.write(IMEIS[0])
    rig.press("Enter")
    assert rig.inspection.serial == IMEIS[0]
    assert rig.inspection.found("serial_mismatch")


def test_f_takes_a_finding_back(rig: Rig) -> None:
    rig.scan("ML-4001", CODES["lamp"])
    rig.press("3 f Enter")
    assert rig.inspection.found("light_traces")
    rig.press("f Enter")
    assert not rig.inspection.found("light_traces")


def test_what_is_missing_from_a_kit_is_named(rig: Rig) -> None:
    rig.scan("ML-4006", CODES["picnic"])
    rig.press("2 2 3")
    assert [(each.code, each.note) for each in rig.inspection.findings] == [("consumable_missing", "Napkins")]


POSTMARKS = {
    "day and month": ("5/11", date(2026, 11, 5)),
    "with dots": ("05.11.", date(2026, 11, 5)),
    "of last year, before the delivery": ("24/12", None),
    "short year": ("5/11/26", date(2026, 11, 5)),
    "ISO": ("2026-11-05", date(2026, 11, 5)),
    "no such day": ("31/2", None),
    "a word": ("yesterday", None),
    "after the receipt": ("23/11/2026", None),
}


@pytest.mark.parametrize(("typed", "expected"), POSTMARKS.values(), ids=POSTMARKS)
def test_postmarks(rig: Rig, typed: str, expected: date | None) -> None:
    rig.scan("ML-4010", CODES["lamp"])
    rig.press("t")
    rig.write(typed)
    rig.press("Enter")
    assert rig.inspection.line is not None
    assert rig.inspection.line.postmarked_on == expected
    assert (rig.scene.banner is None) == (expected is not None)


def test_only_a_supervisor_raises_a_grade(rig: Rig) -> None:
    rig.scan("ML-4001", CODES["lamp"])
    rig.press("4 f Enter o 3")
    rig.write("hardly seen")
    rig.press("Enter")
    assert [each.grade for each in rig.inspection.overrides] == []
    rig.scan(BADGES["supervisor"])
    rig.write(PIN)
    rig.press("Enter o 3")
    rig.write("hardly seen")
    rig.press("Enter")
    assert [each.grade for each in rig.inspection.overrides] == [Grade.USED]


def test_notes_text_and_hold_are_written_into_the_unit(rig: Rig) -> None:
    rig.scan("ML-4001", CODES["lamp"])
    rig.press("n")
    rig.write("box 0 dented")
    rig.press("Enter 2 e")
    for _ in range(60):
        rig.press("backspace")
    rig.write("like new")
    rig.press("Enter h")
    rig.write("ask")
    rig.press("Enter")
    assert (rig.inspection.notes, rig.inspection.text, rig.inspection.held) == (("box 0 dented",), "like new", "ask")


def test_a_printed_command_code_is_the_key_it_names(rig: Rig) -> None:
    rig.scan("ML-4001", "CMD-EMPTY")
    assert rig.inspection.kind is Kind.EMPTY_BOX
    rig.scan("CMD-PHOTO", "CMD-ACCEPT")
    assert isinstance(rig.scene.place, AtDesk)
    rig.scan("CMD-NOTHING")
    assert rig.scene.banner is not None


# ── At the desk ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_was_set_aside_is_resumed_with_down_and_enter(rig: Rig) -> None:
    rig.scan("ML-4001", CODES["lamp"])
    rig.press("3 f Enter")
    lpn = rig.inspection.lpn
    rig.press("Esc Down Down Enter")
    assert (rig.inspection.lpn, rig.inspection.chosen) == (lpn, Grade.USED)


def test_an_open_parcel_is_gone_back_to_with_down_and_enter(rig: Rig) -> None:
    rig.scan("ML-4005")
    rig.press("Esc Down Enter")
    assert isinstance(rig.scene.place, OnParcel)


def test_search_finds_by_title_and_opens_the_parcel(rig: Rig) -> None:
    rig.press("/")
    rig.write("cream")
    rig.press("Enter Enter")
    assert isinstance(rig.scene.place, OnParcel)
    assert rig.scene.place.arrived.parcel.rmas == (("plume", "AP-4001"),)


def test_undo_brings_the_last_unit_back_with_its_plate(rig: Rig) -> None:
    rig.scan("ML-4001", CODES["lamp"])
    lpn = rig.inspection.lpn
    rig.press("1 F2")
    assert rig.inspection.lpn == lpn
    assert rig.station.desk().units == 0


def test_a_unit_found_by_its_label_is_reopened_with_a_reason(rig: Rig) -> None:
    rig.scan("ML-4001", CODES["lamp"])
    lpn = rig.inspection.lpn
    rig.press("1")
    rig.scan(f"{lpn}/1")
    rig.press("F2")
    assert isinstance(rig.scene.over, Type)
    rig.write("wrong grade")
    rig.press("Enter")
    assert rig.inspection.lpn == lpn


def test_a_label_that_may_not_have_come_out_is_settled_by_a_person(rig: Rig) -> None:
    rig.scan("ML-4001", CODES["lamp"])
    rig.press("1")
    with rig.station.store.write() as writer:
        job = writer.labels("queued")[0]
        writer.move_label(job.id, "printing")
        writer.move_label(job.id, "parked")
    rig.press("Esc")
    assert rig.scene.desk.labels_parked == 1
    rig.press("F4 Enter 2")
    with rig.station.store.read() as reader:
        assert [(each.print_no, each.state) for each in reader.labels_of(job.lpn)] == [(1, "cancelled"), (2, "queued")]


def test_the_roll_is_changed_from_the_desk(rig: Rig) -> None:
    rig.press("F6 1")
    assert rig.station.outbox.states().printer.held
    rig.press("F6 3")
    assert not rig.station.outbox.states().printer.held


def test_quitting_needs_f9_and_enter(rig: Rig) -> None:
    rig.press("F9 Esc")
    assert not rig.ended
    rig.press("F9 Enter")
    assert rig.ended


def test_signing_out_shows_what_is_handed_over_and_lets_nobody_work(rig: Rig) -> None:
    rig.scan("ML-4001", CODES["lamp"])
    rig.press("Esc F8")
    assert isinstance(rig.scene.place, SignIn)
    assert rig.scene.place.handed_over is not None
    assert len(rig.scene.place.handed_over) == 1
    rig.scan("ML-4002")
    assert isinstance(rig.scene.place, SignIn)


def test_help_has_pages_and_closes(rig: Rig) -> None:
    rig.scan("ML-4001", CODES["lamp"])
    rig.press("? Tab")
    assert rig.scene.over == Help(1)
    rig.press("Tab")
    assert rig.scene.over is None


def test_a_long_list_is_read_nine_at_a_time(rig: Rig) -> None:
    rig.scan("ML-4001", CODES["lamp"])
    rig.press("f")
    assert isinstance(rig.scene.over, Choose)
    tenth = rig.scene.over.entries[9].value
    rig.press("Tab 1")
    assert rig.inspection.found(tenth)


def test_typed_letters_at_the_desk_are_no_keys(rig: Rig) -> None:
    rig.write("x/?0p")
    assert rig.scene.place == AtDesk(typed="x/?0p")
    rig.press("Esc")
    assert rig.scene.place == AtDesk()


# ── Whatever is pressed ──────────────────────────────────────────────────────────────────────────────────────────────

NAMED = ("Enter", "Space", "Esc", "Tab", "Up", "Down", "Right", "backspace", "F2", "F3", "F4", "F6", "F7", "F8", "F9")
KEYS = st.sampled_from((*"0123456789&é\"'(-xwpfnegotmhobv/?tz", "Enter", *NAMED))
RMAS = ("ML-4001", "ML-4004", "ML-4005", "ML-4008", "NT-4001", "NT-4002")
SCANS = st.sampled_from((*RMAS, *CODES.values(), IMEI, "NOTHING", BADGES["operator"], "CMD-PHOTO", "9" * 200))
GESTURES = st.lists(st.tuples(st.booleans(), KEYS, SCANS), max_size=30)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(gestures=GESTURES)
def test_no_sequence_of_keys_and_scans_breaks_anything_or_loses_a_unit(
    folder: Path, gestures: list[tuple[bool, str, str]]
) -> None:
    with TemporaryDirectory() as place, rigged(shutil.copytree(folder, Path(place) / "station")) as rig:
        rig.scan("ML-4001")
        opened: set[str] = set()
        keymap = Keymap()
        for scanning, key, code in gestures:
            act: Callable[[str], None] = rig.scan if scanning else rig.press
            act(code if scanning else key)
            rig.paint()
            assert all(keymap[id].word for id in possible(rig.scene))
            if rig.scene.unit is not None:
                opened.add(rig.scene.unit.inspection.lpn)
        with rig.station.store.read() as reader:
            kept = {draft.lpn for draft in reader.drafts()}
            assert all(lpn in kept or reader.inspection(lpn) is not None for lpn in opened)
