"""The hub over HTTP (sync.md §2.3). Limits come before parsing, the token before the body, the tenant from the token.

Every answer, an error too, is a form of `core.wire` and carries the hub's time and epoch; where there is no body, and
beside it too, they stand in the headers Hub-Time and Hub-Epoch.
"""

import asyncio
import base64
import random
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.exceptions import HTTPException
from starlette.routing import Route

from inspect_station.core import wire
from inspect_station.core.barcode import clean
from inspect_station.core.records import Record, instant
from inspect_station.errors import DiskFull, StoreError, StoreLocked
from inspect_station.hub import edge, intake
from inspect_station.hub.admin import Hub, code_hash, new_token, secret_hash
from inspect_station.hub.edge import Buckets, Edge, Limits, Refused, Traffic
from inspect_station.hub.ledger import ERASED, START, Caller, Grant, Place, Unsettled, Vanished
from inspect_station.hub.photos import Folder, Photos, Unreachable, judge, kind
from inspect_station.hub.watch import Watch

BUSY_S = 2
CROWD_S = 30
"""Seconds within which those that found no place come back."""
STALLED_S = 60
"""Until a store of photos that does not answer is asked again."""
ENROL_BYTES = 4096
"""What a stranger may send."""
FORGET_S = 60.0
"""Seconds from one look at what is not to be kept any longer to the next."""
DECODING = 2
"""Photos decoded at the same time: each may take half a gigabyte for a moment, if somebody means it to."""


