"""Each fact and each mechanism is in one module: the tests search the package for a second one."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

import fingerprint
from fingerprint.agent.paths import is_agents, paths_of
from fingerprint.vault.locations import reference_vault

PACKAGE = Path(fingerprint.__file__).parent
SOURCES = {str(path.relative_to(PACKAGE)): path.read_text() for path in sorted(PACKAGE.rglob("*.py"))}
# The modules that write a vault: by descriptors, under a lock, with names that the next writer finds.
STORE = {"vault/_posix.py", "vault/_posix_exchange.py", "vault/_windows.py"}


@cache
def parsed(name: str) -> ast.Module:
    return ast.parse(SOURCES[name])


def homes(pattern: str) -> set[str]:
    """Return the modules whose source matches a regular expression."""
    return {name for name, text in SOURCES.items() if re.search(pattern, text)}


@cache
def literals(name: str) -> list[str]:
    """Return the strings of a module, without docstrings; of an f-string its constant parts."""
    tree = parsed(name)
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for node in ast.walk(tree) if isinstance(node, documented) and ast.get_docstring(node)]
    docstrings = {id(node.body[0].value) for node in nodes if isinstance(node.body[0], ast.Expr)}
    strings = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in docstrings]
    return [str(node.value) for node in strings if isinstance(node.value, (str, bytes))]


def literal_homes(pattern: str) -> set[str]:
    """Return the modules with a string that matches a regular expression."""
    return {name for name in SOURCES if any(re.search(pattern, text) for text in literals(name))}


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        # A socket has no content that must be written before it gets its name.
        (r"\bos\.(?:rename|renames|replace|link)\b", {"_io/atomic.py", "credentials/unix_socket.py", *STORE}),
        (r"\bO_EXCL\b|open\([^)]*[\"']x[bt]?[\"']", {"_io/atomic.py", "cli/fleet_input.py", *STORE}),
        (r"\bNamedTemporaryFile\b|\bmkstemp\b", set()),
    ],
)
def test_one_module_gives_files_their_names(pattern: str, expected: set[str]) -> None:
    assert homes(pattern) <= expected
    assert expected <= homes(pattern) | STORE


def test_one_module_follows_links_below_a_root() -> None:
    # `Disk` reads links by descriptors, for the walk in `_io/chroot.py`; the last two read the name of a namespace and
    # of a bus.
    walkers = {"_io/chroot.py", "image/disk.py", "machine/reader.py", "machine/network.py"}
    assert homes(r"\breadlink\b") == walkers
    assert homes(r"raise OSError\(errno\.ELOOP") == {"_io/chroot.py"}


def test_one_module_reads_and_writes_times() -> None:
    pattern = r"strptime|strftime|fromisoformat|isoformat|\btimegm\b|\bmktime\b|parsedate|formatdate|\bgmtime\b"
    # The exception: a column of Arrow has datetimes, which are written as JSON.
    assert homes(pattern) == {"_io/times.py", "fleet/io/writer.py"}


def test_one_module_masks_and_redacts() -> None:
    # Also in cells of tables that are too long.
    assert homes("…") == {"_io/text.py", "cli/output.py"}
    # The last two need the user, or the host without the user; they print neither.
    assert homes(r"rpartition\(\"@\"\)|rfind\(\"@\"") == {"_io/text.py", "agent/proxies.py", "diagnose/network.py"}
    assert homes(r"isprintable\(\)\s+else\b") == {"_io/text.py"}


@pytest.mark.parametrize(
    "pattern",
    [
        r"amazon[/\\]ssm", r"Amazon[/\\]+SSM", r"aws/ssm", r"^/snap/(?!bin)", "AmazonSSMAgent",
        r"com\.amazon\.aws\.ssm", r"identity_config\.json$", "runtimeconfig", "InstanceData", "ssm-agent-users",
        r"^ssm-user$", r"errors\.log", r"hibernate\.log", "ssm-document-worker", "ProgramFiles|ALLUSERSPROFILE",
        r"/var/root", r"^/root/?$", r"systemprofile",
    ],
)  # fmt: skip
def test_a_path_or_name_of_the_agent_stands_in_one_module(pattern: str) -> None:
    # `vault_use` reads through /proc/PID/root.
    assert literal_homes(pattern) - {"agent/vault_use.py"} == {"agent/paths.py"}


def test_the_agents_own_name_is_only_in_its_paths_and_versions() -> None:
    assert literal_homes("amazon-ssm-agent|ssm-agent-worker") == {"agent/paths.py", "agent/versions.py"}


@pytest.mark.parametrize("platform", ["linux", "macos", "windows", "win32", "darwin", "freebsd"])
def test_every_path_of_the_agent_is_known_as_its_own(platform: str) -> None:
    known = paths_of(platform)
    general = {known.shared_credentials, known.home, known.separator}
    if platform not in ("windows", "win32", "macos", "darwin"):
        general.add(known.programs)
    paths = [value for value in known._fields() if isinstance(value, str) and value and value not in general]
    assert [path for path in paths if not is_agents(path + known.separator)] == []
    assert not is_agents(known.shared_credentials)


def test_vault_and_registration_are_in_the_agents_data_directory() -> None:
    for platform in ("linux", "darwin", "win32"):
        known = paths_of(platform)
        assert reference_vault(platform, {}) == known.vault
        assert known.vault.rpartition(known.separator)[0] == known.data
        assert known.registration.rpartition(known.separator)[0] == known.data


@cache
def defined(name: str) -> set[str]:
    """Return the names that a module defines at its top level, also under a condition."""
    found: set[str] = set()
    pending: list[ast.stmt] = list(parsed(name).body)
    while pending:
        node = pending.pop()
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            names = [one for target in node.targets for one in ast.walk(target)]
            found |= {one.id for one in names if isinstance(one, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
        elif isinstance(node, (ast.If, ast.Try)):
            pending += [*node.body, *node.orelse]
    return found


# The name that is imported from where it is re-exported: it depends on the operating system.
REEXPORTED = {("vault/files", "Directory")}


@pytest.mark.parametrize("name", SOURCES)
def test_names_are_imported_from_where_they_are_defined(name: str) -> None:
    for node in ast.walk(parsed(name)):
        if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("fingerprint."):
            continue
        home = (node.module or "").partition(".")[2].replace(".", "/")
        if f"{home}.py" in SOURCES:
            foreign = {one.name for one in node.names if one.name not in defined(f"{home}.py")}
            assert not {(home, one) for one in foreign} - REEXPORTED, node.lineno


def test_the_command_that_registers_stands_in_one_module() -> None:
    # Options have examples; the local service prints a command without an activation in it.
    assert literal_homes("fingerprint register --") - {"cli/table/identity.py", "cli/commands/local_service.py"} == {
        "vault/records.py"
    }


def test_values_are_declared_and_not_written_by_hand() -> None:
    # The base of all values; the options of the command line, made at each start; three that accumulate data.
    by_hand = {
        "types/base.py",
        "cli/options.py",
        "machine/keeping.py",
        "smbios/dmidecode.py",
        "support_bundle/bundle.py",
    }
    assert homes(r"(?m)^    __slots__ =") == by_hand


@pytest.mark.parametrize(
    ("pattern", "home"),
    [
        (r"^\.aws$|^aws_secret_access_key$", {"agent/paths.py", "credentials/profile_dialects.py"}),
        (r"^AWS_(?:SHARED_CREDENTIALS|CONFIG)_FILE$|^AWS_(?:DEFAULT_)?PROFILE$", {"credentials/profile_dialects.py"}),
        (r"^FINGERPRINT_(?:STATE|VAULT)$|/Library/Application Support", {"vault/locations.py"}),
        (r"^/etc/machine-id$|^/var/lib/dbus/machine-id$", {"attributes/machine_id.py", "testing/machines.py"}),
        (r"^/etc/(?:passwd|shadow|group)$", {"machine/base.py"}),
        (r"\.dockerenv|\.containerenv", {"collectors/stable.py"}),
        (r"^/latest/api/token$", {"agent/providers.py"}),
        (r"Run it as (?:root|Administrator)$", {"_io/permissions.py"}),
        (r"^Restore the vault from a backup of before", {"vault/regeneration.py"}),
        (r"^Find the node and its role", {"agent/logs/error_causes/service.py"}),
        (r"cloud-aws\.adc-e|amazonaws\.com\.cn", {"agent/regions.py"}),
    ],
)
def test_a_fact_of_the_system_or_of_aws_stands_in_one_module(pattern: str, home: set[str]) -> None:
    assert literal_homes(pattern) == home


def test_one_function_quotes_what_others_wrote() -> None:
    # Names of settings have no quotes; a path is quoted completely.
    assert homes(r"\bascii\((?!\))|!a\}") == {"_io/text.py", "agent/config.py", "cli/service_files.py"}
