"""Whether a server runs on a data folder, and where; for commands that want to talk to it."""

from conductor_lite.store.folder import RunningServer, running_server

__all__ = ["RunningServer", "running_server"]
