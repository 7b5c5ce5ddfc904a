"""An HTTP server for local clients: h11 reads and writes HTTP, asyncio keeps the deadlines.

Every step of a connection has a deadline that no slow client can extend, and every peer has a share of the
connections: who has most loses the one that has kept us waiting longest.
"""

from __future__ import annotations

import asyncio
import threading
from http.client import responses
from logging import getLogger
from time import monotonic, time
from types import MappingProxyType

import h11

from fingerprint._io.peers import Peer, peer_of
from fingerprint._io.times import http_date
from fingerprint.types import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any, TypeVar

    _T = TypeVar("_T")

# Of all connections, and of those of one user; fewer where a process may not have four times as many files open.
CONNECTIONS_MOST = 256
OF_A_USER_MOST = 64
_HEAD_LIMIT = 16 * 1024
# What is read of a request that was rejected, so that its answer gets through.
_REST_LIMIT = 1024 * 1024
_PIECE = _HEAD_LIMIT
# Connections that wait to be accepted, and how many are accepted before others get their turn.
QUEUE = 128
_AT_ONCE = 32
# After so many turns what a client had sent by the time that it was accepted has been read.
_TURNS = 4
_LOG_SECONDS = 60.0


class Deadlines(Value):
    """How many seconds the steps of a connection have.

    Attributes:
        idle: until a request begins.
        head: from its first byte to the end of its headers.
        body: from there to the end of its body.
        send: for each piece of the answer.
    """

    idle: float = 10.0
    head: float = 5.0
    body: float = 5.0
    send: float = 10.0


class Request(Value):
    """A whole request.

    Attributes:
        method: such as "GET".
        target: as it was sent; printable ASCII without blanks, beginning with "/".
        headers: (name in lower case, value), in their order.
        body: all of it.
        peer: who sent it.
    """

    _hidden = ("headers", "body")
    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes
    peer: Peer

    def header(self, name: str) -> str:
        """Return the value of a header, by its name in lower case; "" if there is none or more than one."""
        values = [value for known, value in self.headers if known == name]
        return values[0] if len(values) == 1 else ""


class Answer(Value):
    """What is sent back.

    Attributes:
        status: of HTTP.
        body: the bytes, or pieces of them that are sent as they come.
        headers: beside the length.
    """

    _hidden = ("body", "headers")
    status: int
    body: bytes | Iterable[bytes] = b""
    headers: Mapping[str, str] = MappingProxyType({})


class NoAnswer(Value):
    """The connection is closed without an answer.

    Attributes:
        held: whether only when the client has gone.
    """

    held: bool = False


