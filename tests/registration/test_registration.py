"""Registration, token gate and key rotation against a real local service, and the wire against the real agent's."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import subprocess
import threading
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.httpsession import URLLib3Session

from event_machines import before_and_after
from fingerprint import Policy, Vault
from fingerprint._io.times import age_in_days, created_date
from fingerprint.errors import (
    AccessDenied,
    ActivationExpired,
    ActivationInvalid,
    BadAnswer,
    FingerprintError,
    FingerprintMismatch,
    KeyUnusable,
    NotRegistered,
    Refused,
    RegistrationLimitExceeded,
    ServiceError,
    ServiceMismatch,
    Unreachable,
    UsageError,
    VaultUnreadable,
)
from fingerprint.machine.recorded import RecordedMachine
from fingerprint.registration import signing
from fingerprint.registration.client import ServiceClient
from fingerprint.registration.flow import Registration
from fingerprint.registration.keys import NodeKey, verify
from fingerprint.registration.rotation import KeyRotation
from fingerprint.testing import LocalService
from fingerprint.vault.files import Directory
from shared import VECTORS, needs_vectors

BEFORE, AFTER = before_and_after("os-upgrade")
REGION = "eu-west-1"


@pytest.fixture
def service() -> Iterator[LocalService]:
    with LocalService() as local:
        yield local


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries as always, without their pauses."""
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(str(tmp_path / "ssm" / "Vault"), state=str(tmp_path / "state"))


def registration(
    vault: Vault, service: LocalService, machine: dict[str, Any] = BEFORE, policy: str = "regenerate"
) -> Registration:
    return Registration(vault, RecordedMachine(machine), policy=policy, endpoint=service.endpoint)


def registered(vault: Vault, service: LocalService) -> Registration:
    made = service.activation()
    flow = registration(vault, service)
    flow.register(made.id, made.code, REGION)
    return flow


def test_a_registration_is_stored_as_the_agent_stores_it(vault: Vault, service: LocalService) -> None:
    flow = registered(vault, service)
    record = vault.read_registration()
    [node] = service.nodes()
    assert (record.instance_id, record.region) == (node["id"], REGION)
    assert node["fingerprint"] == vault.read().fingerprint
    data = json.loads(Path(vault.data_path("RegistrationKey")).read_text())
    assert list(data) == ["instanceID", "region", "instanceType", "availabilityZone", "privateKey", "publicKey",
                          "privateKeyType", "privateKeyCreatedDate"]  # fmt: skip
    key = NodeKey.decode(record.private_key, "here")
    assert key.public() == node["publicKey"]
    assert len(key.public()) == 392
    file = Path(vault.path).parent / "registration"
    assert json.loads(file.read_text()) == {"ManagedInstanceID": node["id"], "Region": REGION}
    assert file.stat().st_mode & 0o777 == 0o600
    assert flow.record() == record
    assert vault.evidence.for_record(vault.read()) is not None


def test_credentials_come_after_the_gate(vault: Vault, service: LocalService) -> None:
    credentials = registered(vault, service).role_token()
    assert credentials.access_key_id.startswith("ASIA")
    assert credentials.expires_at > service.clock() + 3000
    assert credentials.secret_access_key not in repr(credentials)
    assert credentials.session_token not in repr(credentials)


def test_a_fingerprint_that_fits_is_kept_on_registering_again(vault: Vault, service: LocalService) -> None:
    registered(vault, service)
    before = vault.read()
    made = service.activation()
    with pytest.raises(Refused, match="already registered"):
        registration(vault, service).register(made.id, made.code, REGION)
    registration(vault, service).register(made.id, made.code, REGION, again=True)
    assert vault.read() == before
    assert len(service.nodes()) == 2


