"""Return the remedy for a read that the operating system denies.

It never advises root to become root.
"""

from __future__ import annotations

import os

_STATUS = "/proc/self/status"
_USER_MAP = "/proc/self/uid_map"
_LOCKDOWN = "/sys/kernel/security/lockdown"
# Capabilities that reading the files, devices and processes of a machine may need: bit of the mask, name.
_CAPABILITIES = (
    (1, "CAP_DAC_OVERRIDE"), (2, "CAP_DAC_READ_SEARCH"), (17, "CAP_SYS_RAWIO"), (19, "CAP_SYS_PTRACE"),
    (21, "CAP_SYS_ADMIN"),
)  # fmt: skip


AS_ROOT, AS_ADMINISTRATOR = "Run it as root", "Run it as Administrator"


def is_root() -> bool:
    """Return whether this process runs as root, on Windows as an administrator."""
    if os.name == "nt":
        # Imported here: the import takes longer than a complete check.
        import ctypes

        return bool(ctypes.windll.shell32.IsUserAnAdmin())  # type: ignore[attr-defined,unused-ignore]
    return os.geteuid() == 0


def record_again(platform: str) -> str:
    """Return the remedy for a recorded machine of a platform that was recorded without the rights to read it."""
    who = "Administrator" if platform == "windows" else "root"
    return f"Record it again as {who}, on that machine: fingerprint snapshot FILE"


def rights_remedy(*, copied: bool = False, recorded: str = "") -> str:
    """Return the remedy for missing rights, as one sentence without a full stop.

    Args:
        copied: whether the denied file is on a copied disk (`--root`).
        recorded: the platform of a recorded machine (`--snapshot`), if the access was denied when it was recorded.
    """
    if recorded:
        return record_again(recorded)
    if not is_root():
        return AS_ADMINISTRATOR if os.name == "nt" else AS_ROOT
    if copied:
        return "Mount the disk so that root can read it (NFS: no_root_squash, FUSE: allow_root)"
    return root_lacks()


def root_lacks(status: str = _STATUS, user_map: str = _USER_MAP, lockdown: str = _LOCKDOWN) -> str:
    """Return what root lacks on this host, and how to get it, as one sentence without a full stop.

    Args:
        status: file with the capabilities of this process, see proc(5).
        user_map: file with the user ids of its namespace, see user_namespaces(7).
        lockdown: file with the state of the kernel's lockdown, see kernel_lockdown(7).
    """
    if _in_user_namespace(_read(user_map)):
        return "Root of this user namespace (container) is not root of the host: run it on the host"
    missing = _missing(_read(status))
    if missing:
        return f"Root lacks {', '.join(missing)} here: grant that to this container or service, or run it on the host"
    _, _, mode = _read(lockdown).partition("[")
    mode = mode.partition("]")[0]
    if mode and mode != "none":
        return f"Kernel lockdown ({mode}) denies this to root: see {lockdown}; only a boot without lockdown lifts it"
    return "A security module, a container's device rules or the file system denies this even to root"


def _in_user_namespace(text: str) -> bool:
    """Return whether a map of user ids differs from the complete map of the host."""
    return bool(text.strip()) and text.split() != ["0", "0", "4294967295"]


def _missing(text: str) -> list[str]:
    for line in text.splitlines():
        name, _, mask = line.partition(":")
        if name == "CapEff":
            held = int(mask.strip(), 16)
            return [name for bit, name in _CAPABILITIES if not held >> bit & 1]
    return []


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        # Another system, or /proc is not mounted.
        return ""
