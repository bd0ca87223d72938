"""`doorward-card` as it is typed."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from controller.card_issuers import row_of
from controller.intent.card_values import read_value
from controller.intent.credential_types import TYPES
from hw.sim.cards.__main__ import main
from hw.sim.cards.held import Aliro, new_p256
from hw.sim.phone import wallet
from shared.credential.aliro.documents.messages import Document
from shared.credential.piv.authorities import Authorities
from shared.credential.pkoc.provisioning import SupplierCode, decode_credential


@pytest.fixture(autouse=True)
def purse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "wallet.json"
    monkeypatch.setenv("DOORWARD_PHONE_WALLET", str(path))
    return path


def run(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(each) for each in arguments])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_a_supplier_and_its_card(
    tmp_path: Path, purse: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "supplier.json"
    assert run("supplier", file, "--reference", "01000TESTISSUER1") == 0
    code = SupplierCode.decode(capsys.readouterr().out.strip())
    assert code.reference == "01000TESTISSUER1"
    assert run("make", "pkoc", "Green card", "--issuer", file) == 0
    first, *rest = capsys.readouterr().out.splitlines()
    assert first == "Green card: PKOC, certified by 01000TESTISSUER1"
    keys = [decode_credential(line.removeprefix("  type 5: ")) for line in rest]
    content = wallet.load(purse).find_card().content
    assert [key.point for key in keys] == [
        content.certified.key.public.point,  # type: ignore[union-attr]
        content.key.public.point,  # type: ignore[union-attr]
    ]


def test_an_authority_its_card_and_the_end_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "authority.json"
    assert run("authority", file, "Example staff") == 0
    anchor = x509.load_pem_x509_certificate(capsys.readouterr().out.encode())
    Authorities([anchor])
    assert run("make", "piv", "Ada's badge", "--issuer", file, "--rsa") == 0
    said = capsys.readouterr().out
    assert said.startswith("Ada's badge: PIV, RSA 2048\n  type 5: -----BEGIN CERTIFICATE")
    card = x509.load_pem_x509_certificate(said[said.index("-----BEGIN") :].encode())
    assert run("revoke", file, "Ada's badge") == 0
    revoked = x509.load_pem_x509_crl(capsys.readouterr().out.encode())
    assert revoked.get_revoked_certificate_by_serial_number(card.serial_number) is not None
    assert run("revoke", file, "Ada's badge", "--days", "0") == 2


def test_a_wallet_holds_phones_and_cards_whose_names_differ(
    purse: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wallet.add(purse, wallet.new_key("Card", 0))
    for kind in ("pkoc", "uid"):
        assert run("make", kind) == 0
    capsys.readouterr()
    assert run("list") == 0
    said = capsys.readouterr().out
    held = wallet.load(purse)
    assert [key.name for key in held.keys] == ["Card"]
    assert [card.name for card in held.cards] == ["Card 2", "Card 3"]
    assert "Card 3: a number that anybody can copy\n  type 1001: uid 04" in said
    assert purse.stat().st_mode & 0o777 == 0o600
    content = held.cards[0].content
    assert content is not None
    assert content.key.secret_bytes().hex() not in said + repr(held)  # type: ignore[union-attr]
    wallet.change(purse, held.keys[0])
    assert [card.uid for card in wallet.load(purse).cards] == [card.uid for card in held.cards]


def test_json_is_what_the_api_takes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The API's own readers take it: nothing has to be copied by hand."""

    def said(*arguments: str | Path) -> list[dict[str, Any]]:
        assert run(*arguments, "--json") == 0
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    supplier, authority = tmp_path / "supplier.json", tmp_path / "authority.json"
    kept = said("supplier", supplier)[0] | said("authority", authority)[0]
    bodies = said("make", "pkoc", "Green", "--issuer", supplier)
    bodies += said("make", "piv", "Badge", "--issuer", authority) + said("make", "uid", "Old")
    assert bodies == said("list")
    kept |= said("revoke", authority, "Badge")[0]
    row = row_of(kept)
    assert [each.reference for each in row.suppliers] == [kept["suppliers"][0]["reference"]]
    assert (len(row.authorities), len(row.revocations)) == (1, 1)
    for body in bodies:
        assert read_value(TYPES[body["credential_type_id"]], body["value"]).identifier


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("make", "piv"), "doorward-card authority"),
        (("make", "piv", "x", "--issuer", "supplier.json"), "doorward-card authority"),
        (("make", "pkoc", "x", "--issuer", "authority.json"), "doorward-card supplier"),
        (("make", "uid", "x", "--issuer", "supplier.json"), "leave --issuer away"),
        (("make", "pkoc", "x", "--issuer", "none.json"), "no issuer"),
        (("supplier", "supplier.json"), "not replaced"),
        (("supplier", "new.json", "--reference", "x"), "16 capital letters"),
        (("revoke", "supplier.json", "Old"), "an authority revokes PIV cards"),
        (("revoke", "authority.json", "Old"), "an authority revokes PIV cards"),
        (("revoke", "authority.json", "Blue"), "there are: 'Old'"),
        (("make", "aliro", "--group", "0" * 32), "takes --group and --group-key"),
        (("share", "sharer.json", "Old"), "no phone wallet"),
        (("share", "supplier.json", "Old"), "doorward-card sharer"),
        (("revoke", "sharer.json", "Old"), "a sharer phone wallets"),
        (("tap", "--reader", "9100"), "write 127.0.0.1:9100"),
        (("tap", "--reader", "127.0.0.1:9", "--misbehave", "torn"), "asked nothing"),
    ],
)
def test_trouble_is_said_in_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("supplier", "supplier.json") == run("authority", "authority.json") == 0
    assert run("sharer", "sharer.json") == run("make", "uid", "Old") == 0
    capsys.readouterr()
    assert run(*arguments) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("doorward-card: ")
    assert said in line


