"""Write to a vault: under its lock, announced in the journal first, never over a record that was not read."""

from __future__ import annotations

from fingerprint._io.permissions import is_root
from fingerprint.errors import VaultChanged, VaultCorrupt, VaultError, VaultMissing, VaultUnsafe
from fingerprint.types import FingerprintRecord, RegistrationRecord
from fingerprint.vault.damage import damaged_bytes
from fingerprint.vault.files import Directory, is_torn, read_settled
from fingerprint.vault.journal import BYTES_FOUND, FOUND, NOT_WRITTEN, WRITTEN
from fingerprint.vault.locations import reference_vault
from fingerprint.vault.reading import checked, decode_listed, decode_record, read_manifest, read_record
from fingerprint.vault.records import (
    CLEARED,
    FINGERPRINT_KEY,
    REGISTRATION_KEY,
    decode_fingerprint,
    decode_registration,
    encode_fingerprint,
    encode_manifest,
    encode_registration,
)
from fingerprint.vault.vault import DECISIONS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from fingerprint.vault.vault import Vault

    _Record = TypeVar("_Record", FingerprintRecord, RegistrationRecord)
    _Listed = tuple[bytes | None, dict[str, str] | None, bool]

# The unit in which most file systems allocate space.
_BLOCK = 4096


class VaultEdit:
    """An open, locked vault: read, decide, then store, without another writer of ours in between."""

    def __init__(self, vault: Vault, wait: float) -> None:
        self._vault = vault
        self._wait = wait

    def __enter__(self) -> VaultEdit:
        self._vault.require_fresh()
        # The reference leaves its directories without x (0600), so only root gets into them; since 3.3.4177 with x, and
        # it may run as another user.
        self._mode = 0o600 if self._vault.path == reference_vault() and is_root() else 0o700
        for left in reversed(range(DECISIONS)):
            self._directory = Directory.make(self._vault.path, self._mode)
            try:
                self._directory.lock(self._wait)
                # During the wait another directory may have taken the path: that one is the vault.
                self._directory.require_in_place()
                self._noted = self._vault.settle_state()
                break
            except VaultChanged:
                self._directory.close()
                if not left:
                    raise
            except BaseException:
                self._directory.close()
                raise
        return self

    def __exit__(self, *_: object) -> None:
        self._directory.close()

    def read(self) -> FingerprintRecord:
        """Return the record as it is under the lock. Raises as `Vault.read`."""
        data = read_record(self._vault, self._directory, FINGERPRINT_KEY, to_write=True)
        return decode_record(self._vault, FINGERPRINT_KEY, data, decode_fingerprint)

    def read_registration(self) -> RegistrationRecord:
        """Return the registration as it is under the lock. Raises as `Vault.read`."""
        data = read_record(self._vault, self._directory, REGISTRATION_KEY, to_write=True)
        return decode_record(self._vault, REGISTRATION_KEY, data, decode_registration)

    def store(self, record: FingerprintRecord, *, why: str, rule: str = "") -> None:
        """Replace the fingerprint record; the one before it is kept in the history first.

        Args:
            record: the new record.
            why: the reason, for the history and the audit log.
            rule: the rule that decided, if one did.

        Raises:
            VaultCorrupt, VaultUnreadable, VaultUnsafe, VaultDenied: the present record could not be read or
                replaced; it is unchanged.
        """
        with self._directory.make_inner("Store", self._mode) as store:
            data = encode_fingerprint(record, read_settled(store, FINGERPRINT_KEY) or b"")
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
            as_it_is: also if the bytes seem damaged; from then on they count as written on purpose.

        Raises:
            VaultError: as `Vault.read`; VaultCorrupt also for bytes that are no record: their copy is of no use.
        """
        from fingerprint.vault.integrity import MANIFEST_KEYS

        vault = self._vault
        if as_it_is:
            with Directory.open("Store", self._directory) as store:
                data = read_settled(store, key)
            if data is None:
                raise VaultMissing(f"the vault holds no {key}", where=vault.data_path(key))
            decode_record(vault, key, data, MANIFEST_KEYS["Manifest"][key])
        else:
            data = read_record(vault, self._directory, key, to_write=True)
        with Directory.open("Store", self._directory) as store:
            node = _node(store)
        number = vault.history.record(
            key, data, data, why=why, rule="", now=vault.now(), node=node, state=BYTES_FOUND
        )  # fmt: skip
        self._note_place()
        return number

    def force(self, key: str, data: bytes, *, why: str) -> None:
        """Replace the bytes of a key even if the present record or manifest is corrupt or lost.

        Only for what a person asked for by name; the replaced bytes stay in the history.

        Raises:
            VaultUnreadable, VaultUnsafe, VaultDenied: the present bytes could not be read.
        """
        self._store(key, data, None, why, "")

    def try_writes(self, record: bytes, registration: bytes) -> None:
        """Write and remove temporary files of the size of both records, to see whether the disk has the space.

        Raises:
            VaultDenied, VaultUnreadable: they could not be written.
        """
        sizes = (len(record), len(registration), _BLOCK)
        # All at once: each of them takes blocks of its own.
        filler = b" " * sum(-(-size // _BLOCK) * _BLOCK for size in sizes)
        with self._directory.make_inner("Store", self._mode) as store:
            store.try_write(FINGERPRINT_KEY, record)
            store.try_write(REGISTRATION_KEY, filler)
        self._directory.try_write(self._vault.manifest_name, b" " * _BLOCK)

    def write_manifest(self, name: str, manifest: dict[str, str], *, why: str) -> None:
        """Replace a manifest; the old file stays in the history. Raises as `force`, and VaultCorrupt for a long one."""
        data = encode_manifest(manifest)
        before = read_settled(self._directory, name)
        if before != data:
            number = self._vault.history.record(name, before, data, why=why, rule="", now=self._vault.now())
            self._directory.put(name, data, before, self._found(name))
            self._mark_written(number, name)

    def _store(self, key: str, data: bytes, check: Callable[[bytes, str], _Record] | None, why: str, rule: str) -> None:
        vault = self._vault
        try:
            manifest = read_manifest(vault, self._directory)
        except VaultCorrupt:
            if check:
                raise
            manifest = None
        with self._directory.make_inner("Store", self._mode) as store:
            before = read_settled(store, key)
            # Reading comes first, so that a failure of it leaves everything unwritten.
            listed = self._listed(store, key)
            if check and (before is not None or key in (manifest or {})):
                # Raises for a record that is lost, corrupt or damaged: it must not be overwritten.
                decode_record(vault, key, checked(vault, manifest, key, before, to_write=True), check)
            number = None
            if before != data:
                number = self._replace(store, key, before, data, why, rule)
            else:
                # Its writer may have been killed before it was durable.
                store.make_durable(key)
            # Data before manifest: after a crash between the two, reading finds the data without the manifest.
            self._list(store, key, listed, why)
            # Otherwise an acknowledged record would not be in the vault.
            store.require_in_place()
        if number is not None:
            self._mark_written(number, key)
        self._note_place()

    def _note_place(self) -> None:
        """Note which directory the vault is, in our state directory."""
        if self._noted:
            return
        from fingerprint.vault.state_keys import note_place

        vault = self._vault
        try:
            note_place(vault.state, vault.path, vault.state_key)
        except VaultError:
            # The record is stored; the next write notes the directory.
            return

    def _list(self, store: Directory, key: str, wanted: _Listed, why: str) -> None:
        """Write the manifest so that it lists all records in Store, and the key that was written there."""
        name = self._vault.manifest_name
        for left in reversed(range(DECISIONS)):
            present, listed, corrupt = wanted
            if listed is None:
                return
            try:
                if corrupt:
                    self.write_manifest(name, listed, why=why)
                else:
                    self._directory.put(name, encode_manifest(listed), present, self._found(name))
                return
            except VaultChanged:
                # Another program lists records, too.
                if not left:
                    raise
                wanted = self._listed(store, key)

    def _listed(self, store: Directory, key: str) -> _Listed:
        """Return the bytes of the manifest, what it must list (None if it does), and whether it is corrupt."""
        from fingerprint.vault.integrity import to_list

        vault = self._vault
        present = read_settled(self._directory, vault.manifest_name)
        try:
            manifest = decode_listed(vault, present)
            corrupt = False
        except VaultCorrupt:
            manifest, corrupt = self._entries(present or b""), True
        unlisted: tuple[str, ...] = to_list(vault, manifest or {}, store, copies=not corrupt)
        listed = {**(manifest or {}), **{one: vault.listed_path(one) for one in (*unlisted, key)}}
        return present, listed if corrupt or listed != manifest else None, corrupt

    def _mark_written(self, number: int, key: str) -> None:
        """Mark a change in the journal as made."""
        try:
            self._vault.history.mark(number, key, WRITTEN, self._vault.now())
        except VaultError:
            # The change is made; the next writer finds its bytes in the vault and marks it.
            return

    def _replace(self, store: Directory, key: str, before: bytes | None, data: bytes, why: str, rule: str) -> int:
        """Write a change into the journal, then make it; a change that fails is marked there as not made.

        Returns:
            The number of the entry, which the caller marks as written.
        """
        vault = self._vault
        known = () if before is None else vault.history.last_states(key, before)
        if before is not None and known and not damaged_bytes(known, before):
            vault.history.found(key, before, vault.now())
        self._keep_left_over(store, key, before)
        node = _node(store)
        number = vault.history.record(key, before, data, why=why, rule=rule, now=vault.now(), node=node)
        try:
            store.put(key, data, before, self._found(key))
        except VaultError as error:
            try:
                there = store.read(key)
                changed = isinstance(error, VaultChanged)
                if changed or there == before:
                    vault.history.mark(number, key, NOT_WRITTEN, vault.now())
                if changed and there is not None and there != before and not is_torn(there):
                    self._found(key)(before, there)
            except VaultError:
                # The caller reports the first error; for an unmarked change the bytes in the vault decide.
                pass
            raise
        return number

    def _found(self, key: str) -> Callable[[bytes | None, bytes], None]:
        """Return a function that notes in the journal that another program replaced bytes of a key by others."""
        history, now = self._vault.history, self._vault.now

        def found(before: bytes | None, after: bytes) -> None:
            history.record(key, before, after, why=FOUND, rule="", now=now(), state=BYTES_FOUND)

        return found

    def _keep_left_over(self, store: Directory, key: str, before: bytes | None) -> None:
        """Keep in the journal what a dead writer had displaced: another program may have written it."""
        left = store.left_over(key)
        if not left or is_torn(left) or left == before:
            return
        history, now = self._vault.history, self._vault.now()
        if left in history.seen(key):
            return
        if before is not None:
            self._found(key)(left, before)
        else:
            # It may be the only copy of a record.
            history.record(key, None, left, why=FOUND, rule="", now=now, state=BYTES_FOUND)

    def _entries(self, manifest: bytes) -> dict[str, str]:
        """Return the readable entries of a corrupt manifest, which the new one takes over."""
        from fingerprint.vault.agent_manifest import decode_as_agent, kept_entries

        return kept_entries(decode_as_agent(manifest))


def _node(store: Directory) -> str | None:
    """Return the node's id in Store, "" where there is none, None if it is not known: the history only notes it.

    Raises:
        VaultDenied, VaultUnreadable: reading failed; after that nothing is written.
    """
    try:
        data = read_settled(store, REGISTRATION_KEY)
        return "" if data is None else decode_registration(data, "").instance_id
    except (VaultCorrupt, VaultUnsafe):
        return None
