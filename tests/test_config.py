"""station.toml: the shipped rules against their sources, merging, and every mistake told with its place."""

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import tomlkit
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inspect_station import config
from inspect_station.config import Config
from inspect_station.core.records import Disposition, Grade, Product, Seller
from inspect_station.core.rules import Rules
from inspect_station.resources import resource
from inspect_station.tomlfile import BrokenConfig, positions

HEX = "0123456789abcdef" * 4


@pytest.fixture(scope="module")
def shipped() -> Config:
    return config.load()


@pytest.fixture(scope="module")
def rules(shipped: Config) -> Rules:
    return shipped.rules


@pytest.fixture
def site(tmp_path: Path):
    """Write a site's file and give its path."""

    def written(text: str) -> Path:
        path = tmp_path / "station.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return written


# ── The shipped rules against their sources ──────────────────────────────────────────────────────────────────────────


def test_shipped_file_is_in_order():
    assert config.problems() == []


def test_whole_shipped_file_is_also_a_site_file(shipped, site):
    copied = config.load(site(resource("station.toml").read_text(encoding="utf-8")))
    assert copied.rules.sha256 == shipped.rules.sha256


GRADES = {  # domain 3.3: eBay, eBay for media, Amazon, route, discount
    "new": (1000, None, "new_new", "restock", 0),
    "opened_packaging": (1500, None, "used_like_new", "clearance", 10),
    "used": (3000, 4000, "used_very_good", "clearance", 25),
    "lightly_damaged": (3000, 5000, "used_good", "clearance", 40),
    "heavily_damaged": (3000, 6000, "used_acceptable", "hold", 60),
    "defective": (7000, None, "", "return_to_seller", 100),
}


@pytest.mark.parametrize(("grade", "expected"), GRADES.items(), ids=GRADES)
def test_grade_leads_where_domain_3_3_says(rules, grade, expected):
    rule = rules.grades[Grade(grade)]
    (route,) = [row for row in rules.routes if row.fields == {"grade"} and grade in row.grade]
    assert (rule.ebay, rule.ebay_media, rule.amazon, route.to, rule.discount) == expected


def test_heavily_damaged_is_the_grade_that_asks_the_seller(rules):
    asked = {row.grade: row.case for row in rules.routes if row.case and row.grade}
    assert asked == {(Grade.HEAVY,): "heavy_damage"}


def test_grades_4_to_6_need_a_finding_and_3_has_one_by_default(rules):
    assert [grade for grade in Grade if rules.grades[grade].needs_finding] == [
        Grade.LIGHT,
        Grade.HEAVY,
        Grade.DEFECTIVE,
    ]
    assert rules.finding(rules.grades[Grade.USED].default_finding).label["en"] == "traces of use"


FIRST = {"used": "light_traces", "lightly_damaged": "scratch", "heavily_damaged": "crack", "defective": "does_not_work"}


@pytest.mark.parametrize(("grade", "code"), FIRST.items(), ids=FIRST)
@pytest.mark.parametrize("device_class", ["", "phone", "headphones", "appliance"])
def test_commonest_finding_of_a_grade_stands_first(rules, grade, code, device_class):
    product = Product(seller="s", gtin="0" * 14, title="t", device_class=device_class)
    offered = [finding for finding in rules.findings_for(product) if finding.floor == grade]
    assert offered[0].code == code


FLOORS = {  # domain 3.2
    "crack": "heavily_damaged",
    "deep_dent": "heavily_damaged",
    "structural_part_missing": "heavily_damaged",
    "scratch": "lightly_damaged",
    "chip": "lightly_damaged",
    "small_dent": "lightly_damaged",
    "visible_mark": "lightly_damaged",
    "light_traces": "used",
    "residue": "used",
    "activated": "used",
    "accessory_missing": "lightly_damaged",
    "battery_worn": "used",
    "liquid_contact": "heavily_damaged",
    "does_not_work": "defective",
    "consumable_missing": None,
    "hygiene_seal_broken": None,
    "packaging_damaged": None,
    "hazard": None,
    "wrong_item": None,
    "empty_box": None,
}


@pytest.mark.parametrize(("code", "floor"), FLOORS.items(), ids=FLOORS)
def test_finding_leaves_the_grade_of_domain_3_2(rules, code, floor):
    assert code in {finding.code for finding in rules.findings}
    assert rules.finding(code).floor == floor


