"""Restore a record, or keep the fingerprint of a machine that was changed on purpose (rebaseline).

Both weaken the detection of clones, so both start with a plan, which can be shown; another hardware ID is refused
unless the caller accepts it by name.
"""

from __future__ import annotations

from fingerprint.agent.outlook import agent_outlook
from fingerprint.collectors import collect
from fingerprint.errors import CollectError, Refused, UsageError, VaultCorrupt, VaultError, VaultMissing, VaultUnsafe
from fingerprint.gate import keep_evidence, record_rest, require_recipe
from fingerprint.machine.live import LiveMachine
from fingerprint.machine.recorder import Recorder
from fingerprint.rules.ssm import match
from fingerprint.types import FingerprintRecord, Value
from fingerprint.vault import FINGERPRINT_KEY, REGISTRATION_KEY
from fingerprint.vault.history import LIST_ENTRIES
from fingerprint.vault.journal import LAST_WRITTEN
from fingerprint.vault.records import decode_fingerprint, decode_registration, encode_fingerprint
from fingerprint.vault.regeneration import other_sid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.machine.base import Machine
    from fingerprint.types import Collection, Outlook, Verdict
    from fingerprint.vault import Vault


class Plan(Value):
    """What a recovery would write.

    Attributes:
        key: the key of the vault.
        data: the bytes to write.
        there: the bytes that lie in Store, None if there are none.
        before: the record that is there, None if it is missing, corrupt, or another key's.
        after: the record that would be there, None for another key's.
        why: the reason, for the history and the audit log.
        other_sid: whether the hardware ID of the record is not that of the machine.
        verdict: the machine as it is now by the record that would be there; None for another key's.
        outlook: what the agent does with the machine by that record; None for another key's.
        unreadable: the attributes that could not be read for it.
        unstorable: those of them with which no hardware hash can be stored: the agent may read another value.
        nodes: the node id at the time of the copy and the present one, where they differ.
        sources: what the new hash was made from; None where it is an old one.
    """

    _hidden = ("data", "there", "nodes", "sources")
    key: str
    data: bytes
    there: bytes | None
    before: FingerprintRecord | None
    after: FingerprintRecord | None
    why: str
    other_sid: bool = False
    verdict: Verdict | None = None
    outlook: Outlook | None = None
    unreadable: tuple[str, ...] = ()
    unstorable: tuple[str, ...] = ()
    nodes: tuple[str, str] | None = None
    sources: Recorder | None = None


