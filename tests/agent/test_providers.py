"""Providers: on the wire, in the record whoever writes it, in a registration that is finished later, at the service."""

from __future__ import annotations

import gzip
import json
import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.httpsession import URLLib3Session
from hypothesis import given
from hypothesis import strategies as st

from agent_machines import AgentMachine
from commandline import environment, run
from event_machines import before_and_after
from fingerprint import Vault
from fingerprint._core import dumps
from fingerprint.agent.providers import PROVIDERS, member_for, provider_named, reads_provider
from fingerprint.agent.versions import ROWS
from fingerprint.cli.help import parse_or_explain
from fingerprint.cli.parser import parse
from fingerprint.errors import Refused, Unreachable, UsageError, VaultCorrupt
from fingerprint.machine.recorded import RecordedMachine
from fingerprint.registration import Registration, ServiceClient
from fingerprint.registration.keys import NodeKey
from fingerprint.testing import LocalService
from fingerprint.types import RegistrationRecord
from fingerprint.vault.pending_registration import pending
from fingerprint.vault.records import decode_registration, encode_registration
from metadata import Beside, alone, beside_metadata
from servers import Server

MACHINE, _ = before_and_after("agent-restart")
REGION = "eu-west-1"
REGISTER = "RegisterManagedInstance"
EIGHT = ("instanceID", "region", "instanceType", "availabilityZone", "privateKey", "publicKey", "privateKeyType",
         "privateKeyCreatedDate")  # fmt: skip
# The newest agents without the member, the oldest with it, and unknown versions.
OLD, NEW, UNKNOWN = ("2.3.0.0", "3.3.987.0", "3.3.4792.0"), ("3.3.4793.0", "3.3.5226.0", "3.3.9999.0"), ("", "local")


@pytest.fixture
def service() -> Iterator[LocalService]:
    with LocalService() as local:
        yield local


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(str(tmp_path / "ssm" / "Vault"), state=str(tmp_path / "state"))


def flow(vault: Vault, service: LocalService, machine: RecordedMachine | None = None) -> Registration:
    return Registration(vault, machine or RecordedMachine(MACHINE), policy="strict", endpoint=service.endpoint)


def register(vault: Vault, service: LocalService, **options: Any) -> RegistrationRecord:
    machine = options.pop("machine", None)
    made = service.activation()
    return flow(vault, service, machine).register(made.id, made.code, REGION, **options)


def members(vault: Vault) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(Path(vault.data_path("RegistrationKey")).read_bytes())
    return values


# The record.

STRINGS = st.text(st.characters(codec="utf-8"), max_size=12)


@given(
    st.lists(STRINGS, min_size=8, max_size=8),
    st.one_of(st.none(), STRINGS),
    st.lists(STRINGS, unique=True, max_size=3),
)
def test_a_record_of_any_agent_is_rewritten_to_the_byte(
    values: list[str], provider: str | None, later: list[str]
) -> None:
    """Go writes the members in this order; a future agent adds its own after them."""
    written: dict[str, Any] = dict(zip(EIGHT, values, strict=True))
    if provider is not None:
        written["provider"] = provider
        written.update({f"later{number}": value for number, value in enumerate(later)})
    data = dumps(written)
    record = decode_registration(data, "here")
    assert record.provider == provider
    assert encode_registration(record) == data


@pytest.mark.parametrize(
    ("text", "provider"),
    [
        ("{}", None), ('{"provider":null}', ""), ('{"Provider":"EC2"}', "EC2"), ('{"provider":"Az\\u0075re"}', "Azure"),
        ('{"provider":"EC2","provider":"Azure"}', "Azure"), ('{"provider":"Azure","provider":null}', "Azure"),
    ],
)  # fmt: skip
def test_the_member_reads_as_go_reads_it(text: str, provider: str | None) -> None:
    assert decode_registration(text.encode(), "here").provider == provider


@pytest.mark.parametrize("value", ["1", "true", "[]", '{"a":1}', "1.5"])
def test_a_provider_that_is_no_string_is_corrupt(value: str) -> None:
    with pytest.raises(VaultCorrupt, match="provider is"):
        decode_registration(b'{"provider":' + value.encode() + b"}", "here")


