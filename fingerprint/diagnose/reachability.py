"""The network as the agent uses it: its proxies, certificates and routes, and requests to several buckets."""

from __future__ import annotations

import os
import socket
from concurrent.futures import ThreadPoolExecutor

from fingerprint._io.text import hidden
from fingerprint.agent.paths import PACKAGE
from fingerprint.agent.proxies import proxies_of_unit
from fingerprint.diagnose.http_probe import Unreached
from fingerprint.diagnose.network import Network, has_route
from fingerprint.diagnose.result import skipped, unknown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from fingerprint.diagnose.context import Site
    from fingerprint.diagnose.result import Finding

NOT_ASKED = "requires --network"
OF_ANOTHER = "the network of another machine cannot be checked from here"
_AT_ONCE = 8
_NOT_FOUND = 404
NO_SUCH_BUCKET = "no such bucket (404)"


def without_network(site: Site) -> Finding | None:
    """Return the finding that nothing may be sent; None if the network may be used."""
    if site.elsewhere:
        return skipped(OF_ANOTHER)
    if site.network is None:
        return skipped(NOT_ASKED)
    return None


def network_of(site: Site) -> Network:
    """Return the network as the agent uses it; call it only for a site with a network."""
    assert site.network is not None
    with site.lock_of("network"):
        if "network" not in site.facts:
            certificates = site.paths.certificates
            trusted = certificates if os.path.exists(certificates) else ""
            site.facts["network"] = site.network.with_agent(agent_proxies(site), trusted)
        network: Network = site.facts["network"]
        return network


def proxy_of_url(site: Site, url: str) -> str:
    """Return the agent's proxy for a URL, "" for none and for an invalid URL."""
    try:
        return network_of(site).proxy_of(url)
    except ValueError:
        # An invalid URL, which the check of the endpoint reports.
        return ""


def by_socks(text: str, via: str) -> Finding:
    """Return that a check is unknown, as the agent uses a SOCKS 5 proxy for it."""
    return unknown(
        f"{text}: the agent uses the proxy {hidden(via)}, and this program does not support SOCKS 5",
        remedy="Check it with `curl --proxy`, or set an http or https proxy with --proxy",
    )


def edit_command(site: Site) -> str:
    """Return the command that edits the agent's systemd unit."""
    try:
        unit = site.unit or {}
    except OSError:
        unit = {}
    return f"systemctl edit {unit.get('Id', PACKAGE)}"


def agent_proxies(site: Site) -> dict[str, str]:
    """Return the proxy variables of the agent's service."""
    try:
        return proxies_of_unit(site.unit)
    except OSError:
        return {}


def has_ipv6_only(site: Site) -> bool:
    """Return whether this host has an outside route by IPv6 but none by IPv4."""
    with site.lock_of("ipv6-only"):
        if "ipv6-only" not in site.facts:
            site.facts["ipv6-only"] = has_route(socket.AF_INET6) and not has_route(socket.AF_INET)
        return bool(site.facts["ipv6-only"])


def reach_buckets(network: Network, endpoint: str, names: Sequence[str]) -> list[tuple[str, bool, str]]:
    """Return (name, whether it can be reached, the answer) of each bucket, in order.

    Any answer except "no such bucket" shows that the bucket can be reached; permissions are not checked.

    Args:
        network: how to send requests.
        endpoint: URL below which the buckets are.
        names: names of the buckets.
    """

    def reach(name: str) -> tuple[str, bool, str]:
        try:
            answer = network.ask(f"{endpoint.rstrip('/')}/{name}/")
        except Unreached as error:
            return name, False, error.text
        if answer.status == _NOT_FOUND:
            return name, False, NO_SUCH_BUCKET
        return name, True, f"reached (HTTP {answer.status}, {answer.seconds * 1000:.0f} ms)"

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(reach, names))
