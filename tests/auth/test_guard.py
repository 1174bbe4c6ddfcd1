"""The guard of a server without login: no page of another site reaches it, whichever way it tries."""

import asyncio
import json
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from conductor_lite.auth.guard import SECURITY_HEADERS, LoopbackGuard, SecurityHeaders

OWN = "127.0.0.1:8090"


async def _app(scope: Scope, receive: Receive, send: Send) -> None:
    """Stands for everything behind the guard; says so when it is reached."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"reached"})


def _call(headers: list[tuple[str, str]], allowed: tuple[str, ...] = (), **scope: Any) -> list[Message]:
    """One request through the guard; gives what was sent in answer."""
    sent: list[Message] = []
    whole: Scope = {
        "type": "http",
        "method": "GET",
        "scheme": "http",
        "path": "/",
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers],
        **scope,
    }

    async def receive() -> Message:
        return {"type": "websocket.connect" if whole["type"] == "websocket" else "http.request"}

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(SecurityHeaders(LoopbackGuard(_app, allowed))(whole, receive, send))
    return sent


def _status(headers: list[tuple[str, str]], allowed: tuple[str, ...] = (), **scope: Any) -> int:
    return int(_call(headers, allowed, **scope)[0]["status"])


@pytest.mark.parametrize(
    "host", ["127.0.0.1", OWN, "localhost", "LocalHost:8090", "[::1]", "[::1]:8090", "localhost:1"]
)
def test_loopback_names_are_let_in_with_any_port(host: str) -> None:
    assert _status([("Host", host)]) == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8090",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "evil-localhost",
        "localhost.",
        "127.0.0.1@evil.example",
        "evil.example#127.0.0.1",
        "127.0.0.1, evil.example",
        "127.0.0.1:8090:8090",
        "127.0.0.2",
        "0.0.0.0",
        "2130706433",
        "[::1",
        "::1",
        "[::ffff:127.0.0.1]",
        "localhost:",
        "localhost:\xb2",
        "",
    ],
)
def test_rebound_or_odd_host_is_misdirected(host: str) -> None:
    assert _status([("Host", host)]) == 421


def test_host_is_named_exactly_once() -> None:
    assert _status([]) == 400
    assert _status([("Host", OWN), ("Host", "evil.example")]) == 400


def test_allowed_host_is_let_in_with_its_port_if_it_names_one() -> None:
    allowed = ("Proxy.example", "other.example:8443")
    assert _status([("Host", "proxy.example")], allowed) == 200
    assert _status([("Host", "proxy.example:99")], allowed) == 200
    assert _status([("Host", "other.example:8443")], allowed) == 200
    assert _status([("Host", "other.example")], allowed) == 421


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "https://127.0.0.1:8090",
        "http://127.0.0.1",
        "http://127.0.0.1:3000",
        "http://localhost:8090",
        "http://127.0.0.1:8090.evil.example",
        "http://127.0.0.1:8090/",
        "http://evil.example/http://127.0.0.1:8090",
        "null",
        "file://",
        "chrome-extension://abc",
        "127.0.0.1:8090",
        "",
    ],
)
def test_page_of_another_origin_is_refused_whatever_the_method(method: str, origin: str) -> None:
    assert _status([("Host", OWN), ("Origin", origin)], method=method) == 403


def test_second_origin_is_looked_at_too() -> None:
    headers = [("Host", OWN), ("Origin", f"http://{OWN}"), ("Origin", "http://evil.example")]
    assert _status(headers, method="POST") == 403


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        (OWN, f"http://{OWN}"),
        ("localhost:8090", "http://localhost:8090"),
        ("LOCALHOST:8090", "http://localhost:8090"),
        ("localhost", "http://localhost"),
        ("localhost:80", "http://localhost"),
        ("[::1]:8090", "http://[::1]:8090"),
    ],
)
def test_own_pages_may_post(host: str, origin: str) -> None:
    headers = [("Host", host), ("Origin", origin), ("Sec-Fetch-Site", "same-origin")]
    assert _status(headers, method="POST") == 200


def test_page_behind_a_tls_proxy_may_post_under_an_allowed_name_only() -> None:
    headers = [("Host", "proxy.example"), ("Origin", "https://proxy.example")]
    assert _status(headers, ("proxy.example",), method="POST") == 200
    assert _status([("Host", OWN), ("Origin", f"https://{OWN}")], ("proxy.example",), method="POST") == 403
    other = [("Host", "proxy.example"), ("Origin", "https://evil.example")]
    assert _status(other, ("proxy.example",), method="POST") == 403


@pytest.mark.parametrize(
    ("method", "site", "status"),
    [
        ("POST", "cross-site", 403),
        ("POST", "same-site", 403),
        ("DELETE", "Cross-Site", 403),
        ("OPTIONS", "cross-site", 403),
        ("POST", "same-origin", 200),
        ("POST", "none", 200),
        # A link on another site may lead here: reading changes nothing, and that page cannot see the answer.
        ("GET", "cross-site", 200),
        ("HEAD", "cross-site", 200),
    ],
)
def test_fetch_metadata_decides_about_requests_that_change_something(
    method: str, site: str, status: int
) -> None:
    assert _status([("Host", OWN), ("Sec-Fetch-Site", site)], method=method) == status


def test_programs_send_neither_header_and_are_let_in() -> None:
    assert _status([("Host", OWN)], method="POST") == 200


def test_refusal_is_a_problem() -> None:
    start, body = _call([("Host", "evil.example")])
    assert (b"content-type", b"application/problem+json") in start["headers"]
    problem = json.loads(body["body"])
    assert (problem["status"], problem["title"]) == (421, "Misdirected Request")
    assert "allowed_hosts" in problem["detail"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([("Host", OWN)], None),
        ([("Host", OWN), ("Origin", f"http://{OWN}")], None),
        ([("Host", OWN), ("Origin", "http://evil.example")], 403),
        ([("Host", OWN), ("Origin", "null")], 403),
        ([("Host", "evil.example")], 421),
    ],
)
def test_websocket_is_guarded_alike(headers: list[tuple[str, str]], status: int | None) -> None:
    extensions = {"websocket.http.response": {}}
    sent = _call(headers, type="websocket", scheme="ws", extensions=extensions)
    if status is None:
        assert sent[0]["type"] == "websocket.accept"
    else:
        assert [message["type"] for message in sent] == [
            "websocket.http.response.start",
            "websocket.http.response.body",
        ]
        assert sent[0]["status"] == status


def test_websocket_is_closed_where_the_server_cannot_answer_it_in_words() -> None:
    (message,) = _call([("Host", "evil.example")], type="websocket", scheme="ws")
    assert message == {"type": "websocket.close", "code": 1008}


@pytest.mark.parametrize("host", [OWN, "evil.example"])
def test_every_response_has_the_security_headers(host: str) -> None:
    headers = {name.decode(): value.decode() for name, value in _call([("Host", host)])[0]["headers"]}
    for name, value in SECURITY_HEADERS.items():
        assert headers[name.lower()] == value


def test_policy_allows_nothing_inline_and_no_frames() -> None:
    policy = SECURITY_HEADERS["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    # With no-referrer, browsers would send "Origin: null" with our own forms.
    assert SECURITY_HEADERS["Referrer-Policy"] == "same-origin"


def test_response_may_set_a_policy_of_its_own() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"referrer-policy", b"no-referrer")]}
        )

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request"}

    asyncio.run(SecurityHeaders(app)({"type": "http"}, receive, send))
    assert [value for name, value in sent[0]["headers"] if name == b"referrer-policy"] == [b"no-referrer"]
