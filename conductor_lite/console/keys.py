"""The page of API keys: list, create with the secret shown once, revoke."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from conductor_lite.auth.actor import Actor
from conductor_lite.auth.permissions import ALL_PERMISSIONS, APPLICATION_READ, WEBSOCKET_CONNECT
from conductor_lite.console.forms import Flash, Form
from conductor_lite.console.rendering import Page
from conductor_lite.console.site import Site, explain
from conductor_lite.console.snippets import server_url, snippets
from conductor_lite.console.tables import Paging, cut, page_number
from conductor_lite.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from conductor_lite.operations.keys import MAX_NAME_LENGTH, ApiKey, CreatedApiKey
from conductor_lite.operations.topics import APPLICATIONS, KEYS

_EXPLANATIONS = {
    "organization.read": "Read the audit log.",
    "organization.write": "Change organisation settings.",
    "application.read": "See applications and executors.",
    "application.write": "Register, change and delete applications.",
    "metric.read": "Read metrics.",
    "token.read": "List API keys.",
    "token.write": "Create and revoke API keys.",
    "websocket.connect": "Connect executors. All that an application needs.",
}


class KeysView(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the page shows."""

    keys: tuple[ApiKey, ...]
    paging: Paging
    #: Keys in all, whatever the filter.
    key_count: int


class KeysPage:
    """Shows, creates and revokes API keys."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[BaseRoute]:
        """Its routes."""
        shows, does = self._site.shows, self._site.does
        return [
            Route("/keys", shows(self.show), methods=["GET"]),
            Route("/keys", does(self.create), methods=["POST"]),
            # A key's name may hold a slash, so it stands in the query, not in the path.
            Route("/keys/revoke", shows(self.confirm_revocation), methods=["GET"]),
            Route("/keys/revoke", does(self.revoke), methods=["POST"]),
        ]

    async def show(self, request: Request, actor: Actor) -> Page:
        """The page, filtered by ``?q=``."""
        return await self._page(request, actor)

    async def create(self, request: Request, actor: Actor, form: Form) -> Response:
        """Create a key and show its secret, this once: so no redirect, and nothing may cache it."""
        filled: dict[str, object] = {
            "name": form.text("name"),
            "permissions": form.all("permission"),
            "applications": form.all("application"),
            "limited": form.text("reach") == "some",
            "problem": "",
        }
        try:
            if filled["limited"] and not form.all("application"):
                # Without any, the operation would make a key that reaches everything.
                raise InvalidError("Choose at least one application, or let the key reach all of them.")
            if not filled["limited"] and form.all("application"):
                raise InvalidError("You ticked applications: choose 'Only these', or untick them.")
            if not form.all("permission"):
                raise InvalidError("Choose at least one permission.")
            created = await self._site.operations.keys.create(
                actor,
                form.text("name"),
                permissions=form.all("permission"),
                application_names=form.all("application") if filled["limited"] else None,
            )
        except (ConflictError, ForbiddenError, InvalidError, NotFoundError) as error:
            filled["problem"] = explain(error)
            page = await self._page(request, actor, filled=filled)
            return self._site.respond(request, msgspec.structs.replace(page, status=422), actor)
        return self._site.respond(request, await self._page(request, actor, created=created), actor)

    async def confirm_revocation(self, request: Request, actor: Actor) -> Page:
        """Ask before revoking; what the dialog says, for browsers without scripts."""
        name = request.query_params.get("name", "")
        key = next((key for key in await self._site.operations.keys.list(actor) if key.name == name), None)
        if key is None:
            raise NotFoundError("There is no such API key; it may have been revoked already.")
        return Page(template="key_revoke.html", title="Revoke an API key?", section="keys", data=key)

    async def revoke(self, request: Request, actor: Actor, form: Form) -> Response:
        """Revoke a key, and come back."""
        # Not stripped: a name is what it is, blanks included.
        name = next(iter(form.all("name")), "")
        await self._site.operations.keys.revoke(actor, name)
        flash = Flash(text=f"Revoked {name}. Executors that used it are disconnected.")
        return self._site.redirect(request, "/keys", flash)

    async def _page(
        self,
        request: Request,
        actor: Actor,
        *,
        filled: dict[str, object] | None = None,
        created: CreatedApiKey | None = None,
    ) -> Page:
        keys = await self._site.operations.keys.list(actor)
        query = request.query_params.get("q", "").strip()
        shown, paging = cut([key for key in keys if query in key.name], page_number(request.query_params))
        names: list[str] = []
        if APPLICATION_READ in actor.permissions:
            names = [found.record.name for found in await self._site.operations.applications.list(actor)]
        unfilled = {
            "name": "",
            "permissions": (WEBSOCKET_CONNECT,),
            "applications": (),
            "limited": False,
            "problem": "",
        }
        url = server_url(request)
        return Page(
            template="keys.html",
            title="API keys",
            section="keys",
            path="/keys",
            topics=(KEYS, APPLICATIONS),
            data=KeysView(keys=shown, paging=paging, key_count=len(keys)),
            extras={
                "filters": {"q": query},
                "form": filled or unfilled,
                "created": created,
                "permissions": [(name, _EXPLANATIONS.get(name, "")) for name in ALL_PERMISSIONS],
                "application_names": names,
                "max_name_length": MAX_NAME_LENGTH,
                "server_url": url,
                "snippets": snippets(url),
            },
        )
