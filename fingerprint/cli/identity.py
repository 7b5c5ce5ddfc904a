"""What check, explain and whatif print of a verdict: the outcome, what is wrong with the identity, the hash recipe."""

from __future__ import annotations

from fingerprint.cli.output import colored, folded, write
from fingerprint.errors import EXIT_CANNOT_TELL, EXIT_DIFFERS, EXIT_OK
from fingerprint.rules.ssm import in_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.cli.parser import Arguments
    from fingerprint.observation import RecipeChange
    from fingerprint.vault.problems import Problem

OUTCOME_EXIT_CODES = {"same": EXIT_OK, "different": EXIT_DIFFERS, "cannot-tell": EXIT_CANNOT_TELL}
# With the color of each.
OUTCOME_HEADS = {
    "same": ("SAME MACHINE", "good"),
    "different": ("NOT THE SAME MACHINE", "bad"),
    "cannot-tell": ("CANNOT TELL", "doubt"),
}
# Of an event, by `Event.truth`.
TRUTHS = {"same": "the same machine", "other": "another machine", "undecidable": "not to be decided"}


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
            # A command is not folded, so that it can be copied.
            write(f"      {one.command}")


def print_recipe(change: RecipeChange | None) -> None:
    """Write what the recipe of the record says, where it is another one."""
    if change is None:
        return
    kind = "type ids" if change.found.moved else "hardware ID" if change.found.without_id else "hash recipe"
    for line in folded(f"by the {kind} of the record: {in_words(change.verdict)} ({change.found.proof})", 76):
        write(f"  {line}")
