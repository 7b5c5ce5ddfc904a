"""The one cause that sums an explanation up, and what it leaves out."""

from __future__ import annotations

import pytest

from fingerprint.explanation.causes import Cause
from fingerprint.explanation.composition import Composition, PrimitiveCause
from fingerprint.explanation.history import History, Identity
from fingerprint.explanation.primitives import TITLES
from fingerprint.explanation.summary import Summary, sum_up

CLONE = History("clone", "a copy of it runs", ("the disks are the same", "the board is another"))
BY_STABLE = {Identity.SAME: "the same hardware", Identity.ANOTHER: "other hardware"}
# What each start and each network change. The others are lasting changes of the machine.
MINOR = ("reboot", "link-times", "device-names", "address", "kernel", "text-noise", "made-address", "bond-fail-over")


def primitive(
    name: str, *attributes: str, certain: bool = True, evidence: tuple[str, ...] = ("a fact",)
) -> PrimitiveCause:
    return PrimitiveCause(name, TITLES[name], attributes, evidence, certain)


def composition(
    *causes: PrimitiveCause,
    unexplained: tuple[str, ...] = (),
    identity: Identity = Identity.UNDECIDABLE,
    history: History | None = None,
) -> Composition:
    return Composition(causes, unexplained, identity, "", history)


def attribute(name: str, state: str, text: str) -> Cause:
    return Cause(name, state, "a", "b", text, certain=False)


def test_history_comes_before_all_causes() -> None:
    board = primitive("main-board", "a")
    found = sum_up(False, "different", composition(board, history=CLONE), ())
    assert found == Summary(CLONE.title, CLONE.evidence, (board,))


@pytest.mark.parametrize("certain", [True, False])
def test_the_evidence_of_the_first_cause_leaves_out_its_title(certain: bool) -> None:
    title = TITLES["firmware"]
    first = primitive("firmware", "a", certain=certain, evidence=(f"{title}: 1.0 -> 1.1", "another fact"))
    rest = primitive("kernel", "b")
    text = title if certain else f"{title} [inferred]"
    assert sum_up(False, "different", composition(first, rest), ()) == Summary(
        text, ("1.0 -> 1.1", "another fact"), (rest,)
    )


@pytest.mark.parametrize("name", TITLES)
@pytest.mark.parametrize("match", [True, False])
@pytest.mark.parametrize(("explained", "unexplained"), [(1, 2), (1, 1), (2, 1), (2, 2), (2, 3), (1, 0)])
def test_only_a_lasting_change_explains_more_than_it_touches(
    name: str, match: bool, explained: int, unexplained: int
) -> None:
    """What each start or network changes is no cause of a mismatch that has more differences than it explains."""
    cause = primitive(name, *"ab"[:explained])
    left = tuple("xyz"[:unexplained])
    found = sum_up(match, "same" if match else "different", composition(cause, unexplained=left), ())
    if not match and name in MINOR and unexplained > explained:
        assert found == Summary(f"not known for {', '.join(left)}", (), (cause,))
    else:
        assert found == Summary(TITLES[name], ("a fact",), ())


def test_one_lasting_change_among_minor_ones_is_a_cause() -> None:
    causes = (primitive("firmware", "a"), primitive("reboot", "a"))
    found = sum_up(False, "different", composition(*causes, unexplained=("x", "y", "z")), ())
    assert found.text == TITLES["firmware"]


def test_an_attribute_of_two_causes_is_explained_once() -> None:
    causes = (primitive("reboot", "a"), primitive("kernel", "a"))
    found = sum_up(False, "different", composition(*causes, unexplained=("x", "y")), ())
    assert found == Summary("not known for x, y", (), causes)


def test_a_minor_history_is_never_unknown() -> None:
    made = composition(primitive("reboot", "a"), unexplained=("x", "y"), history=CLONE)
    assert sum_up(False, "different", made, ()).text == CLONE.title


def test_without_a_primitive_cause_the_first_attribute_stands() -> None:
    attributes = (
        attribute("a", "same", ""), attribute("b", "empty", "both empty"), attribute("c", "changed", ""),
        attribute("d", "unknown", "could not be read"), attribute("e", "changed", "another value"),
    )  # fmt: skip
    assert sum_up(False, "different", composition(), attributes) == Summary("d: could not be read")
    assert sum_up(False, "different", composition(), attributes[-1:]) == Summary("e: another value")


@pytest.mark.parametrize("identity", [Identity.SAME, Identity.ANOTHER, Identity.UNDECIDABLE])
@pytest.mark.parametrize("outcome", ["same", "different", "cannot-tell"])
def test_without_a_difference_there_is_no_cause(identity: Identity, outcome: str) -> None:
    attributes = (attribute("a", "same", ""), attribute("b", "empty", "both empty"))
    assert sum_up(outcome == "same", outcome, composition(identity=identity), attributes) == Summary("")


@pytest.mark.parametrize("identity", [Identity.SAME, Identity.ANOTHER, Identity.UNDECIDABLE])
@pytest.mark.parametrize("outcome", ["same", "different", "cannot-tell"])
def test_the_hardware_is_named_where_it_contradicts_the_rules(identity: Identity, outcome: str) -> None:
    made = composition(primitive("address", "a"), identity=identity)
    agrees = {("same", Identity.SAME), ("different", Identity.ANOTHER), ("cannot-tell", Identity.ANOTHER)}
    said = identity != Identity.UNDECIDABLE and (outcome, identity) not in agrees
    text = f"{BY_STABLE[identity]} by scheme stable: {TITLES['address']}" if said else TITLES["address"]
    assert sum_up(outcome == "same", outcome, made, ()) == Summary(text, ("a fact",), ())
