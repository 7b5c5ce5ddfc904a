"""Lines of the agent as other programs wrap them: journals, syslog, containers, JSON, output of grep and kubectl.

Each line gives one line, so that line numbers stay those of the file: in the agent's format, or empty for a line of
another program. A part of a message that had line ends keeps them as LINE_END.
"""

from __future__ import annotations

import json
import re

from fingerprint.agent.logs.heads import normalized, time_of
from fingerprint.agent.logs.kinds import BEGINS, CONSOLE_MARK, LEVELS, LINE_END, TIME, kind_of
from fingerprint.agent.paths import CORE, WORKER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_OWN = re.compile(rf"{TIME} (?:{'|'.join(LEVELS)}) ")
_COLOR = re.compile(r"\x1b\[[0-9;]{0,20}m")
_ISO = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?"
# Outputs of journalctl: short, short-precise and syslog; short-iso; short-full; short-unix; short-monotonic and -delta.
_STAMP = (
    rf"(?P<stamp>[A-Z][a-z]{{2}} [ \d]\d(?: \d{{4}})? \d\d:\d\d:\d\d(?:\.\d{{1,9}})?|{_ISO}|"
    rf"[A-Z][a-z]{{2}} {TIME} [A-Z+-][\w:+-]{{0,9}}|\d{{10}}\.\d{{6}}|"
    r"\[ {0,9}\d{1,9}\.\d{1,9}(?: <[ \d.>]{1,20})?\])"
)
_NO_LEVEL = r"(?!(?i:trace|debug|info|warn|warning|error|critical|fatal)\b)"
_NAME = r"(?P<name>(?!\d{1,9}:)[^\s\[\]:{}\"'<>()]{1,80})"
_SYSLOG = re.compile(
    rf"(?:\d{{1,5}} )?(?:<\d{{1,3}}>)?{_STAMP}(?: {_NO_LEVEL}[^\s\[\]{{}}\"'<>()]{{1,255}})??"
    rf"(?: [a-z0-9]{{1,9}}\.[a-z]{{1,9}})? {_NO_LEVEL}{_NAME}(?:\[(?P<pid>\d{{1,9}})\])?: ?(?P<text>.*)", re.DOTALL,
)  # fmt: skip
_RFC5424 = re.compile(
    r"(?:\d{1,5} )?<\d{1,3}>\d (?P<stamp>\S{1,40}) \S{1,255} (?P<name>\S{1,48}) (?P<pid>\S{1,128}) \S{1,32} "
    r"(?:-|(?:\[[^\]\n]{0,2000}\]){1,20})(?: \ufeff?(?P<text>.*))?",
    re.DOTALL,
)
_CRI = re.compile(rf"(?P<stamp>{_ISO}) (?:stdout|stderr) (?P<tag>[FP])(?::[A-Z]{{1,9}})?(?: (?P<text>.*))?", re.DOTALL)
_GREENGRASS = re.compile(
    rf"(?P<stamp>{_ISO}) \[[A-Z]{{4,5}}\] \([^)\n]{{1,80}}\) (?P<name>[\w.-]{{1,128}}): (?:stdout|stderr)\. "
    r"(?P<text>.*)",
    re.DOTALL,
)
_LINE_FORMS = (_RFC5424, _GREENGRASS, _SYSLOG)
_CONTEXTS = " {scriptName="
# kubectl logs --timestamps, docker logs -t, exports of CloudWatch: a time before the time of the line; aws logs tail:
# also the name of the stream.
_STAMPED = re.compile(rf"(?P<stamp>{_ISO}) (?P<text>.*)", re.DOTALL)
_TAILED = re.compile(rf"(?P<stamp>{_ISO}) \S{{1,512}} (?P<text>.*)", re.DOTALL)
# Most characters that something else puts before each line.
_LEAD_MOST = 200
_NAMED = re.compile(
    rf"(?P<name>[\w.-]{{0,60}}(?:{CORE}|{WORKER})[\w.-]{{0,60}})(?:\[(?P<pid>\d{{1,9}})\])?: (?P<text>.*)", re.DOTALL
)
# Prefixes that say where a line is from: kubectl logs --prefix, stern, docker compose, grep.
_PREFIX = re.compile(
    r"\[pod/[^\]\s]{1,300}\] |[\w.-]{1,128} › [\w.-]{1,128} (?:[│|] )?|[\w.-]{1,128} {1,40}\| ?|"
    r"(?:[A-Za-z]:)?[^\s:\"{}]{0,300}?(?:\.log|\.txt|/syslog|/messages)[\w.]{0,40}[:-](?:(?!\d{4}-\d\d-)\d{1,9}[:-])?|"
    r"data: ?|\x1e"
)
_QUOTED_MESSAGE = re.compile(r"\"(?:MESSAGE|log|message|msg)\" ?: ?(?P<quoted>\"(?:[^\"\\]|\\.){0,65536}\")")
_MESSAGES = ("MESSAGE", "log", "message", "msg", "Message", "text")
_TIMES = (
    "__REALTIME_TIMESTAMP",
    "_SOURCE_REALTIME_TIMESTAMP",
    "time",
    "timestamp",
    "@timestamp",
    "ts",
    "date",
    "asctime",
)
_SEVERITIES = ("level", "lvl", "severity", "loglevel")
_NAMES = ("SYSLOG_IDENTIFIER", "_COMM", "CONTAINER_NAME", "_SYSTEMD_UNIT")
_NUMBERS = ("_PID", "SYSLOG_PID")
_OUR_PROGRAMS = (CORE[:15], WORKER[:15], "ssm-document-w", "ssm-session-w", "ssm-cli", "ssm-setup-cli")
# A context that the agent's components put before their messages.
_CONTEXT = re.compile(
    rf"\S.{{0,60}}? (?:{'|'.join(LEVELS)}) \[(?:{CORE}|{WORKER}|CredentialRefresher|\w{{1,40}}CredsProvider)\]"
)
_SYSLOG_ESCAPE = re.compile(r"#(0[0-3][0-7])")
_HALF = re.compile("[\ud800-\udc7f\udd00-\udfff]")
_LONGEST = 1 << 20


