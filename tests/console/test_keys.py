"""The page of API keys on a real server: what a new key connects with, renaming, and who uses a key."""

import html
import json
import logging
import re
from typing import Any

import httpx
import pytest
from console.conftest import Browse
from support.executor import ScriptedExecutor
from support.served import APPLICATION, Served


async def _post(client: httpx.AsyncClient, path: str, **fields: str) -> httpx.Response:
    page = (await client.get("/keys")).text
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert token
    return await client.post(path, data={"csrf_token": token[1], **fields})


async def _created(client: httpx.AsyncClient, **fields: str) -> tuple[str, str]:
    """Create a key; gives its text, and the page that shows it."""
    answer = await _post(client, "/keys", **fields)
    assert answer.status_code == 200
    secret = re.search(r'<code id="secret">(dbos_[^<]+)</code>', answer.text)
    assert secret
    return secret[1], html.unescape(answer.text)


async def _keys(client: httpx.AsyncClient) -> dict[str, Any]:
    answer = await client.get("/keys", headers={"Accept": "application/json"})
    return {key["name"]: key for key in json.loads(answer.text)["keys"]}


def test_a_new_key_stands_in_lines_to_paste_and_nowhere_else(
    browse: Browse, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "conductor_lite")

    async def body(scene: Served, client: httpx.AsyncClient) -> str:
        await scene.application_id()
        key, page = await _created(
            client, name="bot", permission="websocket.connect", reach="some", application=APPLICATION
        )
        for line in (
            f'"conductor_key": "{key}"',
            f"conductorKey: '{key}'",
            f'ConductorAPIKey: "{key}"',
            f'.withConductorKey("{key}")',
            f'"name": "{APPLICATION}"',
            f"export CONDUCTOR_KEY={key}",
        ):
            assert line in page
        again = await client.get("/keys")
        assert key not in again.text
        audit = await client.get("/audit")
        assert key not in audit.text
        return key

    assert browse(body) not in caplog.text


def test_a_key_for_programs_is_shown_with_what_programs_need(browse: Browse) -> None:
    async def body(scene: Served, client: httpx.AsyncClient) -> None:
        key, page = await _created(client, name="reader", permission="application.read", reach="all")
        assert f"export CONDUCTOR_LITE_KEY={key}" in page
        assert "conductor_key" not in page
        # The page of the first sending is gone from sight, and so is the secret.
        twice = await _post(client, "/keys", name="reader", permission="application.read", reach="all")
        assert twice.status_code == 422
        assert "If you sent this form twice" in twice.text

    browse(body)


def test_the_page_tells_who_uses_a_key(browse: Browse) -> None:
    async def body(scene: Served, client: httpx.AsyncClient) -> None:
        reader = await scene.key("application.read", name="reader")
        connecting = await scene.key(name="connecting")
        await scene.application_id()
        assert {name: key["last_used_at"] for name, key in (await _keys(client)).items()} == {
            "reader": None,
            "connecting": None,
        }
        assert (await client.get("/keys")).text.count("not since the start") == 2
        await client.get("/v2/orgs/local/apps", headers={"Authorization": f"Bearer {reader}"})
        await scene.connected(ScriptedExecutor("e1", workload=scene.workload), key=connecting)
        keys = await _keys(client)
        assert keys["reader"]["last_used_at"] is not None
        assert (keys["reader"]["connections"], keys["connecting"]["connections"]) == (0, 1)
        assert "1 executor connected" in (await client.get("/keys")).text
        asked = await client.get("/keys/revoke?name=connecting")
        assert "<strong>1 executor</strong> connected with it is disconnected" in asked.text

    browse(body)


def test_a_key_is_renamed_and_goes_on_working(browse: Browse) -> None:
    async def body(scene: Served, client: httpx.AsyncClient) -> None:
        key = await scene.key("application.read", name=" old / name ")
        await scene.key(name="taken")
        asked = await client.get("/keys/rename", params={"name": " old / name "})
        assert 'value=" old / name "' in asked.text
        refused = await _post(client, "/keys/rename", name=" old / name ", new_name="taken")
        assert refused.status_code == 422
        assert 'role="alert"' in refused.text
        done = await _post(client, "/keys/rename", name=" old / name ", new_name="new")
        assert " old / name  is called new now." in done.text
        assert set(await _keys(client)) == {"new", "taken"}
        answer = await client.get("/v2/orgs/local/apps", headers={"Authorization": f"Bearer {key}"})
        assert answer.status_code == 200
        assert (await client.get("/keys/rename?name=gone")).status_code == 404

    browse(body)
