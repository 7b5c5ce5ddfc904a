"""Distinguish a damaged record from one that another program wrote.

A record has no checksum, and the reference reads one with a flipped bit as another identity. So its
bytes are compared with those that the journal has as written last. A program that writes a record writes
another fingerprint, another hash or another threshold: many bytes differ, or only the threshold.
Damage changes few bytes.
"""

from __future__ import annotations

from fingerprint.errors import VaultCorrupt
from fingerprint.vault.records import decode_fingerprint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from fingerprint.vault.journal import Change
    from fingerprint.vault.vault import Vault

DAMAGED_BYTES = 4
_CHANGED = "Another program wrote this record since it was written here last"


def differing_bytes(known: bytes, data: bytes) -> int:
    """Return the number of damaged bytes; 0 if another program may have written the record."""
    if len(known) != len(data):
        return 0
    count = sum(a != b for a, b in zip(known, data, strict=True))
    if count > DAMAGED_BYTES or threshold_change(known, data) is not None:
        return 0
    return count


def threshold_change(known: bytes, data: bytes) -> tuple[int, int] | None:
    """Return the thresholds of two fingerprint records that differ in nothing else, None for other bytes."""
    try:
        old, new = decode_fingerprint(known, ""), decode_fingerprint(data, "")
    except VaultCorrupt:
        return None
    return (old.threshold, new.threshold) if old.replace(threshold=new.threshold) == new else None


def newer_than(changes: Sequence[Change], key: str, data: bytes) -> Change | None:
    """Return the newest change of a key if bytes are what was there before it, None if they are not older.

    A disk or a vault was rolled back, or another program wrote the older bytes again.
    """
    mine = [change for change in changes if change.key == key]
    if not mine or mine[-1].after == data:
        return None
    return mine[-1] if any(data in (change.before, change.after) for change in mine) else None


def damaged_bytes(written: Sequence[bytes], data: bytes) -> int:
    """Return in how many bytes a record differs from what was written last; 0 if that is not damage.

    Args:
        written: what may have been written last, see `History.last_states`.
        data: the bytes in the vault.
    """
    return next((count for known in written if (count := differing_bytes(known, data))), 0)


def foreign_change(vault: Vault, key: str, data: bytes, written: bytes, *, in_short: bool) -> tuple[str, bool]:
    """Return what another program changed, in words, and whether the vault holds an older record than the journal.

    Args:
        vault: the vault that holds the record.
        key: its key.
        data: its bytes.
        written: what was written last.
        in_short: only that it changed something.
    """
    if in_short:
        return _CHANGED, False
    newer = newer_than(vault.history.changes(), key, data) if vault.history.mentions(data) else None
    change = threshold_change(written, data)
    if newer is not None:
        return (
            f"Our journal is newer: it has a record of {newer.at}, and the vault holds an older one again. It was "
            "rolled back, or another program wrote that"
        ), True
    if change:
        return f"Another program changed the threshold from {change[0]} to {change[1]}", False
    return _CHANGED, False
