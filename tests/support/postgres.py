"""A throwaway PostgreSQL of the tests' own: a fresh cluster on the loopback address, gone afterwards."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from support.ports import lasting_port
from support.tools import require

USER = "postgres"
_READY_SECS = 60


class Postgres:
    """One cluster, to be used in a ``with`` statement. It is fast rather than safe: nothing of it is kept."""

    def __init__(self) -> None:
        self._programs = Path(require("postgres")).parent
        self.port = lasting_port()
        # Not below pytest's folders, which only root may enter where root runs the tests.
        self._folder = Path(tempfile.mkdtemp(prefix="conductor-postgres-"))
        # PostgreSQL refuses to run as root.
        self._user = USER if os.geteuid() == 0 else None

    def __enter__(self) -> Self:
        if self._user:
            shutil.chown(self._folder, self._user)
        data = self._folder / "data"
        self._run("initdb", "--pgdata", data, "--username", USER, "--auth", "trust", "--no-sync")
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",
            "max_connections": 200,
            "fsync": "off",
        }
        options = " ".join(f"-c {name}='{value}'" for name, value in settings.items())
        log = self._folder / "log"
        self._run("pg_ctl", "start", "-w", "-t", _READY_SECS, "-D", data, "-l", log, "-o", options)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._run("pg_ctl", "stop", "-w", "-D", self._folder / "data", "-m", "immediate")
        finally:
            shutil.rmtree(self._folder)

    def create_database(self, name: str) -> None:
        """Create an empty database."""
        self._run("createdb", "--host", "127.0.0.1", "--port", self.port, "--username", USER, name)

    def _run(self, program: str, *arguments: str | int | Path) -> None:
        # To a file: pg_ctl's server keeps a pipe open, and reading it would never end.
        with (self._folder.parent / f"{self._folder.name}.out").open("w+b") as output:
            os.unlink(output.name)
            finished = subprocess.run(
                [str(self._programs / program), *map(str, arguments)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                user=self._user,
                cwd=self._folder,
                timeout=2 * _READY_SECS,
            )
            output.seek(0)
            assert finished.returncode == 0, f"{program}: {output.read().decode(errors='replace')}"
