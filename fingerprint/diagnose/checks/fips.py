"""Check that configured FIPS endpoints exist, and that all requests go to FIPS endpoints.

The agent has no switch for them: AWS's page sets each by `<Section>.Endpoint`. botocore's endpoint data list what
exists; there is no table of ours, and without botocore it is unknown.
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
    """Check that the configured FIPS endpoints are those of the region and that all requests go to one."""
    region = region_of(site)
    hosts = {service: _host(endpoint_of(site, service)) for service in SECTIONS}
    wanted = [service for service, host in hosts.items() if _fips_of(host)]
    if not wanted:
        return skipped("no FIPS endpoint is configured")
    named = [f"{service}: {host}" for service, host in hosts.items() if host]
    if not region:
        return unknown(f"{_count(wanted)}; unknown without a region which of them exist", *named,
                       remedy="Set --region")  # fmt: skip
    try:
        listed = {service: fips_names(service, region) for service in hosts}
    except NoEndpointData as error:
        others = [service for service, host in hosts.items() if host and service not in wanted]
        return unknown(
            f"{_count(wanted)}; unknown which of them exist in {region}: {error}", *named,
            *((f"not FIPS endpoints: {', '.join(others)}",) if others else ()),
            remedy=site.install("aws"),
        )  # fmt: skip
    return _compared(region, hosts, listed)


def _compared(region: str, hosts: dict[str, str], listed: dict[str, FipsNames]) -> Finding:
    fine, wrong, other, open_ = [], [], [], []
    for service, host in hosts.items():
        names = listed[service]
        if not host:
            open_.append(f"{service}: the configured value is not a URL, see endpoint-{service}")
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
    fixable = [service for service, _ in other if listed[service].usual or listed[service].dual_stack]
    if fixable:
        return warned(f"requests of {', '.join(fixable)} do not go to FIPS endpoints", *evidence,
                      remedy=f"Set {_settings(fixable)} to the FIPS endpoint")  # fmt: skip
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
        # An invalid URL, which the check of the endpoint reports.
        return ""


def _fips_of(host: str) -> str:
    """Return the service whose FIPS endpoint a host is by its name, "" for none.

    Endpoints of GovCloud that have one name only do not show it.
    """
    service, mark, _ = host.partition(".")[0].rpartition(_MARK)
    return service if mark == _MARK and service in SECTIONS else ""


def _of_the_service(service: str, host: str, region: str) -> bool:
    """Return whether a host is the service's own, not a user's such as that of a VPC endpoint."""
    return _fips_of(host) == service or host in {
        _host(endpoint(service, region, dual_stack=dual_stack)) for dual_stack in (False, True)
    }
