"""Single HTTPS or HTTP exchanges, directly or through a proxy, and the reasons of their failures."""

from __future__ import annotations

import http.client
import socket
import ssl
from os import environ
from time import monotonic, time
from urllib.parse import SplitResult, urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

from fingerprint._io.text import hidden
from fingerprint._io.times import http_seconds
from fingerprint.agent.proxies import parsed_proxy, proxy_for, url_parts
from fingerprint.diagnose.http_probe import Connection, Unreached, denied_by_proxy
from fingerprint.types import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from fingerprint.agent.proxies import Proxy


CONNECT_SECONDS = 3.0
# Bytes read of an answer.
READ_LIMIT = 64 * 1024
_PROXY_DENIES = 407
_PROXY_NAMES = ("https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")
_PORTS = {"http": 80, "https": 443}
# Outside addresses: networks reserved for documentation, and Amazon's where filters drop the first one.
_OUTSIDE = {socket.AF_INET: ("203.0.113.1",), socket.AF_INET6: ("2001:db8::1", "2600:1f00::1")}


class Reached(Value):
    """An answer.

    Attributes:
        url: the requested URL.
        status: HTTP status.
        body: its first READ_LIMIT bytes.
        seconds: from the first packet to the head of the answer.
        skew: by how much our clock is ahead of the answer's Date header, in seconds; None without one.
        via: the proxy, its secrets hidden; "" for none.
        tls: version of TLS, "" for none.
    """

    url: str
    status: int
    body: bytes
    seconds: float
    skew: float | None
    via: str
    tls: str