def create_app(hub: Hub, photos: Photos | None = None, limits: Limits | None = None) -> FastAPI:
    """The hub's application, which keeps photos there, else in the hub's folder; the caller opens and closes the hub.

    ``app.state.traffic`` says what it is answering now, and can be told that the hub stops.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        forgetting = asyncio.create_task(forget())
        yield
        forgetting.cancel()
        with suppress(asyncio.CancelledError):
            await forgetting

    async def forget() -> None:
        while True:
            with suppress(StoreError):  # the next look, or another replica, does it
                await run_in_threadpool(hub.change, lambda ledger: ledger.forget_opened())
            await asyncio.sleep(FORGET_S)

    app = FastAPI(
        lifespan=lifespan,
        title="inspect-station hub",
        version="1",
        description="Facts up, announcements down, photos aside. Every answer carries the hub's time and epoch.",
        docs_url=None,
        redoc_url=None,
        servers=[{"url": "/"}],
    )
    photos = photos or Folder(hub.store.folder / "photos")
    limits = limits or Limits()
    watch, traffic = Watch(), Traffic()
    app.state.traffic = traffic
    calls = Buckets(limits.rate, limits.burst)
    strangers = Buckets(limits.enrolments, limits.enrolments * 10)
    ingesting = asyncio.Semaphore(limits.ingesting)
    decoding = threading.Semaphore(DECODING)
    busy: Counter[str] = Counter()

    def answer(
        form: type[wire.Said], status: int = 200, headers: dict[str, str] | None = None, /, **told: Any
    ) -> Response:
        said = form(hub_time=hub.clock(), hub_epoch=hub.epoch, **told)
        return Response(said.model_dump_json(), status, headers, media_type="application/json")

    def problem(status: int, code: str, title: str = "", after_s: int = 0) -> Response:
        headers = {"retry-after": str(after_s)} if after_s else None
        return answer(wire.Problem, status, headers, code=code, title=title or HTTPStatus(status).phrase)

    @contextmanager
    def one_of(what: str, most: int, station: Caller) -> Iterator[None]:
        """Be let in, where so many may be at the same time. Raises Refused."""
        if busy[what] >= most:
            # Each at another time: a thousand that were told the same would come back as one.
            raise Refused(503, "busy", after_s=random.randint(BUSY_S, CROWD_S))
        if busy[what + station.station] >= limits.of_one:
            raise Refused(429, "too_many", after_s=BUSY_S)
        busy.update((what, what + station.station))
        try:
            yield
        finally:
            busy.subtract((what, what + station.station))

    app.add_middleware(
        Edge,
        traffic=traffic,
        watch=watch,
        limits=limits,
        stamp=lambda: {"hub-time": instant(hub.clock()), "hub-epoch": hub.epoch},
        problem=problem,
    )

    # ── Who calls ────────────────────────────────────────────────────────────────────────────────────────────────────

    bearer = HTTPBearer(
        scheme_name="token", description="Of a station, given at enrolment, or of a supervisor.", auto_error=False
    )

    def token(shown: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]) -> str:
        """The hash of the token that was shown."""
        if shown is None or not shown.credentials:
            raise Refused(401, "token_missing")
        return secret_hash(shown.credentials)

    def caller(request: Request, shown: Annotated[str, Depends(token)]) -> Caller:
        with hub.read() as ledger:
            found = ledger.caller(shown)
        if found is None:
            raise Refused(401, "station_revoked")
        request.state.caller = found.station
        if wait := calls.take(found.station):
            raise Refused(429, "too_many", after_s=int(wait) + 1)
        if found.new:
            hub.change(lambda ledger: ledger.first_used(found, shown))
        return found

    def station(found: Annotated[Caller, Depends(caller)]) -> Caller:
        if found.scope != "station":
            raise Refused(403, "not_station")
        return found

    def supervisor(found: Annotated[Caller, Depends(caller)]) -> Caller:
        if found.scope != "supervisor":
            raise Refused(403, "not_supervisor")
        return found

    Anyone = Annotated[Caller, Depends(caller)]
    Station = Annotated[Caller, Depends(station)]
    Supervisor = Annotated[Caller, Depends(supervisor)]

    # ── Stations ─────────────────────────────────────────────────────────────────────────────────────────────────────

    @app.post(
        "/v1/stations/enrol",
        status_code=201,
        response_model=wire.Enrolled,
        openapi_extra=_takes(wire.Enrol, code="7K3M-Q9TX-2DVA-8HPR", epoch="019aab12-0000-7000-8000-000000000000"),
        responses=_told(400, 401, 408, 409, 410, 413, 415, 429),
    )
    async def enrol(request: Request) -> Response:
        """Make a station known, by a one-time code."""
        if wait := strangers.take(""):
            raise Refused(429, "too_many", after_s=int(wait) + 1)
        asked = await edge.form(request, wire.Enrol, ENROL_BYTES, limits)
        secret = new_token()

        def use() -> Grant | str:
            hashes = code_hash(asked.code), secret_hash(secret)
            return hub.change(lambda ledger: ledger.enrol(*hashes, epoch=asked.epoch, block=asked.block))

        granted = await run_in_threadpool(use)
        match granted:
            case Grant():
                return answer(wire.Enrolled, 201, station_id=granted.station, block=granted.block, token=secret)
            case code:
                status = {"code_used": 409, "code_expired": 410}.get(code, 401)
                raise Refused(status, code)

    @app.post("/v1/stations/me/token", status_code=201, response_model=wire.Token, responses=_told(*_KNOWN))
    def rotate(found: Anyone, shown: Annotated[str, Depends(token)]) -> Response:
        """A new token; the one before lives until this is used, which it must be within 30 days."""
        secret = new_token()
        hub.change(lambda ledger: ledger.rotate(found, shown, secret_hash(secret)))
        return answer(wire.Token, 201, token=secret)

    # ── Events up ────────────────────────────────────────────────────────────────────────────────────────────────────

    @app.post(
        "/v1/events", response_model=wire.Receipts, openapi_extra=_NDJSON, responses=_told(400, 403, *_KNOWN, *_BODY)
    )
    async def events(request: Request, station: Station) -> Response:
        """Facts: each is accepted or kept aside, and answered by a receipt."""
        if edge.media_type(request) != wire.NDJSON:
            raise Refused(415, "media_type", f"events are {wire.NDJSON}")
        encoding = request.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("identity", "gzip"):
            raise Refused(415, "content_encoding", "gzip or nothing")
        with one_of("ingest", limits.ingests, station):
            packed = await edge.body(request, wire.MAX_WIRE, limits)
            async with ingesting:
                return await run_in_threadpool(ingest, station, packed, encoding)

    def ingest(station: Caller, packed: bytes, encoding: str) -> Response:
        def kept(lines: Sequence[tuple[str, str]]) -> dict[str, str]:
            with hub.read() as ledger:
                return ledger.kept(station.tenant, lines)

        try:
            arrivals = intake.lines(intake.unpack(packed, encoding), kept)
        except intake.TooLarge as error:
            raise Refused(413, "too_large", str(error)) from error
        except intake.Misframed as error:
            raise Refused(400, "framing", str(error)) from error
        try:
            receipts, reached = hub.change(lambda ledger: ledger.ingest(station, arrivals))
        except Vanished as error:
            raise Refused(503, "busy", after_s=BUSY_S) from error
        watch.receipts(receipts)
        return answer(wire.Receipts, receipts=receipts, contiguous_seq=reached)

    @app.post(
        "/v1/events/known",
        response_model=wire.Known,
        openapi_extra=_takes(wire.Ask, lines=[["019aab12-0000-7000-8000-000000000001", "0" * 64]]),
        responses=_told(400, 403, *_KNOWN, *_BODY),
    )
    async def known(request: Request, station: Station) -> Response:
        """Which of these events are not here, or are here with another hash?"""
        asked = await edge.form(request, wire.Ask, wire.MAX_WIRE, limits)
        if len(asked.lines) > wire.MAX_KNOWN:
            raise Refused(413, "too_large", f"more than {wire.MAX_KNOWN} events")

        def look() -> tuple[tuple[str, ...], tuple[str, ...]]:
            with hub.read() as ledger:
                return ledger.unknown(station.tenant, asked.lines)

        missing, differs = await run_in_threadpool(look)
        return answer(wire.Known, missing=missing, differs=differs)

    # ── Changes down ─────────────────────────────────────────────────────────────────────────────────────────────────

    @app.get("/v1/changes", response_model=wire.Changes, responses=_told(403, 410, 422, *_KNOWN))
    def changes(
        station: Station,
        feeds: Annotated[str, Query(max_length=200)] = ",".join(wire.FEEDS),
        cursor: Annotated[str, Query(max_length=200)] = "",
        limit: Annotated[int, Query(ge=1, le=wire.MAX_CHANGES)] = 200,
    ) -> Response:
        """What has changed since the cursor; an empty one reads everything."""
        wanted = [feed for feed in feeds.split(",") if feed in wire.FEEDS]
        if not wanted:
            raise Refused(422, "no_such_feed", ", ".join(wire.FEEDS))
        with hub.read() as ledger:
            last = ledger.last_change()
            after = _read_cursor(cursor, hub.epoch)
            if after is None or after > last:
                raise Refused(410, "cursor_gone", "read from the start")
            rows = ledger.changes(station.tenant, wanted, after, limit + 1)
        page = rows[:limit]
        more = len(rows) > limit
        found = [
            wire.Change(row["feed"], row["key"], row["version"], row["op"], 1, wire.parse(row["body"])) for row in page
        ]
        reached = Place(page[-1]["xid"], page[-1]["seq"]) if page else after
        return answer(wire.Changes, since=cursor, changes=found, cursor=_cursor(hub.epoch, reached), more=more)

    # ── What is open where ───────────────────────────────────────────────────────────────────────────────────────────

    @app.post(
        "/v1/opened",
        response_model=wire.OpenElsewhere,
        openapi_extra=_takes(wire.Opened, rmas=[["lumo", "R-4711"]], operator="Ana B."),
        responses=_told(400, 403, *_KNOWN, *_BODY),
    )
    async def opened(request: Request, station: Station) -> Response:
        """A hint: these returns are open at the caller now, and no others. Where else are they?"""
        asked = await edge.form(request, wire.Opened, ENROL_BYTES, limits)
        if len(asked.rmas) > wire.MAX_OPENED:
            raise Refused(413, "too_large", f"more than {wire.MAX_OPENED} returns")

        def tell() -> list[wire.OpenAt]:
            return hub.change(lambda ledger: ledger.opened(station, asked.rmas, asked.operator))

        return answer(wire.OpenElsewhere, docks=await run_in_threadpool(tell))

    # ── Photos aside ─────────────────────────────────────────────────────────────────────────────────────────────────

    Sha256 = Annotated[
        str, Path(pattern="^[0-9a-f]{64}$", description="Of the photo's bytes.", openapi_examples={"any": _A_PHOTO})
    ]

    @app.head("/v1/blobs/{sha256}", response_class=Response, responses=_silent(200, 403, 404, 410, 422, *_KNOWN))
    def has_photo(sha256: Sha256, station: Station) -> Response:
        """Whether the hub has this photo, of the caller's own tenant; 410 where it was erased."""
        with hub.read() as ledger:
            state = ledger.blob(station.tenant, sha256)
        return Response(status_code=200 if state == "verified" else 410 if state in ERASED else 404)

    @app.post(
        "/v1/blobs/{sha256}",
        response_model=wire.BlobPlace,
        openapi_extra=_takes(wire.BlobAsk, size=312_000, mime="image/jpeg"),
        responses={
            201: {"model": wire.BlobPlace, "description": "Not here: where its bytes go."},
            **_told(400, 403, 422, *_KNOWN, *_BODY),
        },
    )
    async def offer_photo(sha256: Sha256, request: Request, station: Station) -> Response:
        """May this photo be sent, and where to?"""
        asked = await edge.form(request, wire.BlobAsk, ENROL_BYTES, limits)
        if asked.mime not in wire.PHOTO_TYPES:
            raise Refused(415, "media_type", ", ".join(wire.PHOTO_TYPES))
        if asked.size > wire.MAX_PHOTO:
            raise Refused(413, "too_large", f"more than {wire.MAX_PHOTO} bytes")
        if asked.size < 1:
            raise Refused(422, "invalid", "size")

        def look() -> str:
            with hub.read() as ledger:
                state = ledger.blob(station.tenant, sha256)
            if state in ERASED:
                photos.erase(station.tenant, sha256)
            elif state != "verified":
                within_quota(station, asked.size)
            return state

        state = await run_in_threadpool(look)
        if state == "verified" or state in ERASED:
            return answer(wire.BlobPlace, mode="have", erased=state in ERASED)
        place = photos.offer(station.tenant, sha256, asked.size, asked.mime)
        if place is None:
            return answer(wire.BlobPlace, 201, mode="hub")
        return answer(wire.BlobPlace, 201, mode="put", url=place.url, headers=place.headers)

    @app.put(
        "/v1/blobs/{sha256}",
        response_model=wire.BlobState,
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {mime: {"schema": {"type": "string", "format": "binary"}} for mime in wire.PHOTO_TYPES},
            }
        },
        responses=_told(403, 422, *_KNOWN, *_BODY),
    )
    async def put_photo(sha256: Sha256, request: Request, station: Station) -> Response:
        """The bytes of a photo, for a hub that keeps them itself."""
        mime = edge.media_type(request)
        if mime not in wire.PHOTO_TYPES:
            raise Refused(415, "media_type", ", ".join(wire.PHOTO_TYPES))
        with one_of("photo", limits.photos, station):
            data = await edge.body(request, wire.MAX_PHOTO, limits, patience=5)
            if kind(data) != mime:
                raise Refused(415, "media_type", f"its first bytes are not those of {mime}")
            return await run_in_threadpool(take_photo, station, sha256, data)

    def take_photo(station: Caller, sha256: str, data: bytes) -> Response:
        with hub.read() as ledger:
            if ledger.blob(station.tenant, sha256) in ERASED:
                return not_kept(station, sha256)
        within_quota(station, len(data))
        code = look_at(sha256, data)
        if code != "photo_hash_mismatch":
            photos.put(station.tenant, sha256, data)
        return judged(station, sha256, data, code)

    @app.post(
        "/v1/blobs/{sha256}/complete",
        response_model=wire.BlobState,
        responses={
            202: {"model": wire.BlobState, "description": "Not looked at yet: ask again after Retry-After seconds."},
            **_told(403, 404, 422, 507, *_KNOWN),
        },
    )
    async def complete(sha256: Sha256, station: Station) -> Response:
        """The bytes are where they were to go: are they good?"""
        try:
            with one_of("photo", limits.photos, station):
                return await run_in_threadpool(check_photo, station, sha256)
        except Refused as refused:
            if refused.code not in ("busy", "too_many"):
                raise
            return answer(wire.BlobState, 202, {"retry-after": str(BUSY_S)}, state="verifying")

    def check_photo(station: Caller, sha256: str) -> Response:
        with hub.read() as ledger:
            state = ledger.blob(station.tenant, sha256)
        if state == "verified":
            return answer(wire.BlobState, state="verified")
        if state in ERASED:
            return not_kept(station, sha256)
        data = photos.get(station.tenant, sha256)
        if data is None:
            if state == "refused":
                raise Refused(422, "photo_invalid", "no picture that can be opened")
            raise Refused(404, "photo_absent", "its bytes have not come")
        return judged(station, sha256, data, look_at(sha256, data))

    def look_at(sha256: str, data: bytes) -> str:
        with decoding:
            return judge(sha256, data)

    def judged(station: Caller, sha256: str, data: bytes, code: str) -> Response:
        """Say and keep what was found; only a photo that is where it belongs is ever called verified."""
        watch.photo(code or "verified")
        if code:
            photos.set_aside(station.tenant, sha256)
        if code != "photo_hash_mismatch":
            state = "refused" if code else "verified"
            kept = hub.change(lambda ledger: ledger.keep_blob(station, sha256, kind(data), len(data), state))
            if kept in ERASED:
                # That was ordered while we looked.
                return not_kept(station, sha256)
        if code:
            raise Refused(422, code, "its bytes are others" if "hash" in code else "no picture that can be opened")
        return answer(wire.BlobState, state="verified")

    def not_kept(station: Caller, sha256: str) -> Response:
        """It was erased: what came of it after that, by an address given before, goes too."""
        photos.erase(station.tenant, sha256)
        return answer(wire.BlobState, state="verified", erased=True)

    def within_quota(station: Caller, size: int) -> None:
        with hub.read() as ledger:
            sent = ledger.photo_bytes(station, hub.clock() - timedelta(days=1))
        if sent + size > limits.photo_bytes:
            raise Refused(429, "quota", f"more than {limits.photo_bytes} bytes of photos in a day", after_s=3600)

    # ── What is parked ───────────────────────────────────────────────────────────────────────────────────────────────

    No = Annotated[int, Path(ge=1, lt=wire.MAX_NUMBER, description="By which a parked line is called at this hub.")]

    @app.get("/v1/parked", response_model=wire.Parked, responses=_told(403, 422, *_KNOWN))
    def parked(
        supervisor: Supervisor,
        after: Annotated[int, Query(ge=0, lt=wire.MAX_NUMBER)] = 0,
        limit: Annotated[int, Query(ge=1, le=200)] = 100,
    ) -> Response:
        """What the hub could not take and nobody has dealt with."""
        with hub.read() as ledger:
            rows = ledger.parked(supervisor.tenant, after, limit + 1)
            missing = ledger.count_missing(supervisor.tenant)
        return answer(wire.Parked, parked=rows[:limit], more=len(rows) > limit, photos_missing=missing)

    @app.get("/v1/parked/{no}", response_model=wire.ParkedWhole, responses=_told(403, 404, 422, *_KNOWN))
    def parked_line(no: No, supervisor: Supervisor) -> Response:
        """One parked line, with its bytes."""
        with hub.read() as ledger:
            row = ledger.parked_line(no, supervisor.tenant)
        if row is None:
            raise Refused(404, "not_found")
        return answer(wire.ParkedWhole, parked=wire.ParkedLine.model_validate(row), **_of(row, wire.ParkedWhole))

    @app.post(
        "/v1/parked/{no}/resolve",
        response_model=wire.Resolved,
        openapi_extra=_takes(wire.Resolve, action="void", note="made while the station was being tried out"),
        responses=_told(400, 403, 404, 409, 422, *_KNOWN, *_BODY),
    )
    async def resolve(no: No, request: Request, supervisor: Supervisor) -> Response:
        """Deal with a parked line; the line itself stays."""
        asked = await edge.form(request, wire.Resolve, wire.MAX_WIRE, limits)
        if asked.action != "retry" and not clean(asked.note).strip():
            raise Refused(422, "note_missing", "say why")

        def settle() -> Response:
            try:
                told = {"note": clean(asked.note, 500), "by": supervisor.name, "line": asked.line}
                status, code = hub.change(
                    lambda ledger: ledger.settle(no, asked.action, tenant=supervisor.tenant, **told)
                )
            except Unsettled as error:
                refused = {"not_found": 404, "already_resolved": 409}.get(error.code, 422)
                raise Refused(refused, error.code, error.detail) from error
            return answer(wire.Resolved, no=no, status=status, code=code)

        return await run_in_threadpool(settle)

    # ── Is it well? ──────────────────────────────────────────────────────────────────────────────────────────────────

    @app.get("/livez", response_model=wire.Said)
    @app.get("/v1/livez", response_model=wire.Said)
    def livez() -> Response:
        """Whether the process answers."""
        return answer(wire.Said)

    @app.get("/readyz", response_model=wire.Said, responses=_told(500, 503, 507))
    @app.get("/v1/readyz", response_model=wire.Said, responses=_told(500, 503, 507))
    def readyz() -> Response:
        """Whether it can take what is sent: its store answers, and it does not stop."""
        with hub.read() as ledger:
            ledger.last_change()
        return answer(wire.Said)

    @app.get("/metrics", response_class=Response, responses={200: _METRICS})
    def metrics() -> Response:
        """Figures for Prometheus; NaN for those that only the store knows, while it is in the way."""

        def now() -> dict[str, int]:
            with suppress(StoreError), hub.read() as ledger:
                return {"in_flight": traffic.in_flight, **ledger.figures()}
            return {"in_flight": traffic.in_flight}

        return Response(watch.figures(now), media_type="text/plain; version=0.0.4; charset=utf-8")

    # ── Errors ───────────────────────────────────────────────────────────────────────────────────────────────────────

    @app.exception_handler(Refused)
    def refused(_: Request, error: Refused) -> Response:
        return problem(error.status, error.code, error.title, error.after_s)

    @app.exception_handler(HTTPException)
    def http(request: Request, error: HTTPException) -> Response:
        found = problem(error.status_code, "http")
        if error.status_code == 405:
            # One route knows its own methods only.
            routes = [route for route in app.routes if isinstance(route, Route)]
            here = [route for route in routes if route.path_regex.match(request.url.path)]
            found.headers["allow"] = ", ".join(sorted({method for route in here for method in route.methods or ()}))
        return found

    @app.exception_handler(RequestValidationError)
    def invalid(_: Request, error: RequestValidationError) -> Response:
        return problem(422, "invalid")

    @app.exception_handler(Unreachable)
    def unreachable(_: Request, error: Unreachable) -> Response:
        watch.photo("unreachable")
        watch.broken(error)
        return problem(503, "photos_unavailable", after_s=STALLED_S)

    @app.exception_handler(StoreError)
    def store(_: Request, error: StoreError) -> Response:
        watch.broken(error)
        match error:
            case DiskFull():
                return problem(507, "disk_full")
            case StoreLocked():
                return problem(503, "busy", after_s=BUSY_S)
            case _:
                return problem(503, "store", after_s=60)

    return app


