"""Checks of the agent itself: installed, unchanged, running, and its version."""

from __future__ import annotations

import errno
import re
from itertools import pairwise

from fingerprint._io.text import quoted
from fingerprint._io.times import utc
from fingerprint.agent.paths import CORE, LAUNCHD_SERVICE, PACKAGE, SNAP, UNITS, WINDOWS_SERVICE, WORKER, paths_of
from fingerprint.agent.versions import assess, open_vulnerabilities, row_since
from fingerprint.collectors.recipes import version_of
from fingerprint.diagnose.checks.releases import UPDATE, how_to_update
from fingerprint.diagnose.checks.waiting import wait_of
from fingerprint.diagnose.result import failed, not_on_disk, passed, skipped, unknown, warned
from fingerprint.machine.base import NotThisMachine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.diagnose.context import Site
    from fingerprint.diagnose.result import Finding
    from fingerprint.machine.processes import CommandResult

_OTHERS_MAY_WRITE = 0o022
_EXPECTED_USERS = {"windows": ("NT AUTHORITY\\SYSTEM", "LocalSystem", "SYSTEM")}
_DPKG, _RPM = "/usr/bin/dpkg", "/usr/bin/rpm"
_LAUNCHCTL = "/bin/launchctl"
_OS_RELEASE = "/etc/os-release"
# The third column of dpkg -V and rpm -V marks configuration files, which may change.
_CONFIGURATION = (" c ", f"{paths_of('linux').config.rpartition('/')[0]}/", "/etc/init/", UNITS[0])
_SEE_WAITING = "See `waiting` for what fails"
# States of unit files. A unit that is enabled only in /run does not start at boot.
_NOT_AT_BOOT = ("disabled", "enabled-runtime", "indirect", "linked", "linked-runtime", "masked", "masked-runtime")
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
        return failed("the agent is not installed", f"{site.program_directory} has none of its programs",
                      remedy="Install it with ssm-setup-cli", tag="not-installed")  # fmt: skip
    if unsafe:
        return failed("users other than root may change the agent's programs, which run as root", *unsafe,
                      remedy="Reinstall it, and find out who changed the permissions")  # fmt: skip
    if site.paths.core in {path.rpartition(site.paths.separator)[2] for path in missing}:
        return failed("the agent's main program is missing", *missing, remedy="Reinstall it", tag="not-installed")
    if missing:
        return warned(f"{len(missing)} of {len(site.paths.binaries)} programs are missing", *missing,
                      "agents before 3.0 have fewer programs", remedy="Reinstall it")  # fmt: skip
    return passed(f"installed in {site.program_directory}")


def package(site: Site) -> Finding:
    """Check that the files of the agent's package are as installed."""
    if site.machine.platform != "linux":
        return skipped("only Linux packages can be verified")
    if site.copied:
        return not_on_disk("the package manager of a copied disk is not run")
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


def running(site: Site) -> Finding:
    """Check that one agent runs, as root and also after a boot."""
    if site.copied:
        return not_on_disk("nothing runs on a copied disk")
    try:
        if site.machine.platform == "windows":
            return _windows_service(site)
        processes, unit = site.processes, unit_of(site)
    except OSError as error:
        return (skipped if site.recorded else unknown)(error.strerror or str(error))
    core = [one for one in processes if one.name == CORE]
    workers = [one for one in processes if one.name == WORKER]
    described = []
    if unit:
        described.append(f"{unit.get('Id', 'unit')}: {unit.get('ActiveState')} ({unit.get('SubState')}), "
                         f"{unit.get('UnitFileState')}, restarted {unit.get('NRestarts', '?')} times")  # fmt: skip
    if site.machine.platform == "macos" and not core:
        described += _launchd(site)
    for one in processes:
        since = f" since {utc(one.started)}" if one.started is not None else ""
        described.append(f"{one.name}: process {one.pid}, {one.user}{since}")
    disabled = _not_at_boot(unit)
    if disabled == "disabled":
        described += _why_disabled(site)
    if not core and disabled:
        return failed(
            f"the agent does not run and will not start at boot: its unit is {disabled}",
            *described, remedy="Enable and start it", command=_enable_command(unit, now=True), tag="not-running",
        )  # fmt: skip
    if not core:
        return failed(
            "the agent does not run", *described, remedy="Start it", command=restart_command(site), tag="not-running"
        )
    if len(core) > 1:
        return warned(f"{len(core)} agents run at the same time and take each other's messages", *described,
                      remedy="Stop them, then start the service once", command=restart_command(site))  # fmt: skip
    user = core[0].user
    if user not in ("root", ""):
        return failed(f"the agent runs as {user}, not as root: it cannot read its vault", *described,
                      remedy="Remove User= from its unit and restart it", command=restart_command(site))  # fmt: skip
    if disabled:
        return warned(f"the agent runs but will not start at boot: its unit is {disabled}",
                      *described, remedy="Enable it", command=_enable_command(unit))  # fmt: skip
    since = f" since {utc(core[0].started)}" if core[0].started is not None else ""
    worker = f", with {len(workers)} worker{'s' * (len(workers) != 1)}" if workers else ", without a worker"
    return passed(f"the agent runs{since}{worker}", *described)


