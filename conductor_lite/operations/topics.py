"""The topics that ``Operations.changes`` speaks of, for faces, which never import the fleet."""

from conductor_lite.fleet.changes import APPLICATIONS, AUDIT, KEYS, application_topic

__all__ = ["APPLICATIONS", "AUDIT", "KEYS", "application_topic", "jobs_topic"]


def jobs_topic(application_id: str) -> str:
    """Topic of the bulk jobs of one application."""
    return f"jobs:{application_id}"
