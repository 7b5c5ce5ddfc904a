"""One exchange with a real server on loopback: answers, TLS, time limits and addresses."""

from __future__ import annotations

import errno
import re
import socket
import ssl
import subprocess
import sys
import time
import warnings
from datetime import timedelta
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from fingerprint.diagnose import http_probe
from network_checks import NO_NAME, SOON, TRICKLES, network, unreached
from servers import Authority, Proxy, Server, answering, cutting, sending, silent, trickling

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="as Linux does it")


def test_an_answer_has_status_body_and_clock() -> None:
    with Server(answering("418 I'm a teapot", b"short and stout")) as server:
        answer = network().ask(f"{server.url}/pot?full=1", "GET", {"X-Asked": "yes"})
    assert (answer.status, answer.body, answer.via, answer.tls) == (418, b"short and stout", "", "")
    assert answer.skew == pytest.approx(0, abs=SOON)
    assert 0 < answer.seconds < SOON
    [head] = server.heads
    assert head.startswith("GET /pot?full=1 HTTP/1.1\r\n")
    assert f"\r\nHost: 127.0.0.1:{server.port}\r\n" in head
    assert "\r\nX-Asked: yes\r\n" in head


def test_a_body_in_chunks_is_put_together() -> None:
    data = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3\r\n, w\r\n0\r\n\r\n"
    with Server(sending(data)) as server:
        assert network().ask(server.url, "GET").body == b"hello, w"


@pytest.mark.parametrize(
    ("date", "skew"),
    [("", None), ("yesterday", None), ("Tue, 99 Foo 2026 00:00:00 GMT", None), ("ahead", -600.0), ("behind", 600.0),
     ("of no zone", 0.0)],
)  # fmt: skip
def test_the_clock_is_compared_with_the_date_of_the_answer(
    monkeypatch: pytest.MonkeyPatch, date: str, skew: float | None
) -> None:
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    now = time.time()
    date = {
        "ahead": formatdate(now + 600, usegmt=True),
        "behind": formatdate(now - 600, usegmt=True),
        "of no zone": formatdate(now),
    }.get(date, date)
    try:
        with Server(answering(Date=date)) as server:
            found = network().ask(server.url).skew
    finally:
        monkeypatch.undo()
        time.tzset()
    assert found is None if skew is None else found == pytest.approx(skew, abs=SOON)


def test_https_accepts_a_certificate_of_our_authority(authority: Authority, trusted: ssl.SSLContext) -> None:
    with Server(answering(), trusted) as server:
        answer = network(certificates=authority.file).ask(server.url)
        assert (answer.status, answer.tls) == (200, "TLSv1.3")
        assert f"\r\nHost: localhost:{server.port}\r\n" in server.heads[0]
        refused = unreached(network(), server.url)
    assert refused.kind == "tls"
    assert "certificate" in refused.text


CERTIFICATES: dict[str, tuple[dict[str, Any], str]] = {
    "of another name": ({"names": ("elsewhere.example",)}, "not valid for 'localhost'"),
    "self-signed": ({"by_itself": True}, "self.signed certificate"),
    "expired": ({"valid": timedelta(hours=-1)}, "expired"),
    "not yet valid": ({"valid": timedelta(days=9)}, "not yet valid"),
}


@pytest.mark.parametrize("case", CERTIFICATES)
def test_an_invalid_certificate_is_rejected(authority: Authority, case: str) -> None:
    options, words = CERTIFICATES[case]
    options = dict(options)
    context = authority.context(*options.pop("names", ("localhost",)), **options)
    with Server(answering(), context) as server:
        found = unreached(network(certificates=authority.file), server.url)
    assert found.kind == "tls"
    assert re.search(f"its certificate is not accepted: .*{words}", found.text), found.text
    assert not server.heads


def test_a_server_of_old_tls_is_refused(authority: Authority) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        old = authority.context("localhost")
        permissive = ssl.create_default_context(cafile=authority.file)
        for context in (old, permissive):
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = ssl.TLSVersion.TLSv1
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    with Server(answering(), old) as server:
        try:
            with (
                socket.create_connection(("127.0.0.1", server.port), timeout=5) as plain,
                permissive.wrap_socket(plain, server_hostname="localhost") as secure,
            ):
                assert secure.version() == "TLSv1.1"
        except ssl.SSLError as error:
            pytest.skip(f"this OpenSSL speaks no TLS 1.1 at all: {error}")
        found = unreached(network(certificates=authority.file), server.url)
    assert found.kind == "tls"
    assert found.text.startswith("TLS handshake failed (")


