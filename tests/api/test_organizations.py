"""The organisation, its members, roles and the current user over HTTP, on a server without a login."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import text
from support.api import Api

from conductor_lite.auth.permissions import ALL_PERMISSIONS

ORG = "/v2/orgs/local"
ADMIN = {"name": "admin", "isGlobal": True, "permissions": list(ALL_PERMISSIONS)}

Run = Callable[..., Any]


def test_organisation_without_plans_says_that_nothing_is_limited(run: Run) -> None:
    async def body(api: Api) -> None:
        organization = (await api.client.get(ORG)).json()
        assert organization.pop("createdAt").endswith("Z")
        assert organization == {
            "id": "local",
            "name": "local",
            "subscriptionPlan": "team",
            "maxDatabaseInstances": 0,
            "maxApps": 0,
            "maxVms": 0,
            "defaultRdsInstanceClassType": "",
            "maxTeamMembers": 2**31 - 1,
            "maxConductorApps": 2**31 - 1,
            "auditLogRetentionDays": 90,
        }

    run(body)


def test_renamed_organisation_is_reached_by_its_new_name_and_by_local(run: Run) -> None:
    async def body(api: Api) -> None:
        assert (await api.client.get("/v2/orgs/acme")).status_code == 404
        answer = await api.client.patch(ORG, json={"newName": "acme", "auditLogRetentionDays": 30})
        assert (answer.status_code, answer.content) == (204, b"")
        for name in ("acme", "local"):
            organization = (await api.client.get(f"/v2/orgs/{name}")).json()
            assert organization["name"] == "acme"
            assert organization["auditLogRetentionDays"] == 30
            assert (await api.client.get(f"/v2/orgs/{name}/apps")).status_code == 200
        assert (await api.client.get("/v2/orgs/other")).status_code == 404
        header = await api.key("application.read")
        assert (await api.client.get("/v2/orgs/acme/apps", headers=header)).status_code == 200
        (_, entry) = (await api.client.get(f"{ORG}/audit-logs")).json()
        assert entry["operation"] == "organization.update"
        assert entry["target"] == {"type": "organization", "id": "local"}
        assert entry["details"] == {"new_name": "acme", "audit_log_retention_days": 30}

    run(body)


def test_another_organisation_is_out_of_reach_and_its_name_taken(run: Run) -> None:
    async def body(api: Api) -> None:
        async with api.conductor.db.write() as connection:
            await connection.execute(
                text("INSERT INTO organizations (id, name, created_at) VALUES ('o2', 'rival', 1)")
            )
        for name in ("rival", "o2"):
            assert (await api.client.get(f"/v2/orgs/{name}/apps")).status_code == 404
        assert (await api.client.patch(ORG, json={"newName": "rival"})).status_code == 409

    run(body)


def test_settings_out_of_bounds_are_each_located_and_the_refusal_recorded(run: Run) -> None:
    async def body(api: Api) -> None:
        for wrong in (
            {"newName": "No", "auditLogRetentionDays": 6},
            {"newName": "A B", "auditLogRetentionDays": 3_651},
        ):
            answer = await api.client.patch(ORG, json=wrong)
            assert answer.status_code == 422
            locations = [error["location"] for error in answer.json()["errors"]]
            assert locations == ["body.newName", "body.auditLogRetentionDays"]
        entries = (await api.client.get(f"{ORG}/audit-logs")).json()
        assert [(entry["operation"], entry["status"]) for entry in entries] == [
            ("organization.update", "failure"),
            ("organization.update", "failure"),
        ]

    run(body)


def test_whoever_is_local_is_the_only_member_and_an_admin(run: Run) -> None:
    async def body(api: Api) -> None:
        members = (await api.client.get(f"{ORG}/members")).json()
        assert members == {"orgName": "local", "users": {"local": ADMIN}}
        me = (await api.client.get("/v2/users/me")).json()
        assert me.pop("createdAt").endswith("Z")
        assert me == {
            "name": "local",
            "email": "",
            "orgName": "local",
            "orgId": "local",
            "subscriptionPlan": "team",
            "role": ADMIN,
        }

    run(body)


def test_an_api_key_is_nobody(run: Run) -> None:
    async def body(api: Api) -> None:
        header = await api.key(*ALL_PERMISSIONS)
        answer = await api.client.get("/v2/users/me", headers=header)
        assert answer.status_code == 403
        assert "no user" in answer.json()["detail"]

    run(body)


def test_roles_are_made_listed_and_deleted(run: Run) -> None:
    async def body(api: Api) -> None:
        wanted = {"name": "Reader", "permissions": ["application.read"]}
        made = await api.client.post(f"{ORG}/roles", json=wanted)
        assert (made.status_code, made.json()) == (201, wanted)
        assert (await api.client.post(f"{ORG}/roles", json=wanted)).status_code == 409
        roles = (await api.client.get(f"{ORG}/roles")).json()
        assert [(role["name"], role["isGlobal"]) for role in roles] == [
            ("admin", True),
            ("member", True),
            ("Reader", False),
        ]
        assert (await api.client.delete(f"{ORG}/roles/Reader")).status_code == 204
        assert (await api.client.delete(f"{ORG}/roles/Reader")).status_code == 404
        assert (await api.client.delete(f"{ORG}/roles/admin")).status_code == 409

    run(body)
