"""The commands by group: parsing, help, completion and man pages are made from these tables.

A command line needs the table of its own group only, so each group is a module that is imported when it is needed.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.cli.options import Command

# Title, module, and the first words of its commands in the order of the help.
GROUPS = (
    ("inspect this host", "inspection", ("show", "check", "explain", "diagnose", "whatif", "snapshot", "report")),
    ("vault and threshold", "vault", ("vault", "threshold")),
    ("identity", "identity", ("register", "deregister", "guard", "credentials", "local-service")),
    ("monitoring and images", "monitoring", ("monitor", "image", "s3-policy")),
    ("many hosts", "fleets", ("fleet", "match")),
    ("help", "usage", ("help", "completion")),
)
# What the help says of a word that stands before several commands.
NOUNS = {
    "credentials": "get role credentials for AWS SDKs",
    "fleet": "check, plan and compare fleets",
    "image": "prepare a golden image",
    "monitor": "export the check to monitoring systems",
    "threshold": "read, set or choose the similarity threshold",
    "vault": "create, inspect, verify and restore the vault",
}


def group_of(word: str) -> tuple[Command, ...]:
    """Return the commands of the group that a first word is in; () for a word that begins none."""
    for _, module, words in GROUPS:
        if word in words:
            return _load(module)
    return ()


def all_commands() -> tuple[Command, ...]:
    """Return all commands, in the order of the help."""
    return tuple(command for _, module, _ in GROUPS for command in _load(module))


def _load(module: str) -> tuple[Command, ...]:
    table = __import__(f"fingerprint.cli.table.{module}", fromlist=["COMMANDS"])
    commands: tuple[Command, ...] = table.COMMANDS
    return commands
