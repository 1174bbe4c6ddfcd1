"""The present in the families that Prometheus users already chart. How they are written down is for a face.

Rates and maxima are those of the last minute that was collected, what waits is asked for now.
"""

import asyncio
from collections.abc import Collection, Iterator, Sequence
from typing import Literal

import msgspec

from conductor_lite.auth.actor import Actor
from conductor_lite.auth.permissions import METRIC_READ
from conductor_lite.fleet.measurer import Minute, Open
from conductor_lite.operations.context import Context
from conductor_lite.store.metric_families import FAMILIES, Label
from conductor_lite.store.records import ApplicationRecord
from conductor_lite.telemetry import ConductorReport

PREFIX = "dbos_conductor_v1_"

#: Seconds for which an answer about what waits serves other scrapes as well.
SHARED_SECS = 10.0
#: Seconds that a scrape waits for executors; Prometheus itself gives up after ten by default.
PATIENCE_SECS = 3.0
#: Applications that are asked at the same time.
CONCURRENT_APPLICATIONS = 16

_WORKFLOW = ("workflow_name", "queue_name")

Kind = Literal["rate", "window", "count", "since", "executors"]


class PublishedFamily(msgspec.Struct, frozen=True):
    """One of the published families: what it is called, and what of ours it shows."""

    name: str
    kind: Kind
    #: The family of ours; for ``since`` the one of ages.
    source: str
    labels: tuple[str, ...]
    documentation: str


PUBLISHED: tuple[PublishedFamily, ...] = (
    PublishedFamily(
        "workflow_started_rate", "rate", "workflow_started", _WORKFLOW, "Workflows begun per second."
    ),
    PublishedFamily(
        "workflow_dequeued_rate",
        "rate",
        "workflow_dequeued",
        _WORKFLOW,
        "Workflows taken off a queue per second.",
    ),
    PublishedFamily(
        "workflow_success_rate",
        "rate",
        "workflow_succeeded",
        _WORKFLOW,
        "Workflows that succeeded per second.",
    ),
    PublishedFamily(
        "workflow_failed_rate", "rate", "workflow_failed", _WORKFLOW, "Workflows that failed per second."
    ),
    PublishedFamily(
        "workflow_cancelled_rate", "rate", "workflow_cancelled", _WORKFLOW, "Workflows cancelled per second."
    ),
    PublishedFamily(
        "workflow_enqueued_count", "count", "workflow_enqueued", _WORKFLOW, "Workflows that wait in a queue."
    ),
    PublishedFamily(
        "workflow_pending_count", "count", "workflow_pending", ("workflow_name",), "Workflows that run."
    ),
    PublishedFamily(
        "workflow_oldest_enqueued_timestamp_seconds",
        "since",
        "workflow_enqueued_age_secs",
        _WORKFLOW,
        "When the workflow that waits longest was created.",
    ),
    PublishedFamily(
        "workflow_oldest_pending_timestamp_seconds",
        "since",
        "workflow_pending_age_secs",
        ("workflow_name",),
        "When the oldest workflow that runs was created.",
    ),
    PublishedFamily(
        "workflow_max_queue_wait_seconds",
        "window",
        "workflow_queue_wait_secs",
        _WORKFLOW,
        "Longest wait of those taken off a queue in the minute.",
    ),
    PublishedFamily(
        "workflow_max_total_latency_seconds",
        "window",
        "workflow_latency_secs",
        _WORKFLOW,
        "Longest time from creation to end of those that ended in the minute.",
    ),
    PublishedFamily(
        "step_success_rate", "rate", "step_succeeded", ("step_name",), "Steps that succeeded per second."
    ),
    PublishedFamily(
        "step_failed_rate", "rate", "step_failed", ("step_name",), "Steps that failed per second."
    ),
    PublishedFamily(
        "step_max_duration_seconds",
        "window",
        "step_duration_secs",
        ("step_name",),
        "Longest duration of a step that ended in the minute.",
    ),
    PublishedFamily(
        "executor_count", "executors", "executors", ("status", "application_version"), "Executors on record."
    ),
)


class Sample(msgspec.Struct, frozen=True, gc=False):
    """One value."""

    labels: tuple[str, ...]
    value: float
    #: Seconds since 1970 of the end of the minute that it speaks of; None for now.
    at: int | None = None


class ScrapedFamily(msgspec.Struct, frozen=True, kw_only=True):
    """One family of gauges and its samples."""

    name: str
    documentation: str
    labels: tuple[str, ...]
    samples: list[Sample]


