"""Register a machine, get its role credentials behind the token gate, and change its key.

Nothing of a previous registration is touched before the service has accepted the new one (see `activation`); what a
change of the key does is in `rotation`.
"""

from __future__ import annotations

from logging import getLogger

from fingerprint.agent.installed import printed_version
from fingerprint.agent.providers import member_for, provider_named, too_old
from fingerprint.agent.vault_use import is_agents_vault
from fingerprint.errors import (
    AccessDenied,
    FingerprintError,
    NotRegistered,
    Refused,
    UsageError,
    VaultMissing,
)
from fingerprint.gate import Gate, prepared_record, require_policy
from fingerprint.registration import activation
from fingerprint.registration.activation import check_activation
from fingerprint.registration.keys import KEY_TYPE, NodeKey
from fingerprint.registration.metadata_file import forget_registration
from fingerprint.registration.responses import is_node_id
from fingerprint.registration.rotation import KeyRotation
from fingerprint.registration.shared_vault import client_for, log_rotation_left, rotation_left
from fingerprint.rules.ssm import THRESHOLD_DEFAULT
from fingerprint.types import RegistrationRecord
from fingerprint.vault import REGISTRATION_KEY
from fingerprint.vault.other_records import refuse_second
from fingerprint.vault.pending_registration import finishable, pending
from fingerprint.vault.records import register_command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

    from fingerprint.gate import Policy
    from fingerprint.machine.base import Machine
    from fingerprint.registration.client import ServiceClient
    from fingerprint.registration.role_token import RoleCredentials
    from fingerprint.vault import Vault
    from fingerprint.vault.edit import VaultEdit
    from fingerprint.vault.pending_registration import Pending

_log = getLogger("fingerprint.registration")


