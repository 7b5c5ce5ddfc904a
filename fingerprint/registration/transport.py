"""Send one request and read its answer within one deadline, over all layers.

botocore's own transport starts its timeout again for each read, so a server or a proxy that sends a byte now and then
blocks it without limit, in a handshake, a head or a body. httpcore runs in an event loop with one deadline for all.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from concurrent.futures import Future
from threading import Thread
from urllib.parse import urlsplit

import certifi
import httpcore
from botocore.awsrequest import AWSResponse
from botocore.exceptions import HTTPClientError, SSLError

from fingerprint.errors import BadAnswer, UsageError
from fingerprint.registration.routes import proxy_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

CHECK_ENDPOINT = "Nothing was changed here. Check that the endpoint is the service, then retry"
ANSWER_LIMIT = 64 * 1024


class NoAnswer(HTTPClientError):  # type: ignore[misc]
    """No answer; botocore retries after it.

    Attributes:
        unsent: whether it is certain that nothing of the request was sent.
    """

    fmt = "{error}"
    unsent = False


class NoSecureConnection(SSLError):  # type: ignore[misc]
    """No answer because TLS failed; botocore retries after it."""

    fmt = "{error}"
    unsent = False


class Transport:
    """A handler of botocore's event `before-send`.

    Args:
        endpoint: the URL that requests go to.
        proxies: scheme -> URL; None for those of the environment.
        verify: file or directory of certificates; None for the usual ones.
        timeouts: seconds to connect, and for a complete exchange: from the resolution of the name to the end of the
            answer.
        of_agent: variables of the agent's service that name proxies, used if the environment names none.
        certificates: file of certificates to trust beside the others, "" for none.

    Raises:
        UsageError: a proxy, or a file of certificates, cannot be used.
    """

    def __init__(
        self,
        endpoint: str,
        proxies: dict[str, str] | None,
        verify: str | None,
        timeouts: tuple[float, float],
        of_agent: Mapping[str, str],
        certificates: str = "",
    ) -> None:
        self._endpoint = endpoint
        self._connect_seconds, self._seconds = timeouts
        proxy = proxy_of(endpoint, proxies, of_agent)
        proxy_is_secure = proxy is not None and proxy.secure
        # Certificates take as long to load as the rest of a client, and plain HTTP to this host needs none.
        usual = verify or certifi.where() if proxy_is_secure or urlsplit(endpoint).scheme == "https" else ""
        self._context = _context(usual, certificates)
        self._proxy = None
        if proxy is not None:
            secure = self._context if proxy_is_secure else None
            self._proxy = httpcore.Proxy(proxy.url, proxy.auth, ssl_context=secure)

    def __call__(self, request: Any, **_: Any) -> AWSResponse:
        """Return the answer with its body read.

        Raises:
            BadAnswer: it is longer than any answer of the service.
            NoAnswer, NoSecureConnection: no answer in time; botocore retries.
        """
        outcome: Future[AWSResponse] = Future()

        async def exchange() -> None:
            connections = _Connections()
            # Set here, because the loop does not end before a running name resolution does.
            try:
                outcome.set_result(await asyncio.wait_for(self._exchanged(request, connections), self._seconds))
            except Exception as error:
                outcome.set_exception(error)
            finally:
                await connections.close()

        # A separate thread, as the caller's may already run a loop; a daemon, so that no process waits for it.
        thread = Thread(target=lambda: asyncio.run(exchange()), daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            failure: NoAnswer | NoSecureConnection = NoAnswer(error=str(error))
            failure.unsent = True
            raise failure from None
        try:
            return outcome.result()
        except (asyncio.TimeoutError, httpcore.TimeoutException) as error:
            # Only connecting and the complete exchange have a limit.
            connecting = isinstance(error, httpcore.TimeoutException)
            what, seconds = ("connection", self._connect_seconds) if connecting else ("complete answer", self._seconds)
            failure = NoAnswer(error=f"no {what} within {seconds:g} s")
            failure.unsent = connecting
            raise failure from None
        except (OSError, RuntimeError, ValueError, httpcore.NetworkError, httpcore.ProtocolError,
                httpcore.ProxyError) as error:  # fmt: skip
            failure = _no_answer(error)
            failure.unsent = isinstance(error, (httpcore.ConnectError, httpcore.ProxyError))
            raise failure from None

    async def _exchanged(self, request: Any, connections: _Connections) -> AWSResponse:
        body = request.body.encode("utf-8") if isinstance(request.body, str) else bytes(request.body or b"")
        # The host as it is signed, and no compression, so that the limit of the answer holds.
        headers = [("Host", urlsplit(request.url).netloc), ("Accept-Encoding", "identity")]
        headers += [(name, _text(value)) for name, value in request.headers.items() if name.lower() != "host"]
        limits = {"timeout": {"connect": self._connect_seconds}}
        async with (
            httpcore.AsyncConnectionPool(self._context, proxy=self._proxy, network_backend=connections) as pool,
            pool.stream(request.method, request.url, headers=headers, content=body, extensions=limits) as response,
        ):
            answer = b""
            async for part in response.aiter_stream():
                answer += part
                if len(answer) > ANSWER_LIMIT:
                    raise BadAnswer(
                        f"invalid answer: longer than {ANSWER_LIMIT} bytes", where=self._endpoint,
                        remedy=CHECK_ENDPOINT,
                    )  # fmt: skip
            received = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in response.headers]
            return AWSResponse(request.url, response.status, received, _Body(answer))


class _Connections(httpcore.AnyIOBackend):
    """Opens connections and closes them all; a cancelled handshake would leave one to the garbage collector."""

    def __init__(self) -> None:
        self._opened: list[httpcore.AsyncNetworkStream] = []

    async def connect_tcp(self, *arguments: Any, **options: Any) -> httpcore.AsyncNetworkStream:
        stream = await super().connect_tcp(*arguments, **options)
        self._opened.append(stream)
        return stream

    async def close(self) -> None:
        """Close all connections."""
        for stream in self._opened:
            await stream.aclose()


class _Body:
    """A complete body with the interface that botocore reads."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def stream(self, **_: object) -> Iterator[bytes]:
        yield self._data


