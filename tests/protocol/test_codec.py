"""Frames to messages and back: recorded pairs, tolerance of what SDKs send, refusal of the rest."""

import json
import logging
import traceback

import pytest

from conductor_lite.errors import ProtocolError
from conductor_lite.protocol import (
    REQUEST_TYPES,
    Alert,
    Envelope,
    ExecutorInfoReply,
    ExistPendingWorkflowsReply,
    GetWorkflowAggregatesReply,
    GetWorkflowEventsReply,
    GetWorkflowReply,
    GetWorkflowStreamsReply,
    ListQueuesReply,
    ListStepsReply,
    ListWorkflowsReply,
    Recovery,
    RecoveryReply,
    Restart,
    decode_long_reply,
    decode_reply,
    decode_request,
    encode,
    encode_reply,
    encode_unknown_message,
    is_unknown_message,
    read_envelope,
    reply_type,
)
from conductor_lite.protocol.codec import LONG_FRAME_SIZE, RECORDS_IN_A_TURN, SECOND_LOOK_MAX_SIZE


def without_nulls(value):
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


def workflow(**fields):
    frame = json.dumps({"type": "get_workflow", "request_id": "1", "output": fields})
    return decode_reply(GetWorkflowReply, frame).workflow


# Recorded pairs


def test_recorded_request_survives_reading_and_writing(pair):
    if pair.type not in REQUEST_TYPES:
        with pytest.raises(ProtocolError, match="does not know"):
            decode_request(json.dumps(pair.request))
        return
    request, request_id = decode_request(json.dumps(pair.request))
    frame = encode(request, request_id)
    assert decode_request(frame) == (request, request_id)
    # What is there beyond the recording are only defaults that we always say.
    assert json.loads(frame).items() >= {k: v for k, v in pair.request.items() if k != "body"}.items()
    body = json.loads(frame).get("body")
    assert body is None or body.items() >= pair.request.get("body", {}).items()


def test_recorded_reply_survives_reading_and_writing(pair):
    if pair.type not in REQUEST_TYPES:
        assert is_unknown_message(read_envelope(json.dumps(pair.reply)))
        return
    request, request_id = decode_request(json.dumps(pair.request))
    reply = decode_reply(reply_type(request), json.dumps(pair.reply))
    frame = encode_reply(reply, request_id)
    assert decode_reply(reply_type(request), frame) == reply
    if pair.sdk == "python":
        assert json.loads(frame) == pair.reply
    if pair.sdk == "typescript":
        assert without_nulls(json.loads(frame)) == without_nulls(pair.reply)


def test_recorded_envelope_is_read_without_the_message(pair):
    assert read_envelope(json.dumps(pair.reply).encode()) == Envelope(
        type=pair.type, request_id=pair.request["request_id"], error_message=pair.reply.get("error_message")
    )


def test_every_message_was_recorded_from_python_and_in_the_way_of_typescript(pairs):
    for sdk in ("python", "typescript"):
        assert REQUEST_TYPES.keys() <= {pair.type for pair in pairs if pair.sdk == sdk}


# Tolerance


@pytest.mark.parametrize(
    "number",
    [1795328607000, "1795328607000", 1795328607000.0, "1795328607000.0", 1795328607000.75, " 1795328607000 "],
)
def test_a_time_may_be_a_number_or_a_numeric_string(number):
    assert workflow(CreatedAt=number).created_at_epoch_ms == 1795328607000


@pytest.mark.parametrize("text", ["null", "123", "true", "1.5", "", "NaN", "{}", "None", "[]"])
def test_text_stays_text_whatever_it_looks_like(text):
    record = workflow(Output=text, Input=text, Error=text, QueueName=text)
    assert (record.output, record.input, record.error, record.queue_name) == (text,) * 4


@pytest.mark.parametrize("text", ["null", "123", "true", "1.5", ""])
def test_text_stays_text_also_when_the_frame_needed_a_second_look(text):
    record = workflow(Output=text, Input={"raw": text})
    assert (record.output, record.input) == (text, json.dumps({"raw": text}, separators=(",", ":")))


@pytest.mark.parametrize(
    ("value", "text"),
    [({"a": [1, None, "é"]}, '{"a":[1,null,"é"]}'), ([1, 2.5], "[1,2.5]"), (7, "7"), (False, "false")],
)
def test_a_json_value_where_text_is_expected_becomes_json_text(value, text):
    assert workflow(Output=value).output == text
    events = {"type": "get_workflow_events", "events": [{"key": "k", "value": value}]}
    assert decode_reply(GetWorkflowEventsReply, json.dumps(events)).events[0].value == text
    streams = {"type": "get_workflow_streams", "streams": [{"key": "k", "values": ["plain", value, None]}]}
    assert decode_reply(GetWorkflowStreamsReply, json.dumps(streams)).streams[0].values == [
        "plain",
        text,
        "null",
    ]


