"""The page of settings on a real server: its backup, the organisation's form, and what it tells."""

import asyncio
import html
import json
import re
import secrets
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import httpx
from console.conftest import Browse
from support.served import LOCAL, Served
from support.wait import wait_until_async

from conductor_lite.config import MEANINGS, Settings


async def _form(client: httpx.AsyncClient) -> dict[str, str]:
    page = (await client.get("/settings")).text
    match = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert match
    return {"csrf_token": match[1]}


def test_what_is_downloaded_is_restored_by_the_command_that_the_page_gives(
    browse: Browse, tmp_path: Path
) -> None:
    async def body(scene: Served, client: httpx.AsyncClient) -> tuple[httpx.Response, str]:
        await scene.application_id("kept")
        answer = await client.post("/settings/backup", data=await _form(client))
        assert answer.status_code == 200
        return answer, (await client.get("/settings")).text

    answer, page = browse(body)
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["cache-control"] == "no-store"
    name = re.search(
        r'filename="(conductor-backup-\d{8}T\d{6}Z\.zip)"', answer.headers["content-disposition"]
    )
    assert name
    assert "Last one here" in page
    match = re.search(r"<code>(conductor-lite restore [^<]+)</code>", page)
    assert match
    command = shlex.split(html.unescape(match[1]))
    (tmp_path / command[2]).write_bytes(answer.content)
    done = subprocess.run(
        [sys.executable, "-m", "conductor_lite", *command[1:]],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert str(tmp_path / "data folder") in done.stdout

    async def after(scene: Served, client: httpx.AsyncClient) -> list[str]:
        return [found.record.name for found in await scene.conductor.operations.applications.list(LOCAL)]

    assert browse(after) == ["kept"]


def test_a_download_that_breaks_off_leaves_nothing(browse: Browse) -> None:
    async def body(scene: Served, client: httpx.AsyncClient) -> None:
        context = scene.conductor.operations.backups._context
        for number in range(12):
            async with context.audited(LOCAL, "test", "nothing", str(number)) as details:
                # What does not pack well, and is more than sockets hold.
                details["noise"] = secrets.token_hex(400_000)
        fields = await _form(client)
        cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        backups = scene.conductor.operations.backups
        await _begin_and_leave(scene.url, fields, cookies)
        await wait_until_async(lambda: backups._under_way == 0, 20, "the backup to be let go")
        assert not [path for path in scene.conductor.settings.data_dir.iterdir() if "scratch" in path.name]

    browse(body)


async def _begin_and_leave(url: str, fields: dict[str, str], cookies: str) -> None:
    """Ask for the backup, take its beginning, and go away."""
    host, port = url.removeprefix("http://").split(":")
    sock = socket.create_connection((host, int(port)))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    reader, writer = await asyncio.open_connection(sock=sock, limit=4096)
    body = str(httpx.QueryParams(fields))
    head = (
        f"POST /settings/backup HTTP/1.1\r\nHost: {host}:{port}\r\nCookie: {cookies}\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    writer.write((head + body).encode())
    assert b"200" in await reader.readline()
    writer.transport.abort()


def test_the_organisation_is_changed_and_what_is_wrong_is_said(browse: Browse) -> None:
    async def body(scene: Served, client: httpx.AsyncClient) -> None:
        fields = await _form(client)
        wrong = {"name": "shop_team", "audit_log_retention_days": "1"}
        refused = await client.post("/settings/organization", data={**fields, **wrong})
        assert refused.status_code == 422
        assert "expected a whole number from 7 to 3650" in html.unescape(refused.text)
        assert 'value="shop_team"' in refused.text
        nonsense = {**wrong, "audit_log_retention_days": "many"}
        assert (await client.post("/settings/organization", data={**fields, **nonsense})).status_code == 422
        right = {"name": "shop_team", "audit_log_retention_days": "30"}
        saved = await client.post("/settings/organization", data={**fields, **right})
        assert (saved.status_code, saved.url.path) == (200, "/settings")
        record = await scene.conductor.operations.organization.get(LOCAL)
        assert (record.name, record.audit_log_retention_days) == ("shop_team", 30)
        assert (await client.get("/v2/orgs/shop_team")).status_code == 200

    browse(body)


def test_the_page_tells_versions_health_and_every_setting(browse: Browse) -> None:
    async def body(scene: Served, client: httpx.AsyncClient) -> None:
        answer = await client.get("/settings", headers={"Accept": "application/json"})
        told = json.loads(answer.text)["installation"]
        settings = {setting["name"]: setting for setting in told["settings"]}
        assert settings["max_body_bytes"]["value"] == "1048576"
        assert settings["max_body_bytes"]["variable"] == "CONDUCTOR_LITE_MAX_BODY_BYTES"
        assert told["health"]["database_bytes"] > 0
        assert {policy["name"] for policy in told["health"]["policies"]}
        page = html.unescape((await client.get("/settings")).text)
        assert page.count('<span class="tag" title="The default is') == 3  # data_dir, port, max_body_bytes
        for name in MEANINGS:
            assert f">{name}</th>" in page

    browse(body, max_body_bytes=1 << 20)


def test_every_setting_has_a_meaning() -> None:
    assert set(MEANINGS) == set(Settings.__struct_fields__)


def test_who_may_not_is_told_and_gets_nothing(browse: Browse) -> None:
    async def body(scene: Served, client: httpx.AsyncClient) -> None:
        reader = {"Authorization": f"Bearer {await scene.key('organization.read', name='reader')}"}
        page = await client.get("/settings", headers=reader)
        assert "takes every permission except" in page.text
        # Who may change the organisation, but not see all that a backup holds.
        writes = await scene.key("organization.read", "organization.write", name="writer")
        writer = {"Authorization": f"Bearer {writes}"}
        page_of_writer = (await client.get("/settings", headers=writer)).text
        assert 'action="/settings/organization"' in page_of_writer
        assert 'action="/settings/backup"' not in page_of_writer
        assert "<code>token.read</code>" in page_of_writer
        assert "<code>organization.write</code>" not in page_of_writer
        assert "<form" not in re.sub(r"<form[^>]*(search|dialog)[^>]*>", "", page.text)
        fields = await _form(client)
        for path in ("/settings/backup", "/settings/organization"):
            answer = await client.post(path, data={**fields, "name": "abc"}, headers=reader)
            assert answer.status_code in (403, 422)
        nobody = {"Authorization": f"Bearer {await scene.key('metric.read', name='nobody')}"}
        assert (await client.get("/settings", headers=nobody)).status_code == 403

    browse(body)
