"""Machines with IPv6 only, with IPv4 only and with neither: in network namespaces of their own, with real servers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from paths import SUPPORT

ON_LINUX = sys.platform == "linux"
pytestmark = pytest.mark.skipif(not ON_LINUX, reason="network namespaces are Linux's")
# Addresses and routes of a machine; nothing leaves it, as the other end of the cable answers nobody.
CABLE = "ip link add v0 type veth peer name v1 && ip link set v1 up && "
FAMILIES = {
    "IPv6 only": CABLE + "ip addr add 2001:db8:1::2/64 dev v0 nodad && ip link set v0 up && "
                 "ip -6 route add default via 2001:db8:1::1 dev v0",
    # As in a subnet of EC2 with IPv6 only: an address of IPv4 for the metadata service, and no way out.
    "IPv6 and link-local IPv4": CABLE + "ip addr add 2001:db8:1::2/64 dev v0 nodad && "
                 "ip addr add 169.254.7.7/16 dev v0 && ip link set v0 up && "
                 "ip -6 route add default via 2001:db8:1::1 dev v0",
    "both": CABLE + "ip addr add 2001:db8:1::2/64 dev v0 nodad && ip addr add 192.0.2.2/24 dev v0 && "
            "ip link set v0 up && ip -6 route add default via 2001:db8:1::1 dev v0 && "
            "ip route add default via 192.0.2.1 dev v0",
    "IPv4 only": CABLE + "ip addr add 192.0.2.2/24 dev v0 && ip link set v0 up && "
                 "ip route add default via 192.0.2.1 dev v0",
    "neither": "true",
}  # fmt: skip
DUAL_STACK = ("ssm", "ssmmessages", "kms", "logs", "monitoring")
PRELUDE = """
import contextlib, json, os, sys, time
from pathlib import Path
sys.path[:0] = [SUPPORT]
from agent_machines import REGION, AgentMachine, Present
from fingerprint.diagnose import Network, diagnose
from servers import Authority, Proxy, Server, answering, sending

directory = Path(DIRECTORY)
machine = AgentMachine(directory)

def found(*only, network=None, **variables):
    site = machine.site(network or Network("", variables, str(directory / "authority.pem"), seconds=1.0))
    site.machine = Present(machine.machine)
    begin = time.monotonic()
    answer = diagnose(site, only)
    taken = time.monotonic() - begin
    return {
        result.name: {"outcome": str(result.finding.outcome), "text": result.finding.text, "taken": taken,
                      "undetermined": result.finding.undetermined, "evidence": list(result.finding.evidence),
                      "remedy": result.finding.remedy}
        for result in answer.results
    } | {"conclusion": answer.conclusion.state}

def serving(*names, host="::1"):
    "A server for names of https, at the port that they are asked at."
    return Server(answering("403 Forbidden"), Authority(directory).context(*names), host, 443)
