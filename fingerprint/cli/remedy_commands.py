"""Printed commands act on the target of the run that prints them, and start the program as it was started.

Messages name our commands plainly, such as `fingerprint vault restore 3`, at the start of a line, after a colon or
in backquotes. `cli.output` passes what it prints through here: --vault, --root, --snapshot and our state are added.
A command that must run on another machine is printed as one for that machine.
"""

from __future__ import annotations

import os
import sys

from fingerprint._io.permissions import is_root
from fingerprint.agent.paths import paths_of
from fingerprint.cli.options import GLOBAL, Command, is_without_target
from fingerprint.cli.table import group_of
from fingerprint.vault.locations import STATE_VARIABLE, VAULT_VARIABLE, is_own, reference_vault, resolve_vault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from fingerprint.cli.parser import Arguments

_NAME = "fingerprint"
THERE = "on that machine: "
_SAID = ("on that machine: ", "on that machine): ")
# Before a command in backquotes that is for one system: of several in brackets, the first says the machine.
_ON_SYSTEM = ("on Linux: ", "on macOS: ", "on Windows: ")
# They write, and what they write lies on the copied disk. Others would write what the hardware of this host says.
_WRITE_ON_DISK = (
    "guard install", "guard uninstall", "image clean", "threshold set", "vault backup", "vault repair",
    "vault reset", "vault restore",
)  # fmt: skip
# They write, or need the machine itself, without an option that shows it.
_WRITE = ("credentials process", "credentials serve", "credentials update")
# They read what a snapshot does not hold.
_NEED_DISK = ("credentials sources", "image check")
# Programs of the system that advice names.
_PROGRAMS = (
    "Add-ADGroupMember", "DISM", "Get-Disk", "Get-MpThreatDetection", "Get-NetFirewallProfile", "Get-NetRoute",
    "Get-PhysicalDisk",
    "Get-Process", "Get-Service", "Get-Volume", "New-ADUser", "Resolve-DnsName", "Restart-Service", "Resume-Service",
    "Set-Service", "Start-Service", "ausearch", "chmod", "chown", "cloud-init", "df", "dmesg", "dscacheutil",
    "findmnt", "fsutil", "fuser", "getent", "hostnamectl", "icacls", "journalctl", "launchctl", "mofcomp", "mount",
    "namei", "net", "netsh", "netstat", "nft", "openssl", "pw", "restorecon", "rm", "sc", "sfc", "snap", "ssh-keygen",
    "sudo", "sysctl", "systemctl", "systemd-analyze", "timedatectl", "uname", "userdel", "usermod", "vm_stat",
    "w32tm", "winmgmt",
)  # fmt: skip
# Programs with names that are also words of a sentence: in backquotes only.
_PROGRAMS_IN_QUOTES = ("date", "free", "ip", "ls")
_JSON_KEYS = (
    "because", "cannotTell", "command", "conclusion", "consequence", "next", "notes", "remedies", "remedy", "risk",
    "text", "what",
)  # fmt: skip
# What was read of a machine, word for word.
_JSON_DATA = ("attributes", "evidence", "hardwareHash", "timeline")
# Where sudo finds programs whatever PATH says.
_SUDO_FINDS = ("/bin", "/sbin", "/snap/bin", "/usr/bin", "/usr/local/bin", "/usr/local/sbin", "/usr/sbin")
_PUNCTUATION = ".,;:)`"


