"""`fingerprint fleet report`: one HTML page on a fleet."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from fingerprint._io.atomic import write_new
from fingerprint._io.times import utc
from fingerprint.answers.fleet import fleet_report_answer
from fingerprint.cli.fleet_input import reading
from fingerprint.cli.output import print_json, write
from fingerprint.errors import EXIT_CANNOT_TELL, EXIT_OK
from fingerprint.fleet.checking import Summary, check
from fingerprint.fleet.cloning import clones
from fingerprint.fleet.drifting import GROUP, WEEK, drift
from fingerprint.fleet.html import page
from fingerprint.fleet.planning import plan
from fingerprint.fleet.rejects import Rejects

if TYPE_CHECKING:
    from fingerprint.cli.parser import Arguments


def run(arguments: Arguments) -> int:
    by = GROUP if arguments.by_group else WEEK
    threads = arguments.threads
    with reading(arguments, "checking") as given:
        summary = Summary()
        for checked in check(given.batches(), threads=threads):
            summary.add(checked)
        # The first reading reported what was rejected.
        planned = plan(given.fleet.batches(Rejects()), threads=threads)
        drifted = drift(given.fleet.batches(Rejects()), by=by, threads=threads)
        found = None if arguments.no_clones else clones(given.fleet.batches(Rejects()), threads=threads)
    text = page(arguments.FLEET, utc(time.time()), summary, planned, drifted, found, by=by)
    write_new(arguments.PAGE, text.encode(), "page")
    if arguments.output == "json":
        print_json("fleet report", fleet_report_answer(given.fleet, given.rejects, summary.rows, arguments.PAGE))
    else:
        write(f"The page on {summary.rows} machines is {arguments.PAGE}.")
    given.warn()
    return EXIT_CANNOT_TELL if given.rejects.count or not summary.rows else EXIT_OK
