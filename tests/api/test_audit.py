"""The audit log over HTTP: its entries as published, its filters, its pages."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from support.api import Api

from conductor_lite.store.audit import AuditLog
from conductor_lite.store.records import NewAuditEntry

LOGS = "/v2/orgs/local/audit-logs"
#: Far enough ahead that no retention deletes what is dated like this.
NOON = datetime(2100, 7, 1, 12, tzinfo=UTC)

Run = Callable[..., Any]


def test_entry_reads_as_published(run: Run) -> None:
    async def body(api: Api) -> None:
        header = await api.key("application.write")
        await api.client.patch("/v2/orgs/local/apps/shop", json={}, headers=header)
        refused, created = (await api.client.get(LOGS)).json()
        assert int(refused.pop("id")) > int(created.pop("id"))
        assert refused.pop("emitTime").endswith("Z")
        assert refused.pop("subject").pop("type") == "api_key"
        error = refused.pop("details")["error"]
        assert "shop" in error
        assert refused == {
            "operation": "application.update",
            "status": "failure",
            "target": {"type": "application", "id": "shop"},
            "sourceIp": "127.0.0.1",
        }
        assert created["subject"] == {"type": "user", "id": "local", "display": "local user"}
        assert created["target"] == {"type": "token", "id": "application.write"}

    run(body)


def test_what_the_conductor_did_by_itself_is_told_apart(run: Run) -> None:
    async def body(api: Api) -> None:
        entry = NewAuditEntry(
            organization_id="local",
            emitted_at=NOON,
            operation="executor.recovery",
            status="success",
            subject_type="system",
            subject_id="conductor",
            subject_display="conductor",
        )
        await AuditLog(api.conductor.db).append([entry])
        (listed,) = (await api.client.get(LOGS)).json()
        assert listed.pop("id")
        assert listed == {
            "emitTime": "2100-07-01T12:00:00.000Z",
            "operation": "executor.recovery",
            "status": "success",
            "subject": {"type": "system", "id": "conductor", "display": "conductor"},
            "sourceIp": "",
            "details": None,
        }

    run(body)


async def _fill(api: Api) -> None:
    await AuditLog(api.conductor.db).append(
        [
            NewAuditEntry(
                organization_id="local",
                emitted_at=NOON + timedelta(minutes=number),
                operation="application.delete" if number % 2 else "application.create",
                status="success",
                subject_type="api_key",
                subject_id=f"k{number}",
                subject_display=f"key {number}",
                target_type="application",
                target_id=f"app{number}",
            )
            for number in range(6)
        ]
    )


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, [5, 4, 3, 2, 1, 0]),
        ({"startTime": "2100-07-01T14:02:00+02:00", "endTime": "2100-07-01T12:04:00Z"}, [3, 2]),
        ({"operation": "application.delete"}, [5, 3, 1]),
        ({"subject": "k3"}, [3]),
        ({"subject": "key 4"}, [4]),
        ({"target": "app0"}, [0]),
        ({"limit": 2}, [5, 4]),
        ({"limit": 2, "offset": 4}, [1, 0]),
        ({"limit": 2, "offset": 6}, []),
        ({"operation": "nothing"}, []),
    ],
)
def test_filters_and_pages(run: Run, query: dict[str, Any], expected: list[int]) -> None:
    async def body(api: Api) -> None:
        await _fill(api)
        entries = (await api.client.get(LOGS, params=query)).json()
        assert [entry["subject"]["id"] for entry in entries] == [f"k{number}" for number in expected]

    run(body)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit", "0"),
        ("limit", "10001"),
        ("limit", "ten"),
        ("offset", "-1"),
        ("startTime", "noon"),
        ("endTime", "2100-07-01T12:00:00"),
    ],
)
def test_a_listing_is_refused_rather_than_cut_short(run: Run, name: str, value: str) -> None:
    async def body(api: Api) -> None:
        answer = await api.client.get(LOGS, params={name: value})
        assert answer.status_code == 422
        assert [error["location"] for error in answer.json()["errors"]] == [f"query.{name}"]

    run(body)