def test_a_dry_run_asks_nobody_and_writes_nothing(vault: Vault, service: LocalService) -> None:
    made = service.activation()
    registration(vault, service).register(made.id, made.code, REGION, dry_run=True)
    assert service.requests() == []
    assert not Path(vault.path).exists()


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (lambda s: s.activation(seconds=-1), ActivationExpired),
        (lambda s: s.activation(limit=0), RegistrationLimitExceeded),
        (lambda s: type(s.activation())("1" * 36, "2" * 20), ActivationInvalid),
    ],
)
def test_a_refused_activation_changes_nothing(
    vault: Vault, service: LocalService, spoil: Callable[[LocalService], Any], error: type[ServiceError]
) -> None:
    registered(vault, service)
    before = {path: path.read_bytes() for path in Path(vault.path).rglob("*") if path.is_file()}
    made = spoil(service)
    with pytest.raises(error) as caught:
        registration(vault, service).register(made.id, made.code, REGION, again=True)
    assert caught.value.exit_code == 5
    assert made.code not in str(caught.value)
    assert {path: path.read_bytes() for path in Path(vault.path).rglob("*") if path.is_file()} == before


def test_what_is_no_activation_is_not_sent(vault: Vault, service: LocalService) -> None:
    with pytest.raises(UsageError):
        registration(vault, service).register("short", "short", REGION)
    assert service.requests() == []


def test_by_strict_no_request_leaves_and_nothing_is_written(vault: Vault, service: LocalService) -> None:
    registered(vault, service)
    before = Path(vault.data_path("InstanceFingerprint")).read_bytes()
    asked = len(service.requests())
    with pytest.raises(FingerprintMismatch):
        registration(vault, service, AFTER, "strict").role_token()
    assert len(service.requests()) == asked
    assert Path(vault.data_path("InstanceFingerprint")).read_bytes() == before


def test_by_regenerate_the_new_fingerprint_is_sent_and_refused(vault: Vault, service: LocalService) -> None:
    registered(vault, service)
    before = vault.read()
    with pytest.raises(ServiceMismatch) as caught:
        registration(vault, service, AFTER).role_token()
    assert caught.value.code == "MachineFingerprintDoesNotMatch"
    assert vault.read().fingerprint != before.fingerprint
    assert any(entry["record"] and before.fingerprint in entry["record"] for entry in vault.history.entries())


def test_a_clone_is_refused_and_the_original_goes_on(vault: Vault, service: LocalService, tmp_path: Path) -> None:
    """With a threshold that sees a clone; the usual 40 does not."""
    original, copy = before_and_after("clone")
    made = service.activation()
    flow = registration(vault, service, original)
    flow.register(made.id, made.code, REGION, threshold=60)
    shutil.copytree(vault.path, tmp_path / "copy" / "Vault")
    clone = Vault(str(tmp_path / "copy" / "Vault"), state=str(tmp_path / "other state"))
    with pytest.raises(ServiceMismatch):
        registration(clone, service, copy).role_token()
    assert flow.role_token().access_key_id


def test_without_a_registration_nothing_is_sent(vault: Vault, service: LocalService) -> None:
    with pytest.raises(NotRegistered):
        registration(vault, service).role_token()
    flow = registered(vault, service)
    flow.deregister()
    with pytest.raises(NotRegistered):
        flow.role_token()
    assert not (Path(vault.path).parent / "registration").exists()
    assert any(entry["key"] == "RegistrationKey" for entry in vault.history.entries())


def test_a_malformed_key_fails_here(vault: Vault, service: LocalService) -> None:
    flow = registered(vault, service)
    with vault.edit() as edit:
        edit.store_registration(vault.read_registration().replace(private_key="bm8ga2V5"), why="test")
    asked = len(service.requests())
    with pytest.raises(KeyUnusable):
        flow.role_token()
    assert len(service.requests()) == asked


def test_damage_to_any_byte_of_a_key_is_found_here() -> None:
    """Else a request would leave with a signature that nobody accepts."""
    key = NodeKey.generate()
    der = bytearray(b64decode(key.encode()))
    for position in range(len(der)):
        der[position] ^= 1 << position % 8
        try:
            other = NodeKey.decode(b64encode(der).decode(), "here")
        except KeyUnusable:
            continue
        finally:
            der[position] ^= 1 << position % 8
        assert other.encode() == key.encode()
    for length in range(len(der)):
        with pytest.raises(KeyUnusable):
            NodeKey.decode(b64encode(der[:length]).decode(), "here")


def test_deregistered_node_is_reported(vault: Vault, service: LocalService) -> None:
    flow = registered(vault, service)
    service.deregister(flow.record().instance_id)
    with pytest.raises(AccessDenied):
        flow.role_token()


