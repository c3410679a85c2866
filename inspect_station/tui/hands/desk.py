"""Keys at the desk and at the sign-in: the box, what waits, the search, the unit that was found."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from inspect_station.core.records import Disposition, Inspection, Operator
from inspect_station.message import Message, msg, msgn
from inspect_station.outcomes import Arrived, Known, LineSeen, Pending, Said, Waiting
from inspect_station.station import Station
from inspect_station.tui.hands.labels import Labels
from inspect_station.tui.hands.turns import Turns
from inspect_station.tui.hands.typed import edited
from inspect_station.tui.keymap import Keymap
from inspect_station.tui.scene import (
    Ask,
    AtDesk,
    Banner,
    Choose,
    Entry,
    Help,
    OnParcel,
    Scene,
    SignIn,
    Turn,
    Type,
    overdue,
    possible,
    waiting,
)


@dataclass(frozen=True)
class DeskKeys:
    """Keys at the desk."""

    station: Station
    keymap: Keymap
    turns: Turns
    labels: Labels

    def at_sign_in(self, scene: Scene, place: SignIn, key: str) -> Turn:
        """A key while nobody is signed in."""
        if key == "enter":
            return self._entered(scene, place) if place.typed else Turn(scene)
        if key == "escape":
            return Turn(scene.but(place=replace(place, typed=""), banner=None))
        if not place.typed or len(key) > 1:
            match self.keymap.find(key, possible(scene)):
                case "camera":
                    return self.turns.look(scene)
                case "help":
                    return Turn(scene.but(over=Help()))
                case "quit":
                    return _quitting(scene)
        text = edited(place.typed, key)
        return Turn(scene if text is None else scene.but(place=replace(place, typed=text)))

    def _entered(self, scene: Scene, place: SignIn | AtDesk) -> Turn:
        """A code typed by hand, with Enter: the same as a scan."""
        return self.turns.scanned(scene.but(place=replace(place, typed="")), place.typed)

    def at_desk(self, scene: Scene, desk: AtDesk, key: str) -> Turn:
        """A key at the desk."""
        if key == "enter" and desk.typed:
            return self._entered(scene, desk)
        if key == "enter" and desk.picked:
            return self._resumed(scene, desk)
        if key == "escape":
            return Turn(scene.but(place=AtDesk(), banner=None))
        if key == "up" and desk.picked:
            return Turn(scene.but(place=replace(desk, picked=desk.picked - 1)))
        if not desk.typed or len(key) > 1:
            turn = self._desk_key(scene, desk, self.keymap.find(key, possible(scene)))
            if turn is not None:
                return turn
        text = edited(desk.typed, key)
        if text is None:
            return Turn(scene)
        return Turn(scene.but(place=replace(desk, typed=text, picked=0), banner=None))

    def _desk_key(self, scene: Scene, desk: AtDesk, id: str) -> Turn | None:
        match id:
            case "undo":
                return self._undone(scene, desk)
            case "reprint":
                lpn = desk.card.lpn if desk.card else ""
                return self.turns.do(scene, lambda: self.station.printable(lpn), self.labels.printable)
            case "waiting":
                return self.turns.do(scene, self.station.pending, self._waiting)
            case "resume":
                last = len(waiting(scene))
                return Turn(scene.but(place=replace(desk, picked=min(desk.picked + 1, last))))
            case "camera":
                return self.turns.look(scene)
            case "match" if desk.card:
                return Turn(scene.but(over=self.turns.match(desk.card.lpn), banner=None))
            case "redirect" if desk.card:
                return self._elsewhere(scene, desk.card)
            case "collect" if desk.card and desk.collected:
                lpn, collected = desk.card.lpn, desk.collected
                if collected.inside:
                    return self.turns.do(scene, lambda: self.station.batch(collected.number))
                return self.turns.do(scene, lambda: self.station.join(lpn))
            case "printer":
                return self.turns.do(scene, self.station.roll, self.labels.roll)
            case "search":
                hint = msg("order, tracking, serial, plate or title")
                return Turn(scene.but(over=Type(msg("Search"), self._search, hint), banner=None))
            case "help":
                return Turn(scene.but(over=Help()))
            case "sign_out":
                return self.turns.do(
                    scene,
                    self.station.sign_out,
                    lambda now, left: Turn(now.but(place=SignIn(AtDesk(), handed_over=left), over=None)),
                )
            case "quit":
                return _quitting(scene)
        return None

    # ── The unit that was found by its label ─────────────────────────────────────────────────────────────────────────

    def _undone(self, scene: Scene, desk: AtDesk) -> Turn:
        card = desk.card
        if card is None or not desk.found:
            return self.turns.do(scene, self.station.undo)
        title = msg("Reopen {lpn}: why?", lpn=card.lpn)
        return Turn(
            scene.but(
                over=Type(title, lambda now, reason: self.turns.do(now, lambda: self.station.reopen(card.lpn, reason))),
                banner=None,
            )
        )

    def _elsewhere(self, scene: Scene, card: Inspection) -> Turn:
        """Another place for a finished unit: where, why, and in which supervisor's name."""

        def listed(now: Scene, result: tuple[Disposition, ...] | Said) -> Turn:
            if isinstance(result, Said):
                return self.turns.arrive(now, result)
            places = self.station.rules.places
            entries = tuple(Entry(places[each], each) for each in result)
            title = msg("Where does {lpn} go instead?", lpn=card.lpn)
            return Turn(now.but(over=Choose(title, entries, asked, tuple(closed(card)))))

        def closed(unit: Inspection) -> Iterator[Message]:
            if not unit.verdict.ours:
                yield msg("it is still the customer's until the seller accepts it")
            for gate in unit.gates:
                yield msg("{gate:data}: closed to resale, for everybody", gate=f"gate.{gate}")

        def asked(now: Scene, to: Disposition) -> Turn:
            title = msg("Why does {lpn} go there: {place:data}?", lpn=card.lpn, place=f"place.{to}")
            hint = msg("the ground for destroying it; it is kept") if to is Disposition.DESTROY else None
            return Turn(now.but(over=Type(title, lambda later, reason: ordered(later, to, reason), hint)))

        def ordered(now: Scene, to: Disposition, reason: str) -> Turn:
            def then(later: Scene, by: Operator) -> Turn:
                return self.turns.do(later, lambda: self.station.reroute(card.lpn, to, reason, by=by), sent)

            what = msg("{lpn} goes there instead: {place:data}", lpn=card.lpn, place=f"place.{to}")
            return self.turns.as_supervisor(now, then, what)

        def sent(now: Scene, result: Known | Said) -> Turn:
            turn = self.turns.arrive(now, result)
            if isinstance(result, Said):
                return turn
            return replace(turn, scene=turn.scene.but(banner=Banner("ok", result.said)))

        return self.turns.do(scene, lambda: self.station.destinations(card.lpn), listed)

    # ── What waits ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _resumed(self, scene: Scene, desk: AtDesk) -> Turn:
        """Enter on a line of "waiting for you"."""
        lines = waiting(scene)
        if desk.picked > len(lines):
            return Turn(scene.but(place=replace(desk, picked=0)))
        return self._resume(scene, lines[desk.picked - 1])

    def _resume(self, scene: Scene, chosen: Waiting | Arrived | Inspection) -> Turn:
        match chosen:
            case Arrived():
                return Turn(scene.but(place=OnParcel(chosen), banner=None))
            case Waiting(draft=draft) if draft:
                return self.turns.do(scene, lambda: self.station.resume(draft))
            case Waiting(label=label) if label:
                return self.turns.do(scene, lambda: self.station.doubtful(label), self.labels.settle)
            case Waiting(parcel=parcel) if parcel:
                return self.turns.do(scene, lambda: self.station.look_into(parcel))
            case Waiting(batch=batch) if batch:
                return self.turns.do(scene, lambda: self.station.batch(batch))
            case Waiting(review=review) if review:
                return self.turns.do(scene, lambda: self.station.dispute(review))
            case Waiting(lpn=lpn) | Inspection(lpn=lpn) if lpn:
                return self.turns.do(scene, lambda: self.station.scan(lpn))
        return Turn(scene)

    def _waiting(self, scene: Scene, pending: Pending) -> Turn:
        """F4: what is in doubt, then what is due, and for a supervisor the units that bear a signal."""
        desk = scene.desk
        notes = [
            msgn(
                "{n} record is parked: the hub did not take it",
                "{n} records are parked: the hub did not take them",
                n=n,
            )
            for n in (desk.events_refused,)
            if n
        ]
        states = scene.states
        if states is not None:
            # The lamp says since when; here is why.
            notes += [states.hub.said] if states.offline else []
            notes += [said for said in (states.photos, states.hub.clock) if said is not None]
        notes += [
            msgn("{n} photo is not at the hub: see below", "{n} photos are not at the hub: see below", n=n)
            for n in (desk.photos_parked,)
            if n
        ]
        notes += [
            msgn("{n} label is parked: was it printed?", "{n} labels are parked: were they printed?", n=n)
            for n in (desk.labels_parked,)
            if n
        ]
        notes += [msgn("{n} photo is owed", "{n} photos are owed", n=n) for n in (desk.photos_owed,) if n]
        notes += overdue(desk)
        notes += [
            msgn("{n} record waits for the hub", "{n} records wait for the hub", n=n)
            for n in (desk.events_waiting,)
            if n and self.station.config.upstream.enabled
        ]
        notes += [
            msgn("{n} more case is open, due later", "{n} more cases are open, due later", n=n)
            for n in (pending.cases_left,)
            if n
        ]
        notes += [msgn("{n} more marked unit", "{n} more marked units", n=n) for n in (pending.marked_left,) if n]
        entries = [self._due(each) for each in pending.waiting]
        entries += [self._marked(unit) for unit in pending.marked]
        if not notes and not entries:
            notes = [msg("Nothing waits.")]
        return Turn(scene.but(over=Choose(msg("Waiting for you"), tuple(entries), self._resume, tuple(notes))))

    def _due(self, each: Waiting) -> Entry:
        """What waits, since when, until when and for whom."""
        label = each.text if not each.lpn else f"{each.lpn}  {self.station.voice().say(each.text)}"
        if each.clock is None:
            return Entry(label, each, sign=each.sign)
        now, voice = self.station.clock(), self.station.voice()
        started, late = each.clock.started_at, each.clock.breached(now)
        today = self.station.today(started) == self.station.today()
        since = voice.time(started) if today else voice.day(self.station.today(started))
        minutes = int(abs(each.clock.due_at - now).total_seconds()) // 60
        span = f"{minutes // 60} h" if minutes >= 60 else f"{minutes} min"
        said = msg("{since} · due in {span} · {owner}", since=since, span=span, owner=each.owner)
        if late:
            said = msg("{since} · {span} over · {owner}", since=since, span=span, owner=each.owner)
        return Entry(label, each, detail=said, sign="!" if late else each.sign)

    def _marked(self, unit: Inspection) -> Entry:
        """A unit with what a supervisor should look at."""
        return Entry(unit.lpn, unit, detail=unit.signals[0].message, sign="▲")

    # ── The search ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _search(self, scene: Scene, text: str) -> Turn:
        return self.turns.do(scene, lambda: self.station.search(text), lambda now, hits: self._hits(now, text, hits))

    def _hits(self, scene: Scene, text: str, hits: tuple[LineSeen | Inspection, ...]) -> Turn:
        if not hits:
            said = msg("nothing found for “{text}”", text=text)
            hint = msg("try the order number, the tracking number or one word of the title")
            return Turn(scene.but(banner=Banner("look", said, hint)))
        entries = tuple(
            Entry(f"{hit.rma.number}  {hit.product.title}", hit, detail=msgn("{n} open", "{n} open", n=hit.open))
            if isinstance(hit, LineSeen)
            else Entry(f"{hit.lpn}  {hit.product.title if hit.product else hit.scanned}", hit)
            for hit in hits
        )
        title = msgn("{n} found for “{text}”", "{n} found for “{text}”", n=len(hits), text=text)
        return Turn(scene.but(over=Choose(title, entries, self._open_hit)))

    def _open_hit(self, scene: Scene, hit: LineSeen | Inspection) -> Turn:
        if isinstance(hit, LineSeen):
            return self.turns.do(scene, lambda: self.station.pick(hit, unit=False))
        return self.turns.do(scene, lambda: self.station.scan(hit.lpn))


def _quitting(scene: Scene) -> Turn:
    ask = Ask(msg("End the program? Everything is saved."), lambda now: Turn(now, quit=True))
    return Turn(scene.but(over=ask, banner=None))
