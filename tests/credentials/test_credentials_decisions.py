"""The cache of credentials, the pauses after errors, tokens, and what each SDK takes from one line of a file."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from fingerprint import Vault
from fingerprint.credentials import cache as cache_module
from fingerprint.credentials import imds_server
from fingerprint.credentials.cache import LEAST_SECONDS, SHORTEST_PAUSE_SECONDS, CredentialCache
from fingerprint.credentials.imds_server import ROLE, CredentialServer
from fingerprint.credentials.profile_dialects import BOTOCORE, DIALECTS, config_file, keys_of, lines_of
from fingerprint.credentials.profile_file import update, updated
from fingerprint.credentials.refresher import pause_after
from fingerprint.credentials.source_values import State
from fingerprint.credentials.sources import credential_order
from fingerprint.credentials.unix_socket import UnixSocket
from fingerprint.errors import AccessDenied, InputError, Refused, Unreachable, UsageError, VaultBusy
from fingerprint.registration.role_token import RoleCredentials
from fingerprint.vault.files import Directory

HOUR, START = 3600.0, 1_800_000_000.0


class Service:
    """A clock, and a service whose credentials live an hour."""

    def __init__(self, directory: Path) -> None:
        self.now = START
        self.count = 0
        self.error: Exception | None = None
        self.vault = Vault(str(directory / "Vault"), state=str(directory / "state"), now=lambda: self.now)

    def __call__(self) -> RoleCredentials:
        self.count += 1
        if self.error:
            raise self.error
        return RoleCredentials(f"ASIA{self.count}", "secret", "token", self.now + HOUR)

    def cache(self) -> CredentialCache:
        return CredentialCache(self.vault, self)

    def asked_at(self, now: float) -> bool:
        """Return whether the service is asked at this time, by a process that was just started."""
        before, self.now = self.count, now
        self.cache().get()
        return self.count > before


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return Service(tmp_path)


def test_credentials_are_kept_for_half_of_their_life(service: Service) -> None:
    cache = service.cache()
    assert (cache.fresh(), cache.lasting(), cache.retrieved_at(), cache.refresh_at()) == (None, None, START, START)
    first = cache.get()
    for now in (START, START + 1, START + HOUR / 2 - 1):
        assert not service.asked_at(now)
    assert service.cache().fresh() == first
    assert service.cache().retrieved_at() == START
    assert service.cache().refresh_at() == START + HOUR / 2
    assert service.asked_at(START + HOUR / 2)


def test_kept_credentials_last_until_a_minute_before_their_end(service: Service) -> None:
    first = service.cache().get()
    service.error = Unreachable("no answer")
    service.now = START + HOUR - LEAST_SECONDS - 1
    assert service.cache().get() == first
    service.now = START + HOUR - LEAST_SECONDS
    with pytest.raises(Unreachable):
        service.cache().get()


def test_a_clock_that_was_put_back_makes_old_credentials_invalid(service: Service) -> None:
    service.cache().get()
    assert not service.asked_at(START - LEAST_SECONDS)
    assert service.asked_at(START - LEAST_SECONDS - 1)


def test_another_start_of_the_machine_asks_again(
    service: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(cache_module, "_BOOT_ID", str(tmp_path / "boot_id"))
    assert service.asked_at(START)
    # Without such a file there is nothing to compare.
    assert not service.asked_at(START)
    (tmp_path / "boot_id").write_text("first\n")
    assert service.asked_at(START)
    assert not service.asked_at(START)
    (tmp_path / "boot_id").write_bytes(b"\xff\xfe")
    assert service.asked_at(START)


@pytest.mark.parametrize(
    "changes",
    [{"schemaVersion": 2}, {"accessKeyId": ""}, {"secretAccessKey": 5}, {"sessionToken": None}, {"node": "mi-0"},
     {"expiresAt": "soon"}, {"retrievedAt": None}, {}, None],
)  # fmt: skip
def test_a_file_that_is_not_usable_is_none(service: Service, changes: dict[str, object] | None) -> None:
    service.cache().get()
    path = Path(service.cache().path)
    assert path.parent == Path(service.vault.state) / "credentials"
    if changes is None:
        path.write_text("{")
    else:
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    assert service.asked_at(START) is (changes != {})


def test_forgotten_credentials_are_asked_for_again(service: Service) -> None:
    service.cache().forget()
    service.cache().get()
    service.cache().forget()
    assert service.cache().fresh() is None
    assert service.asked_at(START)


def test_renewed_credentials_are_kept(service: Service) -> None:
    service.cache().get()
    service.now += HOUR / 2
    new = service.cache().renew()
    assert new.access_key_id == "ASIA2"
    assert service.cache().get() == new
    service.now += SHORTEST_PAUSE_SECONDS - 1
    assert service.cache().renew() == new


def test_a_process_waits_two_minutes_for_another(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other one asks the service, with all retries."""
    now = [0.0]
    directory = Path(service.cache().path).parent
    directory.mkdir(0o700, parents=True)
    with Directory.open(str(directory)) as other:
        other.lock(0)
        with monkeypatch.context() as patched:
            patched.setattr(time, "monotonic", lambda: now[0])
            patched.setattr(time, "sleep", lambda seconds: now.append(now.pop() + seconds))
            with pytest.raises(VaultBusy):
                service.cache().get()
    assert 120 <= now[0] < 121
    assert service.count == 0


