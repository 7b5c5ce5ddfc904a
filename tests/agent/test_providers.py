"""Providers: in the record of any writer, in the request, and in a registration that is finished later."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_machines import AgentMachine
from commandline import environment, run
from fingerprint import Vault
from fingerprint._core import dumps
from fingerprint.agent.providers import PROVIDERS, member_for, provider_named, reads_provider
from fingerprint.agent.versions import ROWS
from fingerprint.errors import Refused, UsageError, VaultCorrupt
from fingerprint.machine.recorded import RecordedMachine
from fingerprint.registration import ServiceClient
from fingerprint.registration.keys import NodeKey
from fingerprint.testing import LocalService
from fingerprint.types import RegistrationRecord
from fingerprint.vault.pending_registration import pending
from fingerprint.vault.records import decode_registration, encode_registration
from provider_registrations import REGION, flow, interrupted, register
from servers import Server

EIGHT = ("instanceID", "region", "instanceType", "availabilityZone", "privateKey", "publicKey", "privateKeyType",
         "privateKeyCreatedDate")  # fmt: skip
# The newest agents without the member, the oldest with it, and unknown versions.
OLD, NEW, UNKNOWN = ("2.3.0.0", "3.3.987.0", "3.3.4792.0"), ("3.3.4793.0", "3.3.5226.0", "3.3.9999.0"), ("", "local")
pytestmark = pytest.mark.usefixtures("quick_retries")


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
