"""Every request that dbosctl makes, as observed on the wire, and the exit status that our answer leads to.

The rows come from its public documentation and from watching it talk to this server. They run against a real
server with a real DBOS application, once without credentials and once with an API key.
"""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec
import pytest
from support.conductor import ConductorProcess
from support.process import Process
from support.tools import require
from support.wait import wait_until

from conductor_lite.auth.permissions import ALL_PERMISSIONS

APPLICATION = Path(__file__).parents[1] / "interop" / "sdks" / "python" / "app.py"

#: Exit statuses as documented; everything else that is no success is 1.
NOT_LOGGED_IN, NOT_FOUND, OTHER = 3, 4, 1
EXITS = {401: NOT_LOGGED_IN, 404: NOT_FOUND}

#: What a command takes for success: a JSON body with this status, or any status below 300.
READ, MADE, DONE = 200, 201, None

SHOP = "/apps/shop"
WORKFLOWS = f"{SHOP}/workflows"
SEARCH = f"{WORKFLOWS}/search"
NIGHTLY = f"{SHOP}/schedules/nightly"
#: Replaced by a name that no other row has; for DELETE there is a workflow of that id.
FRESH = "FRESH"


class Row(msgspec.Struct, frozen=True):
    """One command line and what it sends."""

    command: str
    method: str
    #: Below ``/v2/orgs/local``, as it stands in the request line.
    target: str
    success: int | None
    body: str | None = None
    #: What we answer, and the command's exit status then.
    status: int = 0
    exit: int = 0
    #: Properties that the command prints, of the answer or of each of its elements.
    shows: tuple[str, ...] = ()


APP: tuple[str, ...] = (
    "name",
    "id",
    "orgId",
    "status",
    "language",
    "dbosCloud",
    "privateMode",
    "executorTimeoutSecs",
)
APP += ("gcRowsThreshold", "gcTimeThresholdMs", "globalTimeoutMs")
VERSION = ("versionName", "versionId", "versionTimestamp", "createdAt")
EXECUTOR = ("executorId", "status", "appVersion", "language", "hostname", "updatedAt")
METRIC = ("metricName", "metricType", "value", "timeBucket", "granularity")
LISTED = ("workflowId", "workflowName", "status", "queueName", "createdAt")
WORKFLOW: tuple[str, ...] = (
    *LISTED,
    "applicationName",
    "appVersion",
    "executorId",
    "scheduleName",
    "priority",
    "updatedAt",
)
WORKFLOW += ("completedAt", "deadline", "timeoutMs", "user", "workflowClass", "parentWorkflowId")
WORKFLOW += ("forkedFrom", "deduplicationId", "input", "output", "error")
STEP = ("stepId", "stepName", "startedAt", "completedAt", "childWorkflowId", "error")
EVENT = ("key", "value")
QUEUE: tuple[str, ...] = (
    "name",
    "applicationName",
    "concurrency",
    "workerConcurrency",
    "pollingIntervalSecs",
)
QUEUE += ("priorityEnabled", "partitionQueue", "rateLimitMax", "rateLimitPeriodSecs")
SCHEDULE: tuple[str, ...] = (
    "scheduleId",
    "scheduleName",
    "applicationName",
    "status",
    "cronExpression",
    "cronTimezone",
)
SCHEDULE += ("workflowName", "workflowClass", "automaticBackfill", "lastFiredAt")
KEY = ("tokenName", "appIds", "permissions", "createdAt")

WINDOW = "startTime=2026-01-01T09%3A30%3A00.183727818Z&endTime=2026-01-02T09%3A30%3A00.183727818Z"
LOCAL_WINDOW = "startTime=2026-01-01T06%3A00%3A00.41-03%3A30&endTime=2026-01-02T06%3A00%3A00.41%2B02%3A00"
EVERY_FILTER = (
    '{"appVersion":["1.0.0"],"endTime":"2030-01-01T00:00:00Z","limit":2,"offset":1,"queueName":["mail"],'
    '"queuesOnly":true,"sortDesc":true,"startTime":"2026-01-01T15:03:43.350600941-03:30",'
    '"status":["SUCCESS","ERROR"],"user":["me"],"workflowIds":["order-1","order-2"],"workflowName":["order"]}'
)
EVERY_SETTING = (
    '{"executorTimeoutSecs":30,"gcRowsThreshold":1000,"gcTimeThresholdMs":60000,"globalTimeoutMs":90000,'
    '"privateMode":true}'
)
BACKFILL = '{"endTime":"2026-01-04T00:00:00.035830183Z","startTime":"2026-01-01T20:30:00.035829663-03:30"}'
BACKWARDS = '{"endTime":"2026-01-01T00:00:00Z","startTime":"2026-01-04T00:00:00Z"}'
TWO = '"workflowIds":["order-1","order-2"]'

