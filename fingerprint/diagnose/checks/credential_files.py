"""Check who may read or change files with credentials, besides root, SYSTEM and administrators.

Source: AWS's page "Learn technical details about the SSM Agent" (docs/aws-page.md, statements 1 to 3). Access control
lists were tested with recordings only, not on Windows.
"""

from __future__ import annotations

import errno
import shlex
import stat

from fingerprint._io.text import printable
from fingerprint._io.windows_acl import others_in
from fingerprint.collectors.recipes import version_of
from fingerprint.diagnose.checks.agent import restart_command
from fingerprint.diagnose.checks.credentials import agent_credentials, is_registered, remedy_for
from fingerprint.diagnose.result import Outcome, failed, passed, skipped, unknown, warned

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from fingerprint.diagnose.context import Site
    from fingerprint.diagnose.result import Finding
    from fingerprint.machine.base import FileStatus

    _T = TypeVar("_T")

# Tag of a missing file of shared credentials.
GONE = "gone"
# Permissions of the bits of a mode.
_MAY = {4: "read", 2: "change", 6: "read and change"}
# Agents 3.2 store them there.
_KEEPS = (3, 2)
_ROLE = "the default host management role"


def files(site: Site) -> Finding:
    """Check that others cannot read files with credentials, and that earlier versions left none."""
    credentials = agent_credentials(site)
    shared = credentials.file if credentials is not None and not isinstance(credentials, OSError) else ""
    unread = [(site.paths.identity, credentials)] if isinstance(credentials, OSError) else []
    check = _on_windows if site.machine.platform == "windows" else _on_unix
    found = check(site, shared, unread)
    return found if found.outcome in (Outcome.FAIL, Outcome.WARN) else _gone(site) or found


def _gone(site: Site) -> Finding | None:
    """Return that a recording lacks the file in which the agent shares its credentials; None if it does not.

    Where credentials can be read the check of their order reports it.
    """
    if not site.recorded:
        return None
    credentials = agent_credentials(site)
    if credentials is None or isinstance(credentials, OSError) or not credentials.file or not credentials.retrieved:
        return None
    try:
        _asked(credentials.file, site.machine.status)
        return None
    except (FileNotFoundError, NotADirectoryError):
        if not site.machine.knows_status(credentials.file):
            return None
    except OSError:
        return None
    return failed(
        f"the agent shares its credentials in {printable(credentials.file)}, and that file is missing: its workers, "
        f"and programs that use profile {printable(credentials.profile)}, get none",
        f"{site.paths.identity}: written at {printable(credentials.retrieved_at)}",
        remedy="Restart the agent: it writes the file again", command=restart_command(site), tag=GONE,
    )  # fmt: skip


def _conclude(
    site: Site, seen: dict[str, str], unread: list[tuple[str, OSError]], nobody_else: str, command: str
) -> Finding:
    """Return the finding if nobody else may read the files that could be checked.

    Args:
        site: the diagnosed site.
        seen: path -> its evidence.
        unread: paths that could not be checked, with the error.
        nobody_else: who alone may read them, as a sentence.
        command: command that removes a file, with "{}" for its path.
    """
    if unread:
        path, problem = unread[0]
        return unknown(
            f"{printable(path)}: {problem.strerror or problem}", *seen.values(), remedy=remedy_for(site, problem)
        )
    left = next((path for path in _host_management(site) if path in seen), "")
    if left and is_registered(site):
        keeps = version_of(site.version)[:2] == _KEEPS or not version_of(site.version)
        return warned(
            f"{left} belongs to {_ROLE}, which a registered node does not use", "agents 3.2 left it", *seen.values(),
            remedy="Remove it once no agent 3.2 runs" if keeps else "Remove it: this agent does not use it",
            command="" if keeps else command.format(left),
        )  # fmt: skip
    of_role = (f"{left} belongs to {_ROLE}: agents 3.2 store its credentials there",) if left else ()
    return passed(nobody_else if seen else "there are no such files", *seen.values(), *of_role)


def _host_management(site: Site) -> tuple[str, ...]:
    """Return the paths of credentials of the default host management role."""
    return tuple(filter(None, (site.paths.host_management, site.paths.other_host_management)))


def _asked(path: str, question: Callable[[str], _T]) -> _T:
    """Return the answer to a question about a file. Raises OSError, also for an invalid path."""
    if "\0" not in path:
        try:
            return question(path)
        except ValueError:
            pass
    raise OSError(errno.EINVAL, "not a valid path", path)


# Unix.


