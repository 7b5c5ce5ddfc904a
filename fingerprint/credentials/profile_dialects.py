"""How AWS SDKs read a shared credentials file: the same text gives different profiles in different SDKs.

Sources: configparser and botocore/configloader.py; aws-sdk-java-v2 ProfileFileReader; smithy-rs
aws-runtime/env_config/parse.rs; smithy-typescript parseIni; aws-sdk-go-v2 internal/ini; aws-sdk-ruby ini_parser.rb.
"""

from __future__ import annotations

import configparser
import io
import os
import re

from fingerprint.agent.paths import SDK_CONFIG, SDK_CREDENTIALS
from fingerprint.types import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Profiles = dict[str, dict[str, str]]

ACCESS_KEY, SECRET_KEY, TOKEN = NAMES = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
# botocore prefers it to aws_session_token.
OLD_TOKEN = "aws_security_token"
BOTOCORE = "Python"

# botocore prefers the older name, other SDKs know only the newer one.
OLDER_PROFILE_VARIABLE, PROFILE_VARIABLE = "AWS_DEFAULT_PROFILE", "AWS_PROFILE"
CREDENTIALS_VARIABLE, CONFIG_VARIABLE = "AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"
_OPTION = re.compile(r"(?P<name>(?:[^=:\n]*[^=:\s])?)(?P<delimiter>\s*[=:]\s*)(?P<value>.*)$")
_SECTION = re.compile(r"\[(.+)\]")
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
# Java and similar SDKs strip every character up to the space.
_BLANKS = "".join(map(chr, range(33)))
_IDENTIFIER = re.compile(r"[A-Za-z0-9_\-/.%@:+]*")
_JAVASCRIPT_BLANKS = (
    "\t\n\v\f\r \u00a0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000\ufeff"
)
_JAVASCRIPT_COMMENT = re.compile(f"(?:^|[{_JAVASCRIPT_BLANKS}])[;#]")
_JAVASCRIPT_KINDS = ("profile", "sso-session", "services")
_JAVASCRIPT_PREFIX = re.compile(rf"([\w-]+)[{_JAVASCRIPT_BLANKS}]([\"'])?([\w\-@+.%:/]+)(?(2)\2)", re.ASCII)
_RUBY_SECTION = re.compile(r"\[([^\[\]]+)\]\s*(#.+)?$", re.ASCII)
_RUBY_ITEM = re.compile(r"(.(?:[^=]*[^=\s])?)\s*=\s*(\S(?:.*\S)?|\s)\s*$", re.ASCII)
_RUBY_EMPTY = re.compile(r"(.(?:[^=]*[^=\s])?)\s*=\s*$", re.ASCII)


def credentials_file(home: str, environ: Mapping[str, str]) -> str:
    """Return the shared credentials file of a user: the one that the environment names, else the usual one."""
    return environ.get(CREDENTIALS_VARIABLE) or os.path.join(home, *SDK_CREDENTIALS)


def config_file(home: str, environ: Mapping[str, str]) -> str:
    """Return the configuration file of a user's SDKs, in the same way."""
    return environ.get(CONFIG_VARIABLE) or os.path.join(home, *SDK_CONFIG)


def named_profile(environ: Mapping[str, str]) -> tuple[str, str]:
    """Return the profile that the environment names, and its section in the configuration file."""
    profile = environ.get(PROFILE_VARIABLE) or environ.get(OLDER_PROFILE_VARIABLE) or "default"
    return profile, profile if profile == "default" else f"profile {profile}"


class Unreadable(Exception):
    """An SDK rejects the file, and with it every profile.

    Attributes:
        line: the line at fault, from 1.
        why: what is wrong with it, without its content other than the name of a section.
    """

    def __init__(self, line: int, why: str) -> None:
        super().__init__(line, why)
        self.line = line
        self.why = why


class Line(Value):
    """A line of the file as configparser reads it.

    Attributes:
        kind: "section", "option", "more" (it continues the value above) or "" (a blank, a comment, or an error).
        text: the line with its ending.
        section: the section that it lies in or begins; None before the first.
        name: of an option, in lower case; for "more" that of the option above.
        start: of an option, where its value starts in `text`.
        delimiter: of an option, with the blanks around it.
    """

    _hidden = ("text",)
    kind: str
    text: str
    section: str | None
    name: str
    start: int
    delimiter: str

    @property
    def indent(self) -> str:
        return self.text[: len(self.text) - len(self.text.lstrip())]

    @property
    def ending(self) -> str:
        return self.text[len(self.text.rstrip("\r\n")) :]


