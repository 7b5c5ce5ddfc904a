"""The vault: where a machine's fingerprint and keys are kept, in the reference's layout and bytes.

Missing, unreadable and corrupt are three different errors, and none of them is ever overwritten: to
write a record one must have read the one before it, or seen that there is none. See docs/formats.md.
"""

from __future__ import annotations

import os

from fingerprint._io.permissions import is_root
from fingerprint.errors import VaultChanged, VaultCorrupt, VaultDenied, VaultError, VaultMissing, VaultUnsafe
from fingerprint.types import FingerprintRecord, RegistrationRecord
from fingerprint.vault.files import FILES, Folder, KeptFiles, is_torn, read_settled
from fingerprint.vault.history import History
from fingerprint.vault.journal import BYTES_FOUND, FOUND, NOT_WRITTEN, WRITTEN
from fingerprint.vault.locations import (
    hides_own,
    known_as,
    named_vault,
    reference_vault,
    resolve_vault,
    state_folder,
)
from fingerprint.vault.records import (
    CLEARED,
    decode_fingerprint,
    decode_manifest,
    decode_registration,
    encode_fingerprint,
    encode_manifest,
    encode_registration,
    register_command,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from fingerprint.vault.evidence import EvidenceStore
    from fingerprint.vault.files import Files

    _Record = TypeVar("_Record", FingerprintRecord, RegistrationRecord)
    _Result = TypeVar("_Result")
    _Listed = tuple[bytes | None, dict[str, str] | None, bool]

FINGERPRINT_KEY = "InstanceFingerprint"
REGISTRATION_KEY = "RegistrationKey"
LOCK_SECONDS = 30.0
_READS_TRIED = 20
# How often a change is decided anew because another program wrote meanwhile, or the directory was replaced.
_DECISIONS = 10
# In which most file systems give out room.
_BLOCK = 4096
_CHANGED = "Another program wrote this record since it was written here last"
# How the remedy of a failed reading begins: it may have been made in order to write.
NOTHING_WRITTEN = "Nothing was written. "


class Vault:
    """A vault on disk. Making the object touches nothing.

    Args:
        path: the directory that holds `Manifest` and `Store`.
        state: the directory of our own state (history, audit); None for the usual one.
        prefix: "" for hybrid machines, "EC2" for the other manifest.
        now: the clock, seconds since 1970-01-01 UTC.
        known_as: the directory as the vault's own machine knows it, if that is another one.
        root: the root directory of the copied disk that the vault is on.
    """

    def __init__(
        self,
        path: str,
        *,
        state: str | None = None,
        prefix: str = "",
        now: Callable[[], float] | None = None,
        known_as: str = "",
        root: str = "/",
    ) -> None:
        self.path = os.path.abspath(path)
        self._known_as = known_as or self.path
        self._root = root
        self.manifest_name = prefix + "Manifest"
        self._state = state
        self._now = now
        self._history: History | None = None
        self._key: str | None = None
        # How its directories are opened to read.
        self.files: Files = FILES
        # Whether nobody named it: then another one may be meant.
        self.by_default = False
        # What the last reading noticed and did not refuse: a change by another program.
        self.notice = ""
        # Whether that is that the vault holds an older record than our journal.
        self.rolled_back = False
        # Why the last reading could not be held against our journal.
        self.unwatched = ""

    @classmethod
    def open(cls, path: str | None = None, *, root: str = "/", state: str | None = None) -> Vault:
        """Return the vault that the user named, else the reference's if it exists, else our own."""
        found = resolve_vault(path, root)
        vault = cls(found, state=state, known_as=known_as(found, root), root=root)
        vault.by_default = path is None and root == "/" and named_vault() is None
        return vault

    def keeping(self) -> Vault:
        """Return this vault as one that reads each file once, for one look at it; it cannot be edited."""
        if self.files.keeping:
            return self
        one = object.__new__(type(self))
        one.__dict__.update(self.__dict__, _history=None, files=KeptFiles())
        return one

    def demand_fresh(self) -> None:
        """Raise RuntimeError if it keeps what it read: who looks again, or writes, reads anew."""
        if self.files.keeping:
            raise RuntimeError(
                "a vault that keeps what it read cannot be looked at again, nor edited: "
                "name the vault that it was made of"
            )

    @property
    def shadowed(self) -> bool:
        """Whether this is our own vault, found in spite of an empty directory where the reference's is looked for."""
        if not self.by_default or self.path == reference_vault():
            return False
        return hides_own(reference_vault())

    @property
    def state(self) -> str:
        """The directory of our own state."""
        if self._state is None:
            self._state = state_folder()
        return self._state

    @property
    def state_key(self) -> str:
        """The name of what our state directory holds of this vault.

        Raises:
            VaultUnreadable: it could not be found out.
        """
        if self._key is None:
            key, settled = self.files.once("state key", self._find_key)
            if not settled:
                # Another process may take it over at any time.
                return key
            self._key = key
        return self._key

    def _find_key(self) -> tuple[str, bool]:
        from fingerprint.vault.state_keys import find_key

        key = find_key(self.state, self.path, files=self.files)
        if key.settled:
            return key.name, True
        from fingerprint.vault.state_migration import readable_key

        return readable_key(self.state, self.path, key.name, self.files), False

    def settle_state(self) -> bool:
        """Take over what an earlier version kept under another key. The caller holds the lock of the vault.

        Returns:
            Whether it is noted already which directory this vault is.

        Raises:
            VaultError: that failed.
        """
        from fingerprint.vault.state_keys import find_key

        key = find_key(self.state, self.path, to_write=True)
        if not key.settled:
            from fingerprint.vault.state_migration import take_over

            take_over(self.state, self.path, key.name)
        self._key = key.name
        return key.noted

    @property
    def history(self) -> History:
        """The journal of what this vault held before."""
        key = self.state_key
        if self._history is None or self._history.key != key:
            self._history = History(self.state, self.path, key, self.files)
        return self._history

    @property
    def evidence(self) -> EvidenceStore:
        """The snapshots of the machine that were kept for this vault's records."""
        from fingerprint.vault.evidence import EvidenceStore

        return EvidenceStore(self.state, self.state_key, self.files)

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
        return self._decoded(FINGERPRINT_KEY, self.read_bytes(FINGERPRINT_KEY), decode_fingerprint)

    def read_registration(self) -> RegistrationRecord:
        """Return the registration record. Raises as `read`."""
        return self._decoded(REGISTRATION_KEY, self.read_bytes(REGISTRATION_KEY), decode_registration)

    def data_path(self, key: str) -> str:
        """Return the path of a key's data file."""
        return os.path.join(self.path, "Store", key)

    def listed_path(self, key: str) -> str:
        """Return the same as the manifest has it: of a vault on a copied disk the path on its own machine."""
        return os.path.join(self._known_as, "Store", key)

    def lists_a_copy(self, path: str, key: str) -> bool:
        """Return whether a path in the manifest is that of the same key in the vault that this one was copied from.

        The vault that the agent uses must name itself.
        """
        return self._known_as != reference_vault() and path.replace("\\", "/").endswith(f"/Store/{key}")

    def on_its_machine(self, path: str) -> str:
        """Return where a path of the vault's own machine is here.

        Raises:
            OSError: links on the copied disk lead to each other.
        """
        if self._root == "/":
            return os.path.join(os.sep, path)
        from fingerprint._io.chroot import on_disk

        return on_disk(self._root, os.path.join("/", path))

    def written_at(self, key: str) -> float | None:
        """Return when a key's data file was written, in seconds since 1970-01-01 UTC; None if that cannot be seen."""
        try:
            return os.stat(self.data_path(key)).st_mtime
        except OSError:
            return None

    def read_bytes(self, key: str) -> bytes:
        """Return the bytes of a key's data file, found through the manifest. Raises as `read`."""
        if not self.files.keeping:
            return self._read_bytes(key)
        data, refused, self.notice, self.rolled_back, self.unwatched = self.files.once(
            ("record", key), lambda: self._noticed(key)
        )
        if refused is not None:
            raise refused.again()
        return data

    def _noticed(self, key: str) -> tuple[bytes, VaultError | None, str, bool, str]:
        """Return what reading a key gives, or its error, with what it noticed."""
        data, refused = b"", None
        try:
            data = self._read_bytes(key)
        except VaultError as error:
            refused = error
        return data, refused, self.notice, self.rolled_back, self.unwatched

    def _read_bytes(self, key: str) -> bytes:
        self.notice = ""
        self.rolled_back = False
        try:
            folder = self.files.open(self.path)
        except VaultMissing as error:
            error.remedy = self._first(key, to_write=False)
            raise
        with folder:
            return self._read(folder, key)

    def raw(self, key: str) -> bytes | None:
        """Return the bytes of a key's data file as they lie in Store, whatever the manifest says; None without one.

        Raises:
            VaultError: they could not be read.
        """
        try:
            with self.files.open(self.path) as folder:
                return self._data(folder, key)
        except VaultMissing:
            return None

    def replaceable(self, key: str) -> bytes | None:
        """Return the bytes of a key's data file in Store that `VaultEdit.force` would replace; None without one.

        Raises:
            VaultDenied, VaultUnreadable, VaultUnsafe: they could not be read, or the manifest not be replaced.
        """
        try:
            with self.files.open(self.path) as folder:
                self.files.settled(folder, self.manifest_name)
                return self._data(folder, key)
        except VaultMissing:
            return None

    def edit(self, wait: float = LOCK_SECONDS) -> VaultEdit:
        """Return a context in which this process alone may write; it makes the directories if needed."""
        return VaultEdit(self, wait)

    def change(self, decide: Callable[[VaultEdit], _Result], wait: float = LOCK_SECONDS) -> _Result:
        """Return what `decide` does with the open, locked vault; it decides anew where its write came to nothing.

        So it does where a program that does not know the lock, such as the agent, wrote meanwhile.

        Raises:
            VaultChanged: another program wrote at each of ten times.
            Exception: as `decide` raises.
        """
        for _ in range(_DECISIONS - 1):
            try:
                with self.edit(wait) as edit:
                    return decide(edit)
            except VaultChanged:
                continue
        with self.edit(wait) as edit:
            return decide(edit)

    def _decoded(self, key: str, data: bytes, decode: Callable[[bytes, str], _Record]) -> _Record:
        """Return the record that bytes of a key are. Raises VaultCorrupt, with what helps here."""
        try:
            return decode(data, self.data_path(key))
        except VaultCorrupt as error:
            error.remedy = self._way_back(key, data)
            raise

    def _first(self, key: str, *, to_write: bool) -> str:
        """Return how a key comes into the vault that holds none. Raises VaultError where our journal does not tell.

        Who reads in order to write must know whether the machine is registered: for him a failed read is an error.
        """
        from fingerprint.vault import other_records

        if key == FINGERPRINT_KEY and self._is_registered(to_write=to_write):
            # The service knows a fingerprint of this node, and no first one would be that.
            return self._way_back(key).removeprefix(NOTHING_WRITTEN)
        try:
            known = other_records.lost(self, key) or other_records.other(self)
        except VaultUnsafe:
            if to_write:
                raise
            # Of the other record; who reads that is told.
            known = None
        if known is not None:
            return f"{known.what[0].upper()}{known.what[1:]}. {known.remedy}"
        if key != FINGERPRINT_KEY:
            return f"Register it with: {register_command()}"
        return "Make the first record with: fingerprint vault init"

    def _is_registered(self, *, to_write: bool) -> bool:
        """Return whether the vault holds a registration; who only reads takes one that he may not read for none."""
        try:
            data = self.raw(REGISTRATION_KEY)
            return data is not None and bool(decode_registration(data, "").instance_id)
        except VaultCorrupt:
            # Of whom it was it does not tell any more: `vault init` makes no record beside it.
            return True
        except (VaultDenied, VaultUnsafe):
            if to_write:
                raise
            return False

    def _way_back(self, key: str, present: bytes | None = None) -> str:
        # Imported here: only an error needs the whole journal.
        from fingerprint.vault.remedies import restore_remedy

        return NOTHING_WRITTEN + restore_remedy(self, key, present)

    def _manifest(self, folder: Folder, *, to_write: bool = True) -> dict[str, str] | None:
        """Return the manifest; who only reads needs none, as the data say who this host is."""
        return self._decoded_manifest(self.files.settled(folder, self.manifest_name), to_write=to_write)

    def _decoded_manifest(self, data: bytes | None, *, to_write: bool = True) -> dict[str, str] | None:
        if data is None:
            return None
        try:
            return decode_manifest(data, os.path.join(self.path, self.manifest_name))
        except VaultCorrupt as error:
            if not to_write:
                return None
            error.remedy = self._manifest_remedy()
            raise

    def _manifest_remedy(self) -> str:
        from fingerprint.vault.integrity import manifest_state

        return NOTHING_WRITTEN + manifest_state(self, self.manifest_name).remedy

    def _read(self, folder: Folder, key: str, *, to_write: bool = False) -> bytes:
        manifest, data = self._manifest(folder, to_write=to_write), self._data(folder, key)
        for _ in range(_READS_TRIED):
            try:
                # What helps is looked for when it is sure.
                found = self._present(manifest, key, data, to_write=to_write, in_short=True)
                if not self.notice:
                    return found
            except VaultCorrupt:
                pass
            # A writer may have come in between the data and the journal.
            self.files.forget()
            seen, manifest, data = data, self._manifest(folder, to_write=to_write), self._data(folder, key)
            if data == seen:
                break
        return self._present(manifest, key, data, to_write=to_write)

    def _data(self, folder: Folder, key: str) -> bytes | None:
        try:
            with self.files.open("Store", folder) as store:
                return self.files.settled(store, key)
        except VaultMissing:
            return None

    def _present(
        self, manifest: dict[str, str] | None, key: str, data: bytes | None, *, to_write: bool, in_short: bool = False
    ) -> bytes:
        """Return the bytes of a key's data file, or raise what is wrong with them.

        A journal that fails to be read fails the reading: without it damage would pass for a record. Who
        reads in order to write needs it also where it is another user's.
        """
        entry = None if manifest is None else manifest.get(key)
        if entry is not None:
            self._check_entry(entry, key)
        if data is not None:
            # Also when the manifest is missing or lacks the key: the data say who this host is.
            self._demand_undamaged(key, data, to_write=to_write, in_short=in_short)
            return data
        where = self.data_path(key)
        if entry is not None:
            raise VaultCorrupt(
                f"{self.manifest_name} lists {key}, and its data file is missing",
                where=where,
                remedy="" if in_short else self._way_back(key),
            )
        raise VaultMissing(f"the vault holds no {key}", where=where, remedy=self._first(key, to_write=to_write))

    def _demand_undamaged(self, key: str, data: bytes, *, to_write: bool, in_short: bool) -> None:
        """Raise VaultCorrupt for bytes that are nearly those that were written last; note other changes."""
        self.notice = self.unwatched = ""
        self.rolled_back = False
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
        from fingerprint.vault.damage import differing_bytes, newer_than, threshold_change

        for known in states:
            count = differing_bytes(known, data)
            if count:
                bytes_ = "1 byte" if count == 1 else f"{count} bytes"
                helps = "" if in_short else self._way_back(key, data)
                raise VaultCorrupt(
                    f"it differs in {bytes_} from what was written last, which looks like damage",
                    where=self.data_path(key),
                    remedy=f"{helps}. If it was changed on purpose: fingerprint vault backup --yes",
                )
        if in_short:
            self.notice = _CHANGED
            return
        newer = newer_than(self.history.changes(), key, data) if self.history.mentions(data) else None
        change = threshold_change(states[0], data)
        if newer is not None:
            self.rolled_back = True
            self.notice = (
                f"Our journal is newer: it has a record of {newer.at}, and the vault holds an older one again. It was "
                "rolled back, or another program wrote that"
            )
        elif change:
            self.notice = f"Another program changed the threshold from {change[0]} to {change[1]}"
        else:
            self.notice = _CHANGED

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
            remedy=self._manifest_remedy(),
        )


