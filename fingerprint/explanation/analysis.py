"""What the comparison of one attribute's sources shows: its text, and the primitive causes that it speaks for."""

from __future__ import annotations

from fingerprint.types import Value


class Sign(Value):
    """One primitive cause that an attribute speaks for.

    Attributes:
        cause: its name in `explanation.primitives`.
        text: the evidence.
        certain: whether recorded sources prove it; False for an inference.
    """

    cause: str
    text: str
    certain: bool = True


class Analysis(Value):
    """Why one attribute differs.

    Attributes:
        text: for users.
        certain: whether recorded sources prove it; False for an inference.
        facts: keys for tests and events.
        signs: the primitive causes; () if none is known.
    """

    text: str
    certain: bool
    facts: tuple[str, ...] = ()
    signs: tuple[Sign, ...] = ()


def of(cause: str, text: str, *facts: str, certain: bool = True) -> Analysis:
    """Return the analysis of an attribute with one cause, whose evidence is the text."""
    return Analysis(text, certain, facts, (Sign(cause, text, certain),))
