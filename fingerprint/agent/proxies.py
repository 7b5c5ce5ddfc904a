"""Proxies: how the URL of one is read, those of the agent's service, and which of them a URL goes through.

On Linux the agent has its environment only. On Windows the key Environment of its service wins over Internet
Options and WinHTTP. On macOS it asks `scutil --proxy`, so its proxies are the system's.
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
# Of an entry of no_proxy its host, in brackets if it is an address of IPv6, and its port.
_WITH_PORT = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]*):([^:\[\]]*)")


class Proxy(Value):
    """A proxy that HTTP is spoken to.

    Attributes:
        url: scheme (http or https), host and, if it has one, port; without user and password.
        auth: both, None for none.
    """

    _hidden = ("auth",)
    url: str
    auth: tuple[bytes, bytes] | None

    @property
    def secure(self) -> bool:
        """Whether TLS is spoken to the proxy itself."""
        return self.url.startswith("https:")

    @property
    def place(self) -> tuple[str, int]:
        """Its host, an IPv6 address without brackets, and its port."""
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or _PORTS[parts.scheme]


def parsed_proxy(url: str, whose: str = "", remedy: str = "Name one as http://host:port") -> Proxy:
    """Return the proxy of a URL; without a scheme it is http.

    Args:
        url: as somebody wrote it.
        whose: words for errors that follow the URL, such as " of the environment".
        remedy: of the errors.

    Raises:
        UsageError: it is not an http or https URL of a host and nothing else.
    """
    whole = url if "://" in url else f"http://{url.removeprefix('//')}"
    parts = url_parts(whole)
    if parts is None or parts.scheme not in _PORTS or parts.path not in ("", "/") or parts.query:
        raise UsageError(f"the proxy {hidden(url)!r}{whose} cannot be used", remedy=remedy)
    user, at, host = parts.netloc.rpartition("@")
    name, _, password = user.partition(":")
    return Proxy(f"{parts.scheme}://{host}", (unquote_to_bytes(name), unquote_to_bytes(password)) if at else None)


def is_socks(url: str) -> bool:
    """Return whether the URL of a proxy is one of SOCKS 5: the agent can use that, this program cannot."""
    return url.partition("://")[0].lower() in _SOCKS


def url_parts(url: str) -> SplitResult | None:
    """Return the parts of a URL with a host and, if it has one, a port; None for any other text."""
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        return None
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0 and not parts.fragment
    except ValueError:
        # No port, or no IPv6 address in brackets.
        return None
    return parts if usable else None


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
    return proxy_variables(environment_of_unit(unit))


def environment_of_unit(unit: Mapping[str, str] | None) -> list[str]:
    """Return the assignments NAME=value in the Environment= of a unit, as `systemd_unit` returns it."""
    environment = (unit or {}).get("Environment", "")
    try:
        # systemd quotes what has a space in it.
        return shlex.split(environment)
    except ValueError:
        return environment.split()


def service_proxies(machine: Machine, pids: Sequence[int]) -> dict[str, str]:
    """Return the variables of proxies of the agent's service on this host.

    Args:
        machine: this host.
        pids: processes of the agent that run, whose environment is what counts.

    Returns:
        Name as it is written -> value. {} also where neither process, unit nor registry can be read: then the proxies
        of whoever asks apply, as without an agent.
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
            # It ended meanwhile, or is another user's.
            continue
    try:
        return proxies_of_unit(systemd_unit(machine))
    except OSError:
        return {}


def proxy_for(url: str, variables: Mapping[str, str]) -> str:
    """Return the proxy that the agent asks a URL through, "" for none; by the rules of Go's net/http.

    Loopback is never asked through a proxy. `no_proxy` takes names, which stand for their subdomains, too, and for
    these only with "." or "*." before them, addresses, networks (CIDR) and "*"; all but the last two also with a port.
    Source: golang.org/x/net/http/httpproxy.

    Args:
        url: http or https. What is no URL is asked through none.
        variables: as `service_proxies` returns them; the upper-case name wins.
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
    """Return the variable that names the proxy for URLs of a scheme, "" if none does or the scheme is another one.

    Args:
        scheme: http or https.
        variables: as `service_proxies` returns them.
    """
    names = (f"{scheme}_proxy".upper(), f"{scheme}_proxy") if scheme in _PORTS else ()
    return next((name for name in names if variables.get(name)), "")


def _excludes(one: str, host: str, port: str, address: IPv4Address | IPv6Address | None) -> bool:
    """Return whether an entry of no_proxy, in lower case, stands for a host."""
    if one in ("", "*"):
        return one == "*"
    if "/" in one:
        try:
            # Go takes a length for a mask only.
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
    # To Go an address of IPv4 within one of IPv6 is the former.
    return getattr(found, "ipv4_mapped", None) or found
