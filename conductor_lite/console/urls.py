"""Addresses of the console's pages: how names and ids of any kind stand in them."""

import re
from urllib.parse import quote, urlencode

#: Ids that stand in a path as they are. Others, such as ``..`` or ``a/b``, stand in the query.
_PLAIN_ID = re.compile(r"[A-Za-z0-9_~:@+=-][A-Za-z0-9_.~:@+=-]{0,255}")
#: Stands in the path for an id that is in the query.
ELSEWHERE = "~"


def app_url(application_name: str, *parts: str, **query: object) -> str:
    """A page of an application; each part is one segment of the path."""
    path = "/".join(("/apps", *(quote(part, safe="") for part in (application_name, *parts))))
    return _with_query(path, query)


def workflow_url(application_name: str, workflow_id: str, *parts: str, **query: object) -> str:
    """The page of a workflow, or one below it; each part is one segment of the path."""
    if workflow_id != ELSEWHERE and _PLAIN_ID.fullmatch(workflow_id):
        return app_url(application_name, "workflows", workflow_id, *parts, **query)
    return app_url(application_name, "workflows", ELSEWHERE, *parts, id=workflow_id, **query)


def _with_query(path: str, query: dict[str, object]) -> str:
    given = {name: str(value) for name, value in query.items() if value not in (None, "")}
    return f"{path}?{urlencode(given)}" if given else path
