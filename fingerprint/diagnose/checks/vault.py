"""Checks of the vault."""

from __future__ import annotations

import os

from fingerprint.diagnose.result import failed, passed, skipped, unknown, warned
from fingerprint.errors import FingerprintError, VaultCorrupt, VaultError, VaultUnsafe
from fingerprint.vault import FINGERPRINT_KEY, REGISTRATION_KEY
from fingerprint.vault.integrity import MINTS, READS, manifest_state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from fingerprint.diagnose.context import Site
    from fingerprint.diagnose.result import Finding
    from fingerprint.vault.verify import Finding as Defect

# What the agent does because of the vault: stores a new fingerprint at its next check, or exits at its next start.
VAULT_MINTS, VAULT_EXITS = "vault-mints", "vault-exits"


def vault(site: Site) -> Finding:
    """Check the vault as `vault verify` does."""
    from fingerprint.vault.verify import verify

    try:
        findings = verify(site.vault)
    except VaultError as error:
        return unreadable(error)
    only_missing = [one for one in findings if one.kind != "VaultMissing"]
    denied = next((one for one in only_missing if one.kind == "VaultDenied"), None)
    if denied is not None:
        return unknown(denied.what, denied.where, remedy=denied.remedy)
    faults = [f"{one.where}: {one.what}" for one in only_missing]
    try:
        manifest = manifest_state(site.vault)
    except VaultError as error:
        return unreadable(error)
    if manifest.agent_does != READS:
        tag = VAULT_MINTS if manifest.agent_does == MINTS else VAULT_EXITS
        return failed(manifest.what, manifest.consequence, *faults, remedy=manifest.remedy, tag=tag)
    broken = next((one for one in only_missing if one.broken), None)
    registration = next((one for one in only_missing if one.broken and _is_registration(one.where)), None)
    worst = registration or broken
    if worst is not None:
        # The conclusion shows the first one.
        faults.sort(key=lambda fault: not fault.startswith(f"{worst.where}: "))
    if broken is not None and registration is not None:
        # Without a registration the agent does not reach the record.
        what = "the registration cannot be read"
        if broken is not registration:
            what = "neither the registration nor the fingerprint can be read"
        faults = _first(registration, only_missing)
        return failed(f"{what}: {registration.what}", *faults, remedy=registration.remedy, tag=VAULT_EXITS)
    if broken is not None and broken.where == manifest.where:
        # The agent reads the listed file; for the fingerprint it is unknown which one that is.
        kind = unknown if FINGERPRINT_KEY in manifest.keys else warned
        return kind(f"{manifest.what}; {manifest.consequence}", remedy=manifest.remedy)
    if broken is not None and broken.where in (site.vault.history.path, site.vault.history.directory):
        # The agent does not read our journal.
        return unknown(f"our journal cannot be read: {broken.what}", *faults, remedy=broken.remedy)
    if broken is not None:
        faults = _first(broken, only_missing)
        return failed(f"the vault cannot be read: {broken.what}", *faults, remedy=broken.remedy, tag=VAULT_MINTS)
    if not only_missing:
        if findings:
            return skipped(f"there is no vault: {findings[0].where}")
        return passed("the vault is intact", site.vault.path)
    return warned(
        f"{len(faults)} fault{'s' * (len(faults) != 1)} in the vault", *faults,
        remedy="Show each fault and its remedy", command="fingerprint vault verify",
    )  # fmt: skip


def _first(broken: Defect, found: Sequence[Defect]) -> list[str]:
    """Return the evidence for a finding that names what is broken: where that is, then the other faults."""
    return [broken.where, *(f"{one.where}: {one.what}" for one in found if one is not broken)]


def _is_registration(path: str) -> bool:
    return os.path.basename(path) == REGISTRATION_KEY


def unreadable(error: FingerprintError) -> Finding:
    """Return the finding for a check that an error of the vault or of the collection prevents."""
    if isinstance(error, (VaultCorrupt, VaultUnsafe)):
        # The check of the vault reports it in full.
        return unknown("the vault cannot be read: see `vault`", error.what)
    where = (error.where,) if error.where else ()
    return unknown(error.what, *where, remedy=error.remedy)
