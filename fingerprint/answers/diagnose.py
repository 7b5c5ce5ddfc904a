"""The answers of `diagnose` and `diagnose --list`."""

from __future__ import annotations

from fingerprint._io.times import utc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from fingerprint.diagnose import Check, Diagnosis


def diagnose_answer(vault: str, found: Diagnosis, now: float) -> dict[str, Any]:
    """Return the diagnosis of a machine.

    Args:
        vault: the path of its vault.
        found: the diagnosis.
        now: the time of the machine, seconds since 1970-01-01 UTC.
    """
    return {"vault": vault, **diagnosis_members(found, now)}


def diagnosis_members(found: Diagnosis, now: float) -> dict[str, Any]:
    """Return what a diagnosis says, without the vault that it is about."""
    conclusion = found.conclusion
    return {
        "at": utc(now),
        "conclusion": {
            "state": conclusion.state, "text": conclusion.text, "since": conclusion.since or None,
            "because": conclusion.because or None, "head": conclusion.head, "cause": conclusion.cause or None,
            "evidence": conclusion.evidence or None,
            "steps": [{"text": text, "command": command} for text, command in conclusion.steps],
        },
        "checks": [
            {"name": r.name, "title": r.title, "outcome": str(r.finding.outcome), "text": r.finding.text,
             "evidence": list(r.finding.evidence), "remedy": r.finding.remedy, "command": r.finding.command,
             "undetermined": r.finding.undetermined, "seconds": round(r.seconds, 3)}
            for r in found.results
        ],
        "warnings": list(found.warnings),
    }  # fmt: skip


def diagnose_list_answer(checks: Iterable[Check]) -> dict[str, Any]:
    """Return the checks that can be asked for by name."""
    return {"available": [{"name": check.name, "title": check.title} for check in checks]}
