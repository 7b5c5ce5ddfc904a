"""What a verdict says beside the match: the highest threshold, evidence, weak checks and the rule in words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprint import Reason, match
from fingerprint._core import md5_base64
from fingerprint.rules.ssm import in_words
from textbook import SSM_KEYS

BASE = {key: f"value of {key}" for key in SSM_KEYS}
MOVED = {**BASE, "ipaddress-info": "new"}
NO_TABLE = md5_base64(b"# No SMBIOS nor DMI entry point found, sorry.\n")
HASHES = st.dictionaries(st.sampled_from(SSM_KEYS[:6]), st.sampled_from(["", "a", "b"]), max_size=6)


@given(HASHES, HASHES)
def test_the_highest_passing_threshold_passes_and_no_higher_one(saved: dict[str, str], now: dict[str, str]) -> None:
    passing = [threshold for threshold in range(1, 101) if match(saved, now, threshold)]
    assert match(saved, now, 40).highest_passing_threshold == max(passing, default=None)


@pytest.mark.parametrize(
    ("now", "highest"),
    [
        (BASE, 100),
        (MOVED, 88),
        ({key: BASE[key] for key in SSM_KEYS if key != "ipaddress-info"}, 100),
        ({**BASE, "machine-id": "new"}, None),
        ({}, None),
    ],
)
def test_the_highest_passing_threshold_of_each_rule(now: dict[str, str], highest: int | None) -> None:
    assert match(BASE, now, 40).highest_passing_threshold == highest


@pytest.mark.parametrize(
    ("saved", "now", "silent", "evidence"),
    [
        ("a", "a", None, True),
        (NO_TABLE, NO_TABLE, None, False),
        ("a", NO_TABLE, None, False),
        (NO_TABLE, "a", None, False),
        # A reading that knows which values say nothing is believed about the value that it read.
        ("a", "a", (), True),
        ("a", "a", ("bios-hash",), False),
        ("a", "a", ("cpu-hash",), True),
        (NO_TABLE, NO_TABLE, (), True),
        ("a", NO_TABLE, (), True),
        (NO_TABLE, "a", (), False),
    ],
)
def test_a_value_without_hardware_is_no_evidence(
    saved: str, now: str, silent: tuple[str, ...] | None, evidence: bool
) -> None:
    verdict = match({**BASE, "bios-hash": saved}, {**BASE, "bios-hash": now}, 40, silent=silent)
    rows = {row.name: row.evidence for row in verdict.rows}
    assert rows == {**dict.fromkeys(SSM_KEYS, True), "bios-hash": evidence}


@pytest.mark.parametrize(("saved", "now"), [({}, BASE), (BASE, {}), ({}, {})])
def test_a_check_of_nothing_is_not_weak_unless_it_is_disabled(saved: dict[str, str], now: dict[str, str]) -> None:
    """It rejects every machine."""
    assert not match(saved, now, 40).vacuous
    assert match(saved, now, -1).vacuous


@pytest.mark.parametrize(
    ("now", "threshold", "reason", "words"),
    [
        (BASE, -1, Reason.DISABLED, ["rule 1", "-1"]),
        ({}, 40, Reason.NOTHING_TO_COMPARE, ["rule 2"]),
        ({**BASE, "machine-id": "new"}, 40, Reason.SID_DIFFERS, ["rule 3", "machine-id"]),
        (BASE, 40, Reason.SAME_IP, ["rule 4"]),
        (MOVED, 41, Reason.SIMILAR, ["rule 5", "8 of 9", "88.9 %", "41"]),
        (MOVED, 91, Reason.NOT_SIMILAR, ["rule 5", "8 of 9", "88.9 %", "91"]),
    ],
)
def test_the_rule_in_words_has_its_number_and_figures(
    now: dict[str, str], threshold: int, reason: Reason, words: list[str]
) -> None:
    verdict = match(BASE, now, threshold)
    assert verdict.reason is reason
    assert [word for word in words if word not in in_words(verdict)] == []
