"""Every published PKOC transcript, byte for byte, from both ends where we play both."""

from __future__ import annotations

from collections import deque
from datetime import date

import pytest

from shared.credential.apdu import CommandAPDU, ResponseAPDU
from shared.credential.card import Card
from shared.credential.ccm import AesCcm
from shared.credential.outcome import Outcome, Proven, Reason, Refused, Strength, Transport
from shared.credential.p256 import OwnKeys, PrivateKey, PublicKey
from shared.credential.pkoc import ble_holder, ble_reader, nfc_reader
from shared.credential.pkoc.ble_messages import (
    Credential,
    Encrypted,
    ProtocolId,
    ReaderProof,
    Status,
    decode_device,
)
from shared.credential.pkoc.channel import Channel, transcript
from shared.credential.pkoc.cvc import Certificate
from shared.credential.pkoc.identity import Keyring, KnownReader, ReaderIdentity
from shared.credential.pkoc.nfc_holder import Certified, PkocApplication
from shared.credential.pkoc.nfc_messages import SelectAnswer
from shared.credential.pkoc.nfc_reader import SeV2
from shared.credential.pkoc.numbers import SIZES, CredentialNumber
from shared.credential.pkoc.reader_certificate import (
    Issuers,
    ReaderCertificate,
    RevocationList,
)
from shared.credential.pkoc.suppliers import Suppliers
from shared.credential.session import Finished, Send
from shared.credential.tag import TagSession
from shared.credential.tlv import Lengths, encode_compact
from tests.shared.credential.keys import key
from tests.shared.credential.pkoc.ends import NOBODY, READER, finished, refused, sent
from tests.shared.credential.pkoc.vectors import FOLDER, Transcript, published

# The reader's messages and its outcome. Our reader never has a certificate inside its hello: one
# that has is played without it.
BLE_READER = {
    "ble_ecdhe_01_psia": Strength.MUTUAL,
    "ble_ecdhe_03_elatec_certificate_first_contact": Strength.MUTUAL,
    "ble_ecdhe_05_elatec_certificate_own_notification": Strength.MUTUAL,
    "ble_ecdhe_07_ios_shape": Strength.MUTUAL,
    "ble_normal_01_psia_v3": Strength.ONE_WAY,
    "ble_normal_03_elatec": Strength.ONE_WAY,
    "ble_normal_05_hello_in_four_notifications": Strength.ONE_WAY,
    "neg_ble_01_reader_signs_with_wrong_key": None,
    "neg_ble_03_unknown_reader": None,
    "neg_ble_04_ciphertext_tampered": Reason.DECRYPTION_FAILED,
    "neg_ble_05_normal_replay": Reason.BAD_SIGNATURE,
}

# The holder's messages.
BLE_HOLDER = {
    "ble_ecdhe_01_psia": ble_holder.Hint(Status.GRANTED),
    "ble_ecdhe_03_elatec_certificate_first_contact": ble_holder.Hint(Status.GRANTED),
    "ble_ecdhe_05_elatec_certificate_own_notification": ble_holder.Hint(Status.GRANTED),
    "ble_normal_01_psia_v3": ble_holder.Hint(Status.GRANTED),
    "ble_normal_03_elatec": ble_holder.Hint(Status.GRANTED),
    "ble_normal_05_hello_in_four_notifications": ble_holder.Hint(Status.GRANTED),
    "neg_ble_01_reader_signs_with_wrong_key": Refused(Reason.BAD_SIGNATURE),
    "neg_ble_03_unknown_reader": Refused(Reason.UNKNOWN_READER),
    "neg_ble_07_certificate_expired": Refused(Reason.CERTIFICATE_EXPIRED),
    "neg_ble_09_certificate_other_reader": Refused(Reason.BAD_CERTIFICATE),
    "neg_ble_10_certificate_revoked": Refused(Reason.CERTIFICATE_REVOKED),
}

NFC = {
    "nfc_v1_01_psia_card": None,
    "nfc_v1_02_elatec_card_no_le": None,
    "nfc_v1_04_card_v11_multi_version": None,
    "nfc_v1_06_leading_zero_signature": None,
    "nfc_v1_08_spec11_worked_example": None,
    "neg_nfc_v1_01_signature_bit_flip": Reason.BAD_SIGNATURE,
    "neg_nfc_v1_03_der_signature": Reason.WRONG_LENGTH,
    "neg_nfc_v1_04_not_a_pkoc_card": Reason.NOT_THIS_STANDARD,
    "neg_nfc_v1_05_point_off_curve": Reason.OFF_CURVE,
}

