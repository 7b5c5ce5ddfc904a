"""What programs of this host try against the credential server and the local service, with real sockets."""

from __future__ import annotations

import json
import logging
import os
import re
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import fingerprint
from commandline import environment, run
from fingerprint import Vault
from fingerprint._io import http_connection, http_server
from fingerprint._io.http_messages import Deadlines
from fingerprint._io.peers import Peer
from fingerprint.credentials import CredentialCache
from fingerprint.credentials.imds_server import ROLE, CredentialServer
from fingerprint.credentials.unix_socket import UnixSocket
from fingerprint.errors import InputError, Refused
from fingerprint.registration.role_token import RoleCredentials
from fingerprint.testing import LocalService, unix_snapshot
from nobody import BECOME_NOBODY, NOBODY, as_user
from paths import DOCS

SCHEMAS = Path(fingerprint.__file__).parent / "schemas"
CREDENTIALS = f"/latest/meta-data/iam/security-credentials/{ROLE}"
TTL = "X-aws-ec2-metadata-token-ttl-seconds: 60\r\n"
NOT_READ_YET = (http_connection.TURNS + 1) * http_server._AT_ONCE
HOST = "Host: 127.0.0.1\r\n"
as_root = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root")
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="the kernel reports it on Linux only")


def cache(tmp_path: Path) -> CredentialCache:
    def ask() -> RoleCredentials:
        return RoleCredentials("ASIA1", "planted-secret", "planted-token", time.time() + 3600)

    return CredentialCache(Vault(str(tmp_path / "Vault"), state=str(tmp_path / "state")), ask)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[CredentialServer]:
    with CredentialServer(cache(tmp_path), lambda: {"instance-id": "mi-0123456789abcdef0"}, port=0) as made:
        yield made


def port_of(server: CredentialServer | LocalService) -> int:
    return int(server.endpoint.rstrip("/").rpartition(":")[2])


def exchange(address: int | str, data: bytes, seconds: float = 8) -> bytes:
    """Return all that comes back until the connection ends. Fails if it does not end, or is cut."""
    family = socket.AF_INET if isinstance(address, int) else socket.AF_UNIX
    with socket.socket(family) as connection:
        connection.settimeout(seconds)
        connection.connect(("127.0.0.1", address) if isinstance(address, int) else address)
        connection.sendall(data)
        found = b""
        while data := connection.recv(65536):
            found += data
        return found


def status(answer: bytes) -> int:
    head = re.match(rb"HTTP/1\.1 (\d{3}) ", answer)
    assert head, answer[:200]
    return int(head[1])


def token(address: int | str) -> str:
    answer = exchange(address, f"PUT /latest/api/token HTTP/1.1\r\n{HOST}{TTL}Connection: close\r\n\r\n".encode())
    assert status(answer) == 200, answer
    return answer.rpartition(b"\r\n\r\n")[2].decode()


def get(path: str, token: str, more: str = "", host: str = HOST) -> bytes:
    return f"GET {path} HTTP/1.1\r\n{host}X-aws-ec2-metadata-token: {token}\r\n{more}Connection: close\r\n\r\n".encode()


def serves(address: int | str, seconds: float = 4.0) -> None:
    """Fail unless an honest client gets credentials soon."""
    begin = time.monotonic()
    assert b"planted-secret" in exchange(address, get(CREDENTIALS, token(address)))
    assert time.monotonic() - begin < seconds


def serves_mostly(address: int) -> None:
    """Fail unless an honest client gets credentials soon, three times of four."""
    lost = 0
    for _ in range(20):
        try:
            serves(address)
        except (AssertionError, OSError):
            lost += 1
    assert lost <= 5


# Slow and many clients.

STEPS = {
    "nothing": b"",
    "a line": b"GET / HTTP/1.1\r\n",
    "headers": b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ",
    "a body": b"PUT /latest/api/token HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4000\r\n\r\n",
    "chunks": b"PUT /latest/api/token HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\n",
    "a size": b"PUT /latest/api/token HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n",
    "trailers": b"PUT / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
    "a second request": f"PUT /latest/api/token HTTP/1.1\r\n{HOST}{TTL}\r\nGET /".encode(),
    "nothing after a request": f"PUT /latest/api/token HTTP/1.1\r\n{HOST}{TTL}\r\n".encode(),
}


