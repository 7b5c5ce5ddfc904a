"""Keep credentials between calls, so that a program that runs for each command does not ask the service each time.

They are in our own state directory, mode 0600, under a lock: of many processes that ask at once, one asks the service.
botocore is not imported while kept credentials are fresh. They are valid for one node and one start of the machine,
because no gate checks them: a copied disk starts without them. They are not used after the fingerprint is lost.
"""

from __future__ import annotations

import os

from fingerprint._core import JsonError, dumps, loads
from fingerprint.errors import ServiceError, Unreachable, VaultError, VaultMissing
from fingerprint.registration.role_token import RoleCredentials
from fingerprint.vault.files import Directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from logging import Logger

    from fingerprint.machine.base import Machine
    from fingerprint.vault import Vault

# What must be left of kept credentials while the service is unreachable, and how far a clock may be set back.
LEAST_SECONDS = 60.0
# Between two requests, however short the life of a token: a wrong clock must not cause a storm of requests.
SHORTEST_PAUSE_SECONDS = 10.0
# A repeated error is returned to waiting callers for at most this time, before the service is asked again.
_HELD_SECONDS = 60.0
_BOOT_ID = "/proc/sys/kernel/random/boot_id"
_SCHEMA_VERSION = 1
_LIMIT = 64 * 1024
_LOCK_SECONDS = 120.0
_STRINGS = ("accessKeyId", "secretAccessKey", "sessionToken")


class CredentialCache:
    """The kept credentials of one vault.

    Args:
        vault: the vault that has the registration.
        ask: returns new credentials from the service.
    """

    def __init__(self, vault: Vault, ask: Callable[[], RoleCredentials]) -> None:
        self._vault = vault
        self._ask = ask
        self._directory_path = os.path.join(vault.state, "credentials")
        # The newest credentials while the file cannot be written.
        self._unkept = b""
        # The last error of the service, the time from and to which it is returned, and how many came in a row.
        self._error: ServiceError | None = None
        self._held = (0.0, 0.0)
        self._failures = 0

    @property
    def _name(self) -> str:
        """The name of the file. Raises VaultUnreadable: our state directory could not be read."""
        return self._vault.state_key + ".json"

    @property
    def path(self) -> str:
        """The path of the file."""
        return os.path.join(self._directory_path, self._name)

    def get(self) -> RoleCredentials:
        """Return kept credentials in the first half of their life, else new ones.

        While the service is unreachable, kept credentials are used to their end. After a second error in a row the
        service is asked again only after a pause, by the schedule of the refresher but a minute at most; until then the
        error is raised again.

        Raises:
            FingerprintError: no kept credentials are usable, and the service or the gate gave no new ones.
        """
        fresh = self.fresh()
        if fresh is not None:
            return fresh
        try:
            return self._renewed(waits=True)
        except Unreachable:
            lasting = self.lasting()
            if lasting is None:
                raise
            return lasting

    def renew(self) -> RoleCredentials:
        """Return new credentials, or those that another process got meanwhile.

        Raises:
            FingerprintError: the service or the gate gave none.
        """
        return self._renewed(waits=False)

    def _renewed(self, *, waits: bool) -> RoleCredentials:
        """Ask under the lock; if the caller waits for an answer, raise a recent error again."""
        try:
            name = self._name
            directory = Directory.make(self._directory_path, 0o700)
        except VaultError as error:
            _log().warning("credentials cannot be kept: %s", error)
            new = self._asked(waits)
            self._unkept = self._encoded(new)
            return new
        with directory:
            directory.lock(_LOCK_SECONDS)
            # Another process may have asked while this one waited.
            fresh = self.fresh()
            if fresh is not None:
                return fresh
            new = self._asked(waits)
            encoded = self._encoded(new)
            try:
                directory.replace(name, encoded)
                self._unkept = b""
            except VaultError as error:
                _log().warning("credentials cannot be kept: %s", error)
                self._unkept = encoded
        return new

    def _asked(self, waits: bool) -> RoleCredentials:
        since, until = self._held
        if waits and self._error is not None and since <= self._vault.now() < until:
            raise self._error.with_traceback(None)
        try:
            new = self._ask()
        except ServiceError as error:
            if self._failures:
                # Imported here: kept credentials need neither.
                from random import SystemRandom

                from fingerprint.credentials.refresher import pause_after

                now = self._vault.now()
                pause = pause_after(error, self._failures - 1, SystemRandom())
                self._error, self._held = error, (now, now + min(pause, _HELD_SECONDS))
            self._failures += 1
            raise
        self._error, self._failures = None, 0
        return new

    def refresh_at(self) -> float:
        """Return when to renew kept credentials, in seconds since 1970-01-01 UTC; now if there are none."""
        kept = self._kept()
        return self._vault.now() if kept is None else _renewal(*kept)

    def retrieved_at(self) -> float:
        """Return when the service gave the kept credentials, in seconds since 1970-01-01 UTC; now if there are none."""
        kept = self._kept()
        return self._vault.now() if kept is None else kept[1]

    def fresh(self) -> RoleCredentials | None:
        """Return kept credentials in the first half of their life, without a request."""
        kept = self._kept()
        return kept[0] if kept is not None and self._young(kept) else None

    def lasting(self) -> RoleCredentials | None:
        """Return kept credentials that are valid for at least a minute, without a request."""
        kept = self._kept()
        return kept[0] if kept is not None and kept[0].expires_at > self._vault.now() + LEAST_SECONDS else None

    def forget(self) -> None:
        """Remove the kept credentials."""
        self._unkept = b""
        try:
            with Directory.open(self._directory_path) as directory:
                directory.remove(self._name)
        except VaultMissing:
            return

    def _young(self, kept: tuple[RoleCredentials, float]) -> bool:
        # Old credentials do not become fresh when the clock is set back.
        return kept[1] - LEAST_SECONDS <= self._vault.now() < _renewal(*kept)

    def _kept(self) -> tuple[RoleCredentials, float] | None:
        """Return the kept credentials and when they were retrieved; None without usable ones."""
        try:
            with Directory.open(self._directory_path) as directory:
                data = directory.read(self._name, _LIMIT)
        except VaultError:
            # The service is asked instead.
            data = None
        found = [kept for text in (data, self._unkept) if text and (kept := self._decoded(text)) is not None]
        return max(found, key=lambda kept: kept[1], default=None)

    def _decoded(self, data: bytes) -> tuple[RoleCredentials, float] | None:
        try:
            values = loads(data)
        except JsonError:
            return None
        if not isinstance(values, dict) or values.get("schemaVersion") != _SCHEMA_VERSION:
            return None
        if any(not isinstance(values.get(name), str) or not values[name] for name in _STRINGS):
            return None
        node = self._node()
        if node is None or (values.get("node"), values.get("boot")) != (node, _boot()):
            return None
        times = values.get("expiresAt"), values.get("retrievedAt")
        if not all(isinstance(moment, (int, float)) for moment in times):
            return None
        access, secret, token = (str(values[name]) for name in _STRINGS)
        return RoleCredentials(access, secret, token, float(values["expiresAt"])), float(values["retrievedAt"])

    def _encoded(self, credentials: RoleCredentials) -> bytes:
        values = {
            "schemaVersion": _SCHEMA_VERSION, "accessKeyId": credentials.access_key_id,
            "secretAccessKey": credentials.secret_access_key, "sessionToken": credentials.session_token,
            "expiresAt": credentials.expires_at, "retrievedAt": self._vault.now(), "node": self._node(),
            "boot": _boot(),
        }  # fmt: skip
        return dumps(values) + b"\n"

    def _node(self) -> str | None:
        """Return the node of the vault, "" if none is registered, None if its fingerprint is lost."""
        try:
            node = self._vault.read_registration().instance_id
        except VaultError:
            # A request to the service reports the reason.
            return ""
        try:
            return node if self._vault.read().fingerprint else None
        except VaultError:
            return None


