"""Our document beside the published API: the same operations, parameters and properties, and what we add."""

import json
from pathlib import Path
from typing import Any

import pytest

from conductor_lite.api.openapi import build_document
from conductor_lite.api.table import TABLE

#: The published API's names and types, in a form of our own: ``name?`` may be left out.
PUBLISHED = json.loads(Path(__file__).with_name("published_operations.json").read_text())
DOCUMENT = build_document(TABLE)
SCHEMAS = DOCUMENT["components"]["schemas"]

#: Operations newer than the published description.
ADDED_OPERATIONS = {
    "applyDeclaration",
    "createBackup",
    "createNotificationTarget",
    "deleteNotificationTarget",
    "getAutoscaleHistory",
    "getAutoscaleVersion",
    "getDesiredExecutors",
    "getMetricSeries",
    "getSnapshotStatus",
    "listAlerts",
    "listNotificationTargets",
    "listPolicies",
    "listRetentionRuns",
    "listUnknownExecutors",
    "previewRetention",
    "recoverUnknownExecutor",
    "renameToken",
    "requestFullPass",
    "restartWorkflow",
    "rewindWorkflow",
    "runRetention",
    "testNotificationTarget",
}
ADDED_SCHEMAS = {
    "Alert",
    "AlertDelivery",
    "ApplyDeclarationInputBody",
    "ApplyDeclarationOutputBody",
    "AutoscaleHistory",
    "CreateNotificationTargetInputBody",
    "DeclarationChange",
    "DeclaredAlertingRule",
    "DeclaredApp",
    "DesiredExecutors",
    "MetricChart",
    "MetricSeries",
    "NotificationTarget",
    "PolicyHealth",
    "RecoverUnknownExecutorInputBody",
    "RenameTokenInputBody",
    "RestartWorkflowOutputBody",
    "RetentionPreview",
    "RetentionRun",
    "RewindWorkflowInputBody",
    "UnknownExecutor",
    "SnapshotStatus",
}

#: Published as for those only who log in; here they are of use to everyone.
SERVED_WITHOUT_LOGIN = {
    "getOrg",
    "updateOrg",
    "listAuditLogs",
    "listMembers",
    "listRoles",
    "createRole",
    "deleteRole",
    "getCurrentUser",
}
#: An application without a policy is answered with an empty list, never null.
DIFFERENT_ANSWERS = {"getAutoscale": "[QueueAutoscale]"}

_RULE_TYPES = (
    "ExecutorLost|RecoveryFlapping|ScheduleMissed|SlowQueue|SlowWorkflow|StrandedVersion"
    "|UnresponsiveApplication|WorkflowFailure"
)

#: Parameters that we add.
_SOURCE = "query source?: auto|executor|snapshot"
_KEY = "header Idempotency-Key?: string"
_ONCE = (
    "backfillSchedule",
    "bulkForkWorkflowsFromFailure",
    "bulkResumeWorkflows",
    "createAlertingRule",
    "forkWorkflow",
    "importWorkflow",
    "resumeWorkflow",
    "triggerSchedule",
)
_SOURCED = ("listWorkflows", "searchWorkflows", "getWorkflow")
ADDED_PARAMETERS = {**{name: [_SOURCE] for name in _SOURCED}, **{name: [_KEY] for name in _ONCE}}

#: Settings of an application that we add.
_ADDED_SETTINGS = {
    "recoverUnknownExecutors": "boolean",
    "snapshotIntervalSecs": "integer",
    "snapshotKeepDays": "integer",
    "snapshotKeepRows": "integer",
    "snapshotsEnabled": "boolean",
}

#: By schema, what stands instead of the published properties or beside them. None: left out.
DIFFERENT_PROPERTIES: dict[str, dict[str, str | None]] = {
    # What an older SDK does not tell is null, rather than something that was never said.
    "ApplicationVersion": {"createdAt": "date-time|null", "versionTimestamp": "date-time|null"},
    "Event": {"value": "null|string"},
    "Notification": {"createdAt": "date-time|null", "message": "null|string"},
    "Workflow": {
        "createdAt": "date-time|null",
        "priority": "integer|null",
        "updatedAt": "date-time|null",
        "wasForkedFrom": "boolean|null",
    },
    "Application": {**_ADDED_SETTINGS, "declaredSettings": "[string]|null"},
    "PatchAppInputBody": {f"{name}?": kind for name, kind in _ADDED_SETTINGS.items()},
    # Types of rules and targets of our own stand beside the published ones.
    "AlertingRule": {"ruleType": _RULE_TYPES, "declared": "boolean"},
    "CreateAlertInputBody": {"ruleType": _RULE_TYPES},
    "AuditTarget": {
        "type": "alerting_rule|application|domain_claim|notification_target|organization|role|schedule|token"
        "|user|workflow"
    },
    "PolicyOutputBody": {"declared?": "boolean"},
    # The conductor itself acts too.
    "AuditSubject": {"type": "api_key|system|user"},
    # The limits per partition are newer.
    "Queue": {
        "pollingIntervalSecs": "null|number",
        "partitionConcurrency": "integer|null",
        "partitionRateLimitMax": "integer|null",
        "partitionRateLimitPeriodSecs": "null|number",
        "partitionWorkerConcurrency": "integer|null",
    },
    # Our problems always say these, and an executor's whole report besides.
    "ErrorDetail": {"location?": None, "location": "string", "message?": None, "message": "string"},
    "ErrorModel": {
        "detail?": None,
        "detail": "string",
        "status?": None,
        "status": "integer",
        "title?": None,
        "title": "string",
        "type?": None,
        "type": "string",
        "report?": "string",
    },
}


