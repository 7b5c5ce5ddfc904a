"""Checks of `diagnose` in misleading states: by the agent's own rules, and unknown if they do not decide."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any, cast

import pytest

from agent_machines import SYSTEMCTL, AgentMachine, Present, copied_disk, ready, started
from broken_machines import Change, both, registration, setting
from commandline import run
from fingerprint.diagnose import Diagnosis, Finding, Network, diagnose
from fingerprint.diagnose.checks.endpoints import SERVICES, endpoint_of, region_of
from fingerprint.types import RegistrationRecord

PASS, WARN, FAIL, SKIPPED = "pass", "warn", "fail", "skipped"
DPKG = ("/usr/bin/dpkg", "--verify", "amazon-ssm-agent")
CONFIG = "/etc/amazon/ssm/amazon-ssm-agent.json"
IDENTITY = "/var/lib/amazon/ssm/runtimeconfig/identity_config.json"
PASSWORD = "hunter2"
NEVER = "0001-01-01T00:00:00Z"


def text_of(finding: Finding) -> str:
    return " ".join((finding.text, *finding.evidence))


def found(machine: AgentMachine, check: str) -> tuple[str, str]:
    finding = machine.diagnosis(check)[check]
    return str(finding.outcome), text_of(finding)


def here(machine: AgentMachine, asked: Network | None, *only: str) -> Diagnosis:
    """Diagnose as if it was this host, so that the network is asked."""
    site = machine.site(asked)
    site.machine = Present(machine.machine)
    return diagnose(site, only)


def version(text: str) -> Change:
    return lambda m: m.command(("/usr/bin/amazon-ssm-agent", "-version"), f"SSM Agent version: {text}\n")


def written(text: str) -> Change:
    return lambda m: m.file(CONFIG, text, 0o644)


# Configuration.


@pytest.mark.parametrize(
    "text",
    ["", "{,}", '{"Ssm":{}', "[]", '"x"', "5", "\ufeff{}", '{"Ssm":{"HealthFrequencyMinutes":05}}'],
)
def test_the_agent_does_not_start_with_invalid_json(machine: AgentMachine, text: str) -> None:
    written(text)(machine)
    finding = machine.diagnosis("configuration")["configuration"]
    assert (str(finding.outcome), finding.tag) == (FAIL, "configuration")
    assert "is not JSON: the agent does not start with it" in finding.text
    assert "app config could not be loaded" in text_of(finding)
    assert "systemd restarts it every 90 s without success" in finding.evidence
    assert finding.remedy.startswith("Fix it, or move it away")


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"Profile": {"ShareCreds": "false"}}, "Profile.ShareCreds is a string: must be true or false"),
    ({"Profile": {"ShareCreds": 0}}, "Profile.ShareCreds is a number"),
    ({"Profile": {"KeyAutoRotateDays": "7"}}, "Profile.KeyAutoRotateDays is a string: must be an integer"),
    ({"Profile": {"KeyAutoRotateDays": True}}, "Profile.KeyAutoRotateDays is true: must be an integer"),
    ({"Profile": {"KeyAutoRotateDays": 7.0}}, "a number that is not a 64-bit integer"),
    ({"Profile": {"KeyAutoRotateDays": 2**63}}, "a number that is not a 64-bit integer"),
    ({"profile": {"KEYAUTOROTATEDAYS": "7"}}, "Profile.KeyAutoRotateDays is a string"),
    ({"Profile": []}, "Profile is a list: must be an object"),
    ({"Ssm": "https://ssm.example"}, "Ssm is a string: must be an object"),
    ({"Ssm": {"Endpoint": 443}}, "Ssm.Endpoint is a number: must be a string"),
    ({"Ssm": {"HealthFrequencyMinutes": "5"}}, "Ssm.HealthFrequencyMinutes is a string: must be an integer"),
    ({"Kms": {"Endpoint": {}}}, "Kms.Endpoint is an object"),
    ({"Identity": {"ConsumptionOrder": "OnPrem"}}, "ConsumptionOrder is a string: must be a list of strings"),
    ({"Identity": {"ConsumptionOrder": ["OnPrem", 1]}}, "ConsumptionOrder is a list"),
    ({"Identity": {"CustomIdentities": [{"Region": 1}]}}, "CustomIdentities[0].Region is a number"),
    ({"Identity": {"CustomIdentities": [None]}}, "CustomIdentities[0] is null"),
]


@pytest.mark.parametrize(("sections", "words"), WRONG, ids=[words for _, words in WRONG])
def test_the_agent_does_not_start_with_a_wrong_type(
    machine: AgentMachine, sections: dict[str, Any], words: str
) -> None:
    machine.config(**sections)
    finding = machine.diagnosis("configuration")["configuration"]
    assert (str(finding.outcome), finding.tag) == (FAIL, "configuration")
    assert "1 value of the wrong type: the agent does not start with it" in finding.text
    assert words in text_of(finding)


@pytest.mark.parametrize(
    "text",
    [
        "null", ' {"Ssm": null} ', '{"Profile":{"ShareCreds":null,"KeyAutoRotateDays":null}}',
        '{"Identity":{"ConsumptionOrder":null}}', '{"Identity":{"ConsumptionOrder":[null]}}',
        '{"Mine":{"Endpoint":5},"Ssm":{"Mine":5}}', '{"Ssm":{"HealthFrequencyMinutes":600}}',
    ],
)  # fmt: skip
def test_null_and_unknown_names_are_harmless(machine: AgentMachine, text: str) -> None:
    written(text)(machine)
    assert found(machine, "configuration")[0] == PASS


def test_a_configuration_that_only_the_agent_reads_is_unknown(machine: AgentMachine) -> None:
    machine.file(CONFIG, "", 0o644)
    machine.snapshot["files"][CONFIG] = {"base64": "eyJhIjoi/yJ9"}
    finding = machine.diagnosis("configuration")["configuration"]
    assert finding.undetermined
    assert "not UTF-8" in finding.text


@pytest.mark.parametrize(
    ("order", "outcome", "words"),
    [
        (["EC2"], FAIL, "the order of identities (EC2) excludes OnPrem"),
        (["EC2", "onprem"], FAIL, "the order of identities (EC2) excludes OnPrem"),
        (["onprem"], PASS, "does not know the identity 'onprem': its order is OnPrem, EC2, CustomIdentity"),
        (["Greengrass", "OnPrem"], PASS, "does not know the identity 'Greengrass': its order is OnPrem"),
        ([], PASS, "is read"),
        (["ECS"], FAIL, "(ECS) excludes OnPrem"),
    ],
)
def test_the_order_of_identities_is_the_agents(
    machine: AgentMachine, order: list[str], outcome: str, words: str
) -> None:
    machine.config(Identity={"ConsumptionOrder": order})
    finding = machine.diagnosis("configuration")["configuration"]
    assert str(finding.outcome) == outcome
    assert words in text_of(finding)
    assert finding.tag == ("order" if outcome == FAIL else "")


# Package.


@pytest.mark.parametrize("place", ["doc/amazon-ssm-agent/README.md", "man/man8/ssm-cli.8.gz", "locale/de/x.mo", "doc"])
def test_documentation_left_out_of_an_image_is_evidence_only(machine: AgentMachine, place: str) -> None:
    line = f"missing     /usr/share/{place}"
    machine.command(DPKG, f"{line}\n", 1)
    finding = machine.diagnosis("package")["package"]
    assert str(finding.outcome) == PASS
    assert "except documentation that was not installed" in finding.text
    assert line in finding.evidence


@pytest.mark.parametrize(
    "line",
    [
        "missing     /usr/bin/ssm-cli",
        "??5?????? /usr/share/doc/amazon-ssm-agent/README.md",
        "missing /usr/share/docs/x",
    ],
)
def test_other_missing_files_and_changed_documentation_fail(machine: AgentMachine, line: str) -> None:
    machine.command(DPKG, f"missing     /usr/share/doc/x\n{line}\n", 1)
    finding = machine.diagnosis("package")["package"]
    assert (str(finding.outcome), finding.evidence) == (FAIL, (line,))


@pytest.mark.parametrize(
    "answer",
    [
        {"returncode": 2, "stderr": "dpkg: error: unable to access the database\nmore\n"},
        {"returncode": 1, "stderr": "dpkg: Paket nicht lesbar\n"},
        {"problem": "denied"},
    ],
)
def test_a_failing_package_manager_leaves_it_unknown(machine: AgentMachine, answer: Any) -> None:
    machine.command(DPKG, "", **answer)
    finding = machine.diagnosis("package")["package"]
    assert finding.undetermined
    assert "/usr/bin/dpkg --verify amazon-ssm-agent" in finding.text
    assert answer.get("stderr", "").partition("\n")[0] in text_of(finding)


def test_the_package_manager_that_knows_the_package_counts(machine: AgentMachine) -> None:
    machine.file("/usr/bin/rpm", None, 0o755)
    machine.command(("/usr/bin/rpm", "--verify", "amazon-ssm-agent"), "", 1, "error: cannot open Packages database")
    assert found(machine, "package") == (PASS, "the files of its package are as installed")
    machine.command(DPKG, "", 1, "dpkg: package 'amazon-ssm-agent' is not installed")
    assert machine.diagnosis("package")["package"].undetermined


def of_disk(machine: AgentMachine, root: Path, check: str) -> dict[str, Any]:
    done = run("--root", str(root), "diagnose", "--only", check, "--output", "json", env=machine.env)
    [one] = json.loads(done.stdout)["checks"]
    return cast("dict[str, Any]", one)


def test_the_package_of_a_copied_disk_is_skipped_with_a_reason(machine: AgentMachine, tmp_path: Path) -> None:
    one = of_disk(machine, copied_disk(tmp_path, machine), "package")
    assert (one["outcome"], one["undetermined"]) == (SKIPPED, False)
    assert "of a copied disk is not run" in one["text"]


def test_a_package_outside_the_recording_is_skipped(machine: AgentMachine) -> None:
    machine.snapshot["commands"] = [one for one in machine.snapshot["commands"] if one["argv"] != list(DPKG)]
    assert found(machine, "package") == (SKIPPED, "not in the recording")


# Version.


@pytest.mark.parametrize(
    ("text", "outcome", "words"),
    [
        ("2.3.1205.0", WARN, "its worker hibernates and retries after pauses of up to an hour"),
        ("3.1.500.0", WARN, "its worker hibernates"),
        ("3.1.501.0", WARN, "waits a day"),
        ("3.3.808.0", WARN, "version 3.3.808.0: it has CVE-"),
        ("3.3.4851.0", PASS, "version 3.3.4851.0"),
    ],
)
def test_the_pauses_of_an_old_version_are_explained(machine: AgentMachine, text: str, outcome: str, words: str) -> None:
    version(text)(machine)
    machine.log("amazon-ssm-agent.log", started("08:00:00", text) + ready("11:30:00"))
    result = found(machine, "version")
    assert result[0] == outcome
    assert words in result[1]
    assert ("waits a day" in result[1]) == (text == "3.1.501.0")


@pytest.mark.parametrize("text", ["3..1", "."])
def test_an_invalid_version_is_reported_and_not_older(machine: AgentMachine, tmp_path: Path, text: str) -> None:
    version(text)(machine)
    machine.snapshot["folders"] = {}
    site = machine.site()
    site.facts["version"] = (text, None)
    finding = diagnose(site, ["version"])["version"]
    assert str(finding.outcome) == WARN
    assert "is not a version of the agent" in finding.text
    (tmp_path / "VERSION").write_text("3.3.2000.0\n")
    site = machine.site(latest=str(tmp_path / "VERSION"))
    site.facts["version"] = (text, None)
    finding = diagnose(site, ["published"])["published"]
    assert finding.undetermined
    assert "cannot be compared with 3.3.2000.0" in finding.text


def test_an_invalid_published_version_is_unknown(machine: AgentMachine, tmp_path: Path) -> None:
    (tmp_path / "VERSION").write_text("3..3\n")
    finding = machine.diagnosis("published", latest=str(tmp_path / "VERSION"))["published"]
    assert finding.undetermined
    assert "no version in" in finding.text


# Credentials.


def test_the_expiry_on_a_copied_disk_is_unknown(machine: AgentMachine, tmp_path: Path) -> None:
    machine.credentials("2020-01-01T00:00:00Z", "2020-01-01T01:00:00Z")
    root = copied_disk(tmp_path, machine)
    one = of_disk(machine, root, "credentials")
    assert (one["outcome"], one["undetermined"]) == (SKIPPED, False)
    assert "expires 2020-01-01T01:00:00Z" in one["evidence"]
    # Nor in a recording of it, whose clock is that of who made it.
    copy = tmp_path / "copy.json"
    done = run("--root", str(root), "snapshot", str(copy), env=machine.env)
    assert copy.exists(), done.stderr
    done = run("--snapshot", str(copy), "diagnose", "--only", "credentials", "--output", "json", env=machine.env)
    [one] = json.loads(done.stdout)["checks"]
    assert one["outcome"] == SKIPPED
    assert "copied disk" in one["text"]


def test_the_expiry_on_a_recorded_machine_is_by_its_own_clock(machine: AgentMachine) -> None:
    machine.credentials("2020-01-01T00:00:00Z", "2020-01-01T01:00:00Z")
    machine.snapshot["recordedAt"] = "2020-01-01T00:30:00Z"
    assert found(machine, "credentials")[0] == PASS
    machine.snapshot["recordedAt"] = "2020-01-01T01:30:00Z"
    assert found(machine, "credentials")[0] == FAIL


def test_times_before_the_first_credentials_are_ignored(machine: AgentMachine) -> None:
    machine.credentials(NEVER, NEVER)
    assert found(machine, "credentials") == (
        SKIPPED,
        "the agent has not received any yet in /root/.aws/credentials, profile default",
    )
    machine.credentials(NEVER, NEVER, ShareFile="")
    machine.config(Profile={"ShareCreds": False})
    outcome, words = found(machine, "credentials")
    assert outcome == SKIPPED
    assert "credentials are not shared" in words
    assert not machine.diagnosis("credentials").undetermined


def test_an_invalid_file_of_last_credentials_is_unknown(machine: AgentMachine) -> None:
    machine.file(IDENTITY, "{")
    finding = machine.diagnosis("credentials")["credentials"]
    assert finding.undetermined
    assert "not in the agent's format" in finding.text


MODES = [
    (0o640, "the group may read the keys in"), (0o620, "the group may change the keys in"),
    (0o660, "the group may read and change the keys in"), (0o604, "others may read the keys in"),
    (0o644, "others may read the keys in"), (0o666, "others may read and change the keys in"),
]  # fmt: skip


@pytest.mark.parametrize(("mode", "words"), MODES, ids=[f"{mode:04o}" for mode, _ in MODES])
def test_the_readers_of_the_keys_are_reported(machine: AgentMachine, mode: int, words: str) -> None:
    machine.file("/root/.aws/credentials", "", mode)
    finding = machine.diagnosis("credential-files")["credential-files"]
    assert str(finding.outcome) == FAIL
    assert finding.text == f"{words} /root/.aws/credentials"
    assert f"/root/.aws/credentials: mode {mode:04o}" in finding.evidence


def test_the_readers_of_several_files_are_reported(machine: AgentMachine) -> None:
    machine.file("/root/.aws/credentials", "", 0o644)
    machine.file("/var/lib/amazon/ssm/credentials", "", 0o640)
    finding = machine.diagnosis("credential-files")["credential-files"]
    assert finding.text == (
        "others may read the keys in /root/.aws/credentials; "
        "the group may read the keys in /var/lib/amazon/ssm/credentials"
    )
    assert finding.command == "chmod 600 /root/.aws/credentials /var/lib/amazon/ssm/credentials"


@pytest.mark.parametrize("path", ["/srv/my keys", "/srv/$(id)", "/srv/it's;id", "/srv/a:b"])
def test_a_path_is_quoted_in_the_command_that_is_offered(machine: AgentMachine, tmp_path: Path, path: str) -> None:
    machine.credentials("2026-11-24T11:30:00Z", "2026-11-24T12:30:00Z", ShareFile=path)
    machine.file(path, "", 0o644)
    command = machine.diagnosis("credential-files")["credential-files"].command
    spoken = subprocess.run(["sh", "-c", command.replace("chmod", "printf '%s\\n'")], capture_output=True, text=True,
                            check=True, cwd=tmp_path)  # fmt: skip
    assert spoken.stdout == f"600\n{path}\n"


def test_a_path_with_escapes_is_not_printed_raw_or_in_a_command(machine: AgentMachine) -> None:
    path = "/srv/\x1b[2Jkeys"
    machine.credentials("2026-11-24T11:30:00Z", "2026-11-24T12:30:00Z", ShareFile=path)
    machine.file(path, "", 0o644)
    finding = machine.diagnosis("credential-files")["credential-files"]
    assert str(finding.outcome) == FAIL
    assert "\x1b" not in text_of(finding) + finding.command + text_of(machine.diagnosis("credentials")["credentials"])


@pytest.mark.parametrize("copied", [False, True])
@pytest.mark.parametrize("path", ["a\\u0000b", "\\ud800"])
def test_an_invalid_path_of_the_shared_file_is_unknown(
    machine: AgentMachine, tmp_path: Path, path: str, copied: bool
) -> None:
    times = '"CredentialsExpiresAt":"2026-11-24T12:30:00Z","CredentialsRetrievedAt":"2026-11-24T11:30:00Z"'
    machine.file(IDENTITY, f'{{"ShareFile":"/srv/{path}",{times}}}')
    if copied:
        one = of_disk(machine, copied_disk(tmp_path, machine), "credential-files")
        assert one["undetermined"]
        words = one["text"]
    else:
        finding = machine.diagnosis("credential-files")["credential-files"]
        assert finding.undetermined
        words = finding.text
    assert "internal error" not in words
    assert "\0" not in words


# URLs.


def test_no_password_of_an_endpoint_is_shown(machine: AgentMachine, tmp_path: Path) -> None:
    url = f"https://user:{PASSWORD}@127.0.0.1:1"
    machine.config(**{section: {"Endpoint": url} for section in ("Ssm", "Mds", "Mgs", "S3", "Kms")},
                   Agent={"ServiceDomain": f"user:{PASSWORD}@127.0.0.1"})  # fmt: skip
    site = machine.site(Network("", {}, seconds=0.5), latest=f"https://user:{PASSWORD}@127.0.0.1:1/VERSION")
    site.machine = Present(machine.machine)
    answer = diagnose(site)
    assert PASSWORD not in repr(answer)
    assert "Ssm.Endpoint is https://***@127.0.0.1:1" in answer["configuration"].evidence
    assert "https://***@127.0.0.1:1 cannot be reached" in answer["endpoint-ssm"].text
    machine.config(Ssm={"Endpoint": f"user:{PASSWORD}@ssm.example"})
    assert "Ssm.Endpoint is ***@ssm.example" in machine.diagnosis("configuration")["configuration"].evidence


def test_no_password_of_the_metadata_services_url_is_shown(
    machine: AgentMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", f"http://user:{PASSWORD}@127.0.0.1:1")
    machine.registration = None
    finding = here(machine, Network("", {}, seconds=0.5), "imds")["imds"]
    assert "http://***@127.0.0.1:1" in finding.text
    assert PASSWORD not in repr(finding)


@pytest.mark.parametrize(
    "variable", ["AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "AWS_EC2_METADATA_SERVICE_ENDPOINT", "no_proxy", "NO_PROXY"]
)
@pytest.mark.parametrize(
    "place", [f"http://user:{PASSWORD}@h", f"user:{PASSWORD}@h", f"a,http://user:{PASSWORD},{PASSWORD}@[b,c"]
)
@pytest.mark.parametrize("provider", ["", "EC2"])
def test_no_password_of_a_misplaced_url_is_shown(
    machine: AgentMachine, provider: str, place: str, variable: str
) -> None:
    assert isinstance(machine.registration, RegistrationRecord)
    machine.registration = machine.registration.replace(provider=provider) if provider else None
    machine.unit(Environment=f"http_proxy=http://127.0.0.1:1 {variable}={place}")
    found = here(machine, Network("", {}, seconds=0.5), "imds", "health", "proxy")
    assert PASSWORD not in repr(found)


# Proxies.


@pytest.mark.parametrize(
    ("change", "outcome"),
    [(registration(), PASS), (setting("registration", b"{"), PASS), (setting("registration", None), WARN)],
    ids=["registered", "not to be read", "not registered"],
)
def test_an_unregistered_node_needs_a_metadata_proxy_exception(
    machine: AgentMachine, change: Change, outcome: str
) -> None:
    change(machine)
    # It is asked by plain HTTP.
    machine.unit(Environment="http_proxy=http://proxy:3128")
    assert found(machine, "proxy")[0] == outcome


@pytest.mark.parametrize("platform", ["windows", "macos", "freebsd"])
def test_the_proxy_is_not_read_on_other_systems(machine: AgentMachine, platform: str) -> None:
    machine.snapshot["platform"] = platform
    outcome, words = found(machine, "proxy")
    assert outcome == SKIPPED
    assert words.startswith("the proxy of the service is not read on this system")


def test_the_unread_settings_of_a_unit_are_named(machine: AgentMachine) -> None:
    assert found(machine, "proxy")[0] == PASS
    assert "only Environment= of its unit is read, not EnvironmentFile=" in found(machine, "proxy")[1]
    machine.unit(Environment="https_proxy=http://proxy:3128")
    assert "only Environment= of its unit is read" in found(machine, "proxy")[1]


def test_without_a_unit_the_proxy_is_unknown(machine: AgentMachine) -> None:
    machine.command(SYSTEMCTL, "Id=amazon-ssm-agent.service\nLoadState=not-found\n")
    assert found(machine, "proxy")[0] == SKIPPED
    machine.remove("/usr/bin/systemctl")
    assert found(machine, "proxy")[0] == SKIPPED


# Regions.

NO_REGIONS = {
    "another host": "eu-west-1.evil.example/x?", "a user": "x@evil.example", "a line": "eu-west-1\n",
    "long": "a" * 101, "not ASCII": "eu-wést-1",
}  # fmt: skip


@pytest.mark.parametrize("case", NO_REGIONS)
@pytest.mark.parametrize("configured", [False, True])
def test_a_region_that_the_agent_rejects_is_not_used(machine: AgentMachine, case: str, configured: bool) -> None:
    region = NO_REGIONS[case]
    if configured:
        machine.registration = None
        machine.config(Agent={"Region": region})
    else:
        registration(region=region)(machine)
    site = machine.site()
    assert region_of(site) == ""
    assert {endpoint_of(site, service) for service in SERVICES} == {""}
    names = [f"endpoint-{service}" for service in SERVICES]
    answer = here(machine, Network("", {}, seconds=0.5), *names, "s3-buckets", "clock")
    assert str(answer["endpoint-ssm"].outcome) == FAIL
    assert str(answer["endpoint-kms"].outcome) == str(answer["s3-buckets"].outcome) == WARN
    assert "is not a region: the agent has no endpoint for it" in answer["endpoint-ssm"].text
    assert re.fullmatch("[ -~]*", answer["endpoint-ssm"].text)


@pytest.mark.parametrize("region", ["eu-west-1", "EU-West-1", "x", "a" * 100])
def test_a_region_is_valid_if_the_agent_accepts_it(machine: AgentMachine, region: str) -> None:
    registration(region=region)(machine)
    assert endpoint_of(machine.site(), "ssm") == f"https://ssm.{region}.amazonaws.com"


def test_an_endpoint_of_the_configuration_needs_no_region(machine: AgentMachine) -> None:
    both(registration(region="a b"), lambda m: m.config(Ssm={"Endpoint": "ssm.example"}))(machine)
    assert endpoint_of(machine.site(), "ssm") == "https://ssm.example"


def test_the_configured_domain_replaces_that_of_the_region(machine: AgentMachine) -> None:
    machine.config(Agent={"ServiceDomain": "aws.example"}, Kms={"Endpoint": "kms.example"})
    site = machine.site()
    assert endpoint_of(site, "ssm") == "https://ssm.eu-west-1.aws.example"
    assert endpoint_of(site, "s3") == "https://s3.eu-west-1.aws.example"
    assert endpoint_of(site, "kms") == "https://kms.example"
    machine.config(Agent={"ServiceDomain": ""})
    registration(region="cn-north-1")(machine)
    assert endpoint_of(machine.site(), "ssm") == "https://ssm.cn-north-1.amazonaws.com.cn"
