"""What a vault held before and what was written last, in our own state folder: a journal a vault.

One line a change, made durable before the vault is touched. It holds the bytes before and after, so
every replaced record can be restored, and a record that was damaged since can be told from one that
another program wrote. Never in the reference's folders. Beside it `audit.log`, without secrets.
"""

from __future__ import annotations

import os
import sys

from fingerprint._json import JsonError, dumps, loads
from fingerprint.errors import VaultMissing
from fingerprint.model import Value, utc
from fingerprint.vault.files import Folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

# Of each key, once the journal has so many lines; the first entries hold what was there when we came, so they
# are never dropped.
ENTRIES_KEPT = 100
LINES_LIMIT = 400
JOURNAL_LIMIT = 64 * 1024 * 1024
AUDIT_LOG = "audit.log"
# What was written last, for `entry`.
LAST_WRITTEN = 0
# Why a record was written, as the history and the evidence have it.
FIRST = "first fingerprint"
MISMATCH = "the machine does not match its record"
REGISTERED = "registered"
# How the reasons for a rotated key begin, and the one of a key that was written into the journal before the service
# was told of it: the vault follows when it accepts.
ROTATION = "key rotation"
WRITTEN_AHEAD = f"{ROTATION}: written ahead"
# Why an entry has a change that was not made here: without it the bytes before it would be in no entry's `before`.
FOUND = "written by another program"
# Why an entry says that nothing changed: the write that the entry before it announced failed.
NOT_WRITTEN = "the write failed"
LIST_ENTRIES = "List the entries: fingerprint vault history"
_TAIL = 8 * 1024
_NAME_LIMIT = 200
_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.")


def journal_name(vault: str) -> str:
    """Return the name of a vault's journal: its path as systemd escapes paths, or a digest of a long one."""
    path = os.fsencode(os.path.abspath(vault))
    escaped = "".join(
        "-" if byte in b"/\\" else chr(byte) if byte in _PLAIN else f"%{byte:02x}" for byte in path.strip(b"/")
    )
    if len(escaped) > _NAME_LIMIT:
        from fingerprint._digest import sha256_hex

        escaped = sha256_hex(path)
    return escaped + ".jsonl"


class Change(Value):
    """One line of the journal.

    Attributes:
        number: of the entry.
        key: of the vault.
        at: when, RFC 3339.
        why: the reason.
        before, after: the bytes that were there, None for none, and those that were going to be there.
        node: the node's id at that time, "" for none; None where the line does not tell.
    """

    __slots__ = ("number", "key", "at", "why", "before", "after", "node")
    _hidden = ("before", "after", "node")
    number: int
    key: str
    at: str
    why: str
    before: bytes | None
    after: bytes
    node: str | None

    def __init__(
        self, number: int, key: str, at: str, why: str, before: bytes | None, after: bytes, node: str | None
    ) -> None:
        self._set(number=number, key=key, at=at, why=why, before=before, after=after, node=node)


