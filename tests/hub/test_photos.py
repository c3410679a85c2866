"""Photos: asked for by the facts, sent aside, judged by their bytes; in a folder and in a real S3 alike."""

import hashlib
import json
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from fastapi.testclient import TestClient
from httpx import Response
from PIL import Image
from sqlalchemy import NullPool, create_engine

from inspect_station import cli
from inspect_station.config import UpstreamSettings
from inspect_station.core import wire
from inspect_station.core.ids import uuid7
from inspect_station.core.records import Disposition, Event, Grade, Inspection, Photo
from inspect_station.errors import ConfigError, StoreError
from inspect_station.hub import Hub, album, photos_missing, stations
from inspect_station.hub import app as app_module
from inspect_station.hub.admin import code_hash, new_code
from inspect_station.hub.album import Which
from inspect_station.hub.app import create_app
from inspect_station.hub.edge import Limits
from inspect_station.hub.ledger import Ledger
from inspect_station.hub.photos import Bucket, Folder, Keys, Unreachable, judge, kind, place, presigned
from inspect_station.outbox import photos as lanes
from inspect_station.outbox.sync import Sync, connect, enrol
from inspect_station.resources import resource
from inspect_station.store import EventSpec, Store, schema
from inspect_station.store.postgres import Postgres

NOW = datetime.now(UTC)
EPOCH = uuid7(1, bytes(10))
SECRET = "secret/of+the hub"
ENV = {"AWS_ACCESS_KEY_ID": "HUB", "AWS_SECRET_ACCESS_KEY": SECRET}


def picture(form: str = "JPEG", colour: str = "teal", size: tuple[int, int] = (40, 30)) -> bytes:
    out = BytesIO()
    Image.new("RGB", size, colour).save(out, form)
    return out.getvalue()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


