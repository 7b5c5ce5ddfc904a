"""Check the account of sessions: whether it exists, its rights, and what an uninstall left.

Sources: AWS's page "Learn technical details about the SSM Agent" (docs/aws-page.md, statements 9 to 14) and the agent's
own code. The commands for Windows were not run on Windows.
"""

from __future__ import annotations

import errno
import re

from fingerprint.agent.logs import NO_CHANNEL
from fingerprint.agent.paths import SESSION_USER, SUDOERS
from fingerprint.agent.versions import Row, row_since
from fingerprint.diagnose.checks.releases import UPDATE
from fingerprint.diagnose.result import failed, passed, skipped, unknown, warned
from fingerprint.machine.base import ACCOUNTS, GROUPS, PASSWORDS
from fingerprint.machine.wmi import powershell_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.diagnose.context import Site
    from fingerprint.diagnose.result import Finding
    from fingerprint.machine.base import FileStatus
    from fingerprint.machine.processes import CommandResult

USER = SESSION_USER
_ID = "/usr/bin/id"
# The accounts of macOS, where /etc/passwd is for single-user mode only.
_MAC_ACCOUNT = f"/var/db/dslocal/nodes/Default/users/{USER}.plist"
_FILE_LIMIT = 1024 * 1024
_SUDOERS_MODE = 0o440
# The line that the agent itself writes.
_RULE = f"{USER} ALL=(ALL) NOPASSWD:ALL"
_NOLOGIN = ("/usr/bin/false", "/bin/false", "/usr/sbin/nologin", "/sbin/nologin")
_RIGHTS = (
    "its role must allow ssmmessages:CreateControlChannel, CreateDataChannel, OpenControlChannel and OpenDataChannel, "
    "and ssm:UpdateInstanceInformation, as AmazonSSMManagedInstanceCore does"
)
_ALLOW = "Let its role open sessions (policy AmazonSSMManagedInstanceCore), then restart the agent"
# The service of a domain controller; the agent checks its state too.
_DIRECTORY_SERVICE = "NTDS"
# The error number for a missing account, in every language of `net`.
_NO_SUCH_USER = "2221"
# Prints the names of the groups of administrators and of domain administrators: Windows translates them, and `net`
# accepts only the translated names.
_GROUP_NAMES = (
    "[Console]::OutputEncoding = New-Object Text.UTF8Encoding $false; "
    f"$sid = (New-Object Security.Principal.NTAccount '{USER}').Translate([Security.Principal.SecurityIdentifier]); "
    "'S-1-5-32-544', \"$($sid.AccountDomainSid)-512\" | ForEach-Object { "
    "(New-Object Security.Principal.SecurityIdentifier $_).Translate([Security.Principal.NTAccount]).Value }"
)
_MEMBER = re.compile(rf"^[^\S\n]*(?:[^\\\s]{{1,256}}\\)?{USER}[^\S\n]*$", re.MULTILINE | re.IGNORECASE)
_GRANT = f'Add-ADGroupMember -Identity "$((Get-ADDomain).DomainSID)-512" -Members {USER}'
_MAKE = (
    f"New-ADUser -Name {USER} -SamAccountName {USER} -Enabled $true "
    f"-AccountPassword (Read-Host -AsSecureString -Prompt Password); {_GRANT}"
)


def account(site: Site) -> Finding:
    """Check the account of sessions and its rights."""
    return _on_windows(site) if site.machine.platform == "windows" else _on_unix(site)


def _made(row: Row) -> str:
    """Return when agents of a row create the account, as the end of a sentence."""
    if not row.session_user:
        return f"agents before {row_since('session_user', 'start')} do not create it"
    if row.session_user == "start":
        return "this agent creates it at its start, once its role allows Session Manager's channel"
    return "the agent creates it when the first session starts"


def _channel(site: Site) -> tuple[str, ...]:
    """Return the logged error with which the service denies sessions, () for none."""
    try:
        denied = site.timeline.beside.channel_denied
    except OSError:
        return ()
    return (site.quoted(denied),) if denied else ()


# Unix.


