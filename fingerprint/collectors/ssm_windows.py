"""Scheme `ssm` on Windows: six values by the recipe of the installed agent, and three raw ones.

`fingerprint.collectors.recipes` says which agent takes which recipe. By another recipe all six
values differ, and the hardware ID with them.
"""

from __future__ import annotations

import errno

from fingerprint.attributes.ssm import attributes_of
from fingerprint.collectors.attributes import address_attributes, hashed, host_name_attribute, unread
from fingerprint.collectors.recipes import (
    JSON,
    WMIC,
    WQL,
    WQL_SINCE,
    newest_recipe_of,
    possible_recipes,
    powershell_numbers,
    recipe_of,
    version_of,
)
from fingerprint.collectors.wmi_errors import is_denial
from fingerprint.collectors.wmi_remedies import WMI_SERVICE, remedy_of_wmi, start_of_wmi
from fingerprint.collectors.wql import (
    OPERATING_SYSTEM,
    STRUCTURES,
    Unloadable,
    digest,
    first_object,
    system_version,
    type_ids,
)
from fingerprint.errors import CollectError
from fingerprint.machine.parsers import decode_console, parse_wmic_table
from fingerprint.machine.wmi import powershell_path, query_text
from fingerprint.types import Attribute, DoubtRemedy, Fault, Status, Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.machine.base import Machine
    from fingerprint.machine.processes import CommandResult

WMI_ATTEMPTS = 5
WMI_PAUSE_SECONDS = 15.0
VERSION_QUERY = "Get-CimInstance -ClassName Win32_OperatingSystem | Format-List -Property Version"
# Attribute, words for wmic, class and properties for PowerShell (in the agent's spelling, although it is not hashed).
_COMMANDS = (
    ("uuid", ("csproduct", "get", "UUID"), "Win32_ComputerSystemProduct", "UUID"),
    (
        "processor-hash",
        ("cpu", "list", "brief"),
        "WIN32_PROCESSOR",
        "Caption, DeviceID, Manufacturer, MaxClockSpeed, Name, SocketDesignation",
    ),
    (
        "memory-hash",
        ("memorychip", "list", "brief"),
        "Win32_PhysicalMemory",
        "Capacity, DeviceLocator, MemoryType, Name, Tag, TotalWidth",
    ),
    (
        "bios-hash",
        ("bios", "list", "brief"),
        "Win32_BIOS",
        "Manufacturer, Name, SerialNumber, SMBIOSBIOSVersion, Version",
    ),
    (
        "system-hash",
        ("computersystem", "list", "brief"),
        "Win32_ComputerSystem",
        "Domain, Manufacturer, Model, Name, PrimaryOwnerName, TotalPhysicalMemory",
    ),
    ("disk-info", ("diskdrive", "list", "brief"), "Win32_DiskDrive", "Caption, DeviceID, Model, Partitions, Size"),
)
# Classes that a machine may have no object of; each has a UUID, a processor, firmware and a system.
_MAY_BE_EMPTY = ("memory-hash", "disk-info")
_NO_OBJECT = "it printed no object"
# The display name of a recipe, also in `Attribute.tool`.
TITLES = {WMIC: "wmic", JSON: "PowerShell JSON", WQL: "WQL"}


_VERSION_REMEDY = DoubtRemedy(
    "agent-version", "Find out which agent is installed, by its option -version, or install it again"
)
_RECORD_AGAIN = DoubtRemedy(
    "agent-version", "Record the machine again: this snapshot does not hold the agent's version"
)


