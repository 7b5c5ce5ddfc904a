"""The same Windows machine by the hash recipe that a record was made with, where the installed agent takes another.

An update of the agent or of Windows changes the recipe, and a WMI query that once failed changes the type ids in the
digests: all six hashes differ then, and the hardware ID with them, on an unchanged machine.
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
    "the record holds the hashes of a process of the agent of which a WMI query had failed, and an agent that starts "
    "anew computes others"
)
_NO_ID = "the record holds no hardware ID, as the agent could not read it when the record was made"
_NOT_THEN = "the agent could not read it when the record was made"
# What two machines of one model do not share: the serial number, the names, the first hardware address.
_MARKS = ("bios-hash", "system-hash", "macaddr-info")


class OtherRecipe(Value):
    """What a machine is by the recipe of its record.

    Attributes:
        recipe: of the record: "wmic", "json" or "wql"; where it is not known, that of the installed agent.
        moved: whether it is the installed agent's recipe, with other type ids than an agent has that starts now.
        collection: the machine by that recipe; what cannot be read so any more is failed.
        text: what happened, a sentence without a full stop.
        proof: what shows it.
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
    """Return the machine by another recipe, or other type ids, that give the saved hardware ID; None where none do.

    A record without a hardware ID is held against what else it holds of the machine, see `_without_id`.

    Args:
        machine: the machine; one that keeps answers of WMI asks for nothing there once more.
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
    values, moved = _wql_values(saved, members)
    if collection.recipe != WQL:
        return _other(collection, WQL, values)
    if not moved:
        return None
    return OtherRecipe(WQL, True, _with(collection, WQL, values), _MOVED, f"the saved {_moved_proof(moved)}")


def _wql_values(
    saved: Mapping[str, str] | HardwareHash, members: _Members
) -> tuple[dict[str, Attribute], dict[str, tuple[int, int]]]:
    """Return the attributes with the type ids of a record, and those ids that are not usual with the usual ones."""
    usual = type_ids(members)
    values, moved = {}, {}
    for name, one in members.items():
        if one is None:
            values[name] = _unread(name, "WMI does not return it", WQL)
            continue
        dealt = type_id_of(name, one, saved.get(name, "")) or usual[name]
        if dealt != usual[name]:
            moved[name] = (dealt, usual[name])
        values[name] = of_members(name, one, dealt, TITLES[WQL])
    return values, moved


def _moved_proof(moved: dict[str, tuple[int, int]]) -> str:
    name, (dealt, usual) = next(iter(moved.items()))
    subject = "hardware ID" if name == "uuid" else name
    return f"{subject} is the digest of the present WMI object with type id {dealt} in place of {usual}"


def _unread(name: str, why: str, recipe: str, value: str = "") -> Attribute:
    return Attribute(name, value, Status.FAILED, why, wql_source(name), TITLES[recipe], 0.0, Fault.NOT_ASKED)


def _without_id(
    machine: Machine,
    collection: Collection,
    saved: Mapping[str, str] | HardwareHash,
    members: _Members,
    timeout: float,
) -> OtherRecipe:
    """Return the machine as the process read it that made a record without a hardware ID.

    To that process "" was the ID, and the ids of the types were those of the queries that succeeded. As any machine
    has an empty ID, marks of its own have to show that it is this one; else nothing says that it is, or that it is not.
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
            # What the agent could not read is in the record as "".
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
    proof = f"the saved hardware ID is empty, and of {', '.join(_MARKS)} not two, or not all that are known, are equal"
    return OtherRecipe(collection.recipe, False, _with(collection, collection.recipe, unknown), _NO_ID, proof, True)


def _marks(
    saved: Mapping[str, str] | HardwareHash, collection: Collection, values: dict[str, Attribute]
) -> tuple[str, ...]:
    """Return the marks of one machine among many that record and machine share; () where one differs or is alone."""
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
    """Return values with the hardware ID that a tool would print for the present UUID, where that is the saved one.

    Windows Server 2025 comes without wmic, with which records of before were made.
    """
    from fingerprint._core import md5_base64

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
