"""Who the node is: registration, key, vault, fingerprint, and what the agent will do at its next check, and when."""

from __future__ import annotations

import os

from fingerprint._io.text import masked
from fingerprint._io.times import UNDATED_DAYS, age_in_days, utc
from fingerprint.agent.outlook import WOULD_REJECT, would_reject
from fingerprint.agent.paths import CONFIG_NAME
from fingerprint.agent.retry_schedule import EC2
from fingerprint.agent.versions import row_since
from fingerprint.collectors.stable import CONTAINER_MARKS
from fingerprint.diagnose.checks.replaced_key import UNDATED, replaced_key
from fingerprint.diagnose.result import failed, passed, skipped, unknown, untold, warned
from fingerprint.errors import FingerprintError, FingerprintLost, VaultCorrupt, VaultError, VaultMissing, VaultUnsafe
from fingerprint.rules.ssm import THRESHOLD_DISABLED
from fingerprint.types import Outlook, Reason
from fingerprint.vault import FINGERPRINT_KEY, REGISTRATION_KEY, other_records
from fingerprint.vault.integrity import MINTS, READS, manifest_state
from fingerprint.vault.records import register_command
from fingerprint.vault.regeneration import NO_COPY_LEFT, of_another_sid, rebaselined
from fingerprint.vault.remedies import NOTHING_WRITTEN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.diagnose.context import Site
    from fingerprint.diagnose.result import Finding
    from fingerprint.explanation import Explanation
    from fingerprint.types import Verdict
    from fingerprint.vault.regeneration import State

# What the agent does because of the vault: stores a new fingerprint at its next check, or exits at its next start.
VAULT_MINTS, VAULT_EXITS = "vault-mints", "vault-exits"
# A record that was written so long after the registration was written for another reason.
_SAME_TIME_SECONDS = 600


def registration(site: Site) -> Finding:
    """Whether this host has a complete registration, and no other place knows one."""
    try:
        record = site.registration
    except VaultMissing as error:
        known = _elsewhere(site)
        if known is not None:
            return failed(f"not registered here: {known.what}", remedy=known.remedy, tag="not-registered")
        if site.identity_type == EC2:
            return skipped("this is an EC2 instance, and has no hybrid registration", f"by {site.places.identity}")
        return failed(
            "this host is not registered", error.where, remedy="Register it with an activation",
            command=register_command(), tag="not-registered",
        )  # fmt: skip
    except VaultError as error:
        return _unreadable(error)
    missing = [
        name for name, value in (
            ("node id", record.instance_id), ("region", record.region), ("private key", record.private_key)
        ) if not value
    ]  # fmt: skip
    if len(missing) == 3:
        return failed(
            "the registration was cleared", remedy="Register it with an activation", command=register_command(),
            tag="not-registered",
        )  # fmt: skip
    if missing:
        return failed(
            f"the registration is not complete: without {', '.join(missing)}",
            "an attempt to register that failed leaves this behind",
            remedy="Register it again with an activation", command=register_command(provider=record.provider),
            tag="not-registered",
        )  # fmt: skip
    node = record.instance_id if site.reveal else masked(record.instance_id)
    told = f"registered as {node} in {record.region}"
    two = other_records.shadowed(site.vault)
    if two is not None:
        return warned(f"{told}; {two.what}", "nothing new is made until that is decided", remedy=two.remedy)
    return _registration_file(site, told, record.instance_id, record.region)


def _elsewhere(site: Site) -> other_records.Elsewhere | None:
    try:
        return other_records.lost(site.vault, REGISTRATION_KEY) or other_records.other(site.vault)
    except VaultError:
        # The check of the vault says so.
        return None


def _registration_file(site: Site, told: str, node: str, region: str) -> Finding:
    from fingerprint._core import JsonError, loads

    path = site.places.registration
    try:
        file = loads(site.machine.read_file(path))
    except FileNotFoundError:
        return passed(told, f"{path} is missing; other programs look for the node id there")
    except OSError as error:
        return passed(told, f"{path}: {error.strerror}")
    except JsonError:
        file = None
    if not isinstance(file, dict) or (file.get("ManagedInstanceID"), file.get("Region")) != (node, region):
        return warned(
            f"{told}, and {path} says otherwise", "other programs take the node id from there",
            remedy="Find out which one is right in the console of the service, then register again if it is not this",
        )  # fmt: skip
    return passed(told)


