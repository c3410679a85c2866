"""The envelope that every hub and every station ever shipped must understand."""

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from inspect_station.core.records import Event, instant

GOLDEN = Path(__file__).parents[1] / "data" / "event.ndjson"

FIRST = Event(
    id="01932d1c-7c00-7cc3-98c4-dc0c0c07398f",
    epoch="5f0c1b8e-6f0e-4c57-9f43-0a1f6f6f2b11",
    seq=1,
    prev_sha256="",
    type="parcel.received",
    schema=1,
    occurred_at=datetime(2026, 11, 22, 9, 42, tzinfo=UTC),
    tz="Europe/Paris",
    boot="0b7e7c1a-2d3f-4b57-8f5e-9a3c1d2e4f60",
    mono_ms=86_400_123,
    operator="ana",
    body={"parcel": "01932d1c-7bff-7000-8000-000000000001", "rma": "4711-0093"},
)
SECOND = replace(
    FIRST,
    id="01932d1c-7fe8-7cc3-98c4-dc0c0c073990",
    seq=2,
    prev_sha256=hashlib.sha256(FIRST.line().encode()).hexdigest(),
    type="inspection.finished",
    # The same instant as 09:42:01.250999 UTC: other zones and finer parts do not reach the line.
    occurred_at=datetime(2026, 11, 22, 10, 42, 1, 250_999, tzinfo=timezone(timedelta(hours=1))),
    mono_ms=86_401_373,
    body={
        "lpn": "L7F3K00481C",
        "title": "Bouilloire 1,7 l – « Émail » 水",
        "note": 'line one\nline two\u2028"quoted" \\ \t',
        "price": {"minor": 29925, "currency": "EUR"},
        "discount": None,
        "sealed": False,
    },
)


def test_the_envelope_is_frozen_to_the_byte():
    assert f"{FIRST.line()}\n{SECOND.line()}\n".encode() == GOLDEN.read_bytes()


def test_a_golden_line_is_read_back():
    lines = GOLDEN.read_bytes().split(b"\n")
    assert len(lines) == 3
    assert not lines[2]
    read = TypeAdapter(Event).validate_json
    assert read(lines[0]) == FIRST
    assert read(lines[1]) == replace(SECOND, occurred_at=datetime(2026, 11, 22, 9, 42, 1, 250_000, tzinfo=UTC))


def test_the_keys_stand_in_the_order_of_the_protocol():
    keys = [
        "id",
        "epoch",
        "seq",
        "prev_sha256",
        "type",
        "schema",
        "occurred_at",
        "tz",
        "boot",
        "mono_ms",
        "operator",
        "body",
    ]
    assert list(json.loads(FIRST.line())) == keys


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        pytest.param({"n": float("nan")}, ValueError, id="not a number"),
        pytest.param({"n": float("inf")}, ValueError, id="infinite"),
        pytest.param({"at": FIRST.occurred_at}, TypeError, id="not JSON"),
    ],
)
def test_a_body_that_no_reader_would_take_makes_no_line(body: dict[str, object], problem: type[Exception]):
    with pytest.raises(problem):
        replace(FIRST, body=body).line()


def test_instants_are_texts_that_sort_as_times():
    whole = datetime(2026, 11, 22, 9, 42, tzinfo=UTC)
    times = [whole + timedelta(milliseconds=each) for each in (0, 5, 50, 500, 999, 1000)]
    assert [instant(at) for at in times] == sorted(instant(at) for at in times)
    assert instant(whole) == "2026-11-22T09:42:00.000Z"


def test_a_time_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="without its zone"):
        instant(datetime(2026, 11, 22, 9, 42))
