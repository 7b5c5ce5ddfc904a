"""Checks of the installed agent: its programs, its package and its version. `running` has its service."""

from __future__ import annotations

import errno
import re
from itertools import pairwise

from fingerprint._io.text import quoted
from fingerprint._io.times import utc
from fingerprint.agent.installed import version_result
from fingerprint.agent.paths import LAUNCHD_SERVICE, PACKAGE, SNAP, UNITS, WINDOWS_SERVICE, WORKER, paths_of
from fingerprint.agent.systemd_unit import RUNS
from fingerprint.agent.versions import assess, open_vulnerabilities, row_since
from fingerprint.collectors.recipes import version_of
from fingerprint.diagnose.checks.releases import UPDATE, how_to_update
from fingerprint.diagnose.checks.start_failures import why_of_error, why_of_file, why_of_panic
from fingerprint.diagnose.checks.waiting import wait_of
from fingerprint.diagnose.result import NOT_INSTALLED, failed, not_on_disk, passed, skipped, unknown, warned
from fingerprint.machine.base import NotThisMachine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.diagnose.checks.start_failures import Why
    from fingerprint.diagnose.context import Site
    from fingerprint.diagnose.result import Finding
    from fingerprint.machine.processes import CommandResult

_OTHERS_MAY_WRITE = 0o022
# From 3.0 on the core agent and its worker are two programs.
_WITH_WORKER = (3,)
_DPKG, _RPM = "/usr/bin/dpkg", "/usr/bin/rpm"
# The third column of dpkg -V and rpm -V marks configuration files, which may change.
_CONFIGURATION = (" c ", f"{paths_of('linux').config.rpartition('/')[0]}/", "/etc/init/", UNITS[0])
_SEE_WAITING = "See `waiting` for what fails"
_GO_BACK, _REVERT = "Revert to the previous version", f"snap revert {PACKAGE}"
# Between the start of the process and its first line in the log.
_SAME_START_SECONDS = 5.0
# Files that small images leave out (path-exclude of dpkg).
_LEFT_OUT = re.compile(r"missing +(?:[a-z] +)?/usr/share/(?:doc|man|locale)(?:/|$)")


def installed(site: Site) -> Finding:
    """Check that the agent's programs exist and only root may change them."""
    missing, unsafe = [], []
    found = 0
    for name in site.paths.binaries:
        path = f"{site.program_directory}{site.paths.separator}{name}"
        try:
            status = site.machine.status(path)
        except (FileNotFoundError, NotADirectoryError):
            missing.append(path)
            continue
        except OSError as error:
            if error.errno == errno.ENODATA:
                found += 1
                continue
            return unknown(f"{path}: {error.strerror}")
        found += 1
        if site.machine.platform != "windows" and (status.uid != 0 or status.mode & _OTHERS_MAY_WRITE):
            unsafe.append(f"{path}: mode {status.mode:04o}, owner {status.uid}")
    if not found:
        if site.has_agent is None:
            return skipped("the recording does not cover the agent")
        if site.runs:
            return failed(
                f"the agent is not installed in {site.program_directory}, and yet it runs: its programs were removed, "
                "or are elsewhere", "if they were removed it does not start again",
                remedy="Find its programs (ls -l /proc/PID/exe), or reinstall it",
            )  # fmt: skip
        return failed(NOT_INSTALLED, f"{site.program_directory} has none of its programs",
                      remedy="Install it with ssm-setup-cli", tag="not-installed")  # fmt: skip
    if unsafe:
        return failed("users other than root may change the agent's programs, which run as root", *unsafe,
                      remedy="Reinstall it, and find out who changed the permissions")  # fmt: skip
    absent = {path.rpartition(site.paths.separator)[2].removesuffix(".exe") for path in missing}
    if site.paths.core.removesuffix(".exe") in absent:
        return failed("the agent's main program is missing", *missing, remedy="Reinstall it", tag="not-installed")
    if WORKER in absent and version_of(site.version) >= _WITH_WORKER:
        return failed(f"the agent's worker program {WORKER} is missing: without it the node is offline", *missing,
                      remedy="Reinstall the agent")  # fmt: skip
    stopped = _why_not_executable(site)
    if stopped is not None:
        return failed(f"the agent's program cannot run: {stopped.text}", *stopped.evidence, remedy=stopped.remedy,
                      command=stopped.command)  # fmt: skip
    if missing:
        return warned(f"{len(missing)} of {len(site.paths.binaries)} programs are missing", *missing,
                      "agents before 3.0 have fewer programs", remedy="Reinstall it")  # fmt: skip
    if len(site.program_directories) > 1:
        return _installed_twice(site)
    return passed(f"installed in {site.program_directory}")


