"""The network as diagnose sees it: real servers, proxies and certificates on loopback, and real processes."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from datetime import timedelta
from email.utils import formatdate
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from agent_machines import REGION, AgentMachine, Present
from commandline import COMMAND, environment, run
from fingerprint._io.text import hidden
from fingerprint.agent.buckets import buckets
from fingerprint.diagnose import CHECKS, Diagnosis, Network, Outcome, diagnose, http_probe
from fingerprint.diagnose.checks.endpoints import SERVICES
from fingerprint.diagnose.http_probe import Unreached
from fingerprint.diagnose.reachability import NOT_ASKED, OF_ANOTHER, agent_proxies, reach_buckets
from fingerprint.errors import UsageError
from servers import Authority, Proxy, Serve, Server, answering, cutting, sending, silent, trickling

PASS, WARN, FAIL, SKIPPED = Outcome.PASS, Outcome.WARN, Outcome.FAIL, Outcome.SKIPPED
PASSWORD = "hunter2"
# What a slow machine may take over a limit of a fraction of a second, and no more than that.
SOON = 8.0
NETWORK_CHECKS = ("published", *(f"endpoint-{service}" for service in SERVICES), "clock", "s3-buckets")
needs_strace = pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
needs_tinyproxy = pytest.mark.skipif(not shutil.which("tinyproxy"), reason="tinyproxy is not installed")
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="as Linux does it")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def trusted(authority: Authority) -> ssl.SSLContext:
    return authority.context("localhost", "127.0.0.1", "::1", f"*.{REGION}.amazonaws.com")


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port of loopback on which nothing listens, kept so that nobody else gets it."""
    with socket.socket() as kept:
        kept.bind(("127.0.0.1", 0))
        yield kept.getsockname()[1]


def network(proxy: str = "", seconds: float = 5.0, certificates: str = "", **variables: str) -> Network:
    """Return a network of nothing but what is told."""
    return Network(proxy, variables, certificates, seconds)


def unreached(asked: Network, url: str, **options: Any) -> Unreached:
    with pytest.raises(Unreached) as caught:
        asked.ask(url, **options)
    return caught.value


# One exchange.


