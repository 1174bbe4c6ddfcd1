"""Alerting rules: list, create, change, delete. Watching what they are about is a policy's work."""

import re
import uuid
from collections.abc import Mapping

import msgspec

from conductor_lite.auth.actor import Actor
from conductor_lite.auth.permissions import APPLICATION_READ, APPLICATION_WRITE
from conductor_lite.errors import FieldError, InvalidError, NotFoundError
from conductor_lite.fleet.changes import APPLICATIONS, application_topic
from conductor_lite.operations.context import Context
from conductor_lite.store.records import (
    DEFAULT_MIN_INTERVAL_SECS,
    RULE_TYPES,
    AlertingRuleRecord,
    ApplicationRecord,
    ExecutorLost,
    RecoveryFlapping,
    RuleMetadata,
    ScheduleMissed,
    SlowQueue,
    SlowWorkflow,
    StrandedVersion,
    UnresponsiveApplication,
    WorkflowFailure,
)

__all__ = [
    "DEFAULT_MIN_INTERVAL_SECS",
    "AlertingRuleRecord",
    "AlertingRules",
    "ExecutorLost",
    "RecoveryFlapping",
    "RuleMetadata",
    "ScheduleMissed",
    "SlowQueue",
    "SlowWorkflow",
    "StrandedVersion",
    "UnresponsiveApplication",
    "WorkflowFailure",
]

UNRESPONSIVE_APPLICATION = "UnresponsiveApplication"
MAX_MIN_INTERVAL_SECS = 2**31 - 1

_RECEIVER = "body.receivingAppName"
_HUMP = re.compile(r"(?<=[a-z0-9])([A-Z])")


