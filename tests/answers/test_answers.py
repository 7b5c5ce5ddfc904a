"""The JSON answers: one function for each schema, used by every command that prints one, and valid."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import pytest
from jsonschema import Draft202012Validator

import fingerprint
from agent_machines import AgentMachine
from broken_machines import other_machine
from commandline import run
from every_command import WRITING, machine_for_every_command, words_of
from fingerprint import answers
from fingerprint.cli.table import all_commands

PACKAGE = Path(fingerprint.__file__).parent
SCHEMAS = {path.stem for path in (PACKAGE / "schemas").glob("*.json")}
# The native core reads and writes these lines.
NATIVE = {"match-in", "match-out"}
# Another form of an answer, and the schema that has both.
FORMS = {"diagnose-list": "diagnose", "guard-files": "guard-install", "whatif-events": "whatif"}
# These print no JSON of ours: text, a line of a plug-in, a credential process, lines of `match`, a row of a fleet.
WITHOUT_JSON = {"completion", "help", "monitor nagios", "credentials process", "match", "fleet row"}
# These need a service, an earlier record, or stay: tests/credentials and tests/vault validate their answers.
ELSEWHERE = {"credentials update", "credentials serve", "local-service", "vault restore"}


def answer_functions() -> dict[str, str]:
    """Return the name of each function of an answer, as that of its schema, and the module that has it."""
    found: dict[str, str] = {}
    for module in iter_modules(answers.__path__, "fingerprint.answers."):
        for name, value in vars(import_module(module.name)).items():
            if name.endswith("_answer") and value.__module__ == module.name:
                word = name.removesuffix("_answer").replace("_", "-")
                assert word not in found, f"{word} is in {found[word]} and in {module.name}"
                found[word] = module.name
    return found


def test_every_schema_has_one_answer_function() -> None:
    functions = answer_functions()
    assert functions.keys() - FORMS.keys() == SCHEMAS - NATIVE
    assert FORMS.keys() <= functions.keys()
    assert set(FORMS.values()) <= SCHEMAS


def test_every_command_has_a_schema_or_prints_no_json() -> None:
    commands = {command.path.replace(" ", "-") for command in all_commands()}
    without = {path.replace(" ", "-") for path in WITHOUT_JSON}
    assert commands - without == SCHEMAS - NATIVE - {"error", "explain-snapshots"}


def functions_of(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def imported_answers(tree: ast.Module) -> set[str]:
    """Return the names of the functions of answers that a module imports."""
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    names = {alias.name for node in nodes if (node.module or "").startswith(answers.__name__) for alias in node.names}
    return {name for name in names if name.endswith("_answer")}


def makers(value: ast.expr, function: ast.FunctionDef) -> set[str]:
    """Return the names of the functions that may make a value: those called, also where a variable stands for it."""
    if isinstance(value, ast.Call):
        return makers(value.func, function)
    if isinstance(value, ast.IfExp):
        return makers(value.body, function) | makers(value.orelse, function)
    if isinstance(value, ast.Name):
        assigned = [
            node.value for node in ast.walk(function)
            if isinstance(node, ast.Assign) and value.id in {ast.unparse(target) for target in node.targets}
        ]  # fmt: skip
        return set().union(*(makers(one, function) for one in assigned)) if assigned else {value.id}
    return {ast.unparse(value)}


def test_commands_print_only_answers_of_the_package() -> None:
    printed = set()
    for path in sorted((PACKAGE / "cli").rglob("*.py")):
        tree = ast.parse(path.read_text())
        for function in functions_of(tree):
            for node in ast.walk(function):
                if isinstance(node, ast.Call) and ast.unparse(node.func) in ("print_json", "enveloped"):
                    names = makers(node.args[1], function)
                    if function.name != "print_json":
                        assert names <= imported_answers(tree), f"{path.name}, line {node.lineno}: {ast.unparse(node)}"
                        printed |= names
    assert {name.removesuffix("_answer").replace("_", "-") for name in printed} == answer_functions().keys()


def test_the_support_bundle_imports_nothing_of_the_command_line() -> None:
    modules = {path.name: path.read_text() for path in (PACKAGE / "support_bundle").glob("*.py")}
    assert "contents.py" in modules
    assert [name for name, text in modules.items() if "fingerprint.cli" in text] == []


@pytest.fixture(scope="module", params=["healthy", "another machine, revealed", "no vault"])
def machine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AgentMachine:
    found = machine_for_every_command(tmp_path_factory.mktemp("machine"))
    if request.param == "another machine, revealed":
        other_machine(found)
    elif request.param == "no vault":
        found.record = found.registration = None
        for path in (found.vault_path / "Store").iterdir():
            path.unlink()
    found.write()
    return found


@pytest.mark.parametrize("path", sorted({*WRITING} - WITHOUT_JSON - ELSEWHERE))
def test_every_json_answer_is_valid_by_its_schema(
    machine: AgentMachine, path: str, request: pytest.FixtureRequest
) -> None:
    words = words_of(machine, path)
    if path == "snapshot":
        words[-1] = str(machine.directory / "new.json")
    reveal = ["--reveal"] * ("revealed" in request.node.name)
    done = run(*words, "--output", "json", *reveal, env=machine.env)
    answer: dict[str, Any] = json.loads(done.stdout)
    assert answer["command"] == path or ("healthy" not in request.node.name and answer["command"] == "error")
    schema = json.loads((PACKAGE / "schemas" / f"{answer['command'].replace(' ', '-')}.json").read_text())
    Draft202012Validator(schema).validate(answer)
