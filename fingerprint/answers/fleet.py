"""The answers of the commands of `fleet`."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from fingerprint.collectors import SCHEME, STABLE
from fingerprint.fleet.planning import NOW
from fingerprint.fleet.stable_checking import OUTCOMES, StableSummary
from fingerprint.fleet.stable_cloning import StableClones
from fingerprint.rules.ssm import MATCHES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fingerprint.fleet.checking import Summary
    from fingerprint.fleet.cloning import Clones
    from fingerprint.fleet.drifting import Drift, Joined
    from fingerprint.fleet.io.readers import Fleet
    from fingerprint.fleet.planning import Plan
    from fingerprint.fleet.policies import PolicyTally
    from fingerprint.fleet.rejects import Rejects

# So many sets of attributes that changed together are listed, the most frequent ones.
SETS = 12
# So many nodes of a group are named.
_NODES = 100


def fleet_check_answer(
    fleet: Fleet, rejects: Rejects, summary: Summary | StableSummary, to: str | None
) -> dict[str, Any]:
    """Return the verdicts on a fleet.

    Args:
        fleet, rejects: the fleet, and what was rejected of it.
        summary: the verdicts, by the rules of the agent or by scheme `stable`.
        to: the file of the rows; None without one.
    """
    unreadable = summary.unread if isinstance(summary, StableSummary) else {}
    return {
        "fleet": _read(fleet, rejects), "scheme": STABLE if isinstance(summary, StableSummary) else SCHEME,
        "rows": summary.rows, **_verdicts(summary),
        "drift": [
            {"attribute": name, "changed": count, "share": count / summary.rows if summary.rows else None,
             **({"unreadable": unreadable[name]} if name in unreadable else {})}
            for name, count in summary.changed.items()
        ],
        "to": to,
    }  # fmt: skip


def _verdicts(summary: Summary | StableSummary) -> dict[str, Any]:
    if isinstance(summary, StableSummary):
        return {"outcomes": [{"outcome": str(outcome), "rows": n} for outcome, n in summary.outcomes.items()]}
    return {
        "refused": summary.refused,
        "reasons": [
            {"reason": str(reason), "match": reason in MATCHES, "rows": count}
            for reason, count in summary.reasons.items()
        ],
    }


def fleet_clones_answer(
    fleet: Fleet, rejects: Rejects, found: Clones | StableClones, limit: int, to: str | None
) -> dict[str, Any]:
    """Return the clones of a fleet.

    Args:
        fleet, rejects: the fleet, and what was rejected of it.
        found: the clones, by hardware hashes or by scheme `stable`.
        limit: at most so many groups are listed.
        to: the file of all groups; None without one.
    """
    return {
        "fleet": _read(fleet, rejects), "scheme": STABLE if isinstance(found, StableClones) else SCHEME,
        "rows": found.rows, "findings": found.findings, **_pairs(found, limit),
        "counts": [{"kind": one.kind, "groups": len(one), "readings": one.counts()} for one in found.groups],
        "groups": [
            {"kind": group.kind, "reading": group.reading, "rows": len(group.rows),
             **({"outcome": str(found.outcome_of(group))} if isinstance(found, StableClones) else {}),
             "nodes": found.nodes_of(group, _NODES), "ties": list(group.ties), "empty": list(group.empty)}
            for group in islice(found.every_group(), limit)
        ],
        "to": to,
    }  # fmt: skip


def _pairs(found: Clones | StableClones, limit: int) -> dict[str, Any]:
    if isinstance(found, StableClones):
        return {
            "side": found.side,
            "outcomes": [{"outcome": str(outcome), "pairs": pairs} for outcome, pairs in found.outcomes.items()],
            "undecidable": [{"reason": reason, "rows": rows} for reason, rows in found.undecidable.items()],
            "crowdedValues": {"count": len(found.crowds), "first": [
                {"attribute": one.attribute, "rows": one.rows, "machines": one.machines,
                 "node": found.nodes[one.row].as_py()}
                for one in found.crowds[:limit]
            ]},
        }  # fmt: skip
    return {
        "attributes": list(found.attributes), "needed": found.needed,
        "pairs": [{"equal": equal, "pairs": pairs} for equal, pairs in sorted(found.pairs.items())],
    }  # fmt: skip


def fleet_diff_answer(
    before: Fleet, after: Fleet, rejects: Rejects, joined: Joined, summary: Summary, drifted: Drift, to: str | None
) -> dict[str, Any]:
    """Return what changed between two states of a fleet.

    Args:
        before, after: the fleet then and now.
        rejects: what was rejected of both.
        joined: the nodes of both.
        summary: the verdicts on the state now by that of then.
        drifted: what changed.
        to: the file of the rows; None without one.
    """
    return {
        "before": _read(before, rejects), "after": _read(after, rejects),
        "nodes": {"both": joined.both, "onlyBefore": joined.only_before, "onlyAfter": joined.only_after,
                  "repeatedBefore": joined.repeated_before, "repeatedAfter": joined.repeated_after},
        "refused": summary.refused,
        "drift": [
            {"attribute": name, "changed": sum(counts.values()),
             "groups": [{"group": group or None, "changed": count, "rows": drifted.machines[group]}
                        for group, count in sorted(counts.items())]}
            for name, counts in drifted.changed.items()
        ],
        "together": [
            {"attributes": list(names), "rows": count} for names, count in drifted.together.most_common(SETS)
        ],
        "to": to,
    }  # fmt: skip


def fleet_pack_answer(fleet: Fleet, rejects: Rejects, rows: int, to: str) -> dict[str, Any]:
    """Return how many rows of a fleet a file of digests has."""
    return {"fleet": _read(fleet, rejects), "rows": rows, "to": to}


def fleet_plan_answer(
    fleet: Fleet, rejects: Rejects, made: Plan, highest: Mapping[str, int | None], tolerated: Sequence[str],
    allowed: float,
) -> dict[str, Any]:  # fmt: skip
    """Return what each threshold costs a fleet.

    Args:
        fleet, rejects: the fleet, and what was rejected of it.
        made: the plan.
        highest: group -> the highest threshold that tolerates the events; None for none.
        tolerated: the events that a threshold must tolerate.
        allowed: share of the machines that may be rejected, 0 to 1.
    """
    return {
        "fleet": _read(fleet, rejects), "rows": made.groups[""][NOW].rows, "events": list(made.events),
        "tolerate": list(tolerated), "allowedShare": allowed,
        "groups": [
            {
                "group": group or None, "rows": tallies[NOW].rows, "highestThreshold": highest[group],
                "refusedAtAny": {event: tally.refused for event, tally in tallies.items()},
                "curve": [
                    {"low": low, "high": high, "refused": refused} for low, high, refused in made.curve(group)
                ],
                "policy": {event: _policy(tally) for event, tally in made.policies[group].items()},
            }
            for group, tallies in sorted(made.groups.items())
        ],
    }  # fmt: skip


def _policy(tally: PolicyTally) -> dict[str, Any]:
    return {
        "comparable": tally.comparable, "outcomes": {str(one): tally.outcomes[one] for one in OUTCOMES},
        "refused": {"rules": tally.refused, "evidence": tally.refused_by_evidence},
        "copiesAccepted": {"rules": tally.copies, "evidence": tally.copies_by_evidence},
    }  # fmt: skip


def fleet_report_answer(fleet: Fleet, rejects: Rejects, rows: int, to: str) -> dict[str, Any]:
    """Return how many machines the page on a fleet is about."""
    return {"fleet": _read(fleet, rejects), "rows": rows, "to": to}


def _read(fleet: Fleet, rejects: Rejects) -> dict[str, Any]:
    return {
        "path": fleet.path, "format": fleet.format, "rejected": {"count": rejects.count, "first": rejects.first},
    }  # fmt: skip
