"""`fingerprint guard install`, `uninstall` and `status`: the drop-ins that run `guard` before the agent starts."""

from __future__ import annotations

import os
import sys

from fingerprint._io.permissions import is_root
from fingerprint._io.text import printable
from fingerprint.agent.paths import UNITS
from fingerprint.answers.guard_units import guard_install_answer, guard_status_answer, guard_uninstall_answer
from fingerprint.cli.commands.guard_files import again, command_of, write_guard_files
from fingerprint.cli.conclusion import print_row
from fingerprint.cli.context import machine_of, vault_of
from fingerprint.cli.guard_files import NAMES
from fingerprint.cli.output import colored, folded, print_json, step, write, write_data
from fingerprint.cli.service_files import is_of_host, service_path, system_named, this_program
from fingerprint.errors import (
    EXIT_CANNOT_TELL,
    EXIT_DIFFERS,
    EXIT_OK,
    FingerprintError,
    InputError,
    Refused,
    UsageError,
)
from fingerprint.guard import last_run
from fingerprint.guard_units import drop_in, manager
from fingerprint.guard_units.drop_in import DropInState
from fingerprint.guard_units.first_evidence import FirstEvidence, take_first_evidence
from fingerprint.guard_units.reinstall import limit_for
from fingerprint.guard_units.status import UnitStatus, status_of, vault_of_unit
from fingerprint.vault.locations import known_as, named_vault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.cli.parser import Arguments
    from fingerprint.guard import GuardRun
    from fingerprint.guard_units.drop_in import DropIn
    from fingerprint.machine.base import Machine

_RELOAD = "systemctl daemon-reload"
_WIDTH = 78
# Of the files in a printed command: a new one, in the current directory.
_DIRECTORY = "fingerprint-guard"
_WRITTEN, _REMOVED, _UNCHANGED, _MISSING = "written", "removed", "unchanged", "missing"


def run(arguments: Arguments) -> int:
    if arguments.snapshot is not None:
        raise UsageError("a recording holds no units", remedy="Leave --snapshot out, or name a copied disk with --root")
    if arguments.command.path == "guard install" and arguments.to is not None:
        return write_guard_files(arguments)
    if sys.platform != "linux":
        raise Refused(
            f"`{arguments.command.path}` requires systemd, which {sys.platform} does not have",
            remedy=_elsewhere(arguments),
        )  # fmt: skip
    if arguments.command.path == "guard install" and arguments.system not in (None, "systemd"):
        system = system_named(arguments.system)
        raise UsageError(
            "--system requires --to", where=f"--system {system}",
            remedy=f"Write the files: {again(arguments, to=_DIRECTORY)}",
        )  # fmt: skip
    return {"guard install": _install, "guard uninstall": _uninstall, "guard status": _status}[arguments.command.path](
        arguments
    )


def _elsewhere(arguments: Arguments) -> str:
    """Return what to do on a host without systemd."""
    if not any(map(is_of_host, NAMES)):
        return "Run `fingerprint guard --dry-run` to see what it decides here"
    installs = arguments.command.path == "guard install"
    command = again(arguments, to=_DIRECTORY) if installs else f"fingerprint guard install --to {_DIRECTORY}"
    return f"Write its files, and see the commands that install and remove them: {command}"


def _install(arguments: Arguments) -> int:
    machine, root = machine_of(arguments), arguments.root
    command = _command(machine, arguments)
    timeout = next((path for path in drop_in.TIMEOUTS if machine.exists(path)), "")
    if not timeout:
        raise Refused("the program timeout is missing", where=drop_in.TIMEOUTS[0], remedy="Install coreutils")
    units = drop_in.installed_units(machine)
    if not units:
        raise Refused(
            f"no unit of the agent is installed: {' or '.join(UNITS)}",
            remedy="Install the agent first, or name the disk that has it with --root",
        )  # fmt: skip
    version = manager.systemd_version(machine)
    if version is not None and version < manager.FIRST_SYSTEMD:
        raise Refused(
            f"systemd {version} does not know ExecCondition=; {manager.FIRST_SYSTEMD} is the first that does",
            remedy="Nothing was written. Upgrade systemd",
        )  # fmt: skip
    found = [drop_in.read_drop_in(root, unit) for unit in units]
    _require_ours(found, arguments, "replace")
    _require_time(machine, found, arguments)
    data = drop_in.content(command, timeout, arguments.limit)
    changes = []
    for one in found:
        current = drop_in.is_current(root, one.unit, data)
        if not current and not arguments.dry_run:
            drop_in.write_drop_in(root, one.unit, data)
        changes.append((one.unit, one.path, _UNCHANGED if current else _WRITTEN))
    reloaded, following = _reload(machine, arguments, found, changed=any(did == _WRITTEN for _, _, did in changes))
    evidence = _evidence(machine, arguments)
    if arguments.output == "json":
        print_json("guard install", guard_install_answer(
            root, changes, command, following, evidence, reloaded=reloaded, dry_run=arguments.dry_run
        ))  # fmt: skip
        return EXIT_OK
    _print_changes(changes, arguments)
    _print_command(command)
    if evidence.kept:
        print_row("Evidence", "kept: later runs compare the hardware with it")
    elif evidence.remedy:
        print_row("Evidence", printable(f"none ({evidence.why}), and no run of the guard takes it"))
        print_row("Do", printable(evidence.remedy))
    else:
        print_row("Evidence", printable(f"none yet ({evidence.why}); the first run that matches takes it"))
    _print_following(following, reloaded, arguments)
    return EXIT_OK