ROWS = (
    Row("app list", "GET", "/apps", READ, shows=APP),
    Row("app get shop", "GET", SHOP, READ, shows=APP),
    Row("app get none", "GET", "/apps/none", READ, status=404, exit=NOT_FOUND),
    Row("app register made", "PUT", "/apps/made", DONE, "{}"),
    Row("app register 'Not Allowed'", "PUT", "/apps/Not%20Allowed", DONE, "{}", 422, OTHER),
    Row("app update shop2 (each setting)", "PATCH", "/apps/shop2", DONE, EVERY_SETTING),
    Row("app update shop2 --private-mode=false", "PATCH", "/apps/shop2", DONE, '{"privateMode":false}'),
    Row(
        "app update shop2 --executor-timeout-secs 0",
        "PATCH",
        "/apps/shop2",
        DONE,
        '{"executorTimeoutSecs":0}',
        422,
        OTHER,
    ),
    Row("app update none", "PATCH", "/apps/none", DONE, '{"executorTimeoutSecs":5}', 404, NOT_FOUND),
    Row("app versions shop", "GET", f"{SHOP}/versions", READ, shows=VERSION),
    Row("app versions shop2", "GET", "/apps/shop2/versions", READ, status=503, exit=OTHER),
    Row("app set-version 1.0.0", "PATCH", f"{SHOP}/versions/latest", DONE, '{"versionName":"1.0.0"}'),
    Row("app set-version 9", "PATCH", f"{SHOP}/versions/latest", DONE, '{"versionName":"9"}', 404, NOT_FOUND),
    Row("app executors shop", "GET", f"{SHOP}/executors", READ, shows=EXECUTOR),
    Row("app executors none", "GET", "/apps/none/executors", READ, status=404, exit=NOT_FOUND),
    Row("app metrics shop", "GET", f"{SHOP}/metrics?{WINDOW}", READ, shows=METRIC),
    Row("app metrics shop, elsewhere", "GET", f"{SHOP}/metrics?{LOCAL_WINDOW}", READ, shows=METRIC),
    Row("app metrics none", "GET", f"/apps/none/metrics?{WINDOW}", READ, status=404, exit=NOT_FOUND),
    Row("app delete shop3 --force", "DELETE", "/apps/shop3", DONE),
    Row("app delete none --force", "DELETE", "/apps/none", DONE, status=404, exit=NOT_FOUND),
    Row("workflow list", "POST", SEARCH, READ, "{}", shows=LISTED),
    Row("workflow list (each filter)", "POST", SEARCH, READ, EVERY_FILTER),
    Row("workflow list --limit 0", "POST", SEARCH, READ, '{"limit":0}'),
    Row("workflow list --limit -1", "POST", SEARCH, READ, '{"limit":-1}', 422, OTHER),
    Row("workflow list --desc=false", "POST", SEARCH, READ, '{"sortDesc":false}', shows=LISTED),
    Row("workflow list -a none", "POST", "/apps/none/workflows/search", READ, "{}", 404, NOT_FOUND),
    Row("workflow list -a shop2", "POST", "/apps/shop2/workflows/search", READ, "{}", 503, OTHER),
    Row("workflow get order-1", "GET", f"{WORKFLOWS}/order-1", READ, shows=WORKFLOW),
    Row("workflow get failed-1", "GET", f"{WORKFLOWS}/failed-1", READ, shows=WORKFLOW),
    Row("workflow get search", "GET", SEARCH, READ, status=404, exit=NOT_FOUND),
    Row("workflow get 'a/b c'", "GET", f"{WORKFLOWS}/a%2Fb%20c", READ, status=404, exit=NOT_FOUND),
    Row("workflow steps order-1", "GET", f"{WORKFLOWS}/order-1/steps", READ, shows=STEP),
    Row("workflow steps none", "GET", f"{WORKFLOWS}/none/steps", READ, status=404, exit=NOT_FOUND),
    Row("workflow events order-1", "GET", f"{WORKFLOWS}/order-1/events", READ, shows=EVENT),
    Row("workflow events none", "GET", f"{WORKFLOWS}/none/events", READ, status=404, exit=NOT_FOUND),
    Row("workflow cancel order-1", "POST", f"{WORKFLOWS}/order-1/cancel", DONE, "{}"),
    Row("and --children", "POST", f"{WORKFLOWS}/order-1/cancel", DONE, '{"cancelChildren":true}'),
    Row("workflow cancel none", "POST", f"{WORKFLOWS}/none/cancel", DONE, "{}", 404, NOT_FOUND),
    Row("workflow cancel (two)", "POST", f"{WORKFLOWS}/bulk-cancel", DONE, f"{{{TWO}}}"),
    Row("and --children", "POST", f"{WORKFLOWS}/bulk-cancel", DONE, f'{{"cancelChildren":true,{TWO}}}'),
    Row("workflow resume failed-1", "POST", f"{WORKFLOWS}/failed-1/resume", DONE, "{}"),
    Row("and --queue mail", "POST", f"{WORKFLOWS}/failed-1/resume", DONE, '{"queueName":"mail"}'),
    Row("workflow resume none", "POST", f"{WORKFLOWS}/none/resume", DONE, "{}", 404, NOT_FOUND),
    Row("workflow resume (two)", "POST", f"{WORKFLOWS}/bulk-resume", DONE, f"{{{TWO}}}"),
    Row("and --queue mail", "POST", f"{WORKFLOWS}/bulk-resume", DONE, f'{{"queueName":"mail",{TWO}}}'),
    Row("workflow delete FRESH", "DELETE", f"{WORKFLOWS}/{FRESH}", DONE),
    Row("and --children", "DELETE", f"{WORKFLOWS}/{FRESH}?deleteChildren=true", DONE),
    Row("and --children=false", "DELETE", f"{WORKFLOWS}/{FRESH}?deleteChildren=false", DONE),
    Row("workflow delete none", "DELETE", f"{WORKFLOWS}/none", DONE, status=404, exit=NOT_FOUND),
    Row("workflow delete (two)", "POST", f"{WORKFLOWS}/bulk-delete", DONE, '{"workflowIds":["x1","x2"]}'),
    Row(
        "and --children=false",
        "POST",
        f"{WORKFLOWS}/bulk-delete",
        DONE,
        '{"deleteChildren":false,"workflowIds":["x1","x2"]}',
    ),
    Row("workflow fork order-2", "POST", f"{WORKFLOWS}/order-2/fork", MADE, "{}", shows=("workflowId",)),
    Row(
        "workflow fork order-2 (each option)",
        "POST",
        f"{WORKFLOWS}/order-2/fork",
        MADE,
        '{"appVersion":"1.0.0","newWorkflowId":"forked-FRESH","queueName":"mail","startStep":2}',
        shows=("workflowId",),
    ),
    Row("workflow fork none", "POST", f"{WORKFLOWS}/none/fork", MADE, "{}", 404, NOT_FOUND),
    Row("queue list", "GET", f"{SHOP}/queues", READ, shows=QUEUE),
    Row("queue get mail", "GET", f"{SHOP}/queues/mail", READ, shows=QUEUE),
    Row("queue get none", "GET", f"{SHOP}/queues/none", READ, status=404, exit=NOT_FOUND),
    Row("schedule list", "GET", f"{SHOP}/schedules", READ, shows=SCHEDULE),
    Row("schedule get nightly", "GET", NIGHTLY, READ, shows=SCHEDULE),
    Row("schedule get none", "GET", f"{SHOP}/schedules/none", READ, status=404, exit=NOT_FOUND),
    Row("schedule pause nightly", "POST", f"{NIGHTLY}/pause", DONE),
    Row("schedule resume nightly", "POST", f"{NIGHTLY}/resume", DONE),
    Row("schedule pause none", "POST", f"{SHOP}/schedules/none/pause", DONE, status=404, exit=NOT_FOUND),
    Row("schedule trigger nightly", "POST", f"{NIGHTLY}/trigger", MADE, shows=("workflowId",)),
    Row("schedule trigger none", "POST", f"{SHOP}/schedules/none/trigger", MADE, status=404, exit=NOT_FOUND),
    Row("schedule backfill nightly", "POST", f"{NIGHTLY}/backfill", READ, BACKFILL, shows=("workflowIds",)),
    Row("schedule backfill (backwards)", "POST", f"{NIGHTLY}/backfill", READ, BACKWARDS, 422, OTHER),
    Row("api-key list", "GET", "/tokens", READ, shows=KEY),
    Row("api-key create", "POST", f"/tokens/key-{FRESH}", MADE, "{}", shows=("token", "tokenName")),
    Row(
        "api-key create --app shop --permission application.read",
        "POST",
        f"/tokens/limited-{FRESH}",
        MADE,
        '{"appNames":["shop"],"permissions":["application.read"]}',
        shows=("token", "tokenName"),
    ),
    Row("api-key create (taken)", "POST", "/tokens/root", MADE, "{}", 409, OTHER),
    Row("api-key create --app none", "POST", "/tokens/bad", MADE, '{"appNames":["none"]}', 404, NOT_FOUND),
    Row(
        "api-key create (no such permission)",
        "POST",
        "/tokens/bad",
        MADE,
        '{"permissions":["x"]}',
        422,
        OTHER,
    ),
    Row("api-key delete", "DELETE", "/tokens/spare", DONE),
    Row("api-key delete none", "DELETE", "/tokens/none", DONE, status=404, exit=NOT_FOUND),
    Row("permission list", "GET", "/permissions", READ),
)


