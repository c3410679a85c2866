"""Keys with their times: a scan is never a hotkey, a hand never a scan."""

import re
import tomllib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspect_station.core.barcode import GS, LOST, MOST, Patterns, Scan, ScanKind, read
from inspect_station.core.wedge import Doubled, Mode, Out, Press, Retract, Scanned, Wedge

ARTICLE = "0103700471002479"


def look(raw: str) -> Scan:
    return read(raw, Patterns())


Keys = Iterable[tuple[float, str]]
Screen = Callable[[Wedge, Keys], list[Out]]
CODE = "RMA-1A2B"


def run(wedge: Wedge, keys: Keys) -> list[Out]:
    """Feed keys at their times; call tick exactly when due, as a screen would, and until all is settled."""
    outs: list[Out] = []
    for at, key in keys:
        while wedge.due is not None and wedge.due < at:
            outs += wedge.tick(wedge.due)
        outs += wedge.feed(at, key)
    while wedge.due is not None:
        outs += wedge.tick(wedge.due)
    return outs


def tardy(wedge: Wedge, keys: Keys) -> list[Out]:
    """The same on a screen too busy to tick before the next key."""
    outs = [out for at, key in keys for out in wedge.feed(at, key)]
    return [*outs, *run(wedge, [])]


def typed(text: str, gap_ms: float, start_ms: float = 0, end: str = "enter") -> list[tuple[float, str]]:
    """Characters at an even gap, then the end as quickly; times in seconds."""
    keys = [*text, end] if end else [*text]
    return [((start_ms + n * gap_ms) / 1000, key) for n, key in enumerate(keys)]


def presses(keys: Iterable[str]) -> list[Out]:
    return [Press(key) for key in keys]


@pytest.mark.parametrize("end", ["enter", "tab"])
@pytest.mark.parametrize(
    ("gap_ms", "outs"),
    [
        pytest.param(5, [Scanned(CODE)], id="5 ms, USB"),
        pytest.param(15, [Scanned(CODE)], id="15 ms"),
        pytest.param(39, [Scanned(CODE)], id="39 ms, just inside the hold"),
        pytest.param(45, [Press("R"), Retract(1), Scanned(CODE)], id="45 ms: the first key has acted"),
        pytest.param(80, [Press("R"), Retract(1), Scanned(CODE)], id="80 ms, slow Bluetooth"),
        pytest.param(145, [Press("R"), Retract(1), Scanned(CODE)], id="145 ms, slower than any"),
        pytest.param(155, presses([*CODE]), id="155 ms is a hand"),
    ],
)
def test_a_scan_is_no_hotkey(gap_ms: float, outs: list[Out], end: str) -> None:
    # At 155 ms the last key, too, is a press.
    expected = [*outs, Press(end)] if outs == presses([*CODE]) else outs
    assert run(Wedge(), typed(CODE, gap_ms, end=end)) == expected


@pytest.mark.parametrize("gap_ms", [180, 250, 400])
@pytest.mark.parametrize("mode", ["keys", "text"])
@pytest.mark.parametrize("screen", [run, tardy])
def test_a_hand_that_types_the_same_text_presses_keys(screen: Screen, mode: Mode, gap_ms: float) -> None:
    wedge = Wedge()
    wedge.mode = mode
    assert screen(wedge, typed(CODE, gap_ms)) == presses([*CODE, "enter"])


@pytest.mark.parametrize("gap_ms", [5, 15, 40])
def test_a_scan_without_its_enter_is_still_no_hotkey(gap_ms: float) -> None:
    outs = run(Wedge(), typed(CODE, gap_ms, end=""))
    assert [out for out in outs if isinstance(out, Scanned)] == [Scanned(CODE)]
    assert outs.count(Press("R")) == sum(out.count for out in outs if isinstance(out, Retract))
    assert len(outs) in (1, 3)


