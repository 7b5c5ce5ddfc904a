"""Ask the providers of botocore's own resolver, one by one, in a process of its own; `botocore_order` starts it.

The process has the environment of the user in question, and botocore is not changed: an audit hook stops it at the
first network request, program or write. The code above that point has run, so the answer is the one that a program
with this botocore gets. Of secrets only their presence, form and time of expiry leave the process.

The request and the answer are JSON objects: `main` and `_answer` describe them.
"""

from __future__ import annotations

import errno
import io
import json
import os
import re
import stat
import sys
from datetime import timezone
from time import time

from fingerprint._io.times import utc
from fingerprint.agent.paths import SDK_CREDENTIALS
from fingerprint.credentials.profile_dialects import ACCESS_KEY, SECRET_KEY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_NETWORK = {
    "socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.sendto",
    "socket.sendmsg",
}  # fmt: skip
_PROCESS = {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.startfile"}
_WRITE = {f"os.{call}" for call in ("mkdir", "rename", "remove", "rmdir", "link", "symlink", "chmod", "truncate")}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# Their messages name settings and profiles. Others may hold a line of a file or the output of a program.
_SPEAKING = {
    "ProfileNotFound", "PartialCredentialsError", "InvalidConfigError", "InfiniteLoopConfigError",
    "UnknownCredentialError", "LoginTokenLoadError", "MissingDependencyException",
}  # fmt: skip
# What tools that write temporary keys call their expiry: saml2aws, aws-mfa, aws-azure-login, okta-aws-cli and others.
_EXPIRIES = (
    "x_security_token_expires", "aws_expiration", "aws_session_expiration", "expiration", "token_expiration",
    "aws_credential_expiration", "aws_credentials_expiration",
)  # fmt: skip
# No file of settings or tokens is so large.
_LARGEST = 64 << 20
_NAME = re.compile(r"~?(?:[\w. +/-]|\\|:(?!//))+")
_KEY = re.compile(r"[A-Za-z0-9/+]{40}")
# A time without a zone may be local time anywhere.
_ZONES_SECONDS = 14 * 3600


class Needed(BaseException):
    """What botocore requires to go on: "network" or "process". Not an Exception: botocore handles many of these."""

    def __init__(self, kind: str, what: str) -> None:
        super().__init__(kind, what)
        self.kind = kind
        self.what = what


class TooLarge(BaseException):
    """A file that botocore would take into memory; the text is its path. Not an Exception, as `Needed`."""


def main() -> None:
    """Read a request from standard input and write the answer to standard output.

    The answer is that of `_answer`, or an object with `unanswered`: why there is none.

    The request: `root`, of a copied disk or "/"; `run`, whether a credential_process may run.
    """
    request = json.load(sys.stdin)
    try:
        answer = _answer(request["root"], bool(request["run"]))
    except TooLarge as error:
        answer = {"unanswered": f"{error} is too large"}
    sys.stdout.write(json.dumps(answer))


def _stop(run: bool) -> Callable[[str, tuple[Any, ...]], None]:
    def hook(event: str, values: tuple[Any, ...]) -> None:
        if event in _NETWORK:
            target = values[1] if event in ("socket.connect", "socket.sendto") else values[0]
            raise Needed("network", str(target[0] if isinstance(target, tuple) else target))
        if event in _PROCESS and not (run and event == "subprocess.Popen"):
            raise Needed("process", _program(values) if event == "subprocess.Popen" else "")
        if event in _WRITE or (event == "open" and isinstance(values[2], int) and values[2] & _WRITING):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(values[0]))
        if event == "open":
            _require_end(values[0])

    return hook


def _require_end(path: Any) -> None:
    """Raise an error for what takes endless time or memory to read: the home may be another user's."""
    if not isinstance(path, str | bytes):
        return
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return
    if stat.S_ISREG(status.st_mode):
        if status.st_size > _LARGEST:
            raise TooLarge(os.fsdecode(path))
    elif not stat.S_ISDIR(status.st_mode) and path != os.devnull:
        raise OSError(errno.EINVAL, "not a file", os.fsdecode(path))


