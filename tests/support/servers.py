"""Real servers, proxies and certificates on loopback."""

from __future__ import annotations

import contextlib
import ipaddress
import select
import socket
import ssl
import struct
import threading
from base64 import b64encode
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from email.utils import formatdate
from pathlib import Path
from typing import Any, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Serve = Callable[["Server", socket.socket], None]
_Server = TypeVar("_Server", bound="Server")


class Server:
    """A server on loopback with a thread for each connection.

    Attributes:
        port: where it listens.
        heads: what was asked, the heads of the requests.
        closing: set when it is to end.
    """

    def __init__(
        self, serve: Serve, context: ssl.SSLContext | None = None, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self.heads: list[str] = []
        self.closing = threading.Event()
        self._serve = serve
        self._context = context
        self._socket = socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=32
        )
        self._socket.settimeout(0.05)
        self.port: int = self._socket.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while not self.closing.is_set():
            try:
                connection, _ = self._socket.accept()
            except TimeoutError:
                continue
            connection.settimeout(20)
            thread = threading.Thread(target=self._one, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _one(self, connection: socket.socket) -> None:
        # A client may close the connection early; that is no error of the server.
        with contextlib.suppress(OSError):
            try:
                if self._context:
                    connection = self._context.wrap_socket(connection, server_side=True)
                self._serve(self, connection)
            finally:
                connection.close()

    def __enter__(self: _Server) -> _Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._threads[0].join()
        self._socket.close()
        for thread in self._threads[1:]:
            thread.join()

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}" if self._context else f"http://127.0.0.1:{self.port}"

    @property
    def targets(self) -> list[str]:
        return [head.split(" ")[1] for head in self.heads]

    def head(self, connection: socket.socket) -> str:
        """Read the head of a request, and keep it."""
        data = b""
        while b"\r\n\r\n" not in data:
            more = connection.recv(4096)
            if not more:
                raise ConnectionError("no request came")
            data += more
        text = data.decode("latin-1")
        self.heads.append(text)
        return text


def answering(status: str = "200 OK", body: bytes = b"", **headers: str) -> Serve:
    def serve(server: Server, connection: socket.socket) -> None:
        method = server.head(connection).split(" ")[0]
        sent = {"Content-Length": str(len(body)), "Date": formatdate(usegmt=True), **headers}
        lines = "".join(f"{name}: {value}\r\n" for name, value in sent.items() if value)
        connection.sendall(f"HTTP/1.1 {status}\r\n{lines}\r\n".encode() + (b"" if method == "HEAD" else body))

    return serve


def sending(data: bytes) -> Serve:
    def serve(server: Server, connection: socket.socket) -> None:
        server.head(connection)
        connection.sendall(data)

    return serve


def silent(server: Server, _: socket.socket) -> None:
    server.closing.wait(30)


def trickling(head: bytes) -> Serve:
    def serve(server: Server, connection: socket.socket) -> None:
        server.head(connection)
        connection.sendall(head)
        for _ in range(400):
            if server.closing.wait(0.05):
                break
            connection.sendall(b"x")

    return serve


def cutting(server: Server, connection: socket.socket) -> None:
    """Reset the connection, like a firewall that filters names."""
    server.head(connection)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class Proxy(Server):
    """A proxy for CONNECT and for plain HTTP.

    Args:
        refusal: status of every answer, "" for none.
        pair: name and password that are asked for, "" for none.
        to: port of loopback that everything is passed to, 0 for what was asked for.
        context: for TLS to the proxy itself.
    """

    def __init__(self, refusal: str = "", pair: str = "", to: int = 0, context: ssl.SSLContext | None = None) -> None:
        self.refusal = refusal
        self.wanted = f"Basic {b64encode(pair.encode()).decode()}" if pair else ""
        self.to = to
        super().__init__(Proxy._pass, context)

    def at(self, pair: str = "") -> str:
        scheme = "https" if self._context else "http"
        return f"{scheme}://{pair}{'@' if pair else ''}127.0.0.1:{self.port}"

    @staticmethod
    def _pass(server: Server, connection: socket.socket) -> None:
        assert isinstance(server, Proxy)
        head = server.head(connection)
        method, target, _ = head.split(" ", 2)
        refusal = server.refusal
        if server.wanted and f"\r\nProxy-Authorization: {server.wanted}\r\n" not in head:
            refusal = "407 Proxy Authentication Required"
        if refusal:
            connection.sendall(f"HTTP/1.1 {refusal}\r\nContent-Length: 0\r\n\r\n".encode())
            return
        place = target if method == "CONNECT" else target.split("/")[2]
        host, _, port = place.rpartition(":")
        with socket.create_connection(("127.0.0.1" if server.to else host.strip("[]"), server.to or int(port))) as to:
            if method == "CONNECT":
                connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                to.sendall(head.replace(f"http://{place}", "", 1).encode("latin-1"))
            if isinstance(connection, ssl.SSLSocket):
                _relay(connection, to)
                return
            back = threading.Thread(target=_pump, args=(to, connection))
            back.start()
            _pump(connection, to)
            back.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def _relay(secure: ssl.SSLSocket, plain: socket.socket) -> None:
    """Copy data both ways until one end closes; in one thread, as two must not share a TLS connection."""
    while True:
        ready = [secure] if secure.pending() else select.select([secure, plain], [], [], 20)[0]
        for source in ready:
            data = source.recv(65536)
            if not data:
                return
            (plain if source is secure else secure).sendall(data)
        if not ready:
            return


class Authority:
    """A certificate authority for tests, and its certificates in files."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Authority of a test")])
        made = self._certificate(self.name, self.key, self.name, self.key, [], timedelta(days=1))
        self.file = str(directory / "authority.pem")
        Path(self.file).write_bytes(made.public_bytes(serialization.Encoding.PEM))

    def context(self, *names: str, valid: timedelta = timedelta(days=1), by_itself: bool = False) -> ssl.SSLContext:
        """Return the TLS context of a server with these names."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        issuer, signer = (subject, key) if by_itself else (self.name, self.key)
        made = self._certificate(subject, key, issuer, signer, names, valid)
        file = self.directory / f"{len(list(self.directory.iterdir()))}.pem"
        file.write_bytes(
            made.public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    @staticmethod
    def _certificate(
        subject: x509.Name, key: Any, issuer: x509.Name, signer: Any, names: Any, valid: timedelta
    ) -> x509.Certificate:
        end = datetime.now(timezone.utc) + valid
        alternatives: list[x509.GeneralName] = []
        for name in names:
            try:
                alternatives.append(x509.IPAddress(ipaddress.ip_address(name)))
            except ValueError:
                alternatives.append(x509.DNSName(name))
        builder = (
            x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(end - timedelta(days=3)).not_valid_after(end)
            .add_extension(x509.BasicConstraints(ca=not names, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
            )
        )  # fmt: skip
        if alternatives:
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        else:
            usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
            builder = builder.add_extension(usage, critical=True)
        return builder.sign(signer, hashes.SHA256())