class Choice(Value):
    """The recipe of the installed agent on a machine.

    Attributes:
        recipe: "wmic", "json" or "wql".
        windows: the version of Windows, "" if unknown.
        agent: the version of the agent, "" if it is unknown or makes no difference.
        doubt: why the agent may take another recipe, a sentence without a full stop; "" if it is certain, and if no
            agent is installed: then it is the recipe of the newest one.
        others: the recipes that the agent may take instead.
        remedy: how to resolve the doubt; None without a doubt.
    """

    recipe: str
    windows: str
    agent: str
    doubt: str = ""
    others: tuple[str, ...] = ()
    remedy: DoubtRemedy | None = None

    @property
    def tool(self) -> str:
        """Recipe and versions, as `Attribute.tool` has them."""
        agent = f", agent {self.agent}" if self.agent else ""
        return f"{TITLES[self.recipe]} on Windows {self.windows}".rstrip() + agent


def read(machine: Machine, timeout: float) -> tuple[tuple[Attribute, ...], Choice]:
    """Return the nine attributes in the order of the catalogue, and the recipe of six of them.

    Raises:
        CollectError: WMI did not start, or the version of Windows is unknown.
    """
    _wait_for_wmi(machine)
    choice = choose(machine, timeout)
    found = by_recipe(machine, choice.recipe, timeout, choice.tool)
    if choice.doubt and _not_recorded(found):
        # A recording from before that recipe was known holds the answers for another one.
        for other in choice.others:
            instead = by_recipe(machine, other, timeout, choice.replace(recipe=other).tool)
            if not _not_recorded(instead):
                others = tuple(one for one in (choice.recipe, *choice.others) if one != other)
                choice, found = choice.replace(recipe=other, others=others), instead
                break
    found["hostname-info"] = host_name_attribute(machine, "GetComputerNameEx")
    found["ipaddress-info"], found["macaddr-info"] = address_attributes(machine)
    return tuple(found[name] for name in attributes_of(machine.platform)), choice


def _not_recorded(found: dict[str, Attribute]) -> bool:
    return all(one.fault == Fault.NOT_ASKED for one in found.values())


def choose(machine: Machine, timeout: float) -> Choice:
    """Return the recipe that the installed agent takes.

    Raises:
        CollectError: PowerShell did not print the version of Windows in time, by which the agent chooses.
    """
    failure: OSError | None = None
    try:
        windows = _version_by_wmi(machine)
    except OSError as error:
        # A recording from before WMI was asked has PowerShell's answer instead.
        of_before = error.errno == errno.ENODATA
        windows, failure = (windows_version(machine, timeout), None) if of_before else ("", error)
    possible = possible_recipes(windows, windows) if failure is None else (WQL, WMIC)
    if len(possible) == 1:
        return Choice(possible[0], windows, "")
    try:
        agent = machine.agent_version()
    except FileNotFoundError:
        if failure is not None:
            return _by_failed_query(failure, "", (WQL,))
        return Choice(possible[0], windows, f"not installed, as from {WQL_SINCE}")
    except OSError as error:
        why, settles = error.strerror or str(error), _VERSION_REMEDY
        if error.errno == errno.ENODATA:
            settles = _RECORD_AGAIN
        return (
            _in_doubt(possible, windows, why, settles)
            if failure is None
            else _by_failed_query(failure, "", (WQL, JSON))
        )
    numbers = version_of(agent)
    if not numbers:
        why = f"{agent!r} is not a version"
        return _in_doubt(possible, windows, why) if failure is None else _by_failed_query(failure, "", (WQL, JSON))
    kind = newest_recipe_of(numbers)
    if failure is not None and kind == WQL:
        return _by_failed_query(failure, agent, (WQL,))
    # Older agents do not ask WMI: they only know wmic, or choose by PowerShell.
    powershell = windows_version(machine, timeout) if kind == JSON else windows
    return Choice(recipe_of(numbers, windows, powershell), windows or powershell, agent)


def _in_doubt(possible: tuple[str, ...], windows: str, why: str, settles: DoubtRemedy = _VERSION_REMEDY) -> Choice:
    others = " or ".join(TITLES[one] for one in possible[1:])
    doubt = (
        f"the version of the agent is unknown ({why}), and on Windows {windows} the hash depends on it: "
        f"{TITLES[possible[0]]} is assumed, as the newest agents have it; older ones take {others}"
    )
    return Choice(possible[0], windows, "", doubt, possible[1:], settles)


