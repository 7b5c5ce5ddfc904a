"""Where the client sends the activation code: never where a file says that was found through the environment."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from commandline import COMMAND, environment
from fingerprint.testing.machines import unix_snapshot
from servers import Authority, Proxy, Server, answering

REGION = "eu-west-1"
HOST = f"ssm.{REGION}.amazonaws.com"
NODE = "mi-0123456789abcdef0"
CODE = "an-activation-code-01"
# Rules by which every endpoint is the trap, in the form of botocore's own.
RULES = {
    "version": "1.0",
    "parameters": {
        name: {"required": False, "documentation": "", "type": kind, "builtIn": f"{place}::{name}"}
        for name, kind, place in (
            ("Region", "String", "AWS"), ("UseDualStack", "Boolean", "AWS"), ("UseFIPS", "Boolean", "AWS"),
            ("Endpoint", "String", "SDK"),
        )
    },
    "rules": [{"conditions": [], "endpoint": {"url": "TRAP", "properties": {}, "headers": {}}, "type": "endpoint"}],
}  # fmt: skip


class Trap:
    """Everything that is found through HOME and names a place of somebody else's."""

    def __init__(self, home: Path, url: str, port: int) -> None:
        self.home = home
        self.url = url
        self.port = port
        self.env: dict[str, str] = {}

    def config(self, text: str, name: str = "config") -> None:
        (self.home / ".aws").mkdir(parents=True, exist_ok=True)
        (self.home / ".aws" / name).write_text(text.replace("TRAP", self.url))


def profile_endpoint(trap: Trap) -> None:
    trap.config("[default]\nendpoint_url = TRAP\n")


def services(trap: Trap) -> None:
    trap.config("[default]\nservices = x\n[services x]\nssm =\n  endpoint_url = TRAP\n")


def named_profile(trap: Trap) -> None:
    trap.config("[profile other]\nendpoint_url = TRAP\n")
    trap.env = {"AWS_PROFILE": "other", "AWS_DEFAULT_PROFILE": "other"}


def named_file(trap: Trap) -> None:
    trap.config("[default]\nendpoint_url = TRAP\n", "another")
    trap.env = {"AWS_CONFIG_FILE": str(trap.home / ".aws/another")}


def credentials_file(trap: Trap) -> None:
    trap.config("[default]\nendpoint_url = TRAP\n", "credentials")


def named_credentials_file(trap: Trap) -> None:
    trap.config("[default]\nendpoint_url = TRAP\n", "another")
    trap.env = {"AWS_SHARED_CREDENTIALS_FILE": str(trap.home / ".aws/another")}


def global_variable(trap: Trap) -> None:
    trap.env = {"AWS_ENDPOINT_URL": trap.url}


def models(trap: Trap) -> None:
    directory = trap.home / ".aws" / "models" / "ssm" / "2014-11-06"
    directory.mkdir(parents=True)
    (directory / "endpoint-rule-set-1.json").write_text(json.dumps(RULES).replace("TRAP", trap.url))


def data_path(trap: Trap) -> None:
    models(trap)
    trap.env = {"AWS_DATA_PATH": str(trap.home / ".aws" / "models")}


def certificates(trap: Trap) -> None:
    """They would be trusted in place of those that were named, and are none."""
    trap.config(f"[default]\nca_bundle = {trap.home}/.aws/config\n")


def processes(trap: Trap) -> None:
    trap.config(f"[default]\ncredential_process = /usr/bin/touch {trap.home}/ran\n")
    trap.config(f"[default]\ncredential_process = /usr/bin/touch {trap.home}/ran\n", "credentials")


def monitoring(trap: Trap) -> None:
    """botocore would send the name of each call there, by UDP."""
    trap.config(f"[default]\ncsm_enabled = true\ncsm_host = 127.0.0.1\ncsm_port = {trap.port}\n")
    trap.env = {"AWS_CSM_ENABLED": "true", "AWS_CSM_HOST": "127.0.0.1", "AWS_CSM_PORT": str(trap.port)}


def other_endpoints(trap: Trap) -> None:
    trap.config("[default]\nuse_fips_endpoint = true\nuse_dualstack_endpoint = true\nregion = us-east-1\n"
                "sts_regional_endpoints = legacy\ndefaults_mode = auto\n")  # fmt: skip


def retries(trap: Trap) -> None:
    trap.config("[default]\nretry_mode = nonsense\nmax_attempts = -7\nparameter_validation = x\napi_versions = y\n")


def nonsense(trap: Trap) -> None:
    trap.config("[default\nno line of a configuration = = [\n\x00")
    trap.config("[[[\n", "credentials")


def missing_profile(trap: Trap) -> None:
    trap.env = {"AWS_PROFILE": "nobody", "AWS_CONFIG_FILE": str(trap.home / "nothing")}


def netrc(trap: Trap) -> None:
    (trap.home / ".netrc").write_text("default login x password y\n")
    trap.env = {"NETRC": str(trap.home / ".netrc")}


def key_log(trap: Trap) -> None:
    """OpenSSL's keys would be written there, with root's rights."""
    trap.env = {"SSLKEYLOGFILE": str(trap.home / "ran")}


def plug_in(trap: Trap) -> None:
    trap.env = {"BOTOCORE_EXPERIMENTAL__PLUGINS": "x=antigravity"}


TRAPS: list[Callable[[Trap], None]] = [
    profile_endpoint, services, named_profile, named_file, credentials_file, named_credentials_file, global_variable,
    models, data_path, certificates, processes, monitoring, other_endpoints, retries, nonsense, missing_profile, netrc,
    key_log, plug_in,
]  # fmt: skip


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def region(authority: Authority) -> Iterator[Proxy]:
    """The region's own endpoint, which is reached through a proxy."""

    def serve(server: Server, connection: socket.socket) -> None:
        # The complete request, or the end of the connection discards the answer.
        data = b""
        while not data.endswith(b"}"):
            data += connection.recv(65536)
        body = json.dumps({"InstanceId": NODE}).encode()
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    with Server(serve, authority.context(HOST)) as server, Proxy(to=server.port) as proxy:
        yield proxy


