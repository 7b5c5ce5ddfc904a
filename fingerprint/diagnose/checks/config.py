"""How the agent is configured: whether it can load that at all, read as its own decoder does, and what matters here."""

from __future__ import annotations

from fingerprint._io.text import hidden
from fingerprint.agent.config import ON_PREMISES, identity_order, settings_of
from fingerprint.agent.endpoints import uses_dual_stack
from fingerprint.agent.paths import UNITS
from fingerprint.agent.versions import assess
from fingerprint.diagnose.checks.agent import unit_of
from fingerprint.diagnose.result import failed, passed, unknown, warned
from fingerprint.errors import VaultError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.diagnose.context import Site
    from fingerprint.diagnose.result import Finding

# JSON that the agent's decoder reads, and ours does not.
_READ_BY_THE_AGENT = ("not UTF-8", "lone surrogate", "nested too deeply")
_NOTES_SHOWN = 20


def configuration(site: Site) -> Finding:
    """Whether the agent can read its configuration, and what in it matters here."""
    path = site.paths.config
    try:
        config = site.config
    except OSError as error:
        return unknown(f"{path}: {error.strerror or error}")
    except ValueError as error:
        if str(error).startswith(_READ_BY_THE_AGENT):
            return unknown(f"{path}: {error}; the agent may read it, this program does not",
                           remedy="Write it as UTF-8")  # fmt: skip
        return _not_loaded(site, f"{path} is no JSON", str(error))
    if config is None:
        return passed("the defaults", f"{path} does not exist")
    if not config:
        return passed("the defaults", f"{path} sets nothing")
    # The program decides what its next start makes of it, not the process.
    found = settings_of(config, site.version)
    settings, wrong, assessed = found.values, found.wrong, assess(site.version)
    if wrong:
        return _not_loaded(site, f"{path} has {len(wrong)} value{'s' * (len(wrong) != 1)} of the wrong type",
                           *(text for _, text in wrong), *(() if assessed.known else (assessed.text,)))  # fmt: skip
    told = []
    for section in ("Ssm", "Mds", "Mgs", "S3", "Kms", "CloudWatchLogs"):
        endpoint = settings.get(f"{section}.Endpoint")
        if endpoint:
            told.append(f"{section}.Endpoint is {hidden(endpoint)}")
    if uses_dual_stack(settings):
        told.append("endpoints are those for IPv4 and IPv6 (Agent.UseDualStackEndpoint)")
    if settings.get("Profile.ShareCreds") is False:
        told.append("credentials are not shared: its worker waits, not the core agent")
    if settings.get("Agent.EnforceWorkspaceRootOwnership") is False:
        told.append("the vault may belong to another user than root (Agent.EnforceWorkspaceRootOwnership is false)")
    order, strange = identity_order(settings)
    if strange:
        told.append(f"the agent knows no identity {', '.join(map(ascii, strange))}: its order is {', '.join(order)}")
    if ON_PREMISES not in order and _has_registration(site):
        return failed(f"the order of identities ({', '.join(order)}) leaves out OnPrem: the registration is "
                      "never used", *told,
                      remedy="Take Identity.ConsumptionOrder out, and restart the agent", tag="order")  # fmt: skip
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
            f"{path} has {len(later)} value{'s' * (len(later) != 1)} of the wrong type, of settings that only newer "
            "agents know: one of them would not start with it", *(wanted for _, wanted in later), *notes, *told,
            remedy="Fix it before the agent is updated",
        )  # fmt: skip
    return passed(text, *notes, *told)


def _not_loaded(site: Site, what: str, *evidence: str) -> Finding:
    """Return that the agent does not start, as it cannot load its configuration."""
    unit = unit_of(site) if site.machine.platform == "linux" else None
    again = ("systemd starts it again every 90 s, in vain",) if unit and unit.get("Id") == UNITS[0] else ()
    return failed(f"{what}: the agent does not start with it", *evidence,
                  "at its start it ends with \"app config could not be loaded\"; one that runs has read it before",
                  *again, remedy="Mend it, or move it away to have the defaults, and restart the agent",
                  tag="configuration")  # fmt: skip


def _has_registration(site: Site) -> bool:
    try:
        return site.registered
    except VaultError:
        return False