def _program(values: tuple[Any, ...]) -> str:
    words = values[1]
    if isinstance(words, str):
        # Windows: the words are joined.
        from botocore.compat import compat_shell_split

        words = compat_shell_split(words)
    name = os.fsdecode(words[0])
    # What is no name of a program may be a secret: variables before it, options, a URL.
    return name if _NAME.fullmatch(name) and not _KEY.fullmatch(name) else ""


def _answer(root: str, run: bool) -> dict[str, Any]:
    """Return the answer.

    `version` of botocore; `profile`; `profiles`, the names that exist; `files`, role -> path, state and reason;
    `providers`, each with method, outcome ("none", "credentials", "network", "process", "error") and what is known of
    it; `failed`, the error that no provider gets past, None without one (its type is "network" or "process" if
    botocore requires these before it asks the first one); `facts`, settings of the profile that findings are made of.
    """
    import socket

    # urllib3 would open a socket to try whether IPv6 works.
    socket.has_ipv6 = False
    import botocore
    import botocore.configloader
    import botocore.credentials
    import botocore.session
    import botocore.tokens
    from dateutil.parser import parse  # type: ignore[import-untyped]

    disk = _copied(root) if root != "/" else None
    sys.addaudithook(_stop(run))
    session = botocore.session.get_session()
    answer: dict[str, Any] = {
        "version": botocore.__version__, "profile": "", "profiles": [], "providers": [], "failed": None, "facts": {},
    }  # fmt: skip
    answer["files"] = {
        role: _file(session.get_config_variable(f"{role}_file"), disk) for role in ("credentials", "config")
    }
    try:
        answer["profile"] = str(session.get_config_variable("profile") or "default")
        resolver = session.get_component("credential_provider")
        answer["providers"] = [_asked(provider, session, disk) for provider in resolver.providers]
    except Exception as error:
        answer["failed"] = _described(error)
    except Needed as need:
        answer["failed"] = {"type": need.kind, "message": "", "path": ""}
    try:
        profiles = session.full_config["profiles"]
        answer["profiles"] = sorted(map(str, profiles))
        answer["facts"] = _facts(answer["profile"], session, parse, 0.0 if disk else time())
    except Exception:  # Bad files are in `failed` already.
        pass
    return answer


def _copied(root: str) -> Any:
    """Let this process read the files of a copied disk by the paths that its own system has."""
    import builtins

    from fingerprint.machine.live import LiveMachine

    machine = LiveMachine(root)
    genuine = open

    def opened(path: Any, mode: str = "r", *more: Any, **named: Any) -> Any:
        if not isinstance(path, str) or mode not in ("r", "rb"):
            return genuine(path, mode, *more, **named)
        data = io.BytesIO(machine.read_file(path, 1 << 20))
        return data if mode == "rb" else io.TextIOWrapper(data, encoding="utf-8")

    def is_file(path: Any) -> bool:
        try:
            return machine.status(os.fspath(path)).kind == "file"
        except OSError:
            return False

    builtins.open = opened  # type: ignore[assignment]
    os.path.isfile = is_file
    return machine


def _asked(provider: Any, session: Any, disk: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"method": str(provider.METHOD)}
    try:
        credentials = provider.load()
    except Needed as need:
        found.update(outcome=need.kind, needs=need.what)
        if need.kind == "process":
            found["fault"] = _program_fault(need.what, disk)
    except Exception as error:
        found.update(outcome="error", error=_described(error))
    else:
        found["outcome"] = "none" if credentials is None else "credentials"
    return found


def _described(error: BaseException) -> dict[str, str]:
    kind = type(error).__name__
    message = str(error) if kind in _SPEAKING else ""
    path = str(getattr(error, "kwargs", {}).get("path", "") or "")
    if isinstance(error, OSError):
        message, path = error.strerror or "", os.fsdecode(error.filename or "") or path
    return {"type": kind, "message": message, "path": path}


