"""Fleets as machines: vaults and recorded machines in a folder or tar file, and what SSM Inventory leaves in S3.

A machine is a vault, a recording by `fingerprint snapshot`, or both: `web-1/vault/` and `web-1/snapshot.json`, or
`web-1/` and `web-1.json`. Its saved hash is that of the vault, its current one that of the recording.

SSM Inventory's resource data sync writes a file of JSON Lines for each node below `resourcetype=.../`; of the custom
type that `fingerprint fleet row --inventory` makes it has a line for each attribute.
"""

from __future__ import annotations

import json
import os
import tarfile
from typing import TYPE_CHECKING, Any

from fingerprint.collect import collect
from fingerprint.collect.recorded import RecordedMachine
from fingerprint.errors import FingerprintError, InputError
from fingerprint.fleet import jsonrows
from fingerprint.fleet.columns import EXTRAS, NODE, OBSERVED, THRESHOLD
from fingerprint.vault import FINGERPRINT_KEY, REGISTRATION_KEY
from fingerprint.vault.records import decode_fingerprint, decode_registration

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from fingerprint.fleet.rejects import Rejects

BATCH_ROWS = 4096
_LARGEST_FILE = 64 * 1024 * 1024
_VAULT_FOLDERS = ("vault", "Vault")
_RECORDINGS = ("snapshot", "machine")
INVENTORY_TYPE = "Custom:HardwareFingerprint"


def batches_of_folder(path: str, rejects: Rejects) -> Iterator[pa.RecordBatch]:
    """Yield the machines of a folder, in the order of their names. What is broken goes to `rejects`."""
    found: dict[str, dict[str, str]] = {}
    for folder, folders, files in os.walk(path):
        folders.sort()
        for name in files:
            place = _place_of(os.path.relpath(os.path.join(folder, name), path).replace(os.sep, "/"))
            if place:
                found.setdefault(place[0], {})[place[1]] = os.path.join(folder, name)
    rows = (
        _row(name, {part: _bytes_of(file) for part, file in parts.items()}) for name, parts in sorted(found.items())
    )
    yield from _batches(rows, path, rejects)


def batches_of_tar(path: str, rejects: Rejects) -> Iterator[pa.RecordBatch]:
    """Yield the machines of a tar file, whatever its compression. Nothing of it is unpacked to the disk.

    Raises:
        InputError: it is no tar file, or is cut off.
    """
    found: dict[str, dict[str, bytes]] = {}
    try:
        with tarfile.open(path) as tar:
            for member in tar:
                place = _place_of(member.name.removeprefix("./")) if member.isfile() else None
                file = tar.extractfile(member) if place and member.size <= _LARGEST_FILE else None
                if place and file:
                    found.setdefault(place[0], {})[place[1]] = file.read()
    except (OSError, EOFError, tarfile.TarError) as error:
        raise InputError(f"it could not be read as a tar file ({error})", where=path) from None
    yield from _batches((_row(name, parts) for name, parts in sorted(found.items())), path, rejects)


def batches_of_inventory(path: str, rejects: Rejects) -> Iterator[pa.RecordBatch]:
    """Yield the nodes of an S3-shaped folder of SSM Inventory, in the order of their files."""
    files = [os.path.join(folder, name) for folder, _, names in os.walk(path) for name in names]
    wanted = sorted(file for file in files if "resourcetype=" in file and file.endswith(".json"))
    if not wanted:
        raise InputError(
            "there is no file below a folder resourcetype=...", where=path, remedy="Name the folder of the custom type"
        )
    yield from _batches((_inventory_row(file) for file in wanted), path, rejects)


def _batches(rows: Iterator[Any], path: str, rejects: Rejects) -> Iterator[pa.RecordBatch]:
    ready: list[dict[str, Any]] = []
    for number, row in enumerate(rows, 1):
        if isinstance(row, tuple):
            rejects.add(path, number, row[1], row[0])
            continue
        ready.append(row)
        if len(ready) == BATCH_ROWS:
            yield jsonrows.batch_of(ready)
            ready = []
    if ready:
        yield jsonrows.batch_of(ready)