JPEG = picture()
NO_PICTURE = JPEG[:-40]


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hub's folder, made once: making its tables takes longer than most tests."""
    folder = tmp_path_factory.mktemp("empty") / "hub"
    Hub.open(folder).close()
    return folder


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real S3 server; its URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    script = Path(__file__).parents[1] / "data" / "strict_s3.py"
    with (tmp_path_factory.mktemp("s3") / "log").open("wb") as log:
        server = subprocess.Popen([sys.executable, str(script), str(port), SECRET], stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(200):
            try:
                httpx.put(f"{url}/photos")
                break
            except httpx.TransportError:
                time.sleep(0.05)
        yield url
    finally:
        server.terminate()
        server.wait()


class Dock:
    """A station that speaks to a hub as the protocol says."""

    def __init__(self, hub: Hub, photos: str = "", limits: Limits | None = None) -> None:
        self.hub = hub
        kept = place(photos, hub.clock, ENV) if photos else None
        self.client = TestClient(create_app(hub, kept, limits), raise_server_exceptions=False)
        code = new_code()
        hub.change(lambda ledger: ledger.add_code(code_hash(code), "main", "DOCK-1"))
        asked = {"code": code, "epoch": EPOCH, "block": ""}
        self.headers = {"authorization": f"Bearer {self.client.post('/v1/stations/enrol', json=asked).json()['token']}"}
        self.seq = 0

    def finish(self, *photos: Photo, seller: str = "lumo", rma: str = "") -> Response:
        """Send the fact of a unit that shows these."""
        self.seq += 1
        unit = Inspection(
            id=uuid7(2, bytes([*bytes(9), self.seq])),
            lpn=f"LPN-{self.seq}",
            station="DOCK-1",
            parcel="",
            operator="ana",
            seller=seller,
            rma=rma,
            started_at=NOW,
            finished_at=NOW,
            grade=Grade.USED,
            disposition=Disposition.CLEARANCE,
            photos=photos,
        )
        event = Event(
            id=uuid7(3, bytes([*bytes(9), self.seq])),
            epoch=EPOCH,
            seq=self.seq,
            prev_sha256="",
            type="inspection.finished",
            schema=1,
            occurred_at=NOW,
            tz="UTC",
            boot="b",
            mono_ms=1,
            operator="ana",
            body=unit.model_dump(mode="json"),
        )
        headers = {**self.headers, "content-type": wire.NDJSON}
        answer: Response = self.client.post("/v1/events", content=event.line(), headers=headers)
        return answer

    def ask(self, data: bytes, mime: str = "image/jpeg", *, size: int | None = None, name: str = "") -> Response:
        asked = {"size": len(data) if size is None else size, "mime": mime}
        path = f"/v1/blobs/{name or sha256(data)}"
        answer: Response = self.client.post(path, json=asked, headers=self.headers)
        return answer

    def put(self, data: bytes, mime: str = "image/jpeg", *, name: str = "") -> Response:
        """Give bytes to the hub itself."""
        headers = {**self.headers, "content-type": mime}
        answer: Response = self.client.put(f"/v1/blobs/{name or sha256(data)}", content=data, headers=headers)
        return answer

    def send(self, data: bytes, mime: str = "image/jpeg") -> Response:
        """All of it: ask, put the bytes where the hub says, complete."""
        told = wire.BlobPlace.model_validate(self.ask(data, mime).json())
        if told.mode == "hub":
            self.put(data, mime)
        elif told.mode == "put":
            deliver(told.url, told.headers, data)
        return self.complete(sha256(data))

    def complete(self, name: str) -> Response:
        answer: Response = self.client.post(f"/v1/blobs/{name}/complete", headers=self.headers)
        return answer

    def has(self, data: bytes) -> int:
        return int(self.client.head(f"/v1/blobs/{sha256(data)}", headers=self.headers).status_code)


def deliver(url: str, headers: Mapping[str, str], data: bytes) -> Response:
    """What a station does with a place outside the hub."""
    return httpx.put(url, content=data, headers=dict(headers))


@pytest.fixture
def hub(empty: Path, tmp_path: Path) -> Iterator[Hub]:
    with Hub.open(shutil.copytree(empty, tmp_path / "hub")) as opened:
        yield opened


@pytest.fixture
def folder(hub: Hub) -> Dock:
    return Dock(hub)


_buckets = iter(range(100))


@pytest.fixture
def bucket(s3: str) -> str:
    """A setting for an empty bucket."""
    name = f"photos-{next(_buckets)}"
    assert httpx.put(f"{s3}/{name}").status_code == 200
    return f"s3://{name}/hub?endpoint={s3}"


@pytest.fixture(params=["a folder", "a bucket"])
def dock(request: pytest.FixtureRequest, hub: Hub) -> Dock:
    """A station of a hub that keeps its photos in either."""
    return Dock(hub, "" if request.param == "a folder" else request.getfixturevalue("bucket"))


# ── In either ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_photo_is_missing_until_the_hub_has_seen_that_it_is_good(dock: Dock, hub: Hub) -> None:
    assert dock.finish(Photo(slot="front", sha256=sha256(JPEG)), Photo(slot="owed")).status_code == 200
    (row,) = photos_missing(hub.store.folder)
    assert (row["lpn"], row["station"], row["slot"], row["sha256"]) == ("LPN-1", "DOCK-1", "front", sha256(JPEG))
    assert stations(hub.store.folder)[0]["photos_missing"] == 1
    assert dock.has(JPEG) == 404
    asked = dock.ask(JPEG)
    assert asked.status_code == 201
    assert dock.complete(sha256(JPEG)).status_code == 404, "nothing has come yet"
    done = dock.send(JPEG)
    assert (done.status_code, done.json()["state"]) == (200, "verified")
    assert dock.has(JPEG) == 200
    assert (dock.ask(JPEG).status_code, dock.ask(JPEG).json()["mode"]) == (200, "have")
    assert photos_missing(hub.store.folder) == []
    assert stations(hub.store.folder)[0]["photos_missing"] == 0


@pytest.mark.parametrize(("form", "mime"), [("JPEG", "image/jpeg"), ("PNG", "image/png"), ("WEBP", "image/webp")])
def test_the_three_kinds_of_pictures_are_taken(dock: Dock, form: str, mime: str) -> None:
    assert dock.send(picture(form), mime).status_code == 200


def test_one_photo_in_two_slots_of_two_units_is_sent_once(dock: Dock, hub: Hub) -> None:
    both = Photo(slot="front", sha256=sha256(JPEG)), Photo(slot="back", sha256=sha256(JPEG))
    dock.finish(*both)
    dock.finish(both[0])
    assert len(photos_missing(hub.store.folder)) == 3
    dock.send(JPEG)
    assert photos_missing(hub.store.folder) == []
    dock.finish(both[0])
    assert photos_missing(hub.store.folder) == [], "it was there before its unit was heard of"


def test_what_is_no_picture_is_set_aside_and_stays_missing(dock: Dock, hub: Hub) -> None:
    dock.finish(Photo(slot="front", sha256=sha256(NO_PICTURE)))
    for _ in range(2):
        told = dock.send(NO_PICTURE)
        assert (told.status_code, told.json()["code"]) == (422, "photo_invalid")
        assert dock.has(NO_PICTURE) == 404
    assert [row["state"] for row in photos_missing(hub.store.folder)] == ["refused"]
    assert dock.send(JPEG).status_code == 200, "another is not touched by it"


def test_bytes_of_another_photo_are_never_taken_for_it(dock: Dock, hub: Hub, s3: str) -> None:
    other = picture(colour="red")
    told = dock.ask(JPEG).json()
    if told["mode"] == "hub":
        refused = dock.put(other, name=sha256(JPEG))
    else:
        assert deliver(told["url"], told["headers"], other).status_code in (400, 403), "the store itself refuses them"
        # Somebody who may write there puts them all the same.
        httpx.put(told["url"].partition("?")[0], content=other)
        refused = dock.complete(sha256(JPEG))
    assert (refused.status_code, refused.json()["code"]) == (422, "photo_hash_mismatch")
    assert dock.has(JPEG) == 404
    assert dock.send(JPEG).status_code == 200, "the right ones can still come"
    assert dock.has(JPEG) == 200


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        pytest.param({"size": wire.MAX_PHOTO + 1}, 413, "too_large", id="too long"),
        pytest.param({"size": 0}, 422, "invalid", id="empty"),
        pytest.param({"size": -1}, 422, "invalid", id="less than empty"),
        pytest.param({"mime": "image/gif"}, 415, "media_type", id="another kind"),
        pytest.param({"mime": "image/svg+xml"}, 415, "media_type", id="a drawing"),
        pytest.param({"name": "A" * 64}, 422, "invalid", id="no hash"),
        pytest.param({"name": ".." * 32}, 422, "invalid", id="a path"),
    ],
)
def test_what_can_never_be_a_photo_gets_no_place(dock: Dock, asked: dict[str, Any], status: int, code: str) -> None:
    answer = dock.ask(JPEG, **asked)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_hub_with_no_hands_free_looks_at_a_photo_later(hub: Hub, bucket: str) -> None:
    dock = Dock(hub, bucket, Limits(photos=0))
    told = dock.send(JPEG)
    assert (told.status_code, told.json()["state"]) == (202, "verifying")
    assert int(told.headers["retry-after"]) > 0
    assert dock.has(JPEG) == 404


