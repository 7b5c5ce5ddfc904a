"""The S3 buckets that the agent reads in a region, the purpose of each, and the IAM policy that allows it.

The names are from AWS's pages "SSM Agent communications with AWS managed S3 buckets" and "Amazon S3 buckets
for patching operations", current and earlier versions; docs/s3-policy.md has the source of each name.
"""

from __future__ import annotations

from fingerprint.agent.regions import endpoint, partition, require_region
from fingerprint.types import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SYSTEMS = ("linux", "windows", "macos")
_GLOBAL_VERSION = "https://s3.amazonaws.com/ec2-downloads-windows/SSMAgent/latest/VERSION"
# The partition that has that bucket, and the other one that can connect to it over the internet.
_WITH_GLOBAL_VERSION = ("aws", "aws-us-gov")
# Region -> end of `aws-patch-manager-REGION-` and `aws-patchmanager-macos-REGION-`.
_PATCHING = {
    "af-south-1": "bdd5f65a9", "ap-east-1": "632356271", "ap-northeast-1": "4849fa78f",
    "ap-northeast-2": "10467995c", "ap-northeast-3": "67373598a", "ap-south-1": "cb7c62ff9",
    "ap-south-2": "32f4b4128", "ap-southeast-1": "7fdfd9ef7", "ap-southeast-2": "17283a275",
    "ap-southeast-3": "aa48fc462", "ap-southeast-4": "01e2c40d3", "ca-central-1": "3148e69e3",
    "ca-west-1": "9e3a4b2f9", "eu-central-1": "9163fdaaf", "eu-central-2": "184ce43c8", "eu-north-1": "795879e9b",
    "eu-south-1": "c52f3f594", "eu-south-2": "a4cf248b1", "eu-west-1": "5522fb710", "eu-west-2": "902a2bc74",
    "eu-west-3": "29bf85721", "il-central-1": "e221cb57b", "me-central-1": "2932f2f80", "me-south-1": "a53fc9dce",
    "sa-east-1": "ddf4b6a09", "us-east-1": "1970c647d", "us-east-2": "552881074", "us-west-1": "8badb4304",
    "us-west-2": "34d7f99f8",
}  # fmt: skip
# Region -> end of `patch-baseline-snapshot-REGION-`; other regions have no such end.
_SNAPSHOTS = {
    "af-south-1": "tbxdb5b9", "ap-south-2": "50209442", "ap-southeast-3": "be0a3174", "ap-southeast-4": "dc6f76ce",
    "eu-south-2": "df2c9d70", "me-south-1": "uduvl7q8",
}  # fmt: skip
# Regions whose bucket of the distribution service has another name.
_DISTRIBUTOR_FILE = ("af-south-1", "eu-south-1")


class Bucket(Value):
    """A bucket of AWS.

    Attributes:
        name: its name.
        purpose: what the agent reads from it.
        systems: the operating systems whose agents need it.
        older: whether only earlier versions of agents or documents need it.
        listed: whether AWS's pages list the region; else the name follows the pattern of other regions and is not
            verified.
    """

    name: str
    purpose: str
    systems: tuple[str, ...]
    older: bool
    listed: bool = True


