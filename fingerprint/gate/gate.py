"""Decide which fingerprint a role-token request sends: collect, match, keep or mint, store.

`Gate` runs before each role-token request; `fingerprint.observation` only reads.
"""

from __future__ import annotations

from fingerprint.collectors import collect
from fingerprint.errors import (
    CollectError,
    FingerprintError,
    FingerprintMismatch,
    VaultCorrupt,
    VaultMissing,
    VaultUnreadable,
)
from fingerprint.gate.evidence import keep_evidence, log, record_rest, recorder_of
from fingerprint.gate.minting import minted, require_valid
from fingerprint.gate.renewal import record_changed, renew
from fingerprint.gate.ruling import ruling_of
from fingerprint.observation import Comparison, compare_with, recipe_change
from fingerprint.rules.ssm import THRESHOLD_DEFAULT, in_words
from fingerprint.types import Collection, Verdict, Vocabulary
from fingerprint.vault import FINGERPRINT_KEY
from fingerprint.vault.history import FIRST, KEPT, MISMATCH
from fingerprint.vault.other_records import refuse_second
from fingerprint.vault.remedies import existing_record, refuse_lost

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import ClassVar

    from typing_extensions import Self

    from fingerprint.machine.base import Machine
    from fingerprint.machine.recorder import Recorder
    from fingerprint.observation import RecipeChange
    from fingerprint.vault import Vault
    from fingerprint.vault.edit import VaultEdit

ATTEMPTS = 3
PAUSE_SECONDS = 5.0


class Policy(Vocabulary):
    """What the gate does on a mismatch.

    REGENERATE mints and stores a new fingerprint, as documented for the reference (the service then
    rejects it); STRICT raises and writes nothing; AUDIT logs and passes the saved fingerprint on. EVIDENCE is strict,
    unless scheme `stable` contradicts the rules with certainty (`rules.certainty`): the same machine keeps its
    fingerprint and its record gets the present hardware hash; another one is refused though the rules accept it.
    """

    REGENERATE: ClassVar[Policy]
    STRICT: ClassVar[Policy]
    AUDIT: ClassVar[Policy]
    EVIDENCE: ClassVar[Policy]


Policy.define(REGENERATE="regenerate", STRICT="strict", AUDIT="audit", EVIDENCE="evidence")


def require_policy(kind: type, options: Mapping[str, object]) -> None:
    """Raise TypeError, with the choices, unless the keywords for a new object name a policy."""
    if "policy" not in options:
        raise TypeError(f"{kind.__name__} requires the keyword policy: one of {', '.join(Policy.members())}")


