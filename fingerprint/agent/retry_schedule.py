"""When a waiting agent retries, by its row of `agent.versions`: the core agent's pauses, the worker's pings.

All times are seconds. Both schedules may have a limit from the configuration; if the agent does not accept the value,
or its row does not have the setting, the row's own limit holds.
"""

from __future__ import annotations

from math import ceil

from fingerprint.types import Vocabulary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import ClassVar

    from fingerprint.agent.versions import Row

ON_PREMISES, EC2 = "OnPrem", "EC2"
# The agent counts no further.
MOST_DOUBLINGS = 16
# A pause at the limit is random within so much below it.
LIMIT_SPREAD = 300
# A hibernating worker sends its first ping after so long.
PING_SILENCE = 300
PINGS_A_PERIOD = 3


class Failure(Vocabulary):
    """What the pause after a failure depends on: a rejection, another error of the service, or any other one."""

    REJECTED: ClassVar[Failure]
    SERVICE: ClassVar[Failure]
    OTHER: ClassVar[Failure]


Failure.define(REJECTED="rejected", SERVICE="service", OTHER="other")


def pause(
    row: Row, failure: Failure, failures: int, identity: str = ON_PREMISES, limit: int | None = None
) -> tuple[float, float]:
    """Return the least and the longest pause of the core agent after a failure.

    Args:
        row: behaviour of the agent.
        failure: its kind; the way to the service counts as SERVICE with SDK 1, and as OTHER with SDK 2.
        failures: how many there were in a row before this one.
        identity: of the agent, "OnPrem" or "EC2".
        limit: Ssm.CredentialRetryMaxSleepSeconds, as the agent takes it; None if it is not set.
    """
    if failure == Failure.REJECTED:
        return float(row.hard_pause[0]), float(row.hard_pause[1])
    if identity == EC2:
        longest = 600.0 * 2 ** (ceil(failures / 3) - 1) if failures else 300.0
        longest = min(longest, 3600.0)
        return (longest, longest) if not failures else (longest * 0.9, longest)
    least = float(2 ** min(failures, MOST_DOUBLINGS))
    longest = least + max(0, ceil(0.2 * least) - 1)
    if failure == Failure.SERVICE:
        least, longest = least + 10, longest + 19
    most = longest_pause(row, limit)
    if most is not None and longest > most:
        return min(least, float(most - min(LIMIT_SPREAD, most))), float(most)
    return least, longest


def longest_pause(row: Row, limit: int | None) -> int | None:
    """Return the limit of the core agent's doubling pauses; None without one.

    Args:
        row: behaviour of the agent.
        limit: see `pause`.
    """
    return limit if limit is not None and row.longest_pause_setting else row.longest_pause


def longest_ping_interval(row: Row, limit: int | None) -> int:
    """Return the longest interval of the pings of a hibernating worker.

    Args:
        row: behaviour of the agent.
        limit: Ssm.HibernationMaxBackoffIntervalMinutes in seconds, as the agent takes it; None if it is not set.
    """
    return limit if limit is not None and row.ping_interval_setting else row.longest_ping_interval


def periods(row: Row, limit: int | None = None, logged: tuple[float, int] | None = None) -> Iterator[tuple[float, int]]:
    """Yield the periods of a hibernation: when each begins, after its start, and the interval of its pings.

    A period has three intervals, and its first ping is at its begin. The last interval is yielded for ever.

    Args:
        row: behaviour of the agent.
        limit: see `longest_ping_interval`.
        logged: a period that the agent logged, to go on from; None for the first.
    """
    at, interval = logged or (float(PING_SILENCE), row.first_ping_interval)
    longest = max(longest_ping_interval(row, limit), interval)
    while True:
        yield at, interval
        at += PINGS_A_PERIOD * interval
        interval = min(2 * interval, longest)


def next_ping(
    row: Row, entered: float, now: float, limit: int | None = None, logged: tuple[float, int] | None = None
) -> float:
    """Return when a hibernating worker pings next, in seconds since 1970-01-01 UTC.

    Args:
        row: behaviour of the agent.
        entered: when it began to hibernate.
        now: the time.
        limit: see `longest_ping_interval`.
        logged: the last period that the agent logged: seconds from `entered` to its begin, and its interval.
    """
    before = -1
    for begin, interval in periods(row, limit, logged):
        first = entered + begin
        if first > now:
            return first
        pings = int((now - first) // interval) + 1
        if pings < PINGS_A_PERIOD or interval == before:
            return first + pings * interval
        before = interval
    raise AssertionError("periods do not end")


def silent_since(row: Row, entered: float, now: float) -> float | None:
    """Return when hibernate.log ended for good, seconds since 1970-01-01 UTC; None if it has not.

    Args:
        row: behaviour of the agent.
        entered: when the worker began to hibernate.
        now: the time.
    """
    if row.silent_after is None or now <= entered + row.silent_after:
        return None
    return entered + row.silent_after
