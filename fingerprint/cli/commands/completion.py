"""`fingerprint completion bash|zsh|fish`: a script made from the table of commands."""

from __future__ import annotations

from fingerprint.cli.options import GLOBAL
from fingerprint.cli.output import write_data
from fingerprint.cli.table import all_commands

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.cli.options import Command, Option
    from fingerprint.cli.parser import Arguments


def run(arguments: Arguments) -> int:
    write_data({"bash": _bash, "zsh": _zsh, "fish": _fish}[arguments.SHELL]())
    return 0


def _words() -> dict[str, list[str]]:
    """Return what may follow each beginning: "" -> commands, "vault" -> show, verify, reset."""
    words: dict[str, list[str]] = {"": []}
    for command in all_commands():
        first, _, second = command.path.partition(" ")
        if first not in words[""]:
            words[""].append(first)
        if second:
            words.setdefault(first, []).append(second)
        for _, _, choices, _ in command.positionals:
            words[command.path] = list(choices)
    return words


def _options(command: Command | None) -> list[Option]:
    return [*GLOBAL, *(command.options if command else ())]


def _bash() -> str:
    values = []
    for option in {o.flag: o for c in all_commands() for o in _options(c)}.values():
        if option.choices:
            values.append(
                f'        {option.flag}) COMPREPLY=($(compgen -W "{" ".join(option.choices)}" -- "$cur")); return ;;'
            )
        elif option.files == "directory":
            values.append(f'        {option.flag}) COMPREPLY=($(compgen -d -- "$cur")); return ;;')
        elif option.files:
            values.append(f'        {option.flag}) COMPREPLY=($(compgen -f -- "$cur")); return ;;')
        elif option.metavar:
            values.append(f"        {option.flag}) return ;;")
    cases = []
    for path, following in _words().items():
        cases.append(f'        "{path}") words="{" ".join(following)}" ;;')
    flags = []
    for command in all_commands():
        flags.append(f'        "{command.path}"*) flags="{" ".join(o.flag for o in _options(command))}" ;;')
    every = " ".join(o.flag for o in GLOBAL)
    files = "|".join(f'"{name}"*' for name in _file_commands())
    taking = sorted({o.flag for o in (*GLOBAL, *(o for c in all_commands() for o in c.options)) if o.metavar})
    new = "\n"
    return f"""_fingerprint() {{
    local cur="${{COMP_WORDS[COMP_CWORD]}}" prev="${{COMP_WORDS[COMP_CWORD-1]}}" path="" words="" flags="{every}" i
    case "$prev" in
{new.join(values)}
    esac
    for ((i = 1; i < COMP_CWORD; i++)); do
        case "${{COMP_WORDS[i]}}" in
            {"|".join(taking)}) ((i++)) ;;
            -*) ;;
            *) path="${{path:+$path }}${{COMP_WORDS[i]}}" ;;
        esac
    done
    case "$path" in
{new.join(cases)}
        {files}) COMPREPLY=($(compgen -f -- "$cur")); [[ $cur != -* ]] && return ;;
    esac
    case "$path" in
{new.join(flags)}
    esac
    if [[ $cur == -* ]]; then words="$flags --help"; fi
    COMPREPLY=($(compgen -W "$words" -- "$cur"))
}}
complete -F _fingerprint fingerprint"""


def _file_commands() -> list[str]:
    """Return the commands whose arguments are files."""
    takes = ("text", "several")
    return [c.path for c in all_commands() if any(kind in takes and not ch for _, kind, ch, _ in c.positionals)]


def _zsh() -> str:
    # zsh runs bash's functions through its own emulation, so one script is kept right, not two.
    return "autoload -U +X bashcompinit && bashcompinit\n" + _bash()


def _fish() -> str:
    lines = ["complete -c fingerprint -f"]
    words = _words()
    for command in all_commands():
        first, _, second = command.path.partition(" ")
        if second:
            lines.append(
                f"complete -c fingerprint -n '__fish_seen_subcommand_from {first}; and not "
                f"__fish_seen_subcommand_from {' '.join(words[first])}' -a {second} -d {_quoted(command.text)}"
            )
        else:
            lines.append(f"complete -c fingerprint -n __fish_use_subcommand -a {first} -d {_quoted(command.text)}")
        seen = f"-n '__fish_seen_subcommand_from {second or first}'"
        for _, _, choices, _ in command.positionals:
            if choices:
                lines.append(f"complete -c fingerprint {seen} -a '{' '.join(choices)}'")
        for option in command.options:
            lines.append(f"complete -c fingerprint {seen} {_fish_option(option)}")
    for group in sorted({c.path.split()[0] for c in all_commands() if " " in c.path}):
        lines.append(f"complete -c fingerprint -n __fish_use_subcommand -a {group}")
    lines += [f"complete -c fingerprint -n '__fish_seen_subcommand_from {name}' -F" for name in _file_commands()]
    lines += [f"complete -c fingerprint {_fish_option(option)}" for option in GLOBAL]
    return "\n".join(lines)


def _fish_option(option: Option) -> str:
    text = f"-l {option.flag[2:]} -d {_quoted(option.text)}"
    if option.choices:
        return f"{text} -x -a '{' '.join(option.choices)}'"
    if option.files:
        return f"{text} -r -F"
    return f"{text} -x" if option.metavar else text


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
