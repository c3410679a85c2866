"""What keys come to, without a screen: the hands on a real station, effects done at once."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inspect_station import config
from inspect_station.core.records import Disposition, Grade, Inspection, Kind, Mark
from inspect_station.message import msg
from inspect_station.station import Station, open_station
from inspect_station.tui import desk, overlay, parcel, unit
from inspect_station.tui.hands import Hands
from inspect_station.tui.keymap import Keymap
from inspect_station.tui.paper import Paper
from inspect_station.tui.scene import (
    AtDesk,
    Choose,
    Help,
    OnParcel,
    OnUnit,
    Page,
    Photos,
    Scene,
    Shot,
    SignIn,
    Turn,
    Type,
    Writing,
    possible,
)
from tests.tui.conftest import BADGES, CODES, IMEI, IMEIS, NAMES, PIN, Clock

EDITING = ("Left", "Home", "End", "Delete", "Backspace")


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
            self._do(self.hands.press(self.scene, key.lower() if function or key in EDITING else NAMES.get(key, key)))

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
                over = self.scene.over
                unit.parts(paper, place, "", 22, over if isinstance(over, Writing) else None)
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


def test_an_operator_lowers_a_grade_alone(rig: Rig) -> None:
    rig.scan("ML-4001", CODES["lamp"])
    rig.press("3 f Enter o 5")
    rig.write("bent foot")
    rig.press("Enter")
    assert [(each.grade, each.by) for each in rig.inspection.overrides] == [(Grade.HEAVY, "ana")]


def asked_for_a_badge(rig: Rig) -> None:
    """An operator wants a better grade than suggested."""
    rig.scan("ML-4001", CODES["lamp"])
    rig.press("4 f Enter o 3")
    rig.write("hardly seen")
    rig.press("Enter")
    assert isinstance(rig.scene.over, Type)
    assert rig.scene.over.badge is not None


def show_pin(rig: Rig, pin: str = PIN) -> None:
    rig.write(pin)
    rig.press("Enter")


def said(rig: Rig) -> str:
    """What the banner says."""
    return str(rig.scene.banner.title) if rig.scene.banner else ""


def working(rig: Rig) -> str:
    """The code of whoever is signed in."""
    assert rig.station.operator is not None
    return rig.station.operator.code


def test_a_supervisors_badge_raises_a_grade_and_the_operator_goes_on_working(rig: Rig) -> None:
    asked_for_a_badge(rig)
    rig.scan(BADGES["supervisor"])
    assert not [each.by for each in rig.inspection.overrides], "the badge alone is not enough"
    show_pin(rig)
    raised = [(each.grade, each.by, each.reason) for each in rig.inspection.overrides]
    assert raised == [(Grade.USED, "sup", "hardly seen")]
    assert working(rig) == "ana"
    rig.press("n")
    rig.write("x")
    rig.press("Enter p p Enter")
    assert rig.scene.desk.last[0].finished_by == "ana"


def test_a_supervisor_who_works_here_is_not_asked(rig: Rig) -> None:
    rig.scan(BADGES["supervisor"])
    show_pin(rig)
    rig.scan("ML-4001", CODES["lamp"])
    rig.press("4 f Enter o 3")
    rig.write("hardly seen")
    rig.press("Enter")
    assert [(each.grade, each.by) for each in rig.inspection.overrides] == [(Grade.USED, "sup")]


REFUSED: dict[str, tuple[tuple[str, ...], str]] = {
    "another operator's badge": ((BADGES["french"],), "Luc D. is no supervisor"),
    "the operator's own badge": ((BADGES["operator"],), "Ana B. is no supervisor"),
    "a badge nobody knows": (("BDG-9999999999ABCDEF",), "this badge is not known at DOCK-3"),
    "an article": ((CODES["vase"],), "that is no badge"),
    "a return": (("ML-4002",), "that is no badge"),
}


@pytest.mark.parametrize(("codes", "said"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_supervisors_badge_is_said_and_asked_again(rig: Rig, codes: tuple[str, ...], said: str) -> None:
    asked_for_a_badge(rig)
    before = rig.inspection
    rig.scan(*codes)
    assert rig.scene.banner is not None
    assert str(rig.scene.banner.title) == said
    assert rig.inspection == before
    assert working(rig) == "ana"
    rig.scan(BADGES["supervisor"])
    show_pin(rig)
    assert len(rig.inspection.overrides) == 1, "the question is still open"


def test_a_wrong_pin_changes_nothing_and_the_badge_is_asked_again(rig: Rig) -> None:
    asked_for_a_badge(rig)
    before = rig.inspection
    rig.scan(BADGES["supervisor"])
    show_pin(rig, "0000")
    assert rig.scene.banner is not None
    assert str(rig.scene.banner.title) == "wrong PIN for Supervisor"
    assert rig.inspection == before
    assert working(rig) == "ana"
    rig.scan(BADGES["supervisor"])
    show_pin(rig)
    assert len(rig.inspection.overrides) == 1


def test_a_badge_at_the_pin_begins_again_and_signs_nobody_in(rig: Rig) -> None:
    asked_for_a_badge(rig)
    rig.scan(BADGES["supervisor"], BADGES["french"])
    assert working(rig) == "ana"
    assert rig.scene.banner is not None
    assert str(rig.scene.banner.title) == "Luc D. is no supervisor"


@pytest.mark.parametrize("scanned", [(), (BADGES["supervisor"],)], ids=["at the badge", "at the PIN"])
def test_esc_leaves_everything_where_a_badge_is_asked_for(rig: Rig, scanned: tuple[str, ...]) -> None:
    asked_for_a_badge(rig)
    before = rig.inspection
    rig.scan(*scanned)
    rig.press("Esc")
    assert rig.scene.over is None
    assert rig.inspection == before
    assert working(rig) == "ana"


def test_somebody_elses_unit_is_reopened_with_a_supervisors_badge(rig: Rig) -> None:
    rig.scan("ML-4001", CODES["lamp"])
    lpn = rig.inspection.lpn
    rig.press("1")
    rig.scan(BADGES["french"], lpn)
    rig.press("F2")
    rig.write("wrong grade")
    rig.press("Enter")
    assert isinstance(rig.scene.over, Type), "Luc may not; a supervisor's badge is asked for"
    rig.scan(BADGES["supervisor"])
    show_pin(rig)
    assert (rig.inspection.lpn, working(rig)) == (lpn, "luc")
    with rig.station.store.read() as reader:
        event = json.loads(reader.pending_events(100)[-1].line)
    assert (event["type"], event["operator"]) == ("inspection.voided", "sup")


def test_an_unannounced_unit_is_matched_with_a_supervisors_badge(rig: Rig) -> None:
    rig.scan("SOMETHING-ELSE")
    rig.press("Enter p p 1 Enter")
    lpn = rig.scene.desk.last[0].lpn
    rig.scan(lpn)
    rig.press("F12")
    rig.scan("ML-4001")
    rig.press("Enter")
    rig.scan(BADGES["supervisor"])
    show_pin(rig)
    assert (rig.inspection.lpn, rig.inspection.rma, working(rig)) == (lpn, "ML-4001", "ana")


# ── A finished unit, sent elsewhere ──────────────────────────────────────────────────────────────────────────────────


def finished_lamp(rig: Rig, keys: str) -> str:
    """The plate of a lamp that these keys finish, found again by its label."""
    rig.scan("ML-4001", CODES["lamp"])
    lpn = rig.inspection.lpn
    rig.press(keys)
    rig.scan(lpn)
    assert isinstance(rig.scene.place, AtDesk)
    return lpn


def listed(rig: Rig) -> list[Disposition]:
    assert isinstance(rig.scene.over, Choose)
    return [entry.value for entry in rig.scene.over.entries]


def test_a_supervisor_sends_a_finished_unit_elsewhere(rig: Rig) -> None:
    lpn = finished_lamp(rig, "2 Enter")
    rig.press("F12")
    rig.press(str(listed(rig).index(Disposition.DONATE) + 1))
    rig.write("the seller gives it away")
    rig.press("Enter")
    assert rig.station.show(lpn).disposition is Disposition.CLEARANCE
    rig.scan(BADGES["supervisor"])
    show_pin(rig)
    unit = rig.station.show(lpn)
    assert (unit.disposition, unit.revision, unit.finished_by) == (Disposition.DONATE, 2, "ana")
    orders = [(each.disposition, each.over, each.reason, each.by) for each in unit.rerouted]
    assert orders == [(Disposition.DONATE, Disposition.CLEARANCE, "the seller gives it away", "sup")]
    assert isinstance(rig.scene.place, AtDesk)
    assert rig.scene.place.card == unit
    assert rig.scene.banner is not None
    assert lpn in str(rig.scene.banner.title)
    assert working(rig) == "ana"


def test_no_choice_is_where_it_goes_already_or_where_only_hazards_and_other_sites_returns_go(rig: Rig) -> None:
    finished_lamp(rig, "2 Enter")
    rig.press("F12")
    assert set(listed(rig)).isdisjoint({Disposition.CLEARANCE, Disposition.QUARANTINE, Disposition.FORWARD})
    assert Disposition.RESTOCK not in listed(rig), "it was opened"


def test_what_is_still_the_customers_is_sold_by_no_key(rig: Rig) -> None:
    rig.scan("NT-4002", CODES["charger"])
    lpn = rig.inspection.lpn
    rig.press("1 p Enter")
    rig.scan(lpn)
    rig.press("F12")
    assert set(listed(rig)) <= {Disposition.RETURN_TO_CUSTOMER, Disposition.HOLD}
    assert isinstance(rig.scene.over, Choose)
    assert "customer" in str(rig.scene.over.notes[0])


def test_f12_is_there_only_for_a_unit_found_by_its_label(rig: Rig) -> None:
    rig.scan("ML-4001", CODES["lamp"])
    rig.press("1")
    assert "redirect" not in possible(rig.scene)
    rig.scan(rig.scene.desk.last[0].lpn)
    assert "redirect" in possible(rig.scene)


def test_what_is_in_quarantine_is_sent_nowhere_else(rig: Rig) -> None:
    finished_lamp(rig, "0")
    assert "redirect" not in possible(rig.scene)


# ── The text that says why ───────────────────────────────────────────────────────────────────────────────────────────

EDITED = {
    "at the end": ("x y Enter", "abcxy"),
    "in front": ("Home x Enter", "xabc"),
    "in the middle": ("Left x Enter", "abxc"),
    "to the end again": ("Home End x Enter", "abcx"),
    "right of the first": ("Home Right x Enter", "axbc"),
    "backspace": ("Backspace Enter", "ab"),
    "backspace in the middle": ("Left Backspace Enter", "ac"),
    "backspace at the front takes nothing": ("Home Backspace Enter", "abc"),
    "delete": ("Home Delete Enter", "bc"),
    "delete at the end takes nothing": ("Delete Enter", "abc"),
    "Esc leaves the old text": ("Backspace x Esc", "abc"),
    "letters that are keys elsewhere": ("0 p f Enter", "abc0pf"),
    "further than the ends": ("Right Right x Home Left y Enter", "yabcx"),
    "emptied": ("Backspace Backspace Backspace Enter", ""),
}


@pytest.mark.parametrize(("keys", "text"), EDITED.values(), ids=EDITED)
def test_the_text_is_edited_where_it_stands(rig: Rig, keys: str, text: str) -> None:
    rig.scan("ML-4001", CODES["lamp"])
    rig.press("3 f Enter")
    assert rig.scene.unit is not None
    rig.scene = rig.scene.but(place=replace(rig.scene.unit, inspection=rig.inspection.but(text="abc")))
    rig.press("e")
    rig.press(keys)
    rig.paint()
    assert (rig.inspection.text, rig.scene.over) == (text, None)


def test_an_emptied_text_is_built_from_the_findings_again(rig: Rig) -> None:
    rig.scan("ML-4001", CODES["lamp"])
    rig.press("3 f Enter e x Enter")
    assert rig.scene.unit is not None
    assert rig.station.voice().join(rig.scene.unit.view.why).endswith("x")
    rig.press("e " + "Backspace " * 60 + "Enter")
    built = rig.station.voice().join(rig.scene.unit.view.why)
    assert built
    assert not built.endswith("x")


def test_a_text_that_was_not_changed_goes_on_following_the_findings(rig: Rig) -> None:
    rig.scan("ML-4001", CODES["lamp"])
    rig.press("3 f Enter e Enter")
    assert rig.inspection.text == ""


def test_a_scan_never_lands_in_the_text(rig: Rig) -> None:
    rig.scan("ML-4001", CODES["lamp"])
    rig.press("3 f Enter e x")
    before = rig.scene.over
    rig.scan("SOMETHING-ELSE")
    assert rig.scene.over == before
    assert rig.scene.banner is not None


# ── What the seller calls used ───────────────────────────────────────────────────────────────────────────────────────


def with_seller(rig: Rig, **about: object) -> None:
    """The seller of the unit on the bench, with these settings."""
    place = rig.scene.unit
    assert place is not None
    bench = replace(place.bench, seller=place.bench.seller.but(**about))
    rig.scene = rig.scene.but(place=OnUnit(place.inspection, bench))


def sheets(rig: Rig) -> Photos:
    assert isinstance(rig.scene.over, Photos)
    return rig.scene.over


def test_tab_walks_from_the_criteria_through_the_pictures_and_round(rig: Rig) -> None:
    rig.scan("ML-4001", CODES["lamp"])
    pictures = {"lightly_damaged": ("c" * 64,), "used": ("a" * 64, "b" * 64)}
    with_seller(rig, criteria={"used": "Marks.", "lightly_damaged": "A nail catches."}, pictures=pictures)
    rig.press("g")
    assert isinstance(sheets(rig).sheet, Page)
    seen = []
    for _ in range(3):
        rig.press("Tab")
        shot = sheets(rig).sheet
        assert isinstance(shot, Shot)
        seen.append((rig.station.voice().say(shot.title), shot.sha256[0], shot.caption))
    assert seen == [
        ("used: picture 1 of 2", "a", "Marks."),
        ("used: picture 2 of 2", "b", "Marks."),
        ("lightly damaged: picture 1 of 1", "c", "A nail catches."),
    ]
    rig.press("Tab")
    assert isinstance(sheets(rig).sheet, Page)
    rig.press("z")
    assert rig.scene.over is None


def test_pictures_without_words_come_first_of_all(rig: Rig) -> None:
    rig.scan("ML-4001", CODES["lamp"])
    with_seller(rig, criteria={}, pictures={"used": ("a" * 64,)})
    rig.press("g")
    assert isinstance(sheets(rig).sheet, Shot)
    assert possible(rig.scene) == ("close",)


def test_where_a_seller_has_set_nothing_there_is_no_g(rig: Rig) -> None:
    rig.scan("ML-4001", CODES["lamp"])
    with_seller(rig, criteria={}, pictures={})
    assert "criteria" not in possible(rig.scene)
    rig.press("g")
    assert rig.scene.over is None


def test_criteria_that_are_too_long_for_a_page_are_read_on_several(rig: Rig) -> None:
    rig.scan("ML-4001", CODES["lamp"])
    long = " ".join(f"word{n}" for n in range(400))
    with_seller(rig, criteria=dict.fromkeys(Grade, long), pictures={})
    rig.press("g")
    paper = Paper(rig.station.voice(), rig.station.rules, 74)
    read = ""
    for _ in sheets(rig).sheets:
        part = overlay.part(paper, rig.scene, rig.hands.keymap)
        assert part is not None
        assert part.height <= 19, "with its frame and the keys it fits into 24 lines"
        read += part.text.plain
        rig.press("Tab")
    assert read.count("word399") == len(Grade)


def test_notes_text_and_hold_are_written_into_the_unit(rig: Rig) -> None:
    rig.scan("ML-4001", CODES["lamp"])
    rig.press("n")
    rig.write("box 0 dented")
    rig.press("Enter 2 e")
    rig.press("Backspace " * 60)
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


def parked(rig: Rig, printer: str) -> str:
    """A finished unit whose label is parked; it was sent to this printer, or to none. Its plate."""
    rig.scan("ML-4001", CODES["lamp"])
    rig.press("1")
    with rig.station.store.write() as writer:
        job = writer.labels("queued")[0]
        if printer:
            writer.move_label(job.id, "printing", printer=printer)
        writer.move_label(job.id, "parked", reason=msg("The cable was cut."))
    rig.press("Esc")
    assert rig.scene.desk.labels_parked == 1
    return job.lpn


def prints(rig: Rig, lpn: str) -> list[tuple[int, str, int]]:
    with rig.station.store.read() as reader:
        return [(each.print_no, each.state, each.copy_no) for each in reader.labels_of(lpn)]


def test_a_label_that_may_not_have_come_out_is_settled_by_a_person(rig: Rig) -> None:
    lpn = parked(rig, "labels")
    rig.press("F4 Enter")
    asked = rig.scene.over
    assert isinstance(asked, Choose)
    assert str(asked.title) == f"Did the label of {lpn} come out?"
    assert str(asked.notes[0]) == "The cable was cut."
    assert asked.label is not None
    assert asked.label[1][0] == "Oak desk lamp"
    assert asked.label[1][-1] == f"{lpn}/1"
    rig.press("2")
    assert prints(rig, lpn) == [(1, "cancelled", 1), (2, "queued", 2)]


def test_v_shows_the_doubtful_label_large_and_the_question_stays(rig: Rig) -> None:
    lpn = parked(rig, "labels")
    rig.press("F4 Enter v")
    shown = rig.scene.over
    assert isinstance(shown, Photos)
    assert isinstance(shown.sheet, Shot)
    assert shown.sheet.image.startswith(b"\x89PNG")
    rig.press("x")
    assert isinstance(rig.scene.over, Choose), "asked still"
    rig.press("Enter")
    assert prints(rig, lpn) == [(1, "printed", 1)]


def test_a_label_that_surely_did_not_come_out_is_offered_and_is_no_copy(rig: Rig) -> None:
    lpn = parked(rig, "")
    rig.press("F4 Enter")
    asked = rig.scene.over
    assert isinstance(asked, Choose)
    assert str(asked.title) == f"The label of {lpn} was not printed: print it now?"
    rig.press("Enter")
    assert prints(rig, lpn) == [(1, "cancelled", 1), (2, "queued", 1)]


def test_a_reprint_asks_why_and_says_the_number_that_stands_on_it(rig: Rig) -> None:
    rig.scan("ML-4001", CODES["lamp"])
    lpn = rig.inspection.lpn
    rig.press("1")
    assert rig.station.outbox.prints.print_once()
    rig.press("F3 Enter")
    asked = rig.scene.over
    assert isinstance(asked, Choose)
    assert str(asked.title) == f"Label of {lpn} again, copy 2: why?"
    rig.press("2")
    assert rig.scene.banner is not None
    assert str(rig.scene.banner.title) == f"label of {lpn} queued, copy 2"
    assert rig.station.outbox.prints.print_once()
    rig.press("F3 Enter 4")
    rig.write("wet")
    rig.press("Enter")
    assert str(rig.scene.banner.title) == f"label of {lpn} queued, copy 3"
    with rig.station.store.read() as reader:
        jobs = reader.labels_of(lpn)
    assert [job.why for job in jobs] == ["", "it is torn, smudged or cannot be read", "wet"]
    assert [job.fields["copy"] for job in jobs] == ["", "copy 2", "copy 3"]


def test_a_slip_is_printed_beside_the_units_own_label(rig: Rig) -> None:
    rig.scan("ML-4001", CODES["lamp"])
    lpn = rig.inspection.lpn
    rig.press("1 F3")
    asked = rig.scene.over
    assert isinstance(asked, Choose)
    assert str(asked.title) == f"Which label of {lpn}?"
    assert [str(each.label) for each in asked.entries] == [
        "restock label",
        "EAN sticker",
        "put-away slip",
        "a label of another kind",
    ]
    rig.press("2")
    assert said(rig) == f"label of {lpn} queued"
    assert rig.station.outbox.prints.print_once() and rig.station.outbox.prints.print_once()
    rig.press("F3 2")
    asked = rig.scene.over
    assert isinstance(asked, Choose)
    assert str(asked.title) == f"Label of {lpn} again, copy 2: why?"
    assert asked.notes == (), "nothing is void by it"
    rig.press("1")
    with rig.station.store.read() as reader:
        jobs = [(job.kind, job.print_no, job.copy_no, job.operator, job.why) for job in reader.labels_of(lpn)]
    who = working(rig)
    assert jobs == [
        ("restock", 1, 1, who, ""),
        ("relabel", 2, 1, who, "the EAN on the packaging is damaged"),
        ("relabel", 3, 2, who, "it did not come out, or blank"),
    ]
    rig.scan(f"{lpn}/1")
    assert rig.scene.banner is None, "its own label is the valid one still"


def test_of_a_unit_that_can_have_no_slip_f3_prints_its_own_label_at_once(rig: Rig) -> None:
    rig.scan("ML-4001", CODES["lamp"])
    lpn = rig.inspection.lpn
    rig.press("0")
    if rig.scene.over is not None:
        rig.press("Enter")
    done = rig.station.show(lpn)
    assert done.finished_at is not None and done.disposition == "quarantine"
    rig.press("F3")
    assert rig.scene.over is None
    assert prints(rig, lpn) == [(1, "cancelled", 1), (2, "queued", 1)]
    rig.scan(BADGES["supervisor"])
    show_pin(rig)
    rig.press("F3")
    assert isinstance(rig.scene.over, Choose), "a supervisor may give it a label of another kind"


def test_a_late_slip_can_be_dropped(rig: Rig) -> None:
    rig.scan("ML-4001", CODES["lamp"])
    lpn = rig.inspection.lpn
    rig.press("1")
    assert rig.station.outbox.prints.print_once()
    rig.press("F3 3")
    with rig.station.store.write() as writer:
        slip = writer.labels_of(lpn)[-1]
        writer.move_label(slip.id, "parked", reason=msg("too late"))
    rig.press("F4 Enter")
    asked = rig.scene.over
    assert isinstance(asked, Choose)
    assert str(asked.title) == f"This slip of {lpn} was not printed: print it now?"
    assert [str(each.label) for each in asked.entries] == ["yes", "no, it is not needed"]
    assert asked.label is not None and str(asked.label[0]) == "put-away slip"
    rig.press("2")
    assert prints(rig, lpn) == [(1, "printed", 1), (2, "cancelled", 1)]


def test_a_label_of_another_kind_takes_a_reason_and_a_supervisor(rig: Rig) -> None:
    rig.scan("ML-4001", CODES["lamp"])
    lpn = rig.inspection.lpn
    rig.press("1 F3 4")
    asked = rig.scene.over
    assert isinstance(asked, Choose)
    assert {str(each.label) for each in asked.entries} == {
        "hold slip",
        "quarantine label",
        "forwarding slip",
        "return label",
    }
    rig.press("1")
    assert isinstance(rig.scene.over, Type)
    rig.write("sent to the office")
    rig.press("Enter")
    assert isinstance(rig.scene.over, Type) and "supervisor" in str(rig.scene.over.title)
    rig.press("Esc")
    assert prints(rig, lpn) == [(1, "queued", 1)], "Esc leaves everything as it was"
    rig.press("F3 4 1")
    rig.write("sent to the office")
    rig.press("Enter")
    rig.scan(BADGES["supervisor"])
    show_pin(rig)
    with rig.station.store.read() as reader:
        (_, job) = reader.labels_of(lpn)
    assert (job.operator, job.why, job.fields["barcode"]) == ("sup", "sent to the office", lpn)
    assert working(rig) != "sup", "whoever works stays signed in"


def test_a_label_that_is_scanned_back_leaves_the_unit_on_the_bench(rig: Rig) -> None:
    lpn = parked(rig, "labels")
    rig.scan("ML-4002", CODES["lamp"])
    on_bench = rig.inspection.lpn
    rig.scan(f"{lpn}/1")
    assert rig.inspection.lpn == on_bench
    assert rig.scene.banner is not None
    assert str(rig.scene.banner.title) == f"{lpn}/1 is on its box: done"
    assert prints(rig, lpn) == [(1, "printed", 1)]


def test_the_roll_is_changed_from_the_desk(rig: Rig) -> None:
    rig.press("F6 Esc")
    assert not rig.station.outbox.states().printer.held, "Esc leaves everything as it was"
    rig.press("F6 Enter")
    assert rig.station.outbox.states().printer.held
    menu = rig.scene.over
    assert isinstance(menu, Choose)
    assert [str(each.label) for each in menu.entries] == ["print a test label: labels"], "nothing goes past it"
    rig.press("Esc")
    rig.scan("ML-4001", CODES["lamp"])
    rig.press("1 Esc")
    assert rig.scene.states is not None
    assert str(rig.scene.states.printer.said) == "printing is held, 1 label waits: F6 goes on"
    rig.press("F6 1")
    asked = rig.scene.over
    assert isinstance(asked, Choose)
    assert str(asked.title) == "Is the test label whole, and can it be scanned?"
    assert str(asked.entries[0].label) == "print 1 waiting?"
    rig.press("2 3")
    assert rig.station.outbox.states().printer.held, "another test label, then left held"
    rig.press("F6 Enter")
    assert not rig.station.outbox.states().printer.held
    assert rig.station.outbox.prints.print_once()


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

NAMED = (
    *("Enter", "Space", "Esc", "Tab", "Up", "Down", "Right", "backspace", "delete", "left", "home"),
    *("F2", "F3", "F4", "F6", "F7", "F8", "F9", "F12"),
)
KEYS = st.sampled_from((*"0123456789&é\"'(-xwpfnegotmhobv/?tz", "Enter", *NAMED))
RMAS = ("ML-4001", "ML-4004", "ML-4005", "ML-4008", "NT-4001", "NT-4002")
SCANS = st.sampled_from((*RMAS, *CODES.values(), IMEI, "NOTHING", *BADGES.values(), "CMD-PHOTO", "9" * 200))
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
