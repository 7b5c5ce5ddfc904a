"""The network as the agent sees it: its proxies and certificates, by which families there is a way, several places."""

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

NOT_ASKED = "the network is asked with --network only"
OF_ANOTHER = "the network of another machine cannot be asked from here"
_AT_ONCE = 8
_NOT_FOUND = 404
NO_SUCH_BUCKET = "there is no such bucket (404)"


def without_network(site: Site) -> Finding | None:
    """Return why the network is not asked; None where it is."""
    if site.elsewhere:
        return skipped(OF_ANOTHER)
    if site.network is None:
        return skipped(NOT_ASKED)
    return None


def network_of(site: Site) -> Network:
    """Return the network as the agent sees it. To be asked only where there is one."""
    assert site.network is not None
    with site.lock_of("network"):
        if "network" not in site.facts:
            certificates = site.paths.certificates
            trusted = certificates if os.path.exists(certificates) else ""
            site.facts["network"] = site.network.with_agent(agent_proxies(site), trusted)
        network: Network = site.facts["network"]
        return network


def proxy_of_url(site: Site, url: str) -> str:
    """Return the proxy that the agent asks a URL through, "" for none, and for what is no URL."""
    try:
        return network_of(site).proxy_of(url)
    except ValueError:
        # It is no URL, which was told.
        return ""


def by_socks(text: str, via: str) -> Finding:
    """Return that something is not known, as the agent asks for it through a proxy of SOCKS 5."""
    return unknown(
        f"{text}: the agent goes through the proxy {hidden(via)}, and this program does not speak SOCKS 5",
        remedy="Ask it with `curl --proxy`, or name an http or https proxy with --proxy",
    )


def edit_command(site: Site) -> str:
    """Return the command that edits the settings of the agent's unit of systemd."""
    try:
        unit = site.unit or {}
    except OSError:
        unit = {}
    return f"systemctl edit {unit.get('Id', PACKAGE)}"


def agent_proxies(site: Site) -> dict[str, str]:
    """Return the variables with proxies that the agent's service is started with."""
    try:
        return proxies_of_unit(site.unit)
    except OSError:
        return {}


def has_ipv6_only(site: Site) -> bool:
    """Return whether this host has a route to the outside by IPv6, and none by IPv4."""
    with site.lock_of("ipv6-only"):
        if "ipv6-only" not in site.facts:
            site.facts["ipv6-only"] = has_route(socket.AF_INET6) and not has_route(socket.AF_INET)
        return bool(site.facts["ipv6-only"])


def reach_buckets(network: Network, endpoint: str, names: Sequence[str]) -> list[tuple[str, bool, str]]:
    """Return of each bucket (name, whether it can be reached, what was answered), in order.

    An answer of any kind but "no such bucket" says that the way is open; what may be read is another question.

    Args:
        network: how to ask.
        endpoint: URL below which the buckets are.
        names: of the buckets.
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
