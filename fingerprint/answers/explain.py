"""The answers of `explain` and `explain A B`."""

from __future__ import annotations

from fingerprint.answers import identity_members, next_check_members, recipe_members, score_members
from fingerprint.attributes.stable import DECIDING_POINTS
from fingerprint.types import Outlook

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from fingerprint.explanation import Explanation
    from fingerprint.observation import Observation, StableObservation


def explain_answer(observation: Observation, found: Explanation) -> dict[str, Any]:
    """Return the explanation of a vault's verdict.

    Args:
        observation: the machine and its vault.
        found: the explanation of that.
    """
    outlook = Outlook.REJECTS if observation.would_reject else observation.outlook
    identity = identity_members(observation.level, outlook, observation.problems)
    return {"vault": observation.vault.path, **identity, **explanation_members(found)}


def explain_snapshots_answer(before: str, now: str, found: Explanation) -> dict[str, Any]:
    """Return the explanation of the differences of two recorded machines.

    Args:
        before, now: their files.
        found: the explanation.
    """
    return {"before": before, "now": now, **explanation_members(found)}


def explanation_members(found: Explanation) -> dict[str, Any]:
    """Return what an explanation says, without the vault that it is about."""
    verdict, composition = found.verdict, found.composition
    history = composition.history
    return {
        "verdict": found.outcome,
        "match": verdict.match,
        "reason": str(verdict.reason),
        "explanation": found.rule,
        "score": score_members(verdict),
        "threshold": verdict.threshold,
        "highestPassingThreshold": verdict.highest_passing_threshold,
        "attributes": [
            {"name": c.name, "state": c.state, "saved": c.saved, "current": c.current, "cause": c.text,
             "certain": c.certain}
            for c in found.causes
        ],
        "events": [
            {"name": e.name, "title": e.title, "truth": e.truth, "fits": e.fits, "inFavour": list(e.in_favour),
             "against": list(e.against)}
            for e in found.events
        ],
        "causes": [
            {"name": c.name, "title": c.title, "attributes": list(c.attributes), "evidence": list(c.evidence),
             "certain": c.certain}
            for c in composition.causes
        ],
        "summary": {"text": found.summary.text, "evidence": list(found.summary.evidence)},
        "unexplained": list(composition.unexplained),
        "identity": {"answer": str(composition.identity), "why": composition.identity_text},
        "history": None if history is None else {
            "name": history.name, "title": history.title, "evidence": list(history.evidence),
        },
        "state": {
            "regenerated": found.state.regenerated, "at": found.state.at, "by": found.state.by,
            "restorableEntry": found.state.restorable, "evidenceAt": found.state.evidence_at,
            "text": found.state_text,
        },
        "consequence": found.consequence,
        "nextCheck": None if found.check is None else next_check_members(found.check),
        "remedies": [{"name": r.name, "text": r.text, "command": r.command, "risk": r.risk} for r in found.remedies],
        "cannotTell": list(found.cannot_tell),
        "stable": None if found.stable is None else _stable(found.stable),
        **recipe_members(found.collection, found.change),
    }  # fmt: skip


def _stable(observation: StableObservation) -> dict[str, Any]:
    verdict = observation.verdict
    return {
        "outcome": str(verdict.outcome),
        "why": verdict.why,
        "evidenceAt": observation.taken_at,
        "points": {
            "identity": verdict.identity, "circumstance": verdict.circumstance, "deciding": DECIDING_POINTS,
        },
        "virtual": verdict.virtual,
        "attributes": [
            {"name": row.name, "group": str(row.group), "agreement": str(row.agreement), "points": row.points}
            for row in verdict.rows
        ],
    }  # fmt: skip
