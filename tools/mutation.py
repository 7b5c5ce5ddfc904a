"""Change the code at random locations and count how many of the changes some test finds.

    python tools/mutation.py                         each area, 40 mutants each (group `mutation`, editable install)
    python tools/mutation.py --area vault --seed 2   other mutants, of one area
    python tools/mutation.py --sample 2              the first 2 of the 40, as CI does
    python tools/mutation.py --again results.json    only those that survived in that run

tools/mutation.toml has the areas: their files and tests. tools/mutation-equivalents.toml has the mutants that behave as
the code does, each with the reason. A mutant is written into a copy of the tree, which has an environment of its own;
nothing is written into the tree. First run the tests that execute the changed line, the fastest first, then the others.
A sample consists of the mutants whose hashes are the lowest, so an edit exchanges few of them.

Exit code: 0 each area is at or above the bound; 1 one is below; 2 the tests fail without a mutant, a list cannot be
used, or an entry of the equivalents is stale; 130 interrupted.
"""

from __future__ import annotations

import argparse
import json
import queue
import signal
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import mutants
from mutants import Mutant
from mutation_tests import KILLED, SURVIVED, TIMED_OUT, TOOLS, Copy, NotUsable, Tests

try:
    import tomllib
except ModuleNotFoundError:
    # Python 3.10.
    import tomli as tomllib

AREAS, EQUIVALENTS = "tools/mutation.toml", "tools/mutation-equivalents.toml"
EQUIVALENT = "equivalent"
SEED, SAMPLE, LEAST = 16, 40, 90


class Area(NamedTuple):
    """A part of the code, and the tests over it.

    Attributes:
        name: as in the file of areas.
        mutants: all of its mutants.
        tests: files that run for each mutant.
        more: files that run for the mutants that survive these.
        equivalents: (function, line before, line after) of the mutants that behave as the code does.
    """

    name: str
    mutants: list[Mutant]
    tests: list[str]
    more: list[str]
    equivalents: set[tuple[str, str, str]]


def read_areas(root: Path) -> dict[str, Area]:
    """Return the areas of a tree.

    Raises:
        NotUsable: a pattern matches no file, or an entry of the equivalents no mutant.
    """
    known = _read(root / EQUIVALENTS)
    areas = {}
    for name, entry in _read(root / AREAS).items():
        found = [one for file in _files(root, entry["files"]) for one in mutants.find(file, (root / file).read_text())]
        equivalents = {_equivalent(name, one) for one in known.pop(name, [])}
        functions = {function for function, _, _ in equivalents}
        there = {(one.function, *_change(root, one)) for one in found if one.function in functions}
        for function, was, _ in sorted(equivalents - there):
            raise NotUsable(f"{EQUIVALENTS}: stale entry of {name}: {function} has no such mutant of: {was}")
        areas[name] = Area(name, found, _files(root, entry["tests"]), _files(root, entry.get("more", [])), equivalents)
    if known:
        raise NotUsable(f"{EQUIVALENTS}: no such area: {', '.join(known)}")
    return areas


def _equivalent(area: str, entry: dict[str, str]) -> tuple[str, str, str]:
    if missing := [key for key in ("function", "was", "becomes", "reason") if not entry.get(key)]:
        raise NotUsable(f"{EQUIVALENTS}: an entry of {area} has no {missing[0]}: {entry}")
    return entry["function"], entry["was"], entry["becomes"]


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text())
    except tomllib.TOMLDecodeError as error:
        raise NotUsable(f"{file}: {error}") from None


def _files(root: Path, patterns: list[str]) -> list[str]:
    files: dict[str, None] = {}
    for pattern in patterns:
        found = sorted(path.relative_to(root).as_posix() for path in root.glob(pattern.removeprefix("!")))
        if not found:
            raise NotUsable(f"{AREAS}: no file matches {pattern}")
        for file in found:
            if pattern.startswith("!"):
                files.pop(file, None)
            else:
                files[file] = None
    return list(files)


