"""Paths of the reference's recorded cases and of the corpus of real machines, and marks for tests that need them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

SHARED = Path(os.environ.get("FINGERPRINT_SHARED", Path(__file__).parents[2].parent / "shared"))
VECTORS = SHARED / "reference" / "vectors"
CORPUS = SHARED / "corpus"
CASES = SHARED / "cases"

needs_vectors = pytest.mark.skipif(
    not VECTORS.is_dir(), reason="the reference's recorded cases are not part of the repository"
)
needs_corpus = pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus of real machines is not part of it")
