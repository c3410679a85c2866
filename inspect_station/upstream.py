"""The hub's client: what was delivered, what has to wait, what was refused; nothing is ever guessed.

Only a complete answer that is what it should be, from the hub that this station belongs to, says anything about an
event. Everything else (no answer, half of one, a redirect, the page of a captive portal, a gateway's error) means
that the hub cannot be reached now. Nothing here touches the store.
"""

import contextlib
import email.utils
import gzip
import ipaddress
import json
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import urlsplit

from inspect_station.config import UpstreamSettings
from inspect_station.core import wire
from inspect_station.core.barcode import clean
from inspect_station.core.clocks import LONGEST_WAIT
from inspect_station.errors import UpstreamError, unreached
from inspect_station.message import Message, msg

if TYPE_CHECKING:
    import httpx

PATIENCE_S = 60.0
"""The longest that one answer may take to arrive as a whole, however steadily it drips."""
SILENCE_S = 15.0
"""The longest without a single byte."""
HINT_S = 2.0
"""The longest that a hint may take: nobody waits for it, but facts do."""
LONGEST_WAIT_S = LONGEST_WAIT.total_seconds()
"""However long the hub asks us to wait."""
_OURS = frozenset({"host", "content-length", "transfer-encoding", "connection", "authorization", "cookie"})
"""Headers that no hub sets for us when it names a place for a photo."""

_log = logging.getLogger(__name__)


# ── What comes back ──────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Delivered:
    """The hub has read the lines: a receipt for each that it named rightly. The others stay as they are."""

    receipts: tuple[wire.Receipt, ...]
    reached: int = 0
    """All events of the last line's epoch up to this number are at the hub."""


@dataclass(frozen=True, slots=True)
class Later:
    """It is not known what became of it, or the hub is busy: to be repeated."""

    message: Message
    after_s: float | None = None
    """How long the hub asks us to wait, `LONGEST_WAIT_S` at most."""
    slow: bool = False
    """It did not come through in time: less at once may."""


class Refusal(StrEnum):
    """Why the hub did not take a request; nothing of it was carried out, or nobody knows."""

    NOT_KNOWN = "station_revoked"
    """The token is not valid, or not any more."""
    FRAMING = "framing"
    TOO_LARGE = "too_large"
    FAILED = "hub_failed"
    """Something in the hub broke over it: an event among them may be the cause."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The request was not taken as it is."""

    code: Refusal
    message: Message


@dataclass(frozen=True, slots=True)
class Moved:
    """Another hub answers, or ours after it was restored: what was confirmed may not be there any more."""

    hub_epoch: str


@dataclass(frozen=True, slots=True)
class Page:
    """Changes of what the hub keeps for its stations, and where to go on."""

    changes: tuple[wire.Change, ...]
    cursor: str
    more: bool


@dataclass(frozen=True, slots=True)
class Gone:
    """The cursor means nothing to this hub: read from the start."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Of the events asked about, those that the hub does not have, and those that it has with other bytes."""

    missing: tuple[str, ...]
    differs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stored:
    """What the hub makes of a photo."""

    verified: bool
    """False while it is looking."""
    after_s: float | None = None
    """With an answer that is still to come: when to ask again."""
    erased: bool = False
    """Nobody is to have it any more."""


@dataclass(frozen=True, slots=True)
class Bad:
    """The hub does not take this photo, or not these bytes of it."""

    code: str


# ── Who we are ───────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Credentials:
    """By what a hub knows this station, and this station its hub."""

    url: str
    station_id: str
    token: str
    since: str = ""
    """When the token was given, ISO; empty where nobody wrote it down."""

    @classmethod
    def load(cls, folder: Path) -> Self | None:
        """What was saved in this data folder; None where the station was never enrolled. Raises UpstreamError."""
        path = _path(folder)
        try:
            return cls(**json.loads(path.read_text()))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
            raise UpstreamError(
                msg("{file} cannot be read: {problem}. Nothing is sent.", file=str(path), problem=str(error)),
                msg("Ask for a new code at the hub (`hub station NAME`) and enrol again; the work done here stays."),
            ) from error

    def save(self, folder: Path) -> None:
        """Keep them, readable by nobody else, through a power cut. Raises UpstreamError."""
        path = _path(folder)
        partial = path.with_suffix(".tmp")
        try:
            with contextlib.suppress(FileNotFoundError):
                partial.unlink()
            with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                json.dump(asdict(self), file)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        except OSError as error:
            raise UpstreamError(
                msg("{file} cannot be written: {problem}.", file=str(path), problem=error.strerror or str(error)),
                msg("See that the folder can be written by whoever runs the station, and ask for a new code."),
            ) from error

    def __repr__(self) -> str:
        return f"Credentials({self.url}, {self.station_id})"