def read_survivors(file: Path, areas: dict[str, Area]) -> dict[str, list[Mutant]]:
    """Return the mutants of each area that survived in a run, whatever its seed and sample.

    Raises:
        NotUsable: the file has no results, or the code no such mutant any more.
    """
    found: dict[str, list[Mutant]] = {name: [] for name in areas}
    try:
        for figures in json.loads(file.read_text())["areas"]:
            mutants = {_key(one._asdict()): one for one in areas[figures["area"]].mutants}
            survived = [one for one in figures["mutants"] if one["outcome"] == SURVIVED]
            for one in survived:
                if _key(one) not in mutants:
                    raise NotUsable(f"{file}: {one['file']}: {one['function']} has no such mutant now of: {one['was']}")
            found[figures["area"]] = [mutants[_key(one)] for one in survived]
    except (ValueError, KeyError, TypeError) as error:
        raise NotUsable(f"{file}: not the results of --json: {error!r}") from None
    return found


def _key(mutant: dict[str, Any]) -> tuple[str, str, str, int]:
    return mutant["file"], mutant["function"], mutant["operator"], mutant["ordinal"]


def _change(root: Path, mutant: Mutant) -> tuple[str, str]:
    source = (root / mutant.file).read_text()
    return mutants.change(source, mutant.apply(source))


def run_area(area: Area, sample: list[Mutant], copies: list[Copy], timeout: float | None) -> dict[str, Any]:
    """Run the tests for each mutant of a sample, and return the figures."""
    start = time.monotonic()
    tests = Tests(area.name, area.tests, area.more, copies[0], timeout)
    free: queue.SimpleQueue[Copy] = queue.SimpleQueue()
    for copy in copies:
        free.put(copy)

    def run(mutant: Mutant, more: bool = False) -> dict[str, Any]:
        copy = free.get()
        try:
            path = copy.root / mutant.file
            source = path.read_text()
            mutated = mutant.apply(source)
            was, becomes = mutants.change(source, mutated)
            result = mutant._asdict() | {"was": was, "becomes": becomes}
            if (mutant.function, was, becomes) in area.equivalents:
                return result | {"outcome": EQUIVALENT}
            for compiled in path.parent.glob(f"__pycache__/{path.stem}.*"):
                compiled.unlink()
            try:
                path.write_text(mutated)
                last = mutant.line + max(0, len(source.splitlines()) - len(mutated.splitlines()))
                begin = time.monotonic()
                outcome = tests.run(mutant, last, copy, more)
            finally:
                path.write_text(source)
            if outcome == SURVIVED and (more or not area.more):
                print(f"{mutant.file}:{mutant.line}: {mutant.function}: {was}\n    -> {becomes}", flush=True)
            return result | {"outcome": outcome, "seconds": round(time.monotonic() - begin, 2)}
        finally:
            free.put(copy)

    with ThreadPoolExecutor(len(copies)) as pool:
        try:
            results = list(pool.map(run, sample))
            left = [at for at, one in enumerate(results) if one["outcome"] == SURVIVED]
            if left and area.more:
                tests.prepare_more(copies[0])
                for at, after in zip(left, pool.map(lambda at: run(sample[at], True), left), strict=True):
                    results[at] = after
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for copy in copies:
                copy.stop()
            raise
    counts = {
        kind: sum(one["outcome"] == kind for one in results) for kind in (KILLED, TIMED_OUT, SURVIVED, EQUIVALENT)
    }
    return {
        "area": area.name,
        "all": len(area.mutants),
        "counts": counts,
        "seconds": round(time.monotonic() - start),
        "mutants": results,
    }


def below(figures: dict[str, Any], least: float) -> bool:
    """True if fewer percent of the mutants were found than the bound says; of 2 mutants 90 percent are both."""
    counts = figures["counts"]
    found = counts[KILLED] + counts[TIMED_OUT]
    return 100 * found < least * (found + counts[SURVIVED])


