"""Time and level of a log line in any format, and the same line in the format of the agent's own configuration.

The operator may change seelog.xml: other verbs (%Ns, %Level, %Lev, %l, %Date with any layout of Go), other order, other
brackets, JSON. Without a usable configuration seelog writes its default format, `%Ns [%Level] %Msg`.
"""

from __future__ import annotations

import re
from functools import lru_cache

from fingerprint._io.times import local, local_seconds
from fingerprint.agent.logs.kinds import kind_of, level_of

_MONTHS = {name: number for number, name in enumerate(
    ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), 1)}  # fmt: skip
_CLOCK = r"(?P<h>\d{1,2}):(?P<mi>\d\d):(?P<s>\d\d)(?:[.,](?P<f>\d{1,9}))?"
_LEVEL_NAMES = r"TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|CRITICAL|FATAL|TRC|DBG|INF|WRN|ERR|CRT"
_NAME_OF_ZONE = rf"(?: (?!(?:{_LEVEL_NAMES})\b)[A-Z]{{3,5}}(?= ))?"
_ZONE = rf"(?: ?(?P<z>Z|UTC|GMT|[+-]\d\d:?\d\d)(?![\w:]))?{_NAME_OF_ZONE}"
_HALF = r"(?: ?(?P<ap>[AaPp][Mm])\b)?"
_MONTH = r"(?P<mon>Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}"
_WEEKDAY = r"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]{0,6},? )?"
# Dates in the layouts that programs write; a group that a layout lacks is not known.
_TIMES = tuple(
    re.compile(pattern)
    for pattern in (
        rf"{_WEEKDAY}(?P<y>[12]\d{{3}})[-/.](?P<mo>\d\d)[-/.](?P<d>\d\d)[Tt _]{_CLOCK}{_HALF}{_ZONE}",
        r"(?P<y>[12]\d{3})(?P<mo>\d\d)(?P<d>\d\d)[T _-](?P<h>\d\d):?(?P<mi>\d\d):?(?P<s>\d\d)"
        rf"(?:[.,](?P<f>\d{{1,9}}))?(?!\d){_ZONE}",
        r"(?P<e>\d{19}|\d{16}|\d{13}|\d{10}(?:\.\d{1,9})?)(?![\w.])",
        rf"{_WEEKDAY}(?P<d>\d{{1,2}})[ /-]{_MONTH}[ /-](?P<y>[12]\d{{3}}|\d\d)[ :T]{_CLOCK}{_HALF}{_ZONE}",
        rf"{_WEEKDAY}{_MONTH} {{1,2}}(?P<d>\d{{1,2}}),? {_CLOCK}{_HALF}(?: (?P<z>UTC|GMT)|{_NAME_OF_ZONE}) "
        r"(?P<y>[12]\d{3})\b",
        rf"{_WEEKDAY}{_MONTH} {{1,2}}(?P<d>\d{{1,2}}),? (?P<y>[12]\d{{3}}),? {_CLOCK}{_HALF}{_ZONE}",
        rf"(?P<y>[12]\d{{3}})[ -]{_MONTH}[ -](?P<d>\d{{1,2}})[ /T]{_CLOCK}{_HALF}{_ZONE}",
        rf"(?P<d>\d{{1,2}})\.(?P<mo>\d{{1,2}})\.(?P<y>[12]\d{{3}}),? {_CLOCK}{_HALF}{_ZONE}",
        # Month or day first: only a number above 12, or a clock of twelve hours, shows which.
        rf"(?P<a>\d{{1,2}})[/-](?P<b>\d{{1,2}})[/-](?P<y>[12]\d{{3}}),? {_CLOCK}{_HALF}{_ZONE}",
        rf"{_CLOCK}{_HALF} (?P<y>[12]\d{{3}})[-/](?P<mo>\d\d)[-/](?P<d>\d\d)\b",
        rf"{_WEEKDAY}{_MONTH} {{1,2}}(?P<d>\d{{1,2}}) {_CLOCK}{_NAME_OF_ZONE}",
        rf"{_CLOCK}{_HALF}",
    )
)  # fmt: skip
_TIMES_IN_DIGITS = tuple(pattern for pattern in _TIMES if not pattern.pattern.startswith(f"{_WEEKDAY}{_MONTH}"))
_LEVEL = re.compile(
    r"(?P<level>trace|trc|debug|dbg|information|info|inf|notice|warning|warn|wrn|error|err|critical|crit|crt|fatal)"
    r"(?![\w.-])", re.IGNORECASE,
)  # fmt: skip
_SHORTEST = re.compile(r"(?P<level>[tdiwec])(?=[\]\s|:,;)}\"])", re.IGNORECASE)
_OF_LETTER = {
    "t": "TRACE",
    "d": "DEBUG",
    "i": "INFO",
    "n": "INFO",
    "w": "WARN",
    "e": "ERROR",
    "c": "CRITICAL",
    "f": "CRITICAL",
}
_BETWEEN = re.compile(r"[\s\[\](){}|<>,;\"'=:-]*")
_KEY = re.compile(
    r"\"?(?:asctime|timestamp|time|date|datetime|ts|level|lvl|severity|loglevel|logger|caller|pid)\"?[ \t]?[=:]"
    r"[ \t]?\"?",
    re.IGNORECASE,
)
# A part in brackets, a file with its line, the number of a process or the name of a host, before the level.
_ASIDE = re.compile(
    r"[\[(][^\])\n]{0,80}[\])]|\w{1,60}\.go[.:]\d{1,6}|\d{1,7}(?= )|"
    r"[\w.-]{1,63}(?= (?:TRACE|DEBUG|INFO|WARN|ERROR|CRITICAL) )"
)
_CLOSE = re.compile(r"[\])}>\"'|,;:=\s-]*")
_MESSAGE_KEY = re.compile(r"\{?[\s,]?\"?(?:msg|message|text)\"?[ \t]?[=:][ \t]?(?P<quote>\"?)", re.IGNORECASE)
_ENDS = '"} \t\r'
_TOKENS_MOST = 8


