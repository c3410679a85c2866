"""Scanners that do not type into the terminal.

Serial lines are real ones here: each test has a pair of pseudo-terminals, and a link to one of them that vanishes and
comes back as udev's do. A keyboard that could be grabbed needs /dev/uinput, which build machines lack: evdev itself is
played by a stand-in with the methods of its `InputDevice` that are used.
"""

import errno
import fcntl
import os
import random
import struct
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from inspect_station import config, scanners
from inspect_station.core.barcode import LOST, MOST, Patterns, ScanKind, read
from inspect_station.devices import ScannerPort
from inspect_station.scanners import STALL_S, Framing, Scanner, UsKeyboard, present, probe, scanner

GS = "\x1d"


def until(met: Callable[[], object]) -> None:
    """Wait until something is so."""
    give_up = time.monotonic() + 5
    while not met():
        assert time.monotonic() < give_up, "it did not come to that"
        time.sleep(0.005)


# ── Cutting ──────────────────────────────────────────────────────────────────────────────────────────────────────────

CUTS = {
    "CR ends a code": (["ML-4001\r"], ["ML-4001"]),
    "LF ends a code": (["ML-4001\n"], ["ML-4001"]),
    "CR LF ends one code, not two": (["ML-4001\r\nML-4002\r\n"], ["ML-4001", "ML-4002"]),
    "CR and LF in two reads end one code": (["ML-4001\r", "\nML-4002\r", "\n"], ["ML-4001", "ML-4002"]),
    "Tab ends a code": (["ML-4001\t"], ["ML-4001"]),
    "two codes in one read": (["ML-4001\rML-4002\r"], ["ML-4001", "ML-4002"]),
    "a code in three reads": (["ML", "-40", "01\r"], ["ML-4001"]),
    "no end yet": (["ML-4001"], []),
    "ends alone are no codes": (["\r\r\n\t\r"], []),
    "GS is kept": ([f"0109506000134352{GS}10AB\r"], [f"0109506000134352{GS}10AB"]),
    "NUL and ESC are kept": (["\0ML\x1b\r"], ["\0ML\x1b"]),
    "UTF-8": (["n° é\r"], ["n° é"]),
}


@pytest.mark.parametrize(("reads", "codes"), CUTS.values(), ids=CUTS)
def test_what_comes_is_cut_into_codes(reads: list[str], codes: list[str]) -> None:
    framing = Framing()
    assert [code for each in reads for code in framing.feed(each.encode())] == codes


def test_what_is_not_utf_8_is_latin_1() -> None:
    assert Framing().feed(b"n\xb0 \xe9\r") == ["n° é"]


FRAMES = {
    "the prefix is taken off": ("~", "", ["~ML-4001\r"], ["ML-4001"]),
    "so is the suffix": ("", "#", ["ML-4001#ML-4002#"], ["ML-4001", "ML-4002"]),
    "STX and ETX": ("\x02", "\x03", ["\x02ML-4001\x03\r\n\x02ML-4002\x03"], ["ML-4001", "ML-4002"]),
    "a suffix in two reads": ("", "##", ["ML-4001#", "#"], ["ML-4001"]),
    "with a suffix, an end inside is part of the code": ("", "#", ["ML\r4001#"], ["ML\r4001"]),
    "the prefix alone is no code": ("~", "", ["~\r"], []),
    "a prefix that is missing: half a code": ("~", "", ["01\r~ML-4002\r"], [f"{LOST}01", "ML-4002"]),
    "an AIM identifier as the prefix stays": ("]", "", ["]C1ML-4001\r"], ["]C1ML-4001"]),
    "an AIM identifier behind a prefix stays": ("~", "", ["~]C1ML-4001\r"], ["]C1ML-4001"]),
    "a prefix with the beginning of the AIM identifier": ("~]", "", ["~]C1ML-4001\r~A\r"], ["]C1ML-4001", f"{LOST}~A"]),
    "a prefix inside is part of the code": ("~", "", ["~ML~4001\r"], ["ML~4001"]),
}


@pytest.mark.parametrize(("prefix", "suffix", "reads", "codes"), FRAMES.values(), ids=FRAMES)
def test_prefix_and_suffix_frame_a_code(prefix: str, suffix: str, reads: list[str], codes: list[str]) -> None:
    framing = Framing(prefix, suffix)
    assert [code for each in reads for code in framing.feed(each.encode())] == codes