"""


def in_namespace(tmp_path: Path, family: str, code: str, hosts: str = "") -> Any:
    """Run code on a machine with these addresses only; gives what it prints, as JSON."""
    (tmp_path / "hosts").write_text(f"127.0.0.1 localhost\n::1 localhost\n{hosts}")
    (tmp_path / "resolv.conf").write_text("nameserver ::1\noptions timeout:1 attempts:1\n")
    prelude = f"SUPPORT, DIRECTORY = {str(SUPPORT)!r}, {str(tmp_path)!r}\n" + PRELUDE
    script = (
        f"echo alone && mount --bind {tmp_path / 'hosts'} /etc/hosts && "
        f"mount --bind {tmp_path / 'resolv.conf'} /etc/resolv.conf && "
        f'ip link set lo up && {FAMILIES[family]} && echo ready && exec "$0" -I -c "$1"'
    )
    try:
        done = subprocess.run(
            ["unshare", "--user", "--map-root-user", "--mount", "--net", "sh", "-c", script, sys.executable,
             prelude + textwrap.dedent(code)], capture_output=True, text=True, timeout=120, check=False,
            env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"},
        )  # fmt: skip
    except FileNotFoundError:
        pytest.skip("unshare is not installed")
    if not done.stdout.startswith("alone\n"):
        pytest.skip(f"no such namespaces here: {done.stderr.strip()}")
    assert done.stdout.startswith("alone\nready\n"), done.stderr
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.removeprefix("alone\nready\n"))


def names(suffix: str, *services: str) -> list[str]:
    return [f"{service}.eu-west-1.{suffix}" for service in services]


def lines(address: str, hosts: list[str]) -> str:
    return "".join(f"{address} {host}\n" for host in hosts)


# What is known of each family.


@pytest.mark.parametrize("family", FAMILIES)
def test_the_kernel_reports_which_families_have_a_route(tmp_path: Path, family: str) -> None:
    code = """
    import socket
    from fingerprint.diagnose.network import has_route
    print(json.dumps([has_route(socket.AF_INET), has_route(socket.AF_INET6)]))
    """
    assert in_namespace(tmp_path, family, code) == [
        family in ("both", "IPv4 only"), family in ("IPv6 only", "IPv6 and link-local IPv4", "both"),
    ]  # fmt: skip


# Endpoints.


ONLY = '"endpoint-ec2messages", "endpoint-ssmmessages", "endpoint-ssm"'


@pytest.mark.parametrize("family", ["IPv6 only", "IPv6 and link-local IPv4"])
def test_a_healthy_machine_with_ipv6_only_does_not_fail(tmp_path: Path, family: str) -> None:
    """As it is set up: dual-stack, and ec2messages has no such name."""
    served = [*names("api.aws", *DUAL_STACK), "s3.dualstack.eu-west-1.amazonaws.com"]
    code = f"""
    machine.config(Agent={{"UseDualStackEndpoint": True}})
    # The home of root here is not that of the machine.
    machine.credentials("2026-11-24T11:30:00Z", "2026-11-24T12:30:00Z", ShareFile="")
    with serving(*{served!r}):
        print(json.dumps(found()))
    """
    found = in_namespace(tmp_path, family, code, lines("::1", served))
    assert {found[f"endpoint-{service}"]["outcome"] for service in (*DUAL_STACK, "s3")} == {"pass"}
    finding = found["endpoint-ec2messages"]
    assert (finding["outcome"], finding["undetermined"]) == ("skipped", False)
    assert finding["text"].startswith("https://ec2messages.eu-west-1.api.aws cannot be reached: ")
    assert "This is harmless: ec2messages has no endpoint for IPv6" in finding["text"]
    assert found["conclusion"] in ("healthy", "warnings")


@pytest.mark.parametrize("family", ["IPv6 only", "IPv6 and link-local IPv4"])
@pytest.mark.parametrize("ssmmessages", [True, False], ids=["ssmmessages answers", "ssmmessages does not"])
def test_ec2messages_is_harmless_without_ipv4_and_the_flag(tmp_path: Path, family: str, ssmmessages: bool) -> None:
    """Its addresses are of IPv4, and there is no way to them; the others are named, as by VPC endpoints."""
    served = names("example", "ssm", *(["ssmmessages"] if ssmmessages else []))
    ipv4 = names("amazonaws.com", "ssm", "ec2messages", "ssmmessages")
    named = '"Ssm": {"Endpoint": "ssm.eu-west-1.example"}'
    named += ', "Mgs": {"Endpoint": "ssmmessages.eu-west-1.example"}' if ssmmessages else ""
    code = f"""
    machine.config(**{{{named}}})
    with serving(*{served!r}):
        print(json.dumps(found({ONLY})))
    """
    found = in_namespace(tmp_path, family, code, lines("::1", served) + lines("198.51.100.7", ipv4))
    finding = found["endpoint-ec2messages"]
    assert found["endpoint-ssm"]["outcome"] == "pass"
    assert found["endpoint-ssmmessages"]["outcome"] == ("pass" if ssmmessages else "fail")
    assert finding["outcome"] == ("skipped" if ssmmessages else "warn")
    assert "ec2messages has IPv4 addresses only, and this host has a route by IPv6 only" in finding["text"]
    assert "kind: no-route" in finding["evidence"]
    # Nobody waits for what cannot come.
    assert finding["taken"] < 8


def test_an_older_agent_still_needs_ec2messages(tmp_path: Path) -> None:
    code = f"""
    machine.command(("/usr/bin/amazon-ssm-agent", "-version"), "SSM Agent version: 3.3.39.0\\n")
    machine.log("amazon-ssm-agent.log", "")
    machine.config(Mgs={{"Endpoint": "ssmmessages.eu-west-1.example"}})
    with serving("ssmmessages.eu-west-1.example"):
        print(json.dumps(found({ONLY})))
    """
    hosts = lines("::1", names("example", "ssmmessages")) + lines("198.51.100.7", names("amazonaws.com", "ec2messages"))
    found = in_namespace(tmp_path, "IPv6 only", code, hosts)
    assert found["endpoint-ssmmessages"]["outcome"] == "pass"
    assert found["endpoint-ec2messages"]["outcome"] == "fail"


@pytest.mark.parametrize(
    ("version", "first"), [("3.3.3269.0", "update the agent to 3.3.3270 or later, and "), ("3.3.3270.0", "")]
)
def test_an_endpoint_without_ipv6_fails_with_a_remedy(tmp_path: Path, version: str, first: str) -> None:
    code = f"""
    machine.command(("/usr/bin/amazon-ssm-agent", "-version"), "SSM Agent version: {version}\\n")
    machine.log("amazon-ssm-agent.log", "")
    print(json.dumps(found({ONLY})))
    """
    hosts = lines("198.51.100.7", names("amazonaws.com", "ssm", "ec2messages", "ssmmessages"))
    found = in_namespace(tmp_path, "IPv6 only", code, hosts)
    for check in ("endpoint-ssm", "endpoint-ssmmessages"):
        assert found[check]["outcome"] == "fail"
        assert found[check]["remedy"] == (
            f"This host has IPv6 only: {first}set Agent.UseDualStackEndpoint to true, then restart the agent"
        )
    assert found["endpoint-ec2messages"]["outcome"] == "warn"


@pytest.mark.parametrize("family", ["both", "IPv4 only", "neither"])
def test_ec2messages_fails_with_ipv4_or_without_any_route(tmp_path: Path, family: str) -> None:
    code = f"""
    machine.config(Mgs={{"Endpoint": "ssmmessages.eu-west-1.example"}})
    with serving("ssmmessages.eu-west-1.example"):
        print(json.dumps(found({ONLY})))
    """
    hosts = lines("::1", names("example", "ssmmessages")) + lines("198.51.100.7", names("amazonaws.com", "ec2messages"))
    found = in_namespace(tmp_path, family, code, hosts)
    assert found["endpoint-ssmmessages"]["outcome"] == "pass"
    assert found["endpoint-ec2messages"]["outcome"] == "fail"
    assert "IPv6" not in found["endpoint-ec2messages"]["text"] + found["endpoint-ec2messages"]["remedy"]


@pytest.mark.parametrize("family", ["IPv6 only", "both"])
def test_ec2messages_passes_only_if_it_answers(tmp_path: Path, family: str) -> None:
    """By NAT64 and DNS64 it has an address of IPv6 as well."""
    code = f"""
    with serving("ec2messages.eu-west-1.amazonaws.com", "ssmmessages.eu-west-1.amazonaws.com"):
        print(json.dumps(found({ONLY})))
    """
    hosts = lines("::1", names("amazonaws.com", "ec2messages", "ssmmessages"))
    found = in_namespace(tmp_path, family, code, hosts)
    assert found["endpoint-ec2messages"]["outcome"] == "pass"
    assert "harmless" not in found["endpoint-ec2messages"]["text"]


@pytest.mark.parametrize("dead", [1, 6])
@pytest.mark.parametrize("family", ["both", "IPv6 only"])
def test_ipv4_is_reached_in_time_if_ipv6_is_a_dead_end(tmp_path: Path, family: str, dead: int) -> None:
    """As the agent does. No packet comes back from the addresses of IPv6, however many of them a name has."""
    code = """
    with serving("ssm.eu-west-1.api.aws", host="127.0.0.1"):
        machine.config(Agent={"UseDualStackEndpoint": True})
        print(json.dumps(found("endpoint-ssm")))
    """
    host = names("api.aws", "ssm")
    hosts = "".join(lines(f"2001:db8:1::{number + 9:x}", host) for number in range(dead)) + lines("127.0.0.1", host)
    found = in_namespace(tmp_path, family, code, hosts)["endpoint-ssm"]
    assert found["outcome"] == "pass", found
    assert found["taken"] < 4


def test_ipv6_only_excuses_nothing_behind_a_proxy(tmp_path: Path) -> None:
    """The proxy asks in our place, whatever families we have."""
    code = f"""
    with Proxy("403 Filtered") as proxy:
        print(json.dumps(found({ONLY}, https_proxy=proxy.at())))
    """
    found = in_namespace(tmp_path, "IPv6 only", code)
    assert {found[f"endpoint-{name}"]["outcome"] for name in ("ssm", "ec2messages", "ssmmessages")} == {"fail"}


# The metadata service.

IMDS = """
def imds(host):
    return Server(answering("200 OK", b"i-0123456789abcdef0"), host=host, port=80)