def test_a_wrong_clock_is_refused(vault: Vault, service: LocalService) -> None:
    flow = registered(vault, service)
    late = Registration(
        vault, RecordedMachine(BEFORE), policy="regenerate",
        client=lambda region: ServiceClient(region, endpoint=service.endpoint, clock=lambda: service.clock() - 900),
    )  # fmt: skip
    with pytest.raises(ServiceError, match="InvalidSignatureException"):
        late.role_token()
    assert flow.role_token()


def test_a_busy_service_is_asked_again_signed_afresh(vault: Vault, service: LocalService) -> None:
    flow = registered(vault, service)
    service.fail_next("RequestManagedInstanceRoleToken", "ThrottlingException", times=2)
    assert flow.role_token()
    service.fail_next("RequestManagedInstanceRoleToken", "InternalServerError", 500, times=4)
    with pytest.raises(Unreachable, match="busy") as caught:
        flow.role_token()
    assert caught.value.exit_code == 6


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (200, b"{", BadAnswer), (200, b"<html>", BadAnswer), (200, b"{}", BadAnswer), (200, b"[]", BadAnswer),
        (200, b'{"AccessKeyId":"A","SecretAccessKey":"s","TokenExpirationDate":1}', BadAnswer),
        (302, b"", BadAnswer), (200, b'{"a":"' + b"x" * 10_000_000 + b'"}', BadAnswer),
        (400, b'{"__type":"com.amazonaws.ssm#SomethingNew","message":"x"}', ServiceError),
        (400, b'{"__type":"com.amazonaws.ssm#MachineFingerprintDoesNotMatch"}', ServiceMismatch),
    ],
)  # fmt: skip
def test_an_answer_that_is_none_is_named_and_changes_nothing(
    vault: Vault, service: LocalService, status: int, body: bytes, error: type[ServiceError]
) -> None:
    flow = registered(vault, service)
    before = {path: path.read_bytes() for path in Path(vault.path).rglob("*") if path.is_file()}
    headers = {"Location": "http://192.0.2.1/"} if status == 302 else {}
    service.answer_next("RequestManagedInstanceRoleToken", status, body, headers)
    with pytest.raises(error) as caught:
        flow.role_token()
    assert caught.value.exit_code == 5
    assert {path: path.read_bytes() for path in Path(vault.path).rglob("*") if path.is_file()} == before


def test_no_network_is_unreachable(vault: Vault, service: LocalService) -> None:
    registered(vault, service)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    for endpoint in (f"http://127.0.0.1:{port}", "https://nowhere.invalid"):
        with pytest.raises(Unreachable) as caught:
            Registration(vault, RecordedMachine(BEFORE), policy="regenerate", endpoint=endpoint).role_token()
        assert caught.value.exit_code == 6


