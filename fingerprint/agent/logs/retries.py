"""When a waiting agent retries: by its log, else by the schedule of its version."""

from __future__ import annotations

from fingerprint._io.times import local, local_seconds, utc
from fingerprint.agent import retry_schedule
from fingerprint.agent.logs.sdk_errors import REJECTIONS, sdk_error
from fingerprint.agent.retry_schedule import ON_PREMISES, Failure
from fingerprint.agent.versions import assess
from fingerprint.types import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from fingerprint.agent.logs.timeline import Timeline
    from fingerprint.agent.logs.types import Wait
    from fingerprint.agent.versions import Assessed

BY_LOG = "the agent's log"
# A retry takes time, and clocks differ.
GRACE_SECONDS = 120


class Retry(Value):
    """When the agent retries, seconds since 1970-01-01 UTC: between `earliest` and `latest`; `how` it is known."""

    earliest: float
    latest: float
    how: str

    @property
    def text(self) -> str:
        """The time or the period, RFC 3339."""
        if self.latest - self.earliest < 1:
            return utc(self.earliest)
        return f"{utc(self.earliest)} to {utc(self.latest)}"


def pause(
    error: str, failures: int, version: str, identity: str = ON_PREMISES, limit: int | None = None
) -> tuple[float, float]:
    """Return the least and the longest pause of the core agent after a failure, in seconds.

    Args:
        error: the failure as it was logged.
        failures: how many there were in a row before this one.
        version: of the agent; see `assess`.
        identity: of the agent, "OnPrem" or "EC2".
        limit: Ssm.CredentialRetryMaxSleepSeconds, if that is set and the agent accepts it.
    """
    parsed = sdk_error(error)
    kind = Failure.OTHER
    if parsed.code in REJECTIONS:
        kind = Failure.REJECTED
    elif parsed.code and (parsed.answered or parsed.sdk == 1):
        # With SDK 2 a connection error does not count as an error of the service.
        kind = Failure.SERVICE
    return retry_schedule.pause(assess(version).row, kind, failures, identity, limit)


def next_request(
    wait: Wait, agent: Assessed, now: float, seconds_of: Callable[[str], float | None], identity: str = ON_PREMISES,
    limit: int | None = None,
) -> Retry | None:  # fmt: skip
    """Return when a waiting core agent requests credentials next; None if unknown.

    Args:
        wait: what it waits for.
        agent: its behaviour.
        now: the time, seconds since 1970-01-01 UTC.
        seconds_of: returns the same of a logged time; None where it is not known.
        identity, limit: see `pause`.
    """
    slept, failed_at = seconds_of(wait.slept), seconds_of(wait.failed)
    if slept is not None and wait.pause is not None and slept + wait.pause > now - GRACE_SECONDS:
        return Retry(slept + wait.pause, slept + wait.pause, BY_LOG)
    if failed_at is None:
        return None
    before = max(0, wait.failures - 1)
    least, longest = pause(wait.error, before, agent.version, identity, limit)
    # Name a limit only if it changes this pause.
    bound = (least, longest) != pause(wait.error, before, agent.version, identity)
    how = _schedule(agent, agent.row.longest_pause_setting, limit if bound else None)
    if failed_at + longest + GRACE_SECONDS >= now:
        return Retry(failed_at + least, failed_at + longest, how)
    # It must have retried since, and did not log that.
    return Retry(now, now + longest, f"{how}; the log is older")


def next_ping(
    wait: Wait, agent: Assessed, now: float, seconds_of: Callable[[str], float | None], minutes: int | None = None
) -> Retry | None:
    """Return when a hibernating worker pings next; None if unknown.

    Args:
        wait, agent, now, seconds_of: see `next_request`.
        minutes: Ssm.HibernationMaxBackoffIntervalMinutes, if that is set and the agent accepts it.
    """
    entered, began = seconds_of(wait.entered), seconds_of(wait.slept)
    limit = None if minutes is None else minutes * 60
    how = _schedule(agent, agent.row.ping_interval_setting, minutes)
    if began is not None and wait.pause and (entered is None or began >= entered):
        # The last period that it logged: three pings, the first at its begin.
        at = retry_schedule.next_ping(agent.row, began, now, limit, (0.0, int(wait.pause)))
        how = BY_LOG if at <= began + retry_schedule.PINGS_A_PERIOD * wait.pause else how
    elif entered is not None:
        at = retry_schedule.next_ping(agent.row, entered, now, limit)
        how = f"{how}, for its health pings"
    else:
        return None
    return Retry(at, at, how)


def next_try(timeline: Timeline) -> tuple[str, str, str]:
    """Return when a waiting agent retries after the end of its logs, by the logs alone, without its configuration.

    Returns:
        The earliest and the latest time, local as logged, and how they are known; "" for each that is unknown.
    """
    wait, ended = timeline.wait, local_seconds(timeline.ended)
    if wait is None or ended is None:
        return "", "", ""
    # The version of the last process; unknown if it started before the logs begin.
    agent = assess(timeline.run.version)
    found = (next_ping if wait is timeline.worker else next_request)(wait, agent, ended, local_seconds)
    if found is None:
        return "", "", ""
    return local(found.earliest), local(found.latest), found.how


def _schedule(agent: Assessed, setting: str, limit: int | None) -> str:
    """Return the source of a computed time: the version, and a limit of the configuration."""
    schedule = f"the schedule of {agent.version if agent.known else 'the newest agents'}"
    return schedule if limit is None or not setting else f"{schedule} with {setting} {limit}"