class Target:
    """The server with its application, and the tool's way of asking it."""

    def __init__(self, conductor: ConductorProcess, key: str) -> None:
        self._conductor = conductor
        self._http = httpx.Client(trust_env=False, timeout=30)
        self.key = key
        # Numbers what rows use up.
        self._made = 0

    def close(self) -> None:
        self._http.close()

    def prepare(self, row: Row) -> str:
        """Make what the row uses up; gives the id of a workflow, or a name, that nothing else has."""
        self._made += 1
        fresh = f"fresh-{self._made}"
        if row.method == "DELETE":
            self._conductor.register("shop3")
            self._conductor.call("POST", "/tokens/spare", {})
            fork = self._conductor.call("POST", f"{WORKFLOWS}/order-3/fork", {"newWorkflowId": fresh})
            assert fork.status_code == 201, fork.text
        return fresh

    def send(
        self, method: str, target: str, body: str | None = None, *, key: str | None = None
    ) -> httpx.Response:
        """Send the request with the headers that the tool sends, and no others."""
        path = target if target.startswith("/v2/") else f"/v2/orgs/local{target}"
        headers = {"User-Agent": "Go-http-client/1.1", "Accept-Encoding": "gzip"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        elif method == "POST":
            headers["Content-Length"] = "0"
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        url = f"{self._conductor.url}{path}"
        request = httpx.Request(method, url, headers=headers, content=body)
        # Nothing that was escaped may have been unescaped on the way.
        assert request.url.raw_path.decode() == url.removeprefix(f"http://{urlsplit(url).netloc}")
        return self._http.send(request)


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    require("dbos")
    folder = tmp_path_factory.mktemp("dbosctl")
    with ConductorProcess(folder, {"api_burst_requests": 1_000}) as conductor:
        key = conductor.make_key("root", *ALL_PERMISSIONS)
        conductor.register("shop")
        conductor.register("shop2")
        environment = {
            "APP_NAME": "shop",
            "DATABASE_URL": f"sqlite:///{folder / 'app.sqlite'}",
            "CONDUCTOR_URL": conductor.ws_url,
            "CONDUCTOR_KEY": key,
            "WORKFLOWS": "3",
            "STEP_MS": "5",
        }
        command: list[str | Path] = [sys.executable, APPLICATION]
        with Process(command, folder / "app.log", env=os.environ | environment) as process:
            process.wait_for_line("ready", 60)

            def all_ended() -> bool:
                answer = conductor.call("POST", SEARCH, {"status": ["SUCCESS", "ERROR"]})
                return answer.status_code == 200 and len(answer.json()) == 5

            wait_until(all_ended, 60, "the application's workflows to end")
            tool = Target(conductor, key)
            try:
                yield tool
            finally:
                tool.close()


def exit_status(success: int | None, answer: httpx.Response) -> int:
    """What the tool makes of an answer, by its documentation."""
    status = answer.status_code
    is_json = answer.headers.get("content-type", "").startswith("application/json")
    done = 200 <= status < 300 if success is DONE else status == success and is_json
    return 0 if done else EXITS.get(status, OTHER)


def message(answer: httpx.Response) -> str:
    """What people get to see of a refusal: title and detail."""
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["title"]
    assert problem["detail"]
    return f"{problem['title']}: {problem['detail']}"


@pytest.mark.parametrize("with_key", [False, True], ids=["no-credentials", "key"])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.command} {row.method}".replace("/", "|"))
def test_request_of_dbosctl_is_answered_so_that_it_ends_as_documented(
    target: Target, row: Row, with_key: bool
) -> None:
    fresh = target.prepare(row)
    body = row.body.replace(FRESH, fresh) if row.body is not None else None
    path = row.target.replace(FRESH, fresh)
    answer = target.send(row.method, path, body, key=target.key if with_key else None)
    assert answer.status_code == (row.status or row.success or 204), answer.text
    assert exit_status(row.success, answer) == row.exit
    if row.exit:
        assert message(answer)
        return
    if row.success is DONE:
        assert answer.content == b""
        return
    shown = answer.json()
    elements = shown if isinstance(shown, list) else [shown]
    assert elements or not row.shows
    for element in elements:
        missing = set(row.shows) - set(element) if row.shows else None
        assert not missing, json.dumps(element)