def test_numbers_in_a_group_become_text():
    frame = '{"output": [{"group": {"time_bucket": 1795328607000, "queue_name": null}, "count": "3"}]}'
    (record,) = decode_reply(GetWorkflowAggregatesReply, frame).aggregates
    assert record.group == {"time_bucket": "1795328607000", "queue_name": None}
    assert record.count == 3


def test_missing_and_unknown_fields_do_no_harm():
    reply = decode_reply(ExecutorInfoReply, '{"type":"executor_info","request_id":"1","colour":{"deep":[1]}}')
    assert reply == ExecutorInfoReply()
    assert workflow(WorkflowUUID="w", Shape="round").workflow_id == "w"


def test_a_null_where_none_is_allowed_counts_as_missing():
    assert decode_reply(ListWorkflowsReply, '{"output": null}').workflows == []
    assert decode_reply(RecoveryReply, '{"success": null}').success is False
    assert (
        decode_reply(ListQueuesReply, '{"output": [{"name": "q", "priority_enabled": null}]}').queues[0].name
        == "q"
    )


def test_no_steps_and_no_such_workflow_are_told_apart():
    assert decode_reply(ListStepsReply, '{"output": null}').steps is None
    assert decode_reply(ListStepsReply, '{"output": []}').steps == []


def test_a_status_that_we_have_never_heard_of_is_kept():
    assert workflow(Status="HIBERNATING").status == "HIBERNATING"


@pytest.mark.parametrize(
    ("escaped", "text"),
    [
        (r"cut \ud83d", "cut \ufffd"),
        (r"\ude00 cut", "\ufffd cut"),
        (r"\ud83d\ud83d\ude00", "\ufffd😀"),
        (r"\ude00\ud83d!", "\ufffd\ufffd!"),
        (r"\\ud83d \ud83d", "\\ud83d \ufffd"),
        (r"\\\ud83d", "\\\ufffd"),
        (r"😀 \ud83d\ude00 \uD800", "😀 😀 \ufffd"),
    ],
)
def test_half_an_emoji_costs_one_character_and_not_the_listing(escaped, text):
    frame = '{"type":"list_workflows","output":[{"Output":"' + escaped + '"}]}'
    assert decode_reply(ListWorkflowsReply, frame).workflows[0].output == text


def test_an_error_stands_beside_fields_that_then_mean_nothing():
    reply = decode_reply(
        ExistPendingWorkflowsReply, '{"exist": false, "error_message": "database is locked"}'
    )
    assert (reply.exist, reply.error_message) == (False, "database is locked")


def test_an_old_sdk_that_lacks_a_message_is_recognised():
    asked = read_envelope(encode(Restart(workflow_id="w"), "9"))
    frame = encode_unknown_message(asked)
    assert json.loads(frame) == {
        "type": "restart",
        "request_id": "9",
        "error_message": "Unknown message type",
    }
    assert is_unknown_message(decode_reply(reply_type(Restart(workflow_id="w")), frame))
    assert is_unknown_message(read_envelope(frame))
    assert not is_unknown_message(RecoveryReply(success=True))
    assert not is_unknown_message(RecoveryReply(error_message="Unknown workflow"))


def test_a_request_id_needs_no_care():
    request = Recovery(executor_ids=["a"])
    for request_id in ('"', "\\", "é", "", "x" * 1000):
        assert decode_request(encode(request, request_id)) == (request, request_id)


# Refusal


@pytest.mark.parametrize(
    ("frame", "trouble"),
    [
        ("", "not valid JSON"),
        ("hello", "not valid JSON"),
        ('{"type":', "not valid JSON"),
        ('{"type":"recovery"} x', "not valid JSON"),
        ('{"success": NaN}', "not valid JSON"),
        ("[]", "got `array`"),
        ("null", "got `null`"),
        ('"text"', "got `str`"),
        (b'{"error_message": "\xff"}', "not valid UTF-8"),
        ('{"error_message": "\ud800"}', "not valid UTF-8"),
        ('{"a":' + "[" * 200_000 + "]" * 200_000 + "}", "nested too deeply"),
        ("[" * 200_000, "nested too deeply"),
        ('{"success": "perhaps"}', "Expected `bool`, got `str` - at `$.success`"),
        ('{"type": "cancel", "success": true}', "not among those allowed"),
    ],
)
def test_what_is_not_a_reply_is_refused_with_the_kind_of_trouble(frame, trouble):
    with pytest.raises(ProtocolError) as caught:
        decode_reply(RecoveryReply, frame)
    assert trouble in str(caught.value)


@pytest.mark.parametrize("number", ["9" * 30, "9" * 5000, "1e400", '"soon"', "[1]", "true"])
def test_a_number_that_no_column_can_hold_is_refused_by_its_place(number):
    frame = '{"output": {"CreatedAt": ' + number + "}}"
    with pytest.raises(ProtocolError, match=r"\$\.output\.CreatedAt|out of range"):
        decode_reply(GetWorkflowReply, frame)


def test_of_a_key_given_twice_the_last_counts():
    assert decode_reply(RecoveryReply, '{"success": false, "success": true}').success is True


