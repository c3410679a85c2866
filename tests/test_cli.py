"""The command line as a contract: forms, exit codes, and what each verb may load."""

import csv
import hashlib
import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
import zplkit
import zxingcpp
from PIL import Image

from inspect_station.demo import build
from inspect_station.demo.build import Demo
from inspect_station.resources import resource
from inspect_station.store import Store
from tests import started


def run(*words: str, cwd: Path | None = None, check: int | None = 0) -> subprocess.CompletedProcess[str]:
    """The program as a person starts it, in a process of its own."""
    done = started.run(*words, cwd=cwd)
    if check is not None:
        assert done.returncode == check, done.stderr
    return done


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """A demo with one finished unit."""
    from inspect_station import config
    from inspect_station.core import inspection as life
    from inspect_station.outcomes import Arrived, Opened
    from inspect_station.station import open_station

    made = build.prepare(tmp_path_factory.mktemp("cli") / "demo")
    parcel = next(each for each in made.parcels if each.kind == "used")
    with open_station(config.load(Path(made.config)), running=True) as station:
        station.scan(made.badge)
        arrived = station.scan(parcel.scans[0])
        assert isinstance(arrived, Arrived)
        unit = station.scan(parcel.scans[1], None, arrived.parcel)
        assert isinstance(unit, Opened)
        step = station.step(unit.bench, unit.inspection, life.Digit(3))
        taken = station.photograph(unit.bench, step.inspection).step
        station.finish(unit.bench, station.step(unit.bench, taken.inspection, life.Accept()).inspection)
        assert station.outbox.prints.print_once()
    return made


@pytest.fixture(scope="module")
def lpn(demo: Demo) -> str:
    """Its licence plate, read from the printed label's name."""
    (label,) = Path(demo.printer_dir).glob("*.pdf")
    return label.name.partition("-")[0]


def test_the_demo_prints_what_its_readers_rely_on(tmp_path):
    body = json.loads(run("demo", "--no-tui", "--json", "--dir", str(tmp_path / "d")).stdout)
    assert {"dir", "config", "printer_dir", "badge", "parcels"} <= set(body)
    for parcel in body["parcels"]:
        assert {"kind", "scans", "keys", "expect"} <= set(parcel)
        assert set(parcel["expect"]) == {"grade", "disposition"}
    assert (tmp_path / "d" / "scan-sheet.pdf").read_bytes().startswith(b"%PDF")
    assert len(body["parcels"]) >= 60
    with (tmp_path / "d" / "products.csv").open() as file:
        products = list(csv.DictReader(file))
    assert {row["device_class"] for row in products} >= {
        "phone", "tablet", "laptop", "desktop", "console", "camera", "router", "headphones", "appliance",
    }  # fmt: skip
    assert {row["category"] for row in products} >= {
        "media", "software", "electronics", "appliance", "apparel", "beauty", "perishable", "intimate", "general",
    }  # fmt: skip


def test_a_demo_is_kept_and_a_foreign_folder_is_never_touched(demo, tmp_path):
    again = json.loads(run("demo", "--no-tui", "--json", "--dir", demo.dir).stdout)
    assert again["badge"] == demo.badge
    (tmp_path / "mine").write_text("work")
    refused = run("demo", "--no-tui", "--fresh", "--dir", str(tmp_path), check=2)
    assert str(tmp_path) in refused.stderr
    assert (tmp_path / "mine").read_text() == "work"


def test_every_code_of_the_scan_sheet_is_read_by_a_second_program(demo):
    pyzbar = pytest.importorskip("pyzbar.pyzbar", reason="libzbar0 is not installed", exc_type=ImportError)
    import pypdfium2

    sheet = pypdfium2.PdfDocument(Path(demo.dir) / "scan-sheet.pdf")
    read = {code.data.decode() for page in sheet for code in pyzbar.decode(page.render(scale=200 / 72).to_pil())}
    wanted = {scan for parcel in demo.parcels for scan in parcel.scans} | set(demo.badges.values())
    assert wanted <= read, wanted - read


