"""The IAM policy for the agent's S3 buckets: their names, partitions, and the command that prints it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from fingerprint.agent.buckets import SYSTEMS, arns, buckets, comments, policy, s3_endpoint
from fingerprint.agent.regions import domain, endpoint, partition
from fingerprint.errors import UsageError
from s3_command import Command, answered, command_in, names

# Region -> end of its patching buckets, end of its bucket of baseline snapshots, as AWS lists them. Written by hand,
# independently of the package.
PATCHING = {
    "us-east-2": ("552881074", ""), "us-east-1": ("1970c647d", ""), "us-west-1": ("8badb4304", ""),
    "us-west-2": ("34d7f99f8", ""), "af-south-1": ("bdd5f65a9", "-tbxdb5b9"), "ap-east-1": ("632356271", ""),
    "ap-south-2": ("32f4b4128", "-50209442"), "ap-southeast-3": ("aa48fc462", "-be0a3174"),
    "ap-southeast-4": ("01e2c40d3", "-dc6f76ce"), "ap-south-1": ("cb7c62ff9", ""), "ap-northeast-3": ("67373598a", ""),
    "ap-northeast-2": ("10467995c", ""), "ap-southeast-1": ("7fdfd9ef7", ""), "ap-southeast-2": ("17283a275", ""),
    "ap-northeast-1": ("4849fa78f", ""), "ca-central-1": ("3148e69e3", ""), "ca-west-1": ("9e3a4b2f9", ""),
    "eu-central-1": ("9163fdaaf", ""), "eu-west-1": ("5522fb710", ""), "eu-west-2": ("902a2bc74", ""),
    "eu-south-1": ("c52f3f594", ""), "eu-west-3": ("29bf85721", ""), "eu-south-2": ("a4cf248b1", "-df2c9d70"),
    "eu-north-1": ("795879e9b", ""), "eu-central-2": ("184ce43c8", ""), "il-central-1": ("e221cb57b", ""),
    "me-south-1": ("a53fc9dce", "-uduvl7q8"), "me-central-1": ("2932f2f80", ""), "sa-east-1": ("ddf4b6a09", ""),
}  # fmt: skip
UNLISTED = (
    "cn-north-1", "cn-northwest-1", "us-gov-east-1", "us-gov-west-1", "ap-southeast-9", "eusc-de-east-1",
    # Opened since 2024.
    "mx-central-1", "ap-southeast-5", "ap-southeast-6", "ap-southeast-7", "ap-east-2",
)  # fmt: skip
REGIONS = (*PATCHING, *UNLISTED)


@pytest.fixture
def command(tmp_path: Path) -> Command:
    return command_in(tmp_path)


# The names.


OHIO = """{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Effect": "Allow",
      "Action": "s3:GetObject",
      "Resource": [
        "arn:aws:s3:::amazon-ssm-us-east-2/*",
        "arn:aws:s3:::aws-windows-downloads-us-east-2/*",
        "arn:aws:s3:::patch-baseline-snapshot-us-east-2/*",
        "arn:aws:s3:::aws-ssm-us-east-2/*",
        "arn:aws:s3:::aws-patch-manager-us-east-2-552881074/*",
        "arn:aws:s3:::aws-patchmanager-macos-us-east-2-552881074/*",
        "arn:aws:s3:::us-east-2-birdwatcher-prod/*",
        "arn:aws:s3:::aws-ssm-document-attachments-us-east-2/*",
        "arn:aws:s3:::amazon-ssm-packages-us-east-2/*"
      ]
    }
  ]
}
"""


def test_the_policy_of_ohio_is_complete(command: Command) -> None:
    done = command("--region", "us-east-2")
    assert (done.returncode, done.stdout, done.stderr) == (0, OHIO, "")


def test_current_buckets_of_ohio_are_the_example_of_aws() -> None:
    assert {bucket.name for bucket in buckets("us-east-2") if not bucket.older} == {
        "aws-windows-downloads-us-east-2", "amazon-ssm-us-east-2", "aws-ssm-us-east-2",
        "patch-baseline-snapshot-us-east-2", "aws-patch-manager-us-east-2-552881074",
        "aws-patchmanager-macos-us-east-2-552881074",
    }  # fmt: skip


def test_the_policy_of_bahrain_has_its_own_names() -> None:
    assert arns("me-south-1") == [
        "arn:aws:s3:::amazon-ssm-me-south-1/*",
        "arn:aws:s3:::aws-windows-downloads-me-south-1/*",
        "arn:aws:s3:::patch-baseline-snapshot-me-south-1-uduvl7q8/*",
        "arn:aws:s3:::aws-ssm-me-south-1/*",
        "arn:aws:s3:::aws-patch-manager-me-south-1-a53fc9dce/*",
        "arn:aws:s3:::aws-patchmanager-macos-me-south-1-a53fc9dce/*",
        "arn:aws:s3:::me-south-1-birdwatcher-prod/*",
        "arn:aws:s3:::aws-ssm-document-attachments-me-south-1/*",
        "arn:aws:s3:::amazon-ssm-packages-me-south-1/*",
    ]


@pytest.mark.parametrize("region", PATCHING)
def test_buckets_of_patching_are_those_of_awss_list(region: str) -> None:
    ending, snapshot = PATCHING[region]
    found = names(region)
    assert [name for name in found if name.startswith(("aws-patch", "patch-"))] == [
        f"patch-baseline-snapshot-{region}{snapshot}",
        f"aws-patch-manager-{region}-{ending}",
        f"aws-patchmanager-macos-{region}-{ending}",
    ]
    assert "lists no bucket" not in comments(region)


@pytest.mark.parametrize("region", UNLISTED)
def test_a_region_without_buckets_of_patching_gets_none(region: str) -> None:
    found = names(region)
    assert not [name for name in found if name.startswith("aws-patch-manager")]
    assert f"aws-ssm-{region}" in found
    assert f"patch-baseline-snapshot-{region}" in found
    assert "lists no bucket of patching modules" in comments(region)


@pytest.mark.parametrize("region", REGIONS)
def test_names_of_an_unlisted_region_are_marked_unverified(command: Command, region: str) -> None:
    done = command("--region", region)
    answer = answered(command, "--region", region)
    listed = region in PATCHING
    assert {bucket.listed for bucket in buckets(region)} == {listed}
    assert {bucket["listed"] for bucket in answer["buckets"]} == {listed}
    why = "these names are made as in other regions, and not verified"
    words = "" if listed else f"AWS's pages do not list the buckets of {region}: {why}"
    assert done.stderr == ("" if listed else f"fingerprint: {words}\n")
    assert answer["note"] == (words or None)
    assert (words in comments(region)) if words else ("not verified" not in comments(region))
    # The policy can still be passed to IAM as it is.
    assert json.loads(done.stdout) == policy(region)


@pytest.mark.parametrize("region", REGIONS)
def test_the_distribution_buckets_of_two_regions_differ(region: str) -> None:
    found = [name for name in names(region) if "birdwatcher" in name or "distributor" in name]
    other = region in ("af-south-1", "eu-south-1")
    assert found == [f"aws-ssm-distributor-file-{region}" if other else f"{region}-birdwatcher-prod"]


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("system", ["all", *SYSTEMS])
def test_every_policy_is_valid_for_iam(region: str, system: str) -> None:
    document = policy(region, system)
    assert list(document) == ["Version", "Statement"]
    assert document["Version"] == "2012-10-17"
    [statement] = document["Statement"]
    assert set(statement) == {"Effect", "Action", "Resource"}
    assert (statement["Effect"], statement["Action"]) == ("Allow", "s3:GetObject")
    resources_ = statement["Resource"]
    assert len(resources_) == len(set(resources_)) >= 5
    for resource in resources_:
        # Names follow the rules of buckets, and the only wildcard stands for the objects of one bucket.
        found = re.fullmatch(
            r"arn:(aws|aws-cn|aws-us-gov|aws-eusc):s3:::([a-z0-9][a-z0-9-]{1,61}[a-z0-9])/\*", resource
        )
        assert found, resource
        assert region in found[2]
    # White space does not count against the limit of a managed policy.
    assert len(json.dumps(document, separators=(",", ":"))) < 6144


@pytest.mark.parametrize("region", REGIONS)
def test_the_buckets_of_all_systems_together_are_all_buckets(region: str) -> None:
    parts = {system: names(region, system) for system in SYSTEMS}
    assert set().union(*parts.values()) == set(names(region))
    assert not any("macos" in name for name in parts["linux"] + parts["windows"])
    assert not any(name.startswith(("aws-patch-manager", f"aws-ssm-{region}")) for name in parts["macos"])
    assert any("macos" in name for name in parts["macos"])
    assert all(f"amazon-ssm-{region}" in part for part in parts.values())


@pytest.mark.parametrize(
    ("region", "name", "tail"),
    [("eu-west-1", "aws", "amazonaws.com"), ("cn-north-1", "aws-cn", "amazonaws.com.cn"),
     ("cn-northwest-1", "aws-cn", "amazonaws.com.cn"), ("us-gov-west-1", "aws-us-gov", "amazonaws.com"),
     ("us-iso-east-1", "aws-iso", "c2s.ic.gov"), ("us-isob-east-1", "aws-iso-b", "sc2s.sgov.gov"),
     ("eu-isoe-west-1", "aws-iso-e", "cloud.adc-e.uk"), ("us-isof-south-1", "aws-iso-f", "csp.hci.ic.gov"),
     ("eusc-de-east-1", "aws-eusc", "amazonaws.eu")],
)  # fmt: skip
def test_a_region_is_of_its_partition(region: str, name: str, tail: str) -> None:
    assert (partition(region), domain(region)) == (name, tail)
    assert endpoint("ssm", region) == f"https://ssm.{region}.{tail}"
    assert s3_endpoint(region) == f"https://s3.{region}.{tail}"
    assert all(arn.startswith(f"arn:{name}:s3:::") for arn in arns(region))


def test_partitions_are_those_of_botocore() -> None:
    import botocore.loaders

    known = botocore.loaders.create_loader().load_data("endpoints")["partitions"]
    regions = [(region, one["partition"], one["dnsSuffix"]) for one in known for region in one["regions"]]
    assert {"aws", "aws-cn", "aws-us-gov"} <= {name for _, name, _ in regions}
    assert [(region, partition(region), domain(region)) for region, _, _ in regions] == regions


@pytest.mark.parametrize(
    "region",
    [
        "",
        "us-east",
        "us-east-2a",
        "US-EAST-2",
        "us east 2",
        "*",
        "us-east-*",
        "us-east-2\n",
        "../us-east-2",
        "us-east-\uff11",
        "us-east-\u0661",
        "us-east-02",
    ],
)
def test_an_invalid_region_is_a_usage_error(command: Command, region: str) -> None:
    with pytest.raises(UsageError, match="invalid region"):
        buckets(region)
    done = command("--region", region)
    assert (done.returncode, done.stdout) == (2, "")
    assert "us-east-2" in done.stderr


# The command.


def test_the_region_is_required(command: Command) -> None:
    done = command()
    assert (done.returncode, done.stdout) == (2, "")
    assert "--region" in done.stderr


@pytest.mark.parametrize("system", ["all", *SYSTEMS])
def test_the_command_prints_the_policy_of_the_operating_system(command: Command, system: str) -> None:
    done = command("--region", "eu-south-2", "--os", system)
    assert done.returncode == 0
    assert json.loads(done.stdout) == policy("eu-south-2", system)


def test_an_unknown_operating_system_is_a_usage_error(command: Command) -> None:
    assert command("--region", "eu-south-2", "--os", "plan9").returncode == 2


def test_resources_only_are_one_arn_a_line(command: Command) -> None:
    done = command("--region", "cn-north-1", "--os", "linux", "--resources-only")
    assert done.returncode == 0
    assert done.stdout.splitlines() == arns("cn-north-1", "linux")
    assert done.stdout.startswith("arn:aws-cn:s3:::amazon-ssm-cn-north-1/*\n")


@pytest.mark.parametrize("region", ["us-east-2", "us-gov-west-1"])
def test_the_answer_as_json_holds_policy_and_purposes(command: Command, region: str) -> None:
    answer = answered(command, "--region", region, "--os", "macos")
    assert answer["policy"] == policy(region, "macos")
    assert [bucket["name"] for bucket in answer["buckets"]] == names(region, "macos")
    assert all(bucket["purpose"] and "macos" in bucket["systems"] for bucket in answer["buckets"])
    assert (answer["region"], answer["os"], answer["reached"], answer["comments"]) == (region, "macos", None, None)


def test_comments_are_written_into_a_new_file(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "buckets.md"
    done = command("--region", "us-gov-west-1", "--comments", str(file))
    assert done.returncode == 0
    assert json.loads(done.stdout) == policy("us-gov-west-1")
    text = file.read_text()
    assert text == comments("us-gov-west-1")
    assert all(f"- `{name}` (" in text for name in names("us-gov-west-1"))
    assert answered(command, "--region", "eu-west-1", "--comments", f"{file}2")["comments"] == f"{file}2"


def test_comments_never_overwrite_a_file(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "buckets.md"
    file.write_text("mine")
    done = command("--region", "eu-west-1", "--comments", str(file))
    assert (done.returncode, done.stdout) == (4, "")
    assert str(file) in done.stderr
    assert file.read_text() == "mine"
    assert list(tmp_path.glob(".*")) == []


def test_comments_that_cannot_be_written_are_an_error(command: Command, tmp_path: Path) -> None:
    done = command("--region", "eu-west-1", "--comments", str(tmp_path / "none" / "buckets.md"))
    assert (done.returncode, done.stdout) == (3, "")