def _text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _context(usual: str, certificates: str) -> ssl.SSLContext:
    """Return the TLS context that verifies servers. (ssl.create_default_context would write keys to SSLKEYLOGFILE.)"""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if usual:
        remedy = "Correct the file, or unset AWS_CA_BUNDLE"
        _trust(context, usual, "the certificates of AWS_CA_BUNDLE", remedy)
    if certificates:
        remedy = "Correct the file, or move it away; the agent also trusts it"
        _trust(context, certificates, "the certificates of the agent", remedy)
    return context


def _trust(context: ssl.SSLContext, path: str, what: str, remedy: str) -> None:
    try:
        context.load_verify_locations(**{"capath" if os.path.isdir(path) else "cafile": path})
    except OSError as error:
        # ssl.SSLError is a subclass.
        reason = getattr(error, "reason", None) or error.strerror or error
        raise UsageError(
            f"{what} cannot be used ({reason})", where=path, remedy=f"Nothing was sent. {remedy}"
        ) from None


def _no_answer(error: BaseException) -> NoAnswer | NoSecureConnection:
    """Return the error for botocore, with the reason from the system or OpenSSL that other errors wrap."""
    reason, cause = str(error), error.__cause__ or error.__context__
    seen = [error]
    while cause is not None and cause not in seen:
        seen.append(cause)
        cause = cause.__cause__ or cause.__context__
    for one in seen:
        # Of the attempts for several addresses the first reason is used.
        seen += [inner for inner in getattr(one, "exceptions", ()) if inner not in seen]
    for one in reversed(seen):
        if isinstance(one, ssl.SSLError):
            return NoSecureConnection(error=getattr(one, "verify_message", "") or one.reason or "TLS failed")
        if isinstance(one, OSError) and one.strerror:
            reason = one.strerror
    return NoAnswer(error=reason or type(error).__name__)
