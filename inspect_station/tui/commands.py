"""The printed sheet of command codes: work without a keyboard."""

from collections.abc import Mapping

from inspect_station import sheets
from inspect_station.core.records import Grade
from inspect_station.core.rules import GradeRule
from inspect_station.message import Message, msg
from inspect_station.tui.keymap import CAPS, COMMAND_PLACES, Command, Keymap, written
from inspect_station.words import Voice

HEADINGS: Mapping[str, Message] = {
    "grade": msg("Grades and digits"),
    "list": msg("Everywhere"),
    "parcel": msg("On a parcel"),
    "unit": msg("On a unit"),
    "batch": msg("In a batch"),
    "desk": msg("At the desk"),
    "danger": msg("Danger"),
}
"""By the place of a command (`COMMAND_PLACES`)."""


def sheet(keymap: Keymap, grades: Mapping[Grade, GradeRule], voice: Voice) -> bytes:
    """The station's command codes as a PDF of A4 pages, with the keys as they are there."""
    codes = list(keymap.commands())
    groups = [
        sheets.Group(
            voice.say(HEADINGS[place]),
            [_card(each, keymap, grades, voice) for each in codes if each.place == place],
            apart=place == "danger",
        )
        for place in COMMAND_PLACES
    ]
    intro = (
        voice.say(msg("Each code is a key of the keyboard: scan it where the key would be pressed.")),
        voice.say(msg("Wait for the screen before the same code is scanned again: a double read is dropped.")),
    )
    title = voice.say(msg("inspect-station: command codes"))
    return sheets.cards(title, intro, [group for group in groups if group.cards])


def _card(command: Command, keymap: Keymap, grades: Mapping[Grade, GradeRule], voice: Voice) -> sheets.Card:
    cap = written(command.key, voice)
    words = voice.join([key.word for key in command.does])
    tips = voice.join([key.tip for key in command.does], " · ")
    order = keymap["grade"].keys
    if command.key in order and len(order) == len(Grade):
        grade = grades[list(Grade)[order.index(command.key)]]
        return sheets.Card(command.code, f"{cap} · {voice.say(grade.label)}", voice.say(grade.hint))
    if command.place == "grade":
        return sheets.Card(command.code, cap, voice.say(keymap["option"].tip))
    if not command.does:
        return sheets.Card(command.code, cap, voice.say(msg("takes the last sign of a text away")))
    if command.key in CAPS.values():
        return sheets.Card(command.code, cap, words)
    if command.key.isdecimal():
        tips = voice.join([msg("{tip:word}; in a field the digit 0", tip=key.tip.text) for key in command.does])
    return sheets.Card(command.code, f"{cap} · {words}", tips)
