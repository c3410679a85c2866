"""The client's rule: only a whole, rightful answer of our hub says anything; all else means later."""

import errno
import gzip
import json
import socket
import ssl
import stat
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from inspect_station import upstream as module
from inspect_station.config import UpstreamSettings
from inspect_station.core import wire
from inspect_station.core.records import Product, Rma
from inspect_station.errors import UpstreamError, unreached
from inspect_station.upstream import (
    Bad,
    Credentials,
    Delivered,
    Gone,
    Kept,
    Later,
    Moved,
    Page,
    Refusal,
    Refused,
    Stored,
    Upstream,
    enrol,
)

EPOCH = "019aab12-0000-7000-8000-000000000001"
SAID = {"hub_time": "2026-11-22T12:00:00Z", "hub_epoch": EPOCH}
LINES = [("e1", "a" * 64, '{"id":"e1"}'), ("e2", "b" * 64, '{"id":"e2","note":"é\u2028"}')]
RECEIPTS = [{"id": id, "sha256": sha256, "status": "accepted"} for id, sha256, _ in LINES]


class Canned:
    """Answers every request with the same bytes, then hangs up; keeps what was asked."""

    def __init__(self, answer: bytes = b"", *, drip_s: float = 0.0, hang: bool = False) -> None:
        self.answer, self.drip_s, self.hang = answer, drip_s, hang
        self.asked: list[bytes] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while not self._over.is_set():
            connection, _ = self._socket.accept()
            with connection:
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        connection.settimeout(2)
        asked = b""
        while b"\r\n\r\n" not in asked:
            part = connection.recv(65536)
            if not part:
                return
            asked += part
            if asked.startswith(b"\x16"):  # TLS: there is no end to wait for
                connection.sendall(self.answer)
                return
        head, _, body = asked.partition(b"\r\n\r\n")
        length = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")), 0)
        while len(body) < length:
            body += connection.recv(65536)
        self.asked.append(head + b"\r\n\r\n" + body)
        try:
            if self.hang:
                self._over.wait(5)
            elif self.drip_s:
                for at in range(len(self.answer)):
                    connection.sendall(self.answer[at : at + 1])
                    if self._over.wait(self.drip_s):
                        return
            else:
                connection.sendall(self.answer)
        except OSError:
            pass  # the client has had enough

    def close(self) -> None:
        self._over.set()
        socket.create_connection(self._socket.getsockname()).close()
        self._thread.join()
        self._socket.close()


@pytest.fixture
def canned() -> Iterator[Any]:
    """Make a server; it ends with the test."""
    made: list[Canned] = []

    def make(answer: bytes = b"", **how: Any) -> Canned:
        made.append(Canned(answer, **how))
        return made[-1]

    yield make
    for each in made:
        each.close()


def _reply(status: int, body: Any, type: str = "application/json", **headers: str) -> bytes:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} X", f"content-type: {type}", f"content-length: {len(data)}", "connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


def _problem(status: int, code: str = "x", **headers: str) -> bytes:
    return _reply(status, {**SAID, "code": code}, **headers)


def _page(status: int) -> bytes:
    return _reply(status, b"<html>Welcome to the guest network</html>", "text/html")


def _receipts(*receipts: Any, **changes: Any) -> bytes:
    return _reply(200, {**SAID, "receipts": receipts, **changes})


DOCK = {"seller": "lumo", "rma": "R-1", "station": "DOCK-3", "operator": "Ana", "age_s": 5}


def _settings(url: str) -> UpstreamSettings:
    return UpstreamSettings(enabled=True, url=url, batch=100, min_wait_s=1, max_wait_s=300)


def _upstream(url: str) -> Upstream:
    return Upstream(_settings(url), Credentials(url, "s1", "secret"), EPOCH)


def _deliver(url: str) -> Delivered | Later | Refused | Moved:
    with _upstream(url) as upstream:
        return upstream.deliver(LINES)


# ── What is sent ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_lines_are_sent_as_they_are_stored(canned: Any) -> None:
    server = canned(_receipts(*RECEIPTS))
    _deliver(server.url)
    (asked,) = server.asked
    head, _, body = asked.partition(b"\r\n\r\n")
    assert gzip.decompress(body) == "".join(f"{line}\n" for _, _, line in LINES).encode()
    assert b"authorization: bearer secret" in head.lower()


