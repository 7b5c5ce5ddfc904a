"""Asking the network: one HTTPS or HTTP exchange at a time, directly or through a proxy, and why none came about."""

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
from fingerprint.diagnose.http_probe import Line, Unreached, not_let_through
from fingerprint.types import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from fingerprint.agent.proxies import Proxy


CONNECT_SECONDS = 3.0
# Bytes that are read of an answer.
READ_LIMIT = 64 * 1024
_PROXY_DENIES = 407
_PROXY_NAMES = ("https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")
_PORTS = {"http": 80, "https": 443}
# Addresses outside, of networks that are kept for documentation, and of Amazon where filters drop the first one.
_OUTSIDE = {socket.AF_INET: ("203.0.113.1",), socket.AF_INET6: ("2001:db8::1", "2600:1f00::1")}


class Reached(Value):
    """An answer.

    Attributes:
        url: what was asked.
        status: of HTTP.
        body: the beginning of it.
        seconds: from the first packet to the answer's head.
        skew: by how much our clock is ahead of the answer's Date header, in seconds; None without one.
        via: the proxy that it came through, "" for none.
        tls: the version of TLS, "" without.
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
        proxy: URL of a proxy for everything, "" for those of the environment.
        environment: variables that name proxies; None for those of this process.
        certificates: a file of further certificates to trust, "" for none.
        seconds: for each step of an exchange, such as the connection; the whole has four times as many.
        of_agent: whether the environment is that of the agent's service, which reads it by rules of its own.

    Raises:
        UsageError: a proxy is none that this can speak to.
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
            environment: the proxies of its service; where it has any, those of this process do not count.
            certificates: a file of further certificates to trust, "" for those that this has.
        """
        return Network(
            self._proxy, environment or self._environment, certificates or self._certificates, self._seconds,
            of_agent=self._of_agent or bool(environment),
        )  # fmt: skip

    def proxy_of(self, url: str) -> str:
        """Return the proxy that a URL is asked through, "" for none."""
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
            headers: beside the usual ones.
            direct: without any proxy.

        Raises:
            Unreached: no answer came.
            UsageError: the proxy of the environment is none that this can speak to.
        """
        parts = demand_url(url)
        named = "" if direct else self.proxy_of(url)
        proxy = parsed_proxy(named) if named else None
        line = Line(self._seconds)
        try:
            return self._answer(line, parts, proxy, method, headers or {})
        except ssl.SSLCertVerificationError as error:
            raise Unreached("tls", f"its certificate is not accepted: {error.verify_message}") from None
        except ssl.SSLError as error:
            raise Unreached("tls", f"no TLS came about ({error.reason or error})") from None
        except (socket.gaierror, UnicodeError) as error:
            whose = "the proxy's" if proxy else "its"
            raise Unreached("name", f"{whose} name has no address ({getattr(error, 'strerror', error)})") from None
        except TimeoutError:
            raise Unreached("timeout", f"no answer within {line.limit:g} s") from None
        except ConnectionRefusedError:
            where = "the proxy refuses connections" if proxy else "the connection is refused"
            raise Unreached("refused", where) from None
        except ConnectionError:
            raise Unreached("broken", "the connection was cut before an answer") from None
        except http.client.HTTPException as error:
            raise Unreached("broken", f"the answer is not HTTP ({type(error).__name__})") from None
        except OSError as error:
            raise Unreached("no-route", f"no way to it ({error.strerror or error})") from None
        finally:
            line.close()

    def _answer(
        self, line: Line, parts: SplitResult, proxy: Proxy | None, method: str, headers: Mapping[str, str]
    ) -> Reached:
        host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        # As it stands in the URL: with the brackets of IPv6.
        sent = {"Host": parts.netloc.rpartition("@")[2], "User-Agent": "hardware-fingerprint", **headers}
        if proxy is None:
            line.connect(host, port)
        else:
            self._connect_proxy(line, proxy)
        if parts.scheme == "https":
            if proxy is not None:
                line.tunnel(f"[{host}]:{port}" if ":" in host else f"{host}:{port}", _authorization(proxy))
            line.secure(self._context(), host)
        elif proxy is not None:
            sent.update(_authorization(proxy))
            target = parts.geturl()
        line.send(method, target, sent)
        answer = line.answer(method)
        taken, skew = monotonic() - line.begin, _skew(answer.getheader("Date"))
        if proxy is not None and answer.status == _PROXY_DENIES and parts.scheme == "http":
            raise not_let_through(answer)
        tls, via = line.tls if parts.scheme == "https" else "", hidden(self.proxy_of(parts.geturl())) if proxy else ""
        return Reached(parts.geturl(), answer.status, answer.read(READ_LIMIT), taken, skew, via, tls)

    def _connect_proxy(self, line: Line, proxy: Proxy) -> None:
        host, port = proxy.place
        line.connect(host, port)
        if proxy.secure:
            try:
                line.secure(self._context(), host)
            except ssl.SSLCertVerificationError as error:
                raise Unreached("tls", f"the proxy's certificate is not accepted: {error.verify_message}") from None
            except ssl.SSLError as error:
                raise Unreached("tls", f"no TLS with the proxy came about ({error.reason or error})") from None

    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self._certificates:
            try:
                context.load_verify_locations(self._certificates)
            except OSError as error:
                reason = getattr(error, "strerror", None) or error
                raise Unreached("tls", f"{self._certificates} cannot be used ({reason})") from None
        return context


def demand_url(url: str) -> SplitResult:
    """Return the parts of a URL. Raises Unreached for what is none, so that nothing but a URL is put into a request."""
    parts = url_parts(url)
    if parts is None or parts.scheme not in _PORTS:
        raise Unreached("url", "it is no URL that can be asked")
    try:
        # Here, as neither the name servers nor a proxy are to blame for it.
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
    told = http_seconds(date) if date else None
    return None if told is None else time() - told
