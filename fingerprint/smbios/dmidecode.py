"""Read the output of dmidecode, of any version, into the structures of `smbios.table`.

Old evidence, tickets and other machines come as such output: complete, by group (`-t memory`), several runs in one
file, quiet (`-q`, without handles and types), indented by tabs or blanks, truncated. Unknown lines are ignored, so
no input is an error.
"""

from __future__ import annotations

from fingerprint.smbios.dmidecode_fields import BIOS, hexadecimal, leading_number, number, structure, text_of
from fingerprint.smbios.table import SmbiosTable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_OEM_STRINGS = 11
# The type of a structure by its title; dmidecode 2.1 dropped " Block" from the titles.
_TITLES = {
    "bios information": 0,
    "system information": 1,
    "base board information": 2,
    "board information": 2,
    "chassis information": 3,
    "processor information": 4,
    "processor": 4,
    "oem strings": _OEM_STRINGS,
    "oem data": _OEM_STRINGS,
    "physical memory array": 16,
    "memory device": 17,
}
# Errors of dmidecode, on standard output or on captured standard error.
_COMPLAINTS = (
    "table is broken",
    "wrong dmi structures",
    "no smbios nor dmi entry point found",
    "permission denied",
    "operation not permitted",
    "can't read memory",
    "table is unreachable",
)
_TRUNCATED = "<truncated>"
# Wrong versions in tables, and the versions that dmidecode uses in their place.
_VERSION_FIXUPS = {(2, 31): (2, 3), (2, 33): (2, 3), (2, 51): (2, 6)}


def parse_dmidecode(text: str) -> SmbiosTable:
    """Return the table that dmidecode printed; a table without structures for other text.

    If the text has several runs, such as one of all structures and some of single groups, each type of structure comes
    from the first run that has it.
    """
    reader = _Reader()
    for line in text.split("\n"):
        reader.line(line.rstrip("\r"))
    found = reader.first_runs()
    return SmbiosTable(
        version=reader.version,
        bios=_first(found, 0),
        system=_first(found, 1),
        baseboards=_made(found, 2),
        chassis=_made(found, 3),
        processors=_made(found, 4),
        memory_arrays=_made(found, 16),
        memory_devices=_made(found, 17),
        oem_strings=tuple(tuple(raw.strings) for raw in found.get(_OEM_STRINGS, ())),
        problems=tuple(dict.fromkeys(reader.problems)),
    )


def dmidecode_version(text: str) -> str:
    """Return the version of the dmidecode that printed a text, such as "3.4"; "" if the text does not have it."""
    for line in text.split("\n"):
        version = _tool_version(line)
        if version:
            return version
    return ""


class _Raw:
    """One structure as text: `fields` by lower-case label, `strings` of an OEM structure, or firmware's list."""

    __slots__ = ("kind", "handle", "run", "fields", "strings")

    def __init__(self, kind: int, handle: int | None, run: int) -> None:
        self.kind = kind
        self.handle = handle
        self.run = run
        self.fields: dict[str, str] = {}
        self.strings: list[str] = []


