"""Published versions, read from the addresses of a region, and the last update by its log."""

from __future__ import annotations

import itertools
import socket
from pathlib import Path
from typing import Any

import pytest

from agent_machines import REGION, AgentMachine, Present, line, ready, started
from commandline import run
from fingerprint.agent.buckets import global_version_url, version_url
from fingerprint.agent.paths import UPDATE_LOG
from fingerprint.agent.regions import domain, partition
from fingerprint.collectors.recipes import version_of
from fingerprint.diagnose import Diagnosis, Finding, Network, Outcome, diagnose
from fingerprint.errors import UsageError
from other_agent_machines import DATA, WindowsMachine
from servers import Authority, Proxy, Server
from update_logs import REASONS, failure

LOCAL, GLOBAL = f"/amazon-ssm-{REGION}/latest/VERSION", "/ec2-downloads-windows/SSMAgent/latest/VERSION"
HOSTS = {LOCAL: f"s3.{REGION}.amazonaws.com", GLOBAL: "s3.amazonaws.com"}
# Settings of the agent -> where its S3 is then.
OTHER_HOSTS = {
    ("UseDualStackEndpoint", True): f"s3.dualstack.{REGION}.amazonaws.com", ("ServiceDomain", "x.example"):
    f"s3.{REGION}.x.example",
}  # fmt: skip
# One of each partition, with the domain of its S3 and whether the global bucket is its own, by AWS's documentation.
REGIONS = {
    "us-east-1": ("amazonaws.com", True), "eu-west-1": ("amazonaws.com", True),
    "us-gov-west-1": ("amazonaws.com", True),
    "cn-north-1": ("amazonaws.com.cn", False), "cn-northwest-1": ("amazonaws.com.cn", False),
    "us-iso-east-1": ("c2s.ic.gov", False), "us-isob-east-1": ("sc2s.sgov.gov", False),
    "eu-isoe-west-1": ("cloud.adc-e.uk", False), "us-isof-south-1": ("csp.hci.ic.gov", False),
    "eusc-de-east-1": ("amazonaws.eu", False),
}  # fmt: skip


class Versions(Server):
    """S3, that answers for each path a status and a body; what is not named is not there."""

    def __init__(self, answers: dict[str, tuple[str, bytes]], authority: Authority) -> None:
        self.answers = answers
        super().__init__(
            Versions._serve, authority.context("s3.amazonaws.com", f"*.{REGION}.amazonaws.com", *OTHER_HOSTS.values())
        )

    @staticmethod
    def _serve(server: Server, connection: socket.socket) -> None:
        assert isinstance(server, Versions)
        path = server.head(connection).split(" ")[1]
        status, body = server.answers.get(path, ("404 Not Found", b"<Error/>"))
        connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)


def installed(machine: AgentMachine, version: str) -> None:
    path = "/usr/bin/amazon-ssm-agent"
    machine.command((path, "-version"), f"SSM Agent version: {version}\n" if version else "", 0 if version else 1)
    machine.log("amazon-ssm-agent.log", (started("08:00:00", version) if version else "") + ready("08:00:01"))


def of(machine: AgentMachine, network: Network | None, *only: str, **options: Any) -> Diagnosis:
    site = machine.site(network, **options)
    site.machine = Present(machine.machine)
    return diagnose(site, only or ("published",))


def asked(
    machine: AgentMachine, authority: Authority, answers: dict[str, tuple[str, bytes]], **options: Any
) -> tuple[Finding, list[str]]:
    """Return the finding where S3 gives these answers, and what S3 was asked."""
    with Versions(answers, authority) as server, Proxy(to=server.port) as proxy:
        network = Network(proxy.at(), {}, authority.file, 5.0)
        return of(machine, network, **options)["published"], server.heads


def ok(version: str) -> tuple[str, bytes]:
    return "200 OK", version.encode() + b"\n"


def text_of(finding: Finding) -> str:
    return " ".join((finding.text, *finding.evidence))


# The addresses.


@pytest.mark.parametrize("region", REGIONS)
def test_both_addresses_are_made_of_the_region(region: str) -> None:
    assert domain(region) == REGIONS[region][0]
    assert version_url(region) == f"https://s3.{region}.{REGIONS[region][0]}/amazon-ssm-{region}/latest/VERSION"
    everywhere = "https://s3.amazonaws.com/ec2-downloads-windows/SSMAgent/latest/VERSION"
    assert global_version_url(region) == (everywhere if REGIONS[region][1] else "")
    assert version_url(region, "https://s3.example/") == f"https://s3.example/amazon-ssm-{region}/latest/VERSION"


