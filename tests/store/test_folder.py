"""One live process per data folder, and finding the server in it without trusting what dead ones left."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from conductor_lite.errors import StartupError
from conductor_lite.store import files
from conductor_lite.store.folder import LOCK_NAME, RUNTIME_NAME, DataFolder, RunningServer, running_server

Children = Callable[..., "subprocess.Popen[str]"]

_HOLDER = """
import sys
from pathlib import Path
from conductor_lite.store.folder import DataFolder

folder = DataFolder.open(Path(sys.argv[1]))
folder.write_runtime("http://127.0.0.1:1234")
print("held", flush=True)
sys.stdin.readline()
folder.close()
"""


@contextmanager
def ordinary_user() -> Iterator[None]:
    """File modes mean nothing to root, so be somebody else for a while."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def _hold(child: Children) -> "subprocess.Popen[str]":
    process = child(_HOLDER)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_opening_makes_a_private_folder_and_lock(folder: Path) -> None:
    with DataFolder.open(folder / "deep") as held:
        assert held.path == folder / "deep"
        assert held.path.stat().st_mode & 0o777 == 0o700
        assert (held.path / LOCK_NAME).stat().st_mode & 0o777 == 0o600
        assert (held.path / LOCK_NAME).read_text().strip() == str(os.getpid())


def test_a_second_process_is_refused_and_told_who_and_what_to_do(folder: Path, child: Children) -> None:
    holder = _hold(child)
    with pytest.raises(StartupError) as refused:
        DataFolder.open(folder)
    for part in (f"Process {holder.pid}", str(folder), "http://127.0.0.1:1234", "Stop it", "--data-dir"):
        assert part in str(refused.value)
    assert running_server(folder) == RunningServer(pid=holder.pid, url="http://127.0.0.1:1234")


def test_of_many_processes_at_once_exactly_one_holds_the_folder(folder: Path, child: Children) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from conductor_lite.store.folder import DataFolder\n"
        "from conductor_lite.errors import StartupError\n"
        "try: folder = DataFolder.open(Path(sys.argv[1])); print('held', flush=True)\n"
        "except StartupError: print('refused', flush=True)\n"
        "sys.stdin.readline()"
    )
    processes = [child(code) for _ in range(4)]
    answers = [process.stdout.readline() for process in processes if process.stdout is not None]
    assert sorted(answers) == ["held\n", "refused\n", "refused\n", "refused\n"]


def test_a_killed_holder_leaves_a_free_folder_and_no_server(folder: Path, child: Children) -> None:
    holder = _hold(child)
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert (folder / RUNTIME_NAME).exists()
    assert running_server(folder) is None
    with DataFolder.open(folder):
        # Whoever holds it now is no server yet, whatever the dead one wrote.
        assert running_server(folder) == RunningServer(pid=os.getpid(), url=None)
        assert not (folder / RUNTIME_NAME).exists()


def test_closing_leaves_no_server_behind(folder: Path) -> None:
    held = DataFolder.open(folder)
    held.write_runtime("http://127.0.0.1:1")
    assert (folder / RUNTIME_NAME).stat().st_mode & 0o777 == 0o600
    held.close()
    held.close()
    assert running_server(folder) is None
    assert [path.name for path in folder.iterdir()] == [LOCK_NAME]
    DataFolder.open(folder).close()


@pytest.mark.parametrize("content", [b"", b"{", b'{"pid": 1, "url": "http://127.0.0.1:9"}', b'{"url": 5}'])
def test_a_runtime_file_that_is_not_the_holders_is_not_believed(folder: Path, content: bytes) -> None:
    with DataFolder.open(folder):
        (folder / RUNTIME_NAME).write_bytes(content)
        assert running_server(folder) == RunningServer(pid=os.getpid(), url=None)


def test_looking_for_a_server_does_not_keep_one_from_starting(folder: Path, child: Children) -> None:
    DataFolder.open(folder).close()
    looker = child(
        "import sys; from pathlib import Path\n"
        "from conductor_lite.store.folder import running_server\n"
        "print('looking', flush=True)\n"
        "while True: running_server(Path(sys.argv[1]))"
    )
    assert looker.stdout is not None
    looker.stdout.readline()
    for _ in range(50):
        DataFolder.open(folder).close()
    assert looker.poll() is None


def test_a_child_process_does_not_inherit_the_hold(folder: Path, child: Children) -> None:
    held = DataFolder.open(folder)
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, close_fds=False
    ) as survivor:
        held.close()
        DataFolder.open(folder).close()
        survivor.communicate(b"\n")


@pytest.mark.parametrize("missing", ["", "deep"])
def test_no_folder_means_no_server(folder: Path, missing: str) -> None:
    assert running_server(folder / missing) is None


def test_a_file_in_the_folders_place_is_refused(folder: Path) -> None:
    folder.write_text("")
    assert running_server(folder) is None
    for path in (folder, folder / "deep"):
        with pytest.raises(StartupError, match="is not a folder"):
            DataFolder.open(path)


def test_an_unwritable_folder_is_refused(folder: Path) -> None:
    folder.mkdir(mode=0o555)
    with ordinary_user(), pytest.raises(StartupError, match=r"Permission denied.*write access"):
        DataFolder.open(folder)


def test_what_a_killed_process_left_half_written_is_removed(folder: Path) -> None:
    folder.mkdir()
    half, companion = (
        folder / f".conductor.db.1{files.TEMPORARY_SUFFIX}{ending}" for ending in ("", "-journal")
    )
    scratch = folder / f"{files.SCRATCH_PREFIX}abc"
    for leftover in (half, companion, folder / "mine.txt", folder / "conductor.db"):
        leftover.write_text("")
    scratch.mkdir()
    (scratch / "conductor.db").write_text("")
    with DataFolder.open(folder):
        assert sorted(path.name for path in folder.iterdir()) == ["conductor.db", LOCK_NAME, "mine.txt"]