def _path(folder: Path) -> Path:
    return folder / "hub.json"


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A station that its hub knows from now on."""

    credentials: Credentials
    block: str
    """Of licence plates, this epoch's alone."""
    hub_epoch: str


def enrol(settings: UpstreamSettings, code: str, *, epoch: str, block: str) -> Enrolment:
    """Make this station known to the hub of the settings, by a one-time code.

    ``epoch`` is the store's; ``block`` the one that it has, granted if it is free.
    Raises UpstreamError: the code was used before, is too old or unknown, or there is no hub.
    """
    url = settings.url.rstrip("/")
    if not url:
        raise UpstreamError(
            msg("No hub is set up."), msg("Set url under [upstream] in station.toml, then enrol again.")
        )
    with Upstream(settings) as nobody:
        # Not repeated by itself: once the hub has taken the code, a second request finds it used.
        reply = nobody._ask("POST", "/v1/stations/enrol", json={"code": code.strip(), "epoch": epoch, "block": block})
    if isinstance(reply, Later):
        raise UpstreamError(reply.message, msg("See that the hub runs, then enrol again."))
    found = reply.form(wire.Enrolled) if reply.status == 201 else None
    if found is not None:
        return Enrolment(Credentials(url, found.station_id, found.token), found.block, found.hub_epoch)
    problem = reply.form(wire.Problem)
    if problem is None:
        raise UpstreamError(
            msg("Something answers at {url}, but it is not a hub.", url=url),
            msg("Check url under [upstream] in station.toml, and that no login page stands in between."),
        )
    raise UpstreamError(
        _ENROLMENT.get(problem.code, msg("The hub does not enrol this station: {code}.", code=clean(problem.code, 60))),
        msg("Ask for a new code at the hub: `inspect-station hub station NAME`."),
    )


_ENROLMENT = {
    "code_used": msg("This code was used before: it lets in one station, once."),
    "code_expired": msg("This code is too old."),
    "code_unknown": msg("The hub does not know this code."),
}


# ── The client ───────────────────────────────────────────────────────────────────────────────────────────────────────

_Form = TypeVar("_Form", bound=wire.Said)


