"""Where the hub keeps photos, each under its tenant and the SHA-256 of its bytes: a folder, or an S3 bucket.

A photo is good if its bytes have its hash and are a picture. What is not is set aside, so that the right bytes can
still come, and nobody takes the wrong ones for them. A tenant never learns what another has: nothing is shared.
"""

import base64
import hashlib
import hmac
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import parse_qsl, quote, urlsplit

from inspect_station import pictures
from inspect_station.core import wire
from inspect_station.errors import ConfigError, DeviceError
from inspect_station.message import msg
from inspect_station.store.blobs import Blobs, settle

if TYPE_CHECKING:
    from obstore.store import S3Store

ASIDE = "_aside"
"""Beside the tenants: photos whose bytes were no good. No tenant is called so."""
URL_LIVES = timedelta(minutes=5)
"""How long a photo may be put to a place that was given (sync.md §4)."""


class Unreachable(Exception):
    """The store of photos does not answer, or not as it should: photos wait, nothing else does."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A place outside the hub where a station puts a photo by itself."""

    url: str
    headers: Mapping[str, str]
    """To be sent exactly so."""


class Photos(Protocol):
    """A store of photos. Its methods block; any thread may call them. All raise Unreachable, StoreError."""

    def offer(self, tenant: str, sha256: str, size: int, mime: str) -> Offer | None:
        """Where a station puts these bytes; None where it gives them to the hub."""

    def put(self, tenant: str, sha256: str, data: bytes) -> None:
        """Keep these bytes, which were judged to be good, through a power cut."""

    def get(self, tenant: str, sha256: str) -> bytes | None:
        """The bytes that came for this photo, `wire.MAX_PHOTO` and one more at most; None where none came."""

    def set_aside(self, tenant: str, sha256: str) -> None:
        """Move what came for this photo out of the way."""

    def erase(self, tenant: str, sha256: str) -> bool:
        """Delete what came for this photo, and what of it was set aside; whether anything was there."""


def judge(sha256: str, data: bytes) -> str:
    """What is wrong with the bytes of a photo, as a code; empty where they are good."""
    if hashlib.sha256(data).hexdigest() != sha256:
        return "photo_hash_mismatch"
    if len(data) > wire.MAX_PHOTO or not kind(data):
        return "photo_invalid"
    try:
        pictures.check(data)
    except DeviceError:
        return "photo_invalid"
    return ""


def kind(data: bytes) -> str:
    """What a picture is by its first bytes, one of `wire.PHOTO_TYPES`; empty for anything else."""
    match data[:12]:
        case head if head.startswith(b"\xff\xd8\xff"):
            return "image/jpeg"
        case head if head.startswith(b"\x89PNG\r\n\x1a\n"):
            return "image/png"
        case head if head.startswith(b"RIFF") and head.endswith(b"WEBP"):
            return "image/webp"
    return ""


def place(setting: str, clock: Callable[[], datetime], env: Mapping[str, str] = os.environ) -> Photos:
    """The store that a setting names: a folder, or ``s3://bucket/prefix?endpoint=URL&region=NAME``.

    The keys of an S3 store come from the environment, by the names that Amazon's own tools know. Raises ConfigError.
    """
    if "://" not in setting:
        return Folder(Path(setting))
    parts = urlsplit(setting)
    asked = dict(parse_qsl(parts.query))
    endpoint = asked.pop("endpoint", "")
    region = asked.pop("region", "") or env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION") or "us-east-1"
    keys = Keys(
        env.get("AWS_ACCESS_KEY_ID", ""), env.get("AWS_SECRET_ACCESS_KEY", ""), env.get("AWS_SESSION_TOKEN", "")
    )
    if parts.scheme != "s3" or not parts.netloc or asked or (endpoint and not urlsplit(endpoint).hostname):
        raise ConfigError(
            msg("{value} names no store of photos.", value=setting),
            msg("Give a folder, or s3://BUCKET/PREFIX?endpoint=https://HOST&region=NAME."),
        )
    if not keys.id or not keys.secret:
        raise ConfigError(
            msg("There are no keys for {value}.", value=setting),
            msg("Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the hub's environment."),
        )
    return Bucket(parts.netloc, parts.path.strip("/"), endpoint.rstrip("/"), region, keys, clock)


