"""An application whose history a test writes, and that answers as SDKs do; and clocks that tests set."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import func, select

from conductor_lite.clock import Clock
from conductor_lite.errors import NoHealthyExecutorError, UnsupportedMessageError
from conductor_lite.fleet.measurer import Measurer
from conductor_lite.fleet.recommender import Recommender
from conductor_lite.fleet.views import DISCONNECTED, HEALTHY, ExecutorView
from conductor_lite.policies.metrics import MetricCollection
from conductor_lite.protocol import (
    GetMetrics,
    GetMetricsReply,
    GetStepAggregates,
    GetStepAggregatesReply,
    GetWorkflowAggregates,
    GetWorkflowAggregatesReply,
    ListWorkflows,
    ListWorkflowsReply,
    MetricRecord,
    StepAggregateRecord,
    WorkflowAggregateRecord,
    WorkflowRecord,
)
from conductor_lite.store.applications import Applications
from conductor_lite.store.audit import AuditLog
from conductor_lite.store.database import Database
from conductor_lite.store.metric_families import Label
from conductor_lite.store.metric_points import MetricPoints
from conductor_lite.store.metric_reading import MetricReading
from conductor_lite.store.metric_schema import metric_points, metric_series
from conductor_lite.store.records import ApplicationRecord

#: A midnight, and so the beginning of a window of any length.
START = datetime(2026, 3, 1, tzinfo=UTC)


class Clocks(Clock):
    """A calendar that stands still until it is moved, and a monotonic clock that never jumps."""

    def __init__(self, time: datetime = START) -> None:
        self.time = time
        self.elapsed = 0.0

    def monotonic(self) -> float:
        return self.elapsed

    def now(self) -> datetime:
        return self.time

    def pass_secs(self, secs: float) -> None:
        """Let time pass."""
        self.time += timedelta(seconds=secs)
        self.elapsed += secs

    def jump(self, secs: float) -> None:
        """Set the calendar, forward or back."""
        self.time += timedelta(seconds=secs)


class Workflow(NamedTuple):
    """One workflow of the history; times are seconds since 1970, None what has not happened."""

    name: str
    created: float
    queue: str | None = None
    dequeued: float | None = None
    completed: float | None = None
    status: str = "SUCCESS"
    #: The application whose it is, where several share a database.
    owner: str | None = None


class Step(NamedTuple):
    """One step of the history."""

    name: str
    completed: float
    status: str = "SUCCESS"
    duration: float = 0.01
    #: As of workflows.
    owner: str | None = None


class History:
    """What the database of an application holds, and an executor that answers from it."""

    def __init__(self) -> None:
        self.workflows: list[Workflow] = []
        self.steps: list[Step] = []
        #: Whether an executor is connected.
        self.is_here = True
        #: Who it is, and what it says of its SDK.
        self.executor_id = "e1"
        self.dbos_version: str | None = "2.31.1"
        self.has_aggregates = True
        self.has_step_aggregates = True
        self.heeds_times = True
        #: Every question.
        self.requests: list[Any] = []
        #: Called before each answer.
        self.before_answer: Callable[[], None] = lambda: None

    def answer(self, request: Any) -> Any:
        """The reply to a question of the policy."""
        if not self.is_here:
            raise NoHealthyExecutorError("nobody")
        self.requests.append(request)
        self.before_answer()
        match request:
            case GetWorkflowAggregates() if self.has_aggregates:
                return GetWorkflowAggregatesReply(aggregates=self._workflow_groups(request.body))
            case GetStepAggregates() if self.has_aggregates and self.has_step_aggregates:
                return GetStepAggregatesReply(aggregates=self._step_groups(request.body))
            case GetMetrics():
                return GetMetricsReply(metrics=self._metrics(request))
            case ListWorkflows():
                return ListWorkflowsReply(workflows=self._listed(request.body))
        raise UnsupportedMessageError("Unknown message type", "Unknown message type")

    def _workflow_groups(self, body: Any) -> list[WorkflowAggregateRecord]:
        groups: dict[tuple[tuple[str, str | None], ...], list[Workflow]] = {}
        for workflow in self.workflows:
            if not _belongs(workflow, body.application_name):
                continue
            if body.status and workflow.status not in body.status:
                continue
            if self.heeds_times and not (
                _within(workflow.created, body.start_time, body.end_time)
                and _within(workflow.completed, body.completed_after, body.completed_before)
                and _within(workflow.dequeued, body.dequeued_after, body.dequeued_before)
            ):
                continue
            key = [("status", workflow.status)] if body.group_by_status else []
            key += [("name", workflow.name), ("queue_name", workflow.queue)]
            groups.setdefault(tuple(key), []).append(workflow)
        return [
            WorkflowAggregateRecord(
                group=dict(key),
                count=len(members),
                min_created_at_epoch_ms=_ms(min(w.created for w in members)),
                max_queue_wait_ms=_largest(w.dequeued - w.created for w in members if w.dequeued),
                max_total_latency_ms=_largest(w.completed - w.created for w in members if w.completed),
            )
            for key, members in groups.items()
        ]

    def _step_groups(self, body: Any) -> list[StepAggregateRecord]:
        groups: dict[tuple[str, str], list[Step]] = {}
        for step in self.steps:
            is_ours = _belongs(step, body.application_name)
            if is_ours and _within(step.completed, body.completed_after, body.completed_before):
                groups.setdefault((step.name, step.status), []).append(step)
        return [
            StepAggregateRecord(
                group={"function_name": name, "status": status},
                count=len(members),
                max_duration_ms=_largest(step.duration for step in members),
            )
            for (name, status), members in groups.items()
        ]

    def _metrics(self, request: GetMetrics) -> list[MetricRecord]:
        begin, end = (
            datetime.fromisoformat(text).timestamp() for text in (request.start_time, request.end_time)
        )
        ours = request.application_names
        names = [
            ("workflow_count", w.name)
            for w in self.workflows
            if begin <= w.created < end and _belongs(w, ours)
        ]
        names += [
            ("step_count", s.name) for s in self.steps if begin <= s.completed < end and _belongs(s, ours)
        ]
        return [
            MetricRecord(metric_type=kind, metric_name=name, value=names.count((kind, name)))
            for kind, name in sorted(set(names))
        ]

    def _listed(self, body: Any) -> list[WorkflowRecord]:
        found = [
            w
            for w in self.workflows
            if (body.status is None or w.status == body.status) and _within(w.created, body.start_time, None)
        ]
        found.sort(key=lambda w: w.created, reverse=bool(body.sort_desc))
        return [
            WorkflowRecord(
                workflow_id=str(number),
                status=w.status,
                workflow_name=w.name,
                queue_name=w.queue,
                created_at_epoch_ms=_ms(w.created),
                updated_at_epoch_ms=_ms(w.completed or w.dequeued or w.created),
                dequeued_at_epoch_ms=None if w.dequeued is None else _ms(w.dequeued),
                application_name=w.owner,
            )
            for number, w in enumerate(found[: body.limit])
        ]


class FakeFleet:
    """Executors that answer from histories, one for each application."""

    def __init__(self, clocks: Clocks) -> None:
        self.histories: dict[str, History] = {}
        self._clocks = clocks

    def executors(self, application_id: str) -> list[ExecutorView]:
        history = self.histories.get(application_id)
        if history is None:
            return []
        return [
            ExecutorView(
                application_id=application_id,
                executor_id=history.executor_id,
                application_version="v1",
                status=HEALTHY if history.is_here else DISCONNECTED,
                language="python",
                dbos_version=history.dbos_version,
                created_at=START,
                updated_at=START,
                last_seen_at=self._clocks.now(),
            )
        ]

    async def ask(self, application_id: str, request: Any, **_: Any) -> Any:
        return self.histories[application_id].answer(request)


class Collecting:
    """The policy over a database, and fake executors."""

    def __init__(self, db: Database, clocks: Clocks | None = None) -> None:
        self.clocks = clocks or Clocks()
        self.db = db
        self.fleet = FakeFleet(self.clocks)
        self.points = MetricPoints(db)
        self.reading = MetricReading(db)
        self.audit_log = AuditLog(db)
        self.applications: dict[str, ApplicationRecord] = {}
        self.restart()

    def restart(self) -> None:
        """Begin anew, with what the database holds."""
        fleet: Any = self.fleet
        self.measurer = Measurer(fleet, self.clocks)
        self.recommender = Recommender(self.clocks)
        self.policy = MetricCollection(
            fleet,
            self.measurer,
            self.recommender,
            Applications(self.db),
            self.audit_log,
            MetricPoints(self.db),
            self.clocks,
        )

    async def application(self, name: str = "shop") -> History:
        """Register an application that an executor is connected of."""
        record, _ = await Applications(self.db).register(
            "local", name, now=self.clocks.now(), executor_timeout_secs=60
        )
        self.applications[name] = record
        history = self.fleet.histories[record.id] = History()
        return history

    async def round(self, later_secs: float = 0.0) -> None:
        """Let time pass, then one round."""
        self.clocks.pass_secs(later_secs)
        await self.policy.round()

    async def minutes(self, count: int) -> None:
        """Let minutes pass, with a round soon after each."""
        for _ in range(count):
            await self.round(60)

    async def totals(self, family: str, begin: float, end: float, name: str = "shop") -> dict[Label, float]:
        """Sums of a family, and its coverage."""
        source = await self.reading.source(self.applications[name].id)
        assert source is not None
        return await self.reading.totals(source, [family], int(begin), int(end))

    async def rows(self, window_secs: int, family: str) -> dict[int, float]:
        """Every point of a family in windows of one length, summed over its series."""
        points = metric_points.c
        query = (
            select(points.window_start, func.sum(points.value).label("total"))
            .select_from(metric_series.join(metric_points, points.series == metric_series.c.id))
            .where(metric_series.c.family == family, points.resolution_secs == window_secs)
            .group_by(points.window_start)
            .order_by(points.window_start)
        )
        async with self.db.read() as connection:
            return {row.window_start: row.total for row in await connection.execute(query)}


def _belongs(item: Workflow | Step, names: list[str] | None) -> bool:
    """As SDKs do: what is nobody's belongs to everyone."""
    return not names or item.owner is None or item.owner in names


def _within(moment: float | None, after: str | None, before: str | None) -> bool:
    if after is None and before is None:
        return True
    if moment is None:
        return False
    # As the Python SDK reckons.
    ms = _ms(moment)
    is_late_enough = after is None or ms >= int(datetime.fromisoformat(after).timestamp() * 1000)
    return is_late_enough and (before is None or ms <= int(datetime.fromisoformat(before).timestamp() * 1000))


def _ms(secs: float) -> int:
    return round(secs * 1000)


def _largest(secs: Iterable[float]) -> int | None:
    return max((_ms(value) for value in secs), default=None)
