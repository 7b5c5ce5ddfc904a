"""Images as fixtures."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from images import Image


@pytest.fixture
def image(tmp_path: Path) -> Image:
    return Image(tmp_path)


@pytest.fixture
def soiled(image: Image) -> Image:
    image.soil()
    return image


@pytest.fixture
def open_image() -> Iterator[Image]:
    """An image in a directory that everybody may enter."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        yield Image(Path(directory))
