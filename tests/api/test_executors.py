"""Executors over HTTP while a real socket is connected."""

import json
from collections.abc import Callable
from typing import Any

from support.api import Api
from support.wait import wait_until_async
from websockets.asyncio.client import connect

SHOP = "/v2/orgs/local/apps/shop"


def test_connected_executor_appears_and_makes_its_application_available(
    run_served: Callable[..., Any],
) -> None:
    async def body(api: Api) -> None:
        await api.client.put(SHOP)
        key = (await api.key("websocket.connect"))["Authorization"].removeprefix("Bearer ")
        url = str(api.client.base_url).replace("http", "ws", 1)
        async with connect(f"{url.rstrip('/')}/websocket/shop/{key}") as executor:
            question = json.loads(await executor.recv())
            await executor.send(
                json.dumps(
                    {
                        "type": "executor_info",
                        "request_id": question["request_id"],
                        "executor_id": "e-1",
                        "application_version": "v1",
                        "hostname": "box",
                        "language": "python",
                        "dbos_version": "2.31.1",
                        "executor_metadata": {"zone": "a", "sizes": [1, 2]},
                    }
                )
            )

            async def listed() -> Any:
                return (await api.client.get(f"{SHOP}/executors")).json()

            (row,) = await wait_until_async(listed, 5, "the executor to be listed")
            assert (await api.client.get(SHOP)).json()["status"] == "AVAILABLE"
            assert row.pop("appId") == (await api.client.get(SHOP)).json()["id"]
            for name in ("createdAt", "updatedAt"):
                moment = row.pop(name)
                assert len(moment) == len("2026-08-01T12:00:00.000Z")
                assert moment.endswith("Z")
            assert row == {
                "executorId": "e-1",
                "appVersion": "v1",
                "status": "HEALTHY",
                "hostId": None,
                "hostname": "box",
                "language": "python",
                "dbosVersion": "2.31.1",
                "executorMetadata": {"zone": "a", "sizes": [1, 2]},
            }

    run_served(body)
