"""Why an agent hibernates: ordered checks of a machine, run at once, each with a time limit, and their conclusion.

    from fingerprint.diagnose import Site, diagnose

    found = diagnose(Site(LiveMachine(), Vault.open()))
    found.conclusion.text, found["waiting"].evidence

Reads only. The network is asked only if the site has one.
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
    health,
    metadata,
    regeneration,
    registration,
    releases,
    session_user,
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
WITHOUT_THREADS = (
    "no thread can be started (a limit of processes): checks ran one after the other, without a limit of time for each"
)
# What a check does beside the commands that --timeout limits.
_BESIDE_SECONDS = 5.0
_SNAPSHOT_LOG_LIMIT = 256 * 1024


class Check(Value):
    """One question.

    Attributes:
        name: for programs.
        title: for people, and what `ssm-cli` calls it, where it has the same.
        question: what answers it.
        seconds: how long that may take; see `limit`.
        platform: the only one on which it arises, "" for all.
        collects: whether it needs all that the fingerprint is made of.
    """

    name: str
    title: str
    question: Callable[[Site], Finding]
    seconds: float = _LOCAL_SECONDS
    platform: str = ""
    collects: bool = False

    def limit(self, site: Site) -> float:
        """Return how many seconds it may take there: never less than one command of a collection may."""
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
    Check("guard", "What the guard can tell", weak_check.weak_check, collects=True),
    Check("key", "Key of the node", registration.key),
    Check("installed", "Agent installed", agent.installed),
    Check("package", "Package untouched", agent.package),
    Check("running", "Agent service", agent.running),
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
    Check("collector", "hash recipe", windows.collector, platform="windows", collects=True),
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
    """Make all checks of a site at once, and conclude.

    Args:
        site: what to look at.
        only: names of the checks to make; () for all.
        progress: called with the number of checks that are done, and of all.

    Raises:
        UsageError: there is no check of such a name.
    """
    for name in only:
        if name not in {check.name for check in CHECKS}:
            raise UsageError(f"there is no check {name!r}", remedy="See: fingerprint diagnose --list")
    made = [
        check for check in CHECKS
        if (not only or check.name in only) and check.platform in ("", site.machine.platform)
    ]  # fmt: skip
    results, at_once = _results(site, made, progress)
    return Diagnosis(_concluded_in_time(site, results), tuple(results), () if at_once else (WITHOUT_THREADS,))


def _concluded_in_time(site: Site, results: Sequence[Result]) -> Conclusion:
    """Conclude as `_concluded` does; of what a check still waits for, this waits no longer than a check."""
    done: Queue[Conclusion] = Queue()
    try:
        Thread(target=lambda: done.put(_concluded(site, results)), daemon=True).start()
    except RuntimeError:
        return _concluded(site, results)
    try:
        return done.get(timeout=_LOCAL_SECONDS)
    except Empty:
        what = f"no answer within {_LOCAL_SECONDS:g} s"
        return Conclusion("cannot-tell", f"Cannot tell: {what}. See the checks.", "", "", ())


def _concluded(site: Site, results: Sequence[Result]) -> Conclusion:
    try:
        return conclude(site, results)
    except FingerprintError as error:
        steps = ((error.remedy, ""),) if error.remedy else ()
        where = f"{error.where}: " if error.where else ""
        return Conclusion("cannot-tell", f"Cannot tell: {where}{error.what}. See the checks.", "", "", steps)
    except Exception as error:
        # A conclusion that is wrong must not cost the answers of the checks.
        return Conclusion("cannot-tell", f"Cannot tell: {_internal(error)}. See the checks.", "", "", ())


def _internal(error: Exception) -> str:
    return f"internal error, please report it: {type(error).__name__}: {error}"


def _results(site: Site, checks: Sequence[Check], progress: Callable[[int, int], None]) -> tuple[list[Result], bool]:
    """Return the results of checks, and whether all were made at once."""
    done: Queue[tuple[int, Result]] = Queue()
    limits = [check.limit(site) for check in checks]
    begin = monotonic()
    results: dict[int, Result] = {}
    alone = []
    for number, check in enumerate(checks):
        # Daemons: one that hangs in the kernel must not keep the answer of the others, nor the end of the program.
        thread = Thread(target=lambda n, c: done.put((n, _made(site, c))), args=(number, check), daemon=True)
        try:
            thread.start()
        except RuntimeError:
            alone.append(number)
    for number in alone:
        results[number] = _made(site, checks[number])
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
                    finding = unknown(f"no answer within {limit:g} s", remedy="--timeout SECONDS gives it longer")
                    results[number] = Result(check.name, check.title, finding, limit)
        progress(len(results), len(checks))
    return [results[number] for number in range(len(checks))], not alone


def _made(site: Site, check: Check) -> Result:
    begin = monotonic()
    try:
        finding = check.question(site)
    except FingerprintError as error:
        where = (error.where,) if error.where else ()
        finding = unknown(error.what, *where, remedy=error.remedy)
    except Exception as error:
        # One check that is wrong must not cost the answers of the others.
        finding = unknown(_internal(error))
    return Result(check.name, check.title, finding, monotonic() - begin)


def record(site: Site) -> None:
    """Ask a site what the checks ask, so that a Recorder behind it keeps the answers; they are not looked at.

    One after the other, so that the same machine gives the same recording.
    """
    site.log_limit = _SNAPSHOT_LOG_LIMIT
    for check in CHECKS:
        if check.platform in ("", site.machine.platform):
            _made(site, check)
