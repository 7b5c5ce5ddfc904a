"""The HTTP of the local service: bodies with a length or in chunks, dates as X-Amz-Date or Date, signatures."""

from __future__ import annotations

import hashlib
import hmac
import json
import sys
import time
from calendar import timegm
from email.utils import parsedate_to_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import uuid4

from fingerprint.service.keys import verify
from fingerprint.service.signing import ALGORITHM

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from fingerprint.service.local import LocalService

# As of SigV4: a request of another time than this is refused.
SKEW_SECONDS = 300
_BODY_LIMIT = 64 * 1024
_SIGNED_WITH_A_ROLE = ("UpdateInstanceInformation",)


class Refusal(Exception):
    """What the service answers instead of doing what was asked: error code, message, HTTP status."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(code)
        self.code = code
        self.message = message
        self.status = status


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that hang up; everything else is an error of this service, and told."""
        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
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
                "UpdateInstanceInformation": self.local.ping,
            }.get(self.operation)
            if work is None:
                raise Refusal("UnknownOperationException", f"there is no operation {self.operation!r}")
            self.node = self._signer()
            return 200, work(self.node, body)
        except Refusal as refusal:
            return refusal.status, {"__type": refusal.code, "message": refusal.message}

    def _signer(self) -> str:
        """Return the node that signed the request, with its key or with its role credentials."""
        words = self.headers.get("Authorization", "")
        if not words.startswith(ALGORITHM + " "):
            raise Refusal("MissingAuthenticationTokenException", "The request is not signed", 403)
        fields = dict(part.strip().partition("=")[::2] for part in words[len(ALGORITHM) :].split(","))
        credential, _, scope = fields.get("Credential", "").partition("/")
        names = fields.get("SignedHeaders", "").split(";")
        date = self._date()
        if not {"host", "x-amz-target"} <= set(names) or scope[:8] != date[:8]:
            raise Refusal(
                "IncompleteSignatureException", "Headers that must be signed are not, or the date differs", 403
            )
        lines = "".join(f"{name}:{' '.join(self.headers.get(name, '').split())}\n" for name in names)
        canonical = f"POST\n/\n\n{lines}\n{';'.join(names)}\n{_sha256(self.body)}"
        signed = f"{ALGORITHM}\n{date}\n{scope}\n{_sha256(canonical.encode())}"
        return self._signer_of(credential, scope, signed, fields.get("Signature", ""))

    def _signer_of(self, credential: str, scope: str, signed: str, signature: str) -> str:
        if self.operation not in _SIGNED_WITH_A_ROLE:
            public = self.local.public_key(credential)
            if public is None or not verify(public, signed.encode("utf-8"), signature):
                raise Refusal("AccessDeniedException", "The node is not registered, or the signature is not its own")
            return credential
        token = self.local.token(credential)
        if token is None or not hmac.compare_digest(self.headers.get("X-Amz-Security-Token", ""), token[2]):
            raise Refusal("UnrecognizedClientException", "The security token included in the request is invalid", 403)
        if not hmac.compare_digest(_hmac_of(token[1], scope, signed), signature):
            raise Refusal("InvalidSignatureException", "The signature is not that of the credentials", 403)
        return token[0]

    def _date(self) -> str:
        """Return the time of signing as YYYYMMDDTHHMMSSZ, from either form of date."""
        date = self.headers.get("X-Amz-Date", "")
        try:
            if not date:
                date = parsedate_to_datetime(self.headers.get("Date", "")).strftime("%Y%m%dT%H%M%SZ")
            moment = _seconds(date)
        except (ValueError, TypeError):
            raise Refusal("IncompleteSignatureException", "The request has no date", 403) from None
        if abs(moment - self.local.clock()) > SKEW_SECONDS:
            raise Refusal("InvalidSignatureException", "Signature expired: the clock of the node is wrong", 403)
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
            "x-amzn-RequestId": str(uuid4()), **headers,
        }.items():  # fmt: skip
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _hmac_of(secret: str, scope: str, text: str) -> str:
    """Return the signature of SigV4 over a text."""
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode("utf-8"), "sha256")
    return hmac.digest(key, text.encode("utf-8"), "sha256").hex()


def _seconds(date: str) -> float:
    return float(timegm(time.strptime(date, "%Y%m%dT%H%M%SZ")))
