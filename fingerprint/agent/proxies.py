"""Proxies: parse their URLs, read those of the agent's service, and choose the one for a URL.

On Linux the agent uses its environment only. On Windows the key Environment of its service takes precedence over
Internet Options and WinHTTP. On macOS it runs `scutil --proxy`, so its proxies are the system's.
"""

from __future__ import annotations

import re
import shlex
from ipaddress import ip_address, ip_network
from urllib.parse import unquote_to_bytes, urlsplit

from fingerprint._io.text import hidden
from fingerprint.agent.paths import WINDOWS_SERVICE
from fingerprint.agent.systemd_unit import systemd_unit
from fingerprint.errors import UsageError
from fingerprint.types import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from ipaddress import IPv4Address, IPv6Address
    from urllib.parse import SplitResult

    from fingerprint.machine.base import Machine

_PORTS = {"http": 80, "https": 443}
_SOCKS = ("socks5", "socks5h")
_NAMES = ("http_proxy", "https_proxy", "no_proxy")
# Host and port of an entry of no_proxy; an IPv6 address is in brackets.
_WITH_PORT = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]*):([^:\[\]]*)")


class Proxy(Value):
    """An HTTP or HTTPS proxy.

    Attributes:
        url: scheme (http or https), host and, if it has one, port; without user and password.
        auth: user and password; None without them.
    """

    _hidden = ("auth",)
    url: str
    auth: tuple[bytes, bytes] | None

    @property
    def secure(self) -> bool:
        """Whether the connection to the proxy itself uses TLS."""
        return self.url.startswith("https:")

    @property
    def place(self) -> tuple[str, int]:
        """Host, an IPv6 address without brackets, and port."""
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or _PORTS[parts.scheme]


def parsed_proxy(url: str, whose: str = "", remedy: str = "Name one as http://host:port") -> Proxy:
    """Return the proxy that a URL names; without a scheme, http is assumed.

    Args:
        url: as it was configured.
        whose: where the URL is from, for messages, such as " of the environment".
        remedy: of the error.

    Raises:
        UsageError: not an http or https URL, or one with a path or query.
    """
    parts = url_parts(url if "://" in url else f"http://{url.removeprefix('//')}")
    if parts is None or parts.scheme not in _PORTS or parts.path not in ("", "/") or parts.query:
        raise UsageError(f"the proxy {hidden(url)!r}{whose} cannot be used", remedy=remedy)
    user, at, host = parts.netloc.rpartition("@")
    name, _, password = user.partition(":")
    return Proxy(f"{parts.scheme}://{host}", (unquote_to_bytes(name), unquote_to_bytes(password)) if at else None)


def is_socks(url: str) -> bool:
    """Return whether a URL names a SOCKS 5 proxy, which the agent can use and this program cannot."""
    return url.partition("://")[0].lower() in _SOCKS


def url_parts(url: str) -> SplitResult | None:
    """Return the parts of a URL; None unless it has a host and, if any, a valid port."""
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        return None
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0 and not parts.fragment
    except ValueError:
        # An invalid port or IPv6 address.
        return None
    return parts if usable else None


def proxy_variables(assignments: Iterable[str]) -> dict[str, str]:
    """Return the proxy variables among assignments NAME=value: name as written -> value."""
    found = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if equals and name.lower() in _NAMES:
            found[name] = value
    return found


def proxies_of_unit(unit: Mapping[str, str] | None) -> dict[str, str]:
    """Return the proxy variables in the Environment= of a unit, as `systemd_unit` returns it."""
    return proxy_variables(environment_of_unit(unit))


def environment_of_unit(unit: Mapping[str, str] | None) -> list[str]:
    """Return the assignments NAME=value in the Environment= of a unit, as `systemd_unit` returns it."""
    environment = (unit or {}).get("Environment", "")
    try:
        # systemd quotes assignments that contain spaces.
        return shlex.split(environment)
    except ValueError:
        return environment.split()


def service_proxies(machine: Machine, pids: Sequence[int]) -> dict[str, str]:
    """Return the proxy variables of the agent's service on this host.

    Args:
        machine: this host.
        pids: running processes of the agent; the environment of the first readable one is used.

    Returns:
        Name as written -> value; {} also if process, unit and registry are unreadable: then the caller's own proxies
        apply, as without an agent.
    """
    if machine.platform == "windows":
        from fingerprint.machine.windows import service_environment

        try:
            return proxy_variables(service_environment(WINDOWS_SERVICE))
        except OSError:
            return {}
    for pid in pids:
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                return proxy_variables(file.read().decode("utf-8", "replace").split("\0"))
        except OSError:
            # The process has ended, or is another user's.
            continue
    try:
        return proxies_of_unit(systemd_unit(machine))
    except OSError:
        return {}


def proxy_for(url: str, variables: Mapping[str, str]) -> str:
    """Return the proxy that the agent uses for a URL, "" for none; by the rules of Go's net/http.

    Loopback is always connected to directly. `no_proxy` lists names with their subdomains (subdomains only if they
    begin with "." or "*."), addresses, networks (CIDR) and "*"; all but the last two may have a port.
    Source: golang.org/x/net/http/httpproxy.

    Args:
        url: http or https; an invalid URL has no proxy.
        variables: as `service_proxies` returns them; upper-case names take precedence.
    """
    parts = url_parts(url)
    name = proxy_variable(parts.scheme, variables) if parts is not None else ""
    if parts is None or not name:
        return ""
    host, address = parts.hostname or "", _address(parts.hostname or "")
    if host == "localhost" or (address is not None and address.is_loopback):
        return ""
    port = str(parts.port or _PORTS[parts.scheme])
    excluded = variables.get("NO_PROXY") or variables.get("no_proxy") or ""
    if any(_excludes(one.strip(), host, port, address) for one in excluded.lower().split(",")):
        return ""
    return variables[name]


def proxy_variable(scheme: str, variables: Mapping[str, str]) -> str:
    """Return the name of the variable with the proxy for a scheme; "" without one, or for another scheme.

    Args:
        scheme: http or https.
        variables: as `service_proxies` returns them.
    """
    names = (f"{scheme}_proxy".upper(), f"{scheme}_proxy") if scheme in _PORTS else ()
    return next((name for name in names if variables.get(name)), "")


def _excludes(one: str, host: str, port: str, address: IPv4Address | IPv6Address | None) -> bool:
    """Return whether an entry of no_proxy, in lower case, excludes a host."""
    if one in ("", "*"):
        return one == "*"
    if "/" in one:
        try:
            # Go accepts a prefix length only, no netmask.
            return address is not None and one.rpartition("/")[2].isdigit() and address in ip_network(one, strict=False)
        except ValueError:
            return False
    split = _WITH_PORT.fullmatch(one)
    name, wanted = (split[1].strip("[]"), split[2]) if split else (one, "")
    if not name or wanted not in ("", port):
        return False
    excluded = _address(name)
    if excluded is not None:
        return excluded == address
    name = name.removeprefix("*") if name.startswith("*.") else name
    return host.endswith(name) if name.startswith(".") else host == name or host.endswith(f".{name}")


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address(text)
    except ValueError:
        return None
    # Go treats an IPv4-mapped IPv6 address as the IPv4 address.
    return getattr(found, "ipv4_mapped", None) or found
