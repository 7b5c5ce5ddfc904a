"""`fingerprint completion bash|zsh|fish`: a script made from the table of commands."""

from __future__ import annotations

from fingerprint.cli.options import GLOBAL
from fingerprint.cli.output import write_data
from fingerprint.cli.table import NOUNS, all_commands

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

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
    """Return the options of a command, each once: its own replaces the common one of the same name."""
    return [*{option.flag: option for option in (*GLOBAL, *(command.options if command else ()))}.values()]


def _names(options: Sequence[Option]) -> list[str]:
    return [name for option in options for name in (option.short, option.flag) if name]


def _values(command: Command, option: Option) -> tuple[str, ...]:
    """Return the words that may follow an option."""
    if option.metavar in ("CONDITIONS", "SYSTEM") or option.flag in ("--event", "--tolerate", "--reject"):
        # Imported here: other commands need nothing of it.
        from fingerprint.attributes.events import EVENTS
        from fingerprint.cli.service_files import SYSTEMS
        from fingerprint.monitor.status import CONDITIONS

        of = {"CONDITIONS": CONDITIONS, "SYSTEM": SYSTEMS}
        return tuple(of.get(option.metavar) or (event.name for event in EVENTS))
    return option.choices


def _bash() -> str:
    words = _words()
    commands = {command.path: command for command in all_commands()}
    paths = []
    for path in dict.fromkeys([*words, *commands]):
        command = commands.get(path)
        flags = " ".join(_names(_options(command)))
        files = f" files={_file_kind(command)}" if command is not None and _file_kind(command) else ""
        paths.append(f'        "{path}") words="{" ".join(words.get(path, ()))}" flags="{flags}"{files} ;;')
    after = [
        _bash_value(f'"{command.path}:{name}"', _values(command, option), option.files)
        for command in all_commands()
        for option in command.options
        if option.metavar
        for name in _names([option])
    ]
    after += [_bash_value(f"*:{option.flag}", option.choices, option.files) for option in GLOBAL if option.metavar]
    taking = sorted({name for c in all_commands() for o in _options(c) if o.metavar for name in _names([o])})
    known = "|".join(f'"{path}"' for path in dict.fromkeys([*words, *commands]) if path)
    new = "\n"
    return f"""_fingerprint_files() {{
    local IFS=$'\\n'
    compopt -o filenames 2>/dev/null
    COMPREPLY=($(compgen "$1" -- "$2"))
}}
_fingerprint() {{
    local cur="${{COMP_WORDS[COMP_CWORD]}}" prev="${{COMP_WORDS[COMP_CWORD-1]}}" path="" words="" flags="" files="" i
    local help=""
    # --vault=DIR is three words here.
    if [[ $cur == "=" ]]; then cur=""
    elif [[ $prev == "=" ]]; then prev="${{COMP_WORDS[COMP_CWORD-2]}}"
    fi
    for ((i = 1; i < COMP_CWORD; i++)); do
        case "${{COMP_WORDS[i]}}" in
            {"|".join(taking)}) ((i++)); if [[ ${{COMP_WORDS[i]}} == "=" ]]; then ((i++)); fi; continue ;;
            -*) continue ;;
            help) if [[ -z $path ]]; then help=help; continue; fi ;;
        esac
        case "${{path:+$path }}${{COMP_WORDS[i]}}" in
            {known}) path="${{path:+$path }}${{COMP_WORDS[i]}}" ;;
        esac
    done
    case "${{help:-$path}}:$prev" in
{new.join(after)}
    esac
    case "$path" in
{new.join(paths)}
    esac
    if [[ $cur == -* ]]; then words="$flags --help"
    elif [[ -n $files ]]; then _fingerprint_files "$files" "$cur"; if [[ -z $words ]]; then return; fi
    fi
    COMPREPLY+=($(compgen -W "$words" -- "$cur"))
}}
complete -F _fingerprint fingerprint"""


def _bash_value(pattern: str, values: Sequence[str], files: str) -> str:
    if values:
        return f'        {pattern}) COMPREPLY=($(compgen -W "{" ".join(values)}" -- "$cur")); return ;;'
    if files:
        return f'        {pattern}) _fingerprint_files {"-d" if files == "directory" else "-f"} "$cur"; return ;;'
    return f"        {pattern}) return ;;"


def _file_kind(command: Command) -> str:
    """Return how bash completes the arguments of a command: -f files, -d directories, "" neither."""
    if command.path == "help":
        return ""
    named = [name for name, kind, choices, _ in command.positionals if kind in ("text", "several") and not choices]
    return "" if not named else "-d" if named == ["DIR"] else "-f"


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
        # The second word alone is that of other commands, too: `image check`, `fleet check`, `check`.
        seen = f"-n '__fish_seen_subcommand_from {first}{f'; and __fish_seen_subcommand_from {second}' * bool(second)}'"
        if first == "diagnose" and not second:
            seen = "-n '__fish_seen_subcommand_from diagnose; and not __fish_seen_subcommand_from logs'"
        for _, _, choices, _ in command.positionals:
            if choices:
                lines.append(f"complete -c fingerprint {seen} -a '{' '.join(choices)}'")
        for option in command.options:
            lines.append(f"complete -c fingerprint {seen} {_fish_option(option, _values(command, option))}")
        if _file_kind(command):
            lines.append(f"complete -c fingerprint {seen} -F")
    lines += [
        f"complete -c fingerprint -n __fish_use_subcommand -a {noun} -d {_quoted(text)}" for noun, text in NOUNS.items()
    ]
    lines.append(f"complete -c fingerprint -n '__fish_seen_subcommand_from help' -a '{' '.join(words[''])}'")
    lines += [f"complete -c fingerprint {_fish_option(option, option.choices)}" for option in GLOBAL]
    return "\n".join(lines)


def _fish_option(option: Option, values: Sequence[str]) -> str:
    short = f"-s {option.short[1:]} " if option.short else ""
    text = f"{short}-l {option.flag[2:]} -d {_quoted(option.text)}"
    if values:
        return f"{text} -x -a '{' '.join(values)}'"
    if option.files:
        return f"{text} -r -F"
    return f"{text} -x" if option.metavar else text


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