class _Reader:
    """Reads the lines once. A structure begins with its handle, in quiet output with its title after a blank line."""

    def __init__(self) -> None:
        self.version: tuple[int, int, int] | None = None
        self.problems: list[str] = []
        self.structures: list[_Raw] = []
        self._run = 0
        self._handle: int | None = None
        self._kind: int | None = None
        self._title_due = False
        self._raw: _Raw | None = None
        self._indent: int | None = None
        self._after_blank = True

    def first_runs(self) -> dict[int, list[_Raw]]:
        """Return the structures by type, each type from the first run that has it."""
        found: dict[int, list[_Raw]] = {}
        for raw in self.structures:
            known = found.setdefault(raw.kind, [])
            if not known or known[0].run == raw.run:
                known.append(raw)
        return found

    def line(self, line: str) -> None:
        words = line.strip()
        if not words:
            self._after_blank = True
            return
        after_blank, self._after_blank = self._after_blank, False
        indent = _indent(line)
        if words.startswith("Handle 0x"):
            self._begin(words)
        elif words.startswith("DMI type ") and self._title_due:
            self._kind = leading_number(words[9:])
        elif self._title_due:
            self._title(words)
        elif (not indent or not self._raw) and self._head(words):
            self._raw = None
        elif not indent and (after_blank or words.lower().removesuffix(" block") in _TITLES):
            self._handle = self._kind = None
            self._title(words)
        elif self._raw:
            self._field(self._raw, line, words, indent)

    def _begin(self, words: str) -> None:
        self._raw = None
        digits, _, rest = words[7:].partition(",")
        self._handle = hexadecimal(digits)
        rest = rest.strip()
        self._kind = leading_number(rest[9:]) if rest.startswith("DMI type ") else None
        self._title_due = True

    def _title(self, words: str) -> None:
        self._title_due = False
        self._raw = None
        if words.lower() == _TRUNCATED:
            self.problems.append(f"{_named(self._kind, self._handle)} is truncated")
            return
        kind = _TITLES.get(words.lower().removesuffix(" block"))
        if kind is None or self._kind not in (None, kind):
            return
        self._raw = _Raw(kind, self._handle, self._run)
        self._indent = None
        self.structures.append(self._raw)

    def _field(self, raw: _Raw, line: str, words: str, indent: int) -> None:
        if words.lower() == _TRUNCATED:
            self.problems.append(f"{_named(raw.kind, raw.handle)} is truncated")
            return
        if self._indent is None:
            self._indent = indent
        if indent > self._indent:
            if raw.kind == BIOS and next(reversed(raw.fields), "") == "characteristics":
                raw.strings.append(words)
            return
        label, colon, value = line.partition(":")
        label = label.strip().lower()
        value = value[1:] if value[:1] in (" ", "\t") else value
        if raw.kind == _OEM_STRINGS:
            numbered = colon and label.startswith("string ")
            raw.strings.append(text_of(value) if numbered else words)
        elif colon:
            raw.fields.setdefault(label, value)

    def _head(self, words: str) -> bool:
        """Read a line about the table, and return whether it is one."""
        if _tool_version(words):
            self._run += 1
            return True
        plain = words.lstrip("# ")
        lowered = plain.lower()
        if any(complaint in lowered for complaint in _COMPLAINTS):
            self.problems.append(plain)
            return True
        for start in ("SMBIOS ", "Legacy DMI ", "DMI "):
            if plain.startswith(start) and "present" in plain:
                self.version = self.version or _table_version(plain[len(start) :].split(" ", 1)[0])
                return True
        return False


def _named(kind: int | None, handle: int | None) -> str:
    name = "a structure" if kind is None else f"a structure of type {kind}"
    return name if handle is None else f"{name}, handle 0x{handle:04X},"


def _indent(line: str) -> int:
    expanded = line.expandtabs(8)
    return len(expanded) - len(expanded.lstrip())


def _tool_version(line: str) -> str:
    words = line.strip().lstrip("# ").split()
    if len(words) == 2 and words[0] == "dmidecode" and words[1][0] in "0123456789":
        return words[1]
    return ""


def _table_version(text: str) -> tuple[int, int, int] | None:
    numbers = [number(part) for part in text.split(".")]
    if not 2 <= len(numbers) <= 3 or None in numbers:
        return None
    major, minor, revision = (*(n or 0 for n in numbers), 0)[:3]
    major, minor = _VERSION_FIXUPS.get((major, minor), (major, minor))
    return major, minor, revision


def _made(found: dict[int, list[_Raw]], kind: int) -> tuple[Any, ...]:
    return tuple(structure(raw.kind, raw.handle, raw.fields, raw.strings) for raw in found.get(kind, ()))


def _first(found: dict[int, list[_Raw]], kind: int) -> Any:
    return next(iter(_made(found, kind)), None)
