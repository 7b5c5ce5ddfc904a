"""Reference implementation of the schedules: what amazon-ssm-agent does, second by second and draw by draw.

Written from the reference's behaviour only; it shares no code with the package and is simple rather than fast.
"""

from __future__ import annotations

from math import ceil

# The releases of the matrix; what each of them does is written here a second time, independently of the package.
RELEASES = (
    "3.0.1124.0", "3.1.501.0", "3.2.1630.0", "3.3.551.0", "3.3.808.0", "3.3.987.0", "3.3.1142.0", "3.3.1311.0",
    "3.3.1957.0", "3.3.2299.0", "3.3.2746.0", "3.3.3050.0", "3.3.3572.0", "3.3.4177.0", "3.3.4364.0", "3.3.4851.0",
    "3.3.5068.0", "3.3.5226.0", "3.3.5828.0",
)  # fmt: skip
NEW_HIBERNATION, CAPPED_REFRESHER, HALF_HOUR = (3, 3, 2299), (3, 3, 3050), (3, 3, 808)


def numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def pings(version: str, minutes: object, until: int) -> list[int]:
    """Return the seconds after its start at which a hibernating worker pings.

    Args:
        version: of the agent.
        minutes: HibernationMaxBackoffIntervalMinutes as it is written; None if it is not.
        until: the last second.
    """
    longest, interval = 3600, 600
    if numbers(version) >= NEW_HIBERNATION:
        interval = 300
        if isinstance(minutes, int) and 5 <= minutes <= 1440:
            longest = minutes * 60
    at, sent = 300, []
    while at <= until:
        sent += [at, at + interval, at + 2 * interval]
        at += 3 * interval
        if interval < longest:
            interval = min(2 * interval, longest)
    return sent


def silent_from(version: str) -> int | None:
    """Return the seconds of hibernation after which the log has its last line; None for never."""
    return None if numbers(version) >= NEW_HIBERNATION else 300 + 1800 + 3600 + 7200 + 10800


def sleeps(version: str, kind: str, failures: int, seconds: object) -> tuple[int, int]:
    """Return the shortest and the longest pause of the refresher, of all that it may draw at random.

    Args:
        version: of the agent.
        kind: "rejected", "service" or "other".
        failures: how many there were before this one.
        seconds: CredentialRetryMaxSleepSeconds as it is written; None if it is not.
    """
    if kind == "rejected":
        day, spread = (24 * 3600, 7200) if numbers(version) < HALF_HOUR else (1500, 300)
        drawn = {day, day + spread}
        return min(drawn), max(drawn)
    longest: int | None = None if numbers(version) < HALF_HOUR else 1800
    if numbers(version) >= CAPPED_REFRESHER and isinstance(seconds, int) and 60 <= seconds <= 1800:
        longest = seconds
    base = 2 ** min(failures, 16)
    plain = {base + jitter for jitter in (*range(min(ceil(0.2 * base), 400)), max(0, ceil(0.2 * base) - 1))}
    if kind == "service":
        plain = {one + 10 + jitter for one in plain for jitter in range(10)}
    drawn = set()
    for one in plain:
        if longest is not None and one > longest:
            drawn |= {longest - jitter for jitter in range(min(300, longest))}
        else:
            drawn.add(one)
    return min(drawn), max(drawn)
