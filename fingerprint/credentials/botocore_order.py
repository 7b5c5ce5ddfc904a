"""The order of credential sources of an AWS SDK, as botocore's own resolver has it; `botocore_probe` asks it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from fingerprint._io.text import printable
from fingerprint.credentials.botocore_findings import findings_of
from fingerprint.credentials.profile_dialects import CONFIG_VARIABLE, CREDENTIALS_VARIABLE
from fingerprint.credentials.source_values import (
    CONFIG_FILE,
    CONTAINER,
    ENVIRONMENT,
    SHARED_FILE,
    Order,
    Source,
    State,
    ranked,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from fingerprint.credentials.disk import Disk

# botocore's name of a provider -> ours, and where it takes credentials from.
SOURCES: dict[str, tuple[str, str]] = {
    "env": (ENVIRONMENT, "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY"),
    "assume-role": ("assume-role", "role_arn of profile {profile}"),
    "assume-role-with-web-identity": (
        "web-identity", "AWS_WEB_IDENTITY_TOKEN_FILE, or web_identity_token_file of profile {profile}",
    ),
    "sso": ("sso", "sso_account_id and sso_role_name of profile {profile}"),
    "shared-credentials-file": (SHARED_FILE, "{credentials}, profile {profile}"),
    "login": ("login", "login_session of profile {profile}"),
    "custom-process": ("process", "credential_process of profile {profile}"),
    "config-file": (CONFIG_FILE, "{config}, profile {profile}"),
    "ec2-credentials-file": ("ec2-file", "AWS_CREDENTIAL_FILE"),
    "boto-config": ("boto-config", "BOTO_CONFIG, else /etc/boto.cfg and ~/.boto"),
    "container-role": (CONTAINER, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or AWS_CONTAINER_CREDENTIALS_FULL_URI"),
    "iam-role": ("instance-profile", "the metadata service"),
}  # fmt: skip
CONFIGURATION = "configuration"
_LOGIN_METHOD = "login"
# Sources in files, which are unknown if a file is closed to us but not to the user in question.
_IN_FILES = {"assume-role", "web-identity", "sso", SHARED_FILE, "login", "process", CONFIG_FILE}
# What they would send has no other outcome than credentials or an error: no later source is asked.
_FINAL = {"assume-role", CONTAINER}
# Sources that are one file -> its role in botocore's answer, and the variable that may name it.
_FILES = {SHARED_FILE: ("credentials", CREDENTIALS_VARIABLE), CONFIG_FILE: ("config", CONFIG_VARIABLE)}
_PROBE = (
    "import sys; sys.path[:] = sys.argv[1:]; from fingerprint.credentials.botocore_probe import main; main()"
)  # fmt: skip
_SECONDS = 20.0
_RUN_SECONDS = 90.0
# The interpreter may not start without them.
_SYSTEM = ("SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


class Unanswered(Exception):
    """botocore gave no answer; the text says why."""


def sdk_order(
    user: str, home: str, environ: Mapping[str, str] | None, disk: Disk, *, root: str, is_user: bool, run: bool = False
) -> Order:  # fmt: skip
    """Return the order of botocore.

    Args:
        user: the name, for the answer.
        home: the home directory on the machine.
        environ: the environment; None if it is unknown.
        disk: the files of the machine.
        root: root directory of a copied disk.
        is_user: whether this process has the rights of the user, or more.
        run: run the credential_process, if botocore would.

    Raises:
        Unanswered: the interpreter did not start or ended without an answer.
    """
    answer = _answer(home, environ, root, run)
    if answer["failed"] and answer["failed"]["type"] in ("network", "process"):
        raise Unanswered(f"botocore requires a {answer['failed']['type']} before it asks the first source")
    reader = f"botocore {answer['version']}"
    names = {"profile": answer["profile"], **{role: file["path"] for role, file in answer["files"].items()}}
    sources = [_source(one, names) for one in answer["providers"]]
    for one, source in zip(answer["providers"], sources, strict=True):
        one["source"] = source.name
    if environ is None and sources and sources[0].name == ENVIRONMENT:
        reason = "the environment of other processes is unknown"
        sources[0] = Source(ENVIRONMENT, sources[0].where, State.NOT_CHECKED, reason)
    sources = [_named(one, answer["files"], environ or {}) for one in sources]
    if not is_user:
        sources = _closed(sources, answer["files"])
    if sources and _LOGIN_METHOD not in {one["method"] for one in answer["providers"]}:
        sources.insert(_login_at(sources), _unknown_login(reader, answer, names))
    stopped_by = CONFIGURATION if answer["failed"] else ""
    order = ranked(user, reader, sources, [], stopped_by=stopped_by)
    findings = findings_of(answer, order, disk, environ, is_user=is_user)
    return Order(
        user, reader, order.sources, order.winner, order.undecided, order.stopped_by, tuple(findings)
    )  # fmt: skip


def _answer(home: str, environ: Mapping[str, str] | None, root: str, run: bool) -> dict[str, Any]:
    known = dict(environ or {})
    env = {name: os.environ[name] for name in (*_SYSTEM, *(() if known else ("PATH",))) if name in os.environ}
    env.update(known, HOME=home)
    if sys.platform == "win32":
        env["USERPROFILE"] = home
    # -I ignores this variable, which decides how botocore decodes files.
    utf8 = "1" if environ is None else known.get("PYTHONUTF8", "")
    options = ["-X", f"utf8={utf8}"] if utf8 in ("0", "1") else []
    try:
        done = subprocess.run(
            [sys.executable, "-I", *options, "-c", _PROBE, *map(str, sys.path)],
            input=json.dumps({"root": root, "run": run}).encode(), env=env, capture_output=True,
            timeout=_RUN_SECONDS if run else _SECONDS, check=False,
        )  # fmt: skip
    except (OSError, ValueError) as error:
        raise Unanswered(f"cannot start {sys.executable or 'the interpreter'}: {error}") from None
    except subprocess.TimeoutExpired as error:
        raise Unanswered(f"no answer from botocore within {error.timeout:.0f} s") from None
    try:
        answer: dict[str, Any] = _shown(json.loads(done.stdout))
    except ValueError:
        last = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2].partition(":")[0]
        raise Unanswered(f"botocore failed with exit code {done.returncode} ({printable(last)})") from None
    if "unanswered" in answer:
        raise Unanswered(answer["unanswered"])
    return answer


def _shown(value: Any) -> Any:
    """Return a JSON value with all text printable."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, list):
        return [_shown(one) for one in value]
    if isinstance(value, dict):
        return {key: _shown(one) for key, one in value.items()}
    return value


