"""Each fact and each mechanism has one home: the package is searched for a second one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import fingerprint

PACKAGE = Path(fingerprint.__file__).parent
TEXTS = {str(path.relative_to(PACKAGE)): path.read_text() for path in sorted(PACKAGE.rglob("*.py"))}
# The safe store of a vault: by descriptors, under a lock, with names that the next writer finds.
STORE = {"vault/_posix.py", "vault/_posix_exchange.py", "vault/_windows.py"}


def homes(pattern: str) -> set[str]:
    """Return the modules in whose text a regular expression is found."""
    return {name for name, text in TEXTS.items() if re.search(pattern, text)}


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        # A socket has no content to write before it gets its name.
        (r"\bos\.(?:rename|renames|replace|link)\b", {"_io/atomic.py", "credentials/unix_socket.py", *STORE}),
        (r"\bO_EXCL\b|open\([^)]*[\"']x[bt]?[\"']", {"_io/atomic.py", "cli/fleet_input.py", *STORE}),
        (r"\bNamedTemporaryFile\b|\bmkstemp\b", set()),
    ],
)
def test_one_module_gives_files_their_names(pattern: str, expected: set[str]) -> None:
    assert homes(pattern) <= expected
    assert expected <= homes(pattern) | STORE


def test_one_module_follows_links_below_a_root() -> None:
    # `Disk` walks by descriptors, its functions are called by the one that counts and orders; the last two read the
    # name of a namespace and of a bus.
    walkers = {"_io/chroot.py", "image/disk.py", "machine/reader.py", "machine/network.py"}
    assert homes(r"\breadlink\b") == walkers
    assert homes(r"raise OSError\(errno\.ELOOP") == {"_io/chroot.py"}


def test_one_module_reads_and_writes_times() -> None:
    pattern = r"strptime|strftime|fromisoformat|isoformat|\btimegm\b|\bmktime\b|parsedate|formatdate|\bgmtime\b"
    # A column of Arrow holds datetimes, which are written as JSON; a block of IP addresses is no time.
    assert homes(pattern) == {"_io/times.py", "fleet/io/writer.py"}


def test_one_module_masks_and_redacts() -> None:
    # Cells of tables that are too long have the sign, too.
    assert homes("…") == {"_io/text.py", "cli/output.py"}
    # The last two need the user, or a host without it; they print neither.
    assert homes(r"rpartition\(\"@\"\)|rfind\(\"@\"") == {"_io/text.py", "agent/proxies.py", "diagnose/network.py"}
    assert homes(r"isprintable\(\)\s+else\b") == {"_io/text.py"}
