"""A service on loopback that registers machines and gives role tokens, as the real one does, as far as is known.

A real HTTP server with SQLite behind it. It serves this package's client and the real agent. Its role
credentials open nothing.
"""

from __future__ import annotations

import secrets
import socket
import sqlite3
import threading
import time
from uuid import uuid4

from fingerprint._io.http_messages import Answer, Deadlines, NoAnswer, Request
from fingerprint._io.http_server import QUEUE, HttpServer
from fingerprint.testing.local_http import BODY_LIMIT, Call, Refusal, json_answer, same
from fingerprint.testing.local_model import optional_member, text_of
from fingerprint.types import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator
    from types import TracebackType
    from typing import Any

HOST = "127.0.0.1"
TOKEN_SECONDS = 3600
ACTIVATION_SECONDS = 24 * 3600
_TABLES = """
CREATE TABLE IF NOT EXISTS activation (id TEXT PRIMARY KEY, code TEXT, uses_left INTEGER, expires REAL);
CREATE TABLE IF NOT EXISTS node (
    id TEXT PRIMARY KEY, public_key TEXT, fingerprint TEXT, registered REAL, rotate INTEGER, active INTEGER);
CREATE TABLE IF NOT EXISTS token (access_key TEXT PRIMARY KEY, secret TEXT, session TEXT, node TEXT, expires REAL);
CREATE TABLE IF NOT EXISTS request (at REAL, operation TEXT, node TEXT, status INTEGER, code TEXT);
"""
# What a node has beside that; a database of an earlier version of this program lacks them.
_LATER_COLUMNS = ("provider", "source_id", "source_type", "source_location")
_PUBLIC_KEY_LEAST = 392


class Activation(Value):
    """What registers machines. Attributes: `id` of 36 characters, `code` of 20, secret."""

    _hidden = ("code",)
    id: str
    code: str


