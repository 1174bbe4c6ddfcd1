"""Alerting rules over HTTP."""

from collections.abc import Callable
from typing import Any

from support.api import Api

APPS = "/v2/orgs/local/apps"
RULES = f"{APPS}/shop/alerting-rules"

Run = Callable[..., Any]


async def _register(api: Api, *names: str) -> dict[str, str]:
    for name in names:
        await api.client.put(f"{APPS}/{name}")
    return {app["name"]: app["id"] for app in (await api.client.get(APPS)).json()}


def test_rule_is_made_listed_and_deleted(run: Run) -> None:
    async def body(api: Api) -> None:
        ids = await _register(api, "shop", "bank")
        wanted = {
            "ruleType": "WorkflowFailure",
            "ruleMetadata": {"workflowName": "charge", "threshold": 3, "periodSecs": 60},
            "receivingAppName": "bank",
            "minIntervalSecs": 300,
        }
        made = await api.client.post(RULES, json=wanted)
        assert made.status_code == 201
        rule = made.json()
        assert rule == {
            "id": rule["id"],
            "appId": ids["shop"],
            "receivingAppId": ids["bank"],
            "ruleType": "WorkflowFailure",
            "ruleMetadata": {"workflow_name": "charge", "threshold": 3, "period_secs": 60},
            "minIntervalSecs": 300,
            "lastFiredAt": None,
            "declared": False,
        }
        assert (await api.client.get(RULES)).json() == [rule]
        assert (await api.client.delete(f"{RULES}/{rule['id']}")).status_code == 204
        assert (await api.client.delete(f"{RULES}/{rule['id']}")).status_code == 404
        assert (await api.client.get(RULES)).json() == []

    run(body)


def test_least_rules_are_filled_up(run: Run) -> None:
    async def body(api: Api) -> None:
        ids = await _register(api, "shop", "bank")
        slow = {"ruleType": "SlowQueue", "ruleMetadata": {"threshold_secs": 30}}
        rule = (await api.client.post(RULES, json=slow)).json()
        assert rule["ruleMetadata"] == {"queue_name": "*", "threshold_secs": 30}
        assert (rule["receivingAppId"], rule["minIntervalSecs"]) == (ids["shop"], None)
        gone = {"ruleType": "UnresponsiveApplication", "ruleMetadata": None, "receivingAppName": "bank"}
        rule = (await api.client.post(RULES, json=gone)).json()
        assert (rule["ruleMetadata"], rule["receivingAppId"]) == ({}, ids["bank"])

    run(body)


def test_every_fault_is_located_at_once(run: Run) -> None:
    async def body(api: Api) -> None:
        await _register(api, "shop")
        wrong = {
            "ruleType": "SlowQueue",
            "ruleMetadata": {"threshold_secs": 0, "threshold": 1},
            "receivingAppName": "nobody",
            "minIntervalSecs": -1,
        }
        answer = await api.client.post(RULES, json=wrong)
        assert answer.status_code == 422
        assert sorted(error["location"] for error in answer.json()["errors"]) == [
            "body.minIntervalSecs",
            "body.receivingAppName",
            "body.ruleMetadata.threshold",
            "body.ruleMetadata.threshold_secs",
        ]

    run(body)
