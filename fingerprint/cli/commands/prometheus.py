"""`fingerprint monitor prometheus`: what a check finds, for Prometheus."""

from __future__ import annotations

from fingerprint.cli.context import machine_of, vault_of
from fingerprint.cli.output import print_json, warn, write_data
from fingerprint.monitor import check_host
from fingerprint.monitor.prometheus import exposition, metrics, write_textfile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.cli.parser import Arguments


def run(arguments: Arguments) -> int:
    vault = vault_of(arguments)
    result = check_host(vault, machine_of(arguments), timeout=arguments.timeout)
    found = metrics(result, vault)
    text = exposition(found)
    if arguments.textfile is not None:
        write_textfile(arguments.textfile, text)
    if arguments.output == "json":
        samples = [
            {"name": metric.name, "labels": {} if label is None else {label[0]: label[1]}, "value": value}
            for metric in found for label, value in metric.samples
        ]  # fmt: skip
        print_json(
            "monitor prometheus", {"textfile": arguments.textfile, "verdict": result.outcome, "metrics": samples}
        )
    elif arguments.textfile is None:
        write_data(text.rstrip("\n"))
    if result.error is not None:
        warn(str(result.error))
    return result.observation.exit_code
