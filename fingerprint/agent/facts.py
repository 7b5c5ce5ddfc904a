"""Facts about the agent installed on one machine. Each is read once, by the first caller that needs it."""

from __future__ import annotations

import errno
from _thread import allocate_lock

from fingerprint.agent.config import Settings, identity_type, read_config, setting, settings_of
from fingerprint.agent.identity_config import parse_agent_credentials
from fingerprint.agent.installed import printed_version, program_directories, program_directory
from fingerprint.agent.logs.retries import GRACE_SECONDS
from fingerprint.agent.paths import CORE, LOGS, SNAP, UNITS, WORKER, AgentPaths, paths_of
from fingerprint.agent.systemd_unit import RUNS, starts_program, systemd_units
from fingerprint.agent.versions import Assessed, assess
from fingerprint.errors import FingerprintError
from fingerprint.machine.base import END_LIMIT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Generic, TypeVar

    from fingerprint.agent.host_states import HostStates
    from fingerprint.agent.identity_config import AgentCredentials
    from fingerprint.agent.logs import Timeline
    from fingerprint.agent.next_check import NextCheck
    from fingerprint.machine.base import Machine, Process
    from fingerprint.machine.processes import CommandResult

    _T = TypeVar("_T")

COMMAND_SECONDS = 8.0


if TYPE_CHECKING:

    class fact(Generic[_T]):
        """A property that is computed once."""

        def __init__(self, question: Callable[[Any], _T]) -> None: ...
        def __get__(self, owner: AgentFacts, _: object) -> _T: ...

else:

    class fact:
        """A property that is computed once and then kept, errors included. Concurrent callers wait for the first."""

        def __init__(self, question):
            self._question = question

        def __set_name__(self, _, name):
            self._name = name

        def __get__(self, owner, _):
            with owner.lock_of(self._name):
                if self._name not in owner.facts:
                    try:
                        owner.facts[self._name] = (self._question(owner), None)
                    except Exception as error:
                        owner.facts[self._name] = (None, error)
            value, error = owner.facts[self._name]
            if error is None:
                return value
            if isinstance(error, FingerprintError):
                raise error.again()
            # Else the traceback grows by the frames of each earlier raise.
            raise error.with_traceback(None)


