"""What the attributes of a record were read from: snapshots of the machine, kept in our own state folder.

The vault holds digests only, so without these a difference can be seen and not named. Each is a file of
its own, tied to its record by a digest that tells neither fingerprint nor hash. Losing one loses an
explanation, never an identity: whoever keeps one goes on when it fails.
"""

from __future__ import annotations

import os

from fingerprint._digest import canonical_bytes, sha256_hex
from fingerprint._json import JsonError, dumps, loads
from fingerprint.errors import VaultError, VaultMissing, VaultUnreadable
from fingerprint.model import utc
from fingerprint.vault.files import Folder
from fingerprint.vault.history import journal_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from fingerprint.model import FingerprintRecord

# Of one vault. The oldest go first, but the very first, and those of the record that is just kept.
ENTRIES_KEPT = 16
ENTRY_LIMIT = 8 * 1024 * 1024
TOTAL_LIMIT = 32 * 1024 * 1024
_TAG_DIGITS = 32
_SCHEMA_VERSION = 1
_DOMAIN = b"fingerprint-evidence-1\0"


def record_tag(record: FingerprintRecord) -> str:
    """Return what ties evidence to a record: 32 digits of SHA-256 over its fingerprint and hash."""
    told = canonical_bytes(record.hardware_hash or {})
    return sha256_hex(_DOMAIN + record.fingerprint.encode("utf-8", "surrogateescape") + b"\0" + told)[:_TAG_DIGITS]


class Evidence:
    """One kept snapshot.

    Attributes:
        number: counted up from 1.
        at: when it was taken, RFC 3339.
        why: such as "first fingerprint".
        tag: of the record that it was taken for, see `record_tag`.
        snapshot: the machine, as `fingerprint.collect.recorded` plays it back.
        size: bytes of the file.
    """

    __slots__ = ("number", "at", "why", "tag", "snapshot", "size")

    def __init__(self, number: int, at: str, why: str, tag: str, snapshot: dict[str, Any], size: int) -> None:
        self.number = number
        self.at = at
        self.why = why
        self.tag = tag
        self.snapshot = snapshot
        self.size = size


class EvidenceStore:
    """The evidence of one vault.

    Args:
        state: our state folder.
        vault: the folder of the vault.
    """

    def __init__(self, state: str, vault: str) -> None:
        self.path = os.path.join(state, "evidence", journal_name(vault).removesuffix(".jsonl"))

    def keep(self, record: FingerprintRecord, snapshot: dict[str, Any], *, why: str, now: float) -> int:
        """Keep a snapshot for a record, durably, and make room for it. The caller holds the lock of the vault.

        Returns:
            Its number.

        Raises:
            VaultError: it could not be kept; what was kept before is as it was.
        """
        tag = record_tag(record)
        with Folder.make(self.path, 0o700) as folder:
            files = _files(folder)
            number = max(files, default=0) + 1
            entry = {"schemaVersion": _SCHEMA_VERSION, "number": number, "at": utc(now), "why": why, "record": tag}
            data = dumps({**entry, "snapshot": snapshot}, html_safe=False) + b"\n"
            if len(data) > ENTRY_LIMIT:
                raise VaultUnreadable(
                    f"this machine's sources have {len(data)} bytes, more than the {ENTRY_LIMIT} that are kept",
                    where=self.path,
                    remedy="Nothing needs to be done; differences will be named from what the vault holds",
                )
            folder.replace(_name(number, tag), data)
            _make_room(folder, {**files, number: tag}, tag)
        return number

    def entries(self) -> tuple[list[Evidence], list[str]]:
        """Return what is kept, oldest first, and the paths of damaged files, which are passed over.

        Raises:
            VaultError: the folder could not be read.
        """
        found, damaged = [], []
        try:
            with Folder.open(self.path) as folder:
                for number, tag in _files(folder).items():
                    entry = _read(folder, number, tag)
                    if entry:
                        found.append(entry)
                    else:
                        damaged.append(os.path.join(self.path, _name(number, tag)))
        except VaultMissing:
            return [], []
        return found, damaged

    def for_record(self, record: FingerprintRecord) -> Evidence | None:
        """Return the oldest whole evidence that was taken for a record: the nearest to its minting.

        Raises:
            VaultError: the folder could not be read.
        """
        wanted = record_tag(record)
        try:
            with Folder.open(self.path) as folder:
                for number, tag in _files(folder).items():
                    entry = _read(folder, number, tag) if tag == wanted else None
                    if entry:
                        return entry
        except VaultMissing:
            pass
        return None


def _make_room(folder: Folder, files: dict[int, str], tag: str) -> None:
    """Remove the oldest files while there are too many, or too large ones; never the first, nor the record's own."""
    sizes = {number: folder.size(_name(number, files[number])) for number in files}
    spared = {min(files)} | {number for number in files if files[number] == tag}
    for number in sorted(files.keys() - spared):
        if len(sizes) <= ENTRIES_KEPT and sum(sizes.values()) <= TOTAL_LIMIT:
            return
        folder.remove(_name(number, files[number]))
        del sizes[number]
    # What is left is of one record; its first entry is the one that explains it.
    for number in sorted(sizes)[1:-1]:
        if len(sizes) <= ENTRIES_KEPT and sum(sizes.values()) <= TOTAL_LIMIT:
            return
        if number != min(n for n in files if files[n] == tag):
            folder.remove(_name(number, files[number]))
            del sizes[number]


def _read(folder: Folder, number: int, tag: str) -> Evidence | None:
    """Return one entry, None for a file that is damaged or cannot be read."""
    try:
        data = folder.read(_name(number, tag), ENTRY_LIMIT)
        entry = loads(data or b"")
    except (VaultError, JsonError):
        return None
    if not isinstance(entry, dict) or entry.get("number") != number or entry.get("record") != tag:
        return None
    at, why, snapshot = entry.get("at"), entry.get("why"), entry.get("snapshot")
    if not isinstance(at, str) or not isinstance(why, str) or not isinstance(snapshot, dict):
        return None
    return Evidence(number, at, why, tag, snapshot, len(data or b""))


def _name(number: int, tag: str) -> str:
    return f"{number:06}-{tag}.json"


def _files(folder: Folder) -> dict[int, str]:
    """Return number -> tag of the evidence files in a folder, by number."""
    found = {}
    for name in folder.names():
        number, dash, tag = name.removesuffix(".json").partition("-")
        if dash and name.endswith(".json") and number.isdigit() and len(tag) == _TAG_DIGITS:
            found[int(number)] = tag
    return dict(sorted(found.items()))
