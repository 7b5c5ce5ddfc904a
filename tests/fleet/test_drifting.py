"""Drift between observations, packed fleets, new files, and the page on a fleet."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import time
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest

from commandline import COMMAND, environment, run
from fleets import NAMES, row, validated, write_lines

pa = pytest.importorskip("pyarrow", reason="the extra `fleet` is not installed")
import pyarrow.parquet as pq  # noqa: E402

from fingerprint.errors import InputError, Refused, UsageError  # noqa: E402
from fingerprint.fleet import check, drift, join, open_fleet, pack  # noqa: E402
from fingerprint.fleet.io.writer import TableWriter  # noqa: E402
from fingerprint.testing.fleet import fleet  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

ROWS = [row("a"), row("b", "ipaddress-info", "disk-info"), row("c", "machine-id"), row("d", *NAMES[1:])]


def test_drift_is_counted_by_week_by_group_and_together(tmp_path: Path) -> None:
    rows = [
        {**row("a", "disk-info"), "observed_at": "2025-12-29T00:00:00Z", "group": "red"},
        {**row("b", "disk-info", "hostname-info"), "observed_at": "2026-01-04T23:59:59Z", "group": "red"},
        {**row("c"), "observed_at": "2026-01-05T00:00:00Z", "group": "blue"},
        {**row("d", "disk-info"), "observed_at": None},
    ]
    file = open_fleet(write_lines(tmp_path / "fleet.jsonl", rows))
    weeks = drift(file.batches())
    assert dict(weeks.machines) == {"2026-W01": 2, "2026-W02": 1, "": 1}
    assert dict(weeks.changed["disk-info"]) == {"2026-W01": 2, "": 1}
    assert dict(weeks.together) == {("disk-info",): 2, ("hostname-info", "disk-info"): 1, (): 1}
    groups = drift(file.batches(), by="group")
    assert dict(groups.machines) == {"red": 2, "blue": 1, "": 1}
    assert dict(groups.changed["disk-info"]) == {"red": 2, "": 1}
    with pytest.raises(UsageError, match="no drift by 'month'"):
        drift(file.batches(), by="month")


def test_rare_sets_of_changes_are_counted_and_not_named(tmp_path: Path) -> None:
    names = [f"a{i}" for i in range(12)]
    rows = []
    for number, chosen in enumerate(itertools.product("xy", repeat=11)):
        saved = dict.fromkeys(names, "x")
        rows.append({"node_id": str(number), "saved": saved, "current": dict(zip(names, (*chosen, "x"), strict=True))})
    found = drift(open_fleet(write_lines(tmp_path / "fleet.jsonl", rows)).batches())
    assert sum(found.together.values()) == len(rows) == 2048
    assert found.together[("...",)] > 0


def test_two_observations_are_joined_by_node(tmp_path: Path) -> None:
    before = [row("gone"), row("a"), {**row("b"), "observed_at": "2026-01-01T00:00:00Z"},
              {**row("b", "hostname-info"), "observed_at": "2025-01-01T00:00:00Z"}]  # fmt: skip
    after = [row("b", "disk-info"), row("new"), row("a")]
    files = [open_fleet(write_lines(tmp_path / f"{i}.jsonl", rows)) for i, rows in enumerate((before, after))]
    with join(files[0].batches(), files[1].batches()) as joined:
        assert (joined.both, joined.only_before, joined.only_after) == (2, 1, 1)
        assert (joined.repeated_before, joined.repeated_after) == (1, 0)
        found = [one for checked in check(joined.batches()) for one in checked.rows.to_pylist()]
        assert dict(drift(joined.batches()).together) == {("disk-info",): 1, (): 1}
    verdicts = [(one["node_id"], one["matched"], one["reason"]) for one in found]
    assert verdicts == [("b", 6, "SAME_IP"), ("a", 7, "SAME_IP")]
    with pytest.raises(InputError, match="no rows"):
        join(iter(()), files[1].batches())
    saved_only = write_lines(tmp_path / "saved.jsonl", [{"node_id": "x", "saved": {"a": "b"}}])
    with pytest.raises(InputError, match="no current hashes"):
        join(open_fleet(saved_only).batches(), files[1].batches())


def test_a_packed_fleet_gives_the_same_verdicts(tmp_path: Path) -> None:
    rows = [*ROWS, {"node_id": "e", "saved": {"machine-id": "x", "ipaddress-info": ""}, "current": {"machine-id": "x"}},
            {"node_id": "f", "saved": {"machine-id": ""}, "current": {"disk-info": "x"}}, {"node_id": "g"}]  # fmt: skip
    complete = list(open_fleet(write_lines(tmp_path / "fleet.jsonl", rows)).batches())
    packed = [batch.slice(2) for batch in pack(complete, threads=2)]
    wanted = [one for checked in check(complete) for one in checked.rows.to_pylist()]
    assert [one["reason"] for one in wanted[-3:]] == ["SAME_IP", "SAME_IP", "NOTHING_TO_COMPARE"]
    assert [one for checked in check(packed) for one in checked.rows.to_pylist()] == wanted[2:]
    assert [
        one for checked in check(pack(batch.slice(1) for batch in complete)) for one in checked.rows.to_pylist()
    ] == (wanted[1:])
    digest = packed[0]["saved.disk-info"][0].as_py()
    assert digest == hashlib.sha256(b"disk-info of c").digest()[:16]
    one = pa.array([1], pa.int32())
    ids = pa.record_batch({"node_id": ["x"], "saved.a": one, "current.a": one})
    with pytest.raises(InputError, match="IDs are small already"):
        list(pack([ids]))


@pytest.mark.parametrize("ending", ["parquet", "arrow", "jsonl"])
def test_output_file_is_complete_or_missing(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"new.{ending}"
    batch = next(open_fleet(write_lines(tmp_path / "fleet.jsonl", ROWS)).batches())

    def interrupted() -> None:
        with TableWriter(str(path)) as writer:
            writer.write(batch)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [one.name for one in tmp_path.iterdir()] == ["fleet.jsonl"]
    with TableWriter(str(path)) as writer:
        writer.write(batch)
    assert path.stat().st_mode & 0o777 == 0o600
    assert sum(one.num_rows for one in open_fleet(path).batches()) == len(ROWS)
    with pytest.raises(Refused, match="exists"):
        TableWriter(str(path))
    with pytest.raises(UsageError, match="does not end with"):
        TableWriter(str(tmp_path / "x.csv"))


@pytest.mark.parametrize("ending", ["parquet", "arrow", "jsonl"])
def test_full_disk_leaves_no_file(tmp_path: Path, ending: str) -> None:
    pq.write_table(fleet(30_000).read_all(), tmp_path / "fleet.parquet")
    # A limit on the size of files fails writes as a full disk does, at a place that a test can choose.
    script = f'ulimit -f 64; trap "" XFSZ; exec {COMMAND} fleet check fleet.parquet --to out.{ending}'
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, env=environment(tmp_path)
    )
    assert done.returncode == 3, done.stderr
    assert "cannot write the answer: " in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(one.name for one in tmp_path.iterdir()) == ["fleet.parquet"]


@pytest.mark.parametrize(
    "numbers", [(signal.SIGINT,), (signal.SIGTERM,), (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)], ids=str
)
def test_interrupt_leaves_only_the_rejects_so_far(tmp_path: Path, numbers: tuple[int, ...]) -> None:
    """Several at once are as one: a service manager sends them so."""
    os.mkfifo(tmp_path / "fleet.jsonl")
    words = [COMMAND, "fleet", "check", "fleet.jsonl", "--to", "out.parquet", "--rejects", "bad.jsonl"]
    with (
        subprocess.Popen(words, cwd=tmp_path, stderr=subprocess.PIPE, text=True, env=environment(tmp_path)) as process,
        open(tmp_path / "fleet.jsonl", "w") as pipe,
    ):
        pipe.write("no row\n")
        pipe.flush()
        deadline = time.monotonic() + 30
        while not any(one.name.startswith(".out") for one in tmp_path.iterdir()) and time.monotonic() < deadline:
            time.sleep(0.05)
        for number in numbers:
            process.send_signal(number)
        _, message = process.communicate(timeout=30)
    assert process.returncode == 130, message
    assert "Traceback" not in message
    assert sorted(one.name for one in tmp_path.iterdir()) == ["bad.jsonl", "fleet.jsonl"]


def test_interrupt_that_a_library_converts_still_ends_it(tmp_path: Path) -> None:
    """The rows of a comparison are read within DuckDB."""
    write_lines(tmp_path / "before.jsonl", [row("a", "disk-info")])
    os.mkfifo(tmp_path / "after.jsonl")
    with (
        subprocess.Popen([COMMAND, "fleet", "diff", "before.jsonl", "after.jsonl"], cwd=tmp_path, text=True,
                         stderr=subprocess.PIPE, env=environment(tmp_path / "state")) as process,
        open(tmp_path / "after.jsonl", "w"),
    ):  # fmt: skip
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        _, message = process.communicate(timeout=30)
    assert (process.returncode, message.count("interrupted")) == (130, 1), message


def test_pipe_of_an_unknown_format_requires_the_option(made: Path) -> None:
    """Reading the beginning of a pipe would consume it."""
    lines = (made / "bad.jsonl").read_text()
    (made / "good.jsonl").write_text(lines.replace("no row\n", ""))
    command = f"{COMMAND} fleet check --output json <(cat good.jsonl)"
    answers = [
        subprocess.run(["bash", "-c", words], cwd=made, capture_output=True, text=True, check=False,
                       env=environment(made / "state"))
        for words in (command, f"{command} --format jsonl")
    ]  # fmt: skip
    assert answers[0].returncode == 3
    assert "Set --format" in answers[0].stderr
    assert json.loads(answers[1].stdout)["rows"] == lines.count("\n") - 1


@pytest.fixture
def made(tmp_path: Path) -> Path:
    pq.write_table(fleet(3000, clones=0.02, same_ip=0.7).read_all(), tmp_path / "fleet.parquet")
    write_lines(tmp_path / "bad.jsonl", [row("a", "disk-info"), "no row"])
    return tmp_path


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("check", "fleet.parquet"), 1),
        (("check", "fleet.parquet", "--to", "verdicts.jsonl", "--threads", "1"), 1),
        (("check", "bad.jsonl", "--rejects", "rejects.jsonl"), 3),
        (("plan", "fleet.parquet"), 0),
        (("plan", "fleet.parquet", "--event", "clone,volatile-machine-id", "--refused", "0.5"), 0),
        (("plan", "fleet.parquet", "--tolerate", "volatile-machine-id"), 1),
        (("plan", "bad.jsonl"), 3),
        (("clones", "fleet.parquet", "--limit", "5"), 1),
        (("clones", "fleet.parquet", "--to", "groups.parquet"), 1),
        (("clones", "bad.jsonl"), 3),
        (("diff", "fleet.parquet", "fleet.parquet"), 0),
        (("diff", "bad.jsonl", "fleet.parquet"), 3),
        (("pack", "fleet.parquet", "packed.arrow"), 0),
        (("report", "fleet.parquet", "fleet.html"), 0),
        (("report", "bad.jsonl", "bad.html", "--by-group", "--no-clones"), 3),
    ],
)
def test_each_command_answers_in_text_and_json(made: Path, words: tuple[str, ...], code: int) -> None:
    env = environment(made / "state")
    done = run("fleet", *words, cwd=made, env=env)
    assert done.returncode == code, done.stderr
    assert "rows were left out" in done.stderr if "bad.jsonl" in words else not done.stderr
    assert all(len(line) <= 80 for line in done.stdout.splitlines())
    for name in ("verdicts.jsonl", "rejects.jsonl", "groups.parquet", "packed.arrow", "fleet.html", "bad.html"):
        (made / name).unlink(missing_ok=True)
    done = run("fleet", *words, "--output", "json", cwd=made, env=env)
    assert done.returncode == code
    validated(done)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("check", "none.parquet"), 3, "No such file"),
        (("check", "fleet.parquet", "--to", "x.csv"), 2, "does not end with"),
        (("check", "fleet.parquet", "--to", "fleet.parquet"), 4, "exists"),
        (("check", "fleet.parquet", "--rejects", "bad.jsonl"), 4, "exists"),
        (("check", "fleet.parquet", "--format", "csv"), 2, "unknown format"),
        (("plan", "fleet.parquet", "--refused", "all"), 2, "must be a percentage"),
        (("plan", "fleet.parquet", "--event", "flood"), 2, "no event"),
        (("clones", "fleet.parquet", "--percent", "0"), 2, "invalid percentage 0"),
        (("clones", "fleet.parquet", "--limit", "-1"), 2, "0 or more"),
        (("pack", "fleet.parquet", "x.jsonl"), 2, "digests cannot be written as JSON Lines"),
        (("report", "fleet.parquet", "bad.jsonl"), 4, "exists"),
    ],
)
def test_errors_have_a_message_and_an_exit_code(made: Path, words: tuple[str, ...], code: int, said: str) -> None:
    done = run("fleet", *words, cwd=made, env=environment(made / "state"))
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr
    assert "internal error" not in done.stderr


class Page(HTMLParser):
    """What a page loads from elsewhere, which is nothing, and whether its elements are closed."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.loaded += [value for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "line", "link"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.loaded += [value for name, value in attrs if name in ("src", "href")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def report(made: Path) -> Path:
    done = run("fleet", "report", "fleet.parquet", "fleet.html", cwd=made, env=environment(made / "state"))
    assert done.returncode == 0, done.stderr
    return made / "fleet.html"


