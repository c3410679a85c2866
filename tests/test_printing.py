"""Printers that work, refuse, stall and vanish: a folder, sockets, a scripted IPP server, ippeveprinter."""

import asyncio
import errno
import os
import re
import shutil
import socket
import socketserver
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError
from pyipp import IPP
from pyipp.enums import IppOperation
from pyipp.serializer import encode_dict

from inspect_station import printing
from inspect_station.devices import PrinterSettings
from inspect_station.errors import DeviceError, PrintUnknown
from inspect_station.printing import Printer, Trouble, printer

LABEL = b"%PDF-1.4 a label"
DROP = "drop"
"""Hang up without an answer."""


def surely_not_printed(printer: Printer, data: bytes = LABEL) -> DeviceError:
    with pytest.raises(DeviceError) as caught:
        printer.send(data, job="L7F3K00481C-1")
    assert not isinstance(caught.value, PrintUnknown), caught.value
    return caught.value


def nobody_knows(printer: Printer, data: bytes = LABEL) -> PrintUnknown:
    with pytest.raises(PrintUnknown) as caught:
        printer.send(data, job="L7F3K00481C-1")
    return caught.value


# ── Settings ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        pytest.param({"kind": "file"}, "needs folder", id="file without a folder"),
        pytest.param({"kind": "raw"}, "needs host", id="raw without a host"),
        pytest.param({"kind": "ipp"}, "needs uri", id="ipp without an address"),
        pytest.param({"kind": "ipp", "uri": "http://printer"}, "uri", id="address of another protocol"),
        pytest.param({"kind": "raw", "host": "p", "fault": "gone"}, "fail", id="a real printer told to fail"),
        pytest.param({"kind": "raw", "host": "p", "prot": 9100}, "prot", id="unknown key"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, reason):
    with pytest.raises(ValidationError, match=reason):
        PrinterSettings(name="labels", **settings)


@pytest.mark.parametrize(
    ("media", "sizes"),
    [
        ("", ()),
        ("continuous", ()),
        ("62x40", ("62x40",)),
        ("om_label_62x40mm", ("62x40",)),
        ("om_small_57.5x32mm", ("58x32",)),
        ("na_index-4x6_4x6in", ("102x152",)),
        ("oe_label_2.25x1.25in", ("57x32",)),
        ("om_label_62x40mm, iso_a4_210x297mm", ("62x40", "210x297")),
        ("roll_current_62x0mm", ("62x0",)),
    ],
)
def test_the_sizes_of_the_rolls_that_a_printer_names(media, sizes):
    assert printing.sizes_of(media) == sizes


# ── A folder ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Printer]:
    def make(fault: str = "", format: str = "pdf") -> Printer:
        settings = {"name": "labels", "kind": "file", "folder": tmp_path / "out", "fault": fault, "format": format}
        return printer(PrinterSettings.model_validate(settings))

    return make


def printed(tmp_path: Path) -> dict[str, bytes]:
    """Every file in the printer's folder, unfinished and hidden ones too."""
    return {file.name: file.read_bytes() for file in (tmp_path / "out").glob("*")}


@pytest.mark.parametrize("format", ["pdf", "zpl"])
def test_a_label_is_a_file_named_after_its_job(folder, tmp_path, format):
    device = folder(format=format)
    assert device.state().ok
    assert device.state().media == "", "it cannot know which roll somebody put in"
    device.send(LABEL, job="L7F3K00481C-1")
    assert printed(tmp_path) == {f"L7F3K00481C-1.{format}": LABEL}


@pytest.mark.parametrize(
    ("job", "name"),
    [
        pytest.param("../../etc/L7F3K00481C/2", "------etc-L7F3K00481C-2", id="a way out"),
        pytest.param("/etc/L7F3K00481C", "-etc-L7F3K00481C", id="from the root"),
        pytest.param("L7F3\x00K\x1b]0;x\x07\n", "L7F3-K--0-x--", id="NUL and controls"),
        pytest.param("..\\..\\x", "------x", id="another system's way out"),
    ],
)
def test_a_jobs_name_stays_one_name_in_the_folder(folder, tmp_path, job, name):
    folder().send(LABEL, job=job)
    assert printed(tmp_path) == {f"{name}.pdf": LABEL}


def test_gone(folder, tmp_path):
    assert not folder("gone").state().ok
    surely_not_printed(folder("gone"))
    assert printed(tmp_path) == {}


def test_unknown_may_have_printed(folder, tmp_path):
    assert folder("unknown").state().ok
    nobody_knows(folder("unknown"))
    assert list(printed(tmp_path)) == ["L7F3K00481C-1.pdf"]


