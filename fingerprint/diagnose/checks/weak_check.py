"""Check whether the agent can distinguish this host from another machine with its hardware ID."""

from __future__ import annotations

from fingerprint.collectors.stable import CONTAINER_MARKS
from fingerprint.diagnose.checks.vault import unreadable
from fingerprint.diagnose.result import not_on_disk, passed, skipped, warned
from fingerprint.errors import FingerprintError, VaultMissing
from fingerprint.rules.ssm import THRESHOLD_DISABLED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.diagnose.context import Site
    from fingerprint.diagnose.result import Finding
    from fingerprint.types import Verdict


def weak_check(site: Site) -> Finding:
    """Check that enough attributes have content to distinguish machines."""
    without_hardware = not_on_disk("unknown on a copied disk: hardware attributes are not on it")
    try:
        verdict, weak = site.explanation.verdict, site.explanation.id_warning
    except VaultMissing:
        return without_hardware if site.copied else skipped("the vault holds no fingerprint")
    except FingerprintError as error:
        return without_hardware if site.copied else unreadable(error)
    if site.copied and not weak:
        return without_hardware
    silent = verdict.total - verdict.effective
    score = f"{verdict.effective} of {verdict.total} attributes have content"
    if verdict.threshold == THRESHOLD_DISABLED:
        return skipped("the check is disabled")
    if verdict.vacuous and not site.copied:
        where = [*_why_silent(site, verdict), *([weak] if weak else [])]
        return warned(
            f"weak check: any host with this hardware ID passes ({score})", *where,
            remedy="Monitor it by scheme stable (`monitor nagios -c copy`), or give it a hardware ID of its own",
            command="fingerprint show --scheme stable",
        )  # fmt: skip
    if weak:
        return warned(
            weak, score, remedy="Create a machine ID of its own (systemd-machine-id-setup, dbus-uuidgen), then "
            "register the machine again: the agent treats another ID as another machine",
        )  # fmt: skip
    return passed(score, *((f"{silent} are empty, without content or unreadable on a side",) if silent else ()))


def _why_silent(site: Site, verdict: Verdict) -> list[str]:
    found = []
    for path, what in (
        *((mark, "this is a container without SMBIOS") for mark, _ in CONTAINER_MARKS),
        ("/proc/device-tree/model", "this board has a device tree instead of SMBIOS"),
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
        ("a text without hardware, equal on both sides", [row.name for row in rows if row.current]),
    ):
        found += [f"{what}: {', '.join(names)}"] if names else []
    return list(dict.fromkeys(found))
