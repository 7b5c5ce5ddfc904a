"""Register a host with an activation, so that no node is lost if a step fails or the process is killed.

The vault is locked throughout. Before the request, disk space and permissions are tested, and key pair and fingerprint
go to the journal, durably. The answer goes to the journal, then to the vault.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from logging import getLogger

from fingerprint._io.times import created_date
from fingerprint.errors import Refused, ServiceError, TokenError, UsageError, VaultError, VaultMissing
from fingerprint.gate import keep_evidence, prepared_record
from fingerprint.registration.keys import KEY_TYPE, NodeKey
from fingerprint.registration.metadata_file import write_file
from fingerprint.types import FingerprintRecord, RegistrationRecord
from fingerprint.vault import FINGERPRINT_KEY
from fingerprint.vault.history import FIRST, REGISTERED
from fingerprint.vault.pending_registration import (
    ANSWERED,
    NOT_SENT,
    REFUSED,
    STORED,
    SUPERSEDED,
    finishable,
    mark,
    pending,
    write_ahead,
)
from fingerprint.vault.records import decode_fingerprint, encode_fingerprint, encode_registration, finish_command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from fingerprint.machine.base import Machine
    from fingerprint.machine.recorder import Recorder
    from fingerprint.registration.client import ServiceClient
    from fingerprint.vault import Vault
    from fingerprint.vault.edit import VaultEdit
    from fingerprint.vault.pending_registration import Pending

_log = getLogger("fingerprint.registration")

# A second registration waits for the first one's answer from the service, with all retries.
LOCK_SECONDS = 300.0
_ACTIVATION_ID_LENGTH = 36
_ACTIVATION_CODE_LEAST, _ACTIVATION_CODE_MOST = 20, 250
MAY_EXIST = "The service may have registered this host anyway. To find the node, run: fingerprint vault verify"


def check_activation(activation_id: str, activation_code: str) -> None:
    """Raise UsageError unless ID and code have the form of an activation."""
    fits = _ACTIVATION_CODE_LEAST <= len(activation_code) <= _ACTIVATION_CODE_MOST
    # The content of a wrong file is not sent.
    plain = activation_code.isascii() and activation_code.isprintable() and " " not in activation_code
    if len(activation_id) < _ACTIVATION_ID_LENGTH or not fits or not plain:
        raise UsageError(
            "not an activation: its ID has 36 characters, its code 20 to 250 characters without blanks",
            remedy="Nothing was sent. Copy both as AWS showed them when the activation was created",
        )


def ask(
    vault: Vault,
    edit: VaultEdit,
    client: ServiceClient,
    machine: Machine,
    activation: tuple[str, str],
    threshold: int,
    timeout: float | None,
    provider: str | None = None,
) -> RegistrationRecord:
    """Ask the service for a node, store it, and return its registration.

    Key pair and fingerprint of a request without an answer are sent again: if the service did register the host, the
    node has them. Those of a request with another provider are not, because its node would have that provider.

    Args:
        vault, edit: the vault, locked.
        client: of the region.
        machine: this host.
        activation: id and code.
        threshold: similarity threshold of a new fingerprint.
        timeout: seconds for each command of a collection; None for the platform's usual one.
        provider: the member of the record, which is sent if it is a name; None for a record without it.

    Raises:
        RegistrationError, BadAnswer, Unreachable: the service did not register it, or it is unknown whether it did.
        CollectError: the machine could not be read; nothing was sent.
        VaultError: nothing was sent; or the node could not be stored, and the error has its ID.
    """
    earlier = pending(vault)
    with ThreadPoolExecutor(1) as pool:
        # The slowest step, and it does not need the machine.
        generated = pool.submit(NodeKey.generate)
        record, recorder = prepared_record(vault, machine, threshold, timeout=timeout)
        key = generated.result()
    again = next(
        (one for one in reversed(earlier) if _may_send_again(one, record, recorder, client.region, provider)), None
    )
    if again is not None:
        record = decode_fingerprint(again.fingerprint, vault.history.path)
        key = NodeKey.decode(again.registration.private_key, vault.history.path)
    registration = RegistrationRecord(
        region=client.region, private_key=key.encode(), private_key_type=KEY_TYPE,
        private_key_created_date=created_date(int(vault.now() * 1e9)), provider=provider,
    )  # fmt: skip
    fingerprint = encode_fingerprint(record)
    edit.try_writes(fingerprint, encode_registration(registration.replace(instance_id="mi-" + "0" * 17)))
    one = write_ahead(vault, activation[0], client.endpoint, key.public(), registration, fingerprint)
    try:
        node = client.register(*activation, record.fingerprint, key, provider or "")
    except UsageError:
        _note(vault, one, NOT_SENT)
        raise
    except ServiceError as error:
        if not error.uncertain:
            _note(vault, one, REFUSED)
        if error.uncertain or earlier:
            error.remedy = f"{error.remedy}. {MAY_EXIST}"
        raise
    return store(vault, edit, one, node, recorder, earlier)


def store(
    vault: Vault,
    edit: VaultEdit,
    one: Pending,
    node: str,
    recorder: Recorder | None = None,
    earlier: list[Pending] | None = None,
) -> RegistrationRecord:
    """Store the node that the service created for a request, and return its registration.

    Args:
        vault, edit: the vault, locked.
        one: the request.
        node: the node's id.
        recorder: what a new fingerprint was made from; None for a fingerprint that is kept or was sent earlier.
        earlier: the requests before it, which are superseded if they have another key.

    Raises:
        VaultError: it could not be stored; the error has the node's ID and how to finish.
    """
    stored = one.registration.replace(instance_id=node)
    if one.node != node:
        # The answer comes first, so that the journal has the node from here on.
        _note(vault, one, ANSWERED, node=node)
    try:
        _store_both(vault, edit, decode_fingerprint(one.fingerprint, vault.history.path), stored, recorder)
    except VaultError as error:
        error.what = f"the service registered this host as {node}, but the node could not be stored: {error.what}"
        error.remedy = (
            f"No node is lost: the key is in {vault.history.path}. Remove the cause, then finish with: "
            f"{finish_command(node)}"
        )
        raise
    for other in (*(earlier or ()), one):
        of_it = other.registration.private_key == stored.private_key
        _note(vault, other, STORED if of_it else SUPERSEDED)
    try:
        write_file(vault, stored)
    except VaultError as error:
        # The registration is complete without it.
        _log.warning("the registration file was not written: %s", error)
    _log.info("registered as %s in %s", node, stored.region)
    for other in earlier or ():
        if other.node and other.node != node:
            _log.warning("an earlier request created the node %s, which the service still lists", other.node)
        elif other.node != node:
            _log.warning("an earlier request had no answer; the service may list its node: %s", other.search_terms)
    return stored


def finish(
    vault: Vault, edit: VaultEdit, node: str, client_of: Callable[[Pending], ServiceClient]
) -> RegistrationRecord | None:
    """Store the node of a request that was interrupted, and return its registration; None without such a request.

    Args:
        vault, edit: the vault, locked.
        node: the node's ID as the service lists it; "" for the one in the journal.
        client_of: returns the client with the region and endpoint of a request.

    Raises:
        Refused: the service accepts no key of the journal for this node.
        VaultError: the journal could not be read, or the node not be stored.
        BadAnswer, Unreachable: the service did not say whether the node is one of them.
    """
    found = pending(vault, superseded=bool(node))
    named = next((one for one in reversed(found) if one.node == node), None)
    one = named if node else finishable(vault, found)
    if one is not None:
        return store(vault, edit, one, one.node, earlier=[other for other in found if other is not one])
    if not node:
        return None
    for one in reversed(found):
        key = NodeKey.decode(one.registration.private_key, vault.history.path)
        record = decode_fingerprint(one.fingerprint, vault.history.path)
        try:
            # Its credentials are discarded. It verifies the node: a mistyped ID would store a useless registration.
            client_of(one).role_token(node, key, record.fingerprint)
        except TokenError:
            continue
        return store(vault, edit, one, node, earlier=[other for other in found if other is not one])
    raise Refused(
        f"no open registration has a key that the service accepts for {node}" if found else
        "there is no open registration to finish", where=vault.history.path,
        remedy="Nothing was changed. See what is open: fingerprint vault verify",
    )  # fmt: skip


def _may_send_again(
    one: Pending, record: FingerprintRecord, recorder: Recorder | None, region: str, provider: str | None
) -> bool:
    """Return whether an earlier request was for this host in its present state, which is in the record."""
    sent = decode_fingerprint(one.fingerprint, "")
    if recorder is not None:
        # A new record always has a new fingerprint.
        record = record.replace(fingerprint=sent.fingerprint)
    # The key of a request with an answer belongs to a node.
    same = (one.region, one.registration.provider or "") == (region, provider or "")
    return not one.node and same and sent == record


def _store_both(
    vault: Vault, edit: VaultEdit, record: FingerprintRecord, stored: RegistrationRecord, recorder: Recorder | None
) -> None:
    try:
        present = edit.read()
    except VaultMissing:
        present = None
    if present is not None and present.fingerprint == record.fingerprint:
        # Another program may have written it since; from now on the service knows this one.
        _keep(edit)
    else:
        if recorder is not None:
            keep_evidence(vault, record, recorder, why=REGISTERED, present=present)
        edit.store(record, why=FIRST)
    edit.store_registration(stored, why=REGISTERED)


def _keep(edit: VaultEdit) -> None:
    """Keep the registered fingerprint in the journal; a failure is logged, as the registration is valid anyway."""
    try:
        edit.keep(FINGERPRINT_KEY, why=REGISTERED)
    except VaultError as error:
        _log.warning("no copy of the fingerprint was kept: %s", error)


def _note(vault: Vault, one: Pending, ended: str, **more: str) -> None:
    """Write the state of a request to the journal; a failure is logged."""
    try:
        mark(vault, one, ended, **more)
    except VaultError as error:
        _log.warning("cannot write to the journal that the registration is %s: %s", ended, error)
