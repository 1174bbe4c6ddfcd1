"""``conductor-lite audit``: the audit log."""

from conductor_lite.api.schemas.audit import AuditLogEntry, AuditQuery
from conductor_lite.cli.commands import command
from conductor_lite.cli.lazy import command_group
from conductor_lite.cli.output import Output, OutputOption, Table
from conductor_lite.cli.session import Session
from conductor_lite.client import calls

app = command_group("The audit log.")

_ENTRIES: Table[AuditLogEntry] = Table(
    lambda entry: entry.id,
    (
        ("TIME", lambda entry: entry.emit_time),
        ("OPERATION", lambda entry: entry.operation),
        ("STATUS", lambda entry: entry.status),
        ("WHO", lambda entry: entry.subject.display or entry.subject.id),
        ("WHAT", lambda entry: f"{entry.target.type} {entry.target.id}" if entry.target else None),
        ("FROM", lambda entry: entry.source_ip),
    ),
    "There are no such entries.",
)


@command(app, "list")
def list_entries(session: Session, query: AuditQuery, output: OutputOption = Output.TABLE) -> None:
    """List what was done or refused, newest first: the latest 100 unless --limit says otherwise."""
    session.print_pages(calls.list_audit_logs(query), _ENTRIES, output)