def test_show_tells_all_of_a_unit(demo, lpn):
    body = json.loads(run("show", lpn, "--json", "--config", demo.config).stdout)
    assert {
        "lpn", "rma", "gtin", "grade", "disposition", "price", "verdict", "findings", "photos", "labels", "operator",
        "saved_at", "corrected_at", "clock_suspect", "hub",
    } <= set(body)  # fmt: skip
    assert (body["grade"], body["disposition"], body["hub"]) == ("used", "clearance", "waiting")
    assert body["price"]["currency"] == "EUR"
    (label,) = body["labels"]
    assert (label["kind"], label["print_no"], label["state"], label["copy"]) == ("clearance", 1, "printed", 1)
    assert (label["confirmed"], label["by"], label["why"]) == (True, body["operator"], "")
    assert lpn in run("show", lpn, "--config", demo.config).stdout


def test_show_tells_of_a_unit_how_it_was_decided(demo, lpn):
    body = json.loads(run("show", lpn, "--json", "--config", demo.config).stdout)
    assert {
        "route", "refund", "signals", "wipe", "earlier_grades", "rerouted", "rules_hash", "stated", "found",
        "received_on",
    } <= set(body)  # fmt: skip
    assert set(body["refund"]) == {"advice", "amount", "means", "reasons"}
    assert set(body["stated"]) >= {"code", "group", "amazon", "shopify"}
    assert body["stated"]["code"] == "CHANGED_MIND"
    assert (body["stated"]["amazon"], body["stated"]["shopify"]) == ("CR-UNWANTED_ITEM", "UNWANTED")
    assert body["verdict"]["sentence"].endswith(": accepted")
    assert len(body["rules_hash"]) == 64
    assert body["earlier_grades"] == body["rerouted"] == body["found"] == []
    assert body["clocks"] == [], "it is graded, and nothing is asked of the seller"
    assert all({"code", "text"} <= set(signal) for signal in body["signals"])


def test_show_prints_a_unit_for_people(demo, lpn):
    lines = run("show", lpn, "--config", demo.config).stdout.splitlines()
    body = json.loads(run("show", lpn, "--json", "--config", demo.config).stdout)
    said = dict(line.split("  ", 1) for line in lines)
    said = {title: text.strip() for title, text in said.items()}
    assert said["unit"] == lpn
    assert said["verdict"] == body["verdict"]["sentence"]
    assert said["grade"] == "used"
    assert "€" in said["price"]
    assert not any(sign in text for text in said.values() for sign in "{}[]"), "words, not JSON"
    starts = {len(line) - len(line.partition("  ")[2].lstrip()) for line in lines}
    assert len(starts) == 1, "all texts begin in one column"


def test_show_tells_the_verdict_of_an_rma_on_a_day(demo):
    rma = next(parcel.scans[0] for parcel in demo.parcels if parcel.kind == "ineligible")
    body = json.loads(run("show", rma, "--json", "--config", demo.config).stdout)
    (line,) = body["lines"]
    assert {"gtin", "verdict", "units"} <= set(line)
    assert line["verdict"]["outcome"] == "ineligible"
    assert all({"code", "text"} <= set(reason) for reason in line["verdict"]["reasons"])


ANNOUNCED = """rma,seller,channel,gtin,reason,requested_at,delivered_on,postmarked_on
ON-1,lumo,amazon,3760311300165,CR-UNWANTED_ITEM,2026-10-20T10:00:00Z,2026-10-02T22:30:00Z,
ON-2,lumo,amazon,3760311300165,CHANGED_MIND,,2026-10-02,
ON-2,nordtek,amazon,3760311300165,NO_REASON,,2026-10-02,2026-12-24
"""


