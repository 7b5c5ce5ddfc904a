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
        machine: the machine; None for this host.
        policy: what the gate does on a mismatch before a token request. It has no default, because it can cost the
            identity.
        endpoint: URL that replaces the agent's (see `client_for`) and the region's own.
        proxy: URL of a proxy that replaces those of the environment and of the agent.
        client: makes the client of a region; for other transports and certificates.
        rotate_after_days: age at which the key is rotated although the service did not request it; 0 for never.
        timeout: seconds for each command of a collection; None for the platform's usual one.

    Raises:
        TypeError: no policy is given.
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
            NotRegistered: it is missing or incomplete.
            VaultError: it could not be read.
        """
        remedy = f"Register it with: {register_command()}"
        try:
            record = self.vault.read_registration()
            if record.registered:
                return record
        except VaultMissing as error:
            # The error may know another vault that has the registration.
            remedy = error.remedy
        raise NotRegistered(
            "the host is not registered", where=self.vault.path, remedy=f"Nothing was sent. {remedy}"
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

        As in the reference, a fingerprint in the vault is kept if it matches the machine; otherwise a new one is
        minted, and stored with the registration after the service has accepted both. The vault is locked from before
        the request until both are stored; a process that waited for the lock gets the node of the process that had it.
        An earlier registration that was interrupted is finished first, and returned.

        Args:
            activation_id, activation_code: of the activation.
            region: the region of the node.
            again: also register a machine that is already registered.
            threshold: similarity threshold of a new fingerprint.
            provider: cloud of the machine, "ec2" or "azure" in any case; "" for none. This does not check that its
                metadata service answers, without which an agent sends no health reports.
            dry_run: do everything except the request and the writes.

        Returns:
            The stored registration; in a dry run the one that would be stored, without key, and without node ID unless
            an interrupted registration would be finished.

        Raises:
            UsageError: the activation has an invalid form, or there is no such provider.
            Refused: the machine is already registered, or its agent may make hashes of an unknown kind.
            RegistrationError, BadAnswer, Unreachable: the service did not register it; `uncertain` says whether it may
                have.
            CollectError, VaultError: the machine or the vault could not be read, or the vault not written: before the
                request, or with the ID of the node and how to finish.
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
            # A new key of the same node is not a new registration.
            if present.registered and present.instance_id != seen.instance_id:
                return self._winner(present, region, asked)
            _refuse_registered(self.vault, present, again=again)
            return activation.ask(
                self.vault, edit, client, self.machine, (activation_id, activation_code), threshold, self._timeout,
                member,
            )  # fmt: skip

    def finish(self, node: str = "", *, dry_run: bool = False) -> RegistrationRecord | None:
        """Store and return the registration that was interrupted; None if there is none with a known node.

        Args:
            node: its ID as the service lists it; "" for the one in the journal.
            dry_run: return what would be stored, without its key, and store nothing; only for the node in the journal.

        Raises:
            Refused: no open registration is of this node.
            ServiceError: the service did not say whether a registration is of this node.
            VaultError: the journal could not be read, or the node could not be stored.
        """
        if not node:
            answered = finishable(self.vault, pending(self.vault))
            if answered is None or dry_run:
                return None if answered is None else _planned(answered)
        if node and not is_node_id(node):
            raise UsageError(
                f"invalid node ID {node!r}: must be mi- and 17 hexadecimal digits",
                remedy="Name one as the service lists it, such as mi-0123456789abcdef0",
            )
        with self.vault.edit(activation.LOCK_SECONDS) as edit:
            return activation.finish(self.vault, edit, node, self._client_of)

    def role_token(self) -> RoleCredentials:
        """Return role credentials, if the gate allows the request. Rotates the key if the service asks or it is old.

        Raises:
            NotRegistered, KeyUnusable: no registration or no usable key; nothing was sent.
            UsageError, InputError, Refused: endpoint, proxy or the agent's configuration cannot be used; nothing was
                sent or written.
            FingerprintMismatch: with the policy strict or evidence; nothing was sent.
            ServiceMismatch, AccessDenied, TokenError, BadAnswer, Unreachable: the service gave no credentials.
            CollectError, VaultError: machine or vault could not be read.
        """
        record = self.record()
        key = NodeKey.decode(record.private_key, self.vault.data_path(REGISTRATION_KEY))
        # Before the gate, which may write: a request that cannot be sent must not change anything.
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
                # The token is valid; the service asks again with the next one.
                _log.warning("the key was not rotated: %s", error)
        return credentials

    def rotate_key(self) -> RegistrationRecord:
        """Give the node a new key, and return its new registration.

        Raises:
            Refused: an agent runs with this vault, or that is unknown; nothing was sent.
            ServiceError: the service did not take the new key, and still accepts the old one.
            TokenError: it is unknown which key the service accepts; both are kept, and tried again later.
            VaultError: the new key could not be kept first, so nothing was sent.
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
        """Forget the registration on this host; see `forget_registration`. Raises VaultError."""
        forget_registration(self.vault)

    def _present(self) -> RegistrationRecord:
        try:
            return self.vault.read_registration()
        except VaultMissing:
            return RegistrationRecord()

    def _provider_member(self, asked: str, present: RegistrationRecord) -> str | None:
        """Return the member `provider` of a new record, in the form of the installed agent; None for no member."""
        from fingerprint.machine.live import LiveMachine

        # No agent reads our own vault on this host.
        has_agent = is_agents_vault(self.vault.path) or not isinstance(self.machine, LiveMachine)
        version = printed_version(self.machine) if has_agent else ""
        if asked and too_old(version):
            _log.warning("%s", too_old(version))
        return member_for(asked, version, present.provider)

    def _winner(self, present: RegistrationRecord, region: str, provider: str) -> RegistrationRecord:
        """Return the registration that another process stored meanwhile; raise Refused if region or provider differ."""
        if present.region != region or (provider and present.provider != provider):
            _refuse_registered(self.vault, present, again=False)
        _log.warning("another process registered this host meanwhile, as %s", present.instance_id)
        return present

    def _client_of(self, one: Pending) -> ServiceClient:
        """Return the client with the region and endpoint of a request."""
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
            f"the host is already registered as {present.instance_id} in {present.region}", where=vault.path,
            remedy="Nothing was sent. To register it as another node, add --again; the old registration is kept in the "
            "history",
        )  # fmt: skip
