"""`fingerprint monitor watch`: check periodically and log changes."""

from __future__ import annotations

import sys

from fingerprint._io.times import utc
from fingerprint.answers import enveloped
from fingerprint.answers.monitor import monitor_watch_answer
from fingerprint.cli.context import machine_of, vault_of
from fingerprint.cli.output import flush, json_text, warn, write, write_data
from fingerprint.errors import EXIT_OK, UsageError
from fingerprint.monitor.watch import Event, Watcher

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.cli.parser import Arguments


def run(arguments: Arguments) -> int:
    if arguments.checks is not None and arguments.checks < 1:
        raise UsageError(
            f"invalid --checks {arguments.checks}: must be 1 or more", remedy="Leave it out to check without end"
        )

    def print_event(event: Event) -> None:
        if arguments.output == "json":
            # JSON Lines: each line is an answer of its own.
            write_data(json_text(enveloped("monitor watch", monitor_watch_answer(event))))
        else:
            differences = f" [{'; '.join(event.differences)}]" if event.differences else ""
            write(f"{utc(event.at)} {event.kind} ({event.why}): {event.text}{differences}")
        # A reader of a pipe gets each event at once.
        flush()

    watcher = Watcher(
        vault_of(arguments), machine_of(arguments), print_event, warn, interval=arguments.interval,
        textfile=arguments.textfile or "", timeout=arguments.timeout, output=_output(),
    )  # fmt: skip
    result = watcher.run(arguments.checks)
    return EXIT_OK if arguments.checks is None else result.observation.exit_code


def _output() -> int | None:
    try:
        return None if sys.stdout is None else sys.stdout.fileno()
    except OSError:
        # Not a file, as when this runs in another program.
        return None
