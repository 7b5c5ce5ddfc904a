"""Find the remedy for a damaged vault, offered only if it works: the journal is searched first.

Only errors load this module: reading a sound vault does not need it.
"""

from __future__ import annotations

from fingerprint.errors import FingerprintLost, VaultCorrupt, VaultDenied, VaultError, VaultMissing, VaultUnsafe
from fingerprint.vault.journal import copies_of
from fingerprint.vault.records import (
    FINGERPRINT_KEY,
    REGISTRATION_KEY,
    decode_fingerprint,
    decode_registration,
    register_command,
)
from fingerprint.vault.regeneration import Journal, is_of_another_node

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.types import FingerprintRecord
    from fingerprint.vault.vault import Vault

# How the remedy of a failed reading begins: it may have been made in order to write.
NOTHING_WRITTEN = "Nothing was written. "
# The words of --key.
KEY_WORDS = {FINGERPRINT_KEY: "fingerprint", REGISTRATION_KEY: "registration"}
# `register` refuses a registration that it cannot read; `deregister` clears it.
REGISTER = f"`fingerprint deregister --yes`, then `{register_command()}`"


def restore_command(number: int, key: str) -> str:
    """Return the command that writes a copy of the journal back."""
    # The number of an entry decides its key; 0 is that of the fingerprint unless it is named.
    named = f" --key {KEY_WORDS[key]}" if not number and key != FINGERPRINT_KEY else ""
    return f"fingerprint vault restore {number}{named} --yes"


def usable_copy(vault: Vault, key: str, present: bytes | None = None) -> tuple[int, str] | None:
    """Return number and time (RFC 3339) of the newest copy of a key that helps; None if there is none.

    It decodes, holds a fingerprint or a complete registration, and is not what is there. A fingerprint is not one
    that the service rejects according to the journal: one that was made after a mismatch, or another node's. One
    that is known to be this node's comes before one of which that is not known.

    Args:
        vault: the vault.
        key: "InstanceFingerprint" or "RegistrationKey".
        present: the bytes that are there; None for those in Store.

    Raises:
        VaultError: the journal or the data file could not be read.
    """
    there = vault.raw(key) if present is None else present
    journal = Journal(vault)
    changes = journal.of_record if key == FINGERPRINT_KEY else journal.registrations
    usable = [copy for copy in copies_of(changes) if copy[2] != there and _is_usable(key, copy[2])]
    if key != FINGERPRINT_KEY:
        return next(((number, at) for number, at, _ in usable), None)
    doubts: dict[str, int | None] = {}
    doubtful: tuple[int, str] | None = None
    for number, at, data in usable:
        fingerprint = journal.fingerprint(data)
        if fingerprint not in doubts:
            doubts[fingerprint] = _doubt(journal, fingerprint)
        if doubts[fingerprint] == 0:
            return number, at
        if doubts[fingerprint] is not None:
            doubtful = doubtful or (number, at)
    return doubtful


def _doubt(journal: Journal, fingerprint: str) -> int | None:
    """Return how little is known of a fingerprint: 0 of this node's, 1 else; None if the service rejects it."""
    state = journal.state(fingerprint)
    if state.regenerated:
        return None
    try:
        other = is_of_another_node(journal, fingerprint)
    except VaultError:
        return 1
    return None if other else 0 if other is False and not state.uncertain else 1


def refuse_lost(vault: Vault) -> None:
    """Raise FingerprintLost if a vault without a fingerprint holds a registration.

    Raises:
        VaultError: the registration could not be read.
    """
    try:
        node = vault.read_registration().instance_id
    except VaultMissing:
        return
    if node:
        raise FingerprintLost(
            "the machine is registered, and its fingerprint is lost: the service rejects any other", where=vault.path,
            remedy=restore_remedy(vault, FINGERPRINT_KEY),
        )  # fmt: skip


def existing_record(vault: Vault) -> FingerprintRecord:
    """Return the record of a vault; raise where there is none, or a cleared one.

    Raises:
        VaultMissing: the vault holds no fingerprint, and no registration.
        FingerprintLost: it holds no fingerprint, and the machine is registered.
        VaultError: the vault could not be read.
    """
    try:
        return require_fingerprint(vault.read(), vault)
    except VaultMissing:
        refuse_lost(vault)
        raise