import subprocess
def has(address):
    # Without duplicate detection, so that it can be used at once.
    subprocess.run(["ip", "addr", "add", address, "dev", "lo", *(["nodad"] if ":" in address else [])], check=True)
machine.registration = None
"""
ONE = "AWS_EC2_METADATA_SERVICE_ENDPOINT"


def metadata(tmp_path: Path, family: str, code: str, *addresses: str) -> dict[str, Any]:
    code = IMDS + "".join(f"has({address!r})\n" for address in addresses) + textwrap.dedent(code)
    found: dict[str, Any] = in_namespace(tmp_path, family, code)["imds"]
    return found


IPV6, IPV4 = "fd00:ec2::254", "169.254.169.254"


@pytest.mark.parametrize("mode", ["IPv6", "ipv6", "IPV6"])
@pytest.mark.parametrize("where", ["shell", "service"])
def test_the_mode_selects_the_ipv6_address(tmp_path: Path, mode: str, where: str) -> None:
    setting = (
        f'os.environ["{ONE}_MODE"] = "{mode}"' if where == "shell" else f'machine.unit(Environment="{ONE}_MODE={mode}")'
    )
    code = f"""
    {setting}
    with imds("{IPV6}") as server:
        print(json.dumps(found("imds")))
    """
    found = metadata(tmp_path, "IPv6 only", code, f"{IPV6}/128")
    assert (found["outcome"], found["text"]) == ("pass", "the metadata service answers (version 2)")
    assert found["evidence"] == [f"http://[{IPV6}]"]


@pytest.mark.parametrize("mode", ["", "IPv4", "ipv4"])
@pytest.mark.parametrize("family", ["IPv6 only", "both", "IPv4 only"])
def test_the_ipv4_address_is_the_default_of_the_mode(tmp_path: Path, mode: str, family: str) -> None:
    code = f"""
    os.environ["{ONE}_MODE"] = "{mode}"
    with imds("{IPV4}"), imds("{IPV6}"):
        print(json.dumps(found("imds")))
    """
    found = metadata(tmp_path, family, code, f"{IPV4}/32", f"{IPV6}/128")
    assert (found["outcome"], found["evidence"]) == ("pass", [f"http://{IPV4}"])


def test_a_configured_endpoint_has_priority_over_the_mode(tmp_path: Path) -> None:
    code = f"""
    os.environ["{ONE}_MODE"] = "IPv4"
    os.environ["{ONE}"] = "http://[{IPV6}]/"
    with imds("{IPV6}"):
        print(json.dumps(found("imds")))
    """
    found = metadata(tmp_path, "both", code, f"{IPV6}/128")
    assert (found["outcome"], found["evidence"]) == ("pass", [f"http://[{IPV6}]"])


def test_the_agents_service_has_priority_over_the_shell(tmp_path: Path) -> None:
    code = f"""
    os.environ["{ONE}_MODE"] = "IPv4"
    machine.unit(Environment="{ONE}_MODE=IPv6")
    with imds("{IPV4}"), imds("{IPV6}"):
        print(json.dumps(found("imds")))
    """
    found = metadata(tmp_path, "both", code, f"{IPV4}/32", f"{IPV6}/128")
    assert found["evidence"] == [f"http://[{IPV6}]"]


def test_a_service_at_ipv6_only_warns_without_the_mode(tmp_path: Path) -> None:
    code = f"""
    with imds("{IPV6}"):
        print(json.dumps(found("imds")))
    """
    found = metadata(tmp_path, "IPv6 only", code, f"{IPV6}/128")
    assert found["outcome"] == "warn"
    assert f"answers only at http://[{IPV6}], but the agent asks http://{IPV4}: cannot connect" in found["text"]
    assert f"Environment={ONE}_MODE=IPv6" in found["remedy"]


@pytest.mark.parametrize("mode", ["", "IPv6", "IPv4"])
def test_a_missing_family_takes_no_time(tmp_path: Path, mode: str) -> None:
    """No route: at once, and not after the seconds that a server has (60 here)."""
    code = f"""
    os.environ["{ONE}_MODE"] = "{mode}"
    print(json.dumps(found("imds", network=Network("", {{}}, seconds=60.0))))
    """
    found = metadata(tmp_path, "neither", code)
    assert (found["outcome"], found["remedy"]) == ("fail", "Register it with an activation")
    assert found["taken"] < 3
    assert "nor at" not in found["text"]


@pytest.mark.parametrize("mode", ["IPv5", "6", "ipv4 ", "IPv6\x1b[31m", "x" * 500])
def test_an_invalid_mode_is_reported(tmp_path: Path, mode: str) -> None:
    code = f"""
    os.environ["{ONE}_MODE"] = {mode!r}
    print(json.dumps(found("imds")))
    """
    found = metadata(tmp_path, "IPv4 only", code)
    assert (found["outcome"], found["undetermined"]) == ("skipped", True)
    assert "it must be IPv4 or IPv6" in found["text"]
    assert len(found["text"]) < 200
    assert "\x1b" not in found["text"]