def in_bytes(text: str) -> bytes:
    """Return the bytes of a text that was decoded with "surrogateescape"; JSON may hold half a character, too."""
    return _HALF.sub("\ufffd", text).encode("utf-8", "surrogateescape")


def is_ours(name: str) -> bool:
    """Return whether a program, unit or container is the agent by its name."""
    return any(one in name for one in _OUR_PROGRAMS)


class Unwrapper:
    """Gives the agent's lines in blocks of a log; keeps what a line needs of the ones before.

    Args:
        ahead: seconds by which the log's local time is ahead of UTC; None if unknown.

    Attributes:
        others: lines of other programs so far.
        zones: offsets from UTC of the times so far, None for unknown ones.
    """

    def __init__(self, ahead: int | None = None) -> None:
        self.others = 0
        self.zones: set[int | None] = set()
        self._ahead = ahead
        # Program and number of the last line of an agent.
        self._source: tuple[str, str] | None = None
        self._parts: list[str] = []
        self._parts_length = 0
        # The form of the last line, which is that of most.
        self._form = _SYSLOG
        # Whether something that says where lines are from stands before them, and whether a time does.
        self._prefixed = self._stamped = self._tailed = False
        self._lead = ""

    def block(self, text: str) -> str:
        """Return a block of lines, each in the agent's format."""
        return "\n".join([self._own(line) if _OWN.match(line) else self.line(line) for line in text.split("\n")])

    def _own(self, line: str) -> str:
        self.zones.add(None)
        return line

    def line(self, line: str) -> str:
        """Return one line, without its end, in the agent's format; "" for one of another program."""
        text = line.rpartition(BEGINS)[2].rstrip("\r").lstrip("\ufeff")
        if "\x1b" in text:
            text = _COLOR.sub("", text)
        if _OWN.match(text):
            return self._own(text)
        if not text or CONSOLE_MARK in text:
            # It is read as it is.
            return text
        if self._lead and text.startswith(self._lead):
            return self._text(text[len(self._lead) :], "")
        if self._prefixed or not (text[0].isdigit() or text[0] in "{<"):
            for _ in range(3):
                prefix = _PREFIX.match(text)
                if not prefix:
                    break
                self._prefixed, text = True, text[prefix.end() :]
            if _OWN.match(text):
                return self._own(text)
        if text[:3] == "-- " or text[:5] == "Hint:":
            return self._other()
        cri = _CRI.match(text) if text[:1].isdigit() else None
        if cri:
            return self._part(cri["text"] or "", cri["stamp"], cri["tag"] == "F")
        return self._text(text, "")

    def take(self, text: str, outer: str, name: str, number: str = "") -> str:
        """Return the line of a message whose program is known; "" for one of another program.

        Args:
            text: the message.
            outer: when it was logged, in any form.
            name: of the program; "" if unknown.
            number: of its process; "" if unknown.
        """
        text = text.rstrip("\r\n").replace("\r\n", LINE_END).replace("\n", LINE_END)
        if "#0" in text:
            text = _SYSLOG_ESCAPE.sub(_unescaped, text)
        source = (name, number)
        found = self._own(text) if _OWN.match(text) else normalized(text, outer, self._ahead, self.zones)
        if found is not None:
            if name and not is_ours(name) and not _CONTEXT.match(found) and kind_of(found) is None:
                return self._other()
            self._source = source
            return found
        if not name or source == self._source:
            return text
        if not is_ours(name):
            return self._other()
        self._source = source
        return BEGINS + text

    def _text(self, text: str, outer: str) -> str:
        """Return a line without what syslog, a journal or Greengrass put around it."""
        if _OWN.match(text):
            return self.take(text, outer, "")
        if text[:1] == "{":
            found_line = self._json(text)
            if found_line is not None:
                return found_line
        stamped = _STAMPED.match(text)
        if stamped and (self._stamped or _OWN.match(stamped["text"]) or time_of(stamped["text"])):
            self._stamped = True
            return self.take(stamped["text"], stamped["stamp"], "")
        tailed = _TAILED.match(text)
        if tailed and (self._tailed or _OWN.match(tailed["text"])):
            self._tailed = True
            return self.take(tailed["text"], tailed["stamp"], "")
        for form in (self._form, *(one for one in _LINE_FORMS if one is not self._form)):
            found = form.match(text)
            if not found:
                continue
            name, message = found["name"], found["text"] or ""
            if form is _SYSLOG and not found["pid"] and not is_ours(name) and found["stamp"][4:5] == "-":
                # A message with a colon, after a time that may be the agent's.
                host_and_name = text[found.end("stamp") : found.start("text")].split()
                if len(host_and_name) < 2:
                    continue
            self._form = form
            if form is _GREENGRASS:
                message = message.rpartition(_CONTEXTS)[0] or message
                message = message[:-1] if message.endswith(".") else message
                return self.take(message, found["stamp"], "")
            return self.take(message, found["stamp"], name, found["pid"] or "")
        named = _NAMED.match(text)
        if named:
            return self.take(named["text"], outer, named["name"], named["pid"] or "")
        own = _OWN.search(text, 0, _LEAD_MOST)
        if own:
            self._lead = text[: own.start()]
            return self.take(text[own.start() :], outer, "")
        return self.take(text, outer, "")

    def _part(self, text: str, outer: str, complete: bool) -> str:
        """Return a line of a container, whose long lines come in parts."""
        if not complete:
            text = text[: max(0, _LONGEST - self._parts_length)]
            if text:
                self._parts.append(text)
                self._parts_length += len(text)
            return ""
        text = "".join((*self._parts, text))
        self._parts, self._parts_length = [], 0
        return self._text(text, outer) if text else ""

    def _json(self, text: str) -> str | None:
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            quoted = _QUOTED_MESSAGE.search(text)
            if not quoted:
                return None
            try:
                return self._text(json.loads(quoted["quoted"], strict=False).rstrip("\n"), "")
            except ValueError:
                return None
        return self.record(found) if isinstance(found, dict) else None

    def record(self, found: dict[str, Any]) -> str | None:
        """Return the line of a record with fields, such as one of a journal; None if it has no message."""
        key = next((one for one in _MESSAGES if one in found and not isinstance(found[one], dict)), None)
        if key is None:
            return None
        text = _message(found[key])
        outer = next((str(found[one]) for one in _TIMES if one in found and time_of(str(found[one]))), "")
        if key == "log" and "stream" in found:
            # Docker's file: a long line comes in parts, and the last of them has the line end.
            return self._part(text.rstrip("\r\n"), outer, text.endswith("\n"))
        name = next((_message(found[one]) for one in _NAMES if found.get(one)), "")
        if not name:
            level = next((str(found[one]) for one in _SEVERITIES if found.get(one)), "")
            line = self._text(text, outer)
            if level and found.get("eventType") is None and not _OWN.match(line):
                text = text.replace("\n", LINE_END)
                made = normalized(f"{outer} {level}: {text}" if outer else f"[{level}] {text}", "", self._ahead)
                return made or line
            return line
        units = {_message(found[one]) for one in (*_NAMES, "_EXE", "UNIT") if found.get(one)}
        if not any(is_ours(one) for one in units) and found.get("CONTAINER_NAME") is None:
            return self.take(text, outer, name, _number(found))
        return self.take(text, outer, name if is_ours(name) else next(filter(is_ours, units), name), _number(found))

    def _other(self) -> str:
        self.others += 1
        return ""


def _number(found: dict[str, Any]) -> str:
    return next((_message(found[one]) for one in _NUMBERS if found.get(one)), "")


def _message(value: Any) -> str:
    """Return a field of a journal: text, the bytes of one that is not printable, or the first of several."""
    if isinstance(value, list):
        if value and all(isinstance(one, int) and 0 <= one <= 255 for one in value):
            return bytes(value).decode("utf-8", "replace")
        return _message(value[0]) if value and not isinstance(value[0], list) else ""
    return "" if value is None else str(value)


def _unescaped(found: re.Match[str]) -> str:
    character = chr(int(found[1], 8))
    return LINE_END if character == "\n" else character
