"""Which line of an RMA is which, when a list tells of it again."""

from collections.abc import Callable, Collection, Hashable, Sequence

from inspect_station.core.records import Line

_SAME: tuple[Callable[[Line], Hashable], ...] = (
    lambda line: (line.gtin, line.serial, line.reason),
    lambda line: (line.gtin, line.serial),
    lambda line: line.gtin,
)
"""What two lines have in common that are the same, the surest first."""


def numbered(told: Sequence[Line], known: Sequence[Line], *, begun: Collection[int]) -> tuple[Line, ...]:
    """The lines of a list with the numbers by which they are known, in the order of the numbers.

    A list numbers lines by its rows, and units refer to lines by number: another order must not move a unit to
    another article. A line that is new gets a new number; one that is gone stays while units of it were ``begun``.
    """
    left = sorted(known, key=lambda line: line.no)
    numbers: dict[int, int] = {}
    for key in _SAME:
        for at, line in enumerate(told):
            match = next((each for each in left if key(each) == key(line)), None) if at not in numbers else None
            if match is not None:
                left.remove(match)
                numbers[at] = match.no
    following = max((line.no for line in known), default=0) + 1
    for at in range(len(told)):
        if at not in numbers:
            numbers[at] = following
            following += 1
    kept = [line for line in left if line.no in begun]
    lines = (line.but(no=numbers[at]) for at, line in enumerate(told))
    return tuple(sorted((*lines, *kept), key=lambda line: line.no))