def plan_restore(
    vault: Vault,
    number: int,
    machine: Machine | None = None,
    *,
    key: str = "",
    rebaseline: bool = False,
    of_agent: bool = True,
    timeout: float | None = None,
) -> Plan:
    """Plan to write a record of the history back.

    Args:
        vault: the vault.
        number: the entry; 0 is a record as it was written last.
        machine: the machine that the record is compared with; None for this one.
        key: the key; "" for that of the entry, and for number 0 the fingerprint's.
        rebaseline: with the hardware hash of the machine as it is now.
        of_agent: whether the agent uses the vault; else our own client, which reads what was read here.
        timeout: seconds for each command of a collection; None for the platform's usual one.

    Raises:
        UsageError: the entry is another key's, or a registration is to get a hardware hash.
        Refused: number 0 without a key while only the registration is damaged; for a rebaseline, attributes could
            not be read, or the record is cleared.
        VaultMissing: there is no such entry.
        VaultCorrupt: the entry does not hold a record that could be used.
        VaultDenied, VaultUnreadable, VaultUnsafe: what is there could not be read, and must not be replaced.
        CollectError: the machine's hardware ID could not be read.
    """
    if number == LAST_WRITTEN:
        if not key:
            _refuse_if_only_the_registration_is_damaged(vault)
        key = key or FINGERPRINT_KEY
        data = _written_last(vault, key)
    else:
        found, data = vault.history.entry(number)
        if key and key != found:
            raise UsageError(
                f"entry {number} holds {found}, not {key}", where=vault.history.path, remedy=LIST_ENTRIES
            )  # fmt: skip
        key = found
    if rebaseline and key != FINGERPRINT_KEY:
        raise UsageError(f"--rebaseline requires a fingerprint record, and the entry holds {key}", remedy=LIST_ENTRIES)
    why = f"restored entry {number}" if number else "restored what was written last"
    try:
        if key == REGISTRATION_KEY:
            node = decode_registration(data, _entry(vault, number)).instance_id
            return Plan(key, data, vault.replaceable(key), None, None, why, nodes=_other_nodes(vault, node))
        if key != FINGERPRINT_KEY:
            raise VaultCorrupt(f"the entry holds {key}, which is not a record", where=_entry(vault, number))
        record = decode_fingerprint(data, _entry(vault, number))
    except VaultCorrupt as error:
        error.remedy = f"Nothing was written. Choose another entry. {LIST_ENTRIES}"
        raise
    nodes = _other_nodes(vault, _node_at(vault, number))
    there, before = vault.replaceable(key), _present(vault)
    if rebaseline:
        try:
            recorder, collection = _collected(vault, machine, timeout, record)
        except CollectError as error:
            # The restore itself is certain, and it works without a rebaseline.
            raise Refused(error.what, where=error.where, remedy=error.remedy) from None
        after = record.replace(hardware_hash=collection.hardware_hash)
        data, why = encode_fingerprint(after, data), f"{why}, with the present hardware hash"
        plan = Plan(key, data, there, before, after, why, nodes=nodes, sources=recorder)
        return _compared(plan, record, collection, of_agent)
    collection = collect(machine, timeout=timeout)
    sid = collection[collection.sid_key]
    if record.hardware_hash is not None and sid.only_here:
        raise CollectError(
            f"the hardware ID could not be read ({sid.reason})", where=sid.source, remedy=collection.remedy
        )
    return _compared(Plan(key, data, there, before, record, why, nodes=nodes), record, collection, of_agent)


def plan_rebaseline(
    vault: Vault, machine: Machine | None = None, *, of_agent: bool = True, timeout: float | None = None
) -> Plan:
    """Plan to keep the fingerprint and the threshold, and to take the machine as it is now.

    Raises:
        VaultError: the vault could not be read.
        Refused: the record is cleared.
        CollectError: an attribute could not be read of which the agent may read a value.
    """
    before = vault.read()
    recorder, collection = _collected(vault, machine, timeout, before)
    after = before.replace(hardware_hash=collection.hardware_hash)
    there = vault.raw(FINGERPRINT_KEY)
    plan = Plan(
        FINGERPRINT_KEY, encode_fingerprint(after, there or b""), there, before, after,
        "rebaseline, fingerprint kept", sources=recorder,
    )  # fmt: skip
    return _compared(plan, before, collection, of_agent)


def _compared(plan: Plan, saved: FingerprintRecord, collection: Collection, of_agent: bool) -> Plan:
    """Return a plan with what the machine is by its record, and by the saved one that its fingerprint came with."""
    after = plan.after or saved
    verdict = match(
        after.hardware_hash, collection.hardware_hash, after.threshold, sid_key=collection.sid_key,
        unreadable=collection.unreadable, silent=collection.silent,
    )  # fmt: skip
    return plan.replace(
        other_sid=other_sid(saved.hardware_hash, collection), verdict=verdict,
        outlook=agent_outlook(verdict, collection, of_agent=of_agent), unreadable=collection.unreadable,
        unstorable=_unstorable(collection),
    )  # fmt: skip


def _unstorable(collection: Collection) -> tuple[str, ...]:
    """Return the attributes that keep a hardware hash from being stored: the agent may not read "" there."""
    return tuple(one for one in collection.unreadable if one in (*collection.only_here, *collection.stops_agent))


