"""What HTTP itself asks of the API: statuses, headers, limits, and failures that tell nothing."""

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from support.api import Api

from conductor_lite import errors
from conductor_lite.api.problems import problem_from_error

APPS = "/v2/orgs/local/apps"
SHOP = f"{APPS}/shop"
PROBLEM = "application/problem+json"
JSON = {"Content-Type": "application/json"}

Run = Callable[..., Any]

#: Every named error that a caller may have to tell from the others.
NAMED: tuple[Any, ...] = (
    errors.UnauthenticatedError,
    errors.ForbiddenError,
    errors.NotFoundError,
    errors.ConflictError,
    errors.InvalidError,
    errors.ExecutorReportedError,
    errors.NoExecutorAnsweredError,
    errors.ProtocolError,
    errors.DeliveryError,
    errors.NoHealthyExecutorError,
    errors.StoreError,
    errors.DeadlineExceededError,
)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.UnauthenticatedError("x"), 401),
        (errors.ForbiddenError("x"), 403),
        (errors.NotFoundError("x"), 404),
        (errors.ConflictError("x"), 409),
        (errors.InvalidError("x"), 422),
        (errors.BackupError("x"), 500),
        (errors.UnsupportedMessageError("x", "report"), 501),
        (errors.ExecutorReportedError("x", "report"), 502),
        (errors.NoExecutorAnsweredError("x"), 502),
        (errors.ProtocolError("x"), 502),
        (errors.NoHealthyExecutorError("x"), 503),
        (errors.StoreError("x"), 503),
        (errors.DeadlineExceededError("x"), 504),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_every_named_error_has_its_status(error: errors.ConductorError, status: int) -> None:
    response = problem_from_error(error)
    assert response.status_code == status
    assert response.media_type == PROBLEM
    assert ("retry-after" in response.headers) == (status == 503)
    assert (b'"report":"report"' in response.body) == isinstance(error, errors.ExecutorReportedError)


def test_no_two_errors_of_one_status_look_alike() -> None:
    seen = set()
    for error in NAMED:
        arguments = ("x", "report") if error is errors.ExecutorReportedError else ("x",)
        response = problem_from_error(error(*arguments))
        seen.add((response.status_code, json.loads(response.body)["type"]))
    assert len(seen) == len(NAMED)


def test_key_in_an_error_is_not_repeated() -> None:
    key = "dbos_" + "a" * 61
    fault = errors.FieldError(location="body.x", message="no", value=key)
    assert key.encode() not in problem_from_error(errors.InvalidError(f"Not {key}.", (fault,))).body


@pytest.mark.parametrize(
    "content", [b"{", b"\xff\xfe", b'"\\ud800"', b"[" * 2_000, b"{} {}", b"NaN", b"\xef\xbb\xbf{}", b"1e999"]
)
def test_malformed_json_is_400(run: Run, content: bytes) -> None:
    async def body(api: Api) -> None:
        await api.client.put(SHOP)
        answer = await api.client.patch(SHOP, content=content, headers=JSON)
        assert (answer.status_code, answer.headers["content-type"]) == (400, PROBLEM)
        assert answer.json()["detail"]

    run(body)


@pytest.mark.parametrize("content", [b"[]", b"null", b'"text"', b"5"])
def test_body_that_is_not_an_object_is_422(run: Run, content: bytes) -> None:
    async def body(api: Api) -> None:
        answer = await api.client.put(SHOP, content=content, headers=JSON)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["location"] == "body"

    run(body)


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "json", ""],
)
def test_wrong_media_type_is_415(run: Run, content_type: str) -> None:
    async def body(api: Api) -> None:
        answer = await api.client.put(SHOP, content=b"{}", headers={"Content-Type": content_type})
        assert answer.status_code == 415
        assert (await api.client.get(APPS)).json() == []

    run(body)


@pytest.mark.parametrize(
    "content_type",
    ["application/json; charset=UTF-8", "Application/JSON", "application/merge-patch+json", None],
)
def test_json_by_any_of_its_names_is_taken(run: Run, content_type: str | None) -> None:
    async def body(api: Api) -> None:
        headers = {} if content_type is None else {"Content-Type": content_type}
        assert (await api.client.put(SHOP, content=b"{}", headers=headers)).status_code == 204

    run(body)


