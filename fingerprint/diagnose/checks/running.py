"""Check that one agent runs with its worker, and why it does not: unit, crash loop, program, denial, panic."""

from __future__ import annotations

import re

from fingerprint._io.times import utc
from fingerprint.agent.journal import journal_of
from fingerprint.agent.paths import CORE, LAUNCHD_SERVICE, MAIN_LOG, PACKAGE, WINDOWS_SERVICE, WORKER
from fingerprint.agent.systemd_unit import RUNS, details_of, has_no_unit
from fingerprint.collectors.recipes import version_of
from fingerprint.collectors.wmi_remedies import start_of_service
from fingerprint.diagnose.checks.agent import restart_command, unit_of
from fingerprint.diagnose.checks.start_failures import (
    Why,
    condition_in,
    tail_of,
    why_of_denial,
    why_of_details,
    why_of_error,
    why_of_file,
    why_of_journal,
    why_of_panic,
)
from fingerprint.diagnose.checks.waiting import wait_of
from fingerprint.diagnose.result import NOT_INSTALLED, failed, not_on_disk, passed, skipped, unknown, warned

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.diagnose.context import Site
    from fingerprint.diagnose.result import Finding
    from fingerprint.machine.base import Process

_EXPECTED_USERS = {"windows": ("NT AUTHORITY\\SYSTEM", "LocalSystem", "SYSTEM")}
_LAUNCHCTL = "/bin/launchctl"
_OS_RELEASE = "/etc/os-release"
# States of unit files. A unit that is enabled only in /run does not start at boot.
_NOT_AT_BOOT = ("disabled", "enabled-runtime", "indirect", "linked", "linked-runtime", "masked", "masked-runtime")
# systemd restarts the agent 90 s after each exit: so many restarts, the last just now, are a loop.
_LOOP_RESTARTS = 3
_JUST_SECONDS = 300.0
# A core agent with credentials starts its worker within seconds.
_WORKER_SECONDS = 600.0
_WITH_WORKER = (3,)
_WORKER_ERROR = re.compile(rf"failed to start worker {WORKER}, (?:fork/exec (\S+): )?(.*)$")
_WORKER_ENDED = re.compile(rf"[Pp]rocess:? {WORKER} \(pid:\s*\d+\) (?:has been )?terminated")


def running(site: Site) -> Finding:
    """Check that one agent runs, as root, with its worker, and also after a boot."""
    if site.copied:
        return not_on_disk("nothing runs on a copied disk")
    try:
        if site.machine.platform == "windows":
            return _windows_service(site)
        processes, unit = site.processes, unit_of(site)
    except OSError as error:
        return (skipped if site.recorded else unknown)(error.strerror or str(error))
    core = [one for one in processes if one.name == CORE]
    described = _described(site, unit, processes)
    masked = "masked" in (unit or {}).get("UnitFileState", "") or (unit or {}).get("LoadState") == "masked"
    if not core and site.without_agent and not masked:
        return skipped(NOT_INSTALLED, *described)
    if not core:
        return _not_running(site, unit, described)
    if len(core) > 1:
        # A package and a snap, each with its service; else one was started by hand.
        twice = len(site.program_directories) > 1 and all(unit.get("ActiveState") in RUNS for unit in site.units)
        remedy = "Keep that of the package" if twice else "Stop them, then start the service once"
        command = f"snap stop --disable {PACKAGE}" if twice else restart_command(site)
        return warned(f"{len(core)} agents run at the same time and take each other's messages", *described,
                      remedy=remedy, command=command)  # fmt: skip
    user = core[0].user
    if user not in ("root", ""):
        return failed(f"the agent runs as {user}, not as root: it cannot read its vault", *described,
                      remedy="Remove User= from its unit and restart it", command=restart_command(site))  # fmt: skip
    loop = _loops(site, unit, core[0], described)
    if loop is not None:
        return loop
    workers = [one for one in processes if one.name == WORKER]
    without = _without_worker(site, unit, core[0], workers, described)
    if without is not None:
        return without
    disabled = _not_at_boot(unit)
    if disabled:
        return warned(f"the agent runs but will not start at boot: its unit is {disabled}",
                      *described, remedy="Enable it", command=_enable_command(unit))  # fmt: skip
    since = f" since {utc(core[0].started)}" if core[0].started is not None else ""
    worker = f", with {len(workers)} worker{'s' * (len(workers) != 1)}" if workers else ", without a worker"
    return passed(f"the agent runs{since}{worker}", *described)


def _described(site: Site, unit: dict[str, str] | None, processes: tuple[Process, ...]) -> list[str]:
    described = []
    if unit:
        described.append(f"{unit.get('Id', 'unit')}: {unit.get('ActiveState')} ({unit.get('SubState')}), "
                         f"{unit.get('UnitFileState')}, restarted {unit.get('NRestarts') or '?'} times")  # fmt: skip
    if site.machine.platform == "macos" and not any(one.name == CORE for one in processes):
        described += _launchd(site)
    for one in processes:
        since = f" since {utc(one.started)}" if one.started is not None else ""
        described.append(f"{one.name}: process {one.pid}, {one.user}{since}")
    if _not_at_boot(unit) == "disabled":
        described += _why_disabled(site)
    return described


