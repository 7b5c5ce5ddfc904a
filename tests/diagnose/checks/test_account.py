"""Where a node is registered: ID, region and account, reported first if wrong; an unknown account never passes."""

from __future__ import annotations

import json
import os
import tarfile
from base64 import b32encode
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_machines import NODE, REGENERATED, REGION, AgentMachine, Present, copied_disk, line, ready, refused, started
from commandline import environment, run
from fingerprint.agent.accounts import account_of_key, role_in
from fingerprint.agent.logs import read_parts
from fingerprint.diagnose import Network, diagnose
from fingerprint.support_bundle.redact import Redactor
from fingerprint.types import RegistrationRecord
from metadata import alone, beside_metadata

PASS, WARN, FAIL, SKIPPED = "pass", "warn", "fail", "skipped"
OURS, OTHER = "609629065308", "029608264753"
KEYS = {OURS: "ASIAY34FZKBOKMUTVV7A", OTHER: "ASIAQNZGKIQY56JQ7WML"}
ELSEWHERE = "this host is registered elsewhere"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"


def denied(account: str, node: str = NODE, partition: str = "aws", role: str = "SSMServiceRole") -> str:
    """Return the words by which the service denies a health ping."""
    return (
        f"AccessDeniedException: User: arn:{partition}:sts::{account}:assumed-role/{role}/{node} is not authorized to "
        f"perform: ssm:UpdateInstanceInformation on resource: arn:{partition}:ssm:{REGION}:{account}:managed-instance/"
        f"{node} because no identity-based policy allows the ssm:UpdateInstanceInformation action"
    )


# The account of a key, and of a role.


@given(st.integers(0, 10**12 - 1), st.integers(0, 2**39 - 1))
def test_the_account_of_every_key_of_today_is_read(account: int, behind: int) -> None:
    bits = 1 << 79 | account << 39 | behind
    key = b32encode(bits.to_bytes(10, "big")).decode()
    assert account_of_key(f"ASIA{key}") == account_of_key(f"AKIA{key}") == f"{account:012d}"
    # Without the first bit it is a key of before, which holds no account.
    older = b32encode((bits ^ 1 << 79).to_bytes(10, "big")).decode()
    assert account_of_key(f"AKIA{older}") == ""


@pytest.mark.parametrize(("account", "key"), KEYS.items())
def test_published_keys_have_their_published_accounts(account: str, key: str) -> None:
    assert account_of_key(key) == account


@given(st.one_of(st.text(max_size=24), st.from_regex(r"A[SK]IA[A-Z0-9]{14,18}", fullmatch=True)))
def test_no_text_raises_and_what_is_no_key_has_no_account(text: str) -> None:
    account = account_of_key(text)
    assert account == "" or (len(text) == 20 and account.isdigit() and len(account) == 12)


@pytest.mark.parametrize("key", ["", "AKIAIOSFODNN7EXAMPLE", "ASIA0123456789ABCDEF", "ASIAY34FZKBOKMUTVV7a", "ASIA7777",
                                 "ASIA" + "7" * 16, "ABIAY34FZKBOKMUTVV7A", "ASIAY34FZKBOKMUTVV7A\n"])  # fmt: skip
def test_other_keys_have_none(key: str) -> None:
    assert account_of_key(key) == ""


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov", "aws-eusc", "aws-iso-b"])
@pytest.mark.parametrize(
    "text",
    [
        "Entering SSM Agent hibernate - {}", "Health ping failed with error - {}",
        "Retrieve credentials produced error: {}",
        "Status code 400 returned from AWS API. RequestId: 1-2 Message: {}",
    ],
)  # fmt: skip
def test_the_role_is_read_out_of_every_error_that_names_it(text: str, partition: str) -> None:
    log = started("08:00:00") + line("08:00:03", "INFO", text.format(denied(OURS, partition=partition)))
    role = read_parts([log.encode()], [], []).role
    assert role is not None
    assert (role.account, role.name, role.node) == (OURS, "SSMServiceRole", NODE)


