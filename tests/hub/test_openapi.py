"""The OpenAPI says what the hub does: whatever a generator makes of it, no answer is a surprise and none is a 5xx."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode

from inspect_station.core.ids import uuid7
from inspect_station.hub import Hub, add_station, add_supervisor
from inspect_station.hub.app import create_app
from inspect_station.hub.edge import Limits

EPOCH = uuid7(1, bytes(10))


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with Hub.open(tmp_path_factory.mktemp("openapi") / "hub") as opened:
        yield opened


@pytest.fixture(scope="module")
def app(hub: Hub) -> Any:
    # What it does with too many requests is tried elsewhere.
    return create_app(hub, limits=Limits(rate=1e6, burst=1e6, enrolments=1e6))


@pytest.fixture(scope="module")
def tokens(hub: Hub, app: Any) -> dict[str, str]:
    """Of a station and of a supervisor, by what they are good for."""
    asked = {"code": add_station(hub.store.folder, "DOCK-1"), "epoch": EPOCH}
    station = TestClient(app).post("/v1/stations/enrol", json=asked).json()["token"]
    return {"station": station, "supervisor": add_supervisor(hub.store.folder, "chief")}


@pytest.fixture(scope="module")
def api(app: Any) -> Any:
    return schemathesis.openapi.from_asgi("/openapi.json", app)


SETTINGS = settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.generate),
)


@schemathesis.serializer("application/x-ndjson")
def _lines(_: Any, value: Any) -> bytes:
    """As it was made: a text, or anything else as its text."""
    return value if isinstance(value, bytes) else str(value).encode(errors="replace")


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["as asked", "not as asked"])
def test_every_answer_is_one_that_was_announced_and_none_is_a_5xx(
    api: Any, tokens: dict[str, str], mode: GenerationMode
) -> None:
    # What makes a request good is more than its form, such as bytes that have their hash; and what this hub does not
    # know, of a newer station, is no mistake.
    form_is_not_all = [
        schemathesis.checks.positive_data_acceptance,
        schemathesis.checks.negative_data_rejection,
    ]
    tried: dict[str, set[int]] = {}

    def ask(case: Any) -> None:
        token = tokens["supervisor" if "parked" in case.path else "station"]
        answer = case.call_and_validate(headers={"Authorization": f"Bearer {token}"}, excluded_checks=form_is_not_all)
        assert answer.status_code < 500
        assert "hub-epoch" in answer.headers
        tried.setdefault(case.operation.label, set()).add(answer.status_code)

    for found in api.get_all_operations():
        operation = found.ok()
        generated: Any = given(operation.as_strategy(generation_mode=mode))
        run: Callable[[], None] = SETTINGS(generated(ask))
        with suppress(Unsatisfiable):
            run()
    if mode is GenerationMode.POSITIVE:
        assert len(tried) == len(list(api.get_all_operations()))
        assert sum(1 for answers in tried.values() if 200 in answers) >= 8, "some get through to what they are for"


def test_every_route_says_who_may_call_it_and_what_it_may_answer(app: Any) -> None:
    said = app.openapi()
    assert said["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    for path, methods in said["paths"].items():
        for method, operation in methods.items():
            known = path.startswith("/v1/") and not path.endswith(("enrol", "livez", "readyz"))
            assert bool(operation.get("security")) == known, (method, path)
            assert operation["description"], (method, path)
            if known:
                assert {"401", "429", "500", "503", "507"} <= set(operation["responses"]), (method, path)
            if "requestBody" in operation:
                assert {"408", "413", "415"} <= set(operation["responses"]), (method, path)
            for status, answer in operation["responses"].items():
                assert method == "head" or answer.get("content"), (method, path, status)
