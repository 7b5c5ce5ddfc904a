"""HardwareHash and the native comparison."""

from __future__ import annotations

import itertools
import pickle
import threading

import pytest

from fingerprint import _core, match
from fingerprint._core import HardwareHash, decide
from textbook import SSM_KEYS, percent
from textbook import decide as slow_decide

BASE = {key: f"value of {key}" for key in SSM_KEYS}
THRESHOLDS = (-1, *range(102))


def changed(names: tuple[str, ...]) -> dict[str, str]:
    return {key: value + "!" if key in names else value for key, value in BASE.items()}


def test_the_native_core_is_compiled() -> None:
    """The package has no implementation of the rules in Python, so the tests run the native one."""
    assert not _core.__file__.endswith(".py")


def test_every_set_of_changes_agrees_with_the_textbook() -> None:
    """2^9 sets of changes x 103 thresholds against the slow rule, with equal and with different sets of keys."""
    cases = 0
    saved = HardwareHash(BASE)
    for size in range(len(SSM_KEYS) + 1):
        for names in itertools.combinations(SSM_KEYS, size):
            attributes = changed(names)
            current = HardwareHash(attributes)
            # An additional key of the saved hash changes no answer; it tests the code for different sets of keys.
            wider = HardwareHash({**BASE, "only saved": "x"})
            for threshold in THRESHOLDS:
                _, reason, matched, total = slow_decide(BASE, attributes, threshold)
                assert decide(saved, current, threshold) == (_code(reason), matched, total)
                assert decide(wider, current, threshold) == (_code(reason), matched, total)
                assert match(saved, current, threshold).match == slow_decide(BASE, attributes, threshold)[0]
                cases += 1
    assert cases == 2**9 * 103


REASONS = ("DISABLED", "NOTHING_TO_COMPARE", "SID_DIFFERS", "SAME_IP", "SIMILAR", "NOT_SIMILAR")


def _code(reason: str) -> int:
    return REASONS.index(reason)


def _says(saved: HardwareHash, current: HardwareHash, threshold: int, sid_key: str) -> str:
    return REASONS[decide(saved, current, threshold, sid_key)[0]]


@pytest.mark.parametrize(("matched", "total", "threshold"), [(53, 100, 53), (59, 100, 59), (118, 200, 59)])
def test_single_precision_rejects_where_exact_would_accept(matched: int, total: int, threshold: int) -> None:
    assert not _core.passes(matched, total, threshold)


def test_single_precision_accepts_where_double_would_reject() -> None:
    assert 29 / 50 * 100 < 58
    assert _core.passes(29, 50, 58)


def test_percentages_equal_the_textbook_for_all_counts_up_to_300() -> None:
    for total in range(1, 301):
        for matched in range(total + 1):
            assert _core.percent(matched, total) == percent(matched, total)


@pytest.mark.parametrize("sid_key", ["machine-id", "uuid"])
def test_the_sid_key_decides_and_the_other_key_is_an_attribute(sid_key: str) -> None:
    other = {"machine-id": "uuid", "uuid": "machine-id"}[sid_key]
    saved = HardwareHash({sid_key: "a", other: "b", "ipaddress-info": "1"})
    assert _says(saved, HardwareHash({sid_key: "a", other: "x", "ipaddress-info": "1"}), 100, sid_key) == "SAME_IP"
    assert _says(saved, HardwareHash({sid_key: "x", other: "b", "ipaddress-info": "1"}), 1, sid_key) == "SID_DIFFERS"


def test_an_unknown_sid_key_is_an_error() -> None:
    with pytest.raises(ValueError, match="machine-id"):
        decide(HardwareHash({"a": "1"}), HardwareHash({"a": "1"}), 1, "machineid")


def test_values_longer_than_a_slot_are_compared_to_their_end() -> None:
    """47 bytes fit into a slot; values that differ only after them, or begin alike, still differ."""
    for length in (38, 39, 40, 46, 47, 48, 49, 500):
        one = {"machine-id": "m", "ipaddress-info": "1", "k": "v" * length + "a"}
        two = {"machine-id": "m", "ipaddress-info": "2", "k": "v" * length + "b"}
        same = {**one, "ipaddress-info": "2"}
        assert decide(HardwareHash(one), HardwareHash(two), 40)[1] == 1
        assert decide(HardwareHash(one), HardwareHash(same), 40)[1] == 2