def key(site: Site) -> Finding:
    """Whether the running agent has the node's key, how old that is, and whether it is changed in time."""
    try:
        if not site.registered:
            return skipped("there is no registration")
    except VaultError as error:
        return _unreadable(error)
    replaced = replaced_key(site)
    if replaced is not None:
        return replaced
    created = site.registration.private_key_created_date
    age = age_in_days(created, site.machine.now())
    every = site.setting("Profile", "KeyAutoRotateDays")
    rotation = (
        f"changed every {every} days" if isinstance(every, int) and every > 0 else "changed when the service asks"
    )
    if age is None:
        return warned(f"the date of the key cannot be read: {created!r}", "the agent never changes such a key by age",
                      remedy="Nothing, if no rotation by age is wanted; else register again", tag=UNDATED)  # fmt: skip
    if age >= UNDATED_DAYS and not created:
        return warned("the key has no date, as of a registration of before 2021", rotation,
                      remedy=f"Set Profile.KeyAutoRotateDays in {CONFIG_NAME} to have it changed",
                      tag=UNDATED)  # fmt: skip
    if isinstance(every, int) and 0 < every < age:
        return warned(f"the key is {age} days old, and should have been changed after {every}", rotation,
                      remedy="The agent changes it with the next token: look at why there was none")  # fmt: skip
    return passed(f"the key is {age} days old, {rotation}")


def vault(site: Site) -> Finding:
    """What is wrong with the vault."""
    from fingerprint.vault.verify import verify

    try:
        findings = verify(site.vault)
    except VaultError as error:
        return _unreadable(error)
    only_missing = [one for one in findings if one.kind != "VaultMissing"]
    denied = next((one for one in only_missing if one.kind == "VaultDenied"), None)
    if denied is not None:
        return unknown(denied.what, denied.where, remedy=denied.remedy)
    told = [f"{one.where}: {one.what}" for one in only_missing]
    try:
        manifest = manifest_state(site.vault)
    except VaultError as error:
        return _unreadable(error)
    if manifest.agent_does != READS:
        tag = VAULT_MINTS if manifest.agent_does == MINTS else VAULT_EXITS
        return failed(manifest.what, manifest.consequence, *told, remedy=manifest.remedy, tag=tag)
    broken = next((one for one in only_missing if one.broken), None)
    registration = next((one for one in only_missing if one.broken and _is_registration(one.where)), None)
    if broken is not None and registration is not None:
        # Without a registration the agent does not get as far as the record.
        what = "the registration cannot be read"
        if broken is not registration:
            what = "neither the registration nor the fingerprint can be read"
        return failed(f"{what}: {registration.what}", *told, remedy=registration.remedy, tag=VAULT_EXITS)
    if broken is not None and broken.where == manifest.where:
        # The agent reads the file that is listed. Of the fingerprint it is not known which one that is.
        kind = unknown if FINGERPRINT_KEY in manifest.keys else warned
        return kind(f"{manifest.what}; {manifest.consequence}", remedy=manifest.remedy)
    if broken is not None and broken.where in (site.vault.history.path, site.vault.history.folder):
        # Ours alone: the agent does not read it.
        return unknown(f"our journal cannot be read: {broken.what}", *told, remedy=broken.remedy)
    if broken is not None:
        return failed(f"the vault cannot be read: {broken.what}", *told, remedy=broken.remedy, tag=VAULT_MINTS)
    if not only_missing:
        if findings:
            return skipped(f"there is none: {findings[0].where}")
        return passed("the vault is sound", site.vault.path)
    return warned(
        f"{len(told)} thing{'s' * (len(told) != 1)} in the vault to look at", *told, remedy=only_missing[0].remedy,
        command="fingerprint vault verify",
    )  # fmt: skip


def _is_registration(path: str) -> bool:
    return os.path.basename(path) == REGISTRATION_KEY