def test_compressed_body_is_415(run: Run) -> None:
    async def body(api: Api) -> None:
        headers = {**JSON, "Content-Encoding": "gzip"}
        assert (await api.client.put(SHOP, content=b"{}", headers=headers)).status_code == 415

    run(body)


def test_body_of_exactly_the_limit_is_taken_and_one_byte_more_is_413(run: Run) -> None:
    async def body(api: Api) -> None:
        limit = api.conductor.settings.max_body_bytes
        assert (await api.client.put(SHOP, content=b"{}".ljust(limit), headers=JSON)).status_code == 204
        answer = await api.client.put(SHOP, content=b"{}".ljust(limit + 1), headers=JSON)
        assert (answer.status_code, answer.headers["connection"]) == (413, "close")

    run(body)


def test_endless_chunked_body_is_413_without_being_read_to_its_end(run_served: Run) -> None:
    async def body(api: Api) -> None:
        answer = await asyncio.wait_for(_raw_chunked_put(api), 60)
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert (await api.client.get(APPS)).json() == []

    run_served(body)


async def _raw_chunked_put(api: Api) -> bytes:
    """Send chunks until the server answers, and give its answer; it has to answer before the body ends."""
    url = api.client.base_url
    reader, writer = await asyncio.open_connection(url.host, url.port)
    head = f"PUT {SHOP} HTTP/1.1\r\nHost: {url.host}:{url.port}\r\nContent-Type: application/json\r\n"
    writer.write(head.encode() + b"Transfer-Encoding: chunked\r\n\r\n")
    answer = asyncio.create_task(reader.read(65_536))
    try:
        while not answer.done():
            writer.write(b"400\r\n" + b" " * 1_024 + b"\r\n")
            await writer.drain()
            await asyncio.wait({answer}, timeout=0.01)
        return answer.result()
    finally:
        writer.close()


def test_announced_body_over_the_limit_is_413_before_it_is_sent(run_served: Run) -> None:
    async def body(api: Api) -> None:
        url = api.client.base_url
        reader, writer = await asyncio.open_connection(url.host, url.port)
        head = f"PUT {SHOP} HTTP/1.1\r\nHost: {url.host}:{url.port}\r\nContent-Length: 999999999999\r\n\r\n"
        try:
            writer.write(head.encode())
            assert (await asyncio.wait_for(reader.read(65_536), 60)).startswith(b"HTTP/1.1 413 ")
        finally:
            writer.close()

    run_served(body)


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("POST", APPS, "GET, HEAD"),
        ("POST", SHOP, "DELETE, GET, HEAD, PATCH, PUT"),
        ("OPTIONS", SHOP, "DELETE, GET, HEAD, PATCH, PUT"),
        ("GET", "/v2/orgs/local/tokens/x", "DELETE, PATCH, POST"),
        ("POST", "/healthz", "GET, HEAD"),
        ("DELETE", "/openapi.json", "GET, HEAD"),
    ],
)
def test_wrong_method_is_405_with_what_is_allowed(run: Run, method: str, path: str, allow: str) -> None:
    async def body(api: Api) -> None:
        answer = await api.client.request(method, path)
        assert (answer.status_code, answer.headers["allow"]) == (405, allow)
        assert answer.headers["content-type"] == PROBLEM

    run(body)


@pytest.mark.parametrize(
    "path",
    ["/v2", "/v2/", "/v2/nothing", f"{APPS}/", "/v2//orgs/local/apps", "/v2/orgs//apps", f"{SHOP}/x/y"],
)
def test_unknown_path_of_the_api_is_a_404_problem_and_never_a_redirect(run: Run, path: str) -> None:
    async def body(api: Api) -> None:
        answer = await api.client.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (404, PROBLEM)

    run(body)


def test_path_that_is_not_utf8_is_400(run: Run) -> None:
    async def body(api: Api) -> None:
        assert (await api.client.get(f"{APPS}/%FF%FE%FA")).status_code == 400

    run(body)


@pytest.mark.parametrize(
    "credentials", ["Basic eDp5", "Bearer", "Bearer x.y.z", "Bearer dbos_nope", "dbos_" + "a" * 61]
)
def test_bad_credentials_are_401_even_where_none_are_needed(run: Run, credentials: str) -> None:
    async def body(api: Api) -> None:
        answer = await api.client.get(APPS, headers={"Authorization": credentials})
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")

    run(body)


