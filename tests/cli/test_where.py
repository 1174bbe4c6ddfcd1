"""Which server a command talks to, what it talks about there, and what its exit status says."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.conductor import ConductorProcess
from support.ports import lasting_port
from support.terminal import Terminal

from conductor_lite.cli.lazy import COMMANDS

SECRET = "dbos_this-is-a-secret"


@pytest.fixture(scope="module")
def conductor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConductorProcess]:
    with ConductorProcess(tmp_path_factory.mktemp("served"), {}) as conductor:
        conductor.register("served")
        yield conductor


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    return Terminal(tmp_path)


def write_profiles(terminal: Terminal, text: str, mode: int = 0o600) -> Path:
    path = terminal.folder / ".config" / "conductor-lite" / "profiles.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def apps(terminal: Terminal, *options: str, **variables: str) -> list[str]:
    return terminal.ok("app", "list", "-o", "ids", *options, **variables).splitlines()


def test_a_folder_without_a_server_is_worked_on_itself(terminal: Terminal) -> None:
    terminal.ok("app", "register", "offline")
    assert apps(terminal) == ["offline"]
    assert (terminal.folder / "conductor-data").is_dir()


def test_a_server_that_runs_on_the_folder_is_asked(terminal: Terminal, conductor: ConductorProcess) -> None:
    assert apps(terminal, "--data-dir", str(conductor.data_dir)) == ["served"]


def test_a_profile_says_where_and_about_what(terminal: Terminal, conductor: ConductorProcess) -> None:
    key = conductor.make_key("reader", "application.read")
    write_profiles(
        terminal,
        f'[here]\nurl = "{conductor.url}"\nkey = "{key}"\napp = "served"\n'
        f'[stranger]\nurl = "{conductor.url}"\nkey = "{SECRET}"\n'
        f'[bare]\nurl = "{conductor.url}"\n',
    )
    assert apps(terminal, "--profile", "here") == ["served"]
    assert apps(terminal, PROFILE="here") == ["served"]
    assert apps(terminal, "--profile", "bare", KEY=key) == ["served"]
    # The key is that of the profile: it may not list keys, and another is not known at all.
    forbidden = terminal.run("key", "list", "--profile", "here")
    assert (forbidden.status, "token.read" in forbidden.err) == (1, True)
    unknown = terminal.run("app", "list", "--profile", "stranger", KEY=key)
    assert unknown.status == 3
    # No executor is connected: that it asked for one of "served" shows where the name came from.
    assert terminal.run("queue", "list", "--profile", "here").status == 5
    conductor.delete("/tokens/reader")


def test_what_is_said_on_the_command_line_comes_first(
    terminal: Terminal, conductor: ConductorProcess, tmp_path: Path
) -> None:
    nowhere = f"http://127.0.0.1:{lasting_port()}"
    write_profiles(terminal, f'[here]\nurl = "{conductor.url}"\n[away]\nurl = "{nowhere}"\n')
    assert apps(terminal, "--profile", "here", URL=nowhere, PROFILE="away") == ["served"]
    assert apps(terminal, URL=conductor.url, PROFILE="away") == ["served"]
    empty = ("--data-dir", str(tmp_path / "empty"))
    assert "no applications yet" in terminal.ok("app", "list", *empty, URL=nowhere, PROFILE="away")
    assert terminal.run("app", "list", PROFILE="away").status == 5
    both = terminal.run("app", "list", "--profile", "here", "--data-dir", str(tmp_path / "empty"))
    assert (both.status, "--profile and --data-dir" in both.err) == (2, True)


def test_the_application_is_that_of_the_command_line_then_the_environment_then_the_profile(
    terminal: Terminal, conductor: ConductorProcess
) -> None:
    write_profiles(terminal, f'[here]\nurl = "{conductor.url}"\napp = "of-the-profile"\n')

    def asked_about(*options: str, **variables: str) -> str:
        finished = terminal.run("queue", "list", "--profile", "here", *options, **variables)
        assert finished.status == 4, finished
        return finished.err

    assert "of-the-profile" in asked_about()
    assert "of-the-environment" in asked_about(APP="of-the-environment")
    assert "of-the-line" in asked_about("--app", "of-the-line", APP="of-the-environment")
    assert terminal.run("queue", "list", URL=conductor.url).status == 5


@pytest.mark.parametrize(
    "text",
    [
        f'[other]\nurl = "http://x"\nkey = "{SECRET}"\n',
        f'[here]\nkey = "{SECRET}"\n',
        f'[here]\nurl = 7\nkey = "{SECRET}"\n',
        f'[here]\nurl = "http://x"\npassword = "{SECRET}"\n',
        f'[here]\nurl = "http://{SECRET}@x"\n',
        f'[here]\nurl = "{SECRET}"\n',
        f'here = "{SECRET}"\n',
        f'[here\nurl = "http://x"\nkey = "{SECRET}"\n',
        f'[here]\nurl = "http://x"\nkey = "{SECRET}ü"\n',
    ],
)
def test_a_profile_that_is_none_is_told_without_repeating_what_is_in_it(
    terminal: Terminal, text: str
) -> None:
    write_profiles(terminal, text)
    finished = terminal.run("app", "list", "--profile", "here")
    assert finished.status == 2, finished
    assert "here" in finished.err or "TOML" in finished.err
    assert SECRET not in finished.out + finished.err
    assert "Traceback" not in finished.err


def test_profiles_that_do_not_exist_are_told_with_their_place(terminal: Terminal) -> None:
    finished = terminal.run("app", "list", "--profile", "here")
    assert finished.status == 2
    assert str(Path(".config") / "conductor-lite" / "profiles.toml") in finished.err


def test_keys_that_others_may_read_are_warned_of(terminal: Terminal, conductor: ConductorProcess) -> None:
    key = conductor.make_key("open", "application.read")
    text = f'[here]\nurl = "{conductor.url}"\nkey = "{key}"\n'
    path = write_profiles(terminal, text, 0o644)
    finished = terminal.run("app", "list", "--profile", "here")
    assert finished.status == 0
    assert f"chmod 600 {path}" in finished.err
    path.chmod(0o600)
    assert terminal.run("app", "list", "--profile", "here").err == ""
    conductor.delete("/tokens/open")


@pytest.mark.parametrize("url", ["x", f"http://{SECRET}@h", "ftp://h"])
def test_an_address_in_the_environment_that_is_none_is_exit_status_2(terminal: Terminal, url: str) -> None:
    finished = terminal.run("app", "list", URL=url)
    assert (finished.status, "CONDUCTOR_LITE_URL" in finished.err) == (2, True)
    assert SECRET not in finished.err


def test_a_server_that_does_not_answer_is_exit_status_5(terminal: Terminal) -> None:
    finished = terminal.run("app", "list", URL=f"http://127.0.0.1:{lasting_port()}")
    assert (finished.status, "does not answer" in finished.err) == (5, True)


def test_workflows_need_a_server(terminal: Terminal) -> None:
    finished = terminal.run("workflow", "list")
    assert (finished.status, "conductor-lite serve" in finished.err) == (5, True)
    assert not (terminal.folder / "conductor-data").exists()


def test_audit_log_is_read_without_a_server(terminal: Terminal) -> None:
    terminal.ok("app", "register", "offline")
    assert "application.create" in terminal.ok("audit", "list")


def test_every_command_explains_itself_quickly(terminal: Terminal) -> None:
    shown = terminal.ok("--help")
    assert all(f"\n  {name} " in shown for name in COMMANDS)
    assert "Exit statuses: 0 done; 1 it failed" in shown
    # Not under a loaded machine's worst luck.
    durations = []
    for _ in range(3):
        begun = time.process_time()
        terminal.ok("--help")
        durations.append(time.process_time() - begun)
    assert min(durations) < 0.4


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in ("serve", "backup", "restore")])
def test_every_command_can_be_loaded(terminal: Terminal, name: str) -> None:
    shown = terminal.ok(name, "--help")
    assert shown.startswith(f"Usage: conductor-lite {name}")
    assert COMMANDS[name].summary in shown or name == "metrics"


def test_serving_waits_for_no_client(terminal: Terminal) -> None:
    finished = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "conductor_lite", "serve", "--data-dir", "/dev/null/none"],
        capture_output=True,
        text=True,
        cwd=terminal.folder,
        env=terminal.environment(),
        timeout=60,
    )
    # It got as far as refusing the folder.
    assert finished.returncode == 1, finished.stderr
    imported = {line.rpartition("|")[2].strip() for line in finished.stderr.splitlines()}
    assert "conductor_lite.server" in imported
    assert not {"httpx", "rich", "conductor_lite.client", "conductor_lite.cli.remote"} & imported
