"""Workflows, steps and children on a time axis, whatever their records lack."""

import gzip
import json
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conductor_lite.console.timeline.timeline import MAX_LEVELS, Branch, Span, Timeline, build
from conductor_lite.console.timeline.wire import NONE, rows, to_wire
from conductor_lite.protocol import StepRecord, WorkflowRecord

HERE = Path(__file__).parent
FIXTURES = Path(__file__).parents[1] / "protocol" / "fixtures"
T0 = 1_795_446_818_000
NOW = T0 + 100_000


def _workflow(workflow_id: str = "order-1", status: str = "PENDING", **fields: Any) -> WorkflowRecord:
    fields.setdefault("created_at_epoch_ms", T0)
    fields.setdefault("workflow_name", "order")
    return WorkflowRecord(workflow_id=workflow_id, status=status, **fields)


def _step(
    number: int, name: str, start: int | None = None, end: int | None = None, **fields: Any
) -> StepRecord:
    return StepRecord(
        function_id=number,
        function_name=name,
        started_at_epoch_ms=None if start is None else T0 + start,
        completed_at_epoch_ms=None if end is None else T0 + end,
        **fields,
    )


def _told(spans: tuple[Span, ...]) -> list[tuple[int, str, str, str, int, int | None]]:
    return [
        (
            span.depth,
            span.label,
            span.kind,
            span.status,
            span.start_epoch_ms - T0,
            None if span.end_epoch_ms is None else span.end_epoch_ms - T0,
        )
        for span in spans
    ]


def _build(
    workflow: WorkflowRecord, *steps: StepRecord, children: dict[str, Branch] | None = None, now: int = NOW
) -> Timeline:
    timeline = build(workflow, steps, children or {}, now)
    _assert_sound(timeline)
    return timeline


def _assert_sound(timeline: Timeline) -> None:
    """What the scripts and templates rely on, whatever the records say."""
    for place, span in enumerate(timeline.spans):
        assert span.id == place
        assert timeline.start_epoch_ms <= span.start_epoch_ms
        assert span.end_epoch_ms is None or (
            span.start_epoch_ms <= span.end_epoch_ms <= timeline.end_epoch_ms
        )
        if span.parent is None:
            assert place == span.depth == 0
        else:
            parent = timeline.spans[span.parent]
            assert parent.id < span.id
            assert parent.depth == span.depth - 1
            assert parent.foldable
    parents = {span.parent for span in timeline.spans}
    assert {span.id for span in timeline.spans if span.foldable} == parents - {None}


def test_child_stands_under_the_step_that_started_it_and_the_wait_for_it_stands_apart() -> None:
    child = Branch(
        workflow=_workflow(
            "order-1-2",
            "SUCCESS",
            workflow_name="ship",
            created_at_epoch_ms=T0 + 30,
            completed_at_epoch_ms=T0 + 80,
        ),
        steps=[_step(1, "pack", 35, 60)],
    )
    timeline = _build(
        _workflow(status="SUCCESS", completed_at_epoch_ms=T0 + 95),
        _step(3, "DBOS.getResult", 41, 90, child_workflow_id="order-1-2"),
        _step(1, "charge", 5, 20),
        _step(2, "ship", 30, 40, child_workflow_id="order-1-2"),
        children={"order-1-2": child},
    )
    assert _told(timeline.spans) == [
        (0, "order", "workflow", "succeeded", 0, 95),
        (1, "charge", "step", "succeeded", 5, 20),
        (1, "ship", "child", "succeeded", 30, 80),
        (2, "pack", "step", "succeeded", 35, 60),
        (1, "DBOS.getResult", "wait", "succeeded", 41, 90),
    ]
    assert [span.workflow_id for span in timeline.spans] == [
        "order-1",
        "order-1",
        "order-1-2",
        "order-1-2",
        "order-1",
    ]
    assert [span.function_id for span in timeline.spans] == [None, 1, 2, 1, 3]
    assert not timeline.live
    assert not timeline.untimed
    assert not timeline.incomplete
    assert (timeline.start_epoch_ms, timeline.end_epoch_ms) == (T0, T0 + 95)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        # Delayed, then queued, then at work.
        (
            {
                "status": "PENDING",
                "queue_name": "mail",
                "delay_until_epoch_ms": T0 + 50,
                "dequeued_at_epoch_ms": T0 + 70,
            },
            [("Delay", "delay", "succeeded", 0, 50), ("Queue mail", "queue", "succeeded", 50, 70)],
        ),
        # Still delayed, until a time that is yet to come.
        (
            {"status": "DELAYED", "queue_name": "mail", "delay_until_epoch_ms": NOW + 10**9},
            [("Delay", "delay", "delayed", 0, None)],
        ),
        # Cancelled while it was delayed.
        (
            {
                "status": "CANCELLED",
                "queue_name": "mail",
                "delay_until_epoch_ms": NOW + 10**9,
                "completed_at_epoch_ms": T0 + 40,
            },
            [("Delay", "delay", "cancelled", 0, 40)],
        ),
        ({"status": "ENQUEUED", "queue_name": "mail"}, [("Queue mail", "queue", "waiting", 0, None)]),
        # Cancelled before it ever began.
        (
            {"status": "CANCELLED", "queue_name": "mail", "completed_at_epoch_ms": T0 + 40},
            [("Queue mail", "queue", "cancelled", 0, 40)],
        ),
        # Never queued; and an SDK that does not say when it was dequeued.
        ({"status": "PENDING"}, []),
        ({"status": "PENDING", "queue_name": "mail"}, []),
        # Dequeued before it was created: two clocks.
        ({"status": "PENDING", "queue_name": "mail", "dequeued_at_epoch_ms": T0 - 5}, []),
    ],
)
def test_waiting_is_told_apart_from_work(
    fields: dict[str, Any], expected: list[tuple[str, str, str, int, int | None]]
) -> None:
    timeline = _build(_workflow(**fields))
    assert [told[1:] for told in _told(timeline.spans)[1:]] == expected


