"""``conductor-lite serve`` as a process: what it prints, how it ends, and why it refuses to start."""

import json
import re
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from support.command import COMMAND, command, command_process, environment
from support.ports import accepts_connections
from support.process import Process

from conductor_lite import __version__

READY = re.compile(r"conductor-lite is ready(?P<mode>.*): (?P<url>http://\S+) \(data in (?P<data>.+)\)")
READY_SECS = 60.0


def launched(folder: Path, *arguments: str | Path) -> Process:
    """A server on a free port, its data in ``folder/data`` unless the arguments say otherwise."""
    options = [*arguments] if "--data-dir" in arguments else ["--data-dir", folder / "data", *arguments]
    if "--port" not in arguments:
        options += ["--port", "0"]
    command_line = [*COMMAND, "serve", *map(str, options)]
    return Process(command_line, folder / "serve.log", env=environment(), cwd=folder)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A server for tests that only look: its folder, and its URL."""
    folder = tmp_path_factory.mktemp("running")
    with launched(folder) as process:
        found = READY.search(process.wait_for_line("is ready", READY_SECS))
        assert found is not None
        yield folder, found["url"]


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_server_says_once_that_it_is_ready_and_stops_cleanly(tmp_path: Path, signum: signal.Signals) -> None:
    with subprocess.Popen(
        [*COMMAND, "serve", "--port", "0", "--dev"],
        cwd=tmp_path,
        env=environment({"PYTHONUNBUFFERED": "1"}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = READY.fullmatch(line.strip())
            assert found is not None, line
            assert found["mode"] == " in development mode"
            assert found["data"] == "./conductor-data"
            assert (
                httpx.get(f"{found['url']}/healthz", trust_env=False, timeout=60).json()["version"]
                == __version__
            )
            process.send_signal(signum)
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 0
    assert out == ""
    assert "Traceback" not in err
    assert not accepts_connections(int(found["url"].rsplit(":", 1)[1]))
    assert (tmp_path / "conductor-data" / "conductor.db").exists()
    assert not (tmp_path / "conductor-data" / "server.json").exists()


def test_settings_come_from_the_file_and_the_environment(tmp_path: Path) -> None:
    (tmp_path / "conductor.toml").write_text("[server]\nport = 1\ndata_dir = 'from-the-file'\n")
    process = Process([*COMMAND, "serve"], tmp_path / "log", env={"CONDUCTOR_LITE_PORT": "0"}, cwd=tmp_path)
    with process:
        line = process.wait_for_line("is ready", READY_SECS)
        assert "./from-the-file" in line
        assert not re.search(r":1\b ", line)
        assert process.terminate() == 0


def test_taken_port_is_refused(running: tuple[Path, str], tmp_path: Path) -> None:
    port = running[1].rsplit(":", 1)[1]
    finished = command_process("serve", "--port", port, "--data-dir", tmp_path / "data", cwd=tmp_path)
    assert f"127.0.0.1:{port}" in finished.complaint
    assert "--port" in finished.complaint
    assert finished.status == 1
    assert finished.out == ""


def test_folder_held_by_a_live_process_is_refused_naming_it(running: tuple[Path, str]) -> None:
    folder, url = running
    pid = (folder / "data" / "conductor.lock").read_text().strip()
    finished = command_process("serve", "--port", "0", "--data-dir", folder / "data", cwd=folder)
    assert finished.status == 1
    assert f"Process {pid} already uses the data folder" in finished.complaint
    assert url in finished.complaint
    assert httpx.get(f"{url}/healthz", trust_env=False, timeout=60).status_code == 200


def test_killed_server_leaves_nothing_that_keeps_the_next_from_starting(tmp_path: Path) -> None:
    for _ in range(2):
        with launched(tmp_path) as process:
            process.wait_for_line("is ready", READY_SECS)
            process.kill()
    with launched(tmp_path) as process:
        process.wait_for_line("is ready", READY_SECS)
        assert process.terminate() == 0


def test_data_folder_that_is_a_file_or_below_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for data_dir in ("file", "file/below"):
        finished = command("serve", "--port", "0", "--data-dir", data_dir, cwd=tmp_path)
        assert finished.status == 1
        assert f"{data_dir} is not a folder" in finished.complaint
        assert "--data-dir" in finished.complaint


def test_unwritable_data_folder_is_refused(tmp_path: Path) -> None:
    # Even root cannot make files there.
    finished = command("serve", "--port", "0", "--data-dir", "/proc/conductor", cwd=tmp_path)
    assert finished.status == 1
    assert "/proc/conductor cannot be used" in finished.complaint


def test_database_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert command("app", "list", "--data-dir", data, cwd=tmp_path).status == 0
    with closing(sqlite3.connect(data / "conductor.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    finished = command("serve", "--port", "0", "--data-dir", data, cwd=tmp_path)
    assert finished.status == 1
    assert "newer" in finished.complaint
    with closing(sqlite3.connect(data / "conductor.db")) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [("9999",)]


def test_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "conductor.db").write_bytes(b"not a database at all" * 100)
    finished = command("serve", "--port", "0", "--data-dir", tmp_path / "data", cwd=tmp_path)
    assert finished.status == 1
    assert "conductor.db is not a" in finished.complaint
    assert (tmp_path / "data" / "conductor.db").read_bytes().startswith(b"not a database")


@pytest.mark.parametrize(
    ("toml", "env", "arguments", "words"),
    [
        ("[server]\nport = 'x'", {}, [], ["port = 'x'", "conductor.toml", "0 to 65535"]),
        ("[server]\nprot = 1", {}, [], ["prot in conductor.toml", "is not a setting"]),
        ("[server", {}, [], ["conductor.toml is not valid TOML"]),
        ("", {"CONDUCTOR_LITE_PORT": "x"}, [], ["port = 'x'", "the environment", "0 to 65535"]),
        ("", {"CONDUCTOR_LITE_PROT": "1"}, [], ["CONDUCTOR_LITE_PROT", "the environment"]),
        ("", {}, ["--host", "0.0.0.0"], ["host = '0.0.0.0'", "the command line", "127.0.0.1"]),
        ("", {}, ["--port", "99999"], ["port = 99999", "the command line", "0 to 65535"]),
        ("", {}, ["--config", "missing.toml"], ["missing.toml does not exist"]),
    ],
    ids=["value", "key", "toml", "environment", "environment key", "host", "flag", "no file"],
)
def test_bad_settings_are_refused_with_one_sentence(
    tmp_path: Path, toml: str, env: dict[str, str], arguments: list[str], words: list[str]
) -> None:
    if toml:
        (tmp_path / "conductor.toml").write_text(toml)
    finished = command("serve", *arguments, cwd=tmp_path, env=env)
    assert finished.status == 2
    for word in words:
        assert word in finished.complaint
    assert not (tmp_path / "conductor-data").exists()


def test_version_is_printed_by_both_names_of_the_command(tmp_path: Path) -> None:
    finished = command_process("--version", cwd=tmp_path)
    assert finished == (0, f"conductor-lite {__version__}\n", "")
    script = Path(COMMAND[0]).parent / "conductor-lite"
    if script.exists():
        assert subprocess.check_output([script, "--version"], text=True) == finished.out


def test_usage_is_explained(tmp_path: Path) -> None:
    finished = command("serve", "--help", cwd=tmp_path)
    assert finished.status == 0
    for word in ("--config", "--host", "--port", "--data-dir", "--dev", "--demo", "127.0.0.1", "8090"):
        assert word in finished.out
    wrong = command("serve", "--no-such-option", cwd=tmp_path)
    assert wrong.status == 2
    assert "no-such-option" in wrong.err
    assert "Traceback" not in wrong.err
    assert command("no-such-command", cwd=tmp_path).status == 2


def test_runtime_file_tells_others_where_the_server_is(running: tuple[Path, str]) -> None:
    folder, url = running
    runtime = json.loads((folder / "data" / "server.json").read_text())
    assert runtime["url"] == url
    assert (folder / "data" / "server.json").stat().st_mode & 0o077 == 0
    assert (folder / "data").stat().st_mode & 0o077 == 0
