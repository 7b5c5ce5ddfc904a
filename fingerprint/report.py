"""The bundle for a ticket: what the commands say of a machine, with pseudonyms in place of its ids."""

from __future__ import annotations

import gzip
import io
import tarfile

from fingerprint import __version__
from fingerprint._json import dumps
from fingerprint.collect.stable import SMBIOS_TABLE
from fingerprint.errors import FingerprintError
from fingerprint.newfile import write_new
from fingerprint.redact import Redactor
from fingerprint.smbios_text import parse_dmidecode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from fingerprint.model import HardwareHash
    from fingerprint.smbios import SmbiosTable

FOLDER = "fingerprint-report"
MANIFEST = "MANIFEST.txt"
# Raw bytes that are not text: the SMBIOS table is full of serial numbers.
_RAW = ("base64", "stdoutBase64")


def bundle(
    parts: dict[str, Callable[[], Any]],
    snapshot: dict[str, Any],
    redactor: Redactor | None,
    others: Sequence[dict[str, Any]] = (),
    hardware_hash: HardwareHash | None = None,
) -> dict[str, bytes]:
    """Return the files of a bundle: name -> bytes, the manifest last.

    Args:
        parts: name -> what gives the JSON of one file; one that raises FingerprintError gives its facts.
        snapshot: the recorded machine.
        redactor: what makes pseudonyms; None leaves everything as it is.
        others: earlier recordings, whose ids may stand in the parts, too.
        hardware_hash: the saved one, likewise.
    """
    if redactor is not None:
        for known in (snapshot, *others):
            learn(redactor, known)
        learn_hash(redactor, hardware_hash)
    files: dict[str, bytes] = {}
    for name, question in parts.items():
        try:
            answer = question()
        except FingerprintError as error:
            answer = {"error": error.facts()}
        files[f"{name}.json"] = _json(answer if redactor is None else redactor.value(answer))
    files["snapshot.json"] = _json(snapshot if redactor is None else redacted_snapshot(snapshot, redactor))
    files[MANIFEST] = _manifest(files, redactor is not None).encode("utf-8")
    return files


def learn(redactor: Redactor, snapshot: dict[str, Any]) -> None:
    """Note every id that a recorded machine tells, so that it is found in other files, too."""
    name = snapshot.get("hostName")
    if isinstance(name, str):
        redactor.learn("host", name)
        redactor.learn("host", name.partition(".")[0])
        redactor.learn("domain", name.partition(".")[2])
    for path in ("/etc/machine-id", "/var/lib/dbus/machine-id"):
        redactor.learn("machine", (snapshot["files"].get(path) or {}).get("text"))
    redactor.learn(
        "serial", (snapshot["files"].get("/proc/device-tree/serial-number") or {}).get("text", "").rstrip("\0")
    )
    redactor.learn("machine", _text(snapshot.get("machineGuid")))
    redactor.learn("ip", _text(snapshot.get("outgoingAddress")))
    addresses = snapshot.get("addresses", {})
    for address in addresses.get("ipv4", []):
        redactor.learn("ip", _text(address))
    for link in addresses.get("links", []):
        redactor.learn("mac", _text(link[1]) if len(link) > 1 else None)
    links = snapshot.get("links")
    for link in links if isinstance(links, list) else []:
        redactor.learn("mac", _text(link.get("address")))
        redactor.learn("mac", _text(link.get("permanent")))
    folders = snapshot.get("folders")
    for path, names in (folders if isinstance(folders, dict) else {}).items():
        for entry in names if isinstance(names, list) and "/disk/" in path else []:
            redactor.learn("fs" if path.endswith("by-uuid") else "disk", _text(entry))
    for entry in snapshot["commands"]:
        _learn_from_table(redactor, parse_dmidecode(_text(entry.get("stdout")) or ""))
    for table in _raw_tables(snapshot):
        _learn_from_table(redactor, table)


def learn_hash(redactor: Redactor, hardware_hash: HardwareHash | None) -> None:
    """Note the ids of a saved hash."""
    kinds = {"machine-id": "machine", "uuid": "uuid", "hostname-info": "host", "ipaddress-info": "ip",
             "macaddr-info": "mac"}  # fmt: skip
    for name, value in hardware_hash.items() if hardware_hash is not None else ():
        redactor.learn(kinds.get(name, "digest"), value)


