"""A client that openapi-python-client makes from our OpenAPI 3.0 document, with a real application."""

import json
import subprocess
from pathlib import Path
from typing import Any

import httpx
from support.orders import Orders
from support.tools import require

SCRIPT = """
import json, sys
from generated import Client
from generated.api.queues import list_queues
from generated.api.workflows import get_workflow, list_workflows, search_workflows
from generated.models import ErrorModel, WorkflowSearchBody

client = Client(base_url=sys.argv[1])
where = {"org_name": "local", "app_name": "orders", "client": client}
listed = list_workflows.sync(**where, workflow_name="order", load_output=True)
found = search_workflows.sync(**where, body=WorkflowSearchBody(status=["ERROR"], workflow_name=["failing"]))
missing = get_workflow.sync(**where, workflow_id="nope")
assert isinstance(missing, ErrorModel), missing
print(json.dumps({
    "listed": [[item.workflow_id, item.output, item.created_at.isoformat()] for item in listed],
    "found": sorted(item.workflow_id for item in found),
    "missing": [missing.status, missing.title],
    "queue": [[queue.name, queue.rate_limit_period_secs, queue.partition_concurrency]
              for queue in list_queues.sync(**where)],
}))
"""


def run(command: list[str | Path], folder: Path) -> str:
    """Run a program in ``folder``; gives what it prints."""
    finished = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout + finished.stderr


def test_generated_client_lists_workflows(orders: Orders, tmp_path: Path) -> None:
    tool = Path(require("openapi-python-client"))
    document = httpx.get(f"{orders.conductor.url}/openapi-3.0.json", trust_env=False, timeout=60)
    (tmp_path / "openapi.json").write_bytes(document.content)
    # Without hooks: the formatter that it would run is no matter of ours.
    (tmp_path / "config.yml").write_text("post_hooks: []\n")
    command: list[str | Path] = [tool, "generate", "--path", "openapi.json", "--config", "config.yml"]
    printed = run([*command, "--meta", "none", "--output-path", "generated"], tmp_path)
    assert "Warning" not in printed
    (tmp_path / "script.py").write_text(SCRIPT)
    # What generated code needs is in the tool's own environment.
    python = tool.resolve().with_name("python")
    answers: dict[str, Any] = json.loads(run([python, "script.py", orders.conductor.url], tmp_path))
    listed = orders.get("/workflows?workflowName=order&loadOutput=true")
    assert answers["listed"] == [
        [item["workflowId"], item["output"], item["createdAt"].replace(".000Z", "+00:00")] for item in listed
    ]
    assert answers["found"] == [f"failing-{number}" for number in range(1, 5)]
    assert answers["missing"] == [404, "Not Found"]
    assert answers["queue"] == [["fulfilment", 1.5, None]]
