"""Pages as rendered: real templates, hostile data, forms and their guards, JSON for programs."""

import html
import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from html.parser import HTMLParser
from typing import Any, cast

import httpx
import msgspec
import pytest
from console.pictures import (
    HOSTILE,
    KEY,
    NOW,
    LocalAuthenticator,
    PicturedOperations,
    api_key,
    hostile,
    orders,
)
from console.serving import serving
from msgspec import UNSET
from starlette.applications import Starlette

from conductor_lite.auth.actor import Actor
from conductor_lite.config import Settings
from conductor_lite.console.app_settings import AppSettingsPage
from conductor_lite.console.attention import links
from conductor_lite.console.audit import AuditPage
from conductor_lite.console.executors import ExecutorsPage
from conductor_lite.console.home import HomePage
from conductor_lite.console.keys import KeysPage
from conductor_lite.console.overview import OverviewPage
from conductor_lite.console.preferences_page import PreferencesPage
from conductor_lite.console.site import Site
from conductor_lite.operations.attention import WORKFLOW_FAILING, Attention
from conductor_lite.operations.overview import Overview

PATHS = (
    "/",
    "/apps/shop",
    "/apps/shop/executors",
    "/apps/shop/settings",
    "/apps/shop/delete",
    "/keys",
    "/keys/revoke?name=" + HOSTILE.replace("&", "%26"),
    "/audit",
)


class KeyHolder:
    """Everyone is one API key with few permissions."""

    def __init__(self, *permissions: str) -> None:
        self._permissions = frozenset(permissions)

    async def actor(self, authorization: str | None, source_ip: str | None) -> Actor:
        return Actor(
            subject_type="api_key", subject_id="key", display="reader", permissions=self._permissions
        )


