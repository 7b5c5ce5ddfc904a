"""The client of the service and the agent's configuration: which settings it follows, when, and which it rejects."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agent_host import AFTER, BEFORE, PASSWORD, REGION, USUAL, Host
from commandline import COMMAND
from fingerprint import Vault
from fingerprint.agent import client_settings, installed
from fingerprint.agent.endpoints import configured_url
from fingerprint.errors import FingerprintError, InputError, Refused
from fingerprint.machine.recorded import RecordedMachine
from fingerprint.registration.flow import Registration
from fingerprint.registration.shared_vault import client_for
from fingerprint.testing import LocalService
from fingerprint.testing.machines import unix_snapshot

as_root = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="mounts are made by root")


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
