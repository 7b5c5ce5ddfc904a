"""Encode and decode the lines of a vault's journal, and decide from them how each change ended.

A change is announced before it is made, and marked as written afterwards. A process can die in between: then
the next bytes that were found in the vault decide. Only bytes that were written, or found in the vault, can be
restored.
"""

from __future__ import annotations

from fingerprint._core import JsonError, dumps, loads
from fingerprint.types import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    Entry = dict[str, Any]

# What an entry is: a change that is announced, bytes that were found in the vault, or bytes that wait for the service
# to accept them. Entries of version 1 have no such member.
CHANGE, BYTES_FOUND, AHEAD = "change", "found", "ahead"
# How an announced change ended. An interrupted one may have been written, and nothing proves it.
WRITTEN, NOT_WRITTEN, INTERRUPTED = "written", "not written", "interrupted"
# How the reason of a rotated key begins, and the reason of a key that was written into the journal before it was sent
# to the service: the vault follows when the service accepts it.
ROTATION = "key rotation"
WRITTEN_AHEAD = f"{ROTATION}: written ahead"
# Why an entry has a change that was not made here: without it the bytes before it would be in no entry's `before`.
FOUND = "written by another program"
VERSION = 2
# The number of the copy that was written last, see `copies_of`.
LAST_WRITTEN = 0
# Members that marks alone have, and changes alone; quotes within strings are escaped, so a search finds no others.
_OF_A_MARK = b',"of":'
_OF_A_CHANGE = b',"state":"change",'


class Change(Value):
    """One change of a vault, or bytes that were found there.

    Attributes:
        number: of the entry.
        key: of the vault.
        at: when, RFC 3339.
        why: the reason.
        before, after: the bytes that were there, None for none, and those that were there afterwards: the same ones
            where the change was not made.
        node: the node's id at that time, "" for none; None if the line has none.
    """

    _hidden = ("before", "after", "node")
    number: int
    key: str
    at: str
    why: str
    before: bytes | None
    after: bytes
    node: str | None


