"""Keep what a vault held before and what was written last, in our own state directory: one journal for each vault.

A change is announced with the bytes before and after it, durably, before the vault is written, and marked as
written afterwards. So every replaced record can be restored, a change during which the process died does not count as
made, and damage is distinguished from a record of another program. The journal is never in the reference's
directories. `audit` writes the log for people, without secrets.
"""

from __future__ import annotations

import os

from fingerprint._core import dumps
from fingerprint._io.times import utc
from fingerprint.errors import VaultError, VaultMissing
from fingerprint.vault.files import FILES, Directory
from fingerprint.vault.journal import (
    BYTES_FOUND,
    CHANGE,
    FOUND,
    LAST_WRITTEN,
    NOT_WRITTEN,
    VERSION,
    WRITTEN,
    bytes_of,
    changes_of,
    copies_of,
    json_text,
    last_entry,
    mark_line,
    newest_states,
    outcome,
    parsed,
    reason,
    sealed,
    settled,
    text_of,
    unmarked,
)
from fingerprint.vault.os_errors import JOURNAL_LIMIT
from fingerprint.vault.state_keys import HISTORY, JOURNAL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from fingerprint.vault.files import Files
    from fingerprint.vault.journal import Change, Entry

# Then `retention` chooses what is kept of them; all that it can keep is less.
LINES_LIMIT = 1200
# Why a record was written, as the history and the evidence have it.
FIRST = "first fingerprint"
MISMATCH = "the machine does not match its record"
REGISTERED = "registered"
KEPT = "the same machine by its hardware"
REFRESHED = "refreshed, the same machine by its hardware"
LIST_ENTRIES = "List the entries: fingerprint vault history"
_TAIL = 8 * 1024
_READS_TRIED = 3