@pytest.mark.parametrize(
    "text",
    [
        "", f"arn:aws:sts::{OURS[:-1]}:assumed-role/R/{NODE}", f"arn:aws:sts::{OURS}:assumed-role/R/{NODE[:-1]}",
        f"arn:aws:iam::{OURS}:role/R", f"arn:aws:sts::{OURS}:assumed-role/R/i-0123456789abcdef0",
        f"arn:aws:sts::{OURS}:assumed-role/R/{NODE}0", "arn:aws" * 500,
    ],
)  # fmt: skip
def test_a_line_without_a_role_of_a_node_has_none(text: str) -> None:
    assert role_in(text) is None


# Diagnosed.


def logged(machine: AgentMachine, account: str, node: str = NODE) -> None:
    """Let the log name the role, of a time at which it had no permission."""
    machine.log(
        "amazon-ssm-agent.log",
        started("08:00:00") + line("08:00:03", "INFO", f"Entering SSM Agent hibernate - {denied(account, node)}")
        + started("09:00:00") + ready("09:00:01") + line("11:55:00", "INFO", "HealthCheck reporting agent health.", ""),
    )  # fmt: skip


def shared(machine: AgentMachine, key: str, node: str = NODE, text: str | None = None) -> None:
    machine.credentials("2026-11-24T11:30:00Z", "2026-11-24T12:30:00Z", InstanceId=node)
    keys = f"[default]\naws_access_key_id = {key}\naws_secret_access_key = {SECRET}\naws_session_token = t\n"
    machine.file("/root/.aws/credentials", keys if text is None else text)


@pytest.mark.parametrize("expected", ["", OURS, OTHER])
@pytest.mark.parametrize("region", ["", REGION, "us-east-1"])
@pytest.mark.parametrize("known", [True, False], ids=["account in the log", "account not known"])
def test_account_passes_only_if_both_are_known_and_as_expected(
    machine: AgentMachine, known: bool, region: str, expected: str
) -> None:
    if known:
        logged(machine, OURS)
    words = [*(["--region", region] if region else []), *(["--account", expected] if expected else [])]
    answer = machine.json("diagnose", *words)
    [check] = [one for one in answer["checks"] if one["name"] == "account"]
    assert answer["checks"][0] is check
    shown = f"mi-0…def0 in {REGION}, account {OURS if known else 'unknown'}"
    assert shown in check["text"]
    wrong = region == "us-east-1" or (known and expected == OTHER)
    outcome = FAIL if wrong else PASS if known else SKIPPED
    assert (check["outcome"], check["undetermined"]) == (outcome, not wrong and not known and bool(expected))
    conclusion = answer["conclusion"]
    assert (conclusion["because"] == "account") == (wrong or check["undetermined"])
    if wrong:
        # Before anything else.
        assert conclusion["text"].startswith(f"This host is registered elsewhere: {shown}; ")
        assert conclusion["steps"][0]["text"].startswith("Register it again with an activation")
        assert conclusion["text"].endswith("Not hibernating, and nothing else is wrong.")
        assert conclusion["state"] == "broken"
    elif not known and not expected:
        assert conclusion["text"].endswith("nothing is wrong. Its account is unknown.")
    elif known:
        assert conclusion["text"] == "Not hibernating, and nothing is wrong."


@pytest.mark.parametrize("only", [[], ["--only", "account"], ["--only", "account,waiting"]])
def test_a_foreign_account_comes_before_a_hibernation(machine: AgentMachine, only: list[str]) -> None:
    machine.log("amazon-ssm-agent.log", started("08:00:00") + ready("08:00:01") + refused("11:35:00", denied(OURS)))
    shown = machine.json("diagnose", "--account", OTHER, *only)["conclusion"]
    assert shown["text"].startswith("This host is registered elsewhere: ")
    assert f"account {OURS}; --account says {OTHER}" in shown["text"]
    assert ("Hibernating since 2026-11-24T11:35:00Z" in shown["text"]) == (only != ["--only", "account"])
    assert shown["state"] == ("broken" if only == ["--only", "account"] else "hibernating")
    done = machine("diagnose", "--account", OTHER)
    assert done.returncode == 1
    assert done.stdout.startswith("This host is registered elsewhere: ")
    assert NODE not in done.stdout
    assert NODE in machine("diagnose", "--account", OTHER, "--reveal").stdout


@pytest.mark.parametrize("account", ["1", "x" * 12, "1234567890123", "12345678901²"])
def test_an_invalid_account_is_a_usage_error(machine: AgentMachine, account: str) -> None:
    done = machine("diagnose", "--account", account)
    assert done.returncode == 2
    assert "must be 12 digits" in done.stderr
    assert "12 digits" in done.stderr


