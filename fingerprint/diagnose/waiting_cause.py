"""Why a waiting agent gets no credentials, or no answer to its health pings, by the checks and its last error."""

from __future__ import annotations

from fingerprint._io.times import utc
from fingerprint.agent.logs.error_causes import cause_of
from fingerprint.agent.paths import HIBERNATION_LOG, MAIN_LOG
from fingerprint.diagnose.checks.agent import restart_command, unit_of
from fingerprint.diagnose.checks.replaced_key import REJECTED, UNDATED
from fingerprint.diagnose.checks.vault import VAULT_MINTS
from fingerprint.diagnose.result import IDS_MOVED, NO_WMIC, RECIPE_CHANGED, WMI_BROKEN, Outcome
from fingerprint.errors import FingerprintError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.agent.logs import Wait
    from fingerprint.agent.logs.error_causes import ErrorCause
    from fingerprint.diagnose.context import Site
    from fingerprint.diagnose.result import Finding

REPLACED = "the running agent signs with a replaced key"
# Causes by the log of which the checks below may be the reason. An error without a known cause, and one that only says
# that there is no connection, may have any.
_OF_FINGERPRINT = ("fingerprint", "no-fingerprint", "vault-damaged", "not-registered", "no-identity")
_OF_KEY = ("deregistered", "signature")
_OF_CLOCK = ("signature", "clock", "clock-certificate", "certificate-expired", "token-expired")
_OF_STORAGE = ("disk-full", "read-only", "disk-error", "shared-file-unwritable", "vault-damaged", "permission")
_ANY = ("unknown", "no-connection")
_OF_NETWORK = ("network",)
# Checks whose failure explains missing credentials, the strongest first: name, required tag ("" for any), the words
# after "because" ("" for those of the finding), and the causes by the log that it may explain.
_CAUSES = (
    ("regenerated", "", "its fingerprint was replaced after a mismatch, and the service knows only the old one",
     _OF_FINGERPRINT),
    ("vault", VAULT_MINTS, "the agent does not find its record in the vault", _OF_FINGERPRINT),
    ("key", REJECTED, REPLACED, _OF_KEY),
    ("wmi", "", "WMI does not run, and without it there is no fingerprint", _OF_FINGERPRINT),
    ("collector", RECIPE_CHANGED, "its hash recipe changed, by an update of the agent or of Windows", _OF_FINGERPRINT),
    ("collector", IDS_MOVED, "its record was made by a process in which a WMI query had failed", _OF_FINGERPRINT),
    ("collector", WMI_BROKEN, "WMI is damaged, so it reads empty values in place of the hardware", _OF_FINGERPRINT),
    ("collector", NO_WMIC, "wmic is missing, and it has no other way to read the hardware", _OF_FINGERPRINT),
    ("storage", "", "", _OF_STORAGE),
    ("clock", "", "its clock is wrong, so the service rejects its signatures", _OF_CLOCK),
    ("endpoint-ssm", "", "the endpoint of the service cannot be reached", _OF_NETWORK),
    ("configuration", "order", "its configuration excludes its registration",
     (*_OF_FINGERPRINT, *_OF_KEY, "no-instance-role", "metadata-service", "host-management-off")),
)  # fmt: skip


def why_waiting(
    site: Site, found: dict[str, Finding], wait: Wait, is_worker: bool
) -> tuple[str, str, list[tuple[str, str]]]:
    """Return the name of the check with the cause, the words after "because", and the steps."""
    restart = restart_step(site)
    cause = cause_of(wait.error, worker=is_worker)
    for name, tag, why, explained in _CAUSES:
        finding = found.get(name)
        if finding is None or finding.outcome != Outcome.FAIL or tag not in ("", finding.tag):
            continue
        if cause.name in (*explained, *_ANY) or (cause.network and explained is _OF_NETWORK):
            why = why or finding.text
            steps = steps_of(finding)
            if tag == REJECTED:
                # If the machine differs too, a restart alone would replace its fingerprint.
                before = remedies_of(site) if tag_of(found, "fingerprint") == "differs" else []
                return name, why, [*before, *steps]
            # Registering again restarts the agent.
            return name, why, steps if "register" in finding.command else [*steps, restart]
    if cause.name == "fingerprint":
        return _why_rejected(site, found, wait)
    why = cause.sentence
    if cause.name == "deregistered":
        why = cause.why
        if tag_of(found, "key") == UNDATED:
            why += "; or its key, which has no date, was replaced after the agent's start"
        why += f": {cause.words}"
    steps = _remedy_of(site, cause)
    finding = found.get("regenerated")
    if finding is not None and finding.outcome == Outcome.FAIL:
        why += "; besides, its fingerprint was replaced after a mismatch, and the service knows only the old one"
        steps += steps_of(finding)
    return "clock" if cause.name.startswith("clock") else "waiting", site.quoted(why), steps


def _remedy_of(site: Site, cause: ErrorCause) -> list[tuple[str, str]]:
    """Return the steps against the cause of an error."""
    unit = (unit_of(site) or {}).get("Id", "")
    steps = cause.steps(site.machine.platform, unit=unit, restart=restart_command(site))
    return [(site.quoted(text), command) for text, command in steps]


def _why_rejected(site: Site, found: dict[str, Finding], wait: Wait) -> tuple[str, str, list[tuple[str, str]]]:
    """Return the name of the check, the words after "because" and the steps for a rejected fingerprint."""
    restart = restart_step(site)
    restored_at = _restored_at(site, wait)
    if restored_at and tag_of(found, "fingerprint") != "differs":
        why = f"the running agent holds the fingerprint from before its record was restored ({restored_at})"
        return "regenerated", why, [restart]
    if tag_of(found, "fingerprint") == "differs":
        return "fingerprint", "the machine differs from its record, and the service rejects it", [
            *remedies_of(site), restart,
        ]  # fmt: skip
    why = (
        "the service knows another fingerprint of this node: another machine holds the same registration, or the "
        "record was replaced before these logs begin"
    )
    return "waiting", why, [
        ("Search for a copy of this host and for an earlier record", "fingerprint vault history"),
        ("If there is neither, register this host again with a new activation", ""),
    ]  # fmt: skip


def _restored_at(site: Site, wait: Wait) -> str:
    """Return when the record was restored, RFC 3339, if the service rejected the agent last before that; else ""."""
    try:
        at = site.record_state[0].restored_at
    except FingerprintError:
        return ""
    failed = site.seconds_of(max(wait.failed, wait.slept))
    return at if at and (failed is None or utc(failed) <= at) else ""


def logged(site: Site, wait: Wait) -> str:
    """Return the log and the time of the last error of a wait; "" for an error that was not logged."""
    if not wait.error:
        return ""
    failed = site.seconds_of(wait.failed)
    when = utc(failed) if failed is not None else wait.failed.strip("-")
    log = HIBERNATION_LOG if wait is site.timeline.worker else MAIN_LOG
    return f"{log}, {when}" if when else log


def restart_step(site: Site) -> tuple[str, str]:
    return "Restart the agent: it retries at once", restart_command(site)


def remedies_of(site: Site) -> list[tuple[str, str]]:
    """Return the remedies for a machine that differs; call it only after the check `fingerprint`."""
    return [(remedy.text, remedy.command) for remedy in site.explanation.remedies]


def steps_of(finding: Finding) -> list[tuple[str, str]]:
    return [(finding.remedy, finding.command)] if finding.remedy else []


def tag_of(found: dict[str, Finding], name: str) -> str:
    return found[name].tag if name in found else ""
