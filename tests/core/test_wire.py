"""What is read off the wire: texts that every reader reads alike, and those that need no cleaning."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspect_station.core import wire


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('{"a":1,"a":2}', id="a key twice"),
        pytest.param('[{"a":{"b":1,"b":1}}]', id="a key twice, far inside"),
        pytest.param("NaN", id="NaN"),
        pytest.param('{"a":-Infinity}', id="infinity"),
        pytest.param("[1e999]", id="infinity in disguise"),
        pytest.param(r'"\ud800"', id="half a pair of surrogates, escaped"),
        pytest.param(r'{"\uDFFF":1}', id="half a pair in a key, in capitals"),
        pytest.param('"\ud800"', id="half a pair as it is"),
        pytest.param(b'"\xed\xa0\x80"', id="half a pair as bytes"),
        pytest.param(b'"\xff"', id="no UTF-8"),
        pytest.param("[" * 201 + "]" * 201, id="201 lists deep"),
        pytest.param('{"a":' * 201 + "1" + "}" * 201, id="201 objects deep"),
        pytest.param("[" * 900 + "]" * 900, id="deep enough to break whoever walks through it"),
        pytest.param("[" * 100_000, id="100,000 brackets"),
        pytest.param("", id="nothing"),
    ],
)
def test_what_not_every_reader_reads_alike_is_refused(text: str | bytes) -> None:
    with pytest.raises(ValueError):
        wire.parse(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param(r'"\ud83d\ude00"', "\U0001f600", id="both halves of a pair"),
        pytest.param("É".encode().join([b'"', b'"']), "É", id="bytes"),
        pytest.param('{"a":[1e3,-2]}', {"a": [1000.0, -2]}, id="numbers"),
        pytest.param(json.dumps([[]] * 300), [[]] * 300, id="wide, not deep"),
    ],
)
def test_what_every_reader_reads_alike_is_read(text: str | bytes, value: object) -> None:
    assert wire.parse(text) == value


def test_two_hundred_lists_deep_is_read() -> None:
    wire.parse("[" * 200 + "]" * 200)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param({"a": " b"}, id="a space before"),
        pytest.param({"a": "b "}, id="a space after"),
        pytest.param({"a ": 1}, id="a key with a space"),
        pytest.param({"a": "e\u0301"}, id="not NFC"),
        pytest.param({"a": "b\u202ec"}, id="another direction"),
        pytest.param({"a": "b\u200bc"}, id="no width"),
        pytest.param({"a": "b\x9bc"}, id="a control"),
        pytest.param({"a": "b\nc"}, id="a line feed, escaped"),
        pytest.param({"a": 2**60}, id="a large number"),
        pytest.param({"a": -(2**60)}, id="a large number below zero"),
        pytest.param({"a": 1e300}, id="a large number, with an exponent"),
        pytest.param({"a": [2**60]}, id="a large number, first in a list"),
        pytest.param({"a": [1, 2**60]}, id="a large number, next in a list"),
        pytest.param({"a": ["b", 1e300]}, id="a large number after a text"),
        pytest.param({"a": 12345678901234567.5}, id="a large fraction"),
        pytest.param(2**60, id="nothing but a number"),
    ],
)
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")], ids=["close", "spaced"])
@pytest.mark.parametrize("escaped", [True, False], ids=["escaped", "as it is"])
def test_what_has_to_be_cleaned_is_not_plain(value: object, separators: tuple[str, str], escaped: bool) -> None:
    assert not wire.plain(json.dumps(value, ensure_ascii=escaped, separators=separators))


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(
            {"title": "Bouilloire 1,7 l – « Émail » 水", "price": {"minor": 29925}, "line": None}, id="a unit"
        ),
        pytest.param({"at": "2026-11-22T12:00:00.000Z", "photos": ["0" * 64], "gtin": "03760311300165"}, id="digits"),
        pytest.param({"ms": 9_007_199_254_740, "rate": 0.25, "by": -1, "sealed": False}, id="numbers in range"),
    ],
)
def test_what_stations_mostly_write_is_plain(value: object) -> None:
    assert wire.plain(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


_TEXTS = st.text(st.sampled_from('ab1e5.,:-[]{}" \\é\u0301\u00a0\u2028\u200b\x07\t') | st.characters(), max_size=6)
_NUMBERS = st.integers() | st.integers(2**52, 2**55) | st.floats(allow_nan=False, allow_infinity=False)
_VALUES = st.recursive(
    st.none() | st.booleans() | _NUMBERS | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=6,
)


@settings(deadline=None, max_examples=400)
@given(
    st.dictionaries(_TEXTS, _VALUES, max_size=3) | _VALUES,
    st.sampled_from([(",", ":"), (", ", ": "), (" ,", " :")]),
    st.booleans(),
)
def test_cleaning_changes_nothing_in_what_is_plain(value: Any, separators: tuple[str, str], escaped: bool) -> None:
    try:
        text = json.dumps(value, ensure_ascii=escaped, separators=separators)
        value = wire.parse(text)
    except ValueError:
        return
    if wire.plain(text):
        assert wire.cleaned(value) == value
