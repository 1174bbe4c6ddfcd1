"""The page of an application's alerts: its rules, who is told, and every firing with what became of it.

Making and deleting rules and targets is in ``alerts/rules`` and ``alerts/targets``.
"""

from datetime import datetime

import msgspec
from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from conductor_lite.auth.actor import Actor
from conductor_lite.console.alerts.kinds import KINDS, in_words, span_in_words
from conductor_lite.console.frame import frame
from conductor_lite.console.rendering import Page
from conductor_lite.console.site import Site
from conductor_lite.console.snippets import alert_handlers
from conductor_lite.console.tables import Paging, page_number
from conductor_lite.console.urls import app_url
from conductor_lite.operations.alerting_rules import (
    DEFAULT_MIN_INTERVAL_SECS,
    AlertingRuleRecord,
    RuleMetadata,
)
from conductor_lite.operations.alerts import AlertHistory, AlertRecord
from conductor_lite.operations.applications import Application
from conductor_lite.operations.notification_targets import NotificationTarget
from conductor_lite.operations.topics import application_topic

#: Seconds between two looks: how a message fares is told by no topic.
_POLL_SECS = 5.0
FIRINGS_PER_PAGE = 50
STYLES = ("alerts.css",)


class RuleView(msgspec.Struct, frozen=True, kw_only=True):
    """A rule as it is shown."""

    id: str
    rule_type: str
    title: str
    #: When it fires, in a few words.
    words: str
    rule_metadata: RuleMetadata
    #: The application whose handler is told; None when that is out of the reader's reach.
    receiver: str | None
    #: Seconds that it stays quiet after firing.
    quiet_secs: int
    quiet_words: str
    last_fired_at: datetime | None
    #: What it tells while it fires; None when it does not.
    message: str | None
    #: Whether it can be judged now: some rules ask an executor.
    judged: bool
    declared: bool


class AlertsView(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the page shows."""

    #: Those that fire first, then the oldest first.
    rules: tuple[RuleView, ...]
    targets: tuple[NotificationTarget, ...]
    #: Firings, newest first, and which part of them this is.
    history: tuple[AlertHistory, ...]
    paging: Paging
    #: Numbers of the firings whose condition holds and which no later one of the same rule has followed.
    newest: tuple[int, ...]


class AlertsPage:
    """Shows alerts."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[BaseRoute]:
        """Its routes."""
        return [Route("/apps/{name}/alerts", self._site.shows(self.show), methods=["GET"])]

    async def show(self, request: Request, actor: Actor) -> Page:
        """The page; ``?rule=`` narrows the firings to those of one rule, ``?page=`` leafs through them."""
        operations = self._site.operations
        applications = await operations.applications.list(actor)
        application = await operations.applications.get(actor, request.path_params["name"])
        name = application.record.name
        firing = await operations.alerts.firing(actor, name)
        names = {other.record.id: other.record.name for other in applications}
        rules = [
            rule_view(rule, application, names, firing.get(rule.id))
            for rule in await operations.alerting_rules.list(actor, name)
        ]
        rules.sort(key=lambda rule: rule.message is None)
        filters = {"rule": request.query_params.get("rule", "")}
        number = page_number(request.query_params)
        history = await operations.alerts.list(
            actor,
            name,
            limit=FIRINGS_PER_PAGE + 1,
            offset=(number - 1) * FIRINGS_PER_PAGE,
            rule_id=filters["rule"] or None,
        )
        return Page(
            template="alerts.html",
            title=f"Alerts of {name}",
            section="home",
            path=app_url(name, "alerts"),
            topics=(application_topic(application.record.id),),
            poll_secs=_POLL_SECS,
            styles=STYLES,
            data=AlertsView(
                rules=tuple(rules),
                targets=tuple(await operations.notification_targets.list(actor, name)),
                history=tuple(history[:FIRINGS_PER_PAGE]),
                paging=Paging(page=number, total=None, has_next=len(history) > FIRINGS_PER_PAGE),
                newest=tuple(sorted(alert.id for alert in firing.values())),
            ),
            extras={
                "frame": frame(application, actor, "alerts"),
                "filters": filters,
                "kinds": KINDS,
                "handlers": alert_handlers(),
            },
        )


def rule_view(
    rule: AlertingRuleRecord, application: Application, names: dict[str, str], firing: AlertRecord | None
) -> RuleView:
    """A rule as it is shown.

    Args:
        rule: as it is stored.
        application: what it watches.
        names: of applications within reach, by id.
        firing: its latest firing, if the condition is not over.
    """
    kind, interval = KINDS[rule.rule_type], rule.min_interval_secs
    quiet_secs = DEFAULT_MIN_INTERVAL_SECS if interval is None else interval
    return RuleView(
        id=rule.id,
        rule_type=rule.rule_type,
        title=kind.title,
        words=in_words(rule.rule_metadata),
        rule_metadata=rule.rule_metadata,
        receiver=names.get(rule.receiving_application_id),
        quiet_secs=quiet_secs,
        quiet_words=span_in_words(quiet_secs) if quiet_secs else "no pause",
        last_fired_at=rule.last_fired_at,
        message=firing.message if firing else None,
        judged=application.available or not kind.asks_executor,
        declared=rule.declared,
    )