@pytest.mark.parametrize(
    ("keys", "outs"),
    [
        pytest.param([(0, "1")], ["1"], id="one key"),
        pytest.param([(0, "enter")], ["enter"], id="Enter alone"),
        pytest.param([(0, "enter"), (0.05, "enter")], ["enter", "enter"], id="Enter twice"),
        pytest.param([(0, "8"), (0.12, "7"), (0.22, "enter")], ["8", "7", "enter"], id="a quick measure"),
        pytest.param([(0, "8"), (0.02, "7"), (0.05, "enter")], ["8", "7", "enter"], id="a measure in one stroke"),
        pytest.param(
            [(0, "1"), (0.1, "0"), (0.2, "0"), (0.3, "enter")],
            ["1", "0", "0", "enter"],
            id="a measure of three",
        ),
        pytest.param([(0, "3"), (0.17, "enter")], ["3", "enter"], id="Enter 170 ms behind a digit"),
        pytest.param([(0, "3"), (0.03, "enter")], ["3", "enter"], id="Enter while the digit is held"),
        pytest.param([(0, "p"), (0.1, "p"), (0.2, "enter")], ["p", "p", "enter"], id="two photos, quickly"),
        pytest.param(
            [(0, "1"), (0.1, "2"), (0.2, "4"), (0.3, "5")],
            ["1", "2", "4", "5"],
            id="four rows toggled, quickly",
        ),
        pytest.param([(0, "3"), (0.02, "f2"), (0.04, "4")], ["3", "f2", "4"], id="a named key keeps its place"),
        pytest.param([(0, "escape")], ["escape"], id="a named key alone"),
    ],
)
def test_a_hand_never_makes_a_scan(keys: Keys, outs: list[str]) -> None:
    assert run(Wedge(), keys) == presses(outs)


def test_when_a_hands_keys_act() -> None:
    wedge = Wedge(hold_ms=40)
    assert wedge.due is None
    assert wedge.feed(1.0, "enter") == (Press("enter"),)
    assert wedge.due is None
    assert wedge.feed(2.0, "3") == ()
    assert wedge.due == pytest.approx(2.04)
    assert wedge.tick(2.03) == ()
    assert wedge.tick(2.04) == (Press("3"),)
    assert wedge.due == pytest.approx(2.15), "it can still be taken back"
    assert wedge.tick(2.15) == ()
    assert wedge.due is None


def test_a_key_that_comes_before_a_late_tick_settles_what_was_open() -> None:
    wedge = Wedge()
    assert wedge.feed(0.0, "8") == ()
    assert wedge.feed(5.0, "7") == (Press("8"),)
    assert wedge.due == pytest.approx(5.04)
    assert wedge.feed(9.0, "enter") == (Press("7"), Press("enter"))


@pytest.mark.parametrize("before_ms", [90, 100, 149, 160, 200])
@pytest.mark.parametrize("gap_ms", [5, 15, 35])
def test_a_hands_key_just_before_a_scan_stays_a_press(before_ms: float, gap_ms: float) -> None:
    keys = [(0.0, "3"), *typed(CODE, gap_ms, before_ms)]
    assert run(Wedge(), keys) == [Press("3"), Scanned(CODE)]


def test_two_keys_of_a_hand_just_before_a_scan() -> None:
    keys = [(0.0, "8"), (0.12, "7"), *typed(CODE, 5, 220)]
    assert run(Wedge(), keys) == [Press("8"), Press("7"), Scanned(CODE)]


@pytest.mark.parametrize(("before_ms", "gap_ms"), [(60, 5), (75, 15), (75, 40), (100, 80), (140, 80)])
def test_a_key_too_close_to_a_scan_is_seen_as_part_of_it_and_taken_back(before_ms: float, gap_ms: float) -> None:
    keys = [(0.0, "3"), *typed(CODE, gap_ms, before_ms)]
    assert run(Wedge(), keys) == [Press("3"), Retract(1), Scanned("3" + CODE)]


@pytest.mark.parametrize("stall_ms", [60, 80, 140])
def test_a_stall_inside_a_scan_does_not_break_it(stall_ms: float) -> None:
    keys = typed(CODE[:3], 5, end="") + typed(CODE[3:], 5, 10 + stall_ms)
    assert run(Wedge(), keys) == [Scanned(CODE)]


@pytest.mark.parametrize("gap_ms", [5, 15])
def test_two_scans_50_ms_apart(gap_ms: float) -> None:
    first = typed("3700471002479", gap_ms)
    keys = first + typed(CODE, gap_ms, first[-1][0] * 1000 + 50)
    assert run(Wedge(), keys) == [Scanned("3700471002479"), Scanned(CODE)]


