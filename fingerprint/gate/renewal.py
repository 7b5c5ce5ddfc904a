"""Store the present hardware hash under the fingerprint of a record: the same machine, which drifted."""

from __future__ import annotations

from fingerprint.errors import CollectError, VaultError
from fingerprint.gate.evidence import keep_evidence
from fingerprint.gate.minting import require_recipe, require_valid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.machine.recorder import Recorder
    from fingerprint.types import Collection, FingerprintRecord
    from fingerprint.vault import Vault
    from fingerprint.vault.edit import VaultEdit


def renew(
    vault: Vault,
    record: FingerprintRecord,
    collection: Collection,
    recorder: Recorder,
    *,
    why: str,
    rule: str = "",
) -> FingerprintRecord:
    """Store a record with the present hardware hash, its fingerprint and threshold kept, and renew its evidence.

    The record before is kept in the history.

    Args:
        vault: the vault.
        record: the record that was compared.
        collection: the machine, as it was read for the comparison.
        recorder: what it was read from.
        why: the reason, for the history, the audit log and the evidence.
        rule: the rule that decided, for the audit log.

    Returns:
        The stored record.

    Raises:
        Refused: the installed agent may make other hashes, see `require_recipe`.
        CollectError: an attribute could not be read, or another process changed the record meanwhile.
        VaultError: the vault could not be read or written; it is as it was.
    """
    require_storable(collection, vault.path)

    def store(edit: VaultEdit) -> FingerprintRecord:
        if edit.read() != record:
            raise record_changed(vault.path)
        after = record.replace(hardware_hash=collection.hardware_hash)
        of_match = _is_of_match(vault, record)
        keep_evidence(vault, after, recorder, why=why, present=record, of_match=of_match)
        edit.store(after, why=why, rule=rule)
        return after

    return vault.change(store)


def _is_of_match(vault: Vault, record: FingerprintRecord) -> bool:
    """Return whether the evidence of a record goes back to a match; also where it cannot be read: that claims less."""
    try:
        kept = vault.evidence.for_record(record)
    except VaultError:
        return True
    return kept is not None and kept.of_match


def require_storable(collection: Collection, where: str) -> None:
    """Raise unless a hash can be stored without a question: every source was read, and the agent reads the same.

    Args:
        collection: the machine.
        where: the vault.

    Raises:
        Refused: the installed agent may make other hashes, see `require_recipe`.
        CollectError: an attribute could not be read, or is not valid UTF-8.
    """
    require_valid(collection)
    require_recipe(collection)
    unread = tuple(dict.fromkeys((*collection.unreadable, *collection.stops_agent)))
    if unread:
        raise CollectError(
            f"could not be read: {', '.join(unread)}",
            where=where,
            remedy="Nothing was written: the values would be stored as empty. "
            f"{collection.remedy or 'See why with: fingerprint show'}",
        )


def record_changed(where: str) -> CollectError:
    """Return the error for a record that another process changed after it was compared."""
    return CollectError(
        "the record was changed by another process while this one was deciding",
        where=where,
        remedy="Nothing was written. Retry",
    )
