"""Times as text: RFC 3339 in UTC, and the date of a node's key as Go prints it."""

from __future__ import annotations

_CYCLE_SECONDS = 146097 * 24 * 3600
_FIRST_SECOND = -62135596800
_LAST_SECOND = 253402300799
UNDATED_DAYS = 3650
_NANOSECONDS = 10**9
_DATE = r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(\.\d{1,9})? ([+-])(\d\d)(\d\d)(?: |$)"


def created_date(nanoseconds: int) -> str:
    """Return a time as Go prints it into `privateKeyCreatedDate`: UTC, the zeros at the end of the fraction cut.

    Args:
        nanoseconds: since 1970-01-01 UTC.
    """
    import time

    seconds, rest = divmod(nanoseconds, _NANOSECONDS)
    fraction = f".{rest:09}".rstrip("0").rstrip(".")
    return f"{time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(seconds))}{fraction} +0000 UTC"


def age_in_days(created: str, now: float) -> int | None:
    """Return the whole days since a `privateKeyCreatedDate`; None for a text that is no date.

    A key without a date counts as ten years old, as for the reference; one of the future as made now, so
    that a clock that jumps changes no key.

    Args:
        created: `YYYY-MM-DD HH:MM:SS[.fraction] +hhmm ZONE`; the zone's name says nothing.
        now: seconds since 1970-01-01 UTC.
    """
    if not created:
        return UNDATED_DAYS
    moment = created_seconds(created)
    return None if moment is None else int(max(now - moment, 0.0) // 86400)


def created_seconds(created: str) -> float | None:
    """Return the time of a `privateKeyCreatedDate`, seconds since 1970-01-01 UTC; None for a text that is no date."""
    # Imported here: the command line formats times and parses none at its start.
    import re
    import time
    from calendar import timegm

    found = re.match(_DATE, created, re.ASCII)
    if not found:
        return None
    try:
        moment = timegm(time.strptime(found[1], "%Y-%m-%d %H:%M:%S"))
    except ValueError:
        return None
    offset = int(found[4]) * 3600 + int(found[5]) * 60
    return moment - (-offset if found[3] == "-" else offset) + float(found[2] or 0)


def utc(seconds: float) -> str:
    """Return a time as RFC 3339 in UTC, with whole seconds; one that is beyond the years 1 to 9999 as their end."""
    from time import gmtime

    # The calendar repeats itself after 400 years, and not every system knows other years than these.
    cycles, rest = divmod(int(min(_LAST_SECOND, max(_FIRST_SECOND, seconds)) // 1), _CYCLE_SECONDS)
    year, month, day, hour, minute, second = gmtime(rest)[:6]
    return f"{year + 400 * cycles:04d}-{month:02d}-{day:02d}T{hour:02d}:{minute:02d}:{second:02d}Z"
