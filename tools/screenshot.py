"""Draw the README's picture: `uv run python tools/screenshot.py` (needs chromium)."""

import asyncio
import re
import subprocess
import tempfile
from pathlib import Path
from time import monotonic

from inspect_station import config
from inspect_station.demo.build import prepare
from inspect_station.station import open_station
from inspect_station.tui.app import StationApp

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "screen.png"


async def _draw(folder: Path) -> str:
    demo = prepare(folder / "demo")
    phone = next(parcel for parcel in demo.parcels if parcel.kind == "phone")
    with open_station(config.load(Path(demo.config)), running=True) as station:
        app = StationApp(station)
        async with app.run_test(size=(96, 26)) as pilot:
            for code in (demo.badge, *phone.scans[:2]):
                for key in (*code, "enter"):
                    app.key(monotonic(), key)  # as fast as a scanner types
                await app.settled()
            await pilot.pause()
            return app.export_screenshot(title="inspect-station")


def main() -> None:
    """Write docs/screen.png."""
    with tempfile.TemporaryDirectory() as folder:
        svg = asyncio.run(_draw(Path(folder)))
        # The fonts that Textual names lie on a web server: draw with one that is here.
        svg = re.sub(r"@font-face\s*\{.*?\}", "", svg, flags=re.DOTALL).replace("Fira Code", "DejaVu Sans Mono")
        source = Path(folder) / "screen.html"
        source.write_text(f"<!doctype html><meta charset=utf-8><style>body{{margin:0}}</style>{svg}", encoding="utf-8")
        command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        command += ["--hide-scrollbars", "--window-size=1210,725", f"--screenshot={PICTURE}", source.as_uri()]
        subprocess.run([*command, f"--user-data-dir={folder}/profile"], check=True, capture_output=True)


if __name__ == "__main__":
    main()
