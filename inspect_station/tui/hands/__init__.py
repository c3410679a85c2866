"""What the operator's keys and scans come to. Pure but for the station's clock: what must be done is handed back.

Because a key only makes the next scene, a key that turns out to begin a scan is taken back by keeping the scene before.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path
from textwrap import wrap
from threading import Event
from typing import Any

from inspect_station.core import inspection as life
from inspect_station.core.barcode import Scan, ScanKind, clean
from inspect_station.core.batches import USUAL, Fate
from inspect_station.core.bench import accessories, offers
from inspect_station.core.inspection import Step
from inspect_station.core.records import Disposition, Grade, Inspection, Kind, Mark, Operator, Outcome, Role, Words
from inspect_station.manifest import FATES
from inspect_station.message import Message, msg, msgn
from inspect_station.outcomes import (
    Arrived,
    BatchSeen,
    Desk,
    Doubtful,
    Finished,
    Given,
    Known,
    LabelSeen,
    LineSeen,
    Opened,
    Pending,
    Photographed,
    PinNeeded,
    Printable,
    Proposed,
    Question,
    ReasonNeeded,
    Roll,
    Said,
    Seen,
    Several,
    SignedIn,
    SupervisorNeeded,
    Waiting,
)
from inspect_station.station import Station
from inspect_station.stickers import SLIPS, called
from inspect_station.tui.keymap import DIGITS, HELP_PAGE, Keymap, written
from inspect_station.tui.scene import (
    BATCH_PAGE,
    Ask,
    AtDesk,
    Banner,
    Choose,
    Effect,
    Entry,
    Help,
    Looking,
    OnBatch,
    OnParcel,
    OnUnit,
    Page,
    Photos,
    Scene,
    Shot,
    SignIn,
    Turn,
    Type,
    Writing,
    helped,
    possible,
    slot_words,
)

NO_ANSWER = (ScanKind.BADGE, ScanKind.REJECTED)
"""What is no answer where a code is asked for: it is what it is everywhere."""

LONGEST = 128
"""Characters in a field; longer codes are not read either."""

PAGE_SIGNS, LINE_SIGNS = 900, 80
"""Signs of text on one page of criteria, and what a line that is not full costs: they fit into 24 lines."""

LOST = ("accessory_missing", "consumable_missing")
"""Findings that ask which accessory."""


def _edited(text: str, key: str) -> str | None:
    """The text after an editing key; None where the key edits nothing."""
    if key == "backspace":
        return text[:-1]
    if len(key) == 1 and key.isprintable() and len(text) < LONGEST:
        return text + key
    return None


def _written(writing: Writing, key: str) -> Writing:
    """The text and its cursor after a key."""
    text, at = writing.text, writing.at
    match key:
        case "left":
            return replace(writing, at=max(0, at - 1))
        case "right":
            return replace(writing, at=min(len(text), at + 1))
        case "home":
            return replace(writing, at=0)
        case "end":
            return replace(writing, at=len(text))
        case "backspace" if at:
            return replace(writing, text=text[: at - 1] + text[at:], at=at - 1)
        case "delete":
            return replace(writing, text=text[:at] + text[at + 1 :])
    if len(key) == 1 and key.isprintable() and len(text) < LONGEST:
        return replace(writing, text=text[:at] + key + text[at:], at=at + 1)
    return writing


def _day(text: str, latest: date) -> date | None:
    """A date as typed: ``2/10``, ``02.10.2026`` or ISO; without a year the last such day up to ``latest``."""
    parts = [part for part in text.replace(".", "/").replace("-", "/").split("/") if part]
    if not all(part.isdecimal() for part in parts) or len(parts) not in (2, 3):
        return None
    numbers = [int(part) for part in parts]
    if len(parts[0]) == 4:
        numbers.reverse()
    day, month, *years = numbers
    candidates = [year + 2000 if year < 100 else year for year in years] or [latest.year, latest.year - 1]
    for year in candidates:
        try:
            on = date(year, month, day)
        except ValueError:
            continue
        if years or on <= latest:
            return on
    return None


def _fits(unit: OnUnit, sign: str) -> bool:
    """Whether the page's field takes this sign, or key."""
    field = unit.view.field
    return field is not None and (field.text or sign in "0123456789.," or sign == "backspace")


