"""The JSON answers of the commands: pure functions from values to what `--output json` prints.

`fingerprint/schemas/NAME.json` describes what the function `NAME_answer` returns once `enveloped` has added the version
and the command. Commands and the support bundle gather values and take the shape from here.

Three commands make their JSON themselves, as its format comes from elsewhere: `credentials process` (AWS defines it),
`fleet row` (docs/fleet.md defines the rows of a fleet) and `match`, whose lines the native core reads and writes.

This module has the members that several answers share. `check` loads it, so it imports nothing heavy.
"""

from __future__ import annotations

from fingerprint._io.text import masked
from fingerprint._io.times import utc
from fingerprint.attributes.ssm import SID_KEYS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from fingerprint.agent.next_check import NextCheck
    from fingerprint.observation import RecipeChange
    from fingerprint.types import Collection, Outlook, Verdict
    from fingerprint.vault.problems import Problem

SCHEMA_VERSION = 1


def enveloped(command: str, answer: dict[str, Any]) -> dict[str, Any]:
    """Return an answer with the members that each one begins with.

    Args:
        command: the words of the command, such as "vault show"; "error" for an error.
        answer: what a function of this package returned.
    """
    return {"schemaVersion": SCHEMA_VERSION, "command": command, **answer}


def secret(value: str, *, reveal: bool) -> str:
    """Return an identifier, masked unless it is to be revealed."""
    return value if reveal else masked(value)


def attribute_value(name: str, value: str, *, reveal: bool) -> str:
    """Return the value of an attribute; a hardware ID is masked unless it is to be revealed."""
    return secret(value, reveal=reveal) if name in SID_KEYS else value


def score_members(verdict: Verdict) -> dict[str, Any]:
    """Return how many attributes match."""
    return {"matched": verdict.matched, "total": verdict.total, "percent": round(verdict.percent, 4)}


def identity_members(level: str, outlook: Outlook | None, problems: tuple[Problem, ...]) -> dict[str, Any]:
    """Return what is wrong with the identity of a machine, and what the agent does with it."""
    return {
        "status": level,
        "agent": None if outlook is None else str(outlook),
        "problems": [
            {"kind": one.kind, "text": one.text, "remedy": one.remedy, "command": one.command} for one in problems
        ],
    }  # fmt: skip


def recipe_members(collection: Collection, *change: RecipeChange | None) -> dict[str, Any]:
    """Return the hash recipe of Windows by which the values were made; {} on other systems.

    Args:
        collection: the machine.
        change: what another recipe says of the record, or None; left out where there is no record.
    """
    if not collection.recipe:
        return {}
    answer: dict[str, Any] = {"now": collection.recipe, "doubt": collection.doubt}
    for one in change:
        found = None if one is None else one.found
        answer["changed"] = None if found is None else {
            "recipe": found.recipe, "typeIds": found.moved, "text": found.text, "proof": found.proof,
        }  # fmt: skip
    return {"hashRecipe": answer}


def next_check_members(check: NextCheck) -> dict[str, Any]:
    """Return when the agent compares the hardware next."""
    left = check.seconds_left
    return {
        "looks": str(check.trigger),
        "looksAt": None if check.at is None else utc(check.at),
        "secondsLeft": None if left is None else round(left),
        "agentStartedAt": None if check.started is None else utc(check.started),
        "how": check.how,
    }
