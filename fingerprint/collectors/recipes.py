"""Choose the hash recipe of an agent on Windows, by its own version and by the version of Windows.

| agent | Windows | recipe |
|---|---|---|
| before 3.3.1142 | any | wmic |
| 3.3.1142 to 3.3.1229 | each part of the output of PowerShell at least 10, 0 and 26040 | json, else wmic |
| 3.3.1230 to 3.3.1310 | any | wmic |
| from 3.3.1311 | `Win32_OperatingSystem.Version` at least 10.0.26100 | wql, else wmic |

With an unknown or invalid version of Windows all of them take wmic.
"""

from __future__ import annotations

# The output of wmic, the JSON of PowerShell's Get-CimInstance, WMI objects in Go's gob encoding.
WMIC, JSON, WQL = "wmic", "json", "wql"
RECIPES = (WMIC, JSON, WQL)
# The first version of each kind of choice, and its recipe beside wmic.
_CHOICES = (((), WMIC), ((3, 3, 1142), JSON), ((3, 3, 1230), WMIC), ((3, 3, 1311), WQL))
# The first agent with the newest recipe, for people.
WQL_SINCE = ".".join(map(str, next(start for start, recipe in _CHOICES if recipe == WQL)))
_JSON_FROM = (10, 0, 26040)
_WQL_FROM = (10, 0, 26100)
# A version has fewer digits, and Go's integers do not hold more.
_DIGITS = 18
# How many numbers a release of the agent has; a text may omit the last. Then limits that no release reaches.
_PARTS, _NUMBERS_LIMIT, _LENGTH_LIMIT = 4, 9, 60


def version_of(text: str) -> tuple[int, ...]:
    """Return the numbers of an agent's version, four at least, as releases have; () for an invalid text."""
    parts = text.split(".") if len(text) <= _LENGTH_LIMIT else [""]
    if not all(_is_number(part) and len(part) <= _NUMBERS_LIMIT for part in parts):
        return ()
    numbers = tuple(map(int, parts))
    return numbers + (0,) * (_PARTS - len(numbers)) if len(numbers) >= _PARTS - 1 else ()


def recipe_of(agent: tuple[int, ...], windows: str, powershell: str) -> str:
    """Return the recipe that an agent takes.

    Args:
        agent: the numbers of its version (`version_of`), not ().
        windows: the version of Windows from WMI; "" if WMI does not return it.
        powershell: the same from PowerShell, see `powershell_numbers`; only agents 3.3.1142 to 3.3.1229 read it.
    """
    return _chosen(newest_recipe_of(agent), windows, powershell)


def newest_recipe_of(agent: tuple[int, ...]) -> str:
    """Return the recipe of an agent on a sufficiently new Windows; on older Windows it takes wmic.

    Args:
        agent: the numbers of its version; () for one older than all others.
    """
    return next(recipe for start, recipe in reversed(_CHOICES) if agent >= start)


def possible_recipes(windows: str, powershell: str) -> tuple[str, ...]:
    """Return the recipes that agents of any version take on a version of Windows, that of the newest agent first."""
    return tuple(dict.fromkeys(_chosen(kind, windows, powershell) for _, kind in reversed(_CHOICES)))


def _chosen(kind: str, windows: str, powershell: str) -> str:
    if kind == WQL and _windows_numbers(windows) >= _WQL_FROM:
        return WQL
    numbers = powershell_numbers(powershell)
    if kind == JSON and numbers and all(part >= least for part, least in zip(numbers, _JSON_FROM, strict=True)):
        return JSON
    return WMIC


def _windows_numbers(version: str) -> tuple[int, ...]:
    """Return the numbers of a version as agents from 3.3.1311 compare it: number by number, of any count."""
    parts = version.strip().split(".")
    return tuple(map(int, parts)) if all(map(_is_number, parts)) else ()


def powershell_numbers(version: str) -> tuple[int, ...]:
    """Return the three integers of a version as agents 3.3.1142 to 3.3.1229 read it; () for anything else."""
    parts = version.strip().split(".")
    signed = [part[1:] if part[:1] in ("+", "-") else part for part in parts]
    return tuple(map(int, parts)) if len(parts) == 3 and all(map(_is_number, signed)) else ()


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _DIGITS
