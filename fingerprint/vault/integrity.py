"""Decide whether the agent finds the vault's records through its manifest, and what it does if not.

The agent finds a data file only through the manifest: a record that lies in Store and is not listed does
not exist for it. Source: fsvault (ensureInitialized, Retrieve, Store) and fingerprint (fetch,
generateFingerprint) of amazon-ssm-agent 3.3, and measurements of them.
"""

from __future__ import annotations

import os

from fingerprint.errors import VaultCorrupt, VaultMissing
from fingerprint.types import Value
from fingerprint.vault.agent_manifest import MISSING, decode_as_agent, file_defect, invalid_text, kept_entries
from fingerprint.vault.os_errors import FILE_LIMIT, vault_error
from fingerprint.vault.records import FINGERPRINT_KEY, REGISTRATION_KEY, decode_fingerprint, decode_registration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from fingerprint.vault.files import Directory
    from fingerprint.vault.vault import Vault

EC2_REGISTRATION_KEY = "EC2RegistrationKey"
STORE = "Store"
# The keys that each manifest must list if their data lie in Store, in the order in which the agent asks for them,
# and what their data must decode as.
MANIFEST_KEYS: dict[str, dict[str, Callable[[bytes, str], object]]] = {
    "Manifest": {REGISTRATION_KEY: decode_registration, FINGERPRINT_KEY: decode_fingerprint},
    "EC2Manifest": {EC2_REGISTRATION_KEY: decode_registration},
}
READS, MINTS, EXITS, FAILS, REGISTERS = "reads", "mints", "exits", "fails", "registers"
SOUND, NONE = "sound", "none"
INVALID_TEXT = "invalid-text"
UNLISTED, ELSEWHERE, DATA_MISSING = "unlisted", "elsewhere", "data-missing"
REPAIR = "fingerprint vault repair --yes"
# What the agent does because of a manifest, at its next start.
CONSEQUENCES = {
    READS: "the agent finds its records",
    MINTS: "at its first token request after the next start the agent stores a new fingerprint, with threshold 40, "
    "over this one, and the service rejects it",
    EXITS: "at its next start the agent finds no registration and exits (on EC2 it takes the instance's identity); it "
    "writes nothing",
    FAILS: "at its next start the agent cannot load the vault, finds no registration and exits; it writes nothing",
    REGISTERS: "at its next start on EC2 the agent stores a new key over this one and registers the instance again",
}