def _kind(schema: dict[str, Any]) -> str:
    """A schema in the list's own words, such as ``[Workflow]``, ``date-time|null`` or ``{string}``."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return "|".join(sorted(_kind(part) for part in schema["anyOf"]))
    if "enum" in schema:
        return "|".join(sorted(schema["enum"]))
    match schema.get("type", "any"):
        case "array":
            return f"[{_kind(schema['items'])}]"
        case "object":
            return "{" + _kind(schema.get("additionalProperties", {})) + "}"
        case "string" if schema.get("format") == "date-time":
            return "date-time"
        case kind:
            return str(kind)


def _parameter(parameter: dict[str, Any]) -> str:
    mark = "" if parameter["required"] else "?"
    return f"{parameter['in']} {parameter['name']}{mark}: {_kind(parameter['schema'])}"


def _summary(method: str, path: str, operation: dict[str, Any]) -> dict[str, Any]:
    (status, success) = next(item for item in operation["responses"].items() if item[0] != "default")
    body = operation.get("requestBody")
    answer = success.get("content")
    summary = {
        "operationId": operation["operationId"],
        "method": method,
        "path": path,
        "parameters": [_parameter(parameter) for parameter in operation["parameters"]],
        "body": None,
        "status": int(status),
        "answer": _kind(answer["application/json"]["schema"]) if answer else None,
    }
    if body:
        kind = _kind(body["content"]["application/json"]["schema"])
        summary["body"] = kind if body["required"] else f"{kind}?"
    if operation.get("x-dbos-requires-oauth"):
        summary["requiresLogin"] = True
    return summary


def _expected(published: dict[str, Any]) -> dict[str, Any]:
    name = published["operationId"]
    expected = dict(published)
    if name in SERVED_WITHOUT_LOGIN:
        assert expected.pop("requiresLogin")
    if name in ADDED_PARAMETERS:
        expected["parameters"] = sorted([*published["parameters"], *ADDED_PARAMETERS[name]])
    if name in DIFFERENT_ANSWERS:
        expected["answer"] = DIFFERENT_ANSWERS[name]
    return expected


def _properties(schema: dict[str, Any]) -> dict[str, str]:
    required = schema.get("required", ())
    return {
        name if name in required else f"{name}?": _kind(member)
        for name, member in schema["properties"].items()
    }


@pytest.mark.parametrize("published", PUBLISHED["operations"], ids=lambda row: row["operationId"])
def test_operation_has_the_published_path_parameters_bodies_and_status(published: dict[str, Any]) -> None:
    operation = DOCUMENT["paths"][published["path"]][published["method"]]
    summary = _summary(published["method"], published["path"], operation)
    if published["operationId"] in ADDED_PARAMETERS:
        summary["parameters"].sort()
    assert summary == _expected(published)


@pytest.mark.parametrize("name", PUBLISHED["schemas"])
def test_schema_has_the_published_properties(name: str) -> None:
    different = DIFFERENT_PROPERTIES.get(name, {})
    assert all(PUBLISHED["schemas"][name].get(field) != kind for field, kind in different.items())
    expected = {
        field: kind for field, kind in {**PUBLISHED["schemas"][name], **different}.items() if kind is not None
    }
    assert _properties(SCHEMAS[name]) == expected


def test_nothing_is_added_but_what_is_listed() -> None:
    served = {row.operation_id for row in TABLE}
    assert served - {row["operationId"] for row in PUBLISHED["operations"]} == ADDED_OPERATIONS
    assert SCHEMAS.keys() - PUBLISHED["schemas"].keys() == ADDED_SCHEMAS
    assert len(served) == sum(len(members) for members in DOCUMENT["paths"].values())
