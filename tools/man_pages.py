"""Write manual pages, made from the tables of the command line: `python tools/man_pages.py DIR`.

`fingerprint.1` has the groups, common options, files and exit codes; each command has a page of its own, such as
`fingerprint-vault-restore.1`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from fingerprint import __version__
from fingerprint.cli.options import GLOBAL, Command, Option
from fingerprint.cli.table import GROUPS, all_commands

EXIT_CODES = (
    ("0", "same machine, or nothing is wrong"), ("1", "different machine, or a finding"), ("2", "usage error"),
    ("3", "unknown"), ("4", "rejected; the error names the option that confirms, or says that there is none"),
    ("5", "rejected by the service"), ("6", "service unreachable"), ("130", "interrupted"),
    ("141", "the reader of the answer closed the pipe"),
)  # fmt: skip
ENVIRONMENT = (
    ("FINGERPRINT_VAULT", "vault directory, unless --vault names one"),
    ("FINGERPRINT_STATE", "directory of our own state: history, evidence, cached credentials"),
    ("FINGERPRINT_DEBUG", "1 prints where an internal error happened"),
    ("NO_COLOR", "prints no colors"),
)


def escaped(text: str) -> str:
    """Return a text as roff prints it literally."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\`")
    return "\n".join(f"\\&{line}" if line[:1] in (".", "'") else line for line in text.split("\n"))


def head(name: str, text: str) -> list[str]:
    return [
        f'.TH "{name.upper()}" "1" "" "fingerprint {__version__}" "User Commands"', ".SH NAME",
        f"{escaped(name)} \\- {escaped(text)}",
    ]  # fmt: skip


def option_rows(options: tuple[Option, ...]) -> list[str]:
    rows = []
    for option in options:
        names = ", ".join(f"\\fB{escaped(name)}\\fR" for name in (option.short, option.flag) if name)
        rows += [".TP", f"{names} \\fI{escaped(option.metavar)}\\fR" if option.metavar else names]
        choices = f": {' or '.join(option.choices)}" if option.choices else ""
        default = f" (default: {option.default})" if option.metavar and option.default is not None else ""
        rows.append(escaped(option.text + choices + default))
    return rows


def terms(rows: tuple[tuple[str, str], ...]) -> list[str]:
    return [line for name, text in rows for line in (".TP", f"\\fB{escaped(name)}\\fR", escaped(text))]


def page_of(command: Command) -> list[str]:
    """Return the lines of a command's page."""
    arguments = " ".join(f"\\fI{escaped(name)}\\fR" for name, *_ in command.positionals)
    synopsis = f"[{arguments}]" if command.optional else arguments
    own = {option.flag for option in command.options}
    lines = [
        *head(f"fingerprint-{command.path.replace(' ', '-')}", command.text), ".SH SYNOPSIS",
        f"\\fBfingerprint {escaped(command.path)}\\fR [\\fIoptions\\fR] {synopsis}".rstrip(), ".SH DESCRIPTION",
        escaped(f"{command.text[0].upper()}{command.text[1:]}."),
    ]  # fmt: skip
    if command.about:
        lines += [".PP", escaped(command.about)]
    if command.positionals or command.options:
        lines.append(".SH OPTIONS")
    for name, _, choices, text in command.positionals:
        more = f": {' or '.join(choices)}" if choices else ""
        lines += [".TP", f"\\fI{escaped(name)}\\fR", escaped(text + more)]
    lines += option_rows(command.options)
    lines += [".SH COMMON OPTIONS", *option_rows(tuple(o for o in GLOBAL if o.flag not in own))]
    if command.examples:
        lines.append(".SH EXAMPLES")
    for line, text in command.examples:
        lines += [".TP", f"\\fB{escaped(line)}\\fR", escaped(text)]
    return [*lines, ".SH SEE ALSO", "\\fBfingerprint\\fR(1)"]


def overview() -> list[str]:
    """Return the lines of the first page."""
    lines = [
        *head("fingerprint", "verify that this host is still the machine that registered"), ".SH SYNOPSIS",
        "\\fBfingerprint\\fR [\\fIoptions\\fR] \\fIcommand\\fR ...", ".SH DESCRIPTION",
        "Verify a hybrid-activated host against the vault of its registration, explain the verdict, and manage the "
        "vault, the registration and its credentials.",
    ]  # fmt: skip
    for title, _, words in GROUPS:
        lines.append(f".SS {title[0].upper()}{title[1:]}")
        for command in all_commands():
            if command.path.split()[0] in words:
                lines += [".TP", f"\\fB{escaped(command.path)}\\fR", escaped(command.text)]
    lines += [".SH OPTIONS", *option_rows(GLOBAL), ".SH ENVIRONMENT", *terms(ENVIRONMENT)]
    return [*lines, ".SH EXIT STATUS", *terms(EXIT_CODES)]


def pages() -> dict[str, str]:
    """Return every page by the name of its file."""
    made = {"fingerprint.1": overview()}
    made.update({f"fingerprint-{c.path.replace(' ', '-')}.1": page_of(c) for c in all_commands()})
    return {name: "\n".join(lines) + "\n" for name, lines in made.items()}


def main() -> int:
    if len(sys.argv) != 2:
        print("usage: python tools/man_pages.py DIR", file=sys.stderr)
        return 2
    target = Path(sys.argv[1])
    try:
        target.mkdir(parents=True, exist_ok=True)
        for name, text in pages().items():
            (target / name).write_text(text, encoding="utf-8")
    except OSError as error:
        print(f"cannot write {error.filename}: {error.strerror}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