# It does not run.


def _not_running(site: Site, unit: dict[str, str] | None, described: list[str]) -> Finding:
    def down(why: str, *evidence: str, remedy: str, command: str = "") -> Finding:
        text = f"the agent does not run{why}"
        return failed(text, *described, *evidence, remedy=remedy, command=command, tag="not-running")

    if unit is None and has_no_unit(site.machine):
        return down(": systemd has no unit of it", remedy="Reinstall the agent")
    if unit is None:
        return down("", remedy="Start it", command=restart_command(site))
    name, disabled = unit.get("Id", PACKAGE), _not_at_boot(unit)
    load, active, sub = unit.get("LoadState", ""), unit.get("ActiveState", ""), unit.get("SubState", "")
    later = f", and will not start at boot: its unit is {disabled}" if disabled else ""
    if disabled.startswith("masked") or load == "masked":
        return down(f": its unit {name} is masked, so nothing can start it", remedy="Unmask, enable and start it",
                    command=_enable_command({**unit, "UnitFileState": disabled or "masked"}, now=True))  # fmt: skip
    if load in ("bad-setting", "error"):
        return down(f": systemd cannot load its unit {name} ({load})", remedy="Correct the file of its unit, then run "
                    "systemctl daemon-reload", command=f"systemd-analyze verify {name}")  # fmt: skip
    restarts = restarts_of(unit)
    loops = sub.startswith("auto-restart") or (active in ("failed", "activating") and restarts >= _LOOP_RESTARTS)
    if loops or active == "failed":
        why, evidence = _why_it_ends(site, unit)
        what = f": it fails at each start, and systemd has restarted it {restarts} times" if loops and restarts else (
            ": it ends at each start" if loops else f": its service {name} has failed"
        )  # fmt: skip
        reason = f"; {why.text}" if why.text else ""
        remedy = why.remedy or "Read in its journal why it ends, and fix that"
        command = why.command or (journal_command(name) if not why.remedy else "")
        return down(f"{what}{reason}{later}", *why.evidence, *evidence, remedy=remedy, command=command)
    if active in ("activating", "deactivating", "reloading"):
        return down(f" yet: its service is in the state {active} ({sub})", remedy="Repeat the check in a minute, and "
                    "read its journal if it stays so", command=journal_command(name))  # fmt: skip
    details = details_of(site.machine, name)
    if active == "inactive" and details.get("Result") == "exec-condition":
        return down(": a command of its unit (ExecCondition=) did not let it start", *_drop_ins(details),
                    remedy="See whether it was the guard", command="fingerprint diagnose --only guard-run")  # fmt: skip
    if active == "inactive" and any(_was_refused(details, kind) for kind in ("Condition", "Assert")):
        met = condition_in(journal_of(site.machine, name))
        return down(f": a condition of its unit is not met{f' ({met})' if met else ''}", *_drop_ins(details),
                    remedy="Meet the condition, or remove it from the unit",
                    command=f"systemctl status {name}")  # fmt: skip
    start = _enable_command(unit, now=True) if disabled else restart_command(site)
    remedy = "Enable and start it" if disabled else "Start it"
    later = later.removeprefix(",")
    denied = _why_without_worker(site)
    if denied is None:
        return down(later, remedy=remedy, command=start)
    # A start alone would bring back an agent that is offline.
    return down(f"{later}; when it last ran, it had no worker: {denied.text}", *denied.evidence,
                remedy=f"{denied.remedy or 'Fix that'}, then {remedy[0].lower()}{remedy[1:]}",
                command=denied.command or start)  # fmt: skip


def _was_refused(details: dict[str, str], kind: str) -> bool:
    """Return whether a condition of a unit was not met when it was last started; "no" is also that of no start."""
    return details.get(f"{kind}Result") == "no" and details.get(f"{kind}TimestampMonotonic", "0") != "0"


def restarts_of(unit: dict[str, str]) -> int:
    """Return how often systemd has restarted a unit; 0 if that is not known, as before systemd 235."""
    count = unit.get("NRestarts", "")
    return int(count) if count.isdigit() else 0


def journal_command(unit: str) -> str:
    """Return the command that prints the end of a unit's journal."""
    return f"journalctl -u {unit} -n 50 --no-pager"


def _why_it_ends(site: Site, unit: dict[str, str]) -> tuple[Why, list[str]]:
    """Return why the service ends, the most specific reason first, and further evidence."""
    name = unit.get("Id", PACKAGE)
    core = f"{site.program_directory}{site.paths.separator}{site.paths.core}"
    lines, details = journal_of(site.machine, name), details_of(site.machine, name)
    found = (
        why_of_file(site, core) or why_of_journal(site, lines) or why_of_panic(site, tail_of(site))
        or why_of_denial(site) or why_of_details(details)
    )  # fmt: skip
    evidence = _drop_ins(details)
    if details.get("Result") == "start-limit-hit":
        evidence.append(f"systemd has given up: start it with systemctl reset-failed {name} && systemctl start {name}")
    return found or Why(""), evidence


