"""Keys and enrolment on disk: who may read them, what is damaged, what a power cut leaves."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from reader.identity import (
    IDENTITY,
    IDENTITY_KEY,
    PKOC_KEY,
    IdentityError,
    load_enrolment,
    load_keys,
    load_or_make_keys,
    parse_enrolment,
    save_enrolment,
    write_atomically,
)
from tests.reader.keys import ANSWER, ENROLMENT

NAMES = (IDENTITY_KEY, PKOC_KEY)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder with both keys in it."""
    made = tmp_path / "var" / "data"
    load_or_make_keys(made)
    return made


def test_keys_are_made_once_for_this_user_alone(folder: Path) -> None:
    assert mode(folder) == 0o700
    assert [mode(folder / name) for name in NAMES] == [0o600, 0o600]
    assert sorted(path.name for path in folder.iterdir()) == sorted(NAMES)
    first, again = load_keys(folder), load_or_make_keys(folder)
    assert first.identity.public == again.identity.public
    assert first.pkoc.public == again.pkoc.public
    assert first.identity.public != first.pkoc.public


def test_keys_do_not_show_themselves(folder: Path) -> None:
    keys = load_keys(folder)
    for key in (keys.identity, keys.pkoc):
        assert key.secret_bytes().hex() not in repr(keys) + repr(key)


@pytest.mark.parametrize("name", NAMES)
def test_an_enrolled_reader_makes_no_key_that_is_gone(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(IdentityError, match=r"is gone: put it back, or enrol .* --again") as error:
        load_keys(folder)
    assert str(folder / name) in str(error.value)
    assert not (folder / name).exists()


def test_two_missing_keys_are_not_made_either(tmp_path: Path) -> None:
    with pytest.raises(IdentityError, match="is gone"):
        load_keys(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", NAMES)
def test_enrolment_finishes_what_a_power_cut_left_half_done(folder: Path, name: str) -> None:
    before = load_keys(folder)
    (folder / name).unlink()
    after = load_or_make_keys(folder)
    assert (before.identity.public == after.identity.public) == (name == PKOC_KEY)
    assert (before.pkoc.public == after.pkoc.public) == (name == IDENTITY_KEY)


@pytest.mark.parametrize("bits", [0o640, 0o604, 0o610, 0o666])
def test_a_key_that_others_can_touch_is_refused_with_the_remedy(folder: Path, bits: int) -> None:
    path = folder / PKOC_KEY
    path.chmod(bits)
    for load in (load_keys, load_or_make_keys):
        with pytest.raises(IdentityError, match=f"chmod 600 {path}"):
            load(folder)


@pytest.mark.parametrize(
    "content",
    [b"", b"00" * 32, b"ff" * 32, b"12" * 31, b"12" * 33, b"zz" * 32, b"\xff" * 64, "1²".encode()],
)
def test_a_damaged_key_is_neither_used_nor_replaced(folder: Path, content: bytes) -> None:
    path = folder / IDENTITY_KEY
    path.write_bytes(content)
    for load in (load_keys, load_or_make_keys):
        with pytest.raises(IdentityError, match="is damaged: put it back, or delete it") as error:
            load(folder)
        assert str(error.value).startswith(str(path))
    assert path.read_bytes() == content


def test_a_key_that_is_no_file_is_named(folder: Path) -> None:
    path = folder / IDENTITY_KEY
    path.unlink()
    path.mkdir(mode=0o700)
    with pytest.raises(IdentityError, match=rf"{path} cannot be read \(Is a directory\)"):
        load_keys(folder)


def test_an_enrolment_is_kept_and_holds_no_secret(folder: Path) -> None:
    save_enrolment(folder, ENROLMENT)
    assert load_enrolment(folder) == ENROLMENT
    text = (folder / IDENTITY).read_text()
    keys = load_keys(folder)
    assert keys.identity.secret_bytes().hex() not in text
    assert json.loads(text).keys() == ANSWER.keys() - {"name"}


def test_a_reader_that_never_enrolled_knows_it(tmp_path: Path) -> None:
    assert load_enrolment(tmp_path) is None
    assert load_enrolment(tmp_path / "not even a folder") is None


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000])
def test_a_damaged_enrolment_is_not_taken_for_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / IDENTITY).write_bytes(content)
    with pytest.raises(IdentityError, match="cannot be read: put it back, or enrol"):
        load_enrolment(tmp_path)


def test_the_answer_of_a_controller_is_an_enrolment() -> None:
    assert parse_enrolment(ANSWER, "x") == ENROLMENT


@pytest.mark.parametrize("missing", [name for name in ANSWER if name != "name"])
def test_an_answer_lacks_nothing(missing: str) -> None:
    values = {name: value for name, value in ANSWER.items() if name != missing}
    with pytest.raises(IdentityError, match=f"^x: not an enrolment: KeyError '{missing}'"):
        parse_enrolment(values, "x")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("reader", "UPPER"),
        ("reader", "a/b/c/d"),
        ("reader", "reader0001\n"),
        ("reader", 7),
        ("site_uuid", 7),
        ("site_uuid", None),
        ("site_uuid", "zz"),
        ("site_uuid", "00" * 15),
        ("location_uuid", "00" * 17),
        ("plan_key", "04" + "00" * 64),
        ("plan_key", "00"),
        ("plan_key", []),
        ("controller_key", ""),
    ],
)
def test_an_answer_is_not_believed_blindly(name: str, value: object) -> None:
    with pytest.raises(IdentityError, match=r"^x: "):
        parse_enrolment({**ANSWER, name: value}, "x")


@pytest.mark.parametrize("values", [None, [], "text", 7])
def test_an_answer_is_an_object(values: object) -> None:
    with pytest.raises(IdentityError, match="an object is expected"):
        parse_enrolment(values, "x")


def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"old", mode=0o600)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(IdentityError, match=r"cannot be written \(No space left on device\)"):
        write_atomically(path, b"new", mode=0o600)
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
    assert path.read_bytes() == b"old"


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(IdentityError, match="cannot be written"):
        load_or_make_keys(tmp_path / "file" / "data")
