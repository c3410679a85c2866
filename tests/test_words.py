"""Sentences for people: what is extracted, what stands in the catalogues, and how it is written in a language."""

import ast
import re
import string
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from hypothesis import example, given
from hypothesis import strategies as st

from inspect_station import config
from inspect_station.core.records import Money
from inspect_station.core.rules import Rules
from inspect_station.message import Message, msg, msgn
from inspect_station.words import LOCALES, Voice
from tools import catalogue
from tools.catalogue import Translations

FORMATS = {"date", "time", "moment", "span", "money", "word", "data"}
"""Those that message.py promises."""

PATHS = {
    "grade.lightly_damaged": ("lightly damaged", "légèrement endommagé"),
    "finding.scratch": ("scratch a nail catches", "rayure où l'ongle accroche"),
    "gate.swollen_battery": ("swollen battery", "batterie gonflée"),
    "slot.box": ("empty box", "boîte vide"),
    "place.hold": ("HOLD bin H2", "Bac ATTENTE H2"),
    "reason.LATE": ("delivered late", "livré en retard"),
    "exclusion.gas": ("runs on gas", "fonctionne au gaz"),
    "question.hazard.1": ("yes: danger", "oui : danger"),
    "step.phone.lock.sim_lock": ("no SIM lock", "pas de verrou opérateur"),
}
"""A path of each kind, with its label in station.toml."""


@pytest.fixture(scope="module")
def rules() -> Rules:
    return config.load().rules


@pytest.fixture(scope="module")
def english(rules: Rules) -> Voice:
    return Voice("en", rules, "Europe/Paris")


@pytest.fixture(scope="module")
def french(rules: Rules) -> Voice:
    return Voice("fr", rules, "Europe/Paris")


# ── Out of the code ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("code", "found"),
    [
        pytest.param('msg("ready")', ["ready"], id="a sentence"),
        pytest.param('msg("{a} "\n    "and {b}", a=1, b=2)', ["{a} and {b}"], id="over two lines"),
        pytest.param('msgn("{n} unit", "{n} units", n=2)', [("{n} unit", "{n} units")], id="a plural"),
        pytest.param("f\"{say(msg('Why:'))} {why}\"", ["Why:"], id="inside an f-string"),
        pytest.param('x = msg("yes") if y else msg("no")', ["yes", "no"], id="one of two"),
        pytest.param(
            'def f(x): return msg("not {w:word} {x}", w="clean" if x else "dry", x="data")',
            ["not {w:word} {x}", "clean", "dry"],
            id="words given to a template",
        ),
        pytest.param(
            'def f():\n  w = [r for r in ("clean", "dry") if r in left]\n  return msg("not {w:word}", w=w[0])',
            ["not {w:word}", "clean", "dry"],
            id="words given by a name",
        ),
        pytest.param(
            'def f(p):\n  w = WORDS[p.partition(".")[0]]\n  return msg("{w:word}", w=w.text if p == "x" else f("y"))',
            ["{w:word}"],
            id="texts on the way to a word",
        ),
        pytest.param('msg("{t:word}", t=error.title.text)', ["{t:word}"], id="the text of another message"),
        pytest.param('print("data"); Message("")', [], id="other texts"),
    ],
)
def test_extraction_finds(code: str, found: list[str | tuple[str, str]]):
    assert Counter(catalogue.sentences(code)) == Counter(found)


@pytest.mark.parametrize("code", ['msg(f"{n} units")', "msg(text)", 'msg("a" + b)', 'msgn("{n} unit", many, n=2)'])
def test_sentence_put_together_at_run_time_is_refused(code: str):
    with pytest.raises(SyntaxError, match="literal"):
        list(catalogue.sentences(code))


def fields(text: str) -> Counter[tuple[str, str]]:
    """The values that a template names, with the format of each."""
    return Counter((name, format or "") for _, name, format, _ in string.Formatter().parse(text) if name is not None)


def forms(text: str | tuple[str, str]) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else text


