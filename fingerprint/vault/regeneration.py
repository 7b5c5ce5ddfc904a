"""Decide whether the fingerprint of a vault was replaced since the registration, so that the service rejects it.

The journal decides: the change with which the present fingerprint came, the fingerprint before it, and whether the
machine became another node since. A new key alone proves nothing: keys are rotated.
"""

from __future__ import annotations

import os

from fingerprint._io.times import utc
from fingerprint.errors import VaultCorrupt, VaultError
from fingerprint.types import FingerprintRecord, Value
from fingerprint.vault.history import MISMATCH, REGISTERED
from fingerprint.vault.journal import FOUND, copies_of
from fingerprint.vault.records import FINGERPRINT_KEY, REGISTRATION_KEY, decode_fingerprint, decode_registration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from fingerprint.types import Collection, HardwareHash, RegistrationRecord
    from fingerprint.vault.journal import Change
    from fingerprint.vault.vault import Vault

# Of one registration: key, record and registration file are written within this time, a mismatch of 15 s included.
_SAME_TIME_SECONDS = 120
_RECOVERIES = ("restored", "rebaseline")
US, ANOTHER_PROGRAM = "us", "another program"
# What to do about a replaced fingerprint where the journal holds none that helps.
NO_COPY_LEFT = "Restore the vault from a backup of before, or register the machine again"


class State(Value):
    """The state of a record: whether its fingerprint was replaced, and what helps.

    Attributes:
        regenerated: whether its fingerprint replaced the one that the service knows.
        at: when, RFC 3339; "" if that is not known or did not happen.
        by: "us" or "another program"; "" if it did not happen.
        restorable: number of the history's entry with the record from before, None without one.
        evidence_at: when what was kept for the record was taken; "" if nothing is.
        uncertain: why it is not known whether it was replaced; "" if it is.
        restored_at: when the present fingerprint was brought back or taken over to the machine as it is; "" if
            that is not how the record was written last.
        prior_hash: the hardware hash of the restorable record.
    """

    _hidden = ("prior_hash",)
    regenerated: bool = False
    at: str = ""
    by: str = ""
    restorable: int | None = None
    evidence_at: str = ""
    uncertain: str = ""
    restored_at: str = ""
    prior_hash: HardwareHash | None = None


class Journal:
    """The changes of a vault's journal, each record decoded once: they are asked for many fingerprints.

    Raises:
        VaultError: the journal could not be read.
    """

    def __init__(self, vault: Vault) -> None:
        self.vault = vault
        self.changes = vault.history.changes()
        self.of_record = [change for change in self.changes if change.key == FINGERPRINT_KEY]
        self.registrations = [change for change in self.changes if change.key == REGISTRATION_KEY]
        self._read: dict[tuple[str, bytes], str] = {}
        self._states: dict[str, State] = {}

    def fingerprint(self, data: bytes | None) -> str:
        """Return the fingerprint of a record, "" for none."""
        return self._once(FINGERPRINT_KEY, data, lambda text: decode_fingerprint(text, "").fingerprint)

    def having(self, fingerprint: str) -> list[Change]:
        """Return the changes of the record from or to a fingerprint."""
        return [
            change for change in self.of_record
            if fingerprint in (self.fingerprint(change.before), self.fingerprint(change.after))
        ]  # fmt: skip

    def node(self, data: bytes | None) -> str:
        """Return the node's id of a registration, "" for none."""
        return self._once(REGISTRATION_KEY, data, lambda text: decode_registration(text, "").instance_id)

    def _once(self, key: str, data: bytes | None, read: Callable[[bytes], str]) -> str:
        if data is None:
            return ""
        if (key, data) not in self._read:
            try:
                self._read[key, data] = read(data)
            except VaultCorrupt:
                self._read[key, data] = ""
        return self._read[key, data]

    def state(self, fingerprint: str) -> State:
        """Return what became of a fingerprint, as `replacement`."""
        chain: list[str] = []
        while fingerprint not in self._states and fingerprint not in chain:
            chain.append(fingerprint)
            fingerprint = _prior(self, fingerprint)[1] or fingerprint
        # Each needs the state of the one that it replaced.
        for one in reversed(chain):
            self._states[one] = _state(self, one)
        return self._states[chain[0] if chain else fingerprint]


