"""Read a Windows machine by the hash recipe of its record, if the installed agent takes another recipe.

An update of the agent or of Windows changes the recipe, and a WMI query that failed once changes the type ids in the
digests: all six hashes then differ on an unchanged machine, and the hardware ID with them.
"""

from __future__ import annotations

from fingerprint.collectors.recipes import JSON, WMIC, WQL
from fingerprint.collectors.ssm_windows import TITLES, by_recipe, of_members, wql_members, wql_source
from fingerprint.collectors.wql import STRUCTURES, Unloadable, type_id_of, type_ids
from fingerprint.types import Attribute, Fault, Status, Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from fingerprint._core import HardwareHash
    from fingerprint.machine.base import Machine
    from fingerprint.types import Collection

    _Members = dict[str, dict[str, object] | None]


_MOVED = (
    "the record holds the hashes of a process of the agent in which a WMI query had failed, and a restarted agent "
    "computes others"
)
_NO_ID = "the record holds no hardware ID, as the agent could not read it when the record was made"
_NOT_THEN = "the agent could not read it when the record was made"
# Two machines of one model differ in these: the serial number, the names, the first hardware address.
_MARKS = ("bios-hash", "system-hash", "macaddr-info")


class OtherRecipe(Value):
    """A machine by the recipe of its record.

    Attributes:
        recipe: of the record: "wmic", "json" or "wql"; if unknown, that of the installed agent.
        moved: whether it is the installed agent's recipe, with other type ids than those of an agent that starts now.
        collection: the machine by that recipe; attributes that it can no longer read are failed.
        text: what happened, a sentence without a full stop.
        proof: the evidence for it.
        without_id: whether the record holds no hardware ID, as the agent could not read it when it was made.
    """

    recipe: str
    moved: bool
    collection: Collection
    text: str
    proof: str
    without_id: bool = False


def other_recipe(
    machine: Machine, collection: Collection, saved: Mapping[str, str] | HardwareHash | None, timeout: float
) -> OtherRecipe | None:
    """Return the machine by another recipe, or with other type ids, that give the saved hardware ID; None if none do.

    A record without a hardware ID is compared by its other attributes, see `_without_id`.

    Args:
        machine: the machine; one that keeps its answers does not query WMI again.
        collection: the machine by the recipe of the installed agent.
        saved: the hash of the record.
        timeout: seconds for each command.
    """
    if not saved or not collection.recipe or "uuid" not in saved:
        return None
    wanted = saved["uuid"]
    same_id = wanted == collection["uuid"].value
    if wanted and same_id and collection.recipe != WQL:
        return None
    members = _members(machine)
    if not wanted:
        return _without_id(machine, collection, saved, members, timeout)
    found = _by_type_ids(collection, saved, members)
    if found is not None or same_id:
        return found
    for recipe in (WMIC, JSON):
        if recipe != collection.recipe:
            values = by_recipe(machine, recipe, timeout, TITLES[recipe])
            if values["uuid"].value != wanted:
                values = _composed(recipe, values, wanted, members)
            if values["uuid"].value == wanted:
                return _other(collection, recipe, values)
    return None


def moved_type_id(machine: Machine, attribute: str, saved: str) -> int | None:
    """Return the type id with which the present WMI object has a saved value, None without one.

    Args:
        machine: the machine.
        attribute: its name.
        saved: the value.
    """
    return type_id_of(attribute, _members_of(machine, attribute), saved)


def _members_of(machine: Machine, attribute: str) -> dict[str, object] | None:
    try:
        return wql_members(machine, attribute)
    except (OSError, Unloadable):
        return None


def _members(machine: Machine) -> _Members:
    return {name: _members_of(machine, name) for name in STRUCTURES}


def _by_type_ids(
    collection: Collection, saved: Mapping[str, str] | HardwareHash, members: _Members
) -> OtherRecipe | None:
    if type_id_of("uuid", members["uuid"], saved.get("uuid", "")) is None:
        return None
    values, moved = _wql_values(saved, members)
    if collection.recipe != WQL:
        return _other(collection, WQL, values)
    if not moved:
        return None
    return OtherRecipe(WQL, True, _with(collection, WQL, values), _MOVED, f"the saved {_moved_proof(moved)}")


def _wql_values(
    saved: Mapping[str, str] | HardwareHash, members: _Members
) -> tuple[dict[str, Attribute], dict[str, tuple[int, int]]]:
    """Return the attributes with the type ids of a record, and name -> (unusual id, usual id)."""
    usual = type_ids(members)
    values, moved = {}, {}
    for name, one in members.items():
        if one is None:
            values[name] = _unread(name, "WMI does not return it", WQL)
            continue
        assigned = type_id_of(name, one, saved.get(name, "")) or usual[name]
        if assigned != usual[name]:
            moved[name] = (assigned, usual[name])
        values[name] = of_members(name, one, assigned, TITLES[WQL])
    return values, moved


def _moved_proof(moved: dict[str, tuple[int, int]]) -> str:
    name, (assigned, usual) = next(iter(moved.items()))
    subject = "hardware ID" if name == "uuid" else name
    return f"{subject} is the digest of the present WMI object with type id {assigned} in place of {usual}"


