"""Exchanges through real proxies on loopback, and which proxy is used."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fingerprint._io.text import hidden
from fingerprint.diagnose import Network
from fingerprint.errors import UsageError
from network_checks import PASSWORD, SOON, TRICKLES, network, unreached
from servers import Authority, Proxy, Serve, Server, answering, cutting, sending, silent, trickling

needs_tinyproxy = pytest.mark.skipif(not shutil.which("tinyproxy"), reason="tinyproxy is not installed")


def test_https_goes_through_a_proxy_and_stays_unread(authority: Authority, trusted: ssl.SSLContext) -> None:
    with Server(answering(body=b"kept"), trusted) as server, Proxy() as proxy:
        answer = network(proxy.at(), certificates=authority.file).ask(f"{server.url}/secret", "GET")
    assert (answer.status, answer.body, answer.via) == (200, b"kept", proxy.at())
    [head] = proxy.heads
    assert head.startswith(f"CONNECT localhost:{server.port} HTTP/1.1\r\n")
    assert "secret" not in head
    assert "Proxy-Authorization" not in head + server.heads[0]


def test_http_goes_through_a_proxy_with_its_complete_url() -> None:
    with Server(answering()) as server, Proxy(pair=f"us%r:{PASSWORD}") as proxy:
        answer = network(proxy.at(f"us%25r:{PASSWORD}")).ask(f"{server.url}/x?y=z")
    assert answer.status == 200
    assert proxy.targets == [f"{server.url}/x?y=z"]


def test_name_and_password_reach_the_proxy_but_no_output(authority: Authority, trusted: ssl.SSLContext) -> None:
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
    """Return proxies with which the TLS handshake fails: the server, the kind of the error, and words of it."""
    return {
        "of another name": (Proxy(context=authority.context("elsewhere.example")), "tls",
                            "the proxy's certificate is not accepted: .*127.0.0.1"),
        "self-signed": (Proxy(context=authority.context("127.0.0.1", by_itself=True)), "tls",
                        "the proxy's certificate is not accepted: self.signed"),
        "plain": (Server(sending(b"HTTP/1.1 400 Bad Request\r\n\r\n")), "timeout", "no answer within"),
        "no HTTP": (Server(answering_at_once), "tls", "TLS handshake with the proxy failed"),
        "silent": (Server(silent), "timeout", "no answer within"),
    }  # fmt: skip


def answering_at_once(_: Server, connection: socket.socket) -> None:
    connection.sendall(b"220 mail.example ESMTP\r\n")
    connection.recv(4096)


@pytest.mark.parametrize("case", ["of another name", "self-signed", "plain", "no HTTP", "silent"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_an_https_proxy_without_tls_is_reported(authority: Authority, case: str, scheme: str) -> None:
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
def test_trickling_within_tls_within_tls_ends_at_the_limit(
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
def test_a_reset_within_tls_within_tls_is_reported(authority: Authority, trusted: ssl.SSLContext, serve: Serve) -> None:
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
def test_a_denying_proxy_is_reported(case: str) -> None:
    refusal, pair, words = REFUSALS[case]
    with Proxy(refusal, pair) as proxy:
        found = unreached(network(proxy.at(f"user:{PASSWORD}")), "https://ssm.eu-west-1.amazonaws.com")
    assert (found.kind, found.text) == ("proxy", f"the proxy denies the request {words}")
    assert PASSWORD not in str(found) + repr(found)
    assert proxy.targets == ["ssm.eu-west-1.amazonaws.com:443"]


def test_a_proxys_denial_of_http_is_no_answer_of_the_endpoint() -> None:
    with Server(answering()) as server, Proxy(pair=f"user:{PASSWORD}") as proxy:
        found = unreached(network(proxy.at()), server.url)
    assert found.kind == "proxy"
    assert not server.heads


def test_a_missing_proxy_is_reported(closed_port: int) -> None:
    found = unreached(network(f"http://user:{PASSWORD}@127.0.0.1:{closed_port}"), "https://localhost")
    assert (found.kind, found.text) == ("refused", "the proxy refuses connections")


@pytest.mark.parametrize("serve", [silent, trickling(b"HTTP/1.1 200 OK\r\nX: ")], ids=["silent", "trickling"])
def test_a_silent_proxy_takes_no_longer_than_the_limit(serve: Serve) -> None:
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


def test_no_proxy_connects_directly(authority: Authority, trusted: ssl.SSLContext) -> None:
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
def test_an_unusable_proxy_is_rejected_without_its_password(proxy: str) -> None:
    with pytest.raises(UsageError, match=r"the proxy .* cannot be used") as caught:
        network(proxy)
    assert PASSWORD not in str(caught.value)
    with pytest.raises(UsageError) as caught:
        network(all_proxy=proxy).ask("https://localhost")
    assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize(
    ("proxy", "shown"),
    [("http://h:1", "http://h:1"), ("http://u:p@h:1", "http://***@h:1"), ("u:p@h:1", "***@h:1"), ("h:1", "h:1"),
     ("http://u:p@q//r@h:1", "http://***@h:1"), ("u:p//q@h:1", "***@h:1"), ("u:p://q@h", "***://***@h"),
     ("https://h/?token=t", "https://h/?***"), ("", "")],
)  # fmt: skip
def test_a_proxy_is_shown_without_name_and_password(proxy: str, shown: str) -> None:
    assert hidden(proxy) == shown


@contextlib.contextmanager
def tinyproxy(directory: Path, *lines: str) -> Iterator[int]:
    """Run tinyproxy; gives its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = directory / "tinyproxy.conf"
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
def test_tinyproxy_accepts_known_users(authority: Authority, trusted: ssl.SSLContext, tmp_path: Path) -> None:
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
