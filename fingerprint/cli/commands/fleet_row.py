"""`fingerprint fleet row`: this host as a row of a fleet, or as an inventory document."""

from __future__ import annotations

import json

from fingerprint._io.text import visible_json
from fingerprint._io.times import utc
from fingerprint.cli.context import machine_of, vault_of
from fingerprint.cli.output import write_data
from fingerprint.collectors import collect
from fingerprint.errors import EXIT_OK, CollectError, VaultMissing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from fingerprint.cli.parser import Arguments
    from fingerprint.machine.base import Machine
    from fingerprint.vault import Vault

_INVENTORY_TYPE = "Custom:HardwareFingerprint"


def run(arguments: Arguments) -> int:
    machine = machine_of(arguments).keeping()
    vault = vault_of(arguments).keeping()
    record = vault.read()
    node = arguments.node or _node_of(vault, machine)
    saved = dict(record.hardware_hash.items()) if record.hardware_hash else {}
    current = dict(collect(machine, timeout=arguments.timeout).hardware_hash.items())
    now = utc(machine.now())
    if arguments.inventory:
        write_data(visible_json(json.dumps(_document(saved, current, record.threshold, now), indent=2)))
    else:
        row = {
            "node_id": node, "threshold": record.threshold, "observed_at": now,
            "saved": saved, "current": current,
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


def _document(saved: dict[str, str], current: dict[str, str], threshold: int, now: str) -> dict[str, Any]:
    """Return a custom inventory document: an item for each attribute, one for the threshold."""
    content: list[dict[str, str]] = [{"Attribute": "threshold", "Saved": str(threshold)}]
    for name in dict.fromkeys((*saved, *current)):
        item = {"Attribute": name}
        if name in saved:
            item["Saved"] = saved[name]
        if name in current:
            item["Current"] = current[name]
        content.append(item)
    return {"SchemaVersion": "1.0", "TypeName": _INVENTORY_TYPE, "CaptureTime": now, "Content": content}
