"""The check of the metadata service, with a real server in its place."""

from __future__ import annotations

import socket

import pytest

from agent_machines import AgentMachine
from fingerprint.diagnose import Outcome
from network_checks import diagnosed, network
from servers import Serve, Server, sending

PASS, FAIL, SKIPPED = Outcome.PASS, Outcome.FAIL, Outcome.SKIPPED


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
def test_an_unregistered_node_needs_the_metadata_service(
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


def test_no_registration_and_no_metadata_service_fails(
    machine: AgentMachine, monkeypatch: pytest.MonkeyPatch, closed_port: int
) -> None:
    machine.registration = None
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", f"http://127.0.0.1:{closed_port}")
    found = diagnosed(machine, network(), "imds")["imds"]
    assert (found.outcome, found.remedy) == (FAIL, "Register it with an activation")


@pytest.mark.parametrize("url", ["http://[", "http://[::1", "http://h:99999", "ftp://h", "169.254.169.254", "http://"])
@pytest.mark.parametrize("where", ["shell", "service"])
@pytest.mark.parametrize("provider", ["", "EC2"])
def test_an_invalid_url_of_the_metadata_service_fails(
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
    assert "not a valid http or https URL" in found[name].text
    assert found[name].remedy.startswith(f"Correct {variable} in the agent's service or in this shell")


def test_a_registered_node_does_not_ask_the_metadata_service(
    machine: AgentMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Server(metadata_service()) as server:
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.url)
        found = diagnosed(machine, network(), "imds")["imds"]
    assert (found.outcome, found.text) == (SKIPPED, "the node is registered and does not need it")
    assert not server.heads