def _on_unix(site: Site) -> Finding:
    try:
        accounts = site.machine.read_file(ACCOUNTS, _FILE_LIMIT).decode("utf-8", "replace")
        entry = _entry_of(accounts)
        there = entry != "" or _known_elsewhere(site)
    except OSError as error:
        path = error.filename or ACCOUNTS
        if path == ACCOUNTS:
            return skipped(f"{path} cannot be read ({error.strerror})")
        return unknown(f"{path}: {error.strerror}", remedy=site.rights)
    text, status = "", None
    try:
        status = site.machine.status(SUDOERS)
        text = site.machine.read_file(SUDOERS).decode("utf-8", "replace")
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        return unknown(f"{SUDOERS}: {error.strerror}", remedy=site.rights)
    if not there:
        return _without_account(site, status)
    return _with_account(site, entry, status, text)


def _entry_of(accounts: str) -> str:
    """Return the line of the account in a file such as /etc/passwd, "" if there is none."""
    return next((line for line in accounts.splitlines() if line.startswith(f"{USER}:")), "")


def _known_elsewhere(site: Site) -> bool:
    """Return whether the account exists outside /etc/passwd. Raises OSError if that is unknown."""
    if site.machine.platform == "macos":
        try:
            site.machine.status(_MAC_ACCOUNT)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise OSError(error.errno, error.strerror, _MAC_ACCOUNT) from None
        return True
    if site.copied:
        return False
    # As the agent does: accounts may come from a directory service.
    [result] = site.run((_ID, USER))
    if result.problem not in ("", "not-found", "not-recorded"):
        # A directory service that timed out may still have the account.
        raise OSError(errno.EIO, result.problem, _ID)
    return result.succeeded


def _without_account(site: Site, sudoers: FileStatus | None) -> Finding:
    if sudoers is not None:
        gone = "the agent is gone, and left " if site.has_agent is False else ""
        text = f"{gone}{SUDOERS}" if gone else f"{SUDOERS} is there"
        return warned(f"{text}, and no account {USER}: the next account of that name gets all rights",
                      remedy="Remove the file", command=f"rm {SUDOERS}")  # fmt: skip
    if site.has_agent is False:
        return skipped(f"there is no {USER}, and no agent that creates it")
    denied = _channel(site)
    if denied:
        return warned(f"there is no {USER}, and no session starts: {NO_CHANNEL}", *denied, _RIGHTS, remedy=_ALLOW)
    return skipped(f"there is no {USER}; {_made(site.behaviour.row)}", _RIGHTS)


def _with_account(site: Site, entry: str, sudoers: FileStatus | None, text: str) -> Finding:
    rules = [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]
    password, about_password = _password(site, entry)
    shell = entry.rpartition(":")[2]
    evidence = [f"shell {shell}"] if shell else []
    evidence += _groups(site)
    if sudoers is not None:
        evidence = [f"{SUDOERS}: mode {sudoers.mode:04o}, owner {sudoers.uid}", *rules, *evidence]
    evidence += about_password
    if sudoers is not None and (sudoers.uid != 0 or sudoers.mode & 0o022):
        return failed(f"others than root may change {SUDOERS}", *evidence, remedy="Give it to root alone",
                      command=f"chown 0:0 {SUDOERS} && chmod 440 {SUDOERS}")  # fmt: skip
    if password == "empty":
        return failed(f"{USER} has an empty password: anyone who reaches a login can use it", *evidence,
                      remedy="Lock its password", command=f"usermod --lock {USER}")  # fmt: skip
    if site.has_agent is False:
        what = f"{USER}{f' and {SUDOERS}' * (sudoers is not None)}"
        return warned(f"the agent is gone, and left {what}: an uninstall does not remove them", *evidence,
                      remedy="Remove them, unless you will install an agent again",
                      command=_removal(site, sudoers is not None))  # fmt: skip
    strangers = [rule for rule in rules if rule.split()[:1] != [USER] and not rule.startswith("Defaults")]
    if strangers:
        return warned(f"{SUDOERS} gives rights to others than {USER}", *evidence,
                      remedy="Keep such rules in a file of their own: the agent may replace this one")  # fmt: skip
    if sudoers is not None and sudoers.mode != _SUDOERS_MODE:
        return warned(f"{SUDOERS} has mode {sudoers.mode:04o} in place of 0440: sudo may reject it", *evidence,
                      remedy="Fix its mode", command=f"chmod 440 {SUDOERS}")  # fmt: skip
    if password == "set":
        return warned(f"{USER} has a password, but the agent sets none on Linux", *evidence,
                      remedy="Lock it, unless somebody logs in with it", command=f"usermod --lock {USER}")  # fmt: skip
    denied = _channel(site)
    if denied:
        return warned(f"no session starts: {NO_CHANNEL}", *denied, _RIGHTS, *evidence, remedy=_ALLOW)
    if password == "denied":
        return unknown(f"unknown whether {USER} has a password", *evidence, remedy=site.rights)
    row = site.behaviour.row
    if sudoers is None:
        again = ("this agent writes it again",) if row.restores_sudoers else ()
        return passed(f"{USER} is there, and no sudoers file of the agent", *evidence, *again,
                      "its sessions may not use sudo, unless another file or a group lets them")  # fmt: skip
    may = "anything without a password, as the agent sets it up" if _RULE in rules else "what its rules say"
    locked = f"; its shell {shell} prevents logins" if shell in _NOLOGIN and site.machine.platform == "linux" else ""
    return passed(f"{USER} may do {may}{locked}", *evidence)


