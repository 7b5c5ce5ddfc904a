"""Links below a root lead where the kernel leads a process whose root that is."""

from __future__ import annotations

import errno
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from fingerprint._io.chroot import MOST_LINKS, on_disk
from fingerprint.image.disk import Disk

pytestmark = pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root may change its root")

NAMES = ("a", "b", "c", "d")
ORACLE = """
import json, os, sys
os.chroot(sys.argv[1])
os.chdir("/")
found = []
for path in json.load(sys.stdin):
    try:
        found.append(os.stat(path).st_ino)
    except OSError as error:
        found.append(-error.errno)
print(json.dumps(found))
"""


def by_kernel(root: Path, paths: list[str]) -> list[int]:
    """Return the inode that each path leads to for a process with this root, or minus the number of its error."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", ORACLE, str(root)], input=json.dumps(paths), capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    found: list[int] = json.loads(done.stdout)
    return found


def by_path(root: Path, path: str) -> int:
    try:
        return os.stat(on_disk(str(root), path), follow_symlinks=False).st_ino
    except OSError as error:
        return -(error.errno or 0)


def by_descriptor(root: Path, path: str) -> int:
    try:
        with Disk(str(root)).directory(path) as directory:
            return directory.status(".").st_ino
    except OSError as error:
        return -(error.errno or 0)


def grown(root: Path, draw: random.Random) -> list[str]:
    """Make a tree of directories, files and links, absolute and relative, and return paths through it."""
    directories, names = [""], list(NAMES)
    for _ in range(6):
        path = f"{draw.choice(directories)}/{draw.choice(names)}"
        if not (root / path[1:]).exists():
            (root / path[1:]).mkdir()
            directories.append(path)
    for _ in range(8):
        path = f"{draw.choice(directories)}/{draw.choice(names)}"
        if os.path.lexists(root / path[1:]):
            continue
        parts = [draw.choice([*names, ".."]) for _ in range(draw.randint(1, 4))]
        target = draw.choice(["/", ""]) + "/".join(parts) or "/"
        if draw.random() < 0.2:
            (root / path[1:]).write_text("")
        else:
            (root / path[1:]).symlink_to(target)
    return ["/" + "/".join(draw.choice([*names, ".."]) for _ in range(draw.randint(1, 5))) for _ in range(60)]


@pytest.mark.parametrize("seed", range(12))
def test_links_below_a_root_lead_where_the_kernel_leads(tmp_path: Path, seed: int) -> None:
    root = tmp_path / "root"
    root.mkdir()
    # What a path that escapes would find.
    for name in NAMES:
        (tmp_path / name).mkdir()
    paths = grown(root, random.Random(seed))
    expected = by_kernel(root, paths)
    assert any(found > 0 for found in expected)
    assert any(found < 0 for found in expected)
    assert [by_path(root, path) for path in paths] == expected
    for path, inode in zip(paths, expected, strict=True):
        if inode > 0 and not os.path.isdir(on_disk(str(root), path)):
            inode = -errno.ENOTDIR
        assert by_descriptor(root, path) == inode, path


@pytest.mark.parametrize("links", [MOST_LINKS, MOST_LINKS + 1])
def test_as_many_links_are_followed_as_by_the_kernel(tmp_path: Path, links: int) -> None:
    (tmp_path / "end").mkdir()
    for number in range(links):
        (tmp_path / f"l{number}").symlink_to(f"l{number + 1}" if number + 1 < links else "end")
    [expected] = by_kernel(tmp_path, ["/l0"])
    assert expected == ((tmp_path / "end").stat().st_ino if links == MOST_LINKS else -errno.ELOOP)
    assert by_path(tmp_path, "/l0") == by_descriptor(tmp_path, "/l0") == expected
