"""The arguments of `doorward-card`: what each command takes, and of what form."""

from __future__ import annotations

import argparse
import uuid
from pathlib import Path

from hw.sim.cards.documents import ACCESS_ELEMENT, weekly
from hw.sim.cards.mischief import Mischief
from hw.sim.phone.tap import PATIENCE
from shared.credential.aliro.documents.recurrence import Schedule
from shared.credential.errors import RuleBroken
from shared.credential.p256 import PublicKey


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


def days(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 36_500:
        raise argparse.ArgumentTypeError("give a number of days from 1 to 36500")
    return number


def _hours(text: str) -> Schedule:
    try:
        return weekly(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def add_issuers(
    supplier: argparse.ArgumentParser,
    authority: argparse.ArgumentParser,
    sharer: argparse.ArgumentParser,
) -> None:
    for parser in (supplier, authority, sharer):
        parser.add_argument("file", type=Path, help="where its key is kept; must be new")
    supplier.add_argument("--reference", help="16 of A-Z and 0-9 (default: drawn)")
    authority.add_argument("name", nargs="?", default="Doorward demo authority")


def add_share(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="the sharer's file")
    parser.add_argument("card", nargs="?", help="the wallet's name (default: the newest card)")
    parser.add_argument(
        "--element", default=ACCESS_ELEMENT, help="for doors that ask for it (default: %(default)s)"
    )
    parser.add_argument(
        "--hours", type=_hours, metavar="WHEN", help="only then, local time: mon-fri 09:00-17:30"
    )
    parser.add_argument(
        "--days", type=days, default=7, help="how long it is good (default: %(default)s)"
    )


def add_make(parser: argparse.ArgumentParser) -> None:
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
        "--days", type=days, default=365, help="of the certificate (default: %(default)s)"
    )


def add_tap(parser: argparse.ArgumentParser) -> None:
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
