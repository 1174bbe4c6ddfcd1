"""The timeline of a workflow's page: what it carries, what it tells without scripts, when it changes."""

import re
import time
from pathlib import Path
from typing import Any

import pytest
from console import bookshop
from console.bookshop import PAGE, Scene, play, text_of

from conductor_lite.console.workflow import timeline as workflow_timeline
from conductor_lite.console.workflow.timeline import CALM_SPANS, MAX_FIRST_ROWS, MAX_INLINE
from conductor_lite.protocol import StepRecord, WorkflowRecord

TIMELINE = f"{PAGE}?view=timeline"
#: A moment ago: what is said to have been tomorrow is not believed.
T0 = int(time.time()) * 1_000 - 3_600_000


def workflow(workflow_id: str = "order-7", **fields: Any) -> WorkflowRecord:
    times = {"created_at_epoch_ms": T0, "updated_at_epoch_ms": T0, "completed_at_epoch_ms": T0 + 5_000}
    return bookshop.workflow(workflow_id, **{**times, **fields})


def step(number: int, name: str = "charge_card", **fields: Any) -> StepRecord:
    begun = T0 + number * 1_000
    times = {"started_at_epoch_ms": begun, "completed_at_epoch_ms": begun + 1_000}
    return bookshop.step(number, name, **{**times, **fields})


async def _content(scene: Scene, url: str = TIMELINE) -> dict[str, Any]:
    data = await scene.reader.data(url)
    assert data["problem"] == ""
    content: dict[str, Any] = data["content"]
    return content


def test_table_tells_every_span_and_leads_to_it(tmp_path: Path) -> None:
    async def body(scene: Scene) -> None:
        shop = scene.shop
        shop.holds(
            workflow(queue_name="parcels", dequeued_at_epoch_ms=T0 + 500),
            workflow("a/ship", workflow_name="ship<b>", created_at_epoch_ms=T0 + 2_100),
        )
        shop.steps["order-7"] = [step(1), step(2, "ship", child_workflow_id="a/ship")]
        html = await scene.reader.page(TIMELINE)
        table = html[html.index("<tbody>") : html.index("</tbody>")]
        rows = [text_of(row) for row in table.split("</tr>")[:-1]]
        assert rows == [
            "fulfil_order succeeded workflow 0 +0 ms 5 s",
            "Queue parcels succeeded queue wait 1 +0 ms 500 ms",
            "charge_card succeeded step 1 +1 s 1 s",
            "ship<b> succeeded child workflow 1 +2.1 s 2.9 s",
        ]
        assert re.findall(r'<a href="([^"]+)"', table) == [
            f"{PAGE}",
            f"{PAGE}#step-1",
            f"{PAGE.rpartition('/')[0]}/~?id=a%2Fship",
        ]
        assert len(re.findall(r"<rect ", table)) == 4

    play(tmp_path, body)


def test_long_timelines_are_fetched_and_begin_with_what_went_well_folded(tmp_path: Path) -> None:
    async def body(scene: Scene) -> None:
        shop = scene.shop
        shop.holds(workflow(), workflow("well"), workflow("goes-on", status="PENDING"))
        shop.steps["order-7"] = [step(1, child_workflow_id="well"), step(2, child_workflow_id="goes-on")]
        shop.steps["well"] = [step(number) for number in range(CALM_SPANS)]
        shop.steps["goes-on"] = [step(1), step(2)]
        content = await _content(scene)
        assert content["folded"] == [1]
        html = await scene.reader.page(TIMELINE)
        assert 'height="130"' in html  # Five rows of 26 pixels: the first child is closed.
        assert "&#34;labels&#34;" in html
        shop.steps["goes-on"] = [step(number) for number in range(MAX_INLINE)]
        html = await scene.reader.page(TIMELINE)
        assert "&#34;labels&#34;" not in html
        assert f'height="{MAX_FIRST_ROWS * 26}"' in html
        assert len((await _content(scene))["timeline"]["depth"]) > MAX_INLINE
        # The last page of the table stands there, and stays open.
        html = await scene.reader.page(f"{TIMELINE}&page=6")
        assert '<details class="sheet timeline-table" id="timeline-table" open>' in html

    play(tmp_path, body)


def test_it_changes_only_when_records_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # What goes on ends later at each look, and steps without times would move; neither is news.
    monkeypatch.setattr(workflow_timeline, "_STEADY_MS", 86_400_000)

    async def body(scene: Scene) -> None:
        scene.shop.holds(workflow(status="PENDING", completed_at_epoch_ms=None))
        untimed = {"started_at_epoch_ms": None, "completed_at_epoch_ms": None}
        scene.shop.steps["order-7"] = [step(1), step(2, **untimed), step(3, **untimed)]
        first = await scene.reader.data(TIMELINE)
        assert await scene.reader.data(TIMELINE) == first
        scene.shop.steps["order-7"].append(step(4))
        assert await scene.reader.data(TIMELINE) != first
        assert "Steps without times." in text_of(await scene.reader.page(TIMELINE))

    play(tmp_path, body)
