"""The command `fingerprint`: one module per command, which gathers values and prints them.

Each command imports what it needs and nothing else; a check starts in about the time of `python -c
pass`, and that is why nothing here imports argparse, json or typing.
"""

from __future__ import annotations

import os
import sys
from gc import set_threshold

from fingerprint import __version__
from fingerprint._core import hide_memory
from fingerprint._io.text import printable
from fingerprint.cli.output import VisibleStream, begin_run, flush, print_json, warn, write_data, write_utf_8
from fingerprint.cli.parser import asks_for_json, is_plugin, parse
from fingerprint.errors import (
    EXIT_CANNOT_TELL,
    EXIT_INTERRUPTED,
    EXIT_OK,
    FingerprintError,
    OutputError,
    PipeClosed,
    UsageError,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from fingerprint.cli.parser import Arguments


# More than a check makes, and little enough for those that run on.
_ALLOCATIONS = 50_000


def main(words: list[str] | None = None) -> int:
    """Run one command line and return its exit code.

    Args:
        words: the arguments; None for those of the process.
    """
    # A crash must not leave a fingerprint or a key in a file. Where a sandbox forbids it, the command is worth more.
    hide_memory()
    words = sys.argv[1:] if words is None else words
    begin_run(None)
    try:
        code = _run(words)
        flush()
        return code
    except KeyboardInterrupt:
        warn("interrupted; what was not reported as done was not done")
        return EXIT_INTERRUPTED
    except OutputError as error:
        if not isinstance(error, PipeClosed):
            warn(f"{error.where}: {error.what}")
        _silence_stdout()
        return error.exit_code
    except Exception as error:
        if os.environ.get("FINGERPRINT_DEBUG"):
            raise
        warn(
            f"internal error, please report it: {type(error).__name__}: {error}\n"
            "  With FINGERPRINT_DEBUG=1 the same command prints where it happened"
        )
        return EXIT_CANNOT_TELL


def main_and_exit() -> NoReturn:
    """Run the command line of this process and end it at once.

    Nothing is open and nothing is left to flush, so the interpreter is not taken apart piece by piece,
    which would cost a fifth of a check. Nor are its modules searched for garbage while they load.
    """
    set_threshold(_ALLOCATIONS)
    if not sys.flags.isolated:
        # Imported here: the installed script starts isolated.
        from fingerprint.cli.isolation import leave_others_code_out

        leave_others_code_out(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    write_utf_8()
    if sys.stderr is not None:
        sys.stderr = VisibleStream(sys.stderr)
    code = main()
    os._exit(code)


def _run(words: list[str]) -> int:
    if words in (["--help"], ["-h"], ["--version"]):
        return _about(words[0])
    arguments = parse(words)
    if arguments is None:
        from fingerprint.cli.help import parse_or_explain

        try:
            arguments = parse_or_explain(words)
        except SystemExit:
            return EXIT_OK
        except UsageError as error:
            if is_plugin(words):
                return _report_as_plugin(error)
            if asks_for_json(words):
                _print_error(error)
            warn(f"{error.what}\n{error.remedy}")
            return error.exit_code
    begin_run(arguments)
    try:
        _check_target(arguments)
        module = __import__(f"fingerprint.cli.commands.{arguments.command.module}", fromlist=["run"])
        return int(module.run(arguments))
    except OutputError:
        raise
    except FingerprintError as error:
        if arguments.command.path == "monitor nagios":
            return _report_as_plugin(error)
        return _report(error, arguments)


def _about(option: str) -> int:
    """Answer for what is asked most at a prompt, without argparse."""
    if option == "--version":
        write_data(f"fingerprint {__version__}")
    else:
        from fingerprint.cli.overview import overview

        write_data(overview())
    return 0


def _check_target(arguments: Arguments) -> None:
    """Check what the options name before anything is done."""
    # Imported here: usage errors and help need nothing of it.
    from fingerprint.cli.context import check_target

    check_target(arguments)


def _report_as_plugin(error: FingerprintError) -> int:
    """Print an error as a plug-in must: on standard output, with 3, as 2 would be an alarm."""
    # Imported here: only a plug-in needs it.
    from fingerprint.cli.commands.nagios import print_unknown

    return print_unknown(error)


def _report(error: FingerprintError, arguments: Arguments) -> int:
    if arguments.output == "json":
        _print_error(error)
    where = f"{printable(error.where)}: " if error.where else ""
    between = ". " if arguments.command.terse else "\n  "
    warn(f"{where}{printable(error.what)}" + (between + error.remedy if error.remedy else ""))
    return error.exit_code


def _print_error(error: FingerprintError) -> None:
    # Imported here: most commands succeed.
    from fingerprint.answers.error import error_answer

    print_json("error", error_answer(error))


def _silence_stdout() -> None:
    """Keep the interpreter from flushing, and complaining, once more at its end."""
    if sys.stdout is None:
        return
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError:
        return
