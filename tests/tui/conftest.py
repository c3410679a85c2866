"""A small station on a temporary folder, and an operator with a scanner, ten fingers and a steppable clock."""

import asyncio
import hashlib
import shutil
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from PIL import Image
from textual.pilot import Pilot

from inspect_station import config
from inspect_station.station import Station, open_station
from inspect_station.tui.app import StationApp
from inspect_station.tui.scene import AtDesk

BADGES = {"operator": "BDG-0123456789ABCDEF", "french": "BDG-1123456789ABCDEF", "supervisor": "BDG-2123456789ABCDEF"}
PIN = "2580"

CODES = {
    "charger": "3760311200144",
    "lamp": "3760311300165",
    "vase": "3760311300172",
    "phone": "3760311200014",
    "kettle": "3760311300110",
    "buds": "3760311200090",
    "cream": "3760311500275",
    "picnic": "3760311300202",
}
IMEI = "356938035643809"
IMEIS = ("490154203237518", "352099001761481", "357805023984942", "354850020000014")
"""Of four more phones, each with its right check digit."""

PRODUCTS = f"""gtin,seller,sku,title,category,device_class,price,currency,accessories,hygiene,hazard
{CODES["charger"]},nord,NO-1,USB-C charger 65 W,electronics,,29.90,EUR,,0,
{CODES["lamp"]},lumo,LU-1,Oak desk lamp,general,,49.00,EUR,Shade,0,
{CODES["vase"]},lumo,LU-2,Blown glass vase 30 cm,general,,24.50,EUR,,0,
{CODES["phone"]},nord,NO-2,Fjord P5 128 GB black,electronics,phone,399.00,EUR,USB-C cable;Ejector pin,0,
{CODES["kettle"]},lumo,LU-3,Kettle 1.7 l steel,appliance,appliance,34.90,EUR,Base,0,
{CODES["buds"]},nord,NO-3,Silent Buds in-ear,electronics,headphones,99.00,EUR,Charging case;Ear tips*,0,
{CODES["cream"]},plume,PL-1,Day cream 50 ml,beauty,,32.00,EUR,,1,
{CODES["picnic"]},lumo,LU-4,Picnic set for four,general,,69.00,EUR,Basket;Plates;Napkins*,0,
"""

RMA_HEADER = "rma,seller,channel,order,customer,gtin,quantity,reason,sold_as,serial,requested_on,delivered_on,"
RMA_HEADER += "defect_reported_on,postmarked_on,site,tracking,paid,currency"


def _rma(number: str, product: str, *, reason: str = "CHANGED_MIND", quantity: int = 1, **about: str) -> str:
    seller = SELLER_OF[product]
    order = f"402-1000000-{int(number[-4:]):07d}"
    dates = {
        "requested": "2026-11-16",
        "delivered": "2026-11-02",
        "reported": "",
        "postmarked": "2026-11-18",
    } | about
    return ",".join(
        (
            number, seller, "amazon", order, "buyer", CODES[product], str(quantity), reason, "new",
            about.get("serial", ""), dates["requested"], dates["delivered"], dates["reported"], dates["postmarked"],
            about.get("site", ""), f"6A{number[-4:]}0000000", about.get("paid", "49.00"), "EUR",
        )
    )  # fmt: skip


SELLER_OF = dict.fromkeys(("charger", "phone", "buds"), "nord") | dict.fromkeys(
    ("lamp", "vase", "kettle", "picnic"), "lumo"
)
SELLER_OF["cream"] = "plume"

