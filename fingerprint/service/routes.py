"""Where requests go and through which proxy: URLs are checked here, and their passwords told to nobody."""

from __future__ import annotations

import os
from urllib.parse import unquote_to_bytes, urlsplit

from botocore.utils import get_environ_proxies

from fingerprint.agent.proxies import proxy_for
from fingerprint.errors import UsageError
from fingerprint.model import Value
from fingerprint.quoting import hidden

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from urllib.parse import SplitResult

_PROXY_NAMES = ("http_proxy", "https_proxy", "all_proxy")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_ENDPOINT = "Nothing was sent. Name one such as https://host:port with --endpoint"
_PROXY = "Nothing was sent. Name one such as http://host:port with --proxy; a user and a password stand before the host"


class Proxy(Value):
    """A proxy.

    Attributes:
        url: without user and password.
        auth: both, None for none.
    """

    __slots__ = ("url", "auth")
    _hidden = ("auth",)
    url: str
    auth: tuple[bytes, bytes] | None

    def __init__(self, url: str, auth: tuple[bytes, bytes] | None) -> None:
        self._set(url=url, auth=auth)


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
    if not url:
        return None
    whole = url if "://" in url else f"http://{url.removeprefix('//')}"
    parts = _parts(whole)
    if parts is None or parts.scheme not in ("http", "https") or parts.path not in ("", "/") or parts.query:
        raise UsageError(f"the proxy {hidden(url)!r}{whose} cannot be used", remedy=_PROXY)
    user, at, host = parts.netloc.rpartition("@")
    name, _, password = user.partition(":")
    return Proxy(f"{parts.scheme}://{host}", (unquote_to_bytes(name), unquote_to_bytes(password)) if at else None)


def demand_endpoint(endpoint: str, where: str = "", setting: str = "") -> None:
    """Raise UsageError for an endpoint that is none, or to which secrets would go in the clear.

    Args:
        endpoint: the URL.
        where: the file that names it, "" where it is an argument or a variable.
        setting: what names it in that file.
    """
    parts, name = _parts(endpoint), f"{setting or 'the endpoint'} {hidden(endpoint)!r}"
    if parts is None or parts.query:
        gives = f"{setting} gives an endpoint that cannot be used: {hidden(endpoint)!r}"
        raise UsageError(gives if setting else f"{name} cannot be used", where=where, remedy=_ENDPOINT)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise UsageError(
            f"{name} is not safe: secrets would cross the network in the clear", where=where,
            remedy="Nothing was sent. Name one that begins with https:// (http:// is for this machine itself only)",
        )  # fmt: skip
    if "@" in parts.netloc:
        raise UsageError(
            f"{name} holds a user or a password; requests are signed with the node's key", where=where,
            remedy="Nothing was sent. Name it without them",
        )  # fmt: skip


def _parts(url: str) -> SplitResult | None:
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
