"""`fingerprint version`."""

from __future__ import annotations

from fingerprint import __version__
from fingerprint.cli.output import print_json, write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.cli.parser import Arguments


def run(arguments: Arguments) -> int:
    if arguments.output == "json":
        print_json("version", {"version": __version__})
    else:
        write(f"fingerprint {__version__}")
    return 0
