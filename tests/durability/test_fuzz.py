"""Fuzzing of whatever reads foreign bytes, and the native core under AddressSanitizer and UBSan."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fuzz_targets import TARGETS
from paths import ROOT, SUPPORT
from shared import SHARED

Count = Callable[[str, int], None]

PROGRAM = SUPPORT / "fuzz_targets.py"
SHORT_INPUTS = 15_000
# Each is read five times by several libraries.
SHORT_FLEETS = 1_500
SANITIZED_FLEETS = 20_000
FULL_INPUTS = {
    "fingerprint record": 2_000_000,
    "registration": 1_000_000,
    "manifest": 1_500_000,
    "JSON": 2_500_000,
    "JSON Lines": 2_000_000,
    "netlink": 1_000_000,
    "strings": 500_000,
    "SMBIOS": 1_000_000,
    "links": 2_000_000,
    "evidence": 300_000,
    "fleet in Arrow": 100_000,
    "compressed fleet in Arrow": 50_000,
}
# pyarrow loses about 20 KB for a buffer that it cannot decompress, and alone grows as much by the same bytes.
GROWS_BY_ITSELF = "compressed fleet in Arrow"
GROWTH_LIMIT = 8 * 1024 * 1024


def run_share(
    python: list[str], target: str, inputs: int, seed: int, directory: Path, env: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """Fuzz a target in a process of its own, whose working directory, home and state are an empty directory."""
    directory.mkdir()
    env = {"FINGERPRINT_SHARED": str(SHARED), **env}
    homes = {"HOME": str(directory), "FINGERPRINT_STATE": str(directory / "state"), "TMPDIR": str(directory)}
    return subprocess.run(
        [*python, str(PROGRAM), target, str(inputs), str(seed)],
        capture_output=True,
        text=True,
        cwd=directory,
        env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", **homes, **env},
        timeout=3600,
        check=False,
    )


@pytest.mark.parametrize("target", TARGETS)
def test_any_bytes_are_read_or_refused_with_the_documented_error(
    target: str, tmp_path: Path, full: bool, count: Count
) -> None:
    """No other error, no crash, no hang, no growing memory, and nothing is written."""
    short = SHORT_FLEETS if "fleet" in target else SHORT_INPUTS
    inputs = FULL_INPUTS[target] if full else short
    seed = secrets.randbelow(2**32) if full else 1
    directory = tmp_path / "empty"
    done = run_share([sys.executable, "-I"], target, inputs, seed, directory, {})
    assert done.returncode == 0, done
    campaign: dict[str, Any] = json.loads(done.stdout)
    assert campaign["inputs"] == inputs
    # Neither does everything fail in the same early place, nor does anything go.
    assert inputs / 20 < campaign["accepted"] < inputs
    assert campaign["growth"] < GROWTH_LIMIT or target == GROWS_BY_ITSELF, campaign
    assert list(directory.iterdir()) == []
    count("fuzzed inputs, without a crash, a hang, another error, growing memory or a write", inputs)
    count("accepted among them", campaign["accepted"])
    count(f"microseconds for the slowest input of {target}", round(campaign["slowest"] * 1e6))


# The native core under sanitizers, in the full form.

BUILD_FILES = ("setup.py", "pyproject.toml", "README.md", "LICENSE", "MANIFEST.in", "bin", "native", "fingerprint")
NATIVE_TESTS = (
    "test_compare*.py",
    "test_digest.py",
    "test_fleet_kernel.py",
    "test_fleet_near.py",
    "test_fleet_types.py",
    "test_json*.py",
    "test_matchlines*.py",
    "test_records.py",
    "test_smbios.py",
    "test_canonical.py",
    "test_modules.py",
    "test_system.py",
)
NATIVE_TARGETS = (
    "fingerprint record",
    "registration",
    "manifest",
    "JSON",
    "JSON Lines",
    "SMBIOS",
    "netlink",
    "links",
    "fleet in Arrow",
    "compressed fleet in Arrow",
)
SANITIZED_INPUTS = 500_000
# A table is decoded five times an input.
SANITIZED_TABLES = 60_000
SECONDS_FOR_A_PLANTED_BUG = 60
# The loop over complete vectors forgets that fewer bytes than one may be left.
SOUND = "for (; end - p >= 16; p += 16) {"
PLANTED = "for (; end - p >= 1; p += 16) {"


def sanitizer_libraries() -> list[str]:
    """Return the paths of the sanitizers' libraries; skip the test where there are none."""
    if sys.platform != "linux" or not shutil.which("gcc"):
        pytest.skip("the sanitizers are preloaded with gcc on Linux")
    found = []
    for name in ("libasan.so", "libubsan.so"):
        done = subprocess.run(["gcc", f"-print-file-name={name}"], capture_output=True, text=True, check=True)
        path = done.stdout.strip()
        if not os.path.isabs(path):
            pytest.skip(f"gcc has no {name} here")
        found.append(path)
    return found


