"""What a hub has collected, seen as a station sees its own: the same questions, asked of the hub's store."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Self, cast

from inspect_station.config import Config
from inspect_station.core.barcode import clean
from inspect_station.core.records import Inspection, Parcel
from inspect_station.errors import NotFound
from inspect_station.hub import TENANT, Hub
from inspect_station.hub.ledger import ERASED, Ledger
from inspect_station.message import Message, msg
from inspect_station.outcomes import LineSeen
from inspect_station.reports.daily import Daily
from inspect_station.station import Station
from inspect_station.store import Reader, Store, UnitAtHub


class Collected(Station):
    """The units of one tenant, of all its stations. Only to look: days, languages and rules are the given site's."""

    photo_gone = msg("not at the hub yet")

    def __init__(self, config: Config, hub: Hub, tenant: str) -> None:
        # Both stores have the same doors (see `Hub`), and nothing here goes past them.
        super().__init__(config, cast(Store, hub.store), clock=hub.clock, camera=None, scanner=None)
        self._hub = hub
        self._tenant = tenant

    @classmethod
    def open(cls, config: Config, data: Path, database: str, tenant: str) -> Self:
        """The hub in this folder or database. Raises NotFound where it, or the tenant, is not; StoreError."""
        hub = Hub.find(data, database)
        with hub.read() as ledger:
            known = tenant == TENANT or ledger.has_tenant(tenant)
        if not known:
            hub.close()
            raise NotFound(
                msg("This hub has no station of tenant {tenant}.", tenant=clean(tenant, 60)),
                msg("See which there are: `hub station list`, its first column."),
            )
        return cls(config, hub, tenant)

    @contextmanager
    def _ledger(self) -> Iterator[Ledger]:
        with self._hub.read() as ledger:
            yield ledger

    def show(self, lpn: str) -> Inspection:
        """The newest revision of a unit; NotFound where this tenant has sent none."""
        unit = super().show(lpn)
        if not self.station_of(unit):
            raise NotFound(msg("no unit {lpn} in this store", lpn=lpn), msg("check the label, or search by RMA"))
        return unit

    def show_rma(self, number: str, on: date | None = None) -> tuple[LineSeen, ...]:
        """The lines of an RMA that this tenant was told of. Raises NotFound."""
        with self._ledger() as ledger:
            told = {
                (rma.seller, rma.number)
                for rma in ledger.rmas(number)
                if ledger.has_told(self._tenant, rma.seller, rma.number)
            }
        found = super().show_rma(number, on) if told else ()
        lines = [each for each in found if (each.rma.seller, each.rma.number) in told]
        if not lines:
            raise NotFound(
                msg("no RMA {number} was announced by this hub", number=number),
                msg("units are found by their plates; RMAs are announced with `hub import rmas FILE`"),
            )
        return tuple(lines)

    def daily(self, first: date, last: date, seller: str = "") -> Daily:
        """The grading of these days at all stations of the tenant."""
        return self._daily(self._tenant.upper(), first, last, seller, tenant=self._tenant)

    def parcel_with(self, unit: Inspection) -> Parcel | None:
        """The parcel that a unit came in, as far as its event tells of it."""
        with self._ledger() as ledger:
            return ledger.parcel_told(self._tenant, unit.parcel)

    def parcel_of(self, reader: Reader, seller: str, number: str) -> Parcel | None:
        """The newest parcel in which this RMA arrived at any station of the tenant."""
        return Ledger(reader).parcel_of_told(self._tenant, seller, number)

    def batch_of(self, inspection: str) -> str:
        """Number of the batch in which a unit left; empty while its batch is open, of which only the station knows."""
        with self._ledger() as ledger:
            return ledger.batch_told(self._tenant, inspection)

    def station_of(self, unit: Inspection) -> str:
        """The station that sent the newest revision; empty where none of this tenant did."""
        with self._ledger() as ledger:
            return ledger.sender(self._tenant, unit.id)

    def photos_let_go(self, inspection: str) -> dict[str, str]:
        """Photos of a unit, by SHA-256, that the hub has verified, or that were erased."""
        with self._ledger() as ledger:
            return {
                row["sha256"]: "photo_erased" if row["state"] in ERASED else "photo_at_hub"
                for row in ledger.photos_shown(self._tenant, [inspection])
                if row["state"] in ("verified", *ERASED)
            }

    def hub_state(self, inspection: str) -> tuple[UnitAtHub, Message | None]:
        """What is here was received."""
        return "accepted", None