def test_recovered_workflow_waits_again_after_its_last_step() -> None:
    timeline = _build(_workflow(status="ENQUEUED", queue_name="q"), _step(1, "charge", 5, 20))
    assert _told(timeline.spans)[1] == (1, "Queue q", "queue", "waiting", 20, None)


def test_recovered_workflow_tells_of_no_queue_wait_that_nobody_measured() -> None:
    # It was dequeued anew long after its first steps; when it was the first time is no longer on record.
    again = _workflow(queue_name="q", dequeued_at_epoch_ms=T0 + 5_000)
    timeline = _build(again, _step(1, "charge", 5, 20), _step(2, "mail", 5_010, 5_020))
    assert [span.kind for span in timeline.spans] == ["workflow", "step", "step"]


@pytest.mark.parametrize(
    ("output", "completed", "status", "end"),
    [
        # Python writes seconds, the others milliseconds; newer ones also the time of waking as the end.
        (str((T0 + 9_000) / 1000), 100, "succeeded", 9_000),
        (str(T0 + 9_000), 9_000, "succeeded", 9_000),
        (str(T0 + 500_000), 100, "waiting", None),
        (str(T0 + 500_000), 500_000, "waiting", None),
        (None, 9_000, "succeeded", 9_000),
        (None, 500_000, "waiting", None),
        ("soon", 100, "succeeded", 100),
        ("nan", 100, "succeeded", 100),
    ],
)
def test_sleep_lasts_until_it_wakes(output: str | None, completed: int, status: str, end: int | None) -> None:
    timeline = _build(_workflow(), _step(1, "DBOS.sleep", 100, completed, output=output))
    assert _told(timeline.spans)[1] == (1, "DBOS.sleep", "sleep", status, 100, end)


def test_sleep_ends_with_its_workflow() -> None:
    workflow = _workflow(status="CANCELLED", completed_at_epoch_ms=T0 + 300)
    timeline = _build(workflow, _step(1, "DBOS.sleep", 100, 100, output=str(T0 + 50_000)))
    assert _told(timeline.spans)[1] == (1, "DBOS.sleep", "sleep", "cancelled", 100, 300)


def test_sleep_is_not_cut_short_by_an_end_in_whole_seconds() -> None:
    # As SQLite has it: the workflow ended at some time in that second.
    workflow = _workflow(status="SUCCESS", completed_at_epoch_ms=T0 + 2_000)
    timeline = _build(workflow, _step(1, "DBOS.sleep", 2_100, 2_150, output=str(T0 + 2_150)))
    assert _told(timeline.spans)[1] == (1, "DBOS.sleep", "sleep", "succeeded", 2_100, 2_150)
    assert timeline.spans[0].end_epoch_ms == T0 + 2_150


