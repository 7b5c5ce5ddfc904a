"""Why an attribute differs: known from recordings of both sides, inferred from less, or not known.

Each cause also has facts, which `probable` weighs for and against events.
"""

from __future__ import annotations

from fingerprint._io.text import MAC_GAP, masked, printable
from fingerprint.attributes.ssm import SID_KEYS
from fingerprint.explanation.hardware import differences
from fingerprint.smbios.no_table import DMI, is_silent, why_silent
from fingerprint.types import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.explanation.sources import Sources
    from fingerprint.observation import RecipeChange
    from fingerprint.types import AttributeRow, Collection, Verdict

_UNKNOWN = "cause not known: nothing was kept when the record was made"
# Facts: the value has hardware on one side only.
TABLE_GONE, TABLE_APPEARED = "table-gone", "table-appeared"
# Fact: the digest of an unchanged WMI object with another type id.
MOVED = "type-ids"


class Cause(Value):
    """The cause of one attribute's state.

    Attributes:
        name: the attribute.
        state: "same", "empty" (equal, as both sides are empty or the same output without hardware), "changed" or
            "unknown".
        saved, current: the values to print; ids are masked, digests shortened.
        text: the cause; "" for an unchanged attribute.
        certain: whether recorded sources prove it; False for an inference.
        facts: keys for `probable`.
    """

    name: str
    state: str
    saved: str
    current: str
    text: str
    certain: bool
    facts: tuple[str, ...] = ()


class Context:
    """Both sides of a comparison.

    Args:
        verdict: the verdict over them.
        collection: the current attributes.
        before: the recorded sources of the saved side; None if nothing was kept.
        now: those of the current side.
        booted: when the machine was started, to print; "" if not known.
    """

    def __init__(
        self, verdict: Verdict, collection: Collection, before: Sources | None, now: Sources | None, booted: str
    ) -> None:
        self.verdict = verdict
        self.collection = collection
        self.before = before
        self.now = now
        self.booted = booted
        # The verdict by another hash recipe of Windows, if that fits the record.
        self.change: RecipeChange | None = None
        self.changed = verdict.changed


def causes(context: Context) -> tuple[Cause, ...]:
    """Return one cause for each attribute of the machine, in the order of the verdict."""
    return tuple(_cause(row, context) for row in context.verdict.rows if row.current is not None)


def _cause(row: AttributeRow, context: Context) -> Cause:
    saved, current = _shown(row.name, row.saved), _shown(row.name, row.current)
    read = next((a for a in context.collection if a.name == row.name), None)
    if row.same:
        silent: tuple[str, ...] = ("no-table",) if silence_now(row.name, context) else ()
        return Cause(row.name, "same" if row.evidence else "empty", saved, current, "", True, silent)
    if read is not None and read.unreadable:
        return Cause(row.name, "unknown", saved, current, f"could not be read now: {read.reason}", True)
    text, certain, facts = _cause_of_change(row, context)
    return Cause(row.name, "changed", saved, current, text, certain, facts)


def _cause_of_change(row: AttributeRow, context: Context) -> tuple[str, bool, tuple[str, ...]]:
    name, saved, current = row.name, row.saved or "", row.current or ""
    if not current:
        read = next((a for a in context.collection if a.name == name), None)
        facts = ("tool-gone",) if name in DMI else ()
        return f"nothing is read now: {read.reason if read else 'no source'}", True, facts
    if not saved:
        then = context.before.attribute(name) if context.before else None
        facts = ("tool-appeared",) if name in DMI else ()
        if row.saved is None:
            return "the record has no such attribute", True, facts
        if context.change is not None and context.change.found.without_id:
            return f"nothing was read then: {context.change.found.collection[name].reason}", True, facts
        return f"nothing was read then{f': {then.reason}' if then else ''}", then is not None, facts
    if context.collection.platform == "windows" and name not in ("hostname-info", "ipaddress-info", "macaddr-info"):
        return _windows(name, context)
    if name in DMI:
        return _dmi(name, context)
    if name == "disk-info":
        return _disk(context)
    if name == "ipaddress-info":
        return _address(saved, current, context)
    if name == "macaddr-info":
        return _hardware_address(saved, current, context)
    if name == "hostname-info":
        return f"{saved} -> {current}", True, ("renamed",)
    return "the machine ID was regenerated, or the disk is another installation's", False, ("other-id",)


