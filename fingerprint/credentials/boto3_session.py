"""A boto3 session with the credentials of the node: requested at first use, and renewed in time."""

from __future__ import annotations

import boto3
import botocore.session
from botocore.credentials import CredentialProvider, DeferredRefreshableCredentials

from fingerprint._io.times import utc
from fingerprint.credentials.cache import CredentialCache, cache_of
from fingerprint.vault import Vault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from fingerprint.machine.base import Machine

METHOD = "fingerprint"


class NodeCredentialProvider(CredentialProvider):  # type: ignore[misc]
    """A provider for botocore's chain.

    Args:
        cache: where the credentials come from. botocore itself asks it once, however many threads wait.
    """

    METHOD = METHOD
    CANONICAL_NAME = METHOD

    def __init__(self, cache: CredentialCache) -> None:
        super().__init__()
        self._cache = cache

    def load(self) -> DeferredRefreshableCredentials:
        """Return credentials that are requested at first use."""
        return DeferredRefreshableCredentials(refresh_using=self._refresh, method=METHOD)

    def _refresh(self) -> dict[str, str]:
        credentials = self._cache.get()
        return {
            "access_key": credentials.access_key_id,
            "secret_key": credentials.secret_access_key,
            "token": credentials.session_token,
            "expiry_time": utc(credentials.expires_at),
        }


def session(
    vault: Vault | None = None,
    machine: Machine | None = None,
    *,
    cache: CredentialCache | None = None,
    policy: str = "strict",
    endpoint: str | None = None,
    **options: Any,
) -> boto3.Session:
    """Return a boto3 session with the credentials of this node.

    They come after the environment and before the shared credentials file, in the order that AWS documents.

    Args:
        vault: the vault; None for the usual one.
        machine: the machine that the gate verifies; None for this host.
        cache: in place of the vault's own.
        policy: what the gate does on a mismatch; with "strict" and "evidence" nothing is sent.
        endpoint: URL of the service in place of the agent's (docs/registration.md) and the region's own.
        options: of `boto3.Session`, such as `region_name`.
    """
    vault = vault or Vault.open()
    core = botocore.session.Session()
    provider = NodeCredentialProvider(cache or cache_of(vault, machine, policy=policy, endpoint=endpoint))
    core.get_component("credential_provider").insert_before("shared-credentials-file", provider)
    if "region_name" not in options:
        region = vault.read_registration().region
        core.set_config_variable("region", region)
    return boto3.Session(botocore_session=core, **options)