@dataclass(frozen=True)
class Hands:
    """Keys and scans of one station."""

    station: Station
    keymap: Keymap

    # ── Scans ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def scanned(self, scene: Scene, text: str) -> Turn:
        """A whole code, wherever the operator is: it goes to the station once, never to a field."""
        scan = self.station.read(text)
        if scan.kind is ScanKind.COMMAND:
            key = self.keymap.command(scan.text)
            return self.press(scene, key) if key else self._nothing(scene, scan.text)
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
                work, lambda now, seen: self._noted(scan, self.arrive(now, seen)), msg("{code}…", code=clean(text, 40))
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

    def _look(self, scene: Scene) -> Turn:
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
                    typed = _edited(field.text, sign)
                    scene = scene if typed is None else scene.but(over=replace(field, text=typed))
                case Writing() as writing, _:
                    scene = scene.but(over=_written(writing, sign))
                case None, (SignIn() | AtDesk()) as place:
                    typed = _edited(place.typed, sign)
                    scene = scene if typed is None else scene.but(place=replace(place, typed=typed))
                case None, OnUnit() as unit if unit.view.field is not None and _fits(unit, sign):
                    scene = scene.but(place=replace(unit, typed=_edited(unit.typed, sign) or unit.typed))
        return scene

    def _nothing(self, scene: Scene, key: str) -> Turn:
        shown = written(clean(key, 20) or key, self.station.voice()) if key.isprintable() else "?"
        return Turn(scene.but(banner=Banner("info", msg("{key} does nothing here: ? shows the keys", key=shown))))

    # ── Results ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def arrive(self, scene: Scene, result: Any) -> Turn:
        """What the station answered to a scan or a verb."""
        clear = scene.but(over=None, picture="")
        match result:
            case SupervisorNeeded(said, _, then):
                return self._as_supervisor(clear, lambda now, by: self._do(now, lambda: then(by)), said)
            case Said(title, hint):
                return Turn(scene.but(banner=Banner("look", title, hint)))
            case Message():
                return Turn(clear.but(banner=Banner("info", result)))
            case Arrived(said=said):
                return Turn(clear.but(place=OnParcel(result), banner=_info(said)))
            case Opened(inspection, bench, said):
                return Turn(clear.but(place=OnUnit(inspection, bench), banner=_info(said)))
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
                return self._given(clear, clear.unit, given)
            case Proposed():
                return Turn(clear.but(over=Ask(result.said, self._accepting(result))))
            case Several():
                return Turn(clear.but(over=self._lines(result)))
            case ReasonNeeded():
                return self._why_again(clear, result)
            case Question(said, answers):
                entries = tuple(Entry(answer.label, answer.then, detail=answer.detail) for answer in answers)
                return Turn(clear.but(over=Choose(said, entries, self._do)))
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

    def _as_supervisor(
        self, scene: Scene, then: Callable[[Scene, Operator], Turn], what: Message | None = None
    ) -> Turn:
        """What only a supervisor may do, in the supervisor's name: badge, PIN, ``then``. Whoever works stays signed in.

        A supervisor who works here is not asked. ``what`` is said with the question; Esc leaves everything as it was.
        """
        works = self.station.operator
        if works is not None and works.role is Role.SUPERVISOR:
            return then(scene, works)

        def ask(now: Scene, code: str) -> Turn:
            return self._do(now, lambda: self.station.vouch(self.station.read(code)), known)

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
                return self._do(later, lambda: self.station.vouched(result.operator, pin), proven)

            return Turn(now.but(over=Type(result.said, check, what, masked=True, badge=ask)))

        def proven(now: Scene, result: Operator | Said) -> Turn:
            return again(now, result) if isinstance(result, Said) else then(now, result)

        def again(now: Scene, said: Said) -> Turn:
            return Turn(now.but(over=badge, banner=Banner("look", said.title, said.hint)))

        return Turn(scene.but(over=badge, banner=None))

    def _with_right(self, scene: Scene, unit: OnUnit, given: life.Overridden | life.Skipped, what: Message) -> Turn:
        """An input that names a role: given in the operator's own name where that is enough, else a supervisor's."""
        works = self.station.operator
        own = replace(given, role=works.role if works else Role.OPERATOR)
        higher = replace(given, role=Role.SUPERVISOR)

        def changes(tried: life.Input) -> bool:
            return self.station.step(unit.bench, unit.inspection, tried).inspection != unit.inspection

        if changes(own) or not changes(higher):
            return self._given(scene, unit, own)

        def then(now: Scene, supervisor: Operator) -> Turn:
            return self._given(now, now.unit, higher, by=supervisor) if now.unit else Turn(now)

        return self._as_supervisor(scene, then, what)

    def _accepting(self, proposed: Proposed) -> Callable[[Scene], Turn]:
        def accept(scene: Scene) -> Turn:
            current = scene.unit.inspection if scene.unit else None
            return self._do(scene, lambda: self.station.accept(proposed, current))

        return accept

    def _do(self, scene: Scene, work: Callable[[], Any], then: Callable[[Scene, Any], Turn] | None = None) -> Turn:
        return Turn(scene.but(banner=None), Effect(work, then or self.arrive, msg("working…")))

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
            lambda scene, line: self._do(
                scene, lambda: self.station.pick(line, unit=several.article, scan=several.scan)
            ),
            notes=(more,) if several.total > shown else (),
        )

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
                return self._at_sign_in(scene, sign_in, key)
            case AtDesk() as desk:
                return self._at_desk(scene, desk, key)
            case OnParcel(arrived):
                return self._on_parcel(scene, arrived, key)
            case OnUnit() as unit:
                return self._on_unit(scene, unit, key)
            case OnBatch() as batch:
                return self._on_batch(scene, batch, key)

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
        text = _edited(field.text, DIGITS.get(key, key) if field.numeric else key)
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
                return self._given(left, scene.unit, life.Reworded(text))
        return Turn(scene.but(over=_written(writing, key)))

    # ── At the desk ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _at_sign_in(self, scene: Scene, place: SignIn, key: str) -> Turn:
        if key == "enter":
            return self._entered(scene, place) if place.typed else Turn(scene)
        if key == "escape":
            return Turn(scene.but(place=replace(place, typed=""), banner=None))
        if not place.typed or len(key) > 1:
            match self.keymap.find(key, possible(scene)):
                case "camera":
                    return self._look(scene)
                case "help":
                    return Turn(scene.but(over=Help()))
                case "quit":
                    return _quitting(scene)
        text = _edited(place.typed, key)
        return Turn(scene if text is None else scene.but(place=replace(place, typed=text)))

    def _entered(self, scene: Scene, place: SignIn | AtDesk) -> Turn:
        """A code typed by hand, with Enter: the same as a scan."""
        return self.scanned(scene.but(place=replace(place, typed="")), place.typed)

    def _at_desk(self, scene: Scene, desk: AtDesk, key: str) -> Turn:
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
        text = _edited(desk.typed, key)
        if text is None:
            return Turn(scene)
        return Turn(scene.but(place=replace(desk, typed=text, picked=0), banner=None))

    def _desk_key(self, scene: Scene, desk: AtDesk, id: str) -> Turn | None:
        match id:
            case "undo":
                return self._undone(scene, desk)
            case "reprint":
                lpn = desk.card.lpn if desk.card else ""
                return self._do(scene, lambda: self.station.printable(lpn), self._printable)
            case "waiting":
                return self._do(scene, self.station.pending, self._waiting)
            case "resume":
                last = len(waiting(scene))
                return Turn(scene.but(place=replace(desk, picked=min(desk.picked + 1, last))))
            case "camera":
                return self._look(scene)
            case "match" if desk.card:
                return Turn(scene.but(over=self._match(desk.card.lpn), banner=None))
            case "redirect" if desk.card:
                return self._elsewhere(scene, desk.card)
            case "collect" if desk.card and desk.collected:
                lpn, collected = desk.card.lpn, desk.collected
                if collected.inside:
                    return self._do(scene, lambda: self.station.batch(collected.number))
                return self._do(scene, lambda: self.station.join(lpn))
            case "printer":
                return self._do(scene, self.station.roll, self._roll)
            case "search":
                hint = msg("order, tracking, serial, plate or title")
                return Turn(scene.but(over=Type(msg("Search"), self._search, hint), banner=None))
            case "help":
                return Turn(scene.but(over=Help()))
            case "sign_out":
                return self._do(
                    scene,
                    self.station.sign_out,
                    lambda now, left: Turn(now.but(place=SignIn(AtDesk(), handed_over=left), over=None)),
                )
            case "quit":
                return _quitting(scene)
        return None

    def _match(self, lpn: str) -> Type:
        """Whose an unannounced unit is: a supervisor names its return, by any number or word."""

        def found(scene: Scene, result: Several | Said) -> Turn:
            if not isinstance(result, Several):
                return self.arrive(scene, result)
            lines = self._lines(result)

            def pick(now: Scene, line: LineSeen) -> Turn:
                return self._do(now, lambda: self.station.match(lpn, line))

            return Turn(
                scene.but(over=replace(lines, title=msg("Which return does {lpn} belong to?", lpn=lpn), pick=pick))
            )

        return Type(
            msg("Which return does {lpn} belong to?", lpn=lpn),
            lambda scene, text: self._do(scene, lambda: self.station.claimants(text), found),
            msg("RMA, order, tracking, serial, EAN or title: scan or type it"),
            asks_code=True,
        )

    def _elsewhere(self, scene: Scene, card: Inspection) -> Turn:
        """Another place for a finished unit: where, why, and in which supervisor's name."""

        def listed(now: Scene, result: tuple[Disposition, ...] | Said) -> Turn:
            if isinstance(result, Said):
                return self.arrive(now, result)
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
                return self._do(later, lambda: self.station.reroute(card.lpn, to, reason, by=by), sent)

            what = msg("{lpn} goes there instead: {place:data}", lpn=card.lpn, place=f"place.{to}")
            return self._as_supervisor(now, then, what)

        def sent(now: Scene, result: Known | Said) -> Turn:
            turn = self.arrive(now, result)
            if isinstance(result, Said):
                return turn
            return replace(turn, scene=turn.scene.but(banner=Banner("ok", result.said)))

        return self._do(scene, lambda: self.station.destinations(card.lpn), listed)

    def _printable(self, scene: Scene, result: Printable | Message) -> Turn:
        """Which label: the unit's own, a slip beside it, or one of another kind, which a supervisor gives it."""
        if isinstance(result, Message):
            return self.arrive(scene, result)

        def pick(now: Scene, kind: str | None) -> Turn:
            if kind is None:
                return Turn(now.but(over=Choose(title, others, pick, (note,))))
            return self._do(now, lambda: self.station.reprint(result.lpn, kind=kind))

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

    def _why_again(self, scene: Scene, result: ReasonNeeded, again: Callable[[str, str], Any] | None = None) -> Turn:
        """Another copy needs a reason: one of the usual, or typed. So does a label that is not the unit's own.

        ``again`` prints it, a unit's label where it is not said.
        """
        verb = again or (lambda lpn, why: self.station.reprint(lpn, why, result.kind))
        title = msg("Label of {lpn} again, copy {n}: why?", lpn=result.lpn, n=result.copy)

        def print_it(now: Scene, why: str) -> Turn:
            return self._do(now, lambda: verb(result.lpn, why))

        if result.copy == 1:
            return Turn(scene.but(over=Type(msg("Why does {lpn} get this label?", lpn=result.lpn), print_it)))

        def pick(now: Scene, why: Message | None) -> Turn:
            if why is None:
                return Turn(now.but(over=Type(title, print_it)))
            return print_it(now, self.station.voice(self.station.config.station.locale).say(why))

        entries = (*(Entry(why, why) for why in AGAIN), Entry(msg("another reason: type it"), None))
        notes = () if result.kind else (msg("the label before is void then: destroy it"),)
        return Turn(scene.but(over=Choose(title, entries, pick, notes)))

    def _roll(self, scene: Scene, roll: Roll) -> Turn:
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
                return self._do(now, self.station.hold_printing, self._roll)
            if isinstance(chosen, str):
                return self._test(now, chosen)
            return self._do(now, chosen)

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
            return self._test(now, chosen) if isinstance(chosen, str) else self._do(now, chosen)

        title = msg("Is the test label whole, and can it be scanned?")
        return Turn(scene.but(over=Choose(title, entries, pick, (roll.said, *roll.problems)), banner=None))

    def _settle(self, scene: Scene, label: Doubtful | None) -> Turn:
        """A label of which nobody knows whether it came out: only somebody who looks can tell."""
        if label is None:
            return self.arrive(scene, msg("this label is settled already"))
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
            return self._do(now, lambda: self.station.settle_label(label.id, came_out=came_out))

        def look(now: Scene) -> Turn:
            return self._do(now, lambda: self.station.picture_of_label(label.id), shown)

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

    def _undone(self, scene: Scene, desk: AtDesk) -> Turn:
        card = desk.card
        if card is None or not desk.found:
            return self._do(scene, self.station.undo)
        title = msg("Reopen {lpn}: why?", lpn=card.lpn)
        return Turn(
            scene.but(
                over=Type(title, lambda now, reason: self._do(now, lambda: self.station.reopen(card.lpn, reason))),
                banner=None,
            )
        )

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
                return self._do(scene, lambda: self.station.resume(draft))
            case Waiting(label=label) if label:
                return self._do(scene, lambda: self.station.doubtful(label), self._settle)
            case Waiting(parcel=parcel) if parcel:
                return self._do(scene, lambda: self.station.look_into(parcel))
            case Waiting(batch=batch) if batch:
                return self._do(scene, lambda: self.station.batch(batch))
            case Waiting(review=review) if review:
                return self._do(scene, lambda: self.station.dispute(review))
            case Waiting(lpn=lpn) | Inspection(lpn=lpn) if lpn:
                return self._do(scene, lambda: self.station.scan(lpn))
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
            for n in (desk.events_parked,)
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

    def _search(self, scene: Scene, text: str) -> Turn:
        return self._do(scene, lambda: self.station.search(text), lambda now, hits: self._hits(now, text, hits))

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
            return self._do(scene, lambda: self.station.pick(hit, unit=False))
        return self._do(scene, lambda: self.station.scan(hit.lpn))

    # ── On a parcel ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _on_parcel(self, scene: Scene, arrived: Arrived, key: str) -> Turn:
        parcel = arrived.parcel
        match self.keymap.find(key, possible(scene)):
            case "empty":
                return self._do(scene, lambda: self.station.begin(Kind.EMPTY_BOX, parcel))
            case "wrong":
                return self._do(scene, lambda: self.station.begin(Kind.WRONG_ITEM, parcel))
            case "danger":
                return self._do(scene, lambda: self.station.begin(Kind.DANGER, parcel), self._danger)
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
                            lambda now, code: self._do(now, lambda: self.station.carton_found(parcel, code)),
                        ),
                        banner=None,
                    )
                )
            case "carton_photo":
                return self._do(scene, lambda: self.station.carton_photo(parcel), self._carton_photo)
            case "camera":
                return self._look(scene)
            case "help":
                return Turn(scene.but(over=Help()))
            case "to_desk":
                return Turn(scene.but(place=AtDesk(), banner=None))
            case "type":
                return Turn(scene.but(over=self._code_field(""), banner=None))
        digit = DIGITS.get(key, key)
        if len(digit) == 1 and digit in "123456789":
            return Turn(scene.but(over=self._code_field(digit), banner=None))
        return self._nothing(scene, key)

    def _code_field(self, text: str) -> Type:
        return Type(msg("Type the article's code"), self.scanned, text=text, numeric=True)

    def _danger(self, scene: Scene, opened: Opened) -> Turn:
        """Quarantine at once: the details can wait, the article cannot."""
        return self._given(scene, OnUnit(opened.inspection, opened.bench), life.Became(Kind.DANGER))

    def _carton_photo(self, scene: Scene, result: Arrived | Said) -> Turn:
        turn = self.arrive(scene, result)
        if isinstance(result, Arrived):
            return replace(turn, scene=turn.scene.but(picture=result.parcel.photos[-1].sha256))
        return turn

    def _line_missing(self, scene: Scene, arrived: Arrived) -> Turn:
        still = tuple(line for line in arrived.lines if line.open)

        def mark(now: Scene, line: LineSeen) -> Turn:
            return self._do(now, lambda: self.station.line_missing(arrived.parcel, line))

        if len(still) == 1:
            return mark(scene, still[0])
        entries = tuple(
            Entry(line.product.title, line, detail=msgn("{n} open", "{n} open", n=line.open)) for line in still
        )
        return Turn(scene.but(over=Choose(msg("Which line is not in the parcel?"), entries, mark), banner=None))

    # ── On a unit ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _on_unit(self, scene: Scene, unit: OnUnit, key: str) -> Turn:
        view = unit.view
        if view.field is not None:
            sign = DIGITS.get(key, key)
            text = _edited(unit.typed, sign) if _fits(unit, sign) else None
            if text is not None:
                return Turn(scene.but(place=replace(unit, typed=text), banner=None))
        id = self.keymap.find(key, possible(scene))
        match id:
            case "danger":
                return self._given(scene, unit, life.Digit(0))
            case "grade" | "option" | "toggle":
                return self._given(scene, unit, life.Digit(int(DIGITS.get(key, key)), unit.offset))
            case "accept" | "questions" if view.field is not None and view.field.serial and unit.typed:
                # A serial number that is typed counts like one that is scanned: it is looked up.
                return self._do(scene, lambda: self.station.scan(unit.typed, unit.inspection))
            case "accept" if view.field is not None and view.field.text and not unit.typed and "skip" in view.keys:
                return self._skip(scene, unit)  # where letters are text, the key cannot say it
            case "accept" | "questions":
                turn = self._given(scene, unit, life.Typed(unit.typed) if unit.typed else life.Accept())
                if view.field is not None and turn.scene == scene.but(banner=None):
                    return Turn(scene.but(banner=Banner("look", msg("type it, then Enter"))))
                return turn
            case "all_pass":
                return self._given(scene, unit, life.AllPass())
            case "skip":
                return self._skip(scene, unit)
            case "next_nine":
                offset = unit.offset + 9 if unit.offset + 9 < len(view.rows) else 0
                return Turn(scene.but(place=replace(unit, offset=offset, cursor=-1)))
            case "down" | "up":
                move = 1 if id == "down" else -1
                cursor = (unit.cursor + move) % len(view.rows) if unit.cursor >= 0 else unit.offset
                return Turn(scene.but(place=replace(unit, cursor=cursor, offset=cursor // 9 * 9)))
            case "mark":
                return self._given(scene, unit, life.Digit(unit.cursor + 1)) if unit.cursor >= 0 else Turn(scene)
            case "photo":
                return self._do(scene, lambda: self.station.photograph(unit.bench, unit.inspection), self._photographed)
            case "finding":
                return Turn(scene.but(over=self._findings(unit), banner=None))
            case "wrong":
                return self._given(scene, unit, life.Became(Kind.WRONG_ITEM))
            case "empty":
                return self._given(scene, unit, life.Became(Kind.EMPTY_BOX))
            case "back":
                return self._given(scene, unit, life.Back())
            case "aside":
                return self._do(
                    scene,
                    lambda: self.station.set_aside(unit.inspection),
                    lambda now, said: Turn(now.but(place=AtDesk(), banner=_info(said))),
                )
            case "view":
                return Turn(scene.but(over=self._photos(unit), banner=None))
            case "help":
                return Turn(scene.but(over=Help()))
            case "camera":
                return self._look(scene)
            case "criteria":
                return Turn(scene.but(over=self._criteria(unit), banner=None))
            case "override":
                return Turn(scene.but(over=self._override(), banner=None))
            case "match":
                return Turn(scene.but(over=self._match(unit.inspection.lpn), banner=None))
            case "edit":
                # In the language of the label, whoever works.
                text = self.station.voice(self.station.config.station.locale).join(view.why)
                return Turn(scene.but(over=Writing(text, len(text), text), banner=None))
            case "count" | "postmark" | "note" | "hold":
                return Turn(scene.but(over=self._field(unit, id), banner=None))
        return self._nothing(scene, key)

    def _given(self, scene: Scene, unit: OnUnit, given: life.Input, by: Operator | None = None) -> Turn:
        return self._stepped(scene, unit, self.station.step(unit.bench, unit.inspection, given, by=by))

    def _stepped(self, scene: Scene, unit: OnUnit, step: Step) -> Turn:
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
            return Turn(scene.but(over=self._accessories(place)))
        return Turn(scene)

    def _into(self, given: Callable[[Any], life.Input]) -> Callable[[Scene, Any], Turn]:
        """What was entered or chosen, given to the unit."""

        def submit(scene: Scene, value: Any) -> Turn:
            return self._given(scene, scene.unit, given(value)) if scene.unit else Turn(scene)

        return submit

    def _skip(self, scene: Scene, unit: OnUnit) -> Turn:
        """The row that the cursor stands on, else the first open one that may be skipped, else the first: why?"""
        rows = unit.view.rows
        waiting = [row for row in rows if row.mark is Mark.OPEN]
        row = rows[unit.cursor] if unit.cursor >= 0 else next(row for row in waiting if row.skip != "nobody")
        if row.skip == "nobody":
            return self._given(scene, unit, life.Skipped(row.id, "", Role.OPERATOR))
        said = self.station.voice().say(row.label)

        def submit(now: Scene, reason: str) -> Turn:
            given = life.Skipped(row.id, reason, Role.OPERATOR)
            what = msg("only a supervisor may skip “{row}”", row=said)
            return self._with_right(now, now.unit, given, what) if now.unit else Turn(now)

        return Turn(scene.but(over=Type(msg("Skip “{row}”: why?", row=said), submit), banner=None))

    def _photographed(self, scene: Scene, result: Photographed) -> Turn:
        if scene.unit is None:
            return Turn(scene)
        before, after = scene.unit.inspection.photos, result.step.inspection.photos
        turn = self._stepped(scene, scene.unit, result.step)
        taken = after[-1].sha256 if after != before else ""
        banner = Banner("ok" if result.well else "look", result.said)
        return Turn(turn.scene.but(banner=banner, picture=taken))

    def _findings(self, unit: OnUnit) -> Choose:
        made = {finding.code for finding in unit.inspection.findings}
        entries = tuple(
            Entry(
                finding.label,
                finding.code,
                detail=self.station.rules.grades[finding.floor].label if finding.floor else "",
                sign="✔" if finding.code in made else "",
            )
            for finding in offers(unit.bench, unit.inspection)
        )

        def pick(scene: Scene, code: str) -> Turn:
            if scene.unit is None:
                return Turn(scene)
            if code in made:
                return self._given(scene, scene.unit, life.Unfound(code))
            named = self._accessories(scene.unit, code)
            if code in LOST and named.entries:
                return Turn(scene.but(over=named))
            return self._given(scene, scene.unit, life.Found(code))

        return Choose(msg("What do you see?"), entries, pick)

    def _accessories(self, unit: OnUnit, only: str = "") -> Choose:
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
        return Choose(msg("What is missing?"), entries, self._into(lambda value: life.Found(*value)))

    def _photos(self, unit: OnUnit) -> Photos:
        """The unit's photos; the last one first in view."""
        photos = unit.inspection.photos
        voice = self.station.voice()
        shots = tuple(
            Shot(
                msg("photo {n} of {total}: {slot}", n=n, total=len(photos), slot=voice.say(slot_words(photo.slot))),
                photo.sha256,
            )
            for n, photo in enumerate(photos, start=1)
        )
        return Photos(shots, len(shots) - 1)

    def _criteria(self, unit: OnUnit) -> Photos:
        """What the seller calls each grade, in words and then in pictures, the best grade first."""
        seller = unit.bench.seller
        grades = self.station.rules.grades
        said = {grade: self.station.voice().say(seller.criteria.get(grade, "")) for grade in Grade}
        words = [(grades[grade].label, part) for grade in Grade for part in wrap(said[grade], PAGE_SIGNS)]
        pages: list[list[tuple[Words, str]]] = []
        room = 0
        for label, part in words:
            if room < len(part) + LINE_SIGNS:
                pages.append([])
                room = PAGE_SIGNS + LINE_SIGNS
            pages[-1].append((label, part))
            room -= len(part) + LINE_SIGNS
        title = msg("Criteria of {seller}", seller=seller.name)
        shots = [
            Shot(
                msg("{grade:data}: picture {n} of {total}", grade=f"grade.{grade}", n=n, total=len(pictures)),
                sha256,
                said[grade],
            )
            for grade in Grade
            for pictures in (seller.pictures.get(grade, ()),)
            for n, sha256 in enumerate(pictures, start=1)
        ]
        return Photos((*(Page(title, tuple(lines)) for lines in pages), *shots))

    def _override(self) -> Choose:
        def pick(scene: Scene, grade: Grade) -> Turn:
            title = msg("Why {grade:data}?", grade=f"grade.{grade}")

            def submit(now: Scene, reason: str) -> Turn:
                given = life.Overridden(grade, reason, Role.OPERATOR)
                what = msg("{to:data} instead of the suggested grade: {reason}", to=f"grade.{grade}", reason=reason)
                return self._with_right(now, now.unit, given, what) if now.unit else Turn(now)

            return Turn(scene.but(over=Type(title, submit)))

        entries = tuple(
            Entry(self.station.rules.grades[grade].label, grade, detail=self.station.rules.grades[grade].hint)
            for grade in Grade
        )
        return Choose(msg("Which grade instead?"), entries, pick)

    def _field(self, unit: OnUnit, id: str) -> Type:
        match id:
            case "count":
                hint = msgn("{n} unit of the line is open", "{n} units of the line are open", n=unit.bench.open_units)
                return Type(msg("How many sealed units?"), self._counted, hint, numeric=True)
            case "postmark":
                hint = msg("day/month, for example 2/10")
                return Type(msg("Date of the postmark"), self._postmarked, hint)
            case "hold":
                return Type(msg("Hold: why?"), self._into(life.Held))
            case _:
                return Type(msg("Note"), self._into(life.Noted))

    def _counted(self, scene: Scene, text: str) -> Turn:
        if not text.isdecimal() or scene.unit is None:
            return Turn(scene.but(banner=Banner("look", msg("{text} is not a number: F7 again", text=text))))
        return self._given(scene, scene.unit, life.Counted(int(text)))

    def _postmarked(self, scene: Scene, text: str) -> Turn:
        unit = scene.unit
        if unit is None:
            return Turn(scene)
        on = _day(text, unit.bench.received_on)
        if on is None:
            said = msg("{text} is not a date: t again, for example 2/10", text=text)
            return Turn(scene.but(banner=Banner("look", said)))
        return self._given(scene, unit, life.Postmarked(on))

    # ── In a batch ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _on_batch(self, scene: Scene, place: OnBatch, key: str) -> Turn:
        number = place.seen.batch.number
        match self.keymap.find(key, possible(scene)):
            case "close_batch":
                return self._close_batch(scene, place.seen)
            case "take_out":
                return Turn(scene.but(over=self._take_out(place.seen), banner=None))
            case "undo":
                return self._do(scene, lambda: self.station.undo_join(number))
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
                        return self._why_again(now, result, verb)
                    return self.arrive(now, result)

                return self._do(scene, lambda: verb(number), again)
            case "batch_list":
                return self._do(scene, lambda: self.station.save_list(number), self._listed)
            case "next":
                first = place.first + BATCH_PAGE
                return Turn(scene.but(place=replace(place, first=first if first < len(place.seen.batch.units) else 0)))
            case "camera":
                return self._look(scene)
            case "help":
                return Turn(scene.but(over=Help()))
            case "to_desk":
                return Turn(scene.but(place=AtDesk(), banner=None))
        return self._nothing(scene, key)

    def _close_batch(self, scene: Scene, seen: BatchSeen) -> Turn:
        """Close it, with the number of its seal where that has one; then its list is written."""
        batch = seen.batch
        if seen.blocked:
            return self._do(scene, lambda: self.station.close_batch(batch.number))

        def closed(now: Scene, result: BatchSeen | Said) -> Turn:
            turn = self.arrive(now, result)
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
            lambda now, seal: self._do(now, lambda: self.station.close_batch(batch.number, seal), closed),
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
                return self._do(now, lambda: self.station.take_out(number, scan.text, why))

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
            return self._do(now, lambda: self.station.property_out(number, lpn))

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
            return self._do(
                now, lambda: self.station.may_end(number, fate), lambda later, order: weighed(later, fate, order)
            )

        def weighed(now: Scene, fate: Fate, order: Said | Message | None) -> Turn:
            if isinstance(order, Said):
                return self.arrive(now, order)
            if order is None:
                return asked(now, fate, "", None)
            title = msg("{batch}, {fate:word}: on what ground?", batch=number, fate=FATES[fate].text)
            return Turn(now.but(over=Type(title, lambda later, ground: asked(later, fate, ground, order), order)))

        def asked(now: Scene, fate: Fate, ground: str, order: Message | None) -> Turn:
            def dated(later: Scene, text: str) -> Turn:
                on = _day(text, self.station.today()) if text else self.station.today()
                if on is None:
                    said = msg("{text} is not a date: o again, for example 2/10", text=text)
                    return Turn(later.but(banner=Banner("look", said)))
                if order is None:
                    return shown(later, fate, ground, on, None)
                return self._as_supervisor(later, lambda then, by: shown(then, fate, ground, on, by), order)

            hint = msg("Enter: today; another day as day/month, for example 2/10")
            return Turn(now.but(over=Type(msg("{batch}: when was that?", batch=number), dated, hint, optional=True)))

        def shown(now: Scene, fate: Fate, ground: str, on: date, by: Operator | None) -> Turn:
            def take(later: Scene) -> Turn:
                work = partial(self.station.end_batch, number, fate, on=on, ground=ground, by=by)
                return self._do(later, work, noted)

            said = msg("Proof: the receipt, or the batch as it leaves, before the camera. Enter takes the picture")
            return Turn(now.but(over=Ask(said, take), banner=None))

        def noted(now: Scene, result: BatchSeen | Said) -> Turn:
            turn = self.arrive(now, result)
            if isinstance(result, BatchSeen) and result.batch.ending is not None:
                return replace(turn, scene=turn.scene.but(picture=result.batch.ending.photo))
            return turn

        entries = tuple(Entry(FATES[fate], fate) for fate in fates)
        return Turn(scene.but(over=Choose(msg("What became of {batch}?", batch=number), entries, chosen), banner=None))

    # ── What happens by itself ───────────────────────────────────────────────────────────────────────────────────────

    def locked(self, scene: Scene) -> Turn:
        """Nobody touched a key for a while: a badge is asked for, the unit stays."""
        place = scene.place
        if isinstance(place, SignIn):
            return Turn(scene)

        def then(now: Scene, _: object) -> Turn:
            return Turn(now.but(place=SignIn(place), over=None, banner=None, picture=""))

        return Turn(scene, Effect(self.station.sign_out, then, msg("locking…")))


TAKEN_OUT = (
    msg("it was put in by mistake"),
    msg("it is looked at once more"),
    msg("it is missing"),
)
"""Why a unit is taken out of a batch, mostly."""

AGAIN = (
    msg("it did not come out, or blank"),
    msg("it is torn, smudged or cannot be read"),
    msg("it is lost"),
)
"""Why a label is printed again, mostly."""


def _goes_on(roll: Roll) -> Message:
    return msgn("print {n} waiting?", "print {n} waiting?", n=roll.waiting) if roll.waiting else msg("go on printing")


SIGNS = {Outcome.ELIGIBLE: "✔", Outcome.CONSULT: "▲", Outcome.INELIGIBLE: "✘"}


def waiting(scene: Scene) -> tuple[Waiting | Arrived, ...]:
    """What "waiting for you" lists: the open parcel first."""
    parcel = scene.desk.parcel
    return (*((parcel,) if parcel else ()), *scene.desk.waiting)


def overdue(desk: Desk) -> list[Message]:
    """How much is over its time: nothing where nothing is."""
    units = msgn("{n} unit is over time since receipt", "{n} units are over time since receipt", n=desk.overdue)
    cases = msgn(
        "{n} case: the seller has not answered in time",
        "{n} cases: the sellers have not answered in time",
        n=desk.cases_overdue,
    )
    return [said for said in (units, cases) if said.params["n"]]


def parcel_title(arrived: Arrived) -> Message:
    """An open parcel in one line."""
    lines = arrived.lines
    total = sum(line.line.quantity for line in lines)
    done = total - sum(line.open for line in lines)
    return msg(
        "parcel {rma}: {done} of {total} units done",
        rma=arrived.parcel.rmas[-1][1] if arrived.parcel.rmas else "?",
        done=done,
        total=total,
    )


def _info(said: Message | None) -> Banner | None:
    return Banner("info", said) if said else None


def _quitting(scene: Scene) -> Turn:
    ask = Ask(msg("End the program? Everything is saved."), lambda now: Turn(now, quit=True))
    return Turn(scene.but(over=ask, banner=None))
