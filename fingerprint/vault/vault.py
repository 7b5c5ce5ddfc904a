"""A vault on disk: its records, found through the manifest and compared with our journal.

Missing, unreadable and corrupt are three different errors, and no write follows them: before a record is
written, the previous one was read, or is known not to exist. See docs/formats.md.
"""

from __future__ import annotations

import os

from fingerprint.errors import VaultChanged, VaultError, VaultMissing
from fingerprint.types import FingerprintRecord, RegistrationRecord
from fingerprint.vault.files import FILES, KeptFiles
from fingerprint.vault.history import History
from fingerprint.vault.locations import (
    hides_own,
    known_as,
    named_vault,
    reference_vault,
    resolve_vault,
    state_directory,
)
from fingerprint.vault.reading import decode_record, missing_remedy, read_data, read_record
from fingerprint.vault.records import (
    FINGERPRINT_KEY,
    REGISTRATION_KEY,
    decode_fingerprint,
    decode_registration,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from fingerprint.vault.edit import VaultEdit
    from fingerprint.vault.evidence import EvidenceStore
    from fingerprint.vault.files import Files

    _Result = TypeVar("_Result")

LOCK_SECONDS = 30.0
# How often a change is decided anew because another program wrote meanwhile, or the directory was replaced.
DECISIONS = 10


class Vault:
    """A vault on disk. Creating the object reads nothing.

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
        # Whether it is the default vault, so that the user may mean the other one.
        self.by_default = False
        # The change by another program that the last reading found; "" without one.
        self.notice = ""
        # Whether that change is a rollback: the vault holds an older record than our journal.
        self.rolled_back = False
        # Why the last reading was not compared with our journal; "" if it was.
        self.unwatched = ""

    @classmethod
    def open(cls, path: str | None = None, *, root: str = "/", state: str | None = None) -> Vault:
        """Return the vault that the user named, else the reference's if it exists, else our own."""
        found = resolve_vault(path, root)
        vault = cls(found, state=state, known_as=known_as(found, root), root=root)
        vault.by_default = path is None and root == "/" and named_vault() is None
        return vault

    def keeping(self) -> Vault:
        """Return this vault as one that reads each file once, for one observation; it cannot be edited."""
        if self.files.keeping:
            return self
        one = object.__new__(type(self))
        one.__dict__.update(self.__dict__, _history=None, files=KeptFiles())
        return one

    def require_fresh(self) -> None:
        """Raise RuntimeError if it keeps what it read: to observe again, or to write, read anew."""
        if self.files.keeping:
            raise RuntimeError(
                "a vault that keeps its answers cannot be read again, nor edited: use the vault that it was made from"
            )

    @property
    def shadowed(self) -> bool:
        """Whether this is our own vault, found in spite of an empty directory at the path of the reference's."""
        if not self.by_default or self.path == reference_vault():
            return False
        return hides_own(reference_vault())

    @property
    def state(self) -> str:
        """The directory of our own state."""
        if self._state is None:
            self._state = state_directory()
        return self._state

    @property
    def state_key(self) -> str:
        """The name of what our state directory holds of this vault.

        Raises:
            VaultUnreadable: finding it failed.
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
            VaultDenied, VaultUnreadable, VaultUnsafe, VaultCorrupt: there is one, and reading it failed.
        """
        return decode_record(self, FINGERPRINT_KEY, self.read_bytes(FINGERPRINT_KEY), decode_fingerprint)

    def read_registration(self) -> RegistrationRecord:
        """Return the registration record. Raises as `read`."""
        return decode_record(self, REGISTRATION_KEY, self.read_bytes(REGISTRATION_KEY), decode_registration)

    def data_path(self, key: str) -> str:
        """Return the path of a key's data file."""
        return os.path.join(self.path, "Store", key)

    def listed_path(self, key: str) -> str:
        """Return that path as the manifest lists it; on a copied disk it is the path on the vault's own machine."""
        return os.path.join(self._known_as, "Store", key)

    def lists_a_copy(self, path: str, key: str) -> bool:
        """Return whether a path in the manifest is that of the same key in the vault that this one was copied from.

        The vault that the agent uses must name itself.
        """
        return self._known_as != reference_vault() and path.replace("\\", "/").endswith(f"/Store/{key}")

    def on_its_machine(self, path: str) -> str:
        """Return the path on this host of a path on the vault's own machine.

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
        """Return the bytes of a key or the error of reading them, with the notices of that reading."""
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
            directory = self.files.open(self.path)
        except VaultMissing as error:
            error.remedy = missing_remedy(self, key, to_write=False)
            raise
        with directory:
            return read_record(self, directory, key)

    def raw(self, key: str) -> bytes | None:
        """Return the bytes of a key's data file in Store, whatever the manifest lists; None without one.

        Raises:
            VaultError: they could not be read.
        """
        try:
            with self.files.open(self.path) as directory:
                return read_data(self, directory, key)
        except VaultMissing:
            return None

    def replaceable(self, key: str) -> bytes | None:
        """Return the bytes of a key's data file in Store that `VaultEdit.force` would replace; None without one.

        Raises:
            VaultDenied, VaultUnreadable, VaultUnsafe: they could not be read, or the manifest not be replaced.
        """
        try:
            with self.files.open(self.path) as directory:
                self.files.settled(directory, self.manifest_name)
                return read_data(self, directory, key)
        except VaultMissing:
            return None

    def edit(self, wait: float = LOCK_SECONDS) -> VaultEdit:
        """Return a context in which this process alone may write; missing directories are made."""
        # Imported here: reading does not need it.
        from fingerprint.vault.edit import VaultEdit

        return VaultEdit(self, wait)

    def change(self, decide: Callable[[VaultEdit], _Result], wait: float = LOCK_SECONDS) -> _Result:
        """Call `decide` with the open, locked vault and return its result; call it again if its write was overtaken.

        A program without our lock, such as the agent, may write at the same time.

        Raises:
            VaultChanged: another program wrote at each of ten times.
            Exception: as `decide` raises.
        """
        for _ in range(DECISIONS - 1):
            try:
                with self.edit(wait) as edit:
                    return decide(edit)
            except VaultChanged:
                continue
        with self.edit(wait) as edit:
            return decide(edit)
