"""Lists from outside (CSV) to records; a bad row is reported with its line and stops nothing else."""

import csv
import hashlib
import io
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Generic, TypeVar
from zoneinfo import ZoneInfo

from inspect_station.core.barcode import clean
from inspect_station.core.policy import PolicyRules
from inspect_station.core.records import Accessory, Line, Money, Product, Rma
from inspect_station.errors import Exit, StationError
from inspect_station.message import Message, msg
from inspect_station.words import minor_digits

PRODUCT_COLUMNS = (
    "gtin", "seller", "sku", "title", "category", "device_class", "price", "currency", "accessories", "hygiene",
    "hazard", "weight_g", "asin", "components", "min_price", "maker", "model",
)  # fmt: skip
RMA_COLUMNS = (
    "rma", "seller", "channel", "order", "customer", "gtin", "quantity", "reason", "sold_as", "serial",
    "requested_on", "delivered_on", "latest_estimated_on", "defect_reported_on", "postmarked_on", "site", "tracking",
    "country", "fulfilment", "paid", "shipping_paid", "currency", "requested_at",
)  # fmt: skip
HAZARDS = ("", "flammable", "gas", "lithium")


T = TypeVar("T")


class Unreadable(StationError):
    """The file as a whole cannot be taken in."""

    exit_code = Exit.USAGE


@dataclass(frozen=True)
class BadRow:
    """A row that was left out, and why."""

    line: int
    """Line of the file, the header being 1."""
    reason: Message


@dataclass(frozen=True)
class Taken(Generic[T]):
    """What a file held."""

    records: tuple[T, ...]
    bad: tuple[BadRow, ...]
    notices: tuple[Message, ...] = ()
    rows: int = 0


class _Wrong(ValueError):
    def __init__(self, reason: Message) -> None:
        super().__init__(str(reason))
        self.reason = reason


@dataclass
class _Sheet:
    rows: list[tuple[int, dict[str, str]]]
    comma_decimal: bool
    notices: list[Message] = field(default_factory=list)


def products(data: bytes, classes: Collection[str] = ()) -> Taken[Product]:
    """Read a product list (columns: design.md §5). Raises Unreadable.

    ``classes``: the device classes that have a checklist, empty = any; a device of another one would be sold with its
    data not wiped, so its row is bad.
    """
    sheet = _sheet(data, required=("gtin", "seller", "title"), known=PRODUCT_COLUMNS)
    records: list[Product] = []
    bad: list[BadRow] = []
    for line, row in sheet.rows:
        try:
            records.append(_product(row, sheet.comma_decimal, classes))
        except _Wrong as wrong:
            bad.append(BadRow(line, wrong.reason))
    return Taken(tuple(records), tuple(bad), tuple(sheet.notices), len(sheet.rows))


def rmas(data: bytes, rules: PolicyRules, zone: str = "UTC") -> Taken[Rma]:
    """Read an RMA list; several rows with one number are its lines.

    A reason may be one of the site's codes or, by its rules, a marketplace's: both are kept as the site's.
    ``zone`` is the site's (an IANA name): an instant with an offset is kept as the civil date it had there, for days
    are counted at the site (domain.md §2). A bad row spoils only its own line, never the RMA's others.
    Raises Unreadable.
    """
    site = ZoneInfo(zone)
    sheet = _sheet(data, required=("rma", "seller", "gtin"), known=RMA_COLUMNS)
    heads: dict[tuple[str, str], Rma] = {}
    bad: list[BadRow] = []
    for line, row in sheet.rows:
        try:
            head, one = _rma_row(row, sheet.comma_decimal, rules, site)
            key = (head.seller, head.number)
            known = heads.get(key)
            if known is None:
                heads[key] = head.but(lines=(one.but(no=1),))
                continue
            known = _same_head(known, head)
            heads[key] = known.but(lines=(*known.lines, one.but(no=len(known.lines) + 1)))
        except _Wrong as wrong:
            bad.append(BadRow(line, wrong.reason))
    return Taken(tuple(heads.values()), tuple(bad), tuple(sheet.notices), len(sheet.rows))


def _same_head(known: Rma, head: Rma) -> Rma:
    """The RMA with what only a later row says of it; rows that contradict each other are refused."""
    for name in HEAD:
        before, now = getattr(known, name), getattr(head, name)
        if before and now and before != now:
            raise _Wrong(
                msg(
                    "RMA {rma}: {column} is {now} here and {before} above",
                    rma=known.number,
                    column=name,
                    now=now,
                    before=before,
                )
            )
    return known.but(**{name: getattr(head, name) for name in HEAD if not getattr(known, name)})


HEAD = ("order", "channel", "customer", "country", "site", "tracking", "fulfilment")
"""What is said of an RMA as a whole."""


