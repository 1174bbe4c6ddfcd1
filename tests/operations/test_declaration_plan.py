"""What is to be done, from what is declared and what there is: tables of both, and nothing else."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from conductor_lite.operations.declaration import Rule, Wanted
from conductor_lite.operations.declaration_plan import Change, Present, compare
from conductor_lite.store.alert_records import NotificationTargetRecord
from conductor_lite.store.records import (
    AlertingRuleRecord,
    ApplicationRecord,
    AutoscalingPolicy,
    RolloutPolicy,
    RuleMetadata,
    SlowQueue,
    WorkflowFailure,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RECEIVERS = {"shop-id": "shop", "bank-id": "bank"}
POLICY = AutoscalingPolicy(queue="orders")
SECRET = "hunter2"


def record(**fields: Any) -> ApplicationRecord:
    values = {"id": "shop-id", "organization_id": "local", "name": "shop"} | fields
    return ApplicationRecord(**values, created_at=NOW, updated_at=NOW)


def wanted(**fields: Any) -> Wanted:
    return Wanted(**{"settings": {}, "rules": (), "targets": {}, "autoscaling": None} | fields)


def present(**fields: Any) -> Present:
    values = {"rules": (), "targets": (), "policy": None, "policy_declared": False} | fields
    return Present(**{"record": record(declared_settings=())} | values)


def rule(metadata: RuleMetadata, receiver: str = "shop", min_interval_secs: int | None = None) -> Rule:
    return Rule(
        rule_type=type(metadata).__name__,
        metadata=metadata,
        receiver=receiver,
        min_interval_secs=min_interval_secs,
    )


def found(
    rule_id: str,
    metadata: RuleMetadata,
    receiver_id: str = "shop-id",
    *,
    declared: bool = True,
    **fields: Any,
) -> AlertingRuleRecord:
    values = {"min_interval_secs": None, "last_fired_at": None} | fields
    return AlertingRuleRecord(
        id=rule_id,
        application_id="shop-id",
        receiving_application_id=receiver_id,
        rule_type=type(metadata).__name__,
        rule_metadata=metadata,
        created_at=NOW,
        declared=declared,
        **values,
    )


def target(name: str, url: str, *, declared: bool = True) -> NotificationTargetRecord:
    return NotificationTargetRecord(
        id=f"{name}-id", application_id="shop-id", name=name, url=url, created_at=NOW, declared=declared
    )


def plan(one: Wanted | None, there: Present | None) -> list[Change]:
    declared = {} if one is None else {"shop": one}
    existing = {} if there is None else {"shop": there}
    return compare(declared, existing, record(id="", declared_settings=()), RECEIVERS)


def brief(changes: list[Change]) -> list[tuple[Any, ...]]:
    return [(change.action, change.kind, change.name, change.subject_id) for change in changes]


def test_nothing_is_to_be_done_when_all_is_as_declared() -> None:
    one = wanted(
        settings={"private_mode": True, "gc_rows_threshold": None},
        rules=(rule(SlowQueue(threshold_secs=5), "bank", 60),),
        targets={"ops": "json://a"},
        autoscaling=POLICY,
    )
    there = present(
        record=record(
            private_mode=True,
            gc_rows_threshold=None,
            declared_settings=("gc_rows_threshold", "private_mode"),
        ),
        rules=[found("r1", SlowQueue(threshold_secs=5), "bank-id", min_interval_secs=60)],
        targets=[target("ops", "json://a")],
        policy=POLICY,
        policy_declared=True,
    )
    assert plan(one, there) == []


def test_a_new_application_is_made_and_differs_from_what_it_would_start_with() -> None:
    one = wanted(
        settings={"executor_timeout_secs": 30, "private_mode": False},
        rules=(rule(SlowQueue(threshold_secs=5)),),
        targets={"ops": f"slack://{SECRET}"},
        autoscaling=POLICY,
    )
    changes = plan(one, None)
    assert brief(changes) == [
        ("create", "application", "", ""),
        ("change", "setting", "executor_timeout_secs", ""),
        ("declare", "setting", "private_mode", ""),
        ("create", "notification_target", "ops", ""),
        ("create", "alerting_rule", "SlowQueue", ""),
        ("create", "autoscaling_policy", "", ""),
    ]
    assert [(change.before, change.after) for change in changes[1:3]] == [(60, 30), (False, False)]
    assert SECRET not in repr(changes)
    assert SECRET not in repr(one)


def test_an_application_made_by_hand_counts_as_declared_from_now_on() -> None:
    there = present(record=record(private_mode=True))
    changes = plan(wanted(settings={"private_mode": True}), there)
    assert brief(changes) == [
        ("declare", "application", "", ""),
        ("declare", "setting", "private_mode", ""),
    ]


def test_a_setting_that_is_no_longer_declared_stays_as_it_is() -> None:
    there = present(record=record(executor_timeout_secs=7, declared_settings=("executor_timeout_secs",)))
    (change,) = plan(wanted(), there)
    assert (change.action, change.name, change.before, change.after) == (
        "release",
        "executor_timeout_secs",
        7,
        7,
    )


def test_an_application_that_is_no_longer_declared_stays_with_all_that_it_has() -> None:
    there = present(
        rules=[found("r1", SlowQueue(threshold_secs=5))],
        targets=[target("ops", "json://a")],
        policy=POLICY,
        policy_declared=True,
    )
    assert brief(plan(None, there)) == [("release", "application", "", "")]
    assert plan(None, present(record=record())) == []


def test_what_was_made_by_hand_and_is_not_declared_is_left_alone() -> None:
    there = present(
        record=record(private_mode=True, declared_settings=()),
        rules=[found("r1", SlowQueue(threshold_secs=5), declared=False)],
        targets=[target("ops", "json://a", declared=False)],
        policy=POLICY,
    )
    assert plan(wanted(), there) == []


def test_what_was_declared_and_no_longer_is_goes() -> None:
    there = present(
        rules=[found("r1", SlowQueue(threshold_secs=5))],
        targets=[target("ops", "json://a")],
        policy=POLICY,
        policy_declared=True,
    )
    assert brief(plan(wanted(), there)) == [
        ("delete", "notification_target", "ops", "ops-id"),
        ("delete", "alerting_rule", "SlowQueue", "r1"),
        ("delete", "autoscaling_policy", "", ""),
    ]


def test_a_rule_made_by_hand_that_is_the_same_is_taken_over_and_not_doubled() -> None:
    one = wanted(rules=(rule(SlowQueue(threshold_secs=5)),))
    by_hand = found("by-hand", SlowQueue(threshold_secs=5), declared=False)
    assert brief(plan(one, present(rules=[by_hand]))) == [
        ("declare", "alerting_rule", "SlowQueue", "by-hand")
    ]
    # Not where one that is declared is there already.
    assert plan(one, present(rules=[by_hand, found("r1", SlowQueue(threshold_secs=5))])) == []


@pytest.mark.parametrize(
    "different",
    [
        found("by-hand", SlowQueue(threshold_secs=6), declared=False),
        found("by-hand", SlowQueue(threshold_secs=5), "bank-id", declared=False),
        found("by-hand", SlowQueue(threshold_secs=5), "unseen-id", declared=False),
        found("by-hand", SlowQueue(threshold_secs=5), declared=False, min_interval_secs=5),
    ],
)
def test_a_rule_made_by_hand_that_differs_is_left_alone(different: AlertingRuleRecord) -> None:
    one = wanted(rules=(rule(SlowQueue(threshold_secs=5)),))
    assert brief(plan(one, present(rules=[different]))) == [("create", "alerting_rule", "SlowQueue", "")]


def test_a_rule_becomes_the_one_that_it_resembles_most() -> None:
    charge = WorkflowFailure(workflow_name="charge", threshold=3, period_secs=60)
    refund = WorkflowFailure(workflow_name="refund", threshold=5, period_secs=60)
    there = present(
        rules=[found("r1", charge), found("r2", refund), found("r3", SlowQueue(threshold_secs=5))]
    )
    one = wanted(
        rules=(
            rule(msgspec.structs.replace(refund, threshold=6)),
            rule(msgspec.structs.replace(charge, threshold=4)),
            rule(WorkflowFailure(workflow_name="ship", threshold=1, period_secs=60)),
        )
    )
    assert brief(plan(one, there)) == [
        ("delete", "alerting_rule", "SlowQueue", "r3"),
        ("change", "alerting_rule", "WorkflowFailure", "r2"),
        ("change", "alerting_rule", "WorkflowFailure", "r1"),
        ("create", "alerting_rule", "WorkflowFailure", ""),
    ]


@pytest.mark.parametrize(
    ("before", "declared", "after", "expected"),
    [
        ("json://u:a@host/", True, "json://u:b@host/", ("change", "what is hidden of it differs")),
        ("json://one/", True, "json://two/", ("change", "")),
        ("json://one/", False, "json://two/", ("change", "it was made by hand")),
        ("json://one/", False, "json://one/", ("declare", "")),
    ],
)
def test_a_target_is_known_by_its_name(
    before: str, declared: bool, after: str, expected: tuple[str, str]
) -> None:
    there = present(targets=[target("ops", before, declared=declared)])
    (change,) = plan(wanted(targets={"ops": after}), there)
    assert (change.action, change.note) == expected
    assert change.subject_id == "ops-id"
    assert "u:" not in repr(change)


@pytest.mark.parametrize(
    ("before", "declared", "action"),
    [
        (None, False, "create"),
        (AutoscalingPolicy(queue="orders", rollout=RolloutPolicy()), True, "change"),
        (AutoscalingPolicy(queue="other"), False, "change"),
        (POLICY, False, "declare"),
    ],
)
def test_a_policy_is_the_only_one_of_its_application(
    before: AutoscalingPolicy | None, declared: bool, action: str
) -> None:
    (change,) = plan(wanted(autoscaling=POLICY), present(policy=before, policy_declared=declared))
    assert (change.action, change.before, change.after) == (action, before, POLICY)


def test_applications_are_dealt_with_in_the_order_of_the_file() -> None:
    existing = {name: present(record=record(name=name, declared_settings=())) for name in ("b-old", "a-old")}
    declared = {"zoo": wanted(), "bar": wanted()}
    changes = compare(declared, existing, record(id=""), RECEIVERS)
    assert [(change.action, change.application_name) for change in changes] == [
        ("create", "zoo"),
        ("create", "bar"),
        ("release", "a-old"),
        ("release", "b-old"),
    ]