def is_of_another_node(journal: Journal, fingerprint: str) -> bool | None:
    """Return whether the journal knows a fingerprint as another node's only; None if it is not known.

    Raises:
        VaultError: the registration could not be read.
    """
    registration = _registration(journal.vault)
    node = registration.instance_id if registration else ""
    then = _node_with(journal, fingerprint)
    if not node or not then:
        return None
    if node == then:
        return False
    # A fingerprint stays with the machine when it registers again, so it may be that of each later node.
    seen = any(node in (change.node, _node_of(journal, change)) for change in journal.changes)
    return None if seen else True


def _node_of(journal: Journal, change: Change) -> str:
    return journal.node(change.after) if change.key == REGISTRATION_KEY else ""


def of_another_sid(state: State, collection: Collection) -> bool:
    """Return whether the restorable record is of another hardware ID than the machine has now."""
    return other_sid(state.prior_hash, collection)


def other_sid(saved: HardwareHash | None, collection: Collection) -> bool:
    """Return whether a saved hash is of another hardware ID than the machine has now; False without a hash."""
    name = collection.sid_key
    return saved is not None and saved.get(name, "") != collection[name].value


def rebaselined(restorable: int, other_sid: bool) -> str:
    """Return the command that restores a fingerprint with the machine as it is now."""
    accept = " --accept-new-sid" if other_sid else ""
    return f"fingerprint vault restore {restorable} --rebaseline{accept} --yes"


def rebaselined_as_it_is(other_sid: bool) -> str:
    """Return the command that keeps the fingerprint and takes the machine as it is now."""
    accept = " --accept-new-sid" if other_sid else ""
    return f"fingerprint vault rebaseline --keep-fingerprint --yes{accept}"


def state_of(vault: Vault, record: FingerprintRecord) -> State:
    """Return the state of a record, by our history and the vault's own dates, with the time of its evidence."""
    state = replacement(vault, record)
    try:
        evidence = vault.evidence.for_record(record)
    except VaultError:
        # Damaged evidence proves nothing; the history is reported without it.
        return state
    return state.replace(evidence_at=evidence.at) if evidence else state


def replacement(vault: Vault, record: FingerprintRecord) -> State:
    """Return the state of a record without `evidence_at`; uncertain if the journal cannot be read."""
    try:
        journal = Journal(vault)
        state = journal.state(record.fingerprint)
        damage = None if state.regenerated or state.uncertain else vault.history.first_damage()
    except VaultError as error:
        return State(uncertain=f"{error.where}: {error.what}")
    if damage is None or any(change.number <= damage[1] for change in journal.having(record.fingerprint)):
        return state
    what = f"{vault.history.path}: line {damage[0]} is damaged, and may have recorded its replacement"
    return _unsure(state, what)


def _prior(journal: Journal, fingerprint: str) -> tuple[int, str, bool]:
    """Return which change a fingerprint came with, which one it replaced, "" for none, and whether that was us."""
    changes = journal.of_record
    came, ours = _came_with(journal, fingerprint)
    prior = _known_before(journal, changes[:came] if ours or came < len(changes) else changes, fingerprint)
    if came < len(changes) and not prior:
        prior = journal.fingerprint(changes[came].before)
    return came, "" if came < 0 else prior, ours


def _state(journal: Journal, fingerprint: str) -> State:
    vault, of_record = journal.vault, journal.of_record
    if not of_record:
        return State()
    came, prior, ours = _prior(journal, fingerprint)
    restored_at = _restored_at(journal, fingerprint)
    if not prior:
        return State(restored_at=restored_at)
    at, by = (of_record[came].at, US) if ours else ("", ANOTHER_PROGRAM)
    number, prior_hash = _copy_of(journal, prior)
    if prior != fingerprint:
        # The prior one is earlier, so the recursion ends. A prior one that itself replaced another does not help.
        before = journal.state(prior)
        if before.regenerated:
            number, prior_hash = before.restorable, before.prior_hash
    lost = State(True, at, by, number, restored_at=restored_at, prior_hash=prior_hash)
    try:
        registration = _registration(vault)
        node = registration.instance_id if registration else ""
    except VaultError as error:
        return _unsure(lost, f"the registration cannot be read: {error.what}")
    node_then = _node_with(journal, prior)
    if node_then is not None:
        # Without a node in the vault the service is another one, with the same rule; a cleared record there is a new
        # start.
        cleared = ours and not journal.fingerprint(of_record[came].before)
        return lost if node == node_then and (node or not cleared) else State(restored_at=restored_at)
    return _by_dates(vault, lost, of_record, mismatch=ours and of_record[came].why == MISMATCH)


