"""Keep snapshots of the machine that a record was made from, in our own state directory.

The vault holds digests only, so without these a difference can be detected but not explained. Each is a file of
its own, tied to its record by a digest that reveals neither fingerprint nor hash. Losing one loses an
explanation, never an identity: callers go on when keeping one fails.
"""

from __future__ import annotations

import os

from fingerprint._core import canonical_bytes, sha256_hex
from fingerprint.errors import VaultCorrupt, VaultError, VaultMissing, VaultUnreadable
from fingerprint.types import Value
from fingerprint.vault.files import FILES, Directory
from fingerprint.vault.journal import sealed, unsealed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from fingerprint.types import FingerprintRecord
    from fingerprint.vault import Vault
    from fingerprint.vault.files import Files

# Of one vault. The oldest go first, but the very first, and the first of the record that is in the vault.
ENTRIES_KEPT = 16
ENTRY_LIMIT = 8 * 1024 * 1024
TOTAL_LIMIT = 32 * 1024 * 1024
_TAG_DIGITS = 32
_SCHEMA_VERSION = 1
# Why it was taken at the first match of a record that another program wrote, and what that means.
MATCHED = "matched record"
OF_A_MATCH = "the first evidence was taken when the record matched, not when it was made"
# What `Directory.replace` adds to the name while it writes.
_LEFT_OVER = ".json.tmp"
_DOMAIN = b"fingerprint-evidence-1\0"


def record_tag(record: FingerprintRecord) -> str:
    """Return what ties evidence to a record: 32 digits of SHA-256 over its fingerprint and hash."""
    canonical = canonical_bytes(record.hardware_hash or {})
    return sha256_hex(_DOMAIN + record.fingerprint.encode("utf-8", "surrogateescape") + b"\0" + canonical)[:_TAG_DIGITS]


def present_tag(vault: Vault) -> str:
    """Return the tag of the record in a vault; "" where there is none, or a damaged one.

    Raises:
        VaultError: it could not be read.
    """
    try:
        return record_tag(vault.read())
    except (VaultMissing, VaultCorrupt):
        return ""


class Evidence(Value):
    """One kept snapshot.

    Attributes:
        number: counted up from 1.
        at: when the machine was like that, RFC 3339.
        why: such as "first fingerprint".
        tag: of the record that it was taken for, see `record_tag`.
        snapshot: the machine, as `fingerprint.machine.recorded` plays it back.
        size: bytes of the file.
        of_match: whether it, or the evidence that a renewal relied on, was taken at a match (`MATCHED`).
    """

    _hidden = ("snapshot",)
    number: int
    at: str
    why: str
    tag: str
    snapshot: dict[str, Any]
    size: int
    of_match: bool = False


class EvidenceStore:
    """The evidence of one vault.

    Args:
        state: our state directory.
        key: of the vault in our state directory, see `state_keys`.
        files: how directories are opened to read.
    """

    def __init__(self, state: str, key: str, files: Files = FILES) -> None:
        self._files = files
        self.path = os.path.join(state, "evidence", key)

    def keep(
        self, record: FingerprintRecord, snapshot: dict[str, Any], *, why: str, at: str,
        present: FingerprintRecord | None = None, of_match: bool = False,
    ) -> int:  # fmt: skip
        """Keep a snapshot for a record, durably, and remove old ones beyond the limits.

        The caller holds the lock of the vault.

        Args:
            record: the record that it was taken for.
            snapshot: the recorded machine.
            why: such as "first fingerprint".
            at: when the machine was like that, RFC 3339.
            present: the record that is in the vault until `record` is stored: its evidence stays, too, as
                storing may fail.
            of_match: whether the snapshot stands for the machine of a match, see `Evidence`.

        Returns:
            Its number.

        Raises:
            VaultError: it could not be kept; what was kept before is as it was. Or an old one could not be removed.
        """
        tag = record_tag(record)
        with Directory.make(self.path, 0o700) as directory:
            files = _files(directory)
            number = max(files, default=0) + 1
            entry = {"schemaVersion": _SCHEMA_VERSION, "number": number, "at": at, "why": why, "record": tag}
            data = sealed({**entry, "ofMatch": of_match or why == MATCHED, "snapshot": snapshot})
            if len(data) > ENTRY_LIMIT:
                raise VaultUnreadable(
                    f"this host's sources have {len(data)} bytes, more than the {ENTRY_LIMIT} that are kept",
                    where=self.path,
                    remedy="Nothing needs to be done; differences will be named from what the vault holds",
                )
            directory.replace(_name(number, tag), data)
            _remove_old(directory, {**files, number: tag}, {tag} if present is None else {tag, record_tag(present)})
        return number

    def entries(self) -> tuple[list[Evidence], list[VaultError]]:
        """Return what is kept, oldest first, and what is wrong with the files that had to be passed over.

        Raises:
            VaultError: the directory could not be read.
        """
        found = list(self._found())
        return [e for e in found if isinstance(e, Evidence)], [e for e in found if isinstance(e, VaultError)]

    def has(self, record: FingerprintRecord) -> bool:
        """Return whether there is evidence for a record, by the names of the files alone; it may be damaged.

        Raises:
            VaultError: the directory could not be read.
        """
        tag = record_tag(record)
        try:
            with self._files.open(self.path) as directory:
                return tag in _files(directory).values()
        except VaultMissing:
            return False

    def for_record(self, record: FingerprintRecord) -> Evidence | None:
        """Return the oldest intact evidence that was taken for a record, the nearest to its minting; None without any.

        Raises:
            VaultError: the directory could not be read, or all that there is for the record is damaged.
        """
        tag = record_tag(record)
        return self._files.once(("evidence", tag), lambda: self._for_tag(tag))

    def _for_tag(self, tag: str) -> Evidence | None:
        refused: VaultError | None = None
        for entry in self._found(tag):
            if isinstance(entry, Evidence):
                return entry
            refused = refused or entry
        if refused:
            raise refused
        return None

    def _found(self, wanted: str = "") -> Iterator[Evidence | VaultError]:
        """Yield what is kept, oldest first, all of it or that of one tag; in place of what is damaged the error."""
        try:
            directory = self._files.open(self.path)
        except VaultMissing:
            return
        with directory:
            for number, tag in _files(directory).items():
                if wanted in ("", tag):
                    try:
                        entry = _read(directory, number, tag)
                    except VaultError as error:
                        yield error
                        continue
                    if entry:
                        yield entry