def test_silence_ends_the_codes_of_a_scanner_that_ends_none() -> None:
    framing = Framing()
    assert (framing.patience, framing.silence()) == (None, [])
    framing.feed(b"ML-4001")
    assert (framing.patience, framing.silence()) == (0.1, ["ML-4001"])
    assert (framing.patience, framing.silence()) == (None, [])


@pytest.mark.parametrize(("suffix", "before"), [("", b"ML-4001\r"), ("#", b"")], ids=["ended before", "suffix set"])
def test_a_code_without_its_end_is_half_a_code(suffix: str, before: bytes) -> None:
    framing = Framing("", suffix)
    framing.feed(before)
    framing.feed(b"ML-40")
    assert framing.patience is not None and framing.patience > 0.1
    (half,) = framing.silence()
    assert read(half, Patterns()).kind is ScanKind.REJECTED
    assert framing.silence() == []
    assert framing.feed(b"ML-4003\r" + suffix.encode())[0].strip("\r") == "ML-4003"


@pytest.mark.parametrize("sign", ["A", "é", "𝄞"], ids=["one byte", "two bytes", "four bytes"])
@pytest.mark.parametrize("prefix", ["", "~"], ids=["no prefix", "prefix"])
def test_a_code_that_is_too_long_is_rejected_and_kept_in_bounds(sign: str, prefix: str) -> None:
    framing = Framing(prefix)
    data = (prefix + sign * 5000).encode()
    for start in range(0, len(data), 7):
        assert framing.feed(data[start : start + 7]) == []
        assert len(framing._open) <= 4096
    (code, after) = framing.feed(f"\r{prefix}ML-4001\r".encode())
    assert len(code) > MOST and read(code, Patterns()).kind is ScanKind.REJECTED
    assert after == "ML-4001"


@given(
    codes=st.lists(st.text(st.characters(exclude_characters="\r\n\t", codec="utf-8"), min_size=1, max_size=MOST)),
    ends=st.lists(st.sampled_from(["\r", "\n", "\r\n", "\t"]), min_size=1),
    cuts=st.lists(st.integers(1, 9), min_size=1),
)
def test_codes_come_out_as_they_went_in_however_they_are_cut(
    codes: list[str], ends: list[str], cuts: list[int]
) -> None:
    data = "".join(code + ends[n % len(ends)] for n, code in enumerate(codes)).encode()
    framing, got, turn = Framing(), [], 0
    while data:
        size = cuts[turn % len(cuts)]
        got += framing.feed(data[:size])
        data, turn = data[size:], turn + 1
    assert got == codes


@given(st.lists(st.binary(max_size=64)), st.sampled_from(["", "~", "]"]), st.sampled_from(["", "\x03", "##"]))
def test_whatever_comes_no_code_is_empty_and_reading_it_never_fails(
    reads: list[bytes], prefix: str, suffix: str
) -> None:
    framing = Framing(prefix, suffix)
    for code in [code for data in reads for code in framing.feed(data)] + framing.silence():
        assert code
        read(code, Patterns())


# ── Keys of a US keyboard ────────────────────────────────────────────────────────────────────────────────────────────

ESC, BACKSPACE, TAB, ENTER, SPACE, CAPS, NUM, F1, META, KP_ENTER = 1, 14, 15, 28, 57, 58, 69, 59, 125, 96
CTRL, SHIFT, ALT, RIGHT_SHIFT, RIGHT_CTRL = 29, 42, 56, 54, 97
KEYS = {
    "1": 2, "2": 3, "3": 4, "4": 5, "5": 6, "6": 7, "7": 8, "8": 9, "9": 10, "0": 11, "-": 12, "=": 13,
    "Q": 16, "W": 17, "E": 18, "R": 19, "T": 20, "Y": 21, "U": 22, "I": 23, "O": 24, "P": 25, "[": 26, "]": 27,
    "A": 30, "S": 31, "D": 32, "F": 33, "G": 34, "H": 35, "J": 36, "K": 37, "L": 38, ";": 39, "'": 40, "`": 41,
    "\\": 43, "Z": 44, "X": 45, "C": 46, "V": 47, "B": 48, "N": 49, "M": 50, ",": 51, ".": 52, "/": 53,
}  # fmt: skip
"""KEY_… of Linux's input-event-codes.h, by what is printed on the keys."""
PAD = {"7": 71, "8": 72, "9": 73, "4": 75, "5": 76, "6": 77, "1": 79, "2": 80, "3": 81, "0": 82}
PAD |= {"-": 74, "+": 78, ".": 83, "*": 55, "/": 98}


