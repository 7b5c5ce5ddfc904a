"""Fleets: which machines the agent would reject, which threshold is right, what drifted, which are clones.

Input and output are Arrow columns, one batch at a time, compared by the native core. Requires the extra `fleet`.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.fleet.checking import Checked as Checked
    from fingerprint.fleet.checking import Summary as Summary
    from fingerprint.fleet.checking import check as check
    from fingerprint.fleet.cloning import Clones as Clones
    from fingerprint.fleet.cloning import clones as clones
    from fingerprint.fleet.drifting import Drift as Drift
    from fingerprint.fleet.drifting import drift as drift
    from fingerprint.fleet.drifting import join as join
    from fingerprint.fleet.grouping import Group as Group
    from fingerprint.fleet.io.readers import Fleet as Fleet
    from fingerprint.fleet.io.readers import open_fleet as open_fleet
    from fingerprint.fleet.packing import pack as pack
    from fingerprint.fleet.planning import Plan as Plan
    from fingerprint.fleet.planning import plan as plan
    from fingerprint.fleet.rejects import Rejects as Rejects
    from fingerprint.fleet.stable_checking import StableChecked as StableChecked
    from fingerprint.fleet.stable_checking import StableSummary as StableSummary
    from fingerprint.fleet.stable_checking import check_stable as check_stable
    from fingerprint.fleet.stable_cloning import StableClones as StableClones
    from fingerprint.fleet.stable_cloning import clones_stable as clones_stable

_HOMES = {
    "Checked": "checking",
    "Clones": "cloning",
    "Drift": "drifting",
    "Fleet": "io.readers",
    "Group": "grouping",
    "Plan": "planning",
    "Rejects": "rejects",
    "StableChecked": "stable_checking",
    "StableClones": "stable_cloning",
    "StableSummary": "stable_checking",
    "Summary": "checking",
    "check": "checking",
    "check_stable": "stable_checking",
    "clones": "cloning",
    "clones_stable": "stable_cloning",
    "drift": "drifting",
    "join": "drifting",
    "open_fleet": "io.readers",
    "pack": "packing",
    "plan": "planning",
}

__all__ = [
    "Checked", "Clones", "Drift", "Fleet", "Group", "Plan", "Rejects", "StableChecked", "StableClones",
    "StableSummary", "Summary", "check", "check_stable", "clones", "clones_stable", "drift", "join", "open_fleet",
    "pack", "plan",
]  # fmt: skip


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'fingerprint.fleet' has no attribute {name!r}")
    return getattr(__import__(f"fingerprint.fleet.{home}", fromlist=[name]), name)
