"""Role credentials over HTTP on loopback, in the shape of the metadata service of EC2, version 2.

For SDKs that know no `credential_process`. Every program of this machine can ask; so it is off unless run, and
listens on 127.0.0.1 only. What keeps others out: a token that only a PUT gives, one network hop, and no
answer to what came through a proxy or out of a browser.
"""

from __future__ import annotations

import secrets
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic

from fingerprint._json import dumps
from fingerprint.errors import EXIT_DIFFERS, EXIT_SERVICE_REFUSED, FingerprintError
from fingerprint.model import utc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from logging import Logger
    from typing import Any

    from fingerprint.credentials.cache import CredentialCache

HOST = "127.0.0.1"
PORT = 1338
ROLE = "fingerprint"
TOKEN_SECONDS_MOST = 6 * 3600
_TOKENS_MOST = 1024
_CONNECTIONS_MOST = 64
# Of a client that does not go on.
_IDLE_SECONDS = 10
_HOPS = 1
_NAMES = ("127.0.0.1", "localhost")
_TTL = "X-aws-ec2-metadata-token-ttl-seconds"
_TOKEN = "X-aws-ec2-metadata-token"
_TOKEN_PATH = "/latest/api/token"
_CREDENTIALS_PATH = "/latest/meta-data/iam/security-credentials"


class CredentialServer:
    """The server; use it as a context, or call `serve_forever` and `stop`.

    Args:
        cache: where credentials come from.
        facts: further paths below /latest/meta-data/, such as "placement/region", and what they answer.
        port: 0 for any free one.

    Raises:
        OSError: the port is taken.
    """

    def __init__(self, cache: CredentialCache, facts: Callable[[], dict[str, str]], *, port: int = PORT) -> None:
        self._cache = cache
        self._facts = facts
        self._tokens: dict[str, float] = {}
        self._lock = threading.Lock()
        served = self

        class BoundHandler(_Handler):
            server_of = served

        self._server = _Server((HOST, port), BoundHandler)
        self._thread: threading.Thread | None = None

    @property
    def endpoint(self) -> str:
        """The URL for AWS_EC2_METADATA_SERVICE_ENDPOINT."""
        return f"http://{HOST}:{self._server.server_address[1]}/"

    def serve_forever(self) -> None:
        """Serve in this thread until `stop` is called or it is interrupted."""
        self._server.serve_forever(poll_interval=0.2)

    def stop(self) -> None:
        """Serve no more."""
        self._server.shutdown()
        if self._thread is not None:
            self._thread.join()
        self._server.server_close()

    def __enter__(self) -> CredentialServer:
        self._thread = threading.Thread(target=self.serve_forever, name="credentials", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def new_token(self, seconds: int) -> str:
        """Return a new token. The oldest go when there are too many."""
        token = secrets.token_urlsafe(32)
        now = monotonic()
        with self._lock:
            self._tokens = {known: end for known, end in self._tokens.items() if end > now}
            while len(self._tokens) >= _TOKENS_MOST:
                del self._tokens[next(iter(self._tokens))]
            self._tokens[token] = now + seconds
        return token

    def knows(self, token: str) -> bool:
        """Return whether a token is good."""
        with self._lock:
            return self._tokens.get(token, 0.0) > monotonic()

    def answer(self, path: str) -> tuple[int, bytes]:
        """Return status and body for a path of the metadata service."""
        path = path.partition("?")[0].rstrip("/")
        if path == _CREDENTIALS_PATH:
            return 200, ROLE.encode()
        if path == f"{_CREDENTIALS_PATH}/{ROLE}":
            return self._credentials()
        try:
            fact = self._facts().get(path.removeprefix("/latest/meta-data/"))
        except FingerprintError as error:
            return _refusal(error)
        return (404, b"") if fact is None else (200, fact.encode("utf-8"))

    def _credentials(self) -> tuple[int, bytes]:
        try:
            found = self._cache.get()
        except FingerprintError as error:
            _log().error("%s", error)
            return _refusal(error)
        return 200, dumps({
            "Code": "Success", "LastUpdated": utc(self._cache.retrieved_at()), "Type": "AWS-HMAC",
            "AccessKeyId": found.access_key_id, "SecretAccessKey": found.secret_access_key,
            "Token": found.session_token, "Expiration": utc(found.expires_at),
        }, html_safe=False)  # fmt: skip


def _refusal(error: FingerprintError) -> tuple[int, bytes]:
    """Return an answer as the metadata service tells a failure; what SDKs try again for is 5xx."""
    final = error.exit_code in (EXIT_DIFFERS, EXIT_SERVICE_REFUSED)
    return 403 if final else 503, dumps({"Code": type(error).__name__, "Message": error.what})


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._places = threading.BoundedSemaphore(_CONNECTIONS_MOST)
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        # Who comes when all places are taken waits in the queue for a while, and is then sent away.
        if not self._places.acquire(timeout=1.0):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Tell what went wrong here; clients that hang up are no error."""
        error = sys.exc_info()[1]
        if not isinstance(error, (ConnectionError, TimeoutError)):
            _log().error("a request failed: %s", type(error).__name__)


class _Handler(BaseHTTPRequestHandler):
    server_of: CredentialServer
    protocol_version = "HTTP/1.1"
    server_version = "fingerprint"
    sys_version = ""
    timeout = _IDLE_SECONDS
    disable_nagle_algorithm = True
    wbufsize = -1

    def setup(self) -> None:
        # An answer that would leave the machine dies on the first router.
        self.request.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, _HOPS)
        super().setup()

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are logged with their answers, below."""

    def do_PUT(self) -> None:
        if not self._is_local():
            return
        if self.path != _TOKEN_PATH:
            self._send(404, b"")
            return
        seconds = self.headers.get(_TTL, "")
        if not (seconds.isascii() and seconds.isdigit() and 1 <= int(seconds[:6]) <= TOKEN_SECONDS_MOST):
            self._send(400, b"")
            return
        self._send(200, self.server_of.new_token(int(seconds)).encode(), {_TTL: seconds})

    def do_GET(self) -> None:
        if not self._is_local():
            return
        if not self.server_of.knows(self.headers.get(_TOKEN, "")):
            self._send(401, b"")
            return
        self._send(*self.server_of.answer(self.path))

    def _is_local(self) -> bool:
        """Refuse what a program of this machine would not send: a page in a browser, a proxy that passes it on."""
        host = self.headers.get("Host", "").rpartition(":")
        name = host[0] if host[1] else host[2]
        if name in _NAMES and not any(self.headers.get(told) for told in ("X-Forwarded-For", "Forwarded", "Origin")):
            return True
        self._send(403, b"")
        return False

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer errors without a page: a method that is not served is 405, as the metadata service says."""
        self._send(405 if code == 501 else code, b"")

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        if self.headers is None or int(self.headers.get("Content-Length") or 0) or status >= 400:
            # A body would be taken for the next request.
            self.close_connection = True
        # Before the answer: who has it can rely on the log.
        _log().info("%s %s %d", self.command, self.path[:200] if self.command else "-", status)
        self.send_response(status)
        for name, value in {"Content-Type": "text/plain", "Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()


def _log() -> Logger:
    from logging import getLogger

    return getLogger("fingerprint.serve")
