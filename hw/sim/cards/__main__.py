"""`doorward-card`: cards without cards. Makes, certifies and revokes them, taps at doors."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
import uuid
from importlib.metadata import version
from pathlib import Path

from hw.sim.cards import issuers, mischief
from hw.sim.cards.held import Aliro, Content, HeldCard, Piv, Pkoc, new_card, new_p256, new_rsa
from hw.sim.cards.issuers import Authority, Supplier
from hw.sim.cards.mischief import Mischief
from hw.sim.phone import tap_nfc, wallet
from hw.sim.phone.showing import address, show
from hw.sim.phone.tap import PATIENCE, Light
from hw.sim.private_file import PrivateFileError, locked
from shared.credential.errors import RuleBroken
from shared.credential.p256 import PublicKey

EXAMPLES = """\
Exit code: 0 granted or done, 1 refused at the door, 2 trouble.

A PKOC card as any, and one with a certificate, for doors with `pkoc-nfc-validated`:
  doorward-card make pkoc "Blue card"
  doorward-card supplier supplier.json               # prints the text of the supplier's QR code
  doorward-card make pkoc "Green card" --issuer supplier.json

A staff card (PIV), and what becomes of it:
  doorward-card authority authority.json "Example staff"      # prints the certificate to trust
  doorward-card make piv "Ada's badge" --issuer authority.json --rsa
  doorward-card revoke authority.json "Ada's badge"           # prints the revocation list

What a phone wallet holds (Aliro), for all doors of a site that have `aliro-nfc`; the API shows
both in the site's `wallet_group`:
  doorward-card make aliro "Ada's wallet" --group IDENTIFIER --group-key PUBLIC_KEY

A card that has nothing but its number, for doors with `card-number`, and any card at a door:
  doorward-card make uid "Old card"
  doorward-card tap --reader 127.0.0.1:9100 --lamp 127.0.0.1:9200 --card "Green card"