@pytest.mark.parametrize("provider", [None, "", *PROVIDERS, "Other"])
def test_each_of_our_writers_keeps_the_member_and_adds_none(
    vault: Vault, service: LocalService, provider: str | None
) -> None:
    register(vault, service)
    with vault.edit() as edit:
        edit.store_registration(vault.read_registration().replace(provider=provider), why="an agent wrote it")
    path = Path(vault.data_path("RegistrationKey"))
    before = path.read_bytes()
    flow(vault, service).rotate_key()
    names = [*EIGHT, *([] if provider is None else ["provider"])]
    assert (list(members(vault)), members(vault).get("provider")) == (names, provider)
    rotated = path.read_bytes()
    assert rotated != before
    number = max(one["number"] for one in vault.history.entries() if one["key"] == "RegistrationKey")
    done = run("--vault", vault.path, "vault", "restore", str(number), "--key", "registration", "--yes",
               env=environment(Path(vault.state)))  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert path.read_bytes() == before


@pytest.mark.parametrize("provider", [None, "", *PROVIDERS])
def test_a_cleared_registration_has_the_agents_members(
    vault: Vault, service: LocalService, provider: str | None
) -> None:
    register(vault, service)
    with vault.edit() as edit:
        edit.store_registration(vault.read_registration().replace(provider=provider), why="an agent wrote it")
    flow(vault, service).deregister()
    names = [*EIGHT, *([] if provider is None else ["provider"])]
    assert list(members(vault).items()) == [(name, "") for name in names]


@pytest.mark.parametrize("present", [None, "", "Azure"], ids=["eight members", "empty", "Azure"])
@pytest.mark.parametrize("version", [*OLD, *NEW, *UNKNOWN, *(row.since for row in ROWS)])
@pytest.mark.parametrize("asked", ["", "EC2", "Azure"])
def test_the_record_has_the_members_of_the_installed_agent(asked: str, version: str, present: str | None) -> None:
    member = member_for(asked, version, present)
    if asked:
        assert member == asked
    elif version in UNKNOWN:
        assert member == (None if present is None else "")
    else:
        newer = [int(part) for part in version.split(".")] >= [3, 3, 4793, 0]
        assert reads_provider(version) is newer
        assert member == ("" if newer else None)


@pytest.mark.parametrize("text", ["azure", "AZURE", "Azure"])
def test_a_provider_is_named_in_any_spelling_and_sent_in_one(text: str) -> None:
    assert provider_named(text) == "Azure"


@pytest.mark.parametrize("text", ["", "gcp", "azure ", "EC", "aws", "Ázure", "\n"])
def test_another_provider_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError, match="no such provider"):
        provider_named(text)


# Registering.


@pytest.mark.parametrize("provider", ["", "ec2", "azure"])
def test_the_request_has_the_provider_if_one_is_named(provider: str) -> None:
    bodies: list[bytes] = []

    def answer(_: Server, connection: socket.socket) -> None:
        with connection.makefile("rb") as request:
            head = iter(request.readline, b"\r\n")
            [length] = [int(line.split(b":")[1]) for line in head if line.lower().startswith(b"content-length:")]
            bodies.append(request.read(length))
        text = b'{"InstanceId":"mi-0123456789abcdef0"}'
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text))

    key, named = NodeKey.generate(), provider_named(provider) if provider else ""
    with Server(answer) as server:
        client = ServiceClient(REGION, endpoint=f"http://127.0.0.1:{server.port}")
        client.register("1" * 36, "2" * 20, "f", key, named)
    [body] = bodies
    expected = {"ActivationCode": "2" * 20, "ActivationId": "1" * 36, "Fingerprint": "f"}
    expected |= {"Provider": named} if named else {}
    expected |= {"PublicKey": key.public(), "PublicKeyType": "Rsa"}
    assert list(json.loads(body).items()) == list(expected.items())


def agent(directory: Path, version: str | None) -> RecordedMachine:
    """Return a machine with an agent of a version; None for no agent."""
    machine = AgentMachine(directory)
    program = "/usr/bin/amazon-ssm-agent"
    if version is None:
        machine.remove(program)
    else:
        machine.command((program, "-version"), f"SSM Agent version: {version}\n")
    return machine.machine


