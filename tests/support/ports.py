"""Free TCP ports on the loopback address."""

import random
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


def lasting_port() -> int:
    """A port of 127.0.0.1 for a server that will be gone and return while its clients go on trying.

    It is taken from below the range that the system gives to outgoing connections: a client that tries a port
    of that range while nobody listens on it may in the end be connected to itself, and hold the port.
    """
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
