"""Mint the first fingerprint of a vault, and the record to register a machine with."""

from __future__ import annotations

from fingerprint.collectors import collect
from fingerprint.errors import CollectError, FingerprintLost, Refused, VaultMissing
from fingerprint.gate.evidence import keep_evidence, record_rest, recorder_of
from fingerprint.gate.threshold import check_threshold
from fingerprint.observation import compare_with
from fingerprint.rules.ssm import THRESHOLD_DEFAULT
from fingerprint.types import INVALID_TEXT, FingerprintRecord, Status
from fingerprint.vault import FINGERPRINT_KEY
from fingerprint.vault.history import FIRST
from fingerprint.vault.other_records import refuse_second
from fingerprint.vault.remedies import refuse_lost

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.machine.base import Machine
    from fingerprint.machine.recorder import Recorder
    from fingerprint.types import Collection
    from fingerprint.vault import Vault
    from fingerprint.vault.edit import VaultEdit


def first_record(
    vault: Vault, machine: Machine | None = None, *, threshold: int = THRESHOLD_DEFAULT, timeout: float | None = None
) -> tuple[FingerprintRecord, Collection]:
    """Mint and store the first fingerprint of a vault.

    Raises:
        Refused: the vault already holds a fingerprint, or the installed agent may make other hashes (`require_recipe`);
            nothing was written.
        CollectError: a value of the machine is not valid UTF-8.
        VaultError: the vault could not be read or written.
    """
    check_threshold(threshold)
    refuse_existing(vault)
    recorder = recorder_of(machine)
    collection = collect(recorder, timeout=timeout)
    require_valid(collection)
    record_rest(recorder, timeout)

    def mint(edit: VaultEdit) -> FingerprintRecord:
        # Once more: another process may have registered the machine meanwhile.
        try:
            if edit.read().fingerprint:
                raise _already(vault)
        except VaultMissing:
            pass
        _refuse_first(vault)
        record = minted(collection, threshold)
        keep_evidence(vault, record, recorder, why=FIRST)
        edit.store(record, why=FIRST)
        return record

    return vault.change(mint), collection


def prepared_record(
    vault: Vault, machine: Machine | None, threshold: int, *, timeout: float | None = None
) -> tuple[FingerprintRecord, Recorder | None]:
    """Return the record to register a machine with; nothing is written.

    It is that of the vault if this machine matches it; else a new one, with what it was made from.

    Raises:
        UsageError: the threshold may not be set.
        Refused: the installed agent may make other hashes, see `require_recipe`.
        CollectError: the machine could not be observed well enough.
        VaultError: the vault could not be read.
    """
    check_threshold(threshold)
    recorder = recorder_of(machine)
    collection = collect(recorder, timeout=timeout)
    require_valid(collection)
    require_recipe(collection)
    try:
        present = vault.read()
    except VaultMissing:
        present = FingerprintRecord()
    if present.fingerprint:
        observation = compare_with(present, collection)
        if observation.verdict.match:
            return present, None
        if not observation.verdict.conclusive:
            raise CollectError(
                f"inconclusive: {', '.join(collection.unreadable)} could not be read",
                where=vault.path,
                remedy=f"Nothing was sent or written. {collection.remedy}".rstrip(),
            )
        threshold = present.threshold
    record_rest(recorder, timeout)
    return minted(collection, threshold), recorder


def refuse_existing(vault: Vault) -> None:
    """Raise Refused unless a first fingerprint may be made: there is one, or the machine is registered without.

    Raises:
        Refused: there is one, or the service would reject a new one.
        VaultError: the vault could not be read.
    """
    try:
        if vault.read().fingerprint:
            raise _already(vault)
    except VaultMissing:
        pass
    _refuse_first(vault)


def _refuse_first(vault: Vault) -> None:
    try:
        refuse_lost(vault)
    except FingerprintLost as error:
        raise Refused(error.what, where=error.where, remedy=f"Nothing was written. {error.remedy}") from None
    refuse_second(vault, FINGERPRINT_KEY)


def _already(vault: Vault) -> Refused:
    return Refused(
        "the vault already holds a fingerprint; nothing was written",
        where=vault.path,
        remedy="Verify it with: fingerprint check. To start over: fingerprint vault reset --yes",
    )


def minted(collection: Collection, threshold: int) -> FingerprintRecord:
    from fingerprint._core import mint_fingerprint

    require_recipe(collection)
    hardware_hash = collection.hardware_hash
    return FingerprintRecord(mint_fingerprint(hardware_hash), hardware_hash, threshold)


def require_recipe(collection: Collection) -> None:
    """Raise Refused unless the installed agent makes the same hashes: with others in its record it replaces it.

    Raises:
        Refused: the recipe of the agent is not known, or WMI did not return a class, so that the type ids of the
            others are not those of a complete reading; or the hardware ID could not be read.
    """
    sid = collection[collection.sid_key]
    if sid.status == Status.FAILED and not sid.only_here and sid.name not in collection.stops_agent:
        # Imported here: nearly every machine has a hardware ID.
        from fingerprint.collectors.repairs import repairs_of

        [repair, *_] = repairs_of(collection)
        command = f" ({repair.command})" if repair.command else ""
        raise Refused(
            f"the hardware ID could not be read ({sid.reason})",
            where=sid.source,
            remedy=f"Nothing was written, and no option confirms it: the record would hold no hardware ID. "
            f"{repair.text}{command}",
        )
    settles = collection.doubt_remedy
    if settles is not None:
        command = f" ({settles.command})" if settles.command else ""
        raise Refused(
            f"the hashes that the agent makes are not known: {collection.doubt}",
            remedy="Nothing was written, and no option confirms it: the agent would take other hashes for another "
            f"machine. {settles.text}{command}, then retry; see what is read with: fingerprint show",
        )
    # In the other recipes a failed command does not change the values of the other commands.
    unread = [a for a in collection if a.unreadable and a.source.startswith("SELECT ")]
    if unread:
        raise Refused(
            f"WMI does not return {', '.join(a.name for a in unread)} ({unread[0].reason})",
            where=unread[0].source,
            remedy="Nothing was written, and no option confirms it: an agent for which the query succeeds makes other "
            "hashes. Repair WMI (check it with: winmgmt /verifyrepository), then retry",
        )


def require_valid(collection: Collection) -> None:
    broken = [a.name for a in collection if a.reason == INVALID_TEXT]
    if broken:
        raise CollectError(
            f"values that are not valid UTF-8: {', '.join(broken)}",
            where=collection[broken[0]].source,
            remedy="Fix the source: only valid UTF-8 can be stored",
        )