def _collected(
    vault: Vault, machine: Machine | None, timeout: float | None, record: FingerprintRecord
) -> tuple[Recorder, Collection]:
    """Return the machine as it is now, for a record that keeps its fingerprint, and what it was read from."""
    if not record.fingerprint:
        raise Refused(
            "there is no fingerprint to keep: the record is cleared", where=vault.path, remedy=LIST_ENTRIES
        )  # fmt: skip
    machine = machine or LiveMachine()
    machine.require_fresh()
    recorder = Recorder(machine)
    collection = collect(recorder, timeout=timeout)
    require_recipe(collection)
    record_rest(recorder, timeout)
    unstorable = _unstorable(collection)
    if unstorable:
        raise CollectError(
            f"could not be read: {', '.join(unstorable)}",
            where=vault.path,
            remedy="Nothing was written: the values would be stored as empty. "
            f"{_and(collection.remedy)}See why with: fingerprint show",
        )
    return recorder, collection


def carry_out(vault: Vault, plan: Plan, *, accept_new_sid: bool = False) -> None:
    """Write what was planned; the replaced record is kept in the history.

    Raises:
        Refused: the hardware ID differs and was not accepted, or the record changed since the plan.
        VaultError: the vault could not be read or written.
    """
    if plan.other_sid and not accept_new_sid:
        raise Refused(
            "the hardware ID of the record is not that of this host",
            where=vault.path,
            remedy="Nothing was written. If this is the machine it belongs to, add --accept-new-sid",
        )
    with vault.edit() as edit:
        if vault.raw(plan.key) != plan.there:
            raise Refused("the record changed meanwhile", where=vault.path, remedy="Nothing was written. Retry")
        if plan.sources is not None and plan.after is not None:
            keep_evidence(vault, plan.after, plan.sources, why=plan.why, present=plan.before)
        edit.force(plan.key, plan.data, why=plan.why)


def _entry(vault: Vault, number: int) -> str:
    return f"{vault.history.path}, entry {number}"


def _written_last(vault: Vault, key: str) -> bytes:
    copies = vault.history.copies(key)
    if not copies:
        raise VaultMissing(f"the journal holds no {key}", where=vault.history.path, remedy=LIST_ENTRIES)
    return copies[0][2]


def _refuse_if_only_the_registration_is_damaged(vault: Vault) -> None:
    """Raise Refused where a restore of the fingerprint, which is intact, would not fix the registration."""
    try:
        vault.read()
        vault.read_registration()
    except VaultCorrupt as error:
        if error.where != vault.data_path(REGISTRATION_KEY):
            return
        raise Refused(
            f"{REGISTRATION_KEY} is damaged, and {FINGERPRINT_KEY} is intact", where=error.where,
            remedy=f"{error.remedy}. To restore the fingerprint nevertheless, add: --key fingerprint",
        ) from None  # fmt: skip
    except VaultError:
        return


def _and(remedy: str) -> str:
    return f"{remedy}. " if remedy else ""


def _present(vault: Vault) -> FingerprintRecord | None:
    """Return the record that a restore replaces, None if there is none or it cannot be used."""
    try:
        return vault.read()
    except (VaultMissing, VaultCorrupt, VaultUnsafe):
        # A restore fixes these. Unsafe is here only a manifest entry that leads elsewhere: the files were read before.
        return None


def _node_at(vault: Vault, number: int) -> str:
    """Return the node id of the registration at the time of a fingerprint's entry, "" if that is not known."""
    changes = [change for change in vault.history.changes() if change.key == FINGERPRINT_KEY]
    entry = next((change for change in reversed(changes) if number in (LAST_WRITTEN, change.number)), None)
    if entry is None or entry.node is not None:
        return "" if entry is None else entry.node or ""
    data = vault.history.state_at(REGISTRATION_KEY, entry.number)
    try:
        return decode_registration(data or b"", "").instance_id
    except VaultCorrupt:
        return ""


def _other_nodes(vault: Vault, then: str) -> tuple[str, str] | None:
    """Return a node id of the history and the present one if both are known and differ."""
    try:
        now = vault.read_registration().instance_id
    except VaultError:
        return None
    return (then, now) if then and now and then != now else None
