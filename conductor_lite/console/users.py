"""The page of users and roles: who there is, what each may do, and roles of one's own."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from conductor_lite.auth.actor import Actor
from conductor_lite.console.forms import Flash, Form
from conductor_lite.console.permissions import EXPLAINED
from conductor_lite.console.rendering import Page
from conductor_lite.console.site import Site, explain
from conductor_lite.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from conductor_lite.operations.organization import Member
from conductor_lite.operations.roles import NAME_RULE, Role
from conductor_lite.operations.topics import AUDIT


class UsersView(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the page shows."""

    members: tuple[Member, ...]
    #: The built-in ones first.
    roles: tuple[Role, ...]


class UsersPage:
    """Shows users and roles; creates and deletes roles."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[BaseRoute]:
        """Its routes."""
        shows, does = self._site.shows, self._site.does
        return [
            Route("/users", shows(self.show), methods=["GET"]),
            Route("/users/roles", does(self.create), methods=["POST"]),
            Route("/users/roles/delete", shows(self.confirm_deletion), methods=["GET"]),
            Route("/users/roles/delete", does(self.delete), methods=["POST"]),
        ]

    async def show(self, request: Request, actor: Actor) -> Page:
        """The page."""
        return await self._page(actor)

    async def create(self, request: Request, actor: Actor, form: Form) -> Response:
        """Create a role, and come back."""
        name, permissions = form.text("name"), form.all("permission")
        try:
            if not permissions:
                raise InvalidError("Choose at least one permission.")
            await self._site.operations.roles.create(actor, name, permissions)
        except (ConflictError, ForbiddenError, InvalidError) as error:
            filled: dict[str, object] = {"name": name, "permissions": permissions, "problem": explain(error)}
            page = await self._page(actor, filled)
            return await self._site.respond(request, msgspec.structs.replace(page, status=422), actor)
        return self._site.redirect(request, "/users", Flash(text=f"Created the role {name}."))

    async def confirm_deletion(self, request: Request, actor: Actor) -> Page:
        """Ask before deleting a role."""
        name = request.query_params.get("name", "")
        roles = await self._site.operations.roles.list(actor)
        role = next((role for role in roles if role.name == name and not role.is_global), None)
        if role is None:
            raise NotFoundError("There is no such role of your own; it may have been deleted already.")
        return Page(template="role_delete.html", title="Delete a role?", section="users", data=role)

    async def delete(self, request: Request, actor: Actor, form: Form) -> Response:
        """Delete a role, and come back."""
        name = form.text("name")
        await self._site.operations.roles.delete(actor, name)
        return self._site.redirect(request, "/users", Flash(text=f"Deleted the role {name}."))

    async def _page(self, actor: Actor, filled: dict[str, object] | None = None) -> Page:
        operations = self._site.operations
        unfilled = {"name": "", "permissions": (), "problem": ""}
        return Page(
            template="users.html",
            title="Users and roles",
            section="users",
            path="/users",
            topics=(AUDIT,),
            styles=("admin.css",),
            data=UsersView(
                members=tuple(await operations.organization.members(actor)),
                roles=tuple(await operations.roles.list(actor)),
            ),
            extras={
                "form": filled or unfilled,
                "permissions": EXPLAINED,
                "name_rule": NAME_RULE,
            },
        )
