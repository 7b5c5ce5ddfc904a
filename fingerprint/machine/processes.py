"""Run the tools of a collection on Unix: in parallel, with a deadline, and without leftover processes.

Uses posix_spawn and poll, because the import of `subprocess` takes as long as a complete check.
"""

from __future__ import annotations

import errno
import os
import sys
from time import monotonic

from fingerprint.types import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    import select
    from collections.abc import Callable, Iterable, Sequence

OUTPUT_LIMIT = 1024 * 1024
COMPLAINT_LIMIT = 4096
DEFAULT_TIMEOUT = 5.0
# The answer of a tool must not depend on the caller, so the caller's environment is not inherited. This is the PATH
# that systemd gives to services; `service_environment` has the rest.
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# How many descriptors are tried where no directory lists the open ones.
_DESCRIPTORS_TRIED = 4096
_SIGKILL = 9
_SIGPIPE = 13
_SIGXFSZ = 25
# Interval to poll for the end of a process, where the kernel has no descriptor for it.
_EXIT_POLL_SECONDS = 0.001
# This process has exhausted a resource; another process may succeed.
NO_RESOURCES = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.ENOBUFS)


class CommandResult(Value):
    """The result of one command.

    Attributes:
        argv: the command and its arguments.
        returncode: its exit code, negative for a signal; None if it did not run to its end.
        stdout: its output, all of it.
        stderr: the first 4 KiB of its standard error.
        problem: "" if it ran to its end, else "not-found", "denied", "timeout", "too-long",
            "not-run", "not-recorded", "no-resources" (this process may start or open no more) or "failed".
        seconds: how long it took.
    """

    _hidden = ("stdout",)
    argv: tuple[str, ...]
    returncode: int | None = None
    stdout: bytes = b""
    stderr: str = ""
    problem: str = ""
    seconds: float = 0.0

    @property
    def succeeded(self) -> bool:
        """True when the command ran and exited with 0."""
        return self.returncode == 0 and not self.problem


