"""The hub over HTTP (sync.md §2.3). Limits come before parsing, the token before the body, the tenant from the token.

Every answer, an error too, is a form of `core.wire` and carries the hub's time and epoch.
"""

import base64
import random
from http import HTTPStatus
from typing import Annotated, Any, TypeVar

from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from inspect_station.core import wire
from inspect_station.core.records import Record
from inspect_station.errors import DiskFull, StoreError, StoreLocked
from inspect_station.hub import intake
from inspect_station.hub.admin import Hub, code_hash, new_token, secret_hash
from inspect_station.hub.ledger import Caller, Grant

INGESTS = 16
"""Requests with events that may wait for the one writer; more are asked to come back."""
BUSY_S = 2
CROWD_S = 30
"""Seconds within which those that found no place come back."""
ENROL_BYTES = 4096
"""What a stranger may send."""

_NDJSON = {
    "requestBody": {
        "required": True,
        "description": f"At most {wire.MAX_EVENTS} events, {wire.MAX_WIRE} bytes as sent (gzip is taken), "
        f"{wire.MAX_UNPACKED} unpacked; one line each.",
        "content": {wire.NDJSON: {"schema": {"type": "string"}}},
    }
}

_Form = TypeVar("_Form", bound=Record)


class Refused(Exception):
    """A request that is not carried out."""

    def __init__(self, status: int, code: str, title: str = "", *, after_s: int = 0) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.title = title
        self.after_s = after_s


def create_app(hub: Hub) -> FastAPI:
    """The hub's application; the caller opens and closes the hub."""
    app = FastAPI(title="inspect-station hub", docs_url=None, redoc_url=None)
    ingesting = 0

    def answer(
        form: type[wire.Said], status: int = 200, headers: dict[str, str] | None = None, **told: Any
    ) -> Response:
        said = form(hub_time=hub.clock(), hub_epoch=hub.epoch, **told)
        return Response(said.model_dump_json(), status, headers, media_type="application/json")

    # ── Who calls ────────────────────────────────────────────────────────────────────────────────────────────────────

    def token(request: Request) -> str:
        """The hash of the token that was shown."""
        scheme, _, secret = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not secret:
            raise Refused(401, "token_missing")
        return secret_hash(secret)

    def caller(shown: Annotated[str, Depends(token)]) -> Caller:
        with hub.read() as ledger:
            found = ledger.caller(shown)
        if found is None:
            raise Refused(401, "station_revoked")
        if found.new:
            with hub.write() as ledger:
                ledger.first_used(found, shown)
        return found

    Station = Annotated[Caller, Depends(caller)]

    # ── Stations ─────────────────────────────────────────────────────────────────────────────────────────────────────

    @app.post("/v1/stations/enrol", status_code=201, response_model=wire.Enrolled, openapi_extra=_takes(wire.Enrol))
    async def enrol(request: Request) -> Response:
        asked = await _form(request, wire.Enrol, ENROL_BYTES)
        secret = new_token()

        def use() -> Grant | str:
            with hub.write() as ledger:
                return ledger.enrol(code_hash(asked.code), secret_hash(secret), epoch=asked.epoch, block=asked.block)

        granted = await run_in_threadpool(use)
        match granted:
            case Grant():
                return answer(wire.Enrolled, 201, station_id=granted.station, block=granted.block, token=secret)
            case code:
                status = {"code_used": 409, "code_expired": 410}.get(code, 401)
                raise Refused(status, code)

    @app.post("/v1/stations/me/token", status_code=201, response_model=wire.Token)
    def rotate(station: Station, shown: Annotated[str, Depends(token)]) -> Response:
        secret = new_token()
        with hub.write() as ledger:
            ledger.rotate(station, shown, secret_hash(secret))
        return answer(wire.Token, 201, token=secret)

    # ── Events up ────────────────────────────────────────────────────────────────────────────────────────────────────

    @app.post("/v1/events", response_model=wire.Receipts, openapi_extra=_NDJSON)
    async def events(request: Request, station: Station) -> Response:
        nonlocal ingesting
        if _type(request) != wire.NDJSON:
            raise Refused(415, "media_type", f"events are {wire.NDJSON}")
        encoding = request.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("identity", "gzip"):
            raise Refused(415, "content_encoding", "gzip or nothing")
        if ingesting >= INGESTS:
            # Each at another time: a thousand that were told the same would come back as one.
            raise Refused(503, "busy", after_s=random.randint(BUSY_S, CROWD_S))
        ingesting += 1
        try:
            packed = await _body(request)
            return await run_in_threadpool(ingest, station, packed, encoding)
        finally:
            ingesting -= 1

    def ingest(station: Caller, packed: bytes, encoding: str) -> Response:
        try:
            arrivals = intake.lines(intake.unpack(packed, encoding))
        except intake.TooLarge as error:
            raise Refused(413, "too_large", str(error)) from error
        except intake.Misframed as error:
            raise Refused(400, "framing", str(error)) from error
        with hub.write() as ledger:
            receipts, reached = ledger.ingest(station, arrivals)
        return answer(wire.Receipts, receipts=receipts, contiguous_seq=reached)

    @app.post("/v1/events/known", response_model=wire.Known, openapi_extra=_takes(wire.Ask))
    async def known(request: Request, station: Station) -> Response:
        asked = await _form(request, wire.Ask)
        if len(asked.lines) > wire.MAX_KNOWN:
            raise Refused(413, "too_large", f"more than {wire.MAX_KNOWN} events")

        def look() -> tuple[tuple[str, ...], tuple[str, ...]]:
            with hub.read() as ledger:
                return ledger.unknown(station.tenant, asked.lines)

        missing, differs = await run_in_threadpool(look)
        return answer(wire.Known, missing=missing, differs=differs)

    # ── Changes down ─────────────────────────────────────────────────────────────────────────────────────────────────

    @app.get("/v1/changes", response_model=wire.Changes)
    def changes(
        station: Station,
        feeds: Annotated[str, Query(max_length=200)] = ",".join(wire.FEEDS),
        cursor: Annotated[str, Query(max_length=200)] = "",
        limit: Annotated[int, Query(ge=1, le=wire.MAX_CHANGES)] = 200,
    ) -> Response:
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
        reached = page[-1]["seq"] if page else after
        return answer(wire.Changes, changes=found, cursor=_cursor(hub.epoch, reached), more=more)

    # ── Is it well? ──────────────────────────────────────────────────────────────────────────────────────────────────

    @app.get("/v1/livez", response_model=wire.Said)
    def livez() -> Response:
        return answer(wire.Said)

    @app.get("/v1/readyz", response_model=wire.Said)
    def readyz() -> Response:
        with hub.read() as ledger:
            ledger.last_change()
        return answer(wire.Said)

    # ── Errors ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def problem(status: int, code: str, title: str = "", after_s: int = 0) -> Response:
        headers = {"retry-after": str(after_s)} if after_s else None
        return answer(wire.Problem, status, headers, code=code, title=title or HTTPStatus(status).phrase)

    @app.exception_handler(Refused)
    def refused(_: Request, error: Refused) -> Response:
        return problem(error.status, error.code, error.title, error.after_s)

    @app.exception_handler(HTTPException)
    def http(_: Request, error: HTTPException) -> Response:
        return problem(error.status_code, "http")

    @app.exception_handler(RequestValidationError)
    def invalid(_: Request, error: RequestValidationError) -> Response:
        return problem(422, "invalid")

    @app.exception_handler(StoreError)
    def store(_: Request, error: StoreError) -> Response:
        match error:
            case DiskFull():
                return problem(507, "disk_full")
            case StoreLocked():
                return problem(503, "busy", after_s=BUSY_S)
            case _:
                return problem(503, "store", after_s=60)

    @app.exception_handler(Exception)
    def broken(_: Request, error: Exception) -> Response:
        return problem(500, "internal_error")

    return app