def _not_at_boot(unit: dict[str, str] | None) -> str:
    """Return the state of a unit that does not start at boot, such as "disabled"; "" if it does."""
    state = (unit or {}).get("UnitFileState", "")
    return state if state in _NOT_AT_BOOT else ""


def _enable_command(unit: dict[str, str] | None, *, now: bool = False) -> str:
    """Return the command that makes the agent start at boot; with `now` also at once."""
    name = (unit or {}).get("Id", PACKAGE)
    # snapd stores itself which services start.
    snap = name.startswith("snap.")
    enable = f"snap start --enable {PACKAGE}" if snap else f"systemctl enable {'--now ' * now}{name}"
    masked = _not_at_boot(unit)
    if not masked.startswith("masked"):
        return enable
    # A unit that is masked in /run requires the option.
    return f"systemctl unmask {'--runtime ' * masked.endswith('-runtime')}{name} && {enable}"


def _why_disabled(site: Site) -> list[str]:
    """Return the known reason why this system disables the unit, as evidence."""
    try:
        release = site.machine.read_file(_OS_RELEASE).decode("utf-8", "replace")
    except OSError:
        return []
    named = " ".join(
        line.partition("=")[2] for line in release.splitlines() if line.startswith(("ID=", "ID_LIKE="))
    ).lower()  # fmt: skip
    if "suse" not in named and "sles" not in named:
        return []
    return ["on SUSE an update of the package leaves the unit disabled, even if it was enabled before"]


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


def _launchd(site: Site) -> list[str]:
    [result] = site.run((_LAUNCHCTL, "print", f"system/{LAUNCHD_SERVICE}"))
    if not result.succeeded:
        return [f"launchd does not know {LAUNCHD_SERVICE}"]
    lines = [line.strip() for line in result.stdout.decode("utf-8", "replace").splitlines()]
    return [line for line in lines if line.startswith(("state =", "pid =", "last exit code ="))]


def _windows_service(site: Site) -> Finding:
    try:
        state = site.machine.service_state(WINDOWS_SERVICE)
    except FileNotFoundError:
        return failed(f"the service {WINDOWS_SERVICE} does not exist", remedy="Install the agent", tag="not-installed")
    if state != "running":
        return failed(
            f"the service {WINDOWS_SERVICE} is {state}",
            remedy="Start it",
            command=restart_command(site),
            tag="not-running",
        )
    try:
        core = next((one for one in site.processes if one.name == CORE), None)
    except OSError:
        core = None
    user = core.user if core is not None else ""
    since = f" since {utc(core.started)}" if core is not None and core.started is not None else ""
    if user and user.upper() not in (name.upper() for name in _EXPECTED_USERS["windows"]):
        return failed(f"the agent runs as {user}, not as SYSTEM", remedy="Set its service to log on as LocalSystem")
    return passed(f"the service {WINDOWS_SERVICE} runs{since}{f' as {user}' if user else ''}",
                  *(f"{one.name}: process {one.pid}" for one in (core,) if one is not None))  # fmt: skip


def version(site: Site) -> Finding:
    """Check the version of the agent: known defects, updates and restarts."""
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
