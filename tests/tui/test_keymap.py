"""One list of keys feeds footer, help, command codes and manual."""

from collections import Counter

import pytest

from inspect_station.core.barcode import Patterns, ScanKind, read
from inspect_station.errors import ConfigError
from inspect_station.tui.keymap import CAPS, HIDDEN, KEYS, NEEDLESS, Keymap, table, written
from inspect_station.words import Voice


def test_every_key_has_an_id_of_its_own() -> None:
    assert [id for id, n in Counter(key.id for key in KEYS).items() if n > 1] == []


def test_no_key_needs_control_and_none_belongs_to_the_terminal() -> None:
    pressed = {name for key in KEYS for name in key.keys}
    assert not {name for name in pressed if name.startswith("ctrl")}
    assert not pressed & {"f1", "f10", "f11"}


@pytest.mark.parametrize(
    ("pressed", "among", "expected"),
    [
        ("p", ("photo", "help"), "photo"),
        ("p", ("help",), ""),
        ("&", ("grade",), "grade"),
        ("à", ("grade", "danger"), "danger"),
        ("-", ("grade",), "grade"),
        ("7", ("grade",), ""),
        ("ç", ("option",), "option"),
    ],
    ids=["its letter", "not possible now", "1 on AZERTY", "0 on AZERTY", "6 on AZERTY", "no grade 7", "9 on AZERTY"],
)
def test_what_a_key_means(pressed: str, among: tuple[str, ...], expected: str) -> None:
    assert Keymap().find(pressed, among) == expected


def test_a_site_may_put_a_key_elsewhere() -> None:
    moved = Keymap({"photo": "y"})
    assert (moved.find("y", ("photo",)), moved.find("p", ("photo",))) == ("photo", "")


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"photo": "y"},
        {"danger": "k"},
        {"down": "j"},
        {"accept": "y", "yes": "z"},
        {"all_pass": "s"},
        {"photo": "f2"},
    ],
    ids=["as shipped", "photo", "danger", "down", "accept and yes", "all pass", "two things on one key"],
)
def test_every_key_has_exactly_one_command_code_and_the_code_gives_the_key(changed: dict[str, str]) -> None:
    keymap = Keymap(changed)
    commands = list(keymap.commands())
    needed = {name for key in keymap.keys if key.id not in NEEDLESS for name in key.keys}
    coded = Counter(command.key for command in commands)
    assert set(coded) == needed | set("0123456789") | set(CAPS.values())
    assert set(coded.values()) == {1}
    for command in commands:
        assert keymap.command(command.code) == command.key
        assert read(command.code, Patterns()).kind is ScanKind.COMMAND
        assert all(command.key in key.keys for key in command.does)


@pytest.mark.parametrize(
    ("code", "key"),
    [
        ("CMD-3", "3"),
        ("CMD-0", "0"),
        ("CMD-ENTER", "enter"),
        ("CMD-SPACE", " "),
        ("CMD-ESC", "escape"),
        ("CMD-BACKSPACE", "backspace"),
        ("CMD-PHOTO", "p"),
        ("CMD-LINE-MISSING", "m"),
        ("CMD-ACCEPT", "enter"),
        ("CMD-UNDO", "f2"),
        ("CMD-GRADE", ""),
        ("CMD-NO-SUCH-KEY", ""),
        ("CMD-33", ""),
    ],
)
def test_what_a_command_code_stands_for(code: str, key: str) -> None:
    assert Keymap().command(code) == key


def test_danger_has_a_place_of_its_own() -> None:
    assert [command.code for command in Keymap().commands() if command.place == "danger"] == ["CMD-0"]
    moved = {command.code: command.place for command in Keymap({"danger": "k"}).commands() if command.key in "0k"}
    assert moved == {"CMD-0": "grade", "CMD-DANGER": "danger"}


@pytest.mark.parametrize("moved", [{"up": "k"}, {"down": "j", "resume": "j"}, {"down": "j", "resume": "j", "up": "k"}])
def test_an_arrow_that_does_nothing_any_more_has_no_code(moved: dict[str, str]) -> None:
    keymap = Keymap(moved)
    codes = {command.code: command.key for command in keymap.commands()}
    assert set(moved.values()) <= set(codes.values())
    assert all(keymap.command(code) == key for code, key in codes.items())


@pytest.mark.parametrize("locale", ["en", "fr"])
def test_the_manual_lists_every_key(locale: str) -> None:
    voice = Voice(locale)
    text = table(voice)
    for key in KEYS:
        if key.id not in HIDDEN:
            assert f"| `{key.shown(voice)}` | {voice.say(key.word)} | {voice.say(key.tip)} |" in text


def test_keys_are_written_as_on_their_caps() -> None:
    voice = Voice()
    assert [written(key, voice) for key in (" ", "f2", "escape", "down", "p")] == ["Space", "F2", "Esc", "↓", "p"]


def test_a_key_of_an_unknown_id_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError) as refused:
        Keymap({"foto": "y"})
    assert "foto" in str(refused.value.title) and "photo" in str(refused.value.hint)
    assert Keymap({"photo": "y"}).find("y", ["photo"]) == "photo"
