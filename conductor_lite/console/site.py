"""What every page shares: who asks, reading and guarding forms, and turning errors into pages."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Match

from conductor_lite.auth.actor import Actor
from conductor_lite.auth.authenticate import Authenticator
from conductor_lite.config import Settings
from conductor_lite.console.forms import MAX_FORM_BYTES, Flash, Form, FormGuard, read_form
from conductor_lite.console.rendering import Page, Renderer
from conductor_lite.errors import (
    BackupError,
    ConductorError,
    ConflictError,
    DispatchError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    StoreError,
    UnauthenticatedError,
)
from conductor_lite.operations import Operations
from conductor_lite.operations.deadline import deadline
from conductor_lite.operations.sharing import sharing

Endpoint = Callable[[Request], Awaitable[Response]]
View = Callable[[Request, Actor], Awaitable[Page]]
Action = Callable[[Request, Actor, Form], Awaitable[Response]]
Download = Callable[[Request, Actor], Awaitable[Response]]

#: What the audit log calls a form that was refused before it was looked at.
FORM_OPERATION = "console.form"
#: Seconds that a page waits for executors.
VIEW_SECS = 10.0
#: Seconds that a download waits for them: what is large takes its time.
DOWNLOAD_SECS = 60.0

_STATUSES: tuple[tuple[type[ConductorError], int, str], ...] = (
    (NotFoundError, 404, "Not found"),
    (ForbiddenError, 403, "Not allowed"),
    (UnauthenticatedError, 401, "Who is asking?"),
    (InvalidError, 422, "That cannot be done like this"),
    (ConflictError, 409, "That contradicts what is there"),
    (DispatchError, 503, "No executor answered"),
    (StoreError, 503, "The database refused"),
    (BackupError, 503, "No backup was made"),
)


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """What an error page shows."""

    status: int
    title: str
    detail: str


def _place(url: str) -> tuple[str, str]:
    """What tells pages apart: the path, and the id where that stands in the query."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "", ""
    return parts.path, dict(parse_qsl(parts.query)).get("id", "") if parts.path.endswith("/~") else ""


def _address(request: Request) -> str:
    """Where a request went, for another one."""
    return f"{request.url.path}?{request.url.query}" if request.url.query else request.url.path


def explain(error: ConductorError) -> str:
    """An error as one text beside a form, with every field that is wrong."""
    fields = error.errors if isinstance(error, InvalidError) else ()
    return " ".join(
        [str(error), *(f"{field.location.partition('.')[2]}: {field.message}." for field in fields)]
    )