def _why_not_executable(site: Site) -> Why | None:
    """Return why the agent's programs cannot be executed; None if they can, or that is not known."""
    for name in site.paths.binaries[:2]:
        by_file = why_of_file(site, f"{site.program_directory}{site.paths.separator}{name}")
        if by_file is not None and not by_file.text.endswith("is missing"):
            return by_file
    # Before our own call, which would count as a running agent, the processes are listed.
    site.version  # noqa: B018
    result = version_result(site.machine, site.program_directory)
    if result is None or result.succeeded:
        return None
    if result.problem in ("failed", "denied"):
        return why_of_error(site, result.argv[0], result.stderr or "permission denied")
    if result.problem:
        return None
    said = f"{result.stdout.decode('utf-8', 'replace')}\n{result.stderr}".splitlines()
    return why_of_panic(site, said)


def _installed_twice(site: Site) -> Finding:
    """Return the finding for a package and a snap on one machine, which share one registration."""
    try:
        units = {unit.get("Id", ""): unit for unit in site.units}
    except OSError:
        units = {}
    running = [name for name in UNITS if units.get(name, {}).get("ActiveState") in RUNS]
    described = [
        f"{name}: {units[name].get('ActiveState')} ({units[name].get('SubState')}), {units[name].get('UnitFileState')}"
        for name in UNITS if name in units
    ]  # fmt: skip
    # The package is kept, unless only the snap runs: its version changes only when somebody updates it.
    other = UNITS[0] if running == [UNITS[1]] else UNITS[1]
    titles = {UNITS[0]: "the package", UNITS[1]: "the snap"}
    off = (units.get(other, {}).get("UnitFileState") or "disabled") in ("disabled", "masked")
    if running and other not in running and off:
        return passed(f"installed twice, by a package and as a snap: {titles[running[0]]} runs, {titles[other]} is off",
                      *described)  # fmt: skip
    runs = "both run" if len(running) > 1 else f"{titles[running[0]]} runs" if running else (
        "neither runs" if units else "unknown which one runs"
    )  # fmt: skip
    command = f"snap stop --disable {PACKAGE}" if other == UNITS[1] else f"systemctl disable --now {other}"
    return warned(
        f"the agent is installed twice, by a package ({site.paths.programs}) and as a snap ({SNAP}): {runs}",
        *described,
        "both use one registration, vault and log; snapd refreshes its own by itself",
        remedy=f"Keep one of them: stop and disable {titles[other]}, then remove it", command=command,
    )  # fmt: skip


def package(site: Site) -> Finding:
    """Check that the files of the agent's package are as installed."""
    if site.machine.platform != "linux":
        return skipped("only Linux packages can be verified")
    if site.copied:
        return not_on_disk("the package manager of a copied disk is not run")
    if site.without_agent:
        return skipped(NOT_INSTALLED)
    try:
        commands = [
            command for command, program in (
                ((_DPKG, "--verify", PACKAGE), _DPKG), ((_RPM, "--verify", PACKAGE), _RPM)
            ) if site.machine.exists(program)
        ]  # fmt: skip
        results = site.run(*commands) if commands else []
    except NotThisMachine as error:
        return skipped(str(error.strerror))
    if any(result.problem == "timeout" for result in results):
        return unknown("the package manager timed out")
    if results and all(result.problem in ("not-run", "not-recorded") for result in results):
        return skipped(results[0].stderr or "not in the recording")
    lines = [line for result in results for line in _lines(result)]
    touched = [line for line in lines if not _LEFT_OUT.match(line) and not any(mark in line for mark in _CONFIGURATION)]
    if touched:
        return failed(f"{len(touched)} file{'s' * (len(touched) != 1)} of the package changed since it was installed",
                      *touched[:20], remedy="Reinstall it, and find out who changed the files")  # fmt: skip
    if any(result.succeeded or _lines(result) for result in results):
        left_out = ", except documentation that was not installed" if any(map(_LEFT_OUT.match, lines)) else ""
        return passed(f"the files of its package are as installed{left_out}", *lines)
    broken = [result for result in results if not _says_not_installed(result)]
    if broken:
        ended = broken[0].problem or f"exit code {broken[0].returncode}"
        return unknown(f"{' '.join(broken[0].argv)}: {ended}", *broken[0].stderr.splitlines()[:3],
                       remedy="Run the command alone and fix what it reports")  # fmt: skip
    return skipped("not installed by dpkg or rpm")


def _lines(result: CommandResult) -> list[str]:
    """Return the lines of a package manager about files."""
    if result.problem or _says_not_installed(result):
        return []
    return [line for line in result.stdout.decode("utf-8", "replace").splitlines() if line.strip()]


