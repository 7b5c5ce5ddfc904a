"""`fingerprint check`: verify this host against the vault and print the rule that decided."""

from __future__ import annotations

from fingerprint._io.text import printable
from fingerprint.answers.check import check_answer, check_changes, check_notes
from fingerprint.attributes.ssm import row_of
from fingerprint.cli.context import machine_of, vault_of
from fingerprint.cli.identity import OUTCOME_HEADS, print_problems, print_recipe
from fingerprint.cli.output import colored, folded, print_json, shown, table, warn, write
from fingerprint.observation import Observation
from fingerprint.rules.ssm import in_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.cli.parser import Arguments
    from fingerprint.types import AttributeRow, Verdict


def run(arguments: Arguments) -> int:
    found = Observation.take(vault_of(arguments), machine_of(arguments), timeout=arguments.timeout)
    if arguments.output == "json":
        print_json("check", check_answer(found, reveal=arguments.reveal))
    else:
        _print(found, arguments)
    return found.exit_code


def _print(found: Observation, arguments: Arguments) -> None:
    compared, stable = found.required(), found.stable
    verdict = compared.verdict
    changes, notes = check_changes(found), check_notes(found)
    write(colored(*OUTCOME_HEADS[found.outcome], arguments))
    write(f"  {in_words(verdict)}")
    print_recipe(compared.change)
    print_problems(found.problems, arguments)
    write(f"  score      {verdict.matched} of {verdict.total} = {verdict.percent:.1f} %, threshold {verdict.threshold}")
    write(f"  evidence   {_evidence(verdict)}")
    write(f"  would pass {_passing(verdict)}")
    if found.would_reject:
        write("  agent      would reject it, with this record: see below")
    if stable is not None:
        lines = folded(f"{stable.verdict.outcome}: {stable.verdict.why}", 66)
        write(f"  stable     {lines[0]}")
        for line in lines[1:]:
            write(f"             {line}")
    write(f"  vault      {found.vault.path}")
    write()
    rows = [
        (row.name, shown(row.name, row.saved, arguments), shown(row.name, row.current, arguments), _same(row))
        for row in verdict.rows
    ]
    width = max(24, *(len(text) for row in rows for text in row[1:3])) if arguments.reveal else 24
    table(("attribute", "saved", "current", "same"), rows, (15, width, width))
    if changes:
        write()
        for names, text, certain in changes:
            for line in folded(f"{', '.join(names)}: {printable(text)}{'' if certain else ' [inferred]'}", 76):
                write("  " + line)
    else:
        _print_caveats(verdict)
    if notes:
        write()
    for note in notes:
        for line in folded(note[0], 76):
            write("  " + line)
        # A command is not folded, so that it can be copied.
        for command in note[1:]:
            write(f"      {command}")
    for attribute in compared.collection:
        if attribute.unreadable:
            warn(f"{attribute.name}: {attribute.status}: {attribute.reason}")


def _print_caveats(verdict: Verdict) -> None:
    """Print what else than another machine changes the attributes that changed."""
    rows = [row for row in map(row_of, verdict.changed) if row]
    if rows:
        write()
        write("  Other causes of these changes than another machine:")
    for row in rows:
        for line in folded(f"{row.name}: {row.caveat}", 74):
            write("    " + line)


def _evidence(verdict: Verdict) -> str:
    return (
        f"{verdict.effective_matched} of {verdict.effective} comparable attributes match; "
        f"{verdict.total - verdict.effective} carry no evidence"
    )


def _passing(verdict: Verdict) -> str:
    highest = verdict.highest_passing_threshold
    if highest is None:
        return "only -1 (check disabled)"
    return "every threshold" if highest == 100 else f"1 to {highest}, and -1 (check disabled)"


def _same(row: AttributeRow) -> str:
    if row.unreadable:
        return "unknown"
    if row.same:
        return "yes" if row.evidence else "no evidence" if row.current else "empty"
    return "not counted" if row.current is None else "NO"
