"""Nothing that a caller can send makes the API fail: every answer is a success or a problem below 500."""

import asyncio
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.api import Api

from conductor_lite.api.table import TABLE

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
FIELDS = sorted(
    {
        "executorTimeoutSecs",
        "gcRowsThreshold",
        "privateMode",
        "appNames",
        "permissions",
        "$schema",
    }
)
BODIES = (
    st.binary(max_size=60)
    | JSON_VALUES.map(lambda value: json.dumps(value).encode())
    | st.dictionaries(st.sampled_from(FIELDS), JSON_VALUES, max_size=4).map(lambda v: json.dumps(v).encode())
)
SEGMENTS = st.text(min_size=1, max_size=20).map(lambda text: quote(text, safe="", errors="replace")) | (
    st.binary(min_size=1, max_size=8).map(quote)
)
REQUESTS = st.tuples(
    st.sampled_from(TABLE),
    st.sampled_from(["local", "local", "local", "other"]) | SEGMENTS,
    st.sampled_from(["shop", "bank", "deploy"]) | SEGMENTS,
    st.binary(max_size=20).map(quote),
    BODIES,
)


def test_no_request_makes_the_server_fail(run: Callable[..., Any]) -> None:
    async def body(api: Api) -> None:
        loop = asyncio.get_running_loop()

        async def send(request: Any) -> httpx.Response:
            operation, organization, name, query, content = request
            names = dict.fromkeys(operation.placeholders, name) | {"orgName": organization}
            path = operation.path.format(**names)
            return await api.client.request(
                operation.method,
                f"{path}?{query}",
                content=content,
                headers={"Content-Type": "application/json"},
            )

        @settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck), database=None)
        @given(REQUESTS)
        def check(request: Any) -> None:
            answer = asyncio.run_coroutine_threadsafe(send(request), loop).result(10)
            assert answer.status_code < 500, answer.text
            if answer.status_code >= 400:
                assert answer.headers["content-type"] == "application/problem+json"
                problem = answer.json()
                assert problem["status"] == answer.status_code
                assert problem["title"]
                assert problem["detail"]

        await asyncio.to_thread(check)

    run(body)


@pytest.mark.parametrize(
    "query", ["%FF", "a=%FF", "&".join(f"a{n}=1" for n in range(500)), "a=1&a=2", "=", "&&", "%00=%00"]
)
def test_odd_query_is_never_a_failure(run: Callable[..., Any], query: str) -> None:
    async def body(api: Api) -> None:
        answer = await api.client.get(f"/v2/orgs/local/apps?{query}")
        assert answer.status_code in (200, 400)

    run(body)
