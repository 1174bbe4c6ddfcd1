"""What the conductor does by itself, over HTTP: how it is going, and who is told."""

from collections.abc import Callable
from typing import Any

from support.api import Api
from support.wait import wait_until_async

from conductor_lite.auth.actor import local_actor
from conductor_lite.store.applications import Applications

POLICIES = "/v2/orgs/local/policies"

Run = Callable[..., Any]


async def _policies(api: Api) -> dict[str, dict[str, Any]]:
    answer = await api.client.get(POLICIES)
    assert answer.status_code == 200
    return {policy.pop("name"): policy for policy in answer.json()}


def test_every_policy_tells_how_it_is_doing(run: Run, monkeypatch: Any) -> None:
    async def body(api: Api) -> None:
        async def refuse(*_: object) -> None:
            raise RuntimeError("The moon is in the way.")

        conductor = api.conductor
        before = await _policies(api)
        assert {"alerts", "metrics", "orphan sweep", "retention", "snapshots"} <= before.keys()
        assert {policy["lastRoundAt"] for policy in before.values()} == {None}
        monkeypatch.setattr(Applications, "all", refuse)
        conductor._policies.start()
        await wait_until_async(
            lambda: all(health.ended_at for health in conductor._policies.health()), 10, "a round of each"
        )
        after = await _policies(api)
        assert after["snapshots"]["error"] == "The moon is in the way."
        assert after["snapshots"]["failures"] >= 1
        assert after["snapshots"]["lastSuccessAt"] is None
        assert after["snapshots"]["lastRoundAt"].endswith("Z")
        assert after["audit retention"]["error"] is None
        assert after["audit retention"]["intervalSecs"] == 86_400
        assert after["audit retention"]["lastSuccessAt"] == after["audit retention"]["lastRoundAt"]
        await conductor._policies.stop()

    run(body)


def test_only_those_are_told_who_see_the_whole_organisation(run: Run) -> None:
    async def body(api: Api) -> None:
        await api.operations.applications.register(local_actor(None), "shop")
        for header, status in (
            (await api.key("organization.read"), 200),
            (await api.key("application.read"), 403),
            (await api.key("organization.read", "metric.read", app_names=["shop"]), 403),
        ):
            assert (await api.client.get(POLICIES, headers=header)).status_code == status

    run(body)
