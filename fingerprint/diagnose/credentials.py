"""Credentials: when the agent last got some, what shadows what, and who may read them."""

from __future__ import annotations

import errno
import os
import shlex
import sys

from fingerprint.agentcredentials import parse_agent_credentials
from fingerprint.credentials.order import State, credential_order
from fingerprint.diagnose.results import failed, passed, skipped, unknown, untold, warned

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from fingerprint.agentcredentials import AgentCredentials
    from fingerprint.collect.machine import FileStatus
    from fingerprint.credentials.order import Order
    from fingerprint.diagnose.results import Finding
    from fingerprint.diagnose.site import Site

# What the bits of a mode let somebody do with a file.
_MAY = {4: "read", 2: "change", 6: "read and change"}
# What the agent writes before it got credentials, and where it does not share them.
_NEVER = "0001-01-01T00:00:00"


def last(site: Site) -> Finding:
    """When the agent last got credentials, and whether they are still of use."""
    told = _agent_credentials(site)
    if told is None:
        return skipped("the agent got no credentials since it was installed", f"no {site.places.identity}")
    if isinstance(told, OSError):
        return unknown(f"{site.places.identity}: {told.strerror}", remedy=_remedy(site, told))
    where = f"in {_printable(told.file)}, profile {_printable(told.profile)}" if told.file else "not shared"
    retrieved, expires = _printable(told.retrieved_at), _printable(told.expires_at)
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


def _agent_credentials(site: Site) -> AgentCredentials | OSError | None:
    """Return what the agent tells of its last credentials; None if it tells nothing, an error if it cannot be read."""
    path = site.places.identity
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


def _remedy(site: Site, error: OSError) -> str:
    """Return what to do about a file that cannot be looked at."""
    if error.errno == errno.EINVAL:
        return "Restart the agent: it writes it anew"
    return site.rights if error.errno in (errno.EACCES, errno.EPERM) else ""


def _printable(text: str) -> str:
    """Return a text of a file so that it cannot move the cursor."""
    return text if text.isprintable() else ascii(text)


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
    node = "; the agent of a registered node asks with its registration all the same" if _registered(site) else ""
    if found.winner and found.winner != "shared-file" and _registered(site):
        return warned(
            f"for root {found.winner} wins over what the agent shares", *shadowed, *sources,
            remedy="Programs of root use other credentials than the node's; take them out if that is not meant",
            command="fingerprint credentials order",
        )  # fmt: skip
    winner = f"for root {found.winner} wins" if found.winner else "for root none is there without the network"
    return passed(winner + node, *shadowed, *sources)


def _root_order(site: Site) -> Order:
    environ: Mapping[str, str] | None = None
    if site.root == "/" and sys.platform != "win32" and os.geteuid() == 0:
        environ = os.environ
    home = "/var/root" if site.machine.platform == "macos" else "/root"
    return credential_order("root", home, environ, root=site.root)


def _registered(site: Site) -> bool:
    from fingerprint.errors import VaultError

    try:
        return site.registered
    except VaultError:
        return False


def files(site: Site) -> Finding:
    """Whether others may read files with credentials, and whether those of earlier versions were left behind."""
    if site.machine.platform == "windows":
        return skipped("access lists of Windows are not looked at")
    told = _agent_credentials(site)
    shared = told.file if told is not None and not isinstance(told, OSError) else ""
    root_home = "/var/root" if site.machine.platform == "macos" else "/root"
    paths = [
        path for path in dict.fromkeys((shared, f"{root_home}/.aws/credentials", site.places.host_management)) if path
    ]
    statuses: dict[str, FileStatus] = {}
    unread: list[tuple[str, OSError]] = [(site.places.identity, told)] if isinstance(told, OSError) else []
    for path in paths:
        try:
            statuses[path] = _status(site, path)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            unread.append((_printable(path), error))
    seen = [f"{_printable(path)}: mode {status.mode:04o}" for path, status in statuses.items()]
    readable = {path: _who_may(status.mode) for path, status in statuses.items() if status.kind == "file"}
    readable = {path: who for path, who in readable.items() if who}
    if readable:
        clauses = [
            f"{who} the keys in {', '.join(_printable(path) for path, one in readable.items() if one == who)}"
            for who in dict.fromkeys(readable.values())
        ]
        # What would move the cursor is not offered to be typed.
        typed = all(path.isprintable() for path in readable)
        return failed("; ".join(clauses), *seen, remedy="Take that right away; the agent keeps the mode that it finds",
                      command=f"chmod 600 {' '.join(map(shlex.quote, readable))}" if typed else "")  # fmt: skip
    if unread:
        path, problem = unread[0]
        return unknown(f"{path}: {problem.strerror}", *seen, remedy=_remedy(site, problem))
    if site.places.host_management in statuses and _registered(site):
        return warned(
            f"{site.places.host_management} is of the default host management role, which a registered node has not",
            "agents 3.2 left it behind", *seen, remedy="Remove it, once no agent of 3.2 runs",
        )  # fmt: skip
    return passed("only root reads them" if seen else "there are none", *seen)


def _status(site: Site, path: str) -> FileStatus:
    """Return the status of a file. Raises OSError, also for a text that can be no path."""
    if "\0" not in path:
        try:
            return site.machine.status(path)
        except ValueError:
            pass
    raise OSError(errno.EINVAL, "it can be no path of a file", path)


def _who_may(mode: int) -> str:
    """Return who beside the owner may do what with a file of a mode, "" for nobody."""
    for who, bits in (("others", mode & 6), ("the group", mode >> 3 & 6)):
        if bits:
            return f"{who} may {_MAY[bits]}"
    return ""
