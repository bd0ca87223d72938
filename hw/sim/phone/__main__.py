"""`doorward-phone`: a phone without a phone. Redeems invitations, taps at doors, plays cards."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import sys
import time
from importlib.metadata import version
from pathlib import Path

from hw.ports import HardwareFault
from hw.sim.phone import redeem, wallet
from hw.sim.phone.controllers import ControllerRefused
from hw.sim.phone.tap import PATIENCE, Light
from hw.sim.phone.wallet import Key, KnownDoor, WalletError
from hw.sim.private_file import PrivateFileError
from shared.credential.errors import RuleBroken
from shared.credential.pkoc.provisioning import ReaderCode

EXAMPLES = """\
Exit code: 0 granted or done, 1 refused at the door, 2 trouble.

  doorward-phone redeem 'http://127.0.0.1:8080/wallet#...'
  doorward-phone tap ble "Front door" --air 127.0.0.1:9000
  doorward-phone make-card "Blue card"            # prints the public key to register
  doorward-phone tap nfc --reader 127.0.0.1:9100 --lamp 127.0.0.1:9200 --key "Blue card"
  doorward-phone load 20 "Front door" --air 127.0.0.1:9000

As the official PKOC apps do, without an invitation: register a key by hand, scan a reader's code.
  doorward-phone make-card "App"
  doorward-phone scan '{"siteUuid":...}' "Front door"       # `pkoc_code` of a reader in the API