def lines_of(text: str) -> Iterator[Line]:
    """Yield the lines of a file as configparser reads them, including those that it rejects."""
    section: str | None = None
    name = ""
    level = 0
    for match in _LINE.finditer(text):
        line = match.group()
        bare = line.strip()
        indent = len(line) - len(line.lstrip())
        if not bare or bare[0] in "#;":
            yield Line("", line, section, "", 0, "")
        elif name and indent > level:
            yield Line("more", line, section, name, 0, "")
        else:
            level = indent
            header, option = _SECTION.match(bare), _OPTION.match(bare)
            if header:
                section, name = header.group(1), ""
                yield Line("section", line, section, "", 0, "")
            elif section is not None and option and option["name"]:
                name = option["name"].lower()
                yield Line("option", line, section, name, indent + option.start("value"), option["delimiter"])
            else:
                yield Line("", line, section, "", 0, "")


def _python(text: str) -> Profiles:
    """Read as botocore, boto3 and the AWS CLI."""
    parser = configparser.RawConfigParser()
    try:
        # As `open` reads it, with every kind of line ending.
        parser.read_file(io.StringIO(text, newline=None))
    except configparser.DuplicateSectionError as error:
        raise Unreadable(error.lineno or 1, f"section [{error.section}] occurs a second time") from None
    except configparser.DuplicateOptionError as error:
        raise Unreadable(error.lineno or 1, "its section has this setting already") from None
    except configparser.MissingSectionHeaderError as error:
        why = "the file begins with a byte order mark" if text.startswith("\ufeff") else "no [profile] precedes it"
        raise Unreadable(error.lineno, why) from None
    except configparser.ParsingError as error:
        raise Unreadable(error.errors[0][0], "it is not `name = value`") from None
    found = {name: {option: parser.get(name, option) for option in parser.options(name)} for name in parser.sections()}
    for name, options in found.items():
        for option, value in options.items():
            # botocore reads indented lines below an empty value as nested settings.
            if value.startswith("\n") and any(part.strip() and "=" not in part for part in value.splitlines()):
                raise Unreadable(_line_of(text, name, option), "a line below this empty value is not `name = value`")
    return found


def _line_of(text: str, section: str, option: str) -> int:
    for number, line in enumerate(lines_of(text), 1):
        if line.kind == "option" and line.name == option and line.section in (section, configparser.DEFAULTSECT):
            return number
    return 1


def _numbered(text: str, ending: str = "\r\n|\r|\n") -> Iterator[tuple[int, str]]:
    return enumerate(re.split(ending, text), 1)


def _java(text: str) -> Profiles:
    """Read as the AWS SDKs for Java 2, Kotlin, Swift and C++, which reject what the others ignore."""
    return _strict(_numbered(text), str, skips=True)


def _rust(text: str) -> Profiles:
    return _strict(_numbered(text, "\r?\n"), str.lower, skips=False)


def _strict(lines: Iterator[tuple[int, str]], cased: Callable[[str], str], *, skips: bool) -> Profiles:
    """Read by the format that AWS documents.

    Args:
        lines: with their numbers.
        cased: makes the key of a name.
        skips: whether errors in a profile with an invalid name are ignored, too.
    """
    found: Profiles = {}
    profile: dict[str, str] | None = None
    name: str | None = None
    nested = ignored = False
    for number, line in lines:
        if not line.strip(" \t") or line[0] in "#;":
            continue
        if line[0] == "[":
            header = re.split("[#;]", line, maxsplit=1)[0].strip(_BLANKS)
            if not header.endswith("]"):
                raise Unreadable(number, "the section does not end with ]")
            title = header[1:-1].strip(_BLANKS)
            ignored = not _IDENTIFIER.fullmatch(title)
            profile = {} if ignored else found.setdefault(title, {})
            name = None
        elif profile is None:
            raise Unreadable(number, "no [profile] precedes it")
        elif ignored and skips:
            continue
        elif line[0] in " \t":
            if name is None:
                raise Unreadable(number, "the first setting of the profile is indented")
            if nested and "=" not in line:
                raise Unreadable(number, "a line below an empty value is not `name = value`")
            profile[name] += "\n" + line.strip(_BLANKS)
        else:
            setting = re.split(r"[ \t][#;]", line, maxsplit=1)[0]
            key, equals, value = (part.strip(_BLANKS) for part in setting.partition("="))
            if not equals or not key:
                raise Unreadable(number, "it is not `name = value`")
            name = cased(key)
            nested = not value
            profile[name] = value
    return found


