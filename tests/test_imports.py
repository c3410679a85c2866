"""Lists from outside: every oddity of a spreadsheet is either taken in or named with its line."""

import contextlib
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspect_station import config, imports
from inspect_station.core.records import Money

RULES = config.load().rules.policy
PRODUCT = "gtin,seller,title\n"


def one_product(text: str):
    taken = imports.products(text.encode())
    assert not taken.bad, [str(bad.reason) for bad in taken.bad]
    return taken.records[0]


# what, file, gtin, price in minor units; design.md §5
SEMICOLON = "gtin;seller;title;price\n"

SHEETS = [
    ("comma", "gtin,seller,title,price\n8806095467443,s,Phone,199.90\n", "08806095467443", 19990),
    ("semicolon with a decimal comma", f"{SEMICOLON}8806095467443;s;Phone;199,90\n", "08806095467443", 19990),
    ("tab", "gtin\tseller\ttitle\tprice\n8806095467443\ts\tPhone\t199.90\n", "08806095467443", 19990),
    ("columns in another order", "title,price,gtin,seller\nPhone,1,8806095467443,s\n", "08806095467443", 100),
    ("zeros that a spreadsheet dropped", "gtin,seller,title,price\n12345670,s,Phone,1\n", "00000012345670", 100),
    ("a UPC without its leading zero", "gtin,seller,title,price\n36000291452,s,Tissue,1\n", "00036000291452", 100),
    ("hair spaces in an amount", "gtin;seller;title;price\n8806095467443;s;Phone;1 199,90\n", "08806095467443", 119990),
]  # fmt: skip


@pytest.mark.parametrize(("text", "gtin", "minor"), [row[1:] for row in SHEETS], ids=[row[0] for row in SHEETS])
def test_a_sheet_is_read_as_it_was_meant(text, gtin, minor):
    product = one_product(text)
    assert product.gtin == gtin
    assert product.price == Money(minor=minor, currency="EUR")


# what, row, a word of the reason
BAD_PRODUCTS = [
    ("a GTIN shortened by a spreadsheet", "8.8E+12,s,Phone,1", "spreadsheet"),
    ("a wrong check digit", "8806095467444,s,Phone,1", "check digit"),
    ("letters in a GTIN", "88060954674AB,s,Phone,1", "digits"),
    ("no title", "8806095467443,s,,1", "title"),
    ("no seller", "8806095467443,,Phone,1", "seller"),
    ("a decimal comma between commas", '8806095467443,s,Phone,"199,90"', "199.90"),
    ("three decimals of a cent", "8806095467443,s,Phone,1.999", "decimals"),
    ("a negative price", "8806095467443,s,Phone,-1", "negative"),
    ("not a number", "8806095467443,s,Phone,NaN", "NaN"),
    ("infinitely dear", "8806095467443,s,Phone,Infinity", "Infinity"),
]


# device class in the file, as it is kept; None = the row is bad
CLASSES = [("phone", "phone"), ("Phone", "phone"), ("", ""), ("fridge", None), ("phone, tablet", None)]


@pytest.mark.parametrize(("given", "kept"), CLASSES, ids=[row[0] or "none" for row in CLASSES])
def test_a_device_without_a_checklist_is_not_taken_in(given, kept):
    """It would be sold with its data not wiped."""
    sheet = f'gtin,seller,title,device_class\n8806095467443,s,Phone,"{given}"\n'.encode()
    taken = imports.products(sheet, ("tablet", "phone"))
    assert [product.device_class for product in taken.records] == ([] if kept is None else [kept])
    if kept is None:
        assert [bad.line for bad in taken.bad] == [2]
        assert given.lower() in str(taken.bad[0].reason)
        assert "known are phone, tablet" in str(taken.bad[0].reason)
    assert imports.products(sheet).records[0].device_class == given.lower(), "where nobody says which there are"