def test_every_dock_code_of_domain_3_1_can_be_reached(rules):
    assert {finding.dock for finding in rules.findings if finding.dock} == {
        "CONFIRMED",
        "NO_FAULT_FOUND",
        "WRONG_ITEM",
        "EMPTY_BOX",
        "INCOMPLETE",
        "SERIAL_MISMATCH",
        "WORN",
        "TAMPERED",
        "TRANSIT_DAMAGE",
        "ACCOUNT_LOCKED",
        "CONTAMINATED",
        "HAZARD",
        "COUNTERFEIT_SUSPECT",
    }


def test_crushed_and_wet_cartons_are_noted_before_opening(rules):
    carton = {finding.code: finding.dock for finding in rules.findings_for(None, carton=True)}
    assert carton["carton_crushed"] == carton["carton_wet"] == "TRANSIT_DAMAGE"


def test_consumable_missing_costs_5_points_and_no_price_falls_more_than_90_per_cent(rules):
    assert {finding.code: finding.points for finding in rules.findings if finding.points} == {"consumable_missing": 5}
    assert rules.pricing.cap == 90  # domain 3.5


def test_clocks_of_domain_2(rules):
    assert (rules.grade_hours, rules.case_hours) == (24, 48)


QUESTIONS = {  # domain 3.2: when it is asked, what Enter takes, and for each option the finding or the best grade
    "hazard": ("always", 2, ["hazard", ""]),
    "sealed": ("sealed_unknown", 0, ["new", ""]),
    "hygiene": ("hygiene", 0, ["", "hygiene_seal_broken"]),
    "apparel": ("apparel", 0, ["opened_packaging", "tag_missing", "worn"]),
    "state": (
        "opened",
        0,
        ["does_not_work", "heavily_damaged", "lightly_damaged", "used", "opened_packaging"],
    ),
}


def test_questions_are_asked_in_the_order_of_domain_3_2(rules):
    assert [question.id for question in rules.questions] == list(QUESTIONS)


@pytest.mark.parametrize(("id", "expected"), QUESTIONS.items(), ids=QUESTIONS)
def test_question_leads_where_domain_3_2_says(rules, id, expected):
    question = next(question for question in rules.questions if question.id == id)
    options = [option.finding or option.grade or "" for option in question.options]
    assert (question.when, question.proposed, options) == expected


def test_whether_it_works_is_asked_only_where_nothing_was_tested(rules):
    assert {question.id: question.only_untested for question in rules.questions if question.only_untested} == {
        "state": (1,)
    }


GATES = {  # domain 3.4
    "account_lock": ("hold", True),
    "card_left": ("hold", False),
    "wipe_unverified": ("hold", False),
    "swollen_battery": ("quarantine", False),
    "sterilisation_missing": ("hold", False),
}


@pytest.mark.parametrize(("code", "expected"), GATES.items(), ids=GATES)
def test_gate_closes_as_domain_3_4_says(rules, code, expected):
    assert code in {gate.code for gate in rules.gates}
    assert (rules.gate(code).route, rules.gate(code).case) == expected


PHONE_TESTS = (
    "power touch pixels cameras flash microphones speakers buttons wifi bluetooth gps sim nfc biometrics battery "
    "battery_flat liquid imei"
)
ROWS = {  # domain 3.4, a word a row
    ("phone", "test"): PHONE_TESTS,
    ("phone", "lock"): "find_my google vendor mdm sim_lock",
    ("phone", "wipe"): "sim_out esim_out sd_out signed_out setup",
    ("phone", "clean"): "cloth ports",
    ("phone", "sterilise"): "surfaces",
    ("tablet", "test"): PHONE_TESTS.replace("sim ", "").replace("imei", "serial stylus dock straight"),
    ("tablet", "lock"): "find_my google vendor mdm",
    ("tablet", "wipe"): "sd_out signed_out setup",
    ("laptop", "test"): "boot keys touchpad screen hinges ports camera microphone wifi fan smart ram battery",
    ("laptop", "lock"): "firmware absolute activation mdm bitlocker",
    ("laptop", "wipe"): "erased reinstalled setup",
    ("laptop", "clean"): "keys vents screen",
    ("desktop", "test"): "boot ports fan smart ram",
    ("desktop", "lock"): "firmware absolute activation mdm bitlocker",
    ("desktop", "wipe"): "erased reinstalled setup",
    ("console", "test"): "boot hdmi disc controllers drift usb wifi fan",
    ("console", "lock"): "users home parental ban",
    ("console", "wipe"): "reset disc_out sd_out",
    ("console", "clean"): "vents",
    ("console", "sterilise"): "controllers",
    ("camera", "test"): "shutter autofocus sensor flash screen card mount stabiliser",
    ("camera", "lock"): "cloud",
    ("camera", "wipe"): "card_out reset",
    ("camera", "clean"): "blower lens",
    ("router", "test"): "power ports bands wan buttons leds pairing",
    ("router", "lock"): "cloud isp",
    ("router", "wipe"): "reset sd_out",
    ("router", "clean"): "wipe",
    ("headphones", "test"): "sides noise microphone pairing case battery",
    ("headphones", "lock"): "unpaired find_my",
    ("headphones", "wipe"): "reset",
    ("headphones", "clean"): "mesh",
    ("headphones", "sterilise"): "tips",
    ("appliance", "test"): "cord cycle safety leak noise",
    ("appliance", "lock"): "app",
    ("appliance", "wipe"): "reset",
    ("appliance", "clean"): "soil descale drain dry",
    ("appliance", "sterilise"): "contact heads",
}


