"""Names of endpoints: every partition, dual-stack, FIPS, with and without botocore, and what the configuration names.

The references are the agent's rules, written again by hand, and botocore's files read as plain JSON.
"""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import botocore
import pytest

from agent_machines import AgentMachine, Present
from fingerprint.agent import endpoint_data
from fingerprint.agent.endpoint_data import NoEndpointData, fips_names
from fingerprint.agent.endpoints import SECTIONS, configured_url
from fingerprint.agent.regions import domain, dual_stack_domain, endpoint, partition
from fingerprint.cli.extras import install_remedy
from fingerprint.diagnose import Diagnosis, Finding, Network, Outcome, diagnose
from fingerprint.diagnose.checks.endpoints import SERVICES, endpoint_of
from servers import Proxy

PASS, WARN, FAIL, SKIPPED = Outcome.PASS, Outcome.WARN, Outcome.FAIL, Outcome.SKIPPED
# Region -> partition, domain, dual-stack domain: each partition, and the regions opened since 2024.
REGIONS = {
    "eu-west-1": ("aws", "amazonaws.com", "api.aws"),
    "us-east-1": ("aws", "amazonaws.com", "api.aws"),
    "us-gov-west-1": ("aws-us-gov", "amazonaws.com", "api.aws"),
    "cn-north-1": ("aws-cn", "amazonaws.com.cn", "api.amazonwebservices.com.cn"),
    "eusc-de-east-1": ("aws-eusc", "amazonaws.eu", "api.amazonwebservices.eu"),
    "us-iso-east-1": ("aws-iso", "c2s.ic.gov", "api.aws.ic.gov"),
    "us-isob-east-1": ("aws-iso-b", "sc2s.sgov.gov", "api.aws.scloud"),
    "eu-isoe-west-1": ("aws-iso-e", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
    "us-isof-south-1": ("aws-iso-f", "csp.hci.ic.gov", "api.aws.hci.ic.gov"),
    **dict.fromkeys(
        ("mx-central-1", "ap-southeast-5", "ap-southeast-6", "ap-southeast-7", "ap-east-2"),
        ("aws", "amazonaws.com", "api.aws"),
    ),
}
# Version of the agent -> whether it knows UseDualStackEndpoint, and whether CloudWatchLogs.Endpoint.
VERSIONS = {
    "3.3.987.0": (False, False), "3.3.2957.0": (False, False), "3.3.2958.0": (False, True), "3.3.3269.0": (False, True),
    "3.3.3270.0": (True, True), "3.3.5828.0": (True, True), "9.9.9.9": (True, True), "": (True, True),
    "no version": (True, True),
}  # fmt: skip


def name_of(service: str, region: str, dual_stack: bool, service_domain: str = "") -> str:
    """Return the host that the agent asks, by its endpoint.go."""
    _, usual, dual = REGIONS[region]
    if dual_stack and service == "s3":
        return f"s3.dualstack.{region}.{service_domain or usual}"
    return f"{service}.{region}.{service_domain or (dual if dual_stack else usual)}"


@pytest.mark.parametrize("region", REGIONS)
def test_a_region_is_of_its_partition_with_both_its_domains(region: str) -> None:
    assert (partition(region), domain(region), dual_stack_domain(region)) == REGIONS[region]
    for service in SERVICES:
        assert endpoint(service, region) == f"https://{name_of(service, region, False)}"
        assert endpoint(service, region, dual_stack=True) == f"https://{name_of(service, region, True)}"


@pytest.mark.parametrize("region", REGIONS)
def test_a_name_is_the_one_that_the_version_of_the_agent_takes(region: str) -> None:
    names = ("", "own.example:444", "http://own.example")
    for version, flag, service_domain, named in product(VERSIONS, (None, False, True, "yes"), ("", "a.example"), names):
        knows_dual_stack, knows_logs = VERSIONS[version]
        config: dict[str, Any] = {section: {"Endpoint": named} for section in SECTIONS.values()}
        config["Agent"] = {"UseDualStackEndpoint": flag, "ServiceDomain": service_domain}
        for service in SERVICES:
            if named and service != "monitoring" and (service != "logs" or knows_logs):
                expected = named if "://" in named else f"https://{named}"
            else:
                expected = f"https://{name_of(service, region, flag is True and knows_dual_stack, service_domain)}"
            found = configured_url(config, service, region, version) or endpoint(service, region)
            assert found == expected, (version, config["Agent"], named, service)


def test_without_a_region_only_what_is_named_is_an_endpoint() -> None:
    config = {"Agent": {"UseDualStackEndpoint": True}, "Kms": {"Endpoint": "kms.example"}}
    assert {service: configured_url(config, service, "") for service in SERVICES if service != "kms"} == {
        service: "" for service in SERVICES if service != "kms"
    }
    assert configured_url(config, "kms", "") == "https://kms.example"


@cache
def botocore_data(name: str) -> dict[str, Any]:
    """Return a data file of botocore, read as the JSON that it is."""
    for file in Path(botocore.__file__).parent.glob(f"data/{name}.json*"):
        data = file.read_bytes()
        found: dict[str, Any] = json.loads(gzip.decompress(data) if file.suffix == ".gz" else data)
        return found
    raise AssertionError(name)


def test_both_domains_are_those_of_botocore_for_every_region() -> None:
    """There is one table of ours, as the agent has it: this finds what it lacks."""
    seen = set()
    for listed in botocore_data("partitions")["partitions"]:
        outputs = listed["outputs"]
        for region in listed["regions"]:
            if region.endswith("-global"):
                continue
            seen.add(listed["id"])
            assert (partition(region), domain(region), dual_stack_domain(region)) == (
                listed["id"], outputs["dnsSuffix"], outputs["dualStackDnsSuffix"],
            ), region  # fmt: skip
    assert seen >= {"aws", "aws-cn", "aws-us-gov", "aws-eusc", "aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f"}


# What diagnose asks, over a real proxy.


def is_of_version(machine: AgentMachine, version: str) -> None:
    """Install and run an agent of a version, "" for one that does not print it."""
    output = f"SSM Agent version: {version}\n" if version else ""
    machine.command(("/usr/bin/amazon-ssm-agent", "-version"), output, 0 if version else 1)
    machine.log("amazon-ssm-agent.log", "" if not version else
                f"2026-11-24 08:00:00.1234 INFO [amazon-ssm-agent] amazon-ssm-agent - v{version}\n")  # fmt: skip


def asked_of(machine: AgentMachine, *only: str, proxy: Proxy, **options: Any) -> Diagnosis:
    site = machine.site(Network(proxy.at(), {}, "", 5.0), **options)
    site.machine = Present(machine.machine)
    return diagnose(site, only)


ENDPOINT_CHECKS = [f"endpoint-{service}" for service in SERVICES]


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize(("version", "dual_stack"), [("3.3.3269.0", False), ("3.3.3270.0", True), ("", True)])
@pytest.mark.parametrize("override", [False, True], ids=["", "Kms and logs named"])
def test_diagnose_asks_the_names_of_the_installed_agent(
    machine: AgentMachine, region: str, version: str, dual_stack: bool, override: bool
) -> None:
    is_of_version(machine, version)
    named = {"Kms": {"Endpoint": "kms.example"}, "CloudWatchLogs": {"Endpoint": "logs.example:444"}} if override else {}
    machine.config(Agent={"UseDualStackEndpoint": True}, **named)
    with Proxy("403 Filtered") as proxy:
        found = asked_of(machine, *ENDPOINT_CHECKS, "s3-buckets", proxy=proxy, region=region)
    expected = {service: f"{name_of(service, region, dual_stack)}:443" for service in SERVICES}
    if override:
        expected |= {"kms": "kms.example:443", "logs": "logs.example:444"}
    # Of S3 also the buckets, at the same place.
    assert set(proxy.targets) == set(expected.values())
    evidence = {service: " ".join(found[f"endpoint-{service}"].evidence) for service in SERVICES}
    assert ["unknown version" in evidence[service] for service in ("ssm", "s3")] == [not version] * 2
    assert ("unknown version" in evidence["kms"]) == (not version and not override)


@pytest.mark.parametrize("version", VERSIONS)
def test_ec2messages_depends_on_the_version_and_never_passes(machine: AgentMachine, version: str) -> None:
    """Neither it nor ssmmessages answers: by dual-stack it is not to blame, without it is."""
    is_of_version(machine, version)
    machine.config(Agent={"UseDualStackEndpoint": True})
    with Proxy("403 Filtered") as proxy:
        found = asked_of(machine, "endpoint-ec2messages", "endpoint-ssmmessages", proxy=proxy)
    assert found["endpoint-ssmmessages"].outcome == FAIL
    finding = found["endpoint-ec2messages"]
    assert finding.outcome == (WARN if VERSIONS[version][0] else FAIL)
    if VERSIONS[version][0]:
        assert "harmless" in finding.text
        assert "ssmmessages, which delivers the commands instead, does not answer either" in finding.text


def test_a_configured_ec2messages_endpoint_fails(machine: AgentMachine) -> None:
    machine.config(Agent={"UseDualStackEndpoint": True}, Mds={"Endpoint": "ec2messages.example"})
    with Proxy("403 Filtered") as proxy:
        found = asked_of(machine, "endpoint-ec2messages", proxy=proxy)
    assert found["endpoint-ec2messages"].outcome == FAIL
    assert proxy.targets == ["ec2messages.example:443"]


# FIPS.


def listed_by_botocore(service: str, region: str) -> dict[frozenset[str], str] | None:
    """Return the FIPS names in botocore's file; None where it has no such service in the partition."""
    for listed in botocore_data("endpoints")["partitions"]:
        if listed["partition"] == REGIONS[region][0]:
            if service not in listed["services"]:
                return None
            variants = listed["services"][service]["endpoints"].get(region, {}).get("variants", [])
            return {frozenset(one["tags"]): one["hostname"] for one in variants if "fips" in one["tags"]}
    raise AssertionError(region)


@pytest.fixture(autouse=True)
def data() -> Iterator[None]:
    endpoint_data._resolver.cache_clear()
    yield
    endpoint_data._resolver.cache_clear()


@pytest.fixture
def without_botocore(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "botocore"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "botocore", None)


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("service", SECTIONS)
def test_fips_names_are_those_that_botocore_lists(service: str, region: str) -> None:
    listed, found = listed_by_botocore(service, region), fips_names(service, region)
    assert found.known == (listed is not None)
    assert found.usual == (listed or {}).get(frozenset({"fips"}), "")
    assert found.dual_stack == (listed or {}).get(frozenset({"fips", "dualstack"}), "")


def test_known_fips_names_are_returned() -> None:
    assert fips_names("ssm", "us-east-1").usual == "ssm-fips.us-east-1.amazonaws.com"
    assert fips_names("ssm", "us-gov-west-1").usual == "ssm.us-gov-west-1.amazonaws.com"
    assert fips_names("s3", "ca-west-1").dual_stack == "s3-fips.dualstack.ca-west-1.amazonaws.com"
    assert fips_names("ssm", "eu-west-1").usual == ""
    assert not fips_names("ec2messages", "us-east-1").known
    assert not fips_names("kms", "no-such-region-1").known


@pytest.mark.usefixtures("without_botocore")
def test_without_botocore_no_name_is_returned() -> None:
    with pytest.raises(NoEndpointData, match="botocore is not installed"):
        fips_names("kms", "us-east-1")


def test_models_in_a_home_name_no_endpoint(tmp_path: Path) -> None:
    directory = tmp_path / ".aws" / "models"
    directory.mkdir(parents=True)
    (directory / "endpoints.json").write_text(json.dumps({"partitions": []}))
    code = "from fingerprint.agent.endpoint_data import fips_names; print(fips_names('kms', 'us-east-1').usual)"
    env = {"HOME": str(tmp_path), "AWS_DATA_PATH": str(directory)}
    done = subprocess.run([sys.executable, "-I", "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout == "kms-fips.us-east-1.amazonaws.com\n"


def fips_config(region: str, dual_stack: bool) -> dict[str, Any]:
    """Return a configuration that names what botocore lists, and by AWS's page what it does not know."""
    config: dict[str, Any] = {}
    for service, section in SECTIONS.items():
        listed = listed_by_botocore(service, region)
        if listed is None:
            config[section] = {"Endpoint": f"{service}-fips.{region}.{REGIONS[region][1]}"}
        elif listed:
            both = listed.get(frozenset({"fips", "dualstack"})) if dual_stack else None
            config[section] = {"Endpoint": both or listed[frozenset({"fips"})]}
    return config


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("dual_stack", [False, True], ids=["", "dual-stack"])
def test_fips_endpoints_that_the_region_has_pass(machine: AgentMachine, region: str, dual_stack: bool) -> None:
    config = fips_config(region, dual_stack)
    machine.config(Agent={"UseDualStackEndpoint": dual_stack}, **config)
    finding = machine.diagnosis("fips", region=region)["fips"]
    listed = [service for service in SECTIONS if listed_by_botocore(service, region)]
    if not listed:
        # Nothing that is configured could be confirmed: never green.
        assert (finding.outcome, finding.undetermined) == (SKIPPED, True)
        return
    assert finding.outcome == PASS, finding
    assert f"confirm {', '.join(listed)}" in finding.text
    for service in ("ec2messages", "ssmmessages"):
        host = config[SECTIONS[service]]["Endpoint"]
        assert f"not known to botocore's data, and not confirmed: {host}" in finding.evidence


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("dual_stack", [False, True], ids=["", "dual-stack"])
@pytest.mark.parametrize("service", ["ssm", "s3", "kms", "logs"])
def test_a_fips_endpoint_that_the_region_does_not_have_warns(
    machine: AgentMachine, region: str, dual_stack: bool, service: str
) -> None:
    host = f"{service}-fips.{'xx-nowhere-1' if listed_by_botocore(service, region) else region}.amazonaws.com"
    config = fips_config(region, dual_stack) | {SECTIONS[service]: {"Endpoint": host}}
    machine.config(Agent={"UseDualStackEndpoint": dual_stack}, **config)
    finding = machine.diagnosis("fips", region=region)["fips"]
    if (listed_by_botocore(service, region) or {}).get(frozenset({"fips"})) == host:
        pytest.skip("the region has it")
    assert finding.outcome == WARN, finding
    assert f"do not list the FIPS endpoint of {service} " in finding.text
    assert f"{SECTIONS[service]}.Endpoint" in finding.remedy


@pytest.mark.parametrize("others", [False, True], ids=["alone", "beside others"])
@pytest.mark.parametrize("other", SECTIONS)
@pytest.mark.parametrize("service", SECTIONS)
def test_the_fips_endpoint_of_another_service_warns(
    machine: AgentMachine, service: str, other: str, others: bool
) -> None:
    if other == service:
        return
    region = "us-east-1"
    config = fips_config(region, False) if others else {}
    machine.config(**config | {SECTIONS[service]: {"Endpoint": f"{other}-fips.{region}.amazonaws.com"}})
    finding = machine.diagnosis("fips", region=region)["fips"]
    assert finding.outcome == WARN, finding
    assert f"do not list the FIPS endpoint of {service} " in finding.text
    assert f"Correct {SECTIONS[service]}.Endpoint" in finding.remedy


@pytest.mark.parametrize("dual_stack", [False, True], ids=["", "dual-stack"])
@pytest.mark.parametrize("service", ["ssm", "s3", "kms", "logs"])
def test_a_service_that_is_left_out_warns(machine: AgentMachine, dual_stack: bool, service: str) -> None:
    region = "us-east-1"
    config = fips_config(region, dual_stack)
    del config[SECTIONS[service]]
    machine.config(Agent={"UseDualStackEndpoint": dual_stack}, **config)
    finding = machine.diagnosis("fips", region=region)["fips"]
    assert (finding.outcome, finding.text) == (WARN, f"requests of {service} do not go to FIPS endpoints")
    assert finding.remedy == f"Set {SECTIONS[service]}.Endpoint to the FIPS endpoint"
    assert name_of(service, region, dual_stack) in finding.evidence[0]


def test_the_example_of_aws_passes_except_logs(machine: AgentMachine) -> None:
    """The page's own example has no CloudWatchLogs."""
    machine.config(
        Mds={"Endpoint": "ec2messages-fips.us-west-2.amazonaws.com"},
        Ssm={"Endpoint": "ssm-fips.us-west-2.amazonaws.com"},
        Mgs={"Endpoint": "ssmmessages-fips.us-west-2.amazonaws.com", "Region": "us-west-2"},
        S3={"Endpoint": "s3-fips.dualstack.us-west-2.amazonaws.com", "Region": "us-west-2"},
        Kms={"Endpoint": "kms-fips.us-west-2.amazonaws.com"},
    )
    finding = machine.diagnosis("fips", region="us-west-2")["fips"]
    assert (finding.outcome, finding.text) == (WARN, "requests of logs do not go to FIPS endpoints")
    assert "logs-fips.us-west-2.amazonaws.com" in finding.evidence[0]


def test_a_custom_name_is_not_checked(machine: AgentMachine) -> None:
    vpce = "vpce-0123456789abcdef0-abcdefgh.kms-fips.us-east-1.vpce.amazonaws.com"
    machine.config(**(fips_config("us-east-1", False) | {"Kms": {"Endpoint": vpce}}))
    finding = machine.diagnosis("fips", region="us-east-1")["fips"]
    assert finding.outcome == PASS
    assert f"not known to botocore's data, and not confirmed: {vpce}" in finding.evidence
    assert "kms" not in finding.text


@pytest.mark.usefixtures("without_botocore")
@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("dual_stack", [False, True], ids=["", "dual-stack"])
@pytest.mark.parametrize("override", [False, True], ids=["all", "without kms"])
def test_without_botocore_fips_is_unknown_with_names(
    machine: AgentMachine, region: str, dual_stack: bool, override: bool
) -> None:
    config = fips_config(region, dual_stack)
    if override:
        config["Kms"] = {"Endpoint": "kms.example"}
    machine.config(Agent={"UseDualStackEndpoint": dual_stack}, **config)
    finding = machine.diagnosis("fips", region=region)["fips"]
    assert (finding.outcome, finding.undetermined) == (SKIPPED, True)
    assert "botocore is not installed" in finding.text
    assert "extra `aws`" in finding.remedy
    assert f"ec2messages: ec2messages-fips.{region}.{REGIONS[region][1]}" in finding.evidence
    if override:
        assert "kms" in next(one for one in finding.evidence if one.startswith("not FIPS endpoints: "))


def test_the_command_names_the_command_that_installs_botocore(machine: AgentMachine) -> None:
    """It is the one that tests/cli/test_extras.py runs."""
    machine.config(Kms={"Endpoint": "kms-fips.us-east-1.amazonaws.com"})
    machine.write()
    code = "import sys; sys.modules['botocore'] = None; from fingerprint.cli import main; sys.exit(main(sys.argv[1:]))"
    words = ["--vault", str(machine.vault_path), "--snapshot", str(machine.directory / "machine.json"), "diagnose",
             "--only", "fips", "--region", "us-east-1", "--output", "json"]  # fmt: skip
    done = subprocess.run([sys.executable, "-I", "-c", code, *words], env=machine.env, capture_output=True, text=True,
                          check=False)  # fmt: skip
    assert done.returncode == 3, done.stderr
    [check] = json.loads(done.stdout)["checks"]
    assert check["undetermined"]
    assert check["remedy"] == install_remedy("aws")
    assert "[aws]" in check["remedy"]


@pytest.mark.parametrize("botocore_is_there", [True, False])
@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("dual_stack", [None, False, True])
def test_fips_does_not_apply_without_such_a_name(
    machine: AgentMachine, request: pytest.FixtureRequest, region: str, dual_stack: bool | None, botocore_is_there: bool
) -> None:
    if not botocore_is_there:
        request.getfixturevalue("without_botocore")
    machine.config(Agent={"UseDualStackEndpoint": dual_stack})
    finding = machine.diagnosis("fips", region=region)["fips"]
    assert (finding.outcome, finding.text, finding.undetermined) == (SKIPPED, "no FIPS endpoint is configured", False)


def test_without_a_region_fips_is_unknown(machine: AgentMachine) -> None:
    machine.registration = None
    machine.config(Kms={"Endpoint": "kms-fips.us-east-1.amazonaws.com"})
    finding: Finding = machine.diagnosis("fips")["fips"]
    assert (finding.outcome, finding.undetermined) == (SKIPPED, True)


@pytest.mark.parametrize(
    "url", ["https://kms-fips.us-east-1.amazonaws.com:443/", "KMS-FIPS.us-east-1.amazonaws.com", "https://[::1", "x y"]
)
def test_odd_urls_are_read_as_far_as_possible(machine: AgentMachine, url: str) -> None:
    machine.config(**(fips_config("us-east-1", False) | {"Kms": {"Endpoint": url}}))
    finding = machine.diagnosis("fips", region="us-east-1")["fips"]
    assert "internal error" not in finding.text
    assert ("kms" in finding.text) == ("kms" in url.lower())
    assert endpoint_of(machine.site(region="us-east-1"), "kms").endswith(url)
