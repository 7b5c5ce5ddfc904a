"""Updates of the agent and Session Manager's channel in the logs; the agent's credentials do not depend on them.

Agents from 3.0.1031 on log updates in AmazonSSMAgent-update.txt, earlier ones in the main log.
"""

from __future__ import annotations

import re

from fingerprint.agent.logs.sdk_errors import DENIED
from fingerprint.agent.logs.types import ERROR_KEPT
from fingerprint.agent.paths import PACKAGE, UPDATE_LOG
from fingerprint.types import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.agent.logs.lines import Entry

# Why no session starts if the service rejects the channel.
NO_CHANNEL = "the role may not open Session Manager's channel (ssmmessages:CreateControlChannel)"
# The worker opens the channel.
CHANNEL_KINDS = ("no-channel", "channel")
KINDS = ("update-failed", "updated", *CHANNEL_KINDS)
# Errors on the rights to the channel come without an SDK: the agent calls that service itself.
_DENIED = (DENIED, "AccessDenied", "Unauthorized request", "not authorized")
_DOWNGRADE, _UNSUPPORTED = "allow downgrade to proceed", "supported on current platform"
_VERSION = r"v?(\d{1,9}(?:\.\d{1,9}){2,3})"
_TO_OLDER = re.compile(rf"Updating {_VERSION} to an older version(?: {_VERSION})?", re.IGNORECASE)
_OF_PLATFORM = re.compile(rf"(source |current |target )?version {_VERSION} is (?:un|not )supported", re.IGNORECASE)
_BARE = re.compile(r"(?:un|not )supported on current platform", re.IGNORECASE)
_FAILED = re.compile(rf"Failed to update {PACKAGE} to {_VERSION}", re.IGNORECASE)
_UPDATED = re.compile(rf"updated successfully to {_VERSION}", re.IGNORECASE)


class FailedUpdate(Value):
    """An update that failed.

    Attributes:
        at: local time as logged; "" without one.
        kind: "unsupported" (the region lacks the version), "downgrade" (the target is an older version) or "other".
        source: the installed version; "" if it is not logged.
        target: the requested version; "" if it is not logged.
        text: the reason as the agent logged it.
    """

    at: str
    kind: str
    source: str
    target: str
    text: str

    @property
    def meaning(self) -> str:
        """Why the update failed, a sentence without a full stop."""
        if self.kind == "unsupported" and self.source:
            return (
                f"the region's manifest does not have the installed version {self.source}: it came from elsewhere, and "
                "after a release it can take two weeks until every region has it"
            )
        if self.kind == "unsupported":
            which = f"version {self.target}" if self.target else "the requested version"
            return (
                f"the region's manifest does not have {which} for this platform: after a release it can take two weeks "
                "until every region has it"
            )
        if self.kind == "downgrade":
            return (
                "the update would have led to an older version than the installed one: after a release it can take two "
                "weeks until every region has it, and until then the newest version of the region is older"
            )
        return "the lines before it in the log of the update show why"

    @property
    def remedy(self) -> str:
        """What to do, a sentence without a full stop."""
        if self.kind == "unsupported" and not self.source:
            return "Wait, or run AWS-UpdateSSMAgent without a version: it then takes the newest one of the region"
        if self.kind == "unsupported":
            return "Wait until the region has it, or install a version that the region has"
        if self.kind == "downgrade":
            return (
                "Wait: the installed version stays. Run AWS-UpdateSSMAgent with allowDowngrade set to true only if you "
                "want the older one"
            )
        return f"Read {UPDATE_LOG}, and run AWS-UpdateSSMAgent again"


class Beside:
    """Outcome of updates and of opening Session Manager's channel.

    Attributes:
        failed: the last update, if it failed; None without one, or if a later one succeeded.
        updated: (time, version) of the last update, if it succeeded; None for none.
        channel_denied: the error, if the service last rejected Session Manager's channel for lack of rights; else "".
        channel_denied_at: when that was logged; "" without a time.
    """

    def __init__(self) -> None:
        self.failed: FailedUpdate | None = None
        self.updated: tuple[str, str] | None = None
        self.channel_denied = self.channel_denied_at = ""
        # Whether the last line of a failed update is still missing.
        self._open = False

    def take(self, entry: Entry) -> None:
        """Take an entry of one of KINDS."""
        if entry.kind == "updated":
            found = _UPDATED.search(entry.text)
            self.failed, self.updated, self._open = None, (entry.at, found[1] if found else ""), False
        elif entry.kind == "update-failed":
            self._fail(entry)
        elif entry.kind == "no-channel" and any(word in entry.text for word in _DENIED):
            self.channel_denied, self.channel_denied_at = entry.text[:ERROR_KEPT], entry.at
        else:
            # Another error is not about rights; an open channel proves them.
            self.channel_denied = self.channel_denied_at = ""

    def restart(self) -> None:
        """Take a start of the agent: it opens its channel again."""
        self.channel_denied = self.channel_denied_at = ""

    def _fail(self, entry: Entry) -> None:
        lowered, text = entry.text.lower(), entry.text[:ERROR_KEPT]
        if _DOWNGRADE in lowered:
            found = _TO_OLDER.search(entry.text)
            # Some agents log both versions, some the target only, some none.
            source, target = (found[1], found[2]) if found and found[2] else ("", found[1] if found else "")
            self.failed = FailedUpdate(entry.at, "downgrade", source, target, text)
        elif _UNSUPPORTED in lowered:
            found = _OF_PLATFORM.search(entry.text)
            if found is None and not _BARE.match(entry.text):
                # About something else that the platform lacks, such as a plug-in.
                return
            version, which = (found[2], (found[1] or "").strip().lower()) if found else ("", "")
            installed = which in ("source", "current")
            self.failed = FailedUpdate(
                entry.at, "unsupported", version if installed else "", "" if installed else version, text
            )  # fmt: skip
        else:
            found = _FAILED.search(entry.text)
            target = found[1] if found else ""
            if self._open and self.failed is not None and self.failed.target in ("", target):
                # The last line of the same failure, with the version.
                self.failed = self.failed.replace(target=target)
            else:
                self.failed = FailedUpdate(entry.at, "other", "", target, text)
        self.updated, self._open = None, "failed to update" not in lowered
