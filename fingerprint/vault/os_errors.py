"""Make the vault's errors from those of the operating system, with their messages; for every system."""

from __future__ import annotations

import errno
import os

from fingerprint._io.permissions import is_root, root_lacks
from fingerprint.errors import VaultChanged, VaultCorrupt, VaultDenied, VaultError, VaultUnreadable, VaultUnsafe

# A record is 0.3 to 2 KiB, a registration key 2 KiB.
FILE_LIMIT = 64 * 1024
JOURNAL_LIMIT = 64 * 1024 * 1024
# A line of the journal has two records, and an escape is six times as long as what it stands for.
LINE_LIMIT = 1024 * 1024
MAKE_REMEDY = "Name another one with --vault, or make the first record with: fingerprint vault init"
_DENIED = (errno.EACCES, errno.EPERM)


def vault_error(error: OSError, where: str, doing: str = "read") -> VaultError:
    """Return our error for one of the operating system, by what failed and where."""
    text = os.strerror(error.errno) if error.errno else str(error)
    if error.errno in _DENIED:
        return VaultDenied(
            f"no permission to {doing} it ({text})",
            where=where,
            remedy=root_lacks() if is_root() else "Run as the owner of the vault, usually root",
        )
    if error.errno == errno.ELOOP:
        return VaultUnsafe("it is a symbolic link", where=where, remedy="Put the real file or directory in its place")
    if error.errno == errno.EROFS:
        return VaultUnreadable(
            "the file system is mounted read-only",
            where=where,
            remedy="Nothing was changed. Mount it writable to write",
        )
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return VaultUnreadable(
            f"no space left ({text})", where=where, remedy="Nothing was changed. Free some space, then retry"
        )
    return VaultUnreadable(
        f"could not {doing} it ({text})",
        where=where,
        remedy="Nothing was changed. Search the system log for disk errors, then retry",
    )


def not_a_file(kind: str, where: str) -> VaultUnreadable:
    return VaultUnreadable(
        f"it is {kind}, not a regular file", where=where, remedy="Find out who put it there; restore the file"
    )


def hard_links(count: int) -> str:
    """Return what is wrong with a file that has other names, too."""
    return f"it has {count} hard links, so it may be another's file"


def too_long(what: str, where: str, limit: int) -> VaultCorrupt:
    return VaultCorrupt(
        f"{what}, and nothing in a vault has more than {limit}", where=where, remedy="Restore the file from a backup"
    )


def changed(where: str, what: str = "another program wrote it meanwhile") -> VaultChanged:
    return VaultChanged(what, where=where, remedy="What it holds now stays as it is. Retry")