def _on_unix(site: Site, shared: str, unread: list[tuple[str, OSError]]) -> Finding:
    of_root = (site.paths.shared_credentials, *_host_management(site))
    statuses: dict[str, FileStatus] = {}
    for path in dict.fromkeys((shared, *of_root)):
        try:
            if path:
                statuses[path] = _asked(path, site.machine.status)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            unread.append((path, error))
    seen = {path: f"{printable(path)}: mode {one.mode:04o}{_owner(one)}" for path, one in statuses.items()}
    readable = {
        path: _who_may(one, path in of_root) for path, one in statuses.items() if one.kind == "file"
    }  # fmt: skip
    readable = {path: who for path, who in readable.items() if who}
    if readable:
        clauses = [
            f"{who} the keys in {', '.join(printable(path) for path, one in readable.items() if one == who)}"
            for who in dict.fromkeys(readable.values())
        ]
        # A path that would move the cursor is not put into a command.
        typed = all(path.isprintable() for path in readable)
        foreign = [path for path in readable if path in of_root and statuses[path].uid]
        words = " ".join(map(shlex.quote, readable))
        owner = f"chown 0:0 {' '.join(map(shlex.quote, foreign))} && " if foreign else ""
        return failed("; ".join(clauses), *seen.values(),
                      remedy="Remove that permission; the agent keeps the mode that it finds",
                      command=f"{owner}chmod 600 {words}" if typed else "")  # fmt: skip
    parents = (path.rpartition("/")[0] for path in statuses if path in of_root)
    open_ = [directory for directory in parents if _is_open(site, directory)]
    if open_:
        command = f"chmod go-w {' '.join(map(shlex.quote, open_))}"
        return failed(f"others may replace the files in {', '.join(open_)}", *seen.values(),
                      remedy="Remove that permission", command=command)  # fmt: skip
    return _conclude(site, seen, unread, "only root may read them", "rm {}")


def _is_open(site: Site, directory: str) -> bool:
    """Return whether others than its owner may replace the files in a directory; False if unknown."""
    try:
        mode = site.machine.status(directory).mode
    except OSError:
        return False
    return bool(mode & 0o022) and not mode & stat.S_ISVTX


def _owner(status: FileStatus) -> str:
    return f", owner {status.uid}" if status.uid else ""


def _who_may(status: FileStatus, of_root: bool) -> str:
    """Return who besides root may do what with a file, "" for nobody.

    Args:
        status: status of the file.
        of_root: whether it must belong to root; the file named for sharing need not.
    """
    for who, bits in (("others", status.mode & 6), ("the group", status.mode >> 3 & 6)):
        if bits:
            return f"{who} may {_MAY[bits]}"
    return f"its owner {status.uid} may read and change" if of_root and status.uid else ""


# Windows.


def _on_windows(site: Site, shared: str, unread: list[tuple[str, OSError]]) -> Finding:
    # The profile of SYSTEM, as which the agent runs.
    profile = rf"{site.machine.windows_directory()}\{site.paths.shared_credentials}"
    lists: dict[str, str] = {}
    for path in dict.fromkeys((shared, profile, *_host_management(site))):
        try:
            if path:
                lists[path] = _asked(path, site.machine.access_list)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            if error.errno == errno.ENODATA and site.recorded:
                return skipped("the recording has no access control lists")
            unread.append((path, error))
    seen = {path: f"{printable(path)}: {printable(one)}" for path, one in lists.items()}
    open_to = {path: [right for right, _ in others_in(one)] for path, one in lists.items()}
    open_to = {path: rights for path, rights in open_to.items() if rights}
    if open_to:
        text = "; ".join(f"{printable(path)}: {', '.join(map(printable, rights))}" for path, rights in open_to.items())
        typed = all(path.isprintable() for path in open_to)
        return failed(f"others than SYSTEM and administrators have rights to the keys: {text}", *seen.values(),
                      remedy="Allow only SYSTEM and administrators",
                      command="; ".join(map(_close, open_to)) if typed else "")  # fmt: skip
    nobody_else = "only SYSTEM and administrators may read them"
    return _conclude(site, seen, unread, nobody_else, "Remove-Item -LiteralPath '{}'")


def _close(path: str) -> str:
    """Return the PowerShell command that gives a file to administrators and SYSTEM alone, whatever its list is."""
    quoted = "'" + path.replace("'", "''") + "'"
    everybody = f"icacls {quoted} /setowner '*S-1-5-32-544'; icacls {quoted} /reset"
    return f"{everybody}; icacls {quoted} /inheritance:r /grant:r '*S-1-5-32-544:F' '*S-1-5-18:F'"
