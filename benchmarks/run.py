"""Run the benchmarks and tell, claim by claim, the ratio to the peer of the same run.

    python benchmarks/run.py            the full form, writes benchmarks/RESULTS.md
    python benchmarks/run.py --short    the short form of CI, writes nothing

A missed claim is told and does not fail: machines are noisy, and a figure is not a test.
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
from typing import Any

HERE = Path(__file__).parent


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="fewer rounds, smaller inputs, no RESULTS.md")
    short = parser.parse_args().short
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        words = [sys.executable, "-m", "pytest", str(HERE), "-q", f"--benchmark-json={report}",
                 "--benchmark-disable-gc", "-p", "no:cacheprovider", "-o", "addopts=--import-mode=importlib",
                 "-o", "pythonpath=", "--rootdir", str(HERE)]  # fmt: skip
        if short:
            words += ["--benchmark-max-time=0.2", "--benchmark-min-rounds=3"]
        env = {**os.environ, "FINGERPRINT_BENCH_SHORT": "1" if short else "0"}
        # From a folder of its own, so that the installed package is measured and not the tree.
        code = subprocess.run(words, env=env, cwd=folder, check=False).returncode
        if code:
            return code
        rows = _rows(json.loads(report.read_text()))
    table = _table(rows)
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


def _rows(report: dict[str, Any]) -> list[tuple[str, float, float, str, str]]:
    sides: dict[str, dict[str, Any]] = {}
    for bench in report["benchmarks"]:
        info = bench["extra_info"]
        sides.setdefault(info["claim"], {})[info["role"]] = (bench["stats"]["median"], info)
    rows = []
    for claim, side in sides.items():
        ours, info = side["ours"]
        ours /= info.get("calls", 1)
        peer = info["peer_seconds"] if "peer_seconds" in info else side["peer"][0]
        if "at_most" in info:
            ratio, wanted, met = ours / peer, f"at most {info['at_most']}", ours / peer <= info["at_most"]
        else:
            ratio, wanted, met = (
                peer / ours,
                f"at least {info.get('target', '-')}",
                peer / ours >= info.get("target", 0),
            )
        if "target" not in info and "at_most" not in info:
            wanted = "-"
        rows.append((claim, ours, peer, f"{ratio:.2f}", f"{wanted}{'' if met else ' MISSED'}"))
    return rows


def _table(rows: list[tuple[str, float, float, str, str]]) -> str:
    lines = ["| claim | ours | peer | ratio | wanted |", "|---|---|---|---|---|"]
    lines += [f"| {claim} | {_time(ours)} | {_time(peer)} | {ratio} | {wanted} |"
              for claim, ours, peer, ratio, wanted in rows]  # fmt: skip
    return "\n".join(lines) + "\n"


def _time(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


if __name__ == "__main__":
    sys.exit(main())
