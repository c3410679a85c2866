"""Keys with their times: a scan is never a hotkey, a hand never a scan."""

import re
from collections.abc import Callable, Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspect_station.core.barcode import GS, LOST, Patterns, Scan, ScanKind, read
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
        pytest.param("~", "", typed("123456", 5), presses([*"123456", "enter"]), id="without it, keys are keys"),
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


def test_with_a_prefix_keys_act_at_once() -> None:
    wedge = Wedge(prefix="#!")
    assert wedge.feed(0.00, "1") == (Press("1"),)
    assert wedge.feed(0.01, "f2") == (Press("f2"),)
    assert wedge.feed(0.02, "#") == (), "it may begin a scan"
    assert wedge.feed(0.03, "2") == (Press("#"), Press("2"))
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
    if prefix:  # prefix and suffix frame the scans; a missing suffix shows as a lost character
        came_out, went_in = (re.sub(f"[~^{LOST}]", "", text) for text in (came_out, went_in))
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