@pytest.mark.parametrize(("row", "word"), [row[1:] for row in BAD_PRODUCTS], ids=[row[0] for row in BAD_PRODUCTS])
def test_a_bad_row_is_named_by_line_and_stops_nothing_else(row, word):
    good = "8806095467443,s,Phone,1"
    taken = imports.products(f"gtin,seller,title,price\n{good}\n{row}\n{good}\n".encode())
    assert len(taken.records) == 2
    assert [bad.line for bad in taken.bad] == [3]
    assert word in str(taken.bad[0].reason)


def test_windows_1252_and_a_byte_order_mark_are_taken_with_a_notice():
    cp1252 = imports.products("gtin,seller,title\n8806095467443,s,Théière\n".encode("cp1252"))
    assert cp1252.records[0].title == "Théière"
    assert len(cp1252.notices) == 1
    bom = imports.products("\ufeffgtin,seller,title\n8806095467443,s,Théière\n".encode())
    assert bom.records[0].title == "Théière"
    assert len(bom.notices) == 1


def test_unknown_columns_are_kept_aside():
    taken = imports.products(b"gtin,seller,title,shelf\n8806095467443,s,Phone,B7\n")
    assert taken.records[0].extra == {"shelf": "B7"}
    assert "shelf" in str(taken.notices[0])


@pytest.mark.parametrize("data", [b"", b"\n", b"a,b\n1,2\n", b"gtin,title\n1,2\n"])
def test_a_file_without_its_columns_is_refused_whole(data):
    with pytest.raises(imports.Unreadable):
        imports.products(data)


@pytest.mark.parametrize(("lowest", "taken_in"), [("10.00", 1), ("10.01", 0)])
def test_a_lowest_price_above_the_price_is_a_bad_row(lowest, taken_in):
    taken = imports.products(f"gtin,seller,title,price,min_price\n8806095467443,s,Phone,10.00,{lowest}\n".encode())
    assert (len(taken.records), len(taken.bad)) == (taken_in, 1 - taken_in)


@pytest.mark.parametrize("price", ["1e999999", "1e30", "9999999999999", "0x10"])
def test_an_impossible_amount_spoils_only_its_row(price):
    taken = imports.products(f"gtin,seller,title,price\n8806095467443,s,A,{price}\n8806095467443,s,B,1\n".encode())
    assert (len(taken.records), [bad.line for bad in taken.bad]) == (1, [2])


def test_a_later_row_completes_the_head_of_its_rma_and_none_contradicts_it():
    head = "rma,seller,gtin,channel,country,customer\n"
    one, other = "R-1,s,8806095467443,,,\n", "R-1,s,4006381333931,amazon,FR,buyer\n"
    (rma,) = imports.rmas((head + one + other).encode(), RULES).records
    assert (rma.channel, rma.country, bool(rma.customer), len(rma.lines)) == ("amazon", "FR", True, 2)
    wrong = imports.rmas((head + other + other.replace("FR", "DE")).encode(), RULES)
    assert [bad.line for bad in wrong.bad] == [3]


def test_accessories_and_consumables_are_told_apart():
    product = one_product("gtin,seller,title,accessories\n8806095467443,s,Phone,Charger;Tips*\n")
    assert [(each.name, each.essential) for each in product.accessories] == [("Charger", True), ("Tips", False)]


def test_the_maker_and_the_model_are_known_columns():
    taken = imports.products(b"gtin,seller,title,maker,model\n8806095467443,s,Phone,Lumo,P-7\n")
    (product,) = taken.records
    assert (product.maker, product.model, product.extra, taken.notices) == ("Lumo", "P-7", {}, ())


# the cell, the parts, their shares of the value in per cent; brief of the columns: design.md §5
KITS = [
    ("no kit", "", (), {}),
    ("parts alone", "Body;Lens", ("Body", "Lens"), {}),
    ("shares that make the whole", "Body 60%;Lens 40%", ("Body", "Lens"), {"Body": 60, "Lens": 40}),
    ("a space before the sign", "Body 60 %; Lens 40 %", ("Body", "Lens"), {"Body": 60, "Lens": 40}),
    ("a part without a share", "Body 60%;Strap", ("Body", "Strap"), {"Body": 60}),
    ("a name of two words", "Zoom lens 40%", ("Zoom lens",), {"Zoom lens": 40}),
    ("the least and the most", "Body 99%;Cap 1%", ("Body", "Cap"), {"Body": 99, "Cap": 1}),
    ("one part is all of it", "Body 100%", ("Body",), {"Body": 100}),
    ("two alike without shares", "Cup;Cup", ("Cup", "Cup"), {}),
]


