"""The endpoints that the agent takes from its configuration."""

from __future__ import annotations

from fingerprint.agent.config import setting
from fingerprint.regions import dual_stack_domain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Service -> section of the configuration whose Endpoint names another one.
SECTIONS = {"ssm": "Ssm", "ec2messages": "Mds", "ssmmessages": "Mgs", "s3": "S3", "kms": "Kms"}
_DUAL_STACK = ("ssm", "ssmmessages")


def configured_url(config: dict[str, Any] | None, service: str, region: str) -> str:
    """Return the URL of a service that the configuration names; "" if the region's usual one applies.

    In this order: `<Section>.Endpoint` verbatim (https where it has no scheme), `Agent.ServiceDomain`,
    `Agent.UseDualStackEndpoint` (agents from 3.3.3270 on). Values of the wrong type count as not set.

    Args:
        config: what `read_config` returned.
        service: such as "ssm".
        region: of the node; "" if unknown.

    Returns:
        The URL. It may hold a password.
    """
    endpoint = setting(config, SECTIONS[service], "Endpoint") if service in SECTIONS else None
    if isinstance(endpoint, str) and endpoint:
        return endpoint if "://" in endpoint else f"https://{endpoint}"
    if not region:
        return ""
    domain = setting(config, "Agent", "ServiceDomain")
    if isinstance(domain, str) and domain:
        return f"https://{service}.{region}.{domain}"
    if setting(config, "Agent", "UseDualStackEndpoint") is True and service in _DUAL_STACK:
        return f"https://{service}.{region}.{dual_stack_domain(region)}"
    return ""
