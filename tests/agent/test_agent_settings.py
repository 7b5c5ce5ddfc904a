"""The client of the service and the agent's configuration: which settings it follows, when, and which it rejects."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from agent_process import running
from commandline import COMMAND
from event_machines import before_and_after
from fingerprint import Vault
from fingerprint.agent import client_settings, installed, systemd_unit, vault_use
from fingerprint.agent.endpoints import configured_url
from fingerprint.agent.paths import paths_of
from fingerprint.agent.proxies import proxy_for, service_proxies
from fingerprint.diagnose.network import Network
from fingerprint.errors import FingerprintError, InputError, Refused, Unreachable, UsageError
from fingerprint.machine.live import LiveMachine
from fingerprint.machine.recorded import RecordedMachine
from fingerprint.registration import shared_vault
from fingerprint.registration.flow import Registration
from fingerprint.registration.shared_vault import client_for
from fingerprint.testing import LocalService
from fingerprint.testing.machines import unix_snapshot
from servers import Authority, Proxy

BEFORE, AFTER = before_and_after("os-upgrade")
REGION = "eu-west-1"
USUAL = f"https://ssm.{REGION}.amazonaws.com"
PASSWORD = "hunter2"
as_root = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="mounts are made by root")


class Host:
    """A machine with an agent: its vault, its configuration, and its unit."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.directory = directory
        self.vault = Vault(str(directory / "ssm" / "Vault"), state=str(directory / "state"))
        self.config = directory / "etc" / "amazon-ssm-agent.json"
        self.config.parent.mkdir()
        self.identity = directory / "identity_config.json"
        paths = paths_of("linux").replace(
            data=str(directory / "ssm"), identity=str(self.identity), host_management=str(directory / "credentials"),
            config=str(self.config), certificates=str(directory / "etc" / "certs" / "amazon-ssm-agent.crt"),
            logs=str(directory / "log"),
        )  # fmt: skip
        self.certificates = Path(paths.certificates)
        self.certificates.parent.mkdir()
        systemctl = directory / "systemctl"
        systemctl.write_text(f"#!/bin/sh\ncat {directory / 'unit'}\n")
        systemctl.chmod(0o755)
        self.unit("")
        monkeypatch.setattr(vault_use, "reference_vault", lambda: self.vault.path)
        monkeypatch.setattr(client_settings, "paths_of", lambda _: paths)
        monkeypatch.setattr(systemd_unit, "SYSTEMCTL", (str(systemctl),))

    def unit(self, environment: str) -> None:
        properties = f"Id=amazon-ssm-agent.service\nLoadState=loaded\nEnvironment={environment}\n"
        (self.directory / "unit").write_text(properties)

    def configured(self, **sections: Any) -> None:
        self.config.write_text(json.dumps(sections))

    def flow(self, machine: dict[str, Any] = BEFORE, policy: str = "strict", **options: Any) -> Registration:
        return Registration(self.vault, RecordedMachine(machine), policy=policy, **options)

    def registered(self, service: LocalService, **options: Any) -> Registration:
        made = service.activation()
        flow = self.flow(**options)
        flow.register(made.id, made.code, REGION)
        return flow

    def endpoint(self, **options: str | None) -> str:
        return client_for(self.vault.path, REGION, options.get("endpoint"), None).endpoint


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "aws"))
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    shared_vault._logged.clear()
    return Host(tmp_path, monkeypatch)


@pytest.fixture
def service() -> Iterator[LocalService]:
    with LocalService() as local:
        yield local


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


# The endpoint.


def test_requests_go_to_the_agents_endpoint(host: Host, service: LocalService) -> None:
    host.configured(Ssm={"Endpoint": service.endpoint})
    flow = host.registered(service)
    assert flow.role_token().access_key_id
    assert [operation for operation, *_ in service.requests()] == [
        "RegisterManagedInstance", "RequestManagedInstanceRoleToken",
    ]  # fmt: skip