@pytest.mark.parametrize(("cell", "parts", "shares"), [row[1:] for row in KITS], ids=[row[0] for row in KITS])
def test_the_parts_of_a_kit_have_shares_of_its_value(cell, parts, shares):
    product = one_product(f'gtin,seller,title,components\n8806095467443,s,Kit,"{cell}"\n')
    assert (product.components, product.shares) == (parts, shares)


# what, the cell, a word of the reason
BAD_KITS = [
    ("more than the whole", "Body 60%;Lens 41%", "101"),
    ("nothing", "Body 0%", "Body 0%"),
    ("above the whole", "Body 101%", "Body 101%"),
    ("less than nothing", "Body -5%", "Body -5%"),
    ("a broken number", "Body 33.3%", "Body 33.3%"),
    ("a share of nothing", "60%", "60%"),
    ("twice the same part", "Cup 50%;Cup 50%", "Cup"),
]


@pytest.mark.parametrize(("cell", "word"), [row[1:] for row in BAD_KITS], ids=[row[0] for row in BAD_KITS])
def test_shares_that_cannot_be_are_named(cell, word):
    taken = imports.products(f'gtin,seller,title,components\n8806095467443,s,Kit,"{cell}"\n'.encode())
    assert not taken.records
    assert word in str(taken.bad[0].reason)


RMA_HEAD = "rma,seller,gtin,quantity,reason,delivered_on,sold_as,customer,order\n"


def test_rows_with_one_number_are_its_lines():
    rows = (
        "R-1,s,8806095467443,2,DEFECTIVE,2026-10-02,new,anna@example.com,402-1\n"
        "R-1,s,4006381333931,,,,,,402-1\n"
        "R-2,s,4006381333931,1,CHANGED_MIND,,used,,\n"
    )
    first, second = imports.rmas((RMA_HEAD + rows).encode(), RULES).records
    assert [(line.no, line.quantity, line.reason) for line in first.lines] == [(1, 2, "DEFECTIVE"), (2, 1, "NO_REASON")]
    assert first.lines[1].delivered_on is None, "absent = unknown"
    assert second.lines[0].sold_as == "used"


PARIS, NEW_YORK = "Europe/Paris", "America/New_York"

