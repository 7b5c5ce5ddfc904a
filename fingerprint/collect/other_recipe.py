"""The same Windows machine by the hash recipe that a record was made with, where the installed agent takes another.

An update of the agent or of Windows changes the recipe, and a WMI query that once failed changes the type ids in the
digests: all six hashes differ then, and the hardware ID with them, on an unchanged machine.
"""

from __future__ import annotations

from fingerprint.collect.windows import TITLES, by_recipe, wql_members, wql_source
from fingerprint.collectors.recipes import JSON, WMIC, WQL
from fingerprint.collectors.wql import STRUCTURES, Unloadable, digest, type_id_of, type_ids
from fingerprint.model import Attribute, Fault, Status, Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from fingerprint._compare import HardwareHash
    from fingerprint.collect.machine import Machine
    from fingerprint.model import Collection

    _Members = dict[str, dict[str, object] | None]


class OtherRecipe(Value):
    """What a machine is by the recipe of its record.

    Attributes:
        recipe: of the record: "wmic", "json" or "wql".
        moved: whether it is the installed agent's recipe, with other type ids than an agent has that starts now.
        collection: the machine by that recipe; what cannot be read so any more is failed.
        text: what happened, a sentence without a full stop.
        proof: what shows it.
    """

    __slots__ = ("recipe", "moved", "collection", "text", "proof")
    recipe: str
    moved: bool
    collection: Collection
    text: str
    proof: str

    def __init__(self, recipe: str, moved: bool, collection: Collection, text: str, proof: str) -> None:
        self._set(recipe=recipe, moved=moved, collection=collection, text=text, proof=proof)


def other_recipe(
    machine: Machine, collection: Collection, saved: Mapping[str, str] | HardwareHash | None, timeout: float
) -> OtherRecipe | None:
    """Return the machine by another recipe, or other type ids, that give the saved hardware ID; None where none do.

    Args:
        machine: the machine; one that keeps answers of WMI asks for nothing there once more.
        collection: the machine by the recipe of the installed agent.
        saved: the hash of the record.
        timeout: seconds for each command.
    """
    wanted = saved.get("uuid", "") if saved else ""
    if saved is None or not collection.recipe or not wanted:
        return None
    same_id = wanted == collection["uuid"].value
    if same_id and collection.recipe != WQL:
        return None
    members = _members(machine)
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
    """Return the type id by which a saved value is that of the present WMI object, None where none gives it.

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
    usual = type_ids(members)
    values, moved = {}, {}
    for name, one in members.items():
        if one is None:
            values[name] = Attribute(
                name, "", Status.FAILED, "WMI does not tell it", wql_source(name), TITLES[WQL], 0.0, Fault.NOT_ASKED
            )
            continue
        dealt = type_id_of(name, one, saved.get(name, "")) or usual.get(name)
        if dealt != usual.get(name):
            moved[name] = dealt
        values[name] = Attribute(name, digest(name, one, dealt), Status.PRESENT, "", wql_source(name), TITLES[WQL])
    if collection.recipe != WQL:
        return _other(collection, WQL, values)
    if not moved:
        return None
    text = (
        "the record holds the hashes of a process of the agent of which a WMI query had failed, and an agent that "
        "starts anew computes others"
    )
    name, number = next(iter(moved.items()))
    proof = (
        f"the saved {'hardware ID' if name == 'uuid' else name} is the digest of the present WMI object with type id "
        f"{number} in place of {usual[name]}"
    )
    return OtherRecipe(WQL, True, _with(collection, WQL, values), text, proof)


def _other(collection: Collection, recipe: str, values: dict[str, Attribute]) -> OtherRecipe:
    then, now = TITLES[recipe], TITLES[collection.recipe]
    text = f"the agent's hash recipe changed: {then} when the record was made, {now} now"
    proof = f"the saved hardware ID is the hash of what {then} gives for the present UUID"
    return OtherRecipe(recipe, False, _with(collection, recipe, values), text, proof)


def _with(collection: Collection, recipe: str, values: dict[str, Attribute]) -> Collection:
    attributes = tuple(values.get(one.name, one) for one in collection)
    return collection.replace(attributes=attributes, recipe=recipe, doubt="")


def _composed(recipe: str, values: dict[str, Attribute], wanted: str, members: _Members) -> dict[str, Attribute]:
    """Return values with the hardware ID that a tool would print for the present UUID, where that is the saved one.

    Windows Server 2025 comes without wmic, with which records of before were made.
    """
    from fingerprint._digest import md5_base64

    uuid = (members["uuid"] or {}).get("UUID")
    if not isinstance(uuid, str) or not uuid:
        return values
    texts = wmic_texts(uuid) if recipe == WMIC else json_texts(uuid)
    if all(md5_base64(text) != wanted for text in texts):
        return values
    gone = f"{TITLES[recipe]} is not there any more, or gives other values"
    composed = {
        name: Attribute(name, "", Status.FAILED, gone, one.source, one.tool, 0.0, Fault.NOT_ASKED)
        for name, one in values.items()
    }
    return {**composed, "uuid": Attribute("uuid", wanted, Status.PRESENT, "", values["uuid"].source, TITLES[recipe])}


def wmic_texts(uuid: str) -> tuple[bytes, ...]:
    """Return what wmic prints for a UUID: columns that are two wider than what they hold, lines that end CR CR LF."""
    width = len(uuid) + 2
    text = f"{'UUID':{width}}\r\r\n{uuid:{width}}\r\r\n\r\r\n"
    # Into a pipe it writes in the code page of the console, or in UTF-16 with a mark at the beginning.
    return text.encode("ascii", "replace"), b"\xff\xfe" + text.encode("utf-16-le", "replace")


def json_texts(uuid: str) -> tuple[bytes, ...]:
    """Return what PowerShell 5 and 7 print for a UUID."""
    return tuple(
        f'{{\r\n{margin}"UUID":{gap}"{uuid}"\r\n}}\r\n'.encode("utf-8", "replace")
        for margin, gap in (("    ", "  "), ("  ", " "))
    )
