"""Alerting rules: which are allowed, and how what tells them is written."""

from typing import Any

import msgspec
import pytest
from support.served import APPLICATION, LOCAL, Run, Served

from conductor_lite.errors import FieldError, ForbiddenError, InvalidError, NotFoundError
from conductor_lite.operations.alerting_rules import parse_metadata
from conductor_lite.store.records import SlowQueue, UnresponsiveApplication, WorkflowFailure

FAILURES = {"threshold": 3, "period_secs": 60}


@pytest.mark.parametrize(
    ("rule_type", "given", "expected"),
    [
        ("WorkflowFailure", FAILURES, WorkflowFailure(workflow_name="*", threshold=3, period_secs=60)),
        (
            "WorkflowFailure",
            {"workflowName": "charge", "threshold": "3", "periodSecs": "60"},
            WorkflowFailure(workflow_name="charge", threshold=3, period_secs=60),
        ),
        ("SlowQueue", {"thresholdSecs": 30}, SlowQueue(queue_name="*", threshold_secs=30)),
        (
            "SlowQueue",
            {"queue_name": "orders", "threshold_secs": 30},
            SlowQueue(queue_name="orders", threshold_secs=30),
        ),
        ("UnresponsiveApplication", {}, UnresponsiveApplication()),
        ("UnresponsiveApplication", None, UnresponsiveApplication()),
    ],
)
def test_metadata_is_understood(rule_type: str, given: object, expected: object) -> None:
    errors: list[FieldError] = []
    assert parse_metadata(rule_type, given, errors) == expected
    assert errors == []


@pytest.mark.parametrize(
    ("rule_type", "given", "locations"),
    [
        ("Whatever", {}, ["body.ruleType"]),
        ("SlowQueue", 30, ["body.ruleMetadata"]),
        ("SlowQueue", [], ["body.ruleMetadata"]),
        ("SlowQueue", {}, ["body.ruleMetadata.threshold_secs"]),
        ("SlowQueue", {"threshold_secs": 1, "thresholdSecs": 2}, ["body.ruleMetadata.thresholdSecs"]),
        (
            "WorkflowFailure",
            {"threshold": 0, "period_secs": "soon", "workflow_name": "", "color": "red"},
            [f"body.ruleMetadata.{name}" for name in ("color", "period_secs", "threshold", "workflow_name")],
        ),
        (
            "WorkflowFailure",
            {"threshold": 2**31, "period_secs": True},
            ["body.ruleMetadata.period_secs", "body.ruleMetadata.threshold"],
        ),
        ("UnresponsiveApplication", {"threshold": 1}, ["body.ruleMetadata.threshold"]),
    ],
)
def test_every_fault_of_metadata_is_located(rule_type: str, given: object, locations: list[str]) -> None:
    errors: list[FieldError] = []
    assert parse_metadata(rule_type, given, errors) is None
    assert sorted(error.location for error in errors) == locations


def _rule(**changes: Any) -> dict[str, Any]:
    return {"rule_type": "WorkflowFailure", "rule_metadata": FAILURES, **changes}


def test_rule_tells_the_watched_application_itself_unless_another_is_named(run: Run) -> None:
    async def body(scene: Served) -> None:
        rules = scene.conductor.operations.alerting_rules
        shop, bank = await scene.application_id(), await scene.application_id("bank")
        first = await rules.create(LOCAL, APPLICATION, **_rule())
        second = await rules.create(
            LOCAL, APPLICATION, **_rule(receiving_application_name="bank", min_interval_secs=0)
        )
        assert (first.application_id, first.receiving_application_id) == (shop, shop)
        assert (first.min_interval_secs, first.last_fired_at) == (None, None)
        assert (second.application_id, second.receiving_application_id) == (shop, bank)
        assert [rule.id for rule in await rules.list(LOCAL, APPLICATION)] == [first.id, second.id]
        assert await rules.list(LOCAL, "bank") == []
        with pytest.raises(NotFoundError):
            await rules.delete(LOCAL, "bank", first.id)
        await rules.delete(LOCAL, APPLICATION, first.id)
        with pytest.raises(NotFoundError):
            await rules.delete(LOCAL, APPLICATION, first.id)
        (created, _) = await scene.audit("alerting_rule.create")
        assert (created.target_type, created.target_id) == ("alerting_rule", first.id)
        assert created.details["application_name"] == APPLICATION
        statuses = [entry.status for entry in await scene.audit("alerting_rule.delete")]
        assert statuses == ["failure", "success", "failure"]

    run(body)


@pytest.mark.parametrize(
    ("changes", "location"),
    [
        ({"receiving_application_name": "nobody"}, "body.receivingAppName"),
        ({"min_interval_secs": -1}, "body.minIntervalSecs"),
        ({"min_interval_secs": 2**31}, "body.minIntervalSecs"),
        ({"rule_type": "UnresponsiveApplication", "rule_metadata": {}}, "body.receivingAppName"),
        (
            {
                "rule_type": "UnresponsiveApplication",
                "rule_metadata": {},
                "receiving_application_name": APPLICATION,
            },
            "body.receivingAppName",
        ),
    ],
)
def test_rule_that_cannot_be_is_refused_and_recorded(
    run: Run, changes: dict[str, Any], location: str
) -> None:
    async def body(scene: Served) -> None:
        rules = scene.conductor.operations.alerting_rules
        with pytest.raises(InvalidError) as refusal:
            await rules.create(LOCAL, APPLICATION, **_rule(**changes))
        assert [error.location for error in refusal.value.errors] == [location]
        assert await rules.list(LOCAL, APPLICATION) == []
        assert [entry.status for entry in await scene.audit("alerting_rule.create")] == ["failure"]

    run(body)


def test_limited_key_cannot_have_an_application_told_that_it_does_not_see(run: Run) -> None:
    async def body(scene: Served) -> None:
        rules = scene.conductor.operations.alerting_rules
        await scene.application_id("bank")
        limited = msgspec.structs.replace(LOCAL, application_ids=frozenset({await scene.application_id()}))
        with pytest.raises(InvalidError, match="alerting rule"):
            await rules.create(limited, APPLICATION, **_rule(receiving_application_name="bank"))
        reader = msgspec.structs.replace(LOCAL, permissions=frozenset({"application.read"}))
        with pytest.raises(ForbiddenError):
            await rules.create(reader, APPLICATION, **_rule())

    run(body)
