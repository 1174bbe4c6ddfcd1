"""``conductor-lite backup`` and ``restore``: while a server runs, after it stopped, and with damaged zips."""

import json
import zipfile
from pathlib import Path

import pytest
from support.command import COMMAND, command, environment
from support.process import Process


def names(folder: Path) -> list[str]:
    """The applications on record."""
    listed = command("app", "list", "-o", "json", "--data-dir", folder / "data", cwd=folder)
    return [application["name"] for application in json.loads(listed.out)]


def test_backup_while_serving_is_restored_after_stopping(tmp_path: Path) -> None:
    data, zip_path = tmp_path / "data", tmp_path / "copy.zip"
    where = ("--data-dir", data)
    serve = [*COMMAND, "serve", "--port", "0", "--data-dir", str(data)]
    with Process(serve, tmp_path / "serve.log", env=environment(), cwd=tmp_path) as process:
        process.wait_for_line("is ready", 30)
        assert command("app", "register", "before", *where, cwd=tmp_path).status == 0
        made = command("backup", zip_path, *where, cwd=tmp_path)
        assert made.status == 0
        assert str(zip_path) in made.out
        assert zip_path.stat().st_mode & 0o077 == 0
        with zipfile.ZipFile(zip_path) as archive:
            assert sorted(archive.namelist()) == ["conductor.db", "manifest.json"]
        fetched = command("backup", "fetched.zip", "--from-server", *where, cwd=tmp_path)
        assert "fetched.zip holds the database" in fetched.out, fetched.err
        assert (tmp_path / "fetched.zip").stat().st_mode & 0o077 == 0
        nowhere = command("backup", tmp_path / "no" / "x.zip", "--from-server", *where, cwd=tmp_path)
        assert (nowhere.status, "could not be written" in nowhere.complaint) == (1, True)
        assert not list(tmp_path.glob(".*.part"))
        assert command("app", "register", "after", *where, cwd=tmp_path).status == 0
        assert names(tmp_path) == ["after", "before"]

        refused = command("restore", zip_path, *where, cwd=tmp_path)
        assert refused.status == 1
        assert f"Process {process.pid}" in refused.complaint
        assert names(tmp_path) == ["after", "before"]
        assert process.terminate() == 0

    restored = command("restore", zip_path, *where, cwd=tmp_path)
    assert restored.status == 0, restored.err
    assert names(tmp_path) == ["before"]
    again = command("restore", "fetched.zip", "--data-dir", "other", cwd=tmp_path)
    assert again.status == 0, again.err
    # The old database is kept aside, and complete.
    aside = Path(restored.out.strip().splitlines()[-1].split(" is kept as ")[1].rstrip("."))
    assert aside.parent == data
    assert aside.read_bytes().startswith(b"SQLite format 3")
    with Process(serve, tmp_path / "serve.log", env=environment(), cwd=tmp_path) as process:
        process.wait_for_line("is ready", 30)
        assert names(tmp_path) == ["before"]
        assert process.terminate() == 0


def test_backup_has_a_name_of_its_own_when_none_is_given(tmp_path: Path) -> None:
    assert command("app", "register", "shop", "--data-dir", "data", cwd=tmp_path).status == 0
    assert command("backup", "--data-dir", "data", cwd=tmp_path).status == 0
    (zip_path,) = tmp_path.glob("conductor-backup-*.zip")
    assert command("restore", zip_path.name, "--data-dir", "new", cwd=tmp_path).status == 0
    assert (tmp_path / "new" / "conductor.db").exists()


def test_nothing_to_back_up_is_said(tmp_path: Path) -> None:
    finished = command("backup", "copy.zip", "--data-dir", "nowhere", cwd=tmp_path)
    assert finished.status == 1
    assert "There is no database at nowhere" in finished.complaint
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", ["cut", "flipped", "not a zip", "missing"])
def test_damaged_backup_changes_nothing(tmp_path: Path, damage: str) -> None:
    where = ("--data-dir", "data")
    assert command("app", "register", "shop", *where, cwd=tmp_path).status == 0
    zip_path = tmp_path / "copy.zip"
    assert command("backup", zip_path, *where, cwd=tmp_path).status == 0
    content = bytearray(zip_path.read_bytes())
    if damage == "cut":
        zip_path.write_bytes(content[: len(content) // 2])
    elif damage == "flipped":
        content[len(content) // 2] ^= 0xFF
        zip_path.write_bytes(content)
    elif damage == "not a zip":
        zip_path.write_text("hello")
    else:
        zip_path.unlink()
    database = (tmp_path / "data" / "conductor.db").read_bytes()
    before = sorted(path.name for path in (tmp_path / "data").iterdir())
    finished = command("restore", zip_path, *where, cwd=tmp_path)
    assert finished.status == 1
    assert str(zip_path) in finished.complaint
    assert (tmp_path / "data" / "conductor.db").read_bytes() == database
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == before
