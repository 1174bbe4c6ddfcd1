"""Alerting rules over HTTP: thin handlers and their rows of the table."""

from types import NoneType

import msgspec

from conductor_lite.api.fields import ApplicationPath, timestamp
from conductor_lite.api.operation import AnyOperation, Call, Nothing, Operation
from conductor_lite.api.schemas.alerting import AlertingRule, CreateAlertInputBody
from conductor_lite.auth.permissions import APPLICATION_READ, APPLICATION_WRITE
from conductor_lite.operations.alerting_rules import AlertingRuleRecord
from conductor_lite.operations.once import Caution


class RulePath(ApplicationPath, frozen=True, kw_only=True, rename="camel"):
    """Path parameters of one alerting rule."""

    rule_id: str


def _translate(record: AlertingRuleRecord) -> AlertingRule:
    return AlertingRule(
        id=record.id,
        app_id=record.application_id,
        receiving_app_id=record.receiving_application_id,
        rule_type=record.rule_type,
        rule_metadata=msgspec.to_builtins(record.rule_metadata),
        min_interval_secs=record.min_interval_secs,
        last_fired_at=None if record.last_fired_at is None else timestamp(record.last_fired_at),
        declared=record.declared,
    )


async def _list(call: Call[ApplicationPath, Nothing, Nothing]) -> list[AlertingRule]:
    records = await call.operations.alerting_rules.list(call.actor, call.path.app_name)
    return [_translate(record) for record in records]


async def _create(call: Call[ApplicationPath, Nothing, CreateAlertInputBody]) -> AlertingRule:
    body = call.body
    record = await call.operations.alerting_rules.create(
        call.actor,
        call.path.app_name,
        rule_type=body.rule_type,
        rule_metadata=body.rule_metadata,
        receiving_application_name=body.receiving_app_name or None,
        min_interval_secs=None if body.min_interval_secs is msgspec.UNSET else body.min_interval_secs,
    )
    return _translate(record)


async def _delete(call: Call[RulePath, Nothing, Nothing]) -> None:
    await call.operations.alerting_rules.delete(call.actor, call.path.app_name, call.path.rule_id)


_RULES = "/v2/orgs/{orgName}/apps/{appName}/alerting-rules"

OPERATIONS: tuple[AnyOperation, ...] = (
    Operation(
        method="GET",
        path=_RULES,
        operation_id="listAlertingRules",
        summary="List alerting rules",
        tag="Alerting",
        permission=APPLICATION_READ,
        path_parameters=ApplicationPath,
        query_parameters=Nothing,
        body=Nothing,
        result=list[AlertingRule],
        handler=_list,
    ),
    Operation(
        method="POST",
        path=_RULES,
        operation_id="createAlertingRule",
        summary="Create alerting rule",
        tag="Alerting",
        permission=APPLICATION_WRITE,
        audit="alerting_rule.create",
        caution=Caution(),
        path_parameters=ApplicationPath,
        query_parameters=Nothing,
        body=CreateAlertInputBody,
        body_required=True,
        result=AlertingRule,
        status=201,
        handler=_create,
    ),
    Operation(
        method="DELETE",
        path=f"{_RULES}/{{ruleId}}",
        operation_id="deleteAlertingRule",
        summary="Delete alerting rule",
        tag="Alerting",
        permission=APPLICATION_WRITE,
        audit="alerting_rule.delete",
        path_parameters=RulePath,
        query_parameters=Nothing,
        body=Nothing,
        result=NoneType,
        status=204,
        handler=_delete,
    ),
)
