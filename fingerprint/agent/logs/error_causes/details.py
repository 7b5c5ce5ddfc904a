"""Details of an error for the words and commands of its cause: host, file, times, action, and the error in one line."""

from __future__ import annotations

import re
from itertools import pairwise

from fingerprint._io.times import basic_seconds, seconds_of
from fingerprint.agent.paths import LAUNCHD_SERVICE, PACKAGE, WINDOWS_SERVICE, paths_of
from fingerprint.agent.providers import METADATA_HOST

# Words where an error names no such detail; the others are left out then.
_UNNAMED = {
    "host": "the endpoint of the service", "peer": "the endpoint of the service", "action": "the request",
    "policy": "of the account or organization", "authority": "the proxy's authority",
    "certificates": paths_of("linux").certificates,
}  # fmt: skip
_NAME = r"([A-Za-z0-9][A-Za-z0-9.-]*[A-Za-z0-9])"
_HOST = re.compile(rf"(?:\bhttps://|\blookup |certificate is valid for [^\n]{{1,300}}, not ){_NAME}")
_PROXY_HOST = re.compile(rf"(?:proxyconnect|socks connect) tcp:? (?:dial tcp:? )?(?:lookup )?(?:{_NAME}(?::\d+)?)")
_ADDRESS = re.compile(r"\b(?:dial|connect|connectex|read|write) (?:tcp|udp)[46]? (?:[^\s>]+->)?"
                      r"((?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.%\w]+\]):\d+)")  # fmt: skip
# A path is printed within commands: of Unix it has only characters that a shell does not interpret, of Windows those
# that PowerShell, which knows more quotation marks, does not interpret in quotation marks.
_PATHS = re.compile(
    r"(?<![\w/:.<])(/(?:[\w.@+-]+/)*[\w.@+-]*[\w@+-])|"
    r"\b([A-Za-z]:\\[^:\"*?<>|$`%\x00-\x1f\x7f-\x9f\u201c-\u201f\u2028\u2029]+?)(?= [A-Za-z]:\\|[:\"]|$)"
)
_ACTION = re.compile(r"not authorized to perform:? ([a-z0-9-]+:[A-Za-z*]+)")
_POLICY = re.compile(r"explicit deny in an? ([a-z -]{1,40}? policy|permissions boundary)")
_AUTHORITY = re.compile(r'candidate authority certificate "([^"]{1,80})"')
_NODE = re.compile(r"\b(?:mi|i)-[0-9a-f]{8,17}\b")
_BASIC = r"(\d{8}T\d{6}Z)"
_SIGNED = re.compile(rf"{_BASIC} is (?:now earlier|still later) than {_BASIC}(?: \({_BASIC})?")
_VALID = re.compile(r"current time (\S+) is (before|after) (\S+)")
_CAUSED_BY = re.compile(r"\bcaused by: *", re.IGNORECASE)
_NOT_SENT = re.compile(r"request send failed, *")
# A web page, as it is or as the SDK dumps it: bytes in hexadecimal.
_MARKUP = re.compile(r"<(?:!doctype|\?xml|html|head|title|body|h1|p)\b|\b00000000  [0-9a-f]{2} ", re.IGNORECASE)
# Codes that say only that another error is the cause, which follows.
_WRAPPERS = ("RequestError", "SerializationError", "SharedCredentialsStore", "SharedCredsLoad", "EC2RoleRequestError")
_WORDS_KEPT = 300
_PART_OF_ID = re.compile(r"[0-9A-Fa-f-]{1,40}$")
_HOUR = 3600
# (seconds, name of the unit), the largest first.
_UNITS = ((31556952, "years"), (86400, "days"), (3600, "h"), (60, "min"), (1, "s"))


def values_of(error: str) -> dict[str, str]:
    """Return the details that an error names: name of a placeholder -> value."""
    text = without_markup(error)
    hosts = [host for host in _HOST.findall(text) if host != METADATA_HOST]
    host = hosts[0] if hosts else ""
    proxy, address = _PROXY_HOST.search(text), _ADDRESS.search(text)
    peer = address[1] if address else ""
    if proxy:
        peer = proxy[1] if not address else peer
    elif host and peer and not peer.startswith(host):
        peer = f"{host} ({peer})"
    path = next((unix or windows.strip() for unix, windows in reversed(_PATHS.findall(text))), "")
    node, node_in_path = _NODE.search(text), _NODE.search(path)
    if node_in_path:
        # Commands are printed as they are: without the ID of the node.
        path = path[: node_in_path.start()].rstrip("/\\")
    parent = path.rpartition("\\" if "\\" in path else "/")[0]
    action, policy, authority = (pattern.search(text) for pattern in (_ACTION, _POLICY, _AUTHORITY))
    found = {
        "host": host, "peer": peer or host, "path": path, "directory": parent, "of": f" ({path})" if path else "",
        "action": action[1] if action else "", "policy": policy[1] if policy else "",
        "authority": authority[1] if authority else "", "node": f" {node[0]}" if node else "",
        "offset": _offset(text), "expired": _expired(text),
    }  # fmt: skip
    return {name: value for name, value in found.items() if value}


