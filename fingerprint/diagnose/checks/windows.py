"""Checks for Windows only: WMI, the hash recipe, and the state of the image."""

from __future__ import annotations

from fingerprint._io.times import created_seconds, utc
from fingerprint.collectors.recipes import JSON, WMIC, WQL, WQL_SINCE, possible_recipes
from fingerprint.collectors.repairs import INSTALL_WMIC, failing, is_of_wmi, repairs_of
from fingerprint.collectors.ssm_windows import TITLES, choose, commands
from fingerprint.collectors.wmi_remedies import WMI_SERVICE, remedy_of_fault, start_of_wmi
from fingerprint.diagnose.result import (
    IDS_MOVED,
    NO_WMIC,
    RECIPE_CHANGED,
    WMI_BROKEN,
    failed,
    passed,
    skipped,
    unknown,
    warned,
)
from fingerprint.errors import FingerprintError, VaultError
from fingerprint.observation import RECIPE_REMEDY
from fingerprint.types import Fault, Reason
from fingerprint.vault.regeneration import rebaselined_as_it_is

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.collectors.ssm_windows import Choice
    from fingerprint.diagnose.context import Site
    from fingerprint.diagnose.result import Finding
    from fingerprint.observation import RecipeChange

_STATE_KEY = r"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Setup\State"
_COMPLETE = "IMAGE_STATE_COMPLETE"
# sysprep leaves this file in the image; below the directory of Windows.
_SYSPREP_DONE = r"System32\Sysprep\Sysprep_succeeded.tag"
# Tag of a vault that came with an image.
OF_IMAGE = "of-image"
_AFTER_UPDATE = f"After the update, with the agent's service stopped, run: {rebaselined_as_it_is(True)}"
# The current recipe -> who uses it.
_USED_BY = {
    WQL: f"agents from {WQL_SINCE} use it on Windows from 10.0.26100, so an update of either changes the recipe",
    JSON: "agents 3.3.1142 to 3.3.1229 use it on Windows from 10.0.26040",
    WMIC: f"agents before {WQL_SINCE} except 3.3.1142 to 3.3.1229 use it, and all agents on Windows before 10.0.26040",
}  # fmt: skip


def wmi(site: Site) -> Finding:
    """Check that WMI runs, which the agent requires for a fingerprint."""
    try:
        state = site.machine.service_state(WMI_SERVICE)
    except OSError as error:
        why = f"cannot read the state of the service {WMI_SERVICE} ({error.strerror or error})"
        return unknown(why, remedy="Run as Administrator" if isinstance(error, PermissionError) else "")
    if state != "running":
        remedy, command = start_of_wmi(state)
        return failed(
            f"the service {WMI_SERVICE} is {state}: the agent waits for it for 75 s and then gets no fingerprint",
            remedy=remedy, command=command,
        )  # fmt: skip
    return passed(f"the service {WMI_SERVICE} runs")


def collector(site: Site) -> Finding:
    """Check that the agent hashes by the recipe of its record: another one changes all hashes and the hardware ID."""
    try:
        choice = choose(site.machine, site.machine.timeout if site.timeout is None else site.timeout)
    except FingerprintError as error:
        return unknown(error.what, remedy=error.remedy)
    change = _change(site)
    if change is not None:
        return _changed(site, choice, change)
    broken = _broken(site)
    if broken is not None:
        return broken
    if choice.doubt:
        settles = choice.remedy
        return unknown(choice.doubt, remedy=settles.text if settles else "", command=settles.command if settles else "")
    title, on = TITLES[choice.recipe], f"Windows {choice.windows}" if choice.windows else "this Windows"
    newest_takes_wql = possible_recipes(choice.windows, choice.windows)[0] == WQL
    if choice.recipe == WMIC and _without_wmic(site):
        return _no_wmic(choice, on, newest_takes_wql)
    if choice.recipe == WQL:
        silent = _silent_classes(site)
        if silent is not None:
            return silent
    if choice.agent and choice.recipe != WQL and newest_takes_wql:
        return warned(
            f"agent {choice.agent} hashes by {title}; agents from {WQL_SINCE} on use WQL on {on}",
            "such an update changes all six hashes and the hardware ID: without a rebaseline the agent replaces its "
            "fingerprint, and the registration is lost",
            remedy=f"{_AFTER_UPDATE}. Before it, back up", command="fingerprint vault backup",
        )  # fmt: skip
    return passed(f"{on}: the agent hashes by {title}")


