"""``conductor-lite apply`` as people run it: the documented example, a real server, and people meanwhile."""

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.command import Finished
from support.conductor import ConductorProcess
from support.terminal import Terminal

from conductor_lite.api.schemas.declaration import DeclaredApp
from conductor_lite.cli.declaration import read_declaration

ROOT = Path(__file__).parents[2]
SECRET = "hunter2secret"
URL = f"json://user:{SECRET}@localhost/hook"


def documented() -> str:
    """The example of the page about it."""
    (example,) = re.findall(r"```toml\n(.*?)```", (ROOT / "docs" / "declaring.md").read_text(), re.DOTALL)
    return str(example)


@pytest.fixture(scope="module")
def conductor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConductorProcess]:
    with ConductorProcess(tmp_path_factory.mktemp("served"), {}) as conductor:
        yield conductor


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    return Terminal(tmp_path)


class Scene:
    """A folder with a file, from which a server is told."""

    def __init__(self, terminal: Terminal, conductor: ConductorProcess) -> None:
        self.terminal = terminal
        self.conductor = conductor
        self.file = terminal.folder / "conductor.toml"

    def apply(self, *options: str, text: str | None = None, address: str | None = URL) -> Finished:
        """Apply the file, which says this from now on."""
        if text is not None:
            self.file.write_text(text)
        command = ("apply", *options)
        environment = {} if address is None else {"ON_CALL_URL": address}
        with pytest.MonkeyPatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            finished = self.terminal.run(*command, URL=self.conductor.url)
        assert SECRET not in finished.out + finished.err
        assert "Traceback" not in finished.err
        return finished

    def changes(self, *options: str, **how: Any) -> list[tuple[str, str, str]]:
        """What is done, or would be."""
        finished = self.apply(*options, "-o", "json", **how)
        assert finished.status == 0, finished
        return [(item["action"], item["appName"], item["name"]) for item in json.loads(finished.out)]


@pytest.fixture
def scene(terminal: Terminal, conductor: ConductorProcess) -> Scene:
    return Scene(terminal, conductor)


def test_the_documented_example_is_shown_made_and_kept(scene: Scene) -> None:
    conductor = scene.conductor
    shown = scene.apply("--dry-run", "--exit-code", text=documented())
    assert shown.status == 6
    assert shown.out.splitlines()[1].split()[:3] == ["create", "shop", "application"]
    assert "this was a dry run" in shown.err
    assert conductor.get("/apps") == []

    made = scene.apply()
    assert (made.status, made.out) == (0, shown.out)
    assert re.search(r"json://localhost/\*\*\*", made.out)
    shop = conductor.get("/apps/shop")
    assert shop["executorTimeoutSecs"] == 30
    assert shop["globalTimeoutMs"] is None
    # Every setting is in the example.
    assert len(shop["declaredSettings"]) == len(DeclaredApp.__struct_fields__) - 3
    assert [rule["declared"] for rule in conductor.get("/apps/shop/alerting-rules")] == [True, True]
    (target,) = conductor.get("/apps/shop/notification-targets")
    assert (target["name"], target["url"], target["declared"]) == ("on-call", "json://localhost/***", True)
    policy = conductor.get("/apps/shop/autoscaling-policy")
    assert (policy["policy"]["queue"], policy["declared"]) == ("orders", True)
    assert conductor.get("/apps/operations")["declaredSettings"] == []

    again = scene.apply("--dry-run", "--exit-code")
    assert (again.status, again.out, again.err) == (0, "Nothing to do.\n", "")
    assert scene.changes() == []

    # The console marks what is declared and nothing else.
    page = httpx.get(f"{conductor.url}/apps/shop/settings", timeout=60).text
    marked = re.findall(r"<label for=\"([a-z_]+)\">[^<]*<span class=\"tag\"[^>]*>declared in", page)
    assert {"executor_timeout_secs", "private_mode", "recover_unknown_executors"} <= set(marked)
    assert "change it in that file" in page
    assert "declared in" not in httpx.get(f"{conductor.url}/apps/operations/settings", timeout=60).text

    # What people change is put back, an address too; what they make is left alone.
    conductor.call("PATCH", "/apps/shop", {"executorTimeoutSecs": 99})
    by_hand = {"ruleType": "SlowQueue", "ruleMetadata": {"threshold_secs": 5}}
    assert conductor.call("POST", "/apps/shop/alerting-rules", by_hand).status_code == 201
    assert scene.changes("--dry-run") == [("change", "shop", "executorTimeoutSecs")]
    moved = scene.apply(address=URL.replace("user", "other"))
    assert "what is hidden of it differs" in moved.out
    assert "2 changes made." in moved.err
    assert conductor.get("/apps/shop")["executorTimeoutSecs"] == 30
    assert scene.changes("--dry-run", address=URL.replace("user", "other")) == []

    # What leaves the file.
    less = documented().partition("[[apps.shop.alerting_rules]]")[0] + "[apps.operations]\n"
    assert scene.changes(text=less) == [
        ("delete", "shop", "on-call"),
        ("delete", "shop", "WorkflowFailure"),
        ("delete", "shop", "UnresponsiveApplication"),
        ("delete", "shop", ""),
    ]
    assert [rule["ruleType"] for rule in conductor.get("/apps/shop/alerting-rules")] == ["SlowQueue"]
    assert scene.changes(text="[apps]\n") == [("release", "operations", ""), ("release", "shop", "")]
    assert conductor.get("/apps/shop")["declaredSettings"] is None
    assert conductor.get("/apps/shop")["executorTimeoutSecs"] == 30
    assert SECRET not in conductor.log
    assert all(entry["status"] == "success" for entry in conductor.audit("declaration.apply"))


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("[apps.shop]\ncolor = 1", ["apps.shop.color: unknown"]),
        (
            "[apps.shop]\nexecutor_timeout_secs = 0",
            ["apps.shop.executor_timeout_secs: expected a whole number"],
        ),
        ("[apps.Shop]", ["apps.Shop: expected a name of"]),
        (
            "[[apps.shop.alerting_rules]]\nrule_type = 'SlowQueue'\nrule_metadata = { threshold = 5 }\n"
            "receiving_app_name = 'nobody-at-all'",
            [
                "apps.shop.alerting_rules[0].rule_metadata.threshold: unknown",
                "apps.shop.alerting_rules[0].rule_metadata.threshold_secs: it is required",
                "apps.shop.alerting_rules[0].receiving_app_name: expected an application that exists",
            ],
        ),
        (
            "[apps.shop.notification_targets]\n'On Call' = 'env:ON_CALL_URL'",
            ['apps.shop.notification_targets."On Call": expected an address'],
        ),
        (
            "[apps.shop.notification_targets]\nops = 'env:NOT_SET_ANYWHERE'",
            ["apps.shop.notification_targets.ops: the environment variable NOT_SET_ANYWHERE is not set"],
        ),
    ],
)
def test_what_cannot_be_is_located_in_the_file_and_nothing_is_changed(
    scene: Scene, text: str, places: list[str]
) -> None:
    before = scene.conductor.get("/apps")
    for options in (("--dry-run",), ()):
        refused = scene.apply(*options, text=f"[apps.brand-new]\n{text}", address=f"nonsense-{SECRET}")
        assert (refused.status, refused.out) == (2, "")
        first, *rest = refused.err.splitlines()
        assert first == "conductor-lite: What conductor.toml declares cannot be applied; nothing was changed."
        assert len(rest) == len(places)
        assert all(line.startswith(f"  {place}") for line, place in zip(rest, places, strict=True))
    assert scene.conductor.get("/apps") == before