def _came_with(journal: Journal, fingerprint: str) -> tuple[int, bool]:
    """Return which change the present fingerprint first came with, and whether it was that change that brought it.

    -1 for one that was there before the journal; the number of changes for one that no change knows.
    """
    for index, change in enumerate(journal.of_record):
        if journal.fingerprint(change.before) == fingerprint:
            # Another program brought it, after the change before.
            return (index, False) if index else (-1, False)
        if journal.fingerprint(change.after) == fingerprint:
            return index, change.why != FOUND
    return len(journal.of_record), False


def _known_before(journal: Journal, changes: list[Change], fingerprint: str) -> str:
    """Return the last fingerprint, other than this one, that changes know; "" for none."""
    for change in reversed(changes):
        for data in (change.after, change.before):
            found = journal.fingerprint(data)
            if found and found != fingerprint:
                return found
    return ""


def _copy_of(journal: Journal, fingerprint: str) -> tuple[int | None, HardwareHash | None]:
    """Return the entry from which a fingerprint can be restored, the newest of several, and its hardware hash."""
    for number, _, data in copies_of(journal.of_record):
        if journal.fingerprint(data) == fingerprint:
            return number, decode_fingerprint(data, "").hardware_hash
    return None, None


def _restored_at(journal: Journal, fingerprint: str) -> str:
    last = journal.of_record[-1]
    is_that = last.why.startswith(_RECOVERIES) and journal.fingerprint(last.after) == fingerprint
    return last.at if is_that else ""


def _node_with(journal: Journal, fingerprint: str) -> str | None:
    """Return the node id that the machine had with a fingerprint, "" for none, None if it is not known."""
    with_it = journal.having(fingerprint)
    # Another program may have replaced it together with the node.
    last = next((change for change in reversed(with_it) if change.why != FOUND), with_it[-1])
    node, registrations = last.node, journal.registrations
    if node is None:
        earlier = [change for change in registrations if change.number < last.number]
        node = journal.node(earlier[-1].after) if earlier else None
    later = next((change for change in registrations if change.number > last.number), None)
    if later is None:
        return node
    if node is None:
        node = journal.node(later.before)
    stored = journal.fingerprint(last.after) == fingerprint
    at_once = later.why == REGISTERED and later.number == last.number + 1
    if stored and (at_once or not (node or journal.node(later.before))):
        # The fingerprint is stored first, then the node that was registered with it.
        return journal.node(later.after)
    return node


def _unsure(lost: State, why: str) -> State:
    return State(restorable=lost.restorable, uncertain=why, restored_at=lost.restored_at)


def _by_dates(vault: Vault, lost: State, changes: list[Change], *, mismatch: bool) -> State:
    """Return the state of a record whose node the journal does not have.

    After a registration or a rotation the key is younger than what it is compared with. The service
    rotates no key for a fingerprint that it rejects, so a key that is younger than the replacement is that of a
    registration. The registration file is written by registrations only.
    """
    # Imported here: regular expressions cost more than a complete check, and only a lost record needs this.
    from fingerprint._io.times import created_seconds

    try:
        registration = _registration(vault)
        made = created_seconds(registration.private_key_created_date) if registration else None
    except VaultError:
        made = None
    if made is None:
        return lost
    if mismatch:
        return State(restored_at=lost.restored_at) if utc(made) > lost.at else lost
    if utc(made) <= changes[-1].at:
        return lost
    written = vault.written_at(FINGERPRINT_KEY)
    if written is not None and made >= written - _SAME_TIME_SECONDS:
        return State(restored_at=lost.restored_at)
    try:
        registered = os.stat(registration_file(vault)).st_mtime
    except OSError:
        registered = None
    if registered is None:
        return _unsure(lost, "another program replaced the fingerprint, and the key after it was last written here: by "
                             "a registration, or by a rotation and a mismatch")  # fmt: skip
    return lost if made > registered + _SAME_TIME_SECONDS else State(restored_at=lost.restored_at)


def _registration(vault: Vault) -> RegistrationRecord | None:
    """Return the registration as it lies in Store, None without one.

    Not by `Vault.read_registration`: the remedy of its errors asks here. Raises VaultError.
    """
    data = vault.raw(REGISTRATION_KEY)
    return None if data is None else decode_registration(data, vault.data_path(REGISTRATION_KEY))


def registration_file(vault: Vault) -> str:
    """Return the path of the registration file, which registrations alone write."""
    return os.path.join(os.path.dirname(vault.path), "registration")
