"""Checks of the network: endpoints, clock, buckets, proxies."""

from __future__ import annotations

import os
import re
from urllib.parse import urlsplit

from fingerprint._io.text import hidden, quoted
from fingerprint.agent.buckets import buckets, s3_endpoint, unlisted
from fingerprint.agent.config import settings_of
from fingerprint.agent.endpoints import SECTIONS, configured_url, uses_dual_stack
from fingerprint.agent.providers import PROVIDERS
from fingerprint.agent.proxies import is_socks, proxy_for
from fingerprint.agent.regions import endpoint
from fingerprint.agent.versions import row_since
from fingerprint.diagnose.checks.metadata import base_url
from fingerprint.diagnose.http_probe import Unreached
from fingerprint.diagnose.network import Reached
from fingerprint.diagnose.reachability import (
    NO_SUCH_BUCKET,
    agent_proxies,
    by_socks,
    edit_command,
    has_ipv6_only,
    network_of,
    proxy_of_url,
    reach_buckets,
    without_network,
)
from fingerprint.diagnose.result import failed, not_on_disk, passed, skipped, unknown, warned
from fingerprint.errors import UsageError, VaultError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from fingerprint.diagnose.context import Site
    from fingerprint.diagnose.result import Finding


_PROXIES_ARE_FROM = {
    "windows": "the agent takes it from its service's key Environment, else from Internet Options, else from WinHTTP",
    "macos": "the agent takes it from `scutil --proxy`",
}
SERVICES = ("ssm", "ec2messages", "ssmmessages", "s3", "kms", "logs", "monitoring")
# Services that the agent itself does not need.
_FOR_SOME = {
    "kms": "needed for encrypted sessions only",
    "logs": "needed for output to CloudWatch Logs only",
    "monitoring": "needed for metrics of CloudWatch only",
    "s3": "needed for updates, patching and output to S3",
}
# Seconds. The service rejects signatures that are off by more than the limit.
_SKEW_LIMIT = 300
_SKEW_WARNING = 60
_DUAL_STACK = "Agent.UseDualStackEndpoint"
# Kinds of errors for a name with IPv4 addresses only on a host without IPv4.
_NO_IPV4 = ("name", "no-route", "timeout")
# Region names that the agent accepts.
_REGION = re.compile(r"[A-Za-z0-9-]{1,100}")


def region_of(site: Site) -> str:
    """Return the region of the endpoints, "" if it is unknown or the agent rejects its name."""
    region = _named_region(site)
    return region if _REGION.fullmatch(region) else ""


def _named_region(site: Site) -> str:
    """Return the region by option, registration or configuration, valid or not."""
    if site.region:
        return site.region
    configured = _configured(site, "Agent", "Region")
    try:
        return site.registration.region or configured
    except VaultError:
        return configured


def _configured(site: Site, section: str, name: str) -> str:
    """Return a string of the agent's configuration, "" if it is not set."""
    value = site.setting(section, name)
    return value if isinstance(value, str) else ""


def endpoint_of(site: Site, service: str) -> str:
    """Return the URL of a service as the agent makes it: from its configuration, else of the region; "" for none.

    It may hold a password: pass it through `hidden` before you show it.
    """
    region = region_of(site)
    try:
        config = site.config
    except (OSError, ValueError):
        config = None
    known = settings_of(config or {}).values
    # To read the version starts a process, so only if the URL depends on it.
    depends = uses_dual_stack(known) or "CloudWatchLogs.Endpoint" in known
    configured = configured_url(config, service, region, site.behaviour.version if depends else "")
    return configured or (endpoint(service, region) if region else "")


def _is_of_region(site: Site, service: str) -> bool:
    """Return whether the URL of a service comes from the region, not from the configuration."""
    return not (service in SECTIONS and site.settings.values.get(f"{SECTIONS[service]}.Endpoint"))


def _without_region(site: Site, service: str) -> Finding:
    """Return the finding for a service without a valid region."""
    named = _named_region(site)
    if not named:
        return skipped("unknown region: set --region")
    return (warned if service in _FOR_SOME else failed)(
        f"{quoted(named)} is not a region: the agent has no endpoint for it",
        "a region has at most 100 letters, digits and hyphens",
        remedy="Register it again in the right region, or correct Agent.Region",
    )


