"""What the commands say of a machine, as the files of the support bundle."""

from __future__ import annotations

from fingerprint import __version__
from fingerprint._io.times import utc
from fingerprint.answers.check import check_answer
from fingerprint.answers.diagnose import diagnosis_members
from fingerprint.answers.explain import explanation_members
from fingerprint.answers.vault import vault_evidence_answer, vault_show_answer, vault_verify_answer
from fingerprint.answers.vault_records import vault_history_answer
from fingerprint.collectors import collect
from fingerprint.diagnose import diagnose
from fingerprint.errors import CollectError
from fingerprint.vault.evidence import present_tag
from fingerprint.vault.records import existing_registration
from fingerprint.vault.verify import verify

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from fingerprint.diagnose import Site
    from fingerprint.machine.recorded import RecordedMachine
    from fingerprint.vault import Vault


def parts_of(site: Site, recorded: RecordedMachine, *, redacted: bool) -> dict[str, Callable[[], Any]]:
    """Return the parts of a bundle, as `bundle` takes them.

    No part masks identifiers: pseudonyms are made of complete values, and two masked values may have the same mask.

    Args:
        site: the machine and its vault.
        recorded: the machine as it was recorded for the bundle.
        redacted: whether pseudonyms will stand in the bundle.
    """
    vault = site.vault
    return {
        "about": lambda: _about(recorded, redacted),
        "check": lambda: check_answer(site.observation, reveal=True),
        "explain": lambda: explanation_members(site.explanation),
        "diagnosis": lambda: _diagnosis(site),
        "vault": lambda: vault_show_answer(vault.path, vault.read(), existing_registration(vault), reveal=True),
        "verify": lambda: vault_verify_answer(vault.path, verify(vault)),
        "history": lambda: _history(vault),
        "evidence": lambda: vault_evidence_answer(vault, *vault.evidence.entries(), present_tag(vault)),
    }


def _about(machine: RecordedMachine, redacted: bool) -> dict[str, Any]:
    from platform import python_version

    about: dict[str, Any] = {
        "version": __version__, "python": python_version(), "at": utc(machine.now()), "platform": machine.platform,
        "kernel": machine.kernel, "redacted": redacted,
    }  # fmt: skip
    try:
        about["tools"] = {a.name: a.tool for a in collect(machine) if a.tool}
    except CollectError as error:
        about["error"] = error.facts()
    return about


def _diagnosis(site: Site) -> dict[str, Any]:
    answer = diagnosis_members(diagnose(site), site.machine.now())
    for check in answer["checks"]:
        # The same machine gives the same report.
        del check["seconds"]
    return answer


def _history(vault: Vault) -> dict[str, Any]:
    answer = vault_history_answer(vault, vault.history.entries(), reveal=True)
    for entry in answer["entries"]:
        del entry["fingerprint"]
    return answer