@pytest.fixture(scope="module")
def announced(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The demo's configuration (its site is in Paris), with three more returns to come."""
    sheet = tmp_path_factory.mktemp("announced") / "rmas.csv"
    sheet.write_text(ANNOUNCED)
    run("import", "rmas", str(sheet), "--config", demo.config)
    return demo.config


def lines_of(rma: str, config: str, *options: str) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = json.loads(run("show", rma, *options, "--json", "--config", config).stdout)["lines"]
    return lines


def test_show_tells_what_a_line_was_judged_by(announced):
    (line,) = lines_of("ON-1", announced, "--on", "2026-11-02")
    assert line["reason"] == "CHANGED_MIND"
    assert line["stated"] == {
        "code": "CHANGED_MIND", "text": "changed their mind", "group": "dissatisfied", "possible_defect": False,
        "at_fault": "buyer", "amazon": "CR-UNWANTED_ITEM", "shopify": "UNWANTED",
    }  # fmt: skip
    assert line["dates"] == {
        "requested_on": "2026-10-20",
        "delivered_on": "2026-10-03",
        "latest_estimated_on": None,
        "defect_reported_on": None,
        "postmarked_on": None,
    }
    assert (line["received"], line["received_on"]) == (False, "2026-11-02")
    # The third of October, at half past midnight in Paris, to the twentieth: 17 days.
    assert line["verdict"]["sentence"] == "delivered 3 Oct, requested 20 Oct = day 17 of 30: accepted"


# received on, outcome, what may be asked; from 2 October day 30 is 1 November
ON_A_DAY = [
    ("2026-11-01", "eligible", []),
    ("2026-11-02", "ineligible", ["postmarked_on"]),
    ("2027-11-02", "ineligible", ["postmarked_on"]),
]


@pytest.mark.parametrize(("on", "outcome", "ask"), ON_A_DAY, ids=[row[0] for row in ON_A_DAY])
def test_show_tells_what_may_be_asked_on_a_day(announced, on, outcome, ask):
    line = next(line for line in lines_of("ON-2", announced, "--on", on) if line["seller"] == "lumo")
    assert (line["verdict"]["outcome"], line["ask"], line["received_on"]) == (outcome, ask, on)


def test_two_sellers_with_one_number_are_both_shown_with_their_sentence(announced):
    said = run("show", "ON-2", "--on", "2026-12-31", "--config", announced).stdout
    assert "lumo ON-2" in said and "nordtek ON-2" in said
    assert "NOT ELIGIBLE: delivered 2 Oct, received 31 Dec = day 90 of 30: not eligible" in said
    assert "ASK THE SELLER: delivered 2 Oct, postmarked 24 Dec = day 83 of 30: ask the seller" in said
    assert "not received yet: as of 31 Dec 2026" in said


def test_a_recorded_receipt_counts_whatever_the_day_asked_for(demo, lpn):
    rma = next(parcel.scans[0] for parcel in demo.parcels if parcel.kind == "used")
    recorded = json.loads(run("show", lpn, "--json", "--config", demo.config).stdout)["received_on"]
    asked = run("show", rma, "--on", "2031-01-01", "--json", "--config", demo.config)
    (line,) = json.loads(asked.stdout)["lines"]
    assert (line["received"], line["received_on"]) == (True, recorded)
    assert line["verdict"]["outcome"] == "eligible"
    assert rma in asked.stderr and "--on does not count" in asked.stderr
    assert "does not count" not in run("show", rma, "--on", recorded, "--config", demo.config).stderr


@pytest.mark.parametrize(("format", "start"), [("pdf", b"%PDF"), ("zpl", b"^XA"), ("png", b"\x89PNG")])
def test_a_label_is_written_to_a_file(demo, lpn, tmp_path, format, start):
    target = tmp_path / f"label.{format}"
    run("label", lpn, "--format", format, "-o", str(target), "--config", demo.config)
    assert target.read_bytes().startswith(start)


def test_a_kind_of_label_that_there_is_not_is_refused_with_those_there_are(demo, lpn):
    refused = run("label", lpn, "--kind", "poster", "--config", demo.config, check=3)
    assert all(word in refused.stderr for word in ("poster", "clearance", "restock", "hold"))


def test_a_slip_is_written_where_it_makes_sense_and_refused_elsewhere(demo, lpn, tmp_path):
    target = tmp_path / "slip.pdf"
    run("label", lpn, "--kind", "relabel", "-o", str(target), "--config", demo.config)
    assert target.read_bytes().startswith(b"%PDF")
    refused = run("label", lpn, "--kind", "property", "--config", demo.config, check=2)
    assert lpn in refused.stderr and "nothing of a customer's" in refused.stderr


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site's own settings, with nothing in them."""
    file = tmp_path / "station.toml"
    file.write_text("")
    return file


def test_a_template_of_ones_own_starts_as_a_copy_and_is_measured(site):
    run("template", "new", "clearance", "--config", str(site))
    own = site.parent / "labels" / "clearance.toml"
    assert own.read_bytes() == resource("labels").joinpath("clearance.toml").read_bytes()
    measured = run("template", "check", "--config", str(site)).stdout
    assert f"{own}: 62 × 40 mm" in measured
    assert "barcode.1 qr page: 17 × 17 mm, 0.375 mm @ 203 dpi" in measured
    assert str(resource("labels") / "clearance.toml") not in measured, "ours stands over it"
    assert str(resource("labels") / "hold.toml") in measured
    again = run("template", "new", "clearance", "--config", str(site), check=1)
    assert str(own) in again.stderr and "there already" in again.stderr


def test_a_printer_may_be_chosen_for_a_template_of_ones_own(site):
    run("template", "new", "gift", "--from", "restock", "--config", str(site))
    site.write_text('[[printers]]\nname = "labels"\nlabels = ["gift", "clearance"]\n')
    run("config", "check", "--config", str(site))


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        pytest.param(("gift", "--from", "poster"), 3, "poster", id="from one that there is not"),
        pytest.param(("../gift",), 2, "../gift", id="outside the folder"),
    ],
)
def test_a_template_that_cannot_be_started_is_refused(site, words, code, said):
    assert said in run("template", "new", *words, "--config", str(site), check=code).stderr
    assert not (site.parent / "labels").exists()


