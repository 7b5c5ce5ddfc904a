"""Drop-ins of systemd that run `fingerprint guard` before each start of the agent.

The line is an `ExecCondition=`, see systemd.service(5): an exit status of 1 to 254 skips the unit, which then neither
failed nor is restarted. Many other things end so: a missing program (203, of sh 127), a usage error (2), a
fork that fails in sh (2), an exception in Python (1). So a shell decides: it blocks the start only if the command ended
with 1 and printed its own word, and starts the agent in all other cases. It also limits the time, as a start that
takes longer than TimeoutStartSec= (90 seconds) has failed.

Nothing else is in the drop-in: all other settings would apply to the agent, too.
"""

from __future__ import annotations

import errno
import os
import stat

from fingerprint._io.atomic import AtomicFile
from fingerprint._io.chroot import on_disk
from fingerprint._io.permissions import rights_remedy
from fingerprint.agent.paths import UNITS
from fingerprint.errors import InputError
from fingerprint.guard import BLOCKED
from fingerprint.machine.service_environment import UNIT_DIRECTORIES, unit_words
from fingerprint.types import Value, Vocabulary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final

    from fingerprint.machine.base import Machine

FILE = "fingerprint-guard.conf"
# Of a run: the command ends itself after the first, is stopped after the second more, and killed after the third more.
LIMIT_SECONDS, STOP_SECONDS, _KILL_SECONDS = 60, 10, 5
TIMEOUTS = ("/usr/bin/timeout", "/bin/timeout")
_MARK = "# Written by `fingerprint guard install`. Do not edit it, install it again. Checksum of the lines below: "
_COMMENT = """\
# The agent starts unless the command says that this is not the machine of its record. It starts also if the command is
# missing, fails or takes too long: docs/guard.md
"""
_SHELL, _NAME = "/bin/sh", "fingerprint-guard"
# The trap also ends a shell that cannot fork. An answer that cannot be written (no journal) changes nothing.
_SCRIPT = (
    'go=0; trap "exit \\$go" EXIT; trap "" PIPE; '
    'said=$({timeout} -k {kill} {seconds} "$@"); code=$?; '
    '[ -z "$said" ] || echo "$said"; '
    'case $code:$said in 1:*"{blocked}"*) go=1;; 0:*);; '
    '*) echo "fingerprint: the check before the start failed (exit status $code): the agent starts without it" >&2;; '
    "esac"
)


class DropInState(Vocabulary):
    """What is at the path of a drop-in: nothing, ours, ours with changes, another file, or it is unreadable."""

    MISSING: Final[DropInState]  # type: ignore[misc]
    INSTALLED: Final[DropInState]  # type: ignore[misc]
    EDITED: Final[DropInState]  # type: ignore[misc]
    FOREIGN: Final[DropInState]  # type: ignore[misc]
    UNREADABLE: Final[DropInState]  # type: ignore[misc]


DropInState.define(
    MISSING="missing", INSTALLED="installed", EDITED="edited", FOREIGN="foreign", UNREADABLE="unreadable"
)


class DropIn(Value):
    """The drop-in of a unit.

    Attributes:
        unit: name of the unit.
        path: as the disk's own system knows it.
        state: what is there.
        words: the command in it, program first, also if it was edited; () if none is known.
        why: why it is unreadable, else "".
    """

    unit: str
    path: str
    state: DropInState
    words: tuple[str, ...] = ()
    why: str = ""

    @property
    def command(self) -> tuple[str, ...]:
        """The command that it runs; () unless it is installed."""
        return self.words if self.state == DropInState.INSTALLED else ()


def installed_units(machine: Machine) -> tuple[str, ...]:
    """Return the units of the agent that are installed."""
    # What the running system made is not on a copied disk.
    directories = [one for one in UNIT_DIRECTORIES if not (machine.copied and one.startswith("/run/"))]
    return tuple(unit for unit in UNITS if any(machine.exists(f"{directory}/{unit}") for directory in directories))


def path_of(unit: str) -> str:
    """Return the path of a unit's drop-in."""
    return f"{UNIT_DIRECTORIES[0]}/{unit}.d/{FILE}"


def replaceable(program: str) -> str:
    """Return the file or directory by which another user than root could replace a program; "" if none could.

    Args:
        program: an absolute path of this host.

    Raises:
        OSError: one cannot be read.
    """
    path = os.path.realpath(program)
    while True:
        status = os.stat(path)
        others = stat.S_IWOTH | (stat.S_IWGRP if status.st_gid != 0 else 0)
        shared = status.st_mode & others and not status.st_mode & stat.S_ISVTX
        if status.st_uid != 0 or shared:
            return path
        if path == os.path.dirname(path):
            return ""
        path = os.path.dirname(path)


def limit_of(one: DropIn) -> int | None:
    """Return the seconds after which the command of a drop-in ends itself; None if that is unknown."""
    following = dict(zip(one.command, one.command[1:], strict=False)).get("--limit", "")
    return int(following) if following.isdigit() else None


