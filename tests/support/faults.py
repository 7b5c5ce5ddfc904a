"""Inject faults with strace: each system call on a directory's paths fails in turn, or the process is killed at it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

ERRNOS = ("EIO", "ENOSPC", "EINTR", "EACCES", "EROFS", "EDQUOT", "EMFILE")
# Suffix of a fault that persists, like a failed disk.
FOR_EVER = "EIO+"
KILL = "KILL"

_LINE = re.compile(r"(?:\d+ +)?(\w+)\((.*)\) += (.*)")
_DESCRIPTOR = re.compile(r"(?:AT_FDCWD|\d+)<([^>]*)>")
_PLACE = re.compile(r'(?:(?:AT_FDCWD|\d+)<([^>]*)>(?:, )?)?(?:"((?:[^"\\]|\\.)*)")?')
# Calls whose quoted argument is data, not a path.
_OF_DATA = re.compile(r"p?(?:read|write)(?:v|v2|64)?|getdents64|ioctl|fcntl|mmap")
_READING = re.compile(
    r"p?read(?:v|v2|64)?|getdents64|[fl]?stat|newfstatat|statx|f?access(?:at2?)?|readlink(?:at)?|flock|fcntl"
)
_TAKING = re.compile(r"p?read(?:v|v2|64)?")
_WRITING = re.compile(
    r"p?write(?:v|v2|64)?|f?truncate|fallocate|rename(?:at2?)?|unlink(?:at)?|rmdir|(?:sym)?link(?:at)?|mkdir(?:at)?"
    r"|mknod(?:at)?|creat"
)

_DURABLE_STEPS = ("write", "fsync")


class Fault(NamedTuple):
    """What happens at the n-th call, from 1, of a system call on the watched paths.

    Its kind is an errno's name, with "+" if every later call of that name fails, too; or KILL.
    """

    call: str
    occurrence: int
    kind: str

    def __str__(self) -> str:
        return f"{self.kind} at {self.call} {self.occurrence}"


class Call(NamedTuple):
    """One system call on the watched paths.

    Attributes:
        name: the system call.
        path: what it was called on.
        target: the second path, of a renaming or linking.
        opens_for_writing: whether it opens, and makes or truncates what it opens.
        error: the errno's name it failed with, "" if it succeeded, "?" if it never returned.
        injected: whether it was made to fail.
    """

    name: str
    path: str
    target: str
    opens_for_writing: bool
    error: str
    injected: bool

    @property
    def reads(self) -> bool:
        """Whether the call reads: its failure hides information from the caller."""
        return bool(_READING.fullmatch(self.name)) or (self.name.startswith("open") and not self.opens_for_writing)

    @property
    def writes(self) -> bool:
        """Whether it changed the disk."""
        return not self.error and (bool(_WRITING.fullmatch(self.name)) or self.opens_for_writing)


class Run(NamedTuple):
    """An ended process: exit code (minus the signal that killed it), output and calls."""

    code: int
    output: str
    complaint: str
    calls: list[Call]


def why_not() -> str:
    """Return why no faults can be injected here; "" if they can."""
    if sys.platform != "linux":
        return "strace is for Linux"
    if not shutil.which("strace"):
        return "strace is not installed"
    probe = subprocess.run(
        ["strace", "-qq", "-e", "trace=%file", "-e", "inject=chdir:error=EIO", "true"],
        capture_output=True,
        check=False,
    )
    return "strace may not trace or inject here" if probe.returncode else ""


def restore_copy(template: Path, place: Path, state: Path) -> None:
    """Restore a directory with a vault and its state, so that each run makes the same calls.

    The new directory has another inode, or by chance the same one, so our state gets its new number.
    """
    shutil.rmtree(place)
    shutil.copytree(template, place)
    for noted in state.glob("history/*.place.json"):
        location = json.loads(noted.read_text())
        there = os.stat(os.fsdecode(bytes.fromhex(location["pathBytes"])))
        location.update(device=there.st_dev, inode=there.st_ino)
        noted.write_text(json.dumps(location, separators=(",", ":")) + "\n")


def run(words: Sequence[str], trace: Path, watched: Collection[str] = (), fault: Fault | None = None) -> Run:
    """Run a program under strace, with one fault at most.

    Args:
        words: the program and its arguments.
        trace: the file that strace writes.
        watched: the paths whose calls are seen and counted; () for all.
        fault: what is to happen.
    """
    command = ["strace", "-qq", "-y", "-o", str(trace), "-e", "trace=%file,%desc"]
    for path in sorted(watched):
        command += ["-P", path]
    if fault:
        errno = fault.kind.rstrip("+")
        what = f"signal={KILL}" if fault.kind == KILL else f"error={errno}"
        when = f"{fault.occurrence}{fault.kind.removeprefix(errno)}"
        command += ["-e", f"inject={fault.call}:{what}:when={when}"]
    ended = subprocess.run([*command, *words], capture_output=True, text=True, timeout=60, check=False)
    lines = trace.read_text(errors="surrogateescape").splitlines()
    calls = [call for line in lines if (call := _call(line))]
    return Run(ended.returncode, ended.stdout, ended.stderr, calls)


def paths_within(calls: Sequence[Call], directory: str) -> set[str]:
    """Return a directory and the paths below it that appear in calls."""
    paths = {path for call in calls for path in (call.path, call.target)}
    return {directory, *(path for path in paths if path.startswith(directory + os.sep))}


def faults_of(calls: Sequence[Call], kinds: Sequence[str]) -> list[Fault]:
    """Return every fault that can happen to a program that makes these calls."""
    occurrences = Counter(call.name for call in calls)
    return [
        Fault(name, occurrence, kind)
        for name, times in occurrences.items()
        for occurrence in range(1, times + 1)
        for kind in kinds
    ]


def writes_on_a_failed_read(calls: Sequence[Call], directory: str, record: str, apart: str) -> list[Call]:
    """Return the calls that wrote below a directory after the injected failure of a reading call.

    None if the information was read nevertheless: the next call was the same and succeeded, or the same call succeeded
    later and the record was read again or is known to be missing. Calls that only undo a change do not count.

    Args:
        calls: the calls of one process.
        directory: the directory of the vault.
        record: the path of the record in it.
        apart: a directory that says nothing about the record, as evidence only explains. Nor do the directories that
            it is made in, except the vault's own, until something else in them is found.
    """
    failed = next((at for at, call in enumerate(calls) if call.injected), len(calls))
    if failed == len(calls) or not calls[failed].reads or f"{calls[failed].path}/".startswith(f"{apart}/"):
        return []
    state = os.path.dirname(apart)
    making = any(f"{call.path}/".startswith(f"{apart}/") for call in calls[:failed])
    beside = any(f"{call.path}/".startswith(f"{state}/") and not f"{call.path}/".startswith(f"{apart}/")
                 and call.path != state and not call.error for call in calls[:failed])  # fmt: skip
    if making and not beside and f"{apart}/".startswith(f"{calls[failed].path}/"):
        return []
    wanted, later = calls[failed][:2], calls[failed + 1 :]
    first = next((at for at, call in enumerate(later) if _written_below(call, directory)), len(later))
    answered = [at for at, call in enumerate(later[:first]) if call[:2] == wanted and _is_answered(call)]
    missing = any(f"{record}/".startswith(f"{call.path}/") and call.error == "ENOENT" for call in calls)
    read_anew = any(call.path == record and _TAKING.fullmatch(call.name) and not call.error for call in later[:first])
    if answered and (answered[0] == 0 or missing or read_anew):
        return []
    return [call for call in later if _written_below(call, directory) and not _takes_back(call, calls[:failed])]


def _takes_back(call: Call, earlier: Sequence[Call]) -> bool:
    """Return whether a call exchanges two names that were exchanged already, or removes the new file after that.

    The displaced file could not be compared with what was read, and gets its name back.
    """
    exchanged = [one for one in earlier if one.name == "renameat2" and not one.error]
    if call.name == "unlinkat":
        return any(call.path == one.path for one in exchanged)
    return call.name == "renameat2" and any(call[:3] == one[:3] for one in exchanged)


def _is_answered(call: Call) -> bool:
    """Return whether a call gave information, if only that the file is missing."""
    return call.reads and call.error in ("", "ENOENT")


def was_written(calls: Sequence[Call], directory: str) -> bool:
    """Return whether anything below a directory, or the directory itself, was changed."""
    return any(_written_below(call, directory) for call in calls)


def was_made_durable(calls: Sequence[Call], path: str) -> bool:
    """Return whether a file was renamed into its place with its bytes on disk, and then its name."""
    renamed = [at for at, call in enumerate(calls) if call.target == path and not call.error]
    if not renamed:
        return False
    before, after = calls[: renamed[-1]], calls[renamed[-1] :]
    source = calls[renamed[-1]].path
    steps = [call.name for call in before if call.path == source and not call.error and call.name in _DURABLE_STEPS]
    synced = any(call[:2] == ("fsync", os.path.dirname(path)) and not call.error for call in after)
    return tuple(steps[-2:]) == _DURABLE_STEPS and synced


def _written_below(call: Call, directory: str) -> bool:
    return call.writes and any(
        path == directory or path.startswith(directory + os.sep) for path in (call.path, call.target)
    )


def _call(line: str) -> Call | None:
    found = _LINE.match(line)
    if not found:
        return None
    name, arguments, result = found.groups()
    if _OF_DATA.fullmatch(name):
        descriptor = _DESCRIPTOR.match(arguments)
        path, target, opens = descriptor[1] if descriptor else "", "", False
    else:
        path, rest = _place(arguments)
        target = _place(rest)[0] if name.startswith(("rename", "link")) else ""
        opens = name.startswith("open") and bool(re.search(r"O_CREAT|O_TRUNC", arguments))
    error = result.split()[1] if result.startswith("-1 ") else "?" * result.startswith("?")
    return Call(name, path, target, opens, error, result.endswith("(INJECTED)"))


def _place(arguments: str) -> tuple[str, str]:
    """Return the path that the first arguments name (a directory's descriptor, a name, or both), and the rest."""
    found = _PLACE.match(arguments)
    if not found:
        return "", arguments
    path = os.path.normpath(os.path.join(found[1] or "", found[2] or ""))
    return path, arguments[found.end() :].removeprefix(", ")