def reach(site: Site, service: str) -> Reached:
    """Return the answer of an endpoint, requested once for all checks. Raises Unreached."""
    with site.lock_of(f"reach {service}"):
        known = site.facts.get(f"reach {service}")
        if known is None:
            try:
                known = network_of(site).ask(endpoint_of(site, service), "GET")
            except (Unreached, UsageError) as error:
                known = error if isinstance(error, Unreached) else Unreached("proxy", error.what)
            site.facts[f"reach {service}"] = known
    if isinstance(known, Unreached):
        raise known
    found: Reached = known
    return found


def reachable(service: str) -> Callable[[Site], Finding]:
    """Return the check of one endpoint."""

    def check(site: Site) -> Finding:
        reason = without_network(site)
        if reason is not None:
            return reason
        url = endpoint_of(site, service)
        if not url:
            return _without_region(site, service)
        shown, via = hidden(url), proxy_of_url(site, url)
        if is_socks(via):
            return by_socks(f"{shown} is not checked", via)
        try:
            answer = reach(site, service)
        except Unreached as error:
            return _not_reached(site, service, shown, via, error)
        through = f", through {answer.via}" if answer.via else ""
        tls = f", {answer.tls}" if answer.tls else ""
        return passed(f"{shown} answers (HTTP {answer.status}{tls}, {answer.seconds * 1000:.0f} ms{through})",
                      *_by_unknown_version(site, service))  # fmt: skip

    return check


def _not_reached(site: Site, service: str, shown: str, via: str, error: Unreached) -> Finding:
    """Return the finding for an endpoint that does not answer."""
    text, evidence = f"{shown} cannot be reached: {error.text}", [f"kind: {error.kind}"]
    if via:
        evidence.append(f"through the proxy {hidden(via)}")
    evidence += _by_unknown_version(site, service)
    remedy = _remedy(error.kind)
    if service == "ec2messages":
        needless = _needless(site, via, error)
        if needless:
            try:
                reach(site, "ssmmessages")
            except Unreached:
                return warned(
                    f"{text}. This alone is harmless: {needless}. But ssmmessages, which delivers the commands "
                    "instead, does not answer either", *evidence, remedy="See endpoint-ssmmessages",
                )  # fmt: skip
            return skipped(
                f"{text}. This is harmless: {needless}, and ssmmessages, which delivers the commands, answers",
                *evidence,
            )
    if not via and error.kind == "no-route" and has_ipv6_only(site):
        evidence.append("this host has a route by IPv6 only")
        if _is_of_region(site, service) and not uses_dual_stack(site.settings.values):
            since = row_since("dual_stack_setting", _DUAL_STACK)
            first = "" if site.behaviour.row.dual_stack_setting else f"update the agent to {since} or later, and "
            remedy = f"This host has IPv6 only: {first}set {_DUAL_STACK} to true, then restart the agent"
    if service in _FOR_SOME:
        return warned(text, *evidence, _FOR_SOME[service], remedy=remedy)
    return failed(text, *evidence, remedy=remedy)


def _needless(site: Site, via: str, error: Unreached) -> str:
    """Return why ec2messages is not required; "" if it is."""
    if error.kind == "url" or not site.behaviour.row.messages_by_ssmmessages:
        return ""
    if _is_of_region(site, "ec2messages") and uses_dual_stack(site.settings.values):
        return f"ec2messages has no endpoint for IPv6, and {_DUAL_STACK} has the agent ask for one"
    if not via and error.kind in _NO_IPV4 and has_ipv6_only(site):
        return "ec2messages has IPv4 addresses only, and this host has a route by IPv6 only"
    return ""


def _by_unknown_version(site: Site, service: str) -> list[str]:
    """Return the assumed version, if the name of the endpoint depends on it."""
    if _is_of_region(site, service) and uses_dual_stack(site.settings.values) and not site.behaviour.known:
        return [site.behaviour.text]
    return []


def _remedy(kind: str) -> str:
    return {
        "url": "Correct the endpoint in the agent's configuration",
        "name": "Check the name servers (/etc/resolv.conf), and private hosted zones that hide the name",
        "refused": "Check firewall and proxy: one of them rejects the connection",
        "timeout": "Allow port 443 to it in the firewall, or set the proxy in the agent's service",
        "no-route": "Check the default route and the firewall",
        "tls": "Check certificates and clock: a proxy presents another certificate, or the clock is wrong",
        "proxy": "Allow it in the proxy, and give the agent's service the right user name and password",
        "broken": "Check firewall, proxy and endpoint: one closes the connection, or something else answers",
    }[kind]