class History:
    """The journal of one vault.

    Args:
        state: our state directory.
        vault: the directory of the vault.
        key: of the vault in our state directory, see `state_keys`.
        files: how directories are opened to read.
    """

    def __init__(self, state: str, vault: str, key: str, files: Files = FILES) -> None:
        self._files = files
        self.state = state
        self.vault = vault
        self.key = key
        self.directory = os.path.join(state, HISTORY)
        self.name = key + JOURNAL
        self.path = os.path.join(self.directory, self.name)

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
        state: str = CHANGE,
        request: dict[str, Any] | None = None,
    ) -> int:
        """Write a change into the journal before it is made, and return the entry's number.

        The caller holds the lock of the vault, and marks how the change ended.

        Args:
            key: the key of the vault.
            before: the bytes that are there, None if there are none.
            after: the bytes that are going to be there.
            why: the reason.
            rule: the rule that decided, if one did.
            now: seconds since 1970-01-01 UTC.
            node: the node's id, "" for none; None if the caller does not know.
            state: CHANGE; BYTES_FOUND for bytes that are in the vault, AHEAD for some that wait for the service.
            request: what the service is asked, for bytes that wait for it.

        Raises:
            VaultError: it could not be written durably; then the caller must not change the vault.
        """
        # Imported here: reading does not need it.
        from fingerprint.vault.audit import append_audit, who

        with Directory.make(self.directory, 0o700) as directory:
            last, lines, end = self._end(directory)
            # The mark that the writer of the change before did not write.
            mark = self._settling(directory, end, key, after if state == BYTES_FOUND else before, last, lines + 1)
            change = {
                "number": last + 1,
                "vault": json_text(self.vault),
                "key": key,
                "at": utc(now),
                "why": why,
                "rule": rule,
            }
            kept = {
                "state": state,
                **({} if request is None else {"request": request}),
                "lines": lines + (2 if mark else 1),
                "by": who(),
                "before": text_of(before),
                "after": text_of(after),
            }
            # The audit log is without it: it is for people, and others read it.
            entry = {"schemaVersion": VERSION, **change, **({} if node is None else {"node": node}), **kept}
            directory.append(self.name, mark + sealed(entry))
        append_audit(self.state, change)
        return last + 1

    def found(self, key: str, data: bytes, now: float) -> None:
        """Note bytes in the vault that another program wrote. The caller holds the lock of the vault.

        Raises:
            VaultError: the journal could not be read, or not be written durably.
        """
        known = [change for change in self.changes() if change.key == key]
        self.record(
            key, known[-1].after if known else None, data, why=FOUND, rule="", now=now, state=BYTES_FOUND
        )  # fmt: skip

    def mark(
        self,
        number: int,
        key: str,
        ended: str,
        now: float,
        *,
        more: Mapping[str, str] | None = None,
    ) -> None:
        """Append to the journal how an entry ended, durably. The caller holds the lock of the vault.

        Args:
            number: of the entry.
            key: its key.
            ended: WRITTEN, NOT_WRITTEN or another word for one that waits for the service.
            now: seconds since 1970-01-01 UTC.
            more: further members of the mark.

        Raises:
            VaultError: it could not be written durably.
        """
        with Directory.make(self.directory, 0o700) as directory:
            last, lines, _ = self._end(directory, compact=False)
            directory.append(self.name, mark_line(number, key, ended, last, lines + 1, at=utc(now), **(more or {})))
        if ended == NOT_WRITTEN:
            from fingerprint.vault.audit import append_audit

            change = {"number": number, "vault": json_text(self.vault), "key": key, "at": utc(now), "why": ended}
            append_audit(self.state, {**change, "rule": ""})

    def _settling(
        self, directory: Directory, end: bytes, key: str, there: bytes | None, last: int, lines: int
    ) -> bytes:
        """Return the line that says how the newest change of a key ended, b"" if one says so or it is no change."""
        if len(end) >= _TAIL and b',"key":' + dumps(key) + b"," not in end:
            end = directory.read(self.name, JOURNAL_LIMIT) or b""
        entry = unmarked(end, key)
        if entry is None:
            return b""
        return mark_line(
            entry["number"], key, WRITTEN if outcome(entry, there) == WRITTEN else NOT_WRITTEN, last, lines
        )

    def _end(self, directory: Directory, *, compact: bool = True) -> tuple[int, int, bytes]:
        """Return the number of the last entry, how many lines there are, and the last of them.

        If there are LINES_LIMIT of them or more, the journal is compacted first.
        """
        # The last line says it; the complete journal is read only if that line is damaged, or the journal too long.
        end = directory.read(self.name, tail=_TAIL) or b""
        last = last_entry(end if len(end) < _TAIL else end.partition(b"\n")[2])
        if last is None or (compact and last["lines"] >= LINES_LIMIT):
            end = directory.read(self.name, JOURNAL_LIMIT) or b""
            last = last_entry(end)
            if compact and end.count(b"\n") >= LINES_LIMIT:
                # Imported here: it is rare, and needs what decodes records.
                from fingerprint.vault.retention import compacted

                end = compacted(end, self._lies)
                directory.replace(self.name, end)
            return (last["number"] if last else 0), end.count(b"\n"), end
        return last["number"], last["lines"], end

    def entry(self, number: int, key: str = "") -> tuple[str, bytes]:
        """Return the key and the bytes that an entry replaced; of number 0, what was written last under a key.

        Of the entry of a first record, which replaced nothing, the bytes that it wrote.

        Raises:
            VaultMissing: there is no such entry, or its bytes never were in the vault.
            VaultError: the journal could not be read.
        """
        if number == LAST_WRITTEN:
            return key, self.last_written(key)[1]
        for change in reversed(self.changes()):
            if change.number == number:
                return change.key, change.after if change.before is None else change.before
        if any(entry["number"] == number for entry, _ in self._settled()):
            what = f"entry {number} replaced nothing, and what it announces was never in the vault"
            raise VaultMissing(what, where=self.path, remedy=LIST_ENTRIES)
        raise VaultMissing(f"there is no entry {number}", where=self.path, remedy=LIST_ENTRIES)

    def copies(self, key: str) -> list[tuple[int, str, bytes]]:
        """Return number, time (RFC 3339) and bytes of every copy of a key, the newest first.

        The first has the number 0: what was written last, or found in the vault.

        Raises:
            VaultError: the journal could not be read.
        """
        return copies_of([change for change in self.changes() if change.key == key])

    def state_at(self, key: str, number: int) -> bytes | None:
        """Return the bytes of a key when an entry of another key was written, None if that is not known.

        Raises:
            VaultError: the journal could not be read.
        """
        mine = [change for change in self.changes() if change.key == key]
        earlier = [change for change in mine if change.number < number]
        if earlier:
            return earlier[-1].after
        # The first change since then says what was there until it came.
        return next((change.before for change in mine if change.number > number), None)

    def last_written(self, key: str) -> tuple[str, bytes]:
        """Return when something was written last under a key, or found there, RFC 3339, and its bytes.

        Raises:
            VaultMissing: nothing was written here.
            VaultError: the journal could not be read.
        """
        for _, at, data in self.copies(key):
            return at, data
        raise VaultMissing(f"the journal holds no {key}", where=self.path, remedy=LIST_ENTRIES)

    def seen(self, key: str) -> list[bytes]:
        """Return all bytes of a key that the journal holds, those included that never were in the vault; newest first.

        Raises:
            VaultError: the journal could not be read.
        """
        entries = [entry for entry, _ in self._settled() if entry["key"] == key]
        sides = (entry[side] for entry in reversed(entries) for side in ("after", "before"))
        return [bytes_of(value) for value in sides if value is not None]

    def asked(self) -> list[tuple[Entry, Entry]]:
        """Return each request to the service, oldest first, with its last mark, {} without one.

        Raises:
            VaultError: the journal could not be read.
        """
        lines = [line for _, line in parsed(self._data()) if line]
        marks = {line["of"]: line for line in lines if "of" in line}
        return [(line, marks.get(line["number"], {})) for line in lines if "request" in line]

    def entries(self) -> list[dict[str, Any]]:
        """Return the replaced records, oldest first: number, key, replacedAt, why, rule, by, and record.

        `record` is the text, or None for bytes that are none (then `recordBase64` has them). Where nothing was
        replaced, as the change was not made, `why` says so.

        Raises:
            VaultError: the journal could not be read.
        """
        found = []
        for entry, ended in self._settled():
            if entry["before"] is not None:
                before = entry["before"]
                is_text = isinstance(before, str)
                found.append(
                    {
                        "number": entry["number"],
                        "key": entry["key"],
                        "replacedAt": entry["at"],
                        "why": reason(entry, ended),
                        "rule": entry["rule"],
                        "by": entry["by"],
                        "record": before if is_text else None,
                        "recordBase64": None if is_text else before["base64"],
                    }
                )
        return found

    def changes(self) -> list[Change]:
        """Return what was changed here or found, oldest first. Raises as `entries`."""
        return changes_of(self._settled())

    def damaged_lines(self) -> list[int]:
        """Return the numbers, from 1, of the journal's lines that are no entries. Raises as `entries`."""
        return [number for number, entry in parsed(self._data()) if entry is None]

    def mentions(self, data: bytes) -> bool:
        """Return whether the journal has some bytes, without parsing its entries. Raises as `entries`."""
        return dumps(text_of(data)) in self._data()

    def first_damage(self) -> tuple[int, int] | None:
        """Return the number, from 1, of the first line that is no entry, and that of the last entry before it.

        None if no line is damaged. Raises as `entries`.
        """
        last = 0
        for number, entry in parsed(self._data()):
            if entry is None:
                return number, last
            last = entry["number"]
        return None

    def last_states(self, key: str, data: bytes) -> tuple[bytes, ...]:
        """Return what the newest entry of a key allows in the vault: what was written, or one of two if none knows.

        () if nothing is known of the key, or if `data` is one of them: the usual case, decided by the
        end of the journal.

        Args:
            key: the key.
            data: the bytes that are in the vault.

        Raises:
            VaultError: the journal could not be read, or others can write it.
        """
        try:
            with self._files.open(self.directory) as directory:
                end = directory.read(self.name, tail=_TAIL) or b""
                states = newest_states(end if len(end) < _TAIL else end.partition(b"\n")[2], key, data)
                if states is None and len(end) == _TAIL:
                    states = newest_states(directory.read(self.name, JOURNAL_LIMIT) or b"", key, data)
        except VaultMissing:
            return ()
        return () if states is None or data in states else states

    def _settled(self) -> list[tuple[Entry, str]]:
        """Return each entry, oldest first, with how it ended."""
        data = self._data()
        for _ in range(_READS_TRIED):
            found = settled((entry for _, entry in parsed(data) if entry), self._lies)
            seen, data = data, self._data()
            if data == seen:
                break
            # A program wrote between the two readings.
        return found

    def _data(self) -> bytes:
        try:
            with self._files.open(self.directory) as directory:
                return directory.read(self.name, JOURNAL_LIMIT) or b""
        except VaultMissing:
            return b""

    def _lies(self, key: str) -> bytes | None:
        """Return the bytes of a key that are in the vault. Raises LookupError if they cannot be read."""
        try:
            with self._files.open(self.vault) as vault:
                data: bytes | None
                if key.endswith("Manifest"):
                    data = vault.read(key)
                else:
                    with self._files.open("Store", vault) as store:
                        data = store.read(key)
        except VaultMissing:
            return None
        except VaultError:
            raise LookupError(key) from None
        return data