def checklist(rules: Rules, device_class: str):
    return next(each for each in rules.checklists if each.device_class == device_class)


@pytest.mark.parametrize(("where", "rows"), ROWS.items(), ids=map(" ".join, ROWS))
def test_checklist_has_the_rows_of_domain_3_4(rules, where, rows):
    device_class, page = where
    there = {step.id for step in checklist(rules, device_class).steps(page)}
    assert set(rows.split()) <= there


def test_phone_is_tested_for_nothing_else(rules):
    assert {step.id for step in checklist(rules, "phone").test} == set(PHONE_TESTS.split())


def test_every_device_class_of_the_import_has_a_checklist_that_names_accessories(rules):
    assert {each.device_class: bool(each.accessories) for each in rules.checklists} == dict.fromkeys(
        ["phone", "tablet", "laptop", "desktop", "console", "camera", "router", "headphones", "appliance"], True
    )


@pytest.mark.parametrize("device_class", ["phone", "tablet", "laptop"])
def test_battery_below_80_per_cent_is_at_best_used(rules, device_class):
    battery = next(step for step in checklist(rules, device_class).test if step.id == "battery")
    assert (battery.kind, battery.unit, battery.low, battery.high) == ("measure", "%", 0, 100)
    assert [(floor.below, floor.grade) for floor in battery.floors] == [(80, Grade.USED)]


def test_a_dead_phone_ends_the_tests_and_a_dead_nfc_is_no_defect(rules):
    rows = {step.id: step for step in checklist(rules, "phone").test}
    assert [step.id for step in rows.values() if step.ends] == ["power"]
    assert rows["touch"].floor is Grade.DEFECTIVE  # domain 3.2: an unlisted failed test
    assert rows["nfc"].floor is Grade.LIGHT
    assert rows["liquid"].floor is Grade.HEAVY
    assert (rows["imei"].kind, rows["imei"].floor, rows["imei"].finding) == ("serial", None, "serial_mismatch")


def test_sterilising_has_its_own_page_only_where_it_is_required(rules):
    required = {each.device_class for each in rules.checklists if each.sterilise_required}
    assert required == {"headphones", "appliance"}
    for device_class in required:
        gates = {step.gate for step in checklist(rules, device_class).sterilise}
        assert gates == {"sterilisation_missing"}


def test_locks_wipes_and_swollen_batteries_close_their_gates(rules):
    for each in rules.checklists:
        assert {step.gate for step in each.lock} == {"account_lock"}
        assert {step.gate for step in each.wipe} <= {"card_left", "wipe_unverified"}
        assert any(step.gate == "wipe_unverified" for step in each.wipe)
        swollen = [step for step in each.test if step.id == "battery_flat"]
        assert {step.gate for step in swollen} <= {"swollen_battery"}


def test_row_and_its_finding_leave_the_same_grade(rules):
    for each in rules.checklists:
        for step in each.test:
            if step.finding and not step.gate:
                assert step.floor == rules.finding(step.finding).floor, f"{each.device_class} {step.id}"


def test_every_wiped_class_can_fill_a_wipe_record(rules):
    for each in rules.checklists:
        if each.data_bearing:
            assert each.medium
            assert each.wipe_tool
            assert each.wipe_standard.startswith("NIST SP 800-88")


def due(rules: Rules, grade: str, *situations: Any) -> list[str]:
    """The slots of a grade in some situations, without those that another one of them serves."""
    asked = list(rules.photos.grade.get(Grade(grade), ())) if grade else []
    for situation in situations:
        asked += rules.photos.situation[situation]
    served = {name for slot in asked for name in rules.photos.slots[slot].serves}
    return sorted(set(asked) - served)


