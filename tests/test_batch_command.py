"""`inspect-station batch …` as a contract: what is printed, what is refused, and who did it."""

import json
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
import zxingcpp
from argon2 import PasswordHasher
from PIL import Image
from typer.testing import CliRunner

from inspect_station import cli, config
from inspect_station.badges import fingerprint, new_badge
from inspect_station.core.records import Disposition, Finding, Grade, Inspection, Line, Product
from inspect_station.errors import Exit, StationError
from inspect_station.station import open_station
from inspect_station.store import EventSpec

BADGE, OPERATOR, STRANGE = new_badge(), new_badge(), new_badge()
PIN = "4711"
AS = ("--badge", OPERATOR)

STATION = f"""
[station]
name = "DOCK-1"

[limits]
ballast_mb = 0

[[operators]]
code = "sup"
name = "Supervisor"
role = "supervisor"
badge_sha256 = "{fingerprint(BADGE)}"
pin_argon2 = '{PasswordHasher(time_cost=1, memory_cost=64).hash(PIN)}'

[[operators]]
code = "op1"
name = "Operator"
badge_sha256 = "{fingerprint(OPERATOR)}"

[[sellers]]
code = "lumo"
name = "Maison Lumo"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "station.toml").write_text(STATION)
    Image.new("RGB", (40, 30), "white").save(tmp_path / "receipt.png")
    return tmp_path


def finished(folder: Path, count: int = 1, **changes: Any) -> list[str]:
    """Plates of units that are finished: defective, back to their seller, unless told otherwise."""
    plates = []
    with open_station(config.load(folder / "station.toml")) as station, station.store.write() as writer:
        for _ in range(count):
            known: dict[str, Any] = {
                "id": writer.new_id(),
                "lpn": writer.take_lpns(1)[0],
                "station": "DOCK-1",
                "parcel": "p",
                "seller": "lumo",
                "rma": "R-1",
                "line": Line(no=1, gtin="04006381333931", reason="DEFECTIVE"),
                "product": Product(seller="lumo", gtin="04006381333931", title="Oak desk lamp"),
                "grade": Grade.DEFECTIVE,
                "disposition": Disposition.RETURN_TO_SELLER,
                "started_at": station.clock(),
                "finished_at": station.clock(),
                "finished_by": "op1",
            }
            unit = Inspection(**(known | changes))
            event = EventSpec("inspection.finished", unit.model_dump(mode="json"), "op1", station.clock())
            writer.finish(unit, event)
            plates.append(unit.lpn)
    return plates


def run(folder: Path, *words: str, typed: str = "") -> tuple[int, str, str]:
    """Exit code, what is data, what is talk."""
    done = CliRunner().invoke(cli.app, ["batch", *words, "--config", str(folder / "station.toml")], input=typed)
    code = done.exit_code
    if isinstance(done.exception, StationError):
        code = done.exception.exit_code
    return code, done.stdout, done.stderr + (str(done.exception) if done.exception else "")


def number(folder: Path, *plates: str) -> str:
    """The batch that these units are put into."""
    code, out, said = run(folder, "add", *plates, *AS, "--json")
    assert code == 0, said
    (only,) = {each["batch"] for each in json.loads(out)["units"]}
    return str(only)


def shown(folder: Path, batch: str) -> dict[str, Any]:
    code, out, said = run(folder, "show", batch, "--json")
    assert code == 0, said
    body: dict[str, Any] = json.loads(out)
    return body


def test_a_batch_from_its_first_unit_to_its_end(folder):
    plates = finished(folder, 3)
    batch = number(folder, *plates)
    code, _, said = run(folder, "remove", batch, plates[2], "--why", "missing", *AS)
    assert (code, plates[2] in said) == (0, True)
    code, _, said = run(folder, "close", batch, "--seal", "77812-A", "-o", str(folder / "list.pdf"), *AS)
    assert code == 0, said
    code, out, said = run(folder, "outcome", batch, "returned", "--photo", str(folder / "receipt.png"), *AS, "--json")
    assert code == 0, said
    body = json.loads(out)
    assert body == shown(folder, batch) == shown(folder, f"{batch}/1".lower())
    assert body["schema"] == 1
    assert (body["state"], body["seal"], body["sealed_no"], body["closed_by"]) == ("returned", "77812-A", 1, "op1")
    assert [each["lpn"] for each in body["units"]] == plates[:2]
    assert [(each["lpn"], each["why"], each["left_by"]) for each in body["taken_out"]] == [
        (plates[2], "missing", "op1")
    ]
    assert (body["outcome"]["fate"], body["outcome"]["by"]) == ("returned", "op1")
    assert (body["blocked"], body["hub"], body["revision"]) == ([], "waiting", 2)
    assert [each["kind"] for each in body["labels"]] == ["manifest"]
    with pypdfium2.PdfDocument(folder / "list.pdf") as document:
        (code_,) = zxingcpp.read_barcodes(document[0].render(scale=3, grayscale=True).to_pil())
    assert code_.text == batch


def test_it_is_shown_for_people_and_as_the_list(folder):
    (plate,) = finished(folder)
    batch = number(folder, plate)
    _, out, _ = run(folder, "show", batch)
    assert batch in out
    assert "Maison Lumo" in out
    assert plate in out
    assert run(folder, "show", batch, "--pdf", "-o", str(folder / "list.pdf"))[0] == 0
    assert (folder / "list.pdf").read_bytes().startswith(b"%PDF")


def test_those_that_wait_are_listed_and_all_on_demand(folder):
    assert run(folder, "list")[1] == ""
    first = number(folder, *finished(folder))
    second = number(folder, *finished(folder, disposition=Disposition.RECYCLE))
    run(folder, "close", first, *AS)
    run(folder, "outcome", first, "returned", "--photo", str(folder / "receipt.png"), *AS)
    (only,) = json.loads(run(folder, "list", "--json")[1])["batches"]
    assert (only["number"], only["state"], only["route"], only["count"]) == (second, "open", "recycle", 1)
    everything = json.loads(run(folder, "list", "--all", "--json")[1])["batches"]
    assert [(each["number"], each["state"]) for each in everything] == [(second, "open"), (first, "returned")]
    assert second in run(folder, "list")[1]


def test_show_names_the_batch_of_a_unit(folder):
    (plate,) = finished(folder)
    batch = number(folder, plate)
    done = CliRunner().invoke(cli.app, ["show", plate, "--json", "--config", str(folder / "station.toml")])
    assert json.loads(done.stdout)["batch"] == batch


def test_what_cannot_join_is_said_and_the_others_are_in(folder):
    good, held = *finished(folder), *finished(folder, disposition=Disposition.HOLD)
    code, out, said = run(folder, "add", good, held, *AS, "--json")
    assert code == Exit.SOME_FAILED
    first, second = json.loads(out)["units"]
    assert (bool(first["batch"]), first["refused"]) == (True, "")
    assert (second["batch"], "belongs elsewhere" in second["refused"]) == ("", True)
    assert held in said


def test_a_customer_s_property_is_out_before_it_is_closed(folder):
    (plate,) = finished(folder, findings=(Finding(code="customer_property"),))
    batch = number(folder, plate)
    code, _, said = run(folder, "close", batch, *AS)
    assert (code, plate in said) == (Exit.USAGE, True)
    assert shown(folder, batch)["blocked"][0]["code"] == "property"
    assert run(folder, "property", batch, plate, *AS)[0] == 0
    assert run(folder, "close", batch, *AS)[0] == 0


def test_destroying_takes_a_ground_and_a_supervisor_s_badge_and_pin(folder):
    batch = number(folder, *finished(folder, disposition=Disposition.DESTROY))
    run(folder, "close", batch, *AS)
    proof = ("--photo", str(folder / "receipt.png"))
    code, _, said = run(folder, "outcome", batch, "destroyed", *proof, *AS)
    assert (code, "supervisor" in said) == (Exit.USAGE, True)
    code, _, _ = run(folder, "outcome", batch, "destroyed", *proof, *AS, "--ground", "fake", typed=f"{OPERATOR}\n")
    assert (code, shown(folder, batch)["state"]) == (Exit.USAGE, "closed")
    code, _, _ = run(folder, "outcome", batch, "destroyed", *proof, *AS, "--ground", "fake", typed=f"{BADGE}\n0000\n")
    assert (code, shown(folder, batch)["state"]) == (Exit.USAGE, "closed")
    code, _, said = run(
        folder, "outcome", batch, "destroyed", *proof, *AS, "--ground", "fake", typed=f"{BADGE}\n{PIN}\n"
    )
    assert code == 0, said
    ending = shown(folder, batch)["outcome"]
    assert (ending["fate"], ending["ground"], ending["supervisor"], ending["by"]) == ("destroyed", "fake", "sup", "op1")


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        pytest.param(["show", "B7F3K000138"], Exit.NOT_FOUND, "no batch", id="a batch that is not known"),
        pytest.param(["show", "B7F3K000139"], Exit.USAGE, "check character", id="a number read wrongly"),
        pytest.param(["show", "L7F3K00481S"], Exit.USAGE, "no number of a batch", id="a unit's number"),
        pytest.param(["add", "B7F3K000138", *AS], Exit.USAGE, "no unit's number", id="a batch for a unit"),
        pytest.param(["add", "L7F3K00481S", "--batch", "B7F3K000138", *AS], Exit.NOT_FOUND, "no batch", id="into none"),
        pytest.param(["close", "B7F3K000138", "--badge", STRANGE], Exit.USAGE, "not known", id="a strange badge"),
        pytest.param(["outcome", "B7F3K000138", "burnt", "--photo", "x"], 2, "must be one of", id="no outcome"),
        pytest.param(["outcome", "B7F3K000138", "returned", "--photo", "x"], Exit.SOME_FAILED, "cannot be read",
                     id="no such picture"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_exit_code(folder, words, code, why):
    found, _, said = run(folder, *words)
    assert (found, why in said) == (code, True), said


@pytest.mark.parametrize(
    ("on", "why"), [("2999-01-01", "has not come yet"), ("2001-01-01", "was closed on"), ("yesterday", "a date like")]
)
def test_nothing_is_noted_for_a_day_on_which_it_cannot_have_been(folder, on, why):
    batch = number(folder, *finished(folder))
    run(folder, "close", batch, *AS)
    photo = str(folder / "receipt.png")
    code, _, said = run(folder, "outcome", batch, "returned", "--photo", photo, "--on", on, *AS)
    assert (code, why in said) == (Exit.USAGE, True), said
    assert shown(folder, batch)["state"] == "closed"