class Site:
    """The parts that pages share. Built once.

    Args:
        operations: what pages read and do.
        authenticator: tells who is asking.
        settings: the server's settings.
        now: the clock; tests set their own.
    """

    def __init__(
        self,
        operations: Operations,
        authenticator: Authenticator,
        settings: Settings,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.operations = operations
        self.settings = settings
        self.now = now
        self._authenticator = authenticator
        self._guard = FormGuard()
        # Every route of the console, and the views behind those that show a page; filled once, at the start.
        self._routes: Sequence[BaseRoute] = ()
        self._views: dict[object, View] = {}
        self._renderer = Renderer(self._guard, now, dev=settings.dev)

    async def actor(self, request: Request) -> Actor:
        """Who is asking.

        Raises:
            UnauthenticatedError: credentials were presented that are not valid.
        """
        source_ip = request.client.host if request.client else None
        return await self._authenticator.actor(request.headers.get("authorization"), source_ip)

    def shows(self, view: View) -> Endpoint:
        """Make an endpoint of a page that is looked at."""

        async def endpoint(request: Request) -> Response:
            actor = None
            try:
                actor = await self.actor(request)
                page = await self._seen(view, request, actor)
            except ConductorError as error:
                return self.refusal(request, actor, error)
            return await self._renderer.answer(request, page, actor)

        self._views[endpoint] = view
        return endpoint

    def knows(self, routes: Sequence[BaseRoute]) -> None:
        """Say once which pages there are, so that ``page_request`` finds them."""
        self._routes = routes

    def page_request(self, request: Request, url: str) -> Request:
        """What ``look`` needs: a request for the page at ``url``, on behalf of whoever sent ``request``.

        Raises:
            NotFoundError: no page is at that address.
        """
        try:
            parts = urlsplit(url)
        except ValueError:
            raise NotFoundError("There is no page at this address.") from None
        scope = {
            **request.scope,
            "method": "GET",
            "path": unquote(parts.path),
            "raw_path": parts.path.encode(),
            "query_string": parts.query.encode(),
        }
        for route in self._routes:
            match, more = route.matches(scope)
            if match is Match.FULL and more.get("endpoint") in self._views:
                return Request({**scope, **more})
        raise NotFoundError("There is no page at this address.")

    async def look(self, request: Request, actor: Actor) -> Page:
        """The page that ``page_request`` found, as it is now; raises what the page raises."""
        return await self._seen(self._views[request.scope["endpoint"]], request, actor)

    async def _seen(self, view: View, request: Request, actor: Actor) -> Page:
        # Pages look again and again, many at the same: what executors answer is shared among them.
        with sharing(), deadline(VIEW_SECS):
            return await view(request, actor)

    def does(self, action: Action, *, max_bytes: int = MAX_FORM_BYTES, too_large: str = "") -> Endpoint:
        """Make an endpoint of a form that does something; nothing runs unless a page of ours sent it.

        Args:
            action: does it.
            max_bytes: how large the form may be.
            too_large: what is said of one that is larger or has too many fields, as of ``read_form``.
        """

        async def endpoint(request: Request) -> Response:
            actor = form = None
            try:
                actor = await self.actor(request)
                form = await read_form(request, max_bytes, too_large)
                self._guard.check(request, form)
            except ConductorError as error:
                path, ip = request.url.path, request.client.host if request.client else None
                self.operations.refusals.note(actor, FORM_OPERATION, "page", path, error, source_ip=ip)
                if form is not None and self._guard.is_own(request):
                    # Ours after all; only its proof is of an earlier process, or was lost.
                    stale = Problem(status=403, title="Send it once more?", detail=str(error))
                    return self.problem(request, actor, stale, form)
                return self.refusal(request, actor, error)
            try:
                return await action(request, actor, form)
            except ConductorError as error:
                return self.refusal(request, actor, error, form)

        return endpoint

    def sends(self, download: Download) -> Endpoint:
        """Make an endpoint of a file to download; what is wrong is explained on a page."""

        async def endpoint(request: Request) -> Response:
            actor = None
            try:
                actor = await self.actor(request)
                with deadline(DOWNLOAD_SECS):
                    return await download(request, actor)
            except ConductorError as error:
                return self.refusal(request, actor, error)

        return endpoint

    async def respond(self, request: Request, page: Page, actor: Actor) -> Response:
        """Answer a form with a page instead of a redirect."""
        return await self._renderer.answer(request, page, actor)

    def redirect(self, request: Request, url: str, flash: Flash, *, anew: bool = False) -> Response:
        """Go on to another page, which says what was done (RFC 9110, section 15.4.4).

        A form that a script sent is told where to go; the page it is on already is not loaded anew, unless
        ``anew`` says that more of it has changed than its live part.
        """
        if request.headers.get("hx-request") != "true":
            response: Response = RedirectResponse(url, 303)
            self._guard.flash(request, response, flash)
            return response
        here = request.headers.get("hx-current-url", "")
        stays = not anew and _place(url) == _place(here)
        response = JSONResponse({"location": url, "stays": stays, **msgspec.structs.asdict(flash)})
        if not stays:
            self._guard.flash(request, response, flash)
        return response

    def refusal(
        self, request: Request, actor: Actor | None, error: ConductorError, form: Form | None = None
    ) -> Response:
        """The page that explains an error.

        Args:
            request: what was refused.
            actor: who asked; None when that is not known.
            error: says why.
            form: what was filled in; the page keeps it where the same may well be done later.
        """
        status, title = next(
            ((status, title) for kind, status, title in _STATUSES if isinstance(error, kind)),
            (500, "Something went wrong"),
        )
        return self.problem(
            request,
            actor,
            Problem(status=status, title=title, detail=explain(error)),
            form if status == 503 else None,
        )

    def problem(
        self, request: Request, actor: Actor | None, problem: Problem, form: Form | None = None
    ) -> Response:
        """An error page in the console's look, or the same as JSON."""
        page = Page(
            template="problem.html",
            title=problem.title,
            data=problem,
            status=problem.status,
            extras={"kept": form.kept() if form else None, "here": _address(request)},
        )
        return self._renderer.respond(request, page, actor)