# ── A folder ─────────────────────────────────────────────────────────────────────────────────────────────────────────


class Folder:
    """Photos on the hub's own disk, as ``TENANT/ab/ab12…``: stations give them to the hub."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __str__(self) -> str:
        return str(self.folder)

    def offer(self, tenant: str, sha256: str, size: int, mime: str) -> Offer | None:
        """None: they go to the hub."""
        return None

    def put(self, tenant: str, sha256: str, data: bytes) -> None:
        """Keep them (see `store.blobs`)."""
        blobs = Blobs(self.folder / tenant)
        try:
            if not blobs.folder.exists():
                blobs.folder.mkdir(parents=True, exist_ok=True)
                settle(self.folder)
                settle(self.folder.parent)
        except OSError as error:
            raise Unreachable(error.strerror) from error
        blobs.put(data)

    def get(self, tenant: str, sha256: str) -> bytes | None:
        """The file, if it is there, whatever it holds: it is judged like any other bytes."""
        try:
            return Blobs(self.folder / tenant).path(sha256).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Unreachable(error.strerror) from error

    def set_aside(self, tenant: str, sha256: str) -> None:
        """Move the file, if it is there, to where nobody looks for it."""
        aside = Blobs(self.folder / ASIDE / tenant).path(sha256)
        try:
            aside.parent.mkdir(parents=True, exist_ok=True)
            Blobs(self.folder / tenant).path(sha256).replace(aside)
        except FileNotFoundError:
            return
        except OSError as error:
            raise Unreachable(error.strerror) from error

    def erase(self, tenant: str, sha256: str) -> bool:
        """Delete the file, through a power cut."""
        return sum(Blobs(self.folder / of).erase(sha256) for of in (tenant, f"{ASIDE}/{tenant}")) > 0


# ── A bucket ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Keys:
    """By what an S3 store knows the hub."""

    id: str
    secret: str
    token: str = ""

    def __repr__(self) -> str:
        return f"Keys({self.id})"


class Bucket:
    """Photos in an S3 bucket, as ``PREFIX/TENANT/ab/ab12…``: stations put them there, past the hub."""

    def __init__(
        self, bucket: str, prefix: str, endpoint: str, region: str, keys: Keys, clock: Callable[[], datetime]
    ) -> None:
        self.bucket = bucket
        self.prefix = prefix
        self.region = region
        self.keys = keys
        self.clock = clock
        # Amazon's own buckets are hosts; other servers know a bucket by its path.
        self.url = f"{endpoint}/{bucket}" if endpoint else f"https://{bucket}.s3.{region}.amazonaws.com"
        self._endpoint = endpoint
        self._opened: S3Store | None = None

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}"

    def offer(self, tenant: str, sha256: str, size: int, mime: str) -> Offer | None:
        """A URL for these very bytes: the store itself refuses others, and a second time, and later."""
        headers = {
            "content-length": str(size),
            "content-type": mime,
            "if-none-match": "*",
            "x-amz-checksum-sha256": base64.b64encode(bytes.fromhex(sha256)).decode(),
        }
        url = f"{self.url}/{quote(self._key(tenant, sha256))}"
        return Offer(presigned("PUT", url, headers, self.keys, self.region, self.clock(), URL_LIVES), headers)

    def put(self, tenant: str, sha256: str, data: bytes) -> None:
        """Keep them, where a station brought them to the hub all the same."""
        self._do(lambda obstore, store: obstore.put(store, self._key(tenant, sha256), data))

    def get(self, tenant: str, sha256: str) -> bytes | None:
        """The object, if it is there and the bucket too."""

        def read(obstore: Any, store: "S3Store") -> Any:
            return obstore.get_range(store, self._key(tenant, sha256), start=0, end=wire.MAX_PHOTO + 1)

        try:
            return bytes(self._do(read))
        except FileNotFoundError as error:
            if "NoSuchBucket" in str(error):
                raise Unreachable("NoSuchBucket") from error
            return None

    def set_aside(self, tenant: str, sha256: str) -> None:
        """Move the object, if it is there, to where nobody looks for it."""
        aside = self._key(f"{ASIDE}/{tenant}", sha256)
        with suppress(FileNotFoundError):
            self._do(lambda obstore, store: obstore.rename(store, self._key(tenant, sha256), aside))

    def erase(self, tenant: str, sha256: str) -> bool:
        """Delete the object; what a bucket with versions keeps of it is for the bucket's own rules."""
        return sum(self._delete(self._key(of, sha256)) for of in (tenant, f"{ASIDE}/{tenant}")) > 0

    def _delete(self, key: str) -> bool:
        there = True
        try:
            self._do(lambda obstore, store: obstore.head(store, key))
        except FileNotFoundError:
            there = False
        try:
            self._do(lambda obstore, store: obstore.delete(store, key))
        except FileNotFoundError as error:
            if "NoSuchBucket" in str(error):
                raise Unreachable("NoSuchBucket") from error
        return there

    def _key(self, tenant: str, sha256: str) -> str:
        return "/".join(part for part in (self.prefix, tenant, sha256[:2], sha256) if part)

    def _do(self, act: Callable[[Any, "S3Store"], Any]) -> Any:
        """Raises FileNotFoundError, Unreachable."""
        import obstore
        from obstore.exceptions import BaseError

        try:
            if self._opened is None:
                self._opened = self._open()
            return act(obstore, self._opened)
        except BaseError as error:
            # The text names the URL, with the bucket and the key, and may repeat a signature.
            raise Unreachable(type(error).__name__) from error

    def _open(self) -> "S3Store":
        from obstore.store import S3Store

        options: dict[str, Any] = {"session_token": self.keys.token} if self.keys.token else {}
        return S3Store(
            self.bucket,
            endpoint=self._endpoint or None,
            region=self.region,
            access_key_id=self.keys.id,
            secret_access_key=self.keys.secret,
            virtual_hosted_style_request=not self._endpoint,
            client_options={
                "allow_http": self._endpoint.startswith("http:"),
                "timeout": "20s",
                "connect_timeout": "5s",
            },
            # A station asks again by itself.
            retry_config={"max_retries": 1, "retry_timeout": timedelta(seconds=10)},
            **options,
        )


