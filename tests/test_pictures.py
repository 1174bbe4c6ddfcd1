"""Pictures in the documents: every page of the console has one, all are shown, and none is missing."""

import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from conductor_lite.console import frame, navigation
from conductor_lite.console.urls import app_url
from conductor_lite.console.workflow.views import VIEWS

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"


@pytest.fixture(scope="module")
def screenshots() -> Iterator[ModuleType]:
    """The script, not run."""
    pytest.importorskip("playwright")
    spec = importlib.util.spec_from_file_location("screenshots", ROOT / "scripts" / "screenshots.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "scripts")
        patch.setitem(sys.modules, spec.name, module)
        spec.loader.exec_module(module)
        yield module


def shown() -> set[Path]:
    """What the README and the documents show."""
    found = set()
    for document in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for name in re.findall(r'(?:src|srcset)="([^"]+)"|!\[[^]]*\]\(([^)]+)\)', document.read_text()):
            found.add((document.parent / "".join(name)).resolve())
    return found


def test_pictures_that_are_shown_are_there_and_those_that_are_there_are_shown() -> None:
    assert shown() == set(IMAGES.iterdir())
    assert sum(path.stat().st_size for path in IMAGES.iterdir()) < 4_000_000


def test_pictures_are_those_that_the_script_takes(screenshots: ModuleType) -> None:
    taken = {f"{each.name}-{scheme}.png" for each in screenshots.PICTURES for scheme in ("light", "dark")}
    assert taken == {path.name for path in IMAGES.iterdir()}


def test_every_page_of_the_navigation_has_a_picture(screenshots: ModuleType) -> None:
    pictured = {each.path.partition("?")[0] for each in screenshots.PICTURES}
    tabs = {app_url(screenshots.SHOP, *parts) for _, _, parts, _, _ in frame._TABS}
    assert {section.url for section in navigation.SECTIONS} | tabs <= pictured
    views = {match[1] for each in screenshots.PICTURES if (match := re.search(r"\?view=(\w+)", each.path))}
    assert views == {view.key for view in VIEWS[1:]}