def calls() -> Iterator[tuple[str, str, dict[str | None, ast.expr]]]:
    """Every call of msg and msgn in the program: where, the template, the values (those of a mapping under None)."""
    for file in sorted(catalogue.PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Name("msg" | "msgn"), args=[*texts], keywords=keywords):
                    where = f"{file.relative_to(catalogue.TOP)}:{node.lineno}"
                    values = {keyword.arg: keyword.value for keyword in keywords}
                    for text in texts:
                        assert isinstance(text, ast.Constant) and isinstance(text.value, str), where
                        yield where, text.value, values


def test_every_format_in_the_code_is_known():
    unknown = [
        f"{where}: {{{name}:{format}}}"
        for where, text, _ in calls()
        for name, format in fields(text)
        if format and format not in FORMATS
    ]
    assert unknown == []


def test_every_template_names_values_that_it_is_given():
    """One that is given none at its place stands in a table, and gets them where it is taken out."""
    wrong = [
        f"{where}: {{{name}}} in {text!r}"
        for where, text, values in calls()
        for name, _ in fields(text)
        if not name.isidentifier() or (values and None not in values and name not in values)
    ]
    assert wrong == []


def test_every_path_in_the_code_leads_to_a_label(rules: Rules):
    voice = Voice("en", rules)
    lost = []
    for where, text, values in calls():
        for name in (name for name, format in fields(text) if format == "data"):
            match values.get(name):
                case ast.Constant(str(path)) if voice.data(path) == path.rsplit(".", 1)[-1]:
                    lost.append(f"{where}: {path}")
                case ast.JoinedStr([ast.Constant(str(start)), *_]):
                    kind = start.partition(".")[0]
                    if not any(path.startswith(f"{kind}.") for path in PATHS):
                        lost.append(f"{where}: {start}…")
    assert lost == []


# ── The catalogues ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def code() -> Catalog:
    return catalogue.template()


@pytest.fixture(scope="module", params=catalogue.catalogues(), ids=lambda po: po.parent.parent.name)
def po(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


@pytest.fixture(scope="module")
def translations(po: Path) -> Translations:
    return catalogue.read(po)


def sentences(translations: Catalog) -> set[str | tuple[str, str]]:
    return {message.id for message in translations if message.id}  # type: ignore[misc]


def test_every_language_but_english_has_a_catalogue():
    assert {po.parent.parent.name for po in catalogue.catalogues()} == set(LOCALES) - {"en"}


def test_catalogue_has_the_sentences_of_the_code_and_no_others(code: Catalog, translations: Translations):
    assert sorted(map(str, sentences(code) - sentences(translations))) == [], "run tools/catalogue.py"
    assert sorted(map(str, sentences(translations) - sentences(code))) == [], "run tools/catalogue.py"


def test_every_sentence_is_translated(translations: Translations):
    assert catalogue.untranslated(translations) == []


def test_translation_names_the_same_values_in_the_same_formats(translations: Translations):
    differing = [
        (english, other)
        for message in translations
        if message.id
        for english, other in zip(forms(message.id), catalogue.forms(message), strict=True)  # type: ignore[arg-type]
        if fields(english) != fields(other)
    ]
    assert differing == []


def test_catalogue_is_as_its_tool_writes_it(po: Path, translations: Translations):
    text = po.read_bytes()
    assert catalogue.written(translations) == text
    assert b"\n#~" not in text
    assert re.search(rb"^#: \S+\.py:\d", text, re.MULTILINE) is None
    assert b"Date:" not in text


def test_compiled_catalogue_is_fresh(po: Path, translations: Translations):
    assert po.with_suffix(".mo").read_bytes() == catalogue.compiled(translations), "run tools/catalogue.py"


@pytest.fixture(scope="module")
def in_french() -> dict[str, str]:
    """The French of every sentence; what stands between backticks is typed and not written."""
    po = catalogue.PACKAGE / "locale/fr/LC_MESSAGES/inspect_station.po"
    return {
        english: re.sub("`[^`]*`", "", french)
        for message in catalogue.read(po)
        if message.id
        for english, french in zip(forms(message.id), catalogue.forms(message), strict=True)  # type: ignore[arg-type]
    }


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(r" [:;?!%»]|« ", id="a space that may break before a sign"),
        pytest.param(r"\S([;?!»]|:(?!\S))", id="no space before a sign"),
        pytest.param("[’“”]", id="a curly sign"),
        pytest.param(r"\b(Enter|Space|Esc|Escape)\b", id="a key by its English name"),
        pytest.param(r"(?i)\b(vous|veuillez|votre|vos)\b", id="vous"),
    ],
)
def test_french_is_free_of(wrong: str, in_french: dict[str, str]):
    assert [french for french in in_french.values() if re.search(wrong, french)] == []


