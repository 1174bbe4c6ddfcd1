"""API keys over HTTP: made, listed, limited, renamed, revoked."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from support.api import Api

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
