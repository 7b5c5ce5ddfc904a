"""Help and completion."""

from __future__ import annotations

from fingerprint.cli.options import TEXT_ONLY, Command

COMMANDS = (
    Command(
        "help",
        "help",
        "print help for a command",
        positionals=(("COMMAND", "several", (), "the command, such as vault restore"),),
        options=(TEXT_ONLY,),
        examples=(("fingerprint help vault restore", "the same as `fingerprint vault restore --help`"),),
        optional=True,
    ),
    Command(
        "completion",
        "completion",
        "print the completion script of a shell",
        positionals=(("SHELL", "text", ("bash", "zsh", "fish"), "the shell"),),
        options=(TEXT_ONLY,),
        examples=(('eval "$(fingerprint completion bash)"', "completion in this shell"),),
    ),
)