# ── What is answered ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(_page(200), id="a captive portal"),
        pytest.param(
            _reply(200, {**SAID, "receipts": RECEIPTS}, "text/html"), id="receipts that call themselves a page"
        ),
        pytest.param(_reply(302, b"", location="http://127.0.0.1:1/login"), id="a redirect"),
        pytest.param(_reply(307, b"", location="http://127.0.0.1:1/v1/events"), id="a redirect that keeps the body"),
        pytest.param(_reply(200, {"receipts": RECEIPTS}), id="no hub's name"),
        pytest.param(_reply(200, SAID), id="no receipts"),
        pytest.param(_reply(200, {**SAID, "receipts": {}}), id="receipts of another form"),
        pytest.param(_receipts({**RECEIPTS[0], "status": "perhaps"}), id="a status that nobody knows"),
        pytest.param(_reply(200, b'{"hub_epoch": '), id="half a JSON"),
        pytest.param(_reply(200, b"[" * 100_000), id="brackets without end"),
        pytest.param(_receipts(*RECEIPTS)[:-10], id="shorter than it said"),
        pytest.param(
            _receipts(*RECEIPTS).replace(b"content-length", b"x-length")[:-10], id="cut off, and no length said"
        ),
        pytest.param(
            b"HTTP/1.1 200 X\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nff\r\n{",
            id="a chunk cut off",
        ),
        pytest.param(
            _reply(200, gzip.compress(json.dumps({**SAID, "receipts": RECEIPTS}).encode()), content_encoding="gzip"),
            id="packed, although nobody asked for it",
        ),
        pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n", id="no HTTP"),
        pytest.param(b"", id="silence"),
        pytest.param(_page(401), id="a proxy that wants a password"),
        pytest.param(_page(403), id="a proxy that forbids it"),
        pytest.param(_page(404), id="another web server"),
        pytest.param(_page(502), id="a gateway without its hub"),
        pytest.param(_page(503), id="a gateway that is busy"),
        pytest.param(_page(504), id="a gateway that waited in vain"),
        pytest.param(_problem(507, "disk_full"), id="the hub's disk is full"),
        pytest.param(_reply(201, {**SAID, "receipts": RECEIPTS}), id="another success"),
    ],
)
def test_what_is_no_answer_of_our_hub_means_later(canned: Any, answer: bytes) -> None:
    assert isinstance(_deliver(canned(answer).url), Later)


def _nobody() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        pytest.param(lambda _: f"http://{_nobody()}", "the connection is refused", id="nobody there"),
        pytest.param(lambda _: "http://hub.invalid", "no host of this name is found", id="a name of nobody"),
        pytest.param(
            lambda canned: canned(b"\x15\x03\x01").url.replace("http:", "https:"),
            "no TLS connection comes about",
            id="no TLS there",
        ),
        pytest.param(lambda canned: canned(b"").url, "its answer breaks off, or is none", id="silence"),
        pytest.param(lambda canned: canned(b"SSH-2.0\r\n\r\n").url, "its answer breaks off, or is none", id="no HTTP"),
    ],
)
def test_whoever_is_not_reached_means_later_and_is_told_in_our_words(
    canned: Any, url: Callable[[Any], str], said: str
) -> None:
    """In words that are translated, not in those of the system or of a library."""
    later = _deliver(url(canned))
    assert isinstance(later, Later)
    assert later.message.params["problem"] == said
    assert "{problem:word}" in later.message.text


def _wrapped(cause: Exception) -> Exception:
    wrapper = RuntimeError("all connection attempts failed")
    wrapper.__cause__ = cause
    return wrapper


