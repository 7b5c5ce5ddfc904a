"""The machine and the vault that a command line means."""

from __future__ import annotations

import os
import stat

from fingerprint._io.permissions import rights_remedy
from fingerprint.cli.options import GLOBAL, is_without_target
from fingerprint.errors import FingerprintError, UsageError
from fingerprint.vault import Vault
from fingerprint.vault.locations import VAULT_VARIABLE, named_vault, reference_vault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.cli.parser import Arguments
    from fingerprint.machine.base import Machine


# Whoever reads them says what they are for.
_CHECKED_APART = ("--root", "--snapshot")
# They print the same for every target.
_OF_THE_PROGRAM = ("completion", "help")


def check_target(arguments: Arguments) -> None:
    """Make sure, before anything else is done, that what --root, --snapshot and --vault name is there.

    The root of a copied disk becomes absolute, and a recorded machine is loaded.

    Raises:
        UsageError: it is not there, is something else, or the command reads no machine.
    """
    _refuse_no_path(arguments)
    if arguments.command.path in _OF_THE_PROGRAM:
        return
    if arguments.root != "/" and arguments.snapshot is not None:
        raise UsageError(
            "--root and --snapshot are mutually exclusive",
            remedy="Name a copied disk with --root, or a recorded machine with --snapshot",
        )
    if arguments.root != "/":
        arguments.root = _root(arguments.root)
    if arguments.snapshot is not None:
        _load(arguments)
    _refuse_unread(arguments)
    _require_directory_of_vault(arguments)


def _refuse_unread(arguments: Arguments) -> None:
    """Raise UsageError for a copied disk or a recorded machine that the command does not read."""
    command = arguments.command.path
    if command == "explain" and arguments.A is not None:
        command = "explain A B"
    elif not is_without_target(arguments.command):
        return
    for flag, named in (("--root", arguments.root), ("--snapshot", arguments.snapshot)):
        if named not in ("/", None):
            raise UsageError(f"`{command}` does not read {flag}", where=named, remedy=f"Leave {flag} out")


def _refuse_no_path(arguments: Arguments) -> None:
    """Raise UsageError for what should name a file or a directory, and is empty or a URL.

    Nothing is no default. A URL would become the name of a directory, with its password in messages and on the disk.
    """
    for option in (*GLOBAL, *arguments.command.options):
        if not option.files or option.flag in _CHECKED_APART:
            continue
        named = getattr(arguments, option.name)
        if named == "":
            raise UsageError(f"{option.flag} is empty", remedy=f"Name a {option.files}, or leave {option.flag} out")
        if option.flag != "--latest":
            _refuse_url(option.flag, named, option.files)
    _refuse_url(VAULT_VARIABLE, named_vault(), "directory")
    for name, kind, choices, _ in arguments.command.positionals:
        if kind == "text" and not choices:
            _refuse_url(name, getattr(arguments, name), "directory" if name == "DIR" else "file")


def _refuse_url(name: str, value: str | None, wanted: str) -> None:
    if value and "://" in value and value.partition("://")[0].isalnum() and not os.path.lexists(value):
        raise UsageError(f"{name} is a URL", where=value, remedy=f"Name a {wanted}")


def _root(named: str) -> str:
    remedy = "Name the directory where the copied disk is mounted, or leave --root out for this host"
    if not named:
        raise UsageError("--root is empty", remedy=remedy)
    try:
        # Links first, and then "..", as the system does it; two slashes in front are a root of its own to POSIX.
        root = os.path.realpath(named)
        root = root if os.name == "nt" else "/" + root.lstrip("/")
        os.scandir(root).close()
    except FileNotFoundError:
        raise UsageError("invalid --root: there is no such directory", where=named, remedy=remedy) from None
    except NotADirectoryError:
        raise UsageError("invalid --root: it is not a directory", where=named, remedy=remedy) from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        remedy = rights_remedy(copied=True) if isinstance(error, PermissionError) else remedy
        raise UsageError(f"invalid --root: it cannot be read ({why})", where=named, remedy=remedy) from None
    return root


def _load(arguments: Arguments) -> None:
    from fingerprint.machine.recorded import RecordedMachine

    if not arguments.snapshot:
        raise UsageError("--snapshot is empty", remedy="Name a file that `fingerprint snapshot FILE` wrote")
    try:
        arguments.recorded = RecordedMachine.load(arguments.snapshot)
    except FingerprintError as error:
        raise UsageError(f"invalid --snapshot: {error.what}", where=error.where, remedy=error.remedy) from None
    except ValueError as error:
        raise UsageError(f"invalid --snapshot: {error}", remedy="Name another file") from None


def _require_directory_of_vault(arguments: Arguments) -> None:
    """Raise UsageError where a command would write a vault that was named, and it cannot be made there.

    Also where `diagnose` would take a misspelled one for that of a host that is not registered.
    """
    named = arguments.vault or named_vault()
    if arguments.vault and arguments.command.path == "diagnose":
        _require_vault(arguments.vault)
    writes = any(option.flag == "--dry-run" for option in arguments.command.options)
    # Files for another system name a vault there.
    elsewhere = arguments.command.path == "guard install" and arguments.to is not None
    if not named or not writes or elsewhere or arguments.command.path.startswith("image "):
        return
    try:
        path = os.path.abspath(named)
        # The data directory of a vault is made with it: the registration file lies beside the vault.
        parent = os.path.dirname(os.path.dirname(path) if os.path.basename(path) == "Vault" else path)
    except OSError:
        # The current directory is gone; opening the vault reports that.
        return
    if not _is_text(named) and arguments.command.path in ("vault init", "register"):
        raise UsageError(
            "invalid --vault: the path is not valid UTF-8, and the vault's manifest has to name it", where=named,
            remedy="Nothing was written. Name another directory with --vault",
        )  # fmt: skip
    # The agent's own is named rightly, also where the agent was never installed.
    if path != reference_vault() and _is_missing(parent):
        raise UsageError(
            f"invalid --vault: there is no directory {parent} to hold it", where=named,
            remedy="Nothing was written. Create that directory, or name another vault with --vault",
        )  # fmt: skip


def _require_vault(named: str) -> None:
    """Raise UsageError for a vault that is not there; that of the agent may be missing, and is then its finding."""
    if os.path.abspath(named) != reference_vault() and _is_missing(named):
        raise UsageError(
            "invalid --vault: there is no such directory", where=named,
            remedy="Name the directory of a vault, or leave --vault out for that of the host",
        )  # fmt: skip


def _is_missing(directory: str) -> bool:
    """Return whether there is certainly no such directory; one that cannot be seen is reported when it is written."""
    try:
        return not stat.S_ISDIR(os.stat(directory).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False


def _is_text(path: str) -> bool:
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def machine_of(arguments: Arguments) -> Machine:
    """Return this host, a copied disk, or a recorded machine."""
    if arguments.recorded is not None:
        return arguments.recorded
    from fingerprint.machine.live import LiveMachine

    return LiveMachine(root=arguments.root)


def vault_of(arguments: Arguments) -> Vault:
    """Return the vault that --vault, the environment, --root or this host's state name."""
    return Vault.open(arguments.vault, root=arguments.root)
