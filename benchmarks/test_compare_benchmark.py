"""One comparison, as `match` makes it, against the plain-Python rule. Batches: test_matchlines_benchmark.py, fleet/."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fingerprint._core import HardwareHash, decide

KEYS = ("processor-hash", "memory-hash", "bios-hash", "system-hash", "disk-info")
SAVED = {
    "machine-id": "3d1219c7c4c5404aaa1f6d2a48adfda4\n",
    "hostname-info": "web-7.example.internal",
    "ipaddress-info": "10.0.0.7",
    "macaddr-info": "02:00:00:00:00:07",
    **{key: f"{key[:8]:=<22}==" for key in KEYS},
}
# Equal values are other objects, as they are when they come from two sources; the IP differs, so all
# five rules are asked.
CURRENT = {key: (value + " ")[:-1] for key, value in SAVED.items()} | {"ipaddress-info": "10.0.0.8"}


def plain_rule(saved: dict[str, str], current: dict[str, str], threshold: int, sid_key: str = "machine-id") -> bool:
    """The rules in plain Python, as fast as they can be written (exact arithmetic)."""
    if threshold == -1:
        return True
    if not saved or not current:
        return False
    if saved.get(sid_key, "") != current.get(sid_key, ""):
        return False
    if saved.get("ipaddress-info", "") == current.get("ipaddress-info", ""):
        return True
    matched = 0
    for key, value in current.items():
        if saved.get(key) == value:
            matched += 1
    return matched * 100 >= threshold * len(current)


# The harness itself costs more than one comparison, so both sides are asked a thousand times a round.
TIMES = (None,) * 1000


def ask(rule: Callable[[Any, Any, int], Any], saved: Any, current: Any) -> Any:
    same = None
    for _ in TIMES:
        same = rule(saved, current, 40)
    return same


def test_packed_hashes(claim: Callable[..., Any]) -> None:
    saved, current = HardwareHash(SAVED), HardwareHash(CURRENT)
    assert claim("1,000 single comparisons, packed hashes", "ours", target=15)(ask, decide, saved, current)


def test_packed_hashes_peer(claim: Callable[..., Any]) -> None:
    assert claim("1,000 single comparisons, packed hashes", "peer")(ask, plain_rule, SAVED, CURRENT)


def packed(saved: dict[str, str], current: dict[str, str], threshold: int) -> tuple[int, int, int]:
    return decide(HardwareHash(saved), HardwareHash(current), threshold)


def test_two_dictionaries(claim: Callable[..., Any]) -> None:
    """A record is read once and compared once: both hashes are packed first."""
    assert claim("1,000 single comparisons, packing included", "ours", target=2.5)(ask, packed, SAVED, CURRENT)


def test_two_dictionaries_peer(claim: Callable[..., Any]) -> None:
    assert claim("1,000 single comparisons, packing included", "peer")(ask, plain_rule, SAVED, CURRENT)
