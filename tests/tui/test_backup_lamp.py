"""Where no good copy of the store is near, the screen says so once and keeps a lamp, and hinders nobody."""

from inspect_station.message import msg
from inspect_station.outcomes import Said
from inspect_station.station import Station
from inspect_station.tui.scene import Banner, OnParcel

REFUSED = Banner("look", msg("no RMA {number} in this store", number="ML-9"), msg("import it, or run `sync`"))


async def test_a_copy_that_is_too_old_stands_on_the_screen_until_there_is_a_new_one(dock, monkeypatch):
    trouble: list[Said] = []
    monkeypatch.setattr(Station, "backup_trouble", property(lambda _: trouble[0] if trouble else None))
    async with dock() as operator:
        assert "backup" not in await operator.screen()
        trouble.append(Said(msg("There is no copy of the store in {folder} yet.", folder="/usb"), msg("It makes one.")))
        operator.app.notify_changed()
        await operator.rest()
        told = await operator.screen()
        assert "▲ no backup" in told and "There is no copy of the store in /usb yet." in told
        await operator.scan("ML-4001")
        assert isinstance(operator.app.scene.place, OnParcel), "work goes on"
        await operator.press("Esc")
        assert "▲ no backup" in await operator.screen()
        trouble.clear()
        operator.app.notify_changed()
        await operator.rest()
        back = await operator.screen()
        assert "the store has a good copy again" in back and "no backup" not in back


async def test_why_the_last_scan_was_refused_is_not_painted_over(dock, monkeypatch):
    trouble: list[Said] = []
    monkeypatch.setattr(Station, "backup_trouble", property(lambda _: trouble[0] if trouble else None))
    async with dock() as operator:
        operator.app.scene = operator.app.scene.but(banner=REFUSED)
        trouble.append(Said(msg("There is no copy of the store in {folder} yet.", folder="/usb"), msg("It makes one.")))
        operator.app.notify_changed()
        await operator.rest()
        assert operator.app.scene.banner == REFUSED
        assert operator.app.scene.backup is not None