class ManifestState(Value):
    """What a manifest is, what the agent does because of it, and what helps.

    Attributes:
        kind: SOUND; NONE (nothing to list); of the file MISSING, EMPTY (0 bytes), BLANK (spaces or NULs),
            NOT_JSON, WRONG_TYPE (JSON, but not an object of strings), INVALID_TEXT (names or paths that are not
            Unicode: the agent reads U+FFFD for them, and nothing is written here until it is repaired); of single
            keys UNLISTED (its data lie in Store), ELSEWHERE (listed with a path outside of the vault), DATA_MISSING
            (listed, and no data file).
        agent_does: READS; MINTS (finds the registration and no fingerprint); EXITS (finds no registration);
            FAILS (cannot load the vault, and writes nothing); of EC2Manifest REGISTERS.
        what: what is wrong, "" if nothing is.
        where: the path of the manifest.
        kinds: the keys that are concerned, each with its kind.
        listable: those of them whose data in Store decode, so that `vault repair` lists them.
        listed: key and path of each entry that is there, also of a manifest that the agent cannot read.
        repaired: key and path of each entry after `vault repair`; None for a sound manifest, and where a repair
            would not help or let the agent store a new fingerprint.
        remedy: what helps, in one sentence without a full stop at its end; "" for a sound one.
    """

    kind: str
    agent_does: str
    what: str
    where: str
    kinds: tuple[tuple[str, str], ...] = ()
    listable: tuple[str, ...] = ()
    listed: tuple[tuple[str, str], ...] = ()
    repaired: tuple[tuple[str, str], ...] | None = None
    remedy: str = ""

    @property
    def consequence(self) -> str:
        """What the agent does, in words without a full stop."""
        return CONSEQUENCES[self.agent_does]

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that are concerned."""
        return tuple(key for key, _ in self.kinds)

    @property
    def sound(self) -> bool:
        """Whether the agent finds all records in the vault."""
        return self.kind in (SOUND, NONE)


def manifest_state(vault: Vault, manifest_name: str = "") -> ManifestState:
    """Return the state of a vault's manifest, read once; nothing is written.

    A manifest that names another vault's Store (a vault that was copied or mounted elsewhere) is sound.

    Args:
        vault: the vault.
        manifest_name: "Manifest" or "EC2Manifest"; "" for the vault's own.

    Raises:
        VaultDenied, VaultUnreadable, VaultUnsafe: the vault could not be read.
        VaultCorrupt: the manifest is longer than any manifest can be.
    """
    name = manifest_name or vault.manifest_name
    try:
        with vault.files.open(vault.path) as directory:
            data = vault.files.settled(directory, name)
            listed = decode_as_agent(data or b"")
            copies = not invalid_text(data)
            try:
                with vault.files.open(STORE, directory) as store:
                    return _Listing(vault, name, listed, store, copies=copies).state(data)
            except VaultMissing:
                return _Listing(vault, name, listed, None, copies=copies).state(data)
    except VaultMissing:
        return ManifestState(NONE, READS, "", os.path.join(vault.path, name))


def to_list(vault: Vault, listed: dict[str, str], store: Directory, *, copies: bool) -> tuple[str, ...]:
    """Return the keys of a vault whose entry does not lead to their record in Store, and should.

    A key with another record elsewhere is left out: which of the two is right cannot be decided.

    Args:
        vault: the vault.
        listed: key and path of each entry of its manifest.
        store: its Store.
        copies: whether an entry may name the vault that this one was copied from.

    Raises:
        VaultDenied, VaultUnreadable, VaultUnsafe: data could not be read.
    """
    return _Listing(vault, vault.manifest_name, listed, store, copies=copies).to_list()


def _listable(vault: Vault, name: str, keys: Iterable[str], store: Directory | None) -> tuple[str, ...]:
    """Return those of some keys of a manifest whose data lie in Store and decode. Raises as `manifest_state`."""
    found = []
    for key in keys:
        try:
            data = None if store is None else vault.files.settled(store, key)
        except VaultCorrupt:
            # It is longer than any record.
            continue
        if data is not None and _is_record(name, key, data):
            found.append(key)
    return tuple(found)


def _is_record(name: str, key: str, data: bytes) -> bool:
    try:
        MANIFEST_KEYS[name][key](data, "")
    except VaultCorrupt:
        return False
    return True


class _Listing:
    """A manifest and the Store that it belongs to."""

    def __init__(
        self, vault: Vault, name: str, listed: dict[str, str], store: Directory | None, *, copies: bool
    ) -> None:  # fmt: skip
        self._vault = vault
        self._name = name
        self._store = store
        self._where = os.path.join(vault.path, name)
        self._names = [] if store is None else store.names()
        self._listed = listed
        # A path with damaged text is not another vault's.
        self._copies = copies

    def to_list(self) -> tuple[str, ...]:
        return tuple(key for key in MANIFEST_KEYS[self._name] if self._key(key)[2])

    def state(self, data: bytes | None) -> ManifestState:
        there = [key for key in MANIFEST_KEYS[self._name] if key in self._names]
        kind, problem = file_defect(data)
        if kind == MISSING and not there:
            return ManifestState(NONE, READS, "", self._where)
        if kind:
            does = FAILS if kind != MISSING else _does(there)
            held = f"; Store holds {_and(there)}" if there else ""
            return self._wrong(
                kind,
                does,
                f"{self._name} {problem}{held}",
                dict.fromkeys(there, kind),
                _listable(self._vault, self._name, there, self._store),
            )
        state = self._of_keys()
        if state.sound and (problem := invalid_text(data)):
            what = f"{self._name} holds text that is not Unicode: {problem}"
            good = _listable(self._vault, self._name, there, self._store)
            return self._wrong(INVALID_TEXT, READS, what, dict.fromkeys(there, INVALID_TEXT), good)
        return state

    def _of_keys(self) -> ManifestState:
        states: dict[str, str] = {}
        lost, good = [], []
        for key in MANIFEST_KEYS[self._name]:
            state, found, right = self._key(key)
            if state:
                states[key] = state
                lost += [] if found else [key]
                good += [key] if right else []
        if not states:
            return ManifestState(SOUND, READS, "", self._where, listed=tuple(self._listed.items()))
        first = lost[0] if lost else next(iter(states))
        return self._wrong(states[first], _does(lost), self._described(states), states, tuple(good))

    def _key(self, key: str) -> tuple[str, bool, bool]:
        """Return what is wrong with a key ("" if nothing is), whether the agent finds a file, and if to list it."""
        path = self._listed.get(key, "")
        there = key in self._names
        if not path:
            return (UNLISTED, False, self._decodes(key)) if there else ("", False, False)
        if path == self._vault.listed_path(key) or (self._copies and self._vault.lists_a_copy(path, key)):
            return ("", True, False) if there else (DATA_MISSING, False, False)
        other = _content(self._vault, path)
        # Which of two records is right cannot be decided here.
        return ELSEWHERE, other is not None, self._decodes(key) and other in (None, self._read(key))

    def _read(self, key: str) -> bytes:
        return b"" if self._store is None else self._vault.files.settled(self._store, key) or b""

    def _decodes(self, key: str) -> bool:
        return bool(_listable(self._vault, self._name, [key], self._store))

    def _elsewhere(self, key: str) -> bytes:
        """Return the data outside of the vault that a key is listed with, b"" without any."""
        if self._key(key)[:2] != (ELSEWHERE, True):
            return b""
        return _content(self._vault, self._listed[key]) or b""

    def _two_files(self, key: str) -> bool:
        """Return whether a person must decide between a key's data here and elsewhere, one of which is a record."""
        other = self._elsewhere(key)
        return bool(other) and (self._decodes(key) or _is_record(self._name, key, other))

    def _wrong(self, kind: str, does: str, what: str, kinds: dict[str, str], good: tuple[str, ...]) -> ManifestState:
        after = {**kept_entries(self._listed), **{key: self._vault.listed_path(key) for key in good}}
        repaired = None
        lost = [key for key in kinds if key not in good]
        if self._lets_mint(after) and FINGERPRINT_KEY not in lost:
            lost.append(FINGERPRINT_KEY)
        if not lost:
            repaired = tuple(sorted(after.items()))
        return ManifestState(
            kind, does, what, self._where, tuple(kinds.items()), good, tuple(self._listed.items()), repaired,
            self._remedy(lost) if lost else f"List the records of Store again: {REPAIR}",
        )  # fmt: skip

    def _lets_mint(self, after: dict[str, str]) -> bool:
        """Return whether the agent would find a registration and no fingerprint."""
        if self._name != self._vault.manifest_name or REGISTRATION_KEY not in after:
            return False
        try:
            here = self._decodes(REGISTRATION_KEY)
            data = self._read(REGISTRATION_KEY) if here else self._elsewhere(REGISTRATION_KEY)
            if not decode_registration(data, "").registered:
                return False
        except VaultCorrupt:
            return False
        try:
            return FINGERPRINT_KEY not in after or not decode_fingerprint(self._read(FINGERPRINT_KEY), "").fingerprint
        except VaultCorrupt:
            return True

    def _remedy(self, lost: list[str]) -> str:
        two = [key for key in lost if self._two_files(key)]
        rest = [key for key in lost if key not in two]
        remedy = REPAIR
        if rest:
            # Imported here: it reads the complete journal, and imports this module.
            from fingerprint.vault.remedies import restore_remedy

            remedy = restore_remedy(self._vault, FINGERPRINT_KEY if FINGERPRINT_KEY in rest else rest[0])
        # The fingerprint first: a registration alone lets the agent store a new one.
        if not two or FINGERPRINT_KEY in rest:
            return remedy
        kept = [f"keep the right one as {self._vault.data_path(key)}, move {self._listed[key]} away" for key in two]
        return (
            "; ".join(f"Two files hold {key}: {one}" for key, one in zip(two, kept, strict=True)) + f", then: {remedy}"
        )

    def _described(self, states: dict[str, str]) -> str:
        parts = []
        unlisted = [key for key, state in states.items() if state == UNLISTED]
        if unlisted:
            parts.append(f"{self._name} does not list {_and(unlisted)}, which Store holds")
        for key, state in states.items():
            if state == ELSEWHERE:
                parts.append(f"{self._name} lists {key} outside of the vault: {self._listed[key]}")
            elif state == DATA_MISSING:
                parts.append(f"{self._name} lists {key}, and its data file is missing")
        return "; ".join(parts)


def _does(lost: list[str]) -> str:
    """Return what the agent does without the keys that it does not find."""
    if not lost:
        return READS
    if EC2_REGISTRATION_KEY in lost:
        return REGISTERS
    return MINTS if lost == [FINGERPRINT_KEY] else EXITS


def _content(vault: Vault, path: str) -> bytes | None:
    """Return the bytes of a file outside of the vault, None if the agent finds none there.

    Raises:
        VaultUnreadable: it is there and could not be read.
    """
    return vault.files.once(("elsewhere", path), lambda: _read_elsewhere(vault, path))


def _read_elsewhere(vault: Vault, path: str) -> bytes | None:
    try:
        here = vault.on_its_machine(path)
        # The agent reads regular files only.
        if not os.path.isfile(here):
            return None
        with open(here, "rb") as file:
            return file.read(FILE_LIMIT)
    except OSError as error:
        raise vault_error(error, path) from None


def _and(keys: list[str]) -> str:
    return " and ".join(keys)
