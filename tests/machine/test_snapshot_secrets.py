"""What is recorded of the agent and its service holds no secrets; what hashes are made of is recorded to the byte."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from agent_machines import LOGS, SYSTEMCTL, AgentMachine, line, ready, started
from fingerprint import collect
from fingerprint.diagnose import Site, record
from fingerprint.machine.base import Machine
from fingerprint.machine.processes import CommandResult
from fingerprint.machine.recorded import RecordedMachine
from fingerprint.machine.recorder import Recorder
from fingerprint.testing.machines import unix_snapshot
from fingerprint.vault import Vault

CONFIG = "/etc/amazon/ssm/amazon-ssm-agent.json"
SECRETS = ("hunter2", "hunter3", "hunter4", "wJalrXUtnFEMI", "FwoGZXIvYXdzEBY", "IQoJb3JpZ2luX2Vj", "s3cr3t", "$6$")
STAYS = ("proxy.example:3128", "10.0.0.0/8", "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY", "ssm.example")


@pytest.fixture
def machine(tmp_path: Path) -> AgentMachine:
    machine = AgentMachine(tmp_path)
    machine.unit(Environment=(
        'https_proxy=http://u:hunter2@proxy.example:3128 HTTP_PROXY=u:hunter3@proxy.example:3128 '
        '"no_proxy=169.254.169.254, 10.0.0.0/8" AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI "DB=a s3cr3t b"'
    ))  # fmt: skip
    machine.log("amazon-ssm-agent.log", started("08:00:00") + "".join(
        line("08:00:00", "INFO", text, "") for text in (
            "https_proxy: http://u:hunter2@proxy.example:3128", "http_proxy: u:hunter3@proxy.example:3128",
            "creds {AccessKeyID:AKIAIOSFODNN7EXAMPLE SecretAccessKey:wJalrXUtnFEMI/K7 SessionToken:FwoGZXIvYXdzEBY=}",
            'sent {\\"secretAccessKey\\":\\"wJalrXUtnFEMI\\",\\"sessionToken\\":\\"IQoJb3JpZ2luX2VjEA\\"}',
            "aws_secret_access_key = wJalrXUtnFEMI", "got IQoJb3JpZ2luX2VjEAAa+/=", "Authorization: Basic s3cr3t==",
        )
    ) + ready("08:00:01") + ready("11:30:00"))  # fmt: skip
    machine.config(
        Ssm={"Endpoint": "https://user:hunter4@ssm.example"}, Mds={"password": "s3cr3t", "pin_password": 123},
        Profile={"ShareCreds": True},
    )  # fmt: skip
    accounts = machine.snapshot["files"]["/etc/passwd"]
    accounts["text"] += "old:$6$salt$hash:1002:1002::/home/old:/bin/sh\n"
    return machine


def test_a_snapshot_and_evidence_hold_no_secrets(machine: AgentMachine) -> None:
    path = machine.directory / "out.json"
    done = machine("snapshot", str(path), "--keep")
    assert done.returncode == 0, done.stderr
    assert "Passwords in URLs" in done.stdout
    assert "no keys" not in done.stdout
    text = path.read_text()
    assert [secret for secret in SECRETS if secret in text] == []
    assert [word for word in STAYS if word not in text] == []
    assert machine("snapshot", "-").stdout == text
    kept = list((machine.directory / "state" / "evidence").rglob("*.json"))
    assert kept
    assert [secret for one in kept for secret in SECRETS if secret in one.read_text()] == []
    # The settings are JSON as before.
    settings = json.loads(json.loads(text)["files"][CONFIG]["text"])
    assert settings == {
        "Ssm": {"Endpoint": "https://***@ssm.example"}, "Mds": {"password": "***", "pin_password": "***"},
        "Profile": {"ShareCreds": True},
    }  # fmt: skip
    # What was left answers alike, and is recorded alike.
    here = [(r.name, r.finding.outcome) for r in machine.diagnosis().results]
    machine.snapshot = json.loads(text)
    assert [(r.name, r.finding.outcome) for r in machine.diagnosis().results] == here
    assert machine("snapshot", "-").stdout == text


def test_who_asks_while_it_is_recorded_gets_what_is_there(machine: AgentMachine) -> None:
    recorder = Recorder(machine.machine)
    [result] = recorder.run([SYSTEMCTL], 1.0)
    assert b"hunter2" in result.stdout
    assert b"hunter4" in recorder.read_file(CONFIG)
    assert b"hunter2" in recorder.read_end(f"{LOGS}/amazon-ssm-agent.log", 65536)
    assert "hunter" not in recorder.text()


def test_what_hashes_are_made_of_is_recorded_to_the_byte(tmp_path: Path) -> None:
    odd = "password: x\nSecretAccessKey = y\nhttp://u:p@h\nEnvironment=A=b\n\tA => b\n"
    snapshot = unix_snapshot(dmi=odd, disk=odd)
    snapshot["files"]["/etc/machine-id"] = {"text": odd}
    snapshot["files"]["/proc/cpuinfo"] = {"text": odd}
    recorder = Recorder(RecordedMachine(snapshot))
    live = collect(recorder)
    record(Site(recorder, Vault(str(tmp_path))))
    played = RecordedMachine(json.loads(recorder.text()))
    assert collect(played).hardware_hash == live.hardware_hash
    assert played.snapshot["files"]["/etc/machine-id"] == {"text": odd}
    recorded = {tuple(entry["argv"]): entry["stdout"] for entry in played.snapshot["commands"]}
    assert [out for argv, out in recorded.items() if "dmidecode" in argv[0] and odd not in out] == []


class Parrot(Machine):
    """A machine that gives one answer to every question."""

    platform, kernel, timeout = "linux", "Linux", 1.0

    def __init__(self, said: str) -> None:
        self.said = said

    def now(self) -> float:
        return 0.0

    def run(self, commands: Any, timeout: float, meanwhile: Any = lambda: None) -> list[CommandResult]:
        return [CommandResult(tuple(argv), 0, self.said.encode(), self.said) for argv in commands]

    def read_file(self, path: str, limit: int = 0) -> bytes:
        return self.said.encode("utf-8", "surrogateescape")


def kept(said: str, *argv: str) -> str:
    recorder = Recorder(Parrot(said))
    recorder.run([argv], 1.0)
    text: str = recorder.snapshot["commands"][0]["stdout"]
    # What was treated once stays as it is.
    again = Recorder(Parrot(text))
    again.run([argv], 1.0)
    assert again.snapshot["commands"][0]["stdout"] == text
    return text


@pytest.mark.parametrize(
    ("environment", "left"),
    [
        ("", ""),
        ("A=b", "A=***"),
        ("A=b c d=e", "A=*** d=***"),
        ("https_proxy=http://p:1 A=b", "https_proxy=http://p:1 A=***"),
        ('"https_proxy=http://u:p w@h" A=b', '"https_proxy=http://***@h" A=***'),
        ("$'HTTPS_PROXY=http://u:it\\'s@h'", "$'HTTPS_PROXY=http://***@h'"),
        ('all_proxy="socks5://u:p@h"', 'all_proxy="socks5://***@h"'),
        ("http_proxy=http://u:p@ss/word@h:1", "http_proxy=http://***@h:1"),
        ("no_proxy=a, b X=1 c", "no_proxy=a, b X=***"),
        ('A="b c https_proxy=http://p', "A=*** https_proxy=http://p"),
        ("c2VjcmV0 s-e=x A=b", "A=***"),
        ("'Z=it is' Y=\"a \\\" b\"", "Z=*** Y=***"),
    ],
)  # fmt: skip
def test_environment_keeps_proxies_only(environment: str, left: str) -> None:
    text = kept(f"Id=a.service\nEnvironment={environment}\nUser=\n", "/usr/bin/systemctl", "show")
    assert text == f"Id=a.service\nEnvironment={left}\nUser=\n"


def test_environment_of_launchd_is_dropped() -> None:
    said = "\tstate = running\n\tenvironment = {\n\t\tKEY => abc\n\t\thttps_proxy => http://u:p@h\n\t}\n"
    left = kept(said, "/bin/launchctl", "print", "system/com.amazon.aws.ssm")
    assert left == "\tstate = running\n\tenvironment = {\n\t\tKEY => ***\n\t\thttps_proxy => http://***@h\n\t}\n"


@pytest.mark.parametrize("path", [CONFIG, r"C:\ProgramData\Amazon\SSM\Logs\errors.log", "/opt/aws/ssm/data/x",
                                  "/var/snap/amazon-ssm-agent/1/x"])  # fmt: skip
@pytest.mark.parametrize(
    ("said", "left"),
    [
        ('{"Endpoint":"https:\\/\\/u:p\\"q@h","mail":"a@b"}', '{"Endpoint":"https:\\/\\/***@h","mail":"a@b"}'),
        ('{"secretKey" : -12.5e3 , "sessionToken":null}', '{"secretKey" : "***" , "sessionToken":null}'),
        ('{"password":"a\\"b c","private_key":[1]}', '{"password":"***","private_key":[1]}'),
        ('{"args":"password=a,b c","x":1}', '{"args":"password=*** c","x":1}'),
        ("The security token included is invalid", "The security token included is invalid"),
        ("GET /?X-Amz-Security-Token=Fwo%2B", "GET /?X-Amz-Security-Token=***"),
        ("see https://h/a and me@b", "see https://h/a and me@b"),
        ("Password='a b' \udcff", "Password='***' \udcff"),
    ],
)
def test_of_the_agents_files_secrets_are_not_kept(path: str, said: str, left: str) -> None:
    for text in (said, left):
        recorder = Recorder(Parrot(text))
        recorder.read_file(path)
        assert RecordedMachine(recorder.snapshot).read_file(path) == left.encode("utf-8", "surrogateescape")
        recorder.read_file("/etc/other")
        assert RecordedMachine(recorder.snapshot).read_file("/etc/other") == text.encode("utf-8", "surrogateescape")


@pytest.mark.parametrize("piece", ["a", "://", "@", '"', "\\", "password=", 'password="', "https_proxy: ", "'\"", "a@://",
                                   "password  ", "\\\"", "Environment=A="])  # fmt: skip
def test_a_log_that_was_made_to_take_long_does_not(piece: str) -> None:
    begin = time.monotonic()
    kept("Environment=@ password " + piece * (256 * 1024 // len(piece)), "/usr/bin/systemctl", "show")
    assert time.monotonic() - begin < 3