def buckets(region: str, system: str = "all") -> tuple[Bucket, ...]:
    """Return the buckets of a region.

    Args:
        region: such as "us-east-2".
        system: one of SYSTEMS, or "all".

    Raises:
        UsageError: the region is invalid.
    """
    require_region(region)
    both, others = ("linux", "windows"), SYSTEMS
    ending = _PATCHING.get(region)
    snapshot = f"-{_SNAPSHOTS[region]}" if region in _SNAPSHOTS else ""
    found = [
        Bucket(f"amazon-ssm-{region}",
               "packages of the agent and their manifests, for AWS-UpdateSSMAgent; without it they are downloaded by "
               "plain HTTP requests", others, False),
        Bucket(f"aws-windows-downloads-{region}",
               "downloads of documents for Windows Server, and of some for all systems, such as "
               "AWSEC2-ConfigureSTIG", others, False),
        Bucket(f"patch-baseline-snapshot-{region}{snapshot}",
               "snapshots of patch baselines, for AWS-RunPatchBaseline and its kin", others, False),
        Bucket(f"aws-ssm-{region}",
               "modules of Command documents, patching included, such as AWS-ConfigureWindowsUpdate and "
               "AWS-UpdateEC2Config", both, False),
    ]  # fmt: skip
    modules = "modules of patching, for AWS-RunPatchBaseline, AWS-PatchAsgInstance and the like"
    if ending is not None:
        found.append(Bucket(f"aws-patch-manager-{region}-{ending}", modules, both, False))
        found.append(Bucket(f"aws-patchmanager-macos-{region}-{ending}", modules, ("macos",), False))
    else:
        # The earlier form, the only one that AWS's pages have for such regions.
        found.append(Bucket(f"aws-patchmanager-macos-{region}", modules, ("macos",), True))
    distributor = "the distribution service, for AWS-ConfigureAWSPackage with agents from 2.2.45.0 on"
    if region in _DISTRIBUTOR_FILE:
        found.append(Bucket(f"aws-ssm-distributor-file-{region}", distributor, others, True))
    else:
        found.append(Bucket(f"{region}-birdwatcher-prod", distributor, others, True))
    found += [
        Bucket(f"aws-ssm-document-attachments-{region}", "packages of Distributor that AWS owns", others, True),
        Bucket(f"amazon-ssm-packages-{region}", "AWS-ConfigureAWSPackage with agents before 2.2.45.0", others, True),
    ]
    listed = region in _PATCHING
    return tuple(bucket.replace(listed=listed) for bucket in found if system in ("all", *bucket.systems))


def unlisted(region: str) -> str:
    """Return a warning that the names of a region's buckets are not verified; "" if AWS's pages list the region."""
    if region in _PATCHING:
        return ""
    return (
        f"AWS's pages do not list the buckets of {region}: these names are made as in other regions, and not verified"
    )


def s3_endpoint(region: str, *, dual_stack: bool = False) -> str:
    """Return the URL below which the buckets of a region are; a dual-stack one serves IPv6, too."""
    return endpoint("s3", region, dual_stack=dual_stack)


def version_url(region: str, base: str = "") -> str:
    """Return the URL of the file that names the newest version of the agent in a region.

    Args:
        region: such as "us-east-2".
        base: URL of S3; "" for that of the region.

    Raises:
        UsageError: the region is invalid.
    """
    require_region(region)
    return f"{(base or s3_endpoint(region)).rstrip('/')}/amazon-ssm-{region}/latest/VERSION"


def global_version_url(region: str) -> str:
    """Return the URL of the file that names the newest version of all regions; "" if the partition has none."""
    return _GLOBAL_VERSION if partition(region) in _WITH_GLOBAL_VERSION else ""


def arns(region: str, system: str = "all") -> list[str]:
    """Return the resources of the policy. Raises UsageError as `buckets`."""
    return [f"arn:{partition(region)}:s3:::{bucket.name}/*" for bucket in buckets(region, system)]


def policy(region: str, system: str = "all") -> dict[str, Any]:
    """Return the IAM policy. Raises UsageError as `buckets`."""
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": arns(region, system)}],
    }


def comments(region: str, system: str = "all") -> str:
    """Return the purpose of each bucket in Markdown, to be stored beside the policy: JSON has no comments."""
    lines = [f"# S3 buckets of SSM Agent in {region}", ""]
    for bucket in buckets(region, system):
        older = " For agents and documents of earlier versions." if bucket.older else ""
        lines += [
            f"- `{bucket.name}` ({', '.join(bucket.systems)}): {bucket.purpose}.{older}",
        ]
    if unlisted(region):
        lines += ["", f"{unlisted(region)}."]
    if region not in _PATCHING:
        lines += ["", f"AWS lists no bucket of patching modules of its own for {region}; they are in aws-ssm-{region}."]
    return "\n".join(lines) + "\n"