`make` and `list` print what to register: credential type and value. With --json all print what
the API takes: bodies for /people/ID/credentials, and parts of a site's `card_issuers`.
"""


def main(arguments: list[str] | None = None) -> None:
    """Do what the command line says, and exit with what the holder saw."""
    options = _parser().parse_args(arguments)
    if options.wallet is None:
        options.wallet = wallet.default_path()
    try:
        sys.exit(options.run(options))
    except (PrivateFileError, ValueError, OSError) as error:
        print(f"doorward-card: {error}", file=sys.stderr)
        sys.exit(Light.TROUBLE.value)
    except KeyboardInterrupt:
        sys.exit(130)


def _supplier(options: argparse.Namespace) -> int:
    made = issuers.new_supplier(options.reference)
    issuers.create(options.file, made)
    supplier = {"reference": made.reference, "public_key": made.key.public.point.hex()}
    _show(options, made.code, "suppliers", supplier)
    return 0


def _authority(options: argparse.Namespace) -> int:
    made = issuers.new_authority(options.name, issuers.instant(time.time()))
    issuers.create(options.file, made)
    _show(options, made.pem, "authorities", made.pem)
    return 0


def _make(options: argparse.Namespace) -> int:
    content = _content(options, time.time())
    card = wallet.add_card(options.wallet, new_card(options.name, time.time(), content))
    _say(options, card)
    return 0


def _content(options: argparse.Namespace, now: float) -> Content:
    issuer = None if options.issuer is None else issuers.load(options.issuer)
    if options.kind == "aliro":
        if issuer is not None or None in (options.group, options.group_key):
            raise ValueError("a wallet's credential takes --group and --group-key, and no --issuer")
        return Aliro.new(options.group, options.group_key)
    match options.kind, issuer:
        case "uid", None:
            return None
        case "pkoc", None:
            return Pkoc(new_p256())
        case "pkoc", Supplier() as supplier:
            return supplier.issue(issuers.today(now), options.days)
        case "piv", Authority() as authority:
            key = new_rsa() if options.rsa else new_p256()
            return authority.issue(options.name, key, issuers.instant(now), options.days)
        case "piv", _:
            raise ValueError("a PIV card needs an --issuer made by `doorward-card authority`")
        case "pkoc", _:
            raise ValueError("a PKOC card takes an --issuer made by `doorward-card supplier`")
        case _:
            raise ValueError("nobody issues a mere number: leave --issuer away")


def _revoke(options: argparse.Namespace) -> int:
    card = wallet.load(options.wallet).find_card(options.card)
    with locked(options.file):
        match issuers.load(options.file), card.content:
            case Authority() as authority, Piv() as content:
                authority = authority.without(content)
            case _:
                raise ValueError("only an authority revokes, and only PIV cards")
        issuers.save(options.file, authority)
    pem = authority.revocation_list(issuers.instant(time.time()), options.days)
    _show(options, pem, "revocation_lists", pem)
    return 0


def _list(options: argparse.Namespace) -> int:
    for card in wallet.load(options.wallet).cards:
        _say(options, card)
    return 0


def _show(options: argparse.Namespace, text: str, part: str, value: object) -> None:
    """Print an issuer as `text`, or as that `part` of `card_issuers`."""
    print(json.dumps({part: [value]}) if options.json else text.rstrip())


def _say(options: argparse.Namespace, card: HeldCard) -> None:
    if options.json:
        for kind, value in card.values():
            print(json.dumps({"credential_type_id": kind, "value": value, "label": card.name}))
        return
    print(f"{card.name}: {card.kind}")
    for kind, value in card.values():
        print(f"  type {kind}: {value.strip()}")


def _tap(options: argparse.Namespace) -> int:
    card = wallet.load(options.wallet).find_card(options.card)
    misbehave = None if options.misbehave is None else Mischief(options.misbehave)
    tap = tap_nfc.tap(
        address(options.reader, "127.0.0.1:9100"),
        mischief.shown(card, misbehave),
        lamp=None if options.lamp is None else address(options.lamp, "127.0.0.1:9200"),
        patience=options.patience,
    )
    seen = asyncio.run(tap)
    if isinstance(card.content, Aliro):
        wallet.change_card(options.wallet, card)  # it may know one door more
    return show(seen, as_json=options.json)


def _group(text: str) -> bytes:
    try:
        return uuid.UUID(text).bytes
    except ValueError:
        raise argparse.ArgumentTypeError("a group is an identifier of 32 hex digits") from None


def _group_key(text: str) -> PublicKey:
    try:
        return PublicKey.parse(bytes.fromhex(text))
    except (ValueError, RuleBroken):
        raise argparse.ArgumentTypeError("a key is a point of 130 hex digits, 04...") from None


def _days(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 36_500:
        raise argparse.ArgumentTypeError("give a number of days from 1 to 36500")
    return number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="doorward-card",
        description="Virtual cards: PKOC, PIV, Aliro, and mere numbers, with those who issue them.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--wallet",
        type=Path,
        metavar="FILE",
        help=f"where the cards lie (default: ${wallet.PLACE}, or ~/.config/doorward/wallet.json)",
    )
    parser.add_argument("--version", action="version", version=version("doorward"))
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: object, text: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=text)
        made.set_defaults(run=run)
        made.add_argument("--json", action="store_true", help="print JSON, for programs")
        return made

    _add_issuers(
        command("supplier", _supplier, "make a supplier of PKOC cards, and print its QR code"),
        command("authority", _authority, "make an authority for PIV cards, print its certificate"),
    )
    _add_make(command("make", _make, "make a card, and print what to register"))
    revoke = command("revoke", _revoke, "have an authority revoke a card, and print its list")
    revoke.add_argument("file", type=Path, help="the authority's file")
    revoke.add_argument("card", help="the card's name")
    revoke.add_argument("--days", type=_days, default=30, help="how long the list is good")
    command("list", _list, "list the cards, and what to register; no secrets")
    _add_tap(command("tap", _tap, "hold a card to a reader"))
    return parser


def _add_issuers(supplier: argparse.ArgumentParser, authority: argparse.ArgumentParser) -> None:
    for parser in (supplier, authority):
        parser.add_argument("file", type=Path, help="where its key is kept; must be new")
    supplier.add_argument("--reference", help="16 of A-Z and 0-9 (default: drawn)")
    authority.add_argument("name", nargs="?", default="Doorward demo authority")


def _add_make(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", choices=("pkoc", "piv", "aliro", "uid"))
    parser.add_argument("name", nargs="?", default="Card")
    parser.add_argument("--issuer", type=Path, metavar="FILE", help="who certifies it")
    parser.add_argument(
        "--group",
        type=_group,
        metavar="IDENTIFIER",
        help="Aliro: whose doors, in the site's `wallet_group` in the API",
    )
    parser.add_argument(
        "--group-key",
        type=_group_key,
        metavar="KEY",
        help="Aliro: who certifies their readers, `public_key` there",
    )
    parser.add_argument("--rsa", action="store_true", help="a PIV card with an RSA key")
    parser.add_argument(
        "--days", type=_days, default=365, help="of the certificate (default: %(default)s)"
    )


def _add_tap(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--reader", required=True, metavar="HOST:PORT", help="its NFC field")
    parser.add_argument(
        "--lamp", metavar="HOST:PORT", help="the simulated door, to see what its lamp says"
    )
    parser.add_argument("--card", metavar="NAME", help="default: the newest")
    parser.add_argument(
        "--misbehave", choices=[each.value for each in Mischief], help="break the card's word"
    )
    parser.add_argument(
        "--patience", type=float, default=PATIENCE, help="seconds (default: %(default)g)"
    )


if __name__ == "__main__":
    main()