def test_a_value_padded_with_zero_bytes_is_another_value() -> None:
    one = {"machine-id": "m", "ipaddress-info": "1", "k": "v"}
    two = {"machine-id": "m", "ipaddress-info": "2", "k": "v\0"}
    assert decide(HardwareHash(one), HardwareHash(two), 40)[1] == 1


def test_the_total_counts_the_keys_of_the_current_hash() -> None:
    saved = HardwareHash({"machine-id": "m", "ipaddress-info": "1", "a": "1", "only saved": "x"})
    current = HardwareHash({"machine-id": "m", "ipaddress-info": "2", "a": "1", "only current": "x"})
    assert decide(saved, current, 50) == (4, 2, 4)


def test_a_missing_sid_or_ip_reads_as_empty() -> None:
    assert decide(HardwareHash({"a": "1"}), HardwareHash({"machine-id": "", "a": "2"}), 100)[0] == 3


def test_a_hardware_hash_is_immutable_and_in_bytewise_order() -> None:
    attributes = {"b": "2", "a": "1", "é": "3", "Z": "4"}
    packed = HardwareHash(attributes)
    assert list(packed) == sorted(attributes, key=str.encode)
    assert dict(packed) == dict(packed.items()) == attributes
    assert (packed["a"], packed.get("none"), packed.get("none", "x"), len(packed)) == ("1", None, "x", 4)
    assert "a" in packed
    assert "none" not in packed
    with pytest.raises(KeyError):
        packed["none"]
    with pytest.raises(AttributeError):
        packed.a = 1  # type: ignore[attr-defined]


def test_equal_hashes_compare_hash_and_pickle_as_equal() -> None:
    one, two = HardwareHash({"a": "1", "b": "2"}), HardwareHash({"b": "2", "a": "1"})
    assert one == two
    assert hash(one) == hash(two)
    assert pickle.loads(pickle.dumps(one)) == one
    assert one != HardwareHash({"a": "1"})
    assert one != {"a": "1", "b": "2"}


def test_the_repr_of_a_hardware_hash_has_no_values() -> None:
    assert "secret" not in repr(HardwareHash({"machine-id": "secret"}))


@pytest.mark.parametrize("bad", [{"a": 1}, {1: "a"}, {"a": None}, {"a": b"x"}])
def test_other_types_than_str_are_rejected(bad: dict[object, object]) -> None:
    with pytest.raises(TypeError, match="str"):
        HardwareHash(bad)  # type: ignore[arg-type]


@pytest.mark.parametrize("bad", [{"a": "\ud800"}, {"\udfff": "a"}])
def test_lone_surrogates_are_rejected(bad: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="UTF-8"):
        HardwareHash(bad)


def test_thresholds_beyond_64_bits_are_rejected() -> None:
    with pytest.raises(OverflowError):
        decide(HardwareHash({"a": "1"}), HardwareHash({"a": "1"}), 2**63)


@pytest.mark.parametrize("foreign", [None, {"a": "1"}, "a"])
def test_other_values_than_a_hardware_hash_are_rejected(foreign: object) -> None:
    packed = HardwareHash({"a": "1"})
    for pair in ((packed, foreign), (foreign, packed)):
        with pytest.raises(TypeError, match=r"HardwareHash|None"):
            decide(*pair, 40)  # type: ignore[arg-type]


def test_more_key_sets_than_are_kept_stay_correct() -> None:
    """The table of key sets is limited; hashes from before and after it is cleared still compare."""
    first = HardwareHash({"machine-id": "m", "ipaddress-info": "1", "k": "v"})
    for number in range(600):
        HardwareHash({f"key {number}": ""})
    second = HardwareHash({"machine-id": "m", "ipaddress-info": "2", "k": "v"})
    assert decide(first, second, 40) == (4, 2, 3)


def test_eight_threads_over_the_same_hashes_get_one_answer() -> None:
    """Threads make, drop and compare hashes at the same time, with more sets of keys than the table has."""
    saved = [HardwareHash({**BASE, "disk-info": str(n % 7)}) for n in range(2000)]
    current = [HardwareHash({**BASE, "ipaddress-info": "x", "disk-info": str(n % 5)}) for n in range(2000)]

    def work() -> list[tuple[int, int, int]]:
        found = []
        for number, pair in enumerate(zip(saved, current, strict=True)):
            HardwareHash({f"key {number}": ""})
            found.append(decide(*pair, 88))
        return found

    expected = work()
    answers: list[list[tuple[int, int, int]]] = []
    threads = [threading.Thread(target=lambda: answers.append(work())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [expected] * 8