def test_a_bad_template_is_named_with_its_key_by_both_checks(site):
    run("template", "new", "relabel", "--config", str(site))
    file = site.parent / "labels" / "relabel.toml"
    file.write_text(file.read_text(encoding="utf-8").replace('"gtin"', '"gtni"'), encoding="utf-8")
    for verb in ("template", "config"):
        bad = run(verb, "check", "--config", str(site), check=4)
        assert f'{file}:23: text.2.field = "gtni": no such field' in bad.stdout
        assert f"2 problems in {file}" in bad.stderr


@pytest.mark.parametrize("format", ["text", "csv", "json"])
def test_the_daily_report_counts_the_unit(demo, format):
    out = run("report", "daily", "--format", format, "--config", demo.config).stdout
    assert "clearance" in out and "op1" in out


# words, exit code, a word on stderr; design.md §7
REFUSALS = [
    (("show", "LTEST00001B"), 3, "LTEST00001B"),
    (("show", "NO-SUCH-RMA"), 3, "NO-SUCH-RMA"),
    (("label", "LTEST00001B"), 3, "LTEST00001B"),
    (("label", "LTEST00001B", "--format", "gif"), 2, "gif"),
    (("report", "daily", "--format", "doc"), 2, "doc"),
    (("report", "daily", "--date", "yesterday"), 2, "yesterday"),
    (("report", "daily", "--from", "2026-11-22", "--to", "2026-11-01"), 2, "2026-11-01"),
    (("import", "products", "no-such-file.csv"), 1, "no-such-file.csv"),
    (("decode", "no-such-file.png"), 1, "no-such-file.png"),
    (("frobnicate",), 2, "frobnicate"),
]


@pytest.mark.parametrize(("words", "code", "named"), REFUSALS, ids=[" ".join(row[0]) for row in REFUSALS])
def test_a_refusal_names_the_value_and_has_its_exit_code(demo, words, code, named):
    options = () if words[0] in ("frobnicate", "decode") else ("--config", demo.config)
    refused = run(*words, *options, check=code)
    assert named in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_refusal_is_said_in_the_language_of_the_station(demo, tmp_path):
    french = tmp_path / "station.toml"
    french.write_text(f'[station]\nlocale = "fr"\ndata = "{tmp_path}"\n')
    refused = run("report", "daily", "--date", "hier", "--config", str(french), check=2)
    assert "--date hier : une date comme 2026-11-22" in " ".join(refused.stderr.replace("│", "").split())


def test_the_verdict_of_an_rma_is_said_as_on_the_screen(demo):
    rma = next(parcel.scans[0] for parcel in demo.parcels if parcel.kind == "ineligible")
    assert "NOT ELIGIBLE: " in run("show", rma, "--config", demo.config).stdout


def test_an_import_with_bad_rows_takes_the_good_ones_and_says_which_were_bad(demo, tmp_path):
    sheet = tmp_path / "p.csv"
    sheet.write_text("gtin,seller,title\n8806095467443,new-seller,Phone\n8.8E+12,s,Bad\n")
    done = run("import", "products", str(sheet), "--config", demo.config, check=1)
    assert f"{sheet}:3:" in done.stderr
    assert "1" in done.stderr.splitlines()[-1]


