"""Makes `.venv` match pyproject.toml: built when missing or left half-made, updated when out of date.

Runs on a bare Python 3.11 or newer, so it imports nothing but the standard library.
"""

import fcntl
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
#: Written last: describes what the environment was made from.
STAMP = VENV / ".setup-stamp"
#: There while a setup runs; one that is found later means that setup was interrupted.
UNFINISHED = VENV / ".setup-unfinished"
#: Held by the kernel for whoever sets up, so that a killed setup leaves no stale lock.
LOCK = VENV / ".setup-lock"
#: The first pip that installs a dependency group.
PIP = "pip>=25.1"


class SetupError(Exception):
    """A command that builds the environment failed; the text says which, and shows its output."""


def wanted_stamp() -> str:
    """What the environment should be made from, as far as its own Python can tell.

    The folder's path counts because console scripts and the editable install hold it.
    """
    pyproject = hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
    version = subprocess.run(
        [PYTHON, "-c", "import sys; print(sys.version)"], capture_output=True, text=True, check=True
    )
    return f"pyproject.toml {pyproject}\npython {version.stdout.strip()}\nfolder {ROOT}\n"


def is_ready() -> bool:
    """Whether the environment works, is whole, and was made from today's pyproject.toml."""
    if UNFINISHED.exists() or not STAMP.exists():
        return False
    try:
        return STAMP.read_text() == wanted_stamp()
    except (OSError, subprocess.CalledProcessError):
        return False


def is_usable() -> bool:
    """Whether what is there can be updated in place: a whole environment with a Python that is new enough."""
    if UNFINISHED.exists():
        return False
    # A moved folder leaves console scripts that point at the old place, so it does not count as usable.
    if STAMP.exists() and f"folder {ROOT}\n" not in STAMP.read_text():
        return False
    probe = "import pip, sys; sys.exit(sys.version_info < (3, 11) or sys.prefix == sys.base_prefix)"
    try:
        return subprocess.run([PYTHON, "-c", probe], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def run(what: str, lock_fd: int, *command: str | Path) -> None:
    """Run one command. It inherits the lock, which thus outlives a killed setup while its child works."""
    result = subprocess.run(
        command,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        pass_fds=(lock_fd,),
        check=False,
    )
    if result.returncode != 0:
        raise SetupError(
            f"{result.stdout.rstrip()}\n{what} failed (exit status {result.returncode}); see above."
        )


def build(lock_fd: int) -> None:
    """Create or update the environment. The caller holds the lock."""
    usable = is_usable()
    if not usable:
        for entry in VENV.iterdir():
            if entry == LOCK:
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
    UNFINISHED.touch()
    STAMP.unlink(missing_ok=True)
    say = "Updating" if usable else "Setting up"
    version = ".".join(map(str, sys.version_info[:3]))
    print(f"{say} .venv{'' if usable else f' with Python {version}'}; this takes a minute.", file=sys.stderr)
    if not usable:
        run("Making the virtual environment", lock_fd, sys.executable, "-m", "venv", VENV)
    pip = (PYTHON, "-m", "pip", "--disable-pip-version-check", "install", "--quiet")
    run("Updating pip", lock_fd, *pip, "--upgrade", PIP)
    run("Installing the dependencies", lock_fd, *pip, "--editable", ".[demo]", "--group", "dev")
    STAMP.write_text(wanted_stamp())
    UNFINISHED.unlink()


def main(action: str) -> int:
    """`check`: exit 0 when nothing is to be done. `setup`: do it, waiting for another setup that is at it."""
    if action == "check":
        return 0 if is_ready() else 1
    VENV.mkdir(exist_ok=True)
    with LOCK.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Another script is setting up .venv; waiting for it.", file=sys.stderr)
            fcntl.flock(lock, fcntl.LOCK_EX)
        if is_ready():
            return 0
        try:
            build(lock.fileno())
        except SetupError as error:
            print(error, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1]))
    except KeyboardInterrupt:
        sys.exit(130)