def tap(*codes: int) -> list[tuple[int, int]]:
    """Keys that are pressed in this order, and let go in the other."""
    return [(code, 1) for code in codes] + [(code, 0) for code in reversed(codes)]


def keys(word: str) -> list[tuple[int, int]]:
    return [event for sign in word for event in tap(KEYS[sign])]


def pad(word: str) -> list[tuple[int, int]]:
    return [event for sign in word for event in tap(PAD[sign])]


def held(code: int, events: list[tuple[int, int]]) -> list[tuple[int, int]]:
    return [(code, 1), *events, (code, 0)]


TYPED = {
    "letters are small without Shift": (keys("RMA"), "rma"),
    "Shift makes them large": (held(SHIFT, keys("RMA")), "RMA"),
    "so does the right Shift": (held(RIGHT_SHIFT, keys("RMA")), "RMA"),
    "one Shift is let go, the other still down": ([(SHIFT, 1), (RIGHT_SHIFT, 1), (SHIFT, 0), *keys("A")], "A"),
    "Shift is let go before its letter": ([(SHIFT, 1), (KEYS["A"], 1), (SHIFT, 0), (KEYS["A"], 0), *keys("A")], "Aa"),
    "a whole RMA number": ([*held(SHIFT, keys("RMA")), *keys("-4711/2"), *tap(ENTER)], "RMA-4711/2\r"),
    "digits of the upper row": (keys("1234567890"), "1234567890"),
    "their signs with Shift": (held(SHIFT, keys("1234567890")), "!@#$%^&*()"),
    "signs": (keys("-=[]\\;'`,./"), "-=[]\\;'`,./"),
    "signs with Shift": (held(SHIFT, keys("-=[]\\;'`,./")), '_+{}|:"~<>?'),
    "the letters where AZERTY has others": (keys("AZQWM"), "azqwm"),
    "Space": (tap(SPACE), " "),
    "the keypad": (pad("0123456789-+.*/"), "0123456789-+.*/"),
    "Num Lock changes nothing": ([*tap(NUM), *pad("12")], "12"),
    "Enter": (tap(ENTER), "\r"),
    "the keypad's Enter": (tap(KP_ENTER), "\r"),
    "Tab": (tap(TAB), "\t"),
    "Ctrl+] is GS": (held(CTRL, keys("]")), "\x1d"),
    "the right Ctrl, too": (held(RIGHT_CTRL, keys("]")), "\x1d"),
    "GS inside a code": ([*keys("10"), *held(CTRL, keys("]")), *keys("21")], "10\x1d21"),
    "Ctrl and letters": (held(CTRL, keys("ABQPZ")), "\x01\x02\x11\x10\x1a"),
    "Ctrl, Shift and a letter": ([(CTRL, 1), *held(SHIFT, keys("C")), (CTRL, 0)], "\x03"),
    "Ctrl+[, Ctrl+\\": (held(CTRL, keys("[\\")), "\x1b\x1c"),
    "Ctrl+^ and Ctrl+_ with Shift": ([(CTRL, 1), *held(SHIFT, keys("6-")), (CTRL, 0)], "\x1e\x1f"),
    "Ctrl+@ is NUL": ([(CTRL, 1), *held(SHIFT, keys("2")), (CTRL, 0)], "\0"),
    "Ctrl with a sign that it makes nothing of": (held(CTRL, keys("1")), LOST),
    "Esc and Backspace are control characters": ([*tap(ESC), *tap(BACKSPACE)], "\x1b\b"),
    "Caps Lock": ([*tap(CAPS), *keys("RMA-1"), *tap(CAPS), *keys("A")], "RMA-1a"),
    "Caps Lock and Shift": ([*tap(CAPS), *held(SHIFT, keys("A1"))], "a!"),
    "Alt and 029 on the keypad is GS": (held(ALT, pad("029")), "\x1d"),
    "Alt and 65, then 0066": ([*held(ALT, pad("65")), *held(ALT, pad("0066"))], "AB"),
    "Alt and a number above ASCII": (held(ALT, pad("233")), LOST),
    "Alt and a number without end": (held(ALT, pad("0" * 5000 + "65")), LOST),
    "Alt and a letter": (held(ALT, keys("A")), LOST),
    "Alt alone": (held(ALT, []), ""),
    "a key without a character": (tap(F1), LOST),
    "a letter with the Windows key": (held(META, keys("R")), LOST),
    "a key that stays down is pressed once": ([(KEYS["A"], 1), (KEYS["A"], 2), (KEYS["A"], 2), (KEYS["A"], 0)], "a"),
}


