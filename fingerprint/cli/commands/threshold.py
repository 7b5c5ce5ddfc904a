"""`fingerprint threshold get` and `set`."""

from __future__ import annotations

from fingerprint.cli.context import vault_of
from fingerprint.cli.output import print_json, warn, write
from fingerprint.errors import EXIT_OK
from fingerprint.gate import check_threshold, set_threshold
from fingerprint.rules.ssm import THRESHOLD_DISABLED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.cli.parser import Arguments


def run(arguments: Arguments) -> int:
    return _set(arguments) if arguments.command.path == "threshold set" else _get(arguments)


def _get(arguments: Arguments) -> int:
    vault = vault_of(arguments).keeping()
    threshold = vault.read().threshold
    if arguments.output == "json":
        print_json("threshold get", {"vault": vault.path, "threshold": threshold, "meaning": meaning(threshold)})
    else:
        write(str(threshold))
        warn(meaning(threshold))
    return EXIT_OK


def _set(arguments: Arguments) -> int:
    vault = vault_of(arguments)
    check_threshold(arguments.N)
    if arguments.dry_run:
        before, after = vault.read().threshold, arguments.N
    else:
        old, new = set_threshold(vault, arguments.N)
        before, after = old.threshold, new.threshold
    answer = {"vault": vault.path, "before": before, "after": after, "meaning": meaning(after),
              "changed": before != after and not arguments.dry_run, "dryRun": arguments.dry_run}  # fmt: skip
    if arguments.output == "json":
        print_json("threshold set", answer)
    elif arguments.dry_run:
        write(f"Would set the threshold of {vault.path} from {before} to {after}: {meaning(after)}.")
    else:
        write(f"The threshold of {vault.path} is {after}, it was {before}: {meaning(after)}.")
        write("A running agent keeps the old one until it is restarted.")
    if after == THRESHOLD_DISABLED:
        warn("with -1 nothing is compared, not even the hardware ID")
    return EXIT_OK


def meaning(threshold: int) -> str:
    """Return in words what a threshold asks of nine attributes once the IP address has changed."""
    if threshold == THRESHOLD_DISABLED:
        return "the check is disabled"
    needed = next((k for k in range(10) if 100 * k >= threshold * 9), 10)
    if needed <= 1:
        return "the hardware ID alone decides"
    if needed >= 9:
        return "the IP address must not change"
    return f"with another IP address, {needed} of 9 attributes must be equal, the hardware ID among them"
