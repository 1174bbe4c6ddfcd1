"""The sample applications of ``interop/sdks``, one per language: how each is built and run."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from support.postgres import USER, Postgres
from support.process import Process
from support.tools import require

SOURCES = Path(__file__).parents[1] / "interop" / "sdks"
LAUNCH_SECS = 120.0
_BUILD_SECS = 900


class Language(NamedTuple):
    """One language's SDK: the version that the sample pins, and what it takes to build and run it."""

    name: str
    sdk_version: str
    #: What ``support.tools.require`` calls it.
    tool: str
    build: Sequence[Sequence[str]]
    run: Sequence[str]
    #: Message types that its SDK does not know.
    unknown: frozenset[str] = frozenset()


PYTHON = Language("python", "2.31.1", "dbos", (), (sys.executable, "app.py"))
TYPESCRIPT = Language(
    "typescript",
    "4.27.6",
    "node",
    (
        ("npm", "install", "--no-audit", "--no-fund", "--no-package-lock"),
        ("npm", "run", "build"),
    ),
    ("node", "build/app.js"),
)
GO = Language(
    "go",
    "v1.2.0",
    "go",
    (("go", "build", "-o", "app", "."),),
    ("./app",),
    unknown=frozenset({"restart"}),
)
JAVA = Language(
    "java",
    "1.1.0-m6",
    "java",
    (("mvn", "-B", "-q", "compile", "dependency:build-classpath", "-Dmdep.outputFile=target/classpath"),),
    ("java", "-cp", "@classpath", "sample.App"),
)
LANGUAGES = (PYTHON, TYPESCRIPT, GO, JAVA)


class Sample:
    """A built sample and the database that its processes share.

    Args:
        language: which one.
        folder: gets the build, the logs, and Python's SQLite file.
        postgres: holds the database of those that need one; None for Python.
    """

    def __init__(self, language: Language, folder: Path, postgres: Postgres | None) -> None:
        self.language = language
        self._folder = folder / "build"
        self._logs = folder
        self._postgres = postgres
        # Numbers the databases and logs.
        self._databases = 0
        self._processes = 0
        self._database: Mapping[str, str] = {}

    def build(self) -> None:
        """Build it with its language's own tools, which fetch what the manifest pins."""
        shutil.copytree(SOURCES / self.language.name, self._folder)
        for command in self.language.build:
            finished = subprocess.run(
                command, cwd=self._folder, capture_output=True, text=True, timeout=_BUILD_SECS
            )
            assert finished.returncode == 0, f"{command}:\n{finished.stdout}\n{finished.stderr}"

    def use_new_database(self) -> None:
        """Let processes that are started from now on share a new, empty database."""
        self._databases += 1
        name = f"{self.language.name}_{self._databases}"
        if self._postgres is None:
            self._database = {"DATABASE_URL": f"sqlite:///{self._logs / name}.sqlite"}
            return
        self._postgres.create_database(name)
        address = f"127.0.0.1:{self._postgres.port}/{name}"
        if self.language is JAVA:
            url = f"jdbc:postgresql://{address}"
            self._database = {"DBOS_SYSTEM_JDBC_URL": url, "PGUSER": USER, "PGPASSWORD": "unused"}
        else:
            self._database = {"DATABASE_URL": f"postgresql://{USER}@{address}?sslmode=disable"}

    def start(
        self, ws_url: str, *, name: str, key: str = "any-key", workflows: int = 0, step_ms: int = 300
    ) -> Process:
        """Start a process without waiting for anything.

        Args:
            ws_url: the conductor's address.
            name: of the application.
            key: API key.
            workflows: how many it is to start; one and more also start the failing and the queued one.
            step_ms: milliseconds that a step takes.
        """
        self._processes += 1
        environment = {
            **self._database,
            "CONDUCTOR_URL": ws_url,
            "CONDUCTOR_KEY": key,
            "APP_NAME": name,
            "WORKFLOWS": str(workflows),
            "STEP_MS": str(step_ms),
        }
        log = self._logs / f"process-{self._processes}.log"
        return Process(self._command(), log, env=environment, cwd=self._folder)

    def _command(self) -> list[str]:
        class_path = self._folder / "target" / "classpath"
        jars = class_path.read_text().strip() if class_path.exists() else ""
        return [part.replace("@classpath", f"target/classes{os.pathsep}{jars}") for part in self.language.run]


def require_language(language: Language) -> None:
    """Skip the running test where ``language`` or what its samples need is missing."""
    if language is not PYTHON:
        require("sdks")
        require("postgres")
    require(language.tool)
