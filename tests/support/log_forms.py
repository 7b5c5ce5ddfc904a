"""A log of the agent in each form in which operators have it: formats, encodings, journals, containers, compression."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone

from agent_logs import Log

PROGRAM, UNIT, PID = "amazon-ssm-agent", "amazon-ssm-agent.service", 812
OTHER = ("sshd", "Accepted publickey for root from 10.0.0.1 port 22 ssh2: ERROR RSA SHA256:x")
TITLES = {level: level.title() for level in ("DEBUG", "INFO", "WARN", "ERROR")}
SHORT = {"DEBUG": "dbg", "INFO": "inf", "WARN": "wrn", "ERROR": "err"}


def with_ending(level: str) -> str:
    return f"{level.title()}{'ing' * (level == 'WARN')}"


def moment(log: Log, at: int) -> datetime:
    return datetime(2026, 11, log.day, tzinfo=timezone.utc) + timedelta(seconds=at, microseconds=123400)


def nanoseconds(log: Log, at: int) -> int:
    return int(moment(log, at).timestamp()) * 10**9 + 123_456_789


def formatted(form: Callable[[Log, int, str, str], str]) -> Callable[[Log], bytes]:
    """Return a form of the log that has another format of seelog."""
    return lambda log: "".join(f"{form(log, *line)}\n" for line in log.lines).encode()


def dated(layout: str, level: Callable[[str], str] = str, form: str = "{at} {level} {text}") -> Callable[[Log], bytes]:
    """Return a form with another layout of the time, of the level, and of both with the message."""
    return formatted(
        lambda log, at, lev, text: form.format(at=moment(log, at).strftime(layout), level=level(lev), text=text)
    )


FORMATS = {
    "plain": lambda log: log.text.encode(),
    "seelog-default": formatted(lambda log, at, lev, text: f"{nanoseconds(log, at)} [{lev.title()}] {text}"),
    "iso": dated("%Y-%m-%dT%H:%M:%SZ"),
    "iso-brackets": dated("%Y-%m-%dT%H:%M:%S.%fZ", form="{at} [{level}] {text}"),
    "iso-offset": dated("%Y-%m-%dT%H:%M:%S+00:00", form="[{at}] [{level}] {text}"),
    "zone": dated("%Y-%m-%d %H:%M:%S +0000 UTC", str.lower, "{at} [{level}] {text}"),
    "slashes": dated("%Y/%m/%d %H:%M:%S", form="{at} {level}: {text}"),
    "title": dated("%Y-%m-%d %H:%M:%S", str.title),
    "lower": dated("%Y-%m-%d %H:%M:%S", str.lower, "{at} {level} | {text}"),
    "three-letters": dated("%Y-%m-%d %H:%M:%S", SHORT.get, "{at} [{level}] {text}"),  # type: ignore[arg-type]
    "one-letter": dated("%Y-%m-%d %H:%M:%S", lambda level: level[0].lower(), "{at} [{level}] {text}"),
    "level-first": dated("%Y-%m-%d %H:%M:%S.%f", form="[{level}] {at} {text}"),
    "level-first-bare": dated("%Y-%m-%d %H:%M:%S", form="{level} {at} - {text}"),
    "file": dated("%Y-%m-%d %H:%M:%S", form="{at} [credentialrefresher.go:280] {level} {text}"),
    "function": dated("%Y-%m-%d %H:%M:%S", form="{at} {level} [minLog @ credentialrefresher.go.280] {text}"),
    "commas": dated("%Y-%m-%d,%H:%M:%S".replace(",", " "), form="{at},123 - {level} - {text}"),
    "american": dated("%b %d, %Y %H:%M:%S", form="{at} {level} {text}"),
    "twelve-hours": dated("%m/%d/%Y %I:%M:%S %p", form="{at} {level} {text}"),
    "day-first": dated("%d.%m.%Y %H:%M:%S", form="{at} {level} {text}"),
    "rfc1123": dated("%a, %d %b %Y %H:%M:%S GMT", form="{at} {level} {text}"),
    "unix-date": dated("%a %b %d %H:%M:%S UTC %Y", form="{at} [{level}] {text}"),
    "apache": dated("%d/%b/%Y:%H:%M:%S +0000", form="[{at}] {level} {text}"),
    "seelog-sample": dated("%Y %b %d/%I:%M:%S.%f"[:-3] + " %p UTC", form="{at} [{level}] {text}"),
    "compact": dated("%Y%m%dT%H%M%SZ", form="{at} {level} {text}"),
    "milliseconds": formatted(lambda log, at, lev, text: f"{nanoseconds(log, at) // 10**6} {lev} {text}"),
    "seconds": formatted(lambda log, at, lev, text: f"{nanoseconds(log, at) // 10**9} {lev} {text}"),
    "keys": dated("%Y-%m-%dT%H:%M:%SZ", str.lower, "time={at} level={level} msg={text}"),
    "both-brackets": dated("%Y-%m-%d %H:%M:%S", str.title, "[{at}] [{level}] {text}"),
    "dash": dated("%Y-%m-%d %H:%M:%S", form="{at} [{level}] - {text}"),
    "tabs": dated("%Y-%m-%d %H:%M:%S", form="{at}\t{level}\t{text}"),
    "angles": dated("%Y-%m-%d %H:%M:%S.%f", form="<{level}> {at} {text}"),
    "round": dated("%Y-%m-%d %H:%M:%S", form="{at} ({level}) {text}"),
    "bars": dated("%Y-%m-%dT%H:%M:%S.%f", form="{at}|{level}|{text}"),
    "padded": dated("%Y-%m-%d %H:%M:%S,%f", form="{at} {level:8} {text}"),
    "colons": dated("%Y-%m-%d %H:%M:%S", form="{level}: {at}: {text}"),
    "host": dated("%Y-%m-%d %H:%M:%S", form="{at} ip-10-0-0-1 {level} {text}"),
    "number": dated("%Y-%m-%d %H:%M:%S", form="{at} [812] {level} {text}"),
    "ansi-c": dated("%a %b %d %H:%M:%S %Y", form="{at} {level} {text}"),
    "warning": dated("%Y-%m-%d %H:%M:%S", with_ending, "{at} {level}: {text}"),
    "bracketed-time": dated("%Y-%m-%d %H:%M:%S", form="{level} [{at}] {text}"),
    "clock-first": dated("%H:%M:%S %Y-%m-%d", form="{at} {level} {text}"),
    "source": dated("%Y-%m-%d %H:%M:%S", form="{at} {level} credentialrefresher.go:280 {text}"),
    "source-round": dated("%Y-%m-%d %H:%M:%S", form="{at} {level} (credentialrefresher.go:280) {text}"),
    "day-first-slashes": dated("%d/%m/%Y %H:%M:%S", form="{at} {level} {text}"),
    "rfc822": dated("%d %b %y %H:%M:%S UTC", form="{at} {level} {text}"),
    "stamp-year": dated("%b %d %H:%M:%S.%f %Y", form="{at} [{level}] {text}"),
    "json": formatted(lambda log, at, lev, text: json.dumps(
        {"ts": f"{moment(log, at):%Y-%m-%dT%H:%M:%SZ}", "level": lev.lower(), "message": text})),
    "colored": dated("%Y-%m-%d %H:%M:%S", form="\x1b[36m{at}\x1b[0m \x1b[31m{level}\x1b[0m {text}"),
}  # fmt: skip


def encoded(name: str, bom: bytes = b"") -> Callable[[Log], bytes]:
    return lambda log: bom + log.text.encode(name)


ENCODINGS = {
    "utf-8-bom": encoded("utf-8", b"\xef\xbb\xbf"),
    "utf-16-le-bom": encoded("utf-16-le", b"\xff\xfe"),
    "utf-16-be-bom": encoded("utf-16-be", b"\xfe\xff"),
    "utf-16-le": encoded("utf-16-le"),
    "utf-16-be": encoded("utf-16-be"),
    "utf-16-crlf": lambda log: b"\xff\xfe" + log.text.replace("\n", "\r\n").encode("utf-16-le"),
    "crlf": lambda log: log.text.replace("\n", "\r\n").encode(),
    "nul-before": lambda log: b"\0" * 4096 + log.text.encode(),
    "nul-after": lambda log: log.text.encode() + b"\0" * 4096,
    "half-utf-16": lambda log: _halves(log, lambda text: text.encode(), lambda text: text.encode("utf-16-le")),
    "no-last-end": lambda log: log.text.rstrip("\n").encode(),
    "gz": lambda log: gzip.compress(log.text.encode()),
    "gz-twice": lambda log: _halves(
        log, lambda text: gzip.compress(text.encode()), lambda text: gzip.compress(text.encode())
    ),
    "xz": lambda log: lzma.compress(log.text.encode()),
    "bz2": lambda log: bz2.compress(log.text.encode()),
    "xz-twice": lambda log: _halves(
        log, lambda text: lzma.compress(text.encode()), lambda text: lzma.compress(text.encode())
    ),
    "journal-in-utf-16": lambda log: b"\xff\xfe" + JOURNALS["journal-short"](log).decode().encode("utf-16-le"),
    "empty-lines": lambda log: log.text.replace("\n", "\n\n").encode(),
    "two-returns": lambda log: log.text.replace("\n", "\r\r\n").encode(),
    "gz-of-utf-16": lambda log: gzip.compress(b"\xff\xfe" + log.text.encode("utf-16-le")),
}  # fmt: skip


def _halves(log: Log, first: Callable[[str], bytes], second: Callable[[str], bytes]) -> bytes:
    entries = re.split(r"(?m)^(?=2026-)", log.text)
    middle = len(entries) // 2
    return first("".join(entries[:middle])) + second("".join(entries[middle:]))


def rows(log: Log) -> Iterator[tuple[datetime, str]]:
    """Yield each line of the log with the time at which a journal takes it."""
    last = moment(log, 0)
    for line in log.text.splitlines():
        if line[:4] == "2026" and line[10:11] == " ":
            last = datetime.strptime(line[:19], "%Y-%m-%d %H:%M:%S").replace(tzinfo=timezone.utc, microsecond=654321)
        yield last, line


def wrapped(form: Callable[[datetime, str, str, int], str], *, others: bool = True) -> Callable[[Log], bytes]:
    """Return a form of the log in which each line has a prefix, with lines of another program in between."""

    def make(log: Log) -> bytes:
        made = []
        for number, (at, line) in enumerate(rows(log)):
            made.append(form(at, PROGRAM, line, PID))
            if others and number % 3 == 1:
                made.append(form(at, *OTHER, 44))
        return "".join(f"{line}\n" for line in made).encode()

    return make


def stamped(layout: str, form: str, escape: bool = False) -> Callable[[Log], bytes]:
    def line(at: datetime, program: str, text: str, pid: int) -> str:
        text = text.replace("\t", "#011") if escape else text
        return form.format(at=at.strftime(layout), program=program, pid=pid, text=text)

    return wrapped(line)


def fields(at: datetime, program: str, text: str, pid: int) -> dict[str, str]:
    unit = UNIT if program == PROGRAM else f"{program}.service"
    return {
        "__CURSOR": "s=1;i=2;b=3;m=4;t=5;x=6", "__REALTIME_TIMESTAMP": str(int(at.timestamp() * 10**6)),
        "PRIORITY": "6", "_TRANSPORT": "stdout", "MESSAGE": text, "SYSLOG_IDENTIFIER": program, "_PID": str(pid),
        "_COMM": program[:15], "_SYSTEMD_UNIT": unit, "_HOSTNAME": "web-7",
    }  # fmt: skip


def export(at: datetime, program: str, text: str, pid: int, *, binary: bool = False) -> bytes:
    made = b""
    for name, value in fields(at, program, text, pid).items():
        data = value.encode()
        if name == "MESSAGE" and binary:
            made += name.encode() + b"\n" + len(data).to_bytes(8, "little") + data + b"\n"
        else:
            made += name.encode() + b"=" + data + b"\n"
    return made + b"\n"


def exported(log: Log) -> bytes:
    return b"".join(
        export(at, PROGRAM, line, PID, binary=number % 2 == 0) + (export(at, *OTHER, 44) if number % 5 == 0 else b"")
        for number, (at, line) in enumerate(rows(log))
    )


def journal_bytes(at: datetime, program: str, text: str, pid: int) -> str:
    found: dict[str, object] = {**fields(at, program, text, pid)}
    found["MESSAGE"] = list(text.encode())
    return json.dumps(found)


def verbose(at: datetime, program: str, text: str, pid: int) -> str:
    rows_of = "".join(
        f"    {name}={value}\n" for name, value in fields(at, program, text, pid).items() if name[:2] != "__"
    )
    return f"{at:%a %Y-%m-%d %H:%M:%S.%f} UTC [s=1;i=2;b=3;m=4;t=5;x=6]\n{rows_of}".rstrip("\n")


def greengrass(at: datetime, program: str, text: str, pid: int) -> str:
    return (
        f"{at:%Y-%m-%dT%H:%M:%S.123Z} [INFO] (Copier) aws.greengrass.SystemsManagerAgent: stdout. {text}. "
        "{scriptName=services.aws.greengrass.SystemsManagerAgent.lifecycle.Run.Script, "
        "serviceName=aws.greengrass.SystemsManagerAgent, currentState=RUNNING}"
    )


def greengrass_json(at: datetime, program: str, text: str, pid: int) -> str:
    return json.dumps({
        "thread": "Copier", "level": "INFO", "eventType": "stdout", "message": text, "contexts": {"scriptName": "run"},
        "loggerName": "aws.greengrass.SystemsManagerAgent", "timestamp": int(at.timestamp() * 1000), "cause": None,
    })  # fmt: skip


def docker(at: datetime, program: str, text: str, pid: int) -> str:
    return json.dumps({"log": f"{text}\n", "stream": "stdout", "time": f"{at:%Y-%m-%dT%H:%M:%S.%f}789Z"})


def docker_parts(log: Log) -> bytes:
    made = ""
    for at, line in rows(log):
        text = f"{line}\n"
        for part in (text[:60], text[60:]):
            if part:
                made += json.dumps({"log": part, "stream": "stderr", "time": f"{at:%Y-%m-%dT%H:%M:%SZ}"}) + "\n"
    return made.encode()


def cri_parts(log: Log) -> bytes:
    made = ""
    for at, line in rows(log):
        stamp = f"{at:%Y-%m-%dT%H:%M:%S.%f}789+00:00 stdout"
        made += f"{stamp} P {line[:50]}\n{stamp} F {line[50:]}\n"
    return made.encode()


def pretty(log: Log) -> bytes:
    return "\n".join(json.dumps(fields(at, PROGRAM, line, PID), indent=8) for at, line in rows(log)).encode()


def only_agent(form: Callable[[datetime, str, str, int], str]) -> Callable[[Log], bytes]:
    return wrapped(form, others=False)


def marked(log: Log) -> bytes:
    head = b"-- Journal begins at Mon 2026-11-23 07:00:00 UTC, ends at Tue 2026-11-24 12:00:00 UTC. --\n"
    lines = JOURNALS["journal-short"](log).splitlines(keepends=True)
    return head + lines[0] + b"-- Boot 0123456789abcdef0123456789abcdef --\n" + b"".join(lines[1:])


JOURNALS: dict[str, Callable[[Log], bytes]] = {
    "journal-short": stamped("%b %d %H:%M:%S", "{at} web-7 {program}[{pid}]: {text}"),
    "journal-short-precise": stamped("%b %d %H:%M:%S.%f", "{at} web-7 {program}[{pid}]: {text}"),
    "journal-short-iso": stamped("%Y-%m-%dT%H:%M:%S+0000", "{at} web-7 {program}[{pid}]: {text}"),
    "journal-short-iso-precise": stamped("%Y-%m-%dT%H:%M:%S.%f+00:00", "{at} web-7 {program}[{pid}]: {text}"),
    "journal-short-full": stamped("%a %Y-%m-%d %H:%M:%S UTC", "{at} web-7 {program}[{pid}]: {text}"),
    "journal-short-unix": stamped("1795521600.%f", "{at} web-7 {program}[{pid}]: {text}"),
    "journal-monotonic": stamped("[ 1234.%f]", "{at} web-7 {program}[{pid}]: {text}"),
    "journal-delta": stamped("[ 1234.%f <    0.000012 >]", "{at} web-7 {program}[{pid}]: {text}"),
    "journal-with-unit": stamped("%a %Y-%m-%d %H:%M:%S UTC", "{at} web-7 {program}.service[{pid}]: {text}"),
    "journal-json": wrapped(lambda *row: json.dumps(fields(*row))),
    "journal-json-bytes": wrapped(journal_bytes),
    "journal-json-sse": only_agent(lambda *row: f"data: {json.dumps(fields(*row))}\n"),
    "journal-json-seq": only_agent(lambda *row: f"\x1e{json.dumps(fields(*row))}"),
    "journal-json-pretty": pretty,
    "journal-verbose": wrapped(verbose),
    "journal-export": exported,
    "snap-logs": only_agent(
        lambda at, program, text, pid: f"{at:%Y-%m-%dT%H:%M:%S-04:00} {program}.{program}[{pid}]: {text}"
    ),
    "flatcar": only_agent(lambda at, program, text, pid: f"{program}[{pid}]: {text}"),
    "syslog": stamped("%b %d %H:%M:%S", "{at} web-7 {program}: {text}", escape=True),
    "syslog-pri": stamped("%b %d %H:%M:%S", "<30>{at} web-7 {program}[{pid}]: {text}", escape=True),
    "syslog-iso": stamped("%Y-%m-%dT%H:%M:%S.%f+00:00", "{at} web-7 {program}[{pid}]: {text}", escape=True),
    "syslog-busybox": stamped("%b %d %H:%M:%S", "{at} web-7 daemon.info {program}[{pid}]: {text}"),
    "rfc5424": stamped("%Y-%m-%dT%H:%M:%S.%fZ", "<30>1 {at} web-7 {program} {pid} - - {text}"),
    "rfc5424-data": stamped(
        "%Y-%m-%dT%H:%M:%S.%fZ", '<30>1 {at} web-7 {program} {pid} - [meta sequenceId="1"][x y="z"] \ufeff{text}'
    ),
}  # fmt: skip
JOURNALS["journal-marks"] = marked

CONTAINERS: dict[str, Callable[[Log], bytes]] = {
    "cri": only_agent(lambda at, _, text, pid: f"{at:%Y-%m-%dT%H:%M:%S.%f}789Z stdout F {text}"),
    "cri-parts": cri_parts,
    "docker": only_agent(docker),
    "docker-parts": docker_parts,
    "docker-timestamps": only_agent(lambda at, _, text, pid: f"{at:%Y-%m-%dT%H:%M:%S.%f}789Z {text}"),
    "kubectl-prefix": only_agent(lambda at, _, text, pid: f"[pod/ssm-agent-x2x/agent] {text}"),
    "kubectl-prefix-times": only_agent(
        lambda at, _, text, pid: f"[pod/ssm-agent-x2x/agent] {at:%Y-%m-%dT%H:%M:%S.%f}789Z {text}"
    ),
    "stern": only_agent(lambda at, _, text, pid: f"ssm-agent-x2x › agent {text}"),
    "compose": only_agent(lambda at, _, text, pid: f"agent-1  | {text}"),
    "greengrass": only_agent(greengrass),
    "greengrass-json": only_agent(greengrass_json),
    "grep": only_agent(lambda at, _, text, pid: f"/var/log/amazon/ssm/amazon-ssm-agent.log:{text}"),
    "grep-numbers": only_agent(lambda at, _, text, pid: f"amazon-ssm-agent.log.1:4711:{text}"),
    "indented": only_agent(lambda at, _, text, pid: f"    {text}"),
    "quoted": only_agent(lambda at, _, text, pid: f"> {text}"),
    "stern-default": only_agent(lambda at, _, text, pid: f"ssm-agent-x2x agent {text}"),
    "aws-logs-tail": only_agent(lambda at, _, text, pid: f"{at:%Y-%m-%dT%H:%M:%S.000000+00:00} i-0123 {text}"),
    "cri-of-docker": only_agent(lambda at, _, text, pid: f"{at:%Y-%m-%dT%XZ} stdout F {json.dumps({'log': text})}"),
    "cri-of-syslog": only_agent(
        lambda at, program, text, pid: f"{at:%Y-%m-%dT%XZ} stdout F {at:%b %d %X} x {program}[{pid}]: {text}"
    ),
    "filebeat": only_agent(lambda at, _, text, pid: json.dumps(
        {"message": text, "@timestamp": at.isoformat(), "log": {"file": {"path": "/var/log/a.log"}}})),
    "cloudwatch": only_agent(
        lambda at, _, text, pid: json.dumps({"timestamp": int(at.timestamp() * 1000), "message": text})
    ),
}  # fmt: skip
FORMS: dict[str, Callable[[Log], bytes]] = {**FORMATS, **ENCODINGS, **JOURNALS, **CONTAINERS}  # type: ignore[dict-item]