@pytest.fixture
def trapped(tmp_path: Path) -> Iterator[tuple[Trap, Server, socket.socket]]:
    with Server(answering(body=b"{}")) as server, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        udp.setblocking(False)
        yield Trap(tmp_path / "home", server.url, udp.getsockname()[1]), server, udp


def register(tmp_path: Path, trap: Trap, proxy: Proxy, authority: Authority, **more: str) -> tuple[int, str]:
    trap.home.mkdir(exist_ok=True)
    recorded = tmp_path / "machine.json"
    recorded.write_text(json.dumps(unix_snapshot()))
    env = environment(
        tmp_path / "state", HOME=str(trap.home), HTTPS_PROXY=proxy.at(), NO_PROXY="127.0.0.1",
        AWS_CA_BUNDLE=authority.file, FINGERPRINT_ACTIVATION_CODE=CODE, **trap.env, **more,
    )  # fmt: skip
    done = subprocess.run(
        [COMMAND, "--vault", tmp_path / "ssm" / "Vault", "--snapshot", recorded, "register", "--region", REGION,
         "--activation-id", "1" * 36], env=env, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("kind", TRAPS, ids=lambda kind: kind.__name__)
def test_the_code_goes_to_the_region_whatever_a_home_holds(
    kind: Callable[[Trap], None], tmp_path: Path, region: Proxy, authority: Authority,
    trapped: tuple[Trap, Server, socket.socket],
) -> None:  # fmt: skip
    trap, server, udp = trapped
    trap.home.mkdir()
    kind(trap)
    code, said = register(tmp_path, trap, region, authority)
    assert (code, NODE in said) == (0, True), said
    assert region.targets == [f"{HOST}:443"]
    assert server.heads == []
    with pytest.raises(BlockingIOError):
        udp.recv(1)
    assert not (trap.home / "ran").exists()


def test_the_variable_of_this_service_is_followed(
    tmp_path: Path, region: Proxy, authority: Authority, trapped: tuple[Trap, Server, socket.socket]
) -> None:
    """The proof that the trap would be reached."""
    trap, server, _ = trapped
    code, said = register(tmp_path, trap, region, authority, AWS_ENDPOINT_URL_SSM=server.url)
    assert code == 5, said
    assert {head.split(" ")[0] for head in server.heads} == {"POST"}
    sent = len(server.heads)
    assert region.targets == []
    # And the variable that takes all of them back is followed, too.
    code, said = register(
        tmp_path, trap, region, authority, AWS_ENDPOINT_URL_SSM=server.url, AWS_IGNORE_CONFIGURED_ENDPOINT_URLS="true"
    )
    assert (code, len(server.heads)) == (0, sent), said


URLS = [
    "http://me:hunter2@192.0.2.1", "ftp://me:hunter2@localhost", "https://me:hunter2@127.0.0.1:1", "me:hunter2@host",
    "https://me:hunter2@ a b", "https://me:hun@hunter2@127.0.0.1", "https://me:hunter2@", "https://me:hunter2@[::1",
    "https://me:hunter2@host:port", "https://me:hun/hunter2@host", "https://me:hunter2?@host", "https://me:hunter2#@h",
    "https://me:hunter2@h\u00f6st", "https://me:hunter2@host\x1b[31m", "https://me:x://hunter2@host", "//me:hunter2@h",
    "https://me:'hunter2@host", 'https://me:"hunter2 @host', "https://me:hunter2%zz@host:0", "socks5://me:hunter2@h:1",
    "https://127.0.0.1:1/?token=hunter2", "http://h:1/#hunter2", "http://[x?hunter2", "https://h:1/x?a=b#hunter2",
]  # fmt: skip


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize(
    "how", ["--endpoint", "--proxy", "AWS_ENDPOINT_URL_SSM", "HTTPS_PROXY", "ALL_PROXY", "unknown"]
)
@pytest.mark.parametrize("output", ["text", "json"])
def test_no_error_prints_the_password_of_a_url(
    url: str, how: str, output: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In this process, for the many of them."""
    from fingerprint.cli import main

    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("FINGERPRINT_ACTIVATION_CODE", CODE)
    monkeypatch.setenv("FINGERPRINT_STATE", str(tmp_path / "state"))
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    recorded = tmp_path / "machine.json"
    recorded.write_text(json.dumps(unix_snapshot()))
    words = ["--vault", str(tmp_path / "ssm" / "Vault"), "--snapshot", str(recorded), "--output", output, "register",
             "--region", REGION, "--activation-id", "1" * 36]  # fmt: skip
    if how == "unknown":
        words += [f"--proxi={url}", url]
    elif how.startswith("--"):
        # With what is wrong in it refused, and what is right in it not reached.
        words += [how, url, *([] if how == "--endpoint" else ["--endpoint", "https://127.0.0.1:1"])]
    else:
        monkeypatch.setenv(how, url)
        words += ["--proxy", "http://127.0.0.1:1"] if how == "AWS_ENDPOINT_URL_SSM" else ["--endpoint", "https://h:1"]
    monkeypatch.setattr("fingerprint.registration.client._CONNECT_SECONDS", 0.2)
    assert main(words) in (2, 5, 6)
    said = "".join(capfd.readouterr())
    assert "hunter2" not in said
    assert "\x1b" not in said
    assert "internal error" not in said
