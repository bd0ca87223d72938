"""The data folder: for one process and one user, with a token that is made once."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest

from controller.data_folder import DataFolder, DataFolderError


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    folder = DataFolder(tmp_path / "some" / "where")
    folder.make()
    return folder


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_it_is_made_for_one_user(folder: DataFolder) -> None:
    assert mode(folder.path) == 0o700
    folder.make()


def test_one_that_is_open_to_others_is_refused(folder: DataFolder) -> None:
    folder.path.chmod(0o755)
    with pytest.raises(DataFolderError, match="chmod 700"):
        folder.make()


def test_one_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataFolderError, match="choose another"):
        DataFolder(tmp_path / "file" / "data").make()


def test_only_one_at_a_time(folder: DataFolder) -> None:
    with folder.locked(), pytest.raises(DataFolderError, match="in use"), folder.locked():
        pass
    with folder.locked():
        pass


def test_one_that_cannot_be_written_to_is_explained(folder: DataFolder) -> None:
    (folder.path / "lock").mkdir()  # root may open everything but this
    with pytest.raises(DataFolderError, match=r"lock cannot be opened .*: let this user write"):
        folder.locked().__enter__()


def test_the_token_is_made_once(folder: DataFolder) -> None:
    token = folder.token()
    assert re.fullmatch("[A-Za-z0-9_-]{43}", token)
    assert folder.token() == token
    assert mode(folder.token_file) == 0o600
    assert [path.name for path in folder.path.iterdir()] == ["operator.token"]
    folder.token_file.unlink()
    assert folder.token() != token


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 20 + b" " + b"y" * 20, b"\xff" * 43])
def test_no_token_is_better_than_a_bad_one(folder: DataFolder, content: bytes) -> None:
    folder.token_file.touch(mode=0o600)
    folder.token_file.write_bytes(content)
    with pytest.raises(DataFolderError, match="delete it"):
        folder.token()


def test_a_token_others_may_have_read(folder: DataFolder) -> None:
    folder.token()
    folder.token_file.chmod(0o644)
    with pytest.raises(DataFolderError, match="open to others"):
        folder.token()
