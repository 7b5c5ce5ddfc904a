"""The answers of `whatif` and `whatif --list-events`."""

from __future__ import annotations

from fingerprint.rules.ssm import in_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from fingerprint.attributes.events import Event
    from fingerprint.types import Verdict


def whatif_answer(
    vault: str,
    threshold: int,
    event: Event | None,
    changed: Sequence[str],
    now: Verdict,
    then: Verdict,
    steps: Iterable[tuple[int, int, int, bool, bool]],
) -> dict[str, Any]:
    """Return the verdicts before and after an event.

    Args:
        vault: the path of the vault.
        threshold: the threshold of the verdict after it.
        event: the event; None where only attributes were named.
        changed: the attributes that change.
        now, then: the verdicts before and after.
        steps: of each range of thresholds: lowest, highest, how many attributes it needs, whether the machine passes
            before, and after.
    """
    return {
        "vault": vault, "threshold": threshold,
        "event": None if event is None else {
            "name": event.name, "title": event.title, "truth": str(event.truth), "stableOutcome": event.outcome,
        },
        "changed": list(changed), "now": _verdict(now), "then": _verdict(then),
        "sweep": [
            {"low": low, "high": high, "needed": needed, "now": passes, "then": passes_then}
            for low, high, needed, passes, passes_then in steps
        ],
    }  # fmt: skip


def whatif_events_answer(events: Iterable[Event]) -> dict[str, Any]:
    """Return the events that can be named."""
    return {"events": [
        {"name": e.name, "title": e.title, "setting": str(e.setting), "truth": str(e.truth), "changes": list(e.ssm),
         "mayChange": list(e.ssm_may), "stableOutcome": e.outcome} for e in events
    ]}  # fmt: skip


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        "match": verdict.match, "reason": str(verdict.reason), "explanation": in_words(verdict),
        "matched": verdict.matched, "total": verdict.total,
        "highestPassingThreshold": verdict.highest_passing_threshold,
    }  # fmt: skip
