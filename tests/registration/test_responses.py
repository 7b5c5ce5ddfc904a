"""Whatever a service answers: credentials come of it, or an error that names the member, and nothing is written."""

from __future__ import annotations

import configparser
import contextlib
import io
import json
import os
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from event_machines import before_and_after
from fingerprint import Vault
from fingerprint.cli import main
from fingerprint.errors import BadAnswer
from fingerprint.machine.recorded import RecordedMachine
from fingerprint.registration.client import ServiceClient
from fingerprint.registration.flow import Registration
from fingerprint.registration.keys import NodeKey
from fingerprint.registration.responses import Unusable, is_node_id, refusal, role_credentials
from fingerprint.testing import LocalService
from fingerprint.vault.verify import verify
from servers import Server

BEFORE, _ = before_and_after("os-upgrade")
REGION = "eu-west-1"
CANARY = "CANARYcanary0123"
NODE = "mi-0123456789abcdef0"
GOOD = {"AccessKeyId": f"ASIA{CANARY}", "SecretAccessKey": f"s{CANARY}", "SessionToken": f"t{CANARY}"}
# The reference, independent of the code: what AWS gives, and what SDKs and files can hold.
REFERENCE = {
    "AccessKeyId": r"[A-Za-z0-9_]{16,128}", "SecretAccessKey": r"[A-Za-z0-9_+/=-]{16,256}",
    "SessionToken": r"[A-Za-z0-9_+/=-]{16,16384}",
}  # fmt: skip
INJECTION = "\n[default]\ncredential_process = /usr/bin/touch /tmp/owned\n"
HOSTILE_STRINGS = [
    f"{CANARY}{INJECTION}", f"{INJECTION}{CANARY}", f"{CANARY}\r\n", f"{CANARY}\x00", f"{CANARY} #",
    f"{CANARY}\x1b[31m",
    f"{CANARY}\u202e", f"{CANARY}\x85", f"{CANARY}\u2028", f"{CANARY}\ud800", f"{CANARY}\u0660", f"{CANARY}ſ", "", "A",
    " ", CANARY * 8 + "A", CANARY * 16 + "A", CANARY * 1024 + "A", f'{CANARY}"',
    f"{CANARY};x", f"${{{CANARY}}}", f"%({CANARY})s",
]  # fmt: skip
strings = st.one_of(st.sampled_from(HOSTILE_STRINGS), st.text(max_size=40).map(lambda text: f"{CANARY}{text}"))
numbers = st.one_of(
    st.sampled_from([0, 1, -1, 1e300, -1e300, float("inf"), float("-inf"), float("nan"), 2**63, 10**400, 1e-320]),
    st.integers(), st.floats(),
)  # fmt: skip
values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, strings),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=4,
)
quick = settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))


class Answers(Server):
    """A service that gives one answer to every request.

    Attributes:
        body: of the answers.
    """

    def __init__(self) -> None:
        self.body = b"{}"
        self.status = 200
        super().__init__(Answers._answer)

    @staticmethod
    def _answer(server: Server, connection: socket.socket) -> None:
        assert isinstance(server, Answers)
        data = b""
        while not data.endswith(b"}"):
            data += connection.recv(65536)
        head = f"HTTP/1.1 {server.status} X\r\nContent-Length: {len(server.body)}\r\nConnection: close\r\n\r\n"
        connection.sendall(head.encode() + server.body)


class Node:
    """A registered node whose service is taken over."""

    def __init__(self, directory: Path, server: Answers) -> None:
        self.directory, self.server = directory, server
        self.vault = Vault(str(directory / "ssm" / "Vault"), state=str(directory / "state"))
        self.file = directory / "credentials"
        self.snapshot = directory / "machine.json"
        self.snapshot.write_text(json.dumps(BEFORE))
        with LocalService() as local:
            made = local.activation()
            flow = Registration(self.vault, RecordedMachine(BEFORE), policy="strict", endpoint=local.endpoint)
            flow.register(made.id, made.code, REGION)

    def state(self, *, asks: bool = False) -> dict[str, bytes]:
        """Return what is in the files; without the journal if a registration may be announced there."""
        ours = [path for path in self.directory.rglob("*") if path.is_file() and not path.name.endswith(".lock")]
        if asks:
            ours = [path for path in ours if path.name != "audit.log" and path.parent.name != "history"]
        return {str(path): path.read_bytes() for path in ours}

    def __call__(self, *words: str) -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(["--vault", self.vault.path, "--snapshot", str(self.snapshot), *words])
        return code, out.getvalue(), err.getvalue()


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    directory = tmp_path_factory.mktemp("node")
    with pytest.MonkeyPatch.context() as patch, Answers() as server:
        for name in list(os.environ):
            if name.lower().endswith("_proxy") or name.startswith("AWS_"):
                patch.delenv(name)
        patch.setenv("FINGERPRINT_STATE", str(directory / "state"))
        patch.setenv("AWS_ENDPOINT_URL_SSM", server.url)
        patch.setenv("FINGERPRINT_ACTIVATION_CODE", "an-activation-code-01")
        patch.setattr("botocore.endpoint.time.sleep", lambda _: None)
        yield Node(directory, server)