@pytest.mark.parametrize("text", ["", "this is no certificate"])
def test_certificates_that_cannot_be_used_are_named(tmp_path: Path, trusted: ssl.SSLContext, text: str) -> None:
    file = tmp_path / "amazon-ssm-agent.crt"
    if text:
        file.write_text(text)
    with Server(silent) as server:
        found = unreached(network(certificates=str(file)), f"https://127.0.0.1:{server.port}")
    assert found.kind == "tls"
    assert found.text.startswith(f"cannot load certificates of {file} (")


def test_a_port_on_which_nothing_listens_is_refused(closed_port: int) -> None:
    found = unreached(network(), f"http://127.0.0.1:{closed_port}")
    assert (found.kind, found.text) == ("refused", "the connection is refused")


@on_linux
def test_an_address_without_a_route_is_reported() -> None:
    # The kernel has no route for TCP to the limited broadcast address, wherever it is.
    found = unreached(network(), "http://255.255.255.255")
    assert found.kind == "no-route"
    assert found.text == "cannot connect (Network is unreachable)"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_silent_server_takes_no_longer_than_the_limit(scheme: str) -> None:
    with Server(silent) as server:
        begin = time.monotonic()
        found = unreached(network(seconds=0.3), f"{scheme}://127.0.0.1:{server.port}")
        taken = time.monotonic() - begin
    assert (found.kind, found.text) == ("timeout", "no answer within 0.3 s")
    assert 0.25 < taken < SOON


@pytest.mark.parametrize("part", TRICKLES)
@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
def test_a_trickling_answer_ends_at_the_limit(
    authority: Authority, trusted: ssl.SSLContext, part: str, secure: bool
) -> None:
    with Server(trickling(TRICKLES[part]), trusted if secure else None) as server:
        begin = time.monotonic()
        found = unreached(network(seconds=0.25, certificates=authority.file), server.url, method="GET")
        taken = time.monotonic() - begin
    assert (found.kind, found.text) == ("timeout", "no answer within 1 s")
    assert 0.8 < taken < SOON


GARBAGE = {
    "no HTTP": b"\x00\xffSSH-2.0-OpenSSH_9.6\r\n\r\n",
    "a status that is none": b"HTTP/1.1 abc OK\r\n\r\n",
    "a line without end": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70000 + b"\r\n\r\n",
    "nothing": b"",
}


@pytest.mark.parametrize("case", GARBAGE)
def test_an_answer_other_than_http_is_broken(case: str) -> None:
    with Server(sending(GARBAGE[case])) as server:
        assert unreached(network(), server.url).kind == "broken"


