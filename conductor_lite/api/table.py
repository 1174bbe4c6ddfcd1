"""The one table of operations: routes, validation and the OpenAPI document come from it and nothing else."""

from collections.abc import Iterable, Mapping

import msgspec

from conductor_lite.api import (
    alerting,
    alerts,
    applications,
    audit,
    autoscaling,
    backups,
    declaration,
    executors,
    metrics,
    organizations,
    policies,
    queues,
    retention,
    roles,
    schedules,
    snapshots,
    tokens,
    users,
    versions,
    workflow_actions,
    workflows,
)
from conductor_lite.api.operation import AnyOperation

#: Every operation that is served, in the order in which readers see them.
TABLE: tuple[AnyOperation, ...] = (
    *applications.OPERATIONS,
    *declaration.OPERATIONS,
    *executors.OPERATIONS,
    *versions.OPERATIONS,
    *workflows.OPERATIONS,
    *workflow_actions.OPERATIONS,
    *snapshots.OPERATIONS,
    *queues.OPERATIONS,
    *autoscaling.OPERATIONS,
    *schedules.OPERATIONS,
    *metrics.OPERATIONS,
    *alerting.OPERATIONS,
    *alerts.OPERATIONS,
    *retention.OPERATIONS,
    *tokens.OPERATIONS,
    *roles.OPERATIONS,
    *organizations.OPERATIONS,
    *users.OPERATIONS,
    *audit.OPERATIONS,
    *policies.OPERATIONS,
    *backups.OPERATIONS,
)


def by_path(table: Iterable[AnyOperation]) -> Mapping[str, tuple[AnyOperation, ...]]:
    """Group operations by path template, keeping their order."""
    grouped: dict[str, list[AnyOperation]] = {}
    for operation in table:
        grouped.setdefault(operation.path, []).append(operation)
    return {path: tuple(operations) for path, operations in grouped.items()}


def check(table: Iterable[AnyOperation]) -> None:
    """Refuse a table that contradicts itself, when the server starts rather than when someone calls.

    Raises:
        ValueError: an id or a route stands twice, a placeholder has no field, or a row no handler.
    """
    ids: set[str] = set()
    routes: set[tuple[str, str]] = set()
    for operation in table:
        route = (operation.method, operation.path)
        if operation.operation_id in ids or route in routes:
            raise ValueError(f"{operation.operation_id} ({' '.join(route)}) stands twice in the table.")
        ids.add(operation.operation_id)
        routes.add(route)
        fields = {field.encode_name for field in msgspec.structs.fields(operation.path_parameters)}
        if (operation.handler is None) == (operation.paged_handler is None):
            raise ValueError(f"{operation.operation_id} needs one handler, paged or not.")
        if fields != set(operation.placeholders):
            raise ValueError(f"{operation.operation_id}: {operation.path} does not match {sorted(fields)}.")


check(TABLE)
