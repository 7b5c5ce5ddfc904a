"""Check that the agent sends health reports, and that the metadata service of its provider answers.

An agent from 3.3.4793 on that is registered with a provider asks its metadata service at each report, and sends none
without an answer. It has credentials and does not hibernate, but the service shows the node as offline.
"""

from __future__ import annotations

from functools import partial
from urllib.parse import urlsplit

from fingerprint._io.text import hidden, quoted
from fingerprint._io.times import utc
from fingerprint.agent.providers import PROVIDERS, too_old
from fingerprint.agent.proxies import proxy_for, proxy_variable
from fingerprint.diagnose.checks.metadata import correct, variable
from fingerprint.diagnose.metadata_service import base_of, why_silent, wrong_setting
from fingerprint.diagnose.reachability import agent_proxies, edit_command, network_of, without_network
from fingerprint.diagnose.result import failed, passed, skipped, unknown, warned
from fingerprint.errors import VaultError
from fingerprint.vault.records import register_command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.agent.logs import Timeline
    from fingerprint.diagnose.context import Site
    from fingerprint.diagnose.result import Finding

SKIPPED = "health-skipped"
_OFFLINE = "the service shows the node as offline, although its credentials are valid"


def reports(site: Site) -> Finding:
    """Check that the agent reports its health and that its provider does not prevent it."""
    try:
        provider = site.registration.provider or ""
    except VaultError:
        # The checks of registration and vault say why.
        provider = ""
    try:
        timeline = site.timeline
    except OSError:
        timeline = None
    if timeline is not None and _skips(site, timeline):
        return _skipping(site, timeline, provider)
    if provider:
        return _of_provider(site, timeline, provider)
    if timeline is None:
        return skipped("there is no log of health reports")
    if not timeline.reports.began:
        return skipped("the log has no health report")
    return passed(f"the last report began at {_time(site, timeline.reports.began)}")


def _skips(site: Site, timeline: Timeline) -> bool:
    """Return whether the last report was skipped, by the logs and the clock."""
    began = site.seconds_of(timeline.reports.began)
    if began is None or site.copied:
        return timeline.skips_reports
    return timeline.reports.are_skipped(site.machine.now() - began)


def _skipping(site: Site, timeline: Timeline, provider: str) -> Finding:
    reports = timeline.reports
    whose = f"the metadata service of {provider}" if provider in PROVIDERS else "the metadata service of its provider"
    since = _time(site, reports.since)
    evidence = [f"last skipped: {_time(site, reports.last)}; in a row: {reports.skipped}, since {since}"]
    if reports.error:
        evidence.append(f"error: {site.quoted(reports.error)}")
    if provider not in PROVIDERS:
        evidence.append("the record names no provider that the agent knows: after a restart it asks none")
    if site.copied or site.runs is False:
        return warned(f"when the agent last ran, it skipped its health reports, because {whose} did not answer",
                      *evidence, remedy="See `running`")  # fmt: skip
    if reports.last != "-" and max(reports.last, reports.began) < timeline.started:
        return unknown(
            f"before its last start ({_time(site, timeline.started)}) the agent skipped its health reports, and its "
            "log shows none since", *evidence, remedy="Repeat the check in a few minutes",
        )  # fmt: skip
    text = f"the agent skips its health reports, because {whose} does not answer: {_OFFLINE}"
    return failed(text, *evidence, **_remedy(site, provider), tag=SKIPPED)


def _of_provider(site: Site, timeline: Timeline | None, provider: str) -> Finding:
    """Return the finding for an agent that skips no report yet, and what will prevent its reports."""
    if provider not in PROVIDERS:
        return warned(
            f"the record has provider {quoted(provider)}, which the agent does not know: it ignores it",
            f"it knows {', '.join(PROVIDERS)} (case-sensitive)", remedy="Register it again with --provider",
            command=f"{register_command(again=True)} --provider NAME",
        )  # fmt: skip
    old = too_old(site.version)
    if old:
        text, _, remedy = old.partition(". ")
        return warned(text, f"the record has provider {provider}", remedy=remedy)
    reason = without_network(site)
    if reason is None:
        silent = why_silent(network_of(site), provider, partial(variable, site))
        if silent:
            text = f"{silent}: the agent will skip its health reports, and the service will show the node as offline"
            return failed(text, f"the record has provider {provider}", **_remedy(site, provider), tag=SKIPPED)
    began = timeline.reports.began if timeline is not None else ""
    if began:
        return passed(f"the last report began at {_time(site, began)}; the node is registered with provider {provider}")
    if reason is None:
        proxied = _proxied(site, provider)
        if proxied:
            return warned(
                f"the metadata service of {provider} answers, but the agent's service asks it through a proxy "
                f"({proxied} is set), and the log has no report yet", **_remedy(site, provider),
            )  # fmt: skip
        return passed(f"the metadata service of {provider} answers; the log has no report yet")
    return skipped(f"the log has no health report; the node is registered with provider {provider}", reason.text)


def _remedy(site: Site, provider: str) -> dict[str, str]:
    """Return the remedy and its command, as keywords of a finding."""
    variable_of = partial(variable, site)
    wrong = wrong_setting(provider, variable_of)
    if wrong:
        return {"remedy": f"{correct(wrong)}, and restart the agent", "command": ""}
    base, proxied = base_of(provider, variable_of), _proxied(site, provider)
    if proxied:
        host = urlsplit(base).hostname
        return {"remedy": f"Add {host} to no_proxy of the agent's service ({proxied} is set), and restart it",
                "command": edit_command(site)}  # fmt: skip
    where = "firewall, network namespace" + ("" if provider != "EC2" else ", the instance's metadata options")
    return {"remedy": f"Allow the agent to reach {hidden(base)} ({where}), then check that it answers",
            "command": "fingerprint diagnose --network --only health"}  # fmt: skip


def _proxied(site: Site, provider: str) -> str:
    """Return the proxy variable of the agent's service that covers the metadata service, "" for none."""
    base, found = base_of(provider, partial(variable, site)), agent_proxies(site)
    return proxy_variable(urlsplit(base).scheme, found) if proxy_for(base, found) else ""


def _time(site: Site, at: str) -> str:
    seconds = site.seconds_of(at)
    return utc(seconds) if seconds is not None else at.strip("-") or "an unknown time"