@pytest.mark.parametrize(
    ("pause_ms", "again"),
    [(50, Doubled(CODE)), (590, Doubled(CODE)), (610, Scanned(CODE))],
)
def test_the_same_code_at_once_is_a_double_read(pause_ms: float, again: Out) -> None:
    first = typed(CODE, 10)
    keys = first + typed(CODE, 10, first[-1][0] * 1000 + pause_ms)
    assert run(Wedge(), keys) == [Scanned(CODE), again]


def test_a_scanner_left_on_a_label_keeps_being_dropped() -> None:
    keys = [key for n in range(4) for key in typed(CODE, 10, n * 500)]
    assert run(Wedge(), keys) == [Scanned(CODE), *[Doubled(CODE)] * 3]


def test_the_double_window_can_be_set() -> None:
    keys = typed(CODE, 10) + typed(CODE, 10, 400)
    assert run(Wedge(double_ms=200), keys) == [Scanned(CODE), Scanned(CODE)]


@pytest.mark.parametrize(
    ("tail", "outs"),
    [
        pytest.param([(0.001, "enter")], [], id="CR LF"),
        pytest.param([(0.010, "tab"), (0.020, "enter")], [], id="CR, Tab, CR"),
        pytest.param([(0.140, "enter")], [], id="140 ms later"),
        pytest.param([(0.160, "enter")], ["enter"], id="160 ms later is a hand's"),
        pytest.param([(0.060, "p"), (0.120, "enter")], ["p", "enter"], id="a key between: the Enter is a hand's"),
    ],
)
def test_an_enter_right_behind_a_scan_is_swallowed(tail: list[tuple[float, str]], outs: list[str]) -> None:
    scan = typed(CODE, 5)
    keys = scan + [(scan[-1][0] + later, key) for later, key in tail]
    assert run(Wedge(), keys) == [Scanned(CODE), *presses(outs)]


def test_control_characters_and_escape_sequences_stay_in_the_scan_and_are_rejected() -> None:
    with_control = run(Wedge(), typed("AB\x11CD", 5))
    assert with_control == [Scanned("AB\x11CD")]
    keys = [(n * 0.005, key) for n, key in enumerate(["A", "B", "C", "D", "f2", "E", "enter"])]
    with_escape = run(Wedge(), keys)
    assert with_escape == [Scanned("ABCD" + LOST + "E")]
    for out in (*with_control, *with_escape):
        assert isinstance(out, Scanned)
        assert look(out.text).kind is ScanKind.REJECTED


def test_a_gs1_separator_stays_in_the_scan() -> None:
    text = f"]d2{ARTICLE}10LOT7{GS}21S123"
    (out,) = run(Wedge(), typed(text, 8))
    assert isinstance(out, Scanned)
    assert look(out.text).serial == "S123"


def test_a_key_held_down_is_one_unknown_code_not_many_presses() -> None:
    keys = [(0.0, "1"), *[(0.5 + n * 0.033, "1") for n in range(20)]]
    assert run(Wedge(), keys) == [Press("1"), Scanned("1" * 20)]


# --- wedge: text fields ----------------------------------------------------------------------------------


def in_text(wedge: Wedge | None = None) -> Wedge:
    wedge = wedge or Wedge()
    wedge.mode = "text"
    return wedge


@pytest.mark.parametrize("gap_ms", [5, 15, 40, 80])
def test_a_scan_into_a_text_field_is_pulled_out_again(gap_ms: float) -> None:
    assert run(in_text(), typed(CODE, gap_ms)) == [*presses(CODE), Retract(len(CODE)), Scanned(CODE)]


def test_what_a_hand_typed_before_the_scan_stays_in_the_field() -> None:
    keys = typed("ok", 200, end="") + typed(CODE, 10, 400)
    assert run(in_text(), keys) == [*presses("ok" + CODE), Retract(len(CODE)), Scanned(CODE)]


@pytest.mark.parametrize(
    ("text", "gap_ms", "end"),
    [
        pytest.param("scratched", 95, "enter", id="a quick typist"),
        pytest.param("note", 60, "enter", id="a short word in one stroke"),
        pytest.param("----------", 33, "", id="a key held down"),
    ],
)
def test_a_quick_hand_in_a_text_field_is_no_scan(text: str, gap_ms: float, end: str) -> None:
    assert run(in_text(), typed(text, gap_ms, end=end)) == presses([*text, end] if end else text)