def fingerprint(site: Site) -> Finding:
    """Whether this is the machine of the record, now, and what the agent makes of it."""
    try:
        found = site.explanation
    except VaultMissing:
        return skipped("the vault holds no fingerprint: the agent makes the first one at its next token request")
    except FingerprintLost as error:
        return failed(error.what, remedy=error.remedy, tag="lost")
    except FingerprintError as error:
        return _unreadable(error)
    verdict = found.verdict
    score = f"{verdict.matched} of {verdict.total} attributes equal, threshold {verdict.threshold}"
    changes = [f"{', '.join(names)}: {text}" for names, text, _ in found.changed]
    remedy = found.remedies[0] if found.remedies else None
    if found.outlook == Outlook.STOPS and remedy is not None:
        return failed(found.collection.agent_error, score, *changes, remedy=remedy.text, command=remedy.command)
    if found.outlook == Outlook.UNKNOWN and site.copied and remedy is None:
        return untold("of a copied disk it cannot be told: most of what is compared is of the hardware and the kernel",
                      found.rule, *changes)  # fmt: skip
    if would_reject(found.outlook, verdict, found.collection):
        return unknown(f"{found.rule}; sources could not be read", WOULD_REJECT, *changes)
    if found.outlook == Outlook.UNKNOWN and found.collection.doubt:
        settles = found.collection.doubt_remedy
        return unknown(f"{found.rule}; {found.collection.doubt}", *changes, remedy=settles.text if settles else "",
                       command=settles.command if settles else "")  # fmt: skip
    if found.outlook == Outlook.UNKNOWN:
        # Nobody reads more out of a recording, such as that of a copied disk.
        return unknown(f"{found.rule}; sources could not be read", *changes, remedy=remedy.text if remedy else "")
    if found.outlook == Outlook.REJECTS:
        head = (
            "not the same machine" if found.outcome == "different"
            else f"the same machine, and the agent will reject it: {found.change.found.text}"
            if found.change is not None and found.outcome == "same"
            else "whether it is the same machine is not known, and the agent will reject it"
        )  # fmt: skip
        return failed(
            f"{head}: {found.rule}", score, *changes, remedy=remedy.text if remedy else "",
            command=remedy.command if remedy else "", tag="differs",
        )  # fmt: skip
    if verdict.threshold == THRESHOLD_DISABLED:
        return warned("the check is disabled (threshold -1): any machine with this vault passes", score, *changes,
                      remedy="Set a threshold", command="fingerprint threshold set 40")  # fmt: skip
    if verdict.threshold < 1:
        return warned(
            f"threshold {verdict.threshold}: only the hardware ID is looked at", score,
            f"so stored by agents before {row_since('first_threshold', 40)} and after a corrupt record", *changes,
            remedy="Set a threshold", command="fingerprint threshold set 40",
        )  # fmt: skip
    highest = _without_address(found)
    if highest is not None:
        return warned(
            "the same machine, by its address alone: with another one it would be refused", score, *changes,
            f"with another address thresholds up to {highest} would pass",
            remedy="Lower the threshold, or take the machine as it is now",
            command=f"fingerprint threshold set {highest}",
        )  # fmt: skip
    return passed(f"the same machine: {found.rule}", score, *changes)


def _without_address(found: Explanation) -> int | None:
    """Return the highest threshold that would pass with another address; None where the address does not decide."""
    verdict = found.verdict
    if verdict.reason != Reason.SAME_IP:
        return None
    from fingerprint.rules.whatif import with_another_address

    then = with_another_address(verdict)
    return None if then.match else then.highest_passing_threshold


def next_start(site: Site) -> Finding:
    """What the agent will do at its next check, which is at its next start or at its next token request, and when."""
    if site.copied:
        return untold("nothing runs on a copied disk")
    try:
        manifest = manifest_state(site.vault)
        if manifest.agent_does != READS:
            return failed(manifest.consequence, manifest.what, remedy=manifest.remedy)
        unread = _unreadable_registration(site)
        if unread is not None:
            return failed(
                "at its next start the agent exits, because the registration cannot be read; it writes nothing",
                unread.what, remedy=unread.remedy.removeprefix(NOTHING_WRITTEN),
            )  # fmt: skip
        found = site.explanation
        regenerated = found.state.regenerated
        told = site.forecast
    except VaultMissing:
        return skipped("the vault holds no fingerprint")
    except FingerprintLost as error:
        text = "at its next token request the agent stores a new fingerprint, and the service rejects it"
        return failed(text, error.what, remedy=error.remedy)
    except FingerprintError as error:
        return _unreadable(error)
    if told is None:
        return unknown("the recording does not tell of the agent's processes")
    if told.refused is None and would_reject(found.outlook, found.verdict, found.collection):
        return unknown("no agent uses this vault; one that did would be refused", WOULD_REJECT)
    if told.refused is None:
        return unknown(told.text)
    if told.refused:
        return failed(told.text, remedy="Before the agent compares, keep the record",
                      command="fingerprint vault backup")  # fmt: skip
    if regenerated:
        return failed("the machine matches a record that the service does not know")
    return passed(told.text)


def _unreadable_registration(site: Site) -> VaultCorrupt | None:
    """Return why the agent cannot read the registration; None where it can, and where there is none."""
    try:
        site.vault.read_registration()
    except VaultCorrupt as error:
        return error
    except VaultError:
        # Missing or denied: `registration` says so.
        pass
    return None


def _provider(site: Site) -> str:
    """Return the provider of the registration, "" without one."""
    try:
        return site.registration.provider or ""
    except VaultError:
        return ""


