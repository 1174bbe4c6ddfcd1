"""``conductor-lite app`` and ``key``: on the data folder itself, and on the server that runs on it."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from support.command import COMMAND, Finished, command, environment
from support.process import Process

from conductor_lite.auth.keys import parse_key


class Folder:
    """A data folder with or without a server on it."""

    def __init__(self, path: Path, log: Path | None) -> None:
        self.path = path
        self.log = log

    def run(self, *arguments: str, env: dict[str, str] | None = None, stdin: str = "") -> Finished:
        """Run a command on it."""
        where = ("--data-dir", self.path / "data")
        return command(*arguments, *where, cwd=self.path, env=env, stdin=stdin)

    def audited(self) -> list[tuple[str, str]]:
        """Operation and target of each audit entry, oldest first."""
        with closing(sqlite3.connect(self.path / "data" / "conductor.db")) as connection:
            sql = "SELECT operation, target_id FROM audit_log ORDER BY id"
            return connection.execute(sql).fetchall()


@pytest.fixture(params=["offline", "served"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Folder]:
    """A fresh folder, once without and once with a running server."""
    if request.param == "offline":
        yield Folder(tmp_path, None)
        return
    arguments = [*COMMAND, "serve", "--port", "0", "--data-dir", str(tmp_path / "data")]
    log = tmp_path / "serve.log"
    env = environment({"CONDUCTOR_LITE_LOG_LEVEL": "debug"})
    with Process(arguments, log, env=env, cwd=tmp_path) as process:
        process.wait_for_line("is ready", 30)
        yield Folder(tmp_path, log)
        assert process.terminate() == 0


def test_applications_from_registering_to_deleting(folder: Folder) -> None:
    assert "There are no applications yet" in folder.run("app", "list").out
    assert folder.run("app", "register", "shop").status == 0
    assert folder.run("app", "register", "shop").status == 0, "repeating it is harmless"
    listed = folder.run("app", "list", "-o", "json")
    (application,) = json.loads(listed.out)
    assert application["name"] == "shop"
    assert application["executorTimeoutSecs"] == 60
    table = folder.run("app", "list").out.splitlines()
    assert table[0].split()[:2] == ["NAME", "STATUS"]
    assert table[1].startswith("shop ")

    invalid = folder.run("app", "register", "Not Allowed")
    assert invalid.status == 1
    assert "appName" in invalid.err
    assert "Traceback" not in invalid.err

    undecided = folder.run("app", "delete", "shop", stdin="n\n")
    assert undecided.status != 0
    assert json.loads(folder.run("app", "list", "-o", "json").out)
    assert folder.run("app", "delete", "shop", "--yes").status == 0
    assert json.loads(folder.run("app", "list", "-o", "json").out) == []
    missing = folder.run("app", "delete", "shop", "--yes")
    assert missing.status == 4
    assert "'shop'" in missing.complaint
    done = [("application.create", "shop"), ("application.create", "shop")]
    assert folder.audited()[:2] == done
    assert ("application.delete", "shop") in folder.audited()


def test_keys_from_creating_to_revoking(folder: Folder) -> None:
    assert folder.run("app", "register", "shop").status == 0
    created = folder.run("key", "create", "executors", "--app", "shop")
    assert created.status == 0
    # A script can take standard output as it is.
    (key,) = created.out.splitlines()
    _, secret = parse_key(key)
    assert key not in created.err
    assert "cannot be shown again" in created.err

    listed = folder.run("key", "list")
    assert "executors" in listed.out
    assert "shop" in listed.out
    as_json = folder.run("key", "list", "-o", "json")
    (described,) = json.loads(as_json.out)
    assert described["permissions"] == ["websocket.connect"]
    again = folder.run("key", "create", "executors")
    assert again.status == 1
    assert "executors" in again.complaint
    nowhere = folder.run("key", "create", "other", "--app", "no-such-app")
    assert nowhere.status == 4
    revoked = folder.run("key", "revoke", "executors", "--yes")
    assert revoked.status == 0
    assert json.loads(folder.run("key", "list", "-o", "json").out) == []
    assert folder.run("key", "revoke", "executors", "--yes").status == 4

    # Shown once, and never again by anything.
    for finished in (listed, as_json, again, nowhere, revoked):
        assert secret not in finished.out + finished.err
    if folder.log is not None:
        assert secret not in folder.log.read_text()
    for file in (folder.path / "data").iterdir():
        assert secret.encode() not in file.read_bytes()


def test_server_is_found_by_its_address_and_asks_for_a_valid_key(tmp_path: Path) -> None:
    arguments = [*COMMAND, "serve", "--port", "0", "--data-dir", str(tmp_path / "data")]
    with Process(arguments, tmp_path / "serve.log", env=environment(), cwd=tmp_path) as process:
        url = process.wait_for_line("is ready", 30).split()[3]
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        reader = command(
            *("key", "create", "reader", "--permission", "application.read", "--data-dir", tmp_path / "data"),
            cwd=tmp_path,
        ).out.strip()
        assert httpx.get(f"{url}/healthz", trust_env=False, timeout=60).status_code == 200

        def remote(key: str, *command_line: str) -> Finished:
            env = {"CONDUCTOR_LITE_URL": url, "CONDUCTOR_LITE_KEY": key}
            return command(*command_line, cwd=elsewhere, env=env)

        assert remote(reader, "app", "list", "-o", "json").out.strip() == "[]"
        forbidden = remote(reader, "app", "register", "shop")
        assert forbidden.status == 1
        assert "application.write" in forbidden.complaint
        forged = reader[:20] + ("a" if reader[20] != "a" else "b") + reader[21:]
        for bad in (forged, "nonsense"):
            refused = remote(bad, "app", "list")
            assert refused.status == 3
            assert bad not in refused.err
        assert list(elsewhere.iterdir()) == []
        assert process.terminate() == 0
        gone = remote(reader, "app", "list")
        assert gone.status in (1, 5)
        assert url in gone.complaint
        assert reader not in gone.err


@pytest.mark.parametrize("url", ["localhost:8090", "ftp://127.0.0.1", ""])
def test_address_that_is_none_is_refused(tmp_path: Path, url: str) -> None:
    finished = command("app", "list", cwd=tmp_path, env={"CONDUCTOR_LITE_URL": url or "x"})
    assert finished.status == 2
    assert "CONDUCTOR_LITE_URL" in finished.complaint