def test_timeout_of_a_wait_is_no_sleep() -> None:
    timeline = _build(
        _workflow(),
        _step(1, "DBOS.recv", 10, 4_000),
        _step(2, "DBOS.sleep", 10, 10, output=str(T0 + 60_000)),
        _step(3, "DBOS.sleep", 4_010, 4_010, output=str(T0 + 5_000)),
    )
    assert [(s.kind, s.note) for s in timeline.spans[1:]] == [
        ("wait", ""),
        ("internal", "timeout of DBOS.recv"),
        ("sleep", ""),
    ]


def test_wait_that_is_not_over_shows_by_its_timeout() -> None:
    # The wait has number 2 and will be recorded once it is over; its timeout has number 3.
    timeline = _build(
        _workflow(), _step(1, "charge", 5, 20), _step(3, "DBOS.sleep", 30, 30, output=str(T0 + 10**7))
    )
    assert _told(timeline.spans)[2] == (1, "DBOS.sleep", "wait", "waiting", 30, None)
    assert timeline.spans[2].note == "waits for a message or an event"
    assert timeline.spans[2].until_epoch_ms == T0 + 10**7
    assert timeline.live


def test_only_a_step_whose_sdk_gave_up_was_retried_and_one_that_its_workflow_ran_again_was_repeated() -> None:
    timeline = _build(
        _workflow(status="ERROR", completed_at_epoch_ms=T0 + 900),
        _step(1, "charge", 0, 10, error="declined"),
        _step(2, "DBOS.sleep", 10, 20, output=str(T0 + 20)),
        _step(3, "charge", 20, 30, output="ok"),
        # Side by side, so that neither is a try of the other.
        _step(4, "mail", 40, 90, error="no route"),
        _step(5, "mail", 41, 60, output="ok"),
        _step(6, "ship", 100, 800, error="DBOS Error 7: Step ship has exceeded its maximum of 3 retries"),
        # As TypeScript writes it, and run again by the workflow besides.
        _step(7, "label", 800, 810, error='{"message":"Step label has exceeded its maximum of 2 retries"}'),
        _step(8, "label", 820, 830, output="ok"),
        # Quotes what became of another one.
        _step(9, "notify", 830, 840, error="lost: Step ship has exceeded its maximum of 3 retries"),
    )
    assert [(s.label, s.status, s.note) for s in timeline.spans[1:]] == [
        ("charge", "repeated", "the workflow ran it again"),
        ("DBOS.sleep", "succeeded", ""),
        ("charge", "succeeded", ""),
        ("mail", "failed", ""),
        ("mail", "succeeded", ""),
        ("ship", "failed", "retried up to its maximum of 3"),
        ("label", "repeated", "retried up to its maximum of 2, the workflow ran it again"),
        ("label", "succeeded", ""),
        ("notify", "failed", ""),
    ]
    assert to_wire(timeline).retries == {6: 3, 7: 2}


def test_steps_without_times_keep_their_order_between_those_that_have_some() -> None:
    timeline = _build(
        _workflow(status="SUCCESS", completed_at_epoch_ms=T0 + 100),
        _step(1, "a"),
        _step(2, "b"),
        _step(3, "c", 40, 60),
        _step(4, "d"),
    )
    assert [told[4:] for told in _told(timeline.spans)[1:]] == [(0, 20), (20, 40), (40, 60), (60, 100)]
    assert [span.timed for span in timeline.spans] == [True, False, False, True, False]
    assert timeline.untimed


def test_clocks_that_disagree_break_nothing() -> None:
    child = Branch(
        workflow=_workflow("c", "SUCCESS", created_at_epoch_ms=T0 - 40, completed_at_epoch_ms=T0 - 60),
        steps=[_step(0, "early", -80, -90)],
    )
    timeline = _build(
        _workflow(status="SUCCESS", completed_at_epoch_ms=T0 - 5),
        _step(0, "order", 10, 5, child_workflow_id="c"),
        _step(1, "later", 10**12, 10**13),
        children={"c": child},
    )
    assert _told(timeline.spans)[1:4] == [
        (1, "order", "child", "succeeded", -40, -40),
        (2, "early", "step", "succeeded", -80, -80),
        (1, "later", "step", "succeeded", 10, 10),
    ]
    assert timeline.start_epoch_ms == T0 - 80


def test_fork_does_not_stretch_back_to_the_steps_of_its_origin() -> None:
    timeline = _build(
        _workflow(forked_from="order-0"),
        _step(1, "charge", -86_400_000, -86_399_000),
        _step(2, "ship", 50, 60),
    )
    assert _told(timeline.spans)[1] == (1, "charge", "step", "succeeded", 0, 0)
    assert timeline.spans[1].note == "taken over from order-0"
    assert timeline.start_epoch_ms == T0