class LocalService:
    """The service; use it as a context, or call `start` and `stop`.

    Args:
        database: a file, to keep nodes over restarts; ":memory:" for none.
        port: 0 for any free one.
        clock: seconds since 1970-01-01 UTC.
        token_seconds: life of role credentials.
        tls: to serve HTTPS.

    The real service binds a node to the fingerprint that it registered with; so does this one.
    """

    def __init__(
        self,
        database: str = ":memory:",
        *,
        port: int = 0,
        clock: Callable[[], float] = time.time,
        token_seconds: float = TOKEN_SECONDS,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.clock = clock
        self.token_seconds = token_seconds
        self._lock = threading.RLock()
        self._database = sqlite3.connect(database, check_same_thread=False, isolation_level=None)
        self._database.executescript(_TABLES)
        there = {row[1] for row in self._database.execute("PRAGMA table_info(node)")}
        for column in _LATER_COLUMNS:
            if column not in there:
                self._database.execute(f"ALTER TABLE node ADD COLUMN {column} TEXT")
        self._scripted: dict[str, list[Callable[[Call], Answer | NoAnswer]]] = {}
        listener = socket.create_server((HOST, port), backlog=QUEUE)
        self._scheme, self._port = "http" if tls is None else "https", int(listener.getsockname()[1])
        self._server = HttpServer(
            self._respond, listener, deadlines=Deadlines(idle=30.0), body_limit=BODY_LIMIT, tls=tls,
            logger="fingerprint.testing",
        )  # fmt: skip

    @property
    def endpoint(self) -> str:
        """The URL to name as endpoint."""
        return f"{self._scheme}://{HOST}:{self._port}"

    def start(self) -> LocalService:
        """Serve from now on, in a thread."""
        self._server.start()
        return self

    def serve_forever(self) -> None:
        """Serve in this thread until it is interrupted."""
        self._server.serve_forever()

    def stop(self) -> None:
        """Serve no more, and close the database."""
        self._server.stop()
        with self._lock:
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
        made = Activation(str(uuid4()), secrets.token_urlsafe(15)[:20])
        with self._lock:
            self._database.execute(
                "INSERT INTO activation VALUES (?, ?, ?, ?)", (made.id, made.code, limit, self.clock() + seconds)
            )
        return made

    def nodes(self) -> list[dict[str, Any]]:
        """Return id, fingerprint, public key, state, provider and source of each node; None for what it has not."""
        names = ("id", "fingerprint", "publicKey", "active", "provider", "sourceId", "sourceType", "sourceLocation")
        with self._lock:
            rows = self._database.execute(
                f"SELECT id, fingerprint, public_key, active, {', '.join(_LATER_COLUMNS)} FROM node ORDER BY registered"
            )
            return [{**dict(zip(names, row, strict=True)), "active": bool(row[3])} for row in rows]

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

        def answer(call: Call) -> Answer:
            return call.noted(status, {"__type": code, "message": "as scripted"})

        self._script(operation, answer, times)

    def answer_next(self, operation: str, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        """Answer the next call of an operation with these bytes."""
        self._script(operation, lambda _: json_answer(status, body, headers))

    def drop_next(self, operation: str, *, after: bool = False, times: int = 1) -> None:
        """Give the next calls of an operation no answer; `after`: having done what was asked."""

        def drop(call: Call) -> NoAnswer:
            if after:
                call.carry_out()
            return NoAnswer()

        self._script(operation, drop, times)

    def hold_next(self, operation: str, held: threading.Event, *, after: bool = False) -> None:
        """Leave the next call of an operation without an answer and set `held`; `after`: having carried it out."""

        def hold(call: Call) -> NoAnswer:
            if after:
                call.carry_out()
            held.set()
            return NoAnswer(held=True)

        self._script(operation, hold)

    def delay_next(self, operation: str, held: threading.Event, go: threading.Event) -> None:
        """Carry out the next call of an operation once `go` is set; `held` is set when it came."""

        def delay(call: Call) -> Answer:
            held.set()
            go.wait(60)
            return call.answer()

        self._script(operation, delay)

    def drip_next(self, operation: str, seconds: float) -> None:
        """Answer the next call of an operation one byte at a time, so many seconds apart, until nobody reads on."""

        def blanks() -> Iterator[bytes]:
            pause = threading.Event()
            while True:
                yield b" "
                # Not time.sleep, which tests of clients take away.
                pause.wait(seconds)

        self._script(operation, lambda _: Answer(200, blanks()))

    def _script(self, operation: str, answer: Callable[[Call], Answer | NoAnswer], times: int = 1) -> None:
        with self._lock:
            self._scripted.setdefault(operation, []).extend([answer] * times)

    def _respond(self, request: Request) -> Answer | NoAnswer:
        call = Call(self, request)
        with self._lock:
            waiting = self._scripted.get(call.operation)
            scripted = waiting.pop(0) if waiting else None
        return call.answer() if scripted is None else scripted(call)

    def note(self, operation: str, node: str, status: int, code: str) -> None:
        """Write a call into the log of requests."""
        with self._lock:
            self._database.execute(
                "INSERT INTO request VALUES (?, ?, ?, ?, ?)", (self.clock(), operation, node, status, code)
            )

    # The operations.

    def register(self, body: dict[str, Any]) -> dict[str, Any]:
        """RegisterManagedInstance, without a signature."""
        code, id_ = text_of(body, "ActivationCode", 20), text_of(body, "ActivationId", 36)
        fingerprint, public = text_of(body, "Fingerprint"), text_of(body, "PublicKey", _PUBLIC_KEY_LEAST)
        provider = optional_member(body, "Provider")
        with self._lock:
            row = self._database.execute(
                "SELECT code, uses_left, expires FROM activation WHERE id = ?", (id_,)
            ).fetchone()
            if row is None or not same(row[0], code):
                raise Refusal("InvalidActivation", "The activation does not exist, or its code is another one")
            if row[2] <= self.clock():
                raise Refusal("ActivationExpired", "The activation has expired")
            if row[1] <= 0:
                raise Refusal("RegistrationLimitExceeded", "The activation was used as often as it may be")
            node = f"mi-{secrets.token_hex(9)[:17]}"
            self._database.execute("UPDATE activation SET uses_left = uses_left - 1 WHERE id = ?", (id_,))
            self._database.execute(
                "INSERT INTO node (id, public_key, fingerprint, registered, rotate, active, provider) "
                "VALUES (?, ?, ?, ?, 0, 1, ?)",
                (node, public, fingerprint, self.clock(), provider),
            )
        return {"InstanceId": node}

    def role_token(self, node: str, body: dict[str, Any]) -> dict[str, Any]:
        """RequestManagedInstanceRoleToken, signed by the node."""
        fingerprint = text_of(body, "Fingerprint")
        with self._lock:
            known, rotate = self._database.execute(
                "SELECT fingerprint, rotate FROM node WHERE id = ?", (node,)
            ).fetchone()
        if not same(known, fingerprint):
            raise Refusal("MachineFingerprintDoesNotMatch", "Fingerprint does not match registration data")
        access_key, secret = f"ASIA{secrets.token_hex(8).upper()}", secrets.token_urlsafe(30)[:40]
        session, expires = secrets.token_urlsafe(150), self.clock() + self.token_seconds
        with self._lock:
            self._database.execute("DELETE FROM token WHERE expires <= ?", (self.clock(),))
            self._database.execute(
                "INSERT INTO token VALUES (?, ?, ?, ?, ?)", (access_key, secret, session, node, expires)
            )
        return {
            "AccessKeyId": access_key, "SecretAccessKey": secret, "SessionToken": session,
            "TokenExpirationDate": expires, "UpdateKeyPair": bool(rotate),
        }  # fmt: skip

    def update_key(self, node: str, body: dict[str, Any]) -> dict[str, Any]:
        """UpdateManagedInstancePublicKey, signed by the node with its old key."""
        public = text_of(body, "NewPublicKey", _PUBLIC_KEY_LEAST)
        with self._lock:
            if self._database.execute("SELECT 1 FROM node WHERE public_key = ?", (public,)).fetchone():
                raise Refusal("PublicKeyAlreadyRegistered", "The key is registered already")
            self._database.execute("UPDATE node SET public_key = ?, rotate = 0 WHERE id = ?", (public, node))
        return {}

    def ping(self, node: str, body: dict[str, Any]) -> dict[str, Any]:
        """UpdateInstanceInformation, the agent's sign of life, signed with role credentials."""
        if text_of(body, "InstanceId") != node:
            raise Refusal("InvalidInstanceId", "The credentials are those of another node")
        source = [optional_member(body, name) for name in ("SourceId", "SourceType", "SourceLocation")]
        with self._lock:
            # What a report leaves out stays as it was: the first one of an agent has nothing but its version.
            self._database.execute(
                "UPDATE node SET source_id = COALESCE(?, source_id), source_type = COALESCE(?, source_type), "
                "source_location = COALESCE(?, source_location) WHERE id = ?",
                (*source, node),
            )
        return {}

    def token(self, access_key: str) -> tuple[str, str, str] | None:
        """Return node, secret and session token of role credentials that are good, None if they are not."""
        with self._lock:
            row = self._database.execute(
                "SELECT node, secret, session FROM token JOIN node ON node = id "
                "WHERE access_key = ? AND expires > ? AND active = 1",
                (access_key, self.clock()),
            ).fetchone()
        return None if row is None else (str(row[0]), str(row[1]), str(row[2]))

    def public_key(self, node: str) -> str | None:
        """Return the public key of an active node."""
        with self._lock:
            row = self._database.execute("SELECT public_key FROM node WHERE id = ? AND active = 1", (node,)).fetchone()
        return None if row is None else str(row[0])
