"""One deadline ends an exchange, whatever part of it takes its time: real sockets that drip."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fingerprint.errors import Unreachable
from fingerprint.registration.client import ServiceClient
from fingerprint.registration.keys import NodeKey
from servers import Authority, Proxy, Serve, Server, silent

REGION = "eu-west-1"
SECONDS = 0.4
# For a loaded machine, and far from the twenty seconds for which each of these servers goes on.
LIMIT = 6.0
OK = b"HTTP/1.1 200 OK\r\n"
CONNECTED = b"HTTP/1.1 200 Connection established\r\n"


@pytest.fixture(autouse=True)
def one_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setattr("fingerprint.registration.client._ATTEMPTS", 1)


def drips(begin: bytes, drop: bytes, *, asked: bool = True) -> Serve:
    """Send the beginning, and then a drop every 50 ms, for twenty seconds."""

    def serve(server: Server, connection: socket.socket) -> None:
        if asked:
            server.head(connection)
        connection.sendall(begin)
        for _ in range(400):
            if server.closing.wait(0.05):
                return
            connection.sendall(drop)

    return serve


def record(size: int) -> bytes:
    """Return the head of a TLS record of a handshake, of which nothing is there yet."""
    return b"\x16\x03\x03" + size.to_bytes(2, "big") + b"\x02\x00" + (size - 4).to_bytes(2, "big")


DRIPS: dict[str, Serve] = {
    "silence": silent,
    "status line": drips(b"", b"H"),
    "reason": drips(b"HTTP/1.1 200 ", b"O"),
    "name of a header": drips(OK, b"a"),
    "value of a header": drips(OK + b"X-A: ", b"a"),
    "one header after the other": drips(OK, b"X-A: a\r\n"),
    "endless 100 Continue": drips(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "endless 102 Processing": drips(b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
    "endless 103 Early Hints": drips(b"", b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"),
    "body of a length": drips(OK + b"Content-Length: 60000\r\n\r\n", b" "),
    "body to the end": drips(OK + b"Connection: close\r\n\r\n", b" "),
    "size of a chunk": drips(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"0"),
    "chunks": drips(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "trailer": drips(OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n", b"X-A: a\r\n"),
    "error": drips(b"HTTP/1.1 400 Bad\r\nContent-Length: 60000\r\n\r\n", b" "),
    "busy": drips(b"HTTP/1.1 503 Busy\r\nContent-Length: 60000\r\n\r\n", b" "),
}
HANDSHAKES: dict[str, Serve] = {
    "silence": silent,
    "a record": drips(record(4000), b"\x00", asked=False),
    "one record after the other": drips(b"", b"\x16\x03\x03\x00\x01\x02", asked=False),
}
TUNNELS: dict[str, Serve] = {
    "silence": silent,
    "status line": drips(b"", b"H"),
    "header": drips(CONNECTED + b"X-A: ", b"a"),
    "one header after the other": drips(CONNECTED, b"X-A: a\r\n"),
    "endless 100 Continue": drips(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "refusal": drips(b"HTTP/1.1 407 No\r\nContent-Length: 60000\r\n\r\n", b" "),
    "handshake behind it": drips(CONNECTED + b"\r\n" + record(4000), b"\x00"),
}


def given_up(ask: Callable[[], object]) -> Unreachable:
    begin = time.monotonic()
    with pytest.raises(Unreachable) as caught:
        ask()
    assert time.monotonic() - begin < LIMIT
    assert caught.value.exit_code == 6
    return caught.value


def request(endpoint: str, proxy: str = "", ca_bundle: str | None = None) -> None:
    proxies = {"http": proxy, "https": proxy} if proxy else None
    client = ServiceClient(REGION, endpoint=endpoint, proxies=proxies, timeout=SECONDS, ca_bundle=ca_bundle)
    client.register("1" * 36, "2" * 20, "fingerprint", KEY)


KEY = NodeKey.generate()


@pytest.mark.parametrize("what", DRIPS)
def test_an_answer_that_drips_is_given_up(what: str) -> None:
    with Server(DRIPS[what]) as server:
        error = given_up(lambda: request(server.url))
    assert "within 0.4 s" in error.what


@pytest.mark.parametrize("what", DRIPS)
def test_an_answer_that_drips_over_tls_is_given_up(what: str, tmp_path: Path) -> None:
    if DRIPS[what] is silent:
        pytest.skip("that is a silent handshake")
    authority = Authority(tmp_path)
    with Server(DRIPS[what], authority.context("localhost")) as server:
        given_up(lambda: request(server.url, ca_bundle=authority.file))


@pytest.mark.parametrize("what", HANDSHAKES)
def test_a_handshake_that_drips_is_given_up(what: str) -> None:
    with Server(HANDSHAKES[what]) as server:
        given_up(lambda: request(f"https://localhost:{server.port}"))


@pytest.mark.parametrize("what", TUNNELS)
def test_a_proxy_that_drips_is_given_up(what: str) -> None:
    with Server(TUNNELS[what]) as proxy:
        given_up(lambda: request("https://localhost:1", proxy.url))


@pytest.mark.parametrize("what", DRIPS)
def test_a_proxy_for_plain_http_that_drips_is_given_up(what: str) -> None:
    with Server(DRIPS[what]) as proxy:
        given_up(lambda: request("http://127.0.0.1:1", proxy.url))


def test_a_server_that_reads_nothing_is_given_up() -> None:
    """The request does not fit what the kernel keeps for a connection that nobody reads."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client = ServiceClient(REGION, endpoint=f"http://127.0.0.1:{server.getsockname()[1]}", timeout=SECONDS)
        given_up(lambda: client.register("1" * 36, "2" * 20, "f" * 20_000_000, KEY))


