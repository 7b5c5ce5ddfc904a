"""Credentials: when the agent last got some, what shadows what, who may read them, and the account of sessions."""

from __future__ import annotations

import os
import re
import sys

from fingerprint.credentials.order import State, credential_order, parse_agent_credentials
from fingerprint.diagnose.results import failed, passed, skipped, unknown, warned

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from fingerprint.credentials.order import AgentCredentials, Order
    from fingerprint.diagnose.results import Finding
    from fingerprint.diagnose.site import Site

USER = "ssm-user"
SUDOERS = "/etc/sudoers.d/ssm-agent-users"
_SUDOERS_MODE = 0o440
_OTHERS_MAY = 0o077
# The lines that the agent itself writes.
_RULE = f"{USER} ALL=(ALL) NOPASSWD:ALL"
_NOLOGIN = ("/usr/bin/false", "/bin/false", "/usr/sbin/nologin", "/sbin/nologin")
_ADMINISTRATORS = re.compile(rf"^\s*{USER}\s*$", re.MULTILINE)


def last(site: Site) -> Finding:
    """When the agent last got credentials, and whether they are still of use."""
    told = _agent_credentials(site)
    if told is None:
        return skipped("the agent got no credentials since it was installed", f"no {site.places.identity}")
    if isinstance(told, OSError):
        return unknown(f"{site.places.identity}: {told.strerror}", remedy="Run it as root")
    expired = told.expired(site.machine.now())
    where = f"in {told.file}, profile {told.profile}" if told.file else "not shared"
    evidence = (f"retrieved {told.retrieved_at}", f"expiring {told.expires_at}", where)
    if expired is None:
        return skipped("it does not tell when they expire", *evidence)
    if expired:
        return failed(
            f"the last credentials expired at {told.expires_at}, and no new ones came", *evidence,
            remedy="See `waiting` for why", tag="expired",
        )  # fmt: skip
    return passed(f"got at {told.retrieved_at}, good until {told.expires_at}", where)


def _agent_credentials(site: Site) -> AgentCredentials | OSError | None:
    try:
        return parse_agent_credentials(site.machine.read_file(site.places.identity))
    except FileNotFoundError:
        return None
    except OSError as error:
        return error


def order(site: Site) -> Finding:
    """Which source of credentials root's programs take, and what it shadows."""
    if site.recorded:
        return skipped("a recording holds no files of credentials")
    found = _root_order(site)
    shadowed = [f"{one.name} is shadowed by {one.shadowed_by}" for one in found.sources if one.shadowed_by]
    sources = [f"{one.name}: {one.state}{f' ({one.reason})' if one.reason else ''}" for one in found.sources]
    unread = next((one for one in found.sources if one.state == State.UNREADABLE), None)
    if unread is not None and not found.winner and not found.findings:
        return unknown(f"{unread.where}: {unread.reason}", *sources, remedy="Run it as root")
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
    root = getattr(site.machine, "root", "/")
    environ: Mapping[str, str] | None = None
    if root == "/" and sys.platform != "win32" and os.geteuid() == 0:
        environ = os.environ
    home = "/var/root" if site.machine.platform == "macos" else "/root"
    return credential_order("root", home, environ, root=root)


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
    readable, seen = [], []
    for path in paths:
        try:
            status = site.machine.status(path)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            return unknown(f"{path}: {error.strerror}", remedy="Run it as root")
        seen.append(f"{path}: mode {status.mode:04o}")
        if status.mode & _OTHERS_MAY and status.kind == "file":
            readable.append(path)
    if readable:
        return failed(f"others may read the keys in {', '.join(readable)}", *seen,
                      remedy="Take that right away; the agent keeps the mode that it finds",
                      command=f"chmod 600 {' '.join(readable)}")  # fmt: skip
    if site.places.host_management in [path.partition(":")[0] for path in seen] and _registered(site):
        return warned(
            f"{site.places.host_management} is of the default host management role, which a registered node has not",
            "agents 3.2 left it behind", *seen, remedy="Remove it, once no agent of 3.2 runs",
        )  # fmt: skip
    return passed("only root reads them" if seen else "there are none", *seen)


def session_user(site: Site) -> Finding:
    """The account that sessions run as, and what it may do."""
    if site.machine.platform == "windows":
        return _windows_user(site)
    try:
        accounts = site.machine.read_file("/etc/passwd", 1024 * 1024).decode("utf-8", "replace")
    except OSError as error:
        return skipped(f"/etc/passwd is not told ({error.strerror})")
    account = next((line for line in accounts.splitlines() if line.startswith(f"{USER}:")), None)
    text, status = "", None
    try:
        status = site.machine.status(SUDOERS)
        text = site.machine.read_file(SUDOERS).decode("utf-8", "replace")
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        return unknown(f"{SUDOERS}: {error.strerror}", remedy="Run it as root")
    if account is None:
        if status is not None:
            return warned(f"{SUDOERS} is there, and no account {USER}: the next one of that name may do anything",
                          remedy="Remove the file", command=f"rm {SUDOERS}")  # fmt: skip
        return skipped(f"there is no {USER}; the agent makes it when the first session starts")
    shell = account.rpartition(":")[2]
    if status is None:
        return passed(f"{USER} is there, and no sudoers file of the agent", f"shell {shell}",
                      "its sessions may not use sudo, unless another file lets them")  # fmt: skip
    rules = [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]
    evidence = [f"{SUDOERS}: mode {status.mode:04o}, owner {status.uid}", *rules, f"shell {shell}"]
    if status.uid != 0 or status.mode & 0o022:
        return failed(f"others than root may change {SUDOERS}", *evidence, remedy="Give it to root alone",
                      command=f"chown root:root {SUDOERS} && chmod 440 {SUDOERS}")  # fmt: skip
    strangers = [rule for rule in rules if rule.split()[:1] != [USER] and not rule.startswith("Defaults")]
    if strangers:
        return warned(f"{SUDOERS} gives rights to others than {USER}", *evidence,
                      remedy="Keep such rules in a file of their own: the agent may replace this one")  # fmt: skip
    if status.mode != _SUDOERS_MODE:
        return warned(f"{SUDOERS} has mode {status.mode:04o} in place of 0440: sudo may refuse it", *evidence,
                      remedy="Mend it", command=f"chmod 440 {SUDOERS}")  # fmt: skip
    may = "anything without a password, as the agent sets it up" if _RULE in rules else "what its rules say"
    locked = f"; its shell {shell} lets nobody log in" if shell in _NOLOGIN and site.machine.platform == "linux" else ""
    return passed(f"{USER} may do {may}{locked}", *evidence)


def _windows_user(site: Site) -> Finding:
    folder = site.machine.windows_folder()
    net = rf"{folder}\System32\net.exe"
    account, group = site.run((net, "user", USER), (net, "localgroup", "Administrators"))
    if account.problem == "not-recorded":
        return skipped("the recording does not tell")
    if account.problem:
        return unknown(f"net user: {account.problem}")
    if not account.succeeded:
        return skipped(f"there is no {USER}; the agent makes it when the first session starts (not on controllers)")
    members = group.stdout.decode("utf-8", "replace")
    if group.succeeded and not _ADMINISTRATORS.search(members):
        return passed(f"{USER} is there, and no administrator")
    return passed(f"{USER} is an administrator, as the agent sets it up")
