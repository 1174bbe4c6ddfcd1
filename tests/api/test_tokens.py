"""API keys over HTTP: made, listed, limited, renamed, revoked."""

import asyncio
from collections.abc import Callable
from typing import Any
from unittest.mock import patch
from urllib.parse import quote

import pytest
from support.api import Api
from support.served import LOCAL

from conductor_lite.auth.permissions import ALL_PERMISSIONS

TOKENS = "/v2/orgs/local/tokens"

Run = Callable[..., Any]


def test_key_made_without_a_body_may_connect_executors_and_nothing_else(run: Run) -> None:
    async def body(api: Api) -> None:
        made = await api.client.post(f"{TOKENS}/deploy")
        assert made.status_code == 201
        assert made.json().keys() == {"token", "tokenName"}
        assert made.json()["tokenName"] == "deploy"
        assert len(made.json()["token"]) == 66
        (listed,) = (await api.client.get(TOKENS)).json()
        assert listed.pop("createdAt").endswith("Z")
        assert listed == {"tokenName": "deploy", "permissions": ["websocket.connect"], "appIds": []}
        header = {"Authorization": f"Bearer {made.json()['token']}"}
        assert (await api.client.get(TOKENS, headers=header)).status_code == 403

    run(body)


def test_secret_is_never_cached_and_never_shown_again(run: Run) -> None:
    async def body(api: Api) -> None:
        made = await api.client.post(f"{TOKENS}/deploy", json={})
        assert made.headers["cache-control"] == "no-store"
        assert made.json()["token"] not in (await api.client.get(TOKENS)).text

    run(body)


def test_revoked_key_is_refused_at_once(run: Run) -> None:
    async def body(api: Api) -> None:
        header = await api.key("application.read")
        assert (await api.client.get("/v2/orgs/local/apps", headers=header)).status_code == 200
        assert (await api.client.delete(f"{TOKENS}/application.read")).status_code == 204
        refused = await api.client.get("/v2/orgs/local/apps", headers=header)
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"] == "Bearer"
        assert (await api.client.delete(f"{TOKENS}/application.read")).status_code == 404

    run(body)


def test_key_limited_to_applications_sees_only_those(run: Run) -> None:
    async def body(api: Api) -> None:
        for name in ("shop", "bank"):
            await api.client.put(f"/v2/orgs/local/apps/{name}")
        header = await api.key("application.read", app_names=["shop"])
        listed = (await api.client.get("/v2/orgs/local/apps", headers=header)).json()
        assert [application["name"] for application in listed] == ["shop"]
        assert (await api.client.get("/v2/orgs/local/apps/bank", headers=header)).status_code == 404
        (token,) = (await api.client.get(TOKENS)).json()
        assert token["appIds"] == [listed[0]["id"]]

    run(body)


def test_limited_key_keeps_to_keys_and_entries_of_its_applications_and_out_of_the_rest(run: Run) -> None:
    async def body(api: Api) -> None:
        client, logs = api.client, "/v2/orgs/local/audit-logs"
        for name in ("shop", "shop_2", "bank"):
            await client.put(f"/v2/orgs/local/apps/{name}")
        for name, apps in (("of-shop", ["shop"]), ("of-both", ["shop", "bank"]), ("of-all", None)):
            await client.post(f"{TOKENS}/{name}", json={"appNames": apps})
        limited = await api.key(*ALL_PERMISSIONS, app_names=["shop"])
        own = "-".join(ALL_PERMISSIONS)

        listed = (await client.get(TOKENS, headers=limited)).json()
        assert [key["tokenName"] for key in listed] == ["of-shop", own]
        for name in ("of-both", "of-all"):
            renamed = await client.patch(f"{TOKENS}/{name}", json={"newName": "mine"}, headers=limited)
            revoked = await client.delete(f"{TOKENS}/{name}", headers=limited)
            assert (renamed.status_code, revoked.status_code) == (403, 403)
            assert f"{name}' reaches others" in revoked.json()["detail"]
        assert (await client.delete(f"{TOKENS}/of-none", headers=limited)).status_code == 404
        assert (await client.delete(f"{TOKENS}/of-shop", headers=limited)).status_code == 204
        # Whoever is not limited goes on as before.
        unlimited = await api.key("token.read", "token.write", "organization.read", "organization.write")
        assert (await client.delete(f"{TOKENS}/of-both", headers=unlimited)).status_code == 204
        assert len((await client.get(TOKENS, headers=unlimited)).json()) == 3

        for app, schedule in (("shop", "hourly"), ("bank", "hourly"), ("shop_2", "hourly")):
            await client.post(f"/v2/orgs/local/apps/{app}/schedules/{schedule}/pause")
        entries = (await client.get(logs, headers=limited)).json()
        pauses = [entry for entry in entries if entry["operation"] == "schedule.pause"]
        assert [entry["details"]["application_name"] for entry in pauses] == ["shop"]
        created = [entry for entry in entries if entry["operation"] == "application.create"]
        assert [entry["target"]["id"] for entry in created] == ["shop"]
        # What it did itself, wherever, and nothing that others did to keys.
        assert {e["subject"]["display"] for e in entries if e["target"]["type"] == "token"} == {own}
        # One that gets the name of another does not get what is on record of that.
        await client.delete("/v2/orgs/local/apps/shop")
        await client.put("/v2/orgs/local/apps/shop")
        again = await api.client.post(
            f"{TOKENS}/again", json={"permissions": ["organization.read"], "appNames": ["shop"]}
        )
        header = {"Authorization": f"Bearer {again.json()['token']}"}
        entries = (await client.get(logs, headers=header)).json()
        assert [entry["operation"] for entry in entries] == ["application.create"]

        for method, path, content in (
            ("GET", "/v2/orgs/local", None),
            ("PATCH", "/v2/orgs/local", {"auditLogRetentionDays": 30}),
            ("GET", "/v2/orgs/local/members", None),
            ("GET", "/v2/orgs/local/roles", None),
            ("POST", "/v2/orgs/local/roles", {"name": "mine", "permissions": []}),
            ("DELETE", "/v2/orgs/local/roles/mine", None),
            ("GET", "/v2/orgs/local/policies", None),
        ):
            refused = await client.request(method, path, json=content, headers=limited)
            assert refused.status_code == 403, path
            assert "concerns the whole organization" in refused.json()["detail"], path
            allowed = await client.request(method, path, json=content, headers=unlimited)
            assert allowed.status_code != 403, path

    run(body)