BUDGETS: dict[str, tuple[str, tuple[str, ...], int]] = {  # domain 4: the P of each parcel; domain 3.4
    "sealed": ("new", (), 0),
    "opened": ("opened_packaging", (), 0),
    "used": ("used", (), 1),
    "phone used and wiped": ("used", ("wiped",), 2),
    "phone damaged and wiped": ("lightly_damaged", ("wiped",), 2),
    "phone used but account locked": ("used", ("gate",), 1),
    "phone dead": ("defective", (), 1),
    "damaged": ("heavily_damaged", (), 2),
    "defective": ("defective", (), 1),
    "wrong item": ("", ("wrong_item",), 1),
    "empty box": ("", ("empty_box",), 1),
    "unknown code": ("", ("unknown",), 2),
    "consult, sealed": ("new", ("not_ours",), 1),
    "consult, used": ("used", ("not_ours",), 1),
    "carton crushed": ("new", ("carton",), 1),
    "defective and locked": ("defective", ("gate",), 2),
}


@pytest.mark.parametrize(("grade", "situations", "photos"), BUDGETS.values(), ids=BUDGETS)
def test_photos_due_keep_to_the_budget(rules, grade, situations, photos):
    assert len(due(rules, grade, *situations)) == photos


def labels(value: Any, place: str = "") -> Iterator[tuple[str, Mapping[str, str]]]:
    """Every text for people in a document."""
    if isinstance(value, dict):
        if "en" in value or "fr" in value:
            yield place, value
        else:
            for key, below in value.items():
                yield from labels(below, f"{place}.{key}")
    elif isinstance(value, list):
        for index, below in enumerate(value):
            name = below.get("id") or below.get("code") or below.get("device_class") if isinstance(below, dict) else ""
            yield from labels(below, f"{place}.{name or index}")


TEXTS = dict(labels(tomllib.loads(resource("station.toml").read_text(encoding="utf-8"))))


def test_every_text_is_there_in_english_and_french():
    assert len(TEXTS) > 200
    assert {place for place, text in TEXTS.items() if not (text.get("en") and text.get("fr"))} == set()


def test_texts_fit_half_a_screen():
    """80 columns less frame, digit, mark and hint; a reason of the policy has a line of its own."""
    long = {place: text for place, text in TEXTS.items() if max(map(len, text.values())) > 38}
    assert {place for place in long if not place.startswith(".policy.")} == set()
    assert {place for place, text in long.items() if max(map(len, text.values())) > 72} == set()


def test_every_disposition_has_a_place(rules):
    assert set(rules.places) == set(Disposition)


# ── A site's file over the shipped one ───────────────────────────────────────────────────────────────────────────────


def test_site_names_only_what_differs(shipped, site):
    loaded = config.load(site('[station]\nname = "DOCK-7"\n[grades.used]\ndiscount = 30\n'))
    assert loaded.station.name == "DOCK-7"
    assert loaded.station.zone == shipped.station.zone
    assert loaded.rules.grades[Grade.USED].discount == 30
    assert loaded.rules.grades[Grade.USED].label == shipped.rules.grades[Grade.USED].label


def test_entries_are_changed_by_their_name_added_and_taken_out(shipped, site):
    loaded = config.load(
        site("""
        [[findings]]
        code = "scratch"
        label = { fr = "rayure" }

        [[findings]]
        code = "scuff"
        label = "scuff"
        floor = "used"

        [[checklists]]
        device_class = "phone"
        test = [
          { id = "gps", remove = true },
          { id = "nfc", floor = "none", finding = "" },
          { id = "esim", label = "eSIM" },
        ]
        """)
    )
    assert loaded.rules.finding("scratch").label == {"en": "scratch a nail catches", "fr": "rayure"}
    assert loaded.rules.finding("scratch").floor is Grade.LIGHT
    assert loaded.rules.findings[-1].code == "scuff"
    assert len(loaded.rules.findings) == len(shipped.rules.findings) + 1
    before, after = ({step.id: step for step in checklist(each.rules, "phone").test} for each in (shipped, loaded))
    assert after.keys() == before.keys() - {"gps"} | {"esim"}
    assert (before["nfc"].floor, after["nfc"].floor) == (Grade.LIGHT, None)
    assert after["touch"] == before["touch"]
    assert len(loaded.rules.checklists) == len(shipped.rules.checklists)


def test_lists_without_names_are_replaced(site):
    loaded = config.load(
        site("""
        [photos.grade]
        used = []
        [[questions]]
        id = "hazard"
        options = [{ label = "danger", finding = "hazard" }, { label = "none" }]
        """)
    )
    assert loaded.rules.photos.grade[Grade.USED] == ()
    assert [option.label["en"] for option in loaded.rules.questions[0].options] == ["danger", "none"]


