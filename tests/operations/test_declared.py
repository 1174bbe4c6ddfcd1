"""Applying a declaration: what is made, marked and left alone, on a real database with scripted executors."""

import asyncio
from typing import Any

import msgspec
import pytest
from support.executor import ScriptedExecutor
from support.served import APPLICATION, LOCAL, Run, Served

from conductor_lite.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from conductor_lite.operations.applications import ApplicationChanges
from conductor_lite.operations.declared import (
    AutoscalingPolicy,
    Change,
    DeclaredApplication,
    DeclaredRule,
    RolloutPolicy,
)
from conductor_lite.protocol import GetQueue, GetQueueReply, QueueRecord, Reply

SECRET = "hunter2secret"
FAILURES = {"threshold": 3, "period_secs": 60}
SHOP = DeclaredApplication(
    settings=ApplicationChanges(executor_timeout_secs=33, gc_rows_threshold=None),
    rules=(
        DeclaredRule(rule_type="WorkflowFailure", rule_metadata=FAILURES, min_interval_secs=600),
        DeclaredRule(rule_type="UnresponsiveApplication", receiving_application_name="watcher"),
    ),
    targets={"ops": f"json://user:{SECRET}@localhost/"},
    autoscaling=AutoscalingPolicy(queue="orders"),
)
DECLARATION = {APPLICATION: SHOP, "watcher": DeclaredApplication()}


async def apply(scene: Served, declaration: Any = DECLARATION, *, dry_run: bool = False) -> list[Any]:
    changes = await scene.conductor.operations.declared.apply(LOCAL, declaration, dry_run=dry_run)
    return [_brief(change) for change in changes]


def _brief(change: Change) -> tuple[str, str, str]:
    return change.action, change.kind, change.name


async def there(scene: Served) -> dict[str, Any]:
    """What there is of the application, with what is declared of it."""
    operations = scene.conductor.operations
    record = (await operations.applications.get(LOCAL, APPLICATION)).record
    rules = await operations.alerting_rules.list(LOCAL, APPLICATION)
    targets = await operations.notification_targets.list(LOCAL, APPLICATION)
    return {
        "timeout": record.executor_timeout_secs,
        "settings": record.declared_settings,
        "rules": [(rule.rule_type, rule.declared) for rule in rules],
        "targets": [(target.name, target.declared) for target in targets],
        "policy": await operations.autoscaling.is_declared(LOCAL, APPLICATION),
    }


async def executor_with_queue(scene: Served, queue: QueueRecord | None) -> ScriptedExecutor:
    executor = ScriptedExecutor("e1", "1", scene.workload)

    async def answer(request: GetQueue) -> Reply:
        return GetQueueReply(queue=queue)

    executor.on(GetQueue, answer)
    return await scene.connected(executor)


def test_what_is_declared_is_made_and_marked_and_a_second_time_nothing_is_done(run: Run) -> None:
    async def body(scene: Served) -> None:
        before = await there(scene)
        planned = await apply(scene, dry_run=True)
        assert await there(scene) == before
        assert await scene.audit("declaration.apply") == []
        assert await apply(scene) == planned
        assert await there(scene) == {
            "timeout": 33,
            "settings": ("executor_timeout_secs", "gc_rows_threshold"),
            "rules": [("WorkflowFailure", True), ("UnresponsiveApplication", True)],
            "targets": [("ops", True)],
            "policy": True,
        }
        # The fleet goes by it.
        held = scene.conductor.fleet.application("local", APPLICATION)
        assert held is not None
        assert held.executor_timeout_secs == 33
        assert await apply(scene, dry_run=True) == []
        assert await apply(scene) == []
        (first, second) = await scene.audit("declaration.apply")
        assert (first.status, first.details["change_count"]) == ("success", len(planned))
        assert "create shop alerting rule WorkflowFailure" in first.details["changes"]
        assert second.details["changes"] == []
        assert len(await scene.audit("alerting_rule.create")) == 2
        everything = await scene.conductor.operations.audit.list(LOCAL, limit=1_000)
        assert SECRET not in repr(everything)

    run(body)


