"""What a station sends, as the hub reads it: lines that are sound, lines that are not, bytes from a stranger."""

import gzip
import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspect_station.core import wire
from inspect_station.core.records import Disposition, Event, Grade, Inspection, Line, Money
from inspect_station.core.wire import Status
from inspect_station.hub import intake

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ID = "019aab12-0000-7000-8000-00000000000{}"
UNIT = Inspection(
    id=ID.format(1),
    lpn="LB2C300001K",
    station="DOCK-1",
    parcel="",
    seller="lumo",
    rma="R-1",
    line=Line(no=1, gtin="03760311300165"),
    started_at=NOON,
    grade=Grade.USED,
    disposition=Disposition.CLEARANCE,
    price=Money(minor=2990),
    finished_at=NOON,
)
FINISHED = UNIT.model_dump(mode="json")
VOIDED = {"inspection": UNIT.id, "lpn": UNIT.lpn, "revision": 2, "base_event_id": ID.format(9), "reason": "undo"}


def _line(type: str = "inspection.finished", body: object = FINISHED, **changes: object) -> str:
    event = Event(
        id=ID.format(9),
        epoch=ID.format(8),
        seq=1,
        prev_sha256="",
        type=type,
        schema=1,
        occurred_at=NOON,
        tz="Europe/Paris",
        boot="b",
        mono_ms=1,
        operator="ana",
        body={},
    )
    return json.dumps({**json.loads(event.line()), "body": body, **changes}, ensure_ascii=False)


@pytest.mark.parametrize(
    ("line", "status", "code"),
    [
        pytest.param(_line(), "accepted", "", id="a finished unit"),
        pytest.param(_line("inspection.voided", VOIDED), "accepted", "", id="a void"),
        pytest.param(_line("parcel.received", {"parcel": "p"}), "accepted", "", id="a parcel: kept, not looked into"),
        pytest.param(_line(body={**FINISHED, "colour": "red"}), "accepted", "", id="a field that is not known"),
        pytest.param(_line(shift="early"), "accepted", "", id="an envelope's field that is not known"),
        pytest.param(_line("weight.measured"), "retry", "schema_too_new", id="a type of a newer station"),
        pytest.param(_line(schema=2), "retry", "schema_too_new", id="a form of a newer station"),
        pytest.param(
            _line(body={**FINISHED, "schema_version": 2}), "retry", "schema_too_new", id="an inspection's newer form"
        ),
        pytest.param(_line(body={**FINISHED, "schema_version": "2"}), "rejected", "schema_invalid", id="no version"),
        pytest.param(_line(body={}), "rejected", "schema_invalid", id="an empty body"),
        pytest.param(_line(body=[]), "rejected", "schema_invalid", id="no body"),
        pytest.param(
            _line(body={**FINISHED, "grade": "mint"}), "rejected", "schema_invalid", id="a grade nobody knows"
        ),
        pytest.param(_line(body={**FINISHED, "finished_at": None}), "rejected", "schema_invalid", id="not finished"),
        pytest.param(
            _line(body={**FINISHED, "started_at": "2026-11-22T12:00:00"}),
            "rejected",
            "schema_invalid",
            id="a unit's time without zone",
        ),
        pytest.param(_line(body={**FINISHED, "id": "../etc"}), "rejected", "schema_invalid", id="no inspection id"),
        pytest.param(_line(body={**FINISHED, "revision": 0}), "rejected", "schema_invalid", id="revision 0"),
        pytest.param(_line(body={**FINISHED, "count": 10**400}), "rejected", "schema_invalid", id="10^400 in the body"),
        pytest.param(
            _line("inspection.voided", {**VOIDED, "revision": 1}), "rejected", "schema_invalid", id="a void of nothing"
        ),
        pytest.param(_line(seq=0), "rejected", "schema_invalid", id="seq 0"),
        pytest.param(_line(seq=2**63), "rejected", "schema_invalid", id="seq beyond every column"),
        pytest.param(_line(epoch="main"), "rejected", "schema_invalid", id="no epoch"),
        pytest.param(_line(occurred_at="2026-11-22T12:00:00"), "rejected", "schema_invalid", id="a time without zone"),
        pytest.param(_line(occurred_at="yesterday"), "rejected", "schema_invalid", id="no time"),
        pytest.param(_line(operator="x" * 101), "rejected", "schema_invalid", id="an endless operator"),
    ],
)
def test_a_line_is_taken_refused_or_put_off(line: str, status: str, code: str) -> None:
    arrival = intake.read(line)
    assert (arrival.status, arrival.code) == (status, code)
    assert arrival.line == line
    assert arrival.sha256 == hashlib.sha256(line.encode()).hexdigest()


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("", id="nothing"),
        pytest.param("<html>", id="a page"),
        pytest.param("[]", id="no object"),
        pytest.param("{}", id="no id"),
        pytest.param(_line(id="12"), id="an id that is none"),
        pytest.param(_line(id=["x"]), id="an id that is a list"),
        pytest.param(_line().replace('"tz"', '"id"'), id="two ids"),
        pytest.param(_line()[:-1], id="cut off"),
        pytest.param(_line(mono_ms=float("nan")), id="NaN"),
        pytest.param(_line(mono_ms=0).replace('"mono_ms": 0', '"mono_ms": 1e999'), id="infinity in disguise"),
        pytest.param(_line(operator="$").replace("$", r"\ud800"), id="half a surrogate pair"),
        pytest.param(_line(body={"a": 0}).replace("0}}", "[" * 900 + "]" * 900 + "}}"), id="900 brackets deep"),
        pytest.param(_line(body=None).replace("null", "[" * 100_000 + "]" * 100_000), id="100,000 brackets deep"),
    ],
)
def test_a_line_without_a_certain_id_spoils_the_request(line: str) -> None:
    with pytest.raises(intake.Misframed):
        intake.lines(f"{_line()}\n{line}\n".encode())


