"""Photos at the hub in their owner's hands: listed, given back, erased; wherever they are kept.

An erased photo leaves a tombstone: its row in ``hub_blob``, with who ordered it, when and why. Its hash stays in the
facts. The tombstone is written first, so that nobody takes the photo from then on, and the bytes go after that; what
comes of it all the same, by an address that was given before, goes when its station asks what became of it.
"""

import hashlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from inspect_station.core.barcode import clean
from inspect_station.errors import NotAllowed, NotFound, StoreError
from inspect_station.hub.admin import OWNER, TENANT, Hub
from inspect_station.hub.ledger import ERASED
from inspect_station.hub.photos import Folder, Photos, Unreachable, place
from inspect_station.message import Message, msg

AT_ONCE = 100
"""Photos in one transaction."""
_ENDS = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp"}


def keeps(hub: Hub, setting: str) -> Photos:
    """The store of photos that a hub is served with, noted so that verbs find it. Raises ConfigError."""
    noted = setting if not setting or "://" in setting else str(Path(setting).resolve())
    hub.change(lambda ledger: ledger.set_meta("photos", noted))
    return _kept(hub)


def _kept(hub: Hub) -> Photos:
    """Where the hub that was last served here keeps its photos. Raises ConfigError."""
    with hub.read() as ledger:
        noted = ledger.meta("photos")
    return place(noted, hub.clock) if noted else Folder(hub.store.folder / "photos")


# ── Which ones ───────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Which:
    """Photos of one tenant: named by their hashes, or all that a unit or the units of an RMA have ever shown."""

    sha256s: Sequence[str] = ()
    lpn: str = ""
    rma: str = ""
    seller: str = ""
    """Whose RMA, where several sellers have one of that number."""
    tenant: str = TENANT


def listed(data: Path, which: Which, *, database: str = "") -> list[dict[str, Any]]:
    """Each photo that a unit shows: lpn, slot, sha256, told_at, station, state (verified, refused, missing, erasing,
    erased), mime, size, erased_at, erased_by, erased_why.

    Raises NotFound for a photo, a unit or an RMA that this hub does not know; NotAllowed where it may be another's.
    """
    with Hub.find(data, database) as hub:
        return _photos(hub, which)


def _photos(hub: Hub, which: Which) -> list[dict[str, Any]]:
    with hub.read() as ledger:
        if which.sha256s:
            rows = ledger.photos_named(which.tenant, which.sha256s)
            unknown = set(which.sha256s) - {row["sha256"] for row in rows}
            if unknown:
                raise NotFound(
                    msg("This hub knows no photo {sha256}.", sha256=clean(min(unknown), 70)),
                    msg("See which there are: `hub photo list --unit LPN`, or --rma NUMBER."),
                )
            return rows
        units = ledger.shown_on(which.tenant, lpn=which.lpn, rma=which.rma, seller=which.seller)
        if not units:
            raise NotFound(
                msg("This hub knows no unit of {number}.", number=clean(which.lpn or which.rma, 60)),
                msg("Check the number; --tenant says whose it is where one hub serves several houses."),
            )
        sellers = sorted(set(units.values()))
        if len(sellers) > 1:
            raise NotAllowed(
                msg("Several sellers have {number}: {sellers}.", number=which.rma, sellers=", ".join(sellers)),
                msg("Say whose it is: --seller CODE."),
            )
        return ledger.photos_shown(which.tenant, units)


# ── Given back ───────────────────────────────────────────────────────────────────────────────────────────────────────


def fetch(data: Path, which: Which, *, database: str = "") -> dict[str, bytes]:
    """The bytes of photos, by names for their files: plate, slot and the beginning of the hash. What is missing or was
    erased is left out, unless it is all.

    Raises NotFound, NotAllowed; StoreError where bytes are not what they were, or cannot be had now.
    """
    with Hub.find(data, database) as hub:
        rows = _photos(hub, which)
        kept = _kept(hub)
        found = {}
        for row in rows:
            if row["state"] == "verified":
                said = "-".join(filter(None, (row["lpn"], row["slot"], row["sha256"][:8])))
                found[_file_name(f"{said}.{_ENDS[row['mime']]}")] = _bytes(kept, which.tenant, row["sha256"])
    if not found:
        raise NotFound(_none(rows), msg("See what became of them: `hub photo list`. The facts stand, with the hashes."))
    return found


