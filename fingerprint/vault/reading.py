"""Read a record of a vault: found through the manifest, decoded, and compared with what our journal says.

For `Vault` and `VaultEdit`, which open the directories.
"""

from __future__ import annotations

import os

from fingerprint.errors import VaultCorrupt, VaultDenied, VaultMissing, VaultUnsafe
from fingerprint.vault.locations import reference_vault
from fingerprint.vault.records import decode_manifest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from fingerprint.vault.files import Directory
    from fingerprint.vault.vault import Vault

    _Record = TypeVar("_Record")

_READS_TRIED = 20


def decode_record(vault: Vault, key: str, data: bytes, decode: Callable[[bytes, str], _Record]) -> _Record:
    """Decode the bytes of a key and return the record. Raises VaultCorrupt with a remedy that works for this vault."""
    try:
        return decode(data, vault.data_path(key))
    except VaultCorrupt as error:
        error.remedy = _remedy(vault, key, data)
        raise


def _remedy(vault: Vault, key: str, present: bytes | None = None) -> str:
    """Return the remedy for a lost or damaged record, after the note that nothing was written."""
    # Imported here: only an error needs the complete journal.
    from fingerprint.vault.remedies import NOTHING_WRITTEN, restore_remedy

    return NOTHING_WRITTEN + restore_remedy(vault, key, present)


def missing_remedy(vault: Vault, key: str, *, to_write: bool) -> str:
    """Return what makes the record of a key that the vault does not hold. Raises as `remedies.first_remedy`."""
    # Imported here, as above.
    from fingerprint.vault.remedies import first_remedy

    return first_remedy(vault, key, to_write=to_write)


def read_manifest(vault: Vault, directory: Directory, *, to_write: bool = True) -> dict[str, str] | None:
    """Return the manifest, None without one: without `to_write` also None for a corrupt one, as the data suffice.

    Raises:
        VaultError: it could not be read; VaultCorrupt only with `to_write`.
    """
    return decode_listed(vault, vault.files.settled(directory, vault.manifest_name), to_write=to_write)


def decode_listed(vault: Vault, data: bytes | None, *, to_write: bool = True) -> dict[str, str] | None:
    """Decode the bytes of a manifest; None for None. Raises VaultCorrupt as `read_manifest`."""
    if data is None:
        return None
    try:
        return decode_manifest(data, os.path.join(vault.path, vault.manifest_name))
    except VaultCorrupt as error:
        if not to_write:
            return None
        error.remedy = _manifest_remedy(vault)
        raise


def _manifest_remedy(vault: Vault) -> str:
    from fingerprint.vault.integrity import manifest_state
    from fingerprint.vault.remedies import NOTHING_WRITTEN

    return NOTHING_WRITTEN + manifest_state(vault, vault.manifest_name).remedy


def read_record(vault: Vault, directory: Directory, key: str, *, to_write: bool = False) -> bytes:
    """Return the bytes of a key's data file, found through the manifest.

    Args:
        vault: the vault; its notices are set.
        directory: its open directory.
        key: the key.
        to_write: whether the caller reads in order to write: then an unreadable manifest or journal is an error.

    Raises:
        VaultError: as `Vault.read`.
    """
    manifest, data = read_manifest(vault, directory, to_write=to_write), read_data(vault, directory, key)
    for _ in range(_READS_TRIED):
        try:
            # A remedy is searched only for a defect that stays.
            found = checked(vault, manifest, key, data, to_write=to_write, in_short=True)
            if not vault.notice:
                return found
        except VaultCorrupt:
            pass
        # A program may have written between the two readings.
        vault.files.forget()
        seen, manifest, data = (
            data,
            read_manifest(vault, directory, to_write=to_write),
            read_data(vault, directory, key),
        )
        if data == seen:
            break
    return checked(vault, manifest, key, data, to_write=to_write)


def read_data(vault: Vault, directory: Directory, key: str) -> bytes | None:
    """Return the bytes of a key's data file in Store, None without one. Raises VaultError if they are unreadable."""
    try:
        with vault.files.open("Store", directory) as store:
            return vault.files.settled(store, key)
    except VaultMissing:
        return None


def checked(
    vault: Vault,
    manifest: dict[str, str] | None,
    key: str,
    data: bytes | None,
    *,
    to_write: bool,
    in_short: bool = False,
) -> bytes:
    """Return the bytes of a key's data file; raise VaultError if they are missing, damaged or listed elsewhere.

    An I/O error of the journal is an error here, too: without the journal damage would pass for a record. With
    `to_write` so is a journal of another user.
    """
    entry = None if manifest is None else manifest.get(key)
    if entry is not None:
        _check_entry(vault, entry, key)
    if data is not None:
        # Also if the manifest is missing or lacks the key: the data identify this host.
        _check_damage(vault, key, data, to_write=to_write, in_short=in_short)
        return data
    where = vault.data_path(key)
    if entry is not None:
        raise VaultCorrupt(
            f"{vault.manifest_name} lists {key}, and its data file is missing",
            where=where,
            remedy="" if in_short else _remedy(vault, key),
        )
    raise VaultMissing(f"the vault holds no {key}", where=where, remedy=missing_remedy(vault, key, to_write=to_write))


def _check_damage(vault: Vault, key: str, data: bytes, *, to_write: bool, in_short: bool) -> None:
    """Raise VaultCorrupt for bytes that are nearly those that were written last; note other changes."""
    vault.notice = vault.unwatched = ""
    vault.rolled_back = False
    try:
        states = vault.history.last_states(key, data)
    except (VaultDenied, VaultUnsafe) as error:
        # Of another user, or unsafe: a retry does not help, unlike with an I/O error.
        if to_write:
            raise
        vault.unwatched = f"No check for damage: {error.where}: {error.what}"
        return
    if not states:
        return
    from fingerprint.vault.damage import damaged_bytes, foreign_change

    count = damaged_bytes(states, data)
    if count:
        bytes_ = "1 byte" if count == 1 else f"{count} bytes"
        helps = "" if in_short else _remedy(vault, key, data)
        raise VaultCorrupt(
            f"it differs in {bytes_} from what was written last, which indicates damage",
            where=vault.data_path(key),
            remedy=f"{helps}. If it was changed on purpose: fingerprint vault backup --yes",
        )
    vault.notice, vault.rolled_back = foreign_change(vault, key, data, states[0], in_short=in_short)


def _check_entry(vault: Vault, entry: str, key: str) -> None:
    """Raise VaultUnsafe if the manifest leads out of the vault.

    A vault that was copied or mounted elsewhere still lists its old path; that is accepted if it is the same path
    within a vault. The vault of the agent must list itself.
    """
    copied = vault.path != reference_vault() and entry.replace("\\", "/").endswith(f"/Store/{key}")
    if copied or entry == vault.data_path(key):
        return
    raise VaultUnsafe(
        f"{vault.manifest_name} leads out of the vault for {key}: {entry}",
        where=os.path.join(vault.path, vault.manifest_name),
        remedy=_manifest_remedy(vault),
    )
