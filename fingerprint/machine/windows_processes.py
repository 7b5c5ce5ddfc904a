"""Run the tools of a collection on Windows: in parallel, with a deadline, and without leftover processes.

The output goes to temporary files, because reading a pipe would wait for a grandchild that keeps it open.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from time import monotonic, sleep

import psutil

from fingerprint.machine.processes import COMPLAINT_LIMIT, OUTPUT_LIMIT, CommandResult

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_POLL_SECONDS = 0.01


class _Running:
    """A started command and the files that take its output."""

    def __init__(self, argv: tuple[str, ...], deadline: float) -> None:
        self.argv = argv
        self.started = monotonic()
        self.deadline = deadline
        self.output = tempfile.TemporaryFile()  # noqa: SIM115  closed with the command
        self.complaint = tempfile.TemporaryFile()  # noqa: SIM115
        try:
            self.process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=self.output,
                stderr=self.complaint,
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        except BaseException:
            self.close()
            raise

    def problem(self) -> str | None:
        """Return None while it runs within its limits, else its problem: "" if it ended by itself."""
        if os.fstat(self.output.fileno()).st_size > OUTPUT_LIMIT:
            return "too-long"
        if self.process.poll() is not None:
            return ""
        return "timeout" if monotonic() >= self.deadline else None

    def result(self, problem: str) -> CommandResult:
        self.complaint.seek(0)
        stderr = self.complaint.read(COMPLAINT_LIMIT).decode("utf-8", "replace")
        self.output.seek(0)
        stdout = b"" if problem else self.output.read()
        code = None if problem else self.process.returncode
        return CommandResult(self.argv, code, stdout, stderr, problem, monotonic() - self.started)

    def kill(self) -> None:
        """Kill the command and all that it started, unless it has ended."""
        if self.process.poll() is not None:
            return
        try:
            family = psutil.Process(self.process.pid).children(recursive=True)
        except psutil.Error:
            family = []
        self.process.kill()
        for member in family:
            try:
                member.kill()
            except psutil.Error:
                continue
        self.process.wait()

    def close(self) -> None:
        self.output.close()
        self.complaint.close()


def run(commands: Sequence[tuple[str, ...]], timeout: float) -> list[CommandResult]:
    """Run commands in parallel and return their results in the same order.

    The environment is inherited: PowerShell needs most of it, and the reference inherits it too.

    Args:
        commands: each with an absolute path first; no shell, standard input is empty.
        timeout: seconds for each; a command that is not done by then is killed with all its children.
    """
    running: dict[int, _Running] = {}
    results: dict[int, CommandResult] = {}
    try:
        for index, argv in enumerate(commands):
            try:
                running[index] = _Running(tuple(argv), monotonic() + timeout)
            except OSError as error:
                results[index] = _not_started(tuple(argv), error)
        while len(results) < len(commands):
            for index, command in running.items():
                problem = command.problem()
                if index not in results and problem is not None:
                    command.kill()
                    results[index] = command.result(problem)
            sleep(_POLL_SECONDS)
    finally:
        for command in running.values():
            command.kill()
            command.close()
    return [results[index] for index in range(len(commands))]


def _not_started(argv: tuple[str, ...], error: OSError) -> CommandResult:
    if isinstance(error, FileNotFoundError):
        return CommandResult(argv, problem="not-found")
    if isinstance(error, PermissionError):
        return CommandResult(argv, problem="denied")
    return CommandResult(argv, problem="failed", stderr=error.strerror or str(error))