def test_a_double_read_into_a_text_field_is_pulled_out_too() -> None:
    keys = typed(CODE, 10) + typed(CODE, 10, 300)
    out = [*presses(CODE), Retract(len(CODE))]
    assert run(in_text(), keys) == [*out, Scanned(CODE), *out, Doubled(CODE)]


def test_a_first_key_that_opens_a_text_field_is_taken_back_with_the_rest() -> None:
    wedge = Wedge()
    outs = [*wedge.feed(0.0, "n"), *wedge.tick(0.04)]
    wedge.mode = "text"
    outs += run(wedge, typed("12345", 60, 60))
    assert outs == [*presses("n12345"), Retract(6), Scanned("n12345")]


@pytest.mark.parametrize("gap_ms", [45, 60, 80])
def test_a_first_key_that_opens_a_text_field_is_taken_back_also_where_the_scanner_sends_no_end(gap_ms: float) -> None:
    wedge = Wedge()
    keys = typed("3760311200021", gap_ms, end="")
    outs = [*wedge.feed(*keys[0]), *wedge.tick(keys[0][0] + 0.04)]
    wedge.mode = "text"
    outs += run(wedge, keys[1:])
    assert replay(outs) == [Scanned("3760311200021")]


@pytest.mark.parametrize("gaps_ms", [(80, 40, 120, 80, 80, 80), (80, 80, 90, 80, 80, 80), (60, 140, 20, 60, 60, 60)])
def test_one_long_gap_among_short_ones_does_not_leave_a_scan_in_a_text_field(gaps_ms: tuple[int, ...]) -> None:
    keys, now = [], 0.0
    for sign, gap in zip((*"ML-401", "enter"), (0, *gaps_ms), strict=True):
        now += gap / 1000
        keys.append((now, sign))
    assert replay(run(in_text(), keys)) == [Scanned("ML-401")]


def test_only_the_scan_is_taken_back_when_the_focus_moves_to_a_text_field_in_the_middle_of_it() -> None:
    wedge = Wedge()
    outs = [*wedge.feed(0.0, "3"), *wedge.tick(0.04), *wedge.feed(0.12, "R")]
    wedge.mode = "text"
    outs += run(wedge, typed(CODE[1:], 5, 125))
    assert outs == [Press("3"), *presses(CODE), Retract(len(CODE)), Scanned(CODE)]


# --- wedge: with a prefix --------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["keys", "text"])
@pytest.mark.parametrize("gap_ms", [1, 80, 200, 450])
def test_with_a_prefix_a_scan_is_certain_at_any_pace(gap_ms: float, mode: Mode) -> None:
    wedge = Wedge(prefix="~")
    wedge.mode = mode
    assert run(wedge, typed("~" + CODE, gap_ms)) == [Scanned(CODE)]


@pytest.mark.parametrize(
    ("prefix", "suffix", "keys", "outs"),
    [
        pytest.param("~", "", typed("123456", 15), presses([*"123456", "enter"]), id="without it, keys are keys"),
        pytest.param("~", "", typed("123456", 5), [Scanned(LOST + "123456")], id="a scanner that does not send it"),
        pytest.param("~", "", typed("123456", 5, end=""), [Scanned(LOST + "123456")], id="nor an end"),
        pytest.param("~", "", typed("12", 5, end=""), presses("12"), id="two keys in one stroke"),
        pytest.param("~", "", typed("1", 5), [Scanned(LOST + "1")], id="one sign and its Enter, from no hand"),
        pytest.param(
            "~",
            "",
            typed("123", 5, end="") + typed("~AB", 5, 30),
            [Scanned(LOST + "123"), Scanned("AB")],
            id="a prefix behind it",
        ),
        pytest.param("\x02", "\x03", typed(f"\x02{CODE}\x03", 5), [Scanned(CODE)], id="STX and ETX, then Enter"),
        pytest.param("#!", "", typed("##!AB", 5), [Press("#"), Scanned("AB")], id="the prefix begins late"),
        pytest.param("#!", "", typed("#1", 200, end=""), presses("#1"), id="a hand types its first character"),
        pytest.param("~", "", typed("~", 200), presses(["~", "enter"]), id="a hand types it and Enter"),
        pytest.param("~", "", typed("~AB", 5, end=""), [Scanned("AB")], id="silence ends it"),
        pytest.param("~", "^", typed("~AB", 5), [Scanned("AB" + LOST)], id="its suffix is missing: half a code"),
        pytest.param("~", "^", typed("~^", 5), presses(["~", "^", "enter"]), id="nothing between"),
        pytest.param("~", "", typed("1~AB", 5), [Press("1"), Scanned("AB")], id="a key right before it"),
        pytest.param(
            "~", "", typed("~AB", 5) + typed("~AB", 5, 60), [Scanned("AB"), Doubled("AB")], id="a double read"
        ),
    ],
)
def test_with_a_prefix(prefix: str, suffix: str, keys: Keys, outs: list[Out]) -> None:
    assert run(Wedge(prefix=prefix, suffix=suffix), keys) == outs


