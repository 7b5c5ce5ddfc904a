"""EC2's metadata service, at the address that an AWS SDK in the agent would ask."""

from __future__ import annotations

import os
import socket

from fingerprint.agent.proxies import environment_of_unit
from fingerprint.diagnose.network import Unreached, has_route
from fingerprint.diagnose.reaching import network_of, without_network
from fingerprint.diagnose.results import Outcome, failed, passed, skipped, unknown, warned
from fingerprint.errors import VaultError
from fingerprint.quoting import hidden

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.diagnose.results import Finding
    from fingerprint.diagnose.site import Site

_ENDPOINT = "AWS_EC2_METADATA_SERVICE_ENDPOINT"
_MODE = "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"
_BY_MODE = {"ipv4": "http://169.254.169.254", "ipv6": "http://[fd00:ec2::254]"}
_TOKEN_SECONDS = "60"
_QUOTED_LIMIT = 40


def base_url(site: Site) -> str:
    """Return the URL of the metadata service, "" if the mode is none that SDKs take.

    As in AWS SDKs a named endpoint wins over the mode, whose value is IPv4 or IPv6 in any case, and IPv4 without one.
    The variables are those of the agent's service, else of this process. The URL may hold a password.
    """
    endpoint = _variable(site, _ENDPOINT)
    return (endpoint or _BY_MODE.get((_variable(site, _MODE) or "ipv4").lower(), "")).rstrip("/")


def _variable(site: Site, name: str) -> str:
    try:
        of_service = dict(one.partition("=")[::2] for one in environment_of_unit(site.unit))
    except OSError:
        of_service = {}
    return of_service.get(name) or os.environ.get(name) or ""


def metadata(site: Site) -> Finding:
    """Whether EC2's metadata service answers; a registered node does not ask it."""
    try:
        if site.registered:
            return skipped("the node is registered, and does not ask it")
    except VaultError:
        return skipped("whether the node is registered cannot be read")
    reason = without_network(site)
    if reason is not None:
        return reason
    base = base_url(site)
    if not base:
        mode = _variable(site, _MODE)[:_QUOTED_LIMIT]
        return unknown(f"{_MODE} is {mode!a}: it must be IPv4 or IPv6, and AWS SDKs take nothing else",
                       remedy=f"Correct {_MODE}, in the agent's service or here")  # fmt: skip
    try:
        return _asked(site, base)
    except Unreached as error:
        told, text = hidden(base), error.text
    if not _variable(site, _ENDPOINT) and not _variable(site, _MODE) and has_route(socket.AF_INET6):
        by_ipv6 = _BY_MODE["ipv6"]
        try:
            other = _asked(site, by_ipv6)
        except Unreached as error:
            text = f"{text}; nor at {by_ipv6}: {error.text}"
        else:
            if other.outcome != Outcome.PASS:
                return other
            return warned(
                f"the metadata service answers at {by_ipv6} only, and the agent asks {told}: {text}",
                f"AWS SDKs ask the IPv6 address only with {_MODE}, which is not seen in the agent's service",
                remedy=f"Let the instance reach {told}, or add Environment={_MODE}=IPv6 to the agent's service",
                command="systemctl edit amazon-ssm-agent" if site.machine.platform == "linux" else "",
            )  # fmt: skip
    return failed(f"no metadata service at {told}: {text}",
                  "a machine that is neither registered nor on EC2 has no identity for the agent",
                  remedy="Register it with an activation")  # fmt: skip


def _asked(site: Site, base: str) -> Finding:
    """Return what the metadata service at a URL answers. Raises Unreached."""
    network = network_of(site)
    token = network.ask(f"{base}/latest/api/token", "PUT",
                        {"X-aws-ec2-metadata-token-ttl-seconds": _TOKEN_SECONDS, "Content-Length": "0"},
                        direct=True)  # fmt: skip
    text = token.body.decode("ascii", "replace").strip()
    # Whatever else answers with a page of its own gives no token.
    first = token.status == 200 and text != "" and text.isascii() and text.isprintable() and " " not in text
    headers = {"X-aws-ec2-metadata-token": text} if first else {}
    answer = network.ask(f"{base}/latest/meta-data/instance-id", "GET", headers, direct=True)
    if answer.status != 200:
        return failed(f"the metadata service at {hidden(base)} does not tell the instance (HTTP {answer.status})",
                      f"token: HTTP {token.status}", remedy="Switch it on for this instance")  # fmt: skip
    spoken = "version 2" if first else "version 1 only"
    return passed(f"the metadata service answers ({spoken})", hidden(base))
