"""Work on many things at once: ids from arguments or standard input, asking first, progress, what failed."""

import sys
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Annotated, TypeVar

import typer

from conductor_lite.cli.output import complain, note, printable
from conductor_lite.cli.statuses import exit_status
from conductor_lite.client import ApiError
from conductor_lite.errors import (
    ConductorError,
    ConfigurationError,
    ConflictError,
    ExecutorReportedError,
    InvalidError,
    NotFoundError,
)

T = TypeVar("T")

IdsArgument = Annotated[
    list[str], typer.Argument(metavar="ID...", help="Ids of workflows; - reads them from standard input.")
]

_STANDARD_INPUT = "-"
#: Ids in one call: few enough that progress is seen, and that a failure leaves little undecided.
CHUNK_SIZE = 100
# What is wrong with one, others need not have.
_ONE_FAILED = (NotFoundError, ConflictError, InvalidError, ExecutorReportedError)


def ids_of(arguments: Sequence[str]) -> list[str]:
    """Each id once, in the order given; ``-`` stands for the lines of standard input, blank ones ignored."""
    ids: list[str] = []
    for argument in arguments:
        ids += _lines(sys.stdin) if argument == _STANDARD_INPUT else [argument]
    return list(dict.fromkeys(ids))


def confirm(question: str, *, yes: bool) -> None:
    """Ask the person at the terminal; where there is none, a script has decided.

    Raises:
        typer.Abort: they said no.
    """
    if yes or not (sys.stdin.isatty() or sys.stderr.isatty()):
        return
    # Not typer.confirm, which writes to standard output, where only the result belongs.
    sys.stderr.write(f"{printable(question)} [y/N]: ")
    sys.stderr.flush()
    if _typed_line().strip().lower() not in ("y", "yes"):
        raise typer.Abort


async def in_chunks(ids: Sequence[str], verb: str, act: Callable[[list[str]], Awaitable[object]]) -> None:
    """Act on chunks of ids, one after the other; shows how far it is.

    Args:
        ids: all of them.
        verb: what is done, as in "Cancelled".
        act: does it to some of them.

    Raises:
        ConductorError: what ``act`` raised; standard error then says how many were done before.
    """
    progress = Progress(len(ids), verb)
    for start in range(0, len(ids), CHUNK_SIZE):
        chunk = list(ids[start : start + CHUNK_SIZE])
        try:
            await act(chunk)
        except ConductorError:
            progress.end()
            if start:
                note(f"{verb} {start:,} of {len(ids):,} before this went wrong:")
            raise
        progress.show(start + len(chunk))
    progress.end()


async def one_by_one(
    ids: Sequence[str], verb: str, act: Callable[[str], Awaitable[T]]
) -> tuple[list[tuple[str, T]], int]:
    """Act on ids one after the other; one that cannot be helped is complained about, and the others go on.

    Returns:
        Each id that was done with what came of it, and the exit status: that of the first that failed.

    Raises:
        ConductorError: what would be wrong with each.
    """
    progress = Progress(len(ids), verb)
    done: list[tuple[str, T]] = []
    status = 0
    for number, identity in enumerate(ids, 1):
        try:
            done.append((identity, await act(identity)))
        except _ONE_FAILED as error:
            if len(ids) == 1 or not isinstance(error, ApiError):
                raise
            progress.end()
            complain(error, f"{identity}: ")
            status = status or exit_status(error)
        except ConductorError:
            progress.end()
            if done:
                note(f"{verb} {len(done):,} of {len(ids):,} before this went wrong:")
            raise
        progress.show(number)
    progress.end()
    return done, status


class Progress:
    """A line on standard error that is written over and over; none where that is no terminal.

    Args:
        total: how many there are to do.
        verb: what is done, as in "Cancelled".
    """

    def __init__(self, total: int, verb: str) -> None:
        self._total = total
        self._verb = verb
        self._is_shown = total > CHUNK_SIZE and sys.stderr.isatty()
        # Whether the cursor stands behind a line of ours.
        self._is_open = False

    def show(self, done: int) -> None:
        """Say how many are done."""
        if self._is_shown:
            sys.stderr.write(f"\r{self._verb} {done:,} of {self._total:,} …")
            sys.stderr.flush()
            self._is_open = True

    def end(self) -> None:
        """Leave the line as it is."""
        if self._is_open:
            sys.stderr.write("\n")
            self._is_open = False


def _lines(stream: Iterable[str]) -> list[str]:
    return [identity for line in stream if (identity := line.rstrip("\r\n")).strip()]


def _typed_line() -> str:
    """What the person types next, even when standard input brings ids."""
    if sys.stdin.isatty():
        return sys.stdin.readline()
    try:
        with open("/dev/tty") as terminal:
            return terminal.readline()
    except OSError:
        raise ConfigurationError(
            "Nobody can be asked: there is no terminal to answer at. Use --yes."
        ) from None
