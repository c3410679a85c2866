"""The demo's sellers, products and parcels: one row a parcel, with what the station must make of it.

Expected results are written by hand from domain.md; the end-to-end test drives the real screens with these rows.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

SELLERS = (
    {"code": "lumo", "name": "Maison Lumo"},
    {"code": "nord", "name": "Nordlys Tech"},
    {"code": "plume", "name": "Atelier Plume", "apparel_as_new": True},
    {"code": "relais", "name": "Relais Culture", "not_met": "tell"},
)


@dataclass(frozen=True)
class Goods:
    """One product of the demo's catalogue."""

    key: str
    seller: str
    twelve: str
    """The GTIN-13 without its check digit."""
    title: str
    category: str
    price: str
    device_class: str = ""
    accessories: str = ""
    hygiene: int = 0
    hazard: str = ""
    components: str = ""
    weight_g: int = 500

    @property
    def ean(self) -> str:
        """The thirteen digits."""
        from stdnum import ean

        return self.twelve + ean.calc_check_digit(self.twelve)


PRODUCTS = (
    Goods("phone", "nord", "376031120001", "Fjord P5 128 GB black", "electronics", "399.00", "phone",
          "USB-C cable;Ejector pin"),
    Goods("phone-lite", "nord", "376031120002", "Fjord P5 Lite 64 GB blue", "electronics", "249.00", "phone",
          "USB-C cable;Ejector pin"),
    Goods("tablet", "nord", "376031120003", "Fjord Tab 10 64 GB", "electronics", "329.00", "tablet", "Charger;Cable"),
    Goods("laptop", "nord", "376031120004", "Fjord Book 14 512 GB", "electronics", "899.00", "laptop", "Charger"),
    Goods("desktop", "nord", "376031120005", "Fjord Mini PC 256 GB", "electronics", "549.00", "desktop",
          "Power adapter"),
    Goods("console", "nord", "376031120006", "Kubo One console", "electronics", "299.00", "console",
          "Controller;HDMI cable;Power cable"),
    Goods("camera", "lumo", "376031130007", "Objectif X20 camera kit", "electronics", "649.00", "camera",
          "Battery;Charger;Lens cap"),
    Goods("router", "nord", "376031120008", "Nordlys Wi-Fi 6 router", "electronics", "129.00", "router",
          "Power adapter;Antennas"),
    Goods("buds", "nord", "376031120009", "Silent Buds in-ear", "electronics", "99.00", "headphones",
          "Charging case;Ear tips*"),
    Goods("headphones", "nord", "376031120010", "Silent NC 40 over-ear", "electronics", "199.00", "headphones",
          "USB-C cable;Case"),
    Goods("kettle", "lumo", "376031130011", "Kettle 1.7 l steel", "appliance", "34.90", "appliance", "Base"),
    Goods("blender", "lumo", "376031130012", "Hand blender 800 W", "appliance", "59.90", "appliance",
          "Whisk;Beaker"),
    Goods("charger", "nord", "376031120014", "USB-C charger 65 W", "electronics", "29.90"),
    Goods("powerbank", "nord", "376031120015", "Power bank 20 000 mAh", "electronics", "45.00", hazard="lithium"),
    Goods("lamp", "lumo", "376031130016", "Oak desk lamp", "general", "49.00", accessories="Shade"),
    Goods("vase", "lumo", "376031130017", "Blown glass vase 30 cm", "general", "24.50"),
    Goods("chair", "lumo", "376031130018", "Folding garden chair", "general", "39.90"),
    Goods("blocks", "lumo", "376031130019", "Wooden blocks, 100 pieces", "general", "27.90"),
    Goods("picnic", "lumo", "376031130020", "Picnic set for four", "general", "69.00",
          components="Basket 40%;Plates 35%;Cutlery 25%"),
    Goods("book", "relais", "978207036002", "Cookbook of the four seasons", "media", "25.00"),
    Goods("dvd", "relais", "376031140022", "Documentary box, 3 DVD", "media", "34.99"),
    Goods("vinyl", "relais", "376031140023", "Piano works, vinyl", "media", "27.00"),
    Goods("software", "relais", "376031140024", "Photo studio, boxed licence", "software", "89.00"),
    Goods("shirt", "plume", "376031150025", "Linen shirt, size M", "apparel", "39.00"),
    Goods("shoes", "plume", "376031150026", "Canvas shoes, size 41", "apparel", "89.00", accessories="Laces*"),
    Goods("cream", "plume", "376031150027", "Day cream 50 ml", "beauty", "32.00", hygiene=1),
    Goods("brush", "plume", "376031150028", "Make-up brush set", "beauty", "28.00", hygiene=1),
    Goods("nightwear", "plume", "376031150029", "Silk underwear set", "intimate", "45.00", hygiene=1),
    Goods("chocolate", "lumo", "376031130030", "Chocolate assortment 400 g", "perishable", "18.00"),
    Goods("fuel", "lumo", "376031130031", "Lamp oil 1 l", "general", "9.90", hazard="flammable"),
    Goods("cartridge", "lumo", "376031130032", "Gas cartridge 450 g", "general", "12.00", hazard="gas"),
)  # fmt: skip