def test_empty_list_takes_all_entries_out(shipped, site):
    assert len(shipped.printers) == 1
    assert config.load(site("printers = []")).printers == ()


def test_sellers_and_operators_come_from_the_site(site):
    loaded = config.load(
        site(f"""
        [[sellers]]
        code = "lumo"
        name = "Maison Lumo"
        not_met = "tell"
        windows = {{ baseline = 45 }}
        discounts = {{ used = 30 }}

        [[operators]]
        code = "op1"
        name = "Operator"
        locale = "fr"
        badge_sha256 = "{HEX}"
        """)
    )
    assert loaded.sellers == (
        Seller(code="lumo", name="Maison Lumo", not_met="tell", windows={"baseline": 45}, discounts={"used": 30}),
    )
    assert [(each.code, each.role, each.locale) for each in loaded.operators] == [("op1", "operator", "fr")]


def test_relative_folders_start_at_the_file(site, tmp_path):
    loaded = config.load(
        site("""
        [station]
        data = "store"
        [camera]
        kind = "folder"
        folder = "/pictures"
        [[printers]]
        name = "labels"
        folder = "out/labels"
        """)
    )
    assert loaded.path == tmp_path / "station.toml"
    assert loaded.station.data == tmp_path / "store"
    assert loaded.camera.folder == Path("/pictures")
    assert [printer.folder for printer in loaded.printers] == [tmp_path / "out/labels"]


def test_without_a_file_the_data_lie_in_the_users_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert config.load().station.data == tmp_path / "inspect-station" / "data"


def test_file_is_looked_for_here_then_at_the_users(monkeypatch, tmp_path):
    here, users = tmp_path / "here", tmp_path / "config" / "inspect-station"
    here.mkdir()
    users.mkdir(parents=True)
    monkeypatch.chdir(here)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    assert config.find() is None
    (users / "station.toml").touch()
    assert config.find() == users / "station.toml"
    (here / "station.toml").touch()
    assert config.find() == Path("station.toml")
    assert config.find(Path("other.toml")) == Path("other.toml")


# ── Mistakes ─────────────────────────────────────────────────────────────────────────────────────────────────────────