def test_slow_is_slower_than_the_screens_patience(folder, tmp_path, monkeypatch):
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    folder("slow").send(LABEL, job="L7F3K00481C-1")
    assert slept[0] > 3
    assert list(printed(tmp_path)) == ["L7F3K00481C-1.pdf"]


def fail_fsync(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """The fsync of this number, counted from 0, finds the disk full."""
    real, calls = os.fsync, iter(range(100))

    def fsync(handle: int) -> None:
        if next(calls) == number:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)


def test_a_full_disk_leaves_nothing_and_the_label_can_be_sent_again(folder, tmp_path, monkeypatch):
    with monkeypatch.context() as full:
        fail_fsync(full, 0)
        assert "No space left" in str(surely_not_printed(folder()))
    assert printed(tmp_path) == {}
    folder().send(LABEL, job="L7F3K00481C-1")
    assert printed(tmp_path) == {"L7F3K00481C-1.pdf": LABEL}


def test_a_label_whose_name_may_not_outlive_a_power_cut_is_unknown(folder, monkeypatch):
    fail_fsync(monkeypatch, 1)
    nobody_knows(folder())


def test_a_folder_that_cannot_be_made_is_said_by_the_probe_and_the_print(tmp_path):
    (tmp_path / "file").write_text("in the way")
    device = printer(PrinterSettings(name="labels", kind="file", folder=tmp_path / "file" / "out"))
    assert not device.state().ok
    surely_not_printed(device)