class _Running:
    """A started command and the read ends of its pipes."""

    def __init__(
        self,
        argv: tuple[str, ...],
        executable: str,
        environment: dict[str, str],
        deadline: float,
        to_close: list[tuple[int, int]],
    ) -> None:
        self.argv = argv
        self.started = monotonic()
        self.deadline = deadline
        self.output: list[bytes] = []
        self.complaint = b""
        self.length = 0
        self.problem = ""
        self.returncode: int | None = None
        self.out, out_end = os.pipe()
        try:
            self.err, err_end = os.pipe()
        except BaseException:
            os.close(self.out)
            os.close(out_end)
            raise
        self.open = {self.out, self.err}
        try:
            self.pid = os.posix_spawn(
                executable,
                argv,
                environment,
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_DUP2, out_end, 1),
                    (os.POSIX_SPAWN_DUP2, err_end, 2),
                    *to_close,
                ],
                setpgroup=0,
                # Python ignores these two, and an ignored signal is inherited.
                setsigdef=(_SIGPIPE, _SIGXFSZ),
            )
        except BaseException:
            self.close()
            raise
        finally:
            os.close(out_end)
            os.close(err_end)
        self.end = _open_pidfd(self.pid)
        if self.end >= 0:
            self.open.add(self.end)

    def read(self, descriptor: int) -> None:
        """Read the available bytes; at the end, or beyond the limit, close the pipe."""
        if descriptor == self.end:
            self.exited()
            self._close_one(descriptor)
            return
        chunk = os.read(descriptor, 65536)
        if not chunk:
            self._close_one(descriptor)
        elif descriptor == self.err:
            self.complaint = (self.complaint + chunk)[:COMPLAINT_LIMIT]
        else:
            self.length += len(chunk)
            if self.length > OUTPUT_LIMIT:
                self.problem = "too-long"
                self.close()
            else:
                self.output.append(chunk)

    def _close_one(self, descriptor: int) -> None:
        self.open.discard(descriptor)
        os.close(descriptor)

    def close(self) -> None:
        for descriptor in tuple(self.open):
            self._close_one(descriptor)

    def exited(self) -> bool:
        """Return whether the command itself has ended, and store its exit code."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode is not None

    def kill(self) -> None:
        """Kill a command that has not ended, with its process group, and reap it."""
        self.close()
        if self.returncode is not None and not self.problem:
            return
        try:
            os.killpg(self.pid, _SIGKILL)
        except ProcessLookupError:
            pass
        if self.returncode is None:
            os.waitpid(self.pid, 0)

    def result(self) -> CommandResult:
        complaint = self.complaint.decode("utf-8", "replace")
        returncode = None if self.problem else self.returncode
        output = b"" if self.problem else b"".join(self.output)
        return CommandResult(self.argv, returncode, output, complaint, self.problem, monotonic() - self.started)


def run(
    commands: Sequence[tuple[str, ...]],
    timeout: float,
    environment: dict[str, str],
    resolve: Callable[[str], str] = str,
    meanwhile: Callable[[], None] = lambda: None,
) -> list[CommandResult]:
    """Run commands in parallel and return their results in the same order.

    Args:
        commands: each with an absolute path first; no shell, standard input is empty.
        timeout: seconds for each. A command that is not done by then is killed with its process group, even if it has
            ended and one of its children keeps the pipe open.
        environment: the complete environment of the commands.
        resolve: returns the file to run for a path.
        meanwhile: called once, while they run.

    Raises:
        ValueError: a path is not absolute.
    """
    running: dict[int, _Running] = {}
    results: list[CommandResult | None] = [None] * len(commands)
    to_close = _inheritable()
    try:
        for index, argv in enumerate(commands):
            if not argv[0].startswith("/"):
                raise ValueError(f"{argv[0]!r} is not an absolute path")
            try:
                running[index] = _Running(argv, resolve(argv[0]), environment, monotonic() + timeout, to_close)
            except OSError as error:
                results[index] = CommandResult(argv, problem=_problem(error), stderr=error.strerror or str(error))
        meanwhile()
        _drain(running)
        for index, process in running.items():
            results[index] = process.result()
    finally:
        for process in running.values():
            process.kill()
    return [result for result in results if result is not None]


def _open_pidfd(pid: int) -> int:
    """Return a descriptor that becomes readable when a process has ended, -1 if the system has none."""
    try:
        return os.pidfd_open(pid) if sys.platform == "linux" else -1
    except OSError:
        return -1


def _inheritable() -> list[tuple[int, int]]:
    """Return the actions that close descriptors a command would inherit, such as a lock of the calling program."""
    found = []
    for number in _open_descriptors():
        try:
            if number > 2 and os.get_inheritable(number):
                found.append((os.POSIX_SPAWN_CLOSE, number))
        except OSError:
            # It is not open, or it was the descriptor that listed the directory.
            continue
    return found


def _open_descriptors() -> Iterable[int]:
    for directory in ("/dev/fd", "/proc/self/fd"):
        try:
            return [int(name) for name in os.listdir(directory)]
        except OSError:
            # Sandboxes and chroots may have neither.
            continue
    return range(3, min(os.sysconf("SC_OPEN_MAX"), _DESCRIPTORS_TRIED))


def _problem(error: OSError) -> str:
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return "not-found"
    if error.errno in NO_RESOURCES:
        return "no-resources"
    return "denied" if error.errno in (errno.EACCES, errno.EPERM) else "failed"


def _drain(running: dict[int, _Running]) -> None:
    """Read until each command has ended and closed its pipes, or is out of time."""
    # Imported here: a recorded machine does not run commands.
    import select

    poll = select.poll()
    owners: dict[int, _Running] = {}
    for process in running.values():
        for descriptor in process.open:
            poll.register(descriptor, select.POLLIN)
            owners[descriptor] = process
    waiting = list(running.values())
    while waiting:
        waiting = [p for p in waiting if not p.problem and (p.open or not p.exited())]
        now = monotonic()
        for process in waiting:
            if now >= process.deadline:
                process.problem = "timeout"
                _forget(process, poll, owners)
        waiting = [p for p in waiting if not p.problem]
        if not waiting:
            return
        pause = min(p.deadline for p in waiting) - now
        if not all(p.open for p in waiting):
            # No event reports the end of a command whose pipes are closed, so poll for it.
            pause = min(pause, _EXIT_POLL_SECONDS)
        for descriptor, _ in poll.poll(max(pause, 0) * 1000 + 1):
            process = owners[descriptor]
            before = set(process.open)
            process.read(descriptor)
            for closed in before - process.open:
                poll.unregister(closed)
                del owners[closed]


def _forget(process: _Running, poll: select.poll, owners: dict[int, _Running]) -> None:
    for descriptor in process.open:
        poll.unregister(descriptor)
        del owners[descriptor]
    process.close()