def test_a_broken_configuration_is_named_with_file_line_and_key(tmp_path):
    broken = tmp_path / "station.toml"
    broken.write_text('[station]\nnam = "DOCK-9"\n\n[grades.used]\ndiscount = 250\n')
    checked = run("config", "check", "--config", str(broken), check=4)
    assert f"{broken}:2" in checked.stdout and "name" in checked.stdout
    assert f"{broken}:5" in checked.stdout and "250" in checked.stdout
    refused = run("show", "X", "--config", str(broken), check=4)
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(["report", "daily", "--from", "0001-01-01", "--to", "9999-12-31"], "1970-01-01", id="all time"),
        pytest.param(["show", "R-1", "--on", "9999-12-31"], "2999-12-31", id="the last day"),
        pytest.param(["report", "daily", "--date", "22.11.2026"], "a date like", id="no ISO date"),
    ],
)
def test_a_day_that_nobody_can_mean_is_refused(demo, words, said):
    refused = run(*words, "--config", demo.config, check=2)
    assert said in refused.stderr and "Traceback" not in refused.stderr


def test_config_show_hides_badges_and_pins(demo):
    shown = run("config", "show", "--config", demo.config).stdout
    assert "argon2" not in shown.replace("pin_argon2", "")
    assert json.loads(shown)["station"]["name"] == "DOCK-3"


def test_a_backup_is_made_and_verified_and_a_damaged_one_is_told(demo, tmp_path):
    copy = tmp_path / "copy.db"
    run("db", "backup", str(copy), "--config", demo.config)
    run("db", "verify", str(copy), "--config", demo.config)
    again = run("db", "backup", str(copy), "--config", demo.config, check=2)
    assert f"{copy} is there already: nothing was written" in again.stderr
    copy.write_bytes(copy.read_bytes()[:5000])
    damaged = run("db", "verify", str(copy), "--config", demo.config, check=4)
    assert str(copy) in damaged.stderr and "take another one" in damaged.stderr


@pytest.mark.parametrize("verb", ["verify", "restore"])
@pytest.mark.parametrize(
    "content", [b"gtin,seller,title\n" * 200, b"", b"SQLite format 3\0" + bytes(4096)], ids=["a list", "empty", "zeros"]
)
def test_a_file_that_is_no_store_is_not_to_be_restored(demo, tmp_path, verb, content):
    file = tmp_path / "products.csv"
    file.write_bytes(content)
    refused = run("db", verb, str(file), "--config", demo.config, check=4)
    assert f"{file} is not a store" in refused.stderr and "db restore" not in refused.stderr
    assert file.read_bytes() == content


def test_a_damaged_store_comes_back_from_its_newest_backup_by_one_command(demo, tmp_path):
    """Fault 11, as docs/setup.md tells it."""
    folder = Path(shutil.copytree(demo.dir, tmp_path / "dock"))
    (folder / "usb").mkdir()
    settings = folder / "station.toml"
    settings.write_text(f"{settings.read_text()}\n[backup]\nto = 'usb'\n")
    run("db", "backup", "--config", str(settings))
    store = folder / "data" / "store.db"
    damaged = store.read_bytes()[:20_000]
    store.write_bytes(damaged)
    refused = run("show", "X", "--config", str(settings), check=4)
    assert "is damaged" in refused.stderr and "inspect-station db restore" in refused.stderr
    done = run("db", "restore", "--config", str(settings))
    assert "restored from" in done.stderr and "inspections" in done.stderr
    (aside,) = (folder / "data" / "aside").iterdir()
    assert aside.read_bytes() == damaged and str(aside) in done.stderr
    run("db", "verify", "--config", str(settings))


def test_without_a_file_or_a_folder_for_backups_nothing_is_copied_or_restored(demo):
    assert "[backup]" in run("db", "backup", "--config", demo.config, check=2).stderr
    assert "[backup]" in run("db", "restore", "--config", demo.config, check=2).stderr