# ── Requests, read with care ─────────────────────────────────────────────────────────────────────────────────────────


def _takes(form: type[Record]) -> dict[str, Any]:
    """What the OpenAPI says of a body that is read here and not by FastAPI, which would read it whole first."""
    schema = form.model_json_schema()
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def _type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def _body(request: Request, limit: int = wire.MAX_WIRE) -> bytes:
    """The body as it was sent, given up as soon as it exceeds the limit."""
    announced = request.headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > limit:
        raise Refused(413, "too_large", f"more than {limit} bytes")
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > limit:
            raise Refused(413, "too_large", f"more than {limit} bytes")
    return bytes(body)


async def _form(request: Request, form: type[_Form], limit: int = wire.MAX_WIRE) -> _Form:
    if _type(request) != "application/json":
        raise Refused(415, "media_type", "application/json")
    body = await _body(request, limit)
    try:
        found: _Form = form.model_validate(await run_in_threadpool(wire.parse, body))
    except ValueError as error:
        raise Refused(400, "framing", "not what is asked for here") from error
    return found


def _cursor(epoch: str, seq: int) -> str:
    return base64.urlsafe_b64encode(f"{epoch} {seq}".encode()).decode().rstrip("=")


def _read_cursor(cursor: str, epoch: str) -> int | None:
    """The number of the last change that was read; None for a cursor that this hub did not give."""
    if not cursor:
        return 0
    try:
        whose, _, seq = base64.urlsafe_b64decode(f"{cursor}===").decode().partition(" ")
        return int(seq) if whose == epoch and seq.isdecimal() and len(seq) < 19 else None
    except ValueError:
        return None
