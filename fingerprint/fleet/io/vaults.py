"""Fleets as machines: vaults and recorded machines in a directory or tar file, and what SSM Inventory leaves in S3.

A machine is a vault, a snapshot, or both: `web-1/vault/` and `web-1/snapshot.json`, or `web-1/` and `web-1.json`.
Its saved hash is that of the vault, its current one that of the snapshot. `web-1/evidence.json` is a snapshot of the
time of the record: the saved values of scheme `stable`.

SSM Inventory's resource data sync writes a file of JSON Lines for each node below `resourcetype=.../`; of the custom
type that `fingerprint fleet row --inventory` makes it has a line for each attribute.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fingerprint._io.times import utc
from fingerprint.collectors import STABLE, collect
from fingerprint.errors import FingerprintError, InputError
from fingerprint.fleet.io import jsonl
from fingerprint.fleet.io.files import files_below, read_file
from fingerprint.fleet.io.tar import members
from fingerprint.fleet.schema import NODE, OBSERVED, SIDES, THRESHOLD
from fingerprint.fleet.stable_columns import INVENTORY_PREFIX, STABLE_SIDES, stable_cells
from fingerprint.machine.recorded import RecordedMachine
from fingerprint.vault import FINGERPRINT_KEY, REGISTRATION_KEY
from fingerprint.vault.records import decode_fingerprint, decode_registration

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from fingerprint.fleet.attribute_names import Names
    from fingerprint.fleet.rejects import Rejects

BATCH_ROWS = 4096
_LARGEST_FILE = 64 * 1024 * 1024
_LONGEST_NUMBER = 20
_VAULT_DIRECTORIES = ("vault", "Vault")
_RECORDINGS = ("snapshot", "machine")
_EVIDENCE = "evidence"
INVENTORY_TYPE = "Custom:HardwareFingerprint"


def batches_of_directory(path: str, rejects: Rejects, names: Names) -> Iterator[pa.RecordBatch]:
    """Yield the machines of a directory, in the order of their names. Broken ones go to `rejects`."""
    found: dict[str, dict[str, Any]] = {}

    def add(below: str, content: Any) -> None:
        place = _place_of(below.rstrip("/"))
        if place:
            found.setdefault(place[0], {})[place[1]] = content
        else:
            rejects.add(path, 1, content.why, below)

    def problem(below: str, why: str) -> None:
        add(below, _Problem(why))

    for file in files_below(path, _is_of_a_machine, problem):
        add(os.path.relpath(file, path).replace(os.sep, "/"), file)
    rows = (
        _row(name, {part: _part(part, file) for part, file in parts.items()}) for name, parts in sorted(found.items())
    )
    yield from _batches(rows, path, rejects, names)


def batches_of_tar(path: str, rejects: Rejects, names: Names, limit: int) -> Iterator[pa.RecordBatch]:
    """Yield the machines of a tar file, whatever its compression. Nothing is unpacked to the disk.

    Members are read one at a time; only the row of a machine is kept.

    Args:
        path: the file.
        rejects: gets the bad machines.
        names: of the fleet.
        limit: largest unpacked size of a compressed file in bytes.

    Raises:
        InputError: not a tar file, truncated, or unpacks to more.
    """
    found: dict[str, dict[str, Any]] = {}
    for name, content in members(path, limit, _is_of_a_machine, _LARGEST_FILE):
        machine, part = _place_of(name) or ("", "")
        found.setdefault(machine, {})[part] = _Problem(content) if isinstance(content, str) else _decoded(part, content)
    yield from _batches((_row(name, parts) for name, parts in sorted(found.items())), path, rejects, names)


def batches_of_inventory(path: str, rejects: Rejects, names: Names) -> Iterator[pa.RecordBatch]:
    """Yield the nodes of an S3-shaped directory of SSM Inventory, in the order of their files."""
    inside = "resourcetype=" in path

    def is_wanted(below: str) -> bool:
        return below.endswith((".json", ".json/")) and (inside or "resourcetype=" in below)

    broken: list[tuple[str, str]] = []
    wanted = sorted(files_below(path, is_wanted, lambda below, why: broken.append((below, why))))
    if not wanted and not broken:
        raise InputError(
            "no file below a directory resourcetype=...",
            where=path,
            remedy="Name the directory of the custom type",
        )
    for below, why in broken:
        rejects.add(path, 1, why, below)
    yield from _batches((_inventory_row(file) for file in wanted), path, rejects, names)


def _batches(rows: Iterator[Any], path: str, rejects: Rejects, names: Names) -> Iterator[pa.RecordBatch]:
    ready: list[dict[str, Any]] = []
    for number, item in enumerate(rows, 1):
        if isinstance(item, tuple):
            rejects.add(path, number, item[1], item[0])
            continue
        row = jsonl.checked(item, names)
        if isinstance(row, str):
            rejects.add(path, number, row, item[NODE] if isinstance(item[NODE], str) else None)
            continue
        ready.append(row)
        if len(ready) == BATCH_ROWS:
            yield jsonl.batch_of(ready)
            ready = []
    if ready:
        yield jsonl.batch_of(ready)


@dataclass(frozen=True)
class _Problem:
    """Why a file could not be read."""

    why: str


def _is_of_a_machine(name: str) -> bool:
    return _place_of(name.rstrip("/")) is not None


def _place_of(name: str) -> tuple[str, str] | None:
    """Return the machine of a file and its part, None for another file."""
    directory, _, base = name.rpartition("/")
    if base in (FINGERPRINT_KEY, REGISTRATION_KEY) and (directory == "Store" or directory.endswith("/Store")):
        vault = directory.removesuffix("Store").rstrip("/")
        above, _, last = vault.rpartition("/")
        return (above if last in _VAULT_DIRECTORIES else vault), base
    if base.endswith(".json"):
        stem = base.removesuffix(".json")
        if stem == _EVIDENCE and directory:
            return directory, _EVIDENCE
        return (directory if stem in _RECORDINGS else f"{directory}/{stem}".lstrip("/")), "recording"
    return None


def _part(part: str, path: str | _Problem) -> Any:
    """Return the content of a file of a machine, or a `_Problem`."""
    if isinstance(path, _Problem):
        return path
    try:
        data = read_file(path, _LARGEST_FILE)
    except OSError as error:
        return _Problem(f"{os.path.basename(path)} cannot be read ({error.strerror})")
    return _decoded(part, data)


def _decoded(part: str, data: bytes) -> Any:
    """Return the members of a row from the content of a file, or a `_Problem`."""
    try:
        if part == REGISTRATION_KEY:
            return {NODE: decode_registration(data, REGISTRATION_KEY).instance_id}
        if part == FINGERPRINT_KEY:
            record = decode_fingerprint(data, FINGERPRINT_KEY)
            saved = dict(record.hardware_hash or {})
            return {"saved": saved, THRESHOLD: record.threshold, "fingerprint": record.fingerprint}
        machine = RecordedMachine.from_bytes(data, "the evidence" if part == _EVIDENCE else "the snapshot")
        cells = stable_cells(collect(machine, scheme=STABLE))
        if part == _EVIDENCE:
            return {STABLE_SIDES[0]: cells}
        current = dict(collect(machine).hardware_hash.items())
        return {"current": current, STABLE_SIDES[1]: cells, OBSERVED: utc(machine.now())}
    except FingerprintError as error:
        return _Problem(str(error))


def _row(name: str, parts: dict[str, Any]) -> dict[str, Any] | tuple[str, str]:
    """Return the row of a machine, or its name and why there is no row."""
    row: dict[str, Any] = {NODE: name or "."}
    for part in parts.values():
        if isinstance(part, _Problem):
            return name, part.why
        row.update({member: value for member, value in part.items() if value or member != NODE})
    if "saved" not in row and "current" not in row:
        return name, "it has neither a fingerprint record nor a snapshot"
    if not row.get("fingerprint"):
        row["fingerprint"] = None
    return row


def _inventory_row(path: str) -> dict[str, Any] | tuple[str, str]:
    row: dict[str, Any] = {NODE: "", **{side: {} for side in (*SIDES, *STABLE_SIDES)}}
    name = os.path.basename(path).removesuffix(".json")
    try:
        data = read_file(path, _LARGEST_FILE)
    except OSError as error:
        return name, f"{os.path.basename(path)} cannot be read ({error.strerror})"
    for number, line in enumerate(data.splitlines(), 1):
        if not line.strip():
            continue
        try:
            item = json.loads(line)
            attribute = item["Attribute"]
            row[NODE] = item.get("resourceId") or name
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return name, f"line {number} is not an item of the type {INVENTORY_TYPE}"
        if not isinstance(attribute, str):
            return name, f"line {number} has an attribute whose name is not a string"
        if attribute == THRESHOLD:
            threshold = str(item.get("Saved", ""))
            # A number of the record has at most 20 digits; Python does not convert numbers of any length.
            if not threshold.isascii() or not threshold.removeprefix("-").isdigit() or len(threshold) > _LONGEST_NUMBER:
                return name, f"line {number} has a threshold that is not an integer"
            row[THRESHOLD] = int(threshold)
        else:
            of_stable = attribute.startswith(INVENTORY_PREFIX)
            for side, member in zip(STABLE_SIDES if of_stable else SIDES, ("Saved", "Current"), strict=True):
                if member in item:
                    row[side][attribute.removeprefix(INVENTORY_PREFIX)] = item[member]
        row[OBSERVED] = item.get("captureTime") or row.get(OBSERVED)
    return row if row[NODE] else (name, "it is empty")