MISTAKES: dict[str, tuple[str, int, str, str, str]] = {  # text of the file, line, key, value, part of the sentence
    "misspelt table": ('\n[camra]\nkind = "none"\n', 2, "camra", '{"kind": "none"}', "did you mean 'camera'?"),
    "misspelt key": ("[station]\nidle_lock_minuts = 3\n", 2, "station.idle_lock_minuts", "3", "'idle_lock_minutes'?"),
    "misspelt key of a row": (
        '[[checklists]]\ndevice_class = "phone"\ntest = [\n  { id = "gps", flor = "none" },\n]\n',
        4,
        "checklists.phone.test.gps.flor",
        '"none"',
        "did you mean 'floor'?",
    ),
    "misspelt key of a slot": (
        '[photos.slots.label]\nserve = ["article"]\n',
        2,
        "photos.slots.label.serve",
        '["article"]',
        "did you mean 'serves'?",
    ),
    "misspelt seller's setting": (
        '[[sellers]]\ncode = "a"\nname = "A"\nnotmet = "ask"\n',
        4,
        "sellers.a.notmet",
        '"ask"',
        "did you mean 'not_met'?",
    ),
    "nothing like it": ("[pricing]\nmaximum = 80\n", 2, "pricing.maximum", "80", "known here are cap"),
    "key of the file inside a table": (
        "[pricing]\ncase_hours = 12\n",
        2,
        "pricing.case_hours",
        "12",
        "before the first",
    ),
    "unknown grade": ("[grades.usd]\ndiscount = 1\n", 1, "grades.usd", '{"discount": 1}', "did you mean 'used'?"),
    "text for a number": ('[grades.used]\ndiscount = "ten"\n', 2, "grades.used.discount", '"ten"', "a whole number"),
    "number too large": ("[pricing]\ncap = 101\n", 2, "pricing.cap", "101", "at most 100"),
    "number too small": ("case_hours = 0\n", 1, "case_hours", "0", "greater than 0"),
    "number for a text": ("[station]\nname = 7\n", 2, "station.name", "7", "text in quotes"),
    "text for a truth": ('[station]\nsound = "loud"\n', 2, "station.sound", '"loud"', "true or false"),
    "table for a list": ("[photos.grade]\nused = { a = 1 }\n", 2, "photos.grade.used", '{"a": 1}', "a list"),
    "text for a table": ('scanner = "usb"\n', 1, "scanner", '"usb"', "a table"),
    "value of no list": (
        '[[findings]]\ncode = "chip"\nfloor = "bad"\n',
        3,
        "findings.chip.floor",
        '"bad"',
        "one of 'new', 'opened_packaging'",
    ),
    "unknown zone": ('[station]\nzone = "Europe/Pari"\n', 2, "station.zone", '"Europe/Pari"', "no such time zone"),
    "unknown language": ('[station]\nlocale = "de"\n', 2, "station.locale", '"de"', "known are en, fr"),
    "no time of day": ('[station]\nday_starts = "4"\n', 2, "station.day_starts", '"4"', "HH:MM"),
    "no such theme": ('[station]\ntheme = "grey"\n', 2, "station.theme", '"grey"', "one of 'auto', 'dark' or 'light'"),
    "key without quotes": ("[keys]\nphoto = 7\n", 2, "keys.photo", "7", "text in quotes"),
    "no address of a hub": ('[upstream]\nurl = "hub"\n', 2, "upstream.url", '"hub"', "https://"),
    "hub enabled without address": ("[upstream]\nenabled = true\n", 2, "upstream.enabled", "true", "without a url"),
    "waits the wrong way round": ("[upstream]\nmin_wait_s = 900\n", 2, "upstream.min_wait_s", "900", "max_wait_s, 300"),
    "printer without a host": (
        '[[printers]]\nname = "zebra"\nkind = "raw"\n',
        1,
        "printers.zebra",
        '{"name": "zebra", "kind": "raw"}',
        "needs host",
    ),
    "printer for labels that there are not": (
        '[[printers]]\nname = "labels"\nlabels = ["posters"]\n',
        3,
        "printers.labels.labels",
        '["posters"]',
        "'posters'",
    ),
    "page without the plate": (
        '[station]\nunit_page = "https://returns.example/"\n',
        2,
        "station.unit_page",
        '"https://returns.example/"',
        "{lpn}",
    ),
    "new entry without its label": ('\n[[gates]]\ncode = "x"\nroute = "hold"\n', 2, "gates.x.label", "", "is missing"),
    "entry without a name": ('[[findings]]\nlabel = "dent"\n', 1, "findings.1.code", "", "is missing"),
    "entry twice": (
        '[[findings]]\ncode = "chip"\n[[findings]]\ncode = "chip"\n',
        3,
        "findings.chip (2)",
        '{"code": "chip"}',
        "stands there twice",
    ),
    "nothing to remove": (
        '[[gates]]\ncode = "account_lok"\nremove = true\n',
        1,
        "gates.account_lok",
        '{"code": "account_lok", "remove": true}',
        "did you mean 'account_lock'?",
    ),
    "gate that there is not": (
        '[[findings]]\ncode = "chip"\ngate = "legal"\n',
        3,
        "findings.chip.gate",
        '"legal"',
        "no gate 'legal'",
    ),
    "finding that there is not": (
        '[grades.used]\ndefault_finding = "traces"\n',
        2,
        "grades.used.default_finding",
        '"traces"',
        "no finding 'traces'",
    ),
    "row with a finding that there is not": (
        '[[checklists]]\ndevice_class = "phone"\ntest = [{ id = "gps", finding = "lost" }]\n',
        3,
        "checklists.phone.test.gps.finding",
        '"lost"',
        "no finding 'lost'",
    ),
    "class without a checklist": (
        '[[findings]]\ncode = "chip"\nclasses = ["watch"]\n',
        3,
        "findings.chip.classes",
        '["watch"]',
        "no checklist 'watch'",
    ),
    "slot that there is not": ('[photos.grade]\nused = ["top"]\n', 2, "photos.grade.used", '["top"]', "no slot 'top'"),
    "Enter takes an option that there is not": (
        '[[questions]]\nid = "hazard"\nproposed = 3\n',
        1,
        "questions.hazard",
        '{"id": "hazard", "proposed": 3}',
        "only 2 options",
    ),
    "question that the pages need taken out": (
        '[[questions]]\nid = "sealed"\nremove = true\n',
        1,
        "questions.sealed",
        '{"id": "sealed", "remove": true}',
        "'sealed' is missing",
    ),
    "policy rows between which nothing decides": (
        '[[policy.rows]]\nid = "mine"\nchannel = "shop"\nsource = "ours"\nwindows = [{ days = 40 }]\n',
        1,
        "policy.rows.mine",
        '{"id": "mine", "channel": "shop", "source": "ours", "window…',
        "'shop' and 'mine'",
    ),
    "exclusion that needs an unknown finding": (
        '[[policy.exclusions]]\nid = "hygiene"\nneeds = ["opend"]\n',
        3,
        "policy.exclusions.hygiene.needs",
        '["opend"]',
        "no finding 'opend'",
    ),
    "seller's window shorter than the policy's": (
        '[[sellers]]\ncode = "a"\nname = "A"\nwindows = { amazon = 14 }\n',
        4,
        "sellers.a.windows.amazon",
        "14",
        "shorter than the policy's 30 days",
    ),
    "seller's window for an unknown row": (
        '[[sellers]]\ncode = "a"\nname = "A"\n[sellers.windows]\nebay = 60\n',
        5,
        "sellers.a.windows.ebay",
        "60",
        "no row of [policy]",
    ),
    "seller's pattern is no regular expression": (
        "[[sellers]]\ncode = 'a'\nname = 'A'\nrma_pattern = '(['\n",
        4,
        "sellers.a.rma_pattern",
        '"(["',
        "not a regular expression",
    ),
    "badge in clear": (
        '[[operators]]\ncode = "a"\nname = "A"\nbadge_sha256 = "BDG-1"\n',
        4,
        "operators.a.badge_sha256",
        "…",
        "64 digits",
    ),
    "two operators with one badge": (
        f'[[operators]]\ncode = "a"\nname = "A"\nbadge_sha256 = "{HEX}"\n'
        f'[[operators]]\ncode = "b"\nname = "B"\nbadge_sha256 = "{HEX}"\n',
        8,
        "operators.b.badge_sha256",
        "…",
        "'a' has the same badge",
    ),
    "supervisor without a PIN": (
        f'[[operators]]\ncode = "a"\nname = "A"\nrole = "supervisor"\nbadge_sha256 = "{HEX}"\n',
        1,
        "operators.a.pin_argon2",
        "",
        "needs a PIN",
    ),
}