@pytest.mark.parametrize(
    ("key", "path", "exit_", "text"),
    [
        pytest.param(
            "dbos_wrong", "/apps", NOT_LOGGED_IN, "not an API key", id="a key with a typing mistake"
        ),
        pytest.param("a.b.c", "/apps", NOT_LOGGED_IN, "API keys", id="a login token"),
        pytest.param(None, "/v2/orgs/other/apps", NOT_FOUND, "yours is 'local'", id="--org other"),
        pytest.param(
            "reader", f"{WORKFLOWS}/order-1/cancel", OTHER, "application.write", id="a key for reading"
        ),
        pytest.param("root", "/v2/users/me", OTHER, "no user", id="whoami with a key"),
    ],
)
def test_credentials_and_organization_lead_to_these_exit_statuses(
    target: Target, key: str | None, path: str, exit_: int, text: str
) -> None:
    keys = {"root": target.key}
    if key == "reader":
        made = target.send("POST", "/tokens/reader", '{"permissions":["application.read"]}')
        keys["reader"] = made.json()["token"]
    method, body = ("POST", "{}") if path.endswith("/cancel") else ("GET", None)
    answer = target.send(method, path, body, key=keys.get(key or "", key))
    assert exit_status(READ, answer) == exit_
    assert text in message(answer)


