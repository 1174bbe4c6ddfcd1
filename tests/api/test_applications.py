"""Applications over HTTP, as clients of the published API use them."""

from collections.abc import Callable
from typing import Any

import pytest
from support.api import Api

APPS = "/v2/orgs/local/apps"
SHOP = f"{APPS}/shop"

Run = Callable[..., Any]


def test_registered_application_is_listed_with_every_published_property(run: Run) -> None:
    async def body(api: Api) -> None:
        registered = await api.client.put(SHOP, json={"privateMode": True})
        assert (registered.status_code, registered.content) == (204, b"")
        (application,) = (await api.client.get(APPS)).json()
        assert application.pop("id")
        assert application == {
            "name": "shop",
            "orgId": "local",
            "status": "UNAVAILABLE",
            "language": None,
            "gcTimeThresholdMs": None,
            "gcRowsThreshold": 1_000_000,
            "globalTimeoutMs": None,
            "executorTimeoutSecs": 60,
            "privateMode": True,
            "dbosCloud": False,
            "recoverUnknownExecutors": False,
            "snapshotsEnabled": True,
            "snapshotIntervalSecs": 15,
            "snapshotKeepDays": 30,
            "snapshotKeepRows": 1_000_000,
            "declaredSettings": None,
        }

    run(body)


def test_registering_needs_no_body_and_repeating_it_changes_nothing(run: Run) -> None:
    async def body(api: Api) -> None:
        assert (await api.client.put(SHOP)).status_code == 204
        await api.client.patch(SHOP, json={"executorTimeoutSecs": 7})
        first = (await api.client.get(SHOP)).json()
        assert (await api.client.put(SHOP)).status_code == 204
        assert (await api.client.get(SHOP)).json() == first
        assert len((await api.client.get(APPS)).json()) == 1

    run(body)


def test_update_changes_what_is_given_and_leaves_the_rest(run: Run) -> None:
    async def body(api: Api) -> None:
        await api.client.put(SHOP, json={"privateMode": True})
        before = (await api.client.get(SHOP)).json()
        changes = {
            "executorTimeoutSecs": 7,
            "gcTimeThresholdMs": 5,
            "recoverUnknownExecutors": True,
            "snapshotsEnabled": False,
            "snapshotIntervalSecs": 60,
            "snapshotKeepDays": 7,
            "snapshotKeepRows": 9,
        }
        changed = await api.client.patch(SHOP, json=changes)
        assert (changed.status_code, changed.content) == (204, b"")
        after = (await api.client.get(SHOP)).json()
        assert after == before | changes

    run(body)


def test_empty_update_is_allowed_but_needs_a_body(run: Run) -> None:
    async def body(api: Api) -> None:
        await api.client.put(SHOP)
        assert (await api.client.patch(SHOP, json={})).status_code == 204
        assert (await api.client.patch(SHOP)).status_code == 422

    run(body)


@pytest.mark.parametrize(
    "field",
    ["executorTimeoutSecs", "privateMode", "gcRowsThreshold", "gcTimeThresholdMs", "globalTimeoutMs"],
)
def test_null_is_not_the_same_as_absent(run: Run, field: str) -> None:
    async def body(api: Api) -> None:
        await api.client.put(SHOP)
        answer = await api.client.patch(SHOP, json={field: None})
        assert answer.status_code == 422
        assert [error["location"] for error in answer.json()["errors"]] == [f"body.{field}"]

    run(body)


def test_every_wrong_field_of_a_body_is_located_at_once(run: Run) -> None:
    async def body(api: Api) -> None:
        await api.client.put(SHOP)
        wrong = {"executorTimeoutSecs": "soon", "privateMode": 1, "gcRowsThreshold": 2.5, "colour": "red"}
        problem = (await api.client.patch(SHOP, json=wrong)).json()
        errors = {error["location"]: error for error in problem["errors"]}
        assert set(errors) == {f"body.{name}" for name in wrong}
        assert errors["body.executorTimeoutSecs"]["value"] == "soon"
        assert errors["body.executorTimeoutSecs"]["message"] == "expected whole number, got text"
        assert "executorTimeoutSecs" in errors["body.colour"]["message"]

    run(body)


def test_every_setting_out_of_bounds_is_located_and_the_refusal_is_audited(run: Run) -> None:
    async def body(api: Api) -> None:
        await api.client.put(SHOP)
        answer = await api.client.patch(SHOP, json={"executorTimeoutSecs": 0, "globalTimeoutMs": -1})
        assert answer.status_code == 422
        locations = {error["location"] for error in answer.json()["errors"]}
        assert locations == {"body.executorTimeoutSecs", "body.globalTimeoutMs"}
        entry = (await api.operations.audit.list(_local(), limit=1))[0]
        assert (entry.operation, entry.status) == ("application.update", "failure")

    run(body)


def test_numbers_beyond_64_bits_are_refused(run: Run) -> None:
    async def body(api: Api) -> None:
        await api.client.put(SHOP)
        for number in (2**63, -(2**63) - 1, 10**400):
            answer = await api.client.patch(
                SHOP,
                content=b'{"gcRowsThreshold": %d}' % number,
                headers={"Content-Type": "application/json"},
            )
            assert answer.status_code in (400, 422), number

    run(body)


def test_schema_property_of_generated_clients_is_ignored(run: Run) -> None:
    async def body(api: Api) -> None:
        answer = await api.client.put(
            SHOP, json={"$schema": "https://example.com/x.json", "privateMode": True}
        )
        assert answer.status_code == 204
        assert (await api.client.get(SHOP)).json()["privateMode"] is True

    run(body)


def test_deleted_application_is_gone(run: Run) -> None:
    async def body(api: Api) -> None:
        await api.client.put(SHOP)
        assert (await api.client.delete(SHOP)).status_code == 204
        assert (await api.client.get(SHOP)).status_code == 404
        assert (await api.client.delete(SHOP)).status_code == 404

    run(body)


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("abc", 204),
        ("a-b_9", 204),
        ("x" * 256, 204),
        ("x" * 257, 422),
        ("ab", 422),
        ("Shop", 422),
        ("sh%20op", 422),
        ("caf%C3%A9", 422),
        ("abc%0A", 422),
        ("a%2Fb", 422),
    ],
)
def test_application_name_rule(run: Run, name: str, status: int) -> None:
    async def body(api: Api) -> None:
        answer = await api.client.put(f"{APPS}/{name}")
        assert answer.status_code == status
        if status == 422:
            assert {error["location"] for error in answer.json()["errors"]} == {"path.appName"}

    run(body)


@pytest.mark.parametrize("organization", ["other", "Local", "LOCAL", "%20", "l%2Focal", "x" * 300])
def test_there_is_one_organization(run: Run, organization: str) -> None:
    async def body(api: Api) -> None:
        for path in (f"/v2/orgs/{organization}/apps", f"/v2/orgs/{organization}/apps/shop"):
            answer = await api.client.get(path)
            assert answer.status_code == 404
            assert answer.headers["content-type"] == "application/problem+json"

    run(body)


def test_executors_of_an_application_without_any_are_an_empty_list(run: Run) -> None:
    async def body(api: Api) -> None:
        await api.client.put(SHOP)
        answer = await api.client.get(f"{SHOP}/executors")
        assert (answer.status_code, answer.json()) == (200, [])
        assert (await api.client.get(f"{APPS}/missing/executors")).status_code == 404

    run(body)


def _local() -> Any:
    from conductor_lite.auth.actor import local_actor

    return local_actor(None)
