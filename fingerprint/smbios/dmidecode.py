"""The SMBIOS table as dmidecode printed it, of whichever version, into the structures of `smbios`.

Old evidence, tickets and machines of others come as such text: whole, by group (`-t memory`), several
runs after another, quiet (`-q`, without handles and types), indented by tabs or blanks, cut off.
Nothing of it is refused: lines that are not understood are passed over.
"""

from __future__ import annotations

from fingerprint.smbios.table import (
    Baseboard,
    Bios,
    Chassis,
    MemoryArray,
    MemoryDevice,
    Processor,
    SmbiosTable,
    System,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from fingerprint.smbios.table import Structure

_OEM_STRINGS = 11
# By what dmidecode writes over a structure; " Block" was dropped with version 2.1.
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
# Where it says so itself, on standard output or on a standard error that was captured with it.
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
# Versions that tables state by mistake, and what dmidecode takes them for.
_VERSION_FIXUPS = {(2, 31): (2, 3), (2, 33): (2, 3), (2, 51): (2, 6)}
_UNITS = {"bytes": 1, "byte": 1, "kb": 1 << 10, "k": 1 << 10, "mb": 1 << 20, "m": 1 << 20, "gb": 1 << 30, "tb": 1 << 40}
_UNITS |= {"pb": 1 << 50, "eb": 1 << 60}
# No number of a table is longer; the conversion of an endless one is refused by Python.
_MOST_DIGITS = 20


def parse_dmidecode(text: str) -> SmbiosTable:
    """Return what the output of dmidecode tells; a table without structures for other text.

    What comes twice, because a run over everything and runs for groups were kept in one file, counts once:
    each kind of structure is taken from the first run that tells it.
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
        oem_strings=tuple(tuple(raw.texts) for raw in found.get(_OEM_STRINGS, ())),
        problems=tuple(dict.fromkeys(reader.problems)),
    )


def dmidecode_version(text: str) -> str:
    """Return the version of the dmidecode that printed a text, such as "3.4"; "" if it does not tell."""
    for line in text.split("\n"):
        version = _tool_version(line)
        if version:
            return version
    return ""


class _Raw:
    """One structure as text: `fields` by lower-case label, `texts` of an OEM structure."""

    __slots__ = ("kind", "handle", "run", "fields", "texts")

    def __init__(self, kind: int, handle: int | None, run: int) -> None:
        self.kind = kind
        self.handle = handle
        self.run = run
        self.fields: dict[str, str] = {}
        self.texts: list[str] = []


class _Reader:
    """Goes through the lines once. A structure begins with its handle, or quiet, with its title after a blank line."""

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
        """Return the structures by kind, each kind from the first run that has it."""
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
            self._kind = _leading_number(words[9:])
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
        number, _, rest = words[7:].partition(",")
        self._handle = _hexadecimal(number)
        rest = rest.strip()
        self._kind = _leading_number(rest[9:]) if rest.startswith("DMI type ") else None
        self._title_due = True

    def _title(self, words: str) -> None:
        self._title_due = False
        self._raw = None
        if words.lower() == _TRUNCATED:
            self.problems.append(f"{_named(self._kind, self._handle)} is cut off")
            return
        kind = _TITLES.get(words.lower().removesuffix(" block"))
        if kind is None or self._kind not in (None, kind):
            return
        self._raw = _Raw(kind, self._handle, self._run)
        self._indent = None
        self.structures.append(self._raw)

    def _field(self, raw: _Raw, line: str, words: str, indent: int) -> None:
        if words.lower() == _TRUNCATED:
            self.problems.append(f"{_named(raw.kind, raw.handle)} is cut off")
            return
        if self._indent is None:
            self._indent = indent
        if indent > self._indent:
            return
        label, colon, value = line.partition(":")
        label = label.strip().lower()
        value = value[1:] if value[:1] in (" ", "\t") else value
        if raw.kind == _OEM_STRINGS:
            numbered = colon and label.startswith("string ")
            raw.texts.append(_text(value) if numbered else words)
        elif colon:
            raw.fields.setdefault(label, value)

    def _head(self, words: str) -> bool:
        """Take in a line about the whole table; tell whether it was one."""
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
    numbers = [_number(part) for part in text.split(".")]
    if not 2 <= len(numbers) <= 3 or None in numbers:
        return None
    major, minor, revision = (*(n or 0 for n in numbers), 0)[:3]
    major, minor = _VERSION_FIXUPS.get((major, minor), (major, minor))
    return major, minor, revision


def _number(text: str) -> int | None:
    return int(text) if 0 < len(text) <= _MOST_DIGITS and not text.strip("0123456789") else None


def _hexadecimal(text: str) -> int | None:
    digits = text.strip().lower().removeprefix("0x").rstrip(".")
    return int(digits, 16) if 0 < len(digits) <= _MOST_DIGITS and not digits.strip("0123456789abcdef") else None


def _leading_number(text: str) -> int | None:
    """Return the number that a text begins with: "1600 MT/s", "400 MHz (2.5 ns)", "960K"."""
    text = text.strip()
    return _number(text[: len(text) - len(text.lstrip("0123456789"))])


def _text(value: str) -> str:
    return "" if value.strip() == "Not Specified" else value


def _size(value: str) -> int | None:
    value = value.strip()
    if value.lower() in ("no module installed", "not installed"):
        return 0
    count = _leading_number(value)
    unit = value.lstrip("0123456789").strip().lower()
    return None if count is None or unit not in _UNITS else count * _UNITS[unit]


def _uuid(value: str) -> str | None:
    uuid = value.strip().lower()
    digits = uuid.replace("-", "")
    if uuid in ("", "not present", "not settable", "not specified") or (len(digits) == 32 and not digits.strip("0")):
        return None
    return None if len(digits) == 32 and not digits.strip("f") else uuid


def _processor_id(value: str) -> str | None:
    digits = "".join(value.split()).lower()
    return digits if len(digits) == 16 and not digits.strip("0123456789abcdef") else None


def _populated(value: str) -> bool | None:
    status = value.strip().lower()
    return {"unpopulated": False, "populated": True}.get(status.split(",")[0])


if TYPE_CHECKING:
    _Fields = dict[str, tuple[str, Callable[[str], Any]]]

_UNIT: _Fields = {
    "manufacturer": ("manufacturer", _text),
    "vendor": ("manufacturer", _text),
    "serial number": ("serial", _text),
}
_VERSION: _Fields = {"version": ("version", _text)}
_PRODUCT: _Fields = {"product name": ("product", _text), "product": ("product", _text)}
_ASSET: _Fields = {"asset tag": ("asset_tag", _text)}

# By type: the class, and by label what it fills. The second labels are those of dmidecode before 2.1.
_KINDS: dict[int, tuple[type[Structure], _Fields]] = {
    0: (
        Bios,
        {
            "vendor": ("vendor", _text),
            "version": ("version", _text),
            "release date": ("release_date", _text),
            "release": ("release_date", _text),
            "rom size": ("rom_bytes", _size),
            "bios revision": ("revision", _text),
            "firmware revision": ("firmware_revision", _text),
        },
    ),
    1: (
        System,
        {
            **_UNIT,
            **_VERSION,
            **_PRODUCT,
            "uuid": ("uuid", _uuid),
            "wake-up type": ("wake_up", _text),
            "sku number": ("sku", _text),
            "family": ("family", _text),
        },
    ),
    2: (
        Baseboard,
        {
            **_UNIT,
            **_VERSION,
            **_PRODUCT,
            **_ASSET,
            "location in chassis": ("location", _text),
            "type": ("kind", _text),
        },
    ),
    3: (
        Chassis,
        {
            **_UNIT,
            **_VERSION,
            **_ASSET,
            "type": ("kind", _text),
            "chassis type": ("kind", _text),
            "sku number": ("sku", _text),
        },
    ),
    4: (
        Processor,
        {
            **_UNIT,
            **_VERSION,
            **_ASSET,
            "socket designation": ("socket", _text),
            "type": ("kind", _text),
            "processor type": ("kind", _text),
            "family": ("family", _text),
            "processor family": ("family", _text),
            "processor manufacturer": ("manufacturer", _text),
            "processor version": ("version", _text),
            "id": ("id", _processor_id),
            "status": ("populated", _populated),
            "max speed": ("max_mhz", _leading_number),
            "current speed": ("current_mhz", _leading_number),
            "part number": ("part_number", _text),
            "vendor part number": ("part_number", _text),
            "core count": ("cores", _leading_number),
            "core enabled": ("cores_enabled", _leading_number),
            "thread count": ("threads", _leading_number),
        },
    ),
    16: (
        MemoryArray,
        {
            "location": ("location", _text),
            "use": ("use", _text),
            "error correction type": ("error_correction", _text),
            "maximum capacity": ("capacity_bytes", _size),
            "number of devices": ("devices", _leading_number),
        },
    ),
    17: (
        MemoryDevice,
        {
            **_UNIT,
            **_ASSET,
            "array handle": ("array_handle", _hexadecimal),
            "size": ("size_bytes", _size),
            "form factor": ("form_factor", _text),
            "locator": ("locator", _text),
            "bank locator": ("bank", _text),
            "type": ("kind", _text),
            "speed": ("speed", _leading_number),
            "part number": ("part_number", _text),
            "rank": ("rank", _leading_number),
        },
    ),
}


def _made(found: dict[int, list[_Raw]], kind: int) -> tuple[Any, ...]:
    return tuple(_structure(raw) for raw in found.get(kind, ()))


def _first(found: dict[int, list[_Raw]], kind: int) -> Any:
    return next(iter(_made(found, kind)), None)


def _structure(raw: _Raw) -> Structure:
    made, labels = _KINDS[raw.kind]
    fields: dict[str, Any] = {"handle": raw.handle}
    for label, value in raw.fields.items():
        if label in labels:
            name, convert = labels[label]
            fields.setdefault(name, convert(value))
    return made(**fields)