def row(figures: dict[str, Any]) -> str:
    """Return the line of an area in the table."""
    counts = figures["counts"]
    found = counts[KILLED] + counts[TIMED_OUT]
    cells = [*counts.values(), f"{100 * found / max(1, found + counts[SURVIVED]):.1f}", figures["seconds"]]
    return f"{figures['area']:<14}" + "".join(f"{cell:>12}" for cell in [figures["all"], *cells])


def run(arguments: argparse.Namespace, directory: Path, copies: list[Copy]) -> int:
    """Run the areas, print the table, and return the exit code."""
    areas = read_areas(arguments.root)
    if unknown := set(arguments.area) - set(areas):
        raise NotUsable(f"no such area: {', '.join(sorted(unknown))}; the areas are: {', '.join(areas)}")
    survivors = read_survivors(arguments.again, areas) if arguments.again else None
    copies += [Copy(arguments.root, directory / str(number)) for number in range(arguments.jobs)]
    results = []
    for name in arguments.area or areas:
        area = areas[name]
        if survivors is None:
            sample = sorted(area.mutants, key=lambda mutant: (mutant.rank(arguments.seed), mutant))[: arguments.sample]
        else:
            sample = survivors[name]
        if sample:
            results.append(run_area(area, sample, copies, arguments.timeout))
            print(row(results[-1]), flush=True)
    titles = ["mutants", KILLED, TIMED_OUT, SURVIVED, EQUIVALENT, "percent", "seconds"]
    print(f"\nseed {arguments.seed}, at most {arguments.sample} mutants an area")
    print("area".ljust(14) + "".join(f"{title:>12}" for title in titles))
    print(*map(row, results), sep="\n")
    if not results:
        raise NotUsable(f"{arguments.again}: no mutant of these areas survived")
    if arguments.json:
        arguments.json.write_text(json.dumps({"seed": arguments.seed, "areas": results}, indent=1))
    failed = [figures["area"] for figures in results if below(figures, arguments.least)]
    if failed:
        print(
            f"below {arguments.least} percent: {', '.join(failed)}. Write a test for each survivor above, or list it in"
        )
        print(f"{EQUIVALENTS} with the reason why it behaves as the code does.")
    return 1 if failed else 0


def _stop(*_: object) -> None:
    """End the run at the first signal; a second one must not end the removal of the copies."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def main() -> int:
    parser = argparse.ArgumentParser(description="count the mutants that the tests find", allow_abbrev=False)
    parser.add_argument("--area", action="append", default=[], help="only this area; may be repeated")
    parser.add_argument("--sample", type=int, default=SAMPLE, help="mutants an area (default %(default)s)")
    parser.add_argument("--seed", type=int, default=SEED, help="another seed gives other mutants (default %(default)s)")
    parser.add_argument("--jobs", type=int, default=1, help="mutants at a time (default %(default)s)")
    parser.add_argument("--least", type=float, default=LEAST, help="percent that must be found (default %(default)s)")
    parser.add_argument("--timeout", type=float, help="seconds a mutant (default: 30 and 5 times the tests)")
    parser.add_argument("--json", type=Path, help="write the results to this file")
    parser.add_argument("--again", type=Path, help="only the mutants that survived in these results")
    parser.add_argument("--root", type=Path, default=TOOLS.parent, help="the tree (default: that of this file)")
    arguments = parser.parse_args()
    if arguments.jobs < 1 or arguments.sample < 1:
        parser.error("--jobs and --sample must be 1 or more")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    copies: list[Copy] = []
    try:
        with tempfile.TemporaryDirectory(prefix="mutation-", ignore_cleanup_errors=True) as directory:
            return run(arguments, Path(directory), copies)
    except (NotUsable, OSError) as error:
        print(f"mutation.py: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