RMAS = "\n".join(
    (
        RMA_HEADER,
        _rma("ML-4001", "lamp"),
        _rma("ML-4002", "lamp"),
        _rma("ML-4003", "vase", quantity=12),
        _rma("ML-4004", "lamp"),
        _rma("ML-4004", "vase", quantity=2),
        _rma("ML-4004", "kettle"),
        _rma("ML-4005", "vase", quantity=2),
        _rma("ML-4006", "picnic"),
        _rma("ML-4007", "lamp", delivered="2026-09-23", requested="2026-11-02", postmarked="2026-11-04"),
        _rma("ML-4008", "lamp", site="LYS2"),
        _rma("ML-4009", "kettle"),
        _rma("ML-4010", "lamp", postmarked="", requested="", delivered="2026-10-20"),
        _rma("NT-4001", "phone", serial=IMEI, paid="399.00"),
        _rma("NT-4002", "charger", reason="DEFECTIVE", delivered="2026-10-28", reported="2026-11-17", paid="29.90"),
        _rma("NT-4003", "charger", reason="DEFECTIVE", reported="2026-11-10", paid="29.90"),
        _rma("NT-4004", "buds", paid="99.00"),
        _rma("AP-4001", "cream", paid="32.00"),
        *(_rma(f"ML-{number}", "lamp") for number in range(4101, 4111)),
        *(_rma(f"NT-{4101 + n}", "phone", serial=imei, paid="399.00") for n, imei in enumerate(IMEIS)),
        _rma("NT-4105", "charger", reason="DEFECTIVE", reported="2026-11-10", paid="29.90"),
    )
)


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


CONFIG = f"""
[station]
name = "DOCK-3"
zone = "Europe/Paris"
locale = "LOCALE"
sound = false

[limits]
ballast_mb = 0

[camera]
kind = "folder"
folder = "camera"

[[printers]]
name = "labels"
kind = "file"
folder = "printed"

[[operators]]
code = "ana"
name = "Ana B."
badge_sha256 = "{_sha(BADGES["operator"])}"

[[operators]]
code = "luc"
name = "Luc D."
locale = "fr"
badge_sha256 = "{_sha(BADGES["french"])}"

[[operators]]
code = "sup"
name = "Supervisor"
role = "supervisor"
badge_sha256 = "{_sha(BADGES["supervisor"])}"
pin_argon2 = "PIN"

[[sellers]]
code = "lumo"
name = "Maison Lumo"
rma_pattern = 'ML-\\d{{4}}'
criteria = {{ used = "Marks that a cloth does not take off.", lightly_damaged = "Anything a nail catches." }}

[[sellers]]
code = "nord"
name = "Nordlys Tech"
rma_pattern = 'NT-\\d{{4}}'

[[sellers]]
code = "plume"
name = "Atelier Plume"
rma_pattern = 'AP-\\d{{4}}'

[[sites]]
code = "LYS2"
name = "Returns hall 2"
address = ["Returns hall 2", "Dock 7", "69000 LYON"]
"""


class Clock:
    """One time for the station and for the keys; it moves only when a hand moves."""

    def __init__(self) -> None:
        self.s = 0.0
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """The time of day."""
        return datetime(2026, 11, 22, 9, 42, tzinfo=UTC) + timedelta(seconds=self.s)

    def mono(self) -> float:
        """The clock of the keys."""
        return self.s


NAMES = {"Enter": "enter", "Space": " ", "Esc": "escape", "Tab": "tab", "Down": "down", "Up": "up", "Right": "right"}


