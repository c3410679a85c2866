"""What the operator's keys and scans come to. Pure but for the station's clock: what must be done is handed back.

Because a key only makes the next scene, a key that turns out to begin a scan is taken back by keeping the scene before.

Here is what is the same wherever the operator is: whole codes, and keys in what lies over the page. Each place has its
keys in a module of its own and knows nothing of the others; what the station answers comes together in `turns`.
"""

from dataclasses import replace

from inspect_station.core import inspection as life
from inspect_station.core.barcode import Scan, ScanKind, clean
from inspect_station.message import msg
from inspect_station.outcomes import Seen
from inspect_station.station import Station
from inspect_station.tui.hands.batch import BatchKeys
from inspect_station.tui.hands.desk import DeskKeys
from inspect_station.tui.hands.labels import Labels
from inspect_station.tui.hands.parcel import ParcelKeys
from inspect_station.tui.hands.turns import Turns
from inspect_station.tui.hands.typed import LONGEST, edited, fits, written
from inspect_station.tui.hands.unit import UnitKeys
from inspect_station.tui.keymap import DIGITS, HELP_PAGE, Keymap
from inspect_station.tui.scene import (
    Ask,
    AtDesk,
    Banner,
    Choose,
    Effect,
    Help,
    Looking,
    OnBatch,
    OnParcel,
    OnUnit,
    Photos,
    Scene,
    SignIn,
    Turn,
    Type,
    Writing,
    helped,
    possible,
)

NO_ANSWER = (ScanKind.BADGE, ScanKind.REJECTED)
"""What is no answer where a code is asked for: it is what it is everywhere."""


