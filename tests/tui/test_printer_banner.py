"""What the screen says by itself of a printer that does not print."""

from dataclasses import replace

from inspect_station.message import msg
from inspect_station.outbox.prints import PrinterState
from inspect_station.tui.scene import Banner
from tests.tui.conftest import Dock, Operator

WELL = PrinterState(True, False, 0, 0, msg("printer ready"))
GONE = replace(WELL, ready=False, waiting=1, problem=msg("no labels left: put in a new roll"))


def said(operator: Operator) -> tuple[str, str] | None:
    """The banner's sentence and what to do."""
    banner = operator.app.scene.banner
    return (str(banner.title), str(banner.hint)) if banner else None


async def test_a_printer_that_stops_is_told_once_wherever_the_operator_is(dock: Dock) -> None:
    async with dock() as operator:
        await operator.start("ML-4001", "lamp")
        before = operator.app.scene.place
        operator.app._heed_printer(WELL, GONE)
        assert said(operator) == (
            "no labels left: put in a new roll",
            "labels wait in their order and are tried again; go on working",
        )
        assert operator.app.scene.place == before, "nothing else has moved"
        await operator.press("n", "Esc")
        assert said(operator) is None
        operator.app._heed_printer(GONE, replace(GONE, waiting=2))
        assert said(operator) is None, "it was told"


async def test_a_late_label_is_told_with_its_plate_and_the_reason(dock: Dock) -> None:
    async with dock() as operator:
        sentence = msg("label of {lpn} not out: set the box aside", lpn="LDK3T00001B")
        late = replace(GONE, said=sentence, not_out="LDK3T00001B")
        operator.app._heed_printer(GONE, late)
        assert said(operator) == (str(sentence), "no labels left: put in a new roll")
        operator.app._heed_printer(late, replace(late, problem=None, not_out="LDK3T000029"))
        assert said(operator) == (str(sentence), "F4 asks before it prints")


async def test_the_printers_news_do_not_hide_why_a_scan_was_refused(dock: Dock) -> None:
    async with dock() as operator:
        refused = Banner("bad", msg("nothing is open"))
        operator.app._show(operator.app.scene.but(banner=refused))
        operator.app._heed_printer(WELL, GONE)
        assert operator.app.scene.banner == refused
        operator.app._show(operator.app.scene.but(banner=None))
        operator.app._heed_printer(GONE, replace(GONE, waiting=2))
        assert operator.app.scene.banner is not None
        assert str(operator.app.scene.banner.title) == "no labels left: put in a new roll"


async def test_what_was_mended_before_it_could_be_told_is_not_told(dock: Dock) -> None:
    async with dock() as operator:
        operator.app._show(operator.app.scene.but(banner=Banner("bad", msg("nothing is open"))))
        operator.app._heed_printer(WELL, GONE)
        operator.app._heed_printer(GONE, WELL)
        operator.app._show(operator.app.scene.but(banner=None))
        operator.app._heed_printer(WELL, WELL)
        assert said(operator) is None