def test_a_role_of_another_node_is_ignored(machine: AgentMachine) -> None:
    """As of the registration before."""
    logged(machine, OTHER, "mi-00000000000000000")
    finding = machine.diagnosis("account", account=OURS)["account"]
    assert finding.undetermined
    assert OTHER not in repr(finding)


@pytest.mark.parametrize("expected", [{}, {"account": OURS}, {"region": REGION}], ids=["", "account", "region"])
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (None, "there is no registration"), (b"{", "cannot be read"), ("incomplete", "no complete registration"),
    ],
)  # fmt: skip
def test_without_registration_account_applies_only_if_expected(
    machine: AgentMachine, change: Any, words: str, expected: dict[str, str]
) -> None:
    machine.registration = (
        machine.registration.replace(instance_id="") if change == "incomplete" else change  # type: ignore[union-attr]
    )
    found = machine.diagnosis("account", **expected)
    finding = found["account"]
    assert (str(finding.outcome), finding.undetermined) == (SKIPPED, bool(expected))
    assert (found.conclusion.state == "cannot-tell") is bool(expected)
    assert words in finding.text


def test_on_ec2_no_hybrid_node_is_expected(machine: AgentMachine) -> None:
    machine.registration = None
    machine.credentials("2026-11-24T11:30:00Z", "2026-11-24T12:30:00Z", IdentityType="EC2")
    finding = machine.diagnosis("account", region=REGION)["account"]
    assert (str(finding.outcome), finding.undetermined) == (SKIPPED, False)


def regenerated(machine: AgentMachine) -> None:
    made = line("11:36:01", "INFO", REGENERATED, "")
    machine.log("amazon-ssm-agent.log", started("08:00:00") + ready("08:00:01") + made + refused("11:36:02"))


def incomplete(machine: AgentMachine) -> None:
    assert isinstance(machine.registration, RegistrationRecord)
    machine.registration = machine.registration.replace(instance_id="")


@pytest.mark.parametrize(
    ("check", "change", "options"),
    [
        ("account", lambda machine: None, {"region": "us-east-1"}), ("registration", incomplete, {}),
        ("regenerated", regenerated, {}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("provider", [None, "", "EC2", "Azure"])
def test_registering_again_keeps_the_provider(
    machine: AgentMachine, provider: str | None, check: str, change: Any, options: dict[str, str]
) -> None:
    assert isinstance(machine.registration, RegistrationRecord)
    machine.registration = machine.registration.replace(provider=provider)
    change(machine)
    command = machine.diagnosis(check, **options)[check].command
    assert command.startswith("fingerprint register ")
    assert command.partition(" --provider ")[2] == (provider or "").lower()


def on_disk(machine: AgentMachine, tmp_path: Path, *words: str) -> dict[str, Any]:
    """Return the check as a copied disk answers it, whose files of credentials are read."""
    root = copied_disk(tmp_path, machine)
    done = run("--root", str(root), "diagnose", "--only", "account", *words, "--output", "json", env=machine.env)
    assert SECRET not in done.stdout + done.stderr
    [check] = json.loads(done.stdout)["checks"]
    return cast(dict[str, Any], check)


@pytest.mark.parametrize(("account", "key"), KEYS.items())
def test_the_shared_access_key_contains_the_account(
    machine: AgentMachine, tmp_path: Path, account: str, key: str
) -> None:
    shared(machine, key)
    check = on_disk(machine, tmp_path, "--account", OURS)
    assert check["outcome"] == (PASS if account == OURS else FAIL)
    assert f"account {account}" in check["text"]
    assert "from the ID of the access key that the agent shares in /root/.aws/credentials" in check["evidence"][0]
    assert key not in json.dumps(check)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: shared(m, KEYS[OURS], "mi-00000000000000000"), "are those of another node"),
        (lambda m: shared(m, "AKIAIOSFODNN7EXAMPLE"), "does not contain its account"),
        (lambda m: shared(m, "", text="[other]\n"), "does not contain its account"),
        (lambda m: shared(m, "", text="[default\n"), "no SDK can read it"),
        (lambda m: shared(m, "", text="\0\0"), "no SDK can read it"),
        (lambda m: m.remove("/root/.aws/credentials"), "No such file"),
        (lambda m: m.remove("/var/lib/amazon/ssm/runtimeconfig/identity_config.json"), "names no credentials"),
        (lambda m: m.file("/var/lib/amazon/ssm/runtimeconfig/identity_config.json", "{"), "shares no credentials"),
        (lambda m: m.credentials("2026-11-24T11:30:00Z", "2026-11-24T12:30:00Z", ShareFile=""),
         "shares no credentials"),
    ],
    ids=range(9),
)  # fmt: skip
def test_an_unknown_account_has_a_reason(machine: AgentMachine, tmp_path: Path, change: Any, words: str) -> None:
    change(machine)
    check = on_disk(machine, tmp_path, "--account", OURS)
    assert (check["outcome"], check["undetermined"]) == (SKIPPED, True)
    assert words in check["evidence"][0]
    check = on_disk(machine, tmp_path)
    assert (check["outcome"], check["undetermined"]) == (SKIPPED, False)


