"""The command line as a person or a script runs it: in a folder and in an environment of its own."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from support.command import Finished, run_here


class Terminal:
    """Runs commands in a folder, with nothing in their environment that they do not get here.

    Args:
        folder: working directory and home.
        variables: ``CONDUCTOR_LITE_`` variables, such as ``URL``.
    """

    def __init__(self, folder: Path, **variables: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.variables = variables

    def environment(self, further: Mapping[str, str] | None = None) -> dict[str, str]:
        """What a command's environment holds."""
        outer = {name: value for name, value in os.environ.items() if not name.startswith("CONDUCTOR_LITE_")}
        outer.pop("XDG_CONFIG_HOME", None)
        own = {
            f"CONDUCTOR_LITE_{name}": value for name, value in {**self.variables, **(further or {})}.items()
        }
        # The working directory is not the repository: the package under test has to be named.
        path = os.pathsep.join(part for part in sys.path if part)
        return {**outer, "HOME": str(self.folder), "PYTHONPATH": path, "NO_PROXY": "*", **own}

    def run(self, *arguments: str, stdin: str = "", **variables: str) -> Finished:
        """Run a command to its end, in this process."""
        return run_here(arguments, self.folder, self.environment(variables), stdin)

    def ok(self, *arguments: str, stdin: str = "", **variables: str) -> str:
        """Run a command that is to succeed; returns what it prints on standard output."""
        finished = self.run(*arguments, stdin=stdin, **variables)
        assert finished.status == 0, finished
        return finished.out
