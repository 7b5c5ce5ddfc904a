"""The answer of `guard`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from fingerprint.guard import GuardRun


def guard_answer(vault: str, found: GuardRun) -> dict[str, Any]:
    """Return what a run of the guard found, and what it did.

    Args:
        vault: the directory of the vault.
        found: the run.
    """
    return {
        "vault": vault, "at": found.at, "decision": str(found.decision), "blocks": found.blocks, "why": found.why,
        "steps": guard_steps(found), "written": found.written, "dryRun": found.dry_run,
    }  # fmt: skip


def guard_steps(found: GuardRun) -> list[dict[str, str]]:
    """Return what to do after a run, as `diagnose` gives its steps."""
    return [{"text": found.remedy, "command": found.command}] if found.remedy else []