def sanitized_environment() -> dict[str, str]:
    return {
        "LD_PRELOAD": " ".join(sanitizer_libraries()),
        # The interpreter itself leaves memory to the end of the process.
        "ASAN_OPTIONS": "detect_leaks=0",
        "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
        # Each object is then an allocation of its own, with checked ends.
        "PYTHONMALLOC": "malloc",
    }


def sanitized_python(directory: Path, patch: tuple[str, str] | None = None) -> str:
    """Build the package with sanitizers into a new environment, and return its interpreter.

    Args:
        directory: where the sources are copied and the environment is made.
        patch: what to replace in native/include/json_text.h, and by what.
    """
    if not (ROOT / "setup.py").is_file():
        pytest.skip("the sources of the native core are not here")
    sanitizer_libraries()
    sources = directory / "sources"
    sources.mkdir()
    for name in BUILD_FILES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, sources / name, ignore=shutil.ignore_patterns("__pycache__", "*.so", "*.c"))
        else:
            shutil.copy(ROOT / name, sources / name)
    if patch:
        header = sources / "native" / "include" / "json_text.h"
        text = header.read_text()
        assert text.count(patch[0]) == 1
        header.write_text(text.replace(*patch))
    environment = directory / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    python = str(environment / "bin" / "python")
    built = subprocess.run(
        [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", str(sources)],
        capture_output=True,
        text=True,
        env={**os.environ, "FINGERPRINT_SANITIZE": "1"},
        check=False,
    )
    assert built.returncode == 0, built.stderr
    # The rest of what the tests need is that of this environment, behind the package just built.
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    packages = environment / "lib" / version / "site-packages"
    assert list(packages.glob("fingerprint/_core*.so"))
    (packages / "rest.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def native_tests(pattern: str) -> list[str]:
    return sorted(str(path) for path in (ROOT / "tests").rglob(pattern))


@pytest.mark.parametrize("pattern", NATIVE_TESTS)
def test_every_pattern_of_native_tests_finds_a_file(pattern: str) -> None:
    """Else the run under sanitizers, of the full form only, would leave tests out without a word."""
    assert native_tests(pattern)


def require_full(full: bool) -> None:
    if not full:
        pytest.skip("building with sanitizers belongs to the full form")


@pytest.fixture(scope="module")
def sanitized(full: bool, tmp_path_factory: pytest.TempPathFactory) -> str:
    require_full(full)
    return sanitized_python(tmp_path_factory.mktemp("sanitized"))


def test_the_tests_of_the_native_core_pass_under_sanitizers(sanitized: str, tmp_path: Path, count: Count) -> None:
    files = [path for pattern in NATIVE_TESTS for path in native_tests(pattern)]
    done = subprocess.run(
        [sanitized, "-m", "pytest", "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT),
         "--hypothesis-profile", "sanitized", "-p", "no:cacheprovider", "-q", "--basetemp", str(tmp_path / "tests"),
         *files],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, **sanitized_environment()},
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
    assert "runtime error" not in done.stdout + done.stderr
    passed = done.stdout.splitlines()[-1].split(" passed")[0].split()[-1]
    count("tests of the native core passed under sanitizers", int(passed))


@pytest.mark.parametrize("target", NATIVE_TARGETS)
def test_fuzzing_under_sanitizers_finds_nothing(sanitized: str, target: str, tmp_path: Path, count: Count) -> None:
    seed = secrets.randbelow(2**32)
    of_target = {"SMBIOS": SANITIZED_TABLES, "fleet in Arrow": SANITIZED_FLEETS, GROWS_BY_ITSELF: SANITIZED_FLEETS // 4}
    inputs = of_target.get(target, SANITIZED_INPUTS)
    env = sanitized_environment()
    if "Arrow" in target:
        # Its memory is then that of malloc, of which the sanitizer knows the ends. pyarrow allocates what a broken file
        # asks for; without the other options the sanitizer ends the process where malloc returns NULL, and marks
        # gigabytes byte by byte.
        env["ARROW_DEFAULT_MEMORY_POOL"] = "system"
        env["ASAN_OPTIONS"] += ":allocator_may_return_null=1:max_allocation_size_mb=256"
    done = run_share([sanitized], target, inputs, seed, tmp_path / "empty", env)
    assert done.returncode == 0, done
    assert "runtime error" not in done.stderr
    count("fuzzed inputs under sanitizers, without a finding", inputs)


def test_a_planted_overrun_is_found(full: bool, tmp_path: Path, count: Count) -> None:
    """Else the two tests above would prove nothing."""
    require_full(full)
    python = sanitized_python(tmp_path, (SOUND, PLANTED))
    started = time.monotonic()
    done = run_share([python], "JSON", SANITIZED_INPUTS, 1, tmp_path / "empty", sanitized_environment())
    seconds = time.monotonic() - started
    assert done.returncode != 0
    # A load that only begins within the text has no name of its own there ("unknown-crash").
    assert "ERROR: AddressSanitizer" in done.stderr
    assert "json_text.h" in done.stderr
    assert seconds < SECONDS_FOR_A_PLANTED_BUG
    count("milliseconds until the planted overrun was found", round(seconds * 1000))
