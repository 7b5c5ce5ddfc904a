"""`fingerprint help [COMMAND]`."""

from __future__ import annotations

from fingerprint.cli.output import write_data
from fingerprint.cli.overview import overview
from fingerprint.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.cli.parser import Arguments


def run(arguments: Arguments) -> int:
    words: list[str] = arguments.COMMAND
    if not words:
        write_data(overview())
        return 0
    # Imported here: argparse makes the pages of commands.
    from fingerprint.cli.help import help_of

    page = help_of(" ".join(words))
    if not page:
        raise UsageError(f"no such command: {' '.join(words)}", remedy="List the commands with: fingerprint help")
    write_data(page.rstrip("\n"))
    return 0
