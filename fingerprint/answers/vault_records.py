"""The answers of `vault history`, `backup`, `restore` and `rebaseline`."""

from __future__ import annotations

from fingerprint.answers import secret
from fingerprint.errors import VaultCorrupt
from fingerprint.observation import outcome_of
from fingerprint.rules.ssm import in_words
from fingerprint.vault import FINGERPRINT_KEY, REGISTRATION_KEY
from fingerprint.vault.records import decode_fingerprint, decode_registration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from fingerprint.recovery import Plan
    from fingerprint.types import FingerprintRecord
    from fingerprint.vault import Vault


def vault_history_answer(vault: Vault, entries: Sequence[dict[str, Any]], *, reveal: bool) -> dict[str, Any]:
    """Return the records of a vault that were replaced.

    Args:
        vault: the vault.
        entries: of its history.
        reveal: whether identifiers are given in full.
    """
    path = vault.history.path
    return {"vault": vault.path, "history": path, "entries": [_entry(one, path, reveal) for one in entries]}


def vault_backup_answer(
    vault: Vault, keys: Sequence[str], numbers: Mapping[str, int], *, dry_run: bool
) -> dict[str, Any]:
    """Return the copies that were made of records.

    Args:
        vault: the vault.
        keys: of the records, at least one.
        numbers: key -> number of the entry in the history; of a key without one nothing was copied.
        dry_run: whether they would only be made.
    """
    entries = [{"key": key, "number": numbers.get(key)} for key in keys]
    return {
        "vault": vault.path, "number": entries[0]["number"], "entries": entries, "dryRun": dry_run,
        "history": vault.history.path,
    }  # fmt: skip


def vault_restore_answer(
    vault: str, plan: Plan, notes: Sequence[Sequence[str]], *, dry_run: bool, reveal: bool
) -> dict[str, Any]:
    """Return what a restore or a rebaseline writes.

    Args:
        vault: the path of the vault.
        plan: what it writes.
        notes: what else to know: a text, and the commands that it names.
        dry_run: whether it would only be written.
        reveal: whether identifiers are given in full.
    """
    return {
        "vault": vault,
        "key": plan.key,
        "before": _record(plan.before, reveal),
        "after": _record(plan.after, reveal),
        "changedAttributes": changed_attributes(plan.before, plan.after),
        "otherSid": plan.other_sid,
        "machine": _machine(plan),
        "nodes": None if plan.nodes is None else {
            "then": secret(plan.nodes[0], reveal=reveal), "now": secret(plan.nodes[1], reveal=reveal),
        },
        "notes": [" ".join(note) for note in notes],
        "done": not dry_run,
        "dryRun": dry_run,
    }  # fmt: skip


def vault_rebaseline_answer(
    vault: str, plan: Plan, notes: Sequence[Sequence[str]], *, dry_run: bool, reveal: bool
) -> dict[str, Any]:
    """Return what a rebaseline writes; see `vault_restore_answer`."""
    return vault_restore_answer(vault, plan, notes, dry_run=dry_run, reveal=reveal)


def changed_attributes(before: FingerprintRecord | None, after: FingerprintRecord | None) -> list[str]:
    """Return the names of the attributes that differ between two records; [] without a record before."""
    if before is None:
        return []
    old = dict(before.hardware_hash or {})
    new = dict((after and after.hardware_hash) or {})
    return sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))


def _entry(entry: dict[str, Any], history: str, reveal: bool) -> dict[str, Any]:
    fingerprint, threshold, node = "", None, ""
    text = entry["record"]
    try:
        if entry["key"] == FINGERPRINT_KEY and text is not None:
            record = decode_fingerprint(text.encode("utf-8"), history)
            fingerprint, threshold = secret(record.fingerprint, reveal=reveal), record.threshold
        elif entry["key"] == REGISTRATION_KEY and text is not None:
            node = secret(decode_registration(text.encode("utf-8"), history).instance_id, reveal=reveal)
    except VaultCorrupt:
        if entry["key"] == FINGERPRINT_KEY:
            fingerprint = "(corrupt)"
        else:
            node = "(corrupt)"
    return {
        "number": entry["number"],
        "key": entry["key"],
        "replacedAt": entry["replacedAt"],
        "why": entry["why"],
        "rule": entry["rule"],
        "by": entry["by"],
        "fingerprint": fingerprint,
        "threshold": threshold,
        "instanceId": node,
    }


def _record(record: FingerprintRecord | None, reveal: bool) -> dict[str, Any] | None:
    if record is None:
        return None
    return {"fingerprint": secret(record.fingerprint, reveal=reveal), "threshold": record.threshold}


def _machine(plan: Plan) -> dict[str, Any] | None:
    """Return the verdict on the machine by the record that would be there, and what the agent does with it."""
    if plan.verdict is None:
        return None
    return {
        "verdict": outcome_of(plan.verdict), "agent": str(plan.outlook), "rule": in_words(plan.verdict),
        "unreadable": list(plan.unreadable),
    }  # fmt: skip