class VaultEdit:
    """An open, locked vault: read, decide, then store, with nobody in between."""

    def __init__(self, vault: Vault, wait: float) -> None:
        self._vault = vault
        self._wait = wait

    def __enter__(self) -> VaultEdit:
        self._vault.demand_fresh()
        # The reference leaves its directories without x (0600), so only root gets into them; since 3.3.4177 with x, and
        # it may run as another user.
        self._mode = 0o600 if self._vault.path == reference_vault() and is_root() else 0o700
        for left in reversed(range(_DECISIONS)):
            self._folder = Folder.make(self._vault.path, self._mode)
            try:
                self._folder.lock(self._wait)
                # While this one waited another directory may have come to the path: that one is the vault.
                self._folder.demand_in_place()
                self._noted = self._vault.settle_state()
                break
            except VaultChanged:
                self._folder.close()
                if not left:
                    raise
            except BaseException:
                self._folder.close()
                raise
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.close()

    def read(self) -> FingerprintRecord:
        """Return the record as it is under the lock. Raises as `Vault.read`."""
        data = self._vault._read(self._folder, FINGERPRINT_KEY, to_write=True)
        return self._vault._decoded(FINGERPRINT_KEY, data, decode_fingerprint)

    def read_registration(self) -> RegistrationRecord:
        """Return the registration as it is under the lock. Raises as `Vault.read`."""
        data = self._vault._read(self._folder, REGISTRATION_KEY, to_write=True)
        return self._vault._decoded(REGISTRATION_KEY, data, decode_registration)

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
            as_it_is: also if the bytes look damaged; from then on they count as written on purpose.

        Raises:
            VaultError: as `Vault.read`; VaultCorrupt also for bytes that are no record: their copy is of no use.
        """
        from fingerprint.vault.integrity import MANIFEST_KEYS

        vault = self._vault
        if as_it_is:
            with Folder.open("Store", self._folder) as store:
                data = read_settled(store, key)
            if data is None:
                raise VaultMissing(f"the vault holds no {key}", where=vault.data_path(key))
            try:
                MANIFEST_KEYS["Manifest"][key](data, vault.data_path(key))
            except VaultCorrupt as error:
                error.remedy = vault._way_back(key, data)
                raise
        else:
            data = vault._read(self._folder, key, to_write=True)
        with Folder.open("Store", self._folder) as store:
            node = _node(store)
        number = vault.history.record(
            key, data, data, why=why, rule="", now=vault.now(), node=node, state=BYTES_FOUND
        )  # fmt: skip
        self._note_place()
        return number

    def force(self, key: str, data: bytes, *, why: str) -> None:
        """Replace the bytes of a key even if what is there, record or manifest, is corrupt or lost.

        For what a person asked for by name; the replaced bytes stay in the history.

        Raises:
            VaultUnreadable, VaultUnsafe, VaultDenied: what is there could not be read.
        """
        self._store(key, data, None, why, "")

    def try_writes(self, record: bytes, registration: bytes) -> None:
        """Write as much as both records need into temporary files, and remove them: whether there is room, and may be.

        Raises:
            VaultDenied, VaultUnreadable: they could not be written.
        """
        sizes = (len(record), len(registration), _BLOCK)
        # All at once: each of them takes blocks of its own.
        room = b" " * sum(-(-size // _BLOCK) * _BLOCK for size in sizes)
        with self._folder.make_inner("Store", self._mode) as store:
            store.try_write(FINGERPRINT_KEY, record)
            store.try_write(REGISTRATION_KEY, room)
        self._folder.try_write(self._vault.manifest_name, b" " * _BLOCK)

    def write_manifest(self, name: str, manifest: dict[str, str], *, why: str) -> None:
        """Replace a manifest; the old file stays in the history. Raises as `force`, and VaultCorrupt for a long one."""
        data = encode_manifest(manifest)
        before = read_settled(self._folder, name)
        if before != data:
            number = self._vault.history.record(name, before, data, why=why, rule="", now=self._vault.now())
            self._folder.put(name, data, before, self._found(name))
            self._mark_written(number, name)

    def _store(self, key: str, data: bytes, check: Callable[[bytes, str], _Record] | None, why: str, rule: str) -> None:
        vault = self._vault
        try:
            manifest = vault._manifest(self._folder)
        except VaultCorrupt:
            if check:
                raise
            manifest = None
        with self._folder.make_inner("Store", self._mode) as store:
            before = read_settled(store, key)
            # What cannot be read is met before anything is written.
            listed = self._listed(store, key)
            if check and (before is not None or key in (manifest or {})):
                # Raises for a record that is lost, corrupt or damaged: it must not be overwritten.
                vault._decoded(key, vault._present(manifest, key, before, to_write=True), check)
            number = None
            if before != data:
                number = self._replace(store, key, before, data, why, rule)
            else:
                # Who wrote it may have been killed before it was durable.
                store.make_durable(key)
            # Data before manifest: a crash between the two leaves data that reading finds by itself.
            self._list(store, key, listed, why)
            # Else nobody would find in the vault what is acknowledged now.
            store.demand_in_place()
        if number is not None:
            self._mark_written(number, key)
        self._note_place()

    def _note_place(self) -> None:
        """Write down which directory holds what was written now."""
        if self._noted:
            return
        from fingerprint.vault.state_keys import note_place

        vault = self._vault
        try:
            note_place(vault.state, vault.path, vault.state_key)
        except VaultError:
            # The record is there, and the next write says where that is.
            return

    def _list(self, store: Folder, key: str, wanted: _Listed, why: str) -> None:
        """Let the manifest list all records in Store, and a key that was written there."""
        name = self._vault.manifest_name
        for left in reversed(range(_DECISIONS)):
            present, listed, corrupt = wanted
            if listed is None:
                return
            try:
                if corrupt:
                    self.write_manifest(name, listed, why=why)
                else:
                    self._folder.put(name, encode_manifest(listed), present, self._found(name))
                return
            except VaultChanged:
                # Another program lists records, too.
                if not left:
                    raise
                wanted = self._listed(store, key)

    def _listed(self, store: Folder, key: str) -> _Listed:
        """Return the bytes of the manifest, what it must list (None if it does), and whether it is corrupt."""
        from fingerprint.vault.integrity import to_list

        vault = self._vault
        present = read_settled(self._folder, vault.manifest_name)
        try:
            manifest = vault._decoded_manifest(present)
            corrupt = False
        except VaultCorrupt:
            manifest, corrupt = self._entries(present or b""), True
        unlisted: tuple[str, ...] = to_list(vault, manifest or {}, store, copies=not corrupt)
        listed = {**(manifest or {}), **{one: vault.listed_path(one) for one in (*unlisted, key)}}
        return present, listed if corrupt or listed != manifest else None, corrupt

    def _mark_written(self, number: int, key: str) -> None:
        """Say in the journal that a change was made."""
        try:
            self._vault.history.mark(number, key, WRITTEN, self._vault.now())
        except VaultError:
            # It is made, and what lies in the vault says the same; the next writer marks it by that.
            return

    def _replace(self, store: Folder, key: str, before: bytes | None, data: bytes, why: str, rule: str) -> int:
        """Write a change into the journal, then make it; a change that fails is marked there as not made.

        Returns:
            The number of the entry, which the caller marks as written.
        """
        vault = self._vault
        known = () if before is None else vault.history.last_states(key, before)
        if before is not None and known and not _looks_damaged(known, before):
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
                # The error that brought us here is the one to report; unmarked, what lies in the vault decides.
                pass
            raise
        return number

    def _found(self, key: str) -> Callable[[bytes | None, bytes], None]:
        """Return what writes into the journal that another program replaced some bytes of a key by others."""
        history, now = self._vault.history, self._vault.now

        def found(before: bytes | None, after: bytes) -> None:
            history.record(key, before, after, why=FOUND, rule="", now=now(), state=BYTES_FOUND)

        return found

    def _keep_left_over(self, store: Folder, key: str, before: bytes | None) -> None:
        """Keep what a writer that died had displaced: another program may have written that."""
        left = store.left_over(key)
        if not left or is_torn(left) or left == before:
            return
        history, now = self._vault.history, self._vault.now()
        if left in history.seen(key):
            return
        if before is not None:
            self._found(key)(left, before)
        else:
            # It may be all that there is of a record.
            history.record(key, None, left, why=FOUND, rule="", now=now, state=BYTES_FOUND)

    def _entries(self, manifest: bytes) -> dict[str, str]:
        """Return what a corrupt manifest lists all the same, and the new one takes over."""
        from fingerprint.vault.integrity import as_the_agent_reads, kept_entries

        return kept_entries(as_the_agent_reads(manifest))


def _looks_damaged(known: tuple[bytes, ...], data: bytes) -> bool:
    """Return whether bytes are nearly what was written last: nobody wrote them."""
    from fingerprint.vault.damage import differing_bytes

    return any(differing_bytes(one, data) for one in known)


def _node(store: Folder) -> str | None:
    """Return the node's id in Store, "" where there is none, None where it cannot be told: it is only noted.

    Raises:
        VaultDenied, VaultUnreadable: reading failed; after that nothing is written.
    """
    try:
        data = read_settled(store, REGISTRATION_KEY)
        return "" if data is None else decode_registration(data, "").instance_id
    except (VaultCorrupt, VaultUnsafe):
        return None
