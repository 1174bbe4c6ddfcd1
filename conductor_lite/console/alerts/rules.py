"""Making, changing and deleting alerting rules: one small form for each type of rule, and a question."""

from datetime import UTC, datetime

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from conductor_lite.auth.actor import Actor
from conductor_lite.auth.permissions import METRIC_READ
from conductor_lite.console.alerts.forms import FilledForm, begin, faulty, of_rule, read, typed, units
from conductor_lite.console.alerts.kinds import KINDS, Kind, Source, in_words
from conductor_lite.console.alerts.page import STYLES
from conductor_lite.console.forms import Flash, Form
from conductor_lite.console.frame import frame
from conductor_lite.console.once import Deed, once
from conductor_lite.console.preferences import RANGES
from conductor_lite.console.rendering import Page
from conductor_lite.console.site import Site
from conductor_lite.console.urls import app_url
from conductor_lite.errors import DispatchError, FieldError, InvalidError, NotFoundError
from conductor_lite.operations.alerting_rules import AlertingRuleRecord
from conductor_lite.operations.applications import Application
from conductor_lite.operations.deadline import deadline
from conductor_lite.operations.once import Attempt, Caution
from conductor_lite.protocol import ScheduleFilters

#: Seconds that an executor may take for names to suggest.
_PATIENCE_SECS = 2.0
#: Most names that a field suggests.
_MAX_SUGGESTIONS = 200
#: Seconds of history in which workflows' names are looked for.
_NAMES_SECS = RANGES["7d"][0]
_NO_RECEIVER = FieldError(
    location="body.receivingAppName",
    message="who receives it now is out of your reach; choose an application, or leave the rule as it is",
)


class RuleFormView(msgspec.Struct, frozen=True, kw_only=True):
    """What a form is about."""

    application_name: str
    #: None as long as no type was chosen.
    kind: Kind | None
    form: FilledForm | None
    #: The rule that is changed; None for a new one.
    rule_id: str | None = None
    declared: bool = False
    #: Applications that may receive the alert.
    receivers: tuple[str, ...] = ()
    #: Whether one of those has to be named: the watched application cannot be meant when nothing is said.
    must_choose: bool = False
    #: Names to choose from, by source.
    suggestions: dict[str, tuple[str, ...]] = {}


