"""Take over state that an earlier version kept under another key, at the first write.

Earlier keys were escaped paths in which "/" and "\\" were alike, digests of long paths, and paths with links in them.
So one journal may be of two vaults; each of its lines names its vault. It is divided: first the lines of the others
go to journals of their own, where there are none, then its own ones replace it. Each step is one renaming, and the
next writer goes on where one died.
"""

from __future__ import annotations

import os
import sys

from fingerprint._core import JsonError, loads
from fingerprint.errors import VaultDenied, VaultError, VaultMissing, VaultUnsafe
from fingerprint.vault.files import FILES, Directory
from fingerprint.vault.journal import json_text
from fingerprint.vault.os_errors import JOURNAL_LIMIT
from fingerprint.vault.state_keys import HISTORY, JOURNAL, real_path, state_key

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.vault.files import Files


_EVIDENCE = "evidence"
_CREDENTIALS = "credentials"
# No escape of a path has these; such a journal is for people to examine.
_ASIDE, _MIXED = "%earlier", "%mixed"
_NAME_LIMIT = 200
_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.")


def earlier_key(vault: str) -> str:
    """Return the key that a vault had by its path in earlier versions."""
    path = os.fsencode(os.path.abspath(vault))
    escaped = "".join(
        "-" if byte in b"/\\" else chr(byte) if byte in _PLAIN else f"%{byte:02x}" for byte in path.strip(b"/")
    )
    if len(escaped) > _NAME_LIMIT:
        from fingerprint._core import sha256_hex

        escaped = sha256_hex(path)
    return escaped


def readable_key(state: str, vault: str, key: str, files: Files = FILES) -> str:
    """Return the key under which the state of a vault can be read before it was taken over.

    A journal that holds lines of other vaults is not read before that.

    Raises:
        VaultUnreadable: a journal could not be read.
    """
    try:
        return _readable(state, vault, key, files)
    except (VaultDenied, VaultUnsafe):
        try:
            # A refusal that does not last is none.
            return _readable(state, vault, key, FILES)
        except (VaultDenied, VaultUnsafe):
            # Whoever reads the journal meets it, too, and says so.
            return key


def _readable(state: str, vault: str, key: str, files: Files) -> str:
    try:
        with files.open(os.path.join(state, HISTORY)) as directory:
            for one in (key, *_earlier(vault, key)):
                lines = _lines(directory, one)
                if lines:
                    return one if set(_by_key(lines, one, vault, key)) <= {key} else key + _MIXED
    except VaultMissing:
        pass
    return key


def take_over(state: str, vault: str, key: str) -> None:
    """Bring what an earlier version kept of a vault under its key. The caller holds the lock of the vault.

    Raises:
        VaultError: it could not be done; what was done is right, and the rest is done the next time.
    """
    try:
        directory = Directory.open(os.path.join(state, HISTORY))
    except VaultMissing:
        return
    with directory:
        for earlier in (key, *_earlier(vault, key)):
            lines = _lines(directory, earlier)
            parts = _by_key(lines, earlier, vault, key)
            if set(parts) <= {earlier}:
                continue
            for other, mine in parts.items():
                if other != earlier:
                    _take_state(state, earlier, other, alone=len(parts) == 1)
                    _put(directory, other, b"".join(mine))
            left = parts.get(earlier)
            if left:
                directory.replace(earlier + JOURNAL, b"".join(left))
            else:
                directory.remove(earlier + JOURNAL)


def _put(directory: Directory, key: str, lines: bytes) -> None:
    """Make a journal of some lines, unless there is one that has them; beside one that has not."""
    if directory.create(key + JOURNAL, lines):
        return
    mine, number, name = lines.splitlines(keepends=True), 1, key
    while not set(_lines(directory, name)).issuperset(mine):
        name = f"{key}{_ASIDE}{'' if number == 1 else number}"
        if directory.create(name + JOURNAL, lines):
            return
        number += 1


def _earlier(vault: str, key: str) -> list[str]:
    """Return the keys that a vault may have had, other than its present one."""
    found: list[str] = []
    for path in (real_path(vault), vault):
        earlier = earlier_key(path)
        # Where names are equal in any case, that is one file.
        same = _folded(earlier) == _folded(key)
        if not same and earlier not in found:
            found.append(earlier)
    return found


def _folded(key: str) -> str:
    return key.casefold() if sys.platform in ("win32", "darwin") else key


def _lines(directory: Directory, key: str) -> list[bytes]:
    return (directory.read(key + JOURNAL, JOURNAL_LIMIT) or b"").splitlines(keepends=True)


def _by_key(lines: list[bytes], there: str, vault: str, key: str) -> dict[str, list[bytes]]:
    """Return the lines of a journal by the key of the vault that each one names.

    A damaged line stays with the one before it, the first ones where they are.
    """
    known: dict[bytes, str] = {}
    parts: dict[str, list[bytes]] = {}
    own = {json_text(os.path.abspath(vault)), json_text(real_path(vault))}
    last = there
    for line in lines:
        member = line.partition(b',"vault":')[2].partition(b',"key":')[0]
        if member and member not in known:
            try:
                path = loads(member)
            except JsonError:
                path = None
            known[member] = last if not isinstance(path, str) else key if path in own else state_key(real_path(path))
        last = known.get(member, last)
        parts.setdefault(last, []).append(line)
    return parts


def _take_state(state: str, earlier: str, key: str, *, alone: bool) -> None:
    """Bring the evidence under a key, where it is one vault's alone; kept credentials are asked for again."""
    for kind, name, new in ((_EVIDENCE, earlier, key), (_CREDENTIALS, earlier + ".json", "")):
        try:
            with Directory.open(os.path.join(state, kind)) as directory:
                if not new:
                    directory.remove(name)
                elif alone:
                    directory.rename(name, new)
        except VaultMissing:
            continue
        except VaultError:
            # Best effort: only the journal is needed.
            continue