# ── In a folder ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("data", "mime", "status", "code"),
    [
        pytest.param(bytes(wire.MAX_PHOTO + 1), "image/jpeg", 413, "too_large", id="too long"),
        pytest.param(JPEG, "text/html", 415, "media_type", id="another kind"),
        pytest.param(JPEG, "image/png", 415, "media_type", id="a JPEG that is said to be a PNG"),
        pytest.param(b"<svg/>", "image/jpeg", 415, "media_type", id="a drawing that is said to be a JPEG"),
        pytest.param(b"", "image/jpeg", 415, "media_type", id="nothing"),
    ],
)
def test_bytes_that_break_a_limit_are_not_kept(
    folder: Dock, hub: Hub, data: bytes, mime: str, status: int, code: str
) -> None:
    answer = folder.put(data, mime)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert not [path for path in (hub.store.folder / "photos").rglob("*") if path.is_file()]


def test_a_photo_is_a_file_under_its_tenant_and_hash(folder: Dock, hub: Hub) -> None:
    folder.send(JPEG)
    folder.send(NO_PICTURE)
    photos = hub.store.folder / "photos"
    assert (photos / "main" / sha256(JPEG)[:2] / sha256(JPEG)).read_bytes() == JPEG
    bad = sha256(NO_PICTURE)
    assert (photos / "_aside" / "main" / bad[:2] / bad).read_bytes() == NO_PICTURE
    assert len([path for path in photos.rglob("*") if path.is_file()]) == 2


def test_a_station_sends_so_many_bytes_a_day(hub: Hub) -> None:
    dock = Dock(hub, limits=Limits(photo_bytes=len(JPEG) + 10))
    assert dock.send(JPEG).status_code == 200
    more = picture(colour="red")
    for answer in (dock.ask(more), dock.put(more)):
        assert (answer.status_code, answer.json()["code"]) == (429, "quota")
        assert int(answer.headers["retry-after"]) > 0
    assert dock.ask(JPEG).status_code == 200, "what is there costs nothing"
    hub.clock = lambda: datetime.now(UTC) + timedelta(days=1, minutes=1)
    assert dock.ask(more).status_code == 201


def test_photos_that_cannot_be_written_wait_and_events_flow(folder: Dock, hub: Hub) -> None:
    (hub.store.folder / "photos").write_text("not a folder")
    assert folder.put(JPEG).status_code == 503
    assert folder.complete(sha256(JPEG)).status_code == 503
    assert folder.finish(Photo(slot="front", sha256=sha256(JPEG))).status_code == 200


# ── In a bucket ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _offer(hub: Hub, setting: str, data: bytes = JPEG) -> wire.BlobPlace:
    return wire.BlobPlace.model_validate(Dock(hub, setting).ask(data).json())


def test_a_second_put_finds_the_photo_there(hub: Hub, bucket: str) -> None:
    dock = Dock(hub, bucket)
    told = wire.BlobPlace.model_validate(dock.ask(JPEG).json())
    assert deliver(told.url, told.headers, JPEG).status_code == 200
    assert deliver(told.url, told.headers, JPEG).status_code == 412
    assert dock.complete(sha256(JPEG)).json()["state"] == "verified"


def test_photos_stand_under_their_tenant_and_hash(hub: Hub, bucket: str) -> None:
    path = _offer(hub, bucket).url.partition("?")[0]
    assert path.endswith(f"/hub/main/{sha256(JPEG)[:2]}/{sha256(JPEG)}")


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param(lambda told: (told.url, told.headers, JPEG + b"x"), id="one byte more"),
        pytest.param(lambda told: (told.url, told.headers, JPEG[:-1]), id="one byte less"),
        pytest.param(lambda told: (told.url, told.headers, JPEG[:-1] + b"x"), id="another byte"),
        pytest.param(lambda told: (told.url, {**told.headers, "if-none-match": ""}, JPEG), id="over what is there"),
        pytest.param(lambda told: (told.url.replace("main", "other"), told.headers, JPEG), id="for another tenant"),
        pytest.param(lambda told: (told.url.replace("Expires=300", "Expires=9999"), told.headers, JPEG), id="longer"),
    ],
)
def test_a_place_is_good_for_these_very_bytes_only(
    hub: Hub, bucket: str, changed: Callable[[wire.BlobPlace], tuple[str, Mapping[str, str], bytes]]
) -> None:
    told = _offer(hub, bucket)
    url, headers, data = changed(told)
    headers = {**headers, "content-length": str(len(data))}
    assert deliver(url, headers, data).status_code in (400, 403)
    assert deliver(told.url, told.headers, JPEG).status_code == 200