def _evidence(machine: Machine, arguments: Arguments) -> FirstEvidence:
    """Return the evidence of the record, taken if it has none. The drop-in is installed whatever fails here."""
    if arguments.root != "/":
        return FirstEvidence(False, "that disk does not run here")
    try:
        vault = vault_of(arguments)
    except FingerprintError as error:
        return FirstEvidence(False, f"{error.where}: {error.what}", error.remedy)
    return take_first_evidence(vault, machine, timeout=arguments.timeout, dry_run=arguments.dry_run)


def _uninstall(arguments: Arguments) -> int:
    machine, root = machine_of(arguments), arguments.root
    # Also of units that were removed since then.
    found = [drop_in.read_drop_in(root, unit) for unit in UNITS]
    _require_ours(found, arguments, "remove")
    changes = []
    for one in found:
        if one.state == DropInState.MISSING:
            changes.append((one.unit, one.path, _MISSING))
            continue
        if not arguments.dry_run:
            drop_in.remove_drop_in(root, one.unit)
        changes.append((one.unit, one.path, _REMOVED))
    removed = any(did == _REMOVED for _, _, did in changes)
    reloaded, following = _reload(machine, arguments, [], changed=removed)
    if arguments.output == "json":
        print_json("guard uninstall", guard_uninstall_answer(
            root, changes, following, reloaded=reloaded, dry_run=arguments.dry_run
        ))  # fmt: skip
        return EXIT_OK
    if not removed:
        write("Not installed: there is nothing to remove.")
        return EXIT_OK
    _print_changes([change for change in changes if change[2] == _REMOVED], arguments)
    _print_following(following, reloaded, arguments)
    return EXIT_OK


def _command(machine: Machine, arguments: Arguments) -> tuple[str, ...]:
    """Return the command of the drop-in: with the options of `guard`, and the vault that was named."""
    program = service_path("systemd", arguments.program or this_program(), "--program")
    try:
        status = machine.status(program)
    except OSError as error:
        raise UsageError(
            f"the program cannot be run before the agent ({error.strerror or error})", where=program,
            remedy="Name its path on that disk with --program",
        ) from None  # fmt: skip
    if status.kind != "file" or not status.mode & 0o111:
        raise UsageError(
            "the program cannot be run: it is no executable file", where=program, remedy="Name it with --program"
        )  # fmt: skip
    foreign = drop_in.replaceable(program) if arguments.root == "/" and is_root() else ""
    if foreign:
        raise Refused(
            "another user can replace the program, which root would run at each start", where=foreign,
            remedy="Install the program for root, such as in /opt or /usr/local, and name it with --program",
        )  # fmt: skip
    vault = arguments.vault or named_vault()
    if vault:
        vault = service_path("systemd", known_as(os.path.abspath(vault), arguments.root), "--vault")
    return command_of(arguments, program, vault)


def _require_ours(found: list[DropIn], arguments: Arguments, word: str) -> None:
    """Raise an error unless each drop-in is missing, ours, or ours with changes that were confirmed."""
    for one in found:
        if one.state == DropInState.UNREADABLE:
            raise InputError(
                f"the drop-in cannot be read ({one.why}); nothing was changed", where=one.path,
                remedy=drop_in.remedy_for(one.why, arguments.root),
            )  # fmt: skip
        if one.state == DropInState.FOREIGN:
            raise Refused(
                "the drop-in was not written by this program; nothing was changed", where=one.path,
                remedy="Move that file to another name",
            )  # fmt: skip
        if one.state == DropInState.EDITED and not arguments.yes:
            raise Refused(
                "the drop-in was edited; nothing was changed", where=one.path,
                remedy=f"To {word} it nevertheless: {again(arguments, yes=True)}",
            )  # fmt: skip


def _require_time(machine: Machine, found: list[DropIn], arguments: Arguments) -> None:
    """Raise Refused where systemd would end a start before the command ends itself."""
    takes = drop_in.longest(arguments.limit)
    for one in found:
        seconds = manager.loading_of(machine, one).seconds
        if seconds is not None and seconds <= takes:
            limit = limit_for(seconds)
            raise Refused(
                f"TimeoutStartSec= of {one.unit} is {seconds:g} s, and the command may take {takes} s",
                remedy="Nothing was written. " + (
                    f"Set it to more than {drop_in.longest(1)} s" if limit is None
                    else f"Name a shorter limit: {again(arguments, limit=limit)}"
                ),
            )  # fmt: skip


