"""UUIDv7, against RFC 9562 and Python's own reading of it."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspect_station.core.ids import uuid7


def test_the_example_of_the_standard():
    # RFC 9562, appendix A.6: 22 February 2022 19:22:22 UTC, rand_a CC3, rand_b 18C4DC0C0C07398F.
    random = bytes.fromhex("0CC3" + "18C4DC0C0C07398F")
    assert uuid7(0x017F22E279B0, random) == "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"


@given(st.integers(0, 2**48 - 1), st.binary(min_size=10, max_size=16))
def test_every_id_is_a_version_7_of_its_millisecond(now_ms: int, random: bytes):
    made = uuid.UUID(uuid7(now_ms, random))
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert made.int >> 80 == now_ms


@given(st.lists(st.integers(0, 2**48 - 1), unique=True), st.binary(min_size=10, max_size=10))
def test_ids_sort_as_their_times_do(times: list[int], random: bytes):
    assert sorted(uuid7(at, random) for at in times) == [uuid7(at, random) for at in sorted(times)]


@pytest.mark.parametrize(
    ("now_ms", "random"),
    [
        pytest.param(-1, bytes(10), id="before 1970"),
        pytest.param(1 << 48, bytes(10), id="after the year 10889"),
        pytest.param(0, bytes(9), id="too little chance"),
    ],
)
def test_what_no_id_can_be_made_of(now_ms: int, random: bytes):
    with pytest.raises(ValueError, match="uuid7"):
        uuid7(now_ms, random)
