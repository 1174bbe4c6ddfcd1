"""Applications that are scaled, before the policies that ask and keep: set clocks, real databases."""

from types import SimpleNamespace
from typing import Any

from support.figures import Collecting, History

from conductor_lite.errors import NotFoundError
from conductor_lite.operations.autoscaling import Autoscaling
from conductor_lite.policies.autoscaling import AutoscalingWatch
from conductor_lite.protocol import (
    ApplicationVersionRecord,
    GetQueue,
    GetQueueReply,
    GetWorkflowAggregates,
    GetWorkflowAggregatesReply,
    ListApplicationVersions,
    ListApplicationVersionsReply,
    QueueRecord,
    WorkflowAggregateRecord,
)
from conductor_lite.store.applications import Applications
from conductor_lite.store.autoscaling import AutoscalingPolicies
from conductor_lite.store.database import Database
from conductor_lite.store.records import AutoscalingPolicy, RolloutPolicy

POLICY = AutoscalingPolicy(queue="orders", rollout=RolloutPolicy(max_old_application_versions=1))


class Backlog(History):
    """An application with a queue on which a test lays work."""

    def __init__(self) -> None:
        super().__init__()
        self.queue: QueueRecord | None = QueueRecord(name="orders", worker_concurrency=5)
        #: The newest first.
        self.versions = ["v2", "v1"]
        self.depths: dict[str | None, int] = {}
        #: Questions about how many executors are wanted, as opposed to what metrics ask.
        self.questions = 0
        #: Whose work was counted for that, question by question; several may share a database.
        self.counted_of: list[list[str] | None] = []

    def answer(self, request: Any) -> Any:
        if isinstance(request, GetWorkflowAggregates) and not request.body.group_by_application_version:
            return super().answer(request)
        match request:
            case ListApplicationVersions() if self.is_here:
                self.questions += 1
                self.before_answer()
                return ListApplicationVersionsReply(
                    versions=[
                        ApplicationVersionRecord(version_name=name, version_timestamp_epoch_ms=-age)
                        for age, name in enumerate(self.versions)
                    ]
                )
            case GetQueue() if self.is_here:
                return GetQueueReply(queue=self.queue)
            case GetWorkflowAggregates() if self.is_here:
                self.counted_of.append(request.body.application_name)
                rows = [
                    WorkflowAggregateRecord(group={"application_version": version}, count=count)
                    for version, count in self.depths.items()
                ]
                return GetWorkflowAggregatesReply(aggregates=rows)
        return super().answer(request)


class Scaling(Collecting):
    """Both policies, and the operations on what they keep."""

    def __init__(self, db: Database) -> None:
        self.policies = AutoscalingPolicies(db)
        super().__init__(db)

    def restart(self) -> None:
        super().restart()
        fleet: Any = self.fleet
        applications = Applications(self.db)
        self.watch = AutoscalingWatch(fleet, self.recommender, applications, self.policies, self.clocks)
        self.operations = Autoscaling(self._context())

    async def scaled(self, name: str = "shop", policy: AutoscalingPolicy = POLICY) -> Backlog:
        """Register an application that has a policy, and an executor."""
        await self.application(name)
        record = self.applications[name]
        shop = self.fleet.histories[record.id] = Backlog()
        await self.policies.set(record.id, policy, now=self.clocks.now())
        return shop

    async def minutes(self, count: int) -> None:
        """Let minutes pass, with a question in each, and a note soon after."""
        for _ in range(count):
            self.clocks.pass_secs(30)
            await self.watch.round()
            await self.round(30)

    def _context(self) -> Any:
        """As much of the context as these operations use."""

        async def application(actor: Any, name: str) -> Any:
            record = await Applications(self.db).get(actor.organization_id, name)
            if record is None:
                raise NotFoundError(name)
            return record

        async def ask(record: Any, request: Any) -> Any:
            return await self.fleet.ask(record.id, request)

        return SimpleNamespace(
            application=application,
            ask=ask,
            autoscaling_policies=self.policies,
            metric_reading=self.reading,
            now=self.clocks.now,
            recommender=self.recommender,
        )