def _sheet(data: bytes, *, required: Sequence[str], known: Sequence[str]) -> _Sheet:
    notices: list[Message] = []
    if data.startswith(b"\xef\xbb\xbf"):
        notices.append(msg("the file starts with a byte order mark: taken off"))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", errors="replace")
        notices.append(msg("the file is not UTF-8: read as Windows-1252"))
    lines = text.splitlines()
    if not lines:
        raise Unreadable(msg("the file is empty: nothing was imported"), msg("export it again with a header row"))
    delimiter = max(",;\t", key=lines[0].count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, restkey="", restval="")
    names = [clean(name).strip().lower() for name in reader.fieldnames or ()]
    missing = [name for name in required if name not in names]
    if missing:
        raise Unreadable(
            msg("no column {missing}: nothing was imported", missing=", ".join(missing)),
            msg("the first row must name the columns: {known}", known=", ".join(known)),
        )
    reader.fieldnames = names
    rows: list[tuple[int, dict[str, str]]] = []
    for row in reader:
        cells = {
            name: clean(value or "").strip() for name, value in row.items() if name and not isinstance(value, list)
        }
        if any(cells.values()):
            rows.append((reader.line_num, cells))
    aside = [name for name in names if name and name not in known]
    if aside:
        notices.append(msg("columns kept aside: {columns}", columns=", ".join(aside)))
    return _Sheet(rows, delimiter == ";", notices)


def _product(row: Mapping[str, str], comma: bool, classes: Collection[str]) -> Product:
    currency = (row.get("currency") or "EUR").upper()
    hazard = row.get("hazard", "").lower()
    if hazard not in HAZARDS:
        raise _Wrong(msg("hazard {value}: one of empty, flammable, gas, lithium", value=hazard))
    hygiene = row.get("hygiene", "") or "0"
    if hygiene not in ("0", "1"):
        raise _Wrong(msg("hygiene {value}: 0 or 1", value=hygiene))
    device_class = row.get("device_class", "").lower()
    if device_class and classes and device_class not in classes:
        raise _Wrong(
            msg(
                "device_class {value} has no checklist; known are {known}",
                value=device_class,
                known=", ".join(sorted(classes)),
            )
        )
    components, shares = _components(row.get("components", ""))
    weight = row.get("weight_g", "")
    if weight and not weight.isdecimal():
        raise _Wrong(msg("weight_g {value}: whole grams", value=weight))
    price, min_price = _money(row, "price", currency, comma), _money(row, "min_price", currency, comma)
    if price is not None and min_price is not None and min_price.minor > price.minor:
        raise _Wrong(msg("min_price {value}: more than the price, {price}", value=row["min_price"], price=row["price"]))
    return Product(
        seller=_needed(row, "seller"),
        gtin=gtin14(_needed(row, "gtin")),
        gtin_as_given=_as_given(row["gtin"]),
        sku=row.get("sku", ""),
        title=_needed(row, "title"),
        category=row.get("category", "").lower() or "general",
        device_class=device_class,
        price=price,
        min_price=min_price,
        accessories=tuple(_accessory(name) for name in row.get("accessories", "").split(";") if name.strip()),
        hygiene=hygiene == "1",
        hazard=hazard,
        weight_g=int(weight) if weight else None,
        asin=row.get("asin", ""),
        maker=row.get("maker", ""),
        model=row.get("model", ""),
        components=components,
        shares=shares,
        extra={name: value for name, value in row.items() if name not in PRODUCT_COLUMNS and value},
    )


def _accessory(name: str) -> Accessory:
    """A trailing ``*`` marks a consumable: missing, it costs a discount only."""
    name = name.strip()
    return Accessory(name=name.removesuffix("*").strip(), essential=not name.endswith("*"))


def _components(cell: str) -> tuple[tuple[str, ...], dict[str, int]]:
    """A kit's parts, and the shares of its value that are given: ``Body 60%;Lens 40%;Strap``."""
    names: list[str] = []
    shares: dict[str, int] = {}
    for part in filter(None, (part.strip() for part in cell.split(";"))):
        if not part.endswith("%"):
            names.append(part)
            continue
        name, _, share = " ".join(part[:-1].split()).rpartition(" ")
        if not name or not re.fullmatch(r"[0-9]{1,3}", share) or not 1 <= int(share) <= 100:
            raise _Wrong(msg("component {value}: its name and a share of 1 to 100, like Lens 40%", value=part))
        if name in shares:
            raise _Wrong(msg("component {name} has two shares", name=name))
        names.append(name)
        shares[name] = int(share)
    if sum(shares.values()) > 100:
        raise _Wrong(msg("the components' shares make {sum} %: at most 100", sum=sum(shares.values())))
    return tuple(names), shares


