"""The proxies of the agent's service, and which of them a URL goes through.

On Linux the agent has its environment only. On Windows the key Environment of its service wins over Internet
Options and WinHTTP. On macOS it asks `scutil --proxy`, so its proxies are the system's.
"""

from __future__ import annotations

import shlex
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

from fingerprint.agent.unit import systemd_unit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from fingerprint.collect.machine import Machine

_NAMES = ("http_proxy", "https_proxy", "no_proxy")
_WINDOWS_SERVICE = "AmazonSSMAgent"


def proxy_variables(assignments: Iterable[str]) -> dict[str, str]:
    """Return the variables of proxies among assignments NAME=value, as they are written."""
    found = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if equals and name.lower() in _NAMES:
            found[name] = value
    return found


def proxies_of_unit(unit: Mapping[str, str] | None) -> dict[str, str]:
    """Return the variables of proxies in the Environment= of a unit, as `systemd_unit` returns it."""
    environment = (unit or {}).get("Environment", "")
    try:
        # systemd quotes what has a space in it.
        return proxy_variables(shlex.split(environment))
    except ValueError:
        return proxy_variables(environment.split())


def service_proxies(machine: Machine, pids: Sequence[int], proc: str = "/proc") -> dict[str, str]:
    """Return the variables of proxies of the agent's service on this machine.

    Args:
        machine: this machine.
        pids: processes of the agent that run, whose environment is what counts.
        proc: the folder of the processes, for tests.

    Returns:
        Name as it is written -> value. {} also where neither process, unit nor registry can be read: then the proxies
        of whoever asks apply, as without an agent.
    """
    if machine.platform == "windows":
        from fingerprint.collect.windows_native import service_environment

        try:
            return proxy_variables(service_environment(_WINDOWS_SERVICE))
        except OSError:
            return {}
    for pid in pids:
        try:
            with open(f"{proc}/{pid}/environ", "rb") as file:
                return proxy_variables(file.read().decode("utf-8", "replace").split("\0"))
        except OSError:
            # It ended meanwhile, or is another user's.
            continue
    try:
        return proxies_of_unit(systemd_unit(machine))
    except OSError:
        return {}


def proxy_for(url: str, variables: Mapping[str, str]) -> str:
    """Return the proxy that the agent asks a URL through, "" for none; by the rules of Go's net/http.

    Loopback is never asked through a proxy. `no_proxy` takes names, with a dot before them for subdomains, addresses,
    networks (CIDR) and "*".

    Args:
        url: http or https.
        variables: as `service_proxies` returns them; the upper-case name wins.
    """
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    excluded = variables.get("NO_PROXY") or variables.get("no_proxy") or ""
    try:
        address = ip_address(host)
    except ValueError:
        address = None
    if host == "localhost" or (address is not None and address.is_loopback):
        return ""
    if address is not None and any(address in network for network in _networks(excluded)):
        return ""
    if proxy_bypass_environment(host, {"no": excluded}):
        return ""
    name = f"{parts.scheme}_proxy"
    return variables.get(name.upper()) or variables.get(name) or ""


def _networks(excluded: str) -> list[IPv4Network | IPv6Network]:
    found = []
    for one in excluded.split(","):
        try:
            found.append(ip_network(one.strip(), strict=False))
        except ValueError:
            continue
    return found
