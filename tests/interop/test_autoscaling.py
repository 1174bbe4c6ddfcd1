"""A real queue with a backlog, scaled as docs/autoscaling.md says: by KEDA and by commands."""

import json
import shlex
from pathlib import Path

import pytest
from support.documentation import blocks
from support.keda import Trigger, TriggerError, trigger_of
from support.orders import Orders
from support.terminal import Terminal
from support.wait import wait_for, wait_until

PAGE = "autoscaling.md"
#: Workflows that wait, of which an executor takes two at a time.
BACKLOG = 7
#: An application that is slow to answer is asked once in fifty seconds; scalers are told the same meanwhile.
ANSWERED_SECS = 120


def _commands() -> list[list[str]]:
    """Every command of ours that the page has, in order."""
    lines = "".join(blocks(PAGE, "shell")).splitlines()
    return [shlex.split(line)[1:] for line in lines if line.startswith("conductor-lite ")]


def _allowed_hosts() -> list[str]:
    (block,) = blocks(PAGE, "toml")
    hosts: list[str] = json.loads(block.partition("=")[2])
    return hosts


def _keda() -> Trigger:
    (block,) = blocks(PAGE, "yaml")
    return trigger_of(block)


def test_the_page_names_the_host_that_the_server_has_to_accept() -> None:
    assert any(f"http://{host}/" in _keda().url for host in _allowed_hosts())


def _settled(trigger: Trigger, value: float, current: int) -> int:
    """Where replicas come to rest."""
    while (following := trigger.replicas(value, current)) != current:
        current = following
    return current


@pytest.mark.parametrize(
    ("value", "current", "replicas"),
    [(1, 0, 1), (4, 0, 4), (4, 9, 4), (1, 4, 1), (0, 4, 0), (0, 0, 0), (21, 20, 20), (99, 3, 20), (9, 8, 9)],
)
def test_what_the_page_configures_makes_replicas_of_the_number(
    value: int, current: int, replicas: int
) -> None:
    assert _settled(_keda(), value, current) == replicas


def test_a_backlog_is_scaled_as_the_page_says(tmp_path: Path) -> None:
    keda = _keda()
    with Orders(tmp_path, {"allowed_hosts": _allowed_hosts(), "executor_timeout_secs": 5}) as orders:
        url = orders.conductor.url
        terminal = Terminal(tmp_path / "home", URL=url)
        app = orders.spawn("--backlog", str(BACKLOG), name="shop", populate=False)
        printed = {" ".join(command[:2]): terminal.ok(*command) for command in _commands()}
        assert set(printed) == {"autoscaling set", "key create", "autoscaling history"}
        key = printed["key create"].strip()

        def replicas(current: int, trigger: Trigger = keda) -> int | str:
            try:
                return _settled(trigger, trigger.value(url, key), current)
            except TriggerError as error:
                # KEDA would leave replicas alone, and ask again.
                return str(error)

        # Two at a time for each of four, for as long as they are held up; those that run count as well.
        wait_for(lambda: replicas(0), 4, ANSWERED_SECS, "four replicas for a backlog of seven")
        assert terminal.ok("autoscaling", "desired", "--app", "shop") == "4\n"
        recommended = json.loads(terminal.ok("autoscaling", "recommend", "--app", "shop", "-o", "json"))
        assert [(row["applicationVersion"], row["queueDepth"]) for row in recommended] == [("1.0.0", BACKLOG)]
        # A key for the page's application tells nothing of another, and no key nothing at all.
        with pytest.raises(TriggerError, match="404"):
            keda._replace(url=keda.url.replace("/shop/", "/other/")).value(url, key)
        with pytest.raises(TriggerError, match="401"):
            keda.value(url, "dbos_wrong")
        newer = orders.spawn(name="shop", version="2.0.0", populate=False)
        old = keda._replace(url=keda.url.replace("/latest/", "/1.0.0/"))
        wait_for(
            lambda: (replicas(1), replicas(1, old)), (1, 4), ANSWERED_SECS, "both versions to be told apart"
        )
        orders.release()
        # The old version is done, and goes to zero; the latest stays.
        wait_for(
            lambda: (replicas(1), replicas(4, old)), (1, 0), ANSWERED_SECS, "the backlog to be worked off"
        )
        for process in (app, newer):
            assert process.terminate() == 0
        wait_until(
            lambda: "HEALTHY" not in orders.conductor.statuses("shop").values(), 30, "everybody to be gone"
        )
        # Nobody can be asked any more, and KEDA starts the first from zero all the same.
        wait_for(lambda: (replicas(0), replicas(0, old)), (1, 0), 30, "one replica to be started from zero")
        orders.conductor.stop()
        orders.conductor.start()
        # Or as many as there were in the last minute that is on record.
        wait_until(lambda: replicas(0) in (1, 4), 30, "replicas after a restart")


def test_commands_change_the_policy_and_tell_what_it_is(tmp_path: Path) -> None:
    with Orders(tmp_path) as orders:
        terminal = Terminal(tmp_path / "home", URL=orders.conductor.url)
        orders.spawn("--backlog", "3", populate=False)
        missing = terminal.run("autoscaling", "get")
        assert (missing.status, "no autoscaling policy" in missing.err) == (4, True)
        assert terminal.run("autoscaling", "recommend").status == 4
        assert terminal.run("autoscaling", "desired").status == 4
        unfit = terminal.run("autoscaling", "set", "no-such-queue")
        assert (unfit.status, "not registered" in unfit.err) == (1, True)
        limits = ("--max-old-application-versions", "2", "--max-executors-for-old-application-versions", "0")
        terminal.ok("autoscaling", "set", "orders", *limits)
        assert json.loads(terminal.ok("autoscaling", "get", "-o", "json")) == {
            "queue": "orders",
            "rollout": {"maxOldApplicationVersions": 2, "maxExecutorsForOldApplicationVersions": 0},
        }
        assert terminal.run("autoscaling", "set", "orders", limits[0], "-1").status == 2
        terminal.ok("autoscaling", "set", "orders")
        assert json.loads(terminal.ok("autoscaling", "get", "-o", "json")) == {"queue": "orders"}
        heading, row = terminal.ok("autoscaling", "recommend", "--version", "latest").splitlines()
        assert heading.split() == ["VERSION", "LATEST", "EXECUTORS", "DEPTH", "QUEUE"]
        assert row.split() == ["1.0.0", "yes", "2", "3", "orders"]
        assert terminal.run("autoscaling", "recommend", "--version", "9.9.9").status == 4
        assert json.loads(terminal.ok("autoscaling", "desired", "1.0.0", "-o", "json"))["basis"] == "observed"
        assert "Nothing was recommended" in terminal.ok("autoscaling", "history", "--end-time", "5m")
        terminal.ok("autoscaling", "delete")
        assert terminal.run("autoscaling", "get").status == 4
