"""Why a value of Windows differs: another hash recipe, other type ids of WMI, or other values."""

from __future__ import annotations

from fingerprint._io.text import masked
from fingerprint.explanation.analysis import Analysis, Sign, of
from fingerprint.explanation.windows_fields import OTHER, differing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.explanation.causes import Context
    from fingerprint.explanation.sources import Sources
    from fingerprint.observation import RecipeChange

# Fact: the digest of an unchanged WMI object with another type id.
MOVED = "type-ids"
UNKNOWN = "cause not known: nothing was kept when the record was made"


def windows_analysis(name: str, context: Context) -> Analysis:
    """Return why a value of Windows differs."""
    from fingerprint.collectors.ssm_windows import TITLES

    if context.change is not None:
        return _by_change(name, context.change, context)
    saved = next((row.saved or "" for row in context.verdict.rows if row.name == name), "")
    number = _moved(name, saved, context)
    if number is not None:
        return _type_ids(number)
    before, now = context.before, context.now
    then, today = (before.source_of(name) if before else ""), (now.source_of(name) if now else "")
    if not then or not today or before is None or now is None:
        return Analysis(UNKNOWN, False)
    methods = _method(then), _method(today)
    if methods[0] == methods[1]:
        return _values(name, methods[1], before, now)
    recipes = f"hashed from {TITLES[methods[0]]} and now from {TITLES[methods[1]]}"
    fact = f"method-{methods[1]}"
    if name != "uuid":
        return of("hash-recipe", recipes, fact)
    ids = [_uuid_in(side) for side in (before, now)]
    if all(ids) and ids[0].lower() == ids[1].lower():
        return of("hash-recipe", f"{recipes}, same UUID {masked(ids[1])}", fact, "hardware-equal")
    if not all(ids):
        return of("hash-recipe", recipes, fact)
    signs = Sign("hash-recipe", recipes), Sign("system-identity", "other UUID")
    return Analysis(f"{recipes}, other UUID", True, (fact,), signs)


def _by_change(name: str, change: RecipeChange, context: Context) -> Analysis:
    """Return the cause if another recipe gives the saved hardware ID."""
    from fingerprint.collectors.ssm_windows import TITLES

    row = next(row for row in context.verdict.rows if row.name == name)
    then = change.found.collection[name]
    equal = then.value == row.saved
    if change.found.recipe == context.collection.recipe:
        number = _moved(name, row.saved or "", context)
        return _type_ids(number) if number else _values(name, change.found.recipe, context.before, context.now)
    recipes = TITLES[change.found.recipe], TITLES[context.collection.recipe]
    text, fact = f"hashed from {recipes[0]} and now from {recipes[1]}", f"method-{context.collection.recipe}"
    if equal:
        uuid = _uuid_in(context.now) if name == "uuid" and context.now else ""
        same = f", same UUID {masked(uuid)}" if uuid else f"; {recipes[0]} still gives the saved value"
        return of("hash-recipe", f"{text}{same}", fact, "hardware-equal")
    if then.unreadable:
        return of("hash-recipe", f"{text}; whether more changed is not known: {then.reason}", fact)
    more = _values(name, change.found.recipe, context.before, context.now)
    signs = Sign("hash-recipe", text), *more.signs
    return Analysis(f"{text}; {more.text}, too", True, (fact, "reads-otherwise"), signs)


def _moved(name: str, saved: str, context: Context) -> int | None:
    """Return the type id with which the current WMI object has the saved digest; None without one."""
    if context.now is None or context.collection.recipe != "wql":
        return None
    from fingerprint.collectors.other_recipe import moved_type_id

    return moved_type_id(context.now.machine, name, saved)


def _type_ids(number: int) -> Analysis:
    text = f"the same WMI object with type id {number}: a WMI query of the agent had failed when that was stored"
    return of("wmi-type-ids", text, MOVED, "hardware-equal")


def _values(name: str, method: str, before: Sources | None, now: Sources | None) -> Analysis:
    """Return the analysis of an attribute whose values differ by the same recipe: which members do."""
    from fingerprint.collectors.ssm_windows import TITLES

    text = f"what {TITLES[method]} reads differs"
    found = differing(name, method, before, now) if before and now else {}
    if not found:
        return of("system-identity" if name == "uuid" else OTHER, text, "reads-otherwise")
    members = [member for names in found.values() for member in names]
    signs = tuple(Sign(cause, f"{TITLES[method]}: {', '.join(names)}") for cause, names in found.items())
    return Analysis(f"{text}: {', '.join(members)}", True, ("reads-otherwise",), signs)


def _method(source: str) -> str:
    return "wql" if source.startswith("SELECT ") else "wmic" if "wmic" in source.lower() else "json"


def _uuid_in(sources: Sources) -> str:
    """Return the UUID in the output of Windows for its hardware ID; "" without one."""
    from fingerprint.collectors.facts import windows_uuid

    try:
        return windows_uuid(sources.machine)
    except OSError:
        return ""
