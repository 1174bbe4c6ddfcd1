"""The page of API keys: list, create with the secret shown once, rename, revoke."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from conductor_lite.auth.actor import Actor
from conductor_lite.auth.permissions import APPLICATION_READ, WEBSOCKET_CONNECT
from conductor_lite.console.forms import Flash, Form
from conductor_lite.console.permissions import EXPLAINED
from conductor_lite.console.rendering import Page
from conductor_lite.console.site import Site, explain
from conductor_lite.console.snippets import APPLICATION_PLACEHOLDER, Snippet, server_url, snippets
from conductor_lite.console.tables import Paging, cut, page_number
from conductor_lite.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from conductor_lite.operations.keys import MAX_NAME_LENGTH, ApiKey, CreatedApiKey
from conductor_lite.operations.topics import APPLICATIONS, KEYS

#: Seconds between two looks at which keys are in use.
_POLL_SECS = 15.0
_SENT_TWICE = (
    "If you sent this form twice, the first sending made the key, and its secret cannot be shown any more: "
    "revoke the key, and create it anew."
)


class KeysView(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the page shows."""

    keys: tuple[ApiKey, ...]
    paging: Paging
    #: Keys in all, whatever the filter.
    key_count: int


class KeysPage:
    """Shows, creates, renames and revokes API keys."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[BaseRoute]:
        """Its routes."""
        shows, does = self._site.shows, self._site.does
        return [
            Route("/keys", shows(self.show), methods=["GET"]),
            Route("/keys", does(self.create), methods=["POST"]),
            # A key's name may hold a slash, so it stands in the query, not in the path.
            Route("/keys/rename", shows(self.ask_name), methods=["GET"]),
            Route("/keys/rename", does(self.rename), methods=["POST"]),
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
            if isinstance(error, ConflictError):
                filled["problem"] = f"{error} {_SENT_TWICE}"
            page = await self._page(request, actor, filled=filled)
            return await self._site.respond(request, msgspec.structs.replace(page, status=422), actor)
        return await self._site.respond(request, await self._page(request, actor, created=created), actor)

    async def ask_name(self, request: Request, actor: Actor) -> Page:
        """Ask for a key's new name."""
        return _rename_page(await self._key(request.query_params.get("name", ""), actor))

    async def rename(self, request: Request, actor: Actor, form: Form) -> Response:
        """Rename a key, and come back."""
        name, new_name = _as_it_is(form, "name"), form.text("new_name")
        try:
            await self._site.operations.keys.rename(actor, name, new_name)
        except (ConflictError, InvalidError) as error:
            page = _rename_page(await self._key(name, actor), new_name, explain(error))
            return await self._site.respond(request, msgspec.structs.replace(page, status=422), actor)
        return self._site.redirect(request, "/keys", Flash(text=f"{name} is called {new_name} now."))

    async def confirm_revocation(self, request: Request, actor: Actor) -> Page:
        """Ask before revoking."""
        key = await self._key(request.query_params.get("name", ""), actor)
        return Page(template="key_revoke.html", title="Revoke an API key?", section="keys", data=key)

    async def _key(self, name: str, actor: Actor) -> ApiKey:
        key = next((key for key in await self._site.operations.keys.list(actor) if key.name == name), None)
        if key is None:
            raise NotFoundError("There is no such API key; it may have been revoked already.")
        return key

    async def revoke(self, request: Request, actor: Actor, form: Form) -> Response:
        """Revoke a key, and come back."""
        name = _as_it_is(form, "name")
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
        return Page(
            template="keys.html",
            title="API keys",
            section="keys",
            path="/keys",
            topics=(KEYS, APPLICATIONS),
            poll_secs=_POLL_SECS,
            styles=("admin.css",),
            data=KeysView(keys=shown, paging=paging, key_count=len(keys)),
            extras={
                "filters": {"q": query},
                "form": filled or unfilled,
                "created": created,
                "permissions": EXPLAINED,
                "application_names": names,
                "max_name_length": MAX_NAME_LENGTH,
                "http_url": f"{request.url.scheme}://{request.url.netloc}",
                "filled_snippets": _filled(request, created) if created else (),
            },
        )


def _rename_page(key: ApiKey, new_name: str | None = None, problem: str = "") -> Page:
    return Page(
        template="key_rename.html",
        title="Rename an API key",
        section="keys",
        data=key,
        extras={
            "new_name": key.name if new_name is None else new_name,
            "problem": problem,
            "max_name_length": MAX_NAME_LENGTH,
        },
    )


def _as_it_is(form: Form, field: str) -> str:
    """A key's name from a form, not stripped: it is what it is, blanks included."""
    return next(iter(form.all(field)), "")


def _filled(request: Request, created: CreatedApiKey) -> tuple[Snippet, ...]:
    """The lines that connect, with the key in them; for the one application that it reaches, if it is one."""
    names = created.api_key.application_names
    name = names[0] if len(names) == 1 else APPLICATION_PLACEHOLDER
    return snippets(server_url(request), name, created.key)