@pytest.mark.parametrize("region", ["", "nowhere", "../x", "eu-west-1/", "eu-west-1\n", "EU-WEST-1"])
def test_an_invalid_region_has_no_address(region: str) -> None:
    with pytest.raises(UsageError):
        version_url(region)


def test_only_the_region_of_the_registration_is_read(machine: AgentMachine, authority: Authority) -> None:
    finding, heads = asked(machine, authority, {LOCAL: ok("3.3.4851.0"), GLOBAL: ok("3.3.4851.0")})
    assert finding.text == f"version 3.3.4851.0, the newest in {REGION}"
    assert [head.split(" ")[:2] for head in heads] == [["GET", LOCAL], ["GET", GLOBAL]]
    for head in heads:
        assert f"\r\nHost: {HOSTS[head.split(' ')[1]]}\r\n" in head
        assert "Authorization" not in head


def test_the_configured_s3_is_read_as_the_agent_does(machine: AgentMachine, authority: Authority) -> None:
    with Versions({LOCAL: ok("3.3.9000.0")}, authority) as server:
        machine.config(S3={"Endpoint": f"https://s3.{REGION}.amazonaws.com:{server.port}"})
        with Proxy(to=server.port) as proxy:
            finding = of(machine, Network(proxy.at(), {}, authority.file, 5.0))["published"]
    assert finding.text == f"version 3.3.4851.0; 3.3.9000.0 is published in {REGION}"


@pytest.mark.parametrize("setting", OTHER_HOSTS)
def test_the_address_follows_the_agents_endpoints(
    machine: AgentMachine, authority: Authority, setting: tuple[str, object]
) -> None:
    machine.config(Agent={setting[0]: setting[1]})
    finding, heads = asked(machine, authority, {LOCAL: ok("3.3.9000.0")})
    assert finding.text == f"version 3.3.4851.0; 3.3.9000.0 is published in {REGION}"
    assert f"\r\nHost: {OTHER_HOSTS[setting]}\r\n" in heads[0]


@pytest.mark.parametrize("region", [name for name in REGIONS if not REGIONS[name][1]])
def test_a_partition_without_global_address_reads_no_other(
    machine: AgentMachine, authority: Authority, region: str
) -> None:
    finding, heads = asked(machine, authority, {GLOBAL: ok("3.3.9000.0")}, region=region)
    assert [head for head in heads if GLOBAL in head] == []
    assert f"no known address for all regions of {partition(region)}" in finding.evidence
    assert "9000" not in text_of(finding)


# What follows from them.

OLDER, SAME, NEWER, NEWEST = "3.3.987.0", "3.3.4851.0", "3.3.5700.0", "3.3.5828.0"
UNREADABLE = {
    "": ("403 Forbidden", b"<Error><Code>AccessDenied</Code></Error>"), "<html>": ("200 OK", b"<html>sign in</html>"),
    "3..3": ("200 OK", b"3..3\n"), "nothing": ("200 OK", b""), "404": ("404 Not Found", b""),
}  # fmt: skip


@pytest.mark.parametrize(
    ("here", "everywhere"), [*itertools.product([OLDER, SAME, NEWER, *UNREADABLE], [SAME, NEWEST, ""])]
)
def test_the_installed_version_is_compared_with_both(
    machine: AgentMachine, authority: Authority, here: str, everywhere: str
) -> None:
    answers = {LOCAL: UNREADABLE.get(here) or ok(here), GLOBAL: UNREADABLE.get(everywhere) or ok(everywhere)}
    finding, _ = asked(machine, authority, answers)
    have, region, all_of_them = version_of(SAME), version_of(here), version_of(everywhere)
    newer = have < region or (not region and have < all_of_them)
    assert str(finding.outcome) == ("warn" if newer or not (region or all_of_them) else "pass")
    assert (finding.remedy == "Update it with AWS-UpdateSSMAgent") == newer
    behind = "may take up to two weeks to have" in text_of(finding)
    assert behind == (bool(region) and (all_of_them > max(region, have) or have > region))
    if have >= region and region and (all_of_them > have or have > region):
        # An update to what is published elsewhere fails until then, and with which words.
        assert "is unsupported on current platform" in text_of(finding)
        assert "allow downgrade to proceed" in text_of(finding)
    assert ("AMIs that contain the agent can be up to two weeks behind" in text_of(finding)) == newer
    for version in (here, everywhere):
        if version_of(version):
            assert version in text_of(finding)


