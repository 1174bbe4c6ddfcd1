"""Changes that are refused before an operation hears of them: in the audit log all the same, and bounded."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from support.api import Api
from support.served import LOCAL
from support.wait import wait_until_async

from conductor_lite.errors import ForbiddenError, UnauthenticatedError
from conductor_lite.operations import refusals

SHOP = "/v2/orgs/local/apps/shop"
FORK = f"{SHOP}/workflows/order%207/fork"

Run = Callable[..., Any]


async def entries(api: Api, count: int) -> list[Any]:
    """The log without what prepared the test, oldest first, once it has so many entries."""

    async def listed() -> list[Any]:
        found = await api.operations.audit.list(LOCAL, status="failure", limit=1_000)
        return found[::-1]

    async def there() -> bool:
        return len(await listed()) >= count

    await wait_until_async(there, 5, f"{count} entries")
    return await listed()


def test_a_change_that_cannot_be_read_or_comes_from_nobody_known_is_on_record(run: Run) -> None:
    async def body(api: Api) -> None:
        client = api.client
        await client.put(SHOP)
        forged = {"Authorization": "Bearer dbos_" + "a" * 61}
        form = {"Content-Type": "text/plain"}
        for expected, path, options in (
            (400, FORK, {"content": b"{", "headers": {"Content-Type": "application/json"}}),
            (401, FORK, {"headers": forged}),
            (413, FORK, {"content": b" " * 5_000}),
            (415, FORK, {"content": b"{}", "headers": form}),
            (422, FORK, {"json": {"startStep": "dbos_" + "a" * 61}}),
            (422, FORK, {"headers": {"Idempotency-Key": "a b"}}),
            (404, "/v2/orgs/elsewhere/apps/shop/schedules/x/trigger", {}),
        ):
            answer = await client.post(path, **options)
            assert answer.status_code == expected, answer.text
        # What only reads is not written down, nor is what an operation refuses by itself written twice.
        assert (await client.get(f"{SHOP}/workflows?limit=x")).status_code == 422
        assert (await client.patch(SHOP, json={"executorTimeoutSecs": 0})).status_code == 422
        found = await entries(api, 8)
        assert len(found) == 8
        early = [entry for entry in found if "before" in entry.details]
        assert [entry.operation for entry in early] == ["workflow.fork"] * 6 + ["schedule.trigger"]
        assert {(entry.target_type, entry.target_id) for entry in early[:6]} == {("workflow", "order 7")}
        assert all(entry.details["application_name"] == "shop" for entry in early)
        assert [entry.subject_type for entry in early] == ["user", "unknown", *["user"] * 5]
        assert early[1].source_ip == "127.0.0.1"
        assert early[4].details["faults"] == ["body.startStep"]
        assert "dbos_a" not in str([entry.details for entry in early])

    run(body)


def test_a_flood_is_counted_and_neither_waits_nor_fills_the_log(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusals, "WINDOW_SECS", 0.5)

    async def body(api: Api) -> None:
        error = ForbiddenError("no" * 1_000)

        def flood() -> None:
            for number in range(5_000):
                operation = f"op-{number % 100 if number % 2 else 1}"
                api.operations.refusals.note(LOCAL, operation, "workflow", "x" * 10_000, error)

        flood()
        most = refusals.MAX_SINGLE + refusals.MAX_COUNTS + 1
        found = await entries(api, most)
        assert len(found) == most
        counted = [entry.details["count"] for entry in found if "count" in entry.details]
        assert sum(counted) + refusals.MAX_SINGLE == 5_000
        assert max(len(str(entry.details)) + len(entry.target_id) for entry in found) < 1_500
        # The next window begins anew; what is not written when the server stops is written then.
        flood()
        await asyncio.wait_for(api.operations.refusals.stop(), 60)
        assert len(await entries(api, 2 * most)) == 2 * most

    run(body)


def test_callers_that_nobody_knows_have_a_small_share_of_their_own(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Over only when the server stops, however slow the machine is.
    monkeypatch.setattr(refusals, "WINDOW_SECS", 600.0)

    async def body(api: Api) -> None:
        for number in range(1_000):
            api.operations.refusals.note(None, f"op-{number}", "workflow", "x", UnauthenticatedError("who?"))
        # They take nothing from those who are known.
        for number in range(refusals.MAX_SINGLE + refusals.MAX_COUNTS):
            api.operations.refusals.note(LOCAL, f"op-{number}", "workflow", "x", ForbiddenError("no"))
        await asyncio.wait_for(api.operations.refusals.stop(), 60)
        found = await entries(api, 1)
        unknown = [entry for entry in found if entry.subject_type == "unknown"]
        assert [entry.details.get("count") for entry in unknown] == [None, None, None, 997]
        assert "counted together" in unknown[-1].details["error"]
        known = [entry.operation for entry in found if entry.subject_type == "user"]
        assert known == [f"op-{number}" for number in range(refusals.MAX_SINGLE + refusals.MAX_COUNTS)]

    run(body)