def drip(address: int | str, begin: bytes, seconds: float) -> float:
    """Send a byte every 50 ms. Return after how many seconds the server ended it."""
    family = socket.AF_INET if isinstance(address, int) else socket.AF_UNIX
    with socket.socket(family) as connection:
        connection.connect(("127.0.0.1", address) if isinstance(address, int) else address)
        started = time.monotonic()
        connection.sendall(begin)
        connection.settimeout(0.05)
        while time.monotonic() - started < seconds:
            try:
                if not connection.recv(65536):
                    break
                continue
            except TimeoutError:
                pass
            except OSError:
                break
            try:
                if begin and not begin.endswith(b"60\r\n\r\n"):
                    connection.sendall(b"1")
            except OSError:
                break
        return time.monotonic() - started


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("which", ["serve", "local-service"])
def test_every_step_of_a_connection_has_a_deadline(
    tmp_path: Path, step: str, which: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The parts of one deadline cannot add up to more than all of them together."""
    made: Any = CredentialServer(cache(tmp_path), dict, port=0) if which == "serve" else LocalService()
    made._server.deadlines = Deadlines(0.6, 0.5, 0.4, 0.5)
    with made:
        took = drip(port_of(made), STEPS[step], 10)
    assert 0.3 < took < 3


def test_the_deadlines_are_as_documented() -> None:
    page = (DOCS / "serve.md").read_text()
    limits = Deadlines()
    for seconds, what in ((limits.idle, "until a request begins"), (limits.head, "for its headers"),
                          (limits.body, "for its body"), (limits.send, "for the answer")):  # fmt: skip
        assert f"{seconds:g} s {what}" in page
    assert f"{http_server.CONNECTIONS_MOST} connections" in page
    assert f"{http_server.OF_A_USER_MOST} of one user" in page


def test_a_client_that_does_not_read_its_answer_is_given_up() -> None:
    with LocalService() as service:
        service._server.deadlines = Deadlines(5, 5, 5, 0.5)
        service.answer_next("X", 200, b"x" * 50_000_000)
        with socket.create_connection(("127.0.0.1", port_of(service))) as connection:
            connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nX-Amz-Target: A.X\r\nContent-Length: 0\r\n\r\n")
            deadline = time.monotonic() + 5
            while any(service._server._open.values()) or not connection.recv(1):
                assert time.monotonic() < deadline
                time.sleep(0.05)


CROWD = """
port, count, begin = int(sys.argv[1]), int(sys.argv[2]), bytes.fromhex(sys.argv[3])
there = []
def another():
    made = socket.create_connection(("127.0.0.1", port))
    made.setblocking(False)
    there.append(made)
    made.send(begin)
for _ in range(count):
    another()
print("there", flush=True)
end = time.monotonic() + 60
while time.monotonic() < end:
    for known in list(there):
        try:
            known.send(b"1")
        except OSError:
            there.remove(known)
            another()
    time.sleep(0.05)
"""


@contextmanager
def crowd(user: int, port: int, count: int, begin: bytes) -> Iterator[None]:
    """Have a user's process keep so many slow connections while the block runs."""
    become = "" if user == os.geteuid() else f"import os; os.setgroups([]); os.setuid({user})\n"
    words = [
        sys.executable,
        "-I",
        "-c",
        f"import encodings.idna, socket, sys, time\n{become}{CROWD}",
        str(port),
        str(count),
        begin.hex(),
    ]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "there\n"
            yield
        finally:
            process.kill()


@pytest.mark.parametrize("begin", [b"", b"GET / HTTP/1.1\r\nHost: localhost\r\nX: "], ids=["silent", "dripping"])
@pytest.mark.parametrize("whose", ["another user's", "own"])
def test_a_crowd_of_slow_clients_stops_nobody(server: CredentialServer, begin: bytes, whose: str) -> None:
    """300 of them, more than the limits of one user and of all, that come again as soon as they are dropped.

    Of the user's own some requests may be lost before they are read: nothing distinguishes them from the others.
    """
    if whose != "own" and (os.geteuid() != 0 or sys.platform != "linux"):
        pytest.skip("needs root, on Linux")
    user = os.geteuid() if whose == "own" else NOBODY
    with crowd(user, port_of(server), 300, begin):
        if whose == "own":
            serves_mostly(port_of(server))
        else:
            for _ in range(20):
                serves(port_of(server))
        assert len(server._server._open[user]) <= http_server.OF_A_USER_MOST + NOT_READ_YET


# A client that comes while the server ends is dropped by the collector of garbage.
@pytest.mark.filterwarnings(
    "ignore:unclosed:ResourceWarning", "ignore:Exception ignored in.*socket:pytest.PytestUnraisableExceptionWarning"
)
@as_root
@on_linux
def test_crowds_of_many_users_stop_nobody(server: CredentialServer) -> None:
    """Six users with as many connections as each may have: more than the limit of all."""
    with ExitStack() as crowds:
        for user in range(61000, 61006):
            crowds.enter_context(crowd(user, port_of(server), http_server.OF_A_USER_MOST, b"GET / HTTP/1.1\r\nX: "))
        for _ in range(20):
            serves(port_of(server))
        assert sum(map(len, server._server._open.values())) <= http_server.CONNECTIONS_MOST + NOT_READ_YET


def test_where_nobody_knows_users_slow_clients_stop_nobody(
    server: CredentialServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on other systems."""
    monkeypatch.setattr(http_server, "peer_of", lambda _: Peer())
    with crowd(os.geteuid(), port_of(server), 600, b"GET / HTTP/1.1\r\nX: "):
        serves_mostly(port_of(server))
        assert set(server._server._open) <= {None}


def test_no_number_of_tokens_pushes_out_another_one(server: CredentialServer) -> None:
    port = port_of(server)
    honest = token(port)
    request = f"PUT /latest/api/token HTTP/1.1\r\n{HOST}{TTL}\r\n".encode()
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        stream = connection.makefile("rb")
        for _ in range(1100):
            connection.sendall(request)
            assert stream.readline().startswith(b"HTTP/1.1 200")
            while stream.readline() != b"\r\n":
                continue
            stream.read(76)
    assert b"planted-secret" in exchange(port, get(CREDENTIALS, honest))


def test_a_token_is_of_one_server_and_cannot_be_changed(server: CredentialServer, tmp_path: Path) -> None:
    good = server.new_token(60)
    assert server.knows(good)
    with CredentialServer(cache(tmp_path), dict, port=0) as other_server:
        assert not other_server.knows(good)
    for place in range(len(good) - 1):
        other = "A" if good[place] != "A" else "B"
        assert not server.knows(good[:place] + other + good[place + 1 :])
    for other in ("", "A", "A" * 76, "é" * 76, good[:-8], good + good):
        assert not server.knows(other)


# What came through something else.

FORWARDING = (
    "Forwarded", "Via", "X-Real-IP", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port",
    "X-Forwarded-Server", "X-Forwarded-By", "X-Forwarded", "X_Forwarded_For", "x-forwarded-anything-at-all",
    "True-Client-IP", "CF-Connecting-IP", "X-Client-IP", "X-Cluster-Client-IP", "X-Original-Forwarded-For",
    "X-Envoy-External-Address", "X-ProxyUser-IP", "Proxy-Connection", "Origin", "Referer", "Sec-Fetch-Site",
)  # fmt: skip


@pytest.mark.parametrize("name", FORWARDING)
@pytest.mark.parametrize(
    "lines", ["{}:\r\n", "{}: \r\n", "{}: 192.0.2.1\r\n", "{}:\r\n{}: 192.0.2.1\r\n", "{}: 127.0.0.1\r\n{}:\r\n"],
    ids=["empty", "blank", "a value", "empty and a value", "a value and empty"],
)  # fmt: skip
def test_every_header_of_a_proxy_or_a_browser_is_refused(server: CredentialServer, name: str, lines: str) -> None:
    port = port_of(server)
    for spelled in (name, name.upper(), name.lower()):
        more = lines.replace("{}", spelled)
        assert status(exchange(port, get(CREDENTIALS, token(port), more))) == 403
        put = f"PUT /latest/api/token HTTP/1.1\r\n{HOST}{TTL}{more}Connection: close\r\n\r\n".encode()
        assert status(exchange(port, put)) == 403


BAD = {
    "two hosts": (get(CREDENTIALS, "T", host="Host: localhost\r\nHost: evil.example\r\n"), 400),
    "no host": (get(CREDENTIALS, "T", host=""), 400),
    "another host": (get(CREDENTIALS, "T", host="Host: evil.example\r\n"), 403),
    "a host that begins well": (get(CREDENTIALS, "T", host="Host: localhost.evil.example\r\n"), 403),
    "a host with another behind its colon": (get(CREDENTIALS, "T", host="Host: localhost:evil.example\r\n"), 403),
    "a host with a user": (get(CREDENTIALS, "T", host="Host: localhost:80@evil.example\r\n"), 403),
    "another host in the target": (get("http://evil.example" + CREDENTIALS, "T"), 400),
    "an asterisk": (get("*", "T"), 400),
    "HTTP/0.9": (f"GET {CREDENTIALS}\r\n\r\n".encode(), 400),
    "HTTP/1.0 without a host": (f"GET {CREDENTIALS} HTTP/1.0\r\nX-aws-ec2-metadata-token: T\r\n\r\n".encode(), 403),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "an escape in the path": (get("/\x1b[31mX\x07", "T"), 400),
    "a C1 control in the path": (b"GET /\x9b31m HTTP/1.1\r\n" + HOST.encode() + b"\r\n", 400),
    "UTF-8 in the path": (get("/\u202e", "T"), 400),
    "a NUL in the path": (get("/\0", "T"), 400),
    "an escape in the method": (b"G\x1b[31mET / HTTP/1.1\r\n" + HOST.encode() + b"\r\n", 400),
    "an escape in a header": (get("/", "T", "X: \x1b[31m\r\n"), 404),
    "a header without a colon": (get("/", "T", "planted-secret\r\n"), 400),
    "a folded header": (get(CREDENTIALS, "T", " folded\r\n"), 401),
    "no length": (get("/", "T", "Content-Length: abc\r\n"), 400),
    "a negative length": (get("/", "T", "Content-Length: -1\r\n"), 400),
    "two lengths": (get("/", "T", "Content-Length: 0\r\nContent-Length: 70\r\n"), 400),
    "a length in other digits": (get("/", "T", "Content-Length: \u0664\r\n"), 400),
    "a length beyond all": (get("/", "T", "Content-Length: 99999999999999999999999\r\n"), 400),
    "a negative chunk": (get("/", "T", "Transfer-Encoding: chunked\r\n") + b"-1\r\n", 400),
    "a chunk beyond all": (get("/", "T", "Transfer-Encoding: chunked\r\n") + b"f" * 21 + b"\r\n", 400),
    "another transfer encoding": (get("/", "T", "Transfer-Encoding: gzip\r\n"), 501),
    "a long path": (get("/" + "a" * 70_000, "T"), 431),
    "a very long path": (get("/" + "a" * 900_000, "T"), 431),
    "a long header": (get("/", "T", f"X: {'a' * 70_000}\r\n"), 431),
    "many headers": (get("/", "T", "".join(f"X-{n}: a\r\n" for n in range(9000))), 431),
    "a long body": (get("/", "T", "Content-Length: 900000\r\n") + b"a" * 900_000, 413),
    "a token twice": (get(CREDENTIALS, "T", "X-aws-ec2-metadata-token: T\r\n"), 401),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_request_has_an_answer_and_leaves_no_log(
    server: CredentialServer, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Also when the client sends more than is read: the answer gets through all the same."""
    caplog.set_level(logging.DEBUG)
    request, expected = BAD[name]
    good = token(port_of(server))
    answer = exchange(port_of(server), request.replace(b"token: T\r", b"token: " + good.encode() + b"\r"))
    assert status(answer) == expected
    assert b"planted-secret" not in answer
    assert good not in caplog.text
    assert "planted" not in caplog.text
    assert all(" " <= char <= "~" or char == "\n" for char in caplog.text), caplog.text
    assert not any(record.levelno >= logging.ERROR for record in caplog.records), caplog.text
    serves(port_of(server))


@pytest.mark.parametrize(
    "seconds", ["0", "-1", "21601", "021600", "216000", "021600" + "9" * 5000, "6 0", "60\t1", "\u0666\u0660", "1e3"]
)
def test_a_life_that_is_none_has_an_answer(server: CredentialServer, seconds: str) -> None:
    lines = f"X-aws-ec2-metadata-token-ttl-seconds: {seconds}\r\nConnection: close\r\n\r\n".encode()
    assert status(exchange(port_of(server), f"PUT /latest/api/token HTTP/1.1\r\n{HOST}".encode() + lines)) == 400


def test_request_in_the_body_of_another_is_not_answered(server: CredentialServer) -> None:
    port = port_of(server)
    inner = get(CREDENTIALS, token(port))
    first = f"GET /latest/meta-data/instance-id HTTP/1.1\r\n{HOST}X-aws-ec2-metadata-token: {token(port)}\r\n"
    answer = exchange(port, f"{first}Content-Length: {len(inner)}\r\nConnection: close\r\n\r\n".encode() + inner)
    assert status(answer) == 200
    assert b"planted-secret" not in answer


def test_requests_in_a_row_are_answered_in_their_order(server: CredentialServer) -> None:
    port, good = port_of(server), token(port_of(server))
    two = get("/latest/meta-data/instance-id", good).replace(b"Connection: close\r\n", b"") + get(CREDENTIALS, good)
    answer = exchange(port, two)
    assert answer.count(b"HTTP/1.1 200") == 2
    assert answer.index(b"mi-0123456789abcdef0") < answer.index(b"planted-secret")


# Who asks.


@on_linux
def test_the_log_says_which_user_asked(server: CredentialServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    serves(port_of(server))
    assert f"GET {CREDENTIALS} 200 uid {os.geteuid()}" in caplog.text


@as_root
@on_linux
def test_the_log_says_which_other_user_asked(server: CredentialServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    code = "import socket, sys; c = socket.create_connection(('127.0.0.1', int(sys.argv[1])))\n"
    code += f"c.sendall({get(CREDENTIALS, 'x')!r}); print(c.recv(100)[:12])"
    assert "401" in as_user(NOBODY, code, str(port_of(server))).stdout
    assert f"GET {CREDENTIALS} 401 uid {NOBODY}" in caplog.text


# The Unix socket.


@as_root
@pytest.mark.parametrize("group", ["4294967295", "99999999999", "no such group"])
def test_a_group_that_cannot_be_is_refused_and_leaves_nothing(group: str, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    done = run(
        "credentials", "serve", "--socket", str(path), "--socket-group", group, env=environment(tmp_path / "state")
    )
    assert done.returncode == 2, done.stderr
    assert "no such group" in done.stderr
    assert "port" not in done.stderr
    assert not path.exists()


@pytest.mark.parametrize("mode", [0o600, 0o660, 0o666])
def test_a_unix_socket_has_its_mode_and_serves(tmp_path: Path, mode: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    path = str(tmp_path / "socket")
    before = os.umask(0o077)
    try:
        with CredentialServer(cache(tmp_path), dict, unix=UnixSocket(path, mode)) as made:
            assert stat.S_IMODE(os.lstat(path).st_mode) == mode
            assert made.endpoint == ""
            serves(path)
            assert status(exchange(path, get(CREDENTIALS, token(path), "Via: x\r\n"))) == 403
    finally:
        os.umask(before)
    if hasattr(socket, "SO_PEERCRED"):
        assert f"GET {CREDENTIALS} 200 uid {os.geteuid()} pid {os.getpid()}" in caplog.text
    assert os.listdir(tmp_path) == ["state"]


@as_root
@pytest.mark.parametrize(("mode", "group", "lets"), [(0o600, None, False), (0o660, None, False),
                                                     (0o660, NOBODY, True), (0o666, None, True)])  # fmt: skip
def test_only_who_may_write_to_a_unix_socket_gets_in(tmp_path: Path, mode: int, group: int | None, lets: bool) -> None:
    directory = Path("/tmp") / f"socket-of-{os.getpid()}"
    directory.mkdir(mode=0o755)
    path = str(directory / "socket")
    code = "import socket, sys; c = socket.socket(socket.AF_UNIX); c.connect(sys.argv[1]); print('connected')"
    try:
        with CredentialServer(cache(tmp_path), dict, unix=UnixSocket(path, mode, group)):
            done = as_user(NOBODY, code, path)
            assert ("connected" in done.stdout, "PermissionError" in done.stderr) == (lets, not lets), done.stderr
    finally:
        directory.rmdir()


def test_a_unix_socket_takes_the_place_of_a_dead_one_only(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
        dead.listen()
        with pytest.raises(Refused, match="another program listens"):
            CredentialServer(cache(tmp_path), dict, unix=UnixSocket(path))
    with CredentialServer(cache(tmp_path), dict, unix=UnixSocket(path)):
        serves(path)
        with pytest.raises(Refused, match="another program listens"):
            CredentialServer(cache(tmp_path), dict, unix=UnixSocket(path))
        serves(path)
    assert not os.path.lexists(path)
    for make in (Path.touch, Path.mkdir, os.mkfifo, lambda there: there.symlink_to("/nowhere")):
        there = tmp_path / "other"
        make(there)
        with pytest.raises(Refused, match="is not a socket"):
            CredentialServer(cache(tmp_path), dict, unix=UnixSocket(str(there)))
        there.rmdir() if there.is_dir() else there.unlink()
    for path in (str(tmp_path / "missing" / "socket"), str(tmp_path / ("a" * 200)), "/proc/socket"):
        with pytest.raises(InputError, match="cannot listen"):
            CredentialServer(cache(tmp_path), dict, unix=UnixSocket(path))


def test_a_unix_socket_is_not_made_where_others_can_replace_it(tmp_path: Path) -> None:
    directory = tmp_path / "open"
    directory.mkdir()
    for mode, refused in ((0o777, True), (0o770, True), (0o1777, False), (0o755, False)):
        directory.chmod(mode)
        if refused:
            with pytest.raises(Refused, match="replace it"):
                CredentialServer(cache(tmp_path), dict, unix=UnixSocket(str(directory / "socket")))
        else:
            CredentialServer(cache(tmp_path), dict, unix=UnixSocket(str(directory / "socket"))).stop()
        assert os.listdir(directory) == []
    if os.geteuid() == 0:
        os.chown(directory, NOBODY, NOBODY)
        with pytest.raises(Refused, match="replace it"):
            CredentialServer(cache(tmp_path), dict, unix=UnixSocket(str(directory / "socket")))


# The commands.


def command(tmp_path: Path, *words: str) -> list[str]:
    recorded = tmp_path / "machine.json"
    recorded.write_text(json.dumps(unix_snapshot()))
    return [sys.executable, "-I", "-m", "fingerprint", "--vault", str(tmp_path / "Vault"), "--snapshot", str(recorded),
            *words]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["--port", "1", "--socket", "x"], 2, "--port and --socket are mutually exclusive"),
        (["--socket-mode", "0660"], 2, "--socket-mode requires --socket"),
        (["--socket-group", "root"], 2, "--socket-group requires --socket"),
        (["--socket", "x", "--socket-mode", "9"], 2, "invalid mode '9'"),
        (["--socket", "x", "--socket-mode", "4777"], 2, "invalid mode '4777'"),
        (["--socket", "x", "--socket-mode", "000"], 2, "invalid mode '000'"),
        (["--socket", "x", "--socket-mode", "0066"], 2, "invalid mode '0066'"),
        (["--socket", "x", "--socket-group", "9" * 5000], 2, "no such group"),
        (["--socket", "x", "--socket-mode", "0o660"], 2, "invalid mode"),
        (["--socket", "x", "--socket-group", "no-such-group"], 2, "no such group: no-such-group"),
        (["--socket", "/proc/x"], 3, "cannot listen on the socket: "),
        (["--socket", "/etc/passwd"], 4, "is not a socket"),
    ],
)
def test_options_of_the_socket_are_checked(tmp_path: Path, words: list[str], code: int, text: str) -> None:
    done = subprocess.run(
        command(tmp_path, "credentials", "serve", *words), env=environment(tmp_path), cwd=tmp_path,
        capture_output=True, text=True,
        check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, text in done.stderr) == (code, True), done.stderr


def test_the_command_serves_on_a_unix_socket_and_takes_it_away(tmp_path: Path) -> None:
    path = tmp_path / "run" / "socket"
    path.parent.mkdir()
    words = command(tmp_path, "--output", "json", "credentials", "serve", "--socket", str(path), "--socket-mode", "600",
                    "--socket-group", str(os.getegid()))  # fmt: skip
    with subprocess.Popen(
        words, env=environment(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        text = ""
        while not text.rstrip().endswith("}"):
            line = process.stdout.readline()
            assert line, process.stderr.read() if process.stderr else ""
            text += line
        shown = json.loads(text)
        jsonschema.validate(shown, json.loads((SCHEMAS / "credentials-serve.json").read_text()))
        assert shown["socket"] == str(path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        # Not registered: what is seen is that it answers, and to whom.
        assert status(exchange(str(path), get(CREDENTIALS, token(str(path))))) == 503
        process.terminate()
        _, complaint = process.communicate(timeout=20)
    assert process.returncode == 0, complaint
    assert f"GET {CREDENTIALS} 503 uid {os.geteuid()}" in complaint
    assert os.listdir(path.parent) == []


def test_the_port_closes_at_once_with_a_request_that_hangs(tmp_path: Path) -> None:
    """Also where the answer to somebody waits for ever."""
    held = threading.Event()

    def facts() -> dict[str, str]:
        held.set()
        threading.Event().wait(30)
        return {}

    made = CredentialServer(cache(tmp_path), facts, port=0)
    with made, socket.create_connection(("127.0.0.1", port_of(made))) as connection:
        connection.sendall(get("/latest/meta-data/x", made.new_token(60)))
        assert held.wait(10)
        begin = time.monotonic()
        made.stop()
        assert time.monotonic() - begin < 3


# The local service.

LOCAL = {
    "a negative chunk": b"Transfer-Encoding: chunked\r\n\r\n-1\r\n" + b"a" * 100_000,
    "a chunk with a sign": b"Transfer-Encoding: chunked\r\n\r\n+1\r\na\r\n0\r\n\r\n",
    "a chunk beyond all": b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 21 + b"\r\n",
    "a chunk of a gigabyte": b"Transfer-Encoding: chunked\r\n\r\n40000000\r\n" + b"a" * 200_000,
    "a long chunk line": b"Transfer-Encoding: chunked\r\n\r\n1;" + b"a" * 100_000,
    "endless trailers": b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + b"a: b\r\n" * 50_000,
    "a negative length": b"Content-Length: -1\r\n\r\n",
    "a length in other digits": "Content-Length: \u0664\r\n\r\n1234".encode(),
    "a long body": b"Content-Length: 1000000\r\n\r\n" + b"a" * 1_000_000,
    "both lengths": b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a deep body": b"Content-Length: 60000\r\n\r\n" + b"[" * 60_000,
    "not UTF-8": b"Content-Length: 2\r\n\r\n\xff\xfe",
    "a surrogate": b'Content-Length: 24\r\n\r\n{"ActivationId":"\\ud800"}',
    "Infinity": b'Content-Length: 13\r\n\r\n{"a":Infinity',
    "a target beyond ASCII": b"X-Amz-Target: A.\xe9\xff\r\nContent-Length: 2\r\n\r\n{}",
    "a target with an escape": b"X-Amz-Target: A.\x1b[31m\r\nContent-Length: 2\r\n\r\n{}",
}
FULL = {"ActivationId": "a" * 36, "ActivationCode": "c" * 20, "Fingerprint": "f", "PublicKey": "k" * 392}
TARGET = b"X-Amz-Target: AmazonSSM.RegisterManagedInstance\r\n"


def post(lines: bytes) -> bytes:
    return b"POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + lines


@pytest.fixture
def local(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Iterator[LocalService]:
    caplog.set_level(logging.DEBUG)
    with LocalService() as service:
        yield service
        assert status(exchange(port_of(service), post(TARGET + b"Content-Length: 2\r\n\r\n{}"))) == 400
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR], caplog.text
    assert "Traceback" not in "".join(capfd.readouterr())


@pytest.mark.parametrize("name", LOCAL)
def test_the_local_service_answers_what_is_no_request(local: LocalService, name: str) -> None:
    lines = LOCAL[name] if b"X-Amz-Target" in LOCAL[name] else TARGET + LOCAL[name]
    assert status(exchange(port_of(local), post(lines))) in (400, 413, 431)


@pytest.mark.parametrize("odd", ["é", "\u202e", "\x1b[31m", "\0", "\ud800", "😀", "a" * 50_000])
@pytest.mark.parametrize("member", FULL)
def test_the_local_service_answers_what_is_no_member(local: LocalService, member: str, odd: str) -> None:
    for value in (FULL[member] + odd, odd + FULL[member][1:], None, 1, [odd], {odd: odd}):
        body = json.dumps({**FULL, member: value}).encode()
        answer = exchange(port_of(local), post(TARGET + b"Content-Length: %d\r\n\r\n" % len(body) + body))
        assert status(answer) in (400, 413), answer
        made = local.activation()
        values = {**FULL, "ActivationId": made.id, "ActivationCode": made.code, member: value}
        body = json.dumps(values).encode()
        answer = exchange(port_of(local), post(TARGET + b"Content-Length: %d\r\n\r\n" % len(body) + body))
        assert status(answer) in (200, 400, 413), answer


@pytest.mark.parametrize("header", ["Authorization", "X-Amz-Date", "Date", "X-Amz-Security-Token"])
def test_the_local_service_answers_what_is_no_signature(local: LocalService, header: str) -> None:
    made = local.activation()
    body = json.dumps({**FULL, "ActivationId": made.id, "ActivationCode": made.code, "PublicKey": "é" * 392}).encode()
    exchange(port_of(local), post(TARGET + b"Content-Length: %d\r\n\r\n" % len(body) + body))
    node = local.nodes()[0]["id"]
    now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(local.clock()))
    good = {
        "Authorization": f"SSM4-RSA-SHA256 Credential={node}/{now[:8]}/eu-west-1/ssm/aws4_request, "
        "SignedHeaders=host;x-amz-target, Signature=x",
        "X-Amz-Date": now,
    }
    for name in ("RequestManagedInstanceRoleToken", "UpdateInstanceInformation"):
        for value in ("é", "Mon, 99 Foo 99999 99:99:99", "0" * 5000, "20260231T000000Z", "=,=,=",
                      "SSM4-RSA-SHA256 é", good["Authorization"].replace("=x", "=é"),
                      good["Authorization"].replace("host;", "é;host;")):  # fmt: skip
            headers = {**good, header: value}
            if header == "Date":
                headers.pop("X-Amz-Date")
            lines = "".join(f"{known}: {text}\r\n" for known, text in headers.items()).encode("latin-1")
            lines += f"X-Amz-Target: AmazonSSM.{name}\r\n".encode()
            answer = exchange(port_of(local), post(lines + b"Content-Length: 2\r\n\r\n{}"))
            assert status(answer) in (400, 403), (value, answer)


@pytest.mark.parametrize("words", [["--limit", "0"], ["--limit", str(10**30)], ["--port", "70000"], ["--port", "-1"],
                                   ["--database", "/etc/passwd"], ["--database", "/"]])  # fmt: skip
def test_options_of_the_local_service_are_checked(tmp_path: Path, words: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-m", "fingerprint", "local-service", *words], env=environment(tmp_path),
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode in (2, 3), done.stderr
    assert "internal" not in done.stderr


# Without threads.

WITHOUT_THREADS = """
import asyncio, resource, threading, time, encodings.ascii, encodings.idna, encodings.latin_1
import fingerprint.vault.files
from fingerprint import Vault
from fingerprint.credentials import CredentialCache
from fingerprint.credentials.imds_server import CredentialServer
from fingerprint.registration.role_token import RoleCredentials

def ask():
    return RoleCredentials("ASIA1", "planted-secret", "planted-token", time.time() + 3600)

become(65534)
made = CredentialServer(CredentialCache(Vault(sys.argv[1] + "/Vault", state=sys.argv[1] + "/state"), ask), dict, port=0)
resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
try:
    threading.Thread(target=print).start()
except RuntimeError:
    print(made.endpoint, flush=True)
    made.serve_forever()
"""


@as_root
@on_linux
def test_it_serves_where_no_thread_can_be_started(tmp_path: Path) -> None:
    words = [sys.executable, "-I", "-c", BECOME_NOBODY + WITHOUT_THREADS, str(tmp_path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            endpoint = process.stdout.readline()
            assert endpoint, process.communicate()[1]
            for _ in range(3):
                serves(int(endpoint.strip().rstrip("/").rpartition(":")[2]))
        finally:
            process.kill()
            process.communicate()
