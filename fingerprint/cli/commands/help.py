"""`fingerprint help [COMMAND]`."""

from __future__ import annotations

from fingerprint.cli.output import write_data
from fingerprint.cli.overview import overview
from fingerprint.cli.table import NOUNS
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
    from fingerprint.cli.help import help_of, no_such_command

    path = " ".join(words)
    page = help_of(path) if path else ""
    if not page:
        noun = words[0] if words[0] in NOUNS and len(words) > 1 else ""
        what, _, meant = no_such_command(noun, " ".join(words[1:] if noun else words)).partition("\n")
        raise UsageError(what, remedy=f"{meant}\n  ".lstrip() + "List the commands with: fingerprint help")
    write_data(page.rstrip("\n"))
    return 0
