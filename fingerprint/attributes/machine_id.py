"""Which texts are no machine ID: machine-id(5) has 32 hexadecimal digits, not all zero, that no other machine has.

The agent takes the text of the file as it stands, so all machines with such a text are one to it.
"""

from __future__ import annotations

# In the order in which the agent reads them; the second is usually a link to the first.
MACHINE_ID_FILES = ("/etc/machine-id", "/var/lib/dbus/machine-id")
UNINITIALIZED = "uninitialized"
_OTHER = "it is not 32 hexadecimal digits"
_DIGITS = 32
# Written by hand into templates, and by a distribution that wants all its machines to look alike (Whonix).
_SHARED = (
    "0123456789abcdef0123456789abcdef", "00112233445566778899aabbccddeeff", "deadbeefdeadbeefdeadbeefdeadbeef",
    "b08dfa6083e7567a1921a715000001fb",
)  # fmt: skip


def problem(text: str) -> str:
    """Return why the text of a machine-id file identifies no machine, such as "it is blank"; "" for one that does."""
    if not text:
        return "it is empty"
    told = text.strip().lower()
    if not told:
        return "it is blank"
    if told == UNINITIALIZED:
        return f'it says "{UNINITIALIZED}"'
    if len(told) != _DIGITS or told.strip("0123456789abcdef"):
        return _OTHER
    if len(set(told)) == 1:
        return "it is all zeros" if told[0] == "0" else "it is one digit repeated"
    return "many machines have it" if told in _SHARED else ""


def is_shared(text: str) -> bool:
    """Return whether the same text is on many machines; one that only has another form may be of one machine."""
    return problem(text) not in ("", _OTHER)
