"""What only Windows has: WMI, the collector that hashes its answers, and the state of its image."""

from __future__ import annotations

from fingerprint.collect.windows import WMI_SERVICE, uses_cim, windows_version
from fingerprint.diagnose.agent import running_version
from fingerprint.diagnose.results import failed, passed, skipped, unknown, warned
from fingerprint.errors import FingerprintError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.diagnose.results import Finding
    from fingerprint.diagnose.site import Site

_STATE_KEY = r"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Setup\State"
_COMPLETE = "IMAGE_STATE_COMPLETE"
# From this version on the agent asks CIM where wmic is gone.
_CIM_FROM = (3, 3, 1142)


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
    """Which of wmic and CIM the agent asks: their texts differ, so a change of it changes the hardware ID."""
    try:
        version = windows_version(site.machine, site.machine.timeout)
    except FingerprintError as error:
        return unknown(error.what)
    if not version:
        return warned("PowerShell does not tell the version of Windows, so the agent asks wmic",
                      remedy="Find out why PowerShell does not answer: a hiccup of it changes every hash")  # fmt: skip
    by_cim = uses_cim(version)
    tool = "CIM" if by_cim else "wmic"
    numbers = running_version(site)
    if by_cim and numbers and numbers < _CIM_FROM:
        return failed(f"Windows {version} has no wmic, and this agent knows nothing else", remedy="Update the agent")
    other = _other_collector(site, by_cim)
    if other:
        return failed(
            f"the record was made with {'wmic' if by_cim else 'CIM'}, and the agent asks {tool} now", other,
            "the texts of the two differ, and the agent hashes texts",
            remedy="The machine is the same: keep the fingerprint, and take its hashes as they are now",
            command="fingerprint vault rebaseline --keep-fingerprint --accept-new-sid --yes", tag="collector",
        )  # fmt: skip
    return passed(f"Windows {version}: the agent asks {tool}")


def _other_collector(site: Site, by_cim: bool) -> str:
    """Return what proves that the saved hardware ID is this machine's by the other collector, "" if nothing does."""
    try:
        kept = site.record.hardware_hash
        saved = kept.get("uuid", "") if kept is not None else ""
        now = site.explanation.verdict
    except FingerprintError:
        return ""
    if now.match or not saved:
        return ""
    from fingerprint._digest import md5_base64
    from fingerprint.collect.facts import windows_uuid

    try:
        uuid = windows_uuid(site.machine)
    except OSError:
        return ""
    texts = _wmic_texts(uuid) if by_cim else _cim_texts(uuid)
    if uuid and any(md5_base64(text) == saved for text in texts):
        return f"the saved hardware ID is the hash of what {'wmic' if by_cim else 'CIM'} prints for the same UUID"
    return ""


def _wmic_texts(uuid: str) -> tuple[bytes, ...]:
    """Return what wmic prints for a UUID: columns that are two wider than what they hold, lines that end CR CR LF."""
    width = len(uuid) + 2
    text = f"{'UUID':{width}}\r\r\n{uuid:{width}}\r\r\n\r\r\n"
    # Into a pipe it writes in the code page of the console, or in UTF-16 with a mark at the beginning.
    return text.encode("ascii", "replace"), b"\xff\xfe" + text.encode("utf-16-le")


def _cim_texts(uuid: str) -> tuple[bytes, ...]:
    """Return what PowerShell 5 and 7 print for a UUID."""
    return tuple(
        f'{{\r\n{margin}"UUID":{gap}"{uuid}"\r\n}}\r\n'.encode() for margin, gap in (("    ", "  "), ("  ", " "))
    )


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