def _source(asked: dict[str, Any], names: Mapping[str, str]) -> Source:
    name, where = SOURCES.get(asked["method"], (asked["method"], "a source that this version does not describe"))
    where = where.format(**names)
    outcome = asked["outcome"]
    if outcome == "credentials":
        return Source(name, where, State.PRESENT)
    if outcome == "none":
        return Source(name, where, State.ABSENT)
    if outcome == "error":
        return Source(name, where, State.ERROR, asked["error"]["message"] or asked["error"]["type"])
    if outcome == "process":
        program = asked["needs"] or "a program"
        if asked["fault"]:
            return Source(name, where, State.ERROR, f"{program}, {asked['fault']}")
        return Source(name, where, State.PRESENT, f"{program} was not run")
    if name in _FINAL:
        return Source(name, where, State.PRESENT, f"no request was sent to {asked['needs']}")
    return Source(name, where, State.NOT_CHECKED, "requires the network, which is not used here")


def _named(one: Source, files: Mapping[str, Mapping[str, str]], environ: Mapping[str, str]) -> Source:
    """Return a source, with the reason if a variable names a missing file for it: SDKs ignore that silently."""
    role, variable = _FILES.get(one.name, ("", ""))
    if one.state is not State.ABSENT or variable not in environ or files[role]["state"] != "absent":
        return one
    reason = f"{variable} names a missing file" if environ[variable] else f"{variable} is empty"
    return Source(one.name, one.where, one.state, reason)


def _closed(sources: list[Source], files: Mapping[str, Mapping[str, str]]) -> list[Source]:
    """Return the sources, of which those in files are unreadable if a file is closed to us."""
    why = next((file["reason"] for file in files.values() if file["state"] == "ignored"), "")
    return [
        Source(one.name, one.where, State.UNREADABLE, why)
        if why and one.name in _IN_FILES and one.state is State.ABSENT else one
        for one in sources
    ]  # fmt: skip


def _login_at(sources: list[Source]) -> int:
    names = [one.name for one in sources]
    return names.index(SHARED_FILE) + 1 if SHARED_FILE in names else len(names)


def _unknown_login(reader: str, answer: Mapping[str, Any], names: Mapping[str, str]) -> Source:
    """Return the source `login` for a botocore that does not have it."""
    name, where = SOURCES[_LOGIN_METHOD]
    if answer["facts"].get("login"):
        reason = f"{reader} does not know this source; later versions use it"
        return Source(name, where.format(**names), State.NOT_CHECKED, reason)
    return Source(name, where.format(**names), State.ABSENT)