@pytest.mark.parametrize(("text", "line", "key", "value", "sentence"), MISTAKES.values(), ids=MISTAKES)
def test_mistake_is_told_with_its_place(site, text, line, key, value, sentence):
    path = site(text)
    (problem,) = config.problems(path)
    assert (problem.file, problem.line, problem.key, problem.value) == (path, line, key, value)
    assert sentence in str(problem.message)


def test_all_mistakes_are_told_at_once(site):
    """Those of values, of references between rules, and of settings with each other: three checks in a row."""
    path = site(
        """\
[station]
zone = "Mars/Base"
idle_lock_minuts = 3

[grades.used]
discount = "ten"
default_finding = "traces"

[upstream]
enabled = true

[[findings]]
code = "chip"
gate = "legal"

[[findings]]
code = "chip"
"""
    )
    with pytest.raises(BrokenConfig) as broken:
        config.load(path)
    assert [(problem.line, problem.key) for problem in broken.value.problems] == [
        (2, "station.zone"),
        (3, "station.idle_lock_minuts"),
        (6, "grades.used.discount"),
        (7, "grades.used.default_finding"),
        (10, "upstream.enabled"),
        (14, "findings.chip.gate"),
        (16, "findings.chip (2)"),
    ]
    told = str(broken.value.title)
    assert "7 problems" in told
    assert f'{path}:6: grades.used.discount = "ten": must be a whole number' in told


def test_what_follows_from_a_mistake_is_not_told(site):
    """The gate falls away with its mistake; that the finding then names none is no second mistake."""
    gate = '[[gates]]\ncode = "legal"\nroute = "nowhere"\n'
    text = gate + '[[findings]]\ncode = "stolen"\nlabel = "stolen"\ngate = "legal"\n'
    assert [(problem.line, problem.key) for problem in config.problems(site(text))] == [
        (1, "gates.legal.label"),
        (3, "gates.legal.route"),
    ]


def test_gate_taken_out_is_told_with_everything_that_still_needs_it(site):
    path = site('[[gates]]\ncode = "wipe_unverified"\nremove = true\n')
    problems = config.problems(path)
    assert {(problem.file, problem.line, problem.key) for problem in problems} == {(path, 1, "gates.wipe_unverified")}
    sentences = [str(problem.message) for problem in problems]
    assert "checklists.headphones.wipe.reset.gate: no gate 'wipe_unverified'" in sentences