def test_with_a_prefix_keys_act_when_nothing_follows_at_a_machines_pace() -> None:
    wedge = Wedge(prefix="#!")
    assert wedge.feed(0.000, "1") == ()
    assert wedge.due == pytest.approx(0.012)
    assert wedge.tick(0.012) == (Press("1"),)
    assert wedge.feed(0.020, "f2") == (Press("f2"),)
    assert wedge.feed(0.040, "#") == (), "it may begin a scan"
    assert wedge.feed(0.060, "2") == ()
    assert wedge.tick(0.072) == (Press("#"), Press("2"))
    assert wedge.due is None


# --- wedge: any hand and any scanner ---------------------------------------------------------------------

KEYS = [*"0123456789pfnhox ", "enter", "tab", "escape", "down"]
hand = st.tuples(st.just("hand"), st.sampled_from(KEYS), st.floats(0.160, 0.9))


def scans(least: int) -> st.SearchStrategy[tuple[str, str, float, list[float]]]:
    """A code, the pause before it, and the gap behind each of its characters."""
    gaps = st.one_of(
        st.sampled_from([0.005, 0.015, 0.040, 0.080]).map(lambda gap: [gap] * 30),
        st.lists(st.floats(0.0005, 0.080), min_size=30, max_size=30),
    )
    codes = st.text("0123456789ABCDEFR-/" + GS, min_size=least, max_size=20)
    return st.tuples(st.just("scan"), codes, st.floats(0.160, 0.9), gaps)


def replay(outs: list[Out]) -> list[Out]:
    """What is left when each retract has taken back the presses before it."""
    left: list[Out] = []
    for out in outs:
        if isinstance(out, Retract):
            assert all(isinstance(taken, Press) for taken in left[-out.count :])
            assert out.count <= len(left)
            del left[-out.count :]
        else:
            left.append(out)
    return left


def story_of(
    acts: list[tuple[str, str, float] | tuple[str, str, float, list[float]]],
) -> tuple[Keys, list[Out]]:
    """The keys of a hand and a scanner in turns, and what must come out of them."""
    now, keys, expected = 0.0, [], list[Out]()
    last, last_end = "", -1.0
    for act in acts:
        now += act[2]
        if len(act) == 3:
            keys.append((now, act[1]))
            expected.append(Press(act[1]))
            continue
        code, begin = act[1], now
        for sign, gap in zip(code, act[3], strict=False):
            keys.append((now, sign))
            now += gap
        keys.append((now, "enter"))
        expected.append(Doubled(code) if code == last and begin - last_end < 0.6 else Scanned(code))
        last, last_end = code, now
    return keys, expected


@pytest.mark.parametrize("screen", [run, tardy])
@pytest.mark.parametrize(("mode", "least"), [("keys", 4), ("text", 6)])
@given(data=st.data())
@settings(deadline=None)
def test_hands_and_scans_come_out_as_they_went_in(mode: Mode, least: int, screen: Screen, data: st.DataObject) -> None:
    keys, expected = story_of(data.draw(st.lists(hand | scans(least), max_size=12)))
    wedge = Wedge()
    wedge.mode = mode
    assert replay(screen(wedge, keys)) == expected
    assert wedge.due is None