@pytest.mark.parametrize("version", ["", "3..1", "nightly"])
def test_an_invalid_version_is_not_compared(machine: AgentMachine, authority: Authority, version: str) -> None:
    installed(machine, version)
    finding, _ = asked(machine, authority, {LOCAL: ok(NEWER), GLOBAL: ok(NEWEST)})
    assert str(finding.outcome) == "skipped"
    assert finding.undetermined == bool(version)
    assert NEWER in text_of(finding)


def test_without_a_region_the_version_of_all_is_shown(machine: AgentMachine, authority: Authority) -> None:
    machine.registration = None
    finding, heads = asked(machine, authority, {GLOBAL: ok(NEWEST)})
    assert [head.split(" ")[1] for head in heads] == [GLOBAL]
    assert finding.text == f"version {SAME}; {NEWEST} is published"
    assert "unknown region: set --region" in finding.evidence


def test_nothing_is_read_offline_or_for_another_machine(machine: AgentMachine) -> None:
    assert of(machine, None)["published"].text == "requires --network"
    with Proxy("403 Filtered") as proxy:
        finding = machine.diagnosis("published", network=Network(proxy.at(), {}, "", 1.0))["published"]
        assert finding.text == "the network of another machine cannot be checked from here"
        assert proxy.targets == []


def test_an_unreachable_server_is_shown_without_password(machine: AgentMachine) -> None:
    with socket.socket() as kept:
        kept.bind(("127.0.0.1", 0))
        port = kept.getsockname()[1]
        machine.config(S3={"Endpoint": f"https://user:hunter2@127.0.0.1:{port}"})
        finding = of(machine, Network(f"http://127.0.0.1:{port}", {}, "", 1.0))["published"]
    assert str(finding.outcome) == "warn"
    assert "(the proxy refuses connections)" in text_of(finding)
    assert "hunter2" not in repr(finding)


# The last update.


def updated(machine: AgentMachine, text: str) -> Finding:
    if isinstance(machine, WindowsMachine):
        machine.file(rf"{DATA}\Logs\{UPDATE_LOG}", text)
        machine.snapshot["folders"][rf"{DATA}\Logs"] = sorted({UPDATE_LOG, "amazon-ssm-agent.log"})
    else:
        machine.log(UPDATE_LOG, text)
    return machine.diagnosis("update")["update"]


@pytest.mark.parametrize("system", [AgentMachine, WindowsMachine])
@pytest.mark.parametrize("reason", REASONS)
def test_each_of_the_two_messages_is_explained(tmp_path: Path, system: type[AgentMachine], reason: str) -> None:
    kind, _, target = REASONS[reason]
    machine = system(tmp_path)
    # What failed for want of a version is over once that one is installed.
    version = "3.3.4850.0"
    machine.command(
        (r"C:\Program Files\Amazon\SSM\amazon-ssm-agent.exe", "-version"), f"SSM Agent version: {version}\r\n"
    )
    installed(machine, version)
    finding = updated(machine, failure("10:00:00", reason, target or "3.3.5828.0"))
    assert str(finding.outcome) == "warn", finding
    assert finding.text.startswith(f"the last update to {target or '3.3.5828.0'} failed at 2026-11-24T10:00:00Z: ")
    assert "two weeks until every region has it" in finding.text
    assert reason in finding.evidence
    assert ("allowDowngrade" in finding.remedy) == (kind == "downgrade")
    assert finding.command == ""


def test_the_printed_command_works_as_printed(machine: AgentMachine) -> None:
    machine.log(UPDATE_LOG, failure("10:00:00", next(iter(REASONS))))
    # Of a recording it would be of no use.
    assert machine.diagnosis("update")["update"].command == ""
    finding = of(machine, None, "update")["update"]
    assert "the command shows what the region has" in finding.remedy
    with Proxy("403 Filtered") as proxy:
        # It was asked already.
        assert of(machine, Network(proxy.at(), {}, "", 1.0), "update")["update"].command == ""
        env = {**machine.env, "https_proxy": proxy.at(), "no_proxy": ""}
        done = run("--vault", str(machine.vault_path), *finding.command.split()[1:], env=env)
        assert done.returncode == 0, done.stdout
        if "agent is not installed" in " ".join(done.stdout.split()):
            # This host has none; the check of one that has it does the same.
            found = of(machine, Network(proxy.at(), {}, "", 1.0), "published")["published"]
            assert "cannot read a published version" in f"{found.text} {found.evidence}"
        else:
            assert "cannot read a published version" in " ".join(done.stdout.split())
        assert set(proxy.targets) == {f"{host}:443" for host in HOSTS.values()}


