"""`fingerprint monitor prometheus`: what a check finds, for Prometheus."""

from __future__ import annotations

from fingerprint.answers.monitor import monitor_prometheus_answer
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
        print_json("monitor prometheus", monitor_prometheus_answer(arguments.textfile, result.outcome, found))
    elif arguments.textfile is None:
        write_data(text.rstrip("\n"))
    if result.error is not None:
        warn(str(result.error))
    return result.observation.exit_code
