"""The page of alerts and its forms, on a real conductor: what they say, keep, refuse and send."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from support.executor import ScriptedExecutor
from support.inbox import PASSWORD, TOKEN, inbox
from support.served import APPLICATION, LOCAL, Run, Served
from support.wait import wait_until_async

from conductor_lite.console.alerts.kinds import KINDS, in_words
from conductor_lite.console.alerts.targets import EXAMPLES
from conductor_lite.notify import Notifier
from conductor_lite.operations.alerting_rules import (
    AlertingRuleRecord,
    ExecutorLost,
    RecoveryFlapping,
    RuleMetadata,
    ScheduleMissed,
    SlowQueue,
    SlowWorkflow,
    StrandedVersion,
    UnresponsiveApplication,
    WorkflowFailure,
)
from conductor_lite.protocol import ListQueues, ListQueuesReply, QueueRecord
from conductor_lite.store.alert_records import AlertText, DeliveryRecord
from conductor_lite.store.alerts import Alerts
from conductor_lite.store.records import RULE_TYPES

HERE = "/apps/shop/alerts"
HOSTILE = "<img src=x onerror=alert(1)>"


def browser(scene: Served) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=scene.url, trust_env=False, headers={"Origin": scene.url}, timeout=30)


async def posted(client: httpx.AsyncClient, path: str, **fields: str) -> httpx.Response:
    form = (await client.get(f"{HERE}/new?type=SlowQueue")).text
    token = re.search(r'name="csrf_token" value="([^"]+)"', form)
    assert token
    return await client.post(path, data={"csrf_token": token[1], **fields})


async def data(client: httpx.AsyncClient, path: str = HERE) -> Any:
    return (await client.get(path, headers={"Accept": "application/json"})).json()


async def rule(scene: Served, rule_type: str = "SlowWorkflow", **metadata: object) -> AlertingRuleRecord:
    return await scene.conductor.operations.alerting_rules.create(
        LOCAL, APPLICATION, rule_type=rule_type, rule_metadata=metadata or {"threshold_secs": 60}
    )


async def fired(scene: Served, record: AlertingRuleRecord, message: str, *, secs_ago: float = 60) -> None:
    text = AlertText(name=record.rule_type, message=message, metadata={"count": "1"})
    moment = datetime.now(UTC) - timedelta(seconds=secs_ago)
    assert await alerts(scene).fire(record, text, receiving_application_name=APPLICATION, now=moment)


async def resolve(scene: Served, record: AlertingRuleRecord) -> None:
    over = AlertText(name=f"{record.rule_type}Resolved", message="It is over.", metadata={})
    await alerts(scene).resolve(record.id, over, datetime.now(UTC))


def alerts(scene: Served) -> Alerts:
    return Alerts(scene.conductor.db)


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        (WorkflowFailure(threshold=1, period_secs=60), "1 workflow fails within 1 min"),
        (
            WorkflowFailure(workflow_name="charge", threshold=1_200, period_secs=5_400),
            "1,200 workflows named “charge” fail within 1 h 30 min",
        ),
        (SlowQueue(threshold_secs=300), "A workflow waits in any queue for over 5 min"),
        (SlowQueue(queue_name="q", threshold_secs=5), "A workflow waits in the queue “q” for over 5 s"),
        (UnresponsiveApplication(), "No executor is connected, or none answers"),
        (StrandedVersion(), "Work waits for a version that nobody runs"),
        (StrandedVersion(application_version="v1"), "Work waits for the version “v1” that nobody runs"),
        (RecoveryFlapping(threshold=1, period_secs=600), "Executors are recovered once within 10 min"),
        (RecoveryFlapping(threshold=3, period_secs=60), "Executors are recovered 3 times within 1 min"),
        (ExecutorLost(), "An executor is declared dead within 5 min"),
        (ExecutorLost(threshold=2), "2 executors are declared dead within 5 min"),
        (SlowWorkflow(threshold_secs=86_400), "A workflow runs for over 1 d"),
        (SlowWorkflow(workflow_name="*", threshold_secs=90), "A workflow runs for over 1 min 30 s"),
        (ScheduleMissed(), "A schedule is more than 1 min late"),
        (
            ScheduleMissed(schedule_name="x" * 100, grace_secs=60),
            f"The schedule “{'x' * 79}…” is more than 1 min late",
        ),
    ],
)
def test_a_rule_is_told_in_one_sentence(metadata: RuleMetadata, words: str) -> None:
    assert in_words(metadata) == words


def test_every_type_of_rule_has_a_form_with_all_its_settings() -> None:
    assert list(KINDS) == list(RULE_TYPES)
    for rule_type, kind in KINDS.items():
        assert [setting.name for setting in kind.settings] == list(RULE_TYPES[rule_type].__struct_fields__)


def test_an_application_without_rules_is_taught_what_there_is_to_watch(run: Run) -> None:
    async def body(scene: Served) -> None:
        async with browser(scene) as client:
            page = (await client.get(HERE)).text
            for rule_type in KINDS:
                assert f'href="{HERE}/new?type={rule_type}"' in page
                form = (await client.get(f"{HERE}/new?type={rule_type}")).text
                assert f'name="type" value="{rule_type}"' in form
                for setting in KINDS[rule_type].settings:
                    assert f'name="{setting.name}"' in form
            assert "Nothing is watched yet" in page
            assert "No people are told" in page
            assert "Nothing has fired yet" in page
            assert "@DBOS.alert_handler" in page
            assert 'aria-current="page">Alerts' in page
            assert (await client.get("/apps/nobody/alerts")).status_code == 404

    run(body)


def test_a_rule_is_made_changed_and_deleted(run: Run) -> None:
    async def body(scene: Served) -> None:
        async with browser(scene) as client:
            typed = {"queue_name": "mail", "threshold_secs": "1.5", "threshold_secs_unit": "60"}
            quiet = {"min_interval": "", "min_interval_unit": "60", "receiver": ""}
            for _ in "12":
                # Sent twice, by a double click, it is one rule.
                fields = {"type": "SlowQueue", "once": "a-token-of-ours", **typed, **quiet}
                made = await posted(client, f"{HERE}/new", **fields)
                assert (made.status_code, made.headers["location"]) == (303, HERE)
            (view,) = (await data(client))["rules"]
            assert view["words"] == "A workflow waits in the queue “mail” for over 1 min 30 s"
            assert (view["receiver"], view["quiet_secs"], view["last_fired_at"]) == ("shop", 3_600, None)
            assert "Watching from now on: A workflow waits" in (await client.get(HERE)).text

            change = f"{HERE}/rules/{view['id']}/change"
            form = (await client.get(change)).text
            assert 'name="threshold_secs" value="90"' in form
            assert '<option value="1" selected>seconds' in form
            typed = {"queue_name": "", "threshold_secs": "2", "threshold_secs_unit": "3600"}
            quiet = {"min_interval": "0", "min_interval_unit": "60", "receiver": ""}
            assert (await posted(client, change, **typed, **quiet)).status_code == 303
            (view,) = (await data(client))["rules"]
            assert (view["words"], view["quiet_secs"]) == ("A workflow waits in any queue for over 2 h", 0)

            delete = f"{HERE}/rules/{view['id']}/delete"
            assert "waits in any queue" in (await client.get(delete)).text
            assert (await posted(client, delete)).headers["location"] == HERE
            assert (await data(client))["rules"] == []
            for gone in (change, delete):
                assert (await client.get(gone)).status_code == 404
            for operation in ("create", "update", "delete"):
                assert [each.status for each in await scene.audit(f"alerting_rule.{operation}")] == [
                    "success"
                ]

    run(body)


def test_what_is_wrong_stands_beside_its_field_and_what_was_typed_stays(run: Run) -> None:
    async def body(scene: Served) -> None:
        async with browser(scene) as client:
            wrong = {
                "workflow_name": HOSTILE,
                "threshold": "many",
                "period_secs": "0.5",
                "period_secs_unit": "1",
                "min_interval": "-1",
                "min_interval_unit": "60",
                "receiver": "",
            }
            answer = await posted(client, f"{HERE}/new", type="WorkflowFailure", **wrong)
            assert answer.status_code == 422
            for field in ("threshold", "period_secs", "min_interval"):
                assert f'id="{field}-fault"' in answer.text
                assert re.search(rf'id="{field}"[^>]* aria-invalid="true"', answer.text)
            assert "workflow_name-fault" not in answer.text
            assert 'value="many"' in answer.text
            assert "&lt;img src=x" in answer.text
            assert "<img" not in answer.text
            # What only the operation knows to be wrong is told at the same places.
            wrong |= {"threshold": "9999999999", "period_secs": "1", "min_interval": "", "receiver": "nobody"}
            answer = await posted(client, f"{HERE}/new", type="WorkflowFailure", **wrong)
            assert answer.status_code == 422
            for field in ("threshold", "receiver"):
                assert f'id="{field}-fault"' in answer.text
            assert (await data(client))["rules"] == []
            assert (await posted(client, f"{HERE}/new", type="Nonsense")).status_code == 422

    run(body)


def test_who_does_not_respond_is_not_the_one_to_be_told(run: Run) -> None:
    async def body(scene: Served) -> None:
        async with browser(scene) as client:
            alone = (await client.get(f"{HERE}/new?type=UnresponsiveApplication")).text
            assert "No other application is there" in alone
            await scene.application_id("bank")
            form = (await client.get(f"{HERE}/new?type=UnresponsiveApplication")).text
            assert re.findall(r'<option value="(\w*)"[^>]*>(?!sec|min|hour|day)', form) == ["", "bank"]
            none = {"min_interval": "", "min_interval_unit": "60", "receiver": ""}
            refused = await posted(client, f"{HERE}/new", type="UnresponsiveApplication", **none)
            assert refused.status_code == 422
            assert 'id="receiver-fault"' in refused.text
            none["receiver"] = "bank"
            made = await posted(client, f"{HERE}/new", type="UnresponsiveApplication", **none)
            assert made.status_code == 303
            assert (await data(client))["rules"][0]["receiver"] == "bank"
            # It needs no executor to be judged.
            assert (await data(client))["rules"][0]["judged"]

    run(body)


def test_names_are_suggested_and_may_be_missing(run: Run) -> None:
    async def body(scene: Served) -> None:
        async with browser(scene) as client:
            assert "datalist" not in (await client.get(f"{HERE}/new?type=SlowQueue")).text
            executor: ScriptedExecutor = await scene.executor("exec-1", "v7")
            reply = ListQueuesReply(queues=[QueueRecord(name=HOSTILE), QueueRecord(name="mail")])
            executor.answers(ListQueues, reply)

            async def suggested() -> bool:
                # That nobody answered serves other readers for a moment, too.
                form = (await client.get(f"{HERE}/new?type=SlowQueue")).text
                assert "<img" not in form
                return '<option value="mail">' in form

            await wait_until_async(suggested, 5, "names of queues")
            assert '<option value="v7">' in (await client.get(f"{HERE}/new?type=StrandedVersion")).text

    run(body)


def test_a_rule_that_fires_is_first_and_its_history_tells_what_became_of_each_message(run: Run) -> None:
    async def body(scene: Served) -> None:
        targets = scene.conductor.operations.notification_targets
        calm, loud = await rule(scene), await rule(scene, "ExecutorLost", threshold=1)
        await targets.create(LOCAL, APPLICATION, name=HOSTILE, url="json://127.0.0.1:9/none")
        await fired(scene, loud, f"{HOSTILE} was lost", secs_ago=120)
        await resolve(scene, loud)
        await fired(scene, loud, "Again")
        messages: list[DeliveryRecord] = []
        for each in await alerts(scene).list(await scene.application_id(), limit=9):
            messages += each.deliveries
        for message in messages:
            if message.channel == "target":
                await alerts(scene).give_up(message, f"{HOSTILE} refused", datetime.now(UTC))
        async with browser(scene) as client:
            shown = await data(client)
            assert [view["id"] for view in shown["rules"]] == [loud.id, calm.id]
            assert [view["message"] for view in shown["rules"]] == ["Again", None]
            # Nobody is connected whom the calm one could be judged by.
            assert [view["judged"] for view in shown["rules"]] == [True, False]
            assert [each["alert"]["resolved_at"] is None for each in shown["history"]] == [True, False]
            assert shown["newest"] == [shown["history"][0]["alert"]["id"]]
            page = (await client.get(HERE)).text
            assert "<img" not in page
            assert page.count("Given up") == 3
            assert "refused" in page
            assert "2 min" in re.sub(r"<[^>]+>", "", page)
            assert "Not judged" in page
            only = await data(client, f"{HERE}?rule={calm.id}")
            assert only["history"] == []
            assert "This rule has not fired" in (await client.get(f"{HERE}?rule={calm.id}")).text
            confirm = (await client.get(f"{HERE}/rules/{loud.id}/delete")).text
            assert "fires now" in confirm
            await posted(client, f"{HERE}/rules/{loud.id}/delete")
            left = await data(client)
            assert left["newest"] == []
            assert [each["alert"]["resolved_at"] is None for each in left["history"]] == [False, False]

    run(body)


def test_history_has_pages(run: Run) -> None:
    async def body(scene: Served) -> None:
        record = await rule(scene)
        for number in range(52):
            await fired(scene, record, f"firing {number}", secs_ago=100 - number)
        async with browser(scene) as client:
            first, second = await data(client), await data(client, f"{HERE}?page=2")
            assert len(first["history"]) == 50
            assert [each["alert"]["message"] for each in second["history"]] == ["firing 1", "firing 0"]
            page = (await client.get(HERE)).text
            assert 'rel="next"' in page
            # It goes on, but only the newest firing is what people are to look at.
            assert page.count("Fired again") == 49
            last = (await client.get(f"{HERE}?page=2")).text
            assert 'rel="prev"' in last
            assert 'rel="next"' not in last
            assert "There are no more" in (await client.get(f"{HERE}?page=3")).text

    run(body)


def test_a_target_is_added_tested_and_deleted_and_its_address_stays_hidden(run: Run) -> None:
    async def body(scene: Served) -> None:
        async with browser(scene) as client:
            with inbox() as box:
                refused = await posted(client, f"{HERE}/targets/new", name="", url="no address")
                assert refused.status_code == 422
                assert 'id="name-fault"' in refused.text
                assert 'id="url-fault"' in refused.text
                assert 'value="no address"' in refused.text
                made = await posted(client, f"{HERE}/targets/new", name="ops", url=box.url)
                assert made.status_code == 303
                taken = await posted(client, f"{HERE}/targets/new", name="ops", url=box.url)
                assert taken.status_code == 422
                assert 'id="name-fault"' in taken.text
                (target,) = (await data(client))["targets"]
                page = (await client.get(HERE)).text
                assert "json://127.0.0.1/***" in page
                assert PASSWORD not in page
                assert TOKEN not in page
                test = f"{HERE}/targets/{target['id']}/test"
                assert (await posted(client, test)).headers["location"] == HERE
                assert [message["title"] for message in box.messages] == ["Test: shop"]
                assert "Sent a test to ops, and the service took it." in (await client.get(HERE)).text
                box.status = 500
                failed = await posted(client, test)
                assert failed.status_code == 502
                assert "The test did not reach ops" in failed.text
                assert "answered 500" in failed.text
                assert PASSWORD not in failed.text
            delete = f"{HERE}/targets/{target['id']}/delete"
            assert "Stop telling" in (await client.get(delete)).text
            assert (await posted(client, delete)).status_code == 303
            assert (await data(client))["targets"] == []
            for path in (test, delete):
                assert (await posted(client, path)).status_code == 404

    run(body)


def test_examples_of_addresses_are_understood() -> None:
    async def body() -> list[str]:
        notifier = Notifier()
        return [example.url for example in EXAMPLES if not await notifier.check(example.url)]

    assert asyncio.run(body()) == []


def test_who_may_only_look_is_told_why_buttons_are_off(run: Run) -> None:
    async def body(scene: Served) -> None:
        record = await rule(scene)
        await scene.conductor.operations.notification_targets.create(
            LOCAL, APPLICATION, name="ops", url="json://127.0.0.1:9/none"
        )
        key = await scene.key("application.read")
        async with browser(scene) as client:
            client.headers["Authorization"] = f"Bearer {key}"
            page = (await client.get(HERE)).text
            assert "application.write is missing" in page
            for part in (f"{record.id}/delete", f"{record.id}/change", "/targets/new", "/test"):
                assert part not in page
            kept = await client.get(f"{HERE}/rules/{record.id}/change")
            assert "application.write is missing" in kept.text
            delete = await posted(client, f"{HERE}/rules/{record.id}/delete")
            assert delete.status_code == 403

    run(body)


def test_an_application_out_of_reach_is_not_named(run: Run) -> None:
    async def body(scene: Served) -> None:
        await scene.application_id("bank")
        record = await scene.conductor.operations.alerting_rules.create(
            LOCAL,
            APPLICATION,
            rule_type="ExecutorLost",
            rule_metadata={"threshold": 2},
            receiving_application_name="bank",
        )
        key = await scene.key("application.read", "application.write", apps=(APPLICATION,))
        async with browser(scene) as client:
            client.headers["Authorization"] = f"Bearer {key}"
            page = (await client.get(HERE)).text
            assert "bank" not in page
            assert "out of your reach" in page
            change = f"{HERE}/rules/{record.id}/change"
            form = (await client.get(change)).text
            assert "bank" not in form
            assert "Choose an application" in form
            assert "shop itself" not in form
            # Saving says who is told from then on, so it takes a choice.
            lost = {"threshold": "2", "period_secs": "5", "period_secs_unit": "60"}
            kept = {**lost, "min_interval": "5", "min_interval_unit": "60"}
            refused = await posted(client, change, receiver="", **kept)
            assert refused.status_code == 422
            assert 'id="receiver-fault"' in refused.text
            assert (await data(client))["rules"][0]["receiver"] is None

    run(body)