def _password(site: Site, account: str) -> tuple[str, list[str]]:
    """Return the state of its password ("none", "set", "empty", "denied" or "" if unknown) and the evidence.

    Args:
        site: the diagnosed site.
        account: its line in /etc/passwd, "" if there is none.
    """
    if site.machine.platform != "linux":
        return "", []
    fields = account.split(":")
    if len(fields) > 1 and fields[1] != "x":
        # The field decides; the system does not read the other file then.
        return _stored(ACCOUNTS, fields[1])
    try:
        text = site.machine.read_file(PASSWORDS, _FILE_LIMIT).decode("utf-8", "replace")
    except FileNotFoundError:
        # An old recording, or a system without that file.
        return "", []
    except OSError as error:
        return "denied", [f"{PASSWORDS}: {error.strerror}"]
    entry = _entry_of(text)
    if not entry:
        return "", [f"{PASSWORDS} has no line of it"]
    return _stored(PASSWORDS, entry.split(":")[1])


def _stored(path: str, password: str) -> tuple[str, list[str]]:
    if not password:
        return "empty", [f"{path}: an empty password"]
    return ("none", ["it has no password"]) if password[0] in "!*" else ("set", [f"{path}: a password"])


def _groups(site: Site) -> list[str]:
    """Return its groups, as evidence: they may have more rights than the account."""
    try:
        text = site.machine.read_file(GROUPS, _FILE_LIMIT).decode("utf-8", "replace")
    except OSError:
        return []
    fields = [line.split(":") for line in text.splitlines()]
    names = [one[0] for one in fields if len(one) > 3 and USER in one[3].split(",")]
    return [f"groups: {', '.join(names)}"] if names else []


def _removal(site: Site, sudoers: bool) -> str:
    """Return the command that removes what an uninstall left, the sudoers file first."""
    if site.machine.platform == "macos":
        return f"{f'sudo rm {SUDOERS} && ' * sudoers}sudo sysadminctl -deleteUser {USER}"
    remove = f"pw userdel {USER} -r" if site.machine.platform == "freebsd" else f"userdel -r {USER}"
    return f"{f'rm {SUDOERS} && ' * sudoers}{remove}"


# Windows.


