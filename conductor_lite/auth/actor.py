"""The actor: on whose behalf an operation runs, and what that one may do."""

import msgspec

from conductor_lite.auth.permissions import ALL_PERMISSIONS
from conductor_lite.errors import ForbiddenError

#: The organisation that exists as long as there is no login.
LOCAL_ORGANIZATION = "local"


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """Whoever asks: a person at the console, an API key, or the conductor itself."""

    #: ``user``, ``api_key`` or ``system``.
    subject_type: str
    #: Stable identifier within its type.
    subject_id: str
    #: What people call it.
    display: str
    #: Organisation it acts in.
    organization_id: str = LOCAL_ORGANIZATION
    #: What it may do.
    permissions: frozenset[str] = frozenset(ALL_PERMISSIONS)
    #: Applications it may see, by id; None means every one.
    application_ids: frozenset[str] | None = None
    #: Network address it came from, if any.
    source_ip: str | None = None

    def require(self, permission: str) -> None:
        """Check one permission.

        Raises:
            ForbiddenError: the actor lacks it.
        """
        if permission not in self.permissions:
            raise ForbiddenError(f"{self.display} lacks the permission {permission}.")

    def require_whole(self, permission: str) -> None:
        """Check one permission for what belongs to the whole organisation, and not to one application.

        Raises:
            ForbiddenError: the actor lacks it, or is limited to some applications.
        """
        self.require(permission)
        if self.is_limited:
            raise ForbiddenError(
                f"{self.display} is limited to some applications, and this concerns the whole organization. "
                "Ask with a key that is not limited."
            )

    @property
    def is_limited(self) -> bool:
        """Whether it sees some applications only."""
        return self.application_ids is not None

    def sees(self, application_id: str) -> bool:
        """Tell whether an application is within the actor's reach."""
        return self.application_ids is None or application_id in self.application_ids


#: The conductor acting by itself, such as recovering a dead executor's workflows.
SYSTEM = Actor(subject_type="system", subject_id="conductor", display="conductor")


def local_actor(source_ip: str | None) -> Actor:
    """Whoever reaches a server without login: everything is allowed in the organisation ``local``."""
    return Actor(subject_type="user", subject_id="local", display="local user", source_ip=source_ip)