class Hands:
    """Keys and scans of one station."""

    def __init__(self, station: Station, keymap: Keymap) -> None:
        """``keymap``: the keys as they are there."""
        self.station = station
        self.keymap = keymap
        # A printed command code is a key, and a code that is typed is a scan: so each knows the other.
        self._turns = turns = Turns(station, self.scanned)
        self._desk = DeskKeys(station, keymap, turns, Labels(station, turns))
        self._parcel = ParcelKeys(station, keymap, turns)
        self._unit = UnitKeys(station, keymap, turns)
        self._batch = BatchKeys(station, keymap, turns)

    # ── Scans ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def scanned(self, scene: Scene, text: str) -> Turn:
        """A whole code, wherever the operator is: it goes to the station once, never to a field."""
        scan = self.station.read(text)
        if scan.kind is ScanKind.COMMAND:
            key = self.keymap.command(scan.text)
            return self.press(scene, key) if key else self._turns.nothing(scene, scan.text)
        if isinstance(scene.over, Type) and scene.over.asks_code and scan.kind not in NO_ANSWER:
            return scene.over.submit(scene.but(over=None, banner=None), clean(text, LONGEST))
        if isinstance(scene.over, Type) and scene.over.badge is not None and scan.kind is not ScanKind.REJECTED:
            return scene.over.badge(scene.but(over=None, banner=None), text)
        unit = scene.unit
        current = unit.inspection if unit else None
        parcel = scene.place.arrived.parcel if isinstance(scene.place, OnParcel) else None
        batch = scene.place.seen.batch if isinstance(scene.place, OnBatch) else None
        into = batch.number if batch is not None and batch.closed_at is None else ""
        looking = scene.over if isinstance(scene.over, Looking) else None

        def work() -> Seen:
            if looking is not None:
                looking.stop.set()
            return self.station.scan(text, current, parcel, into)

        return Turn(
            scene.but(banner=None, picture="", over=None if looking else scene.over),
            Effect(
                work,
                lambda now, seen: self._noted(scan, self._turns.arrive(now, seen)),
                msg("{code}…", code=clean(text, 40)),
            ),
        )

    @staticmethod
    def _noted(scan: Scan, turn: Turn) -> Turn:
        """What was wrong with the code although it was understood; a scanner set wrongly is told about once. Of a text
        that only the store knows nothing is wrong."""
        scene = turn.scene
        if scene.banner is not None:
            return turn
        if scan.problem is not None and scan.kind is not ScanKind.UNKNOWN:
            return replace(turn, scene=scene.but(banner=Banner("look", scan.problem)))
        if scan.repaired and not scene.layout_told:
            title = msg(
                "this computer's keyboard is {layout}, the scanner's is not: codes are put right",
                layout=scan.repaired.upper(),
            )
            hint = msg("set the scanner to the same keyboard: its manual has a code for it; see docs/setup.md")
            return replace(turn, scene=scene.but(banner=Banner("info", title, hint), layout_told=True))
        return turn

    def doubled(self, scene: Scene, text: str) -> Turn:
        """The same code twice at once: dropped, with a sign."""
        said = msg("double read of {code}: dropped", code=clean(text, 40))
        banner = scene.banner
        if banner is not None and banner.tone in ("look", "bad"):
            return Turn(scene.but(banner=replace(banner, hint=said)))  # why the first was refused stays
        return Turn(scene.but(banner=Banner("info", said)))

    def pasted(self, scene: Scene, text: str) -> Scene:
        """Text from the clipboard goes where text is typed, and nowhere else."""
        for sign in clean(text):
            match scene.over, scene.place:
                case Type() as field, _:
                    typed = edited(field.text, sign)
                    scene = scene if typed is None else scene.but(over=replace(field, text=typed))
                case Writing() as writing, _:
                    scene = scene.but(over=written(writing, sign))
                case None, (SignIn() | AtDesk()) as place:
                    typed = edited(place.typed, sign)
                    scene = scene if typed is None else scene.but(place=replace(place, typed=typed))
                case None, OnUnit() as unit if unit.view.field is not None and fits(unit, sign):
                    scene = scene.but(place=replace(unit, typed=edited(unit.typed, sign) or unit.typed))
        return scene

    # ── Keys ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def press(self, scene: Scene, key: str) -> Turn:
        """One key, as the wedge lets it through."""
        scene = scene.but(picture="")
        match scene.over:
            case Looking(stop):
                if not self.keymap.find(key, possible(scene)):
                    return Turn(scene)
                return Turn(scene.but(over=None), Effect(stop.set, lambda now, _: Turn(now), msg("working…")))
            case Ask() as ask:
                return self._in_ask(scene, ask, key)
            case Choose() as choose:
                return self._in_list(scene, choose, key)
            case Type() as field:
                return self._in_field(scene, field, key)
            case Writing() as writing:
                return self._in_text(scene, writing, key)
            case Photos(sheets, index) as shown:
                more = self.keymap.find(key, ("next",)) and len(sheets) > 1
                turned = replace(shown, index=(index + 1) % len(sheets))
                return Turn(scene.but(over=turned if more else shown.behind))
            case Help(page):
                last = (len(helped(self.keymap, scene)) - 1) // HELP_PAGE
                on = self.keymap.find(key, ("next",)) and page < last
                return Turn(scene.but(over=Help(page + 1) if on else None))
        match scene.place:
            case SignIn() as sign_in:
                return self._desk.at_sign_in(scene, sign_in, key)
            case AtDesk() as desk:
                return self._desk.at_desk(scene, desk, key)
            case OnParcel(arrived):
                return self._parcel.press(scene, arrived, key)
            case OnUnit() as unit:
                return self._unit.press(scene, unit, key)
            case OnBatch() as batch:
                return self._batch.press(scene, batch, key)

    def _in_ask(self, scene: Scene, ask: Ask, key: str) -> Turn:
        match self.keymap.find(key, possible(scene)):
            case "yes":
                return ask.accept(scene.but(over=None))
            case "no":
                return Turn(scene.but(over=None, banner=None))
        return Turn(scene)

    def _in_list(self, scene: Scene, choose: Choose, key: str) -> Turn:
        count = len(choose.entries)
        below = scene.but(over=None, banner=None)
        match self.keymap.find(key, (*possible(scene), "down", "up")):
            case "close":
                return Turn(below)
            case "take":
                return choose.pick(below, choose.entries[choose.cursor].value)
            case "pick":
                index = choose.offset + int(DIGITS.get(key, key)) - 1
                if index < count:
                    return choose.pick(below, choose.entries[index].value)
            case "look" if choose.look is not None:
                return choose.look(scene)
            case "next_nine":
                return Turn(scene.but(over=replace(choose, cursor=(choose.offset + 9) % (-(-count // 9) * 9))))
            case "down" if count:
                return Turn(scene.but(over=replace(choose, cursor=(choose.cursor + 1) % count)))
            case "up" if count:
                return Turn(scene.but(over=replace(choose, cursor=(choose.cursor - 1) % count)))
        return Turn(scene)

    def _in_field(self, scene: Scene, field: Type, key: str) -> Turn:
        match self.keymap.find(key, possible(scene)):
            case "close":
                return Turn(scene.but(over=None, banner=None))
            case "submit":
                entered = clean(field.text)
                there = entered or field.optional
                return field.submit(scene.but(over=None, banner=None), entered) if there else Turn(scene)
        text = edited(field.text, DIGITS.get(key, key) if field.numeric else key)
        return Turn(scene if text is None else scene.but(over=replace(field, text=text)))

    def _in_text(self, scene: Scene, writing: Writing, key: str) -> Turn:
        """A key in the text that says why, while it is edited on its page."""
        match self.keymap.find(key, possible(scene)):
            case "close":
                return Turn(scene.but(over=None, banner=None))
            case "submit":
                left = scene.but(over=None, banner=None)
                text = clean(writing.text)
                if text == writing.was or scene.unit is None:
                    return Turn(left)  # what was built goes on following the findings
                return self._turns.given(left, scene.unit, life.Reworded(text))
        return Turn(scene.but(over=written(writing, key)))

    # ── What happens by itself ───────────────────────────────────────────────────────────────────────────────────────

    def locked(self, scene: Scene) -> Turn:
        """Nobody touched a key for a while: a badge is asked for, the unit stays."""
        place = scene.place
        if isinstance(place, SignIn):
            return Turn(scene)

        def then(now: Scene, _: object) -> Turn:
            return Turn(now.but(place=SignIn(place), over=None, banner=None, picture=""))

        return Turn(scene, Effect(self.station.sign_out, then, msg("locking…")))
