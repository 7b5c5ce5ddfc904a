"""Property tests of the comparison against the slow textbook rule."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

import textbook
from fingerprint import match
from fingerprint._core import HardwareHash, decide

STRINGS = st.text(st.characters(exclude_categories=["Cs"]), max_size=4) | st.sampled_from(
    ["", "a", "x" * 46, "x" * 47, "x" * 48, "x" * 47 + "y"]
)
NAMES = st.sampled_from(["machine-id", "uuid", "ipaddress-info", "a", "b", "c", "é", "z" * 60]) | STRINGS
HASHES = st.dictionaries(NAMES, STRINGS, max_size=12)
THRESHOLD = st.integers(-3, 103) | st.integers(-(2**63), 2**63 - 1)
SID_KEYS = st.sampled_from(["machine-id", "uuid"])


@given(HASHES, HASHES, THRESHOLD, SID_KEYS)
@settings(max_examples=500)
def test_the_engine_gives_the_answer_of_the_textbook(
    saved: dict[str, str], current: dict[str, str], threshold: int, sid_key: str
) -> None:
    expected = textbook.decide(saved, current, threshold, sid_key)
    old, new = HardwareHash(saved), HardwareHash(current)
    verdict = match(saved, current, threshold, sid_key=sid_key)
    assert (verdict.match, verdict.reason, verdict.matched, verdict.total) == expected
    reason = list(type(verdict.reason).members()).index(verdict.reason)
    assert decide(old, new, threshold, sid_key) == (reason, *expected[2:])


@given(HASHES, HASHES, st.integers(1, 100), SID_KEYS)
def test_the_highest_passing_threshold_is_the_last_that_passes(
    saved: dict[str, str], current: dict[str, str], threshold: int, sid_key: str
) -> None:
    highest = match(saved, current, threshold, sid_key=sid_key).highest_passing_threshold
    passing = [t for t in range(1, 101) if textbook.decide(saved, current, t, sid_key)[0]]
    assert highest == (max(passing) if passing else None)


@given(HASHES, HASHES, st.integers(-1, 101), SID_KEYS, st.sets(NAMES))
def test_a_mismatch_is_conclusive_if_no_unread_value_changes_it(
    saved: dict[str, str], current: dict[str, str], threshold: int, sid_key: str, unreadable: set[str]
) -> None:
    verdict = match(saved, current, threshold, sid_key=sid_key, unreadable=unreadable)
    best = {name: saved.get(name, value) if name in unreadable else value for name, value in current.items()}
    could = textbook.decide(saved, best, threshold, sid_key)[0]
    assert verdict.conclusive == (verdict.match or not could)