def clock(site: Site) -> Finding:
    """Check the clock by the Date header of an answer: the service rejects signatures 5 minutes off."""
    reason = without_network(site)
    if reason is not None:
        return reason
    for service in SERVICES:
        if not endpoint_of(site, service):
            continue
        try:
            answer = reach(site, service)
        except Unreached:
            continue
        if answer.skew is None:
            continue
        by = f"by the Date header of {hidden(answer.url)}"
        off = f"{abs(answer.skew):.0f} s {'ahead' if answer.skew > 0 else 'behind'}"
        if abs(answer.skew) > _SKEW_LIMIT:
            return failed(
                f"the clock is {off}: the service rejects signatures that are off by more than 5 minutes",
                by, remedy="Set it and keep it synchronised (chrony, systemd-timesyncd)",
            )  # fmt: skip
        if abs(answer.skew) > _SKEW_WARNING:
            return warned(f"the clock is {off}", by, remedy="Keep it synchronised (chrony, systemd-timesyncd)")
        return passed(f"the clock is correct within {max(1.0, abs(answer.skew)):.0f} s", by)
    return skipped("no endpoint returned a date")


def s3_buckets(site: Site) -> Finding:
    """Check that the buckets that the agent reads can be reached."""
    reason = without_network(site)
    if reason is not None:
        return reason
    region = region_of(site)
    if not region:
        return _without_region(site, "s3")
    system = {"windows": "windows", "macos": "macos"}.get(site.machine.platform, "linux")
    try:
        listed = buckets(region, system)
    except UsageError as error:
        return unknown(error.what)
    names = [bucket.name for bucket in listed if not bucket.older]
    url = endpoint_of(site, "s3") or s3_endpoint(region)
    via = proxy_of_url(site, url)
    if is_socks(via):
        return by_socks("they are not checked", via)
    found = reach_buckets(network_of(site), url, names)
    answers = [f"{name}: {text}" for name, _, text in found]
    missing = [text for _, reached, text in found if not reached]
    how_sure = unlisted(region)
    if how_sure and missing and all(text == NO_SUCH_BUCKET for text in missing):
        return unknown(f"{len(missing)} of {len(names)} buckets of {region} do not exist. {how_sure}", *answers)
    answers += [how_sure] if how_sure else []
    if missing:
        return warned(f"{len(missing)} of {len(names)} buckets of {region} cannot be reached", *answers,
                      remedy="Updates and patching need them: allow them in the endpoint policy and the firewall",
                      command=f"fingerprint s3-policy --region {region}")  # fmt: skip
    return passed(f"all {len(names)} buckets of {region} answer", *answers)


def proxies(site: Site) -> Finding:
    """Check the proxies of the agent's service."""
    if site.copied:
        return not_on_disk("nothing runs on a copied disk")
    if site.machine.platform != "linux":
        where = _PROXIES_ARE_FROM.get(site.machine.platform)
        return skipped("the proxy of the service is not read on this system", *((where,) if where else ()))
    try:
        unit = site.unit
    except OSError as error:
        return skipped(f"cannot read the proxy of the service ({error.strerror or error})")
    if unit is None:
        return skipped("cannot read the proxy of the service: systemd has no unit of it")
    found = agent_proxies(site)
    # A list of names has no password, unless it holds a proxy by mistake.
    lists = [name for name, value in found.items() if name.lower() == "no_proxy" and "@" not in value]
    shown = [f"{name}={value if name in lists else hidden(value)}" for name, value in found.items()]
    shown.append("only Environment= of its unit is read, not EnvironmentFile= and the defaults of systemd")
    here = [name for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY") if os.environ.get(name)]
    if not found and here and not site.elsewhere:
        return warned(
            f"this shell has a proxy ({', '.join(here)}), and the agent's service has none", *shown,
            remedy="If the agent needs it too, add Environment=https_proxy=URL to its service",
            command=edit_command(site),
        )  # fmt: skip
    metadata = base_url(site)
    if metadata and proxy_for(metadata, found) and _asks_metadata(site):
        host = urlsplit(metadata).hostname
        return warned("the agent's service has a proxy and uses it for the metadata service too", *shown,
                      remedy=f"Add {host} to its no_proxy")  # fmt: skip
    return passed("the agent's service has a proxy" if found else "the agent's service has no proxy", *shown)


def _asks_metadata(site: Site) -> bool:
    """Return whether the node uses the metadata service; a registered one does so only with a provider."""
    try:
        return not site.registered or site.registration.provider in PROVIDERS
    except VaultError:
        return False
