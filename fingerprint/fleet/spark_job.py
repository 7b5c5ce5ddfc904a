"""A job for spark-submit: `spark-submit spark_job.py check|plan|clones|shared FLEET OUT [--percent N] [--key KEY]`.

FLEET and OUT are paths or URLs of Parquet for Spark: a path, hdfs://..., s3a://...
"""

from __future__ import annotations

import argparse
import json

from pyspark.sql import SparkSession

from fingerprint.fleet import spark


def main(words: list[str] | None = None) -> None:
    """Run the job of a command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("check", "plan", "clones", "shared"))
    parser.add_argument("fleet", help="Parquet, with the columns of docs/fleet.md")
    parser.add_argument("out", help="directory for the answer: Parquet; for `plan` a text file with JSON")
    parser.add_argument("--percent", type=int, default=75, help="share of attributes that near-clones have in common")
    parser.add_argument("--key", default="node_id", help="the key of `shared`")
    asked = parser.parse_args(words)
    session = SparkSession.builder.appName(f"fingerprint fleet {asked.command}").getOrCreate()
    frame = session.read.parquet(asked.fleet)
    if asked.command == "check":
        spark.check(frame).write.parquet(asked.out)
    elif asked.command == "clones":
        spark.near_clones(frame, percent=asked.percent).write.parquet(asked.out)
    elif asked.command == "shared":
        spark.shared(frame, asked.key).write.parquet(asked.out)
    else:
        planned = spark.plan(frame)
        answer = {
            "highestThreshold": planned.highest(tolerate=planned.events[:1]),
            "curve": [{"low": low, "high": high, "refused": refused} for low, high, refused in planned.curve()],
        }
        session.createDataFrame([(json.dumps(answer),)], "value string").coalesce(1).write.text(asked.out)


if __name__ == "__main__":
    main()
