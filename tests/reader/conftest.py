"""Reader tests run in virtual time and on memory: `tests.reader.virtual`, `.folders`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.reader.folders import folder
from tests.reader.virtual import VirtualLoop


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    del config, item
    return {"virtual": VirtualLoop}


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder in memory."""
    with folder() as name:
        yield Path(name)
