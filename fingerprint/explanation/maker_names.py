"""Names that mean one maker, for the comparison of hardware in explanations. Hashes and values keep each name.

Firmware updates change the form of a name, and makers change theirs: "Hewlett-Packard" became "HP" and "HPE".
"""

from __future__ import annotations

from fingerprint._core import clean

# Words at the end of a name that only say what kind of company it is.
_LEGAL = frozenset((
    "ag", "co", "company", "corp", "corporation", "gmbh", "inc", "incorporated", "limited", "llc", "ltd", "sa",
))  # fmt: skip
# One maker a row: its names without the words above. Source: the reports of docs/calibration.md.
_MAKERS = (
    ("hp", "hewlett packard", "hewlett packard enterprise", "hpe"),
    ("lenovo", "lenovo group"),
    ("asus", "asustek", "asustek computer"),
    ("msi", "micro star", "micro star international", "micro star int l"),
    ("gigabyte", "giga byte", "gigabyte technology", "giga byte technology"),
    ("dell", "dell computer", "dell emc", "dell technologies"),
    ("fujitsu", "fujitsu siemens", "fujitsu siemens computers", "fujitsu client computing"),
    ("supermicro", "super micro", "super micro computer", "supermicro computer"),
    ("apple", "apple computer"),
    ("oracle", "sun", "sun microsystems"),
    ("samsung", "samsung electronics"),
    ("lg", "lg electronics", "lge"),
    ("huawei", "huawei technologies"),
    ("quanta", "quanta computer", "quanta cloud technology", "qct"),
    ("cisco", "cisco systems"),
    ("biostar", "biostar group"),
    ("ecs", "elitegroup", "elitegroup computer systems"),
    ("intel", "intel r", "intel r client systems", "genuineintel"),
    ("amd", "advanced micro devices", "authenticamd"),
    ("ami", "american megatrends", "american megatrends international"),
    ("insyde", "insyde software", "insydeh2o"),
    ("phoenix", "phoenix technologies"),
    ("award", "award software", "award software international"),
    ("timi", "xiaomi"),
    ("medion", "medionpc"),
)
_OF = {name: row[0] for row in _MAKERS for name in row}


def maker_key(name: str | None) -> str:
    """Return a key that all names of a maker share; "" for a missing name and a placeholder."""
    canonical = clean(name)
    words = "".join(c if c.isalnum() else " " for c in canonical).split()
    while len(words) > 1 and words[-1] in _LEGAL:
        words.pop()
    joined = " ".join(words)
    return _OF.get(joined, joined)


def same_maker(one: str | None, other: str | None) -> bool:
    """Return whether two names mean one maker; a missing name means none."""
    return bool(key := maker_key(one)) and key == maker_key(other)
