"""The network as the agent needs it: its endpoints, the clock, the buckets, the metadata service, proxies."""

from __future__ import annotations

import os
import re

from fingerprint.agent.endpoints import configured_url
from fingerprint.agent.proxies import proxies_of_unit
from fingerprint.buckets import buckets, s3_endpoint
from fingerprint.diagnose.network import Network, Reached, Unreached
from fingerprint.diagnose.reaching import reach_buckets
from fingerprint.diagnose.results import failed, passed, skipped, unknown, untold, warned
from fingerprint.errors import UsageError, VaultError
from fingerprint.quoting import hidden
from fingerprint.regions import endpoint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from fingerprint.diagnose.results import Finding
    from fingerprint.diagnose.site import Site

_PROXIES_ARE_FROM = {
    "windows": "the agent takes it from its service's key Environment, else from Internet Options, else from WinHTTP",
    "macos": "the agent takes it from `scutil --proxy`",
}
NOT_ASKED = "the network is asked with --network only"
OF_ANOTHER = "the network of another machine cannot be asked from here"
SERVICES = ("ssm", "ec2messages", "ssmmessages", "s3", "kms", "logs", "monitoring")
# What does not answer keeps only these from working.
_FOR_SOME = {
    "kms": "needed for encrypted sessions only",
    "logs": "needed for output to CloudWatch Logs only",
    "monitoring": "needed for metrics of CloudWatch only",
    "s3": "needed for updates, patching and output to S3",
}
# The service refuses signatures that are off by more than five minutes.
_SKEW_LIMIT = 300
_SKEW_WORTH_TELLING = 60
_METADATA = "http://169.254.169.254"
_TOKEN_SECONDS = "60"
# Characters of what is no region.
_TOLD = 40
# What the agent takes for the name of a region.
_REGION = re.compile(r"[A-Za-z0-9-]{1,100}")


def network_of(site: Site) -> Network:
    """Return the network as the agent sees it. To be asked only where there is one."""
    assert site.network is not None
    with site.lock_of("network"):
        if "network" not in site.facts:
            certificates = site.places.certificates
            trusted = certificates if os.path.exists(certificates) else ""
            site.facts["network"] = site.network.with_agent(agent_proxies(site), trusted)
        network: Network = site.facts["network"]
        return network


def agent_proxies(site: Site) -> dict[str, str]:
    """Return the variables with proxies that the agent's service is started with."""
    try:
        return proxies_of_unit(site.unit)
    except OSError:
        return {}


def region_of(site: Site) -> str:
    """Return the region whose endpoints are meant, "" if none is known, or none that the agent takes for one."""
    region = _named_region(site)
    return region if _REGION.fullmatch(region) else ""


def _named_region(site: Site) -> str:
    """Return the region that is named, whatever it looks like."""
    if site.region:
        return site.region
    configured = _configured(site, "Agent", "Region")
    try:
        return site.registration.region or configured
    except VaultError:
        return configured


def _configured(site: Site, section: str, name: str) -> str:
    """Return a text of the agent's configuration, "" if it is not set."""
    told = site.setting(section, name)
    return told if isinstance(told, str) else ""


def endpoint_of(site: Site, service: str) -> str:
    """Return the URL of a service as the agent takes it: from its configuration, else of the region; "" for none.

    It may hold a password: `hidden` before it is told.
    """
    try:
        config = site.config
    except (OSError, ValueError):
        config = None
    region = region_of(site)
    configured = configured_url(config, service, region)
    return configured or (endpoint(service, region) if region else "")


def _without_region(site: Site, service: str) -> Finding:
    """Return why there is no region to ask a service in."""
    named = _named_region(site)
    if not named:
        return skipped("no region is known: name one with --region")
    return (warned if service in _FOR_SOME else failed)(
        f"{named[:_TOLD]!a} is no region: the agent has no endpoint for it",
        "a region has letters, digits and -, and at most 100 of them",
        remedy="Register it again in the right region, or correct Agent.Region",
    )


def reach(site: Site, service: str) -> Reached:
    """Ask an endpoint once, whoever wants to know. Raises Unreached."""
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


def without_network(site: Site) -> Finding | None:
    """Return why the network is not asked, None if it is."""
    if site.elsewhere:
        return skipped(OF_ANOTHER)
    if site.network is None:
        return skipped(NOT_ASKED)
    return None


def reachable(service: str) -> Callable[[Site], Finding]:
    """Return the check of one endpoint."""

    def check(site: Site) -> Finding:
        reason = without_network(site)
        if reason is not None:
            return reason
        url = endpoint_of(site, service)
        if not url:
            return _without_region(site, service)
        told = hidden(url)
        try:
            answer = reach(site, service)
        except Unreached as error:
            via = _proxy_of(site, url)
            evidence = (f"kind: {error.kind}", *((f"through the proxy {hidden(via)}",) if via else ()))
            text = f"{told} cannot be reached: {error.text}"
            if service in _FOR_SOME:
                return warned(text, *evidence, _FOR_SOME[service], remedy=_remedy(error.kind))
            return failed(text, *evidence, remedy=_remedy(error.kind))
        via = f", through {answer.via}" if answer.via else ""
        tls = f", {answer.tls}" if answer.tls else ""
        return passed(f"{told} answers (HTTP {answer.status}{tls}, {answer.seconds * 1000:.0f} ms{via})")

    return check


def _proxy_of(site: Site, url: str) -> str:
    try:
        return network_of(site).proxy_of(url)
    except ValueError:
        # It is no URL, which was told.
        return ""