@given(
    st.lists(st.tuples(st.floats(0, 0.3), st.sampled_from([*"~^1A\x1d", "enter", "f2"])), max_size=40),
    st.data(),
)
@settings(deadline=None)
def test_no_key_is_lost_or_invented_whatever_the_timing(steps: list[tuple[float, str]], data: st.DataObject) -> None:
    prefix, suffix, mode = data.draw(st.sampled_from([("", "", "keys"), ("", "", "text"), ("~", "^", "keys")]))
    wedge, now, keys = Wedge(prefix=prefix, suffix=suffix), 0.0, []
    wedge.mode = "text" if mode == "text" else "keys"
    for gap, key in steps:
        now += gap
        keys.append((now, key))
    came_out = ""
    for out in replay(run(wedge, keys)):
        assert not isinstance(out, Retract)
        text = out.key if isinstance(out, Press) else out.text
        came_out += text if len(text) == 1 or not isinstance(out, Press) else {"enter": "", "f2": LOST}[text]
    went_in = "".join({"enter": "", "f2": LOST}.get(key, key) for _, key in keys)
    # Half a code shows with a lost character; prefix and suffix frame the scans.
    frame = "[~^\ufffd]" if prefix else LOST
    came_out, went_in = (re.sub(frame, "", text) for text in (came_out, went_in))
    assert came_out == went_in


# --- codes that come in one piece ------------------------------------------------------------------------


def test_a_code_in_one_piece_is_a_scan_and_again_at_once_a_double_read() -> None:
    wedge = Wedge()
    assert wedge.whole(1.0, CODE) == (Scanned(CODE),)
    assert wedge.whole(1.5, CODE) == (Doubled(CODE),)
    assert wedge.whole(2.2, CODE) == (Scanned(CODE),)


def test_the_same_code_typed_and_in_one_piece_is_a_double_read() -> None:
    wedge = Wedge()
    assert run(wedge, typed(CODE, 5)) == [Scanned(CODE)]
    assert wedge.whole(0.2, CODE) == (Doubled(CODE),)


def test_a_hands_key_before_a_code_in_one_piece_acts_first() -> None:
    wedge = Wedge()
    assert wedge.feed(1.0, "3") == ()
    assert wedge.whole(1.01, CODE) == (Press("3"), Scanned(CODE))
    assert wedge.due is None


# --- recorded and composed gaps --------------------------------------------------------------------------


@dataclass(frozen=True)
class Trace:
    """The gaps of one scan: 13 characters and the Enter behind them."""

    name: str
    how: str
    gaps_ms: Sequence[float]

    def keys(self, code: str, start_ms: float = 0) -> list[tuple[float, str]]:
        """The code, typed so."""
        times = accumulate(self.gaps_ms, initial=start_ms)
        return [(at / 1000, key) for at, key in zip(times, [*code, "enter"], strict=True)]


TRACES = [
    Trace(**trace)
    for trace in tomllib.loads((Path(__file__).parents[1] / "data/wedge/traces.toml").read_text("utf-8"))["trace"]
]
EAN, OTHER = "3760311200144", "9783161484100"
traced = pytest.mark.parametrize("trace", TRACES, ids=lambda trace: trace.name)
both_modes = pytest.mark.parametrize("mode", ["keys", "text"])


def in_mode(mode: Mode) -> Wedge:
    wedge = Wedge()
    wedge.mode = mode
    return wedge


@traced
@both_modes
@pytest.mark.parametrize("screen", [run, tardy])
def test_a_traced_scan_comes_out_once_and_presses_nothing(screen: Screen, mode: Mode, trace: Trace) -> None:
    assert replay(screen(in_mode(mode), trace.keys(EAN))) == [Scanned(EAN)]


@traced
@both_modes
@pytest.mark.parametrize("pause_ms", [50, 400])
def test_two_traced_scans_are_two(pause_ms: float, mode: Mode, trace: Trace) -> None:
    first = trace.keys(EAN)
    keys = first + trace.keys(OTHER, first[-1][0] * 1000 + pause_ms)
    assert replay(run(in_mode(mode), keys)) == [Scanned(EAN), Scanned(OTHER)]


@traced
@both_modes
@pytest.mark.parametrize("before_ms", [90, 120, 170, 300])
def test_a_hands_key_before_and_after_a_traced_scan_stays_a_press(before_ms: float, mode: Mode, trace: Trace) -> None:
    # The promise: 90 ms, and twice the scan's own largest gap; from 150 ms on it is told by the silence.
    before_ms = max(before_ms, min(2 * max(trace.gaps_ms), 155))
    scan = trace.keys(EAN, before_ms)
    after = scan[-1][0] + max(before_ms, 155) / 1000
    keys = [(0.0, "3"), *scan, (after, "f"), (after + 0.2, "enter")]
    assert replay(run(in_mode(mode), keys)) == [Press("3"), Scanned(EAN), Press("f"), Press("enter")]


