"""Autoscaling policies and recommendations as the API shows them."""

import msgspec

from conductor_lite.api.fields import Int64, Natural


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
