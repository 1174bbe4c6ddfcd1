"""Readers who may do little: wherever the console leads them, they may go there."""

import asyncio
import html
import re
from collections import Counter
from urllib.parse import urlsplit

import httpx
from console.conftest import Browse
from support.served import Served


def _links(page: str) -> list[str]:
    found = [html.unescape(url) for url in re.findall(r'<a\s[^>]*?href="([^"#]+)', page)]
    return [url for url in found if url.startswith("/") and not url.startswith(("/static/", "/docs"))]


async def _refused(client: httpx.AsyncClient, start: str) -> list[str]:
    """Follow every link from a page on; gives the addresses where that was of no use."""
    ahead, seen, kinds, refused = [start], {start}, Counter[str](), []
    while ahead:
        url = ahead.pop()
        answer = await client.get(url)
        if answer.status_code >= 400:
            refused.append(f"{answer.status_code} {url}")
            continue
        for found in _links(answer.text):
            parts = urlsplit(found)
            kind = f"{parts.path}?{sorted({*re.findall('([a-z_]+)=', parts.query)})}"
            kinds[kind] += found not in seen
            if found not in seen and kinds[kind] == 1:
                ahead.append(found)
            seen.add(found)
    assert len(seen) > 1
    return refused


READERS = (
    (("application.read",), (), "/"),
    (("organization.read",), (), "/users"),
    (("token.read",), (), "/keys"),
    (("organization.read", "token.read"), ("shop",), "/keys"),
)


def test_no_link_leads_to_what_the_reader_may_not_see(browse: Browse) -> None:
    async def body(scene: Served, client: httpx.AsyncClient) -> None:
        await asyncio.gather(scene.application_id("shop"), scene.application_id("other"))
        for number, (permissions, apps, start) in enumerate(READERS):
            key = await scene.key(*permissions, name=f"reader {number}", apps=apps)
            client.headers["Authorization"] = f"Bearer {key}"
            assert await _refused(client, start) == [], permissions

    browse(body)