@traced
def test_a_traced_scan_with_a_prefix_is_certain(trace: Trace) -> None:
    keys = [(-0.01, "\x06"), *trace.keys(EAN)]
    assert run(Wedge(prefix="\x06"), keys) == [Scanned(EAN)]


# --- short, long and torn codes --------------------------------------------------------------------------


@both_modes
@pytest.mark.parametrize("code", ["A7", "123", "B12C"])
def test_a_short_code_at_a_pace_that_no_hand_has_is_a_scan(code: str, mode: Mode) -> None:
    assert replay(run(in_mode(mode), typed(code, 5))) == [Scanned(code)]


@both_modes
@pytest.mark.parametrize(("prefix", "end"), [("", "enter"), ("", ""), ("~", "enter"), ("~", "")])
def test_an_endless_burst_is_one_scan_too_long_to_be_read(prefix: str, end: str, mode: Mode) -> None:
    wedge = Wedge(prefix=prefix)
    wedge.mode = mode
    outs = run(wedge, typed(prefix + "1" * 5000, 5, end=end))
    if mode == "text" and not prefix and not end:
        assert outs == presses("1" * (MOST + 1)), "without an end it is text, as far as a field takes it"
        return
    (scan,) = replay(outs)
    assert isinstance(scan, Scanned)
    assert set(scan.text) == {"1"}
    assert look(scan.text).kind is ScanKind.REJECTED


def test_an_endless_burst_is_not_kept() -> None:
    wedge = Wedge()
    for n in range(5000):
        wedge.feed(n * 0.005, "1")
    assert len(wedge._run) <= MOST + 1


LEARNED = typed("FIRST-1", 5)
"""A scan by which the scanner has shown that it sends Enter."""


@pytest.mark.parametrize("stall_ms", [160, 300, 480])
@pytest.mark.parametrize("at", [4, 6])
def test_a_code_torn_in_two_is_two_rejected_halves(at: int, stall_ms: float) -> None:
    first = typed(CODE[:at], 15, 1000, end="")
    keys = [*LEARNED, *first, *typed(CODE[at:], 15, first[-1][0] * 1000 + stall_ms)]
    outs = run(Wedge(), keys)
    assert outs == [Scanned("FIRST-1"), Scanned(CODE[:at] + LOST), Scanned(LOST + CODE[at:])]


@pytest.mark.parametrize("rest", ["B", ""])
def test_the_end_of_a_torn_code_presses_nothing(rest: str) -> None:
    first = typed(CODE[:7], 15, 1000, end="")
    keys = [*LEARNED, *first, *typed(rest, 15, first[-1][0] * 1000 + 200)]
    assert not [out for out in run(Wedge(), keys) if isinstance(out, Press)]


def test_a_torn_code_in_a_text_field_leaves_nothing_there() -> None:
    first = typed(CODE[:4], 5, 1000, end="")
    keys = [*LEARNED, *first, *typed(CODE[4:], 5, first[-1][0] * 1000 + 200)]
    left = replay(run(in_text(), keys))
    assert left == [Scanned("FIRST-1"), Scanned(CODE[:4] + LOST), Scanned(LOST + CODE[4:])]


def test_another_scanner_that_sends_no_enter_is_believed_the_second_time() -> None:
    keys = [*LEARNED, *typed("CODE-2", 5, 1000, end=""), *typed("CODE-3", 5, 2000, end=""), *typed("CODE-4", 5, 3000)]
    assert run(Wedge(), keys) == [Scanned("FIRST-1"), Scanned("CODE-2" + LOST), Scanned("CODE-3"), Scanned("CODE-4")]


@pytest.mark.parametrize("gap_ms", [100, 300, 450])
def test_over_a_network_a_packet_behind_a_lone_character_is_not_believed(gap_ms: float) -> None:
    keys = [(0.0, "3"), *typed(EAN[1:], 0, gap_ms)]
    (press, scan) = run(Wedge(remote=True), keys)
    assert press == Press("3")
    assert isinstance(scan, Scanned)
    assert look(scan.text).kind is ScanKind.REJECTED


def test_over_a_network_a_scan_in_one_packet_is_a_scan() -> None:
    assert run(Wedge(remote=True), [(0.0, "3"), *typed(EAN, 0, 700)]) == [Press("3"), Scanned(EAN)]


