"""Autoscaling policies and recommendations as the API shows them."""

from typing import Literal

import msgspec

from conductor_lite.api.fields import Int32, Int64, Natural, Timestamp
from conductor_lite.api.schemas.metrics import MetricSeries


class RolloutPolicy(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """How versions other than the latest are sized."""

    max_old_application_versions: Natural | msgspec.UnsetType = msgspec.UNSET
    max_executors_for_old_application_versions: Natural | msgspec.UnsetType = msgspec.UNSET


class AutoscalePolicy(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """The queue that an application is scaled by: registered, not partitioned, with a worker concurrency."""

    queue: str
    rollout: RolloutPolicy | msgspec.UnsetType = msgspec.UNSET


class PolicyOutputBody(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The policy as it is stored."""

    policy: AutoscalePolicy
    #: Whether ``conductor-lite apply`` puts it back; left out in the answer to a change.
    declared: bool | msgspec.UnsetType = msgspec.UNSET


class QueueAutoscale(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How many executors of one version are wanted; without a queue name where the queue is no longer fit."""

    application_version: str
    is_latest: bool
    desired_executors: Int64
    queue_depth: Int64
    observed_at: Int64
    queue_name: str | msgspec.UnsetType = msgspec.UNSET


class DesiredExecutors(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How many executors of one version a scaler is to run.

    ``basis`` is ``observed`` when an executor said so just now, ``remembered`` when none answers and this was
    known last, and ``minimum`` when nothing is known, and a first one is to start.
    """

    desired_executors: Int64
    basis: Literal["observed", "remembered", "minimum"]
    application_version: str | None
    #: When the backlog was counted, in milliseconds since 1970.
    observed_at: Int64 | None


class AutoscaleHistory(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Series over the same steps, each ``stepSecs`` long, from ``start`` on.

    Of ``desired_executors`` (mean), ``queue_depth`` (maximum) and ``healthy_executors`` (mean), by version.
    """

    start: Timestamp
    step_secs: Int32
    steps: Int32
    series: list[MetricSeries]