def test_children_are_laid_out_six_levels_deep_and_once() -> None:
    def branch(level: int) -> Branch:
        # The last one starts the first again.
        step = _step(1, "next", 1, 2, child_workflow_id=f"w{(level + 1) % 9}")
        return Branch(workflow=_workflow(f"w{level}"), steps=[step])

    children = {f"w{level}": branch(level) for level in range(9)}
    deep = _build(_workflow("w0"), *children["w0"].steps, children=children)
    assert max(span.depth for span in deep.spans) == MAX_LEVELS + 1
    assert deep.spans[-1].note == "not loaded"
    assert deep.incomplete

    ring = {"w1": Branch(workflow=_workflow("w1"), steps=[_step(1, "back", 1, 2, child_workflow_id="w0")])}
    timeline = _build(_workflow("w0"), _step(1, "w1", 1, 2, child_workflow_id="w1"), children=ring)
    assert timeline.spans[-1].note == "shown above"
    assert not timeline.incomplete


def test_children_that_are_gone_or_not_fetched_say_so() -> None:
    timeline = _build(
        _workflow(),
        _step(1, "a", 1, 2, child_workflow_id="gone"),
        _step(2, "b", 1, 2, child_workflow_id="unknown"),
        children={"gone": Branch(workflow=None)},
    )
    assert [span.note for span in timeline.spans[1:]] == ["no longer on record", "not loaded"]
    assert timeline.incomplete


def test_too_many_spans_are_cut_and_told() -> None:
    steps = [_step(number, "s", number, number) for number in range(20_500)]
    timeline = _build(_workflow(), *steps)
    assert len(timeline.spans) == 20_000
    assert timeline.incomplete


@pytest.mark.parametrize("sdk", ["python", "typescript", "go", "java", "older"])
def test_recorded_workflows_of_every_sdk_are_laid_out(sdk: str) -> None:
    pairs = json.loads((FIXTURES / f"{sdk}.json").read_text())["pairs"]
    workflow = msgspec.convert(pairs["list_workflows"][0]["reply"]["output"][0], WorkflowRecord, strict=False)
    steps = msgspec.convert(pairs["list_steps"][0]["reply"]["output"], list[StepRecord], strict=False)
    timeline = _build(workflow, *steps, now=T0 + 10_000_000)
    labels = [span.label for span in timeline.spans if span.function_id is not None]
    assert labels == [step.function_name for step in steps]


def test_real_workflow_of_python_tells_its_sleeps_and_waits() -> None:
    # As dbos 2.31.1 on SQLite recorded it: children direct and queued, a sleep, waits that ran out, a step
    # that failed for good, and a wait that goes on. Times of workflows are whole seconds there.
    recorded = json.loads((HERE / "fixtures" / "python_waits.json").read_text())

    def branch(part: dict[str, Any]) -> Branch:
        return Branch(
            workflow=msgspec.convert(part["workflow"], WorkflowRecord, strict=False),
            steps=msgspec.convert(part["steps"], list[StepRecord], strict=False),
        )

    root = branch(recorded)
    children = {child["workflow"]["WorkflowUUID"]: branch(child) for child in recorded["children"]}
    assert root.workflow is not None
    began = root.workflow.created_at_epoch_ms or 0
    timeline = build(root.workflow, root.steps, children, began + 6_000)
    _assert_sound(timeline)
    assert [(span.depth, span.label, span.kind, span.status) for span in timeline.spans] == [
        (0, "parent", "workflow", "running"),
        (1, "charge", "step", "succeeded"),
        (1, "child", "child", "succeeded"),
        (2, "charge", "step", "succeeded"),
        (1, "DBOS.getResult", "wait", "succeeded"),
        (1, "child", "child", "succeeded"),
        (2, "Queue belt", "queue", "succeeded"),
        (2, "charge", "step", "succeeded"),
        (1, "DBOS.getResult", "wait", "succeeded"),
        (1, "DBOS.sleep", "sleep", "succeeded"),
        (1, "DBOS.recv", "wait", "succeeded"),
        (1, "DBOS.sleep", "internal", "succeeded"),
        (1, "DBOS.getEvent", "wait", "succeeded"),
        (1, "DBOS.sleep", "internal", "succeeded"),
        (1, "DBOS.setEvent", "internal", "succeeded"),
        (1, "flaky", "step", "failed"),
        (1, "DBOS.sleep", "wait", "waiting"),
    ]
    sleep = timeline.spans[9]
    assert sleep.end_epoch_ms is not None
    assert 290 <= sleep.end_epoch_ms - sleep.start_epoch_ms <= 310
    child = timeline.spans[2]
    # Its end on record is before its only step ended.
    assert child.end_epoch_ms == timeline.spans[3].end_epoch_ms
    assert timeline.live