class Scraped(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a scrape brings."""

    families: list[ScrapedFamily]
    #: How the conductor is; None for those who see some applications only, or ask for some only.
    conductor: ConductorReport | None
    #: Applications by what their figures are worked out from; shown with the conductor.
    bases: dict[str, int]


class Scrape:
    """The operation behind a scrape.

    Args:
        context: what operations share.
    """

    def __init__(self, context: Context) -> None:
        self._context = context

    async def collect(
        self,
        actor: Actor,
        *,
        applications: Collection[str] = (),
        workflow_names: Collection[str] = (),
        metrics: Collection[str] = (),
    ) -> Scraped:
        """Gather the families of every application within the actor's reach.

        Args:
            actor: on whose behalf.
            applications: only these, where any are named.
            workflow_names: only families about workflows, and of these only the named ones.
            metrics: only these families, with or without their prefix.

        Raises:
            ForbiddenError: metric.read is missing.
            StoreError: the applications cannot be read.
        """
        actor.require(METRIC_READ)
        wanted = [
            family
            for family in PUBLISHED
            if (not metrics or family.name in metrics or PREFIX + family.name in metrics)
            and (not workflow_names or "workflow_name" in family.labels)
        ]
        seen = [a for a in await self._context.applications.list(actor.organization_id) if actor.sees(a.id)]
        named = [a for a in seen if not applications or a.name in applications]
        waiting = await self._waiting(named, wanted)
        families = [self._family(family, named, waiting, workflow_names) for family in wanted]
        whole = actor.application_ids is None and not applications and not workflow_names
        return Scraped(
            families=families,
            conductor=self._context.report() if whole else None,
            bases=self._bases(seen) if whole else {},
        )

    async def _waiting(
        self, applications: Sequence[ApplicationRecord], wanted: Sequence[PublishedFamily]
    ) -> dict[str, Open]:
        """What waits now, of those applications that tell."""
        if not any(family.kind in ("count", "since") for family in wanted):
            return {}
        measurer = self._context.measurer
        turns = asyncio.Semaphore(CONCURRENT_APPLICATIONS)

        async def ask(application: ApplicationRecord) -> Open | None:
            try:
                async with asyncio.timeout(PATIENCE_SECS), turns:
                    return await measurer.open(application, max_age_secs=SHARED_SECS)
            except TimeoutError:
                return measurer.last_open(application.id)

        answers = await asyncio.gather(*map(ask, applications))
        return {
            application.id: answer
            for application, answer in zip(applications, answers, strict=True)
            if answer is not None
        }

    def _family(
        self,
        family: PublishedFamily,
        applications: Sequence[ApplicationRecord],
        waiting: dict[str, Open],
        workflow_names: Collection[str],
    ) -> ScrapedFamily:
        samples: list[Sample] = []
        for application in applications:
            minute, now = self._context.measurer.minute(application.id), waiting.get(application.id)
            for label, value, at in self._values(family, application, minute, now):
                if not workflow_names or label.first in workflow_names:
                    labels = (application.name, label.first, label.second)[: 1 + len(family.labels)]
                    samples.append(Sample(labels, value, at))
        return ScrapedFamily(
            name=PREFIX + family.name,
            documentation=family.documentation,
            labels=("application", *family.labels),
            samples=samples,
        )

    def _values(
        self, family: PublishedFamily, application: ApplicationRecord, minute: Minute | None, now: Open | None
    ) -> Iterator[tuple[Label, float, int | None]]:
        match family.kind:
            case "executors":
                counts: dict[Label, int] = {}
                for view in self._context.fleet.executors(application.id):
                    label = Label(family.source, view.status, view.application_version)
                    counts[label] = counts.get(label, 0) + 1
                yield from ((label, count, None) for label, count in sorted(counts.items()))
            case "count" | "since" if now is not None:
                for label, value in _of(family.source, now.points):
                    yield label, now.at.timestamp() - value if family.kind == "since" else value, None
            case "rate" | "window" if minute is not None:
                length_secs = minute.window.end - minute.window.start
                if FAMILIES[family.source].group in minute.groups:
                    for label, value in _of(family.source, minute.points):
                        yield (
                            label,
                            value / length_secs if family.kind == "rate" else value,
                            minute.window.end,
                        )

    def _bases(self, applications: Sequence[ApplicationRecord]) -> dict[str, int]:
        bases: dict[str, int] = {"aggregates": 0, "listings": 0, "none": 0}
        for application in applications:
            minute = self._context.measurer.minute(application.id)
            bases[minute.basis if minute is not None else "none"] += 1
        return bases


def _of(family: str, points: dict[Label, float]) -> list[tuple[Label, float]]:
    return sorted((label, value) for label, value in points.items() if label.family == family)
