"""The agent's configuration, amazon-ssm-agent.json, read as the agent's own decoder reads it."""

from __future__ import annotations

from fingerprint._core import JsonError, loads
from fingerprint._io.text import quoted
from fingerprint.agent.config_keys import BOOLEAN, CUSTOM_IDENTITY, INTEGER, KEYS, OBJECT, OBJECTS, STRING, STRINGS, Key
from fingerprint.agent.versions import NEWEST_ASSESSED
from fingerprint.collectors.recipes import version_of
from fingerprint.types import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from fingerprint.machine.base import Machine

ON_PREMISES = "OnPrem"
IDENTITIES = ("OnPrem", "ECS", "EC2", "CustomIdentity")
DEFAULT_ORDER = ("OnPrem", "EC2", "CustomIdentity")
_INTEGERS = range(-(2**63), 2**63)


def read_config(machine: Machine, path: str) -> dict[str, Any] | None:
    """Return the members of a configuration file.

    Args:
        machine: whose file.
        path: of the file, as `AgentPaths.config` has it.

    Returns:
        The members, {} for a file that holds null, which leaves the agent its defaults; None without a file.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not JSON, or not an object.
    """
    try:
        data = machine.read_file(path)
    except FileNotFoundError:
        return None
    if data.strip(b" \t\r\n") == b"null":
        return {}
    try:
        found = loads(data)
    except JsonError as error:
        raise ValueError(str(error)) from None
    if not isinstance(found, dict):
        raise ValueError("not a JSON object")
    return found


def setting(config: dict[str, Any] | None, section: str, name: str) -> Any:
    """Return one value of a configuration, of any type; None if it is not set.

    Like the agent it ignores the case of names and takes the last of several.
    """
    found = None
    for key, members in (config or {}).items():
        if key.lower() == section.lower() and isinstance(members, dict):
            for member, value in members.items():
                if member.lower() == name.lower() and value is not None:
                    found = value
    return found


