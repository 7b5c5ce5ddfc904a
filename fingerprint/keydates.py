"""When a node's key was made, as Go prints it into `privateKeyCreatedDate`; needs nothing of cryptography."""

from __future__ import annotations

import re
import time
from calendar import timegm

UNDATED_DAYS = 3650
_NANOSECONDS = 10**9
_DATE = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(\.\d{1,9})? ([+-])(\d\d)(\d\d)(?: |$)", re.ASCII)


def created_date(nanoseconds: int) -> str:
    """Return a time as Go prints it into `privateKeyCreatedDate`: UTC, the zeros at the end of the fraction cut.

    Args:
        nanoseconds: since 1970-01-01 UTC.
    """
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
    found = _DATE.match(created)
    if not found:
        return None
    try:
        moment = timegm(time.strptime(found[1], "%Y-%m-%d %H:%M:%S"))
    except ValueError:
        return None
    offset = int(found[4]) * 3600 + int(found[5]) * 60
    return moment - (-offset if found[3] == "-" else offset) + float(found[2] or 0)
