"""What one caller may ask for: the rule by itself, requests that wait, and the API on a real socket."""

import asyncio
import json
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvloop
from support.api import Api
from support.served import APPLICATION, Served, served
from support.wait import wait_until_async

from conductor_lite.api import routes
from conductor_lite.api.limits import (
    CallerLimits,
    Ticket,
    TooManyRequestsError,
    Turnstile,
    name_of_caller,
    retry_after,
)
from conductor_lite.auth.actor import Actor, local_actor
from conductor_lite.config import Settings, load_settings
from conductor_lite.errors import ConfigurationError
from conductor_lite.protocol import ExecutorInfo, ListQueues, ListQueuesReply

Run = Callable[..., Any]

HAMMER = Path(__file__).parents[1] / "apps" / "hammer.py"
APPS = "/v2/orgs/local/apps"
QUEUES = f"{APPS}/{APPLICATION}/queues"


def enter_all(limits: CallerLimits, name: str, now_secs: float, count: int) -> list[Ticket]:
    """As many requests as are let in, at most ``count``."""
    tickets = []
    for _ in range(count):
        try:
            tickets.append(limits.enter(name, now_secs))
        except TooManyRequestsError:
            break
    return tickets


@pytest.mark.parametrize(
    ("times_secs", "admitted"),
    [
        pytest.param([0.0] * 7, 5, id="a burst, and no more"),
        pytest.param([0.0] * 5 + [0.4], 5, id="not before a token is there"),
        pytest.param([0.0] * 5 + [0.5], 6, id="one more when it is"),
        pytest.param([0.0] * 5 + [1.0, 1.0, 1.0], 7, id="two per second"),
        pytest.param([0.0] * 5 + [1_000.0] * 7, 10, id="a long rest earns one burst"),
        pytest.param([0.5 * n for n in range(100)], 100, id="the allowed rate, for ever"),
    ],
)
def test_caller_spends_a_burst_and_earns_the_rate(times_secs: list[float], admitted: int) -> None:
    limits = CallerLimits(per_second=2, burst=5, at_once=1_000)
    assert sum(len(enter_all(limits, "a", now_secs, 1)) for now_secs in times_secs) == admitted


def test_refusal_tells_when_to_ask_again_and_costs_nothing() -> None:
    limits = CallerLimits(per_second=0.5, burst=1, at_once=10)
    limits.enter("a", 0)
    for now_secs, wait_secs in ((0.0, 2.0), (0.5, 1.5), (1.5, 0.5)):
        with pytest.raises(TooManyRequestsError, match="api_requests_per_second") as caught:
            limits.enter("a", now_secs)
        assert caught.value.retry_after_secs == pytest.approx(wait_secs)
    limits.enter("a", 2.0)


@pytest.mark.parametrize(("wait_secs", "header"), [(0.001, "1"), (1.0, "1"), (1.2, "2"), (60, "60")])
def test_retry_after_is_whole_seconds_and_never_too_early(wait_secs: float, header: str) -> None:
    assert retry_after(TooManyRequestsError("x", wait_secs)) == header


def test_callers_do_not_share() -> None:
    limits = CallerLimits(per_second=1, burst=2, at_once=1)
    assert [ticket.has_turn for ticket in enter_all(limits, "a", 0, 9)] == [True, False]
    assert [ticket.has_turn for ticket in enter_all(limits, "b", 0, 9)] == [True, False]


def test_turns_are_handed_on_in_order_and_past_those_who_left() -> None:
    limits = CallerLimits(per_second=1, burst=100, at_once=2)
    first, second, third, fourth, fifth = enter_all(limits, "a", 0, 5)
    turns: list[str] = []
    third.on_turn = lambda: turns.append("third")
    fourth.on_turn = lambda: turns.append("fourth")
    fifth.on_turn = lambda: turns.append("fifth")
    limits.leave(third)
    limits.leave(first)
    assert (turns, fourth.has_turn, fifth.has_turn) == (["fourth"], True, False)
    limits.leave(second)
    assert turns == ["fourth", "fifth"]
    limits.leave(fourth)
    limits.leave(fifth)
    # Nothing is left of them: two have their turn again, and no more.
    assert [ticket.has_turn for ticket in enter_all(limits, "a", 0, 3)] == [True, True, False]


def test_memory_is_bounded_and_whoever_is_busy_is_not_forgotten() -> None:
    limits = CallerLimits(per_second=0.001, burst=1, at_once=1, max_idle=3)
    busy = limits.enter("busy", 0)
    for number in range(1_000):
        limits.leave(limits.enter(f"caller {number}", 0))
    assert len(limits) == 4
    for spent in ("busy", "caller 999", "caller 997"):
        with pytest.raises(TooManyRequestsError):
            limits.enter(spent, 0)
    limits.leave(busy)
    assert len(limits) == 3