def _dmi(name: str, context: Context) -> tuple[str, bool, tuple[str, ...]]:
    before, now = context.before, context.now
    silent = silence_then(name, context), silence_now(name, context)
    if any(silent):
        return _without_table(name, silent, context)
    old, new = (before.dmi_table(name) if before else None), (now.dmi_table(name) if now else None)
    if before is None or now is None or old is None or new is None:
        if all(other in context.changed for other in DMI):
            return "probably dmidecode's version: all four DMI values changed at once", False, ("all-dmi",)
        return _UNKNOWN, False, ()
    facts: list[str] = []
    parts: list[str] = []
    versions = before.tool_version(name), now.tool_version(name)
    if versions[0] != versions[1]:
        parts.append(f"dmidecode {versions[0] or '?'} -> {versions[1] or '?'}")
        facts.append("tool-version")
    found = differences(name, old, new)
    if found:
        parts += found
        facts.append(
            {"memory-hash": "modules", "bios-hash": "firmware", "processor-hash": "processor"}.get(name, "system")
        )
        facts += ["uuid-turned"] if any("bytes in another order" in text for text in found) else []
        facts += ["uuid"] if any(text.startswith("UUID") and "->" in text for text in found) else []
        facts += ["maker"] if any(text.startswith("maker") for text in found) else []
    elif versions[0] != versions[1]:
        parts.append("hardware fields equal")
        facts.append("hardware-equal")
    else:
        labels = _other_labels(before.dmi_text(name) or "", now.dmi_text(name) or "")
        parts.append(f"hardware fields equal; only {labels} differ" if labels else "only the order or form of the text")
        facts.append("hardware-equal")
    return "; ".join(parts), True, tuple(facts)


def silence_now(name: str, context: Context) -> str:
    """Return why the current value has no hardware facts; "" if it has some."""
    read = next((a for a in context.collection if a.name == name), None)
    return read.reason if read is not None and read.silent else ""


def silence_then(name: str, context: Context) -> str:
    """Return why the saved value has no hardware facts; "" if it has some or that is not known."""
    text = context.before.dmi_output(name) if context.before else None
    if text is not None:
        return why_silent(text)
    saved = next((row.saved for row in context.verdict.rows if row.name == name), None)
    return "no SMBIOS table found" if saved and is_silent(saved) else ""


def _without_table(name: str, silent: tuple[str, str], context: Context) -> tuple[str, bool, tuple[str, ...]]:
    """Return the cause of a difference if dmidecode printed no structure on one side or both."""
    then, today = silent
    if then and today:
        versions = [side.tool_version(name) if side else "" for side in (context.before, context.now)]
        upgrade = f"dmidecode {versions[0]} -> {versions[1]}; " if all(versions) and versions[0] != versions[1] else ""
        return f"{upgrade}{today}, then as now", True, ("tool-version",) if upgrade else ()
    if today:
        return f"the SMBIOS table is gone: {today}", True, (TABLE_GONE,)
    return f"an SMBIOS table appeared: then, {then}", True, (TABLE_APPEARED,)


def _other_labels(before: str, now: str) -> str:
    """Return the labels of lines that are on one side only, at most four."""
    old, new = before.split("\n"), now.split("\n")
    lines = [line for line in old if line not in new] + [line for line in new if line not in old]
    labels = list(dict.fromkeys(line.strip().partition(":")[0] for line in lines if line.startswith("\t")))
    labels = [label for label in labels if label]
    return ", ".join(labels[:4]) + (f" and {len(labels) - 4} more" if len(labels) > 4 else "")


def _disk(context: Context) -> tuple[str, bool, tuple[str, ...]]:
    before = context.before.disk_listing() if context.before else None
    now = context.now.disk_listing() if context.now else None
    started = f" (booted {context.booted})" if context.booted else ""
    if before is None or now is None:
        return f"not known; the times of the links change at every start{started}", False, ("disk",)
    old, new = _links(before), _links(now)
    added = [f"{_short(name)} added" for name in new if name not in old]
    gone = [f"{_short(name)} removed" for name in old if name not in new]
    moved = [f"{_short(n)} {old[n][0]} -> {new[n][0]}" for n in old if n in new and old[n][0] != new[n][0]]
    if added or gone:
        return "file systems: " + ", ".join([*added, *gone, *moved]), True, ("filesystems",)
    if moved:
        return "devices: " + ", ".join(moved), True, ("times",)
    if {name: link[1] for name, link in old.items()} != {name: link[1] for name, link in new.items()}:
        return f"only link times differ{started}", True, ("times",)
    return "only the form of the listing differs", True, ("times",)


def _links(listing: str) -> dict[str, tuple[str, str]]:
    """Return name -> (target, time) of the links in the output of `ls -l`, in any language."""
    found = {}
    for line in listing.split("\n"):
        head, arrow, target = line.partition(" -> ")
        words = head.split()
        if arrow and line.startswith("l") and len(words) >= 7:
            found[words[-1]] = (target.rpartition("/")[2], " ".join(words[5:-1]))
    return found


def _short(name: str) -> str:
    return name if len(name) <= 12 else masked(name)


def _address(saved: str, current: str, context: Context) -> tuple[str, bool, tuple[str, ...]]:
    change = f"{saved} -> {current}"
    listed = context.now.addresses().ipv4 if context.now else ()
    if saved in listed:
        return f"{change}; the old one is still there, and another comes first now", True, ("other-first",)
    if listed:
        return f"{change}; the old one is gone", True, ("address",)
    return change, False, ("address",)


