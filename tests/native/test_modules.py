"""The native modules: which exist, what they contain, and how they behave in other interpreters and threads."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import sysconfig
import threading
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import fingerprint
from fingerprint._core import HardwareHash, decide, loads, processor, sha256_hex, smbios_identifiers, value_of
from paths import ROOT

PACKAGE = Path(fingerprint.__file__).parent
NATIVE = ROOT / "native"
MODULES = ("_core", "_fleet", "_matchlines")
needs_sources = pytest.mark.skipif(not NATIVE.exists(), reason="the sources of the native core are not here")


def test_there_are_three_native_modules_and_all_are_compiled() -> None:
    compiled = {path.name.partition(".")[0] for path in (*PACKAGE.rglob("*.so"), *PACKAGE.rglob("*.pyd"))}
    assert compiled == set(MODULES) == {path.stem for path in PACKAGE.glob("_*.pyi")}
    for name in MODULES:
        assert not str(import_module(f"fingerprint.{name}").__file__).endswith(".py")


def used_names() -> set[str]:
    """Return every name that the package's own code reads, imports or uses as an attribute."""
    found: set[str] = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Name):
                found.add(node.id)
            elif isinstance(node, ast.Attribute):
                found.add(node.attr)
            elif isinstance(node, ast.alias):
                found.add(node.name)
    return found


