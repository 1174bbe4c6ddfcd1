"""Executors, the conductor and the network fail at random for a while: in the end all work is done."""

import random
import signal
import time
from pathlib import Path

from support.chaos import chaos_secs, seed
from support.proxy import Mode, Proxy
from support.scene import LedgerApp, Scene
from support.wait import wait_until

WORKFLOWS = 4
STEPS = 6
STEP_SECS = 0.3
EXECUTORS = 3
#: Enough for the sweep, which looks once a minute, to come round twice.
CALM_SECS = 300.0


class Storm:
    """What goes wrong.

    Args:
        scene: the processes.
        chance: decides everything.
    """

    def __init__(self, scene: Scene, chance: random.Random) -> None:
        self._scene = scene
        self._chance = chance
        # Executors that run, each behind a proxy of its own.
        self.apps: list[tuple[LedgerApp, Proxy]] = []
        # Processes that launched so far; each one started its workflows before it said so.
        self.launched = 0
        # What was done, for the text of a failure.
        self.history: list[str] = []

    def launch(self) -> None:
        """Start an executor with work of its own."""
        self.launched += 1
        proxy = self._scene.proxy()
        app = self._scene.spawn(
            prefix=f"p{self.launched}", start=WORKFLOWS, steps=STEPS, step_secs=STEP_SECS, via=proxy
        )
        self.apps.append((app.await_launch(), proxy))

    def strike(self) -> None:
        """Do one thing at random, and let it have its effect for a random time."""
        kinds = [self._kill_executor, self._kill_conductor, self._cut, self._silence, self._freeze]
        mischief = self._chance.choices(kinds, weights=[3, 2, 2, 2, 1])[0]
        self.history.append(mischief.__name__.removeprefix("_"))
        mischief()
        time.sleep(self._chance.uniform(0.1, 2))

    def calm(self) -> None:
        """Let everything through again; what was silent is cut, as SDKs take 40 s to notice."""
        for _, proxy in self.apps:
            proxy.set(Mode.PASS)
            proxy.cut()

    def _kill_executor(self) -> None:
        app, _ = self.apps.pop(self._chance.randrange(len(self.apps)))
        app.kill()
        self.launch()

    def _kill_conductor(self) -> None:
        self._scene.conductor.kill()
        time.sleep(self._chance.uniform(0, 2))
        self._scene.conductor.start()

    def _cut(self) -> None:
        _, proxy = self._chance.choice(self.apps)
        proxy.set(self._chance.choice([Mode.PASS, Mode.REFUSE]))
        proxy.cut()

    def _silence(self) -> None:
        _, proxy = self._chance.choice(self.apps)
        proxy.set(self._chance.choice([Mode.SWALLOW, Mode.STALL]))

    def _freeze(self) -> None:
        app, _ = self._chance.choice(self.apps)
        app.send_signal(signal.SIGSTOP)
        time.sleep(self._chance.uniform(0.2, 3))
        app.send_signal(signal.SIGCONT)


def test_after_a_storm_everything_succeeds_with_nothing_lost_and_nobody_left_dead(tmp_path: Path) -> None:
    pings = {"ping_interval_secs": 0.5, "ping_timeout_secs": 1, "probe_interval_secs": 2}
    with Scene(tmp_path) as scene:
        scene.serve(request_timeout_secs=3, **pings)
        scene.conductor.register("ledger")
        # Who dies before it is known, or works on after it was forgotten, leaves work that is nobody's.
        scene.conductor.patch("/apps/ledger", {"recoverUnknownExecutors": True})
        storm = Storm(scene, random.Random(seed()))
        for _ in range(EXECUTORS):
            storm.launch()
        until = time.monotonic() + chaos_secs()
        while time.monotonic() < until:
            storm.strike()
        storm.calm()
        print(f"{storm.launched} processes; {', '.join(storm.history)}")
        scene.await_success(storm.launched * WORKFLOWS, steps=STEPS, deadline_secs=CALM_SECS)
        healthy = dict.fromkeys((app.executor_id for app, _ in storm.apps), "HEALTHY")
        wait_until(lambda: scene.conductor.statuses() == healthy, CALM_SECS, "the dead to be forgotten")
        assert "Traceback" not in scene.conductor.log
