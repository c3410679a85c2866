"""What the hub could not take is dealt with by a person, over HTTP or on its command line; and who may speak to it."""

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx import Response

from inspect_station import cli
from inspect_station.core import wire
from inspect_station.core.ids import uuid7
from inspect_station.core.records import Disposition, Grade, Inspection
from inspect_station.hub import Hub, add_station, add_supervisor, intake, parked, parked_line, stations
from inspect_station.hub.app import create_app

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
EPOCH = uuid7(1, bytes(10))
UNIT = Inspection(
    id=uuid7(2, bytes(10)),
    lpn="LPN-1",
    station="DOCK-1",
    parcel="",
    operator="ana",
    seller="lumo",
    started_at=NOON,
    finished_at=NOON,
    grade=Grade.USED,
    disposition=Disposition.CLEARANCE,
).model_dump(mode="json")


def _line(n: int = 1, *, body: dict[str, Any] = UNIT, **changes: Any) -> str:
    event = {"id": uuid7(3, bytes([*bytes(9), n])), "epoch": EPOCH, "seq": n, "prev_sha256": "", "schema": 1}
    event |= {"type": "inspection.finished", "occurred_at": "2026-11-22T12:00:00Z", "tz": "UTC", "boot": "b"}
    return json.dumps({**event, "mono_ms": 1, "operator": "ana", "body": body, **changes})


MINT = _line(body={**UNIT, "grade": "mint"})
"""A grade that this hub does not know."""


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hub's folder, made once: making its tables takes longer than most tests."""
    folder = tmp_path_factory.mktemp("empty") / "hub"
    Hub.open(folder).close()
    return folder


@pytest.fixture
def data(empty: Path, tmp_path: Path) -> Path:
    return shutil.copytree(empty, tmp_path / "hub")


@pytest.fixture
def hub(data: Path) -> Iterator[Hub]:
    with Hub.open(data) as opened:
        yield opened


class Speaker:
    """Somebody with a token."""

    def __init__(self, client: TestClient, token: str) -> None:
        self.client = client
        self.headers = {"authorization": f"Bearer {token}"}

    def send(self, *lines: str) -> list[tuple[str, str]]:
        headers = {**self.headers, "content-type": wire.NDJSON}
        answer = self.client.post("/v1/events", content="\n".join(lines), headers=headers)
        assert answer.status_code == 200
        return [(each["status"], each["code"]) for each in answer.json()["receipts"]]

    def get(self, path: str) -> Response:
        answer: Response = self.client.get(path, headers=self.headers)
        return answer

    def resolve(self, no: int, action: str, note: str = "", line: str = "") -> Response:
        asked = {"action": action, "note": note, "line": line}
        answer: Response = self.client.post(f"/v1/parked/{no}/resolve", json=asked, headers=self.headers)
        return answer


@pytest.fixture
def client(hub: Hub) -> TestClient:
    return TestClient(create_app(hub), raise_server_exceptions=False)


def _let_in(client: TestClient, data: Path) -> Speaker:
    asked = {"code": add_station(data, "DOCK-1"), "epoch": EPOCH}
    return Speaker(client, client.post("/v1/stations/enrol", json=asked).json()["token"])


@pytest.fixture
def dock(client: TestClient, data: Path) -> Speaker:
    return _let_in(client, data)


@pytest.fixture
def chief(client: TestClient, data: Path) -> Speaker:
    return Speaker(client, add_supervisor(data, "chief"))


def _events(hub: Hub) -> dict[str, str]:
    with hub.read() as ledger:
        return {row["id"]: row["line"] for row in ledger._rows("SELECT id, line FROM hub_event")}


def _units(hub: Hub) -> list[tuple[str, str]]:
    with hub.read() as ledger:
        return [(row["lpn"], row["grade"]) for row in ledger._rows("SELECT lpn, grade FROM inspection")]