def test_endpoint_that_exposes_secrets_is_refused(
    vault: Vault, service: LocalService, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = registered(vault, service)
    for endpoint in ("http://192.0.2.1", "http://127.0.0.1.example.org", "ftp://localhost", "localhost"):
        with pytest.raises(UsageError, match=r"not safe|cannot be used"):
            Registration(vault, RecordedMachine(BEFORE), policy="regenerate", endpoint=endpoint).role_token()
    monkeypatch.setenv("AWS_ENDPOINT_URL_SSM", "http://192.0.2.1")
    with pytest.raises(UsageError, match="not safe"):
        Registration(vault, RecordedMachine(BEFORE), policy="regenerate").role_token()
    monkeypatch.setenv("AWS_ENDPOINT_URL_SSM", service.endpoint)
    assert Registration(vault, RecordedMachine(BEFORE), policy="regenerate").role_token()
    assert flow.role_token()


def test_an_answer_that_never_ends_is_given_up(vault: Vault, service: LocalService) -> None:
    """One byte at a time, always in time for a limit that only applies to the next one."""
    registered(vault, service)
    flow = Registration(
        vault, RecordedMachine(BEFORE), policy="regenerate",
        client=lambda region: ServiceClient(region, endpoint=service.endpoint, timeout=0.3),
    )  # fmt: skip
    for _ in range(4):
        service.drip_next("RequestManagedInstanceRoleToken", seconds=0.1)
    begin = time.monotonic()
    with pytest.raises(Unreachable):
        flow.role_token()
    assert time.monotonic() - begin < 30
    assert registration(vault, service).role_token()


def test_requests_go_through_a_proxy_and_only_there(vault: Vault, service: LocalService) -> None:
    registered(vault, service)
    seen: list[str] = []

    class Proxy(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            seen.append(self.path)
            self.send_error(503)

        def log_message(self, format: str, *args: Any) -> None:
            return

    proxy = HTTPServer(("127.0.0.1", 0), Proxy)
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{proxy.server_address[1]}"
    asked = len(service.requests())
    try:
        with pytest.raises(Unreachable):
            Registration(
                vault, RecordedMachine(BEFORE), policy="regenerate", endpoint=service.endpoint, proxy=url
            ).role_token()
    finally:
        proxy.shutdown()
        proxy.server_close()
    assert len(seen) == 4
    assert set(seen) == {f"{service.endpoint}/"}
    assert len(service.requests()) == asked


def test_a_server_without_a_trusted_certificate_is_unreachable(
    vault: Vault, service: LocalService, tmp_path: Path
) -> None:
    registered(vault, service)
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(tmp_path / "k"), "-out",
               str(tmp_path / "c"), "-days", "1", "-subj", "/CN=localhost"]  # fmt: skip
    try:
        subprocess.run(command, capture_output=True, check=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        pytest.skip("openssl makes the certificate")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "c", tmp_path / "k")
    server = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        flow = Registration(
            vault,
            RecordedMachine(BEFORE),
            policy="regenerate",
            endpoint=f"https://127.0.0.1:{server.server_address[1]}",
        )
        with pytest.raises(Unreachable, match="TLS handshake failed"):
            flow.role_token()
    finally:
        server.shutdown()
        server.server_close()


def keys(vault: Vault, service: LocalService) -> tuple[str, str]:
    """Return the public halves of the key here and of the service's."""
    own = NodeKey.decode(vault.read_registration().private_key, "here").public()
    return own, service.nodes()[0]["publicKey"]


def test_a_key_is_changed_when_the_service_asks(vault: Vault, service: LocalService) -> None:
    flow = registered(vault, service)
    old, _ = keys(vault, service)
    service.ask_for_rotation(flow.record().instance_id)
    assert flow.role_token().update_key_pair
    here, there = keys(vault, service)
    assert here == there != old
    assert not flow.role_token().update_key_pair


UPDATE = "UpdateManagedInstancePublicKey"
OUTCOMES: dict[str, Callable[[LocalService], None]] = {
    "success": lambda service: None,
    "InternalServerError, unchanged": lambda service: service.fail_next(UPDATE, "InternalServerError", 500, times=4),
    "ThrottlingException, unchanged": lambda service: service.fail_next(UPDATE, "ThrottlingException", times=4),
    "AccessDeniedException, unchanged": lambda service: service.fail_next(UPDATE, "AccessDeniedException"),
    "no answer, unchanged": lambda service: service.drop_next(UPDATE, times=4),
    "no answer, but changed": lambda service: service.drop_next(UPDATE, after=True, times=4),
    "not JSON, unchanged": lambda service: service.answer_next(UPDATE, 200, b"{"),
}


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_rotation_always_ends_with_an_accepted_key(vault: Vault, service: LocalService, outcome: str) -> None:
    """Where the reference keeps a key that the service does not know, and the registration is lost."""
    flow = registered(vault, service)
    service.ask_for_rotation(flow.record().instance_id)
    OUTCOMES[outcome](service)
    assert flow.role_token()
    here, there = keys(vault, service)
    # An answer that says "done" and does nothing is only noticed by the next request.
    assert here == there or outcome == "not JSON, unchanged"
    assert flow.role_token()
    here, there = keys(vault, service)
    assert here == there


@pytest.mark.parametrize("step", ["written ahead", "sent", "stored"])
def test_kill_between_two_steps_ends_with_an_accepted_key(
    vault: Vault, service: LocalService, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = registered(vault, service)

    class Killed(BaseException):
        pass

    def killed(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        if step == "written ahead":
            patch.setattr(ServiceClient, "update_key", killed)
        elif step == "sent":
            patch.setattr(KeyRotation, "_store", killed)
        else:
            real = KeyRotation._store

            def store(self: KeyRotation, *arguments: Any) -> None:
                real(self, *arguments)
                raise Killed

            patch.setattr(KeyRotation, "_store", store)
        with pytest.raises(Killed):
            flow.rotate_key()
    again = registration(Vault(vault.path, state=vault.state), service)
    assert again.role_token()
    here, there = keys(vault, service)
    assert here == there


@pytest.mark.parametrize("times", [1, 2])
def test_key_that_only_the_service_stored_is_recovered(
    vault: Vault, service: LocalService, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = registered(vault, service)
    real = Directory.put

    def fails(self: Directory, name: str, data: bytes, *more: Any) -> None:
        if name == "RegistrationKey":
            raise VaultUnreadable("could not write it (Input/output error)", where=name)
        real(self, name, data, *more)

    for _ in range(times):
        with monkeypatch.context() as patch:
            patch.setattr(Directory, "put", fails)
            with pytest.raises(VaultUnreadable):
                flow.rotate_key()
        here, there = keys(vault, service)
        assert here != there
        again = registration(Vault(vault.path, state=vault.state), service)
        assert again.role_token()
        here, there = keys(vault, service)
        assert here == there


def test_neither_key_is_thrown_away_while_the_service_is_gone(vault: Vault, service: LocalService) -> None:
    flow = registered(vault, service)
    service.drop_next(UPDATE, after=True, times=4)
    service.drop_next("RequestManagedInstanceRoleToken", times=4)
    with pytest.raises(ServiceError, match="unknown which of two keys"):
        flow.rotate_key()
    assert flow.role_token()
    here, there = keys(vault, service)
    assert here == there


def test_secrets_are_nowhere_but_where_they_belong(
    vault: Vault, service: LocalService, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", logger="fingerprint")
    made = service.activation()
    flow = registration(vault, service)
    flow.register(made.id, made.code, REGION)
    credentials = flow.role_token()
    private = vault.read_registration().private_key
    shown = caplog.text + repr(flow.__dict__) + repr(credentials) + repr(vault.read_registration()) + repr(made)
    try:
        flow.register(made.id, made.code, REGION)
    except FingerprintError as error:
        shown += str(error) + repr(error.facts())
    secrets = {
        "code": made.code,
        "key": private,
        "secret": credentials.secret_access_key,
        "token": credentials.session_token,
    }
    for name, secret in secrets.items():
        assert secret not in shown, name
        files = [path for path in tmp_path.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]
        allowed = {Path(vault.data_path("RegistrationKey")), Path(vault.history.path)} if name == "key" else set()
        assert set(files) <= allowed, name
        assert all(path.stat().st_mode & 0o077 == 0 for path in files)


# The wire, against what the real agent sent.


@needs_vectors
def test_canonical_requests_and_signatures_are_the_agents() -> None:
    recorded = json.loads((VECTORS / "rsa_signing.json").read_text())
    text = (VECTORS / "rsa2048_pkcs1_b64.txt").read_text()
    key = NodeKey.decode(text, "here")
    assert key.encode() == text.strip()
    assert key.public() == recorded["public_key_b64_spki"]
    for case in recorded["vectors"]:
        headers, body = case["headers"], case["body"].encode()
        date, target = headers["X-Amz-Date"], headers["X-Amz-Target"]
        canonical = signing.canonical_request(headers["Content-Type"], case["host"], date, target, body)
        assert canonical == case["canonical_request"]
        signed = signing.string_to_sign(date, case["region"], canonical)
        assert signed == case["string_to_sign"]
        assert verify(key.public(), signed.encode(), case["one_valid_signature"])
        ours = signing.signed_headers(
            key, case["instance_id"], case["region"], case["host"], date, target, headers["Content-Type"], body
        )
        assert ours["X-Amz-Content-Sha256"] == case["x_amz_content_sha256"]
        assert (
            ours["Authorization"].rpartition("=")[0].rpartition("Signature")[0]
            == (case["authorization"].partition("Signature=")[0])
        )
        assert verify(key.public(), signed.encode(), ours["Authorization"].partition("Signature=")[2])


EXCHANGES = sorted((VECTORS / "wire").glob("*.json")) if VECTORS.is_dir() else []


# The others never left the machine.
WITH_REQUESTS = [path for path in EXCHANGES if json.loads(path.read_text())["requests"]]


AGENTS_REGISTRATION = (
    json.loads((VECTORS / "wire" / "token_ok.json").read_text())["vault_before"]["RegistrationKey"] if EXCHANGES else {}
)


def _plain(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


@needs_vectors
@pytest.mark.parametrize("path", WITH_REQUESTS, ids=lambda p: p.stem)
def test_a_request_has_the_members_and_headers_of_the_agents(path: Path, service: LocalService, tmp_path: Path) -> None:
    """What botocore adds to its requests is its own; what the agent sends must be there, with the same meaning."""
    exchange = json.loads(path.read_text())
    seen: list[tuple[str, dict[str, str], dict[str, Any]]] = []
    key = NodeKey.generate()

    client = ServiceClient(REGION, endpoint=service.endpoint)
    client._client.meta.events.register(
        "before-send.ssm",
        lambda request, **_: seen.append(
            (_plain(request.headers["X-Amz-Target"]), dict(request.headers), json.loads(request.body))
        ),
    )
    for request in exchange["requests"]:
        shown = json.loads(request["body"])
        seen.clear()
        try:
            if request["operation"] == "RegisterManagedInstance":
                client.register(shown["ActivationId"], shown["ActivationCode"], shown["Fingerprint"], key)
            elif request["operation"] == "RequestManagedInstanceRoleToken":
                client.role_token("mi-0123456789abcdef0", key, shown["Fingerprint"])
            else:
                client.update_key("mi-0123456789abcdef0", key, key)
        except ServiceError:
            pass
        target, headers, body = seen[0]
        theirs = dict(request["headers"])
        assert target == theirs["X-Amz-Target"]
        assert list(body) == list(shown)
        assert {n: v for n, v in body.items() if "Key" not in n or n.endswith("Type")} == {
            n: v for n, v in shown.items() if "Key" not in n or n.endswith("Type")
        }
        present = {name: _plain(value) for name, value in headers.items()}
        for name in ("Content-Type", "X-Amz-Target"):
            assert present[name] == theirs[name]
        for name in ("Authorization", "X-Amz-Date", "X-Amz-Content-Sha256"):
            assert (name in present) == (name in theirs), name
        if "Authorization" in theirs:
            assert (
                present["Authorization"].partition(" Credential=")[0] == theirs["Authorization"].partition(" Cred")[0]
            )
            assert "SignedHeaders=content-type;host;x-amz-date;x-amz-target" in present["Authorization"]


@needs_vectors
@pytest.mark.parametrize("path", WITH_REQUESTS, ids=lambda p: p.stem)
def test_the_local_service_takes_what_the_real_agent_sent(path: Path) -> None:
    """The recorded bytes, chunked bodies and all, at the time of their signatures and in their order."""
    exchange = json.loads(path.read_text())
    key = (exchange.get("vault_before") or {}).get("RegistrationKey") or AGENTS_REGISTRATION
    moment = [0.0]
    answers = []
    with LocalService(clock=lambda: moment[0]) as local:
        for request in exchange["requests"]:
            moment[0] = request["received_unix"]
            shown = json.loads(request["body"])
            if request["operation"] == "RegisterManagedInstance":
                local._database.execute(
                    "INSERT OR REPLACE INTO activation VALUES (?, ?, 9, ?)",
                    (shown["ActivationId"], shown["ActivationCode"], moment[0] + 60),
                )
            elif not local.nodes():
                public = NodeKey.decode(key["privateKey"], "here").public()
                local._database.execute(
                    "INSERT INTO node (id, public_key, fingerprint, registered, rotate, active) "
                    "VALUES (?, ?, ?, ?, 0, 1)",
                    (key["instanceID"], public, shown.get("Fingerprint", ""), 0.0),
                )
            answers.append(_sent(local, b64decode(request["raw_base64"])))
    assert answers[0].startswith(b"HTTP/1.1 200"), answers[0][:300]
    # Once the key is another one here, requests with the old one are denied, and nothing else is ever wrong.
    assert all(b" 200 " in answer[:15] or b"AccessDeniedException" in answer for answer in answers), answers


def _sent(local: LocalService, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", int(local.endpoint.rpartition(":")[2])), timeout=10) as connection:
        connection.sendall(request)
        return connection.recv(65536)


def test_the_sign_of_life_of_an_agent_is_signed_with_its_role(vault: Vault, service: LocalService) -> None:
    """botocore signs it as the agent does; without that the agent hibernates."""
    flow = registered(vault, service)
    node, token = flow.record().instance_id, flow.role_token()

    def ping(instance_id: str, secret: str, session: str) -> str:
        headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "AmazonSSM.UpdateInstanceInformation"}
        body = json.dumps({"AgentVersion": "3.3.0.0", "InstanceId": instance_id, "PlatformType": "Linux"})
        request = AWSRequest("POST", f"{service.endpoint}/", headers, body)
        SigV4Auth(Credentials(token.access_key_id, secret, session), "ssm", REGION).add_auth(request)
        answer = URLLib3Session().send(request.prepare())
        return str(json.loads(answer.content).get("__type", ""))

    secret, session = token.secret_access_key, token.session_token
    assert ping(node, secret, session) == ""
    assert ping("mi-00000000000000000", secret, session) == "InvalidInstanceId"
    assert ping(node, "x" * 40, session) == "InvalidSignatureException"
    assert ping(node, secret, "another") == "UnrecognizedClientException"
    service.deregister(node)
    assert ping(node, secret, session) == "UnrecognizedClientException"


def test_dates_of_keys_are_printed_as_go_prints_them() -> None:
    assert created_date(1_795_488_713_573_742_900) == "2026-11-24 02:51:53.5737429 +0000 UTC"
    assert created_date(1_795_488_713_000_000_000) == "2026-11-24 02:51:53 +0000 UTC"


NOON = 1_709_208_000.0  # 2024-02-29 12:00:00 UTC


@pytest.mark.parametrize(
    ("created", "days"),
    [
        ("2024-02-29 12:00:00 +0000 UTC", 0), ("2024-02-28 12:00:00.123 +0000 UTC", 0),
        ("2024-02-28 12:00:00 +0000 UTC", 1), ("2024-02-28 13:00:00 +0100 CET", 1),
        ("2024-02-28 13:00:01 +0100 CET", 0), ("2024-02-28 06:30:00 -0530", 1), ("2025-01-01 00:00:00 +0000 UTC", 0),
        ("", 3650), ("yesterday", None), ("2024-02-31 00:00:00 +0000 UTC", None), ("2024-02-28", None),
    ],
)  # fmt: skip
def test_age_of_a_key_is_in_full_days_by_its_offset(created: str, days: int | None) -> None:
    assert age_in_days(created, NOON) == days


def test_an_old_key_is_changed_without_being_asked_for(vault: Vault, service: LocalService) -> None:
    flow = registered(vault, service)
    old, _ = keys(vault, service)
    later = Vault(vault.path, state=vault.state, now=lambda: time.time() + 31 * 86400)
    for days, changed in ((0, False), (32, False), (31, True)):
        Registration(
            later, RecordedMachine(BEFORE), policy="regenerate", endpoint=service.endpoint, rotate_after_days=days
        ).role_token()
        here, there = keys(vault, service)
        assert here == there
        assert (here != old) is changed
    assert flow.role_token()


def test_one_client_serves_many_threads(vault: Vault, service: LocalService) -> None:
    """Each request is signed with its own key, also while another thread asks for another node."""
    first = registered(vault, service)
    other = Vault(f"{vault.path}2", state=f"{vault.state}2")
    made = service.activation()
    registration(other, service).register(made.id, made.code, REGION)
    client = ServiceClient(REGION, endpoint=service.endpoint)
    nodes = []
    for place in (vault, other):
        record = place.read_registration()
        nodes.append((record.instance_id, NodeKey.decode(record.private_key, "x"), place.read().fingerprint))
    with ThreadPoolExecutor(8) as pool:
        tokens = list(pool.map(lambda number: client.role_token(*nodes[number % 2]), range(32)))
    assert len({token.access_key_id for token in tokens}) == 32
    assert first.role_token()


def test_a_key_hides_itself() -> None:
    key = NodeKey.generate()
    assert key.encode()[:40] not in repr(key)
    assert not verify(key.public(), b"x", "no signature")
    assert not verify(key.public(), b"x", key.sign(b"y"))
    assert Policy("strict") == Policy.STRICT