class AlertingRules:
    """Operations on alerting rules."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def list(self, actor: Actor, application_name: str) -> list[AlertingRuleRecord]:
        """List the rules that watch an application, oldest first.

        Raises:
            ForbiddenError: application.read is missing.
            NotFoundError: no such application within reach.
        """
        actor.require(APPLICATION_READ)
        application = await self._context.application(actor, application_name)
        return await self._context.alerting_rules.list(application.id)

    async def create(
        self,
        actor: Actor,
        application_name: str,
        *,
        rule_type: str,
        rule_metadata: object,
        receiving_application_name: str | None = None,
        min_interval_secs: int | None = None,
        declared: bool = False,
    ) -> AlertingRuleRecord:
        """Create a rule that watches an application.

        Args:
            actor: who asks.
            application_name: the application to watch.
            rule_type: one of the published types.
            rule_metadata: what makes it fire; names may be in camel case, and numbers may be text.
            receiving_application_name: whose alert handler is told; by default the watched application's own.
            min_interval_secs: seconds that it stays quiet after firing.
            declared: whether it is declared in a file.

        Raises:
            ForbiddenError: application.write is missing.
            NotFoundError: no such application within reach.
            InvalidError: a value is not allowed, or the receiver cannot be the receiver.
        """
        context = self._context
        rule_id = str(uuid.uuid4())
        async with context.audited(actor, "alerting_rule.create", "alerting_rule", rule_id) as details:
            details.update(application_name=application_name, rule_type=rule_type)
            actor.require(APPLICATION_WRITE)
            application = await context.application(actor, application_name)
            metadata, receiver = await self._checked(
                actor,
                application,
                rule_type,
                rule_metadata,
                receiving_application_name,
                min_interval_secs,
            )
            record = AlertingRuleRecord(
                id=rule_id,
                application_id=application.id,
                receiving_application_id=receiver.id,
                rule_type=rule_type,
                rule_metadata=metadata,
                min_interval_secs=min_interval_secs,
                last_fired_at=None,
                created_at=context.now(),
                declared=declared,
            )
            details.update(rule_metadata=msgspec.to_builtins(metadata), receiver=receiver.name)
            await context.alerting_rules.create(record)
        return record

    async def update(
        self,
        actor: Actor,
        application_name: str,
        rule_id: str,
        *,
        rule_type: str,
        rule_metadata: object,
        receiving_application_name: str | None,
        min_interval_secs: int | None,
    ) -> None:
        """Change what makes a rule fire, and who is told; whether it has fired is remembered.

        Args as those of ``create``; ``rule_type`` is the one that the rule has.

        Raises:
            ForbiddenError: application.write is missing.
            NotFoundError: no such application within reach, or it has no such rule.
            InvalidError: a value is not allowed, or the receiver cannot be the receiver.
        """
        context = self._context
        async with context.audited(actor, "alerting_rule.update", "alerting_rule", rule_id) as details:
            details.update(application_name=application_name, rule_type=rule_type)
            actor.require(APPLICATION_WRITE)
            application = await context.application(actor, application_name)
            metadata, receiver = await self._checked(
                actor,
                application,
                rule_type,
                rule_metadata,
                receiving_application_name,
                min_interval_secs,
            )
            details.update(rule_metadata=msgspec.to_builtins(metadata), receiver=receiver.name)
            if not await context.alerting_rules.update(
                application.id,
                rule_id,
                receiving_application_id=receiver.id,
                rule_metadata=metadata,
                min_interval_secs=min_interval_secs,
            ):
                raise NotFoundError(_missing(application_name, rule_id))

    async def delete(self, actor: Actor, application_name: str, rule_id: str) -> None:
        """Delete one of an application's rules; what it has told is over, and nobody is told that.

        Raises:
            ForbiddenError: application.write is missing.
            NotFoundError: no such application within reach, or it has no such rule.
        """
        context = self._context
        async with context.audited(actor, "alerting_rule.delete", "alerting_rule", rule_id) as details:
            details["application_name"] = application_name
            actor.require(APPLICATION_WRITE)
            application = await context.application(actor, application_name)
            if not await context.alerting_rules.delete(application.id, rule_id):
                raise NotFoundError(_missing(application_name, rule_id))
            await context.alerts.close_without_rules(context.now())
        context.changes.publish(APPLICATIONS, application_topic(application.id))

    async def _checked(
        self,
        actor: Actor,
        application: ApplicationRecord,
        rule_type: str,
        rule_metadata: object,
        receiving_application_name: str | None,
        min_interval_secs: int | None,
    ) -> tuple[RuleMetadata, ApplicationRecord]:
        errors: list[FieldError] = []
        metadata = parse_metadata(rule_type, rule_metadata, errors)
        check_interval(min_interval_secs, errors)
        receiver = await _find_receiver(
            self._context, actor, application, rule_type, receiving_application_name, errors
        )
        if errors or metadata is None or receiver is None:
            raise InvalidError("The alerting rule cannot be like this.", tuple(errors))
        return metadata, receiver


async def _find_receiver(
    context: Context,
    actor: Actor,
    application: ApplicationRecord,
    rule_type: str,
    name: str | None,
    errors: list[FieldError],
) -> ApplicationRecord | None:
    receiver: ApplicationRecord | None = application
    if name is not None:
        try:
            receiver = await context.application(actor, name)
        except NotFoundError as error:
            errors.append(FieldError(location=_RECEIVER, message=str(error), value=name))
            return None
    if receiver is not None:
        check_receiver(rule_type, application.name, receiver.name, errors)
    return receiver


def check_receiver(rule_type: str, watched: str, receiver: str, errors: list[FieldError]) -> None:
    """Check that a rule of that type may tell that application; both are named."""
    if rule_type == UNRESPONSIVE_APPLICATION and receiver == watched:
        message = "expected another application: one that does not respond cannot be told so"
        errors.append(FieldError(location=_RECEIVER, message=message, value=receiver))


def parse_metadata(rule_type: str, given: object, errors: list[FieldError]) -> RuleMetadata | None:
    """Check what a rule of that type is told by.

    The published API leaves its form open; ours has the names that alert handlers receive.

    Args:
        rule_type: one of `RULE_TYPES`.
        given: an object of JSON; None stands for an empty one.
        errors: takes every fault, each located.

    Returns:
        The metadata; None when it has faults.
    """
    shape = RULE_TYPES.get(rule_type)
    if shape is None:
        message = f"expected one of {', '.join(RULE_TYPES)}"
        errors.append(FieldError(location="body.ruleType", message=message, value=rule_type))
        return None
    if not isinstance(given, Mapping | None):
        errors.append(FieldError(location="body.ruleMetadata", message="expected an object", value=given))
        return None
    before = len(errors)
    values = _in_snake_case(given or {}, errors)
    fields = {field.name: field for field in msgspec.structs.fields(shape)}
    for name in values.keys() - fields.keys():
        known = ", ".join(fields) or "none"
        errors.append(_fault(name, f"unknown; expected one of {known}"))
    for name, field in fields.items():
        if name not in values:
            if field.required:
                errors.append(_fault(name, "it is required"))
            continue
        try:
            msgspec.convert(values[name], field.type, strict=False)
        except msgspec.ValidationError as error:
            text = str(error).replace("`", "")
            errors.append(_fault(name, text[:1].lower() + text[1:], values[name]))
    return msgspec.convert(values, shape, strict=False) if len(errors) == before else None


def _in_snake_case(given: Mapping[str, object], errors: list[FieldError]) -> dict[str, object]:
    values: dict[str, object] = {}
    for name, value in given.items():
        snake = _HUMP.sub(lambda hump: "_" + hump.group(1).lower(), name)
        if snake in values:
            errors.append(_fault(name, "it is given twice"))
        values[snake] = value
    return values


def check_interval(min_interval_secs: int | None, errors: list[FieldError]) -> None:
    """Check for how long a rule is to stay quiet after firing, in seconds."""
    if min_interval_secs is not None and not 0 <= min_interval_secs <= MAX_MIN_INTERVAL_SECS:
        message = f"expected a whole number from 0 to {MAX_MIN_INTERVAL_SECS}"
        errors.append(FieldError(location="body.minIntervalSecs", message=message, value=min_interval_secs))


def _fault(name: str, message: str, value: object = None) -> FieldError:
    return FieldError(location=f"body.ruleMetadata.{name}", message=message, value=value)


def _missing(application_name: str, rule_id: str) -> str:
    return f"{application_name} has no alerting rule {rule_id!r}."