def _says_not_installed(result: CommandResult) -> bool:
    """Return whether the package manager does not know the package."""
    said = (result.stderr + result.stdout.decode("utf-8", "replace")).lower()
    return bool(result.returncode) and ("is not installed" in said or "not-installed" in said)


def unit_of(site: Site) -> dict[str, str] | None:
    """Return the properties of the agent's systemd unit, None without them."""
    try:
        return site.unit
    except OSError:
        return None


def restart_command(site: Site) -> str:
    """Return the command that starts or restarts the agent."""
    if site.machine.platform == "macos":
        return f"sudo launchctl kickstart -k system/{LAUNCHD_SERVICE}"
    if site.machine.platform == "windows":
        return f"Restart-Service {WINDOWS_SERVICE}"
    unit = unit_of(site)
    return f"systemctl restart {unit['Id'] if unit and unit.get('Id') else PACKAGE}"


def version(site: Site) -> Finding:
    """Check the version of the agent: known defects, updates and restarts."""
    if site.without_agent:
        return skipped(NOT_INSTALLED)
    installed, behaviour = site.version, site.behaviour
    if not installed:
        return skipped(behaviour.text)
    numbers = version_of(installed)
    concerns = _concerns(installed)
    running, (updated, fails) = _running_another(site), _updated(site)
    if fails:
        concerns.insert(
            0, (f"{updated}, and has failed since then", _GO_BACK if site.program_directory == SNAP else _SEE_WAITING)
        )
    if running:
        concerns.insert(0, (running, "Restart it"))
    evidence = [text for text, _ in concerns]
    if updated and not fails:
        evidence.append(updated)
    if site.program_directory == SNAP:
        evidence.append(f"snapd refreshes it automatically: `snap refresh --hold {PACKAGE}` keeps the version")
    if not numbers:
        return warned(f"{quoted(installed)} is not a version of the agent", behaviour.text,
                      remedy="Compare it with the installed package")  # fmt: skip
    if concerns:
        text, remedy = concerns[0]
        remedy, command = _commanded(site, remedy)
        return warned(f"version {installed}: {text}", *evidence[1:], behaviour.text, remedy=remedy, command=command)
    if not behaviour.known:
        return passed(f"version {installed}; {behaviour.text}", *evidence)
    return passed(f"version {installed}", *evidence, behaviour.text)


def _commanded(site: Site, remedy: str) -> tuple[str, str]:
    """Return a remedy with its command, "" for none."""
    if remedy == _GO_BACK:
        return remedy, _REVERT
    return how_to_update(site) if remedy == UPDATE else (remedy, "")


def _concerns(version: str) -> list[tuple[str, str]]:
    """Return (defect, remedy) of a version, the gravest first."""
    if not version_of(version):
        return []
    row, found = assess(version).row, []
    half_hour = row_since("longest_pause", 1800)
    if not row.core_requests:
        found.append((
            "after a rejection its worker hibernates and retries after pauses of up to an hour; from "
            f"{row_since('core_requests', True)} on the core agent requests the credentials, from {half_hour} on it "
            "waits at most half an hour", "Restart it after each fix, and update it",
        ))  # fmt: skip
    elif row.longest_pause is None:
        found.append((
            "it waits a day after a rejection and up to 22 hours after other errors; from "
            f"{half_hour} on it waits at most half an hour", "Restart it after each fix, and update it",
        ))  # fmt: skip
    holes = open_vulnerabilities(version)
    if holes:
        named = ", ".join(f"{name} (fixed in {fixed})" for name, fixed in holes)
        found.append((f"it has {named}", UPDATE))
    return found


def _updated(site: Site) -> tuple[str, bool]:
    """Return the last update in the agent's log, "" for none, and whether the agent has failed since."""
    try:
        timeline = site.timeline
        wait = wait_of(site)
    except OSError:
        return "", False
    runs = [run for run in timeline.runs if version_of(run.version)]
    for before, run in reversed([*pairwise(runs)]):
        if before.version != run.version:
            at = site.seconds_of(run.started)
            when = utc(at) if at is not None else run.started
            how = "refreshed by snapd" if site.program_directory == SNAP else "updated"
            good = timeline.last_good
            fails = wait is not None and wait.since >= run.started > good and bool(good)
            return f"it was {how} from {before.version} to {run.version} at {when}", fails
    return "", False


def _running_another(site: Site) -> str:
    """Return that the process has another version than the program, as after an update; "" if not."""
    try:
        run, started = site.timeline.run, site.started
    except OSError:
        return ""
    at = site.seconds_of(run.started)
    if started is None or at is None or at < started - _SAME_START_SECONDS or not version_of(run.version):
        return ""
    if version_of(run.version) == version_of(site.version):
        return ""
    return f"the running agent is {run.version}: its program was replaced without a restart"
