"""`fingerprint diagnose`: print whether the agent hibernates, since when, why, and what to do."""

from __future__ import annotations

import sys

from fingerprint._io.text import printable, visible_json
from fingerprint.agent.accounts import is_account
from fingerprint.agent.regions import require_region
from fingerprint.answers.diagnose import diagnose_answer, diagnose_list_answer
from fingerprint.cli.conclusion import print_conclusion, print_rest
from fingerprint.cli.context import machine_of, vault_of
from fingerprint.cli.extras import install_remedy
from fingerprint.cli.output import (
    aimed,
    colored,
    folded,
    is_terminal,
    print_json,
    show_progress,
    write,
    write_data,
)
from fingerprint.diagnose import CHECKS, Diagnosis, Network, Outcome, Site, diagnose
from fingerprint.diagnose.reachability import NOT_ASKED, OF_ANOTHER
from fingerprint.errors import EXIT_CANNOT_TELL, EXIT_DIFFERS, EXIT_OK, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from fingerprint.cli.parser import Arguments
    from fingerprint.diagnose import Finding

_COLORS = {Outcome.PASS: "good", Outcome.WARN: "doubt", Outcome.FAIL: "bad", Outcome.SKIPPED: "doubt"}
_HEADS = {"healthy": "good", "warnings": "doubt", "cannot-tell": "doubt"}
_STATUSES = {Outcome.PASS: "Success", Outcome.WARN: "Success", Outcome.FAIL: "Failed", Outcome.SKIPPED: "Skipped"}
_NAME_WIDTH = 20
_TEXT_WIDTH = 47
_EVIDENCE_SHOWN = 6


def run(arguments: Arguments) -> int:
    if arguments.list:
        _list(arguments)
        return EXIT_OK
    if arguments.proxy and not arguments.network:
        raise UsageError("--proxy requires --network", remedy="Add --network, or leave --proxy out")
    # Also of an empty one, such as --account "$ACCOUNT" where the variable is not set.
    if arguments.region is not None:
        require_region(arguments.region)
    if arguments.account is not None and not is_account(arguments.account):
        raise UsageError(
            f"invalid --account {arguments.account[:20]!r}: must be 12 digits", remedy="Name the ID of an AWS account"
        )
    only = [name for name in (arguments.only or "").split(",") if name]
    if arguments.only is not None and not only:
        raise UsageError("--only requires the name of a check", remedy="See: fingerprint diagnose --list")
    machine = machine_of(arguments)
    site = Site(
        machine, vault_of(arguments), network=Network(arguments.proxy or "") if arguments.network else None,
        region=arguments.region or "", account=arguments.account or "", latest=arguments.latest or "",
        timeout=arguments.timeout, reveal=arguments.reveal, install=install_remedy,
    )  # fmt: skip
    found = diagnose(site, only, progress=_progress())
    if arguments.output == "ssm-cli":
        _print_ssm_cli(found)
    elif arguments.output == "json":
        print_json("diagnose", diagnose_answer(site.vault.path, found, machine.now()))
    else:
        _print(found, arguments)
    if found.failed:
        return EXIT_DIFFERS
    return EXIT_CANNOT_TELL if found.undetermined or found.conclusion.state == "cannot-tell" else EXIT_OK


def _progress() -> Callable[[int, int], None]:
    if not is_terminal(sys.stderr):
        return lambda _done, _all: None

    def show(done: int, of: int) -> None:
        show_progress(f"\r{done} of {of} checks \r" if done < of else f"\r{' ' * 24}\r")

    return show


def _list(arguments: Arguments) -> None:
    if arguments.output == "json":
        print_json("diagnose", diagnose_list_answer(CHECKS))
        return
    for check in CHECKS:
        write(f"{check.name:{_NAME_WIDTH}} {check.title}{f' ({check.platform})' if check.platform else ''}")


def _print_ssm_cli(found: Diagnosis) -> None:
    """Print in the shape of `ssm-cli get-diagnostics --output json`, with its names where it has the same check."""
    from json import dumps

    rows = [
        {"Check": result.title, "Status": _STATUSES[result.finding.outcome], "Note": aimed(_note(result.finding))}
        for result in found.results
    ]
    untold = found.undetermined or found.conclusion.state == "cannot-tell"
    status = "Failed" if found.failed else "Skipped" if untold else "Success"
    rows.append({"Check": "Conclusion", "Status": status, "Note": aimed(found.conclusion.text)})
    write_data(visible_json(dumps({"DiagnosticsOutput": rows}, indent=2)))


def _note(finding: Finding) -> str:
    return f"Warning: {finding.text}" if finding.outcome == Outcome.WARN else finding.text


def _print(found: Diagnosis, arguments: Arguments) -> None:
    conclusion = found.conclusion
    print_conclusion(
        (conclusion.head, _HEADS.get(conclusion.state, "bad")), conclusion.cause,
        conclusion.steps if arguments.verbose else conclusion.first_step, arguments, evidence=conclusion.evidence,
    )  # fmt: skip
    for warning in found.warnings:
        for at, line in enumerate(folded(f"Warning: {warning}", 76)):
            write(f"{'' if at == 0 else '  '}{line}")
    if not arguments.verbose:
        print_rest(_rest(found))
        return
    write()
    left_out: dict[str, list[str]] = {}
    for result in found.results:
        finding = result.finding
        if finding.text in (NOT_ASKED, OF_ANOTHER):
            left_out.setdefault(finding.text, []).append(result.name)
            continue
        word = "unknown" if finding.undetermined else str(finding.outcome)
        for at, line in enumerate(folded(printable(finding.text), _TEXT_WIDTH)):
            mark = colored(f"{word:7}", _COLORS[finding.outcome], arguments) if at == 0 else " " * 7
            write(f"  {mark}  {result.name if at == 0 else '':{_NAME_WIDTH}} {line}".rstrip())
        if finding.outcome in (Outcome.WARN, Outcome.FAIL) or finding.undetermined:
            _print_evidence(finding)
    for reason, names in left_out.items():
        write()
        for line in folded(f"Not asked ({reason}): {', '.join(names)}", 76):
            write(f"  {line}")


def _rest(found: Diagnosis) -> list[str]:
    """Return what is not shown: steps, and the checks other than the one with the cause."""
    rest, steps = [], len(found.conclusion.steps) - 1
    if steps > 0:
        rest.append(f"{steps} more step{'s' * (steps > 1)}")
    others = [result for result in found.results if result.name != found.conclusion.because]
    for word, names in (
        ("failed", [result.name for result in others if result.finding.outcome == Outcome.FAIL]),
        ("unknown", [result.name for result in others if result.finding.undetermined]),
        ("warnings", [result.name for result in others if result.finding.outcome == Outcome.WARN]),
    ):
        rest += [f"{word}: {', '.join(names)}"] if names else []
    count = len(found.results)
    return [*rest, f"{count} check{'s' * (count > 1)}"] if count else rest


def _print_evidence(finding: Finding) -> None:
    for fact in finding.evidence[:_EVIDENCE_SHOWN]:
        for at, line in enumerate(folded(printable(fact), _TEXT_WIDTH + _NAME_WIDTH - 4)):
            write(f"           {'- ' if at == 0 else '  '}{line}")
    left = len(finding.evidence) - _EVIDENCE_SHOWN
    if left > 0:
        write(f"           - and {left} more: --output json has all")
