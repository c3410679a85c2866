"""Make the demo's folder: configuration, lists, pictures, store and scan sheet."""

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from inspect_station import config as configuration
from inspect_station import playbooks
from inspect_station.badges import fingerprint, new_badge
from inspect_station.core.records import Operator, Role
from inspect_station.demo import goods
from inspect_station.demo.goods import Goods, Play, Row
from inspect_station.errors import Exit, StationError, StoreError, StoreLocked
from inspect_station.message import msg
from inspect_station.station import open_station
from inspect_station.store import Store

MARKER = "demo.json"
"""The file that says that a folder is the demo's own and may be made anew."""

PIN = "2580"
SUPERVISOR = Operator(code="sup", name="Supervisor", role=Role.SUPERVISOR)
FORMS = {"lumo": "ML-4{:04d}", "nord": "NT-4{:04d}", "plume": "AP-4{:04d}", "relais": "RC-4{:04d}"}


class NotADemo(StationError):
    """The folder holds something else."""

    exit_code = Exit.USAGE


@dataclass(frozen=True)
class Parcel:
    """One parcel to play through: scan all of ``scans`` in order, then press ``keys``."""

    kind: str
    scans: tuple[str, ...]
    keys: tuple[str, ...]
    expect: dict[str, str | None]
    note: str = ""
    title: str = ""


@dataclass(frozen=True)
class Demo:
    """A ready demo."""

    dir: str
    config: str
    printer_dir: str
    badge: str
    badges: dict[str, str]
    """Role or language to badge."""
    parcels: tuple[Parcel, ...]

    @property
    def sheet(self) -> str:
        """Where the scan sheet lies."""
        return str(Path(self.dir) / "scan-sheet.pdf")

    def json(self) -> dict[str, Any]:
        """The form that `demo --no-tui --json` prints."""
        return asdict(self)


def prepare(folder: Path, *, fresh: bool = False, today: date | None = None) -> Demo:
    """Make the demo in ``folder``, or take the one that is there; ``fresh`` makes it anew.

    Raises NotADemo when the folder holds other files, and the errors of the store.
    """
    marker = folder / MARKER
    if marker.exists() and not fresh:
        return _read(marker)
    if folder.exists() and any(folder.iterdir()) and not marker.exists():
        raise NotADemo(
            msg("{folder} is not empty and not a demo: nothing was touched", folder=str(folder)),
            msg("name another folder with --dir"),
        )
    if marker.exists():
        _not_in_use(folder / "data")
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    marker.write_text("{}", encoding="utf-8")
    demo = _build(folder, today or datetime.now(UTC).date())
    marker.write_text(json.dumps(demo.json(), ensure_ascii=False, indent=2), encoding="utf-8")
    return demo


def _not_in_use(data: Path) -> None:
    """A demo that is running is never removed under it. Raises StoreLocked."""
    if not (data / "store.db").exists():
        return
    try:
        Store.open(data, clock=lambda: datetime.now(UTC), station="DOCK-3", running=True).close()
    except StoreLocked:
        raise
    except StoreError:
        return  # a damaged demo may go


def _read(marker: Path) -> Demo:
    body = json.loads(marker.read_text(encoding="utf-8"))
    parcels = tuple(
        Parcel(**{**each, "scans": tuple(each["scans"]), "keys": tuple(each["keys"])}) for each in body["parcels"]
    )
    return Demo(**{**body, "parcels": parcels})


def _build(folder: Path, today: date) -> Demo:
    badges = {role: new_badge() for role in ("operator", "operateur", "supervisor")}
    for name in ("data", "camera", "printed", "playbooks"):
        (folder / name).mkdir(exist_ok=True)
    path = folder / "station.toml"
    path.write_text(_config(badges), encoding="utf-8")
    plays = tuple(goods.plays())
    numbered = tuple(_numbered(plays))
    (folder / "products.csv").write_text(_products(), encoding="utf-8")
    (folder / "rmas.csv").write_text(_rmas(numbered, today), encoding="utf-8")
    from inspect_station.demo import pictures, sheet

    pictures.draw(folder / "camera")
    following = [number for _, number in numbered[1:]] + [""]
    parcels = tuple(_parcel(play, number, after) for (play, number), after in zip(numbered, following, strict=True))
    # What F5 reads: the RMA of the first parcel.
    pictures.draw_label(folder / "camera", parcels[0].scans[0])
    shutil.copy(Path(__file__).with_name("lumo.toml"), folder / "playbooks")
    for grade, slot in (("used", "state"), ("lightly-damaged", "damage")):
        shutil.copy(folder / "camera" / f"{slot}.jpg", folder / "playbooks" / f"lumo-{grade}.jpg")
    with open_station(configuration.load(path)) as station:
        book = playbooks.opened(folder / "playbooks" / "lumo.toml", station.rulebook.site)
        station.rulebook.activate(station.store, book, SUPERVISOR)
        station.import_products((folder / "products.csv").read_bytes())
        station.import_rmas((folder / "rmas.csv").read_bytes())
    sheet.write(folder / "scan-sheet.pdf", parcels, badges, PIN)
    return Demo(
        dir=str(folder),
        config=str(path),
        printer_dir=str(folder / "printed"),
        badge=badges["operator"],
        badges=badges,
        parcels=parcels,
    )


