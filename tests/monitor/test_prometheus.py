"""`fingerprint monitor prometheus`: what Prometheus makes of the text, and how the file is replaced."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from commandline import COMMAND
from fingerprint import Vault, collect
from fingerprint.errors import InputError
from fingerprint.machine.recorded import RecordedMachine
from fingerprint.monitor.prometheus import write_textfile
from fingerprint.types import FingerprintRecord
from fingerprint.vault.records import encode_fingerprint
from paths import DOCS
from vault_setup import Setup

DOC = DOCS / "monitoring.md"
MACHINE = {"dmi": "SMBIOS 3.0 present.", "disk": "total 0", "ip": "192.0.2.2", "host_name": "zebra-77"}
DRIFTED = {**MACHINE, "host_name": "quagga-78", "mac": "a2:99:21:33:46:99"}
REFUSED = {**DRIFTED, "dmi": "SMBIOS 3.1 present.", "disk": "total 8", "ip": "198.51.100.23"}
ANOTHER = {**MACHINE, "machine_id": "00112233445566778899aabbccddeeff\n"}
OTHER_FINGERPRINT = "5f1c1f6e-94d2-4f7e-8a0a-2c8e4a5d1b77"

needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool of prometheus is not here")
needs_root = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may do this")

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_SAMPLE = re.compile(rf'({_NAME})(?:\{{([a-zA-Z_][a-zA-Z0-9_]*)="([^"\\\n]*)"\}})? (\S+)')
_VALUE = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]\d+)?")

Samples = dict[str, dict[str, float]]


def parsed(text: str) -> Samples:
    """Parse the text format of Prometheus strictly: HELP, TYPE, then all samples of one metric, then the next.

    Returns metric -> the label's value ("" for none) -> number.
    """
    assert text.endswith("\n")
    metrics: Samples = {}
    lines = text[:-1].split("\n")
    while lines:
        name = re.fullmatch(rf"# HELP ({_NAME}) (\S.*\S)", lines.pop(0))
        assert name, text
        assert name[1] not in metrics
        assert lines.pop(0) == f"# TYPE {name[1]} gauge"
        samples = metrics[name[1]] = {}
        labels = set()
        while lines and not lines[0].startswith("#"):
            sample = _SAMPLE.fullmatch(lines.pop(0))
            assert sample, text
            assert sample[1] == name[1]
            assert _VALUE.fullmatch(sample[4])
            assert (sample[3] or "") not in samples
            labels.add(sample[2])
            samples[sample[3] or ""] = float(sample[4])
        assert samples, f"{name[1]} has no sample"
        assert len(labels) == 1
        assert all(math.isfinite(value) for value in samples.values())
    return metrics


def promtool(*words: str, text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(["promtool", *words], input=text, capture_output=True, text=True, check=False, timeout=60)


def value(metrics: Samples, name: str) -> float:
    (only,) = metrics[f"fingerprint_{name}"].items()
    assert only[0] == ""
    return only[1]


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    return Setup.with_record(tmp_path, **MACHINE)


def healthy(setup: Setup) -> None:
    return


def changed(setup: Setup) -> None:
    setup.is_now(**DRIFTED)


def refused(setup: Setup) -> None:
    setup.is_now(**REFUSED)


def soon(setup: Setup) -> None:
    """It is refused in ten minutes, without a restart: the agent was started with credentials of before."""
    refused(setup)
    snapshot = json.loads(setup.snapshot.read_text())
    snapshot["recordedAt"] = "2026-11-24T12:00:00Z"
    snapshot["agentProcesses"] = [
        {"name": "amazon-ssm-agent", "pid": 812, "user": "root", "started": "2026-11-24T11:45:00Z"}
    ]
    identity = {"ShareFile": "/root/.aws/credentials", "CredentialsRetrievedAt": "2026-11-24T11:40:00Z",
                "CredentialsExpiresAt": "2026-11-24T12:40:00Z"}  # fmt: skip
    snapshot["files"]["/var/lib/amazon/ssm/runtimeconfig/identity_config.json"] = {"text": json.dumps(identity)}
    setup.snapshot.write_text(json.dumps(snapshot))


def another(setup: Setup) -> None:
    setup.is_now(**ANOTHER)


def missing(setup: Setup) -> None:
    shutil.rmtree(setup.vault)


def corrupt(setup: Setup) -> None:
    setup.record.write_bytes(b'{"fingerprint": ')


def disabled(setup: Setup) -> None:
    assert setup("threshold", "set", "--", "-1").returncode == 0


def accepted(setup: Setup) -> None:
    """Let the guard find a change that the agent accepts."""
    changed(setup)
    assert setup("guard").returncode == 0


def blocked(setup: Setup) -> None:
    """Let the guard block the start of an agent that would be rejected."""
    refused(setup)
    assert setup("guard", "--on-mismatch", "block").returncode == 1


def emptied(setup: Setup) -> None:
    write_record(setup, hardware_hash=None)


def regenerated(setup: Setup) -> None:
    setup.is_now(**REFUSED)
    now = collect(RecordedMachine.load(str(setup.snapshot))).hardware_hash
    write_record(setup, fingerprint=OTHER_FINGERPRINT, hardware_hash=now)


def denied(setup: Setup) -> None:
    setup.is_now(**REFUSED)
    snapshot = json.loads(setup.snapshot.read_text())
    for command in snapshot["commands"]:
        if "dmidecode" in command["argv"][0]:
            command.update(returncode=1, stdout="", stderr="/dev/mem: Permission denied\n")
    setup.snapshot.write_text(json.dumps(snapshot))


def record_of(setup: Setup) -> FingerprintRecord:
    return Vault(str(setup.vault), state=setup.env["FINGERPRINT_STATE"]).read()


def write_record(setup: Setup, **fields: Any) -> None:
    """Write the record as another program would."""
    setup.record.write_bytes(encode_fingerprint(record_of(setup).replace(**fields)))


CASES = {
    healthy: 0, changed: 0, disabled: 0, regenerated: 1, refused: 1, another: 1, emptied: 1, missing: 3, corrupt: 3,
    denied: 3,
}  # fmt: skip
every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
Case = Callable[[Setup], None]


@every_case
@needs_promtool
def test_promtool_finds_no_problem(setup: Setup, case: Case) -> None:
    case(setup)
    text = setup("monitor", "prometheus").stdout
    assert "fingerprint_check_success" in text
    done = promtool("check", "metrics", text=text)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@every_case
def test_text_json_and_exit_code_agree(setup: Setup, case: Case) -> None:
    case(setup)
    done = setup("monitor", "prometheus")
    assert done.returncode == CASES[case]
    metrics = parsed(done.stdout)
    answer = setup.json("monitor", "prometheus")
    # A replaced fingerprint is a finding, although the machine matches its record.
    expected = "same" if case is regenerated else ("same", "different", "", "cannot-tell")[CASES[case]]
    assert answer["verdict"] == expected
    assert answer["textfile"] is None
    again: Samples = {}
    for one in answer["metrics"]:
        again.setdefault(one["name"], {})["".join(one["labels"].values())] = one["value"]
    for samples in (metrics, again):
        # Each check has its own duration.
        del samples["fingerprint_last_collect_timestamp_seconds"]
        del samples["fingerprint_collect_duration_seconds"]
    assert set(metrics) == set(again)
    for name, samples in metrics.items():
        assert samples == pytest.approx(again[name])


@every_case
def test_output_holds_no_id(setup: Setup, case: Case) -> None:
    record = record_of(setup)
    assert record.hardware_hash is not None
    case(setup)
    secrets = {record.fingerprint, OTHER_FINGERPRINT, *record.hardware_hash.values()}
    secrets |= set(collect(RecordedMachine.load(str(setup.snapshot))).hardware_hash.values()) - {""}
    secrets |= {"zebra-77", "quagga-78", "192.0.2.2", "198.51.100.23", "a2:99:21:33"}
    for words in ((), ("--output", "json")):
        done = setup("monitor", "prometheus", *words)
        assert done.stdout
        for text in secrets:
            assert text.strip() not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("case", "figures"),
    [
        (healthy, {"match": 1, "next_start_refused": 0, "score_ratio": 1, "ip_alone": 0, "vacuous": 0}),
        (changed, {"match": 1, "next_start_refused": 0, "score_ratio": 7 / 9, "threshold_ratio": 0.4}),
        (refused, {"match": 0, "next_start_refused": 1, "score_ratio": 1 / 9, "check_success": 1}),
        (another, {"match": 0, "next_start_refused": 1, "score_ratio": 8 / 9}),
        (soon, {"next_start_refused": 1, "next_check_seconds": 600, "next_check_timestamp_seconds": 1795522200}),
        (disabled, {"disabled": 1, "threshold_ratio": 0, "vacuous": 1, "match": 1, "next_start_refused": 0}),
        (regenerated, {"regenerated": 1, "match": 1, "next_start_refused": 1}),
        (denied, {"match": 0, "check_success": 0, "next_start_refused": 0, "regenerated": 0}),
        (missing, {"check_success": 0, "next_start_refused": 0, "regenerated": 0}),
    ],
    ids=lambda one: one.__name__ if callable(one) else "",
)
def test_metrics_are_those_of_the_check(setup: Setup, case: Case, figures: dict[str, float]) -> None:
    case(setup)
    metrics = parsed(setup("monitor", "prometheus").stdout)
    assert {name: value(metrics, name) for name in figures} == pytest.approx(figures)


def test_each_attribute_has_its_own_sample(setup: Setup) -> None:
    changed(setup)
    metrics = parsed(setup("monitor", "prometheus").stdout)
    differ = {name for name, one in metrics["fingerprint_attribute_changed"].items() if one}
    assert differ == {"hostname-info", "macaddr-info"}
    assert set(metrics["fingerprint_attribute_absent"].values()) == {0}
    assert sum(metrics["fingerprint_rule"].values()) == 1
    assert metrics["fingerprint_rule"]["same-ip"] == 1
    setup.is_now(**{**MACHINE, "disk": None})
    metrics = parsed(setup("monitor", "prometheus").stdout)
    assert {name for name, one in metrics["fingerprint_attribute_absent"].items() if one} == {"disk-info"}


def test_unreadable_attribute_is_neither_changed_nor_absent(setup: Setup) -> None:
    denied(setup)
    metrics = parsed(setup("monitor", "prometheus").stdout)
    unread = {"bios-hash", "memory-hash", "processor-hash", "system-hash"}
    assert {name for name, one in metrics["fingerprint_attribute_unreadable"].items() if one} == unread
    assert set(metrics["fingerprint_attribute_absent"].values()) == {0}
    assert {name for name, one in metrics["fingerprint_attribute_changed"].items() if one} == {
        "disk-info", "hostname-info", "ipaddress-info", "macaddr-info",
    }  # fmt: skip


def test_error_kind_is_a_metric_without_a_verdict(setup: Setup) -> None:
    corrupt(setup)
    done = setup("monitor", "prometheus")
    assert parsed(done.stdout)["fingerprint_check_error"] == {"VaultCorrupt": 1}
    assert str(setup.record) in done.stderr
    missing(setup)
    # Our journal knows that there was one; the error must be another than that of damage.
    assert set(parsed(setup("monitor", "prometheus").stdout)["fingerprint_check_error"]) == {"VaultMissing"}


@every_case
def test_file_is_written_for_every_result(setup: Setup, tmp_path: Path, case: Case) -> None:
    case(setup)
    target = tmp_path / "out" / "fingerprint.prom"
    target.parent.mkdir()
    done = setup("monitor", "prometheus", "--textfile", str(target))
    assert (done.returncode, done.stdout) == (CASES[case], "")
    assert value(parsed(target.read_text()), "check_success") == (CASES[case] != 3)
    assert os.listdir(target.parent) == [target.name]


@pytest.mark.parametrize("mask", [0o000, 0o077])
def test_file_is_readable_by_all_and_writable_by_the_owner(setup: Setup, tmp_path: Path, mask: int) -> None:
    target = tmp_path / "fingerprint.prom"
    before = os.umask(mask)
    try:
        assert setup("monitor", "prometheus", "--textfile", str(target)).returncode == 0
    finally:
        os.umask(before)
    assert stat.S_IMODE(target.stat().st_mode) == 0o644


def test_file_is_named_in_the_answer(setup: Setup, tmp_path: Path) -> None:
    target = tmp_path / "fingerprint.prom"
    answer = setup.json("monitor", "prometheus", "--textfile", str(target))
    assert answer["textfile"] == str(target)
    assert target.exists()


def test_hard_link_to_the_old_file_keeps_its_content(setup: Setup, tmp_path: Path) -> None:
    target, kept = tmp_path / "fingerprint.prom", tmp_path / "kept"
    target.write_text("old\n" * 1000)
    kept.hardlink_to(target)
    assert setup("monitor", "prometheus", "--textfile", str(target)).returncode == 0
    assert kept.read_text() == "old\n" * 1000
    parsed(target.read_text())


def test_reader_never_gets_a_partial_file(tmp_path: Path) -> None:
    target = tmp_path / "fingerprint.prom"
    # Longer than a block, so that a file that is written in place would be seen in part.
    contents = {f"{number} " * 20_000 + "end\n" for number in range(5)}
    write_textfile(str(target), next(iter(contents)))
    seen, done = [], threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.append(target.read_text() in contents)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for _ in range(40):
            for text in contents:
                write_textfile(str(target), text)
    finally:
        done.set()
        reader.join()
    assert len(seen) > 20
    assert all(seen)
    assert os.listdir(tmp_path) == [target.name]


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not here")
def test_file_is_only_renamed_into_its_path(setup: Setup, tmp_path: Path) -> None:
    target, log = tmp_path / "out" / "fingerprint.prom", tmp_path / "log"
    target.parent.mkdir()
    done = subprocess.run(
        ["strace", "-f", "-o", str(log), "-e", "trace=%file,fsync", COMMAND, "--vault", str(setup.vault),
         "--snapshot", str(setup.snapshot), "monitor", "prometheus", "--textfile", str(target)],
        env=setup.env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if "PTRACE" in done.stderr or "ptrace" in done.stderr:
        pytest.skip(f"strace may not trace here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    calls = [line for line in log.read_text().splitlines() if str(target.parent) + "/" in line or "fsync(" in line]
    touching = [line for line in calls if f'"{target}"' in line and "stat" not in line]
    assert len(touching) == 1
    assert re.search(r"\brename(at2?)?\(", touching[0])
    # What is renamed is on the disk, and readable, before.
    before = calls[: calls.index(touching[0])]
    assert any("fsync(" in line for line in before)
    assert any("chmod" in line and "0644" in line for line in before)


def test_link_is_replaced_and_not_followed(setup: Setup, tmp_path: Path) -> None:
    target, elsewhere = tmp_path / "fingerprint.prom", tmp_path / "elsewhere"
    elsewhere.write_text("mine")
    target.symlink_to(elsewhere)
    assert setup("monitor", "prometheus", "--textfile", str(target)).returncode == 0
    assert elsewhere.read_text() == "mine"
    assert not target.is_symlink()
    parsed(target.read_text())


def limited() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit of a file's size")
def test_old_file_stays_if_the_new_one_does_not_fit(setup: Setup, tmp_path: Path) -> None:
    target = tmp_path / "out" / "fingerprint.prom"
    target.parent.mkdir()
    target.write_text("old")
    done = setup("monitor", "prometheus", "--textfile", str(target), preexec_fn=limited)
    assert (done.returncode, done.stdout) == (3, "")
    assert f"{target}: cannot write the metrics" in done.stderr
    assert "Traceback" not in done.stderr
    assert target.read_text() == "old"
    assert os.listdir(target.parent) == [target.name]


_FULL_DISK = """
mount -t tmpfs -o size=16k none "$1" || exit 77
printf old >"$1/f.prom"
head -c 100000 /dev/zero >"$1/fill" 2>/dev/null
shift
"$@"
code=$?
cat "$0/f.prom"
ls -A "$0"
exit $code
"""


@needs_root
@pytest.mark.skipif(shutil.which("unshare") is None, reason="unshare of util-linux is not here")
def test_old_file_stays_on_a_full_disk(setup: Setup, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", _FULL_DISK, str(disk), str(disk), COMMAND, "--vault", str(setup.vault),
         "--snapshot", str(setup.snapshot), "monitor", "prometheus", "--textfile", str(disk / "f.prom")],
        env=setup.env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode == 77 or "unshare: " in done.stderr:
        pytest.skip(f"no file system may be mounted here: {done.stderr.strip()}")
    assert done.returncode == 3
    assert "cannot write the metrics: No space left on device" in done.stderr
    assert done.stdout == "oldf.prom\nfill\n"


def test_missing_directory_is_an_error(setup: Setup, tmp_path: Path) -> None:
    target = tmp_path / "nowhere" / "fingerprint.prom"
    done = setup("monitor", "prometheus", "--textfile", str(target))
    assert (done.returncode, done.stdout) == (3, "")
    assert f"{target}: cannot write the metrics: No such file or directory" in done.stderr
    assert not target.parent.exists()


def test_directory_at_the_path_is_an_error_and_stays(setup: Setup, tmp_path: Path) -> None:
    target = tmp_path / "out" / "fingerprint.prom"
    target.mkdir(parents=True)
    done = setup("monitor", "prometheus", "--textfile", str(target))
    assert done.returncode == 3
    assert "cannot write the metrics" in done.stderr
    assert os.listdir(target.parent) == [target.name]
    assert target.is_dir()


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="modes as Unix has them")
def test_unwritable_directory_is_an_error_and_stays_empty(setup: Setup, tmp_path: Path) -> None:
    directory = tmp_path / "out"
    directory.mkdir(mode=0o555)
    target = directory / "fingerprint.prom"
    command = [COMMAND, "--vault", str(setup.vault), "--snapshot", str(setup.snapshot), "monitor", "prometheus",
    "--textfile",
               str(target)]  # fmt: skip
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("root may write everything, and setpriv of util-linux is not here")
        os.chown(directory, 65534, 65534)
        command = ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all", *command]
    done = subprocess.run(command, env=setup.env, capture_output=True, text=True, check=False)
    if "setpriv: " in done.stderr:
        pytest.skip(f"setpriv may not do it here: {done.stderr.strip()}")
    assert done.returncode == 3
    assert f"{target}: cannot write the metrics: Permission denied" in done.stderr
    assert os.listdir(directory) == []


def test_unwritable_file_raises_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"Name a file in a directory") as caught:
        write_textfile(str(tmp_path / "no" / "f.prom"), "x\n")
    assert caught.value.where == str(tmp_path / "no" / "f.prom")


# The page.


def rules_of_the_page() -> str:
    blocks = re.findall(r"^```yaml\n(.*?)^```$", DOC.read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 1
    return str(blocks[0])


def test_page_names_every_metric_and_no_other(setup: Setup) -> None:
    names: set[str] = set()
    for case in (healthy, soon, missing, accepted):
        case(setup)
        names |= set(parsed(setup("monitor", "prometheus").stdout))
    page = DOC.read_text()
    assert set(re.findall(r"^\| `(fingerprint_\w+)", page, re.MULTILINE)) == names
    assert set(re.findall(r"\bfingerprint_\w+", rules_of_the_page())) <= names


@needs_promtool
def test_promtool_accepts_the_rules_of_the_page(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(rules_of_the_page())
    done = promtool("check", "rules", str(path))
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert re.search(r"SUCCESS: [1-9]\d* rules found", done.stdout)


@needs_promtool
@pytest.mark.parametrize(
    ("case", "alerts"),
    [
        (healthy, set()),
        (changed, {"FingerprintChanged"}),
        (refused, {"FingerprintWillHibernate", "FingerprintChanged"}),
        (soon, {"FingerprintWillHibernate", "FingerprintLostSoon", "FingerprintChanged"}),
        (missing, {"FingerprintUnknown"}),
        (disabled, {"FingerprintGuardVacuous"}),
        (accepted, {"FingerprintChanged"}),
        (blocked, {"FingerprintWillHibernate", "FingerprintChanged", "FingerprintBlocked"}),
    ],
    ids=lambda one: one.__name__ if callable(one) else "",
)
def test_rules_of_the_page_fire_for_their_metrics(setup: Setup, tmp_path: Path, case: Case, alerts: set[str]) -> None:
    """Let Prometheus evaluate the rules over our own metrics, constant for a day."""
    case(setup)
    series = []
    for name, samples in parsed(setup("monitor", "prometheus").stdout).items():
        for label, number in samples.items():
            if name == "fingerprint_last_collect_timestamp_seconds":
                # The clock of a test of rules begins in 1970.
                number = 24 * 3600
            elif name == "fingerprint_next_check_timestamp_seconds":
                number = 24 * 3600 + 600
            keys = {"fingerprint_rule": "rule", "fingerprint_check_error": "kind", "fingerprint_next_check": "when",
                    "fingerprint_guard_decision": "decision"}  # fmt: skip
            key = keys.get(name, "attribute")
            labels = f'{{{key}="{label}"}}' if label else ""
            series.append({"series": f"{name}{labels}", "values": f"{number}x1440"})
    (tmp_path / "rules.yaml").write_text(rules_of_the_page())
    names = sorted(set(re.findall(r"alert: (\w+)", rules_of_the_page())))
    assert alerts <= set(names)
    tests = {
        "rule_files": ["rules.yaml"],
        "tests": [{
            "interval": "1m", "input_series": series,
            "promql_expr_test": [{
                "expr": f'count by (alertname) (ALERTS{{alertstate="firing",alertname="{name}"}})', "eval_time": "1d",
                "exp_samples": [{"labels": f'{{alertname="{name}"}}', "value": 1}] if name in alerts else [],
            } for name in names],
        }],
    }  # fmt: skip
    # JSON is YAML.
    (tmp_path / "tests.yaml").write_text(json.dumps(tests))
    done = promtool("test", "rules", str(tmp_path / "tests.yaml"))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="another system has another directory")
def test_page_names_the_file_that_the_units_write() -> None:
    assert "/var/lib/prometheus/node-exporter/fingerprint.prom" in DOC.read_text()


@pytest.mark.parametrize("kind", ["pipe", "directory", "link to a pipe"])
def test_special_file_is_not_replaced(tmp_path: Path, kind: str) -> None:
    """As root, one check with /dev/null or /dev/stdout as the file would remove it for every process."""
    target = tmp_path / "target"
    if kind == "directory":
        target.mkdir()
    else:
        os.mkfifo(tmp_path / "pipe" if "link" in kind else target)
        if "link" in kind:
            target.symlink_to("pipe")

    def there() -> dict[str, tuple[int, int, int]]:
        statuses = {path.name: path.lstat() for path in tmp_path.iterdir()}
        return {name: (status.st_ino, status.st_mode, status.st_ctime_ns) for name, status in statuses.items()}

    before = there()
    with pytest.raises(InputError, match="not a regular file"):
        write_textfile(str(target), "x\n")
    assert there() == before
