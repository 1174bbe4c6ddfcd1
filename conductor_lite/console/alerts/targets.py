"""Making, testing and deleting notification targets: the people who are told of an application's alerts."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from conductor_lite.auth.actor import Actor
from conductor_lite.console.alerts.page import STYLES
from conductor_lite.console.forms import Flash, Form
from conductor_lite.console.frame import frame
from conductor_lite.console.rendering import Page
from conductor_lite.console.site import Problem, Site
from conductor_lite.console.urls import app_url
from conductor_lite.errors import ConflictError, DeliveryError, InvalidError, NotFoundError
from conductor_lite.operations.applications import Application
from conductor_lite.operations.notification_targets import MAX_NAME_LENGTH, NotificationTarget


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """How the address of one service looks."""

    service: str
    url: str
    note: str = ""


EXAMPLES = (
    Example(service="Slack", url="slack://TokenA/TokenB/TokenC/#alerts", note="parts of a webhook's address"),
    Example(
        service="E-mail", url="mailtos://user:password@mail.example.com?to=ops@example.com", note="over SMTP"
    ),
    Example(service="PagerDuty", url="pagerduty://IntegrationKey@ApiKey"),
    Example(
        service="Microsoft Teams",
        url="workflows://host.example.com/WorkflowID/Signature",
        note="a Power Automate workflow",
    ),
    Example(service="Discord", url="discord://WebhookID/WebhookToken"),
    Example(service="Telegram", url="tgram://123456789:BotToken/ChatID"),
    Example(service="ntfy", url="ntfys://ntfy.example.com/alerts"),
    Example(service="Webhook", url="jsons://user:password@example.com/path", note="posts JSON"),
)


class TargetFormView(msgspec.Struct, frozen=True, kw_only=True):
    """What the form of a new target shows, besides what was typed."""

    application_name: str
    examples: tuple[Example, ...] = EXAMPLES


class AlertTargetsPage:
    """Forms of notification targets."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[BaseRoute]:
        """Their routes."""
        shows, does, path = self._site.shows, self._site.does, "/apps/{name}/alerts/targets"
        return [
            Route(f"{path}/new", shows(self.ask), methods=["GET"]),
            Route(f"{path}/new", does(self.create), methods=["POST"]),
            Route(f"{path}/{{target}}/test", does(self.test), methods=["POST"]),
            Route(f"{path}/{{target}}/delete", shows(self.ask_delete), methods=["GET"]),
            Route(f"{path}/{{target}}/delete", does(self.delete), methods=["POST"]),
        ]

    async def ask(self, request: Request, actor: Actor) -> Page:
        """The form of a new target."""
        return await self._page(request, actor, {"name": "", "url": ""})

    async def create(self, request: Request, actor: Actor, form: Form) -> Response:
        """Add a target, and come back; nothing is sent to it."""
        name, given = request.path_params["name"], {field: form.text(field) for field in ("name", "url")}
        try:
            target = await self._site.operations.notification_targets.create(
                actor, name, name=given["name"], url=given["url"]
            )
        except (InvalidError, ConflictError) as error:
            page = await self._page(request, actor, given, error)
            return await self._site.respond(request, msgspec.structs.replace(page, status=422), actor)
        flash = Flash(text=f"Added {target.name}. Send a test to see that messages arrive.")
        return self._site.redirect(request, app_url(name, "alerts"), flash)

    async def test(self, request: Request, actor: Actor, form: Form) -> Response:
        """Send a test message now; waits for what the service says to it."""
        name = request.path_params["name"]
        target = await self._target(request, actor)
        try:
            await self._site.operations.notification_targets.test(actor, name, target.id)
        except DeliveryError as error:
            return await self._site.respond(
                request, await self._failure(request, actor, target, error), actor
            )
        flash = Flash(text=f"Sent a test to {target.name}, and the service took it.")
        return self._site.redirect(request, app_url(name, "alerts"), flash)

    async def ask_delete(self, request: Request, actor: Actor) -> Page:
        """Ask before deleting."""
        application = await self._application(request, actor)
        return Page(
            template="alert_target_delete.html",
            title="Delete a notification target?",
            section="home",
            styles=STYLES,
            data=await self._target(request, actor),
            extras={"frame": frame(application, actor, "alerts")},
        )

    async def delete(self, request: Request, actor: Actor, form: Form) -> Response:
        """Delete a target, and come back."""
        name, target = request.path_params["name"], await self._target(request, actor)
        await self._site.operations.notification_targets.delete(actor, name, target.id)
        flash = Flash(text=f"Deleted {target.name}. It is told of no more alerts of {name}.")
        return self._site.redirect(request, app_url(name, "alerts"), flash)

    async def _failure(
        self, request: Request, actor: Actor, target: NotificationTarget, error: DeliveryError
    ) -> Page:
        application = await self._application(request, actor)
        title = f"The test did not reach {target.name}"
        return Page(
            template="alert_test_failed.html",
            title=title,
            section="home",
            path=app_url(application.record.name, "alerts"),
            styles=STYLES,
            status=502,
            data=Problem(status=502, title=title, detail=str(error)),
            extras={"frame": frame(application, actor, "alerts"), "target": target},
        )

    async def _page(
        self,
        request: Request,
        actor: Actor,
        given: dict[str, str],
        error: InvalidError | ConflictError | None = None,
    ) -> Page:
        application = await self._application(request, actor)
        faults: dict[str, str] = {}
        if isinstance(error, InvalidError):
            faults = {fault.location.removeprefix("body."): fault.message for fault in error.errors}
        elif error is not None:
            faults = {"name": "another target of this application has this name"}
        return Page(
            template="alert_target.html",
            title="New notification target",
            section="home",
            path=app_url(application.record.name, "alerts"),
            styles=STYLES,
            data=TargetFormView(application_name=application.record.name),
            extras={
                "frame": frame(application, actor, "alerts"),
                "form": given,
                "problem": str(error) if error else "",
                "faults": faults,
                "max_name_length": MAX_NAME_LENGTH,
            },
        )

    async def _application(self, request: Request, actor: Actor) -> Application:
        return await self._site.operations.applications.get(actor, request.path_params["name"])

    async def _target(self, request: Request, actor: Actor) -> NotificationTarget:
        name, target_id = request.path_params["name"], request.path_params["target"]
        targets = await self._site.operations.notification_targets.list(actor, name)
        target = next((target for target in targets if target.id == target_id), None)
        if target is None:
            raise NotFoundError(f"{name} has no such notification target; it may have been deleted already.")
        return target
