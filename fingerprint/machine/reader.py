"""Compare the rights of the process that reads a machine with those of the agent, which reads as unrestricted root."""

from __future__ import annotations

import os
import sys

from fingerprint._io.permissions import AS_ADMINISTRATOR, AS_ROOT, record_again
from fingerprint.types import Value

_CAP_SYS_RAWIO = 17
# linux/proc_ns.h: PROC_USER_INIT_INO.
_FIRST_NAMESPACE = "user:[4026531837]"


class Reader(Value):
    """The process that read a machine.

    Attributes:
        uid: its user's number; None on Windows, and if unknown (snapshots of older versions).
        as_agent: whether it has all rights of the agent: True for root with the capabilities of the first process
            (Windows: an administrator); False for a user, and for root in a user namespace, in a unit with a
            CapabilityBoundingSet or behind a system call filter; None if unknown.
        raw_io: whether root may open /dev/mem here at all (CAP_SYS_RAWIO of the first process): False in most
            containers; None if unknown.
        live: whether this process reads the machine itself; False for a recorded one.
    """

    uid: int | None = None
    as_agent: bool | None = None
    raw_io: bool | None = None
    live: bool = False

    def remedy(self, platform: str) -> str:
        """Return the remedy to read more of a machine of a platform; "" for a process with the rights of the agent."""
        if self.as_agent:
            return ""
        if not self.live:
            return record_again(platform)
        if self.uid == 0:
            return "Run it with all rights of root: this process lacks some, as in a container or a confined unit"
        return AS_ROOT if self.uid is not None else AS_ADMINISTRATOR


def live_reader(proc: str = "/proc") -> Reader:
    """Return this process as a reader.

    Args:
        proc: the directory of the processes, for tests.
    """
    if not hasattr(os, "geteuid"):
        from fingerprint.machine.windows import is_administrator

        return Reader(None, is_administrator(), None, True)
    uid = os.geteuid()
    if not sys.platform.startswith("linux"):
        return Reader(uid, uid == 0, None, True)
    mine, first = _status(proc, "self"), _status(proc, "1")
    bounds = _mask(first, "CapBnd")
    raw_io = None if bounds is None else bool(bounds >> _CAP_SYS_RAWIO & 1)
    return Reader(uid, uid == 0 and _is_unbound(proc, mine, first), raw_io, True)


def _is_unbound(proc: str, mine: dict[str, str], first: dict[str, str]) -> bool:
    """Return whether root here has the rights of the first process of the system, which starts the agent."""
    have, bounds = _mask(mine, "CapEff"), _mask(first, "CapBnd")
    if have is None or bounds is None or bounds & ~have:
        return False
    if mine.get("Seccomp", "0") != "0" and first.get("Seccomp", "0") == "0":
        return False
    try:
        here = os.readlink(f"{proc}/self/ns/user")
        # No namespace is above the first one; reading that of the first process may be denied even there.
        return here == _FIRST_NAMESPACE or here == os.readlink(f"{proc}/1/ns/user")
    except FileNotFoundError:
        # A kernel without user namespaces.
        return True
    except OSError:
        # Root of another namespace may not read it.
        return False


def _mask(status: dict[str, str], name: str) -> int | None:
    try:
        return int(status[name], 16)
    except (KeyError, ValueError):
        return None


def _status(proc: str, pid: str) -> dict[str, str]:
    try:
        with open(f"{proc}/{pid}/status", "rb") as file:
            lines = file.read().decode("utf-8", "replace").split("\n")
    except OSError:
        return {}
    parts = (line.partition(":") for line in lines)
    return {name: value.strip() for name, _, value in parts}
