"""Compare two listings of the links to file systems: names, devices, and the times at which the links were made."""

from __future__ import annotations

from fingerprint._io.text import masked
from fingerprint.explanation.analysis import Analysis, of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.explanation.causes import Context

    _Links = dict[str, tuple[str, str]]

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# Time zones differ by multiples of a quarter of an hour, at most this many minutes.
_QUARTER, _FARTHEST = 15, 26 * 60


def disk_analysis(context: Context) -> Analysis:
    """Return why the listing of the disk links differs."""
    before = context.before.disk_listing() if context.before else None
    now = context.now.disk_listing() if context.now else None
    started = f" (booted {context.booted})" if context.booted else ""
    if before is None or now is None:
        text = f"not known; the times of the links change at every start{started}"
        return of("reboot", text, "disk", certain=False) if started else Analysis(text, False, ("disk",))
    old, new = _links(before), _links(now)
    added = [f"{_short(name)} added" for name in new if name not in old]
    gone = [f"{_short(name)} removed" for name in old if name not in new]
    moved = [f"{_short(n)} {old[n][0]} -> {new[n][0]}" for n in old if n in new and old[n][0] != new[n][0]]
    if added or gone:
        return of("file-systems", "file systems: " + ", ".join([*added, *gone, *moved]), "filesystems")
    if moved:
        return of("device-names", "devices: " + ", ".join(moved), "times")
    times = [(link[1], new[name][1]) for name, link in old.items() if link[1] != new[name][1]]
    if not times:
        return of("link-times", "only the form of the listing differs", "times")
    if context.rebooted:
        return of("reboot", f"only link times differ{started}", "times")
    form = _same_moments(times)
    if form:
        return of("link-times", f"only link times differ: {form}{started}", "times")
    if context.rebooted is False:
        return of("link-times", f"only link times differ{started}", "times")
    return of("reboot", f"only link times differ{started}", "times")


def _links(listing: str) -> _Links:
    """Return name -> (target, time) of the links in the output of `ls -l`, in any language."""
    found = {}
    for line in listing.split("\n"):
        head, arrow, target = line.partition(" -> ")
        words = head.split()
        if arrow and line.startswith("l") and len(words) >= 7:
            found[words[-1]] = (target.rpartition("/")[2], " ".join(words[5:-1]))
    return found


def _same_moments(times: list[tuple[str, str]]) -> str:
    """Return how the same moments are written in another way; "" if the links were made again."""
    shifts: set[int | str] = set()
    for old, new in times:
        before, now = _parsed(old), _parsed(new)
        if before is None or now is None:
            return ""
        if (before[1] is None) != (now[1] is None):
            # Older than half a year, `ls` prints the year in place of the time of day.
            if before[0] != now[0]:
                return ""
            shifts.add("year")
        elif before[1] is not None and now[1] is not None and abs(now[0] - before[0]) <= 1:
            shifts.add((now[0] - before[0]) * 24 * 60 + now[1] - before[1])
        else:
            return ""
    [shift] = shifts if len(shifts) == 1 else [0]
    if shift == "year":
        return "the links are older than half a year, or no longer"
    minutes = shift if isinstance(shift, int) else 0
    if minutes and minutes % _QUARTER == 0 and abs(minutes) <= _FARTHEST:
        return f"all by {minutes / 60:+g} hours, as by another time zone"
    return ""


def _parsed(text: str) -> tuple[int, int | None] | None:
    """Return (day of the year, minute of the day or None) of "Nov 20 08:31" and "Nov 20 2025"; None for other forms."""
    words = text.split()
    if len(words) != 3 or words[0] not in _MONTHS or not words[1].isdigit():
        return None
    day = _MONTHS.index(words[0]) * 31 + int(words[1])
    hours, colon, minutes = words[2].partition(":")
    if not colon:
        return day, None
    return (day, int(hours) * 60 + int(minutes)) if hours.isdigit() and minutes.isdigit() else None


def _short(name: str) -> str:
    return name if len(name) <= 12 else masked(name)
