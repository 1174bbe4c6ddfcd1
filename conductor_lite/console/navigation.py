"""Where one can go: the console's sections. A page that is not built yet is not listed: no dead links."""

import msgspec

from conductor_lite.auth.actor import Actor


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the main navigation."""

    key: str
    label: str
    url: str
    #: Second key of its ``g`` shortcut.
    shortcut: str
    #: Permission without which it is left out.
    permission: str
    #: Whether it is of the whole organisation: left out for who sees some applications only.
    whole: bool = False


SECTIONS = (
    Section(key="home", label="Applications", url="/", shortcut="h", permission="application.read"),
    Section(key="keys", label="API keys", url="/keys", shortcut="k", permission="token.read"),
    Section(
        key="users", label="Users", url="/users", shortcut="u", permission="organization.read", whole=True
    ),
    Section(key="audit", label="Audit log", url="/audit", shortcut="a", permission="organization.read"),
    Section(
        key="settings",
        label="Settings",
        url="/settings",
        shortcut="t",
        permission="organization.read",
        whole=True,
    ),
)


def sections_for(actor: Actor | None) -> list[Section]:
    """Where the actor may go."""
    if actor is None:
        return []
    return [
        section
        for section in SECTIONS
        if section.permission in actor.permissions and not (section.whole and actor.is_limited)
    ]