@pytest.mark.parametrize(("key", "touche"), [("Enter", "Entrée"), ("Space", "Espace"), ("Esc", "Échap"), ("F3", "F3")])
def test_french_names_the_same_keys(key: str, touche: str, in_french: dict[str, str]):
    named = {english: french for english, french in in_french.items() if re.search(rf"\b{key}\b", english)}
    assert named
    assert [french for french in named.values() if touche not in french] == []


# ── Written in a language ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("message", "en", "fr"),
    [
        pytest.param(
            msg("received {on:date} {at:time}", on="2026-10-02", at="2026-10-02T07:05:00+00:00"),
            "received 2 Oct 09:05",
            "reçu le 2 oct. 09:05",
            id="date, and time at the site",
        ),
        pytest.param(
            msg("paid {price:money}", price="29925 EUR"), "paid €299.25", "payé 299,25\u00a0€", id="an amount"
        ),
        pytest.param(
            msg("paid {price:money}", price="129900 EUR"), "paid €1,299.00", "payé 1\u202f299,00\u00a0€", id="thousands"
        ),
        pytest.param(
            msg("paid {price:money}", price="1200 JPY"),
            "paid ¥1,200",
            "payé 1\u202f200\u00a0JPY",
            id="a currency without decimals",
        ),
        pytest.param(
            msg("not yet {what:word}: back to the bench", what="clean"),
            "not yet clean: back to the bench",
            "pas encore propre\u00a0: retour à l'établi",
            id="a word that is translated too",
        ),
        pytest.param(
            msg("{gate:data}: cannot be sold", gate="gate.swollen_battery"),
            "swollen battery: cannot be sold",
            "batterie gonflée\u00a0: invendable",
            id="a label of the site",
        ),
        pytest.param(msgn("{n} unit", "{n} units", n=0), "0 units", "0 unité", id="none is plural in English only"),
        pytest.param(msgn("{n} unit", "{n} units", n=1), "1 unit", "1 unité", id="one"),
        pytest.param(msgn("{n} unit", "{n} units", n=2), "2 units", "2 unités", id="two"),
        pytest.param(msg("no such sentence {n}", n=3), "no such sentence 3", "no such sentence 3", id="untranslated"),
        pytest.param(Message(""), "", "", id="nothing to say"),
    ],
)
def test_message_is_written(message: Message, en: str, fr: str, english: Voice, french: Voice):
    assert english.say(message) == en
    assert french.say(message) == fr


@pytest.mark.parametrize("path", PATHS)
def test_label_of(path: str, english: Voice, french: Voice):
    assert (english.data(path), french.data(path)) == PATHS[path]


@pytest.mark.parametrize(
    "path",
    ["grade.shiny", "slot.roof", "place.attic", "question.hazard.9", "step.car.test.power", "moon.dark", "x", ""],
)
def test_label_that_is_not_there_is_its_code(path: str, french: Voice):
    assert french.data(path) == path.rpartition(".")[2]


def test_day_time_and_amount_alone(english: Voice, french: Voice):
    assert english.day(date(2026, 10, 2)) == "2 Oct"
    assert french.day(date(2026, 10, 2)) == "2 oct."
    assert english.long_day(date(2026, 11, 22)) == "Sun 22 Nov 2026"
    assert french.long_day(date(2026, 11, 22)) == "dim. 22 nov. 2026"
    assert french.time(datetime(2026, 7, 1, 22, 30, tzinfo=UTC)) == "00:30"
    assert french.money(Money(minor=5)) == "0,05\u00a0€"


@pytest.mark.parametrize("locale", ["xx", "de_XX", "not a language", "../fr", ""])
def test_unknown_language_is_english(locale: str, rules: Rules):
    voice = Voice(locale, rules)
    assert voice.say(msg("paid {price:money}", price="29925 EUR")) == "paid €299.25"
    assert voice.data("grade.used") == "used"
    assert voice.day(date(2026, 10, 2)).startswith("2 O")


