"""From an HTTP request's credentials to the actor on whose behalf it runs."""

from conductor_lite.auth.actor import Actor, local_actor
from conductor_lite.auth.keys import KEY_PREFIX, KeyVerifier
from conductor_lite.errors import UnauthenticatedError
from conductor_lite.store.records import ApiKeyRecord


class Authenticator:
    """Tells who is asking over HTTP.

    Without a login the server listens on loopback only and whoever reaches it may do everything; a caller
    that presents an API key all the same is held to what that key allows.
    """

    def __init__(self, verifier: KeyVerifier) -> None:
        self._verifier = verifier

    async def actor(self, authorization: str | None, source_ip: str | None) -> Actor:
        """Find the actor.

        Args:
            authorization: the Authorization header, if there is one.
            source_ip: the caller's address.

        Raises:
            UnauthenticatedError: credentials were presented that are not valid.
        """
        if authorization is None:
            return local_actor(source_ip)
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise UnauthenticatedError("Use the header 'Authorization: Bearer <API key>'.")
        if not token.startswith(KEY_PREFIX):
            raise UnauthenticatedError("Only API keys are accepted here; they begin with 'dbos_'.")
        return key_actor(await self._verifier.verify(token), source_ip)


def key_actor(record: ApiKeyRecord, source_ip: str | None) -> Actor:
    """The actor that an API key stands for."""
    return Actor(
        subject_type="api_key",
        subject_id=record.id,
        display=record.name,
        organization_id=record.organization_id,
        permissions=frozenset(record.permissions),
        application_ids=None if record.all_applications else frozenset(record.application_ids),
        source_ip=source_ip,
    )
