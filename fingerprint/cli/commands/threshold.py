"""`fingerprint threshold get` and `set`."""

from __future__ import annotations

from fingerprint.answers.threshold import threshold_get_answer, threshold_set_answer
from fingerprint.cli.context import vault_of
from fingerprint.cli.output import print_json, warn, write
from fingerprint.errors import EXIT_OK
from fingerprint.gate import check_threshold, set_threshold
from fingerprint.rules.ssm import THRESHOLD_DISABLED, threshold_in_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.cli.parser import Arguments


def run(arguments: Arguments) -> int:
    return _set(arguments) if arguments.command.path == "threshold set" else _get(arguments)


def _get(arguments: Arguments) -> int:
    vault = vault_of(arguments).keeping()
    threshold = vault.read().threshold
    if arguments.output == "json":
        print_json("threshold get", threshold_get_answer(vault.path, threshold))
    else:
        write(str(threshold))
        warn(threshold_in_words(threshold))
    return EXIT_OK


def _set(arguments: Arguments) -> int:
    vault = vault_of(arguments)
    check_threshold(arguments.N)
    if arguments.dry_run:
        before, after = vault.read().threshold, arguments.N
    else:
        old, new = set_threshold(vault, arguments.N)
        before, after = old.threshold, new.threshold
    meaning = threshold_in_words(after)
    if arguments.output == "json":
        print_json("threshold set", threshold_set_answer(vault.path, before, after, dry_run=arguments.dry_run))
    elif arguments.dry_run:
        write(f"Would set the threshold of {vault.path} from {before} to {after}: {meaning}.")
    else:
        write(f"The threshold of {vault.path} is {after}, it was {before}: {meaning}.")
        write("A running agent keeps the old one until it is restarted.")
    if after == THRESHOLD_DISABLED:
        warn("with -1 nothing is compared, not even the hardware ID")
    return EXIT_OK