SE_V2 = {
    "nfc_v2_01_validated": None,
    "nfc_v2_03_standard_mode": None,
    "nfc_v2_04_chained_certificate": None,
    "neg_nfc_v2_01_unknown_iir": Reason.UNKNOWN_ISSUER,
    "neg_nfc_v2_03_tampered_certificate": Reason.BAD_CERTIFICATE,
    "neg_nfc_v2_05_expired_certificate": Reason.CERTIFICATE_EXPIRED,
}

FINDINGS = {"find_02_signature_oracle_across_flows", "find_03_reflected_reader_signature"}

NUMBERS = "core_01_credential_derivation"


def test_no_transcript_is_forgotten() -> None:
    replayed = {*BLE_READER, *BLE_HOLDER, *NFC, *SE_V2, *FINDINGS, NUMBERS}
    assert replayed == {path.stem for path in (FOLDER / "pkoc").glob("*.json")}


def signing_key(vector: Transcript) -> PrivateKey:
    names = ("rogue_reader_key", "reader_key", "site_key")
    return next((vector.key(name) for name in names if vector.has_key(name)), key("none"))


def reader_of(vector: Transcript) -> ble_reader.ReaderSession:
    identity = ReaderIdentity(
        vector.input("site_identifier"),
        vector.input("reader_location_identifier"),
        signing_key(vector),
    )
    certificate = None
    if "own_notification" in vector.name:
        certificate = ReaderCertificate.decode(vector.input("reader_certificate"))
    policy = ble_reader.Policy(
        allow_normal=vector.raw["flow"] == "normal",
        protocol=ProtocolId.decode(vector.input("protocol_version")),
        certificate=certificate,
    )
    ephemeral = vector.key("reader_ephemeral")
    return ble_reader.ReaderSession(identity, ephemeral, own_keys=NOBODY, policy=policy, now=0.0)


def holder_of(vector: Transcript) -> ble_holder.HolderSession:
    configuration = vector.raw["inputs"]["device_configuration"]
    readers, normal, issuers = [], [], Issuers({})
    if vector.raw["flow"] == "normal":
        normal.append(vector.input("site_identifier"))
    else:
        site, site_key, *issuer = configuration["site"].split(",")
        _, location = configuration["reader"].split(",")
        known = PublicKey.parse(bytes.fromhex(site_key))
        readers.append(KnownReader(bytes.fromhex(site), bytes.fromhex(location), known))
        if issuer:
            issuers = issuers_of(vector, bytes.fromhex(site), bytes.fromhex(issuer[0]))
    ephemeral = "device_ephemeral" if vector.has_key("device_ephemeral") else "reader_ephemeral"
    return ble_holder.HolderSession(
        vector.key("credential"),
        vector.key(ephemeral),
        Keyring(readers, normal),
        last_update=vector.raw["inputs"]["last_update_time"],
        now=0.0,
        issuers=issuers,
        unix_time=1_790_000_000,
    )


def issuers_of(vector: Transcript, site: bytes, issuer: bytes) -> Issuers:
    """The site's issuer, and its revocation list where the transcript is about one."""
    issuers = Issuers({site: PublicKey.parse(issuer)})
    if "revoked" in vector.name:
        location = vector.input("reader_location_identifier")
        issuers.accept(
            RevocationList.issue(
                vector.key("site_issuer"), site=site, issued=1, revoked=((location, 1),)
            )
        )
    return issuers


def without_certificate(notification: bytes) -> bytes:
    """The hello without the certificate in it; one that is alone stays."""
    at = notification.find(bytes.fromhex("10818a"))
    return notification if at <= 0 else notification[:at] + notification[at + 141 :]


@pytest.mark.parametrize("name", BLE_READER)
def test_ble_reader(name: str) -> None:
    vector = Transcript(name)
    session = reader_of(vector)
    hello = session.hello(38 if "four_notifications" in name else 247)
    assert isinstance(hello, tuple)
    waiting = deque(hello)
    outcome: Outcome | None = None
    for step in vector.steps():
        if step.verb == "notify":
            assert waiting.popleft() == without_certificate(step.data)
        elif step.verb == "write":
            match session.receive(step.data, 0.0):
                case Send(message):
                    waiting.append(message)
                case Finished(outcome):
                    waiting.append(session.result(granted=True))
                case None:
                    pass
    assert not waiting
    judge_ble(vector, outcome, BLE_READER[name])