def _changed(site: Site, choice: Choice, change: RecipeChange) -> Finding:
    """Return the finding for a record of another recipe, of other type ids, or without a hardware ID."""
    found, verdict = change.found, site.explanation.verdict
    if choice.doubt:
        settles = choice.remedy
        return failed(
            found.text, found.proof, choice.doubt, command=settles.command if settles else "",
            remedy=f"{settles.text if settles else 'Find out which agent is installed'}; until then leave the record "
            "as it is",
        )  # fmt: skip
    outcome = site.explanation.outcome
    if outcome != "same":
        # The check `fingerprint` has the verdict.
        machine = "by that recipe too it is another machine" if outcome == "different" else (
            "unknown whether it is the same machine"
        )  # fmt: skip
        return failed(found.text, found.proof, machine, command="fingerprint explain",
                      remedy="Before you change the record, find out whether it is this host's")  # fmt: skip
    if site.record_state[0].regenerated:
        # A rebaseline would keep a fingerprint that the service does not know.
        return failed(found.text, found.proof, "the fingerprint was replaced as well: see the check regenerated")
    ids = found.moved or found.recipe == choice.recipe
    # A process that read the hardware ID at its second attempt has replaced it once.
    again = "" if found.without_id else " once more"
    evidence = (
        f"at its next start the agent computes these hashes again and replaces the fingerprint{again}" if ids
        else f"{_USED_BY[choice.recipe]}; the hardware did not change"
    )  # fmt: skip
    return failed(
        found.text, found.proof, evidence, remedy=RECIPE_REMEDY,
        command=rebaselined_as_it_is(verdict.reason == Reason.SID_DIFFERS), tag=IDS_MOVED if ids else RECIPE_CHANGED,
    )  # fmt: skip


def _no_wmic(choice: Choice, on: str, newest_takes_wql: bool) -> Finding:
    """Return the finding for an agent that hashes by a missing wmic."""
    empty = "all six hashes are empty: a new record shows no hardware, and an earlier one does not match"
    if newest_takes_wql:
        return failed(f"{on} has no wmic, and agent {choice.agent} has no other recipe", empty, tag=NO_WMIC,
                      remedy=f"Update the agent to {WQL_SINCE} or later. {_AFTER_UPDATE}. Before it, back up",
                      command="fingerprint vault backup")  # fmt: skip
    other = f"agent {choice.agent} has no other recipe" if not choice.windows else "no agent has another recipe there"
    return failed(f"{on} has no wmic, and {other}", empty, tag=NO_WMIC,
                  remedy="Back up, then install wmic (if Windows does not offer it: sfc /scannow). All six hashes "
                  "change: rebaseline before the agent starts again",
                  command=INSTALL_WMIC)  # fmt: skip


def _broken(site: Site) -> Finding | None:
    """Return that WMI fails for wmic or PowerShell, or for all classes; None if it does not."""
    try:
        collection = site.explanation.collection
    except FingerprintError:
        return None
    read = [one for one in collection if is_of_wmi(one, collection)]
    fails = [one for one in read if one in failing(collection)]
    if not fails or (collection.recipe == WQL and len(fails) < len(read)):
        return None
    reasons = list(dict.fromkeys(one.reason for one in fails))
    first, *others = repairs_of(collection)
    return failed(
        f"WMI does not work ({_said(reasons[0])}), and the agent reads empty values from it",
        f"unreadable: {', '.join(one.name for one in fails)}", *reasons,
        *(f"then: {one.text[0].lower()}{one.text[1:]}: {one.command}" for one in others),
        remedy=first.text, command=first.command, tag=WMI_BROKEN,
    )  # fmt: skip