def _rma_row(row: Mapping[str, str], comma: bool, rules: PolicyRules, site: ZoneInfo) -> tuple[Rma, Line]:
    currency = (row.get("currency") or "EUR").upper()
    quantity = row.get("quantity", "") or "1"
    if not quantity.isdecimal() or not 1 <= int(quantity) <= 10_000:
        raise _Wrong(msg("quantity {value}: a whole number from 1", value=quantity))
    given = row.get("reason", "") or "NO_REASON"
    reasons = [each.code for each in rules.reasons]
    reason = rules.stated(given).code
    if reason not in reasons:
        raise _Wrong(msg("reason {value} is not known; known are {known}", value=given, known=", ".join(reasons)))
    sold_as = row.get("sold_as", "").lower() or "new"
    if sold_as not in ("new", "used"):
        raise _Wrong(msg("sold_as {value}: new or used", value=sold_as))
    fulfilment = row.get("fulfilment", "").lower() or "seller"
    if fulfilment not in ("seller", "fba"):
        raise _Wrong(msg("fulfilment {value}: seller or fba", value=fulfilment))
    seller = _needed(row, "seller")
    line = Line(
        no=1,
        gtin=gtin14(_needed(row, "gtin")),
        quantity=int(quantity),
        reason=reason,
        sold_as=sold_as,
        serial=row.get("serial", ""),
        requested_on=_date(row, "requested_on", site) or _date(row, "requested_at", site),
        delivered_on=_date(row, "delivered_on", site),
        latest_estimated_on=_date(row, "latest_estimated_on", site),
        defect_reported_on=_date(row, "defect_reported_on", site),
        postmarked_on=_date(row, "postmarked_on", site),
        paid=_money(row, "paid", currency, comma),
        shipping_paid=_money(row, "shipping_paid", currency, comma),
    )
    head = Rma(
        seller=seller,
        number=_needed(row, "rma"),
        channel=row.get("channel", "").lower(),
        order=row.get("order", ""),
        customer=opaque(seller, row.get("customer", "")),
        site=row.get("site", ""),
        tracking=row.get("tracking", ""),
        country=row.get("country", "").upper(),
        fulfilment=fulfilment,
        lines=(line,),
        extra={name: value for name, value in row.items() if name not in RMA_COLUMNS and value},
    )
    return head, line


def opaque(seller: str, customer: str) -> str:
    """A key that tells one seller's customers apart and nothing else; empty where no customer is known."""
    return hashlib.sha256(f"{seller}\0{customer}".encode()).hexdigest()[:20] if customer else ""


def _needed(row: Mapping[str, str], name: str) -> str:
    value = row.get(name, "")
    if not value:
        raise _Wrong(msg("{column} is empty", column=name))
    return value


def gtin14(text: str) -> str:
    """A GTIN as 14 digits. Zeros that a spreadsheet dropped are restored when the check digit then holds.

    Raises a ValueError with its reason for anything else.
    """
    from stdnum import ean

    if re.fullmatch(r"\d+([.,]\d+)?[eE]\+?\d+", text):
        raise _Wrong(msg("gtin {value}: a spreadsheet shortened it; format the column as text", value=text))
    digits = _as_given(text)
    if not digits.isdecimal() or not 1 <= len(digits) <= 14:
        raise _Wrong(msg("gtin {value}: 8 to 14 digits", value=text))
    if len(digits) >= 7 and ean.calc_check_digit(digits[:-1].zfill(13)) == digits[-1]:
        return digits.zfill(14)
    raise _Wrong(msg("gtin {value}: the check digit is wrong", value=text))


def _as_given(text: str) -> str:
    return re.sub(r"[\s\-]", "", text)


def _date(row: Mapping[str, str], name: str, site: ZoneInfo) -> date | None:
    """The civil date at the site. A time without an offset is the site's own."""
    value = row.get(name, "")
    if not value:
        return None
    try:
        # Shops write a space before the offset too: 2026-10-31 23:30:00 -0400.
        at = datetime.fromisoformat(re.sub(r" (?=[+-]\d\d:?\d\d$)", "", value))
        return at.date() if at.tzinfo is None else at.astimezone(site).date()
    except (ValueError, OverflowError):  # the latter: the first or the last day that there is, in another zone
        raise _Wrong(msg("{column} {value}: a date like 2026-11-22", column=name, value=value)) from None


def _money(row: Mapping[str, str], name: str, currency: str, comma: bool) -> Money | None:
    value = row.get(name, "").replace("\N{NO-BREAK SPACE}", "").replace(" ", "")
    if not value:
        return None
    if comma:
        value = value.replace(",", ".")
    digits = minor_digits(currency)
    try:
        # No amount has more digits, and an exponent is a spreadsheet's.
        minor = Decimal(value if re.fullmatch(r"[+-]?\d{1,12}([.]\d{0,9})?", value) else "none").scaleb(digits)
    except InvalidOperation:
        raise _Wrong(msg("{column} {value}: an amount like 199.90", column=name, value=row[name])) from None
    if not minor.is_finite() or minor != minor.to_integral_value() or minor < 0:
        raise _Wrong(
            msg(
                "{column} {value}: at most {digits} decimals, not negative",
                column=name,
                value=row[name],
                digits=digits,
            )
        )
    if not re.fullmatch(r"[A-Z]{3}", currency):
        raise _Wrong(msg("currency {value}: three letters like EUR", value=currency))
    return Money(minor=int(minor), currency=currency)
