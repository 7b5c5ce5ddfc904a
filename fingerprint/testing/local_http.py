"""A call of the local service: dates as X-Amz-Date or Date, signatures, JSON in and out."""

from __future__ import annotations

import hashlib
import hmac
from uuid import uuid4

from fingerprint._core import dumps, loads
from fingerprint._io.http_messages import Answer, Request
from fingerprint._io.times import basic, basic_seconds, http_seconds
from fingerprint.registration.keys import verify
from fingerprint.registration.signing import ALGORITHM

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from fingerprint.testing.local_service import LocalService

# As of SigV4: a request of another time than this is refused.
SKEW_SECONDS = 300
BODY_LIMIT = 64 * 1024
_SIGNED_WITH_A_ROLE = ("UpdateInstanceInformation",)


class Refusal(Exception):
    """What the service answers instead of doing what was asked: error code, message, HTTP status."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(code)
        self.code = code
        self.message = message
        self.status = status


class Call:
    """One request to the service."""

    def __init__(self, local: LocalService, request: Request) -> None:
        self.operation = request.header("x-amz-target").rpartition(".")[2]
        self.node = ""
        self._local = local
        self._request = request

    def answer(self) -> Answer:
        """Do what was asked, note it, and return the answer."""
        if self._request.method != "POST":
            return Answer(501)
        return self.noted(*self.carry_out())

    def noted(self, status: int, body: dict[str, Any]) -> Answer:
        """Note the call with an answer to it, and return that."""
        self._local.note(self.operation, self.node, status, str(body.get("__type", "")))
        return json_answer(status, dumps(body, html_safe=False))

    def carry_out(self) -> tuple[int, dict[str, Any]]:
        """Do what was asked, and return status and answer."""
        try:
            body = loads(self._request.body or b"{}")
            if not isinstance(body, dict):
                raise ValueError("it is not an object")
        except ValueError as error:
            return 400, {"__type": "SerializationException", "message": str(error)}
        try:
            if self.operation == "RegisterManagedInstance":
                return 200, self._local.register(body)
            work = {
                "RequestManagedInstanceRoleToken": self._local.role_token,
                "UpdateManagedInstancePublicKey": self._local.update_key,
                "UpdateInstanceInformation": self._local.ping,
            }.get(self.operation)
            if work is None:
                raise Refusal("UnknownOperationException", f"there is no operation {self.operation!r}")
            self.node = self._signer()
            return 200, work(self.node, body)
        except Refusal as refusal:
            return refusal.status, {"__type": refusal.code, "message": refusal.message}

    def _signer(self) -> str:
        """Return the node that signed the request, with its key or with its role credentials."""
        words = self._request.header("authorization")
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
        lines = "".join(f"{name}:{' '.join(self._request.header(name).split())}\n" for name in names)
        canonical = f"POST\n/\n\n{lines}\n{';'.join(names)}\n{_sha256(self._request.body)}"
        signed = f"{ALGORITHM}\n{date}\n{scope}\n{_sha256(canonical.encode())}"
        return self._signer_of(credential, scope, signed, fields.get("Signature", ""))

    def _signer_of(self, credential: str, scope: str, signed: str, signature: str) -> str:
        if self.operation not in _SIGNED_WITH_A_ROLE:
            public = self._local.public_key(credential)
            if public is None or not verify(public, signed.encode("utf-8"), signature):
                raise Refusal("AccessDeniedException", "The node is not registered, or the signature is not its own")
            return credential
        token = self._local.token(credential)
        if token is None or not same(self._request.header("x-amz-security-token"), token[2]):
            raise Refusal("UnrecognizedClientException", "The security token included in the request is invalid", 403)
        if not same(_hmac_of(token[1], scope, signed), signature):
            raise Refusal("InvalidSignatureException", "The signature is not that of the credentials", 403)
        return token[0]

    def _date(self) -> str:
        """Return the time of signing as YYYYMMDDTHHMMSSZ, from either form of date."""
        date = self._request.header("x-amz-date")
        if not date:
            sent = http_seconds(self._request.header("date"))
            date = "" if sent is None else basic(sent)
        moment = basic_seconds(date)
        if moment is None:
            raise Refusal("IncompleteSignatureException", "The request has no date", 403)
        if abs(moment - self._local.clock()) > SKEW_SECONDS:
            raise Refusal("InvalidSignatureException", "Signature expired: the clock of the node is wrong", 403)
        return date


def json_answer(status: int, body: bytes, headers: dict[str, str] | None = None) -> Answer:
    """Return an answer as the service gives it."""
    all_headers = {"Content-Type": "application/x-amz-json-1.1", "x-amzn-RequestId": str(uuid4()), **(headers or {})}
    return Answer(status, body, all_headers)


def same(one: str, other: str) -> bool:
    """Return whether two strings are equal, in a time that does not depend on where they differ."""
    return hmac.compare_digest(one.encode("utf-8", "surrogatepass"), other.encode("utf-8", "surrogatepass"))


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _hmac_of(secret: str, scope: str, text: str) -> str:
    """Return the signature of SigV4 over a text."""
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode("utf-8"), "sha256")
    return hmac.digest(key, text.encode("utf-8"), "sha256").hex()