def _reload(machine: Machine, arguments: Arguments, found: list[DropIn], *, changed: bool) -> tuple[bool, list[str]]:
    """Let systemd read the files again if it has to, and return whether it did, and the commands to run next."""
    if not manager.manager_runs(arguments.root):
        return False, []
    if not changed and all(manager.loading_of(machine, one).loaded is not False for one in found):
        return False, []
    if arguments.dry_run:
        return False, [_RELOAD]
    why = manager.reload_systemd(machine)
    if why:
        raise InputError(
            f"the files are changed, but systemd did not read them again ({why})", where=_RELOAD,
            remedy="The agent starts as before until then. Repeat the command",
        )  # fmt: skip
    return True, []


def _print_changes(changes: list[tuple[str, str, str]], arguments: Arguments) -> None:
    for unit, path, did in changes:
        would = "Would be " if arguments.dry_run and did != _UNCHANGED else ""
        write(f"{f'{would}{did}'.capitalize()} for {unit}:")
        write(f"  {path}")


def _print_command(command: tuple[str, ...]) -> None:
    # Not folded, so that it can be copied; imported here, as only text has it.
    from shlex import join

    write_data(f"  {'Runs':9}{printable(join(command))}")


def _print_following(following: list[str], reloaded: bool, arguments: Arguments) -> None:
    if reloaded:
        print_row("systemd", "has read it; it applies from the next start of the agent on")
    elif arguments.root != "/":
        print_row("systemd", "of that disk reads it at its next boot")
    elif not manager.manager_runs("/"):
        print_row("systemd", "does not run here; it applies from the next boot on")
    for command in following:
        print_row("Then", command)


def _status(arguments: Arguments) -> int:
    machine, root = machine_of(arguments), arguments.root
    units = drop_in.installed_units(machine)
    # One of an agent that was removed is worth a line, too.
    units += tuple(
        unit for unit in UNITS if unit not in units and drop_in.read_drop_in(root, unit).state != DropInState.MISSING
    )
    found = [status_of(machine, root, unit, this_program(required=False)) for unit in units]
    last, problem = _last_run(machine, found, arguments)
    if arguments.output == "json":
        print_json("guard status", guard_status_answer(root, found, last))
    else:
        _print_status(found, last, problem, arguments)
    if not found or any(one.findings for one in found):
        return EXIT_DIFFERS
    return EXIT_CANNOT_TELL if any(one.unknown[0] for one in found) else EXIT_OK


def _last_run(machine: Machine, found: list[UnitStatus], arguments: Arguments) -> tuple[GuardRun | None, str]:
    """Return the last run whose decision was not "unchanged", and why it is unknown.

    It is that of the vault that the unit uses, whatever vault the operator works on.
    """
    installed = next((one.drop_in for one in found if one.drop_in.command), None)
    try:
        vault = vault_of(arguments) if installed is None else vault_of_unit(machine, arguments.root, installed)
        return last_run(vault), ""
    except FingerprintError as error:
        return None, error.what


def _print_status(found: list[UnitStatus], last: GuardRun | None, problem: str, arguments: Arguments) -> None:
    if not found:
        write(colored("The agent has no unit here: there is nothing to install for.", "doubt", arguments))
    for one in found:
        _print_unit(one, arguments)
    if problem:
        print_row("Last run", f"unknown: {printable(problem)}")
    elif last is None:
        print_row("Last run", "none that found a change")
    else:
        print_row("Last run", printable(f"{last.at}: {last.decision}: {last.why}"))


def _print_unit(one: UnitStatus, arguments: Arguments) -> None:
    head, color = f"Installed for {one.drop_in.unit}", "good"
    if one.findings:
        head, color = f"{one.drop_in.unit}: {one.findings[0][0]}", "bad"
    elif one.unknown[0]:
        head, color = f"{one.drop_in.unit}: {one.unknown[0]}", "doubt"
    for line in folded(printable(f"{head}."), _WIDTH):
        write(colored(line, color, arguments))
    print_row("Drop-in", one.drop_in.path)
    if one.drop_in.command:
        _print_command(one.drop_in.command)
    if one.decision:
        word = "its agent would not start" if one.blocks else "its agent may start"
        print_row("Now", printable(f"{one.decision}: {word}: {one.why}"))
    for text, _, _ in one.findings[1:]:
        print_row("Also", printable(text))
    for _, remedy, command in one.findings:
        what, command = step(remedy, command)
        print_row("Do", f"{what}: {command}" if command else what)
    if one.unknown[1] and not one.findings:
        print_row("Do", one.unknown[1])