def _said(reason: str) -> str:
    """Return the description in an error of wmic, else all of it."""
    return reason.rpartition("Description = ")[2] or reason


def _silent_classes(site: Site) -> Finding | None:
    """Return that WMI does not return a class; None if it returns all."""
    try:
        unread = [one for one in site.explanation.collection if one.unreadable and one.source.startswith("SELECT ")]
    except FingerprintError:
        return None
    if not unread:
        return None
    names = ", ".join(one.name for one in unread)
    settles = remedy_of_fault(unread[0].fault)
    evidence = [f"{one.name}: {one.reason} ({one.source})" for one in unread]
    if site.recorded and unread[0].fault == Fault.NOT_ASKED:
        return unknown(f"the recording does not hold what WMI returns for {names}", *evidence,
                       remedy="Record the machine again, where WMI can be asked")  # fmt: skip
    if any(one.only_here for one in unread):
        return unknown(f"WMI does not return {names} here, and the agent may read it", *evidence, remedy=settles.text,
                       command=settles.command)  # fmt: skip
    return failed(
        f"WMI does not return {names}: an agent that starts now stores nothing for it, and other type ids for the rest",
        *evidence, remedy=settles.text, command=settles.command,
    )  # fmt: skip


def _change(site: Site) -> RecipeChange | None:
    try:
        return site.explanation.change
    except FingerprintError:
        return None


def _without_wmic(site: Site) -> bool:
    [result] = site.run(commands(site.machine.windows_directory(), False)[0])
    return result.problem == "not-found"


def image_state(site: Site) -> Finding:
    """Check that sysprep has finished on this host."""
    reg = rf"{site.machine.windows_directory()}\System32\reg.exe"
    [result] = site.run((reg, "query", _STATE_KEY, "/v", "ImageState"))
    if result.problem == "not-recorded":
        return skipped("not in the recording")
    if result.problem:
        return unknown(f"reg.exe: {result.problem}")
    if not result.succeeded:
        return skipped("there is no ImageState in the registry")
    words = result.stdout.decode("utf-8", "replace").split()
    state = next((word for word in words if word.startswith("IMAGE_STATE_")), "")
    if not state:
        return unknown("reg.exe printed no state of the image")
    if state != _COMPLETE:
        return failed(f"the state of the image is {state}, not {_COMPLETE}",
                      "names and ids of the machine may change until then; ssm-cli reports a fault too",
                      remedy="Wait for sysprep and the next start of Windows, then repeat the check")  # fmt: skip
    return _generalized(site) or passed(f"the state of the image is {_COMPLETE}")


def _generalized(site: Site) -> Finding | None:
    """Return that sysprep generalized this Windows after its agent was registered; None if it did not."""
    path = rf"{site.machine.windows_directory()}\{_SYSPREP_DONE}"
    try:
        generalized = site.machine.status(path).modified
    except OSError:
        return None
    try:
        if not site.registered:
            return None
        registered = created_seconds(site.registration.private_key_created_date)
    except VaultError:
        return None
    if registered is None or generalized <= registered:
        return None
    what = f"sysprep generalized this Windows at {utc(generalized)}, after its registration of {utc(registered)}"
    each = "each machine made from that image holds this registration"
    try:
        another = site.explanation.outcome == "different"
    except FingerprintError:
        another = False
    if another:
        return failed(f"{what}: the vault is that of the image", each, path,
                      remedy="Clear the vault on this copy, then register it for itself",
                      command="fingerprint vault reset --yes", tag=OF_IMAGE)  # fmt: skip
    return warned(
        what, each, path,
        remedy="Before the image is used again, deregister the agent in it (see the page on golden images)",
    )  # fmt: skip
