"""Requests that are made from the OpenAPI document: never a failure, always an answer of the documented form."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from tests.kit.web import Browser, browse
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore
from tradeexecutor.web.openapi import make_openapi

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    unsupported_method,
]

#: Cases in all, without pictures, which are drawn in a browser and take a second each, and without endless streams.
CASES = int(os.environ.get("SCHEMATHESIS_CASES", "2000"))
SLOW = {"/visualisation", "/file", "/chart-registry/render"}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, state_files: list[Path]) -> Iterator[Browser]:
    folder = tmp_path_factory.mktemp("served")
    (folder / "real.json").write_bytes(state_files[0].read_bytes())
    with JSONFileStore(folder / "small.json") as store:
        state = State(name="Small")
        for state.cycle in (1, 2, 3):
            store.sync(state)
    with browse(folder) as browser:
        yield browser


def make_document() -> dict[str, Any]:
    """The document, with ids that exist most of the time."""
    document = make_openapi()
    for operations in document["paths"].values():
        for parameter in next(iter(operations.values()))["parameters"]:
            if parameter["name"] == "id":
                parameter["schema"] = {"type": "string", "enum": ["real", "small", "unknown"]}
    return document


DOCUMENT = make_document()
PATHS = [
    path
    for path, item in DOCUMENT["paths"].items()
    if "get" in item
    and not path.endswith(tuple(SLOW))
    and "text/event-stream" not in item["get"]["responses"]["200"]["content"]
]


@pytest.mark.slow
@pytest.mark.parametrize("path", PATHS)
def test_answers_are_as_documented(served: Browser, path: str):
    schema = schemathesis.openapi.from_dict(DOCUMENT)
    operation = schema[path]["GET"]

    @settings(
        max_examples=max(1, CASES // len(PATHS)),
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        database=None,
    )
    def check(case: schemathesis.Case) -> None:
        answer = served.get(case.formatted_path, params=dict(case.query or {}))
        case.validate_response(answer, checks=CHECKS)

    given(case=operation.as_strategy())(check)()


def test_every_address_is_documented_with_its_errors():
    assert len(PATHS) > 20
    for operations in DOCUMENT["paths"].values():
        (operation,) = operations.values()
        responses = operation["responses"]
        assert "200" in responses
        assert {"400", "401", "404", "429", "500", "503"} <= set(responses)
        assert operation["summary"]
    names = [operation["operationId"] for operations in DOCUMENT["paths"].values() for operation in operations.values()]
    assert len(set(names)) == len(names)