# ── Raw TCP ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def raw(handle: Callable[[socket.socket], Any], receive_buffer: int = 0, format: str = "pdf") -> Iterator[Printer]:
    """A printer behind a socket that does this with each connection."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            handle(self.request)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

        def server_bind(self) -> None:
            if receive_buffer:
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            super().server_bind()

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        where = {"kind": "raw", "host": "127.0.0.1", "port": server.server_address[1]}
        try:
            yield printer(PrinterSettings.model_validate({"name": "labels", "format": format, **where}))
        finally:
            server.shutdown()


def read_all(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize("size", [16, 3_000_000])
def test_a_raw_printer_gets_every_byte_and_the_end(size):
    got: list[bytes] = []
    data = b"^XA^XZ".ljust(size, b"\n")
    with raw(lambda connection: got.append(read_all(connection))) as device:
        device.send(data, job="L7F3K00481C-1")
    assert got == [data]


def test_a_raw_printer_that_never_closes_has_the_label_once_its_bytes_are_acknowledged(monkeypatch):
    monkeypatch.setattr(printing, "CLOSE_S", 0.1)
    read, leave = threading.Event(), threading.Event()

    def keep_open(connection: socket.socket) -> None:
        read_all(connection)
        read.set()
        leave.wait(5)

    with raw(keep_open) as device:
        device.send(LABEL, job="L7F3K00481C-1")
        assert read.is_set()
        leave.set()


@pytest.mark.parametrize("size", [1_000, 3_000_000])
def test_a_raw_printer_that_hangs_up_after_ten_bytes_may_have_printed(size):
    def hang_up(connection: socket.socket) -> None:
        connection.recv(10)
        connection.close()

    with raw(hang_up) as device:
        nobody_knows(device, b"x" * size)


@pytest.mark.parametrize("size", [60_000, 30_000_000])
def test_a_raw_printer_that_stops_reading_may_have_printed(monkeypatch, size):
    monkeypatch.setattr(printing, "SEND_S", 0.3)
    monkeypatch.setattr(printing, "CLOSE_S", 0.3)
    leave = threading.Event()

    def stall(connection: socket.socket) -> None:
        connection.recv(10)
        leave.wait(5)

    with raw(stall, receive_buffer=2048) as device:
        nobody_knows(device, b"x" * size)
        leave.set()


def test_a_raw_printer_that_can_be_reached_is_ready_and_says_that_it_tells_nothing_more():
    with raw(read_all) as device:
        state = device.state()
    assert state.ok
    assert "does not tell" in str(state.message)


ZPL = b"^XA^FO20,20^FDa label^FS^XZ"


def host_status(first: str = "", second: str = "") -> bytes:
    """An answer to ~HS, by hand from the ZPL II programming guide: letters name the flags that are set."""
    one = ["014", *(str(int(flag in first)) for flag in "bc"), "0312", "00" + str(int("e" in first))]
    one += [*(str(int(flag in first)) for flag in "fgh"), "000", "0", "0", "0"]
    two = ["001", "0", *(str(int(flag in second)) for flag in "op"), "1", "2", "4", "0"]
    two += [f"{int('u' in second):08}", "1", "000"]
    return b"\x02%s\x03\r\n\x02%s\x03\r\n\x021234,0\x03\r\n" % (",".join(one).encode(), ",".join(two).encode())


assert host_status() == (
    b"\x02014,0,0,0312,000,0,0,0,000,0,0,0\x03\r\n\x02001,0,0,0,1,2,4,0,00000000,1,000\x03\r\n\x021234,0\x03\r\n"
)


@dataclass
class Zebra:
    """A label printer behind a socket: reads ZPL, answers each ~HS with the next of its answers, the last for ever.

    As a real one it heeds ~ commands amid a label, and keeps half a label when a connection ends: what comes next is
    drawn over it.

    An answer is bytes, None for silence, a float for so many seconds before saying that all is well, or DROP.
    """

    answers: list[bytes | float | str | None]
    asked: int = 0
    labels: list[bytes] = field(default_factory=list)
    heard: bytes = b""

    def __call__(self, connection: socket.socket) -> None:
        while chunk := connection.recv(4096):
            self.heard += chunk
            while match := re.search(rb"~HS|~JX|\^XZ", self.heard):
                before, self.heard = self.heard[: match.start()], self.heard[match.end() :]
                if match[0] == b"^XZ":
                    self.labels.append(before.strip() + match[0])
                    continue
                if match[0] == b"~JX":
                    continue  # half a label is dropped
                self.heard = before + self.heard
                self.asked += 1
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                if answer == DROP:
                    return
                if isinstance(answer, float):
                    time.sleep(answer)
                    answer = host_status()
                if isinstance(answer, bytes):
                    with suppress(OSError):
                        self.say(connection, answer)

    def say(self, connection: socket.socket, answer: bytes) -> None:
        connection.sendall(answer)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("ASK_S", 0.1), ("CONFIRM_S", 0.3), ("CLOSE_S", 0.3), ("POLL_S", 0.01)):
        monkeypatch.setattr(printing, name, seconds)


TROUBLED = [
    pytest.param(host_status("b"), Trouble.NO_LABELS, "put in a new roll", id="out of labels"),
    pytest.param(host_status("bc"), Trouble.NO_LABELS, "put in a new roll", id="out of labels, and paused by that"),
    pytest.param(host_status("c", "o"), Trouble.OPEN, "close it", id="head open"),
    pytest.param(host_status("", "p"), Trouble.NO_RIBBON, "ribbon", id="ribbon used up"),
    pytest.param(host_status("c"), Trouble.PAUSED, "press its button", id="paused"),
    pytest.param(host_status("f"), Trouble.FULL, "memory is full", id="buffer full"),
]


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(("answer", "trouble", "what_to_do"), TROUBLED)
def test_to_a_raw_printer_that_says_what_it_lacks_no_label_is_sent(answer, trouble, what_to_do):
    zebra = Zebra([answer])
    with raw(zebra, format="zpl") as device:
        state = device.state()
        assert (state.ok, state.trouble) == (False, trouble)
        assert what_to_do in str(state.message)
        assert str(state.message).startswith("printer labels: "), "of several, this one"
        assert what_to_do in str(surely_not_printed(device, ZPL))
        assert zebra.labels == []
        zebra.answers = [host_status()]
        assert device.send(ZPL, job="L7F3K00481C-1") is True
    assert zebra.labels == [ZPL]


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(("answer", "trouble", "what_to_do"), TROUBLED)
def test_a_label_that_a_raw_printer_has_and_cannot_print_is_at_the_printer(answer, trouble, what_to_do):
    zebra = Zebra([host_status(), answer])
    with raw(zebra, format="zpl") as device:
        said = str(nobody_knows(device, ZPL))
    assert "is at the printer labels" in said
    assert what_to_do in said
    assert zebra.labels == [ZPL]


@pytest.mark.usefixtures("impatient")
def test_a_raw_printer_is_followed_until_nothing_is_left_to_print():
    zebra = Zebra([host_status(), host_status("e"), host_status("h"), host_status("", "u"), host_status()])
    with raw(zebra, format="zpl") as device:
        assert device.send(ZPL, job="L7F3K00481C-1") is True
    assert zebra.asked == 5


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("size", [1, 7, 40, 95, 101])
def test_an_answer_may_come_in_pieces_and_its_end_after_the_next_question(monkeypatch, size):
    monkeypatch.setattr(printing, "CONFIRM_S", 2.0)

    class InPieces(Zebra):
        def say(self, connection: socket.socket, answer: bytes) -> None:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for start in range(0, len(answer), size):
                connection.sendall(answer[start : start + size])
                time.sleep(0.0005)

    zebra = InPieces([host_status(), host_status("e"), host_status("e"), host_status()])
    with raw(zebra, format="zpl") as device:
        assert device.send(ZPL, job="L7F3K00481C-1") is True
    assert zebra.asked == 4


@pytest.mark.usefixtures("impatient")
def test_a_raw_printer_that_is_still_printing_has_the_label_but_confirms_nothing():
    zebra = Zebra([host_status(), host_status("e")])
    with raw(zebra, format="zpl") as device:
        assert device.send(ZPL, job="L7F3K00481C-1") is False
    assert zebra.labels == [ZPL]


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(None, id="silent"),
        pytest.param(b"\xff\xfe garbage \x02\x03", id="garbage"),
        pytest.param(host_status()[:30], id="half an answer"),
        pytest.param(host_status().replace(b"000,1", b"1"), id="a field is missing"),
        pytest.param(host_status().replace(b"0312", b""), id="a field is empty"),
        pytest.param(b"x" * 100_000, id="more than any answer"),
    ],
)
def test_a_raw_printer_that_never_answers_gets_its_labels_and_is_asked_only_once(answer):
    zebra = Zebra([answer])
    with raw(zebra, format="zpl") as device:
        assert [device.send(ZPL, job=f"L7F3K00481C-{n}") for n in (1, 2, 3)] == [False] * 3
    assert zebra.labels == [ZPL] * 3
    assert zebra.asked == 1


@pytest.mark.usefixtures("impatient")
def test_an_answer_that_comes_late_confirms_nothing_and_one_that_tells_of_trouble_is_heeded():
    with raw(Zebra([0.15]), format="zpl") as device:
        assert device.send(ZPL, job="L7F3K00481C-1") is False

    def late(connection: socket.socket) -> None:
        connection.recv(4096)
        time.sleep(0.15)
        connection.sendall(host_status("b"))
        read_all(connection)

    with raw(late, format="zpl") as device:
        assert "put in a new roll" in str(nobody_knows(device, ZPL))


@pytest.mark.usefixtures("impatient")
def test_a_raw_printer_that_falls_silent_is_not_sent_to_and_after_sending_nobody_knows():
    """Newer ones do not answer while they are out of labels or ribbon, or open."""
    zebra = Zebra([host_status(), host_status(), None])
    with raw(zebra, format="zpl") as device:
        assert device.send(ZPL, job="L7F3K00481C-1") is True
        assert "look for labels" in str(surely_not_printed(device, ZPL))
        assert device.state().trouble is Trouble.SILENT
        zebra.answers = [host_status(), None]
        nobody_knows(device, ZPL)
    assert zebra.labels == [ZPL] * 2


@pytest.mark.usefixtures("impatient")
def test_a_raw_printer_that_hangs_up_when_asked_has_printed_nothing_and_is_not_asked_the_next_time():
    zebra = Zebra([DROP])
    with raw(zebra, format="zpl") as device:
        surely_not_printed(device, ZPL)
        assert device.send(ZPL, job="L7F3K00481C-1") is False
    assert zebra.labels == [ZPL]


@pytest.mark.usefixtures("impatient")
def test_a_raw_printer_that_hangs_up_after_the_label_may_have_printed():
    zebra = Zebra([host_status(), DROP])
    with raw(zebra, format="zpl") as device:
        nobody_knows(device, ZPL)


@pytest.mark.usefixtures("impatient")
def test_half_a_label_that_a_lost_connection_left_is_not_drawn_under_the_next():
    zebra = Zebra([host_status()])
    half = ZPL[: len(ZPL) // 2]
    with raw(zebra, format="zpl") as device:
        assert isinstance(device, printing.RawPrinter)
        with socket.create_connection(device._address) as lost:
            lost.sendall(half)
        _until(lambda: zebra.heard == half)
        assert device.send(ZPL, job="L7F3K00481C-1") is True
    assert zebra.labels == [ZPL]


@pytest.mark.usefixtures("impatient")
def test_a_late_answer_to_the_question_cannot_reset_the_connection_that_bears_the_label():
    """A printer busy with something else reads and answers when we have long hung up. What it then writes to a closed
    connection resets it, and what it has not read of it would be lost."""
    got: list[bytes] = []
    later = threading.Event()

    def slow(connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        later.wait(5)
        heard = b""
        with suppress(OSError):
            while chunk := connection.recv(16):
                heard += chunk
                if heard.startswith(b"~HS"):
                    connection.sendall(host_status())
                    time.sleep(0.02)
        got.append(heard)

    label = ZPL.replace(b"a label", b"a label " * 100)
    with raw(slow, format="zpl") as device:
        assert device.send(label, job="L7F3K00481C-1") is False
        later.set()
        _until(lambda: any(label in each for each in got))


def test_a_pdf_printer_is_never_asked_in_zpl():
    got: list[bytes] = []
    with raw(lambda connection: got.append(read_all(connection))) as device:
        device.state()
        device.send(LABEL, job="L7F3K00481C-1")
    assert got == [b"", LABEL]


def test_where_nobody_listens_nothing_was_printed():
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
    device = printer(PrinterSettings(name="labels", kind="raw", host="127.0.0.1", port=port))
    assert not device.state().ok
    assert "refused" in str(surely_not_printed(device))


# ── IPP, scripted ────────────────────────────────────────────────────────────────────────────────────────────────────

OK, BUSY, INTERNAL, TEMPORARY, FORBIDDEN, NOT_FOUND = 0x0000, 0x0507, 0x0500, 0x0505, 0x0401, 0x0406
COMPLETED, ABORTED, CANCELED, PROCESSING = 9, 8, 7, 5
HALF = "half"
"""Hang up in the middle of one."""


@dataclass
class Script:
    """Answers by operation, the last one for ever: an IPP body, an HTTP status, DROP or HALF."""

    printer: list[Any]
    job: list[Any]
    follow: list[Any]
    asked: list[int] = field(default_factory=list)
    documents: list[bytes] = field(default_factory=list)

    def answer(self, body: bytes) -> Any:
        operation = struct.unpack_from(">h", body, 2)[0]
        self.asked.append(operation)
        if operation == IppOperation.PRINT_JOB:
            self.documents.append(body.partition(b"\x03%PDF")[2])
        script = {
            IppOperation.GET_PRINTER_ATTRIBUTES: self.printer,
            IppOperation.PRINT_JOB: self.job,
            IppOperation.GET_JOB_ATTRIBUTES: self.follow,
        }[IppOperation(operation)]
        return script.pop(0) if len(script) > 1 else script[0]


def ipp(status: int = OK, group: str = "", **attributes: Any) -> bytes:
    named = {name.replace("_", "-"): value for name, value in attributes.items()}
    head = {"attributes-charset": "utf-8", "attributes-natural-language": "en-us"}
    message = {"version": (2, 0), "operation": SimpleNamespace(value=status), "request-id": 1}
    return encode_dict(message | {"operation-attributes-tag": head} | ({group: named} if named else {}))


def idle(state: int = 3, **attributes: Any) -> bytes:
    return ipp(group="printer-attributes-tag", printer_state=state, **attributes)


def job(state: int, reasons: str = "none") -> bytes:
    return ipp(group="job-attributes-tag", job_id=7, job_state=state, job_state_reasons=reasons)


@contextmanager
def scripted(**script: list[Any]) -> Iterator[tuple[Printer, Script]]:
    """An IPP printer that answers as told; unless told, it prints at once."""
    said = Script(**({"printer": [idle()], "job": [job(PROCESSING)], "follow": [job(COMPLETED)]} | script))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            answer = said.answer(self.rfile.read(int(self.headers["Content-Length"])))
            if answer == DROP:
                return
            self.send_response(answer if isinstance(answer, int) else 200)
            body = answer if isinstance(answer, bytes) else b""
            self.send_header("Content-Length", str(len(body) + (answer == HALF)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        uri = f"ipp://127.0.0.1:{server.server_address[1]}/ipp/print"
        yield printer(PrinterSettings(name="labels", kind="ipp", uri=uri)), said
        server.shutdown()


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(printing, "POLL_S", 0.01)
    monkeypatch.setattr(printing, "DONE_S", 0.3)
    monkeypatch.setattr(printing, "STUCK_S", 0.05)


@pytest.mark.usefixtures("hurried")
def test_a_label_that_a_busy_ipp_printer_did_not_take_waits_in_the_queue_not_here():
    """The queue asks before it prints what has become late; a pause in here would hide that."""
    with scripted(job=[ipp(BUSY), job(PROCESSING)]) as (device, said):
        began = time.monotonic()
        assert "busy" in str(surely_not_printed(device))
        assert time.monotonic() - began < 1
        device.send(LABEL, job="L7F3K00481C-1")
    assert said.documents == [LABEL.removeprefix(b"%PDF")] * 2


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        pytest.param(ipp(BUSY), surely_not_printed, id="busy"),
        pytest.param(ipp(FORBIDDEN), surely_not_printed, id="forbidden"),
        pytest.param(403, surely_not_printed, id="HTTP 403"),
        pytest.param(ipp(INTERNAL), nobody_knows, id="internal error"),
        pytest.param(ipp(TEMPORARY), nobody_knows, id="its memory was full while it took the label in"),
        pytest.param(500, nobody_knows, id="HTTP 500"),
        pytest.param(b"<html>", nobody_knows, id="an answer that is no IPP"),
        pytest.param(ipp(OK), nobody_knows, id="an answer without a job"),
        pytest.param(DROP, nobody_knows, id="hung up after the label was sent"),
        pytest.param(HALF, nobody_knows, id="hung up in the middle of the answer"),
    ],
)
def test_what_an_answer_to_a_print_job_means(answer, outcome):
    with scripted(job=[answer]) as (device, said):
        outcome(device)
    assert len(said.documents) == 1


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize(
    "answers",
    [
        pytest.param([job(3), job(PROCESSING), job(COMPLETED)], id="pending, processing, completed"),
        pytest.param([DROP, HALF, 500, b"", job(COMPLETED)], id="answers that got lost are asked for again"),
    ],
)
def test_a_job_is_followed_until_it_is_completed(answers):
    with scripted(follow=answers) as (device, said):
        device.send(LABEL, job="L7F3K00481C-1")
    assert len(said.documents) == 1


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize(
    ("answer", "why"),
    [
        pytest.param(job(ABORTED, "document-format-error"), "gave up on label", id="aborted"),
        pytest.param(job(ABORTED, "document-format-error"), "document-format-error", id="aborted, and why"),
        pytest.param(job(7, "job-canceled-at-device"), "was cancelled at labels", id="cancelled at the printer"),
        pytest.param(job(4, "job-hold-until-specified"), "is at the printer labels", id="held"),
        pytest.param(job(4, "job-hold-until-specified"), "release it", id="held, and what to do"),
        pytest.param(job(PROCESSING), "not completed", id="never completed"),
        pytest.param(ipp(NOT_FOUND), "forgotten", id="forgotten"),
        pytest.param(ipp(OK), "names no job", id="an answer without a job"),
    ],
)
def test_a_job_that_did_not_complete_may_have_printed(answer, why):
    with scripted(follow=[answer]) as (device, said):
        assert why in str(nobody_knows(device))
    assert len(said.documents) == 1


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize(
    ("reason", "trouble"),
    [
        ("media-empty-error", Trouble.NO_LABELS),
        ("media-needed-report", Trouble.NO_LABELS),
        ("media-jam-error", Trouble.JAMMED),
        ("cover-open-error", Trouble.OPEN),
        ("marker-supply-empty-error", Trouble.NO_RIBBON),
        ("paused", Trouble.PAUSED),
        ("offline-report", Trouble.OFFLINE),
    ],
)
def test_a_job_that_the_printer_has_and_cannot_print_stays_there_and_says_why(reason: str, trouble: Trouble) -> None:
    """The printer was well when it took the job."""
    with scripted(printer=[idle(), idle(5, printer_state_reasons=reason)], follow=[job(PROCESSING)]) as (device, said):
        why = str(nobody_knows(device))
        assert device.state().trouble is trouble
    assert "is at the printer labels" in why
    assert str(printing.TROUBLES[trouble]) in why
    assert len(said.documents) == 1


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        pytest.param(idle(printer_state_reasons="media-empty-error"), "no labels left", id="out of labels"),
        pytest.param(
            idle(4, printer_state_reasons=["toner-low-report", "cover-open"]), "cover is open", id="several reasons"
        ),
        pytest.param(idle(5, printer_state_reasons="paused"), "paused", id="paused"),
        pytest.param(idle(5, printer_state_reasons="vendor-riddle"), "vendor-riddle", id="stopped, reason not known"),
        pytest.param(DROP, "does not answer", id="hangs up"),
        pytest.param(HALF, "does not answer", id="hangs up in the middle of its answer"),
        pytest.param(b"<html>", "does not answer", id="no IPP"),
        pytest.param(ipp(OK), "does not answer", id="an answer without a printer"),
    ],
)
def test_to_a_printer_that_is_not_ready_nothing_is_sent(answer, message):
    with scripted(printer=[answer]) as (device, said):
        state = device.state()
        assert (state.ok, message in str(state.message)) == (False, True)
        assert message in str(surely_not_printed(device))
    assert said.documents == []


@pytest.mark.parametrize("reasons", ["none", "media-low-warning"])
def test_a_printer_with_a_remark_is_ready(reasons):
    with scripted(printer=[idle(printer_state_reasons=reasons)]) as (device, _):
        assert device.state().ok


def test_a_printer_that_accepts_connections_and_keeps_silent_is_given_two_seconds(monkeypatch):
    monkeypatch.setattr(printing, "PROBE_S", 1.0)
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        uri = f"ipp://127.0.0.1:{server.getsockname()[1]}/ipp/print"
        device = printer(PrinterSettings(name="labels", kind="ipp", uri=uri))
        started = time.monotonic()
        assert not device.state().ok
        assert time.monotonic() - started < 2


def test_an_ipp_printer_that_is_switched_off_has_surely_not_printed():
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        uri = f"ipp://127.0.0.1:{server.getsockname()[1]}/ipp/print"
    device = printer(PrinterSettings(name="labels", kind="ipp", uri=uri))
    assert not device.state().ok
    surely_not_printed(device)


@pytest.mark.parametrize("kind", ["raw", "ipp"])
@pytest.mark.parametrize(
    ("host", "said"),
    [("127.0.0.1", "the connection is refused"), ("printer.invalid", "no host of this name is found")],
)
def test_why_a_printer_is_not_reached_is_said_in_our_words(kind: str, host: str, said: str):
    """In words that are translated, not in the system's or a library's."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
    where = {"uri": f"ipp://{host}:{port}/ipp/print"} if kind == "ipp" else {"host": host, "port": port}
    device = printer(PrinterSettings.model_validate({"name": "labels", "kind": kind, **where}))
    for message in (device.state().message, surely_not_printed(device).title):
        assert message.params["why"] == said
        assert "{why:word}" in message.text