ENDPOINTS: list[tuple[dict[str, Any], str]] = [
    ({}, USUAL),
    ({"Ssm": {"Endpoint": ""}}, USUAL),
    ({"Ssm": {"Endpoint": None}}, USUAL),
    ({"Ssm": {"Endpoint": "https://ssm.example.org:8443"}}, "https://ssm.example.org:8443"),
    ({"Ssm": {"Endpoint": "ssm.example.org"}}, "https://ssm.example.org"),
    ({"sSM": {"endPOINT": "ssm.example.org"}}, "https://ssm.example.org"),
    ({"Ssm": {"Endpoint": "a.example.org"}, "SSM": {"endpoint": "b.example.org"}}, "https://b.example.org"),
    ({"Agent": {"ServiceDomain": "example.org"}}, f"https://ssm.{REGION}.example.org"),
    ({"Agent": {"ServiceDomain": "example.org", "UseDualStackEndpoint": True}}, f"https://ssm.{REGION}.example.org"),
    ({"Agent": {"UseDualStackEndpoint": True}}, f"https://ssm.{REGION}.api.aws"),
    ({"Agent": {"UseDualStackEndpoint": False}}, USUAL),
    ({"Ssm": {"Endpoint": "a.example.org"}, "Agent": {"ServiceDomain": "example.org"}}, "https://a.example.org"),
    # The region of the agent's identity; the signature has that of the registration.
    ({"Agent": {"Region": "us-east-1"}}, USUAL),
]


@pytest.mark.parametrize(("config", "endpoint"), ENDPOINTS)
def test_the_endpoint_is_the_agents(host: Host, config: dict[str, Any], endpoint: str) -> None:
    host.configured(**config)
    assert host.endpoint() == endpoint
    assert configured_url(config, "ssm", REGION) in ("", endpoint)


@as_root
@pytest.mark.parametrize(
    ("version", "domain"),
    [("3.3.3270.0", "api.aws"), ("3.3.5828.0", "api.aws"), ("99.0.0.0", "api.aws"), ("x", "api.aws"),
     ("3.3.3269.9", "amazonaws.com"), ("3.3.987.0", "amazonaws.com"), ("2.3.0.0", "amazonaws.com")],
)  # fmt: skip
def test_dual_stack_is_used_if_the_installed_agent_uses_it(
    host: Host, monkeypatch: pytest.MonkeyPatch, version: str, domain: str
) -> None:
    program = host.directory / "amazon-ssm-agent"
    program.write_text(f"#!/bin/sh\necho SSM Agent version: {version}\n")
    program.chmod(0o755)
    monkeypatch.setattr(installed, "program_directory", lambda _: str(host.directory))
    host.configured(Agent={"UseDualStackEndpoint": True})
    assert host.endpoint() == f"https://ssm.{REGION}.{domain}"
    settings = client_settings.settings_for(host.vault.path)
    assert settings is not None
    assert settings.endpoint_setting == "Agent.UseDualStackEndpoint"


def test_without_a_region_only_the_configured_endpoint_exists() -> None:
    assert configured_url({"Agent": {"ServiceDomain": "example.org"}}, "ssm", "") == ""
    assert configured_url({"Ssm": {"Endpoint": "a"}}, "ssm", "") == "https://a"
    assert configured_url(None, "ssm", REGION) == ""


