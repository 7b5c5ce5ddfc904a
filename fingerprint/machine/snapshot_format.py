"""The format of a snapshot: check it, and decode its bytes, times and errors. docs/formats.md describes it."""

from __future__ import annotations

import errno

from fingerprint._io.times import seconds_of
from fingerprint.errors import SnapshotError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SCHEMA_VERSION = 1
_FIELDS: dict[str, tuple[type, ...]] = {
    "platform": (str,),
    "kernel": (str,),
    "recordedAt": (str,),
    "hostName": (str, dict),
    "files": (dict,),
    "commands": (list,),
    "addresses": (dict,),
    "services": (dict,),
}
_COMMAND_FIELDS: dict[str, tuple[type, ...]] = {
    "returncode": (int, type(None)),
    "stderr": (str,),
    "problem": (str,),
    "seconds": (int, float),
}
_PROBLEMS = ("", "not-found", "denied", "timeout", "too-long", "failed", "not-run", "not-recorded", "no-resources")
# No machine has greater numbers, and Python cannot print or convert all of them.
_NUMBER_LIMIT = 1 << 63
# WMI has unsigned 64-bit integers.
_LIMITS = {"wmi": 1 << 64}
_SECONDS_LIMIT = 366 * 24 * 3600
# Time zones differ from UTC by up to 14 hours, those of POSIX by up to 24, and by an hour or two more in summer.
_OFFSET_LIMIT = 26 * 3600
_BASE64_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def require_snapshot(snapshot: dict[str, Any], where: str) -> None:
    """Raise SnapshotError unless all members that a collection reads are valid.

    Args:
        snapshot: the parsed snapshot.
        where: its file, for the error.
    """
    if snapshot.get("schemaVersion") != SCHEMA_VERSION:
        raise broken(f"schemaVersion is not {SCHEMA_VERSION}", where)
    for name, kinds in _FIELDS.items():
        if not isinstance(snapshot.get(name), kinds):
            raise broken(f"{name} is missing or of the wrong type", where)
    for entry in snapshot["commands"]:
        argv = entry.get("argv") if isinstance(entry, dict) else None
        if not isinstance(argv, list) or not argv or not all(isinstance(word, str) for word in argv):
            raise broken("a command without argv", where)
        for name, kinds in _COMMAND_FIELDS.items():
            if name in entry and not isinstance(entry[name], kinds):
                raise broken(f"{name} of a command is of the wrong type", where)
        if entry.get("problem", "") not in _PROBLEMS:
            raise broken(f"the problem of the command {argv[0]} is none of {', '.join(_PROBLEMS[1:])}", where)
        _require_bytes(entry, "stdout", "stdoutBase64", f"the output of the command {argv[0]}", where)
        if not 0 <= entry.get("seconds", 0) <= _SECONDS_LIMIT:
            raise broken(f"the seconds of the command {argv[0]} are not from 0 to {_SECONDS_LIMIT}", where)
    for path, entry in snapshot["files"].items():
        if entry is not None and not isinstance(entry, dict):
            raise broken(f"the file {path} is not an object", where)
        _require_bytes(entry or {}, "text", "base64", f"the file {path}", where)
    statuses = snapshot.get("statuses", {})
    if not isinstance(statuses, dict):
        raise broken("statuses is of the wrong type", where)
    for path, entry in statuses.items():
        if entry is not None and not isinstance(entry, dict):
            raise broken(f"the status of {path} is not an object", where)
    taken_by = snapshot.get("takenBy", {})
    if not isinstance(taken_by, dict) or not (taken_by.get("uid") is None or is_count(taken_by["uid"])):
        raise broken("takenBy.uid is not a user number", where)
    if not all(isinstance(taken_by.get(name, False), (bool, type(None))) for name in ("asAgent", "rawIo")):
        raise broken("takenBy is of the wrong type", where)
    offset = snapshot.get("utcOffset")
    if isinstance(offset, int) and abs(offset) > _OFFSET_LIMIT:
        raise broken(f"utcOffset is not from -{_OFFSET_LIMIT} to {_OFFSET_LIMIT} seconds", where)
    for name, value in snapshot.items():
        _require_values(name, value, where)


def _require_bytes(entry: dict[str, Any], text_name: str, base64_name: str, what: str, where: str) -> None:
    """Raise SnapshotError for an entry that is present and neither a string, base64 nor an error."""
    if not all(isinstance(entry.get(name, ""), str) for name in (text_name, base64_name, "error")):
        raise broken(f"{what} is neither a string nor base64", where)
    if base64_name in entry and text_name not in entry:
        bytes_of(entry, text_name, base64_name, f"{where}: {what}" if where else what)


def _require_values(name: str, value: Any, where: str) -> None:
    """Raise SnapshotError for strings that a file cannot hold and for numbers out of range."""
    left = [value]
    while left:
        value = left.pop()
        if isinstance(value, str):
            # A live machine may report such a host name too.
            if name != "hostName" and not is_text(value):
                raise broken(f"{name} holds an unpaired surrogate", where)
        elif isinstance(value, dict):
            left += value
            left += value.values()
        elif isinstance(value, (list, tuple)):
            left += value
        # False for NaN as well, which is rejected.
        elif isinstance(value, (int, float)) and not -_NUMBER_LIMIT < value < _LIMITS.get(name, _NUMBER_LIMIT):
            raise broken(f"{name} holds a number that is out of range", where)


def is_text(text: str) -> bool:
    """Return whether a string can be encoded as UTF-8."""
    if text.isascii():
        return True
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def is_count(value: Any) -> bool:
    """Return whether a value is an integer from 0."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def broken(what: str, where: str) -> SnapshotError:
    """Return the error for an invalid snapshot."""
    return SnapshotError(
        f"not a snapshot: {what}",
        where=where,
        remedy="Record a machine with: fingerprint snapshot FILE",
    )


def bytes_of(entry: dict[str, Any], text_name: str, base64_name: str, where: str) -> bytes | None:
    """Return the bytes of an entry, None if it has none. Raises SnapshotError."""
    text, encoded = entry.get(text_name), entry.get(base64_name)
    if isinstance(text, str):
        try:
            return text.encode("utf-8")
        except UnicodeEncodeError:
            raise broken(f"{text_name} holds an unpaired surrogate", where) from None
    if not isinstance(encoded, str):
        return None
    # With binascii, because base64 imports `re`.
    from binascii import a2b_base64

    digits = encoded.rstrip("=")
    if len(encoded) % 4 or len(encoded) - len(digits) > 2 or digits.strip(_BASE64_DIGITS):
        raise broken(f"{base64_name} is not base64", where)
    return a2b_base64(encoded)


def raise_recorded(entry: dict[str, Any], what: str) -> None:
    """Raise the OSError that an entry holds, if any."""
    if isinstance(entry.get("error"), str):
        number = getattr(errno, entry["error"], errno.EIO)
        raise OSError(number if isinstance(number, int) else errno.EIO, str(entry.get("message", "")), what)


def seconds_at(text: Any, what: str, where: str) -> float:
    """Return the seconds since 1970 of a time as `utc` writes it."""
    if not isinstance(text, str):
        raise broken(f"{what} is not a string", where)
    seconds = seconds_of(text) if text.endswith("Z") else None
    if seconds is None or seconds < 0:
        raise broken(f"{what} is not a time such as 2026-11-24T00:00:00Z", where)
    return seconds