def _place_of(name: str) -> tuple[str, str] | None:
    """Return the machine that a file is of and what it is, None for another file."""
    folder, _, base = name.rpartition("/")
    if base in (FINGERPRINT_KEY, REGISTRATION_KEY) and (folder == "Store" or folder.endswith("/Store")):
        vault = folder.removesuffix("Store").rstrip("/")
        above, _, last = vault.rpartition("/")
        return (above if last in _VAULT_FOLDERS else vault), base
    if base.endswith(".json"):
        stem = base.removesuffix(".json")
        return (folder if stem in _RECORDINGS else f"{folder}/{stem}".lstrip("/")), "recording"
    return None


def _bytes_of(path: str) -> bytes | str:
    try:
        with open(path, "rb") as file:
            return file.read(_LARGEST_FILE)
    except OSError as error:
        return f"{os.path.basename(path)} could not be read ({error.strerror})"


def _row(name: str, parts: dict[str, Any]) -> dict[str, Any] | tuple[str, str]:
    """Return the row of a machine, or its name and why there is none."""
    row: dict[str, Any] = {NODE: name or ".", THRESHOLD: None, OBSERVED: None, "saved": None, "current": None}
    row.update(dict.fromkeys(EXTRAS))
    broken = next((part for part in parts.values() if isinstance(part, str)), None)
    if broken is not None:
        return name, broken
    try:
        if REGISTRATION_KEY in parts:
            row[NODE] = decode_registration(parts[REGISTRATION_KEY], REGISTRATION_KEY).instance_id or row[NODE]
        if FINGERPRINT_KEY in parts:
            record = decode_fingerprint(parts[FINGERPRINT_KEY], FINGERPRINT_KEY)
            row["saved"], row[THRESHOLD] = dict(record.hardware_hash or {}), record.threshold
            row["fingerprint"] = record.fingerprint or None
        if "recording" in parts:
            machine = RecordedMachine(json.loads(parts["recording"]), "the recording")
            row["current"] = dict(collect(machine).hardware_hash.items())
            row[OBSERVED] = jsonrows.time_of_seconds(machine.now())
    except FingerprintError as error:
        return name, str(error)
    except ValueError as error:
        return name, f"its recording is no JSON ({error})"
    if row["saved"] is None and row["current"] is None:
        return name, "it has neither a fingerprint record nor a recording"
    return row


def _inventory_row(path: str) -> dict[str, Any] | tuple[str, str]:
    row: dict[str, Any] = {NODE: "", THRESHOLD: None, OBSERVED: None, "saved": {}, "current": {}}
    row.update(dict.fromkeys(EXTRAS))
    name = os.path.basename(path).removesuffix(".json")
    data = _bytes_of(path)
    if isinstance(data, str):
        return name, data
    for number, line in enumerate(data.splitlines(), 1):
        if not line.strip():
            continue
        try:
            item = json.loads(line)
            attribute, node = item["Attribute"], item.get("resourceId") or name
        except (ValueError, KeyError, TypeError, AttributeError):
            return name, f"line {number} is no item of the type {INVENTORY_TYPE}"
        row[NODE] = node
        if attribute == THRESHOLD:
            if not str(item.get("Saved", "")).lstrip("-").isdigit():
                return name, f"line {number} has a threshold that is no whole number"
            row[THRESHOLD] = int(item["Saved"])
        else:
            for side, member in (("saved", "Saved"), ("current", "Current")):
                if member in item:
                    row[side][attribute] = item[member]
        row[OBSERVED] = item.get("captureTime") or row[OBSERVED]
    told = {key: value for key, value in row.items() if value is not None}
    if not row[NODE]:
        return name, "it is empty"
    checked = jsonrows.row_of(json.dumps(told).encode())
    return (name, checked) if isinstance(checked, str) else checked
