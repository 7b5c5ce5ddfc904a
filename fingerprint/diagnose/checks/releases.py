"""Checks of the published versions of the agent, in the node's region and in all, and of the last update.

Source: AWS's page "Learn technical details about the SSM Agent" (docs/aws-page.md, statements 17, 19 and 20).
"""

from __future__ import annotations

import errno

from fingerprint._io.text import hidden, quoted
from fingerprint._io.times import utc
from fingerprint.agent.buckets import global_version_url, version_url
from fingerprint.agent.logs import read_parts
from fingerprint.agent.paths import PACKAGE, SNAP, UPDATE_LOG
from fingerprint.agent.proxies import is_socks
from fingerprint.agent.regions import partition
from fingerprint.collectors.recipes import version_of
from fingerprint.diagnose.checks.endpoints import endpoint_of, region_of
from fingerprint.diagnose.http_probe import Unreached
from fingerprint.diagnose.reachability import NOT_ASKED, by_socks, network_of, proxy_of_url, without_network
from fingerprint.diagnose.result import NOT_INSTALLED, passed, skipped, unknown, warned
from fingerprint.errors import UsageError
from fingerprint.types import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from fingerprint.agent.logs import FailedUpdate
    from fingerprint.diagnose.context import Site
    from fingerprint.diagnose.network import Reached
    from fingerprint.diagnose.result import Finding

UPDATE = "Update it with AWS-UpdateSSMAgent"
_TWO_WEEKS = 14 * 24 * 3600
_OF_AMIS = "AMIs that contain the agent can be up to two weeks behind a release"
_UNTIL_THEN = (
    'until then an update can fail with "... is unsupported on current platform", or with "Updating ... to an older '
    'version ..., please enable allow downgrade to proceed"'
)


class Published(Value):
    """A published version, or why it is unknown.

    Attributes:
        version: such as "3.3.4851.0"; "" if it could not be read.
        evidence: its source, and the version or the error.
    """

    version: str
    evidence: str

    @property
    def numbers(self) -> tuple[int, ...]:
        """The numbers of the version, () if it is unknown."""
        return version_of(self.version)


def how_to_update(site: Site) -> tuple[str, str]:
    """Return a remedy with its command, "" for none. Only snapd changes the version of a snap."""
    return ("Refresh its snap", f"snap refresh {PACKAGE}") if site.program_directory == SNAP else (UPDATE, "")


def published(site: Site) -> Finding:
    """Check that no newer version is published than the installed one."""
    if site.without_agent:
        return skipped(NOT_INSTALLED)
    installed = site.version
    if site.latest:
        return _compared_with_file(site, installed)
    reason = without_network(site)
    if reason is not None:
        return reason
    region = region_of(site)
    url, why = _url_of_region(site, region)
    of_all = global_version_url(region)
    for asked in filter(None, (url, of_all)):
        via = proxy_of_url(site, asked)
        if is_socks(via):
            return by_socks(f"{hidden(asked)} is not read", via)
    ask = network_of(site).ask
    here = _read(region, url, ask) if url else Published("", why)
    nowhere = Published("", f"no known address for all regions of {partition(region)}")
    everywhere = _read("all regions", of_all, ask) if of_all else nowhere
    evidence = (here.evidence, everywhere.evidence)
    if not here.numbers and not everywhere.numbers:
        # The agent works without S3.
        return warned("cannot read a published version: unknown whether there is a newer one", *evidence,
                      remedy="See `endpoint-s3` and `s3-buckets`, or give a VERSION file with --latest")  # fmt: skip
    if not installed:
        return skipped("unknown version of the agent", *evidence)
    numbers = version_of(installed)
    if not numbers:
        return unknown(f"version {quoted(installed)} cannot be compared with the published ones", *evidence)
    remedy, command = how_to_update(site)
    later = f"{everywhere.version} is published, but {region} may take up to two weeks to have it"
    if here.numbers and numbers < here.numbers:
        newer = (later,) if here.numbers < everywhere.numbers else ()
        return warned(f"version {installed}; {here.version} is published in {region}", *newer, *evidence, _OF_AMIS,
                      remedy=remedy, command=command)  # fmt: skip
    if here.numbers and here.numbers < numbers:
        newer = (later,) if numbers < everywhere.numbers else ()
        text = f"version {installed}; {region} has {here.version}, and may take up to two weeks to have newer ones"
        return passed(text, *newer, *evidence, _UNTIL_THEN)
    if here.numbers and numbers < everywhere.numbers:
        return passed(f"version {installed}, the newest in {region}; {later}", *evidence, _UNTIL_THEN)
    if numbers < everywhere.numbers:
        return warned(f"version {installed}; {everywhere.version} is published", *evidence,
                      f"unknown whether {region or 'the region'} has it yet", _OF_AMIS, remedy=remedy,
                      command=command)  # fmt: skip
    where = f"in {region}" if here.numbers else "published"
    return passed(f"version {installed}, the newest {where}", *evidence)


def _url_of_region(site: Site, region: str) -> tuple[str, str]:
    """Return the URL of the newest version of a region; "" and the reason if there is none."""
    if not region:
        return "", "unknown region: set --region"
    try:
        return version_url(region, endpoint_of(site, "s3")), ""
    except UsageError as error:
        return "", error.what


