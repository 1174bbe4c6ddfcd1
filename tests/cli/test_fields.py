"""Options that come from the API's own Structs, and the times that people write."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec
import pytest
import typer
from typer.testing import CliRunner

from conductor_lite.api.schemas.applications import PatchAppInputBody
from conductor_lite.api.schemas.audit import AuditQuery
from conductor_lite.api.schemas.autoscaling import RolloutPolicy
from conductor_lite.api.schemas.definitions import BackfillInputBody, ScheduleListQuery
from conductor_lite.api.schemas.metrics import ChartQuery, RangeQuery
from conductor_lite.api.schemas.workflow_actions import DeleteQuery, ForkWorkflowInputBody
from conductor_lite.api.schemas.workflow_search import WorkflowSearchBody
from conductor_lite.cli.commands import spelled_out
from conductor_lite.cli.fields import Given, options_of, parse_moment

STRUCTS: list[Any] = [
    AuditQuery,
    BackfillInputBody,
    ChartQuery,
    DeleteQuery,
    ForkWorkflowInputBody,
    PatchAppInputBody,
    RangeQuery,
    RolloutPolicy,
    ScheduleListQuery,
    WorkflowSearchBody,
]


def parsed(struct: Any, *arguments: str, given: Given | None = None) -> Any:
    """What a command with such a parameter is called with; the exit status where it is not called."""
    found: list[Any] = []

    def command(value: Any) -> None:
        found.append(value)

    command.__annotations__["value"] = Annotated[struct, given or Given()]
    app = typer.Typer(rich_markup_mode=None)
    app.command()(spelled_out(command))
    result = CliRunner().invoke(app, list(arguments))
    return found[0] if found else result.exit_code


@pytest.mark.parametrize("struct", STRUCTS)
def test_every_field_of_the_api_is_an_option_of_the_same_name(struct: Any) -> None:
    declared = [option.default.param_decls[0].split("/")[0] for option in options_of(struct, Given())]
    assert declared == [f"--{field.name.replace('_', '-')}" for field in msgspec.structs.fields(struct)]


def test_what_is_not_given_is_not_sent() -> None:
    assert parsed(WorkflowSearchBody) == WorkflowSearchBody()
    assert parsed(DeleteQuery) == DeleteQuery()


def test_each_kind_of_field_is_read() -> None:
    found = parsed(
        WorkflowSearchBody,
        *("--status", "ERROR", "--status", "PENDING", "--has-parent", "--no-was-forked-from"),
        *("--attributes", '{"tenant": 7}', "--limit", "0", "--completed-after", "2026-01-02T03:04:05+01:00"),
    )
    assert found == WorkflowSearchBody(
        status=["ERROR", "PENDING"],
        has_parent=True,
        was_forked_from=False,
        attributes={"tenant": 7},
        limit=0,
        completed_after=datetime(2026, 1, 2, 2, 4, 5, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("--limit", "-1"),
        ("--limit", "many"),
        ("--start-time", "yesterday"),
        ("--start-time", "2026-01-02"),
        ("--start-time", "2026-01-02T03:04:05"),
        ("--attributes", "[]"),
        ("--attributes", "{"),
        ("--no-such-filter", "x"),
    ],
)
def test_what_no_filter_takes_is_wrong_usage(arguments: tuple[str, str]) -> None:
    assert parsed(WorkflowSearchBody, *arguments) == 2


def test_what_the_api_requires_is_required_unless_the_command_has_a_default() -> None:
    assert parsed(RangeQuery, "--start-time", "1h") == 2
    found = parsed(RangeQuery, given=Given(defaults={"start_time": "1h", "end_time": "now"}))
    assert found.end_time - found.start_time == pytest.approx(timedelta(hours=1), abs=timedelta(seconds=5))


@pytest.mark.parametrize(
    ("text", "ago"),
    [
        ("now", timedelta()),
        ("0s", timedelta()),
        ("90s", timedelta(seconds=90)),
        ("30m", timedelta(minutes=30)),
        ("2h", timedelta(hours=2)),
        ("7d", timedelta(days=7)),
        ("1w", timedelta(weeks=1)),
    ],
)
def test_a_time_may_be_how_long_ago_it_was(text: str, ago: timedelta) -> None:
    assert datetime.now(UTC) - parse_moment(text) == pytest.approx(ago, abs=timedelta(seconds=5))


@pytest.mark.parametrize(
    "text", ["", "h", "-2h", "2y", "2 h", "1.5h", "99999999999w", "2026-13-01T00:00:00Z"]
)
def test_what_is_no_time_is_said_to_be_none(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="not a time"):
        parse_moment(text)
