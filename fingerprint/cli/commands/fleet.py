"""`fingerprint fleet ...`: require the extra, then run the module of the command."""

from __future__ import annotations

from fingerprint.cli.signals import end_by_every_signal, was_interrupted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.cli.parser import Arguments


def run(arguments: Arguments) -> int:
    from fingerprint.cli.extras import require_extra

    require_extra("fleet")
    end_by_every_signal()
    name = arguments.command.path.split()[1]
    module = __import__(f"fingerprint.cli.commands.fleet_{name}", fromlist=["run"])
    try:
        return int(module.run(arguments))
    except Exception:
        if was_interrupted():
            raise KeyboardInterrupt from None
        raise
