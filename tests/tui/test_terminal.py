"""What a terminal sends, as keys: data stays data, and silence is told in order with the keys."""

import os
import threading
import time
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual import constants, events
from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message

from inspect_station.core.barcode import LOST
from inspect_station.tui.app import key_name
from inspect_station.tui.terminal import Reader, Silence, Terminal


def told(events_: Iterable[Message]) -> list[str]:
    """Names of keys; pastes in brackets; nothing of the terminal's own reports."""
    names = []
    for event in events_:
        match event:
            case events.Key():
                names.append(key_name(event))
            case events.Paste(text=text):
                names.append(f"<{text}>")
    return names


def read(*reads: bytes) -> list[str]:
    reader = Reader()
    return [name for data in reads for name in told(reader.read(data))]


@pytest.mark.parametrize(
    ("reads", "names"),
    [
        pytest.param([b"A", b"7", b"/"], ["A", "7", "/"], id="characters"),
        pytest.param(["é".encode()], ["é"], id="UTF-8"),
        pytest.param(["é".encode()[:1], "é".encode()[1:]], ["é"], id="UTF-8 in two reads"),
        pytest.param([b"\xe9A"], [LOST, "A"], id="Latin-1 is no text, and ends nothing"),
        pytest.param([b"\r", b"\n", b"\t"], ["enter", "enter", "tab"], id="ends"),
        pytest.param([b"\x1b"], ["\x1b"], id="Esc at once"),
        pytest.param([b"\x06]E0A"], [*"\x06]E0A"], id="the recommended prefix and an AIM identifier"),
        pytest.param([b"\x7f", b"\x08"], ["\x7f", "\x08"], id="Backspace"),
        pytest.param([b"\x1b[A", b"\x1bOQ", b"\x1b[20~"], ["up", "f2", "f9"], id="arrows and function keys"),
        pytest.param([b"\x1b[A\x1b[A\x1b[B"], ["up", "up", "down"], id="several in one read"),
        pytest.param([b"\x1b[97;;97u\x1b[49;;49u"], ["a", "1"], id="Kitty's protocol"),
        pytest.param([b"\x1b[93;5u", b"\x1b[102;5u"], ["\x1d", "\x06"], id="control characters in Kitty's protocol"),
        pytest.param([b"\x1ba"], [LOST, "a"], id="Alt, or Esc held back by tmux"),
        pytest.param([b"\x1b[I", b"\x1b[O", b"\x1b[?2026;2$y"], [], id="the terminal's own reports"),
        pytest.param([b"\x1b[@", b"Z"], ["Z"], id="a sequence that nobody knows ends nothing"),
        pytest.param([b"\x1b[:u", b"Z"], [*"\x1b[:uZ"], id="a sequence that is none is data"),
        pytest.param([b"AB\x1d21C\r"], [*"AB\x1d21C", "enter"], id="the GS1 separator"),
        pytest.param([b"\x1b", b"[", b"A"], ["\x1b", "[", "A"], id="a sequence typed byte by byte is data"),
        pytest.param([b"A\x1b[31mB\r"], [*"A\x1b[31mB", "enter"], id="a sequence inside a code is data"),
        pytest.param([b"\x1b[AB\r"], [*"\x1b[AB", "enter"], id="a sequence before a code is data"),
        pytest.param([b"A\x1b[200~B\r", b"C"], [*"A\x1b[200~B", "enter", "C"], id="a code cannot begin a paste"),
        pytest.param([b"\x1b[200~A\x1dB\nC\x1b[201~"], ["<A\x1dB\nC>"], id="a paste"),
        pytest.param([b"\x1b[200~A", b"B\x1b[20", b"1~C"], ["<AB>", "C"], id="a paste in three reads"),
    ],
)
def test_reads(reads: list[bytes], names: list[str]) -> None:
    assert read(*reads) == names


@pytest.mark.parametrize("point", [*range(0x20), 0x7F, *range(0x80, 0xA0)])
def test_no_control_character_inside_a_code_is_lost(point: int) -> None:
    sign = chr(point)
    shown = {"\r": "enter", "\n": "enter", "\t": "tab"}.get(sign, sign)
    assert read(*(each.encode() for each in f"AB{sign}CD")) == ["A", "B", shown, "C", "D"]
    assert read(f"AB{sign}CD".encode()) == ["A", "B", shown, "C", "D"]