# ── IPP, a real virtual printer ──────────────────────────────────────────────────────────────────────────────────────

COMMAND = """#!/bin/sh
# What ippeveprinter runs for each job; the file `order` says how it goes.
case "$(cat "{folder}/order")" in
    slowly) sleep 0.4; cp "$1" "{folder}/out/$(date +%s%N)" ;;
    jam) echo "STATE: +media-jam" >&2; exit 1 ;;
    empty) echo "STATE: +media-empty-error" >&2
        until [ "$(cat "{folder}/order")" = refilled ]; do sleep 0.1; done
        echo "STATE: -media-empty-error" >&2; cp "$1" "{folder}/out/$(date +%s%N)" ;;
    abort) exit 1 ;;
    wait) until [ "$(cat "{folder}/order")" != wait ]; do sleep 0.1; done; exit 1 ;;
    *) cp "$1" "{folder}/out/$(date +%s%N)" ;;
esac
"""


@dataclass(frozen=True)
class Virtual:
    device: Printer
    folder: Path
    uri: str

    def told(self, order: str) -> Printer:
        (self.folder / "order").write_text(order)
        return self.device

    def out(self) -> list[bytes]:
        return [file.read_bytes() for file in sorted((self.folder / "out").iterdir())]


@pytest.fixture(scope="module")
def virtual(tmp_path_factory) -> Iterator[Virtual]:
    """CUPS's ippeveprinter, which will not start without a D-Bus of its own."""
    program, bus = (
        shutil.which(each, path=f"{os.environ['PATH']}:/usr/sbin") for each in ("ippeveprinter", "dbus-daemon")
    )
    if not program or not bus:
        pytest.skip("ippeveprinter or dbus-daemon is not installed (Debian: cups-ipp-utils, dbus-daemon)")
    folder = tmp_path_factory.mktemp("ipp")
    for name in ("out", "spool"):
        (folder / name).mkdir()
    command = folder / "command"
    command.write_text(COMMAND.format(folder=folder))
    command.chmod(0o755)
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
    address = f"unix:path={folder}/bus"
    options = ["-r", "off", "-p", str(port), "-d", str(folder / "spool"), "-c", str(command), "-f", "application/pdf"]
    with ExitStack() as stack:
        for words in (
            [bus, "--session", f"--address={address}", "--nofork", "--nopidfile"],
            [program, *options, "-n", "localhost", "Labels"],
        ):
            process = stack.enter_context(
                subprocess.Popen(
                    words,
                    env=os.environ | {"DBUS_SYSTEM_BUS_ADDRESS": address},
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            )
            stack.callback(process.terminate)
            _until((folder / "bus").exists)
        uri = f"ipp://localhost:{port}/ipp/print"
        device = printer(PrinterSettings(name="labels", kind="ipp", uri=uri))
        _until(lambda: device.state().ok)
        yield Virtual(device, folder, uri)


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.05)


