"""Options and commands of the command line, and the options that several commands share."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Option:
    """One option of the command line.

    Args:
        flag: its name with dashes.
        text: its line of help.
        metavar: what follows it; "" for a switch.
        kind: "text", "integer", "seconds", or "limit", an integer of seconds from 1 to
            `guard_units.LONGEST_LIMIT`.
        choices: the words that may follow it.
        default: its value when it is not given.
        files: what completion offers after it: "file", "directory" or "".
        short: its name of one letter with a dash, "" for none.
    """

    __slots__ = ("flag", "name", "text", "metavar", "kind", "choices", "default", "files", "short")

    def __init__(
        self,
        flag: str,
        text: str,
        metavar: str = "",
        kind: str = "text",
        choices: tuple[str, ...] = (),
        default: Any = None,
        files: str = "",
        short: str = "",
    ) -> None:
        self.flag = flag
        self.name = flag.lstrip("-").replace("-", "_")
        self.text = text
        self.metavar = metavar
        self.kind = kind
        self.choices = choices
        self.default = default if metavar else False
        self.files = files
        self.short = short


class Command:
    """One command.

    Args:
        path: its words, such as "threshold set".
        module: the module of `fingerprint.cli.commands` whose function `run` does it.
        text: its line of help: imperative, at most 60 characters.
        about: more of it, for its own help page.
        positionals: (name, kind, choices, line of help) of each argument; of kind "several" the last may repeat.
        options: its own options.
        examples: command lines, each with what it does.
        terse: whether an error is one line, for programs that pass it on.
        optional: whether the arguments may be left out, all of them together.
    """

    __slots__ = ("path", "module", "text", "about", "positionals", "options", "examples", "terse", "optional")

    def __init__(
        self,
        path: str,
        module: str,
        text: str,
        about: str = "",
        positionals: tuple[tuple[str, str, tuple[str, ...], str], ...] = (),
        options: tuple[Option, ...] = (),
        examples: tuple[tuple[str, str], ...] = (),
        terse: bool = False,
        optional: bool = False,
    ) -> None:
        self.path = path
        self.module = module
        self.text = text
        self.about = about
        self.positionals = positionals
        self.options = options
        self.examples = examples
        self.terse = terse
        self.optional = optional


# They read the files or the fleet that they name, or nothing.
_WITHOUT_TARGET = (
    "completion", "diagnose logs", "help", "local-service", "match", "monitor units", "s3-policy",
)  # fmt: skip


def is_without_target(command: Command) -> bool:
    """Return whether a command reads no machine and no vault."""
    return command.path in _WITHOUT_TARGET or (command.path.startswith("fleet ") and command.path != "fleet row")


GLOBAL = (
    Option("--vault", "vault directory (else FINGERPRINT_VAULT, the agent's, our own)", "DIR", files="directory"),
    Option("--root", "use the disk mounted at DIR instead of this host", "DIR", default="/", files="directory"),
    Option("--snapshot", "use a machine recorded by `snapshot`", "FILE", files="file"),
    Option("--output", "output format", "FORMAT", choices=("text", "json"), default="text"),
    Option("--timeout", "time limit of each command of a collection", "SECONDS", kind="seconds"),
    Option("--reveal", "print identifiers in full instead of masked"),
    Option("--no-color", "print no colors, also on a terminal (so does NO_COLOR)"),
)
# Of commands that print their conclusion, and the rest on request.
VERBOSE = Option("--verbose", "print all that was found, not the conclusion alone", short="-v")
# Of commands that print no JSON.
TEXT_ONLY = Option("--output", "output format", "FORMAT", choices=("text",), default="text")
DRY_RUN = Option("--dry-run", "print what would be done and change nothing")
YES = Option("--yes", "confirm (required)")
ENDPOINT = Option("--endpoint", "URL of the service (else the agent's, the region's)", "URL")
POLICY = Option(
    "--policy",
    "what to do on a mismatch",
    "POLICY",
    choices=("strict", "evidence", "regenerate", "audit"),
    default="strict",
)
PROXY = Option("--proxy", "URL of the proxy (else the environment's, the agent's)", "URL")
ROTATE = Option("--rotate-after", "rotate the node's key at this age; 0 never", "DAYS", kind="integer", default=0)
