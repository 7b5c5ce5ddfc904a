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

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from fingerprint.vault import Vault

EC2_REGISTRATION_KEY = "EC2RegistrationKey"
STORE = "Store"
# The keys that each manifest must list if their data lie in Store, in the order in which the agent asks for them,
# and what their data must decode as.
MANIFEST_KEYS: dict[str, dict[str, Callable[[bytes, str], object]]] = {
    "Manifest": {REGISTRATION_KEY: decode_registration, FINGERPRINT_KEY: decode_fingerprint},
    "EC2Manifest": {EC2_REGISTRATION_KEY: decode_registration},
}
READS, MINTS, EXITS, FAILS = "reads", "mints", "exits", "fails"
SOUND, NONE = "sound", "none"
MISSING, EMPTY, BLANK, NOT_JSON, WRONG_TYPE = "missing", "empty", "blank", "not-json", "wrong-type"
UNLISTED, ELSEWHERE, DATA_MISSING = "unlisted", "elsewhere", "data-missing"
REPAIR = "fingerprint vault repair --yes"
# What the agent does because of a manifest, at its next start.
CONSEQUENCES = {
    READS: "the agent finds its records",
    MINTS: "at its first token request after the next start the agent stores a new fingerprint, with threshold 40, "
    "over the registered one, and the service rejects it",
    EXITS: "at its next start the agent finds no registration and exits (on EC2 it takes the instance's identity); it "
    "writes nothing",
    FAILS: "at its next start the agent cannot load the vault, finds no registration and exits; it writes nothing",
}
_BLANKS = b" \t\r\n\0"


class ManifestState(Value):
    """What a manifest is, and what the agent does because of it.

    Attributes:
        kind: SOUND; NONE (nothing to list); of the whole file MISSING, EMPTY (0 bytes), BLANK (spaces or NULs),
            NOT_JSON, WRONG_TYPE (JSON, but not an object of strings); of single keys UNLISTED (its data lie in
            Store), ELSEWHERE (listed with a path outside of the vault), DATA_MISSING (listed, and no data file).
        agent_does: READS; MINTS (finds the registration and no fingerprint); EXITS (finds no registration);
            FAILS (cannot load the vault, and writes nothing).
        what: what is wrong, "" if nothing is.
        where: the path of the manifest.
        keys: the keys that are concerned.
        listable: those of them that `vault repair` lists: their data in Store decode.
        listed: key and path of each entry as the agent reads them; () where it cannot read them.
    """

    __slots__ = ("kind", "agent_does", "what", "where", "keys", "listable", "listed")
    kind: str
    agent_does: str
    what: str
    where: str
    keys: tuple[str, ...]
    listable: tuple[str, ...]
    listed: tuple[tuple[str, str], ...]

    def __init__(
        self, kind: str, agent_does: str, what: str, where: str, keys: tuple[str, ...] = (),
        listable: tuple[str, ...] = (), listed: tuple[tuple[str, str], ...] = (),
    ) -> None:  # fmt: skip
        self._set(
            kind=kind, agent_does=agent_does, what=what, where=where, keys=keys, listable=listable, listed=listed
        )  # fmt: skip

    @property
    def consequence(self) -> str:
        """What the agent does, in words without a full stop."""
        return CONSEQUENCES[self.agent_does]

    @property
    def sound(self) -> bool:
        """Whether the agent finds all that lies in the vault."""
        return self.kind in (SOUND, NONE)

    @property
    def repairable(self) -> bool:
        """Whether `vault repair` makes the agent find all that lies in the vault."""
        return not self.sound and self.listable == self.keys

    @property
    def remedy(self) -> str:
        """What to do, in one sentence; "" for a sound one."""
        if self.sound:
            return ""
        if self.repairable:
            return f"List what lies in Store again: {REPAIR}"
        lost = [key for key in self.keys if key not in self.listable]
        return f"Restore {' and '.join(lost)} first (see: fingerprint vault verify), then: {REPAIR}"


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
    where = os.path.join(vault.path, name)
    try:
        with Folder.open(vault.path) as folder:
            data = folder.read(name)
            with Folder.open(STORE, folder) as store:
                return _judged(vault, name, where, data, store)
    except VaultMissing:
        # No folder, or no Store in it.
        return ManifestState(NONE, READS, "", where)


def _judged(vault: Vault, name: str, where: str, data: bytes | None, store: Folder) -> ManifestState:
    names = store.names()
    there = [key for key in MANIFEST_KEYS[name] if key in names]
    kind, problem = _whole_file(data)
    if kind:
        if kind == MISSING and not there:
            return ManifestState(NONE, READS, "", where)
        does = FAILS if kind != MISSING else _does(there, there)
        held = f"; Store holds {_and(there)}" if there else ""
        return ManifestState(kind, does, f"{name} {problem}{held}", where, tuple(there), _listable(name, there, store))
    listed = as_the_agent_reads(data or b"")
    states: dict[str, tuple[str, str]] = {}
    lost = []
    for key in MANIFEST_KEYS[name]:
        path = listed.get(key, "")
        state, found = _key_state(vault, key, path, key in names)
        if state:
            states[key] = (state, path)
        if state and not found:
            lost.append(key)
    if not states:
        return ManifestState(SOUND, READS, "", where, listed=tuple(listed.items()))
    keys = tuple(states)
    first = lost[0] if lost else keys[0]
    return ManifestState(
        states[first][0], _does(lost, there), _in_words(name, states), where, keys,
        _listable(name, [key for key in keys if key in names], store), tuple(listed.items()),
    )  # fmt: skip


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
    """Return the manifest as Go decodes it: the last of two equal names wins, null is ""."""
    listed = {}
    for name, raw in members(_repaired(data)) or ():
        path = loads(raw)
        listed[name] = path if isinstance(path, str) else ""
    return listed


def _repaired(data: bytes) -> bytes:
    """Return the bytes with U+FFFD for what is not UTF-8, as Go decodes them."""
    return data.decode("utf-8", "replace").encode("utf-8")


def _key_state(vault: Vault, key: str, path: str, there: bool) -> tuple[str, bool]:
    """Return what is wrong with a key, "" if nothing is, and whether the agent finds a file for it."""
    if not path:
        return (UNLISTED, False) if there else ("", False)
    if path == vault.listed_path(key) or vault.lists_a_copy(path, key):
        return ("", True) if there else (DATA_MISSING, False)
    return ELSEWHERE, vault.exists_on_its_machine(path)


def _does(lost: list[str], there: list[str]) -> str:
    """Return what the agent does without the keys that it does not find."""
    if not lost:
        return READS
    if any(key != FINGERPRINT_KEY for key in lost):
        return EXITS
    return MINTS


def _listable(name: str, keys: list[str], store: Folder) -> tuple[str, ...]:
    found = []
    for key in keys:
        try:
            MANIFEST_KEYS[name][key](store.read(key) or b"", "")
        except VaultCorrupt:
            continue
        found.append(key)
    return tuple(found)


def _in_words(name: str, states: dict[str, tuple[str, str]]) -> str:
    said = []
    unlisted = [key for key, (state, _) in states.items() if state == UNLISTED]
    if unlisted:
        said.append(f"{name} does not list {_and(unlisted)}, which Store holds")
    for key, (state, path) in states.items():
        if state == ELSEWHERE:
            said.append(f"{name} lists {key} outside of the vault: {path}")
        elif state == DATA_MISSING:
            said.append(f"{name} lists {key}, and its data file is missing")
    return "; ".join(said)


def _and(keys: list[str]) -> str:
    return " and ".join(keys)
