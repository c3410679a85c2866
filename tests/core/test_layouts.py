"""A scanner set to a US keyboard, in front of hosts with other layouts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import ean

from inspect_station.core.barcode import Patterns, Scan, ScanKind, expression, next_lpn, read
from inspect_station.core.layouts import meanings

SENT = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-/:#%"
# What the host makes of SENT, worked out from the symbols of xkeyboard-config 2.35; with Caps Lock from its shifted
# level, as Windows does on these hosts.
HOSTS = {
    "azerty": "à&é\"'(-è_çQBCDEFGHIJKL?NOPARSTUVZXYW)!M35",
    "azerty+caps": '0123456789qbcdefghijkl,noparstuvzxyw°§m"(',
    "azerty-be": "à&é\"'(§è!çQBCDEFGHIJKL?NOPARSTUVZXYW)=M35",
    "azerty-be+caps": '0123456789qbcdefghijkl,noparstuvzxyw°+m"(',
    "azerty, French Mac": "à&é\"'(§è!çQBCDEFGHIJKL?NOPARSTUVZXYW)=M35",
    "qwertz": "0123456789ABCDEFGHIJKLMNOPQRSTUVWXZYß-Ö§%",
    "qwertz+caps": '=!"§$%&/()abcdefghijklmnopqrstuvwxzy?_ö35',
    "qwertz-ch": "0123456789ABCDEFGHIJKLMNOPQRSTUVWXZY'-é*%",
    "qwertz-ch-fr": "0123456789ABCDEFGHIJKLMNOPQRSTUVWXZY'-ö*%",
    "qwerty-es": "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ'-Ñ·%",
    "qwerty-it": "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ'-ç£%",
    "qwerty-uk": "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-/:£%",
}
CODES = {
    "EAN-13": ("4006381333931", ScanKind.GTIN),
    "EAN-8": ("73513537", ScanKind.GTIN),
    "SKU of an EAN": ("4006381333931-B2", ScanKind.GTIN),
    "licence plate": ("L7Y3K000011/2", ScanKind.LPN),
    "badge": ("BDG-0123456789ABCDEF", ScanKind.BADGE),
    "command": ("CMD-FINISH", ScanKind.COMMAND),
    "RMA": ("RMA-4711/2", ScanKind.RMA),
    "RMA with letters that move": ("MZ-QAWY-01", ScanKind.RMA),
    "order": ("406-4307814-8186723", ScanKind.ORDER),
    "ASIN": ("B018N3W71U", ScanKind.ASIN),
    "IMEI": ("490154203237518", ScanKind.IMEI),
    "SSCC": ("106141412345678908", ScanKind.SSCC),
    "postal tracking": ("RR123456785FR", ScanKind.TRACKING),
    "DPD": ("%009500001505000000101136276", ScanKind.TRACKING),
}
PATTERNS = Patterns(
    rma={
        "a": expression(r"RMA-\d{4}(/\d)?"),
        "b": expression(r"MZ-[A-Z]{4}-\d\d"),
        "c": expression(r"RET#\d\d"),
        "d": expression(r"Z[0-9]{6}"),
    }
)


def typed(code: str, host: str) -> str:
    return code.translate(str.maketrans(SENT, HOSTS[host]))


def look(text: str) -> Scan:
    return read(text, PATTERNS)


# Caps Lock puts the digits right, and ten letters and digits behind B0 are an ASIN whichever they are.
CANNOT_BE_TOLD = {("ASIN", "azerty+caps"), ("ASIN", "azerty-be+caps")}


@pytest.mark.parametrize(
    ("name", "host"), [(name, host) for name in CODES for host in HOSTS if (name, host) not in CANNOT_BE_TOLD]
)
def test_a_code_is_the_same_on_every_host(name: str, host: str) -> None:
    code, kind = CODES[name]
    sent, shown = look(code), typed(code, host)
    assert sent.kind is kind
    got = look(shown)
    assert (got.kind, got.text, got.gtin, got.print_no) == (kind, sent.text, sent.gtin, sent.print_no)
    assert (got.repaired == "") == (shown.upper() == code)
    if got.repaired:
        assert shown == typed(code, got.repaired), "the layout that is named types the same"
        assert got.keys[0] == shown, "what was typed is looked up first"


@pytest.mark.parametrize(
    ("shown", "layout"),
    [
        pytest.param('\'àà-"_&"""ç"&', "azerty", id="6 is - in France"),
        pytest.param('\'àà§"!&"""ç"&', "azerty-be", id="6 is § in Belgium"),
        pytest.param("r?q)4711", "", id="half repaired is not repaired"),
        pytest.param("r,q°4711§2", "azerty+caps", id="Caps Lock in Windows"),
        pytest.param('\'ÀÀ§"!&"""Ç"&', "azerty-be", id="Caps Lock on a French Mac"),
        pytest.param("RMAß4711", "qwertz", id="Germany"),
        pytest.param("RMA'4711-2", "qwertz-ch", id="- is ' in Switzerland, Spain and Italy alike"),
        pytest.param("RET£88", "qwerty-it", id="# is £ in Italy and the United Kingdom alike"),
        pytest.param("rma-4711", "", id="Caps Lock alone only turns letters"),
        pytest.param('$Eà\'àà-"_&"""ç"&', "azerty", id="with its AIM identifier"),
        pytest.param('$C&à&àç(à-ààà&"\'"(éé&LèX', "azerty", id="GS1"),
    ],
)
def test_the_layout_is_named_for_how_to_set_the_scanner(shown: str, layout: str) -> None:
    assert look(shown).repaired == layout


