"""Lines that no command takes: what is wrong, what to do, and nothing that may be a secret."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

import fingerprint
from commandline import environment, run
from fingerprint.cli.context import check_target
from fingerprint.cli.help import parse_or_explain
from fingerprint.cli.options import GLOBAL
from fingerprint.cli.parser import Arguments, parse
from fingerprint.cli.table import NOUNS, all_commands
from fingerprint.errors import UsageError

SECRET = "Tiger-7"
PATHS = [command.path for command in all_commands()]
SCHEMA = json.loads((Path(fingerprint.__file__).parent / "schemas" / "error.json").read_text())
# The arguments of the commands that require some.
ARGUMENTS = {
    "threshold set": ("40",), "vault restore": ("1",), "diagnose logs": ("f",), "monitor units": ("d",),
    **{f"fleet {name}": ("f",) for name in ("check", "plan", "clones")},
    **{f"fleet {name}": ("a", "b") for name in ("diff", "pack", "report")},
}  # fmt: skip


@pytest.mark.parametrize(
    "line",
    [
        "monitor nagios --bogus", "--bogus monitor nagios", "monitor --bogus nagios", "monitor nagios -w",
        "-w any-drift monitor nagios", "monitor -w any-drift nagios", "monitor nagios more", "monitor nagios --vault",
        "monitor nagios --timeout 0", "--output xml monitor nagios", "--root / --snapshot s monitor nagios",
        "--root / monitor nagios --snapshot s", "monitor nagios -v", "monitor nagios --version", "nagios",
    ],
)  # fmt: skip
def test_a_usage_error_of_the_plugin_is_unknown_on_stdout(tmp_path: Path, line: str) -> None:
    done = run(*line.split(), env=environment(tmp_path))
    assert (done.returncode, done.stderr) == (3, "")
    assert done.stdout.startswith("FINGERPRINT UNKNOWN - ")
    assert done.stdout.count("\n") == 1
    assert "Try: fingerprint " in done.stdout
    assert " --help\n" in done.stdout


@pytest.mark.parametrize("line", ["--vault nagios chek", "monitor watch nagios", "completion nagios", "help nagios"])
def test_the_word_nagios_alone_makes_no_plugin(tmp_path: Path, line: str) -> None:
    done = run(*line.split(), env=environment(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "form", ["--activation-code {0}", "--code={0}", "-k{0}", "-k {0} more", "--code https://u:{0}@h/?t={0}"]
)
def test_the_value_of_an_unknown_option_is_not_printed(path: str, form: str) -> None:
    words = [*path.split(), *form.format(SECRET).split()]
    assert parse(words) is None
    with pytest.raises(UsageError) as caught:
        parse_or_explain(words)
    assert SECRET not in caught.value.what + caught.value.remedy
    flag = form.split()[0].partition("=")[0].partition("{")[0]
    assert caught.value.what.startswith(f"unrecognized arguments: {flag}")


@pytest.mark.parametrize("line", ["--proxi={0} check", "--proxi {0} check", "vault --proxi={0} show", "--proxi={0}"])
def test_nor_is_that_of_one_before_the_command(tmp_path: Path, line: str) -> None:
    done = run(*line.format(SECRET).split(), env=environment(tmp_path))
    assert done.returncode == 2
    assert SECRET not in done.stdout + done.stderr
    assert "unrecognized arguments: --proxi\n" in done.stderr


@pytest.mark.parametrize(
    ("line", "flag"),
    [
        ("--event reboot whatif", "--event"), ("--threshold 40 vault init", "--threshold"),
        ("vault --threshold 40 init", "--threshold"), ("--endpoint http://h credentials process", "--endpoint"),
        ("credentials --policy audit process", "--policy"), ("monitor --textfile f watch", "--textfile"),
    ],
)  # fmt: skip
def test_an_option_before_its_command_is_named(tmp_path: Path, line: str, flag: str) -> None:
    done = run(*line.split(), env=environment(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"fingerprint: {flag} is an option of a command and must follow it\n")


@pytest.mark.parametrize(
    "before", [[], *([noun] for noun in sorted(NOUNS)), ["check"], ["diagnose"], ["help"]], ids=" ".join
)
def test_an_empty_word_is_shown_and_like_no_command(tmp_path: Path, before: list[str]) -> None:
    done = run(*before, "", env=environment(tmp_path))
    assert done.returncode == 2
    assert "''\n" in done.stderr
    assert "Did you mean" not in done.stderr


@pytest.mark.parametrize("words", [["{}"], ["vault", "{}"], ["check", "{}"], ["threshold", "set", "{}"]], ids=" ".join)
def test_a_long_word_is_cut(tmp_path: Path, words: list[str]) -> None:
    done = run(*(word.replace("{}", "x" * 5000) for word in words), env=environment(tmp_path))
    assert done.returncode == 2
    assert "xxx..." in done.stderr
    assert len(done.stderr) < 300


@pytest.mark.parametrize("line", ["explain a", "--root / explain --snapshot s", "explain a b c", "explain --bogus"])
def test_what_to_try_is_the_help_of_the_command(tmp_path: Path, line: str) -> None:
    done = run(*line.split(), env=environment(tmp_path))
    assert done.returncode == 2
    assert done.stderr.endswith("Try: fingerprint explain --help\n")


@pytest.mark.parametrize("noun", sorted(NOUNS))
def test_a_noun_alone_is_named_once(tmp_path: Path, noun: str) -> None:
    assert run(noun, env=environment(tmp_path)).stderr.startswith(f"fingerprint: {noun} requires a command: ")


def test_a_double_dash_ends_the_options() -> None:
    for words, name, value in (
        (["diagnose", "logs", "--", "-a.log", "--vault"], "FILE", ["-a.log", "--vault"]),
        (["--output", "json", "threshold", "set", "--", "-1"], "N", -1), (["snapshot", "--", "-x"], "FILE", "-x"),
        (["explain", "--", "a", "b"], "B", "b"), (["check", "--"], "output", "text"),
    ):  # fmt: skip
        parsed = parse(words)
        assert parsed is not None, words
        assert getattr(parsed, name) == value


def test_words_after_a_double_dash_are_no_options(tmp_path: Path) -> None:
    (tmp_path / "--vault").write_text("")
    done = run("--output", "json", "match", "--", "--vault", env=environment(tmp_path), cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    assert json.dumps(done.stderr) == '""'


@pytest.mark.parametrize("path", [path for path in PATHS if " " in path])
def test_a_double_dash_may_stand_before_and_in_the_command(path: str) -> None:
    for at in range(len(path.split()) + 1):
        words = path.split()
        words.insert(at, "--")
        parsed = parse([*words, *ARGUMENTS.get(path, ())])
        assert parsed is not None, words
        assert parsed.command.path == path


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("-- chek", "no such command: chek\nDid you mean: check"), ("vault -- shwo", "no such command: vault shwo"),
        ("-- vault shwo", "no such command: vault shwo"), ("-- vault", "vault requires a command: "),
        ("--", "a command is missing"), ("vault --", "vault requires a command: "),
        ("--vault -- check", "argument --vault: expected one argument"),
        ("vault -- show more", "unrecognized arguments: "), ("explain -- a", "explain takes A B"),
    ],
)  # fmt: skip
def test_an_error_after_a_double_dash_names_the_word(tmp_path: Path, line: str, message: str) -> None:
    done = run(*line.split(), env=environment(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"fingerprint: {message}")


def test_words_after_a_double_dash_choose_the_longest_command() -> None:
    parsed = parse(["diagnose", "--", "logs", "-a.log"])
    assert parsed is not None
    assert (parsed.command.path, parsed.FILE) == ("diagnose logs", ["-a.log"])
    parsed = parse(["help", "--", "vault", "show"])
    assert parsed is not None
    assert (parsed.command.path, parsed.COMMAND) == ("help", ["vault", "show"])


@pytest.mark.parametrize(
    "line",
    [
        "chek", "", "vault", "vault shwo", "check --bogus", "--bogus check", "check --timeout 0", "explain a",
        "check --vault", "--root / --snapshot s check", "--vault https://u:{0}@h/x --bogus check", "check more",
        "--event x whatif", "help --bogus", "completion", "completion csh", "help nothing",
    ],
)  # fmt: skip
def test_a_usage_error_is_json_where_json_is_asked_for(tmp_path: Path, line: str) -> None:
    assert_usage_error_is_json(tmp_path, line.format(SECRET).split(), "--output json")


@pytest.mark.parametrize("form", ["--output=json", "--output JSON", "--output text --output json"])
def test_json_is_asked_for_by_the_last_option_in_any_form(tmp_path: Path, form: str) -> None:
    assert_usage_error_is_json(tmp_path, ["chek"], form)


def assert_usage_error_is_json(tmp_path: Path, words: list[str], form: str) -> None:
    for order in ([*form.split(), *words], [*words, *form.split()]):
        done = run(*order, env=environment(tmp_path))
        assert done.returncode == 2, order
        answer = json.loads(done.stdout)
        Draft202012Validator(SCHEMA).validate(answer)
        error = answer["error"]
        assert (error["kind"], error["exitCode"]) == ("UsageError", 2)
        assert done.stderr.split() == f"fingerprint: {error['what']} {error['remedy']}".split()
        assert SECRET not in done.stdout + done.stderr


@pytest.mark.parametrize(
    "line",
    ["chek", "chek --output text", "chek --output json --output text", "chek -- --output json", "chek --output xml"],
)
def test_a_usage_error_is_text_where_json_is_not_asked_for(tmp_path: Path, line: str) -> None:
    done = run(*line.split(), env=environment(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")


@pytest.mark.parametrize("path", ["help", "completion bash", "help check"])
def test_a_command_that_has_only_text_rejects_json(tmp_path: Path, path: str) -> None:
    for words in (["--output", "json", *path.split()], [*path.split(), "--output", "json"]):
        done = run(*words, env=environment(tmp_path))
        assert done.returncode == 2
        what = json.loads(done.stdout)["error"]["what"]
        assert what == f"invalid --output 'json': {path.split()[0]} prints text only"
    assert run(*path.split(), "--output", "text", env=environment(tmp_path)).returncode == 0


@pytest.mark.parametrize("line", ["--output json monitor nagios", "monitor nagios --output json"])
def test_a_plugin_rejects_json_as_a_plugin(tmp_path: Path, line: str) -> None:
    done = run(*line.split(), env=environment(tmp_path))
    assert (done.returncode, done.stderr) == (3, "")
    assert done.stdout.startswith("FINGERPRINT UNKNOWN - invalid --output 'json': monitor nagios prints text only. ")


@pytest.mark.parametrize("line", ["--version", "--help", "check --help"])
def test_help_and_version_are_text_whatever_else_is_asked(tmp_path: Path, line: str) -> None:
    plain = run(*line.split(), env=environment(tmp_path))
    assert (plain.returncode, plain.stderr) == (0, "")
    for words in (["--output", "json", *line.split()], [*line.split(), "--output", "json"]):
        done = run(*words, env=environment(tmp_path))
        assert (done.returncode, done.stdout, done.stderr) == (0, plain.stdout, "")


URL = f"https://user:{SECRET}@host.example/x"
# `--latest` takes a URL. Some commands have no machine, and leave aside what names one.
TAKING_PATHS = [
    (command.path, option.flag)
    for command in all_commands()
    for option in (*GLOBAL, *command.options)
    if option.files and option.flag != "--latest"
    if command.path not in ("completion", "help", "local-service") or option.flag not in ("--root", "--snapshot")
]


@pytest.mark.parametrize(
    "words",
    [
        ["vault", "init", "--vault", URL], ["vault", "history", "--vault", URL], ["monitor", "nagios", "--vault", URL],
        ["monitor", "units", URL], ["snapshot", URL], ["report", URL], ["check", "--root", URL], ["explain", URL, URL],
        ["credentials", "serve", "--socket", URL], ["monitor", "prometheus", "--textfile", URL],
        ["check", "--snapshot", URL], ["match", URL], ["fleet", "check", URL], ["image", "check", "--vault", URL],
    ],
    ids=lambda words: " ".join(words[:3]).partition(" https")[0],
)  # fmt: skip
def test_a_url_is_no_path_and_leaves_nothing(tmp_path: Path, words: list[str]) -> None:
    (tmp_path / "here").mkdir()
    done = run(*words, env=environment(tmp_path / "state"), cwd=tmp_path / "here")
    assert done.returncode == (3 if "nagios" in words else 2)
    assert SECRET not in done.stdout + done.stderr
    assert "https://***@host.example/x" in done.stdout + done.stderr
    assert [path.name for path in tmp_path.rglob("*")] == ["here"]


def test_nor_is_that_of_the_environment(tmp_path: Path) -> None:
    done = run("vault", "init", env=environment(tmp_path / "state", FINGERPRINT_VAULT=URL), cwd=tmp_path)
    assert done.returncode == 2
    assert "FINGERPRINT_VAULT is a URL" in done.stderr
    assert SECRET not in done.stderr
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize(("path", "flag"), TAKING_PATHS)
def test_each_option_that_names_a_path_refuses_a_url(path: str, flag: str) -> None:
    command = next(command for command in all_commands() if command.path == path)
    arguments = Arguments(command, {name: None for name, *_ in command.positionals})
    setattr(arguments, flag.lstrip("-").replace("-", "_"), URL)
    with pytest.raises(UsageError) as caught:
        check_target(arguments)
    assert flag in caught.value.what


@pytest.mark.parametrize(
    ("words", "wanted"),
    [(["threshold", "set", "{}"], "an integer"), (["monitor", "watch", "--checks", "{}"], "an integer"),
     (["check", "--timeout", "{}"], "a number of seconds")],
    ids=lambda words: words if isinstance(words, str) else " ".join(words),
)  # fmt: skip
@pytest.mark.parametrize("number", ["1_0", "\u0663", "\uff14", " 5", "5\n", "", "x", "1,5"])
def test_a_number_is_written_in_ascii_digits_and_nothing_else(words: list[str], wanted: str, number: str) -> None:
    line = [word.format(number) for word in words]
    assert parse(line) is None
    with pytest.raises(UsageError) as caught:
        parse_or_explain(line)
    assert f"{number!r} is not {wanted}" in caught.value.what


@pytest.mark.parametrize(("number", "value"), [("40", 40), ("-1", -1), ("007", 7)])
def test_a_plain_number_is_taken(number: str, value: int) -> None:
    parsed = parse(["threshold", "set", number])
    assert parsed is not None
    assert value == parsed.N
