"""The fleet as the rest of the house sees it: sockets come in, questions go out, deaths are dealt with.

Wires the parts of this package together, and takes sockets in and out; what becomes of the absent is `watch`.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import TypeVar

import msgspec

from conductor_lite.clock import Clock
from conductor_lite.config import Settings
from conductor_lite.errors import ConductorError, NotFoundError, ProtocolError, StoreError
from conductor_lite.fleet.changes import Changes
from conductor_lite.fleet.connection import (
    GOING_AWAY,
    POLICY_VIOLATION,
    REPLACED,
    BeforeSending,
    ExecutorConnection,
)
from conductor_lite.fleet.dispatch import Dispatch, raise_reported
from conductor_lite.fleet.liveness import ExecutorKey, Status
from conductor_lite.fleet.probing import Prober
from conductor_lite.fleet.recorder import Recorder
from conductor_lite.fleet.registry import ApplicationFleet, Executor, Registry
from conductor_lite.fleet.tasks import Tasks
from conductor_lite.fleet.unknown import UnknownExecutors
from conductor_lite.fleet.views import ExecutorView, VersionView
from conductor_lite.fleet.watch import Watch
from conductor_lite.protocol import ExecutorInfo, ExecutorInfoReply, Reply, Request
from conductor_lite.store.applications import Applications
from conductor_lite.store.audit import AuditLog
from conductor_lite.store.executors import Executors
from conductor_lite.store.records import ApplicationRecord
from conductor_lite.telemetry import DurationsView

logger = logging.getLogger("conductor_lite.fleet")

R = TypeVar("R", bound=Reply)

#: Seconds that requests under way get to finish when the conductor stops.
DRAIN_SECS = 3.0
MAX_EXECUTOR_ID_LENGTH = 256
MAX_VERSION_LENGTH = 1_024


class Fleet:
    """All executors of all applications.

    Args:
        settings: timeouts and limits.
        applications: the table of applications, for what executors tell of theirs.
        executors: the table of executor records.
        audit_log: where recoveries are recorded.
        changes: whom to tell when something changes.
        clock: the clocks.
    """

    def __init__(
        self,
        settings: Settings,
        applications: Applications,
        executors: Executors,
        audit_log: AuditLog,
        changes: Changes,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._applications = applications
        self._store = executors
        self._clock = clock
        # Loops and work under way; cancelled when the fleet stops.
        self._tasks = Tasks()
        self._registry = Registry()
        self._recorder = Recorder(executors, self._present)
        self._dispatch = Dispatch(clock, settings.request_timeout_secs)
        #: Executors that own work and are not on record, as far as the orphan sweep has found them.
        self.unknown = UnknownExecutors()
        self._watch = Watch(
            self._registry,
            self._recorder,
            self._dispatch,
            audit_log,
            changes,
            clock,
            self._tasks,
        )
        self._prober = Prober(
            self._dispatch, self._registry, clock, settings.probe_interval_secs, self._watch.announce
        )
        # Set once, when the fleet stops: newcomers are sent away.
        self._stopping = False

    async def start(self) -> None:
        """Take over what the database knows, and begin to watch.

        Everyone on record gets the full timeout from now: the conductor's own absence kills nobody.

        Raises:
            StoreError: the records cannot be read.
        """
        now = self._clock.monotonic()
        for application in await self._applications.all():
            self._registry.add(application)
        for record in await self._store.all():
            fleet = self._registry.get(record.application_id)
            if fleet is not None:
                fleet.restore(record, now)
        for fleet in self._registry:
            for executor in fleet.executors.values():
                if executor.record.status == Status.HEALTHY.value:
                    self._watch.set_status(executor, Status.DISCONNECTED)
        for name, loop in (
            ("liveness", self._watch.run),
            ("recorder", self._recorder.run),
            ("last-seen times", self._recorder.run_seen),
            ("prober", self._prober.run),
        ):
            self._tasks.keep_running(loop, name)

    async def stop(self) -> None:
        """Let requests under way finish for a moment, tell every executor 1001, and write what is noted."""
        if self._stopping:
            return
        self._stopping = True
        connections = self._registry.connections()
        try:
            async with asyncio.timeout(DRAIN_SECS):
                await asyncio.gather(*(connection.drained() for connection in connections))
                # An answer has consequences: a recovery that succeeded shall be in the audit log.
                await self._tasks.settled()
        except TimeoutError:
            logger.info("Some requests to executors were still under way; they fail now.")
        await self._tasks.stop()
        await _close_all(self._registry.connections(), GOING_AWAY, "the conductor is stopping")
        await self._recorder.flush_seen()
        await self._recorder.flush()

    def connection_count(self) -> int:
        """How many sockets of executors are registered."""
        return len(self._registry.connections())

    def connections_by_key(self) -> Counter[str]:
        """How many sockets of executors there are by the public id of the key that they came in with."""
        return Counter(c.api_key_id for c in self._registry.connections() if c.api_key_id is not None)

    def request_durations(self) -> DurationsView:
        """How long executors have taken to answer."""
        return self._dispatch.durations.picture()

    def application(self, organization_id: str, name: str) -> ApplicationRecord | None:
        """An application that is held, without asking the database."""
        fleet = self._registry.named(organization_id, name)
        return fleet.record if fleet else None

    def add_application(self, record: ApplicationRecord) -> None:
        """Begin to hold an application; one that is held already is left as it is, save its settings."""
        self._registry.add(record)

    def update_application(self, record: ApplicationRecord) -> None:
        """Take over changed settings, such as the executor timeout."""
        self._registry.add(record)

    async def remove_application(self, application_id: str) -> None:
        """Let go of a deleted application: its sockets are closed and its executors forgotten."""
        fleet = self._registry.remove(application_id)
        if fleet is None:
            return
        self._watch.forget_application(application_id)
        self.unknown.drop_application(application_id)
        connections = [e.connection for e in fleet.connected.values() if e.connection is not None]
        fleet.connected.clear()
        await _close_all(connections, POLICY_VIOLATION, "the application was deleted")

    async def close_sockets_of_key(self, api_key_id: str) -> None:
        """Disconnect the executors that connected with a key that was revoked."""
        connections = [c for c in self._registry.connections() if c.api_key_id == api_key_id]
        await _close_all(connections, POLICY_VIOLATION, "the API key was revoked")

    def executors(self, application_id: str) -> list[ExecutorView]:
        """Picture an application's executors: healthy ones first, then by when they were first seen."""
        fleet = self._registry.get(application_id)
        return fleet.views(self._clock.now(), self._clock.monotonic()) if fleet else []

    def versions(self, application_id: str) -> list[VersionView]:
        """Count an application's executors by version, newest version first."""
        fleet = self._registry.get(application_id)
        return fleet.versions() if fleet else []

    async def ask(
        self,
        application_id: str,
        request: Request[R],
        *,
        application_version: str | None = None,
        executor_id: str | None = None,
        deadline_secs: float | None = None,
        patience_secs: float | None = None,
        before_sending: BeforeSending | None = None,
    ) -> R:
        """Ask one healthy executor of an application; another one when it fails to answer.

        What ``before_sending`` raises, each time before an executor is sent the request, ends the asking.

        Raises:
            NoHealthyExecutorError: nobody fitting is connected.
            NoExecutorAnsweredError: nobody that was asked answered.
            DeadlineExceededError: ``deadline_secs`` passed.
            UnsupportedMessageError: the application's SDK is too old to know the message.
            ExecutorReportedError: the executor answered with an error of its own.
        """
        fleet = self._registry.get(application_id)
        if fleet is None:
            raise NotFoundError("The application was deleted.")
        reply, executor = await self._dispatch.ask(
            fleet,
            request,
            application_version=application_version,
            executor_id=executor_id,
            deadline_secs=deadline_secs,
            patience_secs=patience_secs,
            before_sending=before_sending,
        )
        raise_reported(reply, executor)
        return reply

    def is_present(self, application_id: str) -> bool:
        """Whether any executor of an application is connected."""
        fleet = self._registry.get(application_id)
        return fleet is not None and bool(fleet.connected)

    def recoveries(self, application_id: str) -> int:
        """How many recoveries of an application have ended, well or not, since the conductor started."""
        fleet = self._registry.get(application_id)
        return fleet.recoveries if fleet else 0

    def is_on_record(self, application_id: str, key: ExecutorKey) -> bool:
        """Whether an executor is watched, under this application or, in a shared database, another."""
        return any(key in fleet.executors for fleet in self._registry)

    async def were_on_record(
        self, application_id: str, keys: Collection[ExecutorKey]
    ) -> frozenset[ExecutorKey]:
        """Which of some executors were on record of an application once, also before the conductor's restart.

        Raises:
            StoreError: it cannot be read.
        """
        pairs = [(key.executor_id, key.application_version) for key in keys]
        rows = await self._recorder.forgotten(application_id, pairs)
        return frozenset(ExecutorKey(executor_id, version) for executor_id, version in rows)

    def adopt(self, application_id: str, key: ExecutorKey) -> bool:
        """Put an executor on record that never connected here, as dead: what it left is recovered.

        Returns:
            False when the application is gone, or the executor is on record already.
        """
        fleet = self._registry.get(application_id)
        self.unknown.drop(application_id, key)
        if fleet is None or key in fleet.executors:
            return False
        fleet.enter_dead(key, self._clock.now())
        self._recorder.save(fleet.executors[key].record)
        self._watch.carry_out(fleet, fleet.liveness.adopt(key, self._clock.monotonic()))
        self._watch.announce(fleet)
        return True

    async def register(self, application: ApplicationRecord, connection: ExecutorConnection) -> None:
        """Ask a new socket who it is and take it in, in place of an older one of the same executor id.

        Raises:
            ProtocolError: it did not say who it is in time, or what it said cannot be.
            NotFoundError: the application was deleted meanwhile.
        """
        try:
            info = await connection.request(ExecutorInfo(), self._settings.handshake_timeout_secs)
            raise_reported(info)
        except ConductorError as error:
            raise ProtocolError(f"It did not say who it is: {error}") from error
        _require_identity(info)
        fleet = self._registry.get(application.id)
        if fleet is None or self._stopping:
            raise NotFoundError("The application was deleted, or the conductor is stopping.")
        if not connection.is_open:
            return
        connection.label = info.executor_id
        older = fleet.connected.get(info.executor_id)
        older_connection = older.connection if older is not None else None
        if older is not None:
            older.connection = None
        executor = fleet.admit(info, connection, self._clock.now())
        executor.probe_due_at = self._clock.monotonic() + self._settings.probe_interval_secs
        self._recorder.save(executor.record)
        self._watch.carry_out(fleet, fleet.liveness.connected(executor.key, self._clock.monotonic()))
        self._watch.announce(fleet)
        logger.info(
            "Executor %s of %s connected (version %s, %s %s).",
            info.executor_id,
            application.name,
            info.application_version or "unnamed",
            info.language or "unknown SDK",
            info.dbos_version or "",
        )
        if info.language is not None and info.language != fleet.record.language:
            self._tasks.spawn(self._note_language(fleet, info.language), "language")
        if older_connection is not None:
            logger.info("It replaces an older connection of executor %s.", info.executor_id)
            await older_connection.close(REPLACED, "replaced by a newer connection of the same executor id")

    def lost(self, application: ApplicationRecord, connection: ExecutorConnection, reason: str) -> None:
        """A socket is gone. That of an executor that has a newer one changes nothing."""
        connection.lost(reason)
        fleet = self._registry.get(application.id)
        executor = fleet.connected.get(connection.label) if fleet else None
        if fleet is None or executor is None or executor.connection is not connection:
            return
        executor.connection = None
        del fleet.connected[connection.label]
        logger.info("Executor %s of %s disconnected: %s.", connection.label, application.name, reason)
        self._watch.carry_out(fleet, fleet.liveness.disconnected(executor.key, self._clock.monotonic()))

    async def _note_language(self, fleet: ApplicationFleet, language: str) -> None:
        before = fleet.record.language
        if before == language:
            return
        # Known from here on, so that a fleet which connects all at once writes it once.
        fleet.record = msgspec.structs.replace(fleet.record, language=language)
        try:
            await self._applications.set_language(fleet.record.id, language)
        except StoreError as error:
            logger.warning("The language of %s could not be noted: %s", fleet.record.name, error)
            fleet.record = msgspec.structs.replace(fleet.record, language=before)
            return
        self._watch.announce(fleet)

    def _present(self) -> Iterator[Executor]:
        for fleet in self._registry:
            yield from list(fleet.connected.values())


async def _close_all(connections: Sequence[ExecutorConnection], code: int, reason: str) -> None:
    await asyncio.gather(*(connection.close(code, reason) for connection in connections))


def _require_identity(info: ExecutorInfoReply) -> None:
    if not info.executor_id or len(info.executor_id) > MAX_EXECUTOR_ID_LENGTH:
        raise ProtocolError(f"Its executor id is empty or longer than {MAX_EXECUTOR_ID_LENGTH} characters.")
    if len(info.application_version) > MAX_VERSION_LENGTH:
        raise ProtocolError(f"Its application version is longer than {MAX_VERSION_LENGTH} characters.")