def judge_ble(
    vector: Transcript, outcome: Outcome | None, expected: Strength | Reason | None
) -> None:
    match expected:
        case Strength():
            assert isinstance(outcome, Proven)
            assert outcome.key == vector.derived("pk")
            assert (outcome.transport, outcome.strength) == (Transport.BLE, expected)
        case Reason():
            assert outcome == Refused(expected)
        case None:
            assert outcome is None


@pytest.mark.parametrize("name", BLE_HOLDER)
def test_ble_holder(name: str) -> None:
    vector = Transcript(name)
    session = holder_of(vector)
    waiting: deque[bytes] = deque()
    ending: ble_holder.Ending | None = None
    for step in vector.steps():
        if step.verb == "notify":
            match session.receive(step.data, 0.0):
                case Send(message):
                    waiting.append(message)
                case Finished(ending):
                    pass
                case None:
                    pass
        elif step.verb == "write":
            assert waiting.popleft() == step.data
    assert not waiting
    assert ending == BLE_HOLDER[name]


ECDHE = [name for name in BLE_READER if "ecdhe" in name]


@pytest.mark.parametrize("name", ECDHE)
def test_ecdhe_intermediate_values(name: str) -> None:
    """What both ends compute inside: shared secret, key, signed bytes, plaintext."""
    vector = Transcript(name)
    reader, device = vector.key("reader_ephemeral"), vector.key("device_ephemeral")
    assert reader.agree(device.public) == vector.derived("z") == device.agree(reader.public)
    site, location = vector.input("site_identifier"), vector.input("reader_location_identifier")
    assert transcript(site, location, device.public, reader.public) == vector.derived("tbs")
    channel = Channel(reader, device.public)
    sealed = channel.seal(vector.derived("plaintext"))
    assert AesCcm(vector.derived("key")).open(vector.derived("ccm_nonce"), sealed) == (
        vector.derived("plaintext")
    )
    writes = [step.data for step in vector.steps() if step.verb == "write"]
    encrypted = decode_device(writes[1])
    assert isinstance(encrypted, Encrypted)
    assert encrypted.sealed == sealed
    assert encrypted.lengths is (Lengths.BER if "elatec" in name else Lengths.ONE_BYTE)
    assert Credential.decode(vector.derived("plaintext")).encode() == vector.derived("plaintext")


def identity_of(vector: Transcript) -> ReaderIdentity:
    site, location = vector.input("site_identifier"), vector.input("reader_location_identifier")
    return ReaderIdentity(site, location, key("none"))


@pytest.mark.parametrize("name", NFC)
def test_nfc_reader(name: str) -> None:
    vector = Transcript(name)
    session = TagSession(
        nfc_reader.dialogue(identity_of(vector), vector.input("transaction_id"), own_keys=NOBODY),
        now=0.0,
    )
    command = session.start()
    outcome: Outcome | None = None
    for expected, response in vector.exchanges():
        assert outcome is None
        # Our AUTHENTICATE always asks for a response (Le), as real cards want it.
        assert command == (
            expected + b"\0" if "no_le" in name and expected[0] == 0x80 else expected
        )
        match session.receive(response, 0.0):
            case Send(command):
                pass
            case Finished(outcome):
                pass
            case None:
                raise AssertionError("nothing follows an outcome")
    reason = NFC[name]
    if reason is None:
        assert isinstance(outcome, Proven)
        assert outcome.key == vector.derived("public_key")
        assert (outcome.transport, outcome.strength) == (Transport.NFC, Strength.ONE_WAY)
    else:
        assert outcome == Refused(reason)


@pytest.mark.parametrize("name", [name for name in NFC if NFC[name] is None and "08" not in name])
def test_nfc_card(name: str) -> None:
    vector = Transcript(name)
    exchanges = vector.exchanges()
    versions = SelectAnswer.decode(ResponseAPDU.decode(exchanges[0][1]).data).versions
    card = Card([PkocApplication(vector.key("credential"), versions)])
    for command, response in exchanges:
        assert card.receive(command) == response


