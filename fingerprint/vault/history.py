"""What a vault held before: every replaced record, with who, when and why, in our own state folder.

Never in the reference's folders. One folder a vault, one file a replaced record, written and made
durable before the vault is touched; and one line a change in `audit.log`, without secrets.
"""

from __future__ import annotations

import os
import sys

from fingerprint._digest import sha256_hex
from fingerprint._json import JsonError, dumps, loads
from fingerprint.errors import VaultCorrupt, VaultMissing
from fingerprint.model import utc
from fingerprint.vault.files import Folder, vault_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# The first entry holds what was there when we came, so it is never dropped.
ENTRIES_KEPT = 100
ENTRY_LIMIT = 1024 * 1024
_SUFFIX = ".json"


def vault_id(vault: str) -> str:
    """Return the name of a vault's folder in our state: a digest of its path."""
    return sha256_hex(os.path.abspath(vault).encode("utf-8", "surrogateescape"))[:16]


class History:
    """The replaced records of one vault.

    Args:
        state: our state folder.
        vault: the folder of the vault.
    """

    def __init__(self, state: str, vault: str) -> None:
        self.state = state
        self.vault = vault
        self.path = os.path.join(state, "history", vault_id(vault))

    def keep(self, key: str, data: bytes, *, why: str, rule: str, now: float) -> int:
        """Keep the bytes of a record that is about to be replaced, and return the entry's number.

        Raises:
            VaultError: it could not be kept; then the caller must not replace the record.
        """
        with Folder.make(self.path, 0o700) as folder:
            numbers = _numbers(folder)
            number = numbers[-1] + 1 if numbers else 1
            entry: dict[str, Any] = {
                "schemaVersion": 1,
                "number": number,
                "vault": self.vault,
                "key": key,
                "replacedAt": utc(now),
                "why": why,
                "rule": rule,
                "by": _who(),
            }
            try:
                entry["record"] = data.decode("utf-8")
            except UnicodeDecodeError:
                from base64 import b64encode

                entry["recordBase64"] = b64encode(data).decode("ascii")
            folder.replace(_name(number), dumps(entry, indent=1))
            excess = len(numbers) + 1 - ENTRIES_KEPT
            for old in numbers[1 : 1 + max(excess, 0)]:
                folder.remove(_name(old))
        return number

    def entry(self, number: int) -> tuple[str, bytes]:
        """Return the key and the bytes of one entry.

        Raises:
            VaultMissing: there is no such entry.
            VaultCorrupt: it is damaged.
        """
        with Folder.open(self.path) as folder:
            if number not in _numbers(folder):
                raise VaultMissing(
                    f"there is no entry {number}", where=self.path, remedy="See what there is with: vault history"
                )
            entry = _entry(folder, number)
        if "record" in entry:
            return entry["key"], entry["record"].encode("utf-8")
        from base64 import b64decode

        return entry["key"], b64decode(entry["recordBase64"])

    def entries(self) -> list[dict[str, Any]]:
        """Return the entries, oldest first; an empty list when nothing was ever replaced.

        Raises:
            VaultCorrupt: an entry is damaged.
        """
        if not os.path.isdir(self.path):
            return []
        with Folder.open(self.path) as folder:
            return [_entry(folder, number) for number in _numbers(folder)]

    def audit(self, line: dict[str, Any], now: float) -> None:
        """Append one line to the audit log.

        Raises:
            VaultError: it could not be written.
        """
        text = dumps({"time": utc(now), "vault": self.vault, **line, "by": _who()}) + b"\n"
        with Folder.make(self.state, 0o700) as folder:
            where = os.path.join(folder.path, "audit.log")
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            try:
                descriptor = os.open("audit.log", flags, 0o600, dir_fd=folder.descriptor)
                try:
                    # One call, so that lines of two processes never mix.
                    os.write(descriptor, text)
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
            except OSError as error:
                raise vault_error(error, where, "write") from None


def _who() -> dict[str, Any]:
    return {
        "uid": os.getuid() if hasattr(os, "getuid") else None,
        "sudoUser": os.environ.get("SUDO_USER"),
        "pid": os.getpid(),
        "program": os.path.basename(sys.argv[0]) if sys.argv else "",
    }


def _name(number: int) -> str:
    return f"{number:06d}{_SUFFIX}"


def _numbers(folder: Folder) -> list[int]:
    stems = [name[: -len(_SUFFIX)] for name in folder.names() if name.endswith(_SUFFIX)]
    return sorted(int(stem) for stem in stems if stem.isdigit())


def _entry(folder: Folder, number: int) -> dict[str, Any]:
    where = os.path.join(folder.path, _name(number))
    data = folder.read(_name(number), ENTRY_LIMIT)
    try:
        entry = loads(data or b"")
    except JsonError as error:
        raise VaultCorrupt(f"the history entry is damaged: {error}", where=where, remedy="Move it away") from None
    if not isinstance(entry, dict) or not {"record", "recordBase64"} & entry.keys():
        raise VaultCorrupt("the history entry holds no record", where=where, remedy="Move it away")
    return entry