class Advice:
    """The commands that one run prints.

    Args:
        arguments: its command line; None before it is known.
    """

    def __init__(self, arguments: Arguments | None) -> None:
        named = os.environ.get(VAULT_VARIABLE, "") if is_own(os.environ) else ""
        vault = (arguments.vault if arguments else None) or named
        root = arguments.root if arguments else "/"
        self._vault = _absolute(vault) if vault else ""
        self._root = "" if root == "/" else _absolute(root)
        self._snapshot = _absolute(arguments.snapshot) if arguments and arguments.snapshot is not None else ""
        state = os.environ.get(STATE_VARIABLE, "") if is_own(os.environ) else ""
        self._state = _absolute(state) if state else ""
        self._program = program()
        self._of_files = arguments is not None and _reads_files(arguments)

    @property
    def elsewhere(self) -> bool:
        """Whether the run read another machine than this one, or may have."""
        return bool(self._root or self._snapshot or self._of_files)

    def text(self, text: str, blank: str = " ") -> str:
        """Return a text with its commands aimed; `blank` takes the place of each blank within one of them."""
        if self.elsewhere:
            for system in _ON_SYSTEM:
                text = text.replace(f"({system}`", f"({THERE[:-2]}, {system}`")
        done, at = [], 0
        while (found := self._next(text, at)) is not None:
            begin, end, command = found
            # Before what is said of it a line may end.
            done += [text[at:begin], command[:1], command[1:].replace(" ", blank)]
            at = end
        return "".join((*done, text[at:]))

    def step(self, text: str, command: str) -> tuple[str, str]:
        """Return what to do and its command, aimed; one that cannot be given from here stands in the text.

        The text itself is not aimed: that is for where it is folded or written.
        """
        if command.startswith((_NAME + " ", "sudo " + _NAME + " ")):
            aimed = self.text(command)
        else:
            aimed = THERE + command if command and self.elsewhere else command
        return (f"{text} ({aimed})", "") if aimed.startswith(THERE) else (text, aimed)

    def answer(self, value: Any, key: str = "") -> Any:
        """Return an answer of JSON with its commands aimed."""
        if isinstance(value, str):
            return self.text(value) if key in _JSON_KEYS else value
        if isinstance(value, (list, tuple)):
            return [self.answer(one, key) for one in value]
        if not isinstance(value, dict):
            return value
        aimed = {name: one if name in _JSON_DATA else self.answer(one, name) for name, one in value.items()}
        words = next((name for name in ("remedy", "text") if isinstance(value.get(name), str)), "")
        # The command of an answer is its name.
        if words and "schemaVersion" not in value and isinstance(value.get("command"), str):
            text, aimed["command"] = self.step(value[words], value["command"])
            aimed[words] = self.text(text)
        return aimed

    def _next(self, text: str, at: int) -> tuple[int, int, str] | None:
        """Return where the next command begins and ends, and how it is printed."""
        ours = self._next_of_ours(text, at)
        other = self._next_of_others(text, at) if self.elsewhere else None
        found = min((found for found in (ours, other) if found is not None), default=None)
        if found is None or not found[2].startswith(THERE) or text.startswith(THERE, found[0]):
            return found
        begin, end, command = found
        if text[at:begin].endswith("`"):
            # What is in backquotes can be copied as it is.
            begin, command = begin - 1, f"{THERE}`{command.removeprefix(THERE)}"
        if text[at:begin].endswith(": "):
            # One colon is enough: "Make it with (on that machine): fingerprint vault init".
            begin, command = begin - 2, f" ({THERE[:-2]}): {command.removeprefix(THERE)}"
        return begin, end, command

    def _next_of_ours(self, text: str, at: int) -> tuple[int, int, str] | None:
        begin = at - 1
        while (begin := text.find(_NAME + " ", begin + 1)) >= 0:
            start = begin - 5 if text[:begin].endswith("sudo ") else begin
            said = _said(text, start)
            if start < at or not (said or _may_begin(text, start)):
                continue
            found = _extent(text, begin + len(_NAME) + 1)
            # Help is the same for every target.
            if found is not None and not text.startswith(" --help", found[0]):
                end, command, options = found
                if said:
                    return start - said, end, text[start - said : end]
                return start, end, self._aimed(text[begin + len(_NAME) + 1 : end], command, options, start < begin)
        return None

    def _next_of_others(self, text: str, at: int) -> tuple[int, int, str] | None:
        """Return the next command of another program that would act on the machine that this runs on."""
        found = []
        for name in (*_PROGRAMS, *_PROGRAMS_IN_QUOTES):
            begin = at - 1
            while (begin := text.find(name, begin + 1)) >= 0:
                before = text[:begin]
                following = text[begin + len(name) : begin + len(name) + 1]
                if following != " " and not (following == "`" and before.endswith("`")):
                    continue
                said = _said(text, begin) or (before.endswith("`") and _said(text, begin, _ON_SYSTEM))
                if said:
                    # It is not folded.
                    end = text.find("`", begin) + 1 if before.endswith("`") else _end_of_sentence(text, begin)
                    if begin - said >= at and end > begin:
                        found.append((begin - said, end, text[begin - said : end]))
                        break
                    continue
                if before.endswith("`") and "`" in text[begin:] and not before[:-1].endswith(_SAID):
                    end = text.index("`", begin) + 1
                    found.append((begin - 1, end, THERE + text[begin - 1 : end]))
                elif before.endswith(": ") and not before.endswith(_SAID) and name in _PROGRAMS:
                    end = _end_of_sentence(text, begin)
                    found.append((begin, end, THERE + text[begin:end]))
                else:
                    continue
                break
        return min(found, default=None)

    def _aimed(self, words: str, command: Command, options: tuple[str, ...], by_root: bool) -> str:
        """Return a command of ours, with its words as the text has them, for the target of this run."""
        plain = f"{'sudo ' if by_root else ''}{_NAME} {words}"
        if self._there(command, options):
            return THERE + plain
        if is_without_target(command) or "--to" in options:
            # With --to a command only writes files for another machine.
            return f"{self._program} {words}"
        vault = self._vault or self._resolved(by_root)
        given = (("--root", self._root), ("--snapshot", self._snapshot), ("--vault", vault))
        target = "".join(f" {flag} {quoted(path)}" for flag, path in given if path and flag not in options)
        start = self._program
        state = f"{STATE_VARIABLE}={quoted(self._state)}" if self._state else ""
        if by_root and not is_root():
            start = f"sudo {f'env {state} ' if state else ''}{_for_sudo(start)}"
        elif state and os.name == "nt":
            start = f"$env:{state}; {start}"
        elif state:
            start = f"{state} {start}"
        return f"{start}{target} {words}"

    def _there(self, command: Command, options: tuple[str, ...]) -> bool:
        """Return whether a command would act on this host, where the run read another one."""
        if self._of_files:
            # No option names that machine.
            return not is_without_target(command)
        if not self.elsewhere:
            return False
        if "--network" in options:
            # Of another machine than this one it is not asked.
            return True
        own = {option.flag for option in command.options}
        writes = command.path in _WRITE or bool(own & {"--dry-run", "--yes"}) or "--keep" in options
        if self._snapshot:
            return writes or command.path in (*_NEED_DISK, "snapshot")
        return writes and command.path not in _WRITE_ON_DISK

    def _resolved(self, by_root: bool) -> str:
        """Return the vault that nobody named, where the printed command would else find another one; "" elsewhere."""
        if self._root or not (self._state or by_root):
            return ""
        vault = resolve_vault(None)
        # Root has no other one than this.
        return "" if by_root and not self._state and vault == reference_vault() else vault


