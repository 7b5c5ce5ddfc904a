"""Small fleets for tests: rows as JSON Lines has them, and the schemas' check."""

from __future__ import annotations

import json
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