def _drop_ins(details: dict[str, str]) -> list[str]:
    paths = details.get("DropInPaths", "")
    return [f"settings added to its unit: {paths}"] if paths else []


def _loops(site: Site, unit: dict[str, str] | None, core: Process, described: list[str]) -> Finding | None:
    """Return that a running agent was just restarted again; None if it was not."""
    restarts = restarts_of(unit or {})
    if unit is None or restarts < _LOOP_RESTARTS or core.started is None:
        return None
    if site.machine.now() - core.started > _JUST_SECONDS:
        return None
    why, evidence = _why_it_ends(site, unit)
    reason = f"; {why.text}" if why.text else ""
    name = unit.get("Id", PACKAGE)
    return failed(
        f"the agent does not stay up: systemd has restarted it {restarts} times, last at {utc(core.started)}{reason}",
        *described, *why.evidence, *evidence, remedy=why.remedy or "Read in its journal why it ends, and fix that",
        command=why.command or (journal_command(name) if not why.remedy else ""), tag="crash-loop",
    )  # fmt: skip


# Its worker.


def _without_worker(
    site: Site, unit: dict[str, str] | None, core: Process, workers: list[Process], described: list[str]
) -> Finding | None:
    """Return that the core agent has no worker though it should; None if it has one, or needs none yet."""
    if site.machine.platform != "linux" or not _has_worker(site):
        return None
    lines = tail_of(site, MAIN_LOG)
    ended = _ends_of_worker(lines)
    if workers and (ended < _LOOP_RESTARTS or not _just_started(site, workers)):
        return None
    up = None if core.started is None else site.machine.now() - core.started
    why = _why_without_worker(site) or why_of_file(site, _worker_path(site))
    if why is None and not workers and site.states.conclusion.name not in ("worker-missing", "worker-failing"):
        if up is None or up < _WORKER_SECONDS:
            return None
        try:
            if wait_of(site) is not None:
                # Without credentials it starts no worker.
                return None
        except OSError as error:
            return unknown("the agent runs without a worker, and its logs, which show why, cannot be read", *described,
                           str(error.strerror or error), remedy=site.rights)  # fmt: skip
    name = (unit or {}).get("Id", PACKAGE)
    since = f" since {utc(core.started)}" if core.started is not None else ""
    what = f"the agent runs{since} without its worker {WORKER}, so the node is offline"
    if why is None and ended:
        why = why_of_panic(site, lines) or Why(f"it has ended {ended} times")
    why = why or why_of_denial(site) or Why("")
    return failed(
        f"{what}{f'; {why.text}' if why.text else ''}", *described, *why.evidence,
        remedy=why.remedy or "Read in its journal why, then restart it",
        command=why.command or ("" if why.remedy else journal_command(name)), tag="no-worker",
    )  # fmt: skip


def _why_without_worker(site: Site) -> Why | None:
    """Return why the worker did not start when the agent last ran; None if its log shows no failure."""
    error = _worker_error(tail_of(site, MAIN_LOG))
    return why_of_error(site, error[0] or _worker_path(site), error[1]) if error else None


def _has_worker(site: Site) -> bool:
    """Return whether an agent of this version has a worker; agents before 3.0 are one process."""
    numbers = version_of(site.version)
    return numbers >= _WITH_WORKER if numbers else site.machine.exists(_worker_path(site))


def _worker_path(site: Site) -> str:
    return f"{site.program_directory}{site.paths.separator}{WORKER}"


def _worker_error(lines: list[str]) -> tuple[str, str] | None:
    """Return program and error of the worker's last start, if it failed; None if it did not."""
    found: tuple[str, str] | None = None
    for line in _of_last_run(lines):
        failure = _WORKER_ERROR.search(line.rstrip())
        if failure is not None:
            found = failure[1] or "", failure[2]
        elif f"Worker {WORKER} (pid:" in line and "started" in line:
            found = None
    return found


def _ends_of_worker(lines: list[str]) -> int:
    """Return how often the worker has ended since the agent's start, by its log."""
    return sum(1 for line in _of_last_run(lines) if _WORKER_ENDED.search(line))


def _of_last_run(lines: list[str]) -> list[str]:
    """Return the lines of a log since the agent's last start."""
    begins = [number for number, line in enumerate(lines) if f"{CORE} - v" in line]
    return lines[begins[-1] :] if begins else lines


def _just_started(site: Site, processes: list[Process]) -> bool:
    now = site.machine.now()
    return any(one.started is None or now - one.started < _JUST_SECONDS for one in processes)


# Whether it starts at boot.


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


# macOS and Windows.


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
        remedy, command = start_of_service(WINDOWS_SERVICE, state)
        return failed(f"the service {WINDOWS_SERVICE} is {state}", remedy=remedy, command=command, tag="not-running")
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