@pytest.mark.parametrize("failures", [0, 1, 5, 30])
def test_a_rejection_waits_as_long_as_an_agent(failures: int) -> None:
    pauses = {pause_after(AccessDenied("no"), failures, Random(seed)) for seed in range(50)}
    assert 1500 <= min(pauses) < max(pauses) < 1800
    assert all(isinstance(one, float) for one in pauses)


@pytest.fixture
def server(service: Service) -> Iterator[CredentialServer]:
    with CredentialServer(service.cache(), lambda: {"placement/region": "eu-west-1"}, port=0) as running:
        yield running


def test_a_path_has_its_answer(server: CredentialServer) -> None:
    role = "/latest/meta-data/iam/security-credentials"
    assert server.answer(role) == server.answer(f"{role}/") == (200, ROLE.encode())
    status, body = server.answer(f"{role}/{ROLE}")
    assert (status, json.loads(body)["AccessKeyId"]) == (200, "ASIA1")
    assert server.answer("/latest/meta-data/placement/region") == (200, b"eu-west-1")
    assert server.answer("/latest/meta-data/other") == (404, b"")


def test_a_token_is_good_for_its_time(server: CredentialServer, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1_000_000.0]
    monkeypatch.setattr(imds_server, "monotonic", lambda: now[0])
    token = server.new_token(21600)
    assert server.knows(token)
    for seconds, good in ((21599.9, True), (21600, False)):
        now[0] = 1_000_000.0 + seconds
        assert server.knows(token) is good
    assert not server.knows(token[:-4])
    assert not server.knows("é")


