"""Asking an application something: which executor to ask, for how long, and whom to ask next."""

import logging
from collections.abc import Collection, Iterable
from typing import TypeVar

from conductor_lite.clock import Clock
from conductor_lite.errors import (
    ConductorError,
    DeadlineExceededError,
    ExecutorReportedError,
    NoExecutorAnsweredError,
    NoHealthyExecutorError,
    ProtocolError,
    UnsupportedMessageError,
)
from conductor_lite.fleet.connection import (
    BeforeSending,
    ConnectionLostError,
    ExecutorConnection,
    UnansweredError,
)
from conductor_lite.fleet.registry import ApplicationFleet, Executor
from conductor_lite.protocol import (
    Alert,
    ForkFromFailure,
    ForkWorkflow,
    ImportWorkflow,
    Reply,
    Request,
    Restart,
    TriggerSchedule,
    is_unknown_message,
    message_type,
)
from conductor_lite.telemetry import Durations

logger = logging.getLogger("conductor_lite.fleet")

R = TypeVar("R", bound=Reply)

# Carried out twice, these would do their work twice; all others may be asked of another executor at any time.
_NOT_REPEATABLE = (Alert, ForkFromFailure, ForkWorkflow, ImportWorkflow, Restart, TriggerSchedule)

# The best rank in `_choose`: responsive, welcome, and with nothing under way.
_IDLE = (False, False, 0)

#: Timers of the event loop may fire this much before their time, in seconds.
_TIMER_SLACK_SECS = 0.005


class Dispatch:
    """Asks executors on behalf of the whole conductor.

    Args:
        clock: measures what is left of a deadline.
        request_timeout_secs: how long one executor may take before another is asked.
    """

    def __init__(self, clock: Clock, request_timeout_secs: float) -> None:
        self._clock = clock
        self._request_timeout_secs = request_timeout_secs
        #: How long executors took to answer, those that did.
        self.durations = Durations()

    async def ask(
        self,
        fleet: ApplicationFleet,
        request: Request[R],
        *,
        application_version: str | None = None,
        executor_id: str | None = None,
        deadline_secs: float | None = None,
        patience_secs: float | None = None,
        rather_not: Collection[str] = (),
        before_sending: BeforeSending | None = None,
    ) -> tuple[R, Executor]:
        """Ask one healthy executor; move on to the next when one fails to answer.

        Args:
            fleet: the application's executors.
            request: the message.
            application_version: ask only executors of this version.
            executor_id: ask only this executor.
            deadline_secs: the caller's own limit for everything together; None leaves it to each attempt's.
            patience_secs: how long each executor may take, where that is not the usual.
            rather_not: executors to ask last, such as those that failed at this just now.
            before_sending: called each time before it is sent; what it raises ends the asking.

        Returns:
            The reply, which may carry an ``error_message`` of the executor's own, and who gave it.

        Raises:
            NoHealthyExecutorError: nobody fitting is connected; nothing was sent.
            NoExecutorAnsweredError: all fitting ones were asked, or one who may have acted on it fell silent.
            DeadlineExceededError: ``deadline_secs`` passed.
        """
        name = fleet.record.name
        give_up_at = None if deadline_secs is None else self._clock.monotonic() + deadline_secs
        asked: set[str] = set()
        failure: Exception | None = None
        while (executor := _choose(fleet, application_version, executor_id, rather_not, asked)) is not None:
            executor_name = executor.record.executor_id
            asked.add(executor_name)
            if executor_id is None:
                fleet.asked(executor)
            try:
                return await self._attempt(
                    executor, request, give_up_at, patience_secs, before_sending
                ), executor
            except (ConnectionLostError, UnansweredError) as error:
                logger.info("%s", error)
                failure = error
                if error.sent:
                    _require_repeatable(request, error)
            except ProtocolError as error:
                logger.warning("Executor %s: %s", executor_name, error)
                failure = error
                _require_repeatable(request, error)
            if give_up_at is not None and self._clock.monotonic() + _TIMER_SLACK_SECS >= give_up_at:
                raise DeadlineExceededError(
                    f"No executor of {name} answered within {deadline_secs:g} s."
                ) from failure
        if failure is not None:
            raise NoExecutorAnsweredError(
                f"None of the {len(asked)} executors of {name} that were asked answered: {failure}"
                if len(asked) > 1
                else f"The one executor of {name} that was asked did not answer: {failure}"
            ) from failure
        raise NoHealthyExecutorError(_nobody(name, application_version, executor_id))

    async def _attempt(
        self,
        executor: Executor,
        request: Request[R],
        give_up_at: float | None,
        patience_secs: float | None,
        before_sending: BeforeSending | None,
    ) -> R:
        connection = executor.connection
        if connection is None:
            raise ConnectionLostError(f"Executor {executor.record.executor_id} left just now.", sent=False)
        if (refusal := connection.refusal(request)) is not None:
            return refusal
        timeout_secs = self._request_timeout_secs if patience_secs is None else patience_secs
        if give_up_at is not None:
            timeout_secs = max(0.001, min(timeout_secs, give_up_at - self._clock.monotonic()))
        answers_before = connection.answers
        begun = self._clock.monotonic()
        try:
            reply = await connection.request(request, timeout_secs, before_sending)
        except UnansweredError:
            full_wait = timeout_secs >= self._request_timeout_secs
            if full_wait and connection.answers == answers_before:
                _judge(executor, connection, responsive=False)
            raise
        self.durations.note(self._clock.monotonic() - begun)
        _judge(executor, connection, responsive=True)
        executor.seen_at = self._clock.now()
        return reply