def _reads_files(arguments: Arguments) -> bool:
    """Return whether a run reads files of a machine that may be another one than this."""
    if arguments.command.path == "explain":
        return getattr(arguments, "A", None) is not None
    return arguments.command.path == "diagnose logs" and not _logs_here(arguments)


def _logs_here(arguments: Arguments) -> bool:
    """Return whether the logs that a run read are those of the agent on this host."""
    directory = paths_of("windows" if os.name == "nt" else "linux").logs
    files: list[str] = getattr(arguments, "FILE", [])
    return bool(files) and all(os.path.dirname(os.path.realpath(file)) == os.path.realpath(directory) for file in files)


def program() -> str:
    """Return how this program is started, quoted for a shell: by its name, its path, or as a module of its Python."""
    script = sys.argv[0] if sys.argv else ""
    if os.path.basename(script).removesuffix(".exe") != _NAME:
        # A module, or a part of another program.
        script = os.path.join(os.path.dirname(sys.executable), _NAME)
        otherwise = f"{quoted(sys.executable)} {'-I ' if sys.flags.isolated else ''}-m {_NAME}"
    else:
        script = _absolute(script)
        otherwise = quoted(script)
    found = _on_path(_NAME)
    try:
        return _NAME if found and os.path.samefile(found, script) else otherwise
    except OSError:
        return otherwise