def test_bad_credentials_are_refused_before_the_body_is_looked_at(run: Run) -> None:
    async def body(api: Api) -> None:
        headers = {"Authorization": "Bearer dbos_nope", **JSON}
        assert (await api.client.put(SHOP, content=b"{", headers=headers)).status_code == 401

    run(body)


def test_head_is_answered_like_get_without_a_body(run_served: Run) -> None:
    async def body(api: Api) -> None:
        await api.client.put(SHOP)
        got, head = await api.client.get(SHOP), await api.client.head(SHOP)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == str(len(got.content))

    run_served(body)


@pytest.mark.parametrize("given", ["abc-123", "x" * 128, "~!@#"])
def test_sane_request_id_is_given_back(run: Run, given: str) -> None:
    async def body(api: Api) -> None:
        answer = await api.client.get("/healthz", headers={"X-Request-Id": given})
        assert answer.headers["x-request-id"] == given

    run(body)


@pytest.mark.parametrize("given", ["", "x" * 129, "a b", "a\tb", "caf\u00e9"])
def test_odd_request_id_is_replaced(run: Run, given: str) -> None:
    async def body(api: Api) -> None:
        answer = await api.client.get("/healthz", headers={"X-Request-Id": given.encode("latin-1")})
        assert answer.headers["x-request-id"] != given
        assert len(answer.headers["x-request-id"]) == 36

    run(body)


def test_unforeseen_failure_is_500_with_an_id_and_without_internals(
    run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def body(api: Api) -> None:
        async def fail(*_: object) -> None:
            raise RuntimeError("the secret plan")

        monkeypatch.setattr(api.operations.applications, "list", fail)
        answer = await api.client.get(APPS, headers={"X-Request-Id": "find-me"})
        assert (answer.status_code, answer.headers["content-type"]) == (500, PROBLEM)
        assert "secret plan" not in answer.text
        assert "find-me" in answer.json()["detail"]
        assert answer.headers["x-request-id"] == "find-me"

    with caplog.at_level(logging.ERROR):
        run(body)
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "find-me" in record.getMessage()
    assert record.exc_info is not None
    assert "secret plan" in str(record.exc_info[1])


def test_access_log_has_one_line_per_request_without_keys(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    async def body(api: Api) -> None:
        await api.client.get("/healthz?token=1", headers={"X-Request-Id": "id-1"})
        await api.client.get("/websocket/shop/any-key-of-dev-mode")
        await api.client.get("/v2/orgs/local/tokens/a%0Ab")

    with caplog.at_level(logging.INFO, logger="conductor_lite.access"):
        run(body)
    lines = [record.getMessage() for record in caplog.records if record.name == "conductor_lite.access"]
    assert len(lines) == 3
    assert lines[0].startswith("GET /healthz 200 ")
    assert lines[0].endswith(" ms id-1")
    assert lines[1].startswith("GET /websocket/shop/*** 404 ")
    assert lines[2].startswith("GET /v2/orgs/local/tokens/a%0Ab 405 ")


def test_health_document_and_docs_are_open_to_everyone(run: Run) -> None:
    async def body(api: Api) -> None:
        wrong = {"Authorization": "Bearer dbos_nope"}
        health = await api.client.get("/healthz", headers=wrong)
        assert (health.status_code, health.json()["status"]) == (200, "ok")
        document = await api.client.get("/openapi.json", headers=wrong)
        assert (document.status_code, document.json()["openapi"]) == (200, "3.1.0")
        docs = await api.client.get("/docs", headers=wrong)
        assert (docs.status_code, docs.headers["content-type"]) == (200, "text/html; charset=utf-8")

    run(body)


def test_docs_show_every_operation_and_obey_the_content_security_policy(run: Run) -> None:
    async def body(api: Api) -> None:
        page = (await api.client.get("/docs")).text
        document = (await api.client.get("/openapi.json")).json()
        for members in document["paths"].values():
            for operation in members.values():
                assert f'id="{operation["operationId"]}"' in page
        assert "<script" not in page
        assert "<style" not in page
        assert " style=" not in page
        assert "https://" not in page

    run(body)
