"""What has to pass before a push refuses tests that skip."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("strace is not installed", 1),
        ("nothing can be mounted here: it needs root", 0),
        ("the pictures are in ../shared/barcodes", 0),
    ],
)
def test_a_skipped_test_fails_where_a_package_would_have_helped(tmp_path: Path, reason: str, code: int) -> None:
    exported = re.findall(r"^export (.+)$", (TOP / ".ci" / "run").read_text(encoding="utf-8"), re.MULTILINE)
    settings = dict(each.split("=") for each in " ".join(exported).split())
    test = tmp_path / "test_one.py"
    test.write_text(f"import pytest\n\ndef test_one():\n    pytest.skip({reason!r})\n\ndef test_two():\n    pass\n")
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", tmp_path, "-c", os.devnull, test],
        check=False,
        capture_output=True,
        text=True,
        cwd=TOP,
        env={**os.environ, **settings},
    )
    assert ran.returncode == code, ran.stdout + ran.stderr
