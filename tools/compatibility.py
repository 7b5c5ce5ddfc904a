"""Print the tables of docs/compatibility.md out of the data of the package, or put them into the page.

    python tools/compatibility.py            # prints them
    python tools/compatibility.py --write    # replaces them in docs/compatibility.md

A test holds the page to them.
"""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path

from tables import filled_page, print_or_write, table_of

from fingerprint.agent.config_keys import KEYS, Key
from fingerprint.agent.retry_schedule import Failure, next_ping, pause
from fingerprint.agent.versions import FIXED_IN, LOG_LINES, NEWEST_ASSESSED, ROWS, Row

_PINGS_SHOWN = 10
PAGE = Path(__file__).parents[1] / "docs" / "compatibility.md"


def _words(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value in (None, "") else str(value)


def _seconds(value: int | None) -> str:
    if value is None:
        return "none"
    parts = ((value // 3600, "h"), (value % 3600 // 60, "min"), (value % 60, "s"))
    return " ".join(f"{count} {unit}" for count, unit in parts if count) or "0 s"


# Member of a row -> what the page calls it, and how its value reads.
FEATURES = {
    "recipe": "hash of newer Windows",
    "first_threshold": "threshold of a first registration",
    "core_requests": "the core agent requests credentials",
    "logs_success": "it logs that it got credentials",
    "hard_pause": "pause after a rejection",
    "longest_pause": "longest pause after other errors",
    "longest_pause_setting": "setting for that",
    "first_ping_interval": "first interval of pings in hibernation",
    "longest_ping_interval": "longest interval of pings",
    "ping_interval_setting": "setting for that interval",
    "silent_after": "hibernate.log is silent for good after",
    "checks_each_minute": "checks each minute for identity_config.json",
    "sdk": "AWS SDK for Go, which spells the errors",
    "vault_mode": "mode of the vault's directories",
    "owner_setting": "setting for another owner of the vault than root",
    "record_provider": "member provider in the registration record",
    "session_user": "makes the account ssm-user at the start of the agent, or of the first session",
    "restores_sudoers": "writes the sudoers file of that account again",
    "messages_by_ssmmessages": "ec2messages is not needed where ssmmessages answers",
    "dual_stack_setting": "setting for endpoints for both IPv4 and IPv6",
}


def value_of(row: Row, member: str) -> str:
    """Return the value of a row's member as the page shows it."""
    value = getattr(row, member)
    if member == "hard_pause":
        return f"{_seconds(value[0])} to {_seconds(value[1])}"
    if member in ("longest_pause", "first_ping_interval", "longest_ping_interval", "silent_after"):
        return _seconds(value)
    if member == "vault_mode":
        return f"{value:04o}"
    if member == "sdk":
        return str(value or "1 or 2")
    return f"`{value}`" if member.endswith("_setting") and value else _words(value)


def rows_table() -> str:
    """Return the table of the rows."""
    return table_of(("from version", "what changed", "how sure"), *((row.since, row.change, row.sure) for row in ROWS))


def features_table() -> str:
    """Return the table of each feature's values: version, value, how sure."""
    cells = []
    for member, name in FEATURES.items():
        begins = [ROWS[0], *(row for before, row in pairwise(ROWS) if getattr(before, member) != getattr(row, member))]
        cells += [(name if row is begins[0] else "", row.since, value_of(row, member), row.sure) for row in begins]
    return table_of(("feature", "from version", "value", "how sure"), *cells)


def schedules_table() -> str:
    """Return the matrix of versions and tries: pauses of the core agent, and pings of a hibernating worker."""
    members = ("core_requests", "hard_pause", "longest_pause", "longest_pause_setting", "first_ping_interval")
    begins = [
        ROWS[0], *(row for before, row in pairwise(ROWS) if any(getattr(before, m) != getattr(row, m) for m in members))
    ]  # fmt: skip
    cells = []
    for row in begins:
        pauses = [_span(*pause(row, Failure.REJECTED, 0))]
        pauses += [_span(*pause(row, Failure.SERVICE, failures)) for failures in (0, 5, 16)]
        pauses.append(_span(*pause(row, Failure.SERVICE, 16, limit=60)) if row.longest_pause_setting else "")
        pings = [next_ping(row, 0.0, 0.0)]
        while len(pings) < _PINGS_SHOWN:
            pings.append(next_ping(row, 0.0, pings[-1]))
        intervals = ", ".join(f"{at / 60:g}" for at in pings)
        cells.append((row.since, *(pauses if row.core_requests else ["none"] * len(pauses)), intervals))
    return table_of(
        (
            "from version",
            "after a rejection",
            "1st other error",
            "6th",
            "17th",
            "17th, limit 60 s",
            "pings at, minutes",
        ),
        *cells,
    )


def _span(least: float, longest: float) -> str:
    return f"{_seconds(int(least))} to {_seconds(int(longest))}"


def keys_table() -> str:
    """Return the table of the settings that have a range, words, or a version."""
    cells = []
    for section, keys in KEYS.items():
        for name, key in keys.items():
            if key.since or key.until or key.words or key.low is not None:
                known = f"{key.since} on" if key.since else f"up to {key.until}" if key.until else "all"
                default = "" if key.default is None else f"{key.default}"
                cells.append((f"`{section}.{name}`", key.kind, _range(key), default, known))
    return table_of(("setting", "type", "range", "otherwise", "versions"), *cells)


def _range(key: Key) -> str:
    if key.words:
        return ", ".join(key.words)
    if key.low is None:
        return ""
    return f"{key.low} to {key.high}" if key.high is not None else f"{key.low} and more"


def lines_table() -> str:
    """Return the table of the log lines that came or went with a version that is known."""
    known = [line for line in LOG_LINES if line.since or line.until]
    return table_of(
        ("text, in lower case", "taken for", "from", "up to", "how sure"),
        *((f"`{line.text}`", line.kind or "nothing", line.since, line.until, line.sure) for line in known),
    )


def vulnerabilities_table() -> str:
    """Return the table of the vulnerabilities."""
    return table_of(("vulnerability", "fixed in", "how sure"), *((name, fixed, "notes") for name, fixed in FIXED_IN))


TABLES = {
    "newest": lambda: f"The newest version assessed is **{NEWEST_ASSESSED}**.",
    "rows": rows_table,
    "features": features_table,
    "schedules": schedules_table,
    "vulnerabilities": vulnerabilities_table,
    "settings": keys_table,
    "lines": lines_table,
}


def filled(page: str) -> str:
    """Return the page with its tables as they are now. Raises ValueError if a mark is missing in it."""
    return filled_page(page, TABLES)


if __name__ == "__main__":
    sys.exit(print_or_write(sys.argv[1:], PAGE, TABLES))