Connect = Callable[..., httpx.Client]


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Serves the console on such operations, and gives a client of it."""
    with ExitStack() as stack:

        def to(operations: PicturedOperations, authenticator: object = None, **settings: Any) -> httpx.Client:
            # Not Console: its clock is the wall's, and these pictures were taken at one instant.
            site = Site(
                cast(Any, operations),
                cast(Any, authenticator or LocalAuthenticator()),
                Settings(**settings),
                lambda: NOW,
            )
            pages = (
                HomePage,
                OverviewPage,
                ExecutorsPage,
                AppSettingsPage,
                KeysPage,
                AuditPage,
                PreferencesPage,
            )
            app = Starlette(routes=[route for page in pages for route in page(site).routes()])
            url = stack.enter_context(serving(app))
            return stack.enter_context(httpx.Client(base_url=url, follow_redirects=True, timeout=60))

        yield to


@pytest.fixture
def operations() -> PicturedOperations:
    operations = PicturedOperations(orders(), hostile())
    operations.api_keys = [api_key("orders-prod"), api_key(HOSTILE, id="qqqqqqqqqqqq")]
    operations.entries = [entry for picture in operations.pictures.values() for entry in picture.recoveries]
    return operations


@pytest.fixture
def client(connect: Connect, operations: PicturedOperations) -> httpx.Client:
    return connect(operations)


def token_of(page: str) -> str:
    match = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert match, "the page has no form"
    return match[1]


def tags_of(page: str) -> list[tuple[str, dict[str, str]]]:
    """Every element as a browser would read it, with its attributes."""
    tags: list[tuple[str, dict[str, str]]] = []

    class Parser(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            tags.append((tag, {name: value or "" for name, value in attrs}))

    Parser().feed(page)
    return tags


def words_of(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page)).split())


@pytest.mark.parametrize("path", PATHS)
def test_hostile_names_and_metadata_are_escaped_everywhere(client: httpx.Client, path: str) -> None:
    page = client.get(path)
    assert page.status_code == 200
    assert not [tag for tag, _ in tags_of(page.text) if tag == "img"]
    assert HOSTILE[:20] in html.unescape(page.text) or path == "/apps/shop/delete"


@pytest.mark.parametrize("path", PATHS)
def test_enormous_values_do_not_make_an_enormous_page(client: httpx.Client, path: str) -> None:
    assert len(client.get(path).content) < 60_000


@pytest.mark.parametrize("path", [*PATHS, "/apps/none"])
def test_no_page_has_inline_script_or_style(client: httpx.Client, path: str) -> None:
    tags = tags_of(client.get(path).text)
    assert not [tag for tag, attributes in tags if tag == "style" or "style" in attributes]
    assert not [name for _, attributes in tags for name in attributes if name.startswith("on")]
    assert all(attributes["src"].startswith("/static/") for tag, attributes in tags if tag == "script")


def test_home_says_what_is_wrong_before_anything_else(client: httpx.Client) -> None:
    page = client.get("/").text
    assert page.index("Needs attention") < page.index("applications-title")
    assert "<title>(6) Applications" in page
    assert "Version b81e77d0c4a94c12 is stranded 13 min ago" in words_of(page)


def test_home_without_applications_teaches_how_to_connect_one(connect: Connect) -> None:
    client = connect(PicturedOperations())
    page = words_of(client.get("/").text)
    for language in ("Python", "TypeScript", "Go", "Java"):
        assert language in page
    assert page.count(f"ws://127.0.0.1:{client.base_url.port}") == 5
    assert "conductor-lite key create" in page
    assert "--dev" not in page


def test_home_in_development_mode_says_that_any_key_will_do(connect: Connect) -> None:
    page = words_of(connect(PicturedOperations(), dev=True).get("/").text)
    assert "any key will do" in page
    assert "conductor-lite key create" not in page


def test_executors_are_shown_each_in_its_state(client: httpx.Client) -> None:
    page = words_of(client.get("/apps/orders/executors").text)
    for words in (
        "connected 20 min ago",
        "Unresponsive",
        "lost 14 s ago · dead in 46 s",
        "dead 8 s ago · recovering (2 attempts)",
        "dead 13 min ago · stranded",
        "region eu-west-1",
        "4 entries",
        "4.9 ms",
    ):
        assert words in page


def test_overview_shows_figures_charts_and_recoveries(client: httpx.Client) -> None:
    page = client.get("/apps/orders?range=6h")
    words = words_of(page.text)
    for expected in (
        "Last 6 hours",
        "Running 9",
        "In queues 120",
        "Oldest waits 3 min 3 s",
        "Failed 17",
        "Started 204",
        "Longest 2.1 s",
        "1 min 184 ms 1",
    ):
        assert expected in words
    # Nothing is known of the first two steps.
    assert "01:01" in words
    failed = "status=ERROR&amp;status=MAX_RECOVERY_ATTEMPTS_EXCEEDED&amp;completed_after=2026-02-28T21%3A01Z"
    assert f'href="/apps/orders/workflows?{failed}&amp;range=all"' in page.text
    assert "uPlot" not in page.text
    assert [tag for tag in tags_of(page.text) if tag[0] == "script" and "uplot" in tag[1]["src"]]
    assert "uplot" not in client.get("/apps/orders/executors").text


def test_workflows_of_the_overview_are_ordered_as_wished(client: httpx.Client) -> None:
    data = {"Accept": "application/json"}
    measures = client.get("/apps/orders?sort=runs", headers=data).json()["measures"]
    assert [each["name"] for each in measures["workflows"]] == ["charge"]
    assert measures["steps"][0]["failed"] == 34
    assert measures["figures"]["failed"] == 17


def test_a_range_that_cannot_be_is_explained(client: httpx.Client) -> None:
    answer = client.get("/apps/orders?start=2026-03-01T03:00Z&end=2026-03-01T02:00Z")
    assert answer.status_code == 422
    assert "not after its start" in answer.text
    assert client.get("/apps/orders?start=yesterday").status_code == 422


def test_times_to_type_say_that_they_are_utc_until_the_readers_zone_is_known(client: httpx.Client) -> None:
    assert "<span>From (UTC)</span>" in client.get("/apps/orders").text
    client.cookies.set("conductor_zone", "Europe%2FBerlin")
    page = client.get("/apps/orders").text
    assert "<span>From</span>" in page
    assert '<input type="hidden" name="zone" value="Europe/Berlin">' in page


def test_what_is_wrong_leads_to_where_it_can_be_mended(client: httpx.Client) -> None:
    page = client.get("/").text
    failed = "status=ERROR&amp;status=MAX_RECOVERY_ATTEMPTS_EXCEEDED&amp;name=charge"
    for url in (
        f"/apps/orders/workflows?{failed}&amp;completed_after=2026-03-01T01%3A55Z&amp;range=all",
        "/apps/orders/queues/mail",
        "/apps/orders/versions",
        "/apps/orders/executors?q=6f1d0e03-7c1b-4b6e-9d0a-5f0c2f9e1a03",
        "/apps/shop/queues/~?id=%3Cimg",
    ):
        assert f'href="{url}' in page


def test_home_shows_what_happened_lately(client: httpx.Client) -> None:
    page = client.get("/").text
    assert "Available 2 1 silent 1 lost 2 dead 43 43 4 1,234 3f9a1c0…2d84e5f +1" in words_of(page)
    assert page.count('<svg class="spark"') == 2
    assert "/apps/orders/bulk/fork-from-failure?status=ERROR" in page
    # Nothing is known of the first three of twenty-four steps.
    assert re.search(r'<path class="tone-good" d="M13\.0 ', page)


def test_figures_need_their_permission(connect: Connect, operations: PicturedOperations) -> None:
    reader = connect(operations, KeyHolder("application.read"))
    assert "Figures and charts need the permission metric.read." in words_of(reader.get("/apps/orders").text)
    assert reader.get("/apps/orders", headers={"Accept": "application/json"}).json()["measures"] is None


def test_executors_are_narrowed_by_the_query_string(client: httpx.Client) -> None:
    def rows(query: str) -> int:
        return client.get(f"/apps/orders/executors?{query}").text.count('id="executor-')

    assert rows("") == 6
    assert rows("status=dead") == 2
    assert rows("status=HEALTHY") == 2
    assert rows("status=UNRESPONSIVE") == 1
    assert rows("q=b81e") == 1
    assert rows("q=worker-4") == 1
    assert rows("q=worker-4&status=DEAD") == 0
    assert rows("version=b81e77d0c4a94c12") == 1
    assert rows("q=python+2.31") == 6
    assert rows("q=region%3Deu-west-1") == 2
    assert rows("page=99") == 6
    assert rows("page=-1&status=nonsense") == 6


def test_live_part_alone_is_what_htmx_gets(client: httpx.Client) -> None:
    part = client.get("/", headers={"HX-Request": "true", "HX-Target": "div#live"}).text
    assert part.startswith("<title>")
    assert part.count('id="live"') == 1
    assert "<html" not in part
    assert "<header" not in part


@pytest.mark.parametrize(
    "path", ["/", "/apps/orders", "/apps/orders/executors", "/apps/orders/settings", "/keys", "/audit"]
)
def test_every_page_is_json_for_programs(client: httpx.Client, path: str) -> None:
    answer = client.get(path, headers={"Accept": "application/json"})
    assert answer.headers["content-type"] == "application/json"
    assert isinstance(json.loads(answer.content), dict)
    browser = client.get(path, headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert browser.headers["content-type"].startswith("text/html")


def test_json_holds_the_facts_of_the_page(client: httpx.Client) -> None:
    wants = {"Accept": "application/json"}
    data = client.get("/apps/orders/executors?status=DEAD&sort=version", headers=wants).json()
    versions = [(executor["status"], executor["application_version"]) for executor in data["executors"]]
    assert versions == [("DEAD", "3f9a1c07b2d84e5f"), ("DEAD", "b81e77d0c4a94c12")]
    assert client.get("/apps/orders", headers=wants).json()["recoveries"][0]["detection_secs"] == 60.02
    missing = client.get("/apps/none", headers={"Accept": "application/json"})
    assert (missing.status_code, missing.json()["status"]) == (404, 404)


def test_unknown_application_is_explained_in_the_same_look(client: httpx.Client) -> None:
    answer = client.get("/apps/none")
    assert answer.status_code == 404
    assert "There is no application &#39;none&#39;" in answer.text
    assert 'aria-label="Main"' in answer.text


def test_registering_redirects_to_the_application_and_says_so_once(
    client: httpx.Client, operations: PicturedOperations
) -> None:
    token = token_of(client.get("/").text)
    answer = client.post("/apps", data={"csrf_token": token, "name": "orders"}, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/apps/orders")
    assert operations.calls[-1] == ("register", "orders", False)
    said = 'class="toast toast-good"><span>Registered orders.'
    part = client.get("/apps/orders", headers={"HX-Request": "true", "HX-Target": "div#live"}).text
    assert said not in part
    assert said in client.get("/apps/orders").text
    assert said not in client.get("/apps/orders").text


def test_a_name_in_wrong_letters_is_explained_beside_its_field(client: httpx.Client) -> None:
    token = token_of(client.get("/").text)
    answer = client.post("/apps", data={"csrf_token": token, "name": HOSTILE})
    assert answer.status_code == 422
    assert "A name has 3 to 256 characters" in answer.text
    assert html.escape(HOSTILE, quote=False)[:20] in answer.text
    # Refreshing goes to the page itself, for the form's address cannot be fetched.
    assert 'data-url="/"' in answer.text


@pytest.mark.parametrize(
    "path",
    [
        "/apps",
        "/apps/orders/settings",
        "/apps/orders/settings/snapshots",
        "/apps/orders/delete",
        "/keys",
        "/keys/revoke",
    ],
)
@pytest.mark.parametrize("token", ["", "forged", "fälschung"])
def test_forms_of_other_pages_are_refused(
    client: httpx.Client, operations: PicturedOperations, path: str, token: str
) -> None:
    client.get("/")
    operations.calls.clear()
    answer = client.post(path, data={"csrf_token": token, "name": "orders"})
    assert answer.status_code == 403
    assert operations.calls == []
    assert operations.refused == [("console.form", path)]


def test_every_page_has_a_token_of_its_own_and_all_of_them_go_on_to_hold(
    client: httpx.Client, operations: PicturedOperations
) -> None:
    first, second = (token_of(client.get("/").text) for _ in range(2))
    assert first != second
    for token in (first, second):
        operations.calls.clear()
        client.post("/apps", data={"csrf_token": token, "name": "orders"})
        assert operations.calls[0] == ("register", "orders", False)
    swapped = f"{first.partition('.')[0]}.{second.partition('.')[2]}"
    assert client.post("/apps", data={"csrf_token": swapped, "name": "orders"}).status_code == 403


def test_a_token_without_its_cookie_is_refused(client: httpx.Client, operations: PicturedOperations) -> None:
    token = token_of(client.get("/").text)
    client.cookies.clear()
    assert client.post("/apps", data={"csrf_token": token, "name": "orders"}).status_code == 403


def hidden_fields(page: str) -> dict[str, str]:
    return {
        attrs["name"]: attrs["value"]
        for tag, attrs in tags_of(page)
        if tag == "input" and attrs.get("type") == "hidden"
    }


def test_a_form_from_before_a_restart_keeps_what_was_typed_and_is_sent_again(
    connect: Connect, operations: PicturedOperations
) -> None:
    before, after = connect(operations), connect(operations)
    page = before.get("/keys")
    own = {
        "Origin": str(after.base_url).rstrip("/"),
        "Cookie": f"conductor_csrf={before.cookies['conductor_csrf']}",
    }
    typed = {"name": 'ci "<bot>', "permission": ["token.read", "token.write"], "reach": "all"}
    refused = after.post("/keys", data={"csrf_token": token_of(page.text), **typed}, headers=own)
    assert refused.status_code == 403
    assert "What you filled in is kept." in refused.text
    assert [attrs["value"] for _, attrs in tags_of(refused.text) if attrs.get("name") == "permission"] == (
        typed["permission"]
    )
    kept = hidden_fields(refused.text)
    assert kept["name"] == typed["name"]
    form = next(attrs for tag, attrs in tags_of(refused.text) if tag == "form" and attrs["method"] == "post")
    done = after.post(form["action"], data={**kept, "permission": typed["permission"]}, headers=own)
    assert done.status_code == 200
    options = {"permissions": tuple(typed["permission"]), "application_names": None}
    assert operations.calls[-1] == ("create key", typed["name"], options)


def test_a_form_without_fields_from_before_a_restart_is_sent_again_as_well(
    connect: Connect, operations: PicturedOperations
) -> None:
    before, after = connect(operations), connect(operations)
    token = token_of(before.get("/apps/orders/delete").text)
    headers = {"Origin": str(after.base_url).rstrip("/")}
    refused = after.post("/apps/orders/delete", data={"csrf_token": token}, headers=headers)
    assert refused.status_code == 403
    assert "What you filled in" not in refused.text
    assert list(hidden_fields(refused.text)) == ["csrf_token"]
    done = after.post("/apps/orders/delete", data=hidden_fields(refused.text), headers=headers)
    assert done.status_code == 200
    assert operations.calls[-1] == ("delete", "orders")


@pytest.mark.parametrize("origin", [None, "null", "http://elsewhere.example", "http://[", "http://"])
def test_a_form_of_another_site_is_not_offered_to_be_sent_again(
    client: httpx.Client, origin: str | None
) -> None:
    headers = {"Origin": origin} if origin else {}
    refused = client.post("/apps", data={"csrf_token": "forged", "name": "orders"}, headers=headers)
    assert refused.status_code == 403
    assert "Send it again" not in refused.text
    assert hidden_fields(refused.text) == {}


def test_a_flash_nobody_signed_is_not_shown(client: httpx.Client) -> None:
    client.cookies.set("conductor_flash", "eyJ0ZXh0IjoiaGVsbG8ifQ==.forged")
    page = client.get("/").text
    assert 'class="toast ' not in page
    assert "hello" not in page


@pytest.mark.parametrize("timeout", ["", "0.5", "-1", "ten", "9" * 5000, "١٢"])
def test_a_timeout_that_is_no_number_is_explained(
    client: httpx.Client, operations: PicturedOperations, timeout: str
) -> None:
    token = token_of(client.get("/apps/orders/settings").text)
    answer = client.post(
        "/apps/orders/settings", data={"csrf_token": token, "executor_timeout_secs": timeout}
    )
    assert answer.status_code == 422
    assert "a whole number of seconds" in answer.text
    assert not any(call[0] == "update" for call in operations.calls)


def test_settings_are_saved(client: httpx.Client, operations: PicturedOperations) -> None:
    token = token_of(client.get("/apps/orders/settings").text)
    fields = {"csrf_token": token, "executor_timeout_secs": "90", "private_mode": "yes"}
    answer = client.post("/apps/orders/settings", data=fields, follow_redirects=False)
    assert answer.headers["location"] == "/apps/orders/settings"
    _, name, changes = cast(Any, operations.calls[-1])
    assert (name, changes.executor_timeout_secs, changes.private_mode) == ("orders", 90, True)
    assert changes.snapshots_enabled is UNSET


def test_settings_of_snapshots_are_saved_by_themselves(
    client: httpx.Client, operations: PicturedOperations
) -> None:
    page = client.get("/apps/orders/settings").text
    assert "Up to date On record 1,204 workflows" in words_of(page)
    fields = {"csrf_token": token_of(page), "snapshot_interval_secs": "60", "snapshot_keep_days": "7"}
    refused = client.post("/apps/orders/settings/snapshots", data=fields | {"snapshot_keep_rows": "many"})
    assert refused.status_code == 422
    assert "a whole number of workflows from 1 to 100,000,000" in refused.text
    assert 'value="60"' in refused.text
    client.post("/apps/orders/settings/snapshots", data=fields | {"snapshot_keep_rows": "500"})
    _, _, changes = cast(Any, operations.calls[-1])
    assert (changes.snapshots_enabled, changes.snapshot_interval_secs) == (False, 60)
    assert (changes.snapshot_keep_days, changes.snapshot_keep_rows) == (7, 500)
    assert changes.executor_timeout_secs is UNSET


def test_deletion_says_what_it_hits_before_and_what_it_did_after(client: httpx.Client) -> None:
    asked = client.get("/apps/orders/delete").text
    words = words_of(asked)
    assert "The connections of 3 executors are closed." in words
    assert "What is known of its 6 executors is forgotten; 2 dead ones will not be recovered." in words
    done = client.post("/apps/orders/delete", data={"csrf_token": token_of(asked)})
    assert "Deleted orders and closed 3 connections." in words_of(done.text)


def test_a_new_key_is_shown_once_and_never_cached(
    client: httpx.Client, operations: PicturedOperations
) -> None:
    token = token_of(client.get("/keys").text)
    fields = {"csrf_token": token, "name": "ci bot", "permission": "websocket.connect", "reach": "all"}
    answer = client.post("/keys", data=fields)
    assert f'<code id="secret">{KEY}</code>' in answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert KEY not in client.get("/keys").text
    assert ("create key", "ci bot", {"permissions": ("websocket.connect",), "application_names": None}) in (
        operations.calls
    )


def test_a_key_limited_to_nothing_is_not_made_to_reach_everything(
    client: httpx.Client, operations: PicturedOperations
) -> None:
    token = token_of(client.get("/keys").text)
    fields = {"csrf_token": token, "name": "ci", "permission": "websocket.connect", "reach": "some"}
    answer = client.post("/keys", data=fields)
    assert answer.status_code == 422
    assert "Choose at least one application" in answer.text
    assert not any(call[0] == "create key" for call in operations.calls)


def test_ticked_applications_are_not_silently_widened_to_all(
    client: httpx.Client, operations: PicturedOperations
) -> None:
    token = token_of(client.get("/keys").text)
    fields = {"csrf_token": token, "name": "ci", "permission": "websocket.connect", "reach": "all"}
    answer = client.post("/keys", data={**fields, "application": "orders"})
    assert answer.status_code == 422
    assert not any(call[0] == "create key" for call in operations.calls)


def test_a_taken_key_name_is_explained(client: httpx.Client) -> None:
    token = token_of(client.get("/keys").text)
    fields = {"csrf_token": token, "name": "orders-prod", "permission": "token.read", "reach": "all"}
    answer = client.post("/keys", data=fields)
    assert answer.status_code == 422
    assert "There is a key &#39;orders-prod&#39; already" in answer.text
    assert re.search(r'value="token.read" checked', answer.text)


def test_a_key_is_revoked_by_its_whole_name(client: httpx.Client, operations: PicturedOperations) -> None:
    token = token_of(client.get("/keys").text)
    client.post("/keys/revoke", data={"csrf_token": token, "name": " blanks / and slashes "})
    assert operations.calls[-1] == ("revoke key", " blanks / and slashes ")


def test_what_one_may_not_do_is_absent(connect: Connect, operations: PicturedOperations) -> None:
    reader = connect(operations, KeyHolder("application.read"))
    page = reader.get("/apps/orders/settings").text
    assert '<form method="post"' not in page
    assert "/apps/orders/delete" not in page
    assert "Executor timeout 1 min" in words_of(page)
    home = reader.get("/").text
    assert "Register an application" not in home
    assert "Failed runs" in home
    assert "Fork from failure" not in home
    assert 'href="/keys" data-go' not in page


def test_only_workflows_that_are_named_are_forked_from_where_they_failed() -> None:
    one = Attention(
        kind=WORKFLOW_FAILING, application_name="orders", title="", advice="", workflow_name="charge"
    )
    assert [(link.label, "name=charge" in link.url) for link in links(one)] == [
        ("Failed runs", True),
        ("Fork from failure…", True),
    ]
    # Those that are counted together have no name, and without one all that failed would be meant.
    assert [link.label for link in links(msgspec.structs.replace(one, workflow_name=None))] == ["Failed runs"]


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"name=%ff%fe", "application/x-www-form-urlencoded"),
        (b"\xff", "application/x-www-form-urlencoded"),
        (b"a=1&" * 1000, "application/x-www-form-urlencoded"),
        (b"name=" + b"x" * 70_000, "application/x-www-form-urlencoded"),
        (b"{}", "application/json"),
    ],
)
def test_unreadable_forms_are_refused_politely(client: httpx.Client, body: bytes, content_type: str) -> None:
    answer = client.post("/apps", content=body, headers={"Content-Type": content_type})
    assert answer.status_code == 422


@pytest.mark.parametrize(
    "back", ["///evil.example", "//evil.example", "/\\evil.example", "http://[::1", "javascript:alert(1)"]
)
def test_the_way_back_leads_nowhere_else(client: httpx.Client, back: str) -> None:
    page = client.get("/preferences", params={"back": back}).text
    assert html.unescape(re.findall(r'name="back" value="([^"]*)"', page)[0]) == "/"
    assert "javascript:" not in page
    fields = {"csrf_token": token_of(page), "zone": "UTC", "back": back}
    answer = client.post("/preferences", data=fields, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


def test_nothing_is_called_well_while_it_is_being_counted(connect: Connect) -> None:
    healthy = msgspec.structs.replace(orders(), attention=(), counting=True)
    operations = PicturedOperations(healthy)

    async def home(actor: Actor) -> Overview:
        return Overview(attention=(), applications=(healthy.application,), counting=True)

    operations.overviews.home = home
    client = connect(operations)
    for path in ("/", "/apps/orders"):
        page = client.get(path, headers={"Accept": "text/html"}).text
        assert "counting what happened lately" in page
        assert "All is well" not in page
        assert "needs metric.read" not in page
        assert client.get(path, headers={"Accept": "application/json"}).json()["counting"] is True


@pytest.mark.parametrize("accept", ["text/html", "application/json"])
def test_pages_are_compressed_for_those_who_can_read_it(client: httpx.Client, accept: str) -> None:
    for encodings in ("identity", "gzip;q=0"):
        plain = client.get("/apps/orders", headers={"Accept": accept, "Accept-Encoding": encodings})
        assert "content-encoding" not in plain.headers
    small = client.get("/apps/orders", headers={"Accept": accept, "Accept-Encoding": "gzip"})
    assert small.headers["content-encoding"] == "gzip"
    assert int(small.headers["content-length"]) < len(plain.content) / 2
    assert "Accept-Encoding" in small.headers["vary"]
    assert len(small.content) == len(plain.content)