@dataclass(frozen=True, slots=True)
class _Reply:
    """An answer that has arrived as a whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def form(self, form: type[_Form]) -> _Form | None:
        """The answer as what it should be; None where it is anything else."""
        if self.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return None
        try:
            return form.model_validate(wire.parse(self.body))
        except ValueError:
            return None


class _TooSlow(ValueError):
    """It took longer than `PATIENCE_S`."""


class Upstream:
    """Speaks to one hub as one station. Its methods block; they may be called from one thread at a time."""

    def __init__(
        self,
        settings: UpstreamSettings,
        credentials: Credentials | None = None,
        hub_epoch: str = "",
        *,
        monotonic: Callable[[], float] = time.monotonic,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.settings = settings
        self.credentials = credentials
        self.hub_epoch = hub_epoch
        """Only answers that carry it are from our hub."""
        self.hub_time: datetime | None = None
        """What our hub's clock said in its last answer."""
        self._monotonic = monotonic
        self._clock = clock
        self._url = credentials.url if credentials else settings.url.rstrip("/")
        self._token = credentials.token if credentials else ""
        self._wire: _Wire | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connection."""
        if self._wire is not None:
            self._wire.close()
            self._wire = None

    def deliver(self, lines: Sequence[tuple[str, str, str]]) -> Delivered | Later | Refused | Moved:
        """Send events: (id, SHA-256, line) of each. Repeating is safe.

        A receipt counts only for an event that was sent, by its id and its hash, and only once.
        """
        body = gzip.compress("".join(f"{line}\n" for _, _, line in lines).encode(), mtime=0)
        headers = {"content-type": wire.NDJSON, "content-encoding": "gzip"}
        found = self._answer(wire.Receipts, self._ask_patiently("POST", "/v1/events", content=body, headers=headers))
        if not isinstance(found, wire.Receipts):
            return found
        hashes = {id: sha256 for id, sha256, _ in lines}
        receipts: list[wire.Receipt] = []
        for receipt in found.receipts:
            if hashes.pop(receipt.id, None) == receipt.sha256:
                receipts.append(receipt)
            else:
                _log.warning("the hub gave a receipt for an event that it was not sent so: %s", clean(receipt.id, 40))
        return Delivered(tuple(receipts), found.contiguous_seq)

    def known(self, lines: Iterable[tuple[str, str]], hub_epoch: str) -> Kept | Later | Refused | Moved:
        """Ask the hub of this epoch which of these events, (id, SHA-256) of each, it does not have."""
        asked = list(lines)
        reply = self._ask_patiently("POST", "/v1/events/known", json={"lines": asked})
        found = self._answer(wire.Known, reply, hub_epoch)
        if not isinstance(found, wire.Known):
            return found
        ids = {id for id, _ in asked}
        return Kept(tuple(id for id in found.missing if id in ids), tuple(id for id in found.differs if id in ids))

    def changes(self, cursor: str, limit: int = 200) -> Page | Later | Refused | Gone | Moved:
        """What has changed since the cursor; an empty one reads everything."""
        params = {"feeds": ",".join(wire.FEEDS), "cursor": cursor, "limit": str(limit)}
        reply = self._ask_patiently("GET", "/v1/changes", params=params)
        if isinstance(reply, _Reply) and reply.status == 410 and reply.form(wire.Problem):
            return Gone()
        found = self._answer(wire.Changes, reply)
        if not isinstance(found, wire.Changes):
            return found
        if found.since not in (cursor, None):
            return Later(msg("The hub at {url} answered, but not what it was asked.", url=self._url))
        if len(found.changes) > limit:
            # Nor is it written: the bench waits for no more than what was asked for.
            return Later(msg("The hub at {url} sends more at once than it was asked for.", url=self._url))
        if found.more and found.cursor == cursor:
            return Later(msg("The hub at {url} sends the same page again and again.", url=self._url))
        return Page(found.changes, found.cursor, found.more)

    def opened(
        self, rmas: Iterable[tuple[str, str]], operator: str
    ) -> wire.OpenElsewhere | Later | Refused | Moved | None:
        """Say which returns are open here, all of them, and hear where else they are.

        Soon or not at all; None from a hub that is too old to know of it.
        """
        asked = wire.Opened(rmas=tuple(rmas), operator=operator).model_dump()
        reply = self._ask_patiently("POST", "/v1/opened", json=asked, patience_s=HINT_S)
        if isinstance(reply, _Reply) and reply.status == 404 and reply.form(wire.Problem):
            return None
        return self._answer(wire.OpenElsewhere, reply)

    def ready(self) -> bool | Moved:
        """Whether our hub says that it is well: only then is an event to blame for what fails."""
        found = self._answer(wire.Said, self._ask("GET", "/v1/readyz"))
        return found if isinstance(found, Moved) else isinstance(found, wire.Said)

    def new_token(self) -> str | Later | Refused | Moved:
        """Ask for another token; this one goes on until that is used. An answer that is lost changes nothing."""
        found = self._answer(wire.Token, self._ask("POST", "/v1/stations/me/token"), status=201)
        return found.token if isinstance(found, wire.Token) else found

    # ── Photos ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def place(self, sha256: str, size: int, mime: str) -> wire.BlobPlace | Later | Refused | Moved | Bad:
        """Where the bytes of this photo go, if the hub does not have them."""
        asked = wire.BlobAsk(size=size, mime=mime).model_dump()
        reply = self._ask_patiently("POST", f"/v1/blobs/{sha256}", json=asked)
        if bad := self._bad(reply):
            return bad
        return self._answer(wire.BlobPlace, reply, status=200 if _status(reply) == 200 else 201)

    def put(self, place: wire.BlobPlace, sha256: str, data: bytes, mime: str) -> Later | Refused | Bad | None:
        """Send the bytes there; None where they went. Whether they arrived well, only `complete` knows."""
        if place.mode == "hub":
            path, headers, elsewhere = f"/v1/blobs/{sha256}", {"content-type": mime}, False
        else:
            if not self.admits(place.url):
                host = clean(urlsplit(place.url).hostname or "", 60) if "://" in place.url else ""
                return Later(
                    msg(
                        "The hub wants photos sent to “{host}”: photo_hosts in station.toml does not name it.",
                        host=host,
                    )
                )
            path, elsewhere = place.url, True
            headers = {name: text for name, text in place.headers.items() if name.lower() not in _OURS}
        reply = self._ask("PUT", path, content=data, headers=headers, elsewhere=elsewhere)
        if isinstance(reply, Later) and elsewhere:
            host = clean(urlsplit(path).netloc, 60)
            problem = reply.message.params["problem"]
            return Later(
                msg("The photo store {host} does not answer: {problem:word}.", host=host, problem=problem),
                slow=reply.slow,
            )
        if isinstance(reply, Later):
            return reply
        if reply.status in (200, 201, 204, 412):
            return None
        if elsewhere:
            # Its errors are no hub's: expired, forbidden, no such bucket. Another place is asked for, later.
            return Later(
                msg("The photo store does not take photos (HTTP {status}).", status=reply.status),
                self._retry_after(reply),
            )
        if bad := self._bad(reply):
            return bad
        answered = self._answer(wire.Said, reply)
        return answered if isinstance(answered, Later | Refused) else Later(self._no_hub(reply))

    def complete(self, sha256: str) -> Stored | Later | Refused | Moved | Bad:
        """Ask what became of the bytes."""
        reply = self._ask_patiently("POST", f"/v1/blobs/{sha256}/complete")
        if bad := self._bad(reply):
            return bad
        found = self._answer(wire.BlobState, reply, status=202 if _status(reply) == 202 else 200)
        if not isinstance(found, wire.BlobState):
            return found
        after_s = self._retry_after(reply) if isinstance(reply, _Reply) else None
        return Stored(found.state == "verified", after_s, found.erased)

    def _bad(self, reply: "_Reply | Later") -> Bad | None:
        """What our hub says of the photo itself."""
        if isinstance(reply, Later) or reply.status not in (413, 415, 422):
            return None
        said = reply.form(wire.Problem)
        if said is None or said.hub_epoch != self.hub_epoch:
            return None
        return Bad("too_large" if reply.status == 413 else clean(said.code, 60))

    def admits(self, url: str) -> bool:
        """Whether a photo may be sent there: to our hub's own host or one that the site names, and never past TLS to
        less; link-local addresses (169.254.169.254) are nobody's photo store."""
        try:
            to, hub = urlsplit(url), urlsplit(self._url)
            host = to.hostname or ""
            to.port  # noqa: B018 — raises ValueError for what is none
        except ValueError:
            return False
        if to.scheme not in ("https", hub.scheme) or to.username is not None or to.password is not None:
            return False
        if host != hub.hostname and host not in self.settings.photo_hosts:
            return False
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return True
        return not (address.is_link_local or address.is_multicast or address.is_unspecified)

    # ── How an answer is read ────────────────────────────────────────────────────────────────────────────────────────

    def _answer(
        self, form: type[_Form], reply: _Reply | Later, hub_epoch: str = "", status: int = 200
    ) -> _Form | Later | Refused | Moved:
        """The one reading of an answer (sync.md §2.3); only one with this status is of the form."""
        if isinstance(reply, Later):
            return reply
        said: wire.Said | None
        found = reply.form(form) if reply.status == status else None
        said = found or reply.form(wire.Problem)
        if said is not None and said.hub_epoch != (hub_epoch or self.hub_epoch):
            return Moved(said.hub_epoch)
        if said is not None:
            self.hub_time = said.hub_time
        if found is not None:
            return found
        match reply.status:
            case 401 | 403 if said is not None:
                return Refused(
                    Refusal.NOT_KNOWN,
                    msg("The hub does not know this station any more. Everything is kept here; enrol it again."),
                )
            case 413:
                return Refused(Refusal.TOO_LARGE, msg("The hub at {url} takes less at once.", url=self._url))
            case 400 | 415 | 422:
                return Refused(Refusal.FRAMING, msg("The hub at {url} cannot read what was sent.", url=self._url))
            case 500:
                return Refused(Refusal.FAILED, msg("Something failed in the hub at {url}.", url=self._url))
            case 507:
                problem = msg("The hub's disk is full. Everything is kept here.")
            case 429 | 503 if said is not None:
                problem = msg("The hub at {url} is busy.", url=self._url)
            case _:
                problem = self._no_hub(reply)
        return Later(problem, self._retry_after(reply))

    def _no_hub(self, reply: _Reply) -> Message:
        return msg("No hub answers at {url} (HTTP {status}).", url=self._url, status=reply.status)

    def _retry_after(self, reply: _Reply) -> float | None:
        return _retry_after(reply.headers.get("retry-after", ""), self._clock())

    def _ask_patiently(self, method: str, path: str, **request: Any) -> _Reply | Later:
        """Ask; on a connection that was left open and is broken now, ask once more. For requests that may be repeated.

        When else it is tried again, who calls decides: nothing waits here.
        """
        import httpx

        left_open = self._wire is not None
        try:
            return self._request(method, path, **request)
        except (httpx.NetworkError, httpx.RemoteProtocolError) as error:
            failed = self._silent(error)
            return self._ask(method, path, **request) if left_open else failed
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            return self._silent(error)

    def _ask(self, method: str, path: str, **request: Any) -> _Reply | Later:
        import httpx

        try:
            return self._request(method, path, **request)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            return self._silent(error)

    def _silent(self, error: Exception) -> Later:
        import httpx

        self.close()
        slow = isinstance(error, httpx.ReadTimeout | httpx.WriteTimeout | _TooSlow)
        problem = unreached(error)
        if isinstance(error, _TooSlow):
            problem = msg("the answer takes too long").text
        elif isinstance(error, httpx.RemoteProtocolError):
            problem = msg("its answer breaks off, or is none").text
        problem = problem or clean(str(error), 120) or type(error).__name__
        said = msg("The hub at {url} does not answer: {problem:word}.", url=self._url, problem=problem)
        return Later(said, slow=slow)

    def _request(self, method: str, path: str, *, elsewhere: bool = False, **request: Any) -> _Reply:
        """One request, its answer bounded in size and time; ``elsewhere`` = not to the hub: without its token.

        Raises httpx.HTTPError, ValueError.
        """
        if elsewhere:
            with contextlib.closing(_Wire("", "")) as stranger:
                return self._read(stranger, method, path, **request)
        if self._wire is None:
            self._wire = _Wire(self._url, self._token)
        return self._read(self._wire, method, path, **request)

    def _read(self, over: "_Wire", method: str, path: str, patience_s: float = 0.0, **request: Any) -> _Reply:
        """``patience_s``: less of it than usual, to connect, too."""
        import httpx

        body = bytearray()
        if patience_s:
            request["timeout"] = patience_s
        until = self._monotonic() + (patience_s or PATIENCE_S)
        # httpx only knows how long nothing may come: one byte now and then would hold us for ever.
        watch = threading.Timer(patience_s or PATIENCE_S, over.cut)
        watch.daemon = True
        watch.start()
        try:
            with over.client.stream(method, path, extensions={"trace": over.seen}, **request) as reply:
                # As it came: nothing packed was asked for, and so nothing can swell.
                for part in reply.iter_raw():
                    body += part
                    if len(body) > wire.MAX_UNPACKED:
                        raise ValueError(msg("the answer does not end").text)
                return _Reply(reply.status_code, dict(reply.headers), bytes(body))
        except (httpx.NetworkError, httpx.RemoteProtocolError) as error:
            if self._monotonic() >= until:
                raise _TooSlow from error
            raise
        finally:
            watch.cancel()


