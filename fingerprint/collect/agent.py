"""Since when the agent runs: it looks at the hardware once, when it starts."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = ("amazon-ssm-agent", "ssm-agent-worker")
# The kernel keeps so many characters of a name.
_NAME_KEPT = 15
# Field 22 of /proc/PID/stat, counted from what follows the name, which is in brackets.
_START_AFTER_NAME = 19


def agent_started(proc: str = "/proc") -> float | None:
    """Return when the oldest running agent process was started, in seconds since 1970-01-01 UTC.

    None where none runs, or where this system does not tell.

    Args:
        proc: the folder of the processes, for tests.
    """
    started = [ticks for ticks in _starts(proc) if ticks is not None]
    booted = _booted(proc)
    if not started or booted is None:
        return None
    return booted + min(started) / os.sysconf("SC_CLK_TCK")


def _starts(proc: str) -> Iterator[int | None]:
    wanted = tuple(name[:_NAME_KEPT] for name in NAMES)
    try:
        folders = os.listdir(proc)
    except OSError:
        return
    for folder in folders:
        if folder.isdigit():
            line = _read(os.path.join(proc, folder, "stat"))
            head, _, rest = line.rpartition(")")
            if head.partition("(")[2] in wanted:
                fields = rest.split()
                yield int(fields[_START_AFTER_NAME]) if len(fields) > _START_AFTER_NAME else None


def _booted(proc: str) -> float | None:
    for line in _read(os.path.join(proc, "stat")).split("\n"):
        if line.startswith("btime "):
            return float(line.split()[1])
    return None


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read()
    except OSError:
        # The process ended meanwhile.
        return ""
