"""Choose the lines that a long journal keeps: a bound for each kind, so that no kind evicts another.

Threshold changes come by the hundred; what was registered, what it was replaced by, and what a person kept by
name come rarely, and people search for them.
"""

from __future__ import annotations

from fingerprint.errors import VaultCorrupt
from fingerprint.vault.history import REGISTERED
from fingerprint.vault.journal import (
    BYTES_FOUND,
    CHANGE,
    FOUND,
    INTERRUPTED,
    NOT_WRITTEN,
    WRITTEN,
    bytes_of,
    parsed,
    sealed,
    settled,
    state_of,
)
from fingerprint.vault.pending_registration import OVER
from fingerprint.vault.records import FINGERPRINT_KEY, REGISTRATION_KEY, decode_fingerprint, decode_registration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from fingerprint.vault.journal import Entry

# Kinds of entries, by the record that each of them restores.
BACKUP = "backup"
# A record that a node was registered with, or that another one replaced; and the end of a registration.
REGISTRATION = "registered"
# A record as it was when a node was registered with it, but for the threshold.
AS_REGISTERED = "as registered"
# Another fingerprint in place of one that no node was registered with.
REPLACED = "replaced"
# A request to the service that is not over.
OPEN_REQUEST = "open request"
DAMAGED = "damaged"
# The same fingerprint or node with another threshold, hash or key; manifests; requests that are over.
ROUTINE = "routine"
# Of each key; beside them the first entries, which have the record from before our first write, and the newest.
KEPT = {BACKUP: 100, REGISTRATION: 50, AS_REGISTERED: 50, REPLACED: 50, OPEN_REQUEST: 20, DAMAGED: 50, ROUTINE: 100}
_FIRST_KEPT = 2


def compacted(data: bytes, lies: Callable[[str], bytes | None]) -> bytes:
    """Return a journal with what is kept of it; how a kept change ended stands in its own line then.

    Args:
        data: the journal.
        lies: returns the bytes that are in the vault under a key now. Raises LookupError if they cannot be read.
    """
    lines = list(parsed(data))
    ends = settled((line for _, line in lines if line), lies)
    numbers = {entry["number"]: place for place, entry in lines if entry and "of" not in entry}
    marks: dict[int, list[int]] = {}
    for place, line in lines:
        if line and "of" in line:
            marks.setdefault(line["of"], []).append(place)
    raw = data.split(b"\n")[:-1]
    kept: dict[int, bytes] = {}
    over = {line["of"] for _, line in lines if line and line.get("outcome") in OVER}
    newest = {entry["key"]: entry["number"] for entry, _ in ends}
    for entry, ended in _chosen(ends, over):
        place, number = numbers[entry["number"]], entry["number"]
        if state_of(entry) != CHANGE:
            kept[place] = raw[place - 1] + b"\n"
            # The marks of a request have members of their own.
            kept.update({one: raw[one - 1] + b"\n" for one in marks.get(number, ())})
        elif ended == INTERRUPTED and newest[entry["key"]] == number:
            # The next writer marks how it ended.
            kept[place] = raw[place - 1] + b"\n"
        else:
            kept[place] = sealed(_with_outcome(entry, WRITTEN if ended == WRITTEN else NOT_WRITTEN))
    damaged = [place for place, line in lines if line is None][-KEPT[DAMAGED] :]
    kept.update({place: raw[place - 1] + b"\n" for place in damaged})
    return b"".join(line for _, line in sorted(kept.items()))


def _chosen(ends: list[tuple[Entry, str]], over: set[int]) -> list[tuple[Entry, str]]:
    """Return the entries that are kept, of all keys."""
    registered = _registered(ends)
    kinds: dict[tuple[str, str], list[tuple[Entry, str]]] = {}
    of_key: dict[str, list[tuple[Entry, str]]] = {}
    for one in ends:
        key = one[0]["key"]
        kinds.setdefault((key, _kind(one[0], one[1], registered, over)), []).append(one)
        of_key.setdefault(key, []).append(one)
    chosen = [one for found in of_key.values() for one in (*found[:_FIRST_KEPT], found[-1])]
    for (key, kind), found in kinds.items():
        if key == FINGERPRINT_KEY and kind in (ROUTINE, AS_REGISTERED):
            # Of those that differ in the threshold alone the newest.
            found = list({_bare(_restored(one[0])): one for one in found}.values())
            found.sort(key=lambda one: one[0]["number"])
        chosen += found[-KEPT[kind] :]
    return list({id(one[0]): one for one in chosen}.values())


def _kind(entry: Entry, ended: str, registered: set[object], over: set[int]) -> str:
    key, why = entry["key"], entry["why"]
    if "request" in entry:
        return ROUTINE if entry["number"] in over else OPEN_REQUEST
    if why == REGISTERED:
        return REGISTRATION
    if state_of(entry) == BYTES_FOUND and why != FOUND:
        return BACKUP
    before, after = _who(key, entry["before"]), _who(key, entry["after" if ended == WRITTEN else "before"])
    if before != after:
        return REGISTRATION if key == REGISTRATION_KEY or {before, after} & registered else REPLACED
    return AS_REGISTERED if key == FINGERPRINT_KEY and _bare(_restored(entry)) in registered else ROUTINE


def _registered(ends: list[tuple[Entry, str]]) -> set[object]:
    """Return the fingerprints that were in the vault when it got another node, and those records, see `_bare`."""
    found: set[object] = set()
    present = next((entry["before"] for entry, _ in ends if entry["key"] == FINGERPRINT_KEY), None)
    for entry, ended in ends:
        if ended != WRITTEN:
            continue
        if entry["key"] == FINGERPRINT_KEY:
            present = entry["after"]
        is_new = entry["key"] == REGISTRATION_KEY and _who(REGISTRATION_KEY, entry["after"]) != _who(
            REGISTRATION_KEY, entry["before"]
        )
        if present is not None and (is_new or entry["why"] == REGISTERED):
            found |= {_who(FINGERPRINT_KEY, present), _bare(present)}
    return found - {""}


def _restored(entry: Entry) -> Any:
    """Return the record that an entry restores."""
    return entry["after" if entry["before"] is None else "before"]


def _bare(value: Any) -> object:
    """Return a record of a fingerprint without its threshold, to compare it by."""
    try:
        record = decode_fingerprint(bytes_of(value), "")
    except VaultCorrupt:
        return bytes_of(value)
    attributes = record.hardware_hash
    return record.fingerprint, attributes and tuple(sorted(attributes.items())), record.extra


def _who(key: str, value: Any) -> str:
    """Return the fingerprint or the node's id of a record in a line; "" for none."""
    if value is None:
        return ""
    try:
        if key == FINGERPRINT_KEY:
            return decode_fingerprint(bytes_of(value), "").fingerprint
        return decode_registration(bytes_of(value), "").instance_id if key == REGISTRATION_KEY else ""
    except VaultCorrupt:
        return ""


def _with_outcome(entry: Entry, ended: str) -> Entry:
    """Return an entry with how it ended; the digest is made anew."""
    bare = {name: value for name, value in entry.items() if name not in ("outcome", "sha256")}
    after = {name: bare.pop(name) for name in ("lines", "by", "before", "after")}
    return {**bare, "outcome": ended, **after}