def test_site_data_in_its_own_languages(french: Voice):
    assert french.say({"en": "shelf", "fr": "étagère"}) == "étagère"
    assert french.say({"en": "shelf", "de": "Regal"}) == "shelf"
    assert french.say({"de": "Regal"}) == "Regal"
    assert french.say("somebody's {data}") == "somebody's {data}"
    assert french.join([{"en": "chip", "fr": "éclat"}, msg("tested"), {"fr": "éclat"}, {"en": ""}]) == "éclat, testé"


# ── Whatever comes out of a file or off the wire ─────────────────────────────────────────────────────────────────────


def test_missing_value_is_left_out(french: Voice):
    assert french.say(Message("photo {n} of {total}: {slot}", {"n": 1})) == "photo 1 sur \u00a0: "
    assert french.say(Message("{n} unit", {}, "{n} units")) == " unité"
    for format in FORMATS:
        assert french.say(Message(f"<{{x:{format}}}>")) == "<>"


@pytest.mark.parametrize(
    "value", ["{n}", "{0.__class__}", "}{", "[bold red]x[/]", "[@click=quit]x", "%(n)s", "100 %", "\\"]
)
def test_value_is_shown_as_it_is(value: str, english: Voice, french: Voice):
    message = msg("{code} is not known here. Enter takes it in unannounced", code=value)
    assert english.say(message) == f"{value} is not known here. Enter takes it in unannounced"
    assert french.say(message) == f"{value} inconnu ici. Entrée le prend comme non annoncé"


@pytest.mark.parametrize(
    "template",
    [
        "{n.__class__}",
        "{n.__class__.__mro__}",
        "{n.__init__.__globals__}",
        "{n[0]}",
        "{n.real!r}",
        "{n:{n.__class__}}",
        "{x:word}",
    ],
)
def test_template_reaches_no_attribute_or_item(template: str, french: Voice):
    said = french.say(Message(f"<{template}>", {"n": 17, "x": "{n.__class__}{x.__doc__}"}))
    assert said in ("<>", "<''>", "<17>")


@pytest.mark.parametrize(
    ("message", "said"),
    [
        pytest.param(Message("since {on:date}", {"on": "tomorrow"}), "since tomorrow", id="no date"),
        pytest.param(Message("at {at:time}", {"at": 5}), "at 5", id="no time"),
        pytest.param(Message("at {at:time}", {"at": "0001-01-01T00:00:00+14:00"}), None, id="before all time"),
        pytest.param(Message("paid {p:money}", {"p": "much"}), "paid much", id="no amount"),
        pytest.param(Message("paid {p:money}", {"p": "1 EUR more"}), "paid 1 EUR more", id="too many words"),
        pytest.param(Message("{n:99999999}", {"n": 5}), "5", id="a width"),
        pytest.param(Message("{n:unknown}", {"n": 5}), "5", id="an unknown format"),
        pytest.param(Message("half a {template", {}), "half a {template", id="an open brace"),
        pytest.param(Message("{n!x}", {"n": 5}), "{n!x}", id="an unknown conversion"),
        pytest.param(Message("one", {"n": "many"}, "more"), "one", id="a count that is none"),
    ],
)
def test_message_that_makes_no_sense_is_shown_all_the_same(message: Message, said: str | None, french: Voice):
    written = french.say(message)
    assert written == said if said is not None else written


TEXT = st.text(alphabet="{}n.x[]!:r_ 0é") | st.sampled_from([f"{{x:{format}}}" for format in sorted(FORMATS)])


@given(
    text=TEXT,
    plural=st.just("") | TEXT,
    value=st.integers() | st.text() | st.sampled_from(["9" * 5000 + " EUR", "question.state.²", "step...", "grade."]),
)
@example(text="{x:money}", plural="", value="1e9 EUR")
@example(text="{x:data}", plural="", value="question.state.0")
def test_no_message_stops_the_dock(french: Voice, text: str, plural: str, value: str | int):
    assert isinstance(french.say(Message(text, {"x": value, "n": value}, plural)), str)