def test_a_server_that_stops_removes_its_unix_socket(service: Service, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with CredentialServer(service.cache(), dict, unix=UnixSocket(str(path))):
        assert path.is_socket()
    assert not path.exists()


TEXT = """\
[default]
aws_access_key_id = A
aws_secret_access_key = S ; a comment
aws_session_token=T
empty =
  nested = value

[other]
quoted = "text"
"""


@pytest.mark.parametrize("sdk", DIALECTS)
def test_each_sdk_reads_a_plain_profile(sdk: str) -> None:
    plain = TEXT.replace(" ; a comment", "")
    found = DIALECTS[sdk](plain)
    assert keys_of(sdk, found["default"]) == ("A", "S", "T")
    assert keys_of(sdk, found["other"]) == ("", "", "")
    assert list(found) == ["default", "other"]
    assert keys_of(sdk, {}) == ("", "", "")


@pytest.mark.parametrize(
    ("sdk", "secret"),
    [(BOTOCORE, "S ; a comment"), ("Java", "S"), ("Rust", "S"), ("JavaScript", "S"), ("Go", "S"), ("Ruby", "S")],
)
def test_each_sdk_has_comments_of_its_own(sdk: str, secret: str) -> None:
    assert keys_of(sdk, DIALECTS[sdk](TEXT)["default"])[1].rstrip() == secret


@pytest.mark.parametrize(
    ("line", "value"), [("k = 'v'", "v"), ('k = "v"', "v"), ("k = 'v\"", "'v\""), ("k = ''", "''"), ("k = v", "v")]
)
def test_go_takes_quotes_off_that_match(line: str, value: str) -> None:
    assert DIALECTS["Go"](f"[p]\n{line}\n")["p"]["k"] == value


def test_lines_have_their_kind_and_indent() -> None:
    lines = list(lines_of("[p]\nname = value\n  more\n# note\n\n other = x\n"))
    assert [line.kind for line in lines] == ["section", "option", "more", "", "", "more"]
    assert [line.indent for line in lines][:3] == ["", "", "  "]
    assert lines[1].text[lines[1].start :] == "value\n"
    assert {line.start for line in lines if line.kind != "option"} == {0}
    assert {line.ending for line in lines} == {"\n"}


def new_keys(secret: str = "s") -> RoleCredentials:
    return RoleCredentials("AKIA", secret, "t", START)


def test_keys_replace_those_of_their_profile_alone() -> None:
    text = "[one]\naws_access_key_id = A\n\n[two]\naws_access_key_id = B\naws_secret_access_key = C\n"
    new, warnings = updated(text, "two", new_keys(), "file")
    assert warnings == []
    found = DIALECTS["Java"](new)
    assert keys_of("Java", found["two"]) == ("AKIA", "s", "t")
    assert found["one"] == {"aws_access_key_id": "A"}
    added, _ = updated(text, "three", new_keys(), "file")
    assert added.startswith(text)
    assert keys_of("Java", DIALECTS["Java"](added)["three"]) == ("AKIA", "s", "t")
    missing, _ = updated(text, "one", new_keys(), "file")
    assert keys_of("Java", DIALECTS["Java"](missing)["one"]) == ("AKIA", "s", "t")
    assert DIALECTS["Java"](missing)["two"] == DIALECTS["Java"](text)["two"]


@pytest.mark.parametrize("secret", ["", "a b", "é", "a\nb"])
def test_keys_that_a_file_cannot_hold_are_refused(secret: str) -> None:
    with pytest.raises(Refused, match="aws_secret_access_key"):
        updated("", "p", new_keys(secret), "file")


@pytest.mark.parametrize(
    ("text", "profile", "where"),
    [
        ("[a]\nx = 1\n[p]\naws_access_key_id = A\n  more\n", "p", "file:5"),
        ("[DEFAULT]\naws_security_token = old\n[p]\n", "p", "file:2"),
        # Other SDKs take the later one of two profiles.
        ("[a]\nx = 1\n[p]\nx = 1\n[ p ]\naws_access_key_id = O\naws_secret_access_key = O\n", "p", "file:3"),
    ],
)
def test_a_line_that_stands_in_the_way_is_named(text: str, profile: str, where: str) -> None:
    with pytest.raises(Refused) as caught:
        updated(text, profile, new_keys(), "file")
    assert caught.value.where == where


@pytest.mark.parametrize("profile", ["", "DEFAULT", "a b"])
def test_a_name_that_some_sdk_does_not_read_is_refused(profile: str) -> None:
    with pytest.raises(UsageError):
        updated("", profile, new_keys(), "file")


def test_the_variable_names_the_configuration() -> None:
    assert config_file("/home/a", {"AWS_CONFIG_FILE": "/some/file"}) == "/some/file"
    assert config_file("/home/a", {}) == "/home/a/.aws/config"


def test_an_environment_that_is_not_known_leaves_the_winner(tmp_path: Path) -> None:
    shared = tmp_path / ".aws" / "credentials"
    shared.parent.mkdir()
    shared.write_text("[default]\naws_access_key_id = A\naws_secret_access_key = S\n")
    shared.chmod(0o600)
    order = credential_order("user", str(tmp_path), None)
    assert (order.winner, order.undecided, order.findings) == ("shared-file", "", ())
    states = {source.name: source.state for source in order.sources}
    assert states["environment"] is State.NOT_CHECKED
    shared.chmod(0o644)
    [finding] = credential_order("user", str(tmp_path), None).findings
    assert finding.where == str(shared)
    shared.write_text("[default]\nregion = eu-west-1\n")
    order = credential_order("user", str(tmp_path), None)
    assert (order.winner, order.findings) == ("", ())
    assert order.undecided.startswith("instance-profile")


@pytest.mark.parametrize("sdk", DIALECTS)
@pytest.mark.parametrize("line", ["k=v", "k= v", "k =v", "k = v"])
def test_each_sdk_reads_a_short_setting(sdk: str, line: str) -> None:
    assert DIALECTS[sdk](f"[p]\n{line}\n")["p"]["k"] == "v"


def test_a_line_that_is_no_setting_has_no_value() -> None:
    lines = list(lines_of("before\n[p]\n= value\nno setting\n"))
    assert [(line.kind, line.start) for line in lines] == [("", 0), ("section", 0), ("", 0), ("", 0)]


@pytest.mark.parametrize("at", ["file/credentials", "directory"])
def test_a_file_that_cannot_be_written_is_an_input_error(tmp_path: Path, at: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "directory" / "inner").mkdir(parents=True)
    with pytest.raises(InputError) as caught:
        update(str(tmp_path / at), "p", new_keys())
    assert str(tmp_path) in caught.value.where
