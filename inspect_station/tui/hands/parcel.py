"""Keys on a parcel."""

from dataclasses import dataclass, replace

from inspect_station.core import inspection as life
from inspect_station.core.records import Kind
from inspect_station.message import msg, msgn
from inspect_station.outcomes import Arrived, LineSeen, Opened, Said
from inspect_station.station import Station
from inspect_station.tui.hands.turns import Turns
from inspect_station.tui.keymap import DIGITS, Keymap
from inspect_station.tui.scene import AtDesk, Choose, Entry, Help, OnUnit, Scene, Turn, Type, possible


@dataclass(frozen=True)
class ParcelKeys:
    """Keys on a parcel."""

    station: Station
    keymap: Keymap
    turns: Turns

    def press(self, scene: Scene, arrived: Arrived, key: str) -> Turn:
        """A key on a parcel."""
        parcel = arrived.parcel
        match self.keymap.find(key, possible(scene)):
            case "empty":
                return self.turns.do(scene, lambda: self.station.begin(Kind.EMPTY_BOX, parcel))
            case "wrong":
                return self.turns.do(scene, lambda: self.station.begin(Kind.WRONG_ITEM, parcel))
            case "danger":
                return self.turns.do(scene, lambda: self.station.begin(Kind.DANGER, parcel), self._danger)
            case "line_missing":
                return self._line_missing(scene, arrived)
            case "carton":
                entries = tuple(
                    Entry(finding.label, finding.code) for finding in self.station.rules.findings_for(None, carton=True)
                )
                return Turn(
                    scene.but(
                        over=Choose(
                            msg("Seen on the carton"),
                            entries,
                            lambda now, code: self.turns.do(now, lambda: self.station.carton_found(parcel, code)),
                        ),
                        banner=None,
                    )
                )
            case "carton_photo":
                return self.turns.do(scene, lambda: self.station.carton_photo(parcel), self._carton_photo)
            case "camera":
                return self.turns.look(scene)
            case "help":
                return Turn(scene.but(over=Help()))
            case "to_desk":
                return Turn(scene.but(place=AtDesk(), banner=None))
            case "type":
                return Turn(scene.but(over=self._code_field(""), banner=None))
        digit = DIGITS.get(key, key)
        if len(digit) == 1 and digit in "123456789":
            return Turn(scene.but(over=self._code_field(digit), banner=None))
        return self.turns.nothing(scene, key)

    def _code_field(self, text: str) -> Type:
        return Type(msg("Type the article's code"), self.turns.scanned, text=text, numeric=True)

    def _danger(self, scene: Scene, opened: Opened) -> Turn:
        """Quarantine at once: the details can wait, the article cannot."""
        return self.turns.given(scene, OnUnit(opened.inspection, opened.bench), life.Became(Kind.DANGER))

    def _carton_photo(self, scene: Scene, result: Arrived | Said) -> Turn:
        turn = self.turns.arrive(scene, result)
        if isinstance(result, Arrived):
            return replace(turn, scene=turn.scene.but(picture=result.parcel.photos[-1].sha256))
        return turn

    def _line_missing(self, scene: Scene, arrived: Arrived) -> Turn:
        still = tuple(line for line in arrived.lines if line.open)

        def mark(now: Scene, line: LineSeen) -> Turn:
            return self.turns.do(now, lambda: self.station.line_missing(arrived.parcel, line))

        if len(still) == 1:
            return mark(scene, still[0])
        entries = tuple(
            Entry(line.product.title, line, detail=msgn("{n} open", "{n} open", n=line.open)) for line in still
        )
        return Turn(scene.but(over=Choose(msg("Which line is not in the parcel?"), entries, mark), banner=None))