def test_an_answer_tells_status_body_and_clock() -> None:
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
def test_the_clock_is_held_against_the_date_of_the_answer(
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


def test_https_is_answered_by_whom_our_authority_vouches_for(authority: Authority, trusted: ssl.SSLContext) -> None:
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
def test_a_certificate_that_does_not_hold_is_not_accepted(authority: Authority, case: str) -> None:
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
    assert found.text.startswith("no TLS came about (")


@pytest.mark.parametrize("text", ["", "this is no certificate"])
def test_certificates_that_cannot_be_used_are_named(tmp_path: Path, trusted: ssl.SSLContext, text: str) -> None:
    file = tmp_path / "amazon-ssm-agent.crt"
    if text:
        file.write_text(text)
    with Server(silent) as server:
        found = unreached(network(certificates=str(file)), f"https://127.0.0.1:{server.port}")
    assert found.kind == "tls"
    assert found.text.startswith(f"{file} cannot be used (")


def test_a_port_on_which_nothing_listens_is_refused(closed_port: int) -> None:
    found = unreached(network(), f"http://127.0.0.1:{closed_port}")
    assert (found.kind, found.text) == ("refused", "the connection is refused")


@on_linux
def test_a_place_without_a_route_is_told_so() -> None:
    # The kernel has no route for TCP to the limited broadcast address, wherever it is.
    found = unreached(network(), "http://255.255.255.255")
    assert found.kind == "no-route"
    assert found.text == "no way to it (Network is unreachable)"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_server_that_never_answers_costs_no_more_than_the_limit(scheme: str) -> None:
    with Server(silent) as server:
        begin = time.monotonic()
        found = unreached(network(seconds=0.3), f"{scheme}://127.0.0.1:{server.port}")
        taken = time.monotonic() - begin
    assert (found.kind, found.text) == ("timeout", "no answer within 0.3 s")
    assert 0.25 < taken < SOON


TRICKLES = {
    "body": b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n",
    "head": b"HTTP/1.1 200 OK\r\nX-Long: ",
    "continues": b"HTTP/1.1 100 Continue\r\n",
}


@pytest.mark.parametrize("part", TRICKLES)
@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
def test_an_answer_that_trickles_is_given_up_as_a_whole(
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
def test_an_answer_that_is_no_http_is_broken(case: str) -> None:
    with Server(sending(GARBAGE[case])) as server:
        assert unreached(network(), server.url).kind == "broken"


def test_plain_text_in_place_of_tls_is_told() -> None:
    def serve(_: Server, connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with Server(serve) as server:
        found = unreached(network(), f"https://127.0.0.1:{server.port}")
    assert found.kind == "tls"


def test_a_connection_that_is_reset_is_told_as_cut() -> None:
    with Server(cutting) as server:
        found = unreached(network(), server.url)
    assert (found.kind, found.text) == ("broken", "the connection was cut before an answer")


def test_no_more_than_the_beginning_of_a_huge_body_is_read() -> None:
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
def test_ipv6_is_asked_directly_and_through_a_proxy(authority: Authority, trusted: ssl.SSLContext) -> None:
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
def test_what_is_no_url_is_not_asked(url: str) -> None:
    assert unreached(network(), url).kind == "url"


# Longer than any name: nobody is asked for it.
NO_NAME = f"https://{'a.' * 200}b"


def test_a_name_that_can_be_none_has_no_address() -> None:
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
def test_name_servers_that_do_not_answer_are_not_waited_for_without_end(tmp_path: Path) -> None:
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
    assert (found.kind, found.text) == ("no-route", "no way to it (Address family not supported by protocol)")


@on_linux
def test_the_next_address_of_a_name_is_tried_when_one_refuses(tmp_path: Path) -> None:
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


# Proxies.


def test_https_goes_through_a_proxy_and_stays_unread(authority: Authority, trusted: ssl.SSLContext) -> None:
    with Server(answering(body=b"kept"), trusted) as server, Proxy() as proxy:
        answer = network(proxy.at(), certificates=authority.file).ask(f"{server.url}/secret", "GET")
    assert (answer.status, answer.body, answer.via) == (200, b"kept", proxy.at())
    [head] = proxy.heads
    assert head.startswith(f"CONNECT localhost:{server.port} HTTP/1.1\r\n")
    assert "secret" not in head
    assert "Proxy-Authorization" not in head + server.heads[0]


def test_http_goes_through_a_proxy_with_its_whole_url() -> None:
    with Server(answering()) as server, Proxy(pair=f"us%r:{PASSWORD}") as proxy:
        answer = network(proxy.at(f"us%25r:{PASSWORD}")).ask(f"{server.url}/x?y=z")
    assert answer.status == 200
    assert proxy.targets == [f"{server.url}/x?y=z"]


def test_name_and_password_reach_the_proxy_and_no_text(authority: Authority, trusted: ssl.SSLContext) -> None:
    with Server(answering(), trusted) as server, Proxy(pair=f"user:{PASSWORD}@/") as proxy:
        asked = network(proxy.at(f"user:{PASSWORD}%40%2F"), certificates=authority.file)
        answer = asked.ask(server.url)
    assert answer.status == 200
    assert answer.via == f"http://***@127.0.0.1:{proxy.port}"
    assert PASSWORD not in repr(answer) + repr(asked)
    assert "Authorization" not in server.heads[0]


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
def test_tls_is_spoken_to_an_https_proxy(authority: Authority, trusted: ssl.SSLContext, secure: bool) -> None:
    body = b"x" * 50_000
    with (
        Server(answering(body=body), trusted if secure else None) as server,
        Proxy(pair=f"user:{PASSWORD}", context=trusted) as proxy,
    ):
        asked = network(proxy.at(f"user:{PASSWORD}"), certificates=authority.file)
        answer = asked.ask(f"{server.url}/x", "GET")
        refused = unreached(network(proxy.at(), certificates=authority.file), server.url)
    assert (answer.status, answer.body) == (200, body)
    assert (answer.via, answer.tls) == (f"https://***@127.0.0.1:{proxy.port}", "TLSv1.3" if secure else "")
    assert proxy.targets[0] == (f"localhost:{server.port}" if secure else f"{server.url}/x")
    assert refused.kind == "proxy"
    assert PASSWORD not in repr(answer) + repr(asked) + "".join(server.heads)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def test_tls_within_tls_is_of_every_version(authority: Authority, version: ssl.TLSVersion) -> None:
    context = authority.context("localhost", "127.0.0.1")
    context.minimum_version = context.maximum_version = version
    with Server(answering(), context) as server, Proxy(context=context) as proxy:
        answer = network(proxy.at(), certificates=authority.file).ask(server.url)
    assert (answer.status, answer.tls) == (200, version.name.replace("_", "."))


def secure_proxies(authority: Authority) -> dict[str, tuple[Server, str, str]]:
    """Return proxies to which no TLS comes about: the server, the kind of the error, and words of it."""
    return {
        "of another name": (Proxy(context=authority.context("elsewhere.example")), "tls",
                            "the proxy's certificate is not accepted: .*127.0.0.1"),
        "self-signed": (Proxy(context=authority.context("127.0.0.1", by_itself=True)), "tls",
                        "the proxy's certificate is not accepted: self.signed"),
        "plain": (Server(sending(b"HTTP/1.1 400 Bad Request\r\n\r\n")), "timeout", "no answer within"),
        "no HTTP": (Server(answering_at_once), "tls", "no TLS with the proxy came about"),
        "silent": (Server(silent), "timeout", "no answer within"),
    }  # fmt: skip


def answering_at_once(_: Server, connection: socket.socket) -> None:
    connection.sendall(b"220 mail.example ESMTP\r\n")
    connection.recv(4096)


@pytest.mark.parametrize("case", ["of another name", "self-signed", "plain", "no HTTP", "silent"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_an_https_proxy_without_tls_is_told_as_that(authority: Authority, case: str, scheme: str) -> None:
    with contextlib.ExitStack() as stack:
        servers = {name: (stack.enter_context(server), *rest) for name, (server, *rest) in
                   secure_proxies(authority).items()}  # fmt: skip
        server, kind, words = servers[case]
        found = unreached(
            network(f"https://127.0.0.1:{server.port}", 0.5, certificates=authority.file), f"{scheme}://x.example"
        )
    assert found.kind == kind
    assert re.search(words, found.text), found.text


@pytest.mark.parametrize("part", [*TRICKLES, "handshake"])
def test_what_trickles_within_tls_within_tls_is_given_up_as_a_whole(
    authority: Authority, trusted: ssl.SSLContext, part: str
) -> None:
    serve = silent if part == "handshake" else trickling(TRICKLES[part])
    with Server(serve, None if part == "handshake" else trusted) as server, Proxy(context=trusted) as proxy:
        begin = time.monotonic()
        url = f"https://127.0.0.1:{server.port}"
        found = unreached(network(proxy.at(), 0.25, certificates=authority.file), url, method="GET")
        taken = time.monotonic() - begin
    assert found.kind == "timeout"
    assert taken < SOON


@pytest.mark.parametrize("serve", [cutting, sending(b"")], ids=["reset", "closed"])
def test_a_connection_that_is_cut_within_tls_within_tls_is_told(
    authority: Authority, trusted: ssl.SSLContext, serve: Serve
) -> None:
    with Server(serve, trusted) as server, Proxy(context=trusted) as proxy:
        found = unreached(network(proxy.at(), certificates=authority.file), server.url)
    assert found.kind == "broken"


def test_the_certificate_behind_an_https_proxy_is_verified_too(authority: Authority, trusted: ssl.SSLContext) -> None:
    with Server(answering(), authority.context("elsewhere.example")) as server, Proxy(context=trusted) as proxy:
        found = unreached(network(proxy.at(), certificates=authority.file), server.url)
    assert (found.kind, found.text.partition(":")[0]) == ("tls", "its certificate is not accepted")
    assert not server.heads


REFUSALS = {
    "wrong password": ("", f"user:other-{PASSWORD}", "(407 Proxy Authentication Required)"),
    "forbidden": ("403 Filtered", "", "(403 Filtered)"),
    "cannot reach it": ("503 Service Unavailable", "", "(503 Service Unavailable)"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_a_proxy_that_does_not_let_through_is_told_as_that(case: str) -> None:
    refusal, pair, words = REFUSALS[case]
    with Proxy(refusal, pair) as proxy:
        found = unreached(network(proxy.at(f"user:{PASSWORD}")), "https://ssm.eu-west-1.amazonaws.com")
    assert (found.kind, found.text) == ("proxy", f"the proxy does not let it through {words}")
    assert PASSWORD not in str(found) + repr(found)
    assert proxy.targets == ["ssm.eu-west-1.amazonaws.com:443"]


def test_what_the_proxy_denies_of_plain_http_is_no_answer_of_the_endpoint() -> None:
    with Server(answering()) as server, Proxy(pair=f"user:{PASSWORD}") as proxy:
        found = unreached(network(proxy.at()), server.url)
    assert found.kind == "proxy"
    assert not server.heads


def test_a_proxy_that_is_not_there_is_told_as_that(closed_port: int) -> None:
    found = unreached(network(f"http://user:{PASSWORD}@127.0.0.1:{closed_port}"), "https://localhost")
    assert (found.kind, found.text) == ("refused", "the proxy refuses connections")


@pytest.mark.parametrize("serve", [silent, trickling(b"HTTP/1.1 200 OK\r\nX: ")], ids=["silent", "trickling"])
def test_a_proxy_that_never_answers_costs_no_more_than_the_limit(serve: Serve) -> None:
    with Server(serve) as server:
        begin = time.monotonic()
        found = unreached(network(f"http://127.0.0.1:{server.port}", 0.25), "https://localhost")
        taken = time.monotonic() - begin
    assert found.kind == "timeout"
    assert taken < SOON


@pytest.mark.parametrize(
    ("variables", "url", "proxy"),
    [
        ({"https_proxy": "http://s:1", "http_proxy": "http://p:2"}, "https://x.example", "http://s:1"),
        ({"https_proxy": "http://s:1", "http_proxy": "http://p:2"}, "http://x.example", "http://p:2"),
        ({"https_proxy": "http://s:1"}, "http://x.example", ""),
        ({"http_proxy": "http://p:2"}, "https://x.example", ""),
        ({"HTTPS_PROXY": "http://s:1"}, "https://x.example", "http://s:1"),
        ({"ALL_PROXY": "http://a:3"}, "http://x.example", "http://a:3"),
        ({"https_proxy": "http://s:1", "no_proxy": "example"}, "https://x.example", ""),
        ({"https_proxy": "http://s:1", "NO_PROXY": "other, x.example"}, "https://x.example:444", ""),
        ({"https_proxy": "http://s:1", "no_proxy": "other.example"}, "https://x.example", "http://s:1"),
        ({"https_proxy": "http://s:1", "no_proxy": "*"}, "https://x.example", ""),
        ({}, "https://x.example", ""),
    ],
)
def test_the_proxy_of_a_url_is_that_of_its_variables(variables: dict[str, str], url: str, proxy: str) -> None:
    assert Network("", variables).proxy_of(url) == proxy
    assert Network("http://named:4", variables).proxy_of(url) == "http://named:4"


def test_no_proxy_is_really_asked_directly(authority: Authority, trusted: ssl.SSLContext) -> None:
    with Server(answering(), trusted) as server, Proxy() as proxy:
        through = network(https_proxy=proxy.at(), certificates=authority.file)
        around = network(https_proxy=proxy.at(), no_proxy="localhost", certificates=authority.file)
        assert around.ask(server.url).via == ""
        assert through.ask(server.url, direct=True).via == ""
        assert not proxy.heads
        assert through.ask(server.url).via == proxy.at()
        assert len(proxy.heads) == 1


@pytest.mark.parametrize(
    "proxy",
    [f"socks5://u:{PASSWORD}@h:1", f"http://u:{PASSWORD}@h:x", f"http://u:{PASSWORD}@:1", f"u:{PASSWORD}@h:99999",
     f"u:{PASSWORD}//x@h:x", f"ftp://u:{PASSWORD}@h", "http://[x", f"http://u:{PASSWORD}@[::1", f"u:{PASSWORD}@[x"],
)  # fmt: skip
def test_a_proxy_that_cannot_be_asked_is_refused_without_its_password(proxy: str) -> None:
    with pytest.raises(UsageError, match=r"the proxy .* cannot be used") as caught:
        network(proxy)
    assert PASSWORD not in str(caught.value)
    with pytest.raises(UsageError) as caught:
        network(all_proxy=proxy).ask("https://localhost")
    assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize(
    ("proxy", "told"),
    [("http://h:1", "http://h:1"), ("http://u:p@h:1", "http://***@h:1"), ("u:p@h:1", "***@h:1"), ("h:1", "h:1"),
     ("http://u:p@q//r@h:1", "http://***@h:1"), ("u:p//q@h:1", "***@h:1"), ("u:p://q@h", "***://***@h"),
     ("https://h/?token=t", "https://h/?***"), ("", "")],
)  # fmt: skip
def test_a_proxy_is_told_without_name_and_password(proxy: str, told: str) -> None:
    assert hidden(proxy) == told


@contextlib.contextmanager
def tinyproxy(folder: Path, *lines: str) -> Iterator[int]:
    """Run tinyproxy; gives its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = folder / "tinyproxy.conf"
    config.write_text("\n".join([f"Port {port}", "Listen 127.0.0.1", "Timeout 20", "MaxClients 20", *lines, ""]))
    process = subprocess.Popen(
        [shutil.which("tinyproxy") or "", "-d", "-c", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert process.poll() is None, "tinyproxy ended"
                assert time.monotonic() < deadline, "tinyproxy does not listen"
                time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(20)


@needs_tinyproxy
def test_tinyproxy_lets_through_whom_it_knows(authority: Authority, trusted: ssl.SSLContext, tmp_path: Path) -> None:
    with Server(answering(), trusted) as server, Server(answering()) as plain, Server(answering(), trusted) as barred:
        lines = (f"BasicAuth user {PASSWORD}", f"ConnectPort {server.port}")
        with tinyproxy(tmp_path, *lines) as port:
            known = network(f"http://user:{PASSWORD}@127.0.0.1:{port}", certificates=authority.file)
            answer = known.ask(server.url)
            assert (answer.status, answer.tls, answer.via) == (200, "TLSv1.3", f"http://***@127.0.0.1:{port}")
            assert known.ask(plain.url).status == 200
            assert "403" in unreached(known, barred.url).text
            # Of plain HTTP it answers a wrong password with 401, as the place itself could.
            for pair, url in (("", server.url), ("", plain.url), ("user:wrong@", server.url)):
                unknown = network(f"http://{pair}127.0.0.1:{port}", certificates=authority.file)
                assert unreached(unknown, url).kind == "proxy"
    assert (len(server.heads), len(plain.heads), len(barred.heads)) == (1, 1, 0)


# The checks.


@pytest.fixture
def machine(tmp_path: Path) -> AgentMachine:
    return AgentMachine(tmp_path)


def diagnosed(machine: AgentMachine, asked: Network | None, *only: str, **options: Any) -> Diagnosis:
    site = machine.site(asked, **options)
    site.machine = Present(machine.machine)
    return diagnose(site, only)


def configured(machine: AgentMachine, **endpoints: str) -> None:
    machine.config(**{section: {"Endpoint": url} for section, url in endpoints.items()})


SECTIONS = {
    "ssm": "Ssm", "ec2messages": "Mds", "ssmmessages": "Mgs", "s3": "S3", "kms": "Kms", "logs": "CloudWatchLogs",
}  # fmt: skip


@pytest.mark.parametrize("service", SECTIONS)
def test_an_endpoint_of_the_configuration_that_answers_passes(
    authority: Authority, trusted: ssl.SSLContext, machine: AgentMachine, service: str
) -> None:
    with Server(answering("404 Not Found"), trusted) as server:
        # Without a scheme, as agents take it too.
        configured(machine, **{SECTIONS[service]: f"localhost:{server.port}"})
        found = diagnosed(machine, network(certificates=authority.file), f"endpoint-{service}")[f"endpoint-{service}"]
    assert found.outcome == PASS
    assert f"{server.url} answers (HTTP 404, TLSv1.3, " in found.text
    assert len(server.heads) == 1


@contextlib.contextmanager
def unreachable(kind: str, authority: Authority, closed_port: int) -> Iterator[tuple[str, dict[str, str]]]:
    """Give a URL, and variables, with which an answer does not come for this kind of reason."""
    variables: dict[str, str] = {}
    with contextlib.ExitStack() as stack:
        if kind == "url":
            url = "https://ssm.eu-west-1.example:port"
        elif kind == "name":
            url = NO_NAME
        elif kind == "refused":
            url = f"http://127.0.0.1:{closed_port}"
        elif kind == "timeout":
            url = stack.enter_context(Server(silent)).url
        elif kind == "no-route":
            url = "https://255.255.255.255"
        elif kind == "tls":
            url = stack.enter_context(Server(answering(), authority.context("localhost", by_itself=True))).url
        elif kind == "broken":
            url = stack.enter_context(Server(sending(b"220 mail.example ESMTP\r\n"))).url
        else:
            assert kind == "proxy"
            proxy = stack.enter_context(Server(sending(b"HTTP/1.1 403 Filtered\r\n\r\n")))
            url = "https://ssm.eu-west-1.amazonaws.com"
            variables["https_proxy"] = f"http://user:{PASSWORD}@127.0.0.1:{proxy.port}"
        yield url, variables


REMEDIES = {
    "url": "agent's configuration", "name": "name servers", "refused": "firewall and proxy",
    "timeout": "port 443", "no-route": "default route", "tls": "certificates and clock", "proxy": "name and password",
    "broken": "firewall, proxy and endpoint",
}  # fmt: skip


@pytest.mark.parametrize("kind", REMEDIES)
def test_an_endpoint_that_is_not_reached_fails_or_warns_with_a_remedy_for_its_reason(
    authority: Authority, machine: AgentMachine, closed_port: int, kind: str
) -> None:
    with unreachable(kind, authority, closed_port) as (url, variables):
        configured(machine, Ssm=url, Kms=url)
        found = diagnosed(machine, network(seconds=0.5, **variables), "endpoint-ssm", "endpoint-kms")
    ssm, kms = found["endpoint-ssm"], found["endpoint-kms"]
    assert (ssm.outcome, kms.outcome) == (FAIL, WARN)
    assert ssm.text.startswith(f"{url} cannot be reached: ")
    # A URL is not written as a sentence begins.
    assert found.conclusion.text.startswith(ssm.text)
    for one in (ssm, kms):
        assert f"kind: {kind}" in one.evidence
        assert REMEDIES[kind] in one.remedy
    assert "needed for encrypted sessions only" in kms.evidence
    assert PASSWORD not in repr(found)
    assert found.conclusion.state != "healthy"


@pytest.mark.parametrize("service", ["kms", "logs", "monitoring", "s3"])
def test_endpoints_that_some_work_needs_only_warn(machine: AgentMachine, service: str) -> None:
    with Proxy("403 Filtered") as proxy:
        name = f"endpoint-{service}"
        found = diagnosed(machine, network(proxy.at()), name)
    assert found[name].outcome == WARN
    assert not found.failed
    assert proxy.targets == [f"{service}.{REGION}.amazonaws.com:443"]


def test_the_proxy_of_the_agents_service_is_the_one_that_is_used(
    authority: Authority, trusted: ssl.SSLContext, machine: AgentMachine
) -> None:
    pair = f"user:{PASSWORD}"
    with Server(answering(), trusted) as server, Proxy(pair=pair, to=server.port) as proxy, Proxy() as of_shell:
        machine.unit(
            Environment=f'https_proxy={proxy.at(f"user:{PASSWORD}")} "no_proxy=169.254.169.254, elsewhere.example"'
        )
        asked = network(HTTPS_PROXY=of_shell.at(), no_proxy="*", certificates=authority.file)
        found = diagnosed(machine, asked, "endpoint-ssm", "proxy")
    assert found["endpoint-ssm"].outcome == PASS
    assert f"through http://***@127.0.0.1:{proxy.port}" in found["endpoint-ssm"].text
    assert proxy.targets == [f"ssm.{REGION}.amazonaws.com:443"]
    assert not of_shell.heads
    assert found["proxy"].outcome == PASS
    assert "no_proxy=169.254.169.254, elsewhere.example" in found["proxy"].evidence
    assert PASSWORD not in repr(found)


@pytest.mark.parametrize("more", ["", " no_proxy=localhost"], ids=["", "no_proxy"])
def test_the_agents_service_asks_this_machine_itself_without_its_proxy(
    authority: Authority, trusted: ssl.SSLContext, machine: AgentMachine, closed_port: int, more: str
) -> None:
    with Server(answering(), trusted) as server:
        configured(machine, Ssm=server.url)
        machine.unit(Environment=f"https_proxy=http://127.0.0.1:{closed_port}{more}")
        found = diagnosed(machine, network(certificates=authority.file), "endpoint-ssm")["endpoint-ssm"]
    assert found.outcome == PASS
    assert "through" not in found.text


def test_a_proxy_of_the_agents_service_that_refuses_fails_and_keeps_the_password(machine: AgentMachine) -> None:
    with Proxy("407 Proxy Authentication Required") as proxy:
        machine.unit(Environment=f"HTTPS_PROXY={proxy.at(f'user:{PASSWORD}')}")
        found = diagnosed(machine, network(), "endpoint-ssm")
    assert found["endpoint-ssm"].outcome == FAIL
    assert f"through the proxy http://***@127.0.0.1:{proxy.port}" in found["endpoint-ssm"].evidence
    assert PASSWORD not in repr(found)


def test_an_https_proxy_of_the_agents_service_passes(
    authority: Authority, trusted: ssl.SSLContext, machine: AgentMachine
) -> None:
    pair = f"user:{PASSWORD}"
    with Server(answering(), trusted) as server, Proxy(pair=pair, to=server.port, context=trusted) as proxy:
        machine.unit(Environment=f"https_proxy={proxy.at(pair)}")
        found = diagnosed(machine, network(certificates=authority.file), "endpoint-ssm")["endpoint-ssm"]
    assert found.outcome == PASS
    assert f"through https://***@127.0.0.1:{proxy.port}" in found.text


@pytest.mark.parametrize("host", [".", ".x.example", "a..example", "a.example..", "a" * 64, f"x.{'b' * 64}.example"])
@pytest.mark.parametrize("scheme", ["https", "http"])
@pytest.mark.parametrize("through", ["", "http", "https"])
def test_a_name_that_is_none_is_the_urls_fault(trusted: ssl.SSLContext, through: str, scheme: str, host: str) -> None:
    with Proxy(context=trusted if through == "https" else None) as proxy:
        found = unreached(network(proxy.at() if through else ""), f"{scheme}://{host}/")
        assert not proxy.heads
    assert (found.kind, "63 characters" in found.text) == ("url", True), found.text


@pytest.mark.parametrize("domain", [".example", "x..example", "x" * 64])
def test_a_service_domain_of_which_no_name_can_be_made_is_told(machine: AgentMachine, domain: str) -> None:
    machine.config(Agent={"ServiceDomain": domain})
    finding = diagnosed(machine, network(), "endpoint-ssm")["endpoint-ssm"]
    assert (finding.outcome, finding.remedy) == (FAIL, "Correct the endpoint in the agent's configuration")


@pytest.mark.parametrize("scheme", ["ftp", "socks4", "gopher"])
def test_a_proxy_of_the_agents_service_of_an_unknown_kind_fails(machine: AgentMachine, scheme: str) -> None:
    machine.unit(Environment=f"https_proxy={scheme}://user:{PASSWORD}@127.0.0.1:1")
    found = diagnosed(machine, network(), "endpoint-ssm")
    assert found["endpoint-ssm"].outcome == FAIL
    assert "kind: proxy" in found["endpoint-ssm"].evidence
    assert PASSWORD not in repr(found)


@pytest.mark.parametrize("scheme", ["socks5", "socks5h", "SOCKS5"])
def test_a_proxy_that_the_agent_speaks_to_and_we_do_not_is_unknown(machine: AgentMachine, scheme: str) -> None:
    machine.unit(Environment=f"https_proxy={scheme}://user:{PASSWORD}@127.0.0.1:1")
    found = diagnosed(machine, network(), *(name for name in NETWORK_CHECKS if name != "clock"))
    for result in found.results:
        assert (result.finding.outcome, result.finding.undetermined) == (SKIPPED, True), result.name
        assert "does not speak SOCKS 5" in result.finding.text
    assert PASSWORD not in repr(found)


@pytest.mark.parametrize(
    "proxy",
    ["http://h:1", "https://h:1", "h:1", "h", "//h:1", "http://u:p@h:1", "https://u:p@h", "u:p@h", "http://[::1]:1",
     "socks5://h:1", "ftp://h", "http://h:x", "http://", "http://h:1/path", "http://h:1?q", "http://h:1#f", "h ost:1",
     "http://h\u00f6st", "http://h:0", "http://[::1", "u:p//q@h:x", "u%3Av:p%40@h:8", "http://u@h:1", "http://@h:1"],
)  # fmt: skip
def test_client_and_diagnosis_read_a_proxy_alike(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    from fingerprint.registration.routes import proxy_of

    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    try:
        of_client = proxy_of("https://x.example", {"https": proxy}, {})
    except UsageError:
        with pytest.raises(UsageError):
            network(proxy)
        with pytest.raises(UsageError):
            network(https_proxy=proxy).ask("https://localhost")
    else:
        assert of_client is not None
        network(proxy)


@pytest.mark.parametrize(
    ("told", "proxies"),
    [
        ("", {}),
        ("LANG=C https_proxy=http://p:1", {"https_proxy": "http://p:1"}),
        ('"https_proxy=http://p:1" "no_proxy=a, b"', {"https_proxy": "http://p:1", "no_proxy": "a, b"}),
        ("HTTP_PROXY=http://p:1 NO_PROXY=a", {"HTTP_PROXY": "http://p:1", "NO_PROXY": "a"}),
        ("https_proxy=http://p:1 X=it's", {"https_proxy": "http://p:1"}),
    ],
)
def test_proxies_are_read_as_systemd_writes_them(machine: AgentMachine, told: str, proxies: dict[str, str]) -> None:
    machine.unit(Environment=told)
    assert agent_proxies(machine.site()) == proxies


def test_a_proxy_of_the_shell_only_warns(machine: AgentMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert diagnosed(machine, network(), "proxy")["proxy"].outcome == PASS
    monkeypatch.setenv("https_proxy", f"http://user:{PASSWORD}@p:1")
    found = diagnosed(machine, network(), "proxy")["proxy"]
    assert found.outcome == WARN
    assert "this shell has a proxy (https_proxy), and the agent's service has none" in found.text
    assert PASSWORD not in repr(found)


CLOCKS = {
    "right": (0, PASS, "the clock is right within "),
    "2 minutes behind": (120, WARN, "s behind"),
    "2 minutes ahead": (-120, WARN, "s ahead"),
    "10 minutes behind": (600, FAIL, "refuses signatures"),
    "10 minutes ahead": (-600, FAIL, "refuses signatures"),
}


@pytest.mark.parametrize("case", CLOCKS)
def test_the_clock_is_judged_by_what_signatures_allow(machine: AgentMachine, case: str) -> None:
    off, outcome, words = CLOCKS[case]
    with Server(answering("400 Bad Request", Date=formatdate(time.time() + off, usegmt=True))) as server:
        configured(machine, Ssm=server.url)
        found = diagnosed(machine, network(), "clock")
    assert found["clock"].outcome == outcome
    assert words in found["clock"].text
    assert f"by the Date of {server.url}" in found["clock"].evidence
    assert bool(found["clock"].remedy) == (outcome != PASS)


def test_the_clock_is_taken_from_the_next_endpoint_where_one_has_no_date(
    machine: AgentMachine, closed_port: int
) -> None:
    right = answering(Date=formatdate(time.time() + 600, usegmt=True))
    with Server(answering(Date="")) as without, Server(right) as server:
        configured(machine, Ssm=f"http://127.0.0.1:{closed_port}", Mds=without.url, Mgs=server.url)
        found = diagnosed(machine, network(), "clock")["clock"]
    assert (found.outcome, found.evidence) == (FAIL, (f"by the Date of {server.url}",))
    assert len(without.heads) == 1


def test_a_clock_that_nothing_tells_is_not_judged(machine: AgentMachine, closed_port: int) -> None:
    with Server(answering(Date="")) as server:
        configured(machine, Ssm=server.url)
        found = diagnosed(machine, network(https_proxy=f"http://127.0.0.1:{closed_port}"), "clock")["clock"]
    assert (found.outcome, found.text) == (SKIPPED, "no endpoint answered with a date")


def test_an_endpoint_is_asked_once_for_all_checks(machine: AgentMachine) -> None:
    with Server(answering()) as server:
        configured(machine, Ssm=server.url)
        found = diagnosed(machine, network(), "endpoint-ssm", "clock")
    assert [result.finding.outcome for result in found.results] == [PASS, PASS]
    assert len(server.heads) == 1


# The metadata service.


def metadata_service(
    token: str = "200 OK", text: bytes = b"AQAEAtoken==", identity: str = "200 OK", name: bytes = b"i-0123456789abcdef0"
) -> Serve:
    def serve(server: Server, connection: socket.socket) -> None:
        head = server.head(connection)
        if head.startswith("PUT /latest/api/token "):
            assert "\r\nX-aws-ec2-metadata-token-ttl-seconds: 60\r\n" in head
            status, body = token, text
        else:
            status, body = identity, name
        connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)

    return serve


SERVICES_OF_METADATA = {
    "version 2": (metadata_service(), PASS, "(version 2)"),
    "no tokens, 403": (metadata_service("403 Forbidden", b""), PASS, "(version 1 only)"),
    "no tokens, 404": (metadata_service("404 Not Found", b"<html>"), PASS, "(version 1 only)"),
    "a page in place of a token": (metadata_service(text=b"<html>\r\nX: y\r\n"), PASS, "(version 1 only)"),
    "an id of before": (metadata_service(name=b"i-0123abcd\n"), PASS, "(version 2)"),
    "switched off": (metadata_service("403 Forbidden", b"", "403 Forbidden"), FAIL, "does not identify the instance"),
    "something else": (sending(b"SSH-2.0-x\r\n"), FAIL, "no metadata service at"),
    **{
        f"a page in place of the instance, {name[:8]!r}": (
            metadata_service("404 Not Found", b"", name=name), FAIL, "(something else answers in its place)",
        )
        for name in (b"", b"<html>Log in", b"\xff\xfe", b"i-0123456789abcdef0<br>", b"token", b"x" * 100_000)
    },
}  # fmt: skip


@pytest.mark.parametrize("case", SERVICES_OF_METADATA)
def test_a_node_that_is_not_registered_needs_the_metadata_service(
    machine: AgentMachine, monkeypatch: pytest.MonkeyPatch, closed_port: int, case: str
) -> None:
    serve, outcome, words = SERVICES_OF_METADATA[case]
    machine.registration = None
    # The metadata service is never behind a proxy.
    asked = network(http_proxy=f"http://127.0.0.1:{closed_port}")
    with Server(serve) as server:
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.url + "/")
        found = diagnosed(machine, asked, "imds")["imds"]
    assert found.outcome == outcome
    assert words in found.text
    assert bool(found.remedy) == (outcome == FAIL)
    tokens = ["X-aws-ec2-metadata-token: " in head for head in server.heads]
    assert tokens == ([False, "(version 2)" in words] if case != "something else" else [False])


def test_a_node_without_registration_and_metadata_service_fails(
    machine: AgentMachine, monkeypatch: pytest.MonkeyPatch, closed_port: int
) -> None:
    machine.registration = None
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", f"http://127.0.0.1:{closed_port}")
    found = diagnosed(machine, network(), "imds")["imds"]
    assert (found.outcome, found.remedy) == (FAIL, "Register it with an activation")


@pytest.mark.parametrize("url", ["http://[", "http://[::1", "http://h:99999", "ftp://h", "169.254.169.254", "http://"])
@pytest.mark.parametrize("where", ["shell", "service"])
@pytest.mark.parametrize("provider", ["", "EC2"])
def test_a_metadata_service_whose_name_is_no_url_is_told_as_that(
    machine: AgentMachine, monkeypatch: pytest.MonkeyPatch, provider: str, where: str, url: str
) -> None:
    variable = "AWS_EC2_METADATA_SERVICE_ENDPOINT"
    machine.registration = machine.registration.replace(provider=provider) if provider else None  # type: ignore
    machine.log("amazon-ssm-agent.log", "")
    if where == "shell":
        monkeypatch.setenv(variable, url)
    machine.unit(Environment="http_proxy=http://127.0.0.1:1" + (f" {variable}={url}" if where == "service" else ""))
    name = "health" if provider else "imds"
    found = diagnosed(machine, network(), "proxy", name)
    assert found["proxy"].outcome == PASS
    assert found[name].outcome == FAIL
    assert "no URL that can be asked" in found[name].text
    assert found[name].remedy.startswith(f"Correct {variable}, in the agent's service or here")


def test_a_registered_node_does_not_ask_the_metadata_service(
    machine: AgentMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Server(metadata_service()) as server:
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.url)
        found = diagnosed(machine, network(), "imds")["imds"]
    assert (found.outcome, found.text) == (SKIPPED, "the node is registered, and does not ask it")
    assert not server.heads


# Buckets.


def buckets_of(statuses: dict[str, str]) -> Serve:
    """Answer as S3 does, with a status for the names that contain a word."""

    def serve(server: Server, connection: socket.socket) -> None:
        target = server.head(connection).split(" ")[1]
        status = next((status for word, status in statuses.items() if word in target), "200 OK")
        connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())

    return serve


NEEDED = [bucket.name for bucket in buckets(REGION, "linux") if not bucket.older]


def test_buckets_that_answer_pass_also_where_reading_is_forbidden(machine: AgentMachine) -> None:
    with Server(buckets_of({"aws-ssm-": "403 Forbidden"})) as server:
        configured(machine, S3=server.url)
        found = diagnosed(machine, network(), "s3-buckets")["s3-buckets"]
    assert (found.outcome, found.text) == (PASS, f"all {len(NEEDED)} buckets of {REGION} answer")
    assert sorted(server.targets) == sorted(f"/{name}/" for name in NEEDED)
    assert sum("reached (HTTP 403" in one for one in found.evidence) == 1
    assert all(head.startswith("HEAD ") for head in server.heads)


def test_a_bucket_that_is_not_there_warns_and_is_named(machine: AgentMachine) -> None:
    with Server(buckets_of({"patch-baseline": "404 Not Found"})) as server:
        configured(machine, S3=server.url)
        found = diagnosed(machine, network(), "s3-buckets")["s3-buckets"]
    assert (found.outcome, found.text) == (WARN, f"1 of {len(NEEDED)} buckets of {REGION} cannot be reached")
    assert f"patch-baseline-snapshot-{REGION}: there is no such bucket (404)" in found.evidence
    assert found.command == f"fingerprint s3-policy --region {REGION}"


@pytest.mark.parametrize("region", ["eusc-de-east-1", "mx-central-1", "cn-north-1"])
@pytest.mark.parametrize(
    ("statuses", "outcome"), [({}, PASS), ({"patch": "404 Not Found"}, SKIPPED), ({"amazon-ssm-": "cut"}, WARN)]
)
def test_buckets_that_aws_does_not_list_are_not_blamed_on_a_firewall_for_being_none(
    machine: AgentMachine, region: str, statuses: dict[str, str], outcome: Outcome
) -> None:
    def serve(server: Server, connection: socket.socket) -> None:
        if "cut" in statuses.values():
            cutting(server, connection)
        else:
            buckets_of(statuses)(server, connection)

    with Server(serve) as server:
        configured(machine, S3=server.url)
        found = diagnosed(machine, network(), "s3-buckets", region=region)["s3-buckets"]
    assert (found.outcome, found.undetermined) == (outcome, outcome == SKIPPED)
    assert "not verified" in " ".join((found.text, *found.evidence))


def test_buckets_that_cannot_be_reached_warn_with_the_reason(machine: AgentMachine, closed_port: int) -> None:
    configured(machine, S3=f"http://127.0.0.1:{closed_port}")
    found = diagnosed(machine, network(), "s3-buckets")["s3-buckets"]
    assert found.outcome == WARN
    assert [one.partition(": ")[2] for one in found.evidence] == ["the connection is refused"] * len(NEEDED)
    assert "endpoint policy and the firewall" in found.remedy


def test_the_buckets_are_those_of_the_region_that_is_named(machine: AgentMachine) -> None:
    with Server(buckets_of({})) as server:
        configured(machine, S3=server.url)
        found = diagnosed(machine, network(), "s3-buckets", region="me-south-1")["s3-buckets"]
    assert found.outcome == PASS
    assert "/patch-baseline-snapshot-me-south-1-uduvl7q8/" in server.targets


def test_many_places_are_reached_at_once_and_told_in_order() -> None:
    together = threading.Barrier(4)

    def serve(server: Server, connection: socket.socket) -> None:
        server.head(connection)
        # Broken, and so no answer, unless four are here at the same time.
        together.wait(10)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")

    names = ["a", "b", "c", "d"]
    with Server(serve) as server:
        found = reach_buckets(network(seconds=12), server.url + "/", names)
    assert [(name, reached) for name, reached, _ in found] == [(name, True) for name in names]


# Without and with --network.


def test_without_a_network_nothing_is_asked(machine: AgentMachine) -> None:
    machine.registration = None
    with Server(answering()) as server:
        configured(machine, **dict.fromkeys(SECTIONS.values(), server.url))
        found = diagnosed(machine, None, "imds", *NETWORK_CHECKS)
    assert {result.finding.text for result in found.results} == {NOT_ASKED}
    assert not server.heads


def test_of_another_machine_nothing_is_asked(machine: AgentMachine) -> None:
    with Server(answering()) as server:
        configured(machine, **dict.fromkeys(SECTIONS.values(), server.url))
        found = machine.diagnosis(*NETWORK_CHECKS, network=network())
    assert {result.finding.text for result in found.results} == {OF_ANOTHER}
    assert not server.heads


def traced(folder: Path, *words: str, env: dict[str, str]) -> list[str]:
    """Run a command under strace, and return its calls that make or connect sockets of the internet."""
    trace = folder / "trace"
    done = subprocess.run(
        ["strace", "-f", "-s", "200", "-e", "trace=socket,connect,sendto,sendmsg", "-o", str(trace), COMMAND, *words],
        capture_output=True, text=True, timeout=60, env=env, check=False,
    )  # fmt: skip
    text = trace.read_text() if trace.exists() else ""
    if "exited with" not in text:
        pytest.skip(f"strace cannot trace here: {done.stderr.strip()[-200:]}")
    assert done.returncode in (0, 1, 3), done.stderr
    return [line for line in text.splitlines() if "AF_INET" in line]


@on_linux
@needs_strace
def test_without_the_option_no_connection_is_made(machine: AgentMachine, tmp_path: Path) -> None:
    machine.write()
    words = ("--vault", str(machine.vault_path), "diagnose", "--region", REGION)
    calls = traced(tmp_path, *words, env=machine.env)
    # A datagram socket that asks the kernel for the outgoing address sends nothing.
    assert [call for call in calls if "SOCK_STREAM" in call] == []
    assert [call for call in calls if "connect(" in call and "203.0.113.1" not in call] == []
    assert [call for call in calls if "send" in call] == []
    with Proxy("403 Filtered") as proxy:
        more = ("--only", "endpoint-ssm", "--network", "--proxy", proxy.at())
        calls = traced(tmp_path, *words, *more, env=machine.env)
        assert [call for call in calls if f"htons({proxy.port})" in call]


def diagnosed_by_command(machine: AgentMachine, proxy: Proxy, **more: str) -> tuple[int, dict[str, Any]]:
    machine.write()
    done = run(
        "--vault", str(machine.vault_path), "diagnose", "--network", "--region", REGION, "--proxy",
        proxy.at(f"user:{PASSWORD}"), "--output", "json", env={**environment(machine.folder / "state"), **more},
    )  # fmt: skip
    assert PASSWORD not in done.stdout + done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    schema = json.loads((resources.files("fingerprint") / "schemas" / "diagnose.json").read_text())
    Draft202012Validator(schema).validate(answer)
    return done.returncode, {check["name"]: check for check in answer["checks"]}


ENDPOINTS = {"s3.amazonaws.com:443", *(f"{service}.{REGION}.amazonaws.com:443" for service in SERVICES)}
needs_no_agent = pytest.mark.skipif(
    os.path.exists("/etc/amazon/ssm/amazon-ssm-agent.json"), reason="an agent with its own endpoints is installed here"
)


@needs_no_agent
def test_the_command_asks_every_endpoint_and_tells_what_the_proxy_keeps_from_it(machine: AgentMachine) -> None:
    with Proxy("403 Filtered") as proxy:
        code, checks = diagnosed_by_command(machine, proxy)
    assert code == 1
    assert set(proxy.targets) == ENDPOINTS
    # Each endpoint once, but for S3: its buckets, too, and the two versions that are published.
    assert len(proxy.targets) == len(SERVICES) + len(NEEDED) + 2
    for service in ("ssm", "ec2messages", "ssmmessages"):
        assert checks[f"endpoint-{service}"]["outcome"] == "fail"
        assert "kind: proxy" in checks[f"endpoint-{service}"]["evidence"]
    assert checks["s3-buckets"]["outcome"] == "warn"
    assert (checks["clock"]["outcome"], checks["imds"]["outcome"]) == ("skipped", "skipped")
    assert list(checks) == [check.name for check in CHECKS if check.platform in ("", "linux")]


@needs_no_agent
def test_the_command_passes_where_everything_answers(
    machine: AgentMachine, authority: Authority, trusted: ssl.SSLContext
) -> None:
    with Server(answering("403 Forbidden"), trusted) as server, Proxy(to=server.port) as proxy:
        _, checks = diagnosed_by_command(machine, proxy, SSL_CERT_FILE=authority.file)
    # A refusal says that the way is open, and not which version is published.
    assert {name: checks[name]["outcome"] for name in NETWORK_CHECKS} == {
        **dict.fromkeys(NETWORK_CHECKS, "pass"), "published": "warn",
    }  # fmt: skip
    assert set(proxy.targets) == ENDPOINTS
    assert sorted(head.split(" ")[1] for head in server.heads if head.startswith("HEAD")) == sorted(
        f"/{name}/" for name in NEEDED
    )
    assert {line for head in server.heads for line in head.splitlines() if line.startswith("Host: ")} == {
        # The certificate is not one for the address of all regions.
        f"Host: {place.removesuffix(':443')}"
        for place in ENDPOINTS
        if place != "s3.amazonaws.com:443"
    }


@needs_no_agent
def test_the_command_tells_whoever_speaks_tls_in_the_place_of_the_service(
    machine: AgentMachine, trusted: ssl.SSLContext
) -> None:
    with Server(answering(), trusted) as server, Proxy(to=server.port) as proxy:
        code, checks = diagnosed_by_command(machine, proxy)
    assert code == 1
    assert "kind: tls" in checks["endpoint-ssm"]["evidence"]
    assert "Look at certificates and clock" in checks["endpoint-ssm"]["remedy"]
    assert not server.heads
