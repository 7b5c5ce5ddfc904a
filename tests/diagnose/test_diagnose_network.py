"""The checks that ask endpoints, and `diagnose --network`: real servers, proxies and processes on loopback."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from email.utils import formatdate
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from agent_machines import REGION, AgentMachine
from commandline import COMMAND, environment, run
from fingerprint.diagnose import CHECKS, Outcome
from fingerprint.diagnose.checks.endpoints import SERVICES
from fingerprint.diagnose.reachability import NOT_ASKED, OF_ANOTHER, agent_proxies
from network_checks import NEEDED, NO_NAME, PASSWORD, configured, diagnosed, network
from servers import Authority, Proxy, Server, answering, sending, silent

PASS, WARN, FAIL, SKIPPED = Outcome.PASS, Outcome.WARN, Outcome.FAIL, Outcome.SKIPPED
NETWORK_CHECKS = ("published", *(f"endpoint-{service}" for service in SERVICES), "clock", "s3-buckets")
needs_strace = pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="as Linux does it")
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
def test_an_unreachable_endpoint_has_a_remedy_for_its_reason(
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


def test_the_proxy_of_the_agents_service_is_used(
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
def test_the_agents_service_uses_no_proxy_for_this_host(
    authority: Authority, trusted: ssl.SSLContext, machine: AgentMachine, closed_port: int, more: str
) -> None:
    with Server(answering(), trusted) as server:
        configured(machine, Ssm=server.url)
        machine.unit(Environment=f"https_proxy=http://127.0.0.1:{closed_port}{more}")
        found = diagnosed(machine, network(certificates=authority.file), "endpoint-ssm")["endpoint-ssm"]
    assert found.outcome == PASS
    assert "through" not in found.text


def test_a_denying_service_proxy_fails_and_hides_the_password(machine: AgentMachine) -> None:
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


@pytest.mark.parametrize("domain", [".example", "x..example", "x" * 64])
def test_an_invalid_service_domain_fails(machine: AgentMachine, domain: str) -> None:
    machine.config(Agent={"ServiceDomain": domain})
    finding = diagnosed(machine, network(), "endpoint-ssm")["endpoint-ssm"]
    assert (finding.outcome, finding.remedy) == (FAIL, "Correct the endpoint in the agent's configuration")


@pytest.mark.parametrize("scheme", ["ftp", "socks4", "gopher"])
def test_a_service_proxy_of_unknown_scheme_fails(machine: AgentMachine, scheme: str) -> None:
    machine.unit(Environment=f"https_proxy={scheme}://user:{PASSWORD}@127.0.0.1:1")
    found = diagnosed(machine, network(), "endpoint-ssm")
    assert found["endpoint-ssm"].outcome == FAIL
    assert "kind: proxy" in found["endpoint-ssm"].evidence
    assert PASSWORD not in repr(found)


@pytest.mark.parametrize("scheme", ["socks5", "socks5h", "SOCKS5"])
def test_a_socks_proxy_of_the_service_is_unknown(machine: AgentMachine, scheme: str) -> None:
    machine.unit(Environment=f"https_proxy={scheme}://user:{PASSWORD}@127.0.0.1:1")
    found = diagnosed(machine, network(), *(name for name in NETWORK_CHECKS if name != "clock"))
    for result in found.results:
        assert (result.finding.outcome, result.finding.undetermined) == (SKIPPED, True), result.name
        assert "does not support SOCKS 5" in result.finding.text
    assert PASSWORD not in repr(found)


@pytest.mark.parametrize(
    ("value", "proxies"),
    [
        ("", {}),
        ("LANG=C https_proxy=http://p:1", {"https_proxy": "http://p:1"}),
        ('"https_proxy=http://p:1" "no_proxy=a, b"', {"https_proxy": "http://p:1", "no_proxy": "a, b"}),
        ("HTTP_PROXY=http://p:1 NO_PROXY=a", {"HTTP_PROXY": "http://p:1", "NO_PROXY": "a"}),
        ("https_proxy=http://p:1 X=it's", {"https_proxy": "http://p:1"}),
    ],
)
def test_proxies_are_read_as_systemd_writes_them(machine: AgentMachine, value: str, proxies: dict[str, str]) -> None:
    machine.unit(Environment=value)
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
    "right": (0, PASS, "the clock is correct within "),
    "2 minutes behind": (120, WARN, "s behind"),
    "2 minutes ahead": (-120, WARN, "s ahead"),
    "10 minutes behind": (600, FAIL, "rejects signatures"),
    "10 minutes ahead": (-600, FAIL, "rejects signatures"),
}


@pytest.mark.parametrize("case", CLOCKS)
def test_the_clock_is_compared_with_the_limit_of_signatures(machine: AgentMachine, case: str) -> None:
    off, outcome, words = CLOCKS[case]
    with Server(answering("400 Bad Request", Date=formatdate(time.time() + off, usegmt=True))) as server:
        configured(machine, Ssm=server.url)
        found = diagnosed(machine, network(), "clock")
    assert found["clock"].outcome == outcome
    assert words in found["clock"].text
    assert f"by the Date header of {server.url}" in found["clock"].evidence
    assert bool(found["clock"].remedy) == (outcome != PASS)


def test_the_clock_uses_the_next_endpoint_without_a_date(machine: AgentMachine, closed_port: int) -> None:
    right = answering(Date=formatdate(time.time() + 600, usegmt=True))
    with Server(answering(Date="")) as without, Server(right) as server:
        configured(machine, Ssm=f"http://127.0.0.1:{closed_port}", Mds=without.url, Mgs=server.url)
        found = diagnosed(machine, network(), "clock")["clock"]
    assert (found.outcome, found.evidence) == (FAIL, (f"by the Date header of {server.url}",))
    assert len(without.heads) == 1


def test_a_clock_without_any_date_is_skipped(machine: AgentMachine, closed_port: int) -> None:
    with Server(answering(Date="")) as server:
        configured(machine, Ssm=server.url)
        found = diagnosed(machine, network(https_proxy=f"http://127.0.0.1:{closed_port}"), "clock")["clock"]
    assert (found.outcome, found.text) == (SKIPPED, "no endpoint returned a date")


def test_an_endpoint_is_requested_once_for_all_checks(machine: AgentMachine) -> None:
    with Server(answering()) as server:
        configured(machine, Ssm=server.url)
        found = diagnosed(machine, network(), "endpoint-ssm", "clock")
    assert [result.finding.outcome for result in found.results] == [PASS, PASS]
    assert len(server.heads) == 1


# Without and with --network.


def test_without_a_network_nothing_is_sent(machine: AgentMachine) -> None:
    machine.registration = None
    with Server(answering()) as server:
        configured(machine, **dict.fromkeys(SECTIONS.values(), server.url))
        found = diagnosed(machine, None, "imds", *NETWORK_CHECKS)
    assert {result.finding.text for result in found.results} == {NOT_ASKED}
    assert not server.heads


def test_for_another_machine_nothing_is_sent(machine: AgentMachine) -> None:
    with Server(answering()) as server:
        configured(machine, **dict.fromkeys(SECTIONS.values(), server.url))
        found = machine.diagnosis(*NETWORK_CHECKS, network=network())
    assert {result.finding.text for result in found.results} == {OF_ANOTHER}
    assert not server.heads


def traced(directory: Path, *words: str, env: dict[str, str]) -> list[str]:
    """Run a command under strace, and return its calls that make or connect sockets of the internet."""
    trace = directory / "trace"
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
        proxy.at(f"user:{PASSWORD}"), "--output", "json", env={**environment(machine.directory / "state"), **more},
    )  # fmt: skip
    assert PASSWORD not in done.stdout + done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    schema = json.loads((resources.files("fingerprint") / "schemas" / "diagnose.json").read_text())
    Draft202012Validator(schema).validate(answer)
    return done.returncode, {check["name"]: check for check in answer["checks"]}


ENDPOINTS = {"s3.amazonaws.com:443", *(f"{service}.{REGION}.amazonaws.com:443" for service in SERVICES)}
# Which versions are published is of interest only where an agent is installed.
HAS_AGENT = os.path.exists("/usr/bin/amazon-ssm-agent")
ASKED = ENDPOINTS if HAS_AGENT else ENDPOINTS - {"s3.amazonaws.com:443"}
needs_no_agent = pytest.mark.skipif(
    os.path.exists("/etc/amazon/ssm/amazon-ssm-agent.json"), reason="an agent with its own endpoints is installed here"
)


@needs_no_agent
def test_the_command_reports_every_endpoint_a_proxy_denies(machine: AgentMachine) -> None:
    with Proxy("403 Filtered") as proxy:
        code, checks = diagnosed_by_command(machine, proxy)
    assert code == 1
    assert set(proxy.targets) == ASKED
    # Each endpoint once, but for S3: its buckets, too, and the two versions that are published.
    assert len(proxy.targets) == len(SERVICES) + len(NEEDED) + (2 if HAS_AGENT else 0)
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
        **dict.fromkeys(NETWORK_CHECKS, "pass"), "published": "warn" if HAS_AGENT else "skipped",
    }  # fmt: skip
    assert set(proxy.targets) == ASKED
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
def test_the_command_reports_an_intercepting_certificate(machine: AgentMachine, trusted: ssl.SSLContext) -> None:
    with Server(answering(), trusted) as server, Proxy(to=server.port) as proxy:
        code, checks = diagnosed_by_command(machine, proxy)
    assert code == 1
    assert "kind: tls" in checks["endpoint-ssm"]["evidence"]
    assert "Check certificates and clock" in checks["endpoint-ssm"]["remedy"]
    assert not server.heads
