"""Hand-made pictures of a fleet for rendering tests: every state at once, and names that mean harm.

What is rendered from them is real; the operations behind them are not, because no real fleet can be held in
all these states at one instant.
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

from conductor_lite.auth.actor import Actor, local_actor
from conductor_lite.errors import ConflictError, NotFoundError
from conductor_lite.operations.activity import Activity, Backlog
from conductor_lite.operations.applications import Application
from conductor_lite.operations.audit import AuditEntry, KnownValues
from conductor_lite.operations.executors import ExecutorView, RecoveryView, VersionView
from conductor_lite.operations.keys import ApiKey, CreatedApiKey
from conductor_lite.operations.metrics import Chart, Series
from conductor_lite.operations.overview import ApplicationOverview, Attention, Overview
from conductor_lite.operations.snapshots import SnapshotStatus
from conductor_lite.store.records import ApplicationRecord

NOW = datetime(2026, 3, 1, 3, 0, 0, tzinfo=UTC)
HOSTILE = "<img src=x onerror=alert(1)>\"'&{{7*7}}"
KEY = "dbos_abcdefghijkl" + "S" * 43 + "CCCCCC"


def ago(secs: float, now: datetime = NOW) -> datetime:
    return now - timedelta(seconds=secs)


def application(name: str, now: datetime = NOW, **fields: object) -> ApplicationRecord:
    given = {"executor_timeout_secs": 60, "language": "python", **fields}
    return ApplicationRecord(
        id=f"id-{name}",
        organization_id="local",
        name=name,
        created_at=ago(86400, now),
        updated_at=now,
        **given,
    )


def executor(number: int, status: str = "HEALTHY", *, now: datetime = NOW, **fields: object) -> ExecutorView:
    given: dict[str, object] = {
        "application_version": "3f9a1c07b2d84e5f",
        "hostname": f"worker-{number}.eu-west.internal",
        "language": "python",
        "dbos_version": "2.31.1",
        "connected_at": ago(600 * (number + 1), now) if status == "HEALTHY" else None,
        "round_trip_ms": 1.8 + number * 3.1 if status == "HEALTHY" else None,
        "updated_at": ago(70 if status == "DEAD" else 14, now),
        **fields,
    }
    return ExecutorView(
        application_id="id-orders",
        executor_id=fields.pop("executor_id", None)
        or f"6f1d0e{number:02x}-7c1b-4b6e-9d0a-5f0c2f9e1a{number:02x}",
        status=status,
        created_at=ago(7200, now),
        last_seen_at=ago(3, now),
        **{key: value for key, value in given.items() if key != "executor_id"},
    )


def orders(now: datetime = NOW) -> ApplicationOverview:
    """An application in every kind of trouble."""
    old = "b81e77d0c4a94c12"
    executors = (
        executor(1, now=now, in_flight=2, executor_metadata={"region": "eu-west-1", "pool": "batch"}),
        executor(2, now=now, executor_metadata={"region": "eu-west-1", "zone": "b", "spot": True, "cpus": 8}),
        executor(3, now=now, responsive=False, in_flight=7),
        executor(4, "DISCONNECTED", now=now, dead_at=now + timedelta(seconds=46)),
        executor(
            5,
            "DEAD",
            now=now,
            recovery=RecoveryView(stage="recovering", attempts=2, dead_since=ago(8, now)),
        ),
        executor(
            6,
            "DEAD",
            now=now,
            application_version=old,
            recovery=RecoveryView(stage="stranded", dead_since=ago(800, now)),
        ),
    )
    versions = (
        VersionView(
            application_version="3f9a1c07b2d84e5f", healthy=3, unresponsive=1, disconnected=1, dead=1
        ),
        VersionView(application_version=old, dead=1, stranded_since=ago(800, now)),
    )
    attention = (
        Attention(
            kind="stranded_version",
            application_name="orders",
            title=f"Version {old} is stranded",
            advice=f"1 dead executor left workflows of version {old}, and nothing that runs it is connected. "
            "Start one process of that version: its workflows are recovered the moment it connects.",
            since=ago(800, now),
        ),
        Attention(
            kind="unresponsive_executor",
            application_name="orders",
            title=f"Executor {executors[2].executor_id} does not answer",
            advice="It is connected, but leaves requests unanswered: look at its process and database.",
            since=ago(95, now),
            executor_id=executors[2].executor_id,
            application_version=executors[2].application_version,
        ),
        Attention(
            kind="failing_workflow",
            application_name="orders",
            title="charge fails: 12 of 14 that ended within the last hour failed",
            advice="Of those that ended within the last half hour 12 failed and 2 succeeded.",
            since=ago(3_900, now),
            workflow_name="charge",
        ),
        Attention(
            kind="stuck_queue",
            application_name="orders",
            title="Queue mail is stuck: 1,234 wait, none has left it lately",
            advice="No executor takes work from it.",
            since=ago(4_000, now),
            queue_name="mail",
        ),
    )
    return ApplicationOverview(
        application=Application(record=application("orders", now), available=True, versions=versions),
        attention=attention,
        executors=executors,
        versions=versions,
        recoveries=(
            audit_entry(
                7,
                now,
                executor_ids=["a1b2c3d4-0000-4000-8000-000000000001", "a1b2c3d4-0000-4000-8000-000000000002"],
                application_version="3f9a1c07b2d84e5f",
                recovered_by=executors[0].executor_id,
                detection_secs=60.02,
                recovery_secs=0.184,
                attempts=1,
            ),
        ),
    )


def audit_entry(number: int, now: datetime = NOW, **details: object) -> AuditEntry:
    return AuditEntry(
        id=number,
        organization_id="local",
        emitted_at=ago(number * 130, now),
        operation="executor.recovery",
        status="success",
        subject_type="system",
        subject_id="conductor",
        subject_display="conductor",
        target_type="application",
        target_id="orders",
        details=details,
    )


def hostile(now: datetime = NOW) -> ApplicationOverview:
    """An application whose executors say harmful and enormous things about themselves."""
    metadata = {HOSTILE: HOSTILE, "list": [HOSTILE], "deep": {"a": {"b": HOSTILE}}, "big": "x" * 1_000_000}
    executors = (
        executor(
            1,
            now=now,
            executor_id=HOSTILE,
            application_version=HOSTILE,
            hostname=HOSTILE,
            language=HOSTILE,
            dbos_version=HOSTILE,
            remote_address=HOSTILE,
            executor_metadata=metadata,
        ),
        executor(
            2,
            "DEAD",
            now=now,
            executor_id="\u202egnp.exe" + "y" * 1_000_000,
            recovery=RecoveryView(stage=HOSTILE, attempts=4, error=HOSTILE, dead_since=now),
        ),
    )
    versions = (VersionView(application_version=HOSTILE, healthy=1, stranded_since=now),)
    attention = (
        Attention(kind=HOSTILE, application_name="shop", title=HOSTILE, advice=HOSTILE * 100, since=now),
        Attention(
            kind="stuck_queue",
            application_name="shop",
            title=HOSTILE * 9_000,
            advice=HOSTILE,
            queue_name=HOSTILE,
            workflow_name=HOSTILE,
        ),
    )
    return ApplicationOverview(
        application=Application(
            record=application("shop", now, language=HOSTILE), available=True, versions=versions
        ),
        attention=attention,
        executors=executors,
        versions=versions,
        recoveries=(
            audit_entry(1, now, executor_ids=[HOSTILE], recovered_by=HOSTILE, attempts="many", error=HOSTILE),
            audit_entry(2, now, executor_ids="not a list", detection_secs="soon"),
        ),
    )


def chart(workflow: str, start: datetime, end: datetime) -> Chart:
    """Twelve steps of a workflow that fails now and then; nothing is known of the first two."""
    step_secs = int((end - start).total_seconds()) // 12
    names, queued = {"workflow_name": workflow}, {"workflow_name": workflow, "queue_name": "mail"}

    def line(family: str, labels: dict[str, str], every: float) -> Series:
        values = tuple(None if step < 2 else every * (step % 4) for step in range(12))
        return Series(family=family, labels=labels, values=values)

    return Chart(
        start=start,
        step_secs=step_secs,
        steps=12,
        counted_from="aggregates",
        series=(
            line("workflow_started", queued, 12.0),
            line("workflow_succeeded", queued, 11.0),
            line("workflow_failed", queued, 1.0),
            line("workflow_latency_secs", queued, 0.7),
            line("workflow_enqueued", queued, 40.0),
            line("workflow_enqueued_age_secs", queued, 61.0),
            line("workflow_pending", names, 3.0),
            line("step_failed", {"step_name": workflow}, 2.0),
            line("executors", {"status": "HEALTHY", "application_version": HOSTILE}, 1.0),
        ),
        covered_secs={
            group: (0.0, 0.0, *(float(step_secs) for _ in range(10)))
            for group in ("started", "finished", "levels", "steps", "fleet")
        },
    )


def lately(now: datetime) -> Activity:
    """Six hours of an application that fails now and then."""
    runs = tuple(None if step < 3 else float(step % 5) for step in range(24))
    return Activity(
        start=ago(6 * 3600, now),
        hour=ago(3600, now),
        started=runs,
        succeeded=runs,
        failed=tuple(None if run is None else float(run == 4) for run in runs),
        backlogs=(Backlog(queue_name=HOSTILE, waiting=1_234, oldest_at=ago(4_000, now), dequeued_lately=0),),
    )


class PicturedOperations:
    """Stands where ``Operations`` stands, and answers with pictures.

    Args:
        pictures: the applications, each with all that its page shows.
        now: when the pictures were taken.
    """

    def __init__(self, *pictures: ApplicationOverview, now: datetime = NOW) -> None:
        self.pictures = {picture.application.record.name: picture for picture in pictures}
        self.now = now
        self.api_keys: list[ApiKey] = []
        self.entries: list[AuditEntry] = []
        # Each call of an effect, for tests to look at.
        self.calls: list[tuple[object, ...]] = []
        self.applications = SimpleNamespace(
            list=self._list,
            get=self._get,
            register=self._register,
            update=self._update,
            delete=self._delete,
        )
        self.overviews = SimpleNamespace(home=self._home, application=self._application)
        self.executors = SimpleNamespace(list=self._executors)
        self.snapshots = SimpleNamespace(status=self._snapshots)
        self.metrics = SimpleNamespace(series=self._series)
        self.keys = SimpleNamespace(list=self._keys, create=self._create_key, revoke=self._revoke_key)
        self.audit = SimpleNamespace(list=self._audit, known=self._known)
        self.changes = SimpleNamespace(subscribe=self._subscribe)
        # Forms refused before they were looked at: what was asked for, and of which page.
        self.refused: list[tuple[str, str]] = []
        self.refusals = SimpleNamespace(note=self._refuse)

    def _refuse(
        self, actor: Actor | None, operation: str, kind: str, path: str, error: Exception, *, source_ip: str
    ) -> None:
        self.refused.append((operation, path))

    async def _list(self, actor: Actor) -> list[Application]:
        return [picture.application for picture in self.pictures.values()]

    async def _get(self, actor: Actor, name: str) -> Application:
        return (await self._application(actor, name)).application

    async def _executors(self, actor: Actor, name: str) -> list[ExecutorView]:
        return list((await self._application(actor, name)).executors)

    async def _snapshots(self, actor: Actor, name: str) -> SnapshotStatus:
        await self._application(actor, name)
        error = HOSTILE if name == "shop" else None
        synced_at = ago(12, self.now)
        return SnapshotStatus(
            workflows=1_204, synced_at=synced_at, full_pass_at=None, full_pass_pending=False, error=error
        )

    async def _series(self, actor: Actor, name: str, *, start: datetime, end: datetime, **_: object) -> Chart:
        await self._application(actor, name)
        return chart(HOSTILE if name == "shop" else "charge", start, end)

    async def _home(self, actor: Actor) -> Overview:
        attention = tuple(item for picture in self.pictures.values() for item in picture.attention)
        applications = tuple(await self._list(actor))
        activity = {application.record.name: lately(self.now) for application in applications}
        return Overview(attention=attention, applications=applications, activity=activity)

    async def _application(self, actor: Actor, name: str) -> ApplicationOverview:
        if name not in self.pictures:
            raise NotFoundError(f"There is no application {name!r}; register it, or check the spelling.")
        return self.pictures[name]

    async def _register(self, actor: Actor, name: str, *, private_mode: bool | None = None) -> None:
        self.calls.append(("register", name, private_mode))

    async def _update(self, actor: Actor, name: str, changes: object) -> None:
        self.calls.append(("update", name, changes))

    async def _delete(self, actor: Actor, name: str) -> None:
        self.calls.append(("delete", name))

    async def _keys(self, actor: Actor) -> list[ApiKey]:
        return self.api_keys

    async def _create_key(self, actor: Actor, name: str, **options: object) -> CreatedApiKey:
        if any(key.name == name for key in self.api_keys):
            raise ConflictError(f"There is a key {name!r} already; revoke it first, or choose another name.")
        self.calls.append(("create key", name, options))
        return CreatedApiKey(api_key=api_key(name, self.now), key=KEY)

    async def _revoke_key(self, actor: Actor, name: str) -> None:
        self.calls.append(("revoke key", name))

    async def _audit(self, actor: Actor, **filters: object) -> list[AuditEntry]:
        self.calls.append(("audit", filters))
        return self.entries

    async def _known(self, actor: Actor) -> KnownValues:
        return KnownValues(operations=("executor.recovery",), subjects=("conductor",))

    async def _subscribe(self, topics: frozenset[str]) -> AsyncIterator[frozenset[str]]:
        for nothing in ():
            yield nothing


def api_key(name: str, now: datetime = NOW, **fields: object) -> ApiKey:
    given: dict[str, object] = {
        "id": "abcdefghijkl",
        "permissions": ("websocket.connect",),
        "application_ids": (),
        "application_names": (),
        "all_applications": True,
        **fields,
    }
    return ApiKey(name=name, created_at=ago(4000, now), **given)


class LocalAuthenticator:
    """Lets everyone in, as a server without login does."""

    async def actor(self, authorization: str | None, source_ip: str | None) -> Actor:
        return local_actor(source_ip)
