"""Diagnose why an agent hibernates: checks that run in parallel, each with a time limit, and a conclusion.

    from fingerprint.diagnose import Site, diagnose

    found = diagnose(Site(LiveMachine(), Vault.open()))
    found.conclusion.text, found["waiting"].evidence

Read-only. Nothing is sent unless the site has a network.
"""

from __future__ import annotations

from queue import Empty, Queue
from threading import Thread
from time import monotonic

from fingerprint.agent.paths import SESSION_USER
from fingerprint.diagnose.checks import (
    account,
    agent,
    credential_files,
    credentials,
    endpoints,
    fips,
    guard_run,
    health,
    metadata,
    regeneration,
    registration,
    releases,
    running,
    session_user,
    storage,
    vault,
    verdict,
    waiting,
    weak_check,
    windows,
)
from fingerprint.diagnose.checks import (
    config as configuration,
)
from fingerprint.diagnose.conclusion import conclude
from fingerprint.diagnose.context import Site
from fingerprint.diagnose.network import Network
from fingerprint.diagnose.result import Conclusion, Diagnosis, Finding, Outcome, Result, unknown
from fingerprint.errors import FingerprintError, UsageError
from fingerprint.types import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = [
    "CHECKS", "Check", "Conclusion", "Diagnosis", "Finding", "Network", "Outcome", "Result", "Site", "diagnose",
    "record",
]  # fmt: skip

_LOCAL_SECONDS = 10.0
_NETWORK_SECONDS = 15.0
# On Windows three commands, one after the other, and PowerShell is slow to start.
_ACCOUNT_SECONDS = 30.0
# The agent itself waits for WMI for 75 s.
_WINDOWS_COLLECTION_SECONDS = 90.0
WITHOUT_THREADS = "cannot start a thread (limit of processes): the checks ran one after the other, without time limits"
# Time for the rest of a check, besides the commands that --timeout limits.
_BESIDE_SECONDS = 5.0
_SNAPSHOT_LOG_LIMIT = 256 * 1024


class Check(Value):
    """A check of a site.

    Attributes:
        name: name in options and in JSON.
        title: title in the output, that of `ssm-cli` where it has the same check.
        question: function that returns the finding.
        seconds: time limit; see `limit`.
        platform: the only platform that has it, "" for all.
        collects: whether it reads all attributes of the fingerprint.
    """

    name: str
    title: str
    question: Callable[[Site], Finding]
    seconds: float = _LOCAL_SECONDS
    platform: str = ""
    collects: bool = False

    def limit(self, site: Site) -> float:
        """Return its time limit on a site in seconds: at least that of one command of a collection."""
        own = self.seconds
        if self.collects and site.machine.platform == "windows":
            own = max(own, _WINDOWS_COLLECTION_SECONDS)
        return own if site.timeout is None else max(own, site.timeout + _BESIDE_SECONDS)


CHECKS = (
    Check("account", "Account and region", account.where, _NETWORK_SECONDS),
    Check("registration", "Hybrid instance registration", registration.registration),
    Check("vault", "Vault", vault.vault),
    Check("fingerprint", "Fingerprint now", verdict.fingerprint, collects=True),
    Check("next-start", "Next check of the agent", verdict.next_start, collects=True),
    Check("regenerated", "Fingerprint replaced", regeneration.regenerated, collects=True),
    Check("guard", "Strength of the agent's check", weak_check.weak_check, collects=True),
    Check("guard-run", "Guard before the start", guard_run.guard_run, collects=True),
    Check("key", "Key of the node", registration.key),
    Check("installed", "Agent installed", agent.installed),
    Check("package", "Package untouched", agent.package),
    Check("running", "Agent service", running.running),
    Check("storage", "Storage of the agent", storage.storage),
    Check("version", "SSM Agent version", agent.version),
    Check("published", "Published versions", releases.published, 2 * _NETWORK_SECONDS),
    Check("update", "Last update", releases.last_update),
    Check("configuration", "Agent configuration", configuration.configuration),
    Check("waiting", "Waiting or hibernating", waiting.state),
    Check("health", "Health reports", health.reports, _NETWORK_SECONDS),
    Check("credentials", "AWS Credentials", credentials.last),
    Check("credential-order", "Order of credentials", credentials.order),
    Check("credential-files", "Files with credentials", credential_files.files),
    Check(SESSION_USER, "Account of sessions", session_user.account, _ACCOUNT_SECONDS),
    Check("proxy", "Proxy configuration", endpoints.proxies),
    Check("wmi", "WMI service", windows.wmi, platform="windows"),
    Check("collector", "Hash recipe", windows.collector, platform="windows", collects=True),
    Check("image-state", "Windows sysprep image state", windows.image_state, platform="windows"),
    Check("fips", "FIPS endpoints", fips.fips),
    Check("imds", "EC2 IMDS", metadata.metadata, _NETWORK_SECONDS),
    *(
        Check(f"endpoint-{service}", f"Connectivity to {service} endpoint", endpoints.reachable(service),
              _NETWORK_SECONDS)
        for service in endpoints.SERVICES
    ),
    Check("clock", "Clock", endpoints.clock, 2 * _NETWORK_SECONDS),
    Check("s3-buckets", "S3 buckets of the region", endpoints.s3_buckets, 2 * _NETWORK_SECONDS),
)  # fmt: skip


