"""Asking the network: one HTTPS or HTTP exchange at a time, directly or through a proxy, and why none came about."""

from __future__ import annotations

import http.client
import io
import socket
import ssl
from datetime import timezone
from email.utils import parsedate_to_datetime
from os import environ
from queue import Empty, Queue
from threading import Thread
from time import monotonic, time
from urllib.parse import SplitResult, urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

from fingerprint.errors import UsageError
from fingerprint.model import Value
from fingerprint.quoting import hidden

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

CONNECT_SECONDS = 3.0
# Of these, how many the name servers have, and a whole exchange: name, connection, TLS, and the answer's last byte.
# Name servers have more, as the system asks the next one after 5 seconds only.
_LOOKUP = 3
_WHOLE = 4
_READ_LIMIT = 64 * 1024
_PROXY_DENIES = 407
_PROXY_NAMES = ("https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")
_PORTS = {"http": 80, "https": 443}


class Unreached(Exception):
    """No answer came.

    Attributes:
        kind: "url" (it is none), "name" (no address for it), "refused", "timeout", "no-route", "tls", "proxy" or
            "broken" (an answer that is none, or cut).
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
        seconds: for each step of an exchange, such as the connection; the whole has four times as many.

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
        """Return the network as the agent sees it: with the proxies of its service and the certificates it trusts.

        Args:
            environment: the proxies of its service; where it has any, those of this process do not count.
            certificates: a file of further certificates to trust, "" for those that this has.
        """
        return Network(
            self._proxy, environment or self._environment, certificates or self._certificates, self._seconds
        )  # fmt: skip

    def proxy_of(self, url: str) -> str:
        """Return the proxy that a URL is asked through, "" for none."""
        parts = urlsplit(url)
        host = parts.hostname or ""
        if self._proxy:
            return self._proxy
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
        proxy = "" if direct else self.proxy_of(url)
        line = _Line(self._seconds)
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

    def _answer(self, line: _Line, parts: SplitResult, proxy: str, method: str, headers: Mapping[str, str]) -> Reached:
        host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        # As it stands in the URL: with the brackets of IPv6.
        sent = {"Host": parts.netloc.rpartition("@")[2], "User-Agent": "hardware-fingerprint", **headers}
        line.connect(*(_split_proxy(proxy) if proxy else (host, port)))
        if parts.scheme == "https":
            if proxy:
                line.tunnel(f"[{host}]:{port}" if ":" in host else f"{host}:{port}", _authorization(proxy))
            line.secure(self._context(), host)
        elif proxy:
            sent.update(_authorization(proxy))
            target = parts.geturl()
        line.send(method, target, sent)
        answer = line.answer(method)
        taken, skew = monotonic() - line.begin, _skew(answer.getheader("Date"))
        if proxy and answer.status == _PROXY_DENIES and parts.scheme == "http":
            raise _not_let_through(answer)
        return Reached(
            parts.geturl(), answer.status, answer.read(_READ_LIMIT), taken, skew, hidden(proxy), line.tls
        )  # fmt: skip

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


class _Line:
    """A connection with a limit for each step, and one for all of them, which http.client by itself has not.

    Attributes:
        begin: when the first step was begun.
        limit: the seconds that were exceeded, should one be.
    """

    def __init__(self, seconds: float) -> None:
        self.begin = monotonic()
        self.limit = seconds
        self._seconds = seconds
        self._end = self.begin + _WHOLE * seconds
        self._socket: socket.socket | None = None

    @property
    def tls(self) -> str:
        """The version of TLS, "" without."""
        return (self._socket.version() or "") if isinstance(self._socket, ssl.SSLSocket) else ""

    def connect(self, host: str, port: int) -> None:
        """Connect with the first of the addresses that accepts."""
        problem: OSError | None = None
        for family, kind, protocol, _, address in _addresses(host, port, _LOOKUP * self._seconds):
            self._socket = socket.socket(family, kind, protocol)
            try:
                self._ready().connect(address)
                return
            except OSError as error:
                self._socket.close()
                problem = error
        raise problem or OSError("it has no address")

    def tunnel(self, place: str, headers: Mapping[str, str]) -> None:
        """Let the proxy at the other end connect with a place."""
        self.send("CONNECT", place, {"Host": place, **headers})
        answer = self.answer("CONNECT")
        if answer.status // 100 != 2:
            raise _not_let_through(answer)

    def secure(self, context: ssl.SSLContext, host: str) -> None:
        """Begin TLS."""
        self._socket = context.wrap_socket(self._ready(), server_hostname=host)

    def send(self, method: str, target: str, headers: Mapping[str, str]) -> None:
        """Send a request without a body."""
        lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        self._ready().sendall("\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1"))

    def answer(self, method: str) -> http.client.HTTPResponse:
        """Return the answer to a request, its head read."""
        answer = http.client.HTTPResponse(self, method=method)  # type: ignore[arg-type]
        answer.begin()
        return answer

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Return what can be read; HTTPResponse asks for it."""
        return io.BufferedReader(_Stream(self))

    def receive_into(self, buffer: Any) -> int:
        """Read some bytes."""
        return self._ready().recv_into(buffer)

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._socket is not None:
            self._socket.close()

    def _ready(self) -> socket.socket:
        """Return the socket with the time that its next step has."""
        assert self._socket is not None
        left = self._end - monotonic()
        if left < self._seconds:
            self.limit = _WHOLE * self._seconds
        if left <= 0:
            raise TimeoutError
        self._socket.settimeout(min(left, self._seconds))
        return self._socket