class Head:
    """The beginning of a line.

    Attributes:
        at: "YYYY-MM-DD HH:MM:SS", as written; "" without a complete one.
        fraction: of the second, such as ".1234"; "" without one.
        ahead: seconds by which `at` is ahead of UTC; None if the line does not show it.
        level: one of LEVELS; "" without one.
        timed: whether there is a time, complete or not.
        doubtful: whether the level may be the first word of the message.
        rest: the message.
    """

    def __init__(self) -> None:
        self.at = self.fraction = self.level = self.rest = ""
        self.ahead: int | None = None
        self.timed = self.doubtful = False


def head_of(text: str) -> Head | None:
    """Return the head of a line; None if it begins with neither a time nor a level."""
    head, position, end = Head(), 0, 0
    aside = 0
    for _ in range(_TOKENS_MOST):
        begin = _BETWEEN.match(text, position).end()  # type: ignore[union-attr]  # it matches everywhere
        found = None if head.timed else _time(text, begin, head)
        if found is None and not head.level:
            found = _level(text, begin, head, bracketed=text[max(0, begin - 1) : begin] in ("[", "(", "<", '"', "="))
        if found is not None:
            position = end = found
            continue
        key = _KEY.match(text, begin)
        if key:
            position = key.end()
            continue
        skipped = _ASIDE.match(text, _past_blanks(text, position)) if head.timed and not head.level else None
        if not skipped or aside == 2:
            break
        aside += 1
        position = skipped.end()
    if not end:
        return None
    return _with_rest(head, text, end)


def normalized(
    text: str, outer: str = "", ahead: int | None = None, zones: set[int | None] | None = None
) -> str | None:
    """Return a line in the agent's format, "YYYY-MM-DD HH:MM:SS.fraction LEVEL message"; None for another program's.

    Args:
        text: the line, without what a journal or a container put before it.
        outer: the time of the journal or container in any form, for a line without one.
        ahead: seconds by which the log's local time is ahead of UTC; None if unknown, and times with a zone stay as
            they are written.
        zones: takes the offset of the time from UTC, None for an unknown one.
    """
    head = head_of(text)
    if head is not None and head.doubtful and kind_of(head.rest) is None and kind_of(text) is not None:
        # "Error" was the first word of the message.
        head = head_of_time(text)
    level = head.level if head else ""
    if not level:
        kind = kind_of(head.rest if head else text)
        if kind is None:
            return None
        level = level_of(kind)
    if head is not None and head.at:
        time = shifted(head.at, head.ahead, ahead) + head.fraction
        if zones is not None:
            zones.add(head.ahead)
    else:
        time = time_of(outer, ahead) if outer else ""
    message = text if head is None else head.rest
    return f"{time} {level} {message}" if time else f"{level} {message}"


def head_of_time(text: str) -> Head | None:
    """Return the head of a line whose level is not written; None without a time."""
    head = Head()
    end = _time(text, _BETWEEN.match(text).end(), head)  # type: ignore[union-attr]
    return None if end is None else _with_rest(head, text, end)


def time_of(text: str, ahead: int | None = None) -> str:
    """Return the time at the beginning of a text as "YYYY-MM-DD HH:MM:SS" and its fraction; "" without one."""
    head = Head()
    return shifted(head.at, head.ahead, ahead) + head.fraction if _time(text, 0, head) and head.at else ""


