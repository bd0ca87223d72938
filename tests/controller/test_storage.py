"""An installation knows its issuer of readers' certificates from its first start on."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from controller.identity.keys import ISSUER, KeyFileError, load_issuer
from controller.storage import bring_up_to_date, open_database

pytestmark = pytest.mark.slow  # every test builds a whole database


async def opened(folder: Path) -> str:
    """Start, as a controller does; return which issuer it has."""
    database = await open_database(folder / "doorward.db", partial(load_issuer, folder))
    await database.close()
    return database.issuer.fingerprint


async def test_it_is_made_at_the_first_start_and_kept(tmp_path: Path) -> None:
    assert await opened(tmp_path) == await opened(tmp_path)


async def test_an_installation_that_was_there_before_gets_one_at_its_next_start(
    tmp_path: Path,
) -> None:
    await bring_up_to_date(tmp_path / "doorward.db")
    assert not (tmp_path / ISSUER).exists()
    first = await opened(tmp_path)
    assert (tmp_path / ISSUER).exists()
    assert await opened(tmp_path) == first


async def test_and_never_again(tmp_path: Path) -> None:
    await opened(tmp_path)
    kept = (tmp_path / ISSUER).rename(tmp_path / "elsewhere")
    for _ in range(2):
        with pytest.raises(KeyFileError, match="is missing"):
            await opened(tmp_path)
    load_issuer(tmp_path, None)
    with pytest.raises(KeyFileError, match="is not the one"):
        await opened(tmp_path)
    kept.rename(tmp_path / ISSUER)
    await opened(tmp_path)


async def test_a_file_that_cannot_be_written_leaves_the_next_start_free(tmp_path: Path) -> None:
    elsewhere = partial(load_issuer, tmp_path / "nowhere")
    with pytest.raises(KeyFileError, match="cannot be written"):
        await open_database(tmp_path / "doorward.db", elsewhere)
    await opened(tmp_path)
