"""Who the node is: registration, key, vault, fingerprint, and what the next start of the agent will do."""

from __future__ import annotations

from datetime import datetime, timezone

from fingerprint.diagnose.results import failed, passed, skipped, unknown, untold, warned
from fingerprint.diagnose.waiting import EC2, REFRESHER_FROM, SUCCESS_LOGGED_FROM, got_after, version_of
from fingerprint.errors import FingerprintError, VaultCorrupt, VaultError, VaultMissing, VaultUnsafe
from fingerprint.keydates import UNDATED_DAYS, age_in_days, created_seconds
from fingerprint.match import THRESHOLD_DISABLED
from fingerprint.model import Reason, masked, utc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.diagnose.results import Finding
    from fingerprint.diagnose.site import Site
    from fingerprint.explanation import Explanation

# A record that was written so long after the registration was written for another reason.
_SAME_TIME_SECONDS = 600
# No zone is further from UTC.
_ANY_ZONE_SECONDS = 14 * 3600
_REGISTER = "fingerprint register --region REGION --activation-id ID --code-file FILE"


def registration(site: Site) -> Finding:
    """Whether this machine has a complete registration."""
    try:
        record = site.registration
    except VaultMissing as error:
        if site.identity_type == EC2:
            return skipped("this is an EC2 instance, and has no hybrid registration", f"by {site.places.identity}")
        return failed(
            "this machine is not registered", error.where, remedy="Register it with an activation", command=_REGISTER,
            tag="not-registered",
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
            "the registration was cleared", remedy="Register it with an activation", command=_REGISTER,
            tag="not-registered",
        )  # fmt: skip
    if missing:
        return failed(
            f"the registration is not complete: without {', '.join(missing)}",
            "an attempt to register that failed leaves this behind",
            remedy="Register it again with an activation", command=_REGISTER, tag="not-registered",
        )  # fmt: skip
    node = record.instance_id if site.reveal else masked(record.instance_id)
    told = f"registered as {node} in {record.region}"
    return _registration_file(site, told, record.instance_id, record.region)


def _registration_file(site: Site, told: str, node: str, region: str) -> Finding:
    from fingerprint._json import JsonError, loads

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
    """How old the node's key is, and whether it is changed in time."""
    try:
        if not site.registered:
            return skipped("there is no registration")
    except VaultError as error:
        return _unreadable(error)
    created = site.registration.private_key_created_date
    age = age_in_days(created, site.machine.now())
    every = site.setting("Profile", "KeyAutoRotateDays")
    rotation = (
        f"changed every {every} days" if isinstance(every, int) and every > 0 else "changed when the service asks"
    )
    if age is None:
        return warned(f"the date of the key cannot be read: {created!r}", "the agent never changes such a key by age",
                      remedy="Nothing, if no rotation by age is wanted; else register again")  # fmt: skip
    if age >= UNDATED_DAYS and not created:
        return warned("the key has no date, as of a registration of before 2021", rotation,
                      remedy="Set Profile.KeyAutoRotateDays in amazon-ssm-agent.json to have it changed")  # fmt: skip
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
    broken = next((one for one in only_missing if one.broken), None)
    if broken is not None:
        return failed(f"the vault cannot be read: {broken.what}", *told, remedy=broken.remedy, tag="vault-broken")
    if not only_missing:
        if findings:
            return skipped(f"there is none: {findings[0].where}")
        return passed("the vault is sound", site.vault.path)
    return warned(
        f"{len(told)} thing{'s' * (len(told) != 1)} in the vault to look at", *told, remedy=only_missing[0].remedy,
        command="fingerprint vault verify",
    )  # fmt: skip


