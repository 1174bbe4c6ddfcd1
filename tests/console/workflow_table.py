"""The page of workflows in front of a scripted executor, looked at over HTTP."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from html import unescape
from pathlib import Path
from typing import Any

import httpx
from support.executor import ScriptedExecutor
from support.served import Served, served
from support.shelf import Shelf

from conductor_lite.config import Settings

PAGE = "/apps/shop/workflows"


class Table:
    """What a test works with: the page of an application whose workflows are on a shelf."""

    def __init__(
        self, scene: Served, shelf: Shelf, executor: ScriptedExecutor, client: httpx.AsyncClient
    ) -> None:
        self.scene = scene
        self.shelf = shelf
        self.executor = executor
        self.client = client

    async def see(self, query: str = "") -> str:
        """The page as people get it."""
        response = await self.client.get(f"{PAGE}?{query}", headers={"Accept": "text/html"})
        assert response.status_code == 200, response.text
        return response.text

    async def data(self, query: str = "") -> dict[str, Any]:
        """The page as programs get it."""
        response = await self.client.get(f"{PAGE}?{query}", headers={"Accept": "application/json"})
        assert response.status_code == 200, response.text
        return dict(response.json())

    async def ids(self, query: str = "") -> list[str]:
        """The rows' workflow ids."""
        return [row["workflow_id"] for row in (await self.data(query))["workflows"]]

    async def post(self, path: str, fields: dict[str, Any], **headers: str) -> httpx.Response:
        """Send a form as a page of ours would, and go nowhere after it."""
        token = re.search(r'name="csrf_token" value="([^"]+)"', await self.see("id=x"))
        if token is None:
            # A table without rows has no form.
            page = await self.client.get("/apps/shop/import", headers={"Accept": "text/html"})
            token = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
        assert token is not None
        data = {"csrf_token": unescape(token[1]), **fields}
        return await self.client.post(path, data=data, headers={"Accept": "text/html", **headers})


Body = Callable[[Table], Awaitable[None]]


def run_table(folder: Path, body: Body) -> None:
    """Run an async function on a table."""

    async def whole() -> None:
        settings = Settings(data_dir=folder / "data", port=0, dev=True)
        async with served(settings) as scene:
            await scene.application_id()
            shelf = Shelf()
            executor = shelf.serve(ScriptedExecutor("exec-1"))
            await scene.connected(executor)
            async with httpx.AsyncClient(base_url=scene.url, trust_env=False, timeout=60) as client:
                await body(Table(scene, shelf, executor, client))

    asyncio.run(whole())


def link(html: str, words: str) -> str:
    """Where the link of these words leads to."""
    found = re.search(rf'<a [^>]*href="([^"]*)"[^>]*>(?:<[^>]*>)*\s*{re.escape(words)}', html)
    assert found is not None, words
    return unescape(found[1])