@pytest.mark.parametrize(("events", "text"), TYPED.values(), ids=TYPED)
def test_key_events_are_text_of_a_us_keyboard(events: list[tuple[int, int]], text: str) -> None:
    keyboard = UsKeyboard()
    assert "".join(keyboard.feed(code, value) for code, value in events) == text


def test_a_shift_that_was_down_already_counts() -> None:
    keyboard = UsKeyboard([SHIFT, KEYS["B"]])
    assert keyboard.feed(KEYS["A"], 1) == "A"
    assert keyboard.feed(SHIFT, 0) == ""
    assert keyboard.feed(KEYS["A"], 1) == "a"


@given(st.lists(st.tuples(st.integers(0, 0x2FF), st.integers(0, 2))))
def test_whatever_keys_come_each_gives_one_character_at_most(events: list[tuple[int, int]]) -> None:
    keyboard = UsKeyboard()
    for code, value in events:
        assert len(keyboard.feed(code, value)) <= 1


# ── A serial line ────────────────────────────────────────────────────────────────────────────────────────────────────


class Bench:
    """A scanner on a cable that can be pulled, and what the station heard of it."""

    def __init__(self, link: Path) -> None:
        self.link = link
        self.settings = ScannerPort(kind="serial", device=str(link))
        self.got: list[str] = []
        self.states: list[str] = []
        self.scanner: Scanner | None = None
        self._end: int | None = None

    def plug(self) -> None:
        """The device is there, by its lasting name; its number may be another."""
        self._end, line = os.openpty()
        self.link.unlink(missing_ok=True)
        self.link.symlink_to(os.ttyname(line))
        os.close(line)

    def pull(self) -> None:
        assert self._end is not None
        os.close(self._end)
        self.link.unlink()
        self._end = None

    def listen(self, **settings: str) -> None:
        self.settings = self.settings.model_copy(update=settings)
        self.scanner = scanner(self.settings)
        assert self.scanner is not None
        self.scanner.start(self.got.append, lambda: self.states.append(self.state))

    @property
    def state(self) -> str:
        assert self.scanner is not None
        return self.scanner.state.name

    def is_(self, state: str) -> None:
        """Wait until the scanner is so."""
        until(lambda: self.state == state)

    def send(self, data: str | bytes) -> None:
        assert self._end is not None
        os.write(self._end, data.encode() if isinstance(data, str) else data)

    def gives(self, *codes: str) -> None:
        """Wait for codes; nothing else has come."""
        until(lambda: len(self.got) >= len(codes))
        assert self.got == list(codes)

    def clear(self) -> None:
        if self.scanner is not None:
            self.scanner.stop()
        if self._end is not None:
            os.close(self._end)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(scanners, "LOOK_S", 0.02)  # so that each test ends at once
    bench = Bench(tmp_path / "usb-scanner")
    yield bench
    bench.clear()


@pytest.fixture
def ready(bench: Bench) -> Bench:
    """A scanner that is plugged in and listened to."""
    bench.plug()
    bench.listen()
    bench.is_("ready")
    return bench


def test_what_a_serial_scanner_sends_arrives(ready: Bench) -> None:
    ready.send("ML-4001\r\n")
    ready.gives("ML-4001")
    assert ready.states == ["ready"]


def test_a_code_that_comes_in_pieces_is_one(ready: Bench) -> None:
    for piece in ("3760", "3112", "00144", "\r"):
        ready.send(piece)
        time.sleep(0.02)
    ready.gives("3760311200144")


