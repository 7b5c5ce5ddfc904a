"""`register --provider` beside a real metadata service, and providers at the local service."""

from __future__ import annotations

import gzip
import json
import sqlite3
from pathlib import Path
from typing import Any

import botocore
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.httpsession import URLLib3Session

from commandline import environment, run
from fingerprint import Vault
from fingerprint.agent.providers import provider_named
from fingerprint.cli.help import parse_or_explain
from fingerprint.cli.parser import parse
from fingerprint.registration.keys import NodeKey
from fingerprint.testing import LocalService
from fingerprint.vault.pending_registration import pending
from metadata import Beside, alone, beside_metadata
from provider_registrations import REGION, REGISTER, flow, interrupted, register

pytestmark = pytest.mark.usefixtures("quick_retries")


# The command, beside a real metadata service on its real address.


def beside(vault: Vault, status: int, *words: str, page: str = "", **variables: str) -> Beside:
    env = environment(Path(vault.state), **variables)
    return beside_metadata(status, "--vault", vault.path, "register", "--region", REGION, *words, env=env, page=page)


@alone
@pytest.mark.parametrize("proxy", ["", "http://127.0.0.1:9"], ids=["", "behind a proxy"])
@pytest.mark.parametrize("provider", ["azure", "ec2"])
def test_the_command_registers_if_the_metadata_service_answers(vault: Vault, provider: str, proxy: str) -> None:
    variables = {"http_proxy": proxy, "no_proxy": "127.0.0.1"} if proxy else {}
    done = beside(vault, 200, "--provider", provider, "--dry-run", **variables)
    assert (done.code, done.nodes) == (0, []), done.err
    named = provider_named(provider)
    assert f"Would register this host in {REGION} with provider {named}" in done.out
    done = beside(vault, 200, "--provider", provider, "--output", "json", **variables)
    assert done.code == 0, done.err
    assert json.loads(done.out)["provider"] == named == done.nodes[0]["provider"] == vault.read_registration().provider
    assert done.asked


@alone
@pytest.mark.parametrize("status", [0, 403, 404, 500])
@pytest.mark.parametrize("provider", ["azure", "ec2"])
def test_the_command_refuses_without_a_metadata_service(vault: Vault, provider: str, status: int) -> None:
    done = beside(vault, status, "--provider", provider)
    assert (done.code, done.out, done.nodes) == (4, "", []), done.err
    assert f"provider {provider_named(provider)}: " in done.err
    assert "Nothing was sent" in done.err
    assert not Path(vault.path).exists()
    done = beside(vault, status)
    assert (done.code, len(done.nodes), done.asked) == (0, 1, []), done.err


@alone
@pytest.mark.parametrize("page", ["<html>Log in</html>", "<html>", "OK", "[]"])
@pytest.mark.parametrize("provider", ["azure", "ec2"])
def test_the_command_refuses_if_something_else_answers(vault: Vault, provider: str, page: str) -> None:
    done = beside(vault, 200, "--provider", provider, page=page)
    assert (done.code, done.out, done.nodes) == (4, "", []), done.err
    assert "something else answers in its place" in done.err
    assert not Path(vault.path).exists()


@pytest.mark.parametrize(
    ("name", "value"), [("_MODE", "IPv5"), ("_MODE", "http://u:hunter2@h"), ("", "http://["), ("", "169.254.169.254")]
)
def test_the_command_names_the_variable_that_is_wrong(vault: Vault, name: str, value: str) -> None:
    variable = f"AWS_EC2_METADATA_SERVICE_ENDPOINT{name}"
    env = environment(Path(vault.state), **{variable: value}, FINGERPRINT_ACTIVATION_CODE="x" * 20)
    done = run("--vault", vault.path, "register", "--region", REGION, "--provider", "ec2", "--activation-id", "a" * 36,
               env=env)  # fmt: skip
    assert (done.returncode, done.stdout) == (4, ""), done.stderr
    assert f"Correct {variable}, or leave --provider out" in " ".join(done.stderr.split())
    assert "hunter2" not in done.stderr
    assert not Path(vault.path).exists()


def test_the_command_warns_if_it_finished_another_provider(vault: Vault, service: LocalService) -> None:
    interrupted(vault, service, "")
    # The answer came, and the process died before it was stored.
    with vault.edit():
        vault.history.mark(pending(vault)[0].number, "RegistrationKey", "answered", vault.now(),
                           more={"node": service.nodes()[0]["id"]})  # fmt: skip
    done = run("--vault", vault.path, "register", "--region", REGION, "--provider", "azure",
               env=environment(Path(vault.state), AWS_ENDPOINT_URL_SSM=service.endpoint))  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Finished the registration" in done.stdout
    assert "was asked for with no provider, and keeps that" in done.stderr


@pytest.mark.parametrize("text", ["Azure", "AZURE", "azure", "EC2", "ec2"])
def test_the_command_takes_every_spelling_of_a_provider(vault: Vault, text: str) -> None:
    """The agent spells providers differently from our help."""
    for read in (parse, parse_or_explain):
        parsed = read(["register", "--provider", text])
        assert parsed is not None
        assert parsed.provider == text.lower()


def test_another_provider_on_the_command_line_is_a_usage_error(vault: Vault) -> None:
    done = run("--vault", vault.path, "register", "--region", REGION, "--provider", "gcp",
               env=environment(Path(vault.state)))  # fmt: skip
    assert done.returncode == 2
    assert "azure" in done.stderr
    assert not Path(vault.path).exists()