class _Wire:
    """One client of httpx and the socket that it speaks over."""

    def __init__(self, url: str, token: str) -> None:
        self.client = _client(url, token)
        self._socket: socket.socket | None = None

    def close(self) -> None:
        self.client.close()

    def seen(self, event: str, info: Mapping[str, Any]) -> None:
        """httpx tells what it does."""
        if event.endswith((".connect_tcp.complete", ".start_tls.complete")):
            self._socket = info["return_value"].get_extra_info("socket")

    def cut(self) -> None:
        """Whoever waits for an answer here waits no longer."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                # Not the shutdown of an SSLSocket, which would take its TLS from under whoever reads.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


def _client(url: str, token: str) -> "httpx.Client":
    import httpx

    if url.startswith("http:") and urlsplit(url).hostname not in ("localhost", "127.0.0.1", "::1"):
        _log.warning("the hub is reached without TLS: whoever listens can take this station's token")
    headers = {"accept": "application/json", "accept-encoding": "identity"}
    if token:
        headers["authorization"] = f"Bearer {token}"
    return httpx.Client(base_url=url, headers=headers, timeout=httpx.Timeout(SILENCE_S, connect=5.0))


def _status(reply: _Reply | Later) -> int:
    return reply.status if isinstance(reply, _Reply) else 0


def _retry_after(text: str, now: datetime) -> float | None:
    """Seconds, from seconds or an HTTP date; None for anything else."""
    try:
        seconds = float(text) if text.strip().isdecimal() else _until(text, now)
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(seconds, 0.0), LONGEST_WAIT_S)


def _until(text: str, now: datetime) -> float:
    at = email.utils.parsedate_to_datetime(text)
    return (at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds()
