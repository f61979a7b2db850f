"""What the analysts' tests share: a model server, and a book of calls as the database keeps it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.analysis.model_server import ModelServer, open_model


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    async with open_model() as one:
        yield one
