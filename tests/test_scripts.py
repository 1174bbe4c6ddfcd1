"""The scripts need nothing but Python 3.11 with venv, say so in one sentence, and keep .venv sound."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.process import Process
from support.tools import require

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = ("serve", "test", "lint", "bench", "build")
#: What the scripts may count on, on any machine.
BASICS = ("dirname", "cat", "env", "sh")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The scripts in a folder of their own, with a space in its path, and without .venv."""
    root = tmp_path / "a clone"
    shutil.copytree(ROOT / "scripts", root / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", root)
    return root


@pytest.fixture
def bare_path(tmp_path: Path) -> Path:
    """A folder for PATH with a shell's basics and no Python."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in BASICS:
        found = shutil.which(name)
        assert found is not None
        (folder / name).symlink_to(found)
    return folder


def write_program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def run(checkout: Path, script: str, path: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """One script, from another working directory, with this PATH."""
    return subprocess.run(
        [checkout / "scripts" / script, *arguments],
        cwd=checkout.parent,
        env={**os.environ, "PATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def fake_environment(checkout: Path, stamp: str | None) -> Path:
    """A .venv whose Python notes how it is called and otherwise is the one that runs the tests."""
    venv = checkout / ".venv"
    (venv / "bin").mkdir(parents=True)
    calls = checkout / "calls"
    write_program(
        venv / "bin" / "python", f'#!/bin/sh\necho "$@" >> "{calls}"\nexec "{sys.executable}" "$@"\n'
    )
    write_program(venv / "bin" / "conductor-lite", '#!/bin/sh\necho "in $PWD: $*"\n')
    if stamp is not None:
        (venv / ".setup-stamp").write_text(stamp)
    return venv


def stamp_for(checkout: Path) -> str:
    """What setup would write for this checkout and the Python that runs the tests."""
    program = (
        "import sys; from pathlib import Path; import _setup; "
        f"_setup.PYTHON = Path({sys.executable!r}); print(_setup.wanted_stamp(), end='')"
    )
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=checkout / "scripts",
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@pytest.mark.parametrize("script", SCRIPTS)
def test_without_python_a_script_says_in_one_sentence_what_to_install(
    checkout: Path, bare_path: Path, script: str
) -> None:
    result = run(checkout, script, str(bare_path))
    assert result.returncode != 0
    assert result.stdout == ""
    assert result.stderr == (
        "conductor-lite needs Python 3.11 or newer: install it with its venv module (Debian, Ubuntu: "
        "apt install python3 python3-venv; macOS: brew install python) and run this again.\n"
    )
    assert not (checkout / ".venv").exists()


def test_a_python_that_is_too_old_counts_as_none(checkout: Path, bare_path: Path) -> None:
    write_program(bare_path / "python3", "#!/bin/sh\necho 3.9\nexit 1\n")
    result = run(checkout, "test", str(bare_path))
    assert result.returncode != 0
    assert result.stderr.startswith("conductor-lite needs Python 3.11 or newer")
    assert result.stderr.count("\n") == 1


def test_a_python_without_venv_is_told_which_package_it_lacks(checkout: Path, bare_path: Path) -> None:
    write_program(
        bare_path / "python3.12",
        '#!/bin/sh\ncase "$2" in *ensurepip*) exit 1;; *) echo 3.12;; esac\n',
    )
    result = run(checkout, "serve", str(bare_path))
    assert result.returncode != 0
    assert result.stderr == (
        "Python 3.12 is here but cannot make virtual environments: install its venv package "
        "(Debian, Ubuntu: apt install python3.12-venv) and run this again.\n"
    )


def test_a_python_with_venv_is_preferred_to_a_newer_one_without(checkout: Path, bare_path: Path) -> None:
    write_program(
        bare_path / "python3.13", '#!/bin/sh\ncase "$2" in *ensurepip*) exit 1;; *) echo 3.13;; esac\n'
    )
    write_program(
        bare_path / "python3.11",
        '#!/bin/sh\ncase "$1" in -c) echo 3.11;; *) echo "setup by 3.11: $2" >&2; exit 1;; esac\n',
    )
    result = run(checkout, "serve", str(bare_path))
    assert result.returncode == 1
    assert result.stderr == "setup by 3.11: setup\n"


def test_an_environment_that_is_in_step_is_used_as_it_is(checkout: Path, bare_path: Path) -> None:
    fake_environment(checkout, stamp_for(checkout))
    result = run(checkout, "serve", str(bare_path), "--port", "1", "a b")
    assert result.returncode == 0, result.stderr
    assert result.stdout == f"in {checkout.parent}: serve --port 1 a b\n"
    assert "pip" not in (checkout / "calls").read_text()


@pytest.mark.parametrize("spoil", ["pyproject", "interrupted", "no stamp", "moved"])
def test_an_environment_that_is_out_of_step_is_set_up_again(
    checkout: Path, bare_path: Path, spoil: str
) -> None:
    venv = fake_environment(checkout, stamp_for(checkout))
    match spoil:
        case "pyproject":
            (checkout / "pyproject.toml").write_text("# changed\n")
        case "interrupted":
            (venv / ".setup-unfinished").touch()
        case "no stamp":
            (venv / ".setup-stamp").unlink()
        case "moved":
            moved = checkout.with_name("elsewhere")
            checkout = checkout.rename(moved)
    result = run(checkout, "serve", str(bare_path))
    assert result.returncode != 0
    assert result.stderr.startswith("conductor-lite needs Python 3.11 or newer"), "it should look for Python"


def test_a_failed_installation_shows_why_and_is_done_again_from_scratch(checkout: Path) -> None:
    (checkout / "pyproject.toml").write_text("this is not TOML")
    path = os.pathsep.join([str(Path(sys.base_prefix) / "bin"), os.environ["PATH"]])
    environment = {"PIP_NO_INDEX": "1"}
    log = checkout / "log"
    with Process([checkout / "scripts" / "serve"], log, env={**environment, "PATH": path}) as process:
        assert process.wait(120) != 0
        assert "failed (exit status" in process.output
    assert (checkout / ".venv" / ".setup-unfinished").exists()
    assert not (checkout / ".venv" / ".setup-stamp").exists()
    leftover = checkout / ".venv" / "leftover"
    leftover.touch()
    with Process([checkout / "scripts" / "serve"], log, env={**environment, "PATH": path}) as process:
        assert process.wait(120) != 0
    assert not leftover.exists()


def test_scripts_are_executable_and_pass_the_shells_syntax_check() -> None:
    for script in SCRIPTS:
        path = ROOT / "scripts" / script
        assert os.access(path, os.X_OK), script
        subprocess.run(["sh", "-n", path], check=True)
    subprocess.run(["sh", "-n", ROOT / "scripts" / "_setup"], check=True)
    subprocess.run(["bash", "-n", ROOT / ".ci" / "run"], check=True)


def test_two_scripts_at_once_in_a_fresh_clone_share_one_setup(tmp_path: Path) -> None:
    """Takes a minute and a network, so it runs only where ``clean-clone`` is promised."""
    require("clean-clone")
    clone = tmp_path / "a clone"
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", ROOT, clone], check=True)
    command: list[str | Path] = [clone / "scripts" / "test", "--version"]
    # To pip this means that it is not to compile what it installs, which takes it long.
    quickly = {"PIP_NO_COMPILE": "0"}
    with (
        Process(command, tmp_path / "first.log", cwd=tmp_path, env=quickly) as first,
        Process(command, tmp_path / "second.log", cwd=tmp_path, env=quickly) as second,
    ):
        assert first.wait(600) == 0, first.describe()
        assert second.wait(600) == 0, second.describe()
        outputs = first.output, second.output
    assert sum("Setting up .venv" in output for output in outputs) == 1
    assert all("pytest 9." in output for output in outputs)
    again = run(clone, "test", os.environ["PATH"], "--version")
    assert again.returncode == 0
    assert "Setting up" not in again.stderr
