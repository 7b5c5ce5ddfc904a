"""What others wrote, without what a terminal would obey: escape sequences, changes of direction, breaks of lines.

A character is shown as it is if it is printable by Unicode; any other one as Python and JSON write it.
"""

from __future__ import annotations


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
