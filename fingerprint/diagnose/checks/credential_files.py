"""Files with credentials: who beside root, SYSTEM and administrators may read or change them.

Source: AWS's page "Learn technical details about the SSM Agent" (docs/aws-page.md, statements 1 to 3). Access control
lists were looked at in recordings only, not on Windows.
"""

from __future__ import annotations

import errno
import shlex
import stat

from fingerprint._io.text import printable
from fingerprint._io.windows_acl import others_in
from fingerprint.collectors.recipes import version_of
from fingerprint.diagnose.checks.credentials import agent_credentials, is_registered, remedy_for
from fingerprint.diagnose.result import failed, passed, skipped, unknown, warned

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from fingerprint.diagnose.context import Site
    from fingerprint.diagnose.result import Finding
    from fingerprint.machine.base import FileStatus

    _T = TypeVar("_T")

# What the bits of a mode let somebody do with a file.
_MAY = {4: "read", 2: "change", 6: "read and change"}
# Agents 3.2 keep them there.
_KEEPS = (3, 2)
_ROLE = "the default host management role"


def files(site: Site) -> Finding:
    """Whether others may read files with credentials, and whether those of earlier versions were left behind."""
    told = agent_credentials(site)
    shared = told.file if told is not None and not isinstance(told, OSError) else ""
    unread = [(site.paths.identity, told)] if isinstance(told, OSError) else []
    look = _on_windows if site.machine.platform == "windows" else _on_unix
    return look(site, shared, unread)


def _conclude(
    site: Site, seen: dict[str, str], unread: list[tuple[str, OSError]], nobody_else: str, command: str
) -> Finding:
    """Return what is found where nobody else may read what could be looked at.

    Args:
        site: what is looked at.
        seen: path -> what is told of it, as evidence.
        unread: what could not be looked at, and why.
        nobody_else: who alone reads them.
        command: what removes a file, with "{}" for its path.
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
            f"{left} is of {_ROLE}, which a registered node has not", "agents 3.2 left it behind", *seen.values(),
            remedy="Remove it, once no agent of 3.2 runs" if keeps else "Remove it: this agent does not use it",
            command="" if keeps else command.format(left),
        )  # fmt: skip
    of_role = (f"{left} is of {_ROLE}: agents 3.2 keep its credentials there",) if left else ()
    return passed(nobody_else if seen else "there are none", *seen.values(), *of_role)


def _host_management(site: Site) -> tuple[str, ...]:
    """Return where credentials of the default host management role may be."""
    return tuple(filter(None, (site.paths.host_management, site.paths.other_host_management)))


def _asked(path: str, question: Callable[[str], _T]) -> _T:
    """Return what a machine answers of a file. Raises OSError, also for a text that can be no path."""
    if "\0" not in path:
        try:
            return question(path)
        except ValueError:
            pass
    raise OSError(errno.EINVAL, "it can be no path of a file", path)


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
        # What would move the cursor is not offered to be typed.
        typed = all(path.isprintable() for path in readable)
        foreign = [path for path in readable if path in of_root and statuses[path].uid]
        words = " ".join(map(shlex.quote, readable))
        owner = f"chown 0:0 {' '.join(map(shlex.quote, foreign))} && " if foreign else ""
        return failed("; ".join(clauses), *seen.values(),
                      remedy="Take that right away; the agent keeps the mode that it finds",
                      command=f"{owner}chmod 600 {words}" if typed else "")  # fmt: skip
    open_ = [folder for path in statuses if path in of_root and _is_open(site, folder := path.rpartition("/")[0])]
    if open_:
        command = f"chmod go-w {' '.join(map(shlex.quote, open_))}"
        return failed(f"others may replace the files in {', '.join(open_)}", *seen.values(),
                      remedy="Take that right away", command=command)  # fmt: skip
    return _conclude(site, seen, unread, "only root reads them", "rm {}")


def _is_open(site: Site, folder: str) -> bool:
    """Return whether others than its owner may replace the files in a directory; what is not known counts as no."""
    try:
        mode = site.machine.status(folder).mode
    except OSError:
        return False
    return bool(mode & 0o022) and not mode & stat.S_ISVTX


def _owner(status: FileStatus) -> str:
    return f", owner {status.uid}" if status.uid else ""


def _who_may(status: FileStatus, of_root: bool) -> str:
    """Return who beside root may do what with a file, "" for nobody.

    Args:
        status: of the file.
        of_root: whether it must belong to root; a file that somebody named for the agent to share may not.
    """
    for who, bits in (("others", status.mode & 6), ("the group", status.mode >> 3 & 6)):
        if bits:
            return f"{who} may {_MAY[bits]}"
    return f"its owner {status.uid} may read and change" if of_root and status.uid else ""


# Windows.


def _on_windows(site: Site, shared: str, unread: list[tuple[str, OSError]]) -> Finding:
    # The agent runs as SYSTEM, whose profile this is.
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
    open_to = {path: [text for text, _ in others_in(one)] for path, one in lists.items()}
    open_to = {path: texts for path, texts in open_to.items() if texts}
    if open_to:
        text = "; ".join(f"{printable(path)}: {', '.join(map(printable, texts))}" for path, texts in open_to.items())
        typed = all(path.isprintable() for path in open_to)
        return failed(f"others than SYSTEM and administrators have the keys: {text}", *seen.values(),
                      remedy="Let SYSTEM and administrators in, and nobody else",
                      command="; ".join(map(_close, open_to)) if typed else "")  # fmt: skip
    return _conclude(site, seen, unread, "only SYSTEM and administrators read them", "Remove-Item -LiteralPath '{}'")


def _close(path: str) -> str:
    """Return the command of PowerShell that gives a file to administrators and SYSTEM alone, whatever it has now."""
    quoted = "'" + path.replace("'", "''") + "'"
    everybody = f"icacls {quoted} /setowner '*S-1-5-32-544'; icacls {quoted} /reset"
    return f"{everybody}; icacls {quoted} /inheritance:r /grant:r '*S-1-5-32-544:F' '*S-1-5-18:F'"
