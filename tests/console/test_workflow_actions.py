"""Doing something to one workflow: what is asked, what the executor is told, and what is said afterwards."""

import re
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import pytest
from console.bookshop import PAGE, Scene, play, step, text_of, workflow
from support.served import APPLICATION

from conductor_lite.console.workflow.deeds import LABELS, Kind, deeds, why_not
from conductor_lite.console.workflow.facts import facts
from conductor_lite.protocol import (
    ApplicationVersionRecord,
    Cancel,
    CancelReply,
    Delete,
    DeleteReply,
    ExportWorkflow,
    ExportWorkflowReply,
    ForkFromFailure,
    ForkFromFailureReply,
    ForkWorkflow,
    ForkWorkflowReply,
    ListApplicationVersions,
    ListApplicationVersionsReply,
    ListQueues,
    ListQueuesReply,
    QueueRecord,
    Restart,
    RestartReply,
    Resume,
    ResumeReply,
)


def possible(status: str) -> set[Kind]:
    known = facts(workflow(status=status, completed_at_epoch_ms=None))
    return {kind for kind in LABELS if not why_not(kind, known)}


@pytest.mark.parametrize(
    ("status", "kinds"),
    [
        ("PENDING", {"cancel"}),
        ("ENQUEUED", {"cancel", "resume", "delete"}),
        ("DELAYED", {"cancel", "resume", "delete"}),
        ("SUCCESS", {"delete"}),
        ("ERROR", {"fork-from-failure", "delete"}),
        ("CANCELLED", {"resume", "delete"}),
        ("MAX_RECOVERY_ATTEMPTS_EXCEEDED", {"resume", "fork-from-failure", "delete"}),
    ],
)
def test_what_makes_sense_depends_on_the_status(status: str, kinds: set[Kind]) -> None:
    assert possible(status) == kinds | {"restart", "fork", "export"}


def test_buttons_tell_the_weightiest_reason_why_they_cannot_be_pressed() -> None:
    known = facts(workflow())

    def reasons(inert: str, away: str, *, private: bool) -> dict[Kind, str]:
        found = deeds(known, lambda kind: f"/{kind}", inert, away, private_mode=private)
        return {deed.kind: deed.inert_reason for deed in found}

    assert reasons("", "", private=False) == {
        **dict.fromkeys(("restart", "fork", "export", "delete"), ""),
        "cancel": "It has ended; there is nothing to cancel.",
        "resume": "It has ended by itself and cannot go on. Restart it, or fork it from a step.",
        "fork-from-failure": "It has not failed; fork it from a step instead.",
    }
    # Who may only look may export all the same.
    assert reasons("no", "", private=False) == {**dict.fromkeys(LABELS, "no"), "export": ""}
    assert reasons("no", "away", private=True)["export"] == "away"
    assert "private mode" in reasons("", "", private=True)["export"]


def sent(scene: Scene, kind: type[Any]) -> list[Any]:
    return [request for request in scene.shop.executor.requests if isinstance(request, kind)]


def prepare(scene: Scene) -> None:
    executor = scene.shop.executor
    executor.answers(Cancel, CancelReply(success=True))
    executor.answers(Resume, ResumeReply(success=True))
    executor.answers(Delete, DeleteReply(success=True))
    executor.answers(Restart, RestartReply(success=True))
    executor.answers(ForkFromFailure, ForkFromFailureReply(forked_workflow_ids=["new-9"]))
    executor.answers(
        ListQueues, ListQueuesReply(queues=[QueueRecord(name="parcels"), QueueRecord(name="_dbos")])
    )
    versions = [
        ApplicationVersionRecord(version_name=name, version_timestamp_epoch_ms=int(name))
        for name in ("1", "9")
    ]
    executor.answers(ListApplicationVersions, ListApplicationVersionsReply(versions=versions))

    async def fork(request: ForkWorkflow) -> ForkWorkflowReply:
        return ForkWorkflowReply(new_workflow_id=request.body.new_workflow_id)

    executor.on(ForkWorkflow, fork)
    scene.shop.steps["order-7"] = [step(1), step(2, output=None, error="no"), step(3, "ship")]


async def follow(scene: Scene, answer: httpx.Response) -> str:
    """The page that an answer leads to, with the word that it carries."""
    assert answer.status_code == 303, answer.text
    return await scene.reader.page(answer.headers["location"])


