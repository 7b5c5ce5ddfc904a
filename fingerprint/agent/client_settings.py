"""The settings of the agent's configuration that a client of the service follows if it shares the agent's vault."""

from __future__ import annotations

import os
import sys

from fingerprint.agent.config import (
    ON_PREMISES,
    decoded,
    identity_order,
    identity_type,
    read_config,
    setting,
    settings_of,
)
from fingerprint.agent.endpoints import configured_url, uses_dual_stack
from fingerprint.agent.installed import printed_version
from fingerprint.agent.paths import paths_of
from fingerprint.agent.proxies import service_proxies
from fingerprint.agent.vault_use import is_agents_vault, vault_use
from fingerprint.errors import InputError, Refused
from fingerprint.machine.live import LiveMachine
from fingerprint.types import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from fingerprint.agent.paths import AgentPaths
    from fingerprint.machine.base import Machine

# The settings that a client uses; a value of the wrong type in one of them is an error.
_USED = (
    "Ssm", "Ssm.Endpoint", "Agent", "Agent.ServiceDomain", "Agent.UseDualStackEndpoint", "Identity",
    "Identity.ConsumptionOrder",
)  # fmt: skip
_CORRECT = "Nothing was sent. Correct it, or move the file away to use the agent's defaults"


class ClientSettings(Value):
    """Settings of a client of the service.

    Attributes:
        path: the agent's configuration file.
        config: its members; None without a file.
        proxies: proxy variables of the agent's service.
        certificates: a file of certificates to trust in addition to the usual ones; "" for none.
        other_identity: the identity that the agent used in place of the registration; "" for none.
    """

    _hidden = ("config", "proxies")
    path: str
    config: dict[str, Any] | None
    proxies: Mapping[str, str]
    certificates: str
    other_identity: str

    def endpoint(self, region: str) -> str:
        """Return the URL of the service that the configuration names for a region; "" for the region's usual one."""
        # Only this setting depends on the installed version, and reading that starts a process.
        version = printed_version(LiveMachine()) if self._dual_stack else ""
        return configured_url(self.config, "ssm", region, version)

    @property
    def _dual_stack(self) -> bool:
        return uses_dual_stack(settings_of(self.config or {}).values)

    @property
    def longest_pause(self) -> int | None:
        """The longest pause between failed requests in seconds; None for the agent's own limit."""
        return settings_of(self.config or {}).number("Ssm.CredentialRetryMaxSleepSeconds")

    @property
    def endpoint_setting(self) -> str:
        """The name of the setting that decides `endpoint`."""
        if setting(self.config, "Ssm", "Endpoint"):
            return "Ssm.Endpoint"
        of_domain = setting(self.config, "Agent", "ServiceDomain") or not self._dual_stack
        return "Agent.ServiceDomain" if of_domain else "Agent.UseDualStackEndpoint"


def settings_for(vault: str) -> ClientSettings | None:
    """Return the settings of the agent that uses a vault; None if no agent on this host uses it.

    Args:
        vault: its directory.

    Raises:
        InputError: the configuration is unreadable, not a JSON object, or a used setting has a value of the wrong type.
        Refused: the configuration keeps the agent from using this vault's registration.
    """
    if not is_agents_vault(vault):
        return None
    machine = LiveMachine()
    paths = paths_of(machine.platform)
    config = _config(machine, paths.config)
    return ClientSettings(
        paths.config, config, service_proxies(machine, vault_use(vault, sys.platform).pids),
        paths.certificates if os.path.isfile(paths.certificates) else "", _other_identity(machine, paths, config),
    )  # fmt: skip


def _config(machine: Machine, path: str) -> dict[str, Any] | None:
    try:
        config = read_config(machine, path)
    except OSError as error:
        raise InputError(
            f"the agent's configuration cannot be read: {error.strerror or error}", where=path,
            remedy="Nothing was sent. Run it as a user who can read the file",
        ) from None  # fmt: skip
    except ValueError as error:
        raise InputError(
            f"the agent's configuration cannot be used: {error}", where=path, remedy=_CORRECT
        ) from None  # fmt: skip
    for name, text in decoded(config or {})[1]:
        if name in _USED:
            raise InputError(text, where=path, remedy=_CORRECT)
    return config


def _other_identity(machine: Machine, paths: AgentPaths, config: dict[str, Any] | None) -> str:
    """Return the identity that the agent used before the registration. Raises Refused if it never uses that."""
    order, _ = identity_order(decoded(config or {})[0])
    if ON_PREMISES not in order:
        raise Refused(
            f"the agent does not use this registration: Identity.ConsumptionOrder is {', '.join(order)}",
            where=paths.config,
            remedy=f"Nothing was sent. Add {ON_PREMISES} to Identity.ConsumptionOrder, or remove that setting; no "
            "option of this command overrides it",
        )
    took = identity_type(machine, paths.identity)
    return took if took in order[: order.index(ON_PREMISES)] else ""