@pytest.mark.parametrize("wrap", [lambda cause: cause, _wrapped], ids=["as it is", "wrapped by a library"])
@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"), "the connection is refused"),
        (OSError(errno.EHOSTUNREACH, "No route to host"), "the network does not lead there"),
        (OSError(errno.ETIMEDOUT, "Connection timed out"), "no answer in time"),
        (TimeoutError(), "no answer in time"),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), "the connection broke"),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "no host of this name is found"),
        (ssl.SSLCertVerificationError(1, "certificate has expired"), "its certificate is not trusted"),
        (ssl.SSLError(1, "wrong version number"), "no TLS connection comes about"),
        (OSError(errno.ENOSPC, "No space left on device"), ""),
        (ValueError("no number"), ""),
    ],
    ids=repr,
)
def test_why_nobody_was_reached(error: Exception, said: str, wrap: Callable[[Exception], Exception]) -> None:
    assert unreached(wrap(error)) == said


def test_a_redirect_is_not_followed(canned: Any) -> None:
    elsewhere = canned(_receipts(*RECEIPTS))
    _deliver(canned(_reply(307, b"", location=f"{elsewhere.url}/v1/events")).url)
    assert elsewhere.asked == []


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        pytest.param(_problem(401, "station_revoked"), Refusal.NOT_KNOWN, id="a token that was revoked"),
        pytest.param(_problem(413), Refusal.TOO_LARGE, id="too large for the hub"),
        pytest.param(_page(413), Refusal.TOO_LARGE, id="too large for a proxy"),
        pytest.param(_problem(400), Refusal.FRAMING, id="not readable"),
        pytest.param(_problem(500), Refusal.FAILED, id="the hub fails"),
        pytest.param(_reply(500, b"Internal Server Error", "text/plain"), Refusal.FAILED, id="its server fails"),
    ],
)
def test_what_the_hub_refuses_is_told_apart(canned: Any, answer: bytes, code: Refusal) -> None:
    answered = _deliver(canned(answer).url)
    assert isinstance(answered, Refused)
    assert answered.code is code


AGES = Path(__file__).parent / "data" / "ages"
"""What hubs of every form answered, kept as they said it to stations of their time."""


@pytest.mark.parametrize("age", sorted(AGES.glob("hub-*.json")), ids=lambda path: path.stem)
def test_what_older_hubs_answer_is_read(canned: Any, age: Path) -> None:
    """Fault 57: a station is newer than its hub."""
    told = json.loads(age.read_bytes())
    epoch = told["ready"]["body"]["hub_epoch"]

    def asked(name: str, ask: Callable[[Upstream], Any]) -> Any:
        server = canned(_reply(told[name]["status"], told[name]["body"]))
        with Upstream(_settings(server.url), Credentials(server.url, "s1", "secret"), epoch) as upstream:
            return ask(upstream)

    def delivered(name: str) -> list[str]:
        receipts = told[name]["body"]["receipts"]
        answered = asked(name, lambda upstream: upstream.deliver([(r["id"], r["sha256"], "{}") for r in receipts]))
        assert isinstance(answered, Delivered)
        return [receipt.status for receipt in answered.receipts]

    assert delivered("events") == ["accepted", "accepted"]
    assert delivered("events again") == ["duplicate", "accepted"]
    assert delivered("events not taken") == ["retry", "retry"]
    assert delivered("events parked") == ["rejected"]
    (missing,), (differs,) = told["known"]["body"]["missing"], told["known"]["body"]["differs"]
    known = asked("known", lambda upstream: upstream.known([(missing, "a" * 64), (differs, "b" * 64)], epoch))
    assert known == Kept((missing,), (differs,))
    page = asked("changes", lambda upstream: upstream.changes(""))
    assert isinstance(page, Page)
    assert [(each.feed, each.op) for each in page.changes] == [
        ("catalogue", "upsert"),
        ("rma", "upsert"),
        ("rma", "delete"),
    ]
    Product.model_validate(page.changes[0].body)
    Rma.model_validate(page.changes[1].body)
    assert asked("changes of another hub", lambda upstream: upstream.changes("x")) == Gone()
    assert asked("ready", lambda upstream: upstream.ready()) is True
    assert asked("token", lambda upstream: upstream.new_token()) == "the-token"
    revoked = asked("revoked", lambda upstream: upstream.changes(""))
    assert isinstance(revoked, Refused)
    assert revoked.code is Refusal.NOT_KNOWN
    server = canned(_reply(told["enrol"]["status"], told["enrol"]["body"]))
    enrolled = enrol(_settings(server.url), "code", epoch="e", block="")
    assert (enrolled.credentials.token, enrolled.hub_epoch) == ("the-token", epoch)
    used = canned(_reply(told["enrol again"]["status"], told["enrol again"]["body"]))
    with pytest.raises(UpstreamError, match="used"):
        enrol(_settings(used.url), "code", epoch="e", block="")


