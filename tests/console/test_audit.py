"""The page of the audit log on a real server: filters, pages that stay what they are, and files."""

import csv
import html
import io
import json
import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import httpx
from console.conftest import Browse
from support.served import LOCAL, Served

from conductor_lite.store.audit import AuditLog
from conductor_lite.store.records import NewAuditEntry

#: Days ago, so that no range that ends now has them, and within what is kept.
BEGUN = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=5)
BERLIN = ZoneInfo("Europe/Berlin")


def _entry(number: int, **fields: object) -> NewAuditEntry:
    given: dict[str, Any] = {
        "organization_id": "local",
        "emitted_at": BEGUN + timedelta(minutes=number),
        "operation": "test.even" if number % 2 == 0 else "test.odd",
        "status": "success",
        "subject_type": "user",
        "subject_id": "local",
        "subject_display": "local user",
        "target_type": "thing",
        "target_id": f"thing-{number}",
        "source_ip": "127.0.0.1",
        "details": {"number": number},
        **fields,
    }
    return NewAuditEntry(**given)


def _local(number: int, zone: tzinfo) -> str:
    """When that entry was written, as a form has it."""
    return f"{(BEGUN + timedelta(minutes=number)).astimezone(zone):%Y-%m-%dT%H:%M}"


async def _write(scene: Served, *entries: NewAuditEntry) -> None:
    await AuditLog(scene.conductor.db).append(entries)


async def _targets(client: httpx.AsyncClient, path: str, **options: Any) -> list[str]:
    answer = await client.get(path, headers={"Accept": "application/json"}, **options)
    assert answer.status_code == 200, answer.text
    return [entry["target_id"] for entry in json.loads(answer.text)["entries"]]


def test_pages_stay_what_they_are_while_new_entries_are_written(browse: Browse) -> None:
    async def body(scene: Served, client: httpx.AsyncClient) -> None:
        await _write(scene, *[_entry(number) for number in range(250)])
        page = (await client.get("/audit")).text
        older = html.unescape(re.search(r'<a href="([^"]+)" rel="next"', page)[1])  # type: ignore[index]
        await _write(scene, *[_entry(number) for number in range(250, 290)])
        assert await _targets(client, older) == [f"thing-{n}" for n in range(149, 49, -1)]
        # Times may go backwards, as clocks do; what was written later is still not on later pages.
        await _write(scene, _entry(100, target_id="late"))
        page = (await client.get(older)).text
        assert "late" not in page
        older = html.unescape(re.search(r'<a href="([^"]+)" rel="next"', page)[1])  # type: ignore[index]
        assert await _targets(client, older) == [f"thing-{n}" for n in range(49, -1, -1)]
        assert (await _targets(client, "/audit"))[0] == "thing-289"

    browse(body)


def test_filters_narrow_and_are_offered_from_what_exists(browse: Browse) -> None:
    async def body(scene: Served, client: httpx.AsyncClient) -> None:
        await _write(scene, *[_entry(number) for number in range(4)])
        await _write(scene, _entry(4, status="failure", subject_display="ci bot", operation="test.bad"))
        assert await _targets(client, "/audit?operation=test.odd") == ["thing-3", "thing-1"]
        assert await _targets(client, "/audit?status=failure") == ["thing-4"]
        assert await _targets(client, "/audit?subject=ci%20bot") == ["thing-4"]
        assert await _targets(client, "/audit?target=thing-2") == ["thing-2"]
        # In the reader's own zone, or that of whoever passed the link on.
        berlin = {"cookie": "conductor_zone=Europe%2FBerlin"}
        start, end = (_local(number, BERLIN) for number in (1, 3))
        between = f"/audit?start={start}&end={end}"
        for path, headers in ((between, berlin), (f"{between}&zone=Europe/Berlin", {})):
            client.headers.update(headers)
            assert await _targets(client, path) == ["thing-2", "thing-1"]
            client.headers.pop("cookie", None)
        assert await _targets(client, between) == []
        assert await _targets(client, "/audit?range=1h") == []
        page = (await client.get("/audit")).text
        for offered in ("test.bad", "test.even", "ci bot"):
            assert f'<option value="{offered}">' in page
        for wrong in ("start=soon", "status=perhaps"):
            refused = await client.get(f"/audit?{wrong}")
            assert refused.status_code == 422
            assert 'role="alert"' in refused.text
            told = (await client.get(f"/audit?{wrong}", headers={"Accept": "application/json"})).json()
            assert wrong.partition("=")[2] in told["problem"]

    browse(body)


def test_a_file_holds_all_that_matches_and_runs_nothing_in_a_spreadsheet(browse: Browse) -> None:
    async def body(scene: Served, client: httpx.AsyncClient) -> None:
        await _write(scene, *[_entry(number) for number in range(2_500)])
        await _write(
            scene, _entry(3_000, subject_display="=HYPERLINK(1)", details={"a": 'quote " and, comma\n'})
        )
        lines = await client.get("/audit/download?format=jsonl")
        assert lines.headers["content-type"] == "application/jsonl; charset=utf-8"
        assert re.search(
            r'attachment; filename="conductor-audit-\S+\.jsonl"', lines.headers["content-disposition"]
        )
        assert lines.headers["cache-control"] == "no-store"
        entries = [json.loads(line) for line in lines.text.splitlines()]
        numbers = [entry["id"] for entry in entries]
        assert len(set(numbers)) == 2_501
        assert numbers == sorted(numbers, reverse=True)
        assert entries[0]["details"] == {"a": 'quote " and, comma\n'}
        rows = list(csv.DictReader(io.StringIO((await client.get("/audit/download")).text, newline="")))
        assert [int(row["id"]) for row in rows] == numbers
        assert rows[0]["subject"] == "'=HYPERLINK(1)"
        assert json.loads(rows[0]["details"]) == {"a": 'quote " and, comma\n'}
        some = await client.get(f"/audit/download?operation=test.odd&end={_local(10, UTC)}&zone=UTC")
        assert [row["target_id"] for row in csv.DictReader(io.StringIO(some.text, newline=""))] == [
            f"thing-{number}" for number in (9, 7, 5, 3, 1)
        ]

    browse(body)


def test_who_may_not_read_the_log_gets_no_file_either(browse: Browse) -> None:
    async def body(scene: Served, client: httpx.AsyncClient) -> None:
        key = await scene.key("application.read", name="reader")
        for path in ("/audit", "/audit/download"):
            answer = await client.get(path, headers={"Authorization": f"Bearer {key}"})
            assert answer.status_code == 403
        assert (await client.get("/audit/download?format=exe")).status_code == 422
        assert (await client.get("/audit/download?start=soon")).status_code == 422
        listed = await scene.conductor.operations.audit.list(LOCAL)
        assert [entry.operation for entry in listed] == ["token.create"]

    browse(body)