def test_the_log_has_priority_over_the_key(machine: AgentMachine, tmp_path: Path) -> None:
    logged(machine, OURS)
    shared(machine, KEYS[OTHER])
    assert f"account {OURS}" in on_disk(machine, tmp_path)["text"]


def test_the_keys_are_in_no_snapshot(machine: AgentMachine, tmp_path: Path) -> None:
    """The account is read beside what a recorder keeps."""
    shared(machine, KEYS[OURS])
    root = copied_disk(tmp_path, machine)
    target = tmp_path / "recorded.json"
    done = run("--root", str(root), "snapshot", str(target), env=machine.env)
    assert done.returncode in (0, 3), done.stderr
    text = target.read_text()
    assert SECRET not in text
    assert KEYS[OURS] not in text


HINTS: dict[str, tuple[dict[str, str], str]] = {
    "AWS_REGION": ({"AWS_REGION": "us-east-1"}, "AWS_REGION: 'us-east-1'"),
    "AWS_DEFAULT_REGION": ({"AWS_DEFAULT_REGION": "us-east-1"}, "AWS_DEFAULT_REGION: 'us-east-1'"),
    "the profile": ({"AWS_CONFIG_FILE": "CONFIG"}, "config, default: 'us-east-2'"),
    "another profile": ({"AWS_CONFIG_FILE": "CONFIG", "AWS_PROFILE": "p"}, "config, profile p: 'us-west-1'"),
    "the same region": ({"AWS_REGION": REGION}, ""),
    "no file": ({"AWS_CONFIG_FILE": "/nowhere"}, ""),
    "a file that is none": ({"AWS_CONFIG_FILE": "/proc/self/environ"}, ""),
    "a file of the home directory": ({"AWS_CONFIG_FILE": "~/config"}, "config, default: 'us-east-2'"),
    "a pipe": ({"AWS_CONFIG_FILE": "~/pipe"}, ""),
    "a device": ({"AWS_CONFIG_FILE": "/dev/zero"}, ""),
    "a directory": ({"AWS_CONFIG_FILE": "/"}, ""),
    "a key of another account": ({"AWS_ACCESS_KEY_ID": KEYS[OTHER]}, ""),
}  # fmt: skip


@pytest.mark.parametrize("name", HINTS)
def test_settings_of_the_shell_only_warn(machine: AgentMachine, tmp_path: Path, name: str) -> None:
    variables, words = HINTS[name]
    config = tmp_path / "config"
    config.write_text("[default]\nregion = us-east-2\n[profile p]\nregion=us-west-1\n")
    os.mkfifo(tmp_path / "pipe")
    given_ = {key: str(config) if value == "CONFIG" else value for key, value in variables.items()}
    machine.write()
    answer = run("--vault", str(machine.vault_path), "diagnose", "--only", "account", "--output", "json",
                 env={**environment(tmp_path / "state"), "HOME": str(tmp_path), **given_})  # fmt: skip
    shown = json.loads(answer.stdout)
    [check] = shown["checks"]
    assert check["outcome"] == (WARN if words else SKIPPED), check
    assert words in " ".join((check["text"], *check["evidence"]))
    # Nothing is waited for.
    assert "mi-0…def0 in eu-west-1" in check["text"]
    assert (shown["conclusion"]["state"] == "warnings") == bool(words)
    assert answer.returncode == 0
    # Whoever says where it should be needs no hint.
    said = run("--vault", str(machine.vault_path), "diagnose", "--only", "account", "--region", REGION, "--output",
               "json", env={**environment(tmp_path / "state"), "HOME": str(tmp_path), **given_})  # fmt: skip
    assert json.loads(said.stdout)["checks"][0]["outcome"] == SKIPPED


