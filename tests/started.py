"""The program started as a person starts it, in a process of its own; from the second time of a verb on in one that is
made out of a process which has loaded the program already, for most of a verb's time goes into loading."""

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

_cold: set[tuple[str, ...]] = set()
"""Verbs that were started from nothing once: what they need they load themselves."""
_LOADED = ("station", "account", "reports", "hub.app", "label", "stickers", "upstream", "demo.build", "doctor")
"""Of the program, beside what every verb loads."""


def run(*words: str, cwd: Path | None = None, seconds: float = 60) -> subprocess.CompletedProcess[str]:
    """What it said and its exit code. Raises TimeoutExpired."""
    verb = tuple(word for word in words[:2] if word.isalpha())
    if verb not in _cold:
        _cold.add(verb)
        command = [sys.executable, "-m", "inspect_station", *words]
        return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=seconds, check=False)
    ways = multiprocessing.get_context("forkserver")
    ways.set_forkserver_preload(["inspect_station.cli", *(f"inspect_station.{each}" for each in _LOADED)])
    with TemporaryDirectory() as folder:
        said = Path(folder, "stdout"), Path(folder, "stderr")
        given = words, str(cwd or Path.cwd()), dict(os.environ), *map(str, said)
        working = ways.Process(target=_program, args=given)
        working.start()
        working.join(seconds)
        if working.exitcode is None:
            working.kill()
            raise subprocess.TimeoutExpired(list(words), seconds)
        out, err = (each.read_text() for each in said)
        return subprocess.CompletedProcess(list(words), working.exitcode, out, err)


def _program(words: tuple[str, ...], cwd: str, environment: dict[str, str], out: str, err: str) -> None:
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    for stream, file in ((1, out), (2, err)):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT), stream)
    sys.argv = ["inspect-station", *words]
    from inspect_station.cli import main

    main()