def _javascript(text: str) -> Profiles:
    found: Profiles = {}
    section = outer = ""
    for _, line in _numbered(text, "\r?\n"):
        bare = _JAVASCRIPT_COMMENT.split(line, maxsplit=1)[0].strip(_JAVASCRIPT_BLANKS)
        if bare.startswith("[") and bare.endswith("]"):
            section, outer = bare[1:-1], ""
            kind = _JAVASCRIPT_PREFIX.fullmatch(section)
            if kind:
                section = f"{kind[1]}.{kind[3]}" if kind[1] in _JAVASCRIPT_KINDS else ""
        elif section and bare.find("=") > 0:
            name, _, value = (part.strip(_JAVASCRIPT_BLANKS) for part in bare.partition("="))
            if not value:
                outer = name
                continue
            if line.lstrip(_JAVASCRIPT_BLANKS) == line:
                outer = ""
            found.setdefault(section, {})[f"{outer}.{name}" if outer else name] = value
    return found


def _go(text: str) -> Profiles:
    found: Profiles = {}
    section = name = ""
    for number, line in _numbered(text, "\r?\n"):
        if not line.strip() or line.lstrip(" \t")[:1] in ("#", ";"):
            continue
        bare = re.split("[#;]", line, maxsplit=1)[0].rstrip(" \t")
        indented = line[0] in " \t"
        if bare.startswith("[") and bare.endswith("]"):
            section, name = " ".join(re.split(r"[ \t]+", bare[1:-1].strip(), maxsplit=1)), ""
            found.setdefault(section, {})
            continue
        pair = _OPTION.match(line.lstrip(" \t") if indented else bare)
        if not indented and pair is None:
            raise Unreadable(number, "it is not `name = value`")
        if not section or (indented and not name):
            continue
        if not indented and pair is not None:
            name = pair["name"].strip().lower()
            found[section][name] = _go_value(pair["value"].strip())
        else:
            # Settings extend an empty value, other text a value that is not empty.
            value = found[section][name]
            if (pair is not None) == (not value or value.startswith("\n")):
                found[section][name] = value + "\n" + line.strip(" \t")
    return found


def _go_value(text: str) -> str:
    if len(text) > 2 and text[0] == text[-1] and text[0] in "'\"":
        text = text[1:-1]
    return text.replace('\\"', '"').replace("\\'", "'").replace("\\n", "\n")


def _ruby(text: str) -> Profiles:
    found: Profiles = {}
    profile = outer = None
    item: re.Match[str] | None = None
    for number, line in _numbered(text, "\n"):
        bare = re.split(r"\s;", line, maxsplit=1, flags=re.ASCII)[0]
        header = _RUBY_SECTION.match(bare)
        if header:
            profile = re.sub(r"^profile ", "", " ".join(re.findall(r"\S+", header[1], re.ASCII)))
        elif profile is not None:
            before, item = item, _RUBY_ITEM.match(bare)
            empty = _RUBY_EMPTY.match(bare)
            if item and item[1][0] in " \t\r\f\v":
                if outer is None and before is None:
                    raise Unreadable(number, "the first setting is indented")
                if outer is None and before is not None and not before[2].strip():
                    # An empty value before a carriage return.
                    outer = before[1]
                    found.setdefault(profile, {}).pop(outer, None)
                found.setdefault(profile, {})[f"{outer}.{item[1].strip(_BLANKS)}"] = item[2]
            elif item:
                outer = None
                found.setdefault(profile, {})[item[1]] = item[2]
            elif empty:
                outer = empty[1]
    return found


# By the name of the SDK. botocore comes first: a file that it rejects is not changed.
DIALECTS: dict[str, Callable[[str], Profiles]] = {
    BOTOCORE: _python, "Java": _java, "Rust": _rust, "JavaScript": _javascript, "Go": _go, "Ruby": _ruby,
}  # fmt: skip


def keys_of(sdk: str, profile: dict[str, str]) -> tuple[str, str, str]:
    """Return access key, secret key and session token that an SDK takes from a profile; "" for each that it lacks."""
    token = profile.get(TOKEN, "")
    if sdk == BOTOCORE:
        token = profile.get(OLD_TOKEN, token)
    return profile.get(ACCESS_KEY, ""), profile.get(SECRET_KEY, ""), token
