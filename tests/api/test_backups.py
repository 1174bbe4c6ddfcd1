"""Backups over HTTP: who may have one, what it holds, and a client that fetches it piece by piece."""

import asyncio
import io
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from support.api import Api
from support.served import LOCAL
from support.wait import wait_until_async

from conductor_lite.auth.permissions import ALL_PERMISSIONS, WEBSOCKET_CONNECT
from conductor_lite.client import AsyncClient, Client, calls
from conductor_lite.errors import ForbiddenError, UnreachableError

BACKUPS = "/v2/orgs/local/backups"

Run = Callable[..., Any]


def test_a_backup_is_fetched_whole_and_only_by_who_may_see_everything(run_served: Run) -> None:
    async def body(api: Api) -> None:
        await api.client.put("/v2/orgs/local/apps/shop")
        needed = [name for name in ALL_PERMISSIONS if name != WEBSOCKET_CONNECT]
        partial = await api.client.post(BACKUPS, headers=await api.key("organization.write"))
        assert partial.status_code == 403
        assert "lacks organization.read, application.read" in partial.json()["detail"]
        header = await api.key(*needed)
        answer = await api.client.post(BACKUPS, headers=header)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/octet-stream"
        assert 'filename="conductor-backup-' in answer.headers["content-disposition"]
        assert answer.headers["cache-control"] == "no-store"
        whole = zipfile.ZipFile(io.BytesIO(answer.content))
        assert whole.testzip() is None
        assert sorted(whole.namelist()) == ["conductor.db", "manifest.json"]

        url, key = str(api.client.base_url), header["Authorization"].removeprefix("Bearer ")
        pieces: list[bytes] = []
        async with AsyncClient(url, key=key) as client:
            await client.download(calls.create_backup(), pieces.append)
        assert zipfile.ZipFile(io.BytesIO(b"".join(pieces))).testzip() is None

        limited = await api.key(*reversed(needed), app_names=["shop"])

        def refused() -> None:
            with Client(url, key=limited["Authorization"].removeprefix("Bearer ")) as client:
                client.download(calls.create_backup(), pieces.append)

        count = len(pieces)
        with pytest.raises(ForbiddenError, match="limited to some applications"):
            await asyncio.to_thread(refused)
        assert len(pieces) == count
        backups = api.operations.backups
        await wait_until_async(lambda: backups._under_way == 0, 5, "their room on the disk to be given back")
        entries = await api.operations.audit.list(LOCAL, operation="backup.create")
        assert [entry.status for entry in entries] == ["failure", "success", "success", "failure"]

    run_served(body)


def test_a_backup_that_breaks_off_is_an_error() -> None:
    async def whole() -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")
            await writer.drain()
            writer.close()

        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            async with AsyncClient(f"http://127.0.0.1:{port}") as client:
                with pytest.raises(UnreachableError):
                    await client.download(calls.create_backup(), lambda piece: None)

    asyncio.run(whole())