def test_cancel_asks_about_children_and_says_what_it_did(tmp_path: Path) -> None:
    async def body(scene: Scene) -> None:
        prepare(scene)
        scene.shop.holds(workflow(status="PENDING", completed_at_epoch_ms=None))
        page = text_of(await scene.reader.page(f"{PAGE}/cancel"))
        assert "Cancel this workflow?" in page
        assert "A step in progress runs to its end" in page
        assert "as well" not in page
        scene.shop.holds(
            workflow("c-1", parent_workflow_id="order-7"), workflow("c-2", parent_workflow_id="order-7")
        )
        assert "Cancel its 2 children as well" in text_of(await scene.reader.page(f"{PAGE}/cancel"))
        page = text_of(await follow(scene, await scene.reader.send(f"{PAGE}/cancel", {"children": "yes"})))
        assert "Cancelled order-7 and its children." in page
        assert [(request.workflow_id, request.cancel_children) for request in sent(scene, Cancel)] == [
            ("order-7", True)
        ]
        await scene.reader.send(f"{PAGE}/cancel", {})
        assert sent(scene, Cancel)[-1].cancel_children is False

    play(tmp_path, body)


def test_what_no_longer_makes_sense_is_not_done(tmp_path: Path) -> None:
    async def body(scene: Scene) -> None:
        prepare(scene)
        scene.shop.holds(workflow())
        answer = await scene.reader.send(f"{PAGE}/cancel", {})
        assert answer.status_code == 422
        assert "It has ended; there is nothing to cancel." in text_of(answer.text)
        assert not sent(scene, Cancel)
        scene.shop.workflows.clear()
        await scene.reader.page(f"{PAGE}/cancel", 404)

    play(tmp_path, body)


def test_resume_takes_a_queue(tmp_path: Path) -> None:
    async def body(scene: Scene) -> None:
        prepare(scene)
        # Resuming is for executors of the latest version, which here is the one that runs.
        latest = ApplicationVersionRecord(version_name="1", version_timestamp_epoch_ms=1)
        scene.shop.executor.answers(ListApplicationVersions, ListApplicationVersionsReply(versions=[latest]))
        scene.shop.holds(workflow(status="CANCELLED"))
        html = await scene.reader.page(f"{PAGE}/resume")
        assert '<option value="parcels">' in html
        assert "_dbos" not in html
        page = text_of(
            await follow(scene, await scene.reader.send(f"{PAGE}/resume", {"queue_name": "parcels"}))
        )
        assert "Resumed order-7 on queue parcels" in page
        await scene.reader.send(f"{PAGE}/resume", {"queue_name": ""})
        assert [request.queue_name for request in sent(scene, Resume)] == ["parcels", None]

    play(tmp_path, body)


def test_restart_links_to_the_workflow_that_it_started(tmp_path: Path) -> None:
    async def body(scene: Scene) -> None:
        prepare(scene)
        scene.shop.holds(workflow(), workflow("new-1", forked_from="order-7", status="PENDING"))
        html = await follow(scene, await scene.reader.send(f"{PAGE}/restart", {}))
        assert "Started order-7 anew, under a new id." in text_of(html)
        assert '<a href="/apps/shop/workflows/new-1">Open new-1</a>' in html
        # Go's SDK knows no such message; then it is forked from the beginning, under an id of ours.
        scene.shop.executor.answers(
            Restart, RestartReply(success=False, error_message="Unknown message type")
        )
        await scene.reader.send(f"{PAGE}/restart", {})
        assert sent(scene, ForkWorkflow)[0].body.start_step == 0

    play(tmp_path, body)


def test_a_form_sent_twice_is_done_once_and_says_so(tmp_path: Path) -> None:
    async def body(scene: Scene) -> None:
        prepare(scene)
        scene.shop.holds(workflow(status="ERROR"))
        html = await scene.reader.page(f"{PAGE}/restart")
        [token] = re.findall(r'name="once" value="([^"]+)"', html)
        for times in (1, 2):
            html = await follow(scene, await scene.reader.send(f"{PAGE}/restart", {"once": token}))
            assert "Started order-7 anew, under a new id." in text_of(html)
            assert ("it was done once" in text_of(html)) == (times == 2)
        [fork] = sent(scene, ForkWorkflow)
        assert f'href="/apps/shop/workflows/{fork.body.new_workflow_id}"' in html
        # Filled in otherwise, the same form means something else; what failed may be tried again.
        fields = {"start_step": "1", "once": token}
        for step_number in ("1", "2", "2"):
            await scene.reader.send(f"{PAGE}/fork", {**fields, "start_step": step_number})
        assert [each.body.start_step for each in sent(scene, ForkWorkflow)] == [0, 1, 2]
        refusal = ForkFromFailureReply(error_message="ValueError: not now")
        for reply, status in ((refusal, 422), (ForkFromFailureReply(forked_workflow_ids=["new-9"]), 303)):
            scene.shop.executor.answers(ForkFromFailure, reply)
            answer = await scene.reader.send(f"{PAGE}/fork-from-failure", {"once": token})
            assert answer.status_code == status
            assert (f'name="once" value="{token}"' in answer.text) == (status == 422)

    play(tmp_path, body)