def test_a_real_ipp_printer_prints_what_it_was_sent(virtual):
    before = virtual.out()
    virtual.told("print").send(LABEL, job="L7F3K00481C-1")
    assert virtual.out() == [*before, LABEL]


def test_while_a_real_ipp_printer_is_busy_the_next_label_waits(virtual):
    before = virtual.out()
    device = virtual.told("slowly")
    labels = [LABEL + bytes([n]) for n in range(3)]
    busy: list[str] = []

    def until_out(label: bytes) -> None:
        while True:
            try:
                device.send(label, job="L7F3K00481C-1")
            except PrintUnknown:
                raise
            except DeviceError as error:
                busy.append(str(error))
                time.sleep(0.1)
            else:
                return

    with ThreadPoolExecutor() as both:
        list(both.map(until_out, labels))
    assert busy and all("busy" in each for each in busy)
    assert sorted(virtual.out()[len(before) :]) == labels


def test_a_format_that_a_real_ipp_printer_does_not_take_is_refused(virtual):
    before = virtual.out()
    virtual.told("print")
    zebra = printer(PrinterSettings(name="labels", kind="ipp", uri=virtual.uri, format="zpl"))
    surely_not_printed(zebra, b"^XA^XZ")
    assert virtual.out() == before


def test_a_job_that_a_real_ipp_printer_aborts_is_shown_as_that(virtual):
    before = virtual.out()
    assert "gave up on label L7F3K00481C-1" in str(nobody_knows(virtual.told("abort")))
    assert virtual.out() == before