def test_what_leaves_the_file_goes_and_what_was_made_by_hand_stays(run: Run) -> None:
    async def body(scene: Served) -> None:
        operations = scene.conductor.operations
        await operations.alerting_rules.create(
            LOCAL, APPLICATION, rule_type="SlowQueue", rule_metadata={"threshold_secs": 5}
        )
        await operations.notification_targets.create(LOCAL, APPLICATION, name="by hand", url="json://x/")
        await apply(scene)
        less = msgspec.structs.replace(
            SHOP,
            settings=ApplicationChanges(private_mode=True),
            rules=SHOP.rules[1:],
            targets={},
            autoscaling=None,
        )
        assert await apply(scene, {**DECLARATION, APPLICATION: less}) == [
            ("change", "setting", "private_mode"),
            ("release", "setting", "executor_timeout_secs"),
            ("release", "setting", "gc_rows_threshold"),
            ("delete", "notification_target", "ops"),
            ("delete", "alerting_rule", "WorkflowFailure"),
            ("delete", "autoscaling_policy", ""),
        ]
        assert await there(scene) == {
            "timeout": 33,
            "settings": ("private_mode",),
            "rules": [("SlowQueue", False), ("UnresponsiveApplication", True)],
            "targets": [("by hand", False)],
            "policy": False,
        }
        assert await apply(scene, {}) == [("release", "application", ""), ("release", "application", "")]
        assert await there(scene) == {
            "timeout": 33,
            "settings": None,
            "rules": [("SlowQueue", False), ("UnresponsiveApplication", False)],
            "targets": [("by hand", False)],
            "policy": False,
        }
        assert await apply(scene, {}) == []

    run(body)


def test_what_people_change_is_put_back(run: Run) -> None:
    async def body(scene: Served) -> None:
        operations = scene.conductor.operations
        await apply(scene)
        rule, _ = await operations.alerting_rules.list(LOCAL, APPLICATION)
        (target,) = await operations.notification_targets.list(LOCAL, APPLICATION)
        await operations.applications.update(
            LOCAL, APPLICATION, ApplicationChanges(executor_timeout_secs=5, private_mode=True)
        )
        await operations.alerting_rules.delete(LOCAL, APPLICATION, rule.id)
        await operations.notification_targets.change_url(LOCAL, APPLICATION, target.id, "json://elsewhere/")
        await operations.autoscaling.delete_policy(LOCAL, APPLICATION)
        assert await apply(scene) == [
            ("change", "setting", "executor_timeout_secs"),
            ("change", "notification_target", "ops"),
            ("create", "alerting_rule", "WorkflowFailure"),
            ("create", "autoscaling_policy", ""),
        ]
        (again,) = await operations.notification_targets.list(LOCAL, APPLICATION)
        assert (again.id, again.shown_url) == (target.id, "json://localhost/***")
        assert (await operations.applications.get(LOCAL, APPLICATION)).record.private_mode
        assert [entry.details["url"] for entry in await scene.audit("notification_target.update")] == [
            "json://elsewhere/***",
            "json://localhost/***",
        ]

    run(body)


def test_a_rule_that_changes_stays_the_same_rule(run: Run) -> None:
    async def body(scene: Served) -> None:
        rules = scene.conductor.operations.alerting_rules
        await apply(scene)
        before, _ = await rules.list(LOCAL, APPLICATION)
        stricter = msgspec.structs.replace(SHOP.rules[0], rule_metadata={**FAILURES, "threshold": 1})
        changed = msgspec.structs.replace(SHOP, rules=(stricter, SHOP.rules[1]))
        assert await apply(scene, {**DECLARATION, APPLICATION: changed}) == [
            ("change", "alerting_rule", "WorkflowFailure")
        ]
        after, _ = await rules.list(LOCAL, APPLICATION)
        assert (after.id, after.created_at, after.declared) == (before.id, before.created_at, True)
        assert msgspec.to_builtins(after.rule_metadata)["threshold"] == 1
        (entry,) = await scene.audit("alerting_rule.update")
        assert (entry.status, entry.target_id) == ("success", before.id)

    run(body)