def test_fork_names_the_steps_and_begins_at_the_one_that_was_chosen(tmp_path: Path) -> None:
    async def body(scene: Scene) -> None:
        prepare(scene)
        scene.shop.holds(workflow(status="ERROR", application_version="0.9"))
        html = await scene.reader.page(f"{PAGE}/fork")
        # Where nothing is chosen, the step that failed is meant.
        assert re.findall(r'<option value="(\d)" selected>([^<]*)', html) == [
            ("2", "2 · charge_card · failed")
        ]
        assert '<option value="3">3 · ship</option>' in html
        # One that nobody runs would wait for ever.
        assert "No executor that is connected runs 0.9" in text_of(html)
        assert 'name="application_version" value="1"' in html
        html = await scene.reader.page(f"{PAGE}/fork?step=3")
        assert re.findall(r'<option value="(\d)" selected>', html) == ["3"]
        fields = {
            "start_step": "3",
            "application_version": "1",
            "queue_name": "parcels",
            "queue_partition_key": "eu",
            "new_workflow_id": "order 7/again",
        }
        answer = await scene.reader.send(f"{PAGE}/fork", fields)
        html = await follow(scene, answer)
        assert "Forked order-7 from step 3." in text_of(html)
        assert 'href="/apps/shop/workflows/~?id=order+7%2Fagain">Open order 7/again</a>' in html
        forked = sent(scene, ForkWorkflow)[0].body
        assert (forked.start_step, forked.application_version, forked.queue_name) == (3, "1", "parcels")
        assert (forked.queue_partition_key, forked.new_workflow_id) == ("eu", "order 7/again")
        # An id of ours where none is given; the version is the SDK's choice.
        await scene.reader.send(f"{PAGE}/fork", {"start_step": "1"})
        forked = sent(scene, ForkWorkflow)[1].body
        assert forked.new_workflow_id
        assert forked.application_version is None

    play(tmp_path, body)


def test_a_fork_that_cannot_be_keeps_what_was_typed(tmp_path: Path) -> None:
    async def body(scene: Scene) -> None:
        prepare(scene)
        scene.shop.holds(workflow())
        fields = {"start_step": "minus one", "queue_name": "parcels", "new_workflow_id": "mine"}
        answer = await scene.reader.send(f"{PAGE}/fork", fields)
        assert answer.status_code == 422
        assert "a whole number from 0" in text_of(answer.text)
        assert 'value="parcels"' in answer.text
        assert 'value="mine"' in answer.text
        refusal = ForkWorkflowReply(error_message="ValueError: Workflow mine already exists")
        scene.shop.executor.answers(ForkWorkflow, refusal)
        answer = await scene.reader.send(f"{PAGE}/fork", {"start_step": "2", "new_workflow_id": "mine"})
        assert answer.status_code == 422
        assert "Workflow mine already exists" in text_of(answer.text)
        assert 'value="mine"' in answer.text
        assert '<option value="2" selected>' in answer.text

    play(tmp_path, body)


def test_steps_that_are_too_many_for_a_list_are_named_by_number(tmp_path: Path) -> None:
    async def body(scene: Scene) -> None:
        prepare(scene)
        scene.shop.holds(workflow())
        scene.shop.steps["order-7"] = [step(number) for number in range(1, 700)]
        html = await scene.reader.page(f"{PAGE}/fork?step=650")
        assert "<select" not in html
        assert re.search(r'name="start_step" type="number"[^>]*value="650"', html)
        scene.shop.steps["order-7"] = []
        page = text_of(await scene.reader.page(f"{PAGE}/fork"))
        assert "It has not recorded a step" in page

    play(tmp_path, body)


def test_fork_from_failure_says_where_it_went_or_that_the_sdk_cannot(tmp_path: Path) -> None:
    async def body(scene: Scene) -> None:
        prepare(scene)
        scene.shop.holds(workflow(status="ERROR", error="no", output=None))
        answer = await scene.reader.send(f"{PAGE}/fork-from-failure", {"application_version": "2"})
        html = await follow(scene, answer)
        assert 'href="/apps/shop/workflows/new-9">Open new-9</a>' in html
        asked = sent(scene, ForkFromFailure)[0].body
        assert (asked.workflow_ids, asked.from_last_failure, asked.application_version) == (
            ["order-7"],
            True,
            "2",
        )
        await scene.reader.send(f"{PAGE}/fork-from-failure", {})
        assert sent(scene, ForkFromFailure)[1].body.application_version is None
        reply = ForkFromFailureReply(error_message="Unknown message type")
        scene.shop.executor.answers(ForkFromFailure, reply)
        answer = await scene.reader.send(f"{PAGE}/fork-from-failure", {"queue_name": "parcels"})
        assert answer.status_code == 422
        assert "does not know the message fork_from_failure" in text_of(answer.text)
        assert 'value="parcels"' in answer.text

    play(tmp_path, body)


