"""Check whether a mismatch has replaced the fingerprint."""

from __future__ import annotations

from fingerprint._io.times import utc
from fingerprint.diagnose.checks.vault import unreadable
from fingerprint.diagnose.result import failed, passed, skipped, unknown, warned
from fingerprint.errors import FingerprintError, VaultError, VaultMissing
from fingerprint.vault import FINGERPRINT_KEY, REGISTRATION_KEY
from fingerprint.vault.records import register_command
from fingerprint.vault.regeneration import NO_COPY_LEFT, of_another_sid, rebaselined

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.diagnose.context import Site
    from fingerprint.diagnose.result import Finding
    from fingerprint.vault.regeneration import State

# A record that is so much younger than the registration was written for another reason.
_SAME_TIME_SECONDS = 600


def regenerated(site: Site) -> Finding:
    """Check whether a mismatch has replaced the fingerprint: by our history, the agent's logs, and times."""
    try:
        state, evidence = site.record_state
    except VaultMissing:
        return skipped("there is no record")
    except FingerprintError as error:
        return unreadable(error)
    if state.regenerated:
        when = f" at {state.at}" if state.at else ""
        text = f"the fingerprint was replaced{when}, and the service knows only the previous one"
        if state.restorable is not None:
            remedy = "Restore the previous fingerprint with the current hardware"
            return failed(text, *evidence, remedy=remedy, command=_restore_command(site, state))
        return failed(
            text, *evidence, remedy=NO_COPY_LEFT,
            command=register_command(again=True, provider=_provider(site)),
        )  # fmt: skip
    if state.uncertain:
        try:
            site.vault.history.changes()
        except VaultError as error:
            return unreadable(error)
        return unknown(f"unknown whether it was replaced: {state.uncertain}",
                       remedy="Search the logs of that time: fingerprint diagnose logs FILE...")  # fmt: skip
    if state.restored_at:
        return passed(f"the fingerprint was restored at {state.restored_at}")
    later = _written_later(site)
    if later:
        return warned(later, "a new threshold causes this, and so does a new fingerprint after a mismatch",
                      remedy="Search the logs of that time",
                      command="fingerprint diagnose logs FILE...")  # fmt: skip
    return passed("no evidence of a replacement")


def _provider(site: Site) -> str:
    """Return the provider of the registration, "" without one."""
    try:
        return site.registration.provider or ""
    except VaultError:
        return ""


def _restore_command(site: Site, state: State) -> str:
    try:
        other_sid = of_another_sid(state, site.explanation.collection)
    except FingerprintError:
        other_sid = False
    return rebaselined(state.restorable or 0, other_sid)


def _written_later(site: Site) -> str:
    """Return the warning for a record much younger than the registration, "" for none."""
    record, key_at = site.vault.written_at(FINGERPRINT_KEY), site.vault.written_at(REGISTRATION_KEY)
    if record is None or key_at is None or record - key_at < _SAME_TIME_SECONDS:
        return ""
    if site.vault.history.entries():
        # The journal has its writer.
        return ""
    return f"the record was written at {utc(record)}, after the registration ({utc(key_at)})"
