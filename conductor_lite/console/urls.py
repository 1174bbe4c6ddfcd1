"""Addresses of the console's pages: how names and ids of any kind stand in them."""

import functools
import re
from urllib.parse import quote, quote_plus

from starlette.requests import Request

from conductor_lite.errors import NotFoundError

#: Ids that stand in a path as they are. Others, such as ``..`` or ``a/b``, stand in the query.
_PLAIN_ID = re.compile(r"[A-Za-z0-9_~:@+=-][A-Za-z0-9_.~:@+=-]{0,255}")
#: Stands in the path for an id that is in the query.
ELSEWHERE = "~"


def app_url(application_name: str, *parts: str, **query: object) -> str:
    """A page of an application; each part is one segment of the path."""
    return _with_query(_path((application_name, *parts)), query)


def workflow_url(application_name: str, workflow_id: str, *parts: str, **query: object) -> str:
    """The page of a workflow, or one below it; each part is one segment of the path."""
    return named_url(application_name, "workflows", workflow_id, *parts, **query)


def named_url(application_name: str, kind: str, name: str, *parts: str, **query: object) -> str:
    """The page of something that an application has, whatever its name, or one below it.

    Args:
        application_name: whose.
        kind: the segment above the name, such as ``schedules``.
        name: of the thing.
        parts: further segments.
        query: of the address.
    """
    if name != ELSEWHERE and _PLAIN_ID.fullmatch(name):
        return app_url(application_name, kind, name, *parts, **query)
    return app_url(application_name, kind, ELSEWHERE, *parts, id=name, **query)


def name_in(request: Request, parameter: str) -> str:
    """The name that such an address has, in its path or in its query.

    Raises:
        NotFoundError: it has none.
    """
    name: str = request.path_params[parameter]
    if name == ELSEWHERE:
        name = request.query_params.get("id", "")
    if not name:
        raise NotFoundError("The address names nothing: its 'id' is missing.")
    return name


# Pages of many rows have many addresses with the same beginning.
@functools.lru_cache(maxsize=1_024)
def _path(parts: tuple[str, ...]) -> str:
    return "/".join(("/apps", *(quote(part, safe="") for part in parts)))


def _with_query(path: str, query: dict[str, object]) -> str:
    """An address; of several values each stands under the name, and what is not given does not."""
    given = [
        f"{_in_query(name)}={_in_query(str(one))}"
        for name, value in query.items()
        for one in (value if isinstance(value, tuple) else (value,))
        if one is not None and one != ""
    ]
    return f"{path}?{'&'.join(given)}" if given else path


def _in_query(text: str) -> str:
    # Most are numbers and single words.
    return text if text.isascii() and text.isalnum() else quote_plus(text)
