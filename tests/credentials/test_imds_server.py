"""Credentials over HTTP on loopback, with real sockets and the SDK's own client."""

from __future__ import annotations

import http.client
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jsonschema
import pytest

import fingerprint
from commandline import environment
from fingerprint import Vault
from fingerprint.credentials import CredentialCache
from fingerprint.credentials.imds_server import ROLE, CredentialServer
from fingerprint.errors import FingerprintError, FingerprintMismatch, NotRegistered, ServiceMismatch, Unreachable
from fingerprint.machine.live import LiveMachine
from fingerprint.registration.role_token import RoleCredentials
from fingerprint.testing import LocalService, unix_snapshot

SCHEMAS = Path(fingerprint.__file__).parent / "schemas"
TOKEN_PATH = "/latest/api/token"
ROLE_PATH = "/latest/meta-data/iam/security-credentials"
TTL = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}


class Asked:
    """A service that counts."""

    def __init__(self) -> None:
        self.times = 0
        self.error: FingerprintError | None = None

    def __call__(self) -> RoleCredentials:
        self.times += 1
        if self.error:
            raise self.error
        return RoleCredentials("ASIA1", "planted-secret", "planted-token", time.time() + 3600)


@pytest.fixture
def asked() -> Asked:
    return Asked()


@pytest.fixture
def server(tmp_path: Path, asked: Asked) -> Iterator[CredentialServer]:
    cache = CredentialCache(Vault(str(tmp_path / "Vault"), state=str(tmp_path / "state")), asked)
    facts = {"instance-id": "mi-0123456789abcdef0", "placement/region": "eu-west-1"}
    with CredentialServer(cache, lambda: facts, port=0) as made:
        yield made


def ask(server: CredentialServer, method: str, path: str, headers: dict[str, str] | None = None) -> tuple[int, str]:
    port = int(server.endpoint.rstrip("/").rpartition(":")[2])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def with_token(server: CredentialServer) -> dict[str, str]:
    status, token = ask(server, "PUT", TOKEN_PATH, TTL)
    assert status == 200
    return {"X-aws-ec2-metadata-token": token}


def test_credentials_have_the_form_of_the_metadata_service(server: CredentialServer, asked: Asked) -> None:
    token = with_token(server)
    assert ask(server, "GET", ROLE_PATH + "/", token) == (200, ROLE)
    status, body = ask(server, "GET", f"{ROLE_PATH}/{ROLE}", token)
    shown = json.loads(body)
    assert status == 200
    assert (shown["Code"], shown["Type"], shown["AccessKeyId"]) == ("Success", "AWS-HMAC", "ASIA1")
    assert (shown["SecretAccessKey"], shown["Token"]) == ("planted-secret", "planted-token")
    assert shown["LastUpdated"] < shown["Expiration"]
    assert ask(server, "GET", "/latest/meta-data/placement/region", token) == (200, "eu-west-1")
    assert ask(server, "GET", "/latest/meta-data/instance-id", token) == (200, "mi-0123456789abcdef0")
    assert ask(server, "GET", "/latest/meta-data/hostname", token)[0] == 404
    assert asked.times == 1


@pytest.mark.parametrize("path", [ROLE_PATH + "/", f"{ROLE_PATH}/{ROLE}", "/latest/meta-data/instance-id"])
def test_nothing_is_answered_without_a_token(server: CredentialServer, asked: Asked, path: str) -> None:
    for headers in ({}, {"X-aws-ec2-metadata-token": ""}, {"X-aws-ec2-metadata-token": "guess"}):
        assert ask(server, "GET", path, headers) == (401, "")
    assert asked.times == 0


def test_a_token_has_an_end(server: CredentialServer) -> None:
    _, token = ask(server, "PUT", TOKEN_PATH, {"X-aws-ec2-metadata-token-ttl-seconds": "1"})
    headers = {"X-aws-ec2-metadata-token": token}
    assert ask(server, "GET", ROLE_PATH, headers)[0] == 200
    time.sleep(1.1)
    assert ask(server, "GET", ROLE_PATH, headers)[0] == 401
    for seconds in ("", "0", "-1", "21601", "x", "99999999999999999999", "1e3"):
        assert ask(server, "PUT", TOKEN_PATH, {"X-aws-ec2-metadata-token-ttl-seconds": seconds})[0] == 400


@pytest.mark.parametrize(
    "headers",
    [{"X-Forwarded-For": "192.0.2.1"}, {"Forwarded": "for=192.0.2.1"}, {"Origin": "https://example.org"},
     {"Host": "example.org"}, {"Host": "127.0.0.1.example.org:1338"}, {"Host": ""}],
)  # fmt: skip
def test_what_came_through_a_proxy_or_a_browser_is_refused(server: CredentialServer, headers: dict[str, str]) -> None:
    assert ask(server, "PUT", TOKEN_PATH, {**TTL, **headers}) == (403, "")
    assert ask(server, "GET", ROLE_PATH, {**with_token(server), **headers}) == (403, "")


def test_other_methods_are_refused(server: CredentialServer) -> None:
    for method in ("POST", "DELETE", "HEAD", "OPTIONS", "PATCH"):
        assert ask(server, method, ROLE_PATH, with_token(server)) == (405, "")
    assert ask(server, "PUT", ROLE_PATH, TTL)[0] == 404


