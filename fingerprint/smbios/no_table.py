"""What dmidecode prints where there is no hardware to print: texts without a structure, and their digests.

dmidecode ends with 0 also where it finds no table (boards without UEFI, WSL2, some virtual machines) or gives up at
the first structure. The agent stores the MD5 of that text like any other, and all machines without a table share it.
"""

from __future__ import annotations

DMI = ("processor-hash", "memory-hash", "bios-hash", "system-hash")
_STRUCTURE = b"Handle 0x"
_NOT_FOUND = b"# No SMBIOS nor DMI entry point found, sorry.\n"
# Releases that printed their version first, up to those that are announced.
_RELEASES = (*(f"2.{n}" for n in range(7, 13)), *(f"3.{n}" for n in range(9)))
# Of the table's specification, as the line before the first structure has it.
_TABLES = (
    *(f"2.{n}" for n in range(9)),
    *(f"3.{n}{last}" for n in range(9) for last in ("", ".0", ".1")),
)
_digests: frozenset[str] = frozenset()


def why_silent(output: bytes) -> str:
    """Return why what dmidecode printed says nothing about the hardware; "" if it holds a structure."""
    if _STRUCTURE in output:
        return ""
    if not output.strip():
        return "no SMBIOS table found: dmidecode printed nothing"
    if b" present." not in output:
        return "no SMBIOS table found"
    if b"broken" in output or b"rong DMI structures" in output or b"nreachable" in output:
        return "no structure could be read from the SMBIOS table: it is broken"
    return "the SMBIOS table holds no structure of this kind"


def is_silent(value: str) -> bool:
    """Return whether a stored value is known to be the digest of a text without a structure.

    Known are those of released versions of dmidecode that found no table, or a table without a structure of the kind
    that they were asked for. A text that tells more (an address, what is broken) has a digest that is not known.
    """
    global _digests
    if not _digests:
        # Made at the first difference only: it takes 0.3 ms.
        from fingerprint._core import md5_base64

        _digests = frozenset(map(md5_base64, _texts()))
    return value in _digests


def _texts() -> list[bytes]:
    found = [b"", _NOT_FOUND]
    for release in _RELEASES:
        head = b"# dmidecode " + release.encode() + b"\n"
        found += [head, head + _NOT_FOUND, head + b"Scanning /dev/mem for entry point.\n" + _NOT_FOUND]
        head += b"Getting SMBIOS data from sysfs.\n"
        found.append(head + _NOT_FOUND)
        found += [head + b"SMBIOS " + table.encode() + b" present.\n\n" for table in _TABLES]
    return found