def _require_repeatable(request: Request[Reply], error: ConductorError) -> None:
    """Go on to another executor only with what may be done twice."""
    if isinstance(request, _NOT_REPEATABLE):
        raise NoExecutorAnsweredError(
            f"{error} It may have carried out {message_type(type(request))} all the same; "
            "look before you repeat it."
        ) from error


def raise_reported(reply: Reply, executor: Executor | None = None) -> None:
    """Turn an error that an executor reports into an exception.

    Args:
        reply: its answer.
        executor: who gave it, to tell which SDK lacks a message.

    Raises:
        UnsupportedMessageError: its SDK does not know the message.
        ExecutorReportedError: anything else it reports; what the exception says is the message.
    """
    if reply.error_message is None:
        return
    report = reply.error_message
    if is_unknown_message(reply):
        sdk = "its SDK"
        if executor is not None:
            record = executor.record
            sdk = f"its SDK ({record.language or 'unknown language'} {record.dbos_version or ''})".replace(
                " )", ")"
            )
        raise UnsupportedMessageError(
            f"The application cannot do this: {sdk} does not know the message {message_type(type(reply))}.",
            report,
        )
    raise ExecutorReportedError(_conclusion(report), report)


def _conclusion(report: str) -> str:
    """The last line of a report, or what follows the last frame of a Python traceback: some exceptions go on
    for more lines, with the parameters of a statement or a link to more reading.
    """
    lines = [line.rstrip() for line in report.splitlines() if line.strip()]
    if not lines:
        return "The executor reported an error without a text."
    frames = [number for number, line in enumerate(lines) if line.startswith('  File "')]
    said = lines[frames[-1] :] if frames else []
    return next((line for line in said if not line[0].isspace()), lines[-1]).strip()


def _judge(executor: Executor, connection: ExecutorConnection, *, responsive: bool) -> None:
    # A verdict about a socket that has been replaced meanwhile says nothing about the new one.
    if executor.connection is connection:
        executor.responsive = responsive


def _choose(
    fleet: ApplicationFleet,
    application_version: str | None,
    executor_id: str | None,
    rather_not: Collection[str],
    asked: Collection[str],
) -> Executor | None:
    best: Executor | None = None
    best_rank: tuple[bool, bool, int] | None = None
    for executor in _candidates(fleet, executor_id):
        record, connection = executor.record, executor.connection
        if connection is None or not connection.is_open or record.executor_id in asked:
            continue
        if application_version is not None and record.application_version != application_version:
            continue
        rank = (not executor.responsive, record.executor_id in rather_not, connection.in_flight)
        if best_rank is None or rank < best_rank:
            best, best_rank = executor, rank
            if rank == _IDLE:
                # Nobody can be better: with thousands of executors, most of the time goes into looking.
                break
    return best


def _candidates(fleet: ApplicationFleet, executor_id: str | None) -> Iterable[Executor]:
    if executor_id is None:
        return fleet.connected.values()
    executor = fleet.connected.get(executor_id)
    return () if executor is None else (executor,)


def _nobody(name: str, application_version: str | None, executor_id: str | None) -> str:
    if executor_id is not None:
        return f"Executor {executor_id} of {name} is not connected."
    if application_version is not None:
        return f"No executor of {name} that runs version {application_version} is connected."
    return (
        f"No executor of {name} is connected; start the application, or check that it can reach this server."
    )
