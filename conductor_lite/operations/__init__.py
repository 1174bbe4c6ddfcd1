"""What can be done: one module per resource, with permission, effect and audit in one place.

Every face (HTTP API, console, terminal) calls these, and nothing below them.
"""

from conductor_lite.operations.alerting_rules import AlertingRules
from conductor_lite.operations.alerts import Alerts
from conductor_lite.operations.applications import Applications
from conductor_lite.operations.audit import AuditLog
from conductor_lite.operations.autoscaling import Autoscaling
from conductor_lite.operations.backups import Backups
from conductor_lite.operations.bulk import BulkJobs
from conductor_lite.operations.connecting import Connecting
from conductor_lite.operations.context import Context
from conductor_lite.operations.declared import Declared
from conductor_lite.operations.executors import Executors
from conductor_lite.operations.installation import Installations
from conductor_lite.operations.keys import ApiKeys
from conductor_lite.operations.metrics import Metrics
from conductor_lite.operations.notification_targets import NotificationTargets
from conductor_lite.operations.once import Once
from conductor_lite.operations.organization import Organization
from conductor_lite.operations.overview import Overviews
from conductor_lite.operations.policies import Policies
from conductor_lite.operations.queues import Queues
from conductor_lite.operations.refusals import Refusals
from conductor_lite.operations.retention import Retention
from conductor_lite.operations.roles import Roles
from conductor_lite.operations.schedules import Schedules
from conductor_lite.operations.scrape import Scrape
from conductor_lite.operations.search import Search
from conductor_lite.operations.snapshots import Snapshots
from conductor_lite.operations.versions import Versions
from conductor_lite.operations.workflow_actions import WorkflowActions
from conductor_lite.operations.workflows import Workflows


class Operations:
    """All operations, built once on one context."""

    def __init__(self, context: Context) -> None:
        self.once = Once(context)
        self.refusals = Refusals(context)
        self.applications = Applications(context)
        self.executors = Executors(context)
        self.keys = ApiKeys(context)
        self.audit = AuditLog(context)
        self.overviews = Overviews(context, self.applications)
        self.workflows = Workflows(context)
        self.snapshots = Snapshots(context, self.workflows)
        self.workflow_actions = WorkflowActions(context)
        self.bulk_jobs = BulkJobs(context, self.workflows, self.workflow_actions)
        self.queues = Queues(context)
        self.schedules = Schedules(context)
        self.versions = Versions(context)
        self.alerting_rules = AlertingRules(context)
        self.alerts = Alerts(context)
        self.notification_targets = NotificationTargets(context)
        self.retention = Retention(context)
        self.autoscaling = Autoscaling(context)
        self.declared = Declared(
            context, self.applications, self.alerting_rules, self.notification_targets, self.autoscaling
        )
        self.metrics = Metrics(context)
        self.scrape = Scrape(context)
        self.search = Search(context)
        self.policies = Policies(context)
        self.organization = Organization(context)
        self.roles = Roles(context)
        self.installations = Installations(context)
        self.backups = Backups(context)
        self.connecting = Connecting(context)
        self.changes = context.changes
