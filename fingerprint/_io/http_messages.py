"""Requests and answers of an HTTP server, and the deadlines of a connection."""

from __future__ import annotations

from types import MappingProxyType

from fingerprint._io.peers import Peer
from fingerprint.types import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Deadlines(Value):
    """The seconds for each step of a connection.

    Attributes:
        idle: until a request begins.
        head: from its first byte to the end of its headers.
        body: from there to the end of its body.
        send: for each piece of the answer.
    """

    idle: float = 10.0
    head: float = 5.0
    body: float = 5.0
    send: float = 10.0


class Request(Value):
    """A complete request.

    Attributes:
        method: such as "GET".
        target: as sent; printable ASCII without blanks, beginning with "/".
        headers: (name in lower case, value), in their order.
        body: all of it.
        peer: its sender.
    """

    _hidden = ("headers", "body")
    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes
    peer: Peer

    def header(self, name: str) -> str:
        """Return the value of a header, by its name in lower case; "" if there is none or more than one."""
        values = [value for known, value in self.headers if known == name]
        return values[0] if len(values) == 1 else ""


class Answer(Value):
    """An answer to a request.

    Attributes:
        status: of HTTP.
        body: the bytes, or pieces of them, each sent when it is available.
        headers: in addition to the length.
    """

    _hidden = ("body", "headers")
    status: int
    body: bytes | Iterable[bytes] = b""
    headers: Mapping[str, str] = MappingProxyType({})


class NoAnswer(Value):
    """Close the connection without an answer.

    Attributes:
        held: whether to wait until the client closes it.
    """

    held: bool = False