def regenerated(site: Site) -> Finding:
    """Whether a mismatch has already replaced the fingerprint: by our history, the agent's logs, and times."""
    try:
        state, evidence = site.record_state
    except VaultMissing:
        return skipped("there is no record that could have been replaced")
    except FingerprintError as error:
        return _unreadable(error)
    if state.regenerated:
        when = f" at {state.at}" if state.at else ""
        text = f"the fingerprint was replaced{when}, and the service knows the one before only"
        if state.restorable is not None:
            remedy = "Restore the fingerprint from before, with the machine as it is now"
            return failed(text, *evidence, remedy=remedy, command=_way_back(site, state))
        return failed(
            text, *evidence, remedy=NO_COPY_LEFT,
            command=register_command(again=True, provider=_provider(site)),
        )  # fmt: skip
    if state.uncertain:
        try:
            site.vault.history.changes()
        except VaultError as error:
            return _unreadable(error)
        return unknown(f"it cannot be told whether it was replaced: {state.uncertain}",
                       remedy="Look into the logs of that time: fingerprint diagnose logs FILE...")  # fmt: skip
    if state.restored_at:
        return passed(f"the fingerprint was brought back at {state.restored_at}")
    later = _written_later(site)
    if later:
        return warned(later, "setting the threshold does that, and so does a new fingerprint after a mismatch",
                      remedy="Look into the logs of that time",
                      command="fingerprint diagnose logs FILE...")  # fmt: skip
    return passed("nothing says that it was replaced")


def _way_back(site: Site, state: State) -> str:
    try:
        other_sid = of_another_sid(state, site.explanation.collection)
    except FingerprintError:
        other_sid = False
    return rebaselined(state.restorable or 0, other_sid)


def _written_later(site: Site) -> str:
    """Return the words for a record that is much younger than the registration, "" if it is not."""
    record, key_at = site.vault.written_at(FINGERPRINT_KEY), site.vault.written_at(REGISTRATION_KEY)
    if record is None or key_at is None or record - key_at < _SAME_TIME_SECONDS:
        return ""
    if site.vault.history.entries():
        # What wrote it is told there.
        return ""
    return f"the record was written at {utc(record)}, after the registration ({utc(key_at)})"


def guard(site: Site) -> Finding:
    """What the check can tell on this host at all."""
    untold_there = untold("of a copied disk it cannot be told: what the hardware says is not on it")
    try:
        verdict, weak = site.explanation.verdict, site.explanation.id_warning
    except VaultMissing:
        return untold_there if site.copied else skipped("the vault holds no fingerprint")
    except FingerprintError as error:
        return untold_there if site.copied else _unreadable(error)
    if site.copied and not weak:
        return untold_there
    silent = verdict.total - verdict.effective
    told = f"{verdict.effective} of {verdict.total} attributes say something"
    if verdict.threshold == THRESHOLD_DISABLED:
        return skipped("the check is disabled")
    if verdict.vacuous and not site.copied:
        where = [*_why_silent(site, verdict), *([weak] if weak else [])]
        return warned(
            f"the guard is vacuous: any machine with this hardware ID passes ({told})", *where,
            remedy="Let `monitor nagios -c copy` look by scheme stable, or give it a hardware ID of its own",
            command="fingerprint show --scheme stable",
        )  # fmt: skip
    if weak:
        return warned(weak, told, remedy="Make a machine ID of its own (systemd-machine-id-setup, dbus-uuidgen), then "
                      "register the machine again: the agent takes another ID for another machine")  # fmt: skip
    return passed(told, *((f"{silent} are empty or without content on a side, or not to be read",) if silent else ()))


def _why_silent(site: Site, verdict: Verdict) -> list[str]:
    found = []
    for path, what in (
        *((mark, "this is a container, which shows no SMBIOS") for mark, _ in CONTAINER_MARKS),
        ("/proc/device-tree/model", "this is a board that describes itself by a device tree, not by SMBIOS"),
    ):
        try:
            if site.machine.exists(path):
                found.append(what)
        except OSError:
            continue
    if not found and site.machine.platform == "macos":
        found.append("on macOS the agent reads neither a machine ID nor hardware: the check never fails below 67")
    rows = [row for row in verdict.rows if row.same and not row.evidence]
    for what, names in (
        ("empty on both sides", [row.name for row in rows if not row.current]),
        ("a text without hardware, the same on both sides", [row.name for row in rows if row.current]),
    ):
        found += [f"{what}: {', '.join(names)}"] if names else []
    return list(dict.fromkeys(found))


def _unreadable(error: FingerprintError) -> Finding:
    if isinstance(error, (VaultCorrupt, VaultUnsafe)):
        # Told whole by the check of the vault.
        return unknown("the vault cannot be read: see `vault`", error.what)
    where = (error.where,) if error.where else ()
    return unknown(error.what, *where, remedy=error.remedy)