def _unread(name: str, why: str, recipe: str, value: str = "") -> Attribute:
    return Attribute(name, value, Status.FAILED, why, wql_source(name), TITLES[recipe], 0.0, Fault.NOT_ASKED)


def _without_id(
    machine: Machine,
    collection: Collection,
    saved: Mapping[str, str] | HardwareHash,
    members: _Members,
    timeout: float,
) -> OtherRecipe:
    """Return the machine as it was read by the process that made a record without a hardware ID.

    In that process the ID was "", and the type ids were those of the queries that succeeded. An empty ID fits any
    machine, so marks of this machine must match; without them it is unknown whether the record is of this machine.
    """
    for recipe in dict.fromkeys((collection.recipe, WQL, WMIC, JSON)):
        moved: dict[str, tuple[int, int]] = {}
        if recipe == WQL:
            values, moved = _wql_values(saved, members)
        elif recipe == collection.recipe:
            values = {name: collection[name] for name in STRUCTURES}
        else:
            values = by_recipe(machine, recipe, timeout, TITLES[recipe])
        equal = _marks(saved, collection, values)
        if equal:
            # The record has "" for what the agent could not read.
            values |= {name: _unread(name, _NOT_THEN, recipe) for name in STRUCTURES if saved.get(name) == ""}
            text, own = _NO_ID, recipe == collection.recipe
            if not own:
                text = _changed_text(recipe, collection.recipe)
            elif moved:
                text = _MOVED
            proof = f"the saved hardware ID is empty, and {', '.join(equal)} are this host's"
            proof += f"; {_moved_proof(moved)}" if moved and own else ""
            return OtherRecipe(recipe, own and bool(moved), _with(collection, recipe, values), text, proof, True)
    unknown = {
        name: _unread(name, _NOT_THEN, collection.recipe, collection[name].value)
        for name in STRUCTURES if saved.get(name) == ""
    }  # fmt: skip
    proof = f"the saved hardware ID is empty, and of {', '.join(_MARKS)} fewer than two, or not all known ones, match"
    return OtherRecipe(collection.recipe, False, _with(collection, collection.recipe, unknown), _NO_ID, proof, True)


def _marks(
    saved: Mapping[str, str] | HardwareHash, collection: Collection, values: dict[str, Attribute]
) -> tuple[str, ...]:
    """Return the marks of one machine that record and machine share; () if one differs or is the only one."""
    known = [
        (name, read.value == saved.get(name))
        for name, read in ((name, values.get(name, collection[name])) for name in _MARKS)
        if saved.get(name) and read.status == Status.PRESENT
    ]
    return tuple(name for name, _ in known) if len(known) > 1 and all(same for _, same in known) else ()


def _other(collection: Collection, recipe: str, values: dict[str, Attribute]) -> OtherRecipe:
    proof = f"the saved hardware ID is the hash of what {TITLES[recipe]} gives for the present UUID"
    text = _changed_text(recipe, collection.recipe)
    return OtherRecipe(recipe, False, _with(collection, recipe, values), text, proof)


def _changed_text(then: str, now: str) -> str:
    return f"the agent's hash recipe changed: {TITLES[then]} when the record was made, {TITLES[now]} now"


def _with(collection: Collection, recipe: str, values: dict[str, Attribute]) -> Collection:
    attributes = tuple(values.get(one.name, one) for one in collection)
    return collection.replace(attributes=attributes, recipe=recipe, doubt="", doubt_remedy=None)


def _composed(recipe: str, values: dict[str, Attribute], wanted: str, members: _Members) -> dict[str, Attribute]:
    """Return values with the hardware ID that a tool would print for the present UUID, if it is the saved one.

    Windows Server 2025 comes without wmic, which older records were made with.
    """
    from fingerprint._core import md5_base64

    uuid = (members["uuid"] or {}).get("UUID")
    if not isinstance(uuid, str) or not uuid:
        return values
    outputs = wmic_outputs(uuid) if recipe == WMIC else json_outputs(uuid)
    if all(md5_base64(output) != wanted for output in outputs):
        return values
    gone = f"{TITLES[recipe]} is no longer available, or prints other values"
    composed = {
        name: Attribute(name, "", Status.FAILED, gone, one.source, one.tool, 0.0, Fault.NOT_ASKED)
        for name, one in values.items()
    }
    return {**composed, "uuid": Attribute("uuid", wanted, Status.PRESENT, "", values["uuid"].source, TITLES[recipe])}


def wmic_outputs(uuid: str) -> tuple[bytes, ...]:
    """Return the possible outputs of wmic for a UUID: columns two wider than their values, line ends CR CR LF."""
    width = len(uuid) + 2
    text = f"{'UUID':{width}}\r\r\n{uuid:{width}}\r\r\n\r\r\n"
    # A pipe gets the code page of the console, or UTF-16 with a byte order mark.
    return text.encode("ascii", "replace"), b"\xff\xfe" + text.encode("utf-16-le", "replace")


def json_outputs(uuid: str) -> tuple[bytes, ...]:
    """Return the outputs of PowerShell 5 and 7 for a UUID."""
    return tuple(
        f'{{\r\n{margin}"UUID":{gap}"{uuid}"\r\n}}\r\n'.encode("utf-8", "replace")
        for margin, gap in (("    ", "  "), ("  ", " "))
    )