# what, zone of the site, the cell, the civil date there; offsets from UTC by hand: Paris +1, in summer +2 (from
# 29 March 2026, 1:00 UTC, to 25 October 2026, 1:00 UTC), New York -4 in October
DATES = [
    ("a date is the date", PARIS, "2026-10-31", date(2026, 10, 31)),
    ("a time without an offset is the site's", PARIS, "2026-10-31T23:30:00", date(2026, 10, 31)),
    ("the same with a space", NEW_YORK, "2026-10-31 00:30", date(2026, 10, 31)),
    ("past midnight at the site", PARIS, "2026-10-31T23:30:00Z", date(2026, 11, 1)),
    ("not yet midnight at the site", PARIS, "2026-10-31T22:30:00Z", date(2026, 10, 31)),
    ("no zone but UTC", "UTC", "2026-10-31T23:30:00Z", date(2026, 10, 31)),
    ("still the day before in the west", NEW_YORK, "2026-11-01T03:30:00Z", date(2026, 10, 31)),
    ("an offset that is not the site's", PARIS, "2026-10-31T20:30:00-04:00", date(2026, 11, 1)),
    ("as shops write it", PARIS, "2026-10-31 20:30:00 -0400", date(2026, 11, 1)),
    ("with milliseconds", PARIS, "2026-10-31T23:30:00.123Z", date(2026, 11, 1)),
    ("last second before the day summer time begins", PARIS, "2026-03-28T22:59:59Z", date(2026, 3, 28)),
    ("first second of the day summer time begins", PARIS, "2026-03-28T23:00:00Z", date(2026, 3, 29)),
    ("last second of the day of 23 hours", PARIS, "2026-03-29T21:59:59Z", date(2026, 3, 29)),
    ("first second after the day of 23 hours", PARIS, "2026-03-29T22:00:00Z", date(2026, 3, 30)),
    ("last second before the day of 25 hours", PARIS, "2026-10-24T21:59:59Z", date(2026, 10, 24)),
    ("first second of the day of 25 hours", PARIS, "2026-10-24T22:00:00Z", date(2026, 10, 25)),
    ("last second of the day of 25 hours", PARIS, "2026-10-25T22:59:59Z", date(2026, 10, 25)),
    ("first second after the day of 25 hours", PARIS, "2026-10-25T23:00:00Z", date(2026, 10, 26)),
    ("into a leap day", PARIS, "2028-02-28T23:00:00Z", date(2028, 2, 29)),
    ("out of a leap day", PARIS, "2028-02-29T23:00:00Z", date(2028, 3, 1)),
    ("end of February in another year", PARIS, "2027-02-28T23:00:00Z", date(2027, 3, 1)),
    ("end of the year", PARIS, "2026-12-31T23:00:00Z", date(2027, 1, 1)),
    ("back over the end of the year", NEW_YORK, "2027-01-01T04:59:59Z", date(2026, 12, 31)),
]
COLUMNS = {
    "requested_on": "requested_on",
    "requested_at": "requested_on",
    "delivered_on": "delivered_on",
    "latest_estimated_on": "latest_estimated_on",
    "defect_reported_on": "defect_reported_on",
    "postmarked_on": "postmarked_on",
}


def dated(column: str, cell: str, zone: str):
    return imports.rmas(f"rma,seller,gtin,{column}\nR-1,s,8806095467443,{cell}\n".encode(), RULES, zone)


@pytest.mark.parametrize(("zone", "cell", "on"), [row[1:] for row in DATES], ids=[row[0] for row in DATES])
def test_an_instant_is_the_civil_date_at_the_site(zone, cell, on):
    """domain.md §2: day N = civil date difference in the site's zone."""
    for column, kept in COLUMNS.items():
        taken = dated(column, cell, zone)
        assert not taken.bad, str(taken.bad[0].reason)
        assert getattr(taken.records[0].lines[0], kept) == on, column


@pytest.mark.parametrize(
    ("zone", "cell"),
    [
        pytest.param(PARIS, "2027-02-29", id="no leap year"),
        pytest.param(PARIS, "2026-10-31T25:00:00Z", id="no such hour"),
        pytest.param(PARIS, "2026-10-31 in the evening", id="a date and words"),
        pytest.param(PARIS, "31/10/2026", id="day first"),
        pytest.param(NEW_YORK, "0001-01-01T00:00:00Z", id="before the first day"),
        pytest.param(PARIS, "9999-12-31T23:59:59Z", id="after the last day"),
    ],
)
def test_what_is_no_date_is_named_with_its_column(zone, cell):
    for column in COLUMNS:
        taken = dated(column, cell, zone)
        assert not taken.records
        assert f"{column} {cell}" in str(taken.bad[0].reason)


def test_what_was_paid_for_sending_is_kept_apart_from_the_price():
    rows = b"rma,seller,gtin,quantity,paid,shipping_paid,currency\nR-1,s,8806095467443,2,399.00,4.90,EUR\n"
    (rma,) = imports.rmas(rows, RULES).records
    assert rma.lines[0].paid == Money(minor=39900, currency="EUR"), "for the whole line"
    assert rma.lines[0].shipping_paid == Money(minor=490, currency="EUR")
    assert imports.rmas(b"rma,seller,gtin\nR-1,s,8806095467443\n", RULES).records[0].lines[0].shipping_paid is None