def shifted(at: str, of_line: int | None, of_log: int | None) -> str:
    """Return a time in the log's local time, if both offsets from UTC are known; else as it is."""
    if of_line is None or of_log is None or of_line == of_log:
        return at
    seconds = local_seconds(at, of_line)
    return at if seconds is None else local(seconds + of_log)


def _with_rest(head: Head, text: str, end: int) -> Head:
    end = _CLOSE.match(text, end).end()  # type: ignore[union-attr]
    key = _MESSAGE_KEY.match(text, end)
    if key:
        rest = text[key.end() :]
        head.rest = rest.rstrip(_ENDS) if key["quote"] else rest
    else:
        rest = text[end:]
        head.rest = rest.rstrip('"') if text[:1] == '"' else rest
    return head


def _past_blanks(text: str, position: int) -> int:
    while text[position : position + 1] == " ":
        position += 1
    return position


def _level(text: str, begin: int, head: Head, *, bracketed: bool) -> int | None:
    found = _LEVEL.match(text, begin)
    if found:
        word, after = found["level"], text[found.end() : found.end() + 1]
        # "Error occurred ..." is a message.
        if not (bracketed or head.timed or word.isupper() or after in ("]", ":", "|")):
            return None
    else:
        found = _SHORTEST.match(text, begin) if bracketed or head.timed else None
        if not found or (text[found.end() : found.end() + 1] not in ("]", ")") and bracketed and not head.timed):
            return None
        word = found["level"]
    head.doubtful = not bracketed and not word.isupper()
    head.level = _OF_LETTER["c" if word.lower().startswith("c") else word[0].lower()]
    return found.end()


def _time(text: str, begin: int, head: Head) -> int | None:
    """Put the time at an offset of a line into its head, and return where it ends; None without one."""
    first = text[begin : begin + 1]
    for pattern in _TIMES if first.isalpha() else _TIMES_IN_DIGITS if first.isdigit() else ():
        found = pattern.match(text, begin)
        if found is None:
            continue
        parts = found.groupdict()
        if parts.get("e"):
            _epoch(parts["e"], head)
        else:
            at = _local(parts)
            if at is None:
                continue
            head.at, head.fraction, head.ahead = at, f".{parts['f']}" if parts.get("f") else "", _ahead(parts.get("z"))
        head.timed = True
        return found.end()
    return None


def _epoch(digits: str, head: Head) -> None:
    seconds, dot, fraction = digits.partition(".")
    seconds, fraction = seconds[:10], fraction if dot else seconds[10:]
    head.at, head.fraction, head.ahead = _second(seconds), f".{fraction}" if fraction else "", 0


@lru_cache(maxsize=256)
def _second(seconds: str) -> str:
    return local(int(seconds))


def _local(parts: dict[str, str | None]) -> str | None:
    """Return a date and time; "" if the line does not show which date it is, None if no calendar has it."""
    hour = int(parts["h"] or 0)
    if parts.get("ap"):
        hour = hour % 12 + (12 if (parts["ap"] or "").lower() == "pm" else 0)
    clock = f"{hour:02}:{parts['mi']}:{parts['s']}"
    year = parts.get("y") or ""
    if not (hour <= 23 and int(parts["mi"] or 0) <= 59 and int(parts["s"] or 0) <= 60):
        return None
    if not year:
        return ""
    day, month = parts.get("d"), parts.get("mo")
    if parts.get("mon"):
        month = str(_MONTHS[parts["mon"] or ""])
    if parts.get("a"):
        day, month = _ordered(int(parts["a"] or 0), int(parts["b"] or 0), bool(parts.get("ap")))
        if not day:
            return ""
    # A day that its month lacks is kept as it is written.
    valid = 1 <= int(month or 0) <= 12 and 1 <= int(day or 0) <= 31
    return f"{'20' * (len(year) == 2)}{year}-{int(month or 0):02}-{int(day or 0):02} {clock}" if valid else None


def _ordered(first: int, second: int, twelve_hours: bool) -> tuple[str, str]:
    """Return day and month of a date of two numbers; "" for both if they may be either."""
    if second > 12 or (twelve_hours and first <= 12):
        return str(second), str(first)
    return (str(first), str(second)) if first > 12 or first == second else ("", "")


def _ahead(zone: str | None) -> int | None:
    if not zone:
        return None
    if zone in ("Z", "UTC", "GMT"):
        return 0
    digits = zone[1:].replace(":", "")
    return (int(digits[:2]) * 3600 + int(digits[2:]) * 60) * (-1 if zone[0] == "-" else 1)
