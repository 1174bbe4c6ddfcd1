"""Which messages there are, how a request is paired with its reply, and which fields are always sent."""

import inspect
import json

import pytest

from conductor_lite import protocol
from conductor_lite.protocol import (
    REQUEST_TYPES,
    Cancel,
    ExecutorInfoReply,
    ForkBody,
    ForkWorkflow,
    GetMetrics,
    GetWorkflow,
    ListQueues,
    ListWorkflows,
    Recovery,
    RecoveryReply,
    Reply,
    Request,
    Retention,
    RetentionBody,
    SuccessReply,
    WorkflowFilters,
    decode_request,
    encode,
    message_type,
    reply_type,
)

MESSAGES = [
    "executor_info",
    "recovery",
    "exist_pending_workflows",
    "list_workflows",
    "list_queued_workflows",
    "get_workflow",
    "list_steps",
    "get_workflow_events",
    "get_workflow_notifications",
    "get_workflow_streams",
    "cancel",
    "resume",
    "delete",
    "restart",
    "fork_workflow",
    "fork_from_failure",
    "export_workflow",
    "import_workflow",
    "list_queues",
    "get_queue",
    "list_schedules",
    "get_schedule",
    "pause_schedule",
    "resume_schedule",
    "trigger_schedule",
    "backfill_schedule",
    "list_application_versions",
    "set_latest_application_version",
    "get_metrics",
    "get_workflow_aggregates",
    "get_step_aggregates",
    "retention",
    "alert",
]


def sent(request: Request[Reply]) -> object:
    return json.loads(encode(request, "id-1"))


def test_every_message_of_the_protocol_has_a_request():
    assert sorted(REQUEST_TYPES) == sorted(MESSAGES)


@pytest.mark.parametrize("type_", MESSAGES)
def test_every_request_declares_the_reply_of_its_own_type(type_, pairs):
    recorded = next(pair.request for pair in pairs if pair.type == type_)
    request, _ = decode_request(json.dumps(recorded))
    reply = reply_type(request)
    assert message_type(reply) == message_type(type(request)) == type_
    assert reply.__name__ == f"{type(request).__name__}Reply"


@pytest.mark.parametrize("type_", MESSAGES)
def test_every_reply_can_be_nothing_but_an_error(type_):
    reply = getattr(protocol, f"{REQUEST_TYPES[type_].__name__}Reply")
    assert reply(error_message="no").error_message == "no"


def test_every_public_class_is_exported():
    modules = (protocol.bodies, protocol.records, protocol.replies, protocol.requests)
    for module in modules:
        for name, value in vars(module).items():
            if inspect.isclass(value) and value.__module__ == module.__name__:
                assert name in protocol.__all__


def test_a_class_without_a_message_of_its_own_has_no_type():
    with pytest.raises(TypeError, match="SuccessReply is a base class"):
        message_type(SuccessReply)


def test_a_request_that_declares_no_reply_is_a_programming_error():
    class Orphan(Request, tag="orphan", frozen=True):
        pass

    with pytest.raises(TypeError, match="Orphan does not say which reply"):
        reply_type(Orphan())


def test_the_reply_type_of_an_instance_is_its_class():
    assert reply_type(Recovery(executor_ids=[])) is RecoveryReply


def test_filters_left_alone_are_not_sent():
    assert sent(ListWorkflows()) == {"type": "list_workflows", "request_id": "id-1", "body": {}}
    assert sent(ListQueues()) == {"type": "list_queues", "request_id": "id-1", "body": {}}
    assert sent(
        ListWorkflows(body=WorkflowFilters(status="ERROR", workflow_ids=["a"], load_input=False))
    ) == {
        "type": "list_workflows",
        "request_id": "id-1",
        "body": {"status": "ERROR", "workflow_uuids": ["a"], "load_input": False},
    }


def test_a_filter_is_one_text_or_a_list():
    filters = WorkflowFilters(status=["ERROR", "PENDING"], queue_name="mail")
    assert sent(ListWorkflows(body=filters))["body"] == {"status": ["ERROR", "PENDING"], "queue_name": "mail"}


def test_a_fork_names_the_new_id_and_the_version_even_when_null():
    assert sent(ForkWorkflow(body=ForkBody(workflow_id="w", start_step=2)))["body"] == {
        "workflow_id": "w",
        "start_step": 2,
        "new_workflow_id": None,
        "application_version": None,
    }


def test_retention_names_all_four_limits_even_when_null():
    assert sent(Retention(body=RetentionBody(gc_rows_threshold=10)))["body"] == {
        "gc_cutoff_epoch_ms": None,
        "gc_rows_threshold": 10,
        "gc_batch_size": None,
        "timeout_cutoff_epoch_ms": None,
    }


def test_a_command_on_several_workflows_still_names_the_single_one():
    assert sent(Cancel(workflow_ids=["a", "b"])) == {
        "type": "cancel",
        "request_id": "id-1",
        "workflow_id": "",
        "workflow_ids": ["a", "b"],
        "cancel_children": False,
    }


def test_switches_whose_default_is_on_are_sent_so_that_every_sdk_reads_them_alike():
    assert sent(GetWorkflow(workflow_id="w"))["load_input"] is True
    assert sent(GetMetrics(start_time="a", end_time="b")) == {
        "type": "get_metrics",
        "request_id": "id-1",
        "start_time": "a",
        "end_time": "b",
        "metric_class": "workflow_step_count",
    }


def test_messages_are_immutable():
    with pytest.raises(AttributeError):
        ExecutorInfoReply().executor_id = "x"
