"""Calls about clearing old workflows away."""

from conductor_lite.api.schemas.retention import RetentionPreview, RetentionQuery, RetentionRun
from conductor_lite.api.schemas.workflow_search import SourceQuery
from conductor_lite.client.call import Call, Listing


def list_retention_runs(app: str, query: RetentionQuery | None = None) -> Listing[RetentionRun]:
    """List retention runs."""
    return Listing(
        operation_id="listRetentionRuns",
        method="GET",
        path="/v2/orgs/{orgName}/apps/{appName}/retention",
        names={"appName": app},
        query=query or RetentionQuery(),
        result=list[RetentionRun],
        identify=lambda item: item.id,
    )


def run_retention(app: str) -> Call[RetentionRun]:
    """Run retention now."""
    return Call(
        operation_id="runRetention",
        method="POST",
        path="/v2/orgs/{orgName}/apps/{appName}/retention",
        names={"appName": app},
        result=RetentionRun,
    )


def preview_retention(app: str, query: SourceQuery | None = None) -> Call[RetentionPreview]:
    """Preview retention."""
    return Call(
        operation_id="previewRetention",
        method="GET",
        path="/v2/orgs/{orgName}/apps/{appName}/retention/preview",
        names={"appName": app},
        query=query or SourceQuery(),
        result=RetentionPreview,
    )