def test_a_line_that_is_kept_is_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    kept, new = (json.dumps(json.loads(_line(seq=seq)), separators=(",", ":")) for seq in (1, 2))
    sha256 = hashlib.sha256(kept.encode()).hexdigest()
    asked: list[tuple[str, str]] = []
    parsed: list[str | bytes] = []

    def parse(text: str | bytes) -> object:
        parsed.append(text)
        return json.loads(text)

    monkeypatch.setattr(wire, "parse", parse)

    def look(lines: Sequence[tuple[str, str]]) -> dict[str, str]:
        asked.extend(lines)
        return {sha256: "epoch"}

    first, second = intake.lines(f"{kept}\n{new}\n".encode(), look)
    assert asked == [(ID.format(9), hashlib.sha256(line.encode()).hexdigest()) for line in (kept, new)]
    assert (first.id, first.sha256, first.line) == (ID.format(9), sha256, kept)
    assert (first.status, first.epoch, first.said) == (Status.DUPLICATE, "epoch", None)
    assert (second.status, second.epoch) == (Status.ACCEPTED, ID.format(8))
    assert parsed == [new]


def test_a_line_that_begins_otherwise_is_read_whole() -> None:
    line = json.dumps(dict(reversed(json.loads(_line()).items())))
    (arrival,) = intake.lines(line.encode(), lambda lines: dict(lines) and pytest.fail("nothing to ask"))
    assert arrival.status is Status.ACCEPTED


def test_only_a_line_feed_parts_two_lines() -> None:
    first, second = _line(operator="a\u2028b\x85c"), _line("parcel.closed", {})
    assert [each.line for each in intake.lines(f"{first}\n{second}\n".encode())] == [first, second]


def test_what_is_said_of_a_unit_is_fit_for_a_screen_and_the_line_is_untouched() -> None:
    line = _line(body={**FINISHED, "scanned": "\x1b]52;c;aGk=\x07evil\u202etxt", "notes": ["a\x9bm\nb"]})
    arrival = intake.read(line)
    assert isinstance(arrival.said, Inspection)
    assert arrival.said.scanned == "]52;c;aGk=eviltxt"
    assert arrival.said.notes == ("am b",)
    assert arrival.line == line


def test_why_a_line_was_refused_does_not_repeat_what_it_holds() -> None:
    detail = intake.read(_line(body={**FINISHED, "grade": "Jane Doe, 12 Elm Street"})).detail
    assert "grade" in detail
    assert "Jane" not in detail


def test_too_many_events_are_too_large() -> None:
    with pytest.raises(intake.TooLarge):
        intake.lines(f"{_line()}\n".encode() * (wire.MAX_EVENTS + 1))


@pytest.mark.parametrize(
    ("data", "error"),
    [
        pytest.param(gzip.compress(bytes(wire.MAX_UNPACKED + 1)), intake.TooLarge, id="a bomb"),
        pytest.param(gzip.compress(b"{}")[:-4], intake.Misframed, id="half of it"),
        pytest.param(gzip.compress(b"{}") + b"x", intake.Misframed, id="something after it"),
        pytest.param(gzip.compress(b"{}") * 2, intake.Misframed, id="two in one"),
        pytest.param(b"{}", intake.Misframed, id="no gzip"),
    ],
)
def test_packed_bytes_are_unpacked_whole_or_not_at_all(data: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        intake.unpack(data, "gzip")


def test_gzip_of_exactly_the_limit_is_unpacked() -> None:
    assert len(intake.unpack(gzip.compress(bytes(wire.MAX_UNPACKED)), "gzip")) == wire.MAX_UNPACKED


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from([*json.loads(_line()), "extra"]), _JSON, max_size=4))
def test_whatever_stands_in_a_line_it_is_taken_refused_put_off_or_misframed(changes: dict[str, object]) -> None:
    line = json.dumps({**json.loads(_line()), **changes}, ensure_ascii=True)
    try:
        arrival = intake.read(line)
    except intake.Misframed:
        return
    assert arrival.status in (Status.ACCEPTED, Status.REJECTED, Status.RETRY)
    assert arrival.id == json.loads(line)["id"]
    assert bool(arrival.code) == (arrival.status is not Status.ACCEPTED)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from([*FINISHED, "extra"]), _JSON, max_size=4))
def test_whatever_stands_in_an_inspection_it_is_taken_refused_or_put_off(changes: dict[str, object]) -> None:
    line = json.dumps(json.loads(_line()) | {"body": {**FINISHED, **changes}}, ensure_ascii=True)
    try:
        arrival = intake.read(line)
    except intake.Misframed:
        return
    assert bool(arrival.code) == (arrival.status is not Status.ACCEPTED)
