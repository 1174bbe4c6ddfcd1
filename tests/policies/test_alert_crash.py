"""kill -9 between the firing of a rule and the delivery of its message: it arrives after the next start."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.inbox import inbox
from support.served import APPLICATION, LOCAL
from support.wait import wait_until_async

from conductor_lite.config import Settings
from conductor_lite.server import open_conductor

_FIRE = """
import asyncio, os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from conductor_lite.auth.actor import local_actor
from conductor_lite.config import Settings
from conductor_lite.policies.alert_delivery import AlertDelivery
from conductor_lite.server import open_conductor
from conductor_lite.store.alert_records import AlertText
from conductor_lite.store.alerts import Alerts

LOCAL = local_actor(None)

async def main(folder, url, moment):
    async with open_conductor(Settings(data_dir=Path(folder), port=0)) as conductor:
        operations = conductor.operations
        await operations.applications.register(LOCAL, "shop")
        await operations.notification_targets.create(LOCAL, "shop", name="ops", url=url)
        rule = await operations.alerting_rules.create(
            LOCAL, "shop", rule_type="SlowQueue", rule_metadata={"threshold_secs": 1}
        )
        alerts = Alerts(conductor.db)
        if moment == "delivered":
            async def die(*arguments):
                os.kill(os.getpid(), signal.SIGKILL)
            Alerts.delivered = die
        text = AlertText(name="SlowQueue", message="3 wait.", metadata={})
        assert await alerts.fire(rule, text, receiving_application_name="shop", now=datetime.now(UTC))
        if moment == "fired":
            os.kill(os.getpid(), signal.SIGKILL)
        await conductor.start()
        await asyncio.sleep(60)

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize(("moment", "times"), [("fired", 1), ("delivered", 2)])
def test_alert_survives_a_kill_between_firing_and_delivery(tmp_path: Path, moment: str, times: int) -> None:
    async def restarted(folder: Path) -> None:
        async with open_conductor(Settings(data_dir=folder, port=0)) as conductor:
            await conductor.start()
            try:

                async def arrived() -> bool:
                    (item,) = await conductor.operations.alerts.list(LOCAL, APPLICATION)
                    return [d.state for d in item.deliveries if d.channel == "target"] == ["delivered"]

                await wait_until_async(arrived, 20, "the alert to be delivered")
                (rule,) = await conductor.operations.alerting_rules.list(LOCAL, APPLICATION)
                assert rule.last_fired_at is not None
                await wait_until_async(lambda: len(box.messages) == times, 5, "the message")
            finally:
                await conductor.stop()

    with inbox() as box:
        killed = subprocess.run(
            [sys.executable, "-c", _FIRE, str(tmp_path / "data"), box.url, moment],
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
            timeout=60,
            check=False,
        )
        assert killed.returncode == -signal.SIGKILL
        assert len(box.messages) == times - 1
        asyncio.run(restarted(tmp_path / "data"))
