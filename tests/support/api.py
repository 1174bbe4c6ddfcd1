"""A client of the HTTP API together with the parts behind it, for tests of the faces."""

import httpx

from conductor_lite.operations import Operations
from conductor_lite.server import Conductor


class Api:
    """What a test works with: a client of the API, and the parts behind it."""

    def __init__(self, conductor: Conductor, client: httpx.AsyncClient) -> None:
        self.conductor = conductor
        self.client = client

    @property
    def operations(self) -> Operations:
        return self.conductor.operations

    async def key(self, *permissions: str, app_names: list[str] | None = None) -> dict[str, str]:
        """Make an API key with these permissions; gives the header that presents it."""
        name = "-".join(permissions) or "default"
        body = {"permissions": list(permissions), "appNames": app_names}
        answer = await self.client.post(f"/v2/orgs/local/tokens/{name}", json=body)
        assert answer.status_code == 201, answer.text
        return {"Authorization": f"Bearer {answer.json()['token']}"}