def test_options_of_the_caller_override_the_agents_configuration(
    host: Host, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    host.configured(Ssm={"Endpoint": "https://agent.example.org"})
    assert host.endpoint() == "https://agent.example.org"
    profile = "[default]\nservices = local\n[services local]\nssm =\n  endpoint_url = https://profile.example.org\n"
    (tmp_path / "aws").write_text(profile)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://global.example.org")
    assert host.endpoint() == "https://agent.example.org"
    monkeypatch.setenv("AWS_ENDPOINT_URL_SSM", "https://variable.example.org")
    assert host.endpoint() == "https://variable.example.org"
    assert host.endpoint(endpoint="https://option.example.org") == "https://option.example.org"
    monkeypatch.setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")
    assert host.endpoint() == "https://agent.example.org"
    monkeypatch.delenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")
    # Also if it is the region's usual endpoint.
    monkeypatch.setenv("AWS_ENDPOINT_URL_SSM", USUAL)
    assert host.endpoint() == USUAL


def test_a_vault_of_our_own_ignores_the_agents_configuration(host: Host, service: LocalService, tmp_path: Path) -> None:
    host.configured(Ssm={"Endpoint": 7}, Identity={"ConsumptionOrder": ["EC2"]})
    own = str(tmp_path / "own" / "Vault")
    assert client_for(own, REGION, None, None).endpoint == USUAL
    flow = Registration(
        Vault(own, state=str(tmp_path / "s")), RecordedMachine(BEFORE), policy="strict", endpoint=service.endpoint
    )
    made = service.activation()
    flow.register(made.id, made.code, REGION)
    assert flow.role_token()
    # Through a link the vault is the agent's again.
    (tmp_path / "link").symlink_to(host.vault.path)
    with pytest.raises(InputError):
        client_for(str(tmp_path / "link"), REGION, None, None)


# Errors of the configuration.

LOOPBACK_ONLY = "http:// is for this host itself only"
WRONG: list[tuple[Any, str]] = [
    ({"Ssm": {"Endpoint": 7}}, "Ssm.Endpoint is a number: must be a string"),
    ({"ssm": {"ENDPOINT": ["https://a"]}}, "Ssm.Endpoint is a list: must be a string"),
    ({"Ssm": ["Endpoint"]}, "Ssm is a list: must be an object"),
    ({"Agent": "eu-west-1"}, "Agent is a string: must be an object"),
    ({"Agent": {"ServiceDomain": True}}, "Agent.ServiceDomain is true: must be a string"),
    ({"Agent": {"UseDualStackEndpoint": "yes"}}, "Agent.UseDualStackEndpoint is a string: must be true or false"),
    ({"Identity": {"ConsumptionOrder": "OnPrem"}}, "Identity.ConsumptionOrder is a string: must be a list"),
    ({"Identity": {"ConsumptionOrder": [7]}}, "Identity.ConsumptionOrder is a list: must be a list of strings"),
    ({"Identity": 7}, "Identity is a number: must be an object"),
    ({"Ssm": {"Endpoint": "http://192.0.2.1"}}, "Ssm.Endpoint 'http://192.0.2.1' is not safe"),
    ({"Ssm": {"Endpoint": f"ftp://u:{PASSWORD}@a"}}, "Ssm.Endpoint 'ftp://***@a' is not safe"),
    ({"Ssm": {"Endpoint": "https://"}}, "Ssm.Endpoint gives an endpoint that cannot be used"),
    ({"Ssm": {"Endpoint": f"https://u:{PASSWORD}@ a b"}}, "Ssm.Endpoint gives an endpoint that cannot be used"),
    ({"Agent": {"ServiceDomain": "a b"}}, "Agent.ServiceDomain gives an endpoint that cannot be used"),
    ([], "the agent's configuration cannot be used: not a JSON object"),
    (b"", "the agent's configuration cannot be used"),
    (b"{", "the agent's configuration cannot be used"),
    (b'{"Ssm": {"Endpoint": "\xff"}}', "the agent's configuration cannot be used: not UTF-8"),
    (b" " * 100_000, "the agent's configuration cannot be read"),
    (None, "the agent's configuration cannot be read"),
]


@pytest.mark.parametrize(("config", "text"), WRONG, ids=[text for _, text in WRONG])
def test_a_wrong_setting_is_shown_and_nothing_is_sent_or_written(
    host: Host, service: LocalService, config: Any, text: str
) -> None:
    """Also on a machine that differs, with the policy that writes."""
    host.registered(service, endpoint=service.endpoint)
    if config is None:
        host.config.mkdir()
    else:
        host.config.write_bytes(config if isinstance(config, bytes) else json.dumps(config).encode())
    before = {path: path.read_bytes() for path in sorted(host.directory.rglob("*")) if path.is_file()}
    asked = len(service.requests())
    made = service.activation()
    for act in (
        lambda: host.flow(AFTER, "regenerate").role_token(),
        lambda: host.flow().register(made.id, made.code, REGION, again=True),
    ):
        with pytest.raises(FingerprintError) as caught:
            act()
        assert text in caught.value.what
        assert caught.value.where == str(host.config)
        assert caught.value.remedy.startswith("Nothing was sent. ")
        assert PASSWORD not in str(caught.value)
    assert {path: path.read_bytes() for path in sorted(host.directory.rglob("*")) if path.is_file()} == before
    assert len(service.requests()) == asked


@pytest.mark.parametrize(
    "config",
    [
        b"null", b"{}", b'{"Ssm": null}', b'{"Ssm": {"Endpoint": null}}', b'{"Ssm": {"HealthFrequencyMinutes": "5"}}',
        b'{"Mds": 7}', b'{"Identity": {"ConsumptionOrder": null}}', b'{"Identity": {"ConsumptionOrder": []}}',
        b'{"Identity": {"ConsumptionOrder": ["Onprem", "x"]}}', b'{"Agent": {"UseDualStackEndpoint": null}}', None,
    ],
)  # fmt: skip
def test_settings_that_the_client_does_not_use_are_ignored(host: Host, config: bytes | None) -> None:
    if config is not None:
        host.config.write_bytes(config)
    assert host.endpoint() == USUAL


# The identity.


@pytest.mark.parametrize("order", [["EC2"], ["EC2", "CustomIdentity"], ["ECS", "nothing"]])
def test_a_registration_that_the_agent_never_uses_is_not_used(
    host: Host, service: LocalService, order: list[str]
) -> None:
    flow = host.registered(service, endpoint=service.endpoint)
    host.configured(Identity={"ConsumptionOrder": order})
    asked = len(service.requests())
    made = service.activation()
    with pytest.raises(Refused, match="the agent does not use this registration") as caught:
        host.flow(endpoint=service.endpoint).role_token()
    assert caught.value.where == str(host.config)
    assert "Add OnPrem to Identity.ConsumptionOrder" in caught.value.remedy
    with pytest.raises(Refused):
        host.flow(endpoint=service.endpoint).register(made.id, made.code, REGION, again=True)
    assert len(service.requests()) == asked
    host.configured(Identity={"ConsumptionOrder": [*order, "OnPrem"]})
    assert flow.role_token()


def test_an_identity_before_the_registration_is_logged_once(
    host: Host, service: LocalService, caplog: pytest.LogCaptureFixture
) -> None:
    host.registered(service, endpoint=service.endpoint)
    for order, took in ((["EC2", "OnPrem"], "OnPrem"), (["OnPrem", "EC2"], "EC2"), (["EC2", "OnPrem"], "")):
        host.configured(Identity={"ConsumptionOrder": order})
        host.identity.write_text(json.dumps({"IdentityType": took}))
        assert host.flow(endpoint=service.endpoint).role_token()
    assert caplog.text == ""
    host.identity.write_text(json.dumps({"IdentityType": "EC2"}))
    for _ in range(2):
        assert host.flow(endpoint=service.endpoint).role_token()
    assert caplog.text.count("the agent takes its identity from EC2, which comes before the registration") == 1


# Proxies and certificates.


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
        with pytest.raises(Unreachable, match="secure"):
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


# Everything at its real path, in separate namespaces.

_MOUNTED = """
set -e
mount -t tmpfs none "$W"
for place in etc var/lib; do
  mkdir -p "$W/$place" "$W/work/$place"
  mount -t overlay none -o "lowerdir=/$place,upperdir=$W/$place,workdir=$W/work/$place" "/$place" || exit 77
done
mkdir -p /etc/amazon/ssm /var/lib/amazon/ssm/Vault
chmod 600 /var/lib/amazon/ssm/Vault
echo "{\\"Ssm\\": {\\"Endpoint\\": \\"$E\\"}}" > /etc/amazon/ssm/amazon-ssm-agent.json
exec "$@"
"""
_SCRIPT = """
import json, os, subprocess, sys, time
from pathlib import Path
command, agent, snapshot = sys.argv[1:4]
def run(*words, code=0):
    done = subprocess.run([command, "--snapshot", snapshot, *words], capture_output=True, text=True)
    assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
    return done
run("register", "--region", "eu-west-1", "--activation-id", os.environ["ID"])
directory = Path("/var/lib/amazon/ssm/Vault")
key = (directory / "Store" / "RegistrationKey").read_bytes()
print("registered", flush=True)
sys.stdin.readline()
with subprocess.Popen([agent, "-c", "import sys; print(flush=True); sys.stdin.read()"], stdin=subprocess.PIPE,
                      stdout=subprocess.PIPE) as process:
    process.stdout.readline()
    assert json.loads(run("credentials", "process").stdout)["AccessKeyId"]
    assert (directory / "Store" / "RegistrationKey").read_bytes() == key
    process.stdin.close()
for kept in Path(os.environ["FINGERPRINT_STATE"], "credentials").iterdir():
    kept.unlink()
Path("/etc/amazon/ssm/amazon-ssm-agent.json").write_text('{"Ssm": {"Endpoint": 7}}')
error = run("credentials", "process", code=3).stderr
assert "/etc/amazon/ssm/amazon-ssm-agent.json: Ssm.Endpoint is a number" in error, error
assert run("--vault", "/var/lib/amazon/ssm", "credentials", "process", "--endpoint", os.environ["E"], code=3)
os.unlink("/etc/amazon/ssm/amazon-ssm-agent.json")
run("credentials", "process", "--endpoint", os.environ["E"])
assert (directory / "Store" / "RegistrationKey").read_bytes() != key
print("done", flush=True)
"""


@as_root
def test_the_real_vault_configuration_and_process_are_used(service: LocalService, tmp_path: Path) -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("mounts as Linux makes them")
    agent = tmp_path / "amazon-ssm-agent"
    agent.symlink_to(os.path.realpath(sys.executable))
    (tmp_path / "mount").mkdir()
    snapshot = tmp_path / "machine.json"
    snapshot.write_text(json.dumps(unix_snapshot(dmi="SMBIOS 3.0 present.", disk="total 0")))
    made = service.activation()
    env = {
        "PATH": os.environ["PATH"], "W": str(tmp_path / "mount"), "E": service.endpoint, "ID": made.id,
        "FINGERPRINT_ACTIVATION_CODE": made.code, "FINGERPRINT_STATE": str(tmp_path / "state"), "HOME": str(tmp_path),
    }  # fmt: skip
    words = ["unshare", "--mount", "sh", "-c", _MOUNTED, "sh", sys.executable, "-c", _SCRIPT, COMMAND, str(agent)]
    pipe = subprocess.PIPE
    with subprocess.Popen([*words, str(snapshot)], env=env, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdin
        assert process.stdout
        if process.stdout.readline() == "registered\n":
            service.ask_for_rotation(service.nodes()[0]["id"])
            process.stdin.write("\n")
            process.stdin.flush()
        out, err = process.communicate(timeout=120)
    if process.returncode in (1, 32, 77) and not service.nodes():
        pytest.skip(f"no overlay can be mounted here: {err[-200:]}")
    assert (process.returncode, out) == (0, "done\n"), err


@pytest.mark.parametrize(
    ("sections", "longest"),
    [
        ({"Ssm": {"CredentialRetryMaxSleepSeconds": 60}}, 60), ({"ssm": {"credentialretrymaxsleepseconds": 61}}, 61),
        ({"Ssm": {"CredentialRetryMaxSleepSeconds": 59}}, None), ({"Ssm": {}}, None), ({}, None),
        ({"Ssm": {"CredentialRetryMaxSleepSeconds": 1801}}, None),
    ],
)  # fmt: skip
def test_the_longest_pause_is_the_agents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sections: dict[str, Any], longest: int | None
) -> None:
    host = Host(tmp_path, monkeypatch)
    host.configured(**sections)
    settings = client_settings.settings_for(host.vault.path)
    assert settings is not None
    assert settings.longest_pause == longest
