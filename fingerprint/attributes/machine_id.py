"""Invalid and shared machine IDs: by machine-id(5) an ID is 32 hexadecimal digits, not all zero, and unique.

The agent uses the content of the file unchanged, so all machines with the same content are one machine for it.
"""

from __future__ import annotations

# In the order in which the agent reads them; the second one is usually a link to the first.
MACHINE_ID_FILES = ("/etc/machine-id", "/var/lib/dbus/machine-id")
UNINITIALIZED = "uninitialized"
_OTHER = "it is not 32 hexadecimal digits"
_DIGITS = 32
# IDs in templates, and the one that a distribution gives to all its machines (Whonix).
_SHARED = (
    "0123456789abcdef0123456789abcdef", "00112233445566778899aabbccddeeff", "deadbeefdeadbeefdeadbeefdeadbeef",
    "b08dfa6083e7567a1921a715000001fb",
)  # fmt: skip


def problem(text: str) -> str:
    """Return why the content of a machine-id file identifies no machine, such as "it is blank"; "" if it does."""
    if not text:
        return "it is empty"
    value = text.strip().lower()
    if not value:
        return "it is blank"
    if value == UNINITIALIZED:
        return f'it says "{UNINITIALIZED}"'
    if len(value) != _DIGITS or value.strip("0123456789abcdef"):
        return _OTHER
    if len(set(value)) == 1:
        return "it is all zeros" if value[0] == "0" else "it is one digit repeated"
    return "many machines have it" if value in _SHARED else ""


def is_shared(text: str) -> bool:
    """Return whether many machines have this content; content of another form may be unique."""
    return problem(text) not in ("", _OTHER)
