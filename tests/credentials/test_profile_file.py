"""A profile of the shared credentials file is updated, or the file stays as it is: by the rules of each SDK."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from pathlib import Path

import botocore.configloader
import botocore.exceptions
import botocore.session
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fingerprint.credentials.profile_dialects import (
    BOTOCORE,
    DIALECTS,
    NAMES,
    OLD_TOKEN,
    Unreadable,
    keys_of,
    lines_of,
)
from fingerprint.credentials.profile_file import update, updated
from fingerprint.errors import InputError, Refused, UsageError
from fingerprint.registration.role_token import RoleCredentials
from shared import SHARED

NEW = ("ASIANEW", "s3cr3t/+=", "t0k3n==")
TOKEN = RoleCredentials(*NEW, 1.8e9)
PROFILE = "default"
OTHER = "[other]\naws_access_key_id = OTHER\naws_secret_access_key = S\n"
CASES = SHARED / "cases" / "03-update-breaks-the-credentials-file"


def by_botocore(path: Path, profile: str = PROFILE) -> tuple[str | None, ...]:
    """Return the keys that botocore itself takes from a profile of a file."""
    session = botocore.session.Session(profile=profile)
    session.set_config_variable("credentials_file", str(path))
    session.set_config_variable("config_file", os.devnull)
    session.get_component("credential_provider").providers[:] = [
        session.get_component("credential_provider").get_provider("shared-credentials-file")
    ]
    found = session.get_credentials()
    return (None,) if found is None else (found.access_key, found.secret_key, found.token)


# What stands in the profile -> what stands there afterwards, for each way to write the same settings.
KEYS = "aws_access_key_id{0}OLD\n{1}aws_secret_access_key{0}OLD\n"
IN_PLACE = {
    "plain": ("", " = "),
    "no blanks": ("", "="),
    "colon": ("", ": "),
    "colon without blanks": ("", ":"),
    "indented": ("  ", " = "),
    "tab": ("\t", " = "),
    "tab and colon": ("\t", ":"),
    "tabs around": ("", "\t=\t"),
}


def settings_of(indent: str, delimiter: str, values: tuple[str, ...]) -> str:
    return "".join(f"{indent}{name}{delimiter}{value}\n" for name, value in zip(NAMES, values, strict=False))


@pytest.mark.parametrize("old", [("OLD", "OLD"), ("OLD", "OLD", "OLD")], ids=["no token", "token"])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
@pytest.mark.parametrize("kind", IN_PLACE)
def test_values_are_replaced_where_they_are(kind: str, ending: str, old: tuple[str, ...], tmp_path: Path) -> None:
    """Indent, delimiter and ending stay; a token that is missing is added in the same manner."""
    indent, delimiter = IN_PLACE[kind]
    if delimiter == "\t=\t" and len(old) == 2:
        added = settings_of(indent, delimiter, NEW[:2]) + f"{indent}{NAMES[2]} = {NEW[2]}\n"
    else:
        added = settings_of(indent, delimiter, NEW)
    frame = "# mine\n[default]\n{}" + f"{indent}region = x\n\n# theirs\n" + OTHER
    path = tmp_path / "credentials"
    path.write_bytes(frame.format(settings_of(indent, delimiter, old)).replace("\n", ending).encode())
    update(str(path), PROFILE, TOKEN)
    assert path.read_bytes().decode() == frame.format(added).replace("\n", ending)
    assert by_botocore(path) == NEW
    assert by_botocore(path, "other") == ("OTHER", "S", None)
    before = path.read_bytes()
    update(str(path), PROFILE, TOKEN)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", "[default]\nK\nS\nT\n"),
        ("[default]", "[default]\nK\nS\nT\n"),
        ("[default]\naws_access_key_id = O\naws_secret_access_key = O\naws_session_token = O",
         "[default]\nK\nS\nT"),
        ("[default]\naws_access_key_id =\n[o]\n", "[default]\nK\nS2\nT2\n[o]\n"),
        ("[default]\naws_security_token = STALE\naws_secret_access_key = O\n", "[default]\nS\nK\nT\n"),
        ("[default]\naws_access_key_id = O\nAWS_SECURITY_TOKEN: STALE\nregion = x",
         "[default]\nK\nS3\nT3\nregion = x"),
        ("[default]\nAWS_Access_Key_Id = O\n", "[default]\nK\nS\nT\n"),
        ("[default]\naws_access_key_id = O ; gone\n# stays\n", "[default]\nK\nS\nT\n# stays\n"),
        ("[default]\ns3 =\n  a = b\n\n  c = d\n; end\n\n[o]\nx = 1\n",
         "[default]\ns3 =\n  a = b\n\n  c = d\nK\nS\nT\n; end\n\n[o]\nx = 1\n"),
        ("[default]\naws_access_key_id = O\nregion = x\n  y\nz = 1\n", "[default]\nK\nS\nT\nregion = x\n  y\nz = 1\n"),
        ("[default]\naws_access_key_id = O\nk = a\u2028b\x0cc\x85[default]\n",
         "[default]\nK\nS\nT\nk = a\u2028b\x0cc\x85[default]\n"),
        ("[o]\nk = v\n  [default]\n", "[o]\nk = v\n  [default]\n\n[default]\nK\nS\nT\n"),
        ("[ default ]\naws_access_key_id = O\naws_secret_access_key = O\n",
         "[ default ]\naws_access_key_id = O\naws_secret_access_key = O\n\n[default]\nK\nS\nT\n"),
        ("[profile default]\nregion = x\n[o # ]\n", "[profile default]\nregion = x\n[o # ]\n\n[default]\nK\nS\nT\n"),
        ("\r\n[default] # c\r\naws_access_key_id=O\r\n[o]", "\r\n[default] # c\r\nK4\r\nS4\r\nT4\r\n[o]"),
    ],
)  # fmt: skip
def test_what_is_not_ours_stays(text: str, wanted: str, tmp_path: Path) -> None:
    short = {"K": 0, "S": 1, "T": 2}
    delimiters = {"2": " =", "3": ": ", "4": "="}
    for letter, number in short.items():
        for mark, delimiter in [*delimiters.items(), ("", " = ")]:
            wanted = "".join(
                NAMES[number] + delimiter + NEW[number] + line[len(letter + mark) :]
                if line.rstrip("\r\n") == letter + mark else line
                for line in wanted.splitlines(keepends=True)
            )  # fmt: skip
    path = tmp_path / "credentials"
    path.write_bytes(text.encode())
    update(str(path), PROFILE, TOKEN)
    assert path.read_bytes().decode() == wanted
    assert by_botocore(path) == NEW


REFUSED = {
    "byte order mark": ("\ufeff[default]\naws_access_key_id = O\n", 1),
    "section twice": ("[a]\nx = 1\n[default]\n[a]\ny = 1\n", 4),
    "our section twice": ("[default]\nx = 1\n[default]\ny = 1\n", 3),
    "key twice": ("[default]\naws_access_key_id = O\naws_secret_access_key = O\nAWS_ACCESS_KEY_ID: P\n", 4),
    "key twice elsewhere": ("[a]\nx = 1\n[b]\ny = 1\ny = 2\n", 5),
    "no section": ("aws_access_key_id = O\n", 1),
    "no delimiter": ("[default]\naws_access_key_id O\n", 2),
    "nested without a delimiter": ("[a]\ns3 =\n  what\n[default]\n", 2),
    "value below": ("[default]\naws_access_key_id =\n  O = P\n", 3),
    "value goes on": ("[default]\naws_access_key_id = O\n  region = x\n", 3),
    "stale token goes on": ("[default]\nregion = x\naws_security_token = O\n\n  P\n", 5),
    "deeper than before": ("[default]\naws_access_key_id = O\n  aws_secret_access_key = O\n", 3),
    "stale token for all": ("[a]\n[DEFAULT]\naws_security_token = O\n[default]\n", 3),
    "other SDKs take a later one": (
        "# c\n[default]\nx = 1\n[ default ]\n" + "aws_access_key_id = O\naws_secret_access_key = O\n",
        2,
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_file_that_cannot_change_stays_and_the_line_is_named(kind: str, tmp_path: Path) -> None:
    text, line = REFUSED[kind]
    path = tmp_path / "credentials"
    path.write_bytes(text.encode())
    path.chmod(0o640)
    with pytest.raises(Refused, match="Nothing was written") as caught:
        update(str(path), PROFILE, TOKEN)
    assert caught.value.exit_code == 4
    assert caught.value.where == f"{path}:{line}"
    assert caught.value.remedy
    assert path.read_bytes() == text.encode()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert "O = P" not in str(caught.value)


def test_the_remedy_for_a_byte_order_mark_works_as_printed(tmp_path: Path) -> None:
    path = tmp_path / "my credentials"
    path.write_bytes(b"\xef\xbb\xbf[default]\naws_access_key_id = OLD\naws_secret_access_key = OLD\n")
    with pytest.raises(Refused) as caught:
        update(str(path), PROFILE, TOKEN)
    subprocess.run(caught.value.remedy.removeprefix("Remove it with: "), shell=True, check=True)
    update(str(path), PROFILE, TOKEN)
    assert by_botocore(path) == NEW


@pytest.mark.parametrize(
    ("text", "unread"),
    [
        ("[default]\n  aws_access_key_id = O\n", "Java (it rejects line 2), Rust (it rejects line 2), Go, Ruby (it"),
        ("[default]\naws_access_key_id: O\n", "Java (it rejects line 2), Rust (it rejects line 2), JavaScript, Ruby."),
        ("   [default]\nx = 1\n", "Java (it rejects line 1), Rust (it rejects line 1), Go, Ruby."),
        ("[x]\ny: 1\n" + OTHER, "Java (it rejects line 2), Rust (it rejects line 2)."),
    ],
)
def test_which_sdks_do_not_read_the_profile_is_said(text: str, unread: str) -> None:
    """They did not before either; the message must not suggest that they do."""
    _, [warning] = updated(text, PROFILE, TOKEN)
    assert f"not to the AWS SDKs for {unread}" in warning
    assert updated("[default]\naws_access_key_id = O\n" + OTHER, PROFILE, TOKEN)[1] == []


@pytest.mark.parametrize(
    ("text", "made"),
    [
        # Java reads the first by the = in the value; JavaScript would get half of the second.
        ("[default]\naws_access_key_id:a=b\n", "aws_access_key_id="),
        ("[default]\naws_secret_access_key = O\naws_access_key_id = O\naws_session_token: O\n", "aws_session_token= "),
    ],
)
def test_colon_becomes_an_equals_sign_if_an_sdk_needs_it(text: str, made: str) -> None:
    after, _ = updated(text, PROFILE, TOKEN)
    assert f"\n{made}" in after
    assert {keys_of(sdk, DIALECTS[sdk](after)[PROFILE]) for sdk in DIALECTS} == {NEW}


@pytest.mark.parametrize("name", ["", "a]b", "a\nb", "a b", "'a'", " a", "DEFAULT", "ä"])
def test_a_new_profile_has_a_name_that_every_sdk_reads(name: str) -> None:
    with pytest.raises(UsageError, match="invalid profile name"):
        updated("[default]\n", name, TOKEN)


def test_a_profile_that_has_another_name_already_is_updated() -> None:
    text, warnings = updated("[my node]\nx = 1\n", "my node", TOKEN)
    assert text == "[my node]\nx = 1\n" + settings_of("", " = ", NEW)
    assert warnings


@pytest.mark.parametrize("value", ["", "a b", "a\nb", "a\r[evil]", "ä", "a\x00"])
def test_a_value_that_would_break_the_file_is_not_written(value: str) -> None:
    for place in range(3):
        values = [*NEW]
        values[place] = value
        with pytest.raises(Refused, match=NAMES[place]) as caught:
            updated("[default]\n", PROFILE, RoleCredentials(*values, 1.8e9))
        assert "evil" not in str(caught.value)


def test_a_value_that_an_sdk_would_cut_is_not_written() -> None:
    with pytest.raises(Refused, match="new keys to the AWS SDK for Go"):
        updated("[default]\n", PROFILE, RoleCredentials("A", "s#x", "t", 1.8e9))


BLANKS = st.sampled_from(["", "", "", " ", "  ", "\t"])
ENDINGS = st.sampled_from(["\n", "\n", "\n", "\r\n", "\r"])
FREE_NAMES = ["region", "Output", "s3", "credential_process", "x-y", "ключ", "a b", "role_arn", "k.v"]
ALL_NAMES = st.sampled_from([*NAMES, OLD_TOKEN, *(name.upper() for name in NAMES), *FREE_NAMES])
DELIMITERS = st.sampled_from(["=", " = ", " =", "= ", ":", ": ", "\t=\t", " : "])
VALUES = st.sampled_from(
    ["v", "", "a=b", "a:b", "v # c", "v;c", "'q'", '"q"', "ü\u2028x", "a\x0cb", "[default]", "v ;w"]
)
NOISE = st.sampled_from(["", "  ", "# c", "; c", "  # indented", "\t; x = y", "  more", "    k = v", "   [default]"])
SECTIONS = st.sampled_from(
    ["[default]", "[default]", "[other]", "[ default ]", "[profile x]", "[my node]", "['q']", "[default] # c",
     "[other]; c", "[DEFAULT]", "  [in]", "[a]b]", "[Default]", "[x] y"]
)  # fmt: skip
OPTIONS = st.tuples(BLANKS, ALL_NAMES, DELIMITERS, VALUES).map("".join)
FILES = st.lists(st.tuples(st.one_of(SECTIONS, OPTIONS, OPTIONS, NOISE), ENDINGS).map("".join), max_size=14).flatmap(
    lambda lines: st.sampled_from(["".join(lines), "".join(lines).rstrip("\r\n"), "\ufeff" + "".join(lines)])
)


def read(sdk: str, text: str) -> dict[str, dict[str, str]] | None:
    try:
        return DIALECTS[sdk](text)
    except Unreadable:
        return None


def without_ours(profile: dict[str, str]) -> dict[str, str]:
    ours = (*NAMES, OLD_TOKEN)
    return {name: value for name, value in profile.items() if name.lower().partition(":")[0].strip() not in ours}


@given(FILES, st.sampled_from(["default", "other", "new", "my node"]))
@settings(max_examples=1500, deadline=None)
@example("[default]\naws_access_key_id = O\n\n   # c\n[x]\n  # d\n", "default")
def test_any_file_gives_the_new_keys_or_stays_unchanged(text: str, profile: str) -> None:
    before = {sdk: read(sdk, text) for sdk in DIALECTS}
    try:
        after, _ = updated(text, profile, TOKEN)
    except (Refused, UsageError):
        return
    assert before[BOTOCORE] is not None
    for sdk, old in before.items():
        if old is None:
            continue
        now = read(sdk, after)
        assert now is not None, sdk
        mine, was = now.pop(profile, {}), old.pop(profile, {})
        assert now == old, sdk
        if keys_of(sdk, mine) == NEW:
            assert without_ours(mine) == without_ours(was)
        else:
            assert sdk != BOTOCORE
    kept = [line.text for line in lines_of(text) if not (line.section == profile and line.name in (*NAMES, OLD_TOKEN))]
    rest = iter(after.splitlines())
    assert all(any(line == other for other in rest) for text in kept for line in text.splitlines())
    assert updated(after, profile, TOKEN)[0] == after


@given(FILES)
@settings(max_examples=500, deadline=None)
@example("[default]\naws_access_key_id:a=b\n")
@example("[default]\naws_session_token: a==\naws_access_key_id : b=\naws_secret_access_key:\tc=d\n")
@example("[default]\naws_secret_access_key = s\naws_session_token: a==\n[other]\nx = 1\n")
def test_ordinary_files_are_not_refused(text: str) -> None:
    """What botocore reads is updated, without values of several lines, without what [DEFAULT] lends, without indents
    (some SDKs take an indented section for a part of the value before it), without lone carriage returns, which end a
    line for some SDKs only, without names that are one without their blanks, and with an end of the last line (Ruby's
    does not see an empty value without it)."""
    found = read(BOTOCORE, text)
    lines = list(lines_of(text))
    if found is None or any(line.kind == "more" or line.section in ("DEFAULT", "in") for line in lines):
        return
    if any(line.indent or not line.ending for line in lines) or "\r" in text.replace("\r\n", ""):
        return
    sections = [line.section.strip() for line in lines if line.kind == "section"]
    if len(set(sections)) < len(sections):
        return
    after, _ = updated(text, PROFILE, TOKEN)
    assert keys_of(BOTOCORE, DIALECTS[BOTOCORE](after)[PROFILE]) == NEW


@given(FILES)
@settings(max_examples=500, deadline=None)
def test_our_reading_is_that_of_botocore(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "by-botocore"
    path.write_bytes(text.encode())
    wanted: dict[str, dict[str, str]] | None = None
    try:
        botocore.configloader.raw_config_parse(str(path))
        wanted = botocore.configloader.raw_config_parse(str(path), parse_subsections=False)
    except botocore.exceptions.ConfigParseError:
        pass
    assert read(BOTOCORE, text) == wanted
    for line in lines_of(text) if wanted else ():
        if line.kind == "option" and line.section in wanted:
            value = wanted[line.section][line.name]
            assert value.split("\n")[0] == line.text[line.start :].strip()


TEXT = "[default]\n{}\n[o]\nx = 1\n"
BOTH = "aws_access_key_id = K\naws_secret_access_key = S"


@pytest.mark.parametrize(
    ("lines", "reads"),
    [
        (BOTH, "Python Java Rust JavaScript Go Ruby"),
        (BOTH.replace(" = ", ": "), "Python Go"),
        (BOTH.upper(), "Python Rust Go"),
        ("  " + BOTH.replace("\n", "\n  "), "Python JavaScript"),
        (BOTH + "\nother: 1", "Python JavaScript Go Ruby"),
        (BOTH + "\n[default]\nregion = x", "Java Rust JavaScript Go Ruby"),
        (BOTH + "\nregion = x\nregion = y", "Java Rust JavaScript Go Ruby"),
        (BOTH + "\n  # c", "Python JavaScript Go Ruby"),
        (BOTH + "\nwhat", "JavaScript Ruby"),
        (BOTH + " # c", "Java Rust JavaScript Go"),
        (BOTH + " ; c", "Java Rust JavaScript Go Ruby"),
    ],
)
def test_sdks_read_the_same_lines_differently(lines: str, reads: str) -> None:
    """As their sources say; botocore's and JavaScript's were also run over random files."""
    found = {sdk: read(sdk, TEXT.format(lines)) or {} for sdk in DIALECTS}
    assert " ".join(sdk for sdk in found if keys_of(sdk, found[sdk].get(PROFILE, {}))[:2] == ("K", "S")) == reads


def test_the_file_is_replaced_at_once_and_closed_to_others(tmp_path: Path) -> None:
    path = tmp_path / ".aws" / "credentials"
    update(str(path), PROFILE, TOKEN)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    path.chmod(0o644)
    update(str(path), PROFILE, TOKEN)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for data, line in ((b"\xff\xfe", 1), (b"[a]\nx = 1\ny = \xe4\n", 3), ("[a]\n".encode("utf-16"), 1)):
        path.write_bytes(data)
        with pytest.raises(InputError, match="UTF-8") as caught:
            update(str(path), PROFILE, TOKEN)
        assert caught.value.where == f"{path}:{line}"
        assert path.read_bytes() == data


@pytest.mark.skipif(not CASES.is_dir(), reason="the recorded cases are not part of the repository")
def test_the_recorded_files_are_updated_or_refused(tmp_path: Path) -> None:
    done = {}
    for case in sorted(CASES.glob("*.ini")):
        path = tmp_path / case.name
        path.write_bytes(case.read_bytes())
        try:
            update(str(path), PROFILE, TOKEN)
            assert by_botocore(path) == NEW, case.name
            assert by_botocore(path, "other") == ("OTHERKEY", "S", None)
            done[case.stem] = "updated"
        except Refused:
            assert path.read_bytes() == case.read_bytes()
            done[case.stem] = "refused"
    assert done.pop("bom") == "refused"
    assert set(done.values()) == {"updated"}, json.dumps(done)
