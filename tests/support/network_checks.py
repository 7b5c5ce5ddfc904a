"""Networks of servers on loopback, and the checks of `diagnose` that connect to them."""

from __future__ import annotations

from typing import Any

import pytest

from agent_machines import REGION, AgentMachine, Present
from fingerprint.agent.buckets import buckets
from fingerprint.diagnose import Diagnosis, Network, diagnose
from fingerprint.diagnose.http_probe import Unreached

PASSWORD = "hunter2"
# The most that a slow machine may take beyond a limit of a fraction of a second.
SOON = 8.0
# Longer than any valid name, so no resolver is queried.
NO_NAME = f"https://{'a.' * 200}b"
TRICKLES = {
    "body": b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n",
    "head": b"HTTP/1.1 200 OK\r\nX-Long: ",
    "continues": b"HTTP/1.1 100 Continue\r\n",
}
NEEDED = [bucket.name for bucket in buckets(REGION, "linux") if not bucket.older]


def network(proxy: str = "", seconds: float = 5.0, certificates: str = "", **variables: str) -> Network:
    """Return a network with only the given settings."""
    return Network(proxy, variables, certificates, seconds)


def unreached(asked: Network, url: str, **options: Any) -> Unreached:
    with pytest.raises(Unreached) as caught:
        asked.ask(url, **options)
    return caught.value


def diagnosed(machine: AgentMachine, asked: Network | None, *only: str, **options: Any) -> Diagnosis:
    site = machine.site(asked, **options)
    site.machine = Present(machine.machine)
    return diagnose(site, only)


def configured(machine: AgentMachine, **endpoints: str) -> None:
    machine.config(**{section: {"Endpoint": url} for section, url in endpoints.items()})
