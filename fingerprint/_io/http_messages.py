"""What an HTTP server reads and sends: deadlines, requests and answers."""

from __future__ import annotations

from types import MappingProxyType

from fingerprint._io.peers import Peer
from fingerprint.types import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Deadlines(Value):
    """How many seconds the steps of a connection have.

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
    """A whole request.

    Attributes:
        method: such as "GET".
        target: as it was sent; printable ASCII without blanks, beginning with "/".
        headers: (name in lower case, value), in their order.
        body: all of it.
        peer: who sent it.
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
    """What is sent back.

    Attributes:
        status: of HTTP.
        body: the bytes, or pieces of them that are sent as they come.
        headers: beside the length.
    """

    _hidden = ("body", "headers")
    status: int
    body: bytes | Iterable[bytes] = b""
    headers: Mapping[str, str] = MappingProxyType({})


class NoAnswer(Value):
    """The connection is closed without an answer.

    Attributes:
        held: whether only when the client has gone.
    """

    held: bool = False
