"""One conductor and one real executor for all contract tests of the API: each test has its own workflows."""

from collections.abc import Iterator

import pytest
from support.orders import Orders


@pytest.fixture(scope="package")
def orders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orders]:
    """The orders application, connected, with its workflows under way."""
    with Orders(tmp_path_factory.mktemp("orders")) as orders:
        orders.spawn()
        for workflow_id in ("order-1", "order-2", "failing-1", "failing-2", "failing-3", "failing-4"):
            orders.await_workflow(workflow_id, "SUCCESS", "ERROR")
        # Here, so that there are minutes to look at by the time that somebody does.
        answer = orders.call("PUT", "/autoscaling-policy", {"queue": "fulfilment"})
        assert answer.status_code == 200, answer.text
        yield orders
