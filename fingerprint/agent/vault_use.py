"""Which running agents use a vault: an agent that runs holds its private key in memory.

Decided by the list of processes. On Linux an agent's vault is the reference's directory below that process's own root,
compared by device and inode: so an agent in a container or a chroot counts exactly if its vault is this one, by
whatever path.
"""

from __future__ import annotations

import os
import sys

from fingerprint.types import Value
from fingerprint.vault.locations import reference_vault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.machine.base import Machine
    from fingerprint.vault import Vault

# Inode of the initial PID namespace (PROC_PID_INIT_INO of the kernel).
_FIRST_NAME_SPACE = 0xEFFFFFFC


class VaultUse(Value):
    """The users of a vault.

    Attributes:
        pids: running processes of agents whose vault it is, the lowest first.
        unknown: why other users cannot be excluded; "" if they can.
    """

    pids: tuple[int, ...] = ()
    unknown: str = ""


def is_agents_vault(vault: str) -> bool:
    """Return whether a path leads to the vault of an agent on this host, which need not exist yet."""
    reference = reference_vault()
    try:
        return os.path.samefile(vault, reference)
    except OSError:
        return os.path.realpath(vault) == os.path.realpath(reference)


def is_of_agent(vault: Vault, machine: Machine) -> bool:
    """Return whether a machine's agent uses a vault; that of another machine is assumed to use the named one."""
    return machine.elsewhere or is_agents_vault(vault.path)


# `check` needs only `is_of_agent`, so the functions below import the rest.
def vault_use(vault: str, platform: str = sys.platform, proc: str = "/proc") -> VaultUse:
    """Return which running agents use a vault.

    Args:
        vault: its directory.
        platform: as `sys.platform` has it.
        proc: the directory of the processes, for tests.
    """
    if platform.startswith("linux"):
        return _on_linux(vault, proc)
    if not is_agents_vault(vault):
        return VaultUse()
    from fingerprint.machine.process_list import agent_pids

    try:
        return VaultUse(agent_pids())
    except OSError as error:
        return VaultUse(unknown=f"the processes cannot be listed: {error.strerror or error}")


def _on_linux(vault: str, proc: str) -> VaultUse:
    from fingerprint._io.chroot import on_disk
    from fingerprint.machine.process_list import agent_pids

    try:
        own = os.stat(vault)
    except FileNotFoundError:
        return VaultUse()
    except OSError as error:
        return VaultUse(unknown=f"{vault}: {error.strerror}")
    try:
        listed = agent_pids(proc)
        # If proc hides other users' processes (hidepid), it hides this one, too.
        with open(f"{proc}/1/stat", "rb"):
            pass
    except OSError as error:
        return _unlisted(own, f"{proc}: {error.strerror}")
    pids = []
    unknown = ""
    for pid in listed:
        try:
            user = os.stat(f"{proc}/{pid}").st_uid
        except OSError:
            # The process has ended.
            continue
        if user not in (0, own.st_uid):
            # An agent runs as root or as the owner of its vault; any other user can run a program of this name.
            continue
        try:
            theirs = os.stat(on_disk(f"{proc}/{pid}/root", reference_vault()))
        except PermissionError as error:
            if own.st_uid == user or _is_reference(own):
                unknown = f"the root of process {pid} cannot be read: {error.strerror}"
        except OSError:
            # The process has ended, or has no vault.
            continue
        else:
            if (theirs.st_dev, theirs.st_ino) == (own.st_dev, own.st_ino):
                pids.append(pid)
    return VaultUse(tuple(pids), "" if pids else unknown or _from_outside(own, proc))


def _unlisted(own: os.stat_result, reason: str) -> VaultUse:
    # An agent's vault belongs to root.
    may_be_an_agents = own.st_uid == 0 or _is_reference(own)
    return VaultUse(unknown=f"the processes cannot be listed: {reason}" if may_be_an_agents else "")


def _is_reference(own: os.stat_result) -> bool:
    try:
        reference = os.stat(reference_vault())
    except OSError:
        return False
    return (reference.st_dev, reference.st_ino) == (own.st_dev, own.st_ino)


def _from_outside(own: os.stat_result, proc: str) -> str:
    """Return why an agent outside this container may use the vault; "" if none can."""
    try:
        inside = os.stat(f"{proc}/self/ns/pid").st_ino != _FIRST_NAME_SPACE
    except OSError:
        inside = False
    if inside and _is_reference(own) and own.st_dev != os.stat("/").st_dev:
        return "the vault is mounted into this container, which does not see the processes of its host"
    return ""
