"""The verbs of labels: a unit's own and the slips beside it, once more, in doubt, as files; and the change of the roll.

A label is queued in the commit of what it is for; the outbox prints it.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property

from inspect_station import stickers
from inspect_station.config import LabelPrinter
from inspect_station.core.records import Inspection, Operator
from inspect_station.dock import Dock, supervises
from inspect_station.errors import NotAllowed, NotFound
from inspect_station.label import Format, Template, templates
from inspect_station.message import Message, msg
from inspect_station.outbox import Outbox
from inspect_station.outbox.prints import Press
from inspect_station.outcomes import Doubtful, Printable, ReasonNeeded, Roll, Said, SupervisorNeeded
from inspect_station.printing import sizes_of
from inspect_station.resources import resource
from inspect_station.store import LabelSpec, Reader, Writer
from inspect_station.words import Voice


class Labelling(Dock, ABC):
    """What is done about labels at a dock."""

    @property
    @abstractmethod
    def outbox(self) -> Outbox:
        """All that leaves the bench (`Station.outbox`): what is queued here is printed by it."""

    @abstractmethod
    def _wake(self) -> None:
        """Tell the outbox that there is something to do (`Station._wake`)."""

    @abstractmethod
    def show(self, lpn: str) -> Inspection:
        """The newest revision of a unit, or its draft (`Station.show`). Raises NotFound."""

    @cached_property
    def _templates(self) -> Mapping[str, Template]:
        return templates(resource("labels"), self.config.station.labels)

    def _label(self, reader: Reader, unit: Inspection, print_no: int, *, copy: int = 0, why: str = "") -> LabelSpec:
        """The unit's label; ``copy`` = its number among those of its kind, by default the next after those sent."""
        copy = copy or reader.copies(unit.lpn, stickers.kind_of(unit)) + 1
        voice = Voice(self.config.station.locale, self.rules, self.config.station.zone)
        seller = self.seller(reader, unit.seller)
        return LabelSpec(
            lpn=unit.lpn,
            inspection=unit.id,
            kind=stickers.kind_of(unit),
            print_no=print_no,
            fields=stickers.fields(
                unit,
                voice=voice,
                rules=self.rules,
                seller=seller,
                sites=self.config.sites,
                print_no=print_no,
                copy=copy,
                on=self.today(),
                page=self.config.station.unit_page,
            ),
            copy_no=copy,
            operator=self.by,
            why=why,
        )

    def _beside(self, writer: Writer, unit: Inspection, kind: str, *, why: str, by: str = "") -> LabelSpec:
        """A slip, or a label of another kind than the unit's own, which stays valid. One of its kind that is not out
        yet does not come after it any more."""
        writer.cancel_unprinted(unit.lpn, kind)
        copy = writer.copies(unit.lpn, kind) + 1
        spec = self._label(writer, unit, writer.next_print_no(unit.lpn), copy=copy, why=why)
        spec = replace(_as_slip(spec, kind), operator=by or self.by)
        writer.queue_label(spec)
        return spec

    def _again(self, writer: Writer, unit: Inspection, *, why: str = "", scan_back: bool = False) -> LabelSpec:
        """One more of a unit's own labels. What of the earlier ones is not out yet does not come after it any more."""
        writer.cancel_unprinted(unit.lpn)
        copy = writer.copies(unit.lpn, stickers.kind_of(unit)) + 1
        spec = self._label(writer, unit, writer.next_print_no(unit.lpn), copy=copy, why=why)
        spec = replace(spec, scan_back=scan_back)
        writer.queue_label(spec)
        return spec

    # ── Once more, and in doubt ──────────────────────────────────────────────────────────────────────────────────────

    def printable(self, lpn: str = "") -> Printable | Message:
        """F3: what can be printed of this, or the last finished, unit."""
        with self.store.read() as reader:
            unit = self._with_label(reader, lpn)
            superseded = self._superseded(reader, unit) if unit else None
        if unit is None:
            return NOTHING_TO_PRINT
        if superseded is not None:
            return superseded.title
        own = stickers.kind_of(unit)
        allowed = [kind for kind in self._templates if kind != own and stickers.refused(unit, kind) is None]
        slips = tuple(kind for kind in stickers.SLIPS if kind in allowed)
        others = tuple(kind for kind in allowed if kind not in stickers.SLIPS and kind not in stickers.NO_UNITS)
        return Printable(unit.lpn, own, slips, others)

    @staticmethod
    def _with_label(reader: Reader, lpn: str) -> Inspection | None:
        unit = reader.inspection(lpn) if lpn else reader.last_finished()
        return None if unit is None or unit.voided_at is not None else unit

    def reprint(
        self, lpn: str = "", why: str = "", kind: str = "", *, by: Operator | None = None
    ) -> Message | ReasonNeeded | Said:
        """F3: the label of this, or the last finished, unit once more, or a slip beside it (`printable`).

        A copy needs a reason, which is kept with who asked for it; the unit's own labels before it are void. A label
        of another kind than its own needs a reason and a supervisor: ``by``, else whoever works.
        """
        by = by or self.operator
        with self.store.write() as writer:
            unit = self._with_label(writer, lpn)
            if unit is None:
                return NOTHING_TO_PRINT
            if (superseded := self._superseded(writer, unit)) is not None:
                return superseded
            own = stickers.kind_of(unit)
            kind = kind or own
            refused = stickers.refused(unit, kind)
            if refused is not None or kind not in self._templates or kind in stickers.NO_UNITS:
                return Said(refused or msg("no label template {kind}", kind=kind), msg("F3 lists what can be printed"))
            copy = writer.copies(unit.lpn, kind) + 1
            another = kind != own and kind not in stickers.SLIPS
            if (copy > 1 or another) and not why.strip():
                return ReasonNeeded(unit.lpn, copy, "" if kind == own else kind)
            if another and not supervises(by):
                return SupervisorNeeded(
                    msg("only a supervisor gives {lpn} another label than its own", lpn=unit.lpn),
                    msg("scan a supervisor's badge; Esc leaves everything as it was"),
                    lambda supervisor: self.reprint(lpn, why, kind, by=supervisor),
                )
            if kind == own:
                spec = self._again(writer, unit, why=why.strip())
            else:
                first = stickers.SLIPS.get(kind)
                reason = why.strip() or (self.voice(self.config.station.locale).say(first) if first else "")
                spec = self._beside(writer, unit, kind, why=reason, by=by.code if by else "")
        self._wake()
        return _queued(spec)

    def doubtful(self, id: int) -> Doubtful | None:
        """A parked label as it looks, for whoever is asked about it; None where it is settled already."""
        with self.store.read() as reader:
            job = reader.label(id)
            if job is None or job.state != "parked":
                return None
            other = reader.on_box(job.lpn) is not None or reader.draft(job.lpn) is not None
        slip = stickers.called(job.kind) if job.slip else None
        return Doubtful(id, job.lpn, stickers.preview(job.fields), job.reason, bool(job.printer), other, slip)

    def picture_of_label(self, id: int) -> bytes:
        """A label of the queue as a PNG. Raises NotFound, and StationError where it cannot be drawn."""
        from inspect_station.label import render

        with self.store.read() as reader:
            job = reader.label(id)
        if job is None or job.kind not in self._templates:
            raise NotFound(msg("there is no such label"), msg("F4 lists what waits"))
        return render(self._templates[job.kind], job.fields, locale=self.config.station.locale, format="png")

    def settle_label(self, id: int, *, came_out: bool) -> Message:
        """Whether a doubtful label came out. Where it did not, a new one is printed: if the old one turns up after
        all, its number tells that it is void."""
        with self.store.write() as writer:
            job = writer.label(id)
            if job is None or job.state != "parked":
                return msg("this label is settled already")
            unit = writer.inspection(job.lpn)
            if came_out and job.printer:
                writer.move_label(id, "printed")
                return msg("label of {lpn}: printed", lpn=job.lpn)
            batch = writer.batch(job.lpn)
            if came_out:
                # What never left the queue cannot be on the box: an earlier one is, given up though it may have been.
                # Of the unit's own label a slip says nothing.
                earlier = writer.on_box(job.lpn) if not job.slip else None
                stands = unit is not None and unit.voided_at is None and writer.draft(job.lpn) is None
                if earlier is None and not job.slip and (stands or batch is not None):
                    return msg("no label of {lpn} has come out yet: it still waits to be printed", lpn=job.lpn)
                writer.move_label(id, "cancelled")
                if earlier is not None:
                    writer.move_label(earlier.id, "printed")
                return msg("label of {lpn}: not needed", lpn=job.lpn)
            writer.move_label(id, "cancelled")
            back = self.config.station.scan_back != "never"
            voice = self.voice(self.config.station.locale)
            why = voice.say(job.reason) if job.reason else ""
            if unit is not None and unit.id == job.inspection and unit.voided_at is None:
                if job.slip:
                    spec = self._beside(writer, unit, job.kind, why=why)
                else:
                    spec = self._again(writer, unit, why=why, scan_back=back)
            else:
                # A batch's, or the slip of a unit that is still graded: as it was, under a new number.
                number = writer.next_print_no(job.lpn)
                copy = writer.copies(job.lpn, job.kind) + 1
                fields = {**job.fields, **stickers.copied(voice, job.lpn, number, copy)}
                back = back and batch is not None
                spec = LabelSpec(job.lpn, job.inspection, job.kind, number, fields, copy, self.by, why, back)
                writer.queue_label(spec)
        self._wake()
        return _queued(spec)

    # ── Looking ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def label(self, lpn: str, kind: str = "") -> LabelSpec:
        """The unit's own label, or a slip that it may need besides.

        Another kind needs a supervisor, and none says sale where a unit must not be sold. Raises NotFound, NotAllowed.
        """
        unit = self.show(lpn)
        own = stickers.kind_of(unit)
        if unit.voided_at is not None:
            raise NotAllowed(
                msg("{lpn} is void: it has no label", lpn=lpn), msg("finish it again; then it gets a new one")
            )
        with self.store.read() as reader:
            superseded = self._superseded(reader, unit)
        if superseded is not None:
            raise NotAllowed(superseded.title, superseded.hint)
        of_units = [each for each in self._templates if each not in stickers.NO_UNITS]
        if kind and kind not in of_units:
            raise NotFound(msg("no label template {kind}", kind=kind), msg("known: {kinds}", kinds=", ".join(of_units)))
        hint = msg("leave --kind out to get its own label")
        if reason := stickers.refused(unit, kind):
            raise NotAllowed(reason, hint)
        if kind and kind != own and kind not in stickers.SLIPS and not supervises(self.operator):
            raise NotAllowed(
                msg("{lpn} has the label “{own}”: another kind needs a supervisor", lpn=lpn, own=own), hint
            )
        with self.store.read() as reader:
            copy = max(1, reader.copies(unit.lpn, own, queued=True))
            number = max((job.print_no for job in reader.labels_of(unit.lpn) if not job.slip), default=1)
            spec = self._label(reader, unit, number, copy=copy)
        return spec if kind in ("", own) else _as_slip(spec, kind)

    def labels_of(self, lpn: str) -> list[dict[str, object]]:
        """Every print of a unit's labels, for `show`; ``void``: it is destroyed where it turns up."""
        with self.store.read() as reader:
            return [
                {
                    "kind": job.kind,
                    "print_no": job.print_no,
                    "state": job.state,
                    "confirmed": job.confirmed,
                    "void": job.void or job.state == "cancelled",
                    "barcode": job.lpn if job.slip else job.code,
                    "copy": job.copy_no,
                    "by": job.operator,
                    "why": job.why,
                }
                for job in reader.labels_of(lpn)
            ]

    def draw_label(self, lpn: str, kind: str, format: Format) -> bytes:
        """The unit's label as a file, in the dots of the printer that takes its kind. Raises NotFound, NotAllowed."""
        from inspect_station.label import render

        spec = self.label(lpn, kind)
        printer = self.config.printer_of(spec.kind)
        template, locale = self._templates[spec.kind], self.config.station.locale
        return render(template, spec.fields, locale=locale, format=format, dpi=printer.dpi if printer else 203)

    # ── The roll ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def roll(self) -> Roll:
        """How the change of a roll stands."""
        facts = self.outbox.prints.facts()
        names = tuple(each.name for each in self.config.printers)
        said = msg("labels are printed as they come")
        if facts.held and facts.tested:
            said = msg("test label sent: the frame must be whole and the barcode must scan")
        elif facts.held:
            said = msg("printing is held: put the new roll in, then a test label")
        tested = next((each for each in self.config.printers if each.name == facts.tested), None)
        problems = tuple(self._misfits(tested, facts.found)) if tested else ()
        return Roll(said, facts.held, self.outbox.prints.to_come(), names, problems, facts.tested)

    def hold_printing(self) -> Roll:
        """The roll is changed: nothing is printed until `resume_printing`, also after a restart; labels wait in their
        order."""
        self.outbox.prints.hold()
        return self.roll()

    def resume_printing(self) -> Message:
        """Go on printing what waits, in its order, late labels too; after a change of the roll not without a test
        label."""
        facts = self.outbox.prints.facts()
        if facts.held and not facts.tested and self.config.printers:
            return msg("printing stays held: a test label first")
        self.outbox.resume()
        return msg("printing goes on")

    def test_label(self, name: str) -> Roll:
        """Print a test label on one printer, also while the queue is held: it is how a new roll is tried. With it comes
        what does not fit: the roll, the profile and the templates.

        Beside the lane: it may take seconds. Raises NotFound, DeviceError.
        """
        from inspect_station.label import render

        voice = self.voice(self.config.station.locale)
        fields = {
            "printer": name,
            "station": self.config.station.name,
            "date": voice.long_day(self.today()),
            "barcode": "TEST",
        }

        def draw(press: Press) -> bytes:
            format_, dpi = press.printer.format, press.dpi
            return render(self._templates["test"], fields, locale=voice.locale, format=format_, dpi=dpi)

        found = self.outbox.test(name, draw)
        settings = next(each for each in self.config.printers if each.name == name)
        said = msg("test label sent: the frame must be whole and the barcode must scan")
        return replace(self.roll(), said=said, problems=tuple(self._misfits(settings, found)))

    def _misfits(self, settings: LabelPrinter, found: str) -> Iterator[Message]:
        """What does not go together: the roll that the printer finds, its profile, and what it is to print."""
        sizes = sizes_of(found)
        if not sizes:
            yield msg(
                "{printer} cannot say which roll is in it: are its labels {media} mm, as station.toml says?",
                printer=settings.name,
                media=settings.media,
            )
        elif settings.media not in sizes:
            yield msg(
                "{printer} says that {found} mm labels are in it; its profile in station.toml says {media}",
                printer=settings.name,
                found=", ".join(sizes),
                media=settings.media,
            )
        others: dict[str, list[str]] = {}
        for name, template in self._templates.items():
            size_ = f"{template.size[0]:g}x{template.size[1]:g}"
            if self.config.printer_of(name) == settings and settings.media != size_:
                others.setdefault(size_, []).append(name)
        for size_, names in others.items():
            yield msg(
                "{printer} has {media} mm labels, but these are made for {size}: {kinds}",
                printer=settings.name,
                media=settings.media,
                size=size_,
                kinds=", ".join(names),
            )


NOTHING_TO_PRINT = msg("nothing to print: no finished unit")


def _as_slip(spec: LabelSpec, kind: str) -> LabelSpec:
    """A unit's label as one of another kind. Its bars bear the plate alone: it is no print of the unit's own label."""
    return replace(spec, kind=kind, fields={**spec.fields, "barcode": spec.lpn})


def _queued(spec: LabelSpec) -> Message:
    if spec.copy_no == 1:
        return msg("label of {lpn} queued", lpn=spec.lpn)
    return msg("label of {lpn} queued, copy {n}", lpn=spec.lpn, n=spec.copy_no)