class Operator:
    """Presses keys 0.7 s apart and scans with gaps of 4 ms, unless told otherwise; waits until all is done."""

    def __init__(self, app: StationApp, pilot: Pilot[int], clock: Clock) -> None:
        self.app = app
        self.pilot = pilot
        self.clock = clock
        self.station: Station = app.station

    def key(self, name: str, after: float = 0.0) -> None:
        """One key, without waiting for what comes of it."""
        self.clock.s += after
        function = name[0] == "F" and name[1:].isdecimal()
        self.app.key(self.clock.s, name.lower() if function else NAMES.get(name, name))

    async def rest(self, seconds: float = 0.3) -> None:
        """Take the hands off, and let everything happen."""
        self.clock.s += seconds
        self.app.tick(self.clock.s)
        await self.app.settled()

    async def press(self, *keys: str) -> None:
        """Keys at a calm pace."""
        for key in keys:
            self.key(key, after=0.4)
            await self.rest()

    async def write(self, text: str) -> None:
        """Text, letter by letter."""
        await self.press(*text)

    async def scan(self, code: str, gap: float = 0.004) -> None:
        """A code from the scanner, with its Enter."""
        self.burst(code, gap)
        await self.rest()

    def burst(self, code: str, gap: float = 0.004) -> None:
        """A code from the scanner, without waiting for what comes of it."""
        self.clock.s += 1.0
        for sign in code:
            self.key(sign, after=gap)
        self.key("Enter", after=gap)

    async def sign_in(self, who: str = "operator") -> None:
        """Scan a badge."""
        await self.scan(BADGES[who])
        if who == "supervisor":
            await self.write(PIN)
            await self.press("Enter")

    async def start(self, rma: str, *products: str) -> None:
        """Scan an RMA, and articles of it."""
        await self.scan(rma)
        for product in products:
            await self.scan(CODES[product])

    async def painted(self) -> None:
        """Wait until what was decided is on the screen, pictures too."""
        await self.app.workers.wait_for_complete()
        shown = asyncio.Event()
        self.app.call_after_refresh(shown.set)
        await shown.wait()

    async def lines(self) -> list[str]:
        """The screen as text."""
        await self.painted()
        return [strip.text.rstrip() for strip in self.app.screen._compositor.render_strips()]

    async def screen(self) -> str:
        """The screen as one text."""
        return "\n".join(await self.lines()) + "\n"

    @property
    def at_desk(self) -> bool:
        """Whether the desk is in view."""
        return isinstance(self.app.scene.place, AtDesk)


Dock = Callable[..., AbstractAsyncContextManager[Operator]]


@pytest.fixture(scope="session")
def _shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that each test gets a copy of: lists imported, pictures in the camera."""
    from argon2 import PasswordHasher

    folder = tmp_path_factory.mktemp("shop") / "station"
    (folder / "camera").mkdir(parents=True)
    pin = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PIN)
    shop = CONFIG.replace('"PIN"', f"'{pin}'")
    (folder / "station.toml").write_text(shop, encoding="utf-8")
    ready = folder.with_name("ready.toml")
    ready.write_text(shop.replace("LOCALE", "en").replace("[station]", f"[station]\ndata = '{folder}/data'"))
    for n, name in enumerate(("a.png", "setup_screen.png")):
        squares = Image.new("RGB", (8, 6))
        squares.putdata([((90 * n + 60), 200 * ((x + y) % 2), 120) for y in range(6) for x in range(8)])
        squares.resize((320, 240), Image.Resampling.NEAREST).save(folder / "camera" / name)
    with open_station(config.load(ready), clock=Clock().now) as station:
        station.import_products(PRODUCTS.encode())
        station.import_rmas(RMAS.encode())
    return folder


@pytest.fixture
def folder(_shop: Path, tmp_path: Path) -> Path:
    """The station's own folder."""
    return shutil.copytree(_shop, tmp_path / "station")


@pytest.fixture
def dock(folder: Path) -> Dock:
    """``async with dock() as operator``: the app at 80 × 24, signed in, plates from block DK3T; printing only in
    ``background``."""

    @asynccontextmanager
    async def open_dock(
        size: tuple[int, int] = (80, 24),
        *,
        who: str = "operator",
        background: bool = False,
        training: bool = False,
        locale: str = "en",
    ) -> AsyncIterator[Operator]:
        path = folder / "station.toml"
        path.write_text(path.read_text(encoding="utf-8").replace("LOCALE", locale), encoding="utf-8")
        clock = Clock()
        with open_station(config.load(path), clock=clock.now, running=True, training=training) as station:
            with station.store.write() as writer:
                # The copied store has begun a block of its own.
                writer.set_meta("block", "DK3T")
            app = StationApp(station, now=clock.mono)
            if background:
                station.start(app.notify_changed)
            async with app.run_test(size=size) as pilot:
                await app.settled()
                operator = Operator(app, pilot, clock)
                if who:
                    await operator.sign_in(who)
                yield operator

    return open_dock