def test_plain_text_instead_of_tls_is_reported() -> None:
    def serve(_: Server, connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with Server(serve) as server:
        found = unreached(network(), f"https://127.0.0.1:{server.port}")
    assert found.kind == "tls"


def test_a_reset_connection_is_reported() -> None:
    with Server(cutting) as server:
        found = unreached(network(), server.url)
    assert (found.kind, found.text) == ("broken", "the connection was closed before an answer")


def test_only_the_beginning_of_a_huge_body_is_read() -> None:
    with Server(answering(body=b"x" * 20_000_000)) as server:
        assert len(network().ask(server.url, "GET").body) == 64 * 1024


def test_a_redirect_is_an_answer_and_not_followed() -> None:
    with Server(answering()) as elsewhere, Server(answering("301 Moved", Location=elsewhere.url)) as server:
        assert network().ask(server.url).status == 301
    assert not elsewhere.heads


@pytest.fixture
def ipv6() -> None:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            pass
    except OSError as error:
        pytest.skip(f"there is no IPv6 loopback ({error.strerror})")


@pytest.mark.usefixtures("ipv6")
def test_ipv6_works_directly_and_through_a_proxy(authority: Authority, trusted: ssl.SSLContext) -> None:
    with Server(answering(), trusted, "::1") as server, Proxy() as proxy:
        url = f"https://[::1]:{server.port}/x"
        assert network(certificates=authority.file).ask(url).status == 200
        assert network(proxy.at(), certificates=authority.file).ask(url).via == proxy.at()
    assert proxy.targets == [f"[::1]:{server.port}"]
    assert f"\r\nHost: [::1]:{server.port}\r\n" in server.heads[0]


@pytest.mark.parametrize(
    "url",
    ["", "localhost", "ftp://127.0.0.1", "https://", "http://127.0.0.1:99999", "http://127.0.0.1:x", "http://[::1",
     "http://127.0.0.1/a b", "http://127.0.0.1/a\r\nX: y", "http://127.0.0.1/\u00fc", "http://a b/"],
)  # fmt: skip
def test_an_invalid_url_is_not_requested(url: str) -> None:
    assert unreached(network(), url).kind == "url"


def test_an_invalid_name_has_no_address() -> None:
    assert unreached(network(), NO_NAME).kind == "name"


PRELUDE = """
import socket, time
from fingerprint.diagnose.network import Network, Unreached

def ask(url):
    begin = time.monotonic()
    try:
        print(Network("", {}, seconds=0.3).ask(url).status, end="|")
    except Unreached as error:
        print(error.kind, error.text, sep="|", end="|")
    print(time.monotonic() - begin)
"""


def in_namespace(tmp_path: Path, code: str, **files: str) -> list[list[str]]:
    """Run code where nothing but loopback is, and where files of /etc are others; gives the words of its lines."""
    mounts = []
    for name, text in files.items():
        (tmp_path / name).write_text(text)
        mounts.append(f"mount --bind {tmp_path / name} /etc/{name.replace('_', '.')} && ")
    script = f'{"".join(mounts)} ip link set lo up && echo ready && exec "$0" -I -c "$1"'
    try:
        done = subprocess.run(
            ["unshare", "--user", "--map-root-user", "--mount", "--net", "sh", "-c", script, sys.executable,
             PRELUDE + code], capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
    except FileNotFoundError:
        pytest.skip("unshare is not installed")
    if not done.stdout.startswith("ready\n"):
        pytest.skip(f"no namespaces here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    return [line.split("|") for line in done.stdout.splitlines()[1:]]


@on_linux
def test_silent_name_servers_take_no_longer_than_the_limit(tmp_path: Path) -> None:
    code = """
deaf = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
deaf.bind(("127.0.0.1", 53))
ask("https://ssm.eu-west-1.amazonaws.com")
"""
    names = "nameserver 127.0.0.1\noptions timeout:10 attempts:3\n"
    [[kind, text, taken]] = in_namespace(tmp_path, code, resolv_conf=names)
    assert (kind, text) == ("name", "the name servers do not answer within 0.9 s")
    assert float(taken) < SOON


def test_a_kernel_without_ipv6_tries_the_addresses_of_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is none here: the call is answered as by such a kernel."""

    class Without:
        def __getattr__(self, name: str) -> Any:
            return getattr(socket, name)

        @staticmethod
        def socket(family: int, *rest: Any) -> socket.socket:
            if family == socket.AF_INET6:
                raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
            return socket.socket(family, *rest)

    with Server(answering()) as server:
        kind, port = (socket.SOCK_STREAM, 6, ""), server.port
        both = [(socket.AF_INET6, *kind, ("::1", port, 0, 0)), (socket.AF_INET, *kind, ("127.0.0.1", port))]
        monkeypatch.setattr(http_probe, "_addresses", lambda *_: both)
        monkeypatch.setattr(http_probe, "socket", Without())
        assert network().ask("http://two.example").status == 200
        both.pop()
        found = unreached(network(), "http://two.example")
    assert (found.kind, found.text) == ("no-route", "cannot connect (Address family not supported by protocol)")


@on_linux
def test_the_next_address_is_tried_after_a_refusal(tmp_path: Path) -> None:
    code = """
from threading import Thread

def serve(server):
    connection, _ = server.accept()
    connection.recv(4096)
    connection.sendall(b"HTTP/1.1 204 No Content\\r\\n\\r\\n")
    connection.close()

for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
    server = socket.create_server((host, 8000), family=family)
    Thread(target=serve, args=(server,)).start()
    ask("http://two.example:8000")
    server.close()
ask("http://two.example:8000")
"""
    hosts = "127.0.0.1 two.example\n::1 two.example\n"
    first, second, neither = in_namespace(tmp_path, code, hosts=hosts)
    assert (first[0], second[0]) == ("204", "204")
    assert neither[:2] == ["refused", "the connection is refused"]


@pytest.mark.parametrize("host", [".", ".x.example", "a..example", "a.example..", "a" * 64, f"x.{'b' * 64}.example"])
@pytest.mark.parametrize("scheme", ["https", "http"])
@pytest.mark.parametrize("through", ["", "http", "https"])
def test_an_invalid_name_is_an_error_of_the_url(trusted: ssl.SSLContext, through: str, scheme: str, host: str) -> None:
    with Proxy(context=trusted if through == "https" else None) as proxy:
        found = unreached(network(proxy.at() if through else ""), f"{scheme}://{host}/")
        assert not proxy.heads
    assert (found.kind, "63 characters" in found.text) == ("url", True), found.text