def _by_failed_query(error: OSError, agent: str, others: tuple[str, ...]) -> Choice:
    """Return the recipe of an agent that asks WMI for the version of Windows, if WMI does not return it here."""
    why = error.strerror or str(error)
    doubt = f"WMI does not return the version of Windows ({why}), and without it agents take wmic"
    return Choice(WMIC, "", agent, doubt, others, remedy_of_wmi(error.errno))


def _version_by_wmi(machine: Machine) -> str:
    """Return the version of Windows as agents from 3.3.1311 read it, "" if invalid for them. Raises OSError."""
    class_name, members = OPERATING_SYSTEM
    try:
        return system_version(machine.wmi(class_name, [name for name, _ in members]))
    except Unloadable:
        return ""


def by_recipe(machine: Machine, recipe: str, timeout: float, tool: str = "") -> dict[str, Attribute]:
    """Return the six attributes that are hashes, by one recipe.

    Args:
        machine: the machine.
        recipe: "wmic", "json" or "wql".
        timeout: seconds for each command.
        tool: the value of `Attribute.tool`.
    """
    if recipe == WQL:
        return _by_wql(machine, tool)
    results = machine.run(commands(machine.windows_directory(), recipe == JSON), timeout)
    return {
        name: _without_object(_for_all(hashed(name, result, tool, machine), result), result, recipe)
        for (name, *_), result in zip(_COMMANDS, results, strict=True)
    }


def _without_object(attribute: Attribute, result: CommandResult, recipe: str) -> Attribute:
    """Return the attribute of a command that may have printed no object, such as "No Instance(s) Available.".

    The agent hashes this output, too, so the value stays.
    """
    if attribute.status != Status.PRESENT or _has_object(result.stdout, recipe):
        return attribute
    if attribute.name in _MAY_BE_EMPTY:
        return attribute.replace(status=Status.ABSENT, reason=_NO_OBJECT)
    return attribute.replace(status=Status.FAILED, reason=_NO_OBJECT, fault=Fault.SOURCE)


def _has_object(output: bytes, recipe: str) -> bool:
    # The message of wmic is in the language of Windows: it has no row below its first line.
    return bool(parse_wmic_table(decode_console(output)) if recipe == WMIC else output.strip())


def _for_all(attribute: Attribute, result: CommandResult) -> Attribute:
    """Return the attribute of a command: an error of WMI that is no denial does not depend on the user's rights."""
    if attribute.fault != Fault.RIGHTS or not result.returncode or is_denial(result):
        return attribute
    return attribute.replace(fault=Fault.SOURCE)


def ask_all(machine: Machine, timeout: float) -> None:
    """Read the objects of WMI, and the inputs of each recipe that an agent may take on a machine.

    With these a recorder can show that a record with another recipe is of this host.

    Args:
        machine: the machine.
        timeout: seconds for each command.

    Raises:
        CollectError: as `choose`.
    """
    windows = choose(machine, timeout).windows
    for recipe in dict.fromkeys((WQL, *possible_recipes(windows, windows))):
        by_recipe(machine, recipe, timeout)


def _by_wql(machine: Machine, tool: str) -> dict[str, Attribute]:
    found: dict[str, Attribute] = {}
    answers: dict[str, dict[str, object] | None] = {}
    seconds: dict[str, float] = {}
    for name in STRUCTURES:
        started = machine.monotonic()
        try:
            answers[name] = wql_members(machine, name)
        except OSError as error:
            found[name] = unread(name, error, wql_source(name), machine, machine.monotonic() - started, tool)
            # The agent can read what only we could not, and assigns an id to it.
            answers[name] = {} if found[name].only_here else None
        except Unloadable as error:
            reason = f"this query fails for the agent: {error}"
            found[name] = Attribute(name, "", Status.FAILED, reason, wql_source(name), tool, 0.0, Fault.SOURCE)
            answers[name] = None
        seconds[name] = machine.monotonic() - started
    ids = type_ids(answers)
    for name, members in answers.items():
        if name not in found and members is not None:
            found[name] = of_members(name, members, ids[name], tool, seconds[name])
    return {name: found[name] for name in STRUCTURES}


