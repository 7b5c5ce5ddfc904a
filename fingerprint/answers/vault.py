"""The answers of `vault init`, `show`, `verify`, `repair`, `reset` and `evidence`."""

from __future__ import annotations

from fingerprint.answers import attribute_value, secret
from fingerprint.errors import FingerprintError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from fingerprint.errors import VaultError
    from fingerprint.types import FingerprintRecord, RegistrationRecord
    from fingerprint.vault import Vault
    from fingerprint.vault.evidence import Evidence
    from fingerprint.vault.integrity import ManifestState
    from fingerprint.vault.repair import RepairPlan
    from fingerprint.vault.verify import Finding


def vault_init_answer(
    vault: str, threshold: int, fingerprint: str | None, *, created: bool, dry_run: bool, reveal: bool
) -> dict[str, Any]:
    """Return what became of a vault that should get its first fingerprint.

    Args:
        vault: its path.
        threshold: the threshold of its record.
        fingerprint: that of its record; None where none was made, as with `--dry-run`.
        created: whether it was made now.
        dry_run: whether it would only have been made.
        reveal: whether identifiers are given in full.
    """
    answer = {"vault": vault, "threshold": threshold, "dryRun": dry_run, "created": created}
    return answer if fingerprint is None else {**answer, "fingerprint": secret(fingerprint, reveal=reveal)}


def vault_show_answer(
    vault: str, record: FingerprintRecord, registration: RegistrationRecord | None, *, reveal: bool
) -> dict[str, Any]:
    """Return what a vault holds, without its keys.

    Args:
        vault: its path.
        record: its fingerprint record.
        registration: its registration; None without one.
        reveal: whether identifiers are given in full.
    """
    registered = None if registration is None else {
        "registered": registration.registered,
        "instanceId": secret(registration.instance_id, reveal=reveal),
        "region": registration.region,
        "provider": registration.provider,
        "privateKeyType": registration.private_key_type,
        "privateKeyCreatedDate": registration.private_key_created_date,
    }  # fmt: skip
    values = None if record.hardware_hash is None else {
        name: attribute_value(name, value, reveal=reveal) for name, value in record.hardware_hash.items()
    }  # fmt: skip
    return {
        "vault": vault,
        "fingerprint": secret(record.fingerprint, reveal=reveal),
        "cleared": not record.fingerprint,
        "threshold": record.threshold,
        "hardwareHash": values,
        "unknownFields": [name for name, _ in record.extra],
        "registration": registered,
        "masked": not reveal,
    }


def vault_verify_answer(vault: str, findings: Sequence[Finding]) -> dict[str, Any]:
    """Return every defect of a vault, by its path."""
    return {
        "vault": vault,
        "sound": not findings,
        "readable": not any(finding.hides_records for finding in findings),
        "findings": [
            {"kind": f.kind, "what": f.what, "where": f.where, "remedy": f.remedy, "broken": f.broken} for f in findings
        ],
    }


def vault_repair_answer(vault: Vault, plan: RepairPlan, *, done: bool, dry_run: bool) -> dict[str, Any]:
    """Return what a repair of a vault writes.

    Args:
        vault: the vault.
        plan: what it writes.
        done: whether it was written.
        dry_run: whether it would only be written.
    """
    return {
        "vault": vault.path,
        "manifests": [_manifest(*one) for one in (*plan.writes, *plan.left)],
        "unknownFiles": list(plan.unknown),
        "done": done,
        "dryRun": dry_run,
        "history": vault.history.path,
    }


def vault_reset_answer(vault: Vault, *, dry_run: bool) -> dict[str, Any]:
    """Return that the fingerprint record of a vault was cleared, or would be."""
    return {"vault": vault.path, "cleared": not dry_run, "dryRun": dry_run, "history": vault.history.path}


def vault_evidence_answer(
    vault: Vault, entries: Sequence[Evidence], refused: Sequence[VaultError], present: str
) -> dict[str, Any]:
    """Return the evidence that is kept for a vault.

    Args:
        vault: the vault.
        entries: what is kept.
        refused: what is wrong with the files that could not be read.
        present: `record_tag` of the record in the vault, "" without one.
    """
    kept = [
        {
            "number": entry.number,
            "at": entry.at,
            "why": entry.why,
            "ofPresentRecord": entry.tag == present,
            "ofMatch": entry.of_match,
            "bytes": entry.size,
            "tools": _tools(entry),
        }
        for entry in entries
    ]
    damaged = [error.where for error in refused]
    return {"vault": vault.path, "folder": vault.evidence.path, "entries": kept, "damaged": damaged}


def _manifest(name: str, state: ManifestState) -> dict[str, Any]:
    return {
        "manifest": name, "kind": state.kind, "what": state.what, "agentDoes": state.agent_does,
        "consequence": state.consequence, "before": dict(state.listed),
        "after": None if state.repaired is None else dict(state.repaired), "remedy": state.remedy,
    }  # fmt: skip


def _tools(entry: Evidence) -> list[str]:
    # Imported here: only evidence needs them.
    from fingerprint.collectors import collect
    from fingerprint.machine.recorded import RecordedMachine

    try:
        collection = collect(RecordedMachine(entry.snapshot))
    except FingerprintError:
        return []
    return sorted({a.tool for a in collection if a.tool})
