"""From a page's data to a response: a whole HTML page, its live part alone, or JSON."""

import asyncio
import functools
import gzip
import hashlib
import json
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from conductor_lite import __version__, wording
from conductor_lite.auth.actor import Actor
from conductor_lite.console import formatting
from conductor_lite.console.accepting import prefers_json, takes_gzip
from conductor_lite.console.assets import asset_url
from conductor_lite.console.attention import FAILED, links, workflows_url
from conductor_lite.console.charts import spark, spark_top
from conductor_lite.console.forms import FormGuard
from conductor_lite.console.frame import tab_url
from conductor_lite.console.navigation import sections_for
from conductor_lite.console.preferences import RANGES, preferences, remember_range
from conductor_lite.console.tables import link
from conductor_lite.console.urls import app_url, named_url, workflow_url

_TEMPLATES = Path(__file__).parent / "templates"
#: What htmx and our scripts name as the place that an answer goes to, and the layout that it gets.
_LAYOUTS = {"div#live": "live.html", "dialog#modal": "dialog.html"}
_JSON = "application/json"
#: Pages that are written at the same time.
_THREADS = 2
_LEAST_COMPRESSED_BYTES = 1_024
#: Quick rather than small: a reader waits for it.
_COMPRESSION_LEVEL = 3


_FILTERS: tuple[Callable[..., object], ...] = (
    formatting.clip,
    formatting.coarse,
    wording.count,
    formatting.duration,
    formatting.gist,
    formatting.iso,
    formatting.lapse,
    formatting.milliseconds,
    formatting.moment,
    formatting.one_line,
    formatting.plain,
    wording.plural,
    formatting.relative,
    formatting.shorten,
    formatting.size,
)


class Shortcut(msgspec.Struct, frozen=True):
    """Keys that do something, as the sheet of shortcuts lists them."""

    #: As they are called on a keyboard, one after the other.
    keys: tuple[str, ...]
    does: str
    #: CSS selector of what it acts on: without any on the page, it is left out. Empty for always.
    needs: str = ""


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Everything one page shows."""

    #: Name of its template.
    template: str
    #: What the browser's tab says.
    title: str
    #: Section of the navigation that it belongs to.
    section: str = ""
    #: Its address without the query; a form's answer is shown elsewhere but refreshed from here.
    path: str = ""
    #: Topics whose changes refresh it.
    topics: tuple[str, ...] = ()
    #: Seconds between two looks at its data while somebody watches, where no topic tells of every change.
    poll_secs: float | None = None
    #: Style sheets and scripts that it needs besides those of every page, by file name.
    styles: tuple[str, ...] = ()
    scripts: tuple[str, ...] = ()
    #: What it shows, to the template as ``data`` and to programs as JSON.
    data: object = None
    #: What only the template needs, such as a form as it was filled in.
    extras: Mapping[str, object] = {}
    #: HTTP status.
    status: int = 200
    #: Where browsers are sent on to instead; programs get the data all the same.
    moved_to: str = ""
    #: Keys that do something on this page, for the sheet of shortcuts.
    shortcuts: tuple[Shortcut, ...] = ()


class Renderer:
    """Renders pages.

    Args:
        guard: signs forms and flashes.
        now: the clock that relative times count from.
        dev: whether the server runs in development mode, which pages mention.
    """

    def __init__(self, guard: FormGuard, now: Callable[[], datetime], *, dev: bool) -> None:
        self._guard = guard
        self._now = now
        self._environment = _environment()
        # Few, so that the event loop seldom waits for more than one of them to let it run.
        self._threads = ThreadPoolExecutor(_THREADS, "pages")
        self._environment.globals["dev"] = dev

    async def answer(self, request: Request, page: Page, actor: Actor | None) -> Response:
        """The same as ``respond``, beside the event loop: a table of hundreds of rows takes its time."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self.respond, request, page, actor)

    def respond(self, request: Request, page: Page, actor: Actor | None) -> Response:
        """Answer with the page in the form that the client asked for."""
        if prefers_json(request.headers.get("accept", "")):
            body = msgspec.json.encode(page.data)
            plain = Response(body, page.status, {"Cache-Control": "no-store", "Vary": "Accept"}, _JSON)
            return _compressed(request, plain)
        if page.moved_to:
            return RedirectResponse(page.moved_to, 303, {"Cache-Control": "no-store"})
        # Going back must show the whole page, not the part that was last fetched from the same address.
        headers = {"Cache-Control": "no-store", "Vary": "Accept, HX-Request, Cookie"}
        layout = wanted_layout(request)
        whole = layout == "layout.html"
        nonce = self._guard.nonce(request)
        html = self._environment.get_template(page.template).render(
            layout=layout,
            page=page,
            data=page.data,
            sections=sections_for(actor),
            actor=actor,
            csrf_token=self._guard.token(nonce),
            flash=self._guard.read_flash(request) if whole else None,
            now=self._now(),
            live_url=_live_url(request, page),
            may=actor.permissions if actor else frozenset(),
            prefers=preferences(request),
            once=_once(),
            **page.extras,
        )
        response = Response(html, page.status, headers, "text/html")
        self._guard.remember(request, response, nonce)
        if whole:
            self._guard.take_flash(request, response)
            remember_range(request, response)
        return _compressed(request, response)


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    for filter_ in _FILTERS:
        environment.filters[filter_.__name__] = filter_
    environment.filters["pretty"] = functools.partial(json.dumps, indent=2, ensure_ascii=False, default=str)
    environment.filters["hash"] = _hash
    environment.filters["exact"] = _exact
    environment.filters["clock"] = _clock
    environment.filters["typed"] = _typed
    environment.filters["measure"] = _measure
    environment.globals["link"] = link
    environment.globals["attention_links"] = links
    environment.globals["workflows_url"] = workflows_url
    environment.globals["failed_statuses"] = FAILED
    environment.globals["tab_url"] = tab_url
    environment.globals["app_url"] = app_url
    environment.globals["named_url"] = named_url
    environment.globals["workflow_url"] = workflow_url
    environment.globals["time_ranges"] = {name: label for name, (_, label) in RANGES.items()}
    environment.globals["spark"] = spark
    environment.globals["spark_top"] = spark_top
    environment.globals["asset_url"] = asset_url
    environment.globals["version"] = __version__
    environment.globals["made_up_id"] = made_up_id
    return environment


