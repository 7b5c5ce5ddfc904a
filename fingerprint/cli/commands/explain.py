"""`fingerprint explain [A B]`: print what changed, why, what follows, and what to do."""

from __future__ import annotations

from fingerprint._io.text import printable
from fingerprint.answers.explain import explain_answer, explain_snapshots_answer
from fingerprint.attributes.stable import DECIDING_POINTS
from fingerprint.cli.conclusion import print_conclusion, print_rest, print_row
from fingerprint.cli.context import machine_of, vault_of
from fingerprint.cli.identity import OUTCOME_EXIT_CODES, OUTCOME_HEADS, print_problems, print_recipe
from fingerprint.cli.output import colored, folded, print_json, step, write
from fingerprint.errors import UsageError
from fingerprint.explanation import explain_observation, explain_snapshots
from fingerprint.gate import check_threshold
from fingerprint.machine.recorded import RecordedMachine
from fingerprint.observation import EXIT_CODES, REJECTED, Observation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.cli.parser import Arguments
    from fingerprint.explanation import Explanation
    from fingerprint.vault.problems import Problem

# Of what stands behind the sign of an attribute, in characters.
_WIDTH = 87
_SIGNS = {"same": "=", "empty": "·", "changed": "x", "unknown": "?"}
_LABEL = 10
# Of one cause; JSON has all.
_EVIDENCE = 4
# The same in a conclusion.
_EVIDENCE_SHORT = 2
_IDENTITIES = {"same": "the same machine", "another": "another machine", "undecidable": "cannot tell"}
_DEFAULT = 40


def run(arguments: Arguments) -> int:
    if arguments.A is not None:
        return _explain_snapshots(arguments)
    if arguments.threshold is not None:
        raise UsageError("--threshold requires A and B", remedy="The vault has a threshold of its own")
    given = RecordedMachine.load(arguments.before) if arguments.before else None
    observation = Observation.take(vault_of(arguments), machine_of(arguments), timeout=arguments.timeout)
    found = explain_observation(observation, before=given)
    if arguments.output == "json":
        print_json("explain", explain_answer(observation, found))
    else:
        _print(found, observation.problems, arguments)
    return EXIT_CODES[observation.level]


def _explain_snapshots(arguments: Arguments) -> int:
    if arguments.before is not None:
        raise UsageError("--before and A B are mutually exclusive", remedy="Name two snapshots, or --before")
    threshold = _DEFAULT if arguments.threshold is None else arguments.threshold
    check_threshold(threshold)
    before, now = RecordedMachine.load(arguments.A), RecordedMachine.load(arguments.B)
    found = explain_snapshots(before, now, threshold)
    if arguments.output == "json":
        print_json("explain snapshots", explain_snapshots_answer(arguments.A, arguments.B, found))
    else:
        # Recordings have no vault, which may have problems.
        _print(found, (), arguments)
    return OUTCOME_EXIT_CODES[found.outcome]


def _print(found: Explanation, problems: tuple[Problem, ...], arguments: Arguments) -> None:
    if arguments.verbose:
        _print_all(found, problems, arguments)
        return
    word, color = OUTCOME_HEADS[found.outcome]
    if found.outcome == "same" and str(found.composition.identity) == "another":
        color = "doubt"
    print_conclusion(
        (f"{word} ({found.rule}), {found.state_text}", color), found.summary.text,
        [(remedy.text, remedy.command) for remedy in found.remedies[:1]], arguments,
        evidence="; ".join(found.summary.evidence[:_EVIDENCE_SHORT]),
    )  # fmt: skip
    print_recipe(found.change)
    # The head says whether the agent rejects it.
    print_problems(tuple(one for one in problems if one.kind != REJECTED), arguments)
    if found.id_warning:
        print_row("Warning", printable(found.id_warning))
    print_rest(_rest(found))


def _rest(found: Explanation) -> list[str]:
    """Return what is not shown: the other causes, steps and unknowns."""
    causes = [cause.name for cause in found.summary.others]
    rest = [f"also {', '.join(causes)}"] if causes else []
    steps = len(found.remedies) - 1
    rest += [f"{steps} more step{'s' * (steps > 1)}"] if steps > 0 else []
    unknown = len(found.cannot_tell)
    rest += [f"{unknown} unknown{'s' * (unknown > 1)}"] if unknown else []
    return [*rest, f"{len(found.causes)} attributes"]


def _print_all(found: Explanation, problems: tuple[Problem, ...], arguments: Arguments) -> None:
    write(colored(*OUTCOME_HEADS[found.outcome], arguments))
    write(f"  {found.rule}")
    print_recipe(found.change)
    print_problems(problems, arguments)
    if found.stable is not None:
        verdict = found.stable.verdict
        _print_row("stable", f"{verdict.outcome}: {verdict.why} ({verdict.points:+d}, decides at ±{DECIDING_POINTS})")
    write()
    for cause in found.causes:
        sign = colored(_SIGNS[cause.state], {"changed": "bad", "unknown": "doubt"}.get(cause.state, "good"), arguments)
        value = printable(cause.saved) if cause.saved == cause.current else f"{cause.saved} -> {cause.current}"
        # Cut before it is colored: the mark of a color has a width, too.
        rest = f" {cause.name:15} {printable(value)}"[:_WIDTH]
        write(f"  {sign}{rest}")
    _print_causes(found)
    write()
    _print_row("State", found.state_text)
    _print_row("Next", found.consequence)
    for number, remedy in enumerate(found.remedies, 1):
        text, command = step(remedy.text, remedy.command)
        _print_row("Remedy" if number == 1 else "", f"{number}) {text}")
        if command:
            # A command is not folded, so that it can be copied.
            write(f"{'':{_LABEL}}       {command}")
        if remedy.risk:
            _print_row("", f"   Risk: {remedy.risk}")
    for number, text in enumerate(found.cannot_tell):
        _print_row("Not known" if number == 0 else "", text)


def _print_causes(found: Explanation) -> None:
    """Print what changed: each primitive cause with its evidence, what none explains, and the history."""
    made = found.composition
    changed = {cause.name: cause for cause in found.causes if cause.state in ("changed", "unknown") and cause.text}
    if not changed and made.history is None:
        return
    write()
    write("What changed")
    # The reason is that of scheme `stable`, which stands at the top.
    why = "by scheme stable" if found.stable is not None else made.identity_text
    _print_row("Machine", f"{_IDENTITIES[str(made.identity)]} ({why})")
    if made.history is not None:
        _print_row("History", f"{made.history.title} ({made.history.name})")
        for text in made.history.evidence:
            _print_row("   +", text)
    for number, cause in enumerate(made.causes, 1):
        guess = "" if cause.certain else " [inferred]"
        _print_row(f"{number}.", f"{cause.title} ({cause.name}){guess}: {', '.join(cause.attributes)}")
        for text in cause.evidence[:_EVIDENCE]:
            _print_row("   +", printable(text))
        if len(cause.evidence) > _EVIDENCE:
            _print_row("   +", f"{len(cause.evidence) - _EVIDENCE} more: --output json")
    explained = {name for cause in made.causes for name in cause.attributes}
    left: dict[str, list[str]] = {}
    for name, attribute in changed.items():
        if name not in explained:
            left.setdefault(printable(attribute.text), []).append(name)
    for text, names in left.items():
        _print_row("   ?", f"{', '.join(names)}: {text}")


def _print_row(label: str, text: str) -> None:
    lines = folded(text, 78 - _LABEL)
    for number, line in enumerate(lines):
        write(f"  {label if number == 0 else '':{_LABEL}}{line}".rstrip())
