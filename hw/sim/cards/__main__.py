"""`doorward-card`: cards without cards. Makes, certifies and revokes them, taps at doors."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from importlib.metadata import version
from pathlib import Path

from hw.sim.cards import arguments, issuers, mischief
from hw.sim.cards.documents import DocumentIssuer
from hw.sim.cards.held import Aliro, Content, HeldCard, Piv, Pkoc, new_card, new_p256, new_rsa
from hw.sim.cards.issuers import Authority, Supplier
from hw.sim.cards.mischief import Mischief
from hw.sim.phone import tap_nfc, wallet
from hw.sim.phone.showing import address, show
from hw.sim.phone.tap import Light
from hw.sim.private_file import PrivateFileError, locked

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

Somebody who signs rights for wallets, for doors with `aliro-nfc-document` that ask for element
"door"; and how a wallet is taken back: with the next rights that are shared, or by its key:
  doorward-card sharer sharer.json                   # prints the key to trust
  doorward-card share sharer.json "Ada's wallet" --hours "mon-fri 09:00-17:30" --days 2
  doorward-card revoke sharer.json "Ada's wallet"    # prints its key, for `refused_keys`

A card that has nothing but its number, for doors with `card-number`, and any card at a door:
  doorward-card make uid "Old card"
  doorward-card tap --reader 127.0.0.1:9100 --lamp 127.0.0.1:9200 --card "Green card"

`make` and `list` print what to register: credential type and value. With --json all print what
the API takes: bodies for /people/ID/credentials, parts of a site's `card_issuers`, and
`refused_keys`.
"""


def main(argv: list[str] | None = None) -> None:
    """Do what the command line says, and exit with what the holder saw."""
    options = _parser().parse_args(argv)
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


def _sharer(options: argparse.Namespace) -> int:
    made = DocumentIssuer(new_p256())
    issuers.create(options.file, made)
    point = made.key.public.point.hex()
    _show(options, point, "document_issuers", point)
    return 0


def _share(options: argparse.Namespace) -> int:
    match issuers.load(options.file):
        case DocumentIssuer() as issuer:
            pass
        case _:
            raise ValueError(f"{options.file}: make one that shares by `doorward-card sharer`")
    card = wallet.load(options.wallet).find_card(options.card)
    if not isinstance(card.content, Aliro):
        raise ValueError(f"{card.name} is no phone wallet: it carries no documents")  # noqa: TRY004
    now, seconds = int(time.time()), options.days * 86_400
    holder = card.content.credential.key.public
    access = issuer.access(holder, now, seconds, element=options.element, hours=options.hours)
    more = [issuer.revocation(now, seconds)] if issuer.revoked else []
    card.content.carry(access, *more)
    wallet.change_card(options.wallet, card)
    until = issuers.instant(now + seconds).isoformat().replace("+00:00", "Z")
    if options.json:
        print(json.dumps({"label": card.name, "public_key": holder.point.hex(), "until": until}))
    else:
        print(f"{card.name}: may open doors that ask for {options.element!r}, until {until}")
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
                issuers.save(options.file, authority)
                pem = authority.revocation_list(issuers.instant(time.time()), options.days)
                _show(options, pem, "revocation_lists", pem)
            case DocumentIssuer() as sharer, Aliro(credential):
                issuers.save(options.file, sharer.without(credential.key.public))
                point = credential.key.public.point.hex()
                _show(options, point, "refused_keys", {"public_key": point, "cause": "revoked"})
            case _:
                raise ValueError("an authority revokes PIV cards, and a sharer phone wallets")
    return 0


def _list(options: argparse.Namespace) -> int:
    for card in wallet.load(options.wallet).cards:
        _say(options, card)
    return 0


def _show(options: argparse.Namespace, text: str, part: str, value: object) -> None:
    """Print an issuer as `text`, or as that `part` of a site's settings."""
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

    arguments.add_issuers(
        command("supplier", _supplier, "make a supplier of PKOC cards, and print its QR code"),
        command("authority", _authority, "make an authority for PIV cards, print its certificate"),
        command("sharer", _sharer, "make one who shares rights with wallets, and print its key"),
    )
    arguments.add_share(
        command("share", _share, "sign a wallet the right to open doors for some days")
    )
    arguments.add_make(command("make", _make, "make a card, and print what to register"))
    revoke = command("revoke", _revoke, "have its issuer revoke a card, print list or key")
    revoke.add_argument("file", type=Path, help="the authority's, or sharer's, file")
    revoke.add_argument("card", help="the card's name")
    revoke.add_argument("--days", type=arguments.days, default=30, help="how long the list is good")
    command("list", _list, "list the cards, and what to register; no secrets")
    arguments.add_tap(command("tap", _tap, "hold a card to a reader"))
    return parser


if __name__ == "__main__":
    main()