# ── What the OpenAPI says ────────────────────────────────────────────────────────────────────────────────────────────

_A_PHOTO = {"value": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}
_METRICS = {"description": "Figures", "content": {"text/plain": {"schema": {"type": "string"}}}}
_WHY = {
    200: "It is here.",
    400: "Not what is asked for here; nothing of it was done.",
    401: "`token_missing`, `station_revoked`; at enrolment `code_unknown`.",
    403: "`not_station`, `not_supervisor`: the token is good for something else.",
    404: "Not here, or another tenant's: nobody can tell which.",
    408: "`slow`: the body stopped, or took too long.",
    409: "`already_resolved`; at enrolment `code_used`.",
    410: "`cursor_gone`: read from the start; at enrolment `code_expired`; of a photo, it was erased.",
    413: "`too_large`: send less at once.",
    415: "`media_type`, `content_encoding`.",
    422: "`invalid`, or the code of what is wrong with what was sent.",
    429: "`too_many`, `quota`: come back after Retry-After seconds.",
    500: "`internal_error`: what was sent may be the cause.",
    503: "`busy`, `closing`, `store`, `photos_unavailable`: come back after Retry-After seconds.",
    507: "`disk_full`: keep everything.",
}
_KNOWN = (401, 429, 500, 503, 507)
"""What anybody who shows a token may be told."""
_BODY = (408, 413, 415)
"""And anybody who sends something."""
_NDJSON = {
    "requestBody": {
        "required": True,
        "description": f"At most {wire.MAX_EVENTS} events, {wire.MAX_WIRE} bytes as sent (gzip is taken), "
        f"{wire.MAX_UNPACKED} unpacked; one line each, of {wire.MAX_LINE} bytes at most.",
        "content": {wire.NDJSON: {"schema": {"type": "string"}}},
    }
}


