"""Lists from outside: every oddity of a spreadsheet is either taken in or named with its line."""

import contextlib

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


def test_accessories_and_consumables_are_told_apart():
    product = one_product("gtin,seller,title,accessories\n8806095467443,s,Phone,Charger;Tips*\n")
    assert [(each.name, each.essential) for each in product.accessories] == [("Charger", True), ("Tips", False)]


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
    "": "NO_REASON",
}


@pytest.mark.parametrize(("given", "kept"), STATED.items(), ids=[given or "none" for given in STATED])
def test_a_reason_is_taken_as_the_site_or_a_marketplace_writes_it(given, kept):
    (rma,) = imports.rmas((RMA_HEAD + f"R-1,s,8806095467443,1,{given},,,,\n").encode(), RULES).records
    assert rma.lines[0].reason == kept


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