def offered(module: str) -> Iterator[str]:
    """Yield the functions and methods of a stub, except special methods."""
    for node in ast.parse((PACKAGE / f"{module}.pyi").read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            yield node.name
        elif isinstance(node, ast.ClassDef):
            yield from (m.name for m in node.body if isinstance(m, ast.FunctionDef) and not m.name.startswith("__"))


@pytest.mark.parametrize("module", MODULES)
def test_every_compiled_function_is_called_by_the_package(module: str) -> None:
    names = set(offered(module))
    assert len(names) > 3
    assert names - used_names() == set()


@needs_sources
def test_each_header_is_declared_in_one_file_named_like_it() -> None:
    """C is declared once and cimported, because two declarations of one struct could become different."""
    declared = Counter()
    for path in (*NATIVE.rglob("*.pyx"), *NATIVE.rglob("*.pxi"), *NATIVE.rglob("*.pxd")):
        for header in re.findall(r'cdef extern from "([^"]+)"', path.read_text("utf-8")):
            assert path.suffix == ".pxd", path
            declared[header] += 1
        assert path.suffix == ".pxd" or "cdef extern" not in path.read_text("utf-8"), path
    assert set(declared.values()) == {1}
    headers = {path.name for path in (NATIVE / "include").glob("*.h")}
    assert declared.keys() <= headers


@needs_sources
def test_native_files_have_at_most_400_lines() -> None:
    long = {path.name: len(path.read_text("utf-8").split("\n")) for path in NATIVE.rglob("*.p[yx]*")}
    assert {name: lines for name, lines in long.items() if lines > 400} == {}


# Loads one module by its file, without the others, and prints the result.
LOAD = """
import os
from importlib.machinery import ExtensionFileLoader, ModuleSpec
loader = ExtensionFileLoader({name!r}, {path!r})
try:
    loader.exec_module(loader.create_module(ModuleSpec({name!r}, loader, origin={path!r})))
    said = "loaded"
except ImportError as error:
    said = "ImportError: " + str(error)
os.write(1, ({where!r} + " " + said + "\\n").encode())
"""
# The interface has another name in each version. `run` runs code in a new interpreter, with a GIL of its own or with
# that of this one.
INTERPRETERS = """
import sys
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
def run(text, own_gil):
    if sys.version_info >= (3, 13):
        found = interpreters.create("isolated" if own_gil else "legacy")
    else:
        found = interpreters.create(isolated=own_gil)
    failed = interpreters.run_string(found, text)
    interpreters.destroy(found)
    assert failed is None, failed
"""


def in_interpreters(module: str, order: str, own_gil: bool) -> list[str]:
    """Load a module in the main interpreter (m) and in others (s) of a process, in an order; return what it prints."""
    path = import_module(f"fingerprint.{module}").__file__
    steps = []
    for letter in order:
        text = LOAD.format(name=f"fingerprint.{module}", path=path, where={"m": "main", "s": "other"}[letter])
        steps.append(f"exec({text!r}, {{}})" if letter == "m" else f"run({text!r}, {own_gil})")
    done = subprocess.run(
        [sys.executable, "-c", INTERPRETERS + "\n".join(steps)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


needs_interpreters = pytest.mark.skipif(
    not (find_spec("_interpreters") or find_spec("_xxsubinterpreters")),
    reason="this Python has no interface to further interpreters",
)


@needs_interpreters
@pytest.mark.parametrize("module", MODULES)
@pytest.mark.skipif(sys.version_info < (3, 12), reason="interpreters have a GIL of their own from 3.12 on")
def test_an_interpreter_with_its_own_gil_rejects_the_modules(module: str) -> None:
    """In any order: an ImportError there, and the main interpreter has the module."""
    for order in ("s", "sm", "ms", "mss"):
        said = in_interpreters(module, order, own_gil=True)
        assert len(said) == len(order)
        for letter, line in zip(order, said, strict=True):
            if letter == "m":
                assert line == "main loaded"
            else:
                assert line.startswith("other ImportError: ")
                assert "does not support loading in subinterpreters" in line


@needs_interpreters
@pytest.mark.parametrize("module", MODULES)
def test_a_second_interpreter_under_one_gil_rejects_the_modules(module: str) -> None:
    """In any order: the first interpreter that loads a module has it, and every other gets an ImportError."""
    for order in ("ms", "mss", "ss", "sm"):
        first, *others = in_interpreters(module, order, own_gil=False)
        assert first.endswith(" loaded")
        assert len(others) == len(order) - 1
        for line in others:
            assert "ImportError: " in line
            assert "one interpreter per process" in line


@pytest.mark.skipif(not sysconfig.get_config_var("Py_GIL_DISABLED"), reason="this Python has a GIL")
@pytest.mark.parametrize("module", MODULES)
def test_a_free_threaded_python_turns_its_gil_on_for_the_modules(module: str) -> None:
    """All modules require the GIL: docs/native.md."""
    code = f"import sys, fingerprint.{module}; print(sys._is_gil_enabled())"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


def test_many_threads_get_the_answers_of_one_thread() -> None:
    """With the functions that have caches: sets of keys, the processor, the digest functions."""
    bodies: list[Any] = [{"machine-id": "m", "ipaddress-info": str(n), "k": "v" * n} for n in range(64)]
    hashes = [HardwareHash(body) for body in bodies]
    table = bytes([1, 27, 0, 0, 0, 0, 0, 1, *range(16), 6, 0, 0]) + b"S-4711\0\0" + bytes([127, 4, 0, 0, 0, 0])

    def work() -> list[Any]:
        found: list[Any] = []
        for number, (body, packed) in enumerate(zip(bodies, hashes, strict=True)):
            other = HardwareHash({**body, f"key {number}": ""})
            found += [
                decide(packed, other, 50),
                decide(hashes[0], packed, 50),
                hash(packed),
                packed == HardwareHash(body),
            ]
            found += [sha256_hex(str(number).encode()), value_of("name", str(number)), smbios_identifiers(table)]
            found.append(loads(b'{"a": [1, "%d"]}' % number))
        try:
            found.append(processor())
        except OSError as error:
            found.append(error.errno)
        return found

    expected = work()
    answers: list[list[Any]] = []
    begin = threading.Barrier(16)

    def threaded() -> None:
        begin.wait()
        for _ in range(5):
            answers.append(work())

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=threaded) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert len(answers) == 80
    assert all(answer == expected for answer in answers)


def test_a_stream_has_one_reader_at_a_time() -> None:
    """A producer that runs Python code releases the GIL within a batch, and its stream takes only one reader."""
    pa = pytest.importorskip("pyarrow")
    from fingerprint._fleet import Stream

    inside, go_on = threading.Event(), threading.Event()

    def batches() -> Iterator[Any]:
        inside.set()
        assert go_on.wait(30)
        yield pa.record_batch({"a": ["x"]})

    schema = pa.schema([("a", pa.string())])
    stream = Stream(pa.RecordBatchReader.from_batches(schema, batches()))
    read: list[int] = []
    thread = threading.Thread(target=lambda: read.extend(len(batch) for batch in stream))
    thread.start()
    try:
        assert inside.wait(30)
        with pytest.raises(RuntimeError, match="another thread"):
            next(stream)
    finally:
        go_on.set()
        thread.join()
    assert read == [1]
