"""A connection for one HTTP exchange, with a time limit per step and per exchange, and TLS within TLS."""

from __future__ import annotations

import http.client
import io
import socket
import ssl
from itertools import zip_longest
from queue import Empty, Queue
from threading import Thread
from time import monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any, TypeVar

    _T = TypeVar("_T")

# Multiples of the limit of a step: for the name servers, and for the exchange from the name to the last byte of the
# answer. Name servers have more than a step, as the system asks the next one only after 5 seconds.
_LOOKUP = 3
_EXCHANGE = 4
_BLOCK = 65536


class Unreached(Exception):
    """No answer came.

    Attributes:
        kind: "url" (invalid), "name" (without an address), "refused", "timeout", "no-route", "tls", "proxy" or
            "broken" (not HTTP, or cut off).
        text: the reason as a sentence.
    """

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind
        self.text = text


class Connection:
    """A connection with a time limit for each step and one for all steps, which http.client does not have.

    Attributes:
        begin: monotonic time of the first step.
        limit: seconds of the limit that applies now.
    """

    def __init__(self, seconds: float) -> None:
        self.begin = monotonic()
        self.limit = seconds
        self._seconds = seconds
        self._end = self.begin + _EXCHANGE * seconds
        self._socket: socket.socket | None = None
        self._inner: _InnerTls | None = None

    @property
    def tls(self) -> str:
        """The version of the innermost TLS, "" without."""
        if self._inner is not None:
            return self._inner.version
        return (self._socket.version() or "") if isinstance(self._socket, ssl.SSLSocket) else ""

    def connect(self, host: str, port: int) -> None:
        """Connect with the first of the addresses that accepts."""
        problem: OSError | None = None
        for family, kind, protocol, _, address in _in_turns(_addresses(host, port, _LOOKUP * self._seconds)):
            try:
                # A kernel may lack the family.
                self._socket = socket.socket(family, kind, protocol)
                self._ready().connect(address)
                return
            except OSError as error:
                self.close()
                problem = error
        raise problem or OSError("no address")

    def tunnel(self, target: str, headers: Mapping[str, str]) -> None:
        """Let the proxy at the other end connect to HOST:PORT."""
        self.send("CONNECT", target, {"Host": target, **headers})
        answer = self.answer("CONNECT")
        if answer.status // 100 != 2:
            raise denied_by_proxy(answer)

    def secure(self, context: ssl.SSLContext, host: str) -> None:
        """Begin TLS, within TLS if the connection has it already."""
        connection = self._ready()
        if isinstance(connection, ssl.SSLSocket):
            # A socket has one layer of TLS only.
            inner = _InnerTls(self._ready, context, host)
            inner.handshake()
            self._inner = inner
        else:
            self._socket = context.wrap_socket(connection, server_hostname=host)

    def send(self, method: str, target: str, headers: Mapping[str, str]) -> None:
        """Send a request without a body."""
        lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        data = "\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1")
        (self._ready() if self._inner is None else self._inner).sendall(data)

    def answer(self, method: str) -> http.client.HTTPResponse:
        """Return the answer to a request, its head read."""
        answer = http.client.HTTPResponse(self, method=method)  # type: ignore[arg-type]
        answer.begin()
        return answer

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Return the stream that HTTPResponse reads."""
        return io.BufferedReader(_Stream(self))

    def receive_into(self, buffer: Any) -> int:
        """Read some bytes."""
        return self._ready().recv_into(buffer) if self._inner is None else self._inner.recv_into(buffer)

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._socket is not None:
            self._socket.close()

    def _ready(self) -> socket.socket:
        """Return the socket, its timeout set for the next step."""
        assert self._socket is not None
        left = self._end - monotonic()
        if left < self._seconds:
            self.limit = _EXCHANGE * self._seconds
        if left <= 0:
            raise TimeoutError
        self._socket.settimeout(min(left, self._seconds))
        return self._socket


class _InnerTls:
    """TLS whose records are sent and received over a socket that speaks TLS itself."""

    def __init__(self, ready: Callable[[], socket.socket], context: ssl.SSLContext, host: str) -> None:
        self._ready = ready
        self._received, self._to_send = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._received, self._to_send, server_hostname=host)

    @property
    def version(self) -> str:
        """The version of TLS."""
        return self._tls.version() or ""

    def handshake(self) -> None:
        """Perform the handshake."""
        self._until_done(self._tls.do_handshake)

    def sendall(self, data: bytes) -> None:
        """Send all of it."""
        while data:
            data = data[self._until_done(lambda: self._tls.write(data)) :]  # noqa: B023

    def recv_into(self, buffer: Any) -> int:
        """Read some bytes and return their number; 0 at the end, also without a closing message."""
        try:
            data = self._until_done(lambda: self._tls.read(len(buffer)))
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return 0
        buffer[: len(data)] = data
        return len(data)

    def _until_done(self, step: Callable[[], _T]) -> _T:
        while True:
            try:
                done = step()
            except ssl.SSLWantReadError:
                self._flush()
                data = self._ready().recv(_BLOCK)
                if data:
                    self._received.write(data)
                else:
                    self._received.write_eof()
            else:
                self._flush()
                return done

    def _flush(self) -> None:
        if self._to_send.pending:
            self._ready().sendall(self._to_send.read())


class _Stream(io.RawIOBase):
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._connection.receive_into(buffer)


def _addresses(host: str, port: int, seconds: float) -> list[Any]:
    """Return the addresses of a name; wait for name servers at most so many seconds."""
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        pass
    found: Queue[list[Any] | Exception] = Queue()

    def resolve() -> None:
        try:
            found.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            found.put(error)

    # A daemon thread, as nothing can end it before the system's own limit.
    try:
        Thread(target=resolve, daemon=True).start()
    except RuntimeError:
        # A limit of processes: wait as long as the system does.
        resolve()
    try:
        answer = found.get(timeout=seconds)
    except Empty:
        raise Unreached("name", f"the name servers do not answer within {seconds:g} s") from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def _in_turns(addresses: list[Any]) -> Iterator[Any]:
    """Yield addresses of both families in turns, so that one without a route does not use up the time."""
    first = [one for one in addresses if one[0] == addresses[0][0]]
    others = [one for one in addresses if one[0] != addresses[0][0]]
    for pair in zip_longest(first, others):
        yield from (one for one in pair if one is not None)


def denied_by_proxy(answer: http.client.HTTPResponse) -> Unreached:
    """Return the error for a request that a proxy denied."""
    return Unreached("proxy", f"the proxy denies the request ({answer.status} {answer.reason})")
