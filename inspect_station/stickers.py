"""What stands on a label: the fields of a template, filled from a finished unit."""

from collections.abc import Mapping, Sequence
from datetime import date

from inspect_station.config import Site
from inspect_station.core import decide
from inspect_station.core.decide import Decision
from inspect_station.core.records import Disposition, Inspection, Kind, Seller
from inspect_station.core.rules import Rules
from inspect_station.message import msg
from inspect_station.words import Voice

KINDS: Mapping[Disposition, str] = {
    Disposition.RESTOCK: "restock",
    Disposition.CLEARANCE: "clearance",
    Disposition.DONATE: "hold",
    Disposition.REFURBISH: "hold",
    Disposition.HOLD: "hold",
    Disposition.QUARANTINE: "quarantine",
    Disposition.FORWARD: "forward",
    Disposition.RETURN_TO_CUSTOMER: "return",
    Disposition.RETURN_TO_SELLER: "return",
    Disposition.RECYCLE: "return",
    Disposition.DESTROY: "return",
}


def kind_of(unit: Inspection) -> str:
    """The template for where the unit goes."""
    return KINDS[unit.disposition or Disposition.HOLD]


def fields(
    unit: Inspection,
    *,
    voice: Voice,
    rules: Rules,
    seller: Seller,
    sites: Sequence[Site],
    print_no: int,
    copy: int,
    on: date,
) -> dict[str, str]:
    """Every field that any template may name; empty where it does not apply."""
    disposition = unit.disposition or Disposition.HOLD
    decision = Decision(
        grade=unit.grade, disposition=disposition, reasons=unit.reasons, gates=unit.gates, price=unit.price
    )
    reason = (
        voice.say(unit.reasons[0].message) if unit.reasons else voice.say(msg("set aside, inspection not finished"))
    )
    why = voice.join(decide.why(rules, unit, decision))
    site = next((site for site in sites if site.code == unit.site), None)
    return {
        "title": _title(unit, voice),
        "ean": unit.product.ean if unit.product else unit.scanned,
        "sku": unit.product.sku if unit.product else "",
        "lpn": unit.lpn,
        **copied(voice, unit.lpn, print_no, copy),
        "seller": seller.name,
        "rma": unit.rma,
        "grade": voice.say(rules.grades[unit.grade].text) if unit.grade else "",
        "why": why if disposition in (Disposition.CLEARANCE, Disposition.RESTOCK) else reason,
        "price": voice.money(unit.price) if unit.price else "",
        "new_price": voice.say(msg("new price {price:money}", price=str(unit.list_price)))
        if unit.list_price and unit.price
        else "",
        "place": voice.say(rules.places[disposition]),
        "deadline": voice.say(
            msg("answer due {on:date}", on=unit.case.due_at.astimezone(voice.zone).date().isoformat())
        )
        if unit.case and unit.case.due_at
        else "",
        "date": voice.long_day(on),
        "address": "\n".join(site.address) if site else "",
    }


def copied(voice: Voice, lpn: str, print_no: int, copy: int) -> dict[str, str]:
    """The fields that tell one print of a label from the next."""
    return {"barcode": f"{lpn}/{print_no}", "copy": voice.say(msg("copy {n}", n=copy)) if copy > 1 else ""}


def preview(fields: Mapping[str, str]) -> tuple[str, ...]:
    """What a person compares a label by, in lines: what it is, its state and price or where it goes, and its code."""
    priced = "  ".join(filter(None, (fields.get("price"), fields.get("new_price"))))
    code = "  ".join(filter(None, (fields.get("barcode"), fields.get("copy"))))
    shown = (fields.get("title"), fields.get("grade"), priced, fields.get("why"), fields.get("place"), code)
    return tuple(line for line in shown if line)


def _title(unit: Inspection, voice: Voice) -> str:
    """What lies in the box, as far as anybody knows."""
    if unit.product is None:
        return unit.scanned or voice.say(msg("unidentified article"))
    announced = unit.line is not None and unit.line.gtin == unit.product.gtin
    if announced and unit.kind is Kind.WRONG_ITEM:
        return voice.say(msg("not {title}", title=unit.product.title))
    if announced and unit.kind is Kind.EMPTY_BOX:
        return voice.say(msg("empty box of {title}", title=unit.product.title))
    return unit.product.title
