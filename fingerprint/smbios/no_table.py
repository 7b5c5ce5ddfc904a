"""Output of dmidecode without hardware, and its digests.

dmidecode exits with 0 also if it finds no table (boards without UEFI, WSL2, some virtual machines) or stops at the
first structure. The agent stores the MD5 of this output like any other, so all machines without a table share it.
"""

from __future__ import annotations

DMI = ("processor-hash", "memory-hash", "bios-hash", "system-hash")
NO_STRUCTURE = "the SMBIOS table holds no structure of this kind"
_STRUCTURE = b"Handle 0x"
_HEAD = b"# dmidecode "
_NOT_FOUND = b"# No SMBIOS nor DMI entry point found, sorry.\n"
# Releases that print their version first, including announced ones.
_RELEASES = (*(f"2.{n}" for n in range(7, 13)), *(f"3.{n}" for n in range(9)))
# Versions of the SMBIOS specification, as in the line before the first structure.
_TABLES = (
    *(f"2.{n}" for n in range(9)),
    *(f"3.{n}{last}" for n in range(9) for last in ("", ".0", ".1")),
)
_digests: frozenset[str] = frozenset()


def why_silent(output: bytes) -> str:
    """Return why output of dmidecode has no hardware in it; "" if it has a structure."""
    if _STRUCTURE in output:
        return ""
    if not output.strip():
        return "no SMBIOS table found: dmidecode printed nothing"
    if b" present." not in output:
        return "no SMBIOS table found"
    if b"broken" in output or b"rong DMI structures" in output or b"nreachable" in output:
        return "no structure could be read from the SMBIOS table: it is broken"
    return NO_STRUCTURE


def is_silent(value: str) -> bool:
    """Return whether a stored value is a known digest of output without a structure.

    Known are the outputs of released versions of dmidecode without a table, or with a table without a structure of the
    requested type. Output with more details (an address, an error) has an unknown digest.
    """
    global _digests
    if not _digests:
        # Computed only after the first difference: it takes 0.3 ms.
        from fingerprint._core import md5_base64

        _digests = frozenset(map(md5_base64, _outputs()))
    return value in _digests


def release_of(value: str, output: bytes) -> str:
    """Return the version of dmidecode that prints an output with a known digest; "" if none of the released ones does.

    Args:
        value: the digest.
        output: what another version of dmidecode prints on the same machine; only its first line is replaced.
    """
    from fingerprint._core import md5_base64

    head, end, rest = output.partition(b"\n")
    if not end or not head.startswith(_HEAD):
        return ""
    return next((name for name in _RELEASES if value == md5_base64(_HEAD + name.encode() + end + rest)), "")


def _outputs() -> list[bytes]:
    found = [b"", _NOT_FOUND]
    for release in _RELEASES:
        head = _HEAD + release.encode() + b"\n"
        found += [head, head + _NOT_FOUND, head + b"Scanning /dev/mem for entry point.\n" + _NOT_FOUND]
        head += b"Getting SMBIOS data from sysfs.\n"
        found.append(head + _NOT_FOUND)
        found += [head + b"SMBIOS " + table.encode() + b" present.\n\n" for table in _TABLES]
    return found
