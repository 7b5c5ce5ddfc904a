"""The vault: where a machine's fingerprint and keys are kept, in the reference's layout and bytes.

Missing, unreadable and corrupt are three different errors, and none of them is ever overwritten: to
write a record one must have read the one before it, or seen that there is none. See docs/formats.md.
"""

from __future__ import annotations

import os

from fingerprint.errors import VaultCorrupt, VaultMissing, VaultUnsafe
from fingerprint.model import FingerprintRecord, RegistrationRecord
from fingerprint.vault.files import Folder
from fingerprint.vault.places import reference_vault, resolve_vault, state_folder
from fingerprint.vault.records import (
    CLEARED,
    decode_fingerprint,
    decode_manifest,
    decode_registration,
    encode_fingerprint,
    encode_manifest,
    encode_registration,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from fingerprint.vault.history import History

FINGERPRINT_KEY = "InstanceFingerprint"
REGISTRATION_KEY = "RegistrationKey"
LOCK_SECONDS = 30.0


class Vault:
    """A vault on disk. Making the object touches nothing.

    Args:
        path: the folder that holds `Manifest` and `Store`.
        state: the folder of our own state (history, audit); None for the usual one.
        prefix: "" for hybrid machines, "EC2" for the other manifest.
        now: the clock, seconds since 1970-01-01 UTC.
    """

    def __init__(
        self, path: str, *, state: str | None = None, prefix: str = "", now: Callable[[], float] | None = None
    ) -> None:
        self.path = os.path.abspath(path)
        self.manifest_name = prefix + "Manifest"
        self._state = state
        self._now = now

    @classmethod
    def open(cls, path: str | None = None, *, root: str = "/", state: str | None = None) -> Vault:
        """Return the vault that the user named, else the reference's if it exists, else our own."""
        return cls(resolve_vault(path, root), state=state)

    @property
    def state(self) -> str:
        """The folder of our own state."""
        if self._state is None:
            self._state = state_folder()
        return self._state

    @property
    def history(self) -> History:
        """The records that this vault held before."""
        # Imported here: reading a vault needs no history.
        from fingerprint.vault.history import History

        return History(self.state, self.path)

    def now(self) -> float:
        if self._now is None:
            from time import time

            self._now = time
        return self._now()

    def read(self) -> FingerprintRecord:
        """Return the fingerprint record; a cleared one has the fingerprint "".

        Raises:
            VaultMissing: there is no record, and there was none.
            VaultDenied, VaultUnreadable, VaultUnsafe, VaultCorrupt: there is, and it could not be had.
        """
        return decode_fingerprint(self.read_bytes(FINGERPRINT_KEY), self.data_path(FINGERPRINT_KEY))

    def read_registration(self) -> RegistrationRecord:
        """Return the registration record. Raises as `read`."""
        return decode_registration(self.read_bytes(REGISTRATION_KEY), self.data_path(REGISTRATION_KEY))

    def data_path(self, key: str) -> str:
        """Return the path of a key's data file."""
        return os.path.join(self.path, "Store", key)

    def read_bytes(self, key: str) -> bytes:
        """Return the bytes of a key's data file, found through the manifest. Raises as `read`."""
        with Folder.open(self.path) as folder:
            return self._read(folder, key)

    def edit(self, wait: float = LOCK_SECONDS) -> VaultEdit:
        """Return a context in which this process alone may write; it makes the folders if needed."""
        return VaultEdit(self, wait)

    def _manifest(self, folder: Folder) -> dict[str, str] | None:
        data = folder.read(self.manifest_name)
        return None if data is None else decode_manifest(data, os.path.join(self.path, self.manifest_name))

    def _read(self, folder: Folder, key: str) -> bytes:
        manifest = self._manifest(folder)
        entry = None if manifest is None else manifest.get(key)
        if entry is not None:
            self._check_entry(entry, key)
        try:
            with Folder.open("Store", folder) as store:
                data = store.read(key)
        except VaultMissing:
            data = None
        if data is not None:
            # Also when the manifest is missing or lacks the key: the data say who this machine is.
            return data
        where = self.data_path(key)
        if entry is not None:
            raise VaultCorrupt(
                f"{self.manifest_name} lists {key}, and its data file is missing",
                where=where,
                remedy="Nothing was written. Restore the file from a backup, or start over: fingerprint vault reset",
            )
        raise VaultMissing(
            f"the vault holds no {key}", where=where, remedy="Make the first record with: fingerprint init"
        )

    def _check_entry(self, entry: str, key: str) -> None:
        """Refuse a manifest that leads out of the vault.

        A vault that was copied or mounted elsewhere still names its old place; that is fine as long
        as it is the same place within a vault. The vault that the agent uses must name itself.
        """
        copied = self.path != reference_vault() and entry.replace("\\", "/").endswith(f"/Store/{key}")
        if copied or entry == self.data_path(key):
            return
        raise VaultUnsafe(
            f"{self.manifest_name} leads out of the vault for {key}: {entry}",
            where=os.path.join(self.path, self.manifest_name),
            remedy=f"The agent reads that file. Move the right one to {self.data_path(key)} and mend the manifest",
        )


class VaultEdit:
    """An open, locked vault: read, decide, then store, with nobody in between."""

    def __init__(self, vault: Vault, wait: float) -> None:
        self._vault = vault
        self._wait = wait

    def __enter__(self) -> VaultEdit:
        # The reference leaves its folders without x (0600), and only root gets into them.
        self._mode = 0o600 if self._vault.path == reference_vault() else 0o700
        self._folder = Folder.make(self._vault.path, self._mode)
        try:
            self._folder.lock(self._wait)
        except BaseException:
            self._folder.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.close()

    def read(self) -> FingerprintRecord:
        """Return the record as it is under the lock. Raises as `Vault.read`."""
        return decode_fingerprint(
            self._vault._read(self._folder, FINGERPRINT_KEY), self._vault.data_path(FINGERPRINT_KEY)
        )

    def store(self, record: FingerprintRecord, *, why: str, rule: str = "") -> None:
        """Replace the fingerprint record; the one before it is kept in the history first.

        Args:
            record: the new record.
            why: the reason, for the history and the audit log.
            rule: the rule that decided, if one did.

        Raises:
            VaultCorrupt, VaultUnreadable, VaultUnsafe, VaultDenied: what is there could not be read
                or not be replaced; it is as it was.
        """
        self._store(FINGERPRINT_KEY, encode_fingerprint(record), decode_fingerprint, why, rule)

    def store_registration(self, record: RegistrationRecord, *, why: str) -> None:
        """Replace the registration record; the one before it is kept in the history. Raises as `store`."""
        self._store(REGISTRATION_KEY, encode_registration(record), decode_registration, why, "")

    def clear(self, *, why: str) -> None:
        """Store the cleared record, as the reference does on deregistration. Raises as `force`."""
        self.force(FINGERPRINT_KEY, encode_fingerprint(CLEARED), why=why)

    def keep(self, key: str, *, why: str) -> int:
        """Keep a copy of a key's bytes in the history, and return the entry's number. Raises as `Vault.read`."""
        vault = self._vault
        return vault.history.keep(key, vault._read(self._folder, key), why=why, rule="", now=vault.now())

    def force(self, key: str, data: bytes, *, why: str) -> None:
        """Replace the bytes of a key even if what is there, record or manifest, is corrupt or lost.

        For what a person asked for by name; the replaced bytes stay in the history.

        Raises:
            VaultUnreadable, VaultUnsafe, VaultDenied: what is there could not be read.
        """
        vault = self._vault
        manifest_bytes = self._folder.read(vault.manifest_name)
        try:
            vault._manifest(self._folder)
        except VaultCorrupt:
            vault.history.keep(vault.manifest_name, manifest_bytes or b"", why=why, rule="", now=vault.now())
            self._folder.replace(vault.manifest_name, encode_manifest(self._stored()))
        self._store(key, data, None, why, "")

    def _stored(self) -> dict[str, str]:
        """Return the manifest that the data files themselves make."""
        with self._folder.make_inner("Store", self._mode) as store:
            return {key: self._vault.data_path(key) for key in store.names() if not key.endswith(".tmp")}

    def _store(self, key: str, data: bytes, check: Callable[[bytes, str], object] | None, why: str, rule: str) -> None:
        vault = self._vault
        manifest = vault._manifest(self._folder)
        with self._folder.make_inner("Store", self._mode) as store:
            before = store.read(key)
            if check:
                # Raises for a record that is lost or corrupt: it must not be overwritten.
                try:
                    check(vault._read(self._folder, key), vault.data_path(key))
                except VaultMissing:
                    pass
            if before is not None and before != data:
                vault.history.keep(key, before, why=why, rule=rule, now=vault.now())
            if before != data:
                store.replace(key, data)
        # Data before manifest: a crash between the two leaves data that reading finds by itself.
        listed = {**(manifest or {}), key: vault.data_path(key)}
        if listed != manifest:
            self._folder.replace(vault.manifest_name, encode_manifest(listed))
        vault.history.audit({"event": "store", "key": key, "why": why, "rule": rule}, vault.now())
