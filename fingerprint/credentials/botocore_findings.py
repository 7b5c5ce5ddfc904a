"""What is wrong with the sources that botocore was asked for, and what to do about it."""

from __future__ import annotations

import sys
from shlex import quote

from fingerprint.credentials.disk import UNPARSABLE, open_keys
from fingerprint.credentials.profile_dialects import (
    ACCESS_KEY,
    BOTOCORE,
    DIALECTS,
    OLDER_PROFILE_VARIABLE,
    PROFILE_VARIABLE,
    SECRET_KEY,
    Unreadable,
)
from fingerprint.credentials.source_values import CONFIG_FILE, CONTAINER, ENVIRONMENT, SHARED_FILE, Finding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from fingerprint.credentials.disk import Disk
    from fingerprint.credentials.source_values import Order, Source

_MOST_PROFILES = 10
_HALF = "only one key of the pair is set"
_ROLE = "Correct source_profile or credential_source of this profile, or remove its role_arn"
# Source and type of botocore's error -> kind, what is wrong ("" for botocore's own words), remedy. The first entry
# whose third part is in these words applies; a type "" stands for every one.
_ERRORS: tuple[tuple[str, str, str, str, str, str], ...] = (
    (ENVIRONMENT, "PartialCredentialsError", "", "half-pair", _HALF,
     "Set both variables, or run: unset AWS_ACCESS_KEY_ID"),
    (ENVIRONMENT, "", "", "environment-invalid", "AWS_CREDENTIAL_EXPIRATION is not a time",
     "Run: unset AWS_CREDENTIAL_EXPIRATION"),
    ("assume-role", "InfiniteLoopConfigError", "", "source-profile-loop",
     "the source_profile of {chain} lead to each other", "Let the last of these profiles have keys of its own"),
    ("assume-role", "PartialCredentialsError", "source_profile or credential_source", "role-without-source",
     "profile {profile} has role_arn, but neither source_profile nor credential_source",
     "Add `source_profile = NAME` with a profile that has keys, or remove role_arn"),
    ("assume-role", "PartialCredentialsError", "", "half-pair", "source profile {last} has only one key of the pair",
     "Write both keys, or none"),
    ("assume-role", "InvalidConfigError", "does not exist", "source-profile-missing", "",
     "Add that profile, or correct source_profile"),
    ("assume-role", "InvalidConfigError", "must have credentials", "source-profile-empty", "",
     "Write keys into that profile, or name another one in source_profile"),
    ("assume-role", "CredentialRetrievalError", "", "source-empty",
     "the source of profile {last} gives no credentials", _ROLE),
    ("assume-role", "", "", "role-invalid", "", _ROLE),
    ("web-identity", "InvalidConfigError", "", "role-missing", "there is a web identity token, but no role for it",
     "Set AWS_ROLE_ARN, or role_arn in the profile; without need of it run: unset AWS_WEB_IDENTITY_TOKEN_FILE"),
    ("sso", "", "", "sso-invalid", "", "Run: aws configure sso --profile {quoted}"),
    (SHARED_FILE, "PartialCredentialsError", "", "half-pair", "profile {profile} has only one key of the pair",
     "Write both keys, or none"),
    (CONFIG_FILE, "PartialCredentialsError", "", "half-pair", "profile {profile} has only one key of the pair",
     "Write both keys, or none"),
    ("boto-config", "PartialCredentialsError", "", "half-pair", _HALF, "Write both keys, or none"),
    ("login", "MissingDependencyException", "", "login-dependency",
     "login_session requires awscrt, which the botocore of this interpreter does not have",
     "Install botocore[crt] where programs use this profile, or remove login_session"),
    ("login", "", "", "login-token", "", "Run: aws login --profile {quoted}"),
    ("process", "ValueError", "", "process-invalid", "credential_process has a quote without its pair",
     "Close the quote in credential_process"),
    ("process", "IndexError", "", "process-invalid", "credential_process is blank",
     "Write a command, or remove credential_process"),
    ("process", "FileNotFoundError", "", "process-missing", "the program of credential_process does not exist",
     "Write the path of an existing program into credential_process"),
    ("process", "", "", "process-failed", "credential_process failed, or did not print credentials",
     "Run its command as this user, and correct what it reports"),
    ("ec2-file", "ConfigNotFound", "", "file-missing", "the file of AWS_CREDENTIAL_FILE does not exist",
     "Run: unset AWS_CREDENTIAL_FILE"),
    ("ec2-file", "", "", "half-pair", _HALF, "Write both keys, or run: unset AWS_CREDENTIAL_FILE"),
    (CONTAINER, "ValueError", "", "container-invalid", "SDKs reject the URL or the token of the container",
     "Use https or a loopback address in AWS_CONTAINER_CREDENTIALS_FULL_URI, and a token of one line"),
    (CONTAINER, "", "", "container-invalid", "the token of the container is unreadable",
     "Correct AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
)  # fmt: skip
_ORIGINS = {"assume-role": "role_arn", "process": "credential_process", "login": "login_session",
            "sso": "sso_role_name", "web-identity": "web_identity_token_file"}  # fmt: skip


def findings_of(
    answer: Mapping[str, Any], order: Order, disk: Disk, environ: Mapping[str, str] | None, *, is_user: bool
) -> list[Finding]:  # fmt: skip
    """Return the faults.

    Args:
        answer: of `botocore_probe`, printable.
        order: the sources with their states.
        disk: where the files are.
        environ: the environment; None if it is unknown.
        is_user: whether this process has the rights of the user, or more.
    """
    found = []
    if answer["failed"]:
        found.append(_failed(answer, disk, environ))
    if is_user:
        found += _ignored(answer["files"], order.user)
    by_name = {one.name: one for one in order.sources}
    if order.stopped_by in by_name:
        at = order.sources.index(by_name[order.stopped_by])
        raw: dict[str, Any] = next((one for one in answer["providers"] if one.get("source") == order.stopped_by), {})
        found.append(_stopped(order.sources[at], raw, answer, disk))
    if environ and environ.get("AWS_SECRET_ACCESS_KEY") and not environ.get("AWS_ACCESS_KEY_ID"):
        where = "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY"
        remedy = "Set both variables, or run: unset AWS_SECRET_ACCESS_KEY"
        found.append(Finding("half-pair", f"{_HALF}: SDKs ignore it", where, remedy))
    paths = dict.fromkeys(file["path"] for file in answer["files"].values() if file["state"] == "file")
    found += [one for path in paths for one in open_keys(disk, path)]
    if answer["facts"]:
        found += _keys(answer, order)
        found += _of_winner(answer, order)
    return found


def _failed(answer: Mapping[str, Any], disk: Disk, environ: Mapping[str, str] | None) -> Finding:
    """Return the finding of an error before the first source."""
    error, files = answer["failed"], answer["files"]
    if error["type"] == "ConfigParseError":
        return _unparsable(error["path"], disk)
    if error["type"] != "ProfileNotFound":
        what = error["message"] or f"botocore stops with {error['type']}"
        remedy = (
            "Correct the variables AWS_EC2_METADATA_SERVICE_ENDPOINT and AWS_METADATA_SERVICE_TIMEOUT, or the same "
        )
        return Finding("configuration-invalid", what, files["config"]["path"], f"{remedy}settings of the profile")
    variable = OLDER_PROFILE_VARIABLE if OLDER_PROFILE_VARIABLE in (environ or {}) else PROFILE_VARIABLE
    where = f"{files['credentials']['path']}, {files['config']['path']}"
    away = f"Remove-Item Env:{variable}" if sys.platform == "win32" else f"unset {variable}"
    if not (environ or {}).get(variable):
        return Finding(
            "profile-missing", f"{variable} is set to an empty name, which SDKs reject", where, f"Run: {away}"
        )
    name = answer["profile"]
    what = f"the profile {name} of {variable} does not exist"
    for role, file in files.items():
        if answer["facts"] and answer["facts"]["origins"][role]["misnamed"]:
            section = f"[profile {name}]" if role == "config" else f"[{name}]"
            return Finding("profile-missing", what, file["path"], f"Name its section {section} in this file")
    listed = answer["profiles"][:_MOST_PROFILES]
    more = ", and others" if len(answer["profiles"]) > len(listed) else ""
    exist = f" (there are: {', '.join(listed)}{more})" if listed else ""
    return Finding("profile-missing", what, where, f"Run: {away}; or name an existing profile{exist}")


def _unparsable(path: str, disk: Disk) -> Finding:
    try:
        data = disk.read(path)
    except OSError as error:
        return Finding(UNPARSABLE, f"no SDK can read it ({error.strerror})", path, "Fix or remove it")
    try:
        text = data.decode("utf-8")
        DIALECTS[BOTOCORE](text)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        return Finding(UNPARSABLE, f"it is not UTF-8 text at line {line}, so SDKs stop with an error", path,
                       "Save it as UTF-8, or correct that line")  # fmt: skip
    except Unreadable as error:
        if text.startswith("\ufeff"):
            remedy = f"Remove the mark with: sed -i '1s/^\\xEF\\xBB\\xBF//' {quote(path)}"
        else:
            remedy = f"Correct or remove line {error.line}"
        return Finding(UNPARSABLE, f"SDKs stop with an error: {error.why}", f"{path}:{error.line}", remedy)
    return Finding(UNPARSABLE, "SDKs stop with an error: it is not an INI file", path, "Fix or remove it")


def _ignored(files: Mapping[str, Mapping[str, str]], user: str) -> Iterator[Finding]:
    for file in files.values():
        if file["state"] != "ignored":
            continue
        path = quote(file["path"])
        if file["reason"].startswith("is ") or "link" in file["reason"]:
            remedy = f"Run: mv {path} {quote(file['path'] + '.old')}"
        elif sys.platform == "win32":
            remedy = "Allow this user to read it"
        else:
            remedy = f"Run as root: chown {quote(user)} {path} && chmod 600 {path}"
        what = f"SDKs ignore it without a message: {file['reason'].removeprefix('is ')}"
        yield Finding("unreadable-file", what, file["path"], remedy)


def _stopped(source: Source, raw: Mapping[str, Any], answer: Mapping[str, Any], disk: Disk) -> Finding:
    """Return the finding of a source whose error ends the search."""
    profile = answer["profile"]
    chain = answer["facts"].get("chain", [profile])
    names = {"profile": profile, "last": chain[-1], "chain": ", ".join(chain), "quoted": quote(profile)}
    where = _origin(source, chain, answer)
    if raw.get("fault"):
        hint = "SDKs do not expand ~: write" if raw["needs"].startswith("~") else "Write"
        what = f"credential_process runs {raw['needs'] or 'a program'}, {raw['fault']}"
        return Finding(
            "process-missing", what, where, f"{hint} the path of an existing program into credential_process"
        )
    error = raw.get("error", {"type": "", "message": "", "path": ""})
    if error["type"] == "ConfigParseError":
        return _unparsable(error["path"], disk)
    for name, kind, words, code, what, remedy in _ERRORS:
        if name == source.name and kind in ("", error["type"]) and words in error["message"]:
            # botocore's own words are no template.
            message = what.format(**names) or error["message"] or f"botocore stops with {error['type']}"
            return Finding(code, message.rstrip("."), where, remedy.format(**names))
    what = f"botocore stops with {error['type']}"
    return Finding("source-error", what, where, "Remove this source, or correct its settings")


def _origin(source: Source, chain: list[str], answer: Mapping[str, Any]) -> str:
    """Return the file that has the setting of a source; that of the shared credentials wins."""
    setting = _ORIGINS.get(source.name)
    if setting is None or not answer["facts"]:
        return source.where.partition(", profile ")[0]
    origins, files = answer["facts"]["origins"], answer["files"]
    role = "credentials" if setting in origins["credentials"]["settings"] else "config"
    return f"{files[role]['path']}, profile {chain[0]}"


def _keys(answer: Mapping[str, Any], order: Order) -> Iterator[Finding]:
    """Yield the faults of keys in files that SDKs do not report."""
    profile = answer["profile"]
    for role, origin in answer["facts"]["origins"].items():
        path = answer["files"][role]["path"]
        for key in origin["blank"]:
            what = f"profile {profile} has a blank {key}, which SDKs take for a key"
            yield Finding("blank-key", what, path, f"Write the value of {key}, or remove both lines of the pair")
        for key in origin["quoted"]:
            what = f"the quotes around {key} of profile {profile} are part of the key for SDKs in Python"
            yield Finding("quoted-key", what, path, "Remove the quotes")
        if SECRET_KEY in origin["settings"] and ACCESS_KEY not in origin["settings"]:
            what = f"profile {profile} has only one key of the pair: SDKs ignore it"
            yield Finding("half-pair", what, path, "Write both keys, or none")


def _of_winner(answer: Mapping[str, Any], order: Order) -> Iterator[Finding]:
    """Yield the faults that keep the winner from working."""
    facts, profile, winner = answer["facts"], answer["profile"], order.winner
    where = next((one.where.partition(", profile ")[0] for one in order.sources if one.name == winner), "")
    expiry = facts["environmentExpires"] if winner == ENVIRONMENT else facts["expires"]
    if expiry and expiry["past"] and winner in (ENVIRONMENT, SHARED_FILE, CONFIG_FILE):
        if winner == ENVIRONMENT:
            remedy = "Set new keys, or run: unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN"
            yield Finding("expired-keys", f"the keys expired at {expiry['at']}", where, remedy)
        else:
            what = f"the keys of profile {profile} expired at {expiry['at']} ({expiry['setting']})"
            yield Finding(
                "expired-keys", what, where, "Renew them, or remove them from the profile: they hide the rest"
            )
    token, sso = facts["token"], facts["sso"]
    if winner == "web-identity" and token and token["fault"]:
        yield Finding("web-identity-token", f"the token {token['path']} {token['fault']}", where,
                      "Correct its path, or run: unset AWS_WEB_IDENTITY_TOKEN_FILE")  # fmt: skip
    if winner in ("sso", "assume-role") and sso and sso["fault"]:
        remedy = f"Run: aws sso login --profile {quote(sso['profile'])}"
        yield Finding("sso-token", f"{sso['fault']} for profile {sso['profile']}", where, remedy)
