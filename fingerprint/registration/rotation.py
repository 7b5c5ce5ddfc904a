"""Change the key of a node, and find out after a failure which key the service accepts.

A new key is written to the vault's history, durably, before it is sent to the service. So whatever fails, and wherever
a process is killed, the service accepts one of the keys that are known here.
"""

from __future__ import annotations

from logging import getLogger

from fingerprint._io.times import age_in_days, created_date
from fingerprint.errors import Refused, ServiceError, TokenError, VaultError
from fingerprint.registration.keys import NodeKey
from fingerprint.vault import REGISTRATION_KEY
from fingerprint.vault.journal import AHEAD, ROTATION, WRITTEN_AHEAD
from fingerprint.vault.records import decode_registration, encode_registration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from fingerprint.gate import Gate
    from fingerprint.registration.client import ServiceClient
    from fingerprint.registration.role_token import RoleCredentials
    from fingerprint.types import RegistrationRecord
    from fingerprint.vault import Vault

_log = getLogger("fingerprint.registration")

# Keys of the history to try when the service rejects the present one.
_KEYS_TRIED = 3


class KeyRotation:
    """The change of a node's key.

    Args:
        vault: the machine's vault.
        gate: gives the fingerprint that a token request needs.
        client: returns the client of a region.
        after_days: age at which a key is old; 0 for never.
    """

    def __init__(self, vault: Vault, gate: Gate, client: Callable[[str], ServiceClient], after_days: int) -> None:
        self.vault = vault
        self.gate = gate
        self._client = client
        self._after_days = after_days

    def rotate(self, record: RegistrationRecord) -> RegistrationRecord:
        """Give the node a new key, and return its registration as it then is; see `Registration.rotate_key`."""
        old = NodeKey.decode(record.private_key, self.vault.data_path(REGISTRATION_KEY))
        new = NodeKey.generate()
        pending = record.replace(
            private_key=new.encode(), private_key_created_date=created_date(int(self.vault.now() * 1e9))
        )
        self._write_ahead(record, pending)
        client = self._client(record.region)
        try:
            client.update_key(record.instance_id, old, new)
        except ServiceError as error:
            return self._after_failed_update(record, pending, old, new, client, error)
        return self._store(record, pending, ROTATION)

    def is_old(self, record: RegistrationRecord) -> bool:
        """Return whether the key of a registration has reached the age at which it is changed."""
        if self._after_days <= 0:
            return False
        age = age_in_days(record.private_key_created_date, self.vault.now())
        if age is None:
            _log.warning("the key is not rotated by age: its date is unreadable")
            return False
        return age >= self._after_days

    def _write_ahead(self, record: RegistrationRecord, pending: RegistrationRecord) -> None:
        with self.vault.edit() as edit:
            if edit.read_registration() != record:
                raise Refused(
                    "another process is changing the registration", where=self.vault.path, remedy="Retry later"
                )
            self.vault.history.record(
                REGISTRATION_KEY, self.vault.raw(REGISTRATION_KEY), encode_registration(pending), why=WRITTEN_AHEAD,
                rule="", now=self.vault.now(), state=AHEAD,
            )  # fmt: skip

    def _other_keys(self, record: RegistrationRecord) -> list[RegistrationRecord]:
        """Return this node's registration with other keys of its history, the newest first.

        One may have been written ahead and never sent, or replaced by a key that the service did not take although it
        said so.
        """
        try:
            # This includes keys that were written ahead and never were in the vault.
            encoded = self.vault.history.seen(REGISTRATION_KEY)
        except VaultError:
            return []
        found: list[RegistrationRecord] = []
        for text in encoded:
            try:
                other = decode_registration(text, self.vault.history.path)
            except VaultError:
                continue
            same_node = (other.instance_id, other.region) == (record.instance_id, record.region)
            known = {"", record.private_key, *(one.private_key for one in found)}
            if same_node and other.private_key not in known:
                found.append(other)
        return found[:_KEYS_TRIED]

    def with_another_key(
        self, record: RegistrationRecord, client: ServiceClient, fingerprint: str
    ) -> RoleCredentials | None:
        """Return credentials for another key of the history and store that key; None if the service accepts none."""
        for other in self._other_keys(record):
            key = NodeKey.decode(other.private_key, self.vault.history.path)
            try:
                credentials = client.role_token(record.instance_id, key, fingerprint)
            except TokenError:
                continue
            except ServiceError:
                return None
            self._store(record, other, f"{ROTATION}, settled later")
            return credentials
        return None

    def _after_failed_update(
        self,
        record: RegistrationRecord,
        pending: RegistrationRecord,
        old: NodeKey,
        new: NodeKey,
        client: ServiceClient,
        error: ServiceError,
    ) -> RegistrationRecord:
        """Find out which key the service has: it may have taken the new one although the answer failed."""
        fingerprint = self.gate.fingerprint()
        for key, kept in ((old, record), (new, pending)):
            try:
                client.role_token(record.instance_id, key, fingerprint)
            except TokenError:
                continue
            except ServiceError:
                break
            if kept is pending:
                return self._store(record, pending, f"{ROTATION}, confirmed by a token")
            raise error
        raise TokenError(
            f"it is unknown which of two keys the service accepts now ({error.what})", where=client.endpoint,
            remedy="Both are kept. The next token request tries both and keeps the one that is accepted",
        )  # fmt: skip

    def _store(self, record: RegistrationRecord, new: RegistrationRecord, why: str) -> RegistrationRecord:
        with self.vault.edit() as edit:
            edit.store_registration(new, why=why)
        _log.info("%s: the node %s has a new key", why, record.instance_id)
        return new
