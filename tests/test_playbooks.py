"""Playbooks as a supervisor meets them: mistakes with their lines, activation, versions, units that remember."""

import json
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from PIL import Image
from typer.testing import CliRunner

from inspect_station import cli, config, playbooks
from inspect_station.badges import fingerprint, new_badge
from inspect_station.core import inspection as life
from inspect_station.core.records import Disposition, Operator, Role
from inspect_station.errors import NotFound
from inspect_station.outcomes import Arrived, Finished, Opened
from inspect_station.playbooks import BrokenPlaybook
from inspect_station.station import Station, open_station

SUPERVISOR = Operator(code="sup", name="Supervisor", role=Role.SUPERVISOR)
BADGE, OPERATOR, STRANGE = new_badge(), new_badge(), new_badge()
PIN = "4711"

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
"""

TEXT = """\
[seller]
code = "lumo"
name = "Maison Lumo"

[[routes]]
id = "away"
grade = "opened_packaging"
to = "donate"
source = "ours"

[[cases]]
name = "opened is given away"
source = "ours"
channel = "shop"
reason = "CHANGED_MIND"
delivered_on = 2026-10-01
postmarked_on = 2026-10-15
opened = true
expect = { disposition = "donate" }
"""

PRODUCTS = b"gtin,seller,title,price\n4006381333931,lumo,Lamp,49.00\n"
RMAS = (
    b"rma,seller,channel,gtin,quantity,reason,delivered_on,postmarked_on\n"
    b"R-1,lumo,shop,4006381333931,3,CHANGED_MIND,2026-10-01,2026-10-15\n"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "station.toml").write_text(STATION)
    (tmp_path / "playbooks").mkdir()
    (tmp_path / "playbooks" / "lumo.toml").write_text(TEXT)
    with station_in(tmp_path) as station:
        station.import_products(PRODUCTS)
        station.import_rmas(RMAS)
    return tmp_path


def station_in(folder: Path) -> Station:
    return open_station(config.load(folder / "station.toml"))


def activate(station: Station, file: Path) -> str:
    return str(station.rulebook.activate(station.store, playbooks.opened(file, station.rulebook.site), SUPERVISOR))


def opened(station: Station) -> Opened:
    station.scan(OPERATOR)
    arrived = station.scan("R-1")
    assert isinstance(arrived, Arrived)
    unit = station.scan("4006381333931", None, arrived.parcel)
    assert isinstance(unit, Opened)
    return unit


def finished(station: Station, unit: Opened) -> Finished:
    done = station.step(unit.bench, unit.inspection, life.Digit(2)).inspection
    result = station.finish(unit.bench, station.step(unit.bench, done, life.Accept()).inspection)
    assert isinstance(result, Finished)
    return result


def run(folder: Path, *words: str, typed: str = "") -> tuple[int, str]:
    done = CliRunner().invoke(cli.app, [*words, "--config", str(folder / "station.toml")], input=typed)
    return done.exit_code, done.output + (str(done.exception) if done.exception else "")


def test_the_demos_playbook_is_in_order_and_tries_each_of_its_rows(tmp_path):
    from inspect_station.demo import build

    made = build.prepare(tmp_path / "demo")
    loaded = config.load(Path(made.config))
    (file,) = playbooks.files(loaded.station.playbooks)
    book = playbooks.opened(file, loaded.rules)
    trials = playbooks.tried(book)
    assert len(trials) >= 5
    assert playbooks.failures(book, trials) == ()
    assert playbooks.untried(book, trials) == ()
    with open_station(loaded) as station, station.store.read() as reader:
        pictures = station.seller(reader, "lumo").pictures
        assert set(pictures) == {"used", "lightly_damaged"}
        assert all(station.blobs.get(sha256).startswith(b"\xff\xd8") for each in pictures.values() for sha256 in each)


WRONG = {
    "an unknown key": ('to = "donate"', 'too = "donate"', 8, "did you mean 'to'?"),
    "an unknown place": ('to = "donate"', 'to = "moon"', 8, "must be one of"),
    "a case that comes out otherwise": ('disposition = "donate"', 'disposition = "restock"', 11, "restock"),
    "an unknown grade": ('grade = "opened_packaging"', 'grade = "shabby"', 7, "must be one of"),
    "a case that expects nothing": ('expect = { disposition = "donate" }', "expect = {}", 11, "prove nothing"),
    "no TOML": ("[seller]", "[seller", 1, "not TOML"),
}


@pytest.mark.parametrize(("old", "new", "line", "said"), WRONG.values(), ids=WRONG)
def test_a_mistake_is_told_with_its_line_and_nothing_is_changed(folder, old, new, line, said):
    file = folder / "playbooks" / "lumo.toml"
    file.write_text(TEXT.replace(old, new))
    code, output = run(folder, "playbook", "check", str(file))
    assert code == 1
    assert f"{file}:{line}: " in output
    assert said in output
    with station_in(folder) as station, pytest.raises(BrokenPlaybook):
        activate(station, file)
    with station_in(folder) as station, station.store.read() as reader:
        assert reader.playbooks() == ()


def test_config_check_runs_the_playbooks_of_the_folder(folder):
    assert run(folder, "config", "check")[0] == 0
    (folder / "playbooks" / "lumo.toml").write_text(TEXT.replace('= "donate" }', '= "hold" }'))
    code, output = run(folder, "config", "check")
    assert code != 0
    assert "opened is given away" in output


def test_a_sites_own_table_of_cases_is_tried(folder):
    table = folder / "cases.toml"
    case = (
        TEXT[TEXT.index("[[cases]]") :]
        .replace('"donate"', '"clearance"')
        .replace("opened = true", "opened = true\nprice = 10_00")
    )
    table.write_text(case)
    code, output = run(folder, "config", "check", "--cases", str(table), "--coverage")
    assert code == 0, output
    assert "1 case came out as expected" in output
    assert "exclusion.gas: no case meets it" in output
    table.write_text(case.replace('"clearance"', '"restock"'))
    code, output = run(folder, "config", "check", "--cases", str(table))
    assert code != 0
    assert f"{table}:1: opened is given away: disposition: restock expected, clearance decided" in output
    table.write_text(case.replace("opened = true", 'book = "gone"\nopened = true'))
    assert "no such book" in run(folder, "config", "check", "--cases", str(table))[1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("", "cases: is missing", id="an empty file"),
        pytest.param("[[case]]\nname = 'x'\n", "unknown key", id="a misspelt table"),
        pytest.param("cases = [1]\n", "must be a table", id="a number for a case"),
        pytest.param("[cases]\nname = 'x'\n", "must be a list", id="one table for many"),
        pytest.param("[seller]\ncode = 's'\nname = 'S'\nnot_met = 'tel'\n", "must be one of", id="a wish nobody knows"),
    ],
)
def test_a_table_that_proves_nothing_is_refused_with_its_reason(folder, text, said):
    (folder / "cases.toml").write_text(text)
    code, output = run(folder, "config", "check", "--cases", str(folder / "cases.toml"))
    assert code != 0
    assert said in output


def test_coverage_names_a_row_that_no_case_tries(folder):
    file = folder / "playbooks" / "lumo.toml"
    file.write_text(TEXT + '\n[[routes]]\nid = "used"\ngrade = "used"\nto = "recycle"\nsource = "ours"\n')
    code, output = run(folder, "playbook", "check", str(file), "--coverage")
    assert code == 0
    assert "route.lumo:used" in output
    assert "route.lumo:away" not in output


@pytest.mark.parametrize(
    ("badge", "pin", "said"),
    [
        pytest.param(OPERATOR, "", "no supervisor", id="an operator's badge"),
        pytest.param(BADGE, "0000\n", "wrong PIN", id="a wrong PIN"),
        pytest.param(STRANGE, "", "not known", id="a strange badge"),
        pytest.param("4006381333931", "", "no badge", id="an article"),
    ],
)
def test_only_a_supervisor_lets_rules_count(folder, badge, pin, said):
    file = folder / "playbooks" / "lumo.toml"
    code, output = run(folder, "playbook", "activate", str(file), "--badge", badge, typed=pin)
    assert code == 1
    assert said in output
    with station_in(folder) as station, station.store.read() as reader:
        assert reader.playbooks() == ()


def test_activated_by_badge_and_pin_it_counts_and_is_listed(folder):
    file = folder / "playbooks" / "lumo.toml"
    code, output = run(folder, "playbook", "activate", str(file), "--badge", BADGE, typed=f"{PIN}\n")
    assert code == 0, output
    code, output = run(folder, "playbook", "list", "--json")
    (only,) = json.loads(output)["playbooks"]
    assert (only["seller"], only["counts"], only["activated_by"]) == ("lumo", True, "sup")
    assert run(folder, "playbook", "show", "lumo")[1] == TEXT
    assert run(folder, "playbook", "show", "lumo", "--version", "ffff")[0] != 0


def test_a_running_station_takes_it_over_with_the_next_scan_and_finishes_the_open_unit_as_it_began(folder):
    with station_in(folder) as station:
        before = opened(station)
        with station_in(folder) as another:
            activate(another, folder / "playbooks" / "lumo.toml")
        # The unit on the bench began under the site's rules.
        first = finished(station, before).units[0]
        assert first.disposition is Disposition.CLEARANCE
        second = finished(station, opened(station)).units[0]
        assert (second.disposition, second.route) == (Disposition.DONATE, "lumo:away")
        assert first.rules_hash != second.rules_hash


def test_every_unit_keeps_what_decided_it(folder):
    file = folder / "playbooks" / "lumo.toml"
    with station_in(folder) as station:
        activate(station, file)
        unit = finished(station, opened(station)).units[0]
        file.write_text(TEXT.replace("donate", "recycle"))
        activate(station, file)
        assert finished(station, opened(station)).units[0].disposition is Disposition.RECYCLE
    code, output = run(folder, "config", "show", "--rules", unit.rules_hash)
    known = json.loads(output)
    assert code == 0
    assert known["playbook"] == TEXT
    assert known["seller"]["name"] == "Maison Lumo"
    assert known["rules"]["grades"]["used"]["discount"] == 25
    with station_in(folder) as station, station.store.read() as reader, pytest.raises(NotFound):
        station.rulebook.once(reader, "0" * 64)


def test_an_earlier_version_can_count_again_and_none_is_lost(folder):
    file = folder / "playbooks" / "lumo.toml"
    with station_in(folder) as station:
        activate(station, file)
        file.write_text(TEXT.replace("donate", "recycle"))
        activate(station, file)
        assert "counts already" in activate(station, file)
        file.write_text(TEXT)
        activate(station, file)
        with station.store.read() as reader:
            assert len(reader.playbook_history("lumo")) == 3
            assert reader.playbooks()[0].body == TEXT


def test_a_playbook_that_the_sites_rules_have_outgrown_does_not_count_and_says_so(folder):
    text = TEXT + '\n[[routes]]\nid = "odd"\ngrade = "used"\nfinding = "ours"\nto = "hold"\nsource = "ours"\n'
    extra = '\n[[findings]]\ncode = "ours"\nlabel = "ours"\n'
    (folder / "station.toml").write_text(STATION + extra)
    (folder / "playbooks" / "lumo.toml").write_text(text)
    with station_in(folder) as station:
        activate(station, folder / "playbooks" / "lumo.toml")
    (folder / "station.toml").write_text(STATION)
    with station_in(folder) as station:
        assert set(station.rulebook.trouble) == {"lumo"}
        assert any("lumo" in str(line.text) for line in station.desk().waiting)
        assert finished(station, opened(station)).units[0].disposition is Disposition.HOLD
    code, output = run(folder, "config", "check")
    assert code != 0
    assert "no finding 'ours'" in output


def test_reference_pictures_come_with_it_and_one_that_is_missing_stops_it(folder):
    file = folder / "playbooks" / "lumo.toml"
    pictured = TEXT.replace('name = "Maison Lumo"\n', 'name = "Maison Lumo"\npictures = { used = ["used.png"] }\n', 1)
    file.write_text(pictured)
    with station_in(folder) as station, pytest.raises(BrokenPlaybook) as broken:
        activate(station, file)
    assert "no such file" in str(broken.value)
    Image.new("RGB", (40, 30), "white").save(folder / "playbooks" / "used.png")
    with station_in(folder) as station:
        activate(station, file)
        with station.store.read() as reader:
            (shown,) = station.seller(reader, "lumo").pictures["used"]
            assert reader.waiting().photos == 0
        assert station.blobs.get(shown).startswith(b"\xff\xd8")
        station.store.sweep()
        assert station.blobs.get(shown)


@pytest.mark.parametrize("name", ["../secret.png", "sub/used.png"])
def test_a_picture_lies_beside_its_playbook_and_nowhere_else(folder, name):
    (folder / "playbooks" / "lumo.toml").write_text(
        TEXT.replace('name = "Maison Lumo"\n', f'name = "Maison Lumo"\npictures = {{ used = ["{name}"] }}\n', 1)
    )
    with station_in(folder) as station, pytest.raises(BrokenPlaybook, match="beside the playbook"):
        activate(station, folder / "playbooks" / "lumo.toml")
