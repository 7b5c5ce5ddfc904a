"""Check the agent's configuration: whether the agent can load it, and the settings that matter here."""

from __future__ import annotations

from fingerprint._io.text import hidden
from fingerprint.agent.config import ON_PREMISES, identity_order, settings_of
from fingerprint.agent.endpoints import uses_dual_stack
from fingerprint.agent.paths import UNITS
from fingerprint.agent.versions import assess
from fingerprint.diagnose.checks.agent import unit_of
from fingerprint.diagnose.result import NOT_INSTALLED, failed, passed, skipped, unknown, warned
from fingerprint.errors import VaultError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.diagnose.context import Site
    from fingerprint.diagnose.result import Finding

# JSON that the agent's decoder accepts and ours does not.
_READ_BY_THE_AGENT = ("not UTF-8", "lone surrogate", "nested too deeply")
_NOTES_SHOWN = 20


def configuration(site: Site) -> Finding:
    """Check that the agent can read its configuration, and that it uses its registration."""
    if site.without_agent:
        return skipped(NOT_INSTALLED)
    path = site.paths.config
    try:
        config = site.config
    except OSError as error:
        return unknown(f"{path}: {error.strerror or error}")
    except ValueError as error:
        if str(error).startswith(_READ_BY_THE_AGENT):
            return unknown(f"{path}: {error}; the agent may accept it, this program does not",
                           remedy="Save it as UTF-8")  # fmt: skip
        return _not_loaded(site, f"{path} is not JSON", str(error))
    if config is None:
        return passed("the agent uses its defaults", f"{path} does not exist")
    if not config:
        return passed("the agent uses its defaults", f"{path} sets nothing")
    # The next start reads it with the installed program, not with the running one.
    found = settings_of(config, site.version)
    settings, wrong, assessed = found.values, found.wrong, assess(site.version)
    if wrong:
        return _not_loaded(site, f"{path} has {len(wrong)} value{'s' * (len(wrong) != 1)} of the wrong type",
                           *(text for _, text in wrong), *(() if assessed.known else (assessed.text,)))  # fmt: skip
    shown = []
    for section in ("Ssm", "Mds", "Mgs", "S3", "Kms", "CloudWatchLogs"):
        endpoint = settings.get(f"{section}.Endpoint")
        if endpoint:
            shown.append(f"{section}.Endpoint is {hidden(endpoint)}")
    if uses_dual_stack(settings):
        shown.append("endpoints are dual-stack (Agent.UseDualStackEndpoint)")
    if settings.get("Profile.ShareCreds") is False:
        shown.append("credentials are not shared: the worker waits, not the core agent")
    if settings.get("Agent.EnforceWorkspaceRootOwnership") is False:
        shown.append("the vault may belong to another user than root (Agent.EnforceWorkspaceRootOwnership is false)")
    order, strange = identity_order(settings)
    if strange:
        names = ", ".join(map(ascii, strange))
        shown.append(f"the agent does not know the identity {names}: its order is {', '.join(order)}")
    if ON_PREMISES not in order and _has_registration(site):
        return failed(f"the order of identities ({', '.join(order)}) excludes OnPrem: the registration is "
                      "never used", *shown,
                      remedy="Remove Identity.ConsumptionOrder and restart the agent", tag="order")  # fmt: skip
    notes, later = [*found.replaced, *found.ignored], found.wrong_later
    text = f"{path} is read"
    if notes:
        text += f"; {notes[0]}{f'; and {len(notes) - 1} more' * (len(notes) > 1)}"
    if len(notes) > _NOTES_SHOWN:
        notes[_NOTES_SHOWN:] = [f"and {len(notes) - _NOTES_SHOWN} more"]
    if (notes or later) and not assessed.known:
        notes.append(assessed.text)
    if later:
        return warned(
            f"{path} has {len(later)} value{'s' * (len(later) != 1)} of the wrong type in settings that only newer "
            "agents know: a newer agent would not start", *(wanted for _, wanted in later), *notes, *shown,
            remedy="Fix it before you update the agent",
        )  # fmt: skip
    return passed(text, *notes, *shown)


def _not_loaded(site: Site, what: str, *evidence: str) -> Finding:
    """Return that the agent does not start, because it cannot load its configuration."""
    unit = unit_of(site) if site.machine.platform == "linux" else None
    again = ("systemd restarts it every 90 s without success",) if unit and unit.get("Id") == UNITS[0] else ()
    return failed(f"{what}: the agent does not start with it", *evidence,
                  "at its start it exits with \"app config could not be loaded\"; a running agent read the file before",
                  *again, remedy="Fix it, or move it away to use the defaults, and restart the agent",
                  tag="configuration")  # fmt: skip


def _has_registration(site: Site) -> bool:
    try:
        return site.registered
    except VaultError:
        return False
