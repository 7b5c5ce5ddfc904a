"""The answers of `guard install`, `guard uninstall` and `guard status`."""

from __future__ import annotations

from fingerprint.answers.guard import guard_steps
from fingerprint.errors import writable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from fingerprint.guard import GuardRun
    from fingerprint.guard_units.first_evidence import FirstEvidence
    from fingerprint.guard_units.status import UnitStatus


def guard_install_answer(
    root: str, changes: Sequence[tuple[str, str, str]], command: Sequence[str], following: Sequence[str],
    evidence: FirstEvidence, *, reloaded: bool, dry_run: bool,
) -> dict[str, Any]:  # fmt: skip
    """Return what became of the drop-ins.

    Args:
        root: the disk that has them.
        changes: unit, path and what was done to the drop-in of each unit.
        command: what they run.
        following: the commands to run next.
        evidence: that of the record.
        reloaded: whether systemd has read them.
        dry_run: whether it would only be done.
    """
    return {**guard_uninstall_answer(root, changes, following, reloaded=reloaded, dry_run=dry_run),
            "runs": [*command], "evidence": {
                "kept": evidence.kept, "why": evidence.why or None, "remedy": evidence.remedy or None,
            }}  # fmt: skip


def guard_uninstall_answer(
    root: str, changes: Sequence[tuple[str, str, str]], following: Sequence[str], *, reloaded: bool, dry_run: bool
) -> dict[str, Any]:
    """Return what became of the drop-ins; the arguments are those of `guard_install_answer`."""
    return {
        "root": writable(root), "units": [{"unit": unit, "path": path, "did": did} for unit, path, did in changes],
        "reloaded": reloaded, "next": [*following], "dryRun": dry_run,
    }  # fmt: skip


def guard_files_answer(
    system: str, files: Sequence[str], command: Sequence[str], install: Sequence[str], remove: Sequence[str],
    unverified: str, *, dry_run: bool,
) -> dict[str, Any]:  # fmt: skip
    """Return which files were written for a system, and the commands that install and remove them.

    Args:
        system: "launchd" or "windows".
        files: their paths.
        command: what they run.
        install: the commands that install them.
        remove: the commands that remove them.
        unverified: what of it was not tried.
        dry_run: whether they would only be written.
    """
    return {
        "system": system, "files": [writable(path) for path in files], "unverified": unverified,
        "next": [*install], "remove": [*remove], "dryRun": dry_run, "runs": [*command],
    }  # fmt: skip


def guard_status_answer(root: str, units: Sequence[UnitStatus], last: GuardRun | None) -> dict[str, Any]:
    """Return whether the command runs before the agent, and what it decided.

    Args:
        root: the disk that has the drop-ins.
        units: the state of each unit.
        last: the last run that was not "unchanged"; None if none is known.
    """
    return {
        "root": writable(root),
        "units": [
            {
                "unit": one.drop_in.unit, "path": one.drop_in.path, "state": str(one.drop_in.state),
                "runs": [*one.drop_in.command], "loaded": one.loaded.loaded, "works": one.works,
                "decision": one.decision or None, "blocks": one.blocks, "why": one.why or None,
                "unknown": one.unknown[0] or None,
                "findings": [
                    {"text": text, "remedy": remedy, "command": command} for text, remedy, command in one.findings
                ],
            }
            for one in units
        ],
        "lastRun": None if last is None else {
            "at": last.at, "decision": str(last.decision), "blocks": last.blocks, "why": last.why,
            "steps": guard_steps(last),
        },
    }  # fmt: skip
