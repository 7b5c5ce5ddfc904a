"""Spark and the local engine give the same answers, row for row."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("pyspark", reason="the extra `spark` is not installed")
if shutil.which("java") is None:
    pytest.skip("Spark needs Java", allow_module_level=True)

import pyarrow as pa
import pyarrow.parquet as pq

import fingerprint.fleet.spark_job as job
from fingerprint.errors import InputError, UsageError
from fingerprint.fleet import check, clones, open_fleet, plan, spark
from fingerprint.testing.fleet import fleet

if TYPE_CHECKING:
    from collections.abc import Iterator

ROWS = 20_000


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = sys.executable
    # Spark's workers import from the directory that it was started in: not the sources, but what is installed.
    before = os.getcwd()
    os.chdir(tmp_path_factory.mktemp("spark"))
    builder = SparkSession.builder.master("local[2, 3]").appName("tests")
    for name, value in (
        ("spark.ui.enabled", "false"), ("spark.sql.shuffle.partitions", "4"), ("spark.driver.host", "127.0.0.1"),
        ("spark.driver.bindAddress", "127.0.0.1"), ("spark.sql.session.timeZone", "UTC"), ("spark.driver.memory", "1g"),
    ):  # fmt: skip
        builder = builder.config(name, value)
    found = builder.getOrCreate()
    yield found
    found.stop()
    os.chdir(before)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fleet") / "fleet.parquet"
    table = fleet(ROWS, clones=0.01, same_ip=0.6, virtual=0.6).read_all()
    # Spark knows no dictionary and no seconds; some rows are none.
    table = table.append_column("group", pa.array([("red", "blue", None)[i % 3] for i in range(ROWS)]))
    nodes = table["node_id"].to_pylist()
    nodes[5], nodes[6] = None, ""
    thresholds = table["threshold"].to_pylist()
    thresholds[7] = 101
    table = table.set_column(0, "node_id", pa.array(nodes)).set_column(1, "threshold", pa.array(thresholds, pa.int32()))
    pq.write_table(table, path, row_group_size=3000)
    return path


def test_every_verdict_is_the_same(session: Any, made: Path) -> None:
    frame = session.read.parquet(str(made))
    wanted = [one for checked in check(open_fleet(made).batches()) for one in checked.rows.to_pylist()]
    found = [row.asDict() for row in spark.check(frame).collect()]
    for one in wanted:
        one["observed_at"] = one["observed_at"].replace(tzinfo=None)
    order = lambda one: (one["node_id"], one["observed_at"], one["matched"])  # noqa: E731
    assert len(found) == ROWS - 3
    assert sorted(found, key=order) == sorted(wanted, key=order)
    quick = spark.check(frame, counts=False).groupBy("reason").count().collect()
    assert {row["reason"]: row["count"] for row in quick} == {
        reason: sum(one["reason"] == reason for one in wanted) for reason in {one["reason"] for one in wanted}
    }


def test_bad_rows_are_reported(session: Any, made: Path) -> None:
    found = spark.rejected(session.read.parquet(str(made))).collect()
    assert sorted(row["reason"] for row in found) == [
        "it has no node ID",
        "it has no node ID",
        "its threshold is not -1 to 100",
    ]


def test_the_plan_is_the_same(session: Any, made: Path) -> None:
    found, wanted = spark.plan(session.read.parquet(str(made))), plan(open_fleet(made).batches())
    assert found.groups.keys() == wanted.groups.keys()
    assert {group: found.curve(group) for group in found.groups} == {
        group: wanted.curve(group) for group in wanted.groups
    }


@pytest.mark.parametrize("percent", [75, 60, 50])
def test_the_near_clones_are_the_same(session: Any, made: Path, percent: int) -> None:
    frame = session.read.parquet(str(made))
    local = clones(open_fleet(made).batches(), percent=percent, limit=1_000_000)
    found = spark.near_clones(frame, percent=percent).collect()
    assert len(found) == sum(local.pairs.values()) > 0
    nodes = local.nodes.to_pylist()
    wanted = sorted((*sorted((nodes[a], nodes[b])), int(bits).bit_count()) for a, b, bits in local.listed.tolist())
    assert sorted((*sorted((row["node_a"], row["node_b"])), row["equal"]) for row in found) == wanted


def test_shared_values_are_the_same(session: Any, made: Path) -> None:
    frame = session.read.parquet(str(made))
    local = clones(open_fleet(made).batches())
    found = spark.shared(frame, "node_id").collect()
    assert sum(row["rows"] for row in found) == sum(
        len(one[i].rows) for one in local.shared if one.kind == "node_id" for i in range(len(one))
    )
    with pytest.raises(UsageError, match="no vault"):
        spark.shared(frame, "vault")


def test_a_worker_that_dies_is_retried_with_the_same_answer(session: Any, made: Path, tmp_path: Path) -> None:
    """The first attempt of each task kills its Python process."""
    from pyspark.sql import functions as F

    mark = str(tmp_path)

    def dying(batches: Any) -> Any:
        from pyspark import TaskContext

        context = TaskContext.get()
        assert context is not None
        if context.attemptNumber() == 0:
            Path(mark, str(context.partitionId())).touch()
            os._exit(1)
        yield from batches

    frame = session.read.parquet(str(made)).repartition(2)
    safe = frame.toDF(*(name.replace(".", "_") for name in frame.columns))
    wanted = {row["reason"]: row["count"] for row in spark.check(frame).groupBy("reason").count().collect()}
    survived = safe.mapInArrow(dying, safe.schema).toDF(*frame.columns)
    answered = spark.check(survived).groupBy("reason").agg(F.count("*").alias("n")).collect()
    assert {row["reason"]: row["n"] for row in answered} == wanted
    assert len(list(tmp_path.iterdir())) == 2


def test_the_job_runs_under_spark_submit(made: Path, tmp_path: Path) -> None:
    submit = Path(sys.executable).with_name("spark-submit")
    words = [str(submit), "--master", "local[2]", "--conf", "spark.ui.enabled=false", "--conf",
             "spark.driver.host=127.0.0.1", str(job.__file__)]  # fmt: skip
    env = {**os.environ, "PYSPARK_PYTHON": sys.executable}
    for command, more in (("check", ()), ("plan", ()), ("clones", ("--percent", "60"))):
        out = tmp_path / command
        done = subprocess.run(
            [*words, command, str(made), str(out), *more], capture_output=True, text=True, env=env, cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr
    assert pq.read_table(tmp_path / "check").num_rows == ROWS - 3
    assert pq.read_table(tmp_path / "clones").num_rows > 0
    written = "".join(one.read_text() for one in (tmp_path / "plan").glob("part-*"))
    assert json.loads(written)["curve"][0]["low"] == 1


def test_unsupported_spark_input_is_an_error(session: Any) -> None:
    frame = session.createDataFrame([("x", {"a": "b"})], "node_id string, saved map<string,string>")
    with pytest.raises(InputError, match="is a map"):
        spark.check(frame)
    with pytest.raises(InputError, match="no hardware hash"):
        spark.check(session.createDataFrame([("x",)], "node_id string"))
