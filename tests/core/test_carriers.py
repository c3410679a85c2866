"""What carriers print around their numbers."""

import pytest

from inspect_station.core.barcode import Patterns, ScanKind, read

# Numbers from the public list of github.com/jkeen/tracking_number_data, and from the carriers' own specifications.


@pytest.mark.parametrize(
    ("raw", "number"),
    [
        pytest.param("420221539101026837331000039521", "9101026837331000039521", id="USPS, ZIP"),
        pytest.param("4201002334249200190132607600833457", "9200190132607600833457", id="USPS, ZIP+4"),
        pytest.param("]C1420221539101026837331000039521", "9101026837331000039521", id="USPS, its separator lost"),
        pytest.param("420 22153 9101026837331000039521", "9101026837331000039521", id="USPS typed in groups"),
        pytest.param("92748931507708513018050063", "92748931507708513018050063", id="USPS, 26 digits"),
        pytest.param("9405803699300124287899", "9405803699300124287899", id="USPS, 22 digits"),
        pytest.param("%008182709980000020033350276", "09980000020033", id="DPD, as its bars are"),
        pytest.param("008182709980000020033350276C", "09980000020033", id="DPD, as it is printed"),
        pytest.param("00 81827 0998 0000 0200 33 350 276 C", "09980000020033", id="DPD typed in groups"),
        pytest.param("%EC1A1BB15501234567890101826", "15501234567890", id="DPD, a postcode with letters"),
        pytest.param("1001921334250001000300779017972697", "779017972697", id="FedEx Express"),
        pytest.param("9622001900000000000000776632517510", "776632517510", id="FedEx Ground"),
        pytest.param("1001921334250001000300779017972697", "00779017972697", id="FedEx Express, 14 digits"),
        pytest.param("9611020987654312345672", "987654312345672", id="FedEx Ground 96"),
        pytest.param("]C19611020987654312345672", "987654312345672", id="FedEx Ground 96 in GS1-128"),
    ],
)
def test_the_number_is_found_in_the_bars(raw: str, number: str) -> None:
    scan = read(raw, Patterns())
    assert scan.kind is ScanKind.TRACKING
    assert scan.problem is None
    assert number in scan.keys
    assert scan.keys[0] == raw.removeprefix("]C1")


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param("420221539101026837331000039522", id="USPS with a wrong check digit"),
        pytest.param("008182709980000020033350276D", id="DPD with a wrong check character"),
        pytest.param("1001921334250001000300779017972698", id="FedEx with a wrong check digit"),
        pytest.param("9611020987654312345673", id="FedEx Ground 96 with a wrong check digit"),
        pytest.param("4202215391010268373310000395", id="USPS two digits short"),
    ],
)
def test_what_does_not_hold_is_looked_up_as_it_is(raw: str) -> None:
    scan = read(raw, Patterns())
    assert (scan.kind, scan.keys) == (ScanKind.UNKNOWN, (raw,))