def test_a_pause_inside_a_code_makes_no_two_codes_once_the_scanner_is_known_to_end_them(ready: Bench) -> None:
    ready.send("ML-4001\r")
    ready.send("ML-40")
    time.sleep(0.2)
    ready.send("02\r")
    ready.gives("ML-4001", "ML-4002")


def test_two_codes_at_once_and_control_characters_arrive_as_they_are(ready: Bench) -> None:
    ready.send(f"]d20109506000134352{GS}10AB\rA\0\x03\x11\x13\x1a\x7fB\r")
    ready.gives(f"]d20109506000134352{GS}10AB", "A\0\x03\x11\x13\x1a\x7fB")


def test_noise_is_rejected_with_its_code_points_and_the_next_code_arrives(ready: Bench) -> None:
    ready.send(bytes([0xFF, 0x00, 0x81, 0xFE]) + b"\rML-4001\r")
    ready.gives("ÿ\0\x81þ", "ML-4001")
    problem = read(ready.got[0], Patterns()).problem
    assert problem is not None and "U+0000" in str(problem) and "U+0081" in str(problem)


def test_a_scanner_that_ends_nothing_gives_its_codes_by_silence(ready: Bench) -> None:
    ready.send("ML-4001")
    ready.gives("ML-4001")
    ready.send("ML-4002")
    ready.gives("ML-4001", "ML-4002")


def test_prefix_and_suffix_of_the_settings_are_taken_off(bench: Bench) -> None:
    bench.plug()
    bench.listen(prefix="\x02", suffix="\x03")
    bench.is_("ready")
    bench.send("\x02ML-4001\x03")
    bench.gives("ML-4001")


def test_a_thousand_codes_none_lost_none_merged(ready: Bench) -> None:
    dice = random.Random(3)
    codes = [f"{n:04}-" + "".join(dice.choices("ABCDEFGHJK0123456789-/", k=dice.randint(4, 40))) for n in range(1000)]
    data = "".join(code + dice.choice(["\r", "\n", "\r\n", "\t"]) for code in codes).encode()
    while data:
        size = dice.randint(1, 200)
        ready.send(data[:size])
        data = data[size:]
    ready.gives(*codes)


def test_a_scanner_that_is_pulled_and_plugged_in_again_comes_back_by_itself(ready: Bench) -> None:
    ready.send("ML-4001\r")
    ready.gives("ML-4001")
    ready.pull()
    ready.is_("gone")
    assert ready.scanner is not None
    said, hint = ready.scanner.state.trouble or ("", "")
    assert str(ready.link) in str(said) and "doctor" in str(hint)
    ready.plug()
    ready.is_("ready")
    ready.send("ML-4002\r")
    ready.gives("ML-4001", "ML-4002")
    assert ready.states[0] == ready.states[-1] == "ready"


def test_half_a_code_before_the_cable_is_pulled_is_no_code(ready: Bench) -> None:
    ready.send("ML-4001\rML-4")
    ready.gives("ML-4001")
    ready.pull()
    ready.is_("gone")
    ready.plug()
    ready.is_("ready")
    ready.send("ML-4002\r")
    ready.gives("ML-4001", "ML-4002")


def test_the_rest_of_a_code_that_began_before_is_no_code(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanners, "SILENCE_S", 0.4)
    bench.plug()
    bench.listen()
    for sign in "60311200144\r":
        bench.send(sign)
        time.sleep(0.02)
    assert bench.state == "opening"
    bench.is_("ready")
    bench.send("ML-4001\r")
    bench.gives("ML-4001")


def test_a_scanner_that_is_not_there_yet_is_found_when_it_comes(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanners, "AGAIN_S", (0.02,))
    bench.listen()
    bench.is_("gone")
    time.sleep(0.2)
    bench.plug()
    bench.is_("ready")
    bench.send("ML-4001\r")
    bench.gives("ML-4001")
    assert bench.states == ["gone", "ready"], "what has not changed is not told again"


def test_a_second_program_does_not_get_half_of_the_codes(ready: Bench) -> None:
    assert probe(ready.settings).name == "held"
    assert ready.scanner is not None
    ready.scanner.stop()
    assert probe(ready.settings).name == "ready"


