"""Names of tests fit a line of a report: at most 60 characters."""

from __future__ import annotations

import ast
from pathlib import Path

LIMIT = 60
HERE = Path(__file__).resolve().parent


def test_a_name_of_a_test_has_at_most_60_characters() -> None:
    names = [
        f"{path.relative_to(HERE)}: {node.name}"
        for root in (HERE, HERE.parent / "benchmarks")
        for path in sorted(root.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
        if len(node.name) > LIMIT
    ]
    assert names == []
