"""Values of the order of credential sources: a source with its state, a finding, and the order of one user."""

from __future__ import annotations

from fingerprint.types import Value, Vocabulary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import ClassVar

SHARED_FILE, CONFIG_FILE, ENVIRONMENT, CONTAINER = "shared-file", "config-file", "environment", "container"
# Variables of a process that is not this one. What is said of the others holds where these are not set.
_OF_ENVIRONMENT = (ENVIRONMENT, CONTAINER)


class State(Vocabulary):
    """The state of a source."""

    PRESENT: ClassVar[State]
    INCOMPLETE: ClassVar[State]
    ABSENT: ClassVar[State]
    UNREADABLE: ClassVar[State]
    NOT_CHECKED: ClassVar[State]
    ERROR: ClassVar[State]


State.define(
    PRESENT="present", INCOMPLETE="incomplete", ABSENT="absent", UNREADABLE="unreadable", NOT_CHECKED="not-checked",
    ERROR="error",
)  # fmt: skip


class Source(Value):
    """One source of credentials.

    Attributes:
        name: such as "environment", "shared-file", "instance-profile"; docs/credentials-order.md lists them.
        where: its variables, or its file and profile.
        state: whether it has credentials. ERROR: a program stops there, although later sources may have some.
        reason: why it is not present, or what was not verified; "" without a reason.
        shadowed_by: name of the source that wins over it; "" for none.
    """

    name: str
    where: str
    state: State
    reason: str = ""
    shadowed_by: str = ""


class Finding(Value):
    """A fault of a source.

    Attributes:
        kind: such as "profile-missing"; docs/credentials-order.md lists them.
        what: what is wrong.
        where: the file or variable.
        remedy: what to do.
    """

    kind: str
    what: str
    where: str
    remedy: str


class Order(Value):
    """The sources of one user or of the agent, the first to win first.

    Attributes:
        user: name of the user.
        reader: whose order it is, such as "botocore 1.44.8"; "" if no SDK could be asked.
        sources: all of them, in order; empty if the order is unknown or the configuration cannot be read.
        winner: name of the source that wins; "" if none does or the winner is unknown. If the environment was not
            checked, it wins in processes without variables of AWS in their environment.
        undecided: why the winner is unknown; "" if it is known.
        stopped_by: name of the source whose error ends the search ("configuration": before the first one), so that
            no source is used; "" without one.
        findings: the faults.
    """

    user: str
    reader: str
    sources: tuple[Source, ...]
    winner: str
    undecided: str
    stopped_by: str
    findings: tuple[Finding, ...]


def ranked(
    user: str, reader: str, sources: list[Source], findings: list[Finding], *, stopped_by: str = ""
) -> Order:  # fmt: skip
    """Return the order of sources that are in order: the first one that is present wins."""
    winner = undecided = ""
    shown = []
    for source in sources:
        unclear = source.state is State.UNREADABLE or (
            source.state is State.NOT_CHECKED and source.name not in _OF_ENVIRONMENT
        )
        if winner or undecided or stopped_by:
            pass
        elif source.state is State.PRESENT:
            winner = source.name
        elif source.state is State.ERROR:
            stopped_by = source.name
        elif unclear:
            undecided = f"{source.name}: {source.reason}"
        shadowed = winner if source.state is State.PRESENT and source.name != winner else ""
        shown.append(Source(source.name, source.where, source.state, source.reason, shadowed))
    return Order(user, reader, tuple(shown), winner, undecided, stopped_by, tuple(findings))
