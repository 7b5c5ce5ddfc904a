"""Check whether the running agent signs with a replaced key: it reads its key only when it starts."""

from __future__ import annotations

from math import floor

from fingerprint._io.times import created_seconds, seconds_of, utc
from fingerprint.agent.logs import code_of
from fingerprint.agent.logs.sdk_errors import DENIED
from fingerprint.diagnose.checks.agent import restart_command
from fingerprint.diagnose.checks.waiting import wait_of
from fingerprint.diagnose.result import failed
from fingerprint.errors import VaultError
from fingerprint.vault import REGISTRATION_KEY
from fingerprint.vault.journal import ROTATION, WRITTEN_AHEAD
from fingerprint.vault.records import decode_registration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.diagnose.context import Site
    from fingerprint.diagnose.result import Finding

# Tags of the finding: the service has rejected the agent, or will at its next token request.
REJECTED, AHEAD = "replaced-key", "replaced-key-ahead"
# Tag of a finding on a key without a known date.
UNDATED = "undated"
# Start times of the kernel and times of our journal have a resolution of a second.
_GRAIN_SECONDS = 2.0


def replaced_key(site: Site) -> Finding | None:
    """Return the finding that the running agent's key was replaced; None without proof.

    An agent that rotates its key itself uses the new one at once, so a key younger than the agent's start alone is no
    proof. These are: our journal has the rotation; or the service denied the agent after the key was written, and the
    agent received no credentials in between.

    Args:
        site: with a complete registration.

    Raises:
        VaultError: the registration cannot be read.
    """
    try:
        # Without shared credentials the worker asks for its own.
        unshared = site.setting("Profile", "ShareCreds") is False
        started = site.worker_started if unshared else site.started
    except OSError:
        return None
    written, source, ours = _written(site)
    if started is None or written is None or written <= started + _GRAIN_SECONDS:
        return None
    last_good = max(_last_good(site), default=None)
    if last_good is not None and last_good >= (written + _GRAIN_SECONDS if ours else floor(written)):
        return None
    denied = _denied_after(site, written)
    if denied is None and not ours:
        return None
    what = "the running agent signs with a replaced key"
    return failed(
        what if denied is not None else f"{what}: the service will reject its next token request",
        f"the key was written at {utc(written)}, by {source}", f"the agent was started at {utc(started)}",
        f"last credentials of the agent: {utc(last_good) if last_good is not None else 'unknown'}",
        *((f"rejected since then: {DENIED} at {utc(denied)}",) if denied is not None else ()),
        remedy="Restart the agent: it reads its key only when it starts", command=restart_command(site),
        tag=REJECTED if denied is not None else AHEAD,
    )  # fmt: skip


def _written(site: Site) -> tuple[float | None, str, bool]:
    """Return when the present key was written, the source, and whether this program rotated it."""
    registration = site.registration
    try:
        entries = [entry for entry in site.vault.history.entries() if entry["key"] == REGISTRATION_KEY]
        _, data = site.vault.history.last_written(REGISTRATION_KEY)
        is_present = decode_registration(data, site.vault.history.path).private_key == registration.private_key
    except VaultError:
        entries, is_present = [], False
    if is_present and entries and entries[-1]["why"].startswith(ROTATION) and entries[-1]["why"] != WRITTEN_AHEAD:
        return seconds_of(entries[-1]["replacedAt"]), f"our history ({entries[-1]['why']})", True
    created = created_seconds(registration.private_key_created_date)
    if created is not None:
        return created, "privateKeyCreatedDate", False
    # The file of a copy may have the time of the copying.
    return (None if site.elsewhere else site.vault.written_at(REGISTRATION_KEY)), "the time of its file", False


def _last_good(site: Site) -> list[float]:
    """Return the times at which the agent received credentials, by its log and its file of credentials."""
    try:
        logged = site.seconds_of(site.timeline.last_good)
    except OSError:
        logged = None
    return [at for at in (logged, site.credentials_since) if at is not None]


def _denied_after(site: Site, written: float) -> float | None:
    """Return when the service last denied the agent, if it did so after the key was written and still does."""
    try:
        wait = wait_of(site)
        if wait is None or wait is not site.timeline.refresher or code_of(wait.error) != DENIED:
            return None
    except OSError:
        return None
    at = site.seconds_of(wait.failed)
    return at if at is not None and at >= floor(written) else None
