"""`fingerprint show`: this host's hardware hash, where each value comes from, and how reading went."""

from __future__ import annotations

from fingerprint._io.text import printable
from fingerprint.answers.machine import show_answer
from fingerprint.cli.context import machine_of
from fingerprint.cli.output import colored, folded, print_json, shown, table, warn, write
from fingerprint.collectors import collect
from fingerprint.errors import EXIT_CANNOT_TELL, EXIT_OK
from fingerprint.types import Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.cli.parser import Arguments
    from fingerprint.types import Collection

_COLORS = {Status.PRESENT: "good", Status.ABSENT: "doubt", Status.DENIED: "bad", Status.FAILED: "bad"}


def run(arguments: Arguments) -> int:
    machine = machine_of(arguments).keeping()
    collection = collect(machine, scheme=arguments.scheme, timeout=arguments.timeout)
    facts: dict[str, str] = {}
    if arguments.facts:
        from fingerprint.collectors.facts import facts as read_facts

        facts = read_facts(machine)
    if arguments.output == "json":
        print_json("show", show_answer(collection, facts, reveal=arguments.reveal))
    else:
        _print(collection, facts, arguments)
    return EXIT_CANNOT_TELL if collection.unreadable else EXIT_OK


def _print(collection: Collection, facts: dict[str, str], arguments: Arguments) -> None:
    write(
        f"Hardware hash of this host: scheme {collection.scheme}, {collection.platform}, "
        f"read in {collection.seconds * 1000:.0f} ms"
    )
    write()
    rows = [
        (a.name, shown(a.name, a.value, arguments), str(a.status), f"{a.seconds * 1000:.1f}", a.source)
        for a in collection
    ]
    width = max(24, *(len(row[1]) for row in rows)) if arguments.reveal else 24
    longest = max(15, *(len(row[0]) for row in rows))
    table(("attribute", "value", "status", "ms", "source"), rows, (longest, width, 7, 5))
    silent = [a for a in collection if a.reason]
    if silent:
        write()
        for attribute in silent:
            status = colored(str(attribute.status), _COLORS[attribute.status], arguments)
            write(f"  {attribute.name}: {status}: {printable(attribute.reason)}")
    for warning in filter(None, (collection.id_warning, collection.doubt_warning)):
        write()
        for line in folded(f"{warning}.", 76):
            write(f"  {line}")
    tools = sorted({a.tool for a in collection if a.tool})
    if tools:
        write()
        write(f"  read with: {', '.join(tools)}")
    for name, fact in facts.items():
        write(f"  {name}: {printable(fact)}")
    if collection.unreadable:
        remedy = f". {collection.remedy}" if collection.remedy else ""
        warn(f"{len(collection.unreadable)} of {len(collection)} attributes could not be read{remedy}")