def fingerprint(site: Site) -> Finding:
    """Whether this is the machine of the record, now."""
    try:
        found = site.explanation
    except VaultMissing:
        return skipped("the vault holds no fingerprint: the next start of the agent makes the first one")
    except FingerprintError as error:
        return _unreadable(error)
    verdict = found.verdict
    score = f"{verdict.matched} of {verdict.total} attributes equal, threshold {verdict.threshold}"
    changes = [f"{', '.join(names)}: {text}" for names, text, _ in found.changed]
    denied = any(one.name == "as-root" for one in found.remedies)
    if found.outcome == "cannot-tell" and site.copied and not denied:
        return untold("of a copied disk it cannot be told: most of what is compared is of the hardware and the kernel",
                      found.rule, *changes)  # fmt: skip
    if found.outcome == "cannot-tell":
        remedy = site.rights if denied else "See why with: fingerprint show"
        return unknown(f"{found.rule}; sources could not be read", *changes, remedy=remedy)
    if found.outcome == "different":
        first = found.remedies[0] if found.remedies else None
        return failed(
            f"not the same machine: {found.rule}", score, *changes, remedy=first.text if first else "",
            command=first.command if first else "", tag="differs",
        )  # fmt: skip
    if verdict.threshold == THRESHOLD_DISABLED:
        return warned("the check is disabled (threshold -1): any machine with this vault passes", score, *changes,
                      remedy="Set a threshold", command="fingerprint threshold set 40")  # fmt: skip
    if verdict.threshold < 1:
        return warned(
            f"threshold {verdict.threshold}: only the hardware ID is looked at", score,
            "so stored by agents before 3.0.1181 and after a corrupt record", *changes,
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
    from fingerprint.forecast import with_another_address

    then = with_another_address(verdict)
    return None if then.match else then.highest_passing_threshold


def next_start(site: Site) -> Finding:
    """What the next start of the agent will do."""
    if site.copied:
        return untold("nothing runs on a copied disk")
    try:
        verdict = site.explanation.verdict
        regenerated = site.explanation.state.regenerated
    except VaultMissing:
        return skipped("the vault holds no fingerprint")
    except FingerprintError as error:
        return _unreadable(error)
    from fingerprint.forecast import next_start as forecast
    from fingerprint.vault import FINGERPRINT_KEY

    try:
        started = site.started
    except OSError:
        started = None
    told = forecast(verdict, started, site.vault.written_at(FINGERPRINT_KEY))
    if told.refused is None:
        return unknown(told.text)
    if told.refused:
        return failed(told.text, remedy="Before the agent restarts, keep the record",
                      command="fingerprint vault backup")  # fmt: skip
    if regenerated:
        return failed("the machine matches a record that the service does not know")
    return passed(told.text)


def regenerated(site: Site) -> Finding:
    """Whether a mismatch has already replaced the fingerprint: by our history, the agent's logs, and times."""
    evidence: list[str] = []
    restorable: int | None = None
    at = ""
    try:
        state = site.explanation.state
        if state.regenerated:
            at, restorable = state.at, state.restorable
            evidence.append(f"our history: replaced {'at ' + at if at else 'by another program'} ({state.by})")
    except VaultMissing:
        return skipped("there is no record that could have been replaced")
    except FingerprintError:
        # Then the logs are what is left.
        state = None
    logged = _logged_regeneration(site)
    if logged:
        evidence.append(f"the agent's log: a new fingerprint was made at {logged}")
        evidence += _logged_mismatch(site)
        at = at or logged
    if evidence:
        if restorable is not None:
            return failed(
                f"the fingerprint was replaced{' at ' + at if at else ''}, and the service knows the one before only",
                *evidence, remedy="Put back the record from before",
                command=f"fingerprint vault restore {restorable} --yes",
            )  # fmt: skip
        return failed(
            f"the fingerprint was replaced{' at ' + at if at else ''}, and the service knows the one before only",
            *evidence, remedy="Restore the vault from a backup of before, or register the machine again",
            command=_REGISTER,
        )  # fmt: skip
    later = _written_later(site)
    if later:
        return warned(later, "setting the threshold does that, and so does a new fingerprint after a mismatch",
                      remedy="Look into the logs of that time", command="fingerprint explain-log FILE...")  # fmt: skip
    if state is None:
        return unknown("neither the vault nor the logs tell")
    return passed("nothing says that it was replaced")


def _logged_regeneration(site: Site) -> str:
    try:
        story = site.story
    except OSError:
        return ""
    if not story.regenerated_at:
        return ""
    at = story.regenerated_at[-1]
    if story.last_good and story.last_good > at:
        # What got credentials afterwards was registered again since, or had its record restored.
        return ""
    if REFRESHER_FROM <= version_of(site.version) < SUCCESS_LOGGED_FROM and got_after(site, at) is not None:
        return ""
    return "" if _registered_after(site, at) else at or "a time that is not told"


def _registered_after(site: Site, at: str) -> bool:
    """Return whether the node's key was made after a logged time: then the service knows the fingerprint of then."""
    try:
        made = created_seconds(site.registration.private_key_created_date)
    except VaultError:
        return False
    seconds = site.seconds_of(at)
    if seconds is None:
        try:
            # On a copied disk it is not known in which zone it was logged.
            seconds = datetime.fromisoformat(at).replace(tzinfo=timezone.utc).timestamp() + _ANY_ZONE_SECONDS
        except ValueError:
            return False
    return made is not None and made > seconds


def _logged_mismatch(site: Site) -> list[str]:
    """Return what the log tells of the mismatch before it."""
    found = site.story.mismatches[-1] if site.story.mismatches else None
    if found is None:
        return []
    if found.id_differs:
        return ["before it the hardware ID differed"]
    score = "" if found.matched is None else f", {found.matched} of 9 equal"
    return [f"before it changed: {', '.join(sorted(found.changed))}{score}"] if found.changed else []


def _written_later(site: Site) -> str:
    """Return the words for a record that is much younger than the registration, "" if it is not."""
    from fingerprint.vault import FINGERPRINT_KEY, REGISTRATION_KEY

    record, key_at = site.vault.written_at(FINGERPRINT_KEY), site.vault.written_at(REGISTRATION_KEY)
    if record is None or key_at is None or record - key_at < _SAME_TIME_SECONDS:
        return ""
    if site.vault.history.entries():
        # What wrote it is told there.
        return ""
    return f"the record was written at {utc(record)}, after the registration ({utc(key_at)})"


def guard(site: Site) -> Finding:
    """What the check can tell on this machine at all."""
    if site.copied:
        return untold("of a copied disk it cannot be told: what the hardware says is not on it")
    try:
        verdict = site.explanation.verdict
    except VaultMissing:
        return skipped("the vault holds no fingerprint")
    except FingerprintError as error:
        return _unreadable(error)
    silent = verdict.total - verdict.effective
    told = f"{verdict.effective} of {verdict.total} attributes say something"
    if verdict.threshold == THRESHOLD_DISABLED:
        return skipped("the check is disabled")
    if verdict.vacuous:
        where = _why_silent(site)
        return warned(
            f"the guard is vacuous: any machine with this hardware ID passes ({told})", *where,
            remedy="Let `check --format nagios -c copy` look by scheme stable, or give it a hardware ID of its own",
            command="fingerprint show --scheme stable",
        )  # fmt: skip
    return passed(told, *((f"{silent} are empty on both sides or not to be read",) if silent else ()))


def _why_silent(site: Site) -> list[str]:
    found = []
    for path, what in (
        ("/.dockerenv", "this is a container, which shows no SMBIOS"),
        ("/run/.containerenv", "this is a container, which shows no SMBIOS"),
        ("/proc/device-tree/model", "this is a board that describes itself by a device tree, not by SMBIOS"),
    ):
        try:
            if site.machine.exists(path):
                found.append(what)
        except OSError:
            continue
    if not found and site.machine.platform == "macos":
        found.append("on macOS the agent reads neither a machine ID nor hardware: the check never fails below 67")
    try:
        empty = [c.name for c in site.explanation.causes if c.state == "empty"]
    except FingerprintError:
        empty = []
    return [*dict.fromkeys(found), *([f"empty on both sides: {', '.join(empty)}"] if empty else [])]


def _unreadable(error: FingerprintError) -> Finding:
    if isinstance(error, (VaultCorrupt, VaultUnsafe)):
        # Told whole by the check of the vault.
        return unknown("the vault cannot be read: see `vault`", error.what)
    where = (error.where,) if error.where else ()
    return unknown(error.what, *where, remedy=error.remedy)
