"""Check of EC2's metadata service, at the address that an AWS SDK in the agent uses."""

from __future__ import annotations

import os
import socket
from functools import partial

from fingerprint._io.text import hidden
from fingerprint.agent.providers import PROVIDERS
from fingerprint.agent.proxies import environment_of_unit
from fingerprint.diagnose.http_probe import Unreached
from fingerprint.diagnose.metadata_service import (
    EC2_BY_IPV6,
    ENDPOINT,
    MODE,
    ask_ec2,
    base_of,
    identifies_machine,
    why_unidentified,
    wrong_mode,
    wrong_setting,
)
from fingerprint.diagnose.network import has_route
from fingerprint.diagnose.reachability import edit_command, network_of, without_network
from fingerprint.diagnose.result import Outcome, failed, passed, skipped, unknown, warned
from fingerprint.errors import VaultError
from fingerprint.vault.records import EC2

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.diagnose.context import Site
    from fingerprint.diagnose.result import Finding


def base_url(site: Site) -> str:
    """Return the URL of EC2's metadata service by the agent's service, else by this process; see `base_of`."""
    return base_of(EC2, partial(variable, site))


def variable(site: Site, name: str) -> str:
    """Return a variable of the agent's service, else (on its machine) of this process; "" for none."""
    try:
        of_service = dict(one.partition("=")[::2] for one in environment_of_unit(site.unit))
    except OSError:
        of_service = {}
    return of_service.get(name) or ("" if site.elsewhere else os.environ.get(name)) or ""


def correct(name: str) -> str:
    """Return the remedy for a variable of the agent's service or of this process."""
    return f"Correct {name} in the agent's service or in this shell"


def metadata(site: Site) -> Finding:
    """Check that EC2's metadata service answers; a registered node needs it only with EC2 as its provider."""
    try:
        if site.registered:
            if site.registration.provider in PROVIDERS:
                return skipped(f"the node is registered with provider {site.registration.provider}: see `health`")
            return skipped("the node is registered and does not need it")
    except VaultError:
        return skipped("cannot read whether the node is registered")
    reason = without_network(site)
    if reason is not None:
        return reason
    base = base_url(site)
    if not base:
        return unknown(wrong_mode(partial(variable, site)), remedy=correct(MODE))
    try:
        return _asked(site, base)
    except Unreached as error:
        shown, text = hidden(base), error.text
    if not variable(site, ENDPOINT) and not variable(site, MODE) and has_route(socket.AF_INET6):
        by_ipv6 = EC2_BY_IPV6
        try:
            other = _asked(site, by_ipv6)
        except Unreached as error:
            text = f"{text}; nor at {by_ipv6}: {error.text}"
        else:
            if other.outcome != Outcome.PASS:
                return other
            return warned(
                f"the metadata service answers only at {by_ipv6}, but the agent asks {shown}: {text}",
                f"AWS SDKs use the IPv6 address only with {MODE}, which the agent's service does not show",
                remedy=f"Allow the instance to reach {shown}, or add Environment={MODE}=IPv6 to the agent's service",
                command=edit_command(site) if site.machine.platform == "linux" else "",
            )  # fmt: skip
    wrong = wrong_setting(EC2, partial(variable, site))
    if wrong:
        return failed(f"no metadata service at {shown}: {text}", f"set by {wrong}", remedy=correct(wrong))
    return failed(f"no metadata service at {shown}: {text}",
                  "a machine that is neither registered nor on EC2 has no identity for the agent",
                  remedy="Register it with an activation")  # fmt: skip


def _asked(site: Site, base: str) -> Finding:
    """Return the finding for the metadata service at a URL. Raises Unreached."""
    answer, token, first = ask_ec2(network_of(site), base, PROVIDERS[EC2].path)
    if not identifies_machine(EC2, answer):
        why = why_unidentified(answer)
        remedy = "Enable it for this instance" if answer.status != 200 else "Check firewall and network"
        return failed(f"the metadata service at {hidden(base)} does not identify the instance ({why})",
                      f"token: HTTP {token.status}", remedy=remedy)  # fmt: skip
    spoken = "version 2" if first else "version 1 only"
    return passed(f"the metadata service answers ({spoken})", hidden(base))
