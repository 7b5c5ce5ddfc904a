"""Remove secrets from what a snapshot keeps: passwords of accounts, URLs and settings, keys, and tokens."""

from __future__ import annotations

from fingerprint._io.text import QUOTES, hidden, without_passwords
from fingerprint.agent.paths import CORE, KERNEL_AND_AUDIT, SESSION_USER, SNAP, is_agents, names_agent, paths_of
from fingerprint.machine.base import ACCOUNTS, AUDIT_LOG, GROUPS, MOUNTS, PASSWORDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from re import Match

_OUT = "***"
_SESSION_USER = SESSION_USER.encode() + b":"
# Programs that report the agent's service, and the agent itself; no hash is made of their output.
_WITH_SECRETS = ("systemctl", "launchctl", "journalctl", CORE, f"{CORE}.exe")
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
# A shell word with every kind of quotes of systemd; an unclosed quote ends with the word.
_WORD = r"""(?:\$?"(?:[^"\\]|\\.)*"|\$?'(?:[^'\\]|\\.)*'|\\.|\S)+"""
_RUN = r'(?:[^\s"\\]|\\.)+'
_PROXY = rf"((?:https?|all)_proxy\\?[\"']?\s*[:=]\s*\\?[\"']?)({_RUN})"
# A text without any of these, in lower case, names no secret.
_HINTS = ("secret", "token", "passw", "passphrase", "_key", "apikey", "privatekey", "activation", "authorization")
_NAMED = (
    r"(secret[_ -]?access[_ -]?key|secret[_-]?key|(?:session|security|access|refresh|auth|id)[_-]?token|passw(?:or)?d"
    r"|passphrase|client[_-]?secret|(?:private|api)[_-]?key|activation[_-]?code|authorization)"
    # A number or a word of JSON; else a value as in JSON, JSON in a string, configuration files and Go structures.
    r"(?:(\"\s*:\s*)([\w.+-]+)|(\\?[\"']?\s*(?:=>|[:=])\s*)"
    r"(\"(?:[^\"\\\n]|\\.)*\"|\\\"[^\"\n]*?\\\"|'[^'\n]*'|(?:(?:basic|bearer) +)?[^\s\"'\\{\[(](?:[^\s\"\\]|\\.)*))"
)
# Prefixes of session tokens of AWS.
_TOKEN = r"\b(?:FwoGZXIvYXdz|IQoJb3JpZ2lu|AQoDYXdz|FQoGZXIvYXdz)[\w+/=%-]+"


def kept_file(path: str, data: bytes) -> bytes:
    """Return what is kept of a file: the agent's files without secrets, the accounts without passwords."""
    if path == PASSWORDS:
        return b"".join(_whether_password(line) for line in data.split(b"\n") if line.startswith(_SESSION_USER))
    if path == GROUPS:
        return b"".join(_without_password(line) + b"\n" for line in data.split(b"\n") if _SESSION_USER[:-1] in line)
    if path == ACCOUNTS:
        return b"\n".join(_without_password(line) for line in data.split(b"\n"))
    if path == MOUNTS:
        return _decoded(data, _mounts_of_agent)
    if path == AUDIT_LOG:
        return _decoded(data, _lines_of_agent)
    return _decoded(data, without_secrets) if is_agents(path) else data


def _mounts_of_agent(text: str) -> str:
    """Return the file systems that hold files of the agent, without their devices and the values of options."""
    paths = paths_of("linux")
    files = (paths.data, paths.logs, paths.programs, paths.config, paths.home, SNAP)
    kept = []
    for line in text.splitlines():
        words = line.split(" ")
        if len(words) >= 4 and any(f"{file}/".startswith(f"{words[1].rstrip('/')}/") for file in files):
            options = ",".join(one for one in words[3].split(",") if "=" not in one)
            kept.append(f"- {words[1]} {words[2]} {options} 0 0\n")
    return "".join(kept)


def _lines_of_agent(text: str) -> str:
    return without_secrets("".join(f"{line}\n" for line in text.splitlines() if names_agent(line)))


def _whether_password(account: bytes) -> bytes:
    """Return a line of /etc/shadow with the name and a mark for a password or a lock only."""
    name, _, rest = account.partition(b":")
    stored = rest.partition(b":")[0]
    return name + b":" + (stored[:1] if stored[:1] in (b"", b"!", b"*") else b"x") + b":\n"


def _without_password(account: bytes) -> bytes:
    name, colon, rest = account.partition(b":")
    password, end, others = rest.partition(b":")
    # Any other value is the hash of the password, on systems without /etc/shadow.
    return account if not end or password in (b"", b"x", b"*", b"!") else name + colon + b"x" + end + others


def kept_output(argv: Sequence[str], output: bytes, complaint: str) -> tuple[bytes, str]:
    """Return what is kept of a command's output and of its complaint."""
    if argv[0].replace("\\", "/").rpartition("/")[2] in _WITH_SECRETS:
        kept = _lines_of_agent if KERNEL_AND_AUDIT[0] in argv else of_service
        return _decoded(output, kept), without_secrets(complaint)
    return output, complaint


def _decoded(data: bytes, treat: Callable[[str], str]) -> bytes:
    # Invalid UTF-8 stays unchanged.
    return treat(data.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


def of_service(text: str) -> str:
    """Return the output of a service manager, with the values of proxy variables only."""
    lines = []
    for line in text.split("\n"):
        name, arrow, value = line.partition(" => ")
        if line.startswith("Environment="):
            line = "Environment=" + " ".join(_variables(line[len("Environment=") :]))
        elif arrow:
            # From launchctl.
            line = f"{name}{arrow}{_proxy_value(value) if name.strip().lower() in _PROXIES else _OUT}"
        lines.append(line)
    return without_secrets("\n".join(lines))


def _variables(line: str) -> list[str]:
    import re

    kept, name = [], ""
    for word in re.findall(_WORD, line):
        found = re.match(r"(\$?[\"']?)([A-Za-z_]\w*)=", word)
        if found:
            name = found[2].lower()
            start = found[0]
            kept.append(start + _proxy_value(word[len(start) :]) if name in _PROXIES else f"{found[2]}={_OUT}")
        elif name == "no_proxy":
            # Older systemd does not quote: this belongs to the previous variable.
            kept.append(word)
    return kept


def _proxy_value(value: str) -> str:
    bare = value.lstrip("$\"'")
    return value[: len(value) - len(bare)] + hidden(bare, QUOTES)


def without_secrets(text: str) -> str:
    """Return a text of the agent with "***" in place of users and passwords of URLs and of values with secret names.

    JSON stays JSON, a second call changes nothing, and the time is linear in the length.
    """
    # Imported here: a recording without files of the agent starts without it.
    import re

    text = without_passwords(text)
    if "@" in text:
        # A proxy may be a URL without a scheme.
        text = re.sub(_PROXY, lambda found: found[1] + hidden(found[2], QUOTES), text, flags=re.IGNORECASE)
    lowered = text.lower()
    if any(hint in lowered for hint in _HINTS):
        text = re.sub(_NAMED, _masked, text, flags=re.IGNORECASE)
    return re.sub(_TOKEN, _OUT, text)


def _masked(found: Match[str]) -> str:
    name, of_json, word, between, value = found.groups()
    if of_json:
        # A number becomes a string, so that it stays JSON.
        return found[0] if word in ("null", "true", "false") else f'{name}{of_json}"{_OUT}"'
    quote = next((one for one in ('\\"', '"', "'") if value.startswith(one)), "")
    return f"{name}{between}{quote}{_OUT}{quote}"