def test_a_photo_that_was_deleted_by_hand_is_shown_as_missing_and_its_unit_stands(demo, lpn, tmp_path):
    """Fault 54."""
    folder = Path(shutil.copytree(demo.dir, tmp_path / "dock"))
    there = ("--config", str(folder / "station.toml"))

    def shown() -> dict[str, Any]:
        body: dict[str, Any] = json.loads(run("show", lpn, "--json", *there).stdout)
        return body

    (photo,) = shown()["photos"]
    assert photo["state"] == "photo_here"
    run("db", "verify", *there)
    (folder / "data" / "blobs" / photo["sha256"][:2] / photo["sha256"]).unlink()
    assert shown() == {**shown(), "photos": [{**photo, "state": "photo_missing"}], "hub": "waiting"}
    assert "not on this station's disk any more" in run("show", lpn, *there).stdout
    checked = run("db", "verify", *there, check=1)
    assert f"{photo['slot']} {photo['sha256']}" in checked.stdout and "photo_missing" in checked.stdout


def test_a_photo_that_was_erased_at_the_hub_is_shown_as_that_and_nobody_looks_for_it(demo, lpn, tmp_path):
    folder = Path(shutil.copytree(demo.dir, tmp_path / "dock"))
    there = ("--config", str(folder / "station.toml"))
    (photo,) = json.loads(run("show", lpn, "--json", *there).stdout)["photos"]
    with Store.open(folder / "data", station="DOCK-3", clock=lambda: datetime.now(UTC)) as store:
        store.blobs.erase(photo["sha256"])
        with store.write() as writer:
            writer.erase_photo(photo["sha256"])
    (shown,) = json.loads(run("show", lpn, "--json", *there).stdout)["photos"]
    assert shown == {**photo, "state": "photo_erased"}, "the hash stays"
    assert "(erased)" in run("show", lpn, *there).stdout
    run("db", "verify", *there)


def test_the_doctor_answers_and_finds_the_demo_well(demo):
    checks = json.loads(run("doctor", "--json", "--config", demo.config).stdout)["checks"]
    assert {"config", "operators", "store", "disk", "scanner", "zbar", "camera", "labels", "hub"} <= {
        check["name"] for check in checks
    }
    assert all(check["ok"] is not False for check in checks), checks


def test_decode_prints_a_json_line_for_each_file(demo, lpn, tmp_path):
    target = tmp_path / "label.png"
    run("label", lpn, "--format", "png", "-o", str(target), "--config", demo.config)
    (line,) = run("decode", str(target), "--json").stdout.splitlines()
    body = json.loads(line)
    assert body["file"] == str(target) and body["ms"] > 0
    assert [code["kind"] for code in body["codes"]] == ["lpn"]


def test_a_hub_lets_a_station_in_by_a_code_and_publishes_lists(demo, tmp_path):
    data = str(tmp_path / "hub")
    code = run("hub", "station", "DOCK-9", "--data", data).stdout.strip()
    assert len(code.replace("-", "")) == 16
    run("hub", "import", "products", str(Path(demo.dir) / "products.csv"), "--data", data)
    run("hub", "import", "rmas", str(Path(demo.dir) / "rmas.csv"), "--data", data)
    assert json.loads(run("hub", "parked", "--json", "--data", data).stdout)["parked"] == []
    refused = run("hub", "import", "rmas", str(Path(demo.dir) / "rmas.csv"), "--data", data, "--zone", "Mars", check=2)
    assert "Mars" in refused.stderr


def test_badges_are_issued_as_a_sheet_and_hashes(tmp_path):
    sheet = tmp_path / "badges.pdf"
    out = run("sheet", "badges", "--count", "3", "-o", str(sheet)).stdout
    assert out.count("badge_sha256 = ") == 3
    assert sheet.read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize("way", ["pdf", "zpl", "png", "printer"])
