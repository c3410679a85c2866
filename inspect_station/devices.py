"""What a site says about its printers, camera and scanner; the devices are in `printing`, `camera` and `scanners`."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from inspect_station.core.rows import Rule


class PrinterSettings(Rule):
    """One label printer."""

    name: Annotated[str, Field(min_length=1)]
    kind: Literal["file", "raw", "ipp"]
    """``file`` writes into a folder (simulated), ``raw`` speaks TCP 9100, ``ipp`` CUPS or a network printer."""
    folder: Path | None = None
    """file: where the labels go."""
    host: str = ""
    """raw: name or address."""
    port: int = Field(default=9100, gt=0, lt=65536)
    uri: Annotated[str, Field(pattern=r"^(ipps?://\S+)?$")] = ""
    """ipp: for example ``ipp://printer.local/ipp/print``."""
    format: Literal["pdf", "zpl"] = "pdf"
    dpi: Literal[203, 300, 600] = 203
    """The print head's dots per inch: bars are whole dots wide."""
    media: Annotated[str, Field(pattern=r"^\d+x\d+$")] = "62x40"
    """The roll that should be in it, width × height in mm."""
    fault: Literal["", "gone", "unknown", "slow"] = ""
    """file: fails on purpose, for training and tests."""

    @model_validator(mode="after")
    def _says_where(self) -> Self:
        needed = {"file": "folder", "raw": "host", "ipp": "uri"}[self.kind]
        if not getattr(self, needed):
            raise ValueError(f"a printer of kind {self.kind} needs {needed}")
        if self.fault and self.kind != "file":
            raise ValueError("only a printer of kind file can be told to fail")
        return self


class CameraSettings(Rule):
    """The camera at the bench."""

    kind: Literal["none", "folder", "device"]
    """``none``: photos are owed; ``folder`` takes pictures out of a folder (simulated); ``device`` is a real one."""
    folder: Path | None = None
    """folder: its JPEG, PNG and WebP pictures come in name order; a slot prefers those named after it."""
    device: int | str = 0
    """device: its number, or its path; a video file or stream is taken, too."""
    fault: Literal["", "gone", "blurred", "dark"] = ""
    """folder: fails on purpose, for training and tests."""

    @model_validator(mode="after")
    def _says_where(self) -> Self:
        if self.kind == "folder" and not self.folder:
            raise ValueError("a camera of kind folder needs folder")
        if self.fault and self.kind != "folder":
            raise ValueError("only a camera of kind folder can be told to fail")
        return self


class ScannerPort(Rule):
    """How the scanner is connected, and what it puts around a code. The keyboard works beside any of them."""

    kind: Literal["keyboard", "serial", "evdev"] = "keyboard"
    """``keyboard`` types into the terminal; ``serial`` is a serial line, USB-CDC mostly; ``evdev`` is a scanner that
    types, read as a device of its own, so that its keys reach no terminal and no keyboard layout."""
    device: str = ""
    """serial, evdev: its path, best one of ``/dev/serial/by-id`` or ``/dev/input/by-id``, which stays the same."""
    baud: Literal[1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200, 230400, 460800, 921600] = 9600
    """serial: as the scanner is set; over USB any will do."""
    prefix: str = ""
    """What the scanner sends before each code; with one, a scan is certain."""
    suffix: str = ""
    """What it sends after it; empty = Enter or Tab."""

    @model_validator(mode="after")
    def _says_where(self) -> Self:
        if self.kind != "keyboard" and not self.device.startswith("/"):
            links = {"serial": "/dev/serial/by-id", "evdev": "/dev/input/by-id"}[self.kind]
            raise ValueError(f"a scanner of kind {self.kind} needs device, its whole path, best one in {links}")
        if self.kind == "keyboard" and self.suffix and not self.prefix:
            raise ValueError("a scanner that types needs a prefix where it has a suffix")
        if self.kind == "keyboard" and set(self.suffix) & set("\r\n\t"):
            raise ValueError("Enter and Tab end a code by themselves: leave suffix empty")
        return self