def test_delete_warns_and_goes_to_the_list(tmp_path: Path) -> None:
    async def body(scene: Scene) -> None:
        prepare(scene)
        scene.shop.holds(workflow(status="ENQUEUED"), workflow("c-1", parent_workflow_id="order-7"))
        page = text_of(await scene.reader.page(f"{PAGE}/delete"))
        assert "It has not ended: it will never run." in page
        assert "Delete its 1 child as well" in page
        answer = await scene.reader.send(f"{PAGE}/delete", {"children": "yes"})
        assert answer.headers["location"] == f"/apps/{APPLICATION}/workflows"
        assert "Deleted order-7 and its children." in text_of(await follow(scene, answer))
        assert [(request.workflow_id, request.delete_children) for request in sent(scene, Delete)] == [
            ("order-7", True)
        ]

    play(tmp_path, body)


def test_export_is_a_download(tmp_path: Path) -> None:
    async def body(scene: Scene) -> None:
        prepare(scene)
        scene.shop.holds(workflow(), workflow("c-1", parent_workflow_id="order-7"), workflow("a/b"))
        scene.shop.executor.answers(ExportWorkflow, ExportWorkflowReply(serialized_workflow="H4sIAAA="))
        html = await scene.reader.page(f"{PAGE}/export")
        assert "Export its 1 child as well" in text_of(html)
        action = re.search(r'<form method="get" action="([^"]+/export/file)"', html)
        assert action
        answer = await scene.reader.client.get(f"{action[1]}?children=yes")
        assert answer.text == "H4sIAAA="
        assert answer.headers["content-disposition"] == 'attachment; filename="order-7.dbos-export"'
        assert sent(scene, ExportWorkflow)[0].export_children is True
        odd = await scene.reader.page(f"/apps/{APPLICATION}/workflows/~/export?id=a%2Fb")
        assert '<input type="hidden" name="id" value="a/b">' in odd
        scene.shop.holds(workflow(long := "x" * 3_000))
        longer = await scene.reader.page(f"/apps/{APPLICATION}/workflows/~/export?id={long}")
        assert f'name="id" value="{long}">' in longer
        await scene.reader.client.get(f"/apps/{APPLICATION}/workflows/~/export/file?id=a%2Fb")
        assert sent(scene, ExportWorkflow)[1].workflow_id == "a/b"

    play(tmp_path, body)


def test_who_may_only_look_is_told_so_and_can_do_nothing(tmp_path: Path) -> None:
    async def body(scene: Scene) -> None:
        prepare(scene)
        scene.shop.holds(workflow(status="PENDING", completed_at_epoch_ms=None))
        key = await scene.served.key("application.read")
        token = re.search(r'name="csrf_token" value="([^"]+)"', await scene.reader.page(f"{PAGE}/cancel"))
        assert token
        scene.reader.client.headers["Authorization"] = f"Bearer {key}"
        html = await scene.reader.page(PAGE)
        assert text_of(html).count("application.write is missing") >= 6
        assert f'href="{PAGE}/cancel"' not in html
        assert f'href="{PAGE}/fork?step=' not in html
        assert f'href="{PAGE}/export"' in html
        fields = {"csrf_token": unescape(token[1])}
        answer = await scene.reader.client.post(
            f"{PAGE}/cancel", data=fields, headers={"Accept": "text/html"}
        )
        assert answer.status_code == 403
        assert not sent(scene, Cancel)

    play(tmp_path, body)


def test_scripts_are_told_where_to_go_and_what_to_say(tmp_path: Path) -> None:
    async def body(scene: Scene) -> None:
        prepare(scene)
        scene.shop.holds(workflow("a/b"), workflow("c/d"))
        scene.shop.steps["a/b"] = [step(1)]
        here = f"/apps/{APPLICATION}/workflows/~/fork?id=a%2Fb"
        page = f"http://x/apps/{APPLICATION}/workflows/~?id=a%2Fb"
        script = {"HX-Request": "true", "HX-Current-URL": page}
        fields = {"start_step": "1", "new_workflow_id": "c/d"}
        told = (await scene.reader.send(here, fields, **script)).json()
        assert told["stays"] is True
        assert told["text"] == "Forked a/b from step 1."
        assert (told["link"], told["link_text"]) == ("/apps/shop/workflows/~?id=c%2Fd", "Open c/d")
        # Two workflows whose ids stand in the query have the same path, yet are two pages.
        script["HX-Current-URL"] = page.replace("a%2Fb", "c%2Fd")
        assert (await scene.reader.send(here, fields, **script)).json()["stays"] is False

    play(tmp_path, body)
