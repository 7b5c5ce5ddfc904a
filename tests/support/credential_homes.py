"""Homes with AWS configurations, each with the source of credentials that botocore takes and the faults in it.

`HOMES` is the table, and `made` writes a home.
"""

from __future__ import annotations

import json
import os
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

KEYS = "aws_access_key_id = AKIAPLANTED\naws_secret_access_key = planted/secret\n"
PAIR = {"AWS_ACCESS_KEY_ID": "AKIAPLANTED", "AWS_SECRET_ACCESS_KEY": "planted/secret"}
ROLE = "role_arn = arn:aws:iam::111122223333:role/x\n"
SHARED, CONFIG = ".aws/credentials", ".aws/config"
ANSWER = """'{"Version":1,"AccessKeyId":"AKIAPLANTED","SecretAccessKey":"planted"}'"""
PRINT = f"#!/bin/sh\necho {ANSWER}\n"
OWN_ROLE = f"[default]\n{ROLE}source_profile = default\n"
FROM_B = f"[default]\n{ROLE}source_profile = b\n[profile b]\n"
DEFAULT = f"[default]\n{KEYS}"
SSO = "sso_account_id = 111122223333\nsso_role_name = Admin\n"
START = "sso_start_url = https://example.awsapps.com/start\nsso_region = eu-west-1\n"
SESSION = f"[default]\nsso_session = corp\n{SSO}[sso-session corp]\n{START}"
WEB = {"AWS_WEB_IDENTITY_TOKEN_FILE": "{home}/token", "AWS_ROLE_ARN": "arn:aws:iam::111122223333:role/x"}
OPEN = {"AWS_EC2_METADATA_DISABLED": ""}
PAST, FUTURE = "2020-01-01T00:00:00Z", "2099-01-01T00:00:00Z"
ERROR = "error"
UNKNOWN = "unknown"


class Home(NamedTuple):
    """A home: files (contents "DIRECTORY" and "LOOP" stand for these), variables, the winner, kinds of the findings.

    The winner is a name of ours, "" for none, ERROR if botocore raises, UNKNOWN if it depends on the network.
    """

    files: dict[str, str | bytes]
    variables: dict[str, str]
    winner: str
    findings: tuple[str, ...] = ()


def _token(name: str, **members: str) -> dict[str, str | bytes]:
    from hashlib import sha1

    return {f".aws/sso/cache/{sha1(name.encode()).hexdigest()}.json": json.dumps({"accessToken": "planted", **members})}


def _chosen(name: str) -> dict[str, str]:
    return {"AWS_PROFILE": name}


_REFRESH = {"refreshToken": "planted", "registrationExpiresAt": FUTURE, "clientId": "c", "clientSecret": "planted"}
_BLANKS = "aws_access_key_id =\naws_secret_access_key =\n"

