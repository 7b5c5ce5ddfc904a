"""Decide whether the agent finds the vault's records through its manifest, and what it does if not.

The agent finds a data file only through the manifest: a record that lies in Store and is not listed does
not exist for it. Source: fsvault (ensureInitialized, Retrieve, Store) and fingerprint (fetch,
generateFingerprint) of amazon-ssm-agent 3.3, and measurements of them.
"""

from __future__ import annotations

import os

from fingerprint._json import JsonError, loads, members
from fingerprint.errors import VaultCorrupt, VaultMissing
from fingerprint.model import Value
from fingerprint.vault import FINGERPRINT_KEY, REGISTRATION_KEY
from fingerprint.vault.files import Folder
from fingerprint.vault.records import decode_fingerprint, decode_registration
from fingerprint.vault.refusals import FILE_LIMIT, vault_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from fingerprint.vault import Vault

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
MISSING, EMPTY, BLANK, NOT_JSON, WRONG_TYPE = "missing", "empty", "blank", "not-json", "wrong-type"
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
_BLANKS = b" \t\r\n\0"


class ManifestState(Value):
    """What a manifest is, what the agent does because of it, and what helps.

    Attributes:
        kind: SOUND; NONE (nothing to list); of the whole file MISSING, EMPTY (0 bytes), BLANK (spaces or NULs),
            NOT_JSON, WRONG_TYPE (JSON, but not an object of strings); of single keys UNLISTED (its data lie in
            Store), ELSEWHERE (listed with a path outside of the vault), DATA_MISSING (listed, and no data file).
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

    __slots__ = ("kind", "agent_does", "what", "where", "kinds", "listable", "listed", "repaired", "remedy")
    kind: str
    agent_does: str
    what: str
    where: str
    kinds: tuple[tuple[str, str], ...]
    listable: tuple[str, ...]
    listed: tuple[tuple[str, str], ...]
    repaired: tuple[tuple[str, str], ...] | None
    remedy: str

    def __init__(
        self, kind: str, agent_does: str, what: str, where: str, kinds: tuple[tuple[str, str], ...] = (),
        listable: tuple[str, ...] = (), listed: tuple[tuple[str, str], ...] = (),
        repaired: tuple[tuple[str, str], ...] | None = None, remedy: str = "",
    ) -> None:  # fmt: skip
        self._set(
            kind=kind, agent_does=agent_does, what=what, where=where, kinds=kinds, listable=listable, listed=listed,
            repaired=repaired, remedy=remedy,
        )  # fmt: skip

    @property
    def consequence(self) -> str:
        """What the agent does, in words without a full stop."""
        return CONSEQUENCES[self.agent_does]

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that are concerned."""
        return tuple(key for key, _ in self.kinds)

    @property
    def repairable(self) -> bool:
        """Whether `vault repair` makes the agent find all that lies in the vault."""
        return self.repaired is not None

    @property
    def sound(self) -> bool:
        """Whether the agent finds all that lies in the vault."""
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
        with Folder.open(vault.path) as folder:
            data = folder.read(name)
            try:
                with Folder.open(STORE, folder) as store:
                    return _Look(vault, name, data, store).state()
            except VaultMissing:
                return _Look(vault, name, data, None).state()
    except VaultMissing:
        return ManifestState(NONE, READS, "", os.path.join(vault.path, name))


def listable(name: str, keys: Iterable[str], store: Folder | None) -> tuple[str, ...]:
    """Return those of some keys of a manifest whose data lie in Store and decode. Raises as `manifest_state`."""
    found = []
    for key in keys:
        try:
            data = None if store is None else store.read(key)
            if data is not None:
                MANIFEST_KEYS[name][key](data, "")
                found.append(key)
        except VaultCorrupt:
            continue
    return tuple(found)


