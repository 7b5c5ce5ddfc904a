"""`fingerprint monitor nagios`: a plug-in of Nagios and its kin.

One line "FINGERPRINT STATE - text | performance data", then what changed; exit codes 0 OK, 1 WARNING, 2 CRITICAL,
3 UNKNOWN, as the guidelines of monitoring-plugins have them.
"""

from __future__ import annotations

from fingerprint._io.text import without_passwords
from fingerprint.cli.context import machine_of, vault_of
from fingerprint.cli.output import aimed, write, write_data
from fingerprint.errors import FingerprintError, UsageError
from fingerprint.monitor.status import (
    ANY_DRIFT,
    BLOCKED,
    CONDITIONS,
    COPY,
    IP_ALONE,
    VACUOUS,
    WEAK_ID,
    WILL_HIBERNATE,
    check_host,
)
from fingerprint.observation import REJECTED
from fingerprint.observation import UNKNOWN as LEVEL_UNKNOWN
from fingerprint.rules.ssm import in_words
from fingerprint.types import Reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.cli.parser import Arguments
    from fingerprint.monitor.status import CheckResult

_STATES = ("OK", "WARNING", "CRITICAL", "UNKNOWN")
_OK, _WARNING, _CRITICAL, UNKNOWN = range(4)
_WORDS = {
    COPY: "scheme stable sees another machine, which the agent's rules do not notice",
    IP_ALONE: "only the same IP address keeps it, with another one it would be rejected",
    VACUOUS: "any host with this hardware ID passes",
    WEAK_ID: "the hardware ID identifies no machine",
    ANY_DRIFT: "attributes changed since the record was made",
}


def run(arguments: Arguments) -> int:
    try:
        warning = _conditions(arguments.warning, f"{ANY_DRIFT},{WEAK_ID},{BLOCKED}")
        critical = _conditions(arguments.critical, WILL_HIBERNATE)
        result = check_host(
            vault_of(arguments), machine_of(arguments), timeout=arguments.timeout, also=warning | critical
        )
    except FingerprintError as error:
        return print_unknown(error)
    if result.error is not None and not (result.observation.problems and WILL_HIBERNATE in critical | warning):
        return print_unknown(result.error)
    performance = _performance(result, warning, critical)
    holding = [name for name in CONDITIONS if name in result.conditions]
    for state, names in ((_CRITICAL, critical), (_WARNING, warning)):
        # The gravest first: they stand in this order from the least to the gravest.
        found = [name for name in reversed(holding) if name in names]
        if found:
            return _print_state(state, _reason(found[0], result), performance, result)
        if state == _CRITICAL and result.observation.level == LEVEL_UNKNOWN:
            # Before a warning: it would hide that the main question has no answer.
            return _print_state(UNKNOWN, _unknown(result), performance)
    return _print_state(_OK, _summary(result), performance, result)


def print_unknown(error: FingerprintError) -> int:
    """Print UNKNOWN and the reason, and return its exit code."""
    return _print_state(UNKNOWN, _complaint(error), "")


def _conditions(words: str | None, default: str) -> set[str]:
    names = {name for name in (default if words is None else words).split(",") if name}
    for name in sorted(names):
        if name not in CONDITIONS:
            raise UsageError(f"no such condition: {name!r}", remedy=f"Name one or more of {', '.join(CONDITIONS)}")
    return names


def _complaint(error: FingerprintError) -> str:
    where = f"{error.where}: " if error.where else ""
    # It has one line.
    what = error.what.replace("\n", ". ")
    return f"{where}{what}{f'. {error.remedy}' if error.remedy else ''}"


def _unknown(result: CheckResult) -> str:
    if result.observation.state.uncertain:
        return f"cannot tell whether the fingerprint was replaced: {result.observation.state.uncertain}"
    collection = result.compared.collection if result.compared else None
    if collection is None:
        return ""
    if collection.doubt:
        return collection.doubt
    advice = f"; {collection.remedy}" if collection.remedy else ""
    return f"{', '.join(collection.unreadable)} could not be read, and would decide{advice}"


def _reason(condition: str, result: CheckResult) -> str:
    if condition == BLOCKED and result.blocked is not None:
        return f"the guard blocks the agent's start since {result.blocked.at}: {result.blocked.why}"
    if condition == WILL_HIBERNATE:
        first = result.observation.problems[0]
        if first.kind == REJECTED and result.blocked is not None:
            # It cannot compare before it starts.
            return _reason(BLOCKED, result)
        if first.kind == REJECTED:
            return f"the agent will hibernate {_when(result)}: {_score(result)}"
        return first.text
    if condition == WEAK_ID and result.compared is not None:
        return f"{_WORDS[condition]}: {result.compared.collection.id_problem}"
    return f"{_WORDS[condition]}: {_score(result)}"


def _when(result: CheckResult) -> str:
    return result.forecast.check.when if result.forecast is not None else "after its next check"


def _score(result: CheckResult) -> str:
    verdict = result.compared.verdict if result.compared else None
    if verdict is None:
        return ""
    if not verdict.match and verdict.highest_passing_threshold is None:
        return in_words(verdict)
    sign = "<" if verdict.percent < verdict.threshold else ">="
    return f"{verdict.matched}/{verdict.total} = {verdict.percent:.1f}% {sign} {verdict.threshold}"


def _summary(result: CheckResult) -> str:
    verdict = result.compared.verdict if result.compared else None
    return f"same machine, {_score(result)}" if verdict is not None and verdict.match else _score(result)


def _performance(result: CheckResult, warning: set[str], critical: set[str]) -> str:
    verdict = result.compared.verdict if result.compared else None
    if verdict is None:
        return ""
    # An alert range "N:" is below N, "0" is above 0. Where the score does not decide it has no range.
    by_score = verdict.reason in (Reason.SIMILAR, Reason.NOT_SIMILAR) and result.outcome != "cannot-tell"
    needed = next((k for k in range(verdict.total + 1) if k * 100 >= verdict.threshold * verdict.total), verdict.total)
    matched = _ranges(f"{needed}:", by_score, WILL_HIBERNATE, warning, critical)
    score = _ranges(f"{verdict.threshold}:", by_score, WILL_HIBERNATE, warning, critical)
    changed = _ranges("0", result.outcome != "cannot-tell", ANY_DRIFT, warning, critical)
    return (
        f"matched={verdict.matched};{matched};0;{verdict.total} score={verdict.percent:.1f}%;{score};0;100 "
        f"threshold={verdict.threshold};;;-1;100 changed={len(result.changed)};{changed};0;{verdict.total} "
        f"time={result.seconds:.3f}s;;;0"
    )


def _ranges(text: str, limited: bool, condition: str, warning: set[str], critical: set[str]) -> str:
    """Return the ranges of WARNING and CRITICAL, each where the condition that it stands for is asked for."""
    return ";".join(text if limited and condition in names else "" for names in (warning, critical))


def _print_state(state: int, text: str, performance: str, result: CheckResult | None = None) -> int:
    # A bar would begin the performance data; the line goes to a server, and from there to people by mail.
    text = without_passwords(" ".join(text.split())).replace("|", "/")
    line = f"FINGERPRINT {_STATES[state]} - {aimed(text)}"
    write_data(f"{line} | {performance}" if performance else line)
    if result is not None and result.changed:
        write(f"changed: {', '.join(result.changed)}")
    if result is not None and result.forecast is not None:
        write(f"next check of the agent: {' '.join(result.forecast.text.split()).replace('|', '/')}")
    return state
