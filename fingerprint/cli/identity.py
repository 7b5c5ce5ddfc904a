"""How check and explain show what is wrong with a machine's identity, and what the agent makes of it."""

from __future__ import annotations

from fingerprint.cli.output import colored, folded, write
from fingerprint.rules.ssm import in_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from fingerprint.cli.parser import Arguments
    from fingerprint.observation import RecipeChange
    from fingerprint.types import Collection, Outlook
    from fingerprint.vault.problems import Problem


def identity_answer(level: str, outlook: Outlook | None, problems: tuple[Problem, ...]) -> dict[str, Any]:
    """Return it as JSON has it."""
    return {
        "status": level,
        "agent": None if outlook is None else str(outlook),
        "problems": [
            {"kind": one.kind, "text": one.text, "remedy": one.remedy, "command": one.command} for one in problems
        ],
    }  # fmt: skip


def print_problems(problems: tuple[Problem, ...], arguments: Arguments) -> None:
    """Print it below the verdict, each with what to do."""
    for one in problems:
        first, *rest = folded(f"{one.text}.", 67)
        write("  " + colored(f"PROBLEM  {first}", "bad", arguments))
        for line in rest:
            write(f"           {line}")
        if one.remedy:
            # No full stop behind a command: it can be copied with its line.
            end = ":" if one.command else "" if "fingerprint " in one.remedy else "."
            for line in folded(f"{one.remedy}{end}", 74):
                write(f"    {line}")
        if one.command:
            # A command stays whole, so that it can be copied.
            write(f"      {one.command}")


def recipe_answer(collection: Collection, *change: RecipeChange | None) -> dict[str, Any]:
    """Return by which hash recipe of Windows the values are, as JSON has it; {} elsewhere.

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


def doubt_note(collection: Collection) -> str:
    """Return why the agent may hash otherwise, as a sentence without a full stop; "" where it does not."""
    return f"{collection.doubt[:1].upper()}{collection.doubt[1:]}"


def print_recipe(change: RecipeChange | None) -> None:
    """Write what the recipe of the record says, where it is another one."""
    if change is None:
        return
    kind = "type ids" if change.found.moved else "hardware ID" if change.found.without_id else "hash recipe"
    for line in folded(f"by the {kind} of the record: {in_words(change.verdict)} ({change.found.proof})", 76):
        write(f"  {line}")