def _in(seconds: float) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        pytest.param("7", 7, 7, id="seconds"),
        pytest.param("0", 0, 0, id="at once"),
        pytest.param("1000000000", 3600, 3600, id="a billion seconds"),
        pytest.param("9" * 5000, 3600, 3600, id="more seconds than a number holds"),
        pytest.param(120, 60, 121, id="a date"),
        pytest.param(-120, 0, 0, id="a date that has passed"),
        pytest.param("Fri, 31 Dec 9999 23:59:59 GMT", 3600, 3600, id="the last of all days"),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_the_hubs_wish_to_wait_is_honoured_for_an_hour_at_most(
    canned: Any, status: int, text: str | int, least: float, most: float
) -> None:
    # A date is so many seconds from now, not from when the tests were collected.
    wish = text if isinstance(text, str) else _in(text)
    answered = _deliver(canned(_problem(status, retry_after=wish)).url)
    assert isinstance(answered, Later)
    assert answered.after_s is not None
    assert least <= answered.after_s <= most


@pytest.mark.parametrize("text", ["", "soon", "-5", "1.5e3", "²", "2026-11-22"])
def test_a_wish_that_cannot_be_read_is_none(canned: Any, text: str) -> None:
    assert _retry_after(canned, text) is None


def _retry_after(canned: Any, text: str) -> float | None:
    answered = _deliver(canned(_problem(503, retry_after=text).decode().encode("latin-1")).url)
    assert isinstance(answered, Later)
    return answered.after_s


@pytest.mark.parametrize(
    ("receipts", "counted"),
    [
        pytest.param(RECEIPTS, ["e1", "e2"], id="one for each"),
        pytest.param(RECEIPTS[::-1], ["e2", "e1"], id="in another order"),
        pytest.param(RECEIPTS[:1], ["e1"], id="fewer than were sent"),
        pytest.param([], [], id="none"),
        pytest.param([*RECEIPTS, RECEIPTS[0]], ["e1", "e2"], id="one twice"),
        pytest.param(
            [RECEIPTS[0], {**RECEIPTS[0], "status": "rejected"}], ["e1"], id="one twice, with another word: the first"
        ),
        pytest.param([{**RECEIPTS[0], "id": "e9"}], [], id="for one that was not sent"),
        pytest.param([{**RECEIPTS[0], "sha256": "b" * 64}], [], id="for other bytes"),
    ],
)
def test_a_receipt_counts_for_what_was_sent(canned: Any, receipts: list[dict[str, str]], counted: list[str]) -> None:
    answered = _deliver(canned(_receipts(*receipts)).url)
    assert isinstance(answered, Delivered)
    assert [(receipt.id, receipt.status) for receipt in answered.receipts] == [(id, "accepted") for id in counted]


def test_another_hub_is_told_from_ours(canned: Any) -> None:
    other = "019aab12-0000-7000-8000-000000000002"
    assert _deliver(canned(_receipts(*RECEIPTS, hub_epoch=other)).url) == Moved(other)
    assert _deliver(canned(_reply(401, {**SAID, "hub_epoch": other, "code": "station_revoked"})).url) == Moved(other)


# ── How long, how much ───────────────────────────────────────────────────────────────────────────────────────────────


def test_an_answer_without_end_is_given_up(canned: Any) -> None:
    endless = _reply(200, b" " * (wire.MAX_UNPACKED + 1))
    assert isinstance(_deliver(canned(endless).url), Later)


def test_an_answer_that_drips_is_given_up(canned: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 0.2)
    # The head at once, then the body byte by byte: never silent for long, never done.
    server = canned(_receipts(*RECEIPTS), drip_s=0.01)
    begun = time.monotonic()
    assert isinstance(_deliver(server.url), Later)
    assert time.monotonic() - begun < 10


