"""A real ``conductor-lite serve`` process that can be killed, stopped, frozen and started again."""

import json
import signal
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
from support.command import COMMAND, command
from support.ports import lasting_port
from support.process import Process

READY_SECS = 60.0


class ConductorProcess:
    """One data folder and port, and the server on them; to be used in a ``with`` statement, which starts it.

    Args:
        folder: gets the data folder, the configuration file and the log.
        settings: further settings of ``conductor.toml``.
    """

    def __init__(self, folder: Path, settings: Mapping[str, object]) -> None:
        self.data_dir = folder / "data"
        self.port = lasting_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.ws_url = f"ws://127.0.0.1:{self.port}"
        self._log = folder / "conductor.log"
        self._config = folder / "conductor.toml"
        lines = [f"{name} = {json.dumps(value)}\n" for name, value in settings.items()]
        self._config.write_text("[server]\n" + "".join(lines))
        # The newest one; replaced at every start.
        self.process: Process

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.__exit__(kind, error, trace)

    def start(self) -> None:
        """Start it, always on the same port and data folder, and wait until it is ready."""
        self.launch()
        try:
            self.process.wait_for_line("conductor-lite is ready", READY_SECS)
        except BaseException:
            self.kill()
            raise

    def launch(self) -> None:
        """Start it without waiting until it is ready."""
        serve: list[str | Path] = [*COMMAND, "serve", "--config", self._config, "--port", str(self.port)]
        self.process = Process([*serve, "--data-dir", self.data_dir], self._log)

    def kill(self) -> None:
        """SIGKILL it."""
        self.process.kill()

    def stop(self) -> int:
        """SIGTERM it; returns its exit status."""
        return self.process.terminate()

    def freeze(self) -> None:
        """SIGSTOP it."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT it."""
        self.process.send_signal(signal.SIGCONT)

    def cli(self, *arguments: str) -> str:
        """Run a command of the terminal on its data folder; returns what it prints on standard output."""
        finished = command(*arguments, "--data-dir", self.data_dir, cwd=self.data_dir.parent)
        assert finished.status == 0, f"{arguments}: {finished}"
        return finished.out.strip()

    def call(self, method: str, path: str, body: object = None) -> httpx.Response:
        """Make one call below ``/v2/orgs/local``; returns the answer, whatever its status."""
        return httpx.request(method, f"{self.url}/v2/orgs/local{path}", json=body, timeout=60)

    def get(self, path: str) -> Any:
        """The decoded answer of a successful ``GET`` below ``/v2/orgs/local``."""
        answer = self.call("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def page(self, path: str) -> Any:
        """A page of the console, as JSON."""
        answer = httpx.get(f"{self.url}{path}", headers={"Accept": "application/json"}, timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def executors(self, application: str = "ledger") -> dict[str, dict[str, Any]]:
        """An application's executors by id; none as long as it is not registered."""
        answer = self.call("GET", f"/apps/{application}/executors")
        assert answer.status_code in (200, 404), answer.text
        return {item["executorId"]: item for item in answer.json()} if answer.status_code == 200 else {}

    def register(self, application: str) -> None:
        """Register an application."""
        answer = self.call("PUT", f"/apps/{application}", {})
        assert answer.status_code == 204, answer.text

    def patch(self, path: str, body: object) -> None:
        """Change something below ``/v2/orgs/local``."""
        answer = self.call("PATCH", path, body)
        assert answer.is_success, answer.text

    def make_key(self, name: str, *permissions: str, app_names: list[str] | None = None) -> str:
        """Make an API key, for connecting executors unless permissions are named."""
        body = {"permissions": list(permissions) or None, "appNames": app_names}
        answer = self.call("POST", f"/tokens/{name}", body)
        assert answer.status_code == 201, answer.text
        key: str = answer.json()["token"]
        return key

    def delete(self, path: str) -> None:
        """Delete something below ``/v2/orgs/local``."""
        answer = self.call("DELETE", path)
        assert answer.status_code == 204, answer.text

    def statuses(self, application: str = "ledger") -> dict[str, str]:
        """The status of each of an application's executors by id."""
        return {id_: item["status"] for id_, item in self.executors(application).items()}

    def audit(self, operation: str = "executor.recovery") -> list[dict[str, Any]]:
        """Details of the audit log's entries of one operation, oldest first, with their ``status``."""
        rows = self._rows(
            "SELECT status, target_id, details FROM audit_log WHERE operation = ? ORDER BY id", operation
        )
        return [
            {"status": status, "target": target, **json.loads(details)} for status, target, details in rows
        ]

    def executors_on_disk(self) -> set[str]:
        """Ids of the executors that a crash would not make it forget."""
        return {id_ for (id_,) in self._rows("SELECT executor_id FROM executors")}

    def _rows(self, sql: str, *values: object) -> list[Any]:
        uri = f"file:{self.data_dir / 'conductor.db'}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=60)) as connection:
            return connection.execute(sql, values).fetchall()

    @property
    def log(self) -> str:
        """Everything it has printed, over all its starts."""
        return self._log.read_text(errors="replace")