def test_counting_alone_takes_no_turn() -> None:
    limits = CallerLimits(per_second=0.001, burst=3, at_once=1)
    limits.spend("a", 0)
    limits.spend("a", 0)
    assert limits.enter("a", 0).has_turn
    with pytest.raises(TooManyRequestsError):
        limits.spend("a", 0)


def test_admitting_a_request_costs_microseconds() -> None:
    limits = CallerLimits(per_second=1_000_000, burst=1_000_000, at_once=8)
    started = time.process_time()
    for number in range(20_000):
        limits.leave(limits.enter(f"caller {number % 500}", number / 1_000))
    assert (time.process_time() - started) / 20_000 < 50e-6


def test_key_counts_wherever_it_is_used_and_an_address_only_without_one() -> None:
    def key(id_: str, source_ip: str) -> str:
        return name_of_caller(Actor(subject_type="api_key", subject_id=id_, display="k", source_ip=source_ip))

    assert key("a", "127.0.0.1") == key("a", "127.0.0.2") != key("b", "127.0.0.1")
    assert name_of_caller(local_actor("127.0.0.1")) != name_of_caller(local_actor("127.0.0.2"))


def test_request_waits_for_its_turn_and_is_refused_when_none_comes() -> None:
    async def main() -> None:
        turnstile = Turnstile(CallerLimits(100, 100, 1), max_wait_secs=0.2)
        order: list[str] = []

        async def ask(name: str, until: asyncio.Event) -> None:
            async with turnstile.turn("a"):
                order.append(name)
                await until.wait()

        done = asyncio.Event()
        first = asyncio.create_task(ask("first", done))
        await asyncio.sleep(0)
        with pytest.raises(TooManyRequestsError, match="api_concurrent_requests"):
            await ask("second", done)
        third = asyncio.create_task(ask("third", done))
        await asyncio.sleep(0)
        assert order == ["first"]
        done.set()
        await asyncio.gather(first, third)
        assert order == ["first", "third"]
        # Whoever gave up waiting does not hold a place.
        await ask("fourth", done)

    asyncio.run(asyncio.wait_for(main(), 60))


def test_cancelled_request_gives_its_turn_to_the_next() -> None:
    async def main() -> None:
        turnstile = Turnstile(CallerLimits(100, 100, 1), max_wait_secs=60)

        async def hold() -> None:
            async with turnstile.turn("a"):
                await asyncio.Event().wait()

        holding, waiting = asyncio.create_task(hold()), asyncio.create_task(hold())
        await asyncio.sleep(0)
        waiting.cancel()
        holding.cancel()
        await asyncio.gather(holding, waiting, return_exceptions=True)
        async with asyncio.timeout(30), turnstile.turn("a"):
            pass

    asyncio.run(main())


@pytest.mark.parametrize(
    ("name", "default", "bad"),
    [
        ("api_requests_per_second", 100, 0),
        ("api_burst_requests", 200, 100_001),
        ("api_concurrent_requests", 8, 1_001),
    ],
)
def test_settings_have_these_defaults_and_bounds(name: str, default: int, bad: int) -> None:
    assert getattr(Settings(), name) == default
    assert getattr(load_settings(None, {f"CONDUCTOR_LITE_{name.upper()}": "7"}, {}), name) == 7
    with pytest.raises(ConfigurationError, match=f"{name}.*use a whole number from 1 to"):
        load_settings(None, {}, {name: bad})


