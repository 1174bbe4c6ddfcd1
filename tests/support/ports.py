"""Free TCP ports on the loopback address."""

import socket


def free_port() -> int:
    """A port of 127.0.0.1 that nothing listens on now.

    Prefer port 0 where the server under test reports what it got: another process may take this one first.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def accepts_connections(port: int) -> bool:
    """Whether something accepts TCP connections on this port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