@pytest.mark.parametrize("name", ["team/a", "ümlaut key", "50%", "a?b#c", "..", "%2F"])
def test_key_may_have_any_printable_name(run: Run, name: str) -> None:
    async def body(api: Api) -> None:
        path = f"{TOKENS}/{quote(name, safe='').replace('.', '%2E')}"
        assert (await api.client.post(path)).json()["tokenName"] == name
        assert (await api.client.post(path)).status_code == 409
        assert (await api.client.delete(path)).status_code == 204
        assert (await api.client.get(TOKENS)).json() == []

    run(body)


def test_every_wrong_permission_is_located(run: Run) -> None:
    async def body(api: Api) -> None:
        wrong = {"permissions": ["token.read", "root", "sudo"]}
        problem = (await api.client.post(f"{TOKENS}/deploy", json=wrong)).json()
        assert problem["status"] == 422
        assert [error["location"] for error in problem["errors"]] == [
            "body.permissions[1]",
            "body.permissions[2]",
        ]

    run(body)


def test_every_item_of_a_wrong_type_is_located(run: Run) -> None:
    async def body(api: Api) -> None:
        wrong = {"permissions": [1, "token.read", None], "appNames": {"a": 1}}
        problem = (await api.client.post(f"{TOKENS}/deploy", json=wrong)).json()
        assert sorted(error["location"] for error in problem["errors"]) == [
            "body.appNames",
            "body.permissions[0]",
            "body.permissions[2]",
        ]

    run(body)


def test_application_named_twice_is_refused(run: Run) -> None:
    async def body(api: Api) -> None:
        await api.client.put("/v2/orgs/local/apps/shop")
        answer = await api.client.post(f"{TOKENS}/deploy", json={"appNames": ["shop", "shop"]})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["location"] == "body.appNames"

    run(body)


def test_permissions_are_listed(run: Run) -> None:
    async def body(api: Api) -> None:
        answer = await api.client.get("/v2/orgs/local/permissions")
        assert answer.json() == list(ALL_PERMISSIONS)

    run(body)


def test_renamed_key_goes_on_working_under_its_new_name(run: Run) -> None:
    async def body(api: Api) -> None:
        header = await api.key("organization.read", "token.write")
        old = quote("organization.read-token.write", safe="")
        answer = await api.client.patch(f"{TOKENS}/{old}", json={"newName": "ops"}, headers=header)
        assert answer.status_code == 204
        assert [token["tokenName"] for token in (await api.client.get(TOKENS)).json()] == ["ops"]
        assert (await api.client.patch(f"{TOKENS}/{old}", json={"newName": "x"})).status_code == 404
        await api.client.patch(f"{TOKENS}/ops", json={"newName": "ops2"}, headers=header)
        entries = (await api.client.get("/v2/orgs/local/audit-logs", headers=header)).json()
        assert entries[0]["subject"]["display"] == "ops", "the verified key is remembered under its old name"
        assert entries[0]["target"] == {"type": "token", "id": "ops"}
        assert entries[0]["details"] == {"new_name": "ops2"}

    run(body)


def test_key_cannot_take_a_name_that_is_taken_or_not_allowed(run: Run) -> None:
    async def body(api: Api) -> None:
        for name in ("one", "two"):
            await api.client.post(f"{TOKENS}/{name}")
        assert (await api.client.patch(f"{TOKENS}/one", json={"newName": "two"})).status_code == 409
        answer = await api.client.patch(f"{TOKENS}/one", json={"newName": " "})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["location"] == "body.newName"
        assert (await api.client.patch(f"{TOKENS}/one", json={"newName": "one"})).status_code == 204
        assert [token["tokenName"] for token in (await api.client.get(TOKENS)).json()] == ["one", "two"]

    run(body)


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_limited_key_does_nothing_to_one_that_took_the_name_meanwhile(run: Run, method: str) -> None:
    async def body(api: Api) -> None:
        await api.client.put("/v2/orgs/local/apps/shop")
        header = await api.key("token.write", app_names=["shop"])
        await api.client.post(f"{TOKENS}/ci", json={"appNames": ["shop"]})
        keys = api.operations.keys
        by_name = keys._context.keys.by_name

        replacing = asyncio.Lock()

        async def replaced_after(organization_id: str, name: str) -> Any:
            record = await by_name(organization_id, name)
            # The replacing looks for the key as well.
            if not replacing.locked():
                async with replacing:
                    await keys.revoke(LOCAL, name)
                    await keys.create(LOCAL, name)
            return record

        with patch.object(keys._context.keys, "by_name", replaced_after):
            answer = await api.client.request(method, f"{TOKENS}/ci", json={"newName": "x"}, headers=header)
        assert answer.status_code == 404
        assert "ci" in [key.name for key in await keys.list(LOCAL)]

    run(body)
