"""When the agent compares the hardware next: once per start of the agent, at its first token request.

A process of the agent computes its fingerprint when it first requests a token, and keeps it until it ends. If it starts
with valid shared credentials, that request waits until half of their life is over, which is up to half an hour.
"""

from __future__ import annotations

import errno

from fingerprint._io.times import utc
from fingerprint.agent.identity_config import parse_agent_credentials
from fingerprint.agent.paths import CORE, MAIN_LOG, paths_of
from fingerprint.errors import SnapshotError
from fingerprint.machine.base import END_LIMIT
from fingerprint.machine.live import LiveMachine
from fingerprint.types import Value, Vocabulary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import ClassVar

    from fingerprint.agent.logs import Timeline
    from fingerprint.machine.base import Machine, Process

# The agent logs its start after it has found its identity, and the kernel counts in ticks of another clock.
_SLACK_SECONDS = 5.0
# So long after the agent began to request a token, its fingerprint is in a request: three attempts of 5 s, and the time
# of the commands.
_COMPARED_WITHIN_SECONDS = 60.0
_CLOCK_SECONDS = 120.0
_FAILED = "by its log its last request failed before it compared"


class Trigger(Vocabulary):
    """What causes the agent's next comparison of the hardware."""

    AT_NEXT_START: ClassVar[Trigger]
    AT_NEXT_REFRESH: ClassVar[Trigger]
    UNKNOWN: ClassVar[Trigger]


Trigger.define(AT_NEXT_START="at-next-start", AT_NEXT_REFRESH="at-next-refresh", UNKNOWN="unknown")


class NextCheck(Value):
    """When the agent compares the hardware next.

    Attributes:
        trigger: AT_NEXT_START, as this process has compared or none runs; AT_NEXT_REFRESH, its next request of
            credentials without a restart; UNKNOWN, at worst at any time.
        at: time of that request, seconds since 1970-01-01 UTC; None for the other triggers.
        started: when the running agent started, seconds since 1970-01-01 UTC; None if none runs or it is not known.
        runs: whether an agent runs; None if that is not known.
        how: the evidence for the trigger, or why it is not known.
        now: time of the observation, seconds since 1970-01-01 UTC.
    """

    trigger: Trigger
    at: float | None
    started: float | None
    runs: bool | None
    how: str
    now: float

    def __init__(
        self, trigger: Trigger, now: float, how: str, *, at: float | None = None, started: float | None = None,
        runs: bool | None = True,
    ) -> None:  # fmt: skip
        self._set(trigger=trigger, at=at, started=started, runs=runs, how=how, now=now)

    @property
    def seconds_left(self) -> float | None:
        """Seconds until `at`; None without it."""
        return None if self.at is None else max(0.0, self.at - self.now)

    @property
    def when(self) -> str:
        """The time of the next comparison, as the end of a sentence."""
        if self.trigger == Trigger.AT_NEXT_START:
            return "after its next start" if self.runs else "after its start"
        if self.at is not None:
            left = self.seconds_left or 0.0
            return f"in {in_minutes(left)}, at {utc(self.at)}, without a restart" if left >= 1 else "now"
        return "at an unknown time, possibly at once and without a restart"


def in_minutes(seconds: float) -> str:
    """Return a number of seconds for people, such as "2 min 18 s (138 s)"."""
    rounded = round(seconds)
    minutes, rest = divmod(rounded, 60)
    hours, minutes = divmod(minutes, 60)
    parts = [f"{count} {unit}" for count, unit in ((hours, "h"), (minutes, "min"), (rest, "s")) if count]
    return f"{' '.join(parts)} ({rounded} s)" if rounded >= 60 else f"{rounded} s"


def next_check(
    machine: Machine, *, timeline: Timeline | None = None, processes: Sequence[Process] | None = None
) -> NextCheck | None:
    """Return when the agent of a machine compares the hardware next.

    Args:
        machine: the machine.
        timeline: of the agent's logs; None to read the main log here.
        processes: of the agent; None to list them here.

    Returns:
        The next check; None on a copied disk, and for a recording without the agent's processes.
    """
    now = machine.now()
    try:
        found = machine.agent_processes() if processes is None else processes
    except SnapshotError:
        return None
    except OSError as error:
        if error.errno in (errno.ENOTSUP, errno.ENODATA):
            return None
        why = f"its processes cannot be listed: {error.strerror or error}"
        return NextCheck(Trigger.UNKNOWN, now, why, runs=None)
    if not found:
        return NextCheck(Trigger.AT_NEXT_START, now, "no agent is running", runs=False)
    core = [one for one in found if one.name == CORE] or found
    started = min((one.started for one in core if one.started is not None), default=None)
    if started is None:
        return NextCheck(Trigger.UNKNOWN, now, "the start time of its process is not known")
    has_worker = any(one.name != CORE for one in found)
    if timeline is None:
        timeline = _timeline(machine)
    check = None if timeline is None else _by_log(machine, timeline, started, now, has_worker)
    return check or _by_credentials(machine, started, now, has_worker)


