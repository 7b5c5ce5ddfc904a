"""What a check gives, and what a diagnosis is made of."""

from __future__ import annotations

from fingerprint.types import Value, Vocabulary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import ClassVar


# The tag of what a copied disk does not tell.
UNTOLD = "untold"
# Tags of the check `collector`, by which the cause of a wait is named.
RECIPE_CHANGED, IDS_MOVED, NO_WMIC = "recipe-changed", "type-ids-moved", "no-wmic"


class Outcome(Vocabulary):
    """PASS: as it should be; WARN: it works, and may not for long; FAIL: it is wrong; SKIPPED: see the reason."""

    PASS: ClassVar[Outcome]
    WARN: ClassVar[Outcome]
    FAIL: ClassVar[Outcome]
    SKIPPED: ClassVar[Outcome]


Outcome.define(PASS="pass", WARN="warn", FAIL="fail", SKIPPED="skipped")


class Finding(Value):
    """What one check found.

    Attributes:
        outcome: pass, warn, fail or skipped.
        text: what was found, in one sentence without a full stop; of a skipped check the reason.
        evidence: what it was found from, one fact each.
        remedy: what to do; "" where there is nothing to do.
        command: the command that does it; "" where there is none to type.
        undetermined: of a skipped check: whether it should have been answered and could not be.
        tag: a word for the conclusion, such as "differs"; "" where the outcome says it all.
    """

    outcome: Outcome
    text: str
    evidence: tuple[str, ...] = ()
    remedy: str = ""
    command: str = ""
    undetermined: bool = False
    tag: str = ""


def passed(text: str, *evidence: str) -> Finding:
    """Return that something is as it should be."""
    return Finding(Outcome.PASS, text, evidence)


def warned(text: str, *evidence: str, remedy: str = "", command: str = "", tag: str = "") -> Finding:
    """Return that something works, and may not for long."""
    return Finding(Outcome.WARN, text, evidence, remedy, command, tag=tag)


def failed(text: str, *evidence: str, remedy: str = "", command: str = "", tag: str = "") -> Finding:
    """Return that something is wrong."""
    return Finding(Outcome.FAIL, text, evidence, remedy, command, tag=tag)


def skipped(reason: str, *evidence: str) -> Finding:
    """Return that a question does not arise here."""
    return Finding(Outcome.SKIPPED, reason, evidence)


def untold(reason: str, *evidence: str) -> Finding:
    """Return that a copied disk does not tell something, whoever asks it."""
    return Finding(Outcome.SKIPPED, reason, evidence, tag=UNTOLD)


def unknown(reason: str, *evidence: str, remedy: str = "", command: str = "") -> Finding:
    """Return that a question arises, and cannot be answered."""
    return Finding(Outcome.SKIPPED, reason, evidence, remedy, command, undetermined=True)


class Result(Value):
    """The finding of one check, with its name, its title and the seconds that it took."""

    name: str
    title: str
    finding: Finding
    seconds: float


class Conclusion(Value):
    """What the checks amount to.

    Attributes:
        state: "healthy", "warnings", "hibernating", "will-hibernate", "not-running", "not-registered", "broken" or
            "cannot-tell".
        text: one sentence for people: the state, since when, why, and what to do.
        since: RFC 3339; "" if it is not known or nothing began.
        because: name of the check that tells the cause, "" without one.
        steps: (text, command) of what to do, in order.
    """

    state: str
    text: str
    since: str
    because: str
    steps: tuple[tuple[str, str], ...]


class Diagnosis(Value):
    """The conclusion, and the results that it was drawn from, in the order of the checks.

    Attributes:
        conclusion: what follows from the results.
        results: one of each check.
        warnings: what limited the run itself.
    """

    conclusion: Conclusion
    results: tuple[Result, ...]
    warnings: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Finding:
        """Return the finding of a check. Raises KeyError for one that was not made."""
        for result in self.results:
            if result.name == name:
                return result.finding
        raise KeyError(name)

    @property
    def failed(self) -> bool:
        """Whether something is wrong."""
        return any(result.finding.outcome == Outcome.FAIL for result in self.results)

    @property
    def undetermined(self) -> bool:
        """Whether a question that arises could not be answered."""
        return any(result.finding.undetermined for result in self.results)
