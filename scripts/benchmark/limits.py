"""What the machine allows: open files, and the memory of a process as the kernel counts it."""

import resource
import subprocess
from pathlib import Path

_SPARE_FILES = 200


def raise_open_files() -> int:
    """Allow this process, and those it starts, as many open files as the machine lets it.

    Returns:
        How many sockets one process may then hold.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wanted in (hard, 10_240):
        try:
            # macOS refuses its own "unlimited", but takes its documented maximum.
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (ValueError, OSError):
            continue
        soft = wanted
        break
    return 1_000_000 if soft == resource.RLIM_INFINITY else soft - _SPARE_FILES


def memory_bytes(pid: int) -> int:
    """Proportional set size of a process; where there is no such count, its resident set size."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        found = subprocess.run(
            ["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=True
        )
        return int(found.stdout) * 1024
    line = next(line for line in rollup.splitlines() if line.startswith("Pss:"))
    return int(line.split()[1]) * 1024


def processor_ms(pid: int) -> float:
    """Milliseconds of processor time that a process has used, all its threads together."""
    try:
        found = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/schedstat")]
    except OSError:
        # A thread has ended in between.
        return processor_ms(pid)
    if found:
        return sum(int(line.split()[0]) for line in found) / 1e6
    told = subprocess.run(["ps", "-o", "time=", "-p", str(pid)], capture_output=True, text=True, check=True)
    secs = 0.0
    for part in told.stdout.strip().replace("-", ":").split(":"):
        secs = secs * 60 + float(part)
    return secs * 1_000