def _on_windows(site: Site) -> Finding:
    net = rf"{site.machine.windows_directory()}\System32\net.exe"
    [account] = site.run((net, "user", USER))
    if account.problem == "not-recorded":
        return skipped("not in the recording")
    if account.problem:
        return unknown(f"net user: {account.problem}")
    controller, row = _is_controller(site), site.behaviour.row
    if not account.succeeded:
        if not _says_missing(account):
            return unknown(f"net user {USER} ended with {account.returncode}", *_said(account), remedy=site.rights)
        return _absent_on_windows(site, controller, row)
    if site.has_agent is False:
        return warned(f"the agent is gone, and left {USER}: an uninstall does not remove it",
                      remedy="Remove it, unless you will install an agent again",
                      command=f"net user {USER} /delete")  # fmt: skip
    denied = _channel(site)
    administrator, about = _is_administrator(site, net, controller)
    evidence = (*about, "a new password is set at each session")
    if controller and row.session_user == "start":
        return warned(
            f"this agent creates {USER} at each start, on this domain controller as an administrator of the domain",
            *evidence, f"from {row_since('session_user', 'session')} on it does not create it there", remedy=UPDATE,
        )  # fmt: skip
    if denied:
        return warned(f"no session starts: {NO_CHANNEL}", *denied, _RIGHTS, *evidence, remedy=_ALLOW)
    if administrator is None:
        return unknown(f"unknown whether {USER} is an administrator", *evidence, remedy=site.rights)
    if controller and not administrator:
        return warned(f"{USER} lacks a domain administrator's rights, which sessions on this domain controller need",
                      *evidence, remedy="Give it these rights", command=_GRANT)  # fmt: skip
    if controller:
        return passed(f"{USER} is there, made by hand for this domain controller, with an administrator's rights",
                      *evidence)  # fmt: skip
    if not administrator:
        return passed(f"{USER} exists and is not an administrator", *evidence)
    return passed(f"{USER} is an administrator, as the agent sets it up", *evidence)


def _absent_on_windows(site: Site, controller: bool, row: Row) -> Finding:
    if site.has_agent is False:
        return skipped(f"there is no {USER}, and no agent that creates it")
    if controller and row.session_user == "session":
        return warned(
            f"this is a domain controller: the agent does not create {USER} here, and no session starts without it",
            f"the service {_DIRECTORY_SERVICE} runs", _RIGHTS,
            remedy="Create it with the rights of a domain administrator", command=_MAKE,
        )  # fmt: skip
    denied = _channel(site)
    if denied:
        return warned(f"there is no {USER}, and no session starts: {NO_CHANNEL}", *denied, _RIGHTS, remedy=_ALLOW)
    return skipped(f"there is no {USER}; {_made(row)} (not on domain controllers)", _RIGHTS)


def _is_controller(site: Site) -> bool:
    try:
        return site.machine.service_state(_DIRECTORY_SERVICE) == "running"
    except OSError:
        # As the agent does.
        return False


def _says_missing(account: CommandResult) -> bool:
    said = "".join(_said(account))
    return _NO_SUCH_USER in said or not said


def _said(result: CommandResult) -> tuple[str, ...]:
    text = " ".join((result.stdout.decode("utf-8", "replace") + " " + result.stderr).split())
    return (text[:300],) if text else ()


def _is_administrator(site: Site, net: str, controller: bool) -> tuple[bool | None, tuple[str, ...]]:
    """Return whether the account is an administrator, None if unknown, and the evidence."""
    powershell = powershell_path(site.machine.windows_directory())
    [names] = site.run((powershell, "-NoProfile", "-NonInteractive", "-Command", _GROUP_NAMES))
    lines = [line.strip().rpartition("\\")[2] for line in names.stdout.decode("utf-8", "replace").splitlines()]
    local, *domain = [name for name in lines if name] or ["Administrators"]
    questions: list[tuple[str, ...]] = [(net, "localgroup", local)]
    if controller:
        questions.append((net, "group", domain[0] if domain else "Domain Admins", "/domain"))
    answers = site.run(*questions)
    for result in answers:
        if result.succeeded and _MEMBER.search(result.stdout.decode("utf-8", "replace")):
            return True, (f"a member of {result.argv[2]}",)
    silent = [result for result in answers if not result.succeeded]
    if silent:
        why = [f"{' '.join(one.argv[1:])}: {one.problem or f'exit code {one.returncode}'}" for one in silent]
        return None, (*why, *(said for one in silent for said in _said(one)))
    return False, tuple(f"no member of {result.argv[2]}" for result in answers)
