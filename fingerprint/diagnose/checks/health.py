"""Health reports: whether the agent sends them, and whether it can ask the provider that it is registered with.

An agent from 3.3.4793 on that is registered with a provider asks its metadata service at each report, and without an
answer sends none. It has credentials and does not hibernate, and the service shows the node as offline.
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
_OFFLINE = "the service shows the node as offline, although its credentials are good"


def reports(site: Site) -> Finding:
    """Whether the agent reports its health, as far as its provider has to do with it."""
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
        return skipped("there is no log of them")
    if not timeline.reports.began:
        return skipped("the log has none")
    return passed(f"the last one began at {_time(site, timeline.reports.began)}")


def _skips(site: Site, timeline: Timeline) -> bool:
    """Return whether the last report was skipped, by the logs and by what time it is."""
    began = site.seconds_of(timeline.reports.began)
    if began is None or site.copied:
        return timeline.skips_reports
    return timeline.reports.are_skipped(site.machine.now() - began)


def _skipping(site: Site, timeline: Timeline, provider: str) -> Finding:
    told = timeline.reports
    whose = f"the metadata service of {provider}" if provider in PROVIDERS else "the metadata service of its provider"
    evidence = [f"last skipped: {_time(site, told.last)}; in a row: {told.skipped}, since {_time(site, told.since)}"]
    if told.error:
        evidence.append(f"why: {site.quoted(told.error)}")
    if provider not in PROVIDERS:
        evidence.append("the record names no provider that the agent knows: an agent that is restarted asks none")
    if site.copied or site.runs is False:
        return warned(f"when the agent last ran, it skipped its health reports, as {whose} did not answer", *evidence,
                      remedy="See `running`")  # fmt: skip
    if told.last != "-" and max(told.last, told.began) < timeline.started:
        return unknown(
            f"before its last start ({_time(site, timeline.started)}) the agent skipped its health reports, and its "
            "log shows none since", *evidence, remedy="Run it again in a few minutes",
        )  # fmt: skip
    text = f"the agent skips its health reports, because {whose} does not answer: {_OFFLINE}"
    return failed(text, *evidence, **_way_out(site, provider), tag=SKIPPED)


def _of_provider(site: Site, timeline: Timeline | None, provider: str) -> Finding:
    """Tell of an agent that skips no report, and of what will keep it from reporting."""
    if provider not in PROVIDERS:
        return warned(
            f"the record has provider {quoted(provider)}, which the agent does not know: it reports as without one",
            f"it knows {', '.join(PROVIDERS)}, in this spelling", remedy="Register it again with --provider",
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
            return failed(f"{silent}: the agent will skip its health reports, and the service show the node as offline",
                          f"the record has provider {provider}", **_way_out(site, provider), tag=SKIPPED)  # fmt: skip
    began = timeline.reports.began if timeline is not None else ""
    if began:
        return passed(f"the last one began at {_time(site, began)}; the node is registered with provider {provider}")
    if reason is None:
        proxied = _proxied(site, provider)
        if proxied:
            return warned(
                f"the metadata service of {provider} answers, but the agent's service asks it through a proxy "
                f"({proxied} is set), and the log has no report yet", **_way_out(site, provider),
            )  # fmt: skip
        return passed(f"the metadata service of {provider} answers; the log has no report yet")
    return skipped(f"the log has none; the node is registered with provider {provider}", reason.text)


def _way_out(site: Site, provider: str) -> dict[str, str]:
    """Return remedy and command."""
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
    return {"remedy": f"Let the agent reach {hidden(base)} ({where}); see whether it answers",
            "command": "fingerprint diagnose --network --only health"}  # fmt: skip


def _proxied(site: Site, provider: str) -> str:
    """Return the variable of the agent's service by which it asks the metadata service through a proxy, "" for none."""
    base, found = base_of(provider, partial(variable, site)), agent_proxies(site)
    return proxy_variable(urlsplit(base).scheme, found) if proxy_for(base, found) else ""


def _time(site: Site, at: str) -> str:
    seconds = site.seconds_of(at)
    return utc(seconds) if seconds is not None else at.strip("-") or "an unknown time"