@pytest.mark.parametrize(
    ("declared", "locations"),
    [
        (
            DeclaredApplication(
                settings=ApplicationChanges(
                    executor_timeout_secs=0, snapshot_keep_days=2**62, gc_rows_threshold=-1
                )
            ),
            ["executorTimeoutSecs", "gcRowsThreshold", "snapshotKeepDays"],
        ),
        (
            DeclaredApplication(
                rules=(
                    DeclaredRule(rule_type="Whatever"),
                    DeclaredRule(rule_type="WorkflowFailure", rule_metadata={"threshold": 0}),
                    DeclaredRule(rule_type="UnresponsiveApplication"),
                    DeclaredRule(rule_type="UnresponsiveApplication", receiving_application_name="nobody"),
                    DeclaredRule(rule_type="StrandedVersion", min_interval_secs=-1),
                )
            ),
            [
                "alertingRules[0].ruleType",
                "alertingRules[1].ruleMetadata.period_secs",
                "alertingRules[1].ruleMetadata.threshold",
                "alertingRules[2].receivingAppName",
                "alertingRules[3].receivingAppName",
                "alertingRules[4].minIntervalSecs",
            ],
        ),
        (
            DeclaredApplication(
                rules=(
                    DeclaredRule(rule_type="SlowQueue", rule_metadata={"threshold_secs": 5}),
                    DeclaredRule(rule_type="SlowQueue", rule_metadata={"threshold_secs": 6}),
                    DeclaredRule(
                        rule_type="SlowQueue",
                        rule_metadata={"thresholdSecs": "5", "queue_name": "*"},
                        receiving_application_name=APPLICATION,
                        min_interval_secs=9,
                    ),
                )
            ),
            ["alertingRules[2]"],
        ),
        (DeclaredApplication(rules=(DeclaredRule(rule_type="StrandedVersion"),) * 101), ["alertingRules"]),
        (
            DeclaredApplication(targets={"ops": f"nonsense-{SECRET}", "": "json://x/", "a\nb": "json://x/"}),
            ['notificationTargets.""', 'notificationTargets."a\\nb"'],
        ),
        (DeclaredApplication(targets={"ops": f"nonsense-{SECRET}"}), ["notificationTargets.ops"]),
        (DeclaredApplication(targets={f"t{n}": "json://x/" for n in range(101)}), ["notificationTargets"]),
        (
            DeclaredApplication(
                autoscaling=AutoscalingPolicy(
                    queue="orders", rollout=RolloutPolicy(max_old_application_versions=-1)
                )
            ),
            ["autoscalingPolicy.rollout"],
        ),
    ],
)
def test_what_cannot_be_is_refused_whole_and_nothing_is_changed(
    run: Run, declared: DeclaredApplication, locations: list[str]
) -> None:
    async def body(scene: Served) -> None:
        before = await there(scene)
        declaration = {"fresh-one": DeclaredApplication(), APPLICATION: declared}
        for dry_run in (True, False):
            with pytest.raises(InvalidError) as refusal:
                await apply(scene, declaration, dry_run=dry_run)
            found = sorted(error.location for error in refusal.value.errors)
            assert found == [f"body.apps.{APPLICATION}.{location}" for location in locations]
            assert SECRET not in repr(refusal.value.errors)
        assert await there(scene) == before
        with pytest.raises(NotFoundError):
            await scene.conductor.operations.applications.get(LOCAL, "fresh-one")
        assert [entry.status for entry in await scene.audit("declaration.apply")] == ["failure"]

    run(body)


@pytest.mark.parametrize("name", ["Shop", "no", "with space", "x" * 257, "ü-ü-ü", ""])
def test_a_name_that_no_application_can_have_is_refused(run: Run, name: str) -> None:
    async def body(scene: Served) -> None:
        with pytest.raises(InvalidError) as refusal:
            await apply(scene, {name: DeclaredApplication()})
        (fault,) = refusal.value.errors
        assert fault.location.startswith("body.apps.")
        assert len(fault.location) < 200

    run(body)


def test_a_queue_that_is_not_fit_is_refused_as_soon_as_an_executor_can_tell(run: Run) -> None:
    async def body(scene: Served) -> None:
        declared = {APPLICATION: DeclaredApplication(autoscaling=AutoscalingPolicy(queue="orders"))}
        executor = await executor_with_queue(scene, None)
        for dry_run in (True, False):
            with pytest.raises(InvalidError) as refusal:
                await apply(scene, declared, dry_run=dry_run)
            (fault,) = refusal.value.errors
            assert fault.location == f"body.apps.{APPLICATION}.autoscalingPolicy.queue"
            assert fault.message == "it is not registered"
        await executor.vanish()
        await scene.await_status("e1", "DISCONNECTED")
        operation = scene.conductor.operations.declared.apply
        (_, change) = await operation(LOCAL, declared, dry_run=False)
        assert change.note == "not checked, for no executor is connected"
        # What has not changed is not asked for again.
        await executor_with_queue(scene, None)
        assert await apply(scene, declared) == []

    run(body)


