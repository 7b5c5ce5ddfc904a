"""What only Windows has: WMI, the collector that hashes its answers, and the state of its image."""

from __future__ import annotations

from fingerprint.collect.windows import TITLES, WMI_SERVICE, choose, commands
from fingerprint.collectors.recipes import WMIC, WQL, WQL_SINCE, possible_recipes
from fingerprint.diagnose.results import failed, passed, skipped, unknown, warned
from fingerprint.engine import RECIPE_REMEDY
from fingerprint.errors import FingerprintError
from fingerprint.model import Reason
from fingerprint.vault.regeneration import rebaselined_as_it_is

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.diagnose.results import Finding
    from fingerprint.diagnose.site import Site
    from fingerprint.engine import RecipeChange

_STATE_KEY = r"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Setup\State"
_COMPLETE = "IMAGE_STATE_COMPLETE"
_AFTER_UPDATE = f"After it, with the agent's service stopped, run: {rebaselined_as_it_is(True)}"


def wmi(site: Site) -> Finding:
    """Whether WMI runs, without which the agent can make no fingerprint."""
    try:
        state = site.machine.service_state(WMI_SERVICE)
    except OSError as error:
        return unknown(f"the state of {WMI_SERVICE} is not told ({error.strerror})")
    if state != "running":
        return failed(
            f"the service {WMI_SERVICE} is {state}: the agent waits for it for 75 s and then gets no fingerprint",
            remedy="Start it", command=f"Start-Service {WMI_SERVICE}",
        )  # fmt: skip
    return passed(f"the service {WMI_SERVICE} runs")


def collector(site: Site) -> Finding:
    """By which recipe the agent hashes: by another one all hashes of the same machine differ, and its hardware ID."""
    try:
        choice = choose(site.machine, site.machine.timeout)
    except FingerprintError as error:
        return unknown(error.what)
    title, on = TITLES[choice.recipe], f"Windows {choice.windows}" if choice.windows else "this Windows"
    change = _change(site)
    if change is not None and choice.doubt:
        return failed(change.found.text, change.found.proof, choice.doubt,
                      remedy="Find out which agent is installed; until then the record is best left alone")  # fmt: skip
    if change is not None:
        return failed(
            change.found.text, change.found.proof,
            "at its next start the agent makes these hashes anew, and replaces the fingerprint once more"
            if change.found.moved
            else "a known break of updates past 3.3.1311, and of Windows to 10.0.26100; the hardware did not change",
            remedy=RECIPE_REMEDY,
            command=rebaselined_as_it_is(site.explanation.verdict.reason == Reason.SID_DIFFERS), tag="collector",
        )  # fmt: skip
    if choice.doubt:
        return unknown(choice.doubt)
    newest_takes_wql = possible_recipes(choice.windows, choice.windows)[0] == WQL
    if choice.recipe == WMIC and _without_wmic(site):
        empty = "all six of its hashes are empty, so any machine passes as this one"
        if newest_takes_wql:
            agent = choice.agent or "of this version"
            return failed(f"{on} has no wmic, and agent {agent} knows nothing else", empty,
                          remedy=f"Back up, then update the agent to {WQL_SINCE} or later. {_AFTER_UPDATE}",
                          command="fingerprint vault backup")  # fmt: skip
        return failed(f"{on} has no wmic, and no agent knows anything else there", empty,
                      remedy="Back up, then install wmic. All six hashes change: rebaseline before the agent starts "
                      "again", command="DISM /Online /Add-Capability /CapabilityName:WMIC~~~~")  # fmt: skip
    if choice.agent and choice.recipe != WQL and newest_takes_wql:
        return warned(
            f"agent {choice.agent} hashes by {title}; from {WQL_SINCE} on agents take WQL on {on}",
            "such an update changes all six hashes and the hardware ID: without a rebaseline the agent replaces its "
            "fingerprint, and the registration is lost",
            remedy=f"Before the update: back up. {_AFTER_UPDATE}", command="fingerprint vault backup",
        )  # fmt: skip
    return passed(f"{on}: the agent hashes by {title}")


def _change(site: Site) -> RecipeChange | None:
    try:
        return site.explanation.change
    except FingerprintError:
        return None


def _without_wmic(site: Site) -> bool:
    [result] = site.run(commands(site.machine.windows_folder(), False)[0])
    return result.problem == "not-found"


def image_state(site: Site) -> Finding:
    """Whether sysprep is through with this machine."""
    reg = rf"{site.machine.windows_folder()}\System32\reg.exe"
    [result] = site.run((reg, "query", _STATE_KEY, "/v", "ImageState"))
    if result.problem == "not-recorded":
        return skipped("the recording does not tell")
    if result.problem:
        return unknown(f"reg.exe: {result.problem}")
    if not result.succeeded:
        return skipped("there is no ImageState in the registry")
    words = result.stdout.decode("utf-8", "replace").split()
    state = next((word for word in words if word.startswith("IMAGE_STATE_")), "")
    if state != _COMPLETE:
        return failed(f"the state of the image is {state or 'not told'}, not {_COMPLETE}",
                      "until then Windows does not start the agent's service as usual",
                      remedy="Let sysprep finish")  # fmt: skip
    return passed(f"the state of the image is {_COMPLETE}")
