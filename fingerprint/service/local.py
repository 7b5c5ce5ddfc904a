"""A service on loopback that registers machines and gives role tokens, as the real one does, as far as is known.

A real HTTP server with SQLite behind it. It serves this package's client and the real agent: bodies with
a length or in chunks, dates as X-Amz-Date or Date. Its role credentials open nothing.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
import sys
import threading
import time
from email.utils import parsedate_to_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from fingerprint.service.keys import verify
from fingerprint.service.signing import ALGORITHM

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Any

HOST = "127.0.0.1"
TOKEN_SECONDS = 3600
ACTIVATION_SECONDS = 24 * 3600
# As of SigV4: a request of another time than this is refused.
SKEW_SECONDS = 300
_BODY_LIMIT = 64 * 1024
_PUBLIC_KEY_LEAST = 392
_TABLES = """
CREATE TABLE IF NOT EXISTS activation (id TEXT PRIMARY KEY, code TEXT, uses_left INTEGER, expires REAL);
CREATE TABLE IF NOT EXISTS node (
    id TEXT PRIMARY KEY, public_key TEXT, fingerprint TEXT, registered REAL, rotate INTEGER, active INTEGER);
CREATE TABLE IF NOT EXISTS request (at REAL, operation TEXT, node TEXT, status INTEGER, code TEXT);
"""


class Activation:
    """What registers machines. Attributes: `id` of 36 characters, `code` of 20, secret."""

    def __init__(self, id_: str, code: str) -> None:
        self.id = id_
        self.code = code

    def __repr__(self) -> str:
        return f"Activation({self.id!r}, <hidden>)"


class _Refusal(Exception):
    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(code)
        self.code = code
        self.message = message
        self.status = status


class LocalService:
    """The service; use it as a context, or call `start` and `stop`.

    Args:
        database: a file, to keep nodes over restarts; ":memory:" for none.
        port: 0 for any free one.
        clock: seconds since 1970-01-01 UTC.
        token_seconds: life of role credentials.

    The real service binds a node to the fingerprint that it registered with; so does this one.
    """

    def __init__(
        self,
        database: str = ":memory:",
        *,
        port: int = 0,
        clock: Callable[[], float] = time.time,
        token_seconds: float = TOKEN_SECONDS,
    ) -> None:
        self.clock = clock
        self.token_seconds = token_seconds
        self._lock = threading.RLock()
        self._database = sqlite3.connect(database, check_same_thread=False, isolation_level=None)
        self._database.executescript(_TABLES)
        self._scripted: dict[str, list[Callable[[_Handler], None]]] = {}
        service = self

        class Handler(_Handler):
            local = service

        self._server = _Server((HOST, port), Handler)
        self._thread: threading.Thread | None = None

    @property
    def endpoint(self) -> str:
        """The URL to name as endpoint."""
        return f"http://{HOST}:{self._server.server_address[1]}"

    def start(self) -> LocalService:
        """Serve from now on, in a thread."""
        self._thread = threading.Thread(target=self._server.serve_forever, name="local service", daemon=True)
        self._thread.start()
        return self

    def serve_forever(self) -> None:
        """Serve in this thread until it is interrupted."""
        self._server.serve_forever()

    def stop(self) -> None:
        """Serve no more, and close the database."""
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._thread = None
        self._server.server_close()
        self._database.close()

    def __enter__(self) -> LocalService:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # What an owner of the real service would do in its console.

    def activation(self, limit: int = 1, seconds: float = ACTIVATION_SECONDS) -> Activation:
        """Make an activation for so many machines, for so long."""
        made = Activation(_uuid(), secrets.token_urlsafe(15)[:20])
        with self._lock:
            self._database.execute(
                "INSERT INTO activation VALUES (?, ?, ?, ?)", (made.id, made.code, limit, self.clock() + seconds)
            )
        return made

    def nodes(self) -> list[dict[str, Any]]:
        """Return id, fingerprint, public key and state of each node."""
        with self._lock:
            rows = self._database.execute("SELECT id, fingerprint, public_key, active FROM node ORDER BY registered")
            return [{"id": r[0], "fingerprint": r[1], "publicKey": r[2], "active": bool(r[3])} for r in rows]

    def deregister(self, node: str) -> None:
        """Take a node off; its requests are then refused."""
        with self._lock:
            self._database.execute("UPDATE node SET active = 0 WHERE id = ?", (node,))

    def ask_for_rotation(self, node: str) -> None:
        """Ask a node for another key pair with its next token."""
        with self._lock:
            self._database.execute("UPDATE node SET rotate = 1 WHERE id = ?", (node,))

    def requests(self) -> list[tuple[str, str, int, str]]:
        """Return (operation, node, status, error code) of what was asked, in order."""
        with self._lock:
            return list(self._database.execute("SELECT operation, node, status, code FROM request ORDER BY rowid"))

    # Faults, for tests.

    def fail_next(self, operation: str, code: str, status: int = 400, times: int = 1) -> None:
        """Answer the next calls of an operation with an error, without doing anything."""

        def answer(handler: _Handler) -> None:
            handler.answer(status, {"__type": code, "message": "as scripted"})

        self._scripted.setdefault(operation, []).extend([answer] * times)

    def answer_next(self, operation: str, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        """Answer the next call of an operation with these bytes."""
        self._scripted.setdefault(operation, []).append(lambda handler: handler.raw(status, body, headers or {}))

    def drop_next(self, operation: str, *, after: bool = False, times: int = 1) -> None:
        """Give the next calls of an operation no answer; `after`: having done what was asked."""

        def drop(handler: _Handler) -> None:
            if after:
                handler.carry_out()
            handler.close_connection = True

        self._scripted.setdefault(operation, []).extend([drop] * times)

    def hold_next(self, operation: str, held: threading.Event, *, after: bool = False) -> None:
        """Give the next call of an operation no answer, and tell so; `after`: having done what was asked."""

        def hold(handler: _Handler) -> None:
            if after:
                handler.carry_out()
            handler.close_connection = True
            held.set()
            # Until the client is gone.
            handler.rfile.read(1)

        self._scripted.setdefault(operation, []).append(hold)

    def drip_next(self, operation: str, seconds: float) -> None:
        """Answer the next call of an operation one byte at a time, so many seconds apart, until nobody reads on."""

        def drip(handler: _Handler) -> None:
            handler.send_response(200)
            handler.end_headers()
            handler.close_connection = True
            try:
                while True:
                    handler.wfile.write(b" ")
                    handler.wfile.flush()
                    time.sleep(seconds)
            except OSError:
                return

        self._scripted.setdefault(operation, []).append(drip)

    def scripted(self, operation: str) -> Callable[[_Handler], None] | None:
        """Return what is to be done in place of the next call, None for nothing."""
        with self._lock:
            waiting = self._scripted.get(operation)
            return waiting.pop(0) if waiting else None

    def note(self, operation: str, node: str, status: int, code: str) -> None:
        """Write a call into the log of requests."""
        with self._lock:
            self._database.execute(
                "INSERT INTO request VALUES (?, ?, ?, ?, ?)", (self.clock(), operation, node, status, code)
            )

    # The operations.

    def register(self, body: dict[str, Any]) -> dict[str, Any]:
        """RegisterManagedInstance, without a signature."""
        code, id_ = _text(body, "ActivationCode", 20), _text(body, "ActivationId", 36)
        fingerprint, public = _text(body, "Fingerprint", 1), _text(body, "PublicKey", _PUBLIC_KEY_LEAST)
        with self._lock:
            row = self._database.execute(
                "SELECT code, uses_left, expires FROM activation WHERE id = ?", (id_,)
            ).fetchone()
            if row is None or not secrets.compare_digest(row[0], code):
                raise _Refusal("InvalidActivation", "The activation does not exist, or its code is another one")
            if row[2] <= self.clock():
                raise _Refusal("ActivationExpired", "The activation has expired")
            if row[1] <= 0:
                raise _Refusal("RegistrationLimitExceeded", "The activation was used as often as it may be")
            node = f"mi-{secrets.token_hex(9)[:17]}"
            self._database.execute("UPDATE activation SET uses_left = uses_left - 1 WHERE id = ?", (id_,))
            self._database.execute(
                "INSERT INTO node VALUES (?, ?, ?, ?, 0, 1)", (node, public, fingerprint, self.clock())
            )
        return {"InstanceId": node}

    def role_token(self, node: str, body: dict[str, Any]) -> dict[str, Any]:
        """RequestManagedInstanceRoleToken, signed by the node."""
        fingerprint = _text(body, "Fingerprint", 1)
        with self._lock:
            known, rotate = self._database.execute(
                "SELECT fingerprint, rotate FROM node WHERE id = ?", (node,)
            ).fetchone()
        if not secrets.compare_digest(known, fingerprint):
            raise _Refusal("MachineFingerprintDoesNotMatch", "Fingerprint does not match registration data")
        return {
            "AccessKeyId": f"ASIA{secrets.token_hex(8).upper()}",
            "SecretAccessKey": secrets.token_urlsafe(30)[:40],
            "SessionToken": secrets.token_urlsafe(150),
            "TokenExpirationDate": self.clock() + self.token_seconds,
            "UpdateKeyPair": bool(rotate),
        }

    def update_key(self, node: str, body: dict[str, Any]) -> dict[str, Any]:
        """UpdateManagedInstancePublicKey, signed by the node with its old key."""
        public = _text(body, "NewPublicKey", _PUBLIC_KEY_LEAST)
        with self._lock:
            if self._database.execute("SELECT 1 FROM node WHERE public_key = ?", (public,)).fetchone():
                raise _Refusal("PublicKeyAlreadyRegistered", "The key is registered already")
            self._database.execute("UPDATE node SET public_key = ?, rotate = 0 WHERE id = ?", (public, node))
        return {}

    def public_key(self, node: str) -> str | None:
        """Return the public key of an active node."""
        with self._lock:
            row = self._database.execute("SELECT public_key FROM node WHERE id = ? AND active = 1", (node,)).fetchone()
        return None if row is None else str(row[0])


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that hang up; everything else is an error of this service, and told."""
        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    local: LocalService
    protocol_version = "HTTP/1.1"
    # Head and body in one packet: two wait for an acknowledgement that comes 40 ms later.
    wbufsize = -1
    disable_nagle_algorithm = True
    server_version = "fingerprint-local-service"
    timeout = 30
    operation = node = ""
    body = b""

    def log_message(self, format: str, *args: Any) -> None:
        """The log of requests is in the database; nothing is printed."""

    def do_POST(self) -> None:
        self.operation = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
        self.node = ""
        try:
            self.body = self._read_body()
        except ValueError as error:
            self.answer(400, {"__type": "SerializationException", "message": str(error)})
            return
        scripted = self.local.scripted(self.operation)
        if scripted is not None:
            scripted(self)
            return
        status, answer = self.carry_out()
        self.answer(status, answer)

    def carry_out(self) -> tuple[int, dict[str, Any]]:
        """Do what was asked, and return status and answer."""
        try:
            body = json.loads(self.body or b"{}")
            if not isinstance(body, dict):
                raise ValueError("it is not an object")
        except ValueError as error:
            return 400, {"__type": "SerializationException", "message": str(error)}
        try:
            if self.operation == "RegisterManagedInstance":
                return 200, self.local.register(body)
            work = {
                "RequestManagedInstanceRoleToken": self.local.role_token,
                "UpdateManagedInstancePublicKey": self.local.update_key,
            }.get(self.operation)
            if work is None:
                raise _Refusal("UnknownOperationException", f"there is no operation {self.operation!r}")
            self.node = self._signer()
            return 200, work(self.node, body)
        except _Refusal as refusal:
            return refusal.status, {"__type": refusal.code, "message": refusal.message}

    def _signer(self) -> str:
        """Return the node whose key signed the request."""
        words = self.headers.get("Authorization", "")
        if not words.startswith(ALGORITHM + " "):
            raise _Refusal("MissingAuthenticationTokenException", "The request is not signed", 403)
        fields = dict(part.strip().partition("=")[::2] for part in words[len(ALGORITHM) :].split(","))
        node, _, scope = fields.get("Credential", "").partition("/")
        names = fields.get("SignedHeaders", "").split(";")
        date = self._date()
        if not {"host", "x-amz-target"} <= set(names) or scope[:8] != date[:8]:
            raise _Refusal(
                "IncompleteSignatureException", "Headers that must be signed are not, or the date differs", 403
            )
        lines = "".join(f"{name}:{' '.join(self.headers.get(name, '').split())}\n" for name in names)
        canonical = f"POST\n/\n\n{lines}\n{';'.join(names)}\n{_sha256(self.body)}"
        signed = f"{ALGORITHM}\n{date}\n{scope}\n{_sha256(canonical.encode())}"
        public = self.local.public_key(node)
        if public is None or not verify(public, signed.encode(), fields.get("Signature", "")):
            raise _Refusal("AccessDeniedException", "The node is not registered, or the signature is not its own")
        return node

    def _date(self) -> str:
        """Return the time of signing as YYYYMMDDTHHMMSSZ, from either form of date."""
        date = self.headers.get("X-Amz-Date", "")
        try:
            if not date:
                date = parsedate_to_datetime(self.headers.get("Date", "")).strftime("%Y%m%dT%H%M%SZ")
            moment = _seconds(date)
        except (ValueError, TypeError):
            raise _Refusal("IncompleteSignatureException", "The request has no date", 403) from None
        if abs(moment - self.local.clock()) > SKEW_SECONDS:
            raise _Refusal("InvalidSignatureException", "Signature expired: the clock of the node is wrong", 403)
        return date

    def _read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return self._read_chunks()
        length = int(self.headers.get("Content-Length", "0"))
        if not 0 <= length <= _BODY_LIMIT:
            raise ValueError("the body is too long")
        return self.rfile.read(length)

    def _read_chunks(self) -> bytes:
        data = b""
        while size := int(self.rfile.readline(64).partition(b";")[0], 16):
            if len(data) + size > _BODY_LIMIT:
                raise ValueError("the body is too long")
            data += self.rfile.read(size)
            self.rfile.readline(8)
        while self.rfile.readline(1024).strip():
            # Trailers say nothing here.
            continue
        return data

    def answer(self, status: int, body: dict[str, Any]) -> None:
        """Send an answer, and note the call."""
        self.local.note(self.operation, self.node, status, str(body.get("__type", "")))
        self.raw(status, json.dumps(body).encode("utf-8"), {})

    def raw(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        """Send these bytes as an answer."""
        self.send_response(status)
        for name, value in {
            "Content-Type": "application/x-amz-json-1.1", "Content-Length": str(len(body)),
            "x-amzn-RequestId": _uuid(), **headers,
        }.items():  # fmt: skip
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()


def _text(body: dict[str, Any], name: str, least: int) -> str:
    value = body.get(name)
    if not isinstance(value, str) or len(value) < least:
        raise _Refusal("ValidationException", f"{name} is missing, or has less than {least} characters")
    return value


def _sha256(data: bytes) -> str:
    from hashlib import sha256

    return sha256(data).hexdigest()


def _seconds(date: str) -> float:
    from calendar import timegm

    return float(timegm(time.strptime(date, "%Y%m%dT%H%M%SZ")))


def _uuid() -> str:
    from uuid import uuid4

    return str(uuid4())