def test_a_job_that_is_cancelled_at_a_real_ipp_printer_is_shown_as_that(virtual):
    device = virtual.told("wait")

    async def cancel() -> None:
        async with IPP(virtual.uri) as ipp:
            wanted = {"requested-attributes": ("job-id",)}
            while not (jobs := (await printing._ask(ipp, "GET_JOBS", wanted))["jobs"]):
                await asyncio.sleep(0.05)
            await printing._ask(ipp, "CANCEL_JOB", {"job-id": jobs[0]["job-id"]})

    with ThreadPoolExecutor() as beside:
        outcome = beside.submit(nobody_knows, device)
        asyncio.run(cancel())
        virtual.told("print")
        assert "was cancelled at labels" in str(outcome.result(timeout=20))
    time.sleep(0.5)  # a cancelled label may still come out, here too: that is why nobody knows


def test_a_label_that_waits_in_a_real_ipp_printer_for_a_new_roll_comes_out_once(virtual, monkeypatch):
    monkeypatch.setattr(printing, "STUCK_S", 0.3)
    before = virtual.out()
    said = str(nobody_knows(virtual.told("empty")))
    assert "is at the printer labels" in said
    assert "no labels left" in said
    assert "no labels left" in str(surely_not_printed(virtual.device)), "the next one is not sent after it"
    virtual.told("refilled")
    _until(lambda: virtual.out() == [*before, LABEL])
    _until(lambda: virtual.device.state().ok)
    virtual.told("print").send(LABEL + b"2", job="L7F3K00482D-1")
    assert virtual.out() == [*before, LABEL, LABEL + b"2"]


