"""The vault: where a machine's fingerprint and keys are kept, in the reference's layout and bytes.

Missing, unreadable and corrupt are three different errors, and none of them is ever overwritten: to
write a record one must have read the one before it, or seen that there is none. See docs/formats.md.
"""

from __future__ import annotations

import os

from fingerprint.errors import VaultCorrupt, VaultDenied, VaultMissing, VaultUnsafe
from fingerprint.model import FingerprintRecord, RegistrationRecord
from fingerprint.vault.files import Folder
from fingerprint.vault.history import History
from fingerprint.vault.places import known_as, reference_vault, resolve_vault, state_folder
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

    from fingerprint.vault.evidence import EvidenceStore

FINGERPRINT_KEY = "InstanceFingerprint"
REGISTRATION_KEY = "RegistrationKey"
LOCK_SECONDS = 30.0
_READS_TRIED = 20
RESTORE_REMEDY = (
    "Nothing was written. Put back what was written last: fingerprint vault restore 0; or see: fingerprint vault "
    "history"
)


class Vault:
    """A vault on disk. Making the object touches nothing.

    Args:
        path: the folder that holds `Manifest` and `Store`.
        state: the folder of our own state (history, audit); None for the usual one.
        prefix: "" for hybrid machines, "EC2" for the other manifest.
        now: the clock, seconds since 1970-01-01 UTC.
        known_as: the folder as the vault's own machine knows it, if that is another one.
    """

    def __init__(
        self,
        path: str,
        *,
        state: str | None = None,
        prefix: str = "",
        now: Callable[[], float] | None = None,
        known_as: str = "",
    ) -> None:
        self.path = os.path.abspath(path)
        self._known_as = known_as or self.path
        self.manifest_name = prefix + "Manifest"
        self._state = state
        self._now = now
        self._history: History | None = None
        # What the last reading noticed and did not refuse: a change by another program.
        self.notice = ""
        # Why the last reading could not be held against our journal.
        self.unwatched = ""

    @classmethod
    def open(cls, path: str | None = None, *, root: str = "/", state: str | None = None) -> Vault:
        """Return the vault that the user named, else the reference's if it exists, else our own."""
        found = resolve_vault(path, root)
        return cls(found, state=state, known_as=known_as(found, root))

    @property
    def state(self) -> str:
        """The folder of our own state."""
        if self._state is None:
            self._state = state_folder()
        return self._state

    @property
    def history(self) -> History:
        """The journal of what this vault held before."""
        if self._history is None:
            self._history = History(self.state, self.path)
        return self._history

    @property
    def evidence(self) -> EvidenceStore:
        """The snapshots of the machine that were kept for this vault's records."""
        from fingerprint.vault.evidence import EvidenceStore

        return EvidenceStore(self.state, self.path)

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

    def listed_path(self, key: str) -> str:
        """Return the same as the manifest has it: of a vault on a copied disk the path on its own machine."""
        return os.path.join(self._known_as, "Store", key)

    def written_at(self, key: str) -> float | None:
        """Return when a key's data file was written, in seconds since 1970-01-01 UTC; None if that cannot be seen."""
        try:
            return os.stat(self.data_path(key)).st_mtime
        except OSError:
            return None

    def read_bytes(self, key: str) -> bytes:
        """Return the bytes of a key's data file, found through the manifest. Raises as `read`."""
        self.notice = ""
        with Folder.open(self.path) as folder:
            return self._read(folder, key)

    def edit(self, wait: float = LOCK_SECONDS) -> VaultEdit:
        """Return a context in which this process alone may write; it makes the folders if needed."""
        return VaultEdit(self, wait)

    def _manifest(self, folder: Folder) -> dict[str, str] | None:
        data = folder.read(self.manifest_name)
        return None if data is None else decode_manifest(data, os.path.join(self.path, self.manifest_name))

    def _read(self, folder: Folder, key: str, *, to_write: bool = False) -> bytes:
        manifest, data = self._manifest(folder), self._data(folder, key)
        for _ in range(_READS_TRIED):
            try:
                return self._present(manifest, key, data, to_write=to_write)
            except VaultCorrupt:
                # A writer may have come in between the data and the journal.
                seen, manifest, data = data, self._manifest(folder), self._data(folder, key)
                if data == seen:
                    break
        return self._present(manifest, key, data, to_write=to_write)

    def _data(self, folder: Folder, key: str) -> bytes | None:
        try:
            with Folder.open("Store", folder) as store:
                return store.read(key)
        except VaultMissing:
            return None

    def _present(self, manifest: dict[str, str] | None, key: str, data: bytes | None, *, to_write: bool) -> bytes:
        """Return the bytes of a key's data file, or raise what is wrong with them.

        A journal that fails to be read fails the reading: without it damage would pass for a record. Who
        reads in order to write needs it also where it is another user's.
        """
        entry = None if manifest is None else manifest.get(key)
        if entry is not None:
            self._check_entry(entry, key)
        if data is not None:
            # Also when the manifest is missing or lacks the key: the data say who this machine is.
            self._demand_undamaged(key, data, to_write=to_write)
            return data
        where = self.data_path(key)
        if entry is not None:
            raise VaultCorrupt(
                f"{self.manifest_name} lists {key}, and its data file is missing", where=where, remedy=RESTORE_REMEDY
            )
        raise VaultMissing(
            f"the vault holds no {key}", where=where, remedy="Make the first record with: fingerprint init"
        )

    def _demand_undamaged(self, key: str, data: bytes, *, to_write: bool) -> None:
        """Raise VaultCorrupt for bytes that are nearly those that were written last; note other changes."""
        self.notice = self.unwatched = ""
        try:
            states = self.history.last_states(key, data)
        except (VaultDenied, VaultUnsafe) as error:
            # Of another user, or not to be trusted: it will not be better for waiting, unlike an I/O error.
            if to_write:
                raise
            self.unwatched = f"Damage could not be looked for: {error.where}: {error.what}"
            return
        if not states:
            return
        from fingerprint.vault.damage import differing_bytes, threshold_change

        for known in states:
            count = differing_bytes(known, data)
            if count:
                bytes_ = "1 byte" if count == 1 else f"{count} bytes"
                raise VaultCorrupt(
                    f"it differs in {bytes_} from what was written last, which looks like damage",
                    where=self.data_path(key),
                    remedy="Nothing was written. Put back what was written last: fingerprint vault restore 0. If it "
                    "was changed on purpose: fingerprint vault backup --yes",
                )
        change = threshold_change(states[0], data)
        self.notice = (
            f"Another program changed the threshold from {change[0]} to {change[1]}"
            if change
            else "Another program wrote this record since it was written here last"
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
            self._vault._read(self._folder, FINGERPRINT_KEY, to_write=True), self._vault.data_path(FINGERPRINT_KEY)
        )

    def read_registration(self) -> RegistrationRecord:
        """Return the registration as it is under the lock. Raises as `Vault.read`."""
        return decode_registration(
            self._vault._read(self._folder, REGISTRATION_KEY, to_write=True), self._vault.data_path(REGISTRATION_KEY)
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
        with self._folder.make_inner("Store", self._mode) as store:
            data = encode_fingerprint(record, store.read(FINGERPRINT_KEY) or b"")
        self._store(FINGERPRINT_KEY, data, decode_fingerprint, why, rule)

    def store_registration(self, record: RegistrationRecord, *, why: str) -> None:
        """Replace the registration record; the one before it is kept in the history. Raises as `store`."""
        self._store(REGISTRATION_KEY, encode_registration(record), decode_registration, why, "")

    def clear(self, *, why: str) -> None:
        """Store the cleared record, as the reference does on deregistration. Raises as `force`."""
        self.force(FINGERPRINT_KEY, encode_fingerprint(CLEARED), why=why)

    def keep(self, key: str, *, why: str, as_it_is: bool = False) -> int:
        """Keep a copy of a key's bytes in the history, and return the entry's number.

        Args:
            key: the key.
            why: the reason.
            as_it_is: also if the bytes look damaged; from then on they count as written on purpose.

        Raises:
            VaultError: as `Vault.read`.
        """
        vault = self._vault
        if as_it_is:
            with Folder.open("Store", self._folder) as store:
                data = store.read(key)
            if data is None:
                raise VaultMissing(f"the vault holds no {key}", where=vault.data_path(key))
        else:
            data = vault._read(self._folder, key, to_write=True)
        return vault.history.record(key, data, data, why=why, rule="", now=vault.now())

    def force(self, key: str, data: bytes, *, why: str) -> None:
        """Replace the bytes of a key even if what is there, record or manifest, is corrupt or lost.

        For what a person asked for by name; the replaced bytes stay in the history.

        Raises:
            VaultUnreadable, VaultUnsafe, VaultDenied: what is there could not be read.
        """
        vault = self._vault
        try:
            vault._manifest(self._folder)
        except VaultCorrupt:
            manifest = encode_manifest(self._stored())
            before = self._folder.read(vault.manifest_name)
            vault.history.record(vault.manifest_name, before, manifest, why=why, rule="", now=vault.now())
            self._folder.replace(vault.manifest_name, manifest)
        self._store(key, data, None, why, "")

    def _stored(self) -> dict[str, str]:
        """Return the manifest that the data files themselves make."""
        with self._folder.make_inner("Store", self._mode) as store:
            return {key: self._vault.listed_path(key) for key in store.names() if not key.endswith(".tmp")}

    def _store(self, key: str, data: bytes, check: Callable[[bytes, str], object] | None, why: str, rule: str) -> None:
        vault = self._vault
        manifest = vault._manifest(self._folder)
        with self._folder.make_inner("Store", self._mode) as store:
            before = store.read(key)
            if check:
                # Raises for a record that is lost, corrupt or damaged: it must not be overwritten.
                try:
                    check(vault._present(manifest, key, before, to_write=True), vault.data_path(key))
                except VaultMissing:
                    pass
            if before != data:
                vault.history.record(key, before, data, why=why, rule=rule, now=vault.now())
                store.replace(key, data)
            else:
                # Who wrote it may have been killed before it was durable.
                store.make_durable(key)
        # Data before manifest: a crash between the two leaves data that reading finds by itself.
        listed = {**(self._stored() if manifest is None else manifest), key: vault.listed_path(key)}
        if listed != manifest:
            self._folder.replace(vault.manifest_name, encode_manifest(listed))
