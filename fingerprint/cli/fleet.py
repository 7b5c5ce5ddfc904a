"""`fingerprint fleet ...`: whole fleets. Each command is in a module of its own, after one look at the extra."""

from __future__ import annotations

from fingerprint.cli.interrupts import end_by_every_signal, was_interrupted
from fingerprint.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.cli.parse import Arguments


def run(arguments: Arguments) -> int:
    from importlib.util import find_spec

    missing = [name for name in ("pyarrow", "numpy", "duckdb", "tqdm") if find_spec(name) is None]
    if missing:
        raise UsageError(
            f"this command needs {', '.join(missing)}",
            remedy="Install them with: pip install 'hardware-fingerprint[fleet]'",
        )
    end_by_every_signal()
    name = arguments.command.path.split()[1]
    module = __import__(f"fingerprint.cli.fleet{name}", fromlist=["run"])
    try:
        return int(module.run(arguments))
    except Exception:
        if was_interrupted():
            raise KeyboardInterrupt from None
        raise