def values_on(system: str, unit: str, restart: str) -> dict[str, str]:
    """Return the details of a system, as `Machine.platform` names it; "" for one that is not known.

    Args:
        system: the system.
        unit: of systemd; "" for that of the package.
        restart: the command that restarts the agent; "" for the usual one of the system.
    """
    service = {"macos": LAUNCHD_SERVICE, "windows": WINDOWS_SERVICE}.get(system, unit or PACKAGE)
    usual = {
        "linux": f"systemctl restart {service}", "macos": f"sudo launchctl kickstart -k system/{service}",
        "windows": f"Restart-Service {service}",
    }  # fmt: skip
    found = {"unit": service, "restart": restart or usual.get(system, "")}
    if system in usual:
        paths = paths_of(system)
        found |= {"directory": paths.data, "certificates": paths.certificates}
    return {name: value for name, value in found.items() if value}


def worded(text: str, values: dict[str, str]) -> str:
    """Return a text with its details."""
    return text.format_map(_Words(values))


def details_on(system: str, unit: str, restart: str, values: dict[str, str]) -> dict[str, str]:
    """Return the details of a system and of an error; not a path of Windows for the commands of a Unix.

    Args:
        system: as for `values_on`.
        unit: as for `values_on`.
        restart: as for `values_on`.
        values: of the error.
    """
    if system != "windows" and "\\" in values.get("path", ""):
        values = {name: value for name, value in values.items() if name not in ("path", "directory")}
    return values_on(system, unit, restart) | values


def filled(command: str, values: dict[str, str]) -> str:
    """Return a command with its details; "" if one is not known."""
    try:
        return command.format_map(values)
    except KeyError:
        return ""


class _Words(dict[str, str]):
    """Details, with words for those that are not known."""

    def __missing__(self, name: str) -> str:
        return _UNNAMED.get(name, "")


def words_of(error: str, code: str) -> str:
    """Return the part of an error that names its cause, in one line.

    Args:
        error: as logged, of one or several lines.
        code: of the error.
    """
    text = without_markup(error)
    parts = [part for part in _CAUSED_BY.split(text) if part.strip()]
    if len(parts) > 1 and (code in _WRAPPERS or not code):
        text = parts[-1]
    elif parts:
        text = parts[0]
    text = _NOT_SENT.split(text)[-1]
    if code and f" {code}:" in text:
        text = text[text.index(f" {code}:") :]
    line = " ".join(text.replace("#011", " ").split()).rstrip(",;:. ")
    if len(line) <= _WORDS_KEPT:
        return line
    # Half an ID would not be masked.
    return f"{line[:_WORDS_KEPT].rpartition(' ')[0] or _PART_OF_ID.sub('', line[:_WORDS_KEPT])} ..."


def without_markup(error: str) -> str:
    """Return an error up to the web page in it, which a proxy or the metadata service answered."""
    found = _MARKUP.search(error)
    if not found:
        return error
    # The status of the answer may be behind the page.
    behind = error[found.start() :]
    status = re.search(r"status code: \d{3}", behind)
    return f"{error[: found.start()].rstrip()} {status[0] if status else ''}".rstrip()


def span(seconds: float) -> str:
    """Return a number of seconds in its largest units, such as "6 h 12 min" or "55 years"."""
    for (size, unit), (less, smaller) in pairwise(_UNITS):
        if seconds >= size * (2 if size > _HOUR else 1):
            count, rest = divmod(round(seconds / less), size // less)
            exact = f" {rest} {smaller}" if rest and size <= _HOUR else ""
            return f"{count} {unit}{exact}"
    return f"{round(seconds)} s"


def _offset(text: str) -> str:
    """Return by how much the clock is wrong, such as " (12 min behind)"; "" if the error does not show it."""
    signed, valid = _SIGNED.search(text), _VALID.search(text)
    if signed:
        ours, limit, theirs = (basic_seconds(part) if part else None for part in signed.groups())
        least, other = ("", theirs) if theirs is not None else ("at least ", limit)
    elif valid and valid[2] == "before":
        ours, other, least = seconds_of(valid[1]), seconds_of(valid[3]), "at least "
    else:
        return ""
    if ours is None or other is None or ours == other:
        return ""
    return f" ({least}{span(abs(ours - other))} {'behind' if ours < other else 'ahead'})"


def _expired(text: str) -> str:
    found = _VALID.search(text)
    return f" at {found[3]}" if found and found[2] == "after" and seconds_of(found[3]) is not None else ""