def test_one_caller_has_fewer_turns_than_an_executor() -> None:
    assert Settings().api_concurrent_requests < Settings().max_in_flight_requests


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Allows so little that a test meets the bounds at once."""
    return Settings(data_dir=tmp_path / "data", api_requests_per_second=1, api_burst_requests=3)


def test_whoever_asks_too_often_is_answered_429_and_when_to_come_back(run: Run) -> None:
    async def body(api: Api) -> None:
        answers = [await api.client.get(APPS)]
        while answers[-1].status_code == 200 and len(answers) < 50:
            answers.append(await api.client.get(APPS))
        # More than the burst on a slow machine.
        assert len(answers) > 3
        refused = answers[-1]
        assert refused.status_code == 429
        assert refused.headers["content-type"] == "application/problem+json"
        assert refused.headers["retry-after"] == "1"
        assert refused.json()["title"] == "Too Many Requests"
        assert refused.headers["x-request-id"]
        # Neither the console nor what is open to everyone counts.
        for path in ("/", "/healthz", "/openapi.json"):
            assert (await api.client.get(path)).status_code == 200

        async def admitted() -> bool:
            return (await api.client.get(APPS)).status_code == 200

        await wait_until_async(admitted, 3, "the next request to be admitted")

    run(body)


def test_refused_mutation_does_nothing_and_writes_no_audit_entry(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nobody regains anything, however long the requests take.
    monkeypatch.setattr(routes, "Turnstile", partial(Turnstile, clock=lambda: 0.0))

    async def body(api: Api) -> None:
        for _ in range(3):
            await api.client.get(APPS)
        assert (await api.client.put(f"{APPS}/shop")).status_code == 429
        assert await api.operations.audit.list(local_actor(None)) == []

    run(body)


def test_keys_are_counted_apart_and_wrong_ones_by_their_address(run: Run) -> None:
    async def body(api: Api) -> None:
        async def admitted(header: dict[str, str], status: int) -> int:
            """How many requests went through until one was refused: more than the burst on a slow machine."""
            for count in range(50):
                answer = await api.client.get(APPS, headers=header)
                if answer.status_code == 429:
                    return count
                assert answer.status_code == status
            raise AssertionError("nothing was refused")

        first, second = await api.key("application.read"), await api.key("application.read", "metric.read")
        for header in (first, second):
            assert await admitted(header, 200) >= 3
        wrong = [{"Authorization": f"Bearer dbos_wrong{n}"} for n in range(2)]
        assert await admitted(wrong[0], 401) >= 1
        # The address has spent what it had, whatever it shows next.
        assert await admitted(wrong[1], 401) <= 1

    run(body)


def run_on_uvloop(settings: Settings, body: Callable[[Served], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with served(settings) as scene:
            await body(scene)

    uvloop.run(whole())


async def hammer(scene: Served, path: str, secs: float) -> asyncio.subprocess.Process:
    """Start a script out of hand with 50 connections, in its own process, and wait until it has begun."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, HAMMER, scene.url + path, "--secs", str(secs), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    async with asyncio.timeout(60):
        assert json.loads(await process.stdout.readline()) == {"under_way": True}
    return process


async def statuses_of(process: asyncio.subprocess.Process) -> dict[str, int]:
    assert process.stdout is not None
    counted: dict[str, int] = json.loads(await process.stdout.read())
    assert await process.wait() == 0
    return counted


def test_script_on_50_connections_does_not_delay_heartbeats(tmp_path: Path) -> None:
    async def body(scene: Served) -> None:
        executor = await scene.executor("a")
        began = time.monotonic()
        process = await hammer(scene, APPS, secs=4)
        round_trips, pings = [], []
        until = time.monotonic() + 3
        while time.monotonic() < until:
            started = time.monotonic()
            await scene.ask(ExecutorInfo())
            round_trips.append(time.monotonic() - started)
            started = time.monotonic()
            await (await executor.connection.ping())
            pings.append(time.monotonic() - started)
            await asyncio.sleep(0.02)
        counted = await statuses_of(process)
        # Far below the 20 s after which a silent socket counts as lost, even on a busy machine.
        assert statistics.median(round_trips) < 2
        assert max(round_trips) < 10
        assert max(pings) < 10
        # 200 at once, and 100 in each second.
        assert counted["200"] <= 200 + 100 * (time.monotonic() - began)
        assert counted["429"] > 0

    run_on_uvloop(Settings(data_dir=tmp_path / "data", port=0, dev=True), body)


def test_script_does_not_take_all_turns_at_a_slow_executor(tmp_path: Path) -> None:
    async def body(scene: Served) -> None:
        executor = await scene.executor("a")
        released = asyncio.Event()

        async def slowly(_: ListQueues) -> ListQueuesReply:
            await released.wait()
            return ListQueuesReply()

        executor.on(ListQueues, slowly)
        process = await hammer(scene, QUEUES, secs=0.5)
        async with asyncio.timeout(25):
            for _ in range(20):
                await scene.ask(ExecutorInfo())
        key = await scene.key("application.read")
        header = {"Authorization": f"Bearer {key}"}
        answer = await scene.http("GET", APPS, headers=header, timeout=httpx.Timeout(25))
        assert answer.status_code == 200
        assert executor.count(ListQueues) == Settings().api_concurrent_requests
        released.set()
        assert sum((await statuses_of(process)).values()) >= 50

    run_on_uvloop(Settings(data_dir=tmp_path / "data", port=0, dev=True), body)
