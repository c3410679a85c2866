"""Keys on a unit: each is an input to its life, or shows or asks something first."""

from dataclasses import dataclass, replace
from textwrap import wrap

from inspect_station.core import inspection as life
from inspect_station.core.bench import offers
from inspect_station.core.records import Grade, Kind, Mark, Operator, Role, Words
from inspect_station.message import Message, msg, msgn
from inspect_station.outcomes import Photographed
from inspect_station.station import Station
from inspect_station.tui.hands.turns import Turns, info
from inspect_station.tui.hands.typed import day, edited, fits
from inspect_station.tui.keymap import DIGITS, Keymap
from inspect_station.tui.scene import (
    AtDesk,
    Banner,
    Choose,
    Entry,
    Help,
    OnUnit,
    Page,
    Photos,
    Scene,
    Shot,
    Turn,
    Type,
    Writing,
    possible,
    slot_words,
)

PAGE_SIGNS, LINE_SIGNS = 900, 80
"""Signs of text on one page of criteria, and what a line that is not full costs: they fit into 24 lines."""

LOST = ("accessory_missing", "consumable_missing")
"""Findings that ask which accessory."""


@dataclass(frozen=True)
class UnitKeys:
    """Keys on a unit."""

    station: Station
    keymap: Keymap
    turns: Turns

    def press(self, scene: Scene, unit: OnUnit, key: str) -> Turn:
        """A key on a unit."""
        view = unit.view
        if view.field is not None:
            sign = DIGITS.get(key, key)
            text = edited(unit.typed, sign) if fits(unit, sign) else None
            if text is not None:
                return Turn(scene.but(place=replace(unit, typed=text), banner=None))
        id = self.keymap.find(key, possible(scene))
        match id:
            case "danger":
                return self.turns.given(scene, unit, life.Digit(0))
            case "grade" | "option" | "toggle":
                return self.turns.given(scene, unit, life.Digit(int(DIGITS.get(key, key)), unit.offset))
            case "accept" | "questions" if view.field is not None and view.field.serial and unit.typed:
                # A serial number that is typed counts like one that is scanned: it is looked up.
                return self.turns.do(scene, lambda: self.station.scan(unit.typed, unit.inspection))
            case "accept" if view.field is not None and view.field.text and not unit.typed and "skip" in view.keys:
                return self._skip(scene, unit)  # where letters are text, the key cannot say it
            case "accept" | "questions":
                turn = self.turns.given(scene, unit, life.Typed(unit.typed) if unit.typed else life.Accept())
                if view.field is not None and turn.scene == scene.but(banner=None):
                    return Turn(scene.but(banner=Banner("look", msg("type it, then Enter"))))
                return turn
            case "all_pass":
                return self.turns.given(scene, unit, life.AllPass())
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
                return self.turns.given(scene, unit, life.Digit(unit.cursor + 1)) if unit.cursor >= 0 else Turn(scene)
            case "photo":
                return self.turns.do(
                    scene, lambda: self.station.photograph(unit.bench, unit.inspection), self._photographed
                )
            case "finding":
                return Turn(scene.but(over=self._findings(unit), banner=None))
            case "wrong":
                return self.turns.given(scene, unit, life.Became(Kind.WRONG_ITEM))
            case "empty":
                return self.turns.given(scene, unit, life.Became(Kind.EMPTY_BOX))
            case "back":
                return self.turns.given(scene, unit, life.Back())
            case "aside":
                return self.turns.do(
                    scene,
                    lambda: self.station.set_aside(unit.inspection),
                    lambda now, said: Turn(now.but(place=AtDesk(), banner=info(said))),
                )
            case "view":
                return Turn(scene.but(over=self._photos(unit), banner=None))
            case "help":
                return Turn(scene.but(over=Help()))
            case "camera":
                return self.turns.look(scene)
            case "criteria":
                return Turn(scene.but(over=self._criteria(unit), banner=None))
            case "override":
                return Turn(scene.but(over=self._override(), banner=None))
            case "match":
                return Turn(scene.but(over=self.turns.match(unit.inspection.lpn), banner=None))
            case "edit":
                # In the language of the label, whoever works.
                text = self.station.voice(self.station.config.station.locale).join(view.why)
                return Turn(scene.but(over=Writing(text, len(text), text), banner=None))
            case "count" | "postmark" | "note" | "hold":
                return Turn(scene.but(over=self._field(unit, id), banner=None))
        return self.turns.nothing(scene, key)

    def _with_right(self, scene: Scene, unit: OnUnit, given: life.Overridden | life.Skipped, what: Message) -> Turn:
        """An input that names a role: given in the operator's own name where that is enough, else a supervisor's."""
        works = self.station.operator
        own = replace(given, role=works.role if works else Role.OPERATOR)
        higher = replace(given, role=Role.SUPERVISOR)

        def changes(tried: life.Input) -> bool:
            return self.station.step(unit.bench, unit.inspection, tried).inspection != unit.inspection

        if changes(own) or not changes(higher):
            return self.turns.given(scene, unit, own)

        def then(now: Scene, supervisor: Operator) -> Turn:
            return self.turns.given(now, now.unit, higher, by=supervisor) if now.unit else Turn(now)

        return self.turns.as_supervisor(scene, then, what)

    def _skip(self, scene: Scene, unit: OnUnit) -> Turn:
        """The row that the cursor stands on, else the first open one that may be skipped, else the first: why?"""
        rows = unit.view.rows
        waiting = [row for row in rows if row.mark is Mark.OPEN]
        row = rows[unit.cursor] if unit.cursor >= 0 else next(row for row in waiting if row.skip != "nobody")
        if row.skip == "nobody":
            return self.turns.given(scene, unit, life.Skipped(row.id, "", Role.OPERATOR))
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
        turn = self.turns.stepped(scene, scene.unit, result.step)
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
                return self.turns.given(scene, scene.unit, life.Unfound(code))
            named = self.turns.missing(scene.unit, code)
            if code in LOST and named.entries:
                return Turn(scene.but(over=named))
            return self.turns.given(scene, scene.unit, life.Found(code))

        return Choose(msg("What do you see?"), entries, pick)

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
                return Type(msg("Hold: why?"), self.turns.into(life.Held))
            case _:
                return Type(msg("Note"), self.turns.into(life.Noted))

    def _counted(self, scene: Scene, text: str) -> Turn:
        if not text.isdecimal() or scene.unit is None:
            return Turn(scene.but(banner=Banner("look", msg("{text} is not a number: F7 again", text=text))))
        return self.turns.given(scene, scene.unit, life.Counted(int(text)))

    def _postmarked(self, scene: Scene, text: str) -> Turn:
        unit = scene.unit
        if unit is None:
            return Turn(scene)
        on = day(text, unit.bench.received_on)
        if on is None:
            said = msg("{text} is not a date: t again, for example 2/10", text=text)
            return Turn(scene.but(banner=Banner("look", said)))
        return self.turns.given(scene, unit, life.Postmarked(on))

    # ── To look at ───────────────────────────────────────────────────────────────────────────────────────────────────

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
