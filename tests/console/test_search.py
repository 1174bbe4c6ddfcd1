"""The page behind the search box: straight to what is meant, a list where several are."""

import asyncio
import json
from pathlib import Path
from urllib.parse import quote

import httpx
from operations.test_search import _executor
from support.served import APPLICATION, Served, served

from conductor_lite.config import Settings


def _answers(tmp_path: Path, *texts: str) -> list[httpx.Response]:
    """What the page answers to each text, of an application with some workflows."""

    async def whole() -> list[httpx.Response]:
        settings = Settings(data_dir=tmp_path / "data", port=0, dev=True)
        async with served(settings) as scene:
            await scene.application_id()
            executor = _executor("e1", "order-1", "order-2", "a/b?c", "solo-77", queue="mail")
            await scene.connected(executor)
            return [await _search(scene, text) for text in texts]

    return asyncio.run(whole())


async def _search(scene: Served, text: str) -> httpx.Response:
    return await scene.http("GET", f"/search?q={quote(text, safe='')}")


def test_what_is_meant_beyond_doubt_is_gone_to_at_once(tmp_path: Path) -> None:
    answers = _answers(tmp_path, "order-1", "a/b?c", "solo-", "mail", APPLICATION)
    assert [answer.status_code for answer in answers] == [303] * 5
    assert [answer.headers["location"] for answer in answers] == [
        f"/apps/{APPLICATION}/workflows/order-1",
        f"/apps/{APPLICATION}/workflows/~?id=a%2Fb%3Fc",
        f"/apps/{APPLICATION}/workflows/solo-77",
        f"/apps/{APPLICATION}/queues/mail",
        f"/apps/{APPLICATION}",
    ]


def test_several_are_listed_and_nothing_is_said_so(tmp_path: Path) -> None:
    several, nothing, empty, hostile = _answers(tmp_path, "order", "nowhere", "", "<img src=x>")
    assert several.status_code == 200
    for workflow_id in ("order-1", "order-2"):
        assert f'href="/apps/{APPLICATION}/workflows/{workflow_id}"' in several.text
    assert "Nothing goes by that" in nothing.text
    assert "Paste a workflow&#39;s id" in empty.text or "Paste a workflow's id" in empty.text
    assert "<img" not in hostile.text


def test_programs_get_what_was_found_instead_of_being_sent_on(tmp_path: Path) -> None:
    async def whole() -> httpx.Response:
        async with served(Settings(data_dir=tmp_path / "data", port=0, dev=True)) as scene:
            await scene.application_id()
            await scene.connected(_executor("e1", "order-1", queue="mail"))
            return await scene.http("GET", "/search?q=order-1", headers={"Accept": "application/json"})

    answer = asyncio.run(whole())
    assert answer.status_code == 200
    assert [match["workflow_id"] for match in json.loads(answer.text)["workflows"]] == ["order-1"]
