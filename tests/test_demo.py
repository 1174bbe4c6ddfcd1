"""The demo: its processes run real workflows, come back after a kill, and never outlive the server."""

import asyncio
import json
import os
import signal
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest
from support.conductor_stub import conductor_stub
from support.process import Process
from support.tools import require
from support.wait import wait_until, wait_until_async

from conductor_lite.demo.fleet import DemoFleet
from conductor_lite.errors import ConfigurationError, StartupError

APP = (sys.executable, "-m", "conductor_lite.demo.app")


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A zombie that nobody reaps still has its id, but is no longer running.
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"


def query(database: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(database, timeout=60)) as connection:
        return connection.execute(sql).fetchall()


def test_two_executors_connect_with_the_key_and_say_which_process_they_are(tmp_path: Path) -> None:
    require("dbos")

    async def scenario() -> None:
        async with conductor_stub() as stub:
            fleet = DemoFleet()
            await fleet.start(stub.url, "some-key", tmp_path)
            try:
                await wait_until_async(lambda: len(stub.infos) == 2, 15, "both executors' information")
                assert stub.paths == ["/websocket/demo-shop/some-key"] * 2
                seen = {
                    info["executor_metadata"]["label"]: info["executor_metadata"]["pid"]
                    for info in stub.infos
                }
                assert seen == fleet.pids
                assert sorted(seen) == ["A", "B"]
                assert {info["application_version"] for info in stub.infos} == {"1.0.0"}
                assert len({info["executor_id"] for info in stub.infos}) == 2
            finally:
                pids = list(fleet.pids.values())
                await fleet.stop()
            assert fleet.pids == {}
            assert not any(is_alive(pid) for pid in pids)
            assert [executor.process.returncode for executor in fleet.executors if executor.process] == [0, 0]

    asyncio.run(scenario())


def test_killed_executor_stays_away_for_a_while_and_returns_under_a_new_id(tmp_path: Path) -> None:
    require("dbos")

    async def scenario() -> None:
        async with conductor_stub() as stub:
            fleet = DemoFleet(restart_after_secs=2)
            await fleet.start(stub.url, "k", tmp_path)
            try:
                await wait_until_async(lambda: len(stub.infos) == 2, 15, "both executors' information")
                before = fleet.pids
                killed_at = asyncio.get_running_loop().time()
                os.kill(before["A"], signal.SIGKILL)
                await wait_until_async(lambda: "A" not in fleet.pids, 5, "the death to be noticed")
                assert fleet.pids == {"B": before["B"]}
                await wait_until_async(lambda: len(stub.infos) == 3, 20, "the successor")
                assert asyncio.get_running_loop().time() - killed_at > 2
                assert stub.infos[2]["executor_metadata"] == {"label": "A", "pid": fleet.pids["A"]}
                assert stub.infos[2]["executor_id"] not in {info["executor_id"] for info in stub.infos[:2]}
                assert fleet.pids["B"] == before["B"]
            finally:
                await fleet.stop()

    asyncio.run(scenario())