def test_a_wrong_folder_does_no_harm(scene: Scene) -> None:
    nowhere = scene.apply()
    assert (nowhere.status, "conductor.toml does not exist" in nowhere.err) == (2, True)
    silent = scene.apply(text="[server]\nport = 1\n")
    assert (silent.status, "declares no applications" in silent.err) == (2, True)
    assert scene.apply("--exit-code", text="[apps]\n").status == 2


def test_a_key_that_may_only_read_is_refused(scene: Scene) -> None:
    scene.file.write_text("[apps.brand-new]\n")
    key = scene.conductor.make_key("reader", "application.read")
    refused = scene.terminal.run("apply", "--dry-run", URL=scene.conductor.url, KEY=key)
    assert (refused.status, "application.write" in refused.err) == (1, True)
    assert key not in refused.err


def test_a_folder_without_a_server_is_worked_on_itself_and_serve_takes_the_file(terminal: Terminal) -> None:
    (terminal.folder / "other.toml").write_text(
        "[server]\ndata_dir = 'here'\n[apps.shop]\nprivate_mode = true\n"
    )
    assert "private_mode" in terminal.ok("apply", "--config", "other.toml")
    assert terminal.ok("apply", "--config", "other.toml") == "Nothing to do.\n"
    assert (terminal.folder / "here" / "conductor.db").exists()
    assert "declaredSettings" in terminal.ok("app", "get", "shop", "--config", "other.toml")


def test_the_example_of_every_setting_can_be_applied() -> None:
    text = (ROOT / "conductor.toml").read_text()
    _, mark, rest = text.partition("# [apps.my-app]")
    lines = [line.removeprefix("# ") for line in (mark + rest).splitlines()]
    body = read_declaration("it", tomllib.loads("\n".join(lines))["apps"], {"ON_CALL_URL": "json://x/"})
    (declared,) = body.apps.values()
    named = {name for name in DeclaredApp.__struct_fields__ if f"\n{name} =" in "\n" + "\n".join(lines)}
    lists = {"alerting_rules", "notification_targets", "autoscaling_policy"}
    assert named == set(DeclaredApp.__struct_fields__) - lists
    assert declared.gc_rows_threshold == 1_000_000