def test_a_head_that_drips_is_given_up(canned: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 0.2)
    began = time.monotonic()
    answer = _deliver(canned(b"HTTP/1.1 200 OK\r\nx: " + b"x" * 1000, drip_s=0.02).url)
    assert isinstance(answer, Later)
    assert answer.slow
    assert time.monotonic() - began < 2


def test_a_hub_that_hangs_is_given_up(canned: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SILENCE_S", 0.1)
    assert isinstance(_deliver(canned(hang=True).url), Later)


def test_a_connection_that_breaks_is_told_at_once_and_nobody_waits_here(canned: Any) -> None:
    server = canned(b"")
    assert isinstance(_deliver(server.url), Later)
    assert len(server.asked) == 1


def test_on_a_connection_that_was_left_open_and_broke_it_is_asked_once_more(canned: Any) -> None:
    server = canned(_receipts(*RECEIPTS).replace(b"connection: close", b"x-keep: yes"))
    with _upstream(server.url) as upstream:
        upstream.deliver(LINES)
        # The server hangs up after each answer, although it did not say so.
        assert isinstance(upstream.deliver(LINES), Delivered)
    assert len(server.asked) == 2


def test_when_a_date_is_named_the_clock_that_was_given_counts(canned: Any) -> None:
    at = datetime(2030, 1, 1, tzinfo=UTC)
    answer = _problem(503, retry_after=format_datetime(at + timedelta(seconds=90), usegmt=True))
    url = canned(answer).url
    with Upstream(_settings(url), Credentials(url, "s1", "secret"), EPOCH, clock=lambda: at) as upstream:
        answered = upstream.deliver(LINES)
    assert isinstance(answered, Later)
    assert answered.after_s == 90


def test_the_time_of_the_hub_is_heard_from_our_hub_alone(canned: Any) -> None:
    with _upstream(canned(_receipts(*RECEIPTS)).url) as upstream:
        upstream.deliver(LINES)
        assert upstream.hub_time == datetime(2026, 11, 22, 12, tzinfo=UTC)
    for stranger in (_page(200), _receipts(*RECEIPTS, hub_epoch="other")):
        with _upstream(canned(stranger).url) as upstream:
            upstream.deliver(LINES)
            assert upstream.hub_time is None


# ── Known, changes, ready ────────────────────────────────────────────────────────────────────────────────────────────


def test_only_what_was_asked_about_is_missing(canned: Any) -> None:
    answer = _reply(200, {**SAID, "missing": ["e2", "e9"], "differs": ["e8"]})
    with _upstream(canned(answer).url) as upstream:
        assert upstream.known([(id, sha256) for id, sha256, _ in LINES], EPOCH) == Kept(("e2",), ())


CHANGE = {"feed": "rma", "key": "k", "version": 1, "op": "upsert", "schema": 1, "body": {"a": 1}, "colour": "red"}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(
            _reply(200, {**SAID, "since": "c1", "changes": [CHANGE], "cursor": "c2", "more": True}),
            Page((wire.Change("rma", "k", 1, "upsert", 1, {"a": 1}),), "c2", True),
            id="a page",
        ),
        pytest.param(_problem(410, "cursor_gone"), Gone(), id="a cursor of another time"),
    ],
)
def test_changes(canned: Any, answer: bytes, expected: Page | Gone) -> None:
    with _upstream(canned(answer).url) as upstream:
        assert upstream.changes("c1") == expected


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(_page(410), id="a web server where something was"),
        pytest.param(_page(200), id="a captive portal"),
        pytest.param(
            _reply(200, {**SAID, "since": "c1", "changes": [], "cursor": "c1", "more": True}),
            id="the same page for ever",
        ),
        pytest.param(
            _reply(200, {**SAID, "since": "c1", "changes": [{}], "cursor": "c2", "more": False}),
            id="a change of no form",
        ),
        pytest.param(
            _reply(200, {**SAID, "since": "c9", "changes": [], "cursor": "c9", "more": False}),
            id="the answer to another question",
        ),
    ],
)
def test_changes_that_cannot_be_trusted_mean_later(canned: Any, answer: bytes) -> None:
    with _upstream(canned(answer).url) as upstream:
        assert isinstance(upstream.changes("c1"), Later)


