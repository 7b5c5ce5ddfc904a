"""Findings of checks, and the diagnosis that consists of them."""

from __future__ import annotations

from fingerprint.types import Value, Vocabulary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import ClassVar


# Tag of a check that a copied disk does not answer.
NOT_ON_DISK = "not-on-disk"
# Tag of the check `guard` on a machine without SMBIOS hardware; its first evidence says what the agent compares there.
LIMITED = "limited"
# Tag of the check `guard-run` where the agent does not run because of it.
BLOCKED = "blocked"
# Reason of the checks that apply to an installed agent only.
NOT_INSTALLED = "the agent is not installed"
# Tags of the check `collector`, by which the cause of a wait is named.
RECIPE_CHANGED, IDS_MOVED, NO_WMIC, WMI_BROKEN = "recipe-changed", "type-ids-moved", "no-wmic", "wmi-broken"

# A step of a conclusion whose head says the same.
DO_NOT_RESTART = ("Do not restart the agent: it would store a new fingerprint", "")


class Outcome(Vocabulary):
    """PASS: correct; WARN: works, but may fail later; FAIL: wrong; SKIPPED: does not apply, or is unknown."""

    PASS: ClassVar[Outcome]
    WARN: ClassVar[Outcome]
    FAIL: ClassVar[Outcome]
    SKIPPED: ClassVar[Outcome]


Outcome.define(PASS="pass", WARN="warn", FAIL="fail", SKIPPED="skipped")


class Finding(Value):
    """What one check found.

    Attributes:
        outcome: pass, warn, fail or skipped.
        text: the finding in one sentence without a full stop; for a skipped check the reason.
        evidence: the facts behind it.
        remedy: what to do; "" for nothing.
        command: the command that does it; "" for none.
        undetermined: for a skipped check: whether it applies but could not be answered.
        tag: a word for the conclusion, such as "differs"; "" for none.
    """

    outcome: Outcome
    text: str
    evidence: tuple[str, ...] = ()
    remedy: str = ""
    command: str = ""
    undetermined: bool = False
    tag: str = ""


def passed(text: str, *evidence: str) -> Finding:
    """Return that something is correct."""
    return Finding(Outcome.PASS, text, evidence)


def warned(text: str, *evidence: str, remedy: str = "", command: str = "", tag: str = "") -> Finding:
    """Return that something works but may fail later."""
    return Finding(Outcome.WARN, text, evidence, remedy, command, tag=tag)


def failed(text: str, *evidence: str, remedy: str = "", command: str = "", tag: str = "") -> Finding:
    """Return that something is wrong."""
    return Finding(Outcome.FAIL, text, evidence, remedy, command, tag=tag)


def skipped(reason: str, *evidence: str) -> Finding:
    """Return that a check does not apply here."""
    return Finding(Outcome.SKIPPED, reason, evidence)


def not_on_disk(reason: str, *evidence: str) -> Finding:
    """Return that a copied disk does not hold the answer."""
    return Finding(Outcome.SKIPPED, reason, evidence, tag=NOT_ON_DISK)


def unknown(reason: str, *evidence: str, remedy: str = "", command: str = "") -> Finding:
    """Return that a check applies but cannot be answered."""
    return Finding(Outcome.SKIPPED, reason, evidence, remedy, command, undetermined=True)


class Result(Value):
    """The finding of one check, with its name, its title and the seconds that it took."""

    name: str
    title: str
    finding: Finding
    seconds: float


class Conclusion(Value):
    """The conclusion from the findings.

    Attributes:
        state: "healthy", "warnings", "hibernating", "will-hibernate", "not-running", "not-registered", "broken" or
            "cannot-tell".
        text: one sentence: the state, since when, why, and what to do.
        since: RFC 3339; "" if unknown or without a begin.
        because: name of the check with the cause, "" for none.
        steps: (text, command) of each step, in order.
        head: the state and since when, without a full stop.
        cause: of the state, without a full stop; "" for none.
        evidence: of the cause: the log with the time of its line, or what the check found; "" for none.
    """

    state: str
    text: str
    since: str
    because: str
    steps: tuple[tuple[str, str], ...]
    head: str
    cause: str = ""
    evidence: str = ""

    @property
    def first_step(self) -> tuple[tuple[str, str], ...]:
        """The first step that the head does not say; () without any."""
        return tuple(step for step in self.steps if step != DO_NOT_RESTART)[:1]


class Diagnosis(Value):
    """The conclusion and the results of the checks, in their order.

    Attributes:
        conclusion: the conclusion from the results.
        results: one for each check that ran.
        warnings: limits of the run itself.
    """

    conclusion: Conclusion
    results: tuple[Result, ...]
    warnings: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Finding:
        """Return the finding of a check. Raises KeyError for one that did not run."""
        for result in self.results:
            if result.name == name:
                return result.finding
        raise KeyError(name)

    @property
    def failed(self) -> bool:
        """Whether a check failed."""
        return any(result.finding.outcome == Outcome.FAIL for result in self.results)

    @property
    def undetermined(self) -> bool:
        """Whether a check that applies could not be answered."""
        return any(result.finding.undetermined for result in self.results)