def test_numbers() -> None:
    vector = Transcript(NUMBERS)
    derived = vector.raw["derived"]["pacs"]
    numbers = {bits: CredentialNumber.of(vector.input("public_key"), bits) for bits in SIZES}
    for bits, number in numbers.items():
        assert number.hexadecimal == derived[str(bits)].upper()
    assert numbers[64].decimal == derived["64_dec"]
    assert numbers[75].binary == derived["75_bits"]


def se_v2_door(vector: Transcript) -> SeV2:
    inputs = vector.raw["inputs"]
    suppliers = Suppliers(
        {
            reference: PublicKey.parse(bytes.fromhex(point))
            for reference, point in inputs["configured_issuers"].items()
        }
    )
    return SeV2(
        vector.input("challenge"),
        suppliers if inputs["validated_mode"] else None,
        date.fromisoformat(str(inputs["today"])),
    )


@pytest.mark.parametrize("name", SE_V2)
def test_se_v2_reader(name: str) -> None:
    vector = Transcript(name)
    session = TagSession(
        nfc_reader.dialogue(READER, bytes(16), own_keys=NOBODY, se_v2=se_v2_door(vector)),
        now=0.0,
    )
    command = session.start()
    outcome: Outcome | None = None
    for expected, response in vector.exchanges():
        assert command == expected
        match session.receive(response, 0.0):
            case Send(command):
                pass
            case Finished(outcome):
                pass
            case None:
                raise AssertionError("nothing follows an outcome")
    reason = SE_V2[name]
    if reason is not None:
        assert outcome == Refused(reason)
        return
    assert isinstance(outcome, Proven)
    assert outcome.key == vector.derived("subject_public_key")
    validated = vector.raw["inputs"]["validated_mode"]
    assert outcome.issuer == (vector.raw["derived"]["iir"] if validated else None)


@pytest.mark.parametrize("name", [name for name in SE_V2 if "chained" not in name])
def test_se_v2_card(name: str) -> None:
    """Our card, with the transcript's certificate, says what the transcript's card said."""
    vector = Transcript(name)
    certificate = Certificate.decode(vector.input("cvc"))
    certified = Certified(vector.key("subject"), certificate)
    card = Card([PkocApplication(key("another"), certified=certified)])
    for command, response in vector.exchanges():
        assert card.receive(command) == response


@pytest.mark.parametrize("name", [name for name in SE_V2 if "tampered" not in name])
def test_se_v2_certificate(name: str) -> None:
    """What a certificate says, and the same one made anew from it."""
    vector = Transcript(name)
    certificate, derived = Certificate.decode(vector.input("cvc")), vector.raw["derived"]
    claims = certificate.claims
    assert claims.point == vector.derived("subject_public_key")
    assert claims.profile[0] == derived["profile"]
    assert claims.issuer.decode() == derived["iir"]
    assert claims.subject.decode() == derived["subject_reference"]
    assert f"{claims.effective:%Y%m%d}" == str(derived["effective"])
    assert f"{claims.expires:%Y%m%d}" == str(derived["expires"])
    assert {oid.hex(): value.hex() for oid, value in claims.extensions} == derived["extensions"]
    assert certificate.signed == vector.derived("signed_body_7f4e")
    assert Certificate.issue(claims, vector.key("issuer")).encode() == vector.input("cvc")


def test_published_nfc_example() -> None:
    """The specification's own example: commands as printed, and a signature that verifies."""
    example = published("pkoc-nfc-1.1-example")
    reader_id = bytes.fromhex(example["reader_id"])
    session = TagSession(
        nfc_reader.dialogue(
            ReaderIdentity(reader_id[:16], reader_id[16:], key("none")),
            bytes.fromhex(example["transaction_id"]),
            own_keys=NOBODY,
        ),
        now=0.0,
    )
    assert session.start().hex().upper() == example["select_capdu"]
    authenticate = sent(session.receive(bytes.fromhex(example["select_rapdu"]), 0.0))
    assert authenticate.hex().upper() == example["auth_capdu"]
    point, signature = (bytes.fromhex(example[name]) for name in ("public_key", "signature"))
    answer = encode_compact(0x5A, point) + encode_compact(0x9E, signature) + b"\x90\0"
    outcome = finished(session.receive(answer, 0.0))
    assert isinstance(outcome, Proven)
    assert outcome.key == point


