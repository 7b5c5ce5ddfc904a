"""The verdict: the compatible result and the evidence for it."""

from __future__ import annotations

import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

import textbook
from fingerprint import Reason, match
from fingerprint._io.text import masked
from shared import VECTORS, needs_vectors
from textbook import SSM_KEYS

BASE = {key: f"value of {key}" for key in SSM_KEYS}
# A machine without dmidecode and without listed disks: five of nine values are empty.
BARE = {key: "" if key.endswith("-hash") or key == "disk-info" else f"value of {key}" for key in SSM_KEYS}


def test_a_verdict_has_score_rule_and_passing_thresholds() -> None:
    verdict = match(BASE, {**BASE, "ipaddress-info": "new", "disk-info": "new"}, 40)
    assert verdict.match
    assert verdict.reason is Reason.SIMILAR
    assert (verdict.matched, verdict.total, verdict.highest_passing_threshold) == (7, 9, 77)
    assert round(verdict.percent, 4) == 77.7778


@pytest.mark.parametrize(("equal", "highest"), [(1, 11), (2, 22), (3, 33), (4, 44), (5, 55), (6, 66), (7, 77), (8, 88)])
def test_each_count_of_matches_has_its_highest_passing_threshold(equal: int, highest: int) -> None:
    keys = ["machine-id", *[key for key in SSM_KEYS if key not in ("machine-id", "ipaddress-info")]][:equal]
    current = {key: BASE[key] if key in keys else "new" for key in SSM_KEYS}
    assert match(BASE, current, 40).highest_passing_threshold == highest


def test_rows_have_the_compared_values_and_the_evidence() -> None:
    verdict = match({**BARE, "gone": "x"}, {**BARE, "ipaddress-info": "new"}, 40)
    rows = {row.name: row for row in verdict.rows}
    assert rows["machine-id"].same
    assert rows["machine-id"].evidence
    assert rows["bios-hash"].same
    assert not rows["bios-hash"].evidence
    assert rows["gone"].current is None
    assert (verdict.effective, verdict.effective_matched) == (4, 3)


def test_empty_values_on_both_sides_make_the_check_weak() -> None:
    assert match(BARE, BARE, 40).vacuous
    assert match(BARE, BARE, 66).vacuous
    assert not match(BARE, BARE, 67).vacuous
    assert not match(BASE, BASE, 40).vacuous


def test_thresholds_that_the_hardware_id_reaches_alone_are_weak() -> None:
    assert match(BASE, BASE, 11).vacuous
    assert match(BASE, BASE, 0).vacuous
    assert not match(BASE, BASE, 12).vacuous


def test_a_disabled_check_or_two_missing_ips_are_weak() -> None:
    assert match(BASE, BASE, -1).vacuous
    no_ip = {**BASE, "ipaddress-info": ""}
    assert match(no_ip, no_ip, 100).vacuous


def test_a_mismatch_that_unread_values_could_turn_is_open() -> None:
    current = {key: BASE[key] if key in ("machine-id", "hostname-info", "macaddr-info") else "" for key in SSM_KEYS}
    current["ipaddress-info"] = "new"
    denied = [key for key in SSM_KEYS if key.endswith("-hash")]
    verdict = match(BASE, current, 40, unreadable=denied)
    assert not verdict.match
    assert not verdict.conclusive
    assert match(BASE, current, 40).conclusive


def test_an_unreadable_hardware_id_is_never_another_machine() -> None:
    assert not match(BASE, {**BASE, "machine-id": ""}, 40, unreadable=["machine-id"]).conclusive


def test_a_match_is_conclusive_with_unreadable_attributes() -> None:
    assert match(BASE, BASE, 40, unreadable=list(SSM_KEYS)).conclusive


@pytest.mark.parametrize("nothing", [None, {}])
def test_nothing_to_compare_matches_only_with_a_disabled_check(nothing: dict[str, str] | None) -> None:
    assert match(nothing, BASE, 0).reason is Reason.NOTHING_TO_COMPARE
    assert match(BASE, nothing, 0).reason is Reason.NOTHING_TO_COMPARE
    assert match(nothing, nothing, -1).reason is Reason.DISABLED