def test_a_label_that_waits_in_a_real_ipp_printer_can_be_taken_back(virtual, monkeypatch):
    """Else both would come out once there is a new roll: the one that was given up, and the one instead of it."""
    monkeypatch.setattr(printing, "DONE_S", 0.3)
    before = virtual.out()
    with pytest.raises(PrintUnknown):
        virtual.told("wait").send(LABEL, job="L8F3K00482D-1")
    monkeypatch.undo()
    virtual.device.cancel(["L8F3K00482D-2", "another"])
    assert [each["job-name"] for each in _jobs(virtual)] == ["L8F3K00482D-1"], "only what is named"
    virtual.device.cancel(["L8F3K00482D-1"])
    virtual.told("print")
    _until(lambda: _jobs(virtual) == [])
    assert [each["job-state"] for each in _jobs(virtual, "completed") if each["job-name"] == "L8F3K00482D-1"] == [
        CANCELED
    ]
    virtual.device.send(LABEL + b"2", job="L8F3K00482D-2")
    assert virtual.out() == [*before, LABEL + b"2"]


def _jobs(virtual: Virtual, which: str = "not-completed") -> list[dict[str, Any]]:
    """The jobs that a real printer has, or has had."""

    async def ask() -> list[dict[str, Any]]:
        async with IPP(virtual.uri) as ipp:
            wanted = {"which-jobs": which, "requested-attributes": ("job-name", "job-state")}
            jobs: list[dict[str, Any]] = (await printing._ask(ipp, "GET_JOBS", wanted))["jobs"]
            return jobs

    return asyncio.run(ask())


def test_a_jam_in_a_real_ipp_printer_leaves_the_label_unknown_and_stops_the_next(virtual):
    before = virtual.out()
    nobody_knows(virtual.told("jam"))
    assert "jammed" in str(virtual.device.state().message)
    assert "jammed" in str(surely_not_printed(virtual.device))
    assert virtual.out() == before


def test_taking_back_from_a_printer_that_does_not_answer_does_not_fail():
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        uri = f"ipp://127.0.0.1:{server.getsockname()[1]}/ipp/print"
    printer(PrinterSettings(name="labels", kind="ipp", uri=uri)).cancel(["L7F3K00481C-1"])
