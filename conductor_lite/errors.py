"""Every failure that conductor-lite names. Each one's text is for people: what happened, and what to do.

Faces translate these (problem details, a page, a line and an exit status); nothing here knows a face.
"""

import json
import re

import msgspec

_PLAIN_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}")
_MAX_NAME_LENGTH = 100


class ConductorError(Exception):
    """Base of all our errors; ``str(error)`` may be shown to whoever asked."""


class FieldError(msgspec.Struct, frozen=True, kw_only=True):
    """One thing wrong with one input field."""

    #: Where the value stood, such as ``body.executorTimeoutSecs`` or ``path.appName``.
    location: str
    #: What is wrong with it and what is allowed.
    message: str
    #: The offending value, when it is safe to repeat.
    value: object = None


def member(location: str, name: str) -> str:
    """Where the member of that name stands; a name that somebody chose is quoted where it has to be."""
    if _PLAIN_NAME.fullmatch(name):
        return f"{location}.{name}"
    shown = name if len(name) <= _MAX_NAME_LENGTH else name[:_MAX_NAME_LENGTH] + "…"
    return f"{location}.{json.dumps(shown)}"


class ConfigurationError(ConductorError):
    """A setting is missing, malformed or not allowed; names the key, its source and what is allowed.

    Args:
        message: the sentence.
        errors: each place that is wrong, where there may be many.
    """

    def __init__(self, message: str, errors: tuple[FieldError, ...] = ()) -> None:
        super().__init__(message)
        self.errors = errors


class StartupError(ConductorError):
    """The server cannot start: a taken port, an unwritable or held data folder, a newer database."""


class StoreError(ConductorError):
    """The database refused: locked, damaged, full or unreadable. Nothing was written."""


class BackupError(ConductorError):
    """A backup could not be written or verified. Nothing that existed was changed."""


class NotFoundError(ConductorError):
    """The named thing does not exist, or not where this caller may see it."""


class ConflictError(ConductorError):
    """The request contradicts what is already there, such as a key name that is taken."""


class UnauthenticatedError(ConductorError):
    """No credentials, or credentials that are not valid."""


class ForbiddenError(ConductorError):
    """The caller is known but may not do this."""


class StandingLostError(ForbiddenError):
    """Whoever began something lost the right to it while it was under way; what was done stays done."""


class InvalidError(ConductorError):
    """Well-formed input whose values are not allowed; carries every field that is wrong."""

    def __init__(self, message: str, errors: tuple[FieldError, ...] = ()) -> None:
        super().__init__(message)
        self.errors = errors


class StoppedError(ConductorError):
    """Somebody stopped what was under way; what was done before stays done."""


class UnreachableError(ConductorError):
    """A server did not answer: no connection, a connection that broke, or no answer in time."""


class ProtocolError(ConductorError):
    """A frame from an executor is not a message of the protocol. Never contains the payload."""


class DispatchError(ConductorError):
    """A request could not be answered by the application's executors."""


class NoHealthyExecutorError(DispatchError):
    """No executor that could take the request is connected; nothing was sent."""


class NoExecutorAnsweredError(DispatchError):
    """Executors are connected, but each one that was asked failed to answer."""


class DeadlineExceededError(DispatchError):
    """The caller's own deadline passed before any executor answered."""


class ExecutorReportedError(DispatchError):
    """An executor answered with an error of its own.

    Args:
        message: the last line of what it reported.
        report: the whole of it, often a traceback.
    """

    def __init__(self, message: str, report: str) -> None:
        super().__init__(message)
        self.report = report


class UnsupportedMessageError(ExecutorReportedError):
    """The executor's SDK is too old to know the message."""


class DeliveryError(ConductorError):
    """A message to people did not get through. Never contains the address, which is a secret."""
