"""Credentials kept between calls, so that a program that asks for each command does not ask the service each time.

They are in our own state folder, mode 0600, under a lock: of many that ask at once, one asks the
service. Nothing of botocore is imported where the kept ones do. They are those of one node and of one
start of the machine: a copied disk starts anew, and its kept ones pass no gate.
"""

from __future__ import annotations

import os

from fingerprint._json import JsonError, dumps, loads
from fingerprint.errors import Unreachable, VaultError, VaultMissing
from fingerprint.service.tokens import RoleCredentials
from fingerprint.vault.files import Folder
from fingerprint.vault.history import journal_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from logging import Logger

    from fingerprint.collect.machine import Machine
    from fingerprint.vault import Vault

# What is left of a credential's life when another one is asked for, if the usual half of it is shorter.
LEAST_SECONDS = 60.0
_BOOT_ID = "/proc/sys/kernel/random/boot_id"
_SCHEMA_VERSION = 1
_LIMIT = 64 * 1024
_LOCK_SECONDS = 120.0
_TEXTS = ("accessKeyId", "secretAccessKey", "sessionToken")


class CredentialCache:
    """The kept credentials of one vault.

    Args:
        vault: the vault whose registration they are of.
        ask: returns new ones from the service.
    """

    def __init__(self, vault: Vault, ask: Callable[[], RoleCredentials]) -> None:
        self._vault = vault
        self._ask = ask
        self._folder = os.path.join(vault.state, "credentials")
        self._name = journal_name(vault.path).removesuffix(".jsonl") + ".json"

    @property
    def path(self) -> str:
        """The file that they are kept in."""
        return os.path.join(self._folder, self._name)

    def get(self) -> RoleCredentials:
        """Return credentials that are good for a while: kept ones in the first half of their life, else new ones.

        Where the service cannot be reached, kept ones are good to their end.

        Raises:
            FingerprintError: there are none that are good, and the service or the gate gave no new ones.
        """
        fresh = self.fresh()
        if fresh is not None:
            return fresh
        try:
            folder = Folder.make(self._folder, 0o700)
        except VaultError as error:
            _log().warning("credentials cannot be kept: %s", error)
            return self._ask()
        with folder:
            folder.lock(_LOCK_SECONDS)
            # Another process may have asked while this one waited.
            kept = self._kept()
            if kept is not None and self._young(kept):
                return kept[0]
            try:
                new = self._ask()
            except Unreachable:
                if kept is not None and kept[0].expires_at > self._vault.now() + LEAST_SECONDS:
                    return kept[0]
                raise
            try:
                folder.replace(self._name, self._encoded(new))
            except VaultError as error:
                _log().warning("credentials cannot be kept: %s", error)
        return new

    def refresh_at(self) -> float:
        """Return when kept credentials are to be replaced, in seconds since 1970-01-01 UTC; now if there are none."""
        kept = self._kept()
        return self._vault.now() if kept is None else _half_life(*kept)

    def retrieved_at(self) -> float:
        """Return when the service gave the kept credentials, in seconds since 1970-01-01 UTC; now if there are none."""
        kept = self._kept()
        return self._vault.now() if kept is None else kept[1]

    def fresh(self) -> RoleCredentials | None:
        """Return kept credentials in the first half of their life, without asking anybody."""
        kept = self._kept()
        return kept[0] if kept is not None and self._young(kept) else None

    def forget(self) -> None:
        """Remove the kept credentials."""
        try:
            with Folder.open(self._folder) as folder:
                folder.remove(self._name)
        except VaultMissing:
            return

    def _young(self, kept: tuple[RoleCredentials, float]) -> bool:
        # A clock that was put back makes no old credentials new.
        return kept[1] - LEAST_SECONDS <= self._vault.now() < _half_life(*kept)

    def _kept(self) -> tuple[RoleCredentials, float] | None:
        """Return what is kept and when it was retrieved; None for nothing, or nothing that can be used."""
        try:
            with Folder.open(self._folder) as folder:
                told = loads(folder.read(self._name, _LIMIT) or b"null")
        except (VaultError, JsonError):
            # Kept credentials are a convenience: without them the service is asked.
            return None
        if not isinstance(told, dict) or told.get("schemaVersion") != _SCHEMA_VERSION:
            return None
        if any(not isinstance(told.get(name), str) or not told[name] for name in _TEXTS):
            return None
        if (told.get("node"), told.get("boot")) != (self._node(), _boot()):
            return None
        times = told.get("expiresAt"), told.get("retrievedAt")
        if not all(isinstance(moment, (int, float)) for moment in times):
            return None
        access, secret, token = (str(told[name]) for name in _TEXTS)
        return RoleCredentials(access, secret, token, float(told["expiresAt"])), float(told["retrievedAt"])

    def _encoded(self, credentials: RoleCredentials) -> bytes:
        told = {
            "schemaVersion": _SCHEMA_VERSION, "accessKeyId": credentials.access_key_id,
            "secretAccessKey": credentials.secret_access_key, "sessionToken": credentials.session_token,
            "expiresAt": credentials.expires_at, "retrievedAt": self._vault.now(), "node": self._node(),
            "boot": _boot(),
        }  # fmt: skip
        return dumps(told) + b"\n"

    def _node(self) -> str:
        try:
            return self._vault.read_registration().instance_id
        except VaultError:
            # Whoever asks the service is told what is wrong.
            return ""


def _half_life(credentials: RoleCredentials, retrieved: float) -> float:
    half = (credentials.expires_at - retrieved) / 2
    return credentials.expires_at - max(half, LEAST_SECONDS)


def _boot() -> str:
    """Return the kernel's id of this start of the machine, "" where it has none."""
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
    """Return the cache of a vault that asks the service, by a policy of the gate, when it has to.

    Args:
        vault: the vault.
        machine: the machine that the gate looks at; None for this one.
        policy: what the gate does on a mismatch; by "strict" nothing is sent.
        endpoint: URL of the service in place of the region's own.
        proxy: URL of a proxy in place of those of the environment.
        rotate_after_days: age at which the node's key is changed; 0 for when the service asks.
        timeout: seconds for each command of a collection; None for the platform's usual one.
    """

    def ask() -> RoleCredentials:
        # Imported here: botocore takes longer than everything else together.
        from fingerprint.service.registration import Registration

        flow = Registration(
            vault, machine, policy=policy, endpoint=endpoint, proxy=proxy, rotate_after_days=rotate_after_days,
            timeout=timeout,
        )  # fmt: skip
        return flow.role_token()

    return CredentialCache(vault, ask)
