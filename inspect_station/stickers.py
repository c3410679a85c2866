"""What stands on a label: the fields of a template, filled from a finished unit."""

from collections.abc import Mapping, Sequence
from datetime import date

from inspect_station.config import Site
from inspect_station.core import decide
from inspect_station.core.batches import PROPERTY
from inspect_station.core.decide import Decision
from inspect_station.core.grading import failed_steps
from inspect_station.core.records import Disposition, Inspection, Kind, Seller
from inspect_station.core.rules import Rules
from inspect_station.message import Message, msg
from inspect_station.symbols import retail
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
    Disposition.DESTROY: "destroy",
}
SALE = frozenset({"restock", "clearance"})
"""Labels that say that a unit is for sale."""
UNLESS_ITS_OWN = SALE | {"destroy"}
"""Labels that nobody's order puts on a unit which goes elsewhere."""
SLIPS: Mapping[str, Message] = {
    "relabel": msg("the EAN on the packaging is damaged"),
    "putaway": msg("takes it to its shelf"),
    "property": msg("on the bag with what a customer left in it"),
}
"""What a unit may need besides its own label, and what for."""
CALLED: Mapping[str, Message] = {
    "restock": msg("restock label"),
    "clearance": msg("clearance label"),
    "hold": msg("hold slip"),
    "quarantine": msg("quarantine label"),
    "forward": msg("forwarding slip"),
    "return": msg("return label"),
    "destroy": msg("destruction label"),
    "relabel": msg("EAN sticker"),
    "putaway": msg("put-away slip"),
    "property": msg("found-property slip"),
}
"""What people call the kinds of labels that are shipped."""
FIELDS = frozenset(
    {"title", "ean", "gtin", "sku", "lpn", "barcode", "copy", "seller", "rma", "grade", "why", "ground", "price"}
    | {"new_price", "place", "deadline", "date", "address", "page", "property"}
)
"""What a template of a unit may name; each may be empty."""
TEST_FIELDS = frozenset({"printer", "station", "date", "barcode"})
"""What the test label's template may name."""
BADGE_FIELDS = frozenset({"name", "station", "date", "barcode"})
"""What a badge's template may name."""
MANIFEST_FIELDS = frozenset({"batch", "barcode", "copy", "seller", "place", "count", "seal", "date"})
"""What the template of a batch's label may name."""
NO_UNITS: Mapping[str, frozenset[str]] = {"test": TEST_FIELDS, "badge": BADGE_FIELDS, "manifest": MANIFEST_FIELDS}
"""Labels that are no unit's, with what their templates may name."""


def kind_of(unit: Inspection) -> str:
    """The template for where the unit goes."""
    return KINDS[unit.disposition or Disposition.HOLD]


def called(kind: str) -> Message:
    """What people call a kind of label; a site's own by the name of its template."""
    return CALLED.get(kind) or msg("label “{kind}”", kind=kind)


def refused(unit: Inspection, kind: str) -> Message | None:
    """Why nobody gets this kind of label for a unit; None where it can be had, by a supervisor at least."""
    if kind in SLIPS:
        return _unneeded(unit, kind)
    if kind in UNLESS_ITS_OWN and kind != kind_of(unit):
        return _elsewhere(unit, kind)
    return None


def _unneeded(unit: Inspection, slip: str) -> Message | None:
    """None where it can have such a slip."""
    if slip == "property":
        if unit.found(PROPERTY):
            return None
        return msg("nothing of a customer's was found in {lpn}: no slip for it", lpn=unit.lpn)
    if kind_of(unit) not in SALE:
        return _elsewhere(unit, slip)
    if slip == "relabel" and not _gtin(unit):
        return msg("{lpn} has no number that a till reads: no EAN sticker", lpn=unit.lpn)
    return None


def _elsewhere(unit: Inspection, kind: str) -> Message:
    place = f"place.{unit.disposition or Disposition.HOLD}"
    return msg("{lpn} goes to {place:data}: no {kind} label", lpn=unit.lpn, place=place, kind=kind)


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
    page: str = "",
) -> dict[str, str]:
    """Every field that any template may name; empty where it does not apply. Only an address has lines of its own.

    ``page`` is the address of the unit's page, with ``{lpn}`` in it.
    """
    disposition = unit.disposition or Disposition.HOLD
    decision = Decision(
        grade=unit.grade, disposition=disposition, reasons=unit.reasons, gates=unit.gates, price=unit.price
    )
    reason = (
        voice.say(unit.reasons[0].message) if unit.reasons else voice.say(msg("set aside, inspection not finished"))
    )
    why = voice.join(decide.why(rules, unit, decision))
    site = next((site for site in sites if site.code == unit.site), None)
    filled = {
        "title": _title(unit, voice),
        "ean": _gtin(unit) or (unit.product.ean if unit.product else unit.scanned),
        "gtin": _gtin(unit),
        "sku": unit.product.sku if unit.product else "",
        "lpn": unit.lpn,
        **copied(voice, unit.lpn, print_no, copy),
        "seller": seller.name,
        "rma": unit.rma,
        "grade": voice.say(rules.grades[unit.grade].text) if unit.grade else "",
        "why": why if disposition in (Disposition.CLEARANCE, Disposition.RESTOCK) else reason,
        "ground": _ground(unit, seller) if disposition is Disposition.DESTROY else "",
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
        "page": page.replace("{lpn}", unit.lpn),
        "property": _property(unit, rules, voice),
    }
    lines = {"address": "\n".join(site.address) if site else ""}
    return {field: " ".join(value.splitlines()) for field, value in filled.items()} | lines


def copied(voice: Voice, lpn: str, print_no: int, copy: int) -> dict[str, str]:
    """The fields that tell one print of a label from the next."""
    return {"barcode": f"{lpn}/{print_no}", "copy": voice.say(msg("copy {n}", n=copy)) if copy > 1 else ""}


def preview(fields: Mapping[str, str]) -> tuple[str, ...]:
    """What a person compares a label by, in lines: what it is, its state and price or where it goes, and its code."""
    priced = "  ".join(filter(None, (fields.get("price"), fields.get("new_price"))))
    code = "  ".join(filter(None, (fields.get("barcode"), fields.get("copy"))))
    shown = (fields.get("title"), fields.get("grade"), priced, fields.get("why"), fields.get("place"))
    batch = (fields.get("seller"), fields.get("count"), fields.get("seal")) if fields.get("batch") else ()
    return tuple(line for line in (*shown, *batch, code) if line)


def _gtin(unit: Inspection) -> str:
    return retail(unit.product.gtin) if unit.product else ""


def _ground(unit: Inspection, seller: Seller) -> str:
    """Why it may be destroyed: what the supervisor gave as the reason, else the seller's standing ground."""
    ordered = (each.reason for each in reversed(unit.rerouted) if each.disposition is Disposition.DESTROY)
    return next(ordered, "") or seller.destroy_ground


def _property(unit: Inspection, rules: Rules, voice: Voice) -> str:
    """What the customer left in it: as noted, else the rows at which it was found, else that there is something."""
    if not unit.found(PROPERTY):
        return ""
    noted = [{"en": finding.note} for finding in unit.findings if finding.code == PROPERTY and finding.note]
    rows = [step.label for _, step in failed_steps(rules, unit) if step.finding == PROPERTY]
    return voice.join([*noted, *rows] or [rules.finding(PROPERTY).label])


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
