"""`doorward-phone` as it is typed."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from hw.sim.air import Air
from hw.sim.phone import wallet
from hw.sim.phone.__main__ import main
from shared.credential.pkoc.provisioning import ReaderCode
from tests.hw.sim.phone.door_post import NAME, DoorPost, on_air, with_field, with_wires
from tests.shared.credential import keys


@dataclass
class Building:
    post: DoorPost
    air: str
    field: str
    wires: str


@pytest.fixture
def building(tmp_path: Path) -> Iterator[Building]:
    """A door that runs in a thread of its own, as `main` has a loop of its own."""
    up = threading.Event()
    found: list[Building] = []
    ends: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def run() -> None:
        post = DoorPost()
        async with (
            Air() as air,
            on_air(post, air),
            with_field(post, tmp_path) as field,
            with_wires(post) as wires,
        ):
            end = asyncio.Event()
            ends.append((asyncio.get_running_loop(), end))
            places = (f"127.0.0.1:{port}" for port in (air.port, field[1], wires[1]))
            found.append(Building(post, *places))
            up.set()
            await end.wait()

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    assert up.wait(5)
    yield found[0]
    [(loop, end)] = ends
    loop.call_soon_threadsafe(end.set)
    thread.join()


@pytest.fixture
def purse(tmp_path: Path) -> Path:
    return tmp_path / "wallet.json"


def _run(purse: Path, *arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["--wallet", str(purse), *arguments])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def _learn(purse: Path, post: DoorPost, *, admitted: bool) -> None:
    key = replace(wallet.new_key("phone", 7), doors=(post.known,))
    wallet.save(purse, wallet.Wallet((key,)))
    if admitted:
        post.admitted.add(key.private.public.point)


def test_green_red_and_trouble_are_exit_codes(
    building: Building, purse: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _learn(purse, building.post, admitted=True)
    ble = ("tap", "ble", "front door", "--air", building.air)
    assert _run(purse, *ble) == 0
    assert capsys.readouterr().out.startswith("GREEN: Front door opens (")
    assert _run(purse, *ble, "--stranger") == 1
    assert capsys.readouterr().out.startswith("RED: Front door stays shut (")
    assert _run(purse, "tap", "ble", "Cellar", "--air", building.air) == 2
    assert "there are keys for: Front door" in capsys.readouterr().err


def test_json_is_one_object(
    building: Building, purse: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _learn(purse, building.post, admitted=True)
    assert _run(purse, "tap", "ble", "Front door", "--air", building.air, "--json") == 0
    seen = json.loads(capsys.readouterr().out)
    assert (seen["light"], seen["text"]) == ("GREEN", "Front door opens")
    assert seen["milliseconds"] > 0


def test_a_card_and_the_lamp(
    building: Building, purse: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(purse, "make-card", "Blue card") == 0
    name, public = capsys.readouterr().out.strip().split(": ")
    assert name == "Blue card"
    nfc = ("tap", "nfc", "--reader", building.field, "--lamp", building.wires)
    assert _run(purse, *nfc) == 1
    assert "the lamp says not here" in capsys.readouterr().out
    building.post.admitted.add(bytes.fromhex(public))
    assert _run(purse, *nfc, "--key", "Blue card") == 0
    assert "the lamp says granted" in capsys.readouterr().out
    assert _run(purse, *nfc, "--stranger") == 1


def test_load_prints_a_table(
    building: Building, purse: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _learn(purse, building.post, admitted=True)
    load = ("load", "3", "Front door", "--air", building.air)
    assert _run(purse, *load, "--taps", "2") == 0
    said = capsys.readouterr().out
    assert "p99 ms" in said
    assert " 6 " in said
    assert _run(purse, *load, "--stranger") == 1


def test_cards_are_listed_without_secrets(purse: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(purse, "make-card", "--count", "2") == 0
    made = capsys.readouterr().out.splitlines()
    assert _run(purse, "keys") == 0
    said = capsys.readouterr().out
    for line in made:
        name, public = line.split(": ")
        assert f"{name}: card, public key {public}" in said
    for key in wallet.load(purse).keys:
        assert key.private.secret_bytes().hex() not in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("doors",), "`doorward-phone redeem` first"),
        (("tap", "ble", "Front door", "--air", "127.0.0.1:9"), "the wallet is empty"),
        (("tap", "nfc", "--reader", "127.0.0.1:9"), "the wallet is empty"),
        (("redeem", "ABCD-EFGH"), "--controller"),
        (("redeem", "http://127.0.0.1:9/wallet#x"), "cannot be reached"),
    ],
)
def test_trouble_is_said_in_one_line(
    purse: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    assert _run(purse, *arguments) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("doorward-phone: ")
    assert said in line


@pytest.mark.parametrize("reader", ["9100", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:70000", ":9"])
def test_an_address_that_is_none(
    purse: Path, capsys: pytest.CaptureFixture[str], reader: str
) -> None:
    _run(purse, "make-card")
    assert _run(purse, "tap", "nfc", "--reader", reader) == 2
    assert "write 127.0.0.1:9100" in capsys.readouterr().err
    assert _run(purse, "tap", "ble", "Front door", "--air", reader) == 2
    assert "write 127.0.0.1:9000" in capsys.readouterr().err


def test_the_wallet_is_where_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOORWARD_PHONE_WALLET", str(tmp_path / "mine.json"))
    with pytest.raises(SystemExit):
        main(["make-card"])
    assert len(wallet.load(tmp_path / "mine.json").keys) == 1
    monkeypatch.delenv("DOORWARD_PHONE_WALLET")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    with pytest.raises(SystemExit):
        main(["make-card"])
    assert len(wallet.load(tmp_path / "config" / "doorward" / "wallet.json").keys) == 1


def test_an_invitation_is_not_used_up_for_a_wallet_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "wallets"
    folder.symlink_to(tmp_path / "stick that is not plugged in")

    def begun(*_: object) -> None:
        raise AssertionError("the controller was asked")

    monkeypatch.setattr("hw.sim.phone.redeem.begin", begun)
    link = "http://127.0.0.1:9/wallet#x"
    assert _run(folder / "wallet.json", "redeem", link) == 2
    assert str(folder) in capsys.readouterr().err


def test_help_shows_how_to_begin(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    for word in ("redeem", "doors", "tap ble", "tap nfc", "make-card", "load", "Exit code"):
        assert word in said


class TestScan:
    """A door that is learnt from the code of its reader, as the official apps learn it."""

    def test_opens_for_a_key_that_was_registered(
        self, building: Building, purse: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        post = building.post
        assert _run(purse, "make-card", "App") == 0
        [key] = wallet.load(purse).keys
        post.admitted.add(key.private.public.point)
        assert _run(purse, "scan", ReaderCode(post.known.reader).encode(), NAME) == 0
        assert capsys.readouterr().out.splitlines()[-1] == f"App: {NAME}"
        assert _run(purse, "tap", "ble", NAME, "--air", building.air) == 0

    def test_again_replaces_what_was_known(self, building: Building, purse: Path) -> None:
        _run(purse, "make-card", "App")
        rogue = replace(building.post.known.reader, key=keys.key("rogue").public)
        for reader in (rogue, building.post.known.reader):
            assert _run(purse, "scan", ReaderCode(reader).encode(), "Front") == 0
        [app] = wallet.load(purse).keys
        assert [door.reader for door in app.doors] == [building.post.known.reader]

    @pytest.mark.parametrize("code", ["", "{}", "https://example.test", '{"siteUuid":7}'])
    def test_something_else(
        self, purse: Path, capsys: pytest.CaptureFixture[str], code: str
    ) -> None:
        _run(purse, "make-card", "App")
        assert _run(purse, "scan", code, "Front") == 2
        assert "this is no code of a reader" in capsys.readouterr().err
        assert wallet.load(purse).keys[0].doors == ()