class History:
    """The journal of one vault.

    Args:
        state: our state folder.
        vault: the folder of the vault.
    """

    def __init__(self, state: str, vault: str) -> None:
        self.state = state
        self.vault = vault
        self.folder = os.path.join(state, "history")
        self.name = journal_name(vault)
        self.path = os.path.join(self.folder, self.name)

    def record(
        self,
        key: str,
        before: bytes | None,
        after: bytes,
        *,
        why: str,
        rule: str,
        now: float,
        node: str | None = None,
    ) -> int:
        """Write a change into the journal before it is made, and return the entry's number.

        The caller holds the lock of the vault.

        Args:
            key: the key of the vault.
            before: the bytes that are there, None if there are none.
            after: the bytes that are going to be there.
            why: the reason.
            rule: the rule that decided, if one did.
            now: seconds since 1970-01-01 UTC.
            node: the node's id, "" for none; None if the caller does not know.

        Raises:
            VaultError: it could not be written durably; then the caller must not change the vault.
        """
        with Folder.make(self.folder, 0o700) as folder:
            number, lines = self._next(folder)
            change = {
                "number": number,
                "vault": _writable(self.vault),
                "key": key,
                "at": utc(now),
                "why": why,
                "rule": rule,
            }
            kept = {"lines": lines, "by": _who(), "before": _text(before), "after": _text(after)}
            # The audit log is without it: it is for people, and others read it.
            entry = {"schemaVersion": 1, **change, **({} if node is None else {"node": node}), **kept}
            folder.append(self.name, sealed(entry))
        with Folder.make(self.state, 0o700) as state:
            # The journal is the durable one; this is for people and for those who collect logs.
            state.append_shared(AUDIT_LOG, dumps({**change, "by": _who()}) + b"\n")
        return number

    def _next(self, folder: Folder) -> tuple[int, int]:
        """Return the number of the next entry and how many lines there will be, and make room if they are many."""
        # The last line says it; the whole journal is read only if that one is damaged, or too long.
        last = _last_entry((folder.read(self.name, tail=_TAIL) or b"").partition(b"\n")[2])
        if last is None or last["lines"] >= LINES_LIMIT:
            data = folder.read(self.name, JOURNAL_LIMIT) or b""
            last = _last_entry(data)
            if data.count(b"\n") >= LINES_LIMIT:
                data = _compacted(data)
                folder.replace(self.name, data)
            return (last["number"] + 1 if last else 1), data.count(b"\n") + 1
        return last["number"] + 1, last["lines"] + 1

    def entry(self, number: int, key: str = "") -> tuple[str, bytes]:
        """Return the key and the bytes that an entry replaced; of number 0, what was written last under a key.

        Of the entry of a first record, which replaced nothing, the bytes that it wrote.

        Raises:
            VaultMissing: there is no such entry.
            VaultError: the journal could not be read.
        """
        if number == LAST_WRITTEN:
            return key, self.last_written(key)[1]
        for _, entry in reversed(list(self._lines())):
            if entry and entry["number"] == number:
                return entry["key"], _bytes(entry["after" if entry["before"] is None else "before"])
        raise VaultMissing(f"there is no entry {number}", where=self.path, remedy=LIST_ENTRIES)

    def copies(self, key: str) -> list[tuple[int, str, bytes]]:
        """Return number, time (RFC 3339) and bytes of every copy of a key, the newest first.

        The first has the number 0: what was written last. A key that was written ahead of a rotation was never in
        the vault; then it is the one from before.

        Raises:
            VaultError: the journal could not be read.
        """
        found: list[tuple[int, str, bytes]] = []
        for change in reversed(self.changes()):
            if change.key != key:
                continue
            if not found:
                ahead = change.why == WRITTEN_AHEAD and change.before is not None
                found.append((LAST_WRITTEN, change.at, (ahead and change.before) or change.after))
            found.append((change.number, change.at, change.after if change.before is None else change.before))
        return found

    def state_at(self, key: str, number: int) -> bytes | None:
        """Return the bytes of a key when an entry of another key was written, None if that is not known.

        Raises:
            VaultError: the journal could not be read.
        """
        mine = [change for change in self.changes() if change.key == key]
        earlier = [change for change in mine if change.number < number]
        if earlier:
            last = earlier[-1]
            return last.before if last.why == WRITTEN_AHEAD and last.before is not None else last.after
        # The first change since then says what was there until it came.
        return next((change.before for change in mine if change.number > number), None)

    def last_written(self, key: str) -> tuple[str, bytes]:
        """Return when something was written last under a key, RFC 3339, and its bytes.

        Raises:
            VaultMissing: nothing was written here.
            VaultError: the journal could not be read.
        """
        for _, entry in reversed(list(self._lines())):
            if entry and entry["key"] == key:
                return entry["at"], _bytes(entry["after"])
        raise VaultMissing(f"the journal holds no {key}", where=self.path, remedy=LIST_ENTRIES)

    def entries(self) -> list[dict[str, Any]]:
        """Return the replaced records, oldest first: number, key, replacedAt, why, rule, by, and record.

        `record` is the text, or None for bytes that are none (then `recordBase64` has them).

        Raises:
            VaultError: the journal could not be read.
        """
        found = []
        for _, entry in self._lines():
            if entry and entry["before"] is not None:
                before = entry["before"]
                is_text = isinstance(before, str)
                found.append(
                    {
                        "number": entry["number"],
                        "key": entry["key"],
                        "replacedAt": entry["at"],
                        "why": entry["why"],
                        "rule": entry["rule"],
                        "by": entry["by"],
                        "record": before if is_text else None,
                        "recordBase64": None if is_text else before["base64"],
                    }
                )
        return found

    def changes(self) -> list[Change]:
        """Return what was changed here, oldest first. Raises as `entries`."""
        return [
            Change(
                entry["number"], entry["key"], entry["at"], entry["why"],
                None if entry["before"] is None else _bytes(entry["before"]), _bytes(entry["after"]),
                entry.get("node"),
            )
            for _, entry in self._lines() if entry
        ]  # fmt: skip

    def damaged_lines(self) -> list[int]:
        """Return the numbers, from 1, of the journal's lines that are no entries. Raises as `entries`."""
        return [number for number, entry in self._lines() if entry is None]

    def last_states(self, key: str, data: bytes) -> tuple[bytes, ...]:
        """Return what the newest entry of a key says is in the vault: the bytes before it, and after it.

        () if nothing is known of the key, or if `data` is one of them: the usual case, told from the
        end of the journal.

        Args:
            key: the key.
            data: the bytes that are in the vault.

        Raises:
            VaultError: the journal could not be read, or others can write it.
        """
        try:
            with Folder.open(self.folder) as folder:
                end = folder.read(self.name, tail=_TAIL) or b""
                states = _newest_states(end if len(end) < _TAIL else end.partition(b"\n")[2], key, data)
                if states is None and len(end) == _TAIL:
                    states = _newest_states(folder.read(self.name, JOURNAL_LIMIT) or b"", key, data)
        except VaultMissing:
            return ()
        return () if states is None or data in states else states

    def _lines(self) -> Iterator[tuple[int, dict[str, Any] | None]]:
        try:
            with Folder.open(self.folder) as folder:
                data = folder.read(self.name, JOURNAL_LIMIT) or b""
        except VaultMissing:
            return
        yield from _parsed(data)


