"""Small fleets for tests: rows as JSON Lines has them, and the schemas' check."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema

import fingerprint

SCHEMAS = Path(fingerprint.__file__).parent / "schemas"
NAMES = ("machine-id", "processor-hash", "system-hash", "hostname-info", "ipaddress-info", "macaddr-info", "disk-info")


def row(node: str, *changed: str, threshold: int | None = 40, **more: Any) -> dict[str, Any]:
    """Return a machine whose values are its own, with some attributes changed since they were saved."""
    saved = {name: f"{name} of {node}" for name in NAMES}
    current = {name: f"new {value}" if name in changed else value for name, value in saved.items()}
    return {
        "node_id": node, "threshold": threshold, "observed_at": "2026-01-31T12:00:00Z", "saved": saved,
        "current": current, **more,
    }  # fmt: skip


def write_lines(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(f"{one if isinstance(one, str) else json.dumps(one)}\n" for one in rows))
    return path


def validated(done: Any) -> Any:
    """Return the JSON answer of a command, checked against its schema."""
    answer = json.loads(done.stdout)
    schema = json.loads((SCHEMAS / f"{answer['command'].replace(' ', '-')}.json").read_text())
    jsonschema.validate(answer, schema)
    return answer


def everything(fleet: Callable[[], Any]) -> dict[str, Any]:
    """Return the results of all functions of the library for a fleet; `fleet` is called again for each."""
    import pyarrow as pa

    from fingerprint.fleet import Summary, check, clones, drift, join, pack, plan

    summary, found, planned = Summary(), clones(fleet(), percent=60), plan(fleet())
    parts = list(check(fleet()))
    for part in parts:
        summary.add(part)
    with join(fleet(), fleet()) as joined:
        both = drift(joined.batches(), by="group")
    packed = pa.Table.from_batches(pack(fleet()))
    return {
        "summary": summary, "reasons": [reason for part in parts for reason in part.rows["reason"].to_pylist()],
        "drift": drift(fleet(), by="group"), "join": both, "near": found.pairs,
        "groups": [groups[i] for groups in found.groups for i in range(len(groups))],
        "plan": {group: planned.curve(group) for group in planned.groups},
        "packed": {name: packed[name].to_pylist() for name in packed.column_names if "." in name},
    }  # fmt: skip
