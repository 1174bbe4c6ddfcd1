"""Where one can go: the console's sections. A page that is not built yet is not listed: no dead links."""

import msgspec


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the main navigation."""

    key: str
    label: str
    url: str
    #: Second key of its ``g`` shortcut.
    shortcut: str
    #: Permission without which it is left out.
    permission: str


SECTIONS = (
    Section(key="home", label="Applications", url="/", shortcut="h", permission="application.read"),
    Section(key="keys", label="API keys", url="/keys", shortcut="k", permission="token.read"),
    Section(key="users", label="Users", url="/users", shortcut="u", permission="organization.read"),
    Section(key="audit", label="Audit log", url="/audit", shortcut="a", permission="organization.read"),
    Section(key="settings", label="Settings", url="/settings", shortcut="t", permission="organization.read"),
)
