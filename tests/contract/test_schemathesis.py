"""Requests made from our own description, at a server with a real executor: it keeps what it promises.

Seeded, so that it does the same every time; ``CONDUCTOR_SCHEMATHESIS_EXAMPLES`` makes it look further.
"""

import os
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from support.orders import Orders

from conductor_lite.api.openapi import build_document
from conductor_lite.api.table import TABLE

EXAMPLES = int(os.environ.get("CONDUCTOR_SCHEMATHESIS_EXAMPLES", "10"))
SCHEMA = schemathesis.openapi.from_dict(build_document(TABLE))
CHECKS = [
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
]
#: What exists, by placeholder. Half of all requests are about these, the others about what was made up.
EXISTING = {
    "orgName": "local",
    "appName": "orders",
    "workflowId": "failing-1",
    "queueName": "fulfilment",
    "scheduleName": "nightly",
    "version": "1.0.0",
}
UNLIMITED = {"api_requests_per_second": 100_000, "api_burst_requests": 100_000}
#: These would take away what all others are about; they get an application of their own.
DESTRUCTIVE = {"deleteApp", "updateApp", "registerApp"}
#: Answers to a request that nothing is wrong with: the executor's own error, and what its SDK cannot do.
EXPECTED_ABOVE_500 = {501, 502}


@pytest.fixture(scope="module")
def orders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orders]:
    """A conductor that takes as many requests as come, with one executor."""
    folder = tmp_path_factory.mktemp("schemathesis")
    with Orders(folder, UNLIMITED) as orders:
        orders.spawn()
        orders.conductor.register("spare-app")
        yield orders


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session


@SCHEMA.parametrize()
@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_answers_are_as_described(case: Any, orders: Orders, session: requests.Session) -> None:
    operation_id = case.operation.definition.raw["operationId"]
    existing = dict(EXISTING)
    if operation_id in DESTRUCTIVE:
        existing["appName"] = "spare-app"
    given = case.path_parameters or {}
    # Deterministic, and independent of what is made up: every other request by the sum of its characters.
    if sum(map(ord, str(sorted(given.items())))) % 4:
        case.path_parameters = {name: existing.get(name, value) for name, value in given.items()}
    answer = case.call(base_url=orders.conductor.url, session=session)
    assert "x-request-id" in answer.headers
    assert answer.status_code < 500 or answer.status_code in EXPECTED_ABOVE_500, answer.text
    case.validate_response(answer, checks=CHECKS, excluded_checks=[not_a_server_error])
