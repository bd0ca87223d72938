"""PKOC at a reader: three flows over BLE, two over NFC.

What others need is summed from the sizes of their messages, as they were recorded.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from hw.sim.cards import issuers
from hw.sim.cards.held import Pkoc
from shared.credential.card import Card
from shared.credential.exchange import Dialogue
from shared.credential.outcome import Outcome
from shared.credential.p256 import OwnKeys
from shared.credential.pkoc import nfc_reader
from shared.credential.pkoc.ble_holder import HolderSession
from shared.credential.pkoc.ble_reader import Policy, ReaderSession
from shared.credential.pkoc.identity import Keyring, KnownReader, ReaderIdentity
from shared.credential.pkoc.reader_certificate import Issuers, ReaderCertificate
from shared.credential.pkoc.suppliers import Suppliers
from shared.credential.selection import try_in_order
from shared.credential.session import Finished, Send
from tests.bench import bare
from tests.bench.flow import RATIO, Air, Flow, Run, Tape, converse, fresh, proven

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
MTU = 247
IDENTITY = ReaderIdentity(bytes(15) + b"\x01", bytes(15) + b"\x02", fresh())
KNOWN = KnownReader(IDENTITY.site, IDENTITY.location, IDENTITY.key.public)
NOBODY = OwnKeys(())


def flows() -> list[Flow]:
    """Every flow, with fresh keys."""
    issuer = fresh()
    certificate = ReaderCertificate.issue(
        issuer, site=IDENTITY.site, location=IDENTITY.location, key=IDENTITY.key.public
    )
    supplier = issuers.new_supplier()
    return [
        _ble("PKOC BLE normal", Policy(allow_normal=True), _bare_normal(), Air(1, 81, 146)),
        _ble("PKOC BLE ECDHE", Policy(), _bare_ecdhe(), Air(2, 147, 238)),
        _ble(
            "PKOC BLE ECDHE, reader certificate",
            Policy(certificate=certificate),
            _bare_ecdhe(),
            Air(2, 288, 239),
            Issuers({IDENTITY.site: issuer.public}),
        ),
        _nfc("PKOC SE V1", Pkoc(fresh()), supplier, Air(2, 76, 141)),
        _nfc("PKOC SE V2, validated", supplier.issue(NOW.date(), 1), supplier, Air(4, 62, 299)),
    ]


def _ble(
    name: str, policy: Policy, plain: Run, published: Air, certified_by: Issuers | None = None
) -> Flow:
    """A session, with the writes of a phone that were recorded."""
    ephemeral = fresh()

    def session() -> ReaderSession:
        return ReaderSession(IDENTITY, ephemeral, own_keys=NOBODY, now=0.0, policy=policy)

    notified, written = _record(session(), policy, certified_by)

    def run() -> None:
        fresh()
        reader = session()
        reader.hello(MTU)
        step: object = None
        for write in written:
            step = reader.receive(write, 0.0)
        assert isinstance(step, Finished)
        proven(step.outcome)
        reader.result(granted=True)

    air = Air(len(written), sum(map(len, notified)), sum(map(len, written)))
    return Flow(name, lambda: run, plain, air, published, RATIO)


def _record(
    reader: ReaderSession, policy: Policy, certified_by: Issuers | None
) -> tuple[list[bytes], list[bytes]]:
    """What reader and phone say to each other, each."""
    normal = [IDENTITY.site] if policy.allow_normal else []
    phone = HolderSession(
        fresh(),
        fresh(),
        Keyring([KNOWN], normal),
        last_update=0,
        now=0.0,
        issuers=certified_by,
        unix_time=int(NOW.timestamp()),
    )
    hello = reader.hello(MTU)
    assert isinstance(hello, tuple)
    notified, written, coming = list(hello), list[bytes](), deque(hello)
    while coming:
        step = phone.receive(coming.popleft(), 0.0)
        if isinstance(step, Send):
            written.append(step.message)
            reply = reader.receive(step.message, 0.0)
            said = reply.message if isinstance(reply, Send) else reader.result(granted=True)
            notified.append(said)
            coming.append(said)
    return notified, written


def _bare_normal() -> Run:
    check = bare.check_shown(fresh())

    def run() -> None:
        """Draw, load the credential key, verify."""
        bare.draw()
        check()

    return run


def _bare_ecdhe() -> Run:
    own, device, signer = fresh().native, fresh().public.point, IDENTITY.key.native
    check = bare.check_shown(fresh())
    nonce = bytes.fromhex("000000000000000100000001")
    secret = hashlib.sha256(own.exchange(bare.ECDH, bare.load(device))).digest()
    sealed = AESCCM(secret, 16).encrypt(nonce, bytes(146), None)

    def run() -> None:
        """Draw, load D, agree, sign, open, load the credential key, verify."""
        bare.draw()
        key = hashlib.sha256(own.exchange(bare.ECDH, bare.load(device))).digest()
        bare.sign(signer)
        AESCCM(key, 16).decrypt(nonce, sealed, None)
        check()

    return run


def _nfc(name: str, content: Pkoc, supplier: issuers.Supplier, published: Air) -> Flow:
    own_keys = OwnKeys([IDENTITY.key.public])
    se_v2, checks = None, [bare.check_shown(content.key)]
    if content.certified is not None:
        suppliers = Suppliers({supplier.reference: supplier.key.public})
        se_v2 = nfc_reader.SeV2(bytes(32), suppliers, NOW.date(), required=True)
        checks.append(bare.check_known(supplier.key.native))

    def dialogue() -> Dialogue[Outcome]:
        return nfc_reader.dialogue(IDENTITY, bytes(16), own_keys=own_keys, se_v2=se_v2)

    return nfc_flow(
        name,
        Card(content.applications()),
        lambda: dialogue,
        checks,
        published=published,
        ratio=RATIO,
    )


def nfc_flow(
    name: str,
    card: Card,
    prepare: Callable[[], Callable[[], Dialogue[Outcome]]],
    checks: Sequence[Callable[[], object]],
    *,
    published: Air | None = None,
    ratio: float | None = None,
) -> Flow:
    """A dialogue with the answers of a card that were recorded. Its bare calls are `checks`."""
    tape = Tape()
    proven(converse(try_in_order([prepare()()]), tape.recording(card)))

    def ready() -> Run:
        dialogue = prepare()
        return lambda: proven(converse(try_in_order([dialogue()]), tape.playing()))

    def plain() -> None:
        for check in checks:
            check()

    return Flow(name, ready, plain, tape.air, published, ratio)
