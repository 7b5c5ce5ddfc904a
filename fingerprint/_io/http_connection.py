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
# What is read of a request that was rejected, so that its answer gets through.
_REST_LIMIT = 1024 * 1024
PIECE = _HEAD_LIMIT
# After so many turns what a client had sent by the time that it was accepted has been read.
TURNS = 4


class _TooLong(Exception):
    pass


class Connection:
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
            for _ in range(TURNS):
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
            while answer.held and await self._reader.read(PIECE):
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
            data = await asyncio.wait_for(self._reader.read(PIECE), max(0.0, end - monotonic()))
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