@pytest.mark.parametrize(
    ("error", "status"),
    [(FingerprintMismatch("not the same machine"), 403), (ServiceMismatch("refused"), 403),
     (Unreachable("no network"), 503), (NotRegistered("not registered"), 503)],
)  # fmt: skip
def test_error_is_answered_and_ends_nothing(
    server: CredentialServer, asked: Asked, error: FingerprintError, status: int
) -> None:
    asked.error = error
    token = with_token(server)
    answered, body = ask(server, "GET", f"{ROLE_PATH}/{ROLE}", token)
    assert answered == status
    assert json.loads(body) == {"Code": type(error).__name__, "Message": error.what}
    asked.error = None
    assert ask(server, "GET", f"{ROLE_PATH}/{ROLE}", token)[0] == 200


def test_32_clients_at_once_make_one_request(server: CredentialServer, asked: Asked) -> None:
    token = with_token(server)
    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda _: ask(server, "GET", f"{ROLE_PATH}/{ROLE}", token)[0], range(32)))
    assert answers == [200] * 32
    assert asked.times == 1


def test_clients_that_say_nothing_keep_nobody_waiting(server: CredentialServer) -> None:
    port = int(server.endpoint.rstrip("/").rpartition(":")[2])
    silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(40)]
    try:
        begin = time.monotonic()
        assert ask(server, "GET", ROLE_PATH, with_token(server))[0] == 200
        assert time.monotonic() - begin < 5
    finally:
        for connection in silent:
            connection.close()


def test_it_is_not_there_for_other_machines(server: CredentialServer) -> None:
    port = int(server.endpoint.rstrip("/").rpartition(":")[2])
    others = [address for address in LiveMachine().addresses().ipv4 if not address.startswith("127.")]
    if not others:
        pytest.skip("this host has no other address")
    for address in others:
        with pytest.raises(OSError):  # noqa: PT011 refused or unreachable, as the address is
            socket.create_connection((address, port), timeout=2)


def test_answers_go_no_further_than_one_hop(server: CredentialServer) -> None:
    """Seen in the header of the packets."""
    port = int(server.endpoint.rstrip("/").rpartition(":")[2])
    try:
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
    except (OSError, AttributeError):
        pytest.skip("packets can be seen by root on Linux only")
    hops = set()
    with wire:
        wire.bind(("lo", 0x0800))
        wire.settimeout(5)
        assert ask(server, "GET", ROLE_PATH)[0] == 401
        while not hops:
            packet = wire.recv(65536)
            header = (packet[0] & 15) * 4
            if int.from_bytes(packet[header : header + 2], "big") == port and b"HTTP/1.1 401" in packet:
                hops.add(packet[8])
    assert hops == {1}


def test_no_secret_is_logged(server: CredentialServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    token = with_token(server)
    ask(server, "GET", f"{ROLE_PATH}/{ROLE}", token)
    assert f"GET {ROLE_PATH}/{ROLE} 200" in caplog.text
    for secret in ("planted-secret", "planted-token", token["X-aws-ec2-metadata-token"]):
        assert secret not in caplog.text


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_an_sdk_gets_its_credentials_from_the_command(tmp_path: Path, number: int, code: int) -> None:
    recorded = tmp_path / "machine.json"
    recorded.write_text(json.dumps(unix_snapshot()))
    command = [sys.executable, "-I", "-m", "fingerprint", "--vault", str(tmp_path / "ssm" / "Vault"), "--snapshot",
               str(recorded)]  # fmt: skip
    with LocalService() as service:
        made = service.activation()
        env = {**environment(tmp_path / "state"), "AWS_ENDPOINT_URL_SSM": service.endpoint,
               "FINGERPRINT_ACTIVATION_ID": made.id, "FINGERPRINT_ACTIVATION_CODE": made.code,
               "HOME": str(tmp_path)}  # fmt: skip
        subprocess.run([*command, "register", "--region", "eu-west-1"], env=env, check=True, capture_output=True)
        words = [*command, "credentials", "serve", "--port", "0", "--output", "json"]
        with subprocess.Popen(words, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            text = ""
            while not text.rstrip().endswith("}"):
                text += process.stdout.readline()
            shown = json.loads(text)
            jsonschema.validate(shown, json.loads((SCHEMAS / "credentials-serve.json").read_text()))
            script = (
                "import botocore.session; c = botocore.session.get_session().get_credentials();"
                "print(c.method, c.access_key, c.token is not None)"
            )
            sdk = subprocess.run(
                [sys.executable, "-I", "-c", script], capture_output=True, text=True, check=False,
                env={"PATH": os.environ["PATH"], "HOME": str(tmp_path),
                     "AWS_EC2_METADATA_SERVICE_ENDPOINT": shown["endpoint"]},
            )  # fmt: skip
            process.send_signal(number)
            rest, complaint = process.communicate(timeout=20)
        assert process.returncode == code, complaint
        method, access_key, session = sdk.stdout.split()
        assert (method, session) == ("iam-role", "True"), sdk.stderr
        assert access_key.startswith("ASIA")
        assert service.requests()[-1][0] == "RequestManagedInstanceRoleToken"
        assert "SecretAccessKey" not in complaint + rest


def test_a_port_that_is_taken_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        for number in (port, "70000"):
            done = subprocess.run(
                [sys.executable, "-I", "-m", "fingerprint", "credentials", "serve", "--port", number],
                capture_output=True, text=True,
                env=environment(tmp_path), check=False,
            )  # fmt: skip
            assert done.returncode == 3
            assert "Name another port" in done.stderr
