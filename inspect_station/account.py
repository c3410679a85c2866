"""All that is known of a unit, of an RMA or of a batch: as JSON, which is a contract, and as text for people."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from inspect_station.core.clocks import Clock, of_case, of_draft
from inspect_station.core.records import Inspection, Line, Parcel, Photo, Reason, Standing, Verdict
from inspect_station.manifest import FATES, WAYS
from inspect_station.message import Message, msg, msgn
from inspect_station.outcomes import BatchSeen, LineSeen
from inspect_station.station import Station
from inspect_station.words import Voice

DATES = {"requested_on", "delivered_on", "latest_estimated_on", "defect_reported_on", "postmarked_on"}
"""The dates of a line that a rule may count from or to."""

OUTCOMES = {"eligible": msg("ACCEPTED"), "consult": msg("ASK THE SELLER"), "ineligible": msg("NOT ELIGIBLE")}

ASKED = {"postmarked_on": msg("Date of the postmark"), "reason": msg("reason")}
"""What the screen may ask for, in words."""

KINDS = {
    "wrong_item": msg("wrong item"),
    "empty_box": msg("empty box"),
    "unknown": msg("not announced"),
    "danger": msg("DANGER"),
    "forward": msg("another site's"),
}

REFUNDS = {"full": msg("full"), "partial": msg("partial"), "refuse": msg("refuse"), "ask": msg("ask the seller")}

MEANS = {
    "original": msg("to the original payment"),
    "credit": msg("as store credit"),
    "exchange": msg("by an exchange"),
    "repair": msg("by a repair"),
}

DUE = {"grade": msg("to be graded by"), "case": msg("the seller answers by")}

METHODS = {"clear": msg("cleared"), "purge": msg("purged"), "destroy": msg("destroyed")}
"""How a medium was wiped (NIST SP 800-88)."""

HUB = {
    "waiting": msg("✓ saved here"),
    "accepted": msg("✓✓ received by hub"),
    "parked": msg("▲ needs attention"),
}

STANDING = {
    Standing.DUPLICATE: msg("another dock found the same; it is counted once, there"),
    Standing.CONTESTED: msg("another dock contradicts it: a supervisor decides"),
    Standing.SUPERSEDED: msg("does not count: another dock's result does"),
}


@dataclass(frozen=True)
class Account:
    """Tells what a station knows, in one language."""

    station: Station
    voice: Voice

    def receipts(self, lines: Sequence[LineSeen]) -> dict[tuple[str, str], date]:
        """The day on which each RMA of these lines was received, by seller and number; none for those still awaited."""
        keys = dict.fromkeys((each.rma.seller, each.rma.number) for each in lines)
        with self.station.store.read() as reader:
            found = {key: self.station.parcel_of(reader, *key) for key in keys}
        return {key: parcel.received_on for key, parcel in found.items() if parcel is not None}

    def _standing(self, unit: Inspection) -> Standing:
        with self.station.store.read() as reader:
            return reader.standing_of(unit.id)

    def unit_json(self, unit: Inspection, parcel: Parcel | None) -> dict[str, Any]:
        """``parcel`` is None where this store does not know what the unit came in."""
        received_on = parcel.received_on if parcel else None
        return {
            "schema": 1,
            "lpn": unit.lpn,
            "kind": unit.kind,
            "seller": unit.seller,
            "rma": unit.rma or None,
            "gtin": unit.product.gtin if unit.product else None,
            "title": unit.product.title if unit.product else None,
            "serial": unit.serial or None,
            "received_on": received_on.isoformat() if received_on else None,
            "stated": self._stated_json(unit.line) if unit.line else None,
            "found": list(unit.dock),
            "grade": unit.grade,
            "earlier_grades": list(unit.earlier_grades),
            "disposition": unit.disposition,
            "route": unit.route or None,
            "graded_by_hand": [each.model_dump(mode="json", exclude={"known"}) for each in unit.overrides],
            "text": unit.text or None,
            "rerouted": [each.model_dump(mode="json") for each in unit.rerouted],
            "price": unit.price.model_dump() if unit.price else None,
            "list_price": unit.list_price.model_dump() if unit.list_price else None,
            "refund": {
                "advice": unit.refund or None,
                "amount": unit.refund_amount.model_dump() if unit.refund_amount else None,
                "means": unit.refund_means or None,
                "reasons": self._reasons_json(unit.refund_reasons),
            },
            "verdict": self._verdict_json(unit.verdict, received_on),
            "reasons": self._reasons_json(unit.reasons),
            "signals": self._reasons_json(unit.signals),
            "gates": list(unit.gates),
            "findings": [{"code": each.code, "note": each.note} for each in unit.findings],
            "photos": [
                {"slot": photo.slot, "sha256": photo.sha256 or None, "state": state}
                for photo, state in self._photo_states(unit)
            ],
            "wipe": unit.wipe.model_dump(mode="json") if unit.wipe else None,
            "case": unit.case.model_dump(mode="json") if unit.case else None,
            "clocks": self._clocks_json(unit, parcel),
            "batch": self.station.batch_of(unit.id) or None,
            "labels": self.station.labels_of(unit.lpn),
            "station": self.station.station_of(unit),
            "operator": unit.finished_by,
            "revision": unit.revision,
            "rules_hash": unit.rules_hash or None,
            "saved_at": unit.finished_at.isoformat() if unit.finished_at else None,
            "corrected_at": unit.corrected_at.isoformat() if unit.finished_at else None,
            "clock_suspect": unit.clock_suspect,
            "voided_at": unit.voided_at.isoformat() if unit.voided_at else None,
            "standing": self._standing(unit) or None,
            "hub": self.station.hub_state(unit.id)[0] if unit.finished_at else None,
        }

    def rma_json(
        self,
        number: str,
        lines: Sequence[LineSeen],
        receipts: Mapping[tuple[str, str], date],
        awaited: date,
    ) -> dict[str, Any]:
        """``awaited``: the day that counts as the receipt of what has not been received yet."""
        return {
            "schema": 1,
            "rma": number,
            "lines": [
                {
                    "seller": each.rma.seller,
                    "no": each.line.no,
                    "gtin": each.line.gtin,
                    "title": each.product.title,
                    "quantity": each.line.quantity,
                    "open": each.open,
                    "reason": each.line.reason,
                    "stated": self._stated_json(each.line),
                    "dates": each.line.model_dump(mode="json", include=DATES),
                    "received": (each.rma.seller, each.rma.number) in receipts,
                    "received_on": (on := receipts.get((each.rma.seller, each.rma.number), awaited)).isoformat(),
                    "verdict": self._verdict_json(each.verdict, on),
                    "ask": list(each.verdict.ask),
                    "units": [
                        {"lpn": unit.lpn, "grade": unit.grade, "disposition": unit.disposition} for unit in each.units
                    ],
                }
                for each in lines
            ],
        }

    def unit_text(self, unit: Inspection, parcel: Parcel | None) -> str:
        """All that is known of a unit for people, a title and what stands under it."""
        rows = [(self.voice.say(title), said) for title, said in self._unit_rows(unit, parcel) if said]
        width = max(len(title) for title, _ in rows)
        return "".join(f"{title:{width}}  {said}\n" for title, said in rows)

    def rma_text(self, body: Mapping[str, Any]) -> str:
        """The lines of an RMA for people: what each is, its dates in one sentence, its units."""
        voice = self.voice
        out = []
        for line in body["lines"]:
            day = voice.full_day(date.fromisoformat(line["received_on"]))
            received = (
                msg("received on {on}", on=day) if line["received"] else msg("not received yet: as of {on}", on=day)
            )
            verdict = line["verdict"]
            outcome = voice.say(OUTCOMES[verdict["outcome"]])
            still = f"{line['open']}/{line['quantity']}"
            out += [
                " · ".join([f"{line['seller']} {body['rma']}", line["gtin"], line["title"], still]),
                f"  {voice.say(received)} · {voice.say(msg('Customer says:'))} {self._stated_text(line['stated'])}",
                f"  {voice.say(msg('{outcome}: {why}', outcome=outcome, why=verdict['sentence']))}",
            ]
            if line["ask"]:
                asked = ", ".join(voice.say(ASKED[each]) for each in line["ask"])
                out.append(f"  {voice.say(msg('to ask: {what}', what=asked))}")
            for unit in line["units"]:
                grade = voice.data(f"grade.{unit['grade']}") if unit["grade"] else ""
                place = voice.data(f"place.{unit['disposition']}") if unit["disposition"] else ""
                out.append("  " + " · ".join(filter(None, [unit["lpn"], grade, place])))
        return "\n".join([*out, ""])

    def _unit_rows(self, unit: Inspection, parcel: Parcel | None) -> Iterator[tuple[Message, str]]:
        voice = self.voice
        received_on = parcel.received_on if parcel else None
        yield msg("unit"), " · ".join(filter(None, [unit.lpn, voice.say(KINDS.get(unit.kind, Message("")))]))
        if unit.voided_at:
            yield msg("void since"), f"{self._moment(unit.voided_at)}  {unit.void_reason}"
        if unit.product:
            yield msg("article"), f"{unit.product.title} · EAN {unit.product.ean}"
        else:
            yield msg("article"), unit.scanned
        yield msg("serial"), unit.serial
        yield msg("seller"), unit.seller
        yield msg("RMA"), unit.rma
        yield msg("received"), voice.full_day(received_on) if received_on else ""
        if unit.line:
            yield msg("customer says"), self._stated_text(self._stated_json(unit.line))
        yield msg("found at the dock"), ", ".join(unit.dock)
        yield msg("verdict"), voice.verdict(unit.verdict, received_on) if unit.verdict.reasons else ""
        found = [(voice.data(f"finding.{each.code}"), f" ({each.note})" if each.note else "") for each in unit.findings]
        yield msg("findings"), ", ".join(label + note for label, note in found)
        grades = [*unit.earlier_grades, *([unit.grade] if unit.grade else [])]
        yield msg("grade"), " → ".join(voice.data(f"grade.{grade}") for grade in grades)
        for change in unit.overrides:
            was, now = (voice.data(f"grade.{each}") if each else "–" for each in (change.over, change.grade))
            yield msg("graded by hand"), f"{was} → {now}: {change.reason} ({change.by}, {self._moment(change.at)})"
        yield msg("text on the label"), unit.text
        if unit.disposition:
            route = voice.say(msg("rule {id}", id=unit.route)) if unit.route else ""
            yield msg("goes to"), " · ".join(filter(None, [voice.data(f"place.{unit.disposition}"), route]))
        yield msg("why"), voice.several(unit.reasons)
        yield msg("batch"), self.station.batch_of(unit.id)
        for each in unit.rerouted:
            over, to = voice.data(f"place.{each.over}"), voice.data(f"place.{each.disposition}")
            yield msg("sent elsewhere"), f"{over} → {to}: {each.reason} ({each.by}, {self._moment(each.at)})"
        yield msg("gates"), ", ".join(voice.data(f"gate.{gate}") for gate in unit.gates)
        if unit.price:
            off = f" (−{unit.discount} %)" if unit.discount else ""
            yield msg("price"), voice.money(unit.price) + off
        yield msg("list price"), voice.money(unit.list_price) if unit.list_price else ""
        if unit.refund:
            amount = voice.money(unit.refund_amount) if unit.refund_amount else ""
            means = voice.say(MEANS.get(unit.refund_means, Message("")))
            advice = voice.say(REFUNDS.get(unit.refund, Message(unit.refund)))
            reasons = [voice.say(each.message) for each in unit.refund_reasons]
            yield msg("refund advice"), " · ".join(filter(None, [advice, amount, means, *reasons]))
        if clock := self._clock(unit, parcel):
            over = voice.say(msg("too late")) if clock.breached(self.station.clock()) else ""
            yield DUE[clock.kind], " · ".join(filter(None, [self._moment(clock.due_at), over]))
        if unit.wipe:
            method = voice.say(METHODS.get(unit.wipe.method, Message(unit.wipe.method)))
            yield msg("wipe"), f"{unit.wipe.medium}, {method}: {unit.wipe.by}, {self._moment(unit.wipe.at)}"
        yield msg("for a supervisor"), voice.several(unit.signals)
        states = {
            "photo_owed": msg("owed"),
            "photo_at_hub": msg("at the hub"),
            "photo_erased": msg("erased"),
            "photo_missing": self.station.photo_gone,
        }
        shown = [(voice.data(f"slot.{photo.slot}"), states.get(state)) for photo, state in self._photo_states(unit)]
        yield msg("photos"), ", ".join(f"{slot} ({voice.say(state)})" if state else slot for slot, state in shown)
        labels = self.station.labels_of(unit.lpn)
        yield msg("labels"), "; ".join(self._label(each) for each in labels)
        if unit.finished_at:
            where = self.station.station_of(unit)
            if standing := self._standing(unit):
                yield msg("two docks"), voice.say(STANDING[standing])
            yield msg("finished"), " · ".join([self._moment(unit.finished_at), where, unit.finished_by])
            if unit.clock_ahead_s:
                yield msg("by the hub's clock"), self._moment(unit.corrected_at)
            if self.station.config.upstream.enabled:
                state, reason = self.station.hub_state(unit.id)
                marked, why = voice.say(HUB[state]), voice.say(reason) if reason else ""
                yield msg("hub"), voice.say(msg("{outcome}: {why}", outcome=marked, why=why)) if why else marked
        else:
            yield msg("finished"), voice.say(msg("no"))
        yield msg("rules"), unit.rules_hash

    def batch_row(self, seen: BatchSeen) -> dict[str, Any]:
        """A batch without its units; ``state`` is ``open``, ``closed``, or what became of it."""
        batch = seen.batch
        return {
            "number": batch.number,
            "seller": batch.seller,
            "route": batch.route,
            "state": batch.ending.fate if batch.ending else "closed" if batch.closed_at else "open",
            "count": len(batch.units),
            "opened_at": batch.opened_at.isoformat(),
            "opened_by": batch.opened_by,
            "closed_at": batch.closed_at.isoformat() if batch.closed_at else None,
            "closed_by": batch.closed_by or None,
            "sealed_no": batch.sealed_no,
            "seal": batch.seal or None,
            "outcome": batch.ending.model_dump(mode="json") if batch.ending else None,
            "blocked": self._reasons_json(seen.blocked),
        }

    def batch_json(self, seen: BatchSeen) -> dict[str, Any]:
        """All that is known of a batch."""
        number = seen.batch.number
        _, out = self.station.batched(number)
        return {
            "schema": 1,
            **self.batch_row(seen),
            "revision": seen.batch.revision,
            "units": [each.model_dump(mode="json") for each in seen.batch.units],
            "taken_out": [
                {
                    "lpn": each.lpn,
                    "inspection": each.inspection,
                    "joined_at": each.joined_at.isoformat(),
                    "joined_by": each.joined_by,
                    "left_at": each.left_at.isoformat(),
                    "left_by": each.left_by,
                    "why": each.why,
                }
                for each in out
            ],
            "labels": self.station.labels_of(number),
            "hub": self.station.batch_hub_state(number) or None,
        }

    def batch_line(self, seen: BatchSeen) -> str:
        """A batch in one line."""
        batch, voice = seen.batch, self.voice
        state = msg("open")
        if batch.closed_at is not None:
            state = FATES[batch.ending.fate] if batch.ending else msg("closed: what became of it?")
        count = voice.say(msgn("{n} unit", "{n} units", n=len(batch.units)))
        way = voice.say(WAYS[batch.route])
        return " · ".join([batch.number, seen.seller, way, count, voice.say(state)])

    def batch_text(self, seen: BatchSeen) -> str:
        """All that is known of a batch for people."""
        batch, voice = seen.batch, self.voice
        _, out = self.station.batched(batch.number)
        rows = [(msg("batch"), self.batch_line(seen))]
        rows.append((msg("opened"), f"{self._moment(batch.opened_at)} · {batch.opened_by}"))
        if batch.closed_at is not None:
            sealed = voice.say(msg("sealed no. {n}", n=batch.sealed_no or 0))
            known = [self._moment(batch.closed_at), batch.closed_by, sealed, batch.seal]
            rows.append((msg("closed"), " · ".join(filter(None, known))))
        rows += [(msg("stands against closing it"), voice.say(each.message)) for each in seen.blocked]
        if batch.ending is not None:
            ending = batch.ending
            known = [voice.full_day(ending.on), ending.by, ending.supervisor, ending.ground]
            rows.append((FATES[ending.fate], " · ".join(filter(None, known))))
            rows.append((msg("proof"), ending.photo))
        for unit in batch.units:
            grade = voice.data(f"grade.{unit.grade}") if unit.grade else ""
            known = [unit.lpn, unit.rma, unit.title, unit.serial, grade]
            rows.append((msg("unit"), " · ".join(filter(None, known))))
        for each in out:
            known = [each.lpn, self._moment(each.left_at), each.left_by, each.why]
            rows.append((msg("taken out"), " · ".join(filter(None, known))))
        if self.station.config.upstream.enabled and (told := self.station.batch_hub_state(batch.number)):
            rows.append((msg("hub"), voice.say(HUB[told])))
        width = max(len(voice.say(title)) for title, _ in rows)
        return "".join(f"{voice.say(title):{width}}  {said}\n" for title, said in rows)

    def _label(self, printed: Mapping[str, Any]) -> str:
        """One print of a label: its kind and code, and of a copy by whom and why."""
        said = [f"{printed['kind']} {printed['barcode']}"]
        if printed["void"]:
            said.append(self.voice.say(msg("void")))
        if printed["copy"] > 1:
            said += [self.voice.say(msg("copy {n}", n=printed["copy"])), printed["by"], printed["why"]]
        return " · ".join(filter(None, said))

    def _photo_states(self, unit: Inspection) -> list[tuple[Photo, str]]:
        """Of each picture whether it is here, is owed, is with the hub alone, was erased, or is gone; the inspection
        stands all the same."""
        gone = self.station.photos_let_go(unit.id)
        return [(photo, self._photo_state(photo, gone.get(photo.sha256, "photo_missing"))) for photo in unit.photos]

    def _photo_state(self, photo: Photo, gone: str) -> str:
        if not photo.sha256:
            return "photo_owed"
        return "photo_here" if self.station.blobs.path(photo.sha256).is_file() else gone

    def _clock(self, unit: Inspection, parcel: Parcel | None) -> Clock | None:
        """What runs for the unit now: its grading while it is not finished, then the seller's answer, if one is due."""
        return of_case(unit) if unit.finished_at else of_draft(self.station.rules, unit, parcel)

    def _clocks_json(self, unit: Inspection, parcel: Parcel | None) -> list[dict[str, Any]]:
        clock = self._clock(unit, parcel)
        if clock is None:
            return []
        times = {"started_at": clock.started_at.isoformat(), "due_at": clock.due_at.isoformat()}
        return [
            {
                "kind": clock.kind,
                **times,
                "owner": clock.owner or None,
                "breached": clock.breached(self.station.clock()),
            }
        ]

    def _reasons_json(self, reasons: Sequence[Reason]) -> list[dict[str, Any]]:
        return [{"code": each.code, "met": each.met, "text": self.voice.say(each.message)} for each in reasons]

    def _verdict_json(self, verdict: Verdict, received_on: date | None) -> dict[str, Any]:
        return {
            "outcome": verdict.outcome,
            "policy": verdict.policy,
            "reasons": self._reasons_json(verdict.reasons),
            "sentence": self.voice.verdict(verdict, received_on),
            "seller_accepted": verdict.seller_accepted,
        }

    def _stated_json(self, line: Line) -> dict[str, Any]:
        """What the customer stated, with the codes that the marketplaces are told; null where one has none."""
        policy = self.station.rules.policy
        stated = policy.stated(line.reason)
        return {
            "code": stated.code,
            "text": self.voice.say(stated.label),
            "group": stated.group,
            "possible_defect": stated.possible_defect,
            "at_fault": stated.at_fault,
            "amazon": policy.told(stated.code, "amazon") or None,
            "shopify": policy.told(stated.code, "shopify") or None,
        }

    def _stated_text(self, stated: Mapping[str, Any]) -> str:
        told = [f"{name} {stated[name.lower()]}" for name in ("Amazon", "Shopify") if stated[name.lower()]]
        return f"{stated['text']} ({', '.join([stated['code'], *told])})"

    def _moment(self, at: datetime) -> str:
        """A time at the site, with its date."""
        voice = self.voice
        return f"{voice.full_day(at.astimezone(voice.zone).date())} {voice.time(at)}"