class _Stream(io.RawIOBase):
    def __init__(self, line: _Line) -> None:
        self._line = line

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._line.receive_into(buffer)


def _addresses(host: str, port: int, seconds: float) -> list[Any]:
    """Return the addresses of a name. Waits for name servers no longer than so many seconds, as the system would."""
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        pass
    found: Queue[list[Any] | Exception] = Queue()

    def look_up() -> None:
        try:
            found.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            found.put(error)

    # A daemon, as nothing can end it before the system's own limit.
    try:
        Thread(target=look_up, daemon=True).start()
    except RuntimeError:
        # A limit of processes: then for as long as the system waits.
        look_up()
    try:
        answer = found.get(timeout=seconds)
    except Empty:
        raise Unreached("name", f"the name servers do not answer within {seconds:g} s") from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def demand_url(url: str) -> SplitResult:
    """Return the parts of a URL. Raises Unreached for what is none, so that nothing but a URL is put into a request."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in _PORTS and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not url.isascii() or any(char <= " " or char == "\x7f" for char in url):
        raise Unreached("url", "it is no URL that can be asked")
    return parts


def _not_let_through(answer: http.client.HTTPResponse) -> Unreached:
    return Unreached("proxy", f"the proxy does not let it through ({answer.status} {answer.reason})")


def _split_proxy(proxy: str) -> tuple[str, int]:
    try:
        parts = urlsplit(proxy if "//" in proxy else f"http://{proxy}")
        host, port = parts.hostname, parts.port
        usable = parts.scheme == "http" and bool(host)
    except ValueError:
        # No port, or no IPv6 address in brackets.
        usable = False
    if not usable or host is None:
        raise UsageError(
            f"{hidden(proxy)!r} is no proxy that can be asked",
            remedy="Name one as http://host:port",
        )
    return host, port or 80


def _authorization(proxy: str) -> dict[str, str]:
    parts = urlsplit(proxy if "//" in proxy else f"http://{proxy}")
    if parts.username is None:
        return {}
    from base64 import b64encode
    from urllib.parse import unquote

    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return {"Proxy-Authorization": f"Basic {b64encode(pair.encode()).decode('ascii')}"}


def _skew(date: str | None) -> float | None:
    if not date:
        return None
    try:
        told = parsedate_to_datetime(date)
        # One that says "-0000" is in UTC, too.
        return time() - (told if told.tzinfo else told.replace(tzinfo=timezone.utc)).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
