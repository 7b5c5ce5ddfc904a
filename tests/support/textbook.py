"""Reference implementation of the rules, simple rather than fast, to verify the native core."""

from __future__ import annotations

import struct
from collections.abc import Mapping

IP = "ipaddress-info"
SSM_KEYS = (
    "machine-id",
    "processor-hash",
    "memory-hash",
    "bios-hash",
    "system-hash",
    "hostname-info",
    "ipaddress-info",
    "macaddr-info",
    "disk-info",
)


def single(number: float) -> float:
    """Round to IEEE single precision."""
    return struct.unpack("<f", struct.pack("<f", number))[0]


def percent(matched: int, total: int) -> float:
    return single(single(single(matched) / single(total)) * 100)


def decide(
    saved: Mapping[str, str] | None, current: Mapping[str, str] | None, threshold: int, sid_key: str = "machine-id"
) -> tuple[bool, str, int, int]:
    """Return (match, reason, matched, total)."""
    saved, current = saved or {}, current or {}
    total = len(current)
    matched = 0
    for key in current:
        if key in saved and saved[key] == current[key]:
            matched += 1
    if threshold == -1:
        return True, "DISABLED", matched, total
    if not saved or not current:
        return False, "NOTHING_TO_COMPARE", matched, total
    if saved.get(sid_key, "") != current.get(sid_key, ""):
        return False, "SID_DIFFERS", matched, total
    if saved.get(IP, "") == current.get(IP, ""):
        return True, "SAME_IP", matched, total
    if percent(matched, total) < single(threshold):
        return False, "NOT_SIMILAR", matched, total
    return True, "SIMILAR", matched, total