def test_a_connection_that_nobody_accepts_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server, socket.socket() as first:
        first.setblocking(False)
        first.connect_ex(server.getsockname())
        with socket.socket() as second:
            second.setblocking(False)
            second.connect_ex(server.getsockname())
            error = given_up(lambda: request(f"http://127.0.0.1:{server.getsockname()[1]}"))
    assert "within 0.4 s" in error.what


def test_slow_name_resolution_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name resolution continues in its thread, as nothing can end it; the caller does not wait for it."""
    asked = threading.Event()
    end = threading.Event()

    def slow(*_: object, **__: object) -> list[object]:
        asked.set()
        end.wait(20)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    try:
        given_up(lambda: request("https://ssm.example.org"))
    finally:
        end.set()
    assert asked.is_set()


def test_the_time_is_for_each_of_four_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fingerprint.registration.client._ATTEMPTS", 4)
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    with Server(DRIPS["value of a header"]) as server:
        given_up(lambda: request(server.url))
        assert len(server.heads) == 4


@pytest.fixture
def dripping() -> Iterator[Server]:
    with Server(DRIPS["value of a header"]) as server:
        yield server


def test_what_was_given_up_leaves_no_thread_and_no_connection(dripping: Server) -> None:
    """A program that runs on, such as `serve`, would collect them."""
    before = threading.active_count(), len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    for _ in range(5):
        given_up(lambda: request(dripping.url))
    end = time.monotonic() + 10
    # The server's own threads end as they notice.
    while time.monotonic() < end and threading.active_count() > before[0]:
        time.sleep(0.05)
    assert threading.active_count() <= before[0]
    if before[1]:
        assert len(os.listdir("/proc/self/fd")) <= before[1] + 1


def test_the_client_works_within_a_running_loop() -> None:
    """boto3 asks for credentials wherever it is called, also in a coroutine."""
    import asyncio

    async def ask() -> None:
        with Server(drips(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", b"")) as server:
            request(server.url)

    with pytest.raises(Exception, match="InstanceId"):
        asyncio.run(ask())


def test_proxy_gets_its_password_and_no_output_has_it(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    answer = drips(b"HTTP/1.1 400 Bad\r\nContent-Length: 23\r\n\r\n" + b'{"__type":"Strange"}   ', b"")
    with Server(answer, authority.context("localhost")) as server, Proxy(pair="me:p@ss wörd") as proxy:
        for pair, expected in (("me:p%40ss%20w%C3%B6rd", "Strange"), ("me:wr%40ng", "407")):
            with pytest.raises(Exception, match=expected) as caught:
                request(server.url, proxy.at(pair), authority.file)
            assert "wr" not in str(caught.value)
            assert "ss" not in str(caught.value).replace("process", "")
        # Without a scheme, as curl takes one, too.
        with pytest.raises(Exception, match="Strange"):
            request(server.url, f"me:p%40ss%20w%C3%B6rd@127.0.0.1:{proxy.port}", authority.file)
