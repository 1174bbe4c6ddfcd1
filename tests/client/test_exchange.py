"""From calls to requests and from responses to results: no network needed."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import msgspec
import pytest

from conductor_lite import errors
from conductor_lite.api.problems import PROBLEM_TYPES, problem_from_error
from conductor_lite.api.schemas.audit import AuditQuery
from conductor_lite.api.schemas.workflow_actions import DeleteQuery, ForkWorkflowInputBody
from conductor_lite.api.schemas.workflow_search import WorkflowSearchBody
from conductor_lite.client import ApiError, UnexpectedAnswerError, calls
from conductor_lite.client.errors import TooManyRequestsError
from conductor_lite.client.exchange import Answer, Attempts, RetryPolicy, decode, encode

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def problem(status: int, **members: Any) -> Answer:
    content = msgspec.json.encode({"title": "T", "status": status, "detail": "What happened.", **members})
    return Answer(status, {"x-request-id": "r-1"}, content)


def test_names_stand_in_the_path_percent_encoded() -> None:
    request = encode(calls.get_workflow("shop", "a/b ?#%é{orgName}"), "local")
    assert request.path == "/v2/orgs/local/apps/shop/workflows/a%2Fb%20%3F%23%25%C3%A9%7BorgName%7D"
    assert request.content is None


@pytest.mark.parametrize("dots", [".", ".."])
def test_a_name_of_dots_cannot_climb_the_path(dots: str) -> None:
    request = encode(calls.delete_workflow("shop", dots), "local")
    assert request.path.endswith("/workflows/" + "%2E" * len(dots))


def test_an_empty_name_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(errors.InvalidError) as caught:
        encode(calls.delete_workflow("shop", ""), "local")
    assert caught.value.errors[0].location == "path.workflowId"


def test_query_is_written_as_the_api_reads_it() -> None:
    assert encode(calls.delete_workflow("shop", "x", DeleteQuery(delete_children=True)), "local").query == (
        ("deleteChildren", "true"),
    )
    query = dict(encode(calls.list_audit_logs(AuditQuery(start_time=NOW, limit=7)), "local").query)
    assert query == {"startTime": "2026-01-02T03:04:05Z", "limit": "7", "offset": "0"}


def test_body_holds_what_was_given_and_nothing_else() -> None:
    request = encode(
        calls.search_workflows("shop", WorkflowSearchBody(status=["ERROR"], start_time=NOW)), "o"
    )
    assert request.headers == {"Content-Type": "application/json"}
    assert msgspec.json.decode(request.content or b"") == {
        "status": ["ERROR"],
        "startTime": "2026-01-02T03:04:05Z",
    }
    assert request.path.startswith("/v2/orgs/o/")


def test_optional_body_that_is_left_out_is_not_sent() -> None:
    request = encode(calls.fork_workflow("shop", "x"), "local")
    assert (request.content, request.headers.keys()) == (None, {"Idempotency-Key"})
    request = encode(calls.fork_workflow("shop", "x", ForkWorkflowInputBody(start_step=2)), "local")
    assert request.content == b'{"startStep":2}'


def test_answer_becomes_the_result() -> None:
    versions = decode(
        calls.list_app_versions("shop"),
        Answer(
            200,
            {},
            b'[{"versionId":"1","versionName":"v","versionTimestamp":null,"createdAt":null,"newer":1}]',
        ),
    )
    assert [version.version_name for version in versions] == ["v"]
    assert decode(calls.delete_app("shop"), Answer(204, {}, b"")) is None


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.InvalidError),
        (401, errors.UnauthenticatedError),
        (403, errors.ForbiddenError),
        (404, errors.NotFoundError),
        (409, errors.ConflictError),
        (413, errors.InvalidError),
        (422, errors.InvalidError),
        (429, TooManyRequestsError),
        (500, ApiError),
        (501, errors.UnsupportedMessageError),
        (502, errors.DispatchError),
        (503, errors.NoHealthyExecutorError),
        (504, errors.DeadlineExceededError),
    ],
)
def test_a_problem_is_raised_as_the_exception_that_the_server_had(
    status: int, kind: type[errors.ConductorError]
) -> None:
    with pytest.raises(kind, match=r"^What happened\.$") as caught:
        decode(calls.get_app("shop"), problem(status))
    assert isinstance(caught.value, ApiError)
    assert (caught.value.status, caught.value.request_id) == (status, "r-1")


@pytest.mark.parametrize(("error", "type_"), PROBLEM_TYPES.items())
def test_problems_of_one_status_are_told_apart(error: type[errors.ConductorError], type_: str) -> None:
    arguments = ("x", "report") if error is errors.ExecutorReportedError else ("x",)
    response = problem_from_error(error(*arguments))
    assert msgspec.json.decode(response.body)["type"] == type_
    with pytest.raises(error, match=r"^x$"):
        decode(calls.get_app("shop"), Answer(response.status_code, {}, response.body))


def test_every_fault_of_a_request_is_told() -> None:
    fault = {"location": "body.limit", "message": "expected a number", "value": "x"}
    with pytest.raises(errors.InvalidError) as caught:
        decode(calls.get_app("shop"), problem(422, errors=[fault]))
    assert caught.value.errors == (
        errors.FieldError(location="body.limit", message="expected a number", value="x"),
    )


def test_what_an_executor_reported_is_kept_whole() -> None:
    with pytest.raises(errors.ExecutorReportedError) as caught:
        decode(calls.get_app("shop"), problem(502, report="Traceback …\nBoom"))
    assert caught.value.report == "Traceback …\nBoom"


@pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b"\xff", b'{"detail":7}'])
def test_an_error_that_is_no_problem_is_told_by_its_status(content: bytes) -> None:
    with pytest.raises(errors.UnreachableError, match="on the way to the server answered 502 Bad Gateway"):
        decode(calls.get_app("shop"), Answer(502, {}, content))
    with pytest.raises(ApiError, match="The server answered 500 Internal Server Error"):
        decode(calls.get_app("shop"), Answer(500, {}, content))


@pytest.mark.parametrize(
    "answer",
    [Answer(200, {}, b"<html>"), Answer(200, {}, b"{}"), Answer(200, {}, b"\xff"), Answer(302, {}, b"")],
)
def test_what_is_no_answer_of_this_api_is_said_to_be_none(answer: Answer) -> None:
    with pytest.raises(UnexpectedAnswerError, match="getApp"):
        decode(calls.get_app("shop"), answer)


def busy(retry_after: str, status: int = 503) -> Answer:
    return Answer(status, {"retry-after": retry_after}, b"")


def test_a_call_is_repeated_when_the_server_says_when_and_not_for_ever() -> None:
    attempts = Attempts(calls.list_apps(), RetryPolicy(attempts=3))
    assert attempts.pause_secs(busy("5"), NOW) == 5
    assert attempts.pause_secs(busy("0", 429), NOW) == 0
    assert attempts.pause_secs(busy("5"), NOW) is None


def test_retry_after_may_be_a_date() -> None:
    in_seven = format_datetime(NOW + timedelta(seconds=7), usegmt=True)
    assert Attempts(calls.list_apps(), RetryPolicy()).pause_secs(busy(in_seven), NOW) == 7
    past = format_datetime(NOW - timedelta(seconds=7), usegmt=True)
    assert Attempts(calls.list_apps(), RetryPolicy()).pause_secs(busy(past), NOW) == 0


@pytest.mark.parametrize(
    "answer", [busy(""), busy("soon"), busy("-1"), busy("31"), busy("5", 500), Answer(200, {}, b"[]")]
)
def test_without_a_sensible_word_from_the_server_nothing_is_repeated(answer: Answer) -> None:
    assert Attempts(calls.list_apps(), RetryPolicy()).pause_secs(answer, NOW) is None


def test_what_makes_something_new_is_repeated_with_a_key_only() -> None:
    assert Attempts(calls.rewind_workflow("shop", "x"), RetryPolicy()).pause_secs(busy("1"), NOW) is None
    assert Attempts(calls.restart_workflow("shop", "x"), RetryPolicy()).pause_secs(busy("1"), NOW) == 1
    assert Attempts(calls.search_workflows("shop"), RetryPolicy()).pause_secs(busy("1"), NOW) == 1