def longest(limit: int) -> int:
    """Return the seconds after which a run with a limit has ended in any case."""
    return limit + STOP_SECONDS + _KILL_SECONDS


def content(command: Sequence[str], timeout: str, limit: int) -> bytes:
    """Return the drop-in that runs a command.

    Args:
        command: the program, an absolute path, and its arguments, without quotes, backslashes and control characters.
        timeout: path of the program timeout(1).
        limit: seconds after which the command ends itself.
    """
    script = _SCRIPT.format(timeout=timeout, kill=_KILL_SECONDS, seconds=limit + STOP_SECONDS, blocked=BLOCKED)
    line = " ".join((_SHELL, "-c", f"'{_escaped(script)}'", _NAME, *(_quoted(word) for word in command)))
    text = f"{_COMMENT}[Service]\nExecCondition={line}\n"
    return f"{_MARK}{_checksum(text)}\n{text}".encode()


def script_of(data: bytes) -> tuple[str, ...]:
    """Return the words of the line in a drop-in, as systemd runs it; () without one."""
    for line in data.decode("utf-8", "replace").splitlines():
        name, equals, value = line.partition("=")
        if equals and name == "ExecCondition":
            return tuple(word.replace("$$", "$").replace("%%", "%") for word in unit_words(value))
    return ()


def read_drop_in(root: str, unit: str) -> DropIn:
    """Return the drop-in of a unit.

    Args:
        root: directory of the disk.
        unit: name of the unit.
    """
    path = path_of(unit)
    try:
        data = _read(root, path)
    except FileNotFoundError:
        return DropIn(unit, path, DropInState.MISSING)
    except OSError as error:
        return DropIn(unit, path, DropInState.UNREADABLE, why=error.strerror or str(error))
    if data is None or not data.startswith(_MARK.encode()):
        return DropIn(unit, path, DropInState.FOREIGN)
    first, _, rest = data.partition(b"\n")
    words = script_of(data)
    if first.decode("utf-8", "replace") != _MARK + _checksum(rest.decode("utf-8", "replace")) or len(words) < 5:
        return DropIn(unit, path, DropInState.EDITED, words[4:])
    return DropIn(unit, path, DropInState.INSTALLED, words[4:])


def is_current(root: str, unit: str, data: bytes) -> bool:
    """Return whether the drop-in of a unit has this content."""
    try:
        return _read(root, path_of(unit)) == data
    except OSError:
        return False


def write_drop_in(root: str, unit: str, data: bytes) -> None:
    """Write the drop-in of a unit, complete or not at all, and its directory.

    Raises:
        InputError: it could not be written.
    """
    path = path_of(unit)
    try:
        real = _real(root, path)
        directory = os.path.dirname(real)
        if not os.path.isdir(directory):
            os.makedirs(directory, exist_ok=True)
            # Whatever the umask is: others read the settings of units, too.
            os.chmod(directory, 0o755)
        with AtomicFile(real, replace=True, mode=0o644) as file:
            file.write(data)
    except OSError as error:
        raise _not_changed("written", path, root, error) from None


def remove_drop_in(root: str, unit: str) -> None:
    """Remove the drop-in of a unit, and its directory if that is empty then.

    Raises:
        InputError: it could not be removed.
    """
    path = path_of(unit)
    try:
        real = _real(root, path)
        os.unlink(real)
    except FileNotFoundError:
        return
    except OSError as error:
        raise _not_changed("removed", path, root, error) from None
    try:
        os.rmdir(os.path.dirname(real))
    except OSError:
        # It has other drop-ins.
        return


def _not_changed(what: str, path: str, root: str, error: OSError) -> InputError:
    why = error.strerror or str(error)
    return InputError(f"the drop-in could not be {what} ({why})", where=path, remedy=remedy_for(why, root))


def remedy_for(why: str, root: str) -> str:
    """Return what to do about a drop-in that could not be read or written, by the reason of the system."""
    if why in (os.strerror(errno.EACCES), os.strerror(errno.EPERM)):
        return rights_remedy(copied=root != "/")
    return "Correct the path of the drop-in, and repeat the command"


def _read(root: str, path: str) -> bytes | None:
    """Return the content of a file on the disk; None for what is no regular file, such as a link."""
    real = _real(root, path)
    if not stat.S_ISREG(os.lstat(real).st_mode):
        return None
    descriptor = os.open(real, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        return file.read() if stat.S_ISREG(os.fstat(file.fileno()).st_mode) else None


def _real(root: str, path: str) -> str:
    """Return the path on this host; links lead no further than the root, and the file itself is not followed."""
    directory, name = os.path.split(path)
    return os.path.join(on_disk(root, directory), name)


def _checksum(text: str) -> str:
    # Imported here: only these commands need it.
    from hashlib import sha256

    return sha256(text.encode()).hexdigest()[:16]


def _quoted(word: str) -> str:
    word = _escaped(word)
    return f'"{word}"' if " " in word else word


def _escaped(text: str) -> str:
    """Return a text as systemd reads it in a quoted argument."""
    return text.replace("\\", "\\\\").replace("%", "%%").replace("$", "$$")
