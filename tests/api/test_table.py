"""What holds for every row of the operation table: its permission, its audit entry, its need of a login."""

from collections.abc import Callable
from typing import Any

import pytest
from support.api import Api
from support.samples_of_schemas import sample

from conductor_lite.api.openapi import build_document
from conductor_lite.api.operation import AnyOperation
from conductor_lite.api.table import TABLE
from conductor_lite.auth.actor import local_actor
from conductor_lite.auth.permissions import ALL_PERMISSIONS

Run = Callable[..., Any]

DOCUMENT = build_document(TABLE)
SCHEMAS = DOCUMENT["components"]["schemas"]
#: What exists in each test, so that paths lead somewhere.
NAMES = {"orgName": "local", "appName": "shop", "tokenName": "fresh"}

OPEN = [row for row in TABLE if not row.requires_login]
GUARDED = [row for row in OPEN if row.permission]
CLOSED = [row for row in TABLE if row.requires_login]


def _request(row: AnyOperation) -> tuple[str, str, dict[str, Any]]:
    """A valid request: arguments of ``httpx``, made from the document as a generated client would."""
    described = DOCUMENT["paths"][row.path][row.method.lower()]
    values = {
        parameter["name"]: sample(parameter["schema"], SCHEMAS)
        for parameter in described["parameters"]
        if parameter["required"]
    }
    in_path = {name: values[name] for name in row.placeholders} | {
        name: value for name, value in NAMES.items() if name in row.placeholders
    }
    options: dict[str, Any] = {
        "params": {name: value for name, value in values.items() if name not in row.placeholders}
    }
    if row.has_body:
        content = described["requestBody"]["content"]["application/json"]["schema"]
        options["json"] = sample(content, SCHEMAS)
    return row.method, row.path.format(**in_path), options


async def _prepare(api: Api) -> None:
    await api.client.put("/v2/orgs/local/apps/shop")


def _by_id(row: AnyOperation) -> str:
    return row.operation_id


@pytest.mark.parametrize("row", GUARDED, ids=_by_id)
def test_operation_demands_the_permission_that_the_table_names_and_no_other(
    run: Run, row: AnyOperation
) -> None:
    async def body(api: Api) -> None:
        await _prepare(api)
        method, path, options = _request(row)
        rest = [name for name in ALL_PERMISSIONS if name != row.permission]
        without = await api.key(*rest)
        only = await api.key(row.permission or "", *row.more_permissions)
        if row.operation_id in ("createToken", "createRole"):
            # Nobody can give away what he lacks.
            options["json"]["permissions"] = [row.permission]
        refused = await api.client.request(method, path, headers=without, **options)
        assert refused.status_code == 403, refused.text
        assert row.permission in refused.json()["detail"]
        allowed = await api.client.request(method, path, headers=only, **options)
        assert allowed.status_code in (row.status, 404, 422, 503), allowed.text

    run(body)


@pytest.mark.parametrize("row", OPEN, ids=_by_id)
def test_operation_writes_the_audit_entry_that_the_table_names(run: Run, row: AnyOperation) -> None:
    async def body(api: Api) -> None:
        await _prepare(api)
        method, path, options = _request(row)
        before = len(await api.operations.audit.list(local_actor(None)))
        answer = await api.client.request(method, path, **options)
        entries = await api.operations.audit.list(local_actor(None))
        new = entries[: len(entries) - before]
        assert [entry.operation for entry in new] == ([row.audit] if row.audit else []), answer.text
        for entry in new:
            assert entry.status == ("success" if answer.is_success else "failure")

    run(body)


def test_whatever_needs_a_login_answers_404_and_says_so(run: Run) -> None:
    async def body(api: Api) -> None:
        await _prepare(api)
        before = len(await api.operations.audit.list(local_actor(None)))
        for row in CLOSED:
            method, path, options = _request(row)
            for content in (options, {}):
                answer = await api.client.request(method, path, **content)
                assert answer.status_code == 404, row.operation_id
                assert "needs a login" in answer.json()["detail"]
        assert len(await api.operations.audit.list(local_actor(None))) == before

    run(body)


def test_the_operations_that_need_a_login_are_marked_as_published() -> None:
    marked = {
        operation["operationId"]
        for members in DOCUMENT["paths"].values()
        for operation in members.values()
        if operation.get("x-dbos-requires-oauth")
    }
    assert marked == {row.operation_id for row in CLOSED}
    assert marked == {
        "joinOrg",
        "registerUser",
        "removeMember",
        "grantRole",
        "generateSecret",
        "listDomainClaims",
        "requestDomainClaim",
        "releaseDomainClaim",
    }