class AlertRulesPage:
    """Forms of alerting rules."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[BaseRoute]:
        """Their routes."""
        shows, does, path = self._site.shows, self._site.does, "/apps/{name}/alerts"
        return [
            Route(f"{path}/new", shows(self.ask), methods=["GET"]),
            Route(f"{path}/new", does(self.create), methods=["POST"]),
            Route(f"{path}/rules/{{rule}}/change", shows(self.ask_change), methods=["GET"]),
            Route(f"{path}/rules/{{rule}}/change", does(self.change), methods=["POST"]),
            Route(f"{path}/rules/{{rule}}/delete", shows(self.ask_delete), methods=["GET"]),
            Route(f"{path}/rules/{{rule}}/delete", does(self.delete), methods=["POST"]),
        ]

    async def ask(self, request: Request, actor: Actor) -> Page:
        """The form of the type that ``?type=`` names; without one, the types to choose from."""
        application = await self._application(request, actor)
        kind = KINDS.get(request.query_params.get("type", ""))
        return await self._page(actor, application, kind, begin(kind) if kind else None)

    async def create(self, request: Request, actor: Actor, form: Form) -> Response:
        """Make a rule, and come back."""
        application = await self._application(request, actor)
        name, kind = application.record.name, KINDS.get(form.text("type"))
        if kind is None:
            raise InvalidError(f"There is no such type of rule; choose one of {', '.join(KINDS)}.")
        values = typed(kind, form)
        try:
            wanted = read(kind, values)

            async def work(_: Attempt | None) -> Deed:
                rule = await self._site.operations.alerting_rules.create(
                    actor,
                    name,
                    rule_type=kind.type,
                    rule_metadata=wanted.metadata,
                    receiving_application_name=wanted.receiver or None,
                    min_interval_secs=wanted.min_interval_secs,
                )
                flash = Flash(text=f"Watching from now on: {in_words(rule.rule_metadata)}.")
                return Deed(flash=flash, url=app_url(name, "alerts"))

            asked = ["alerting_rule", name, kind.type, wanted]
            deed = await once(self._site.operations, actor, form, asked, work, Caution())
        except InvalidError as error:
            page = await self._page(actor, application, kind, faulty(values, error))
            return await self._site.respond(request, msgspec.structs.replace(page, status=422), actor)
        return self._site.redirect(request, deed.url, deed.flash)

    async def ask_change(self, request: Request, actor: Actor) -> Page:
        """The form of a rule that is there."""
        application = await self._application(request, actor)
        rule = await self._rule(request, actor, application)
        kind = KINDS[rule.rule_type]
        receiver = await self._receiver(actor, rule)
        return await self._page(actor, application, kind, of_rule(kind, rule, receiver), rule)

    async def change(self, request: Request, actor: Actor, form: Form) -> Response:
        """Change a rule, and come back."""
        application = await self._application(request, actor)
        rule = await self._rule(request, actor, application)
        name, kind = application.record.name, KINDS[rule.rule_type]
        values = typed(kind, form)
        try:
            wanted = read(kind, values)
            if not wanted.receiver and not await self._receiver(actor, rule):
                raise InvalidError("Say who is to receive it.", (_NO_RECEIVER,))
            await self._site.operations.alerting_rules.update(
                actor,
                name,
                rule.id,
                rule_type=kind.type,
                rule_metadata=wanted.metadata,
                receiving_application_name=wanted.receiver or None,
                min_interval_secs=wanted.min_interval_secs,
            )
        except InvalidError as error:
            page = await self._page(actor, application, kind, faulty(values, error), rule)
            return await self._site.respond(request, msgspec.structs.replace(page, status=422), actor)
        changed = await self._rule(request, actor, application)
        flash = Flash(text=f"Changed. It fires when: {in_words(changed.rule_metadata)}.")
        return self._site.redirect(request, app_url(name, "alerts"), flash)

    async def ask_delete(self, request: Request, actor: Actor) -> Page:
        """Ask before deleting."""
        application = await self._application(request, actor)
        rule = await self._rule(request, actor, application)
        firing = await self._site.operations.alerts.firing(actor, application.record.name)
        return Page(
            template="alert_rule_delete.html",
            title="Delete an alerting rule?",
            section="home",
            styles=STYLES,
            data=rule,
            extras={
                "frame": frame(application, actor, "alerts"),
                "words": in_words(rule.rule_metadata),
                "fires": rule.id in firing,
            },
        )

    async def delete(self, request: Request, actor: Actor, form: Form) -> Response:
        """Delete a rule, and come back."""
        application = await self._application(request, actor)
        name, rule = application.record.name, await self._rule(request, actor, application)
        await self._site.operations.alerting_rules.delete(actor, name, rule.id)
        flash = Flash(text=f"Deleted. Nobody watches any more: {in_words(rule.rule_metadata)}.")
        return self._site.redirect(request, app_url(name, "alerts"), flash)

    async def _page(
        self,
        actor: Actor,
        application: Application,
        kind: Kind | None,
        form: FilledForm | None,
        rule: AlertingRuleRecord | None = None,
    ) -> Page:
        name = application.record.name
        receivers: list[str] = []
        must_choose = False
        if kind is not None:
            known = await self._site.operations.applications.list(actor)
            # Who does not respond cannot be told so.
            own = kind.type == "UnresponsiveApplication"
            receivers = [each.record.name for each in known if not (own and each.record.name == name)]
            must_choose = own or (rule is not None and not await self._receiver(actor, rule))
        return Page(
            template="alert_rule.html" if kind else "alert_rule_types.html",
            title="Change an alerting rule" if rule else "New alerting rule",
            section="home",
            path=app_url(name, "alerts"),
            styles=STYLES,
            data=RuleFormView(
                application_name=name,
                kind=kind,
                form=form,
                rule_id=rule.id if rule else None,
                declared=rule is not None and rule.declared,
                receivers=tuple(receivers),
                must_choose=must_choose,
                suggestions=await self._suggestions(actor, application, kind) if kind else {},
            ),
            extras={"frame": frame(application, actor, "alerts"), "kinds": KINDS, "units": tuple(units())},
        )

    async def _suggestions(
        self, actor: Actor, application: Application, kind: Kind
    ) -> dict[str, tuple[str, ...]]:
        """Names to choose from; a help to fill the form in, which may be missing."""
        found: dict[str, tuple[str, ...]] = {}
        for source in {setting.source for setting in kind.settings if setting.source}:
            try:
                with deadline(_PATIENCE_SECS):
                    names = await self._names(actor, application, source)
            except DispatchError:
                names = []
            found[source] = tuple(sorted({name for name in names if name})[:_MAX_SUGGESTIONS])
        return found

    async def _names(self, actor: Actor, application: Application, source: Source) -> list[str]:
        operations, name = self._site.operations, application.record.name
        match source:
            case "queues":
                return [queue.name for queue in await operations.queues.list(actor, name)]
            case "schedules":
                schedules = await operations.schedules.list(actor, name, ScheduleFilters())
                return [schedule.schedule_name for schedule in schedules]
            case "versions":
                return [version.application_version for version in application.versions]
            case "workflows":
                if METRIC_READ not in actor.permissions:
                    return []
                end = self._site.now()
                chart = await operations.metrics.series(
                    actor,
                    name,
                    families=("workflow_started",),
                    start=datetime.fromtimestamp(end.timestamp() - _NAMES_SECS, UTC),
                    end=end,
                )
                return [series.labels["workflow_name"] for series in chart.series]

    async def _application(self, request: Request, actor: Actor) -> Application:
        return await self._site.operations.applications.get(actor, request.path_params["name"])

    async def _rule(self, request: Request, actor: Actor, application: Application) -> AlertingRuleRecord:
        name, rule_id = application.record.name, request.path_params["rule"]
        rules = await self._site.operations.alerting_rules.list(actor, name)
        rule = next((rule for rule in rules if rule.id == rule_id), None)
        if rule is None:
            raise NotFoundError(f"{name} has no such alerting rule; it may have been deleted already.")
        return rule

    async def _receiver(self, actor: Actor, rule: AlertingRuleRecord) -> str:
        """The name of who is told; empty when that is out of reach."""
        known = await self._site.operations.applications.list(actor)
        return next(
            (each.record.name for each in known if each.record.id == rule.receiving_application_id), ""
        )