@pytest.mark.parametrize(
    ("answer", "ready"),
    [
        pytest.param(_reply(200, SAID), True, id="well"),
        pytest.param(_problem(503), False, id="not well"),
        pytest.param(_page(200), False, id="a captive portal"),
    ],
)
def test_a_hub_is_well_if_it_says_so(canned: Any, answer: bytes, ready: bool) -> None:
    with _upstream(canned(answer).url) as upstream:
        assert upstream.ready() is ready


# ── A new token ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_new_token_is_asked_for_once(canned: Any) -> None:
    server = canned(_reply(201, {**SAID, "token": "fresh"}))
    with _upstream(server.url) as upstream:
        assert upstream.new_token() == "fresh"
    assert server.asked[0].startswith(b"POST /v1/stations/me/token ")


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(_page(201), id="a portal"),
        pytest.param(b"", id="lost"),
        pytest.param(_reply(201, SAID), id="none in it"),
    ],
)
def test_a_token_that_does_not_come_is_none(canned: Any, answer: bytes) -> None:
    with _upstream(canned(answer).url) as upstream:
        assert isinstance(upstream.new_token(), Later)


# ── Photos ───────────────────────────────────────────────────────────────────────────────────────────────────────────

SHA = "ab" * 32


@pytest.mark.parametrize(
    ("answer", "mode"),
    [
        pytest.param(_reply(200, {**SAID, "mode": "have"}), "have", id="the hub has it"),
        pytest.param(_reply(201, {**SAID, "mode": "hub"}), "hub", id="to the hub"),
        pytest.param(_reply(201, {**SAID, "mode": "put", "url": "https://s3/x"}), "put", id="to a store of photos"),
    ],
)
def test_a_place_for_a_photo_is_asked_for(canned: Any, answer: bytes, mode: str) -> None:
    server = canned(answer)
    with _upstream(server.url) as upstream:
        place = upstream.place(SHA, 300, "image/jpeg")
    assert isinstance(place, wire.BlobPlace)
    assert place.mode == mode
    head, _, body = server.asked[0].partition(b"\r\n\r\n")
    assert head.startswith(f"POST /v1/blobs/{SHA} ".encode())
    assert json.loads(body) == {"size": 300, "mime": "image/jpeg"}


@pytest.mark.parametrize("ask", ["place", "complete"])
@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(_problem(413), Bad("too_large"), id="too large"),
        pytest.param(_problem(422, "photo_hash_mismatch"), Bad("photo_hash_mismatch"), id="other bytes"),
        pytest.param(_problem(415, "photo_invalid"), Bad("photo_invalid"), id="no picture"),
        pytest.param(_reply(422, {**SAID, "hub_epoch": "other", "code": "x"}), "later", id="of another hub"),
        pytest.param(_page(413), "later", id="too large for a proxy: not the photo's fault"),
        pytest.param(_page(200), "later", id="a captive portal"),
        pytest.param(_problem(404, "not_here"), "later", id="it never came"),
        pytest.param(_problem(503), "later", id="busy"),
        pytest.param(_problem(401), "not known", id="the token is void"),
    ],
)
def test_only_our_hub_says_that_a_photo_is_bad(canned: Any, ask: str, answer: bytes, expected: Any) -> None:
    with _upstream(canned(answer).url) as upstream:
        asked = (SHA, 300, "image/jpeg") if ask == "place" else (SHA,)
        answered = getattr(upstream, ask)(*asked)
    match answered:
        case Bad():
            assert answered == expected
        case Refused(Refusal.NOT_KNOWN):
            assert expected == "not known"
        case _:
            assert expected == "later"
            assert isinstance(answered, Later | Refused | Moved)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(_reply(200, {**SAID, "state": "verified"}), Stored(verified=True), id="verified"),
        pytest.param(
            _reply(202, {**SAID, "state": "verifying"}, retry_after="7"), Stored(verified=False, after_s=7), id="later"
        ),
    ],
)
def test_what_became_of_a_photo_is_asked(canned: Any, answer: bytes, expected: Stored) -> None:
    with _upstream(canned(answer).url) as upstream:
        assert upstream.complete(SHA) == expected