class HttpServer:
    """The server; `serve_forever` and `stop`, or `start` and `stop`.

    Args:
        answer: gives the answer to a request; called in a thread of its own, or here where none can be started.
        listener: a socket that listens. The server closes it.
        deadlines: of each connection.
        body_limit: bytes; a longer body is answered with 413.
        tls: to serve HTTPS.
        logger: a name; what goes wrong is logged there.
    """

    def __init__(
        self,
        answer: Callable[[Request], Answer | NoAnswer],
        listener: socket.socket,
        *,
        deadlines: Deadlines | None = None,
        body_limit: int = 4096,
        tls: ssl.SSLContext | None = None,
        logger: str = "fingerprint.http",
    ) -> None:
        self.listener = listener
        self.answer = answer
        self.deadlines = deadlines or Deadlines()
        self.body_limit = body_limit
        self.log = getLogger(logger)
        self._tls = tls
        self._open: dict[int | None, dict[_Connection, None]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        # Of a handler of signals, which may come when this thread has it.
        self._lock = threading.RLock()
        self._stopping = False
        self._stopped = asyncio.Event()
        self._thread: threading.Thread | None = None
        self._told = -_LOG_SECONDS
        self.most = min(CONNECTIONS_MOST, _files_most() // 4)
        listener.setblocking(False)

    def serve_forever(self) -> None:
        """Serve in this thread until `stop` is called or it is interrupted."""
        try:
            asyncio.run(self._serve())
        finally:
            self.listener.close()

    def start(self) -> None:
        """Serve in a thread."""
        self._thread = threading.Thread(target=self.serve_forever, name=self.log.name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Serve no more. Waits for the end if it is served in another thread; a handler of signals can call it."""
        with self._lock:
            self._stopping = True
            if self._loop is None:
                self.listener.close()
            else:
                try:
                    self._loop.call_soon_threadsafe(self._stopped.set)
                except RuntimeError:
                    # It was stopped before.
                    pass
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    async def _serve(self) -> None:
        with self._lock:
            if self._stopping:
                return
            self._loop = asyncio.get_running_loop()
        tls: dict[str, Any] = {"ssl_handshake_timeout": self.deadlines.head} if self._tls else {}
        server = await asyncio.start_server(
            self._connected, sock=self.listener, limit=_PIECE, backlog=_AT_ONCE, ssl=self._tls, **tls
        )
        self.listener.listen(QUEUE)
        try:
            await self._stopped.wait()
        finally:
            with self._lock:
                self._stopping = True
            server.close()
            # What was accepted by now is not lost on the way to its connection.
            await asyncio.sleep(0.01)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = peer_of(writer.get_extra_info("socket"))
        if self._has_place(peer):
            _Connection(self, reader, writer, peer).begin()
        else:
            writer.transport.abort()

    def _has_place(self, peer: Peer) -> bool:
        """Return whether one more connection of a peer is served, having dropped others for it where need be."""
        while (crowd := self._crowd(peer)) is not None:
            self._tell("too many connections (the last of %s): those that wait longest are dropped", peer)
            waiting = next((connection for connection in crowd if connection.waits), None)
            if waiting is None:
                # Those that nobody has read from yet are beyond the limit for a few turns.
                return not all(connection.busy for connection in crowd)
            waiting.drop()
        return True

    def _crowd(self, peer: Peer) -> dict[_Connection, None] | None:
        """Return the connections of which one has to go before this peer has another one, None for none."""
        own = self._open.get(peer.uid, {})
        if peer.uid is not None and len(own) >= min(OF_A_USER_MOST, self.most // 4):
            return own
        if sum(map(len, self._open.values())) >= self.most:
            return max(self._open.values(), key=len)
        return None

    def _tell(self, text: str, *values: object) -> None:
        """Log what a client can bring about as often as it likes: once in a while."""
        if monotonic() - self._told >= _LOG_SECONDS:
            self._told = monotonic()
            self.log.warning(text, *values)

    def enter(self, connection: _Connection) -> None:
        self._open.setdefault(connection.peer.uid, {})[connection] = None

    def leave(self, connection: _Connection) -> None:
        own = self._open.get(connection.peer.uid, {})
        own.pop(connection, None)
        if not own:
            self._open.pop(connection.peer.uid, None)


def _files_most() -> int:
    """Return how many files this process may have open."""
    try:
        from resource import RLIM_INFINITY, RLIMIT_NOFILE, getrlimit
    except ImportError:
        return 4 * CONNECTIONS_MOST
    soft = getrlimit(RLIMIT_NOFILE)[0]
    return soft if soft != RLIM_INFINITY else 4 * CONNECTIONS_MOST


class _TooLong(Exception):
    pass


class _Connection:
    """One connection.

    Attributes:
        peer: who is at its other end.
        busy: whether a whole request was read and is being answered.
        waits: whether it was read from, and no request was there.
    """

    def __init__(
        self, server: HttpServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: Peer
    ) -> None:
        self.peer = peer
        self.busy = self.waits = False
        self._server = server
        self._reader = reader
        self._writer = writer
        self._begun = False
        self._task: asyncio.Task[None] | None = None
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=_HEAD_LIMIT)
        # What is sent has left for the kernel before the next step, or runs into its deadline.
        writer.transport.set_write_buffer_limits(0)

    def begin(self) -> None:
        self._server.enter(self)
        self._task = asyncio.get_running_loop().create_task(self._run())
        # Not in the task: one that is dropped before its first step takes none.
        self._task.add_done_callback(lambda _: self._end())

    def drop(self) -> None:
        """End it, whatever it waits for."""
        self._server.leave(self)
        if self._task is not None:
            self._task.cancel()

    def _end(self) -> None:
        self._server.leave(self)
        self._writer.transport.abort()

    async def _run(self) -> None:
        try:
            for _ in range(_TURNS):
                await asyncio.sleep(0)
            while await self._exchange():
                self._http.start_next_cycle()
            await self._part()
        except (OSError, asyncio.TimeoutError, EOFError):
            # The client is gone, or too slow even for an error.
            pass
        except Exception as error:
            self._server.log.error("a connection failed: %s", type(error).__name__)

    async def _exchange(self) -> bool:
        """Answer one request. Return whether another one may follow."""
        self.busy, self.waits = False, True
        try:
            request = await self._request()
        except (h11.RemoteProtocolError, _TooLong, asyncio.TimeoutError) as error:
            if isinstance(error, h11.RemoteProtocolError):
                status = error.error_status_hint
            else:
                status = 413 if isinstance(error, _TooLong) else 408
            if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE) and self._begun:
                # Without what it was: a header may be a secret.
                self._server.log.info("not a request: %d %s", status, self.peer)
                await self._send(Answer(status), close=True)
            return False
        if request is None:
            return False
        self.busy, self.waits = True, False
        answer = await _in_thread(lambda: self._answer(request))
        if isinstance(answer, NoAnswer):
            while answer.held and await self._reader.read(_PIECE):
                continue
            return False
        await self._send(answer)
        return self._http.our_state is h11.DONE and self._http.their_state is h11.DONE

    def _answer(self, request: Request) -> Answer | NoAnswer:
        try:
            return self._server.answer(request)
        except Exception as error:
            # One request that fails here must not cost the others; its values may be secrets.
            self._server.log.error("a request failed: %s", type(error).__name__)
            return Answer(500)

    async def _request(self) -> Request | None:
        """Return the next request, None when the client has no more."""
        limits = self._server.deadlines
        self._begun = bool(self._http.trailing_data[0])
        end = monotonic() + (limits.head if self._begun else limits.idle)
        head: h11.Request | None = None
        body = bytearray()
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                if self._http.they_are_waiting_for_100_continue:
                    go_on = self._http.send(h11.InformationalResponse(status_code=100, headers=[]))
                    await self._write(go_on or b"")
                data = await asyncio.wait_for(self._reader.read(_PIECE), max(0.0, end - monotonic()))
                if data and not self._begun:
                    self._begun, end = True, monotonic() + limits.head
                self._http.receive_data(data)
            elif isinstance(event, h11.Request):
                head, end = event, monotonic() + limits.body
            elif isinstance(event, h11.Data):
                if len(body) + len(event.data) > self._server.body_limit:
                    raise _TooLong
                body += event.data
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                break
            else:
                return None
        target = head.target.decode("ascii")
        if not target.startswith("/"):
            raise h11.RemoteProtocolError("not a path", error_status_hint=400)
        headers = [(name.decode("ascii"), value.decode("latin-1")) for name, value in head.headers]
        return Request(head.method.decode("ascii"), target, headers, bytes(body), self.peer)

    async def _send(self, answer: Answer, *, close: bool = False) -> None:
        headers = {"Date": http_date(time()), "Content-Type": "text/plain", **answer.headers}
        if isinstance(answer.body, bytes):
            headers["Content-Length"] = str(len(answer.body))
        if close:
            headers["Connection"] = "close"
        head = h11.Response(
            status_code=answer.status, headers=list(headers.items()), reason=responses.get(answer.status, "")
        )
        data = self._http.send(head) or b""
        if isinstance(answer.body, bytes):
            # Head and body in one packet: two wait for an acknowledgement that comes 40 ms later.
            data += self._http.send(h11.Data(data=answer.body)) or b""
        else:
            await self._write(data)
            pieces, data = iter(answer.body), b""
            while (piece := await _in_thread(lambda: next(pieces, None))) is not None:
                await self._write(self._http.send(h11.Data(data=piece)) or b"")
        data += self._http.send(h11.EndOfMessage()) or b""
        await self._write(data)

    async def _write(self, data: bytes) -> None:
        self._writer.write(data)
        await asyncio.wait_for(self._writer.drain(), self._server.deadlines.send)

    async def _part(self) -> None:
        """Close for writing, and read what still comes: a reset would take the answer away from the client."""
        self.busy, self.waits = False, True
        if self._writer.can_write_eof():
            self._writer.write_eof()
        end, left = monotonic() + self._server.deadlines.head, _REST_LIMIT
        while left > 0:
            data = await asyncio.wait_for(self._reader.read(_PIECE), max(0.0, end - monotonic()))
            if not data:
                break
            left -= len(data)


async def _in_thread(work: Callable[[], _T]) -> _T:
    """Return what some work gives, done in a thread: a daemon, so that nothing it waits for keeps the program."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[_T] = loop.create_future()

    def settle(result: _T | None, error: BaseException | None) -> None:
        if future.cancelled():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result: _T | None = None
        problem: BaseException | None = None
        try:
            result = work()
        except Exception as error:
            problem = error
        try:
            loop.call_soon_threadsafe(settle, result, problem)
        except RuntimeError:
            # The server was stopped meanwhile.
            pass

    try:
        threading.Thread(target=run, daemon=True).start()
    except RuntimeError:
        # A limit of processes: then one after the other.
        return work()
    return await future