def _learn_from_table(redactor: Redactor, table: SmbiosTable) -> None:
    for structure in (table.system, *table.baseboards, *table.chassis, *table.processors, *table.memory_devices):
        if structure is not None:
            redactor.learn("serial", getattr(structure, "serial", None))
            redactor.learn("uuid", getattr(structure, "uuid", None))
            redactor.learn("asset", getattr(structure, "asset_tag", None))


def _raw_tables(snapshot: dict[str, Any]) -> Iterator[SmbiosTable]:
    """Yield the raw tables that a recording holds, decoded."""
    from base64 import b64decode

    from fingerprint._smbios import decode, decode_windows

    for entry, decoder in (
        (snapshot["files"].get(SMBIOS_TABLE), decode),
        (snapshot.get("firmwareTable"), decode_windows),
    ):
        encoded = entry.get("base64") if isinstance(entry, dict) else None
        if isinstance(encoded, str):
            try:
                yield decoder(b64decode(encoded))
            except ValueError:
                # Nothing of it gets into the bundle, so nothing of it needs to be known.
                continue


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def redacted_snapshot(snapshot: dict[str, Any], redactor: Redactor) -> dict[str, Any]:
    """Return a recorded machine with pseudonyms; raw tables are left out, as they are full of serial numbers."""
    found: dict[str, Any] = redactor.value({**snapshot, "files": {}, "commands": [], "folders": {}})
    for path, entry in snapshot["files"].items():
        found["files"][path] = _redacted_entry(entry, redactor)
    for entry in snapshot["commands"]:
        told = _redacted_entry(entry, redactor)
        if "/dev/disk/by-uuid" in entry["argv"] and isinstance(told.get("stdout"), str):
            told["stdout"] = redactor.text(redactor.listing(entry["stdout"]))
        found["commands"].append(told)
    folders = snapshot.get("folders")
    for path, names in (folders if isinstance(folders, dict) else {}).items():
        kind = "fs" if path.endswith("by-uuid") else "disk"
        is_disks = isinstance(names, list) and "/disk/" in path
        found["folders"][path] = (
            [redactor.pseudonym(kind, str(name)) for name in names] if is_disks else redactor.value(names)
        )
    if "firmwareTable" in found:
        found["firmwareTable"] = {"error": "ENODATA", "message": "left out of the report"}
    return found


def _redacted_entry(entry: Any, redactor: Redactor) -> Any:
    if not isinstance(entry, dict):
        return entry
    kept = {name: value for name, value in entry.items() if name not in _RAW}
    if len(kept) < len(entry):
        kept.update(error="ENODATA", message="left out of the report")
    argv = entry.get("argv")
    redacted = redactor.value(kept)
    if argv is not None:
        redacted["argv"] = argv
    return redacted


def _manifest(files: dict[str, bytes], redacted: bool) -> str:
    lines = [f"{name:24} {len(data):>9} bytes" for name, data in files.items()]
    how = (
        "Ids, addresses, names and serial numbers are pseudonyms: equal ones stand for equal values, in all files."
        if redacted
        else "NOT REDACTED: it holds ids, addresses and serial numbers."
    )
    kept_out = "Neither keys nor credentials nor fingerprints are in it."
    return "\n".join([f"fingerprint {__version__}: report of one machine", how, kept_out, "", *lines]) + "\n"


def _json(value: Any) -> bytes:
    return dumps(value, html_safe=False, indent=1) + b"\n"


def write(path: str, files: dict[str, bytes], now: float) -> None:
    """Write a bundle as a compressed tar file that only its owner reads; nothing is overwritten.

    Raises:
        Refused: the file exists.
        InputError: it could not be written; nothing of it is left.
    """
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in files.items():
            # Without the names and numbers of users, which are nobody's business.
            entry = tarfile.TarInfo(f"{FOLDER}/{name}")
            entry.size, entry.mode, entry.mtime = len(data), 0o600, int(now)
            tar.addfile(entry, io.BytesIO(data))
    packed = gzip.compress(inner.getvalue(), mtime=int(now))
    write_new(path, packed, "report")