# ── Over HTTP ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_parked_is_listed_by_pages_and_shown_whole(dock: Speaker, chief: Speaker) -> None:
    lines = [_line(n, body={**UNIT, "grade": "mint", "note": "jane"}) for n in range(1, 4)]
    assert dock.send(*lines) == [("rejected", "schema_invalid")] * 3
    first = chief.get("/v1/parked?limit=2").json()
    rest = chief.get(f"/v1/parked?limit=2&after={first['parked'][-1]['no']}").json()
    assert [first["more"], rest["more"]] == [True, False]
    assert [each["id"] for each in first["parked"] + rest["parked"]] == [json.loads(line)["id"] for line in lines]
    assert "jane" not in json.dumps([first, rest])
    whole = chief.get(f"/v1/parked/{rest['parked'][0]['no']}").json()
    assert whole["line"] == lines[2]
    assert (whole["resolved_at"], whole["parked"]["code"], whole["parked"]["station"]) == (
        None,
        "schema_invalid",
        "DOCK-1",
    )
    assert chief.get("/v1/parked/99").status_code == 404


def test_a_newer_hub_takes_what_an_older_one_could_not(
    dock: Speaker, chief: Speaker, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as older:
        older.setattr(intake, "_said", lambda event, plain: intake.Voided.model_validate({}))
        assert dock.send(_line(1)) == [("rejected", "schema_invalid")]
    told = chief.resolve(1, "retry")
    assert (told.status_code, told.json()["status"]) == (200, "accepted")
    assert list(_events(hub).values()) == [_line(1)], "byte by byte"
    assert _units(hub) == [("LPN-1", "used")]
    assert chief.get("/v1/parked").json()["parked"] == []
    assert dock.send(_line(1)) == [("duplicate", "")]


def test_a_station_is_not_heard_because_somebody_deals_with_its_record(
    dock: Speaker, chief: Speaker, hub: Hub, data: Path
) -> None:
    dock.send(MINT)
    heard = stations(data)[0]["seen_at"]
    hub.store._clock = lambda: datetime(2031, 1, 1, tzinfo=UTC)
    assert chief.resolve(1, "accept_as", "mint is used", _line()).status_code == 200
    assert stations(data)[0]["seen_at"] == heard


def test_what_still_cannot_be_taken_stays_parked(dock: Speaker, chief: Speaker, hub: Hub) -> None:
    dock.send(MINT)
    told = chief.resolve(1, "retry")
    assert (told.status_code, told.json()["code"]) == (422, "schema_invalid")
    assert [each["no"] for each in chief.get("/v1/parked").json()["parked"]] == [1]
    assert _events(hub) == {}


def test_a_corrected_record_takes_its_place_and_the_parked_one_stays(
    dock: Speaker, chief: Speaker, hub: Hub, data: Path
) -> None:
    dock.send(MINT)
    told = chief.resolve(1, "accept_as", "mint is new, at our house", _line(body={**UNIT, "grade": "new"}))
    assert (told.status_code, told.json()["status"]) == (200, "accepted")
    assert _units(hub) == [("LPN-1", "new")]
    assert parked(data) == []
    kept = parked_line(data, 1)
    assert (kept["line"], kept["resolution"], kept["note"], kept["resolved_by"]) == (
        MINT,
        "accept_as",
        "mint is new, at our house",
        "chief",
    )
    asked = {"lines": [[kept["id"], intake.read(MINT).sha256]]}
    known = dock.client.post("/v1/events/known", json=asked, headers=dock.headers).json()
    assert (known["missing"], known["differs"]) == ([], []), "the station's own line is here too"
    assert dock.send(_line(2, type="parcel.closed", body={})) == [("accepted", "")]


@pytest.mark.parametrize(
    ("action", "line", "code"),
    [
        pytest.param("void", "", "voided_at_hub", id="it says nothing"),
        pytest.param("accept_as", _line(), "corrected_at_hub", id="another stands in its place"),
    ],
)
def test_a_station_that_sends_it_again_hears_what_became_of_it(
    dock: Speaker, chief: Speaker, hub: Hub, data: Path, action: str, line: str, code: str
) -> None:
    assert dock.send(MINT, _line(2, type="parcel.closed", body={})) == [
        ("rejected", "schema_invalid"),
        ("accepted", ""),
    ]
    assert dock.send(MINT) == [("rejected", "schema_invalid")], "until somebody has dealt with it"
    assert chief.resolve(1, action, "a slip", line).status_code == 200
    kept = _events(hub)
    for _ in range(2):
        assert dock.send(MINT, _line(2, type="parcel.closed", body={})) == [("duplicate", code), ("duplicate", "")]
    assert _events(hub) == kept
    assert parked(data) == [], "nor is it parked anew"
    assert dock.send(_line(body={**UNIT, "grade": "shiny"}))[0][0] == "rejected", "other bytes are another matter"


def test_what_a_person_has_voided_is_not_taken_by_a_newer_hub(
    dock: Speaker, chief: Speaker, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as older:
        older.setattr(intake, "_said", lambda event, plain: intake.Voided.model_validate({}))
        dock.send(_line(1))
    assert chief.resolve(1, "void", "made while trying it out").status_code == 200
    assert dock.send(_line(1)) == [("duplicate", "voided_at_hub")]
    assert (_events(hub), _units(hub)) == ({}, [])


def test_what_was_voided_once_is_no_correction_of_another(dock: Speaker, chief: Speaker, hub: Hub) -> None:
    second = _line(body={**UNIT, "grade": "shiny"})
    dock.send(MINT, second)
    assert chief.resolve(1, "void", "nonsense").status_code == 200
    told = chief.resolve(2, "accept_as", "so it was meant", MINT)
    assert (told.status_code, told.json()["code"]) == (422, "voided_at_hub")
    assert _events(hub) == {}


def test_of_two_facts_under_one_id_the_second_is_taken_under_another(dock: Speaker, chief: Speaker, hub: Hub) -> None:
    second = _line(1, body={"other": True}, type="parcel.closed")
    assert dock.send(_line(1), second) == [("accepted", ""), ("rejected", "id_reuse")]
    assert chief.resolve(1, "retry").json()["code"] == "id_reuse"
    other = {**json.loads(second), "id": uuid7(4, bytes(10))}
    assert chief.resolve(1, "accept_as", "two of one number", json.dumps(other)).status_code == 200
    assert list(_events(hub).values()) == [_line(1), json.dumps(other)]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        pytest.param("", "framing", id="nothing"),
        pytest.param("{}", "framing", id="no event"),
        pytest.param(_line(body={**UNIT, "grade": "shiny"}), "schema_invalid", id="no better"),
        pytest.param(_line(2), "another_event", id="another number"),
        pytest.param(_line(epoch=uuid7(9, bytes(10))), "another_event", id="another epoch"),
        pytest.param(_line(type="weight.measured"), "schema_too_new", id="of a type that this hub does not know"),
    ],
)
def test_a_correction_that_is_none_changes_nothing(
    dock: Speaker, chief: Speaker, hub: Hub, line: str, code: str
) -> None:
    dock.send(MINT)
    told = chief.resolve(1, "accept_as", "so it was meant", line)
    assert (told.status_code, told.json()["code"]) == (422, code)
    assert [each["no"] for each in chief.get("/v1/parked").json()["parked"]] == [1]
    assert _events(hub) == {}