class Network:
    """The network of this host.

    Args:
        proxy: URL of a proxy for all requests, "" for those of the environment.
        environment: variables that name proxies; None for those of this process.
        certificates: file of additional trusted certificates, "" for none.
        seconds: limit for each step of an exchange, such as the connection; the exchange has four times as many.
        of_agent: whether the environment is that of the agent's service, which has its own rules.

    Raises:
        UsageError: an unsupported proxy.
    """

    def __init__(
        self,
        proxy: str = "",
        environment: Mapping[str, str] | None = None,
        certificates: str = "",
        seconds: float = CONNECT_SECONDS,
        *,
        of_agent: bool = False,
    ) -> None:
        self._environment = dict(environ if environment is None else environment)
        self._proxy = proxy
        self._seconds = seconds
        self._certificates = certificates
        self._of_agent = of_agent
        if proxy:
            parsed_proxy(proxy)

    def with_agent(self, environment: Mapping[str, str], certificates: str) -> Network:
        """Return the network as the agent sees it: with the proxies of its service and the certificates it trusts.

        Args:
            environment: proxies of its service; if there are any, those of this process are ignored.
            certificates: file of additional trusted certificates, "" for those of this network.
        """
        return Network(
            self._proxy, environment or self._environment, certificates or self._certificates, self._seconds,
            of_agent=self._of_agent or bool(environment),
        )  # fmt: skip

    def proxy_of(self, url: str) -> str:
        """Return the proxy for a URL, "" for none."""
        if self._proxy:
            return self._proxy
        if self._of_agent:
            return proxy_for(url, self._environment)
        parts = urlsplit(url)
        host = parts.hostname or ""
        without = self._environment.get("no_proxy") or self._environment.get("NO_PROXY") or ""
        if proxy_bypass_environment(host, {"no": without}):
            return ""
        names = [name for name in _PROXY_NAMES if name.lower().startswith((f"{parts.scheme}_", "all_"))]
        return next((self._environment[name] for name in names if self._environment.get(name)), "")

    def ask(
        self, url: str, method: str = "HEAD", headers: Mapping[str, str] | None = None, *, direct: bool = False
    ) -> Reached:
        """Make one exchange; redirects are not followed.

        Args:
            url: http or https.
            method: of HTTP.
            headers: in addition to Host and User-Agent.
            direct: whether to ignore proxies.

        Raises:
            Unreached: no answer came.
            UsageError: the environment names an unsupported proxy.
        """
        parts = require_url(url)
        named = "" if direct else self.proxy_of(url)
        proxy = parsed_proxy(named) if named else None
        connection = Connection(self._seconds)
        try:
            return self._answer(connection, parts, proxy, method, headers or {})
        except ssl.SSLCertVerificationError as error:
            raise Unreached("tls", f"its certificate is not accepted: {error.verify_message}") from None
        except ssl.SSLError as error:
            raise Unreached("tls", f"TLS handshake failed ({error.reason or error})") from None
        except (socket.gaierror, UnicodeError) as error:
            whose = "the proxy's" if proxy else "its"
            raise Unreached("name", f"{whose} name has no address ({getattr(error, 'strerror', error)})") from None
        except TimeoutError:
            raise Unreached("timeout", f"no answer within {connection.limit:g} s") from None
        except ConnectionRefusedError:
            where = "the proxy refuses connections" if proxy else "the connection is refused"
            raise Unreached("refused", where) from None
        except ConnectionError:
            raise Unreached("broken", "the connection was closed before an answer") from None
        except http.client.HTTPException as error:
            raise Unreached("broken", f"the answer is not HTTP ({type(error).__name__})") from None
        except OSError as error:
            raise Unreached("no-route", f"cannot connect ({error.strerror or error})") from None
        finally:
            connection.close()

    def _answer(
        self, connection: Connection, parts: SplitResult, proxy: Proxy | None, method: str, headers: Mapping[str, str]
    ) -> Reached:
        host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        # As in the URL: with the brackets of IPv6.
        sent = {"Host": parts.netloc.rpartition("@")[2], "User-Agent": "hardware-fingerprint", **headers}
        if proxy is None:
            connection.connect(host, port)
        else:
            self._connect_proxy(connection, proxy)
        if parts.scheme == "https":
            if proxy is not None:
                connection.tunnel(f"[{host}]:{port}" if ":" in host else f"{host}:{port}", _authorization(proxy))
            connection.secure(self._context(), host)
        elif proxy is not None:
            sent.update(_authorization(proxy))
            target = parts.geturl()
        connection.send(method, target, sent)
        answer = connection.answer(method)
        taken, skew = monotonic() - connection.begin, _skew(answer.getheader("Date"))
        if proxy is not None and answer.status == _PROXY_DENIES and parts.scheme == "http":
            raise denied_by_proxy(answer)
        tls = connection.tls if parts.scheme == "https" else ""
        via = hidden(self.proxy_of(parts.geturl())) if proxy else ""
        return Reached(parts.geturl(), answer.status, answer.read(READ_LIMIT), taken, skew, via, tls)

    def _connect_proxy(self, connection: Connection, proxy: Proxy) -> None:
        host, port = proxy.place
        connection.connect(host, port)
        if proxy.secure:
            try:
                connection.secure(self._context(), host)
            except ssl.SSLCertVerificationError as error:
                raise Unreached("tls", f"the proxy's certificate is not accepted: {error.verify_message}") from None
            except ssl.SSLError as error:
                raise Unreached("tls", f"TLS handshake with the proxy failed ({error.reason or error})") from None

    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self._certificates:
            try:
                context.load_verify_locations(self._certificates)
            except OSError as error:
                reason = getattr(error, "strerror", None) or error
                raise Unreached("tls", f"cannot load certificates of {self._certificates} ({reason})") from None
        return context


def require_url(url: str) -> SplitResult:
    """Return the parts of an http or https URL. Raises Unreached for anything else, which must not reach a request."""
    parts = url_parts(url)
    if parts is None or parts.scheme not in _PORTS:
        raise Unreached("url", "it is not a valid http or https URL")
    try:
        # Checked here, as neither name servers nor a proxy cause it.
        (parts.hostname or "").encode("idna")
    except UnicodeError:
        raise Unreached("url", "a part of its name is empty, or has more than 63 characters") from None
    return parts


def has_route(family: int) -> bool:
    """Return whether this host has a route to the outside. Sends nothing.

    Args:
        family: socket.AF_INET or socket.AF_INET6.
    """
    for address in _OUTSIDE[socket.AddressFamily(family)]:
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as connection:
                # A connected datagram socket sends nothing.
                connection.connect((address, 9))
                return True
        except OSError:
            # No such family, no route, or a filter.
            continue
    return False


def _authorization(proxy: Proxy) -> dict[str, str]:
    if proxy.auth is None:
        return {}
    from base64 import b64encode

    return {"Proxy-Authorization": f"Basic {b64encode(b':'.join(proxy.auth)).decode('ascii')}"}


def _skew(date: str | None) -> float | None:
    seconds = http_seconds(date) if date else None
    return None if seconds is None else time() - seconds
