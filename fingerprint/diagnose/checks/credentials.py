"""Credentials: when the agent last got some, and which source wins."""

from __future__ import annotations

import errno
import os
import sys

from fingerprint._io.text import printable
from fingerprint.agent.identity_config import parse_agent_credentials
from fingerprint.credentials.sources import State, credential_order
from fingerprint.diagnose.result import failed, passed, skipped, unknown, untold, warned

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from fingerprint.agent.identity_config import AgentCredentials
    from fingerprint.credentials.sources import Order
    from fingerprint.diagnose.context import Site
    from fingerprint.diagnose.result import Finding

# What the agent writes before it got credentials, and where it does not share them.
_NEVER = "0001-01-01T00:00:00"


def last(site: Site) -> Finding:
    """When the agent last got credentials, and whether they are still of use."""
    told = agent_credentials(site)
    if told is None:
        return skipped("the agent got no credentials since it was installed", f"no {site.paths.identity}")
    if isinstance(told, OSError):
        return unknown(f"{site.paths.identity}: {told.strerror}", remedy=remedy_for(site, told))
    where = f"in {printable(told.file)}, profile {printable(told.profile)}" if told.file else "not shared"
    retrieved, expires = printable(told.retrieved_at), printable(told.expires_at)
    if told.expires_at.startswith(_NEVER):
        if site.setting("Profile", "ShareCreds") is False:
            return skipped("credentials are not shared, and the agent does not tell when it gets some", where)
        return skipped("the agent got none yet", where)
    evidence = (f"retrieved {retrieved}", f"expiring {expires}", where)
    if _without_clock(site):
        return untold("of a copied disk it cannot be told whether they expired: its clock is not here", *evidence)
    expired = told.expired(site.machine.now())
    if expired is None:
        return skipped("it does not tell when they expire", *evidence)
    if expired:
        return failed(
            f"the last credentials expired at {expires}, and no new ones came", *evidence,
            remedy="See `waiting` for why",
        )  # fmt: skip
    return passed(f"got at {retrieved}, good until {expires}", where)


def agent_credentials(site: Site) -> AgentCredentials | OSError | None:
    """Return what the agent tells of its last credentials; None if it tells nothing, an error if it cannot be read."""
    path = site.paths.identity
    try:
        told = parse_agent_credentials(site.machine.read_file(path))
    except FileNotFoundError:
        return None
    except OSError as error:
        return error
    return told or OSError(errno.EINVAL, "it is not what the agent writes", path)


def _without_clock(site: Site) -> bool:
    """Return whether it is a copied disk, or the recording of one, whose clock is that of who recorded it."""
    try:
        site.machine.utc_offset()
    except OSError as error:
        return site.copied or error.errno == errno.ENOTSUP
    return site.copied


def remedy_for(site: Site, error: OSError) -> str:
    """Return what to do about a file that cannot be looked at."""
    if error.errno == errno.EINVAL:
        return "Restart the agent: it writes it anew"
    return site.rights if error.errno in (errno.EACCES, errno.EPERM) else ""


def order(site: Site) -> Finding:
    """Which source of credentials root's programs take, and what it shadows."""
    if site.recorded:
        return skipped("a recording holds no files of credentials")
    found = _root_order(site)
    shadowed = [f"{one.name} is shadowed by {one.shadowed_by}" for one in found.sources if one.shadowed_by]
    sources = [f"{one.name}: {one.state}{f' ({one.reason})' if one.reason else ''}" for one in found.sources]
    unread = next((one for one in found.sources if one.state == State.UNREADABLE), None)
    if unread is not None and not found.winner and not found.findings:
        return unknown(f"{unread.where}: {unread.reason}", *sources, remedy=site.rights)
    wrong = [one for one in found.findings if not one.what.startswith("others may read")]
    if wrong:
        return failed(f"{wrong[0].where}: {wrong[0].what}", *sources, remedy=wrong[0].remedy)
    node = "; the agent of a registered node asks with its registration all the same" if is_registered(site) else ""
    if found.winner and found.winner != "shared-file" and is_registered(site):
        return warned(
            f"for root {found.winner} wins over what the agent shares", *shadowed, *sources,
            remedy="Programs of root use other credentials than the node's; take them out if that is not meant",
            command="fingerprint credentials sources",
        )  # fmt: skip
    winner = (
        f"for root {found.winner} wins"
        if found.winner
        else "no local credentials for root (network sources not checked)"
    )
    return passed(winner + node, *shadowed, *sources)


def _root_order(site: Site) -> Order:
    environ: Mapping[str, str] | None = None
    if site.root == "/" and sys.platform != "win32" and os.geteuid() == 0:
        environ = os.environ
    return credential_order("root", site.paths.home, environ, root=site.root, machine=site.machine.unrecorded)


def is_registered(site: Site) -> bool:
    """Return whether there is a complete registration; False where that cannot be read."""
    from fingerprint.errors import VaultError

    try:
        return site.registered
    except VaultError:
        return False
