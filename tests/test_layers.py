"""The layers of the package: a module imports only from lower ones."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from pathlib import Path

import pytest

import fingerprint

PACKAGE = Path(fingerprint.__file__).parent
# From top to bottom: modules of a line import only modules of lower lines.
LAYERS = """
cli
support_bundle
answers
monitor
diagnose
image
fleet
credentials
explanation
testing
registration
guard_units
guard_forecast
guard recovery
gate
observation
agent
collectors
vault
machine
rules
attributes
smbios
agent.paths
_io
types
_core _fleet _matchlines
errors
"""
LEVELS = {name: -number for number, line in enumerate(LAYERS.split("\n")) for name in line.split()}
# These two re-export names of all layers.
REEXPORTS = ("__init__.py", "__main__.py")
MODULES = [p for p in sorted(PACKAGE.rglob("*.py")) if str(p.relative_to(PACKAGE)) not in REEXPORTS]


# Data of a package in a higher layer: lower layers need the paths of the agent to find it.
SEPARATE = ("agent.paths",)


def layer(path: Path) -> str:
    return layer_of(path.relative_to(PACKAGE).with_suffix("").parts)


def layer_of(parts: Sequence[str]) -> str:
    """Return the layer of a module, given the parts of its name within the package."""
    return next((one for one in SEPARATE if ".".join(parts[:2]) == one), parts[0])


def imported_layers(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fingerprint"):
            parts = (node.module or "").split(".")
            found |= {layer_of(parts[1:])} if len(parts) > 1 else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {layer_of(a.name.split(".")[1:]) for a in node.names if a.name.startswith("fingerprint.")}
    return found - {"__version__"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_from_lower_layers(path: Path) -> None:
    mine = layer(path)
    above = {other for other in imported_layers(path) - {mine} if LEVELS[other] >= LEVELS[mine]}
    assert not above, f"{path} in layer {mine} imports {above}"


def test_machine_vault_and_rules_are_independent() -> None:
    for path in MODULES:
        if layer(path) in ("machine", "collectors"):
            assert not imported_layers(path) & {"vault", "rules"}, path
        if layer(path) == "vault":
            assert not imported_layers(path) & {"machine", "collectors", "rules"}, path


def test_every_module_is_in_a_layer() -> None:
    assert {layer(path) for path in MODULES} <= LEVELS.keys()


def test_the_testing_package_is_used_by_its_command_only() -> None:
    users = {str(path.relative_to(PACKAGE)) for path in MODULES if "testing" in imported_layers(path)}
    assert {user for user in users if not user.startswith("testing/")} == {"cli/commands/local_service.py"}


def test_a_package_with_separate_data_imports_nothing() -> None:
    for one in SEPARATE:
        assert not imported_layers(PACKAGE / one.split(".")[0] / "__init__.py")


def first_imports(path: Path) -> set[str]:
    """Return the names of the modules that a module imports when it is loaded, without those in its functions."""
    found, pending = set(), list(ast.parse(path.read_text()).body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            pending += node.orelse
        elif isinstance(node, (ast.If, ast.Try)):
            pending += [*node.body, *node.orelse]
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module or ""}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


def test_modules_have_no_circular_imports() -> None:
    """Also within a layer, so that modules can be read and loaded in the order of their imports."""
    names = {".".join(("fingerprint", *p.relative_to(PACKAGE).with_suffix("").parts)): p for p in MODULES}
    left = {name: first_imports(path) & names.keys() - {name} for name, path in names.items()}
    while ready := {name for name, imported in left.items() if not imported & left.keys()}:
        for name in ready:
            del left[name]
    assert left == {}


def named_loggers(path: Path) -> set[str]:
    """Return the names of the package's loggers that a module has as constants."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            given = node.args if ast.unparse(node.func).endswith("getLogger") else []
            given = [*given, *(keyword.value for keyword in node.keywords if keyword.arg == "logger")]
            found |= {one.value for one in given if isinstance(one, ast.Constant)}
    return {name for name in found if str(name).startswith("fingerprint.")}


def test_a_logger_has_the_name_of_its_package() -> None:
    """A filter of the log by package then finds all lines of the package."""
    wrong = {(path, name) for path in MODULES for name in named_loggers(path) if name != f"fingerprint.{layer(path)}"}
    assert not wrong
    assert {"gate", "registration", "credentials"} <= {layer(path) for path in MODULES if named_loggers(path)}