def _read(name: str, url: str, ask: Callable[[str, str], Reached]) -> Published:
    try:
        version = _version_at(url, ask)
    except (OSError, Unreached, ValueError, UsageError) as error:
        return Published("", f"{name}: cannot read {hidden(url)} ({_why(error)})")
    return Published(version, f"{name}: {version} ({hidden(url)})")


def _version_at(url: str, ask: Callable[[str, str], Reached]) -> str:
    """Return the version in a file at a URL. Raises OSError, Unreached, UsageError, ValueError for no version."""
    answer = ask(url, "GET")
    if answer.status != 200:
        raise OSError(errno.EPROTO, f"HTTP {answer.status}")
    return _version_in(answer.body.decode("ascii", "replace"))


def _version_in(text: str) -> str:
    text = text.strip()
    if not version_of(text):
        raise ValueError(text)
    return text


def _why(error: Exception) -> str:
    if isinstance(error, ValueError):
        return "it has no version"
    if isinstance(error, UsageError):
        return error.what
    return error.text if isinstance(error, Unreached) else getattr(error, "strerror", "") or str(error)


def _compared_with_file(site: Site, installed: str) -> Finding:
    """Return the finding against the file or URL of `--latest`."""
    latest = site.latest
    source = hidden(latest) if "://" in latest else latest
    try:
        if latest.startswith(("https://", "http://")):
            if site.network is None:
                raise OSError(errno.ENETUNREACH, NOT_ASKED)
            newest = _version_at(latest, site.network.ask)
        else:
            with open(latest, encoding="ascii", errors="replace") as file:
                newest = _version_in(file.read(200))
    except ValueError:
        return unknown(f"no version in {source}")
    except (OSError, Unreached, UsageError) as error:
        return unknown(f"cannot read {source}: {_why(error)}")
    if not installed:
        return skipped(f"unknown version of the agent; {newest} is published")
    if not version_of(installed):
        return unknown(f"version {quoted(installed)} cannot be compared with {newest}, the newest published")
    if version_of(installed) < version_of(newest):
        remedy, command = how_to_update(site)
        return warned(f"version {installed}; {newest} is published", remedy=remedy, command=command)
    return passed(f"version {installed}, the newest published ({newest})")


def last_update(site: Site) -> Finding:
    """Check that the last update succeeded, by its log."""
    if site.without_agent:
        return skipped(NOT_INSTALLED)
    try:
        parts, refused = site.log_parts(UPDATE_LOG)
    except FileNotFoundError:
        return skipped("no update is logged", f"{site.paths.logs} does not exist")
    except OSError as error:
        return skipped(f"cannot read {site.paths.logs} ({error.strerror or error})")
    logs = [read_parts(parts, [], []).beside]
    try:
        logs.append(site.timeline.beside)
    except OSError:
        # Agents before 3.0.1031 log updates there.
        pass
    found = [one.failed for one in logs if one.failed is not None]
    done = [one.updated for one in logs if one.updated is not None]
    failed = max(found, key=lambda one: one.at, default=None)
    if failed is not None and failed.at >= max((at for at, _ in done), default=""):
        return _failed_update(site, failed)
    if done:
        at, version = max(done)
        to = f" to {version}" if version else ""
        return passed(f"the last update{to} succeeded{_at(site, at)}")
    for path, problem in refused.items():
        return unknown(f"{path}: {problem.strerror or problem}", remedy=site.rights)
    return skipped("no update is logged")


def _failed_update(site: Site, failed: FailedUpdate) -> Finding:
    to = f" to {failed.target}" if failed.target else ""
    what = f"the last update{to} failed{_at(site, failed.at)}"
    said = site.quoted(failed.text)
    if _has_passed(failed, version_of(site.version)):
        return passed(f"{what}; {site.version} is installed now", said)
    evidence, began = [said], site.seconds_of(failed.at)
    if began is not None and failed.kind != "other":
        ago = site.machine.now() - began
        if ago > _TWO_WEEKS:
            evidence.append(f"that was {ago / 86400:.0f} days ago: by now the region should have it")
    # The network of another machine cannot be asked from here.
    asked = failed.kind == "other" or site.network is not None or site.elsewhere
    command = "" if asked else "fingerprint diagnose --network --only published"
    asks = "; the command shows what the region has" if command else ""
    return warned(f"{what}: {failed.meaning}", *evidence, remedy=failed.remedy + asks, command=command)


def _has_passed(failed: FailedUpdate, installed: tuple[int, ...]) -> bool:
    """Return whether the version of a failed update, or a later one, has been installed since."""
    if not installed:
        return False
    if failed.target and failed.kind == "downgrade":
        return installed == version_of(failed.target)
    if failed.target:
        return installed >= version_of(failed.target)
    return failed.source != "" and installed != version_of(failed.source)


def _at(site: Site, at: str) -> str:
    seconds = site.seconds_of(at)
    when = utc(seconds) if seconds is not None else at
    return f" at {when}" if when else ""