def _config(badges: dict[str, str]) -> str:
    from argon2 import PasswordHasher

    sellers = "\n".join(_table("sellers", seller) for seller in goods.SELLERS)
    operators = "\n".join(
        _table("operators", operator)
        for operator in (
            {"code": "op1", "name": "Operator", "badge_sha256": fingerprint(badges["operator"])},
            {
                "code": "op2",
                "name": "Opérateur",
                "locale": "fr",
                "badge_sha256": fingerprint(badges["operateur"]),
            },
            {
                "code": SUPERVISOR.code,
                "name": SUPERVISOR.name,
                "role": SUPERVISOR.role,
                "badge_sha256": fingerprint(badges["supervisor"]),
                "pin_argon2": PasswordHasher().hash(PIN),
            },
        )
    )
    return f"""# The demo's station: only what differs from the shipped defaults.

[station]
name = "DOCK-3"
site = "LYS1"

[camera]
kind = "folder"
folder = "camera"

[[printers]]
name = "labels"
kind = "file"
folder = "printed"

[limits]
ballast_mb = 0           # a demo needs no reserve on the disk

[[sites]]
code = "LYS2"
name = "Returns hall 2"
address = ["Returns hall 2", "Dock 7", "69000 LYON"]

{operators}
{sellers}
"""


def _table(name: str, values: dict[str, Any]) -> str:
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()]
    patterns = {"sellers": lambda: f"rma_pattern = '{FORMS[values['code']][:4]}\\d{{4}}'"}
    if name in patterns:
        lines.append(patterns[name]())
    return "\n".join([f"[[{name}]]", *lines, ""])


def _numbered(plays: Sequence[Play]) -> Iterator[tuple[Play, str]]:
    """Each play with the number of its RMA; empty for those that have none of their own."""
    for index, play in enumerate(plays, start=1):
        yield play, FORMS[goods.product(play.rows[0].key).seller].format(index) if play.rows else ""


def _parcel(play: Play, number: str, following: str) -> Parcel:
    def code(scan: str) -> str:
        match scan.partition(":"):
            case ("rma", _, ""):
                return number
            case ("next", _, ""):
                return following
            case ("ean", _, ""):
                return goods.product(play.rows[0].key).ean
            case ("ean", _, key):
                return goods.product(key).ean
            case ("serial", _, ""):
                return play.rows[0].serial
            case _:
                return scan

    expect = {"grade": play.grade, "disposition": play.disposition}
    title = goods.product(play.rows[0].key).title if play.rows else ""
    return Parcel(play.kind, tuple(code(scan) for scan in play.scans), play.keys, expect, play.note, title)


def _csv(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    import csv
    import io

    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue()


def _products() -> str:
    header = (
        "gtin", "seller", "sku", "title", "category", "device_class", "price", "currency", "accessories", "hygiene",
        "hazard", "weight_g", "components",
    )  # fmt: skip

    def row(item: Goods) -> Sequence[object]:
        sku = f"{item.seller[:2].upper()}-{item.key}"
        return (
            item.ean, item.seller, sku, item.title, item.category, item.device_class, item.price, "EUR",
            item.accessories, item.hygiene, item.hazard, item.weight_g, item.components,
        )  # fmt: skip

    return _csv(header, [row(item) for item in goods.PRODUCTS])


def _rmas(numbered: Sequence[tuple[Play, str]], today: date) -> str:
    header = (
        "rma", "seller", "channel", "order", "customer", "gtin", "quantity", "reason", "sold_as", "serial",
        "requested_on", "delivered_on", "latest_estimated_on", "defect_reported_on", "postmarked_on", "site",
        "tracking", "fulfilment", "paid", "currency",
    )  # fmt: skip
    rows: list[Sequence[object]] = []
    for n, (play, number) in enumerate(numbered, start=1):
        for row in play.rows:
            rows.append(_rma_row(play, number, row, n, today))
    return _csv(header, rows)


def _rma_row(play: Play, number: str, row: Row, n: int, today: date) -> Sequence[object]:
    item = goods.product(row.key)

    def back(days: int | None) -> str:
        return "" if days is None else (today - timedelta(days=days)).isoformat()

    # One customer sends back everything that is sealed: more than a seller's norm, so that a signal is seen.
    buyer = "buyer 0" if play.kind == "sealed" else f"buyer {n}"
    order = f"402-{1_000_000 + n * 7919:07d}-{2_000_000 + n * 104_729:07d}"
    return (
        number, item.seller, play.channel, order, buyer, item.ean, row.quantity, row.reason, row.sold_as,
        row.serial, back(row.requested), back(row.delivered), back(row.latest), back(row.reported),
        back(row.postmarked), play.site, f"6A{n:011d}", play.fulfilment, item.price, "EUR",
    )  # fmt: skip