def test_a_failed_update_ends_with_a_later_success(machine: AgentMachine) -> None:
    reason = "amazon-ssm-agent target version 3.3.4851.0 is unsupported on current platform"
    finding = updated(machine, failure("10:00:00", reason, "3.3.4851.0"))
    assert str(finding.outcome) == "pass"
    assert "3.3.4851.0 is installed now" in finding.text
    later = line("11:00:00", "INFO", "amazon-ssm-agent updated successfully to 3.3.5828.0", "")
    finding = updated(machine, failure("10:00:00", next(iter(REASONS))) + later)
    assert finding.text == "the last update to 3.3.5828.0 succeeded at 2026-11-24T11:00:00Z"


@pytest.mark.parametrize(("days", "expected"), [(0, False), (13, False), (15, True), (400, True)])
def test_after_two_weeks_the_region_should_have_it(machine: AgentMachine, days: int, expected: bool) -> None:
    from datetime import datetime, timedelta

    machine.log(UPDATE_LOG, failure("10:00:00", next(iter(REASONS))))
    later = datetime(2026, 11, 24, 12) + timedelta(days=days)
    machine.snapshot["recordedAt"] = later.strftime("%Y-%m-%dT%H:%M:%SZ")
    finding = machine.diagnosis("update")["update"]
    assert ("by now the region should have it" in text_of(finding)) == expected


def test_rotated_logs_and_old_main_logs_count_by_time(machine: AgentMachine) -> None:
    reason = next(iter(REASONS))
    machine.log(UPDATE_LOG, line("09:00:00", "INFO", "amazon-ssm-agent updated successfully to 3.3.4851.0", ""))
    machine.log(f"{UPDATE_LOG}.1", failure("07:00:00", reason))
    assert str(machine.diagnosis("update")["update"].outcome) == "pass"
    machine.log("amazon-ssm-agent.log", started("08:00:00") + ready("08:00:01") + failure("10:00:00", reason))
    assert "failed at 2026-11-24T10:00:00Z" in machine.diagnosis("update")["update"].text
    # A name that only begins alike is none of it.
    machine.log(f"{UPDATE_LOG}.bak", failure("11:00:00", reason, "3.3.9999.0"))
    assert "9999" not in text_of(machine.diagnosis("update")["update"])


def test_missing_logs_of_updates_are_no_answer(machine: AgentMachine) -> None:
    machine.remove(f"/var/log/amazon/ssm/{UPDATE_LOG}")
    machine.snapshot["folders"]["/var/log/amazon/ssm"] = ["amazon-ssm-agent.log"]
    assert machine.diagnosis("update")["update"].text == "no update is logged"
    machine.snapshot["folders"]["/var/log/amazon/ssm"] = ["amazon-ssm-agent.log", UPDATE_LOG]
    machine.denied(f"/var/log/amazon/ssm/{UPDATE_LOG}")
    assert machine.diagnosis("update")["update"].undetermined
    machine.snapshot["folders"] = {}
    assert machine.diagnosis("update")["update"].outcome == Outcome.SKIPPED


def test_an_update_with_another_failure_is_reported(machine: AgentMachine) -> None:
    finding = updated(machine, line("10:00:00", "INFO", "Failed to update amazon-ssm-agent to 3.3.5828.0", ""))
    assert str(finding.outcome) == "warn"
    assert UPDATE_LOG in finding.remedy
    assert finding.command == ""


@pytest.mark.parametrize(
    ("text", "version", "outcome"),
    [
        ("amazon-ssm-agent source version 3.3.2.0 is unsupported on current platform", "3.3.2.0", "warn"),
        ("amazon-ssm-agent source version 3.3.2.0 is unsupported on current platform", "3.3.5.0", "pass"),
        ("Updating 3.3.2.0 to an older version 3.3.1.0, please enable allow downgrade to proceed", "3.3.2.0", "warn"),
        ("Updating 3.3.2.0 to an older version 3.3.1.0, please enable allow downgrade to proceed", "3.3.1.0", "pass"),
    ],
)
def test_a_failed_update_ends_with_another_installed_version(
    machine: AgentMachine, text: str, version: str, outcome: str
) -> None:
    installed(machine, version)
    finding = updated(machine, line("10:00:00", "ERROR", text, ""))
    assert str(finding.outcome) == outcome, finding
    assert (f"{version} is installed now" in finding.text) == (outcome == "pass")


def test_a_region_may_lack_the_installed_version(machine: AgentMachine, authority: Authority) -> None:
    installed(machine, "3.3.2.0")
    finding, _ = asked(machine, authority, {LOCAL: ok("3.3.1.0"), GLOBAL: ok("3.3.3.0")})
    assert str(finding.outcome) == "pass"
    assert f"{REGION} has 3.3.1.0" in finding.text
    assert any("3.3.3.0 is published" in one for one in finding.evidence)