class AgentFacts:
    """An agent as its files, processes and programs on a machine show it.

    Attributes:
        machine: the machine; it keeps what was read of it.
        paths: of the agent's files on it.
        log_limit: bytes that are read from the end of each log.
        unread_logs: each unreadable log with the reason; filled when `timeline` is first read.
    """

    def __init__(self, machine: Machine, *, log_limit: int = END_LIMIT) -> None:
        self.machine = machine.keeping()
        self.paths: AgentPaths = paths_of(machine.platform)
        self.log_limit = log_limit
        self.facts: dict[str, Any] = {}
        self.unread_logs: list[str] = []
        self._locks: dict[str, Any] = {}

    def lock_of(self, name: str) -> Any:
        """Return the lock of one fact."""
        return self._locks.setdefault(name, allocate_lock())

    @property
    def recorded(self) -> bool:
        """Whether the machine is a recording, which holds only what was read when it was made."""
        return self.machine.recorded

    @property
    def copied(self) -> bool:
        """Whether the machine is a copied disk, on which nothing runs."""
        return self.machine.copied

    @property
    def elsewhere(self) -> bool:
        """Whether the machine is another one than this host."""
        return self.machine.elsewhere

    @fact
    def processes(self) -> tuple[Process, ...]:
        """The agent's processes. Raises OSError if they cannot be listed."""
        return self.machine.agent_processes()

    @property
    def runs(self) -> bool | None:
        """Whether a process of the agent runs; None if that is not known."""
        try:
            return bool(self.processes)
        except OSError:
            return None

    @fact
    def started(self) -> float | None:
        """When the core agent started, seconds since 1970-01-01 UTC; None if it does not run. Raises OSError."""
        return self._started(CORE)

    @fact
    def worker_started(self) -> float | None:
        """When the worker started, seconds since 1970-01-01 UTC; None if none runs. Raises OSError."""
        return self._started(WORKER)

    def _started(self, name: str) -> float | None:
        starts = [one.started for one in self.processes if one.name == name and one.started is not None]
        return min(starts, default=None)

    @fact
    def timeline(self) -> Timeline:
        """The timeline of the agent's logs. Raises OSError if there are none, or the main log is unreadable."""
        from fingerprint.agent.logs import read_parts

        logs = [self.log_parts(name) for name in LOGS]
        self.unread_logs += [f"{path}: {error.strerror or error}" for _, no in logs for path, error in no.items()]
        (main, unreadable), *_ = logs
        if not main:
            raise next(
                iter(unreadable.values()),
                FileNotFoundError(errno.ENOENT, "there is no log of the agent", self.paths.logs),
            )
        main, errors, hibernation = (parts for parts, _ in logs)
        return read_parts(main, errors, hibernation, self.offset)

    def log_parts(self, log: str) -> tuple[list[bytes], dict[str, OSError]]:
        """Return the parts of a log, rotated ones included, and the files of it that are unreadable.

        Args:
            log: its name, such as "errors.log".

        Raises:
            OSError: the directory of the logs cannot be listed.
        """
        parts, unreadable = [], {}
        for name in self.machine.list_directory(self.paths.logs):
            number = name.removeprefix(f"{log}.")
            if name != log and (number == name or not number.isdigit()):
                continue
            path = self.paths.logs + self.paths.separator + name
            try:
                parts.append(self.machine.read_end(path, self.log_limit))
            except FileNotFoundError:
                # Rotated away since the directory was listed.
                continue
            except OSError as error:
                unreadable[path] = error
        return parts, unreadable

    @fact
    def identity_type(self) -> str:
        """The identity that the agent last used, such as "OnPrem" or "EC2"; "" if it is not known."""
        return identity_type(self.machine, self.paths.identity)

    @fact
    def offset(self) -> int | None:
        """Seconds by which the logs' local time is ahead of UTC; None if that is not known."""
        try:
            return self.machine.utc_offset()
        except OSError:
            return None

    def seconds_of(self, at: str) -> float | None:
        """Return a logged time in seconds since 1970-01-01 UTC; None if it is not known.

        Args:
            at: local time as logged.
        """
        from fingerprint._io.times import local_seconds

        if not at or self.offset is None:
            return None
        return local_seconds(at, self.offset if self.elsewhere else None)

    @fact
    def next_check(self) -> NextCheck | None:
        """When the agent compares the hardware next; None if it cannot run."""
        from fingerprint.agent.next_check import next_check

        try:
            timeline, processes = self.timeline, self.processes
        except OSError:
            # `next_check` reads what it can by itself.
            return next_check(self.machine)
        return next_check(self.machine, timeline=timeline, processes=processes)

    @fact
    def agent_credentials(self) -> AgentCredentials | None:
        """What the agent wrote about its last credentials; None if that is missing, unreadable or invalid."""
        try:
            return parse_agent_credentials(self.machine.read_file(self.paths.identity))
        except OSError:
            return None

    @fact
    def states(self) -> HostStates:
        """The states of the agent's parts, by its logs and its host."""
        from fingerprint.agent.host_states import host_states

        return host_states(self)

    @fact
    def credentials_since(self) -> float | None:
        """When the agent last got credentials by identity_config.json, seconds since 1970-01-01; None if unknown."""
        credentials = self.agent_credentials
        got = credentials.retrieved if credentials else None
        # A time in the future was written by a wrong clock.
        return got if got is not None and got <= self.machine.now() + GRACE_SECONDS else None

    def got_after(self, at: str) -> float | None:
        """Return when the agent last got credentials, by identity_config.json; None unless that is after a time.

        The log may lack it: agents 3.1.501 to 3.2.183 log no success, nor does any agent at the log level "error".

        Args:
            at: local time as logged.
        """
        got, after = self.credentials_since, self.seconds_of(at)
        # The agent pauses for at least a second after a failure.
        return got if got is not None and after is not None and after + 1 <= got else None

    @fact
    def config(self) -> dict[str, Any] | None:
        """The agent's configuration; None without a file. Raises OSError, or ValueError if it is not a JSON object."""
        return read_config(self.machine, self.paths.config)

    def setting(self, section: str, name: str) -> Any:
        """Return a setting of the agent's configuration; None if it is not set or unreadable."""
        try:
            return setting(self.config, section, name)
        except (OSError, ValueError):
            return None

    @fact
    def units(self) -> tuple[dict[str, str], ...]:
        """Properties of each systemd unit of the agent, the one that runs first. Raises OSError."""
        return systemd_units(self.machine)

    @property
    def unit(self) -> dict[str, str] | None:
        """Properties of the agent's systemd unit; None without a unit or without systemd. Raises OSError."""
        return next(iter(self.units), None)

    @fact
    def version(self) -> str:
        """The version that the agent's program prints, else the one in its log; "" if neither is known."""
        try:
            # List them first: our own call of the program below would count as a running agent.
            self.processes  # noqa: B018
        except OSError:
            pass
        return printed_version(self.machine, self.program_directory) or self._logged_version()

    def _logged_version(self) -> str:
        try:
            return self.timeline.versions[-1] if self.timeline.versions else ""
        except OSError:
            return ""

    @fact
    def program_directories(self) -> tuple[str, ...]:
        """The directories that hold the agent's main program: of its package, of its snap, or of both."""
        return program_directories(self.machine)

    @fact
    def program_directory(self) -> str:
        """The directory of the agent's programs, of its package or of its snap; of both, of the one that runs."""
        if len(self.program_directories) > 1:
            try:
                unit = self.unit or {}
            except OSError:
                unit = {}
            if unit.get("Id") == UNITS[1] and unit.get("ActiveState") in RUNS:
                return SNAP
        return program_directory(self.machine)

    @fact
    def has_agent(self) -> bool | None:
        """Whether a program of the agent is installed; None if that is unreadable or was not recorded."""
        for name in self.paths.binaries:
            try:
                self.machine.status(f"{self.program_directory}{self.paths.separator}{name}")
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                return True if error.errno == errno.ENODATA else None
            return True
        if not self.recorded:
            return False
        try:
            return False if self.machine.list_directory(self.paths.logs) else None
        except OSError:
            return None

    @property
    def without_agent(self) -> bool:
        """Whether there is no agent: no program, no process, and no unit that starts one. False if unknown."""
        if self.has_agent is not False or self.runs:
            return False
        try:
            unit = self.unit
        except OSError:
            unit = None
        if not unit:
            return True
        return unit.get("ActiveState") not in RUNS and not starts_program(self.machine, unit.get("Id", ""))

    @fact
    def behaviour(self) -> Assessed:
        """The behaviour of the running agent, by the version in its log, else by that of its program."""
        try:
            running = self.timeline.run.version
        except OSError:
            running = ""
        return assess(running or self.version)

    @fact
    def settings(self) -> Settings:
        """The configuration as this agent applies it; empty if it is unreadable."""
        try:
            return settings_of(self.config or {}, self.behaviour.version)
        except (OSError, ValueError):
            return settings_of({})

    def limit(self, name: str) -> int | None:
        """Return an integer setting that this agent accepts; None for the agent's default or an empty name.

        Args:
            name: such as "Ssm.CredentialRetryMaxSleepSeconds".
        """
        return self.settings.number(name) if name else None

    def run(self, *commands: tuple[str, ...]) -> list[CommandResult]:
        """Run commands in parallel and return their results."""
        return self.machine.run(commands, COMMAND_SECONDS)
