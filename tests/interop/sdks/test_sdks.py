"""Real applications in every language connect, are recovered when they die, and are told of refusals.

In Python too, where all of them are promised; the tests beside this folder show the same of it in full.
"""

import asyncio
import signal
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.conductor import ConductorProcess
from support.process import Process
from support.samples import JAVA, LAUNCH_SECS, Sample
from support.served import APPLICATION, Served, served
from support.tools import require
from support.wait import wait_until, wait_until_async

from conductor_lite.config import Settings
from conductor_lite.protocol import ListWorkflows, WorkflowFilters

ORDERS = 20


@pytest.fixture(autouse=True)
def _sdks_are_promised() -> None:
    require("sdks")


async def launched(stack: ExitStack, sample: Sample, url: str, **options: int) -> Process:
    """A process of the sample that is ready."""
    process = stack.enter_context(sample.start(url, name=APPLICATION, **options))
    await asyncio.to_thread(process.wait_for_line, "ready", LAUNCH_SECS)
    return process


async def await_healthy(scene: Served, count: int) -> None:
    await wait_until_async(
        lambda: list(scene.statuses().values()) == ["HEALTHY"] * count, 30, f"{count} healthy executors"
    )


async def order_statuses(scene: Served) -> Counter[str | None]:
    """How many orders there are of each status."""
    filters = WorkflowFilters(workflow_id_prefix="order-", load_input=False, load_output=False)
    listed = await scene.ask(ListWorkflows(body=filters))
    return Counter(workflow.status for workflow in listed.workflows)


def test_one_process_finishes_what_another_left_when_it_was_killed(sample: Sample, tmp_path: Path) -> None:
    async def scenario(stack: ExitStack) -> None:
        async with served(Settings(data_dir=tmp_path, port=0, dev=True, executor_timeout_secs=2)) as scene:
            await scene.application_id()
            await launched(stack, sample, scene.ws_url)
            await await_healthy(scene, 1)
            (survivor,) = scene.statuses()
            doomed = await launched(stack, sample, scene.ws_url, workflows=ORDERS)
            await await_healthy(scene, 2)
            for view in (scene.view(executor_id, "1.0.0") for executor_id in scene.statuses()):
                assert view.language == sample.language.name
                assert view.dbos_version == sample.language.sdk_version
                assert view.application_version == "1.0.0"
            doomed.send_signal(signal.SIGKILL)
            assert (await order_statuses(scene))["SUCCESS"] < ORDERS, "it had finished before it was killed"
            await wait_until_async(
                lambda: list(scene.statuses()) == [survivor],
                60,
                "the dead executor to be recovered and forgotten",
            )

            async def all_succeeded() -> bool:
                return await order_statuses(scene) == {"SUCCESS": ORDERS}

            await wait_until_async(all_succeeded, 60, "every order to succeed")

    with ExitStack() as stack:
        asyncio.run(scenario(stack))


def test_a_key_made_on_the_command_line_connects_and_others_are_refused_in_words_the_sdk_prints(
    sample: Sample, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        conductor = stack.enter_context(ConductorProcess(tmp_path, {}))
        conductor.cli("app", "register", APPLICATION)
        conductor.cli("app", "register", "another")
        key = conductor.cli("key", "create", "good")
        limited = conductor.cli("key", "create", "limited", "--app", "another")
        refused = {
            (401, "unauthenticated"): {"name": APPLICATION, "key": "nobody-made-this"},
            (403, "forbidden"): {"name": APPLICATION, "key": limited},
            (404, "application_not_registered"): {"name": "unheard-of", "key": key},
        }
        for (status, error), options in refused.items():
            # DBOS lets no two applications of one database run the same version.
            sample.use_new_database()
            with sample.start(conductor.ws_url, **options) as process:
                if sample.language is JAVA:
                    # It does not show what the server says.
                    process.wait_for_line(f"Unexpected HTTP response status code {status}", LAUNCH_SECS)
                else:
                    assert "message" in process.wait_for_line(error, LAUNCH_SECS)
        sample.use_new_database()
        stack.enter_context(sample.start(conductor.ws_url, name=APPLICATION, key=key))
        wait_until(
            lambda: list(conductor.statuses(APPLICATION).values()) == ["HEALTHY"],
            LAUNCH_SECS,
            "the good key to connect",
        )