def identity_order(settings: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Return the identities that the agent tries, in order, and the names of Identity.ConsumptionOrder that it ignores.

    Args:
        settings: the values that `decoded` returned.
    """
    named = settings.get("Identity.ConsumptionOrder") or []
    order = [name for name in named if name in IDENTITIES] or list(DEFAULT_ORDER)
    return order, [name for name in named if name not in IDENTITIES]


def identity_type(machine: Machine, path: str) -> str:
    """Return the identity with which the agent last got credentials, such as "OnPrem" or "EC2"; "" if unknown.

    Args:
        machine: whose agent.
        path: of its identity_config.json, as `AgentPaths.identity` has it.
    """
    try:
        found = loads(machine.read_file(path))
    except (OSError, JsonError):
        return ""
    return str(found.get("IdentityType") or "") if isinstance(found, dict) else ""


class Settings(Value):
    """A configuration as one version of the agent applies it.

    Attributes:
        values: "Section.Name" -> value, of the settings that it knows and accepts.
        wrong: (name, message) of each value of the wrong type: the agent does not start with it.
        wrong_later: the same for settings that only later versions know: the agent would not start after an update.
        replaced: messages on values out of range, for which the agent uses its default.
        ignored: messages on names that it ignores.
    """

    values: dict[str, Any]
    wrong: list[tuple[str, str]]
    wrong_later: list[tuple[str, str]]
    replaced: list[str]
    ignored: list[str]

    def __init__(self) -> None:
        self._set(values={}, wrong=[], wrong_later=[], replaced=[], ignored=[])

    def number(self, name: str) -> int | None:
        """Return an integer setting that is set and accepted; None for the agent's default.

        Args:
            name: such as "Ssm.CredentialRetryMaxSleepSeconds".
        """
        value, key = self.values.get(name), KEYS[name.partition(".")[0]][name.partition(".")[2]]
        return value if isinstance(value, int) and not isinstance(value, bool) and not _outside(value, key) else None


def decoded(config: dict[str, Any]) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Return the settings that the newest agent knows, and the values that it rejects: see `settings_of`."""
    found = settings_of(config)
    return found.values, found.wrong


def settings_of(config: dict[str, Any], version: str = "") -> Settings:
    """Return a configuration as a version of the agent applies it.

    The agent's decoder ignores the case of names and takes the last of several; null keeps the default.

    Args:
        config: what `read_config` returned.
        version: of the agent; an invalid one, or one newer than all that were assessed, counts as the newest.
    """
    found, numbers = Settings(), version_of(version)
    for section, values in config.items():
        name = _known(section, KEYS)
        if not name:
            found.ignored.append(_unknown(ascii(section)[1:-1], version))
        elif isinstance(values, dict):
            _decode(name, values, KEYS[name], found, version)
        elif values is not None:
            known = any(_knows(numbers, key) for key in KEYS[name].values())
            (found.wrong if known else found.wrong_later).append((name, _rejected(name, values, OBJECT)))
    for number, identity in enumerate(found.values.get("Identity.CustomIdentities") or []):
        where = f"Identity.CustomIdentities[{number}]"
        if isinstance(identity, dict):
            inner = Settings()
            _decode(where, identity, CUSTOM_IDENTITY, inner, version)
            found.wrong.extend(inner.wrong)
            found.ignored.extend(inner.ignored)
        else:
            # The decoder accepts null; the agent then ends in its next step.
            found.wrong.append((where, _rejected(where, identity, OBJECT)))
    return found


def _decode(section: str, values: dict[str, Any], keys: Mapping[str, Key], found: Settings, version: str) -> None:
    numbers = version_of(version)
    for written, value in values.items():
        name = _known(written, keys)
        if not name:
            found.ignored.append(_unknown(f"{section}.{ascii(written)[1:-1]}", version))
            continue
        key, where = keys[name], f"{section}.{name}"
        fits, knows = _fits(value, key.kind), _knows(numbers, key)
        if not knows:
            since = f"agents from {key.since} on" if numbers < version_of(key.since) else f"agents up to {key.until}"
            this = version if numbers else "of unknown version, so the newest is assumed"
            found.ignored.append(f"{where} has no effect: only {since} know it, and this agent is {this}")
        if not fits and (knows or numbers < version_of(key.since)):
            (found.wrong if knows else found.wrong_later).append((where, _rejected(where, value, key.kind)))
        elif fits and knows and (value is not None or key.kind in (STRINGS, OBJECTS)):
            # null empties a list and leaves any other setting unchanged.
            found.values[where] = value
            if _outside(value, key):
                found.replaced.append(_replaced(where, value, key))


def _knows(numbers: tuple[int, ...], key: Key) -> bool:
    """Return whether a version knows a setting; an unknown version counts as the newest."""
    if not numbers:
        return not key.until
    return version_of(key.since) <= numbers and (not key.until or numbers <= version_of(key.until))


def _unknown(name: str, version: str) -> str:
    newer = version_of(version) > version_of(NEWEST_ASSESSED)
    effect = f"this agent is {version} and may know it" if newer else "it has no effect"
    return f"{name} is not a setting of agents up to {NEWEST_ASSESSED}: {effect}"


def _outside(value: Any, key: Key) -> bool:
    """Return whether the agent replaces a value of the right type with its default."""
    if key.words:
        # The template of the configuration has "" for the default.
        return bool(value) and value not in key.words
    if key.kind != INTEGER:
        return False
    return (key.low is not None and value < key.low) or (key.high is not None and value > key.high)


def _replaced(name: str, value: Any, key: Key) -> str:
    if key.words:
        return f"{name} is {quoted(value)}, none of {', '.join(key.words)}: the agent uses {key.default}"
    bounds = f"outside {key.low} to {key.high}" if key.high is not None else f"less than {key.low}"
    return f"{name} is {value}, {bounds}: the agent uses {key.default}"


def _rejected(name: str, value: Any, kind: str) -> str:
    return f"{name} is {_word(value)}: must be {kind}"


def _known(name: str, names: Iterable[str]) -> str:
    return next((known for known in names if known.lower() == name.lower()), "")


def _fits(value: Any, kind: str) -> bool:
    """Return whether the agent's decoder accepts a value for a kind."""
    if value is None:
        return True
    if kind == INTEGER:
        return isinstance(value, int) and not isinstance(value, bool) and value in _INTEGERS
    if kind == STRINGS:
        return isinstance(value, list) and all(one is None or isinstance(one, str) for one in value)
    return isinstance(value, {BOOLEAN: bool, STRING: str}.get(kind, list))


def _word(value: Any) -> str:
    """Return the type of a value for messages; the value itself may be secret."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return "a number" if isinstance(value, int) and value in _INTEGERS else "a number that is not a 64-bit integer"
    return STRING if isinstance(value, str) else "a list" if isinstance(value, list) else OBJECT
