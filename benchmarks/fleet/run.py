"""Benchmarks of fleets: every claim with its peers in the same run, with two threads each.

    python benchmarks/fleet/run.py                    writes benchmarks/fleet/RESULTS.md, about 15 minutes
    python benchmarks/fleet/run.py --short            small and quick, for CI; writes nothing
    python benchmarks/fleet/run.py --joint FILE       with the four sections drawn from a table of real machines
    python benchmarks/fleet/run.py --only kernel      one part: kernel, stable, files, clones, scaling, spark
    python benchmarks/fleet/run.py --json FILE        keeps the figures; `benchmarks/compare.py A.json B.json` compares

Needs the group `bench-fleet`. A missed claim is printed and does not fail: machines are noisy.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from pathlib import Path

from measuring import HERE, Results  # isort: skip  # First: it sets the threads of all libraries.
import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
from claims import report, save
from files import files
from kernel import kernel
from near import near
from scaling import measure, scaling
from spark_overhead import spark
from stable import stable

PARTS = {"kernel": kernel, "stable": stable, "files": files, "clones": near, "scaling": scaling, "spark": spark}
_HEAD = """# Fleets: results

Made by `python benchmarks/fleet/run.py` with CPython {python}, polars {polars}, duckdb {duckdb}, pandas {pandas} and
pyarrow {pyarrow} on {system} {machine}, {cores} cores; two threads each, medians, all sides in the same run, the same
answers required. The fleets are made by `fingerprint.testing.fleet`, their sections from {drawn}.

"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--joint", help="table of real machines")
    parser.add_argument("--only", choices=tuple(PARTS))
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the figures for benchmarks/compare.py")
    parser.add_argument("--measure", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure is not None:
        measure(options.measure, options)
        return 0
    results = Results()
    for name, part in PARTS.items():
        if options.only in (None, name):
            part(results, options)
    if options.json:
        save(report(results.benchmarks, options.short), options.json)
    if not options.short and options.only is None:
        drawn = "a table of real machines" if options.joint else "the measured shape"
        head = _HEAD.format(
            python=platform.python_version(), system=platform.system(), machine=platform.machine(), drawn=drawn,
            cores=os.cpu_count(), polars=pl.__version__, duckdb=duckdb.__version__, pandas=pd.__version__,
            pyarrow=pa.__version__,
        )  # fmt: skip
        (HERE / "RESULTS.md").write_text(head + "\n".join(results.parts))
    return 0


if __name__ == "__main__":
    sys.exit(main())