def test_vault_show_has_the_provider(vault: Vault, service: LocalService) -> None:
    for provider, shown in (("", None), ("azure", "Azure")):
        register(vault, service, provider=provider, again=True)
        env = environment(Path(vault.state))
        words = ("--vault", vault.path, "vault", "show")
        assert json.loads(run(*words, "--output", "json", env=env).stdout)["registration"]["provider"] == shown
        assert ("Provider     Azure" in run(*words, env=env).stdout) == bool(provider)


# The local service.

SOURCES = {
    "SourceId": (["", "i-0123456789abcdef0", "f9a1c2d4-0b1e-4c55-9d0e-1f2a3b4c5d6e", "a:b_c", "x" * 128],
                 ["x" * 129, "a/b", "a b", "é", 7, [], "a\n"]),
    "SourceType": (["AWS::EC2::Instance", "Microsoft.Compute/virtualMachines", "AWS::SSM::ManagedInstance"],
                   ["", "aws::ec2::instance", "Microsoft.Compute/virtualmachines", "Azure", 1, {}]),
    "SourceLocation": (["westeurope", "eu-west-1", "x" * 128, "Südost"], ["", "x" * 129, "a\nb", 3]),
}  # fmt: skip


def ping(service: LocalService, token: Any, body: dict[str, Any]) -> dict[str, Any]:
    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "AmazonSSM.UpdateInstanceInformation"}
    request = AWSRequest("POST", f"{service.endpoint}/", headers, json.dumps(body))
    credentials = Credentials(token.access_key_id, token.secret_access_key, token.session_token)
    SigV4Auth(credentials, "ssm", REGION).add_auth(request)
    answer: dict[str, Any] = json.loads(URLLib3Session().send(request.prepare()).content)
    return answer


def test_a_valid_source_of_a_health_report_is_kept(vault: Vault, service: LocalService) -> None:
    node = register(vault, service, provider="azure").instance_id
    token = flow(vault, service).role_token()
    report = {"AgentVersion": "3.3.4793.0", "InstanceId": node, "PlatformType": "Linux"}
    assert ping(service, token, report) == {}
    assert {service.nodes()[0][name] for name in ("sourceId", "sourceType", "sourceLocation")} == {None}
    for name, (good, bad) in SOURCES.items():
        column = name[0].lower() + name[1:]
        for value in good:
            assert ping(service, token, {**report, name: value}) == {}
            assert service.nodes()[0][column] == value
        for value in bad:
            answer = ping(service, token, {**report, name: value})
            assert answer["__type"] == "ValidationException", (name, value)
            assert service.nodes()[0][column] == good[-1]
    # The first report of an agent has only its version: the known values stay.
    assert ping(service, token, report) == {}
    assert service.nodes()[0]["sourceLocation"] == SOURCES["SourceLocation"][0][-1]


def test_the_source_members_are_those_of_the_public_model() -> None:
    from fingerprint.testing import local_model

    [path] = (Path(botocore.__file__).parent / "data" / "ssm" / "2014-11-06").glob("service-2.json*")
    shapes = json.loads(gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes())["shapes"]
    if "Microsoft.Compute/virtualMachines" not in shapes["SourceType"]["enum"]:
        pytest.skip("this botocore is older than the providers")
    assert set(local_model._ENUMS["SourceType"]) == set(shapes["SourceType"]["enum"])
    for name, ours in local_model._PATTERNS.items():
        least, most = shapes[name].get("min", 0), shapes[name]["max"]
        pattern = shapes[name]["pattern"].removeprefix("^").removesuffix("$")
        assert ours.pattern in (pattern, pattern.removesuffix("*") + f"{{{least},{most}}}")


@pytest.mark.parametrize("provider", ["", "azure", "AZURE", "GCP", "ec2", "Azure ", 5, [], {}])
def test_the_service_rejects_a_provider_that_no_agent_sends(service: LocalService, provider: Any) -> None:
    made, key = service.activation(), NodeKey.generate()
    body = {"ActivationCode": made.code, "ActivationId": made.id, "Fingerprint": "f", "Provider": provider,
            "PublicKey": key.public(), "PublicKeyType": "Rsa"}  # fmt: skip
    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": f"AmazonSSM.{REGISTER}"}
    request = AWSRequest("POST", f"{service.endpoint}/", headers, json.dumps(body))
    answer = URLLib3Session().send(request.prepare())
    assert (answer.status_code, json.loads(answer.content)["__type"]) == (400, "ValidationException")
    assert service.nodes() == []


def test_an_older_database_gets_new_columns_and_keeps_its_nodes(tmp_path: Path) -> None:
    database = tmp_path / "nodes"
    with sqlite3.connect(database) as connection:
        connection.executescript(
            "CREATE TABLE node (id TEXT PRIMARY KEY, public_key TEXT, fingerprint TEXT, registered REAL, "
            "rotate INTEGER, active INTEGER); INSERT INTO node VALUES ('mi-1', 'k', 'f', 1.0, 0, 1);"
        )
    connection.close()
    for _ in range(2):
        with LocalService(str(database)) as service:
            assert [(node["id"], node["provider"]) for node in service.nodes()] == [("mi-1", None)]