class Registration:
    """A machine's registration.

    Args:
        vault: the machine's vault.
        machine: the machine; None for this one.
        policy: what the gate does on a mismatch before a token is asked for. It has no default: what it chooses can
            cost the identity.
        endpoint: URL in place of the agent's (see `client_for`) and the region's own.
        proxy: URL of a proxy in place of those of the environment and of the agent.
        client: makes the client of a region; for other transports and certificates.
        rotate_after_days: age at which the key is changed without being asked to; 0 for never.
        timeout: seconds for each command of a collection; None for the platform's usual one.

    Raises:
        TypeError: no policy is named.
        ValueError: there is no such policy.
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
        endpoint: str | None = None,
        proxy: str | None = None,
        client: Callable[[str], ServiceClient] | None = None,
        rotate_after_days: int = 0,
        timeout: float | None = None,
    ) -> None:
        from fingerprint.machine.live import LiveMachine

        self.vault = vault
        self.machine = machine or LiveMachine()
        self.gate = Gate(vault, self.machine, policy=policy, timeout=timeout)
        self._timeout = timeout
        self._clients: dict[str, ServiceClient] = {}
        proxies = None if proxy is None else {"http": proxy, "https": proxy}

        def make(region: str, asked: str | None = None) -> ServiceClient:
            return client(region) if client else client_for(vault.path, region, endpoint or asked, proxies)

        self._make_client = make
        self._rotation = KeyRotation(vault, self.gate, self._client, rotate_after_days)

    def record(self) -> RegistrationRecord:
        """Return the complete registration of the vault.

        Raises:
            NotRegistered: there is none, or it is not complete.
            VaultError: it could not be read.
        """
        remedy = f"Register it with: {register_command()}"
        try:
            record = self.vault.read_registration()
            if record.registered:
                return record
        except VaultMissing as error:
            # Another place may know the registration.
            remedy = error.remedy
        raise NotRegistered(
            "the machine is not registered", where=self.vault.path, remedy=f"Nothing was sent. {remedy}"
        )  # fmt: skip

    def register(
        self,
        activation_id: str,
        activation_code: str,
        region: str,
        *,
        again: bool = False,
        threshold: int = THRESHOLD_DEFAULT,
        provider: str = "",
        dry_run: bool = False,
    ) -> RegistrationRecord:
        """Register the machine, and store the registration.

        A fingerprint that the vault holds is kept if this is its machine, as the reference does; else a new
        one is minted, and stored with the registration once the service has accepted both. The vault is locked
        from before the request until both are stored; who waited for the lock gets the node of whoever had it. An
        earlier registration that was interrupted is finished first, and returned.

        Args:
            activation_id, activation_code: of the activation.
            region: the region of the node.
            again: also if the machine is registered already.
            threshold: similarity threshold of a new fingerprint.
            provider: cloud that the machine is in, "ec2" or "azure" in any case; "" for none. Whether its metadata
                service answers, without which an agent reports nothing, is not asked here.
            dry_run: do everything but asking the service and writing.

        Returns:
            What is stored; in a dry run what would be, without key, and without node id unless an interrupted
            registration would be finished.

        Raises:
            UsageError: the activation is not of the form of one, or there is no such provider.
            Refused: the machine is registered already, or its agent may make other hashes than are known here.
            RegistrationError, BadAnswer, Unreachable: the service did not register it; `uncertain` says whether it may
                have.
            CollectError, VaultError: machine or vault could not be read, or the vault not be written: before the
                request, or with the id of the node and how to finish.
        """
        check_activation(activation_id, activation_code)
        asked = provider_named(provider) if provider else ""
        seen = self._present()
        answered = finishable(self.vault, pending(self.vault))
        if answered is None:
            _refuse_registered(self.vault, seen, again=again)
        elif dry_run:
            return _planned(answered)
        client = self._client(region)
        member = self._provider_member(asked, seen)
        if dry_run:
            prepared_record(self.vault, self.machine, threshold, timeout=self._timeout)
            return RegistrationRecord(region=region, private_key_type=KEY_TYPE, provider=member)
        with self.vault.edit(activation.LOCK_SECONDS) as edit:
            finished = activation.finish(self.vault, edit, "", self._client_of)
            if finished is not None:
                return finished
            present = _registered(edit)
            # A new key of the same node is none of a registration.
            if present.registered and present.instance_id != seen.instance_id:
                return self._winner(present, region, asked)
            _refuse_registered(self.vault, present, again=again)
            return activation.ask(
                self.vault, edit, client, self.machine, (activation_id, activation_code), threshold, self._timeout,
                member,
            )  # fmt: skip

    def finish(self, node: str = "", *, dry_run: bool = False) -> RegistrationRecord | None:
        """Store the node of a registration that was interrupted; None without one whose node is known.

        Args:
            node: its id as the service lists it, "" for the one that the journal has.
            dry_run: return what would be stored, without its key, and store nothing; for the one of the journal.

        Raises:
            Refused: there is none for this node.
            ServiceError: whether it is this node's could not be asked.
            VaultError: the journal could not be read, or the node not be stored.
        """
        if not node:
            answered = finishable(self.vault, pending(self.vault))
            if answered is None or dry_run:
                return None if answered is None else _planned(answered)
        if node and not is_node_id(node):
            raise UsageError(
                f"{node!r} is no id of a node", remedy="Name one such as mi-0123456789abcdef0, as the service lists it"
            )
        with self.vault.edit(activation.LOCK_SECONDS) as edit:
            return activation.finish(self.vault, edit, node, self._client_of)

    def role_token(self) -> RoleCredentials:
        """Return role credentials: the gate first, then the request. Changes the key if it is asked for, or old.

        Raises:
            NotRegistered, KeyUnusable: there is nothing to ask with; nothing was sent.
            UsageError, InputError, Refused: endpoint, proxy or the agent's configuration cannot be used; nothing was
                sent or written.
            FingerprintMismatch: by the policy strict; nothing was sent.
            ServiceMismatch, AccessDenied, TokenError, BadAnswer, Unreachable: the service gave none.
            CollectError, VaultError: machine or vault could not be read.
        """
        record = self.record()
        key = NodeKey.decode(record.private_key, self.vault.data_path(REGISTRATION_KEY))
        # Before the gate, which may write: what cannot be sent must change nothing.
        client = self._client(record.region)
        fingerprint = self.gate.fingerprint()
        try:
            credentials = client.role_token(record.instance_id, key, fingerprint)
        except AccessDenied:
            recovered = self._rotation.with_another_key(record, client, fingerprint)
            if recovered is None:
                raise
            return recovered
        if credentials.update_key_pair or self._rotation.is_old(record):
            left = rotation_left(self.vault.path)
            if left:
                log_rotation_left(self.vault.path, left)
                return credentials
            try:
                self.rotate_key()
            except FingerprintError as error:
                # The token is good; the next one comes with the same wish.
                _log.warning("the key was not changed: %s", error)
        return credentials

    def rotate_key(self) -> RegistrationRecord:
        """Give the node a new key, and return its registration as it then is.

        Raises:
            Refused: an agent runs with this vault, or it cannot be told that none does; nothing was sent.
            ServiceError: the service did not take it, and still accepts the old one.
            TokenError: neither the old nor the new key is accepted now; both are kept, and tried again later.
            VaultError: nothing was sent, as the new key could not be kept first.
        """
        left = rotation_left(self.vault.path)
        if left:
            raise Refused(
                left, where=self.vault.path,
                remedy="Nothing was sent. Stop the agent first, as root, and start it again afterwards",
            )  # fmt: skip
        stored = self._rotation.rotate(self.record())
        left = rotation_left(self.vault.path)
        if left:
            _log.warning("an agent was started while the key was rotated: restart it, or the service rejects it")
        return stored

    def deregister(self) -> None:
        """Forget the registration here, see `forget_registration`. Raises VaultError."""
        forget_registration(self.vault)

    def _present(self) -> RegistrationRecord:
        try:
            return self.vault.read_registration()
        except VaultMissing:
            return RegistrationRecord()

    def _provider_member(self, asked: str, present: RegistrationRecord) -> str | None:
        """Return the member `provider` of a new record, as the installed agent has it; None for none."""
        from fingerprint.machine.live import LiveMachine

        # A vault of ours on this host has no agent that reads it.
        has_agent = is_agents_vault(self.vault.path) or not isinstance(self.machine, LiveMachine)
        version = printed_version(self.machine) if has_agent else ""
        if asked and too_old(version):
            _log.warning("%s", too_old(version))
        return member_for(asked, version, present.provider)

    def _winner(self, present: RegistrationRecord, region: str, provider: str) -> RegistrationRecord:
        """Return what another process stored while this one waited; Refused in another region, or with no provider."""
        if present.region != region or (provider and present.provider != provider):
            _refuse_registered(self.vault, present, again=False)
        _log.warning("another process registered this host meanwhile, as %s", present.instance_id)
        return present

    def _client_of(self, one: Pending) -> ServiceClient:
        """Return the client that asks where a request was asked."""
        return self._make_client(one.region, one.endpoint)

    def _client(self, region: str) -> ServiceClient:
        if region not in self._clients:
            self._clients[region] = self._make_client(region)
        return self._clients[region]


def _planned(one: Pending) -> RegistrationRecord:
    return one.registration.replace(instance_id=one.node, private_key="")


def _registered(edit: VaultEdit) -> RegistrationRecord:
    try:
        return edit.read_registration()
    except VaultMissing:
        return RegistrationRecord()


def _refuse_registered(vault: Vault, present: RegistrationRecord, *, again: bool) -> None:
    if again:
        return
    refuse_second(vault, REGISTRATION_KEY)
    if present.registered:
        raise Refused(
            f"the machine is registered already, as {present.instance_id} in {present.region}", where=vault.path,
            remedy="Nothing was sent. To register it as another node, add --again; the old registration is kept in the "
            "history",
        )  # fmt: skip
