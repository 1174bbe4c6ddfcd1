"""The permissions that exist. Names are those of the published Conductor API."""

ORGANIZATION_READ = "organization.read"
ORGANIZATION_WRITE = "organization.write"
APPLICATION_READ = "application.read"
APPLICATION_WRITE = "application.write"
METRIC_READ = "metric.read"
TOKEN_READ = "token.read"  # noqa: S105 - a permission's name
TOKEN_WRITE = "token.write"  # noqa: S105 - a permission's name
WEBSOCKET_CONNECT = "websocket.connect"

#: Every permission, in the order in which they are listed to people.
ALL_PERMISSIONS: tuple[str, ...] = (
    ORGANIZATION_READ,
    ORGANIZATION_WRITE,
    APPLICATION_READ,
    APPLICATION_WRITE,
    METRIC_READ,
    TOKEN_READ,
    TOKEN_WRITE,
    WEBSOCKET_CONNECT,
)