# --- the AIM identifier as prefix ------------------------------------------------------------------------


@both_modes
@pytest.mark.parametrize("gap_ms", [0, 5, 80, 140])
@pytest.mark.parametrize("aim", ["]C1", "]d2", "]E0", "]Q3"])
@pytest.mark.parametrize("ahead", ["", "\x06", "\x02"])
def test_an_aim_identifier_is_a_prefix_that_stays_in_the_text(ahead: str, aim: str, gap_ms: float, mode: Mode) -> None:
    wedge = Wedge(prefix=ahead + "]")
    wedge.mode = mode
    assert run(wedge, typed(ahead + aim + EAN, gap_ms)) == [Scanned(aim + EAN)]


@pytest.mark.parametrize(
    ("keys", "outs"),
    [
        pytest.param(typed("]", 200), ["]", "enter"], id="the bracket and Enter"),
        pytest.param(typed("]", 200, end=""), ["]"], id="the bracket alone"),
        pytest.param(typed("]1", 100), ["]", "1", "enter"], id="no symbology has a digit for a letter"),
        pytest.param(typed("]C1", 100), ["]", "C", "1", "enter"], id="an identifier without a code"),
        pytest.param(typed("]]", 20, end=""), ["]", "]"], id="two brackets"),
        pytest.param(typed("3f", 20), ["3", "f", "enter"], id="other keys"),
    ],
)
def test_a_hand_that_types_a_bracket_presses_a_key(keys: Keys, outs: list[str]) -> None:
    assert run(Wedge(prefix="]"), keys) == presses(outs)


def test_an_aim_identifier_and_a_suffix() -> None:
    wedge = Wedge(prefix="]", suffix="\x03")
    assert run(wedge, typed(f"]E0{EAN}\x03", 5)) == [Scanned("]E0" + EAN)]
    assert run(wedge, typed(f"]E0{OTHER}", 5, 2000)) == [Scanned(f"]E0{OTHER}{LOST}")]


# --- anything, at any time -------------------------------------------------------------------------------

SIGNS = [*"]~^C1d2AB\x1d\x1b\x7f\ufffd", "enter", "tab", "f2"]


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("key"), st.floats(0, 0.7), st.sampled_from(SIGNS)),
            st.tuples(st.just("mode"), st.just(0.0), st.sampled_from(["keys", "text"])),
            st.tuples(st.just("whole"), st.floats(0, 0.7), st.sampled_from(["CODE-1", "CODE-2"])),
            st.tuples(st.just("tick"), st.floats(0, 0.7), st.just("")),
        ),
        max_size=60,
    ),
    st.sampled_from([("", ""), ("]", ""), ("\x06]", "^"), ("~", ""), ("~", "^")]),
    st.booleans(),
)
@settings(deadline=None)
def test_whatever_comes_every_key_is_pressed_or_scanned_once_and_nothing_stays_open(
    acts: list[tuple[str, float, str]], frame: tuple[str, str], remote: bool
) -> None:
    wedge, now = Wedge(prefix=frame[0], suffix=frame[1], remote=remote), 0.0
    outs: list[Out] = []
    went_in: list[str] = []
    wholes: list[str] = []
    for what, gap, value in acts:
        now += gap
        match what:
            case "key":
                outs += wedge.feed(now, value)
                went_in.append(value)
            case "mode":
                wedge.mode = "text" if value == "text" else "keys"
            case "whole":
                outs += wedge.whole(now, value)
                wholes.append(value)
            case _:
                outs += wedge.tick(now)
        assert len(wedge._run) <= MOST + 4
        assert wedge.due is None or wedge.due <= now + 0.5, "nothing is held for longer"
    outs += run(wedge, [])
    assert wedge.due is None
    left = replay(outs)
    for whole in wholes:
        left.remove(next(out for out in left if not isinstance(out, Press) and getattr(out, "text", "") == whole))
    # What frames a scan is dropped, an Enter behind it too, and U+FFFD stands for what got lost: the rest is all there.
    dropped = {"enter", "tab", "f2", LOST, *frame[0], *frame[1]}
    came_out = [sign for out in left for sign in ([out.key] if isinstance(out, Press) else getattr(out, "text", ""))]
    assert [sign for sign in came_out if sign not in dropped] == [sign for sign in went_in if sign not in dropped]