def good(answer: dict[str, Any], now: float) -> bool:
    """Return whether an answer holds role credentials."""
    expires, asks = answer.get("TokenExpirationDate"), answer.get("UpdateKeyPair")
    return (
        all(isinstance(answer.get(name), str) and re.fullmatch(form, answer[name]) for name, form in REFERENCE.items())
        and type(expires) in (int, float) and now < expires <= now + 7 * 86400
        and (asks is None or type(asks) is bool)
    )  # fmt: skip


@settings(quick, max_examples=50)
@given(st.sampled_from([*GOOD, "TokenExpirationDate", "UpdateKeyPair"]), values, st.booleans())
@example("SecretAccessKey", f"{CANARY}{INJECTION}", False)
@example("TokenExpirationDate", 1e300, False)
@example("TokenExpirationDate", float("inf"), False)
@example("TokenExpirationDate", float("nan"), False)
@example("TokenExpirationDate", 0, False)
@example("TokenExpirationDate", True, False)
@example("TokenExpirationDate", "1970-01-01T00:00:00Z", False)
@example("TokenExpirationDate", 10**400, False)
@example("SessionToken", f"{CANARY}\ud800", False)
@example("UpdateKeyPair", "yes", False)
@example("AccessKeyId", None, True)
def test_invalid_member_is_named_and_nothing_is_written(node: Node, name: str, value: Any, missing: bool) -> None:
    now = time.time()
    answer = {**GOOD, "TokenExpirationDate": now + 3600, "UpdateKeyPair": False, name: value}
    if missing:
        del answer[name]
    node.server.status, node.server.body = 200, json.dumps(answer).encode()
    before = node.state()
    code, out, err = node("credentials", "update", "--profile", "node", "--file", str(node.file))
    if good(answer, now):
        assert code == 0, err
        parser = configparser.RawConfigParser()
        parser.read(node.file)
        assert parser.sections() == ["node"]
        assert [*dict(parser["node"]).values()] == [answer[name] for name in GOOD]
        node.file.unlink()
        for kept in (node.directory / "state" / "credentials").glob("*.json"):
            kept.unlink()
        return
    assert code == 5, (out, err)
    assert (out, name in err) == ("", True), err
    assert node.state() == before
    assert CANARY not in err
    assert "internal error" not in err
    assert node("credentials", "process")[:2] == (5, "")
    assert node.state() == before


BODIES = [
    b"", b"{", b"null", b"[]", b"7", b'"x"', b"[" * 30_000, b'{"a":' * 9000, b"[" * 30_000 + b"]" * 30_000,
    b"\xff\xfe{}",
    b"{}" + b"\x00" * 100, b'{"TokenExpirationDate":' + b"9" * 5000 + b"}", b'{"AccessKeyId":"' + b"A" * 60_000 + b'"}',
    b'{"TokenExpirationDate":Infinity}', b'{"TokenExpirationDate":-NaN}', b'\xef\xbb\xbf{}', b'{"a":"\\ud800"}',
    json.dumps({**GOOD, "TokenExpirationDate": 1}).encode()[:-1], b"<html>", b" " * 65_536, b" " * 65_537,
]  # fmt: skip


@settings(quick, max_examples=50)
@given(
    st.one_of(st.sampled_from(BODIES), st.binary(max_size=60), values.map(lambda value: json.dumps(value).encode())),
    st.sampled_from([200, 201, 204, 301, 302, 307, 400, 401, 403, 404, 413, 418, 429, 500, 502, 503, 504, 599]),
    st.sampled_from(["credentials update", "credentials process", "register"]),
)
@example(b"[" * 30_000, 200, "credentials update")
@example(b"[" * 30_000, 400, "credentials update")
@example(b'{"__type":["a"],"message":{"b":1}}', 400, "credentials update")
@example(b'{"__type":"a#\\u001b[31m\\n","message":"\\ud800"}', 400, "credentials process")
@example(b'{"InstanceId":["mi-1"]}', 200, "register")
def test_a_body_that_is_no_answer_ends_in_an_error_of_ours(node: Node, body: bytes, status: int, command: str) -> None:
    node.server.status, node.server.body = status, body
    before = node.state(asks=command == "register")
    words = {
        "credentials update": ["credentials", "update", "--profile", "node", "--file", str(node.file)],
        "credentials process": ["credentials", "process"],
        "register": ["register", "--again", "--region", REGION, "--activation-id", "1" * 36],
    }[command]  # fmt: skip
    code, out, err = node(*words)
    assert code in (5, 6), (out, err)
    assert out == ""
    assert "internal error" not in err
    assert not [c for c in err if not c.isprintable() and c != "\n"]
    assert node.state(asks=command == "register") == before


