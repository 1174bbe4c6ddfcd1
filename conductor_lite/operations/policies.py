"""What the conductor does by itself, and how that is going. Changes nothing."""

from conductor_lite.auth.actor import Actor
from conductor_lite.auth.permissions import ORGANIZATION_READ
from conductor_lite.operations.context import Context
from conductor_lite.telemetry import PolicyHealth

__all__ = ["Policies", "PolicyHealth"]


class Policies:
    """Operations on the conductor's own policies."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def list(self, actor: Actor) -> list[PolicyHealth]:
        """Tell how each policy is doing now.

        Raises:
            ForbiddenError: organization.read is missing, or the actor sees some applications only: policies
                work for all of them, and their errors may name any.
        """
        actor.require_whole(ORGANIZATION_READ)
        return list(self._context.report().policies)