def test_executors_die_with_a_supervisor_that_was_killed(tmp_path: Path) -> None:
    require("dbos")
    supervisor = """
import asyncio, json, sys
from pathlib import Path
from conductor_lite.demo.fleet import DemoFleet

async def main():
    fleet = DemoFleet()
    await fleet.start("ws://127.0.0.1:9", "k", Path(sys.argv[1]))
    print("pids", json.dumps(fleet.pids), flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""
    with Process([sys.executable, "-c", supervisor, tmp_path], tmp_path / "supervisor.log") as process:
        line = process.wait_for_line("pids", 60)
        pids: list[int] = list(json.loads(line.removeprefix("pids ")).values())
        try:
            assert len(pids) == 2
            assert all(is_alive(pid) for pid in pids)
            process.send_signal(signal.SIGKILL)
            wait_until(lambda: not any(is_alive(pid) for pid in pids), 15, "the executors to follow")
        finally:
            for pid in pids:
                if is_alive(pid):
                    os.kill(pid, signal.SIGKILL)


def test_without_the_sdk_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match=r"pip install 'conductor-lite\[demo\]'"):
        asyncio.run(DemoFleet().start("ws://127.0.0.1:9", "k", tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_an_executor_that_cannot_start_is_reported_with_its_log_and_none_is_left(tmp_path: Path) -> None:
    require("dbos")
    (tmp_path / "demo" / "demo-shop.sqlite").mkdir(parents=True)
    fleet = DemoFleet()
    with pytest.raises(StartupError, match=r"(?s)Executor A .*unable to open database file"):
        asyncio.run(fleet.start("ws://127.0.0.1:9", "k", tmp_path))
    assert fleet.pids == {}


def test_when_the_second_executor_cannot_start_the_first_is_not_left_running(tmp_path: Path) -> None:
    require("dbos")
    (tmp_path / "demo" / "executor-B.log").mkdir(parents=True)
    fleet = DemoFleet()
    with pytest.raises(StartupError, match=r"The demo cannot start in .*executor-B\.log"):
        asyncio.run(fleet.start("ws://127.0.0.1:9", "k", tmp_path))
    first = fleet.executors[0].process
    assert first is not None
    assert not is_alive(first.pid)


def test_the_server_side_of_the_demo_does_not_import_the_sdk(tmp_path: Path) -> None:
    program = "import conductor_lite.demo.fleet, sys; sys.exit('dbos' in sys.modules)"
    with Process([sys.executable, "-c", program], tmp_path / "log") as process:
        assert process.wait(30) == 0, process.describe()


def test_the_shop_has_work_queues_and_schedules_and_stops_in_good_time(tmp_path: Path) -> None:
    require("dbos")
    database = tmp_path / "shop.sqlite"
    command: list[str | Path] = [*APP, "--database", database, "--order-interval-secs", "0.5"]
    with Process(command, tmp_path / "log") as process:
        process.wait_for_line('"ready": true', 60)
        names = "SELECT DISTINCT name FROM workflow_status WHERE status = 'SUCCESS'"
        wanted = {("fulfil_order",), ("pack_parcel",), ("deliver_parcel",), ("notify_customer",)}
        process.wait_until(lambda: wanted <= set(query(database, names)), 60, "every kind of workflow to end")
        assert {row[0] for row in query(database, "SELECT name FROM queues")} >= {"packing", "mail"}
        schedules = query(database, "SELECT schedule_name FROM workflow_schedules ORDER BY 1")
        assert schedules == [("daily-sales",), ("stock-taking",)]
        assert query(database, "SELECT count(*) FROM streams WHERE key = 'progress'") != [(0,)]
        assert process.terminate() == 0
    assert query(database, "PRAGMA journal_mode") == [("wal",)]


def test_finished_workflows_are_deleted_when_their_time_is_over(tmp_path: Path) -> None:
    require("dbos")
    database = tmp_path / "shop.sqlite"
    command: list[str | Path] = [
        *APP,
        "--database",
        database,
        "--order-interval-secs",
        "0.5",
        "--retention-secs",
        "1",
    ]
    with Process(command, tmp_path / "log") as process:
        process.wait_for_line('"ready": true', 60)
        finished = "SELECT workflow_uuid FROM workflow_status WHERE status = 'SUCCESS'"
        first = process.wait_until(lambda: query(database, finished), 60, "a workflow to finish")[0]
        process.wait_until(lambda: first not in query(database, finished), 20, "it to be deleted")


def test_the_application_alone_says_what_to_install_without_the_sdk(tmp_path: Path) -> None:
    program = (
        "import importlib.util, sys; importlib.util.find_spec = lambda name: None; "
        "sys.argv[1:] = []; from conductor_lite.demo import app; app.main()"
    )
    with Process([sys.executable, "-c", program], tmp_path / "log", cwd=tmp_path) as process:
        assert process.wait(30) == 1
        assert process.output.strip() == "The demo needs the DBOS SDK: pip install 'conductor-lite[demo]'"
