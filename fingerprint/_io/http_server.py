"""An HTTP server for local clients: h11 reads and writes HTTP, asyncio keeps the deadlines.

Every step of a connection has a deadline that no slow client can extend, and every user has a share of the connections:
the user with the most loses the connection that has waited longest.
"""

from __future__ import annotations

import asyncio
import threading
from logging import getLogger
from time import monotonic

from fingerprint._io.http_connection import PIECE, Connection
from fingerprint._io.http_messages import Deadlines
from fingerprint._io.peers import peer_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable
    from typing import Any

    from fingerprint._io.http_messages import Answer, NoAnswer, Request
    from fingerprint._io.peers import Peer

# Limits of all connections, and of those of one user; lower if a process may not have four times as many open files.
CONNECTIONS_MOST = 256
OF_A_USER_MOST = 64
# Connections that wait to be accepted, and how many are accepted at once.
QUEUE = 128
_AT_ONCE = 32
_LOG_SECONDS = 60.0


class HttpServer:
    """The server; `serve_forever` and `stop`, or `start` and `stop`.

    Args:
        answer: returns the answer to a request; called in a separate thread, or in this one if none can be started.
        listener: a socket that listens. The server closes it.
        deadlines: of each connection.
        body_limit: bytes; a longer body is answered with 413.
        tls: to serve HTTPS.
        logger: the name of the logger for errors.
    """

    def __init__(
        self,
        answer: Callable[[Request], Answer | NoAnswer],
        listener: socket.socket,
        *,
        deadlines: Deadlines | None = None,
        body_limit: int = 4096,
        tls: ssl.SSLContext | None = None,
        logger: str,
    ) -> None:
        self.listener = listener
        self.answer = answer
        self.deadlines = deadlines or Deadlines()
        self.body_limit = body_limit
        self.log = getLogger(logger)
        self._tls = tls
        self._open: dict[int | None, dict[Connection, None]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        # Reentrant, because a signal handler may run while this thread has it.
        self._lock = threading.RLock()
        self._stopping = False
        self._stopped = asyncio.Event()
        self._thread: threading.Thread | None = None
        self._logged_at = -_LOG_SECONDS
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
        """Stop, and wait for the end of a serving thread. A signal handler can call it."""
        with self._lock:
            self._stopping = True
            if self._loop is None:
                self.listener.close()
            else:
                try:
                    self._loop.call_soon_threadsafe(self._stopped.set)
                except RuntimeError:
                    # It has already stopped.
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
            self._connected, sock=self.listener, limit=PIECE, backlog=_AT_ONCE, ssl=self._tls, **tls
        )
        self.listener.listen(QUEUE)
        try:
            await self._stopped.wait()
        finally:
            with self._lock:
                self._stopping = True
            server.close()
            # Let connections that are already accepted begin.
            await asyncio.sleep(0.01)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = peer_of(writer.get_extra_info("socket"))
        if self._make_space(peer):
            Connection(self, reader, writer, peer).begin()
        else:
            writer.transport.abort()

    def _make_space(self, peer: Peer) -> bool:
        """Return whether one more connection of a peer can be served; drop others for it if necessary."""
        while (crowd := self._crowd(peer)) is not None:
            self._log_rarely("too many connections (the last of %s): dropping those that wait longest", peer)
            waiting = next((connection for connection in crowd if connection.waits), None)
            if waiting is None:
                # Connections that have not been read yet may exceed the limit for a few turns.
                return not all(connection.busy for connection in crowd)
            waiting.drop()
        return True

    def _crowd(self, peer: Peer) -> dict[Connection, None] | None:
        """Return the connections of which one must be dropped before this peer gets another one, None for none."""
        own = self._open.get(peer.uid, {})
        if peer.uid is not None and len(own) >= min(OF_A_USER_MOST, self.most // 4):
            return own
        if sum(map(len, self._open.values())) >= self.most:
            return max(self._open.values(), key=len)
        return None

    def _log_rarely(self, text: str, *values: object) -> None:
        """Log an event that clients can cause at will, once in a while."""
        if monotonic() - self._logged_at >= _LOG_SECONDS:
            self._logged_at = monotonic()
            self.log.warning(text, *values)

    def enter(self, connection: Connection) -> None:
        """Count a connection."""
        self._open.setdefault(connection.peer.uid, {})[connection] = None

    def leave(self, connection: Connection) -> None:
        """Count a connection no longer."""
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
