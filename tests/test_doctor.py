"""What `doctor` says of the scanner, the printers and the hub; the other looks are tested with what they look at."""

import os
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from inspect_station import config, doctor, scanners
from inspect_station.doctor import Check, examine
from inspect_station.upstream import Credentials


@pytest.fixture
def line() -> Iterator[str]:
    """The path of a serial line with a scanner on it."""
    scanner, line = os.openpty()
    yield os.ttyname(line)
    os.close(scanner)
    os.close(line)


@pytest.fixture
def looked(tmp_path: Path):
    """What is found of the scanner with these settings."""

    def look(settings: str) -> dict[str, Check]:
        file = tmp_path / "station.toml"
        file.write_text(f"[station]\ndata = 'data'\n[scanner]\n{settings}\n", encoding="utf-8")
        return {check.name: check for check in examine(config.load(file)) if check.name in ("scanner", "devices")}

    return look


@pytest.mark.parametrize(
    ("settings", "well", "found"),
    [
        pytest.param("prefix = '~'", True, "a scan is certain", id="prefix"),
        pytest.param("", None, "by their timing", id="no prefix"),
    ],
)
def test_a_scanner_that_types_is_better_with_a_prefix(looked, settings, well, found):
    check = looked(settings)["scanner"]
    assert check.ok is well and found in str(check.found)


def test_a_serial_scanner_that_answers_is_well(looked, line):
    assert looked(f"kind = 'serial'\ndevice = '{line}'")["scanner"].ok is True


def test_a_serial_scanner_that_is_not_there_is_told_with_the_devices_that_are(looked, tmp_path, monkeypatch):
    monkeypatch.setattr(scanners, "present", lambda kind: [f"/dev/{kind}/by-id/usb-one", "/dev/ttyACM7"])
    checks = looked(f"kind = 'serial'\ndevice = '{tmp_path}/usb-two'")
    assert checks["scanner"].ok is False and "usb-two" in str(checks["scanner"].found)
    assert "/dev/serial/by-id/usb-one, /dev/ttyACM7" in str(checks["devices"].found)


def test_where_there_is_no_device_at_all_that_is_said(looked, tmp_path, monkeypatch):
    monkeypatch.setattr(scanners, "present", lambda kind: [])
    checks = looked(f"kind = 'serial'\ndevice = '{tmp_path}/usb-two'")
    assert "no such device" in str(checks["devices"].found)


def test_a_scanner_that_the_running_station_holds_is_no_fault(looked, line, tmp_path):
    settings = f"kind = 'serial'\ndevice = '{line}'"
    port = scanners.SerialPort(line, 9600)
    port.open()
    check = looked(settings)["scanner"]
    port.close()
    assert check.ok is None and "while the station runs" in str(check.mend)


def test_printers_that_never_print_and_labels_that_none_prints_are_told(tmp_path: Path) -> None:
    shipped = config.load(None)
    (paper,) = shipped.printers
    spare = paper.model_copy(update={"name": "spare", "folder": tmp_path})
    both = shipped.model_copy(update={"printers": (paper, spare)})
    assert [str(each.found) for each in doctor._printers(both) if each.ok is False] == [
        "nothing comes out of spare: others take all labels before it"
    ]
    slips = shipped.model_copy(update={"printers": (spare.model_copy(update={"labels": ("hold", "test")}),)})
    (told,) = (str(each.found) for each in doctor._printers(slips) if each.ok is False)
    assert told.startswith("no printer takes these labels:") and "manifest" in told and "hold" not in told


SAID = '{"hub_time": "%s", "hub_epoch": "e"%s}'
NOW = datetime.now(UTC).isoformat()
LOGIN = "<html>Welcome to the guests' network</html>"


@pytest.fixture
def answers() -> Iterator[Callable[..., str]]:
    """A server whose every answer is this one, and its address."""
    servers: list[ThreadingHTTPServer] = []

    def serve(status: int, body: str, **others: tuple[int, str]) -> str:
        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answer = next((others[name] for name in others if name in self.path), (status, body))
                self.send_response(answer[0])
                self.end_headers()
                self.wfile.write(answer[1].encode())

            def log_message(self, format: str, *args: object) -> None:
                """Nothing."""

        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), Answer))
        threading.Thread(target=servers[-1].serve_forever, args=(0.01,), daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("answer", "others", "found", "mend"),
    [
        pytest.param((200, LOGIN), {}, "it is not a hub", "login page", id="a captive portal"),
        pytest.param((302, ""), {}, "it is not a hub", "login page", id="sent on to a login page"),
        pytest.param((200, '["json"]'), {}, "it is not a hub", "login page", id="another program's JSON"),
        pytest.param((200, SAID % (NOW[:19], "")), {}, "it is not a hub", "login page", id="a time without its zone"),
        pytest.param((502, ""), {}, "No hub answers at {url} (HTTP 502)", "the hub runs", id="a proxy without its hub"),
        pytest.param((200, SAID % (NOW, "")), {}, "{url} answers", "", id="the hub"),
        pytest.param((200, SAID % (NOW, "")), {"changes": (200, LOGIN)}, "it is not a hub", "login", id="then a page"),
        pytest.param(
            (200, SAID % (NOW, "")),
            {"changes": (401, SAID % (NOW, ', "code": "station_revoked"'))},
            "does not know this station",
            "sync --enrol",
            id="revoked",
        ),
        pytest.param(
            (200, SAID % (NOW, "")),
            {"changes": (503, SAID % (NOW, ', "code": "store"'))},
            "serves nobody now (HTTP 503)",
            "the hub's log",
            id="its store is away",
        ),
    ],
)
def test_what_answers_in_a_hubs_place_is_told(answers, tmp_path: Path, answer, others, found: str, mend: str) -> None:
    url = answers(*answer, **others)
    Credentials(url, "s", "t").save(tmp_path)
    shipped = config.load(None)
    here = shipped.station.model_copy(update={"data": tmp_path})
    hub = shipped.upstream.model_copy(update={"enabled": True, "url": url})
    told = next(doctor._upstream(shipped.model_copy(update={"station": here, "upstream": hub})))
    assert found.format(url=url) in str(told.found)
    assert mend in str(told.mend)
    assert told.ok is (found == "{url} answers")