UNREADABLE: dict[str, tuple[bytes, int, str]] = {
    "value missing": (b"[station]\nname =\n", 2, "column 7"),
    "key twice": (b'[station]\nname = "a"\nname = "b"\n', 3, "Cannot overwrite a value"),
    "quote left open": (b'[station]\nname = """a\n', 3, "ends too early"),
    "not UTF-8": (
        '[station]\nname = "caf\N{LATIN SMALL LETTER E WITH ACUTE}"'.encode("cp1252"),
        2,
        "byte 0xe9 in column 12",
    ),
    "UTF-16": ("[station]".encode("utf-16"), 1, "byte 0xff in column 1"),
}


@pytest.mark.parametrize(("raw", "line", "sentence"), UNREADABLE.values(), ids=UNREADABLE)
def test_file_that_is_no_toml_is_told_with_line_and_column(tmp_path, raw, line, sentence):
    path = tmp_path / "station.toml"
    path.write_bytes(raw)
    (problem,) = config.problems(path)
    assert (problem.file, problem.line) == (path, line)
    assert sentence in str(problem.message)


def test_byte_order_mark_of_windows_editors_is_taken(tmp_path):
    path = tmp_path / "station.toml"
    path.write_bytes(b'\xef\xbb\xbf[station]\r\nname = "DOCK-2"\r\n')
    assert config.load(path).station.name == "DOCK-2"


def test_missing_file_and_folder_are_told_apart(tmp_path):
    (missing,) = config.problems(tmp_path / "none.toml")
    (folder,) = config.problems(tmp_path)
    assert str(missing) == f"{tmp_path / 'none.toml'}: there is no such file"
    assert f"for example {tmp_path / 'station.toml'}" in str(folder)


# ── Lines ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def paths(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every path of a document."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for part, below in parts:
        yield (*path, part)
        yield from paths(below, (*path, part))


def test_lines_through_everything_that_toml_allows():
    text = '''\
# [not.a.table]
top = 1979-05-27 07:32:00 # = [
"quoted key" = 'a # b = [c]'
dotted.key.pair = -1.5e3
[a."b.c"]
long = """
[not] = "a" \\"""
"""
literal = \'\'\'
{ no = 1 }\'\'\'
list = [ # first
  1,
  { x = [[], [2]], y.z = "]" }, # ,

  3.5,
]
[[rows]]
n = 1
[rows.sub]
m = 1
[[rows.parts]]
k = 1
[[rows.parts]]
k = 2
[[rows]]
[[rows.parts]]
k = 3
'''
    found = positions(text)
    assert set(found) == set(paths(tomllib.loads(text)))
    assert {
        path: found[path]
        for path in [
            ("top",),
            ("quoted key",),
            ("dotted", "key", "pair"),
            ("a", "b.c"),
            ("a", "b.c", "literal"),
            ("a", "b.c", "list", 0),
            ("a", "b.c", "list", 1, "x", 1, 0),
            ("a", "b.c", "list", 1, "y", "z"),
            ("a", "b.c", "list", 2),
            ("rows", 0, "sub", "m"),
            ("rows", 0, "parts", 1, "k"),
            ("rows", 1),
            ("rows", 1, "parts", 0, "k"),
        ]
    } == {
        ("top",): 2,
        ("quoted key",): 3,
        ("dotted", "key", "pair"): 4,
        ("a", "b.c"): 5,
        ("a", "b.c", "literal"): 9,
        ("a", "b.c", "list", 0): 12,
        ("a", "b.c", "list", 1, "x", 1, 0): 13,
        ("a", "b.c", "list", 1, "y", "z"): 13,
        ("a", "b.c", "list", 2): 15,
        ("rows", 0, "sub", "m"): 20,
        ("rows", 0, "parts", 1, "k"): 24,
        ("rows", 1): 25,
        ("rows", 1, "parts", 0, "k"): 27,
    }


TEXT = st.text(st.sampled_from("ab\n\t\\\"'#é]}=,"), max_size=6)
KEYS = st.text(st.sampled_from('ab-."# é=['), min_size=1, max_size=4)
VALUES = st.recursive(
    st.integers(-9, 9) | st.booleans() | st.floats(allow_nan=False) | TEXT | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)


# A busy machine is no reason to fail: only the answer counts here, not its speed.
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_every_key_is_found_on_a_line_that_holds_it(document):
    text = tomlkit.dumps(document)
    found = positions(text)
    assert set(found) == set(paths(tomllib.loads(text)))
    lines = text.split("\n")
    for path, line in found.items():
        if isinstance(path[-1], str):
            assert path[-1] in lines[line - 1].replace('\\"', '"')