HOMES: dict[str, Home] = {
    # Environment and profiles.
    "nothing": Home({}, {}, ""),
    "environment": Home({}, PAIR, "environment"),
    "shared file": Home({SHARED: DEFAULT}, {}, "shared-file"),
    "environment over shared file": Home({SHARED: DEFAULT}, PAIR, "environment"),
    "half a pair in the environment": Home(
        {SHARED: DEFAULT}, {"AWS_ACCESS_KEY_ID": "AKIAPLANTED"}, ERROR, ("half-pair",)
    ),
    "secret alone in the environment": Home(
        {SHARED: DEFAULT}, {"AWS_SECRET_ACCESS_KEY": "planted"}, "shared-file", ("half-pair",)
    ),
    "blank key in the environment": Home(
        {SHARED: DEFAULT}, {**PAIR, "AWS_ACCESS_KEY_ID": ""}, "shared-file", ("half-pair",)
    ),
    "blank secret in the environment": Home(
        {SHARED: DEFAULT}, {**PAIR, "AWS_SECRET_ACCESS_KEY": ""}, ERROR, ("half-pair",)
    ),
    "older names of the variables": Home({}, {"AWS_ACCESS_KEY": "AKIAPLANTED", "AWS_SECRET_KEY": "planted"}, ""),
    "expired environment": Home(
        {}, {**PAIR, "AWS_CREDENTIAL_EXPIRATION": PAST}, "environment", ("expired-keys",)
    ),
    "environment that expires later": Home({}, {**PAIR, "AWS_CREDENTIAL_EXPIRATION": FUTURE}, "environment"),
    "expiry that is no time": Home(
        {}, {**PAIR, "AWS_CREDENTIAL_EXPIRATION": "planted"}, ERROR, ("environment-invalid",)
    ),
    "another profile": Home({SHARED: f"[other]\n{KEYS}"}, {}, ""),
    "chosen profile": Home({SHARED: f"[other]\n{KEYS}"}, _chosen("other"), "shared-file"),
    "older name of the profile variable": Home(
        {SHARED: f"[other]\n{KEYS}"}, {"AWS_DEFAULT_PROFILE": "other"}, "shared-file"
    ),
    "both profile variables": Home(
        {SHARED: f"[other]\n{KEYS}"}, {"AWS_DEFAULT_PROFILE": "other", "AWS_PROFILE": "none"}, "shared-file"
    ),
    "missing profile": Home({SHARED: DEFAULT}, _chosen("gone"), ERROR, ("profile-missing",)),
    "missing profile beside keys": Home({}, {**PAIR, **_chosen("gone")}, ERROR, ("profile-missing",)),
    "empty profile variable": Home({SHARED: DEFAULT}, _chosen(""), ERROR, ("profile-missing",)),
    "default is named but missing": Home(
        {SHARED: f"[other]\n{KEYS}"}, _chosen("default"), ERROR, ("profile-missing",)
    ),
    "config without the prefix": Home({CONFIG: f"[other]\n{KEYS}"}, _chosen("other"), ERROR, ("profile-missing",)),
    "credentials with the prefix": Home(
        {SHARED: f"[profile other]\n{KEYS}"}, _chosen("other"), ERROR, ("profile-missing",)
    ),
    # The configuration file.
    "config file": Home({CONFIG: DEFAULT}, {}, "config-file"),
    "profile default": Home({CONFIG: f"[profile default]\n{KEYS}"}, {}, "config-file"),
    "default twice, once with the prefix": Home(
        {CONFIG: f"[default]\nregion = eu-west-1\n[profile default]\n{KEYS}"}, {}, "config-file"
    ),
    "profile default before default": Home(
        {CONFIG: f"[profile default]\n{KEYS}[default]\nregion = eu-west-1\n"}, {}, ""
    ),
    "profile of the config file": Home({CONFIG: f"[profile other]\n{KEYS}"}, _chosen("other"), "config-file"),
    "profile in quotes": Home({CONFIG: f'[profile "my team"]\n{KEYS}'}, _chosen("my team"), "config-file"),
    "shared over config file": Home({SHARED: DEFAULT, CONFIG: DEFAULT}, {}, "shared-file"),
    "half a pair in config": Home(
        {CONFIG: "[default]\naws_access_key_id = A\n"}, {}, ERROR, ("half-pair",)
    ),
    "half in each file": Home(
        {SHARED: "[default]\naws_access_key_id = A\n", CONFIG: "[default]\naws_secret_access_key = planted\n"},
        {}, ERROR, ("half-pair", "half-pair"),
    ),
    # Roles.
    "role from its own keys": Home({SHARED: DEFAULT, CONFIG: OWN_ROLE}, {}, "assume-role"),
    "role from another profile": Home(
        {SHARED: f"[base]\n{KEYS}", CONFIG: f"[default]\n{ROLE}source_profile = base\n"}, {}, "assume-role"
    ),
    "role in the credentials file": Home(
        {SHARED: f"[base]\n{KEYS}[default]\n{ROLE}source_profile = base\n"}, {}, "assume-role"
    ),
    "environment over role": Home(
        {SHARED: DEFAULT, CONFIG: OWN_ROLE}, PAIR, "environment"
    ),
    "chain of roles": Home(
        {SHARED: f"[base]\n{KEYS}",
         CONFIG: f"{FROM_B}{ROLE}source_profile = base\n"}, {}, "assume-role",
    ),
    "source profile is missing": Home(
        {SHARED: DEFAULT, CONFIG: f"[default]\n{ROLE}source_profile = gone\n"}, {}, ERROR, ("source-profile-missing",)
    ),
    "source profiles in a loop": Home(
        {CONFIG: f"{FROM_B}{ROLE}source_profile = default\n"},
        {}, ERROR, ("source-profile-loop",),
    ),
    "source profile is itself without keys": Home(
        {CONFIG: OWN_ROLE}, {}, ERROR, ("source-profile-loop",)
    ),
    "source profile has no keys": Home(
        {CONFIG: f"{FROM_B}region = eu-west-1\n"},
        {}, ERROR, ("source-profile-empty",),
    ),
    "source profile has half a pair": Home(
        {CONFIG: f"{FROM_B}aws_access_key_id = A\n"}, {}, ERROR, ("half-pair",)
    ),
    "role without source": Home(
        {SHARED: DEFAULT, CONFIG: f"[default]\n{ROLE}"}, {}, ERROR, ("role-without-source",)
    ),
    "role with two sources": Home(
        {SHARED: DEFAULT, CONFIG: f"[default]\n{ROLE}source_profile = default\ncredential_source = Environment\n"},
        {}, ERROR, ("role-invalid",),
    ),
    "role from an empty environment": Home(
        {CONFIG: f"[default]\n{ROLE}credential_source = Environment\n"}, {}, ERROR, ("source-empty",)
    ),
    "role from an unknown source": Home(
        {CONFIG: f"[default]\n{ROLE}credential_source = environment2\n"}, {}, ERROR, ("role-invalid",)
    ),
    "role from the container": Home(
        {CONFIG: f"[default]\n{ROLE}credential_source = EcsContainer\n"},
        {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "{server}/keys"}, "assume-role",
    ),
    "role from a closed instance": Home(
        {CONFIG: f"[default]\n{ROLE}credential_source = Ec2InstanceMetadata\n"}, {}, ERROR, ("source-empty",)
    ),
    "role from the instance": Home(
        {CONFIG: f"[default]\n{ROLE}credential_source = Ec2InstanceMetadata\n"},
        {**OPEN, "AWS_EC2_METADATA_SERVICE_ENDPOINT": "{server}/"}, "assume-role",
    ),
    "role from a process": Home(
        {"p": PRINT, CONFIG: f"{FROM_B}credential_process = {{home}}/p\n"},
        {}, "assume-role",
    ),
    "role from a missing process": Home(
        {CONFIG: f"{FROM_B}credential_process = {{home}}/p\n"},
        {}, ERROR, ("process-missing",),
    ),
    "role from sso": Home(
        {CONFIG: f"{FROM_B}sso_session = corp\n{SSO}[sso-session corp]\n{START}"},
        {}, "assume-role", ("sso-token",),
    ),
    # Web identity.
    "web identity over shared file": Home({"token": "planted", SHARED: DEFAULT}, WEB, "web-identity"),
    "web identity over the chosen profile": Home(
        {"token": "planted", SHARED: f"[other]\n{KEYS}"}, {**WEB, **_chosen("other")}, "web-identity"
    ),
    "environment over web identity": Home({"token": "planted"}, {**WEB, **PAIR}, "environment"),
    "role over web identity": Home(
        {"token": "planted", SHARED: DEFAULT, CONFIG: OWN_ROLE}, WEB, "assume-role"
    ),
    "token is missing": Home({SHARED: DEFAULT}, WEB, "web-identity", ("web-identity-token",)),
    "token is empty": Home({"token": ""}, WEB, "web-identity", ("web-identity-token",)),
    "token without role": Home(
        {"token": "planted"}, {"AWS_WEB_IDENTITY_TOKEN_FILE": "{home}/token"}, ERROR, ("role-missing",)
    ),
    "web identity in config": Home(
        {"token": "planted", CONFIG: f"[default]\n{ROLE}web_identity_token_file = {{home}}/token\n"}, {}, "web-identity"
    ),
    # IAM Identity Center.
    "sso without token": Home({SHARED: DEFAULT, CONFIG: SESSION}, {}, "sso", ("sso-token",)),
    "sso with token": Home({CONFIG: SESSION, **_token("corp", expiresAt=FUTURE)}, {}, "sso"),
    "sso with an expired token": Home({CONFIG: SESSION, **_token("corp", expiresAt=PAST)}, {}, "sso", ("sso-token",)),
    "sso with a token that can be renewed": Home(
        {CONFIG: SESSION, **_token("corp", expiresAt=PAST, **_REFRESH)}, {}, "sso"
    ),
    "sso with a damaged token": Home(
        {CONFIG: SESSION, next(iter(_token("corp"))): "planted"}, {}, "sso", ("sso-token",)
    ),
    "older sso": Home({CONFIG: f"[default]\n{SSO}{START}"}, {}, "sso", ("sso-token",)),
    "older sso with token": Home(
        {CONFIG: f"[default]\n{SSO}{START}", **_token("https://example.awsapps.com/start", expiresAt=FUTURE)}, {}, "sso"
    ),
    "sso session is missing": Home({CONFIG: f"[default]\nsso_session = gone\n{SSO}"}, {}, ERROR, ("sso-invalid",)),
    "sso without region": Home(
        {CONFIG: f"[default]\n{SSO}sso_start_url = https://x.awsapps.com/start\n"}, {}, ERROR, ("sso-invalid",)
    ),
    "sso with two regions": Home(
        {CONFIG: SESSION.replace(SSO, f"{SSO}sso_region = us-east-1\n")}, {}, ERROR, ("sso-invalid",)
    ),
    "sso account alone": Home({CONFIG: "[default]\nsso_account_id = 111122223333\n"}, {}, ERROR, ("sso-invalid",)),
    "login without token": Home(
        {CONFIG: "[default]\nlogin_session = arn:aws:iam::111122223333:user/x\n"},
        {}, ERROR, ("login-token" if find_spec("awscrt") else "login-dependency",),
    ),
    "keys over login": Home(
        {SHARED: DEFAULT, CONFIG: "[default]\nlogin_session = arn:aws:iam::111122223333:user/x\n"}, {}, "shared-file"
    ),
    # Processes.
    "process in config": Home({"p": PRINT, CONFIG: "[default]\ncredential_process = {home}/p --x\n"}, {}, "process"),
    "process in credentials": Home({"p": PRINT, SHARED: "[default]\ncredential_process = {home}/p\n"}, {}, "process"),
    "process in quotes with a blank": Home(
        {"my app/p": PRINT, CONFIG: '[default]\ncredential_process = "{home}/my app/p" --x\n'}, {}, "process"
    ),
    "process with a blank and no quotes": Home(
        {"my app/p": PRINT, CONFIG: "[default]\ncredential_process = {home}/my app/p --x\n"},
        {}, ERROR, ("process-missing",),
    ),
    "process with an escaped blank": Home(
        {"my app/p": PRINT, CONFIG: "[default]\ncredential_process = {home}/my\\ app/p\n"}, {}, "process"
    ),
    "process on the path": Home(
        {CONFIG: f"[default]\ncredential_process = echo {ANSWER}\n"}, {}, "process",
    ),
    "process is missing": Home(
        {CONFIG: "[default]\ncredential_process = /nowhere/p\n"}, {}, ERROR, ("process-missing",)
    ),
    "process with a tilde": Home(
        {"p": PRINT, CONFIG: "[default]\ncredential_process = ~/p\n"}, {}, ERROR, ("process-missing",)
    ),
    "process is a plain file": Home(
        {"p.txt": "x", CONFIG: "[default]\ncredential_process = {home}/p.txt\n"}, {}, ERROR, ("process-missing",)
    ),
    "process without its interpreter": Home(
        {"p": PRINT.replace("/bin/sh", "/nowhere/sh"), CONFIG: "[default]\ncredential_process = {home}/p\n"},
        {}, ERROR, ("process-missing",),
    ),
    "process without an interpreter line": Home(
        {"p": "echo planted\n", CONFIG: "[default]\ncredential_process = {home}/p\n"}, {}, ERROR, ("process-missing",)
    ),
    "process with a carriage return": Home(
        {"p": PRINT.replace("\n", "\r\n").encode(), CONFIG: "[default]\ncredential_process = {home}/p\n"},
        {}, ERROR, ("process-missing",),
    ),
    "process with an open quote": Home(
        {CONFIG: '[default]\ncredential_process = "{home}/p\n'}, {}, ERROR, ("process-invalid",)
    ),
    "process is blank": Home({CONFIG: "[default]\ncredential_process =\n"}, {}, ERROR, ("process-invalid",)),
    "keys over process": Home(
        {SHARED: DEFAULT, CONFIG: "[default]\ncredential_process = /nowhere/p\n"}, {}, "shared-file"
    ),
    "process over keys in config": Home(
        {"p": PRINT, CONFIG: f"[default]\ncredential_process = {{home}}/p\n{KEYS}"}, {}, "process"
    ),
    "expired keys hide a process": Home(
        {"p": PRINT, SHARED: f"[default]\n{KEYS}x_security_token_expires = {PAST}\ncredential_process = {{home}}/p\n"},
        {}, "shared-file", ("expired-keys",),
    ),
    "keys with a later expiry": Home({SHARED: f"[default]\n{KEYS}aws_expiration = {FUTURE}\n"}, {}, "shared-file"),
    "expiry without a zone": Home(
        {SHARED: f"[default]\n{KEYS}expiration = 2020-01-01 00:00:00\n"}, {}, "shared-file", ("expired-keys",)
    ),
    # Paths and forms of files.
    "tilde in the credentials variable": Home(
        {SHARED: DEFAULT}, {"AWS_SHARED_CREDENTIALS_FILE": "~/.aws/credentials"}, "shared-file"
    ),
    "variable in the credentials variable": Home(
        {"x/keys": DEFAULT}, {"AWS_SHARED_CREDENTIALS_FILE": "$HOME/x/keys"}, "shared-file"
    ),
    "tilde in the config variable": Home({"c": DEFAULT}, {"AWS_CONFIG_FILE": "~/c"}, "config-file"),
    "empty credentials variable": Home({SHARED: DEFAULT}, {"AWS_SHARED_CREDENTIALS_FILE": ""}, ""),
    "variable names a missing file": Home(
        {SHARED: DEFAULT}, {"AWS_SHARED_CREDENTIALS_FILE": "{home}/gone"}, ""
    ),
    "one file for both": Home({"f": DEFAULT}, {
        "AWS_SHARED_CREDENTIALS_FILE": "{home}/f", "AWS_CONFIG_FILE": "{home}/f",
    }, "shared-file"),
    "no INI file": Home({SHARED: "planted/secret without a section\n"}, {}, ERROR, ("unparsable-file",)),
    "broken config beside keys": Home({CONFIG: "planted\n"}, PAIR, ERROR, ("unparsable-file",)),
    "section twice": Home({SHARED: f"{DEFAULT}{DEFAULT}"}, {}, ERROR, ("unparsable-file",)),
    "setting twice": Home({SHARED: f"{DEFAULT}aws_access_key_id = B\n"}, {}, ERROR, ("unparsable-file",)),
    "byte order mark": Home({SHARED: f"\ufeff{DEFAULT}"}, {}, ERROR, ("unparsable-file",)),
    "Latin-1": Home({SHARED: b"# caf\xe9\n" + DEFAULT.encode()}, {}, ERROR, ("unparsable-file",)),
    "UTF-16": Home({SHARED: DEFAULT.encode("utf-16")}, {}, ERROR, ("unparsable-file",)),
    "nested value without =": Home({CONFIG: "[default]\ns3 =\n  planted\n"}, {}, ERROR, ("unparsable-file",)),
    "unicode profile": Home({SHARED: f"# é\n[équipe-ü]\n{KEYS}"}, _chosen("équipe-ü"), "shared-file"),
    "blank keys": Home({SHARED: f"[default]\n{_BLANKS}"}, {}, "shared-file", ("blank-key", "blank-key")),
    "blank secret": Home(
        {SHARED: "[default]\naws_access_key_id = A\naws_secret_access_key =\n"}, {}, "shared-file", ("blank-key",)
    ),
    "quoted keys": Home(
        {SHARED: '[default]\naws_access_key_id = "A"\naws_secret_access_key = planted\n'},
        {}, "shared-file", ("quoted-key",),
    ),
    "half a pair in the file": Home(
        {SHARED: "[default]\naws_access_key_id = A\n"}, {}, ERROR, ("half-pair",)
    ),
    "secret alone in the file": Home(
        {SHARED: "[default]\naws_secret_access_key = planted\n"}, {}, "", ("half-pair",)
    ),
    "colons": Home({SHARED: DEFAULT.replace(" =", ":")}, {}, "shared-file"),
    "comments and blanks": Home({SHARED: f"# x\n\n[default]\n; y\n{KEYS}"}, {}, "shared-file"),
    "indented keys": Home({SHARED: DEFAULT.replace("aws", "  aws")}, {}, "shared-file"),
    "CRLF": Home({SHARED: DEFAULT.replace("\n", "\r\n").encode()}, {}, "shared-file"),
    "names in upper case": Home({SHARED: f"[default]\n{KEYS.upper()}"}, {}, "shared-file"),
    "blanks in the section": Home({SHARED: f"[ default ]\n{KEYS}"}, {}, ""),
    "DEFAULT gives its keys to default": Home(
        {SHARED: f"[DEFAULT]\n{KEYS}[default]\nregion = eu-west-1\n"}, {}, "shared-file"
    ),
    "directory in place of the file": Home(
        {SHARED: "DIRECTORY", CONFIG: DEFAULT}, {}, "config-file", ("unreadable-file",)
    ),
    "link to itself": Home({SHARED: "LOOP", CONFIG: DEFAULT}, {}, "config-file", ("unreadable-file",)),
    # Older and remote sources.
    "file of the EC2 tools": Home(
        {"old": "AWSAccessKeyId=A\nAWSSecretKey=planted\n"}, {"AWS_CREDENTIAL_FILE": "~/old"}, "ec2-file"
    ),
    "missing file of the EC2 tools": Home({}, {"AWS_CREDENTIAL_FILE": "{home}/gone"}, ERROR, ("file-missing",)),
    "half a file of the EC2 tools": Home(
        {"old": "AWSAccessKeyId=A\n"}, {"AWS_CREDENTIAL_FILE": "{home}/old"}, ERROR, ("half-pair",)
    ),
    "boto": Home({".boto": f"[Credentials]\n{KEYS}"}, {}, "boto-config"),
    "boto by its variable": Home({"b": f"[Credentials]\n{KEYS}"}, {"BOTO_CONFIG": "~/b"}, "boto-config"),
    "boto with a mark": Home({".boto": f"\ufeff[Credentials]\n{KEYS}"}, {}, ERROR, ("unparsable-file",)),
    "half a pair of boto": Home({".boto": "[Credentials]\naws_access_key_id = A\n"}, {}, ERROR, ("half-pair",)),
    "container": Home({}, {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "{server}/keys"}, "container"),
    "shared file over container": Home(
        {SHARED: DEFAULT}, {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "{server}/keys"}, "shared-file"
    ),
    "container with a foreign host": Home(
        {}, {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://192.0.2.1/x"}, ERROR, ("container-invalid",)
    ),
    "container without its token": Home(
        {}, {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "{server}/keys",
             "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "{home}/gone"}, ERROR, ("container-invalid",),
    ),
    "container over instance": Home(
        {}, {**OPEN, "AWS_CONTAINER_CREDENTIALS_FULL_URI": "{server}/keys",
             "AWS_EC2_METADATA_SERVICE_ENDPOINT": "{server}/"}, "container",
    ),
    "instance": Home({}, {**OPEN, "AWS_EC2_METADATA_SERVICE_ENDPOINT": "{server}/"}, UNKNOWN),
    "instance without network": Home({}, OPEN, UNKNOWN),
    "shared file over instance": Home(
        {SHARED: DEFAULT}, {**OPEN, "AWS_EC2_METADATA_SERVICE_ENDPOINT": "{server}/"}, "shared-file"
    ),
    "invalid metadata address": Home(
        {SHARED: DEFAULT}, {"AWS_EC2_METADATA_SERVICE_ENDPOINT": "not an address"}, ERROR, ("configuration-invalid",)
    ),
    "invalid metadata timeout": Home(
        {SHARED: DEFAULT}, {"AWS_METADATA_SERVICE_TIMEOUT": "soon"}, ERROR, ("configuration-invalid",)
    ),
}  # fmt: skip


def made(home: Path, name: str, server: str = "http://127.0.0.1:9") -> dict[str, str]:
    """Write a home and return its environment."""
    entry = HOMES[name]
    for path, content in entry.files.items():
        file = home / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if content == "DIRECTORY":
            file.mkdir()
        elif content == "LOOP":
            file.symlink_to(file.name)
        else:
            text = content.replace("{home}", str(home)) if isinstance(content, str) else content
            file.write_bytes(text.encode() if isinstance(text, str) else text)
            file.chmod(0o700 if file.name == "p" else 0o600)
    variables = {key: value.format(home=home, server=server) for key, value in entry.variables.items()}
    return {"PATH": os.environ["PATH"], "HOME": str(home), "AWS_EC2_METADATA_DISABLED": "true", **variables}


def agent_record(
    root: Path, expires: str, *, retrieved: str = "2026-11-24T02:00:00Z", file: str = "/root/.aws/credentials",
    profile: str = "",
) -> None:  # fmt: skip
    """Write the agent's record of the credentials that it shares."""
    path = root / "var/lib/amazon/ssm/runtimeconfig/identity_config.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({
        "SchemaVersion": "1.1", "InstanceId": "mi-0123456789abcdef0", "IdentityType": "OnPrem",
        "ShareFile": file, "ShareProfile": profile, "CredentialsExpiresAt": expires,
        "CredentialsRetrievedAt": retrieved, "CredentialSource": "SSM",
    }))  # fmt: skip
