"""Exit statuses, and which error leads to which."""

from conductor_lite.errors import (
    ConductorError,
    ConfigurationError,
    DeadlineExceededError,
    ExecutorReportedError,
    NoExecutorAnsweredError,
    NoHealthyExecutorError,
    NotFoundError,
    UnauthenticatedError,
    UnreachableError,
)

FAILED = 1
BAD_CONFIGURATION = 2
NOT_AUTHENTICATED = 3
NOT_FOUND = 4
NOT_REACHABLE = 5
#: What ``apply --dry-run --exit-code`` says when there is something to do.
DIFFERENT = 6
#: What a shell says of a program whose reader went away: 128 and SIGPIPE.
BROKEN_PIPE = 141

EXPLANATION = (
    "Exit statuses: 0 done; 1 it failed; 2 wrong usage or configuration; 3 not authenticated; "
    "4 no such thing; 5 the server or the application's executors do not answer; 6 apply has something "
    "to do; 130 interrupted."
)

# The first that matches counts, so a subclass stands before its base.
_STATUSES: tuple[tuple[type[ConductorError], int], ...] = (
    (ConfigurationError, BAD_CONFIGURATION),
    (UnauthenticatedError, NOT_AUTHENTICATED),
    (NotFoundError, NOT_FOUND),
    # An executor did answer: with what went wrong.
    (ExecutorReportedError, FAILED),
    (NoHealthyExecutorError, NOT_REACHABLE),
    (NoExecutorAnsweredError, NOT_REACHABLE),
    (DeadlineExceededError, NOT_REACHABLE),
    (UnreachableError, NOT_REACHABLE),
)


def exit_status(error: ConductorError) -> int:
    """The exit status that tells a script what kind of failure it was."""
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), FAILED)