def test_a_credential_of_a_phone_wallet(purse: Path, capsys: pytest.CaptureFixture[str]) -> None:
    group, reader = uuid.uuid4(), new_p256()
    key = reader.public.point.hex()
    assert run("make", "aliro", "Ada's wallet", "--group", str(group), "--group-key", key) == 0
    first, value = capsys.readouterr().out.splitlines()
    assert first == "Ada's wallet: Aliro, of a phone wallet"
    card = wallet.load(purse).find_card()
    assert isinstance(card.content, Aliro)
    kept = card.content.credential
    assert value == f"  type 5: {kept.key.public.point.hex().upper()}"
    assert (kept.group, kept.group_key.point) == (group.bytes, reader.public.point)
    kept.remember(b"r" * 32, b"k" * 32)
    wallet.change_card(purse, card)
    [read] = wallet.load(purse).cards
    assert isinstance(read.content, Aliro)
    assert read.content.credential.kpersistents == {b"r" * 32: b"k" * 32}


def test_rights_are_shared_and_taken_back(
    tmp_path: Path, purse: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(*arguments: str | Path) -> Any:
        assert run(*arguments, "--json") == 0
        return json.loads(capsys.readouterr().out)

    file, point = tmp_path / "sharer.json", new_p256().public.point.hex()
    assert list(said("sharer", file)) == ["document_issuers"]
    for name in ("Ada", "Ben"):
        assert run("make", "aliro", name, "--group", "0" * 32, "--group-key", point) == 0
    capsys.readouterr()
    assert run("share", file, "Ada", "--element", "gate", "--hours", "sat 10:00-12:00") == 0
    assert capsys.readouterr().out.startswith("Ada: may open doors that ask for 'gate', until 20")
    [document] = _carried(purse, "Ada")
    assert document.items[0].item.element == "gate"

    refused = said("revoke", file, "Ada")["refused_keys"]
    shared = said("share", file, "Ben", "--days", "1")
    assert refused == [{"public_key": _point(purse, "Ada"), "cause": "revoked"}]
    assert (shared["label"], shared["public_key"]) == ("Ben", _point(purse, "Ben"))
    assert [each.kind for each in _carried(purse, "Ben")] == ["aliro-a", "aliro-r"]


def test_hours_that_are_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("share", "sharer.json", "--hours", "always") == 2
    assert "mon-fri 09:00-17:30" in capsys.readouterr().err


def _carried(purse: Path, name: str) -> tuple[Document, ...]:
    content = wallet.load(purse).find_card(name).content
    assert isinstance(content, Aliro)
    return content.credential.documents


def _point(purse: Path, name: str) -> str:
    content = wallet.load(purse).find_card(name).content
    assert isinstance(content, Aliro)
    return content.credential.key.public.point.hex()


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [("--group", "front", "32 hex digits"), ("--group-key", "04" + "00" * 64, "130 hex digits")],
)
def test_what_is_no_group(
    capsys: pytest.CaptureFixture[str], option: str, value: str, said: str
) -> None:
    assert run("make", "aliro", option, value) == 2
    assert said in capsys.readouterr().err


def test_a_wallet_without_cards(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("tap", "--reader", "127.0.0.1:9") == 2
    assert "doorward-card make" in capsys.readouterr().err


def test_a_tap_where_no_reader_is(capsys: pytest.CaptureFixture[str]) -> None:
    run("make", "pkoc")
    capsys.readouterr()
    assert run("tap", "--reader", "127.0.0.1:9", "--json") == 2
    assert json.loads(capsys.readouterr().out)["light"] == "TROUBLE"


def test_help_shows_how_to_begin(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--help") == 0
    said = capsys.readouterr().out
    for word in (
        "supplier",
        "authority",
        "make pkoc",
        "make piv",
        "make aliro",
        "make uid",
        "revoke",
        "tap",
    ):
        assert word in said