def presigned(
    method: str, url: str, headers: Mapping[str, str], keys: Keys, region: str, at: datetime, lives: timedelta
) -> str:
    """A URL by which one request of exactly these headers may be made, until its time is over.

    AWS Signature Version 4 with a signed query (Amazon S3 API Reference, "Authenticating Requests: Using Query
    Parameters"). obstore signs URLs too, but for any bytes: neither length nor checksum nor If-None-Match.
    """
    parts = urlsplit(url)
    stamp = at.strftime("%Y%m%dT%H%M%SZ")
    scope = f"{stamp[:8]}/{region}/s3/aws4_request"
    signed = {"host": parts.netloc, **headers}
    names = ";".join(sorted(signed))
    query = {
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": f"{keys.id}/{scope}",
        "X-Amz-Date": stamp,
        "X-Amz-Expires": str(int(lives.total_seconds())),
        "X-Amz-SignedHeaders": names,
        **({"X-Amz-Security-Token": keys.token} if keys.token else {}),
    }
    asked = "&".join(f"{name}={quote(value, safe='-_.~')}" for name, value in sorted(query.items()))
    lines = "".join(f"{name}:{signed[name].strip()}\n" for name in sorted(signed))
    request = "\n".join((method, parts.path, asked, lines, names, "UNSIGNED-PAYLOAD"))
    text = "\n".join(("AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(request.encode()).hexdigest()))
    key = f"AWS4{keys.secret}".encode()
    for step in scope.split("/"):
        key = hmac.digest(key, step.encode(), "sha256")
    return f"{url}?{asked}&X-Amz-Signature={hmac.digest(key, text.encode(), 'sha256').hex()}"