def _told(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What else may be answered."""
    return {status: {"model": wire.Problem, "description": _WHY[status]} for status in sorted(set(statuses))}


def _silent(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What may be answered where an answer has no body."""
    return {status: {"description": _WHY[status]} for status in sorted(set(statuses))}


def _takes(form: type[Record], **example: Any) -> dict[str, Any]:
    """What the OpenAPI says of a body that is read here and not by FastAPI, which would read it whole first."""
    content = {"schema": form.model_json_schema(), "example": example}
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


def _of(row: dict[str, Any], form: type[Record]) -> dict[str, Any]:
    """Those columns that the form has a field for."""
    return {name: value for name, value in row.items() if name in form.model_fields}


# ── Cursors ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _cursor(epoch: str, place: Place) -> str:
    return base64.urlsafe_b64encode(f"{epoch} {place.xid} {place.seq}".encode()).decode().rstrip("=")


def _read_cursor(cursor: str, epoch: str) -> Place | None:
    """The last change that was read; None for a cursor that this hub did not give."""
    if not cursor:
        return START
    try:
        whose, *place = base64.urlsafe_b64decode(f"{cursor}===").decode().split(" ")
    except ValueError:
        return None
    if whose != epoch or len(place) != 2 or not all(each.isdecimal() and len(each) < 19 for each in place):
        return None
    return Place(*map(int, place))
