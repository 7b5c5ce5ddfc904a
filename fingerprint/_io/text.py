"""Texts of others made safe to print: no escape sequences, no passwords, identifiers masked.

A character is printed as it is if Unicode calls it printable; any other one as Python and JSON escape it.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re


def printable(text: str) -> str:
    """Return a value as one that stays in its line of a table; line ends at its end are dropped."""
    text = text.rstrip("\r\n")
    return text if text.isprintable() else "".join(c if c.isprintable() else _escaped(c) for c in text)


def visible(text: str) -> str:
    """Return a text of several lines, with tabs, in which nothing else moves the cursor."""
    if all(map(str.isprintable, text.split("\n"))):
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else _escaped(c) for c in text)


def visible_json(text: str) -> str:
    """Return JSON as the same JSON: what is not printable can only be within its strings."""
    if all(map(str.isprintable, text.split("\n"))):
        return text
    return "".join(c if c.isprintable() or c in "\n\r\t" else _escaped_json(c) for c in text)


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _escaped_json(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


# Up to the last @ of the word, or of what is in quotes: a password may hold what should have been escaped. What has no
# @ is taken as well, so that it is read once.
_QUOTED_URL = r'("[A-Za-z][A-Za-z0-9+.-]*://)([^"\\]*(?:\\.[^"\\]*)*)'
_URL = r'(://)([^\s"]*)'
_IDS = (
    # Nodes, accounts, UUIDs, and what is made of one without its hyphens. The end of a text may be cut off.
    r"\b(?:mi|i)-[0-9a-f]{8,17}\b|(?<!\d)\d{12}(?!\d)|(?<=:)\d{6,11}$"
    r"|\b[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}\b|\b[0-9A-Fa-f]{32}\b"
)


def without_passwords(text: str) -> str:
    """Return a text without user and password of the URLs in it."""
    if "@" in text:
        # Imported here, as below: `check` prints texts and needs no regular expressions.
        import re

        text = re.sub(_QUOTED_URL, _without_password, text)
        text = re.sub(_URL, _without_password, text)
    return text


def hidden(url: str) -> str:
    """Return what somebody named as a URL without what may be user and password, whether it is a URL or not."""
    scheme, separator, rest = url.rpartition("://")
    _, at, host = rest.rpartition("@")
    # A separator within the password leaves a part of it on its left.
    scheme = scheme if scheme.isalnum() else "***"
    # Nor what may be a token.
    end = min((place + 1 for mark in "?#" if (place := host.find(mark)) >= 0), default=0)
    host = f"{host[:end]}***" if end else host
    return f"{scheme if separator else ''}{separator}{'***@' if at else ''}{host}"


def _without_password(found: re.Match[str]) -> str:
    _, at, place = found[2].rpartition("@")
    return f"{found[1]}***@{place}" if at else found[0]


def with_ids_masked(text: str) -> str:
    """Return a text with the ids in it shortened, so that two can be told apart and none can be used."""
    import re

    return re.sub(_IDS, lambda found: masked(found[0]), text)


def masked(text: str) -> str:
    """Shorten an identifier so that a person can tell two apart and nobody can use it.

    The first and last four characters of what is longer than twelve, else one character, stay.
    """
    shown = text.rstrip("\r\n")
    if not shown:
        return shown
    if len(shown) > 12:
        return f"{shown[:4]}…{shown[-4:]}"
    return f"{shown[:1]}…"


def replace_surrogates(text: str) -> str:
    """Return a UTF-16 text of Windows as Go has it: U+FFFD in place of each unpaired surrogate."""
    return text if text.isascii() else text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
