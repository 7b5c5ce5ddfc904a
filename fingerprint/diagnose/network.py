"""Asking the network: one HTTPS or HTTP exchange at a time, directly or through a proxy, and why none came about."""

from __future__ import annotations

import http.client
import socket
import ssl
from email.utils import parsedate_to_datetime
from os import environ
from time import monotonic, time
from urllib.parse import urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

from fingerprint.errors import UsageError
from fingerprint.model import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

CONNECT_SECONDS = 3.0
_READ_LIMIT = 64 * 1024
_PROXY_NAMES = ("https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")
_PORTS = {"http": 80, "https": 443}


class Unreached(Exception):
    """No answer came.

    Attributes:
        kind: "name" (no address for it), "refused", "timeout", "no-route", "tls", "proxy" or "broken".
        text: the same for people.
    """

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind
        self.text = text


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

    __slots__ = ("url", "status", "body", "seconds", "skew", "via", "tls")
    url: str
    status: int
    body: bytes
    seconds: float
    skew: float | None
    via: str
    tls: str

    def __init__(
        self, url: str, status: int, body: bytes, seconds: float, skew: float | None, via: str, tls: str
    ) -> None:
        self._set(url=url, status=status, body=body, seconds=seconds, skew=skew, via=via, tls=tls)


class Network:
    """The network of this machine.

    Args:
        proxy: URL of a proxy for everything, "" for those of the environment.
        environment: variables that name proxies; None for those of this process.
        certificates: a file of further certificates to trust, "" for none.
        seconds: for a connection, and for each answer.

    Raises:
        UsageError: a proxy is none that this can speak to.
    """

    def __init__(
        self,
        proxy: str = "",
        environment: Mapping[str, str] | None = None,
        certificates: str = "",
        seconds: float = CONNECT_SECONDS,
    ) -> None:
        self._environment = dict(environ if environment is None else environment)
        self._proxy = proxy
        self._seconds = seconds
        self._certificates = certificates
        if proxy:
            _split_proxy(proxy)

    def with_agent(self, environment: Mapping[str, str], certificates: str) -> Network:
        """Return the network as the agent sees it: with the proxies of its service and the certificates it trusts."""
        return Network(self._proxy, {**self._environment, **environment}, certificates, self._seconds)

    def proxy_of(self, url: str) -> str:
        """Return the proxy that a URL is asked through, "" for none."""
        parts = urlsplit(url)
        host = parts.hostname or ""
        if self._proxy:
            return self._proxy
        without = self._environment.get("no_proxy") or self._environment.get("NO_PROXY") or ""
        if proxy_bypass_environment(host, {"no": without}):
            return ""
        names = [name for name in _PROXY_NAMES if name.lower().startswith((parts.scheme, "all"))]
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
        """
        proxy = "" if direct else self.proxy_of(url)
        begin = monotonic()
        connection: http.client.HTTPConnection | None = None
        try:
            connection, target = self._connected(url, proxy)
            version = connection.sock.version() if isinstance(connection.sock, ssl.SSLSocket) else ""
            connection.request(method, target, headers={"User-Agent": "hardware-fingerprint", **(headers or {})})
            answer = connection.getresponse()
            taken = monotonic() - begin
            return Reached(
                url, answer.status, answer.read(_READ_LIMIT), taken, _skew(answer.getheader("Date")),
                without_password(proxy), version or "",
            )  # fmt: skip
        except ssl.SSLCertVerificationError as error:
            raise Unreached("tls", f"its certificate is not accepted: {error.verify_message}") from None
        except ssl.SSLError as error:
            raise Unreached("tls", f"no TLS came about ({error.reason or error})") from None
        except socket.gaierror as error:
            raise Unreached("name", f"its name has no address ({error.strerror})") from None
        except TimeoutError:
            raise Unreached("timeout", f"no answer within {self._seconds:g} s") from None
        except ConnectionRefusedError:
            where = "the proxy refuses connections" if proxy else "the connection is refused"
            raise Unreached("refused", where) from None
        except http.client.HTTPException as error:
            raise Unreached("broken", f"the answer is not HTTP ({type(error).__name__})") from None
        except OSError as error:
            text = error.strerror or str(error)
            if text.startswith("Tunnel connection failed"):
                raise Unreached(
                    "proxy", f"the proxy does not let it through ({text[len('Tunnel connection ') :]})"
                ) from None
            raise Unreached("no-route", f"no way to it ({text})") from None
        finally:
            if connection is not None:
                connection.close()

    def _connected(self, url: str, proxy: str) -> tuple[http.client.HTTPConnection, str]:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        first_host, first_port = _split_proxy(proxy) if proxy else (host, port)
        if parts.scheme == "https":
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                first_host, first_port, timeout=self._seconds, context=self._context()
            )
            if proxy:
                connection.set_tunnel(host, port, _authorization(proxy))
        else:
            connection = http.client.HTTPConnection(first_host, first_port, timeout=self._seconds)
            target = url if proxy else target
        connection.connect()
        return connection, target

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


def _split_proxy(proxy: str) -> tuple[str, int]:
    parts = urlsplit(proxy if "//" in proxy else f"http://{proxy}")
    try:
        port = parts.port
    except ValueError:
        port = -1
    if parts.scheme != "http" or not parts.hostname or port == -1:
        raise UsageError(
            f"{without_password(proxy)!r} is no proxy that can be asked",
            remedy="Name one as http://host:port",
        )
    return parts.hostname, port or 80


def _authorization(proxy: str) -> dict[str, str]:
    parts = urlsplit(proxy if "//" in proxy else f"http://{proxy}")
    if parts.username is None:
        return {}
    from base64 import b64encode
    from urllib.parse import unquote

    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return {"Proxy-Authorization": f"Basic {b64encode(pair.encode()).decode('ascii')}"}


def without_password(proxy: str) -> str:
    """Return the URL of a proxy as it may be told."""
    head, at, rest = proxy.rpartition("@")
    return f"{head.partition('//')[0]}//***@{rest}" if at and "//" in head else rest if at else proxy


def _skew(date: str | None) -> float | None:
    if not date:
        return None
    try:
        return time() - parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError):
        return None
