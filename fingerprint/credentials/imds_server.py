"""Serve role credentials on loopback or a Unix socket, in the form of the EC2 instance metadata service (IMDSv2).

For SDKs without `credential_process`. Over TCP every program of this host can ask, so it runs only on request and
listens on 127.0.0.1 only. It protects the credentials by a token that only a PUT returns, a limit of one network hop,
and a rejection of requests through a proxy or from a browser. A Unix socket has a mode and a group instead.
"""

from __future__ import annotations

import hmac
import secrets
import socket
from base64 import b64decode, urlsafe_b64encode
from logging import getLogger
from time import monotonic

from fingerprint._core import dumps
from fingerprint._io.http_messages import Answer, Request
from fingerprint._io.http_server import QUEUE, HttpServer
from fingerprint._io.times import utc
from fingerprint.agent.providers import TOKEN_PATH
from fingerprint.errors import EXIT_DIFFERS, EXIT_SERVICE_REFUSED, FingerprintError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from fingerprint.credentials.cache import CredentialCache
    from fingerprint.credentials.unix_socket import UnixSocket

HOST = "127.0.0.1"
PORT = 1338
ROLE = "fingerprint"
TOKEN_SECONDS_MOST = 6 * 3600
_HOPS = 1
_NAMES = ("127.0.0.1", "localhost")
_TTL = "X-aws-ec2-metadata-token-ttl-seconds"
_TOKEN = "X-aws-ec2-metadata-token"
_CREDENTIALS_PATH = "/latest/meta-data/iam/security-credentials"
# With the time a multiple of three bytes: base64 without padding, so that each token has one spelling only.
_NONCE_BYTES, _MAC_BYTES = 17, 32
# Headers that a proxy adds, and that only a browser sends; some write "_" for "-".
_OF_A_PROXY = ("x-forwarded", "x-original-", "x-envoy-", "x-proxy", "x-client-ip", "x-cluster-client-ip", "cf-")
_OF_OTHERS = {"forwarded", "via", "x-real-ip", "true-client-ip", "proxy-connection", "origin", "referer"}
_OF_A_BROWSER = ("sec-",)
_log = getLogger("fingerprint.credentials")


class CredentialServer:
    """The server; use it as a context, or call `serve_forever` and `stop`.

    Args:
        cache: the source of the credentials.
        facts: returns the other paths below /latest/meta-data/, such as "placement/region", with their values.
        port: 0 for any free one.
        unix: a Unix socket to listen on instead.

    Raises:
        OSError: the port is taken.
        InputError: the Unix socket cannot be made.
    """

    def __init__(
        self,
        cache: CredentialCache,
        facts: Callable[[], dict[str, str]],
        *,
        port: int = PORT,
        unix: UnixSocket | None = None,
    ) -> None:
        self._cache = cache
        self._facts = facts
        # Tokens are signed and not stored, so that no number of new tokens can displace another one.
        self._key = secrets.token_bytes(32)
        self._unix = unix
        listener = _listener(port) if unix is None else unix.listen(QUEUE)
        self._port = 0 if unix is not None else int(listener.getsockname()[1])
        self._server = HttpServer(self._respond, listener, logger=_log.name)

    @property
    def endpoint(self) -> str:
        """The URL for AWS_EC2_METADATA_SERVICE_ENDPOINT, "" for a Unix socket."""
        return f"http://{HOST}:{self._port}/" if self._unix is None else ""

    def serve_forever(self) -> None:
        """Serve in this thread until `stop` is called or it is interrupted."""
        try:
            self._server.serve_forever()
        finally:
            self._remove()

    def stop(self) -> None:
        """Stop. A signal handler can call it."""
        self._server.stop()
        self._remove()

    def _remove(self) -> None:
        if self._unix is not None:
            self._unix.remove()

    def __enter__(self) -> CredentialServer:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def new_token(self, seconds: int) -> str:
        """Return a new token, valid for a number of seconds while this server runs."""
        signed = int((monotonic() + seconds) * 1000).to_bytes(8, "big") + secrets.token_bytes(_NONCE_BYTES)
        return urlsafe_b64encode(signed + self._mac(signed)).decode("ascii")

    def knows(self, token: str) -> bool:
        """Return whether a token is valid."""
        try:
            decoded = b64decode(token.encode("ascii"), altchars=b"-_", validate=True)
        except ValueError:
            return False
        signed, mac = decoded[:-_MAC_BYTES], decoded[-_MAC_BYTES:]
        return hmac.compare_digest(mac, self._mac(signed)) and int.from_bytes(signed[:8], "big") > monotonic() * 1000

    def _mac(self, signed: bytes) -> bytes:
        return hmac.digest(self._key, signed, "sha256")

    def _respond(self, request: Request) -> Answer:
        answer = self._answer(request)
        # Before the answer is sent, so that the log has it when the client has it.
        _log.info("%s %s %d %s", request.method[:20], request.target[:200], answer.status, request.peer)
        return answer

    def _answer(self, request: Request) -> Answer:
        if not _is_local(request):
            return Answer(403)
        if request.method == "PUT":
            if request.target != TOKEN_PATH:
                return Answer(404)
            seconds = request.header(_TTL.lower())
            if not (seconds.isascii() and seconds.isdigit() and len(seconds) <= 5):
                return Answer(400)
            if not 1 <= int(seconds) <= TOKEN_SECONDS_MOST:
                return Answer(400)
            return Answer(200, self.new_token(int(seconds)).encode("ascii"), {_TTL: seconds})
        if request.method != "GET":
            return Answer(405)
        if not self.knows(request.header(_TOKEN.lower())):
            return Answer(401)
        return Answer(*self.answer(request.target))

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
            _log.error("%s", error)
            return _refusal(error)
        return 200, dumps({
            "Code": "Success", "LastUpdated": utc(self._cache.retrieved_at()), "Type": "AWS-HMAC",
            "AccessKeyId": found.access_key_id, "SecretAccessKey": found.secret_access_key,
            "Token": found.session_token, "Expiration": utc(found.expires_at),
        }, html_safe=False)  # fmt: skip


def _refusal(error: FingerprintError) -> tuple[int, bytes]:
    """Return the status and body of a failure, in the form of the metadata service; SDKs retry after 5xx."""
    final = error.exit_code in (EXIT_DIFFERS, EXIT_SERVICE_REFUSED)
    return 403 if final else 503, dumps({"Code": type(error).__name__, "Message": error.what})


def _is_local(request: Request) -> bool:
    """Return whether a program of this host may have sent a request: neither a browser page nor a proxy."""
    host, _, port = request.header("host").partition(":")
    names = [name.replace("_", "-") for name, _ in request.headers]
    return (
        host in _NAMES
        and (not port or (port.isascii() and port.isdigit()))
        and not any(name in _OF_OTHERS or name.startswith((*_OF_A_PROXY, *_OF_A_BROWSER)) for name in names)
    )


def _listener(port: int) -> socket.socket:
    listener = socket.create_server((HOST, port), backlog=QUEUE)
    # An answer that leaves the host dies at the first router. Accepted connections inherit the setting.
    listener.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, _HOPS)
    return listener