epochs = st.one_of(st.none(), st.integers(T0 - 1000, NOW + 1000), st.integers(-(10**30), 10**30))
names = st.sampled_from(["a", "b", "DBOS.sleep", "DBOS.recv", "DBOS.getResult", "DBOS.setEvent", ""])
ids = st.sampled_from(["w0", "w1", "w2", "w3", ""])
step_records = st.builds(
    StepRecord,
    function_id=st.integers(-3, 12),
    function_name=names,
    output=st.one_of(st.none(), st.sampled_from([str(T0 + 5), str(T0 / 1000), "inf", "x"])),
    error=st.one_of(st.none(), st.just("boom")),
    child_workflow_id=st.one_of(st.none(), ids),
    started_at_epoch_ms=epochs,
    completed_at_epoch_ms=epochs,
)
workflow_records = st.builds(
    WorkflowRecord,
    workflow_id=ids,
    status=st.sampled_from(["PENDING", "ENQUEUED", "DELAYED", "SUCCESS", "ERROR", "CANCELLED", "NEW", None]),
    workflow_name=st.one_of(st.none(), names),
    queue_name=st.one_of(st.none(), st.just("q")),
    created_at_epoch_ms=epochs,
    updated_at_epoch_ms=epochs,
    completed_at_epoch_ms=epochs,
    dequeued_at_epoch_ms=epochs,
    delay_until_epoch_ms=epochs,
    forked_from=st.one_of(st.none(), st.just("w9")),
)
branches = st.builds(
    Branch, workflow=st.one_of(st.none(), workflow_records), steps=st.lists(step_records, max_size=6)
)


@given(workflow_records, st.lists(step_records, max_size=8), st.dictionaries(ids, branches))
@settings(deadline=None, max_examples=200)
def test_whatever_records_say_the_timeline_is_sound(
    workflow: WorkflowRecord, steps: list[StepRecord], children: dict[str, Branch]
) -> None:
    _build(workflow, *steps, children=children)


def test_columns_and_rows_tell_what_the_spans_tell() -> None:
    timeline = _build(
        _workflow(),
        _step(1, "charge", 5, 20),
        _step(2, "mail"),
        _step(3, "DBOS.sleep", 30, 30, output=str(NOW * 2)),
    )
    wire = to_wire(timeline)
    spans = [
        (
            wire.labels[wire.label[place]],
            wire.kinds[wire.kind[place]],
            wire.statuses[wire.status[place]],
            wire.workflows[wire.workflow[place]],
            None if wire.parent[place] == NONE else wire.parent[place],
            None if wire.step[place] == NONE else wire.step[place],
            wire.start + wire.begin[place],
            None if wire.duration[place] == NONE else wire.start + wire.begin[place] + wire.duration[place],
            place not in wire.guessed,
            wire.notes.get(place, ""),
        )
        for place in range(len(wire.depth))
    ]
    assert spans == [
        (
            s.label,
            s.kind,
            s.status,
            s.workflow_id,
            s.parent,
            s.function_id,
            s.start_epoch_ms,
            s.end_epoch_ms,
            s.timed,
            s.note,
        )
        for s in timeline.spans
    ]
    shown, paging = rows(timeline, 1)
    assert [(row.label, row.kind, row.duration_ms, row.running) for row in shown] == [
        ("order", "workflow", None, True),
        ("charge", "step", 15, False),
        ("mail", "step", None, False),
        ("DBOS.sleep", "sleep", None, True),
    ]
    assert shown[2].start_epoch_ms is None
    assert paging.total == 4


def test_five_thousand_steps_are_quick_to_lay_out_and_small_to_send() -> None:
    steps = [
        _step(
            number, f"step {number % 12}", number * 37 + number % 23, number * 37 + 30 + number * 7919 % 997
        )
        for number in range(5_000)
    ]
    workflow = _workflow()
    fastest = float("inf")
    for _ in range(5):
        began = time.process_time()
        body = msgspec.json.encode(to_wire(build(workflow, steps, {}, T0 + 10_000_000)))
        fastest = min(fastest, time.process_time() - began)
    assert len(gzip.compress(body)) < 60_000
    # Measured at 10 ms; the bound is for slower machines.
    assert fastest < 0.1