def test_a_request_lacking_what_it_cannot_do_without_is_refused():
    with pytest.raises(ProtocolError, match="missing required field `executor_ids`"):
        decode_request('{"type": "recovery", "request_id": "1"}')


def test_a_very_large_frame_gets_no_second_look():
    frame = '{"output": {"Input": {}, "Output": "%s"}}'
    assert decode_reply(GetWorkflowReply, frame % "x").workflow.input == "{}"
    with pytest.raises(ProtocolError, match="Input"):
        decode_reply(GetWorkflowReply, frame % ("x" * SECOND_LOOK_MAX_SIZE))


def test_a_very_large_frame_is_read_all_the_same():
    frame = '{"output": {"Output": "%s"}}' % ("x" * SECOND_LOOK_MAX_SIZE)
    assert len(decode_reply(GetWorkflowReply, frame).workflow.output) == SECOND_LOOK_MAX_SIZE


@pytest.mark.parametrize("metadata", [{"a": "\ud800"}, {"a": object()}])
def test_what_json_has_no_place_for_cannot_be_written(metadata):
    with pytest.raises(ProtocolError, match="cannot be written"):
        encode(Alert(name="n", message="m", metadata=metadata), "1")
    with pytest.raises(ProtocolError, match="cannot be written"):
        encode_reply(ExecutorInfoReply(executor_metadata=metadata), "1")
    with pytest.raises(ProtocolError, match="cannot be written"):
        encode(Recovery(executor_ids=[]), "\ud800")
    with pytest.raises(ProtocolError, match="cannot be written"):
        encode_unknown_message(Envelope(type="\ud800"))


@pytest.mark.parametrize(
    "frame",
    [
        b'{"error_message": "hunter2 \xff"}',
        '{"type": "hunter2"}',
        '{"hunter2": ',
        '{"output": {"CreatedAt": "hunter2"}}',
        '{"output": {"hunter2": 1, "WasForkedFrom": "hunter2"}}',
        '{"output": ["hunter2"]}',
        '{"error_message": "hunter2 \ud800"}',
    ],
)
def test_no_trace_of_the_payload_is_left_in_an_error(frame):
    with pytest.raises(ProtocolError) as caught:
        decode_reply(GetWorkflowReply, frame)
    shown = logging.Formatter().formatException((type(caught.value), caught.value, None))
    assert "hunter2" not in shown + repr(caught.value) + "".join(
        traceback.format_exception(caught.value)[-1:]
    )
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None


# Long lists, read in parts


def read_in_parts(kind, frame):
    """What comes of it, and after how many parts."""
    reading, parts = decode_long_reply(kind, frame), 0
    while True:
        try:
            next(reading)
        except StopIteration as end:
            return end.value, parts
        parts += 1


def long_list(count=3 * RECORDS_IN_A_TURN, **fields):
    rows = [
        {"WorkflowUUID": f"w-{number}", "CreatedAt": str(number), "Input": "x" * 500, **fields}
        for number in range(count)
    ]
    frame = json.dumps({"type": "list_workflows", "request_id": "1", "output": rows})
    assert len(frame) > LONG_FRAME_SIZE
    return frame


def test_a_long_list_is_read_in_parts_and_is_the_same_as_in_one():
    frame = long_list()
    read, parts = read_in_parts(ListWorkflowsReply, frame)
    assert read == decode_reply(ListWorkflowsReply, frame)
    assert read.workflows[-1].created_at_epoch_ms == 3 * RECORDS_IN_A_TURN - 1
    assert parts == 4
    short = json.dumps({"type": "list_workflows", "request_id": "1", "output": []})
    assert read_in_parts(ListWorkflowsReply, short) == (ListWorkflowsReply(), 0)


@pytest.mark.parametrize(
    "fields",
    [{"WorkflowName": 7}, {"Input": "\ud800" + "x" * 500}, {"Status": None, "QueueName": ["a"]}],
    ids=["number", "half a pair", "list"],
)
def test_a_long_list_with_records_that_are_not_quite_right_is_read_as_a_short_one_is(fields):
    frame = long_list(**fields)
    assert read_in_parts(ListWorkflowsReply, frame)[0] == decode_reply(ListWorkflowsReply, frame)


def test_a_long_error_and_a_long_list_that_is_none_are_told_as_short_ones_are():
    error = json.dumps({"type": "list_workflows", "output": None, "error_message": "x" * LONG_FRAME_SIZE})
    assert read_in_parts(ListWorkflowsReply, error)[0].error_message == "x" * LONG_FRAME_SIZE
    for wrong in (long_list().replace('"Input"', '"Input', 1), '{"output": [' + "[" * LONG_FRAME_SIZE):
        with pytest.raises(ProtocolError) as expected:
            decode_reply(ListWorkflowsReply, wrong)
        with pytest.raises(ProtocolError) as raised:
            read_in_parts(ListWorkflowsReply, wrong)
        assert str(raised.value) == str(expected.value)