def product(key: str) -> Goods:
    """A product by its short name."""
    return next(goods for goods in PRODUCTS if goods.key == key)


@dataclass(frozen=True)
class Row:
    """One line of an RMA. Days count back from today; None = unknown."""

    key: str
    quantity: int = 1
    reason: str = "CHANGED_MIND"
    delivered: int | None = 20
    requested: int | None = 6
    postmarked: int | None = 4
    reported: int | None = None
    latest: int | None = None
    sold_as: str = "new"
    serial: str = ""


@dataclass(frozen=True)
class Play:
    """One parcel: what is scanned, what is pressed, and what must come of it."""

    kind: str
    scans: tuple[str, ...]
    """``rma``, ``next`` (the RMA of the next play), ``ean`` (of the first row), ``ean:key`` (of a product),
    ``serial``, or the code itself."""
    keys: tuple[str, ...]
    grade: str | None
    disposition: str
    rows: tuple[Row, ...] = ()
    channel: str = "amazon"
    fulfilment: str = "seller"
    site: str = ""
    note: str = ""
    """Said on the scan sheet."""
    units: int = 1
    serial: str = field(default="", compare=False)


def _k(keys: str) -> tuple[str, ...]:
    return tuple(keys.split())


RMA_EAN = ("rma", "ean")
TESTS = "Space 8 7 Enter"


def plays() -> Iterator[Play]:
    """Every parcel kind of domain.md §4, several of the common ones."""
    for key in ("charger", "lamp", "vase", "chair", "blocks", "shirt", "phone", "laptop", "kettle"):
        yield Play("sealed", RMA_EAN, _k("1"), "new", "restock", (Row(key),))
    yield Play("sealed", RMA_EAN, _k("1"), "new", "restock", (Row("book"),))
    yield Play("sealed", RMA_EAN, _k("1"), "new", "restock", (Row("dvd"),), channel="shop")
    for key in ("charger", "lamp", "chair"):
        yield Play("opened", RMA_EAN, _k("2 Enter"), "opened_packaging", "clearance", (Row(key),))
    yield Play("opened", RMA_EAN, _k("2 Enter"), "opened_packaging", "clearance", (Row("blocks"),), channel="shop")
    for key in ("lamp", "chair", "shoes"):
        yield Play("used", RMA_EAN, _k("3 f Enter p Enter"), "used", "clearance", (Row(key),))
    yield from _phones()
    yield from _devices()
    for key in ("chair", "lamp", "blocks"):
        yield Play("damaged", RMA_EAN, _k("4 f Enter p p Enter"), "lightly_damaged", "clearance", (Row(key),))
    yield Play("heavily damaged", RMA_EAN, _k("5 f Enter p p Enter"), "heavily_damaged", "hold", (Row("chair"),))
    for key in ("lamp", "charger"):
        yield Play(
            "defective", RMA_EAN, _k("6 f Enter p Enter"), "defective", "return_to_seller",
            (Row(key, reason="DEFECTIVE", delivered=18, reported=8),),
        )  # fmt: skip
    yield Play("wrong item", ("rma", "ean:vase"), _k("Enter p Enter"), None, "hold", (Row("lamp"),))
    yield Play("wrong item", ("rma", "ean:phone-lite"), _k("Enter p Enter"), None, "hold", (Row("phone"),))
    for key in ("phone", "shoes"):
        yield Play("empty box", ("rma",), _k("x p Enter"), None, "hold", (Row(key),))
    yield Play("unknown code", ("4006381333931",), _k("Enter p p 1 Enter"), None, "hold")
    yield Play("unknown code", ("PARCEL-WITHOUT-RMA",), _k("Enter p p 2 Enter"), None, "hold")
    yield Play("danger", ("rma",), _k("0"), None, "quarantine", (Row("powerbank", reason="DEFECTIVE", reported=8),))
    yield from _not_ours()
    yield from _several()


def _phones() -> Iterator[Play]:
    imei = ("356938035643809", "490154203237518", "352099001761481", "357805023984942", "354850020000014")
    scans = ("rma", "ean", "serial")

    def phone(kind: str, n: int, keys: str, grade: str, to: str, reason: str = "CHANGED_MIND") -> Play:
        reported = 9 if reason == "DEFECTIVE" else None
        row = Row("phone" if n % 2 else "phone-lite", serial=imei[n], reason=reason, reported=reported)
        return Play(kind, scans, _k(keys), grade, to, (row,), serial=imei[n])

    yield phone("phone", 0, f"{TESTS} 3 p Space Space p Enter", "used", "clearance")
    yield phone("phone", 1, f"{TESTS} 3 p Space Space p Enter", "used", "clearance")
    yield phone("phone, damaged", 2, f"{TESTS} 4 f Enter p Space Space p Enter", "lightly_damaged", "clearance")
    yield phone("phone, account locked", 3, f"{TESTS} 3 1 Enter p Enter", "used", "hold")
    yield phone("phone, dead", 4, "1 Enter p Enter", "defective", "return_to_seller", "DEFECTIVE")


