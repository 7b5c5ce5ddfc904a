"""Which files are parts of one log, in which order, and which files of a directory are logs of the agent."""

from __future__ import annotations

import os
import re
import stat
from itertools import combinations

from fingerprint.agent.paths import LOGS, UPDATE_LOG, WORKER
from fingerprint.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# A configuration for Windows may give each program its own log.
_NAMES = (*LOGS, UPDATE_LOG, f"{WORKER}.log")
_PACKED = re.compile(r"\.(?:gz|xz|bz2|zst|zstd|lzma|Z)$")
# What rotation adds to a name: a number, a day or second, ".old".
_NUMBER = re.compile(r"\.(\d{1,4})$")
_DAY = re.compile(r"[-._](\d{4})[-._]?(\d\d)[-._]?(\d\d)(?:[-_.T]?(\d[\d_.-]{0,20}))?$")
_DAY_LAST = re.compile(r"[-._](\d\d)\.(\d\d)\.(\d{4})$")
_SECONDS = re.compile(r"[-._](\d{10})$")
_OLD = re.compile(r"[.-](?:old|bak|prev|previous)$")
_EXTENSION = re.compile(r"\.(?:log|txt)$")
_DEEPEST = 12
_MOST_COMPARED = 100


class Part:
    """A file as part of a log.

    Attributes:
        log: path of the log that it is a part of.
        number: of a numbered part; None for another one.
        day: digits that sort dated parts; "" for another one.
        old: whether it is older than the log itself by its name.
        packed: whether it is compressed by its name.
    """

    def __init__(self, path: str) -> None:
        directory, name = os.path.split(path)
        stem = _PACKED.sub("", name)
        self.packed = stem != name
        self.number: int | None = None
        self.day, bare = _day(_OLD.sub("", stem))
        number = None if self.day else _NUMBER.search(bare)
        if number:
            self.number = int(number[1])
            bare = bare[: number.start()]
        extension = _EXTENSION.search(bare)
        ending = extension[0] if extension else ""
        bare = bare[: len(bare) - len(ending)]
        if not self.day:
            self.day, bare = _day(bare)
        self.old = stem != bare + ending
        self.log = os.path.join(directory, bare + ending)


def _day(bare: str) -> tuple[str, str]:
    """Return the digits of a date at the end of a name, and the name before it."""
    for form in (_DAY_LAST, _SECONDS, _DAY):
        found = form.search(bare)
        if found is None:
            continue
        if form is _DAY_LAST:
            return found[3] + found[2] + found[1], bare[: found.start()]
        if form is _SECONDS:
            return found[1], bare[: found.start()]
        if 1 <= int(found[2]) <= 12 and 1 <= int(found[3]) <= 31:
            parts = re.findall(r"\d+", found[4] or "")
            return "".join((*found.groups()[:3], *(part.rjust(4, "0") for part in parts))), bare[: found.start()]
    return "", bare


def in_order(parts: Sequence[tuple[str, str]]) -> list[int]:
    """Return the positions of the parts of one log, older ones first.

    By their first times; by their names if these are equal or missing. The agent gives the newest of its rotated parts
    the highest number, logrotate the lowest: the times show which it was.

    Args:
        parts: (path, first time with its fraction or "") of each.
    """
    named = [Part(path) for path, _ in parts]
    rises = _rises(parts, named)

    def rank(position: int) -> tuple[bool, str, int]:
        part = named[position]
        number = part.number or 0
        # The log itself is the newest part.
        return not part.old, part.day, number if rises else -number

    timed = all(at for _, at in parts)
    return sorted(range(len(parts)), key=lambda position: (parts[position][1] if timed else "", rank(position)))


def _rises(parts: Sequence[tuple[str, str]], named: Sequence[Part]) -> bool:
    """Return whether a part with a higher number is newer."""
    score = 0
    pairs = [pair for pair in zip(named, (at for _, at in parts), strict=True) if pair[0].number is not None]
    # All pairs of so many parts show it.
    thinned = pairs[:: len(pairs) // _MOST_COMPARED + 1]
    for (one, first), (other, second) in combinations(thinned, 2):
        if one.number is not None and other.number is not None and one.day == other.day and first and second:
            same = (one.number > other.number) == (first > second)
            score += 0 if first == second or one.number == other.number else 1 if same else -1
    if score:
        return score > 0
    return all(os.path.basename(one.log) in LOGS and not one.packed for one in named)


def log_files(paths: Iterable[str]) -> list[str]:
    """Return the files that paths name: of a directory the agent's logs in it or below it.

    Raises:
        InputError: a directory holds no logs, or those of several agents.
    """
    found: list[str] = []
    for path in paths:
        found += _in_directory(path) if path != "-" and os.path.isdir(path) else [path]
    return list(dict.fromkeys(found))


def _in_directory(path: str) -> list[str]:
    by_directory: dict[str, list[str]] = {}
    depth = path.rstrip(os.sep).count(os.sep)
    for directory, directories, names in os.walk(path, onerror=_unreadable):
        if directory.count(os.sep) - depth >= _DEEPEST:
            directories.clear()
        directories.sort()
        logs = sorted(
            path for path in (os.path.join(directory, name) for name in names if _is_agents(name)) if _may_be_file(path)
        )
        if logs:
            by_directory[directory] = logs
    if len(by_directory) > 1 and path not in by_directory:
        several = ", ".join(sorted(by_directory)[:3])
        raise InputError("the directory holds the logs of several agents", where=path,
                         remedy=f"Name one of the directories: {several}")  # fmt: skip
    if by_directory:
        return by_directory.get(path) or next(iter(by_directory.values()))
    # A directory into which logs were copied under other names.
    others = sorted(entry.path for entry in os.scandir(path) if entry.is_file())
    if not others:
        raise InputError("no logs in the directory", where=path, remedy=f"Name files, such as {LOGS[0]}")
    return others


def _is_agents(name: str) -> bool:
    return Part(name).log in _NAMES


def _may_be_file(path: str) -> bool:
    """Return whether a path is a file or unknown: reading a pipe or device that lies in a directory may never end."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except OSError:
        return True


def _unreadable(error: OSError) -> None:
    raise InputError(
        f"the directory could not be read ({error.strerror})",
        where=str(error.filename),
        remedy="Run the command as root",
    ) from None