def test_a_place_is_good_for_a_few_minutes_and_then_given_anew(hub: Hub, bucket: str) -> None:
    hub.clock = lambda: datetime.now(UTC) - timedelta(minutes=6)
    late = _offer(hub, bucket)
    assert deliver(late.url, late.headers, JPEG).status_code == 403
    hub.clock = lambda: datetime.now(UTC)
    dock = Dock(hub, bucket)
    assert dock.send(JPEG).status_code == 200


@pytest.mark.parametrize("broken", ["no such bucket", "no server", "keys that are no good"])
def test_without_its_store_photos_wait_and_events_flow(
    hub: Hub, s3: str, broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    setting = {
        "no such bucket": f"s3://absent?endpoint={s3}",
        "no server": "s3://photos?endpoint=http://127.0.0.1:9",
        "keys that are no good": f"s3://photos?endpoint={s3}",
    }[broken]
    if broken == "keys that are no good":
        monkeypatch.setitem(ENV, "AWS_SECRET_ACCESS_KEY", "old")
    dock = Dock(hub, setting)
    assert dock.finish(Photo(slot="front", sha256=sha256(JPEG))).status_code == 200
    told = wire.BlobPlace.model_validate(dock.ask(JPEG).json())
    if broken == "no server":
        with pytest.raises(httpx.ConnectError):
            deliver(told.url, told.headers, JPEG)
    else:
        assert deliver(told.url, told.headers, JPEG).status_code in (403, 404)
    done = dock.complete(sha256(JPEG))
    if broken == "keys that are no good":
        assert done.status_code == 404, "nothing has come: to be sent again"
    else:
        assert (done.status_code, done.json()["code"]) == (503, "photos_unavailable")
        assert int(done.headers["retry-after"]) > 0
    assert dock.finish(Photo(slot="front", sha256=sha256(JPEG))).status_code == 200
    assert len(photos_missing(hub.store.folder)) == 2


def test_an_object_too_long_is_not_read_whole(hub: Hub, bucket: str) -> None:
    dock = Dock(hub, bucket)
    url = _offer(hub, bucket).url.partition("?")[0]
    dock = Dock(hub, bucket)
    httpx.put(url, content=JPEG + bytes(wire.MAX_PHOTO * 2))
    store = place(bucket, hub.clock, ENV)
    assert len(store.get("main", sha256(JPEG)) or b"") == wire.MAX_PHOTO + 1
    assert dock.complete(sha256(JPEG)).status_code == 422


# ── The signature ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_signature_is_that_of_amazons_own_example() -> None:
    """Amazon S3 API Reference, "Authenticating Requests: Using Query Parameters", the example of a GET."""
    keys = Keys("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    url = "https://examplebucket.s3.amazonaws.com/test.txt"
    signed = presigned("GET", url, {}, keys, "us-east-1", datetime(2013, 5, 24, tzinfo=UTC), timedelta(days=1))
    assert signed.endswith("aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404")


@pytest.mark.parametrize(
    "setting", ["s3://b", "s3://b/a%20b/c?region=eu-west-3", "s3://b?endpoint=https://s3.example:9"]
)
@pytest.mark.parametrize("token", ["", "a/b+c=="])
def test_the_signature_is_that_of_botocore(setting: str, token: str) -> None:
    at = datetime(2026, 11, 22, 9, 8, 7, tzinfo=UTC)
    store = place(setting, lambda: at, {**ENV, "AWS_SESSION_TOKEN": token})
    assert isinstance(store, Bucket)
    offer = store.offer("main", sha256(JPEG), 123, "image/jpeg")
    assert offer is not None
    request = AWSRequest("PUT", offer.url.partition("?")[0], dict(offer.headers))
    request.context["timestamp"] = at.strftime("%Y%m%dT%H%M%SZ")
    auth = S3SigV4QueryAuth(Credentials("HUB", SECRET, token or None), "s3", store.region, expires=300)
    auth._modify_request_before_signing(request)
    right = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
    assert offer.url.endswith(f"&X-Amz-Signature={right}")


@pytest.mark.parametrize(
    ("setting", "env"),
    [
        ("s3://", ENV),
        ("http://host/x", ENV),
        ("s3://b?endpont=http://x", ENV),
        ("s3://b?endpoint=x", ENV),
        ("s3://b", {}),
    ],
)
def test_a_setting_that_names_no_store_is_refused_at_the_start(setting: str, env: dict[str, str]) -> None:
    with pytest.raises(ConfigError):
        place(setting, lambda: NOW, env)


# ── Given back, erased ───────────────────────────────────────────────────────────────────────────────────────────────

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(params=["a folder", "a bucket"])
def kept(hub: Hub, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Dock:
    """A station of a hub whose verbs find where it keeps its photos, either way."""
    for name, value in ENV.items():
        monkeypatch.setenv(name, value)
    setting = "" if request.param == "a folder" else request.getfixturevalue("bucket")
    album.keeps(hub, setting)
    return Dock(hub, setting)


@pytest.fixture
def run(hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """One verb of `hub photo`: exit code, stdout, stderr."""

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["inspect-station", "hub", "photo", *words, "--data", str(hub.store.folder)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


def _left(hub: Hub, data: bytes) -> list[bytes | None]:
    """What is still kept of a photo: where it belongs, and set aside."""
    store = album._kept(hub)
    return [store.get(of, sha256(data)) for of in ("main", "_aside/main")]


def test_photos_of_a_unit_are_listed_and_given_back(kept: Dock, hub: Hub, run: Run, tmp_path: Path) -> None:
    red = picture("PNG", "red")
    kept.finish(Photo(slot="front", sha256=sha256(JPEG)), Photo(slot="../back", sha256=sha256(red)))
    kept.finish(Photo(slot="front", sha256="ab" * 32))
    kept.send(JPEG)
    kept.send(red, "image/png")
    rows = json.loads(run("list", "--unit", "LPN-1", "--json")[1])["photos"]
    assert {(row["slot"], row["sha256"], row["state"], row["station"]) for row in rows} == {
        ("front", sha256(JPEG), "verified", "DOCK-1"),
        ("../back", sha256(red), "verified", "DOCK-1"),
    }
    assert run("get", sha256(JPEG), "--to", str(tmp_path / "one.jpg"))[0] == 0
    assert (tmp_path / "one.jpg").read_bytes() == JPEG
    assert run("get", "--unit", "LPN-1", "--to", str(tmp_path / "all"))[0] == 0
    found = {path.name: path.read_bytes() for path in tmp_path.glob("all/*")}
    assert found == {
        f"LPN-1-front-{sha256(JPEG)[:8]}.jpg": JPEG,
        f"LPN-1-.._back-{sha256(red)[:8]}.png": red,
    }, "by names of our own"
    assert "LPN-2  front  missing" in run("list", "--unit", "LPN-2")[1]
    assert run("get", "--unit", "LPN-2", "--to", str(tmp_path / "none"))[0] == 3


def test_an_erased_photo_leaves_a_tombstone_and_never_comes_back(
    kept: Dock, hub: Hub, run: Run, tmp_path: Path
) -> None:
    red = picture(colour="red")
    kept.finish(Photo(slot="front", sha256=sha256(JPEG)), Photo(slot="back", sha256=sha256(red)))
    facts = _facts(hub)
    kept.send(JPEG)
    kept.send(red)
    ended = run("erase", sha256(JPEG), "--reason", "the customer asked")
    assert (ended[0], "1 photo erased" in ended[2]) == (0, True)
    assert _left(hub, JPEG) == [None, None]
    assert _left(hub, red) == [red, None], "another is not touched by it"
    (row,) = json.loads(run("list", sha256(JPEG), "--json")[1])["photos"]
    assert (row["state"], row["erased_by"], row["erased_why"]) == ("erased", "owner", "the customer asked")
    assert datetime.fromisoformat(row["erased_at"]) >= NOW
    assert _facts(hub) == facts, "the hash stays"
    refused = run("get", sha256(JPEG), "--to", str(tmp_path / "gone.jpg"))
    assert (refused[0], "the customer asked" in refused[2]) == (3, True)

    # A station that would send it is told that it is done with it, in words that one of before takes the same way.
    assert kept.has(JPEG) == 410
    asked = kept.ask(JPEG)
    assert (asked.status_code, asked.json()["mode"], asked.json()["erased"]) == (200, "have", True)
    for answer in (kept.put(JPEG), kept.complete(sha256(JPEG))):
        assert (answer.status_code, answer.json()["state"], answer.json()["erased"]) == (200, "verified", True)
    kept.finish(Photo(slot="again", sha256=sha256(JPEG)))
    assert photos_missing(hub.store.folder) == [], "nor is it missed"
    assert _left(hub, JPEG) == [None, None]
    assert run("erase", sha256(JPEG), "--reason", "asked twice")[0] == 0
    (row, _) = json.loads(run("list", sha256(JPEG), "--json")[1])["photos"]
    assert row["erased_why"] == "the customer asked", "what was ordered first stays"


def _facts(hub: Hub) -> list[str]:
    with hub.read() as ledger:
        return [row["line"] for row in ledger._rows("SELECT line FROM hub_event ORDER BY rowid")]


@pytest.mark.parametrize("kept", ["a bucket"], indirect=True)
def test_bytes_that_come_by_an_address_from_before_go_when_they_are_asked_about(kept: Dock, hub: Hub) -> None:
    """A signed URL outlives the order by minutes."""
    kept.finish(Photo(slot="front", sha256=sha256(JPEG)))
    told = wire.BlobPlace.model_validate(kept.ask(JPEG).json())
    album.erase(hub.store.folder, Which((sha256(JPEG),)), why="asked")
    assert deliver(told.url, told.headers, JPEG).status_code == 200
    assert _left(hub, JPEG) == [JPEG, None]
    assert kept.complete(sha256(JPEG)).json()["erased"] is True
    assert _left(hub, JPEG) == [None, None]
    deliver(told.url, told.headers, JPEG)
    assert kept.ask(JPEG).json()["erased"] is True
    assert _left(hub, JPEG) == [None, None], "or when the station that died in between asks anew"


@pytest.mark.parametrize("when", ["before it is kept", "before it is noted"])
def test_an_order_that_comes_while_a_photo_is_looked_at_wins(
    kept: Dock, hub: Hub, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    kept.finish(Photo(slot="front", sha256=sha256(JPEG)))
    which = Which((sha256(JPEG),))
    if when == "before it is kept":

        def judging(name: str, data: bytes) -> str:
            album.erase(hub.store.folder, which, why="asked")
            return judge(name, data)

        monkeypatch.setattr(app_module, "judge", judging)
    else:
        noting = Ledger.keep_blob

        def keep_blob(ledger: Ledger, *told: Any) -> str:
            ledger.begin_erasing("main", [sha256(JPEG)], by="owner", why="asked")
            return noting(ledger, *told)

        monkeypatch.setattr(Ledger, "keep_blob", keep_blob)
    assert kept.send(JPEG).json()["erased"] is True
    assert _left(hub, JPEG) == [None, None]


def test_what_was_set_aside_goes_too(kept: Dock, hub: Hub) -> None:
    kept.finish(Photo(slot="front", sha256=sha256(NO_PICTURE)))
    kept.send(NO_PICTURE)
    assert _left(hub, NO_PICTURE) == [None, NO_PICTURE]
    assert album.erase(hub.store.folder, Which(lpn="LPN-1"), why="asked").photos == 1
    assert _left(hub, NO_PICTURE) == [None, None]
    assert photos_missing(hub.store.folder) == []


def test_a_photo_that_never_came_is_kept_from_coming(kept: Dock, hub: Hub, run: Run) -> None:
    kept.finish(Photo(slot="front", sha256=sha256(JPEG)))
    ended = run("erase", "--unit", "LPN-1", "--reason", "asked")
    assert "of 1 more nothing was in" in ended[2]
    assert kept.send(JPEG).json()["erased"] is True
    assert _left(hub, JPEG) == [None, None]


def test_an_order_that_broke_off_is_gone_on_with_by_the_next(
    kept: Dock, hub: Hub, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    red = picture(colour="red")
    kept.finish(Photo(slot="front", sha256=sha256(JPEG)), Photo(slot="back", sha256=sha256(red)))
    kept.send(JPEG)
    kept.send(red)
    with monkeypatch.context() as away:
        for store in (Folder, Bucket):
            away.setattr(store, "erase", _unreachable)
        with pytest.raises(StoreError):
            album.erase(hub.store.folder, Which((sha256(JPEG),)), why="asked")
    assert "erasing" in run("list", sha256(JPEG))[1]
    assert _left(hub, JPEG) == [JPEG, None]
    assert kept.has(JPEG) == 410, "nobody gets it meanwhile"
    assert album.erase(hub.store.folder, Which((sha256(red),)), why="asked too").photos == 2
    assert (_left(hub, JPEG), _left(hub, red)) == ([None, None], [None, None])
    assert "erasing" not in run("list", "--unit", "LPN-1")[1]


def _unreachable(*_: object) -> bool:
    raise Unreachable("away")


def test_photos_of_a_seller_older_than_so_many_days_are_counted_then_erased(kept: Dock, hub: Hub, run: Run) -> None:
    old, young, shared, other = (picture(colour=each) for each in ("red", "green", "blue", "pink"))
    today = hub.clock
    hub.store._clock = hub.clock = lambda: today() - timedelta(days=31)
    kept.finish(Photo(slot="front", sha256=sha256(old)), Photo(slot="back", sha256=sha256(shared)))
    kept.finish(Photo(slot="front", sha256=sha256(other)), seller="acme")
    kept.finish(Photo(slot="front", sha256="ab" * 32))
    for each in (old, shared, other):
        kept.send(each)
    hub.store._clock = hub.clock = today
    kept.finish(Photo(slot="front", sha256=sha256(young)), Photo(slot="back", sha256=sha256(shared)))
    kept.send(young)
    words = ("erase", "--older-than", "30", "--seller", "lumo")
    assert "1 photo would be erased" in run(*words)[2]
    assert kept.has(old) == 200
    assert "1 photo erased" in run(*words, "--yes")[2]
    assert [kept.has(each) for each in (old, young, shared, other)] == [410, 200, 200, 200]
    (row,) = json.loads(run("list", sha256(old), "--json")[1])["photos"]
    assert row["erased_why"] == "older than 30 days"
    assert "0 photos would be erased" in run(*words)[2]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        pytest.param(["list"], 2, "--unit", id="nothing named"),
        pytest.param(["list", "--unit", "LPN-1", "--rma", "R-1"], 2, "--unit", id="two things named"),
        pytest.param(["list", "--unit", "LPN-9"], 3, "LPN-9", id="no such unit"),
        pytest.param(["list", "--rma", "R-9"], 3, "R-9", id="no such RMA"),
        pytest.param(["list", "ab" * 32], 3, "abab", id="no such photo"),
        pytest.param(["list", "--unit", "LPN-1", "--tenant", "other"], 3, "LPN-1", id="another tenant's"),
        pytest.param(["erase", "--rma", "R-1", "--reason", "x"], 2, "acme, lumo", id="an RMA of two sellers"),
        pytest.param(["erase", "--unit", "LPN-1"], 2, "--reason", id="no reason"),
        pytest.param(["erase", "--older-than", "30", "--yes"], 2, "--seller", id="of nobody"),
        pytest.param(
            ["erase", "--older-than", "30", "--seller", "lumo", "--unit", "LPN-1"], 2, "alone", id="two ways at once"
        ),
    ],
)
def test_what_names_no_photos_for_certain_does_nothing(
    folder: Dock, hub: Hub, run: Run, words: list[str], code: int, said: str
) -> None:
    folder.finish(Photo(slot="front", sha256=sha256(JPEG)), rma="R-1")
    folder.finish(Photo(slot="front", sha256=sha256(JPEG)), rma="R-1", seller="acme")
    folder.send(JPEG)
    found = run(*words)
    assert (found[0], found[1]) == (code, "")
    assert said in found[2]
    assert folder.has(JPEG) == 200


def test_an_rma_of_two_sellers_is_erased_for_the_one_that_is_named(folder: Dock, hub: Hub, run: Run) -> None:
    red = picture(colour="red")
    folder.finish(Photo(slot="front", sha256=sha256(JPEG)), rma="R-1")
    folder.finish(Photo(slot="front", sha256=sha256(red)), rma="R-1", seller="acme")
    folder.send(JPEG)
    folder.send(red)
    assert run("erase", "--rma", "R-1", "--seller", "lumo", "--reason", "asked")[0] == 0
    assert (folder.has(JPEG), folder.has(red)) == (410, 200)


def test_a_photo_that_no_unit_shows_is_erased_by_its_hash(kept: Dock, hub: Hub, run: Run) -> None:
    kept.send(JPEG)
    assert "verified" in run("list", sha256(JPEG))[1]
    assert "1 photo erased" in run("erase", sha256(JPEG), "--reason", "nobody's")[2]
    assert _left(hub, JPEG) == [None, None]


def test_stations_are_told_once_of_what_was_erased(opened: Callable[..., Hub]) -> None:
    """On both databases."""
    hub = opened()
    store: Any = hub.store
    url = store._address.replace("postgresql:", "postgresql+psycopg:", 1) if isinstance(store, Postgres) else ""
    dock = Dock(hub)
    red, alone = picture(colour="red"), picture(colour="blue")
    dock.finish(Photo(slot="front", sha256=sha256(JPEG)), rma="R-1")
    dock.finish(Photo(slot="front", sha256=sha256(red)))
    for each in (JPEG, red, alone):
        dock.send(each)
    at: dict[str, Any] = {"data": hub.store.folder, "database": url}
    for which in (Which(lpn="LPN-1"), Which(rma="R-1"), Which((sha256(JPEG),))):
        assert album.erase(which=which, why="asked", **at).absent == 0
    told = dock.client.get("/v1/changes", headers=dock.headers).json()["changes"]
    assert [(each["feed"], each["key"], each["op"], each["body"]) for each in told] == [
        ("erased", sha256(JPEG), "upsert", {})
    ]
    (row,) = album.listed(which=Which((sha256(JPEG),)), **at)
    assert (row["state"], row["erased_by"], row["erased_why"]) == ("erased", "owner", "asked")
    assert album.fetch(which=Which((sha256(red), sha256(alone))), **at) == {
        f"LPN-2-front-{sha256(red)[:8]}.jpg": red,
        f"{sha256(alone)[:8]}.jpg": alone,
    }
    assert album.over(seller="lumo", days=1, **at) == []
    with hub.read() as ledger:
        assert ledger.photos_heard_before("main", "lumo", datetime.now(UTC) + timedelta(1)) == [sha256(red)]
        assert ledger.photos_heard_before("main", "acme", datetime.now(UTC) + timedelta(1)) == []
        assert ledger.photos_heard_before("other", "lumo", datetime.now(UTC) + timedelta(1)) == []
        assert ledger.shown_on("other", lpn="LPN-1") == {}


@pytest.mark.parametrize("where", ["a folder", "a bucket"])
def test_an_order_reaches_the_bench(tmp_path: Path, empty: Path, where: str, request: pytest.FixtureRequest) -> None:
    """A hub and its verb as processes, a station's store, engine and client: no copy is left anywhere."""
    data = shutil.copytree(empty, tmp_path / "served")
    setting = "" if where == "a folder" else request.getfixturevalue("bucket")
    env = {**os.environ, **ENV, "NO_COLOR": "1"}
    hub_verb = [sys.executable, "-m", "inspect_station.cli", "hub"]
    log = tmp_path / "log"
    with log.open("wb") as to:
        options = ["--data", str(data), "--port", "0", *(["--photos", setting] if setting else [])]
        served = subprocess.Popen([*hub_verb, "serve", *options], stderr=to, env=env)
    try:
        until = time.monotonic() + 30
        while not (port := re.search(r"127\.0\.0\.1:(\d+)", log.read_text())) and time.monotonic() < until:
            time.sleep(0.05)
        assert port is not None, log.read_text()
        settings = UpstreamSettings(
            enabled=True, url=f"http://127.0.0.1:{port[1]}", batch=9, min_wait_s=1, max_wait_s=9
        )
        with Store.open(tmp_path / "station", station="DOCK-1", clock=lambda: datetime.now(UTC)) as store:
            code = subprocess.run(
                [*hub_verb, "station", "DOCK-1", "--data", str(data)],
                env=env,
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            enrol(store, settings, code.strip())
            given: dict[str, Any] = {
                "settings": settings,
                "clock": lambda: datetime.now(UTC),
                "monotonic": time.monotonic,
                "random": lambda: 0.5,
            }
            sync = Sync(store, upstream=connect(store, settings), **given)
            lane = lanes.Photos(store, upstream=connect(store, settings), **given)
            red = picture(colour="red")
            plates = [_bench(store, JPEG), _bench(store, red)]
            sync.turn()
            while lane.turn():
                pass
            assert photos_missing(data) == []
            erase = [*hub_verb, "photo", "erase", "--unit", plates[0], "--reason", "asked", "--data", str(data)]
            ended = subprocess.run(erase, env=env, capture_output=True, text=True, check=True)
            assert "1 photo erased" in ended.stderr
            sync.pull_once()
            assert [path.name for path in store.blobs.folder.glob("??/*")] == [sha256(red)]
            with store.read() as reader:
                assert {each.sha256: each.state for each in reader.pictures()} == {sha256(red): "verified"}
                assert list(reader.photos_erased()) == [sha256(JPEG)]
            # Taken again by mistake, byte by byte the same: it goes nowhere.
            _bench(store, JPEG)
            sync.turn()
            while lane.turn():
                pass
            assert [path.name for path in store.blobs.folder.glob("??/*")] == [sha256(red)]
            sync.close()
            lane.close()
        with Hub.open(data) as hub, pytest.MonkeyPatch.context() as patch:
            for name, value in ENV.items():
                patch.setenv(name, value)
            assert (_left(hub, JPEG), _left(hub, red)) == ([None, None], [red, None])
    finally:
        served.terminate()
        served.wait()


def _bench(store: Store, shot: bytes) -> str:
    """A unit with this photo is finished; its plate."""
    name = store.blobs.put(shot)
    with store.write() as writer:
        (lpn,) = writer.take_lpns(1)
        unit = Inspection(
            id=writer.new_id(),
            lpn=lpn,
            station="DOCK-1",
            parcel="",
            seller="lumo",
            started_at=NOW,
            finished_at=NOW,
            grade=Grade.USED,
            disposition=Disposition.CLEARANCE,
            photos=(Photo(slot="front", sha256=name, at=NOW),),
        )
        writer.finish(unit, EventSpec("inspection.finished", unit.model_dump(mode="json"), "ana", NOW))
    return str(lpn)


# ── By its bytes ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _bomb() -> bytes:
    """A PNG whose header names 144 million pixels; a few kilobytes."""
    out = BytesIO()
    Image.new("1", (12000, 12000)).save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(JPEG, "", id="a JPEG"),
        pytest.param(NO_PICTURE, "photo_invalid", id="cut off"),
        pytest.param(_bomb(), "photo_invalid", id="144 million pixels"),
        pytest.param(b"%!PS-Adobe-3.0 EPSF-3.0\n", "photo_invalid", id="EPS"),
        pytest.param(picture("GIF"), "photo_invalid", id="GIF"),
        pytest.param(JPEG[:20] + b"<script>", "photo_invalid", id="a JPEG's beginning, then something else"),
    ],
)
def test_a_photo_is_judged_by_its_bytes(data: bytes, code: str) -> None:
    assert judge(sha256(data), data) == code
    assert judge(sha256(b"another"), data) == "photo_hash_mismatch"


def test_a_riff_of_another_kind_is_no_webp() -> None:
    assert kind(b"RIFF\x10\0\0\0WAVEfmt ") == ""


# ── Hubs from before ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_hub_that_knew_no_photos_learns_what_its_units_refer_to(folder: Dock, hub: Hub, tmp_path: Path) -> None:
    folder.finish(Photo(slot="front", sha256=sha256(JPEG)), Photo(slot="back"))
    old = tmp_path / "old"
    (old / "blobs").mkdir(parents=True)
    config = Config()
    config.set_main_option("script_location", str(resource("migrations")))
    (name,) = (path.name[:4] for path in (resource("migrations") / "versions").glob("*_hub_photos.py"))
    before = ScriptDirectory.from_config(config).get_revision(name)
    assert before is not None
    engine = create_engine(f"sqlite:///{old / 'store.db'}", poolclass=NullPool)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        from alembic import command

        command.upgrade(config, str(before.down_revision))
    with closing(sqlite3.connect(old / "store.db", isolation_level=None)) as connection:
        connection.execute(f"PRAGMA application_id = {schema.APPLICATION}")
        connection.execute("ATTACH ? AS new", (str(hub.store.folder / "store.db"),))
        for table in ("hub_station", "hub_event", "inspection"):
            columns = ", ".join(row[1] for row in connection.execute(f"PRAGMA main.table_info({table})"))
            connection.execute(f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM new.{table}")
    (row,) = photos_missing(old)
    assert (row["lpn"], row["slot"], row["sha256"]) == ("LPN-1", "front", sha256(JPEG))
