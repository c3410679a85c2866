"""Which line is which when an RMA's list is read again: units refer to lines by number."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspect_station.core.records import Line
from inspect_station.store.lines import numbered


def told(*lines: str) -> tuple[Line, ...]:
    """The lines of a list, ``gtin serial reason`` each, numbered by their rows."""
    fields = [[*line.split(" "), "", ""] for line in lines]
    return tuple(Line(no=n, gtin=row[0], serial=row[1], reason=row[2]) for n, row in enumerate(fields, 1))


# what, known, begun, told again, number and line afterwards
CASES = {
    "the same again": (["a", "b"], (), ["a", "b"], ["1 a", "2 b"]),
    "rows in another order": (["a", "b", "c"], (), ["c", "a", "b"], ["1 a", "2 b", "3 c"]),
    "one added above": (["a", "b"], (), ["c", "a", "b"], ["1 a", "2 b", "3 c"]),
    "one removed": (["a", "b", "c"], (), ["a", "c"], ["1 a", "3 c"]),
    "one removed that was begun": (["a", "b", "c"], (2,), ["c", "a"], ["1 a", "2 b", "3 c"]),
    "all removed, one of them begun": (["a", "b"], (1,), ["c"], ["1 a", "3 c"]),
    "two equal lines": (["a", "a"], (2,), ["a", "a"], ["1 a", "2 a"]),
    "two equal lines become one": (["a", "a"], (), ["a"], ["1 a"]),
    "two equal lines become one, the second begun": (["a", "a"], (2,), ["a"], ["1 a", "2 a"]),
    "one becomes two equal lines": (["a"], (), ["a", "a"], ["1 a", "2 a"]),
    "two of one article, told apart by serial": (["a S1", "a S2"], (), ["a S2", "a S1"], ["1 a S1", "2 a S2"]),
    "two of one article, told apart by reason": (["a  X", "a  Y"], (), ["a  Y", "a  X"], ["1 a  X", "2 a  Y"]),
    "another reason for the same serial": (["a S1 X", "a S2 X"], (), ["a S2 Y"], ["2 a S2 Y"]),
    "a serial that is known now": (["a", "b"], (), ["b", "a S1"], ["1 a S1", "2 b"]),
    "another reason": (["a  X", "b  X"], (), ["b  X", "a  Y"], ["1 a  Y", "2 b  X"]),
    "a number in use is never given again": (["a", "b"], (1,), ["d", "b"], ["1 a", "2 b", "3 d"]),
}


@pytest.mark.parametrize(("known", "begun", "again", "expected"), CASES.values(), ids=CASES)
def test_lines_keep_their_numbers(known, begun, again, expected):
    lines = numbered(told(*again), told(*known), begun=begun)
    assert [f"{line.no} {line.gtin} {line.serial} {line.reason}".rstrip() for line in lines] == expected


LINES = st.lists(st.sampled_from(["a", "a S1", "a S2", "a  X", "b", "b S1", "c"]), min_size=1, max_size=6)


@given(LINES, LINES, st.sets(st.integers(1, 6)))
def test_no_line_is_lost_doubled_or_moved_to_another_article(known, again, begun):
    before = {line.no: line for line in told(*known)}
    after = numbered(told(*again), tuple(before.values()), begun=begun)
    assert len({line.no for line in after}) == len(after)
    assert all(line.gtin == before[line.no].gtin for line in after if line.no in before)
    assert begun & before.keys() <= {line.no for line in after}
    wanted = sorted((line.gtin, line.serial, line.reason) for line in told(*again))
    found = sorted((line.gtin, line.serial, line.reason) for line in after)
    for each in wanted:
        found.remove(each)
    assert len(found) <= len(begun)
