"""List the entries of a release-notes file of amazon-ssm-agent that touch what this project knows of the agent.

    python tools/release_notes.py RELEASENOTES.md                    # releases after the newest one that was assessed
    python tools/release_notes.py RELEASENOTES.md --since 3.3.2299.0
    python tools/release_notes.py RELEASENOTES.md --all --word snap

It reads the file (or standard input, for "-") and nothing else. Exit code 0: entries were listed; 1: none touches our
words; 2: the file cannot be used. What to do with an entry: docs/compatibility.md, "Adding a row".
"""

from __future__ import annotations

import argparse
import re
import sys

from fingerprint.agent.versions import NEWEST_ASSESSED
from fingerprint.collectors.recipes import version_of

# Word -> where what it may change is kept.
WORDS = {
    "fingerprint": "gate", "hardware": "collectors", "wmi": "collectors/ssm_windows.py",
    "wmic": "collectors/ssm_windows.py", "cim": "collectors/ssm_windows.py",
    "get-ciminstance": "collectors/ssm_windows.py", "vault": "vault", "acl": "vault", "ownership": "vault",
    "hibernat": "agent/retry_schedule.py", "backoff": "agent/retry_schedule.py",
    "credential": "agent/retry_schedule.py", "registration": "registration", "register": "registration",
    "onprem": "registration", "on-prem": "registration", "endpoint": "agent/endpoints.py",
    "dualstack": "agent/endpoints.py", "dual-stack": "agent/endpoints.py", "ipv6": "agent/endpoints.py",
    "fips": "agent/endpoints.py", "imds": "diagnose/checks/endpoints.py", "configuration": "agent/config_keys.py",
    "configurable": "agent/config_keys.py", "appconfig": "agent/config_keys.py",
    "aws-sdk": "agent/logs/sdk_errors.py", "aws go sdk": "agent/logs/sdk_errors.py", "serial port": "agent/logs",
    "cve": "agent/versions.py", "snap": "agent/systemd_unit.py", "systemd": "agent/systemd_unit.py",
}  # fmt: skip
_RELEASE = re.compile(r"^#*\s*(?:v|release\s+)?(\d+(?:\.\d+){2,3}|latest|unreleased)\s*(?:[-(].*)?$", re.IGNORECASE)
_ENTRY = re.compile(r"^\s*[-*+]\s+(.*\S)")
_RULE = re.compile(r"^\s*[=-]{3,}\s*$")
_STEM_LETTERS = 5
_LIMIT = 8 * 1024 * 1024


class NotUsable(Exception):
    """A file that is no release notes; the text says why."""


def releases(text: str) -> list[tuple[str, list[str]]]:
    """Return the releases of a file of notes in its order, each with its entries.

    Args:
        text: with a line for each release ("3.3.2299.0", "## 3.3.2299.0 (2025-04-01)", "Latest") and a list below it.

    Raises:
        NotUsable: there is no such line.
    """
    found: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        head, entry = _RELEASE.match(line.strip()), _ENTRY.match(line)
        if head and not entry:
            found.append((head[1], []))
        elif entry and found:
            found[-1][1].append(entry[1])
        elif found and found[-1][1] and line[:1].isspace() and line.strip() and not _RULE.match(line):
            # An entry that goes on.
            found[-1][1][-1] += f" {line.strip()}"
    if not found:
        raise NotUsable("no line of it names a release, such as 3.3.2299.0")
    return found


def touching(entry: str, words: dict[str, str]) -> dict[str, str]:
    """Return the words that an entry touches, with where each belongs.

    A word of five letters and more counts at the beginning of another one, too ("hibernat"); a shorter one alone.
    """
    return {
        word: where
        for word, where in words.items()
        if re.search(rf"\b{re.escape(word)}" + r"\b" * (len(word) < _STEM_LETTERS), entry, re.IGNORECASE)
    }


def is_wanted(version: str, since: tuple[int, ...]) -> bool:
    """Return whether a release is newer than a version; what has no number ("Latest") is newer than all."""
    return version_of(version) > since if version_of(version) else True


def main(arguments: list[str] | None = None) -> int:
    """Print what was found, and return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", metavar="FILE", help='such as RELEASENOTES.md; "-" is standard input')
    parser.add_argument(
        "--since", metavar="VERSION", default=NEWEST_ASSESSED, help=f"list later releases (default: {NEWEST_ASSESSED})"
    )
    parser.add_argument("--all", action="store_true", help="list releases of any version")
    parser.add_argument("--word", metavar="WORD", action="append", default=[], help="search for one more word")
    asked = parser.parse_args(arguments)
    since = () if asked.all else version_of(asked.since)
    if not since and not asked.all:
        parser.error(f"invalid version {asked.since!r}: must be numbers with dots, such as {NEWEST_ASSESSED}")
    words = {**WORDS, **dict.fromkeys((word.lower() for word in asked.word if word), "asked for")}
    try:
        found = releases(_read(asked.file))
    except (OSError, NotUsable) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        print(f"release_notes.py: cannot use {asked.file}: {reason}. "
              "Name the RELEASENOTES.md of the agent's repository", file=sys.stderr)  # fmt: skip
        return 2
    listed = 0
    for version, entries in found:
        if not is_wanted(version, since):
            continue
        chosen = [(entry, touching(entry, words)) for entry in entries]
        chosen = [(entry, found) for entry, found in chosen if found]
        print(f"{version}: {len(chosen)} of {len(entries)} entries" if entries else f"{version}: no entries")
        for entry, found in chosen:
            print(f"  - {entry}\n      {', '.join(found)}: {', '.join(dict.fromkeys(found.values()))}")
        listed += len(chosen)
    if not listed:
        print(f"Nothing after {asked.since} touches these words." if not asked.all else "Nothing touches these words.")
    return 0 if listed else 1


def _read(path: str) -> str:
    if path == "-":
        return sys.stdin.buffer.read(_LIMIT).decode("utf-8", "replace")
    with open(path, "rb") as file:
        return file.read(_LIMIT).decode("utf-8", "replace")


if __name__ == "__main__":
    sys.exit(main())
