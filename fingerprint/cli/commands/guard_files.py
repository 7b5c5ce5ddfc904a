"""`fingerprint guard install --to DIR`: write the files for macOS or Windows, and print how to install them."""

from __future__ import annotations

import os

from fingerprint.answers.guard_units import guard_files_answer
from fingerprint.cli.guard_files import NAMES, OPERATORS, guard_files, unverified
from fingerprint.cli.output import print_json, write, write_data
from fingerprint.cli.remedy_commands import quoted
from fingerprint.cli.service_files import is_of_host, service_path, system_named, this_program, write_files
from fingerprint.errors import EXIT_OK, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from fingerprint.cli.parser import Arguments


def write_guard_files(arguments: Arguments) -> int:
    """Write the files into the directory of the command line, and print the commands for them."""
    system = system_named(arguments.system)
    if arguments.root != "/":
        raise UsageError("--to and --root are mutually exclusive", remedy="Leave --root out: --to only writes files")
    if system not in NAMES:
        raise UsageError(
            "--to is for launchd and windows: systemd has a drop-in, which is installed", where=f"--system {system}",
            remedy=f"Install it: {again(arguments, to=None, system=None)}",
        )  # fmt: skip
    program = service_path(system, arguments.program or this_program(), "--program")
    vault = arguments.vault and service_path(system, arguments.vault, "--vault")
    command = command_of(arguments, program, vault)
    directory = os.path.abspath(arguments.to)
    here = is_of_host(system)
    made = guard_files(system, directory, command, arguments.limit, here=here)
    if not arguments.dry_run:
        write_files(directory, made.files)
    if arguments.output == "json":
        print_json("guard install", guard_files_answer(
            system, [*made.files], command, made.install, made.remove, unverified(system), dry_run=arguments.dry_run
        ))  # fmt: skip
        return EXIT_OK
    _, operator = OPERATORS[system]
    write(f"{'Would write' if arguments.dry_run else 'Wrote'} for {system}, to run {program}:")
    _list(made.files)
    write(unverified(system))
    write(f"Next, as {operator}{'' if here else ' of that host, in the directory with the files'}:")
    _list(made.install)
    write(f"To remove it, as {operator}:")
    _list(made.remove)
    return EXIT_OK


def _list(lines: Iterable[str]) -> None:
    for line in lines:
        # Not folded, so that it can be copied.
        write_data(f"  {line}")


def command_of(arguments: Arguments, program: str, vault: str | None) -> tuple[str, ...]:
    """Return the command that runs before the agent: with the options of `guard`, and the vault that was named."""
    options = ["--vault", vault] if vault else []
    if arguments.timeout is not None:
        options += ["--timeout", f"{arguments.timeout:g}"]
    if arguments.refresh:
        options.append("--refresh")
    return (
        program, "guard", *options, "--on-mismatch", arguments.on_mismatch, "--limit", str(arguments.limit)
    )  # fmt: skip


def again(arguments: Arguments, **changed: object) -> str:
    """Return the command of this run with the options that it was given, and with others."""
    words = []
    for option in arguments.command.options:
        value = changed.get(option.name, getattr(arguments, option.name))
        if value != option.default:
            words += [option.flag, quoted(str(value))] if option.metavar else [option.flag]
    if arguments.timeout is not None and arguments.command.path == "guard install":
        words += ["--timeout", f"{arguments.timeout:g}"]
    if changed.get("to") and arguments.vault:
        # Of other commands the vault is added where they are printed.
        words += ["--vault", quoted(arguments.vault)]
    return " ".join(("fingerprint", arguments.command.path, *words))