NODES = [
    "", "mi-", "mi-1", NODE[:-1], f"{NODE}0", NODE.upper(), f"i-{NODE[3:]}", f"{NODE[:-1]}\n", f"{NODE}\n",
    f" {NODE}"[:20],
    "mi-0123456789abcdefg", "mi-../../../../../xx", f"mi-{'٠' * 17}", "mi-0123456789abcde\x1b0",
]  # fmt: skip


@quick
@given(
    st.one_of(st.sampled_from(NODES), st.text(max_size=22), st.from_regex(r"mi-[0-9a-f]{17}", fullmatch=True), values)
)
@example(NODE)
def test_a_node_has_the_id_of_one(node: Node, value: Any) -> None:
    node.server.status, node.server.body = 200, json.dumps({"InstanceId": value}).encode()
    client = ServiceClient(REGION, endpoint=node.server.url)
    if isinstance(value, str) and re.fullmatch(r"mi-[0-9a-f]{17}(?!\n)", value):
        assert client.register("1" * 36, "2" * 20, "fingerprint", KEY) == value
        return
    with pytest.raises(BadAnswer, match="InstanceId"):
        client.register("1" * 36, "2" * 20, "fingerprint", KEY)
    assert not (isinstance(value, str) and is_node_id(value))


KEY = NodeKey.generate()


@settings(max_examples=500, deadline=None)
@given(st.dictionaries(st.sampled_from([*GOOD, "TokenExpirationDate", "UpdateKeyPair", "x"]), values), st.booleans())
def test_check_agrees_with_the_reference(changed: dict[str, Any], filled: bool) -> None:
    now = 1_800_000_000.0
    answer = {**GOOD, "TokenExpirationDate": now + 60, **changed} if filled else changed
    if not good(answer, now):
        with pytest.raises(Unusable) as caught:
            role_credentials(answer, now)
        assert CANARY not in str(caught.value)
        assert any(name in str(caught.value) for name in (*GOOD, "TokenExpirationDate", "UpdateKeyPair"))
        return
    found = role_credentials(answer, now)
    assert (found.access_key_id, found.secret_access_key) == (answer["AccessKeyId"], answer["SecretAccessKey"])
    assert found.update_key_pair is bool(answer.get("UpdateKeyPair"))


@given(values, values)
def test_a_refusal_is_one_line_and_its_code_a_word(code: Any, message: Any) -> None:
    name, text = refusal(code, message)
    assert re.fullmatch(r"[A-Za-z0-9_.]{0,128}", name)
    assert len(text) <= 300
    assert text.split("\n") == [text]


@pytest.mark.parametrize(("status", "body", "open_"), [
    *((200, body, True) for body in (
        b"[]", b"null", b'"x"', b"5", b"[" * 60_000, b"{}", b"<html>", b"", b'{"InstanceId":"mi-\xe9"}',
        b'{"InstanceId":["mi-1"]}', b'{"InstanceId":"mi-04',
    )),
    (302, b"", True), (403, b"<html>", True), (500, b"{}", True),
    (400, b'{"__type":"ActivationExpired","message":"m"}', False),
    (400, b'{"__type":"InvalidActivation"}', False),
])  # fmt: skip
def test_a_registration_is_over_only_where_the_service_says_so(
    node: Node, status: int, body: bytes, open_: bool
) -> None:
    """Whatever else comes back, the service may have created the node: verify prints how to find it."""
    node.server.status, node.server.body = status, body
    before = len([one for one in verify(node.vault) if one.kind == "registration-open"])
    code, _, err = node("register", "--again", "--region", REGION, "--activation-id", "1" * 36)
    assert code in (5, 6), err
    after = [one for one in verify(node.vault) if one.kind == "registration-open"]
    assert len(after) - before == open_, err
    assert ("may have registered" in " ".join(err.split())) == (open_ or before > 0), err
