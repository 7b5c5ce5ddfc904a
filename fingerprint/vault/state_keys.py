"""Find the files of a vault in our state directory: by its real path, and by its device and inode.

The key of a vault is its real path, escaped so that no two paths have one key. Beside the journal a place file says
which directory was at that path: so a directory that is reached by two paths (a bind mount) has one state, and a
directory that was made anew is distinguished from the one that the journal is of.
"""

from __future__ import annotations

import errno
import os

from fingerprint._core import JsonError, dumps, loads
from fingerprint.errors import VaultCorrupt, VaultDenied, VaultError, VaultMissing, VaultUnsafe, writable
from fingerprint.types import Value
from fingerprint.vault.files import FILES, Directory
from fingerprint.vault.os_errors import vault_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from fingerprint.vault.files import Files

HISTORY = "history"
JOURNAL = ".jsonl"
_PLACE = ".place.json"
# Errors that will be there the next time, too.
_STAYS = (errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL)
_NAME_LIMIT = 200
_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.")


def real_path(vault: str) -> str:
    """Return a vault's path without links; what may not be read counts as no link.

    Raises:
        VaultUnreadable: reading it failed.
    """
    try:
        return os.path.realpath(vault, strict=True)
    except (FileNotFoundError, NotADirectoryError):
        above, name = os.path.split(os.path.abspath(vault))
        return os.path.join(real_path(above), name) if name else above
    except ValueError:
        return os.path.realpath(vault)
    except OSError as error:
        if error.errno not in _STAYS:
            raise vault_error(error, vault) from None
    try:
        return os.path.realpath(vault)
    except OSError as error:
        # It was a link a moment ago and is none any more.
        raise vault_error(error, vault) from None


def state_key(path: str) -> str:
    """Return the key of a real path: "/" is "-", other bytes are %xx as systemd escapes them; a long one's digest.

    On Windows the backslash is the separator, elsewhere it is a byte like any other. No escape begins with "%sha".
    """
    data = os.fsencode(path)
    separator = ord(os.sep)
    escaped = "".join(
        "-" if byte == separator else chr(byte) if byte in _PLAIN else f"%{byte:02x}"
        for byte in data.strip(os.fsencode(os.sep))
    )
    if len(escaped) <= _NAME_LIMIT:
        return escaped
    from fingerprint._core import sha256_hex

    return "%sha256-" + sha256_hex(data)


class Key(Value):
    """The key of a vault.

    Attributes:
        name: the key.
        settled: whether a place file has it: then nothing of an earlier version is left under another one.
        noted: whether that is of the directory that is the vault now.
    """

    name: str
    settled: bool
    noted: bool = False


def find_key(state: str, vault: str, *, to_write: bool = False, files: Files = FILES) -> Key:
    """Return the key of a vault.

    The key is that of its real path, unless the directory is known by another path that leads to it now, too.

    Args:
        state: our state directory.
        vault: the vault's path.
        to_write: whether the caller is going to write: then what it may not read stops it.
        files: how directories are opened to read.

    Raises:
        VaultUnreadable: a place file could not be read.
        VaultDenied, VaultUnsafe: the same, for who writes.
    """
    real = real_path(vault)
    try:
        return _found(state, real, files)
    except (VaultDenied, VaultUnsafe):
        try:
            # A refusal that does not last is none.
            return _found(state, real, FILES)
        except (VaultDenied, VaultUnsafe):
            # Whoever reads the journal meets it, too, and says so.
            if to_write:
                raise
            return Key(state_key(real), False)


def _found(state: str, real: str, files: Files) -> Key:
    key = state_key(real)
    try:
        with files.open(os.path.join(state, HISTORY)) as directory:
            place = _place(directory, key)
            there = _status(real)
            if there is None or _is_of(place, there):
                return Key(key, place is not None, there is not None)
            for other, path in _others(directory, there):
                # Numbers of devices and inodes are used again: only what is one directory now is one.
                found = _status(path)
                if other != key and found is not None and os.path.samestat(found, there):
                    return Key(other, True, True)
    except VaultMissing:
        return Key(key, False)
    return Key(key, place is not None)


def note_place(state: str, vault: str, key: str) -> None:
    """Note which directory a vault is, once it holds what was written there. The caller holds its lock.

    Raises:
        VaultError: it could not be read or written.
    """
    real = real_path(vault)
    there = _status(real)
    if there is None:
        return
    with Directory.make(os.path.join(state, HISTORY), 0o700) as directory:
        place = _place(directory, key)
        # Under another path of the same directory the first one stays.
        if place is None or not _is_of(place, there):
            note = {"schemaVersion": 1, "path": writable(real),
                    "pathBytes": os.fsencode(real).hex(), "device": there.st_dev, "inode": there.st_ino}  # fmt: skip
            directory.replace(key + _PLACE, dumps(note) + b"\n")


def is_noted(state: str, key: str) -> bool:
    """Return whether something was written in a vault and acknowledged, according to its place file.

    Raises:
        VaultError: that could not be read.
    """
    try:
        with Directory.open(os.path.join(state, HISTORY)) as directory:
            return _place(directory, key) is not None
    except VaultMissing:
        return False


def other_directory(state: str, vault: str, key: str, files: Files = FILES) -> bool:
    """Return whether the journal is of another directory that was at the vault's path.

    The numbers of devices change when a system starts, so only the inode counts.
    """
    try:
        with files.open(os.path.join(state, HISTORY)) as directory:
            place = _place(directory, key)
    except VaultError:
        return False
    there = _status(real_path(vault))
    return place is not None and there is not None and place["inode"] != there.st_ino


def _status(path: str) -> os.stat_result | None:
    """Return the status of a directory, None where there is none, or none that may be seen. Raises VaultUnreadable."""
    try:
        return os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        if getattr(error, "errno", errno.EINVAL) in _STAYS:
            return None
        raise vault_error(error, path) from None  # type: ignore[arg-type]


def _place(directory: Directory, key: str) -> dict[str, Any] | None:
    """Return what a place file holds, None without one or for one that is none: then the path decides."""
    try:
        place = loads(directory.read(key + _PLACE) or b"")
    except (JsonError, VaultCorrupt):
        return None
    if not isinstance(place, dict) or type(place.get("device")) is not int or type(place.get("inode")) is not int:
        return None
    return place if isinstance(place.get("pathBytes"), str) else None


def _is_of(place: dict[str, Any] | None, there: os.stat_result) -> bool:
    return place is not None and (place["device"], place["inode"]) == (there.st_dev, there.st_ino)


def _others(directory: Directory, there: os.stat_result) -> Iterator[tuple[str, str]]:
    """Yield key and path of each place that had the inode of a directory: devices are numbered at each start."""
    for name in directory.names():
        if name.endswith(_PLACE):
            key = name[: -len(_PLACE)]
            place = _place(directory, key)
            if place is not None and place["inode"] == there.st_ino:
                try:
                    yield key, os.fsdecode(bytes.fromhex(place["pathBytes"]))
                except ValueError:
                    continue