def _file(given: str, disk: Any) -> dict[str, str]:
    """Return the path that botocore opens and its state: "file", "absent", or "ignored" with the reason.

    botocore takes a file that it cannot open for an empty one, and what is not a file for a missing one.
    """
    path = os.path.expanduser(os.path.expandvars(given))
    try:
        if disk is not None:
            kind = disk.status(path).kind
            if kind == "file":
                disk.read_file(path, 1 << 20)
        else:
            mode = os.stat(path).st_mode
            kind = "file" if stat.S_ISREG(mode) else "directory" if stat.S_ISDIR(mode) else "other"
            if kind == "file":
                open(path, "rb").close()
    except (FileNotFoundError, NotADirectoryError):
        return {"path": path, "state": "absent", "reason": ""}
    except OSError as error:
        return {"path": path, "state": "ignored", "reason": error.strerror or "unreadable"}
    if kind == "file":
        return {"path": path, "state": "file", "reason": ""}
    return {"path": path, "state": "ignored", "reason": "is not a file" if kind == "other" else "is a directory"}


def _program_fault(name: str, disk: Any) -> str:
    """Return why a program does not start; "" if nothing is known against it."""
    if disk is not None:
        from fingerprint.credentials.disk import Disk

        return "" if Disk(disk).has_program(name) else "which does not exist"
    if os.path.dirname(name):
        path = name
    else:
        import shutil

        path = shutil.which(name) or ""
    if not path or not os.path.exists(path):
        return "which does not exist"
    if not os.path.isfile(path) or not os.access(path, os.X_OK):
        return "which this user may not execute"
    try:
        with open(path, "rb") as file:
            first = file.read(256)
    except OSError:
        return ""
    return "" if os.name == "nt" else _script_fault(first)


def _script_fault(first: bytes) -> str:
    """Return why the kernel does not start a file that begins with these bytes; "" for a binary, which it may know."""
    if not first.startswith(b"#!"):
        return "" if b"\0" in first else "which is a script without a first line of #! and its interpreter"
    # A carriage return is part of the name.
    words = first[2:].partition(b"\n")[0].strip(b" \t").split(None if b"\r" not in first else b" ")
    interpreter = os.fsdecode(words[0]) if words else ""
    if not os.path.exists(interpreter):
        return f"whose interpreter {interpreter} does not exist"
    if os.path.basename(interpreter) == "env" and len(words) == 2:
        import shutil

        program = os.fsdecode(words[1])
        return "" if shutil.which(program) else f"whose interpreter {program} does not exist"
    return ""


def _facts(name: str, session: Any, parse: Callable[[str], Any], now: float) -> dict[str, Any]:
    """Return settings of a profile. `now` is in seconds since 1970-01-01 UTC, 0 where the clock is unknown."""
    config = session.full_config
    profiles = config["profiles"]
    # The profile, and those that it takes its source from.
    chain = [name]
    while True:
        profile = profiles.get(chain[-1], {})
        source = profile.get("source_profile")
        if "role_arn" not in profile or not isinstance(source, str) or source in chain:
            break
        chain.append(source)
    last = profiles.get(chain[-1], {})
    facts: dict[str, Any] = {
        "chain": chain, "blank": [], "quoted": [], "login": "login_session" in profiles.get(name, {}),
        "origins": {role: _keys_of(role, name, session) for role in ("credentials", "config")},
        "expires": _expiry(profiles.get(name, {}), _EXPIRIES, parse, now),
        "environmentExpires": _expiry(os.environ, ("AWS_CREDENTIAL_EXPIRATION",), parse, now),
        "token": _token(profiles.get(name, {})), "sso": _sso(chain[-1], last, config, parse, now),
    }  # fmt: skip
    return facts