class Gate:
    """Decides which fingerprint a role-token request sends.

    Args:
        vault: the machine's vault.
        machine: the machine; None for this one. Its clock is the gate's clock.
        policy: what to do on a mismatch. It has no default, as the wrong choice can lose the identity.
        timeout: seconds for each command of a collection; None for the platform's usual one.

    A mismatch counts only if the last two collections succeeded and agree, and if no unreadable attribute could turn
    it into a match.

    Raises:
        TypeError: no policy is named.
        ValueError: there is no such policy.
        RuntimeError: vault or machine keeps what it read, and each attempt reads anew.
    """

    def __new__(cls, *_: object, **options: object) -> Self:
        require_policy(cls, options)
        return super().__new__(cls)

    def __init__(
        self,
        vault: Vault,
        machine: Machine | None = None,
        *,
        policy: Policy | str,
        timeout: float | None = None,
    ) -> None:
        from fingerprint.machine.live import LiveMachine

        self.vault = vault
        self.machine = machine or LiveMachine()
        self.vault.require_fresh()
        self.machine.require_fresh()
        self.policy = Policy(policy)
        self._timeout = timeout
        # What the last attempt read.
        self.recorder: Recorder

    def fingerprint(self) -> str:
        """Return the fingerprint of this host.

        On a match it is the saved one and nothing is written; policy `evidence` refuses a machine that matches and is
        certainly another one, as far as an attribute changed. Where there is no fingerprint yet and no
        registration, the first one is minted and stored, whatever the policy. On a mismatch the policy decides.

        Raises:
            FingerprintLost: there is none, and the machine is registered.
            Refused: there is none here, and our journal or the other vault has one.
            FingerprintMismatch: the policy is strict or evidence, and this is not the machine of the record.
            Refused: the policy is evidence, and the present hash cannot be stored.
            CollectError: the machine could not be observed well enough.
            VaultError: the vault could not be read or written; it is as it was.
        """
        observed = self.observe()
        if isinstance(observed, Collection):
            return self._first(observed)
        if observed.verdict.match:
            if self.policy == Policy.EVIDENCE and not observed.unchanged:
                self._refuse_another(observed)
            return observed.record.fingerprint
        return self._mismatch(observed)

    def observe(self) -> Comparison | Collection:
        """Return a match, the collection where there is no record yet, or a mismatch that counts. Writes nothing.

        Raises:
            FingerprintLost, CollectError, VaultError: as `fingerprint`.
        """
        mismatches: list[Comparison] = []
        problem: FingerprintError | None = None
        for _ in range(ATTEMPTS):
            try:
                self.recorder = recorder_of(self.machine)
                collection = collect(self.recorder, timeout=self._timeout)
                require_valid(collection)
                problem = None
                record = existing_record(self.vault)
            except VaultMissing:
                return collection
            except VaultCorrupt as error:
                # The agent writes in place, so a record may be half-written now and complete in a moment;
                # the next collection is pause enough.
                problem = error
                continue
            except (CollectError, VaultUnreadable) as error:
                problem = error
                self._pause(error)
                continue
            observation = compare_with(record, collection)
            if observation.verdict.match:
                return observation
            mismatches.append(observation)
            self._pause(None)
        if problem:
            raise problem
        self._require_agreement(mismatches)
        return mismatches[-1]

    def _pause(self, problem: FingerprintError | None) -> None:
        log().warning("%s; checking again in %g s", problem or "the machine does not match its record", PAUSE_SECONDS)
        self.machine.sleep(PAUSE_SECONDS)

    def _require_agreement(self, mismatches: list[Comparison]) -> None:
        last = mismatches[-1]
        require_conclusive(last, self.vault.path)
        if len(mismatches) < 2 or mismatches[-2].collection.hardware_hash != last.collection.hardware_hash:
            raise CollectError(
                "inconclusive: two good observations in a row did not agree",
                where=self.vault.path,
                remedy="Nothing was written. The hardware inventory changed between two readings; retry",
            )

    def _first(self, collection: Collection) -> str:
        record = minted(collection, THRESHOLD_DEFAULT)
        record_rest(self.recorder, self._timeout)

        def store(edit: VaultEdit) -> str:
            try:
                winner = edit.read().fingerprint
            except VaultMissing:
                winner = ""
            if winner:
                # Another process was first; one vault has one fingerprint.
                return winner
            refuse_lost(self.vault)
            refuse_second(self.vault, FINGERPRINT_KEY)
            keep_evidence(self.vault, record, self.recorder, why=FIRST)
            edit.store(record, why=FIRST)
            log().info("stored the first fingerprint of the vault %s", self.vault.path)
            return record.fingerprint

        return self.vault.change(store)

    def _mismatch(self, observed: Comparison) -> str:
        if self.policy == Policy.AUDIT:
            log().warning("not the machine of the record (%s); the policy is audit", observed.verdict.reason)
            return observed.record.fingerprint
        if self.policy == Policy.EVIDENCE:
            return self._by_evidence(observed)
        if self.policy == Policy.STRICT:
            change = recipe_change(
                observed.record, observed.verdict, observed.collection, self.recorder, timeout=self._timeout
            )
            raise mismatch_error(observed.verdict, self.vault.path, change)
        record_rest(self.recorder, self._timeout)

        def regenerate(edit: VaultEdit) -> str:
            now = edit.read()
            if now != observed.record:
                # Another process changed the record while this one was waiting; compare with the new one.
                again = compare_with(now, observed.collection)
                if again.verdict.match:
                    return now.fingerprint
                raise record_changed(self.vault.path)
            record = minted(observed.collection, now.threshold)
            keep_evidence(self.vault, record, self.recorder, why=MISMATCH, present=now)
            edit.store(record, why=MISMATCH, rule=str(observed.verdict.reason))
            log().warning(
                "not the machine of the record (%s): stored a new fingerprint; the old record is in the history",
                observed.verdict.reason,
            )
            return record.fingerprint

        return self.vault.change(regenerate)

    def _refuse_another(self, observed: Comparison) -> None:
        ruling = ruling_of(self.vault, observed.record, self.recorder, timeout=self._timeout)
        if ruling.is_different:
            from fingerprint.vault.regeneration import other_sid, rebaselined_as_it_is

            # With threshold -1 the rules accept any hardware ID.
            other = other_sid(observed.record.hardware_hash, observed.collection)
            error = FingerprintMismatch(
                f"another machine: {ruling.why}, though the rules accept it ({in_words(observed.verdict)})",
                where=self.vault.path,
                remedy="Nothing was written or sent. If the hardware was replaced on purpose: "
                f"{rebaselined_as_it_is(other)}",
            )
            error.verdict = observed.verdict
            raise error
        if not ruling.is_same:
            log().info("accepted by the rules alone: %s", ruling.why)

    def _by_evidence(self, observed: Comparison) -> str:
        """Keep the fingerprint of a machine that is certainly the same, or raise."""
        ruling = ruling_of(self.vault, observed.record, self.recorder, timeout=self._timeout)
        if not ruling.is_same:
            change = recipe_change(
                observed.record, observed.verdict, observed.collection, self.recorder, timeout=self._timeout
            )
            error = mismatch_error(observed.verdict, self.vault.path, change)
            error.what += f"; {ruling.why}"
            raise error
        record_rest(self.recorder, self._timeout)
        reason = str(observed.verdict.reason)
        renew(self.vault, observed.record, observed.collection, self.recorder, why=KEPT, rule=reason)
        log().warning(
            "not the machine of the record by the rules (%s), but certainly the same: %s; stored its present hardware "
            "hash, and kept the fingerprint", reason, ruling.why,
        )  # fmt: skip
        return observed.record.fingerprint


def require_conclusive(mismatch: Comparison, where: str) -> None:
    """Raise CollectError where unreadable attributes could turn a mismatch into a match.

    Args:
        mismatch: the mismatch.
        where: the vault.
    """
    if not mismatch.verdict.conclusive:
        collection = mismatch.collection
        raise CollectError(
            f"inconclusive: {', '.join(collection.unreadable)} could not be read",
            where=where,
            remedy=f"Nothing was written. {collection.remedy or 'See why with: fingerprint show'}",
        )


def mismatch_error(verdict: Verdict, where: str, change: RecipeChange | None = None) -> FingerprintMismatch:
    """Return the error for a mismatch, with the rule that decided in words.

    Args:
        verdict: the mismatch.
        where: the vault.
        change: what another hash recipe says, if one does.
    """
    what, remedy = f"not the same machine: {in_words(verdict)}", "See what changed with: fingerprint check"
    if change is not None and change.verdict.match:
        what, remedy = (
            f"the record does not match any more: {change.found.text}",
            "See what helps with: fingerprint check",
        )
    error = FingerprintMismatch(what, where=where, remedy=remedy)
    error.verdict = verdict
    return error
