"""Choose and check the endpoint and the proxy of requests; passwords in their URLs are never printed."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from botocore.utils import get_environ_proxies

from fingerprint._io.text import hidden
from fingerprint.agent.proxies import parsed_proxy, proxy_for, url_parts
from fingerprint.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from fingerprint.agent.proxies import Proxy

_PROXY_NAMES = ("http_proxy", "https_proxy", "all_proxy")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_ENDPOINT = "Nothing was sent. Name one such as https://host:port with --endpoint"
_PROXY = "Nothing was sent. Name one such as http://host:port with --proxy; user and password go before the host"


def proxy_of(endpoint: str, proxies: Mapping[str, str] | None, of_agent: Mapping[str, str]) -> Proxy | None:
    """Return the proxy for an endpoint, None for none.

    Args:
        endpoint: the URL that requests go to.
        proxies: scheme -> URL; None for those of the environment, else of the agent, else of the system.
        of_agent: variables of the agent's service that name proxies.

    Raises:
        UsageError: it is not an http or https URL of a host.
    """
    scheme = urlsplit(endpoint).scheme
    if proxies is not None:
        return _proxy(proxies.get(scheme) or "", "")
    named = any(os.environ.get(name) or os.environ.get(name.upper()) for name in _PROXY_NAMES)
    if named or not of_agent:
        found = get_environ_proxies(endpoint)
        return _proxy(found.get(scheme) or found.get("all") or "", " of the environment" if named else " of the system")
    excluded = [value for name in ("no_proxy", "NO_PROXY") for value in (os.environ.get(name), of_agent.get(name))]
    variables = {**of_agent, "NO_PROXY": ",".join(value for value in excluded if value)}
    return _proxy(proxy_for(endpoint, variables), " of the agent's service")


def _proxy(url: str, whose: str) -> Proxy | None:
    return parsed_proxy(url, whose, _PROXY) if url else None


def require_endpoint(endpoint: str, where: str = "", setting: str = "") -> None:
    """Raise UsageError for an endpoint that is invalid or would get secrets unencrypted.

    Args:
        endpoint: the URL.
        where: the file that has it; "" for an argument or a variable.
        setting: its name in that file.
    """
    parts, name = url_parts(endpoint), f"{setting or 'the endpoint'} {hidden(endpoint)!r}"
    if parts is None or parts.query:
        gives = f"{setting} gives an endpoint that cannot be used: {hidden(endpoint)!r}"
        raise UsageError(gives if setting else f"{name} cannot be used", where=where, remedy=_ENDPOINT)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise UsageError(
            f"{name} is not safe: secrets would cross the network unencrypted", where=where,
            remedy="Nothing was sent. Name one that begins with https:// (http:// is allowed for this host only)",
        )  # fmt: skip
    if "@" in parts.netloc:
        raise UsageError(
            f"{name} has a user or a password; requests are signed with the node's key instead", where=where,
            remedy="Nothing was sent. Name it without them",
        )  # fmt: skip
