"""Regions of AWS: partition and domain, by the prefix of the region's name."""

from __future__ import annotations

import re

from fingerprint.errors import UsageError

_REGION = re.compile(r"[a-z]{2,4}(?:-[a-z]+)+-[1-9][0-9]?")
_PARTITION, _DOMAIN, _DUAL_STACK_DOMAIN = range(1, 4)
# Prefix of the region, partition, domain of its endpoints, and domain of those for both IPv4 and IPv6. The agent has
# the same domains.
_PARTITIONS = (
    ("cn-", "aws-cn", "amazonaws.com.cn", "api.amazonwebservices.com.cn"),
    ("us-gov-", "aws-us-gov", "amazonaws.com", "api.aws"),
    ("us-iso-", "aws-iso", "c2s.ic.gov", "api.aws.ic.gov"),
    ("us-isob-", "aws-iso-b", "sc2s.sgov.gov", "api.aws.scloud"),
    ("eu-isoe-", "aws-iso-e", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
    ("us-isof-", "aws-iso-f", "csp.hci.ic.gov", "api.aws.hci.ic.gov"),
    ("eusc-de-", "aws-eusc", "amazonaws.eu", "api.amazonwebservices.eu"),
    ("", "aws", "amazonaws.com", "api.aws"),
)


def require_region(region: str) -> None:
    """Raise UsageError unless a string has the form of a region."""
    if not _REGION.fullmatch(region):
        raise UsageError(f"invalid region {region!r}", remedy="Name one such as us-east-2")


def partition(region: str) -> str:
    """Return the partition of a region, as ARNs have it."""
    return _of(region)[_PARTITION]


def domain(region: str) -> str:
    """Return the domain of a region's endpoints."""
    return _of(region)[_DOMAIN]


def dual_stack_domain(region: str) -> str:
    """Return the domain of a region's endpoints for both IPv4 and IPv6."""
    return _of(region)[_DUAL_STACK_DOMAIN]


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


def _of(region: str) -> tuple[str, str, str, str]:
    return next(row for row in _PARTITIONS if region.startswith(row[0]))
