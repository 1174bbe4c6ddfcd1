"""What a file declares of applications over HTTP: a thin handler and its row of the table."""

from typing import TypeVar

import msgspec

from conductor_lite.api.autoscaling import given_policy, shown_policy
from conductor_lite.api.fields import OrganizationPath
from conductor_lite.api.operation import AnyOperation, Call, Operation
from conductor_lite.api.schemas.applications import PatchAppInputBody
from conductor_lite.api.schemas.declaration import (
    ApplyDeclarationInputBody,
    ApplyDeclarationOutputBody,
    ApplyDeclarationQuery,
    DeclarationChange,
    DeclaredAlertingRule,
    DeclaredApp,
)
from conductor_lite.auth.permissions import APPLICATION_WRITE
from conductor_lite.operations.declared import (
    ApplicationChanges,
    AutoscalingPolicy,
    Change,
    DeclaredApplication,
    DeclaredRule,
    Rule,
)

T = TypeVar("T")

_SETTINGS = {field.name: field.encode_name for field in msgspec.structs.fields(PatchAppInputBody)}


def _application(body: DeclaredApp) -> DeclaredApplication:
    policy = body.autoscaling_policy
    return DeclaredApplication(
        settings=ApplicationChanges(**{name: getattr(body, name) for name in _SETTINGS}),
        rules=tuple(_rule(rule) for rule in _or(body.alerting_rules, [])),
        targets=_or(body.notification_targets, {}),
        autoscaling=None if isinstance(policy, msgspec.UnsetType) else given_policy(policy),
    )


def _rule(body: DeclaredAlertingRule) -> DeclaredRule:
    return DeclaredRule(
        rule_type=body.rule_type,
        rule_metadata=_or(body.rule_metadata, None),
        receiving_application_name=_or(body.receiving_app_name, None),
        min_interval_secs=_or(body.min_interval_secs, None),
    )


def _or(value: T | msgspec.UnsetType, default: T) -> T:
    return default if isinstance(value, msgspec.UnsetType) else value


def _change(change: Change) -> DeclarationChange:
    return DeclarationChange(
        action=change.action,
        kind=change.kind,
        app_name=change.application_name,
        name=_SETTINGS.get(change.name, change.name) if change.kind == "setting" else change.name,
        before=_value(change.before),
        after=_value(change.after),
        note=change.note,
    )


def _value(value: object) -> object:
    match value:
        case Rule():
            facts = {
                "ruleMetadata": msgspec.to_builtins(value.metadata),
                "receivingAppName": value.receiver,
                "minIntervalSecs": value.min_interval_secs,
            }
            return {name: fact for name, fact in facts.items() if fact is not None}
        case AutoscalingPolicy():
            return msgspec.to_builtins(shown_policy(value))
        case _:
            return value


async def _apply(
    call: Call[OrganizationPath, ApplyDeclarationQuery, ApplyDeclarationInputBody],
) -> ApplyDeclarationOutputBody:
    declaration = {name: _application(body) for name, body in call.body.apps.items()}
    changes = await call.operations.declared.apply(call.actor, declaration, dry_run=call.query.dry_run)
    return ApplyDeclarationOutputBody(changes=[_change(change) for change in changes])


OPERATIONS: tuple[AnyOperation, ...] = (
    Operation(
        method="POST",
        path="/v2/orgs/{orgName}/apply",
        operation_id="applyDeclaration",
        summary="Make applications what is declared of them",
        tag="Applications",
        permission=APPLICATION_WRITE,
        audit="declaration.apply",
        path_parameters=OrganizationPath,
        query_parameters=ApplyDeclarationQuery,
        body=ApplyDeclarationInputBody,
        body_required=True,
        result=ApplyDeclarationOutputBody,
        handler=_apply,
    ),
)
