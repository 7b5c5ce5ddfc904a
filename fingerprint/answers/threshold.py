"""The answers of `threshold get`, `set` and `advise`."""

from __future__ import annotations

from fingerprint.rules.ssm import threshold_in_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from fingerprint.rules.whatif import Advice


def threshold_get_answer(vault: str, threshold: int) -> dict[str, Any]:
    """Return the threshold of a vault, by its path."""
    return {"vault": vault, "threshold": threshold, "meaning": threshold_in_words(threshold)}


def threshold_set_answer(vault: str, before: int, after: int, *, dry_run: bool) -> dict[str, Any]:
    """Return the thresholds of a vault, by its path, before and after a change; a dry run changes nothing."""
    return {
        "vault": vault, "before": before, "after": after, "meaning": threshold_in_words(after),
        "changed": before != after and not dry_run, "dryRun": dry_run,
    }  # fmt: skip


def threshold_advise_answer(vault: str | None, advice: Advice) -> dict[str, Any]:
    """Return the thresholds that do what was asked of a vault, by its path, or of the standard machine (None)."""
    found = not advice.conflict
    return {
        "vault": vault, "low": advice.low if found else None, "high": advice.high if found else None,
        "conflict": advice.conflict,
        "bounds": [
            {"event": b.event, "tolerate": b.tolerate, "limit": b.limit, "satisfied": b.satisfied, "why": b.why}
            for b in advice.bounds
        ],
    }  # fmt: skip
