"""Importing a workflow that was exported: from a file, or pasted."""

import string

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from conductor_lite.auth.actor import Actor
from conductor_lite.console.formatting import size
from conductor_lite.console.forms import MAX_KEPT_CHARS, Flash, Form
from conductor_lite.console.frame import frame
from conductor_lite.console.rendering import Page
from conductor_lite.console.site import Site, explain
from conductor_lite.console.urls import app_url
from conductor_lite.errors import ConductorError, DispatchError, InvalidError
from conductor_lite.turns import PIECE_SIZE, each

_BASE64 = (string.ascii_letters + string.digits + "+/_-").encode()


class ImportView(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the page shows."""

    application_name: str
    max_bytes: int
    #: Why it was not imported; empty before anything was tried.
    problem: str = ""


class _Export(msgspec.Struct):
    """How the HTTP API answers an export."""

    serialized_workflow: str = msgspec.field(name="serializedWorkflow")


class WorkflowImportPage:
    """Asks for an export, and imports it."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[BaseRoute]:
        """Its routes."""
        largest = self._site.settings.max_body_bytes
        return [
            Route("/apps/{name}/import", self._site.shows(self.ask), methods=["GET"]),
            Route("/apps/{name}/import", self._site.does(self.do, max_bytes=largest), methods=["POST"]),
        ]

    async def ask(self, request: Request, actor: Actor) -> Page:
        """The form."""
        return await self._page(request, actor)

    async def do(self, request: Request, actor: Actor, form: Form) -> Response:
        """Import what the form has, and go to the table; or ask again and say what was wrong."""
        name = request.path_params["name"]
        try:
            exported = await read_export(form.text("file") or form.text("text"))
            await self._site.operations.workflow_actions.import_(actor, name, exported)
        except (InvalidError, DispatchError) as error:
            page = await self._page(request, actor, error, form.text("text"))
            return await self._site.respond(request, page, actor)
        flash = Flash(text=f"Imported the workflow ({size(len(exported))}).")
        return self._site.redirect(request, app_url(name, "workflows"), flash)

    async def _page(
        self, request: Request, actor: Actor, error: ConductorError | None = None, pasted: str = ""
    ) -> Page:
        application = await self._site.operations.applications.get(actor, request.path_params["name"])
        name = application.record.name
        status = 200 if error is None else 503 if isinstance(error, DispatchError) else 422
        return Page(
            template="workflow_import.html",
            title=f"Import a workflow · {name}",
            section="home",
            styles=("workflows.css",),
            scripts=("workflows.js",),
            data=ImportView(
                application_name=name,
                max_bytes=self._site.settings.max_body_bytes,
                problem=explain(error) if error else "",
            ),
            extras={
                "frame": frame(application, actor, "workflows"),
                "pasted": pasted if len(pasted) <= MAX_KEPT_CHARS else "",
            },
            status=status,
        )


async def read_export(text: str) -> str:
    """The export itself, from a file of the console or the command line, or an answer of the HTTP API.

    Raises:
        InvalidError: it is none.
    """
    if text.startswith("{"):
        try:
            text = msgspec.json.decode(text, type=_Export).serialized_workflow
        except (msgspec.MsgspecError, UnicodeEncodeError):
            raise InvalidError(
                "That is JSON, but not the answer of an export: it has no serializedWorkflow."
            ) from None
    pieces = (text[start : start + PIECE_SIZE] for start in range(0, len(text), PIECE_SIZE))
    text = "".join(await each(pieces, _without_blanks))
    if not text:
        raise InvalidError("There is nothing to import; choose a file, or paste what it has in it.")
    padding = len(text[-3:]) - len(text[-3:].rstrip("="))
    length = len(text) - padding
    pieces = (text[start : min(start + PIECE_SIZE, length)] for start in range(0, length, PIECE_SIZE))
    if padding > 2 or length == 0 or not all(await each(pieces, _is_base64)):
        raise InvalidError("That is no export of a workflow: it would be one long word of base64.")
    return text


def _without_blanks(piece: str) -> str:
    return "".join(piece.split())


def _is_base64(piece: str) -> bool:
    return piece.isascii() and not piece.encode().translate(None, _BASE64)