def diagnose(
    site: Site, only: Sequence[str] = (), *, progress: Callable[[int, int], None] = lambda _done, _all: None
) -> Diagnosis:
    """Run the checks of a site in parallel and conclude.

    Args:
        site: the machine, its vault and network.
        only: names of the checks to run; () for all.
        progress: called with the number of finished checks and of all.

    Raises:
        UsageError: `only` has an unknown name.
    """
    for name in only:
        if name not in {check.name for check in CHECKS}:
            raise UsageError(f"no such check: {name!r}", remedy="See: fingerprint diagnose --list")
    selected = [
        check for check in CHECKS
        if (not only or check.name in only) and check.platform in ("", site.machine.platform)
    ]  # fmt: skip
    results, at_once = _results(site, selected, progress)
    return Diagnosis(_concluded_in_time(site, results), tuple(results), () if at_once else (WITHOUT_THREADS,))


def _concluded_in_time(site: Site, results: Sequence[Result]) -> Conclusion:
    """Conclude as `_concluded` does, with a time limit: a fact that a check still waits for would block it."""
    done: Queue[Conclusion] = Queue()
    try:
        Thread(target=lambda: done.put(_concluded(site, results)), daemon=True).start()
    except RuntimeError:
        return _concluded(site, results)
    try:
        return done.get(timeout=_LOCAL_SECONDS)
    except Empty:
        what = f"no answer within {_LOCAL_SECONDS:g} s"
        return _unknown(what)


def _concluded(site: Site, results: Sequence[Result]) -> Conclusion:
    try:
        return conclude(site, results)
    except FingerprintError as error:
        steps = ((error.remedy, ""),) if error.remedy else ()
        where = f"{error.where}: " if error.where else ""
        return _unknown(f"{where}{error.what}", steps)
    except Exception as error:
        # A defect in the conclusion must not lose the findings.
        return _unknown(_internal(error))


def _unknown(why: str, steps: tuple[tuple[str, str], ...] = ()) -> Conclusion:
    return Conclusion("cannot-tell", f"Unknown: {why}. See the checks.", "", "", steps, "Unknown", why)


def _internal(error: Exception) -> str:
    return f"internal error, please report it: {type(error).__name__}: {error}"


def _results(site: Site, checks: Sequence[Check], progress: Callable[[int, int], None]) -> tuple[list[Result], bool]:
    """Return the results of checks, and whether all ran in parallel."""
    done: Queue[tuple[int, Result]] = Queue()
    limits = [check.limit(site) for check in checks]
    begin = monotonic()
    results: dict[int, Result] = {}
    alone = []
    for number, check in enumerate(checks):
        # Daemon threads: one that hangs in the kernel must block neither the other results nor the exit.
        thread = Thread(target=lambda n, c: done.put((n, _run(site, c))), args=(number, check), daemon=True)
        try:
            thread.start()
        except RuntimeError:
            alone.append(number)
    for number in alone:
        results[number] = _run(site, checks[number])
        progress(len(results), len(checks))
    while len(results) < len(checks):
        waiting_for = [limit for number, limit in enumerate(limits) if number not in results]
        try:
            number, result = done.get(timeout=max(0.0, begin + min(waiting_for) - monotonic()))
            results.setdefault(number, result)
        except Empty:
            for number, check in enumerate(checks):
                limit = limits[number]
                if number not in results and monotonic() - begin >= limit:
                    finding = unknown(f"no answer within {limit:g} s", remedy="Raise the limit with --timeout SECONDS")
                    results[number] = Result(check.name, check.title, finding, limit)
        progress(len(results), len(checks))
    return [results[number] for number in range(len(checks))], not alone


def _run(site: Site, check: Check) -> Result:
    begin = monotonic()
    try:
        finding = check.question(site)
    except FingerprintError as error:
        where = (error.where,) if error.where else ()
        finding = unknown(error.what, *where, remedy=error.remedy)
    except Exception as error:
        # A defect in one check must not lose the findings of the others.
        finding = unknown(_internal(error))
    return Result(check.name, check.title, finding, monotonic() - begin)


def record(site: Site) -> None:
    """Run all checks so that the Recorder behind a site keeps what they read; drop the findings.

    The checks run one after the other, so that the same machine gives the same recording.
    """
    site.log_limit = _SNAPSHOT_LOG_LIMIT
    for check in CHECKS:
        if check.platform in ("", site.machine.platform):
            _run(site, check)