class _Look:
    """A manifest and the Store that it belongs to."""

    def __init__(self, vault: Vault, name: str, data: bytes | None, store: Folder | None) -> None:
        self._vault = vault
        self._name = name
        self._data = data
        self._store = store
        self._where = os.path.join(vault.path, name)
        self._names = [] if store is None else store.names()
        self._listed = as_the_agent_reads(data or b"")

    def state(self) -> ManifestState:
        there = [key for key in MANIFEST_KEYS[self._name] if key in self._names]
        kind, problem = _whole_file(self._data)
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
                listable(self._name, there, self._store),
            )
        return self._of_keys()

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
        return self._wrong(states[first], _does(lost), self._in_words(states), states, tuple(good))

    def _key(self, key: str) -> tuple[str, bool, bool]:
        """Return what is wrong with a key ("" if nothing is), whether the agent finds a file, and if to list it."""
        path = self._listed.get(key, "")
        there = key in self._names
        if not path:
            return (UNLISTED, False, self._decodes(key)) if there else ("", False, False)
        if path == self._vault.listed_path(key) or self._vault.lists_a_copy(path, key):
            return ("", True, False) if there else (DATA_MISSING, False, False)
        other = _content(self._vault, path)
        # Which of two records is right cannot be decided here.
        return ELSEWHERE, other is not None, self._decodes(key) and other in (None, self._read(key))

    def _read(self, key: str) -> bytes:
        return b"" if self._store is None else self._store.read(key) or b""

    def _decodes(self, key: str) -> bool:
        return bool(listable(self._name, [key], self._store))

    def _wrong(self, kind: str, does: str, what: str, kinds: dict[str, str], good: tuple[str, ...]) -> ManifestState:
        entries = {key: path for key, path in self._listed.items() if path}
        after = {**entries, **{key: self._vault.listed_path(key) for key in good}}
        repaired = None
        lost = [key for key in kinds if key not in good]
        if self._lets_mint(after) and FINGERPRINT_KEY not in lost:
            lost.append(FINGERPRINT_KEY)
        if not lost:
            repaired = tuple(sorted(after.items()))
        return ManifestState(
            kind, does, what, self._where, tuple(kinds.items()), good, tuple(self._listed.items()), repaired,
            self._remedy(lost) if lost else f"List what lies in Store again: {REPAIR}",
        )  # fmt: skip

    def _lets_mint(self, after: dict[str, str]) -> bool:
        """Return whether the agent would find a registration and no fingerprint."""
        if self._name != self._vault.manifest_name or REGISTRATION_KEY not in after:
            return False
        try:
            if not decode_registration(self._read(REGISTRATION_KEY), "").registered:
                return False
        except VaultCorrupt:
            return False
        try:
            return FINGERPRINT_KEY not in after or not decode_fingerprint(self._read(FINGERPRINT_KEY), "").fingerprint
        except VaultCorrupt:
            return True

    def _remedy(self, lost: list[str]) -> str:
        # The fingerprint first: a registration alone lets the agent store a new one.
        key = FINGERPRINT_KEY if FINGERPRINT_KEY in lost else lost[0]
        path = self._listed.get(key, "")
        if path and self._key(key)[:2] == (ELSEWHERE, True) and self._decodes(key):
            where = self._vault.data_path(key)
            return f"Two files hold {key}: keep the right one as {where}, move {path} away, then: {REPAIR}"
        # Imported here: it looks at the whole journal, and imports this module.
        from fingerprint.vault.remedies import restore_remedy

        return restore_remedy(self._vault, key)

    def _in_words(self, states: dict[str, str]) -> str:
        said = []
        unlisted = [key for key, state in states.items() if state == UNLISTED]
        if unlisted:
            said.append(f"{self._name} does not list {_and(unlisted)}, which Store holds")
        for key, state in states.items():
            if state == ELSEWHERE:
                said.append(f"{self._name} lists {key} outside of the vault: {self._listed[key]}")
            elif state == DATA_MISSING:
                said.append(f"{self._name} lists {key}, and its data file is missing")
        return "; ".join(said)


def _whole_file(data: bytes | None) -> tuple[str, str]:
    """Return the kind of a manifest that is wrong as a whole, and what is wrong; ("", "") for an object of strings."""
    if data is None:
        return MISSING, "is missing"
    if not data:
        return EMPTY, "is empty (0 bytes)"
    if not data.strip(_BLANKS):
        return BLANK, f"holds nothing but blanks ({len(data)} bytes)"
    text = _repaired(data)
    try:
        value = loads(text)
    except JsonError as error:
        return NOT_JSON, f"is not JSON: {error}"
    if value is not None and not isinstance(value, dict):
        return WRONG_TYPE, "is JSON, but not an object"
    for key, path in (value or {}).items():
        if path is not None and not isinstance(path, str):
            return WRONG_TYPE, f"lists {key} with a value that is not a path"
    return "", ""


def as_the_agent_reads(data: bytes) -> dict[str, str]:
    """Return the manifest as Go decodes it: the last of two equal names wins, null is "".

    Of one that the agent refuses the entries that are there: {} where it is no object, none for what is no path.
    """
    listed = {}
    try:
        for name, raw in members(_repaired(data)) or ():
            path = loads(raw)
            listed[name] = path if isinstance(path, str) else ""
    except JsonError:
        return {}
    return listed


def _repaired(data: bytes) -> bytes:
    """Return the bytes with U+FFFD for what is not UTF-8, as Go decodes them."""
    return data.decode("utf-8", "replace").encode("utf-8")


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
    try:
        here = vault.on_its_machine(path)
        # Of what is no file the agent reads nothing, either.
        if not os.path.isfile(here):
            return None
        with open(here, "rb") as file:
            return file.read(FILE_LIMIT)
    except OSError as error:
        raise vault_error(error, path) from None


def _and(keys: list[str]) -> str:
    return " and ".join(keys)
