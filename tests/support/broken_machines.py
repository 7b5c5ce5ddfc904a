"""Machines that are broken, each in one way: the change to a healthy one, and the expected conclusion."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from agent_machines import DENIED, REGENERATED, AgentMachine, line, mismatch, ready, refused, reported, skipped, started

Change = Callable[[AgentMachine], Any]
WAITS = started("08:00:00") + ready("08:00:01") + started("11:00:00") + refused("11:35:00")


def processes(*names: tuple[str, str]) -> list[dict[str, Any]]:
    return [
        {"name": name, "pid": 800 + n, "user": user, "started": "2026-11-24T08:00:00Z"}
        for n, (name, user) in enumerate(names)
    ]


def other_machine(m: AgentMachine) -> None:
    """Another address, hardware and disks: 3 of 9 stay equal."""
    changed = AgentMachine(m.directory, ip="192.0.2.99", dmi="SMBIOS 3.4 present.", disk="total 4").snapshot
    for name in ("addresses", "commands"):
        m.snapshot[name] = changed[name]


def same_address(m: AgentMachine) -> None:
    """All hardware, disks and the name changed, the address kept: 3 of 9 stay equal."""
    changed = AgentMachine(m.directory, host_name="other", dmi="SMBIOS 3.4 present.", disk="total 4").snapshot
    for name in ("hostName", "commands"):
        m.snapshot[name] = changed[name]


def without_smbios(m: AgentMachine) -> None:
    AgentMachine.__init__(m, m.directory, dmi=None, disk=None)


def put(**changes: Any) -> Change:
    def change(m: AgentMachine) -> None:
        m.record = m.record.replace(**changes)  # type: ignore[union-attr]

    return change


def registration(**changes: Any) -> Change:
    def change(m: AgentMachine) -> None:
        m.registration = m.registration.replace(**changes)  # type: ignore[union-attr]

    return change


def setting(name: str, value: Any) -> Change:
    return lambda m: setattr(m, name, value)


def answers(name: str, value: Any) -> Change:
    return lambda m: m.snapshot.update({name: value})


def log(text: str, name: str = "amazon-ssm-agent.log") -> Change:
    return lambda m: m.log(name, text)


def both(*changes: Change) -> Change:
    return lambda m: [change(m) for change in changes]


UPGRADE = ("processor-hash", "ipaddress-info", "disk-info", "memory-hash", "bios-hash", "system-hash")
BEFORE_NOON = ("11:45:00", "11:50:00", "11:55:00")
NO_PERMISSION = (
    "Entering SSM Agent hibernate - AccessDeniedException: User is not authorized to perform: "
    "ssm:UpdateInstanceInformation"
)
# The change, the concluded state, the check that shows the cause, and a part of the conclusion.
BROKEN: dict[str, tuple[Change, str, str, str]] = {
    "regenerated after an upgrade": (
        log(
            started("08:00:00") + ready("08:00:01") + started("11:00:00") + mismatch("11:00:01", *UPGRADE)
            + line("11:00:16", "INFO", REGENERATED, "") + refused("11:00:17") + refused("11:46:04")
        ),
        "hibernating", "regenerated", "Hibernating since 2026-11-24T11:00:17Z, because its fingerprint was replaced",
    ),
    "a copy of it runs elsewhere": (
        log(WAITS), "hibernating", "waiting", "another machine holds the same registration",
    ),
    "deregistered": (
        log(started("08:00:00") + ready("08:00:01") + refused("11:35:00", DENIED)), "hibernating", "waiting",
        "it was deregistered, or its role was changed",
    ),
    "role without permissions": (
        log(
            started("11:00:00") + ready("11:00:01") + line("11:00:03", "INFO", NO_PERMISSION, "[ssm-agent-worker] ")
            + ready("11:30:01")
        ),
        "hibernating", "waiting", "its role does not allow health reports",
    ),
    "no way to the service": (
        log(started("08:00:00") + refused("11:59:50", "RequestError: send request failed", "34s")),
        "hibernating", "waiting", "it cannot connect to the service: RequestError",
    ),
    "corrupt vault": (setting("record", b'{"fingerprint":'), "broken", "vault", "Do not restart the agent"),
    "moved to another hypervisor": (
        other_machine, "will-hibernate", "fingerprint", "the agent will be rejected after its next start",
    ),
    "agent stopped": (lambda m: m.stopped(), "not-running", "running", "The agent does not run. Do: start it"),
    "not registered": (
        setting("registration", None), "not-registered", "registration", "register it with an activation",
    ),
    "half registered": (
        registration(instance_id=""), "not-registered", "registration", "incomplete: missing node ID",
    ),
    "offline in another cloud": (
        both(
            registration(provider="Azure"),
            log(
                started("08:00:00") + ready("08:00:01") + ready("11:30:00") + reported("11:40:00", "Azure")
                + "".join(skipped(at, "imds Azure metadata: incorrect status code 410") for at in BEFORE_NOON)
            ),
        ),
        "broken", "health", "the agent skips its health reports, because the metadata service of Azure",
    ),
    "configured for another region": (
        lambda m: m.config(Agent={"Region": "us-east-1"}), "warnings", "account",
        "This host is registered elsewhere than its settings say: mi-0…def0 in eu-west-1",
    ),
    "broken configuration": (
        lambda m: m.config(Identity={"ConsumptionOrder": ["EC2"]}), "broken", "configuration", "excludes OnPrem",
    ),
    "kept by its address": (same_address, "warnings", "fingerprint", "the same machine only by its IP address"),
}  # fmt: skip
