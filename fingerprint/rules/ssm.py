"""Scheme `ssm`: decide whether a machine matches its record. Pure functions: no I/O, no clock, no log.

The rules are those of the reference, in its order and in its single precision; the native code has the arithmetic.
Beside the compatible result a `Verdict` has the amount of evidence for it.
"""

from __future__ import annotations

from fingerprint._core import HardwareHash, decide, passes, percent
from fingerprint.attributes.machine_id import is_shared
from fingerprint.smbios.no_table import DMI, is_silent
from fingerprint.types import AttributeRow, Reason, Verdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

MACHINE_ID = "machine-id"
UUID = "uuid"
IP = "ipaddress-info"

THRESHOLD_DISABLED = -1
THRESHOLD_DEFAULT = 40

_REASONS = tuple(Reason.members())
MATCHES = (Reason.DISABLED, Reason.SAME_IP, Reason.SIMILAR)


def match(
    saved: Mapping[str, str] | HardwareHash | None,
    current: Mapping[str, str] | HardwareHash | None,
    threshold: int,
    *,
    sid_key: str = MACHINE_ID,
    unreadable: Collection[str] = (),
    silent: Collection[str] | None = None,
    stopped: Collection[str] = (),
) -> Verdict:
    """Decide whether two hardware hashes are of one machine.

    Args:
        saved: the hash of the vault; None (JSON `null`) is an empty hash.
        current: the hash of the machine now.
        threshold: similarity threshold; -1 disables the check.
        sid_key: key of the hardware ID: "machine-id" (Unix) or "uuid" (Windows).
        unreadable: names whose current value is unknown, not absent (denied or failed). The reference compares them
            as "", and so do these rules, but a mismatch that they could turn into a match is not conclusive.
        silent: names whose current value does not depend on the machine (`Collection.silent`): the rules count it, but
            it is no evidence. None if unknown; then only the digests in `smbios.no_table` are not evidence.
        stopped: names whose value is not text, so that the agent's collection fails (`Collection.stops_agent`). The
            agent then applies no rule, so the verdict is neither a match nor conclusive.

    Raises:
        ValueError: the SID key is neither "machine-id" nor "uuid", or a value is not valid UTF-8.
        TypeError: a key or value is not a str.
    """
    old = _packed(saved)
    new = _packed(current)
    code, matched, total = decide(old, new, threshold, sid_key)
    reason = _REASONS[code]
    rows = _rows(old, new, unreadable, silent)
    effective = [row for row in rows if row.evidence]
    return Verdict(
        match=reason in MATCHES and not stopped,
        reason=reason,
        matched=matched,
        total=total,
        percent=percent(matched, total),
        threshold=threshold,
        sid_key=sid_key,
        effective=len(effective),
        effective_matched=sum(row.same for row in effective),
        vacuous=_is_vacuous(rows, old, new, threshold, sid_key),
        highest_passing_threshold=_highest_passing(old, new, matched, total, sid_key),
        conclusive=not stopped and (reason in MATCHES or not _could_match(old, new, threshold, sid_key, unreadable)),
        rows=rows,
    )


def _packed(attributes: Mapping[str, str] | HardwareHash | None) -> HardwareHash:
    if isinstance(attributes, HardwareHash):
        return attributes
    return HardwareHash(attributes or {})


def _rows(
    saved: HardwareHash, current: HardwareHash, unreadable: Collection[str], silent: Collection[str] | None
) -> tuple[AttributeRow, ...]:
    rows = []
    for name, value in current.items():
        old = saved.get(name)
        evidence = bool(old and value) and not _is_no_evidence(name, old, value, silent)
        rows.append(AttributeRow(name, old, value, old == value, evidence, name in unreadable))
    for name, old in saved.items():
        if name not in current:
            rows.append(AttributeRow(name, old, None, False, False, name in unreadable))
    return tuple(rows)


def _is_no_evidence(name: str, saved: str | None, current: str, silent: Collection[str] | None) -> bool:
    """Return whether one of two values does not depend on the machine: output without hardware, or a shared ID."""
    if name == MACHINE_ID:
        return is_shared(current) or (saved != current and is_shared(saved or ""))
    if name not in DMI:
        return False
    if silent is not None and name in silent:
        return True
    if silent is not None and saved == current:
        return False
    return is_silent(saved or "") or (silent is None and is_silent(current))


def _highest_passing(saved: HardwareHash, current: HardwareHash, matched: int, total: int, sid_key: str) -> int | None:
    """Return the highest of 1..100 that passes with these hashes, None if only -1 passes."""
    if not saved or not current or saved.get(sid_key, "") != current.get(sid_key, ""):
        return None
    if saved.get(IP, "") == current.get(IP, ""):
        return 100
    for threshold in range(min(100, int(percent(matched, total)) + 1), 0, -1):
        if passes(matched, total, threshold):
            return threshold
    return None


def _is_vacuous(
    rows: tuple[AttributeRow, ...], saved: HardwareHash, current: HardwareHash, threshold: int, sid_key: str
) -> bool:
    """Return whether the check is weak: only another SID could cause a mismatch.

    It is weak if it is disabled, if the IP is empty on both sides (then rule 4 always applies), or if the SID and the
    equal values without evidence (empty on both sides, or the same output without hardware) reach the threshold alone.
    """
    if threshold == THRESHOLD_DISABLED:
        return True
    if not saved or not current:
        return False
    if not saved.get(IP, "") and not current.get(IP, ""):
        return True
    certain = sum(1 for row in rows if row.name == sid_key or (row.same and not row.evidence))
    return passes(certain, len(current), threshold)


def _could_match(
    saved: HardwareHash, current: HardwareHash, threshold: int, sid_key: str, unreadable: Collection[str]
) -> bool:
    """Return whether a mismatch would be a match if each unreadable attribute had its saved value."""
    if not unreadable:
        return False
    best = {name: saved.get(name, value) if name in unreadable else value for name, value in current.items()}
    return _REASONS[decide(saved, HardwareHash(best), threshold, sid_key)[0]] in MATCHES


def in_words(verdict: Verdict) -> str:
    """Return the rule that decided, with its figures, in one line."""
    reason = verdict.reason
    score = f"{verdict.matched} of {verdict.total} attributes match, {verdict.percent:.1f} %"
    if reason == Reason.DISABLED:
        return "rule 1: the check is disabled (threshold -1)"
    if reason == Reason.NOTHING_TO_COMPARE:
        return "rule 2: the saved or the current hardware hash is empty"
    if reason == Reason.SID_DIFFERS:
        return f"rule 3: the hardware ID ({verdict.sid_key}) differs"
    if reason == Reason.SAME_IP:
        return "rule 4: same hardware ID and same IP address"
    if reason == Reason.SIMILAR:
        return f"rule 5: {score}, at least the threshold {verdict.threshold}"
    return f"rule 5: {score}, less than the threshold {verdict.threshold}"


def threshold_in_words(threshold: int) -> str:
    """Return what a threshold requires of nine attributes once the IP address has changed."""
    if threshold == THRESHOLD_DISABLED:
        return "the check is disabled"
    needed = next((k for k in range(10) if 100 * k >= threshold * 9), 10)
    if needed <= 1:
        return "the hardware ID alone decides"
    if needed >= 9:
        return "the IP address must not change"
    return f"with another IP address, {needed} of 9 attributes must match, including the hardware ID"
