"""The wheel holds everything that the server needs, and nothing of the tests."""

import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest
from support.tools import require

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "conductor_lite"


def build(target: str, folder: Path) -> Path:
    """Build one distribution with the project's own backend and return its file."""
    result = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", folder],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    (built,) = folder.iterdir()
    return built


def data_files() -> set[str]:
    """Every file of the package and of static/ that is to be found in a wheel, by its name there."""
    ignored = {"__pycache__", ".DS_Store"}
    package = {path: path.relative_to(ROOT) for path in PACKAGE.rglob("*")}
    static = {path: Path("conductor_lite") / path.relative_to(ROOT) for path in (ROOT / "static").rglob("*")}
    return {
        str(name)
        for path, name in {**package, **static}.items()
        if path.is_file() and not ignored.intersection(path.parts)
    }


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", tmp_path_factory.mktemp("wheel"))


def test_the_wheel_holds_the_package_with_its_static_files_templates_and_migrations(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert data_files() <= names
    for kind, start, end in (
        ("style sheet", "conductor_lite/static/", ".css"),
        ("template", "conductor_lite/console/templates/", ".html"),
        ("migration", "conductor_lite/store/migrations/", ".py"),
        ("demo", "conductor_lite/demo/", "shop.py"),
    ):
        assert any(name.startswith(start) and name.endswith(end) for name in names), f"no {kind} in the wheel"


def test_the_wheel_holds_only_the_package_and_its_metadata(wheel: Path) -> None:
    tops = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"conductor_lite"}


def test_the_wheel_names_its_licence_its_entry_point_and_the_demo_extra(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = next(name for name in names if name.endswith(".dist-info/METADATA"))
        entry_points = next(name for name in names if name.endswith(".dist-info/entry_points.txt"))
        text = archive.read(metadata).decode()
        assert "conductor-lite = conductor_lite.cli.main:main" in archive.read(entry_points).decode()
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    assert "License-Expression: MIT" in text
    assert "Provides-Extra: demo" in text
    assert "Requires-Python: >=3.11" in text


def test_a_wheel_can_be_built_from_the_source_archive_alone(tmp_path: Path, wheel: Path) -> None:
    archive = build("sdist", tmp_path / "sdist")
    with tarfile.open(archive) as opened:
        opened.extractall(tmp_path / "source", filter="data")
    (source,) = (tmp_path / "source").iterdir()
    out = tmp_path / "out"
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", out],
        cwd=source,
        capture_output=True,
        check=True,
    )
    (again,) = out.iterdir()
    assert set(zipfile.ZipFile(again).namelist()) == set(zipfile.ZipFile(wheel).namelist())


def test_the_installed_wheel_runs_without_the_checkout(tmp_path: Path, wheel: Path) -> None:
    """Takes a network, so it runs only where ``clean-clone`` is promised."""
    require("clean-clone")
    environment = tmp_path / "venv"
    venv.create(environment, with_pip=False)
    pip = [sys.executable, "-m", "pip", "--python", environment, "--disable-pip-version-check"]
    # A tenth of what is installed is imported; to compile the rest would take ten seconds.
    subprocess.run([*pip, "install", "--quiet", "--no-compile", wheel], check=True, timeout=600)
    command = [str(environment / "bin" / "conductor-lite"), "--help"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == 0, result.stderr
    assert "serve" in result.stdout