def _read(directory: Directory, number: int, tag: str) -> Evidence | None:
    """Return one entry, None for one that was thrown away meanwhile. Raises VaultError for one that is damaged."""
    name = _name(number, tag)
    data = directory.read(name, ENTRY_LIMIT)
    if data is None:
        return None
    entry = unsealed(data.removesuffix(b"\n")) or {}
    at, why, snapshot = entry.get("at"), entry.get("why"), entry.get("snapshot")
    is_this = entry.get("number") == number and entry.get("record") == tag
    if not is_this or not isinstance(at, str) or not isinstance(why, str) or not isinstance(snapshot, dict):
        raise VaultCorrupt(
            "this evidence is damaged, so it is passed over",
            where=os.path.join(directory.path, name),
            remedy="Remove the file. Keep what the machine is like now: fingerprint snapshot FILE --keep",
        )
    return Evidence(number, at, why, tag, snapshot, len(data), entry.get("ofMatch") is True)


def _remove_old(directory: Directory, files: dict[int, str], spared: set[str]) -> None:
    """Remove what dead writers left, and the oldest files while there are too many, or too large ones.

    Never the first, nor the first and the newest of the records that are spared.
    """
    for name in directory.names():
        # Only the holder of the lock writes here, and it has written.
        if name.endswith(_LEFT_OVER) and _parsed(name.removesuffix(".tmp")):
            directory.remove(name)
    sizes = {number: directory.size(_name(number, tag)) for number, tag in files.items()}
    of_spared = [number for number in files if files[number] in spared]
    firsts = {min(files)} | {next(n for n in of_spared if files[n] == tag) for tag in {files[n] for n in of_spared}}
    others = [number for number in files if number not in firsts and number not in of_spared]
    # What is left then is of the spared records; their first entries are those that explain them.
    for number in [*others, *(n for n in of_spared if n not in firsts and n != max(files))]:
        if len(sizes) <= ENTRIES_KEPT and sum(sizes.values()) <= TOTAL_LIMIT:
            return
        directory.remove(_name(number, files[number]))
        del sizes[number]


def _name(number: int, tag: str) -> str:
    return f"{number:06}-{tag}.json"


def _parsed(name: str) -> tuple[int, str] | None:
    """Return number and tag of the name of an evidence file, None for another name."""
    number, _, tag = name.removesuffix(".json").partition("-")
    is_number = number.isascii() and number.isdigit()
    return (int(number), tag) if is_number and len(tag) == _TAG_DIGITS and name.endswith(".json") else None


def _files(directory: Directory) -> dict[int, str]:
    """Return number -> tag of the evidence files in a directory, by number."""
    return dict(sorted(found for name in directory.names() if (found := _parsed(name))))
