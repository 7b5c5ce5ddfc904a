"""The directories and files of a vault: one interface, and one module for each family of systems, chosen here."""

from __future__ import annotations

import sys

from fingerprint._core import JsonError, loads

if sys.platform == "win32":
    from fingerprint.vault._windows import Folder
else:
    from fingerprint.vault._posix import Folder

__all__ = ["Folder", "is_torn", "read_settled"]

# How long is waited for a program that truncated a file and has not written it yet: 0.127 s in all.
_PAUSES = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064)
# A file that was not touched for so long is not being written.
_STILL_SECONDS = 2.0
# The file and its time for which was last waited in vain: of one that is damaged is waited once.
_in_vain: tuple[str, float] = ("", 0.0)


def read_settled(folder: Folder, name: str) -> bytes | None:
    """Return the bytes of a record or a manifest, None if it does not exist.

    The agent truncates such a file and then writes it. Who comes in between reads nothing, or the beginning, so
    this waits and reads again, while somebody may be writing.

    Raises:
        VaultError: as `Folder.read`.
    """
    data = folder.read(name)
    if data is None or not is_torn(data):
        return data
    # Imported here: a whole record needs neither.
    from time import sleep, time

    global _in_vain
    seen = ("", 0.0)
    for pause in _PAUSES:
        touched = folder.touched(name)
        if touched is None or time() - touched > _STILL_SECONDS:
            return data
        seen = (f"{folder.path}/{name}", touched)
        if seen == _in_vain:
            return data
        sleep(pause)
        data = folder.read(name)
        if data is None or not is_torn(data):
            return data
    _in_vain = seen
    return data


def is_torn(data: bytes) -> bool:
    """Return whether bytes are nothing, or the beginning of a JSON object and not all of it."""
    text = data.strip()
    if not text:
        return True
    # Cut within a string it has an odd number of quotes, cut elsewhere more opening braces. Braces and quotes within
    # strings may make a whole one look like that, so what looks torn is parsed.
    quotes = data.count(b'"') - data.count(b'\\"')
    if text[:1] != b"{" or (text[-1:] == b"}" and data.count(b"{") == data.count(b"}") and quotes % 2 == 0):
        return False
    try:
        loads(data)
    except JsonError:
        return True
    return False
