"""Who is here: every executor on record and its socket, application by application, in memory.

The database is written elsewhere (``recorder``); what to do about the absent is decided in ``liveness``.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from conductor_lite.fleet.connection import ExecutorConnection
from conductor_lite.fleet.liveness import ExecutorKey, Liveness, Member, Stage, Status
from conductor_lite.fleet.views import ExecutorView, RecoveryView, VersionView
from conductor_lite.protocol import ExecutorInfoReply
from conductor_lite.store.records import ApplicationRecord, ExecutorRecord


class Executor:
    """One executor on record: what it told of itself, and its socket while it has one."""

    __slots__ = (
        "connected_at",
        "connection",
        "probe_due_at",
        "record",
        "responsive",
        "round_trip_ms",
        "seen_at",
    )

    def __init__(self, record: ExecutorRecord) -> None:
        # As last written, or about to be written, to the database.
        self.record = record
        # Its socket; None while it is away.
        self.connection: ExecutorConnection | None = None
        # When that socket registered.
        self.connected_at: datetime | None = None
        # When it last answered anything.
        self.seen_at = record.last_seen_at
        # Milliseconds of its last answered probe.
        self.round_trip_ms: float | None = None
        # Whether it answers requests; judged anew with every connection.
        self.responsive = True
        # When to measure its round trip next, on the monotonic clock.
        self.probe_due_at = 0.0

    @property
    def key(self) -> ExecutorKey:
        """What identifies it within its application."""
        return ExecutorKey(self.record.executor_id, self.record.application_version)


class ApplicationFleet:
    """The executors of one application."""

    def __init__(self, record: ApplicationRecord) -> None:
        # Replaced when settings change.
        self.record = record
        self.liveness = Liveness(record.executor_timeout_secs)
        self.executors: dict[ExecutorKey, Executor] = {}
        # The executor that holds the newest socket of an executor id; the one asked last comes last.
        self.connected: dict[str, Executor] = {}
        # Recoveries that have ended, well or not, since the conductor started.
        self.recoveries = 0

    def restore(self, record: ExecutorRecord, now: float) -> None:
        """Take over what the database knew when the conductor started."""
        executor = Executor(record)
        self.executors[executor.key] = executor
        self.liveness.restore(executor.key, Status(record.status), now)

    def enter_dead(self, key: ExecutorKey, now: datetime) -> None:
        """Put an executor on record of which nothing is known but that it left work behind."""
        record = ExecutorRecord(
            application_id=self.record.id,
            executor_id=key.executor_id,
            application_version=key.application_version,
            status=Status.DEAD.value,
            hostname=None,
            language=None,
            dbos_version=None,
            executor_metadata=None,
            created_at=now,
            updated_at=now,
            last_seen_at=now,
        )
        self.executors[key] = Executor(record)

    def admit(self, info: ExecutorInfoReply, connection: ExecutorConnection, now: datetime) -> Executor:
        """Register a socket under what its executor said of itself.

        Returns:
            The executor, whose ``connection`` is still that of an older socket if there is one: the caller
            replaces it.
        """
        key = ExecutorKey(info.executor_id, info.application_version)
        known = self.executors.get(key)
        record = ExecutorRecord(
            application_id=self.record.id,
            executor_id=info.executor_id,
            application_version=info.application_version,
            status=Status.HEALTHY.value,
            hostname=info.hostname,
            language=info.language,
            dbos_version=info.dbos_version,
            executor_metadata=info.executor_metadata,
            created_at=known.record.created_at if known else now,
            updated_at=now,
            last_seen_at=now,
        )
        executor = known or self.executors.setdefault(key, Executor(record))
        executor.record = record
        executor.connection = connection
        executor.connected_at = executor.seen_at = now
        executor.round_trip_ms = None
        executor.responsive = True
        self.connected[key.executor_id] = executor
        return executor

    def asked(self, executor: Executor) -> None:
        """Send an executor to the end of the line, so that equals are asked in turn."""
        executor_id = executor.record.executor_id
        if self.connected.get(executor_id) is executor:
            self.connected[executor_id] = self.connected.pop(executor_id)

    def views(self, now: datetime, monotonic: float) -> list[ExecutorView]:
        """Picture every executor: healthy ones first, then by when they were first seen."""
        order = {Status.HEALTHY.value: 0, Status.DISCONNECTED.value: 1, Status.DEAD.value: 2}
        views = [self._view(executor, now, monotonic) for executor in self.executors.values()]
        return sorted(views, key=lambda view: (order[view.status], view.created_at, view.executor_id))

    def versions(self) -> list[VersionView]:
        """Count executors by version; the version seen first most recently comes first."""
        tallies: dict[str, _Tally] = {}
        for executor in self.executors.values():
            version = executor.record.application_version
            tally = tallies.setdefault(version, _Tally(executor.record.created_at))
            tally.add(executor, self.liveness.get(executor.key))
        newest_first = sorted(tallies.items(), key=lambda item: item[1].first_seen, reverse=True)
        return [tally.view(version) for version, tally in newest_first]

    def _view(self, executor: Executor, now: datetime, monotonic: float) -> ExecutorView:
        record, connection = executor.record, executor.connection
        member = self.liveness.get(executor.key)
        dead_at = recovery = None
        if member is not None and member.status is Status.DISCONNECTED:
            dead_at = now + timedelta(seconds=max(0.0, member.due_at - monotonic))
        elif member is not None and member.status is Status.DEAD:
            recovery = RecoveryView(
                stage=member.stage.value,
                attempts=member.attempts,
                error=member.error,
                dead_since=record.updated_at,
            )
        return ExecutorView(
            application_id=record.application_id,
            executor_id=record.executor_id,
            application_version=record.application_version,
            status=record.status,
            hostname=record.hostname,
            language=record.language,
            dbos_version=record.dbos_version,
            executor_metadata=record.executor_metadata,
            remote_address=connection.address if connection else None,
            created_at=record.created_at,
            updated_at=record.updated_at,
            connected_at=executor.connected_at if connection else None,
            last_seen_at=executor.seen_at,
            round_trip_ms=executor.round_trip_ms if connection else None,
            in_flight=connection.in_flight if connection else 0,
            responsive=executor.responsive,
            dead_at=dead_at,
            recovery=recovery,
        )


class Registry:
    """Every application and its executors."""

    def __init__(self) -> None:
        self._fleets: dict[str, ApplicationFleet] = {}

    def __iter__(self) -> Iterator[ApplicationFleet]:
        return iter(list(self._fleets.values()))

    def get(self, application_id: str) -> ApplicationFleet | None:
        """One application's executors."""
        return self._fleets.get(application_id)

    def named(self, organization_id: str, name: str) -> ApplicationFleet | None:
        """The executors of the application of that name."""
        wanted = (organization_id, name)
        return next(
            (f for f in self._fleets.values() if (f.record.organization_id, f.record.name) == wanted), None
        )

    def add(self, record: ApplicationRecord) -> ApplicationFleet:
        """Begin to hold an application, or take over its changed settings."""
        fleet = self._fleets.get(record.id)
        if fleet is None:
            fleet = self._fleets[record.id] = ApplicationFleet(record)
        elif fleet.record.executor_timeout_secs != record.executor_timeout_secs:
            fleet.liveness.set_timeout(record.executor_timeout_secs)
        fleet.record = record
        return fleet

    def remove(self, application_id: str) -> ApplicationFleet | None:
        """Stop holding an application."""
        return self._fleets.pop(application_id, None)

    def connections(self) -> list[ExecutorConnection]:
        """Every socket now registered."""
        return [
            executor.connection
            for fleet in self
            for executor in fleet.connected.values()
            if executor.connection is not None
        ]


class _Tally:
    def __init__(self, first_seen: datetime) -> None:
        self.first_seen = first_seen
        self._counts = dict.fromkeys(Status, 0)
        self._unresponsive = 0
        self._stranded_since: datetime | None = None

    def add(self, executor: Executor, member: Member | None) -> None:
        record = executor.record
        self.first_seen = min(self.first_seen, record.created_at)
        status = Status(record.status)
        self._counts[status] += 1
        if status is Status.HEALTHY and not executor.responsive:
            self._unresponsive += 1
        if status is Status.DEAD and member is not None and member.stage is Stage.STRANDED:
            since = self._stranded_since
            self._stranded_since = min(since, record.updated_at) if since else record.updated_at

    def view(self, version: str) -> VersionView:
        return VersionView(
            application_version=version,
            healthy=self._counts[Status.HEALTHY],
            unresponsive=self._unresponsive,
            disconnected=self._counts[Status.DISCONNECTED],
            dead=self._counts[Status.DEAD],
            stranded_since=self._stranded_since,
        )
