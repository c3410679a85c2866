"""Every key with its id, its word and its tooltip; footer, help, printed command codes and the README come from here.

A key acts only where it is listed, and what is listed is shown at the foot: the two cannot differ.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from inspect_station.core.barcode import COMMAND
from inspect_station.errors import ConfigError
from inspect_station.message import Message, msg
from inspect_station.words import Voice

DIGITS: Mapping[str, str] = dict(zip("&é\"'(-è_çà", "1234567890", strict=True))
"""The digit row of an AZERTY keyboard without Shift. The keypad sends plain digits."""

WRITTEN: Mapping[str, Message] = {
    " ": msg("Space"),
    "enter": msg("Enter"),
    "escape": msg("Esc"),
    "tab": msg("Tab"),
    "backspace": msg("Backspace"),
}
ARROWS: Mapping[str, str] = {"up": "↑", "down": "↓", "right": "→", "left": "←"}


def written(key: str, voice: Voice) -> str:
    """How a key is written on its cap."""
    if key in WRITTEN:
        return voice.say(WRITTEN[key])
    return ARROWS.get(key, key.upper() if key[0] == "f" and key[1:].isdecimal() else key)


@dataclass(frozen=True)
class Key:
    """One thing that a key does."""

    id: str
    """By this it is remapped, and printed as a command code (``CMD-PHOTO``)."""
    keys: tuple[str, ...]
    """As the wedge names them."""
    word: Message
    """At the foot of the screen."""
    tip: Message
    """In the help and the README."""
    place: str
    """Where the help lists it: ``desk``, ``parcel``, ``unit`` or ``list``."""

    def shown(self, voice: Voice) -> str:
        """How the key, or the range of digits, is written."""
        if self.id == "down":
            return "↑ ↓"
        if len(self.keys) > 1 and all(key.isdecimal() for key in self.keys):
            return f"{self.keys[0]}–{self.keys[-1]}"
        return written(self.keys[0], voice)


def _digits(last: int) -> tuple[str, ...]:
    return tuple(str(n) for n in range(1, last + 1))


KEYS: tuple[Key, ...] = (
    Key("undo", ("f2",), msg("undo"), msg("take the last unit back; a scanned unit is reopened with a reason"), "desk"),
    Key("reprint", ("f3",), msg("reprint"), msg("print the last, or scanned, unit's label or a slip"), "desk"),
    Key("waiting", ("f4",), msg("waiting"), msg("everything that waits for somebody; Enter resumes"), "desk"),
    Key("camera", ("f5",), msg("camera"), msg("read a code with the camera, here and on parcels and units"), "desk"),
    Key("printer", ("f6",), msg("printer"), msg("change the roll: hold, test label, go on"), "desk"),
    Key("match", ("f12",), msg("match"), msg("a supervisor: the RMA that an unannounced unit belongs to"), "desk"),
    Key("redirect", ("f12",), msg("send elsewhere"), msg("a supervisor: another place for a finished unit"), "desk"),
    Key("collect", ("enter",), msg("batch"), msg("put the unit found by its label into its batch"), "desk"),
    Key("search", ("/",), msg("search"), msg("on an empty box: order, tracking, serial, title"), "desk"),
    Key("help", ("?",), msg("help"), msg("all keys"), "desk"),
    Key("sign_out", ("f8",), msg("sign out"), msg("sign out and see what is handed over"), "desk"),
    Key("quit", ("f9",), msg("quit"), msg("then Enter: end the program; nothing is lost"), "desk"),
    Key("resume", ("down",), msg("resume"), msg("choose something that waits, then Enter"), "desk"),
    Key("type", ("enter",), msg("type the code"), msg("type the article's code; a digit 1–9 begins it too"), "parcel"),
    Key("line_missing", ("m",), msg("line missing"), msg("a line is not in the parcel; it stays open"), "parcel"),
    Key("carton", ("f",), msg("carton"), msg("something seen on the carton: crushed, wet, taped again"), "parcel"),
    Key("carton_photo", ("p",), msg("carton photo"), msg("a picture of the carton as it arrived"), "parcel"),
    Key("to_desk", ("escape",), msg("desk"), msg("to the desk; the parcel stays open"), "parcel"),
    Key("close_batch", ("c",), msg("close"), msg("close the batch under a seal; its manifest is printed"), "batch"),
    Key("take_out", ("t",), msg("take out"), msg("take a unit out again, with a reason; F2 the last one"), "batch"),
    Key("property", ("p",), msg("property out"), msg("a customer's property is out; its slip is printed"), "batch"),
    Key("outcome", ("o",), msg("outcome"), msg("what became of a closed batch, with a picture as proof"), "batch"),
    Key("batch_list", ("l",), msg("list"), msg("write the list of its units, to be printed and signed"), "batch"),
    Key("grade", _digits(6), msg("grade"), msg("the six grades, best first"), "unit"),
    Key("option", _digits(9), msg("choose"), msg("the answer or seller with this number"), "unit"),
    Key("toggle", _digits(9), msg("toggle"), msg("mark this row as failed, or open again"), "unit"),
    Key("danger", ("0",), msg("danger"), msg("heat, smell, leak, swelling: quarantine at once"), "unit"),
    Key("questions", ("enter",), msg("questions"), msg("answer questions that lead to the grade"), "unit"),
    Key("accept", ("enter",), msg("go on"), msg("accept and go on; at the end save and print"), "unit"),
    Key("all_pass", (" ",), msg("all pass"), msg("all open rows of this page pass"), "unit"),
    Key("skip", ("s",), msg("skip"), msg("leave a row out, with a reason; its gate stays closed"), "unit"),
    Key("next_nine", ("tab",), msg("next nine"), msg("the digits mean the next nine rows"), "unit"),
    Key("down", ("down",), msg("rows"), msg("↑ ↓ walk through the rows"), "unit"),
    Key("up", ("up",), msg("rows"), msg("↑ ↓ walk through the rows"), "unit"),
    Key("mark", ("right",), msg("toggle"), msg("toggle the row that ↑ ↓ stand on"), "unit"),
    Key("photo", ("p",), msg("photo"), msg("fill the next empty photo slot"), "unit"),
    Key("finding", ("f",), msg("finding"), msg("add something observed, or take it back"), "unit"),
    Key("wrong", ("w",), msg("wrong item"), msg("another product is in the box"), "unit"),
    Key("empty", ("x",), msg("empty"), msg("nothing is in the box"), "unit"),
    Key("count", ("f7",), msg("count"), msg("several sealed units of the line at once"), "unit"),
    Key("postmark", ("t",), msg("postmark"), msg("type the date stamped on the parcel"), "unit"),
    Key("criteria", ("g",), msg("criteria"), msg("what this seller calls used, damaged…; Tab: pictures"), "unit"),
    Key("edit", ("e",), msg("edit text"), msg("edit the text that says why; emptied, it is built again"), "unit"),
    Key("override", ("o",), msg("override"), msg("another grade, with a reason; a badge raises it"), "unit"),
    Key("note", ("n",), msg("note"), msg("a remark, kept with the unit"), "unit"),
    Key("view", ("v",), msg("view photos"), msg("the unit's photos, large; Tab shows the next"), "unit"),
    Key("hold", ("h",), msg("hold"), msg("put the unit on hold, with a reason"), "unit"),
    Key("back", ("b",), msg("back"), msg("one page back; answers stay"), "unit"),
    Key("aside", ("escape",), msg("set aside"), msg("the unit waits, with all its answers"), "unit"),
    Key("pick", _digits(9), msg("choose"), msg("the entry with this number"), "list"),
    Key("take", ("enter",), msg("take"), msg("the entry that is marked"), "list"),
    Key("look", ("v",), msg("view label"), msg("the label that is asked about, large"), "list"),
    Key("next", ("tab",), msg("next"), msg("the next page or photo"), "list"),
    Key("submit", ("enter",), msg("OK"), msg("what was typed"), "list"),
    Key("close", ("escape",), msg("close"), msg("leave everything as it was"), "list"),
    Key("yes", ("enter",), msg("yes"), msg("do what is proposed"), "list"),
    Key("no", ("escape",), msg("no"), msg("leave everything as it was"), "list"),
)  # fmt: skip
"""In the order of the foot of the screen."""

HIDDEN = frozenset({"down", "up", "mark"})
"""Work without being shown at the foot; the help names them."""

PLACES: Mapping[str, Message] = {
    "desk": msg("At the desk (everything else that is typed goes to the box)"),
    "parcel": msg("On a parcel (w, x and 0 as on a unit)"),
    "batch": msg("In a batch (units that are scanned join it)"),
    "unit": msg("On a unit"),
    "list": msg("In a list or a field"),
}


CAPS: Mapping[str, str] = {
    "enter": "enter",
    "space": " ",
    "esc": "escape",
    "tab": "tab",
    "backspace": "backspace",
    "down": "down",
    "up": "up",
}
"""Keys that have a command code of their own name, whatever they do."""
NEEDLESS = frozenset({"mark"})
"""Without a command code: the digits toggle the same rows."""
COMMAND_PLACES = ("grade", "list", "parcel", "unit", "batch", "desk", "danger")
"""Where the sheet of command codes lists them; ``list`` holds what is needed in several places."""


@dataclass(frozen=True)
class Command:
    """One printed command code."""

    code: str
    """``CMD-`` and the name of a key, or the id of what it does."""
    key: str
    """As the wedge names it."""
    does: tuple[Key, ...]
    """All that the key does, first in its place; empty for one that only edits text."""
    place: str
    """One of `COMMAND_PLACES`."""


HELP_PAGE = 14
"""Keys on one page of the help: they fit into 24 lines."""


class Keymap:
    """The keys as they are on this station."""

    def __init__(self, changed: Mapping[str, str] | None = None) -> None:
        """``changed`` names other keys by id, for example ``{"photo": "y"}``. Raises ConfigError for an unknown id."""
        moved = changed or {}
        ids = sorted({key.id for key in KEYS})
        unknown = sorted(set(moved) - set(ids))
        if unknown:
            raise ConfigError(
                msg("[keys] {unknown}: there is no such key", unknown=", ".join(unknown)),
                msg("known are {ids}", ids=", ".join(ids)),
            )
        self.keys = tuple(replace(key, keys=(moved[key.id],)) if key.id in moved else key for key in KEYS)
        self._by_id = {key.id: key for key in self.keys}

    def __getitem__(self, id: str) -> Key:
        return self._by_id[id]

    def find(self, pressed: str, among: Sequence[str]) -> str:
        """The id that this key means among those possible now; empty = it does nothing here."""
        for key in (pressed, DIGITS.get(pressed, "")):
            found = next((id for id in among if key and key in self._by_id[id].keys), "")
            if found:
                return found
        return ""

    def command(self, code: str) -> str:
        """The key that a printed command code stands for: ``CMD-PHOTO`` → ``p``, ``CMD-3`` → ``3``; else empty."""
        id = code.removeprefix(COMMAND).lower().replace("-", "_")
        if id in self._by_id and len(self._by_id[id].keys) == 1:
            return self._by_id[id].keys[0]
        return id if id.isdecimal() and len(id) == 1 else CAPS.get(id, "")

    def commands(self) -> Iterator[Command]:
        """One code for every key that somebody without a keyboard needs, in the order of the places."""
        keys: dict[str, list[Key]] = {name: [] for name in (*CAPS.values(), *"1234567890")}
        for key in self.keys:
            if key.id not in NEEDLESS:
                for name in key.keys:
                    keys.setdefault(name, []).append(key)
        coded = (self._coded(name, does) for name, does in keys.items())
        found = [each for each in coded if each is not None]
        for place in COMMAND_PLACES:
            yield from (each for each in found if each.place == place)

    def _coded(self, name: str, does: Sequence[Key]) -> Command | None:
        places = [key.place for key in does]
        if name in self["danger"].keys:
            place = "danger"
        elif name.isdecimal():
            place = "grade"
        elif name in CAPS.values() or "list" in places:
            place = "list"
        else:
            place = "unit" if "unit" in places else places[0]
        does = sorted(does, key=lambda key: key.place != place)
        names = (name, *(cap for cap, key in CAPS.items() if key == name), *(key.id for key in does))
        codes = (COMMAND + each.upper().replace("_", "-") for each in names)
        code = next((code for code in codes if self.command(code) == name), "")
        # A key that does nothing any more, and whose code means the one that took its place.
        return Command(code, name, tuple(does), place) if code else None


def table(voice: Voice) -> str:
    """All keys as a Markdown table, for the README."""
    rows = [
        f"| {voice.say(msg('key'))} | {voice.say(msg('does'))} | | {voice.say(msg('id'))} |",
        "| --- | --- | --- | --- |",
    ]
    for place, heading in PLACES.items():
        rows.append(f"| **{voice.say(heading)}** | | | |")
        listed = (key for key in KEYS if key.place == place and key.id != "up")
        for key in listed:
            rows.append(f"| `{key.shown(voice)}` | {voice.say(key.word)} | {voice.say(key.tip)} | {key.id} |")
    return "\n".join(rows) + "\n"
