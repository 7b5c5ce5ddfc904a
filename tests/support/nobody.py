"""Run code as another user without rights, in a real process."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

NOBODY = 65534

# Only root may be able to open the interpreter's files, as in a clone in a directory with mode 0700. So everything is
# loaded first; a module that is not fails the test on every host.
BECOME_NOBODY = """
import os, pkgutil, signal, sys
import base64, codecs, encodings.idna, gzip, hashlib, secrets, shutil, tarfile, tempfile, textwrap, zlib
import platformdirs
import fingerprint
for found in pkgutil.walk_packages(fingerprint.__path__, "fingerprint."):
    if not found.name.startswith(("fingerprint.fleet", "fingerprint.testing", "fingerprint.__main__")):
        try:
            __import__(found.name)
        except ImportError:
            pass
tarfile.open(fileobj=tempfile.TemporaryFile(), mode="w:gz").close()


class NothingMore:
    def find_spec(self, name, path=None, target=None):
        if name.startswith("fingerprint"):
            sys.stderr.write(f"{name} is not loaded by tests/support/nobody.py\\n")
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def become(user):
    sys.meta_path.insert(0, NothingMore())
    os.setgroups([]); os.setgid(user); os.setuid(user)
"""


def as_user(user: int, code: str, *words: str, before: str = "", **options: Any) -> subprocess.CompletedProcess[str]:
    """Run Python code as another user, with these words as its arguments; `before` runs as the current one."""
    script = f"{BECOME_NOBODY}\n{before}\nbecome({user})\n{code}"
    options.setdefault("timeout", 60)
    return subprocess.run(
        [sys.executable, "-I", "-c", script, *words], capture_output=True, text=True, check=False, **options
    )


def command_as_nobody(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run `fingerprint` with these words as a user without rights."""
    return as_user(NOBODY, "from fingerprint.cli import main; sys.exit(main(sys.argv[1:]))", *words, **options)