def _renewal(credentials: RoleCredentials, retrieved: float) -> float:
    """Return the end of the first half of their life, and at least the shortest pause after the last request."""
    return retrieved + max((credentials.expires_at - retrieved) / 2, SHORTEST_PAUSE_SECONDS)


def _boot() -> str:
    """Return the kernel's id of this start of the machine, "" if it has none."""
    try:
        with open(_BOOT_ID, encoding="ascii") as file:
            return file.read(64).strip()
    except (OSError, ValueError):
        return ""


def _log() -> Logger:
    from logging import getLogger

    return getLogger("fingerprint.credentials")


def cache_of(
    vault: Vault,
    machine: Machine | None = None,
    *,
    policy: str = "strict",
    endpoint: str | None = None,
    proxy: str | None = None,
    rotate_after_days: int = 0,
    timeout: float | None = None,
) -> CredentialCache:
    """Return the cache of a vault, which asks the service when it must, by a policy of the gate.

    Args:
        vault: the vault.
        machine: the machine that the gate verifies; None for this host.
        policy: what the gate does on a mismatch; with "strict" and "evidence" nothing is sent.
        endpoint: URL of the service in place of the agent's (docs/registration.md) and the region's own.
        proxy: URL of a proxy in place of those of the environment and of the agent.
        rotate_after_days: age at which the node's key is changed; 0 for when the service asks.
        timeout: seconds for each command of a collection; None for the platform's usual one.
    """

    def ask() -> RoleCredentials:
        # Imported here: botocore takes longer than everything else combined.
        from fingerprint.registration.flow import Registration

        flow = Registration(
            vault, machine, policy=policy, endpoint=endpoint, proxy=proxy, rotate_after_days=rotate_after_days,
            timeout=timeout,
        )  # fmt: skip
        return flow.role_token()

    return CredentialCache(vault, ask)
