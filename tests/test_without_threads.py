"""Commands where no thread and no process can be started: a limit of processes, as of a user or of a container."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import jsonschema
import pytest

import fingerprint
from commandline import environment
from fingerprint.diagnose import WITHOUT_THREADS
from fingerprint.testing import unix_snapshot
from nobody import NOBODY, as_user

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="needs root on Linux, whose limit holds for others"
)
SCHEMAS = Path(fingerprint.__file__).parent / "schemas"
BEFORE = """
import encodings.ascii, encodings.latin_1, encodings.utf_16, encodings.idna, http.client, ssl, email.utils, socket
"""
LIMITED = """
import resource, threading
resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
try:
    threading.Thread(target=print).start()
    sys.exit("a thread was started")
except RuntimeError:
    pass
from fingerprint.cli import main
sys.exit(main(sys.argv[1:]))
"""
COMMANDS = (
    ["show"], ["show", "--scheme", "stable"], ["check"], ["explain"], ["diagnose"], ["diagnose", "--network"],
    ["vault", "verify"], ["monitor", "prometheus"], ["monitor", "nagios"], ["credentials", "sources"], ["vault",
    "init", "--dry-run"],
    ["report", "--redact"], ["snapshot"], ["guard", "--dry-run"], ["guard", "status"],
)  # fmt: skip


@pytest.mark.parametrize("recorded", [False, True], ids=["this host", "a recorded one"])
@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_no_command_fails_where_nothing_can_be_started(tmp_path: Path, words: list[str], recorded: bool) -> None:
    place = Path("/tmp") / f"without-threads-{os.getpid()}"
    place.mkdir()
    os.chmod(place, 0o777)
    try:
        (place / "machine.json").write_text(json.dumps(unix_snapshot()))
        given = ["--snapshot", str(place / "machine.json")] if recorded else []
        file = [str(place / "made")] if words[0] in ("report", "snapshot") else []
        if recorded and (
            words[0] in ("snapshot", "credentials") or words[1:2] in (["init"], ["prometheus"], ["status"])
        ):
            pytest.skip("not of a recorded machine")
        # A vault that is named and missing is an error.
        (place / "Vault").mkdir()
        os.chmod(place / "Vault", 0o777)
        done = as_user(
            NOBODY, LIMITED, "--vault", str(place / "Vault"), *given, *words, *file, env=environment(place),
            before=BEFORE,
        )  # fmt: skip
        assert "internal" not in done.stdout + done.stderr, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        assert "is not loaded" not in done.stderr
        assert done.returncode in (0, 1, 3, 4), done.stderr
        if words[0] == "diagnose":
            assert "Warning: cannot start a thread" in done.stdout
    finally:
        for path in sorted(place.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        place.rmdir()


def test_diagnosis_in_json_says_that_checks_ran_in_sequence() -> None:
    # Any directory: it holds no vault.
    done = as_user(NOBODY, LIMITED, "--output", "json", "--vault", "/usr", "diagnose", before=BEFORE)
    answer = json.loads(done.stdout)
    jsonschema.validate(answer, json.loads((SCHEMAS / "diagnose.json").read_text()))
    assert answer["warnings"] == [WITHOUT_THREADS]
    assert len(answer["checks"]) > 20
    assert not [check for check in answer["checks"] if "internal" in check["text"]]