def require_fingerprint(record: FingerprintRecord, vault: Vault) -> FingerprintRecord:
    if not record.fingerprint:
        raise VaultMissing(
            "the record is cleared: it holds no fingerprint",
            where=vault.path,
            remedy="Make the first record with: fingerprint vault init",
        )
    return record


def restore_remedy(vault: Vault, key: str, present: bytes | None = None) -> str:
    """Return what helps against a lost or damaged record, without a full stop at the end; see `usable_copy`.

    Where the other record is lost, too, it is what helps against both.
    """
    if key not in KEY_WORDS:
        return f"There is no copy of {key} here: the agent makes it again when it registers"
    try:
        copy = usable_copy(vault, key, present)
        helps = " that helps" if copy is None and vault.history.copies(key) else ""
        [other] = KEY_WORDS.keys() - {key}
        if _is_lost(vault, other):
            copies = {key: copy, other: usable_copy(vault, other)}
            return _restore_both(copies[FINGERPRINT_KEY], copies[REGISTRATION_KEY])
    except VaultError as error:
        return f"Whether there is a copy that helps cannot be seen: {error.where}: {error.what}. {_without_a_copy(key)}"
    if copy is None:
        return _without_a_copy(key, f", as the journal holds no copy of {key}{helps}")
    return f"Restore the copy of {copy[1]}: {restore_command(copy[0], key)}"


def first_remedy(vault: Vault, key: str, *, to_write: bool) -> str:
    """Return what makes the record of a key that the vault does not hold.

    Args:
        vault: the vault.
        key: the key.
        to_write: whether the caller reads in order to write: then it must be known whether the machine is registered.

    Raises:
        VaultError: our journal could not be read; with `to_write` also the registration or the other vault.
    """
    from fingerprint.vault import other_records

    if key == FINGERPRINT_KEY and _is_registered(vault, to_write=to_write):
        # The service knows a fingerprint of this node, and no first one would be that.
        return restore_remedy(vault, key)
    try:
        known = other_records.lost(vault, key) or other_records.other(vault)
    except VaultUnsafe:
        if to_write:
            raise
        # It concerns the other record, and reading that one reports it.
        known = None
    if known is not None:
        return f"{known.what[0].upper()}{known.what[1:]}. {known.remedy}"
    if key != FINGERPRINT_KEY:
        return f"Register it with: {register_command()}"
    return "Make the first record with: fingerprint vault init"


def _is_registered(vault: Vault, *, to_write: bool) -> bool:
    """Return whether the vault holds a registration; without `to_write` one that may not be read counts as none."""
    try:
        data = vault.raw(REGISTRATION_KEY)
        return data is not None and bool(decode_registration(data, "").instance_id)
    except VaultCorrupt:
        # Its node is not known any more: `vault init` makes no record beside it.
        return True
    except (VaultDenied, VaultUnsafe):
        if to_write:
            raise
        return False


def _restore_both(fingerprint: tuple[int, str] | None, registration: tuple[int, str] | None) -> str:
    """Return what helps where both records are lost, by their copies."""
    if registration is None or fingerprint is None:
        key = REGISTRATION_KEY if registration is None else FINGERPRINT_KEY
        return _without_a_copy(key, f", as the journal holds no copy of {key}")
    # With a registration alone the agent would store a new fingerprint at its start.
    first, then = restore_command(fingerprint[0], FINGERPRINT_KEY), restore_command(registration[0], REGISTRATION_KEY)
    return f"Restore both copies, the fingerprint first: `{first}`, then `{then}`"


def _is_lost(vault: Vault, key: str) -> bool:
    """Return whether a record does not decode; of the fingerprint's also whether there is none."""
    data = vault.raw(key)
    if data is None:
        # A vault without a registration is one that was never registered.
        return key == FINGERPRINT_KEY
    try:
        if key == FINGERPRINT_KEY:
            return not decode_fingerprint(data, "").fingerprint
        decode_registration(data, "")
    except VaultCorrupt:
        return True
    return False


def _without_a_copy(key: str, why: str = "") -> str:
    if key == REGISTRATION_KEY:
        return f"Only a new registration helps{why}: {REGISTER}"
    return f"Restore {key} from a backup of your own{why}, or register the machine again: {REGISTER}"


def _is_usable(key: str, data: bytes) -> bool:
    try:
        if key == FINGERPRINT_KEY:
            return bool(decode_fingerprint(data, "").fingerprint)
        return decode_registration(data, "").registered
    except VaultCorrupt:
        return False
