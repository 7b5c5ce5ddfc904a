"""`fingerprint threshold advise`: which thresholds tolerate some events and refuse others."""

from __future__ import annotations

from fingerprint.answers.threshold import threshold_advise_answer
from fingerprint.cli.commands.whatif import named_event
from fingerprint.cli.context import machine_of, vault_of
from fingerprint.cli.output import folded, print_json, write
from fingerprint.errors import EXIT_DIFFERS, EXIT_OK, UsageError
from fingerprint.observation import Observation
from fingerprint.rules.whatif import advise
from fingerprint.types import HardwareHash

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.attributes.events import Event
    from fingerprint.cli.parser import Arguments


def run(arguments: Arguments) -> int:
    tolerate, reject = _events(arguments.tolerate), _events(arguments.reject)
    if not tolerate and not reject:
        raise UsageError("--tolerate or --reject is required", remedy="See: fingerprint whatif --list-events")
    path: str | None = None
    if arguments.standard:
        advice = advise(tolerate, reject)
    else:
        vault = vault_of(arguments)
        path = vault.path
        seen = Observation.take(vault, machine_of(arguments), timeout=arguments.timeout).required()
        saved, current = seen.record.hardware_hash or HardwareHash({}), seen.collection.hardware_hash
        advice = advise(tolerate, reject, saved, current, sid_key=seen.verdict.sid_key)
    if arguments.output == "json":
        print_json("threshold advise", threshold_advise_answer(path, advice))
        return EXIT_DIFFERS if advice.conflict else EXIT_OK
    if advice.conflict:
        write("No threshold meets the requirements.")
        for line in folded(advice.conflict, 76):
            write(f"  {line}")
    else:
        others = f" ({advice.low} to {advice.high} meet the requirements)" if advice.low < advice.high else ""
        write(f"{advice.high}{others}")
    write()
    for bound in advice.bounds:
        word = "tolerate" if bound.tolerate else "reject"
        for number, line in enumerate(folded(f"{word} {bound.event}: {bound.why}", 76)):
            write(f"  {line}" if number == 0 else f"    {line}")
    if any(not b.satisfied and b.tolerate for b in advice.bounds):
        write()
        write("  -1 tolerates everything: any machine that holds the vault then passes.")
    return EXIT_DIFFERS if advice.conflict else EXIT_OK


def _events(names: str | None) -> list[Event]:
    return [named_event(name.strip()) for name in (names or "").split(",") if name.strip()]
