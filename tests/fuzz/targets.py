"""What is fuzzed: each takes any bytes, and may raise nothing but what its contract names.

A session takes a conversation: pieces with one length byte before each, fed one after the other.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from shared import cbor
from shared.access.rows import decode_row
from shared.credential import card_number, tlv
from shared.credential.aliro import endings
from shared.credential.aliro import messages as aliro
from shared.credential.aliro.certificate import ReaderCertificate as AliroCertificate
from shared.credential.apdu import CommandAPDU, ResponseAPDU
from shared.credential.card import Card
from shared.credential.errors import RuleBroken
from shared.credential.exchange import Dialogue
from shared.credential.outcome import Outcome, Proven
from shared.credential.p256 import OwnKeys, PrivateKey, PublicKey
from shared.credential.piv import messages as piv
from shared.credential.piv import reader as piv_reader
from shared.credential.pkoc import ble_holder, ble_messages, ble_reader, nfc_messages, nfc_reader
from shared.credential.pkoc.cvc import Certificate
from shared.credential.pkoc.hello import HelloAssembly
from shared.credential.pkoc.identity import Keyring, KnownReader, ReaderIdentity
from shared.credential.pkoc.nfc_holder import PkocApplication
from shared.credential.pkoc.nfc_reader import SeV2
from shared.credential.pkoc.provisioning import ReaderCode, SupplierCode, decode_credential
from shared.credential.pkoc.reader_certificate import ReaderCertificate, RevocationList
from shared.credential.selection import try_in_order
from shared.credential.session import Finished
from shared.credential.tag import TagSession
from shared.wire import events, messages

_KEYS = [PrivateKey.from_bytes(bytes((number,)) * 32) for number in range(1, 4)]
_SITE, _LOCATION = b"\x11" * 16, b"\x22" * 16
_READER = ReaderIdentity(_SITE, _LOCATION, _KEYS[0])
_OWN = OwnKeys([_KEYS[0].public])
# The longest thing that any of them is ever handed is an MQTT message.
MAX_INPUT = 4_096


@dataclass(frozen=True, slots=True)
class Target:
    """`run` any bytes; what it raises is a bug. `seeds` are good inputs to begin from."""

    name: str
    run: Callable[[bytes], None]
    seeds: tuple[bytes, ...] = ()


def _parser(name: str, parse: Callable[[bytes], Any], *seeds: str) -> Target:
    def run(data: bytes) -> None:
        with contextlib.suppress(RuleBroken, cbor.Malformed):
            parse(data)

    return Target(name, run, tuple(bytes.fromhex(seed) for seed in seeds))


def _text(name: str, parse: Callable[[str], Any], *seeds: str) -> Target:
    def run(data: bytes) -> None:
        with contextlib.suppress(RuleBroken):
            parse(data.decode("utf-8", "surrogateescape"))

    return Target(name, run, tuple(seed.encode() for seed in seeds))


def pieces(data: bytes) -> Iterator[bytes]:
    """Cut a conversation into what is said, one piece after the other."""
    while data:
        size, data = data[0], data[1:]
        yield data[:size]
        data = data[size:]


def conversation(*said: bytes) -> bytes:
    """Join what is said, so that `pieces` cuts it again."""
    return b"".join(bytes((len(each),)) + each for each in said)


def _listen(session: Any, data: bytes) -> None:
    """Feed a session; nobody can be proven who has no key."""
    for piece in pieces(data):
        match session.receive(piece, 0.0):
            case Finished(Proven()):
                raise AssertionError("proven without a key")
            case _:
                pass
    session.lost()


def _tag(dialogue: Callable[[], Dialogue[Outcome]]) -> Callable[[bytes], None]:
    def run(data: bytes) -> None:
        session = TagSession(dialogue(), now=0.0)
        session.start()
        _listen(session, data)

    return run


def _all_standards() -> Dialogue[Outcome]:
    se_v2 = SeV2(b"\x33" * 32, None)
    return try_in_order(
        [
            piv_reader.dialogue(b"reader", b"\x44" * 32, own_keys=_OWN),
            nfc_reader.dialogue(_READER, b"\x55" * 16, own_keys=_OWN, se_v2=se_v2),
        ]
    )


def _ble_reader(data: bytes) -> None:
    policy = ble_reader.Policy(allow_normal=True)
    session = ble_reader.ReaderSession(_READER, _KEYS[1], own_keys=_OWN, policy=policy, now=0.0)
    session.hello(247)
    _listen(session, data)


def _ble_holder(data: bytes) -> None:
    keyring = Keyring([KnownReader(_SITE, _LOCATION, _KEYS[0].public)], [_LOCATION])
    session = ble_holder.HolderSession(_KEYS[2], _KEYS[1], keyring, last_update=0, now=0.0)
    _listen(session, data)


def _card(data: bytes) -> None:
    card = Card([PkocApplication(_KEYS[2])])
    for piece in pieces(data):
        ResponseAPDU.decode(card.receive(piece))


def _hello(data: bytes) -> None:
    assembly = HelloAssembly()
    for piece in pieces(data):
        assembly.add(*ble_messages.parse_row(piece))


_SELECTED = "6F15 8409A000000909ACCE5501 A508 80020000 5C020100"
_POINT = _KEYS[2].public.point.hex()
TARGETS = (
    _parser("tlv", tlv.parse, "5C020100", "7F2103810100"),
    _parser("tlv-tree", tlv.parse_tree, "6F158409A000000909ACCE5501A508800200005C020100"),
    _parser("tlv-either", tlv.parse_either, "5C020100"),
    _parser("apdu-command", CommandAPDU.decode, "00A4040008A00000089800000100", "008100000002AABB"),
    _parser("apdu-response", ResponseAPDU.decode, "5C0201009000"),
    _parser("point", PublicKey.parse, _POINT),
    _parser("pkoc-select", nfc_messages.SelectAnswer.decode, "5C0401010100"),
    _parser("pkoc-authenticate", nfc_messages.AuthenticateAnswer.decode, f"5A41{_POINT}9E40"),
    _parser("pkoc-cvc", Certificate.decode, "7F21 07 7F4E 00 5F37 00"),
    _parser("pkoc-device", ble_messages.decode_device, f"0741{_POINT}"),
    _parser("pkoc-hello", _hello, "070C050300000001"),
    _parser("pkoc-reader-certificate", ReaderCertificate.decode, "01" + "00" * 137),
    _parser("pkoc-revocations", RevocationList.decode, "01" + "00" * 86),
    _text("qr-reader", ReaderCode.decode, '{"siteUuid":"","readerUuid":"","publicKey":""}'),
    _text("qr-supplier", SupplierCode.decode, '{"v":1,"type":"pkoc_supplier","iir":""}'),
    _text("qr-credential", decode_credential, _POINT),
    _text("wiegand", card_number.judge_wiegand, "0" * 26),
    _parser("piv-certificate", piv.CertificateObject.decode, "530A 7003 AABBCC 710100 FE00"),
    _parser("piv-signature", piv.decode_signature, "7C0482020102"),
    _parser("aliro-select", aliro.SelectAnswer.decode, _SELECTED),
    _parser("aliro-auth0", aliro.Auth0.decode, "410100"),
    _parser("aliro-auth0-answer", aliro.Auth0Answer.decode, f"8641{_POINT}"),
    _parser("aliro-auth1", aliro.Auth1.decode, "410101"),
    _parser("aliro-exchange", endings.Exchange.decode, "97020101"),
    _parser("aliro-control-flow", endings.ControlFlow.decode, "410100420100"),
    _parser("aliro-certificate", AliroCertificate.decode, "300430020500"),
    _parser("cbor", lambda data: cbor.decode(data, limit=MAX_INPUT), "a2617601647479706561"),
    _parser("plan-row", decode_row, "8501018080"),
    _parser("event", events.decode_event, "a1637365710a"),
    _parser("message", lambda data: messages.decode(data, messages.Hello, messages.PlanPage), "a1"),
    Target("session-card-reader", _tag(_all_standards), (conversation(b"\x6a\x82", b"\x90\x00"),)),
    Target("session-ble-reader", _ble_reader, (conversation(b"\x07\x41" + _KEYS[2].public.point),)),
    Target("session-ble-phone", _ble_holder, (conversation(bytes.fromhex("0c050300000001")),)),
    Target("session-card", _card, (conversation(bytes.fromhex("00A4040008A00000089800000100")),)),
)
BY_NAME = {target.name: target for target in TARGETS}
