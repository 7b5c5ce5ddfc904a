"""Checks of credentials: when the agent last received them, and which source root uses."""

from __future__ import annotations

import errno
import os
import sys

from fingerprint._io.text import printable
from fingerprint.agent.identity_config import parse_agent_credentials
from fingerprint.credentials.agent_order import SHARED_KEYS_MISSING
from fingerprint.credentials.disk import OPEN_MODE
from fingerprint.credentials.source_values import SHARED_FILE, State
from fingerprint.credentials.sources import (
    AGENT_KEYS_EXPIRED,
    WITHOUT_BOTOCORE,
    agent_order,
    credential_order,
    uses_shared,
)
from fingerprint.diagnose.result import failed, not_on_disk, passed, skipped, unknown, warned

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from fingerprint.agent.identity_config import AgentCredentials
    from fingerprint.credentials.source_values import Finding as SourceFinding
    from fingerprint.credentials.source_values import Order
    from fingerprint.diagnose.context import Site
    from fingerprint.diagnose.result import Finding

# The agent writes this before it has credentials, and if it does not share them.
_NEVER = "0001-01-01T00:00:00"


def last(site: Site) -> Finding:
    """Check that the agent's last credentials are valid."""
    credentials = agent_credentials(site)
    if site.states.conclusion.name == "overdue":
        return failed(site.states.facts["file-has-none"], f"see {site.paths.identity}", remedy="See `waiting`")
    if credentials is None:
        return skipped("the agent has received no credentials since it was installed", f"no {site.paths.identity}")
    if isinstance(credentials, OSError):
        return unknown(f"{site.paths.identity}: {credentials.strerror}", remedy=remedy_for(site, credentials))
    shared = f"in {printable(credentials.file)}, profile {printable(credentials.profile)}"
    where = shared if credentials.file else "not shared"
    retrieved, expires = printable(credentials.retrieved_at), printable(credentials.expires_at)
    if credentials.expires_at.startswith(_NEVER):
        if site.setting("Profile", "ShareCreds") is False:
            return skipped("credentials are not shared, so the agent does not record when it receives them", where)
        return skipped("the agent has not received any yet", where)
    evidence = (f"retrieved {retrieved}", f"expires {expires}", where)
    if _without_clock(site):
        return not_on_disk("unknown on a copied disk whether they expired: its clock is missing", *evidence)
    expired = credentials.expired(site.machine.now())
    if expired is None:
        return skipped("they have no time of expiry", *evidence)
    if expired:
        return failed(
            f"the last credentials expired at {expires} and were not renewed", *evidence,
            remedy="See `waiting` for the cause",
        )  # fmt: skip
    text = f"received at {retrieved}, valid until {expires}"
    concluded = site.states.conclusion.name
    if concluded in ("absent", "not-started", "stopped"):
        return warned(f"{text}; the agent does not run and will not renew them", where, remedy="See `running`")
    if concluded == "failing":
        return warned(f"{text}; the agent does not get new ones", where, remedy="See `waiting`")
    return passed(text, where)


def agent_credentials(site: Site) -> AgentCredentials | OSError | None:
    """Return what the agent wrote about its last credentials; None without it, an error if it is unreadable."""
    path = site.paths.identity
    try:
        credentials = parse_agent_credentials(site.machine.read_file(path))
    except FileNotFoundError:
        return None
    except OSError as error:
        return error
    return credentials or OSError(errno.EINVAL, "not in the agent's format", path)


def _without_clock(site: Site) -> bool:
    """Return whether it is a copied disk or a recording of one, which has the clock of the recording host."""
    try:
        site.machine.utc_offset()
    except OSError as error:
        return site.copied or error.errno == errno.ENOTSUP
    return site.copied


def remedy_for(site: Site, error: OSError) -> str:
    """Return the remedy for a file that cannot be read."""
    if error.errno == errno.EINVAL:
        return "Restart the agent: it writes the file again"
    return site.rights if error.errno in (errno.EACCES, errno.EPERM) else ""


def order(site: Site) -> Finding:
    """Check which source of credentials root's programs use, and which ones it shadows."""
    if site.recorded:
        return skipped("a recording holds no credential files")
    record = agent_credentials(site)
    credentials = None if isinstance(record, OSError) else record
    found = _root_order(site, credentials)
    own = agent_order(credentials, registered=_registered(site), root=site.root, machine=site.machine.unrecorded)
    shadowed = [f"{one.name} is shadowed by {one.shadowed_by}" for one in found.sources if one.shadowed_by]
    sources = [f"{one.name}: {one.state}{f' ({one.reason})' if one.reason else ''}" for one in found.sources]
    # These are other checks: `credential-files` and `credentials`.
    elsewhere = (OPEN_MODE, AGENT_KEYS_EXPIRED)
    wrong = [one for one in (*found.findings, *own.findings) if one.kind not in elsewhere]
    if wrong:
        first, *others = wrong
        return failed(
            f"{first.where}: {first.what}", *(f"{one.where}: {one.what}" for one in others), *sources,
            remedy=first.remedy, command=_command(site, first, bool(others)),
        )  # fmt: skip
    if found.undecided == WITHOUT_BOTOCORE:
        return skipped(f"{found.undecided} (the extra aws)")
    if not found.reader:
        return unknown(found.undecided)
    unread = next((one for one in found.sources if one.state == State.UNREADABLE), None)
    if unread is not None and not found.winner:
        return unknown(f"{unread.where}: {unread.reason}", *sources, remedy=site.rights)
    node = "; the agent of a registered node uses its registration in any case" if is_registered(site) else ""
    shared = uses_shared(found, credentials)
    if found.winner and (found.winner != SHARED_FILE or shared is False) and is_registered(site):
        where = next(one.where for one in found.sources if one.name == found.winner)
        text = f"root uses {found.winner} ({where}) instead of the credentials that the agent shares"
        return warned(
            text, *shadowed, *sources,
            remedy="Programs of root do not use the node's credentials: remove the others if that is not intended",
            command="fingerprint credentials sources",
        )  # fmt: skip
    winner = (
        f"root uses {found.winner}" if found.winner else "no local credentials for root (network sources not checked)"
    )
    return passed(winner + node, *shadowed, *sources)


def _command(site: Site, finding: SourceFinding, has_others: bool) -> str:
    """Return the command for a fault of the sources."""
    from fingerprint.diagnose.checks.agent import restart_command

    if finding.kind == SHARED_KEYS_MISSING:
        return restart_command(site)
    return "fingerprint credentials sources" if has_others else ""


def _root_order(site: Site, credentials: AgentCredentials | None) -> Order:
    environ: Mapping[str, str] | None = None
    if site.root == "/" and sys.platform != "win32" and os.geteuid() == 0:
        environ = os.environ
    machine = site.machine.unrecorded
    return credential_order("root", site.paths.home, environ, root=site.root, machine=machine, credentials=credentials)


def _registered(site: Site) -> bool | None:
    """Return whether there is a complete registration; None if it is unreadable."""
    from fingerprint.errors import VaultError

    try:
        return site.registered
    except VaultError:
        return None


def is_registered(site: Site) -> bool:
    """Return whether there is a complete registration; False if it is unreadable."""
    return bool(_registered(site))
