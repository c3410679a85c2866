"""What the station answers, and what that comes to wherever the operator is.

This is one circle, and so one module: an answer may be a step on the unit, the end of a step is saved, and that is
answered again; what only a supervisor may do is asked by badge and PIN, whose answers come back here, too.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import Event
from typing import Any

from inspect_station.core import inspection as life
from inspect_station.core.barcode import clean
from inspect_station.core.bench import accessories
from inspect_station.core.inspection import Step
from inspect_station.core.records import Operator, Outcome, Role
from inspect_station.message import Message, msg, msgn
from inspect_station.outcomes import (
    Arrived,
    BatchSeen,
    Finished,
    Given,
    Known,
    LabelSeen,
    LineSeen,
    Opened,
    PinNeeded,
    Proposed,
    Question,
    ReasonNeeded,
    Said,
    Several,
    SignedIn,
    SupervisorNeeded,
)
from inspect_station.station import Station
from inspect_station.tui.keymap import written
from inspect_station.tui.scene import (
    Ask,
    AtDesk,
    Banner,
    Choose,
    Effect,
    Entry,
    Looking,
    OnBatch,
    OnParcel,
    OnUnit,
    Scene,
    SignIn,
    Turn,
    Type,
)

AGAIN = (
    msg("it did not come out, or blank"),
    msg("it is torn, smudged or cannot be read"),
    msg("it is lost"),
)
"""Why a label is printed again, mostly."""

SIGNS = {Outcome.ELIGIBLE: "✔", Outcome.CONSULT: "▲", Outcome.INELIGIBLE: "✘"}


@dataclass(frozen=True)
class Turns:
    """The turns that every place takes."""

    station: Station
    scanned: Callable[[Scene, str], Turn]
    """What a whole code comes to: one that is typed, or read by the camera, counts like one from the scanner."""

    # ── Asking the station ───────────────────────────────────────────────────────────────────────────────────────────

    def do(self, scene: Scene, work: Callable[[], Any], then: Callable[[Scene, Any], Turn] | None = None) -> Turn:
        """Work for the lane; what its answer comes to is said by ``then``, else by `arrive`."""
        return Turn(scene.but(banner=None), Effect(work, then or self.arrive, msg("working…")))

    def arrive(self, scene: Scene, result: Any) -> Turn:
        """What the station answered to a scan or a verb."""
        clear = scene.but(over=None, picture="")
        match result:
            case SupervisorNeeded(said, _, then):
                return self.as_supervisor(clear, lambda now, by: self.do(now, lambda: then(by)), said)
            case Said(title, hint):
                return Turn(scene.but(banner=Banner("look", title, hint)))
            case Message():
                return Turn(clear.but(banner=Banner("info", result)))
            case Arrived(said=said):
                return Turn(clear.but(place=OnParcel(result), banner=info(said)))
            case Opened(inspection, bench, said):
                return Turn(clear.but(place=OnUnit(inspection, bench), banner=info(said)))
            case Finished(units, said):
                several = Banner("ok", said) if len(units) > 1 else None
                return Turn(clear.but(place=AtDesk(card=units[-1]), banner=several))
            case Known(inspection, batch=batch):
                return Turn(clear.but(place=AtDesk(card=inspection, found=True, collected=batch)))
            case BatchSeen(said=said):
                return Turn(clear.but(place=OnBatch(result), banner=Banner("ok", said) if said else None))
            case LabelSeen(inspection, said):
                # What is on the bench, or asked, stays.
                if not isinstance(scene.place, AtDesk):
                    return Turn(scene.but(banner=Banner("ok", said)))
                return Turn(clear.but(place=AtDesk(card=inspection, found=True), banner=Banner("ok", said)))
            case Given(given) if clear.unit is not None:
                return self.given(clear, clear.unit, given)
            case Proposed():
                return Turn(clear.but(over=Ask(result.said, self._accepting(result))))
            case Several():
                return Turn(clear.but(over=self._lines(result)))
            case ReasonNeeded():
                return self.why_again(clear, result)
            case Question(said, answers):
                entries = tuple(Entry(answer.label, answer.then, detail=answer.detail) for answer in answers)
                return Turn(clear.but(over=Choose(said, entries, self.do)))
            case PinNeeded(operator, said):
                return Turn(
                    clear.but(
                        over=Type(
                            said,
                            lambda now, pin: Turn(
                                now,
                                Effect(
                                    lambda: self.station.enter_pin(operator, pin),
                                    self.arrive,
                                    msg("checking the PIN…"),
                                ),
                            ),
                            masked=True,
                        )
                    )
                )
            case SignedIn(_, said):
                place = clear.place.behind if isinstance(clear.place, SignIn) else clear.place
                return Turn(clear.but(place=place, banner=Banner("ok", said)))
        return Turn(clear)

    def _accepting(self, proposed: Proposed) -> Callable[[Scene], Turn]:
        def accept(scene: Scene) -> Turn:
            current = scene.unit.inspection if scene.unit else None
            return self.do(scene, lambda: self.station.accept(proposed, current))

        return accept

    def _lines(self, several: Several) -> Choose:
        shown = len(several.lines)
        more = msg("the oldest {n} of {total}: the RMA or / finds the others", n=shown, total=several.total)
        return Choose(
            msg("Several returns answer to this code: which one?"),
            tuple(
                Entry(
                    f"{line.rma.number}  {line.product.title}",
                    line,
                    detail=msgn("{n} open", "{n} open", n=line.open),
                    sign=SIGNS[line.verdict.outcome],
                )
                for line in several.lines
            ),
            lambda scene, line: self.do(
                scene, lambda: self.station.pick(line, unit=several.article, scan=several.scan)
            ),
            notes=(more,) if several.total > shown else (),
        )

    def match(self, lpn: str) -> Type:
        """Whose an unannounced unit is: a supervisor names its return, by any number or word."""

        def found(scene: Scene, result: Several | Said) -> Turn:
            if not isinstance(result, Several):
                return self.arrive(scene, result)
            lines = self._lines(result)

            def pick(now: Scene, line: LineSeen) -> Turn:
                return self.do(now, lambda: self.station.match(lpn, line))

            return Turn(
                scene.but(over=replace(lines, title=msg("Which return does {lpn} belong to?", lpn=lpn), pick=pick))
            )

        return Type(
            msg("Which return does {lpn} belong to?", lpn=lpn),
            lambda scene, text: self.do(scene, lambda: self.station.claimants(text), found),
            msg("RMA, order, tracking, serial, EAN or title: scan or type it"),
            asks_code=True,
        )

    def why_again(self, scene: Scene, result: ReasonNeeded, again: Callable[[str, str], Any] | None = None) -> Turn:
        """Another copy needs a reason: one of the usual, or typed. So does a label that is not the unit's own.

        ``again`` prints it, a unit's label where it is not said.
        """
        verb = again or (lambda lpn, why: self.station.reprint(lpn, why, result.kind))
        title = msg("Label of {lpn} again, copy {n}: why?", lpn=result.lpn, n=result.copy)

        def print_it(now: Scene, why: str) -> Turn:
            return self.do(now, lambda: verb(result.lpn, why))

        if result.copy == 1:
            return Turn(scene.but(over=Type(msg("Why does {lpn} get this label?", lpn=result.lpn), print_it)))

        def pick(now: Scene, why: Message | None) -> Turn:
            if why is None:
                return Turn(now.but(over=Type(title, print_it)))
            return print_it(now, self.station.voice(self.station.config.station.locale).say(why))

        entries = (*(Entry(why, why) for why in AGAIN), Entry(msg("another reason: type it"), None))
        notes = () if result.kind else (msg("the label before is void then: destroy it"),)
        return Turn(scene.but(over=Choose(title, entries, pick, notes)))

    def look(self, scene: Scene) -> Turn:
        """The camera reads a code; keys and scanner go on meanwhile."""
        looking = Looking(Event())

        def looked(now: Scene, result: str | Said | None) -> Turn:
            if now.over is not looking:
                return Turn(now)  # a key or another scan came first
            now = now.but(over=None)
            if isinstance(result, str):
                return self.scanned(now, result)
            return self.arrive(now, result) if result else Turn(now)

        work = Effect(lambda: self.station.look(looking.stop), looked, msg("the camera looks…"), beside=True)
        return Turn(scene.but(over=looking, banner=None), work)

    def nothing(self, scene: Scene, key: str) -> Turn:
        """A key that does nothing here."""
        shown = written(clean(key, 20) or key, self.station.voice()) if key.isprintable() else "?"
        return Turn(scene.but(banner=Banner("info", msg("{key} does nothing here: ? shows the keys", key=shown))))

    # ── In a supervisor's name ───────────────────────────────────────────────────────────────────────────────────────

    def as_supervisor(self, scene: Scene, then: Callable[[Scene, Operator], Turn], what: Message | None = None) -> Turn:
        """What only a supervisor may do, in the supervisor's name: badge, PIN, ``then``. Whoever works stays signed in.

        A supervisor who works here is not asked. ``what`` is said with the question; Esc leaves everything as it was.
        """
        works = self.station.operator
        if works is not None and works.role is Role.SUPERVISOR:
            return then(scene, works)

        def ask(now: Scene, code: str) -> Turn:
            return self.do(now, lambda: self.station.vouch(self.station.read(code)), known)

        badge = Type(
            msg("Scan a supervisor's badge"),
            ask,
            what or msg("only a supervisor may do this; Esc leaves everything as it was"),
            masked=True,
            badge=ask,
        )

        def known(now: Scene, result: PinNeeded | Said) -> Turn:
            if isinstance(result, Said):
                return again(now, result)

            def check(later: Scene, pin: str) -> Turn:
                return self.do(later, lambda: self.station.vouched(result.operator, pin), proven)

            return Turn(now.but(over=Type(result.said, check, what, masked=True, badge=ask)))

        def proven(now: Scene, result: Operator | Said) -> Turn:
            return again(now, result) if isinstance(result, Said) else then(now, result)

        def again(now: Scene, said: Said) -> Turn:
            return Turn(now.but(over=badge, banner=Banner("look", said.title, said.hint)))

        return Turn(scene.but(over=badge, banner=None))

    # ── A step on the unit ───────────────────────────────────────────────────────────────────────────────────────────

    def given(self, scene: Scene, unit: OnUnit, given: life.Input, by: Operator | None = None) -> Turn:
        """The unit after an input, ``by`` a supervisor where one answers for it."""
        return self.stepped(scene, unit, self.station.step(unit.bench, unit.inspection, given, by=by))

    def stepped(self, scene: Scene, unit: OnUnit, step: Step) -> Turn:
        """The unit after a step; the last one is saved, and a step may ask which accessory."""
        moved = step.inspection.page != unit.inspection.page
        place = OnUnit(
            step.inspection,
            unit.bench,
            offset=0 if moved else unit.offset,
            cursor=-1 if moved else unit.cursor,
        )
        said = Banner("look", step.said) if step.said else None
        scene = scene.but(place=place, over=None, banner=said)
        if step.done:
            busy = msg("saving {lpn}…", lpn=step.inspection.lpn)
            return Turn(
                scene,
                Effect(lambda: self.station.finish(unit.bench, step.inspection), self.arrive, busy),
            )
        if step.ask == "accessory":
            return Turn(scene.but(over=self.missing(place)))
        return Turn(scene)

    def into(self, given: Callable[[Any], life.Input]) -> Callable[[Scene, Any], Turn]:
        """What was entered or chosen, given to the unit."""

        def submit(scene: Scene, value: Any) -> Turn:
            return self.given(scene, scene.unit, given(value)) if scene.unit else Turn(scene)

        return submit

    def missing(self, unit: OnUnit, only: str = "") -> Choose:
        """Which of the accessories is missing; ``only`` those of this finding."""
        named = accessories(unit.bench, unit.inspection)
        entries = tuple(
            Entry(
                name or msg("something essential"),
                (code, name),
                detail=msg("consumable") if code == "consumable_missing" else "",
            )
            for code, name in named
            if not only or code == only
        )
        return Choose(msg("What is missing?"), entries, self.into(lambda value: life.Found(*value)))


def info(said: Message | None) -> Banner | None:
    """What an answer says beside what it is."""
    return Banner("info", said) if said else None
