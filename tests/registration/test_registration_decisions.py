"""Registration: each bound of what is accepted, and each way in which a request can go on, with a scripted service."""

from __future__ import annotations

import math
import socket
import threading
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from event_machines import machine, snapshot
from fingerprint import FingerprintRecord, Vault, collect
from fingerprint._io.times import created_date
from fingerprint.agent.vault_use import VaultUse
from fingerprint.errors import (
    AccessDenied,
    FingerprintError,
    KeyUnusable,
    Refused,
    RegistrationError,
    Unreachable,
    UsageError,
    VaultUnreadable,
)
from fingerprint.gate import first_record
from fingerprint.machine.recorded import RecordedMachine
from fingerprint.registration import Registration, shared_vault
from fingerprint.registration.activation import check_activation
from fingerprint.registration.keys import NodeKey, verify
from fingerprint.registration.metadata_file import forget_registration
from fingerprint.registration.responses import Unusable, is_node_id, role_credentials
from fingerprint.registration.role_token import RoleCredentials
from fingerprint.registration.routes import require_endpoint
from fingerprint.types import RegistrationRecord
from fingerprint.vault.edit import VaultEdit
from fingerprint.vault.pending_registration import pending

REGION, NODE, OTHER_NODE = "eu-west-1", "mi-0123456789abcdef0", "mi-0fedcba9876543210"
ACTIVATION, CODE = "0" * 36, "c" * 20
SAME, OTHER = snapshot(machine()), snapshot(machine(machine_id="ffeeddccbbaa99887766554433221100"))
ANSWER = {"AccessKeyId": "A" * 16, "SecretAccessKey": "s" * 16, "SessionToken": "t" * 16, "TokenExpirationDate": 2000}


def credentials_of(**changes: Any) -> RoleCredentials:
    return role_credentials({**ANSWER, **changes}, 1000.0)


@pytest.mark.parametrize(
    ("name", "least", "most"), [("AccessKeyId", 16, 128), ("SecretAccessKey", 16, 256), ("SessionToken", 16, 16384)]
)
def test_each_credential_has_its_least_and_greatest_length(name: str, least: int, most: int) -> None:
    for length, fits in ((least - 1, False), (least, True), (most, True), (most + 1, False)):
        if fits:
            made = credentials_of(**{name: "x" * length})
            assert "x" * length in (made.access_key_id, made.secret_access_key, made.session_token)
        else:
            with pytest.raises(Unusable, match=name):
                credentials_of(**{name: "x" * length})


@pytest.mark.parametrize(
    ("value", "fits"),
    [
        (1000, False), (1000.5, True), (1001, True), (1000 + 7 * 86400, True), (1001 + 7 * 86400, False), (0, False),
        (math.nan, False), (math.inf, False), (-math.inf, False), (True, False), ("2000", False), (None, False),
    ],
)  # fmt: skip
def test_an_expiration_is_within_seven_days(value: Any, fits: bool) -> None:
    if fits:
        assert credentials_of(TokenExpirationDate=value).expires_at == value
    else:
        with pytest.raises(Unusable):
            credentials_of(TokenExpirationDate=value)


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        (NODE, True),
        (NODE[:-1], False),
        (f"{NODE}0", False),
        (f"i-0{NODE[3:]}", False),
        (NODE.upper(), False),
        ("", False),
    ],
)
def test_the_id_of_a_node_is_mi_and_17_digits(text: str, fits: bool) -> None:
    assert is_node_id(text) is fits


@pytest.mark.parametrize(
    ("activation_id", "code", "fits"),
    [
        ("0" * 36, "c" * 20, True), ("0" * 35, "c" * 20, False), ("0" * 36, "c" * 19, False),
        ("0" * 36, "c" * 250, True), ("0" * 36, "c" * 251, False), ("0" * 36, "c" * 19 + "é", False),
        ("0" * 36, "c" * 19 + " c", False), ("0" * 36, "c" * 19 + "\t", False),
    ],
)  # fmt: skip
def test_only_what_can_be_an_activation_is_sent(activation_id: str, code: str, fits: bool) -> None:
    if fits:
        check_activation(activation_id, code)
    else:
        with pytest.raises(UsageError):
            check_activation(activation_id, code)


