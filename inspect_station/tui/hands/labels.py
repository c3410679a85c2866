"""Labels: which one is printed, whether it came out, and the change of the roll."""

from collections.abc import Callable
from dataclasses import dataclass

from inspect_station.core.records import Role
from inspect_station.message import Message, msg, msgn
from inspect_station.outcomes import Doubtful, Printable, Roll
from inspect_station.station import Station
from inspect_station.stickers import SLIPS, called
from inspect_station.tui.hands.turns import Turns
from inspect_station.tui.scene import AtDesk, Banner, Choose, Effect, Entry, Photos, Scene, Shot, Turn


@dataclass(frozen=True)
class Labels:
    """What is asked about labels."""

    station: Station
    turns: Turns

    def printable(self, scene: Scene, result: Printable | Message) -> Turn:
        """Which label: the unit's own, a slip beside it, or one of another kind, which a supervisor gives it."""
        if isinstance(result, Message):
            return self.turns.arrive(scene, result)

        def pick(now: Scene, kind: str | None) -> Turn:
            if kind is None:
                return Turn(now.but(over=Choose(title, others, pick, (note,))))
            return self.turns.do(now, lambda: self.station.reprint(result.lpn, kind=kind))

        title = msg("Which label of {lpn}?", lpn=result.lpn)
        note = msg("its own label stays valid beside it")
        others = tuple(Entry(called(kind), kind) for kind in result.others)
        supervises = self.station.operator is not None and self.station.operator.role is Role.SUPERVISOR
        if not result.slips and not (supervises and others):
            return pick(scene, result.own)  # there is nothing to choose
        entries = (
            Entry(called(result.own), result.own, detail=msg("its own label")),
            *(Entry(called(kind), kind, detail=SLIPS[kind]) for kind in result.slips),
            *([Entry(msg("a label of another kind"), None, detail=msg("a supervisor"))] if others else []),
        )
        return Turn(scene.but(over=Choose(title, entries, pick), banner=None))

    def settle(self, scene: Scene, label: Doubtful | None) -> Turn:
        """A label of which nobody knows whether it came out: only somebody who looks can tell."""
        if label is None:
            return self.turns.arrive(scene, msg("this label is settled already"))
        title = msg("Did the label of {lpn} come out?", lpn=label.lpn)
        entries = (
            Entry(msg("yes, it is on the box"), True),
            Entry(msg("no, or it cannot be read: print another"), False),
        )
        if not label.sent:
            title = msg("The label of {lpn} was not printed: print it now?", lpn=label.lpn)
            entries = (
                Entry(msg("yes, its box is here"), False),
                *((Entry(msg("no, the box has its label"), True),) if label.other else ()),
            )
        if label.slip is not None:
            title = msg("Did this slip of {lpn} come out?", lpn=label.lpn)
            entries = (
                Entry(msg("yes"), True),
                Entry(msg("no, or it cannot be read: print another"), False),
            )
        if label.slip is not None and not label.sent:
            title = msg("This slip of {lpn} was not printed: print it now?", lpn=label.lpn)
            entries = (Entry(msg("yes"), False), Entry(msg("no, it is not needed"), True))

        def pick(now: Scene, came_out: bool) -> Turn:
            return self.turns.do(now, lambda: self.station.settle_label(label.id, came_out=came_out))

        def look(now: Scene) -> Turn:
            return self.turns.do(now, lambda: self.station.picture_of_label(label.id), shown)

        def shown(now: Scene, image: bytes) -> Turn:
            shot = Shot(msg("label of {lpn}", lpn=label.lpn), "", image=image)
            return Turn(now.but(over=Photos((shot,), behind=asked)))

        asked = Choose(
            title,
            entries,
            pick,
            (label.reason,) if label.reason else (),
            label=(label.slip or msg("label of {lpn}", lpn=label.lpn), label.lines),
            look=look,
        )
        return Turn(scene.but(over=asked))

    def roll(self, scene: Scene, roll: Roll) -> Turn:
        """The roll is changed: hold the queue, try the new roll, print what waits."""
        if roll.tested:
            return self._tried(scene, roll)
        hold: list[Entry] = [] if roll.held else [Entry(msg("change the roll: hold printing, labels wait"), None)]
        entries = [
            *hold,
            *(Entry(msg("print a test label: {printer}", printer=name), name) for name in roll.printers),
            # Without a printer nothing can be tried.
            *([Entry(_goes_on(roll), self.station.resume_printing)] if roll.held and not roll.printers else []),
        ]

        def pick(now: Scene, chosen: str | Callable[[], Message] | None) -> Turn:
            if chosen is None:
                return self.turns.do(now, self.station.hold_printing, self.roll)
            if isinstance(chosen, str):
                return self._test(now, chosen)
            return self.turns.do(now, chosen)

        return Turn(scene.but(over=Choose(msg("Change of the roll"), tuple(entries), pick, (roll.said,))))

    def _test(self, scene: Scene, printer: str) -> Turn:
        """A test label, beside everything else: the printer may hang."""

        def tested(now: Scene, roll: Roll) -> Turn:
            busy = now.over is not None or not isinstance(now.place, AtDesk) or now.place.typed
            if roll.held and not busy:
                return self._tried(now, roll)
            hint = msg("F6 asks whether it is whole") if roll.held else next(iter(roll.problems), None)
            return Turn(now.but(banner=Banner("info", roll.said, hint)))

        said = msg("a test label is sent to {printer}: scan and work on", printer=printer)
        work = Effect(lambda: self.station.test_label(printer), tested, said, beside=True)
        return Turn(scene.but(over=None, banner=Banner("info", said)), work)

    def _tried(self, scene: Scene, roll: Roll) -> Turn:
        """A test label was sent: only who looks at it can say whether the labels that wait may follow."""
        others = (each for each in roll.printers if each != roll.tested)
        entries = (
            Entry(_goes_on(roll), self.station.resume_printing),
            Entry(msg("print another test label"), roll.tested),
            *(Entry(msg("print a test label: {printer}", printer=name), name) for name in others),
            Entry(msg("leave printing held"), None),
        )

        def pick(now: Scene, chosen: str | Callable[[], Message] | None) -> Turn:
            if chosen is None:
                return Turn(now)
            return self._test(now, chosen) if isinstance(chosen, str) else self.turns.do(now, chosen)

        title = msg("Is the test label whole, and can it be scanned?")
        return Turn(scene.but(over=Choose(title, entries, pick, (roll.said, *roll.problems)), banner=None))


def _goes_on(roll: Roll) -> Message:
    return msgn("print {n} waiting?", "print {n} waiting?", n=roll.waiting) if roll.waiting else msg("go on printing")
