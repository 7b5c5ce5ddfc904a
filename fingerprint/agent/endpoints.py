"""The service endpoints in the agent's configuration."""

from __future__ import annotations

from fingerprint.agent.config import settings_of
from fingerprint.agent.regions import endpoint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Service -> section of the configuration whose Endpoint overrides it. CloudWatchLogs exists from 3.3.2958 on.
SECTIONS = {
    "ssm": "Ssm", "ec2messages": "Mds", "ssmmessages": "Mgs", "s3": "S3", "kms": "Kms", "logs": "CloudWatchLogs",
}  # fmt: skip


def configured_url(config: dict[str, Any] | None, service: str, region: str, version: str = "") -> str:
    """Return the URL of a service that the configuration names; "" if the region's usual one applies.

    In this order: `<Section>.Endpoint` verbatim (https where it has no scheme), `Agent.ServiceDomain` in place of the
    partition's domain, `Agent.UseDualStackEndpoint` (agents from 3.3.3270 on). Values of the wrong type, and settings
    that the version does not know, count as not set.

    Args:
        config: what `read_config` returned.
        service: such as "ssm".
        region: of the node; "" if unknown.
        version: of the agent; an unknown one counts as the newest.

    Returns:
        The URL. It may hold a password.
    """
    settings = settings_of(config or {}, version).values
    named = settings.get(f"{SECTIONS[service]}.Endpoint") if service in SECTIONS else ""
    if named:
        return named if "://" in named else f"https://{named}"
    domain, dual_stack = settings.get("Agent.ServiceDomain") or "", uses_dual_stack(settings)
    if not region or not (domain or dual_stack):
        return ""
    return endpoint(service, region, dual_stack=dual_stack, service_domain=domain)


def uses_dual_stack(settings: dict[str, Any]) -> bool:
    """Return whether the agent uses endpoints for both IPv4 and IPv6.

    Args:
        settings: values of `settings_of`.
    """
    return settings.get("Agent.UseDualStackEndpoint") is True
