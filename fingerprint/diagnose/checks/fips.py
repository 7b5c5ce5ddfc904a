"""FIPS endpoints: whether those that the configuration names exist, and which requests go to others.

The agent has no switch for them: AWS's page has each named by `<Section>.Endpoint`. What exists is asked of botocore's
endpoint data; there is no table of ours, and without botocore it is not told.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from fingerprint.agent.endpoint_data import FipsNames, NoEndpointData, fips_names
from fingerprint.agent.endpoints import SECTIONS
from fingerprint.agent.regions import endpoint
from fingerprint.diagnose.checks.endpoints import endpoint_of, region_of
from fingerprint.diagnose.result import passed, skipped, unknown, warned

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.diagnose.context import Site
    from fingerprint.diagnose.result import Finding

_MARK = "-fips"


def fips(site: Site) -> Finding:
    """Whether the FIPS endpoints of the configuration are those of the region, and all requests go to such."""
    region = region_of(site)
    hosts = {service: _host(endpoint_of(site, service)) for service in SECTIONS}
    wanted = [service for service, host in hosts.items() if _fips_of(host)]
    if not wanted:
        return skipped("no FIPS endpoint is configured")
    named = [f"{service}: {host}" for service, host in hosts.items() if host]
    if not region:
        return unknown(f"{_count(wanted)}; without a region it is not known which exist", *named,
                       remedy="Name it with --region")  # fmt: skip
    try:
        listed = {service: fips_names(service, region) for service in hosts}
    except NoEndpointData as error:
        others = [service for service, host in hosts.items() if host and service not in wanted]
        return unknown(
            f"{_count(wanted)}; which of them exist in {region} is not known: {error}", *named,
            *((f"not named as FIPS endpoints: {', '.join(others)}",) if others else ()),
            remedy=site.install("aws"),
        )  # fmt: skip
    return _judged(region, hosts, listed)


def _judged(region: str, hosts: dict[str, str], listed: dict[str, FipsNames]) -> Finding:
    fine, wrong, other, open_ = [], [], [], []
    for service, host in hosts.items():
        names = listed[service]
        if not host:
            open_.append(f"{service}: what is configured is no URL, see endpoint-{service}")
        elif host in names:
            fine.append(service)
        elif _fips_of(host) in ("", service) and not (names.known and _of_the_service(service, host, region)):
            open_.append(f"not known to botocore's data, and not confirmed: {host}")
        elif _fips_of(host):
            instead = names.usual or names.dual_stack
            wrong.append((service, f"{host}: botocore's data list {instead or 'none'} for {service} in {region}"))
        else:
            other.append(
                (service, f"{host}: {names.usual or names.dual_stack or 'no FIPS endpoint'} in botocore's data")
            )
    evidence = (*(text for _, text in (*wrong, *other)), *open_, *(f"confirmed: {hosts[service]}" for service in fine))
    if wrong:
        services = ", ".join(service for service, _ in wrong)
        return warned(f"botocore's data do not list the FIPS endpoint of {services} that is configured for {region}",
                      *evidence, remedy=f"Correct {_settings(service for service, _ in wrong)}")  # fmt: skip
    mendable = [service for service, _ in other if listed[service].usual or listed[service].dual_stack]
    if mendable:
        return warned(f"requests of {', '.join(mendable)} do not go to FIPS endpoints", *evidence,
                      remedy=f"Set {_settings(mendable)} to the FIPS endpoint")  # fmt: skip
    without = f"; {region} has none for {', '.join(service for service, _ in other)}" if other else ""
    confirmed = f"botocore's data confirm {', '.join(fine)}" if fine else "botocore's data confirm none of them"
    found = f"FIPS endpoints are configured: {confirmed}{without}"
    return passed(found, *evidence) if fine else unknown(found, *evidence)


def _settings(services: object) -> str:
    return ", ".join(f"{SECTIONS[service]}.Endpoint" for service in services)  # type: ignore[attr-defined]


def _count(wanted: list[str]) -> str:
    return f"FIPS endpoints are configured ({', '.join(wanted)})"


def _host(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        # It is no URL, which the check of the endpoint tells.
        return ""


def _fips_of(host: str) -> str:
    """Return the service whose FIPS endpoint a host names itself, "" for none.

    All do but those of GovCloud that have one name only.
    """
    service, mark, _ = host.partition(".")[0].rpartition(_MARK)
    return service if mark == _MARK and service in SECTIONS else ""


def _of_the_service(service: str, host: str, region: str) -> bool:
    """Return whether a host is of the service itself, and none of somebody's own, such as a VPC endpoint's."""
    return _fips_of(host) == service or host in {
        _host(endpoint(service, region, dual_stack=dual_stack)) for dual_stack in (False, True)
    }