def of_members(name: str, members: dict[str, object], type_id: int, tool: str, seconds: float = 0.0) -> Attribute:
    """Return the attribute of the first object of a class, {} for none, with the type id that it gets from an agent."""
    empty = "WMI has no object of this class" if not members else "all its members are empty in WMI"
    silent = not any(one not in (None, "", 0, "0") for one in members.values())
    status, reason = (Status.ABSENT, empty) if silent else (Status.PRESENT, "")
    return Attribute(name, digest(name, members, type_id), status, reason, wql_source(name), tool, seconds)


def wql_members(machine: Machine, attribute: str) -> dict[str, object]:
    """Return the members behind an attribute, {} if its class has no objects.

    Raises:
        OSError: WMI answered with an error, or could not be queried.
        Unloadable: the agent cannot load them.
    """
    class_name, members = STRUCTURES[attribute]
    return first_object(attribute, machine.wmi(class_name, [name for name, _ in members]))


def wql_source(attribute: str) -> str:
    """Return the query behind an attribute."""
    class_name, members = STRUCTURES[attribute]
    return query_text(class_name, [name for name, _ in members])


def commands(windows_directory: str, as_json: bool) -> list[tuple[str, ...]]:
    """Return the six commands of the recipe wmic or json, in the order of their attributes."""
    if not as_json:
        wmic = windows_directory + r"\System32\wbem\wmic.exe"
        return [(wmic, *words) for _, words, _, _ in _COMMANDS]
    shell = powershell_path(windows_directory)
    return [
        (shell, f"Get-CimInstance -ClassName {name} | Select-Object {properties} | ConvertTo-Json")
        for _, _, name, properties in _COMMANDS
    ]


def _wait_for_wmi(machine: Machine) -> None:
    """Wait up to 75 s until WMI runs: earlier hashes would be those of empty answers."""
    state = ""
    for _ in range(WMI_ATTEMPTS):
        try:
            state = machine.service_state(WMI_SERVICE)
        except OSError as error:
            raise CollectError(
                f"the state of the service {WMI_SERVICE} could not be read ({error.strerror or error})",
                where=WMI_SERVICE,
                remedy=f"Run as Administrator; check the service with: Get-Service {WMI_SERVICE}",
            ) from None
        if state == "running":
            return
        machine.sleep(WMI_PAUSE_SECONDS)
    text, command = start_of_wmi(state)
    raise CollectError(
        f"the service {WMI_SERVICE} did not reach the state running (it is {state})",
        where=WMI_SERVICE,
        remedy=f"{text}: {command}" if command else text,
    )


def windows_version(machine: Machine, timeout: float) -> str:
    """Return the version of Windows, such as "10.0.20348", as PowerShell prints it; "" for any other answer.

    Raises:
        CollectError: PowerShell did not end in time. The reference waits without limit; wmic instead would change every
            hash of a slow machine.
    """
    command = (powershell_path(machine.windows_directory()), VERSION_QUERY)
    [result] = machine.run([command], timeout)
    if result.problem in ("timeout", "too-long", "not-recorded"):
        raise CollectError(
            f"PowerShell did not print the version of Windows ({result.problem})",
            where=command[0],
            remedy="Allow more time with --timeout; run the command by hand to see why it hangs",
        )
    if not result.succeeded:
        return ""
    parts = result.stdout.decode("utf-8", "replace").replace("\r", "").replace("\n", "").split(":")
    version = parts[1].strip() if len(parts) == 2 else ""
    return version if powershell_numbers(version) else ""
