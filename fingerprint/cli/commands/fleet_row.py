"""`fingerprint fleet row`: this host as a row of a fleet, or as an inventory document."""

from __future__ import annotations

import json

from fingerprint._io.text import visible_json
from fingerprint._io.times import utc
from fingerprint.cli.context import machine_of, vault_of
from fingerprint.cli.output import warn, write_data
from fingerprint.collectors import STABLE, collect
from fingerprint.errors import EXIT_OK, CollectError, FingerprintError, VaultMissing
from fingerprint.fleet.stable_columns import INVENTORY_PREFIX, STABLE_SIDES, stable_cells
from fingerprint.machine.recorded import RecordedMachine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from fingerprint.cli.parser import Arguments
    from fingerprint.machine.base import Machine
    from fingerprint.types import FingerprintRecord
    from fingerprint.vault import Vault

_INVENTORY_TYPE = "Custom:HardwareFingerprint"


def run(arguments: Arguments) -> int:
    machine = machine_of(arguments).keeping()
    vault = vault_of(arguments).keeping()
    record = vault.read()
    node = arguments.node or _node_of(vault, machine)
    saved = dict(record.hardware_hash.items()) if record.hardware_hash else {}
    current = dict(collect(machine, timeout=arguments.timeout).hardware_hash.items())
    stable = (
        _saved_stable(vault, record),
        stable_cells(collect(machine, scheme=STABLE, timeout=arguments.timeout)),
    )
    now = utc(machine.now())
    if arguments.inventory:
        document = _document(saved, current, stable, record.threshold, now)
        write_data(visible_json(json.dumps(document, indent=2)))
    else:
        row = {
            "node_id": node, "threshold": record.threshold, "observed_at": now,
            "saved": saved, "current": current, **dict(zip(STABLE_SIDES, stable, strict=True)),
        }  # fmt: skip
        write_data(visible_json(json.dumps(row)))
    return EXIT_OK


def _node_of(vault: Vault, machine: Machine) -> str:
    """Return the node ID of the registration, else the name of the host. Raises CollectError: it has neither."""
    try:
        if node := vault.read_registration().instance_id:
            return node
    except VaultMissing:
        pass
    try:
        return machine.host_name()
    except OSError:
        raise CollectError(
            "this host has no registration, and its name cannot be read", remedy="Name it with --node"
        ) from None


def _saved_stable(vault: Vault, record: FingerprintRecord) -> dict[str, str]:
    """Return the values of scheme `stable` from the evidence of a record; none, with a warning, if it is unusable."""
    try:
        kept = vault.evidence.for_record(record)
        if kept is None:
            return {}
        return stable_cells(collect(RecordedMachine(kept.snapshot, vault.evidence.path), scheme=STABLE))
    except FingerprintError as error:
        warn(f"without saved values of scheme stable: {error.where}: {error.what}")
        return {}


def _document(
    saved: dict[str, str], current: dict[str, str], stable: tuple[dict[str, str], dict[str, str]], threshold: int,
    now: str,
) -> dict[str, Any]:  # fmt: skip
    """Return a custom inventory document: an item for each attribute of both schemes, one for the threshold."""
    content: list[dict[str, str]] = [{"Attribute": "threshold", "Saved": str(threshold)}]
    for prefix, before, after in (("", saved, current), (INVENTORY_PREFIX, *stable)):
        for name in dict.fromkeys((*before, *after)):
            item = {"Attribute": prefix + name}
            if name in before:
                item["Saved"] = before[name]
            if name in after:
                item["Current"] = after[name]
            content.append(item)
    return {"SchemaVersion": "1.0", "TypeName": _INVENTORY_TYPE, "CaptureTime": now, "Content": content}
