"""Regions of AWS: their partition and their domain, by the beginning of their names."""

from __future__ import annotations

import re

from fingerprint.errors import UsageError

_REGION = re.compile(r"[a-z]{2,4}(?:-[a-z]+)+-[1-9][0-9]?")
# Beginning of the region -> partition, domain. The agent knows the same domains.
_PARTITIONS = (
    ("cn-", "aws-cn", "amazonaws.com.cn"),
    ("us-gov-", "aws-us-gov", "amazonaws.com"),
    ("us-iso-", "aws-iso", "c2s.ic.gov"),
    ("us-isob-", "aws-iso-b", "sc2s.sgov.gov"),
    ("eu-isoe-", "aws-iso-e", "cloud.adc-e.uk"),
    ("us-isof-", "aws-iso-f", "csp.hci.ic.gov"),
    ("eusc-de-", "aws-eusc", "amazonaws.eu"),
)
# Beginning of the region -> domain of its endpoints for both IPv4 and IPv6.
_DUAL_STACK = (
    ("cn-", "api.amazonwebservices.com.cn"),
    ("us-iso-", "api.aws.ic.gov"),
    ("us-isob-", "api.aws.scloud"),
    ("eu-isoe-", "api.cloud-aws.adc-e.uk"),
    ("us-isof-", "api.aws.hci.ic.gov"),
    ("eusc-de-", "api.amazonwebservices.eu"),
)


def demand_region(region: str) -> None:
    """Raise UsageError for a text that is no region."""
    if not _REGION.fullmatch(region):
        raise UsageError(f"{region!r} is no region", remedy="Name one such as us-east-2")


def partition(region: str) -> str:
    """Return the partition of a region, as ARNs have it."""
    return next((partition for begin, partition, _ in _PARTITIONS if region.startswith(begin)), "aws")


def domain(region: str) -> str:
    """Return the domain of a region's endpoints."""
    return next((domain for begin, _, domain in _PARTITIONS if region.startswith(begin)), "amazonaws.com")


def dual_stack_domain(region: str) -> str:
    """Return the domain of a region's endpoints for both IPv4 and IPv6."""
    return next((domain for begin, domain in _DUAL_STACK if region.startswith(begin)), "api.aws")


def endpoint(service: str, region: str, *, dual_stack: bool = False, service_domain: str = "") -> str:
    """Return the URL of a service in a region as the agent makes it, such as https://ssm.eu-west-1.amazonaws.com.

    Args:
        service: such as "ssm".
        region: of any partition.
        dual_stack: for both IPv4 and IPv6. The name of S3 is then of another form, in the usual domain.
        service_domain: a domain in place of the partition's.
    """
    if dual_stack and service == "s3":
        return f"https://s3.dualstack.{region}.{service_domain or domain(region)}"
    usual = dual_stack_domain(region) if dual_stack else domain(region)
    return f"https://{service}.{region}.{service_domain or usual}"
