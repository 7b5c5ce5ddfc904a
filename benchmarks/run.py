"""Run the benchmarks and print, claim by claim, the ratio to the peer of the same run.

    python benchmarks/run.py            the full form, writes benchmarks/RESULTS.md
    python benchmarks/run.py --short    the short form of CI
    python benchmarks/run.py --json A.json    keeps the figures; `benchmarks/compare.py A.json B.json` compares two runs

A missed claim is printed and does not fail: machines are noisy, and a figure is not a test.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

from claims import Claim, claims, completed, save, shown

HERE = Path(__file__).resolve().parent


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="fewer rounds, smaller inputs, no RESULTS.md")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the figures for benchmarks/compare.py")
    options = parser.parse_args()
    short = options.short
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory, "report.json")
        words = [sys.executable, "-m", "pytest", str(HERE), "-q", f"--benchmark-json={report}",
                 "--benchmark-disable-gc", "-p", "no:cacheprovider", "-o", "addopts=--import-mode=importlib",
                 "-o", f"pythonpath={HERE}", "--rootdir", str(HERE)]  # fmt: skip
        if short:
            words += ["--benchmark-max-time=0.2", "--benchmark-min-rounds=3"]
        env = {**os.environ, "FINGERPRINT_BENCH_SHORT": "1" if short else "0"}
        # From a directory of its own, so that the installed package is measured and not the tree.
        code = subprocess.run(words, env=env, cwd=directory, check=False).returncode
        if code:
            return code
        made = completed(json.loads(report.read_text()), short)
    if options.json:
        save(made, options.json)
    table = _table(claims(made))
    print("\n" + table)
    if not short:
        (HERE / "RESULTS.md").write_text(_HEAD.format(python=platform.python_version(), system=_system()) + table)
    return 0


_HEAD = """# Results

Made by `python benchmarks/run.py` with CPython {python} on {system}. Medians; ours and the peer in
the same run. A ratio is the peer's median divided by ours, or with "at most" ours divided by the peer's.

"""


def _system() -> str:
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"


def _table(measured: list[Claim]) -> str:
    lines = ["| claim | ours | peer | ratio | wanted |", "|---|---|---|---|---|"]
    lines += [f"| {claim.name} | {shown(claim.ours)} | {' | '.join(_against(claim))} |" for claim in measured]
    return "\n".join(lines) + "\n"


def _against(claim: Claim) -> list[str]:
    """Return the peer, the ratio and what is wanted of it."""
    if claim.peer is None:
        return ["-", "-", "-"]
    if claim.at_most is not None:
        ratio = claim.ours / claim.peer
        wanted, met = f"at most {claim.at_most}", ratio <= claim.at_most
    elif claim.target is not None:
        ratio = claim.peer / claim.ours
        wanted, met = f"at least {claim.target}", ratio >= claim.target
    else:
        ratio, wanted, met = claim.peer / claim.ours, "-", True
    return [shown(claim.peer), f"{ratio:.2f}", wanted + ("" if met else " MISSED")]


if __name__ == "__main__":
    sys.exit(main())
