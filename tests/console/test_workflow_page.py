"""A workflow's page: its head and views, whatever the executor says or does not say."""

from pathlib import Path

from console.bookshop import PAGE, Scene, play, step, text_of, workflow


def test_page_tells_what_is_known_and_its_steps(tmp_path: Path) -> None:
    async def body(scene: Scene) -> None:
        scene.shop.holds(workflow())
        scene.shop.steps["order-7"] = [step(1), step(2, "ship")]
        page = text_of(await scene.reader.page(PAGE))
        assert "fulfil_order" in page
        assert "charge_card" in page
        data = await scene.reader.data(PAGE)
        assert data["workflow"]["workflow_id"] == "order-7"

    play(tmp_path, body)


def test_unknown_workflow_is_not_found(tmp_path: Path) -> None:
    async def body(scene: Scene) -> None:
        page = text_of(await scene.reader.page(PAGE, 404))
        assert "No such workflow" in page

    play(tmp_path, body)