def test_a_customer_is_kept_as_an_opaque_key_only():
    (rma,) = imports.rmas((RMA_HEAD + "R-1,s,8806095467443,1,,,,anna@example.com,\n").encode(), RULES).records
    assert rma.customer
    assert "anna" not in rma.model_dump_json()
    assert rma.customer == imports.opaque("s", "anna@example.com")
    assert rma.customer != imports.opaque("t", "anna@example.com"), "per seller only: domain 2, Fraud"


# what, row, a word of the reason
BAD_RMAS = [
    ("an unknown reason", "R-1,s,8806095467443,1,BORED,,,,", "BORED"),
    ("quantity zero", "R-1,s,8806095467443,0,,,,,", "quantity"),
    ("a French date", "R-1,s,8806095467443,1,,22/11/2026,,,", "22/11/2026"),
    ("sold as neither", "R-1,s,8806095467443,1,,,refurbished,,", "refurbished"),
]


@pytest.mark.parametrize(("row", "word"), [row[1:] for row in BAD_RMAS], ids=[row[0] for row in BAD_RMAS])
def test_a_bad_rma_row_is_named(row, word):
    taken = imports.rmas((RMA_HEAD + row + "\n").encode(), RULES)
    assert not taken.records
    assert word in str(taken.bad[0].reason)


# a code of the site, of Amazon, of Shopify -> the site's; domain.md 3.1
STATED = {
    "CHANGED_MIND": "CHANGED_MIND",
    "changed_mind": "CHANGED_MIND",
    "CR-DEFECTIVE": "DEFECTIVE",
    "DAMAGED_BY_CARRIER": "DAMAGED_TRANSIT",
    "CR-SWITCHEROO": "WRONG_ITEM_SENT",
    "UNWANTED": "CHANGED_MIND",
    "SIZE_TOO_SMALL": "SIZE_SMALL",
    "UNDELIVERABLE_REFUSED": "UNDELIVERED",
    "OTHER": "NO_REASON",
    "COLOR": "CHANGED_MIND",
    "APPAREL_TOO_LARGE": "SIZE_LARGE",
    "": "NO_REASON",
}


@pytest.mark.parametrize(("given", "kept"), STATED.items(), ids=[given or "none" for given in STATED])
def test_a_reason_is_taken_as_the_site_or_a_marketplace_writes_it(given, kept):
    (rma,) = imports.rmas((RMA_HEAD + f"R-1,s,8806095467443,1,{given},,,,\n").encode(), RULES).records
    assert rma.lines[0].reason == kept


def test_a_reason_that_nobody_knows_spoils_its_own_line_only():
    rows = "R-1,s,8806095467443,1,DEFECTIVE,,,,\nR-1,s,4006381333931,1,FELL_OFF_A_CAMEL,,,,\n"
    taken = imports.rmas((RMA_HEAD + rows).encode(), RULES)
    assert [line.reason for line in taken.records[0].lines] == ["DEFECTIVE"]
    assert [bad.line for bad in taken.bad] == [3]
    assert "FELL_OFF_A_CAMEL" in str(taken.bad[0].reason)


def test_lines_of_one_rma_that_contradict_each_other_are_reported():
    rows = "R-1,s,8806095467443,1,,,,,402-1\nR-1,s,4006381333931,1,,,,,402-2\n"
    taken = imports.rmas((RMA_HEAD + rows).encode(), RULES)
    assert len(taken.records[0].lines) == 1
    assert taken.bad[0].line == 3


@given(st.binary(max_size=300))
def test_no_file_at_all_makes_it_stumble(data):
    for read in (imports.products, lambda content: imports.rmas(content, RULES)):
        with contextlib.suppress(imports.Unreadable):
            read(data)


@given(st.text(max_size=60))
def test_no_cell_at_all_makes_it_stumble(cell):
    quoted = cell.replace('"', '""')
    taken = imports.products(f'{PRODUCT}8806095467443,s,"{quoted}"\n8806095467443,s,Phone\n'.encode(errors="replace"))
    assert taken.records[-1].title == "Phone"
