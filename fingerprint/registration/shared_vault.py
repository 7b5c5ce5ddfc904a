"""Share a vault with an agent: leave key rotation to it, and take the client's settings from its configuration."""

from __future__ import annotations

from logging import INFO, WARNING, getLogger

from fingerprint.agent.client_settings import settings_for
from fingerprint.agent.vault_use import vault_use
from fingerprint.registration.client import ServiceClient

_LEFT = "key rotation is left to the running agent"
# The messages that this process has logged, by vault: each is logged once.
_logged: set[tuple[str, str]] = set()


def rotation_left(vault: str) -> str:
    """Return why this program must not rotate the key of a vault, "" if it may.

    An agent reads its private key when it starts. With the key replaced it signs with one that the service rejects
    until it is restarted.

    Args:
        vault: its directory.
    """
    use = vault_use(vault)
    if use.pids:
        return f"{_LEFT} (process {use.pids[0]}), which signs with the key it read"
    if use.unknown:
        return f"the key is not rotated, because it is unknown whether an agent runs with this vault ({use.unknown})"
    return ""


def log_rotation_left(vault: str, reason: str) -> None:
    """Log why a key is not rotated, once in the life of a process for each vault and kind of reason."""
    # Without the process ID, which changes with each restart of the agent.
    kind = reason.partition("(")[0]
    level = INFO if kind.startswith(_LEFT) else WARNING
    _log_once(vault, kind, level, f"{vault}: {reason}")


def client_for(vault: str, region: str, endpoint: str | None, proxies: dict[str, str] | None) -> ServiceClient:
    """Return a client of a region, with the settings of the agent if the vault is an agent's on this host.

    Args:
        vault: directory of the vault.
        region: of the service.
        endpoint: URL that overrides all others, None for none.
        proxies: scheme -> URL that overrides all others, None for none.

    Raises:
        UsageError: region, endpoint or proxy cannot be used.
        InputError, Refused: see `settings_for`.
    """
    settings = settings_for(vault)
    if settings is None:
        return ServiceClient(region, endpoint=endpoint, proxies=proxies)
    if settings.other_identity:
        _log_once(
            vault, settings.other_identity, WARNING,
            f"{settings.path}: the agent takes its identity from {settings.other_identity}, which comes before the "
            "registration in Identity.ConsumptionOrder",
        )  # fmt: skip
    return ServiceClient(region, endpoint=endpoint, proxies=proxies, agent=settings)


def _log_once(vault: str, kind: str, level: int, text: str) -> None:
    if (vault, kind) not in _logged:
        _logged.add((vault, kind))
        getLogger("fingerprint.registration").log(level, "%s", text)