def exclusive(path: Path) -> bool:
    """Whether the kernel refuses the line to others; root it refuses nothing, but tells (TIOCGEXCL)."""
    try:
        line = os.open(path, os.O_RDWR | os.O_NOCTTY)
    except OSError as error:
        return error.errno == errno.EBUSY
    (flag,) = struct.unpack("i", fcntl.ioctl(line, 0x80045440, bytes(4)))
    os.close(line)
    return bool(flag)


def test_programs_that_ask_for_no_lock_are_kept_out_too(ready: Bench) -> None:
    assert exclusive(ready.link)
    assert ready.scanner is not None
    ready.scanner.stop()
    assert not exclusive(ready.link)


def test_a_fault_of_whoever_takes_the_codes_does_not_end_the_listening(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanners, "AGAIN_S", (0.01, 60.0))
    bench.plug()
    listening = scanner(bench.settings)
    assert listening is not None
    bench.scanner = listening

    def take(code: str) -> None:
        if code == "BAD":
            raise RuntimeError("no")
        bench.got.append(code)

    listening.start(take, lambda: bench.states.append(bench.state))
    bench.is_("ready")
    bench.send("BAD\r")
    until(lambda: bench.states == ["ready", "gone", "ready"])
    bench.send("BAD\r")
    until(lambda: bench.states == ["ready", "gone", "ready", "gone", "ready"])
    bench.send("ML-4001\r")
    bench.gives("ML-4001")


def test_stopping_lets_go_of_the_device_at_once(ready: Bench) -> None:
    assert ready.scanner is not None
    began = time.monotonic()
    ready.scanner.stop()
    assert time.monotonic() - began < 1
    ready.send("ML-4001\r")
    assert ready.got == []