class TestFind02:
    """A key that signs whatever it is handed serves one transport as an oracle for another."""

    VECTOR = Transcript("find_02_signature_oracle_across_flows")

    def test_the_signature_would_have_been_taken(self) -> None:
        """The published attack worked: an ECDHE reader cannot see where a signature was made."""
        a3 = {name: bytes.fromhex(value) for name, value in self.VECTOR.raw["a3"].items()}
        attacker = PrivateKey.from_bytes(a3["attacker_ephemeral"])
        reader = PublicKey.parse(a3["reader_hello"][9:42])
        blob = transcript(a3["oracle_blob"][:16], a3["oracle_blob"][16:32], attacker.public, reader)
        assert blob == a3["oracle_blob"]
        message = decode_device(a3["final_write"])
        assert isinstance(message, Encrypted)
        shown = Credential.decode(Channel(attacker, reader).open(message.sealed))
        assert shown.point == a3["victim_public_key"]
        assert PublicKey.parse(shown.point).verifies(a3["victim_signature"], blob)

    @pytest.mark.parametrize("size", [16, 32, 34, 65, 96])
    def test_our_phone_signs_a_33_byte_point_only(self, size: int) -> None:
        site, location = bytes(16), bytes(15) + b"\1"
        hello = bytes.fromhex("0c050300000001") + encode_compact(0x02, bytes(size))
        hello += encode_compact(0x0D, location) + encode_compact(0x0E, site)
        phone = ble_holder.HolderSession(
            key("victim"), key("d"), Keyring([], [site]), last_update=0, now=0.0
        )
        assert finished(phone.receive(hello, 0.0)) == Refused(Reason.WRONG_LENGTH)

    @pytest.mark.parametrize("size", [0, 15, 17, 33, 65, 96])
    def test_our_card_signs_16_bytes_only(self, size: int) -> None:
        card = Card([PkocApplication(key("victim"))])
        card.receive(bytes.fromhex("00a4040008a00000089800000100"))
        data = encode_compact(0x5C, b"\1\0") + encode_compact(0x4C, bytes(size))
        command = CommandAPDU(0x80, 0x80, 0, 1, data, 256).encode()
        assert card.receive(command) == bytes.fromhex("6700")


class TestFind03:
    """Both ends sign the same bytes, so that a reader's own signature proves its own key."""

    VECTOR = Transcript("find_03_reflected_reader_signature")

    def test_the_published_attack_is_what_it_says(self) -> None:
        vector = self.VECTOR
        steps = [
            bytes.fromhex(value) for step in vector.raw["steps"][:4] for value in step.values()
        ]
        hello, _, proof, write = steps
        message = decode_device(write)
        assert isinstance(message, Encrypted)
        attacker, reader = vector.key("attacker_ephemeral"), PublicKey.parse(hello[9:42])
        shown = Credential.decode(Channel(attacker, reader).open(message.sealed))
        site_key = vector.key("site_key").public
        assert (shown.point, shown.signature) == (site_key.point, proof[2:])
        signed = transcript(
            vector.input("site_identifier"),
            vector.input("reader_location_identifier"),
            attacker.public,
            reader,
        )
        assert site_key.verifies(shown.signature, signed)

    @pytest.mark.parametrize("own", ["identity", "own keys"])
    def test_our_reader_refuses_it(self, own: str) -> None:
        vector = self.VECTOR
        site_key, attacker = vector.key("site_key"), vector.key("attacker_ephemeral")
        identity = ReaderIdentity(
            vector.input("site_identifier"), vector.input("reader_location_identifier"), site_key
        )
        own_keys = OwnKeys([site_key.public] if own == "own keys" else [])
        ephemeral = key("reader ephemeral")
        session = ble_reader.ReaderSession(identity, ephemeral, own_keys=own_keys, now=0.0)
        session.hello(247)
        opening = bytes.fromhex(vector.raw["steps"][1]["attacker"])
        proof = sent(session.receive(opening, 0.0))
        reflected = Credential(site_key.public.point, proof[2:]).encode()
        sealed = Channel(attacker, ephemeral.public).seal(reflected)
        assert refused(session.receive(Encrypted(sealed).encode(), 0.0)) is Reason.OWN_KEY
        assert ReaderProof(proof[2:]).encode() == proof