def test_a_fit_queue_is_checked_and_taken(run: Run) -> None:
    async def body(scene: Served) -> None:
        await executor_with_queue(scene, QueueRecord(name="orders", worker_concurrency=2))
        changes = await scene.conductor.operations.declared.apply(LOCAL, DECLARATION, dry_run=False)
        (policy,) = [change for change in changes if change.kind == "autoscaling_policy"]
        assert (policy.action, policy.note) == ("create", "")
        assert (await there(scene))["policy"]

    run(body)


def test_targets_made_by_hand_count_and_a_declared_one_takes_the_place_of_another(run: Run) -> None:
    async def body(scene: Served) -> None:
        full = {f"t{n}": "json://x/" for n in range(99)}
        await scene.conductor.operations.notification_targets.create(
            LOCAL, APPLICATION, name="by hand", url="json://x/"
        )
        await apply(scene, {APPLICATION: DeclaredApplication(targets=full)})
        with pytest.raises(InvalidError) as refusal:
            await apply(scene, {APPLICATION: DeclaredApplication(targets={**full, "more": "json://x/"})})
        assert "of which 1 are made by hand" in refusal.value.errors[0].message
        other = {**full, "more": "json://x/"}
        del other["t0"]
        assert await apply(scene, {APPLICATION: DeclaredApplication(targets=other)}) == [
            ("delete", "notification_target", "t0"),
            ("create", "notification_target", "more"),
        ]

    run(body)


def test_what_changes_meanwhile_is_told_and_the_rest_is_made_the_next_time(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body(scene: Served) -> None:
        operations = scene.conductor.operations
        await apply(scene)
        (rule, _) = await operations.alerting_rules.list(LOCAL, APPLICATION)
        less = {**DECLARATION, APPLICATION: msgspec.structs.replace(SHOP, rules=SHOP.rules[1:])}
        more = {"brand-new": DeclaredApplication(), **less}
        carry_out = operations.declared._carry_out

        async def interrupted(*arguments: Any) -> None:
            # Between comparing and changing, somebody deletes the rule by hand.
            await operations.alerting_rules.delete(LOCAL, APPLICATION, rule.id)
            await carry_out(*arguments)

        with monkeypatch.context() as patch:
            patch.setattr(operations.declared, "_carry_out", interrupted)
            with pytest.raises(ConflictError, match="1 of 2 changes were made; apply again"):
                await apply(scene, more)
        entry = (await scene.audit("declaration.apply"))[-1]
        assert (entry.status, entry.details["change_count"]) == ("failure", 1)
        assert await apply(scene, more) == []

    run(body)


def test_many_who_apply_at_once_make_everything_once(run: Run) -> None:
    async def body(scene: Served) -> None:
        outcomes = await asyncio.gather(*(apply(scene) for _ in range(8)))
        assert sorted(map(len, outcomes))[:-1] == [0] * 7
        assert (await there(scene))["rules"] == [("WorkflowFailure", True), ("UnresponsiveApplication", True)]

    run(body)


def test_who_may_not_write_learns_nothing_and_a_limited_key_keeps_to_its_own(run: Run) -> None:
    async def body(scene: Served) -> None:
        operations = scene.conductor.operations
        await apply(scene)
        reader = msgspec.structs.replace(LOCAL, permissions=frozenset({"application.read"}))
        for dry_run in (True, False):
            with pytest.raises(ForbiddenError):
                await operations.declared.apply(reader, DECLARATION, dry_run=dry_run)
        shop = await scene.application_id()
        limited = msgspec.structs.replace(LOCAL, application_ids=frozenset({shop}))
        with pytest.raises(ForbiddenError, match="watcher"):
            await operations.declared.apply(limited, {"watcher": DeclaredApplication()}, dry_run=True)
        # What it does not see, it does not release either.
        only_shop = {APPLICATION: msgspec.structs.replace(SHOP, rules=SHOP.rules[:1])}
        changes = await operations.declared.apply(limited, only_shop, dry_run=False)
        assert [_brief(change) for change in changes] == [
            ("delete", "alerting_rule", "UnresponsiveApplication")
        ]
        watcher = (await operations.applications.get(LOCAL, "watcher")).record
        assert watcher.declared_settings == ()

    run(body)
