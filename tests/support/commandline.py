"""The command line as a real subprocess."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

COMMAND = str(Path(sys.executable).with_name("fingerprint"))


def run(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run `fingerprint` with these words; its state is in FINGERPRINT_STATE of the environment given."""
    options.setdefault("capture_output", True)
    options.setdefault("timeout", 60)
    return subprocess.run([COMMAND, *words], text=True, check=False, **options)


def environment(state: Path, **more: str) -> dict[str, str]:
    """Return an environment with nothing of the caller's but PATH, on which the command is found by its name."""
    return {"PATH": f"{Path(COMMAND).parent}:{os.environ['PATH']}", "FINGERPRINT_STATE": str(state), **more}