def test_a_photo_goes_to_the_place_that_was_named_without_our_token_and_no_further(canned: Any) -> None:
    """The hub names the headers; what would reach past them is ours. A redirect is not followed."""
    elsewhere = canned(b"")
    store = canned(_reply(307, b"", location=f"{elsewhere.url}/x"))
    place = wire.BlobPlace(
        hub_time=datetime(2026, 11, 22, tzinfo=UTC),
        hub_epoch=EPOCH,
        mode="put",
        url=f"{store.url}/bucket/ab?sign=1",
        headers={"x-amz-checksum-sha256": "sum", "Authorization": "stolen", "Content-Length": "5", "Host": "other"},
    )
    with _upstream(canned(b"").url) as upstream:
        assert isinstance(upstream.put(place, SHA, b"picture", "image/jpeg"), Later)
    head, _, body = store.asked[0].partition(b"\r\n\r\n")
    assert head.startswith(b"PUT /bucket/ab?sign=1 ")
    assert b"x-amz-checksum-sha256: sum" in head
    for never in (b"secret", b"stolen", b"other"):
        assert never not in head
    assert body == b"picture"
    assert elsewhere.asked == []


@pytest.mark.parametrize(
    ("answer", "went"),
    [
        pytest.param(_reply(200, b"", "text/plain"), True, id="taken"),
        pytest.param(_reply(412, b"", "application/xml"), True, id="it is there already"),
        pytest.param(_reply(403, b"<Error/>", "application/xml"), False, id="expired"),
        pytest.param(_reply(404, b"<Error/>", "application/xml"), False, id="no such bucket"),
        pytest.param(_reply(500, b"", "text/plain"), False, id="broken"),
        pytest.param(b"", False, id="cut off"),
    ],
)
@pytest.mark.parametrize("mode", ["put", "hub"])
def test_where_the_bytes_went(canned: Any, answer: bytes, went: bool, mode: str) -> None:
    server = canned(answer)
    said = {**SAID, "mode": mode, "url": f"{server.url}/x" if mode == "put" else ""}
    with _upstream(server.url) as upstream:
        failure = upstream.put(wire.BlobPlace.model_validate(said), SHA, b"picture", "image/png")
    assert (failure is None) is went
    if mode == "hub" and went:
        assert f"PUT /v1/blobs/{SHA} ".encode() in server.asked[0]
        assert b"content-type: image/png" in server.asked[0].lower()
        assert b"bearer secret" in server.asked[0].lower()


@pytest.mark.parametrize(
    ("url", "hub", "expected"),
    [
        ("https://hub.example/x", "https://hub.example", True),
        ("https://hub.example:9000/x", "https://hub.example", True),
        ("https://s3.example/x?a=b", "https://hub.example", True),
        ("http://s3.example/x", "https://hub.example", False),
        ("http://s3.example/x", "http://hub.example", True),
        ("https://evil.example/x", "https://hub.example", False),
        ("https://s3.example.evil.example/x", "https://hub.example", False),
        ("https://s3.example@evil.example/x", "https://hub.example", False),
        ("https://ana@s3.example/x", "https://hub.example", False),
        ("https://169.254.169.254/latest/meta-data", "https://hub.example", False),
        ("https://10.0.0.1/x", "https://hub.example", False),
        ("https://127.0.0.1/x", "https://hub.example", False),
        ("https://[fe80::1]/x", "https://hub.example", False),
        ("file:///etc/passwd", "https://hub.example", False),
        ("ftp://s3.example/x", "https://hub.example", False),
        ("https://s3.example:99999/x", "https://hub.example", False),
        ("//s3.example/x", "https://hub.example", False),
        ("", "https://hub.example", False),
    ],
)
def test_only_the_hub_itself_and_hosts_that_the_site_names_get_photos(url: str, hub: str, expected: bool) -> None:
    """sync.md §3.2, 67; the address of a cloud's own data is refused although somebody has named it."""
    settings = _settings(hub).model_copy(update={"photo_hosts": ("s3.example", "169.254.169.254")})
    assert Upstream(settings, Credentials(hub, "s1", "secret"), EPOCH).admits(url) is expected


