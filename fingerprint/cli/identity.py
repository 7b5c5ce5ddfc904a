"""How check and explain show what is wrong with a machine's identity, and what the agent makes of it."""

from __future__ import annotations

from fingerprint.cli.render import colored, folded, write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from fingerprint.cli.parse import Arguments
    from fingerprint.engine import Outlook
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
