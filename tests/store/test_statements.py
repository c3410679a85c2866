"""How the program may speak to SQLite, and what it says of an SQLite that is not to be trusted."""

import ast
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

import inspect_station
from inspect_station import config
from inspect_station.doctor import examine

PROGRAM = Path(inspect_station.__file__).parent


def sources() -> Iterator[tuple[Path, ast.Module]]:
    """What speaks to SQLite: on PostgreSQL a BEGIN takes no lock that could be refused later."""
    for path in sorted(PROGRAM.rglob("*.py")):
        if path.name != "postgres.py":
            yield path, ast.parse(path.read_text(encoding="utf-8"))


def deferred(tree: ast.Module) -> Iterator[int]:
    """Lines that begin a transaction without the right to write: it fails as soon as another process has written."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            begins = re.match(r"\s*BEGIN\b(.*)", node.value)
            if begins and not re.match(r"\s+(IMMEDIATE|EXCLUSIVE)\b", begins[1]):
                yield node.lineno


def implied(tree: ast.Module) -> Iterator[int]:
    """Connections before whose first change Python itself would put a deferred BEGIN."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "sqlite3.connect":
            given = {word.arg: ast.unparse(word.value) for word in node.keywords}
            if given.get("isolation_level") != "None":
                yield node.lineno


def nameless(text: str) -> Iterator[str]:
    """Subqueries without a name, which PostgreSQL 15 does not take."""
    for begin in re.finditer(r"\b(?:FROM|JOIN) \((?=\s*SELECT|\{)", text):
        depth, end = 1, begin.end()
        while depth:
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            end += 1
        if not re.match(r" AS [a-z_]+\b", text[end:]):
            yield text[begin.start() : end]


def test_every_subquery_has_a_name():
    assert not [
        each
        for folder in ("store", "hub")
        for path in (PROGRAM / folder).glob("*.py")
        for each in nameless(path.read_text(encoding="utf-8"))
    ]
    assert list(nameless("SELECT * FROM (SELECT max(a) FROM b) WHERE c")) == ["FROM (SELECT max(a) FROM b)"]


@pytest.mark.parametrize("fault", [deferred, implied])
def test_no_transaction_begins_deferred(fault):
    """Fault 16: with two connections, a deferred BEGIN that reads and then writes fails however long it may wait."""
    assert [f"{path.name}:{line}" for path, tree in sources() for line in fault(tree)] == []


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        pytest.param(deferred, "c.execute('BEGIN')", id="BEGIN alone"),
        pytest.param(deferred, "c.execute('BEGIN DEFERRED TRANSACTION')", id="BEGIN DEFERRED"),
        pytest.param(implied, "sqlite3.connect(file)", id="Python begins by itself"),
        pytest.param(implied, "sqlite3.connect(file, isolation_level='DEFERRED')", id="Python is told to"),
    ],
)
def test_this_is_what_would_be_found(fault, text: str):
    assert [*fault(ast.parse(text))] == [1]
    assert [*fault(ast.parse("c.execute('BEGIN IMMEDIATE'); sqlite3.connect(f, isolation_level=None)"))] == []


def test_the_program_was_read():
    assert sum(1 for _ in sources()) > 50
    assert any("BEGIN IMMEDIATE" in path.read_text(encoding="utf-8") for path, _ in sources())


@pytest.mark.parametrize(
    ("version", "ok", "word"),
    [
        pytest.param((3, 46, 1), None, "the slower, safe journal is used", id="affected"),
        pytest.param((3, 51, 3), True, "write-ahead journal", id="repaired"),
    ],
)
def test_the_doctor_tells_of_an_sqlite_with_the_wal_reset_bug(tmp_path: Path, monkeypatch, version, ok, word):
    """Fault 15; that the journal is then the other one, and each commit synced with EXTRA, test_doors shows."""
    file = tmp_path / "station.toml"
    file.write_text("[station]\nname = 'DOCK-3'\ndata = 'data'\n", encoding="utf-8")
    monkeypatch.setattr(sqlite3, "sqlite_version_info", version)
    (check,) = [check for check in examine(config.load(file)) if check.name == "sqlite"]
    assert check.ok is ok and word in str(check.found)
