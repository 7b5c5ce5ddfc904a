"""SHA-256 of the native code, built from its header with the processor's instructions and portably."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from paths import ROOT

COMPILER = os.environ.get("CC", "").split() or [name for name in ("cc", "gcc", "clang") if shutil.which(name)][:1]

pytestmark = [
    pytest.mark.skipif(not COMPILER or sys.platform == "win32", reason="there is no C compiler"),
    pytest.mark.skipif(not (ROOT / "native").exists(), reason="the sources of the native core are not here"),
]


PROGRAM = """
/* Reads messages, each as its length and the size of the pieces it is given in (two 32-bit numbers), then its bytes;
   prints the SHA-256 of each. The first line says whether the processor's instructions are used. */

#include <stdio.h>
#include <stdlib.h>

#include "sha256.h"

int main(void) {
    uint32_t head[2];
    printf("%d\\n", sha256_has_instructions());
    while (fread(head, sizeof head, 1, stdin) == 1) {
        const uint32_t length = head[0], piece = head[1];
        unsigned char digest[32], *data = malloc(length ? length : 1);
        sha256_context context;
        if (!data || fread(data, 1, length, stdin) != length) return 1;
        sha256_begin(&context);
        for (uint32_t at = 0; at < length; at += piece)
            sha256_add(&context, data + at, length - at < piece ? length - at : piece);
        sha256_end(&context, digest);
        for (int i = 0; i < 32; i++) printf("%02x", digest[i]);
        printf("\\n");
        free(data);
    }
    return 0;
}
"""


def build(directory: Path, *words: str) -> str:
    program = str(directory / "sha256")
    source = directory / "sha256_of_stdin.c"
    source.write_text(PROGRAM)
    command = [*COMPILER, "-O2", *words, "-I", str(ROOT / "native" / "include"), "-o", program, str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return program


def messages() -> list[tuple[bytes, int]]:
    """Return messages of every length around blocks of 64 bytes, and long ones, with several sizes of pieces."""
    random = Random(256)
    found = []
    for length in (*range(321), 1000, 4095, 4096, 4097, 100_000):
        pieces = {1, 55, 56, 63, 64, 65, 128, random.randint(1, length + 1), length + 1}
        found += [(random.randbytes(length), piece) for piece in sorted(pieces) if length <= 4097 or piece > 1]
    return found


def digests(program: str, given: list[tuple[bytes, int]]) -> list[str]:
    data = b"".join(len(m).to_bytes(4, sys.byteorder) + piece.to_bytes(4, sys.byteorder) + m for m, piece in given)
    return subprocess.run([program], input=data, capture_output=True, check=True).stdout.decode().split()


def test_the_portable_code_gives_the_digests_of_hashlib(tmp_path: Path) -> None:
    given = messages()
    instructions, *found = digests(build(tmp_path, "-DSHA256_PORTABLE"), given)
    assert instructions == "0"
    assert found == [hashlib.sha256(message).hexdigest() for message, _ in given]


def test_the_instructions_give_the_digests_of_hashlib(tmp_path: Path) -> None:
    given = messages()
    instructions, *found = digests(build(tmp_path), given)
    assert found == [hashlib.sha256(message).hexdigest() for message, _ in given]
    flags = Path("/proc/cpuinfo").read_text().split() if Path("/proc/cpuinfo").exists() else []
    if "flags" in flags:
        assert instructions == str(int("sha_ni" in flags))


def test_a_fault_in_the_portable_code_is_detected(tmp_path: Path) -> None:
    """The test program is built from the shipped header, and runs the variant that it names."""
    header = (ROOT / "native" / "include" / "sha256.h").read_text()
    assert header.count("t1 + t2;") == 1
    (tmp_path / "sha256.h").write_text(header.replace("t1 + t2;", "t1;"))
    program = build(tmp_path, "-DSHA256_PORTABLE", "-I", str(tmp_path))
    _, found = digests(program, [(b"abc", 1)])
    assert found != hashlib.sha256(b"abc").hexdigest()