def test_the_region_of_the_configuration_warns(machine: AgentMachine) -> None:
    """The agent reports its health there, where the service does not know the node."""
    machine.config(Agent={"Region": "us-east-1"})
    finding = machine.diagnosis("account")["account"]
    assert str(finding.outcome) == WARN
    assert "Agent.Region of /etc/amazon/ssm/amazon-ssm-agent.json: 'us-east-1'" in finding.text
    machine.config(Agent={"Region": 7})
    assert str(machine.diagnosis("account")["account"].outcome) == SKIPPED


DOCUMENTS = {
    "the same": ({"accountId": OURS, "region": REGION}, PASS), "another account": (
        {"accountId": OTHER, "region": REGION}, WARN,
    ), "another region": ({"accountId": OURS, "region": "us-east-1"}, WARN),
    "no document": ({}, PASS), "other types": ({"accountId": 7, "region": ["x"]}, PASS),
    "no account": ({"accountId": "x\n", "region": REGION}, PASS),
}  # fmt: skip


@alone
@pytest.mark.parametrize("name", DOCUMENTS)
def test_an_instance_of_another_region_or_account_warns(machine: AgentMachine, name: str) -> None:
    document, outcome = DOCUMENTS[name]
    logged(machine, OURS)
    machine.registration = machine.registration.replace(provider="EC2")  # type: ignore[union-attr]
    machine.write()
    words = ("--vault", str(machine.vault_path), "diagnose", "--network", "--only", "account", "--output", "json")
    done = beside_metadata(200, *words, env=machine.env, document=json.dumps(document))
    [check] = json.loads(done.out)["checks"]
    # This host has no log of an agent.
    assert check["outcome"] == (WARN if outcome == WARN and "region" in name else SKIPPED)
    assert any(path.endswith("/instance-identity/document") for path in done.asked)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_identity_document_is_compared_with_the_registration(
    machine: AgentMachine, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    document, outcome = DOCUMENTS[name]
    logged(machine, OURS)
    machine.file("/sys/class/dmi/id/sys_vendor", "Amazon EC2\n")
    answer = type("Answer", (), {"status": 200, "body": json.dumps(document).encode()})()
    monkeypatch.setattr("fingerprint.diagnose.checks.account.ask_ec2", lambda *_: (answer, answer, True))
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    site = machine.site(Network("", {}, seconds=1))
    site.machine = Present(machine.machine)
    finding = diagnose(site, ["account"])["account"]
    assert str(finding.outcome) == outcome
    if outcome == WARN:
        assert "the EC2 instance itself" in finding.text


@pytest.mark.parametrize("hinted", [False, True])
def test_a_redacted_report_holds_no_account(machine: AgentMachine, tmp_path: Path, hinted: bool) -> None:
    logged(machine, OURS)
    machine.write()
    env = {**machine.env, **({"AWS_ACCESS_KEY_ID": KEYS[OTHER], "HOME": str(tmp_path)} if hinted else {})}
    target = ["--vault", str(machine.vault_path)]
    target += [] if hinted else ["--snapshot", str(machine.directory / "machine.json")]
    done = run(*target, "report", "--redact", str(tmp_path / "report.tar.gz"), env=env)
    assert done.returncode in (0, 3), done.stderr
    with tarfile.open(tmp_path / "report.tar.gz") as archive:
        files = [archive.extractfile(member) for member in archive if member.isfile()]
        text = "\n".join(file.read().decode("utf-8", "replace") for file in files if file is not None)
    assert OURS not in text
    assert OTHER not in text
    finding = Redactor().text(f"mi-0 in r, account {OTHER}; AWS_ACCESS_KEY_ID: '{OURS}'")
    assert OURS not in finding
    assert OTHER not in finding
    assert "AWS_ACCESS_KEY_ID: '" in finding
