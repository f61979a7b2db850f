"""A stack of its own for tests that stop its parts and empty its tables."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.settings import Settings
from tests.machine.parts import make_settings
from tests.stacks import Stack, running_stack


@pytest.fixture(scope="package")
def own_stack(state_folder: Path) -> Iterator[Stack]:
    """A running stack that only the tests of this folder use."""
    with running_stack(state_folder / "machine") as running:
        yield running


@pytest.fixture
def project() -> Settings:
    """Settings of a project that nobody answers for, with nothing set that need not be."""
    return make_settings().model_copy(update={"sigtrail_metrics_port": None})