def test_a_path_that_is_no_serial_line_is_told(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("no device")
    assert probe(ScannerPort(kind="serial", device=str(file))).name == "gone"


DENIED = {"serial": "usermod -aG dialout", "evdev": "usermod -aG input"}


@pytest.mark.parametrize(("kind", "group"), DENIED.items(), ids=DENIED)
def test_without_the_right_to_open_it_the_group_is_named(
    kind: str, group: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, evdev: "Evdev"
) -> None:
    def refused(*_: object, **__: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    device = tmp_path / "device"
    device.touch()
    monkeypatch.setattr(os, "open", refused)
    evdev.refused[str(device)] = errno.EACCES
    state = probe(ScannerPort(kind=kind, device=str(device)))
    assert state.name == "denied"
    assert state.trouble is not None and group in str(state.trouble[1])


# ── A keyboard of its own ────────────────────────────────────────────────────────────────────────────────────────────

EV_SYN, EV_KEY, EV_REL, SYN_DROPPED = 0, 1, 2, 3


class Keys:
    """A keyboard as the kernel has it: a pipe is readable while events wait, and at its end when it is unplugged."""

    def __init__(self) -> None:
        self.down: set[int] = set()
        self.grabbed = False
        self.codes = [*range(1, 128)]
        self._batches: list[list[tuple[int, int, int]]] = []
        self.readable, self._bell = os.pipe()

    def type(self, events: list[tuple[int, int]]) -> None:
        """Each event in a batch of its own, with its report, as a real scanner's come."""
        for code, value in events:
            self.send([(EV_KEY, code, value), (EV_SYN, 0, 0)])

    def send(self, batch: list[tuple[int, int, int]]) -> None:
        self._batches.append(batch)
        os.write(self._bell, b".")

    def take(self) -> list[tuple[int, int, int]]:
        if not os.read(self.readable, 1):
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
        return self._batches.pop(0)

    def pull(self) -> None:
        os.close(self._bell)


class Evdev:
    """Stands in for the package: what is plugged in, and what may not be opened."""

    def __init__(self) -> None:
        self.plugged: dict[str, Keys] = {}
        self.refused: dict[str, int] = {}

    def open(self, path: str) -> "InputDevice":
        if number := self.refused.get(path, 0 if path in self.plugged else errno.ENOENT):
            raise OSError(number, os.strerror(number))
        return InputDevice(self.plugged[path])


class InputDevice:
    """The methods of evdev's InputDevice that are used."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._mine = False

    def fileno(self) -> int:
        return self._keys.readable

    def active_keys(self) -> list[int]:
        return sorted(self._keys.down)

    def capabilities(self) -> dict[int, list[int]]:
        return {EV_SYN: [0], EV_KEY: self._keys.codes}

    def grab(self) -> None:
        if self._keys.grabbed:
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        self._keys.grabbed = self._mine = True

    def read(self) -> Iterator[SimpleNamespace]:
        return iter([SimpleNamespace(type=kind, code=code, value=value) for kind, code, value in self._keys.take()])

    def close(self) -> None:
        if self._mine:
            self._keys.grabbed = self._mine = False


@pytest.fixture
def evdev(monkeypatch: pytest.MonkeyPatch) -> Evdev:
    stand_in = Evdev()
    package = ModuleType("evdev")
    codes = SimpleNamespace(EV_SYN=EV_SYN, EV_KEY=EV_KEY, SYN_DROPPED=SYN_DROPPED, KEY_ENTER=ENTER)
    vars(package).update(InputDevice=stand_in.open, ecodes=codes, list_devices=lambda: list(stand_in.plugged))
    monkeypatch.setitem(sys.modules, "evdev", package)
    return stand_in


KEYBOARD = "/dev/input/by-id/usb-scanner-event-kbd"


@pytest.fixture
def typing(bench: Bench, evdev: Evdev) -> Keys:
    """A scanner that types, plugged in and listened to."""
    evdev.plugged[KEYBOARD] = keys = Keys()
    bench.listen(kind="evdev", device=KEYBOARD)
    bench.is_("ready")
    return keys


def test_what_a_grabbed_scanner_types_arrives_and_nobody_else_gets_it(bench: Bench, typing: Keys) -> None:
    typing.type([*held(SHIFT, keys("ML")), *keys("-4001"), *tap(ENTER)])
    bench.gives("ML-4001")
    assert typing.grabbed
    assert probe(bench.settings).name == "held"


def test_gs_from_a_grabbed_scanner_reaches_the_elements_of_the_code(bench: Bench, typing: Keys) -> None:
    typing.type([*keys("010950600013435210"), *held(SHIFT, keys("AB")), *held(CTRL, keys("]"))])
    typing.type([*keys("2142"), *tap(ENTER)])
    bench.gives(f"010950600013435210AB{GS}2142")
    assert dict(read(bench.got[0], Patterns()).elements) == {"01": "09506000134352", "10": "AB", "21": "42"}


def test_a_thousand_typed_codes_none_lost_none_merged(bench: Bench, typing: Keys) -> None:
    codes = [f"{n:04}-{n * 7919:08}" for n in range(1000)]
    for code in codes:
        typing.send([(EV_KEY, *event) for event in [*keys(code), *tap(ENTER)]])
    bench.gives(*codes)


def test_events_that_are_no_keys_say_nothing(bench: Bench, typing: Keys) -> None:
    typing.send([(EV_REL, 0, 5), (EV_SYN, 0, 0)])
    typing.type([*keys("4001"), *tap(ENTER)])
    bench.gives("4001")


def test_keys_that_the_kernel_dropped_make_the_code_a_rejected_one(bench: Bench, typing: Keys) -> None:
    typing.type([(SHIFT, 1), *keys("M")])
    typing.send([(EV_SYN, SYN_DROPPED, 0)])
    typing.type([*keys("4001"), *tap(ENTER), *keys("4002"), *tap(ENTER)])
    bench.gives(f"M{LOST}4001", "4002")
    assert read(bench.got[0], Patterns()).kind is ScanKind.REJECTED


def test_a_grabbed_scanner_that_is_pulled_comes_back_with_its_keys_up(bench: Bench, typing: Keys, evdev: Evdev) -> None:
    typing.type([*keys("4001"), *tap(ENTER), (SHIFT, 1), *keys("4")])
    bench.gives("4001")
    del evdev.plugged[KEYBOARD]
    typing.pull()
    bench.is_("gone")
    evdev.plugged[KEYBOARD] = again = Keys()
    bench.is_("ready")
    again.type([*keys("4002"), *tap(ENTER)])
    bench.gives("4001", "4002")


def test_a_key_that_is_down_is_let_go_where_it_was_pressed_before_the_grab(bench: Bench, evdev: Evdev) -> None:
    evdev.plugged[KEYBOARD] = typing = Keys()
    typing.down = {ENTER}
    bench.listen(kind="evdev", device=KEYBOARD)
    time.sleep(0.1)
    assert not typing.grabbed
    typing.down = set()
    bench.is_("ready")
    assert typing.grabbed


def test_without_the_package_the_way_to_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "evdev", None)
    state = probe(ScannerPort(kind="evdev", device=KEYBOARD))
    assert state.name == "unusable"
    assert state.trouble is not None and "evdev" in str(state.trouble[0]) and "install" in str(state.trouble[1])


def test_keyboards_that_are_there_are_listed_and_other_inputs_are_not(evdev: Evdev) -> None:
    evdev.plugged = {"/dev/input/event3": Keys(), "/dev/input/event4": Keys()}
    evdev.plugged["/dev/input/event4"].codes = [0x110, 0x111]
    assert present("evdev") == ["/dev/input/event3"]


# ── Settings ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_scanner_that_types_needs_nothing_of_this() -> None:
    assert scanner(ScannerPort()) is None


@pytest.mark.parametrize(
    ("given_", "reason"),
    [
        pytest.param({"kind": "serial"}, "kind serial needs device", id="serial without a device"),
        pytest.param({"kind": "evdev"}, "kind evdev needs device", id="evdev without a device"),
        pytest.param({"kind": "usb", "device": "/dev/ttyACM0"}, "'keyboard', 'serial' or 'evdev'", id="unknown kind"),
        pytest.param({"kind": "serial", "device": "ttyACM0"}, "its whole path", id="a name alone"),
        pytest.param({"kind": "serial", "device": "/dev/ttyACM0", "baud": 9601}, "9600, 19200", id="no such speed"),
    ],
)
def test_settings_that_lead_nowhere_are_refused(given_: dict[str, object], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        ScannerPort.model_validate(given_)


CHECKED = {
    "serial without a device": ('kind = "serial"', 1, "needs device"),
    "a device without its folder": ('kind = "serial"\ndevice = "ttyACM0"', 1, "/dev/serial/by-id"),
    "unknown kind": ('kind = "usb"', 2, "'keyboard', 'serial' or 'evdev'"),
    "a speed that no line has": ('kind = "serial"\ndevice = "/dev/ttyACM0"\nbaud = 9601', 4, "9600, 19200"),
    "a mistyped key": ('knid = "serial"', 2, "did you mean 'kind'"),
}


@pytest.mark.parametrize(("settings", "line", "said"), CHECKED.values(), ids=CHECKED)
def test_config_check_says_in_one_line_what_is_wrong_with_the_scanner(
    settings: str, line: int, said: str, tmp_path: Path
) -> None:
    file = tmp_path / "station.toml"
    file.write_text(f"[scanner]\n{settings}\n", encoding="utf-8")
    (problem,) = config.problems(file)
    assert (problem.file, problem.line) == (file, line)
    assert said in str(problem)


def patience(framing: Framing) -> float | None:
    return framing.patience


def test_the_rest_of_half_a_code_is_no_code_and_later_ones_are() -> None:
    framing = Framing()
    assert framing.feed(b"3700471002479\r") == ["3700471002479"], "this scanner ends its codes"
    assert framing.feed(b"RMA-9") == []
    assert framing.silence() == ["RMA-9" + LOST]
    assert patience(framing) == STALL_S
    assert framing.feed(b"3760311300165\r") == [LOST + "3760311300165"]
    assert framing.feed(b"3760311300165\r") == ["3760311300165"]
    assert framing.feed(b"RMA-9") == []
    assert framing.silence() == ["RMA-9" + LOST]
    assert framing.silence() == []
    assert patience(framing) is None
    assert framing.feed(b"3760311300165\r") == ["3760311300165"], "half a second later it is a code of its own"


def test_a_code_with_its_prefix_behind_half_a_code_is_whole() -> None:
    framing = Framing(prefix="~")
    framing.feed(b"~A\r~RMA-9")
    assert framing.silence() == ["RMA-9" + LOST]
    assert framing.feed(b"~3760311300165\r") == ["3760311300165"]
