"""Policy `evidence` over many pairs: which attributes agree, what is certain then, and the bound of a count.

A ruling depends only on which attributes agree, differ or are missing. So pairs are counted by that, and each
combination is decided once, by `rule_on(decide())`.
"""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

from calibrate_machines import SECTIONS, by_ssm

from fingerprint.attributes.stable import STRENGTHS, Group
from fingerprint.rules.certainty import Ruling, rule_on
from fingerprint.rules.stable import Agreement, decide

IDENTITY = tuple(strength.name for strength in STRENGTHS if strength.group == Group.IDENTITY)
AGREES, DIFFERS = True, False
CONFIDENCE = 0.95
# (attribute, whether it agrees) of those that both sides have, in any order, and what both sides run on.
Known = tuple[tuple[str, bool], ...]
Kinds = tuple[str, str]


class Case(NamedTuple):
    """What is the same and what differs between the two sides, beside what the data say.

    Attributes:
        title: for the table.
        agrees: attributes of scheme `stable` that are set, and equal on both sides.
        differs: attributes that differ where both sides have them.
        masked: attributes that are taken away.
        stays: attributes of the agent that are equal; its address and its disk differ always.
        changed: sections of DMI that differ in any case.
    """

    title: str
    agrees: tuple[str, ...] = ()
    differs: tuple[str, ...] = ()
    masked: tuple[str, ...] = ()
    stays: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()


def known_of(old: dict[str, str], new: dict[str, str]) -> Known:
    """Return which of the attributes that both sides have agree, what both run on left out."""
    said = {Agreement.AGREES: AGREES, Agreement.DIFFERS: DIFFERS, Agreement.VOID: None}
    # As on physical hardware, where nothing is void.
    verdict = decide({**old, "hypervisor": "none"}, {**new, "hypervisor": "none"})
    return tuple(
        (row.name, bool(said[row.agreement]))
        for row in verdict.rows
        if row.agreement in said and row.name != "hypervisor"
    )


def kinds_of(old: dict[str, str], new: dict[str, str]) -> Kinds:
    return old.get("hypervisor", ""), new.get("hypervisor", "")


@functools.cache
def ruling_of(known: Known, kinds: Kinds, case: Case) -> Ruling:
    """Return the ruling of policy `evidence` in a case, from which attributes agree."""
    agreement = {name: agrees for name, agrees in known if name not in case.masked}
    agreement.update({name: DIFFERS for name in case.differs if name in agreement})
    agreement.update(dict.fromkeys(case.agrees, AGREES))
    old = dict.fromkeys(agreement, "1") | {"hypervisor": kinds[0]}
    new = {name: "1" if agrees else "2" for name, agrees in agreement.items()} | {"hypervisor": kinds[1]}
    return rule_on(decide(old, new))


def ruling_of_values(old: dict[str, str], new: dict[str, str], case: Case) -> Ruling:
    """Return the same from the values themselves; slower."""
    sides = []
    for side, values in (("old", old), ("new", new)):
        left = {name: value for name, value in values.items() if name not in case.masked}
        left.update({name: f"{side} {name}" for name in case.differs if old.get(name) and new.get(name)})
        sides.append(left | {name: f"made {name}" for name in case.agrees})
    return rule_on(decide(*sides))


@functools.cache
def rules_accept(equal: frozenset[str], case: Case) -> bool:
    """Return whether the agent accepts where these sections of DMI are equal."""
    sections = [name for name in SECTIONS if name in equal and name not in case.changed]
    return by_ssm(sections, dict.fromkeys(case.stays, "x")) == "same"


def upper_bound(count: int, total: int) -> float:
    """Return the upper 95 % bound of a share, `count` of `total`: exact (Clopper-Pearson, one-sided); 3.0/n for 0."""
    if count == total:
        return 1.0
    if not count:
        return 3.0 / total
    low, high = count / total, 1.0
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if _at_most(count, total, middle) > 1 - CONFIDENCE else (low, middle)
    return high


def _at_most(count: int, total: int, share: float) -> float:
    """Return the probability of at most `count` of `total`, each with this share."""
    logs = [
        math.lgamma(total + 1) - math.lgamma(k + 1) - math.lgamma(total - k + 1)
        + k * math.log(share) + (total - k) * math.log1p(-share)
        for k in range(count + 1)
    ]  # fmt: skip
    most = max(logs)
    return math.exp(most) * math.fsum(math.exp(log - most) for log in logs)


def bounded(count: int, total: int) -> dict[str, Any]:
    """Return a count with its bound, None without a pair."""
    return {"count": count, "bound": upper_bound(count, total) if total else None}