Cards with certificates, staff cards (PIV) and cards that have nothing but a number: doorward-card.
"""


def main(arguments: list[str] | None = None) -> None:
    """Do what the command line says, and exit with what the holder saw."""
    options = _parser().parse_args(arguments)
    if options.wallet is None:
        options.wallet = wallet.default_path()
    try:
        sys.exit(asyncio.run(options.run(options)))
    except (PrivateFileError, ControllerRefused, HardwareFault, ValueError, OSError) as error:
        print(f"doorward-phone: {error}", file=sys.stderr)
        sys.exit(Light.TROUBLE.value)
    except KeyboardInterrupt:
        sys.exit(130)


async def _redeem(options: argparse.Namespace) -> int:
    wallet.rewrite(options.wallet)  # what keeps it from doing so must not cost the invitation
    controller, code = redeem.read_link(options.invitation, options.controller)
    invitation = await redeem.begin(controller, code)
    print(f"{invitation.site} invites {invitation.person}.")
    if options.decline:
        await redeem.decline(controller, code)
        print("Declined. The invitation is worth nothing any more.")
        return 0
    fresh = wallet.new_key(invitation.site, time.time())
    key = await redeem.redeem(invitation, fresh, device=options.device)
    _say_doors(wallet.add(options.wallet, key))
    return 0


async def _doors(options: argparse.Namespace) -> int:
    keys = [key for key in wallet.load(options.wallet).keys if key.account is not None]
    if options.key is not None:
        keys = [wallet.load(options.wallet).find(options.key)]
    if not keys:
        raise WalletError("no phone key in the wallet: `doorward-phone redeem` first")
    for key in keys:
        fresh = await redeem.refresh(key, now=time.time())
        wallet.change(options.wallet, fresh)
        _say_doors(fresh)
    return 0


def _say_doors(key: Key) -> None:
    names = ", ".join(door.name for door in key.doors)
    if names:
        print(f"You have a key for: {names}")
    else:
        print("You have a key, and no door for it yet: ask who invited you, then run `doors`.")


async def _keys(options: argparse.Namespace) -> int:
    for key in wallet.load(options.wallet).keys:
        what = ", ".join(door.name for door in key.doors) or "no doors"
        if key.account is None:
            what = f"card, public key {key.private.public.point.hex()}"
        print(f"{key.name}: {what}")
    return 0


async def _make_card(options: argparse.Namespace) -> int:
    for _ in range(options.count):
        card = wallet.add(options.wallet, wallet.new_key(options.name, time.time()))
        print(f"{card.name}: {card.private.public.point.hex()}")
    return 0


async def _scan(options: argparse.Namespace) -> int:
    try:
        code = ReaderCode.decode(options.code)
    except RuleBroken as broken:
        raise WalletError(f"this is no code of a reader: {broken}") from None
    door = KnownDoor(options.door, code.reader, code.issuer)
    key = wallet.load(options.wallet).find(options.key).with_door(door)
    wallet.change(options.wallet, key)
    print(f"{key.name}: {', '.join(door.name for door in key.doors)}")
    return 0


async def _at_door(options: argparse.Namespace) -> int:
    # Only here: whoever redeems an invitation need not wait for a Bluetooth stack.
    try:
        doors = importlib.import_module("hw.sim.phone.at_door")
    except ModuleNotFoundError as error:
        raise HardwareFault(
            f"'{error.name}' is not installed here: taps need the packages of a reader "
            "(pip install --require-hashes -r locks/reader.txt)"
        ) from error
    return int(await getattr(doors, options.at_door)(options))


def _positive(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 10_000:
        raise argparse.ArgumentTypeError("give a number from 1 to 10000")
    return number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="doorward-phone",
        description="A virtual phone: redeems an invitation, then taps over BLE or NFC.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--wallet",
        type=Path,
        metavar="FILE",
        help=f"where the keys lie (default: ${wallet.PLACE}, or ~/.config/doorward/wallet.json)",
    )
    parser.add_argument("--version", action="version", version=version("doorward"))
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: object, text: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=text)
        made.set_defaults(run=run)
        return made

    _add_redeem(command("redeem", _redeem, "turn an invitation into a key"))
    doors = command("doors", _doors, "ask which doors the keys open by now")
    doors.add_argument("--key", help="only this key of the wallet")
    command("keys", _keys, "list the wallet; no secrets")
    card = command("make-card", _make_card, "make a key for a card, and print its public half")
    card.add_argument("name", nargs="?", default="Card")
    card.add_argument("--count", type=_positive, default=1, help="so many (default: %(default)s)")
    scan = command("scan", _scan, "learn a reader from the text of its QR code")
    scan.add_argument("code", help="the text (in quotes)")
    scan.add_argument("door", help="its name, as it shows over Bluetooth")
    scan.add_argument("--key", help="for this key of the wallet (default: the newest)")
    taps = commands.add_parser("tap", help="hold the phone or card to a reader")
    kinds = taps.add_subparsers(required=True, metavar="ble|nfc")
    _add_ble(kinds.add_parser("ble", help="PKOC over Bluetooth"), "tap_over_ble")
    _add_nfc(kinds.add_parser("nfc", help="PKOC as a card"))
    crowd = command("load", _at_door, "many phones at once; prints how long they waited")
    crowd.add_argument("phones", type=_positive, help="how many phones")
    crowd.add_argument(
        "--taps", type=_positive, default=1, help="of each phone (default: %(default)s)"
    )
    _add_ble(crowd, "load_door")
    return parser


def _add_redeem(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("invitation", help="the link (in quotes), or the code")
    parser.add_argument("--controller", metavar="URL", help="http://host:8080; needed with a code")
    parser.add_argument("--device", default="Doorward virtual phone", help="what the phone is")
    parser.add_argument("--decline", action="store_true", help="say no to the invitation")


def _add_ble(parser: argparse.ArgumentParser, at_door: str) -> None:
    parser.add_argument("door", help="the door's name, as in `doors`")
    parser.add_argument("--air", required=True, metavar="HOST:PORT", help="the virtual air")
    _add_tap(parser, at_door)


def _add_nfc(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--reader", required=True, metavar="HOST:PORT", help="its NFC field")
    parser.add_argument(
        "--lamp", metavar="HOST:PORT", help="the simulated door, to see what its lamp says"
    )
    _add_tap(parser, "tap_over_nfc")


def _add_tap(parser: argparse.ArgumentParser, at_door: str) -> None:
    parser.add_argument("--key", help="use this key of the wallet")
    parser.add_argument("--stranger", action="store_true", help="use a key that nobody knows")
    parser.add_argument(
        "--patience", type=float, default=PATIENCE, help="seconds (default: %(default)g)"
    )
    if at_door != "load_door":
        parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=_at_door, at_door=at_door)


if __name__ == "__main__":
    main()
