"""Key files are private, whole and never replaced behind the readers' backs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from controller.identity.keys import (
    AGREEMENT,
    ISSUER,
    SIGNING,
    KeyFileError,
    load_issuer,
    load_keys,
)

NAMES = (SIGNING, AGREEMENT)


def pem(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def put(path: Path, content: bytes, mode: int = 0o600) -> None:
    path.write_bytes(content)
    path.chmod(mode)


class TestFirstStart:
    def test_makes_two_different_keys(self, tmp_path: Path) -> None:
        keys = load_keys(tmp_path, first_start=True)
        assert keys.signing.public != keys.agreement.public
        assert keys.public == (keys.signing.public, keys.agreement.public)

    @pytest.mark.parametrize("umask", [0o000, 0o022])
    def test_files_are_for_the_owner_alone(self, tmp_path: Path, umask: int) -> None:
        before = os.umask(umask)
        try:
            load_keys(tmp_path, first_start=True)
        finally:
            os.umask(before)
        assert {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {
            SIGNING: 0o600,
            AGREEMENT: 0o600,
        }

    def test_a_later_start_finds_the_same(self, tmp_path: Path) -> None:
        made = load_keys(tmp_path, first_start=True)
        assert load_keys(tmp_path, first_start=False).public == made.public

    def test_a_first_start_that_was_cut_short_goes_on(self, tmp_path: Path) -> None:
        made = load_keys(tmp_path, first_start=True)
        (tmp_path / AGREEMENT).unlink()
        again = load_keys(tmp_path, first_start=True)
        assert again.signing.public == made.signing.public
        assert again.agreement.public != made.agreement.public

    def test_says_where_it_cannot_write(self, tmp_path: Path) -> None:
        with pytest.raises(KeyFileError, match="cannot be written: No such file"):
            load_keys(tmp_path / "nowhere", first_start=True)

    def test_a_failed_write_leaves_nothing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(_: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(KeyFileError, match="No space left"):
            load_keys(tmp_path, first_start=True)
        assert list(tmp_path.iterdir()) == []


class TestLaterStarts:
    @pytest.fixture(autouse=True)
    def made(self, tmp_path: Path) -> None:
        load_keys(tmp_path, first_start=True)

    @pytest.mark.parametrize("name", NAMES)
    def test_a_missing_file_is_not_made_anew(self, tmp_path: Path, name: str) -> None:
        (tmp_path / name).unlink()
        with pytest.raises(KeyFileError, match=rf"{name} is missing: put {name} back"):
            load_keys(tmp_path, first_start=False)
        assert not (tmp_path / name).exists()

    @pytest.mark.parametrize("name", NAMES)
    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o666, 0o620, 0o601])
    def test_a_file_open_to_others_is_refused(self, tmp_path: Path, name: str, mode: int) -> None:
        (tmp_path / name).chmod(mode)
        with pytest.raises(KeyFileError, match=rf"mode {mode:04o}.*chmod 600"):
            load_keys(tmp_path, first_start=False)

    @pytest.mark.parametrize("first_start", [True, False])
    def test_every_shortened_file_is_refused(self, tmp_path: Path, first_start: bool) -> None:
        whole = (tmp_path / SIGNING).read_bytes()
        for size in (0, 1, 30, 100, len(whole) - 40):
            put(tmp_path / SIGNING, whole[:size])
            with pytest.raises(KeyFileError, match="is damaged"):
                load_keys(tmp_path, first_start=first_start)

    def test_a_flipped_letter_never_gives_the_same_key(self, tmp_path: Path) -> None:
        before = load_keys(tmp_path, first_start=False).signing.public
        text = (tmp_path / SIGNING).read_bytes().splitlines(keepends=True)
        text[1] = text[1][:50].swapcase() + text[1][50:]
        put(tmp_path / SIGNING, b"".join(text))
        try:
            after = load_keys(tmp_path, first_start=False).signing.public
        except KeyFileError:
            return
        assert after != before

    @pytest.mark.parametrize(
        "key", [ec.generate_private_key(ec.SECP384R1()), ed25519.Ed25519PrivateKey.generate()]
    )
    def test_a_key_of_another_kind_is_refused(
        self, tmp_path: Path, key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
    ) -> None:
        put(tmp_path / SIGNING, pem(key))
        with pytest.raises(KeyFileError, match="another kind"):
            load_keys(tmp_path, first_start=False)

    def test_a_folder_in_its_place_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / SIGNING).unlink()
        (tmp_path / SIGNING).mkdir()
        with pytest.raises(KeyFileError, match="cannot be read"):
            load_keys(tmp_path, first_start=False)

    def test_nothing_shows_a_secret(self, tmp_path: Path) -> None:
        keys = load_keys(tmp_path, first_start=False)
        secret = keys.signing.secret_bytes()
        shown = f"{keys!r} {keys} {keys.signing!r}"
        assert secret.hex() not in shown
        assert str(int.from_bytes(secret, "big")) not in shown
        put(tmp_path / SIGNING, secret)
        with pytest.raises(KeyFileError) as raised:
            load_keys(tmp_path, first_start=False)
        assert secret.hex() not in str(raised.value)
        assert raised.value.__cause__ is None


class TestIssuer:
    """Made once in the life of an installation, which knows it by its fingerprint."""

    def test_is_made_private_and_found_again(self, tmp_path: Path) -> None:
        made = load_issuer(tmp_path, None)
        assert (tmp_path / ISSUER).stat().st_mode & 0o777 == 0o600
        assert load_issuer(tmp_path, made.fingerprint).fingerprint == made.fingerprint

    def test_a_start_that_was_cut_short_goes_on_with_the_file_it_made(self, tmp_path: Path) -> None:
        made = load_issuer(tmp_path, None)
        assert load_issuer(tmp_path, None).fingerprint == made.fingerprint

    def test_a_missing_file_is_not_made_anew(self, tmp_path: Path) -> None:
        made = load_issuer(tmp_path, None)
        (tmp_path / ISSUER).unlink()
        with pytest.raises(KeyFileError, match=rf"{ISSUER} is missing: put {ISSUER} back.*phones"):
            load_issuer(tmp_path, made.fingerprint)
        assert not (tmp_path / ISSUER).exists()

    def test_another_one_is_refused(self, tmp_path: Path) -> None:
        made = load_issuer(tmp_path, None)
        put(tmp_path / ISSUER, pem(ec.generate_private_key(ec.SECP256R1())))
        with pytest.raises(KeyFileError, match=rf"began with: put {ISSUER} back from a backup"):
            load_issuer(tmp_path, made.fingerprint)

    @pytest.mark.parametrize("known", [False, True])
    def test_a_damaged_or_exposed_one_is_refused(self, tmp_path: Path, known: bool) -> None:
        fingerprint = load_issuer(tmp_path, None).fingerprint if known else None
        put(tmp_path / ISSUER, b"-----BEGIN")
        with pytest.raises(KeyFileError, match="is damaged"):
            load_issuer(tmp_path, fingerprint)
        (tmp_path / ISSUER).chmod(0o640)
        with pytest.raises(KeyFileError, match=r"mode 0640.*chmod 600"):
            load_issuer(tmp_path, fingerprint)

    def test_nothing_shows_a_secret(self, tmp_path: Path) -> None:
        site = load_issuer(tmp_path, None).of(bytes(16))
        shown = f"{site!r} {site.aliro!r} {site.pkoc!r}"
        for key in (site.aliro, site.pkoc):
            assert key.secret_bytes().hex() not in shown
