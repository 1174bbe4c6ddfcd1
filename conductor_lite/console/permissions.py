"""What each permission allows, in words for people: told on every page that grants some."""

from conductor_lite.auth.permissions import ALL_PERMISSIONS

_EXPLANATIONS = {
    "organization.read": "See the audit log, users, roles and the server's settings.",
    "organization.write": "Change the organisation and its roles; with nearly all others: take backups.",
    "application.read": "See applications, executors, workflows, queues and schedules, payloads included.",
    "application.write": "Register, change and delete applications; act on workflows and schedules.",
    "metric.read": "Read charts and metrics.",
    "token.read": "List API keys, never their secrets.",
    "token.write": "Create, rename and revoke API keys.",
    "websocket.connect": "Connect executors. All that an application needs.",
}

#: Every permission and what it allows, in the order in which they are listed.
EXPLAINED: tuple[tuple[str, str], ...] = tuple((name, _EXPLANATIONS[name]) for name in ALL_PERMISSIONS)
