"""Turns skips into failures where INSPECT_STATION_REQUIRE_ALL is set, as in CI.

A test that quietly stopped running proves nothing, and CI installs all that the tests need. A skip stays one where no
package would help: its reason names `../shared`, material that lies beside some checkouts and is no part of them, or
says that the machine (a container, say, or an ordinary user's) lets nobody mount or trace here. `-ra` lists them.
"""

import os
from collections.abc import Generator
from typing import TypeVar

import pytest

ALLOWED = ("../shared", "mounted here", "may not trace here")

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


def refuse_skip(report: Report) -> Report:
    # An expected failure is reported as skipped, too.
    if not (report.skipped and os.environ.get("INSPECT_STATION_REQUIRE_ALL")) or hasattr(report, "wasxfail"):
        return report
    why = ":".join(map(str, report.longrepr)) if isinstance(report.longrepr, tuple) else str(report.longrepr)
    if not any(reason in why for reason in ALLOWED):
        report.outcome = "failed"
        report.longrepr = f"{why}\nINSPECT_STATION_REQUIRE_ALL is set: nothing may be skipped."
    return report


# First, and so around all others: pytest's own wrappers give skips their final form inside.
@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return refuse_skip((yield))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return refuse_skip((yield))