def _hardware_address(saved: str, current: str, context: Context) -> tuple[str, bool, tuple[str, ...]]:
    change = f"{_half(saved)} -> {_half(current)}"
    links = _link_names(context.now)
    old = _link_names(context.before)
    if not links:
        return change, False, ("mac",)
    first = next((name for name, address in links.items() if address == current), "?")
    if saved in links.values():
        still = next(name for name, address in links.items() if address == saved)
        return f"{change}; {first} comes first now, {still} is still there", True, ("other-first",)
    was = next((name for name, address in old.items() if address == saved), "")
    of = f" of {was}" if was else ""
    return f"{change}; the old address{of} is gone: another card, or another machine", True, ("nic",)


def _link_names(sources: Sources | None) -> dict[str, str]:
    return dict(sources.addresses().links) if sources else {}


def _half(address: str) -> str:
    """Return a hardware address with its maker and the last digits, enough to distinguish two."""
    return address if len(address) < 17 else masked(address, 8, 2, MAC_GAP)


def _windows(name: str, context: Context) -> tuple[str, bool, tuple[str, ...]]:
    from fingerprint.collectors.ssm_windows import TITLES

    if context.change is not None:
        return _by_change(name, context.change, context)
    saved = next((row.saved or "" for row in context.verdict.rows if row.name == name), "")
    number = _moved(name, saved, context)
    if number is not None:
        return _of_type_id(number), True, (MOVED, "hardware-equal")
    before, now = context.before, context.now
    then, today = (before.source_of(name) if before else ""), (now.source_of(name) if now else "")
    if not then or not today or before is None or now is None:
        return _UNKNOWN, False, ()
    methods = _method(then), _method(today)
    if methods[0] == methods[1]:
        return f"what {TITLES[methods[1]]} reads differs", True, ("reads-otherwise",)
    recipes = f"hashed from {TITLES[methods[0]]} and now from {TITLES[methods[1]]}"
    fact = f"method-{methods[1]}"
    if name != "uuid":
        return recipes, True, (fact,)
    ids = [_uuid_in(side) for side in (before, now)]
    if all(ids) and ids[0].lower() == ids[1].lower():
        return f"{recipes}, same UUID {masked(ids[1])}", True, (fact, "hardware-equal")
    return f"{recipes}, other UUID" if all(ids) else recipes, True, (fact,)


def _by_change(name: str, change: RecipeChange, context: Context) -> tuple[str, bool, tuple[str, ...]]:
    """Return the cause if another recipe gives the saved hardware ID."""
    from fingerprint.collectors.ssm_windows import TITLES

    row = next(row for row in context.verdict.rows if row.name == name)
    then = change.found.collection[name]
    equal = then.value == row.saved
    if change.found.recipe == context.collection.recipe:
        number = _moved(name, row.saved or "", context)
        return (_of_type_id(number), True, (MOVED, "hardware-equal")) if number else (
            f"what {TITLES[change.found.recipe]} reads differs", True, ("reads-otherwise",)
        )  # fmt: skip
    recipes = TITLES[change.found.recipe], TITLES[context.collection.recipe]
    text, fact = f"hashed from {recipes[0]} and now from {recipes[1]}", f"method-{context.collection.recipe}"
    if equal:
        uuid = _uuid_in(context.now) if name == "uuid" and context.now else ""
        same = f", same UUID {masked(uuid)}" if uuid else f"; {recipes[0]} still gives the saved value"
        return f"{text}{same}", True, (fact, "hardware-equal")
    if then.unreadable:
        return f"{text}; whether more changed is not known: {then.reason}", True, (fact,)
    return f"{text}; what {recipes[0]} reads differs, too", True, (fact, "reads-otherwise")


def _moved(name: str, saved: str, context: Context) -> int | None:
    """Return the type id with which the current WMI object has the saved digest; None without one."""
    if context.now is None or context.collection.recipe != "wql":
        return None
    from fingerprint.collectors.other_recipe import moved_type_id

    return moved_type_id(context.now.machine, name, saved)


def _of_type_id(number: int) -> str:
    return f"the same WMI object with type id {number}: a WMI query of the agent had failed when that was stored"


def _method(source: str) -> str:
    return "wql" if source.startswith("SELECT ") else "wmic" if "wmic" in source.lower() else "json"


def _uuid_in(sources: Sources) -> str:
    """Return the UUID in the output of Windows for its hardware ID; "" without one."""
    from fingerprint.collectors.facts import windows_uuid

    try:
        return windows_uuid(sources.machine)
    except OSError:
        return ""


def _shown(name: str, value: str | None) -> str:
    if value is None:
        return "(no such key)"
    if not value:
        return "(empty)"
    return short_value(name, value)


def short_value(name: str, value: str) -> str:
    """Return the value of an attribute to print: an ID masked, a digest shortened."""
    if name in SID_KEYS:
        return masked(value)
    digest = name.endswith("-hash") or name == "disk-info"
    return masked(value, 8, 0) if digest and len(value) > 12 else printable(value)
