"""Signals that do not interrupt a wait of the main thread, like a signal that arrives just before the wait."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

# Sending the signal to another thread makes the worst case certain: the interpreter has noted it, and no call of the
# main thread was interrupted.
_SCRIPT = """
import os, signal, sys, threading

def send():
    os.read({go}, 1)
    signal.pthread_kill(threading.get_ident(), {number})

threading.Thread(target=send, daemon=True).start()
from fingerprint.cli import main
sys.exit(main({words}))
"""
# Time for the main thread to get from its output to its wait.
_SETTLE = 0.5


class Unnoticed:
    """The command line in its own process, and one signal that does not interrupt its main thread."""

    def __init__(self, number: int, *words: str, cwd: Path, env: dict[str, str], **options: Any) -> None:
        go, self._send = os.pipe()
        script = _SCRIPT.format(go=go, number=int(number), words=list(words))
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-I", "-c", script], cwd=cwd, env=env, pass_fds=[go], text=True,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options,
            )  # fmt: skip
        finally:
            os.close(go)

    def __enter__(self) -> Unnoticed:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._send)
        self.process.kill()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        self.process.wait()

    def end(self, timeout: float = 20) -> tuple[int, str]:
        """Send the signal, and return exit code and standard error."""
        time.sleep(_SETTLE)
        os.write(self._send, b"1")
        code = self.process.wait(timeout)
        assert self.process.stderr is not None
        return code, self.process.stderr.read()
