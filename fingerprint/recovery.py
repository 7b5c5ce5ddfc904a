"""Bringing a record back, or holding an old fingerprint to a machine that was changed on purpose.

Both weaken the guard against clones, so both are plans first: what they would do can be shown, and
another hardware ID is refused unless it is accepted by name.
"""

from __future__ import annotations

from fingerprint.collect import collect
from fingerprint.collect.machine import LiveMachine
from fingerprint.collect.recorder import Recorder
from fingerprint.engine import keep_evidence, record_rest
from fingerprint.errors import CollectError, Refused, VaultCorrupt, VaultMissing
from fingerprint.model import FingerprintRecord, HardwareHash, Value
from fingerprint.rights import unread_remedy
from fingerprint.vault import FINGERPRINT_KEY, REGISTRATION_KEY
from fingerprint.vault.records import decode_fingerprint, decode_registration, encode_fingerprint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.collect.machine import Machine
    from fingerprint.vault import Vault


class Plan(Value):
    """What a recovery would write.

    Attributes:
        key: the key of the vault.
        data: the bytes to write.
        before: the record that is there, None if it is missing, corrupt, or another key's.
        after: the record that would be there, None for another key's.
        why: the reason, for the history and the audit log.
        other_sid: whether the hardware ID of the record is not that of the machine.
        sources: what the new hash was made from; None where it is an old one.
    """

    __slots__ = ("key", "data", "before", "after", "why", "other_sid", "sources")
    _hidden = ("data", "sources")
    key: str
    data: bytes
    before: FingerprintRecord | None
    after: FingerprintRecord | None
    why: str
    other_sid: bool
    sources: Recorder | None

    def __init__(
        self,
        key: str,
        data: bytes,
        before: FingerprintRecord | None,
        after: FingerprintRecord | None,
        why: str,
        other_sid: bool,
        sources: Recorder | None = None,
    ) -> None:
        self._set(
            key=key, data=data, before=before, after=after, why=why, other_sid=other_sid, sources=sources
        )  # fmt: skip


def plan_restore(vault: Vault, number: int, machine: Machine | None = None, *, timeout: float | None = None) -> Plan:
    """Plan to write a record of the history back; number 0 is the fingerprint record as it was written last.

    Raises:
        VaultMissing: there is no such entry.
        VaultCorrupt: the entry does not hold a record that could be used.
        CollectError: the machine's hardware ID could not be read.
    """
    key, data = vault.history.entry(number, FINGERPRINT_KEY)
    where = f"{vault.history.path}, entry {number}"
    why = f"restored entry {number}" if number else "restored what was written last"
    if key == REGISTRATION_KEY:
        decode_registration(data, where)
        return Plan(key, data, None, None, why, False)
    if key != FINGERPRINT_KEY:
        raise VaultCorrupt(f"the entry holds {key}, which makes itself anew", where=where, remedy="Choose another")
    record = decode_fingerprint(data, where)
    other = record.hardware_hash is not None and _sid(record.hardware_hash, machine, timeout)
    return Plan(key, data, _present(vault), record, why, other)


def plan_rebaseline(vault: Vault, machine: Machine | None = None, *, timeout: float | None = None) -> Plan:
    """Plan to keep the fingerprint and the threshold, and to take the machine as it is now.

    Raises:
        VaultError: the vault could not be read.
        CollectError: an attribute could not be read; it would be stored as empty.
    """
    before = vault.read()
    if not before.fingerprint:
        raise Refused("there is no fingerprint to keep", where=vault.path, remedy="Make one with: fingerprint init")
    recorder = Recorder(machine or LiveMachine())
    collection = collect(recorder, timeout=timeout)
    record_rest(recorder, timeout)
    if collection.unreadable:
        raise CollectError(
            f"could not be read: {', '.join(collection.unreadable)}",
            where=vault.path,
            remedy=f"Nothing was written. {unread_remedy(collection)}",
        )
    after = before.replace(hardware_hash=collection.hardware_hash)
    sid_key = collection.sid_key
    other = before.hardware_hash is not None and before.hardware_hash.get(sid_key, "") != collection[sid_key].value
    return Plan(
        FINGERPRINT_KEY, encode_fingerprint(after), before, after, "rebaseline, fingerprint kept", other, recorder
    )


def carry_out(vault: Vault, plan: Plan, *, accept_new_sid: bool = False) -> None:
    """Do what was planned; what is replaced goes to the history.

    Raises:
        Refused: the hardware ID differs and was not accepted, or the record changed since the plan.
        VaultError: the vault could not be read or written.
    """
    if plan.other_sid and not accept_new_sid:
        raise Refused(
            "the hardware ID of the record is not that of this machine",
            where=vault.path,
            remedy="Nothing was written. If this is the machine it belongs to, add --accept-new-sid",
        )
    with vault.edit() as edit:
        if plan.key == FINGERPRINT_KEY and _present(vault) != plan.before:
            raise Refused("the record changed meanwhile", where=vault.path, remedy="Nothing was written. Look again")
        if plan.sources is not None and plan.after is not None:
            keep_evidence(vault, plan.after, plan.sources, why=plan.why, present=plan.before)
        edit.force(plan.key, plan.data, why=plan.why)


def _present(vault: Vault) -> FingerprintRecord | None:
    try:
        return vault.read()
    except (VaultMissing, VaultCorrupt):
        # That is what a restore is for; what cannot be read must not be replaced.
        return None


def _sid(saved: HardwareHash, machine: Machine | None, timeout: float | None) -> bool:
    """Return whether the machine's hardware ID differs from the saved one."""
    collection = collect(machine, timeout=timeout)
    sid = collection[collection.sid_key]
    if sid.unreadable:
        raise CollectError(
            f"the hardware ID could not be read ({sid.reason})", where=sid.source, remedy=unread_remedy((sid,))
        )
    return saved.get(collection.sid_key, "") != sid.value