def _devices() -> Iterator[Play]:
    """One of each other device class; those with a serial number have it scanned."""
    scans = ("rma", "ean", "serial")
    for key, serial, keys in (
        ("tablet", "FT10C7743021", "Space 9 1 Enter 3 p Space Space p Enter"),
        ("laptop", "FB14K5510933", "Space 8 8 Enter 3 p Space Space p Enter"),
        ("desktop", "FMPC2290417", "Space 3 p Space Space p Enter"),
        ("console", "KB1X88204416", "Space 3 p Space Space p Enter"),
        ("camera", "OX2055019382", "Space 3 p Space Space p Enter"),
        ("router", "NW6R33018274", "Space 3 p Space Space p Enter"),
    ):
        yield Play(product(key).device_class, scans, _k(keys), "used", "clearance", (Row(key, serial=serial),))
    for key, title in (("buds", "headphones"), ("headphones", "headphones"), ("kettle", "appliance"),
                       ("blender", "appliance")):  # fmt: skip
        yield Play(title, RMA_EAN, _k("3 Space Space Space Space p Enter"), "used", "clearance", (Row(key),))


def _not_ours() -> Iterator[Play]:
    """Where a person must decide before anything is done to the article."""

    def late(key: str) -> Row:
        return Row(key, delivered=60, requested=20, postmarked=18)

    yield Play(
        "consult", RMA_EAN, _k("1 p Enter"), "new", "hold",
        (Row("charger", reason="DEFECTIVE", delivered=25, requested=5, postmarked=4, reported=5),),
        note="defect reported on day 20 of 14",
    )  # fmt: skip
    yield Play("consult", RMA_EAN, _k("1 p Enter"), "new", "hold", (Row("chocolate"),), note="perishable")
    yield Play("ineligible", RMA_EAN, _k("1 p Enter"), "new", "hold", (late("lamp"),), note="day 42 of 30")
    yield Play(
        "ineligible", RMA_EAN, _k("1 p Enter"), "new", "return_to_customer", (late("book"),),
        note="day 42 of 30; this seller tells the customer at once",
    )  # fmt: skip
    yield Play("ineligible", RMA_EAN, _k("1 p Enter"), "new", "hold", (Row("fuel"),), note="flammable")
    yield Play("ineligible", RMA_EAN, _k("1 p Enter"), "new", "hold", (Row("cartridge"),), note="gas")
    yield Play(
        "ineligible",
        RMA_EAN,
        _k("1 p Enter"),
        "new",
        "hold",
        (Row("nightwear"),),
        fulfilment="fba",
        note="intimate",
    )
    yield Play(
        "consult",
        RMA_EAN,
        _k("2 p Enter"),
        "opened_packaging",
        "hold",
        (Row("software"),),
        note="opened software",
    )
    yield Play(
        "hygiene seal broken", RMA_EAN, _k("Enter Enter 2 2 5 p Enter"), "opened_packaging", "hold", (Row("cream"),),
        note="by the questions",
    )  # fmt: skip
    yield Play(
        "undelivered", RMA_EAN, _k("1"), "new", "restock",
        (Row("vase", reason="UNDELIVERED", delivered=None, requested=None, postmarked=None),),
    )  # fmt: skip


def _several() -> Iterator[Play]:
    """Parcels with several units and several lines, and one for another site."""
    yield Play("two units of a line", RMA_EAN, _k("1"), "new", "restock", (Row("shirt", quantity=2),), units=2)
    yield Play("next unit of the line", ("ean:shirt",), _k("1"), "new", "restock")
    yield Play(
        "twelve sealed of one line", RMA_EAN, _k("F7 1 2 Enter 1"), "new", "restock", (Row("vinyl", quantity=12),),
        units=12,
    )  # fmt: skip
    yield Play(
        "several lines",
        RMA_EAN,
        _k("1"),
        "new",
        "restock",
        (Row("blocks"), Row("vase"), Row("lamp")),
        units=3,
    )
    yield Play("several lines, next", ("ean:vase",), _k("1"), "new", "restock")
    yield Play("several lines, next", ("ean:lamp",), _k("2 Enter"), "opened_packaging", "clearance")
    yield Play(
        "two RMAs in one carton",
        ("rma", "next", "ean"),
        _k("1"),
        "new",
        "restock",
        (Row("chair"),),
        channel="shop",
    )
    yield Play(
        "two RMAs in one carton, the other", ("ean",), _k("2 Enter"), "opened_packaging", "clearance",
        (Row("vase"),), channel="shop",
    )  # fmt: skip
    yield Play(
        "kit, a part missing",
        RMA_EAN,
        _k("2 2 Enter p p Enter"),
        "lightly_damaged",
        "clearance",
        (Row("picnic"),),
    )
    yield Play("to be cleaned", RMA_EAN, _k("3 1 p Enter"), "used", "refurbish", (Row("lamp"),))
    yield Play("another site", ("rma",), _k("Enter"), None, "forward", (Row("chair"),), site="LYS2")