def test_a_paste_that_never_ends_is_ended_by_silence() -> None:
    reader = Reader()
    assert told(reader.read(b"\x1b[200~ABC\r")) == []
    assert told(reader.ended()) == ["<ABC\r>"]
    assert told(reader.read(b"D")) == ["D"]


def test_an_endless_paste_is_not_kept() -> None:
    reader = Reader()
    assert told(reader.read(b"\x1b[200~")) == []
    for _ in range(100):
        list(reader.read(b"x" * 4096))
    (paste,) = told(reader.ended())
    assert len(paste) < 100_000


@given(st.lists(st.binary(max_size=20), max_size=20))
def test_whatever_comes_the_reader_goes_on(reads: list[bytes]) -> None:
    reader = Reader()
    for data in reads:
        list(reader.read(data))
    list(reader.ended())
    list(reader.read(b" "))  # ends what could still have become a character
    assert told(reader.read(b"Z")) == ["Z"]


class Line:
    """A terminal driver on a pipe, without an app."""

    def __init__(self, waits: tuple[float, ...]) -> None:
        self.out, self.into = os.pipe()
        self.told: list[tuple[float, str]] = []
        self.driver = object.__new__(Terminal.telling(waits))
        self.driver.fileno = self.out
        self.driver.exit_event = threading.Event()
        self.driver.process_message = self._heard  # type: ignore[method-assign]
        self.thread = threading.Thread(target=self.driver.run_input_thread)

    def _heard(self, message: Message) -> None:
        name = "…" if isinstance(message, Silence) else "".join(told([message]))
        self.told.append((message.time, name))

    def end(self) -> None:
        self.driver.exit_event.set()
        self.thread.join()
        os.close(self.out)
        os.close(self.into)


def test_silence_comes_in_order_with_the_keys_and_only_after_them() -> None:
    line = Line((0.04, 0.15))
    line.thread.start()
    os.write(line.into, b"A")
    time.sleep(0.3)
    os.write(line.into, b"B")
    time.sleep(0.3)
    line.end()
    start = next(n for n, (_, name) in enumerate(line.told) if name == "A")
    (a, _), (first, _), (second, _), (b, _) = line.told[start : start + 4]
    assert [name for _, name in line.told[start:]] == ["A", "…", "…", "B", "…", "…"]
    assert (first - a, second - a) == pytest.approx((0.04, 0.15))
    assert b > second


def test_a_key_that_waited_while_the_machine_stood_still_is_no_later_than_the_silence_that_nobody_saw(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The clock jumps between two keys, but no silence was observed: the second must not seem 5 s away.
    line = Line((0.04, 0.15))
    os.write(line.into, b"A")
    at = [100.0]
    monkeypatch.setattr("inspect_station.tui.terminal.monotonic", lambda: at[0])
    heard = line._heard

    def stall(message: Message) -> None:
        heard(message)
        if line.told[-1][1] == "A":
            os.write(line.into, b"B")
            at[0] += 5.0
        elif line.told[-1][1] == "B":
            line.driver.exit_event.set()

    line.driver.process_message = stall  # type: ignore[method-assign]
    line.thread.start()
    line.thread.join(5)
    keys = [(when, name) for when, name in line.told if name != "…"]
    line.end()
    assert [name for _, name in keys] == ["A", "B"]
    assert keys[1][0] - keys[0][0] == pytest.approx(0.04)


def test_shift_and_its_like_are_no_keys_where_a_terminal_reports_them() -> None:
    # As kitty's protocol sends ``ML-4001``: Shift as a key of its own before each capital letter.
    reader = Reader()
    sent = [b"\x1b[57441;2u", b"\x1b[77;2;77u", b"\x1b[57441;2u", b"\x1b[76;2;76u", b"-", b"4"]
    assert [name for data in sent for name in told(reader.read(data))] == ["M", "L", "-", "4"]


def test_kittys_protocol_is_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    monkeypatch.setattr(LinuxDriver, "start_application_mode", lambda _: asked.append(constants.DISABLE_KITTY_KEY))
    object.__new__(Terminal).start_application_mode()
    assert asked == [True]