def test_a_verdict_is_immutable_pickles_and_hides_its_values() -> None:
    verdict = match(BASE, BASE, 40)
    assert pickle.loads(pickle.dumps(verdict)) == verdict
    assert "value of machine-id" not in repr(verdict)
    with pytest.raises(AttributeError):
        verdict.match = False  # type: ignore[misc]


def test_reasons_are_the_words_of_the_documentation() -> None:
    words = ["DISABLED", "NOTHING_TO_COMPARE", "SID_DIFFERS", "SAME_IP", "SIMILAR", "NOT_SIMILAR"]
    assert [str(reason) for reason in Reason.members()] == words
    assert Reason("SAME_IP") is Reason.SAME_IP
    with pytest.raises(ValueError, match="not one of"):
        Reason("MAYBE")


@pytest.mark.parametrize(("text", "shown"), [("", ""), ("short", "s…"), ("3d1219c7c4c5fda4\n", "3d12…fda4")])
def test_masked_values_stay_distinguishable(text: str, shown: str) -> None:
    assert masked(text) == shown


@needs_vectors
def test_the_298_recorded_comparisons() -> None:
    cases = json.loads((VECTORS / "compare.json").read_text())
    assert [match(c["saved"], c["current"], c["threshold"]).match for c in cases] == [c["similar"] for c in cases]
    assert len(cases) == 298


@needs_vectors
def test_the_recorded_single_precision_boundaries() -> None:
    cases = json.loads((VECTORS / "compare_extra.json").read_text())
    for case in cases:
        saved = {f"k{n}": "same" for n in range(case["n"])}
        current = {f"k{n}": "same" if n < case["m"] else "new" for n in range(case["n"])}
        saved["ipaddress-info"] = "1"
        current["ipaddress-info"] = "2"
        # The IP is one of the keys, so it replaces one changed attribute.
        del saved[f"k{case['n'] - 1}"], current[f"k{case['n'] - 1}"]
        assert match(saved, current, case["threshold"]).match == case["similar"], case
    assert len(cases) == 9


@needs_vectors
@pytest.mark.parametrize(("name", "count"), [("match_dev", 5000), ("match_float_edge", 491)])
def test_the_recorded_matches(name: str, count: int) -> None:
    words = {"disabled": "DISABLED", "empty": "NOTHING_TO_COMPARE", "sid": "SID_DIFFERS", "ip": "SAME_IP"}
    with open(VECTORS / "match" / f"{name}.jsonl", encoding="utf-8") as lines:
        cases = [json.loads(line) for line in lines]
    for case in cases:
        expect = case["expect"]
        verdict = match(case["saved"], case["current"], case["threshold"], sid_key=case["sid_key"])
        similar = "SIMILAR" if expect["verdict"] else "NOT_SIMILAR"
        assert (verdict.match, verdict.reason) == (expect["verdict"], words.get(expect["branch"], similar)), case["id"]
        if expect["branch"] == "similarity":
            assert (verdict.matched, verdict.total) == (expect["matched"], expect["total"])
        reference = textbook.decide(case["saved"], case["current"], case["threshold"], case["sid_key"])
        assert reference[:2] == (verdict.match, verdict.reason)
    assert len(cases) == count


@given(st.dictionaries(st.sampled_from(["machine-id", "ipaddress-info", "cpu-hash"]), st.sampled_from(["", "a", "b"])),
       st.dictionaries(st.sampled_from(["machine-id", "ipaddress-info", "cpu-hash"]), st.sampled_from(["", "a", "b"])),
       st.sampled_from([-1, 0, 1, 40, 100]))  # fmt: skip
def test_a_verdict_is_true_exactly_when_it_matches(saved: dict[str, str], now: dict[str, str], threshold: int) -> None:
    verdict = match(saved, now, threshold)
    assert bool(verdict) is verdict.match
    assert bool(verdict) is (verdict.reason in (Reason.DISABLED, Reason.SAME_IP, Reason.SIMILAR))


def test_changed_lists_compared_readable_attributes_that_differ() -> None:
    now = {**BASE, "bios-hash": "other", "disk-info": "", "hostname-info": "other"}
    del now["memory-hash"]
    verdict = match(BASE, now, 40, unreadable=["disk-info"])
    assert verdict.changed == ("bios-hash", "hostname-info")
    assert match(BASE, BASE, 40).changed == ()