def json_text(text: str) -> str:
    """Return a text of the system as one that a line can hold: paths need not be UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def parsed(data: bytes) -> Iterator[tuple[int, Entry | None]]:
    """Yield (number from 1, entry or mark) of each line, None for one that is not as it was written.

    A last line without its end was never acknowledged, and is passed over.
    """
    for number, line in enumerate(data.split(b"\n")[:-1], 1):
        yield number, unsealed(line)


def unsealed(line: bytes) -> Entry | None:
    """Return what `sealed` made a line of (given without its end); None if it is not as it was written."""
    from fingerprint._core import sha256_hex

    body, seal, rest = line.rpartition(b',"sha256":"')
    if not seal or rest != sha256_hex(body).encode() + b'"}':
        return None
    try:
        entry = loads(line)
    except JsonError:
        return None
    return entry if isinstance(entry, dict) else None


def sealed(entry: Entry) -> bytes:
    """Return an object as a line of JSON that ends with the digest of all before it."""
    from fingerprint._core import sha256_hex

    body = dumps(entry)[:-1]
    return body + b',"sha256":"' + sha256_hex(body).encode() + b'"}\n'


def mark_line(number: int, key: str, ended: str, last: int, lines: int, **more: str) -> bytes:
    """Return the line that says how an entry ended; it has the number of the last entry, and takes none."""
    mark = {"schemaVersion": VERSION, "number": last, "key": key, "of": number, "outcome": ended}
    return sealed({**mark, **more, "lines": lines})


def last_entry(data: bytes) -> Entry | None:
    """Return the last line of a journal that is as it was written, None without one."""
    return next((entry for line in reversed(data.split(b"\n")[:-1]) if (entry := unsealed(line))), None)


def settled(lines: Iterable[Entry], lies: Callable[[str], bytes | None]) -> list[tuple[Entry, str]]:
    """Return each entry, oldest first, with how it ended: WRITTEN, NOT_WRITTEN or INTERRUPTED; AHEAD for those.

    Args:
        lines: the journal's entries and marks, oldest first.
        lies: returns the bytes that are in the vault under a key now, None for none. Raises LookupError if they
            cannot be read.
    """
    marks: dict[int, str] = {}
    entries = []
    for line in lines:
        if "of" in line:
            marks[line["of"]] = line["outcome"]
        else:
            entries.append(line)
    found: list[tuple[Entry, str]] = []
    following: dict[str, Entry] = {}
    for entry in reversed(entries):
        key = entry["key"]
        ended = marks.get(entry["number"]) or entry.get("outcome")
        state = state_of(entry)
        if state != CHANGE:
            ended = AHEAD if state == AHEAD else WRITTEN
        elif ended is None:
            later = following.get(key)
            try:
                there = lies(key) if later is None else _bytes_of(later, "before")
                ended = outcome(entry, there)
            except LookupError:
                ended = INTERRUPTED
            if ended == INTERRUPTED and "state" not in entry:
                # Version 1 did not mark what it wrote.
                ended = WRITTEN
        found.append((entry, ended))
        following[key] = entry
    return found[::-1]


def outcome(entry: Entry, there: bytes | None) -> str:
    """Return how an announced change ended, by the bytes that were found in the vault next."""
    before, after = _bytes_of(entry, "before"), _bytes_of(entry, "after")
    if there == after:
        return WRITTEN
    if there == before:
        return NOT_WRITTEN
    # Imported here: the usual paths do not come here.
    from fingerprint.vault.damage import differing_bytes

    # Damage to what was written: nobody else writes nearly the same.
    return WRITTEN if there and after and differing_bytes(after, there) else INTERRUPTED


def state_of(entry: Entry) -> str:
    """Return what an entry is; version 1 says it by the reason and the bytes."""
    state = entry.get("state")
    if isinstance(state, str):
        return state
    if entry["why"] == WRITTEN_AHEAD:
        return AHEAD
    return BYTES_FOUND if entry["why"] == FOUND or entry["before"] == entry["after"] else CHANGE


def changes_of(ends: Iterable[tuple[Entry, str]]) -> list[Change]:
    """Return what was changed or found by settled entries: of what was not written, that nothing changed."""
    return [
        Change(
            entry["number"], entry["key"], entry["at"], reason(entry, ended), _bytes_of(entry, "before"),
            bytes_of(entry["after" if ended == WRITTEN else "before"]), entry.get("node"),
        )
        for entry, ended in ends
        if ended == WRITTEN or entry["before"] is not None
    ]  # fmt: skip


def copies_of(changes: list[Change]) -> list[tuple[int, str, bytes]]:
    """Return the copies that changes of one key leave, the newest first, see `History.copies`."""
    last = [(LAST_WRITTEN, changes[-1].at, changes[-1].after)] if changes else []
    return last + [(one.number, one.at, one.after if one.before is None else one.before) for one in changes[::-1]]


def reason(entry: Entry, ended: str) -> str:
    """Return why an entry was written, and that its change was not made if so."""
    return entry["why"] if ended in (WRITTEN, AHEAD) else f"{ended}: {entry['why']}"


def newest_states(journal: bytes, key: str, data: bytes) -> tuple[bytes, ...] | None:
    """Return the bytes that the newest entry of a key allows in the vault, the likeliest first; None without an entry.

    An entry that has `data` where it allows them is not parsed. A change whose end is not marked
    allows what was there before it, and after it.
    """
    member = b',"key":' + dumps(key) + b","
    marks: dict[int, str] = {}
    for line in reversed(journal.split(b"\n")[:-1]):
        if member not in line:
            continue
        if _OF_A_MARK in line:
            mark = unsealed(line) or {"of": 0, "outcome": ""}
            marks.setdefault(mark["of"], mark["outcome"])
            continue
        sides = _sides(line, marks.get(_number(line), ""))
        if _allows(line, data, sides):
            return (data,)
        entry = unsealed(line)
        if entry:
            return tuple(bytes_of(entry[side]) for side in sides if entry[side] is not None)
    return None


def unmarked(journal: bytes, key: str) -> Entry | None:
    """Return the newest entry of a key if it is an announced change whose end is not marked; else None."""
    member = b',"key":' + dumps(key) + b","
    marked = set()
    for line in reversed(journal.split(b"\n")[:-1]):
        if member not in line:
            continue
        entry = unsealed(line)
        if entry is None:
            continue
        if "of" in entry:
            marked.add(entry["of"])
            continue
        is_open = entry.get("state") == CHANGE and "outcome" not in entry and entry["number"] not in marked
        return entry if is_open else None
    return None


def _sides(line: bytes, ended: str) -> tuple[str, ...]:
    """Return which sides of an entry may be in the vault, the likeliest first, by the entry as it is written."""
    if ended == WRITTEN or b',"outcome":"written",' in line or b',"state":"found",' in line:
        return ("after",)
    if ended or b',"outcome":' in line or b',"state":"ahead",' in line:
        return ("before",)
    return ("before", "after") if _OF_A_CHANGE in line else ("after", "before")


def _number(line: bytes) -> int:
    digits = line.partition(b'"number":')[2].partition(b",")[0]
    return int(digits) if digits.isdigit() else 0


def _allows(line: bytes, data: bytes, sides: tuple[str, ...]) -> bool:
    """Return whether a line has these bytes on one of some sides."""
    try:
        encoded = dumps(data.decode("utf-8"))
    except UnicodeDecodeError:
        return False
    return any(b',"' + side.encode() + b'":' + encoded + b"," in line for side in sides)


def text_of(data: bytes | None) -> str | dict[str, str] | None:
    """Return bytes as a line has them: as text, or in base64 where they are none."""
    if data is None:
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        from base64 import b64encode

        return {"base64": b64encode(data).decode("ascii")}


def bytes_of(value: str | dict[str, str]) -> bytes:
    """Return the bytes that a line has as text or in base64."""
    if isinstance(value, str):
        return value.encode("utf-8")
    from base64 import b64decode

    return b64decode(value["base64"])


def _bytes_of(entry: Entry, side: str) -> bytes | None:
    return None if entry[side] is None else bytes_of(entry[side])