def _none(rows: Collection[dict[str, Any]]) -> Message:
    erased = next((row for row in rows if row["state"] in ERASED), None)
    if erased is None:
        return msg("None of these photos is at the hub.")
    return msg(
        "Erased on {at:moment} by {by}: {why}", at=erased["erased_at"], by=erased["erased_by"], why=erased["erased_why"]
    )


def _bytes(kept: Photos, tenant: str, sha256: str) -> bytes:
    with _reached():
        data = kept.get(tenant, sha256)
    if data is None or hashlib.sha256(data).hexdigest() != sha256:
        raise StoreError(
            msg("The photo {sha256} is gone from {place}, or damaged there.", sha256=sha256, place=str(kept)),
            msg("Look where the hub keeps its photos; put it back there from a copy of that folder or bucket."),
        )
    return data


def _file_name(text: str) -> str:
    """A name of our own: plates and slots are what stations sent."""
    return "".join(sign if sign.isascii() and (sign.isalnum() or sign in "-.") else "_" for sign in text)[-120:]


# ── Erased ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Erased:
    """What came of an order to erase."""

    photos: int
    """Whose bytes were deleted, those that an earlier order left among them."""
    absent: int
    """Of which there were none: they never came, or are elsewhere."""
    place: str
    """Where they were looked for."""


def erase(data: Path, which: Which, *, why: str, database: str = "") -> Erased:
    """Erase photos, and finish what an earlier order that broke off has left. All units that show them lose them.

    Raises NotFound, NotAllowed; StoreError where the bytes cannot be deleted now: the same order again goes on.
    """
    with Hub.find(data, database) as hub:
        return _erase(hub, which.tenant, sorted({row["sha256"] for row in _photos(hub, which)}), why)


def over(data: Path, seller: str, days: int, *, tenant: str = TENANT, database: str = "") -> list[str]:
    """Photos, by SHA-256, of a seller's units alone, of which this hub first heard more than so many days ago."""
    with Hub.find(data, database) as hub:
        return _over(hub, seller, days, tenant)


def erase_over(data: Path, seller: str, days: int, *, why: str, tenant: str = TENANT, database: str = "") -> Erased:
    """Erase these; see `over` and `erase`."""
    with Hub.find(data, database) as hub:
        return _erase(hub, tenant, _over(hub, seller, days, tenant), why)


def _over(hub: Hub, seller: str, days: int, tenant: str) -> list[str]:
    with hub.read() as ledger:
        return ledger.photos_heard_before(tenant, seller, hub.clock() - timedelta(days=days))


def _erase(hub: Hub, tenant: str, sha256s: Sequence[str], why: str) -> Erased:
    for at in range(0, len(sha256s), AT_ONCE):
        _order(hub, tenant, sha256s[at : at + AT_ONCE], why)
    kept = _kept(hub)
    with hub.read() as ledger:
        left = ledger.erasing(tenant)
    gone = sum(_delete(hub, kept, tenant, sha256) for sha256 in left)
    return Erased(gone, len(left) - gone, str(kept))


def _order(hub: Hub, tenant: str, sha256s: Sequence[str], why: str) -> None:
    hub.change(lambda ledger: ledger.begin_erasing(tenant, sha256s, by=OWNER, why=clean(why, 500)))


def _delete(hub: Hub, kept: Photos, tenant: str, sha256: str) -> bool:
    with _reached():
        there = kept.erase(tenant, sha256)
    hub.change(lambda ledger: ledger.erased(tenant, sha256))
    return there


@contextmanager
def _reached() -> Iterator[None]:
    """Say it where the store of photos does not answer. Raises StoreError."""
    try:
        yield
    except Unreachable as error:
        raise StoreError(
            msg("The hub's store of photos does not answer: {problem}.", problem=str(error)),
            msg("See that it can be reached from here; the same order again goes on where this one ended."),
        ) from error