def _once() -> Callable[..., object]:
    """A function that has a macro write for each set of arguments once: rows repeat each other a lot.

    For macros that depend on nothing that changes within the page.
    """
    written: dict[tuple[object, ...], object] = {}

    def once(macro: Callable[..., object], *arguments: object) -> object:
        key = (macro, *arguments)
        found = written.get(key)
        if found is None:
            found = written[key] = macro(*arguments)
        return found

    return once


@pass_context
def _exact(context: Context, moment: datetime) -> str:
    """The moment itself in the reader's zone, for hovering over a relative time."""
    return formatting.exact(moment, context["prefers"].zone)


@pass_context
def _clock(context: Context, moment: datetime) -> str:
    """The day and minute in the reader's zone, where the zone itself is told elsewhere."""
    return formatting.in_zone(moment, context["prefers"].zone).strftime("%Y-%m-%d %H:%M")


@pass_context
def _typed(context: Context, moment: datetime) -> str:
    """As a ``datetime-local`` field has it, in the reader's zone."""
    return formatting.in_zone(moment, context["prefers"].zone).strftime("%Y-%m-%dT%H:%M")


def _measure(value: float | None, unit: str) -> str:
    """A value of a chart in its unit; a dash where it is not known."""
    if value is None:
        return "–"
    if unit != "secs":
        return formatting.number(value)
    return formatting.duration(value) if value else "0 s"


def _compressed(request: Request, response: Response) -> Response:
    """The answer as few bytes, where the client takes them so and it is worth it.

    No secret can be guessed from its length: the token in a page is another one each time.
    """
    response.headers.add_vary_header("Accept-Encoding")
    body = bytes(response.body)
    if len(body) >= _LEAST_COMPRESSED_BYTES and takes_gzip(request.headers.get("accept-encoding", "")):
        response.body = gzip.compress(body, _COMPRESSION_LEVEL, mtime=0)
        response.headers["Content-Encoding"] = "gzip"
        response.headers["Content-Length"] = str(len(response.body))
    return response


def _hash(text: str) -> str:
    """A short stable name for an element's id, whatever characters the text has."""
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).hexdigest()


def made_up_id() -> str:
    """An id that nothing else has."""
    return str(uuid.uuid4())


def _live_url(request: Request, page: Page) -> str:
    path = page.path or request.url.path
    return f"{path}?{request.url.query}" if request.method == "GET" and request.url.query else path


def wanted_layout(request: Request) -> str:
    """The layout that a page is put into: all of it, its live part alone, or what goes into the dialog."""
    if request.headers.get("hx-request") != "true":
        return "layout.html"
    return _LAYOUTS.get(request.headers.get("hx-target", ""), "layout.html")