@pytest.mark.parametrize(
    "shown",
    [
        pytest.param("\"èàà'è&ààé'è_", id="an EAN that does not hold after repair"),
        pytest.param("Y123456", id="swapped letters alone do not make a seller's RMA number"),
        pytest.param("CHAÎNE-QUAI", id="a word"),
        pytest.param("SN-WAZ-71", id="a serial number"),
        pytest.param("L7Z3K000012", id="a licence plate that does not hold after repair"),
    ],
)
def test_what_would_be_chance_is_not_repaired(shown: str) -> None:
    scan = look(shown)
    assert (scan.kind, scan.text, scan.repaired) == (ScanKind.UNKNOWN, shown, "")


def test_what_no_barcode_holds_is_looked_up_in_each_meaning() -> None:
    keys = look("é&_'(").keys
    assert keys[0] == "é&_'("
    assert "21845" in keys
    assert look("SN-4711").keys == ("SN-4711",)


def test_two_layouts_that_prove_different_codes_prove_none() -> None:
    # ! is 8 in Belgium and / in France.
    both = Patterns(rma={"a": expression("A1/2"), "b": expression("A182")})
    assert read("Q&!é", both).kind is ScanKind.UNKNOWN
    assert read("Q&!é", Patterns(rma={"a": expression("A1/2")})).text == "A1/2"


def test_a_text_that_every_layout_types_alike_has_no_other_meaning() -> None:
    assert {meant for _, meant in meanings("EBC")} == {"ebc"}
    assert list(meanings("")) == []


numbers = st.text("0123456789", min_size=12, max_size=12).map(lambda n: n + ean.calc_check_digit(n))
plates = st.integers(1, 90_000).map(lambda n: next_lpn("7Y3K", n)[0])
returns = st.from_regex(r"RMA-[0-9]{4}(/[0-9])?|MZ-[A-Z]{4}-[0-9]{2}", fullmatch=True)


@given(numbers | plates | returns, st.sampled_from(sorted(HOSTS)))
def test_a_repair_never_turns_one_code_into_another(code: str, host: str) -> None:
    sent, got = look(code), look(typed(code, host))
    assert sent.repaired == ""
    assert (got.kind, got.text, got.gtin) == (sent.kind, sent.text, sent.gtin)


@given(numbers | plates | returns | st.text("0123456789ABCDEFYZ-/", max_size=20))
def test_what_is_right_as_typed_is_never_repaired(code: str) -> None:
    scan = look(code)
    assert scan.kind is ScanKind.UNKNOWN or not scan.repaired or scan.text != code
