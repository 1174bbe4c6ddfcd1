"""``conductor-lite alert`` and ``role``: against a server, and what scripts make of the answers."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from support.command import Finished
from support.inbox import PASSWORD, TOKEN, inbox
from support.served import APPLICATION, LOCAL, Served, served
from support.terminal import Terminal
from support.wait import wait_until_async

from conductor_lite.config import Settings

Command = Callable[..., Awaitable[Finished]]


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Any]:
    """Runs an async function on a served conductor, and a way to run commands on it."""

    def run(body: Callable[[Served, Command], Awaitable[None]]) -> None:
        async def whole() -> None:
            settings = Settings(data_dir=tmp_path / "data", port=0, dev=True, executor_timeout_secs=1)
            async with served(settings) as scene:
                await scene.application_id()
                terminal = Terminal(tmp_path / "home", URL=scene.url)

                async def command(*arguments: str, stdin: str = "") -> Finished:
                    return await asyncio.to_thread(terminal.run, *arguments, stdin=stdin)

                await body(scene, command)

        asyncio.run(whole())

    return run


def test_rules_are_made_listed_and_deleted(run: Any) -> None:
    async def body(scene: Served, command: Command) -> None:
        assert "no alerting rules" in (await command("alert", "rules")).out
        settings = ("--workflow-name", "pay", "--threshold", "3", "--period-secs", "60")
        quiet = ("--min-interval-secs", "600")
        made = await command("alert", "create-rule", "WorkflowFailure", *settings, *quiet)
        assert made.status == 0, made
        rule_id = made.out.strip()
        (rule,) = json.loads((await command("alert", "rules", "-o", "json")).out)
        assert (rule["id"], rule["ruleType"], rule["minIntervalSecs"]) == (rule_id, "WorkflowFailure", 600)
        assert rule["ruleMetadata"] == {"workflow_name": "pay", "threshold": 3, "period_secs": 60}
        heading, row = (await command("alert", "rules")).out.splitlines()
        assert heading.split() == ["ID", "TYPE", "SETTINGS", "QUIET", "LAST", "FIRED"]
        assert "threshold=3" in row
        assert (await command("alert", "delete-rule", rule_id, "--yes")).status == 0
        assert (await command("alert", "rules", "-o", "ids")).out == ""
        assert (await command("alert", "delete-rule", rule_id, "--yes")).status == 4

    run(body)


def test_rule_of_another_receiver_and_rules_that_cannot_be(run: Any) -> None:
    async def body(scene: Served, command: Command) -> None:
        await scene.application_id("watcher")
        on_shop = ("--app", APPLICATION)
        refused = await command("alert", "create-rule", "UnresponsiveApplication", *on_shop)
        assert refused.status == 1
        assert "body.receivingAppName" in refused.err
        receiver = ("--receiver", "watcher")
        made = await command(
            "alert", "create-rule", "UnresponsiveApplication", *on_shop, *receiver, "-o", "json"
        )
        assert json.loads(made.out)["receivingAppId"] == await scene.application_id("watcher")
        for wrong in (("NoSuchRule",), ("SlowQueue",), ("SlowQueue", "--threshold-secs", "-1")):
            refused = await command("alert", "create-rule", *wrong, *on_shop)
            assert (refused.status, refused.out) == (1, ""), wrong
        assert (await command("alert", "create-rule", "SlowQueue", "--threshold-secs", "long")).status == 2

    run(body)


def test_targets_are_told_and_their_secrets_are_not(run: Any) -> None:
    async def body(scene: Served, command: Command) -> None:
        with inbox() as box:
            assert "Nobody is told" in (await command("alert", "targets")).out
            added = await command("alert", "add-target", "ops", "-", stdin=f"{box.url}\n")
            assert added.status == 0, added
            target_id = added.out.strip()
            (target,) = json.loads((await command("alert", "targets", "-o", "json")).out)
            assert (target["id"], target["name"]) == (target_id, "ops")
            table = (await command("alert", "targets")).out
            assert target_id in table
            assert PASSWORD not in table
            assert TOKEN not in table
            assert (await command("alert", "test-target", target_id)).status == 0
            assert len(box.messages) == 1
            box.status = 500
            failed = await command("alert", "test-target", target_id)
            assert failed.status == 1
            assert PASSWORD not in failed.err
            wrong = await command("alert", "add-target", "x", "nonsense")
            assert (wrong.status, wrong.out) == (1, "")
            assert (await command("alert", "delete-target", target_id)).status == 0
            assert (await command("alert", "test-target", target_id)).status == 4

    run(body)


def test_what_fired_is_listed(run: Any) -> None:
    async def body(scene: Served, command: Command) -> None:
        assert "has fired" in (await command("alert", "history")).out
        executor = await scene.executor("e1")
        assert (await command("alert", "create-rule", "ExecutorLost", "--period-secs", "600")).status == 0
        await executor.vanish()
        await scene.await_status("e1", "DEAD")

        scene.conductor._policies.nudge("alerts")
        alerts = scene.conductor.operations.alerts
        await wait_until_async(lambda: alerts.list(LOCAL, APPLICATION), 20, "the rule to fire")
        heading, row = (await command("alert", "history", "--limit", "1")).out.splitlines()
        assert heading.split() == ["ID", "FIRED", "OVER", "TYPE", "TOLD", "MESSAGE"]
        assert row.split()[2:4] == ["-", "ExecutorLost"]
        assert "1 pending" in row
        assert "e1" in row
        assert len((await command("alert", "history", "-o", "ids")).out.splitlines()) == 1

    run(body)


def test_roles_are_made_listed_and_deleted_also_without_a_server(run: Any, tmp_path: Path) -> None:
    async def body(scene: Served, command: Command) -> None:
        built_in = (await command("role", "list", "-o", "ids")).out.splitlines()
        permissions = ("--permission", "application.read", "--permission", "metric.read")
        assert (await command("role", "create", "watcher", *permissions)).status == 0
        roles = json.loads((await command("role", "list", "-o", "json")).out)
        (watcher,) = [role for role in roles if role["name"] == "watcher"]
        assert (watcher["isGlobal"], sorted(watcher["permissions"])) == (
            False,
            ["application.read", "metric.read"],
        )
        heading, *rows = (await command("role", "list")).out.splitlines()
        assert heading.split() == ["NAME", "BUILT", "IN", "PERMISSIONS"]
        assert [row.split()[1] for row in rows if row.startswith("watcher ")] == ["no"]
        assert (await command("role", "create", "watcher")).status == 1
        unknown = await command("role", "create", "odd", "--permission", "world.dominate")
        assert (unknown.status, "metric.read" in unknown.err) == (1, True)
        assert (await command("role", "delete", "watcher")).status == 0
        assert (await command("role", "list", "-o", "ids")).out.splitlines() == built_in
        assert (await command("role", "delete", "watcher")).status == 4
        assert (await command("role", "delete", built_in[0])).status == 1

    run(body)
    offline = Terminal(tmp_path / "offline")
    offline.ok("role", "create", "watcher", "--permission", "metric.read")
    assert "watcher" in offline.ok("role", "list", "-o", "ids").splitlines()
