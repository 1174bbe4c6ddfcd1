"""``conductor-lite alert``: alerting rules of an application, what fired, and by what people are told."""

import sys
from typing import Annotated

import msgspec
import typer

from conductor_lite.api.schemas.alerting import AlertingRule, CreateAlertInputBody
from conductor_lite.api.schemas.alerts import (
    Alert,
    AlertsQuery,
    CreateNotificationTargetInputBody,
    NotificationTarget,
)
from conductor_lite.cli.bulk import confirm
from conductor_lite.cli.commands import command
from conductor_lite.cli.fields import Given
from conductor_lite.cli.lazy import command_group
from conductor_lite.cli.options import YesOption
from conductor_lite.cli.output import Output, OutputOption, Table, emit, printable, show, to_json
from conductor_lite.cli.session import AppSession
from conductor_lite.client import calls
from conductor_lite.errors import DeliveryError, NoExecutorAnsweredError

app = command_group("Alerting rules, alerts, and whom to tell.")

RuleArgument = Annotated[str, typer.Argument(help="Id of the alerting rule.", metavar="RULE")]
TargetArgument = Annotated[str, typer.Argument(help="Id of the notification target.", metavar="TARGET")]


class RuleMetadata(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a rule watches for; each type has some of these, as docs/alerts.md lists them."""

    workflow_name: str | None = None
    queue_name: str | None = None
    schedule_name: str | None = None
    application_version: str | None = None
    threshold: int | None = None
    threshold_secs: int | None = None
    period_secs: int | None = None
    grace_secs: int | None = None


_SETTINGS = Given(
    helps={
        "workflow_name": "Workflows of this name only",
        "queue_name": "This queue only",
        "schedule_name": "This schedule only",
        "application_version": "This application version only",
        "threshold": "How often it must have happened",
        "threshold_secs": "Seconds after which it has taken too long",
        "period_secs": "Seconds within which it must have happened",
        "grace_secs": "Seconds that a run may be late",
    }
)

_RULES: Table[AlertingRule] = Table(
    lambda rule: rule.id,
    (
        ("ID", lambda rule: rule.id),
        ("TYPE", lambda rule: rule.rule_type),
        ("SETTINGS", lambda rule: _pairs(rule.rule_metadata)),
        ("QUIET", lambda rule: None if rule.min_interval_secs is None else f"{rule.min_interval_secs} s"),
        ("LAST FIRED", lambda rule: rule.last_fired_at),
    ),
    "The application has no alerting rules.",
)
_ALERTS: Table[Alert] = Table(
    lambda alert: alert.id,
    (
        ("ID", lambda alert: alert.id),
        ("FIRED", lambda alert: alert.fired_at),
        ("OVER", lambda alert: alert.resolved_at),
        ("TYPE", lambda alert: alert.rule_type),
        ("TOLD", lambda alert: _told(alert)),
        ("MESSAGE", lambda alert: alert.message),
    ),
    "No alerting rule has fired.",
)
_TARGETS: Table[NotificationTarget] = Table(
    lambda target: target.id,
    (
        ("ID", lambda target: target.id),
        ("NAME", lambda target: target.name),
        ("ADDRESS", lambda target: target.url),
        ("CREATED", lambda target: target.created_at),
    ),
    "Nobody is told: the application has no notification targets.",
)


@command(app, "rules")
def list_rules(session: AppSession, output: OutputOption = Output.TABLE) -> None:
    """List alerting rules."""
    show(session.call(calls.list_alerting_rules), _RULES, output)


@command(app, "create-rule")
def create_rule(
    session: AppSession,
    rule_type: Annotated[
        str, typer.Argument(help="What to watch for, such as WorkflowFailure.", metavar="TYPE")
    ],
    metadata: Annotated[RuleMetadata, _SETTINGS],
    receiver: Annotated[
        str | None,
        typer.Option(
            "--receiver", help="Application whose handler is told.  [default: the same]", metavar="TEXT"
        ),
    ] = None,
    min_interval_secs: Annotated[
        int | None,
        typer.Option(
            "--min-interval-secs",
            help="Seconds that it stays quiet after it fired.  [default: 3600]",
            metavar="NUMBER",
        ),
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Make an alerting rule, and print its id. Which settings a type has, docs/alerts.md lists."""
    body = CreateAlertInputBody(
        rule_type=rule_type,
        rule_metadata=msgspec.to_builtins(metadata),
        receiving_app_name=msgspec.UNSET if receiver is None else receiver,
        min_interval_secs=msgspec.UNSET if min_interval_secs is None else min_interval_secs,
    )
    rule = session.call(lambda application: calls.create_alerting_rule(application, body))
    emit(to_json(rule) if output is Output.JSON else rule.id)


@command(app, "delete-rule")
def delete_rule(session: AppSession, rule: RuleArgument, yes: YesOption = False) -> None:
    """Delete an alerting rule; what it fired stays in the history."""
    confirm(f"Delete the alerting rule {rule}?", yes=yes)
    session.call(lambda application: calls.delete_alerting_rule(application, rule))
    emit(f"The alerting rule {printable(rule)} is deleted.")


@command(app, "history")
def history(
    session: AppSession,
    query: AlertsQuery,
    output: OutputOption = Output.TABLE,
) -> None:
    """List what fired, the newest first, and whether it is over."""
    session.print_pages(lambda application: calls.list_alerts(application, query), _ALERTS, output)


@command(app, "targets")
def list_targets(session: AppSession, output: OutputOption = Output.TABLE) -> None:
    """List whom people are told through. What is secret of an address is left out."""
    show(session.call(calls.list_notification_targets), _TARGETS, output)


@command(app, "add-target")
def add_target(
    session: AppSession,
    name: Annotated[str, typer.Argument(help="What people call it.")],
    url: Annotated[
        str,
        typer.Argument(
            help="Address in Apprise's form, such as slack://…; - reads it from standard input, so that no "
            "shell remembers it.",
            metavar="URL",
        ),
    ],
    output: OutputOption = Output.TABLE,
) -> None:
    """Add somebody to tell of every alert of the application, and print the id."""
    address = sys.stdin.readline().strip() if url == "-" else url
    body = CreateNotificationTargetInputBody(name=name, url=address)
    target = session.call(lambda application: calls.create_notification_target(application, body))
    emit(to_json(target) if output is Output.JSON else target.id)


@command(app, "delete-target")
def delete_target(session: AppSession, target: TargetArgument, yes: YesOption = False) -> None:
    """Delete a notification target, and its address with it."""
    confirm(f"Delete the notification target {target}?", yes=yes)
    session.call(lambda application: calls.delete_notification_target(application, target))
    emit(f"The notification target {printable(target)} is deleted.")


@command(app, "test-target")
def test_target(session: AppSession, target: TargetArgument) -> None:
    """Send a test message, and wait until it is delivered or refused."""
    try:
        session.call(lambda application: calls.test_notification_target(application, target))
    except NoExecutorAnsweredError as error:
        # The same status as that of an executor that is silent, but none was asked.
        raise DeliveryError(str(error)) from None
    emit("The test message is delivered.")


def _pairs(metadata: object) -> str:
    if not isinstance(metadata, dict):
        return ""
    return ", ".join(f"{name}={value}" for name, value in metadata.items())


def _told(alert: Alert) -> str:
    """How far the news is, by state."""
    states = [delivery.state for delivery in alert.deliveries]
    return ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
