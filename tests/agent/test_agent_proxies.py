"""The client of the service and the agent's proxies and certificates."""

from __future__ import annotations

import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from agent_host import PASSWORD, REGION, Host
from agent_process import running
from fingerprint.agent.proxies import proxy_for, service_proxies
from fingerprint.diagnose.network import Network
from fingerprint.errors import Unreachable, UsageError
from fingerprint.machine.live import LiveMachine
from fingerprint.testing import LocalService
from servers import Authority, Proxy


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@contextmanager
def secure(context: ssl.SSLContext) -> Iterator[LocalService]:
    """Serve as LocalService does, with TLS."""
    with LocalService(tls=context) as local:
        yield local


def port(service: LocalService) -> int:
    return int(service.endpoint.rpartition(":")[2])


@pytest.mark.parametrize("source", ["process", "unit"])
def test_requests_use_the_agents_proxy_domain_and_certificates(host: Host, authority: Authority, source: str) -> None:
    """All at once, as in a closed network: the name of the service is known to the proxy only."""
    name = f"ssm.{REGION}.agents.example"
    host.configured(Agent={"ServiceDomain": "agents.example"})
    host.certificates.write_bytes(Path(authority.file).read_bytes())
    with secure(authority.context(name)) as service, Proxy(pair=f"user:{PASSWORD}", to=port(service)) as proxy:
        variables = {"https_proxy": proxy.at(f"user:{PASSWORD}"), "NO_PROXY": "169.254.169.254"}
        if source == "unit":
            host.unit(" ".join(f"{name}={value}" for name, value in variables.items()))
            assert host.registered(service).role_token()
        else:
            # The unit may have been changed since the agent was started.
            host.unit("https_proxy=http://127.0.0.1:1")
            Path(host.vault.path).mkdir(parents=True)
            with running(host.directory, environment=variables):
                assert host.registered(service).role_token()
        assert set(proxy.targets) == {f"{name}:443"}
        # Without them no connection succeeds.
        host.unit("")
        with pytest.raises(Unreachable):
            host.flow().role_token()
        host.unit(f"https_proxy={proxy.at(f'user:{PASSWORD}')}")
        host.certificates.unlink()
        with pytest.raises(Unreachable, match="TLS handshake failed"):
            host.flow().role_token()


