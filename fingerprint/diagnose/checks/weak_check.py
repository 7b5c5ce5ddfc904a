"""Check whether the agent's comparison can distinguish this host from another."""

from __future__ import annotations

from fingerprint.collectors.stable import CONTAINER_MARKS
from fingerprint.diagnose.checks.vault import unreadable
from fingerprint.diagnose.result import passed, skipped, untold, warned
from fingerprint.errors import FingerprintError, VaultMissing
from fingerprint.rules.ssm import THRESHOLD_DISABLED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.diagnose.context import Site
    from fingerprint.diagnose.result import Finding
    from fingerprint.types import Verdict


def weak_check(site: Site) -> Finding:
    """What the check can tell on this host at all."""
    untold_there = untold("of a copied disk it cannot be told: what the hardware says is not on it")
    try:
        verdict, weak = site.explanation.verdict, site.explanation.id_warning
    except VaultMissing:
        return untold_there if site.copied else skipped("the vault holds no fingerprint")
    except FingerprintError as error:
        return untold_there if site.copied else unreadable(error)
    if site.copied and not weak:
        return untold_there
    silent = verdict.total - verdict.effective
    told = f"{verdict.effective} of {verdict.total} attributes say something"
    if verdict.threshold == THRESHOLD_DISABLED:
        return skipped("the check is disabled")
    if verdict.vacuous and not site.copied:
        where = [*_why_silent(site, verdict), *([weak] if weak else [])]
        return warned(
            f"the guard is vacuous: any machine with this hardware ID passes ({told})", *where,
            remedy="Let `monitor nagios -c copy` look by scheme stable, or give it a hardware ID of its own",
            command="fingerprint show --scheme stable",
        )  # fmt: skip
    if weak:
        return warned(weak, told, remedy="Make a machine ID of its own (systemd-machine-id-setup, dbus-uuidgen), then "
                      "register the machine again: the agent takes another ID for another machine")  # fmt: skip
    return passed(told, *((f"{silent} are empty or without content on a side, or not to be read",) if silent else ()))


def _why_silent(site: Site, verdict: Verdict) -> list[str]:
    found = []
    for path, what in (
        *((mark, "this is a container, which shows no SMBIOS") for mark, _ in CONTAINER_MARKS),
        ("/proc/device-tree/model", "this is a board that describes itself by a device tree, not by SMBIOS"),
    ):
        try:
            if site.machine.exists(path):
                found.append(what)
        except OSError:
            continue
    if not found and site.machine.platform == "macos":
        found.append("on macOS the agent reads neither a machine ID nor hardware: the check never fails below 67")
    rows = [row for row in verdict.rows if row.same and not row.evidence]
    for what, names in (
        ("empty on both sides", [row.name for row in rows if not row.current]),
        ("a text without hardware, the same on both sides", [row.name for row in rows if row.current]),
    ):
        found += [f"{what}: {', '.join(names)}"] if names else []
    return list(dict.fromkeys(found))