def _timeline(machine: Machine) -> Timeline | None:
    """Return the timeline of the end of the agent's main log; None if it is unreadable."""
    # Imported here: it needs regular expressions, and most machines need no forecast.
    from fingerprint.agent.logs import read_parts

    paths = paths_of(machine.platform)
    try:
        return read_parts([machine.read_end(f"{paths.logs}{paths.separator}{MAIN_LOG}", END_LIMIT)], [], [])
    except OSError:
        return None


def _by_log(machine: Machine, timeline: Timeline, started: float, now: float, has_worker: bool) -> NextCheck | None:
    """Return the next check by the log; None if the log does not cover this process."""
    run = timeline.run
    begun = _seconds(machine, run.started or timeline.began)
    if begun is None or begun < started - _SLACK_SECONDS:
        return None
    if run.checked:
        at = _seconds(machine, run.checked)
        how = f"by its log{f' at {utc(at)}' if at is not None else ''}"
        return NextCheck(Trigger.AT_NEXT_START, now, how, started=started)
    if run.failed and timeline.open_mismatches:
        return NextCheck(Trigger.AT_NEXT_REFRESH, now, "by its log it compares now", at=now, started=started)
    if run.failed:
        # The process has no fingerprint yet, so the next attempt computes it.
        retry = _seconds(machine, timeline.refresher.next_retry) if timeline.refresher.waiting else None
        if retry is None or retry < now - _COMPARED_WITHIN_SECONDS:
            return NextCheck(Trigger.UNKNOWN, now, _FAILED, started=started)
        how = f"{_FAILED}, and it retries then"
        return NextCheck(Trigger.AT_NEXT_REFRESH, now, how, at=max(retry, now), started=started)
    if run.asks is False and has_worker:
        how = "by its log its worker requests the credentials, at its start"
        return NextCheck(Trigger.AT_NEXT_START, now, how, started=started)
    at = _seconds(machine, run.asks_next)
    if at is not None and at >= now - _COMPARED_WITHIN_SECONDS:
        how = "by its log it uses credentials from before its start until then"
        return NextCheck(Trigger.AT_NEXT_REFRESH, now, how, at=max(at, now), started=started)
    loop = _seconds(machine, run.loop)
    if loop is not None and not run.from_disk and not timeline.run.asks_next:
        if now - loop < _COMPARED_WITHIN_SECONDS:
            return NextCheck(Trigger.AT_NEXT_REFRESH, now, "by its log it requests its first token", at=now,
                             started=started)  # fmt: skip
        how = f"by its log, with the token that it requested at {utc(loop)}"
        return NextCheck(Trigger.AT_NEXT_START, now, how, started=started)
    return None


def _by_credentials(machine: Machine, started: float, now: float, has_worker: bool) -> NextCheck:
    """Return the next check by the agent's record of its last credentials, identity_config.json."""
    path = paths_of(machine.platform).identity
    try:
        credentials = parse_agent_credentials(machine.read_file(path))
    except OSError as error:
        return NextCheck(Trigger.UNKNOWN, now, f"{path}: {error.strerror or error}", started=started)
    if credentials is None:
        return NextCheck(Trigger.UNKNOWN, now, f"{path} is not in the agent's format", started=started)
    retrieved, renewed = credentials.retrieved, credentials.renewed
    if retrieved is None or renewed is None:
        if not credentials.file and has_worker and now - started >= _COMPARED_WITHIN_SECONDS:
            how = "it shares no credentials, so its worker requests them at its start"
            return NextCheck(Trigger.AT_NEXT_START, now, how, started=started)
        return NextCheck(Trigger.UNKNOWN, now, f"{path} has no time of credentials", started=started)
    if retrieved > now + _CLOCK_SECONDS:
        return NextCheck(
            Trigger.UNKNOWN, now, f"by {path} credentials come at {utc(retrieved)}, in the future", started=started
        )
    if retrieved >= started + 1:
        how = f"by {path} it got credentials at {utc(retrieved)}"
        return NextCheck(Trigger.AT_NEXT_START, now, how, started=started)
    if renewed > max(now, started):
        if _is_gone(machine, credentials.file):
            return NextCheck(Trigger.UNKNOWN, now, f"there is no {credentials.file}", started=started)
        how = f"by {path} its credentials are from before its start, and half of their life is over then"
        return NextCheck(Trigger.AT_NEXT_REFRESH, now, how, at=renewed, started=started)
    how = f"by {path} new credentials were due at {utc(max(renewed, started))}, and none were retrieved"
    return NextCheck(Trigger.UNKNOWN, now, how, started=started)


def _is_gone(machine: Machine, path: str) -> bool:
    """Return whether a file of shared credentials is missing. Recordings hold no such file."""
    if not path or "\0" in path or machine.recorded:
        return not path
    try:
        machine.status(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def _seconds(machine: Machine, at: str) -> float | None:
    """Return a logged time in seconds since 1970-01-01 UTC; None if it is not known."""
    from fingerprint._io.times import local_seconds

    if isinstance(machine, LiveMachine) and not machine.copied:
        return local_seconds(at, None)
    try:
        return local_seconds(at, machine.utc_offset())
    except OSError:
        return None