@pytest.mark.parametrize(
    ("endpoint", "fits"),
    [
        ("https://example.com", True), ("https://example.com/path", True), ("https://example.com?a=b", False),
        ("http://127.0.0.1:8080", True), ("http://localhost", True), ("http://example.com", False),
        ("https://user@example.com", False), ("ftp://example.com", False), ("no endpoint", False), ("", False),
    ],
)  # fmt: skip
def test_secrets_go_to_a_safe_endpoint_only(endpoint: str, fits: bool) -> None:
    if fits:
        require_endpoint(endpoint)
    else:
        with pytest.raises(UsageError):
            require_endpoint(endpoint)


def der(*numbers: int) -> bytes:
    """Return a PKCS#1 private key of these numbers."""
    body = b"".join(_tagged(2, number.to_bytes(number.bit_length() // 8 + 1, "big")) for number in (0, *numbers))
    return _tagged(0x30, body)


def _tagged(tag: int, data: bytes) -> bytes:
    if len(data) < 128:
        return bytes([tag, len(data)]) + data
    length = len(data).to_bytes((len(data).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + data


@pytest.fixture(scope="module")
def key() -> NodeKey:
    return NodeKey.generate()


def test_each_number_of_a_key_must_follow_from_the_others(key: NodeKey) -> None:
    private = key._key.private_numbers()
    public = private.public_numbers
    numbers = [public.n, public.e, private.d, private.p, private.q, private.dmp1, private.dmq1, private.iqmp]
    assert NodeKey.decode(b64encode(der(*numbers)).decode(), "here").public() == key.public()
    for at, number in enumerate(numbers):
        for other in (0, 1, number - 2, number + 2, number * 2):
            changed = [*numbers[:at], other, *numbers[at + 1 :]]
            with pytest.raises(KeyUnusable):
                NodeKey.decode(b64encode(der(*changed)).decode(), "here")
    for trivial in ((public.n, 1), (1, public.n)):
        with pytest.raises(KeyUnusable):
            NodeKey.decode(b64encode(der(*numbers[:3], *trivial, *numbers[5:])).decode(), "here")


def test_a_signature_is_of_its_message_and_key(key: NodeKey) -> None:
    signature = key.sign(b"message")
    assert verify(key.public(), b"message", signature) is True
    assert verify(key.public(), b"another", signature) is False
    assert verify(NodeKey.generate().public(), b"message", signature) is False
    for broken in ("", "!", signature[:-4]):
        assert verify(key.public(), b"message", broken) is False
        assert verify(broken, b"message", signature) is False


@pytest.mark.parametrize(
    ("use", "left"), [(VaultUse(), False), (VaultUse((812,)), True), (VaultUse(unknown="no /proc"), True)]
)
def test_a_key_is_rotated_only_where_no_agent_can_hold_it(
    use: VaultUse, left: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_vault, "vault_use", lambda _: use)
    reason = shared_vault.rotation_left("/some/vault")
    assert bool(reason) is left
    assert "812" in reason or not use.pids
    assert "no /proc" in reason or not use.unknown


class Service:
    """A service that answers as it is scripted to: a node's id, or an error to raise."""

    region, endpoint = REGION, "https://example.invalid"

    def __init__(self, *outcomes: str | Exception) -> None:
        self.outcomes = list(outcomes)
        self.asked: list[tuple[str, str, str]] = []
        self.accepted: dict[str, str] = {}

    def __call__(self, region: str) -> Any:
        assert region == REGION
        return self

    def register(self, activation_id: str, code: str, fingerprint: str, key: NodeKey, provider: str) -> str:
        self.asked.append((fingerprint, key.public(), provider))
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        self.accepted[outcome] = key.public()
        return outcome

    def role_token(self, node: str, key: NodeKey, fingerprint: str) -> RoleCredentials:
        if self.accepted.get(node) != key.public():
            raise AccessDenied("not this key", where=self.endpoint)
        return credentials_of()


def uncertain() -> Unreachable:
    error = Unreachable("no answer", where="here", remedy="Try again")
    error.uncertain = True
    return error


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(str(tmp_path / "ssm" / "Vault"), state=str(tmp_path / "state"), now=lambda: 1_800_000_000.25)


def flow(vault: Vault, service: Service, now: dict[str, Any] = SAME) -> Registration:
    return Registration(vault, RecordedMachine(now), policy="strict", client=service)  # type: ignore[arg-type]


def register(vault: Vault, service: Service, now: dict[str, Any] = SAME, **options: Any) -> RegistrationRecord:
    return flow(vault, service, now).register(ACTIVATION, CODE, REGION, **options)


def test_a_registration_has_node_key_and_date(vault: Vault) -> None:
    service = Service(NODE)
    made = register(vault, service)
    assert (made.instance_id, made.region, made.private_key_type) == (NODE, REGION, "Rsa")
    assert made.private_key_created_date == created_date(int(1_800_000_000.25 * 1e9))
    [(fingerprint, public, provider)] = service.asked
    assert (vault.read().fingerprint, provider) == (fingerprint, "")
    assert NodeKey.decode(made.private_key, "here").public() == public
    assert vault.read_registration() == made
    assert pending(vault) == []
    assert flow(vault, service).role_token().access_key_id == ANSWER["AccessKeyId"]


def test_request_without_an_answer_is_repeated_with_its_key(vault: Vault) -> None:
    service = Service(uncertain(), NODE)
    with pytest.raises(Unreachable, match="vault verify"):
        register(vault, service)
    assert len(pending(vault)) == 1
    register(vault, service)
    assert service.asked[0] == service.asked[1]
    assert (pending(vault), pending(vault, superseded=True)) == ([], [])


def test_another_machine_uses_a_new_key_and_supersedes_it(vault: Vault) -> None:
    service = Service(uncertain(), NODE)
    with pytest.raises(Unreachable):
        register(vault, service)
    [first] = pending(vault)
    register(vault, service, OTHER)
    assert service.asked[0][1] != service.asked[1][1]
    assert pending(vault) == []
    assert [one.public_key for one in pending(vault, superseded=True)] == [first.public_key]


@pytest.mark.parametrize("error", [RegistrationError("refused", where="here"), UsageError("not sent", remedy="Fix it")])
def test_a_request_that_was_refused_or_not_sent_is_over(vault: Vault, error: FingerprintError) -> None:
    service = Service(error, NODE)
    with pytest.raises(type(error)) as caught:
        register(vault, service)
    assert "vault verify" not in caught.value.remedy
    assert pending(vault) == []
    register(vault, service)
    assert service.asked[0][1] != service.asked[1][1]


def fail_once(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    there = getattr(VaultEdit, name)
    left = [None]

    def fail(self: VaultEdit, *words: Any, **options: Any) -> Any:
        if left:
            left.pop()
            raise VaultUnreadable("the disk is full", where="here")
        return there(self, *words, **options)

    monkeypatch.setattr(VaultEdit, name, fail)


def test_a_node_that_could_not_be_stored_is_stored_later(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service(NODE)
    fail_once(monkeypatch, "store_registration")
    with pytest.raises(VaultUnreadable) as caught:
        register(vault, service)
    assert NODE in caught.value.what
    assert NODE in caught.value.remedy
    [one] = pending(vault)
    assert one.node == NODE
    assert register(vault, service, dry_run=True).instance_id == NODE
    made = register(vault, service)
    assert (made.instance_id, len(service.asked), pending(vault)) == (NODE, 1, [])
    assert vault.read_registration() == made
    assert flow(vault, service).finish() is None


def test_a_node_is_found_by_the_key_that_the_service_accepts(vault: Vault) -> None:
    service = Service(uncertain(), uncertain())
    for now in (SAME, OTHER):
        with pytest.raises(Unreachable):
            register(vault, service, now)
    first, second = pending(vault)
    service.accepted[NODE] = first.public_key
    with pytest.raises(Refused):
        flow(vault, service).finish(OTHER_NODE)
    with pytest.raises(UsageError):
        flow(vault, service).finish("no node")
    made = flow(vault, service).finish(NODE)
    assert made is not None
    assert made.private_key == first.registration.private_key
    assert vault.read_registration() == made
    assert [one.public_key for one in pending(vault, superseded=True)] == [second.public_key]


@pytest.mark.parametrize(("node", "said"), [(NODE, f"created the node {OTHER_NODE}"), ("", "had no answer")])
def test_the_log_says_what_became_of_the_other_request(
    vault: Vault, node: str, said: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    service = Service(uncertain(), OTHER_NODE)
    with pytest.raises(Unreachable):
        register(vault, service)
    fail_once(monkeypatch, "store_registration")
    with pytest.raises(VaultUnreadable):
        register(vault, service, OTHER)
    service.accepted[NODE] = service.asked[0][1]
    caplog.clear()
    made = flow(vault, service).finish(node)
    assert made is not None
    assert made.instance_id == (node or OTHER_NODE)
    assert [said in one for one in caplog.messages if "an earlier request" in one] == [True]


def test_a_fingerprint_that_is_kept_is_noted_in_the_history(vault: Vault) -> None:
    record, _ = first_record(vault, RecordedMachine(SAME))
    before = len(vault.history.entries())
    service = Service(NODE)
    register(vault, service)
    assert vault.read() == record
    assert service.asked[0][0] == record.fingerprint
    whys = [entry["why"] for entry in vault.history.entries()[before:] if entry.get("key") == "InstanceFingerprint"]
    assert whys == ["registered"]


def test_registered_machine_is_registered_again_on_request_only(vault: Vault) -> None:
    service = Service(NODE, OTHER_NODE)
    register(vault, service)
    with pytest.raises(Refused, match=NODE):
        register(vault, service)
    assert register(vault, service, again=True).instance_id == OTHER_NODE
    assert len(service.asked) == 2


class Raced(Vault):
    """A vault in which another process registers the host just before this one gets the lock."""

    other: RegistrationRecord | None = None

    def edit(self, *words: Any, **options: Any) -> Any:
        if self.other is not None:
            other, self.other = self.other, None
            with super().edit() as edit:
                edit.store_registration(other, why="another process")
        return super().edit(*words, **options)


@pytest.mark.parametrize(("region", "again"), [(REGION, False), (REGION, True), ("us-east-1", False)])
def test_who_waited_gets_the_node_of_the_other_process(vault: Vault, region: str, again: bool) -> None:
    raced, service = Raced(vault.path, state=vault.state), Service(OTHER_NODE)
    raced.other = RegistrationRecord(NODE, region, private_key=NodeKey.generate().encode(), private_key_type="Rsa")
    if region == REGION:
        assert register(raced, service, again=again).instance_id == NODE
    else:
        with pytest.raises(Refused):
            register(raced, service)
    assert service.asked == []


def test_new_key_of_the_node_is_not_another_registration(vault: Vault) -> None:
    service = Service(NODE, OTHER_NODE)
    made = register(vault, service)
    raced = Raced(vault.path, state=vault.state)
    raced.other = made.replace(private_key=NodeKey.generate().encode())
    assert register(raced, service, again=True).instance_id == OTHER_NODE


def test_a_dry_run_says_what_would_be_stored(vault: Vault) -> None:
    service = Service(NODE)
    assert register(vault, service, dry_run=True) == RegistrationRecord(region=REGION, private_key_type="Rsa")
    assert service.asked == []
    with pytest.raises(FingerprintError):
        vault.read_registration()


@pytest.mark.parametrize(("version", "member"), [("3.3.9999.0", ""), ("3.1.0.0", None), ("", None)])
def test_a_record_has_a_provider_if_the_agent_reads_it(
    vault: Vault, version: str, member: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fingerprint.registration.flow.printed_version", lambda _: version)
    assert register(vault, Service(), dry_run=True).provider == member


@pytest.mark.parametrize(("provider", "cleared"), [(None, None), ("", ""), ("Azure", "")])
def test_a_deregistered_vault_keeps_its_members(vault: Vault, provider: str | None, cleared: str | None) -> None:
    record = RegistrationRecord(NODE, REGION, private_key="a2V5", private_key_type="Rsa", provider=provider)
    with vault.edit() as edit:
        edit.store(FingerprintRecord("fp", collect(RecordedMachine(SAME)).hardware_hash, 40), why="test")
        edit.store_registration(record, why="test")
    forget_registration(vault)
    assert vault.read_registration() == RegistrationRecord(provider=cleared)


def test_a_registration_counts_without_the_metadata_file(vault: Vault) -> None:
    metadata = Path(vault.path).parent / "registration"
    (metadata / "not-empty").mkdir(parents=True)
    made = register(vault, Service(NODE))
    assert vault.read_registration() == made
    assert metadata.is_dir()


def with_keys(vault: Vault, *keys: NodeKey) -> RegistrationRecord:
    """Store a registration with one key after the other, as rotations leave them, and return the last."""
    first_record(vault, RecordedMachine(SAME))
    for key in keys:
        made = RegistrationRecord(NODE, REGION, private_key=key.encode(), private_key_type="Rsa")
        with vault.edit() as edit:
            edit.store_registration(made, why="test")
    return made


@pytest.mark.parametrize("accepted", [0, 1, 2])
def test_an_earlier_key_that_the_service_accepts_is_taken_again(vault: Vault, accepted: int) -> None:
    keys = [NodeKey.generate() for _ in range(3)]
    with_keys(vault, *keys)
    service = Service()
    service.accepted[NODE] = keys[accepted].public()
    assert flow(vault, service).role_token().access_key_id == ANSWER["AccessKeyId"]
    assert NodeKey.decode(vault.read_registration().private_key, "here").public() == keys[accepted].public()


def test_no_key_is_taken_again_while_the_service_does_not_answer(vault: Vault) -> None:
    keys = [NodeKey.generate() for _ in range(3)]
    present = with_keys(vault, *keys)

    class Gone(Service):
        def role_token(self, node: str, key: NodeKey, fingerprint: str) -> RoleCredentials:
            if key.public() == keys[1].public():
                raise Unreachable("no answer", where="here")
            return super().role_token(node, key, fingerprint)

    service = Gone()
    service.accepted[NODE] = keys[0].public()
    with pytest.raises(AccessDenied):
        flow(vault, service).role_token()
    assert vault.read_registration() == present


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


@pytest.mark.parametrize("answers", [False, True])
def test_only_a_request_that_may_have_arrived_stays_open(
    vault: Vault, listener: socket.socket, answers: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing listens, or the connection is closed once the request was read."""
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    port = listener.getsockname()[1]
    if answers:
        threading.Thread(target=_read_and_close, args=(listener,), daemon=True).start()
    else:
        listener.close()
    endpoint = f"http://127.0.0.1:{port}"
    made = Registration(vault, RecordedMachine(SAME), policy="strict", endpoint=endpoint, proxy="")
    with pytest.raises(Unreachable) as caught:
        made.register(ACTIVATION, CODE, REGION)
    assert caught.value.uncertain is answers
    assert len(pending(vault)) == answers


def _read_and_close(listener: socket.socket) -> None:
    try:
        while True:
            with listener.accept()[0] as connection:
                connection.recv(65536)
    except OSError:
        return


def test_a_request_for_which_no_thread_starts_was_not_sent(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    made = Registration(vault, RecordedMachine(SAME), policy="strict", endpoint="http://127.0.0.1:9", proxy="")
    monkeypatch.setattr("fingerprint.registration.transport.Thread.start", start)
    monkeypatch.setattr("fingerprint.registration.activation.ThreadPoolExecutor", Serial)
    with pytest.raises(Unreachable) as caught:
        made.register(ACTIVATION, CODE, REGION)
    assert (caught.value.uncertain, pending(vault)) == (False, [])


class Serial:
    """A pool without threads."""

    def __init__(self, _: int) -> None:
        pass

    def __enter__(self) -> Serial:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def submit(self, function: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(function())
        return future


class Rotating(Service):
    """A service that asks for a new key, and takes it."""

    def role_token(self, node: str, key: NodeKey, fingerprint: str) -> RoleCredentials:
        super().role_token(node, key, fingerprint)
        return credentials_of(UpdateKeyPair=True)

    def update_key(self, node: str, key: NodeKey, new: NodeKey) -> None:
        self.accepted[node] = new.public()


@pytest.mark.parametrize("left", ["", "an agent runs"])
def test_a_key_that_the_service_asks_for_has_the_date_of_now(
    vault: Vault, left: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fingerprint.registration.flow.rotation_left", lambda _: left)
    old = NodeKey.generate()
    before = with_keys(vault, old)
    service = Rotating()
    service.accepted[NODE] = old.public()
    assert flow(vault, service).role_token().access_key_id == ANSWER["AccessKeyId"]
    after = vault.read_registration()
    if left:
        assert after == before
    else:
        assert NodeKey.decode(after.private_key, "here").public() == service.accepted[NODE] != old.public()
        assert after.private_key_created_date == created_date(int(1_800_000_000.25 * 1e9))