def test_key_limited_to_an_application_is_not_told_to_register_others(target: Target) -> None:
    made = target.send(
        "POST", "/tokens/shop-only", '{"appNames":["shop"],"permissions":["application.write"]}'
    )
    key = made.json()["token"]
    assert exit_status(DONE, target.send("PUT", SHOP, "{}", key=key)) == 0
    refused = target.send("PUT", "/apps/another", "{}", key=key)
    assert (refused.status_code, exit_status(DONE, refused)) == (403, OTHER)
    assert "limited to other applications" in message(refused)


def test_organization_of_a_key_is_not_asked_for(target: Target) -> None:
    # Without --org and with DBOS_TOKEN set, a target without login is taken to have the organization 'local'.
    assert target.send("GET", "/apps", key=target.key).status_code == 200


def test_list_gives_all_workflows_and_ids_that_can_be_piped_into_cancel(target: Target) -> None:
    listed = target.send("POST", SEARCH, "{}").json()
    assert {"order-1", "order-2", "order-3", "failed-1", "queued-1"} <= {row["workflowId"] for row in listed}
    ids = [row["workflowId"] for row in listed]
    body = json.dumps({"workflowIds": ids}, separators=(",", ":"))
    assert target.send("POST", f"{WORKFLOWS}/bulk-cancel", body).status_code == 204
