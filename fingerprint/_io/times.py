"""Read and write times as text; numbers are seconds since 1970-01-01 UTC.

Formats: RFC 3339 (ours, the service's, and what Go writes as JSON), the date of a node's key as Go prints it, local
times of logs, the basic format of ISO 8601 that requests are signed with, and the dates of HTTP.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime

UNDATED_DAYS = 3650
_CYCLE_SECONDS = 146097 * 24 * 3600
_FIRST_SECOND = -62135596800
_LAST_SECOND = 253402300799
_DAY_SECONDS = 86400
_NANOSECONDS = 10**9
_MOST_OFFSET_HOURS = 23


def utc(seconds: float) -> str:
    """Return a time as RFC 3339 in UTC, to the second; times outside the years 1 to 9999 are clamped."""
    year, month, day, hour, minute, second = _fields(seconds)
    return f"{year:04d}-{month:02d}-{day:02d}T{hour:02d}:{minute:02d}:{second:02d}Z"


def local(seconds: float) -> str:
    """Return a local time, given in seconds as if in UTC, as logs write it: 2026-11-24 10:00:00."""
    return utc(seconds)[:19].replace("T", " ")


def basic(seconds: float) -> str:
    """Return a time in the basic format of ISO 8601, in UTC: 20261124T100000Z."""
    return utc(seconds).replace("-", "").replace(":", "")


def http_date(seconds: float) -> str:
    """Return a time as HTTP has it: Tue, 24 Nov 2026 10:00:00 GMT."""
    from email.utils import formatdate

    return formatdate(seconds, usegmt=True)


def created_date(nanoseconds: int) -> str:
    """Return a time as Go writes it to `privateKeyCreatedDate`: in UTC, without zeros at the end of the fraction.

    Args:
        nanoseconds: since 1970-01-01 UTC.
    """
    seconds, rest = divmod(nanoseconds, _NANOSECONDS)
    fraction = f".{rest:09}".rstrip("0").rstrip(".")
    return f"{local(seconds)}{fraction} +0000 UTC"


def age_in_days(created: str, now: float) -> int | None:
    """Return the full days since a `privateKeyCreatedDate`; None for an invalid date.

    A key without a date counts as ten years old, as in the reference; a date in the future counts as now, so that a
    jump of the clock rotates no key.

    Args:
        created: `YYYY-MM-DD HH:MM:SS[.fraction] +hhmm ZONE`; the name of the zone is ignored.
        now: seconds since 1970-01-01 UTC.
    """
    if not created:
        return UNDATED_DAYS
    moment = created_seconds(created)
    return None if moment is None else int(max(now - moment, 0.0) // _DAY_SECONDS)


def created_seconds(created: str) -> float | None:
    """Return the time of a `privateKeyCreatedDate`; None for an invalid date.

    A date that Go rejects, such as a leap second, is also invalid; the agent never replaces such a key.
    """
    read = _read(created)
    if read is None or not _to_the_second(created) or created[10] != " " or read[2][:1] != " ":
        return None
    seconds, nanoseconds, rest = read
    offset = rest[1:].partition(" ")[0]
    ahead = _offset(offset) if len(offset) == len("+0000") else None
    return None if ahead is None or created[17:19] == "60" else seconds - ahead + nanoseconds / _NANOSECONDS


def seconds_of(text: str) -> float | None:
    """Return a time of RFC 3339; None for an invalid one, or one without offset from UTC."""
    read = _read(text)
    offset = None if read is None or not _to_the_second(text) else _offset(read[2])
    return None if read is None or offset is None else read[0] - offset + read[1] / _NANOSECONDS


def moment(text: str) -> datetime | None:
    """Return a time as a datetime in UTC, None if Python cannot represent it; without an offset it is in UTC."""
    from datetime import datetime, timedelta, timezone

    read = _read(text)
    offset = None if read is None else 0 if not read[2] else _offset(read[2])
    if read is None or offset is None:
        return None
    try:
        return datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(
            seconds=read[0] - offset, microseconds=read[1] // 1000
        )
    except OverflowError:
        # With an offset, the first and last hours of the calendar are outside of its years.
        return None


def local_seconds(at: str, offset: int | None = 0) -> float | None:
    """Return a local time, such as 2026-11-24 10:00:00; None for an invalid one.

    Args:
        at: the time.
        offset: seconds by which it is ahead of UTC; None for the rules of this host's time zone, including summer time.
    """
    read = _read(at)
    if read is None or read[2]:
        return None
    seconds = read[0] + read[1] / _NANOSECONDS
    if offset is not None:
        return seconds - offset
    from datetime import datetime, timedelta

    try:
        return (datetime(1970, 1, 1) + timedelta(seconds=seconds)).timestamp()
    except (ValueError, OverflowError, OSError):
        return None


def basic_seconds(text: str) -> float | None:
    """Return a time in the basic format of ISO 8601, in UTC; None for an invalid one."""
    parts = (text[:4], text[4:6], text[6:8], text[9:11], text[11:13], text[13:15])
    if len(text) != 16 or text[8] != "T" or text[15] != "Z":
        return None
    return seconds_of("{}-{}-{}T{}:{}:{}Z".format(*parts))


def http_seconds(date: str) -> float | None:
    """Return a date of HTTP; None for an invalid one. A date with "-0000", or without zone, is in UTC."""
    from datetime import timezone
    from email.utils import parsedate_to_datetime

    try:
        parsed = parsedate_to_datetime(date)
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=timezone.utc)).timestamp()
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def _fields(seconds: float) -> tuple[int, int, int, int, int, int]:
    from time import gmtime

    # The calendar repeats after 400 years, and some systems support no other years.
    cycles, rest = divmod(int(min(_LAST_SECOND, max(_FIRST_SECOND, seconds)) // 1), _CYCLE_SECONDS)
    year, month, day, hour, minute, second = gmtime(rest)[:6]
    return year + 400 * cycles, month, day, hour, minute, second


def _read(text: str) -> tuple[int, int, str] | None:
    """Return the seconds, as if of UTC, and nanoseconds of a date and perhaps a time of day, and what follows.

    Without `strptime`, which imports `re`, which takes longer than a check. None without a date at the start.
    """
    year, month, day = _number(text[:4], 4), _number(text[5:7], 2), _number(text[8:10], 2)
    if text[4:5] != "-" or text[7:8] != "-" or not year >= 1 or not 1 <= month <= 12:
        return None
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if not 1 <= day <= (28 + leap if month == 2 else 31 - (month in (4, 6, 9, 11))):
        return None
    rest = text[10:]
    hour = minute = second = nanoseconds = 0
    if rest[:1] in ("T", "t", " ") and rest[3:4] == ":":
        hour, minute, rest = _number(rest[1:3], 2), _number(rest[4:6], 2), rest[6:]
        if rest[:1] == ":":
            second, rest = _number(rest[1:3], 2), rest[3:]
            if rest[:1] == ".":
                after = rest[1:].lstrip("0123456789")
                digits = rest[1 : len(rest) - len(after)]
                if not digits:
                    return None
                nanoseconds, rest = int(digits[:9].ljust(9, "0")), after
    # A second of 60 is a leap second.
    if not (0 <= hour <= 23 and 0 <= minute <= 59 and 0 <= second <= 60):
        return None
    # Days of the proleptic Gregorian calendar, with years that begin in March.
    shifted = year - (month <= 2)
    days = 365 * shifted + shifted // 4 - shifted // 100 + shifted // 400
    days += (153 * ((month - 3) % 12) + 2) // 5 + day - 719469
    return ((days * 24 + hour) * 60 + minute) * 60 + second, nanoseconds, rest


def _to_the_second(text: str) -> bool:
    """Return whether a text that `_read` reads has a time of day with seconds."""
    return text[13:14] == ":" and text[16:17] == ":"


def _offset(text: str) -> int | None:
    """Return the seconds by which "Z", "+02:00", "+0200" or "+02" is ahead of UTC; None for other text."""
    if text in ("Z", "z"):
        return 0
    digits = text[1:3] + (text[4:] if text[3:4] == ":" else text[3:])
    if text[:1] not in ("+", "-") or len(digits) not in (2, 4) or text.endswith(":"):
        return None
    hours, minutes = _number(digits[:2], 2), _number(digits[2:], 2) if len(digits) == 4 else 0
    if not 0 <= hours <= _MOST_OFFSET_HOURS or not 0 <= minutes <= 59:
        return None
    return (hours * 60 + minutes) * (-60 if text[0] == "-" else 60)


def _number(text: str, digits: int) -> int:
    """Return the number in a text of exactly `digits` digits, -1 for any other text."""
    return int(text) if len(text) == digits and text.isascii() and text.isdigit() else -1