def _remedy(kind: str) -> str:
    return {
        "url": "Correct the endpoint in the agent's configuration",
        "name": "Look at the name servers (/etc/resolv.conf), and at private hosted zones that hide the name",
        "refused": "Something on the way refuses it: look at firewall and proxy",
        "timeout": "Let the firewall pass port 443 to it, or name the proxy in the agent's service",
        "no-route": "There is no route: look at the default route and at the firewall",
        "tls": "Something on the way speaks TLS in its place, or the clock is wrong: look at certificates and clock",
        "proxy": "Let the proxy pass it, and give the agent's service the right name and password",
        "broken": "Something on the way cuts it or answers in its place: look at firewall, proxy and endpoint",
    }[kind]


def clock(site: Site) -> Finding:
    """Whether the clock is right, by the Date of an answer: signatures that are off by 5 minutes are refused."""
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
        by = f"by the Date of {hidden(answer.url)}"
        off = f"{abs(answer.skew):.0f} s {'ahead' if answer.skew > 0 else 'behind'}"
        if abs(answer.skew) > _SKEW_LIMIT:
            return failed(
                f"the clock is {off}: the service refuses signatures that are off by more than 5 minutes",
                by, remedy="Set it, and let it be kept right (chrony, systemd-timesyncd)",
            )  # fmt: skip
        if abs(answer.skew) > _SKEW_WORTH_TELLING:
            return warned(f"the clock is {off}", by, remedy="Let it be kept right")
        return passed(f"the clock is right within {max(1.0, abs(answer.skew)):.0f} s", by)
    return skipped("no endpoint answered with a date")


def s3_buckets(site: Site) -> Finding:
    """Whether the buckets that the agent reads from can be reached."""
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
    found = reach_buckets(network_of(site), endpoint_of(site, "s3") or s3_endpoint(region), names)
    told = [f"{name}: {text}" for name, _, text in found]
    missing = [name for name, reached, _ in found if not reached]
    if missing:
        return warned(f"{len(missing)} of {len(names)} buckets of {region} cannot be reached", *told,
                      remedy="Updates and patching need them: allow them in the endpoint policy and the firewall",
                      command=f"fingerprint s3-policy --region {region}")  # fmt: skip
    return passed(f"all {len(names)} buckets of {region} answer", *told)


def metadata(site: Site) -> Finding:
    """Whether EC2's metadata service answers; a registered node does not ask it."""
    try:
        if site.registered:
            return skipped("the node is registered, and does not ask it")
    except VaultError:
        return skipped("whether the node is registered cannot be read")
    reason = without_network(site)
    if reason is not None:
        return reason
    base = (os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT") or _METADATA).rstrip("/")
    told = hidden(base)
    network = network_of(site)
    try:
        token = network.ask(f"{base}/latest/api/token", "PUT",
                            {"X-aws-ec2-metadata-token-ttl-seconds": _TOKEN_SECONDS, "Content-Length": "0"},
                            direct=True)  # fmt: skip
        text = token.body.decode("ascii", "replace").strip()
        # Whatever else answers with a page of its own gives no token.
        first = token.status == 200 and text != "" and text.isascii() and text.isprintable() and " " not in text
        headers = {"X-aws-ec2-metadata-token": text} if first else {}
        answer = network.ask(f"{base}/latest/meta-data/instance-id", "GET", headers, direct=True)
    except Unreached as error:
        return failed(f"no metadata service at {told}: {error.text}",
                      "a machine that is neither registered nor on EC2 has no identity for the agent",
                      remedy="Register it with an activation")  # fmt: skip
    if answer.status != 200:
        return failed(f"the metadata service at {told} does not tell the instance (HTTP {answer.status})",
                      f"token: HTTP {token.status}", remedy="Switch it on for this instance")  # fmt: skip
    spoken = "version 2" if first else "version 1 only"
    return passed(f"the metadata service answers ({spoken})")


def proxies(site: Site) -> Finding:
    """Which proxies the agent's service is started with."""
    if site.copied:
        return untold("nothing runs on a copied disk")
    if site.machine.platform != "linux":
        where = _PROXIES_ARE_FROM.get(site.machine.platform)
        return skipped("where the service has its proxy from is not looked up here", *((where,) if where else ()))
    try:
        unit = site.unit
    except OSError as error:
        return skipped(f"where the service has its proxy from is not told ({error.strerror or error})")
    if unit is None:
        return skipped("where the service has its proxy from is not looked up: systemd has no unit of it")
    found = agent_proxies(site)
    told = [f"{name}={value if name.lower() == 'no_proxy' else hidden(value)}" for name, value in found.items()]
    told.append("of its unit only Environment= is seen, neither EnvironmentFile= nor what systemd gives to all")
    here = [name for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY") if os.environ.get(name)]
    if not found and here and not site.elsewhere:
        return warned(
            f"this shell has a proxy ({', '.join(here)}), and the agent's service has none", *told,
            remedy="If the agent needs it, too, add Environment=https_proxy=URL to its service",
            command="systemctl edit amazon-ssm-agent",
        )  # fmt: skip
    without = " ".join(value for name, value in found.items() if name.lower() == "no_proxy")
    if found and "169.254.169.254" not in without and _asks_metadata(site):
        return warned("the agent's service has a proxy, and asks the metadata service through it, too", *told,
                      remedy="Add 169.254.169.254 to its no_proxy")  # fmt: skip
    return passed("the agent's service has a proxy" if found else "none", *told)


def _asks_metadata(site: Site) -> bool:
    """Return whether the node asks the metadata service; a registered one does not."""
    try:
        return not site.registered
    except VaultError:
        return False
