"""Decode a manifest as the agent does, which is as Go's encoding/json decodes an object of strings.

Source: fsvault (ensureInitialized) of amazon-ssm-agent 3.3, and measurements of it.
"""

from __future__ import annotations

from fingerprint._core import JsonError, loads, members

# What is wrong with a manifest as a file, see `integrity.ManifestState`.
MISSING, EMPTY, BLANK, NOT_JSON, WRONG_TYPE = "missing", "empty", "blank", "not-json", "wrong-type"
_BLANKS = b" \t\r\n\0"
# The bytes of one escape such as \ud800.
_ONE_ESCAPE = 6


def file_defect(data: bytes | None) -> tuple[str, str]:
    """Return the kind of a manifest that is not an object of strings, and what is wrong; ("", "") for one that is."""
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


def decode_as_agent(data: bytes) -> dict[str, str]:
    """Return the manifest as Go decodes it: the last of two equal names wins, null is "".

    Of one that the agent rejects, return the readable entries: {} if it is not an object, "" for a value that is not a
    path.
    """
    listed = {}
    try:
        for name, raw in members(_repaired(data)) or ():
            path = loads(raw)
            listed[name] = path if isinstance(path, str) else ""
    except JsonError:
        return {}
    return listed


def invalid_text(data: bytes | None) -> str:
    """Return where a manifest that the agent decodes holds text that is not Unicode, "" if it does not."""
    try:
        loads(data or b"{}")
    except JsonError as error:
        return str(error)
    return ""


def kept_entries(listed: dict[str, str]) -> dict[str, str]:
    """Return the entries of a damaged manifest that a new one takes over: those with a path and an intact name."""
    return {key: path for key, path in listed.items() if path and "\ufffd" not in key}


def _repaired(data: bytes) -> bytes:
    """Return the bytes with U+FFFD for what is not Unicode, as Go decodes them."""
    text = data.decode("utf-8", "replace").encode("utf-8")
    if b"\\ud" not in text.lower():
        return text
    # Imported here: only half a surrogate pair needs it.
    import re

    def joined(found: re.Match[bytes]) -> bytes:
        return rb"\ufffd" if len(found[0]) == _ONE_ESCAPE else found[0]

    return re.sub(
        rb"\\u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}|\\u[dD][89a-fA-F][\da-fA-F]{2}|\\.", joined, text
    )
