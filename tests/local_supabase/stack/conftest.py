from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.local_supabase.stack.projects import open_folder, write_project


@pytest.fixture
def folder() -> Iterator[Path]:
    with open_folder() as folder:
        yield folder


@pytest.fixture
def project(folder: Path) -> Path:
    return write_project(folder)