def test_html_report_is_complete_and_loads_nothing(made: Path) -> None:
    text = report(made).read_text()
    parsed = Page()
    parsed.feed(text)
    assert (parsed.loaded, parsed.open) == ([], [])
    assert "url(" not in text
    assert "@import" not in text
    for part in ("verdicts", "thresholds", "drift", "together", "clones"):
        assert f"<section id={part}>" in text
    assert "&lt;" not in text


def test_names_of_nodes_are_escaped_in_html(tmp_path: Path) -> None:
    rows = [{**row("<script>alert(1)</script>"), "group": "<b>"}, {**row("<script>alert(1)</script>", *NAMES[2:])}]
    write_lines(tmp_path / "fleet.jsonl", rows)
    done = run("fleet", "report", "fleet.jsonl", "f.html", "--by-group", cwd=tmp_path, env=environment(tmp_path / "s"))
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "f.html").read_text()
    assert "<script>" not in text
    assert "<b>&" not in text
    assert "&lt;script&gt;" in text


CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not here")
def test_browser_renders_the_html_report(made: Path, tmp_path: Path) -> None:
    """The picture is not blank, and nothing is wider than the window."""
    page, picture = report(made), tmp_path / "fleet.png"
    words = [
        str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1200,2400",
    ]  # fmt: skip
    subprocess.run([*words, f"--screenshot={picture}", page.as_uri()], check=True, capture_output=True, timeout=120)
    assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert picture.stat().st_size > 50_000
    probe = tmp_path / "probe.html"
    counted = "document.documentElement.scrollWidth + ' ' + document.querySelectorAll('polyline').length"
    script = f"<script>document.title = {counted}</script>"
    probe.write_text(page.read_text().replace("</body>", script + "</body>"))
    shown = subprocess.run(
        [*words, "--dump-dom", probe.as_uri()], check=True, capture_output=True, timeout=120, text=True
    )
    width, lines = re.search(r"<title>(\d+) (\d+)</title>", shown.stdout).groups()  # type: ignore[union-attr]
    assert int(width) <= 1200
    assert int(lines) == 5
