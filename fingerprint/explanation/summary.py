"""Sum an explanation up in one cause: what explains the differences best."""

from __future__ import annotations

from fingerprint.explanation.primitives import OF_A_START
from fingerprint.types import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.explanation.causes import Cause
    from fingerprint.explanation.composition import Composition, PrimitiveCause

# Causes of each start and each network, which rarely make a mismatch alone.
_MINOR = frozenset((*OF_A_START, "address", "kernel", "text-noise", "made-address", "bond-fail-over"))
# Said where scheme `stable` has another outcome than the rules.
_HARDWARE = {"same": "the same hardware", "another": "other hardware"}


class Summary(Value):
    """What explains the differences best.

    Attributes:
        text: the cause, without a full stop; "" without a difference.
        evidence: of the cause.
        others: the primitive causes that it leaves out.
    """

    text: str
    evidence: tuple[str, ...] = ()
    others: tuple[PrimitiveCause, ...] = ()


def sum_up(match: bool, outcome: str, composition: Composition, attributes: tuple[Cause, ...]) -> Summary:
    """Return the summary of an explanation.

    Args:
        match: the verdict of the rules.
        outcome: "same", "different" or "cannot-tell", as in `Explanation`.
        composition: the primitive causes.
        attributes: one cause for each attribute; the first that changed stands where no primitive cause does.
    """
    found = _first(match, composition, attributes)
    identity = str(composition.identity)
    if not found.text or identity not in _HARDWARE or (identity == "same") == (outcome == "same"):
        return found
    return found.replace(text=f"{_HARDWARE[identity]} by scheme stable: {found.text}")


def _first(match: bool, composition: Composition, attributes: tuple[Cause, ...]) -> Summary:
    history, made = composition.history, composition.causes
    if history is not None:
        return Summary(history.title, history.evidence, made)
    if made and not match and _is_unexplained(composition):
        return Summary(f"not known for {', '.join(composition.unexplained)}", (), made)
    if made:
        first = made[0]
        evidence = tuple(text.removeprefix(f"{first.title}: ") for text in first.evidence)
        return Summary(f"{first.title}{'' if first.certain else ' [inferred]'}", evidence, made[1:])
    changed = next((one for one in attributes if one.state in ("changed", "unknown") and one.text), None)
    return Summary(f"{changed.name}: {changed.text}" if changed is not None else "")


def _is_unexplained(composition: Composition) -> bool:
    """Return whether there are causes of each start and each network only, and more than they explain."""
    explained = {name for cause in composition.causes for name in cause.attributes}
    return all(cause.name in _MINOR for cause in composition.causes) and len(composition.unexplained) > len(explained)
