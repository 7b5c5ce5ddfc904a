"""Credentials: a kept one out of a process, and what a token request costs beside the network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter, time
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse

from fingerprint import Vault
from fingerprint.registration import Registration
from fingerprint.registration.keys import NodeKey
from fingerprint.registration.transport import Transport
from fingerprint.testing import LocalService, unix_machine, unix_snapshot

COMMAND = str(Path(sys.executable).with_name("fingerprint"))
OWN_SECONDS = 0.002
REGION = "eu-west-1"


def test_credentials_process_from_the_cache(versus: Callable[..., None], tmp_path: Path, short: bool) -> None:
    recorded = tmp_path / "machine.json"
    recorded.write_text(json.dumps(unix_snapshot()))
    with LocalService() as service:
        made = service.activation()
        env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "FINGERPRINT_STATE": str(tmp_path / "state"),
               "AWS_ENDPOINT_URL_SSM": service.endpoint, "FINGERPRINT_ACTIVATION_ID": made.id,
               "FINGERPRINT_ACTIVATION_CODE": made.code}  # fmt: skip
        words = [COMMAND, "--vault", str(tmp_path / "Vault"), "--snapshot", str(recorded)]
        subprocess.run([*words, "register", "--region", REGION], env=env, check=True, capture_output=True)
        subprocess.run([*words, "credentials", "process"], env=env, check=True, capture_output=True)
    # The service is gone: whoever answers now has kept ones.

    def ours() -> None:
        subprocess.run([*words, "credentials", "process"], env=env, check=True, stdout=subprocess.DEVNULL)

    def nothing() -> None:
        subprocess.run([sys.executable, "-c", "pass"], env=env, check=True)

    versus("credentials process from the cache, as a process", ours, nothing, rounds=30 if short else 300, at_most=1.4)


@pytest.fixture
def registration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registration:
    """A registered machine whose requests are answered without a network."""
    vault = Vault(str(tmp_path / "Vault"), state=str(tmp_path / "state"))
    with LocalService() as service:
        made = service.activation()
        Registration(vault, unix_machine(), policy="regenerate", endpoint=service.endpoint).register(
            made.id, made.code, REGION
        )
        endpoint = service.endpoint
    body = json.dumps({"AccessKeyId": "ASIA" + "A" * 16, "SecretAccessKey": "s" * 40, "SessionToken": "t" * 400,
                       "TokenExpirationDate": time() + 3600, "UpdateKeyPair": False}).encode()  # fmt: skip

    def answer(self: Transport, request: Any, **_: Any) -> AWSResponse:
        found = AWSResponse(request.url, 200, {"Content-Type": "application/x-amz-json-1.1"}, None)
        found._content = body
        return found

    monkeypatch.setattr(Transport, "__call__", answer)
    return Registration(vault, unix_machine(), policy="regenerate", endpoint=endpoint)


def test_a_token_request_without_the_network(claim: Callable[..., Any], registration: Registration) -> None:
    """Gate, vault, botocore, signing and parsing; the peer is the time that is allowed, and one signature."""
    key = NodeKey.decode(registration.record().private_key, "here")
    seconds = []
    for _ in range(100):
        begin = perf_counter()
        key.sign(b"request")
        seconds.append(perf_counter() - begin)
    allowed = OWN_SECONDS + median(seconds)
    bench = claim("a token request, no network; allowed: 2 ms and a signature", "ours", target=1, peer_seconds=allowed)
    assert bench(registration.role_token).access_key_id.startswith("ASIA")