@pytest.mark.parametrize("provider", ["", "azure", "EC2"])
@pytest.mark.parametrize("version", [None, *OLD, *NEW])
def test_a_registration_has_the_provider_here_and_at_the_service(
    vault: Vault, service: LocalService, tmp_path: Path, version: str | None, provider: str,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    machine = agent(tmp_path, version)
    planned = register(vault, service, machine=machine, provider=provider, dry_run=True)
    caplog.clear()
    record = register(vault, service, machine=machine, provider=provider)
    named = provider_named(provider) if provider else ""
    assert planned.provider == record.provider == vault.read_registration().provider
    assert record.provider == (named or ("" if version in NEW else None))
    assert list(members(vault))[-1] == ("privateKeyCreatedDate" if record.provider is None else "provider")
    assert service.nodes()[0]["provider"] == (named or None)
    warned = "does not know providers" in caplog.text
    assert warned == (bool(provider) and version in OLD)
    if warned:
        assert f"the installed agent {version}" in caplog.text
        assert "Update it to 3.3.4793 or later" in caplog.text


def test_a_program_that_others_may_write_is_not_run(vault: Vault, service: LocalService, tmp_path: Path) -> None:
    machine = AgentMachine(tmp_path)
    machine.file("/usr/bin/amazon-ssm-agent", None, 0o777)
    machine.command(("/usr/bin/amazon-ssm-agent", "-version"), "SSM Agent version: 3.3.5226.0\n")
    assert register(vault, service, machine=machine.machine).provider is None


@pytest.mark.parametrize(("before", "after"), [("azure", ""), ("azure", "ec2"), ("", "azure")])
def test_another_registration_has_its_own_provider(
    vault: Vault, service: LocalService, before: str, after: str
) -> None:
    register(vault, service, provider=before)
    record = register(vault, service, provider=after, again=True)
    assert (record.provider or "") == (provider_named(after) if after else "")
    assert [node["provider"] for node in service.nodes()] == [
        provider_named(one) if one else None for one in (before, after)
    ]  # fmt: skip


# A registration that was interrupted.


def interrupted(vault: Vault, service: LocalService, provider: str) -> None:
    """Let the service make a node whose answer is lost."""
    made = service.activation()
    service.drop_next(REGISTER, after=True, times=4)
    with pytest.raises(Unreachable):
        flow(vault, service).register(made.id, made.code, REGION, provider=provider)


@pytest.mark.parametrize("provider", ["", "ec2", "azure"])
def test_a_finished_registration_has_the_requested_provider(vault: Vault, service: LocalService, provider: str) -> None:
    interrupted(vault, service, provider)
    node = service.nodes()[0]
    record = flow(vault, service).finish(node["id"])
    assert record is not None
    assert (record.provider or "") == (node["provider"] or "") == (provider_named(provider) if provider else "")
    assert flow(vault, service).role_token()


@pytest.mark.parametrize("later", ["", "ec2", "azure"])
@pytest.mark.parametrize("first", ["", "ec2", "azure"])
def test_a_request_is_sent_again_with_the_same_provider_only(
    vault: Vault, service: LocalService, first: str, later: str
) -> None:
    """Else nodes with two providers would have one key, and it would be unknown which one is finished."""
    interrupted(vault, service, first)
    [lost] = pending(vault)
    nodes = len(service.nodes())
    register(vault, service, provider=later)
    made = service.nodes()[nodes:]
    assert {node["publicKey"] == lost.public_key for node in made} == {first == later}
    for node in service.nodes():
        key = NodeKey.decode(vault.read_registration().private_key, "here").public()
        if node["publicKey"] == key:
            assert (node["provider"] or "") == (vault.read_registration().provider or "")
    if first != later:
        # The node of the lost answer can still be finished, with its own provider.
        record = flow(vault, service).finish(service.nodes()[0]["id"])
        assert record is not None
        assert (record.provider or "") == (service.nodes()[0]["provider"] or "")


def test_a_slower_registration_with_another_provider_is_refused(vault: Vault, service: LocalService) -> None:
    waits = flow(vault, service)
    made = service.activation()
    original = waits._provider_member

    def another_is_faster(asked: str, present: RegistrationRecord) -> str | None:
        register(vault, service)
        return original(asked, present)

    waits._provider_member = another_is_faster  # type: ignore[method-assign]
    with pytest.raises(Refused, match="already registered"):
        waits.register(made.id, made.code, REGION, provider="azure")
    assert len(service.nodes()) == 1


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
