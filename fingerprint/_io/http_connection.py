"""One connection of an HTTP server: its steps, each with a deadline that no slow client can extend."""

from __future__ import annotations

import asyncio
import threading
from http.client import responses
from time import monotonic, time

import h11

from fingerprint._io.http_messages import Answer, NoAnswer, Request
from fingerprint._io.times import http_date

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from fingerprint._io.http_server import HttpServer
    from fingerprint._io.peers import Peer

    _T = TypeVar("_T")

_HEAD_LIMIT = 16 * 1024
# Bytes to read of a rejected request, so that the client gets the answer.
_REST_LIMIT = 1024 * 1024
PIECE = _HEAD_LIMIT
# Turns of the event loop until the data that a client sent before it was accepted has been read.
TURNS = 4


class _TooLong(Exception):
    pass


class Connection:
    """One connection.

    Attributes:
        peer: who is at its other end.
        busy: whether a complete request was read and is being answered.
        waits: whether it was read, without a request.
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
        # So that `drain` waits until the kernel has the data, or for the deadline.
        writer.transport.set_write_buffer_limits(0)

    def begin(self) -> None:
        """Start to serve it."""
        self._server.enter(self)
        self._task = asyncio.get_running_loop().create_task(self._run())
        # Not in the task, which may be cancelled before its first step.
        self._task.add_done_callback(lambda _: self._end())

    def drop(self) -> None:
        """End it at any step."""
        self._server.leave(self)
        if self._task is not None:
            self._task.cancel()

    def _end(self) -> None:
        self._server.leave(self)
        self._writer.transport.abort()

    async def _run(self) -> None:
        try:
            for _ in range(TURNS):
                await asyncio.sleep(0)
            while await self._exchange():
                self._http.start_next_cycle()
            await self._finish()
        except (OSError, asyncio.TimeoutError, EOFError):
            # The client is gone, or too slow for an error.
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
                # Without its content: a header may be a secret.
                self._server.log.info("not a request: %d %s", status, self.peer)
                await self._send(Answer(status), close=True)
            return False
        if request is None:
            return False
        self.busy, self.waits = True, False
        answer = await _in_thread(lambda: self._answer(request))
        if isinstance(answer, NoAnswer):
            while answer.held and await self._reader.read(PIECE):
                continue
            return False
        await self._send(answer)
        return self._http.our_state is h11.DONE and self._http.their_state is h11.DONE

    def _answer(self, request: Request) -> Answer | NoAnswer:
        try:
            return self._server.answer(request)
        except Exception as error:
            # A failed request must not end the others. Its values may be secrets, so only the type is logged.
            self._server.log.error("a request failed: %s", type(error).__name__)
            return Answer(500)

    async def _request(self) -> Request | None:
        """Return the next request, None if the client sends no more."""
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
                data = await asyncio.wait_for(self._reader.read(PIECE), max(0.0, end - monotonic()))
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
            # Head and body in one packet: two wait 40 ms for an acknowledgement.
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

    async def _finish(self) -> None:
        """Close for writing, and read the rest of the input: a reset would discard the client's answer."""
        self.busy, self.waits = False, True
        if self._writer.can_write_eof():
            self._writer.write_eof()
        end, left = monotonic() + self._server.deadlines.head, _REST_LIMIT
        while left > 0:
            data = await asyncio.wait_for(self._reader.read(PIECE), max(0.0, end - monotonic()))
            if not data:
                break
            left -= len(data)


async def _in_thread(call: Callable[[], _T]) -> _T:
    """Return the result of a call in a daemon thread, so that the program can end while it waits."""
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
            result = call()
        except Exception as error:
            problem = error
        try:
            loop.call_soon_threadsafe(settle, result, problem)
        except RuntimeError:
            # The server has stopped.
            pass

    try:
        threading.Thread(target=run, daemon=True).start()
    except RuntimeError:
        # The limit of threads is reached: call it here.
        return call()
    return await future
