"""Notification targets, alerts and retention over HTTP; and that no address is ever shown again."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from support.api import Api
from support.inbox import PASSWORD, TOKEN, inbox

from conductor_lite.auth.actor import local_actor
from conductor_lite.operations.applications import ApplicationChanges
from conductor_lite.store.alert_records import AlertText
from conductor_lite.store.alerts import Alerts

APP = "/v2/orgs/local/apps/shop"
TARGETS = f"{APP}/notification-targets"
NOW = datetime(2026, 1, 1, tzinfo=UTC)

Run = Callable[..., Any]


async def _prepare(api: Api) -> None:
    await api.client.put(APP)


def test_target_is_made_listed_tested_and_deleted_and_its_address_stays_hidden(run: Run) -> None:
    async def body(api: Api) -> None:
        await _prepare(api)
        with inbox() as box:
            made = await api.client.post(TARGETS, json={"name": "ops", "url": box.url})
            assert made.status_code == 201
            target = made.json()
            assert target["url"] == "json://127.0.0.1/***"
            listed = await api.client.get(TARGETS)
            assert listed.json() == [target]
            tested = await api.client.post(f"{TARGETS}/{target['id']}/test")
            assert tested.status_code == 204
            assert [message["title"] for message in box.messages] == ["Test: shop"]
            box.status = 500
            refused = await api.client.post(f"{TARGETS}/{target['id']}/test")
            assert refused.status_code == 502
            assert "answered 500" in refused.json()["detail"]
        assert (await api.client.delete(f"{TARGETS}/{target['id']}")).status_code == 204
        assert (await api.client.delete(f"{TARGETS}/{target['id']}")).status_code == 404
        assert (await api.client.post(f"{TARGETS}/{target['id']}/test")).status_code == 404
        audit = repr(await api.operations.audit.list(local_actor(None)))
        for text in (made.text, listed.text, tested.text, refused.text, audit):
            assert PASSWORD not in text
            assert TOKEN not in text

    run(body)


def test_address_that_is_refused_is_not_repeated(run: Run) -> None:
    async def body(api: Api) -> None:
        await _prepare(api)
        for url in (f"nosuch://{PASSWORD}/{TOKEN}", f"{PASSWORD} {TOKEN}"):
            answer = await api.client.post(TARGETS, json={"name": "", "url": url})
            assert answer.status_code == 422
            assert [error["location"] for error in answer.json()["errors"]] == ["body.name", "body.url"]
            audit = repr(await api.operations.audit.list(local_actor(None)))
            assert PASSWORD not in answer.text + audit
            assert TOKEN not in answer.text + audit

    run(body)


def test_address_of_the_wrong_type_or_beside_a_fault_is_not_repeated(run: Run) -> None:
    async def body(api: Api) -> None:
        await _prepare(api)
        for given in (
            {"name": "ops", "url": [PASSWORD]},
            {"name": 5, "url": f"json://{PASSWORD}"},
            {"name": "ops", "urls": PASSWORD},
        ):
            answer = await api.client.post(TARGETS, json=given)
            assert answer.status_code == 422
            assert PASSWORD not in answer.text

    run(body)


def test_name_that_is_taken_is_a_conflict_without_the_address(run: Run) -> None:
    async def body(api: Api) -> None:
        await _prepare(api)
        given = {"name": "ops", "url": f"json://user:{PASSWORD}@localhost/{TOKEN}"}
        assert (await api.client.post(TARGETS, json=given)).status_code == 201
        answer = await api.client.post(TARGETS, json=given)
        assert answer.status_code == 409
        assert PASSWORD not in answer.text

    run(body)


def test_alerts_are_listed_with_what_became_of_their_messages(run: Run) -> None:
    async def body(api: Api) -> None:
        await _prepare(api)
        alerts = Alerts(api.conductor.db)
        rule = await api.operations.alerting_rules.create(
            local_actor(None), "shop", rule_type="SlowQueue", rule_metadata={"threshold_secs": 30}
        )
        for number in range(3):
            text = AlertText(name="SlowQueue", message=f"number {number}", metadata={"queue_name": "*"})
            await alerts.fire(rule, text, receiving_application_name="shop", now=NOW)
        (newest,) = (await api.client.get(f"{APP}/alerts", params={"limit": 1})).json()
        assert newest["message"] == "number 2"
        assert newest["firedAt"] == "2026-01-01T00:00:00.000Z"
        assert newest["resolvedAt"] is None
        # The first message has not arrived yet, and says as much.
        assert newest["deliveries"] == []
        oldest = (await api.client.get(f"{APP}/alerts", params={"offset": 2})).json()[0]
        (delivery,) = oldest["deliveries"]
        assert (delivery["channel"], delivery["kind"]) == ("handler", "fired")
        assert (delivery["receiverName"], delivery["state"]) == ("shop", "pending")
        assert (await api.client.get(f"{APP}/alerts", params={"limit": 0})).status_code == 422

    run(body)


def test_our_own_types_of_rules_are_taken(run: Run) -> None:
    async def body(api: Api) -> None:
        await _prepare(api)
        for rule_type, given, expected in (
            ("StrandedVersion", {}, {"application_version": "*"}),
            ("RecoveryFlapping", {"threshold": 3, "periodSecs": 60}, {"threshold": 3, "period_secs": 60}),
            ("ExecutorLost", {}, {"threshold": 1, "period_secs": 300}),
            ("SlowWorkflow", {"thresholdSecs": 9}, {"workflow_name": "*", "threshold_secs": 9}),
            ("ScheduleMissed", {"scheduleName": "x"}, {"schedule_name": "x", "grace_secs": 60}),
        ):
            wanted = {"ruleType": rule_type, "ruleMetadata": given}
            answer = await api.client.post(f"{APP}/alerting-rules", json=wanted)
            assert answer.status_code == 201, answer.text
            assert answer.json()["ruleMetadata"] == expected

    run(body)


def test_retention_without_an_executor_answers_503_and_is_audited(run: Run) -> None:
    async def body(api: Api) -> None:
        await _prepare(api)
        assert (await api.client.get(f"{APP}/retention")).json() == []
        assert (await api.client.post(f"{APP}/retention")).status_code == 503
        assert (await api.client.get(f"{APP}/retention/preview")).status_code == 503
        entries = await api.operations.audit.list(local_actor(None), operation="application.retention")
        assert [entry.status for entry in entries] == ["failure"]
        off = ApplicationChanges(gc_rows_threshold=None)
        await api.operations.applications.update(local_actor(None), "shop", off)
        assert (await api.client.post(f"{APP}/retention")).status_code == 422

    run(body)