def _parsed(data: bytes) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """Yield (number from 1, entry) of each whole line, None for one that is no entry.

    A last line without its end was never acknowledged, and is passed over.
    """
    for number, line in enumerate(data.split(b"\n")[:-1], 1):
        yield number, unsealed(line)


def unsealed(line: bytes) -> dict[str, Any] | None:
    """Return what `sealed` made a line of (given without its end); None if it is not as it was written."""
    from fingerprint._digest import sha256_hex

    body, seal, rest = line.rpartition(b',"sha256":"')
    if not seal or rest != sha256_hex(body).encode() + b'"}':
        return None
    try:
        entry = loads(line)
    except JsonError:
        return None
    return entry if isinstance(entry, dict) else None


def sealed(entry: dict[str, Any]) -> bytes:
    """Return an object as a line of JSON that ends with the digest of all before it."""
    from fingerprint._digest import sha256_hex

    body = dumps(entry)[:-1]
    return body + b',"sha256":"' + sha256_hex(body).encode() + b'"}\n'


def _newest_states(journal: bytes, key: str, data: bytes) -> tuple[bytes, ...] | None:
    """Return the bytes after and before the newest entry of a key, None if it has none.

    An entry that names `data` as it is written is not looked at any closer.
    """
    for line in reversed(journal.split(b"\n")[:-1]):
        if _member(key) not in line:
            continue
        if _is_told(line, data):
            return (data,)
        entry = unsealed(line)
        if entry:
            return tuple(_bytes(entry[side]) for side in ("after", "before") if entry[side] is not None)
    return None


def _is_told(line: bytes, data: bytes) -> bool:
    """Return whether a line says that these bytes are there.

    Quotes within strings are escaped, so the names can be looked for as they are written.
    """
    try:
        told = dumps(data.decode("utf-8"))
    except UnicodeDecodeError:
        return False
    return b',"after":' + told + b"," in line or b',"before":' + told + b"," in line


def _member(key: str) -> bytes:
    return b',"key":' + dumps(key) + b","


def _last_entry(data: bytes) -> dict[str, Any] | None:
    return next((entry for line in reversed(data.split(b"\n")[:-1]) if (entry := unsealed(line))), None)


def _compacted(data: bytes) -> bytes:
    """Return the journal without the middle of what each key had."""
    lines: dict[bytes, list[tuple[int, bytes]]] = {}
    for number, line in enumerate(data.split(b"\n")[:-1]):
        # Not parsed, as a damaged line is kept like any other.
        key = line.partition(b',"key":"')[2].partition(b'"')[0]
        lines.setdefault(key, []).append((number, line))
    # The first entry may be that of the first record, and then the second one holds it as replaced.
    kept = [line for found in lines.values() for line in (*found[:2], *found[2:][-ENTRIES_KEPT + 2 :])]
    return b"".join(line + b"\n" for _, line in sorted(kept))


def _text(data: bytes | None) -> str | dict[str, str] | None:
    if data is None:
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        from base64 import b64encode

        return {"base64": b64encode(data).decode("ascii")}


def _bytes(value: str | dict[str, str]) -> bytes:
    if isinstance(value, str):
        return value.encode("utf-8")
    from base64 import b64decode

    return b64decode(value["base64"])


def _writable(text: str) -> str:
    """Return a text of the system as one that can be written as JSON: paths need not be UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _who() -> dict[str, Any]:
    return {
        "uid": os.getuid() if hasattr(os, "getuid") else None,
        "sudoUser": _writable(os.environ["SUDO_USER"]) if "SUDO_USER" in os.environ else None,
        "pid": os.getpid(),
        "program": _writable(os.path.basename(sys.argv[0])) if sys.argv else "",
    }
