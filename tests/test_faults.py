"""The table of faults names tests that there are, in the order of its numbers."""

import re
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[1]
TEXT = (TOP / "docs" / "faults.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (\d+) \|(.*)\|$", TEXT, re.MULTILINE)
NOT_COVERED = re.findall(
    r"^- (\d+): \w", TEXT.partition("\nNot covered:\n")[2].partition("\nIn part only:\n")[0], re.MULTILINE
)
NAMED = [(number, *each) for number, row in ROWS for each in re.findall(r"`(tests/[\w/.]+)::(\w+)`", row)]


def test_the_faults_stand_once_each_in_their_order():
    numbers = [int(number) for number, _ in ROWS]
    assert numbers == sorted(set(numbers))


def test_each_of_the_67_is_shown_or_said_not_to_be():
    numbers = [int(number) for number, _ in ROWS] + [int(number) for number in NOT_COVERED]
    assert sorted(numbers) == [*range(1, 68)]


def test_every_fault_is_shown_by_a_test():
    assert {number for number, *_ in NAMED} == {number for number, _ in ROWS}
    assert all(len(row.split("|")) == 3 for _, row in ROWS)


@pytest.mark.parametrize(("number", "file", "name"), NAMED, ids=[f"{number} {name}" for number, _, name in NAMED])
def test_each_test_named_exists(number: str, file: str, name: str):
    assert re.search(rf"^(async )?def {name}\(", (TOP / file).read_text(encoding="utf-8"), re.MULTILINE)