def test_a_record_is_dealt_with_once_and_with_a_reason(dock: Speaker, chief: Speaker) -> None:
    dock.send(MINT)
    for action in ("void", "accept_as"):
        told = chief.resolve(1, action, " \x1b ")
        assert (told.status_code, told.json()["code"]) == (422, "note_missing")
    told = chief.resolve(1, "void", "tried out")
    assert (told.status_code, told.json()["status"], told.json()["code"]) == (200, "rejected", "void")
    again = chief.resolve(1, "retry")
    assert (again.status_code, again.json()["code"]) == (409, "already_resolved")
    assert chief.resolve(2, "retry").status_code == 404
    assert chief.resolve(1, "delete", "no").status_code == 400


# ── On the command line ──────────────────────────────────────────────────────────────────────────────────────────────

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """One verb of `hub`: exit code, stdout, stderr."""

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["inspect-station", "hub", *words, "--data", str(data)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


def test_a_revoked_station_is_not_answered_and_drains_when_it_is_let_in_again(
    client: TestClient, dock: Speaker, hub: Hub, data: Path, run: Run
) -> None:
    assert dock.send(_line(1)) == [("accepted", "")]
    assert run("station", "revoke", "DOCK-1")[0] == 0
    refused = dock.get("/v1/changes")
    assert (refused.status_code, refused.json()["code"]) == (401, "station_revoked")
    (row,) = json.loads(run("station", "list", "--json")[1])["stations"]
    assert (row["name"], row["state"], row["events"]) == ("DOCK-1", "revoked", 1)
    again = _let_in(client, data)
    assert again.send(_line(1), _line(2, type="parcel.closed", body={})) == [("duplicate", ""), ("accepted", "")]
    (row,) = json.loads(run("station", "list", "--json")[1])["stations"]
    assert (row["state"], row["events"]) == ("known", 2)


def test_a_code_that_was_not_used_is_void_with_its_station(client: TestClient, data: Path, run: Run) -> None:
    code = run("station", "DOCK-7")[1].strip()
    assert run("station", "revoke", "DOCK-7")[0] == 0
    assert client.post("/v1/stations/enrol", json={"code": code, "epoch": EPOCH}).status_code == 401


def test_a_supervisors_token_is_shown_once_changed_and_taken_away(client: TestClient, data: Path, run: Run) -> None:
    first = run("token", "add", "chief")[1].strip()
    assert Speaker(client, first).get("/v1/parked").status_code == 200
    (row,) = json.loads(run("token", "list", "--json")[1])["tokens"]
    assert (row["name"], row["scope"], row["tenant"]) == ("chief", "supervisor", "main")
    assert first not in run("token", "list", "--json")[1]
    second = run("token", "rotate", "chief")[1].strip()
    assert Speaker(client, first).get("/v1/parked").status_code == 401
    assert Speaker(client, second).get("/v1/parked").status_code == 200
    assert run("token", "revoke", "chief")[0] == 0
    assert Speaker(client, second).get("/v1/parked").status_code == 401


def test_no_station_is_let_in_under_a_supervisors_name(client: TestClient, run: Run) -> None:
    early = run("station", "boss")[1].strip()
    token = run("token", "add", "boss")[1].strip()
    code, out, err = run("station", "boss")
    assert (code != 0, out, "boss is a supervisor" in err) == (True, "", True)
    answer = client.post("/v1/stations/enrol", json={"code": early, "epoch": EPOCH})
    assert (answer.status_code, answer.json()["code"]) == (401, "code_unknown")
    assert Speaker(client, token).get("/v1/parked").status_code == 200, "the supervisor's token is as good as before"


def test_a_supervisors_tenant_is_that_of_his_token(client: TestClient, dock: Speaker, run: Run) -> None:
    dock.send(MINT)
    other = run("token", "add", "chief", "--tenant", "other")[1].strip()
    assert Speaker(client, other).get("/v1/parked").json()["parked"] == []


def test_the_owner_lists_shows_and_deals_with_what_is_parked(dock: Speaker, hub: Hub, tmp_path: Path, run: Run) -> None:
    dock.send(MINT, _line(2, body={**UNIT, "note": "\x9b31m"}, operator=5))
    code, out, _ = run("parked")
    assert (code, len(out.splitlines())) == (0, 2)
    assert [row["no"] for row in json.loads(run("parked", "list", "--json")[1])["parked"]] == [1, 2]
    shown = run("parked", "show", "2")[1]
    assert json.loads(shown)["body"]["note"] == "\x9b31m"
    assert shown.isascii(), "nothing of it reaches the terminal as it is"
    corrected = tmp_path / "corrected.json"
    corrected.write_text(json.dumps({**json.loads(run("parked", "show", "1")[1]), "body": UNIT}, indent=2))
    done = run("parked", "resolve", "1", "--accept-as", str(corrected), "--note", "a slip", "--json")
    assert json.loads(done[1])["status"] == "accepted"
    assert _units(hub) == [("LPN-1", "used")]
    assert run("parked", "resolve", "2", "--void", "--note", "nonsense")[0] == 0
    assert run("parked", "list")[1] == ""
    assert json.loads(run("parked", "show", "2", "--json")[1])["resolved_by"] == "owner"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        pytest.param(["station", "revoke", "DOCK-9"], 3, "DOCK-9", id="no such station"),
        pytest.param(["station", "revoke", "chief"], 3, "hub token revoke chief", id="a supervisor is no station"),
        pytest.param(["token", "revoke", "DOCK-1"], 3, "hub station revoke DOCK-1", id="a station is no supervisor"),
        pytest.param(["token", "rotate", "DOCK-1"], 3, "DOCK-1 is a station", id="a station changes its own token"),
        pytest.param(["token", "rotate", "nobody"], 3, "nobody called “nobody”", id="no such supervisor"),
        pytest.param(["token", "add", "DOCK-1"], 2, "Give the supervisor another name", id="a station has the name"),
        pytest.param(["token", "add", "chief"], 2, "hub token rotate chief", id="a supervisor has the name"),
        pytest.param(["station", ""], 2, "1 to 60 signs", id="a station without a name"),
        pytest.param(["token", "add", " \x1b "], 2, "1 to 60 signs", id="a supervisor without a name"),
        pytest.param(["station", "D" * 61], 2, "1 to 60 signs", id="a name that would be cut"),
        pytest.param(["station", "add", "list"], 2, "list is a verb", id="a verb that stands behind its options"),
        pytest.param(["station", "DOCK-2", "--tenant", "../up"], 2, "../up", id="a tenant that is a path"),
        pytest.param(["station", "DOCK-2", "--tenant", "_aside"], 2, "_aside", id="where photos are set aside"),
        pytest.param(["show", ""], 2, "CODE is empty", id="nothing to show"),
        pytest.param(["parked", "show", "9"], 3, "9", id="no such record"),
        pytest.param(["parked", "show", "9" * 20], 2, "NO", id="a number that no record can have"),
        pytest.param(["photo", "erase", "--seller", "lumo", "--older-than", "999999"], 2, "36500", id="too many days"),
        pytest.param(["report", "daily", "--to", "9999-12-31"], 2, "2999-12-31", id="the end of the calendar"),
        pytest.param(["report", "daily", "--from", "0001-01-01"], 2, "1970-01-01", id="its beginning"),
        pytest.param(["report", "daily", "--tenant", "nowhere"], 3, "of tenant nowhere", id="nobody's report"),
        pytest.param(["serve", "--port", "65536"], 2, "65535", id="no such port"),
        pytest.param(["parked", "resolve", "9", "--retry"], 3, "9", id="nothing to deal with"),
        pytest.param(["parked", "resolve", "1"], 2, "--retry", id="nothing said"),
        pytest.param(["parked", "resolve", "1", "--retry", "--void"], 2, "--retry", id="two things said"),
        pytest.param(["parked", "resolve", "1", "--void"], 2, "--note", id="no reason"),
        pytest.param(["parked", "resolve", "1", "--retry"], 2, "schema_invalid: grade", id="not to be taken"),
    ],
)
def test_what_cannot_be_done_is_said(
    dock: Speaker, chief: Speaker, run: Run, words: list[str], code: int, said: str
) -> None:
    dock.send(MINT)
    found = run(*words)
    assert found[0] == code
    assert said in found[2]
    assert found[1] == ""