def test_a_badge_is_a_label_and_its_code_stands_nowhere_but_on_it(tmp_path, way):
    printer = "[[printers]]\nname = 'labels'\nkind = 'file'\nfolder = 'out'\n"
    scanner = "[scanner]\nbadge_prefix = 'OP:'\n"
    (tmp_path / "station.toml").write_text(f"[station]\ndata = 'data'\n{scanner}{printer}")
    file = tmp_path / "badge.out" if way != "printer" else tmp_path / "out" / "badge.pdf"
    where = ["--printer", "labels"] if way == "printer" else ["--format", way, "-o", str(file)]
    config = ["--config", str(tmp_path / "station.toml")]
    out = run("sheet", "badge", "Łucja B.", *where, *config).stdout
    drawn = file.read_bytes()
    if way == "zpl":
        picture = Image.open(BytesIO(zplkit.render(drawn).labels[0].png()))
    elif way == "png":
        picture = Image.open(BytesIO(drawn))
    else:
        with pypdfium2.PdfDocument(drawn) as document:
            picture = document[0].render(scale=203 / 72).to_pil()
    (code,) = (each.text for each in zxingcpp.read_barcodes(picture.convert("L")))
    assert code.startswith("OP:") and len(code) == len("OP:") + 24
    assert 'name = "Łucja B."' in out and hashlib.sha256(code.encode()).hexdigest() in out
    assert code not in out
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("name", "source"), [("gift", "test"), ("test", "hold"), ("badge", "test"), ("test", "badge"), ("gift", "badge")]
)
def test_a_template_of_no_unit_is_no_start_for_another(tmp_path, name, source):
    (tmp_path / "station.toml").write_text("[station]\ndata = 'data'\n")
    config = ["--config", str(tmp_path / "station.toml")]
    assert "is no label of a unit" in run("template", "new", name, "--from", source, *config, check=2).stderr
    assert not (tmp_path / "labels").exists()


@pytest.mark.parametrize(("name", "source"), [("gift", "clearance"), ("test", "test"), ("badge", ""), ("gift", "")])
def test_a_template_as_it_starts_is_in_order(tmp_path, name, source):
    (tmp_path / "station.toml").write_text("[station]\ndata = 'data'\n")
    config = ["--config", str(tmp_path / "station.toml")]
    run("template", "new", name, *(["--from", source] if source else []), *config)
    run("config", "check", *config)


@pytest.mark.parametrize(("length", "well"), [(213, True), (214, False)])
def test_an_address_that_has_no_room_on_its_label_is_named_before_anything_is_printed(tmp_path, length, well):
    file = tmp_path / "station.toml"
    page = "https://returns.example/u/{lpn}?"
    page += "x" * (length - len(page.replace("{lpn}", "L7F3K00481C")))
    file.write_text(f"[station]\ndata = 'data'\nunit_page = '{page}'\n")
    config = ["--config", str(file)]
    checked = run("config", "check", *config, check=0 if well else 4)
    looked = json.loads(run("doctor", "--json", *config, check=None).stdout)["checks"]
    (templates,) = (each for each in looked if each["name"] == "templates")
    assert templates["ok"] is well
    if not well:
        line = checked.stdout.splitlines()[-1]
        assert f"{file}:3: station.unit_page = " in line and "https://returns.example" in line
        assert "214 bytes" in line and "“clearance”" in line and "room for 213" in line
        assert "213" in templates["found"]


LOADED = """
import sys
sys.argv = {argv!r}
try:
    import inspect_station.cli as cli
    cli.main()
except SystemExit:
    print(*sys.modules)
"""


@pytest.mark.parametrize(
    ("words", "forbidden"),
    [
        (("--help",), {"textual", "sqlmodel", "fastapi", "cv2", "reportlab", "httpx"}),
        (("label", "LPN", "-o", "OUT"), {"textual", "sqlmodel", "fastapi", "cv2", "uvicorn"}),
        (("show", "LPN"), {"textual", "sqlmodel", "fastapi", "cv2", "reportlab"}),
        (("report", "daily"), {"textual", "sqlmodel", "fastapi", "cv2", "reportlab"}),
    ],
    ids=["help", "label", "show", "report"],
)
def test_a_verb_loads_nothing_that_it_does_not_need(demo, lpn, tmp_path, words, forbidden):
    named = [{"LPN": lpn, "OUT": str(tmp_path / "o.pdf")}.get(word, word) for word in words]
    argv = ["inspect-station", *named, *([] if words[0] == "--help" else ["--config", demo.config])]
    done = subprocess.run(
        [sys.executable, "-c", LOADED.format(argv=argv)], capture_output=True, text=True, timeout=60, check=True
    )
    assert not forbidden & set(done.stdout.splitlines()[-1].split())