def _keys_of(role: str, name: str, session: Any) -> dict[str, Any]:
    """Return the settings of a profile in one of the files, by name, and its keys that are blank or in quotes."""
    from botocore import configloader
    from botocore.exceptions import ConfigNotFound

    path = session.get_config_variable(f"{role}_file")
    try:
        sections = configloader.raw_config_parse(path)
    except ConfigNotFound:
        sections = {}
    profiles = configloader.build_profile_map(sections)["profiles"] if role == "config" else sections
    settings = profiles.get(name, {})
    # The prefix belongs to the configuration file alone: a profile with the wrong form does not exist.
    wrong = name if role == "config" else f"profile {name}"
    keys = {key: settings[key] for key in (ACCESS_KEY, SECRET_KEY) if isinstance(settings.get(key), str)}
    return {
        "settings": sorted(settings), "blank": [key for key, value in keys.items() if not value.strip()],
        "quoted": [key for key, value in keys.items() if value[1:] and value[0] == value[-1] and value[0] in "\"'"],
        "misnamed": name != "default" and not settings and wrong in sections,
    }  # fmt: skip


def _expiry(settings: Any, names: tuple[str, ...], parse: Callable[[str], Any], now: float) -> dict[str, Any] | None:
    """Return the first time of expiry that can be read: the setting, its text, and whether it is certainly past."""
    for name in names:
        text = settings.get(name)
        try:
            moment = parse(text)
            zoned = moment if moment.tzinfo is not None else moment.replace(tzinfo=timezone.utc)
            seconds = zoned.timestamp()
        except Exception:  # No text, or no time.
            continue
        latest = seconds if zoned is moment else seconds + _ZONES_SECONDS
        return {"setting": name, "at": utc(seconds), "past": latest <= now}
    return None


def _token(profile: Any) -> dict[str, str] | None:
    """Return the file with the token of a web identity, and why no token can be read from it."""
    path = os.environ.get("AWS_WEB_IDENTITY_TOKEN_FILE") or profile.get("web_identity_token_file")
    if not isinstance(path, str) or not path:
        return None
    try:
        with open(path) as file:
            return {"path": path, "fault": "" if file.read().strip() else "is empty"}
    except FileNotFoundError:
        return {"path": path, "fault": "does not exist"}
    except (OSError, ValueError) as error:
        return {"path": path, "fault": f"is unreadable ({getattr(error, 'strerror', '') or 'not text'})"}


def _sso(name: str, profile: Any, config: Any, parse: Callable[[str], Any], now: float) -> dict[str, Any] | None:
    """Return the profile that uses IAM Identity Center, and the fault of its cached token; None if it does not."""
    from botocore.exceptions import SSOTokenLoadError
    from botocore.utils import JSONFileCache, SSOTokenLoader

    if "sso_role_name" not in profile and "sso_account_id" not in profile:
        return None
    named = profile.get("sso_session")
    start = (
        config.get("sso_sessions", {}).get(named, {}).get("sso_start_url") if named else profile.get("sso_start_url")
    )
    if not isinstance(start, str):
        return None
    cache = JSONFileCache(os.path.expanduser(os.path.join("~", SDK_CREDENTIALS[0], "sso", "cache")))
    found: dict[str, Any] = {"profile": name, "session": named or "", "fault": ""}
    try:
        token = SSOTokenLoader(cache=cache)(start, **({"session_name": named} if named else {}))
    except SSOTokenLoadError:
        return {**found, "fault": "there is no cached token"}
    except Exception:  # A damaged file.
        return {**found, "fault": "the cached token is unreadable"}
    expiry = _expiry(token, ("expiresAt",), parse, now)
    again = _expiry(token, ("registrationExpiresAt",), parse, now) if "refreshToken" in token else None
    if expiry is not None and expiry["past"] and not (named and again is not None and not again["past"]):
        found["fault"] = f"the cached token expired at {expiry['at']}"
    return found