def _on_path(name: str) -> str:
    """Return the program that a shell starts by this name, "" if there is none."""
    for directory in os.environ.get("PATH", os.defpath).split(os.pathsep):
        for ending in ("", ".exe") if os.name == "nt" else ("",):
            path = os.path.join(directory, name + ending)
            if os.path.isfile(path) and os.access(path, os.X_OK):
                return path
    return ""


def _for_sudo(start: str) -> str:
    """Return the program as sudo finds it, which has a search path of its own."""
    found = _on_path(_NAME) if start == _NAME else ""
    return quoted(_absolute(found)) if found and os.path.dirname(_absolute(found)) not in _SUDO_FINDS else start


def _absolute(path: str) -> str:
    try:
        return os.path.abspath(path)
    except OSError:
        # The current directory is gone.
        return path


def quoted(path: str) -> str:
    """Return a path as one word of a shell; what cannot be printed, and what parts columns, with escapes."""
    if path and all(c.isascii() and (c.isalnum() or c in "@%+=:,./-_") for c in path):
        return path
    if os.name == "nt":
        return path if path.isprintable() and " " not in path else f'"{path}"'
    if path.isprintable() and "|" not in path:
        return "'" + path.replace("'", "'\"'\"'") + "'"
    data = os.fsencode(path)
    return "$'" + "".join(chr(b) if 32 <= b < 127 and chr(b) not in "\\'|" else f"\\{b:03o}" for b in data) + "'"


def _said(text: str, at: int, words: tuple[str, ...] = _SAID) -> int:
    """Return the length of what says, before a command, which machine or system it is for; 0 if nothing does."""
    before = text[:at]
    quote = before.endswith("`")
    found = next((one for one in words if before[: len(before) - quote].endswith(one)), "")
    return len(found) + quote if found else 0


def _may_begin(text: str, at: int) -> bool:
    """Return whether a command may begin there: in a line of its own, after a colon, or in backquotes."""
    before = text[:at]
    line = before[before.rfind("\n") + 1 :].strip(" 0123456789)-$")
    return not line or before.endswith((": ", "`"))


def _end_of_sentence(text: str, at: int) -> int:
    ends = [end for end in (text.find(mark, at) for mark in (". ", "; ", "\n", ")")) if end >= 0]
    return min(ends, default=len(text))


def _extent(text: str, at: int) -> tuple[int, Command, tuple[str, ...]] | None:
    """Return where the command of ours ends whose words begin there, which it is, and the options that it has."""
    rest = text[at:]
    first = rest.split(None, 1)[0].rstrip(_PUNCTUATION) if rest.strip() else ""
    named = [command for command in group_of(first) if _names(rest, command.path)]
    if not named:
        return None
    command = max(named, key=lambda one: len(one.path))
    known = {name: option for option in (*GLOBAL, *command.options) for name in (option.flag, option.short) if name}
    end, left, options = at + len(command.path), len(command.positionals), []
    value = False
    while text[end : end + 1] == " ":
        following = text[end + 1 :].split(" ", 1)[0].split("\n", 1)[0]
        word = following.rstrip(_PUNCTUATION) if not following.endswith("...") else following
        flag, equals, _ = word.partition("=")
        if value:
            value = False
        elif flag in known:
            options.append(flag)
            value = bool(known[flag].metavar) and not equals
        elif left and word and (word[0].isdigit() or word.isupper() or "." in word or "/" in word):
            left -= 1
        else:
            break
        end += 1 + len(word)
        if word != following:
            break
    return end, command, tuple(options)


def _names(text: str, path: str) -> bool:
    following = text[len(path) : len(path) + 1]
    return text.startswith(path) and (not following or following.isspace() or following in _PUNCTUATION)