@pytest.mark.parametrize(
    ("line", "words", "said"),
    [
        pytest.param(MINT, ["--void", "--note", "no"], "record 1 is void: it is kept", id="void"),
        pytest.param(MINT, ["--accept-as", "{file}", "--note", "so"], "record 1 is taken in\n", id="corrected"),
        pytest.param(
            MINT, ["--accept-as", "{file}.no", "--note", "so"], "No such file or directory", id="no such file"
        ),
        pytest.param(
            _line(body={**UNIT, "finished_at": "0001-01-01T00:00:00+14:00"}),
            ["--retry"],
            "schema_invalid: a time that the hub's calendar does not have.",
            id="before all time",
        ),
    ],
)
def test_what_became_of_a_record_is_said_in_words(
    dock: Speaker, run: Run, tmp_path: Path, line: str, words: list[str], said: str
) -> None:
    assert dock.send(line) == [("rejected", "schema_invalid")]
    file = tmp_path / "corrected.json"
    file.write_text(_line())
    told = run("parked", "resolve", "1", *(word.format(file=file) for word in words))[2]
    assert said in told
    assert "imported" not in told


def test_a_parked_record_is_set_out_and_its_bytes_are_kept(dock: Speaker, run: Run) -> None:
    dock.send(MINT)
    shown = run("parked", "show", "1")[1]
    assert (len(shown.splitlines()) > 10, json.loads(shown)) == (True, json.loads(MINT))
    assert json.loads(run("parked", "show", "1", "--json")[1])["line"] == MINT


