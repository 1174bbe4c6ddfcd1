"""The page of users and roles on a real server."""

import html
import re
from typing import Any

import httpx
from console.conftest import Browse
from support.served import LOCAL, Served

from conductor_lite.auth.permissions import ALL_PERMISSIONS


async def _post(client: httpx.AsyncClient, path: str, **fields: Any) -> httpx.Response:
    token = re.search(r'name="csrf_token" value="([^"]+)"', (await client.get("/users")).text)
    assert token
    return await client.post(path, data={"csrf_token": token[1], **fields})


def test_it_says_that_there_is_no_login_and_what_each_permission_allows(browse: Browse) -> None:
    async def body(scene: Served, client: httpx.AsyncClient) -> None:
        page = html.unescape((await client.get("/users")).text)
        assert "This server has no login" in page
        for name in ALL_PERMISSIONS:
            assert f'<th scope="row" class="name">{name}</th>' in page

    browse(body)


def test_a_role_is_created_and_deleted(browse: Browse) -> None:
    async def body(scene: Served, client: httpx.AsyncClient) -> None:
        fields = {"name": "on_call", "permission": ["application.read", "metric.read"]}
        done = await _post(client, "/users/roles", **fields)
        assert "Created the role on_call." in done.text
        twice = await _post(client, "/users/roles", **fields)
        assert twice.status_code == 422
        assert re.search(r'value="metric.read" checked', twice.text)
        for wrong in ({**fields, "name": "a b"}, {"name": "empty"}, {**fields, "name": "admin"}):
            assert (await _post(client, "/users/roles", **wrong)).status_code == 422
        asked = await client.get("/users/roles/delete?name=on_call")
        assert "application.read, metric.read" in asked.text
        for none in ("admin", "gone"):
            assert (await client.get(f"/users/roles/delete?name={none}")).status_code == 404
        assert (await _post(client, "/users/roles/delete", name="admin")).status_code == 409
        assert (
            "Deleted the role on_call." in (await _post(client, "/users/roles/delete", name="on_call")).text
        )
        roles = await scene.conductor.operations.roles.list(LOCAL)
        assert [role.name for role in roles] == ["admin", "member"]

    browse(body)


def test_who_may_only_look_sees_no_forms(browse: Browse) -> None:
    async def body(scene: Served, client: httpx.AsyncClient) -> None:
        await _post(client, "/users/roles", name="on_call", permission="metric.read")
        reader = {"Authorization": f"Bearer {await scene.key('organization.read', name='reader')}"}
        page = (await client.get("/users", headers=reader)).text
        assert "on_call" in page
        assert "Create a role" not in page
        assert "Delete…" not in page

    browse(body)
