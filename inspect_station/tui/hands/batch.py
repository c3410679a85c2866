"""Keys in a batch: what is in it, its closing, what became of it."""

from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path

from inspect_station.core.batches import USUAL, Fate
from inspect_station.core.records import Operator
from inspect_station.manifest import FATES
from inspect_station.message import Message, msg, msgn
from inspect_station.outcomes import BatchSeen, ReasonNeeded, Said
from inspect_station.station import Station
from inspect_station.tui.hands.turns import Turns
from inspect_station.tui.hands.typed import day
from inspect_station.tui.keymap import Keymap
from inspect_station.tui.scene import (
    BATCH_PAGE,
    Ask,
    AtDesk,
    Banner,
    Choose,
    Effect,
    Entry,
    Help,
    OnBatch,
    Photos,
    Scene,
    Shot,
    Turn,
    Type,
    possible,
)

TAKEN_OUT = (
    msg("it was put in by mistake"),
    msg("it is looked at once more"),
    msg("it is missing"),
)
"""Why a unit is taken out of a batch, mostly."""


@dataclass(frozen=True)
class BatchKeys:
    """Keys in a batch."""

    station: Station
    keymap: Keymap
    turns: Turns

    def press(self, scene: Scene, place: OnBatch, key: str) -> Turn:
        """A key in a batch."""
        number = place.seen.batch.number
        match self.keymap.find(key, possible(scene)):
            case "close_batch":
                return self._close_batch(scene, place.seen)
            case "take_out":
                return Turn(scene.but(over=self._take_out(place.seen), banner=None))
            case "undo":
                return self.turns.do(scene, lambda: self.station.undo_join(number))
            case "property":
                return self._property_out(scene, place.seen)
            case "outcome":
                return self._outcome(scene, place.seen)
            case "view" if place.seen.batch.ending is not None:
                shot = Shot(msg("proof: {batch}", batch=number), place.seen.batch.ending.photo)
                return Turn(scene.but(over=Photos((shot,)), banner=None))
            case "reprint":
                verb = self.station.manifest_again

                def again(now: Scene, result: Message | ReasonNeeded | Said) -> Turn:
                    if isinstance(result, ReasonNeeded):
                        return self.turns.why_again(now, result, verb)
                    return self.turns.arrive(now, result)

                return self.turns.do(scene, lambda: verb(number), again)
            case "batch_list":
                return self.turns.do(scene, lambda: self.station.save_list(number), self._listed)
            case "next":
                first = place.first + BATCH_PAGE
                return Turn(scene.but(place=replace(place, first=first if first < len(place.seen.batch.units) else 0)))
            case "camera":
                return self.turns.look(scene)
            case "help":
                return Turn(scene.but(over=Help()))
            case "to_desk":
                return Turn(scene.but(place=AtDesk(), banner=None))
        return self.turns.nothing(scene, key)

    def _close_batch(self, scene: Scene, seen: BatchSeen) -> Turn:
        """Close it, with the number of its seal where that has one; then its list is written."""
        batch = seen.batch
        if seen.blocked:
            return self.turns.do(scene, lambda: self.station.close_batch(batch.number))

        def closed(now: Scene, result: BatchSeen | Said) -> Turn:
            turn = self.turns.arrive(now, result)
            if isinstance(result, Said):
                return turn
            work = Effect(lambda: self.station.save_list(batch.number), self._listed, msg("working…"))
            return replace(turn, effect=work)

        title = msgn(
            "Close {batch}, {n} unit: scan the number of its seal",
            "Close {batch}, {n} units: scan the number of its seal",
            n=len(batch.units),
            batch=batch.number,
        )
        field = Type(
            title,
            lambda now, seal: self.turns.do(now, lambda: self.station.close_batch(batch.number, seal), closed),
            msg("Enter alone: the seal has no number of its own. Esc leaves the batch open"),
            optional=True,
            asks_code=True,
        )
        return Turn(scene.but(over=field, banner=None))

    @staticmethod
    def _listed(scene: Scene, file: Path) -> Turn:
        """Where the list of the units is."""
        where = msg("list of its units, to be printed and signed: {file}", file=str(file))
        if scene.banner is not None:
            return Turn(scene.but(banner=replace(scene.banner, hint=where)))
        return Turn(scene.but(banner=Banner("ok", where)))

    def _take_out(self, seen: BatchSeen) -> Type:
        """Which unit is taken out, by its label, and why."""
        number = seen.batch.number

        def named(scene: Scene, text: str) -> Turn:
            scan = self.station.read(text)
            title = msg("{lpn} is taken out of {batch}: why?", lpn=scan.text, batch=number)

            def take(now: Scene, why: str) -> Turn:
                return self.turns.do(now, lambda: self.station.take_out(number, scan.text, why))

            def pick(now: Scene, why: Message | None) -> Turn:
                if why is None:
                    return Turn(now.but(over=Type(title, take)))
                return take(now, self.station.voice(self.station.config.station.locale).say(why))

            if seen.batch.member(scan.text) is None:
                return take(scene, "–")  # refused, with the reason
            entries = (*(Entry(why, why) for why in TAKEN_OUT), Entry(msg("another reason: type it"), None))
            return Turn(scene.but(over=Choose(title, entries, pick)))

        hint = msg("scan its label, or type what stands on it")
        return Type(msg("Which unit is taken out of {batch}?", batch=number), named, hint, asks_code=True)

    def _property_out(self, scene: Scene, seen: BatchSeen) -> Turn:
        """Something of a customer's is out of a unit: of which, where there are several."""
        number = seen.batch.number
        inside = [each for each in seen.batch.units if each.property_inside]

        def out(now: Scene, lpn: str) -> Turn:
            return self.turns.do(now, lambda: self.station.property_out(number, lpn))

        if len(inside) == 1:
            said = msg("Is what is the customer's out of {lpn}? Enter prints its slip", lpn=inside[0].lpn)
            return Turn(scene.but(over=Ask(said, lambda now: out(now, inside[0].lpn)), banner=None))
        entries = tuple(Entry(each.lpn, each.lpn, detail=each.title) for each in inside)
        return Turn(scene.but(over=Choose(msg("Out of which unit is it? Its slip is printed"), entries, out)))

    def _outcome(self, scene: Scene, seen: BatchSeen) -> Turn:
        """What became of a closed batch: which of three, why where that is asked, when, by whose order, the picture."""
        number = seen.batch.number
        usual = USUAL[seen.batch.route]
        fates = (usual, *(fate for fate in Fate if fate is not usual))

        def chosen(now: Scene, fate: Fate) -> Turn:
            return self.turns.do(
                now, lambda: self.station.may_end(number, fate), lambda later, order: weighed(later, fate, order)
            )

        def weighed(now: Scene, fate: Fate, order: Said | Message | None) -> Turn:
            if isinstance(order, Said):
                return self.turns.arrive(now, order)
            if order is None:
                return asked(now, fate, "", None)
            title = msg("{batch}, {fate:word}: on what ground?", batch=number, fate=FATES[fate].text)
            return Turn(now.but(over=Type(title, lambda later, ground: asked(later, fate, ground, order), order)))

        def asked(now: Scene, fate: Fate, ground: str, order: Message | None) -> Turn:
            def dated(later: Scene, text: str) -> Turn:
                on = day(text, self.station.today()) if text else self.station.today()
                if on is None:
                    said = msg("{text} is not a date: o again, for example 2/10", text=text)
                    return Turn(later.but(banner=Banner("look", said)))
                if order is None:
                    return shown(later, fate, ground, on, None)
                return self.turns.as_supervisor(later, lambda then, by: shown(then, fate, ground, on, by), order)

            hint = msg("Enter: today; another day as day/month, for example 2/10")
            return Turn(now.but(over=Type(msg("{batch}: when was that?", batch=number), dated, hint, optional=True)))

        def shown(now: Scene, fate: Fate, ground: str, on: date, by: Operator | None) -> Turn:
            def take(later: Scene) -> Turn:
                work = partial(self.station.end_batch, number, fate, on=on, ground=ground, by=by)
                return self.turns.do(later, work, noted)

            said = msg("Proof: the receipt, or the batch as it leaves, before the camera. Enter takes the picture")
            return Turn(now.but(over=Ask(said, take), banner=None))

        def noted(now: Scene, result: BatchSeen | Said) -> Turn:
            turn = self.turns.arrive(now, result)
            if isinstance(result, BatchSeen) and result.batch.ending is not None:
                return replace(turn, scene=turn.scene.but(picture=result.batch.ending.photo))
            return turn

        entries = tuple(Entry(FATES[fate], fate) for fate in fates)
        return Turn(scene.but(over=Choose(msg("What became of {batch}?", batch=number), entries, chosen), banner=None))