def test_of_many_missing_photos_all_are_counted(dock: Speaker, run: Run) -> None:
    photos = [{"slot": f"front{n}", "sha256": f"{n:064x}"} for n in range(1014)]
    for n in range(3):
        body = {**UNIT, "id": uuid7(5, bytes([*bytes(9), n])), "lpn": f"LPN-{n}"}
        dock.send(_line(n + 1, body={**body, "photos": photos[n * 338 : (n + 1) * 338]}))
    _, out, err = run("photos")
    assert (len(out.splitlines()), "1014 photos missing" in err, "the 1000 that" in err) == (1000, True, True)
    assert json.loads(run("photos", "--json")[1])["n"] == 1014


def test_where_a_hub_is_made_on_the_way_that_is_said(data: Path, run: Run) -> None:
    assert "was made" not in run("station", "DOCK-1")[2]
    shutil.rmtree(data)
    code, out, err = run("station", "DOCK-1")
    assert (code, len(out.split("-")), f"no hub was in {data}" in err) == (0, 4, True)


@pytest.mark.parametrize("there", ["file", "folder", "link", "no folder"])
def test_no_copy_is_written_over_anything(data: Path, run: Run, tmp_path: Path, there: str) -> None:
    copy = tmp_path / "copy.db"
    match there:
        case "file":
            copy.write_text("the only good one")
        case "folder":
            copy.mkdir()
        case "link":
            copy.symlink_to("nowhere")
        case "no folder":
            copy = tmp_path / "not-plugged-in" / "copy.db"
    before = sorted((path, path.lstat()) for path in tmp_path.iterdir() if path != data)
    code, _, err = run("backup", str(copy))
    assert (code, copy.name in err or str(copy.parent) in err, "nothing was written" in err) == (2, True, True)
    assert sorted((path, path.lstat()) for path in tmp_path.iterdir() if path != data) == before
    assert run("backup", str(tmp_path / "another.db"))[0] == 0


def test_missing_photos_are_listed_by_unit(dock: Speaker, run: Run) -> None:
    dock.send(_line(1, body={**UNIT, "photos": [{"slot": "front", "sha256": "ab" * 32}]}))
    assert "LPN-1  front  absent" in run("photos")[1]
    (row,) = json.loads(run("photos", "--json")[1])["photos_missing"]
    assert (row["lpn"], row["inspection"], row["sha256"]) == ("LPN-1", UNIT["id"], "ab" * 32)
    assert "1 photos missing" in run("station", "list")[1]