# ── Enrolment ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_station_enrols_by_its_code(canned: Any) -> None:
    server = canned(_reply(201, {**SAID, "station_id": "s1", "token": "t", "block": "B2C3"}))
    granted = enrol(_settings(f"{server.url}/"), " ABCD-EFGH ", epoch="e", block="B2C3")
    assert granted.credentials == Credentials(server.url, "s1", "t")
    assert (granted.block, granted.hub_epoch) == ("B2C3", EPOCH)
    assert json.loads(server.asked[0].partition(b"\r\n\r\n")[2]) == {"code": "ABCD-EFGH", "epoch": "e", "block": "B2C3"}


@pytest.mark.parametrize(
    ("answer", "title"),
    [
        pytest.param(_problem(409, "code_used"), "was used before", id="used"),
        pytest.param(_problem(410, "code_expired"), "too old", id="too old"),
        pytest.param(_problem(401, "code_unknown"), "does not know this code", id="unknown"),
        pytest.param(_problem(503, "busy"), "busy", id="another reason"),
        pytest.param(_page(200), "not a hub", id="a captive portal"),
        pytest.param(b"", "does not answer", id="silence"),
    ],
)
def test_why_a_station_could_not_enrol_is_said_and_the_code_is_tried_once(
    canned: Any, answer: bytes, title: str
) -> None:
    server = canned(answer)
    with pytest.raises(UpstreamError, match=title):
        enrol(_settings(server.url), "CODE", epoch="e", block="")
    assert len(server.asked) == 1


def test_no_address_is_told(tmp_path: Path) -> None:
    settings = UpstreamSettings(batch=100, min_wait_s=1, max_wait_s=300)
    with pytest.raises(UpstreamError, match="No hub is set up"):
        enrol(settings, "CODE", epoch="e", block="")


def test_credentials_are_kept_for_nobody_else(tmp_path: Path) -> None:
    credentials = Credentials("http://hub", "s1", "secret")
    assert Credentials.load(tmp_path) is None
    credentials.save(tmp_path)
    credentials.save(tmp_path)
    assert Credentials.load(tmp_path) == credentials
    (file,) = tmp_path.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "secret" not in repr(credentials)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"url": "u"'])
def test_credentials_that_are_damaged_are_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "hub.json").write_text(text)
    with pytest.raises(UpstreamError, match="cannot be read"):
        Credentials.load(tmp_path)


# ── What is open elsewhere ───────────────────────────────────────────────────────────────────────────────────────────


def _opened(url: str) -> Any:
    with _upstream(url) as upstream:
        return upstream.opened([("lumo", "R-1")], "Luc")


def test_a_hub_is_told_what_is_open_and_says_where_else_it_is(canned: Any) -> None:
    server = canned(_reply(200, {**SAID, "docks": [DOCK]}))
    assert [each.model_dump() for each in _opened(server.url).docks] == [DOCK]
    head, _, body = server.asked[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v1/opened ")
    assert json.loads(body) == {"rmas": [["lumo", "R-1"]], "operator": "Luc"}


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        pytest.param(_problem(404, "http"), type(None), id="a hub that is too old"),
        pytest.param(_page(404), Later, id="a page that is not there"),
        pytest.param(_page(200), Later, id="a portal"),
        pytest.param(_reply(200, {**SAID, "docks": [{**DOCK, "age_s": "long"}]}), Later, id="not the form"),
        pytest.param(_reply(200, {**SAID, "hub_epoch": "another", "docks": []}), Moved, id="another hub"),
        pytest.param(_problem(401), Refused, id="a token that is void"),
        pytest.param(_problem(503, retry_after="7"), Later, id="busy"),
    ],
)
def test_only_a_hub_that_knows_of_it_says_anything_of_what_is_open(canned: Any, answer: bytes, kind: type) -> None:
    assert isinstance(_opened(canned(answer).url), kind)


@pytest.mark.parametrize("how", [{"hang": True}, {"drip_s": 0.05}], ids=["silence", "one byte now and then"])
def test_a_hint_is_waited_for_shortly(canned: Any, monkeypatch: pytest.MonkeyPatch, how: dict[str, Any]) -> None:
    monkeypatch.setattr(module, "HINT_S", 0.3)
    server = canned(_reply(200, {**SAID, "docks": [DOCK]}), **how)
    began = time.monotonic()
    assert isinstance(_opened(server.url), Later)
    assert time.monotonic() - began < 2