def test_proxies_of_the_caller_override_the_agents(
    host: Host, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"ssm.{REGION}.agents.example"
    host.configured(Agent={"ServiceDomain": "agents.example"})
    host.certificates.write_bytes(Path(authority.file).read_bytes())
    with secure(authority.context(name)) as service, Proxy(to=port(service)) as mine, Proxy("403 Forbidden") as agents:
        host.unit(f"https_proxy={agents.at()}")
        host.registered(service, proxy=mine.at())
        assert (len(mine.heads) > 0, agents.heads) == (True, [])
        for variable in ("https_proxy", "HTTPS_PROXY"):
            monkeypatch.setenv(variable, mine.at())
            assert host.flow().role_token()
            monkeypatch.delenv(variable)
        assert agents.heads == []
        with pytest.raises(Unreachable):
            host.flow().role_token()
        assert len(agents.heads) == 4
        # A host that either no_proxy excludes is connected to directly, and its name does not resolve.
        monkeypatch.setenv("no_proxy", "example.org,.agents.example")
        with pytest.raises(Unreachable):
            host.flow().role_token()
        assert len(agents.heads) == 4


def test_a_service_on_this_host_is_requested_without_proxy(host: Host, service: LocalService) -> None:
    host.configured(Ssm={"Endpoint": service.endpoint})
    with Proxy("403 Forbidden") as proxy:
        host.unit(f"http_proxy={proxy.at()} https_proxy={proxy.at()}")
        assert host.registered(service).role_token()
        assert proxy.heads == []


def test_a_proxy_of_another_kind_is_an_error(host: Host, service: LocalService) -> None:
    host.registered(service, endpoint=service.endpoint)
    host.unit(f"https_proxy=socks5://user:{PASSWORD}@127.0.0.1:1")
    with pytest.raises(UsageError, match="of the agent's service cannot be used") as caught:
        host.flow().role_token()
    assert "'socks5://***@127.0.0.1:1'" in caught.value.what
    assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize("text", [b"", b"no certificate", b"-----BEGIN CERTIFICATE-----\nAA==\n"])
def test_invalid_certificates_of_the_agent_are_an_error(host: Host, service: LocalService, text: bytes) -> None:
    host.registered(service, endpoint=service.endpoint)
    host.certificates.write_bytes(text)
    with pytest.raises(UsageError, match="certificates of the agent cannot be used") as caught:
        host.flow().role_token()
    assert caught.value.where == str(host.certificates)


PROXY = {"https_proxy": "http://p:1"}
URL = "https://ssm.eu-west-1.amazonaws.com/"


@pytest.mark.parametrize(
    ("url", "variables", "proxy"),
    [
        (URL, {}, ""), (URL, PROXY, "http://p:1"), (URL, {"http_proxy": "http://p:1"}, ""),
        ("http://a/", {"http_proxy": "p:1"}, "p:1"), (URL, {**PROXY, "HTTPS_PROXY": "http://q:1"}, "http://q:1"),
        (URL, {**PROXY, "no_proxy": "amazonaws.com"}, ""), (URL, {**PROXY, "no_proxy": ".amazonaws.com"}, ""),
        (URL, {**PROXY, "no_proxy": "aws.com"}, "http://p:1"), (URL, {**PROXY, "NO_PROXY": "*"}, ""),
        (URL, {**PROXY, "no_proxy": " a , ssm.eu-west-1.amazonaws.com "}, ""),
        ("https://10.1.2.3/", {**PROXY, "no_proxy": "10.0.0.0/8"}, ""),
        ("https://10.1.2.3/", {**PROXY, "no_proxy": "10.1.2.3"}, ""),
        ("https://11.1.2.3/", {**PROXY, "no_proxy": "10.0.0.0/8"}, "http://p:1"),
        ("https://[fd00::1]/", {**PROXY, "no_proxy": "fd00::/8"}, ""),
        ("https://localhost/", PROXY, ""), ("https://127.9.9.9:4/", PROXY, ""), ("https://[::1]/", PROXY, ""),
        # A list may hold "*", and names with "*." before them.
        (URL, {**PROXY, "no_proxy": "a,*"}, ""), (URL, {**PROXY, "no_proxy": "*.amazonaws.com"}, ""),
        (URL, {**PROXY, "no_proxy": "*amazonaws.com"}, "http://p:1"),
        (URL, {**PROXY, "no_proxy": "SSM.eu-west-1.AmazonAWS.com"}, ""),
        # A dot before the name stands for subdomains only.
        (URL, {**PROXY, "no_proxy": ".ssm.eu-west-1.amazonaws.com"}, "http://p:1"),
        (URL, {**PROXY, "no_proxy": "*.ssm.eu-west-1.amazonaws.com"}, "http://p:1"),
        # With a port: the URL's, or that of its scheme.
        (URL, {**PROXY, "no_proxy": "amazonaws.com:443"}, ""), (URL, {**PROXY, "no_proxy": "amazonaws.com:"}, ""),
        (URL, {**PROXY, "no_proxy": "amazonaws.com:80,:443"}, "http://p:1"),
        ("https://10.1.2.3/", {**PROXY, "no_proxy": "10.1.2.3:443"}, ""),
        ("https://10.1.2.3:444/", {**PROXY, "no_proxy": "10.1.2.3:443"}, "http://p:1"),
        ("https://[fd00::1]/", {**PROXY, "no_proxy": "[fd00::1]:443"}, ""),
        ("https://[fd00::1]/", {**PROXY, "no_proxy": "[fd00::1]:444"}, "http://p:1"),
        ("https://[fd00::1]/", {**PROXY, "no_proxy": "fd00:0::1"}, ""),
        ("http://[fd00:ec2::254]/", {"http_proxy": "http://p:1", "no_proxy": "fd00:ec2::254"}, ""),
        ("https://[::ffff:10.1.2.3]/", {**PROXY, "no_proxy": "10.0.0.0/8"}, ""),
        ("https://10.1.2.3/", {**PROXY, "no_proxy": "10.0.0.0/255.0.0.0, /8, 10.0.0.0/99"}, "http://p:1"),
        # An invalid URL has no proxy.
        ("http://[", {"http_proxy": "http://p:1"}, ""), ("https://h:99999", PROXY, ""), ("", PROXY, ""),
        ("ftp://h/", {"ftp_proxy": "http://p:1"}, ""),
    ],
)  # fmt: skip
def test_a_url_goes_through_the_agents_proxy(url: str, variables: dict[str, str], proxy: str) -> None:
    assert proxy_for(url, variables) == proxy
    # A diagnosis uses the same proxy as the agent.
    assert (
        Network("", {"https_proxy": "http://q:2"}).with_agent(variables or {"no_proxy": ""}, "").proxy_of(url) == proxy
    )


class Registry(ModuleType):
    """A registry of Windows with the calls that are used."""

    HKEY_LOCAL_MACHINE, KEY_READ = 0, 0

    def __init__(self, values: dict[str, Any]) -> None:
        super().__init__("winreg")
        self.values = values

    @contextmanager
    def OpenKey(self, _: int, path: str, *__: int) -> Iterator[str]:
        assert path == r"SYSTEM\CurrentControlSet\Services\AmazonSSMAgent"
        yield path

    def QueryValueEx(self, _: str, name: str) -> tuple[Any, int]:
        if name not in self.values:
            raise FileNotFoundError(2, "no such value")
        return self.values[name], 7


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({}, {}), ({"Environment": ["a=b", "http_proxy=p:1", "no_proxy=169.254.169.254"]},
                   {"http_proxy": "p:1", "no_proxy": "169.254.169.254"}),
        ({"Environment": "https_proxy=p:1"}, {"https_proxy": "p:1"}),
    ],
)  # fmt: skip
def test_on_windows_proxies_are_those_of_the_services_key(
    values: dict[str, Any], found: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "winreg", Registry(values))
    machine = LiveMachine()
    machine.platform = "windows"
    assert service_proxies(machine, ()) == found
